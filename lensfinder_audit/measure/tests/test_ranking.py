# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure import roc_bootstrap as roc_bootstrap_module
from lensfinder_audit.measure.multinomial import count_plan, draw_counts
from lensfinder_audit.measure.ranking import (auc, auc_interval, delong, delong_test, partial_auc,
                                              ranking_table, roc_bootstrap, roc_curve_table,
                                              tpr_at_fpr)
from lensfinder_audit.tables import check_table


def make_sample(n_positive=200, n_negative=1800, shift=1.5, *, decimals=None, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n_positive + n_negative) < n_positive)
    score = rng.normal(shift * label)
    return score if decimals is None else score.round(decimals), label, rng


def pair_matrix(score, label):
    score, label = np.asarray(score, dtype=float), np.asarray(label, dtype=bool)
    ahead = score[label][:, None] - score[~label]
    return (ahead > 0) + 0.5 * (ahead == 0)


SAMPLES = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 5)),
                   min_size=2, max_size=40).filter(lambda rows: len({row[1] for row in rows}) == 2)


@given(SAMPLES)
def test_auc_is_the_fraction_of_ordered_pairs(rows):
    score, label, weight = map(np.array, zip(*rows))
    pairs = pair_matrix(score, label)
    assert_allclose(auc(score, label), pairs.mean())
    both = np.outer(weight[label], weight[~label])
    assert_allclose(auc(score, label, weight=weight), np.sum(both * pairs) / both.sum())


@given(SAMPLES, st.floats(0.01, 0.99))
def test_areas_agree_with_scikit_learn(rows, max_fpr):
    score, label, weight = map(np.array, zip(*rows))
    assert_allclose(auc(score, label, weight=weight),
                    roc_auc_score(label, score, sample_weight=weight))
    assert_allclose(partial_auc(score, label, max_fpr=max_fpr, weight=weight),
                    roc_auc_score(label, score, sample_weight=weight, max_fpr=max_fpr))
    raw = partial_auc(score, label, max_fpr=max_fpr, weight=weight, standardised=False)
    assert -1e-12 <= raw <= max_fpr + 1e-12


def test_partial_area_ends_below_a_vertical_step():
    score, label = [0.1, 0.2, 0.3, 0.7, 0.6, 0.9], [0, 0, 0, 0, 1, 1]
    for end in (0.25, 0.5):
        area = roc_auc_score(label, score, max_fpr=end)
        assert partial_auc(score, label, max_fpr=end) == pytest.approx(area)
    draws = roc_bootstrap(score, label, n_resamples=1, max_fpr=0.25)
    assert 0 <= draws.partial_auc_raw[0] <= 0.25


@given(SAMPLES)
def test_curve_agrees_with_scikit_learn(rows):
    score, label, weight = map(np.array, zip(*rows))
    table = roc_curve_table(score, label, weight=weight)
    fpr, tpr, _ = roc_curve(label, score, sample_weight=weight, drop_intermediate=False)
    points = set(zip(fpr.round(9), tpr.round(9)))
    assert set(zip(table['fpr'].round(9), table['tpr'].round(9))) <= points
    area = np.sum(np.diff(table['fpr']) * (table['tpr'][1:] + table['tpr'][:-1])) / 2
    assert_allclose(area, auc(score, label, weight=weight))


def test_thinned_curve_keeps_its_low_end():
    score, label, _ = make_sample(3000, 3000)
    whole, thin = (roc_curve_table(score, label, max_points=n) for n in (10**6, 100))
    assert len(thin) == 100 < len(whole)
    assert_array_equal(thin['fpr'][:50], whole['fpr'][:50])
    assert thin['fpr'][-1] == thin['tpr'][-1] == 1


def test_auc_keeps_under_monotone_transform_and_permutation_and_mirrors_under_label_swap():
    score, label, rng = make_sample(decimals=1)
    order = rng.permutation(len(score))
    found = delong(score, label)
    assert_allclose(delong(np.exp(score), label), found)
    assert_allclose(delong(score[order], label[order]), found)
    swapped = delong(score, ~label)
    assert_allclose([swapped.auc, swapped.se], [1 - found.auc, found.se])
    assert_allclose([swapped.lo, swapped.hi], [1 - found.hi, 1 - found.lo])


def test_infinite_scores_are_ranks_like_others():
    assert auc([-np.inf, 0, np.inf, np.inf], [0, 0, 1, 0]) == pytest.approx(2.5 / 3)


@given(SAMPLES)
def test_delong_is_the_variance_of_the_structural_components(rows):
    score, label = (np.array(column) for column in list(zip(*rows))[:2])
    pairs = pair_matrix(score, label)
    if min(pairs.shape) < 2:
        assert np.isnan(delong(score, label).se)
    else:
        variance = (pairs.mean(axis=1).var(ddof=1) / pairs.shape[0]
                    + pairs.mean(axis=0).var(ddof=1) / pairs.shape[1])
        assert_allclose(delong(score, label).se, np.sqrt(variance), atol=1e-9)


