# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import json
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip('torch', reason='training needs the extra torch')
pytest.importorskip('lightning', reason='training needs the extra torch')
pytest.importorskip('safetensors', reason='training needs the extra torch')

from torch.nn.functional import binary_cross_entropy_with_logits  # noqa: E402

from lensfinder_audit.classifiers.torch_checkpoint import TorchCheckpoint  # noqa: E402
from lensfinder_audit.cli.tests.running import refusal, run  # noqa: E402
from lensfinder_audit.exceptions import (ConfigError, InputFileError,  # noqa: E402
                                         OutputExistsError, TrainingError)
from lensfinder_audit.files import read_table, sha256  # noqa: E402
from lensfinder_audit.measure.ranking import auc, tpr_at_fpr  # noqa: E402
from lensfinder_audit.scoring import score_manifest  # noqa: E402
from lensfinder_audit.training import hardware, module, train_finder  # noqa: E402
from lensfinder_audit.training.plan import make_plan  # noqa: E402
from lensfinder_audit.training.tests.made_up_training import SMALL, make_sample  # noqa: E402

PRESET = 'paper4-shielded-resnet'


@pytest.fixture(scope='module')
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sample')
    make_sample(folder)
    return folder


@pytest.fixture(scope='module')
def trained(sample, tmp_path_factory):
    """Return a training of three epochs."""
    return train(sample, tmp_path_factory.mktemp('trained') / 'out', epochs=3)


def train(sample, output, *, seed=4, epochs=2, progress=None, **more):
    settings = SMALL | {'epochs': epochs} | more.pop('settings', {})
    return train_finder(sample / 'manifest.parquet', sample / 'cutouts', output, preset=PRESET,
                        seed=seed, settings=settings, device='cpu', progress=progress, **more)


# What comes out

def test_checkpoint_scores_what_the_training_saw(sample, trained):
    manifest = read_table(sample / 'manifest.parquet')
    manifest = manifest[manifest['split'] == 'val']
    finder = TorchCheckpoint(trained.checkpoint)
    scores = score_manifest(finder, manifest, make_plan(
        sample / 'manifest.parquet', sample / 'cutouts', preset=PRESET, settings=SMALL).store)
    seen, label = trained.card['validation'], np.asarray(manifest['label'])
    assert auc(scores['score'], label) == pytest.approx(seen['validation_auc'])
    assert tpr_at_fpr(scores['score'], label, 1e-3)['tpr'][0] == pytest.approx(
        seen['validation_tpr'])
    assert seen['validation_auc'] == max(trained.history['validation_auc'])
    assert seen['validation_auc'] > 0.75  # it learnt something


