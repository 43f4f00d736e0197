# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Point spread functions of stamps, and the convolution with them.

A kernel is the image of a star whose center falls on the center of a pixel. It
contains the response of the pixel, because a survey measures its FWHM on
pixels. Light that was integrated over pixels before it is convolved has that
response already; `convolve` takes it out of the product, so that it acts once.
"""
from abc import abstractmethod
from functools import lru_cache

import numpy as np
from astropy import units as u

from lensfinder_audit._convolution import convolve_stamp
from lensfinder_audit.exceptions import ConfigError, TableError, did_you_mean
from lensfinder_audit.interfaces import PSF
from lensfinder_audit.tables import require_columns

__all__ = ['GaussianPSF', 'MoffatPSF', 'psf_from_table', 'convolve']

_SIGMA_PER_FWHM = 1 / np.sqrt(8 * np.log(2))
_BLOCK = 32  # rows whose kernels are in memory at the same time


class _RoundPSF(PSF):
    """A profile of radius, one width per row and band."""

    def __init__(self, fwhm):
        fwhm = u.Quantity(fwhm, u.arcsec)
        if fwhm.ndim != 2 or not (np.isfinite(fwhm) & (fwhm > 0)).all():
            raise ConfigError('fwhm is a table (n, band) of positive angles, not '
                              f'{_brief(fwhm)}')
        self._fwhm = fwhm

    @property
    def fwhm(self):
        """(n, band) `~astropy.units.Quantity`, full width at half maximum as angle."""
        return self._fwhm

    @abstractmethod
    def _profile(self, radius):
        """Return the profile at a radius in units of the FWHM, 1 at the center."""

    @abstractmethod
    def _reach(self):
        """Return the radius at which kernels end, in units of the FWHM."""

    def kernels(self, pixel_scale):
        """
        Return pixel kernels.

        Parameters
        ----------
        pixel_scale : `~astropy.units.Quantity`
            Angle per pixel.

        Returns
        -------
        kernels : (n, band, ky, kx) `~numpy.ndarray`
            Odd sizes that hold the widest; each follows from its own width
            alone, is sampled at pixel centers and sums to 1.
        """
        quadrants = self._quadrants(self._in_pixels(pixel_scale))
        around = np.abs(np.arange(1 - quadrants.shape[-1], quadrants.shape[-1]))
        return quadrants[..., around[:, None], around]

    def _in_pixels(self, pixel_scale):
        return self.fwhm.to_value(u.arcsec) / pixel_scale.to_value(u.arcsec)

    def _quadrants(self, fwhm, dtype=float):
        """
        Return the quarter of each kernel from its center on; the others mirror it.

        Widths are in pixels.
        """
        fwhm = fwhm[..., None]
        radius, where, often = _radii(int(np.ceil(self._reach() * fwhm.max(initial=0))) + 1)
        radius = radius / fwhm
        values = np.where(radius <= self._reach(), self._profile(radius), 0)
        # One term after the other: what a wider kernel beside it adds is 0, and changes nothing.
        values /= np.cumsum(values * often, axis=-1)[..., -1:]
        return values.astype(dtype, copy=False)[..., where]

    def _sizes(self, fwhm):
        """Return how many pixels the widest quarter of each row has along a side."""
        widest = fwhm.max(axis=1, initial=0)[:, None]
        offset = np.arange(int(np.ceil(self._reach() * widest.max(initial=0))) + 1)
        return np.count_nonzero(offset / widest <= self._reach(), axis=1)


@lru_cache(maxsize=64)
def _radii(size):
    """Return the radii of pixels, each once, its place in the quadrant and its number in all."""
    offset = np.arange(size)
    square, where = np.unique(offset ** 2 + offset[:, None] ** 2, return_inverse=True)
    sides = np.where(offset, 2, 1)
    often = np.bincount(where.ravel(), (sides * sides[:, None]).ravel())
    return np.sqrt(square), where.reshape(size, size), often


class GaussianPSF(_RoundPSF):
    """
    A round Gaussian point spread function, cut at five standard deviations.

    Parameters
    ----------
    fwhm : (n, band) `~astropy.units.Quantity`
        Full width at half maximum as an angle, measured on pixels.

    Raises
    ------
    ConfigError
        If the widths are not a table of positive angles.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.psf import GaussianPSF
    >>> GaussianPSF([[1.3, 1.2, 1.1]] * u.arcsec).kernels(0.262 * u.arcsec).shape
    (1, 3, 23, 23)
    """

    def _profile(self, radius):
        return np.exp(-0.5 * (radius / _SIGMA_PER_FWHM) ** 2)

    def _reach(self):
        return 5 * _SIGMA_PER_FWHM

    def __getitem__(self, rows):
        """Return the PSF of some rows, or of ``[rows, bands]``."""
        return GaussianPSF(self._fwhm[rows])


class MoffatPSF(_RoundPSF):
    """
    A round Moffat point spread function [1]_, whose wings are those of seeing.

    Parameters
    ----------
    fwhm : (n, band) `~astropy.units.Quantity`
        Full width at half maximum as an angle, measured on pixels.
    beta : float, optional
        Exponent of the wings, at least 2; a Gaussian is the limit of large
        ones. The default is usual for ground-based images.

    Raises
    ------
    ConfigError
        If the widths are not a table of positive angles, or beta is too small.

    Notes
    -----
    Kernels end where one thousandth of the light lies farther out, or at 8
    FWHM where that comes first (for beta below 2.6).

    References
    ----------
    .. [1] Moffat 1969, A&A 3, 455

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.psf import MoffatPSF
    >>> MoffatPSF([[1.3, 1.2, 1.1]] * u.arcsec).kernels(0.262 * u.arcsec).shape
    (1, 3, 43, 43)
    """

    def __init__(self, fwhm, *, beta=3.5):
        super().__init__(fwhm)
        if not 2 <= beta < np.inf:
            raise ConfigError(f'beta of a Moffat profile is at least 2, not {beta!r}; with less, '
                              'its wings hold most of the light')
        self.beta = beta
        self._alpha = 0.5 / np.sqrt(2 ** (1 / beta) - 1)  # scale radius in units of the FWHM

    def _profile(self, radius):
        return _power(1 + (radius / self._alpha) ** 2, -self.beta)

    def _reach(self):
        return min(self._alpha * np.sqrt(1e-3 ** (1 / (1 - self.beta)) - 1), 8)

    def __getitem__(self, rows):
        """Return the PSF of some rows, or of ``[rows, bands]``."""
        return MoffatPSF(self._fwhm[rows], beta=self.beta)


#: Profiles by the name that `psf_from_table` takes.
PROFILES = {'gaussian': GaussianPSF, 'moffat': MoffatPSF}


def _power(base, exponent):
    """Return a power, whole and half ones as products: they take a tenth of the time."""
    twice = -2 * exponent
    if twice != int(twice) or not 0 < twice <= 20:
        return base ** exponent
    product = np.sqrt(base) if twice % 2 else np.ones_like(base)
    for _ in range(int(twice // 2)):
        product *= base
    return 1 / product


def psf_from_table(table, bands, *, profile='moffat', **options):
    """
    Make a point spread function from the widths in a catalogue.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Has ``psfsize_<band>``, the FWHM; without a unit it is in arcsec.
    bands : sequence of str
        Bands in the order in which the PSF is to hold them.
    profile : str, optional
        ``'moffat'`` or ``'gaussian'``.
    **options
        Further arguments of the profile, such as ``beta``.

    Returns
    -------
    psf : `~lensfinder_audit.interfaces.PSF`
        With widths (n, band).

    Raises
    ------
    TableError
        If a column is missing or a width is not a positive number.
    ConfigError
        If there is no such profile.

    Examples
    --------
    >>> from lensfinder_audit.psf import psf_from_table
    >>> from lensfinder_audit.testing import example_hosts
    >>> psf_from_table(example_hosts(), 'grz').fwhm.shape
    (6, 3)
    """
    if profile not in PROFILES:
        raise ConfigError(f'there is no PSF profile {profile!r}; there are {list(PROFILES)}.'
                          f'{did_you_mean(profile, PROFILES)}')
    names = [f'psfsize_{band}' for band in bands]
    require_columns(table, names, what='the table of hosts')
    widths = [_widths(table, name) for name in names]
    return PROFILES[profile](np.stack(widths, axis=1) << u.arcsec, **options)


def _widths(table, name):
    column = table[name]
    column = column.filled(np.nan) if hasattr(column, 'filled') else column
    widths = u.Quantity(column, getattr(column, 'unit', None) or u.arcsec).to_value(u.arcsec)
    bad = np.flatnonzero(~(np.isfinite(widths) & (widths > 0)))
    if len(bad):
        raise TableError(f'{name} of {len(bad)} of {len(widths)} rows is not a positive number; '
                         f'the first is row {bad[0]} with {widths[bad[0]]:g}. No exposure there? '
                         'Leave these hosts out')
    return widths


def convolve(images, psf, pixel_scale, *, pixel_integrated=False, weights=None):
    """
    Convolve each stamp and band with its own point spread function.

    Parameters
    ----------
    images : (n, band, y, x) array_like
        Flux per pixel; finite. float32 is transformed as such. A single plane,
        (n, 1, y, x), is spread to all bands of the PSF.
    psf : `~lensfinder_audit.interfaces.PSF`
        Of n rows and all bands.
    pixel_scale : `~astropy.units.Quantity`
        Angle per pixel.
    pixel_integrated : bool, optional
        Whether the light in ``images`` was integrated over each pixel. Kernels
        contain that integration too; it is then divided out of the product.
    weights : (n, band) array_like, optional
        Factors of the planes, such as the flux in each band.

    Returns
    -------
    convolved : (n, band, y, x) `~numpy.ndarray`
        float32 for such images, else float64. What a kernel carries over the
        edge of a stamp is lost, none of it comes in at the other edge.

    Raises
    ------
    TableError
        If images and PSF differ in number or bands, or a PSF is wider than
        the stamp.

    Notes
    -----
    Fourier transforms, padded by the reach of the kernel and on to a length
    that is a product of small primes; 101 is prime itself. The response of a
    square pixel has the transform ``sinc(fx) sinc(fy)``.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from lensfinder_audit.psf import GaussianPSF, convolve
    >>> image = np.zeros((1, 1, 31, 31))
    >>> image[..., 15, 0] = 1
    >>> psf = GaussianPSF([[1.2]] * u.arcsec)
    >>> print(convolve(image, psf, 0.262 * u.arcsec)[0, 0, 15, [0, 1, 30]].round(4))
    [0.0421 0.0369 0.    ]
    """
    images = np.asarray(images)
    images = images.astype(np.float32 if images.dtype == np.float32 else float, copy=False)
    check_psf(psf, images.shape[-2:], pixel_scale, rows=len(images), bands=images.shape[1])
    out = np.empty((len(images), psf.fwhm.shape[1], *images.shape[-2:]), dtype=images.dtype)
    quadrant = isinstance(psf, _RoundPSF)
    for row, kernel in enumerate(_kernels(psf, pixel_scale, images.dtype, weights)):
        convolve_stamp(images[row], kernel, out[row], quadrant=quadrant,
                       pixel_integrated=pixel_integrated)
    return out


def _kernels(psf, pixel_scale, dtype, weights):
    """Yield the kernels of each row, of a round PSF a quarter of each, some rows at a time."""
    n = len(psf.fwhm)
    factors = None if weights is None else np.asarray(weights, dtype=dtype)[..., None, None]
    is_round = isinstance(psf, _RoundPSF)
    if is_round:
        fwhm = psf._in_pixels(pixel_scale)
        sizes = psf._sizes(fwhm)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        kernels = (psf._quadrants(fwhm[rows], dtype) if is_round
                   else psf[rows].kernels(pixel_scale).astype(dtype, copy=False))
        if factors is not None:
            kernels = kernels * factors[rows]
        # Cut to its own size: a stamp must not depend on the kernels of others.
        yield from ((kernel[:, :size, :size] for kernel, size in zip(kernels, sizes[rows],
                                                                     strict=True))
                    if is_round else kernels)


def check_psf(psf, shape, pixel_scale, *, rows, bands):
    """Raise if a PSF is not that of the stamps; one band of stamps stands for any number."""
    fwhm = psf.fwhm
    if len(fwhm) != rows or bands not in (1, fwhm.shape[1]):
        raise TableError(f'the PSF has {len(fwhm)} rows and {fwhm.shape[1]} bands, the stamps '
                         f'have {rows} and {bands}; take its rows as psf[rows]')
    side = min(shape) * pixel_scale
    if rows and not fwhm.value.max() <= side.to_value(fwhm.unit):
        row, band = np.unravel_index(np.argmax(fwhm), fwhm.shape)
        raise TableError(f'the PSF of row {row}, band number {band}, has a FWHM of '
                         f'{fwhm[row, band]:.3g}, and the stamp is {side:.3g} wide')


def _brief(fwhm):
    if fwhm.ndim != 2:
        return f'of shape {fwhm.shape}'
    bad = np.argwhere(~(np.isfinite(fwhm) & (fwhm > 0)))[0]
    return f'{fwhm[tuple(bad)]} in row {bad[0]}, band number {bad[1]}'
