# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip('torch', reason='torch checkpoints need the extra torch')
pytest.importorskip('safetensors', reason='torch checkpoints need the extra torch')

from lensfinder_audit.classifiers import networks  # noqa: E402
from lensfinder_audit.classifiers.model_card import check_card  # noqa: E402
from lensfinder_audit.classifiers.networks import (PUBLISHED_PARAMETERS,  # noqa: E402
                                                   ShieldedResNet, make_network, n_parameters)
from lensfinder_audit.classifiers.onnx import OnnxClassifier  # noqa: E402
from lensfinder_audit.classifiers.torch_checkpoint import (TorchCheckpoint,  # noqa: E402
                                                           read_weights, save_checkpoint)
from lensfinder_audit.cli.tests.running import refusal, run  # noqa: E402
from lensfinder_audit.exceptions import (ConfigError, ConformanceError,  # noqa: E402
                                         InputFileError, MissingDependencyError,
                                         OutputExistsError)
from lensfinder_audit.testing import _core, check_classifier, example_flux  # noqa: E402

ARGUMENTS = {'first': 8, 'widths': [8, 16], 'blocks': 1}
CARD = {'network': 'shielded_resnet', 'network_arguments': ARGUMENTS, 'bands': ['g', 'r', 'z'],
        'stamp_shape': [33, 33], 'pixel_scale': 0.262, 'normalizer': 'raw_robust',
        'score_kind': 'logit', 'limitations': ['made up for a test'],
        'class_balance': {'lenses': 3, 'negatives': 4}, 'training_manifest_sha256': 'none',
        'seeds': {'weights': 1}}


def small_network():
    torch.manual_seed(1)
    network = make_network('shielded_resnet', **ARGUMENTS)
    for layer in network.modules():  # as training leaves it: no layer is an identity
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture
def path(tmp_path):
    return save_checkpoint(small_network(), tmp_path / 'finder.safetensors', CARD)


def flux(n=6):
    return example_flux(n, shape=(33, 33))


# Networks

def test_shielded_resnet_is_as_large_as_its_docstring_says():
    found, published = n_parameters(make_network('shielded_resnet')), PUBLISHED_PARAMETERS
    assert found == 194305 and f'{found:,}' in ShieldedResNet.__doc__
    assert found - published['shielded_resnet'] == -128


def test_shielded_resnet_takes_any_stamp_and_number_of_bands():
    network = make_network('shielded_resnet', in_chans=4, **ARGUMENTS)
    for size in (33, 64):
        assert network(torch.zeros(2, 4, size, size)).shape == (2, 1)


@pytest.mark.parametrize('name, parameters', [('resnet18', 11177025),
                                              ('efficientnetv2_s', 20178769)])
def test_networks_of_timm_have_the_published_size(name, parameters):
    try:
        network = make_network(name)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    assert n_parameters(network) == parameters
    assert not network.training


def test_unknown_networks_and_arguments_are_named():
    with pytest.raises(ConfigError, match=r"'shielded_resnet' does not take .*'depth': 3"):
        make_network('shielded_resnet', depth=3)
    with pytest.raises((ConfigError, MissingDependencyError), match="'shielded_resnett'"):
        make_network('shielded_resnett')


# Checkpoints

def test_checkpoint_scores_as_the_network_it_was_made_of(path):
    finder = TorchCheckpoint(path)
    images = finder.normalizer(flux())
    with torch.inference_mode():
        expected = small_network()(torch.from_numpy(images))[:, 0].numpy()
    assert_allclose(finder(flux()), expected, rtol=1e-5, atol=1e-6)
    assert_array_equal(TorchCheckpoint(path)(flux()), finder(flux()))
    assert finder.embed(images).shape == (6, 16)
    assert finder.limitations == ['made up for a test']


def test_checkpoint_conforms_and_survives_another_process(path):
    finder = TorchCheckpoint(path, batch_size=4)
    check_classifier(finder)
    assert_array_equal(_core.revived(finder)(flux()), finder(flux()))


def test_card_tells_the_rest(path):
    card = json.loads(path.with_suffix('.json').read_text())
    assert card['versions']['torch'] == torch.__version__
    assert card['parameters'] == n_parameters(small_network())
    assert card['weights_sha256'] == TorchCheckpoint(path).checksum
    with pytest.raises(OutputExistsError):
        save_checkpoint(small_network(), path, CARD)


