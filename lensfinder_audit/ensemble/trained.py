# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Models that a study trains: checked before the first one begins, trained once and found again.

What was trained stays in a folder of its own beside the study, under a name that
everything decides which the training depends on. Another study on the same rows finds it there.
"""
import hashlib
import json
from pathlib import Path

import numpy as np

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.files import sha256, whole_file

__all__ = ['check_training', 'plain_name', 'train_model']

_DONE = 'trained.json'


def check_training(models, study, sample, store, chosen):
    """
    Read the settings and rows of every training, before the first one begins.

    Parameters
    ----------
    models : dict of str to `~lensfinder_audit.ensemble.study_file.Model`
        Those that are trained.
    study, sample
        The study and its rows.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Cutouts of the manifest.
    chosen : dict of str to (n,) `~numpy.ndarray` of bool
        Rows to train on, by model.

    Raises
    ------
    ConfigError
        If there is no such preset or setting.
    TableError
        If cutouts are missing or lack too many of their pixels.
    """
    from lensfinder_audit.training.rows import training_rows
    from lensfinder_audit.training.settings import load_settings

    for name, model in models.items():
        preset, settings = _settings(model, study, sample)
        training_rows(sample.table, store, load_settings(preset, settings), rows=chosen[name])


def train_model(model, study, sample, bench, rows):
    """
    Train a model, or find it again.

    Parameters
    ----------
    model, study, sample
        The model, its study and the rows of that.
    bench : `~lensfinder_audit.ensemble.models.Bench`
        Cutouts, folder and device.
    rows : (n,) `~numpy.ndarray` of bool
        Rows to train on.

    Returns
    -------
    folder, checkpoint : `~pathlib.Path`
        Where it is kept, and its weights.
    digest : str
        Checksum of the weights.

    Raises
    ------
    ConfigError
        If there is no folder to keep it in, or nothing says how to train.
    TrainingError
        If the training breaks down; the same command goes on after the last whole epoch.
    """
    if bench.folder is None:
        raise ConfigError(f'{model.name} is to be trained and there is no folder to keep it in')
    preset, settings = _settings(model, study, sample)
    identity = {'preset': str(preset), 'settings': settings, 'seed': model.seed,
                'rows': _digest(sample, rows), 'validation': _digest(sample, sample.fit),
                'store': bench.store.checksum()}
    text = json.dumps(identity, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = bench.folder / f'{plain_name(model.name)}-{digest}'
    known = _known(folder)
    if known:
        bench.say(f'{model.name}: found again in {folder}')
        return known
    from lensfinder_audit.training import train_finder

    result = train_finder(sample.table, bench.store, folder, preset=preset, seed=model.seed,
                          rows=rows, settings=settings, resume=True, device=bench.device)
    checkpoint = Path(result.checkpoint)
    with whole_file(folder / _DONE, overwrite=True) as temporary:
        temporary.write_text(json.dumps({
            'checkpoint': str(checkpoint.resolve().relative_to(folder.resolve())),
            'sha256': sha256(checkpoint), 'name': model.name, **identity}, indent=1, default=str))
    return folder, checkpoint, sha256(checkpoint)


def plain_name(name):
    """
    Return a name as a file may have it.

    Parameters
    ----------
    name : str
        Of a model.

    Returns
    -------
    plain : str
        Letters, digits and underscores.

    Examples
    --------
    >>> from lensfinder_audit.ensemble.trained import plain_name
    >>> plain_name('random, seed 3')
    'random__seed_3'
    """
    return ''.join(letter if letter.isalnum() else '_' for letter in name)


def _settings(model, study, sample):
    preset = model.values.get('preset', study.training.get('preset'))
    if not preset:
        raise ConfigError(f'{model.name} is to be trained; say how with "training: {{preset: '
                          'NAME}"')
    return preset, {
        **study.training.get('settings', {}), **model.values.get('settings', {}),
        'train_split': sample.names['train'], 'validation_split': sample.names['fit']}


def _known(folder):
    """Return folder, weights and checksum of what is trained and whole, else `None`."""
    try:
        known = json.loads((folder / _DONE).read_text(encoding='utf-8'))
        checkpoint = folder / known['checkpoint']
        return (folder, checkpoint, known['sha256']) if (
            sha256(checkpoint) == known['sha256']) else None
    except (OSError, ValueError, KeyError):
        return None


def _digest(sample, rows):
    """Return a checksum of objects and labels; another order is the same set."""
    lines = sorted(f'{key} {int(label)}' for key, label in zip(
        np.asarray(sample.table['object_id'][rows]).astype(str).tolist(),
        sample.label[rows].tolist(), strict=True))
    return hashlib.sha256('\n'.join(lines).encode()).hexdigest()
