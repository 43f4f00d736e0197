# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train a finder: from a manifest and its cutouts to a checkpoint with its model card.

A run that was interrupted, even by ``kill -9``, goes on after its last whole epoch and ends
with the same weights as one that was not.
"""
import json
import logging
import pickle
import shutil
import signal
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import lightning.pytorch as pl
import torch
from astropy.table import QTable
from lightning.pytorch.loggers import TensorBoardLogger
from torch.multiprocessing import ProcessRaisedException

from lensfinder_audit._scratch import LOCK, hold
from lensfinder_audit.classifiers.model_card import card_path
from lensfinder_audit.exceptions import (ConfigError, InputFileError, LensfinderAuditError,
                                         TrainingError)
from lensfinder_audit.files import refuse_folder
from lensfinder_audit.training.card import make_card
from lensfinder_audit.training.keeper import (BEST, LAST, STATE, Keeper, clear_unfinished,
                                              history_table)
from lensfinder_audit.training.module import TrainingModule, first_network
from lensfinder_audit.training.plan import PLAN, check_folder, make_plan

__all__ = ['TrainingResult', 'train_finder']


@dataclass(frozen=True)
class TrainingResult:
    """
    What a training gave.

    Parameters
    ----------
    checkpoint : `~pathlib.Path`
        Weights of the best epoch, with a model card beside them; the finder
        ``torch_checkpoint`` loads them.
    last : `~pathlib.Path`
        Weights of the last epoch, likewise.
    history : `~astropy.table.QTable`
        One row per epoch: learning rate, losses, early look, images per second, and the part
        of the time that was spent waiting for data.
    card : dict
        Model card of ``checkpoint``.
    """

    checkpoint: Path
    last: Path
    history: QTable
    card: dict

    @property
    def waiting(self):
        """Part of the training time, over all epochs, that was spent waiting for data."""
        seconds = self.history['seconds']
        return float((self.history['waiting'] * seconds).sum() / seconds.sum())


def train_finder(manifest, store, output, *, preset, seed=0, rows=None, settings=None,
                 resume=True, overwrite=False, device=None, frozen=None, progress=None):
    """
    Train a finder.

    Parameters
    ----------
    manifest : str, `~pathlib.Path` or `~astropy.table.QTable`
        Objects with ``label`` and ``split``.
    store : str, `~pathlib.Path` or `~lensfinder_audit.cutouts.CutoutStore`
        Their cutouts.
    output : str or `~pathlib.Path`
        Folder of the training; made where it is not there.
    preset : str, `~pathlib.Path` or `~lensfinder_audit.training.settings.TrainingSettings`
        Name of a preset, a YAML file, or settings.
    seed : int, optional
        Of first weights, order and augmentation.
    rows : (n,) array_like of bool or sequence of str, optional
        What to train on: a mask over the manifest, or keys of objects; of these, those in the
        training split. The validation split stays whole.
    settings : dict, optional
        Changes to the preset by name.
    resume : bool, optional
        Whether to go on with the same training where ``output`` holds it; one that is
        finished is returned as it is.
    overwrite : bool, optional
        Whether a training in ``output`` is thrown away first.
    device : str, optional
        ``cpu``, ``cuda`` or ``mps``; the fastest there is without one.
    frozen : str, `~pathlib.Path` or `~astropy.table.QTable`, optional
        Frozen evaluation set, of which nothing may be trained on.
    progress : callable, optional
        Called with a dict after each step (``epoch``, ``stamps``, ``of``, ``done`` false) and
        after each epoch (a row of the history, ``done`` true); with several devices, from
        another process, if it can be pickled.

    Returns
    -------
    result : `TrainingResult`
        Checkpoints, history and card.

    Raises
    ------
    ConfigError
        If a setting cannot be.
    TableError
        If the manifest lacks a split, a class or a cutout, or touches the frozen set.
    OutputExistsError
        If the folder holds another training, or another process works there.
    TrainingError
        If the loss is no number any more, or memory ran out. What was reached is kept.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f'seed is {seed!r}; it must be a whole number, 0 or more')
    plan = make_plan(manifest, store, preset=preset, seed=seed, rows=rows, settings=settings,
                     device=device, frozen=frozen)
    folder = Path(output).resolve()
    if overwrite and folder.exists():
        refuse_folder(folder, True, PLAN)
        hold(folder / LOCK, folder).close()  # unless another process trains there
        shutil.rmtree(folder)
    check_folder(folder, plan, resume=resume)
    stream = hold(folder / LOCK, folder)
    try:
        clear_unfinished(folder)
        history = _history(folder)
        if len(history) < plan.settings.epochs:
            _fit(plan, folder, progress)
            history = _history(folder)
    finally:
        stream.close()
    return _result(folder, history)