def test_probability_is_the_sigmoid_of_the_logit(tmp_path, path):
    other = save_checkpoint(small_network(), tmp_path / 'p.safetensors',
                            CARD | {'score_kind': 'probability'})
    logit = TorchCheckpoint(path)(flux())
    assert_allclose(TorchCheckpoint(other)(flux()), 1 / (1 + np.exp(-logit)))


@pytest.mark.parametrize('change, words', [
    ({'limitations': []}, 'a network without limitations has not been looked at'),
    ({'limitatons': ['x']}, "'limitatons' is not known.*Did you mean 'limitations'"),
    ({'seeds': None}, 'does not say its seeds'), ({'bands': None}, 'does not say its bands'),
    ({'score_kind': 'logits'}, "Did you mean 'logit'"),
    ({'pixel_scale': -1}, 'one positive angle')])
def test_incomplete_cards_are_refused(tmp_path, change, words):
    with pytest.raises(ConfigError, match=f'(?i){words}'):
        save_checkpoint(small_network(), tmp_path / 'x.safetensors', CARD | change)
    assert not list(tmp_path.iterdir())


def test_third_party_cards_need_less():
    less = {name: CARD[name] for name in CARD if name not in ('seeds', 'class_balance')}
    assert check_card(less)['bands'] == ('g', 'r', 'z')
    with pytest.raises(InputFileError, match='no model card'):
        check_card([])


# Files that are not what they should be

