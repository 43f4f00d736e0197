# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit negatives contaminants``: sets of what is taken for lenses."""
import click

from lensfinder_audit.cli.options import engine_options, make_engine

__all__ = ['contaminants_command']

_FILE = {'type': click.Path(dir_okay=False), 'metavar': 'FILE'}


@click.command('contaminants')
@click.option('-o', '--output', required=True, **_FILE, help='Table to write (Parquet, ECSV).')
@click.option('--votes', metavar='FILE|vizier', help='Votes of Galaxy Zoo DECaLS: a table, or '
              '"vizier" to ask for J/MNRAS/509/3966.')
@click.option('--vote-rules', default='galaxy_zoo', show_default=True, metavar='NAME|FILE',
              help='Columns and cuts that make a spiral, a merger, a ring (YAML).')
@click.option('--listed', multiple=True, **_FILE, help='List with a column of classes, such as '
              'artefacts, or a sample of "--rules artefacts".')
@click.option('--category', metavar='COLUMN', help='That column. [confuser_class or category]')
@click.option('--objects', **_FILE, help='Objects of which those near --stars are artefacts.')
@click.option('--stars', **_FILE, help='Bright stars.')
@click.option('--star-magnitude', default='phot_g_mean_mag', show_default=True, metavar='COLUMN',
              help='Their magnitude, from which the radius follows.')
@click.option('--scores', **_FILE, help='Scores of an earlier finder; high ones that are no lens '
              'are hard negatives.')
@click.option('--score-column', metavar='COLUMN', help='The score. [the only one]')
@click.option('--threshold', type=float, default=0.4, show_default=True, help='High is above.')
@click.option('--known', multiple=True, **_FILE,
              help='Known lenses and candidates; nothing within 11 arcsec of one is kept.')
@click.option('--match', multiple=True, type=click.Path(), metavar='PATH',
              help='Tractor or sweep files from which keys and conditions are taken; the exit code '
              'is 3 where one cannot be read.')
@engine_options(workers=1)
@click.option('--dry-run', is_flag=True, help='Only count, write nothing.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
def contaminants_command(output, votes, vote_rules, listed, category, objects, stars,
                         star_magnitude, scores, score_column, threshold, known, match, dry_run,
                         overwrite, **engine):
    """
    Join sets of contaminants to one table with a confuser class and a reason for each
    object. "manifest build --contaminants" marks the negatives that are in it and adds
    the others. An object of several sets has the class of the first: votes, lists,
    stars, scores.
    """
    from lensfinder_audit.contaminant_sets import merge_contaminants
    from lensfinder_audit.exceptions import ConfigError
    from lensfinder_audit.files import write_whole

    if bool(objects) != bool(stars):
        raise ConfigError('--objects and --stars are given together')
    sets = _votes(votes, vote_rules) | _lists(listed, category)
    if stars:
        sets['bright stars'] = _stars(objects, stars, star_magnitude)
    if scores:
        sets['hard negatives'] = _hard(scores, score_column, threshold)
    if not sets:
        raise ConfigError('give at least one of --votes, --listed, --stars and --scores')
    table = merge_contaminants(sets, known=_known(known))
    if dry_run:
        _say(table)
        return
    table, failed = _matched(table, match, make_engine(**engine)) if match else (table, {})
    _say(table)
    write_whole(table, output, overwrite=overwrite)
    click.echo(output)
    click.get_current_context().exit(3 if failed else 0)


def _votes(votes, rules):
    from lensfinder_audit.sources.galaxy_zoo import GalaxyZooDecals

    if not votes:
        return {}
    table = GalaxyZooDecals(path=None if votes == 'vizier' else votes, rules=rules)()
    made = table.meta['votes']
    for line in dict.fromkeys(text for item in (made if isinstance(made, list) else [made])
                              for text in item['unused']):
        click.echo(f'Votes, left out: {line}', err=True)
    return {'votes': table}


def _lists(paths, category):
    from pathlib import Path

    from lensfinder_audit.contaminants import listed_contaminants
    from lensfinder_audit.files import read_table

    return {Path(path).stem: listed_contaminants(read_table(path), column=category, what=path,
                                                 reference=Path(path).name) for path in paths}


def _stars(objects, stars, magnitude):
    from lensfinder_audit.contaminants import star_artefacts
    from lensfinder_audit.files import read_table

    return star_artefacts(read_table(objects), read_table(stars), magnitude=magnitude, what=stars)


def _hard(scores, column, threshold):
    from lensfinder_audit.contaminants import hard_negatives
    from lensfinder_audit.files import read_table

    return hard_negatives(read_table(scores), column=column, threshold=threshold,
                          reference=f'scores in {scores}')


def _known(paths):
    import numpy as np

    from lensfinder_audit.crossmatch import sky_positions
    from lensfinder_audit.files import read_table

    if not paths:
        click.echo('Warning: without --known, nothing is left out near known lenses', err=True)
        return None
    places = [sky_positions(read_table(path), what=str(path)) for path in paths]
    return tuple(np.concatenate([getattr(place, side).deg for place in places])
                 for side in ('ra', 'dec'))


def _matched(table, paths, engine):
    from astropy import units as u

    from lensfinder_audit.negatives import plan_pool
    from lensfinder_audit.positives import match_objects

    plan = plan_pool(paths)
    table = match_objects(table, plan.pieces, radius=1.5 * u.arcsec, engine=engine)
    failed = plan.unreadable | table.meta['match']['failed']
    for reason in failed.values():
        click.echo(f'Left out: {reason}', err=True)
    hit = table['match'] == 'matched'
    click.echo(f'{hit.sum():,} of {len(table):,} matched to an object')
    return table, failed


def _say(table):
    for name, item in table.meta['sets'].items():
        click.echo(f'{name}: {item["n"]:,}; {item["n_again"]:,} came again, '
                   f'{item["n_near_lens"]:,} near a known lens')
    words = table['confuser_class'].tolist()
    for word in sorted(set(words)):
        click.echo(f'  {word} {words.count(word):,}')
