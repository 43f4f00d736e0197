# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.rates import cell_rates

ROWS = st.lists(st.tuples(st.booleans(), st.floats(0.1, 10), st.integers(0, 5)), min_size=1,
                max_size=60)


def same(one, two, *, names=('n_groups', 'n_eff', 'estimate', 'lo', 'hi'), rtol=1e-9):
    for name in names:
        assert_allclose(one[name], two[name], rtol=rtol, atol=1e-12)


@given(st.integers(0, 60), st.integers(1, 60))
def test_a_plain_sample_has_the_plain_interval(k, n):
    success = np.arange(n) < min(k, n)
    found = cell_rates(success, interval='clopper-pearson')
    assert found['n_eff'][0] == found['n_groups'][0] == found['n'][0] == n
    expected = binomial_interval(min(k, n), n, method='clopper-pearson')
    assert_allclose([found['lo'][0], found['hi'][0]], expected)


def test_zero_of_690_has_the_exact_bound():
    found = cell_rates(np.zeros(690, bool), interval='clopper-pearson')
    assert (found['estimate'][0], found['lo'][0]) == (0, 0)
    assert_allclose(found['hi'], 0.00533, atol=5e-6)


@given(ROWS, st.floats(1e-3, 1e3))
def test_the_scale_of_weights_does_not_matter(rows, scale):
    success, weight, group = map(np.array, zip(*rows, strict=True))
    one = cell_rates(success, weight=weight, group=group)
    same(one, cell_rates(success, weight=scale * weight, group=group), rtol=1e-5)


@given(ROWS)
def test_the_order_of_rows_does_not_matter(rows):
    success, weight, group = map(np.array, zip(*rows, strict=True))
    order = np.random.default_rng(0).permutation(len(success))
    same(cell_rates(success, weight=weight, group=group),
         cell_rates(success[order], weight=weight[order], group=group[order]), rtol=1e-5)


@given(ROWS)
def test_estimates_are_inside_their_intervals(rows):
    success, weight, group = map(np.array, zip(*rows, strict=True))
    for options in ({}, {'weight': weight}, {'weight': weight, 'group': group}):
        found = cell_rates(success, **options)
        # a weighted interval is that of its own estimate at n_eff, which may be below one
        assert found['lo'][0] <= found['estimate'][0] + 1e-9
        assert found['hi'][0] >= found['estimate'][0] - 1e-9


def test_the_weighted_fraction_is_the_population_fraction():
    found = cell_rates([1, 0, 1, 0], weight=[1, 1, 10, 8])
    assert_allclose(found['estimate'], 11 / 20)


@pytest.mark.parametrize('copies', [2, 5])
def test_copies_within_a_group_add_little_knowledge(copies):
    success = np.random.default_rng(0).random(400) < 0.3
    once = cell_rates(success, group=np.arange(400))
    more = cell_rates(np.tile(success, copies), group=np.tile(np.arange(400), copies))
    assert more['n'][0] == copies * 400 and more['n_groups'][0] == 400
    assert_allclose(more['estimate'], once['estimate'])
    assert_allclose(more['n_eff'], once['n_eff'], rtol=0.05)


def test_a_group_that_is_all_or_nothing_counts_as_one_object():
    group = np.repeat(np.arange(50), 100)
    found = cell_rates(group < 20, group=group)
    assert 25 < found['n_eff'][0] < 55


@pytest.mark.parametrize('weight', [1, 0.1, 'unequal'])
def test_a_single_group_is_a_single_object(weight):
    weight = np.random.default_rng(0).uniform(0.1, 3, 200) if weight == 'unequal' \
        else np.full(200, weight)
    found = cell_rates(np.arange(200) < 60, weight=weight, group=np.zeros(200))
    assert_allclose(found['n_eff'], 1)
    assert found['hi'][0] - found['lo'][0] > 0.7


def test_without_a_success_groups_count_as_objects():
    group = np.repeat(np.arange(20), 10)
    found = cell_rates(np.zeros(200, bool), group=group, interval='clopper-pearson')
    assert_allclose(found['n_eff'], 20)
    assert_allclose(found['hi'], binomial_interval(0, 20, method='clopper-pearson')[1])


def test_unequal_weights_cost_objects():
    rng = np.random.default_rng(0)
    success, weight = rng.random(2000) < 0.3, rng.exponential(size=2000)
    found = cell_rates(success, weight=weight)
    assert_allclose(found['n_eff'], weight.sum()**2 / (weight**2).sum(), rtol=0.1)


def test_strata_that_differ_lower_the_variance_unless_groups_cross_them():
    stratum = np.repeat([0, 1], 500)
    success = np.random.default_rng(0).random(1000) < np.where(stratum, 0.95, 0.05)
    group = np.arange(1000)
    plain = cell_rates(success, group=group)
    layered = cell_rates(success, group=group, stratum=stratum)
    crossed = cell_rates(success, group=group % 500, stratum=stratum)
    assert layered['n_eff'][0] > 3 * plain['n_eff'][0]
    assert_allclose(crossed['n_eff'],
                    cell_rates(success, group=group % 500)['n_eff'])


def test_cells_are_measured_as_if_alone():
    rng = np.random.default_rng(1)
    success, weight = rng.random(600) < 0.4, rng.uniform(1, 3, 600)
    cell, group = rng.integers(-1, 3, 600), rng.integers(0, 40, 600)
    found = cell_rates(success, cell=cell, n_cells=4, weight=weight, group=group)
    for code in range(3):
        rows = cell == code
        alone = cell_rates(success[rows], weight=weight[rows], group=group[rows])
        same({name: column[code] for name, column in found.items()},
             {name: column[0] for name, column in alone.items()})
    assert found['n'].sum() == (cell >= 0).sum()


def test_an_empty_cell_has_no_rate():
    found = cell_rates([True, False], cell=[0, 0], n_cells=2)
    assert_array_equal(found['n'], [2, 0])
    assert found['n_eff'][1] == 0
    assert np.isnan([found[name][1] for name in ('estimate', 'lo', 'hi')]).all()


def test_grouped_intervals_cover():
    covered = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        rate = rng.beta(2, 6, 60)  # groups differ: the mean is 0.25
        success = rng.random((60, 12)) < rate[:, None]
        found = cell_rates(success.ravel(), group=np.repeat(np.arange(60), 12))
        covered.append(found['lo'][0] <= 0.25 <= found['hi'][0])
    assert np.mean(covered) > 0.91


def test_an_unknown_interval_is_named():
    with pytest.raises(MeasurementError, match="there is no interval 'wald'"):
        cell_rates([True], interval='wald')
