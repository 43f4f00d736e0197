# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The rows of a study: labels, splits, groups, and which rows each model is trained on."""
import hashlib
from dataclasses import dataclass

import numpy as np
from astropy.table import QTable

from lensfinder_audit.ensemble.study_values import check_keys
from lensfinder_audit.exceptions import ConfigError, MeasurementError, TableError, did_you_mean
from lensfinder_audit.expressions import column_values, fulfilled
from lensfinder_audit.scoretable import guess_roles, read_labels
from lensfinder_audit.splits import SCHEMES, assign_splits
from lensfinder_audit.strata import Strata
from lensfinder_audit.tables import require_columns

__all__ = ['Sample', 'read_sample', 'training_rows', 'arm_rows', 'SUBSETS', 'Impossible']

#: The published members, as expressions on the training rows.
SUBSETS = {'A': 'psfsize_r <= median and depth_r >= median',
           'B': 'psfsize_r > median and depth_r < median', 'C': 'type in SER, DEV',
           'D': 'type in EXP, REX'}

_LATE = ('EXP', 'REX')


class Impossible(MeasurementError):
    """The selection of the manifest lets no row into a subset."""


@dataclass
class Sample:
    """
    A manifest as a study uses it.

    Parameters
    ----------
    table : (n,) `~astropy.table.QTable`
        With ``object_id``, ``label`` and ``split``.
    train, fit, report : (n,) `~numpy.ndarray` of bool
        Rows that are trained on, that combiners are fitted on, that are reported on.
    names : dict of str to str
        What these are called, for the report.
    group : str
        Column that is resampled together; empty where rows are independent.
    """

    table: QTable
    train: np.ndarray
    fit: np.ndarray
    report: np.ndarray
    names: dict
    group: str = ''

    @property
    def label(self):
        """Whether each row is a lens."""
        return np.asarray(self.table['label'], dtype=bool)

    def weight(self):
        """Return the weight of each row, `None` where there is none."""
        if 'weight' not in self.table.colnames:
            return None
        return np.asarray(self.table['weight'], dtype=float)

    def groups(self, rows):
        """Return the group of some rows, `None` where every row is one."""
        return np.asarray(self.table[self.group])[rows] if self.group else None


def read_sample(table, study):
    """
    Bring a manifest into the form of a study and check it.

    Parameters
    ----------
    table : (n,) `~astropy.table.QTable`
        The manifest, or a table of scores.
    study : `~lensfinder_audit.ensemble.study_file.Study`
        The study.

    Returns
    -------
    sample : `Sample`
        Its rows.

    Raises
    ------
    TableError
        If a column, a split or a class is missing.
    ConfigError
        If the splits overlap.
    """
    table = _renamed(table, study.columns)
    table['label'] = _labels(table, study.label)
    table = _with_splits(table, study.splits)
    rows, names = _split_rows(table, study)
    for name in study.conditions:
        if name not in table.colnames:
            table[name] = column_values(table, name, what='the manifest')
    group = study.group or ('healpix' if 'healpix' in table.colnames else '')
    if group:
        require_columns(table, [group], what='the manifest')
    sample = Sample(table, **rows, names=names, group=group)
    for what in ('fit', 'report', 'train'):
        _check_classes(sample.label, rows[what], what, names.get(what, ''))
    return sample


def training_rows(model, sample):
    """
    Return the rows that a member, a baseline or a control is trained on.

    Parameters
    ----------
    model : `~lensfinder_audit.ensemble.study_file.Model`
        The model.
    sample : `Sample`
        The rows.

    Returns
    -------
    rows : (n,) `~numpy.ndarray` of bool
        Some of ``sample.train``.

    Raises
    ------
    Impossible
        If the selection of the manifest lets none into the subset.
    TableError, ConfigError
        If the subset is empty, lacks a class or names an unknown column.
    """
    rows, label = sample.train.copy(), sample.label
    subset = str(model.values.get('subset', '')).strip()
    if subset:
        inside = np.zeros(len(rows), bool)
        inside[sample.train] = fulfilled(sample.table[sample.train], _expression(subset, sample),
                                         what='the manifest')
        if not inside.any():
            raise TableError(f'{model.name}: no training row of {sample.train.sum()} fulfils '
                             f'{subset!r}; change the subset, or leave the member out')
        rows &= inside | (label if model.values.get('lenses') == 'all' else False)
    fraction = model.values.get('fraction', 1)
    if not isinstance(fraction, int | float) or not 0 < fraction <= 1:
        raise ConfigError(f'{model.name}: fraction is {fraction!r}; it lies above 0 and up to 1')
    if fraction < 1:
        rows &= _chance(sample.table, model.seed, 'fraction') < fraction
    _check_classes(label, rows, 'train', f'{model.name}: {subset or "all data"}')
    return rows


def arm_rows(model, sample, settings):
    """
    Return the rows of an arm of the stratification study.

    Parameters
    ----------
    model : `~lensfinder_audit.ensemble.study_file.Model`
        With the role ``stratified`` or ``random``; its seed draws the negatives.
    sample : `Sample`
        The rows.
    settings : dict
        ``strata`` and ``negatives_per_positive``.

    Returns
    -------
    rows : (n,) `~numpy.ndarray` of bool
        All training lenses, and negatives: in the proportion of the lenses of each stratum,
        or as many by chance, as frequent as the weights of the manifest say.

    Raises
    ------
    TableError
        If no stratum has both classes.
    """
    label, code = sample.label, _strata(sample.table, settings.get('strata', {}))
    pool, lenses = sample.train & ~label, sample.train & label
    ratio, order = settings.get('negatives_per_positive', 20), _order(sample, model, pool)
    n_codes = int(code.max()) + 1
    wanted = ratio * np.bincount(code[lenses & (code >= 0)], minlength=n_codes)
    stratified = np.zeros(len(label), bool)
    for stratum in np.flatnonzero(wanted):
        here = order[code[order] == stratum]
        stratified[here[:int(round(wanted[stratum]))]] = True
    if not stratified.any():
        raise TableError(f'no stratum of {list(settings.get("strata", {}))} has lenses and '
                         'negatives to train on')
    if model.role == 'stratified':
        return lenses | stratified
    chosen = np.zeros(len(label), bool)
    chosen[order[:stratified.sum()]] = True
    return lenses | chosen


