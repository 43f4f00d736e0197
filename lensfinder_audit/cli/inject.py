# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit inject``: injection and recovery."""
from pathlib import Path

import click

from lensfinder_audit.cli.finders import load_finder, read_arguments
from lensfinder_audit.cli.options import read_bins
from lensfinder_audit.exceptions import ConfigError

__all__ = ['inject_command']

_MARKER = 'injections.parquet'


@click.command('inject', short_help='Inject lensed sources into hosts and count what is recovered.')
@click.argument('model')
@click.argument('manifest', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help='Folder for the injections and the tables; made anew.')
@click.option('--store', type=click.Path(file_okay=False), metavar='DIR',
              help='Cutout store of the hosts. [cutouts, beside MANIFEST]')
@click.option('--simulator', default='sie_sersic', show_default=True, help='Simulator plugin.')
@click.option('--prior', 'priors', multiple=True, metavar='NAME=VALUE',
              help='Argument of the simulator; two ends as [0.5, 2.0], in arcsec for angles.')
@click.option('--grid', multiple=True, metavar='NAME=A,B,...',
              help='Values of an argument of the simulator; several make all combinations.')
@click.option('-n', '--number', type=click.IntRange(1), default=500, show_default=True,
              help='Injections, in each cell of the grid.')
@click.option('--threshold', type=float, required=True, help='Score from which one is recovered.')
@click.option('--by', multiple=True, metavar='COLUMN[,COLUMN]',
              help='Axis of the completeness, such as theta_e,psfsize_r.')
@click.option('--bins', multiple=True, metavar='AXIS=BINS',
              help='Edges (0.5,1,2), quantile or published.')
@click.option('--min-groups', type=click.IntRange(1), default=10, show_default=True,
              help='Cells on fewer hosts are unsupported.')
@click.option('--checkpoint', type=click.Path(dir_okay=False), metavar='FILE',
              help='File that the plugin MODEL is loaded from.')
@click.option('--option', 'options', multiple=True, metavar='NAME=VALUE',
              help='Argument of the finder.')
@click.option('--seed', type=int, default=0, show_default=True, help='Seed of the injections.')
@click.option('--batch-size', type=click.IntRange(1), default=64, show_default=True,
              help='Injections made at a time.')
@click.option('--overwrite', is_flag=True, help='Replace earlier injections in DIR.')
def inject_command(model, manifest, output, overwrite, **values):
    """
    Inject lensed sources into the hosts of MANIFEST, score them with MODEL (an
    ONNX file or a classifier plugin), and count the recovered ones.

    Every host is used once in a cell before any is used again; the tables say on
    how many distinct hosts a cell rests.
    """
    from lensfinder_audit.files import refuse_folder, whole_folder, write_whole

    refuse_folder(output, overwrite, _MARKER)
    injections = _run(model, manifest, values)
    tables = _tables(injections, values)
    with whole_folder(output, overwrite=overwrite, marker=_MARKER) as folder:
        write_whole(injections, folder / _MARKER)
        for name, table in tables.items():
            write_whole(table, folder / f'{name}.ecsv')
    _report(tables['recovery'], injections)
    click.echo(output)


def _run(model, manifest, values):
    from tqdm import tqdm

    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.files import sha256
    from lensfinder_audit.manifest import read_manifest
    from lensfinder_audit.recovery import grid_values, inject

    hosts = read_manifest(manifest)
    store = CutoutStore(values['store'] or Path(manifest).parent / 'cutouts')
    finder = load_finder(model, values['checkpoint'], read_arguments(values['options']),
                         values['batch_size'])
    simulator, grid = _simulator(values)
    total = values['number'] * len(grid_values(simulator, grid))
    with tqdm(total=total, unit=' injections', disable=None) as bar:
        found = inject(hosts, store, finder, simulator, n=values['number'], grid=grid,
                       seed=values['seed'], batch_size=values['batch_size'], progress=bar.update)
    found.meta['manifest_sha256'] = sha256(manifest)
    return found


def _simulator(values):
    """Make the simulator and its grid; bare numbers take the unit of the default."""
    from astropy import units as u

    from lensfinder_audit.plugins import load_plugin

    cls = load_plugin('simulators', values['simulator'])
    defaults = cls().parameters()

    def with_unit(name, value):
        unit = getattr(defaults.get(name), 'unit', None)
        value = tuple(value) if isinstance(value, list) else value
        return value if unit is None else u.Quantity(value, unit)

    grid = {name: with_unit(name, value) for name, value in read_bins(values['grid'],
                                                                     '--grid').items()}
    priors = {name: with_unit(name, value)
              for name, value in read_arguments(values['priors'], '--prior').items()}
    try:
        return cls(**priors), grid
    except TypeError as error:
        raise ConfigError(f'the simulator {values["simulator"]!r} takes {sorted(defaults)}; '
                          f'--prior: {error}') from error


def _tables(injections, values):
    from lensfinder_audit.composition import check_axes
    from lensfinder_audit.measure.binning import make_axis
    from lensfinder_audit.measure.completeness import completeness_table
    from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10

    bins = read_bins(values['bins'])
    found = {}
    for names in [[], *check_axes(injections, values['by'])]:
        by = [make_axis(injections[name], name, bins=bins.get(name, 'auto'),
                        published=getattr(LEGACY_DR10.conditions.get(name), 'published_edges', ()),
                        unit=str(getattr(injections[name], 'unit', '') or ''))
              for name in names]
        key = '_'.join(['recovery', *(['by', '_and_'.join(names)] if names else [])])
        found[key] = completeness_table(
            injections, threshold=values['threshold'], by=by, score='score', group='host',
            min_groups=values['min_groups'])
    return found


def _report(table, injections):
    row = table[0]
    click.echo(f'{row["n_recovered"]} of {row["n"]} injections in {row["n_groups"]} hosts are '
               f'recovered: {row["estimate"]:.4f} [{row["lo"]:.4f}, {row["hi"]:.4f}] '
               f'({100 * table.meta["confidence"]:g} % {table.meta["interval"]}, hosts resampled '
               'together)')
    if not injections.meta['shot_noise']:
        click.echo('The manifest has no exposure times (exptime_g ...): the arcs carry no shot '
                   'noise.')
