# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled deflection by an isothermal ellipsoid with external shear.

Importing this module imports numba. The functions take and return scalars and
are meant to be called from other compiled code. They compute in the type of
their arguments: pass position and constants as float32, or both as float64.
A loop over `trace_back32` is turned into vector instructions and takes a tenth
of the time; it is good to 3e-6 arcsec within 13 arcsec, for axis ratios from
0.3, where single precision alone loses 1e-6.
"""
import math

import numpy as np

from lensfinder_audit.simulators._vector_math import atan32, atanh32, compiled, inlined

__all__ = ['lens_constants', 'deflect', 'trace_back', 'trace_back32']

_ROUND = 1e-8  # below this flattening atan(f a) / f is a, to rounding, and f must not be 0
_CENTER = 1e-30  # keeps the center of the lens finite; its square root is far below a pixel


def lens_constants(lens, dtype=np.float64):
    """
    Return what the compiled functions need to know of a lens.

    Parameters
    ----------
    lens : `~lensfinder_audit.lensing.SieShear`
        The lens.
    dtype : type, optional
        ``numpy.float32`` or ``numpy.float64``.

    Returns
    -------
    constants : tuple of 9 scalars
        Center (x, y), cosine and sine of the position angle, axis ratio q,
        flattening f = sqrt(1 - q^2), theta_e sqrt(q) / f, shear (1, 2).
    """
    flattening = max(math.sqrt((1 - lens.q) * (1 + lens.q)), _ROUND)
    values = (lens.x, lens.y, math.cos(lens.phi), math.sin(lens.phi), lens.q, flattening,
              lens.theta_e * math.sqrt(lens.q) / flattening, lens.gamma_1, lens.gamma_2)
    return tuple(dtype(value) for value in values)


@compiled
def deflect(x, y, lens):
    """
    Return the deflection angle at one position.

    Parameters
    ----------
    x, y : float
        Position in the image plane in arcsec.
    lens : tuple
        As `lens_constants` returns it.

    Returns
    -------
    alpha_x, alpha_y : float
        In arcsec; at the center of the lens, where it is not defined, 0.
    """
    center_x, center_y, cos, sin, q, f, scale, gamma_1, gamma_2 = lens
    x, y = x - center_x, y - center_y
    along, across = cos * x + sin * y, cos * y - sin * x
    psi = math.sqrt(q * q * along * along + across * across + np.float32(_CENTER))
    along = scale * math.atan(f * along / psi)
    across = scale * math.atanh(f * across / psi)
    return (cos * along - sin * across + gamma_1 * x + gamma_2 * y,
            sin * along + cos * across + gamma_2 * x - gamma_1 * y)


@compiled
def trace_back(x, y, lens):
    """
    Trace one position in the image plane back to the source plane.

    Parameters
    ----------
    x, y : float
        Position in the image plane in arcsec.
    lens : tuple
        As `lens_constants` returns it.

    Returns
    -------
    beta_x, beta_y : float
        Position in the source plane in arcsec.
    """
    alpha_x, alpha_y = deflect(x, y, lens)
    return x - alpha_x, y - alpha_y


@inlined
def trace_back32(x, y, lens):
    """
    Do what `trace_back` does, in float32 and with vector instructions.

    Parameters
    ----------
    x, y : float32
        Position in the image plane in arcsec.
    lens : tuple of float32
        As `lens_constants` returns it for ``numpy.float32``.

    Returns
    -------
    beta_x, beta_y : float32
        Position in the source plane in arcsec.
    """
    center_x, center_y, cos, sin, q, f, scale, gamma_1, gamma_2 = lens
    dx, dy = x - center_x, y - center_y
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    psi = np.sqrt(q * q * along * along + across * across + np.float32(_CENTER))
    along = scale * atan32(f * along, psi)
    across = scale * atanh32(f * across / psi)
    return (x - (cos * along - sin * across) - gamma_1 * dx - gamma_2 * dy,
            y - (sin * along + cos * across) - gamma_2 * dx + gamma_1 * dy)
