# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Where the cells of a result table lie on paper."""
from dataclasses import dataclass, field

import numpy as np

from lensfinder_audit.plotting.style import group_indices, plain, values
from lensfinder_audit.vocabulary import column_words

__all__ = ['Places', 'axis_names', 'axis_words', 'by_rate', 'cell_places', 'cell_words',
           'no_false']

#: Columns of results that end in _min without being an axis.
_NOT_AXES = ('score',)

#: Bins are drawn to scale unless the widest is this many times the narrowest.
_TO_SCALE = 4

#: Letters that fit under a panel of one column.
_LETTERS = 46


@dataclass
class Places:
    """
    The bins of one axis on paper.

    Parameters
    ----------
    left, right : (n,) `~numpy.ndarray`
        Ends of each bin in plot coordinates.
    ticks : list of float
        Where the axis is labelled.
    labels : list of str
        What it says there.
    code : (n_rows,) `~numpy.ndarray` of int
        Bin of each row of the table.
    classes : bool
        Whether labels stand at the middle of a bin instead of its edges.
    """

    left: np.ndarray
    right: np.ndarray
    ticks: list
    labels: list
    code: np.ndarray
    classes: bool = field(default=False)

    @property
    def middle(self):
        """Middle of each bin."""
        return (self.left + self.right) / 2


def axis_names(table):
    """Return the axes of a result table, from its ``meta`` or its columns."""
    found = table.meta.get('axes')
    if found is not None:
        # stacked tables of different axes keep a list of each
        flat = [name for item in found for name in ([item] if isinstance(item, str) else item)]
        return list(dict.fromkeys(flat))
    return [name.removesuffix('_min') for name in table.colnames if name.endswith('_min')
            and name.removesuffix('_min') not in _NOT_AXES]


def axis_words(table, name):
    """
    Name an axis for a reader, with its unit.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A result table.
    name : str
        One of its axes.

    Returns
    -------
    words : str
        Such as ``'PSF FWHM, r [arcsec]'``.
    """
    words = column_words(name)
    place = next((item for item in (f'{name}_min', name) if item in table.colnames), None)
    unit = getattr(table[place], 'unit', None) if place else None
    return f'{words} [{unit}]' if unit else words


def cell_words(table, name):
    """
    Name the bin of each row.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        A result table.
    name : str
        One of its axes.

    Returns
    -------
    words : list of str
        The class, ``'1.0 to 1.2'``, ``'11 and more'``, ``'no value'`` or
        ``'in no bin'``.
    """
    reasons = (np.asarray(table['reason']).astype(str) if 'reason' in table.colnames
               else np.full(len(table), ''))
    if name in table.colnames:
        nothing = 'no family given' if name == 'confuser_class' else ''
        return [str(word) or nothing or str(reason) or 'no value'
                for word, reason in zip(table[name], reasons, strict=True)]
    ends = zip(values(table, f'{name}_min'), values(table, f'{name}_max'), reasons, strict=True)
    return [_bin_words(low, high, str(reason)) for low, high, reason in ends]


def by_rate(table, name='confuser_class'):
    """
    Order the rows of each finder and operating point by their rate, the highest first.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Schema ``false_positives``.
    name : str, optional
        Column of the families; without it the table stays as it is.

    Returns
    -------
    table : `~astropy.table.Table`
        All negatives together stand first, those of no family last; rows without a false
        positive stand by their upper bound.
    """
    if name not in table.colnames or not len(table):
        return table
    words = np.asarray(table[name]).astype(str)
    place = np.where(words == 'all', 0, np.where(words == '', 2, 1))
    rate, bound = (np.nan_to_num(values(table, column), nan=-1.0) for column in ('estimate',
                                                                                 'upper'))
    order = np.lexsort((words, -bound, -rate, place))
    rank = np.argsort(order)
    return table[np.concatenate([rows[np.argsort(rank[rows])] for _, rows in group_indices(
        table, ('finder', 'operating_point'))])]


def no_false(table):
    """Return the rows of purity that no negative was selected in: they have a lower bound alone."""
    return ((values(table, 'n_false') == 0) & (values(table, 'n_true') > 0)
            & np.isfinite(values(table, 'lo')))


def cell_places(table, name):
    """
    Lay the bins of an axis out on paper.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        A result table.
    name : str
        One of its axes.

    Returns
    -------
    places : `Places`
        To scale where the bins are finite and of like width, else side by side
        and labelled at their edges; rows in no bin stand apart at the right.
    """
    if name in table.colnames:
        return _class_places(cell_words(table, name))
    low, high = values(table, f'{name}_min'), values(table, f'{name}_max')
    inside = np.isfinite(low) | np.isfinite(high)
    edges = np.unique(np.concatenate([low[inside], high[inside]]))
    words = np.array(cell_words(table, name))
    beyond = list(dict.fromkeys(words[~inside].tolist()))
    spots = _spots(edges)
    code = np.searchsorted(edges, np.where(inside, low, edges[:1] if len(edges) else 0))
    for number, word in enumerate(beyond):
        code[~inside & (words == word)] = max(len(edges) - 1, 0) + number
    return _with_beyond(spots, edges, beyond, code)


def _spots(edges):
    """Return where each edge is drawn: at its value, or evenly."""
    width = np.diff(edges)
    to_scale = np.isfinite(edges).all() and len(width) and width.max() <= _TO_SCALE * width.min()
    return edges if to_scale else np.arange(len(edges), dtype=float)


def _with_beyond(spots, edges, beyond, code):
    step = float(np.mean(np.diff(spots))) if len(spots) > 1 else 1.0
    start = (spots[-1] if len(spots) else 0.0) + step * (0.3 + np.arange(len(beyond)))
    left, right = np.append(spots[:-1], start), np.append(spots[1:], start + step)
    labels = [_edge_words(edge) for edge in edges]
    every = int(np.ceil(sum(len(label) + 2 for label in labels) / _LETTERS))
    labels = [label if number % every == 0 else '' for number, label in enumerate(labels)]
    return Places(left=left, right=right, ticks=[*spots, *(start + step / 2)],
                  labels=[*labels, *(word.replace(' ', '\n', 1) for word in beyond)], code=code)


def _class_places(words):
    found = list(dict.fromkeys(words))
    number = np.arange(len(found), dtype=float)
    return Places(left=number - 0.5, right=number + 0.5, ticks=list(number),
                  labels=[plain(word, longest=24) for word in found],
                  code=np.array([found.index(word) for word in words], dtype=int), classes=True)


def _edge_words(edge):
    return {np.inf: '∞', -np.inf: '−∞'}.get(edge, f'{edge:.4g}'.replace('-', '−'))


def _bin_words(low, high, reason):
    if not np.isfinite(low) and not np.isfinite(high):
        return reason or 'no value'
    if not np.isfinite(high):
        return f'{_edge_words(low)} and more'
    if not np.isfinite(low):
        return f'below {_edge_words(high)}'
    return f'{_edge_words(low)} to {_edge_words(high)}'
