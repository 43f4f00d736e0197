# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Random numbers and distributions of the mock survey.

Every number is a hash of (seed, row, name of the quantity), so that a row is the
same whichever rows are drawn with it, and a new quantity changes no other one.
"""
from zlib import crc32

import numpy as np
from scipy.special import ndtr, ndtri

__all__ = ['Draws', 'EXPOSURE', 'EXTINCTION', 'brick_positions', 'brick_conditions',
           'conditions', 'ordinary_galaxies', 'N_BRICKS']

#: Seconds of one exposure; three of 60 s in r are the survey's usual depth.
EXPOSURE = {'g': 90.0, 'r': 60.0, 'z': 100.0}

#: A / E(B-V) of the DECam bands, Schlafly & Finkbeiner 2011 as the survey uses it.
EXTINCTION = {'g': 3.214, 'r': 2.165, 'z': 1.211}

# Quantiles over 2,693 regions of DR10, weighted by area, and their rank
# correlations; written by docs/make_mock_conditions.py.
FRACTION = (0.005, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.995)
MEASURED = {
    'psfsize_r': (1.011, 1.125, 1.166, 1.239, 1.352, 1.492, 1.640, 1.746, 2.073),
    'depth_r': (23.465, 23.975, 24.064, 24.198, 24.458, 25.057, 25.229, 25.441, 26.099),
    'ebv': (0.009, 0.015, 0.018, 0.029, 0.047, 0.085, 0.154, 0.230, 0.431)}
RANK_CORRELATION = ((1.0, -0.40, 0.25), (-0.40, 1.0, -0.19), (0.25, -0.19, 1.0))

# Median 5-sigma depth of the mock, and the FWHM relative to that in r.
DEPTH = {'g': 24.7, 'r': 23.9, 'z': 23.0}
_RELATIVE_FWHM = {'g': 1.09, 'r': 1.0, 'z': 0.94}
_USUAL_NOBS = 4

# Observed colours of early types by redshift.
_REDSHIFT = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
_EARLY_G_R = (0.75, 0.95, 1.17, 1.42, 1.66, 1.78, 1.84, 1.90)
_EARLY_R_Z = (0.52, 0.59, 0.66, 0.76, 0.90, 1.06, 1.26, 1.55)

_DEC_RANGE, _BRICK = (-18.0, 32.0), 0.25
_STRIP_DEC = np.arange(_DEC_RANGE[0] + _BRICK / 2, _DEC_RANGE[1], _BRICK)
_STRIP_SIZE = np.floor(360 * np.cos(np.radians(_STRIP_DEC)) / _BRICK).astype(np.int64)
_STRIP_END = np.cumsum(_STRIP_SIZE)

#: Bricks between the declinations of the pool.
N_BRICKS = int(_STRIP_END[-1])


def _mix(values):
    """Finalise 64 bits as splitmix64 does (Steele et al. 2014)."""
    values = np.asarray(values, dtype=np.uint64)
    with np.errstate(over='ignore'):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Draws:
    """
    Named random numbers, one per row.

    Parameters
    ----------
    seed : int
        Of the whole survey.
    rows : (n,) array_like of int
        Numbers of the rows.
    kind : str, optional
        What a row is, so that brick 7 and galaxy 7 differ.
    """

    def __init__(self, seed, rows, *, kind='galaxy'):
        start = _mix(np.uint64(seed % 2**64) ^ np.uint64(crc32(kind.encode())))
        self.keys = _mix(_mix(np.asarray(rows, dtype=np.uint64)) ^ start)

    def bits(self, name):
        """Return 64 random bits per row."""
        return _mix(self.keys ^ _mix(np.uint64(crc32(name.encode()) + 1)))

    def uniform(self, name, low=0.0, high=1.0):
        """Return numbers between two values, both excluded."""
        fraction = ((self.bits(name) >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52
        return low + (high - low) * fraction

    def normal(self, name, mean=0.0, sigma=1.0):
        """Return normal numbers."""
        return mean + sigma * ndtri(self.uniform(name))

    def choice(self, name, values, shares):
        """Return one of some values per row, with these shares."""
        ends = np.cumsum(shares) / np.sum(shares)
        return np.asarray(values)[np.searchsorted(ends, self.uniform(name))]


def brick_positions(seed, numbers):
    """Return index, centre and width in right ascension [deg] of bricks spread over the sky."""
    step = int(N_BRICKS * 0.6180339887)
    while np.gcd(step, N_BRICKS) != 1:  # then no two numbers share a brick
        step += 1
    start = int(Draws(seed, [0], kind='sky').bits('start')[0] % np.uint64(N_BRICKS))
    index = (start + numbers * step) % N_BRICKS
    strip = np.searchsorted(_STRIP_END, index, side='right')
    width = 360 / _STRIP_SIZE[strip]
    ra = (index - (_STRIP_END[strip] - _STRIP_SIZE[strip]) + 0.5) * width
    return index, ra, _STRIP_DEC[strip], width


def brick_conditions(draws):
    """Return seeing [arcsec], depth [mag], extinction and exposures that bricks share."""
    mixing = np.linalg.cholesky(2 * np.sin(np.pi / 6 * np.array(RANK_CORRELATION)))
    normal = [draws.normal(name) for name in MEASURED]
    found = {}
    for row, (name, quantiles) in zip(mixing, MEASURED.items(), strict=True):
        latent = sum(weight * part for weight, part in zip(row, normal, strict=True))
        found[name] = np.interp(ndtr(latent), FRACTION, quantiles)
    excess = found.pop('depth_r') - MEASURED['depth_r'][FRACTION.index(0.5)]
    seeing = found.pop('psfsize_r')
    for band in 'grz':
        wobble = draws.normal(f'seeing {band}', 0, 0.05 * (band != 'r'))
        found[f'psfsize_{band}'] = seeing * _RELATIVE_FWHM[band] * np.exp(wobble)
        found[f'depth_{band}'] = (DEPTH[band] + excess
                                  + draws.normal(f'depth {band}', 0, 0.15 * (band != 'r')))
        count = _USUAL_NOBS * 10 ** (excess / 1.6) * np.exp(draws.normal(f'nobs {band}', 0, 0.2))
        found[f'nobs_{band}'] = np.clip(np.round(count), 3, 30)
    return found


def conditions(draws, brick):
    """Return the conditions at each object: those of its brick, and its own exposures."""
    found = {'ebv': brick['ebv'] * np.exp(draws.normal('ebv', 0, 0.03))}
    for band in 'grz':
        found[f'psfsize_{band}'] = brick[f'psfsize_{band}'] * np.exp(
            draws.normal(f'seeing {band}', 0, 0.015))
        change = draws.choice(f'nobs {band}', [-1, 0, 1], [0.2, 0.6, 0.2])
        nobs = np.maximum(brick[f'nobs_{band}'] + change, 3)
        depth = brick[f'depth_{band}'] + 1.25 * np.log10(nobs / brick[f'nobs_{band}'])
        found[f'nobs_{band}'] = nobs.astype(int)
        found[f'psfdepth_{band}'] = (5 / 10 ** (0.4 * (22.5 - depth))) ** 2
    return found


def ordinary_galaxies(draws, *, early_fraction):
    """Return type, magnitude, shape, redshift and intrinsic colours of galaxies."""
    early = draws.uniform('morphology') < early_fraction
    r = _magnitudes(draws.uniform('magnitude'))
    kind = np.where(early, draws.choice('early type', ['DEV', 'SER', 'REX'], [0.60, 0.35, 0.05]),
                    draws.choice('late type', ['EXP', 'SER', 'REX'], [0.45, 0.30, 0.25]))
    size = np.where(early, 0.95 * 10 ** (-0.14 * (r - 20) + draws.normal('early size', 0, 0.17)),
                    1.25 * 10 ** (-0.13 * (r - 20) + draws.normal('late size', 0, 0.20)))
    size = np.clip(np.where(kind == 'REX', 0.6, 1.0) * size, 0.25, 12)
    sersic = np.where(early, draws.normal('early index', 4.5, 0.9),
                      draws.normal('late index', 1.3, 0.35))
    found = {'morphology': np.where(early, 'early', 'late'), 'type': kind, 'r': r,
             'shape_r': size, 'sersic': np.clip(sersic, 0.5, 6.0)}
    return {**found, **_shapes(draws, early), **_colours(draws, early, r)}


def _magnitudes(fraction, *, bright=15.5, faint=20.5, slope=0.42):
    """Invert number counts that rise as 10^(slope m) between two magnitudes."""
    low = 10 ** (slope * (bright - faint))
    return faint + np.log10(low + fraction * (1 - low)) / slope


def _shapes(draws, early):
    q = np.where(early, np.clip(draws.normal('early axis ratio', 0.78, 0.13), 0.35, 0.99),
                 draws.uniform('late axis ratio', 0.30, 0.98))
    return {'ellipticity': (1 - q) / (1 + q), 'angle': draws.uniform('angle', 0, np.pi)}


def _colours(draws, early, r):
    redshift = np.where(early, 0.42 * 10 ** (0.18 * (r - 20)), 0.28 * 10 ** (0.15 * (r - 20)))
    redshift = np.clip(redshift * np.exp(draws.normal('redshift', 0, 0.14)), 0.02, 0.75)
    early_g_r = np.interp(redshift, _REDSHIFT, _EARLY_G_R) + draws.normal('early g-r', 0, 0.06)
    early_r_z = np.interp(redshift, _REDSHIFT, _EARLY_R_Z) + draws.normal('early r-z', 0, 0.05)
    late_g_r = 0.42 + 1.1 * redshift + draws.normal('late g-r', 0, 0.17)
    late_r_z = 0.30 + 0.9 * redshift + draws.normal('late r-z', 0, 0.12)
    return {'redshift': redshift, 'g_r': np.where(early, early_g_r, late_g_r),
            'r_z': np.where(early, early_r_z, late_r_z)}
