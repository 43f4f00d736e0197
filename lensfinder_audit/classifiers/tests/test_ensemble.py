# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import subprocess
import sys

import numpy as np
import pytest
from astropy import units as u
from numpy.testing import assert_allclose
from scipy.special import expit

from lensfinder_audit.classifiers.ensemble import (CalibratedFinder, KeptFlux, MeanOfFinders,
                                                   MetaLearner, load_member)
from lensfinder_audit.cli.tests.running import run
from lensfinder_audit.combiners.calibration import Platt
from lensfinder_audit.combiners.feature_weighted import FeatureWeighted
from lensfinder_audit.combiners.stacking import StackingNetwork
from lensfinder_audit.combiners.storage import save_combiner
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.interfaces import Classifier
from lensfinder_audit.normalizers.asinh import Asinh
from lensfinder_audit.normalizers.raw_robust import RawRobust
from lensfinder_audit.testing import check_classifier, check_normalizer, example_flux
from lensfinder_audit.tests.networks import DECLARED, write_network
from lensfinder_audit.tests.test_scoring import fill

SCALE = 0.262 * u.arcsec


class Core(Classifier):
    """The mean of the middle of one band, as a logit."""

    pixel_scale, score_kind = SCALE, 'logit'

    def __init__(self, *, bands=('g', 'r', 'z'), size=21, normalizer=None, scale=SCALE,
                 kind='logit'):
        self.bands, self.size, self.scale, self.kind = bands, size, scale, kind
        self.stamp_shape, self.pixel_scale, self.score_kind = (size, size), scale, kind
        self.normalizer = normalizer or Asinh()

    def predict(self, images):
        middle = images[:, :, 8:-8, 8:-8].mean(axis=(1, 2, 3), dtype=float)
        return expit(middle) if self.kind == 'probability' else middle


def flux(size=21, bands=3):
    return example_flux(bands=bands, shape=(size, size))


def two():
    return [Core(), Core(normalizer=RawRobust(), bands=('r', 'g'))]


def network():
    rng = np.random.default_rng(0)
    return StackingNetwork.fit(rng.random((60, 2)), np.arange(60) < 30, finders=['a', 'b'],
                               hidden=3, max_steps=5)


def test_kept_flux_keeps_every_bit():
    given = flux().astype(np.float32)
    given[0, 0, :3] = np.nan
    kept = KeptFlux()(given)
    assert np.isfinite(kept).all()
    np.testing.assert_array_equal(KeptFlux.restore(kept), given)
    check_normalizer(KeptFlux())


def test_mean_is_that_of_members_that_normalise_differently():
    first, second = two()
    found = MeanOfFinders(members=[first, second])
    images = flux()
    images[0, 1] = np.nan
    expected = (first(images) + second(images[:, [1, 0]])) / 2
    assert_allclose(found(images, bands='grz'), expected, rtol=1e-6)
    assert found.score_kind == 'logit' and found.bands == ('g', 'r', 'z')


def test_ensembles_conform():
    check_classifier(MeanOfFinders(members=two()))
    check_classifier(MetaLearner(network(), members=two()))


def test_smaller_members_see_the_middle():
    found = MeanOfFinders(members=[Core(size=31), Core(size=21)])
    images = flux(31)
    expected = (Core(size=31)(images) + Core(size=21)(images)) / 2
    assert found.stamp_shape == (31, 31)
    assert_allclose(found(images), expected, rtol=1e-6)
    with pytest.raises(TableError, match='cannot be cropped'):
        MeanOfFinders(members=[Core(size=30), Core(size=21)])(flux(30))


def test_logits_and_probabilities_meet_as_probabilities():
    found = MeanOfFinders(members=[Core(), Core(kind='probability')])
    assert found.score_kind == 'probability'
    assert_allclose(found(flux()), expit(Core()(flux())), rtol=1e-6)


