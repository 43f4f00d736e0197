# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A singular isothermal ellipsoid with external shear, and a Sersic source.

Angles are plain numbers in arcsec, position angles in radians counter-clockwise
from +x. On a stamp with North up and East to the left, that is the position
angle east of north plus 90 degrees.
"""
from dataclasses import dataclass

import numpy as np
from scipy.special import gamma, gammaincinv

from lensfinder_audit.exceptions import ConfigError

__all__ = ['SieShear', 'Sersic', 'sersic_b']


@dataclass(frozen=True)
class SieShear:
    """
    Singular isothermal ellipsoid (SIE) with external shear.

    In the frame of the lens the convergence is
    ``theta_e / (2 sqrt(q x^2 + y^2 / q))`` [1]_ [2]_, so that the critical
    curve of the ellipsoid alone encloses ``pi theta_e^2``.

    Parameters
    ----------
    theta_e : float
        Einstein radius in arcsec.
    q : float, optional
        Axis ratio, in (0, 1].
    phi : float, optional
        Position angle of the major axis in radians.
    gamma_1, gamma_2 : float, optional
        External shear about the lens: gamma_1 > 0 stretches images along x,
        gamma_2 > 0 along the diagonal.
    x, y : float, optional
        Center in arcsec.

    Raises
    ------
    ConfigError
        If the Einstein radius is not positive, the axis ratio outside (0, 1]
        or the shear 1 or more.

    References
    ----------
    .. [1] Kormann, Schneider & Bartelmann 1994, A&A 284, 285
    .. [2] Keeton 2001, arXiv:astro-ph/0102341

    Examples
    --------
    >>> from lensfinder_audit.lensing import SieShear
    >>> x, y = SieShear(1.2, q=1).deflection(3.0, 4.0)
    >>> print(f'{x:.2f} {y:.2f}')
    0.72 0.96
    """

    theta_e: float
    q: float = 1.0
    phi: float = 0.0
    gamma_1: float = 0.0
    gamma_2: float = 0.0
    x: float = 0.0
    y: float = 0.0

    def __post_init__(self):
        if not 0 < self.theta_e < np.inf:
            raise ConfigError(f'theta_e is a positive angle in arcsec, not {self.theta_e:g}')
        _check_axis_ratio(self.q, 'the lens')
        if not self.shear < 1:
            raise ConfigError(f'a shear of ({self.gamma_1:g}, {self.gamma_2:g}) is not below 1')

    @property
    def shear(self):
        """Length of the shear."""
        return float(np.hypot(self.gamma_1, self.gamma_2))

    def deflection(self, x, y):
        """
        Return the deflection angle.

        Parameters
        ----------
        x, y : (...) array_like
            Position in the image plane in arcsec.

        Returns
        -------
        alpha_x, alpha_y : (...) `~numpy.ndarray`
            In arcsec; the lens equation is ``beta = theta - alpha``. At the
            center of the lens, where it is not defined, that of the shear.
        """
        x, y = np.subtract(x, self.x), np.subtract(y, self.y)
        alpha_x, alpha_y = self._ellipsoid(x, y)
        return (alpha_x + self.gamma_1 * x + self.gamma_2 * y,
                alpha_y + self.gamma_2 * x - self.gamma_1 * y)

    def source_position(self, x, y):
        """
        Trace positions in the image plane back to the source plane.

        Parameters
        ----------
        x, y : (...) array_like
            Position in the image plane in arcsec.

        Returns
        -------
        beta_x, beta_y : (...) `~numpy.ndarray`
            Position in the source plane in arcsec.
        """
        alpha_x, alpha_y = self.deflection(x, y)
        return x - alpha_x, y - alpha_y

    def convergence(self, x, y):
        """
        Return the convergence.

        Parameters
        ----------
        x, y : (...) array_like
            Position in the image plane in arcsec.

        Returns
        -------
        kappa : (...) `~numpy.ndarray`
            Surface density over the critical one; infinite at the center.
        """
        along, across = _turned(np.subtract(x, self.x), np.subtract(y, self.y), self.phi)
        with np.errstate(divide='ignore'):
            return 0.5 * self.theta_e / np.sqrt(self.q * along ** 2 + across ** 2 / self.q)

    def magnification(self, x, y):
        """
        Return the magnification of a point image.

        Parameters
        ----------
        x, y : (...) array_like
            Position of the image in arcsec; not the center of the lens.

        Returns
        -------
        mu : (...) `~numpy.ndarray`
            Signed by parity; infinite on a critical curve.
        """
        kappa = self.convergence(x, y)
        x, y = np.subtract(x, self.x), np.subtract(y, self.y)
        # The ellipsoid's deflection does not depend on the distance to its center, so its
        # second derivatives are 2 kappa times the projector across the radius.
        square = x ** 2 + y ** 2
        xx = 1 - self.gamma_1 - 2 * kappa * y ** 2 / square
        yy = 1 + self.gamma_1 - 2 * kappa * x ** 2 / square
        xy = -self.gamma_2 + 2 * kappa * x * y / square
        with np.errstate(divide='ignore'):
            return 1 / (xx * yy - xy ** 2)

    def _ellipsoid(self, x, y):
        along, across = _turned(x, y, self.phi)
        psi = np.sqrt((self.q * along) ** 2 + across ** 2)
        psi = np.where(psi > 0, psi, 1)
        along, across = along / psi, across / psi
        scale = self.theta_e * np.sqrt(self.q)
        flattening = np.sqrt((1 - self.q) * (1 + self.q))
        if flattening > 0:  # else their limit; near it they lose no digit
            along = np.arctan(flattening * along)
            across = np.arctanh(flattening * across)
            scale /= flattening
        return _turned(scale * along, scale * across, -self.phi)


@dataclass(frozen=True)
class Sersic:
    """
    Elliptical Sersic profile of unit total flux.

    The brightness is proportional to ``exp(-b (R / re)^(1/n))`` with
    ``R^2 = x^2 + y^2 / q^2`` in the frame of the source. Its integral without
    the factor is ``2 pi q n re^2 Gamma(2n) / b^(2n)`` [1]_.

    Parameters
    ----------
    re : float
        Semi-major axis of the ellipse that holds half the light, in arcsec.
    n : float, optional
        Sersic index: 0.5 is a Gaussian, 1 exponential, 4 de Vaucouleurs.
    q : float, optional
        Axis ratio, in (0, 1].
    phi : float, optional
        Position angle of the major axis in radians.
    x, y : float, optional
        Center in arcsec.

    Raises
    ------
    ConfigError
        If the radius is not positive, the index not in [0.2, 10] or the axis
        ratio outside (0, 1].

    References
    ----------
    .. [1] Graham & Driver 2005, doi:10.1071/AS05001

    Examples
    --------
    >>> from lensfinder_audit.lensing import Sersic
    >>> print(f'{Sersic(0.3, n=0.5).brightness(0, 0):.4f}')  # ln 2 / (pi re^2)
    2.4515
    """

    re: float
    n: float = 1.0
    q: float = 1.0
    phi: float = 0.0
    x: float = 0.0
    y: float = 0.0

    def __post_init__(self):
        if not 0 < self.re < np.inf:
            raise ConfigError(f're is a positive angle in arcsec, not {self.re:g}')
        if not 0.2 <= self.n <= 10:
            raise ConfigError(f'the Sersic index lies in [0.2, 10]; {self.n:g} does not')
        _check_axis_ratio(self.q, 'the source')

    @property
    def peak(self):
        """Brightness at the center, in the total flux per square arcsec."""
        return float(sersic_b(self.n) ** (2 * self.n)
                     / (2 * np.pi * self.q * self.n * self.re ** 2 * gamma(2 * self.n)))

    def radius(self, x, y):
        """
        Return the elliptical radius.

        Parameters
        ----------
        x, y : (...) array_like
            Position in the source plane in arcsec.

        Returns
        -------
        radius : (...) `~numpy.ndarray`
            In units of ``re``, along the major axis.
        """
        along, across = _turned(np.subtract(x, self.x), np.subtract(y, self.y), self.phi)
        return np.sqrt(along ** 2 + (across / self.q) ** 2) / self.re

    def brightness(self, x, y):
        """
        Return the surface brightness.

        Parameters
        ----------
        x, y : (...) array_like
            Position in the source plane in arcsec.

        Returns
        -------
        brightness : (...) `~numpy.ndarray`
            In the total flux per square arcsec.
        """
        return self.brightness_at(self.radius(x, y))

    def brightness_at(self, radius):
        """
        Return the surface brightness at an elliptical radius.

        Parameters
        ----------
        radius : (...) array_like
            As `radius` returns it.

        Returns
        -------
        brightness : (...) `~numpy.ndarray`
            In the total flux per square arcsec.
        """
        return self.peak * np.exp(-sersic_b(self.n) * np.power(radius, 1 / self.n))


def sersic_b(n):
    """
    Return the b of a Sersic profile, for which re holds half the light.

    Parameters
    ----------
    n : (...) array_like
        Sersic index.

    Returns
    -------
    b : (...) `~numpy.ndarray`
        Solves ``gamma(2n, b) = Gamma(2n) / 2``, to rounding. The series of
        Ciotti & Bertin [1]_ is 3.6e-4 off at n = 0.5, ``2n - 1/3`` is 3.8 %.

    References
    ----------
    .. [1] Ciotti & Bertin 1999, arXiv:astro-ph/9911078

    Examples
    --------
    >>> from lensfinder_audit.lensing import sersic_b
    >>> print(f'{sersic_b(4):.6f}')
    7.669249
    """
    return gammaincinv(2 * np.asarray(n, dtype=float), 0.5)


def _turned(x, y, phi):
    """Return the components along and across a direction."""
    cos, sin = np.cos(phi), np.sin(phi)
    return cos * x + sin * y, cos * y - sin * x


def _check_axis_ratio(q, whose):
    if not 0 < q <= 1:
        raise ConfigError(f'the axis ratio of {whose} lies in (0, 1]; {q:g} does not. '
                          'Minor over major axis; turn phi by 90 degrees instead of inverting it')
