# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Which votes of volunteers make a galaxy a confuser.

The columns and cuts are a YAML file that anyone can change; ``galaxy_zoo`` ships
with the package.
"""
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.preset_files import read_preset
from lensfinder_audit.row_tests import only_keys, read_condition

__all__ = ['VoteRules', 'load_vote_rules', 'vote_classes', 'place_by_name']

#: Names of the rules that ship with the package.
PRESETS = ('galaxy_zoo',)

_SECTIONS = ('names', 'least_votes', 'classes')
_POSITION = {'ra': ('ra', 'raj2000'), 'dec': ('dec', 'de', 'dej2000', 'decj2000'),
             'name': ('iauname', 'idstr', 'name', 'objectid', 'id')}
_IAU = re.compile(r'J(\d{2})(\d{2})(\d{2}(?:\.\d*)?)([+-])(\d{2})(\d{2})(\d{2}(?:\.\d*)?)')


@dataclass(frozen=True)
class VoteRules:
    """
    Columns of votes and the cuts on them.

    Parameters
    ----------
    name : str
        Of the preset or file.
    classes : dict of str to list of `~lensfinder_audit.row_tests.Condition`
        By confuser class; one condition that fits is enough.
    names : dict of str to list of str
        Columns of the tables for the names in the conditions, in order of preference.
    least_votes : float, optional
        Fewest volunteers, where a table has a column for ``votes``.
    """

    name: str
    classes: dict
    names: dict = field(default_factory=dict)
    least_votes: float = 0.0


def load_vote_rules(source='galaxy_zoo'):
    """
    Read the cuts on votes from a preset or a YAML file.

    Parameters
    ----------
    source : str or `~pathlib.Path`, optional
        ``galaxy_zoo``, or a file with ``classes`` and optionally ``names`` and
        ``least_votes``.

    Returns
    -------
    rules : `VoteRules`
        Checked.

    Raises
    ------
    ConfigError
        If the file cannot be read, has an unknown key or a value that cannot be.

    Examples
    --------
    >>> from lensfinder_audit.vote_rules import load_vote_rules
    >>> rules = load_vote_rules()
    >>> list(rules.classes), rules.classes['merger'][0].tests
    (['merger', 'ring', 'spiral'], {'merger': {'above': 0.5}})
    """
    found, label, _ = read_preset(source, 'votes', PRESETS, what='rules', begins='classes')
    only_keys(found, _SECTIONS, label)
    least, names = found.get('least_votes', 0), found.get('names', {})
    if not isinstance(least, int | float) or isinstance(least, bool) or not 0 <= least < np.inf:
        raise ConfigError(f'{label}: least_votes must be a number of volunteers; it is {least!r}')
    if not isinstance(names, dict) or not all(isinstance(item, list) for item in names.values()):
        raise ConfigError(f'{label}: names must be lists of columns by name; it is {names!r}')
    if not isinstance(found.get('classes'), dict) or not found['classes']:
        raise ConfigError(f'{label}: classes must hold lists of tests by confuser class')
    return VoteRules(label if label in PRESETS else Path(label).name,
                     {name: _conditions(lines, f'{label}: classes: {name}')
                      for name, lines in found['classes'].items()}, names, float(least))


def _conditions(lines, where):
    if not isinstance(lines, list) or not lines:
        raise ConfigError(f'{where}: must be a list of tests; it is {lines!r}')
    return [read_condition(tests, where) for tests in lines]


def vote_classes(table, rules, *, what='the table of votes'):
    """
    Return the confuser classes that the votes for galaxies make.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Votes, as fractions.
    rules : `VoteRules`
        From `load_vote_rules`.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    first, every : (n,) `~numpy.ndarray` of str
        The class that names a galaxy, empty where none fits; all classes that fit.
    unused : list of str
        Lines that were left out, with the columns that the table lacks.

    Raises
    ------
    TableError
        If no line can be used, or a fraction lies outside 0 to 1.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.vote_rules import load_vote_rules, vote_classes
    >>> votes = QTable({'merging_merger_fraction': [0.8, 0.1]})
    >>> first, every, unused = vote_classes(votes, load_vote_rules())
    >>> first.tolist(), unused[0]
    (['merger', ''], 'merger: no column for disturbed')
    """
    wanted = {name for lines in rules.classes.values() for line in lines for name in line.tests}
    columns = _columns(table, rules, wanted | {'votes'}, what)
    asked = np.ones(len(table), dtype=bool)
    if 'votes' in columns:
        asked = columns['votes'] >= rules.least_votes
    fits, unused = {}, []
    for name, lines in rules.classes.items():
        for line in lines:
            lacking = [item for item in line.tests if item not in columns]
            if lacking:
                unused.append(f'{name}: no column for {", ".join(lacking)}')
            else:
                fits[name] = fits.get(name, False) | (line(columns) & asked)
    if not fits:
        raise TableError(f'{what}: has none of the columns that the rules {rules.name!r} name '
                         f'({"; ".join(unused)}); give them under "names". Its columns are '
                         f'{table.colnames[:25]}')
    names = np.array(list(fits))
    hits = np.stack(list(fits.values()), axis=1)
    every = np.array(['; '.join(names[row]) for row in hits], dtype=str)
    return np.where(hits.any(axis=1), names[np.argmax(hits, axis=1)], ''), every, unused


def _columns(table, rules, wanted, what):
    there = {_bare(name): name for name in reversed(table.colnames)}
    columns = {}
    for name in wanted:
        column = next((there[_bare(item)] for item in (*rules.names.get(name, ()), name)
                       if _bare(item) in there), None)
        if column is None:
            continue
        values = np.ma.filled(np.ma.asarray(getattr(table[column], 'value', table[column])
                                            ).astype(float), np.nan)
        if name != 'votes' and ((values < 0) | (values > 1)).any():
            bad = values[(values < 0) | (values > 1)][0]
            raise TableError(f'{what}: column {column!r} holds {bad:g}; votes are fractions of 0 '
                             'to 1, not counts')
        columns[name] = values
    return columns


def _bare(name):
    """Services rename columns; letters and digits survive."""
    return re.sub('[^a-z0-9]', '', str(name).lower())


def place_by_name(table, *, what='the table of votes'):
    """
    Return names and positions, also where only the name of a galaxy gives its position.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With positions in degrees, or IAU names such as ``J000411.19+020924.0``.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    places : (n,) `~astropy.table.QTable`
        ``name``, ``ra``, ``dec``; NaN where a name gives none.

    Raises
    ------
    TableError
        If there is neither.
    """
    there = {_bare(name): name for name in reversed(table.colnames)}
    found = {role: next((there[_bare(name)] for name in names if _bare(name) in there), None)
             for role, names in _POSITION.items()}
    names = None if found['name'] is None else np.asarray(table[found['name']]).astype(str)
    if found['ra'] and found['dec']:
        ra, dec = (u.Quantity(np.asarray(getattr(table[found[side]], 'value', table[found[side]]),
                                         dtype=float), u.deg) for side in ('ra', 'dec'))
    elif names is not None and any(_IAU.search(name) for name in names[:100]):
        ra, dec = _from_names(names)
    else:
        raise TableError(f'{what}: has neither ra and dec, nor names such as J000411.19+020924.0. '
                         f'Its columns are {table.colnames[:25]}')
    if names is None:
        names = np.array([f'J{a:.5f}{d:+.5f}' for a, d in zip(ra.value, dec.value, strict=True)])
    return QTable({'name': names, 'ra': ra, 'dec': dec})


def _from_names(names):
    places = np.full((len(names), 2), np.nan)
    for i, name in enumerate(names):
        found = _IAU.search(name)
        if found:
            hour, minute, second, sign, degree, arcmin, arcsec = found.groups()
            dec = float(degree) + float(arcmin) / 60 + float(arcsec) / 3600
            places[i] = (15 * (float(hour) + float(minute) / 60 + float(second) / 3600),
                         -dec if sign == '-' else dec)
    return places[:, 0] * u.deg, places[:, 1] * u.deg
