# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Stamps of the same pixels under different names.

Positions tell most duplicates, pixels also those whose positions are missing, wrong
or of another catalogue. Two images of the sky share their noise only if one is a copy
of the other, so pairs are found by coarse thumbnails and decided by the noise.
"""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['near_duplicates', 'same_pixels', 'thumbnails']

#: Side of a thumbnail, the least cosine of a pair that is looked at, neighbours of each.
_SIDE, _CANDIDATE, _NEIGHBORS = 8, 0.3, 4

#: Where the sky is measured, as fractions of half the stamp, and where pixels are cut, in sigma.
_SKY, _CLIP = (0.65, 0.95), 3.0

_BATCH = 256


def near_duplicates(store, keys, *, least=0.3, shift=2, progress=None):
    """
    Find stamps that are copies of each other, moved by a pixel or two, with little noise added.

    Parameters
    ----------
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Where the stamps are; memory holds a batch, and 64 numbers per stamp and band.
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
    Candidates are nearest neighbours among thumbnails of 8 x 8 pixels in each band, cut
    at 3 sigma, so that galaxies do not outweigh the sky. A copy that was turned,
    resampled or reduced again has another noise and is not found; nor, on stamps of fewer than
    60 pixels a side, one that moved by 2 pixels along both axes.
    """
    keys = np.asarray(keys).astype(str)
    found = []
    for _, flux in store.batches(keys, _BATCH):
        found.append(thumbnails(flux))
        if progress:
            progress(len(flux))
    small = np.concatenate(found) if found else np.zeros((0, 1), np.float32)
    rows = []
    for i, j in _candidates(small, _least_cosine(min(store.shape), shift)):
        value, dy, dx = same_pixels(*store.get(keys[[i, j]]), shift=shift)
        if value >= least:
            rows.append((i, j, value, dy, dx))
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
    clean = _without_rings(_clean(flux))
    rows, columns = (np.linspace(0, n, _SIDE + 1).astype(int) for n in (height, width))
    sums = np.add.reduceat(np.add.reduceat(clean, rows[:-1], axis=-2), columns[:-1], axis=-1)
    area = np.outer(np.diff(rows), np.diff(columns))
    return (sums / np.sqrt(area)).reshape(len(clean), -1).astype(np.float32)


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
    first, second = (_sharp(np.asarray(item, dtype=np.float32)[None])[0]
                     for item in (first, second))
    best = (0.0, 0, 0)
    height, width = first.shape[-2:]
    for dy in range(-shift, shift + 1):
        for dx in range(-shift, shift + 1):
            here = first[:, max(-dy, 0):height - max(dy, 0), max(-dx, 0):width - max(dx, 0)]
            there = second[:, max(dy, 0):height - max(-dy, 0), max(dx, 0):width - max(-dx, 0)]
            both = (here != 0) & (there != 0)
            size = np.sqrt(np.sum(here[both]**2) * np.sum(there[both]**2))
            if both.sum() >= 100 and size > 0:
                best = max(best, (float(np.sum(here[both] * there[both]) / size), dy, dx))
    return best


def _clean(flux):
    """Return pixels in units of the noise of their band, cut at 3 sigma, 0 where missing."""
    half = min(flux.shape[-2:]) / 2
    ring = annulus_mask(flux.shape[-2:], r_in=_SKY[0] * half, r_out=_SKY[1] * half)
    sky = np.where(np.isfinite(flux[..., ring]), flux[..., ring], np.nan)
    empty = ~np.isfinite(sky).any(axis=-1, keepdims=True)
    sky = np.where(empty, 0, sky)
    level = np.nanmedian(sky, axis=-1)[..., None, None]
    noise = 1.4826 * np.nanmedian(np.abs(sky - level[..., 0]), axis=-1)[..., None, None]
    with np.errstate(invalid='ignore', divide='ignore'):
        z = (flux - level) / noise
    return np.clip(np.where(np.isfinite(z), z, 0), -_CLIP, _CLIP)


def _without_rings(clean):
    """Take out what is bright, and the mean at each radius, which galaxies have in common."""
    kept = np.where(np.abs(clean) < _CLIP, clean, 0)
    y, x = np.indices(kept.shape[-2:])
    ring = np.hypot(y - (kept.shape[-2] - 1) / 2, x - (kept.shape[-1] - 1) / 2).astype(int) // 2
    member = (ring.ravel()[:, None] == np.arange(ring.max() + 1)).astype(np.float32)
    plain = kept.reshape(*kept.shape[:-2], -1)
    means = (plain @ member) / np.maximum((plain != 0).astype(np.float32) @ member, 1)
    return kept - np.where(kept != 0, (means @ member.T).reshape(kept.shape), 0)


def _sharp(flux):
    """Return what a pixel has above its neighbours; 0 where it is missing or cut."""
    clean = _clean(flux)
    around = np.zeros_like(clean)
    around[..., 1:-1, 1:-1] = (clean[..., :-2, 1:-1] + clean[..., 2:, 1:-1]
                               + clean[..., 1:-1, :-2] + clean[..., 1:-1, 2:]) / 4
    inside = np.zeros(clean.shape[-2:], dtype=bool)
    inside[1:-1, 1:-1] = True
    return np.where(inside & (np.abs(clean) < _CLIP) & (clean != 0), clean - around, 0)


def _uncommon(small):
    """Take out what many stamps have in common, such as the flattening of galaxies."""
    if len(small) < 4 * small.shape[1]:
        return small - small.mean(axis=0) if len(small) > 10 else small
    small = small - small.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(small, rowvar=False))
    large = vectors[:, values > 3 * np.median(values)].astype(np.float32)
    return small - (small @ large) @ large.T


def _least_cosine(size, shift):
    """Return what is left of the cosine of thumbnails after a shift along both axes."""
    block = size / _SIDE
    return max(0.65 * max(1 - shift / block, 0)**2, _CANDIDATE)


def _candidates(small, least):
    """Yield pairs of rows whose thumbnails are alike, each once."""
    from sklearn.neighbors import NearestNeighbors

    small = _uncommon(small)
    size = np.linalg.norm(small, axis=1)
    rows = np.flatnonzero(size > 0)
    if len(rows) < 2:
        return
    unit = small[rows] / size[rows, None]
    n_neighbors = min(_NEIGHBORS + 1, len(rows))
    distance, index = NearestNeighbors(n_neighbors=n_neighbors, algorithm='brute').fit(
        unit).kneighbors(unit)
    near = distance**2 <= 2 - 2 * least  # of unit vectors
    pairs = {tuple(sorted((int(rows[i]), int(rows[index[i, k]]))))
             for i, k in zip(*np.nonzero(near), strict=True) if index[i, k] != i}
    yield from sorted(pairs)
