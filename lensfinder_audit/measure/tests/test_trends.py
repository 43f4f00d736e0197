# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tests of trends where there are too many rows to fit them all."""
import numpy as np

from lensfinder_audit.measure.trends import trend_test


def test_many_failures_are_thinned_without_moving_the_slope(monkeypatch):
    rng = np.random.default_rng(3)
    seeing, host = rng.normal(size=60000), rng.integers(0, 3000, 60000)
    success = rng.random(60000) < 0.02 * np.exp(0.3 * seeing)
    whole = trend_test(success, seeing, group=host)
    monkeypatch.setattr('lensfinder_audit.measure.trends._MOST', 15000)
    thin = trend_test(success, seeing, group=host)
    assert thin['n'] == whole['n'] and thin['n_success'] == whole['n_success']
    assert abs(thin['slope'] - whole['slope']) < whole['slope_se']
    assert whole['slope_se'] < thin['slope_se'] < 1.15 * whole['slope_se']
