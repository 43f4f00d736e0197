# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Axes of a measurement: numeric bins or classes, and which cells can exist."""
from dataclasses import dataclass
from numbers import Real

import numpy as np

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.resampling import codes

__all__ = ['Axis', 'make_axis', 'cell_codes', 'MISSING', 'OUTSIDE']

#: Code of a row whose value is missing, and of one that lies in no bin.
MISSING, OUTSIDE = -1, -2

#: Integer columns with at most this many values get one bin for each.
_FEW = 8

#: More classes than this are names of objects rather than classes.
_MANY = 200


@dataclass(frozen=True)
class Axis:
    """
    The bins of one column.

    Parameters
    ----------
    name : str
        Column.
    edges : tuple of float, optional
        Bin edges; a bin holds its lower edge, the last finite one also its upper.
    classes : tuple of str, optional
        The classes of a column of words; an axis has edges or classes.
    unit : str, optional
        Unit of the edges.
    possible : tuple of float or of str, optional
        The range, or the classes, that the selection of the sample lets in;
        every cell outside is impossible, not empty.
    """

    name: str
    edges: tuple = ()
    classes: tuple = ()
    unit: str = ''
    possible: tuple = ()

    def __post_init__(self):
        if self.classes:
            return
        edges = np.asarray(self.edges, dtype=float)
        if len(self.possible) not in (0, 2) or not _rising(self.possible):
            raise MeasurementError(f'axis {self.name!r}: what is possible is a range of two rising '
                                   f'numbers, such as 3,inf; it is {list(self.possible)}')
        if len(edges) < 2 or np.isnan(edges).any() or (np.diff(edges) <= 0).any():
            raise MeasurementError(f'axis {self.name!r} needs two or more increasing edges; '
                                   f'{list(self.edges)} are not')

    @property
    def n_cells(self):
        """Number of bins or classes."""
        return len(self.classes) or len(self.edges) - 1

    def code(self, values):
        """
        Find the bin of each value.

        Parameters
        ----------
        values : (n,) array_like
            Numbers or words, as the axis has edges or classes.

        Returns
        -------
        code : (n,) `~numpy.ndarray` of int
            Index of the bin, `MISSING` for NaN and empty words, `OUTSIDE` for
            values in no bin.
        """
        if self.classes:
            return self._code_classes(np.asarray(values).astype(str))
        values = np.asarray(getattr(values, 'value', values), dtype=float)
        edges = np.asarray(self.edges, dtype=float)
        code = np.searchsorted(edges, values, side='right') - 1
        code[values == edges[-1]] = self.n_cells - 1
        code[(code < 0) | (code >= self.n_cells)] = OUTSIDE
        code[np.isnan(values)] = MISSING
        return code

    def _code_classes(self, words):
        number = {name: index for index, name in enumerate(self.classes)} | {'': MISSING}
        code, levels = codes(words)
        return np.array([number.get(str(level), OUTSIDE) for level in levels], int)[code]

    def impossible(self):
        """Return, for each bin, whether the selection of the sample forbids it."""
        if not self.possible:
            return np.zeros(self.n_cells, dtype=bool)
        if self.classes:
            return ~np.isin(self.classes, self.possible)
        low, high = self.possible
        edges = np.asarray(self.edges, dtype=float)
        return (edges[1:] <= low) | (edges[:-1] > high)

    def labels(self):
        """Return a readable label for each bin."""
        if self.classes:
            return list(self.classes)
        ends = [f'{edge:.6g}' for edge in self.edges]
        return [f'{low} to {high}' if high != 'inf' else f'{low} and more'
                for low, high in zip(ends[:-1], ends[1:], strict=True)]


