# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import pickle

import numpy as np
import pytest
import yaml
from astropy import units as u
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import (ConfigError, ConformanceError, InputFileError,
                                         PluginNotFoundError, TableError)
from lensfinder_audit.normalizers.asinh import Asinh
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.testing import check_classifier, example_flux
from lensfinder_audit.tests.networks import DECLARED, forward, write_network

pytest.importorskip('onnx')
OnnxClassifier = load_plugin('classifiers', 'onnx')
FLUX = example_flux(7, shape=(21, 21))


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / 'tiny.onnx', embedding=True, metadata=DECLARED)


# The contract

@pytest.mark.parametrize('options', [
    {}, {'embedding': True}, {'sigmoid': True, 'score_kind': 'probability'}, {'batch': 4},
    {'size': ('y', 'x'), 'stamp_shape': [33, 21]}, {'batch': 1, 'bands': 'b'}], ids=str)
def test_networks_conform(tmp_path, options):
    words = ('score_kind', 'stamp_shape')
    metadata = DECLARED | {name: options[name] for name in words if name in options}
    path = write_network(tmp_path / 'tiny.onnx', metadata=metadata,
                         **{name: value for name, value in options.items() if name not in words})
    check_classifier(OnnxClassifier(path))


def test_scores_are_those_of_numpy(network):
    finder = OnnxClassifier(network)
    wanted, features = forward(Asinh(softening=0.05)(FLUX))
    assert_allclose(finder(FLUX), wanted[:, 0], rtol=1e-5, atol=1e-5)
    assert_allclose(finder.embed(Asinh(softening=0.05)(FLUX)), features, rtol=1e-5, atol=1e-5)


def test_logits_stay_logits(tmp_path):
    metadata = DECLARED | {'score_kind': 'probability'}
    plain = write_network(tmp_path / 'a.onnx', metadata=DECLARED)
    squashed = write_network(tmp_path / 'b.onnx', metadata=metadata, sigmoid=True)
    logit, probability = OnnxClassifier(plain), OnnxClassifier(squashed)
    assert (logit.score_kind, probability.score_kind) == ('logit', 'probability')
    assert logit(FLUX).min() < 0 or logit(FLUX).max() > 1
    assert_allclose(probability(FLUX), 1 / (1 + np.exp(-logit(FLUX))), rtol=1e-5)


def test_a_logit_declared_a_probability_is_refused(tmp_path):
    path = write_network(tmp_path / 'a.onnx', metadata=DECLARED)
    finder = OnnxClassifier(path, score_kind='probability')
    with pytest.raises(ConformanceError, match="probability; declare score_kind='logit' or 'rank'"):
        finder(100 * FLUX)


