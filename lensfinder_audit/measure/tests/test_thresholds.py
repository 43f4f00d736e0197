# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.thresholds import (OperatingPoint, operating_points_table,
                                                 set_threshold)
from lensfinder_audit.tables import check_table

ROWS = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.sampled_from([0.5, 1, 20])),
                min_size=4, max_size=60).filter(
                    lambda rows: len({label for _, label, _ in rows}) == 2)
POINTS = st.one_of(st.floats(0.01, 0.99).map(lambda value: OperatingPoint(fpr=value)),
                   st.floats(1, 99).map(lambda value: OperatingPoint(top_percent=value)))


def columns(rows):
    score, label, weight = (np.array(column) for column in zip(*rows, strict=True))
    return score.astype(float), label, weight.astype(float)


@given(ROWS, POINTS)
def test_no_more_is_selected_than_wanted_and_a_lower_score_would_be_too_much(rows, point):
    score, label, weight = columns(rows)
    found = set_threshold(score, label, point, weight=weight)
    mass = weight * ~label if point.fpr is not None else weight
    wanted = point.fpr if point.fpr is not None else point.top_percent / 100
    at_or_above = {step: mass[score >= step].sum() / mass.sum() for step in np.unique(score)}
    assert mass[score >= found['threshold']].sum() <= wanted * mass.sum() * (1 + 1e-9)
    lower = [step for step in np.unique(score[mass > 0]) if step < found['threshold']]
    if lower:
        assert at_or_above[lower[-1]] > wanted


@given(ROWS, POINTS)
def test_least_and_greatest_completeness_bracket_the_tied_block(rows, point):
    score, label, weight = columns(rows)
    found = set_threshold(score, label, point, weight=weight)
    assert 0 <= found['completeness_least'] <= found['completeness_greatest'] <= 1
    assert found['threshold_lo'] <= found['threshold'] <= found['threshold_hi']
    if found['n_tied']:
        tied = score == found['tied_score']
        assert tied.sum() == found['n_tied'] > 1
        held = weight[label].sum()
        assert_allclose(found['completeness_greatest'] - found['completeness_least'],
                        weight[tied & label].sum() / held, atol=1e-12)


@given(ROWS, POINTS, st.sampled_from([1e-3, 7.0]))
def test_scale_of_weights_and_order_of_rows_do_not_matter(rows, point, scale):
    score, label, weight = columns(rows)
    first = set_threshold(score, label, point, weight=weight)
    second = set_threshold(score[::-1], label[::-1], point, weight=weight[::-1] * scale)
    for name, value in first.items():
        assert_allclose(second[name], value, rtol=1e-9, err_msg=name)


@given(ROWS, POINTS)
def test_monotone_scores_give_the_same_selection(rows, point):
    score, label, weight = columns(rows)
    first = set_threshold(score, label, point, weight=weight)
    second = set_threshold(np.exp(score) - 9, label, point, weight=weight)
    assert first['n_selected'] == second['n_selected']
    assert first['n_tied'] == second['n_tied']


def test_one_in_ten_thousand_of_fifty_thousand_negatives_rests_on_five():
    score = np.r_[np.arange(50000) / 50000, np.ones(10)]
    label = np.arange(50010) >= 50000
    found = set_threshold(score, label, OperatingPoint(fpr=1e-4))
    assert found['n_negatives_above'] == 5 and found['threshold'] == score[49995]
    # Clopper-Pearson for 5 of 50,000: 1.6 to 11.7 of them
    assert score[50000 - 12] <= found['threshold_lo'] and found['threshold_hi'] == score[49999]


def test_prevalence_weighs_the_sample_to_the_population():
    rng = np.random.default_rng(0)
    label = np.arange(20000) < 10000
    score = rng.normal(3 * label)
    found = set_threshold(score, label, OperatingPoint(top_percent=1), prevalence=1e-4)
    negative = score[~label]
    assert found['threshold'] == pytest.approx(np.quantile(negative, 0.99), abs=0.05)
    assert set_threshold(score, label, OperatingPoint(top_percent=1))['threshold'] > 4


def test_budget_is_a_fraction_of_what_is_searched():
    score, label = np.arange(1000.), np.arange(1000) > 900
    found = set_threshold(score, label, OperatingPoint(budget=10, search_size=10000))
    assert found['n_selected'] == 1
    assert set_threshold(score, label, OperatingPoint(budget=10))['n_selected'] == 10
    weighted = set_threshold(score, label, OperatingPoint(budget=10), weight=np.full(1000, 10.))
    assert weighted['n_selected'] == 1  # the sample stands for 10,000


def test_block_at_the_top_leaves_nothing_selected():
    found = set_threshold(np.ones(100), np.arange(100) < 10, OperatingPoint(fpr=0.01))
    assert found['threshold'] == np.inf and found['n_selected'] == 0
    assert found['n_tied'] == 100 and found['completeness_greatest'] == 1


def test_fixed_score_has_no_interval():
    found = set_threshold([0.2, 0.5, 0.7], [0, 1, 1], OperatingPoint(threshold=0.5))
    assert found['threshold_lo'] == found['threshold'] == found['threshold_hi'] == 0.5
    assert found['n_selected'] == 2 and found['completeness_least'] == 1


def test_table_has_a_row_for_each_finder_and_point():
    rng = np.random.default_rng(0)
    points = [OperatingPoint(threshold=0.5), OperatingPoint(fpr=0.1), OperatingPoint(top_percent=1),
              OperatingPoint(budget=3, search_size=1e5)]
    table = operating_points_table({'a': rng.random(500), 'b': rng.random(500)},
                                   np.arange(500) < 50, points)
    check_table(table, 'operating_points')
    assert table['operating_point'][:4].tolist() == ['score >= 0.5', 'FPR = 0.1', 'top 1 %',
                                                     'budget 3 of 100000']
    assert table['finder'].tolist() == ['a'] * 4 + ['b'] * 4


@pytest.mark.parametrize('given_, message', [
    ({}, 'an operating point is one of .*; given were \\[\\]'),
    ({'fpr': 0.1, 'budget': 3}, r"given were \['fpr', 'budget'\]"),
    ({'fpr': 0}, 'fpr must lie between 0 and 1; it is 0'), ({'fpr': 1}, 'it is 1'),
    ({'top_percent': 200}, 'top_percent must lie between 0 and 100; it is 200'),
    ({'budget': 0}, 'budget must lie between 0 and inf'),
    ({'threshold': np.nan}, 'threshold must be a finite number; it is nan'),
    ({'budget': 3, 'search_size': -1}, 'search_size must be a positive number of objects')])
def test_operating_point_is_refused(given_, message):
    with pytest.raises(MeasurementError, match=message):
        OperatingPoint(**given_)


@pytest.mark.parametrize('label, point, rest, message', [
    ([1, 1], {'fpr': 0.1}, {}, 'a false-positive rate needs negatives'),
    ([1, 0], {'budget': 3}, {}, 'a budget of 3 exceeds the 2 objects searched'),
    ([1, 1], {'top_percent': 1}, {'prevalence': 0.1}, 'needs lenses and non-lenses; it is 0.1 for '
                                                      '2'),
    ([1, 0], {'top_percent': 1}, {'prevalence': 1}, 'a prevalence between 0 and 1')])
def test_threshold_is_refused(label, point, rest, message):
    with pytest.raises(MeasurementError, match=message):
        set_threshold([0.1, 0.2], label, OperatingPoint(**point), **rest)
