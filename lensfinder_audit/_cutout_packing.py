# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Cutouts as whole numbers of 16 bits, in steps of a sixteenth of their noise.

The step of a cutout and band has 8 significant bits, so that 32767 of them are a
float32 without rounding: what is read back differs from the pixel by half a step
at most, on any machine.
"""
import numpy as np

__all__ = ['MISSING', 'STEPS', 'coders', 'decode_numpy', 'encode_numpy', 'find_scales', 'noise',
           'pack']

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
    Estimate the noise of a plane (y, x) from differences of pixels in a row or column.

    1.4826 median(abs(difference)) / sqrt(2) of pixels two apart, where they differ; NaN
    where none do. A plane that is turned or mirrored has the same noise, to the last bit.
    """
    with np.errstate(invalid='ignore', over='ignore'):
        both = [plane[:, _LAG:] - plane[:, :-_LAG], plane[_LAG:] - plane[:-_LAG]]
        difference = np.abs(np.concatenate([item.ravel() for item in both]))
        some = difference[(difference > 0) & (difference < np.inf)]
    if not some.size:
        return np.nan
    return 1.4826 / np.sqrt(2) * float(np.partition(some, some.size // 2)[some.size // 2])


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


def pack(flux, scales):
    """
    Return cutouts as int16, (m, band, y, x), of those that have a step, and what is read back.

    The second has all of them, in float32.
    """
    packed = np.flatnonzero(~np.isnan(scales).any(axis=1))
    steps = np.empty((len(packed), *flux.shape[1:]), '<i2')
    encode, decode = coders()
    encode(flux, packed, scales[packed], steps)
    found = flux.copy()
    decode(steps, np.arange(len(packed)), scales[packed], found, packed)
    return steps, found


def coders():
    """Return the compiled ways to encode and decode, or NumPy's where there is no compiler."""
    try:
        from lensfinder_audit._cutout_kernel import decode, encode
    except ImportError:
        return encode_numpy, decode_numpy
    return encode, decode


def encode_numpy(flux, rows, scales, out):
    """
    Encode rows of a stack of cutouts.

    Parameters
    ----------
    flux : (k, band, y, x) `~numpy.ndarray` of float32
        Cutouts.
    rows : (n,) `~numpy.ndarray` of int
        Which of them.
    scales : (n, band) `~numpy.ndarray` of float32
        Their steps.
    out : (n, band, y, x) `~numpy.ndarray` of int16
        Filled.
    """
    for row, scale, to in zip(rows, scales.astype(float), out, strict=True):
        steps = np.rint(flux[row] / scale[:, None, None])
        to[...] = np.where(np.isnan(steps), MISSING, steps)


def decode_numpy(shard, rows, scales, out, places):
    """
    Decode rows of a shard into places of a stack.

    Parameters
    ----------
    shard : (m, band, y, x) `~numpy.ndarray` of int16
        As `pack` gives it.
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
