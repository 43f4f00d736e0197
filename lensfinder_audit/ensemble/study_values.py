# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What the keys of a study file may hold."""
from math import isfinite

from lensfinder_audit.exceptions import ConfigError, did_you_mean

__all__ = ['check_keys', 'check_value']

_KINDS = {'members': dict, 'budgets': list, 'baseline': dict, 'controls': (int, str, dict),
          'combiners': list, 'combiner_options': dict, 'conditions': list, 'bins': dict,
          'level': (int, float),
          'splits': dict, 'training': dict, 'stratification': dict, 'columns': dict, 'label': str,
          'search': dict, 'statistics': dict, 'injections': (str, dict), 'group': str,
          'missing': str, 'title': str}
_INSIDE = {'splits': ('assign', 'column', 'train', 'fit', 'report'),
           'training': ('preset', 'settings'),
           'stratification': ('seeds', 'strata', 'negatives_per_positive', 'pairs'),
           'search': ('prevalence', 'size'), 'injections': ('folder', 'by'),
           'statistics': ('confidence', 'n_resamples', 'seed', 'power', 'min_groups')}
_WORDS = {dict: 'names with values', list: 'a list', str: 'text', (int, float): 'a number',
          (int, str, dict): 'a number, "same" or models by name',
          (str, dict): 'a folder, or {folder: DIR, by: [theta_e]}'}
_WHOLE = ('n_resamples', 'seed', 'min_groups')


def check_keys(values, allowed, where):
    """
    Refuse a key that is not known.

    Parameters
    ----------
    values : dict
        What a part of the file holds.
    allowed : iterable of str
        Its keys.
    where : str
        How a message calls the part.

    Raises
    ------
    ConfigError
        Naming the key and the nearest one.
    """
    if not isinstance(values, dict):
        raise ConfigError(f'{where}: must hold keys and values, not {values!r}')
    for key in values:
        if key not in allowed:
            raise ConfigError(f'{where}: has an unknown key {key!r}.{did_you_mean(key, allowed)} '
                              f'Keys are {list(allowed)}.')


def check_value(name, value, label):
    """
    Refuse a value of the wrong kind.

    Parameters
    ----------
    name : str
        Key of the file.
    value : object
        What it holds.
    label : str
        How a message calls the file.

    Raises
    ------
    ConfigError
        If the value cannot be.
    """
    kind = _KINDS[name]
    if (value is None and name == 'baseline') or name == 'title':
        return
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f'{label}: {name} must be {_WORDS[kind]}; it is {value!r}')
    if name in _INSIDE and isinstance(value, dict):
        check_keys(value, _INSIDE[name], f'{label}: {name}')
    check = _CHECKS.get(name)
    problem = check(value) if check else ''
    if problem:
        raise ConfigError(f'{label}: {name}: {problem}')


def _numbers(values, least=0):
    return all(isinstance(item, int | float) and not isinstance(item, bool) and isfinite(item)
               and item > least for item in values)


def _budgets(value):
    good = value and _numbers(value) and len(set(value)) == len(value)
    return '' if good else f'give different positive numbers of objects; it is {value!r}'


def _controls(value):
    good = value == 'same' if isinstance(value, str) else isinstance(value, dict) or value >= 0
    return '' if good else f'give a number, "same" or models by name; it is {value!r}'


def _models(value):
    for name, entry in value.items():
        if not isinstance(entry, dict):
            return f'{name}: must hold keys and values, such as {{subset: A}}; it is {entry!r}'
    return ''


def _level(value):
    return '' if 0 < value < 1 else f'give a completeness between 0 and 1; it is {value!r}'


def _statistics(value):
    for name, item in value.items():
        if name in _WHOLE and not (isinstance(item, int) and not isinstance(item, bool)
                                   and item >= (100 if name == 'n_resamples' else 0)):
            return f'{name} must be a whole number, for n_resamples 100 or more; it is {item!r}'
        if name not in _WHOLE and not (isinstance(item, float) and 0 < item < 1):
            return f'{name} must lie between 0 and 1; it is {item!r}'
    return ''


def _stratification(value):
    if bool(value.get('pairs')) == bool(value.get('seeds')):
        return 'give either seeds, which are trained, or pairs, which are loaded'
    for seed, arms in (value.get('pairs') or {}).items():
        if not isinstance(seed, int) or not isinstance(arms, dict) or (
                set(arms) != {'stratified', 'random'}) or _models(arms):
            return f'pair {seed!r} must be a seed with a stratified and a random model'
    seeds = value.get('seeds', [0])
    if not isinstance(seeds, list) or not all(isinstance(seed, int) for seed in seeds):
        return f'seeds must be a list of whole numbers; it is {seeds!r}'
    ratio = value.get('negatives_per_positive', 1)
    if not isinstance(ratio, int | float) or not ratio > 0:
        return f'negatives_per_positive must be a positive number; it is {ratio!r}'
    return ''


def _injections(value):
    folder, by = (value, []) if isinstance(value, str) else (value.get('folder'),
                                                             value.get('by', []))
    good = isinstance(folder, str) and isinstance(by, list) and all(
        isinstance(name, str) for name in by)
    return '' if good else f'give a folder, or {{folder: DIR, by: [theta_e]}}; it is {value!r}'


def _missing(value):
    return '' if value in ('refuse', 'leave_out') else f'is refuse or leave_out, not {value!r}'


_CHECKS = {'budgets': _budgets, 'controls': _controls, 'members': _models, 'level': _level,
           'statistics': _statistics, 'stratification': _stratification, 'missing': _missing,
           'combiner_options': _models, 'injections': _injections}
