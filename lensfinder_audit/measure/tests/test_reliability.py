# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.probability import scale_odds
from lensfinder_audit.measure.reliability import bin_codes, probability_bins, reliability_table
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.tables import check_table

FEW = {'n_resamples': 200}


def sample(seed=0, n=4000):
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.2, 1.5, n)
    return probability, rng.random(n) < probability


def test_bins_hold_equal_numbers_of_lenses():
    probability, label = sample()
    table = check_table(reliability_table(probability, label, n_bins=10, **FEW), 'reliability')
    assert len(table) == 10
    assert np.ptp(table['n_recovered']) <= 1
    assert table['n'].sum() == len(label)
    assert_array_equal(table['n_negatives'], table['n'] - table['n_recovered'])
    assert_array_equal(table['score_max'][:-1], table['score_min'][1:])


def test_a_saturated_block_is_one_bin():
    rng = np.random.default_rng(5)
    lenses = np.append(np.ones(119), rng.uniform(0.2, 1, 1776))
    probability = np.append(lenses, rng.uniform(0, 0.9, 20000))
    table = reliability_table(probability, np.arange(len(probability)) < 1895, **FEW)
    top = table[-1]
    assert (top['score_min'], top['score_max'], top['n']) == (1.0, 1.0, 119)
    assert_allclose(top['lo'], binomial_interval(119, 119)[0])
    assert 14 <= len(table) <= 16


@given(st.lists(st.tuples(st.sampled_from([0, 0.1, 0.5, 0.9, 0.99, 1.0]), st.booleans()),
                min_size=2, max_size=60), st.integers(2, 20))
def test_every_row_is_in_one_bin_and_ties_stay_together(rows, n_bins):
    probability, label = map(np.array, zip(*rows, strict=True))
    if not label.any():
        return
    lower, upper = probability_bins(probability, label, n_bins=n_bins)
    code = bin_codes(probability, lower, upper)
    assert (code >= 0).all() and (code < len(lower)).all()
    assert (np.diff(lower) > 0).all()
    held = np.bincount(code, label, len(lower))
    whole = np.array([label[probability == value].sum() for value in np.unique(probability)])
    assert held.max() <= max(whole.max(), label.sum() / n_bins) + whole.max()


def test_logit_and_zoom_bins_are_the_same_for_every_finder():
    probability, label = sample()
    logit = reliability_table(probability, label, bins='logit', n_bins=15, **FEW)
    steps = np.diff(np.log(logit['score_min'][1:] / (1 - logit['score_min'][1:])))
    assert_allclose(steps, steps[0])
    zoom = reliability_table(probability, label, bins='zoom', n_bins=4, **FEW)
    assert_allclose(zoom['score_min'], [0.9, 0.99, 0.999, 0.9999])
    assert zoom['n'].sum() == (probability >= 0.9).sum()


def test_empty_and_unsupported_bins_say_so():
    table = reliability_table([0.05, 0.15, 0.15, 0.95] * 5, [0, 0, 1, 1] * 5,
                              bins=[0, 0.1, 0.2, 0.9, 1], min_groups=6, **FEW)
    assert list(table['state']) == ['unsupported', 'supported', 'empty', 'unsupported']
    assert np.isnan(table['estimate'][2])
    assert_array_equal(table['supported'], table['state'] == 'supported')


def test_at_a_stated_prevalence_the_odds_shift_and_so_does_the_interval():
    probability, label = sample()
    plain = reliability_table(probability, label, n_bins=6, **FEW)
    moved = reliability_table(probability, label, n_bins=6, prevalence=1e-3, **FEW)
    factor = 1e-3 / 0.999 * (~label).sum() / label.sum()
    for name in ('estimate', 'lo', 'hi'):
        assert_allclose(moved[name], scale_odds(plain[name], factor))
    assert_array_equal(moved['n_recovered'], plain['n_recovered'])
    assert ((moved['boot_lo'] <= moved['estimate']) & (moved['estimate'] <= moved['boot_hi'])).all()


def test_a_bin_of_lenses_alone_leaves_room_for_heavy_non_lenses():
    probability = np.append(np.full(50, 0.99), np.full(1000, 0.01))
    label = np.arange(1050) < 50
    found = reliability_table(probability, label, weight=np.where(label, 1, 100.0),
                              bins=[0, 0.5, 1], **FEW)[1]
    assert found['hi'] == found['estimate'] == 1
    assert_allclose(found['lo'], scale_odds(binomial_interval(50, 50)[0], 0.01))


def test_bootstrap_and_interval_agree_in_full_bins():
    probability, label = sample(n=20000)
    table = reliability_table(probability, label, n_bins=5, n_resamples=2000)
    assert_allclose(table['boot_hi'] - table['boot_lo'], table['hi'] - table['lo'], rtol=0.1)


def test_row_order_and_weight_scale_do_not_matter():
    probability, label = sample()
    weight = np.random.default_rng(1).uniform(1, 4, len(label))
    order = np.random.default_rng(2).permutation(len(label))
    table = reliability_table(probability, label, weight=weight, n_resamples=0)
    for other in (reliability_table(probability, label, weight=7.3 * weight, n_resamples=0),
                  reliability_table(probability[order], label[order], weight=weight[order],
                                    n_resamples=0)):
        for name in ('score_min', 'n', 'estimate', 'lo', 'hi', 'mean_probability'):
            assert_allclose(other[name], table[name], rtol=1e-9)


def test_duplicated_rows_of_one_group_change_no_interval():
    probability, label = sample(n=1000)
    once = reliability_table(probability, label, n_bins=5, group=np.arange(1000), **FEW)
    twice = reliability_table(np.tile(probability, 2), np.tile(label, 2), n_bins=5,
                              group=np.tile(np.arange(1000), 2), **FEW)
    for name in ('estimate', 'n_groups', 'boot_lo', 'boot_hi'):
        assert_allclose(twice[name], once[name])
    assert_allclose(twice['hi'] - twice['lo'], once['hi'] - once['lo'], rtol=0.15)


def test_a_shared_resampler_brings_its_groups():
    probability, label = sample(n=600)
    group = np.arange(600) // 3
    shared = Resampler(600, group=group, n_resamples=200)
    one = reliability_table(probability, label, resampler=shared)
    two = reliability_table(probability, label, group=group, n_resamples=200)
    for name in ('n_groups', 'lo', 'boot_hi'):
        assert_allclose(one[name], two[name])
    with pytest.raises(MeasurementError, match='made for 600 rows, the sample has 599'):
        reliability_table(probability[1:], label[1:], resampler=shared)


@pytest.mark.parametrize(('bins', 'message'), [
    ('positive', "Did you mean 'positives'"),
    ([0.5, 0.2], 'increasing edges in'),
    ([0, 1.5], 'increasing edges in'),
])
def test_impossible_bins_are_named(bins, message):
    with pytest.raises(MeasurementError, match=message):
        reliability_table([0.2, 0.7], [0, 1], bins=bins)
