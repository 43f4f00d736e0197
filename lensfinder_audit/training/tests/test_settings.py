# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
from importlib.util import find_spec

import pytest

from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.training.settings import (PRESETS, TrainingSettings, learning_rate_at,
                                                load_settings)

PARITY = {'paper4-shielded-resnet': ('shielded_resnet', 2048, 5e-4, [80]),
          'paper4-efficientnetv2-s': ('efficientnetv2_s', 512, 3.88e-4, [130]),
          'resnet18': ('resnet18', 2048, 5e-4, [80])}


@pytest.mark.parametrize('name', PRESETS)
def test_presets_are_the_published_parameters(name):
    found = load_settings(name)
    assert (found.network, found.effective_batch, found.learning_rate,
            found.halve_at) == PARITY[name]
    assert (found.epochs, found.stamp_size, found.loss) == (160, 101, 'unweighted')
    assert found.schedule == 'step' and found.weight_decay == 1e-4
    assert found.flips and found.quarter_turns and not found.pretrained


def test_resnet18_shows_16_batches_of_128_to_a_step():
    found = load_settings('resnet18')
    assert (found.batch_size, found.accumulation) == (128, 16)


def test_rate_is_halved_once_and_falls_as_a_cosine():
    found = load_settings('resnet18')
    assert [learning_rate_at(found, epoch) for epoch in (0, 79.99, 80, 159)] == [
        5e-4, 5e-4, 2.5e-4, 2.5e-4]
    found = TrainingSettings('resnet18', schedule='cosine', epochs=10, learning_rate=1.0,
                             final_rate=0.1, warmup_epochs=2.0)
    assert learning_rate_at(found, 1) == pytest.approx(0.5)
    assert learning_rate_at(found, 2) == pytest.approx(1)
    assert learning_rate_at(found, 6) == pytest.approx(0.55)  # half way
    assert learning_rate_at(found, 10) == pytest.approx(0.1)


def test_a_file_and_changes_are_read(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text('network: resnet18\nlearning_rate: 1e-3\nhalve_at: [5, 8]\n')
    found = load_settings(path, {'epochs': '12', 'loss': 'tier', 'flips': 'false'})
    assert found.learning_rate == 1e-3 and found.epochs == 12
    assert found.loss == 'tier' and found.flips is False and found.halve_at == [5, 8]


@pytest.mark.parametrize('changes, words', [
    ({'epoch': '3'}, "'epoch' is not known.*Did you mean 'epochs'"),
    ({'epochs': '0'}, 'epochs is 0; it must be positive'),
    ({'epochs': 'many'}, "epochs is 'many'; it must be a whole number"),
    ({'epochs': 'true'}, 'epochs is True'), ({'learning_rate': '.nan'}, 'learning_rate is nan'),
    ({'loss': 'tiers'}, "Did you mean 'tier'"), ({'halve_at': '[0]'}, 'give epochs'),
    ({'validation_split': 'train'}, 'are both'), ({'halve_at': '[1'}, 'is not YAML'),
    ({'precision': 'bf16mixed'}, "Did you mean 'bf16-mixed'"),
    ({'tier_weights': '{A: x}'}, 'a weight')])
def test_settings_that_cannot_be_are_named(changes, words):
    with pytest.raises(ConfigError, match=words):
        load_settings('resnet18', changes)


def test_unknown_presets_and_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no preset 'resnet8'.*Did you mean 'resnet18'"):
        load_settings('resnet8')
    with pytest.raises(ConfigError, match='none.yaml: cannot be read'):
        load_settings(tmp_path / 'none.yaml')
    for text, words in (('- a', 'no names with values'), ('epochs: 3', 'does not say its network'),
                        ('a: [', 'is not YAML')):
        (tmp_path / 'bad.yaml').write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_settings(tmp_path / 'bad.yaml')


def test_help_names_the_presets_without_torch():
    done = run('train', '--help')
    assert done.exit_code == 0 and all(name in ' '.join(done.stdout.split()) for name in PRESETS)


@pytest.mark.skipif(find_spec('torch') is not None, reason='torch is installed')
def test_missing_torch_is_one_line(tmp_path):
    words = refusal(tmp_path, 'train', '--preset', 'resnet18', 'm.parquet', 'c', '-o',
                    tmp_path / 'out')
    assert "pip install 'lensfinder_audit[torch]'" in words
