# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit validate``: what a table of scores allows."""
import click

from lensfinder_audit.cli.options import column_options, given_options, read_finders

__all__ = ['validate_command']


@click.command('validate', short_help='Say what can be audited with a table of scores.')
@click.argument('scores', type=click.Path(dir_okay=False))
@column_options
@click.option('--negatives', type=click.Path(dir_okay=False), help='Table of negatives.')
@click.option('-o', '--output', type=click.Path(dir_okay=False), metavar='FILE',
              help='Write a starting audit.yaml there.')
@click.option('--overwrite', is_flag=True, help='Replace FILE.')
def validate_command(scores, negatives, output, overwrite, **values):
    """
    Guess the columns of SCORES and say what can be audited with them, and why the
    rest cannot.
    """
    from lensfinder_audit.files import read_table
    from lensfinder_audit.validation import list_measurements, propose_options

    table = read_table(scores)
    options = propose_options(table)
    options.columns |= given_options(values)
    options.finders = read_finders(values['scores_of']) or options.finders
    options.score_kind = values['score_kind'] or options.score_kind
    click.echo(f'{scores}: {len(table):,} rows, {len(table.colnames)} columns')
    _print_columns(table, options)
    _print_measurements(list_measurements(table, options, negatives=bool(negatives)))
    if output:
        _write(scores, negatives, options, output, overwrite)


def _print_columns(table, options):
    used = {column: role for role, column in options.columns.items()}
    used |= {column: f'score of {name}' for name, column in options.finders.items()}
    used |= {name: 'condition' for name in options.by if name in table.colnames}
    click.echo('\nColumns')
    for name in table.colnames:
        click.echo(f'  {name:<24} {str(table[name].dtype):<10} {used.get(name, "-")}')
    click.echo(f'  scores are taken to be: {options.score_kind or "of several kinds"}')


def _print_measurements(found):
    click.echo('\nCan be audited')
    for row in found:
        click.echo(f'  {"yes" if row["possible"] else "no ":<4} {row["measurement"]:<57} '
                   f'{row["reason"]}')


def _write(scores, negatives, options, output, overwrite):
    from pathlib import Path

    from lensfinder_audit.config import InputFile, dump_config
    from lensfinder_audit.files import whole_file

    inputs = {'scores': [InputFile.of(scores)]}
    if negatives:
        inputs['negatives'] = [InputFile.of(negatives)]
    with whole_file(output, overwrite=overwrite) as temporary:
        temporary.write_text(dump_config(options, inputs, Path(output).parent), encoding='utf-8')
    click.echo(f'\n{output}\nNext: lensfinder-audit audit --config {output} -o DIR')
