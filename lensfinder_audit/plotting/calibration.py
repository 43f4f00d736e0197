# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures of what a score means as a probability."""
import numpy as np
from matplotlib.lines import Line2D

from lensfinder_audit.plotting import marks
from lensfinder_audit.plotting.scale import score_axis, to_axis
from lensfinder_audit.plotting.style import (GREY, NARROW, WIDE, add_note, finder_style,
                                             group_rows, interval_words, new_figure, plain, styled,
                                             values)

__all__ = ['plot_reliability', 'plot_score_to_probability']


@styled
def plot_reliability(table, *, max_finders=7):
    """
    Draw the reliability diagram and its zoom on scores from 0.9 to 1.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``reliability`` at one prevalence; the column ``bins`` tells the
        whole range (``'positives'``) from the zoom.
    max_finders : int, optional
        Finders beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Two panels; on the dashed line a score is a probability.
    """
    figure, axes = new_figure(WIDE, 3.3, n_cols=2)
    bins = table['bins'].astype(str) if 'bins' in table.colnames else np.full(len(table), '')
    shown = [finder for finder, _ in group_rows(table, ('finder',))]
    for panel, zoom in zip(axes, (False, True), strict=True):
        rows = table[(bins == 'zoom') == zoom]
        for key, found in group_rows(rows, ('finder',)):
            if shown.index(key) < max_finders:
                look = finder_style(shown.index(key))
                marks.draw_points(panel, values(found, 'mean_probability'), found, size=3.4,
                                  **look)
        _reliability_axes(panel, rows, zoom)
    _reliability_legend(figure, table, shown[:max_finders])
    left_out = len(shown) - max_finders
    add_note(figure, f'bars: {interval_words(table.meta)}; at {prevalence_words(table)}'
             + (f'; {left_out} more finders' if left_out > 0 else ''))
    return figure


def prevalence_words(table):
    """Return the prevalence that a table of calibration is at, in words."""
    default = table.meta.get('prevalence')
    default = np.nan if default is None else default
    found = np.unique(values(table, 'prevalence', default=default))
    stated = found[np.isfinite(found)]
    if len(stated) and len(stated) == len(found):
        return 'prevalence ' + ' and '.join(f'{item:g}' for item in stated)
    return 'the prevalence of the sample' + (' and others' if len(stated) else '')


def _reliability_axes(panel, rows, zoom):
    x, y = values(rows, 'mean_probability'), values(rows, 'estimate')
    drawn = np.isfinite(x) & np.isfinite(y)
    few = not zoom and drawn.any() and np.median(x[drawn]) < 0.02
    panel.plot([1e-12, 1], [1e-12, 1], color=GREY, lw=0.7, ls='--', zorder=1)
    panel.set(xlabel='mean score of the bin', ylabel='fraction of lenses in the bin')
    panel.set_title('scores from 0.9 to 1' if zoom else 'all scores', loc='left')
    if few:
        _log_ends(panel, x[drawn], y[drawn])
    elif zoom:
        low = np.nanmin(np.concatenate([values(rows, 'lo')[marks.supported_rows(rows)], [0.9]]))
        panel.set(xlim=(0.898, 1.002), ylim=(max(low - 0.05, -0.02), 1.02))
    else:
        panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    if not drawn.any():
        panel.text(0.5, 0.5, 'no bin carries a number', transform=panel.transAxes, ha='center',
                   color=GREY)


def _log_ends(panel, x, y):
    least = min(x[x > 0].min(initial=0.01), y[y > 0].min(initial=0.01)) / 3
    panel.set(xscale='log', yscale='log', xlim=(least, 1.5), ylim=(least, 1.5))
    marks.log_axis(panel.xaxis)
    marks.log_axis(panel.yaxis)


def _reliability_legend(figure, table, finders):
    handles = [Line2D([], [], lw=0.9, label=plain(key.get('finder', 'finder')), **finder_style(i))
               for i, key in enumerate(finders)]
    handles += marks.state_handles(marks.states(table)[marks.states(table) == 'unsupported'])
    handles.append(Line2D([], [], color=GREY, ls='--', lw=0.7, label='score = probability'))
    figure.legend(handles=handles, loc='outside upper left', ncols=4)


@styled
def plot_score_to_probability(table, *, probabilities=True, max_panels=4):
    """
    Draw the probability that a score stands for, at each stated prevalence.

    Parameters
    ----------
    table : `~astropy.table.Table`
        ``finder``, ``prevalence``, ``score``, ``probability``, ``lo``, ``hi``,
        ``state``.
    probabilities : bool, optional
        Whether scores lie between 0 and 1 and get a logit axis.
    max_panels : int, optional
        Finders beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        One panel per finder, one curve per prevalence; dotted where too few
        objects carry it.
    """
    panels = group_rows(table, ('finder',))
    shown = panels[:max_panels]
    n_cols = 1 if len(shown) == 1 else 2
    n_rows = int(np.ceil(len(shown) / n_cols))
    figure, axes = new_figure(NARROW + 0.6 if n_cols == 1 else WIDE, 2.5 * n_rows + 0.5,
                              n_rows=n_rows, n_cols=n_cols)
    for panel, (key, rows) in zip(axes, shown, strict=False):
        for number, (_, curve) in enumerate(group_rows(rows, ('prevalence',))):
            _draw_curve(panel, curve, number, probabilities)
        _curve_axes(panel, rows, probabilities)
        panel.set_title(plain(key.get('finder', '')), loc='left')
    for panel in axes[len(shown):]:
        panel.set_visible(False)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc='outside upper left', ncols=3)
    left_out = len(panels) - len(shown)
    add_note(figure, f'band: {interval_words(table.meta)}; dotted: unsupported'
             + (f'; {left_out} more finders' if left_out > 0 else ''))
    return figure


def _draw_curve(panel, curve, number, probabilities):
    curve = curve[np.argsort(values(curve, 'score'))]
    place, color = to_axis(values(curve, 'score'), probabilities), finder_style(number)['color']
    probability, low, high = (values(curve, name) for name in ('probability', 'lo', 'hi'))
    supported = marks.states(curve) == 'supported'
    panel.fill_between(place, np.maximum(low, 1e-12), high, color=color, alpha=0.2, lw=0,
                       where=supported)
    panel.plot(place, probability, color=color, ls=':', lw=0.9)
    panel.plot(place, np.where(supported, probability, np.nan), color=color,
               ls=('-', '--', '-.')[number % 3], label=prevalence_words(curve))


def _curve_axes(panel, rows, probabilities):
    found = np.concatenate([values(rows, 'probability'), values(rows, 'lo')])
    found = found[np.isfinite(found) & (found > 0)]
    least = max(found.min() / 2, 1e-9) if len(found) else 1e-3
    panel.set(yscale='log', ylim=(least, 1.5), xlabel='score', ylabel='probability of a lens')
    marks.log_axis(panel.yaxis)
    place = to_axis(values(rows, 'score'), probabilities)
    score_axis(panel, place[np.isfinite(place)], probabilities)
