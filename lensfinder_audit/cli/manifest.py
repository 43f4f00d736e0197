# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit manifest``: the table that training and audit read."""
import click

__all__ = ['manifest_command']

_FILE = {'type': click.Path(dir_okay=False), 'metavar': 'FILE'}
_STORE = click.option('--store', type=click.Path(file_okay=False), metavar='DIR',
                      help='Cutout store.')


@click.group('manifest')
def manifest_command():
    """Join lenses and negatives, check the table, freeze its evaluation set."""


@manifest_command.command('build')
@click.option('--positives', required=True, **_FILE, help='From "catalog build".')
@click.option('--negatives', required=True, **_FILE, help='From "negatives sample".')
@click.option('--contaminants', **_FILE, help='From "negatives contaminants": marks negatives '
              'with their class, and adds the others with weight 1.')
@click.option('-o', '--output', required=True, **_FILE, help='Manifest to write (Parquet).')
@click.option('--scheme', type=click.Choice(['70/15/15', '70/30']), default='70/15/15',
              show_default=True, help='Split.')
@click.option('--seed', type=int, default=42, show_default=True, help='Seed of the split.')
@_STORE
@click.option('--left-out', **_FILE, help='Table of the rows that are not in the manifest.')
@click.option('--dry-run', is_flag=True, help='Only count, write nothing.')
@click.option('--overwrite', is_flag=True, help='Replace existing outputs.')
def build_command(output, scheme, seed, store, left_out, dry_run, overwrite, **lists):
    """
    Write lenses and negatives as one table with splits, weights and checksums. With
    --store, only objects whose pixels are there; the exit code is 3 where a file of the
    store is damaged.
    """
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.files import read_table, sha256, write_whole
    from lensfinder_audit.manifest import write_manifest
    from lensfinder_audit.manifest_build import build_manifest

    if not dry_run:
        _refuse(output, overwrite)
    lists = {name: path for name, path in lists.items() if path}
    tables = {name: read_table(path) for name, path in lists.items()}
    inputs = {name: sha256(path) for name, path in lists.items()}
    manifest, gone = build_manifest(**tables, scheme=scheme, seed=seed, inputs=inputs,
                                    store=CutoutStore(store) if store else None)
    if not dry_run:
        if left_out:  # before the manifest, which says that all is done
            write_whole(gone, left_out, overwrite=True)
        write_manifest(manifest, output, overwrite=overwrite)
    reasons = gone['reason'].tolist()
    for reason in dict.fromkeys(reasons):
        click.echo(f'Left out: {reasons.count(reason):,}, {reason}', err=True)
    split, label = manifest['split'].tolist(), manifest['label'].tolist()
    for name in dict.fromkeys(['train', 'val', 'test']):
        if name in split:
            lenses = sum(a == name and b for a, b in zip(split, label, strict=True))
            click.echo(f'{name}: {lenses:,} lenses, {split.count(name) - lenses:,} negatives')
    click.echo(_size(manifest) if dry_run else output)
    damaged = store and any(reason.startswith(store) for reason in reasons)
    click.get_current_context().exit(3 if damaged else 0)


def _refuse(output, overwrite):
    from pathlib import Path

    from lensfinder_audit.exceptions import OutputExistsError

    if Path(output).exists() and not overwrite:
        raise OutputExistsError(f'{output} is there already; choose another name or give '
                                '--overwrite')


def _size(manifest):
    n = sum(manifest[name].nbytes for name in manifest.colnames)
    return f'{len(manifest):,} rows, at most {n / 1e6:.3g} MB of disk; nothing was written'


@manifest_command.command('check')
@click.argument('manifest', type=click.Path(dir_okay=False))
@_STORE
@click.option('--frozen', **_FILE, help='Frozen evaluation set that its rows must still match.')
@click.option('--scheme', type=click.Choice(['70/15/15', '70/30']), help='Split. [as recorded]')
@click.pass_context
def check_command(context, manifest, store, frozen, scheme):
    """
    Check MANIFEST: columns, keys, splits, cutouts, and a frozen set. The exit code is
    1 where something is wrong.
    """
    from lensfinder_audit.manifest import read_manifest

    table = read_manifest(manifest)
    problems = [*_split_problems(table, scheme), *_weight_problems(table),
                *_store_problems(table, store), *_frozen_problems(table, frozen)]
    for problem in problems:
        click.echo(f'failed  {problem}')
    click.echo(f'{manifest}: {len(table):,} rows, ' + (f'{len(problems)} problems' if problems
                                                       else 'no problem'))
    context.exit(1 if problems else 0)


def _split_problems(table, scheme):
    if 'split' not in table.colnames or 'ra' not in table.colnames:
        return []
    from lensfinder_audit.split_check import verify_splits

    made = table.meta.get('split') or {}
    options = {name: made[name] for name in ('seed', 'nside') if name in made}
    report = verify_splits(table, scheme=scheme or made.get('scheme', '70/15/15'), **options)
    bad = report.checks[report.checks['state'] == 'failed']
    return [f'split, {row["check"]}: {row["finding"]}' for row in bad]


def _weight_problems(table):
    import numpy as np

    if 'weight' not in table.colnames:
        return []
    bad = ~(np.asarray(table['weight'], dtype=float) > 0)
    return [f'weight: {bad.sum()} rows have none, or one that is not positive'] if bad.any() else []


def _store_problems(table, store):
    if not store:
        return []
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.manifest import cutout_problems

    found = cutout_problems(table, CutoutStore(store))
    return [f'cutouts: {len(found)} rows, the first is {str(found["object_id"][0])!r}: '
            f'{found["problem"][0]}'] if len(found) else []


def _frozen_problems(table, path):
    if not path:
        return []
    import numpy as np

    from lensfinder_audit.frozen import frozen_problems, read_frozen

    frozen = read_frozen(path)
    rows = table[np.isin(table['split'], frozen.meta['splits'])]
    return [f'frozen set: {problem}' for problem in frozen_problems(rows, frozen)]


@manifest_command.command('freeze')
@click.argument('manifest', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, **_FILE, help='Frozen set to write (ECSV, Parquet).')
@click.option('--split', 'splits', multiple=True, default=('test',), show_default=True,
              help='Split that is the evaluation set; may be repeated.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
def freeze_command(manifest, output, splits, overwrite):
    """Write the evaluation set of MANIFEST with a digest; "audit --frozen" compares with it."""
    from lensfinder_audit.frozen import freeze, write_frozen
    from lensfinder_audit.manifest import read_manifest

    frozen = freeze(read_manifest(manifest), splits=splits)
    write_frozen(frozen, output, overwrite=overwrite)
    click.echo(f'{len(frozen):,} objects, digest {frozen.meta["digest"][:12]}...')
    click.echo(output)
