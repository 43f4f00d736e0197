# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure import calibration
from lensfinder_audit.measure.calibration import calibration_table
from lensfinder_audit.measure.calibration_error import ERRORS, ks_error
from lensfinder_audit.measure.calibration_fit import calibration_fits, fit_logistic
from lensfinder_audit.measure.reliability import reliability_table
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.tables import check_table


def sample(seed=0, n=8000, *, slope=1.0, shape=(0.1, 1.5)):
    """Draw labels from true probabilities, and state probabilities of another slope."""
    rng = np.random.default_rng(seed)
    true = np.clip(rng.beta(*shape, n), 1e-12, 1 - 1e-12)
    return expit(logit(true) / slope), rng.random(n) < true


def by_name(probability, label, **options):
    options = {'n_resamples': 300, **options}
    table = check_table(calibration_table(probability, label, **options), 'calibration')
    return {row['statistic']: row for row in table}


def test_a_calibrated_finder_has_slope_one_and_no_error_beyond_chance():
    found = by_name(*sample(1, n=30000))
    for name, value in (('calibration slope', 1), ('calibration intercept', 0),
                        ('calibration in the large', 0), ('mean bias', 0)):
        assert found[name]['lo'] < value < found[name]['hi']
    for name in ERRORS:
        assert found[name]['p_value'] > 0.05
        assert found[name]['lo'] == 0
        assert found[name]['estimate'] < found[name]['null_hi']


def test_a_planted_slope_is_recovered_and_rejected():
    found = by_name(*sample(n=30000, slope=0.7))
    slope = found['calibration slope']
    assert slope['lo'] < 0.7 < slope['hi'] and slope['hi'] - slope['lo'] < 0.1
    for name in ('ECE', 'ECE of positives'):
        assert found[name]['p_value'] < 0.01 and found[name]['lo'] > 0


@pytest.mark.parametrize('grouped', [False, True])
def test_p_values_of_calibrated_finders_are_uniform(grouped, monkeypatch):
    monkeypatch.setattr(calibration, 'N_NULL', 300)
    values = []
    for seed in range(30):
        probability, label = sample(seed, n=600)
        group = np.arange(600)
        if grouped:
            probability, label, group = (np.tile(x, 3) for x in (probability, label, group))
        found = by_name(probability, label, group=group, n_resamples=5, seed=seed)
        values.append([found[name]['p_value'] for name in ERRORS])
    mean = np.mean(values, axis=0)
    assert (np.abs(mean - 0.5) < 4 / np.sqrt(12 * 30)).all()
    assert (np.mean(np.array(values) < 0.05, axis=0) < 0.2).all()


def test_errors_are_their_definitions():
    probability, label = sample(3, n=2000)
    weight = np.random.default_rng(4).uniform(0.5, 3, 2000)
    found = by_name(probability, label, weight=weight, n_bins=6)
    table = reliability_table(probability, label, weight=weight, n_bins=6, n_resamples=0)
    ece = lenses = greatest = 0.0
    for low, high in zip(table['score_min'], table['score_max'], strict=True):
        rows = (probability >= low) & (probability < high if high < 1 else probability <= 1)
        gap = abs(np.average(probability[rows] - label[rows], weights=weight[rows]))
        ece += weight[rows].sum() / weight.sum() * gap
        lenses += (weight * label)[rows].sum() / (weight * label).sum() * gap
        greatest = max(greatest, gap)
    assert_allclose([found[name]['estimate'] for name in ERRORS[:3]], [ece, lenses, greatest])


def test_the_ks_error_is_its_definition_with_ties_and_weights():
    rng = np.random.default_rng(0)
    probability, label = rng.integers(0, 11, 80) / 10, rng.random(80) < 0.4
    weight = rng.uniform(0.5, 2, 80)
    brute = max(abs((weight * (label - probability))[probability <= s].sum())
                for s in probability) / weight.sum()
    assert_allclose(ks_error(probability, label, weight), brute)
    assert_allclose(by_name(probability, label, weight=weight)['KS calibration error']['estimate'],
                    brute)


