# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled parts of `lensfinder_audit.near_duplicates`: what `lensfinder_audit._copies_numpy` does.

Importing this module imports numba. The functions release the interpreter lock and
start no threads of their own.
"""
import numpy as np

from lensfinder_audit._compiled import compiled
from lensfinder_audit.normalizers._robust_kernel import median

__all__ = ['clean_planes', 'block_sums', 'lag_sums']

_F = np.float32


@compiled
def clean_planes(planes, ring, clip, out):
    """
    Express planes in units of their noise.

    Parameters
    ----------
    planes : (m, p) `~numpy.ndarray` of float32
        One flattened plane per row; NaN marks a missing pixel.
    ring : (k,) `~numpy.ndarray` of uintp
        Positions of the sky.
    clip : float32
        Greatest absolute value of the outcome.
    out : (m, p) `~numpy.ndarray` of float32
        The outcome; 0 where a pixel is missing.
    """
    sky, work = np.empty(len(ring), _F), np.empty(len(ring) + 1, _F)
    for row in range(len(planes)):
        plane, clean = planes[row], out[row]
        level, noise = _sky(plane, ring, sky, work)
        for i in range(len(plane)):
            z = (plane[i] - level) / noise if noise > 0 else _F(0)
            clean[i] = min(max(z, -clip), clip) if np.isfinite(z) else _F(0)


@compiled
def _sky(plane, ring, sky, work):
    """Return median and noise of the sky, both 0 where all of it is missing."""
    n = np.uintp(0)
    for i in range(len(ring)):
        value = plane[ring[i]]
        sky[n] = value
        n += np.uintp(np.isfinite(value))
    if n == 0:
        return _F(0), _F(0)
    level = median(sky[:n], work)
    for i in range(n):
        sky[i] = abs(sky[i] - level)
    return level, _F(1.4826) * median(sky[:n], work)


@compiled
def block_sums(planes, ring_of, rows, columns, clip, out):
    """
    Add up blocks of what is left of planes without bright pixels and without rings.

    Parameters
    ----------
    planes : (m, y, x) `~numpy.ndarray` of float32
        As `clean_planes` returns them.
    ring_of : (y, x) `~numpy.ndarray` of int
        Ring of each pixel, about the center.
    rows, columns : (s + 1,) `~numpy.ndarray` of int
        Edges of the blocks.
    clip : float32
        Pixels of this absolute value are left out.
    out : (m, s, s) `~numpy.ndarray` of float32
        The sums.
    """
    n_rings, zero = ring_of.max() + 1, _F(0)
    total, count = np.empty(n_rings, _F), np.empty(n_rings, _F)
    for k in range(len(planes)):
        plane = planes[k]
        total[:], count[:] = zero, zero
        for y in range(plane.shape[0]):
            for x in range(plane.shape[1]):
                kept = abs(plane[y, x]) < clip and plane[y, x] != 0
                total[ring_of[y, x]] += plane[y, x] if kept else zero
                count[ring_of[y, x]] += _F(kept)
        for ring in range(n_rings):
            total[ring] /= max(count[ring], _F(1))
        _add_blocks(plane, ring_of, total, rows, columns, clip, out[k])


@compiled
def _add_blocks(plane, ring_of, mean, rows, columns, clip, out):
    for i in range(len(rows) - 1):
        for j in range(len(columns) - 1):
            found = _F(0)
            for y in range(rows[i], rows[i + 1]):
                for x in range(columns[j], columns[j + 1]):
                    value = plane[y, x]
                    kept = abs(value) < clip and value != 0
                    found += value - mean[ring_of[y, x]] if kept else _F(0)
            out[i, j] = found


@compiled
def lag_sums(first, second, shift):
    """
    Multiply pairs of stamps at every shift.

    Parameters
    ----------
    first, second : (m, band, y, x) `~numpy.ndarray` of float32
        0 marks a missing pixel.
    shift : int
        Greatest shift along either axis.

    Returns
    -------
    sums : (m, 2 shift + 1, 2 shift + 1, 4) `~numpy.ndarray`
        Over pixels that both have: products, squares of either, and their number.
    """
    n = 2 * shift + 1
    sums = np.zeros((len(first), n, n, 4))
    stride = first.shape[3] + shift  # zeros lie behind each row, so that a shift is an offset
    edge = shift * (stride + 1)
    size = first.shape[2] * stride
    here, there = np.zeros((3, size), _F), np.zeros((3, size + 2 * edge), _F)
    for k in range(len(first)):
        for band in range(first.shape[1]):
            _spread(first[k, band], stride, here)
            _spread(second[k, band], stride, there[:, edge:])
            for i in range(n):
                for j in range(n):
                    offset = edge + (i - shift) * stride + j - shift
                    _add_products(here, there[:, offset:offset + size], sums[k, i, j])
    return sums


@compiled
def _spread(plane, stride, out):
    """Write a plane, its squares and where it has pixels into flat arrays."""
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            value = plane[y, x]
            out[0, y * stride + x] = value
            out[1, y * stride + x] = value * value
            out[2, y * stride + x] = _F(value != 0)


def _products(here, there, sums):
    a, a_square, in_a = here[0], here[1], here[2]
    b, b_square, in_b = there[0], there[1], there[2]
    product, one, two, n = _F(0), _F(0), _F(0), _F(0)
    for x in range(len(a)):
        product += a[x] * b[x]
        one += a_square[x] * in_b[x]
        two += b_square[x] * in_a[x]
        n += in_a[x] * in_b[x]
    sums[0] += product
    sums[1] += one
    sums[2] += two
    sums[3] += n


_add_products = compiled(_products, fastmath={'reassoc', 'contract', 'nsz'})
