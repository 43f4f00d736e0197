# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit selection``: build, ask, map and compare selection functions."""
import click

from lensfinder_audit.cli.options import read_bins, read_pairs
from lensfinder_audit.cli.selection_input import (build_function, choose_rows, read_at,
                                                  read_thresholds)
from lensfinder_audit.exceptions import ConfigError

__all__ = ['selection_command']

_FILE = {'type': click.Path(dir_okay=False)}
_OVERWRITE = click.option('--overwrite', is_flag=True, help='Replace an existing output.')
_AT = click.option('--at', multiple=True, metavar='AXIS=VALUE',
                   help='One value of an axis; a unit may follow, as in theta_e=1.2arcsec.')
_OUTPUT = {'type': click.Path(dir_okay=False), 'metavar': 'FILE'}


@click.group('selection', short_help='Build, ask, map and compare selection functions.')
def selection_command():
    """Probability that a lens is found, as a function of lens and conditions."""


@selection_command.command('build')
@click.argument('table', **_FILE)
@click.option('-o', '--output', required=True, help='Selection function to write, .npz.', **_OUTPUT)
@click.option('--by', required=True, metavar='COLUMN[,COLUMN...]',
              help='Axes, such as theta_e,source_mag_r,psfsize_r.')
@click.option('--bins', multiple=True, metavar='AXIS=BINS',
              help='Edges (0.5,1,2), classes (SER,DEV), quantile or published.')
@click.option('--threshold', 'thresholds', multiple=True, metavar='[COLUMN=]SCORE', required=True,
              help='Score from which one is recovered; once for each finder.')
@click.option('--score', default='score', show_default=True, help='Column of the score.')
@click.option('--combine', type=click.Choice(['any', 'all']), default='any', show_default=True,
              help='With several finders: found by one of them, or by each.')
@click.option('--counts', metavar='N,RECOVERED',
              help='Columns of counts: TABLE holds a row for each published cell.')
@click.option('--where', multiple=True, metavar='COLUMN=VALUE', help='Only these rows.')
@click.option('--group', metavar='COLUMN[,COLUMN]',
              help='What is not independent; several columns together name one. [host]')
@click.option('--weight', metavar='COLUMN', help='Weights.')
@click.option('--method', type=click.Choice(['binned', 'smooth']), default='binned',
              show_default=True, help='Cells, or splines in the log odds.')
@click.option('--no-pool', is_flag=True, help='Cells do not lean on each other.')
@click.option('--min-groups', type=click.IntRange(1), default=10, show_default=True,
              help='Cells on fewer groups are unsupported.')
@click.option('--confidence', type=click.FloatRange(0, 1, min_open=True, max_open=True),
              default=0.95, show_default=True, help='Of the intervals.')
@click.option('--cells', 'cells_path', help='Table of the cells to write as well.', **_OUTPUT)
@click.option('--figures', type=click.Path(file_okay=False), metavar='DIR',
              help='Folder of figures to write as well; made anew.')
@_OVERWRITE
def build_command(table, output, cells_path, figures, overwrite, **values):
    """
    Measure a selection function from TABLE: injections, real lenses or counts.
    """
    from lensfinder_audit.files import read_table, refuse_folder, sha256, write_whole
    from lensfinder_audit.selection_file import save_selection

    if figures:
        refuse_folder(figures, overwrite, 'selection.png')
    rows = choose_rows(read_table(table), values['where'])
    values['thresholds'] = read_thresholds(values['thresholds'], values['score'])
    values['bins'] = read_bins(values['bins'])
    found = build_function(rows, values)
    found.meta['inputs'] = [{'file': table.rpartition('/')[2], 'sha256': sha256(table),
                             'where': read_pairs(values['where'], '--where')}]
    found.cells.meta = found.meta
    save_selection(found, output, overwrite=overwrite)
    if cells_path:
        write_whole(found.cells, cells_path, overwrite=overwrite)
    if figures:
        _write_figures(found, figures, overwrite)
    _say(found)
    click.echo(output)


@selection_command.command('query')
@click.argument('selection', **_FILE)
@click.argument('points', required=False, **_FILE)
@_AT
@click.option('--conditions', help='Condition maps; POINTS then needs ra and dec.', **_FILE)
@click.option('-o', '--output', help='Table of answers; without it they are printed.', **_OUTPUT)
@_OVERWRITE
def query_command(selection, points, at, conditions, output, overwrite):
    """
    Ask SELECTION for the completeness at POINTS, a table, or at one point.
    """
    from lensfinder_audit.files import write_whole
    from lensfinder_audit.selection_file import load_selection

    function = load_selection(selection)
    table, where = _points(points, conditions)
    answer = function.query(table, **where, **read_at(at, function))
    if output:
        write_whole(_beside(table, answer), output, overwrite=overwrite)
        click.echo(f'{len(answer):,} points, {int(answer["supported"].sum()):,} supported')
        click.echo(output)
        return
    for row in answer[:20]:
        click.echo(f'{row["completeness"]:.4f} [{row["lo"]:.4f}, {row["hi"]:.4f}] {row["state"]}')
    click.echo(f'{100 * answer.meta["confidence"]:g} % {answer.meta["interval"]}'
               + (f'; {len(answer) - 20} more, give -o to have them' if len(answer) > 20 else ''))


