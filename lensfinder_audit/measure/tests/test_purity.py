# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.purity import purity_table
from lensfinder_audit.tables import check_table


def sample(true, lenses, false, negatives):
    label = np.arange(lenses + negatives) < lenses
    rank = np.where(label, np.arange(len(label)), np.arange(len(label)) - lenses)
    return QTable({'score': (rank < np.where(label, true, false)) * 1., 'label': label})


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 500), st.integers(0, 500),
       st.floats(1e-6, 0.9))
def test_purity_is_bayes_theorem(lenses, true, negatives, false, prevalence):
    true, false = min(true, lenses), min(false, negatives)
    found = purity_table(sample(true, lenses, false, negatives), threshold=0.5,
                         prevalence=prevalence, n_resamples=100)
    check_table(found, 'purity')
    above = prevalence * true / lenses
    below = (1 - prevalence) * false / negatives
    if above + below == 0:
        assert np.isnan(found['estimate'][0])
        return
    assert_allclose(found['estimate'][0], above / (above + below))
    assert found['lo'][0] <= found['estimate'][0] <= found['hi'][0]


def test_no_false_positive_leaves_a_lower_bound():
    row = purity_table(sample(80, 100, 0, 10000), threshold=0.5, prevalence=1e-3)[0]
    assert row['estimate'] == row['hi'] == 1 and row['sides'] == 1
    assert 0.5 < row['lo'] < 1


def test_prevalence_of_the_sample_makes_purity_a_count():
    row = purity_table(sample(8, 10, 2, 90), threshold=0.5, prevalence=0.1, search_size=1000,
                       n_resamples=200)[0]
    assert_allclose((row['estimate'], row['expected_selected'], row['expected_lenses']),
                    (0.8, 100, 80))


def test_cells_share_the_prevalence_by_their_objects():
    table = sample(50, 100, 10, 1000)
    table['type'] = np.where(np.arange(1100) % 2 == 0, 'SER', 'DEV')
    found = purity_table(table, threshold=0.5, prevalence=0.01, by='type', search_size=1e6,
                         n_resamples=200)
    whole = purity_table(table, threshold=0.5, prevalence=0.01, search_size=1e6, n_resamples=200)
    for name in ('expected_selected', 'expected_lenses', 'n_true', 'n_false'):
        assert_allclose(found[name].sum(), whole[name].sum())


def test_weights_of_one_class_only_matter_within_it():
    table = sample(50, 100, 10, 1000)
    plain = purity_table(table, threshold=0.5, prevalence=0.01, n_resamples=200)
    table['weight'] = np.where(table['label'], 1., 37.)
    weighted = purity_table(table, threshold=0.5, prevalence=0.01, weight='weight', n_resamples=200)
    assert_allclose(weighted['estimate'], plain['estimate'])


@pytest.mark.parametrize('prevalence', [0, 1, -1, np.nan])
def test_prevalence_must_be_a_fraction(prevalence):
    with pytest.raises(MeasurementError, match='a prevalence lies between 0 and 1; it is'):
        purity_table(sample(1, 2, 1, 2), threshold=0.5, prevalence=prevalence)


def test_one_class_is_not_enough():
    table = sample(1, 2, 1, 2)
    table['label'] = True
    with pytest.raises(MeasurementError, match='needs lenses and negatives; 4 of 4 rows are '
                                               'lenses'):
        purity_table(table, threshold=0.5, prevalence=0.1)
