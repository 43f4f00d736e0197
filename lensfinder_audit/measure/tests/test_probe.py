# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import ndtr

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.probe import probe, spread_features
from lensfinder_audit.measure.realism import (corrected_frechet, frechet_distance, match_table,
                                              realism_table)


def noise(n=1500, d=10, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.random(n) < 0.3, rng


def test_area_of_a_shift_is_that_of_two_normals():
    features, label, _ = noise(20000, 4)
    features[:, 1] += 1.2 * label
    found = probe(features, label)
    assert found.auc == pytest.approx(ndtr(1.2 / np.sqrt(2)), abs=0.01)
    assert found.lo < ndtr(1.2 / np.sqrt(2)) < found.hi and found.p < 1e-12


def test_noise_does_not_separate_although_a_fit_in_sample_would():
    for d, n_permutations in ((8, 0), (60, 40)):
        found = [probe(*noise(300, d, seed)[:2], n_permutations=n_permutations)
                 for seed in range(40)]
        areas = np.array([item.auc for item in found])
        assert abs(areas.mean() - 0.5) < 0.02
        assert np.std(areas) == pytest.approx(np.mean([item.se for item in found]), rel=0.35)
        assert np.mean([item.lo > 0.5 for item in found]) < 0.15


def test_what_groups_share_is_not_taken_for_a_difference():
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(60), 20)
    features = rng.normal(size=(60, 5))[unit] + 0.1 * rng.normal(size=(1200, 5))
    label = (np.arange(60) % 2 == 0)[unit]
    assert probe(features, label).lo > 0.6  # a fold knows the groups of the others
    apart = probe(features, label, group=unit, n_permutations=100)
    assert apart.lo < 0.5 < apart.hi and apart.p > 0.01


def test_pairs_are_exchanged_within_their_group():
    rng = np.random.default_rng(0)
    unit, label = np.repeat(np.arange(200), 2), np.tile([True, False], 200)
    features = rng.normal(size=(200, 3))[unit] + 0.3 * rng.normal(size=(400, 3))
    assert probe(features, label, group=unit, n_permutations=99).p > 0.01
    features[:, 0] += label
    assert probe(features, label, group=unit, n_permutations=99).p == 0.01


def test_a_missing_value_is_a_feature():
    features, label, rng = noise(1000, 2)
    features[label & (rng.random(1000) < 0.5), 0] = np.nan
    assert probe(features, label).auc > 0.7


def test_perfect_separation_has_an_exact_bound():
    label = np.arange(40) < 20
    found = probe(label[:, None] * 1.0, label)
    assert found.auc == found.hi == 1 and found.lo == pytest.approx(0.05**(1 / 20))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_scale_and_origin_of_features_do_not_matter(seed, scale, origin):
    features, label, _ = noise(120, 3, seed)
    first, second = probe(features, label), probe(features * scale + origin, label)
    assert first.auc == pytest.approx(second.auc, abs=0.02)


def test_one_group_is_refused():
    features, label, _ = noise(50, 2)
    with pytest.raises(MeasurementError, match='needs two groups of each class; it has 1 and 1'):
        probe(features, label, group=np.zeros(50))
    with pytest.raises(MeasurementError, match='they have 50, 49 and 49'):
        probe(features, label[:-1])


def test_any_dependence_is_followed_by_indicators():
    rng = np.random.default_rng(0)
    seeing = rng.uniform(-1, 1, 4000)
    label = rng.random(4000) < np.where(abs(seeing) > 0.6, 0.5, 0.1)
    assert probe(seeing[:, None], label).auc < 0.56
    assert probe(spread_features({'seeing': seeing}), label).auc > 0.7


def test_distance_of_normals_is_that_of_their_formula():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200000, 2)), rng.normal([1, 2], [2, 1], (200000, 2))
    assert frechet_distance(x, y) == pytest.approx(5 + 1, rel=0.02)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))


def test_corrected_distance_loses_the_bias_of_small_samples():
    rng = np.random.default_rng(1)
    pairs = [rng.normal(size=(2, 200, 15)) for _ in range(8)]
    raw = np.mean([frechet_distance(*pair) for pair in pairs])
    fixed = np.mean([corrected_frechet(*pair) for pair in pairs])
    assert raw > 0.5 and abs(fixed) < 0.15 * raw


def realism(shift, n=250):
    rng = np.random.default_rng(0)
    hosts = rng.normal(size=(n, 6))
    samples = {'lenses': (rng.normal(size=(n, 6)) + [1, 0, 0, 0, 0, 0], np.arange(n)),
               'hosts': (hosts, np.arange(n)),
               'injections': (hosts + [1, shift, 0, 0, 0, 0], np.arange(n)),
               'negatives': (rng.normal(size=(2 * n, 6)), None)}
    return realism_table(samples, n_permutations=80)


def test_realism_has_its_nulls_beside_it():
    table = realism(0.0)
    assert table['role'].tolist() == ['gate', 'null', 'null', 'null']
    assert table['lo'][0] < 0.5 < table['hi'][0] and table['lo'][3] < 0.5 < table['hi'][3]
    assert table['auc'][1] > 0.65 and table['auc'][2] > 0.65
    assert table['frechet'][0] < 2 * table['frechet_null_hi'][0]
    table = realism(1.0)
    assert table['lo'][0] > 0.6 and table['frechet_corrected'][0] > table['frechet_null_hi'][0]


def test_too_few_lenses_are_refused():
    with pytest.raises(MeasurementError, match='at least 10 lenses; it got 3'):
        realism_table({'lenses': (np.zeros((3, 2)), None), 'injections': (np.zeros((20, 2)), None)})
    with pytest.raises(MeasurementError, match="'lenses': 2, 'injections': 3"):
        realism_table({'lenses': (np.zeros((20, 2)), None),
                       'injections': (np.zeros((20, 3)), None)})


def test_arcs_are_compared_by_their_distributions():
    rng = np.random.default_rng(0)
    tables = [QTable({'annulus_snr': rng.normal(20, 4, 400)}) for _ in range(2)]
    found = match_table(*tables, on=['annulus_snr'])
    assert found['p_value'][0] > 0.01 and found['inside'][0] > 0.9
    assert_allclose(found['lenses_median'], 20, atol=1)
    with pytest.raises(MeasurementError, match='1 lenses have a value'):
        match_table(tables[0], tables[1][:1], on=['annulus_snr'])
