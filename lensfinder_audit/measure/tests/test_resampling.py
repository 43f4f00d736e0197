# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.multinomial import stream_starts
from lensfinder_audit.measure.resampling import (Resampler, _draw_in_numpy, codes, sampling_units,
                                                 shared_units)


def outcome(n=300, rate=0.3, seed=0):
    return np.random.default_rng(seed).random(n) < rate


def test_the_error_of_a_plain_fraction_is_the_analytic_one():
    success = outcome()
    p = success.mean()
    draws = Resampler(300, n_resamples=4000).rates(success)[:, 0]
    assert_allclose(draws.std(), np.sqrt(p * (1 - p) / 300), rtol=0.05)
    assert_allclose(draws.mean(), p, atol=0.002)


def test_it_is_the_naive_bootstrap_of_groups():
    rng = np.random.default_rng(1)
    group, weight = rng.integers(0, 40, 500), rng.uniform(1, 5, 500)
    success = rng.random(500) < np.where(group % 2, 0.6, 0.2)
    naive = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(group == g) for g in rng.integers(0, 40, 40)])
        naive.append(np.average(success[rows], weights=weight[rows]))
    draws = Resampler(500, group=group, n_resamples=4000).rates(success, weight=weight)
    assert_allclose(draws.std(), np.std(naive), rtol=0.08)
    assert_allclose(np.quantile(draws, [0.025, 0.975]), np.quantile(naive, [0.025, 0.975]),
                    atol=0.02)


def test_duplicated_rows_of_a_group_change_nothing():
    success, group = outcome(), np.arange(300)
    once = Resampler(300, group=group, n_resamples=100).rates(success)
    twice = Resampler(600, group=np.tile(group, 2), n_resamples=100).rates(np.tile(success, 2))
    assert_allclose(twice, once)


def test_the_scale_of_weights_does_not_matter():
    success, weight = outcome(), np.random.default_rng(2).uniform(1, 5, 300)
    draws = Resampler(300, n_resamples=50)
    assert_allclose(draws.rates(success, weight=weight), draws.rates(success, weight=9 * weight),
                    rtol=1e-5)


def test_strata_keep_their_size_in_every_resample():
    stratum = np.repeat(['a', 'b'], [100, 50])
    draws = Resampler(150, stratum=stratum, n_resamples=200)
    sizes = draws.resample(draws.unit_sums(np.ones(150), cell=(stratum == 'b').astype(int),
                                           n_cells=2))
    assert_array_equal(sizes, np.tile([100, 50], (200, 1)))


def test_groups_that_cross_strata_are_drawn_from_the_whole():
    unit, layer = sampling_units(4, group=['x', 'x', 'y', 'z'], stratum=[0, 1, 1, 0])
    assert_array_equal(unit, [0, 0, 1, 2])
    assert_array_equal(layer, [0, 0, 0])
    assert_array_equal(sampling_units(3, group=[5, 5, 2], stratum=['p', 'p', 'q'])[1], [1, 0])


def test_merged_units_keep_the_error_and_the_strata():
    success = outcome(6000, 0.2)
    stratum = np.repeat([0, 1, 2], [5000, 980, 20])
    draws = Resampler(6000, stratum=stratum, n_resamples=3000, max_units=300)
    assert draws.n_groups == 6000 and draws.n_units <= 320
    for code in range(3):
        assert np.isin(draws.layer[draws.unit[stratum == code]], code).all()
    p = success.mean()
    assert_allclose(draws.rates(success).std(), np.sqrt(p * (1 - p) / 6000), rtol=0.15)


def test_draws_repeat_by_seed_and_are_paired():
    success = outcome()
    one, two = (Resampler(300, n_resamples=50, seed=4) for _ in range(2))
    assert_array_equal(one.counts, two.counts)
    assert (one.counts != Resampler(300, n_resamples=50, seed=5).counts).any()
    assert_allclose(one.rates(success) + one.rates(~success), 1)


def test_the_first_resamples_can_be_had_alone():
    draws = Resampler(300, n_resamples=50)
    sums = draws.unit_sums(outcome())
    assert_array_equal(draws.resample(sums, first=7), draws.resample(sums)[:7])


