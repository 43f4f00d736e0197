# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled part of `lensfinder_audit._shot_noise`, with the same numbers.

Importing this module imports numba.
"""
import numpy as np

from lensfinder_audit._compiled import compiled

__all__ = ['expect', 'add_counts']


@compiled
def expect(light, gain, dark):
    """
    Return which pixels are bright, what they expect, and what the others expect together.

    Parameters
    ----------
    light : (band, y, x) `~numpy.ndarray`
        Flux in nanomaggies.
    gain : (band,) `~numpy.ndarray`
        Electrons per nanomaggy.
    dark : float
        Electrons below which a pixel is dark.

    Returns
    -------
    bright : (m,) `~numpy.ndarray` of int64
        Places of pixels that are not dark.
    expected : (m,) `~numpy.ndarray`
        Electrons there.
    total : float
        Electrons that the dark pixels expect together, to rounding.
    """
    bands, ny, nx = light.shape
    sums, numbers = np.zeros(nx), np.zeros(nx)  # by column: a single sum would wait for itself
    for band in range(bands):
        for row in range(ny):
            for column in range(nx):
                value = max(np.float64(light[band, row, column]), 0.0) * gain[band]
                sums[column] += value if value < dark else 0.0
                numbers[column] += 1.0 if value >= dark else 0.0
    bright = np.empty(int(numbers.sum()), np.int64)
    expected = np.empty(len(bright))
    n = 0
    for band in range(bands):
        for row in range(ny):
            for column in range(nx):
                value = max(np.float64(light[band, row, column]), 0.0) * gain[band]
                if value >= dark:
                    bright[n] = (band * ny + row) * nx + column
                    expected[n] = value
                    n += 1
    return bright, expected, sums.sum()


@compiled
def add_counts(host, light, bright, counts, arrivals, gain, out):
    """
    Add counted electrons to the image of a host.

    Parameters
    ----------
    host, light : (band, y, x) `~numpy.ndarray`
        Flux in nanomaggies.
    bright : (m,) `~numpy.ndarray` of int64
        Places of pixels that are not dark.
    counts : (m,) `~numpy.ndarray`
        Electrons of the bright pixels.
    arrivals : (k,) `~numpy.ndarray`
        Where the electrons of the dark ones lie on their summed expectation; the
        last one lies beyond.
    gain : (band,) `~numpy.ndarray`
        Electrons per nanomaggy.
    out : (band, y, x) `~numpy.ndarray`
        Where the sum is written.
    """
    bands, ny, nx = host.shape
    out[:] = host
    place, next_bright, next_dark, reach = 0, 0, 0, 0.0
    for band in range(bands):
        for row in range(ny):
            for column in range(nx):
                first = next_dark
                if next_bright < len(bright) and bright[next_bright] == place:
                    count = np.float64(counts[next_bright])
                    next_bright += 1
                else:
                    reach += max(np.float64(light[band, row, column]), 0.0) * gain[band]
                    while arrivals[next_dark] <= reach:
                        next_dark += 1
                    count = np.float64(next_dark - first)
                if count > 0:
                    out[band, row, column] = host[band, row, column] + count / gain[band]
                place += 1
