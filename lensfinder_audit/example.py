# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A small simulated table of scores, to try an audit on.

``data/example_scores.ecsv`` is what ``python -m lensfinder_audit.example`` writes.
Nothing in it is a measurement: two made-up finders lose lenses at poor seeing
and are fooled by rings, as finders do.
"""
from importlib.resources import as_file, files

import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.special import expit

from lensfinder_audit.files import read_table

__all__ = ['example_scores', 'simulate_scores', 'EXAMPLE_OPTIONS']

#: The options with which ``lensfinder-audit audit --example`` audits the table.
EXAMPLE_OPTIONS = {
    'fprs': [0.01, 0.001], 'by': ['psfsize_r', 'nobs_z', 'type', 'psfsize_r,nobs_z'],
    'possible': {'nobs_z': [3, float('inf')]}, 'prevalence': 5e-4, 'group': 'brick',
    'bins': {'psfsize_r': [0.9, 1.1, 1.2, 1.3, 1.4, 1.5, 1.8]},
    'title': 'Example audit of two simulated finders',
}

_FAMILIES = {'none': (0.86, 0.0), 'ring': (0.02, 3.2), 'edge-on': (0.05, 1.6),
             'large galaxy': (0.03, 1.0), 'blue clumpy': (0.04, -0.5)}
_TYPES = ('SER', 'DEV', 'REX')


def example_scores():
    """
    Read the example table that ships with the package.

    Returns
    -------
    table : `~astropy.table.QTable`
        7,000 simulated objects with the scores of two finders.

    Examples
    --------
    >>> from lensfinder_audit.example import example_scores
    >>> print(len(example_scores()))
    7000
    """
    with as_file(files('lensfinder_audit') / 'data' / 'example_scores.ecsv') as path:
        table = read_table(path)
    table.meta['example'] = True  # an audit.yaml then names no file
    return table


def simulate_scores(*, n_lenses=1000, n_negatives=6000, seed=20261122):
    """
    Simulate the example table.

    Parameters
    ----------
    n_lenses, n_negatives : int, optional
        Numbers of objects.
    seed : int, optional
        Seed of the simulation.

    Returns
    -------
    table : `~astropy.table.QTable`
        Positions, labels, tiers, ways of discovery, confuser families, observing
        conditions and the scores of two finders.
    """
    rng = np.random.default_rng(seed)
    n = n_lenses + n_negatives
    lens = np.arange(n) < n_lenses
    brick = rng.integers(0, 900, n)
    table = QTable({'object_id': np.char.add('sim-', np.arange(n).astype(str)),
                    'ra': (10 + 0.25 * (brick % 30) + rng.uniform(0, 0.25, n)).round(5) * u.deg,
                    'dec': (-8 + 0.25 * (brick // 30) + rng.uniform(0, 0.25, n)).round(5) * u.deg,
                    'label': lens.astype(int), 'brick': brick})
    table['tier'] = np.where(lens, np.where(rng.random(n) < 0.25, 'A', 'B'), '')
    method = np.where(table['tier'] == 'A', 'spectroscopic',
                      np.where(rng.random(n) < 0.4, 'citizen_science', 'machine_learning'))
    table['discovery_method'] = np.where(lens, method, '')
    names, chance = list(_FAMILIES), [item[0] for item in _FAMILIES.values()]
    family = rng.choice(names, n, p=chance)
    table['confuser_class'] = np.where(lens, '', family)
    _add_conditions(table, brick, rng)
    _add_scores(table, lens, family, rng)
    table.meta = {'simulated': True, 'seed': seed,
                  'comments': 'simulated: no number in it is a measurement'}
    return table


def _add_conditions(table, brick, rng):
    seeing = 1.05 + 0.55 * rng.beta(2, 3, 900)  # one night and depth for each brick
    exposures = 3 + rng.poisson(3.0, 900)
    table['psfsize_r'] = (seeing[brick] + rng.normal(0, 0.02, len(table))).round(3) * u.arcsec
    table['nobs_z'] = exposures[brick]
    table['type'] = rng.choice(_TYPES, len(table), p=(0.5, 0.3, 0.2))


def _add_scores(table, lens, family, rng):
    seeing, shift = table['psfsize_r'].value, np.array([_FAMILIES[name][1] for name in family])
    host = rng.normal(0, 1, 900)[table['brick']]
    # the logit of a lens falls with seeing and rises with exposures
    signal = 4.2 - 11 * (seeing - 1.2) + 1.2 * np.log(table['nobs_z'] / 6) + 0.6 * host
    noise = rng.normal(0, 2.0, (2, len(table)))
    first = np.where(lens, signal, -5.5 + shift) + noise[0]
    second = np.where(lens, signal - 0.6, -5.5 + 0.5 * shift) + 0.5 * noise[0] + 0.87 * noise[1]
    table['p_resnet'] = expit(first).round(6)
    table['p_ensemble'] = expit(0.5 * (first + second)).round(6)


if __name__ == '__main__':
    import sys

    from lensfinder_audit.files import write_whole
    write_whole(simulate_scores(), sys.argv[1], overwrite=True)