def test_cells_are_summed_apart_and_negative_cells_left_out():
    draws = Resampler(4, group=[0, 0, 1, 1], n_resamples=3)
    sums = draws.unit_sums([1, 2, 3, 4], cell=[0, 1, 1, -1], n_cells=2)
    assert_array_equal(sums, [[1, 2], [0, 3]])
    assert_array_equal(draws.unit_sums([1, 2, 3, 4]), [[3], [7]])


def test_a_cell_that_a_resample_misses_has_no_rate():
    draws = Resampler(2, n_resamples=200).rates([True, False], cell=[0, 1], n_cells=2)
    assert np.isnan(draws).any() and np.nanmax(draws[:, 0]) == 1 and np.nanmin(draws[:, 1]) == 0


def test_a_subset_shares_its_draws():
    success, rows = outcome(), np.arange(300) % 2 == 0
    draws = Resampler(300, n_resamples=50)
    cell = np.where(rows, 0, -1)
    assert_allclose(draws.subset(rows).rates(success[rows]), draws.rates(success, cell=cell))


@pytest.mark.parametrize('values', [
    ['b', 'a', 'b'], [7, -2, 7], [2**60, 0, 2**60], [0.5, 0.1, 0.5], ['b', 'a', 'b'] * 5000,
    np.array([9, 3, 9], np.uint8), [True, False, True]])
def test_codes_are_those_of_numpy(values):
    code, levels = codes(values)
    assert_array_equal(levels[code], values)
    assert_array_equal(levels, np.unique(values))


def test_groups_come_from_the_resampler_or_the_caller():
    shared = Resampler(4, group=[0, 0, 1, 1], n_resamples=5)
    assert_array_equal(shared_units(4, None, shared, None, 0)[0], [0, 0, 1, 1])
    unit, made = shared_units(4, ['p', 'q', 'q', 'q'], None, 5, 0)
    assert_array_equal(unit, [0, 1, 1, 1])
    assert made.n_groups == 2
    assert shared_units(4, None, None, None, 0) == (None, None)


@pytest.mark.parametrize('arguments', [{'n': 0}, {'n': 5, 'n_resamples': 0}])
def test_an_empty_bootstrap_is_refused(arguments):
    with pytest.raises(MeasurementError, match='a bootstrap needs rows and resamples'):
        Resampler(**arguments)


@pytest.mark.parametrize('layer', [np.zeros(101, int), np.sort(np.arange(300) % 7)])
def test_compiled_draws_are_those_of_numpy(layer):
    kernel = pytest.importorskip('lensfinder_audit.measure._draw_kernel')
    first = np.append(0, np.cumsum(np.bincount(layer)))
    starts, counts = stream_starts(3, np.arange(50)), np.zeros((2, 50, len(layer)), np.uint8)
    kernel.draw_units(starts, first, counts[0])
    _draw_in_numpy(starts, first, counts[1])
    assert_array_equal(counts[0], counts[1])
    assert (np.add.reduceat(counts[0], first[:-1], axis=1, dtype=int) == np.diff(first)).all()


@pytest.mark.parametrize('values', [
    np.random.default_rng(0).integers(-5, 90, 400), np.array([-128, 127], np.int8),
    np.array([2**63, 2**63 + 3], np.uint64), np.array([], int),
    np.random.default_rng(1).choice(['', 'REX', 'SER', 'é'], 20_000)])
def test_codes_are_those_of_unique(values):
    code, levels = codes(values)
    expected, index = np.unique(values, return_inverse=True)
    assert levels.dtype == expected.dtype
    assert_array_equal(levels, expected)
    assert_array_equal(code, index)


def test_rates_of_0_and_1_are_exact():
    rates = Resampler(500, n_resamples=200).rates(
        np.arange(500) < 250, weight=np.random.default_rng(0).lognormal(size=500),
        cell=(np.arange(500) < 250).astype(int), n_cells=2)
    assert (rates == [0, 1]).all()
