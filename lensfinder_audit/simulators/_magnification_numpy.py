# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Integrals along rays for `lensfinder_audit.raytrace.magnification`, in NumPy.
"""
from functools import cache

import numpy as np
from scipy.special import gamma, gammaincc

from lensfinder_audit.lensing import sersic_b

__all__ = ['sum_along_rays']

_FAINTEST = 40.0  # exponent of the Sersic profile beyond which there is no light


def sum_along_rays(lens, source, rays):
    """Return the flux of all images over that of the source, from a number of rays."""
    nearest, square, impact = _rays(lens, source, 2 * np.pi * (np.arange(rays) + 0.5) / rays)
    lit = impact < _outermost(source.n) ** 2
    light = _along_rays(source.n, nearest[lit], square[lit], impact[lit])
    return float(light.sum() * 2 * np.pi / rays * source.peak)


def _rays(lens, source, angle):
    """Return where each ray is nearest to the source, and a and c of R^2 = a (r - r0)^2 + c."""
    cos, sin = np.cos(angle), np.sin(angle)
    alpha = lens._ellipsoid(cos, sin)
    slope = _in_source_frame(source, cos - lens.gamma_1 * cos - lens.gamma_2 * sin,
                             sin - lens.gamma_2 * cos + lens.gamma_1 * sin)
    start = _in_source_frame(source, alpha[0] + source.x - lens.x, alpha[1] + source.y - lens.y)
    square = slope[0] ** 2 + slope[1] ** 2
    nearest = (slope[0] * start[0] + slope[1] * start[1]) / square
    return nearest, square, (slope[0] * start[1] - slope[1] * start[0]) ** 2 / square


def _in_source_frame(source, x, y):
    cos, sin = np.cos(source.phi), np.sin(source.phi)
    return (cos * x + sin * y) / source.re, (cos * y - sin * x) / (source.q * source.re)


def _along_rays(n, nearest, square, impact):
    """Integrate exp(-b R^(1/n)) r dr from the lens outward, for each ray."""
    b, root = sersic_b(n), np.sqrt(square)
    passed = np.abs(nearest) * root  # from the lens to the nearest point, in units of re
    outside = np.sqrt(passed ** 2 + impact)
    moment = n * gamma(2 * n) / b ** (2 * n) * gammaincc(2 * n, b * outside ** (1 / n)) / square
    half = _line(n, impact, np.full(len(impact), np.inf)) / root
    before, short = half.copy(), passed < _outermost(n)
    before[short] = _line(n, impact[short], passed[short]) / root[short]
    return nearest * half + np.abs(nearest) * before + moment


def _line(n, impact, end):
    """Integrate exp(-b (w^2 + c)^(1/2n)) dw from 0 to an end, in z = b w^(1/n)."""
    b = sersic_b(n)
    stop = np.minimum(b * end ** (1 / n), _FAINTEST)[:, None]
    node, weight = _quadrature()
    z = stop * node
    w = (z / b) ** n
    height = np.exp(-b * (w ** 2 + impact[:, None]) ** (0.5 / n))
    return (height * n * w / node * weight).sum(axis=1)  # dw = n w / z dz, dz = stop


def _outermost(n):
    return (_FAINTEST / sersic_b(n)) ** n


@cache
def _quadrature():
    """Nodes and weights of tanh-sinh quadrature on [0, 1] (Takahasi & Mori 1974)."""
    t = np.linspace(-3.2, 3.2, 65)
    node = 1 / (1 + np.exp(-np.pi * np.sinh(t)))
    weight = 0.25 * np.pi * np.cosh(t) / np.cosh(0.5 * np.pi * np.sinh(t)) ** 2
    return node, weight * (t[1] - t[0])
