# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Point spread functions given as pixel kernels, and the width of a kernel.

A kernel is the image of a star whose center falls on the center of a pixel, with
the response of the pixel in it, as for the profiles of `lensfinder_audit.psf`.
"""
from functools import cached_property

import numpy as np
from astropy import units as u
from scipy import fft, ndimage

from lensfinder_audit.exceptions import TableError
from lensfinder_audit.interfaces import PSF
from lensfinder_audit.psf import MoffatPSF

__all__ = ['PixelPSF', 'kernel_fwhm', 'moffat_kernels']

_FINE = 32  # samples per pixel of the contour at half maximum


class PixelPSF(PSF):
    """
    Point spread functions given as pixel kernels.

    Parameters
    ----------
    kernels : (n, band, ky, kx) array_like
        Odd sizes, each finite, summing to 1 within 1e-3 and with its peak within
        a pixel of the center.
    pixel_scale : `~astropy.units.Quantity`
        Angle per pixel of the kernels.
    includes_pixel : bool, optional
        Whether the kernels contain the response of the pixel, as the image of a
        star does. That of optics and seeing alone does not; the response is then
        put in, once.

    Raises
    ------
    TableError
        If a kernel is not one.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.psf import MoffatPSF
    >>> from lensfinder_audit.psf_models import PixelPSF
    >>> scale = 0.262 * u.arcsec
    >>> psf = PixelPSF(MoffatPSF([[1.3, 1.1]] * u.arcsec).kernels(scale), scale)
    >>> psf.fwhm.round(2)
    <Quantity [[1.3, 1.1]] arcsec>
    """

    def __init__(self, kernels, pixel_scale, *, includes_pixel=True):
        self._kernels = _checked(np.asarray(kernels, dtype=float))
        self.pixel_scale = u.Quantity(pixel_scale).to(u.arcsec)
        self.includes_pixel = includes_pixel

    @cached_property
    def fwhm(self):
        """(n, band) `~astropy.units.Quantity`, of a circle with the area above half maximum."""
        kernels = self.kernels(self.pixel_scale)
        widths = [kernel_fwhm(kernel) for kernel in kernels.reshape(-1, *kernels.shape[2:])]
        return np.reshape(widths, kernels.shape[:2]) * self.pixel_scale

    def kernels(self, pixel_scale):
        """
        Return pixel kernels.

        Parameters
        ----------
        pixel_scale : `~astropy.units.Quantity`
            Angle per pixel, that of the kernels within 0.1 %.

        Returns
        -------
        kernels : (n, band, ky, kx) `~numpy.ndarray`
            With the response of the pixel, each summing to 1.

        Raises
        ------
        TableError
            If the pixels of the stamps have another size.
        """
        if abs((pixel_scale / self.pixel_scale).to_value('') - 1) > 1e-3:
            raise TableError(f'the PSF kernels have pixels of {self.pixel_scale:.4g}, the stamps '
                             f'of {pixel_scale:.4g}; resample the kernels first')
        found = self._kernels if self.includes_pixel else _with_pixel(self._kernels)
        return found / found.sum(axis=(2, 3), keepdims=True)

    def __getitem__(self, rows):
        """Return the PSF of some rows, or of ``[rows, bands]``."""
        return PixelPSF(self._kernels[rows], self.pixel_scale, includes_pixel=self.includes_pixel)


def kernel_fwhm(kernel):
    """
    Measure the full width at half maximum of a kernel.

    Parameters
    ----------
    kernel : (y, x) array_like
        Peak at or near the center.

    Returns
    -------
    fwhm : float
        Diameter in pixels of a circle with the area in which a cubic spline
        through the pixels exceeds half its value at the center.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.psf import GaussianPSF
    >>> from lensfinder_audit.psf_models import kernel_fwhm
    >>> print(f'{kernel_fwhm(GaussianPSF([[3]] * u.arcsec).kernels(1 * u.arcsec)[0, 0]):.2f}')
    3.00
    """
    kernel = np.asarray(kernel, dtype=float)
    middle = np.array(kernel.shape) // 2
    bright = np.argwhere(kernel > 0.4 * kernel.max())
    reach = np.abs(bright - middle).max() + 1.5
    offset = np.arange(-reach, reach, 1 / _FINE) + 0.5 / _FINE
    where = np.meshgrid(offset + middle[0], offset + middle[1], indexing='ij')
    fine = ndimage.map_coordinates(kernel, where, order=3)
    half = 0.5 * max(kernel[tuple(middle)], kernel.max())
    return float(2 * np.sqrt((fine > half).sum() / np.pi) / _FINE)


def moffat_kernels(fwhm, pixel_scale, *, size=43):
    """
    Return the images of stars of given widths.

    Parameters
    ----------
    fwhm : (n, band) array_like
        Full width at half maximum in arcsec; NaN where it is not known.
    pixel_scale : `~astropy.units.Quantity`
        Angle per pixel.
    size : int, optional
        Height and width of the kernels, odd.

    Returns
    -------
    kernels : (n, band, size, size) `~numpy.ndarray`
        Moffat profiles of beta 3.5, float32, each summing to 1; NaN without a width.

    Raises
    ------
    TableError
        If the size is even.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.psf_models import moffat_kernels
    >>> kernels = moffat_kernels([[1.3, 1.1]], 0.262 * u.arcsec)
    >>> kernels.shape, kernels.sum(axis=(2, 3)).round(4).tolist()
    ((1, 2, 43, 43), [[1.0, 1.0]])
    """
    if size % 2 == 0:
        raise TableError(f'a kernel has an odd number of pixels on a side, not {size}')
    fwhm = np.asarray(fwhm, dtype=float)
    kernels = np.full((*fwhm.shape, size, size), np.nan, np.float32)
    for at in np.argwhere(fwhm > 0):  # one by one: each has a size of its own
        made = MoffatPSF([[fwhm[tuple(at)]]] * u.arcsec).kernels(pixel_scale)[0, 0]
        kernels[tuple(at)] = _fitted(made, size)
    return kernels


def _fitted(kernel, size):
    """Cut or pad a kernel about its center and let it sum to 1 again."""
    margin = (len(kernel) - size) // 2
    kernel = kernel[margin:-margin, margin:-margin] if margin > 0 else np.pad(kernel, -margin)
    return kernel / kernel.sum()


def _checked(kernels):
    if kernels.ndim != 4 or 0 in kernels.shape[1:] or (np.array(kernels.shape[2:]) % 2 == 0).any():
        raise TableError('kernels are (n, band, ky, kx) with odd ky and kx, so that one pixel is '
                         f'the center; not {kernels.shape}')
    places = ((place, kernels[place]) for place in np.ndindex(kernels.shape[:2]))
    for (row, band), kernel in places:
        where = f'the kernel of row {row}, band number {band},'
        if not np.isfinite(kernel).all():
            raise TableError(f'{where} has {int((~np.isfinite(kernel)).sum())} values that are '
                             'not finite')
        if abs(kernel.sum() - 1) > 1e-3:
            raise TableError(f'{where} sums to {kernel.sum():.4g}, not to 1; divide it by its sum')
        peak = np.unravel_index(kernel.argmax(), kernel.shape)
        if np.abs(np.subtract(peak, np.array(kernel.shape) // 2)).max() > 1:
            raise TableError(f'{where} has its peak at pixel {tuple(map(int, peak))} of '
                             f'{kernel.shape}, not at its center; shift it there')
    return kernels


def _with_pixel(kernels):
    """Convolve with a square pixel; a margin holds what it carries outward."""
    ny, nx = kernels.shape[2:]
    size = [fft.next_fast_len(n + 8, real=True) for n in (ny, nx)]
    window = np.sinc(fft.fftfreq(size[0]))[:, None] * np.sinc(fft.rfftfreq(size[1]))
    return fft.irfft2(fft.rfft2(kernels, size) * window, size)[..., :ny, :nx]