def test_a_plain_loop_in_torch_gives_the_same_weights(sample, trained):
    plan = make_plan(sample / 'manifest.parquet', sample / 'cutouts', preset=PRESET, seed=4,
                     settings=SMALL | {'epochs': 3}, device='cpu')
    network = module.first_network(plan.settings, 3, seed=4)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=1e-4)
    stamps = plan.loaders()[0]._loader.dataset
    for epoch in range(3):
        batches = [stamps[epoch, rows] for rows in plan.order.batches(epoch)]
        for step in range(plan.order.n_steps):
            optimizer.zero_grad()
            for batch in batches[2 * step:2 * step + 2]:
                loss = binary_cross_entropy_with_logits(network(batch['images'])[:, 0],
                                                        batch['label'], reduction='sum')
                (loss / 32).backward()
            optimizer.step()
    found = TorchCheckpoint(trained.last).network.state_dict()
    for name, value in network.state_dict().items():
        assert_allclose(found[name].numpy(), value.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


def test_history_card_and_files_tell_what_was_done(sample, trained):
    assert trained.history['epoch'].tolist() == [1, 2, 3]
    assert np.all((trained.history['waiting'] > 0) & (trained.history['waiting'] < 1))
    assert 0 < trained.waiting < 1
    assert len(read_table(trained.checkpoint.parent / 'history.csv')) == 3
    card = trained.card
    assert card['training_manifest_sha256'] == sha256(sample / 'manifest.parquet')
    assert card['class_balance'] == {'lenses': 22, 'negatives': 58} and card['seeds']
    assert {'lightning', 'torch', 'numpy'} <= set(card['versions'])
    said = ' '.join(card['limitations'])
    for words in ('never seen the sky', 'the published shielded_resnet 194,433',
                  'normalisation of published finders is not published', 'epochs 3 instead of 160',
                  '10 of its 22 training lenses', 'one lens to 2.64 negatives'):
        assert words in said
    assert TorchCheckpoint(trained.checkpoint).limitations == card['limitations']


def test_nothing_of_torch_is_left_changed(sample, tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train(sample, tmp_path / 'out', epochs=1)
    assert_array_equal(torch.rand(3), expected)


# Going on

def test_a_killed_training_ends_with_the_same_weights(sample, trained, tmp_path):
    output = tmp_path / 'out'
    code = [sys.executable, '-m', 'lensfinder_audit.training.tests.killed', sample, output]
    done = subprocess.run(code, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(read_table(output / 'history.csv')) == 1
    resumed = train(sample, output, epochs=3)
    for name in ('best.safetensors', 'last.safetensors'):
        assert (output / name).read_bytes() == (trained.last.parent / name).read_bytes()
    same = ['epoch', 'learning_rate', 'loss', 'validation_loss', 'validation_auc', 'best']
    for name in same:
        assert_array_equal(resumed.history[name], trained.history[name])


def test_a_finished_training_is_returned_and_another_one_refused(sample, trained, monkeypatch):
    output = trained.last.parent
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    again = train(sample, output, epochs=3)
    assert again.card == trained.card and {path.name: path.read_bytes()
                                           for path in output.iterdir()} == before
    with pytest.raises(OutputExistsError, match=r'differs in learning_rate \(0.01, now 0.02\)'):
        train(sample, output, epochs=3, settings={'learning_rate': 0.02})
    with pytest.raises(OutputExistsError, match='differs in seed'):
        train(sample, output, epochs=3, seed=5)
    with pytest.raises(OutputExistsError, match='holds a training already'):
        train(sample, output, epochs=3, resume=False)


def test_a_damaged_state_is_told_and_can_be_thrown_away(sample, trained, tmp_path):
    output = tmp_path / 'out'
    train(sample, output, epochs=1)
    (output / 'state.ckpt').write_bytes(b'PK')
    with pytest.raises(InputFileError, match='state.ckpt: is damaged.*--overwrite'):
        train(sample, output, epochs=1)
    assert len(train(sample, output, epochs=1, overwrite=True).history) == 1
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.txt').write_text('x')
    for more in ({}, {'overwrite': True}):
        with pytest.raises(OutputExistsError, match='thesis.txt|holds no training.json'):
            train(sample, tmp_path / 'mine', **more)
    assert (tmp_path / 'mine' / 'thesis.txt').exists()


def test_batches_do_not_depend_on_the_process_that_reads_them(sample):
    plan = make_plan(sample / 'manifest.parquet', sample / 'cutouts', preset=PRESET,
                     settings=SMALL, device='cpu')
    stamps = plan.loaders()[0]._loader.dataset
    other = pickle.loads(pickle.dumps(stamps))
    rows = np.array([5, 3, 70])
    assert_array_equal(stamps[1, rows]['images'], other[1, rows]['images'])
    assert_array_equal(stamps[1, rows]['images'][1], other[1, rows[1:2]]['images'][0])


# What goes wrong

def test_a_loss_that_is_no_number_stops_and_keeps_what_was_good(sample, tmp_path, monkeypatch):
    right = module.TrainingModule._losses

    def wrong(self, batch):
        return right(self, batch) * (float('nan') if self.current_epoch == 1 else 1)

    monkeypatch.setattr(module.TrainingModule, '_losses', wrong)
    with pytest.raises(TrainingError, match='no number any more in epoch 2, step 3; .*_rate'):
        train(sample, tmp_path / 'out')
    card = json.loads((tmp_path / 'out' / 'best.json').read_text())
    assert card['validation']['epoch'] == 1
    assert TorchCheckpoint(tmp_path / 'out' / 'best.safetensors').card['validation']
    monkeypatch.undo()
    assert len(train(sample, tmp_path / 'out').history) == 2


def test_want_of_memory_says_what_to_change(sample, tmp_path, monkeypatch):
    def full(self, batch):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(module.TrainingModule, '_losses', full)
    with pytest.raises(TrainingError, match='batch_size=16; set a smaller batch_size.*more passes'):
        train(sample, tmp_path / 'out')


@pytest.mark.parametrize('settings, words', [
    ({'bands': ['g', 'i']}, "asks for 'i'"), ({'stamp_size': 25}, 'cannot be cut to 25 x 25'),
    ({'stamp_size': 20}, 'cannot be cut to 20 x 20'), ({'precision': '16-mixed'}, 'is for GPUs'),
    ({'normalizer_parameters': {'r': 1}}, 'does not take'),
    ({'pretrained': True}, 'shielded ResNet has no published weights')])
def test_settings_that_do_not_fit_the_data_are_refused(sample, tmp_path, settings, words):
    with pytest.raises(ConfigError, match=words):
        train(sample, tmp_path / 'out', settings=settings)


def test_bfloat16_is_used_where_the_processor_has_it(monkeypatch):
    for there, expected in ((True, 'bf16-mixed'), (False, '32-true')):
        monkeypatch.setattr(hardware, '_cpu_has_bf16', lambda there=there: there)
        assert hardware.choose_precision('auto', 'cpu') == expected
    with pytest.raises(ConfigError, match='no instructions for bfloat16'):
        hardware.choose_precision('bf16-mixed', 'cpu')
    with pytest.raises(ConfigError, match="no device 'tpu' here"):
        hardware.choose_device('tpu')
    with pytest.raises(ConfigError, match='CUDA_VISIBLE_DEVICES'):
        hardware.choose_device('cuda:1')


def test_weights_that_cannot_be_fetched_are_told(monkeypatch):
    timm = pytest.importorskip('timm', reason='networks of timm need the extra torch',
                               exc_type=Exception)
    from lensfinder_audit.training.settings import load_settings

    def offline(*args, pretrained, **kwargs):
        if pretrained:
            raise OSError('We could not connect to the hub')
        return torch.nn.Identity()

    monkeypatch.setattr(timm, 'create_model', offline)
    with pytest.raises(InputFileError, match="of 'resnet18' cannot be fetched .*pretrained"):
        module.first_network(load_settings('resnet18', {'pretrained': True}), 3, seed=0)


# From the command line

def test_a_finder_is_trained_and_scored_from_the_command_line(sample, tmp_path):
    changes = [item for name, value in (SMALL | {'epochs': 1, 'loss': 'tier'}).items()
               for item in ('--set', f'{name}={json.dumps(value)}')]
    done = run('train', '--preset', PRESET, sample / 'manifest.parquet', sample / 'cutouts', '-o',
               tmp_path / 'out', '--device', 'cpu', *changes)
    assert done.exit_code == 0, done.stderr
    assert 'epoch 1: loss' in done.stderr and '% waiting for data' in done.stderr
    assert 'torch_checkpoint' in done.stdout
    done = run('score', 'torch_checkpoint', sample / 'manifest.parquet', '--checkpoint',
               tmp_path / 'out' / 'best.safetensors', '-o', tmp_path / 'scores.ecsv')
    assert done.exit_code == 0, done.stderr
    said = read_table(tmp_path / 'scores.ecsv').meta['limitations']
    assert any('lenses weighted by tier' in text for text in said)


def test_bad_input_is_refused_in_one_line(sample, tmp_path):
    words = refusal(tmp_path, 'train', '--preset', 'resnet81', sample / 'manifest.parquet',
                    sample / 'cutouts', '-o', tmp_path / 'out')
    assert "Did you mean 'resnet18'" in words
    words = refusal(tmp_path, 'train', '--preset', 'resnet18', tmp_path / 'none.parquet',
                    sample / 'cutouts', '-o', tmp_path / 'out')
    assert 'none.parquet' in words
