# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit catalog``: the positives of a study."""
import shutil
from pathlib import Path

import click

from lensfinder_audit.cli.options import engine_options, make_engine

__all__ = ['catalog_command']

_MARKER = 'positives.parquet'


@click.group('catalog')
def catalog_command():
    """Build the lenses of a study from published lists."""


@catalog_command.command('build')
@click.argument('plan', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help=f'Folder for {_MARKER} and its tables; made anew.')
@click.option('--objects', multiple=True, type=click.Path(), metavar='PATH',
              help='Tractor or sweep files, or folders of them, to match the lenses to.')
@click.option('--match-radius', type=click.FloatRange(0, 60, min_open=True), default=1.5,
              show_default=True, help='Greatest separation of a match, arcsec.')
@click.option('--footprint', type=click.FloatRange(1, 3600), default=60.0, show_default=True,
              help='Without any object so near, a lens lies outside the files, arcsec.')
@engine_options(workers=1)
@click.option('--dry-run', is_flag=True, help='Only merge and count; match and write nothing.')
@click.option('--overwrite', is_flag=True, help='Replace an earlier catalogue in DIR.')
@click.pass_context
def build_command(context, plan, output, objects, match_radius, footprint, dry_run, overwrite,
                  **engine):
    """
    Merge the lists that PLAN (a YAML file) names by position; state for each lens
    its tier, how it was found, whether its arc can be seen, and why.

    Files of --objects that cannot be read are named, listed in left_out.ecsv and left
    out, and the exit code is 3: a lens that is outside the others may stand in one.
    After an interruption, the same command goes on at the first piece that is not
    matched.
    """
    from lensfinder_audit.catalog_build import build_catalog, load_catalog_plan, tier_counts
    from lensfinder_audit.files import refuse_folder, whole_folder, write_whole

    refuse_folder(output, overwrite, _MARKER)
    table, failed = build_catalog(load_catalog_plan(plan)), {}
    if dry_run:
        _say(table)
        _say_plan(table, objects)
        return
    if objects:
        parts = Path(output).resolve().with_name(f'.{Path(output).name}.parts')
        table, failed = _match(table, objects, match_radius, footprint, make_engine(**engine),
                               parts)
    counts = tier_counts(table)
    with whole_folder(output, overwrite=overwrite, marker=_MARKER) as folder:
        write_whole(table, folder / _MARKER)
        write_whole(counts, folder / 'tiers.ecsv')
        if objects:
            names = ['name', 'ra', 'dec', 'tier', 'match']
            write_whole(table[table['match'] != 'matched'][names], folder / 'unmatched.ecsv')
        if failed:
            write_whole(_left_out(failed), folder / 'left_out.ecsv')
    if objects and not failed:  # mended files are read alone
        shutil.rmtree(parts, ignore_errors=True)
    _say(table)
    for reason in failed.values():
        click.echo(f'Left out: {reason}', err=True)
    click.echo(output)
    context.exit(3 if failed else 0)


def _left_out(failed):
    from astropy.table import QTable
    return QTable({'file': list(failed), 'reason': list(failed.values())})


def _say_plan(table, objects):
    from lensfinder_audit.negatives import plan_pool

    if objects:
        plan = plan_pool(objects)
        click.echo(f'to match: {len(plan.pieces):,} pieces, {plan.n_rows:,} rows')
        for reason in plan.unreadable.values():
            click.echo(f'Cannot be read: {reason}', err=True)
    size = sum(getattr(table[name], 'nbytes', 0) for name in table.colnames)
    click.echo(f'at most {2 * size / 1e6:.3g} MB of disk; nothing was written')


def _match(table, objects, radius, footprint, engine, parts):
    from astropy import units as u
    from tqdm import tqdm

    from lensfinder_audit.exceptions import InputFileError
    from lensfinder_audit.negatives import plan_pool
    from lensfinder_audit.positives import match_objects

    plan = plan_pool(objects)
    if plan.unreadable and not plan.pieces:
        raise InputFileError(next(iter(plan.unreadable.values())))
    with tqdm(total=len(plan.pieces), unit=' pieces', disable=None) as bar:
        table = match_objects(table, plan.pieces, radius=radius * u.arcsec, engine=engine,
                              footprint=footprint * u.arcsec, parts=parts,
                              progress=lambda done, total: bar.update(1))
    return table, plan.unreadable | table.meta['match']['failed']


def _say(table):
    import numpy as np
    from astropy import units as u

    def count(name, words):
        return ', '.join(f'{word or "none"} {(table[name] == word).sum():,}' for word in words)

    click.echo(f'{len(table):,} objects from {sum(table["n_merged"]):,} rows')
    click.echo(f'grade: {count("grade", sorted(set(table["grade"].tolist())))}')
    click.echo(f'tier: {count("tier", ["A", "B", ""])}')
    click.echo(f'arc visible: {count("arc_visible", ["yes", "no", "unknown"])}')
    click.echo(f'Einstein radius: {np.isfinite(table["theta_e"]).sum():,}, lens redshift: '
               f'{np.isfinite(table["z_lens"]).sum():,}')
    for name, item in table.meta['lists'].items():
        if item.get('missing'):
            gone = ', '.join(f'{n} {what}' for what, n in item['missing'].items())
            click.echo(f'{name}: {gone} taken as missing')
    if 'match' in table.colnames:
        matched = table['match'] == 'matched'
        middle = np.median(table['separation'][matched]) if matched.any() else np.nan * u.arcsec
        click.echo(f'matched: {matched.sum():,} (median separation {middle:.3f}), no object '
                   f'{(table["match"] == "no object").sum():,}, outside the footprint '
                   f'{(table["match"] == "outside").sum():,}')
