# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.stats import binom_conf_interval
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binom, binomtest

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import (INTERVALS, binomial_interval,
                                                percentile_interval)

METHOD = st.sampled_from(list(INTERVALS))
COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(('method', 'low', 'high'), [
    ('wilson', 0.822, 0.938), ('jeffreys', 0.826, 0.940), ('clopper-pearson', 0.820, 0.943)])
def test_100_of_112_by_name(method, low, high):
    assert_allclose(binomial_interval(100, 112, method=method), [low, high], atol=5e-4)


def test_none_of_690_has_an_upper_bound():
    two = binomial_interval(0, 690, method='clopper-pearson')
    one = binomial_interval(0, 690, method='clopper-pearson', sides=1)
    assert_allclose(two, [0, 0.00533], atol=5e-6)
    assert_allclose(one, [0, 0.00433], atol=5e-6)


@given(COUNTS, st.sampled_from([0.68, 0.95, 0.999]))
def test_exact_interval_is_that_of_scipy(counts, confidence):
    other = binomtest(*counts).proportion_ci(confidence, method='exact')
    found = binomial_interval(*counts, method='clopper-pearson', confidence=confidence)
    assert_allclose(found, [other.low, other.high], rtol=1e-9, atol=1e-12)


@given(COUNTS, st.sampled_from(['wilson', 'jeffreys']))
def test_the_others_are_those_of_astropy(counts, method):
    k, n = counts
    other = binom_conf_interval(k, n, confidence_level=0.95, interval=method)
    other = np.where([k == 0, k == n], [0, 1], other)
    assert_allclose(binomial_interval(k, n, method=method), other, rtol=1e-6, atol=1e-9)


@given(COUNTS, METHOD)
def test_the_estimate_is_inside_and_failures_mirror_successes(counts, method):
    k, n = counts
    lo, hi = binomial_interval(k, n, method=method)
    assert 0 <= lo <= k / n <= hi <= 1
    mirrored = binomial_interval(n - k, n, method=method)
    assert_allclose((1 - mirrored[1], 1 - mirrored[0]), (lo, hi), atol=1e-9)


@given(COUNTS, METHOD)
def test_one_sided_bounds_lie_inside_and_confidence_widens(counts, method):
    lo, hi = binomial_interval(*counts, method=method)
    one = binomial_interval(*counts, method=method, sides=1)
    wide = binomial_interval(*counts, method=method, confidence=0.99)
    assert lo <= one[0] and one[1] <= hi
    assert wide[0] <= lo and hi <= wide[1]


def test_the_exact_interval_covers_at_every_fraction():
    k = np.arange(41)
    lo, hi = binomial_interval(k, 40, method='clopper-pearson')
    for p in np.linspace(0.01, 0.99, 99):
        assert binom.pmf(k, 40, p)[(lo <= p) & (p <= hi)].sum() >= 0.95


def test_fractional_counts_lie_between_whole_ones():
    ends = [binomial_interval(k, 20, method='clopper-pearson') for k in (3, 3.5, 4)]
    assert (np.diff(ends, axis=0) > 0).all()


def test_no_trials_have_no_interval():
    lo, hi = binomial_interval([0, 1], [0, 2])
    assert np.isnan([lo[0], hi[0]]).all() and np.isfinite([lo[1], hi[1]]).all()


@pytest.mark.parametrize(('arguments', 'message'), [
    ({'k': 1, 'n': 2, 'method': 'wilso'}, "Did you mean 'wilson'"),
    ({'k': 1, 'n': 2, 'confidence': 95}, 'they are 95 and 2'),
    ({'k': 1, 'n': 2, 'sides': 3}, 'they are 0.95 and 3'),
    ({'k': [1, 5, -1], 'n': 4}, '2 do not, the first is 5 of 4'),
])
def test_what_has_no_interval_is_named(arguments, message):
    with pytest.raises(MeasurementError, match=message):
        binomial_interval(**arguments)


def test_percentiles_leave_out_draws_without_the_statistic():
    draws = np.column_stack([np.arange(101.0), np.full(101, np.nan), np.arange(101.0)])
    draws[:50, 2] = np.nan
    lo, hi = percentile_interval(draws, confidence=0.9)
    assert_allclose(lo, [5, np.nan, 52.5])
    assert_allclose(hi, [95, np.nan, 97.5])
    assert_allclose(percentile_interval(draws.T, confidence=0.9, axis=1), [lo, hi])
