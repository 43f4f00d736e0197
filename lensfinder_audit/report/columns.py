# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Result tables, laid out for people."""
import numpy as np

from lensfinder_audit.plotting.places import axis_names, axis_words, cell_words, no_false
from lensfinder_audit.plotting.style import interval_words, values
from lensfinder_audit.report import words

__all__ = ['people_table', 'MAX_ROWS']

#: A page shows at most this many rows of a table.
MAX_ROWS = 200

#: A longer table is folded.
_FOLDED = 12

_HEADERS = {'finder': 'finder', 'operating_point': 'operating point', 'n_recovered': 'recovered',
            'n_groups': 'groups', 'n_eff': 'effective n', 'n_selected': 'selected',
            'n_negatives_above': 'negatives above', 'n_tied': 'tied objects',
            'tied_score': 'tied score', 'n_true': 'lenses selected',
            'n_false': 'negatives selected', 'n_lenses': 'lenses', 'n_negatives': 'negatives',
            'expected_selected': 'expected selected', 'expected_lenses': 'expected lenses',
            'mean_probability': 'mean score', 'n_positives_above': 'lenses above',
            'median_separation': 'median separation', 'n_matched': 'matched',
            'n_ambiguous': 'ambiguous', 'n_unmatched': 'unmatched', 'auc': 'AUC', 'fpr': 'FPR',
            'se': 'standard error', 'n_first': 'first n', 'n_second': 'second n',
            'n_above': 'negatives above', 'n_only_a': 'only the first',
            'n_only_b': 'only the second', 'smallest_detectable': 'would have been seen',
            'found_first': 'found by the first', 'found_second': 'found by the second'}

#: Columns that are told in words elsewhere, or are for machines.
_DROPPED = {'supported', 'sides', 'quantity', 'reason', 'upper', 'state', 'confidence'}

#: Columns that "lo" and "hi" are the interval of, the first that is there; any column may
#: have an interval of its own, under its name with "_lo" and "_hi".
_WITH_INTERVAL = ('estimate', 'probability', 'auc', 'difference', 'found')

#: Pairs of columns that make one range, and its header.
_RANGES = {'boot_lo': ('boot_hi', 'bootstrap'), 'exact_lo': ('exact_hi', 'exact'),
           'completeness_least': ('completeness_greatest', 'completeness, least to greatest'),
           'completeness_lo': ('completeness_hi', 'completeness'),
           'fpr_lo': ('fpr_hi', 'false-positive rate'),
           'tpr_least': ('tpr_greatest', 'TPR, least to greatest'),
           'found_least': ('found_greatest', 'found, least to greatest'),
           'score_min': ('score_max', 'scores')}

#: Ranges without a width say nothing: a bootstrap of equal objects, a block without a tie.
_EMPTY_RANGES = ('boot_lo', 'completeness_least', 'tpr_least', 'found_least')

#: Columns that go above the table where they have one value.
_HOISTED = ('finder', 'operating_point', 'threshold', 'tier', 'discovery', 'prevalence', 'bins',
            'interval')


def people_table(table, *, title, estimate='estimate', names=None, drop=()):
    """
    Lay a result table out for people.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table; columns that it does not know are shown as they are.
    title : str
        What stands above it.
    estimate : str, optional
        What the column ``estimate`` is called.
    names : dict of str to str, optional
        Headers that differ here.
    drop : sequence of str, optional
        Columns to leave out.

    Returns
    -------
    layout : dict
        ``title``, ``note``, ``header``, ``rows`` (of str), ``states``, and
        whether it is ``folded``; `None` where there are no rows.
    """
    if table is None or not len(table):
        return None
    names = {**_HEADERS, 'estimate': f'{estimate}{_brackets(table)}', **(names or {})}
    n_rows, table = len(table), table[:MAX_ROWS]
    columns = _columns(table, names, set(drop))
    fixed, columns = _hoisted(columns, n_rows)
    notes = [', '.join(fixed)] if fixed else []
    if n_rows > MAX_ROWS:
        notes.append(f'the first {MAX_ROWS} of {words.count(n_rows)} rows')
    state = table['state'].astype(str) if 'state' in table.colnames else [''] * len(table)
    return {'title': title, 'note': '; '.join(notes), 'header': [name for name, _ in columns],
            'rows': list(zip(*(cells for _, cells in columns), strict=True)),
            'states': [str(word) for word in state], 'folded': n_rows > _FOLDED}


