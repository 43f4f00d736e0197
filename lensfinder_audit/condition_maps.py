# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Observing conditions over the sky, in HEALPix pixels.

A table of bricks, regions or random points becomes one row for each pixel that
the survey has, with the area that lies in it.
"""
import json
from dataclasses import dataclass, field

import healpy
import numpy as np
from astropy import units as u
from astropy.table import QTable

import lensfinder_audit
from lensfinder_audit.exceptions import InputFileError, TableError, did_you_mean
from lensfinder_audit.files import read_table, whole_file
from lensfinder_audit.tables import require_columns

__all__ = ['ConditionMaps', 'map_conditions', 'read_condition_maps', 'write_condition_maps',
           'STATISTICS']

#: How the rows of a pixel become one value.
STATISTICS = ('mean', 'median')

_SCHEMA = 'condition_maps'

# Conditions that are above 0 wherever there is an exposure.
_POSITIVE = ('psfsize', 'psfdepth', 'galdepth', 'depth')


@dataclass
class ConditionMaps:
    """
    Conditions of the pixels of a survey.

    Parameters
    ----------
    table : (n,) `~astropy.table.QTable`
        ``healpix`` (NESTED), ``area`` and a column for each condition; each pixel once.
    nside : int
        Resolution.
    meta : dict, optional
        Where the values are from.
    """

    table: QTable
    nside: int
    meta: dict = field(default_factory=dict)

    def __post_init__(self):
        require_columns(self.table, ['healpix', 'area'], what='the table of pixels')
        pixels = np.asarray(self.table['healpix'])
        n = healpy.nside2npix(self.nside)
        if len(pixels) and (pixels.min() < 0 or pixels.max() >= n):
            raise TableError(f'pixels of nside {self.nside} are numbered 0 to {n - 1}; the table '
                             f'holds {pixels.min()} to {pixels.max()}')
        if len(np.unique(pixels)) < len(pixels):
            raise TableError(f'{len(pixels) - len(np.unique(pixels))} rows repeat a pixel; each '
                             'pixel is one row')
        self._order = np.argsort(pixels, kind='stable')
        self._sorted = pixels[self._order]

    @property
    def names(self):
        """Names of the conditions."""
        return [name for name in self.table.colnames
                if name not in ('healpix', 'ra', 'dec', 'area', 'n')]

    @property
    def area(self):
        """Area of the survey."""
        return u.Quantity(self.table['area'], u.deg**2).sum()

    def at(self, coords):
        """
        Look the conditions of positions up.

        Parameters
        ----------
        coords : (n,) `~astropy.coordinates.SkyCoord`
            Positions.

        Returns
        -------
        conditions : (n,) `~astropy.table.QTable`
            NaN, and empty words, where the survey has no pixel: nothing is taken from a
            neighbour.
        """
        icrs = coords.icrs
        pixel = healpy.ang2pix(self.nside, np.atleast_1d(icrs.ra.deg), np.atleast_1d(icrs.dec.deg),
                               nest=True, lonlat=True)
        place = np.minimum(np.searchsorted(self._sorted, pixel), max(len(self._sorted) - 1, 0))
        found = (self._sorted[place] == pixel) if len(self._sorted) else np.zeros(len(pixel), bool)
        rows = self._order[place] if len(self._sorted) else place
        return QTable({name: _or_missing(self.table[name], rows, found) for name in self.names})


def map_conditions(table, nside, conditions, *, area=None, statistic='mean', density=None):
    """
    Make maps from bricks, regions or random points.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With ``ra`` and ``dec`` (degrees) and the conditions.
    nside : int
        Resolution. Pixels must not be smaller than the rows are apart.
    conditions : sequence of str
        Columns; words keep the most frequent one. A PSF width or a depth of 0 says that
        there is no exposure, and counts as missing.
    area : str, optional
        Column of the area of a row in square degrees, for bricks.
    statistic : {'mean', 'median'}, optional
        Weighted by area.
    density : float, optional
        Random points per square degree, where there is no column of areas: a point
        stands for 1/density. Without either a pixel has its whole area.

    Returns
    -------
    maps : `ConditionMaps`
        A pixel for each that a row falls into; a row counts where its position is.

    Raises
    ------
    TableError
        If a column is missing, an area not positive, or pixels are so small that
        bricks would leave holes between them.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.condition_maps import map_conditions
    >>> points = QTable({'ra': [10.0, 10.1, 80.0], 'dec': [5.0, 5.1, -3.0],
    ...                  'psfsize_r': [1.2, 1.4, 1.5]})
    >>> maps = map_conditions(points, 32, ['psfsize_r'], density=0.5)
    >>> print(maps.table['psfsize_r'].value, maps.area)
    [1.3 1.5] 6.0 deg2
    """
    if nside < 1 or nside & (nside - 1):
        raise TableError(f'nside is a power of 2, such as 128; it is {nside}')
    if statistic not in STATISTICS:
        raise TableError(f'there is no statistic {statistic!r}; there are {list(STATISTICS)}.'
                         f'{did_you_mean(statistic, STATISTICS)}')
    require_columns(table, ['ra', 'dec', *conditions, *([area] if area else [])])
    weight = _areas(table, area, density)
    if area:
        _refuse_holes(weight, nside)
    ra, dec = (u.Quantity(table[name], u.deg).value for name in ('ra', 'dec'))
    pixel = healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True)
    found, place = np.unique(pixel, return_inverse=True)
    lon, lat = healpy.pix2ang(nside, found, nest=True, lonlat=True)
    columns = {'healpix': found, 'ra': lon * u.deg, 'dec': lat * u.deg,
               'area': np.bincount(place, weight) * u.deg**2, 'n': np.bincount(place)}
    for name in conditions:
        columns[name] = _gather(_observed(table[name], name), place, weight, len(found), statistic)
    meta = {'schema': _SCHEMA, 'schema_version': 1, 'nside': int(nside), 'ordering': 'NESTED',
            'statistic': statistic, 'area': area or (f'{density:g} points per deg2' if density
                                                     else 'whole pixels'),
            'n_rows': len(table), 'package_version': lensfinder_audit.__version__}
    if not area and not density:
        columns['area'] = np.full(len(found), healpy.nside2pixarea(nside, degrees=True)) * u.deg**2
    return ConditionMaps(QTable(columns, meta=meta), int(nside), meta)


def write_condition_maps(maps, path, *, overwrite=False):
    """
    Write maps as a FITS table in explicit HEALPix indexing.

    Parameters
    ----------
    maps : `ConditionMaps`
        Maps.
    path : str or `~pathlib.Path`
        Ends in ``.fits``; appears complete or not at all. `healpy.read_map` reads each
        column.
    overwrite : bool, optional
        Whether a file that is there may be replaced.

    Raises
    ------
    InputFileError
        If the name does not end in ``.fits``.
    OutputExistsError
        If the file is there and ``overwrite`` is not given.
    """
    from astropy.io import fits

    if not str(path).lower().endswith('.fits'):
        raise InputFileError(f'{path}: condition maps are written as .fits')
    table = maps.table.copy()
    table.rename_column('healpix', 'PIXEL')  # as the HEALPix convention calls it
    table.meta = {}
    with whole_file(path, overwrite=overwrite) as temporary:
        hdu = fits.table_to_hdu(table)
        hdu.header['EXTNAME'] = 'CONDITIONS'
        for card in (('PIXTYPE', 'HEALPIX'), ('ORDERING', 'NESTED'), ('COORDSYS', 'C'),
                     ('NSIDE', maps.nside), ('INDXSCHM', 'EXPLICIT'), ('OBJECT', 'PARTIAL'),
                     ('LFAMETA', json.dumps({**maps.meta, 'nside': maps.nside}, default=str))):
            hdu.header[card[0]] = card[1]
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(temporary)


def read_condition_maps(path):
    """
    Read maps.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        As `write_condition_maps` leaves it.

    Returns
    -------
    maps : `ConditionMaps`
        With the same values.

    Raises
    ------
    InputFileError
        If the file is cut short or holds no condition maps.
    """
    table = read_table(path)
    meta = dict(table.meta)
    if meta.get('schema') != _SCHEMA or 'PIXEL' not in table.colnames:
        raise InputFileError(f'{path}: holds no condition maps; make them with '
                             '"lensfinder-audit conditions map"')
    table.rename_column('PIXEL', 'healpix')
    return ConditionMaps(table, int(meta['nside']), meta)


def _areas(table, area, density):
    if area:
        found = u.Quantity(table[area], u.deg**2).value
        bad = ~(np.isfinite(found) & (found > 0))
        if bad.any():
            raise TableError(f'column {area!r} must hold areas above 0 in deg2; {bad.sum()} of '
                             f'{len(found)} rows do not, the first is row {np.flatnonzero(bad)[0]}')
        return found
    if density is not None and not density > 0:
        raise TableError(f'density is a number of points per deg2, above 0; it is {density}')
    return np.full(len(table), 1 / (density or 1.0))


def _refuse_holes(weight, nside):
    size = healpy.nside2pixarea(nside, degrees=True)
    if len(weight) and np.median(weight) > size:
        most = 2 ** int(np.floor(np.log2(healpy.nside2resol(1) * 180 / np.pi
                                         / np.sqrt(np.median(weight)))))
        raise TableError(f'rows of {np.median(weight):.3g} deg2 are larger than pixels of nside '
                         f'{nside} ({size:.3g} deg2) and would leave holes; take nside {most} or '
                         'less')


def _observed(values, name):
    """Blank the zeros by which catalogues say that there is no exposure."""
    if name.split('_')[0] not in _POSITIVE:
        return values
    plain = np.asarray(getattr(values, 'value', values), dtype=float)
    found = np.where(plain > 0, plain, np.nan)
    unit = getattr(values, 'unit', None)
    return u.Quantity(found, unit) if unit is not None and str(unit) else found


def _gather(values, place, weight, n, statistic):
    unit, plain = getattr(values, 'unit', None), np.asarray(getattr(values, 'value', values))
    if plain.dtype.kind in 'US':
        return _frequent(plain, place, weight, n)
    plain = plain.astype(float)
    known = np.isfinite(plain)
    if statistic == 'mean':
        with np.errstate(invalid='ignore'):
            found = (np.bincount(place[known], (weight * np.where(known, plain, 0))[known], n)
                     / np.bincount(place[known], weight[known], n))
    else:
        found = _median(plain[known], place[known], weight[known], n)
    return found * unit if unit is not None and str(unit) else found


def _median(values, place, weight, n):
    """Take the value at which half the weight of a pixel is reached."""
    order = np.lexsort((values, place))
    values, place, weight = values[order], place[order], weight[order]
    total = np.bincount(place, weight, n)
    before = np.cumsum(total) - total
    reached = np.cumsum(weight) - before[place] >= 0.5 * total[place] * (1 - 1e-12)
    found = np.full(n, np.nan)
    first = np.flatnonzero(reached)[::-1]
    found[place[first]] = values[first]
    return found


def _frequent(words, place, weight, n):
    levels, code = np.unique(words, return_inverse=True)
    mass = np.bincount(place * len(levels) + code, weight, n * len(levels))
    return levels[mass.reshape(n, -1).argmax(axis=1)]


def _or_missing(values, rows, found):
    unit, plain = getattr(values, 'unit', None), np.asarray(getattr(values, 'value', values))
    if plain.dtype.kind == 'U':
        return np.where(found, plain[rows] if len(plain) else '', '')
    taken = np.where(found, plain[rows] if len(plain) else np.nan, np.nan)
    return u.Quantity(taken, unit) if unit is not None and str(unit) else taken
