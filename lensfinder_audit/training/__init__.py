# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train finders on a manifest and its cutouts.

The names below are imported on first use, so that torch is loaded only where something
is trained.
"""
from importlib import import_module as _import_module

from lensfinder_audit.exceptions import MissingDependencyError as _MissingDependencyError

_HOMES = {
    'TrainingSettings': 'lensfinder_audit.training.settings',
    'load_settings': 'lensfinder_audit.training.settings',
    'TrainingResult': 'lensfinder_audit.training.run',
    'train_finder': 'lensfinder_audit.training.run',
}


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    try:
        return getattr(_import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        raise _MissingDependencyError(f'training needs {error.name!r}, which is not installed: '
                                      "pip install 'lensfinder_audit[torch]'") from error


def __dir__():
    return sorted(_HOMES)
