# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Checks of published counts: intervals, pools, empty and hidden cells, what they cannot show."""
import numpy as np
from astropy.table import QTable, vstack

from lensfinder_audit.checks.statistics import matching_intervals
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.findings import Finding, Limits
from lensfinder_audit.measure.counts import pools_against_model, total_intervals
from lensfinder_audit.measure.intervals import binomial_interval

__all__ = ['count_checks', 'counted']


def count_checks(counts, *, by, each='', interval=(), flag='', directions=None, known=None,
                 limits=None, confidence=0.95):
    """
    Check a table of counts.

    Parameters
    ----------
    counts : `~astropy.table.Table`
        One row per cell, with ``n``, ``n_recovered`` and the columns named.
    by : sequence of str
        Conditions or bins: each is tabulated alone.
    each : str, optional
        A column such as the threshold: rows of different values are never added up.
    interval : (lo, hi) of str, optional
        Columns of published intervals, which are to be named.
    flag : str, optional
        Column that says whether a cell was shown.
    directions : dict of str to {1, -1}, optional
        Conditions along which completeness rises or falls; they make the pools.
    known : dict of str to (str, bool), optional
        What else is known of the counts: words, and whether it is known.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
        ``completeness`` by every column, ``intervals_named``, ``count_pools``,
        ``count_totals``, ``hidden_cells`` and ``not_known``.
    found : list of `~lensfinder_audit.findings.Finding`
        What the counts show.
    """
    limits, directions = limits or Limits(), directions or {}
    level = np.asarray(counts[each]) if each else np.zeros(len(counts), dtype=int)
    tables, found = {'completeness': _marginals(counts, by, each, level, confidence)}, []
    if interval:
        tables['intervals_named'], more = _named(counts, interval, confidence)
        found += more
    if directions:
        found += _pools(counts[level == level[0]], directions, limits, confidence, tables)
    found += _empty(counts[level == level[0]], by)
    if flag:
        tables['hidden_cells'], more = _hidden(counts, by, flag, confidence)
        found += more
    tables['not_known'], more = _unknown(known or {})
    return tables, found + more


def _marginals(counts, by, each, level, confidence):
    parts = []
    for value in np.unique(level):
        rows = counts[level == value]
        for name in ('', *by):
            key = np.asarray(rows[name]) if name else np.full(len(rows), 'all')
            part = _summed(rows, key, confidence)
            head = {each: np.full(len(part), value)} if each else {}
            parts.append(QTable({**head, 'axis': np.full(len(part), name or 'all'),
                                 'value': np.asarray(part['value']).astype(str),
                                 **{item: part[item] for item in part.colnames[1:]}}))
    table = vstack(parts, metadata_conflicts='silent')
    table.meta = {'interval': 'jeffreys', 'confidence': confidence,
                  'taken_as': 'independent injections'}
    return QTable(table, copy=False)


def _summed(rows, key, confidence):
    values, code = np.unique(key, return_inverse=True)
    n, k = (np.bincount(code.reshape(-1), np.asarray(rows[name])).astype(int)
            for name in ('n', 'n_recovered'))
    lo, hi = binomial_interval(k, n, method='jeffreys', confidence=confidence)
    with np.errstate(invalid='ignore'):
        estimate = np.where(n > 0, k / np.maximum(n, 1), np.nan)
    return QTable({'value': values, 'n': n, 'n_recovered': k, 'estimate': estimate, 'lo': lo,
                   'hi': hi})


def _named(counts, interval, confidence):
    full = counts[np.asarray(counts['n']) > 0]
    table = matching_intervals(full['n_recovered'], full['n'], full[interval[0]],
                               full[interval[1]], confidence=confidence)
    best = table[np.argmax(table['n_agree'])]
    if best['n_agree'] == len(full):
        return table, [Finding(
            'note', 'intervals', f'all {len(full)} published intervals are {best["interval"]} '
            f'intervals of independent injections at {100 * confidence:g} %', 'intervals_named',
            'Quote them as such, and only where injections are independent.')]
    return table, [Finding(
        'warning', 'intervals', f'of {len(full)} published intervals {best["n_agree"]} are '
        f'{best["interval"]} at {100 * confidence:g} %, more than of any other method',
        'intervals_named', 'Ask how the others were made.')]


def _pools(rows, directions, limits, confidence, tables):
    """Add up the cells of every pool, and compare pools with a model of their conditions."""
    names = list(directions)
    keys = np.stack([np.asarray(rows[name], dtype=float) for name in names], axis=1)
    pools, code = np.unique(keys, axis=0, return_inverse=True)
    n, k = (np.bincount(code.reshape(-1), np.asarray(rows[name])) for name in ('n', 'n_recovered'))
    full, found = n > 0, []
    if not full.all():
        found.append(Finding('note', 'empty cells', f'{(~full).sum()} of {len(full)} combinations '
                             f'of {" and ".join(names)} hold no injection', 'completeness',
                             'Nothing is known there; do not take the nearest cell.'))
    table = pools_against_model(k[full], n[full], {name: pools[full, i] for i, name in
                                                   enumerate(names)}, directions)
    tables['count_pools'] = table
    factor, p = table.meta['dispersion'], table.meta['dispersion_p']
    totals = tables['count_totals'] = total_intervals(k[full], n[full], factor,
                                                      confidence=confidence)
    if p < limits.level and factor > limits.dispersion:
        found.append(_scattered(table, totals, names, limits))
        found += _standing_out(table, names, limits)
    return found


