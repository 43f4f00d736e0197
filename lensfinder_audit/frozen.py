# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Freeze an evaluation set, so that what is measured on it stays comparable.

A frozen set is a small table of keys, labels, weights and checksums with a
digest of its own. An audit refuses a table that is no longer it, and a training
set can be asked what it shares with it.
"""
import hashlib

import numpy as np
from astropy.table import QTable

from lensfinder_audit._split_sample import CUTOUT_WIDTH
from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.sky_index import SkyIndex
from lensfinder_audit.tables import require_columns

__all__ = ['freeze', 'write_frozen', 'read_frozen', 'frozen_problems', 'check_frozen',
           'overlap_problems']

_FROZEN = ('object_id', 'label', 'weight', 'stratum', 'split', 'sha256', 'ra', 'dec')
_COMPARED = ('label', 'weight', 'stratum', 'sha256')


def freeze(manifest, *, splits=('test',)):
    """
    Take the evaluation set out of a manifest, with a digest.

    Parameters
    ----------
    manifest : `~astropy.table.QTable`
        With ``split`` and ``label``.
    splits : sequence of str, optional
        Which splits are the evaluation set.

    Returns
    -------
    frozen : `~astropy.table.QTable`
        Sorted by key; ``meta['digest']`` is that of keys, labels, weights, strata and
        checksums.

    Raises
    ------
    TableError
        If a column is missing.
    ConfigError
        If no row is in these splits.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.frozen import check_frozen, freeze
    >>> table = QTable({'object_id': ['b', 'a', 'c'], 'label': [True, False, False],
    ...                 'weight': [1., 20., 20.], 'split': ['test', 'test', 'train']})
    >>> frozen = freeze(table)
    >>> print(frozen['object_id'].tolist(), len(frozen.meta['digest']))
    ['a', 'b'] 64
    >>> check_frozen(table[:2], frozen)
    """
    require_columns(manifest, ['object_id', 'label', 'split'], what='the manifest')
    chosen = np.isin(np.asarray(manifest['split']).astype(str), list(splits))
    if not chosen.any():
        there = sorted(set(np.asarray(manifest['split']).astype(str).tolist()))
        raise ConfigError(f'no row of the manifest is in {list(splits)}; its splits are {there}')
    rows = QTable(manifest[chosen], copy=True)
    rows = rows[np.argsort(np.asarray(rows['object_id']).astype(str), kind='stable')]
    frozen = rows[[name for name in _FROZEN if name in rows.colnames]]
    frozen.meta = {'frozen': True, 'splits': list(splits), 'n': len(frozen),
                   'split': manifest.meta.get('split'), 'digest': _digest(frozen)}
    return frozen


def _digest(table):
    """Of text lines, so that file format and column types do not matter."""
    digest = hashlib.sha256()
    columns = [_texts(table, name) for name in ('object_id', *_COMPARED)]
    for line in sorted(zip(*columns, strict=True)):
        digest.update(('\t'.join(line) + '\n').encode())
    return digest.hexdigest()


def _texts(table, name):
    if name not in table.colnames:
        return [''] * len(table)
    values = np.asarray(getattr(table[name], 'value', table[name]))
    if name == 'label':
        return ['1' if value else '0' for value in values.astype(bool).tolist()]
    if values.dtype.kind == 'f':
        return [f'{value:.9g}' for value in values.tolist()]
    return values.astype(str).tolist()


def write_frozen(frozen, path, *, overwrite=False):
    """
    Write a frozen set.

    Parameters
    ----------
    frozen : `~astropy.table.QTable`
        From `freeze`.
    path : str or `~pathlib.Path`
        ``.ecsv`` or ``.parquet``, which keep ``meta``.
    overwrite : bool, optional
        Whether a file that is there may be replaced.

    Raises
    ------
    ConfigError
        If the format does not keep ``meta``.
    """
    if not str(path).endswith(('.ecsv', '.parquet')):
        raise ConfigError(f'{path}: a frozen set is .ecsv or .parquet, which keep its digest')
    write_whole(frozen, path, overwrite=overwrite)


def read_frozen(path):
    """
    Read a frozen set and compare it with its own digest.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        As `write_frozen` leaves it.

    Returns
    -------
    frozen : `~astropy.table.QTable`
        Unchanged since it was frozen.

    Raises
    ------
    TableError
        If it is no frozen set, or was changed.
    """
    frozen = read_table(path)
    if not frozen.meta.get('frozen') or 'digest' not in frozen.meta:
        raise TableError(f'{path}: is no frozen evaluation set; "manifest freeze" makes one')
    if _digest(frozen) != frozen.meta['digest']:
        raise TableError(f'{path}: was changed after it was frozen: its digest is no longer '
                         f'{frozen.meta["digest"][:12]}...')
    return frozen


def frozen_problems(table, frozen):
    """
    Compare a table with a frozen evaluation set.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With ``object_id``; other columns are compared where both have them.
    frozen : `~astropy.table.QTable`
        From `read_frozen`.

    Returns
    -------
    problems : list of str
        One sentence for each kind of change; empty where it is the same set.
    """
    require_columns(table, ['object_id'], what='the table')
    mine, theirs = (np.asarray(item['object_id']).astype(str) for item in (table, frozen))
    found = []
    for what, keys in (('are missing', np.setdiff1d(theirs, mine)),
                       ('are not in it', np.setdiff1d(mine, theirs))):
        if len(keys):
            found.append(f'{len(keys)} objects {what}, the first is {str(keys[0])!r}')
    if len(np.unique(mine)) < len(mine):
        found.append(f'{len(mine) - len(np.unique(mine))} rows repeat an object')
    place = {key: i for i, key in enumerate(theirs.tolist())}
    pairs = [(i, place[key]) for i, key in enumerate(mine.tolist()) if key in place]
    for name in _COMPARED:
        if name in table.colnames and name in frozen.colnames and pairs:
            here, there = _texts(table, name), _texts(frozen, name)
            other = [i for i, j in pairs if here[i] != there[j]]
            if other:
                found.append(f'{len(other)} objects have another {name}, the first is '
                             f'{str(mine[other[0]])!r}')
    return found


def check_frozen(table, frozen, *, what='the table'):
    """
    Raise if a table is not the frozen evaluation set.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With ``object_id``.
    frozen : `~astropy.table.QTable`
        From `read_frozen`.
    what : str, optional
        How the message calls the table.

    Raises
    ------
    TableError
        Saying what changed.
    """
    problems = frozen_problems(table, frozen)
    if problems:
        raise TableError(f'{what} is not the frozen evaluation set: {"; ".join(problems)}. Restore '
                         'it, or freeze a new set under another name')


def overlap_problems(table, frozen, *, cutout=CUTOUT_WIDTH):
    """
    Say which rows of a training table a frozen set forbids.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With ``object_id`` or positions, or both.
    frozen : `~astropy.table.QTable`
        From `read_frozen`.
    cutout : `~astropy.units.Quantity`, optional
        Width of a cutout: what lies nearer is in the image of its neighbour.

    Returns
    -------
    overlap : (n,) `~numpy.ndarray` of bool
        True where the object is in the frozen set or within a cutout of one that is.
    """
    overlap = np.zeros(len(table), dtype=bool)
    if 'object_id' in table.colnames:
        overlap |= np.isin(np.asarray(table['object_id']).astype(str),
                           np.asarray(frozen['object_id']).astype(str))
    if all(side in item.colnames for item in (table, frozen) for side in ('ra', 'dec')):
        here, there = sky_positions(table), sky_positions(frozen)
        overlap |= SkyIndex(there.ra.deg, there.dec.deg, radius=cutout).near(here.ra.deg,
                                                                             here.dec.deg)
    return overlap
