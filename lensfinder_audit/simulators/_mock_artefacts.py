# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Artefacts of the camera and of the sky over a mock stamp.

The spikes of DECam images run along the diagonals of a stamp and its bleed
trails along east and west: the mount is equatorial and the columns of the
detectors run so.
"""
import numpy as np

from lensfinder_audit.simulators._canvas import deprojected, gaussian

__all__ = ['paint_artefact']

# Brightness of the halo of a star at 10 arcsec, in its flux per square arcsec.
_HALO = 1.0e-5

# Flux per pixel at which stars are cut, by band; their cores turn out white.
_SATURATION = np.array([14.0, 24.0, 40.0], dtype=np.float32)

# How bright sky and scattered light are in g and z relative to r.
_SKY = np.array([0.45, 1.0, 2.2])


def paint_artefact(canvas, family, rng):
    """Paint the artefact of a family over the canvas; none where it is no artefact."""
    painter = _PAINTERS.get(family)
    if painter is not None:
        painter(canvas, rng)


def _place(canvas, rng, near, far):
    """Draw a place between two distances [arcsec] from the center."""
    distance, angle = rng.uniform(near, far) / canvas.pixel, rng.uniform(0, 2 * np.pi)
    return distance * np.cos(angle), distance * np.sin(angle)


def _bright_star(rng, bright, faint):
    r = rng.uniform(bright, faint)
    colours = rng.uniform((0.4, 0.15), (1.4, 0.8))
    return 10 ** (0.4 * (22.5 - np.array([r + colours[0], r, r - colours[1]])))


def _paint_halo(canvas, x, y, flux):
    radius2 = ((canvas.x - x) ** 2 + (canvas.y - y) ** 2) * canvas.pixel**2
    halo = _HALO * 100 / (radius2 + 4) * np.float32(canvas.pixel**2)
    core = np.exp(-0.5 * radius2 / 0.5) * canvas.pixel**2 / (2 * np.pi * 0.5)
    canvas.add(halo, flux)
    flux = flux.astype(np.float32)[:, None, None]
    canvas.images += np.minimum(0.9 * core * flux, _SATURATION[:, None, None])


def _paint_spike(canvas, rng):
    x, y = _place(canvas, rng, 7, 14)
    flux = _bright_star(rng, 11.0, 13.8)
    _paint_halo(canvas, x, y, flux)
    tilt = np.pi / 4 + rng.normal(0, 0.02)
    for quarter in range(4):
        along, across = deprojected(canvas.x - x, canvas.y - y, 1.0, tilt + quarter * np.pi / 2)
        distance = np.maximum(along, 1) * np.float32(canvas.pixel)
        height = 7 * _HALO * canvas.pixel**2 * (10 / np.maximum(distance, 1.5)) ** 1.5
        canvas.add(rng.uniform(0.6, 1.3) * height * gaussian(across, 1.1 + 0.01 * along)
                   * (along > 0), flux)


def _paint_ghost(canvas, rng):
    x, y = _place(canvas, rng, 2, 11)
    outer = rng.uniform(8, 18) / canvas.pixel
    inner = rng.uniform(0.35, 0.5) * outer
    radius = np.hypot(canvas.x - x, canvas.y - y)
    edge = np.float32(rng.uniform(0.8, 2.5))
    light = 1 / (1 + np.exp((radius - outer) / edge)) - 1 / (1 + np.exp((radius - inner) / edge))
    tilt = rng.uniform(0, np.pi / 2)
    for half in range(2):  # shadows of the spider
        across = deprojected(canvas.x - x, canvas.y - y, 1.0, tilt + half * np.pi / 2)[1]
        light = light * (1 - 0.5 * gaussian(across, 2.0))
    height = 10 ** rng.uniform(-2.3, -1.6)
    canvas.add(light, height * _SKY * _mostly_one_band(rng, rest=rng.uniform(0.1, 0.7)))


def _mostly_one_band(rng, *, rest):
    """Return weights of a thing that was there in few exposures, most in one band."""
    weights = np.full(3, rest)
    weights[rng.integers(3)] = 1.0
    return weights


def _paint_trail(canvas, rng):
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-7, 7) / canvas.pixel
    across = deprojected(canvas.x, canvas.y, 1.0, angle)[1] - np.float32(offset)
    height = 10 ** rng.uniform(-1.6, -0.75)
    canvas.add(gaussian(across, rng.uniform(0.6, 1.1)),
               height * _SKY * _mostly_one_band(rng, rest=0.0))


def _paint_bleed(canvas, rng):
    x = rng.choice([-1, 1]) * rng.uniform(3, 13) / canvas.pixel
    y = rng.choice([-1, 1]) * rng.uniform(1.5, 10) / canvas.pixel
    flux = _bright_star(rng, 11.5, 13.5)
    _paint_halo(canvas, x, y, flux)
    for band, level in enumerate((0.6, 1.2, 2.5)):
        length = rng.uniform(18, 50) / canvas.pixel
        half = rng.uniform(0.8, 2.2) * np.exp(-0.7 * np.abs(canvas.x - x) / length)
        inside = 1 / (1 + np.exp((np.abs(canvas.y - y) - half) / np.float32(0.25)))
        ends = 1 / (1 + np.exp((np.abs(canvas.x - x) - length) / np.float32(1.0)))
        canvas.images[band] += rng.uniform(0.5, 1.5) * level * inside * ends


_PAINTERS = {'star spike': _paint_spike, 'ghost': _paint_ghost,
             'satellite trail': _paint_trail, 'bleed trail': _paint_bleed}
