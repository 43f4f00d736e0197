# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tests of the noise of added light."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, poisson

from lensfinder_audit import _shot_noise
from lensfinder_audit._shot_noise import add_with_noise

GAIN = np.array([2.0, 50.0])


def noisy(light, seed, host=0.0):
    out = np.empty_like(light)
    add_with_noise(np.full_like(light, host), light, GAIN, np.random.default_rng(seed), out)
    return out


@pytest.mark.parametrize('electrons', [0.02, 0.5, 4.9, 5.1, 40.0])
def test_electrons_of_dark_and_bright_pixels_are_poisson(electrons):
    light = np.broadcast_to((electrons / GAIN)[:, None, None], (2, 200, 200)).copy()
    counts = (noisy(light, 3) * GAIN[:, None, None]).round().astype(int)
    few, many = poisson(electrons).ppf([1e-3, 1 - 1e-3]).astype(int)
    edges = np.arange(few, many + 1)
    seen = np.bincount(np.clip(counts, few, many).ravel(), minlength=many + 1)[few:]
    share = poisson(electrons).pmf(edges)
    share[0], share[-1] = poisson(electrons).cdf(few), poisson(electrons).sf(many - 1)
    assert chi2(len(edges) - 1).sf((((seen - counts.size * share) ** 2)
                                    / (counts.size * share)).sum()) > 1e-3
    assert abs(np.corrcoef(counts[:, :, 1:].ravel(), counts[:, :, :-1].ravel())[0, 1]) < 0.02


@given(seed=st.integers(0, 2**32 - 1), level=st.floats(1e-4, 30))
@settings(max_examples=25, deadline=None)
def test_without_numba_the_numbers_are_the_same(seed, level):
    light = (level * np.random.default_rng(seed).exponential(size=(2, 9, 11)) ** 3
             ).astype(np.float32)
    light[:, 2:4], light[:, 5] = 0, -1
    compiled = noisy(light, seed, host=1.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_shot_noise, '_path', lambda: _shot_noise._Numpy)
        assert np.array_equal(noisy(light, seed, host=1.5), compiled)


def test_without_light_the_host_stays():
    host = np.random.default_rng(0).normal(size=(2, 5, 5)).astype(np.float32)
    host[0, 1, 1] = np.nan
    out = np.empty_like(host)
    add_with_noise(host, np.zeros_like(host), GAIN, np.random.default_rng(1), out)
    assert np.array_equal(out, host, equal_nan=True)


def test_arrivals_go_on_where_too_few_were_drawn():
    class Slow:
        """A generator whose distances are far too small at first."""

        def standard_exponential(self, size=None):
            return np.full(size, 1e-3) if size else 5.0

    found = _shot_noise._arrivals(7.0, Slow())
    assert found[-2] <= 7.0 < found[-1]
