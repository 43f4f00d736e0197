# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Strata of a sample: which one an object is in, and which ones cannot be filled.

Also the quantities that follow from catalogue columns, so that rules can name a
magnitude where a file holds a flux.
"""
from itertools import product

import numpy as np

__all__ = ['Strata', 'derive', 'inputs_of', 'derived_names']

_BANDS = 'griz'


def _magnitude(flux):
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(flux > 0, 22.5 - 2.5 * np.log10(np.where(flux > 0, flux, 1)), np.nan)


def _color(one, two):
    return _magnitude(one) - _magnitude(two)


def _dered_magnitude(flux, transmission):
    with np.errstate(divide='ignore', invalid='ignore'):
        return _magnitude(np.where(transmission > 0, flux / transmission, np.nan))


def _depth(inverse_variance):
    with np.errstate(divide='ignore', invalid='ignore'):
        return _magnitude(np.where(inverse_variance > 0, 5 / np.sqrt(inverse_variance), np.nan))


_DERIVED = {'ellipticity': (('shape_e1', 'shape_e2'), np.hypot)}
for _band in _BANDS:
    _DERIVED[f'mag_{_band}'] = ((f'flux_{_band}',), _magnitude)
    _DERIVED[f'dered_mag_{_band}'] = ((f'flux_{_band}', f'mw_transmission_{_band}'),
                                      _dered_magnitude)
    _DERIVED[f'depth_{_band}'] = ((f'psfdepth_{_band}',), _depth)
for _one, _two in (('g', 'r'), ('r', 'z'), ('g', 'z'), ('r', 'i'), ('i', 'z')):
    _DERIVED[f'{_one}_{_two}'] = ((f'flux_{_one}', f'flux_{_two}'), _color)


def derived_names():
    """
    Name all quantities that can be derived.

    Returns
    -------
    names : list of str
        Such as ``'mag_z'``.
    """
    return list(_DERIVED)


def inputs_of(name):
    """
    Return the catalogue columns that a quantity follows from.

    Parameters
    ----------
    name : str
        Such as ``'mag_z'``.

    Returns
    -------
    columns : tuple of str
        Empty where the quantity is a catalogue column itself.
    """
    return _DERIVED[name][0] if name in _DERIVED else ()


def derive(name, columns):
    """
    Compute a quantity from catalogue columns.

    Parameters
    ----------
    name : str
        One of `derived_names`.
    columns : dict of str to (n,) `~numpy.ndarray`
        At least `inputs_of` it.

    Returns
    -------
    values : (n,) `~numpy.ndarray`
        Magnitudes are AB, as catalogued and not dereddened unless the name says so;
        NaN where the flux is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.strata import derive
    >>> derive('mag_z', {'flux_z': np.array([10., 1., -1.])})
    array([20. , 22.5,  nan])
    """
    inputs, function = _DERIVED[name]
    return function(*(np.asarray(columns[column], dtype=float) for column in inputs))


class Strata:
    """
    All combinations of bins and classes.

    Parameters
    ----------
    axes : dict of str to list
        Edges, lower ones inclusive, or classes, by column. Without axes there is
        one stratum, ``all``.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.strata import Strata
    >>> strata = Strata({'nobs_z': [1, 3, 6, np.inf], 'type': ['SER', 'DEV']})
    >>> codes = strata.codes({'nobs_z': np.array([3, 9, 0]),
    ...                       'type': np.array(['DEV', 'SER', 'SER'])})
    >>> [strata.labels[code] if code >= 0 else None for code in codes]
    ['nobs_z 3 to 6, type DEV', 'nobs_z 6 and up, type SER', None]
    """

    def __init__(self, axes):
        self.axes = dict(axes)
        self._sizes = [len(_cells(values)) for values in self.axes.values()]
        #: Name of each stratum, in the order of the codes.
        self.labels = [', '.join(f'{column} {_word(cell)}' for column, cell in
                                 zip(self.axes, cells, strict=True)) or 'all'
                       for cells in product(*map(_cells, self.axes.values()))]

    def __len__(self):
        return len(self.labels)

    def codes(self, columns):
        """
        Return the stratum of each object.

        Parameters
        ----------
        columns : dict of str to (n,) `~numpy.ndarray`
            One array per axis.

        Returns
        -------
        codes : (n,) `~numpy.ndarray` of int
            Place in ``labels``; -1 where an object is in none.
        """
        code, inside = 0, True
        for (name, values), size in zip(self.axes.items(), self._sizes, strict=True):
            place = _place(columns[name], values)
            inside = inside & (place >= 0) & (place < size)
            code = code * size + place
        return np.where(inside, code, -1) if self.axes else np.zeros(_length(columns), dtype=int)

    def impossible(self, cuts):
        """
        Tell which strata the cuts let no object into.

        Parameters
        ----------
        cuts : iterable of `~lensfinder_audit.row_tests.Condition`
            All of them are applied.

        Returns
        -------
        impossible : (m,) `~numpy.ndarray` of bool
            One per stratum.
        """
        cuts = list(cuts)
        possible = [[all(_fits(cut, column, cell) for cut in cuts) for cell in _cells(values)]
                    for column, values in self.axes.items()]
        return ~np.array([all(words) for words in product(*possible)], dtype=bool)


def _length(columns):
    return len(next(iter(columns.values()))) if columns else 0


def _cells(values):
    if isinstance(values[0], str):
        return list(values)
    return list(zip(values[:-1], values[1:], strict=True))


def _place(column, values):
    if not isinstance(values[0], str):
        place = np.searchsorted(values, column, side='right') - 1
        return np.where(np.isnan(np.asarray(column, dtype=float)), -1, place)
    names, where = np.unique(np.asarray(column).astype(str), return_inverse=True)
    code = {name: i for i, name in enumerate(values)}
    return np.array([code.get(name.strip(), -1) for name in names.tolist()], dtype=int)[where]


def _word(cell):
    if isinstance(cell, str):
        return cell
    low, high = cell
    return f'{low:g} and up' if high == np.inf else f'{low:g} to {high:g}'


def _fits(cut, column, cell):
    if isinstance(cell, str):
        return cut.allows(column, cell)
    low, low_fits, high, high_fits = cut.bounds(column)
    return cell[1] > low and (cell[0] < high or (cell[0] == high and high_fits))
