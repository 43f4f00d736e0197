# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The tables of an audit, set for a paper."""
import re

import numpy as np

from lensfinder_audit.plotting.items import split_quantities
from lensfinder_audit.plotting.places import axis_names, by_rate, cell_words
from lensfinder_audit.plotting.style import interval_words, values
from lensfinder_audit.report import words
from lensfinder_audit.report.headings import heading, region_tex
from lensfinder_audit.report.tex import escape, number, tabular, with_errors

__all__ = ['latex_tables']

_HEAD = ('% Made by lensfinder_audit {version}. In the preamble: \\usepackage{{booktabs}}\n'
         '% Intervals, counts and samples are in the captions; all digits in tables/{stem}.ecsv.\n')
_QUANTITIES = {'completeness': 'Completeness', 'agreement': 'Agreement with an earlier finder',
               'unknown': 'Recovered fraction of lenses whose way of discovery is not known'}
_KEY = {'finder': 'Finder', 'operating_point': 'Operating point', 'tier': 'Tier'}
_STATISTICS = {'statistic': 'Statistic', 'prevalence': 'Prevalence', 'bins': 'Bins'}
_P = 'p{{{:.2f}\\linewidth}}'
_FRACTIONS = {'Completeness': 'Completeness', 'Agreement': 'Agreement',
              'False-positive': 'False-positive rate'}


def latex_tables(result):
    """
    Set the tables of an audit for a paper.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        What `~lensfinder_audit.audit` returns.

    Returns
    -------
    files : dict of str to str
        LaTeX by name of the file: ``verdict``, ``findings``, ``completeness`` and its
        axes, ``false_positives`` and its axes, ``recovery`` and its axes, ``calibration``;
        those that the audit does not hold are left out. ``tables`` inputs them all. They
        need the package ``booktabs`` and nothing else; every word of the audit is escaped.
    """
    found, rests = {}, {side: _rests_on(result, side) for side in ('lenses', 'negatives')}
    _set(found, 'verdict', _verdict(result.tables.get('verdict'), rests))
    _set(found, 'findings', _findings(result.findings))
    for name, table in result.tables.items():
        stem, _, axis = name.partition('_by_')
        if stem == 'completeness' and (axis or name == stem):
            _set(found, name, [_fractions(part, _QUANTITIES[section], name, 'lenses',
                                          rests['lenses'])
                               for section, part in split_quantities(table).items()])
        elif stem == 'false_positives':
            _set(found, name, [_fractions(by_rate(table), 'False-positive rates', name,
                                          'negatives', rests['negatives'])])
        elif stem == 'recovery':
            _set(found, name, [_fractions(table, 'Recovered fraction of injections', name,
                                          'injections', 'their hosts are resampled together')])
    _set(found, 'calibration', _calibration(result.tables.get('calibration'), rests))
    version = result.summary['package_version']
    files = {name: _HEAD.format(version=escape(version), stem=name) + text
             for name, text in found.items()}
    inputs = ''.join(f'\\input{{{name}.tex}}\n' for name in files)
    return {**files, 'tables': _HEAD.format(version=escape(version), stem='*') + inputs}


def _set(found, name, parts):
    """Keep the tables that have rows, under a name that is a file's and a label's."""
    name = re.sub(r'[^A-Za-z0-9_-]+', '_', name)
    parts = [part for part in parts if part]
    if parts:
        found[name] = '\n'.join(parts)


def _rests_on(result, side):
    """Say how many objects, groups and lenses in the search the numbers rest on."""
    label = np.asarray(result.sample['label']).astype(bool)
    rows, summary = label == (side == 'lenses'), result.summary
    text = f'{number(rows.sum())} {side}'
    if summary.get('group') and 'group' in result.sample.colnames:
        n = len(np.unique(np.asarray(result.sample['group'])[rows]))
        text += (f' in {number(n)} independent groups (values of {escape(summary["group"])}, '
                 'resampled together)')
    stated = summary.get('prevalence')
    return text + ('; no prevalence was stated' if stated is None else
                   f'; stated prevalence {number(stated)}')


def _all(rests):
    return f'In all {rests["lenses"].partition(";")[0]}, and {rests["negatives"]}.'


def _verdict(table, rests):
    if table is None or not len(table):
        return []
    told = table.meta
    caption = (f'Verdict on each region. Use: completeness surely at least '
               f'{number(told["use_completeness"])} and false-positive rate surely at most '
               f'{number(told["use_fpr"])}; bounds hold at {number(100 * told["confidence"])} per '
               f'cent for all {told["n_cells"]} numbers at once (interval of every cell at its '
               'effective number of objects, Bonferroni). $n$: independently found lenses, and '
               f'negatives. {_all(rests)}')
    ends = [_ends(table, name) for name in ('completeness', 'fpr')]
    columns = [('Finder', _texts(table, 'finder')),
               ('Operating point', _texts(table, 'operating_point')),
               ('Region', [region_tex(row) for row in table]),
               ('Verdict', _texts(table, 'verdict')),
               ('$n_\\mathrm{lens}$', _whole(table, 'n_lenses')), ('Completeness', ends[0]),
               ('$n_\\mathrm{neg}$', _whole(table, 'n_negatives')),
               ('False-positive rate', ends[1])]
    return [tabular(columns, caption=caption, label='verdict', fixed=('Finder', 'Operating point'),
                    widths={'Region': _P.format(0.27)})]


