# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from scipy.stats import kstest

from lensfinder_audit.checks.alone import run_alone
from lensfinder_audit.measure.transfer import sky_halves, transfer_rows


def study(seed=0, n=3000, turned=False):
    """Completeness that falls with seeing; in the north it may rise."""
    rng = np.random.default_rng(seed)
    ra, dec, seeing = rng.uniform(150, 250, n), rng.uniform(-10, 30, n), rng.uniform(1, 1.8, n)
    slope = np.where(turned & (dec > np.median(dec)), 0.5, -0.5)
    return ra, dec, seeing, rng.random(n) < 0.5 + slope * (seeing - 1.4)


def test_halves_are_halves_also_across_zero():
    ra = np.array([350.0, 355, 5, 10, 359, 2])
    halves = sky_halves(ra, np.arange(6))
    assert all(side.sum() == 3 for side in halves.values())
    assert halves['east', 'west'].tolist() == [False, False, True, True, False, True]


def test_a_shared_trend_predicts_the_other_half():
    ra, dec, seeing, found = study()
    for row in transfer_rows(found, {'seeing': seeing}, sky_halves(ra, dec)):
        assert row['own'] <= row['deviance'] < row['constant'] and row['p_value'] > 0.01
        assert row['n'] == 1500


def test_a_trend_that_turns_does_not():
    ra, dec, seeing, found = study(turned=True)
    rows = transfer_rows(found, {'seeing': seeing}, sky_halves(ra, dec))
    assert [row['fitted_on'] for row in rows[:2]] == ['north', 'south']
    assert all(row['p_value'] < 1e-6 and row['deviance'] > row['constant'] for row in rows[:2])


def test_p_values_of_equal_halves_are_uniform():
    p = [transfer_rows(*(lambda ra, dec, seeing, found: (
        found, {'seeing': seeing}, {('a', 'b'): ra > 200}))(*study(seed, 600)))[0]['p_value']
        for seed in range(120)]
    assert kstest(p, 'uniform').pvalue > 0.01


def test_too_few_are_not_tested_and_missing_values_are_left_out():
    ra, dec, seeing, found = study(n=100)
    assert np.isnan(transfer_rows(found & (ra > 245), {'seeing': seeing}, sky_halves(ra, dec)
                                  )[0]['p_value'])
    ra, dec, seeing, found = study()
    seeing[::3] = np.nan
    rows = transfer_rows(found, {'seeing': seeing}, sky_halves(ra, dec))
    assert rows[0]['n'] + rows[1]['n'] == 2000


def test_objects_without_any_complete_row_are_not_tested():
    rows = transfer_rows(np.ones(5, bool), {'x': np.full(5, np.nan)},
                         {('north', 'south'): np.arange(5) < 2})
    assert [row['n'] for row in rows] == [0, 0] and np.isnan(rows[0]['p_value'])


@pytest.mark.parametrize('turned', [False, True])
def test_the_check_speaks_where_halves_differ(turned):
    ra, dec, seeing, found = study(turned=turned)
    rng, label = np.random.default_rng(1), np.arange(4000) < 3000
    table = QTable({'ra': np.append(ra, rng.uniform(150, 250, 1000)) * u.deg,
                    'dec': np.append(dec, rng.uniform(-10, 30, 1000)) * u.deg, 'label': label,
                    'psfsize_r': np.append(seeing, rng.uniform(1, 1.8, 1000)) * u.arcsec,
                    'score': np.append(np.where(found, 0.9, 0.1), rng.random(1000))})
    findings, tables = run_alone('sky-halves', table, thresholds=[0.5], score_kind='probability')
    assert len(findings) == turned
    assert set(tables['transfer']['rate']) == {'recovered fraction', 'false-positive rate'}
    if turned:
        assert 'otherwise in the' in findings['finding'][0]
        assert findings['severity'][0] == 'warning'
