# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from scipy.stats import genpareto

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.pools import dispersion, pool_table
from lensfinder_audit.measure.tails import fit_tail, tail_table
from lensfinder_audit.measure.trends import trend_table, trend_test


@pytest.mark.parametrize('shape', [-0.4, 0.0, 0.2])
def test_shape_and_scale_are_found(shape):
    drawn = genpareto.rvs(shape, scale=2, size=(20, 5000), random_state=np.random.default_rng(1))
    found = np.mean(fit_tail(drawn), axis=1)
    assert found == pytest.approx([shape, 2], abs=0.05)


def test_interval_of_a_fitted_threshold_covers_it():
    rng = np.random.default_rng(2)
    rows = [tail_table({'a': rng.exponential(size=10000)}, [1e-4], n_resamples=200, seed=seed)[0]
            for seed in range(40)]
    covered = [row['lo'] <= np.log(1e4) <= row['hi'] for row in rows]
    assert np.mean(covered) > 0.8
    assert np.mean([row['p_value'] < 0.05 for row in rows]) < 0.2
    errors = [[row[name] - np.log(1e4) for row in rows] for name in ('fitted', 'threshold')]
    assert np.std(errors[0]) < np.std(errors[1])


def test_a_lump_in_the_tail_is_no_pareto_tail():
    rng = np.random.default_rng(0)
    score = np.append(rng.normal(size=20000), rng.normal(8, 0.1, 150))
    row = tail_table({'a': score}, [1e-3])[0]
    assert row['p_value'] < 0.01


def test_few_negatives_carry_no_tail():
    with pytest.raises(MeasurementError, match='more than 50 finite scores of negatives; a has 20'):
        tail_table({'a': np.arange(20)}, [0.1])


def make(n=3000, slope=0.0, bend=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return rng.random(n) < 1 / (1 + np.exp(-slope * x - bend * (x**2 - 1))), x


@pytest.mark.parametrize('truth, word', [
    ({'slope': 0.5}, 'rises'), ({'slope': -0.5}, 'falls'), ({'bend': 0.5}, 'bends')])
def test_trends_are_named(truth, word):
    row = trend_test(*make(**truth))
    assert row['trend'] == word and row['p_value'] < 1e-6


def test_p_values_of_no_trend_are_even():
    p = [trend_test(*make(400, seed=seed))['p_value'] for seed in range(200)]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.07)
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)


def test_groups_widen_the_test():
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(40), 50)
    x, success = rng.normal(size=40)[unit], (rng.random(40) < 0.5)[unit]
    assert trend_test(success, x, group=unit)['p_value'] > 1e-3
    assert trend_test(success, x)['p_value'] < 1e-6


def test_words_and_what_cannot_be_tested():
    rng = np.random.default_rng(0)
    kind = rng.choice(['SER', 'DEV'], 2000)
    success = rng.random(2000) < np.where(kind == 'SER', 0.6, 0.3)
    rows = [{'axis': 'type', **trend_test(success, kind)},
            {'axis': 'few', **trend_test(np.arange(2000) < 4, rng.normal(size=2000))},
            {'axis': 'one', **trend_test(success, np.ones(2000))}]
    table = trend_table(rows)
    assert table['trend'].tolist() == ['differs', 'not tested', 'not tested']
    assert table['note'].tolist() == ['', 'fewer than 10 successes or failures', 'one value']


def test_no_test_at_all_is_an_empty_table():
    assert not len(trend_table([]))


def test_scatter_of_independent_trials_is_one():
    rng = np.random.default_rng(0)
    found = [dispersion(rng.binomial(500, 0.05, 20), np.full(20, 500)) for _ in range(200)]
    factor, p = np.mean(found, axis=0)
    assert factor == pytest.approx(1, abs=0.05) and p == pytest.approx(0.5, abs=0.06)
    with pytest.raises(MeasurementError, match='1 pools and 1 fitted'):
        dispersion([1], [10])


def test_pools_add_up():
    rng = np.random.default_rng(0)
    pool, host = rng.integers(0, 5, 1000), rng.integers(0, 50, 1000)
    recovered = rng.random(1000) < 0.2
    table = pool_table(recovered, host, pool)
    assert table['n'].sum() == 1000 and table['n_recovered'].sum() == recovered.sum()
    assert table['share'].sum() == pytest.approx(1)
    assert (table['n_eff_hosts'] <= table['n_hosts']).all()
    assert np.abs(table['pull']).max() < 4
