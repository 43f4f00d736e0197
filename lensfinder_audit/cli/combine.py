# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit combine``: one score of several."""
from pathlib import Path

import click

from lensfinder_audit.cli.finders import read_arguments
from lensfinder_audit.cli.options import read_finders, read_pairs
from lensfinder_audit.exceptions import ConfigError, OutputExistsError, TableError

__all__ = ['combine_command']

# The methods, without importing them for --help; a test compares.
METHODS = ('mean', 'meta_learner', 'feature_weighted', 'platt', 'isotonic', 'beta', 'temperature')


@click.command('combine', short_help='Make one score of the scores of several finders.')
@click.argument('scores', nargs=-1, required=True, type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(dir_okay=False), metavar='FILE',
              help='Table to write: that of the first SCORES with the new column.')
@click.option('--method', type=click.Choice(METHODS), help='How to combine.')
@click.option('--combiner', type=click.Path(dir_okay=False), metavar='FILE',
              help='Combiner that an earlier run saved, instead of a method.')
@click.option('--fit', 'fit', metavar='COLUMN=VALUE',
              help='Rows to learn from, such as split=train.')
@click.option('--save', type=click.Path(dir_okay=False), metavar='FILE',
              help='Save the combiner there, as JSON.')
@click.option('--condition', 'conditions', multiple=True, metavar='COLUMN',
              help='Condition that weights depend on, for feature_weighted.')
@click.option('--prevalence', type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help='Fraction of lenses that probabilities refer to. [that of the rows]')
@click.option('--score', 'scores_of', multiple=True, metavar='[NAME=]COLUMN',
              help='Score column to combine; found by their names without it.')
@click.option('--score-kind', type=click.Choice(['probability', 'logit', 'rank']),
              help='What the scores are; guessed without it.')
@click.option('--match-radius', type=click.FloatRange(0, min_open=True), metavar='ARCSEC',
              help='Join tables by position instead of id.')
@click.option('--option', 'options', multiple=True, metavar='NAME=VALUE',
              help='Argument of the fit, such as seed=1 or hidden=0.')
@click.option('--name', help='Name of the new column. [p_METHOD]')
@click.option('--overwrite', is_flag=True, help='Replace existing outputs.')
def combine_command(scores, output, method, combiner, fit, save, name, overwrite, **values):
    """
    Make one score of the finders in SCORES, one table or several.

    "mean" needs nothing else. The others learn from labelled rows, which are marked as
    trained on in the column in_training, and can be saved and used again.
    """
    from lensfinder_audit.combine import combine_table, mark_training
    from lensfinder_audit.combiners.storage import load_combiner, save_combiner
    from lensfinder_audit.files import write_whole

    if (method is None) == (combiner is None):
        raise ConfigError('give either --method or --combiner')
    _refuse_outputs([output, save], overwrite)
    made = load_combiner(combiner) if combiner else None
    table = _members(scores, made, values)
    rows = None if made or method == 'mean' else _rows(table, fit, method)
    made = made or _fitted(table, method, rows, values)
    combined = combine_table(table, made, name=name or f'p_{made.method}')
    if rows is not None:
        mark_training(combined, rows)
    if save:
        save_combiner(made, save, overwrite=overwrite)
    write_whole(combined, output, overwrite=overwrite)
    _tell(made, combined, output)


def _refuse_outputs(paths, overwrite):
    """Find out now what would cost the work later."""
    for path in paths:
        if path and Path(path).exists() and not overwrite:
            raise OutputExistsError(f'{path} is there already; choose another name or give '
                                    '--overwrite')


def _members(paths, combiner, values):
    """Read and join the tables; a saved combiner says itself which scores it reads."""
    from astropy import units as u

    from lensfinder_audit.combine import join_members, member_table
    from lensfinder_audit.files import read_table

    finders, radius = read_finders(values['scores_of']), values['match_radius']
    tables = []
    for path in paths:
        table = read_table(path)
        wanted = finders or {name: name for name in getattr(combiner, 'finders', ())}
        here = {name: column for name, column in wanted.items() if column in table.colnames}
        if finders and not here:
            raise TableError(f'{path} has none of the columns {list(finders.values())}; its '
                             f'columns are {table.colnames}')
        tables.append(member_table(table, finders=here or None, what=str(path),
                                   score_kind=values['score_kind']))
    return join_members(tables, radius=None if radius is None else radius * u.arcsec)


def _rows(table, fit, method):
    import numpy as np

    from lensfinder_audit.tables import require_columns

    if not fit:
        raise ConfigError(f'{method} learns from labelled rows; say which with --fit '
                          'COLUMN=VALUE, such as split=train, or give a saved --combiner')
    (column, value), = read_pairs([fit], '--fit').items()
    require_columns(table, [column], what='the score table')
    words = np.asarray(table[column]).astype(str)
    rows = words == value
    if not rows.any():
        raise ConfigError(f'--fit {fit}: no row has that value; {column!r} holds '
                          f'{np.unique(words)[:5].tolist()}')
    return rows


def _fitted(table, method, rows, values):
    from lensfinder_audit.combine import fit_combiner

    return fit_combiner(table, method, rows=rows, conditions=list(values['conditions']),
                        prevalence=values['prevalence'], **read_arguments(values['options']))


def _tell(made, combined, output):
    record = made.record
    click.echo(f'{made.method} of {", ".join(made.finders)} for {len(combined)} objects'
               + (f', fitted on {record["n_lenses"]} lenses and {record["n_negatives"]} negatives; '
                  f'its probabilities refer to {100 * record["prevalence"]:.3g} % lenses'
                  if record else ''))
    if record.get('converged') is False:
        click.echo('the fit did not converge; raise --option max_steps=...', err=True)
    if combined.meta.get('n_left_out'):
        click.echo(f'{combined.meta["n_left_out"]} objects of the first table are left out, since '
                   'another table lacks them', err=True)
    outside = [name for name in combined.colnames if name.endswith('_outside')]
    if outside and combined[outside[-1]].any():
        click.echo(f'{combined[outside[-1]].sum()} objects lie outside the conditions of the fit '
                   f'(column {outside[-1]})', err=True)
    click.echo(output)
