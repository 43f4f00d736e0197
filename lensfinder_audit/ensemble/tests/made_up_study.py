# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A manifest with scores, and studies on it, for the tests of ensembles."""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.ensemble.study_file import Study

N = 3000
FAST = {'n_resamples': 200}


def manifest(n=N, *, seed=0):
    """
    Return a manifest on which members A, B and C are good under different conditions.

    Controls ``s1`` to ``s3`` are alike, and as good as a member on average.
    """
    rng = np.random.default_rng(seed)
    lens, seeing = rng.random(n) < 0.15, rng.uniform(1.0, 1.8, n)
    table = QTable({'object_id': [f'o{i}' for i in range(n)], 'label': lens,
                    'ra': rng.uniform(0, 20, n) * u.deg, 'dec': rng.uniform(0, 20, n) * u.deg,
                    'psfsize_r': seeing * u.arcsec, 'psfdepth_r': 10**rng.uniform(2, 3, n),
                    'nobs_z': rng.integers(3, 12, n),
                    'type': rng.choice(['SER', 'DEV', 'REX', 'EXP'], n),
                    'brick': np.arange(n) // 10,
                    'split': rng.choice(['train', 'val', 'test'], n, p=[0.3, 0.2, 0.5])})
    core, third = rng.normal(size=n), np.minimum((seeing - 1.0) / 0.8 * 3, 2.9).astype(int)
    for number, name in enumerate('ABC'):
        table[name] = _probability(np.where(third == number, 4, 0.5) * lens + rng.normal(size=n))
    for name in ('s1', 's2', 's3'):
        table[name] = _probability(1.6 * lens + 0.95 * core + 0.3 * rng.normal(size=n))
    return table


def study(**changes):
    """Return a study of loaded columns."""
    values = {'members': {name: {'column': name} for name in 'ABC'},
              'controls': {f's{i}': {'column': f's{i}'} for i in range(1, 4)},
              'baseline': {'column': 's1'}, 'budgets': [200, 400], 'statistics': FAST,
              'splits': {'fit': 'val', 'report': 'test'}, 'group': 'brick',
              'combiner_options': {'meta_learner': {'hidden': 3, 'max_steps': 30}}} | changes
    return Study(**values)


def _probability(score):
    return 1 / (1 + np.exp(-score))