@selection_command.command('map')
@click.argument('selection', **_FILE)
@click.argument('conditions', **_FILE)
@click.option('-o', '--output', required=True, help='Table of pixels.', **_OUTPUT)
@_AT
@click.option('--nside', type=click.IntRange(1), help='Resolution. [that of CONDITIONS]')
@click.option('--figure', help='PNG of the map to write as well.', **_OUTPUT)
@_OVERWRITE
def map_command(selection, conditions, output, at, nside, figure, overwrite):
    """
    Map the completeness over the sky of CONDITIONS, with its total by area.
    """
    from lensfinder_audit.condition_maps import read_condition_maps
    from lensfinder_audit.files import write_whole
    from lensfinder_audit.measure.selection_sky import selection_map, survey_total
    from lensfinder_audit.selection_file import load_selection

    function, maps = load_selection(selection), read_condition_maps(conditions)
    values = read_at(at, function)
    pixels = selection_map(function, maps, nside=nside, **values)
    total = survey_total(function, maps, **values)[0]
    write_whole(pixels, output, overwrite=overwrite)
    if figure:
        from lensfinder_audit.plotting.selection_sky import plot_selection_map
        _write_figure(plot_selection_map(pixels), figure, overwrite)
    click.echo(f'{len(pixels):,} pixels, {total["area"].value:,.1f} deg2: completeness '
               f'{total["completeness"]:.4f} [{total["lo"]:.4f}, {total["hi"]:.4f}], '
               f'{100 * total["share_supported"]:.1f} % of the area supported, '
               f'{100 * total["share_empty"]:.1f} % empty')
    click.echo(output)


@selection_command.command('compare')
@click.argument('injected', **_FILE)
@click.argument('real', **_FILE)
@click.option('-o', '--output', required=True, help='Table of cells.', **_OUTPUT)
@click.option('--figure', help='PNG to write as well, for one axis.', **_OUTPUT)
@_OVERWRITE
def compare_command(injected, real, output, figure, overwrite):
    """
    Compare the selection functions of INJECTED and of REAL lenses, cell by cell.
    """
    from lensfinder_audit.files import write_whole
    from lensfinder_audit.measure.selection_algebra import compare_selections
    from lensfinder_audit.selection_file import load_selection

    table = compare_selections(load_selection(injected), load_selection(real))
    if figure:
        from lensfinder_audit.plotting.selection import plot_comparison
        drawn = plot_comparison(table)
    write_whole(table, output, overwrite=overwrite)
    if figure:
        _write_figure(drawn, figure, overwrite)
    click.echo(f'{int(table["supported"].sum())} of {len(table)} cells are supported in both; in '
               f'{int(table["differs"].sum())} of them they differ '
               f'({100 * table.meta["confidence"]:g} %)')
    click.echo(output)


def _say(found):
    meta, cells = found.meta, found.cells
    states = {state: int((cells['state'] == state).sum()) for state in
              ('supported', 'unsupported', 'empty', 'impossible')}
    click.echo(f'{meta["n_recovered"]:,} of {meta["n"]:,} recovered '
               f'({meta["n_recovered"] / meta["n"]:.4f}); cells: '
               + ', '.join(f'{count} {state}' for state, count in states.items() if count))
    if meta['n_beyond']:
        click.echo(f'{meta["n_beyond"]:,} lie in no bin of the axes and count in no cell')
    if meta.get('n_unscored'):
        click.echo(f'{meta["n_unscored"]:,} have no score and are left out')
    if meta.get('calibration'):
        check = meta['calibration']
        click.echo(f'on held-out hosts: slope {check["slope"]:.3f} [{check["slope_lo"]:.3f}, '
                   f'{check["slope_hi"]:.3f}], expected {check["expected"]:.4f}, observed '
                   f'{check["observed"]:.4f}, Brier skill {check["brier_skill"]:.3f}')
    if meta.get('caveat'):
        click.echo(meta['caveat'])


def _points(points, conditions):
    from lensfinder_audit.condition_maps import read_condition_maps
    from lensfinder_audit.files import read_table
    from lensfinder_audit.tables import require_columns

    table = read_table(points) if points else None
    if not conditions:
        return table, {}
    if table is None:
        raise ConfigError('--conditions needs POINTS, a table with ra and dec')
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    require_columns(table, ['ra', 'dec'], what='POINTS')
    coords = SkyCoord(u.Quantity(table['ra'], u.deg), u.Quantity(table['dec'], u.deg))
    return table, {'coords': coords, 'conditions': read_condition_maps(conditions)}


def _beside(table, answer):
    from astropy.table import hstack

    if table is None:
        return answer
    kept = table[[name for name in table.colnames if name not in answer.colnames]]
    found = hstack([kept, answer], metadata_conflicts='silent') if kept.colnames else answer
    found.meta = answer.meta
    return found


def _write_figure(figure, path, overwrite):
    from lensfinder_audit.files import whole_file
    from lensfinder_audit.plotting import figure_png

    with whole_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(figure_png({'figure': figure}))


def _write_figures(found, folder, overwrite):
    from lensfinder_audit.files import whole_folder
    from lensfinder_audit.plotting import save_figures
    from lensfinder_audit.plotting.selection import selection_figures

    with whole_folder(folder, overwrite=overwrite, marker='selection.png') as temporary:
        save_figures(selection_figures(found), temporary)
