# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How checks are run.

A check is a function of one case: the plugin and what it is tried on. Its name
states the fact that it checks; it raises where the fact does not hold.
"""
import pickle
from importlib import import_module
from typing import NamedTuple

import numpy as np

from lensfinder_audit.exceptions import ConfigError, ConformanceError, did_you_mean
from lensfinder_audit.interfaces import API_VERSION, CatalogFinder, parameter_names

__all__ = ['CheckResult', 'check_plugin', 'require', 'results', 'api_version_is_known',
           'parameters_are_recorded', 'largest_difference', 'revived']

# Module and class of the case of each kind.
_CASES = {'normalizers': ('_normalizers', 'NormalizerCase'),
          'classifiers': ('_classifiers', 'ClassifierCase'),
          'simulators': ('_simulators', 'SimulatorCase'),
          'sources': ('_sources', 'SourceCase'),
          'engines': ('_engines', 'EngineCase'),
          'surveys': ('_surveys', 'SurveyCase')}
_WITHOUT_PIXELS = ('_catalog_finders', 'CatalogFinderCase')  # of the kind classifiers


class CheckResult(NamedTuple):
    """Outcome of one check."""

    #: The fact that was checked, in words.
    name: str
    #: Whether it holds.
    passed: bool
    #: What is wrong and what to do; empty where the check passed.
    message: str


def check_plugin(kind, plugin, **options):
    """
    Run every check of a kind, also after one has failed.

    Parameters
    ----------
    kind : str
        ``'normalizers'``, ``'classifiers'``, ``'simulators'``, ``'sources'``,
        ``'engines'`` or ``'surveys'``.
    plugin : object or type
        The plugin. A class, which is what `~lensfinder_audit.plugins.load_plugin`
        returns, is made without arguments.
    **options
        What the check of the kind takes, such as ``hosts`` for a simulator. A finder without
        pixels is of the kind ``'classifiers'`` and gets the checks of
        `~lensfinder_audit.testing.check_catalog_finder`.

    Returns
    -------
    results : list of `CheckResult`
        In the order in which the checks were run.

    Raises
    ------
    ConfigError
        If there is no such kind.

    Examples
    --------
    >>> from lensfinder_audit.plugins import load_plugin
    >>> from lensfinder_audit.testing import check_plugin
    >>> results = check_plugin('engines', load_plugin('engines', 'local')(workers=1))
    >>> all(passed for name, passed, message in results)
    True
    """
    if kind not in _CASES:
        raise ConfigError(f'there is no check for plugins of kind {kind!r}; the kinds are '
                          f'{list(_CASES)}.{did_you_mean(kind, _CASES)}')
    try:
        plugin = plugin() if isinstance(plugin, type) else plugin
    except Exception as error:
        message = (f'{plugin.__name__}() raised {_in_words(error)}; give every argument a default, '
                   'or make one and hand it to the check')
        return [CheckResult('can be made without arguments', False, message)]
    without_pixels = kind == 'classifiers' and isinstance(plugin, CatalogFinder)
    module, name = _WITHOUT_PIXELS if without_pixels else _CASES[kind]
    case_class = getattr(import_module(f'lensfinder_audit.testing.{module}'), name)
    return results(case_class(plugin, **options))


def results(case):
    """Run all checks of a case and return what each of them found."""
    return [_result(check, case) for check in case.checks]


def require(case):
    """Run the checks of a case and raise at the first that fails."""
    for check in case.checks:
        try:
            check(case)
        except Exception as error:
            raise ConformanceError(f'{type(case.plugin).__name__} fails the check '
                                   f'{_name(check)!r}: {_message(error)}') from error


def _result(check, case):
    try:
        check(case)
    except Exception as error:
        return CheckResult(_name(check), False, _message(error))
    return CheckResult(_name(check), True, '')


def _name(check):
    return check.__name__.replace('_', ' ')


def _message(error):
    return str(error) if isinstance(error, ConformanceError) else f'it raised {_in_words(error)}'


def _in_words(error):
    return f'{type(error).__name__}: {" ".join(str(error).split())}'


def api_version_is_known(case):
    """The plugin was written for the contracts of this version of the package."""
    version = getattr(case.plugin, 'api_version', None)
    if version == API_VERSION:
        return
    newer = isinstance(version, int) and version > API_VERSION
    raise ConformanceError(f'api_version is {version!r}, this package has {API_VERSION}; upgrade '
                           f'{"lensfinder_audit" if newer else "the plugin"}')


def parameters_are_recorded(case):
    """Every argument of ``__init__`` is kept under its own name."""
    lost = [name for name in parameter_names(type(case.plugin)) if not hasattr(case.plugin, name)]
    if lost:
        raise ConformanceError(f'the arguments {lost} of __init__ are not attributes, so that '
                               f'results cannot record them; write self.{lost[0]} = {lost[0]}')


def require_kind(case, cls):
    """Raise if the plugin does not subclass the interface."""
    if not isinstance(case.plugin, cls):
        raise ConformanceError(f'{type(case.plugin).__name__} is no {cls.__name__}; subclass '
                               f'lensfinder_audit.interfaces.{cls.__name__}')


def revived(plugin):
    """Return the plugin as another process would get it."""
    try:
        return pickle.loads(pickle.dumps(plugin))
    except Exception as error:
        raise ConformanceError(
            f'it cannot be sent to another process: {_in_words(error)}; keep parameters as '
            'attributes and make functions, locks and sessions where they are used') from error


def largest_difference(first, second):
    """Return the largest absolute difference; infinite where only one is finite."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape:
        return np.inf
    with np.errstate(invalid='ignore'):
        difference = np.where(first == second, 0, np.abs(first - second))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0))
