# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Distributions as a file of priors writes them; see `lensfinder_audit.priors`.

Each turns uniform numbers between 0 and 1 into values, row by row, so that a row
depends on nothing but its own number and its host.
"""
from numbers import Real
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.files import read_table, sha256
from lensfinder_audit.tables import require_columns

__all__ = ['KINDS', 'make_distribution']


class Constant:
    """One value for all rows."""

    files, columns = (), ()

    def __init__(self, value):
        self.value = value

    def draw(self, level, chance, hosts):
        return np.full(len(level), float(self.value))


class Uniform(Constant):
    """Between two ends."""

    arguments = ('least', 'greatest')

    def __init__(self, low, high):
        _rising(low, high)
        self.low, self.high = low, high

    def draw(self, level, chance, hosts):
        return self.low + (self.high - self.low) * level


class Area(Uniform):
    """A radius between two ends, uniform in area."""

    def draw(self, level, chance, hosts):
        return np.sqrt(self.low ** 2 + (self.high ** 2 - self.low ** 2) * level)


class Normal(Constant):
    """Mean and standard deviation."""

    arguments = ('mean', 'standard deviation')

    def __init__(self, mean, sigma):
        _not_negative(sigma)
        self.mean, self.sigma = mean, sigma

    def draw(self, level, chance, hosts):
        return self.mean + self.sigma * ndtri(level)


class Truncated(Normal):
    """A normal distribution between two ends."""

    arguments = ('mean', 'standard deviation', 'least', 'greatest')

    def __init__(self, mean, sigma, low, high):
        super().__init__(mean, sigma)
        _rising(low, high)
        self.low, self.high = low, high
        with np.errstate(divide='ignore', invalid='ignore'):
            self._ends = ndtr((np.array([low, high]) - mean) / sigma)
        if not np.diff(self._ends) > 1e-12:
            raise ConfigError(f'nothing of a normal distribution of {mean:g} +- {sigma:g} lies '
                              f'between {low:g} and {high:g}')

    def draw(self, level, chance, hosts):
        values = super().draw(self._ends[0] + np.diff(self._ends) * level, chance, hosts)
        return np.clip(values, self.low, self.high)


class Table(Constant):
    """Values of a column of a file, each as likely as its weight."""

    def __init__(self, path, column, *, weight=None, scatter=0.0):
        table = read_table(path)
        require_columns(table, [name for name in (column, weight) if name], what=str(path))
        self.values = _numbers(table[column])
        share = np.ones(len(table)) if weight is None else _numbers(table[weight])
        share = np.where(np.isfinite(self.values), share, 0)
        if not (np.isfinite(share) & (share >= 0)).all() or not share.sum() > 0:
            raise ConfigError(f'{path}: column {column!r} holds no number with a weight')
        self.scatter, self.files = scatter, (sha256(path),)
        self._cumulative = np.cumsum(share) / share.sum()

    def draw(self, level, chance, hosts):
        row = np.searchsorted(self._cumulative, level, side='right')
        found = self.values[np.minimum(row, len(self.values) - 1)]
        return found + self.scatter * ndtri(chance)


class Host(Constant):
    """What a column of the host says, with a scatter, between two ends."""

    def __init__(self, column, *, scatter=0.0, least=-np.inf, most=np.inf, otherwise=None):
        _not_negative(scatter)
        _rising(least, most)
        self.columns = (column, *(otherwise.columns if otherwise else ()))
        self.files = otherwise.files if otherwise else ()
        self.column, self.scatter, self.otherwise = column, scatter, otherwise
        self.least, self.most = least, most

    def draw(self, level, chance, hosts):
        require_columns(hosts, [self.column], what='the table of hosts')
        values = _numbers(hosts[self.column]) + self.scatter * ndtri(level)
        values = np.clip(values, self.least, self.most)
        if self.otherwise is None:
            return values
        return np.where(np.isfinite(values), values, self.otherwise.draw(chance, level, hosts))


class By(Constant):
    """A distribution for each class of host."""

    def __init__(self, column, cases):
        if not isinstance(cases, dict) or not cases:
            raise ConfigError(f'by: {column} needs cases, such as cases: {{DEV: {{uniform: '
                              '[0.6, 1]}}, else: 0.8}')
        self.column, self.cases = column, cases
        self.columns = (column, *(name for case in cases.values() for name in case.columns))
        self.files = tuple(name for case in cases.values() for name in case.files)

    def draw(self, level, chance, hosts):
        require_columns(hosts, [self.column], what='the table of hosts')
        words = np.asarray(hosts[self.column]).astype(str)
        values = np.full(len(level), np.nan)
        for name, case in self.cases.items():
            rows = words == name if name != 'else' else ~np.isin(words, list(self.cases))
            values[rows] = case.draw(level[rows], chance[rows], hosts[rows])
        return values


_LISTS = {'uniform': Uniform, 'area': Area, 'normal': Normal, 'truncated': Truncated}

#: Words that a prior can begin with, and what may stand beside each.
KINDS = {**{name: () for name in _LISTS}, 'table': ('column', 'weight', 'scatter'),
         'host': ('scatter', 'least', 'most', 'otherwise'), 'by': ('cases',)}


def make_distribution(given, *, folder, what):
    """Read one prior; ``folder`` is where relative names of files begin."""
    if isinstance(given, Real) and not isinstance(given, bool):
        return Constant(given)
    if not isinstance(given, dict):
        raise ConfigError(f'{what} is {given!r}; give a number, or one of {list(KINDS)}, such as '
                          '{uniform: [0.5, 1.0]}')
    kind = _kind(given, what)
    try:
        return _make(kind, given, folder, what)
    except (TypeError, ConfigError) as error:
        raise ConfigError(f'{what}: {error}') from error


def _make(kind, given, folder, what):
    rest = {name: value for name, value in given.items() if name != kind}
    if kind in _LISTS:
        return _LISTS[kind](*_ends(given[kind], _LISTS[kind].arguments, kind))
    if kind == 'table':
        return Table(Path(folder) / str(given['table']), **rest)
    if kind == 'host':
        if 'otherwise' in rest:
            rest['otherwise'] = make_distribution(rest['otherwise'], folder=folder,
                                                  what='otherwise')
        return Host(str(given['host']), **rest)
    cases = {str(name): make_distribution(case, folder=folder, what=f'case {name}')
             for name, case in (rest.get('cases') or {}).items()}
    return By(str(given['by']), cases)


def _kind(given, what):
    found = [name for name in given if name in KINDS]
    strange = [name for name in given if name not in KINDS]
    if len(found) != 1:
        near = did_you_mean(strange[0], KINDS) if strange else ''
        raise ConfigError(f'{what} is {given!r}; give exactly one of {list(KINDS)}.{near}')
    for name in strange:
        if name not in KINDS[found[0]]:
            raise ConfigError(f'{what}: {name!r} does not go with {found[0]!r}; what does is '
                              f'{list(KINDS[found[0]])}.{did_you_mean(name, KINDS[found[0]])}')
    return found[0]


def _ends(values, arguments, kind):
    good = isinstance(values, list) and len(values) == len(arguments) and all(
        isinstance(value, Real) and np.isfinite(value) for value in values)
    if not good:
        raise ConfigError(f'{kind} takes [{", ".join(arguments)}], not {values!r}')
    return values


def _numbers(column):
    try:
        return np.asarray(getattr(column, 'value', column), dtype=float)
    except ValueError as error:
        raise ConfigError(f'column {column.info.name!r} holds no numbers: {error}') from error


def _rising(low, high):
    if not low <= high:
        raise ConfigError(f'the ends are least and greatest; {low:g} and {high:g} are not')


def _not_negative(sigma):
    if not sigma >= 0:
        raise ConfigError(f'a standard deviation is not negative; {sigma:g} is')
