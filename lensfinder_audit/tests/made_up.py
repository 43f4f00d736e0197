# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A made-up score table without a fault, for tests to plant one in."""
import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.special import expit

#: Arguments of `~lensfinder_audit.audit.audit` that keep a test short.
QUICK = {'thresholds': [0.5], 'fprs': [0.01], 'n_resamples': 200}


def make_table(n=3000, *, seed=0):
    """Make a table of a calibrated finder, on which an audit has nothing to say."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-3, 2.5, n)
    score = expit(logit)
    lens = rng.random(n) < score
    brick = np.arange(n) % 300  # bricks lie a degree apart
    table = QTable({'object_id': np.char.add('obj-', np.arange(n).astype(str)),
                    'ra': (2.0 + brick % 20 + rng.uniform(0, 0.9, n)) * u.deg,
                    'dec': (-8.0 + brick // 20 + rng.uniform(0, 0.9, n)) * u.deg,
                    'label': lens.astype(int), 'brick': brick,
                    'tier': np.where(lens, 'A', ''),
                    'discovery_method': np.where(lens, 'spectroscopic', ''),
                    'confuser_class': np.where(lens, '', rng.choice(['none', 'ring'], n)),
                    'p_resnet': score, 'psfsize_r': rng.uniform(1, 1.6, n) * u.arcsec,
                    'nobs_z': 3 + rng.poisson(3, n), 'type': rng.choice(['SER', 'DEV'], n)})
    return table
