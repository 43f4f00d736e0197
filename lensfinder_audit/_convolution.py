# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Convolution of stamps by real Fourier transforms, in the precision of the stamps.

Only the rows and columns that light can reach are transformed. They are padded
by the reach of the kernel, so that nothing comes in at the other edge, and on
to a length that is a product of small primes; 101 is prime itself.

Importing this module imports SciPy.
"""
from functools import cache, lru_cache

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
        is the same to either side of it, along both axes. Without zeros at its
        end the padding is least.
    pixel_integrated : bool, optional
        Whether to divide out the response of a square pixel, whose transform
        is ``sinc(fx) sinc(fy)``.
    """
    shape = image.shape[1:]
    glue = _glue()
    first_row, last_row, first_column, last_column = glue.lit_box(image)
    if not last_row:
        out[:] = 0
        return
    kernel = kernel[:, :shape[0], :shape[1]] if quadrant else _cropped(kernel, shape)
    (top, n_rows, height), (left, n_columns, width) = (
        _reached(first, last, n, k - 1 if quadrant else k // 2, quadrant)
        for first, last, n, k in zip((first_row, first_column), (last_row, last_column), shape,
                                     kernel.shape[1:], strict=True))
    spectrum = fft.rfft2(image[:, top:top + n_rows, left:left + n_columns], (height, width))
    times = _times_mirrored if quadrant else _times
    product = times(spectrum, kernel, (height, width), pixel_integrated)
    whole = fft.irfft2(product, (height, width), overwrite_x=True)
    glue.put(whole, out, top, left, n_rows, n_columns)


@cache
def _glue():
    try:
        from lensfinder_audit import _convolution_kernel as glue
    except ImportError:  # no numba
        from lensfinder_audit import _convolution_numpy as glue
    return glue


def _reached(first, last, n, reach, quadrant):
    """Return where the light begins that a kernel spreads, its length, and that of a transform."""
    start, stop = max(first - reach, 0), min(last + reach, n)
    least = max(last - start + reach, stop - first + reach, 1 if quadrant else 2 * reach + 1)
    return start, stop - start, fft.next_fast_len(least, True)


def _cropped(kernel, shape):
    """Cut a kernel that reaches farther than across the stamp."""
    cut = [max(k // 2 - n + 1, 0) for k, n in zip(kernel.shape[1:], shape, strict=True)]
    return kernel[:, cut[0]:kernel.shape[1] - cut[0], cut[1]:kernel.shape[2] - cut[1]]


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
    dtype = quadrant.dtype.char
    y = _cosines(size[0], quadrant.shape[1], pixel_integrated, dtype)
    x = _cosines_twice(size[1], quadrant.shape[2], pixel_integrated, dtype)
    part = y @ quadrant @ x.T
    product = np.empty((len(quadrant), *spectrum.shape[1:]), dtype=spectrum.dtype)
    # Real and imaginary parts beside each other: numbers of one kind multiply faster.
    _glue().times_mirrored(spectrum.view(dtype), part, product.view(dtype))
    return product


@lru_cache(maxsize=256)
def _cosines(size, reach, pixel_integrated, dtype):
    frequency = fft.rfftfreq(size)[:, None]
    cosines = np.where(np.arange(reach), 2, 1) * np.cos(2 * np.pi * frequency * np.arange(reach))
    if pixel_integrated:
        cosines /= np.sinc(frequency)
    return cosines.astype(dtype)


@lru_cache(maxsize=256)
def _cosines_twice(*what):
    """Return each row twice, for the real and the imaginary part of a number."""
    return np.repeat(_cosines(*what), 2, axis=0)
