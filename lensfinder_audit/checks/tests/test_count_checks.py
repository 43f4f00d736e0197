# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder_audit.checks.counts import count_checks, counted
from lensfinder_audit.checks.statistics import matching_intervals, name_interval
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.exceptions import MeasurementError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.measure.counts import fit_monotone, pools_against_model, total_intervals
from lensfinder_audit.measure.intervals import INTERVALS, binomial_interval

COUNTS = ['--counts', 'n_injections,n_detected', '--where', 'source_mag_bin=all', '--falls',
          'psf_fwhm', '--rises', 'depth_5sig']


def pools(seed=0, spoiled=1.0, n=2000):
    """Pools whose fraction falls with the PSF and rises with depth; one of them is spoiled."""
    rng = np.random.default_rng(seed)
    psf, depth = (item.ravel() for item in np.meshgrid(np.arange(5.0), np.arange(4.0)))
    odds = -2 - 0.3 * psf + 0.4 * depth + np.where((psf == 2) & (depth == 1), np.log(spoiled), 0)
    k = rng.binomial(n, 1 / (1 + np.exp(-odds)))
    return {'psf': psf, 'depth': depth}, k, np.full(len(k), n)


def test_monotone_fit_is_isotonic_regression_on_one_axis():
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(0)
    k, n = rng.integers(10, 90, 12), np.full(12, 100)
    wanted = IsotonicRegression().fit_transform(np.arange(12), k / n, sample_weight=n)
    assert_allclose(fit_monotone(k, n, [np.arange(12)], [1]).expected, wanted, atol=2e-4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=3, max_size=8), st.sampled_from([1, -1]))
def test_fitted_fractions_only_rise_or_fall_and_keep_the_total(counts, sign):
    n = np.full(len(counts), 50)
    fit = fit_monotone(counts, n, [np.arange(len(counts))], [sign])
    assert (sign * np.diff(fit.expected) > -1e-9).all()
    assert (fit.expected * n).sum() == pytest.approx(sum(counts), abs=0.2)


def test_pools_that_follow_their_conditions_are_quiet():
    for seed in range(5):
        axes, k, n = pools(seed)
        table = pools_against_model(k, n, axes, {'psf': -1, 'depth': 1})
        assert table.meta['dispersion'] < 2.5 and table['pull'].max() < 4


def test_a_spoiled_pool_stands_out_whatever_the_order_of_rows():
    axes, k, n = pools(spoiled=3)
    order = np.random.default_rng(1).permutation(len(k))
    for rows in (slice(None), order):
        table = pools_against_model(k[rows], n[rows], {name: item[rows] for name, item in
                                                       axes.items()}, {'psf': -1, 'depth': 1})
        assert (table['psf'][0], table['depth'][0]) == (2, 1)
        assert table.meta['dispersion'] > 10 and table['pull'][0] > 3
    with pytest.raises(MeasurementError, match="rises or falls along 'depth'"):
        pools_against_model(k, n, axes, {'psf': -1})


def test_intervals_of_the_total_grow_with_the_scatter():
    axes, k, n = pools(spoiled=3)
    table = total_intervals(k, n, 9.0)
    width = table['hi'] - table['lo']
    assert width[1] == pytest.approx(3 * width[0], rel=0.02) and width[2] > width[1]
    assert table['n_eff'][1] == pytest.approx(n.sum() / 9)


@pytest.mark.parametrize('method', INTERVALS)
@pytest.mark.parametrize('digits', [2, 3, 5])
def test_every_interval_is_named_from_its_rounded_ends(method, digits):
    k, n = np.array([0, 3, 100, 250, 400]), np.array([40, 50, 112, 300, 400])
    ends = np.round(binomial_interval(k, n, method=method), digits)
    table = matching_intervals(k, n, *ends)
    agree = dict(zip(table['interval'], table['n_agree'], strict=True))
    assert agree[method] == 5 and (digits == 2 or max(agree, key=agree.get) == method)


def test_no_method_is_named_where_none_agrees():
    table = name_interval(100, 112, 0.80, 0.95, digits=2)
    assert not table['agrees'].any()
    done = run('check', 'interval', 100, 112, '0.80', '0.97')
    assert done.stdout.splitlines()[-1] == (
        '[0.8, 0.97] for 100 of 112 is none of these at 95 %')


def test_what_is_no_interval_is_refused(tmp_path):
    assert 'K lies between 0 and N' in refusal(tmp_path, 'check', 'interval', 12, 10, 0.1, 0.2)
    assert 'LOW below HIGH' in refusal(tmp_path, 'check', 'interval', 5, 10, 0.7, 0.2)
    assert 'lies between 0 and 1; it is 5' in refusal(tmp_path, 'check', 'fpr', 5)


def test_counts_that_are_none_are_refused(tmp_path):
    table = QTable({'n': [10, 10], 'k': [3, 12], 'x': [0.5, 1.0]})
    with pytest.raises(TableError, match=r'1 rows have more detections \(k\) than injections'):
        counted(table, 'n', 'k')
    with pytest.raises(TableError, match="column 'x' holds no counts"):
        counted(table, 'x', 'k')
    write_whole(table[:1], tmp_path / 'a.csv')
    for options, words in ((['--counts', 'n'], '--counts takes two columns'),
                           (['--counts', 'n,k', '--rises', 'z'], "'z'"),
                           (['--counts', 'n,k', '--n-negatives', 5], 'needs the rate')):
        assert words in refusal(tmp_path, 'check', 'counts', tmp_path / 'a.csv', *options)


