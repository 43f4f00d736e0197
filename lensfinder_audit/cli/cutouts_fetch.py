# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit cutouts fetch``: cutouts of a list of objects into a store."""
import click

from lensfinder_audit.cli.options import engine_options, make_engine, read_pairs
from lensfinder_audit.cli.progress import ProgressBar

__all__ = ['fetch']

_FILE = {'type': click.Path(dir_okay=False), 'metavar': 'FILE'}


@click.command('fetch')
@click.argument('objects', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help='Cutout store; one that is not finished goes on, a finished one is added to.')
@click.option('--coadds', metavar='PLACE', help='Root of brick coadds: a folder, http(s):// or '
              's3:// address. Each file of a brick is read once for all its objects.')
@click.option('--service', metavar='NAME|FILE', help='Cutout service instead: ls-dr10, '
              'ls-dr10-south, ls-dr9, or a YAML file. One request for each object.')
@click.option('--layout', default='legacy_dr10', show_default=True, metavar='NAME|FILE',
              help='Where files are below PLACE: legacy_dr10 or a YAML file.')
@click.option('--bricks', **_FILE, help='List of bricks (brickname, ra, dec), of which the nearest '
              'is taken. [column brickname, else the bricks of the Legacy Surveys]')
@click.option('--bands', default='grz', show_default=True, help='Bands, one letter each.')
@click.option('--size', type=click.IntRange(1), default=101, show_default=True,
              help='Height and width in pixels.')
@click.option('--invvar', is_flag=True, help='Also keep the inverse variance of each pixel.')
@click.option('--psf', is_flag=True, help='Also keep an image of a star, from psfsize.')
@click.option('--conditions', type=click.Choice(['maps', 'table']), default='maps',
              show_default=True, help='Where conditions of a cutout are from: maps of the brick, '
              'then columns of OBJECTS; or columns alone, which reads fewer files.')
@click.option('--condition', 'names', multiple=True, metavar='NAME', help='Condition that is kept '
              'for each band, once for each. [psfsize and psfdepth]')
@click.option('--allow-missing-bands', is_flag=True, help='Keep cutouts of bricks that lack the '
              'image of a band, with NaN there.')
@click.option('--dtype', type=click.Choice(['float32', 'int16']), default='float32',
              show_default=True, help='How the store keeps the flux.')
@click.option('--shard-size', type=click.IntRange(1), default=1024, show_default=True,
              help='Cutouts in a file of the store.')
@click.option('--rate', type=click.FloatRange(0, min_open=True), help='Requests per second of all '
              'processes together. [that of the service; without limit for coadds]')
@click.option('--attempts', type=click.IntRange(1), default=5, show_default=True,
              help='How often a file is asked for.')
@click.option('--timeout', type=click.FloatRange(0, min_open=True), default=60, show_default=True,
              help='Seconds of silence after which a server is asked again.')
@click.option('--contact', default='', metavar='ADDRESS', help='Where the people of the service '
              'can reach you; part of the User-Agent.')
@click.option('--storage', multiple=True, metavar='NAME=VALUE', help='Option of fsspec for s3:// '
              'and others, such as anon=true or endpoint_url=URL.')
@engine_options()
@click.option('--manifest', **_FILE, help='Write OBJECTS that have a cutout here, with checksums.')
@click.option('--overwrite', is_flag=True, help='Replace an existing --manifest.')
@click.option('--dry-run', is_flag=True, help='Only count objects, requests and disk.')
@click.pass_context
def fetch(context, objects, output, bricks, shard_size, dtype, manifest, overwrite, dry_run,
          engine, address, workers, **given):
    """
    Fetch the cutouts of OBJECTS (any table with keys and positions) into a store.

    After an interruption, the same command goes on at the first brick that is not
    finished. What cannot be had is listed in missing.ecsv of the store, the rest is
    fetched, and the exit code is 3; the same command again asks for what is missing.
    """
    from lensfinder_audit.cutout_fetch import fetch_cutouts
    from lensfinder_audit.fetch_plan import plan_fetch
    from lensfinder_audit.files import read_table

    _refuse_manifest(manifest, overwrite)
    source, reader = _source(**given)
    table = read_table(objects)
    plan = plan_fetch(table, bricks=read_table(bricks) if bricks else None, output=output,
                      conditions=[f'{name}_{band}' for name in source.maps
                                  for band in source.bands])
    _say_plan(plan, source, reader)
    if dry_run:
        return
    with ProgressBar('bricks') as bar:
        result = fetch_cutouts(plan, output, source, reader, dtype=dtype, shard_size=shard_size,
                               engine=make_engine(engine, address, workers), progress=bar)
    if manifest:
        _write_manifest(table, output, manifest, overwrite)
    click.echo(f'{result.n_added:,} cutouts added, {result.n_there:,} were there before')
    _say_missing(result.missing)
    click.echo(output)
    context.exit(3 if len(result.missing) else 0)


