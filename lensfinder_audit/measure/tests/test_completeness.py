# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import MeasurementError, TableError
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.tables import check_table


def lenses(k, n, **columns):
    return QTable({'score': (np.arange(n) < k) * 1., **columns})


@pytest.mark.parametrize('interval, ends', [
    ('wilson', (0.822, 0.938)), ('jeffreys', (0.826, 0.940)), ('clopper-pearson', (0.820, 0.943))])
def test_published_completeness_of_100_in_112(interval, ends):
    found = completeness_table(lenses(100, 112), threshold=0.5, interval=interval, n_resamples=200)
    check_table(found, 'completeness')
    assert (found['n'][0], found['n_recovered'][0]) == (100 + 12, 100)
    assert_allclose((found['lo'][0], found['hi'][0]), ends, atol=5e-4)
    assert found.meta['interval'] == interval and found.meta['threshold'] == 0.5


def test_8_of_10_lenses():
    found = completeness_table(lenses(8, 10), threshold=0.5, n_resamples=200)
    assert_allclose((found['lo'][0], found['hi'][0]), (0.490, 0.943), atol=5e-4)


def test_score_at_the_threshold_is_recovered():
    table = QTable({'score': [0.5] * 20})
    assert completeness_table(table, threshold=0.5, n_resamples=100)['estimate'][0] == 1
    assert completeness_table(table, threshold=np.nextafter(0.5, 1),
                              n_resamples=100)['estimate'][0] == 0


def test_negatives_are_left_out():
    table = lenses(8, 10, label=np.arange(10) < 5)
    found = completeness_table(table, threshold=0.5, n_resamples=100)
    assert (found['n'][0], found['n_recovered'][0]) == (5, 5)
    assert found['hi'][0] == 1 and found['lo'][0] < 1


def test_tiers_are_never_pooled():
    table = lenses(30, 60, tier=['A', 'B'] * 30, nobs=np.arange(60) % 3)
    found = completeness_table(table, threshold=0.5, sample='tier', by='nobs', n_resamples=100)
    assert found['tier'].tolist() == ['A'] * 3 + ['B'] * 3
    assert found['n'].tolist() == [10] * 6


def test_two_axes_make_a_surface():
    table = lenses(30, 60, nobs=np.arange(60) % 2, seeing=np.linspace(1, 2, 60))
    found = completeness_table(table, threshold=0.5, n_resamples=100,
                               by=['nobs', Axis('seeing', edges=(1, 1.5, 2))])
    assert found.meta['axes'] == ['nobs', 'seeing']
    assert found['n_recovered'].tolist() == [15, 0, 15, 0]


def test_what_cannot_be_measured_is_said():
    with pytest.raises(MeasurementError, match='no lens among the 3 rows: completeness needs rows'):
        completeness_table(lenses(1, 3, label=np.zeros(3, bool)), threshold=0.5)
    with pytest.raises(TableError, match="no column 'scor'. Did you mean 'score'?"):
        completeness_table(lenses(1, 3), threshold=0.5, score='scor')
