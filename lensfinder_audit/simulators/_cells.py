# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Integrals of any brightness over pixels, by cells that are split where it is steep."""
import numpy as np
from scipy import ndimage

__all__ = ['integrate']

_DEEPEST = 7  # times that a cell is split into 2 x 2
_DARK = 1e-3  # part of the tolerance below which pixels, and those beside them, are left alone


def integrate(brightness, shape, pixel_scale, tolerance):
    """
    Integrate a brightness over the pixels of a stamp.

    Parameters
    ----------
    brightness : callable
        ``brightness(x, y)`` per square arcsec, of arrays in arcsec from the center.
    shape : tuple of int
        Height and width in pixels.
    pixel_scale : float
        Arcsec per pixel.
    tolerance : float
        A cell is split while its flux from 2 x 2 samples differs by more from that
        of 4 x 4, in the unit of the brightness.

    Returns
    -------
    flux : (y, x) `~numpy.ndarray`
        Per pixel.
    """
    ny, nx = shape
    index = np.arange(ny * nx)
    y, x = np.divmod(index, nx)
    x, y = (x - 0.5 * (nx - 1)) * pixel_scale, (y - 0.5 * (ny - 1)) * pixel_scale
    side, flux = pixel_scale, np.zeros(ny * nx)
    value, most = _halves(brightness, x, y, side)
    near = ndimage.maximum_filter(most.reshape(shape), 3).ravel() * side ** 2
    open_ = near > _DARK * tolerance
    flux[~open_] = value[~open_]
    index, x, y, value = index[open_], x[open_], y[open_], value[open_]
    for level in range(_DEEPEST):
        index, x, y = (_children(index, x, y, side))
        side /= 2
        parts, _ = _halves(brightness, x, y, side)
        done = np.abs(parts.reshape(-1, 4).sum(axis=1) - value) <= tolerance
        done = np.repeat(done | (level == _DEEPEST - 1), 4)
        flux += np.bincount(index[done], parts[done], minlength=ny * nx)
        if done.all():
            break
        index, x, y, value = index[~done], x[~done], y[~done], parts[~done]
    return flux.reshape(shape)


def _children(index, x, y, side):
    step = 0.25 * side * np.array([-1, 1, -1, 1]), 0.25 * side * np.array([-1, -1, 1, 1])
    return (np.repeat(index, 4), (x[:, None] + step[0]).ravel(), (y[:, None] + step[1]).ravel())


def _halves(brightness, x, y, side):
    """Flux of cells from 2 x 2 samples, and the brightest of these."""
    if not len(x):
        return np.zeros(0), np.zeros(0)
    _, rays_x, rays_y = _children(np.zeros(len(x), int), x, y, side)
    samples = np.asarray(brightness(rays_x, rays_y), dtype=float).reshape(-1, 4)
    return samples.mean(axis=1) * side ** 2, np.abs(samples).max(axis=1)