def _scattered(table, totals, names, limits):
    factor = table.meta['dispersion']
    wide = [f'[{row["lo"]:.4f}, {row["hi"]:.4f}] with {row["taken_as"]}' for row in totals]
    return Finding(
        'severe' if factor > limits.dispersion_severe else 'warning', 'over-dispersion',
        f'the {len(table)} pools scatter about a monotone model of {" and ".join(names)} with '
        f'{factor:.0f} times the variance of independent injections; the total of '
        f'{totals["estimate"][0]:.4f} is known within {", ".join(wide)}',
        'count_totals and count_pools', 'Quote an interval that resamples hosts; where they are '
        'not known, the longest of these.')


def _standing_out(table, names, limits):
    """Name the pool that the model of the others does not explain."""
    top = table[0]
    held = np.cumsum(np.sort(np.asarray(table['share']))[::-1])
    few = max(round(len(table) / 10), 1)
    if top['pull'] < limits.pull:
        return []
    place = ', '.join(f'{name} {top[name]:g}' for name in names)
    words = (f'the pool at {place} detects {top["estimate"]:.1%} and holds {top["share"]:.0%} of '
             f'all detections, where the other pools lead to expect {top["without"]:.1%}')
    below = _worse_despite(table, top, names)
    if below is not None:
        words += (f'; at {", ".join(f"{name} {below[name]:g}" for name in names)}, under better '
                  f'conditions, it is {below["estimate"]:.1%}')
    return [Finding('severe', 'pools', f'{words}. {few} of {len(table)} pools hold '
                    f'{held[few - 1]:.0%} of the detections', 'count_pools',
                    'Look at the hosts of this pool; one bright or unusual host can do this.')]


def _worse_despite(table, top, names):
    """Return the pool under conditions that are all better that detects least."""
    signs = table.meta['directions']
    better = np.all([signs[name] * (np.asarray(table[name]) - top[name]) > 0 for name in names],
                    axis=0)
    found = table[better]
    return found[np.argmin(found['estimate'])] if len(found) else None


def _empty(counts, by):
    bare = int((np.asarray(counts['n']) == 0).sum())
    if not bare:
        return []
    return [Finding('note', 'empty cells', f'{bare} of {len(counts)} rows of the table hold no '
                    'injection', f'completeness, by {", ".join(by)}', 'Call these cells empty, '
                    'not 0, and name the conditions that nothing was injected into.')]


def _hidden(counts, by, flag, confidence):
    """Find bins of which a filter shows no cell, though together they hold a number."""
    shown = np.asarray(counts[flag])
    if shown.dtype.kind not in 'biu':
        shown = np.char.lower(shown.astype(str)) == 'true'
    n, rows, found = np.asarray(counts['n']), [], []
    for name in by:
        key = np.asarray(counts[name])
        for row in _summed(counts, key, confidence):
            here = key == row['value']
            if row['n'] and not (shown & here).any():
                rows.append({'axis': name, 'value': str(row['value']), 'n_cells':
                             int((here & (n > 0)).sum()), 'most_in_a_cell': int(n[here].max()),
                             **{item: row[item] for item in row.colnames[1:]}})
    columns = ('axis', 'value', 'n_cells', 'most_in_a_cell', 'n', 'n_recovered', 'estimate', 'lo',
               'hi')
    table = QTable(rows=rows) if rows else QTable({name: [] for name in columns})
    for row in rows:
        found.append(Finding(
            'warning', 'hidden cells', f'every cell of {row["axis"]} {row["value"]} is left out by '
            f'{flag}; its {row["n_cells"]} cells hold at most {row["most_in_a_cell"]} injections '
            f'each, together {row["n"]} with {row["n_recovered"]} detections: '
            f'{row["estimate"]:.3f} [{row["lo"]:.3f}, {row["hi"]:.3f}]', 'hidden_cells',
            'Merge cells until they carry a number, instead of hiding them.'))
    return table, found


def _unknown(known):
    """List what counts alone do not tell."""
    told = {'hosts': ('on how many host galaxies a cell rests', False),
            'negatives': ('how many negatives lie behind the threshold', False), **known}
    table = QTable(rows=[{'what': name, 'state': 'known' if sure else 'not known', 'words': words}
                         for name, (words, sure) in told.items()])
    return table, [Finding('note', 'not known', f'it is not known {words}; the table does not tell',
                           'not_known', 'Ask for the single injections, or for the number.')
                   for words, sure in told.values() if not sure]


def counted(table, n, recovered):
    """Give the columns of counts their names, and refuse what cannot be counts."""
    counts = QTable(table, copy=True)
    for name, column in (('n', n), ('n_recovered', recovered)):
        values = np.asarray(counts[column], dtype=float)
        if not np.isfinite(values).all() or (values < 0).any() or (values % 1).any():
            raise TableError(f'column {column!r} holds no counts')
        counts[name] = values.astype(np.int64)
    over = np.asarray(counts['n_recovered'] > counts['n'])
    if over.any():
        raise TableError(f'{over.sum()} rows have more detections ({recovered}) than injections '
                         f'({n})')
    return counts