@given(SAMPLES, st.sampled_from([0.5, 0.95, 0.999]))
def test_interval_stays_in_range_and_is_never_a_point(rows, confidence):
    score, label = (np.array(column) for column in list(zip(*rows))[:2])
    found = delong(score, label, confidence=confidence)
    assert 0 <= found.lo <= found.auc <= found.hi <= 1
    assert found.hi - found.lo > 1e-3


def test_perfect_separation_has_a_one_sided_bound():
    found = auc_interval(np.arange(40), np.arange(40) >= 30)
    assert (found.auc, found.se, found.hi) == (1, 0, 1)
    assert found.lo == pytest.approx(0.05**(1 / 10))
    assert 'disjoint pairs (one-sided)' in found.interval
    assert delong(-np.arange(40), np.arange(40) >= 30).hi == pytest.approx(1 - 0.05**(1 / 10))


def test_bound_of_perfect_separation_covers_where_it_is_tightest():
    # negatives fail one by one: the distribution that separates most often
    rng, n = np.random.default_rng(0), 10
    area = 0.05**(1 / n) * 0.999  # just below the bound
    perfect = (rng.random((20000, n)) < area).all(axis=1).mean()
    assert perfect < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20000)


def test_only_ties_leave_an_interval_about_one_half():
    found = auc_interval(np.ones(60), np.arange(60) < 20)
    assert found.auc == 0.5 and found.lo < 0.3 and found.hi > 0.7


def test_each_row_its_own_group_changes_nothing():
    score, label, _ = make_sample(decimals=1)
    assert_allclose(delong(score, label), delong(score, label, group=np.arange(len(label))))


def test_few_positives_with_low_scores_widen_the_interval():
    rng = np.random.default_rng(3)
    label, inside = np.arange(300) < 30, []
    for _ in range(1000):
        found = delong(rng.normal(np.sqrt(2) * norm.ppf(0.95) * label), label)
        inside.append(found.lo <= 0.95 <= found.hi)
    assert 0.93 < np.mean(inside) < 0.97  # 0.91 with the normal quantile


def test_duplicated_rows_in_groups_give_the_error_of_the_rows():
    score, label, _ = make_sample(50, 300, decimals=1)
    twice = np.tile(np.arange(len(score)), 2)
    plain, doubled = delong(score, label), delong(score[twice], label[twice], group=twice)
    assert_allclose(doubled[:2], plain[:2])
    assert delong(score[twice], label[twice]).se == pytest.approx(plain.se / np.sqrt(2), rel=0.02)


def test_clustered_variance_is_obuchowskis():
    score, label, rng = make_sample(30, 80, decimals=1)
    group = rng.integers(0, 25, len(score))
    pairs = pair_matrix(score, label)
    component = np.empty(len(score))
    component[label], component[~label] = pairs.mean(axis=1), pairs.mean(axis=0)
    area, n, m = pairs.mean(), (~label).sum(), label.sum()
    x, y = (np.array([np.sum((component - area)[(group == g) & (label == side)])
                      for g in range(25)]) for side in (True, False))
    n_groups = len(np.unique(group))
    i10, i01 = len(np.unique(group[label])), len(np.unique(group[~label]))
    variance = (i10 / (i10 - 1) * np.sum(x**2) / m**2 + i01 / (i01 - 1) * np.sum(y**2) / n**2
                + 2 * n_groups / (n_groups - 1) * np.sum(x * y) / (m * n))
    assert_allclose(delong(score, label, group=group).se, np.sqrt(variance))


def test_equal_weights_give_delong_and_integer_weights_do_not_shrink_the_error():
    score, label, rng = make_sample(decimals=1)
    weighted = auc_interval(score, label, weight=np.full(len(score), 93.0))
    assert_allclose(weighted[:4], delong(score, label))
    assert weighted.interval == 'linearised (logit)'
    uneven = auc_interval(score, label, weight=rng.integers(1, 20, len(score)))
    assert uneven.se > weighted.se


def test_paired_test_is_that_of_the_component_differences():
    score, label, rng = make_sample(80, 200)
    other = score + rng.normal(size=len(score))
    shift = pair_matrix(score, label) - pair_matrix(other, label)
    se = np.sqrt(shift.mean(axis=1).var(ddof=1) / 80 + shift.mean(axis=0).var(ddof=1) / 200)
    found = delong_test(score, other, label)
    assert_allclose([found.difference, found.se], [shift.mean(), se])
    assert found.p == pytest.approx(2 * norm.sf(abs(shift.mean()) / se))
    assert delong_test(score, np.exp(score), label) == (0, 0, 1)
    twice = np.tile(np.arange(len(score)), 2)
    doubled = delong_test(score[twice], other[twice], label[twice], group=twice)
    assert_allclose(doubled, found)


