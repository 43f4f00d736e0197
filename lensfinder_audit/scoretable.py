# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Bring any table of scores into the form that measurements read.

The roles that a column can have are listed in `ROLES`. Whatever is not named is
found by its usual names; every other column is kept, as a condition.
"""
import re

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack

from lensfinder_audit._readers import plain
from lensfinder_audit.exceptions import TableError, did_you_mean
from lensfinder_audit.interfaces import SCORE_KINDS
from lensfinder_audit.tables import require_columns
from lensfinder_audit.vocabulary import independence

__all__ = ['ROLES', 'guess_roles', 'guess_finders', 'guess_score_kind', 'declared_score_kind',
           'read_labels', 'standard_sample', 'join_negatives', 'stack_alike', 'training_words',
           'means_trained']

#: Roles of columns, each with the names under which it is usually found.
ROLES = {
    'object_id': ('object_id', 'id', 'row_id', 'name', 'objid', 'ls_id', 'source_id'),
    'ra': ('ra', 'raj2000', 'ra_deg', 'right_ascension'),
    'dec': ('dec', 'dej2000', 'decj2000', 'dec_deg', 'declination'),
    'label': ('label', 'is_lens', 'lens', 'truth', 'target', 'y_true'),
    'weight': ('weight', 'sample_weight'),
    'group': ('group', 'healpix', 'brick', 'brickid', 'brickname', 'host'),
    'stratum': ('stratum', 'strata'),
    'tier': ('tier',),
    'grade': ('grade', 'grading'),
    'discovery_method': ('discovery_method', 'discovery'),
    'in_training': ('in_training', 'trained_on'),
    'confuser_class': ('confuser_class', 'confuser', 'confuser_family', 'contaminant'),
}

# Columns that the audit adds to a sample.
_OWN = ('discovery', 'stratum_code')

_SCORE_NAME = re.compile(r'^(score|prob|probability|logit|rank|pred|prediction|p_\w+|our_p_\w+|'
                         r'\w+_(score|prob|probability|logit|rank)|(score|prob|logit|rank)_\w+)$',
                         re.IGNORECASE)
_TRUE = {'1', 'true', 't', 'yes', 'lens', 'positive', 'pos', '1.0'}
_FALSE = {'0', 'false', 'f', 'no', 'nonlens', 'non-lens', 'negative', 'neg', '0.0'}
_TRAINING = {'yes': {'yes', 'true', '1', 'train', 'training'},
             'no': {'no', 'false', '0', 'val', 'valid', 'validation', 'test', 'holdout'},
             'unknown': {'', 'unknown', 'nan'}}


def guess_roles(table):
    """
    Find the columns of each role by their usual names.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.

    Returns
    -------
    roles : dict of str to str
        Column of each role that was found.
    """
    by_lower = {name.lower(): name for name in reversed(table.colnames)}
    return {role: next(by_lower[name] for name in names if name in by_lower)
            for role, names in ROLES.items() if any(name in by_lower for name in names)}


def guess_finders(table, *, roles=()):
    """
    Find the score columns by their usual names.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.
    roles : iterable of str, optional
        Columns that have another role.

    Returns
    -------
    finders : dict of str to str
        Column by name of the finder, which is the same, or what the column
        ``classifier`` says in a table of one finder.
    """
    if {'classifier', 'score'} <= set(table.colnames):
        names = np.unique(np.asarray(table['classifier']).astype(str))
        if len(names) == 1 and names[0] and names[0] not in table.colnames:
            return {str(names[0]): 'score'}
    return {name: name for name in table.colnames
            if _SCORE_NAME.match(name) and name not in set(roles)
            and table[name].dtype.kind in 'fiu' and table[name].ndim == 1}


def guess_score_kind(score, name=''):
    """
    Tell what kind of score a column seems to hold.

    Parameters
    ----------
    score : (n,) array_like
        The column.
    name : str, optional
        Its name.

    Returns
    -------
    kind : {'probability', 'logit', 'rank'}
        Rank for whole numbers above 1 or a name that says so, logit for values
        on both sides of [0, 1].
    """
    score = np.asarray(score, dtype=float)
    score = score[np.isfinite(score)]
    if 'rank' in name.lower():
        return 'rank'
    if 'logit' not in name.lower() and (not len(score) or (score.min() >= 0 and score.max() <= 1)):
        return 'probability'
    whole = len(score) and (score == np.round(score)).all() and score.min() >= 0
    return 'rank' if whole else 'logit'


def declared_score_kind(table):
    """
    Read what kind of score a table says that it holds.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A score table; that of ``lensfinder-audit score`` has a column ``score_kind``.

    Returns
    -------
    kind : str
        One of `~lensfinder_audit.interfaces.SCORE_KINDS`; empty where the table does not
        say, or says more than one.
    """
    if 'score_kind' not in table.colnames:
        return ''
    found = set(np.asarray(table['score_kind']).astype(str).tolist())
    return found.pop() if len(found) == 1 and found <= set(SCORE_KINDS) else ''


def standard_sample(table, *, roles=None, finders=None, score_kind='probability', constants=None,
                    what='the score table', label=None):
    """
    Rename columns to their roles and check them.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        One row per object.
    roles : dict of str to str, optional
        Column of each role; the others are found by their usual names.
    finders : dict of str to str, optional
        Score column of each finder; found by their usual names if none is given.
    score_kind : str, optional
        One of `~lensfinder_audit.interfaces.SCORE_KINDS`.
    constants : dict of str to str, optional
        Roles that have one value for all rows.
    what : str, optional
        How a message calls the table.
    label : bool, optional
        Label of every row where the table has no label column.

    Returns
    -------
    sample : (n,) `~astropy.table.QTable`
        Roles under their own names, scores under those of the finders, and every
        other column as it was.

    Raises
    ------
    TableError
        If a column is missing, ids are empty or repeated, a score is not a
        number or out of its range, or a weight is negative.
    """
    constants, table = constants or {}, plain(QTable(table, copy=False))
    roles = {**guess_roles(table), **(roles or {})}
    _check_roles(roles, constants)
    roles = {role: name for role, name in roles.items() if role not in constants}
    finders = finders or guess_finders(table, roles=roles.values())
    if not len(table):
        raise TableError(f'{what} has no rows')
    if not finders:
        raise TableError(f'{what} has no column that looks like a score; name it with --score. Its '
                         f'columns are {table.colnames}.')
    _check_columns(table, roles, finders, what)
    sample = _assemble(table, roles, finders, constants, label, what)
    _check_ids(sample, roles.get('object_id'), what)
    for finder in finders:
        sample[finder] = _checked_score(sample[finder], finder, score_kind, sample, what)
    _check_weights(sample, what)
    return sample


def read_labels(values, *, what='the label column'):
    """
    Read lens labels written in any of the usual ways.

    Parameters
    ----------
    values : (n,) array_like
        Booleans, 0 and 1, or words such as ``lens`` and ``nonlens``.
    what : str, optional
        How a message calls the column.

    Returns
    -------
    label : (n,) `~numpy.ndarray` of bool
        True for lenses.

    Raises
    ------
    TableError
        If a value is none of these; it names the value and its row.
    """
    masked = np.any(getattr(values, 'mask', False))
    if np.asarray(values).dtype.kind == 'b' and not masked:
        return np.asarray(values)
    words = np.char.lower(np.char.strip(_words(values)))
    true, false = np.isin(words, list(_TRUE)), np.isin(words, list(_FALSE))
    bad = ~(true | false)
    if bad.any():
        first = np.flatnonzero(bad)[0]
        raise TableError(f'{what}: {bad.sum()} of {len(words)} labels are neither lens nor '
                         f'non-lens, the first is row {first} with {str(words[first])!r}; use 1 '
                         'and 0')
    return true


def join_negatives(positives, negatives):
    """
    Put lenses and negatives from two tables into one sample.

    Parameters
    ----------
    positives, negatives : `~astropy.table.QTable`
        As `standard_sample` returns them. Rows of the first that are not lenses
        and rows of the second that are lenses are left out.

    Returns
    -------
    sample : `~astropy.table.QTable`
        Missing conditions are NaN or empty; a missing weight is 1. The number of
        rows left out is ``n_left_out`` in its ``meta``.

    Raises
    ------
    TableError
        If one object is in both.
    """
    left_out = int((~positives['label']).sum() + negatives['label'].sum())
    positives, negatives = positives[positives['label']], negatives[~negatives['label']]
    shared = np.intersect1d(positives['object_id'], negatives['object_id'])
    if len(shared):
        raise TableError(f'{len(shared)} ids are among the lenses and among the negatives, the '
                         f'first is {str(shared[0])!r}')
    sample = stack_alike([positives, negatives])
    for name in sample.colnames:
        _fill(sample, name)
    sample.meta['n_left_out'] = left_out
    return sample


def stack_alike(tables):
    """
    Stack tables of which columns of one name may differ in type or unit.

    Parameters
    ----------
    tables : sequence of `~astropy.table.Table`
        Quantities take the unit of the first table that has one; a column that is
        text in one table is text in the stack.

    Returns
    -------
    stacked : `~astropy.table.QTable`
        Masked where a table lacks the column.

    Raises
    ------
    TableError
        If units cannot be converted.
    """
    tables = [QTable(table, copy=True) for table in tables]
    for name in {name for table in tables for name in table.colnames}:
        _align([table for table in tables if name in table.colnames], name)
    return QTable(vstack(tables, metadata_conflicts='silent'), copy=False)


def _align(tables, name):
    kinds = {'text' if table[name].dtype.kind in 'USO' else 'number' for table in tables}
    unit = next((table[name].unit for table in tables if table[name].unit is not None), None)
    for table in tables:
        if len(kinds) > 1:
            table[name] = _words(getattr(table[name], 'value', table[name]))
        elif unit is not None:
            try:
                table[name] = u.Quantity(table[name], unit)
            except (u.UnitConversionError, TypeError) as error:
                raise TableError(f'column {name!r} is in {unit} in one table and in '
                                 f'{table[name].unit} in another') from error


def training_words(values, *, what='the score table'):
    """
    Read whether objects were trained on, from yes and no or names of splits.

    Parameters
    ----------
    values : (n,) array_like
        Words such as ``yes``, ``train`` or ``val``.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    words : (n,) `~numpy.ndarray` of str
        ``'yes'``, ``'no'`` or ``'unknown'``.

    Raises
    ------
    TableError
        If a value is none of these.
    """
    words = np.char.lower(np.char.strip(_words(values)))
    known = [np.isin(words, list(names)) for names in _TRAINING.values()]
    bad = ~np.any(known, axis=0)
    if bad.any():
        raise TableError(f'{what}, in_training: {bad.sum()} of {len(words)} values are neither '
                         f'yes, no, unknown nor a known split, the first is row '
                         f'{np.flatnonzero(bad)[0]} with {str(words[bad][0])!r}; known splits are '
                         'train, val and test')
    return np.select(known, list(_TRAINING), 'unknown')


def means_trained(words):
    """
    Tell which names of splits are those of a training set.

    Parameters
    ----------
    words : (n,) array_like of str
        Names of splits; unlike the words of ``in_training``, 1 is no more than a number.

    Returns
    -------
    trained : (n,) `~numpy.ndarray` of bool
        Whether objects of this split were trained on.

    Examples
    --------
    >>> from lensfinder_audit.scoretable import means_trained
    >>> means_trained(['train', 'val', 'Training', '1', '']).tolist()
    [True, False, True, False, False]
    """
    return np.isin(np.char.lower(np.char.strip(np.asarray(words, dtype=str))),
                   ['train', 'training'])


def _check_roles(roles, constants):
    for role in [*roles, *constants]:
        if role not in ROLES:
            raise TableError(f'{role!r} is not a role of a column.{did_you_mean(role, ROLES)} '
                             f'Roles are {list(ROLES)}.')
    for role in ('object_id', 'ra', 'dec'):
        if role in constants:
            raise TableError(f'{role} cannot be {constants[role]!r} for all rows; name its column')


def _check_columns(table, roles, finders, what):
    """Check that columns are there, hold one value a row, and keep finders apart from them."""
    require_columns(table, [*roles.values(), *finders.values()], what=what)
    for use, name in [*roles.items(), *finders.items()]:
        if table[name].ndim > 1:
            raise TableError(f'{what}, column {name!r} holds arrays of shape '
                             f'{table[name].shape[1:]}, not one value for each row; it cannot be '
                             f'{use!r}')
    for finder, column in finders.items():
        if finder in (*ROLES, *_OWN) or (finder != column and finder in table.colnames):
            raise TableError(f'a finder cannot be called {finder!r}, as a column is; give it '
                             f'another name with --score NAME={column}')


def _assemble(table, roles, finders, constants, label, what):
    sample = QTable()
    for role, name in roles.items():
        sample[role] = table[name]
    for role, value in constants.items():
        sample[role] = np.full(len(table), str(value))
    if 'object_id' not in sample.colnames:
        sample['object_id'] = np.arange(len(table)).astype(str)
    sample['label'] = _labels(sample, label, len(table), what)
    for finder, name in finders.items():
        sample[finder] = table[name]
    rest = [name for name in table.colnames
            if name not in sample.colnames and name not in finders.values() and name not in _OWN]
    for name in rest:  # also the columns of roles, so that an axis goes by the user's name
        if table[name].ndim == 1:
            sample[name] = table[name]
    sample.meta['arrays'] = [name for name in rest if table[name].ndim > 1]
    for name in ('tier', 'grade', 'discovery_method', 'confuser_class', 'object_id', 'stratum'):
        if name in sample.colnames:
            sample[name] = _words(sample[name])
    if 'in_training' in sample.colnames:
        sample['in_training'] = training_words(sample['in_training'], what=what)
    if 'discovery_method' in sample.colnames:
        sample['discovery'] = independence(sample['discovery_method'])
    return sample


def _words(values):
    """Return a column as text; masked and missing values are empty."""
    text = np.asarray(values).astype(str)
    missing = np.asarray(getattr(values, 'mask', False))
    if np.asarray(values).dtype.kind == 'f':
        missing = missing | np.isnan(np.asarray(values))
    return np.where(missing, '', text)


def _labels(sample, label, n, what):
    if 'label' in sample.colnames:
        return read_labels(sample['label'], what=f'{what}, label')
    if label is None:
        raise TableError(f'{what} has no label column; name it with --label, or give the negatives '
                         'as a file of their own with --negatives')
    return np.full(n, label)


def _check_ids(sample, column, what):
    ids = sample['object_id']
    empty = np.char.strip(ids) == ''
    if empty.any():
        raise TableError(f'{what}, column {column!r}: {empty.sum()} of {len(ids)} ids are empty, '
                         f'the first is row {np.flatnonzero(empty)[0]}')
    names, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise TableError(f'{what}, column {column!r}: {(counts > 1).sum()} ids occur more than '
                         f'once, the first is {str(names[counts > 1][0])!r} '
                         f'({counts[counts > 1][0]} times); an object counts once')


def _checked_score(values, finder, kind, sample, what):
    if kind not in SCORE_KINDS:
        raise TableError(f'there is no score kind {kind!r}; there are {list(SCORE_KINDS)}.'
                         f'{did_you_mean(kind, SCORE_KINDS)}')
    values = _numbers(values, f'{what}, score {finder!r}')
    bad = ~np.isfinite(values) if kind == 'probability' else np.isnan(values)
    reason = 'not a number; leave these objects out, or score them'
    if not bad.any() and kind == 'probability':
        bad = (values < 0) | (values > 1)
        reason = 'outside [0, 1]; if they are logits or ranks, say so with --score-kind'
    if bad.any():
        first = np.flatnonzero(bad)[0]
        raise TableError(f'{what}, score {finder!r}: {bad.sum()} of {len(values)} values are '
                         f'{reason} (first: row {first}, id {sample["object_id"][first]}, value '
                         f'{values[first]:g})')
    return values


def _numbers(values, what):
    """Return a column as floats; masked values are NaN."""
    found = np.asarray(getattr(values, 'value', values))
    if found.dtype.kind not in 'fiub':
        for row, value in enumerate(found):
            try:
                float(value)
            except (TypeError, ValueError):
                raise TableError(f'{what} must hold numbers; it holds text, the first is row {row} '
                                 f'with {str(value)!r}') from None
    return np.where(getattr(values, 'mask', False), np.nan, found.astype(float))


def _check_weights(sample, what):
    if 'weight' not in sample.colnames:
        return
    weight = _numbers(sample['weight'], f'{what}, weight')
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        first = np.flatnonzero(bad)[0]
        raise TableError(f'{what}, weight: {bad.sum()} of {len(weight)} values are negative or not '
                         f'finite (first: row {first}, value {weight[first]:g})')
    for name, rows in (('lenses', sample['label']), ('negatives', ~sample['label'])):
        if rows.any() and not weight[rows].any():
            raise TableError(f'{what}, weight: all {rows.sum()} {name} have weight 0 and so stand '
                             'for nothing; correct the weights, or leave these rows out')
    sample['weight'] = weight


def _fill(sample, name):
    column = sample[name]
    if not hasattr(column, 'mask') or not np.any(column.mask):
        if hasattr(column, 'filled'):
            sample[name] = column.filled()
        return
    kind = column.dtype.kind
    default = '' if kind in 'US' else 1.0 if name == 'weight' else np.nan
    if name in ('in_training', 'discovery'):
        default = 'unknown'
    if kind == 'U':
        width = max(column.dtype.itemsize // 4, len(default))
        sample[name] = column.astype(f'U{width}').filled(default)
    else:
        sample[name] = column.astype(float).filled(default)
