# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit plan``: how many lenses and negatives a study needs."""
import click

__all__ = ['plan_command']

_INTERVALS = click.Choice(['wilson', 'jeffreys', 'clopper-pearson'])
_FRACTION = click.FloatRange(0, 1)


@click.command('plan', short_help='Say how many lenses and negatives a study needs.')
@click.option('--completeness', multiple=True, type=_FRACTION, default=(0.5, 0.9),
              show_default=True, help='Expected completeness.')
@click.option('--half-width', multiple=True, type=click.FloatRange(0, 0.5, min_open=True),
              default=(0.05,), show_default=True, help='Wanted half-width of its interval.')
@click.option('--fpr', multiple=True, type=_FRACTION, default=(0.0,), show_default=True,
              help='Expected false-positive rate.')
@click.option('--upper', multiple=True, type=_FRACTION, default=(1e-3, 1e-4), show_default=True,
              help='Wanted upper bound of the false-positive rate.')
@click.option('--interval', type=_INTERVALS, default='wilson', show_default=True,
              help='Interval of the completeness.')
@click.option('--fpr-interval', type=_INTERVALS, default='clopper-pearson', show_default=True,
              help='Interval of the false-positive rate.')
@click.option('--confidence', type=float, default=0.95, show_default=True,
              help='Confidence of both.')
@click.option('--sides', type=click.Choice(['1', '2']), default='1', show_default=True,
              help='Sides of the bound of the false-positive rate.')
@click.option('--group-size', type=float, default=1.0, show_default=True,
              help='Objects in a host, brick or pixel.')
@click.option('--correlation', type=_FRACTION, default=0.0, show_default=True,
              help='Correlation of the outcome within a group.')
@click.option('--assurance', type=_FRACTION, default=0.5, show_default=True,
              help='Probability that the interval is as short as wanted.')
@click.option('-o', '--output', type=click.Path(dir_okay=False), metavar='FILE',
              help='Write the table there (ECSV, CSV, FITS or Parquet).')
@click.option('--overwrite', is_flag=True, help='Replace FILE.')
def plan_command(completeness, half_width, fpr, upper, interval, fpr_interval, output, overwrite,
                 sides, **shared):
    """
    Say how many lenses give the wanted interval of a completeness, and how many
    negatives bound a false-positive rate.
    """
    from lensfinder_audit.files import write_whole
    from lensfinder_audit.measure.planning import plan_table

    table = plan_table(completeness=list(completeness), half_width=list(half_width),
                       fpr=list(fpr), upper=list(upper), method=interval, fpr_method=fpr_interval,
                       sides=int(sides), **shared)
    for row in table:
        wanted = 'half-width' if row['quantity'] == 'completeness' else 'upper bound'
        click.echo(f'{row["quantity"]} {row["expected"]:g}, {wanted} {row["wanted"]:g}: '
                   f'{row["n_needed"]:,} objects in {row["n_groups"]:,} groups; expect '
                   f'[{row["lo"]:.4g}, {row["hi"]:.4g}] ({row["interval"]}, assurance '
                   f'{row["assurance"]:.2f})')
    if output:
        write_whole(table, output, overwrite=overwrite)
        click.echo(output)
