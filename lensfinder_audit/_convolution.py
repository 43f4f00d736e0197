# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Convolution of stamps by real Fourier transforms, in the precision of the stamps.

Only the rows and columns that light can reach are transformed. They are padded
by the reach of the kernel, so that nothing comes in at the other edge, and on
to a length that is a product of small primes; 101 is prime itself.

Importing this module imports SciPy.
"""
from functools import lru_cache

import numpy as np
from scipy import fft

__all__ = ['convolve_stamp']


def convolve_stamp(image, kernel, out, *, quadrant=False, pixel_integrated=False):
    """
    Convolve one stamp.

    Parameters
    ----------
    image : (band, y, x) or (1, y, x) `~numpy.ndarray`
        float32 or float64, finite.
    kernel : (band, ky, kx) `~numpy.ndarray`
        Of odd sizes and centered, in the same precision.
    out : (band, y, x) `~numpy.ndarray`
        Where the product is written.
    quadrant : bool, optional
        Whether ``kernel`` is but the quarter from its center on of one that
        is the same to either side of it, along both axes.
    pixel_integrated : bool, optional
        Whether to divide out the response of a square pixel, whose transform
        is ``sinc(fx) sinc(fy)``.
    """
    shape = image.shape[1:]
    light = image.any(axis=0) if len(image) > 1 else image[0] != 0
    lit = [np.flatnonzero(light.any(axis=axis)) for axis in (1, 0)]
    if not len(lit[0]):
        out[:] = 0
        return
    kernel = _quarter(kernel, shape) if quadrant else _cropped(kernel, shape)
    reach = [n - 1 if quadrant else n // 2 for n in kernel.shape[1:]]
    rows, columns = (slice(max(x[0] - r, 0), min(x[-1] + 1 + r, n))
                     for x, r, n in zip(lit, reach, shape, strict=True))
    size = tuple(fft.next_fast_len(max(int(x[-1] + 1 - part.start) + r, int(part.stop - x[0]) + r,
                                       1 if quadrant else 2 * r + 1), True)
                 for part, x, r in zip((rows, columns), lit, reach, strict=True))
    spectrum = fft.rfft2(image[:, rows, columns], size)
    product = (_times_mirrored if quadrant else _times)(spectrum, kernel, size, pixel_integrated)
    whole = fft.irfft2(product, size, overwrite_x=True)
    for beyond in (slice(rows.start), slice(rows.stop, None)):
        out[:, beyond] = 0
    for beyond in (slice(columns.start), slice(columns.stop, None)):
        out[:, rows, beyond] = 0
    out[:, rows, columns] = whole[:, :rows.stop - rows.start, :columns.stop - columns.start]


def _cropped(kernel, shape):
    """Cut a kernel that reaches farther than across the stamp."""
    cut = [max(k // 2 - n + 1, 0) for k, n in zip(kernel.shape[1:], shape, strict=True)]
    return kernel[:, cut[0]:kernel.shape[1] - cut[0], cut[1]:kernel.shape[2] - cut[1]]


def _quarter(kernel, shape):
    """Cut zeros, too: a stamp must not depend on the kernels of others."""
    size = np.flatnonzero(kernel[:, 0].any(axis=0))[-1:].sum() + 1
    return kernel[:, :min(size, shape[0]), :min(size, shape[1])]


def _times(spectrum, kernel, size, pixel_integrated):
    around = np.zeros((len(kernel), *size), dtype=kernel.dtype)
    around[:, :kernel.shape[1], :kernel.shape[2]] = kernel
    around = np.roll(around, (-(kernel.shape[1] // 2), -(kernel.shape[2] // 2)), axis=(1, 2))
    product = spectrum * fft.rfft2(around)
    if pixel_integrated:
        pixel = np.sinc(fft.fftfreq(size[0]))[:, None] * np.sinc(fft.rfftfreq(size[1]))
        product /= pixel.astype(kernel.dtype)
    return product


def _times_mirrored(spectrum, quadrant, size, pixel_integrated):
    """Sum cosines: two small products of matrices instead of a transform."""
    y, x = (_cosines(n, k, pixel_integrated, quadrant.dtype.char)
            for n, k in zip(size, quadrant.shape[1:], strict=True))
    part, half = y @ quadrant @ x.T, len(y)
    product = np.empty((len(quadrant), *spectrum.shape[1:]), dtype=spectrum.dtype)
    np.multiply(spectrum[:, :half], part, out=product[:, :half])
    np.multiply(spectrum[:, half:], part[:, size[0] - half:0:-1], out=product[:, half:])
    return product


@lru_cache(maxsize=256)
def _cosines(size, reach, pixel_integrated, dtype):
    frequency = fft.rfftfreq(size)[:, None]
    cosines = np.where(np.arange(reach), 2, 1) * np.cos(2 * np.pi * frequency * np.arange(reach))
    if pixel_integrated:
        cosines /= np.sinc(frequency)
    return cosines.astype(dtype)
