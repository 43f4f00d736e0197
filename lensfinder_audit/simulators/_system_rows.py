# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Lens systems as rows of numbers, as the code that traces rays wants them.

Columns of lenses: center (x, y), cosine and sine of the position angle, axis
ratio q, flattening f = sqrt(1 - q^2), theta_e sqrt(q) / f, shear (1, 2).

Columns of sources: center (x, y), cosine and sine of the position angle, 1 / re,
1 / (q re), b, 1 / n, brightness at the center for a flux of 1, the distance from
the lens beyond which there is no light in the image plane, and the distance of
the source, in units of re, from what the center of the lens maps to.
"""
import numpy as np
from scipy.special import gamma, gammainccinv

from lensfinder_audit import lensing

__all__ = ['pack', 'unpack', 'outermost']

_LEFT_OUT = 1e-5  # share of the flux of a source that lies farther out than is traced
_ROUND = 1e-8  # below this flattening atan(f a) / f is a, to rounding, and f must not be 0
_FARTHEST = 1e6  # in arcsec; a number that single precision can square


def pack(lens, source):
    """
    Return the rows of some systems.

    Parameters
    ----------
    lens : (7, n) array_like
        The fields of `~lensfinder_audit.lensing.SieShear`, in their order.
    source : (6, n) array_like
        Those of `~lensfinder_audit.lensing.Sersic`.

    Returns
    -------
    lenses, sources : (n, 9) and (n, 11) `~numpy.ndarray`
        float64.
    """
    theta_e, q, phi, gamma_1, gamma_2, x, y = np.asarray(lens, dtype=float)
    flattening = np.maximum(np.sqrt((1 - q) * (1 + q)), _ROUND)
    scale = theta_e * np.sqrt(q) / flattening
    lenses = np.stack([x, y, np.cos(phi), np.sin(phi), q, flattening, scale, gamma_1, gamma_2], 1)
    re, n, axes, angle, source_x, source_y = np.asarray(source, dtype=float)
    b = np.asarray(lensing.sersic_b(n), dtype=float)
    peak = b ** (2 * n) / (2 * np.pi * axes * n * re ** 2 * gamma(2 * n))
    # The deflection is largest across the major axis of the lens and least along it.
    most = scale * np.arctanh(np.minimum(flattening, 1 - 1e-12))
    least = scale * np.arctan(flattening / q)
    distance = np.hypot(source_x - x, source_y - y)
    reach = (most + distance + outermost(n) * re) / (1 - np.hypot(gamma_1, gamma_2))
    sources = np.stack([source_x, source_y, np.cos(angle), np.sin(angle), 1 / re, 1 / (axes * re),
                        b, 1 / n, peak, np.minimum(reach, _FARTHEST),
                        np.maximum(np.minimum(least, most) - distance, 0) / re], 1)
    return lenses, sources


def unpack(lens, source):
    """Return the lens and the source of one row."""
    theta_e = lens[6] * lens[5] / np.sqrt(lens[4])
    phi, angle = np.arctan2(lens[3], lens[2]), np.arctan2(source[3], source[2])
    return (lensing.SieShear(theta_e, lens[4], phi, lens[7], lens[8], lens[0], lens[1]),
            lensing.Sersic(1 / source[4], 1 / source[7], min(source[4] / source[5], 1), angle,
                           source[0], source[1]))


def outermost(n):
    """Return the radius, in units of re, within which all but 1e-5 of the light lies."""
    return (gammainccinv(2 * n, _LEFT_OUT) / lensing.sersic_b(n)) ** n