def test_proper_scores_are_those_of_scikit_learn():
    probability, label = sample(1, n=2000)
    weight = np.random.default_rng(1).uniform(0.5, 3, 2000)
    found = by_name(probability, label, weight=weight, clip=1e-9)
    brier = brier_score_loss(label, probability, sample_weight=weight)
    clipped = np.clip(probability, 1e-9, 1 - 1e-9)
    rate = np.average(label, weights=weight)
    assert_allclose(found['Brier score']['estimate'], brier)
    assert_allclose(found['Brier skill score']['estimate'], 1 - brier / (rate * (1 - rate)))
    assert_allclose(found['log loss']['estimate'], log_loss(label, clipped, sample_weight=weight))
    assert found['log loss']['n_clipped'] == (clipped != probability).sum()


def test_slope_and_intercept_are_those_of_scikit_learn():
    probability, label = sample(2, n=3000, slope=1.6)
    weight = np.random.default_rng(1).uniform(0.5, 3, 3000)
    fit, _, note = calibration_fits(probability, label, weight)
    stated = logit(np.clip(probability, 2**-25, 1 - 2**-25))[:, None]
    other = LogisticRegression(C=1e10, tol=1e-10, max_iter=1000).fit(stated, label, weight)
    assert_allclose(fit.coefficients, [other.intercept_[0], other.coef_[0, 0]], rtol=1e-4)
    assert note == ''


def test_the_sandwich_of_a_constant_is_the_binomial_error():
    label = np.arange(400) < 100
    fit = fit_logistic(np.ones((400, 1)), label, np.full(400, 2.0))
    assert_allclose(fit.coefficients, logit(0.25))
    assert_allclose(fit.covariance, [[1 / (400 * 0.25 * 0.75) * 400 / 399]])


def test_triplicated_rows_of_one_group_change_no_fit():
    probability, label = sample(2, n=600)
    once = by_name(probability, label)
    thrice = by_name(np.tile(probability, 3), np.tile(label, 3), group=np.tile(np.arange(600), 3))
    for name in ('calibration slope', 'calibration intercept', 'calibration in the large'):
        assert_allclose([thrice[name][end] for end in ('estimate', 'lo', 'hi')],
                        [once[name][end] for end in ('estimate', 'lo', 'hi')], rtol=1e-6)


def test_row_order_and_weight_scale_do_not_matter():
    probability, label = sample(5, n=1500)
    weight = np.random.default_rng(1).uniform(0.5, 3, 1500)
    order = np.random.default_rng(2).permutation(1500)
    once = by_name(probability, label, weight=weight)
    for other in (by_name(probability, label, weight=0.01 * weight),
                  by_name(probability[order], label[order], weight=weight[order])):
        for name, row in once.items():
            assert_allclose(other[name]['estimate'], row['estimate'], rtol=1e-6, atol=1e-9)


def test_a_weight_of_two_is_two_rows():
    probability, label = sample(6, n=800)
    weighted = by_name(probability, label, weight=np.where(label, 2.0, 1.0), n_bins=2)
    twice = np.append(np.arange(800), np.flatnonzero(label))
    repeated = by_name(probability[twice], label[twice], n_bins=2)
    for name, row in repeated.items():
        assert_allclose(weighted[name]['estimate'], row['estimate'], rtol=1e-6, atol=1e-9)


def test_every_prevalence_comes_from_the_same_draws():
    probability, label = sample(7, n=3000)
    both = calibration_table(probability, label, prevalence=[None, 1e-3], n_resamples=200)
    for value in (None, 1e-3):
        rows = both[both['at'] == ('sample' if value is None else 'stated')]
        alone = calibration_table(probability, label, prevalence=value, n_resamples=200)
        for name in ('estimate', 'lo', 'hi', 'prevalence'):
            assert_allclose(rows[name], alone[name])
    assert_allclose(both['prevalence'][-1], 1e-3)
    bias = both[both['statistic'] == 'mean bias']['estimate']
    rate = 1e-3 * probability[label].mean() + 0.999 * probability[~label].mean()
    assert_allclose(bias[1], rate - 1e-3)


