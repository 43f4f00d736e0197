# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The errors of this package.

Each is a `LensfinderAuditError` and also the built-in error that fits, so that
``except ValueError`` in a user's script goes on working.
"""
from difflib import get_close_matches

__all__ = ['LensfinderAuditError', 'TableError', 'InputFileError', 'OutputExistsError',
           'OutputFileError', 'ConfigError', 'MeasurementError', 'TrainingError', 'PluginError',
           'PluginNotFoundError', 'PluginConflictError', 'PluginImportError',
           'MissingDependencyError', 'ConformanceError', 'PartitionError', 'did_you_mean']


class LensfinderAuditError(Exception):
    """Any error that this package raises on purpose."""


class TableError(LensfinderAuditError, ValueError):
    """A table lacks a column, or a column holds what it may not."""


class InputFileError(LensfinderAuditError, OSError):
    """A file cannot be read as what it should be."""


class OutputExistsError(LensfinderAuditError, FileExistsError):
    """An output is there already and was not to be replaced."""


class OutputFileError(LensfinderAuditError, OSError):
    """An output cannot be written: no room, or a folder that is not ours."""


class ConfigError(LensfinderAuditError, ValueError):
    """An option or a configuration file asks for something that does not exist."""


class MeasurementError(LensfinderAuditError, ValueError):
    """The input does not carry the measurement that was asked for."""


class TrainingError(LensfinderAuditError, RuntimeError):
    """A training broke down: its loss is no number any more, or memory ran out."""


class PluginError(LensfinderAuditError):
    """A plugin cannot be found, told apart or loaded."""


class PluginNotFoundError(PluginError, LookupError):
    """No installed distribution registers the plugin."""


class PluginConflictError(PluginError, RuntimeError):
    """Two installed distributions register the same name."""


class PluginImportError(PluginError, ImportError):
    """The module of a plugin raises when it is imported."""


class MissingDependencyError(PluginImportError):
    """A plugin needs an optional dependency that is not installed."""


class ConformanceError(LensfinderAuditError, AssertionError):
    """A plugin breaks its contract."""


class PartitionError(LensfinderAuditError, RuntimeError):
    """A function failed on one partition; the message names the partition."""


def did_you_mean(name, choices):
    """
    Return the sentence that names the nearest of the allowed words.

    Parameters
    ----------
    name : str
        What was asked for.
    choices : iterable of str
        What exists.

    Returns
    -------
    sentence : str
        ``" Did you mean 'x'?"`` with its leading space, or an empty string
        where nothing is near.

    Examples
    --------
    >>> from lensfinder_audit.exceptions import did_you_mean
    >>> did_you_mean('treshold', ['threshold', 'budget'])
    " Did you mean 'threshold'?"
    """
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    near = get_close_matches(str(name).lower(), by_lower, n=1)
    return f' Did you mean {by_lower[near[0]]!r}?' if near else ''
