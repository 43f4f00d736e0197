# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.frozen import freeze
from lensfinder_audit.training.rows import training_rows
from lensfinder_audit.training.settings import load_settings
from lensfinder_audit.training.tests.made_up_training import SMALL, make_sample

SETTINGS = load_settings('resnet18', SMALL)


@pytest.fixture(scope='module')
def sample(tmp_path_factory):
    return make_sample(tmp_path_factory.mktemp('sample'))


def test_splits_are_taken_as_they_are(sample):
    manifest, store = sample
    train, validation = training_rows(manifest, store, SETTINGS)
    assert (len(train), len(validation)) == (80, 40)
    assert train.class_balance() == {'lenses': 22, 'negatives': 58}
    assert_array_equal(train.weight, 1)
    assert train.digest() != validation.digest()


def test_rows_choose_from_the_training_split_alone(sample):
    manifest, store = sample
    mask = np.arange(120) % 2 == 0
    for rows in (mask, manifest['object_id'][mask]):
        train, validation = training_rows(manifest, store, SETTINGS, rows=rows)
        assert_array_equal(train.keys, manifest['object_id'][:80:2])
        assert len(validation) == 40
    for rows, words in ((mask[:7], 'a mask of shape'), (['object-1', 'x'], "the first is 'x'"),
                        (np.arange(120) >= 80, 'none in the split')):
        with pytest.raises(ConfigError, match=words):
            training_rows(manifest, store, SETTINGS, rows=rows)


def test_weights_have_a_mean_of_one(sample):
    manifest, store = sample
    for loss in ('tier', 'manifest'):
        train, _ = training_rows(manifest, store, load_settings(SETTINGS, {'loss': loss}))
        assert train.weight.mean() == pytest.approx(1)
    lens = np.flatnonzero(train.label)[0]
    assert_allclose(train.weight[lens] / train.weight[~train.label], 1 / 20, rtol=1e-5)
    train, _ = training_rows(manifest, store, load_settings(SETTINGS, {'loss': 'tier'}))
    tier = np.asarray(manifest['tier'][:80])
    negative = train.weight[tier == ''][0]
    assert_allclose(train.weight[tier == 'A'], negative)
    assert_allclose(train.weight[tier == 'B'], negative / 2)
    with pytest.raises(ConfigError, match="no weight to the tier 'B'"):
        training_rows(manifest, store, load_settings(SETTINGS, {
            'loss': 'tier', 'tier_weights': {'A': 1.0}}))


def test_a_frozen_set_is_not_trained_on(sample):
    manifest, store = sample
    with pytest.raises(TableError, match="80 of 80 rows of the split 'train' are in the frozen"):
        training_rows(manifest, store, SETTINGS, frozen=freeze(manifest, splits=['train']))
    _, validation = training_rows(manifest, store, SETTINGS,
                                  frozen=freeze(manifest, splits=['val']))
    assert validation.n_frozen == 40


@pytest.mark.parametrize('change, words', [
    (lambda t: t.remove_column('split'), "split"),
    (lambda t: t.__setitem__('split', 'train'), r"in the split 'val'.*split assign"),
    (lambda t: t.__setitem__('label', True), "'train' has 80 lenses and 0 negatives"),
    (lambda t: t['label'].__setitem__(slice(80, None), False), "'val' has 0 lenses"),
    (lambda t: t['object_id'].__setitem__(5, 'gone'), "1 of 80 rows .*'gone'")])
def test_manifests_that_cannot_be_trained_on_are_refused(sample, change, words):
    manifest, store = sample
    manifest = manifest.copy()
    change(manifest)
    with pytest.raises(TableError, match=words):
        training_rows(manifest, store, SETTINGS)


def test_stamps_without_pixels_are_refused_and_named(tmp_path):
    def spoil(flux):
        flux[3] = np.nan
        flux[7, 1] = 0
        flux[90, :, :, :2] = np.nan
        return flux

    manifest, store = make_sample(tmp_path, flux=spoil)
    with pytest.raises(TableError, match=r"2 of 80 cutouts of the split 'train' lack a band or "
                                         r"more than 0.05 .* first is 'object-3' .1 missing"):
        training_rows(manifest, store, SETTINGS)
    good = np.ones(120, bool)
    good[[3, 7]] = False
    with pytest.raises(TableError, match="1 of 40 cutouts of the split 'val'"):
        training_rows(manifest, store, SETTINGS, rows=good)
    assert training_rows(manifest, store, load_settings(SETTINGS, {'max_missing': 0.1}), rows=good)
    train, validation = training_rows(manifest, store, load_settings(SETTINGS, {
        'incomplete': 'leave_out'}))
    assert (len(train), train.n_left_out, len(validation), validation.n_left_out) == (78, 2, 39, 1)
    assert not {'object-3', 'object-7'} & set(train.keys)