def test_equal_mass_bins_hide_what_bins_of_lenses_show():
    rng = np.random.default_rng(8)
    n_lenses, n = 1000, 94000  # 93 negatives per lens
    label = np.arange(n) < n_lenses
    # half of what scores 0.02 and half of what scores 0.98 are lenses
    probability = rng.uniform(0, 1e-7, n)
    high = np.append(np.arange(n_lenses), n_lenses + np.arange(n_lenses))
    probability[high] = np.where(high % 2, 0.02, 0.98)
    equal = np.unique(np.quantile(probability, np.linspace(0, 1, 16)))
    equal[[0, -1]] = 0, 1
    naive = by_name(probability, label, bins=equal)
    ours = by_name(probability, label)
    assert naive['MCE']['estimate'] < 0.02
    assert naive['ECE']['p_value'] > 0.05
    assert ours['MCE']['estimate'] > 0.4
    assert ours['ECE of positives']['estimate'] > 0.4
    assert ours['ECE']['p_value'] < 0.001


def test_saturated_probabilities_are_clipped_and_counted():
    rng = np.random.default_rng(9)
    probability = np.append(np.ones(119), rng.uniform(0, 1, 1776))
    label = np.append(np.ones(119), rng.random(1776) < probability[119:]).astype(bool)
    label[0] = False
    found = by_name(probability, label)
    assert found['log loss']['n_clipped'] == 119
    assert np.isfinite([found[name]['estimate'] for name in found]).all()


@pytest.mark.parametrize(('probability', 'note'), [
    ([0.1, 0.2, 0.8, 0.9], 'no non-lens scores above a lens'),
    ([0.9, 0.8, 0.2, 0.1], 'no lens scores above a non-lens'),
    ([0.3, 0.3, 0.3, 0.3], 'every probability is the same'),
])
def test_a_separated_sample_has_no_slope_and_says_why(probability, note):
    slope = by_name(probability, [0, 0, 1, 1])['calibration slope']
    assert np.isnan(slope['estimate']) and note in slope['note']


def test_draws_can_be_shared_and_repeat_by_seed():
    probability, label = sample(1, n=500)
    shared = Resampler(500, n_resamples=100, seed=3)
    one = calibration_table(probability, label, resampler=shared, seed=3)
    two = calibration_table(probability, label, n_resamples=100, seed=3)
    for name in ('lo', 'hi', 'p_value'):
        assert_allclose(one[name], two[name])


@pytest.mark.parametrize(('options', 'message'), [
    ({'bins': 'zoom'}, 'must hold every row'),
    ({'prevalence': [None, 2]}, 'between 0 and 1; it is 2'),
    ({'probability': [0.1, np.nan, 0.3]}, '1 of 3 scores are NaN'),
    ({'probability': [0.1, 1.3, 0.3]}, "say score_kind='logit'"),
    ({'label': [1, 1, 1]}, '0 are non-lenses'),
    ({'n_resamples': 0}, 'needs rows and resamples'),
])
def test_what_cannot_be_measured_is_named(options, message):
    arguments = {'probability': [0.1, 0.2, 0.95], 'label': [0, 1, 1], **options}
    with pytest.raises(MeasurementError, match=message):
        calibration_table(arguments.pop('probability'), arguments.pop('label'), **arguments)


def test_fit_that_does_not_converge_is_a_note():
    table = calibration_table([0.999, 0, 0.999], np.array([1, 1, 0], bool),
                              weight=[1, 1e-6, 1e-6], n_resamples=100)
    fits = table[[name.startswith('calibration') for name in table['statistic']]]
    assert np.isnan(fits['estimate']).all() and 'did not converge' in fits['note'][0]
    assert np.isfinite(table['estimate'][table['statistic'] == 'Brier score']).all()
