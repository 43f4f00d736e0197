# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A training before it runs: inputs read and checked, everything that it depends on named."""
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

import lensfinder_audit
from lensfinder_audit._scratch import LOCK
from lensfinder_audit.classifiers._declarations import make_normalizer
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.exceptions import OutputExistsError
from lensfinder_audit.files import sha256, whole_file
from lensfinder_audit.frozen import read_frozen
from lensfinder_audit.manifest import read_manifest
from lensfinder_audit.training.hardware import choose_device, choose_precision, choose_workers
from lensfinder_audit.training.loading import Loader, Stamps
from lensfinder_audit.training.order import TrainingOrder, ValidationOrder
from lensfinder_audit.training.rows import training_rows
from lensfinder_audit.training.settings import PRESETS, load_settings

__all__ = ['Plan', 'make_plan', 'check_folder', 'PLAN']

#: File of a training that says which it is.
PLAN = 'training.json'


@dataclass
class Plan:
    """
    A training with its inputs.

    Parameters
    ----------
    settings, preset_settings : `~lensfinder_audit.training.settings.TrainingSettings`
        How to train; and the preset without changes, `None` where there is none.
    preset : str
        Its name, or that of a file.
    manifest : `~astropy.table.QTable`
        All of it.
    manifest_sha256 : str
        Checksum of its file; of the rows where it was given as a table.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        The cutouts.
    store_sha256 : str
        Their checksum.
    train, validation : `~lensfinder_audit.training.rows.TrainingRows`
        The splits.
    n_split : int
        Rows of the training split before any were chosen.
    chosen_rows : bool
        Whether some were.
    seed : int
        Of everything that is random.
    device, precision : str
        What it runs on.
    """

    settings: object
    preset_settings: object
    preset: str
    manifest: Table
    manifest_sha256: str
    store: CutoutStore
    store_sha256: str
    train: object
    validation: object
    n_split: int
    chosen_rows: bool
    seed: int
    device: str
    precision: str

    @property
    def bands(self):
        """Bands of the input, in its order."""
        return tuple(self.settings.bands or self.store.bands)

    @property
    def shape(self):
        """Height and width of the input."""
        size = self.settings.stamp_size
        return (size, size) if size else tuple(self.store.shape)

    @property
    def order(self):
        """Batches of each epoch."""
        return TrainingOrder(len(self.train), effective_batch=self.settings.effective_batch,
                             batch_size=self.settings.batch_size, seed=self.seed,
                             devices=self.settings.devices)

    def loaders(self):
        """Return the loaders of training and validation."""
        settings = self.settings
        normalizer = make_normalizer(settings.normalizer, settings.normalizer_parameters,
                                     'the settings')
        more = {'normalizer': normalizer, 'bands': self.bands, 'shape': self.shape}
        train = Stamps(self.store, self.train, seed=self.seed, flips=settings.flips,
                       quarter_turns=settings.quarter_turns, **more)
        validation = ValidationOrder(len(self.validation), batch_size=settings.batch_size,
                                     devices=settings.devices)
        how = {'workers': choose_workers(settings.workers, self.device),
               'pin': self.device == 'cuda'}
        return (Loader(train, self.order, **how),
                Loader(Stamps(self.store, self.validation, **more), validation, **how))

    def identity(self):
        """Return everything that the outcome depends on, as plain values."""
        return {'settings': self.settings.identity(), 'seed': self.seed,
                'train': self.train.digest(), 'validation': self.validation.digest(),
                'store': self.store_sha256, 'bands': list(self.bands),
                'version': lensfinder_audit.__version__}


def make_plan(manifest, store, *, preset, seed=0, rows=None, settings=None, device=None,
              frozen=None):
    """
    Read and check what a training is given.

    Parameters
    ----------
    manifest, store, preset, seed, rows, settings, device, frozen
        As for `~lensfinder_audit.training.run.train_finder`.

    Returns
    -------
    plan : `Plan`
        Ready to run.
    """
    told = load_settings(preset, settings)
    device = choose_device(device)
    precision = choose_precision(told.precision, device)
    is_table = isinstance(manifest, Table)
    table = manifest if is_table else read_manifest(manifest)
    cutouts = store if isinstance(store, CutoutStore) else CutoutStore(store)
    frozen = read_frozen(frozen) if isinstance(frozen, str | Path) else frozen
    train, validation = training_rows(table, cutouts, told, rows=rows, frozen=frozen)
    n_split = int((np.asarray(table['split']).astype(str) == told.train_split).sum())
    original = load_settings(preset) if str(preset) in PRESETS else None
    plan = Plan(told, original, Path(preset).name if isinstance(preset, str | Path) else 'settings',
                table, train.digest() if is_table else sha256(manifest), cutouts,
                cutouts.checksum(), train, validation, n_split, rows is not None, seed, device,
                precision)
    plan.loaders()  # bands and shapes are checked there
    return plan


def check_folder(folder, plan, *, resume=True):
    """
    Make the folder of a training, or find out that it is the one to go on with.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Of the training.
    plan : `Plan`
        The training.
    resume : bool, optional
        Whether it may go on with what is there.

    Raises
    ------
    OutputExistsError
        If something else is there; it says what differs.
    """
    path, wanted = folder / PLAN, json.loads(json.dumps(plan.identity(), default=str))
    others = [item.name for item in folder.iterdir() if not item.name.startswith('.')] if (
        folder.is_dir()) else []
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f'{folder} is a file; give the name of a folder')
    if path.exists() and not resume:
        raise OutputExistsError(f'{folder} holds a training already; choose another folder or give '
                                '--overwrite')
    if others and not path.exists() and others != [LOCK]:
        raise OutputExistsError(f'{folder} holds other files ({others[0]}); choose another folder')
    if path.exists():
        changed = _differences(_read(path), wanted)
        if changed:
            raise OutputExistsError(f'{folder} holds another training, which differs in '
                                    f'{", ".join(changed)}; choose another folder or give '
                                    '--overwrite')
        return
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path, overwrite=True) as unfinished:
        unfinished.write_text(json.dumps(wanted, indent=1) + '\n', encoding='utf-8')


def _read(path):
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise OutputExistsError(f'{path}: is damaged, so that the training cannot go on; give '
                                '--overwrite') from error


def _differences(found, wanted):
    names = {**found, **wanted}
    changed = [name for name in names if name != 'settings' and found.get(name) != wanted.get(name)]
    before, now = found.get('settings') or {}, wanted['settings']
    return changed + [f'{name} ({before.get(name)!r}, now {now.get(name)!r})'
                      for name in {**before, **now} if before.get(name) != now.get(name)]
