# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Contact sheets of a cutout store, of the rows of a table that are worth a look."""
import numpy as np

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.expressions import column_values, fulfilled
from lensfinder_audit.plotting.gallery import contact_sheet

__all__ = ['choose_rows', 'store_sheet', 'sheet_bands']


def choose_rows(table, *, where='', sort='', n=49, seed=None):
    """
    Choose rows of a table to look at.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One row per cutout.
    where : str, optional
        Expression that they fulfil, as `lensfinder_audit.expressions.fulfilled` reads it.
    sort : str, optional
        Column by which they are ordered, least first; with ``-`` before it greatest first.
    n : int, optional
        Rows at most: the first ones.
    seed : int, optional
        Of a random choice of ``n`` instead of the first ones.

    Returns
    -------
    rows : (m,) `~numpy.ndarray` of int
        Row numbers. Those without a value of ``sort`` come last.

    Raises
    ------
    TableError
        If a column is missing, or no row fulfils the expression.
    """
    rows = np.flatnonzero(fulfilled(table, where)) if where else np.arange(len(table))
    if not len(rows):
        raise TableError(f'none of {len(table)} rows ' + (f'fulfils {where!r}' if where
                                                          else 'is there to be drawn'))
    if seed is not None:
        rows = np.sort(np.random.default_rng(seed).choice(rows, min(n, len(rows)), replace=False))
    if sort:
        rows = rows[_order(column_values(table, sort.removeprefix('-'))[rows], sort[0] == '-')]
    return rows[:n]


def _order(values, down):
    values = np.asarray(getattr(values, 'value', values))
    if values.dtype.kind in 'fiub':
        values = values.astype(float)
        return np.argsort(-values if down else values, kind='stable')
    order = np.argsort(values, kind='stable')
    return order[::-1] if down else order


def sheet_bands(store, bands=()):
    """Return the bands to draw, bluest first: those asked for, or three of the store, or one."""
    strange = [band for band in bands if band not in store.bands]
    if strange:
        raise ConfigError(f'{store.path}: has no band {strange[0]!r}; it has {store.bands}')
    if bands:
        chosen = tuple(bands)
    elif set('grz') <= set(store.bands):
        chosen = tuple('grz')
    else:
        chosen = store.bands[:3] if len(store.bands) >= 3 else store.bands[:1]
    if len(chosen) not in (1, 3):
        raise ConfigError(f'a sheet is drawn of one band or of three, bluest first, not {chosen}')
    return chosen


def store_sheet(store, keys, *, second=None, bands=(), columns=7, note='', **scale):
    """
    Draw cutouts of a store; what is missing is black.

    Parameters
    ----------
    store : `~lensfinder_audit.cutouts.CutoutStore`
        The store.
    keys : (n,) array_like of str
        Cutouts, in the order in which they are drawn.
    second : (n,) sequence of str, optional
        A line below the key above each stamp.
    bands : sequence of str, optional
        One band or three, bluest first.
    columns : int, optional
        Stamps in a row.
    note : str, optional
        A line below the sheet.
    **scale
        ``stretch`` and ``softening`` of `~lensfinder_audit.plotting.gallery.contact_sheet`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The sheet.
    """
    planes = [store.bands.index(band) for band in sheet_bands(store, bands)]
    flux = store.get(keys)[:, planes]
    return contact_sheet(flux, titles=list(keys), second=second, columns=columns, missing=0,
                         note=note, **scale)
