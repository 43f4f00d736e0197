# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figure of completeness on real lenses and of recovered injections on the same axes."""
import numpy as np
from astropy.table import QTable
from matplotlib.lines import Line2D

from lensfinder_audit.plotting.completeness import panel_figure
from lensfinder_audit.plotting.marks import draw_points, state_handles, states
from lensfinder_audit.plotting.places import axis_words, cell_words
from lensfinder_audit.plotting.style import (COLOURS, MARKERS, WIDE, add_note, group_rows,
                                             interval_words, panel_title, sample_style,
                                             sample_words, styled, values)

__all__ = ['plot_together', 'beside_injections']

_PANEL = ('finder', 'operating_point')
_SAMPLE = ('tier', 'discovery')
_INJECTED = {'color': COLOURS[-1], 'marker': MARKERS[-1]}


@styled
def plot_together(completeness, recovery, axis, *, max_panels=4):
    """
    Draw completeness and the recovered fraction of injections along one axis.

    Parameters
    ----------
    completeness, recovery : `~astropy.table.Table`
        Schema ``completeness``, with ``axis``; their bins may differ.
    axis : str
        The axis.
    max_panels : int, optional
        Panels, one per finder and operating point that both have.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Points stand in the middle of their bins, of which flat bars show the width;
        upright bars are the named intervals, and open grey points are unsupported.
    """
    pairs = _pairs(completeness, recovery)
    figure, axes = panel_figure(min(len(pairs), max_panels), 2.3)
    for panel, (key, real, injected) in zip(axes, pairs, strict=False):
        curves = [(rows, sample_style(sample, number)) for number, (sample, rows) in enumerate(
            group_rows(real, _SAMPLE))] + [(injected, _INJECTED)]
        _draw(panel, curves, axis)
        panel.set_title(panel_title(key), loc='left')
        panel.set_xlabel(axis_words(completeness, axis))
    for panel in axes[::2]:
        panel.set_ylabel('recovered fraction')
    for panel in axes[len(pairs):]:
        panel.set_visible(False)
    _legend(figure, completeness, recovery)
    left = len(pairs) - max_panels
    add_note(figure, f'bars: {interval_words(completeness.meta)} of lenses, '
                     f'{interval_words(recovery.meta)} of injections, hosts resampled together'
                     + (f'; {left} more panels in the tables' if left > 0 else ''))
    return figure


def beside_injections(completeness, recovery):
    """
    Put whole samples of lenses and of injections into one table, finder by finder.

    Parameters
    ----------
    completeness, recovery : `~astropy.table.Table`
        Schema ``completeness``, without an axis.

    Returns
    -------
    table : `~astropy.table.QTable`
        For `~lensfinder_audit.plotting.plot_overall`; injections have that for their way
        of discovery.
    """
    names = ['finder', 'operating_point', 'tier', 'discovery', 'n', 'n_recovered', 'estimate',
             'lo', 'hi', 'state']
    rows = []
    for _, real, injected in _pairs(completeness, recovery):
        rows += [{name: row[name] for name in names if name in real.colnames} for row in real]
        rows += [{'tier': '', 'discovery': 'injections', **{
            name: row[name] for name in names if name in injected.colnames}} for row in injected]
    meta = {name: completeness.meta.get(name) for name in ('interval', 'confidence')}
    return QTable(rows=rows, meta={**meta, 'objects': 'lenses or injections'})


def _pairs(completeness, recovery):
    """Return (key, lenses, injections) of every panel that both tables have."""
    injected = {tuple(key.items()): rows for key, rows in group_rows(recovery, _PANEL)}
    return [(key, rows, injected[tuple(key.items())])
            for key, rows in group_rows(completeness, _PANEL) if tuple(key.items()) in injected]


def _draw(panel, curves, axis):
    words = axis in curves[0][0].colnames
    names = list(dict.fromkeys(name for rows, _ in curves for name in cell_words(rows, axis)))
    for number, (rows, look) in enumerate(curves):
        if words:
            place = np.array([names.index(name) for name in cell_words(rows, axis)], dtype=float)
            place += 0.12 * (number - (len(curves) - 1) / 2)
        else:
            low, high = _ends(rows, axis)
            place = (low + high) / 2
            place = place + 0.12 * (high - low) * (number == len(curves) - 1)  # beside the lenses
            panel.hlines(values(rows, 'estimate'), low, high, color=look['color'], lw=0.5,
                         alpha=0.5)
        inside = np.isfinite(place)
        draw_points(panel, place[inside], rows[inside], line=not words, **look)
    if words:
        panel.set_xticks(range(len(names)), names)
    panel.set_ylim(-0.03, 1.03)


def _ends(rows, axis):
    """Return the ends of each bin; an open bin is drawn as wide as the median of the others."""
    low, high = values(rows, f'{axis}_min'), values(rows, f'{axis}_max')
    width = high - low
    closed = np.isfinite(width)
    step = np.median(width[closed]) if closed.any() else 1.0
    return (np.where(np.isneginf(low), high - step, low),
            np.where(np.isposinf(high), low + step, high))


def _legend(figure, completeness, recovery):
    handles = [Line2D([], [], lw=0.9, label=f'lenses, {sample_words(sample)}',
                      **sample_style(sample, number))
               for number, (sample, _) in enumerate(group_rows(completeness, _SAMPLE))]
    handles.append(Line2D([], [], lw=0.9, label='injections', **_INJECTED))
    handles += state_handles(np.concatenate([states(completeness), states(recovery)]))
    figure.legend(handles=[item for item in handles if item.get_label() not in ('empty',
                                                                                'impossible')],
                  loc='outside upper left', handletextpad=0.5, columnspacing=1.2,
                  ncols=2 if figure.get_figwidth() < WIDE else 4)
