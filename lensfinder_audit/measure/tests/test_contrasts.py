# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable
from numpy.testing import assert_allclose
from scipy.special import ndtri

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.contrasts import (jackknife_error, seed_interval, widen_contrasts,
                                                yield_contrasts)
from lensfinder_audit.measure.covered import covered_area
from lensfinder_audit.measure.yields import yield_tables

N = 2000
LENS = np.arange(N) % 10 == 0
GROUP = np.arange(N) // 20


def made_up(n=4):
    rng = np.random.default_rng(1)
    return {f'finder {i}': rng.normal((1 + i / 2) * LENS) for i in range(n)}


def test_a_pair_is_what_the_table_of_pairs_says():
    scores = made_up(2)
    pair = yield_tables(scores, LENS, [100, 300], group=GROUP, n_resamples=500).differences
    found = yield_contrasts(scores, LENS, [100, 300], {'pair': {'finder 1': 1, 'finder 0': -1}},
                            group=GROUP, n_resamples=500)
    for name in ('difference', 'lo', 'hi', 'se'):
        assert_allclose(found[name], pair[name])
    assert_allclose(found['found_first'], pair['found_b'])
    assert_allclose(found['found_second'], pair['found_a'])


def test_the_mean_of_two_differences_is_the_difference_of_two_means():
    scores = made_up()
    one, two, both = ({'finder 3': 1, 'finder 1': -1}, {'finder 2': 1, 'finder 0': -1},
                      {'finder 3': 0.5, 'finder 2': 0.5, 'finder 1': -0.5, 'finder 0': -0.5})
    found = yield_contrasts(scores, LENS, [150], {'one': one, 'two': two, 'both': both},
                            n_resamples=300)
    assert_allclose(found['difference'][2], found['difference'][:2].mean())
    assert found['se'][2] < found['se'][:2].mean()


def test_the_error_of_the_seeds_widens_the_interval_and_what_can_be_seen():
    found = yield_contrasts(made_up(2), LENS, [100], {'pair': {'finder 1': 1, 'finder 0': -1}},
                            n_resamples=300)
    wide = widen_contrasts(found, {'pair': [3.0]})
    total = np.hypot(found['se'][0], 3.0)
    assert_allclose(wide['total_hi'] - wide['total_lo'], 2 * ndtri(0.975) * total)
    assert_allclose(wide['smallest_detectable'], (ndtri(0.975) + ndtri(0.8)) * total)
    assert_allclose(wide['lo'], found['lo'])
    assert np.isnan(widen_contrasts(found, {})['total_lo'][0])


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=12)
    without = (values.sum() - values) / 11
    assert_allclose(jackknife_error(without), values.std(ddof=1) / np.sqrt(12))


def test_one_seed_has_no_interval():
    assert np.isnan(seed_interval([1.0])).all()


@pytest.mark.parametrize(('change', 'said'), [
    ({'contrasts': {'x': {'finder 9': 1}}}, "names 'finder 9'.*Did you mean"),
    ({'contrasts': {'x': {}}}, 'names no finder'), ({'budgets': [1e6]}, 'a budget of'),
    ({'label': np.zeros(N, bool)}, 'no lens to find')])
def test_what_cannot_be_compared_is_named(change, said):
    values = {'scores': made_up(2), 'label': LENS, 'budgets': [10],
              'contrasts': {'x': {'finder 0': 1}}} | change
    with pytest.raises(MeasurementError, match=said):
        yield_contrasts(**values)


def test_jackknife_needs_two():
    with pytest.raises(MeasurementError, match='from two of them'):
        jackknife_error([1.0])


def area(selections, **rest):
    table = QTable({'label': np.ones(400, bool), 'nobs_z': np.repeat([1, 2, 3, 4], 100)})
    return covered_area(table, selections, by=['nobs_z'], level=0.5, n_resamples=200, **rest)


def test_area_counts_the_cells_that_are_complete_enough():
    half = np.repeat([True, True, False, False], 100)
    most = np.repeat([True, True, True, False], 100)
    found = area({'half': half, 'most': most}, reference='half')
    assert found['area'].tolist() == [0.5, 0.75]
    assert found['area_sure'].tolist() == [0.5, 0.75]
    assert found['difference'][1] == found['difference_lo'][1] == 0.25
    assert np.isnan(found['difference'][0])
    assert found['share_supported'].tolist() == [1.0, 1.0]


def test_cells_on_few_groups_cover_nothing():
    found = area({'all': np.ones(400, bool)}, group=np.repeat(np.arange(8), 50), min_groups=10)
    assert found['area'][0] == 0 and found['n_supported'][0] == 0 and found['n_cells'][0] == 4


def test_the_area_of_a_search_counts_its_objects_and_not_the_lenses():
    half = np.repeat([True, True, False, False], 100)
    search = QTable({'nobs_z': [1, 2, 3, 4, 99]})  # no lens is like the last one
    found = area({'half': half}, search=search, mass=[1, 1, 2, 2, 4])
    assert found['area'][0] == pytest.approx(0.2) and found['n_cells'][0] == 4
    assert found['share_supported'][0] == pytest.approx(0.6)


def test_a_level_that_cannot_be_is_named():
    with pytest.raises(MeasurementError, match='give a level between 0 and 1'):
        covered_area(QTable({'label': [True], 'x': [1]}), {}, by=['x'], level=2)
