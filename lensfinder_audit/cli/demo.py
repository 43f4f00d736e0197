# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit demo``: from a mock survey to the audit of a finder."""
import shlex
import sys

import click

__all__ = ['demo_command']


@click.command('demo', short_help='Run the whole chain on a mock survey, without any input.')
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help='Folder for the report, tables and figures; made anew.')
@click.option('--rows', type=click.IntRange(1000), default=8000, show_default=True,
              help='Rows of the mock catalogue.')
@click.option('--injections', type=click.IntRange(20), default=150, show_default=True,
              help='Injections at each of eight Einstein radii.')
@click.option('--seed', type=click.IntRange(0), default=11, show_default=True,
              help='Seed of survey and injections.')
@click.option('--workers', type=click.IntRange(1),
              help='Processes that render. [as many as there are processors]')
@click.option('--keep-cutouts', is_flag=True,
              help='Keep the cutouts (1 GB), to try "score" and "inject" on them.')
@click.option('--overwrite', is_flag=True, help='Replace an earlier demo in DIR.')
def demo_command(output, rows, injections, seed, workers, keep_cutouts, overwrite):
    """
    Render a mock survey with lenses and confusers in it, score it with a small
    network that ships with the package, inject lenses fainter than any that are
    known, and audit the network.

    Nothing is downloaded. Every number is simulated, and the report says so.
    """
    from lensfinder_audit.cli.summary import print_summary
    from lensfinder_audit.demo import run_demo
    from lensfinder_audit.files import refuse_folder
    from lensfinder_audit.output import MARKER

    refuse_folder(output, overwrite, MARKER)
    with _Bars() as bars:
        result = run_demo(output, n_rows=rows, n_injections=injections, seed=seed, workers=workers,
                          overwrite=overwrite, keep_cutouts=keep_cutouts, progress=bars,
                          command=shlex.join(['lensfinder-audit', *sys.argv[1:]]))
    print_summary(result, output)
    _print_recovery(result.tables['recovery_by_arc_snr'])
    click.echo()
    for remark in result.summary['remarks']:
        click.echo(click.wrap_text(remark, 100, preserve_paragraphs=True))


class _Bars:
    """One progress bar for each step, one below the other."""

    def __enter__(self):
        self._step, self._bar = None, None
        return self

    def __exit__(self, *error):
        if self._bar is not None:
            self._bar.close()

    def __call__(self, step, n, total):
        from tqdm import tqdm

        if step != self._step:
            self.__exit__()
            self._step, self._bar = step, tqdm(total=total, desc=f'{step:<24}', disable=None,
                                               bar_format='{desc}{bar} {n_fmt}/{total_fmt} '
                                                          '{elapsed}')
        self._bar.update(n)


def _print_recovery(table):
    """Print the recovered fraction of injections by arc S/N at the first operating point."""
    rows = table[(table['operating_point'] == table['operating_point'][0]) & (table['n'] > 0)]
    click.echo(f'\nRecovered injections at {rows["operating_point"][0]}, by arc S/N '
               f'({100 * table.meta["confidence"]:g} % {table.meta["interval"]}, hosts resampled '
               'together)')
    for row in rows:
        state = '' if row['supported'] else f'  {row["state"]}'
        click.echo(f'  {row["arc_snr_min"]:>4g} to {row["arc_snr_max"]:<4g} '
                   f'{row["n_recovered"]:>5} of {row["n"]:<5} {row["estimate"]:.3f} '
                   f'[{row["lo"]:.3f}, {row["hi"]:.3f}]{state}')
