# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures of ROC curves and of the scores themselves."""
import numpy as np
from matplotlib.lines import Line2D

from lensfinder_audit.plotting import marks
from lensfinder_audit.plotting.scale import score_axis, to_axis
from lensfinder_audit.plotting.style import (COLOURS, GREY, MARKERS, NARROW, WIDE, add_note,
                                             finder_style, group_rows, new_figure, plain, styled,
                                             values)

__all__ = ['plot_roc', 'plot_scores']

#: Points of a curve that are kept; a column of ink is no finer.
_N_DRAWN = 600


@styled
def plot_roc(table, *, operating_points=None, least_fpr=None, max_finders=7):
    """
    Draw ROC curves with a logarithmic false-positive axis.

    Parameters
    ----------
    table : `~astropy.table.Table`
        ``finder``, ``fpr``, ``tpr`` and ``threshold``, rising in ``fpr``.
    operating_points : `~astropy.table.Table`, optional
        Thresholds to mark, by ``finder`` and ``operating_point``.
    least_fpr : float, optional
        False-positive rate below which the negatives are too few; the range
        is shaded.
    max_finders : int, optional
        Curves beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        One curve per finder.
    """
    figure, (panel,) = new_figure(NARROW + 0.6, 3.4)
    groups = group_rows(table, ('finder',))
    positive = values(table, 'fpr')[values(table, 'fpr') > 0]
    left = 10**np.floor(np.log10(positive.min())) if len(positive) else 1e-3
    for number, (key, rows) in enumerate(groups[:max_finders]):
        look = finder_style(number)
        fpr, tpr = _thinned(values(rows, 'fpr'), values(rows, 'tpr'), left)
        panel.step(fpr, tpr, where='post', color=look['color'], label=plain(key.get('finder', '')),
                   ls=('-', '--', '-.', ':')[number % 4])
        if operating_points is not None:
            _mark_points(panel, rows, operating_points, key.get('finder'), look['color'], left)
    _shade(panel, left, least_fpr, high=tpr[0] > 0.5 if groups else False)
    _roc_axes(panel, left)
    _roc_legend(figure, panel, operating_points)
    left_out = len(groups) - max_finders
    add_note(figure, 'all lenses count alike, however found'
             + (f'; {left_out} more finders' if left_out > 0 else ''))
    return figure


def _roc_legend(figure, panel, points):
    handles = panel.get_legend_handles_labels()[0]
    names = [] if points is None else dict.fromkeys(points['operating_point'].astype(str))
    handles += [Line2D([], [], color=GREY, marker=MARKERS[number % len(MARKERS)], mfc='white', lw=0,
                       label=plain(name)) for number, name in enumerate(names)]
    figure.legend(handles=handles, loc='outside upper left', ncols=2)


def _thinned(fpr, tpr, left):
    order = np.argsort(fpr, kind='stable')
    fpr, tpr = fpr[order], np.maximum.accumulate(tpr[order])
    grid = np.geomspace(left, 1, _N_DRAWN)
    place = np.searchsorted(fpr, grid, side='right') - 1
    return grid, np.where(place >= 0, tpr[np.maximum(place, 0)], 0.0)


def _mark_points(panel, rows, points, finder, color, left):
    threshold, fpr, tpr = (values(rows, name) for name in ('threshold', 'fpr', 'tpr'))
    names = list(dict.fromkeys(points['operating_point'].astype(str)))
    for row in points:
        if finder is not None and str(row['finder']) != finder:
            continue
        above = np.flatnonzero(threshold >= float(row['threshold']))
        if not len(above):
            continue
        best = above[np.argmax(fpr[above] + tpr[above])]
        name = str(row['operating_point'])
        marker = MARKERS[names.index(name) % len(MARKERS)]
        panel.plot(max(fpr[best], left), tpr[best], marker, mfc='white', mec=color, zorder=4)


def _shade(panel, left, least_fpr, high):
    if least_fpr is None or least_fpr <= left:
        return
    panel.axvspan(left, min(least_fpr, 1), color='#EBEBEB', lw=0, zorder=0)
    panel.text(left * 1.08, 0.02 if high else 1.0, 'rests on fewer than\n10 negatives', fontsize=6,
               color=GREY, va='bottom' if high else 'top')


def _roc_axes(panel, left):
    panel.set(xscale='log', xlim=(left, 1), ylim=(0, 1.02), xlabel='false-positive rate',
              ylabel='fraction of lenses recovered')
    marks.log_axis(panel.xaxis)