def test_counts_are_multinomial():
    sizes = np.array([700, 200, 90, 9, 1])
    plan = count_plan([sizes, [3, 1]])
    counts = draw_counts(plan, np.arange(40000), seed=3)
    assert (counts[:, :5].sum(axis=1) == 1000).all() and (counts[:, 5:].sum(axis=1) == 4).all()
    share = sizes / 1000
    expected = 1000 * (np.diag(share) - np.outer(share, share))
    assert_allclose(counts[:, :5].mean(axis=0), sizes, atol=4 * np.sqrt(sizes.max() / 40000) + 0.1)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert_allclose(np.cov(counts[:, :5].T) / scale, expected / scale, atol=0.03)
    assert_array_equal(counts[5:7], draw_counts(plan, [5, 6], seed=3))
    assert (counts[:50] != draw_counts(plan, np.arange(50), seed=4)).any()


def resample_directly(score, label, rng, statistic, n=3000):
    rows = [np.flatnonzero(label), np.flatnonzero(~label)]
    draws = [np.concatenate([rng.choice(r, len(r)) for r in rows]) for _ in range(n)]
    return np.array([statistic(score[r], label[r]) for r in draws])


def test_bootstrap_has_the_distribution_of_plain_resampling():
    score, label, rng = make_sample(40, 300, decimals=1)
    ours = roc_bootstrap(score, label, n_resamples=6000, fpr=[0.05], max_fpr=0.2)
    direct = resample_directly(score, label, rng, lambda s, y: (
        auc(s, y), tpr_at_fpr(s, y, 0.05)['tpr'][0], partial_auc(s, y, max_fpr=0.2)), n=1500)
    found = np.stack([ours.auc, ours.tpr[:, 0], ours.partial_auc], axis=1)
    assert_allclose(found.std(axis=0), direct.std(axis=0), rtol=0.08)
    tolerance = 5 * found.std(axis=0) / np.sqrt(1500)
    assert (np.abs(found.mean(axis=0) - direct.mean(axis=0)) < tolerance).all()


def test_bootstrap_error_is_delongs():
    score, label, _ = make_sample(500, 5000, decimals=2)
    ratio = roc_bootstrap(score, label).auc.std() / delong(score, label).se
    assert ratio == pytest.approx(1, abs=0.03)


def test_grouped_and_weighted_bootstrap_errors_are_the_linearised_ones():
    score, label, rng = make_sample(300, 3000)
    group = rng.integers(0, 300, len(score))
    score = score + rng.normal(size=300)[group]
    weight = rng.choice([1.0, 5.0], len(score))
    for rest in ({'group': group}, {'weight': weight}, {'group': group, 'weight': weight}):
        draws = roc_bootstrap(score, label, n_resamples=4000, **rest)
        assert draws.auc.std() == pytest.approx(auc_interval(score, label, **rest).se, rel=0.06)


@pytest.mark.parametrize('rest', ['plain', 'group', 'weight'])
def test_compiled_and_numpy_loops_give_the_same_numbers(monkeypatch, rest):
    pytest.importorskip('numba')
    score, label, rng = make_sample(60, 900, decimals=1)
    rest = {'plain': {}, 'group': {'group': rng.integers(0, 4, len(score))},
            'weight': {'weight': rng.random(len(score))}}[rest]
    slow = roc_bootstrap(score, label, n_resamples=300, seed=5, **rest)
    monkeypatch.setattr(roc_bootstrap_module, 'COMPILE_ABOVE', 0)
    fast = roc_bootstrap(score, label, n_resamples=300, seed=5, **rest)
    for name in ('auc', 'tpr', 'partial_auc', 'partial_auc_raw'):
        assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-12, atol=1e-14)
    monkeypatch.setattr(roc_bootstrap_module, '_n_cores', lambda: 1)
    assert_array_equal(roc_bootstrap(score, label, n_resamples=300, seed=5, **rest).auc, fast.auc)


def test_bootstrap_makes_fewer_resamples_of_a_sample_that_costs_too_much(monkeypatch):
    score, label, _ = make_sample(60, 900)
    monkeypatch.setattr(roc_bootstrap_module, 'MAX_DRAWS', 500_000)
    draws = roc_bootstrap(score, label, group=np.arange(960))
    assert draws.n_resamples == len(draws.auc) == 500_000 // (2 * 960)
    table = ranking_table(score, label, group=np.arange(960))
    assert (table.meta['n_resamples'], table.meta['n_resamples_wanted']) == (260, 10000)


