# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit split``: assign splits by the sky and verify them."""
import click

__all__ = ['split_command']

_SCHEMES = ('70/15/15', '70/30')


@click.group('split')
def split_command():
    """Assign train, val and test sets by HEALPix pixel, and verify them."""


def _hash_options(scheme, shown):
    options = (
        click.option('--nside', type=int, default=128, show_default=True,
                     help='Resolution of the pixels, NESTED.'),
        click.option('--seed', type=int, default=42, show_default=True,
                     help='Seed of the hash.'),
        click.option('--scheme', type=click.Choice(_SCHEMES), default=scheme,
                     show_default=shown, help='70/30 merges val and test.'))

    def decorate(command):
        for option in options:
            command = option(command)
        return command
    return decorate


@split_command.command('assign')
@click.argument('table', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(dir_okay=False), metavar='FILE',
              help='Table to write (Parquet, ECSV, CSV or FITS).')
@_hash_options('70/15/15', True)
@click.option('--dry-run', is_flag=True, help='Only count, write nothing.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
def assign_command(table, output, scheme, seed, nside, dry_run, overwrite):
    """Add the columns healpix and split to TABLE, which has ra and dec in degrees."""
    from lensfinder_audit.files import read_table, write_whole
    from lensfinder_audit.splits import assign_splits

    found = assign_splits(read_table(table), scheme=scheme, seed=seed, nside=nside, what=table)
    if not dry_run:
        write_whole(found, output, overwrite=overwrite)
    split = found['split'].tolist()
    click.echo(', '.join(f'{name} {split.count(name):,}' for name in dict.fromkeys(
        ['train', 'val', 'test']) if name in split))
    if dry_run:
        size = sum(found[name].nbytes for name in found.colnames)
        output = f'at most {size / 1e6:.3g} MB of disk; nothing was written'
    click.echo(output)


@split_command.command('verify')
@click.argument('table', type=click.Path(dir_okay=False))
@click.option('-o', '--output', type=click.Path(dir_okay=False), metavar='FILE',
              help='Table of the rows concerned.')
@_hash_options(None, 'without test rows 70/30, else 70/15/15')
@click.option('--id', 'key', metavar='COLUMN', help='Column that names objects. [guessed]')
@click.option('--cutout', type=click.FloatRange(0, min_open=True), default=26.462,
              show_default=True, help='Width of a cutout, arcsec.')
@click.option('--frozen', type=click.Path(dir_okay=False), metavar='FILE',
              help='Frozen evaluation set, of which nothing may be trained on.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
@click.pass_context
def verify_command(context, table, output, scheme, seed, nside, key, cutout, frozen, overwrite):
    """
    Derive the split of every row of TABLE again and look for what sets share:
    pixels, objects, neighbours closer than a cutout is wide. Audits make the same check,
    "leakage", of the column split of their table.

    The exit code is 1 where a check fails.
    """
    from astropy import units as u

    from lensfinder_audit.files import read_table, write_whole
    from lensfinder_audit.frozen import read_frozen
    from lensfinder_audit.split_check import verify_splits

    report = verify_splits(read_table(table), scheme=scheme, seed=seed, nside=nside, key=key,
                           cutout=cutout * u.arcsec, what=table,
                           frozen=read_frozen(frozen) if frozen else None)
    for row in report.checks:
        click.echo(f'{row["state"]:<7} {row["check"]}: {row["finding"]}')
    if output:
        write_whole(report.rows, output, overwrite=overwrite)
        click.echo(output)
    context.exit(0 if report.passed else 1)
