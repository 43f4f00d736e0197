# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Join tables by position on the sky."""
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.table import QTable

from lensfinder_audit.exceptions import TableError

__all__ = ['Match', 'match_positions', 'join_conditions', 'sky_positions']


def sky_positions(table, *, what='the table'):
    """
    Return the positions of a table and check that they are on the sky.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With columns ``ra`` and ``dec`` in degrees, in any case of letters.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    positions : `~astropy.coordinates.SkyCoord`
        One per row; NaN where a row has none.

    Raises
    ------
    TableError
        If a column is missing, holds text or another unit, or a position is not
        on the sky.
    """
    by_lower = {name.lower(): name for name in reversed(table.colnames)}
    missing = [name for name in ('ra', 'dec') if name not in by_lower]
    if missing:
        raise TableError(f'{what} has no column {missing[0]!r}; a match by position needs ra and '
                         f'dec in degrees. Its columns are {table.colnames}.')
    ra, dec = (_degrees(table[by_lower[name]], f'{what}, column {by_lower[name]!r}')
               for name in ('ra', 'dec'))
    bad = (np.abs(dec) > 90) | (np.abs(ra) > 360) | np.isinf(ra) | np.isinf(dec)
    if bad.any():
        first = np.flatnonzero(bad)[0]
        raise TableError(f'{what}: {bad.sum()} of {len(bad)} positions are not on the sky, the '
                         f'first is row {first} with ra {ra[first]:g}, dec {dec[first]:g}; they '
                         'must be degrees')
    lost = np.isnan(ra) | np.isnan(dec)
    return SkyCoord(np.where(lost, np.nan, ra), np.where(lost, np.nan, dec), unit='deg')


def _degrees(column, what):
    kind = getattr(column, 'dtype', np.dtype(float)).kind
    if kind not in 'fiu' and len(column):  # an empty column of a CSV file has no type
        raise TableError(f'{what} must hold degrees; it holds {"text" if kind in "USO" else kind}, '
                         f'such as {str(column[0])!r}')
    values = np.asarray(getattr(column, 'value', column), dtype=float)
    values = np.where(getattr(column, 'mask', False), np.nan, values)
    unit = getattr(column, 'unit', None)
    try:
        return values if unit is None else (values * u.Unit(unit)).to_value(u.deg)
    except u.UnitConversionError as error:
        raise TableError(f'{what} must be an angle; its unit is {unit}') from error


class Match:
    """
    The nearest neighbour of each position within a radius.

    Parameters
    ----------
    index : (n,) `~numpy.ndarray` of int
        Row of the nearest neighbour, -1 where there is none within the radius.
    separation : (n,) `~astropy.units.Quantity`
        Angle to it; NaN where there is none.
    n_within : (n,) `~numpy.ndarray` of int
        Number of neighbours within the radius.
    """

    def __init__(self, index, separation, n_within):
        self.index = index
        self.separation = separation
        self.n_within = n_within

    @property
    def matched(self):
        """(n,) `~numpy.ndarray` of bool, whether there is a neighbour."""
        return self.index >= 0

    @property
    def ambiguous(self):
        """(n,) `~numpy.ndarray` of bool, whether there are several."""
        return self.n_within > 1


@u.quantity_input(radius='angle')
def match_positions(positions, catalog, *, radius):
    """
    Find the nearest neighbour of each position.

    Parameters
    ----------
    positions, catalog : `~astropy.coordinates.SkyCoord`
        Of the objects, and of the catalogue that is searched; NaN matches
        nothing.
    radius : `~astropy.units.Quantity`
        Greatest separation.

    Returns
    -------
    match : `Match`
        One entry per position.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from lensfinder_audit.crossmatch import match_positions
    >>> objects = SkyCoord([0.0001, 10], [0, 0], unit='deg')
    >>> found = match_positions(objects, SkyCoord([359.9999], [0], unit='deg'),
    ...                         radius=1 * u.arcsec)
    >>> print(found.matched)
    [ True False]
    """
    index = np.full(len(positions), -1)
    separation = np.full(len(positions), np.nan) * u.arcsec
    n_within = np.zeros(len(positions), dtype=int)
    here, there = (np.flatnonzero(np.isfinite(place.ra.deg + place.dec.deg))
                   for place in (positions, catalog))
    if len(here) and len(there):
        first, second, angle, _ = search_around_sky(positions[here], catalog[there], radius)
        first, second = here[first], there[second]
        n_within = np.bincount(first, minlength=len(positions))
        order = np.lexsort((angle.value, first))
        rows, place = np.unique(first[order], return_index=True)
        index[rows] = second[order][place]
        separation[rows] = angle[order][place]
    return Match(index, separation, n_within)


def join_conditions(sample, catalog, *, radius):
    """
    Add the columns of a catalogue to a sample, matched by position.

    Parameters
    ----------
    sample : (n,) `~astropy.table.QTable`
        With ``ra`` and ``dec``.
    catalog : `~astropy.table.QTable`
        With ``ra``, ``dec`` and conditions. Columns that the sample has already
        are not taken.
    radius : `~astropy.units.Quantity`
        Greatest separation.

    Returns
    -------
    joined : (n,) `~astropy.table.QTable`
        The sample with the new columns; NaN or an empty word where nothing
        matched.
    match : `Match`
        How each row matched.
    """
    match = match_positions(sky_positions(sample, what='the score table'),
                            sky_positions(catalog, what='the conditions table'), radius=radius)
    joined = QTable(sample, copy=False)
    taken = {name.lower() for name in sample.colnames} | {'ra', 'dec'}
    for name in catalog.colnames:
        if name.lower() not in taken and catalog[name].ndim == 1:
            joined[name] = _take(catalog[name], match.index)
    return joined, match


def _take(column, index):
    unit, values = getattr(column, 'unit', None), np.asarray(getattr(column, 'value', column))
    if not len(values):
        return np.full(len(index), np.nan)
    taken = values[np.maximum(index, 0)]
    if values.dtype.kind in 'USO':
        return np.where(index >= 0, taken.astype(str), '')
    taken = np.where(index >= 0, taken.astype(float), np.nan)
    return taken * unit if unit is not None else taken
