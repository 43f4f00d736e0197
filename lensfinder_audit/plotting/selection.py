# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures of selection functions: surfaces, slices, injected beside real."""
import numpy as np
from astropy.table import QTable
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.selection_points import cell_columns
from lensfinder_audit.plotting import marks
from lensfinder_audit.plotting.places import axis_words, cell_places
from lensfinder_audit.plotting.style import (COLOURS, GREY, NARROW, WIDE, add_note, finder_style,
                                             interval_words, mark_simulated, new_figure, plain,
                                             styled, values)

__all__ = ['plot_selection_surface', 'plot_selection_slices', 'plot_comparison',
           'selection_figures']

_MOST_WORDS = 64  # cells with a text in them


@styled
def plot_selection_surface(selection, x, y, **at):
    """
    Draw completeness over two axes.

    Parameters
    ----------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        Binned or smooth; drawn at the middles of its bins.
    x, y : str
        The axes.
    **at
        One value of each other axis.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Cells hold the completeness and its interval. Unsupported cells are hatched,
        empty ones blank.
    """
    table = _slice(selection, [x, y], at)
    figure, (panel,) = new_figure(WIDE * 0.72, 3.3)
    top = float(np.nanmax(values(table, 'estimate'), initial=0.0)) or 1.0
    scale = ScalarMappable(Normalize(0, top), 'cividis')
    across, up = cell_places(table, x), cell_places(table, y)
    for row, i, j, state in zip(table, across.code, up.code, marks.states(table), strict=True):
        box = ((across.left[i], up.left[j]), across.right[i] - across.left[i],
               up.right[j] - up.left[j])
        _draw_cell(panel, box, row, state, scale, words=len(table) <= _MOST_WORDS)
    for axis, places, name in ((panel.xaxis, across, x), (panel.yaxis, up, y)):
        axis.set_ticks(places.ticks, places.labels)
        axis.set_label_text(axis_words(table, name))
    panel.set_xlim(across.left[0], across.right[-1])
    panel.set_ylim(up.left[0], up.right[-1])
    figure.colorbar(scale, ax=panel, label='completeness', aspect=30, pad=0.02)
    marks.surface_legend(figure, marks.states(table))
    below = f'below: {interval_words(selection.meta)}' if len(table) <= _MOST_WORDS else ''
    _finish(figure, selection, [_at_words(at), below])
    return figure


@styled
def plot_selection_slices(selection, x, *, by=None, **at):
    """
    Draw completeness along one axis, with bands.

    Parameters
    ----------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        Binned (steps) or smooth (curves).
    x : str
        A numeric axis.
    by : tuple of str and sequence, optional
        Another axis and some of its values: a line for each.
    **at
        One value of each other axis.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Dashed where unsupported, nothing where empty.
    """
    axis = selection.axis(x)
    if axis.classes:
        raise MeasurementError(f'{x!r} holds classes and has no slice; use plot_selection_surface')
    name, chosen = by or (None, [None])
    figure, (panel,) = new_figure(NARROW * 1.25, 2.9)
    edges = _finite_edges(axis)
    place = (np.linspace(edges[0], edges[-1], 201) if selection.smooth is not None
             else np.stack([edges[:-1], np.nextafter(edges[1:], -np.inf)], axis=1).ravel())
    states = []
    for number, value in enumerate(chosen):
        rest = at if name is None else {**at, name: value}
        answer = selection.query(**{x: place}, **rest)
        states.append(np.asarray(answer['state']))
        label = None if name is None else f'{plain(name.replace("_", " "))} = {value}'
        _draw_line(panel, place, answer, COLOURS[number % len(COLOURS)], label)
    panel.set_xlabel(axis_words(_axis_table([axis]), x))
    panel.set_ylabel('completeness')
    panel.set_ylim(bottom=0)
    panel.set_xlim(edges[0], edges[-1])
    _slice_legend(figure, name, np.concatenate(states))
    _finish(figure, selection, [_at_words(at), f'bands: {interval_words(selection.meta)}'])
    return figure


@styled
def plot_comparison(table):
    """
    Draw injected beside real completeness on the same bins.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As `~lensfinder_audit.measure.selection_algebra.compare_selections` returns it, with one
        axis.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Open grey points are unsupported.
    """
    names = table.meta['axes']
    if len(names) != 1:
        raise MeasurementError(f'this figure needs a comparison along one axis; this one has '
                               f'{names}')
    places = cell_places(table, names[0])
    figure, (panel,) = new_figure(NARROW * 1.2, 3.0)
    counts = []
    for number, word in enumerate(('injected', 'real')):
        part = QTable({name: table[f'{word}_{name}'] for name in ('estimate', 'lo', 'hi', 'state')})
        look = finder_style(number)
        step = (places.right - places.left)[places.code] * 0.16 * (number - 0.5)
        marks.draw_points(panel, places.middle[places.code] + step, part, line=not places.classes,
                          **look)
        counts.append((look['color'], [marks.count_words(n) for n in table[f'{word}_n']]))
    depth = marks.draw_counts(panel, places, counts)
    panel.set_xticks(places.ticks, places.labels)
    panel.set_xlim(places.left[0], places.right[-1])
    panel.set_ylim(-0.03, 1.03)
    panel.set_ylabel('completeness')
    panel.set_xlabel(axis_words(table, names[0]), labelpad=depth + 4)
    states = np.concatenate([table['injected_state'], table['real_state']])
    figure.legend(handles=[Line2D([], [], lw=0.9, label=word, **finder_style(number))
                           for number, word in enumerate(('injected', 'real'))]
                  + marks.state_handles(states[states != 'empty']),
                  loc='outside upper left', ncols=3)
    meta = table.meta
    add_note(figure, f'bars: {interval_words(meta["injected"])} (injected), '
                     f'{interval_words(meta["real"])} (real); n below')
    return figure


