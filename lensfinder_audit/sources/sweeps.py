# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated sweep files: the layout of the survey's, with conditions and galaxies of DR10.

They let the data chain run, and be timed, at any size where the 900 GB of real
sweeps are not at hand. Nothing in them is a measurement of the sky.
"""
from pathlib import Path

import numpy as np

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.files import whole_file
from lensfinder_audit.sources._mock_draws import (Draws, brick_conditions, conditions,
                                                  ordinary_galaxies)

__all__ = ['SWEEP_LAYOUT', 'N_REGIONS', 'mock_sweep', 'sweep_name', 'write_mock_sweeps']

_BANDS = 'GRZ'
_WISE = ('W1', 'W2', 'W3', 'W4')


def _layout():
    """Columns of a sweep file, in their order; those of DR10 beyond DR8 come last."""
    def each(name, kind, bands=_BANDS):
        return [(f'{name}_{band}', kind) for band in bands]

    columns = [('RELEASE', 'i2'), ('BRICKID', 'i4'), ('BRICKNAME', 'S8'), ('OBJID', 'i4'),
               ('TYPE', 'S4'), ('RA', 'f8'), ('RA_IVAR', 'f4'), ('DEC', 'f8'), ('DEC_IVAR', 'f4'),
               ('DCHISQ', 'f4', 5), ('EBV', 'f4')]
    for name in ('FLUX', 'FLUX_IVAR', 'MW_TRANSMISSION', 'FRACFLUX', 'FRACMASKED', 'FRACIN'):
        columns += each(name, 'f4')
    columns += each('NOBS', 'i2') + each('PSFDEPTH', 'f4') + each('GALDEPTH', 'f4')
    for name in ('FLUX', 'FLUX_IVAR', 'MW_TRANSMISSION'):
        columns += each(name, 'f4', _WISE)
    columns += each('ALLMASK', 'i2') + [('FRACDEV', 'f4'), ('FRACDEV_IVAR', 'f4')]
    for name in ('SHAPEDEV', 'SHAPEEXP'):
        columns += [(f'{name}_{part}', 'f4') for part in ('R', 'E1', 'E2')]
        columns += [(f'{name}_{part}_IVAR', 'f4') for part in ('R', 'E1', 'E2')]
    columns += each('FIBERFLUX', 'f4') + each('FIBERTOTFLUX', 'f4')
    columns += each('WISEMASK', 'u1', ('W1', 'W2')) + [('MASKBITS', 'i2'), ('REF_ID', 'i8'),
                                                       ('REF_CAT', 'S2')]
    columns += [(f'GAIA_{name}', 'f4') for name in (
        'PHOT_G_MEAN_MAG', 'PHOT_G_MEAN_FLUX_OVER_ERROR', 'PHOT_BP_MEAN_MAG',
        'PHOT_BP_MEAN_FLUX_OVER_ERROR', 'PHOT_RP_MEAN_MAG', 'PHOT_RP_MEAN_FLUX_OVER_ERROR',
        'PHOT_BP_RP_EXCESS_FACTOR', 'ASTROMETRIC_EXCESS_NOISE')]
    columns += [('GAIA_DUPLICATED_SOURCE', '?'), ('GAIA_ASTROMETRIC_SIGMA5D_MAX', 'f4'),
                ('GAIA_ASTROMETRIC_PARAMS_SOLVED', 'f8')]
    for name in ('PARALLAX', 'PMRA', 'PMDEC'):
        columns += [(name, 'f4'), (f'{name}_IVAR', 'f4')]
    return columns + [('PHOTSYS', 'S1'), *each('PSFSIZE', 'f4'), ('SERSIC', 'f4'),
                      ('SHAPE_R', 'f4'), ('SHAPE_E1', 'f4'), ('SHAPE_E2', 'f4')]


#: NumPy type of a row of a simulated sweep.
SWEEP_LAYOUT = np.dtype(_layout())

#: Regions of 5 x 5 degrees between declination -20 and 35.
N_REGIONS = 72 * 11

_COEFFICIENT = {'G': 3.214, 'R': 2.165, 'Z': 1.211}
_MASKS = ((0.010, 1), (0.008, 11), (0.006, 12), (0.002, 13), (0.01, 5), (0.01, 6), (0.01, 7))


def sweep_name(region):
    """
    Return the name that the survey gives a region's file.

    Parameters
    ----------
    region : int
        0 to `N_REGIONS` - 1.

    Returns
    -------
    name : str
        Without suffix.

    Examples
    --------
    >>> from lensfinder_audit.sources.sweeps import sweep_name
    >>> sweep_name(33)
    'sweep-165m020-170m015'
    """
    ra, dec = _corner(region)
    corners = [f'{a:03d}{"m" if d < 0 else "p"}{abs(d):03d}' for a, d in
               ((ra, dec), (ra + 5, dec + 5))]
    return 'sweep-' + '-'.join(corners)


def _corner(region):
    if not 0 <= region < N_REGIONS:
        raise ConfigError(f'a simulated survey has regions 0 to {N_REGIONS - 1}, not {region}')
    return 5 * (region % 72), 5 * (region // 72) - 20


def mock_sweep(region, n_rows, *, seed=42):
    """
    Draw the rows of one region.

    Parameters
    ----------
    region : int
        0 to `N_REGIONS` - 1.
    n_rows : int
        Number of objects, a third of them stars or galaxies below the cuts.
    seed : int, optional
        Of the survey.

    Returns
    -------
    rows : (n_rows,) `~numpy.ndarray`
        Of type `SWEEP_LAYOUT`; what the sample rules do not look at is zero.

    Examples
    --------
    >>> from lensfinder_audit.sources.sweeps import mock_sweep
    >>> rows = mock_sweep(33, 1000)
    >>> len(rows.dtype.names), round(rows['RA'].min()), round(rows['RA'].max())
    (103, 165, 170)
    """
    ra, dec = _corner(region)
    draws = Draws(seed, region * 10**7 + np.arange(n_rows), kind='sweep')
    rows = np.zeros(n_rows, dtype=SWEEP_LAYOUT)
    rows['RA'] = ra + draws.uniform('ra', 0, 5)
    rows['DEC'] = dec + draws.uniform('dec', 0, 5)
    cell = 20 * ((rows['DEC'] - dec) * 4).astype(int) + ((rows['RA'] - ra) * 4).astype(int)
    brick = brick_conditions(Draws(seed, region * 400 + np.arange(400), kind='sweep brick'))
    rows['RELEASE'], rows['BRICKID'], rows['OBJID'] = 10000, region * 400 + cell, np.arange(n_rows)
    rows['BRICKNAME'] = np.char.encode(_brick_names(ra, dec)[cell])
    _fill_conditions(rows, conditions(draws, {key: item[cell] for key, item in brick.items()}),
                     draws)
    _fill_objects(rows, draws)
    return rows


def _brick_names(ra, dec):
    return np.array([f'{round((ra + 0.25 * j + 0.125) * 10):04d}{"m" if dec < 0 else "p"}'
                     f'{abs(round((dec + 0.25 * i + 0.125) * 10)):03d}'
                     for i in range(20) for j in range(20)])


def _fill_conditions(rows, found, draws):
    for name, values in found.items():
        rows[name.upper()] = values
    few = draws.uniform('few exposures') < 0.12
    for band in _BANDS:
        rows[f'NOBS_{band}'][few] = draws.choice(f'few {band}', [0, 1, 2, 3], [1, 3, 4, 4])[few]
        rows[f'GALDEPTH_{band}'] = 0.75 * rows[f'PSFDEPTH_{band}']
        rows[f'MW_TRANSMISSION_{band}'] = 10 ** (-0.4 * _COEFFICIENT[band] * rows['EBV'])
    for fraction, bit in _MASKS:
        rows['MASKBITS'] |= (draws.uniform(f'bit {bit}') < fraction).astype('i2') << bit


def _fill_objects(rows, draws):
    galaxies = ordinary_galaxies(draws, early_fraction=0.6)
    star = draws.uniform('star') < 0.2
    rows['TYPE'] = np.where(star, b'PSF', np.char.encode(galaxies['type']))
    r, e = galaxies['r'] + draws.uniform('fainter', 0, 1.2), galaxies['ellipticity']
    magnitudes = {'G': r + galaxies['g_r'], 'R': r, 'Z': r - galaxies['r_z']}
    for band, magnitude in magnitudes.items():
        flux = 10 ** (0.4 * (22.5 - magnitude)) * rows[f'MW_TRANSMISSION_{band}']
        rows[f'FLUX_{band}'] = flux
        rows[f'FLUX_IVAR_{band}'] = rows[f'GALDEPTH_{band}']
    round_ = star | (rows['TYPE'] == b'REX')
    e = np.where(round_, 0, np.where(draws.uniform('thin') < 0.03, 0.6, e))
    rows['SHAPE_R'] = np.where(star, 0, galaxies['shape_r'])
    rows['SHAPE_E1'], rows['SHAPE_E2'] = (e * wave(2 * galaxies['angle'])
                                          for wave in (np.cos, np.sin))
    rows['SERSIC'] = np.select([rows['TYPE'] == name for name in (b'SER', b'DEV', b'EXP', b'REX')],
                               [galaxies['sersic'], 4, 1, 1], 0)
    rows['PHOTSYS'] = b'S'


def write_mock_sweeps(folder, *, n_files, n_rows, seed=42, suffix='.fits', first=60):
    """
    Write simulated sweep files.

    Parameters
    ----------
    folder : str or `~pathlib.Path`
        Where they go.
    n_files, n_rows : int
        Number of files, and objects in each.
    seed : int, optional
        Of the survey.
    suffix : str, optional
        ``.fits`` or ``.parquet``; Parquet leaves out the columns of several values.
    first : int, optional
        First region.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files.

    Raises
    ------
    ConfigError
        If the suffix is another, or there are not so many regions.
    """
    if suffix not in ('.fits', '.parquet'):
        raise ConfigError(f'simulated sweeps are .fits or .parquet, not {suffix!r}')
    paths = []
    for region in range(first, first + n_files):
        path = Path(folder) / (sweep_name(region) + suffix)
        with whole_file(path, overwrite=True) as temporary:
            _write(mock_sweep(region, n_rows, seed=seed), temporary)
        paths.append(path)
    return paths


def _write(rows, path):
    if path.suffix == '.fits':
        from astropy.io import fits
        fits.BinTableHDU(rows, name='SWEEP').writeto(path)
        return
    import pyarrow as pa
    from pyarrow import parquet
    columns = {name: np.char.decode(rows[name]) if rows[name].dtype.kind == 'S' else rows[name]
               for name in rows.dtype.names if rows[name].ndim == 1}
    parquet.write_table(pa.table({name: np.ascontiguousarray(values) if values.dtype.kind != 'U'
                                  else pa.array(values.tolist()) for name, values in
                                  columns.items()}), path, row_group_size=1 << 17)
