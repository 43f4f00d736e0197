# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures of completeness along one axis and over two."""
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.plotting import marks
from lensfinder_audit.plotting.places import axis_names, axis_words, cell_places
from lensfinder_audit.plotting.style import (NARROW, WIDE, add_note, cluster_name, group_indices,
                                             group_rows, interval_words, new_figure, object_words,
                                             panel_title, plain, sample_style, sample_words, styled,
                                             values)

__all__ = ['plot_completeness', 'plot_surface', 'panel_figure', 'quantity_words']

_PANEL = ('finder', 'operating_point')
_SAMPLE = ('tier', 'discovery')


def quantity_words(table):
    """Return what the fractions of a table measure; several quantities share a neutral name."""
    names = np.unique(table['quantity'].astype(str)) if 'quantity' in table.colnames else []
    return str(names[0]) if len(names) == 1 else 'recovered fraction' if len(names) else (
        'completeness')


@styled
def plot_completeness(table, *, max_panels=6):
    """
    Draw completeness along one axis, one panel per finder and operating point.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``completeness``, with one axis. Columns ``finder`` and
        ``operating_point`` make panels, ``tier`` and ``discovery`` colours.
    max_panels : int, optional
        Panels beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Bars are the named interval. Open grey points are unsupported; empty and
        impossible bins are hatched; counts stand below.

    Raises
    ------
    MeasurementError
        If the table does not have exactly one axis.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.completeness import completeness_table
    >>> from lensfinder_audit.plotting import plot_completeness
    >>> lenses = QTable({'score': np.linspace(0, 1, 90), 'psf': np.linspace(1, 2, 90)})
    >>> table = completeness_table(lenses, by='psf', threshold=0.3, n_resamples=0)
    >>> plot_completeness(table)
    <Figure size ...>
    """
    name, = _axes(table, 1, 'plot_surface' if len(axis_names(table)) == 2 else None)
    panels = group_rows(table, _PANEL)
    figure, axes = panel_figure(min(len(panels), max_panels), 2.2 + 0.1 * _n_samples(table))
    for panel, (key, rows) in zip(axes, panels, strict=False):
        _draw_curves(panel, rows, name)
        panel.set_title(panel_title(key), loc='left')
    for panel in axes[::2]:
        panel.set_ylabel(_short(quantity_words(table)))
    _hide(axes[len(panels):])
    _legend(figure, table)
    add_note(figure, _note(table, len(panels) - max_panels))
    return figure


def _axes(table, wanted, other):
    names = axis_names(table)
    if len(names) != wanted:
        hint = f'; use {other}' if other else ''
        raise MeasurementError(f'this figure needs a table with {wanted} axis or axes; this one '
                               f'has {names}{hint}')
    return names


def panel_figure(n_panels, height):
    """Make an empty figure of one panel, or of two beside each other and more below."""
    n_cols = 1 if n_panels == 1 else 2
    n_rows = int(np.ceil(n_panels / n_cols))
    return new_figure(NARROW if n_cols == 1 else WIDE, 0.45 + height * n_rows, n_rows=n_rows,
                      n_cols=n_cols)


def _n_samples(table):
    return len(group_rows(table, _SAMPLE))


def _hide(axes):
    for panel in axes:
        panel.set_visible(False)


def _short(words):
    return words.replace(' (', '\n(').replace('agreement with an earlier finder',
                                              'agreement with\nan earlier finder')


def _draw_curves(panel, table, name):
    places = cell_places(table, name)
    samples = group_indices(table, _SAMPLE)
    marks.draw_bands(panel, places, marks.states(table))
    counts = []
    for number, (sample, rows) in enumerate(samples):
        code, look = places.code[rows], sample_style(sample, number)
        step = (places.right - places.left)[code] * 0.14 * (number - (len(samples) - 1) / 2)
        marks.draw_points(panel, places.middle[code] + step, table[rows],
                          line=not places.classes, **look)
        counts.append((look['color'], _counts(table[rows], code, len(places.left))))
    depth = marks.draw_counts(panel, places, counts)
    _finish(panel, places)
    panel.set_xlabel(axis_words(table, name), labelpad=depth + 4)


def _finish(panel, places):
    panel.set_xticks(places.ticks, places.labels)
    panel.set_xlim(places.left[0], places.right[-1])
    panel.set_ylim(-0.03, 1.03)
    panel.tick_params(axis='x', length=0 if places.classes else 3)


def _counts(rows, code, n_bins):
    words = np.full(n_bins, '', dtype='<U24')
    symbol = {'empty': '0', 'impossible': '×'}
    for place, state, n in zip(code, marks.states(rows), values(rows, 'n'), strict=True):
        words[place] = symbol.get(state) or marks.count_words(n)
    return words.tolist()


