# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled part of `lensfinder_audit.raytrace`: lensed images in single precision.

Importing this module imports numba. The kernels release the interpreter lock,
start no threads and share nothing, so that threads may call them side by side.
`lensfinder_audit.raytrace` says what they do; the NumPy path there does the same
in double precision.
"""
import numpy as np

from lensfinder_audit.simulators._sie_kernel import trace_back32
from lensfinder_audit.simulators._vector_math import compiled, exp32, inlined, log32

__all__ = ['trace_adaptively', 'trace_on_grid']

_FAINTEST = 30.0  # exponent of the profile beyond which a stamp counts as dark

_F = np.float32
_TINY = _F(1e-30)
_ROOT_2 = _F(np.sqrt(2))


@compiled
def trace_adaptively(images, lenses, sources, scale, tolerance, nodes, weights, deepest):
    """
    Add the light of one source to each image.

    Parameters
    ----------
    images : (n, y, x) `~numpy.ndarray` of float32
        To which flux per pixel is added, in units of the flux of the source.
    lenses, sources : (n, 9) and (n, 11) `~numpy.ndarray` of float32
        As `lensfinder_audit.raytrace` makes them.
    scale, tolerance : float32
        Arcsec per pixel; error of a cell over the flux of the brightest pixel.
    nodes, weights : (p, p) `~numpy.ndarray` of float32
        Row p - 1 holds Gauss's rule of p nodes on (-1, 1); weights sum to 1.
    deepest : int
        Cells are split that many times, at most.
    """
    for i in range(len(images)):
        _trace_one(images[i], _nine(lenses[i]), _eleven(sources[i]), scale, tolerance, nodes,
                   weights, deepest)


@compiled
def trace_on_grid(images, lenses, sources, scale, subpixels):
    """
    Add the light of one source to each image, from equal cells and no others.

    Parameters
    ----------
    images, lenses, sources, scale
        As for `trace_adaptively`.
    subpixels : int
        Cells along the side of a pixel.
    """
    for i in range(len(images)):
        _trace_grid(images[i], _nine(lenses[i]), _eleven(sources[i]), scale, subpixels)


@inlined
def _nine(row):
    return row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8]


@inlined
def _eleven(row):
    return (row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9],
            row[10])


@compiled
def _trace_grid(image, lens, source, scale, subpixels):
    ny, nx = image.shape
    n = nx * subpixels
    x, y, light = np.empty(n, _F), np.empty(n, _F), np.empty(n, _F)
    side = scale / _F(subpixels)
    for column in range(n):
        x[column] = (_F(column) - _F(0.5) * _F(n - 1)) * side
    for row in range(ny * subpixels):
        y[:] = (_F(row) - _F(0.5) * _F(ny * subpixels - 1)) * side
        _look(x, y, lens, source, light)
        for column in range(n):
            image[row // subpixels, column // subpixels] += side * side * source[8] * light[column]


@compiled
def _trace_one(image, lens, source, scale, tolerance, nodes, weights, deepest):
    x, y, pixel = _lit_pixels(image.shape, lens, source, scale)
    half, share, peak, flat = _F(0.5) * scale, _F(1), _F(0), image.reshape(-1)
    for level in range(deepest + 1):
        n = x.size
        if n == 0:
            break
        radius, size, blurred = np.empty(n, _F), np.empty(n, _F), np.empty(n, _F)
        _probe(x, y, half, lens, source, radius, size, blurred)
        if level == 0:
            peak = _brightest(blurred, source)
        order, light = np.empty(n, np.int32), np.empty(n, _F)
        _choose(radius, size, source, tolerance * peak / share, order, light)
        if level == deepest:
            order = np.minimum(order, np.int32(weights.shape[0]))
        flux = scale * scale * share * source[8]
        for i in range(n):
            if order[i] == 1:
                flat[pixel[i]] += flux * light[i]
        _add_cells(flat, x, y, pixel, order, half, flux, lens, source, nodes, weights)
        x, y, pixel = _split(x, y, pixel, order, half, weights.shape[0])
        half, share = _F(0.5) * half, _F(0.25) * share


@compiled
def _lit_pixels(shape, lens, source, scale):
    """Return center and number of the pixels within reach of the light."""
    ny, nx = shape
    x, y = np.empty(ny * nx, _F), np.empty(ny * nx, _F)
    pixel = np.empty(ny * nx, np.int32)
    reach, n = source[9] + _F(0.71) * scale, 0
    for row in range(ny):
        place = (_F(row) - _F(0.5) * _F(ny - 1)) * scale
        width = reach * reach - (place - lens[1]) * (place - lens[1])
        if width < 0:
            continue
        middle = lens[0] / scale + _F(0.5) * _F(nx - 1)
        width = np.sqrt(width) / scale
        first, last = max(int(middle - width), 0), min(int(middle + width) + 2, nx)
        for column in range(first, last):
            x[n] = (_F(column) - _F(0.5) * _F(nx - 1)) * scale
            y[n] = place
            pixel[n] = row * nx + column
            n += 1
    return x[:n], y[:n], pixel[:n]


@compiled
def _probe(x, y, half, lens, source, radius, size, blurred):
    """
    Find where the cells lie in the source plane, all in units of re.

    Writes the elliptical radius of the center, or less than 0 where the center
    of the lens is near; half the side of a cell, at most; and the mean square
    of the radius over a cell.
    """
    center_x, center_y, cos, sin, q, f, deflection, gamma_1, gamma_2 = lens
    along_x, along_y = source[2] * source[4], source[3] * source[4]
    across_x, across_y = -source[3] * source[5], source[2] * source[5]
    strength = deflection * f
    for i in range(x.size):
        beta_x, beta_y = trace_back32(x[i], y[i], lens)
        beta_x, beta_y = beta_x - source[0], beta_y - source[1]
        u = along_x * beta_x + along_y * beta_y
        v = across_x * beta_x + across_y * beta_y
        dx, dy = x[i] - center_x, y[i] - center_y
        square = dx * dx + dy * dy + _TINY
        a, b = q * (cos * dx + sin * dy), cos * dy - sin * dx
        near = np.sqrt(square) - _ROOT_2 * half
        # 2 kappa, at the nearest place of the cell, over the square of the distance
        pull = strength / (np.sqrt(a * a + b * b + _TINY) * np.sqrt(square) * max(near, half))
        xx = _F(1) - gamma_1 - pull * dy * dy
        yy = _F(1) + gamma_1 - pull * dx * dx
        xy = pull * dx * dy - gamma_2
        ux, uy = along_x * xx + along_y * xy, along_x * xy + along_y * yy
        vx, vy = across_x * xx + across_y * xy, across_x * xy + across_y * yy
        total, area = ux * ux + uy * uy + vx * vx + vy * vy, ux * vy - uy * vx
        root = np.sqrt(max(total * total - _F(4) * area * area, _F(0)))
        r2 = u * u + v * v
        radius[i] = np.sqrt(r2) if near > half else -max(source[10], _F(0.1))
        size[i] = half * np.sqrt(_F(0.5) * (total + root))
        blurred[i] = r2 + total * half * half / _F(3)


@compiled
def _brightest(square, source):
    """Return the brightness of the brightest pixel, where the stamp has any light."""
    depth = source[6] * exp32(_F(0.5) * source[7] * log32(square.min() + _TINY))
    return exp32(-min(depth, _F(_FAINTEST)))


@compiled
def _choose(radius, size, source, tolerance, order, light):
    """
    Choose the rule of least order whose error is tolerable, 5 where none is.

    Writes the brightness at the center, too; both follow the notes of `lensed_image`.
    """
    b, power = source[6], source[7]
    kink, bulge = min(abs(power - _F(2)), _F(1)), _F(1.5) * b * max(power - _F(1), _F(0))
    for i in range(radius.size):
        g, r = size[i], abs(radius[i])
        least = min(_F(0.5) * g, _F(0.1))
        near = max(r - _ROOT_2 * g, least)
        depth = b * exp32(power * log32(near))
        slope = depth * power / near
        limit = tolerance * exp32(min(depth, _F(87)))
        z, w = g * slope, g / max(r - _F(0.5) * g, least)
        s, t, c, w2 = z * z, bulge * g * g, kink * z * w, w * w
        e1, e2, e3, e4 = s + t, s + _F(2) * t, s + _F(3) * t, s + _F(4) * t
        p = 5 if e4 * e4 * e4 * e4 + _F(5040) * c * w2 * w2 * w2 > limit * _F(6.9e6) else 4
        p = 3 if e3 * e3 * e3 + _F(120) * c * w2 * w2 <= limit * _F(31500) else p
        p = 2 if e2 * e2 + _F(6) * c * w2 <= limit * _F(270) else p
        p = 1 if e1 + c <= limit * _F(6) else p
        p = 5 if radius[i] < 0 else p
        # A cell cannot be off by more than all the light that can be in it.
        order[i] = 1 if limit > _F(1) else p
        light[i] = exp32(-b * exp32(power * log32(r + _TINY)))


@compiled
def _add_cells(flat, x, y, pixel, order, half, flux, lens, source, nodes, weights):
    """Sample the cells by Gauss's rules of order 2 and more."""
    most, n = weights.shape[0], 0
    for i in range(x.size):
        if 1 < order[i] <= most:
            n += order[i] * order[i]
    if n == 0:
        return
    px, py, light = np.empty(n, _F), np.empty(n, _F), np.empty(n, _F)
    n = 0
    for i in range(x.size):
        p = order[i]
        if 1 < p <= most:
            for j in range(p):
                for k in range(p):
                    px[n] = x[i] + half * nodes[p - 1, k]
                    py[n] = y[i] + half * nodes[p - 1, j]
                    n += 1
    _look(px, py, lens, source, light)
    n = 0
    for i in range(x.size):
        p = order[i]
        if 1 < p <= most:
            total = _F(0)
            for j in range(p):
                for k in range(p):
                    total += weights[p - 1, j] * weights[p - 1, k] * light[n]
                    n += 1
            flat[pixel[i]] += flux * total


