# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find the few objects of a huge catalogue that lie near a short list of positions.

A tree over the huge catalogue costs memory and time that grow with it. Here the
short list is marked on a coarse grid of the sky; a position whose cell is not
marked is done with after one look-up, and only the rest is compared exactly.
"""
import numpy as np
from astropy import units as u
from scipy.spatial import cKDTree

from lensfinder_audit.crossmatch import Match
from lensfinder_audit.exceptions import ConfigError

__all__ = ['SkyIndex', 'nearest_of_others', 'unit_vectors']

_CHUNK = 1 << 18


def unit_vectors(ra, dec):
    """
    Return positions as points on the unit sphere.

    Parameters
    ----------
    ra, dec : (n,) array_like
        Degrees.

    Returns
    -------
    vectors : (n, 3) `~numpy.ndarray`
        Cartesian, of length 1.
    """
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _chord(angle):
    return 2 * np.sin(np.minimum(angle, np.pi) / 2)


def _angle(chord):
    return np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1))) * 3600


class SkyIndex:
    """
    A short list of positions, to be matched with any number of others.

    Parameters
    ----------
    ra, dec : (m,) array_like
        Degrees; NaN matches nothing.
    radius : `~astropy.units.Quantity`
        Greatest separation.

    Raises
    ------
    ConfigError
        If the radius is not between 0 and 1 degree.

    Notes
    -----
    The time is that of one look-up per object, plus a search of the short list for
    those in marked cells; the memory beyond the caller's arrays is the grid, 26 MB,
    a chunk, and what the method returns: ``nearest`` lists the few that match.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.sky_index import SkyIndex
    >>> lenses = SkyIndex([0.0001, 200], [10, 90], radius=2 * u.arcsec)
    >>> lenses.match([359.9999, 20, 3], [10, 89.9999, 10]).index
    array([ 0,  1, -1])
    """

    #: Side of a grid cell in degrees.
    cell = 0.05

    def __init__(self, ra, dec, *, radius):
        self.radius = u.Quantity(radius, u.deg).value
        if not 0 < self.radius <= 1:
            raise ConfigError(f'a match radius lies between 0 and 1 degree; it is {radius}')
        ra, dec = np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)
        self._rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
        self._tree = cKDTree(unit_vectors(ra[self._rows], dec[self._rows]))
        self._n_ra, self._n_dec = round(360 / self.cell), round(180 / self.cell) + 1
        self._marked = np.zeros((self._n_dec, self._n_ra), dtype=bool)
        for place in zip(ra[self._rows] % 360, dec[self._rows], strict=True):
            self._mark(*place)

    def __len__(self):
        return len(self._rows)

    def _mark(self, ra, dec):
        """Mark the cells that a circle about a position reaches."""
        reach = self.radius * (1 + 1e-9) + 1e-9
        low, high = dec - reach, dec + reach
        zones = slice(max(self._zone(low), 0), min(self._zone(high), self._n_dec - 1) + 1)
        if high >= 90 or low <= -90:
            self._marked[zones] = True
            return
        wide = np.degrees(np.arcsin(min(np.sin(np.radians(reach)) / np.cos(np.radians(dec)), 1)))
        first, last = (int(np.floor((ra + side) / self.cell)) for side in (-wide, wide))
        columns = np.arange(first, min(last, first + self._n_ra - 1) + 1) % self._n_ra
        self._marked[zones, columns] = True

    def _zone(self, dec):
        return int(np.floor((dec + 90) / self.cell))

    def near(self, ra, dec):
        """
        Tell which positions have a neighbour in the list.

        Parameters
        ----------
        ra, dec : (n,) array_like
            Degrees.

        Returns
        -------
        near : (n,) `~numpy.ndarray` of bool
            True within the radius.
        """
        near = np.zeros(len(ra), dtype=bool)
        near[self.nearest(ra, dec)[0]] = True
        return near

    def match(self, ra, dec):
        """
        Find the nearest neighbour of each position in the list.

        Parameters
        ----------
        ra, dec : (n,) array_like
            Degrees; NaN matches nothing.

        Returns
        -------
        match : `~lensfinder_audit.crossmatch.Match`
            One entry per position.
        """
        index, n_within = np.full(len(ra), -1), np.zeros(len(ra), dtype=int)
        separation = np.full(len(ra), np.nan)
        rows, place, angle, count = self._found(ra, dec)
        index[rows], separation[rows], n_within[rows] = place, angle, count
        return Match(index, separation * u.arcsec, n_within)

    def nearest(self, ra, dec):
        """
        List the positions that have a neighbour, without an entry for those that have none.

        Parameters
        ----------
        ra, dec : (n,) array_like
            Degrees; NaN matches nothing.

        Returns
        -------
        rows, index : (k,) `~numpy.ndarray` of int
            Rows of the positions, rising, and the nearest of the list.
        separation : (k,) `~astropy.units.Quantity`
            Angle between the two.
        """
        rows, index, separation, _ = self._found(ra, dec)
        return rows, index, separation * u.arcsec

    def _found(self, ra, dec):
        ra, dec = np.asarray(ra), np.asarray(dec)
        rows = self._candidates(ra, dec)
        points = unit_vectors(ra[rows].astype(float), dec[rows].astype(float))
        bound = _chord(np.radians(self.radius)) * (1 + 1e-12)
        if not len(rows) or not len(self):
            none = np.zeros(0, dtype=int)
            return none, none, np.zeros(0), none
        count = self._tree.query_ball_point(points, bound, return_length=True)
        distance, place = self._tree.query(points)
        hit = count > 0
        return rows[hit], self._rows[place[hit]], _angle(distance[hit]), count[hit]

    def _candidates(self, ra, dec):
        """Return the rows in marked cells, a chunk at a time."""
        found, marked = [], self._marked.ravel()
        for start in range(0, len(ra), _CHUNK):
            a, d = ra[start:start + _CHUNK], dec[start:start + _CHUNK]
            known = np.isfinite(a) & np.isfinite(d)
            a, d = np.where(known, a, 0), np.where(known, d, 0)
            column = (a / self.cell).astype(np.int32) if a.min(initial=0) >= 0 else np.floor(
                a / self.cell).astype(np.int32)
            zone = ((d + 90) / self.cell).astype(np.int32)
            np.remainder(column, self._n_ra, out=column)
            found.append(start + np.flatnonzero(marked[zone * self._n_ra + column] & known))
        return np.concatenate(found) if found else np.zeros(0, dtype=int)


def nearest_of_others(ra, dec, groups, *, radius):
    """
    Find the nearest object of another group within a radius.

    Parameters
    ----------
    ra, dec : (n,) array_like
        Degrees; NaN has no neighbour.
    groups : (n,) array_like
        Such as the split of each object.
    radius : `~astropy.units.Quantity`
        Greatest separation.

    Returns
    -------
    match : `~lensfinder_audit.crossmatch.Match`
        One entry per object; ``n_within`` is 1 where there is any.

    Notes
    -----
    One k-d tree over each group's complement: the time grows as n log n, that of
    comparing all pairs as n^2.
    """
    ra, dec, groups = np.asarray(ra, float), np.asarray(dec, float), np.asarray(groups)
    index, separation = np.full(len(ra), -1), np.full(len(ra), np.nan)
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    points = unit_vectors(ra[known], dec[known])
    bound = _chord(u.Quantity(radius, u.rad).value) * (1 + 1e-12)
    for group in np.unique(groups[known]):
        mine = groups[known] == group
        if mine.all():
            break
        others = known[~mine]
        distance, found = cKDTree(points[~mine]).query(points[mine], distance_upper_bound=bound)
        near = np.isfinite(distance)
        rows = known[mine][near]
        index[rows], separation[rows] = others[found[near]], _angle(distance[near])
    return Match(index, separation * u.arcsec, (index >= 0).astype(int))
