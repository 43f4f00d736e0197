# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
One score of several, on tables: join the scores of finders, fit a combiner, apply it.

Everything here is a function on columns. An ensemble on an injection grid or on a
published catalogue needs nothing but the tables that its members already gave.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.combiners.storage import find_method
from lensfinder_audit.crossmatch import match_positions, sky_positions
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.scoretable import (declared_score_kind, guess_finders, guess_roles,
                                         guess_score_kind, read_labels, training_words)
from lensfinder_audit.tables import require_columns, schema_meta

__all__ = ['member_table', 'join_members', 'score_columns', 'fit_combiner', 'combine_table',
           'mark_training']

# Columns that say of a table of one finder which it is.
_HEAD = ('classifier', 'score', 'score_kind')


def member_table(table, *, finders=None, score_kind=None, what='the score table'):
    """
    Bring a table of scores to one column per finder, under its name.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Any table of scores, also as ``lensfinder-audit score`` writes it.
    finders : dict of str to str, optional
        Score column of each finder; found by their usual names if none is given.
    score_kind : str, optional
        What the scores are; as the table says, or guessed, without it.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    table : (n,) `~astropy.table.QTable`
        A copy with a column for each finder; ``meta`` has ``finders``, the list of
        them, and ``score_kind``.

    Raises
    ------
    TableError
        If there is no score, or scores of one table seem to be of several kinds.
    """
    table = QTable(table, copy=True)
    roles = guess_roles(table)
    finders = finders or guess_finders(table, roles=roles.values())
    if not finders:
        raise TableError(f'{what} has no column that looks like a score; name it with --score. Its '
                         f'columns are {table.colnames}.')
    require_columns(table, finders.values(), what=what)
    declared = score_kind or declared_score_kind(table)
    kinds = {declared or guess_score_kind(table[column], column) for column in finders.values()}
    if len(kinds) > 1:
        raise TableError(f'{what}: its scores {list(finders)} seem to be of the kinds '
                         f'{sorted(kinds)}; say what they are, or combine tables of one kind each')
    columns = {name: np.asarray(getattr(table[column], 'value', table[column]))
               for name, column in finders.items()}
    table.remove_columns({*finders.values(), *_HEAD} & set(table.colnames))
    for name, values in columns.items():
        if name in table.colnames:
            raise TableError(f'{what} has a column {name!r} already, so that no finder can be '
                             'called so')
        table[name] = values
    table.meta = {**table.meta, 'finders': list(finders), 'score_kind': kinds.pop()}
    return table


@u.quantity_input(radius='angle')
def join_members(tables, *, radius=None):
    """
    Join the scores of several tables on their objects.

    Parameters
    ----------
    tables : sequence of `~astropy.table.QTable`
        As `member_table` returns them. Labels and conditions are those of the first.
    radius : `~astropy.units.Quantity`, optional
        Join by position within this angle; by ``object_id`` without it.

    Returns
    -------
    joined : `~astropy.table.QTable`
        Objects of the first table that all others have, in its order; ``meta`` counts
        in ``n_left_out`` those that another lacks.

    Raises
    ------
    TableError
        If no object is in all tables, an id repeats, or the kinds of score differ.
    """
    first, *rest = tables
    kinds = {table.meta['score_kind'] for table in tables}
    if len(kinds) > 1:
        raise TableError(f'the tables hold scores of the kinds {sorted(kinds)}; one kind can be '
                         'combined')
    places = [_places(first, other, radius) for other in rest]
    good = np.all([np.ones(len(first), bool), *(place >= 0 for place in places)], axis=0)
    if not good.any():
        raise TableError('no object is in all tables; are their ids of the same catalogue? A join '
                         'by position needs --match-radius')
    joined, finders = first[good], list(first.meta['finders'])
    for other, place in zip(rest, places, strict=True):
        for name in other.meta['finders']:
            if name in joined.colnames:
                raise TableError(f'two finders are called {name!r}; rename one with --score '
                                 f'NAME={name}, or score it under another --name')
            joined[name] = other[name][place[good]]
            finders.append(name)
    joined.meta |= {'finders': finders, 'n_left_out': int((~good).sum())}
    return joined


def _places(first, other, radius):
    """Return the row of each object in another table, -1 where it has none."""
    if radius is not None:
        return match_positions(sky_positions(first), sky_positions(other), radius=radius).index
    here, there = (_ids(table) for table in (first, other))
    order = np.argsort(there, kind='stable')
    place = np.minimum(np.searchsorted(there[order], here), len(there) - 1)
    return np.where(there[order][place] == here, order[place], -1)


def _ids(table):
    column = guess_roles(table).get('object_id')
    if column is None:
        raise TableError('a table to join has no column of ids, such as object_id; rename it, or '
                         f'join by position with --match-radius. Its columns are {table.colnames}.')
    ids = np.asarray(table[column]).astype(str)
    names, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise TableError(f'{(counts > 1).sum()} ids occur more than once in a table to join, the '
                         f'first is {str(names[counts > 1][0])!r}')
    return ids


def score_columns(table, finders):
    """
    Return the scores of finders as one array.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With a column per finder.
    finders : sequence of str
        Their names.

    Returns
    -------
    scores : (n, n_finders) `~numpy.ndarray`
        NaN where a value is missing.
    """
    require_columns(table, finders, what='the score table')
    return np.column_stack([_column(table, name) for name in finders])


