# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A selection function answers what is true, and says when it is not entitled to."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, vstack
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from lensfinder_audit.exceptions import MeasurementError, TableError
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.cells import Grid
from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.selection_build import measure_selection, selection_from_counts
from lensfinder_audit.measure.selection_example import example_injections
from lensfinder_audit.tables import check_table

THETA_E = Axis('theta_e', (0.5, 1.0, 1.5, 2.0, 2.5, 3.0), unit='arcsec')
PSF = Axis('psfsize_r', (0.9, 1.2, 1.5, 1.8), unit='arcsec')
MAG = Axis('source_mag_r', (23, 24, 25, 26))
AXES = [THETA_E, PSF]


def measure(table=None, **options):
    table = example_injections(4000, n_hosts=100) if table is None else table
    return measure_selection(table, **{'threshold': 0.5, 'by': AXES, **options})


@pytest.fixture(scope='module')
def truth():
    """True completeness of each cell, over very many hosts."""
    table = example_injections(200000, n_hosts=200000, seed=9)
    cell = Grid(table, by=AXES).cell
    return np.bincount(cell, table['truth']) / np.bincount(cell)


@pytest.fixture(scope='module')
def binned():
    return measure()


@pytest.fixture(scope='module')
def smooth():
    return measure(example_injections(8000, n_hosts=300), method='smooth', by=[*AXES, MAG])


# The truth

@pytest.mark.parametrize('pool', [True, False])
def test_intervals_cover_the_analytic_surface(truth, pool):
    inside = []
    for seed in range(40):
        cells = measure(example_injections(3000, n_hosts=100, seed=seed), pool=pool).cells
        inside.append((cells['lo'] <= truth) & (truth <= cells['hi']))
    assert 0.92 < np.mean(inside) < 0.985


def test_average_covers_the_truth(truth):
    points = example_injections(2000, n_hosts=2000, seed=8)
    expected = truth[Grid(points, by=AXES).cell].mean()
    inside = []
    for seed in range(40):
        found = measure(example_injections(2000, n_hosts=100, seed=seed)).mean(points)[0]
        inside.append(found['lo'] <= expected <= found['hi'])
    assert np.sum(inside) >= 34


def test_pooling_narrows_the_intervals_and_stays_near(truth):
    table = example_injections(1500, n_hosts=150, seed=3)
    pooled, plain = measure(table).cells, measure(table, pool=False).cells
    assert np.median(pooled['hi'] - pooled['lo']) < 0.85 * np.median(plain['hi'] - plain['lo'])
    error = [np.abs(cells['estimate'] - truth).mean() for cells in (pooled, plain)]
    assert error[0] < error[1]


def test_smooth_function_recovers_the_truth_between_bins(smooth):
    points = example_injections(2000, n_hosts=2000, seed=7)
    answer = smooth.query(points)
    assert np.abs(answer['completeness'] - points['truth']).mean() < 0.03
    inside = (answer['lo'] <= points['truth']) & (points['truth'] <= answer['hi'])
    assert inside[answer['supported']].mean() > 0.85


def test_smooth_function_reports_its_check_on_unseen_hosts(smooth):
    check = smooth.meta['calibration']
    assert check['slope_lo'] < 1 < check['slope_hi']
    assert check['intercept_lo'] < 0 < check['intercept_hi']
    assert check['n_folds'] == 5 and 0.3 < check['brier_skill'] < 0.6
    assert check['deviation'] < 0.06


def test_check_finds_a_model_that_knows_its_hosts():
    """Each host has an axis value and an outcome of its own: there is nothing to learn."""
    rng = np.random.default_rng(0)
    host = np.repeat(np.arange(30), 100)
    table = QTable({'host': host, 'psf': rng.uniform(1, 2, 30)[host],
                    'score': (rng.random(30) < 0.5)[host].astype(float)})
    check = measure_selection(table, threshold=0.5, by=['psf'], method='smooth').meta['calibration']
    assert check['brier_skill'] < 0.1 and check['slope_lo'] < 0.8


# Numbers that are known