def make_axis(values, name, *, bins='auto', n_bins=5, published=(), unit='', possible=()):
    """
    Choose the bins of a column.

    Parameters
    ----------
    values : (n,) array_like
        The column.
    name : str
        Its name.
    bins : {'auto', 'quantile', 'published'} or sequence of float or of str, optional
        Edges or classes as given, equal counts, or those in use in the
        literature. ``'auto'`` takes published edges where there are any, one
        bin per value of an integer column with few values, else quantiles.
        Columns of words always have classes.
    n_bins : int, optional
        Number of quantile bins.
    published : tuple of float, optional
        Published edges of the column, if any.
    unit : str, optional
        Unit of the column.
    possible : tuple, optional
        As for `Axis`.

    Returns
    -------
    axis : `Axis`
        The bins.

    Raises
    ------
    MeasurementError
        If the column has no values, or published edges are asked for and there
        are none.

    Examples
    --------
    >>> from lensfinder_audit.measure.binning import make_axis
    >>> make_axis([3, 4, 7, 12], 'nobs_z', bins=[1, 3, 6, 11, float('inf')]).labels()
    ['1 to 3', '3 to 6', '6 to 11', '11 and more']
    """
    values = np.asarray(getattr(values, 'value', values))
    rest = {'unit': unit, 'possible': tuple(possible)}
    if values.dtype.kind in 'USO':
        rest['possible'] = tuple(_word(item) for item in possible)
        return Axis(name, classes=_classes(values, name, bins, rest['possible']), **rest)
    if not isinstance(bins, str):
        return Axis(name, edges=_given_edges(name, bins), **rest)
    finite = values[np.isfinite(values.astype(float))].astype(float)
    return Axis(name, edges=_edges(finite, name, bins, n_bins, tuple(published)), **rest)


def cell_codes(codes_by_axis, sizes):
    """
    Combine the bins of several axes into one cell number.

    Parameters
    ----------
    codes_by_axis : sequence of (n,) array_like of int
        Bins by axis.
    sizes : sequence of int
        Number of bins of each axis.

    Returns
    -------
    cell : (n,) `~numpy.ndarray` of int
        The last axis varies fastest. `MISSING` or `OUTSIDE` where any axis is,
        a missing value taking precedence.
    """
    stacked = np.array(codes_by_axis).reshape(len(sizes), -1)
    cell = np.ravel_multi_index(tuple(np.maximum(stacked, 0)), tuple(sizes))
    cell[(stacked == OUTSIDE).any(axis=0)] = OUTSIDE
    cell[(stacked == MISSING).any(axis=0)] = MISSING
    return cell


def _classes(values, name, bins, possible):
    if not isinstance(bins, str):
        classes, there = tuple(_word(item) for item in bins), set(values.astype(str).tolist())
        if not classes or not there & set(classes):
            raise MeasurementError(f'axis {name!r}: none of the classes {list(classes)} occurs; '
                                   f'the column holds {sorted(there)[:8]}')
        return classes
    found = sorted({str(item) for item in np.unique(values.astype(str))} | set(possible) - {''})
    found = tuple(item for item in found if item)
    if not found:
        raise MeasurementError(f'axis {name!r}: every one of the {len(values)} rows is empty')
    if len(found) > _MANY:
        raise MeasurementError(f'axis {name!r} has {len(found)} classes, more than {_MANY}; name '
                               'those that matter as its bins')
    return found


def _word(item):
    """Return a class as text; a number read from a command line is as it was written."""
    return f'{item:.17g}' if isinstance(item, float) else str(item)


def _rising(numbers):
    return all(isinstance(item, Real) for item in numbers) and all(
        low < high for low, high in zip(numbers[:-1], numbers[1:], strict=True))


def _given_edges(name, bins):
    try:
        return tuple(float(edge) for edge in bins)
    except (TypeError, ValueError):
        choices = ['auto', 'quantile', 'published']
        near = did_you_mean(bins[0], choices) if len(bins) == 1 else ''
        raise MeasurementError(f'axis {name!r} holds numbers, so its bins are edges or one of '
                               f'{choices}; they are {list(bins)}.{near}') from None


def _edges(finite, name, bins, n_bins, published):
    if bins not in ('auto', 'quantile', 'published'):
        choices = ['auto', 'quantile', 'published']
        raise MeasurementError(f'axis {name!r}: there are no bins {bins!r}; give edges or one of '
                               f'{choices}.{did_you_mean(bins, choices)}')
    if bins == 'published' and not published:
        raise MeasurementError(f'axis {name!r} has no published bins; give its edges or ask for '
                               'quantile bins')
    if published and bins != 'quantile':
        return published
    if not len(finite):
        raise MeasurementError(f'axis {name!r} holds no finite value')
    return _data_edges(finite, bins, n_bins)


def _data_edges(finite, bins, n_bins):
    values = np.unique(finite) if bins == 'auto' else finite[:0]
    if 0 < len(values) <= _FEW and (values == np.round(values)).all():
        return (*values.tolist(), float(values[-1] + 1))
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, n_bins + 1)))
    return tuple(edges.tolist()) if len(edges) > 1 else (float(edges[0]), float(edges[0]) + 1.0)
