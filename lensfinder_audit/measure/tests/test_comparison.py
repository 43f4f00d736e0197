# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from lensfinder_audit.exceptions import ConfigError, MeasurementError, TableError
from lensfinder_audit.measure.comparison import adjust_p_values, comparison_table
from lensfinder_audit.measure.delong import delong_test
from lensfinder_audit.measure.paired import mcnemar
from lensfinder_audit.paired_samples import compare_finders, join_scored

COUNTS = st.integers(0, 200)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.mark.parametrize('counts, method, p', [
    ((27, 6), 'exact', 3.2e-4), ((21, 3), 'exact', 2.8e-4), ((73, 28), 'chi-squared', 1.197e-5)])
def test_published_p_values(counts, method, p):
    assert mcnemar(*counts, method=method) == pytest.approx(p, rel=0.02)
    assert mcnemar(*counts, method='mid-p') < mcnemar(*counts)


@given(COUNTS, COUNTS)
def test_mcnemar_is_symmetric_and_exact(a, b):
    for method in ('exact', 'mid-p', 'chi-squared'):
        assert 0 <= mcnemar(a, b, method=method) <= 1
        assert mcnemar(a, b, method=method) == mcnemar(b, a, method=method)
    if a + b:
        assert mcnemar(a, b) == pytest.approx(binomtest(a, a + b).pvalue)


def test_mid_p_of_a_small_table():
    # 2 of 12: (1 + 12 + 66 / 2) / 2^12 on each side
    assert mcnemar(2, 10, method='mid-p') == pytest.approx(2 * (1 + 12 + 33) / 4096)


def test_unknown_method_names_the_nearest():
    with pytest.raises(MeasurementError, match="Did you mean 'mid-p'?"):
        mcnemar(1, 2, method='midp')


@given(P_VALUES)
def test_adjusted_p_values_keep_their_order_and_never_fall(p):
    for method in ('holm', 'benjamini-hochberg'):
        found = adjust_p_values(p, method=method)
        assert (found >= np.asarray(p) - 1e-15).all() and (found <= 1).all()
        assert (np.diff(found[np.argsort(p, kind='stable')]) >= -1e-12).all()
    assert (adjust_p_values(p) >= adjust_p_values(p, method='benjamini-hochberg') - 1e-12).all()


def test_adjusted_p_values_of_textbooks():
    p = [0.01, 0.02, 0.03, 0.04]
    assert_allclose(adjust_p_values(p), [0.04, 0.06, 0.06, 0.06])
    assert_allclose(adjust_p_values([*p, np.nan], method='benjamini-hochberg'),
                    [0.04, 0.04, 0.04, 0.04, np.nan])
    with pytest.raises(MeasurementError, match='1.5 does not'):
        adjust_p_values([0.1, 1.5])
    with pytest.raises(MeasurementError, match="Did you mean 'holm'?"):
        adjust_p_values([0.1], method='holmes')


def two_finders(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    label = np.arange(n) < n // 4
    core = rng.normal(2 * label, 1)
    return QTable({'object_id': np.arange(n).astype(str), 'label': label,
                   'a': core + rng.normal(0, 0.3, n), 'b': core + rng.normal(0, 1.5, n),
                   'group': np.arange(n) % 200})


def test_comparison_finds_the_better_finder_and_agrees_with_its_parts():
    table = two_finders()
    found = compare_finders(table, ['a', 'b'], fprs=[0.05], group='group', n_resamples=500)
    by = {row['statistic']: row for row in found}
    gain = by['recovered fraction']
    assert gain['difference'] > 0 and gain['lo'] > 0 and gain['p_adjusted'] < 1e-6
    assert gain['n_only_a'] - gain['n_only_b'] == round(gain['difference'] * gain['n'])
    assert by['false-positive rate']['difference'] == pytest.approx(0, abs=1e-3)
    test = delong_test(table['a'], table['b'], table['label'], group=table['group'])
    assert by['AUC']['p_value'] == test.p and by['AUC']['difference'] == test.difference


def test_a_finder_against_itself_is_no_difference():
    table = two_finders(400)
    table['c'] = table['a']
    found = compare_finders(table, ['a', 'c'], n_resamples=200)
    assert (found['difference'] == 0).all() and (found['p_adjusted'] == 1).all()


def test_ways_of_discovery_are_compared_apart():
    table = two_finders(400)
    table['discovery'] = np.where(np.arange(400) % 2, 'independent', 'earlier finder')
    found = compare_finders(table, ['a', 'b'], fprs=[0.1], n_resamples=200)
    assert found['sample'].tolist() == ['earlier finder', 'independent', 'negatives', 'all']


def test_weights_enter_the_fractions():
    table = two_finders(400)
    table['weight'] = np.where(table['a'] > 1, 3.0, 1.0)
    plain, heavy = (comparison_table(table, {'score >= 1': {'a': 1, 'b': 1}}, weight=weight,
                                     n_resamples=200) for weight in (None, 'weight'))
    lens = np.asarray(table['label'])
    expected = np.average((table['a'] >= 1)[lens], weights=table['weight'][lens])
    assert heavy['estimate_a'][0] == pytest.approx(expected)
    assert heavy['estimate_a'][0] > plain['estimate_a'][0]


def test_tables_are_joined_by_id():
    first, second = two_finders(100)[:80], two_finders(100)[20:]
    joined, finders = join_scored(first, second, (['a'], ['a', 'b']))
    assert finders == ['a_a', 'a_b', 'b'] and len(joined) == 60
    assert_allclose(joined['a_a'], joined['a_b'])
    assert joined.meta['n_only_first'] == joined.meta['n_only_second'] == 20


def test_tables_that_do_not_fit_are_refused():
    first, second = two_finders(40), two_finders(40)
    second['label'] = ~second['label']
    with pytest.raises(TableError, match='40 of 40 objects are lenses in one table'):
        join_scored(first, second, (['a'], ['b']))
    second['object_id'] = np.char.add('x', second['object_id'])
    with pytest.raises(TableError, match='no object_id is in both tables'):
        join_scored(first, second, (['a'], ['b']))
    with pytest.raises(ConfigError, match='needs two finders'):
        compare_finders(first, ['a'])
