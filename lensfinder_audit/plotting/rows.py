# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures with one row per sample, confuser family or bin."""
import numpy as np
from matplotlib.lines import Line2D

from lensfinder_audit.plotting import marks
from lensfinder_audit.plotting.places import axis_names, axis_words, by_rate, cell_words, no_false
from lensfinder_audit.plotting.style import (COLOURS, GREY, WIDE, add_note, cluster_name,
                                             group_rows, interval_words, new_figure, object_words,
                                             panel_title, plain, sample_style, sample_words, styled,
                                             values)

__all__ = ['plot_false_positives', 'plot_purity', 'plot_overall']

_PANEL = ('finder', 'operating_point')
_BOOTSTRAP = {'color': COLOURS[4], 'marker': 's', 'size': 3.2}
_EXACT = {'color': COLOURS[0], 'marker': 'o', 'size': 4}


@styled
def plot_false_positives(table, *, max_panels=6):
    """
    Draw false-positive rates by confuser family, or by another axis.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``false_positives``, with at most one axis.
    max_panels : int, optional
        Panels beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        On a logarithmic axis, the exact interval and the bootstrap side by
        side; rows without a false positive show the one-sided upper bound as
        an arrow. Numbers at the right are false positives / negatives. In every
        panel the confuser family with the highest rate stands first.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.false_positives import false_positive_table
    >>> from lensfinder_audit.plotting import plot_false_positives
    >>> sample = QTable({'score': np.linspace(0, 1, 690), 'label': np.zeros(690, bool)})
    >>> plot_false_positives(false_positive_table(sample, threshold=0.99))
    <Figure size ...>
    """
    families = axis_names(table) == ['confuser_class']
    table = by_rate(table) if families else table
    panels = group_rows(table, _PANEL)
    shown = panels[:max_panels]
    figure, axes = _row_panels(shown, extra=0.25, sharex=True)
    for panel, (key, rows) in zip(axes, shown, strict=False):
        labels = _row_labels(rows)
        _draw_rates(panel, rows, len(labels))
        _finish_rows(panel, labels, [_count_ratio(row) for row in rows])
        panel.set_title(panel_title(key), loc='left')
    _name_axis(axes, table)
    _rate_axis(axes[0], table)
    for panel in axes[:len(shown)]:
        panel.set_xlabel('false-positive rate')
    _rate_legend(figure, table)
    order = 'families: highest rate first; ' if families else ''
    add_note(figure, _left_out(f'{order}right: false positives / negatives; long bars are cut at '
                               'the left', len(panels) - len(shown)))
    return figure


@styled
def plot_purity(table, *, max_panels=6):
    """
    Draw purity at the stated prevalence.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``purity``, with at most one axis.
    max_panels : int, optional
        Panels beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        One row per operating point or bin; numbers at the right are selected
        lenses and selected negatives of the sample.
    """
    names = axis_names(table)
    panels = group_rows(table, _PANEL if names else ('finder',))
    shown = panels[:max_panels]
    figure, axes = _row_panels(shown)
    for panel, (key, rows) in zip(axes, shown, strict=False):
        labels = _row_labels(rows) if names else [plain(row['operating_point'])
                                                  if 'operating_point' in rows.colnames else 'all'
                                                  for row in rows]
        place, pure = np.arange(len(rows), dtype=float), no_false(rows)
        if not pure.all():
            marks.draw_points(panel, place[~pure], rows[~pure], flat=True, line=False, **_EXACT)
        _draw_bounds(panel, place[pure], rows[pure])
        _finish_rows(panel, labels, [_selected_words(row) for row in rows])
        panel.set_title(panel_title(key), loc='left')
        panel.set_xlim(-0.02, 1.02)
        panel.set_xlabel(f'purity at prevalence {_prevalence(table)}')
    _name_axis(axes, table)
    arrows = '; arrows: no negative selected, a lower bound alone' if no_false(table).any() else ''
    add_note(figure, _left_out(f'bars: {interval_words(table.meta)}; right: selected lenses + '
                               f'negatives of the sample{arrows}', len(panels) - len(shown)))
    return figure


def _draw_bounds(panel, place, table):
    """Draw lower bounds of purity where no negative was selected."""
    for y, low in zip(place, values(table, 'lo'), strict=True):
        panel.plot([low, 1], [y, y], color=_EXACT['color'], lw=0.9)
        panel.plot(low, y, '|', color=_EXACT['color'], ms=7)
        panel.plot(1, y, '>', color=_EXACT['color'], ms=4)


@styled
def plot_overall(table, *, max_rows=36):
    """
    Draw the completeness of whole samples, one row each.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``completeness``, without an axis.
    max_rows : int, optional
        Rows beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        One panel; finders are rows, operating points groups of rows, samples
        colours.
    """
    shown = table[:max_rows]
    samples = [sample for sample, _ in group_rows(table, ('tier', 'discovery'))]
    figure, (panel,) = new_figure(WIDE, 0.85 + 0.2 * len(shown))
    for number, row in enumerate(shown):
        sample = {name: str(row[name]) for name in ('tier', 'discovery') if name in table.colnames}
        marks.draw_points(panel, np.array([float(number)]), shown[number:number + 1], flat=True,
                          line=False, **sample_style(sample, samples.index(sample)))
    labels = [_whole_sample_words(row, table.colnames, object_words(table)) for row in shown]
    counts = [f'{marks.count_words(row["n_recovered"])} / {marks.count_words(row["n"])}'
              for row in shown]
    _finish_rows(panel, labels, counts)
    panel.set_xlim(-0.02, 1.02)
    panel.set_xlabel(_quantity(table))
    add_note(figure, _left_out(f'bars: {interval_words(table.meta)}; open: unsupported; right: '
                               f'recovered / {object_words(table)}', len(table) - len(shown),
                               what='rows'))
    return figure


