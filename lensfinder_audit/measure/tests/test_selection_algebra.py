# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Products, averages over conditions, comparisons, and other populations."""
import numpy as np
import pytest
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm, triang, uniform

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.cell_posterior import CellPosterior, beta_from_moments
from lensfinder_audit.measure.reweighting import (effective_injections, importance_weights,
                                                  reweighted_completeness)
from lensfinder_audit.measure.selection_algebra import compare_selections, marginalise
from lensfinder_audit.measure.selection_build import measure_selection
from lensfinder_audit.measure.selection_example import example_injections
from lensfinder_audit.measure.selection_product import SelectionProduct
from lensfinder_audit.selection_file import load_selection, save_selection

THETA_E = Axis('theta_e', (0.5, 1.0, 1.5, 2.0, 2.5, 3.0), unit='arcsec')
PSF = Axis('psfsize_r', (0.9, 1.2, 1.5, 1.8), unit='arcsec')
MAG = Axis('source_mag_r', (23.0, 24.0, 25.0, 26.0))


def measure(seed=0, by=(THETA_E, PSF), n=3000, **options):
    table = example_injections(n, n_hosts=100, seed=seed)
    return measure_selection(table, threshold=0.5, by=by, **options)


@pytest.fixture(scope='module')
def both():
    return measure()


# Product

@pytest.mark.parametrize('method', ['binned', 'smooth'])
def test_product_multiplies_and_its_draws_agree(method):
    one, other = measure(0, [THETA_E], method=method), measure(1, [PSF], method=method)
    product = SelectionProduct(one, other)
    points = {'theta_e': [0.8, 2.7], 'psfsize_r': 1.1}
    answer = product.query(**points)
    wanted = (one.query(theta_e=[0.8, 2.7])['completeness']
              * other.query(psfsize_r=1.1)['completeness'])
    assert_allclose(answer['completeness'], wanted)
    assert_allclose(product.log_completeness(**points), np.log(wanted))
    draws = product.sample(4000, np.random.default_rng(0), **points)
    assert_allclose(np.quantile(draws, [0.025, 0.975], axis=0), [answer['lo'], answer['hi']],
                    atol=0.02)


def test_product_has_the_worst_state_of_its_parts():
    one, other = measure(0, [THETA_E]), measure(1, [PSF], min_groups=200)
    answer = SelectionProduct(one, other).query(theta_e=[1.0, 9.0], psfsize_r=1.1)
    assert list(answer['state']) == ['unsupported', 'empty']
    assert_array_equal(np.isfinite(answer['completeness']), [True, False])


def test_product_refuses_the_same_injections_and_unknown_axes():
    with pytest.raises(MeasurementError, match='measured on the same injections'):
        SelectionProduct(measure(0, [THETA_E]), measure(0, [PSF]))
    with pytest.raises(MeasurementError, match='needs two'):
        SelectionProduct(measure())
    with pytest.raises(MeasurementError, match="Did you mean 'psfsize_r'"):
        SelectionProduct(measure(0, [THETA_E]), measure(1, [PSF])).query(psfsize=1, theta_e=1)


# Average over conditions

@pytest.mark.parametrize('pool', [True, False])
def test_marginal_is_the_average_of_its_cells(pool):
    selection = measure(pool=pool)
    sky = QTable({'psfsize_r': [1.0, 1.4, 1.4, 1.7], 'area': [1.0, 2, 3, 4]})
    found = marginalise(selection, sky, ['psfsize_r'], weight='area')
    table = selection.cells['estimate'].reshape(5, 3)
    assert_allclose(found.cells['estimate'], table @ [0.1, 0.5, 0.4])
    assert [axis.name for axis in found.axes] == ['theta_e']
    points = QTable({'theta_e': np.full(4, 1.2), 'psfsize_r': sky['psfsize_r']})
    mean = selection.mean(points, weight=sky['area'])[0]
    answer = found.query(theta_e=1.2)[0]
    assert_allclose([answer['completeness'], answer['lo'], answer['hi']],
                    [mean['completeness'], mean['lo'], mean['hi']], rtol=1e-4)


def test_marginal_over_one_condition_is_its_cell(both):
    found = marginalise(both, QTable({'psfsize_r': [1.3]}), ['psfsize_r'])
    middle = np.arange(1, 15, 3)
    for name in ('estimate', 'lo', 'hi'):
        assert_allclose(found.cells[name], both.cells[name][middle], rtol=1e-6)
    rng = (np.random.default_rng(0) for _ in range(2))
    assert_allclose(found.posterior.own, both.posterior.own[middle], rtol=1e-4)
    assert found.sample(2, next(rng)).shape == (2, 5)


def test_share_beyond_the_injections_is_stated_and_decides(both):
    sky = QTable({'psfsize_r': [1.0, 1.4, 2.4, 2.5]})
    found = marginalise(both, sky, ['psfsize_r'])
    assert_allclose(found.cells['share_empty'], 0.5)
    assert set(found.cells['state']) == {'unsupported'}
    assert set(marginalise(both, sky, ['psfsize_r'], min_share=0.4).cells['state']) == {'supported'}


