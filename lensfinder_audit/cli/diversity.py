# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit diversity``: how alike finders are, and what each adds."""
import click

from lensfinder_audit.cli.options import column_options, given_options, read_finders
from lensfinder_audit.exceptions import ConfigError

__all__ = ['diversity_command']


@click.command('diversity', short_help='Measure how alike finders are and what each adds.')
@click.argument('scores', type=click.Path())
@column_options
@click.option('--budget', 'budgets', multiple=True, required=True,
              type=click.FloatRange(0, min_open=True), help='Objects that are inspected.')
@click.option('--prevalence', type=click.FloatRange(0, 1, min_open=True, max_open=True),
              help='Fraction of lenses among those searched. [that of the sample]')
@click.option('--search-size', type=click.FloatRange(1),
              help='Objects searched. [the size of the sample]')
@click.option('--group', metavar='COLUMN', help='Resampled together.')
@click.option('--no-joint', is_flag=True, help='Leave out union and intersection.')
@click.option('--confidence', type=click.FloatRange(0, 1, min_open=True, max_open=True),
              default=0.95, show_default=True, help='Of the intervals.')
@click.option('--resamples', 'n_resamples', type=click.IntRange(100), default=2000,
              show_default=True, help='Bootstrap resamples.')
@click.option('--seed', type=int, default=0, show_default=True,
              help='Of the bootstrap and of the order of ties.')
@click.option('-o', '--output', type=click.Path(file_okay=False), metavar='DIR',
              help='Write the tables there.')
@click.option('--overwrite', is_flag=True, help='Replace DIR.')
def diversity_command(scores, budgets, prevalence, search_size, group, no_joint, output, overwrite,
                      confidence, n_resamples, seed, **values):
    """
    Measure how alike the finders of SCORES are and what each adds.

    SCORES is a table, such as "combine" writes, or the folder of an audit. The yield of each
    finder, and of union and intersection, is counted at the same budgets; DIR also gets the
    objects with the finders that select them.
    """
    from lensfinder_audit.paired_samples import read_scored

    sample, finders = read_scored(scores, finders=read_finders(values['scores_of']),
                                  columns=given_options(values),
                                  score_kind=values['score_kind'] or 'rank')
    if len(finders) < 2:
        raise ConfigError(f'diversity is a matter of two finders or more; found were {finders}; '
                          'name them with --score NAME=COLUMN')
    group = group or ('group' if 'group' in sample.colnames else None)
    shared = {'confidence': confidence, 'n_resamples': n_resamples, 'seed': seed}
    tables = _measure(sample, finders, budgets, group, not no_joint, prevalence, search_size,
                      shared)
    if output:
        _write(output, tables, overwrite)
    _print(tables, confidence)
    if output:
        click.echo(output)


def _measure(sample, finders, budgets, group, joint, prevalence, search_size, shared):
    import numpy as np

    from lensfinder_audit.measure.diversity import (budget_selections, discovery_sets,
                                                    diversity_table, found_by)
    from lensfinder_audit.measure.yields import joint_scores, searched_mass, yield_tables
    from lensfinder_audit.tables import require_columns

    if group:
        require_columns(sample, [group], what='the score table')
    label = np.asarray(sample['label'], dtype=bool)
    scores = {name: np.asarray(sample[name], dtype=float) for name in finders}
    weight = np.asarray(sample['weight'], float) if 'weight' in sample.colnames else None
    groups = np.asarray(sample[group]) if group else None
    mass = searched_mass(label, weight=weight, prevalence=prevalence, search_size=search_size)
    both = {**scores, **joint_scores(scores)} if joint else scores
    found = yield_tables(both, label, budgets, weight=mass, group=groups, **shared)
    picks = budget_selections(scores, mass, budgets, seed=shared['seed'])
    objects = sample['object_id', 'label', *finders]
    for point, selected in picks.items():
        objects[f'found_by, {point}'] = found_by(selected)
    return {'yields': found.yields, 'yield_differences': found.differences,
            'diversity': diversity_table(scores, label, picks, weight=mass, group=groups, **shared),
            'discovery_sets': discovery_sets(picks, label, weight=mass, group=groups,
                                             confidence=shared['confidence']),
            'objects': objects}


def _write(output, tables, overwrite):
    from lensfinder_audit.files import whole_folder, write_whole

    with whole_folder(output, overwrite=overwrite, marker='diversity.ecsv') as folder:
        for name, table in tables.items():
            write_whole(table, folder / f'{name}.{"parquet" if name == "objects" else "ecsv"}')


def _print(tables, confidence):
    click.echo(f'Intervals are {100 * confidence:g} %.')
    for row in tables['yields']:
        click.echo(f'  {row["finder"]}: {row["found"]:.4g} [{row["lo"]:.4g}, {row["hi"]:.4g}] of '
                   f'{row["n_lenses"]} lenses among the best {row["budget"]:,g}')
    for row in tables['yield_differences']:
        click.echo(f'  {row["finder_b"]} less {row["finder_a"]}, best {row["budget"]:,g}: '
                   f'{row["difference"]:+.4g} [{row["lo"]:+.4g}, {row["hi"]:+.4g}]; a difference '
                   f'of {row["smallest_detectable"]:.3g} would have been seen')
    for row in tables['diversity']:
        if row['sample'] == 'lenses':
            where = f', {row["operating_point"]}' if row['operating_point'] else ''
            click.echo(f'  {row["finder_a"]} and {row["finder_b"]}, lenses{where}: '
                       f'{row["statistic"]} {row["estimate"]:.3f} [{row["lo"]:.3f}, '
                       f'{row["hi"]:.3f}]')
    for row in tables['discovery_sets']:
        who = (row['found_by'] or 'none') + (' alone' if row['n_finders'] == 1 else '')
        click.echo(f'  {row["operating_point"]}, found by {who}: {row["n_lenses"]} lenses of '
                   f'{row["n"]} objects')
