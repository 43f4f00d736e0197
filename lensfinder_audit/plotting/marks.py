# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Points, bars and words for cells that carry a number and for those that do not."""
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter
from matplotlib.transforms import ScaledTranslation

from lensfinder_audit.plotting.style import GREY, values

__all__ = ['draw_points', 'draw_bands', 'draw_counts', 'state_handles', 'log_axis', 'HATCHES',
           'supported_rows', 'states', 'power_of_ten', 'count_words', 'surface_legend']

#: Hatch of each state that carries no number, or none to rely on.
HATCHES = {'unsupported': '////', 'empty': '', 'impossible': 'xxxx'}

_PALE = '#9A9A9A'
_SUPERSCRIPT = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')


def states(table):
    """Return the state of each row; rows of a table without states are supported."""
    if 'state' in table.colnames:
        return np.asarray(table['state']).astype(str)
    return np.full(len(table), 'supported', dtype='<U16')


def supported_rows(table):
    """Return whether each row carries a number to rely on."""
    return (states(table) == 'supported') & np.isfinite(values(table, 'estimate'))


def count_words(number):
    """
    Write a count with thin spaces.

    Examples
    --------
    >>> from lensfinder_audit.plotting.marks import count_words
    >>> count_words(62072).split()
    ['62', '072']
    """
    return f'{int(number):,}'.replace(',', '\N{THIN SPACE}')


def power_of_ten(value, position=None):
    """
    Write a tick of a logarithmic axis.

    Examples
    --------
    >>> from lensfinder_audit.plotting.marks import power_of_ten
    >>> print(power_of_ten(1e-4), power_of_ten(0.01))
    10⁻⁴ 0.01
    """
    if value <= 0 or not np.isclose(np.log10(value) % 1, [0, 1]).any():
        return ''
    exponent = int(np.round(np.log10(value)))
    if -3 < exponent < 4:
        return f'{10.0**exponent:g}'
    return '10' + str(exponent).translate(_SUPERSCRIPT)


def log_axis(axis):
    """Give a logarithmic x or y axis labels that need no mathematics."""
    axis.set_major_formatter(FuncFormatter(power_of_ten))
    axis.set_minor_formatter(NullFormatter())


def draw_points(axes, place, table, *, columns=('estimate', 'lo', 'hi'), flat=False, color,
                marker, line=True, size=None):
    """
    Draw estimates with their intervals.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
        Where to draw.
    place : (n,) array_like
        Position of each row across the axis of the cells.
    table : (n,) `~astropy.table.Table`
        A result table; unsupported rows are drawn open and grey, rows without
        an estimate not at all.
    columns : tuple of str, optional
        Columns of the estimate and of the two ends.
    flat : bool, optional
        Whether intervals lie flat, with cells along y.
    color, marker : str
        Style of supported rows.
    line : bool, optional
        Whether neighbours that are supported are joined.
    size : float, optional
        Size of the markers in points.
    """
    estimate, low, high = (values(table, name) for name in columns)
    drawn, supported = np.isfinite(estimate), supported_rows(table)
    if line:
        axes.plot(place, np.where(supported, estimate, np.nan), color=color, lw=0.7, alpha=0.6)
    looks = ((supported, {'color': color}),
             (drawn & ~supported, {'color': _PALE, 'markerfacecolor': 'white',
                                   'markeredgecolor': color}))
    for rows, look in looks:
        if not rows.any():
            continue
        error = np.nan_to_num(np.clip([estimate - low, high - estimate], 0, None)[:, rows])
        ends = ({'x': estimate[rows], 'y': place[rows], 'xerr': error} if flat
                else {'x': place[rows], 'y': estimate[rows], 'yerr': error})
        axes.errorbar(**ends, fmt=marker, ms=size, elinewidth=0.9, capsize=0, **look)


def draw_bands(axes, places, state):
    """
    Hatch the bins in which no sample has an object.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
        Where to draw.
    places : `~lensfinder_audit.plotting.places.Places`
        The bins.
    state : (n_rows,) array_like of str
        State of each row that ``places`` was made of.
    """
    for number, (left, right) in enumerate(zip(places.left, places.right, strict=True)):
        here = set(state[places.code == number])
        if here and here <= {'empty', 'impossible'}:
            worst = 'impossible' if 'impossible' in here else 'empty'
            axes.axvspan(left, right, facecolor='#F2F2F2', edgecolor='#C8C8C8', lw=0,
                         hatch=HATCHES[worst], zorder=0)


def draw_counts(axes, places, rows, *, label='n'):
    """
    Write the counts of each sample under its bins, one line a sample.

    Parameters
    ----------
    axes : `~matplotlib.axes.Axes`
        Where to draw.
    places : `~lensfinder_audit.plotting.places.Places`
        The bins.
    rows : list of (str, (n_bins,) list of str)
        Colour and counts of each sample.
    label : str, optional
        What stands before the first line.

    Returns
    -------
    depth : float
        Height of the lines in points, by which the axis label must move down.
    """
    lines = 1 + max((word.count('\n') for word in places.labels), default=0)
    start = 6.5 + 8.2 * lines
    for number, (color, counts) in enumerate(rows):
        shift = ScaledTranslation(0, -(start + 7.5 * number) / 72, axes.figure.dpi_scale_trans)
        color = tuple(0.7 * part for part in to_rgb(color))  # small type needs contrast
        for middle, count in zip(places.middle, counts, strict=True):
            axes.text(middle, 0, count, transform=axes.get_xaxis_transform() + shift, ha='center',
                      va='top', fontsize=6, color=color, in_layout=False)
        if number == 0:
            axes.text(-0.015, 0, label, transform=axes.transAxes + shift, ha='right', va='top',
                      fontsize=6, color=GREY, in_layout=False)
    return 7.5 * len(rows) + 4


def state_handles(state):
    """Return legend entries for the states that occur and are not plain numbers."""
    found = set(np.unique(state))
    handles = []
    if 'unsupported' in found:
        handles.append(Line2D([], [], color=_PALE, marker='o', mfc='white', mec=GREY, lw=0.9,
                              label='unsupported'))
    for name in ('empty', 'impossible'):
        if name in found:
            handles.append(Patch(facecolor='#F2F2F2', edgecolor='#A8A8A8', lw=0.4,
                                 hatch=HATCHES[name], label=name))
    return handles


def surface_legend(figure, state):
    """Explain the states of the cells of a surface above its panels."""
    found = set(np.unique(state))
    handles = [Patch(facecolor='#D8D8D8' if name == 'unsupported' else 'white', lw=0.4,
                     edgecolor=GREY, hatch=HATCHES[name], label=name)
               for name in HATCHES if name in found]
    if handles:
        figure.legend(handles=handles, loc='outside upper left', ncols=3)
