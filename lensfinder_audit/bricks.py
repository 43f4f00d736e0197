# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Which brick of a survey an object is cut from.

The Legacy Surveys divide the sky into rows of 0.25 degrees and each row into an
even number of bricks of at most that width; a brick is called after its center.
"""
import numpy as np
from scipy.spatial import cKDTree

from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.sky_index import unit_vectors

__all__ = ['brick_names', 'brick_numbers', 'nearest_bricks', 'assign_bricks']

_STEP = 0.25  # degrees from row to row
_ROWS = 721
_CENTERS = -90 + _STEP * np.arange(_ROWS)
_COLUMNS = 2 * np.ceil(720 * np.cos(np.radians(np.abs(_CENTERS) - _STEP / 2)) - 1e-9).astype(int)
_COLUMNS[[0, -1]] = 1  # one brick at each pole
_FIRST = np.concatenate([[0], np.cumsum(_COLUMNS)])


def brick_names(ra, dec):
    """
    Name the bricks of the Legacy Surveys that positions lie in.

    Parameters
    ----------
    ra, dec : (n,) array_like
        J2000, degrees.

    Returns
    -------
    names : (n,) `~numpy.ndarray` of str
        Such as ``1102p240``: right ascension and declination of the center in tenths
        of a degree, cut off.

    Raises
    ------
    TableError
        If a position is not on the sky.

    Examples
    --------
    >>> from lensfinder_audit.bricks import brick_names
    >>> print(brick_names([110.2, 359.99, 0.01], [24.0, -0.1, -0.13]))
    ['1102p240' '3598p000' '0001m002']
    """
    row, column = _cells(ra, dec)
    width = 360 / _COLUMNS[row]
    tenths = np.floor((column + 0.5) * width * 10 + 1e-6).astype(int)
    north = np.rint(_CENTERS[row] * 100).astype(int)  # whole hundredths, such as -25 of -0.25
    return np.array([f'{a:04d}{"m" if d < 0 else "p"}{abs(d) // 10:03d}'
                     for a, d in zip(tenths.tolist(), north.tolist(), strict=True)], dtype=str)


def brick_numbers(ra, dec):
    """
    Return the ``brickid`` of the bricks of the Legacy Surveys that positions lie in.

    Parameters
    ----------
    ra, dec : (n,) array_like
        J2000, degrees.

    Returns
    -------
    numbers : (n,) `~numpy.ndarray` of int
        1 to 662,174, from the south pole row by row.

    Raises
    ------
    TableError
        If a position is not on the sky.

    Examples
    --------
    >>> from lensfinder_audit.bricks import brick_numbers
    >>> print(brick_numbers([110.2, 0, 0], [24.0, -90, 90]))
    [465217      1 662174]
    """
    row, column = _cells(ra, dec)
    return _FIRST[row] + column + 1


def nearest_bricks(ra, dec, bricks):
    """
    Choose the brick of which the center is nearest.

    Parameters
    ----------
    ra, dec : (n,) array_like
        J2000, degrees.
    bricks : `~astropy.table.Table`
        ``brickname``, ``ra`` and ``dec`` of the centers, such as the survey's
        ``survey-bricks.fits.gz``; in any case of letters.

    Returns
    -------
    names : (n,) `~numpy.ndarray` of str
        Names of the bricks.

    Raises
    ------
    TableError
        If a column is missing or there is no brick.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from lensfinder_audit.bricks import nearest_bricks
    >>> bricks = Table({'brickname': ['west', 'east'], 'ra': [10.0, 10.2], 'dec': [0.0, 0.0]})
    >>> print(nearest_bricks([10.14, 359.0], [0.05, 0.0], bricks))
    ['east' 'west']
    """
    column = _named(bricks, 'brickname')
    if column is None or not len(bricks):
        raise TableError('the table of bricks needs rows with brickname, ra and dec; it has '
                         f'{len(bricks)} rows and the columns {bricks.colnames}')
    place = sky_positions(bricks, what='the table of bricks')
    tree = cKDTree(unit_vectors(place.ra.deg, place.dec.deg))
    nearest = tree.query(unit_vectors(*_checked(ra, dec)))[1]
    return _text(column)[nearest]


def assign_bricks(table, *, bricks=None):
    """
    Tell the brick of each row.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With ``ra`` and ``dec``; names of bricks in a column ``brickname`` are taken as
        they are where there is no list of bricks.
    bricks : `~astropy.table.Table`, optional
        List of bricks, of which the nearest is taken.

    Returns
    -------
    names : (n,) `~numpy.ndarray` of str
        From the list, else from the column, else from the geometry of the Legacy
        Surveys.
    """
    place = sky_positions(table)
    ra, dec = place.ra.deg, place.dec.deg
    if bricks is not None:
        return nearest_bricks(ra, dec, bricks)
    column = _named(table, 'brickname')
    names = np.full(len(table), '', dtype='U8') if column is None else _text(column)
    empty = names == ''
    if empty.any():
        computed = brick_names(ra[empty], dec[empty])
        names = names.astype(np.result_type(names, computed))
        names[empty] = computed
    return names


def _cells(ra, dec):
    ra, dec = _checked(ra, dec)
    row = np.clip(np.floor((dec + 90) / _STEP + 0.5).astype(int), 0, _ROWS - 1)
    column = np.floor(ra * _COLUMNS[row] / 360).astype(int)
    return row, np.minimum(column, _COLUMNS[row] - 1)


def _checked(ra, dec):
    ra, dec = (np.atleast_1d(np.asarray(side, dtype=float)) for side in (ra, dec))
    bad = ~(np.isfinite(ra) & (np.abs(dec) <= 90))
    if bad.any():
        first = np.argmax(bad)
        raise TableError(f'{bad.sum()} of {len(ra)} positions are not on the sky, the first is row '
                         f'{first} with ra {ra[first]:g}, dec {dec[first]:g}; they must be degrees')
    return ra % 360, dec


def _named(table, name):
    found = [item for item in table.colnames if item.lower() == name]
    return table[found[0]] if found else None


def _text(column):
    values = np.asarray(column)
    if values.dtype.kind == 'S':
        values = np.char.decode(values)
    return np.char.strip(values.astype(str))
