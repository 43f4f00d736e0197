# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What plugins are tried on: made-up stamps, hosts and a point spread function."""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.interfaces import PSF

__all__ = ['GaussianPSF', 'example_flux', 'example_hosts']

_SIGMA_PER_FWHM = 1 / np.sqrt(8 * np.log(2))


class GaussianPSF(PSF):
    """
    A round Gaussian point spread function, sampled at pixel centers.

    Parameters
    ----------
    fwhm : (n, band) `~astropy.units.Quantity`
        Full width at half maximum as an angle.
    widest : `~astropy.units.Quantity`, optional
        Width that the size of the kernels follows, so that rows taken from a
        set keep the size that they have in it. The largest by default.

    Raises
    ------
    ConfigError
        If the widths are not a table of positive angles.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.testing import GaussianPSF
    >>> GaussianPSF([[1.3, 1.2, 1.1]] * u.arcsec).kernels(0.262 * u.arcsec).shape
    (1, 3, 19, 19)
    """

    def __init__(self, fwhm, *, widest=None):
        fwhm = u.Quantity(fwhm, u.arcsec)
        if fwhm.ndim != 2 or not (fwhm > 0).all():
            raise ConfigError('fwhm is a table (n, band) of positive angles, not of shape '
                              f'{fwhm.shape}')
        self._fwhm = fwhm
        self._widest = fwhm.max(initial=0 * u.arcsec) if widest is None else widest

    @property
    def fwhm(self):
        """(n, band) `~astropy.units.Quantity`, full width at half maximum as angle."""
        return self._fwhm

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
            Reaching to four standard deviations of the widest; each sums to 1.
        """
        sigma = (self.fwhm * _SIGMA_PER_FWHM / pixel_scale).to_value('')[..., None]
        reach = int(np.ceil((4 * self._widest * _SIGMA_PER_FWHM / pixel_scale).to_value('')))
        offset = np.arange(-reach, reach + 1)
        profile = np.exp(-0.5 * (offset / sigma) ** 2)
        profile /= profile.sum(axis=-1, keepdims=True)
        return profile[..., :, None] * profile[..., None, :]

    def __getitem__(self, rows):
        """Return the PSF of some rows, or of ``[rows, bands]``."""
        return GaussianPSF(self._fwhm[rows], widest=self._widest)


def example_flux(n=6, *, bands=3, shape=(101, 101), seed=0):
    """
    Make up galaxy stamps with sky noise.

    Parameters
    ----------
    n, bands : int, optional
        Number of stamps and bands.
    shape : tuple of int, optional
        Height and width in pixels.
    seed : int, optional
        Of the noise and the galaxies.

    Returns
    -------
    flux : (n, bands, y, x) `~numpy.ndarray`
        float32, nanomaggies; galaxies from faint to far brighter than the sky.
    """
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[:shape[0], :shape[1]]
    radius = np.hypot(y - (shape[0] - 1) / 2, x - (shape[1] - 1) / 2)
    size = rng.uniform(2, 8, (n, 1, 1, 1))
    peak = np.geomspace(0.02, 20, n)[:, None, None, None] * rng.uniform(0.5, 2, (n, bands, 1, 1))
    sky = rng.normal(0, 0.02, (n, bands, *shape))
    return (peak * np.exp(-radius / size) + sky).astype(np.float32)


def example_hosts(n=6, *, bands=('g', 'r', 'z'), seed=0):
    """
    Make up host galaxies, with the columns of a Tractor catalogue.

    Parameters
    ----------
    n : int, optional
        Number of hosts.
    bands : sequence of str, optional
        Bands that have columns.
    seed : int, optional
        Of the galaxies.

    Returns
    -------
    hosts : (n,) `~astropy.table.QTable`
        Key, position, type, shape, fluxes, redshift, number of exposures, PSF
        FWHM and depth.
    """
    rng = np.random.default_rng(seed)
    hosts = QTable({'release': np.full(n, 10000), 'brickid': np.arange(n) + 330000,
                    'objid': np.arange(n), 'object_id': [f'host-{i}' for i in range(n)],
                    'ra': rng.uniform(0, 360, n) * u.deg, 'dec': rng.uniform(-18, 32, n) * u.deg,
                    'type': np.resize(['SER', 'DEV', 'REX'], n), 'z': rng.uniform(0.3, 0.7, n),
                    'sersic': rng.uniform(2, 5, n), 'ebv': rng.uniform(0.01, 0.1, n) * u.mag,
                    'shape_r': rng.uniform(0.8, 2.5, n) * u.arcsec,
                    'shape_e1': rng.normal(0, 0.1, n), 'shape_e2': rng.normal(0, 0.1, n)})
    for band in bands:
        hosts[f'flux_{band}'] = rng.uniform(5, 80, n) * u.nmgy
        hosts[f'nobs_{band}'] = rng.integers(3, 9, n)
        hosts[f'psfsize_{band}'] = rng.uniform(1.0, 1.6, n) * u.arcsec
        hosts[f'psfdepth_{band}'] = rng.uniform(200, 900, n) / u.nmgy ** 2
    return hosts
