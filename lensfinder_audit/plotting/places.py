# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Where the cells of a result table lie on paper."""
from dataclasses import dataclass, field

import numpy as np

from lensfinder_audit.plotting.style import plain, values

__all__ = ['Places', 'axis_names', 'axis_words', 'cell_places', 'cell_words']

_KNOWN = {'psfsize': 'PSF FWHM', 'psfdepth': 'PSF depth', 'galdepth': 'galaxy depth',
          'depth': '5σ depth', 'nobs': 'number of exposures', 'ebv': 'E(B−V)',
          'theta_e': 'Einstein radius', 'arc_snr': 'arc signal to noise',
          'source_mag': 'unlensed source magnitude', 'lensed_mag': 'lensed source magnitude',
          'type': 'Tractor type',
          'confuser_class': 'confuser family', 'z_lens': 'lens redshift', 'grade': 'grade'}

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
    stem, _, band = name.rpartition('_')
    words = _KNOWN.get(name) or (f'{_KNOWN[stem]}, {band}' if stem in _KNOWN
                                 else name.replace('_', ' '))
    unit = table[f'{name}_min'].unit if f'{name}_min' in table.colnames else None
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
        return [str(word) or str(reason) or 'no value'
                for word, reason in zip(table[name], reasons, strict=True)]
    ends = zip(values(table, f'{name}_min'), values(table, f'{name}_max'), reasons, strict=True)
    return [_bin_words(low, high, str(reason)) for low, high, reason in ends]


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
