# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Train in a process that is killed in the middle of its second epoch."""
import os
import signal
import sys
from pathlib import Path

from lensfinder_audit.training.tests.made_up_training import SMALL


def die(found):
    """Stop without any chance to tidy up."""
    if found['epoch'] == 2 and not found['done']:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == '__main__':
    from lensfinder_audit.training import train_finder  # where torch is installed

    folder = Path(sys.argv[1])
    train_finder(folder / 'manifest.parquet', folder / 'cutouts', sys.argv[2],
                 preset='paper4-shielded-resnet', settings=SMALL | {'epochs': 3}, seed=4,
                 progress=die)