def selection_figures(selection):
    """
    Draw what there is to draw of a selection function.

    Parameters
    ----------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        Any.

    Returns
    -------
    figures : list of dict
        ``name`` and ``figure``: the surface of the first two axes, called *selection*, or the
        slice of the only one, and a slice of each numeric axis; other axes are at
        the median of the injections.
    """
    typical = selection.meta['typical']
    names = [axis.name for axis in selection.axes]

    def rest(*drawn):
        return {name: float(f'{value:.4g}') if isinstance(value, float) else value
                for name, value in typical.items() if name not in drawn}

    slices = [{'name': f'slice_{axis.name}', 'figure': plot_selection_slices(
        selection, axis.name, **rest(axis.name))} for axis in selection.axes if not axis.classes]
    if len(names) > 1:
        surface = plot_selection_surface(selection, *names[:2], **rest(*names[:2]))
        return [{'name': 'selection', 'figure': surface}, *slices]
    return [{**item, 'name': 'selection'} for item in slices]


def _slice(selection, names, at):
    axes = [selection.axis(name) for name in names]
    table = _axis_table(axes)
    index = np.unravel_index(np.arange(len(table)), [axis.n_cells for axis in axes])
    points = {axis.name: _middles(axis)[number] for axis, number in zip(axes, index, strict=True)}
    answer = selection.query(**points, **at)
    table['estimate'] = answer['completeness']
    for name in ('lo', 'hi', 'state'):
        table[name] = answer[name]
    return table


def _axis_table(axes):
    return QTable(cell_columns(axes), meta={'axes': [axis.name for axis in axes]})


def _middles(axis):
    if axis.classes:
        return np.array(axis.classes)
    edges = _finite_edges(axis)
    return (edges[:-1] + edges[1:]) / 2


def _finite_edges(axis):
    """Close open bins at a distance of their neighbour's width."""
    edges = np.asarray(axis.edges, dtype=float)
    if np.isinf(edges[-1]):
        edges[-1] = edges[-2] + (edges[-2] - edges[-3] if len(edges) > 2 else 1.0)
    if np.isinf(edges[0]):
        edges[0] = edges[1] - (edges[2] - edges[1] if len(edges) > 2 else 1.0)
    return edges


def _draw_cell(panel, box, row, state, scale, *, words):
    estimate = float(row['estimate'])
    shown = np.isfinite(estimate)
    colour = scale.to_rgba(estimate) if shown else 'white'
    panel.add_patch(Rectangle(*box, facecolor=colour, edgecolor='white', lw=0.5))
    dark = shown and estimate < 0.55 * scale.norm.vmax
    if marks.HATCHES.get(state):
        panel.add_patch(Rectangle(*box, fill=False, hatch=marks.HATCHES[state], lw=0,
                                  edgecolor='white' if dark else '#555555'))
    if shown and words:
        corner, width, height = box
        text = f'{estimate:.2f}\n{float(row["lo"]):.2f}–{float(row["hi"]):.2f}'
        halo = ({'facecolor': colour, 'edgecolor': 'none', 'pad': 0.6}
                if state == 'unsupported' else None)
        panel.text(corner[0] + width / 2, corner[1] + height / 2, text, ha='center', va='center',
                   fontsize=5, color='white' if dark else 'black', bbox=halo)


def _draw_line(panel, place, answer, colour, label):
    supported = np.asarray(answer['supported'])
    estimate, lo, hi = (np.asarray(answer[name]) for name in ('completeness', 'lo', 'hi'))
    panel.fill_between(place, np.where(supported, lo, np.nan), np.where(supported, hi, np.nan),
                       color=colour, alpha=0.22, lw=0)
    panel.plot(place, np.where(supported, estimate, np.nan), color=colour, lw=1.2, label=label)
    panel.fill_between(place, np.where(supported, np.nan, lo), np.where(supported, np.nan, hi),
                       facecolor='none', edgecolor=colour, alpha=0.5, hatch='////', lw=0)
    panel.plot(place, np.where(supported, np.nan, estimate), color=colour, lw=0.9, ls='--')


def _slice_legend(figure, name, states):
    handles = figure.axes[0].get_legend_handles_labels()[0] if name else []
    if 'unsupported' in states:
        handles = [*handles, Line2D([], [], color=GREY, lw=0.9, ls='--', label='unsupported')]
    if handles:
        figure.legend(handles=handles, loc='outside upper left', ncols=2)


def _finish(figure, selection, words):
    if selection.meta.get('cluster'):
        words.append(f'groups resampled together: {plain(selection.meta["cluster"])}')
    add_note(figure, '; '.join(word for word in words if word))
    if selection.meta.get('simulated'):
        mark_simulated(figure)


def _at_words(at):
    return ', '.join(f'{plain(name.replace("_", " "))} = {value}' for name, value in at.items())
