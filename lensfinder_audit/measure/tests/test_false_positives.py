# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.false_positives import false_positive_table
from lensfinder_audit.tables import check_table

# False positives and negatives of a ResNet-18 at score > 0.5, published without an interval.
RESNET_18 = {'edge-on': (44, 5929), 'ring': (4, 1752), 'large': (3, 1031), 'blue clumpy': (0, 690)}


def negatives(counts):
    return QTable({'score': np.concatenate([(np.arange(n) < k) * 1. for k, n in counts.values()]),
                   'confuser_class': np.repeat(list(counts), [n for _, n in counts.values()]),
                   'label': np.zeros(sum(n for _, n in counts.values()), bool)})


def test_published_families_get_their_exact_intervals():
    found = false_positive_table(negatives(RESNET_18), threshold=0.5, by='confuser_class',
                                 n_resamples=200)
    check_table(found, 'false_positives')
    for row in found:
        k, n = RESNET_18[row['confuser_class']]
        assert (row['n_recovered'], row['n'], row['n_eff']) == (k, n, n)
        exact = binomtest(k, n).proportion_ci(method='exact')
        assert_allclose((row['exact_lo'], row['exact_hi']), exact, rtol=1e-6)
        assert row['upper'] < row['exact_hi']
    assert found['estimate'][1] == pytest.approx(0.00742, abs=1e-5)


def test_none_of_690_has_a_one_sided_bound_and_no_bootstrap():
    row = false_positive_table(negatives({'blue clumpy': (0, 690)}), threshold=0.5,
                               n_resamples=200)[0]
    assert_allclose((row['exact_hi'], row['upper']), (0.00533, 0.00433), atol=5e-6)
    assert (row['boot_lo'], row['boot_hi'], row['sides']) == (0, 0, 1)


@pytest.mark.parametrize('k, n', [(41, 52670), (51, 9402)])
def test_published_negative_classes(k, n):
    row = false_positive_table(negatives({'all': (k, n)}), threshold=0.5, n_resamples=200)[0]
    assert row['estimate'] == k / n and row['sides'] == 2
    assert_allclose((row['boot_lo'], row['boot_hi']), (row['lo'], row['hi']), rtol=0.15)


def test_negated_labels_turn_completeness_into_the_false_positive_rate():
    from lensfinder_audit.measure.completeness import completeness_table
    table = negatives(RESNET_18)
    first = false_positive_table(table, threshold=0.5, n_resamples=200)
    table['label'] = ~table['label']
    second = completeness_table(table, threshold=0.5, n_resamples=200)
    for name in ('n', 'n_recovered', 'n_eff', 'estimate', 'lo', 'hi', 'boot_lo', 'boot_hi'):
        assert_allclose(first[name], second[name])


def test_lenses_are_left_out():
    table = negatives({'none': (5, 100)})
    table['label'][:5] = True
    assert false_positive_table(table, threshold=0.5, n_resamples=100)['n_recovered'][0] == 0


def test_stratified_sample_is_weighted_to_the_population():
    # 100 drawn from each of two strata of 1,000 and 99,000 negatives
    table = negatives({'rare': (50, 100), 'common': (1, 100)})
    table['weight'] = np.repeat([10., 990.], 100)
    row = false_positive_table(table, threshold=0.5, weight='weight', stratum='confuser_class',
                               n_resamples=500)[0]
    assert row['estimate'] == pytest.approx((50 * 10 + 990) / 1e5)
    assert row['lo'] < 0.0149 < row['hi'] and row['n_eff'] < 200


def test_sample_without_negatives_is_refused():
    table = negatives({'none': (0, 3)})
    table['label'] = True
    with pytest.raises(MeasurementError, match='no negative among the 3 rows'):
        false_positive_table(table, threshold=0.5)
