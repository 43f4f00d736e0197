# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Bad input of ``train`` and ``ensemble``: one sentence each, and nothing is left behind."""
import json
import pickle
import shutil

import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch', reason='training needs the extra torch')
pytest.importorskip('lightning', reason='training needs the extra torch')
pytest.importorskip('safetensors', reason='training needs the extra torch')

from lensfinder_audit.cli.tests.running import refusal, run  # noqa: E402
from lensfinder_audit.manifest import read_manifest, write_manifest  # noqa: E402
from lensfinder_audit.training import module  # noqa: E402
from lensfinder_audit.training.tests.made_up_training import SMALL, make_sample  # noqa: E402

PRESET, SPLITS = 'paper4-shielded-resnet', ('train', 'val', 'test')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A sample with three splits, which nothing is wrong with."""
    folder = tmp_path_factory.mktemp('whole')
    split = np.repeat(SPLITS, 40)
    make_sample(folder, split=split, seeing=np.linspace(0.9, 1.8, 120))
    return folder


@pytest.fixture
def sample(whole, tmp_path):
    """The same in a folder of its own, to be spoilt."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def change(folder, name, values):
    manifest = read_manifest(folder / 'manifest.parquet')
    manifest[name] = values(manifest) if callable(values) else values
    write_manifest(manifest, folder / 'manifest.parquet', overwrite=True)


def train(folder, **settings):
    """Return the arguments of a small training."""
    changes = [item for name, value in (SMALL | {'epochs': 1} | settings).items()
               for item in ('--set', f'{name}={json.dumps(value)}')]
    return ('train', '--preset', PRESET, folder / 'manifest.parquet', folder / 'cutouts', '-o',
            folder / 'out', '--device', 'cpu', *changes)


def ensemble(folder, **changes):
    """Write a study of small trainings and return the arguments of its command."""
    told = {'members': {'A': {'subset': 'seeing < 1.4', 'lenses': 'all'}, 'B': {}}, 'budgets': [9],
            'training': {'preset': PRESET, 'settings': SMALL | {'epochs': 1}},
            'splits': dict(zip(('train', 'fit', 'report'), SPLITS, strict=True)),
            'statistics': {'n_resamples': 100}} | changes
    (folder / 'study.yaml').write_text(yaml.safe_dump(told))
    return ('ensemble', folder / 'manifest.parquet', folder / 'study.yaml', '-o', folder / 'out',
            '--device', 'cpu', '--no-figures')


COMMANDS = pytest.mark.parametrize('command', [train, ensemble])


# The manifest and its cutouts

def _gone(row):
    def values(manifest):
        keys = np.asarray(manifest['object_id']).astype('U20')
        keys[row] = 'gone'
        return keys

    return values


def _no_lens_in(split):
    return lambda manifest: np.asarray(manifest['label']) & (np.asarray(manifest['split']) != split)


@COMMANDS
@pytest.mark.parametrize(('name', 'values', 'said'), [
    ('object_id', _gone(50), "'gone'"),
    ('label', lambda manifest: np.zeros(120, bool), ' 0 lenses'),
    ('label', lambda manifest: np.ones(120, bool), ' 0 negatives'),
    ('label', _no_lens_in('train'), ' 0 lenses'), ('label', _no_lens_in('val'), ' 0 lenses'),
    ('split', np.repeat('train', 120), "'val'")], ids=[
        'a cutout is missing', 'no lens', 'no negative', 'no lens to train on',
        'no lens to validate with', 'one split'])
def test_manifests_that_cannot_be_used(sample, command, name, values, said):
    change(sample, name, values)
    words = refusal(sample, *command(sample))
    assert said in words and words.startswith('Error: ')


def test_a_split_that_is_reported_on_needs_both_classes(sample):
    change(sample, 'label', _no_lens_in('test'))
    assert 'test: the rows to report on hold 0 lenses' in refusal(sample, *ensemble(sample))


@pytest.mark.parametrize(('settings', 'said'), [
    ({'stamp_size': 33}, 'cannot be cut to 33 x 33'), ({'bands': ['g', 'i']}, "asks for 'i'"),
    ({'epoch': 3}, "Did you mean 'epochs'"), ({'learning_rate': -1}, 'learning_rate')])
def test_wrong_shapes_bands_and_settings(sample, settings, said):
    assert said in refusal(sample, *train(sample, **settings))


def test_finders_of_another_shape_or_band_are_refused(sample):
    pytest.importorskip('onnx', reason='the network is made with onnx')
    from lensfinder_audit.tests.networks import DECLARED, write_network

    for size, bands, said in ((33, ['g', 'r', 'z'], 'takes stamps of (33, 33) pixels'),
                              (21, ['g', 'r', 'Y'], "needs bands ('g', 'r', 'Y')")):
        write_network(sample / 'other.onnx', size=(size, size), metadata=DECLARED | {
            'bands': bands})
        done = run(*ensemble(sample, members={name: {'finder': 'other.onnx'} for name in 'AB'}))
        assert done.exit_code == 2 and said in done.stderr.splitlines()[-1]


@COMMANDS
def test_stamps_that_are_not_numbers(tmp_path, command):
    def spoil(flux):
        flux[[3, 50]] = np.nan
        return flux

    make_sample(tmp_path, flux=spoil, split=np.repeat(SPLITS, 40), seeing=np.linspace(1, 2, 120))
    done = run(*command(tmp_path))
    words = done.stderr.splitlines()[-1]
    assert done.exit_code == 2 and "1 of 40 cutouts of the split 'train' lack a band" in words
    assert 'incomplete=leave_out' in words and 'Traceback' not in done.output


