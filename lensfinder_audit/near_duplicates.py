# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Stamps of the same pixels under different names.

Positions tell most duplicates, pixels also those whose positions are missing, wrong
or of another catalogue. Two images of the sky share their noise only if one is a copy
of the other, so pairs are found by coarse thumbnails and decided by the noise.

Each stamp is read once, in the order of the store. Of it remain a thumbnail and the noise
of a patch, which rules out nearly all pairs that are merely alike; the others are read again.
"""
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from astropy.table import QTable

from lensfinder_audit._copy_search import similar_rows, uncommon
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['near_duplicates', 'same_pixels', 'thumbnails']

#: Side of a thumbnail in blocks, the least cosine of a pair that is looked at.
_SIDE, _CANDIDATE = 8, 0.3

#: Where the sky is measured, as fractions of half the stamp, and where pixels are cut, in sigma.
_SKY, _CLIP = (0.65, 0.95), np.float32(3)

#: Side of the patch, steps per sigma in which it is kept, and pixels that make it decide.
_PATCH, _STEPS, _ENOUGH = 24, 20, 400

#: Pixels of two stamps with which they can be compared at all.
_LEAST_PIXELS = 100

#: Stamps that are read together, pairs of them, and pairs of patches that are compared together.
_BATCH, _PAIRS, _PATCHES = 128, 64, 2048


def near_duplicates(store, keys, *, least=0.3, shift=2, progress=None):
    """
    Find stamps that are copies of each other, moved by a pixel or two, with little noise added.

    Parameters
    ----------
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Where the stamps are; memory holds two batches, and 0.8 kB per stamp and band.
    keys : (n,) array_like of str
        Keys of the stamps.
    least : float, optional
        Least correlation of the noise of two copies.
    shift : int, optional
        Greatest shift in pixels along either axis.
    progress : callable, optional
        Called with the number of stamps just read.

    Returns
    -------
    pairs : `~astropy.table.QTable`
        Schema ``near_duplicates``: rows ``first`` and ``second`` of ``keys``, the
        ``correlation`` of what is left of their pixels above the structure of a few
        pixels, and the shift ``dy``, ``dx`` at which it is greatest.

    Notes
    -----
    Candidates are pairs at small angles among thumbnails of 8 x 8 pixels in each band, cut
    at 3 sigma, so that galaxies do not outweigh the sky; of a stamp that is like very many
    others, the 16 that are most alike. Those whose patches of 24 x 24 pixels have less than
    half the least correlation are left out; the pixels of the others are read again. A copy
    that was turned, resampled or reduced again has another noise and is not found; on stamps
    of fewer than 70 pixels a side, one that moved by 2 pixels along both axes may be lost.
    """
    keys = np.asarray(keys).astype(str)
    order = np.argsort(store.locate(keys), kind='stable')
    pairs = _alike(*_read(store, keys[order], progress), _least_cosine(min(store.shape), shift),
                   shift, least)
    rows = [_in_order(order[i], order[j], *best)
            for i, j, *best in _decided(store, keys[order], pairs, shift) if best[0] >= least]
    table = QTable(rows=rows or None, names=['first', 'second', 'correlation', 'dy', 'dx'],
                   dtype=[int, int, float, int, int])
    table.sort('correlation', reverse=True)
    table.meta = schema_meta('near_duplicates', n_stamps=len(keys), least=least, shift=shift)
    return check_table(table, 'near_duplicates')


def thumbnails(flux):
    """
    Reduce stamps to a few numbers that a shift of a pixel or two hardly changes.

    Parameters
    ----------
    flux : (n, band, y, x) array_like
        Nanomaggies; NaN marks a missing pixel.

    Returns
    -------
    small : (n, 64 band) `~numpy.ndarray`
        float32; means of blocks in units of the noise.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.near_duplicates import thumbnails
    >>> flux = np.random.default_rng(0).normal(size=(2, 3, 101, 101))
    >>> flux[1] = np.roll(flux[0], 2, axis=-1)
    >>> print(np.corrcoef(thumbnails(flux))[0, 1].round(1))
    0.8
    """
    flux = np.asarray(flux, dtype=np.float32)
    height, width = flux.shape[-2:]
    if min(height, width) < _SIDE:
        raise ConfigError(f'stamps of {height} x {width} pixels are too small; they need {_SIDE}')
    return _thumbnails(_clean(flux))


def same_pixels(first, second, *, shift=2):
    """
    Correlate the noise of two stamps.

    Parameters
    ----------
    first, second : (band, y, x) array_like
        Nanomaggies; NaN marks a missing pixel.
    shift : int, optional
        Greatest shift in pixels along either axis.

    Returns
    -------
    correlation : float
        The greatest of all shifts; 0 where no pixel is in both.
    dy, dx : int
        The shift of the second stamp.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.near_duplicates import same_pixels
    >>> rng = np.random.default_rng(0)
    >>> flux = rng.normal(size=(3, 41, 41))
    >>> moved = np.roll(flux, (1, -2), axis=(1, 2)) + rng.normal(0, 0.2, flux.shape)
    >>> value, dy, dx = same_pixels(flux, moved)
    >>> print(f'{value:.2f}', dy, dx)
    0.98 1 -2
    """
    first, second = (_sharp(_clean(np.asarray(item, dtype=np.float32)[None]))
                     for item in (first, second))
    value, dy, dx, _ = (item[0].item() for item in _greatest(first, second, shift))
    return value, dy, dx


@cache
def _pixels():
    try:
        from lensfinder_audit import _copies_kernel as pixels
    except ImportError:  # no numba
        from lensfinder_audit import _copies_numpy as pixels
    return pixels


def _clean(flux):
    """Return pixels in units of the noise of their band, cut at 3 sigma, 0 where missing."""
    flux = np.ascontiguousarray(flux, dtype=np.float32)
    half = min(flux.shape[-2:]) / 2
    ring = annulus_mask(flux.shape[-2:], r_in=_SKY[0] * half, r_out=_SKY[1] * half)
    clean = np.empty_like(flux)
    _pixels().clean_planes(flux.reshape(-1, ring.size), np.flatnonzero(ring).astype(np.uintp),
                           _CLIP, clean.reshape(-1, ring.size))
    return clean


def _thumbnails(clean):
    """Add up blocks, without what is bright and the mean at each radius, common to galaxies."""
    height, width = clean.shape[-2:]
    y, x = np.indices((height, width))
    ring = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2).astype(int) // 2
    rows, columns = (np.linspace(0, n, _SIDE + 1).astype(int) for n in (height, width))
    sums = np.empty((*clean.shape[:2], _SIDE, _SIDE), np.float32)
    _pixels().block_sums(clean.reshape(-1, height, width), ring, rows, columns, _CLIP,
                         sums.reshape(-1, _SIDE, _SIDE))
    area = np.outer(np.diff(rows), np.diff(columns)).astype(np.float32)
    return (sums / np.sqrt(area)).reshape(len(clean), -1)


def _sharp(clean):
    """Return what a pixel has above its neighbours; 0 where it is missing or cut."""
    around = np.zeros_like(clean)
    around[..., 1:-1, 1:-1] = (clean[..., :-2, 1:-1] + clean[..., 2:, 1:-1]
                               + clean[..., 1:-1, :-2] + clean[..., 1:-1, 2:]) / 4
    inside = np.zeros(clean.shape[-2:], dtype=bool)
    inside[1:-1, 1:-1] = True
    return np.where(inside & (np.abs(clean) < _CLIP) & (clean != 0), clean - around,
                    np.float32(0))


def _patches(clean):
    """Return the noise of a patch between middle and corner, in whole steps."""
    side = min(_PATCH, *(n - 2 for n in clean.shape[-2:]))
    places = [max(n // 4 - side // 2, 1) - 1 for n in clean.shape[-2:]]
    y, x = (slice(place, place + side + 2) for place in places)
    sharp = _sharp(clean[..., y, x])[..., 1:-1, 1:-1]
    return np.rint(_STEPS * np.clip(sharp, -6, 6)).astype(np.int8)


def _features(stack):
    clean = _clean(stack)
    return _thumbnails(clean), _patches(clean)


def _read(store, keys, progress):
    """Return thumbnails and patches of all stamps; the next ones are read meanwhile."""
    small = np.empty((len(keys), len(store.bands) * _SIDE**2), np.float32)
    patches, start = None, 0
    for thumbnail, patch in _ahead((flux for _, flux in store.batches(keys, _BATCH)), _features):
        if patches is None:
            patches = np.empty((len(keys), *patch.shape[1:]), np.int8)
        here = slice(start, start := start + len(patch))
        small[here], patches[here] = thumbnail, patch
        if progress:
            progress(len(patch))
    return small, patches


def _ahead(items, function):
    """Yield what a function makes of items, while the next item is made."""
    with ThreadPoolExecutor(1) as pool:
        running = None
        for item in items:
            before, running = running, pool.submit(function, item)
            if before is not None:
                yield before.result()
        if running is not None:
            yield running.result()


def _least_cosine(size, shift):
    """Return half of what a shift along both axes leaves of the cosine of thumbnails."""
    block = size / _SIDE
    return max(0.5 * max(1 - shift / block, 0)**2, _CANDIDATE)


def _alike(small, patches, cosine, shift, least):
    """Return pairs of rows whose thumbnails are alike and whose patches may be."""
    uncommon(small)
    pairs = np.stack(similar_rows(small, cosine), axis=1)
    kept = np.zeros(len(pairs), dtype=bool)
    for start in range(0, len(pairs), _PATCHES):
        here = slice(start, start + _PATCHES)
        first, second = (patches[rows].astype(np.float32) for rows in pairs[here].T)
        value, *_, n = _greatest(first, second, shift)
        kept[here] = (value >= least / 2) | (n < _ENOUGH)
    return pairs[kept]


def _decided(store, keys, pairs, shift):
    """Yield the rows of pairs, how alike their noise is, and at which shift."""
    for start in range(0, len(pairs), _PAIRS):
        rows, place = np.unique(pairs[start:start + _PAIRS], return_inverse=True)
        place = place.reshape(-1, 2)
        sharp = _sharp(_clean(store.get(keys[rows])))
        value, dy, dx, _ = _greatest(sharp[place[:, 0]], sharp[place[:, 1]], shift)
        yield from zip(*rows[place].T, value, dy, dx, strict=True)


def _greatest(first, second, shift):
    """Return greatest correlations, their shifts, and on how few pixels one of them rests."""
    product, one, two, n = np.moveaxis(_pixels().lag_sums(first, second, shift), -1, 0)
    size = np.sqrt(one * two)
    good = (n >= _LEAST_PIXELS) & (size > 0)
    value = np.where(good, product / np.where(good, size, 1), 0).reshape(len(first), -1)
    best = value.argmax(axis=1)
    greatest = value[np.arange(len(value)), best]
    dy, dx = np.where(greatest > 0, np.divmod(best, 2 * shift + 1), shift) - shift
    return np.maximum(greatest, 0), dy, dx, n.min(axis=(1, 2))


def _in_order(first, second, value, dy, dx):
    """Name the pair in the order of the caller's keys."""
    return (first, second, value, dy, dx) if first < second else (second, first, value, -dy, -dx)
