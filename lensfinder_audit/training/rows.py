# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Which rows of a manifest are trained on and validated with, checked before any work."""
import hashlib
from dataclasses import dataclass

import numpy as np

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.frozen import overlap_problems
from lensfinder_audit.manifest import check_cutouts, cutout_keys
from lensfinder_audit.tables import require_columns

__all__ = ['TrainingRows', 'training_rows', 'select_rows']


@dataclass(frozen=True)
class TrainingRows:
    """
    The stamps of one split.

    Parameters
    ----------
    keys : (n,) `~numpy.ndarray` of str
        ``object_id``.
    cutouts : (n,) `~numpy.ndarray` of str
        Keys of their cutouts in the store.
    label : (n,) `~numpy.ndarray` of bool
        Whether each is a lens.
    weight : (n,) `~numpy.ndarray`
        Its weight in the loss; the mean is 1.
    n_frozen : int, optional
        Rows that are in a frozen evaluation set, or within a cutout of it.
    n_left_out : int, optional
        Rows that are not here, for what their cutouts lack.
    """

    keys: np.ndarray
    cutouts: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    n_frozen: int = 0
    n_left_out: int = 0

    def __len__(self):
        return len(self.keys)

    def class_balance(self):
        """Return the numbers of lenses and negatives."""
        n = int(self.label.sum())
        return {'lenses': n, 'negatives': len(self) - n}

    def digest(self):
        """Return a checksum of keys, labels and weights."""
        found = hashlib.sha256()
        for line in zip(self.keys.tolist(), self.label.tolist(), self.weight.tolist(),
                        strict=True):
            found.update(f'{line[0]}\t{int(line[1])}\t{line[2]:.9g}\n'.encode())
        return found.hexdigest()


def training_rows(manifest, store, settings, *, rows=None, frozen=None):
    """
    Take the training and the validation split out of a manifest.

    Parameters
    ----------
    manifest : (n,) `~astropy.table.QTable`
        With ``label`` and ``split``.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Its cutouts.
    settings : `~lensfinder_audit.training.settings.TrainingSettings`
        Names of the splits, the loss and what a cutout may lack.
    rows : (n,) array_like of bool or sequence of str, optional
        What to train on: a mask, or keys. The validation split stays whole.
    frozen : `~astropy.table.QTable`, optional
        Frozen evaluation set; nothing of it may be trained on.

    Returns
    -------
    train, validation : `TrainingRows`
        Of the two splits.

    Raises
    ------
    TableError
        If a split or a class of it is missing, a cutout is missing or lacks too many of its
        pixels, or the frozen set is touched.
    ConfigError
        If ``rows`` does not fit or selects nothing.
    """
    require_columns(manifest, ['object_id', 'label', 'split'], what='the manifest')
    split = np.asarray(manifest['split']).astype(str)
    parts = {}
    for name in (settings.train_split, settings.validation_split):
        parts[name] = split == name
        if not parts[name].any():
            raise TableError(f'no row of the manifest is in the split {name!r}; its splits are '
                             f'{sorted(set(split.tolist()))}. "lensfinder-audit split assign" '
                             'makes them')
    parts[settings.train_split] &= select_rows(manifest, rows)
    if not parts[settings.train_split].any():
        raise ConfigError(f'the rows that were chosen have none in the split '
                          f'{settings.train_split!r}')
    return tuple(_part(manifest[chosen], store, settings, name, frozen,
                       train=name == settings.train_split) for name, chosen in parts.items())


def select_rows(manifest, rows):
    """
    Read a choice of rows.

    Parameters
    ----------
    manifest : (n,) `~astropy.table.Table`
        With ``object_id``.
    rows : (n,) array_like of bool or sequence of str or None
        A mask, or keys; `None` chooses all.

    Returns
    -------
    chosen : (n,) `~numpy.ndarray` of bool
        The mask.

    Raises
    ------
    ConfigError
        If a mask has another length or a key is not in the manifest.
    """
    if rows is None:
        return np.ones(len(manifest), dtype=bool)
    rows = np.asarray(rows)
    if rows.dtype == bool:
        if rows.shape != (len(manifest),):
            raise ConfigError(f'rows is a mask of shape {rows.shape}, and the manifest has '
                              f'{len(manifest)} rows')
        return rows
    keys = np.asarray(manifest['object_id']).astype(str)
    unknown = np.setdiff1d(rows.astype(str), keys)
    if len(unknown):
        raise ConfigError(f'rows names {len(unknown)} objects that the manifest lacks, the first '
                          f'is {str(unknown[0])!r}')
    return np.isin(keys, rows.astype(str))


def _part(table, store, settings, name, frozen, *, train):
    check_cutouts(table, store)
    lacking = _lacking(store, table, settings, name)
    table = table[~lacking]
    label = np.asarray(table['label']).astype(bool)
    if label.all() or not label.any():
        raise TableError(f'the split {name!r} has {label.sum()} lenses and {(~label).sum()} '
                         'negatives; it needs both')
    touched = 0 if frozen is None else int(overlap_problems(table, frozen).sum())
    if touched and train:
        raise TableError(f'{touched} of {len(table)} rows of the split {name!r} are in the frozen '
                         'evaluation set or within a cutout of it; take them out of the training')
    return TrainingRows(np.asarray(table['object_id']).astype(str), cutout_keys(table), label,
                        _weights(table, label, settings), touched, int(lacking.sum()))


def _lacking(store, table, settings, name):
    """Find what the normaliser would turn into empty images."""
    index = store.index()[store.locate(cutout_keys(table))]
    if 'nan_fraction' not in index.colnames:
        return np.zeros(len(table), dtype=bool)
    most, lost = settings.max_missing, np.asarray(index['nan_fraction'])
    empty = np.asarray(index['missing_bands']).astype(str) != ''
    lacking = (empty & (most < 1)) | (lost > most)
    if lacking.any() and settings.incomplete == 'refuse':
        first = int(np.argmax(lacking))
        raise TableError(f'{store.path}: {lacking.sum()} of {len(table)} cutouts of the split '
                         f'{name!r} lack a band or more than {most:.3g} of their pixels, the first '
                         f'is {str(table["object_id"][first])!r} ({lost[first]:.3g} missing); take '
                         'them out with incomplete=leave_out, or raise max_missing')
    return lacking


def _weights(table, label, settings):
    if settings.loss == 'unweighted':
        return np.ones(len(table), np.float32)
    if settings.loss == 'manifest':
        require_columns(table, ['weight'], what='the manifest, for loss: manifest,')
        weight = np.asarray(getattr(table['weight'], 'value', table['weight']), dtype=float)
    else:
        weight = _tier_weights(table, label, settings.tier_weights)
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise TableError('the weights of the loss must be finite, not negative and not all 0')
    return (weight / weight.mean()).astype(np.float32)


def _tier_weights(table, label, weights):
    require_columns(table, ['tier'], what='the manifest, for loss: tier,')
    tier = np.asarray(table['tier']).astype(str)
    unknown = sorted(set(tier[label].tolist()) - set(weights))
    if unknown:
        raise ConfigError(f'tier_weights gives no weight to the tier {unknown[0]!r} of lenses; it '
                          f'has {weights}')
    found = np.ones(len(table))
    found[label] = [weights[name] for name in tier[label].tolist()]
    return found