def test_resamples_without_a_class_are_nan():
    draws = roc_bootstrap([1, 2, 3, 4], [0, 1, 0, 1], group=[0, 1, 0, 1], n_resamples=400)
    assert np.isnan(draws.auc).mean() == pytest.approx(0.5, abs=0.1)


@given(SAMPLES, st.floats(0, 1))
def test_operating_point_is_the_lowest_threshold_within_the_fpr(rows, fpr):
    score, label, weight = map(np.array, zip(*rows))
    point = tpr_at_fpr(score, label, fpr, weight=weight)[0]
    rate = {t: np.sum(weight * ~label * (score >= t)) / np.sum(weight * ~label) for t in score}
    allowed = [t for t in score if rate[t] <= fpr * (1 + 1e-10)]
    assert point['threshold'] == min(allowed, default=np.inf)
    assert_allclose(point['tpr'], np.sum(weight * label * (score >= point['threshold']))
                    / np.sum(weight * label))
    assert point['n_negatives_above'] == np.sum(~label & (score >= point['threshold']))
    assert point['tpr_least'] == point['tpr'] <= point['tpr_greatest']


def test_saturated_block_reports_what_the_completeness_could_be():
    score = np.r_[np.ones(50), np.full(50, 0.5), np.ones(100), np.zeros(9900)]
    points = tpr_at_fpr(score, np.arange(10100) < 100, [1e-3, 0.01, 0.1])
    assert_array_equal(points['tpr_least'], [0, 1, 1])
    assert_array_equal(points['tpr_greatest'], [0.5, 1, 1])
    assert_array_equal(points['n_tied'], [150, 0, 0])
    assert_array_equal(points['threshold'], [np.inf, 0.5, 0.5])


def test_table_is_a_ranking_table_that_says_what_it_rests_on():
    score, label, rng = make_sample(400, 4418, shift=3)
    table = ranking_table(score, label, finder='resnet', n_resamples=500, cluster_column='brick')
    check_table(table, 'ranking')
    assert set(table['finder']) == {'resnet'} and table.meta['cluster_column'] == 'brick'
    assert table['interval'][:2].tolist() == ['delong (logit)', 'bootstrap percentile']
    assert_allclose(table['lo'][0], table['lo'][1], atol=0.003)
    assert table['state'][-1] == 'unsupported' and table['state'][0] == 'supported'
    assert 'rests on 0 negatives' in table['reason'][-1] and '0.442 of 4418' in table['reason'][-1]
    assert ((table['lo'] <= table['estimate']) & (table['estimate'] <= table['hi'])).all()
    weighted = ranking_table(score, label, weight=rng.random(len(score)), n_resamples=300)
    assert weighted['interval'][0] == 'linearised (logit)'


def test_table_of_a_perfect_finder_has_no_interval_without_width():
    table = ranking_table(np.arange(1000), np.arange(1000) >= 900, n_resamples=200,
                          fpr=[0.1, 0.01], max_fpr=0.1)
    assert (table['estimate'] == 1).all() and (table['hi'] == 1).all()
    bound = 0.05**(1 / 100)
    assert_allclose(table['lo'][[0, 1, 3, 4]], bound)
    assert table['lo'][2] == pytest.approx((1 + (0.1 - 1 + bound - 0.005) / 0.095) / 2)
    assert all('one-sided' in name for name in table['interval'])


@pytest.mark.parametrize('score, label, rest, message', [
    ([], [], {}, 'the sample is empty'),
    ([1, 2], [1, 1], {}, 'of 2 rows 0 are negatives'),
    ([1, np.nan, np.nan], [1, 0, 0], {}, '2 of 3 scores are NaN, the first in row 1'),
    ([1, 2, 3], [1, 0], {}, r'shapes are \(3,\), \(2,\)'),
    ([1, 2], [1, 2], {}, 'a label is 0 or 1'),
    ([1, 2], [0, 1], {'weight': [1, -1]}, '1 of 2 weights are negative'),
    ([1, 2], [0, 1], {'weight': [0, 1]}, 'total weight 0'),
    ([1, 2], [0, 1], {'group': [0, 1, 2]}, 'it has 3 for 2'),
    ([1, 2], [0, 1], {'fpr': [2]}, r'fpr must lie in \[0, 1\]; it is 2'),
    ([1, 2], [0, 1], {'max_fpr': 0}, 'max_fpr must lie above 0'),
    ([1, 2], [0, 1], {'n_resamples': 0}, 'n_resamples must be at least 1'),
    ([1, 2], [0, 1], {'confidence': 95}, 'confidence must lie between 0 and 1, not 95'),
])
def test_errors_say_what_is_wrong(score, label, rest, message):
    with pytest.raises(MeasurementError, match=message):
        ranking_table(score, label, **rest)
