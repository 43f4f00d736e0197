# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.isotonic import IsotonicRegression

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.probability import scale_odds
from lensfinder_audit.measure.score_to_probability import isotonic_levels, score_to_probability
from lensfinder_audit.tables import check_table


def gaussian_sample(seed=0, n_lenses=500, n=20500, *, shift=3.0):
    """Scores whose log odds of lens to rest are shift * score - shift^2 / 2."""
    label = np.arange(n) < n_lenses
    return np.random.default_rng(seed).normal(shift * label), label


def truth(score, prevalence, shift=3.0):
    odds = prevalence / (1 - prevalence) * np.exp(shift * np.asarray(score) - shift**2 / 2)
    return odds / (1 + odds)


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.floats(0.1, 10)), min_size=1,
                max_size=50))
def test_the_regression_is_that_of_scikit_learn(rows):
    score, label, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    levels, fraction = isotonic_levels(score, label, weight)
    other = IsotonicRegression().fit(score, label, weight)
    assert_allclose(fraction, other.predict(levels), atol=1e-9)


def test_the_band_holds_the_truth():
    grid, held = np.array([2.0, 3, 3.5, 5]), []
    for seed in range(25):
        table = score_to_probability(*gaussian_sample(seed), prevalence=1e-3, score_kind='rank',
                                     grid=grid, n_resamples=100, seed=seed)
        held.append((table['lo'] <= truth(grid, 1e-3)) & (truth(grid, 1e-3) <= table['hi']))
    assert np.mean(held) > 0.9
    assert np.mean(held, axis=0).min() > 0.8


def test_the_prevalence_moves_the_odds():
    score, label = gaussian_sample()
    options = {'score_kind': 'logit', 'grid': [1, 2, 3], 'n_resamples': 50}
    one = score_to_probability(score, label, prevalence=0.1, **options)
    two = score_to_probability(score, label, prevalence=1e-4, **options)
    odds = (1e-4 / 0.9999) / (0.1 / 0.9)
    # an isotonic fit keeps its blocks when the odds move together
    for name in ('probability', 'purity_above', 'purity_above_lo', 'purity_above_hi'):
        assert_allclose(two[name], scale_odds(one[name], odds), rtol=1e-6)


def test_without_a_negative_above_nothing_bounds_it_from_above():
    score, label = gaussian_sample()
    score = np.where(label, score, np.minimum(score, 3.0))
    row = score_to_probability(score, label, prevalence=0.01, score_kind='rank', grid=[4],
                               n_resamples=50)[0]
    above = row['n_positives_above']
    assert row['n_negatives_above'] == 0 and row['state'] == 'unsupported'
    low = binomial_interval(above, above, method='clopper-pearson')[0]
    assert_allclose(row['purity_above_lo'], scale_odds(low, 0.01 / 0.99 * 20000 / 500))
    assert row['lo'] <= row['purity_above_lo'] < row['probability'] == row['hi'] == 1


def test_without_a_lens_below_nothing_bounds_it_from_below():
    score, label = gaussian_sample()
    score = np.where(label, np.maximum(score, 1.0), score)
    row = score_to_probability(score, label, prevalence=0.01, score_kind='rank', grid=[0],
                               n_resamples=50)[0]
    assert row['lo'] == 0 and row['hi'] > 0
    assert row['state'] == 'unsupported' and row['n_positives_below'] == 0


def test_a_score_above_all_is_empty():
    row = score_to_probability(*gaussian_sample(), prevalence=0.01, score_kind='rank', grid=[99],
                               n_resamples=50)[0]
    assert row['state'] == 'empty' and np.isnan([row['probability'], row['lo'], row['hi']]).all()


def test_the_default_grid_holds_stated_probabilities_and_the_saturated_block():
    rng = np.random.default_rng(0)
    label = np.arange(5000) < 1895
    score = np.where(label, rng.beta(4, 1, 5000), rng.beta(1, 4, 5000))
    score[:119] = 1.0
    table = score_to_probability(score, label, prevalence=0.01, n_resamples=50)
    check_table(table, 'score_to_probability')
    assert np.isin([0.5, 0.9, 0.99, 0.999, 1.0], table['score']).all()
    assert table['n_positives_above'][-1] == 119
    assert (np.diff(table['probability']) >= 0).all()
    assert ((table['lo'] <= table['probability']) & (table['probability'] <= table['hi'])).all()
    assert table.meta['prevalence'] == 0.01


@pytest.mark.parametrize('kind', ['rank', 'logit', 'probability'])
def test_any_kind_of_score_gives_the_same_answer(kind):
    score, label = gaussian_sample()
    change = {'rank': lambda x: 5 * x + 2, 'logit': lambda x: x,
              'probability': lambda x: 1 / (1 + np.exp(-x))}[kind]
    options = {'prevalence': 1e-3, 'n_resamples': 50}
    table = score_to_probability(change(score), label, score_kind=kind,
                                 grid=change(np.array([1.0, 2.0, 3.0])), **options)
    plain = score_to_probability(score, label, score_kind='rank', grid=[1, 2, 3], **options)
    for name in ('probability', 'lo', 'hi', 'n_negatives_above'):
        assert_allclose(table[name], plain[name])


def test_row_order_weight_scale_and_duplicates_do_not_matter():
    score, label = gaussian_sample(n_lenses=100, n=3000)
    order = np.random.default_rng(1).permutation(3000)
    options = {'prevalence': 1e-3, 'score_kind': 'rank', 'grid': [2, 3], 'n_resamples': 200}
    one = score_to_probability(score, label, **options)
    scaled = score_to_probability(score[order], label[order], weight=np.full(3000, 0.3), **options)
    doubled = score_to_probability(np.tile(score, 2), np.tile(label, 2),
                                   group=np.tile(np.arange(3000), 2), **options)
    for other in (scaled, doubled):
        assert_allclose(other['probability'], one['probability'])
    assert_allclose(doubled['n_negative_groups_above'], one['n_negatives_above'])
    assert_allclose(np.log(doubled['hi'] / doubled['lo']), np.log(one['hi'] / one['lo']), rtol=0.2)


@pytest.mark.parametrize(('score', 'options', 'message'), [
    ([0.1, 0.9], {'prevalence': 0}, 'a prevalence is the fraction of lenses'),
    ([0.1, 1.9], {'prevalence': 0.1}, '1 of 2 scores do not'),
    ([0.1, np.nan], {'prevalence': 0.1}, '1 of 2 scores are NaN'),
])
def test_what_cannot_be_calibrated_is_named(score, options, message):
    with pytest.raises(MeasurementError, match=message):
        score_to_probability(score, [0, 1], **options)


def test_there_is_no_default_prevalence():
    with pytest.raises(TypeError, match='prevalence'):
        score_to_probability([0.1, 0.9], [0, 1])
