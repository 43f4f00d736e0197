# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit compare``: finders on the same objects."""
import click

from lensfinder_audit.cli.options import column_options, given_options, read_finders

__all__ = ['compare_command']


@click.command('compare', short_help='Compare finders on the same objects, with paired tests.')
@click.argument('scores', type=click.Path())
@click.argument('other', required=False, type=click.Path())
@column_options
@click.option('--threshold', 'thresholds', multiple=True, type=float,
              help='Operating point: fixed score.')
@click.option('--fpr', 'fprs', multiple=True, type=float,
              help='Operating point: false-positive rate. [0.01 and 0.001]')
@click.option('--group', metavar='COLUMN', help='Resampled together.')
@click.option('--adjust', type=click.Choice(['holm', 'benjamini-hochberg']), default='holm',
              show_default=True, help='Correction for several comparisons.')
@click.option('--confidence', type=click.FloatRange(0, 1, min_open=True, max_open=True),
              default=0.95, show_default=True, help='Of the intervals.')
@click.option('--resamples', 'n_resamples', type=click.IntRange(100), default=10000,
              show_default=True, help='Bootstrap resamples.')
@click.option('--seed', type=int, default=0, show_default=True, help='Seed of the bootstrap.')
@click.option('-o', '--output', type=click.Path(dir_okay=False), metavar='FILE',
              help='Write the table there (ECSV, CSV, FITS or Parquet).')
@click.option('--overwrite', is_flag=True, help='Replace FILE.')
def compare_command(scores, other, thresholds, fprs, group, adjust, output, overwrite, n_resamples,
                    confidence, seed, **values):
    """
    Compare the finders of SCORES, or those of SCORES and OTHER, pair by pair.

    Each is a table of scores or the folder of an audit; two are joined by their ids.
    Recovered lenses are compared for each way of discovery apart: a sample that one
    of the finders chose favours it.
    """
    from lensfinder_audit.files import write_whole
    from lensfinder_audit.paired_samples import compare_finders, join_scored, read_scored

    options = {'finders': read_finders(values['scores_of']), 'columns': given_options(values),
               'score_kind': values['score_kind'] or 'rank'}
    sample, finders = read_scored(scores, **options)
    if other:
        second, names = read_scored(other, **options)
        sample, finders = join_scored(sample, second, (finders, names))
        _tell_lost(sample)
    table = compare_finders(
        sample, finders, thresholds=thresholds, fprs=fprs, group=_group(sample, group),
        weight='weight' if 'weight' in sample.colnames else None, confidence=confidence,
        n_resamples=n_resamples, seed=seed, adjustment=adjust)
    _print(table, confidence)
    if output:
        write_whole(table, output, overwrite=overwrite)
        click.echo(output)


def _group(sample, group):
    return group or ('group' if 'group' in sample.colnames else None)


def _tell_lost(sample):
    lost = sample.meta['n_only_first'], sample.meta['n_only_second']
    if any(lost):
        click.echo(f'{len(sample)} objects are in both tables; {lost[0]} of the first and '
                   f'{lost[1]} of the second are left out', err=True)


def _print(table, confidence):
    click.echo(f'{len(table)} comparisons; p is corrected by {table.meta["adjustment"]}, intervals '
               f'are {100 * confidence:g} %')
    for row in table:
        what = ', '.join(word for word in (row['statistic'], row['sample'],
                                           row['operating_point']) if word)
        counts = '' if row['statistic'] == 'AUC' else (
            f', only one of them {row["n_only_a"]} and {row["n_only_b"]}')
        click.echo(f'  {row["finder_a"]} {row["estimate_a"]:.4f}, {row["finder_b"]} '
                   f'{row["estimate_b"]:.4f}: {row["difference"]:+.4f} [{row["lo"]:+.4f}, '
                   f'{row["hi"]:+.4f}], {row["test"]} p = {row["p_adjusted"]:.3g}{counts} '
                   f'({what})')