def test_without_pooling_cells_are_those_of_completeness(binned):
    table = example_injections(4000, n_hosts=100)
    found = measure(table, pool=False).cells
    wanted = completeness_table(table, threshold=0.5, by=AXES, group='host', n_resamples=0,
                                interval='jeffreys')
    for name in ('n', 'n_recovered', 'n_groups', 'n_eff', 'estimate', 'lo', 'hi'):
        assert_array_equal(found[name], wanted[name])
    assert_array_equal(binned.cells['fraction'], wanted['estimate'])


def test_one_cell_of_independent_rows_has_the_jeffreys_interval():
    table = QTable({'score': np.arange(112) < 100, 'x': np.ones(112)})
    found = measure_selection(table, threshold=0.5, by=[Axis('x', (0, 2))], group=None)
    answer = found.query(x=1.0)[0]
    assert_allclose([answer['lo'], answer['hi']], binomial_interval(100, 112, method='jeffreys'))
    assert answer['completeness'] == 100 / 112
    assert found.meta['interval'] == 'jeffreys'


def test_counts_are_read_as_rows():
    counts = QTable({'x': [0.5, 1.5, 2.5], 'n': [400, 600, 0], 'k': [40, 300, 0]})
    found = selection_from_counts(counts, n='n', recovered='k', by=[Axis('x', (0, 1, 2, 3))],
                                  pool=False)
    assert_array_equal(found.cells['n_recovered'], [40, 300, 0])
    assert_allclose(found.cells['estimate'], [0.1, 0.5, np.nan])
    assert list(found.cells['state']) == ['supported', 'supported', 'empty']
    assert 'lower bounds' in found.meta['caveat']


@pytest.mark.parametrize('k', [[-1, 0], [5, 11], [0.5, 1]])
def test_impossible_counts_are_named(k):
    counts = QTable({'x': [0.5, 1.5], 'n': [10, 10], 'k': k})
    with pytest.raises(MeasurementError, match='counts must be whole'):
        selection_from_counts(counts, n='n', recovered='k', by=['x'])


def test_union_and_both_of_two_finders_know_that_they_agree():
    table = example_injections(4000, n_hosts=100)
    table['other'] = np.where(np.arange(4000) % 10 == 0, 1.0, table['score'])
    limits = {'score': 0.5, 'other': 0.5}
    one = measure(table, pool=False).cells['n_recovered']
    either = measure(table, threshold=limits, combine='any', pool=False)
    both = measure(table, threshold=limits, combine='all', pool=False).cells['n_recovered']
    second = measure(table, score='other', pool=False).cells['n_recovered']
    assert_array_equal(both, one)
    assert_array_equal(either.cells['n_recovered'], one + second - both)
    assert either.meta['threshold'] == limits and either.meta['combine'] == 'any'


# What it is not entitled to

def test_empty_unsupported_and_supported_are_three_answers():
    table = example_injections(4000, n_hosts=100)
    few = np.asarray(table['psfsize_r'].value) > 1.5
    few &= ~np.isin(table['host'], np.unique(table['host'][few])[:3])
    table = table[~few & (table['psfsize_r'].value > 1.2)]
    found = measure(table)
    answer = found.query(theta_e=1.7, psfsize_r=[1.0, 1.4, 1.7, 2.5, np.nan])
    assert list(answer['state']) == ['empty', 'supported', 'unsupported', 'empty', 'unsupported']
    assert_array_equal(np.isfinite(answer['completeness']), [False, True, True, False, False])
    assert_array_equal(answer['supported'], [False, True, False, False, False])


def test_likelihood_refuses_points_without_a_supported_number(binned):
    with pytest.raises(MeasurementError, match='2 of 3 points have no supported number .2 empty'):
        binned.log_completeness(theta_e=[0.2, 1.2, 9.0], psfsize_r=1.3)
    found = binned.log_completeness(theta_e=[0.2, 1.2], psfsize_r=1.3, unsupported='nan')
    assert np.isnan(found[0]) and np.isfinite(found[1])
    with pytest.raises(MeasurementError, match="Did you mean 'use'"):
        binned.log_completeness(theta_e=1.2, psfsize_r=1.3, unsupported='us')


