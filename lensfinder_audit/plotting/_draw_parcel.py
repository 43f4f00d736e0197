# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What another process runs to draw figures: a file with them, and their folder."""
import pickle
import sys
from pathlib import Path

from lensfinder_audit.plotting.save import save_figure

if __name__ == '__main__':
    for drawn in pickle.loads(Path(sys.argv[1]).read_bytes()):
        save_figure(drawn, Path(sys.argv[2]))
