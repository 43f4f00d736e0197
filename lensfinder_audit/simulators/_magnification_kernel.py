# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled part of `lensfinder_audit.raytrace.magnification`.

Importing this module imports numba. The kernel releases the interpreter lock
and starts no threads of its own.
"""
import math

import numpy as np

from lensfinder_audit.simulators._sie_kernel import deflect
from lensfinder_audit.simulators._vector_math import compiled, exp32, inlined, log32

__all__ = ['magnify']

_F = np.float32


@compiled
def magnify(lenses, sources, rays, outermost, nodes, weights, out):
    """
    Write the flux of all images over the flux of the source.

    Parameters
    ----------
    lenses, sources : (n, 9) and (n, 11) `~numpy.ndarray` of float64
        As `lensfinder_audit.raytrace` makes them.
    rays : (n,) `~numpy.ndarray` of int
        Number of rays from the center of the lens.
    outermost : (n,) `~numpy.ndarray` of float64
        Radius at which the light of a source ends, in units of re.
    nodes, weights : (k,) `~numpy.ndarray` of float64
        Gauss's rule on (0, 1).
    out : (n,) `~numpy.ndarray` of float64
        Where the magnification is written.
    """
    for i in range(len(lenses)):
        out[i] = _magnify_one(lenses[i], sources[i], rays[i], outermost[i], nodes, weights)


@compiled
def _magnify_one(row, source, rays, outermost, nodes, weights):
    lens = (0.0, 0.0, row[2], row[3], row[4], row[5], row[6], 0.0, 0.0)
    sin, cos = source[3], source[2]
    n = 1 / source[7]
    # In z with w = z^2n the profile falls like a Gaussian, whatever n is; the
    # square of z for small n, because the element of length then has no kink at 0.
    bend = 2 * n if n >= 1 else 4 * n
    place = np.empty(nodes.size, _F)
    share = np.empty(nodes.size, _F)
    for k in range(nodes.size):
        place[k] = nodes[k] ** bend
        share[k] = bend * nodes[k] ** (bend - 1) * weights[k]
    light = np.zeros(nodes.size, _F)
    b, power = _F(source[6]), _F(0.5 * source[7])
    for ray in range(rays):
        angle = 2 * math.pi * (ray + 0.5) / rays
        x, y = math.cos(angle), math.sin(angle)
        start = deflect(x, y, lens)
        bx, by = start[0] + source[0] - row[0], start[1] + source[1] - row[1]
        x, y = x - row[7] * x - row[8] * y, y - row[8] * x + row[7] * y
        slope_u, slope_v = (cos * x + sin * y) * source[4], (cos * y - sin * x) * source[5]
        start_u, start_v = (cos * bx + sin * by) * source[4], (cos * by - sin * bx) * source[5]
        square = slope_u * slope_u + slope_v * slope_v
        impact = (slope_u * start_v - slope_v * start_u) ** 2 / square
        passed = (slope_u * start_u + slope_v * start_v) / math.sqrt(square)
        if impact >= outermost * outermost or passed <= -outermost:
            continue
        end = math.sqrt(outermost * outermost - impact)
        first = max(-passed, 0.0)
        _add_line(light, _F(first), _F(outermost - first), _F(impact), _F(passed),
                  _F((outermost - first) / square), place, share, b, power)
        if passed > 0:
            before = min(passed, end)
            _add_line(light, _F(0), _F(-before), _F(impact), _F(passed), _F(before / square),
                      place, share, b, power)
    return light.sum() * 2 * math.pi / rays * source[8]


@inlined
def _add_line(light, start, length, impact, passed, sides, place, share, b, power):
    """Add the light times the distance from the lens, along a part of a ray."""
    for k in range(light.size):
        w = start + length * place[k]
        square = w * w + impact + _F(1e-30)
        light[k] += sides * share[k] * (passed + w) * exp32(-b * exp32(power * log32(square)))