def _column(table, name):
    values = table[name]
    numbers = np.asarray(getattr(values, 'value', values))
    if numbers.dtype.kind not in 'fiub':
        raise TableError(f'column {name!r} must hold numbers; it holds text, such as '
                         f'{str(numbers[0])!r}')
    return np.where(getattr(values, 'mask', False), np.nan, numbers.astype(float))


def fit_combiner(table, method, *, rows=None, finders=None, conditions=(), prevalence=None,
                 **options):
    """
    Learn to combine the finders of a table.

    Parameters
    ----------
    table : (n,) `~astropy.table.QTable`
        As `member_table` or `join_members` returns it; with a label column where the
        method learns.
    method : str
        One of `lensfinder_audit.combiners.storage.METHODS`.
    rows : (n,) array_like of bool, optional
        Rows to learn from; all by default.
    finders : sequence of str, optional
        The finders to combine; all of the table by default.
    conditions : sequence of str, optional
        Condition columns, for ``feature_weighted``.
    prevalence : float, optional
        Fraction of lenses that probabilities shall refer to; that of the weighted rows
        by default.
    **options
        As for ``fit`` of the method, such as ``seed``.

    Returns
    -------
    combiner : `~lensfinder_audit.combiners.contract.Combiner`
        Ready to use and to save.

    Raises
    ------
    ConfigError
        If the method does not fit the finders, or an option is unknown.
    MeasurementError, TableError
        If the rows do not carry a fit.
    """
    cls, kind = find_method(method), table.meta['score_kind']
    finders = list(finders or table.meta['finders'])
    if not hasattr(cls, 'fit'):
        return cls(finders, score_kind=kind)
    _check_use(method, finders, conditions)
    rows = np.ones(len(table), bool) if rows is None else np.asarray(rows, dtype=bool)
    used = table[rows]
    label = _labels(used)
    scores = score_columns(used, finders)
    options |= {'score_kind': kind, 'prevalence': prevalence}
    if 'weight' in used.colnames:
        options['weight'] = _column(used, 'weight')
    try:
        if method == 'feature_weighted':
            return cls.fit(scores, label, score_columns(used, conditions), finders=finders,
                           conditions=conditions, **options)
        if method == 'meta_learner':
            return cls.fit(scores, label, finders=finders, **options)
        return cls.fit(scores[:, 0], label, finder=finders[0], **options)
    except TypeError as error:
        raise ConfigError(f'{method} cannot be fitted with the options {sorted(options)}: {error}'
                          ) from error


def _check_use(method, finders, conditions):
    single = method not in ('meta_learner', 'feature_weighted')
    if single and len(finders) > 1:
        raise ConfigError(f'{method} makes a probability of one finder; there are {finders}. '
                          'Choose one with --score')
    if not single and len(finders) < 2:
        raise ConfigError(f'{method} combines two finders or more; there is {finders}')
    if bool(conditions) != (method == 'feature_weighted'):
        raise ConfigError('feature_weighted needs the conditions that its weights depend on, and '
                          f'no other method takes any; {method} was given {list(conditions)}')


def _labels(table):
    column = guess_roles(table).get('label')
    if column is None:
        raise TableError('the table has no label column, and without labels nothing can be learnt; '
                         f'its columns are {table.colnames}')
    return read_labels(table[column])


def combine_table(table, combiner, *, name):
    """
    Add the combined score to a table.

    Parameters
    ----------
    table : (n,) `~astropy.table.QTable`
        As `member_table` or `join_members` returns it.
    combiner : `~lensfinder_audit.combiners.contract.Combiner`
        How to combine.
    name : str
        Name of the new column.

    Returns
    -------
    combined : (n,) `~astropy.table.QTable`
        With the column, and ``<name>_outside`` where the combiner reads conditions: rows
        outside those that it was fitted on.

    Raises
    ------
    TableError
        If a finder or a condition is missing, or the scores are of another kind.
    """
    kind = table.meta.get('score_kind', combiner.score_kind)
    if kind != combiner.score_kind:
        raise TableError(f'the combiner was made for scores of the kind {combiner.score_kind}; '
                         f'these are of the kind {kind}')
    if name in table.colnames:
        raise TableError(f'the table has a column {name!r} already; choose another --name')
    conditions = score_columns(table, combiner.conditions) if combiner.conditions else None
    combined = QTable(table, copy=True)
    combined[name] = combiner(score_columns(table, combiner.finders), conditions)
    combined[name].info.description = f'{combiner.method} of {", ".join(combiner.finders)}'
    if hasattr(combiner, 'outside'):
        combined[f'{name}_outside'] = combiner.outside(conditions)
    combined.meta |= schema_meta('scores', combiner=repr(combiner), score_kind=combiner.gives)
    return combined


def mark_training(table, rows):
    """
    Note in ``in_training`` that a combiner was fitted on some rows.

    Parameters
    ----------
    table : (n,) `~astropy.table.QTable`
        Changed in place; a column ``in_training`` that it has keeps its other values.
    rows : (n,) array_like of bool
        Rows that were learnt from.
    """
    column = guess_roles(table).get('in_training')
    known = training_words(table[column]) if column else np.full(len(table), 'no')
    table['in_training'] = np.where(rows, 'yes', known)
