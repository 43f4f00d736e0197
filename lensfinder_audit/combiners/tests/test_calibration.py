# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from lensfinder_audit.combiners.calibration import Beta, Isotonic, Platt, Temperature
from lensfinder_audit.exceptions import InputFileError, MeasurementError, TableError

ALL = [Platt, Isotonic, Beta, Temperature]


def sample(n=20000, *, share=0.5, separation=2.0, seed=0):
    """Scores of two normal distributions, of which the true log odds are known."""
    rng = np.random.default_rng(seed)
    lens = rng.random(n) < share
    score = rng.normal(separation * (lens - 0.5), 1)
    return score, lens, separation * score + logit(share)


def fitted(cls, score, lens, **options):
    return cls.fit(score, lens, score_kind='logit', **options)


@pytest.mark.parametrize('cls', ALL)
def test_known_log_odds_are_found(cls):
    score, lens, truth = sample(share=0.5)
    found = fitted(cls, score, lens)
    assert_allclose(found(score[:, None]), expit(truth), atol=0.1 if cls is Isotonic else 0.03)


def test_platt_finds_slope_and_intercept_of_normal_classes():
    score, lens, _ = sample(100000, share=0.2, separation=1.5)
    found = fitted(Platt, score, lens).parameters
    assert_allclose([found['slope'], found['intercept']], [1.5, logit(0.2)], rtol=0.03)


def test_stated_prevalence_moves_the_probability_by_its_odds():
    score, lens, truth = sample(50000, share=0.5)
    found = fitted(Platt, score, lens, prevalence=1e-3)
    assert found.record['prevalence'] == 1e-3
    assert_allclose(logit(found(score[:, None])), truth + logit(1e-3), atol=0.15)


def test_weights_stand_for_repeated_rows():
    score, lens, _ = sample(400)
    weight = np.where(lens, 3, 1)
    repeated = np.repeat(np.arange(400), weight)
    for cls in (Isotonic, Beta, Temperature):
        first = fitted(cls, score, lens, weight=weight)(score[:, None])
        assert_allclose(first, fitted(cls, score[repeated], lens[repeated])(score[:, None]),
                        rtol=1e-5)


def test_beta_leaves_calibrated_probabilities_alone():
    p = np.random.default_rng(1).random(100000)
    lens = np.random.default_rng(2).random(100000) < p
    found = Beta.fit(p, lens).parameters
    assert_allclose([found['a'], found['b'], found['c']], [1, 1, 0], atol=0.07)


def test_beta_never_falls():
    """Most lenses at a middling score: without its bound the curve would turn."""
    p = np.concatenate([np.full(100, 0.5), np.full(90, 0.01), np.full(20, 0.99), [0.001]])
    lens = np.concatenate([np.ones(90), np.zeros(10), np.zeros(90), np.ones(10), np.zeros(10), [1]])
    found = Beta.fit(p, lens)
    assert 0 in (found.parameters['a'], found.parameters['b'])
    assert (np.diff(found(np.linspace(0, 1, 50)[:, None])) >= 0).all()


@pytest.mark.parametrize('cls, method', [(Platt, 'sigmoid'), (Isotonic, 'isotonic'),
                                         (Temperature, 'temperature')])
def test_as_scikit_learn_does_it(cls, method):
    score, lens, _ = sample(3000)
    model = LogisticRegression().fit(score[:, None], lens)
    odds = model.decision_function(score[:, None])
    try:
        theirs = CalibratedClassifierCV(FrozenEstimator(model), method=method).fit(
            score[:, None], lens).predict_proba(score[:, None])[:, 1]
    except ValueError as error:
        pytest.skip(f'this scikit-learn has no {method}: {error}')
    assert_allclose(fitted(cls, odds, lens)(odds[:, None]), theirs, atol=2e-3)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(ALL), st.floats(0.05, 0.95))
def test_probabilities_lie_in_range_and_keep_the_order(seed, cls, share):
    score, lens, _ = sample(300, share=share, separation=1.0, seed=seed)
    lens[:2] = True, False
    try:
        found = fitted(cls, score, lens)
    except MeasurementError:  # no rising curve
        return
    p = found(np.sort(score)[:, None])
    assert (p >= 0).all() and (p <= 1).all() and (np.diff(p) >= -1e-12).all()


def test_isotonic_ends_at_its_sample():
    found = Isotonic.fit([0.2, 0.4, 0.6], [False, True, True])
    assert_allclose(found([[0.0], [1.0]]), [0, 1])


def test_ranks_have_platt_and_isotonic_only():
    score, lens, _ = sample(200)
    for cls in (Platt, Isotonic):
        cls.fit(score, lens, score_kind='rank')
    with pytest.raises(TableError, match='ranks have no log odds; .* first .platt, isotonic.'):
        Beta.fit(score, lens, score_kind='rank')


def test_bad_samples_say_what_is_wrong():
    with pytest.raises(MeasurementError, match='of 3 rows 3 are lenses'):
        Platt.fit([0.1, 0.2, 0.3], [1, 1, 1])
    with pytest.raises(MeasurementError, match='is the score upside down'):
        fitted(Platt, np.arange(20.), np.arange(20) < 10)
    with pytest.raises(MeasurementError, match='no non-lens scores above a lens'):
        Temperature.fit([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    with pytest.raises(TableError, match=r"score 'cnn': 1 of 2 values are outside \[0, 1\].*row 1"):
        Platt.fit([0.1, 1.5], [0, 1], finder='cnn')
    with pytest.raises(MeasurementError, match='prevalence must lie between 0 and 1, not 1'):
        Platt.fit([0.1, 0.5], [0, 1], prevalence=1.0)


def test_numbers_of_a_file_are_checked():
    with pytest.raises(InputFileError, match="platt: its parameter 'slope' is missing"):
        Platt(['a'], parameters={'intercept': 1.0})
    with pytest.raises(InputFileError, match='its steps do not rise'):
        Isotonic(['a'], parameters={'score': [0, 1.], 'probability': [1., 0]})
    with pytest.raises(InputFileError, match='temperature: it must be above 0'):
        Temperature(['a'], parameters={'temperature': -1.0})