def test_meta_learner_is_its_combiner_on_its_members(tmp_path):
    save_combiner(network(), tmp_path / 'meta.json')
    first, second = two()
    found = MetaLearner.from_checkpoint(tmp_path / 'meta.json', members={'b': second, 'a': first})
    images = flux()
    scores = np.column_stack([first(images), second(images[:, [1, 0]])])
    assert_allclose(found(images), network()(expit(scores)), rtol=1e-6)


def test_calibrated_finder_gives_the_probability_of_its_curve():
    curve = Platt(['core'], score_kind='logit', parameters={'slope': 2.0, 'intercept': -1.0})
    found = CalibratedFinder(curve, members=[Core()])
    assert found.score_kind == 'probability'
    assert_allclose(found(flux()), expit(2 * Core()(flux()) - 1), rtol=1e-6)


def test_another_member_is_another_ensemble():
    first = MeanOfFinders(members=[Core(), Core(kind='probability')])
    assert first.checksum != MeanOfFinders(members=[Core(), Core()]).checksum


def test_members_that_cannot_be_combined_are_named(tmp_path):
    with pytest.raises(ConfigError, match='at least one member'):
        MeanOfFinders(members=[])
    with pytest.raises(ConfigError, match=r"'0.262 arcsec', '0.1 arcsec'.*one stamp has one scale"):
        MeanOfFinders(members=[Core(), Core(scale=0.1 * u.arcsec)])
    with pytest.raises(ConfigError, match='Core gives ranks, which cannot be averaged'):
        MeanOfFinders(members=[Core(kind='rank')])
    with pytest.raises(ConfigError, match=r"made for \['a', 'b'\]; 1 members"):
        MetaLearner(network(), members=[Core()])
    with pytest.raises(ConfigError, match=r"members are called \['x', 'y'\]"):
        MetaLearner(network(), members={'x': Core(), 'y': Core()})
    with pytest.raises(ConfigError, match='has one member, not 2'):
        CalibratedFinder(network(), members=two())
    with pytest.raises(ConfigError, match='a member is 3; give the path of an ONNX file'):
        load_member(3)


def test_conditions_are_no_matter_for_pixels():
    rng = np.random.default_rng(0)
    made = FeatureWeighted.fit(rng.random((50, 2)), np.arange(50) < 25, rng.random((50, 1)),
                               finders=['a', 'b'], conditions=['psfsize_r'], max_steps=3)
    with pytest.raises(ConfigError, match=r"reads \['psfsize_r'\], which pixels do not tell"):
        MetaLearner(made, members=two())


def test_command_scores_with_two_networks_as_one_finder(tmp_path):
    """Members as a user writes them; the table is the mean of the two tables."""
    pytest.importorskip('onnx')
    fill(tmp_path, 12)
    for name, softening in (('one', 0.05), ('two', 0.5)):  # two normalisers
        write_network(tmp_path / f'{name}.onnx', metadata=DECLARED | {
            'normalizer_parameters': {'softening': softening}})
    tables = {}
    for name in ('one', 'two'):
        done = run('score', tmp_path / f'{name}.onnx', tmp_path / 'manifest.parquet', '-o',
                   tmp_path / f'{name}.parquet')
        assert done.exit_code == 0, done.stderr
        tables[name] = read_table(tmp_path / f'{name}.parquet')['score']
    done = run('score', 'mean', tmp_path / 'manifest.parquet', '-o', tmp_path / 'mean.parquet',
               '--option', f'members=[{tmp_path}/one.onnx, {tmp_path}/two.onnx]')
    assert done.exit_code == 0, done.stderr
    assert np.abs(tables['one'] - tables['two']).max() > 0.01
    assert_allclose(read_table(tmp_path / 'mean.parquet')['score'],
                    (tables['one'] + tables['two']) / 2, rtol=1e-5, atol=1e-6)


def test_without_torch_a_checkpoint_says_what_to_install():
    code = ("import sys; sys.modules['torch'] = None\n"
            "from lensfinder_audit.plugins import load_plugin\n"
            "load_plugin('classifiers', 'torch_checkpoint')")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert "needs 'torch', which is not installed: pip install 'lensfinder_audit[torch]'" in (
        done.stderr)
