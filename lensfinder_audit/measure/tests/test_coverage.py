# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Intervals cover the truth as often as they say: a small part of benchmarks/interval_coverage.py.

2,000 samples give a standard error of 0.5 points near 95 %, so what covers within 1.5
points passes at 3 points, three standard errors away. Seeds are fixed.
"""
import numpy as np
import pytest

from lensfinder_audit.measure.intervals import INTERVALS, binomial_interval, percentile_interval
from lensfinder_audit.measure.rates import cell_rates
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.measure.thresholds import OperatingPoint, set_threshold

RUNS, MARGIN = 2000, 0.03
SAMPLES = {'plain': (200, 0, 0.0, 0.0), 'weighted': (200, 0, 0.0, 0.7),
           'clustered': (200, 40, 0.3, 0.0), 'weighted, clustered': (600, 30, 0.05, 0.7)}


def simulate(kind, rate, seed=1):
    """Draw samples one after the other; groups share a rate from a beta distribution."""
    n, groups, icc, spread = SAMPLES[kind]
    rng = np.random.default_rng(seed)
    columns, chance = {'cell': np.repeat(np.arange(RUNS), n)}, rate
    if groups:
        group, size = rng.integers(0, groups, (RUNS, n)), (1 - icc) / icc
        shared = rng.beta(rate * size, (1 - rate) * size, (RUNS, groups))
        chance, columns['group'] = np.take_along_axis(shared, group, axis=1), group.ravel()
    if spread:
        columns['weight'] = rng.lognormal(0, spread, n * RUNS)
    return columns | {'success': (rng.random((RUNS, n)) < chance).ravel()}


def covered(lo, hi, truth):
    return np.mean((lo <= truth) & (truth <= hi))


@pytest.mark.parametrize('rate', [0.1, 0.5])
@pytest.mark.parametrize('kind', SAMPLES)
def test_named_intervals_cover_at_the_effective_number(kind, rate):
    found = cell_rates(n_cells=RUNS, **simulate(kind, rate))
    for method in INTERVALS:
        ends = binomial_interval(found['estimate'] * found['n_eff'], found['n_eff'], method=method)
        coverage = covered(*ends, rate)
        assert coverage > 0.95 - MARGIN, method
        if method != 'clopper-pearson':  # which covers at least nominally
            assert coverage < 0.95 + MARGIN, method


def test_interval_that_ignores_groups_covers_too_rarely():
    columns = simulate('clustered', 0.5)
    del columns['group']
    found = cell_rates(n_cells=RUNS, **columns)
    assert covered(found['lo'], found['hi'], 0.5) < 0.9


@pytest.mark.parametrize('kind', ['plain', 'clustered'])
def test_bootstrap_covers(kind):
    columns = simulate(kind, 0.5)
    n, groups, *_ = SAMPLES[kind]
    draws = Resampler(groups or n, n_resamples=1000)
    draws.unit = columns.get('group', np.tile(np.arange(n), RUNS))  # all samples share the draws
    rates = draws.rates(columns['success'], cell=columns['cell'], n_cells=RUNS)
    assert covered(*percentile_interval(rates), 0.5) == pytest.approx(0.95, abs=MARGIN)


def test_interval_of_a_threshold_covers():
    rng, label, inside = np.random.default_rng(2), np.zeros(1000, bool), []
    for _ in range(RUNS):
        row = set_threshold(rng.random(1000), label, OperatingPoint(fpr=0.05))
        inside.append(row['threshold_lo'] <= 0.95 <= row['threshold_hi'])
    assert 0.95 - MARGIN < np.mean(inside) < 0.99
