# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Cutouts as whole numbers of 16 bits, in steps of a sixteenth of their noise.

The step of a cutout and band has 8 significant bits, so that 32767 of them are a
float32 without rounding: what is read back differs from the pixel by half a step
at most, on any machine.
"""
import numpy as np

__all__ = ['MISSING', 'STEPS', 'encode', 'decoder', 'decode_numpy', 'find_scales', 'noise',
           'read_back']

#: The number that stands for a missing pixel.
MISSING = -32768
#: Steps to the standard deviation of the noise.
STEPS = 16
_LARGEST = 32767
_LAG = 2  # pixels; next neighbours share noise where images were resampled
_BITS = 256  # significant values of a step
_RANGE = (1e-30, 1e30)  # of a step, so that products are neither subnormal nor infinite


def noise(plane):
    """
    Estimate the noise of a plane (y, x) from differences of pixels in a row.

    1.4826 median(abs(difference)) / sqrt(2) of pixels two apart, where they differ;
    NaN where none do.
    """
    with np.errstate(invalid='ignore', over='ignore'):
        difference = np.abs(plane[:, _LAG:].astype(float) - plane[:, :-_LAG])
    some = difference[(difference > 0) & np.isfinite(difference)]
    return 1.4826 / np.sqrt(2) * np.median(some) if some.size else np.nan


def find_scales(flux):
    """
    Return the step of every cutout and band, (n, band) float32.

    NaN in all bands of a cutout that has to stay float32, since a band would clip or
    has no noise to measure the step by.
    """
    scales = np.array([[_scale(plane) for plane in stamp] for stamp in flux], dtype=np.float32)
    scales = scales.reshape(flux.shape[:2])
    scales[np.isnan(scales).any(axis=1)] = np.nan
    return scales


def _scale(plane):
    held = plane[~np.isnan(plane)]
    if not held.any():
        return 1.0  # zero and missing are exact in any step
    fraction, exponent = np.frexp(noise(plane) / STEPS)
    step = np.ldexp(np.floor(fraction * _BITS) / _BITS, exponent)
    fits = _RANGE[0] < step < _RANGE[1] and np.abs(held).max() <= _LARGEST * step
    return step if fits else np.nan


def encode(flux, scales):
    """Return cutouts as int16, of those that have a step."""
    steps = np.rint(flux / scales[:, :, None, None].astype(float))
    steps[np.isnan(steps)] = MISSING
    return steps.astype('<i2')


def read_back(flux, scales):
    """Return the pixels that a store gives: rounded to steps where there is one."""
    found = flux.copy()
    packed = np.flatnonzero(~np.isnan(scales).any(axis=1))
    decode_numpy(encode(flux[packed], scales[packed]), np.arange(len(packed)), scales[packed],
                 found, packed)
    return found


def decoder():
    """Return the compiled way to decode, or that of NumPy where there is no compiler."""
    try:
        from lensfinder_audit._cutout_kernel import decode
    except ImportError:
        return decode_numpy
    return decode


def decode_numpy(shard, rows, scales, out, places):
    """
    Decode rows of a shard into places of a stack.

    Parameters
    ----------
    shard : (m, band, y, x) `~numpy.ndarray` of int16
        As `encode` gives it.
    rows, places : (n,) `~numpy.ndarray` of int
        Which rows of the shard go where.
    scales : (n, band) `~numpy.ndarray` of float32
        Steps of the rows.
    out : (k, band, y, x) `~numpy.ndarray` of float32
        Filled with flux; NaN where a pixel is missing.
    """
    for row, place, scale in zip(rows, places, scales, strict=True):
        np.multiply(shard[row], scale[:, None, None], out=out[place], dtype=np.float32)
        out[place][shard[row] == MISSING] = np.nan