@styled
def plot_scores(sample, finder, *, by='label', label='label', probabilities=True, weight=None,
                thresholds=(), max_levels=16):
    """
    Draw how the scores of lenses and of negatives are distributed.

    Parameters
    ----------
    sample : (n,) `~astropy.table.Table`
        One row per object.
    finder : str
        Column of the scores.
    by : str, optional
        ``label`` for two histograms; another column, such as the stratum, for
        quantiles of both classes at each of its values.
    label : str, optional
        Column that is true for lenses.
    probabilities : bool, optional
        Whether scores lie between 0 and 1 and get a logit axis; exact zeros
        and ones then stand apart at its ends.
    weight : str, optional
        Column of weights, used by the histograms.
    thresholds : sequence of float, optional
        Scores to mark.
    max_levels : int, optional
        The largest levels of ``by`` are drawn.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        No point is drawn for a single object.
    """
    score = values(sample, finder)
    lens = np.asarray(sample[label]).astype(bool)
    keep = np.isfinite(score)
    place = to_axis(score, probabilities)
    if by == label:
        figure, panel = _histograms(place, lens, keep, values(sample, weight, default=1.0)
                                    if weight else np.ones(len(place)), probabilities)
    else:
        figure, panel = _quantiles(place, lens, keep, sample[by], max_levels)
    for threshold in np.asarray(thresholds, dtype=float)[np.isfinite(thresholds)]:
        panel.axvline(to_axis(np.array([threshold]), probabilities)[0], color=GREY, lw=0.6, ls=':')
    score_axis(panel, place[keep], probabilities)
    panel.set_xlabel(f'score of {plain(finder)}')
    add_note(figure, _score_note(score, keep, by == label, len(thresholds), probabilities))
    return figure


def _score_note(score, keep, histogram, n_thresholds, probabilities):
    words = [] if histogram else ['point: median; thick: central 68 %; thin: central 95 %']
    if n_thresholds:
        words.append('dotted: thresholds')
    if probabilities:
        words += [f'scores of exactly {end}: {marks.count_words(np.sum(score == end))}'
                  for end in (0, 1) if np.any(score == end)]
    if not keep.all():
        words.append(f'{marks.count_words(np.sum(~keep))} without a score')
    return '; '.join(words)


def _histograms(place, lens, keep, weight, probabilities):
    figure, (panel,) = new_figure(NARROW + 0.6, 2.6)
    low, high = place[keep].min(initial=0), place[keep].max(initial=0)
    edges = np.linspace(low, high if high > low else low + 1, 61)
    looks = ((~lens, 'negatives', COLOURS[0], '-'), (lens, 'lenses', COLOURS[1], '--'))
    for rows, name, color, line in looks:
        held = np.histogram(place[rows & keep], edges, weights=weight[rows & keep])[0]
        if held.sum() > 0:
            panel.stairs(held / held.sum(), edges, color=color, ls=line, lw=1.1,
                         label=f'{name} ({marks.count_words(rows.sum())})')
    panel.set(yscale='log', ylabel='fraction per bin')
    marks.log_axis(panel.yaxis)
    figure.legend(loc='outside upper left', ncols=2)
    return figure, panel


def _quantiles(place, lens, keep, column, max_levels):
    words = np.asarray(column).astype(str)
    levels, code, count = np.unique(words, return_inverse=True, return_counts=True)
    chosen = np.sort(np.argsort(-count, kind='stable')[:max_levels])
    figure, (panel,) = new_figure(WIDE * 0.75, 0.8 + 0.26 * len(chosen))
    for rows, name, color, marker, step in ((~lens, 'negatives', COLOURS[0], 'o', -0.14),
                                            (lens, 'lenses', COLOURS[1], 's', 0.14)):
        _quantile_rows(panel, place, code, rows & keep, chosen, color, marker, step)
        panel.plot([], [], marker=marker, color=color, label=name)
    panel.set_yticks(np.arange(len(chosen)),
                     [plain(levels[level] or 'no value', longest=30) for level in chosen])
    panel.set_ylim(len(chosen) - 0.4, -0.6)
    panel.tick_params(axis='y', length=0)
    figure.legend(loc='outside upper left', ncols=2)
    return figure, panel


def _quantile_rows(panel, place, code, rows, chosen, color, marker, step):
    for row, level in enumerate(chosen):
        here = place[rows & (code == level)]
        if not len(here):
            continue
        ends = np.quantile(here, [0.025, 0.16, 0.5, 0.84, 0.975])
        panel.plot(ends[[0, 4]], [row + step] * 2, color=color, lw=0.7)
        panel.plot(ends[[1, 3]], [row + step] * 2, color=color, lw=2.4, solid_capstyle='butt')
        panel.plot(ends[2], row + step, marker, color=color, mec='white', ms=4.5)