def _expression(subset, sample):
    """Return the expression of a published subset, or the text itself."""
    if subset not in SUBSETS:
        if subset.isalpha() and len(subset) == 1:
            raise ConfigError(f'there is no subset {subset!r}; there are {list(SUBSETS)}, or an '
                              'expression on columns such as "psfsize_r < 1.2"')
        return subset
    if subset != 'D':
        return SUBSETS[subset]
    types = set(column_values(sample.table, 'type', what='the manifest').tolist())
    if 'EXP' not in types:
        raise Impossible(f'the manifest has no type EXP, only {sorted(types)}; make it with the '
                         'preset "all"')
    return f'type in {", ".join(name for name in _LATE if name in types)}'


def _renamed(table, columns):
    table = QTable(table, copy=True)
    roles = {**guess_roles(table), **columns}
    for role in ('object_id', 'ra', 'dec', 'label', 'weight'):
        name = roles.get(role)
        if name is None or name == role:
            continue
        require_columns(table, [name], what='the manifest')
        if role in table.colnames:
            table.remove_column(role)
        table.rename_column(name, role)
    require_columns(table, ['object_id'], what='the manifest')
    check_keys(columns, ('object_id', 'ra', 'dec', 'label', 'weight'), 'columns')
    ids = np.asarray(table['object_id']).astype(str)
    if len(np.unique(ids)) < len(ids):
        raise TableError(f'{len(ids) - len(np.unique(ids))} object_id of the manifest repeat')
    return table


def _labels(table, expression):
    if expression:
        return fulfilled(table, expression, what='the manifest')
    if 'label' not in table.colnames:
        raise TableError('the manifest has no label column; say which rows are lenses with '
                         f'"label: EXPRESSION" in the study. Its columns are {table.colnames}.')
    return read_labels(table['label'])


def _with_splits(table, splits):
    scheme = splits.get('assign')
    if scheme is not None:
        if scheme not in SCHEMES:
            raise ConfigError(f'splits: there is no scheme {scheme!r} to assign; there are '
                              f'{list(SCHEMES)}.{did_you_mean(scheme, SCHEMES)}')
        return assign_splits(table, scheme=scheme, what='the manifest')
    column = splits.get('column', 'split')
    if column != 'split':
        require_columns(table, [column], what='the manifest')
        table['split'] = np.asarray(table[column]).astype(str)
    return table


def _split_rows(table, study):
    """Return the rows of each use of the sample, and what these are called."""
    used, n = study.splits, len(table)
    names = {'train': used.get('train', ''), 'fit': used.get('fit', ''),
             'report': used.get('report', 'all')}
    if 'split' not in table.colnames:
        wanted = [name for name in names.values() if name not in ('', 'all')]
        if wanted:
            raise TableError(f'the manifest has no column split, and the study speaks of the split '
                             f'{wanted[0]!r}; make them with "splits: {{assign: 70/15/15}}" or '
                             '"lensfinder-audit split assign"')
        words = np.full(n, '')
    else:
        words = np.asarray(table['split']).astype(str)
    found = {use: np.ones(n, bool) if name == 'all' else words == name if name else
             np.zeros(n, bool) for use, name in names.items()}
    for use, name in names.items():
        if name and not found[use].any():
            raise TableError(f'no row is in the split {name!r} that is to {use} on; the splits '
                             f'are {sorted(set(words.tolist()))}')
    for one, other in (('fit', 'report'), ('train', 'fit'), ('train', 'report')):
        if (found[one] & found[other]).any():
            raise ConfigError(f'splits: {one} is {names[one]!r} and {other} is {names[other]!r}, '
                              'which share rows; what is learnt on tells nothing of what was '
                              'learnt')
    return found, names


def _check_classes(label, rows, use, name):
    if rows.any() and (label[rows].all() or not label[rows].any()):
        n = int(label[rows].sum())
        raise TableError(f'{name}: the rows to {use} on hold {n} lenses and {rows.sum() - n} '
                         'negatives; both are needed')


def _strata(table, axes):
    """Return the stratum of each row; the column of the manifest without axes."""
    if not axes:
        require_columns(table, ['stratum'], what='the manifest, for stratification without strata,')
        return np.unique(np.asarray(table['stratum']).astype(str), return_inverse=True)[1]
    return Strata(axes).codes({name: column_values(table, name, what='the manifest')
                               for name in axes})


def _order(sample, model, pool):
    """Order negatives at random, those of more weight sooner."""
    weight = sample.weight()
    chance = _chance(sample.table, model.seed, 'negatives')
    if weight is not None and model.role == 'random':  # Efraimidis & Spirakis 2006
        chance = -np.log(chance) / np.maximum(weight, 1e-300)
    rows = np.flatnonzero(pool)
    return rows[np.argsort(chance[rows], kind='stable')]


def _chance(table, seed, what):
    """Return a number in (0, 1) for each object, from its id and the seed alone."""
    digests = b''.join(hashlib.blake2b(f'{what} {seed} {key}'.encode(), digest_size=8).digest()
                       for key in np.asarray(table['object_id']).astype(str).tolist())
    return (np.frombuffer(digests, '<u8') / 2.0**64).clip(1e-19, 1 - 1e-16)
