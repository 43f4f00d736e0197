# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit cutouts verify``: what is damaged, missing or twice in a store."""
from pathlib import Path

import click

from lensfinder_audit.cli.options import engine_options, make_engine
from lensfinder_audit.cli.progress import ProgressBar

__all__ = ['verify_command']

_SUFFIXES = ('.parquet', '.ecsv', '.csv', '.fits')
_SHOWN = 5  # damaged cutouts that are named


@click.command('verify', short_help='Judge every cutout: damaged, missing pixels, duplicates.')
@click.argument('store', type=click.Path(file_okay=False))
@click.option('-o', '--output', type=click.Path(dir_okay=False), metavar='FILE',
              help='Table with a row per cutout to write (Parquet, ECSV, CSV or FITS).')
@engine_options()
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
@click.pass_context
def verify_command(context, store, output, overwrite, **engine):
    """
    Compare every cutout of STORE with its checksum, and say what is missing in it, how
    bright its middle and its sky are, and whether it is there twice.

    After an interruption, the same command with -o goes on where it stopped. The exit
    code is 1 where a cutout is damaged.
    """
    import shutil

    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.files import write_whole
    from lensfinder_audit.store_quality import quality_table

    _refuse_output(output, overwrite)
    found = CutoutStore(store)
    parts = output and Path(output).resolve().with_name(f'.{Path(output).name}.parts')
    with ProgressBar('partitions') as bar:
        table = quality_table(found, engine=make_engine(**engine), parts=parts, progress=bar)
    _say(table, found)
    if output:
        write_whole(table, output, overwrite=overwrite)
        shutil.rmtree(parts, ignore_errors=True)
        click.echo(output)
    context.exit(1 if table['damaged'].any() else 0)


def _refuse_output(output, overwrite):
    """Find out now what would cost the work later."""
    from lensfinder_audit.exceptions import ConfigError, OutputExistsError

    if output and Path(output).suffix.lower() not in _SUFFIXES:
        raise ConfigError(f'{output}: a table is written as one of {", ".join(_SUFFIXES)}')
    if output and Path(output).exists() and not overwrite:
        raise OutputExistsError(f'{output} is there already; choose another name or give '
                                '--overwrite')


def _say(table, store):
    from lensfinder_audit.store_quality import flag_counts

    counts = flag_counts(table)
    click.echo(f'{len(table):,} cutouts of {len(store.bands)} bands, {store.shape[0]} x '
               f'{store.shape[1]} pixels, {store.dtype}; something is to be said of '
               f'{counts.pop("any"):,}')
    for name, n in counts.items():
        click.echo(f'{n:>10,}  {name}')
    damaged = table[table['damaged']]
    for row in damaged[:_SHOWN]:
        click.echo(f'Damaged: {row["object_id"]}: {row["problem"]}', err=True)
    if len(damaged) > _SHOWN:
        click.echo(f'... and {len(damaged) - _SHOWN:,} more', err=True)