def _source(*, coadds, service, layout, bands, size, invvar, psf, conditions, names,
            allow_missing_bands, rate, attempts, timeout, contact, storage):
    """Make what cutouts are cut from, and what reads its files."""
    from lensfinder_audit.coadds import CoaddLayout, CoaddSource
    from lensfinder_audit.cutout_services import (SERVICES, CutoutService, ServiceSource,
                                                  load_config)
    from lensfinder_audit.exceptions import ConfigError
    from lensfinder_audit.remote import Reader, is_remote

    if bool(coadds) == bool(service):
        raise ConfigError('give --coadds or --service, one of the two')
    planes = ('invvar',) * invvar + ('psf',) * psf
    common = {'bands': tuple(bands), 'size': size, 'planes': planes,
              'maps': names or ('psfsize', 'psfdepth')}
    if service:
        service = load_config(service, CutoutService, SERVICES)
        source, rate = ServiceSource(service, **common), rate or service.rate
    else:
        if not is_remote(coadds):
            coadds = _existing_folder(coadds)
        layout = load_config(layout, CoaddLayout, {'legacy_dr10': CoaddLayout()})
        source = CoaddSource(coadds, layout, read_maps=conditions == 'maps',
                             allow_missing_bands=allow_missing_bands, **common)
    options = {name: {'true': True, 'false': False}.get(value.lower(), value)
               for name, value in read_pairs(storage, '--storage').items()}
    return source, Reader(rate=rate, attempts=attempts, timeout=timeout, contact=contact,
                          storage=options)


def _existing_folder(path):
    from pathlib import Path

    from lensfinder_audit.exceptions import InputFileError

    if not Path(path).is_dir():
        raise InputFileError(f'{path}: there is no such folder of coadds')
    return str(Path(path).resolve())


def _say_plan(plan, source, reader):
    n_files, n_requests = source.requests(plan.n_objects, len(plan.tasks))
    line = (f'{plan.n_objects:,} objects in {len(plan.tasks):,} bricks, {plan.n_there:,} cutouts '
            f'there already; {n_files:,} files, {n_requests:,} requests; '
            f'{plan.n_bytes(source) / 1e9:.3g} GB of disk')
    if n_requests and reader.rate:
        line += f'; at least {n_requests / reader.rate / 3600:.2g} h at {reader.rate:g} per second'
    click.echo(line)


def _say_missing(missing):
    """Name each reason once, with the number of objects that it cost."""
    reasons = [(brick, reason) for brick, reason in zip(missing['brick'], missing['reason'],
                                                        strict=True)]
    for brick, reason in list(dict.fromkeys(reasons))[:10]:
        n = reasons.count((brick, reason))
        click.echo(f'Missing: {n:,} of brick {brick or "?"}: {reason}', err=True)
    if len(missing):
        click.echo(f'Missing: {len(missing):,} objects in all, listed in missing.ecsv of the store',
                   err=True)


def _refuse_manifest(path, overwrite):
    """Say before the work that its last output may not be written."""
    from pathlib import Path

    from lensfinder_audit.exceptions import OutputExistsError

    if path and Path(path).exists() and not overwrite:
        raise OutputExistsError(f'{path} is there already; choose another name or give --overwrite')


def _write_manifest(table, output, path, overwrite):
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.fetch_plan import objects_in_store
    from lensfinder_audit.files import write_whole

    write_whole(objects_in_store(table, CutoutStore(output)), path, overwrite=overwrite)