def test_bins_that_a_filter_hides_are_shown():
    cells = QTable({'bin': ['bright'] * 4 + ['faint'] * 4, 'n': [5, 4, 3, 6] + [200] * 4,
                    'n_recovered': [3, 2, 3, 4] + [5] * 4, 'ok': [False] * 4 + [True] * 4})
    tables, found = count_checks(cells, by=['bin'], flag='ok')
    assert tables['hidden_cells']['value'].tolist() == ['bright']
    assert 'together 18 with 12 detections: 0.667' in found[0].finding
    assert [item.check for item in found[1:]] == ['not known'] * 2


@pytest.fixture
def published(real_data):
    return real_data / 'injection-grid' / 'selection_function.csv'


def test_published_grid_is_reproduced_at_every_threshold(published, tmp_path):
    done = run('check', 'counts', published, *COUNTS, '--each', 'threshold', '--by', 'theta_e',
               '--published', 'ci95_lo,ci95_hi', '-o', tmp_path / 'out')
    assert done.exit_code == 1, done.stderr
    table = read_table(tmp_path / 'out' / 'completeness.ecsv')
    whole = table[table['axis'] == 'all']
    assert whole['n_recovered'].tolist() == [5697, 4570, 3705, 3184, 514]
    rows = table[(table['axis'] == 'theta_e') & (table['threshold'] == 0.3)]
    assert rows['value'][np.argmax(rows['estimate'])] == '2.5'
    assert max(rows['estimate']) == pytest.approx(0.0833)
    grid = read_table(published)
    one = grid[(grid['source_mag_bin'] == 'all') & (grid['n_injections'] > 0)]
    named = read_table(tmp_path / 'out' / 'intervals_named.ecsv')
    assert len(one) == 1100
    assert dict(zip(named['interval'], named['n_agree'], strict=True)) == {
        'wilson': 0, 'jeffreys': 1100, 'clopper-pearson': 0, 'normal (Wald)': 0}


def test_published_grid_shows_its_pools_by_itself(published, tmp_path):
    done = run('check', 'counts', published, *COUNTS, '--where', 'threshold=0.3', '--by', 'theta_e',
               '--fpr', '1e-4', '--n-negatives', '50000', '-o', tmp_path / 'out')
    words = ' '.join(done.stdout.split())
    assert 'the pool at psf_fwhm 1.2, depth_5sig 23.5 detects 18.8%' in words
    assert 'at psf_fwhm 1.05, depth_5sig 24, under better conditions, it is 6.1%' in words
    assert '2 of 20 pools hold 32% of the detections' in words
    assert '165 of 385 rows of the table hold no injection' in words
    assert 'rests on 5 of them' in words and 'not known on how many host galaxies' in words
    table = read_table(tmp_path / 'out' / 'count_totals.ecsv')
    assert_allclose([table['lo'], table['hi']], [[0.0505, 0.0400, 0.0330],
                                                 [0.0531, 0.0659, 0.0772]], atol=5e-5)
    assert read_table(tmp_path / 'out' / 'count_pools.ecsv').meta['dispersion'] == pytest.approx(
        97.7, abs=0.1)


def test_published_grid_hides_its_brightest_bin(published):
    done = run('check', 'counts', published, *COUNTS[:2], '--where', 'threshold=0.3', '--by',
               'source_mag_bin', '--shown', 'sufficient')
    assert 'every cell of source_mag_bin lensed_18-20 is left out by sufficient' in ' '.join(
        done.stdout.split())
    assert 'together 109 with 63 detections: 0.578' in ' '.join(done.stdout.split())


def test_candidates_and_grid_share_axes_and_no_supported_cell(real_data, published, tmp_path):
    regions, bins = real_data / 'survey-conditions', '0.825,0.975,1.125,1.275,1.425,1.575,1.725'
    maps, real, made = (tmp_path / name for name in ('maps.fits', 'real.npz', 'made.npz'))
    run('conditions', 'map', regions / 'dr10_regions_bricks.csv', '--join',
        regions / 'dr10_regions_psf_depth_ebv.csv', '--on', 'region_id', '--nside', 64, '--area',
        'area_deg2', '--column', 'psf_fwhm=median_psf_r_arcsec', '-o', maps)
    done = run('conditions', 'at', maps, real_data / 'scores' / 'candidate_scores_storfer.csv',
               '--ra', 'RA', '--dec', 'DEC', '-o', tmp_path / 'storfer.ecsv')
    assert 'psf_fwhm: known for 228 of 1,895 rows' in done.stdout
    shared = ['--by', 'psf_fwhm', '--bins', f'psf_fwhm={bins}', '--threshold', 0.3, '--no-pool']
    run('selection', 'build', published, *COUNTS[:4], '--where', 'threshold=0.3', '--group',
        'psf_fwhm,depth_5sig', *shared, '-o', made)
    run('selection', 'build', tmp_path / 'storfer.ecsv', *shared, '--score', 'our_p_resnet', '-o',
        real)
    done = run('selection', 'compare', made, real, '-o', tmp_path / 'compare.ecsv')
    assert '0 of 6 cells are supported in both' in done.stdout
    assert 'of its own; rename it, or the map' in refusal(
        tmp_path, 'conditions', 'at', maps, tmp_path / 'storfer.ecsv', '--ra', 'RA', '--dec', 'DEC',
        '-o', 'x.ecsv')
