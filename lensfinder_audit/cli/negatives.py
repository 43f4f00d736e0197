# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit negatives``: pool and sample negatives of a survey."""
from pathlib import Path

import click

from lensfinder_audit.cli.contaminants import contaminants_command
from lensfinder_audit.cli.options import engine_options, make_engine

__all__ = ['negatives_command']

_MARKER = 'negatives.parquet'
_STRATA = ['stratum', 'kind', 'n_pool', 'n_wanted', 'n_sampled', 'weight', 'state']
_FILE = {'type': click.Path(dir_okay=False), 'metavar': 'FILE'}


@click.group('negatives')
def negatives_command():
    """Pool the galaxies of a survey by stated cuts, and sample them by strata."""


negatives_command.add_command(contaminants_command)


@negatives_command.command('pool')
@click.argument('sources', nargs=-1, required=True, type=click.Path())
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help='Folder of the pool; one that is not finished goes on.')
@click.option('--rules', default='paper4', show_default=True, metavar='NAME|FILE',
              help='Rules: paper4, all, conditions, artefacts, or a YAML file.')
@click.option('--known', multiple=True, **_FILE,
              help='Positions of known lenses and candidates.')
@click.option('--join', **_FILE, help='Small table of conditions, such as one row per brick.')
@click.option('--on', metavar='COLUMN', help='Column that it shares with SOURCES.')
@click.option('--piece-rows', type=click.IntRange(1), default=1_000_000, show_default=True,
              help='Rows of a piece, which is read and written as a whole.')
@engine_options()
@click.option('--dry-run', is_flag=True, help='Only count rows and the disk that is needed.')
@click.option('--overwrite', is_flag=True, help='Replace a finished pool of other rules in DIR.')
@click.pass_context
def pool_command(context, sources, output, rules, known, join, on, piece_rows, dry_run, overwrite,
                 **engine):
    """
    Apply the cuts of the rules to SOURCES (sweeps, Tractor files, Parquet, other
    tables, or folders of them).

    After an interruption, the same command goes on at the first piece that is not
    finished. A file that cannot be read is named, the others are pooled, and the
    exit code is 3.
    """
    from lensfinder_audit.exceptions import ConfigError
    from lensfinder_audit.negatives import cuts_table, make_pool, plan_pool
    from lensfinder_audit.sample_rules import load_rules

    if bool(join) != bool(on):
        raise ConfigError('--join needs --on, the column that both tables have, and the other '
                          'way round')
    rules = load_rules(rules)
    plan = plan_pool(sources, rows=piece_rows)
    if dry_run:
        _say_plan(plan, rules)
        return
    engine = make_engine(**engine)
    if rules.exclusion_radius and not known:
        click.echo('Warning: without --known, nothing is left out near known lenses', err=True)
    with _Bar(len(plan.pieces), ' pieces') as bar:
        pool = make_pool(plan, output, rules, lenses=_positions(known), progress=bar,
                         join=(_table(join), on) if join else None,
                         engine=engine, overwrite=overwrite)
    _print_table(cuts_table(pool), ['cut', 'n_before', 'n_fail', 'n_removed', 'n_left'])
    for place, reason in pool.failed.items():
        click.echo(f'Left out: {place}: {reason.removeprefix(place + ": ")}', err=True)
    click.echo(output)
    context.exit(3 if pool.failed else 0)


