# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The lenses that finders miss, with the conditions under which they were seen."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.plotting.places import axis_words
from lensfinder_audit.plotting.store_galleries import first_points, selected_by
from lensfinder_audit.report.columns import people_table
from lensfinder_audit.report.words import count

__all__ = ['missed_table', 'missed_sentence']

_MOST = 25
_IDENTITY = ('name', 'object_id', 'ra', 'dec', 'tier', 'discovery')
_MOST_CONDITIONS = 5


def missed_table(result):
    """
    Lay out the lenses that are missed by most finders, those of the lowest scores first.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        What `~lensfinder_audit.audit` returns.

    Returns
    -------
    layout : dict or None
        As `~lensfinder_audit.report.columns.people_table` returns it; `None` where no lens
        is missed at the first operating point.
    """
    sample, points = result.sample, _points(result)
    missing = _missing(sample, points)
    rows = np.flatnonzero(missing > 0)
    if not len(rows):
        return None
    score = np.asarray(sample[str(points[0]['finder'])], dtype=float)
    chosen = rows[np.lexsort((score[rows], -missing[rows]))][:_MOST]
    title = (f'The {len(chosen)} lenses with the lowest scores of the {count(len(rows))} that are '
             'missed')
    if len(points) > 1:
        title += ' by a finder, those that all miss first'
    table, names = _columns(result, sample[chosen])
    names |= {str(row['finder']): str(row['finder']) for row in points}
    for row in points:
        table[str(row['finder'])] = np.asarray(sample[str(row['finder'])])[chosen]
    if len(points) > 1:
        table['missed by'] = ['all' if n == len(points) else f'{n} of {len(points)}'
                              for n in missing[chosen]]
    layout = people_table(table, title=title, names=names)
    words = ', '.join(f'{row["finder"]} at {row["operating_point"]}' for row in points)
    return {**layout, 'note': words, 'folded': True}


def missed_sentence(result):
    """
    Count the lenses that every one of several finders misses.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        What `~lensfinder_audit.audit` returns.

    Returns
    -------
    text : str
        Empty for one finder.
    """
    points = _points(result)
    if len(points) < 2:
        return ''
    n = int((_missing(result.sample, points) == len(points)).sum())
    total = int(np.asarray(result.sample['label']).astype(bool).sum())
    return (f'{count(n)} of {count(total)} lenses are missed by '
            f'{"both" if len(points) == 2 else f"all {len(points)}"} finders at their first '
            f'operating point ({points[0]["operating_point"]}).')


def _points(result):
    points = result.tables.get('operating_points')
    if points is None:
        return []
    return [row for row in first_points(points) if str(row['finder']) in result.sample.colnames]


def _missing(sample, points):
    """Count the finders that score each lens below their threshold."""
    known = np.sum([np.isfinite(np.asarray(sample[str(row['finder'])], dtype=float))
                    for row in points], axis=0) if points else np.zeros(len(sample), dtype=int)
    lenses = np.asarray(sample['label']).astype(bool)
    return np.where(lenses, known - selected_by(sample, points), 0)


def _columns(result, rows):
    """Return what the lenses are and how they were seen, and the heads of these columns."""
    by = [name.strip() for item in getattr(result.options, 'by', ()) for name in item.split(',')]
    conditions = list(dict.fromkeys(name for name in by if name in rows.colnames))
    names = [name for name in _IDENTITY if name in rows.colnames] + [
        name for name in conditions[:_MOST_CONDITIONS] if name not in _IDENTITY]
    names = [name for name in names if np.ndim(rows[name]) == 1]
    table = QTable({name: np.asarray(getattr(rows[name], 'value', rows[name])) for name in names})
    return table, {name: axis_words(rows, name) for name in names}