def test_two_columns_need_the_column_of_the_lenses(tmp_path):
    path = write_network(tmp_path / 'a.onnx', n_scores=2, metadata=DECLARED)
    with pytest.raises(InputFileError, match='2 numbers per stamp, one score is needed; say which'):
        OnnxClassifier(path)
    wanted, _ = forward(Asinh(softening=0.05)(FLUX), n_scores=2)
    assert_allclose(OnnxClassifier(path, lens_class=0)(FLUX), wanted[:, 0] - wanted[:, 1],
                    rtol=1e-4, atol=1e-5)
    assert_allclose(OnnxClassifier(path, lens_class=1, score_kind='rank')(FLUX), wanted[:, 1],
                    rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('batch', ['n', 3])
@pytest.mark.parametrize('batch_size', [1, 2, 100])
def test_scores_do_not_depend_on_the_batch(tmp_path, batch, batch_size):
    path = write_network(tmp_path / 'a.onnx', batch=batch, metadata=DECLARED)
    whole = OnnxClassifier(path)(FLUX)
    assert_allclose(OnnxClassifier(path, batch_size=batch_size)(FLUX), whole, rtol=1e-5, atol=1e-5)
    assert OnnxClassifier(path, batch_size=batch_size).predict(FLUX[:0]).shape == (0,)


def test_it_goes_to_other_processes(network):
    finder = OnnxClassifier(network)
    again = pickle.loads(pickle.dumps(finder))
    assert_array_equal(again(FLUX), finder(FLUX))
    assert repr(again) == repr(finder)


def test_threads_are_set(network):
    finder = OnnxClassifier(network, threads=1)
    assert finder._session.get_session_options().intra_op_num_threads == 1
    with pytest.raises(ConfigError, match='threads is 0'):
        OnnxClassifier(network, threads=0)


def test_checksum_follows_the_weights_beside_it(network):
    before = OnnxClassifier(network).checksum
    network.with_name('tiny.onnx.data').write_bytes(b'weights')
    assert OnnxClassifier(network).checksum != before


# Declarations

def test_arguments_come_before_the_side_file_and_that_before_the_file(tmp_path):
    path = write_network(tmp_path / 'a.onnx', metadata=DECLARED)
    (tmp_path / 'a.yaml').write_text(yaml.safe_dump({
        'normalizer': 'raw_robust', 'score_kind': 'rank', 'reference': 'unpublished'}))
    finder = OnnxClassifier(path, score_kind='logit', bands='rgz')
    assert (finder.score_kind, finder.bands) == ('logit', ('r', 'g', 'z'))
    assert repr(finder.normalizer) == 'RawRobust(r_in=None, r_out=None, clip=10.0)'
    assert finder.pixel_scale == 0.262 * u.arcsec
    assert OnnxClassifier(path, normalizer=Asinh()).normalizer.softening == 0.01


def test_bands_may_be_written_in_several_ways(tmp_path):
    for i, bands in enumerate(['grz', 'g,r,z', 'g, r, z', '[g, r, z]']):
        path = write_network(tmp_path / f'{i}.onnx', metadata=DECLARED | {'bands': bands})
        assert OnnxClassifier(path).bands == ('g', 'r', 'z')
    assert OnnxClassifier(path, pixel_scale='262 marcsec').pixel_scale == 0.262 * u.arcsec


@pytest.mark.parametrize('lacking', ['bands', 'pixel_scale', 'normalizer', 'score_kind'])
def test_what_nothing_says_is_named(tmp_path, lacking):
    metadata = {name: value for name, value in DECLARED.items() if name != lacking}
    path = write_network(tmp_path / 'a.onnx', metadata=metadata)
    with pytest.raises(ConfigError, match=f'nothing says its {lacking}; give {lacking}=, or write '
                                          'it into a.yaml'):
        OnnxClassifier(path)


@pytest.mark.parametrize(('options', 'error', 'words'), [
    ({'score_kind': 'logits'}, ConfigError, "Did you mean 'logit'?"),
    ({'bands': 'grr'}, ConfigError, 'give each band once'),
    ({'pixel_scale': 'wide'}, ConfigError, 'give arcseconds per pixel'),
    ({'pixel_scale': -1}, ConfigError, 'one positive angle'),
    ({'stamp_shape': 'large'}, ConfigError, 'give height and width'),
    ({'stamp_shape': 64}, InputFileError, 'takes 21 x 21 pixels, declared are 64 x 64'),
    ({'bands': 'gr'}, InputFileError, r'has 3 bands on axis 1, declared are 2'),
    ({'lens_class': 2}, ConfigError, 'give 0 or 1'),
    ({'normalizer': 'raw_robst'}, PluginNotFoundError, "Did you mean 'raw_robust"),
    ({'normalizer': 'asinh', 'normalizer_parameters': {'soft': 1}}, ConfigError,
     r"the normaliser 'asinh' does not take \{'soft': 1\}"),
    ({'normalizer': 'asinh', 'normalizer_parameters': 3}, ConfigError, 'give names and values'),
    ({'normalizer': Asinh(), 'normalizer_parameters': {'softening': 1}}, ConfigError,
     'takes no normalizer_parameters'),
    ({'batch_size': 0}, ConfigError, 'at least one stamp'),
    ({'adapt': 'crp'}, ConfigError, "Did you mean 'crop'?"),
    ({'adapt': 'pad'}, ConfigError, "adapt='pad' is not offered: added pixels"),
    ({'adapt': 'resample'}, ConfigError, "adapt='resample' is not offered: resampling"),
])
def test_impossible_declarations_are_named(network, options, error, words):
    with pytest.raises(error, match=words):
        OnnxClassifier(network, **options)


@pytest.mark.parametrize(('text', 'error', 'words'), [
    ('score_knd: logit', ConfigError, "'score_knd' is not known; .*Did you mean 'score_kind'?"),
    ('- logit', InputFileError, 'holds no names with values'),
    ('a: [', InputFileError, 'is not YAML')])
def test_bad_side_files_are_named(network, text, error, words):
    network.with_suffix('.yaml').write_text(text)
    with pytest.raises(error, match=words):
        OnnxClassifier(network)


# Files

@pytest.mark.parametrize(('options', 'words'), [
    ({'kind': 'double'}, r'takes tensor\(double\); export it with an input of float32'),
    ({'axes': ['n', 3, 21, 21, 1]}, 'is damaged|its input has 5 axes'),
    ({'bands': 4}, r'has 4 bands on axis 1, declared are 3'),
])
def test_inputs_of_another_form_are_named(tmp_path, options, words):
    path = write_network(tmp_path / 'a.onnx', metadata=DECLARED, **options)
    with pytest.raises(InputFileError, match=words):
        OnnxClassifier(path)


def test_an_open_stamp_shape_must_be_given(tmp_path):
    path = write_network(tmp_path / 'a.onnx', size=('y', 'x'), metadata=DECLARED)
    with pytest.raises(ConfigError, match=r'nothing says its stamp_shape; .*\(101, 101\)'):
        OnnxClassifier(path)


@pytest.mark.parametrize('harm', [lambda content: content[:200], lambda content: b'',
                                  lambda content: b'not a network'])
def test_a_damaged_file_is_one_line(network, harm):
    network.write_bytes(harm(network.read_bytes()))
    with pytest.raises(InputFileError, match='tiny.onnx: is damaged or no ONNX file: ') as caught:
        OnnxClassifier(network)
    assert '\n' not in str(caught.value)


def test_a_missing_file_and_a_device_are_named(tmp_path, network):
    with pytest.raises(InputFileError, match='there is no such file'):
        OnnxClassifier.from_checkpoint(tmp_path / 'none.onnx')
    with pytest.raises(ConfigError, match="not on 'cuda'"):
        OnnxClassifier.from_checkpoint(network, device='cuda')


# Stamps that do not fit

def test_larger_stamps_are_refused_unless_cut_exactly(network):
    large = np.pad(FLUX, [(0, 0), (0, 0), (3, 3), (0, 0)])
    with pytest.raises(TableError, match=r"these have \(27, 21\); .*adapt='crop'"):
        OnnxClassifier(network)(large)
    cut = OnnxClassifier(network, adapt='crop')
    assert_array_equal(cut(large), cut(FLUX))
    with pytest.raises(TableError, match='cannot be cropped to that about its centre'):
        cut(large[:, :, 1:])
    with pytest.raises(TableError, match='cannot be cropped'):
        cut(FLUX[:, :, 1:-1])


@pytest.mark.parametrize(('bands', 'size'), [(4, 66), (4, 200), (3, 66)])
def test_networks_of_another_survey_are_refused(tmp_path, bands, size):
    """The published Euclid-like networks take these; a DR10 stamp fits none of them."""
    names = ['g', 'r', 'z', 'H'][:bands]
    path = write_network(tmp_path / 'a.onnx', bands=bands, size=(size, size),
                         metadata=DECLARED | {'bands': names, 'pixel_scale': 0.1})
    for adapt in (None, 'crop'):
        with pytest.raises(TableError, match='needs bands|takes stamps of'):
            OnnxClassifier(path, adapt=adapt)(example_flux(1), bands='grz')


def test_another_pixel_scale_is_refused(network):
    with pytest.raises(TableError, match='trained at 0.262 arcsec'):
        OnnxClassifier(network)(FLUX, pixel_scale=0.1 * u.arcsec)


def test_bands_are_put_in_order(network):
    finder = OnnxClassifier(network)
    assert_array_equal(finder(FLUX[:, [2, 0, 1]], bands='zgr'), finder(FLUX))


def test_real_stamps_are_scored(real_data, tmp_path):
    path = write_network(tmp_path / 'a.onnx', size=(101, 101), metadata=DECLARED)
    flux = np.stack([np.moveaxis(np.load(file)['cutout'], 2, 0)
                     for file in sorted((real_data / 'dr10-cutouts').glob('0*.npz'))])
    wanted, _ = forward(Asinh(softening=0.05)(flux))
    assert_allclose(OnnxClassifier(path)(flux), wanted[:, 0], rtol=1e-4, atol=1e-5)
