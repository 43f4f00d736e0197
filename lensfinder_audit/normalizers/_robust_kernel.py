# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled part of `lensfinder_audit.normalizers.raw_robust`.

Importing this module imports numba. The kernel releases the interpreter lock
and starts no threads of its own, so that threads and processes may call it side
by side. All arithmetic is float32, in the order in which NumPy does it.

The median is that of a quickselect on the few values that a sample brackets
(Floyd & Rivest 1975, doi:10.1145/360680.360691). Indices are unsigned, because
numba looks at the sign of every other one.
"""
import numpy as np

from lensfinder_audit._compiled import compiled

__all__ = ['median', 'normalize_planes']

_SAMPLE = 96  # values that bracket the median
_REACH = 14  # ranks of the sample on either side, about three standard deviations


@compiled
def _move_below(values, low, high, pivot):
    """Bring what is less than the pivot to the front; return where the rest begins."""
    border = low
    for i in range(low, high):
        value = values[i]
        values[i] = values[border]
        values[border] = value
        border += np.uintp(value < pivot)  # no branch to mispredict
    return border


@compiled
def _move_equal(values, low, high, pivot):
    """The same for what equals the pivot, where nothing is less."""
    border = low
    for i in range(low, high):
        value = values[i]
        values[i] = values[border]
        values[border] = value
        border += np.uintp(value <= pivot)
    return border


@compiled
def _select(values, high, k):
    """Order ``values[:high]`` just enough that ``values[k]`` is the k-th smallest."""
    low, one = np.uintp(0), np.uintp(1)
    while high > low + one:
        a, b, c = values[low], values[(low + high) >> one], values[high - one]
        pivot = max(min(a, b), min(max(a, b), c))
        border = _move_below(values, low, high, pivot)
        if k < border:
            high = border
            continue
        low = _move_equal(values, border, high, pivot)
        if k < low:  # among those equal to the pivot
            break
    return values[k]


@compiled
def _bracket(values, work):
    """Return two values that very likely lie on either side of the median."""
    step = len(values) // _SAMPLE
    for i in range(np.uintp(_SAMPLE)):
        work[i] = values[np.uintp(i * step)]
    size, middle = np.uintp(_SAMPLE), _SAMPLE // 2
    low = _select(work, size, np.uintp(middle - _REACH))
    return low, _select(work, size, np.uintp(middle + _REACH))


@compiled
def _between(values, low, high, work):
    """Copy what lies from low to high; return how many do and how many are less."""
    n_below, n = np.uintp(0), np.uintp(0)
    for i in range(np.uintp(len(values))):
        value = values[i]
        work[n] = value
        n += np.uintp((value >= low) & (value <= high))
        n_below += np.uintp(value < low)
    return n, n_below


@compiled
def median(values, work):
    """Median; ``work`` has one element more than the values."""
    middle, n_below, one = np.uintp(len(values) // 2), np.uintp(0), np.uintp(1)
    n = np.uintp(0)
    if len(values) >= 4 * _SAMPLE:
        low, high = _bracket(values, work)
        n, n_below = _between(values, low, high, work)
    if middle < n_below + one or middle >= n_below + n:  # too short, or the bracket missed it
        n, n_below = np.uintp(len(values)), np.uintp(0)
        work[:len(values)] = values
    upper = _select(work, n, middle - n_below)
    if len(values) % 2:
        return upper
    lower = work[0]
    for i in range(one, middle - n_below):
        lower = max(lower, work[i])
    return (lower + upper) * np.float32(0.5)


@compiled
def normalize_planes(planes, inside, clip, out):
    """
    Normalise image planes.

    Parameters
    ----------
    planes : (m, p) `~numpy.ndarray` of float32
        One flattened image per row, in nanomaggies.
    inside : (k,) `~numpy.ndarray` of uintp
        Positions of the annulus in a row.
    clip : float32
        Greatest absolute value of the outcome.
    out : (m, p) `~numpy.ndarray` of float32
        Where the outcome is written.
    """
    ring, work = np.empty(len(inside), np.float32), np.empty(len(inside) + 1, np.float32)
    zero, tiny = np.float32(0), np.float32(1e-8)
    for row in range(len(planes)):
        plane, image = planes[row], out[row]
        for i in range(np.uintp(len(ring))):
            value = plane[inside[i]]
            ring[i] = value if np.isfinite(value) else zero
        middle = median(ring, work)
        for i in range(np.uintp(len(ring))):
            ring[i] = abs(ring[i] - middle)
        scale = median(ring, work) + tiny
        for i in range(np.uintp(len(plane))):
            value = plane[i] if np.isfinite(plane[i]) else zero
            image[i] = min(max((value - middle) / scale, -clip), clip)