def _brackets(table):
    if not table.meta.get('interval') or 'lo' not in table.colnames:
        return ''
    if 'interval' in table.colnames and table.meta.get('confidence'):  # the rows name it
        return f' [{words.percent(table.meta["confidence"])} interval]'
    return f' [{interval_words(table.meta)}]'


def _intervals(table):
    """Return the columns of the two ends of every column that has an interval."""
    found = {name: (f'{name}_lo', f'{name}_hi') for name in table.colnames
             if {f'{name}_lo', f'{name}_hi'} <= set(table.colnames)}
    whose = next((name for name in _WITH_INTERVAL if name in table.colnames), None)
    if whose and {'lo', 'hi'} <= set(table.colnames):
        found[whose] = ('lo', 'hi')
    return found


def _columns(table, names, drop):
    """Return (header, cells) of each column that people see."""
    axes = {f'{name}_min': name for name in axis_names(table)}
    merged = _intervals(table)
    ends = {end for pair in merged.values() for end in pair}
    ends |= {high for high, _ in _RANGES.values()} | {f'{name}_max' for name in axes.values()}
    found = []
    for name in table.colnames:
        if name in ends | drop | _DROPPED:
            continue
        if name in axes or name in axes.values():
            axis = axes.get(name, name)
            found.append((axis_words(table, axis), cell_words(table, axis)))
        else:
            header, cells = _column(table, name, merged)
            found.append((names.get(name, header or name.replace('_', ' ')), cells))
    if 'state' in table.colnames:
        found.append(('remark', _remarks(table)))
    return [(header, cells) for header, cells in found if set(cells) - {'', '–'}]


def _column(table, name, merged):
    if name == 'estimate':
        return '', _estimates(table)
    if name in merged:
        low, high = merged[name]
        return '', [words.with_interval(*row) for row in zip(
            *(values(table, item) for item in (name, low, high)), strict=True)]
    if name in _RANGES:
        high, header = _RANGES[name]
        ends = zip(values(table, name), values(table, high), strict=True)
        return header, ['' if low == high and name in _EMPTY_RANGES else words.interval(low, high)
                        for low, high in ends]
    if name == 'n_eff':
        return '', [words.count(round(item)) if item >= 100 else f'{item:.1f}'
                    for item in np.nan_to_num(values(table, name))]
    return _header(table, name), _plain_cells(table[name])


def _header(table, name):
    unit = table[name].unit
    return f'{_HEADERS.get(name, name.replace("_", " "))} [{unit}]' if unit else ''


def _plain_cells(column):
    column = column.filled(np.nan) if hasattr(column, 'filled') and column.dtype.kind == 'f' else (
        column)
    kind = column.dtype.kind
    plain = np.asarray(getattr(column, 'value', column)).tolist()
    form = {'f': lambda item: words.number(float(item)), 'i': words.count, 'u': words.count,
            'b': lambda item: 'yes' if item else 'no'}.get(kind, str)
    return [form(item) for item in plain]


def _estimates(table):
    state = table['state'].astype(str) if 'state' in table.colnames else ['supported'] * len(table)
    low, high, upper = (values(table, name) for name in ('lo', 'hi', 'upper'))
    zero = (values(table, 'n_recovered') == 0) & np.isfinite(upper)
    pure, cells = no_false(table), []
    for row, value in enumerate(values(table, 'estimate')):
        if state[row] in ('empty', 'impossible') or np.isnan(value):
            cells.append('' if state[row] == 'supported' else str(state[row]))
        elif zero[row]:
            cells.append(f'0, one-sided upper bound {words.number(upper[row], digits=2)}')
        elif pure[row]:
            cells.append(f'{words.number(low[row], digits=2)} or more, no negative selected')
        else:
            cells.append(words.with_interval(value, low[row], high[row]))
    return cells


def _remarks(table):
    reason = table['reason'].astype(str) if 'reason' in table.colnames else [''] * len(table)
    return ['' if state == 'supported' else f'{state}: {why}' if why else str(state)
            for state, why in zip(table['state'].astype(str), reason, strict=True)]


def _hoisted(columns, n_rows):
    """Take columns of one value out, to be told once."""
    if n_rows < 2:
        return [], columns
    hoisted = {_HEADERS.get(name, name.replace('_', ' ')) for name in _HOISTED}
    fixed, rest = [], []
    for header, cells in columns:
        once = len(set(cells)) == 1 and header in hoisted and cells[0] not in ('', '–')
        (fixed if once else rest).append((header, cells))
    return [f'{header}: {cells[0]}' for header, cells in fixed], rest