@negatives_command.command('sample')
@click.argument('pool', type=click.Path(file_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help=f'Folder for {_MARKER} and tables of cuts, strata and confusers; made anew.')
@click.option('--positives', **_FILE,
              help='Lenses with the columns of the strata; negatives follow by the ratio.')
@click.option('--per-stratum', type=click.IntRange(1), help='Negatives in each stratum instead.')
@click.option('--seed', type=int, default=42, show_default=True, help='Seed of the keyed hash.')
@click.option('--allow-incomplete', is_flag=True,
              help='Also where files of the pool failed; the exit code is then 3.')
@click.option('--clean', multiple=True, **_FILE,
              help='Lenses or contaminants; negatives near them are removed and listed.')
@click.option('--clean-radius', type=click.FloatRange(0, 3600, min_open=True), default=11.0,
              show_default=True, help='How near, arcsec.')
@click.option('--clean-scores', **_FILE, help='Scores of an earlier finder.')
@click.option('--clean-column', metavar='COLUMN', help='Its score. [the only one]')
@click.option('--clean-threshold', type=float, default=0.4, show_default=True,
              help='Negatives with a higher score are removed and listed.')
@engine_options(workers=1)
@click.option('--dry-run', is_flag=True, help='Only count what would be drawn.')
@click.option('--overwrite', is_flag=True, help='Replace an earlier sample in DIR.')
def sample_command(pool, output, positives, per_stratum, seed, allow_incomplete, dry_run,
                   overwrite, engine, address, workers, **clean):
    """
    Draw N1 (ordinary) and N2 (confuser-like) negatives from each stratum of POOL, with
    weights. Any partitioning and any number of workers give the same rows; one process
    draws from 20 million rows in seconds, and reads columns in threads.
    """
    import shutil

    from lensfinder_audit.exceptions import ConfigError
    from lensfinder_audit.files import refuse_folder, whole_folder, write_whole
    from lensfinder_audit.negatives import Pool, cuts_table
    from lensfinder_audit.sampling import draw_sample

    output = Path(output).resolve()
    refuse_folder(output, overwrite, _MARKER)
    pool = Pool(pool)
    if pool.failed and not allow_incomplete:
        raise ConfigError(f'{pool.path}: {len(pool.failed)} pieces are missing, such as '
                          f'{next(iter(pool.failed))}; mend them and run "negatives pool" again, '
                          'or give --allow-incomplete')
    parts = output.with_name(f'.{output.name}.parts')
    how = {'seed': seed, 'positives': _count(positives, pool), 'per_stratum': per_stratum,
           'engine': make_engine(engine, address, workers)}
    if dry_run:
        _say_sample(pool, how)
        return
    with _Bar(2 * len(pool.parts), ' parts') as bar:
        sample = draw_sample(pool, parts=parts, progress=bar, **how)
    negatives, removed = _clean(sample.negatives, **clean)
    with whole_folder(output, overwrite=overwrite, marker=_MARKER) as folder:
        write_whole(negatives, folder / _MARKER)
        if removed is not None:
            write_whole(removed, folder / 'removed.ecsv')
        write_whole(cuts_table(pool), folder / 'cuts.ecsv')
        write_whole(sample.strata, folder / 'strata.ecsv')
        write_whole(sample.confusers, folder / 'confusers.ecsv')
    shutil.rmtree(parts, ignore_errors=True)
    _print_table(sample.strata, _STRATA)
    if removed is not None:
        click.echo(f'{len(removed):,} negatives removed: '
                   f'{dict(negatives.meta["cleaned"]) or "none"}')
    for place in pool.failed:
        click.echo(f'Not in the pool: {place}', err=True)
    click.echo(output)
    click.get_current_context().exit(3 if pool.failed else 0)


def _say_sample(pool, how):
    from lensfinder_audit.sampling import plan_sample

    with _Bar(len(pool.parts), ' parts') as bar:
        strata = plan_sample(pool, progress=bar, **how)
    _print_table(strata, _STRATA)
    click.echo(f'{strata["n_sampled"].sum():,} of {strata["n_pool"].sum():,} would be drawn; about '
               f'{strata.meta["n_bytes"] / 1e6:.3g} MB of disk; nothing was written')


def _clean(negatives, *, clean, clean_radius, clean_scores, clean_column, clean_threshold):
    if not clean and not clean_scores:
        return negatives, None
    from astropy import units as u

    from lensfinder_audit.cleaning import clean_negatives

    return clean_negatives(negatives, catalogs={Path(path).stem: _table(path) for path in clean},
                           radius=clean_radius * u.arcsec,
                           scores=_table(clean_scores) if clean_scores else None,
                           score_column=clean_column, threshold=clean_threshold)


class _Bar:
    """A progress bar that is given how much is done."""

    def __init__(self, total, unit):
        from tqdm import tqdm
        self._bar = tqdm(total=total, unit=unit, disable=None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._bar.close()

    def __call__(self, done, total):
        self._bar.update(1)


def _table(path):
    from lensfinder_audit.files import read_table
    return read_table(path)


def _positions(paths):
    import numpy as np

    from lensfinder_audit.crossmatch import sky_positions

    places = [sky_positions(_table(path), what=str(path)) for path in paths]
    if not places:
        return None
    return tuple(np.concatenate([getattr(place, side).deg for place in places])
                 for side in ('ra', 'dec'))


def _count(path, pool):
    if path is None:
        return None
    import numpy as np

    from lensfinder_audit.sampling import count_positives
    from lensfinder_audit.strata import Strata
    from lensfinder_audit.survey_files import Piece, read_piece

    rules, n = pool.rules, len(_table(path))
    counts = np.zeros(len(Strata(rules.strata)), dtype=int)
    wanted = dict.fromkeys(rules.strata, 'strata')
    for columns in read_piece(Piece(str(path), 0, n), wanted, names=rules.columns):
        counts += count_positives(columns, Strata(rules.strata))
    click.echo(f'{n} lenses, {counts.sum()} of them in the strata')
    return counts


def _say_plan(plan, rules):
    width = 8 * len(rules.used_columns())
    click.echo(f'{len(plan.pieces):,} pieces, {plan.n_rows:,} rows; at most '
               f'{plan.n_rows * width / 1e6:,.3g} MB of disk, where the cuts remove nothing')
    for reason in plan.unreadable.values():
        click.echo(f'Cannot be read: {reason}', err=True)


def _print_table(table, names):
    """Print columns, left the texts and right the numbers."""
    cells = [[name, *(f'{item:.4g}' if isinstance(item, float) else f'{item:,}'
                      if isinstance(item, int) else str(item)
                      for item in table[name].tolist())] for name in names]
    widths = [max(map(len, column)) for column in cells]
    left = [table[name].dtype.kind == 'U' for name in names]
    for row in zip(*cells, strict=True):
        line = zip(row, widths, left, strict=True)
        click.echo('  '.join(text.ljust(width) if is_text else text.rjust(width)
                             for text, width, is_text in line).rstrip())
