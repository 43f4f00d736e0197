# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Measure what a strong gravitational lens finder can and cannot detect.

The names below are imported on first use, so that ``import lensfinder_audit``
costs nothing.
"""
from importlib import import_module as _import_module

try:
    from lensfinder_audit._version import version as __version__
except ImportError:  # a source tree that was never built
    __version__ = '0.1.dev0'

_HOMES = {
    'audit': 'lensfinder_audit.audit',
    'AuditResult': 'lensfinder_audit.audit',
    'load_plugin': 'lensfinder_audit.plugins',
    'plugin_names': 'lensfinder_audit.plugins',
    'read_table': 'lensfinder_audit.files',
}

__all__ = ['__version__', *_HOMES]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(_import_module(_HOMES[name]), name)


def __dir__():
    return sorted(__all__)