def _ends(table, name):
    ends = zip(values(table, f'{name}_lo'), values(table, f'{name}_hi'), strict=True)
    return [f'{number(low, digits=3)} to {number(high, digits=3)}'
            if np.isfinite([low, high]).all() else '--' for low, high in ends]


def _findings(table):
    if table is None or not len(table):
        return []
    names = {'severity': 'Severity', 'finding': 'Finding', 'advice': 'Advice'}
    columns = [(head, _texts(table, name)) for name, head in names.items()
               if name in table.colnames]
    return [tabular(columns, caption='Findings of the audit on its own sample, the finder and '
                    'itself, the gravest first.', label='findings',
                    widths={'Finding': _P.format(0.47), 'Advice': _P.format(0.33)})]


def _fractions(table, what, name, objects, rests):
    if not len(table):
        return ''
    axes = axis_names(table)
    columns = [(head, _texts(table, key)) for key, head in _KEY.items() if key in table.colnames]
    if not axes and 'confuser_class' in table.colnames:
        axes = ['confuser_class']
    columns += [(heading(axis, _unit(table, axis)), _cells(table, axis)) for axis in axes]
    quantity = _FRACTIONS.get(what.split(' ')[0], 'Recovered fraction')
    columns += [(quantity, _estimates(table)), ('$n$', _whole(table, 'n')),
                ('$n_\\mathrm{groups}$', _whole(table, 'n_groups'))]
    by = words.listed([heading(axis).replace('Confuser', 'confuser') for axis in axes])
    caption = f'{what} by {by}.' if axes else f'{what} of whole samples.'
    caption += ' The highest rate stands first.' if axes == ['confuser_class'] else ''
    caption += f' {_interval_caption(table)} $n$: {objects}'
    if 'n_groups' in table.colnames:
        caption += '; $n_\\mathrm{groups}$: independent groups among them'
    caption += f'. In all {rests}' if objects != 'injections' else f'; {rests}'
    label = f'{name}:{what.split(" ")[0].lower()}' if objects == 'lenses' else name
    return tabular(columns, caption=caption + '.', label=label,
                   fixed=('Finder', 'Operating point', 'Tier'))


def _cells(table, axis):
    """Name the cells of an axis; families are words, and other classes names."""
    found = cell_words(table, axis)
    return [escape(word.replace('_', ' ') if axis == 'confuser_class' else word)
            for word in found]


def _unit(table, axis):
    return table[f'{axis}_min'].unit if f'{axis}_min' in table.colnames else None


def _interval_caption(table):
    """Say which interval stands behind the estimates."""
    return f'Errors are the {escape(interval_words(table.meta))}.'


def _estimates(table):
    """Write estimates with errors; what is unsupported is marked, and a zero has its bound."""
    state = (table['state'].astype(str) if 'state' in table.colnames
             else np.full(len(table), 'supported'))
    estimate, low, high, upper = (values(table, name) for name in ('estimate', 'lo', 'hi',
                                                                   'upper'))
    cells = []
    for row, value in enumerate(estimate):
        if not np.isfinite(value) or state[row] in ('empty', 'impossible'):
            cells.append(escape(state[row]) if state[row] != 'supported' else '--')
        elif value == 0 and np.isfinite(upper[row]):
            cells.append(f'$< {number(upper[row], digits=2, bare=True)}$')
        else:
            cells.append(with_errors(value, low[row], high[row]))
        if state[row] == 'unsupported' and np.isfinite(value):
            cells[-1] += ' (unsupported)'
    return cells


def _calibration(table, rests):
    if table is None or not len(table):
        return []
    columns = [('Finder', _texts(table, 'finder'))] if 'finder' in table.colnames else []
    columns += [(head, [number(item) for item in values(table, name)]
                 if table[name].dtype.kind == 'f' else _texts(table, name))
                for name, head in _STATISTICS.items() if name in table.colnames]
    columns += [('Value', _estimates(table)), ('$n$', _whole(table, 'n')),
                ('$n_\\mathrm{groups}$', _whole(table, 'n_groups'))]
    if 'interval' in table.colnames:
        columns.append(('Interval', _texts(table, 'interval')))
    confidence = table.meta.get('confidence')
    level = f' at {number(100 * confidence)} per cent' if confidence else ''
    return [tabular(columns, caption='Calibration statistics, with errors from the interval named '
                    f'in the row{level}. A row without a prevalence holds at that of the '
                    f'sample. {_all(rests)}', label='calibration', fixed=('Finder',),
                    widths={'Interval': _P.format(0.32)})]


def _texts(table, name):
    return [escape(str(item).replace('>=', '≥')) for item in table[name]]


def _whole(table, name):
    """Write counts; a table that lacks them has no such column."""
    if name not in table.colnames:
        return []
    return [number(item) for item in values(table, name)]
