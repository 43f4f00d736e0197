# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.contamination import corrected_rate, hidden_lenses
from lensfinder_audit.measure.label_noise import purity_bounds

SHARE = st.floats(0, 1)


def sample(hidden, *, n=20000, width=4, seed=0):
    rng = np.random.default_rng(seed)
    lens = np.arange(n) < 1000 + hidden
    score = rng.normal(np.where(lens, 0.5, -0.5) * width**2 - 3, width)
    return score, lens & (np.arange(n) >= hidden)


def test_hidden_lenses_are_counted():
    found = [hidden_lenses(*sample(38, seed=seed)) for seed in range(10)]
    truth = 38 / 19000
    assert np.mean([item.lo <= truth <= item.hi for item in found]) > 0.8
    assert np.mean([item.fraction for item in found]) == pytest.approx(truth, rel=0.15)
    assert max(item.p for item in found) < 1e-3


def test_none_are_invented():
    found = [hidden_lenses(*sample(0, seed=seed)) for seed in range(25)]
    assert np.mean([item.lo > 0 for item in found]) < 0.15
    assert np.mean([item.p < 0.05 for item in found]) < 0.2
    assert max(item.fraction for item in found) < 1e-3


def test_a_monotone_scale_and_infinite_scores_are_taken():
    score, label = sample(38)
    first, second = hidden_lenses(score, label), hidden_lenses(2 * score + 1, label)
    assert first.fraction == pytest.approx(second.fraction, rel=0.05)
    score[np.argmax(score)] = np.inf
    assert hidden_lenses(score, label).fraction == pytest.approx(first.fraction, rel=0.05)


def test_too_few_lenses_are_refused():
    with pytest.raises(MeasurementError, match='need 20 labelled lenses and a negative; there are '
                                               '5 and 95'):
        hidden_lenses(np.arange(100.0), np.arange(100) < 5)


@given(SHARE, SHARE, st.floats(0, 0.5))
def test_correction_undoes_the_mixture(fpr, tpr, fraction):
    mixed = (1 - fraction) * fpr + fraction * tpr
    assert corrected_rate(mixed, tpr, fraction) == pytest.approx(fpr, abs=1e-9)


@given(SHARE, SHARE, st.floats(0.05, 1), st.floats(0.05, 1), SHARE)
def test_bounds_hold_the_completeness_they_were_made_from(completeness, impostor, a, b, width):
    purity = min(a, b), max(a, b)
    true = (purity[0] + purity[1]) / 2
    fraction = true * completeness + (1 - true) * impostor
    lo, hi = purity_bounds(fraction, fraction, purity, impostors=(impostor * width,
                                                                  impostor))
    assert lo - 1e-9 <= completeness <= hi + 1e-9


def test_known_purity_of_one_changes_nothing():
    assert purity_bounds(0.3, 0.5, (1, 1)) == (0.3, 0.5)
    with pytest.raises(MeasurementError, match='the smaller first, and above 0; it is'):
        purity_bounds(0.3, 0.5, (0.9, 0.1))