def _legend(figure, table):
    handles = [Line2D([], [], lw=0.9, label=sample_words(sample), **sample_style(sample, number))
               for number, (sample, _) in enumerate(group_rows(table, _SAMPLE))]
    handles += marks.state_handles(marks.states(table))
    if len(handles) > 1:
        figure.legend(handles=handles, loc='outside upper left', handletextpad=0.5,
                      ncols=2 if figure.get_figwidth() < WIDE else 4, columnspacing=1.2)


def _note(table, n_left_out):
    words = [f'bars: {interval_words(table.meta)}']
    if table.meta.get('cluster'):
        words.append(f'resampled by {plain(cluster_name(table))}')
    words.append(f'n: {object_words(table)} in the bin')
    if n_left_out > 0:
        words.append(f'{n_left_out} more panels in the table')
    return '; '.join(words)


@styled
def plot_surface(table, *, max_panels=4):
    """
    Draw completeness over two axes, one panel per finder, operating point and sample.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``completeness``, with two axes.
    max_panels : int, optional
        Panels beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Cells hold the estimate above the number of lenses. Unsupported cells
        are hatched, empty ones blank, impossible ones crossed.

    Raises
    ------
    MeasurementError
        If the table does not have exactly two axes.
    """
    across, up = _axes(table, 2, 'plot_completeness' if len(axis_names(table)) == 1 else None)
    panels = group_rows(table, _PANEL + _SAMPLE)
    shown = panels[:max_panels]
    figure, axes = panel_figure(len(shown), 2.6)
    outside = 0
    for panel, (key, rows) in zip(axes, shown, strict=False):
        outside += _draw_surface(panel, rows, across, up)
        panel.set_title(f'{panel_title(key)}\n{sample_words(key, object_words(table))}', loc='left')
    _hide(axes[len(shown):])
    scale = ScalarMappable(Normalize(0, 1), 'cividis')
    figure.colorbar(scale, ax=axes, label=_short(quantity_words(table)), aspect=30, pad=0.02)
    marks.surface_legend(figure, marks.states(table))
    add_note(figure, _surface_note(table, outside, len(panels) - len(shown)))
    return figure


def _draw_surface(panel, table, across, up):
    inside = _in_bins(table, across) & _in_bins(table, up)
    table = table[inside]
    x, y = cell_places(table, across), cell_places(table, up)
    numbers = len(table) <= 48
    for row, i, j, state in zip(table, x.code, y.code, marks.states(table), strict=True):
        box = (x.left[i], y.left[j]), x.right[i] - x.left[i], y.right[j] - y.left[j]
        _draw_cell(panel, box, float(row['estimate']), int(row['n']), state, numbers)
    for axis, places, name in ((panel.xaxis, x, across), (panel.yaxis, y, up)):
        axis.set_ticks(places.ticks, places.labels)
        axis.set_label_text(axis_words(table, name))
    panel.set_xlim(x.left[0], x.right[-1])
    panel.set_ylim(y.left[0], y.right[-1])
    return int(np.sum(~inside))


def _in_bins(table, name):
    if name in table.colnames:
        return np.asarray(table[name]).astype(str) != ''
    return np.isfinite(values(table, f'{name}_min')) | np.isfinite(values(table, f'{name}_max'))


def _draw_cell(panel, box, estimate, n, state, numbers):
    color = ScalarMappable(Normalize(0, 1), 'cividis').to_rgba(estimate)
    shown = np.isfinite(estimate) and state in ('supported', 'unsupported')
    panel.add_patch(Rectangle(*box, facecolor=color if shown else 'white', edgecolor='white',
                              lw=0.5))
    if marks.HATCHES.get(state):
        panel.add_patch(Rectangle(*box, fill=False, hatch=marks.HATCHES[state], lw=0,
                                  edgecolor='white' if shown and estimate < 0.6 else '#777777'))
    if shown and numbers:
        corner, width, height = box
        panel.text(corner[0] + width / 2, corner[1] + height / 2, f'{estimate:.2f}\n{n}',
                   ha='center', va='center', fontsize=5.5,
                   color='white' if estimate < 0.55 else 'black', bbox=_halo(color, state))


def _halo(color, state):
    return {'facecolor': color, 'edgecolor': 'none', 'pad': 0.6} if state == 'unsupported' else None


def _surface_note(table, outside, n_left_out):
    words = [f'fraction above number of {object_words(table)}']
    if outside:
        words.append(f'{object_words(table)} without a value are in the table only')
    if n_left_out > 0:
        words.append(f'{n_left_out} more panels in the table')
    return f'{"; ".join(words)}; {interval_words(table.meta)}s in the table'
