# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Made-up injections with a known completeness, to see a selection function work."""
import numpy as np
from astropy import units as u
from astropy.table import QTable

__all__ = ['example_injections']


def example_injections(n=20000, *, n_hosts=400, seed=0):
    """
    Draw a table of injections whose completeness is known, for examples and tests.

    Parameters
    ----------
    n : int, optional
        Number of injections.
    n_hosts : int, optional
        Number of hosts; each has its own seeing, and its own ease.
    seed : int, optional
        Seed of the table.

    Returns
    -------
    injections : (n,) `~astropy.table.QTable`
        ``host``, ``theta_e``, ``source_mag_r``, ``psfsize_r``, ``score``, ``label`` and
        ``truth``, the probability of a score of 0.5 or more, averaged over hosts of
        that seeing.
    """
    rng = np.random.default_rng([seed, 0xe4a])
    host = np.arange(n) % n_hosts
    psf = rng.uniform(0.9, 1.8, n_hosts)[host]
    ease = rng.normal(0, 0.5, n_hosts)[host]
    theta_e, mag = rng.uniform(0.5, 3.0, n), rng.uniform(23, 26, n)
    odds = 2.2 * (theta_e - 1.4) - 1.1 * (mag - 24.2) - 2.5 * (psf - 1.3)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    truth = sum(w / np.sqrt(2 * np.pi) / (1 + np.exp(-odds - 0.5 * x))
                for x, w in zip(nodes, weights, strict=True))
    noise = rng.logistic(size=n)
    return QTable({'object_id': np.char.add('injection-', np.arange(n).astype(str)),
                   'host': np.char.add('host-', host.astype(str)), 'seed': seed * n + np.arange(n),
                   'theta_e': theta_e * u.arcsec, 'source_mag_r': mag, 'psfsize_r': psf * u.arcsec,
                   'score': 1 / (1 + np.exp(-(odds + ease + noise))), 'label': np.ones(n, bool),
                   'truth': truth}, meta={'schema': 'injections', 'simulated': True})
