# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Bring the scores of several finders onto the same objects, and set their thresholds."""
from pathlib import Path

import numpy as np

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.measure.comparison import comparison_table
from lensfinder_audit.measure.thresholds import OperatingPoint, operating_points_table
from lensfinder_audit.scoretable import guess_finders, guess_roles, standard_sample

__all__ = ['compare_finders', 'read_scored', 'join_scored']


def read_scored(path, *, finders=None, columns=None, score_kind='rank'):
    """
    Read a table of scores, or the objects of an audit.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        A table, or the folder that an audit wrote.
    finders : dict of str to str, optional
        Score column of each finder; those of the audit, or found by their names.
    columns : dict of str to str, optional
        Column of each role.
    score_kind : str, optional
        As for `~lensfinder_audit.scoretable.standard_sample`.

    Returns
    -------
    sample : `~astropy.table.QTable`
        One row per object.
    finders : list of str
        Their columns.

    Raises
    ------
    InputFileError, TableError
        If it cannot be read or is no table of scores.
    """
    path = Path(path)
    known = None
    if path.is_dir():
        points = path / 'tables' / 'operating_points.ecsv'
        known = dict.fromkeys(read_table(points)['finder'].tolist())
        path = path / 'objects.parquet'
    table = read_table(path)
    roles = {**guess_roles(table), **(columns or {})}
    found = finders or ({name: name for name in known} if known else
                        guess_finders(table, roles=roles.values()))
    sample = standard_sample(table, roles=roles, finders=found, score_kind=score_kind,
                             what=str(path))
    return sample, list(found)


def join_scored(first, second, names, *, suffixes=('_a', '_b')):
    """
    Join two tables of scores by their ids.

    Parameters
    ----------
    first, second : `~astropy.table.QTable`
        As `read_scored` returns them.
    names : pair of list of str
        Finders of each.
    suffixes : pair of str, optional
        Added to finders that both tables have.

    Returns
    -------
    sample : `~astropy.table.QTable`
        Objects of both; ``meta`` has ``n_only_first`` and ``n_only_second``.
    finders : list of str
        All finders.

    Raises
    ------
    TableError
        If no object is in both, or an object is a lens in one table alone.
    """
    shared, here, there = np.intersect1d(first['object_id'], second['object_id'],
                                         return_indices=True)
    if not len(shared):
        raise TableError('no object_id is in both tables; a comparison needs the same objects')
    wrong = np.asarray(first['label'])[here] != np.asarray(second['label'])[there]
    if wrong.any():
        raise TableError(f'{wrong.sum()} of {len(shared)} objects are lenses in one table and '
                         f'negatives in the other, the first is {str(shared[wrong][0])!r}')
    joined, other = first[here], second[there]
    both = set(names[0]) & set(names[1])
    for name in both:
        joined.rename_column(name, name + suffixes[0])
    for name in names[1]:
        joined[name + suffixes[1] * (name in both)] = other[name]
    finders = [[name + suffix * (name in both) for name in found]
               for found, suffix in zip(names, suffixes, strict=True)]
    joined.meta |= {'n_only_first': len(first) - len(shared),
                    'n_only_second': len(second) - len(shared)}
    return joined, [*finders[0], *finders[1]]


def compare_finders(sample, finders, *, thresholds=(), fprs=(), **rest):
    """
    Compare finders at the same operating points.

    Parameters
    ----------
    sample : `~astropy.table.QTable`
        With ``label`` and a column for each finder.
    finders : list of str
        At least two.
    thresholds, fprs : sequence of float, optional
        Operating points; a false-positive rate of 0.01 and 0.001 without any.
    **rest
        As for `~lensfinder_audit.measure.comparison.comparison_table`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``comparison``.

    Raises
    ------
    ConfigError
        If there are fewer than two finders.
    MeasurementError
        If a rate needs negatives and there are none.
    """
    if len(finders) < 2:
        raise ConfigError(f'a comparison needs two finders; found were {finders}; name them with '
                          '--score NAME=COLUMN, or give a second table')
    label = np.asarray(sample['label'])
    points = [OperatingPoint(threshold=value) for value in thresholds]
    points += [OperatingPoint(fpr=value) for value in fprs]
    if not points:
        points = ([OperatingPoint(fpr=value) for value in (0.01, 0.001)] if not label.all() else
                  [OperatingPoint(threshold=0.5)])
    weight = rest.get('weight')
    found = operating_points_table({name: np.asarray(sample[name]) for name in finders}, label,
                                   points, weight=None if weight is None else sample[weight])
    cuts = {point.name: {} for point in points}
    for row in found:
        cuts[str(row['operating_point'])][str(row['finder'])] = float(row['threshold'])
    return comparison_table(sample, cuts, **rest)