@pytest.mark.parametrize('over, match', [
    (['psfsize'], "Did you mean 'psfsize_r'"), (['theta_e', 'psfsize_r'], r'use mean\(\)'),
    ([], 'must be averaged over')])
def test_marginal_over_what_there_is_not(both, over, match):
    with pytest.raises(MeasurementError, match=match):
        marginalise(both, QTable({'psfsize_r': [1.0]}), over)


def test_distribution_without_the_column_is_named(both):
    with pytest.raises(MeasurementError, match="no column 'psfsize_r'"):
        marginalise(both, QTable({'psf': [1.0]}), ['psfsize_r'])
    with pytest.raises(MeasurementError, match='no row of the distribution lies within'):
        marginalise(measure(method='smooth'), QTable({'psfsize_r': [5.0]}), ['psfsize_r'])


# Marginals of smooth functions

@pytest.fixture(scope='module')
def smooth():
    return measure(method='smooth', by=[THETA_E, PSF, MAG])


def sky_of(n=4000):
    rng = np.random.default_rng(3)
    return QTable({'psfsize_r': rng.uniform(0.9, 1.8, n),
                   'source_mag_r': rng.triangular(23, 24, 26, n),
                   'area': rng.uniform(0.5, 2, n)})


def test_smooth_marginal_is_the_mean_over_the_sky(smooth):
    sky = sky_of()
    found = marginalise(smooth, sky, ['source_mag_r', 'psfsize_r'], weight='area')
    for theta_e in (0.8, 1.2, 2.6):
        points = QTable({'theta_e': np.full(len(sky), theta_e), 'psfsize_r': sky['psfsize_r'],
                         'source_mag_r': sky['source_mag_r']})
        mean = smooth.mean(points, weight=sky['area'])[0]
        answer = found.query(theta_e=theta_e)[0]
        assert_allclose([answer['completeness'], answer['lo'], answer['hi']],
                        [mean['completeness'], mean['lo'], mean['hi']], atol=4e-3)
        assert abs(answer['completeness'] - mean['completeness']) < 2e-3


def test_smooth_marginal_is_taken_once(smooth):
    found = marginalise(smooth, sky_of(), ['source_mag_r'])
    with pytest.raises(MeasurementError, match='average over all the axes at once'):
        marginalise(found, sky_of(), ['psfsize_r'])


@pytest.mark.parametrize('n', [1, 2, 50])
def test_smooth_marginal_of_few_rows_is_theirs(smooth, n):
    sky = sky_of(n)
    found = marginalise(smooth, sky, ['psfsize_r', 'source_mag_r'], weight='area')
    points = QTable({'theta_e': np.full(n, 1.4), 'psfsize_r': sky['psfsize_r'],
                     'source_mag_r': sky['source_mag_r']})
    mean = smooth.mean(points, weight=sky['area'])[0]['completeness']
    assert_allclose(found.query(theta_e=1.4)['completeness'], mean, atol=1e-9)


def test_draws_of_a_smooth_marginal_fill_its_interval(smooth, tmp_path):
    found = marginalise(smooth, sky_of(), ['source_mag_r'])
    points = {'theta_e': [0.8, 2.7], 'psfsize_r': 1.1}
    answer = found.query(**points)
    draws = found.sample(4000, np.random.default_rng(0), **points)
    assert_allclose(np.quantile(draws, [0.025, 0.975], axis=0), [answer['lo'], answer['hi']],
                    atol=0.02)
    whole = QTable({'theta_e': [0.8, 2.7], 'psfsize_r': [1.1, 1.1]})
    assert_allclose(found.mean(whole)[0]['completeness'], answer['completeness'].mean())
    save_selection(found, tmp_path / 'selection.npz')
    again = load_selection(tmp_path / 'selection.npz').query(**points)
    assert_array_equal(again['lo'], answer['lo'])


def test_average_of_what_has_no_number_is_refused():
    cells = CellPosterior(np.array([2, np.nan]), np.array([3, np.nan]), np.zeros((1, 2)),
                          np.ones(2))
    with pytest.raises(MeasurementError, match='1 of the cells to be averaged have no number'):
        cells.combine([[0.5, 0.5]])
    with pytest.raises(MeasurementError, match='none of the 2 points'):
        measure().mean(theta_e=[8.0, 9.0], psfsize_r=1.0)


def test_independent_cells_average_like_independent_numbers():
    a, b = beta_from_moments([0.2, 0.4], [0.01**2, 0.02**2])
    cells = CellPosterior(a, b, np.zeros((0, 2)), np.ones(2))
    assert_allclose(cells.combine([[1, 1]]).deviation, np.hypot(0.01, 0.02) / 2)
    shared = CellPosterior(a, b, np.ones((1, 2)), np.zeros(2))
    assert_allclose(shared.combine([[1, 1]]).deviation, 0.015)


