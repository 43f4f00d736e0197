# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Modules whose package is not installed hold no examples that could be tested."""
from importlib.util import find_spec

NEEDS = {'lenstronomy.py': 'lenstronomy', '_trace_torch.py': 'torch'}

collect_ignore = [path for path, package in NEEDS.items() if not find_spec(package)]
