# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.probability import (labelled_sample, prevalence_weights,
                                                  shift_prevalence, to_probability)

FRACTION = st.floats(1e-6, 1 - 1e-6)


def test_probabilities_pass_and_logits_are_transformed():
    assert_allclose(to_probability([0, 0.3, 1]), [0, 0.3, 1])
    assert_allclose(to_probability([-1000, 0, 1000], 'logit'), [0, 0.5, 1])


@pytest.mark.parametrize(('score', 'kind', 'message'), [
    ([1.2, 0.4, -3], 'probability', '2 of 3 scores do not, the first is 1.2'),
    ([1, 2], 'rank', 'a rank has no probability until it is calibrated'),
    ([1, np.nan], 'logit', '1 of 2 scores are NaN, the first in row 1'),
    ([1], 'logits', "Did you mean 'logit'"),
])
def test_scores_that_are_no_probability_are_named(score, kind, message):
    with pytest.raises(MeasurementError, match=message):
        to_probability(score, kind)


@given(FRACTION, FRACTION, FRACTION)
def test_a_prior_shift_goes_there_and_back(p, first, second):
    there = shift_prevalence(p, first, second)
    assert_allclose(shift_prevalence(there, second, first), p, rtol=1e-6)


def test_a_prior_shift_is_bayes_theorem():
    density = np.array([0.7, 0.2, 0.1]), np.array([0.05, 0.15, 0.8])  # of three scores, by class
    posterior = [pi * density[0] / (pi * density[0] + (1 - pi) * density[1]) for pi in (0.4, 1e-3)]
    assert_allclose(shift_prevalence(posterior[0], 0.4, 1e-3), posterior[1])
    assert_allclose(shift_prevalence([0, 1], 0.4, 1e-3), [0, 1])


@given(st.lists(st.floats(0.01, 100), min_size=4, max_size=30), FRACTION)
def test_weights_bring_the_sample_to_the_prevalence_and_keep_its_total(weight, prevalence):
    label = np.arange(len(weight)) % 3 == 0
    found = prevalence_weights(label, weight=weight, prevalence=prevalence)
    assert_allclose(found[label].sum() / found.sum(), prevalence, rtol=1e-9)
    assert_allclose(found.sum(), np.sum(weight), rtol=1e-9)
    ratio = found[~label] / np.asarray(weight)[~label]
    assert_allclose(ratio, ratio[0])


def test_without_a_prevalence_weights_stay():
    assert_allclose(prevalence_weights([1, 0, 0]), 1)


@pytest.mark.parametrize('prevalence', [0, 1, -0.1, np.nan])
def test_an_impossible_prevalence_is_refused(prevalence):
    with pytest.raises(MeasurementError, match='between 0 and 1; it is'):
        prevalence_weights([1, 0], prevalence=prevalence)


@pytest.mark.parametrize(('label', 'weight', 'message'), [
    ([1, 1], None, '0 are non-lenses'),
    ([0, 1], [1, 0], '1 are lenses, of total weight 0'),
    ([0, 2], None, r'the column holds \[0, 2\]'),
    ([0, 1], [1, -1], '1 of 2 weights are negative or not finite, the first in row 1'),
    ([0, 1, 1], None, '2 rows need 2 labels'),
])
def test_a_sample_that_carries_no_calibration_is_named(label, weight, message):
    with pytest.raises(MeasurementError, match=message):
        labelled_sample([0.1, 0.2], label, weight=weight)