# Injected and real

def test_comparison_finds_a_planted_difference_and_no_other():
    injected = measure(0, [THETA_E], n=6000)
    table = example_injections(6000, n_hosts=100, seed=5)
    table['score'][table['theta_e'].value > 2.5] = 0
    found = compare_selections(injected, measure_selection(table, threshold=0.5, by=[THETA_E]))
    assert list(found['differs']) == [False] * 4 + [True]
    last = found[-1]
    assert last['difference_lo'] > 0.5
    assert last['difference_lo'] < last['difference'] < last['difference_hi']


def test_difference_covers_zero_as_often_as_it_says():
    inside = []
    for seed in range(25):
        found = compare_selections(measure(seed, [THETA_E], n=1000, pool=False),
                                   measure(seed + 100, [THETA_E], n=300, pool=False))
        inside.append(~found['differs'])
    assert 0.9 < np.mean(inside) <= 1


def test_only_the_same_bins_are_compared(both):
    with pytest.raises(MeasurementError, match='need the same axes and bins; they have'):
        compare_selections(both, measure(by=[THETA_E]))


# Another population

def test_reweighted_injections_have_the_completeness_of_the_other_population():
    table = example_injections(40000, n_hosts=2000)
    drawn, target = {'theta_e': uniform(0.5, 2.5)}, {'theta_e': triang(0, 0.5, 2.5)}
    weights = importance_weights(table, drawn, target)
    assert_allclose(weights.mean(), 1, atol=0.02)
    found = reweighted_completeness(table, threshold=0.5, weights=weights, n_obs=100)[0]
    rng = np.random.default_rng(1)
    chosen = rng.choice(len(table), 200000, p=weights / weights.sum())
    wanted = table['truth'][chosen].mean()
    assert found['lo'] < wanted < found['hi']
    assert_allclose(found['completeness'], wanted, atol=0.02)


def test_effective_number_is_farrs():
    rng = np.random.default_rng(0)
    weights, detected = rng.exponential(size=1000), rng.random(1000) < 0.3
    n_eff, hosts = effective_injections(weights, detected)
    kept = weights[detected]
    assert n_eff == hosts == pytest.approx(kept.sum()**2 / (kept**2).sum())
    one = effective_injections(np.ones(100), np.ones(100, bool), group=np.arange(100) // 50)
    assert one[1] <= one[0] == 100


def test_hosts_that_carry_the_answer_count_once():
    detected = np.arange(1000) < 100
    n_eff, hosts = effective_injections(np.ones(1000), detected, group=np.arange(1000) // 100)
    assert n_eff == 100 and hosts < 2


def test_too_few_effective_injections_are_refused_with_numbers():
    table = example_injections(4000, n_hosts=4000)
    weights = np.where(np.arange(4000) < 40, 100.0, 0.01)
    n_eff, hosts = effective_injections(weights, table['score'] >= 0.5, group=table['host'])
    n_obs = int(hosts / 4) + 1
    with pytest.raises(MeasurementError, match=rf'{n_eff:.1f} effective.*{n_obs} observed lenses '
                                               rf'need more than {4 * n_obs} .Farr 2019'):
        reweighted_completeness(table, threshold=0.5, weights=weights, n_obs=n_obs)
    assert reweighted_completeness(table, threshold=0.5, weights=weights, n_obs=1)['n_eff'] == n_eff


def test_criterion_is_strict():
    table = QTable({'score': np.ones(40), 'host': np.arange(40)})
    with pytest.raises(MeasurementError, match='Farr'):
        reweighted_completeness(table, threshold=0.5, weights=np.ones(40), n_obs=10)
    assert reweighted_completeness(table, threshold=0.5, weights=np.ones(40), n_obs=9.9)['lo'] > 0.5


@pytest.mark.parametrize('drawn, target, match', [
    ({'theta_e': uniform(1, 1)}, {'theta_e': uniform(1, 1)}, 'cannot have been drawn'),
    ({'theta_e': uniform(0.5, 2.5)}, {'theta_e': norm(3, 1)}, '50.6 % of the target'),
    ({'theta_e': uniform(0.5, 2.5)}, {'source_mag_r': norm(3, 1)}, 'name the same columns'),
])
def test_populations_that_were_not_injected_are_refused(drawn, target, match):
    with pytest.raises(MeasurementError, match=match):
        importance_weights(example_injections(500, n_hosts=50), drawn, target)


def test_wrong_weights_are_refused():
    table = example_injections(50, n_hosts=50)
    for weights in (np.ones(49), np.zeros(50), np.full(50, np.nan)):
        with pytest.raises(MeasurementError, match='weights must be 50 finite numbers'):
            reweighted_completeness(table, threshold=0.5, weights=weights, n_obs=1)
