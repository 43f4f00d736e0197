# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.yields import (joint_scores, searched_mass, select_budget,
                                             yield_tables)

QUICK = {'n_resamples': 200}


def sample(n=4000, *, every=10, separation=(2.5, 1.5), shared=0.0, seed=0):
    rng = np.random.default_rng(seed)
    lens = np.arange(n) % every == 0
    core = rng.normal(size=n)
    noise = rng.normal(size=(len(separation), n))
    scores = {name: shift * lens + np.sqrt(shared) * core + np.sqrt(1 - shared) * extra
              for name, shift, extra in zip('abcd', separation, noise, strict=False)}
    return scores, lens


def one(table, **wanted):
    rows = np.all([table[name] == value for name, value in wanted.items()], axis=0)
    assert rows.sum() == 1
    return table[rows][0]


# Yields

def test_yield_is_the_count_among_the_best():
    scores, lens = sample()
    found = yield_tables(scores, lens, [100, 400], **QUICK).yields
    for name, values in scores.items():
        for budget in (100, 400):
            best = np.argsort(-values)[:budget]
            row = one(found, finder=name, budget=budget)
            assert_allclose(row['found'], lens[best].sum())
            assert_allclose([row['completeness'], row['purity']],
                            [row['found'] / 400, row['found'] / budget])
            assert row['lo'] < row['found'] < row['hi'] and row['n_tied'] == 0


def test_normal_classes_give_the_yield_that_theory_gives():
    scores, lens = sample(200000, separation=(2.0,))
    found = yield_tables(scores, lens, [10000], **QUICK).yields[0]
    cut = np.linspace(-5, 8, 20001)
    selected = 0.1 * norm.sf(cut, 2) + 0.9 * norm.sf(cut)
    at = np.interp(-0.05, -selected, cut)
    assert_allclose(found['found'], 20000 * norm.sf(at, 2), rtol=0.02)


def test_intervals_cover_the_expected_yield():
    hits, rounds = 0, 60
    cut = np.linspace(-5, 8, 20001)
    at = np.interp(-0.1, -(0.2 * norm.sf(cut, 2) + 0.8 * norm.sf(cut)), cut)
    truth = 200 * norm.sf(at, 2)
    for seed in range(rounds):
        scores, lens = sample(1000, every=5, separation=(2.0,), seed=seed)
        row = yield_tables(scores, lens, [100], n_resamples=300, seed=seed).yields[0]
        hits += row['lo'] <= truth <= row['hi']
    assert hits >= 51  # 85 %; the chance of fewer at 95 % is 0.1 %


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 6))
def test_yields_rise_with_the_budget_and_hold_their_bounds(seed, budget, levels):
    rng = np.random.default_rng(seed)
    lens = rng.random(60) < 0.3
    lens[0] = True
    scores = {'a': rng.integers(0, levels, 60).astype(float), 'b': rng.random(60)}
    found = yield_tables(scores, lens, sorted({budget, 60}), weight=rng.uniform(1, 1, 60),
                         n_resamples=20).yields
    for row in found:
        assert 0 <= row['found_least'] <= row['found'] + 1e-9
        assert row['found'] <= row['found_greatest'] + 1e-9 <= lens.sum() + 2e-9
        assert row['lo'] <= row['hi']
    for name in scores:
        rows = found[found['finder'] == name]
        assert (np.diff(rows['found']) >= -1e-9).all()
        assert_allclose(rows['found'][-1], lens.sum())


@given(st.floats(0.1, 5), st.floats(-3, 3))
@settings(max_examples=10)
def test_only_the_order_of_scores_matters(scale, shift):
    scores, lens = sample(300, every=4)
    first = yield_tables(scores, lens, [40], **QUICK)
    second = yield_tables({name: np.exp(scale * values) + shift for name, values in
                           scores.items()}, lens, [40], **QUICK)
    assert_allclose(second.differences['lo'], first.differences['lo'])


def test_a_tied_block_counts_in_proportion():
    score = np.array([3, 2, 2, 2, 2, 1.0])
    lens = np.array([1, 1, 1, 0, 0, 0], bool)
    row = yield_tables({'a': score}, lens, [3], **QUICK).yields[0]
    assert (row['found'], row['found_least'], row['found_greatest'], row['n_tied']) == (2, 1, 3, 4)


def test_weights_and_prevalence_set_the_search():
    assert_allclose(searched_mass([1, 0], weight=[1, 99]), [1, 99])
    scores, lens = sample(1000, every=2)
    plain = np.where(lens, 1.0, 99.0)
    first = yield_tables(scores, lens, [300], weight=plain, **QUICK).yields
    second = yield_tables(scores, lens, [300], prevalence=0.01, search_size=50000, **QUICK).yields
    assert_allclose(first['found'], second['found'])
    assert (first['purity'] < 1).all()


