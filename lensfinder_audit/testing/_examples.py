# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What plugins are tried on: made-up stamps and hosts."""
import numpy as np
from astropy import units as u
from astropy.table import QTable

__all__ = ['example_flux', 'example_hosts']


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