def test_rows_without_a_score_are_counted_and_left_out():
    table = example_injections(1000, n_hosts=50)
    table['score'][:30] = np.nan
    found = measure(table)
    assert found.meta['n_unscored'] == 30 and found.meta['n'] == 970


def test_arms_of_a_paired_design_are_not_mixed():
    table = example_injections(200, n_hosts=20)
    table['arm'] = np.where(np.arange(200) % 2, 'base', 'noise')
    with pytest.raises(MeasurementError, match=r"arms \['base', 'noise'\]"):
        measure(table)


@pytest.mark.parametrize('options, error, match', [
    ({'by': ['theta_f']}, TableError, "Did you mean 'theta_e'"),
    ({'by': ['theta_e'], 'bins': {'psf': [1, 2]}}, MeasurementError, r"bins of \['psf'\]"),
    ({'method': 'smoth'}, MeasurementError, "Did you mean 'smooth'"),
    ({'group': 'hosts'}, TableError, "Did you mean 'host'"),
    ({'threshold': {'score': 0.5, 'other': 0.9}}, TableError, "no column 'other'"),
    ({'combine': 'both'}, MeasurementError, "combine is 'any' or 'all'"),
])
def test_wrong_questions_are_named(options, error, match):
    with pytest.raises(error, match=match):
        measure(**options)


def test_smooth_function_needs_both_outcomes():
    with pytest.raises(MeasurementError, match='of 4000 0 are recovered'):
        measure(threshold=2.0, method='smooth')


@pytest.mark.parametrize('points, match', [
    ({'theta_e': 1.0}, "the axis 'psfsize_r' has no value"),
    ({'theta_e': 1.0, 'psfsize_r': 1.0, 'psfsiz_r': 1}, "Did you mean 'psfsize_r'"),
    ({'theta_e': [1.0, 2.0], 'psfsize_r': [1.0, 1.1, 1.2]}, 'one value or 3'),
    ({'theta_e': 1 * u.s, 'psfsize_r': 1.0}, "'theta_e' is in arcsec, the values given are in s"),
    ({'theta_e': 'wide', 'psfsize_r': 1.0}, "'theta_e' holds numbers; it was given"),
])
def test_wrong_points_are_named(binned, points, match):
    with pytest.raises(MeasurementError, match=match):
        binned.query(**points)


# Points

def test_units_tables_and_keywords_give_the_same_answer(binned):
    table = QTable({'theta_e': [0.7, 2.2] * u.arcsec, 'psfsize_r': [1.0, 1.6] * u.arcsec})
    wanted = binned.query(table)['completeness']
    assert_array_equal(binned.query(theta_e=[0.7, 2.2], psfsize_r=[1.0, 1.6])['completeness'],
                       wanted)
    milli = {'theta_e': [700, 2200] * u.mas}
    assert_array_equal(binned.query(table, **milli)['completeness'], wanted)
    assert binned.query(table).meta['interval'] == 'pooled beta posterior'


def test_magnitudes_are_derived_from_fluxes():
    table = example_injections(2000, n_hosts=50)
    wanted = measure(table, by=[MAG])
    flux = 10 ** ((22.5 - table['source_mag_r']) / 2.5)
    table.remove_column('source_mag_r')
    table['source_flux_r'] = flux * u.nmgy
    found = measure(table, by=[MAG])
    assert_allclose(found.cells['estimate'], wanted.cells['estimate'])
    table['magnification'] = 10.0
    assert_array_equal(measure(table, by=[Axis('lensed_mag_r', (20.5, 21.5, 22.5, 23.5))])
                       .cells['n'], wanted.cells['n'])


def test_classes_are_an_axis(rng=np.random.default_rng(2)):
    table = example_injections(2000, n_hosts=100)
    table['type'] = rng.choice(['SER', 'DEV'], 2000)
    table['score'][table['type'] == 'DEV'] = 0
    for method in ('binned', 'smooth'):
        answer = measure(table, by=['type', THETA_E], method=method).query(
            type=['DEV', 'SER', 'PSF'], theta_e=2.6)
        assert answer['completeness'][0] < 0.05 < 0.6 < answer['completeness'][1]
        assert answer['state'][2] == 'empty'


