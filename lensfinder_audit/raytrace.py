# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Lensed images of a source, and the magnification, which needs no image.

Both integrate the brightness of the source over the image plane, in two ways
that share no step: images by splitting pixels where the light is steep, the
magnification along rays from the center of the lens.

What takes the time is compiled by numba, in single precision. Without it, or on
request, NumPy does the same in double precision.
"""
from dataclasses import astuple
from functools import cache

import numpy as np

from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.simulators import _system_rows, _trace_numpy
from lensfinder_audit.simulators._magnification_numpy import sum_along_rays

__all__ = ['lensed_image', 'magnification', 'trace_systems', 'magnify_systems']

_DEEPEST = 12  # levels of splitting; the last cells are 1/4096 of a pixel wide
_RAYS = 25  # across the smaller half-light radius of an image near the ring, at n = 1
_FEWER_RAYS = 14  # where time counts
BACKENDS = ('numba', 'numpy')


def lensed_image(lens, source, *, shape, pixel_scale, tolerance=1e-5, subpixels=None,
                 backend=None):
    """
    Integrate the lensed light of a source over the pixels of a stamp.

    Parameters
    ----------
    lens : `~lensfinder_audit.lensing.SieShear`
        The lens; the center of the stamp is at (0, 0).
    source : `~lensfinder_audit.lensing.Sersic`
        The source.
    shape : tuple of int
        Height and width in pixels.
    pixel_scale : float
        Arcsec per pixel.
    tolerance : float, optional
        Pixels are split while the estimated error of a cell is larger, in
        units of the flux of the brightest pixel.
    subpixels : int, optional
        Sample ``subpixels`` x ``subpixels`` cells in every pixel instead, and
        do not look at errors.
    backend : str, optional
        ``'numba'`` or ``'numpy'``; by default, numba where it is installed.

    Returns
    -------
    image : (y, x) `~numpy.ndarray`
        Flux per pixel in units of the unlensed flux of the source; float32
        from numba, float64 from NumPy.

    Raises
    ------
    ConfigError
        If the tolerance is not within (0, 1), ``subpixels`` no whole number
        above 0, or there is no such backend.

    Notes
    -----
    A cell is sampled by Gauss's rule with 1, 2 x 2, 3 x 3 or 4 x 4 points, the
    first whose error is below the tolerance; where none is, the cell is cut in
    four. Let g be half the side of the cell in the source plane (from the
    derivatives of the deflection, at their largest, and in units of re),
    :math:`I` the brightness at the least elliptical radius it can reach,
    :math:`\\sigma` its logarithmic slope there, R the radius of the center of the
    cell less g / 2, and :math:`\\beta = 1.5\\,b\\,(1/n - 1)`, at least 0, for the
    rounded center of flat profiles. The error of p x p points is then taken as
    :math:`I c_p [(g^2\\sigma^2 + p \\beta g^2)^p + k_p\\,g\\sigma (g/R)^{2p-1}]`;
    :math:`1/c_p` = 6, 270, 31500 and 6.9e6 are the constants of Gauss's rule, and
    :math:`k_p = (2p-1)!` stands for the kink at the center of the source.

    Light outside an ellipse with all but 1e-5 of the flux is left out.

    Examples
    --------
    >>> from lensfinder_audit.lensing import Sersic, SieShear
    >>> from lensfinder_audit.raytrace import lensed_image, magnification
    >>> lens, source = SieShear(1.2, q=0.8), Sersic(0.3, x=0.2, y=0.1)
    >>> image = lensed_image(lens, source, shape=(101, 101), pixel_scale=0.262)
    >>> print(f'{image.sum():.2f} {magnification(lens, source):.2f}')
    9.21 9.21
    """
    rows = _system_rows.pack(np.array([astuple(lens)]).T, np.array([astuple(source)]).T)
    return trace_systems(*rows, shape=shape, pixel_scale=pixel_scale, tolerance=tolerance,
                         subpixels=subpixels, backend=backend)[0]


def trace_systems(lenses, sources, *, shape, pixel_scale, tolerance=1e-5, subpixels=None,
                  backend=None):
    """
    Do what `lensed_image` does for many systems.

    Parameters
    ----------
    lenses, sources : (n, 9) and (n, 11) `~numpy.ndarray`
        As ``lensfinder_audit.simulators._system_rows.pack`` returns them.
    shape, pixel_scale, tolerance, subpixels, backend
        As for `lensed_image`.

    Returns
    -------
    images : (n, y, x) `~numpy.ndarray`
        Each in units of the flux of its source.
    """
    check_sampling(tolerance, subpixels)
    compiled = find_backend(backend) == 'numba'
    real = np.float32 if compiled else np.float64
    images = np.zeros((len(lenses), *shape), dtype=real)
    values = (images, lenses.astype(real), sources.astype(real), real(pixel_scale))
    path = _trace_kernel() if compiled else _trace_numpy
    if subpixels is None:
        nodes, weights = (table.astype(real) for table in _gauss_rules())
        path.trace_adaptively(*values, real(tolerance), nodes, weights, _DEEPEST)
    else:
        path.trace_on_grid(*values, int(subpixels))
    return images


def check_sampling(tolerance, subpixels):
    """Raise if pixels cannot be sampled like that."""
    if subpixels is not None and (subpixels != int(subpixels) or subpixels < 1):
        raise ConfigError(f'subpixels is a whole number above 0, not {subpixels!r}')
    if not 0 < tolerance < 1:
        raise ConfigError(f'the tolerance is a fraction of the brightest pixel, above 0 and '
                          f'below 1, not {tolerance!r}')


def check_backend(name, choices=BACKENDS):
    """Raise if no backend has the name; None has one that is found later."""
    if name not in (None, *choices):
        raise ConfigError(f'there is no backend {name!r}; there are {list(choices)}.'
                          f'{did_you_mean(str(name), choices)}')


def find_backend(name):
    """Return 'numba' or 'numpy'; None stands for numba where it can be imported."""
    check_backend(name)
    if name != 'numpy' and _trace_kernel() is not None:
        return 'numba'
    if name == 'numba':
        raise ConfigError("backend='numba' needs numba, which cannot be imported; install it with "
                          "'pip install numba' or take backend='numpy'")
    return 'numpy'


@cache
def _trace_kernel():
    """Return the compiled module, or None where numba is not installed."""
    try:
        from lensfinder_audit.simulators import _trace_kernel as kernel
    except ImportError:
        return None
    return kernel


@cache
def _gauss_rules(most=4):
    nodes, weights = np.zeros((2, most, most))
    for p in range(1, most + 1):
        nodes[p - 1, :p], weights[p - 1, :p] = np.polynomial.legendre.leggauss(p)
    return nodes, 0.5 * weights


def magnification(lens, source, *, rays=None):
    """
    Return the flux of all images over the flux of the source.

    Parameters
    ----------
    lens : `~lensfinder_audit.lensing.SieShear`
        The lens.
    source : `~lensfinder_audit.lensing.Sersic`
        The source.
    rays : int, optional
        Number of rays from the center of the lens. The default follows from
        size and index of the source and leaves an error below 1e-4 for
        n up to 2, and below 1e-3 for n = 4.

    Returns
    -------
    magnification : float
        Over the whole plane, whatever part of it a stamp shows.

    Notes
    -----
    Deflection by the ellipsoid does not change along a ray from its center, so
    a ray maps to a straight line in the source plane. The integral along it is
    partly an incomplete gamma function; the rest is a quadrature that rounding
    limits. What remains is the number of rays.

    Examples
    --------
    >>> from lensfinder_audit.lensing import Sersic, SieShear
    >>> from lensfinder_audit.raytrace import magnification
    >>> point = Sersic(1e-3, n=0.5, x=0.3)
    >>> print(f'{magnification(SieShear(1.2), point):.3f}')  # 2 theta_e / beta
    8.000
    """
    if rays is None:
        far = lens.theta_e + np.hypot(source.x - lens.x, source.y - lens.y)
        rays = int(_number_of_rays(_RAYS, source.n, far / (source.q * source.re)))
    return sum_along_rays(lens, source, rays)


def magnify_systems(lenses, sources, *, backend=None):
    """
    Return the magnification of many systems, in a small part of the time.

    Parameters
    ----------
    lenses, sources : (n, 9) and (n, 11) `~numpy.ndarray`
        As ``lensfinder_audit.simulators._system_rows.pack`` returns them.
    backend : str, optional
        As for `lensed_image`.

    Returns
    -------
    magnification : (n,) `~numpy.ndarray`
        From numba off by up to 6e-4 for n up to 2 and 1.5e-3 for n = 4; from
        NumPy that of `magnification`.

    Notes
    -----
    The same rays as those of `magnification`; where numba is used, fewer of
    them. Light is then summed along each by Gauss's rule, in a variable in
    which no profile has a cusp.
    """
    if find_backend(backend) == 'numpy':
        pairs = (_system_rows.unpack(*rows) for rows in zip(lenses, sources, strict=True))
        return np.array([magnification(*pair) for pair in pairs], dtype=float)
    from lensfinder_audit.simulators._magnification_kernel import magnify
    n, stretch = 1 / sources[:, 7], np.hypot(*(sources[:, :2] - lenses[:, :2]).T)
    far = (stretch + lenses[:, 6] * lenses[:, 5] / np.sqrt(lenses[:, 4])) * sources[:, 5]
    nodes, weights = _line_rule()
    out = np.empty(len(lenses))
    magnify(lenses, sources, _number_of_rays(_FEWER_RAYS, n, far).astype(int),
            _system_rows.outermost(n), nodes, weights, out)
    return out


def _number_of_rays(per_radius, n, radii):
    """The peak of the profile sharpens with n."""
    return np.clip(per_radius * np.maximum(n, 1) ** 1.5 * radii, 128, 2 ** 18)


@cache
def _line_rule():
    nodes, weights = np.polynomial.legendre.leggauss(24)
    return 0.5 * (nodes + 1), 0.5 * weights
