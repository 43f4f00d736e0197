# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figure of the verdict: where a finder can be used, where not, and where nothing is known."""
import numpy as np
from astropy.table import QTable
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle

from lensfinder_audit.plotting.places import axis_words, cell_words
from lensfinder_audit.plotting.style import (GREY, WIDE, add_note, group_rows, new_figure,
                                             panel_title, plain, styled, values)

__all__ = ['plot_verdict', 'VERDICTS']

#: Fill and hatch of each verdict; on grey paper the fills are middle, dark and white.
VERDICTS = {'use': ('#8CCBEA', ''), 'do not use': ('#9A3B00', '////'),
            'not known': ('#FFFFFF', '....')}

_WHOLE = 'whole sample'
_ACROSS = 8  # cells in a line of a panel; longer axes go on in the next one
_LINE = 0.36  # inches
_HEAD = 0.34
_MARGIN = 1.55  # inches for the names of the axes


@styled
def plot_verdict(table, *, max_panels=4):
    """
    Draw every region that was judged, one panel per finder and operating point.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``verdict``, as `~lensfinder_audit.verdict.verdict_table` returns it.
    max_panels : int, optional
        Panels beyond these are left out, and a note says so.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        A line of cells for each axis. Each cell says where it lies and its verdict;
        colours and hatches only repeat the words.

    Examples
    --------
    >>> from lensfinder_audit import audit
    >>> from lensfinder_audit.example import example_scores
    >>> from lensfinder_audit.plotting import plot_verdict
    >>> result = audit(example_scores(), fprs=[0.01], by=['psfsize_r'], n_resamples=200)
    >>> plot_verdict(result.tables['verdict'])
    <Figure size ...>
    """
    panels = group_rows(table, ('finder', 'operating_point'))
    shown = [(panel_title(key), _lines(rows)) for key, rows in panels[:max_panels]]
    heights = [len(lines) * _LINE + _HEAD for _, lines in shown]
    figure, axes = new_figure(WIDE, sum(heights) + 0.75, n_rows=len(shown), n_cols=1,
                              height_ratios=heights)
    for panel, (title, lines) in zip(axes, shown, strict=True):
        _draw_panel(panel, lines)
        panel.set_title(title, loc='left')
    figure.legend(handles=[_handle(word) for word in VERDICTS if word in set(table['verdict'])],
                  loc='outside upper left', ncols=3)
    add_note(figure, _note(table, len(panels) - len(shown)))
    return figure


def _lines(table):
    """Return the name of each line, its cells, which are (where, verdict), and their room."""
    found = []
    groups, order = group_rows(table, ('axis', 'unit')), list(table.meta.get('axis_order') or ())
    for key, rows in sorted(groups, key=lambda item: _turn(item[0].get('axis', ''), order)):
        name, cells = _axis_name(key), _cells(rows, key.get('axis', ''))
        room = -(-len(cells) // -(-len(cells) // _ACROSS))  # lines of one axis are alike
        found += [(name if start == 0 else '', cells[start:start + room], max(room, 3))
                  for start in range(0, len(cells), room)]
    return found


def _turn(axis, order):
    """The whole sample comes first, and axes in the order of the audit, the same in every panel."""
    return (axis != '', order.index(axis) if axis in order else len(order))


def _axis_name(key):
    if not key.get('axis'):
        return _WHOLE if 'axis' in key else 'regions'
    return axis_words(QTable(), key['axis']) + (f' [{key["unit"]}]' if key['unit'] else '')


def _cells(rows, axis):
    """Name the cells of one axis, in its order; classes stand in that of the alphabet."""
    if axis == '' and 'axis' in rows.colnames:
        return [('all objects', str(rows['verdict'][0]))]
    low, high = values(rows, 'low'), values(rows, 'high')
    words = np.array([str(region).removeprefix(f'{axis} ') for region in rows['region']])
    order = np.argsort(words)
    if not np.isnan(low).all():
        order = np.lexsort((high, low))
        words = np.array(cell_words(QTable({'cell_min': low, 'cell_max': high}), 'cell'))
    verdicts = np.asarray(rows['verdict']).astype(str)
    return list(zip(words[order].tolist(), verdicts[order].tolist(), strict=True))


def _draw_panel(panel, lines):
    panel.set_axis_off()
    panel.set_xlim(0, WIDE - 0.15)
    panel.set_ylim(len(lines), 0)
    for number, (name, cells, room) in enumerate(lines):
        panel.text(0, number + 0.5, plain(name, longest=30), ha='left', va='center', fontsize=7)
        width = (WIDE - 0.15 - _MARGIN) / room
        for place, (where, verdict) in enumerate(cells):
            _draw_cell(panel, (_MARGIN + place * width, number + 0.06), width, where, verdict)


def _draw_cell(panel, corner, width, where, verdict):
    fill, hatch = VERDICTS[verdict]
    ink = 'white' if sum(to_rgb(fill)) < 1.5 else 'black'
    panel.add_patch(Rectangle(corner, width - 0.03, 0.88, facecolor=fill, lw=0))
    panel.add_patch(Rectangle(corner, width - 0.03, 0.88, fill=False, hatch=hatch, lw=0.6,
                              edgecolor='#D9A47F' if ink == 'white' else GREY))
    where = plain(where, longest=24)
    size = min(6.5, 72 * (width - 0.12) / (0.6 * max(len(where), len(verdict))))
    panel.text(corner[0] + width / 2, corner[1] + 0.44, f'{where}\n{verdict}', ha='center',
               va='center', fontsize=size, color=ink, linespacing=1.15,
               bbox={'facecolor': fill, 'edgecolor': 'none', 'pad': 0.8})


def _handle(word):
    fill, hatch = VERDICTS[word]
    return Patch(facecolor=fill, hatch=hatch, lw=0.6,
                 edgecolor='#D9A47F' if sum(to_rgb(fill)) < 1.5 else GREY,
                 label={'use': 'use for', 'do not use': 'do not use for'}.get(word, word))


def _note(table, n_left_out):
    told, words = table.meta, []
    if 'use_completeness' in told and 'use_fpr' in told:
        words.append(f'use: completeness surely {told["use_completeness"]:g} or more and '
                     f'false-positive rate surely {told["use_fpr"]:g} or less; do not use: one of '
                     'them surely not')
    if 'n_cells' in told and 'confidence' in told:
        words.append(f'{100 * told["confidence"]:g} % for all {told["n_cells"]} numbers at once')
    if n_left_out > 0:
        words.append(f'{n_left_out} more panels in the table')
    return '; '.join(words)