# Draws

def test_draws_have_the_intervals_of_the_query(binned):
    draws = binned.sample(4000, np.random.default_rng(0))
    cells = binned.cells
    assert_allclose(draws.mean(axis=0), cells['estimate'], atol=0.01)
    assert_allclose(np.quantile(draws, 0.025, axis=0), cells['lo'], atol=0.015)
    assert_allclose(np.quantile(draws, 0.975, axis=0), cells['hi'], atol=0.015)


def test_draws_at_points_are_those_of_their_cells(binned):
    every = binned.sample(5, np.random.default_rng(1))
    some = binned.sample(5, np.random.default_rng(1), theta_e=[1.2, 2.7, 7.0], psfsize_r=1.0)
    assert_allclose(some[:, :2], every[:, [3, 12]], rtol=1e-5)
    assert np.isnan(some[:, 2]).all()


def test_cells_that_share_hosts_move_together(binned):
    correlation = np.corrcoef(binned.sample(4000, np.random.default_rng(3)).T)
    same = [correlation[3 * i + k, 3 * j + k] for k in range(3) for i in range(5) for j in range(i)]
    other = [correlation[3 * i, 3 * j + 2] for i in range(5) for j in range(5)]
    assert np.mean(same) > 0.3 > np.mean(other)
    alone = measure(group=None, pool=False).sample(4000, np.random.default_rng(3))
    assert np.abs(np.corrcoef(alone.T) - np.eye(15)).max() < 0.08


def test_average_of_draws_is_the_average(binned):
    points = example_injections(500, seed=4)
    found = binned.mean(points)[0]
    draws = binned.sample(3000, np.random.default_rng(5), points).mean(axis=1)
    assert_allclose([draws.mean(), *np.quantile(draws, [0.025, 0.975])],
                    [found['completeness'], found['lo'], found['hi']], atol=0.008)


def test_smooth_average_of_draws_is_the_average(smooth):
    points = example_injections(300, seed=4)
    found = smooth.mean(points)[0]
    draws = smooth.sample(3000, np.random.default_rng(5), points, unsupported='use').mean(axis=1)
    assert_allclose([draws.mean(), *np.quantile(draws, [0.025, 0.975])],
                    [found['completeness'], found['lo'], found['hi']], atol=0.008)


def test_rank_of_the_truth_among_draws_is_uniform(truth):
    ranks = []
    for seed in range(40):
        found = measure(example_injections(1000, n_hosts=200, seed=100 + seed))
        draws = found.sample(200, np.random.default_rng(seed))
        ranks.append((draws[:, seed % 15] < truth[seed % 15]).mean())
    assert kstest(ranks, 'uniform').pvalue > 0.01


# Invariances

@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_order_and_scale_of_weights_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    table = example_injections(400, n_hosts=40, seed=seed % 7)
    table['w'] = rng.uniform(0.2, 1, 400)
    one = measure(table, weight='w').cells
    table['w'] *= 7
    other = measure(table[rng.permutation(400)], weight='w').cells
    for name in ('estimate', 'lo', 'hi', 'n_eff'):
        assert_allclose(one[name], other[name], rtol=1e-6, atol=1e-9)


@settings(max_examples=15)
@given(st.integers(1, 60), st.integers(1, 30), st.floats(0, 1), st.integers(0, 1000))
def test_answers_are_fractions_in_order(n, n_hosts, threshold, seed):
    found = measure(example_injections(n, n_hosts=n_hosts, seed=seed), threshold=threshold)
    cells = found.cells[found.cells['n'] > 0]
    assert ((0 <= cells['lo']) & (cells['lo'] <= cells['estimate'] + 1e-9)
            & (cells['estimate'] <= cells['hi'] + 1e-9) & (cells['hi'] <= 1)).all()
    draws = found.sample(3, np.random.default_rng(0))[:, found.cells['n'] > 0]
    assert ((draws >= 0) & (draws <= 1)).all()
    check_table(found.cells, 'selection_function')