def test_groups_widen_intervals():
    """Each object twenty times over is no more than each once."""
    scores, lens = sample(400)
    repeated = {name: np.repeat(values, 20) for name, values in scores.items()}
    options = {'n_resamples': 400}
    alone = yield_tables(scores, lens, [40], **options)
    many = yield_tables(repeated, np.repeat(lens, 20), [800], group=np.repeat(np.arange(400), 20),
                        **options)
    assert_allclose(many.yields['found'], 20 * alone.yields['found'])
    width = [row['hi'] - row['lo'] for row in (alone.yields[0], many.yields[0])]
    assert_allclose(width[1], 20 * width[0], rtol=0.2)


# Differences

def test_paired_difference_is_tighter_where_finders_agree():
    errors = []
    for shared in (0.0, 0.95):
        scores, lens = sample(separation=(2.0, 2.0), shared=shared)
        errors.append(yield_tables(scores, lens, [200], **QUICK).differences[0]['se'])
    assert errors[1] < 0.6 * errors[0]


def test_a_real_difference_is_seen_and_its_sign_is_told():
    scores, lens = sample()
    row = yield_tables(scores, lens, [400], **QUICK).differences[0]
    assert row['difference'] == row['found_b'] - row['found_a'] < 0 and row['hi'] < 0
    assert row['p_value'] < 1e-6 and row['smallest_detectable'] < -row['difference']
    assert row['n_only_a'] - row['n_only_b'] == -row['difference']


def test_smallest_detectable_difference_is_found_at_its_power():
    """A finder that is better by that much is told from the other four times in five."""
    scores, lens = sample(2000, every=4, separation=(1.5, 1.5))
    row = yield_tables(scores, lens, [500], n_resamples=1000).differences[0]
    assert_allclose(row['smallest_detectable'], (1.95996 + 0.84162) * row['se'], rtol=1e-4)


def test_finders_that_agree_everywhere_have_an_interval_still():
    scores, lens = sample(500)
    row = yield_tables({'a': scores['a'], 'b': 2 * scores['a']}, lens, [50],
                       **QUICK).differences[0]
    most = 50 * binomial_interval(0, 50, method='clopper-pearson')[1]
    assert_allclose([row['difference'], row['lo'], row['hi']], [0, -most, most])
    assert row['smallest_detectable'] == 6 and row['p_value'] == 1  # 2 / 2^6 < 0.05


def test_one_finder_has_no_difference():
    scores, lens = sample(100)
    assert yield_tables({'a': scores['a']}, lens, [10], **QUICK).differences is None


# Selections, union and intersection

@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 50))
def test_union_of_equal_lists_is_the_best_of_the_joint_rank(seed, length):
    rng = np.random.default_rng(seed)
    scores = {'a': rng.random(50), 'b': rng.random(50)}
    lists = [set(np.argsort(-values)[:length].tolist()) for values in scores.values()]
    joint = joint_scores(scores)
    union = lists[0] | lists[1]
    assert set(np.flatnonzero(joint['union'] > 50 - length).tolist()) == union
    shared = lists[0] & lists[1]
    assert set(np.flatnonzero(joint['intersection'] > 50 - length).tolist()) == shared


def test_ties_are_taken_in_one_order_that_the_rows_do_not_give():
    score, mass = np.zeros(1000), np.ones(1000)
    first, again = (select_budget(score, mass, 100, seed=3) for _ in range(2))
    assert first.sum() == 100 and (first == again).all()
    assert 20 < first[:500].sum() < 80


def test_bad_input_is_named():
    scores, lens = sample(100)
    with pytest.raises(MeasurementError, match='a budget of 101 must be .* within the 100'):
        yield_tables(scores, lens, [101])
    with pytest.raises(MeasurementError, match='there is no lens to find among 100'):
        yield_tables(scores, np.zeros(100, bool), [10])
    with pytest.raises(MeasurementError, match="score 'a' has shape .100,. .* 1 of them missing"):
        yield_tables({'a': np.where(np.arange(100) == 3, np.nan, 1)}, lens, [10])
    with pytest.raises(MeasurementError, match='needs finders and budgets'):
        yield_tables({}, lens, [10])
    with pytest.raises(MeasurementError, match='of 2 rows 2 are lenses'):
        searched_mass([1, 1], prevalence=0.1)
