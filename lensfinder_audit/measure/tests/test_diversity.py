# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import pearsonr, spearmanr

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.diversity import (budget_selections, discovery_sets, diversity_table,
                                                found_by, threshold_selections)

QUICK = {'n_resamples': 100}


def pair(both, first, second, neither):
    """Two columns that are right on so many objects, all of them lenses."""
    a = np.repeat([1, 1, 0, 0], [both, first, second, neither]).astype(bool)
    b = np.repeat([1, 0, 1, 0], [both, first, second, neither]).astype(bool)
    return {'a': a, 'b': b}


def measured(right, **options):
    label = np.ones(len(right['a']), bool)
    table = diversity_table(right, label, {'cut': right}, **{**QUICK, **options})
    return {row['statistic']: row for row in table}


@pytest.mark.parametrize('counts, q, disagreement, double_fault', [
    ((40, 10, 10, 40), 15 / 17, 0.2, 0.4),      # by hand
    ((25, 25, 25, 25), 0.0, 0.5, 0.25),         # independent
    ((60, 0, 10, 30), 1.0, 0.1, 0.3),           # one is right wherever the other is
    ((0, 50, 50, 0), -1.0, 1.0, 0.0)])          # each where the other is not
def test_known_tables(counts, q, disagreement, double_fault):
    found = measured(pair(*counts))
    assert_allclose([found[name]['estimate'] for name in ('Q', 'disagreement', 'double fault')],
                    [q, disagreement, double_fault])


def test_q_does_not_exist_where_nothing_is_wrong():
    found = measured(pair(50, 0, 0, 0))
    assert np.isnan(found['Q']['estimate']) and found['disagreement']['estimate'] == 0
    assert np.isnan(found['correlation']['estimate'])


@settings(max_examples=15)
@given(st.tuples(*[st.integers(0, 30)] * 4).filter(lambda counts: sum(counts) > 1))
def test_statistics_keep_their_range_and_know_no_order_of_finders(counts):
    right = pair(*counts)
    first, second = measured(right), measured({'a': right['b'], 'b': right['a']})
    for name, row in first.items():
        assert_allclose(row['estimate'], second[name]['estimate'], atol=1e-12)
        assert np.isnan(row['estimate']) or -1 <= row['estimate'] <= 1
    assert_allclose(first['disagreement']['estimate'] + first['double fault']['estimate'],
                    1 - counts[0] / sum(counts))


def test_correlations_are_those_of_scipy_on_each_class():
    rng = np.random.default_rng(0)
    lens = rng.random(500) < 0.3
    a = rng.normal(size=500) + lens
    scores = {'a': a, 'b': np.exp(a + rng.normal(size=500))}
    table = diversity_table(scores, lens, {}, **QUICK)
    for sample, rows in (('lenses', lens), ('negatives', ~lens), ('all', lens | ~lens)):
        part = table[table['sample'] == sample]
        x, y = scores['a'][rows], scores['b'][rows]
        assert_allclose(part['estimate'], [pearsonr(x, y)[0], spearmanr(x, y)[0]], rtol=1e-9)
        assert (part['lo'] < part['estimate']).all() and (part['estimate'] < part['hi']).all()
        assert set(part['n']) == {rows.sum()}


def test_right_means_selected_lenses_and_left_out_negatives():
    lens = np.array([1, 1, 0, 0], bool)
    picks = {'a': np.array([1, 0, 1, 0], bool), 'b': np.array([1, 1, 1, 0], bool)}
    table = diversity_table(picks, lens, {'cut': picks}, **QUICK)
    found = {(row['sample'], row['statistic']): row['estimate'] for row in table}
    assert found['lenses', 'disagreement'] == 0.5 and found['lenses', 'double fault'] == 0
    assert found['negatives', 'disagreement'] == 0 and found['negatives', 'double fault'] == 0.5
    assert found['all', 'disagreement'] == 0.25 and found['all', 'double fault'] == 0.25


def test_weights_stand_for_repeated_objects():
    right = pair(5, 3, 2, 4)
    weight = np.arange(14) % 3 + 1
    found = measured(right, weight=weight)
    repeated = measured({name: np.repeat(values, weight) for name, values in right.items()})
    for name in ('Q', 'disagreement', 'double fault', 'correlation'):
        assert_allclose(found[name]['estimate'], repeated[name]['estimate'])


def test_groups_widen_intervals():
    right = pair(30, 10, 10, 30)
    many = {name: np.repeat(values, 10) for name, values in right.items()}
    width = [np.ptp([row[end] for end in ('lo', 'hi')]) for row in (
        measured(right)['disagreement'], measured(many, group=np.repeat(np.arange(80), 10))[
            'disagreement'], measured(many)['disagreement'])]
    assert_allclose(width[0], width[1], rtol=0.3)
    assert width[2] < 0.5 * width[1]


# Discovery sets

def test_sets_are_disjoint_and_hold_every_lens():
    rng = np.random.default_rng(1)
    lens = rng.random(300) < 0.4
    scores = {name: rng.random(300) for name in 'abc'}
    picks = budget_selections(scores, np.ones(300), [50, 200])
    table = discovery_sets(picks, lens)
    for point in picks:
        part = table[table['operating_point'] == point]
        assert part['n'].sum() == 300 and part['n_lenses'].sum() == lens.sum()
        assert_allclose(part['estimate'].sum(), 1)
        for name, selected in picks[point].items():
            holds = [name in found.split(' + ') for found in part['found_by']]
            assert part['n'][holds].sum() == selected.sum()


def test_what_one_finder_alone_finds():
    picks = {'a': [True, True, False], 'b': [False, True, False]}
    assert found_by(picks).tolist() == ['a', 'a + b', '']
    row = discovery_sets({'cut': picks}, [True, True, True])
    assert row['found_by'].tolist() == ['', 'a', 'a + b']
    assert (row['lo'] > 0).all() and (row['hi'] < 1).all()


def test_thresholds_select_at_or_above():
    found = threshold_selections({'a': [0.1, 0.5, 0.9]}, {'half': {'a': 0.5}})
    assert found['half']['a'].tolist() == [False, True, True]


def test_bad_input_is_named():
    right = pair(3, 3, 3, 3)
    label = np.ones(12, bool)
    with pytest.raises(MeasurementError, match=r"two finders or more; there are \['a'\]"):
        diversity_table({'a': right['a']}, label, {})
    with pytest.raises(MeasurementError, match=r"'cut, b' has shape .11,. for 12"):
        diversity_table(right, label, {'cut': {'a': right['a'], 'b': right['b'][1:]}})
    with pytest.raises(MeasurementError, match=r"nothing is selected by \['b'\] at 'cut'"):
        diversity_table(right, label, {'cut': {'a': right['a']}})
    with pytest.raises(MeasurementError, match='there is no lens to find among 12'):
        discovery_sets({'cut': right}, ~label)
    with pytest.raises(MeasurementError, match='13 finders have too many sets'):
        found_by({str(i): [True] for i in range(13)})
