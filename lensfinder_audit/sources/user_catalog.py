# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Lenses and candidates from any table: a paper's list, or one of your own.

Columns are found by their usual names, and what stands for a missing value, such
as -1 for an Einstein radius, becomes one.
"""
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError, did_you_mean
from lensfinder_audit.files import read_table, sha256
from lensfinder_audit.interfaces import CatalogSource
from lensfinder_audit.sources.lens_evidence import lens_evidence
from lensfinder_audit.tables import require_columns

__all__ = ['UserCatalog', 'CATALOG_ROLES', 'reference_table']

#: Usual names of the column of each role, in order of preference.
CATALOG_ROLES = {
    'name': ('name', 'object_id', 'system', 'lens', 'id', 'row_id', 'sdss'),
    'ra': ('ra', 'raj2000', '_raj2000', 'ra_deg'),
    'dec': ('dec', 'dej2000', 'decj2000', '_dej2000', 'dec_deg'),
    'grade': ('grade', 'grading'),
    'theta_e': ('theta_e', 'theta_ein', 'thetae', 'einstein_radius', 'rein', 'r_ein', 'bsie'),
    'z_lens': ('z_lens', 'zlens', 'zd', 'zl', 'zfg', 'z_spec', 'spec_z'),
    'z_source': ('z_source', 'zsource', 'zs', 'zbg'),
    'reference': ('reference', 'ref', 'bibcode'),
    'tier': ('tier',), 'tier_reason': ('tier_reason',),
    'discovery_method': ('discovery_method',), 'arc_visible': ('arc_visible',),
}

_STATED = ('tier', 'tier_reason', 'discovery_method', 'arc_visible')
_NUMBERS = {'theta_e': u.arcsec, 'z_lens': None, 'z_source': None}


class UserCatalog(CatalogSource):
    """
    Read a list of lenses from a table.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Any table that `~lensfinder_audit.files.read_table` reads, or text columns under
        a commented header (``.cat``, ``.txt``, ``.dat``).
    columns : dict of str to str, optional
        Column of a role of `CATALOG_ROLES`, where it is not a usual name.
    constants : dict of str to str, optional
        One value for all rows, such as ``{'reference': 'Bolton et al. (2008) -
        arXiv:0805.1931', 'grade': 'confident'}``.

    Notes
    -----
    The tier follows from the reference, as for lenscat
    (`~lensfinder_audit.sources.lens_evidence`), unless a tier is stated, which
    then needs its reason. An Einstein radius that is not positive and a redshift
    that is negative are missing; ``meta['missing']`` counts them.
    """

    reference = 'as its rows say'

    def __init__(self, *, path=None, columns=None, constants=None):
        self.path = path
        self.columns = columns
        self.constants = constants

    def read(self):
        """
        Read the list.

        Returns
        -------
        table : `~astropy.table.QTable`
            The ``reference`` schema, with ``z_source``.

        Raises
        ------
        ConfigError
            If there is neither a reference nor a tier with its reason.
        TableError
            If a column is not there, or a row has no position.
        """
        if self.path is None:
            raise ConfigError('a list of lenses needs path=, the name of its file')
        table = reference_table(_read(self.path), columns=self.columns, constants=self.constants,
                                what=str(self.path))
        table.meta |= {'catalogue': Path(self.path).name, 'catalogue_sha256': sha256(self.path)}
        return table


def _read(path):
    if Path(path).suffix.lower() not in ('.cat', '.txt', '.dat'):
        return read_table(path)
    try:
        return QTable.read(path, format='ascii.commented_header')
    except FileNotFoundError:
        raise InputFileError(f'{path}: there is no such file') from None
    except Exception as error:
        raise InputFileError(f'{path}: cannot be read as columns under a commented header: '
                             f'{" ".join(str(error).split())[:200]}') from error


def reference_table(table, *, columns=None, constants=None, what='the list'):
    """
    Bring a list of lenses into the ``reference`` schema.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        As published.
    columns, constants : dict of str to str, optional
        See `UserCatalog`.
    what : str, optional
        How a message calls the list.

    Returns
    -------
    table : (n,) `~astropy.table.QTable`
        Evidence, tier and reason for every row.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.sources.user_catalog import reference_table
    >>> rows = QTable({'name': ['a', 'b'], 'ra': [1., 2.], 'dec': [3., 4.], 'theta_E': [1.2, -1]})
    >>> found = reference_table(rows, constants={
    ...     'reference': 'Bolton et al. (2008) - arXiv:0805.1931', 'grade': 'confident'})
    >>> print(found['tier'].tolist(), found['theta_e'], found.meta['missing'])
    ['A', 'A'] [1.2 nan] arcsec {'theta_e': 1}
    """
    roles = _roles(table, dict(columns or {}), constants or {}, what)
    n, found = len(table), QTable()
    place = sky_positions(QTable({side: table[roles[side]] for side in ('ra', 'dec')}), what=what)
    found['name'] = _words(table, roles, constants, 'name') if 'name' in roles else np.array(
        [f'{ra:.5f}{dec:+.5f}' for ra, dec in zip(place.ra.deg, place.dec.deg, strict=True)])
    found['ra'], found['dec'] = place.ra.deg * u.deg, place.dec.deg * u.deg
    _refuse_lost(found, what)
    found['grade'] = _words(table, roles, constants, 'grade')
    found['reference'] = _words(table, roles, constants, 'reference')
    missing = {}
    for name, unit in _NUMBERS.items():
        values = _numbers(table[roles[name]], unit, f'{what}, column {roles[name]!r}') if (
            name in roles) else np.full(n, np.nan)
        sentinel = (values <= 0) if name == 'theta_e' else values < 0
        if sentinel.any():
            missing[name] = int(sentinel.sum())
        values = np.where(sentinel, np.nan, values)
        found[name] = values if unit is None else values * unit
    _add_evidence(found, table, roles, constants or {}, what)
    found['in_training'], found['confuser_class'] = np.full(n, 'unknown'), np.full(n, '')
    found.meta['missing'] = missing
    return found


def _roles(table, columns, constants, what):
    for role in [*columns, *constants]:
        if role not in CATALOG_ROLES:
            raise ConfigError(f'{what}: {role!r} is not a role of a column.'
                              f'{did_you_mean(role, CATALOG_ROLES)} Roles are '
                              f'{list(CATALOG_ROLES)}.')
    require_columns(table, columns.values(), what=what)
    for role, names in CATALOG_ROLES.items():
        there = [column for name in names for column in table.colnames if column.lower() == name]
        if role not in columns and role not in constants and there:
            columns[role] = max(there, key=lambda name: (_filled(table[name]),
                                                         -there.index(name)))
    lacking = [side for side in ('ra', 'dec') if side not in columns]
    if lacking:
        raise TableError(f'{what}: has no column {lacking[0]!r}; name the column, in degrees, as '
                         f'"columns: {{{lacking[0]}: NAME}}". Its columns are {table.colnames}.')
    return columns


def _filled(column):
    """How many values a column has: of two called alike, the fuller one is meant."""
    values = np.ma.getmaskarray(np.ma.asarray(getattr(column, 'value', column)))
    kind = getattr(column, 'dtype', np.dtype('U')).kind
    lost = np.isnan(np.asarray(getattr(column, 'value', column))) if kind == 'f' else False
    return int((~(values | lost)).sum())


def _words(table, roles, constants, role):
    if role in roles:
        column = table[roles[role]]
        values = np.where(getattr(column, 'mask', False), '', np.asarray(column).astype(str))
        return np.char.strip(values)
    return np.full(len(table), (constants or {}).get(role, ''))


def _numbers(column, unit, what):
    if getattr(column, 'unit', None) is not None and unit is not None:
        try:
            column = u.Quantity(column).to_value(unit)
        except u.UnitConversionError as error:
            raise TableError(f'{what} must be in {unit}: {error}') from error
    values = np.asarray(getattr(column, 'value', column))
    if values.dtype.kind in 'fiu':
        return np.where(getattr(column, 'mask', False), np.nan, values.astype(float))
    return np.array([_number(text) for text in values.tolist()])


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return np.nan


def _refuse_lost(found, what):
    lost = ~np.isfinite(found['ra'] + found['dec'])
    if lost.any():
        first = np.argmax(lost)
        raise TableError(f'{what}: {lost.sum()} of {len(lost)} rows have no position, the first is '
                         f'row {first}, {str(found["name"][first])!r}; find it or take them out')


def _add_evidence(found, table, roles, constants, what):
    stated = {name for name in _STATED if name in roles or name in constants}
    if 'tier' in stated and 'tier_reason' not in stated:
        raise ConfigError(f'{what}: states a tier without its reason; give tier_reason, such as '
                          '"HST imaging, ApJ 682, 964"')
    if 'tier' not in stated and not (found['reference'] != '').all():
        rows = int((found['reference'] == '').sum())
        raise ConfigError(f'{what}: {rows} of {len(found)} rows have no reference, from which the '
                          'tier follows; give one for all, as "constants: {reference: ...}", or a '
                          'tier and its tier_reason')
    evidence = lens_evidence(found['reference'].tolist(), found['grade'].tolist())
    for name in evidence.colnames:
        found[name] = np.asarray(evidence[name])
    for name in stated:
        words = _words(table, roles, constants, name)
        found[name] = words
    if 'tier' in stated:
        strange = set(found['tier'].tolist()) - {'A', 'B', ''}
        if strange:
            raise TableError(f'{what}: holds the tier {sorted(strange)[0]!r}; tiers are A, B or '
                             'empty')
        found['is_lens'] = found['tier'] != ''
        found['evidence'] = np.full(len(found), 'as stated')
