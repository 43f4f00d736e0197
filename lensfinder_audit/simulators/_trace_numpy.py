# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What `lensfinder_audit.simulators._trace_kernel` does, in NumPy and double precision.

The functions have the names of the compiled ones and the same steps.
"""
import numpy as np

__all__ = ['trace_adaptively', 'trace_on_grid']

_TINY = 1e-30
_FAINTEST = 30.0  # exponent of the profile beyond which a stamp counts as dark


def trace_adaptively(images, lenses, sources, scale, tolerance, nodes, weights, deepest):
    """Add the light of one source to each image; see the compiled function."""
    for image, lens, source in zip(images, lenses, sources, strict=True):
        _trace_one(image, lens, source, scale, tolerance, nodes, weights, deepest)


def trace_on_grid(images, lenses, sources, scale, subpixels):
    """Add the light of one source to each image, from equal cells and no others."""
    ny, nx = images.shape[1:]
    y, x = ((np.arange(n * subpixels) - 0.5 * (n * subpixels - 1)) * scale / subpixels
            for n in (ny, nx))
    for image, lens, source in zip(images, lenses, sources, strict=True):
        light = _look(x, y[:, None], lens, source)
        light = light.reshape(ny, subpixels, nx, subpixels).sum(axis=(1, 3))
        image += (scale / subpixels) ** 2 * source[8] * light


def _trace_one(image, lens, source, scale, tolerance, nodes, weights, deepest):
    x, y, pixel = _lit_pixels(image.shape, lens, source, scale)
    half, share, most, flat = 0.5 * scale, 1.0, len(weights), image.reshape(-1)
    for level in range(deepest + 1):
        if not len(x):
            break
        radius, size, blurred = _probe(x, y, half, lens, source)
        if level == 0:
            depth = source[6] * blurred.min() ** (0.5 * source[7])
            peak = np.exp(-min(depth, _FAINTEST))
        order = _choose(radius, size, source, tolerance * peak / share)
        if level == deepest:
            order = np.minimum(order, most)
        # The center of the lens itself is not deflected; its radius is that of what is beside it.
        cells = np.flatnonzero(order == 1)
        light = _profile(np.abs(radius[cells]), source)
        np.add.at(flat, pixel[cells], scale ** 2 * share * source[8] * light)
        for p in range(2, most + 1):
            cells = np.flatnonzero(order == p)
            light = _sample(x[cells], y[cells], half, lens, source, nodes[p - 1, :p],
                            weights[p - 1, :p])
            np.add.at(flat, pixel[cells], scale ** 2 * share * source[8] * light)
        x, y, pixel = _split(x, y, pixel, order > most, half)
        half, share = 0.5 * half, 0.25 * share


def _lit_pixels(shape, lens, source, scale):
    y, x = (scale * (np.indices(shape).reshape(2, -1).T - 0.5 * (np.array(shape) - 1))).T
    pixel = np.flatnonzero(np.hypot(x - lens[0], y - lens[1]) < source[9] + scale)
    return x[pixel], y[pixel], pixel


def _in_source_frame(x, y, source):
    """Return components in units of the half-light semi-axes."""
    return ((source[2] * x + source[3] * y) * source[4],
            (source[2] * y - source[3] * x) * source[5])


def _trace_back(x, y, lens):
    center_x, center_y, cos, sin, q, f, scale, gamma_1, gamma_2 = lens
    dx, dy = x - center_x, y - center_y
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    psi = np.sqrt((q * along) ** 2 + across ** 2 + _TINY)
    along, across = scale * np.arctan(f * along / psi), scale * np.arctanh(f * across / psi)
    return (x - (cos * along - sin * across) - gamma_1 * dx - gamma_2 * dy,
            y - (sin * along + cos * across) - gamma_2 * dx + gamma_1 * dy)


def _radius(x, y, lens, source):
    x, y = _trace_back(x, y, lens)
    return np.hypot(*_in_source_frame(x - source[0], y - source[1], source))


def _probe(x, y, half, lens, source):
    """Find where the cells lie in the source plane; see the compiled function."""
    radius = _radius(x, y, lens, source)
    dx, dy = x - lens[0], y - lens[1]
    distance = np.sqrt(dx ** 2 + dy ** 2 + _TINY)
    psi = np.hypot(lens[4] * (lens[2] * dx + lens[3] * dy), lens[2] * dy - lens[3] * dx)
    near = distance - np.sqrt(2) * half
    pull = lens[6] * lens[5] / (np.maximum(psi, 1e-15) * distance * np.maximum(near, half))
    xy = pull * dx * dy - lens[8]
    ux, vx = _in_source_frame(1 - lens[7] - pull * dy ** 2, xy, source)
    uy, vy = _in_source_frame(xy, 1 + lens[7] - pull * dx ** 2, source)
    total, area = ux ** 2 + uy ** 2 + vx ** 2 + vy ** 2, ux * vy - uy * vx
    root = np.sqrt(np.maximum(total ** 2 - 4 * area ** 2, 0))
    blurred = radius ** 2 + total * half ** 2 / 3
    radius = np.where(near > half, radius, -max(source[10], 0.1))
    return radius, half * np.sqrt(0.5 * (total + root)), blurred


def _choose(radius, size, source, tolerance):
    """Choose the rule of least order whose error is tolerable, 5 where none is."""
    b, power = source[6], source[7]
    radii, least = np.abs(radius), np.minimum(0.5 * size, 0.1)
    near = np.maximum(radii - np.sqrt(2) * size, least)
    depth = b * near ** power
    slope = depth * power / near
    limit = tolerance * np.exp(np.minimum(depth, 87))
    z, w = size * slope, size / np.maximum(radii - 0.5 * size, least)
    s, t = z ** 2, 1.5 * b * max(power - 1, 0) * size ** 2
    c = min(abs(power - 2), 1) * z * w
    order = np.full(len(radius), 5)
    order[(s + 4 * t) ** 4 + 5040 * c * w ** 6 <= limit * 6.9e6] = 4
    order[(s + 3 * t) ** 3 + 120 * c * w ** 4 <= limit * 31500] = 3
    order[(s + 2 * t) ** 2 + 6 * c * w ** 2 <= limit * 270] = 2
    order[s + t + c <= limit * 6] = 1
    order[radius < 0] = 5
    order[limit > 1] = 1  # a cell cannot be off by more than all the light that can be in it
    return order


def _sample(x, y, half, lens, source, nodes, weights):
    light = np.zeros(len(x))
    for step_y, weight_y in zip(nodes, weights, strict=True):
        for step_x, weight_x in zip(nodes, weights, strict=True):
            light += weight_x * weight_y * _look(x + half * step_x, y + half * step_y, lens,
                                                 source)
    return light


def _look(x, y, lens, source):
    """Return the brightness at each position, over that of the center of the source."""
    return _profile(_radius(x, y, lens, source), source)


def _profile(radius, source):
    return np.exp(-source[6] * radius ** source[7])


def _split(x, y, pixel, chosen, half):
    """Return the quarters of the chosen cells."""
    step = 0.5 * half * np.array([-1, 1])
    x, y = x[chosen, None, None] + step, y[chosen, None, None] + step[:, None]
    x, y = (part.ravel() for part in np.broadcast_arrays(x, y))
    return x, y, np.repeat(pixel[chosen], 4)
