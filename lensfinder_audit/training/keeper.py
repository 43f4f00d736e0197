# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What a training leaves behind after each epoch, each file whole or not at all."""
import shutil

import lightning.pytorch as pl
from astropy.table import QTable

from lensfinder_audit.classifiers.torch_checkpoint import save_checkpoint
from lensfinder_audit.files import whole_file, write_whole

__all__ = ['Keeper', 'BEST', 'LAST', 'STATE', 'HISTORY', 'history_table']

#: Files of a training.
BEST, LAST, STATE, HISTORY = 'best.safetensors', 'last.safetensors', 'state.ckpt', 'history.csv'

_DESCRIPTIONS = {
    'epoch': 'number, from 1', 'learning_rate': 'at the end of the epoch',
    'loss': 'mean over the epoch, while it was trained',
    'validation_loss': 'cross-entropy, unweighted', 'validation_auc': 'AUC',
    'validation_tpr': 'completeness at a false-positive rate of at most 1e-3',
    'best': 'whether it was the best so far', 'seconds': 'training without validation',
    'images_per_second': 'stamps trained on', 'waiting': 'part of the time spent waiting for data'}


class Keeper(pl.Callback):
    """
    Writes history, best weights and what a training needs to go on.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Of the training.
    card : dict
        Model card, without validation.
    loader : `~lensfinder_audit.training.loading.Loader`
        Of the training split; it holds the clock.
    progress : callable, optional
        Called with a dict after each step and after each epoch.
    """

    def __init__(self, folder, card, loader, progress=None):
        self.folder, self.card, self.loader, self.progress = folder, card, loader, progress
        self.history, self._shown = [], 0

    @property
    def state_key(self):
        """Name of the history in the state of the training."""
        return 'lensfinder_audit.history'

    def state_dict(self):
        """Return the history."""
        return {'history': self.history}

    def load_state_dict(self, state_dict):
        """Take up the history."""
        self.history = list(state_dict['history'])

    def on_train_epoch_start(self, trainer, module):
        """Count from the start, and tell the loader which epoch it is."""
        self._shown = 0
        self.loader.set_epoch(trainer.current_epoch)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        """Tell of a step, and stop the clock at the last."""
        if batch_idx + 1 == len(self.loader):
            self.loader.stop_clock()
        order = module.order
        self._shown += len(batch['rows']) * order.devices
        if self.progress and (batch_idx + 1) % order.accumulation == 0 and trainer.is_global_zero:
            self.progress({'epoch': trainer.current_epoch + 1, 'stamps': self._shown,
                           'of': order.n_steps * order.step_size, 'done': False})

    def on_train_epoch_end(self, trainer, module):
        """Write everything; what a resumed training starts from comes last."""
        row = self._row(trainer, module)
        self.history.append(row)
        for logger in trainer.loggers:
            logger.log_metrics({name: float(value) for name, value in row.items()},
                               step=row['epoch'])
        if trainer.is_global_zero:
            self._write(module.network, row)
        self._save_state(trainer)
        if self.progress and trainer.is_global_zero:
            self.progress({**row, 'done': True})

    def _row(self, trainer, module):
        elapsed, shown = self.loader.elapsed, module.order.n_steps * module.order.step_size
        before = [(row['validation_auc'], -row['validation_loss']) for row in self.history]
        now = (module.measured['validation_auc'], -module.measured['validation_loss'])
        return {'epoch': trainer.current_epoch + 1,
                'learning_rate': float(trainer.optimizers[0].param_groups[0]['lr']),
                'loss': module.mean_loss(), **module.measured,
                'best': all(now > item for item in before), 'seconds': elapsed,
                'images_per_second': shown / elapsed, 'waiting': self.loader.waited / elapsed}

    def _write(self, network, row):
        told = {name: row[name] for name in ('epoch', 'validation_loss', 'validation_auc',
                                             'validation_tpr')}
        for name in [BEST] * row['best'] + [LAST]:
            save_checkpoint(network, self.folder / name, self.card | {'validation': told},
                            overwrite=True)
        write_whole(history_table(self.history), self.folder / HISTORY, overwrite=True)

    def _save_state(self, trainer):
        if trainer.world_size > 1:
            trainer.save_checkpoint(self.folder / f'{STATE}.new')
            if trainer.is_global_zero:
                (self.folder / f'{STATE}.new').replace(self.folder / STATE)
            return
        with whole_file(self.folder / STATE, overwrite=True) as unfinished:
            trainer.save_checkpoint(unfinished)


def history_table(history):
    """
    Return a history as a table.

    Parameters
    ----------
    history : list of dict
        One for each epoch.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per epoch.
    """
    table = QTable(rows=history) if history else QTable(names=list(_DESCRIPTIONS))
    for name in table.colnames:
        table[name].info.description = _DESCRIPTIONS[name]
    return table


def clear_unfinished(folder):
    """Remove what a killed process was writing."""
    for path in folder.glob('.*.*'):
        if path.is_dir() and any(path.name.startswith(f'.{name}.') for name in (
                BEST, LAST, STATE, HISTORY, 'best.json', 'last.json', 'training.json')):
            shutil.rmtree(path, ignore_errors=True)