def _quantity(table):
    names = np.unique(table['quantity'].astype(str)) if 'quantity' in table.colnames else (
        ['completeness'])
    return str(names[0]) if len(names) == 1 else 'recovered fraction'


def _whole_sample_words(row, names, objects):
    sample = {name: str(row[name]) for name in ('tier', 'discovery') if name in names}
    found = [plain(row[name], longest=24) for name in _PANEL if name in names]
    return ', '.join([*found, sample_words(sample, objects)])


def _row_panels(panels, *, extra=0.0, **shared):
    n_cols = 1 if len(panels) == 1 else 2
    n_rows = int(np.ceil(len(panels) / n_cols))
    tallest = max(len(rows) for _, rows in panels)
    figure, axes = new_figure(5.0 if n_cols == 1 else WIDE,
                              (0.75 + 0.24 * tallest) * n_rows + 0.2 + extra, n_rows=n_rows,
                              n_cols=n_cols, **shared)
    for panel in axes[len(panels):]:
        panel.set_visible(False)
    return figure, axes


def _row_labels(table):
    names = axis_names(table)
    if not names:
        return ['all negatives'] * len(table)
    words = zip(*(cell_words(table, name) for name in names), strict=True)
    return [plain(', '.join(word), longest=32).replace('_', ' ') for word in words]


def _name_axis(axes, table):
    names = axis_names(table)
    for panel in axes[::2] if names and names != ['confuser_class'] else ():
        panel.set_ylabel(' and '.join(axis_words(table, name) for name in names))


def _finish_rows(panel, labels, counts):
    place = np.arange(len(labels))
    panel.set_yticks(place, labels)
    panel.tick_params(axis='y', length=0)
    panel.set_ylim(len(labels) - 0.4, -0.6)
    for number, words in zip(place, counts, strict=True):
        panel.text(1.01, number, words, transform=panel.get_yaxis_transform(), fontsize=6,
                   va='center', ha='left', color=GREY)
        if number % 2:
            panel.axhspan(number - 0.5, number + 0.5, color='#F6F6F6', lw=0, zorder=0)


def _draw_rates(panel, table, n_rows):
    place, some = np.arange(n_rows, dtype=float), values(table, 'n_recovered') > 0
    columns = ('estimate', 'exact_lo', 'exact_hi')
    if 'exact_lo' not in table.colnames:
        columns = ('estimate', 'lo', 'hi')
    if some.any():
        marks.draw_points(panel, place[some] - 0.13, table[some], columns=columns, flat=True,
                          line=False, **_EXACT)
    if some.any() and 'boot_lo' in table.colnames:
        marks.draw_points(panel, place[some] + 0.17, table[some], flat=True, line=False,
                          columns=('estimate', 'boot_lo', 'boot_hi'), **_BOOTSTRAP)
    upper, supported = values(table, 'upper'), marks.supported_rows(table)
    for row in np.flatnonzero(~some & np.isfinite(upper) & (values(table, 'n') > 0)):
        color = _EXACT['color'] if supported[row] else '#9A9A9A'
        panel.plot([upper[row] / 2.5, upper[row]], [place[row]] * 2, color=color, lw=0.9)
        panel.plot(upper[row] / 2.5, place[row], '<', color=color, ms=4)
        panel.plot(upper[row], place[row], '|', color=color, ms=7)


def _rate_axis(panel, table):
    zero = values(table, 'n_recovered') == 0
    found = np.where(zero, values(table, 'upper') / 2.5, values(table, 'estimate'))
    found = found[np.isfinite(found) & (found > 0)]
    panel.set_xscale('log')
    if len(found):
        # an exact interval of one object in a large weight reaches far down: cut it
        high = np.nanmax([found.max(), *values(table, 'exact_hi')[~zero], *values(table, 'upper')])
        panel.set_xlim(found.min() / 15, min(1.2, high * 1.5))
    marks.log_axis(panel.xaxis)


def _rate_legend(figure, table):
    exact = interval_words(table.meta, name='Clopper-Pearson')
    handles = [Line2D([], [], color=_EXACT['color'], marker='o', ms=4, lw=0.9, label=exact)]
    if 'boot_lo' in table.colnames:
        handles.append(Line2D([], [], color=_BOOTSTRAP['color'], marker='s', ms=3.2, lw=0.9,
                              label='bootstrap' + (f' by {plain(cluster_name(table))}'
                                                   if table.meta.get('cluster') else '')))
    if (values(table, 'n_recovered') == 0).any():
        handles.append(Line2D([], [], color=_EXACT['color'], marker='<', ms=4, lw=0.9,
                              label='none seen: one-sided upper bound'))
    handles += marks.state_handles(marks.states(table)[marks.states(table) == 'unsupported'])
    figure.legend(handles=handles, loc='outside upper left', ncols=2 if len(handles) > 2 else 3)


def _count_ratio(row):
    if 'state' in row.colnames and row['state'] in ('empty', 'impossible'):
        return str(row['state'])
    return f'{marks.count_words(row["n_recovered"])} / {marks.count_words(row["n"])}'


def _selected_words(row):
    if 'state' in row.colnames and row['state'] in ('empty', 'impossible'):
        return str(row['state'])
    return f'{marks.count_words(row["n_true"])} + {marks.count_words(row["n_false"])}'


def _prevalence(table):
    stated = table.meta.get('prevalence')
    return f'{stated:g}' if isinstance(stated, float | int) else 'as stated'


def _left_out(words, n_left_out, *, what='panels'):
    return words if n_left_out <= 0 else f'{words}; {n_left_out} more {what} in the table'