def test_few_injections_that_all_agree_are_no_certainty():
    table = example_injections(8, n_hosts=8)
    found = measure(table, threshold=0.0)
    cells = found.cells[found.cells['n'] > 0]
    assert (cells['estimate'] > 0.8).all() and (cells['lo'] < 0.85).all()
    none = measure(table, threshold=1.0).cells
    assert (none['hi'][none['n'] > 0] > 0.15).all()


def test_copies_of_a_host_add_no_information():
    table = example_injections(600, n_hosts=60)
    once, thrice = measure(table, pool=False), measure(vstack([table] * 3), pool=False)
    width = [np.median(item.cells['hi'] - item.cells['lo']) for item in (once, thrice)]
    assert_allclose(width[1], width[0], rtol=0.12)
    naive = measure(vstack([table] * 3), pool=False, group=None)
    assert np.median(naive.cells['hi'] - naive.cells['lo']) < 0.75 * width[0]


def test_meta_names_what_made_it(binned):
    wanted = {'schema': 'selection_function', 'threshold': 0.5, 'cluster': 'host',
              'interval': 'pooled beta posterior', 'confidence': 0.95, 'min_groups': 10,
              'method': 'binned', 'simulated': True}
    assert wanted.items() <= binned.meta.items()
    assert len(binned.meta['injections']) == 64


# Real data

PUBLISHED = [Axis('psf_fwhm', tuple(np.arange(0.825, 1.9, 0.15).round(3)), unit=''),
             Axis('depth_5sig', (22.25, 22.75, 23.25, 23.75, 24.25, 24.75))]
RADII = Axis('theta_e', tuple(np.arange(0.375, 3.2, 0.25)))


@pytest.fixture(scope='module')
def grid(real_data):
    table = QTable.read(real_data / 'injection-grid' / 'selection_function.csv')
    table = table[(table['threshold'] == 0.3) & (table['source_mag_bin'] == 'all')]
    table['pool'] = [f'{row["psf_fwhm"]} {row["depth_5sig"]}' for row in table]
    return {name: table[name] for name in table.colnames}, table


def test_published_grid_has_its_marginal_completeness_and_its_peak(grid):
    found = selection_from_counts(grid[1], n='n_injections', recovered='n_detected', by=[RADII],
                                  threshold=0.3, pool=False)
    assert (found.meta['n_recovered'], found.meta['n']) == (5697, 110000)
    best = found.cells[np.argmax(found.cells['estimate'])]
    assert (best['theta_e_min'] + best['theta_e_max']) / 2 == 2.5
    assert best['estimate'] == 0.0833


def test_published_grid_rests_on_twenty_pools(grid):
    """Clustered by pool the interval of the margin is some ten times that of independent rows."""
    options = {'n': 'n_injections', 'recovered': 'n_detected', 'by': [RADII], 'pool': False}
    points = {'theta_e': np.arange(0.5, 3.1, 0.25)}
    naive = selection_from_counts(grid[1], **options).mean(**points)[0]
    found = selection_from_counts(grid[1], group='pool', **options)
    clustered = found.mean(**points)[0]
    assert set(found.cells['n_groups']) == {20}
    assert_allclose([naive['completeness'], clustered['completeness']], 5697 / 110000)
    assert_allclose(naive['hi'] - naive['lo'], 0.0026, atol=3e-4)
    assert 0.04 < clustered['hi'] - clustered['lo'] < 0.06


def test_published_grid_leaves_most_cells_empty(grid):
    found = selection_from_counts(grid[1], n='n_injections', recovered='n_detected',
                                  by=[RADII, *PUBLISHED])
    assert len(found.cells) == 385
    assert (found.cells['state'] == 'empty').sum() == 165
    pools = selection_from_counts(grid[1], n='n_injections', recovered='n_detected',
                                  by=PUBLISHED, group='pool')
    assert (pools.cells['state'] == 'unsupported').sum() == 20
    two = np.sort(pools.cells['n_recovered'])[-2:]
    assert two.sum() / 5697 == pytest.approx(0.32, abs=0.001)