def _result(folder, history):
    best = folder / BEST
    return TrainingResult(best, folder / LAST, history_table(history),
                          json.loads(card_path(best).read_text(encoding='utf-8')))


def _history(folder):
    """Return the epochs that are done, as the state of the training has them."""
    path = folder / STATE
    if not path.exists():
        return []
    try:
        found = torch.load(path, map_location='cpu', weights_only=True)
        return found['callbacks']['lensfinder_audit.history']['history']
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InputFileError(f'{path}: is damaged, so that the training cannot go on; give '
                             '--overwrite to begin anew') from error


def _fit(plan, folder, progress):
    settings = plan.settings
    network = first_network(settings, len(plan.bands), seed=plan.seed)
    module = TrainingModule(network, settings, plan.order, plan.validation.label, seed=plan.seed)
    train, validation = plan.loaders()
    train.warm_up()
    keeper = Keeper(folder, make_card(network, settings, plan), train,
                    progress if settings.devices == 1 or _can_be_sent(progress) else None)
    state = folder / STATE
    with _quiet(), _threads(settings.threads), _own_random_numbers(plan.device), _own_ctrl_c():
        trainer = _trainer(plan, folder, keeper)
        try:
            trainer.fit(module, train, validation, weights_only=True,
                        ckpt_path=str(state) if state.exists() else None)
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from error
        except ProcessRaisedException as error:  # of one of several devices
            last = str(error).strip().splitlines()[-1]
            raise TrainingError(last.partition(': ')[2] or last) from error
        except (RuntimeError, MemoryError) as error:
            raise _explained(error, settings) from error


def _can_be_sent(progress):
    """With several devices each runs in a process of its own."""
    try:
        pickle.dumps(progress)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _trainer(plan, folder, keeper):
    settings = plan.settings
    loggers = [TensorBoardLogger(folder, name='tensorboard', version='')] if (
        find_spec('tensorboard') or find_spec('tensorboardX')) else False
    return pl.Trainer(
        accelerator={'cuda': 'gpu'}.get(plan.device, plan.device), devices=settings.devices,
        strategy='auto' if settings.devices == 1 else 'ddp_spawn', precision=plan.precision,
        max_epochs=settings.epochs, accumulate_grad_batches=plan.order.accumulation,
        gradient_clip_val=settings.gradient_clip, callbacks=[keeper], logger=loggers,
        default_root_dir=folder, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False)


def _explained(error, settings):
    """Say what to do where memory ran out."""
    text = str(error)
    if isinstance(error, LensfinderAuditError):
        return error
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or 'allocate memory' in text:
        return TrainingError(
            f'memory ran out with batch_size={settings.batch_size}; set a smaller batch_size. The '
            'effective batch stays what it is, in more passes. The weights of the epochs before '
            'are kept')
    return error


@contextmanager
def _quiet():
    """Keep what Lightning says of itself from the user."""
    loggers = [logging.getLogger(name) for name in ('lightning.pytorch', 'lightning.fabric')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _own_ctrl_c():
    """Lightning ignores Ctrl-C once it has seen one; a caller goes on."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _threads(n):
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _own_random_numbers(device):
    """Leave torch's random numbers outside of a training as they are."""
    devices = list(range(torch.cuda.device_count())) if device == 'cuda' else []
    with torch.random.fork_rng(devices=devices):
        yield
