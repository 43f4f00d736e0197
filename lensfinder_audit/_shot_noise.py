# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Poisson noise of light that is added to an image.

Pixels that expect many electrons get a Poisson number each. The others lie end to
end on one axis, as long as the electrons that they expect together, on which
electrons arrive at exponential distances: what falls on the stretch of a pixel is
Poisson, too, and independent of its neighbours. It takes one random number per
electron instead of one per pixel, and most pixels are dark.
"""
from functools import cache

import numpy as np

__all__ = ['add_with_noise']

_DARK = 5.0  # electrons below which a pixel is dark; measured to be the fastest


def add_with_noise(host, light, gain, rng, out):
    """
    Add light to an image, and its shot noise.

    Parameters
    ----------
    host, light : (band, y, x) `~numpy.ndarray`
        Flux in nanomaggies.
    gain : (band,) `~numpy.ndarray`
        Electrons per nanomaggy.
    rng : `~numpy.random.Generator`
        Of this image alone; it is not left where another can go on.
    out : (band, y, x) `~numpy.ndarray`
        Where the sum is written.
    """
    path = _path()
    bright, expected, total = path.expect(light, gain, _DARK)
    counts = rng.poisson(expected)
    path.add_counts(host, light, bright, counts, _arrivals(total, rng), gain, out)


def _arrivals(total, rng):
    """Return places of electrons up to the first one beyond the total."""
    number = int(total + 10 * np.sqrt(total)) + 10
    found = np.cumsum(rng.standard_exponential(number))
    while found[-1] <= total * (1 + 1e-9):  # once in a lifetime
        found = np.append(found, found[-1] + rng.standard_exponential())
    return found


@cache
def _path():
    try:
        from lensfinder_audit import _shot_noise_kernel as path
    except ImportError:  # no numba
        return _Numpy
    return path


class _Numpy:
    """What the compiled part does, without numba."""

    @staticmethod
    def expect(light, gain, dark):
        expected = _Numpy._electrons(light, gain)
        bright = np.flatnonzero(expected >= dark)
        return bright, expected[bright], expected[expected < dark].sum()

    @staticmethod
    def add_counts(host, light, bright, counts, arrivals, gain, out):
        stretch = _Numpy._electrons(light, gain)
        stretch[bright] = 0
        reach = np.cumsum(stretch)
        within = arrivals[arrivals <= reach[-1]]
        found = np.bincount(np.searchsorted(reach, within), minlength=len(reach)).astype(float)
        found[bright] += counts
        out[:] = host + found.reshape(host.shape) / gain[:, None, None]

    @staticmethod
    def _electrons(light, gain):
        return (np.maximum(light.astype(float), 0) * gain[:, None, None]).ravel()
