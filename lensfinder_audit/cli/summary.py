# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The short summary that the terminal shows after an audit."""
import sys
import textwrap

import click
import numpy as np

__all__ = ['print_summary']

_COLORS = {'severe': 'red', 'warning': 'yellow', 'note': None}


def print_summary(result, folder):
    """
    Print counts, the main rates and the findings of an audit.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        The audit.
    folder : str
        Where it was written.
    """
    summary = result.summary
    if sys.stderr.isatty():
        click.echo('\r\033[K', nl=False, err=True)
    click.secho(summary['title'], bold=True)
    click.echo(f'{summary["n_objects"]:,} objects: {summary["n_lenses"]:,} lenses, '
               f'{summary["n_negatives"]:,} negatives; scores are {summary["score_kind"]}; groups: '
               f'{summary["group"] or "none"}; weights: {summary["weight"] or "none"}')
    label = f'{100 * summary["confidence"]:g} % {summary["interval"]}'
    _rates(result.tables.get('completeness'), f'Recovered lenses ({label})', ('quantity', 'tier'))
    _rates(_worst_family(result.tables.get('false_positives')),
           f'False-positive rates ({label}): all negatives, and the family that fools it most',
           ('confuser_class',))
    _ranking(result.tables.get('ranking'))
    _findings(result.findings)
    _verdict(result.summary.get('verdict'))
    click.echo(f'\n{folder}/report.html')


def _rates(table, title, names):
    if table is None:
        return
    click.echo(f'\n{title}')
    for row in table:
        what = ', '.join(f'tier {row[name]}' if name == 'tier' else str(row[name])
                         for name in names)
        rate = f'{row["estimate"]:.4f} [{row["lo"]:.4f}, {row["hi"]:.4f}]'
        if row['state'] != 'supported':
            rate += f'  {row["state"]}: {row["reason"]}'
        click.echo(f'  {row["finder"]:<14} {row["operating_point"]:<16} {what:<44} '
                   f'{row["n_recovered"]:>6} of {row["n"]:<7} {rate}')


def _worst_family(table):
    """Keep, of each operating point, all negatives and the family with the highest lower bound."""
    if table is None:
        return None
    keep = []
    keys = np.char.add(np.char.add(table['finder'], ' '), table['operating_point'])
    for key in dict.fromkeys(keys.tolist()):
        rows = np.flatnonzero(keys == key)
        every = table['confuser_class'][rows] == 'all'
        keep += rows[every].tolist()
        families = rows[~every & np.asarray(table['supported'][rows])]
        if len(families):
            keep.append(int(families[np.argmax(table['lo'][families])]))
    return table[keep]


def _ranking(table):
    if table is None:
        return
    click.echo('\nRanking')
    for row in table:
        wanted = row['statistic'].startswith('TPR') or 'bootstrap' not in row['interval']
        if wanted and row['state'] == 'supported' and np.isfinite(row['estimate']):
            click.echo(f'  {row["finder"]:<14} {row["statistic"]:<24} {row["estimate"]:.5f} '
                       f'[{row["lo"]:.5f}, {row["hi"]:.5f}]  {row["interval"]}')


def _verdict(sentences):
    if sentences:
        click.echo('\nVerdict')
    for sentence in sentences or ():
        click.echo(textwrap.fill(sentence, 100, initial_indent='  ', subsequent_indent='    '))


def _findings(findings):
    click.echo(f'\nFindings: {len(findings)}')
    for row in findings:
        text = textwrap.fill(f'{row["finding"]}. {row["advice"]}', 100,
                             initial_indent='    ', subsequent_indent='    ')
        click.secho(f'  {row["severity"]}: {row["check"]}', fg=_COLORS[row['severity']])
        click.echo(text)