@compiled
def _look(x, y, lens, source, light):
    """Write the brightness at each position, over that of the center of the source."""
    along_x, along_y = source[2] * source[4], source[3] * source[4]
    across_x, across_y = -source[3] * source[5], source[2] * source[5]
    for i in range(x.size):
        beta_x, beta_y = trace_back32(x[i], y[i], lens)
        beta_x, beta_y = beta_x - source[0], beta_y - source[1]
        u = along_x * beta_x + along_y * beta_y
        v = across_x * beta_x + across_y * beta_y
        light[i] = u * u + v * v + _TINY
    b, power = source[6], _F(0.5) * source[7]
    for i in range(x.size):  # in one loop, the numbers do not fit into the registers
        light[i] = exp32(-b * exp32(power * log32(light[i])))


@compiled
def _split(x, y, pixel, order, half, most):
    """Return the quarters of the cells that no rule was good enough for."""
    n = 0
    for i in range(x.size):
        n += order[i] > most
    px, py = np.empty(4 * n, _F), np.empty(4 * n, _F)
    where = np.empty(4 * n, np.int32)
    step, n = _F(0.5) * half, 0
    for i in range(x.size):
        if order[i] > most:
            for k in range(4):
                px[n] = x[i] + (step if k & 1 else -step)
                py[n] = y[i] + (step if k & 2 else -step)
                where[n] = pixel[i]
                n += 1
    return px, py, where
