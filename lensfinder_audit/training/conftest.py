# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Modules whose package is not installed hold no examples that could be tested."""
from importlib.util import find_spec

collect_ignore = [] if find_spec('torch') and find_spec('lightning') else [
    'card.py', 'hardware.py', 'keeper.py', 'loading.py', 'module.py', 'plan.py', 'run.py']
