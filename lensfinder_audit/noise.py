# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Noise of image stamps: measured in an annulus, or expected from the depth."""
import warnings

import numpy as np
from astropy import units as u
from astropy.stats import mad_std

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.survey import PIXEL_SCALE

__all__ = ['annulus_mask', 'sky_noise', 'pixel_noise']


def annulus_mask(shape, *, r_in, r_out, center=None):
    """
    Mark the pixels of a stamp whose centers lie between two radii.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the stamp in pixels.
    r_in, r_out : float
        Inner (inclusive) and outer (exclusive) radius in pixels.
    center : tuple of float, optional
        Row and column about which the annulus lies. The default is the center
        of the stamp, ``(n - 1) / 2`` in each direction.

    Returns
    -------
    annulus : (ny, nx) `~numpy.ndarray` of bool
        True inside.

    Raises
    ------
    ConfigError
        If no pixel center lies in the annulus.

    Examples
    --------
    >>> from lensfinder_audit.noise import annulus_mask
    >>> int(annulus_mask((101, 101), r_in=20, r_out=32).sum())
    1960
    """
    y0, x0 = center if center is not None else ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    y, x = np.ogrid[:shape[0], :shape[1]]
    radius = np.hypot(y - y0, x - x0)
    annulus = (radius >= r_in) & (radius < r_out)
    if not annulus.any():
        raise ConfigError(f'no pixel of a {shape[0]} x {shape[1]} stamp lies between '
                          f'r_in={r_in:g} and r_out={r_out:g} pixels; choose other radii')
    return annulus


@u.quantity_input(r_in='angle', r_out='angle', pixel_scale='angle')
def sky_noise(flux, *, r_in, r_out, pixel_scale=PIXEL_SCALE):
    """
    Estimate the sky noise of image stamps from a centered annulus.

    Parameters
    ----------
    flux : (..., ny, nx) array_like
        Pixel flux in nanomaggies; NaN marks a missing pixel.
    r_in, r_out : `~astropy.units.Quantity`
        Inner (inclusive) and outer (exclusive) radius, as angles.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel. The default is that of the DR10 coadds.

    Returns
    -------
    noise : (...) `~numpy.ndarray`
        Gaussian standard deviation per pixel in nanomaggies, estimated as
        1.4826 times the median absolute deviation [1]_; NaN where every pixel
        of the annulus is missing.

    Raises
    ------
    ConfigError
        If no pixel center lies in the annulus.
    astropy.units.UnitsError
        If a radius or the pixel scale is not an angle.

    References
    ----------
    .. [1] Rousseeuw & Croux 1993, doi:10.1080/01621459.1993.10476408

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from lensfinder_audit.noise import sky_noise
    >>> flux = np.random.default_rng(0).normal(0, 0.02, (3, 101, 101))
    >>> sky_noise(flux, r_in=8 * u.arcsec, r_out=13 * u.arcsec).round(3)
    array([0.02, 0.02, 0.02])
    """
    flux = np.asarray(flux)
    annulus = annulus_mask(flux.shape[-2:], r_in=(r_in / pixel_scale).to_value(''),
                           r_out=(r_out / pixel_scale).to_value(''))
    with warnings.catch_warnings():  # a band without a single pixel is NaN, and no surprise
        warnings.filterwarnings('ignore', 'All-NaN slice encountered', RuntimeWarning)
        return mad_std(flux[..., annulus], axis=-1, ignore_nan=True)


def pixel_noise(psfdepth, psf, *, pixel_scale=PIXEL_SCALE):
    """
    Derive the noise of a pixel from the depth for point sources and the PSF.

    Parameters
    ----------
    psfdepth : (n, band) array_like or `~astropy.units.Quantity`
        Inverse variance of the flux of a point source in 1/nanomaggy^2.
    psf : `~lensfinder_audit.interfaces.PSF`
        Of the same rows and bands.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel. The default is that of the DR10 coadds.

    Returns
    -------
    noise : (n, band) `~numpy.ndarray`
        ``sqrt(sum(PSF^2) / psfdepth)``, Gaussian standard deviation per pixel
        in nanomaggies; NaN where there is no exposure.

    Raises
    ------
    TableError
        If depths and PSF differ in shape.

    Notes
    -----
    The variance of a flux that is fitted with the PSF, in pixels of equal and
    independent noise [1]_. Resampled pixels are not independent; where there is
    an inverse variance image, prefer that.

    References
    ----------
    .. [1] Horne 1986, doi:10.1086/131801

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.noise import pixel_noise
    >>> from lensfinder_audit.psf import GaussianPSF
    >>> pixel_noise([[330]], GaussianPSF([[1.3]] * u.arcsec)).round(4)
    array([[0.0074]])
    """
    depth = u.Quantity(psfdepth, u.nmgy ** -2).value.astype(float)
    if depth.shape != psf.fwhm.shape:
        raise TableError(f'psfdepth has shape {depth.shape} and the PSF {psf.fwhm.shape}; both '
                         'are (n, band)')
    squares = [np.square(psf[row:row + 1].kernels(pixel_scale)).sum(axis=(2, 3))[0]
               for row in range(len(depth))]
    return np.sqrt(np.reshape(squares, depth.shape) / np.where(depth > 0, depth, np.nan))
