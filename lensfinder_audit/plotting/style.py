# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What all figures share: size, type, colours, notes.

Colours are those of Okabe & Ito (https://jfly.uni-koeln.de/color), which remain
apart for colour-blind readers; markers differ too, so that a figure survives a
black-and-white printer. Figures never touch the state of pyplot.
"""
from functools import wraps
from textwrap import wrap

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

__all__ = ['COLOURS', 'MARKERS', 'WIDE', 'NARROW', 'DPI', 'new_figure', 'interval_words',
           'add_note', 'mark_simulated', 'sample_style', 'sample_words', 'object_words',
           'finder_style', 'styled', 'values', 'group_rows', 'group_indices', 'plain',
           'panel_title', 'cluster_name']

#: Okabe-Ito colours, without the yellow, which white paper swallows.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')

#: A marker for each colour.
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X')

#: Width of one and of two columns of a journal, in inches.
NARROW, WIDE = 3.4, 7.0

#: Dots per inch of PNG files.
DPI = 150

GREY = '#595959'

_RC = {'font.size': 8, 'axes.titlesize': 8, 'axes.labelsize': 8, 'xtick.labelsize': 7,
       'ytick.labelsize': 7, 'legend.fontsize': 7, 'legend.frameon': False,
       'axes.linewidth': 0.6, 'lines.linewidth': 1.0, 'lines.markersize': 4.5,
       'xtick.major.width': 0.6, 'ytick.major.width': 0.6, 'hatch.linewidth': 0.4,
       'pdf.fonttype': 3,  # embedding TrueType takes most of the time of a PDF
       'font.family': 'DejaVu Sans', 'text.usetex': False}

_SAMPLES = {('A', 'independent'): 0, ('B', 'independent'): 5, ('A', 'earlier finder'): 1,
            ('B', 'earlier finder'): 4, ('A', 'unknown'): 2, ('B', 'unknown'): 3}

_INTERVALS = {'wilson': 'Wilson', 'jeffreys': 'Jeffreys', 'clopper-pearson': 'Clopper-Pearson',
              'jeffreys draws': 'Jeffreys posterior'}


def styled(function):
    """Run a drawing function under the style of this package, whatever the user's own is."""
    @wraps(function)
    def wrapper(*args, **kwargs):
        with style.context(_RC, after_reset=True):
            return function(*args, **kwargs)
    return wrapper


def new_figure(width, height, *, n_rows=1, n_cols=1, **panels):
    """
    Make an empty figure with room for a note below.

    Parameters
    ----------
    width, height : float
        Size in inches.
    n_rows, n_cols : int, optional
        Panels.
    **panels
        Passed to `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The figure.
    axes : (n_rows * n_cols,) list of `~matplotlib.axes.Axes`
        Its panels, row by row.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
    _set_foot(figure, 0.2)
    axes = figure.subplots(n_rows, n_cols, squeeze=False, **panels)
    for axis in axes.flat:
        axis.spines[['top', 'right']].set_visible(False)
    return figure, list(axes.flat)


def _set_foot(figure, inches):
    foot = inches / figure.get_figheight()
    figure.get_layout_engine().set(rect=(0, foot, 1, 1 - foot), h_pad=0.05, w_pad=0.05)


def interval_words(meta, *, name=None):
    """
    Say in words which interval is drawn.

    Parameters
    ----------
    meta : dict
        ``meta`` of a result table.
    name : str, optional
        Name of the interval; the default is that of ``meta``.

    Returns
    -------
    words : str
        Such as ``'95 % Wilson interval'``.

    Examples
    --------
    >>> from lensfinder_audit.plotting.style import interval_words
    >>> interval_words({'interval': 'wilson', 'confidence': 0.95})
    '95 % Wilson interval'
    """
    name = meta.get('interval') if name is None else name
    percent = f'{100 * meta["confidence"]:g} % ' if meta.get('confidence') else ''
    if not name:
        return f'{percent}interval (method not stated)'
    return f'{percent}{_INTERVALS.get(str(name).lower(), name)} interval'


def add_note(figure, text):
    """Write a note below a figure, at its left, with room for a word at its right."""
    lines = wrap(text, int((figure.get_figwidth() - 0.7) * 22))
    _set_foot(figure, 0.1 + 0.1 * len(lines))
    text = '\n'.join(lines)
    figure.text(0.06 / figure.get_figwidth(), 0.05 / figure.get_figheight(), text, fontsize=6,
                color=GREY, ha='left', va='bottom')


def mark_simulated(figure):
    """Write at the lower right of a figure that its data are simulated."""
    figure.text(1 - 0.06 / figure.get_figwidth(), 0.05 / figure.get_figheight(), 'simulated',
                fontsize=6, color=GREY, ha='right', va='bottom')


def plain(text, *, longest=48):
    """
    Make words from a table safe to draw: one line, no mathematics, not too long.

    Parameters
    ----------
    text : object
        Anything; what `str` makes of it.
    longest : int, optional
        Number of characters that are kept.

    Returns
    -------
    text : str
        The words.

    Examples
    --------
    >>> from lensfinder_audit.plotting.style import plain
    >>> print(plain('a finder of a\\nvery long name', longest=16))
    a finder of a v…
    """
    text = str(text).replace('>=', '≥')
    text = ''.join(letter if letter.isprintable() else ' ' for letter in ' '.join(text.split()))
    text = text if len(text) <= longest else text[:longest - 1] + '…'
    return text.replace('$', r'\$')


def panel_title(key):
    """Return the title of the panel of a finder and an operating point."""
    words = [key.get('finder', ''), key.get('operating_point', '')]
    return ', '.join(plain(word, longest=30) for word in words if word)


def sample_style(sample, number=0):
    """
    Choose colour and marker of a sample of lenses.

    Parameters
    ----------
    sample : dict of str to str
        Its ``tier`` and ``discovery``, where it has them.
    number : int, optional
        Used for samples without a colour of their own.

    Returns
    -------
    style : dict
        ``color`` and ``marker``.
    """
    number = _SAMPLES.get((sample.get('tier'), sample.get('discovery')), number)
    return finder_style(number)


def finder_style(number):
    """Return the colour and the marker of the finder of a number."""
    return {'color': COLOURS[number % len(COLOURS)], 'marker': MARKERS[number % len(MARKERS)]}


def cluster_name(table):
    """Return what is resampled together, by the name that the reader gave it."""
    return str(table.meta.get('cluster_name') or table.meta.get('cluster') or '')


def object_words(table):
    """Return what the rows of a table of fractions count: lenses, unless its meta says so."""
    return plain(str(table.meta.get('objects', 'lenses')))


def sample_words(sample, objects='lenses'):
    """Return the words for a sample, such as ``'tier A, independent'``."""
    tier, discovery = sample.get('tier', ''), sample.get('discovery', '')
    words = [f'tier {tier}' if tier else '',
             'discovery unknown' if discovery == 'unknown' else discovery]
    return ', '.join(plain(word) for word in words if word) or f'all {objects}'


def values(table, name, *, default=np.nan):
    """Return a column as plain floats, or a constant where the table lacks it."""
    if name not in table.colnames:
        return np.full(len(table), default)
    column = table[name]
    column = column.filled(default) if hasattr(column, 'filled') else column
    return np.asarray(getattr(column, 'value', column), dtype=float)


def group_rows(table, names):
    """
    Split a table by the distinct values of some columns.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.
    names : sequence of str
        Columns; those that the table lacks are left out.

    Returns
    -------
    groups : list of (dict, `~astropy.table.Table`)
        Values and rows, in the order in which they first occur.
    """
    return [(key, table[found]) for key, found in group_indices(table, names)]


def group_indices(table, names):
    """Return what `group_rows` does, with row numbers in place of rows."""
    names = [name for name in names if name in table.colnames]
    keys = list(zip(*(np.asarray(table[name]).astype(str).tolist() for name in names), strict=True))
    rows = {}
    for number, key in enumerate(keys if names else [()] * len(table)):
        rows.setdefault(key, []).append(number)
    return [(dict(zip(names, key, strict=True)), np.array(found)) for key, found in rows.items()]
