# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train, val and test sets that share no patch of the sky.

The split of an object follows from its HEALPix pixel alone, by a published hash,
so that anyone can derive it again, and so that neighbours stay together. What a
pixel's edge parts is found by `lensfinder_audit.split_check`.
"""
import hashlib

import numpy as np
from astropy.table import QTable

from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import ConfigError, TableError, did_you_mean

__all__ = ['SCHEMES', 'NSIDE', 'SEED', 'sky_pixels', 'pixel_fractions', 'expected_splits',
           'assign_splits']

#: Upper ends of the fractions of each scheme, in order.
SCHEMES = {'70/15/15': (('train', 0.70), ('val', 0.85), ('test', 1.0)),
           '70/30': (('train', 0.70), ('val', 1.0))}

#: Published resolution (0.46 degrees) and seed.
NSIDE, SEED = 128, 42


def sky_pixels(table, *, nside=NSIDE, what='the table'):
    """
    Return the HEALPix pixel of each object.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With ``ra`` and ``dec``.
    nside : int, optional
        Resolution, a power of two; pixels are numbered in the NESTED scheme.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    pixels : (n,) `~numpy.ndarray` of int
        -1 where an object has no position.

    Raises
    ------
    ConfigError
        If ``nside`` is not a power of two.
    TableError
        If a column is missing or a position not on the sky.
    """
    from healpy import ang2pix

    if not isinstance(nside, int | np.integer) or nside < 1 or nside & (nside - 1):
        raise ConfigError(f'nside is a power of two for NESTED pixels, such as 128; it is {nside}')
    places = sky_positions(table, what=what)
    ra, dec = places.ra.deg, places.dec.deg
    known = np.isfinite(ra) & np.isfinite(dec)
    pixels = np.full(len(ra), -1)
    pixels[known] = ang2pix(int(nside), ra[known], dec[known], nest=True, lonlat=True)
    return pixels


def pixel_fractions(pixels, *, seed=SEED):
    """
    Hash pixels to fractions that are uniform in [0, 1).

    Parameters
    ----------
    pixels : (n,) array_like of int
        HEALPix pixels.
    seed : int, optional
        Another seed gives another split.

    Returns
    -------
    fractions : (n,) `~numpy.ndarray`
        First four bytes, big-endian, of sha256 of ``"{pixel}_{seed}"``, over
        2^32.

    Examples
    --------
    >>> from lensfinder_audit.splits import pixel_fractions
    >>> pixel_fractions([0, 1, 2]).round(4)
    array([0.5219, 0.3631, 0.794 ])
    """
    distinct, where = np.unique(np.asarray(pixels, dtype=np.int64), return_inverse=True)
    digests = b''.join(hashlib.sha256(f'{pixel}_{seed}'.encode()).digest()[:4]
                       for pixel in distinct.tolist())
    return (np.frombuffer(digests, '>u4') / 2.0**32)[where]


def expected_splits(pixels, *, scheme='70/15/15', seed=SEED):
    """
    Return the split of each pixel.

    Parameters
    ----------
    pixels : (n,) array_like of int
        HEALPix pixels; -1 where there is none.
    scheme : str, optional
        One of `SCHEMES`; ``'70/30'`` merges val and test of ``'70/15/15'``.
    seed : int, optional
        Seed of the hash.

    Returns
    -------
    splits : (n,) `~numpy.ndarray` of str
        Empty where there is no pixel.

    Raises
    ------
    ConfigError
        If there is no such scheme.

    Examples
    --------
    >>> from lensfinder_audit.splits import expected_splits
    >>> print(expected_splits([0, 1, 2, -1]))
    ['train' 'train' 'val' '']
    """
    if scheme not in SCHEMES:
        raise ConfigError(f'there is no split scheme {scheme!r}; there are {list(SCHEMES)}.'
                          f'{did_you_mean(scheme, SCHEMES)}')
    names, ends = zip(*SCHEMES[scheme], strict=True)
    pixels = np.asarray(pixels)
    place = np.searchsorted(ends, pixel_fractions(pixels, seed=seed), side='right')
    return np.where(pixels < 0, '', np.array(names)[place])


def assign_splits(table, *, scheme='70/15/15', seed=SEED, nside=NSIDE, what='the table'):
    """
    Add pixel and split to a table.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With ``ra`` and ``dec``; not changed.
    scheme : str, optional
        One of `SCHEMES`.
    seed, nside : int, optional
        Seed of the hash and resolution of the pixels.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    table : (n,) `~astropy.table.QTable`
        With ``healpix`` and ``split``; ``meta['split']`` says how they were made.

    Raises
    ------
    TableError
        If an object has no position: it belongs to no split.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.splits import assign_splits
    >>> table = assign_splits(QTable({'ra': [150.1, 150.2], 'dec': [2.2, 2.2]}))
    >>> print(table['healpix'].tolist(), table['split'].tolist())
    [109033, 109033] ['val', 'val']
    """
    pixels = sky_pixels(table, nside=nside, what=what)
    if (pixels < 0).any():
        raise TableError(f'{what}: {(pixels < 0).sum()} of {len(pixels)} rows have no position, '
                         f'the first is row {np.argmax(pixels < 0)}; a split follows from the '
                         'position, so find it or take them out')
    found = QTable(table, copy=True)
    found['healpix'] = pixels
    found['split'] = expected_splits(pixels, scheme=scheme, seed=seed)
    found.meta['split'] = {'scheme': scheme, 'seed': int(seed), 'nside': int(nside),
                           'order': 'NESTED', 'hash': 'sha256("{pixel}_{seed}")[:4] / 2^32'}
    return found