@COMMANDS
def test_a_store_that_is_cut_short(sample, command):
    for path in (sample / 'cutouts').rglob('*.npy'):
        path.write_bytes(path.read_bytes()[:1000])
    done = run(*command(sample))
    assert done.exit_code == 2 and '.npy' in done.stderr.splitlines()[-1]


# Subsets and members

@pytest.mark.parametrize(('member', 'said'), [
    ({'subset': 'seeing > 9'}, "no training row of 40 fulfils 'seeing > 9'"),
    ({'subset': 'seing < 1.4'}, "no column 'seing'. Did you mean 'seeing'"),
    ({'subset': 'seeing <'}, 'seeing <'), ({'subset': 'Q'}, "there is no subset 'Q'"),
    ({'preset': 'resnet81'}, "Did you mean 'resnet18'"),
    ({'settings': {'epoch': 3}}, "Did you mean 'epochs'")])
def test_members_that_cannot_be(sample, member, said):
    words = refusal(sample, *ensemble(sample, members={'A': {}, 'B': member}))
    assert said in words


@pytest.fixture
def checkpoint(whole, sample):
    """A checkpoint with its card, in the folder of a study."""
    done = run(*train(sample))
    assert done.exit_code == 0, done.stderr
    for suffix in ('safetensors', 'json'):
        shutil.copy(sample / 'out' / f'best.{suffix}', sample / f'mine.{suffix}')
    shutil.rmtree(sample / 'out')
    return sample / 'mine.safetensors'


class Malicious:
    """Opens a file when it is unpickled by a reader that runs code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def _of_another_network(path):
    card = json.loads(path.with_suffix('.json').read_text())
    card['network_arguments']['widths'] = [8, 16, 16]
    path.with_suffix('.json').write_text(json.dumps(card))


def _cut(path):
    path.write_bytes(path.read_bytes()[:500])


def _not_finite(path):
    from safetensors.torch import load_file, save_file

    weights = load_file(str(path))
    save_file({name: value * np.nan for name, value in weights.items()}, str(path))
    card = json.loads(path.with_suffix('.json').read_text())
    card.pop('weights_sha256')
    path.with_suffix('.json').write_text(json.dumps(card))


def _malicious(path):
    card = json.loads(path.with_suffix('.json').read_text())
    card.pop('weights_sha256')
    path.with_suffix('.json').write_text(json.dumps(card))
    path.unlink()
    evil = path.with_suffix('.pt')
    evil.write_bytes(pickle.dumps({'weight': Malicious(str(path.with_name('ran')))}))
    return evil


HARMS = {_of_another_network: 'its weights are not those of shielded_resnet',
         _cut: 'checksum is not the one of its card', _not_finite: 'its training broke down',
         _malicious: 'could run any code'}


def test_checkpoints_that_are_not_what_they_should_be(checkpoint):
    """In ``ensemble``, ``score`` and ``export`` alike, and before anything is trained."""
    kept = {path: path.read_bytes() for path in (checkpoint, checkpoint.with_suffix('.json'))}
    folder = checkpoint.parent
    for harm, said in HARMS.items():
        for path, content in kept.items():
            path.write_bytes(content)
        bad = harm(checkpoint) or checkpoint
        member = {'finder': 'torch_checkpoint', 'checkpoint': bad.name}
        for command in (ensemble(folder, members={'A': {}, 'B': member}),
                        ('score', 'torch_checkpoint', folder / 'manifest.parquet', '--checkpoint',
                         bad, '-o', folder / 'scores.parquet'),
                        ('export', bad, '-o', folder / 'x.onnx')):
            assert said in refusal(folder, *command), (harm, command)
    assert not (folder / 'ran').exists()


# While it runs

def test_a_loss_that_is_no_number_keeps_the_last_good_epoch(sample, monkeypatch):
    right = module.TrainingModule._losses

    def wrong(self, batch):
        return right(self, batch) * (float('nan') if self.current_epoch == 1 else 1)

    monkeypatch.setattr(module.TrainingModule, '_losses', wrong)
    done = run(*train(sample, epochs=3))
    assert done.exit_code == 2 and 'Traceback' not in done.output
    words = done.stderr.strip().splitlines()[-1]
    assert 'no number any more in epoch 2' in words and 'epochs before are kept' in words
    done = run('score', 'torch_checkpoint', sample / 'manifest.parquet', '--checkpoint',
               sample / 'out' / 'best.safetensors', '-o', sample / 'scores.parquet')
    assert done.exit_code == 0, done.stderr


def test_a_learning_rate_that_is_far_too_large_is_told(sample):
    done = run(*train(sample, learning_rate=1e30))
    words = done.stderr.strip().splitlines()[-1]
    assert done.exit_code == 2 and ('the loss is no number any more in epoch 1' in words
                                    or 'are no numbers after epoch 1' in words)
    assert 'earning_rate' in words and 'Traceback' not in done.output


@COMMANDS
def test_want_of_memory_is_one_line_and_the_same_command_goes_on(sample, command, monkeypatch):
    def full(self, batch):
        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 3 GiB')

    with monkeypatch.context() as patch:
        patch.setattr(module.TrainingModule, '_losses', full)
        done = run(*command(sample))
    words = done.stderr.strip().splitlines()[-1]
    assert done.exit_code == 2 and 'batch_size=16; set a smaller batch_size' in words
    if command is train:
        assert run(*command(sample)).exit_code == 0
