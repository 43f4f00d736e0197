# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError, TableError
from lensfinder_audit.measure.arc_match import match_weights


def tables(n=20000, m=400, seed=0):
    rng = np.random.default_rng(seed)
    made = QTable({'annulus_snr': rng.exponential(15, n), 'annulus_color': rng.normal(1, 0.5, n)})
    real = QTable({'annulus_snr': rng.gamma(9, 3, m), 'annulus_color': rng.normal(0.6, 0.3, m)})
    return made, real


def test_quantiles_become_those_of_the_lenses():
    made, real = tables()
    weights, cells = match_weights(made, real)
    order = np.argsort(made['annulus_snr'])
    cumulative = np.cumsum(weights[order]) / weights.sum()
    for level in (0.1, 0.5, 0.9):
        found = made['annulus_snr'][order][np.searchsorted(cumulative, level)]
        assert found == pytest.approx(np.quantile(real['annulus_snr'], level), rel=0.03)
    assert weights.mean() == pytest.approx(1)
    n_eff = weights.sum() ** 2 / (weights ** 2).sum()
    assert cells.meta['n_eff'] == pytest.approx(n_eff) and n_eff < len(made)
    assert (cells['n_lenses'] * 10 - 400 == 0).all()


def test_two_columns_are_matched_together():
    made, real = tables()
    weights, _ = match_weights(made, real, on=['annulus_snr', 'annulus_color'], n_cells=25)
    for name in made.colnames:
        assert np.average(made[name], weights=weights) == pytest.approx(np.mean(real[name]),
                                                                        rel=0.05)


def test_equal_distributions_need_no_weights():
    made, _ = tables()
    weights, cells = match_weights(made, made[::3])
    assert cells.meta['n_eff'] > 0.99 * len(made) and weights.std() < 0.05


def test_missing_values_get_no_weight_and_are_counted():
    made, real = tables()
    made['annulus_snr'][:100], real['annulus_snr'][:7] = np.nan, np.nan
    weights, cells = match_weights(made, real)
    assert (weights[:100] == 0).all() and cells.meta['n_lenses_without_value'] == 7


@pytest.mark.parametrize(('change', 'options', 'error', 'said'), [
    (lambda made, real: (made[:150], real), {}, MeasurementError,
     r'are worth \d+ equal ones, fewer than 100; inject more systems like them'),
    (lambda made, real: (made[made['annulus_snr'] < 20], real), {}, MeasurementError,
     r'\d+ of 400 lenses lie where there is no injection'),
    (lambda made, real: (made, real), {'min_eff': 1e6}, MeasurementError, 'fewer than 1e\\+06'),
    (lambda made, real: (made, real[:1]), {}, MeasurementError, '1 of 1 lenses have a value'),
    (lambda made, real: (made, real), {'on': 'annulus_snrr'}, TableError,
     "Did you mean 'annulus_snr'")])
def test_too_little_is_refused_with_numbers(change, options, error, said):
    with pytest.raises(error, match=said):
        match_weights(*change(*tables()), **options)