@pytest.mark.parametrize('suffix', ['.safetensors', '.pt'])
def test_every_cut_of_a_file_is_refused(tmp_path, suffix):
    whole = save_checkpoint(small_network(), tmp_path / 'whole.safetensors', CARD)
    if suffix == '.pt':
        torch.save(small_network().state_dict(), tmp_path / 'whole.pt')
    content = (tmp_path / f'whole{suffix}').read_bytes()
    cut = tmp_path / f'cut{suffix}'
    for size in (0, 7, 100, len(content) // 2, len(content) - 1):
        cut.write_bytes(content[:size])
        with pytest.raises(InputFileError, match='cut'):
            read_weights(cut)
    assert read_weights(whole)


class Malicious:
    """Runs code when it is unpickled, in a reader that allows it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_a_pickle_that_would_run_code_does_not(tmp_path):
    for write in (lambda thing, path: torch.save(thing, path),
                  lambda thing, path: path.write_bytes(pickle.dumps(thing))):
        write({'weight': Malicious(tmp_path / 'done')}, tmp_path / 'evil.pt')
        with pytest.raises(InputFileError, match='evil.pt'):
            read_weights(tmp_path / 'evil.pt')
    assert not (tmp_path / 'done').exists()


def test_pickled_weights_are_read_where_they_are_only_weights(tmp_path, path):
    torch.save({'state_dict': small_network().state_dict(), 'epoch': 3}, tmp_path / 'old.pt')
    card = {name: value for name, value in CARD.items()}
    (tmp_path / 'old.json').write_text(json.dumps(card))
    assert_array_equal(TorchCheckpoint(tmp_path / 'old.pt')(flux()), TorchCheckpoint(path)(flux()))


def test_another_architecture_says_how_it_differs(tmp_path, path):
    card = json.loads(path.with_suffix('.json').read_text())
    card['network_arguments'] = ARGUMENTS | {'widths': [8, 16, 16]}
    path.with_suffix('.json').write_text(json.dumps(card))
    with pytest.raises(InputFileError, match=r'not those of shielded_resnet: \d+ of \d+ tensors '
                                             'are missing .the first is'):
        TorchCheckpoint(path)
    card['network_arguments'] = ARGUMENTS
    card['bands'] = ['g', 'r']
    path.with_suffix('.json').write_text(json.dumps(card))
    with pytest.raises(InputFileError, match=r"shape \(8, 3, 7, 7\), shielded_resnet needs "):
        TorchCheckpoint(path)


def test_changed_weights_and_broken_ones_are_told(tmp_path, path):
    network = small_network()
    with torch.no_grad():
        network.head.bias += 1
    (tmp_path / 'other').mkdir()
    other = save_checkpoint(network, tmp_path / 'other' / 'finder.safetensors', CARD)
    path.write_bytes(other.read_bytes())
    with pytest.raises(InputFileError, match='checksum is not the one of its card'):
        TorchCheckpoint(path)
    with torch.no_grad():
        network.head.bias *= np.nan
    broken = save_checkpoint(network, tmp_path / 'broken.safetensors', CARD)
    with pytest.raises(InputFileError, match="not finite, the first is 'head.bias'"):
        TorchCheckpoint(broken)


@pytest.mark.parametrize('error', [torch.OutOfMemoryError('CUDA out of memory'), MemoryError(),
                                   RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_want_of_memory_says_what_to_change(path, monkeypatch, error):
    finder = TorchCheckpoint(path, batch_size=16)

    def full(images):
        raise error

    monkeypatch.setattr(finder.network, 'forward', full)
    with pytest.raises(ConfigError, match="memory ran out on 'cpu' with batch_size=16.*such as "
                                          'batch_size=4'):
        finder(flux())
    error = RuntimeError('something else')
    with pytest.raises(RuntimeError, match='something else'):
        finder(flux())


def test_files_that_are_not_there_are_named(tmp_path, path):
    with pytest.raises(InputFileError, match='no model card; write none.json beside it'):
        TorchCheckpoint(tmp_path / 'none.pt')
    with pytest.raises(InputFileError, match='no such file'):
        read_weights(tmp_path / 'none.pt')
    with pytest.raises(ConfigError, match="no device 'cuda:77'"):
        TorchCheckpoint(path, device='cuda:77')


# Export

def test_export_scores_as_torch_does(tmp_path, path):
    pytest.importorskip('onnx')
    done = run('export', path, '-o', tmp_path / 'finder.onnx')
    assert done.exit_code == 0, done.stderr
    assert 'differ from those of torch by at most' in done.stdout
    exported, finder = OnnxClassifier(tmp_path / 'finder.onnx'), TorchCheckpoint(path)
    assert_allclose(exported(flux(9)), finder(flux(9)), rtol=1e-5, atol=1e-5)
    assert exported.bands == finder.bands and repr(exported.normalizer) == repr(finder.normalizer)
    check_classifier(exported)


@pytest.mark.parametrize(('owner', 'said'), [('torch', 'what torch computes is at fault'),
                                             ('onnx', 'what ONNX Runtime computes is at fault')])
def test_export_that_scores_otherwise_is_not_written(tmp_path, path, monkeypatch, owner, said):
    """One stamp is scored otherwise: it is named, and so is who does it."""
    pytest.importorskip('onnx')
    from lensfinder_audit.classifiers.onnx_export import export_onnx

    cls = {'torch': TorchCheckpoint, 'onnx': OnnxClassifier}[owner]
    right = cls.predict

    def wrong(self, images):
        return right(self, images) + 1e-3 * (np.arange(len(images)) == 7)

    finder = TorchCheckpoint(path)
    monkeypatch.setattr(cls, 'predict', wrong)
    with pytest.raises(ConformanceError, match='x.onnx: the scores of ONNX Runtime') as caught:
        export_onnx(finder, tmp_path / 'x.onnx')
    text = str(caught.value)
    assert 'by up to 0.001 ' in text and 'on 1 of 14 stamps: noise 2 (torch ' in text
    assert said in text and 'nothing was written' in text and '\n' not in text
    assert not (tmp_path / 'x.onnx').exists()


@pytest.mark.parametrize('kind', ['logit', 'probability'])
def test_rounding_is_told_from_a_fault(tmp_path, kind):
    """At a tolerance below single precision, torch and ONNX Runtime are both as far from exact."""
    pytest.importorskip('onnx')
    path = save_checkpoint(small_network(), tmp_path / 'finder.safetensors',
                           CARD | {'score_kind': kind})
    words = refusal(tmp_path, 'export', path, '-o', tmp_path / 'x.onnx', '--tolerance', '1e-10')
    assert 'the network amplifies the rounding of single precision' in words
    allowed = words.rpartition('--tolerance ')[2]
    done = run('export', path, '-o', tmp_path / 'x.onnx', '--tolerance', allowed)
    assert done.exit_code == 0, done.stderr


def test_export_refuses_what_it_cannot_write(tmp_path, path):
    assert 'ends in .onnx' in refusal(tmp_path, 'export', path, '-o', tmp_path / 'finder.pt')
    assert 'no model card' in refusal(tmp_path, 'export', tmp_path / 'none.pt', '-o',
                                      tmp_path / 'finder.onnx')


def test_missing_timm_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'timm', None)
    with pytest.raises(MissingDependencyError, match=r'lensfinder_audit\[torch\]'):
        networks.make_network('resnet18')
