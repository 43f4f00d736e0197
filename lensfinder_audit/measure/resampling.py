# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Bootstrap of many weighted sums at once.

Every statistic that is a ratio of weighted sums over cells needs nothing of a
resample but how often each group was drawn. The counts are drawn once and kept;
all cells, thresholds and finders of an audit are then one matrix product with
the same resamples, so that differences between them are paired.
"""
from copy import copy

import numpy as np

from lensfinder_audit.exceptions import MeasurementError

__all__ = ['Resampler', 'codes', 'sampling_units', 'shared_units']

#: More units than this in all are merged at random: independent groups remain
#: independent when merged, and a standard error from 4,096 units is itself
#: known to 1/sqrt(2 * 4096) = 1.1 per cent.
MAX_UNITS = 4096


def codes(values):
    """
    Number the distinct values of a column.

    Parameters
    ----------
    values : (n,) array_like
        Strings or numbers.

    Returns
    -------
    code : (n,) `~numpy.ndarray` of int
        Index into ``levels``.
    levels : `~numpy.ndarray`
        The distinct values, sorted.
    """
    levels, code = np.unique(np.asarray(values), return_inverse=True)
    return code.reshape(-1), levels


def sampling_units(n, *, group=None, stratum=None):
    """
    Find what is resampled together, and within what.

    Parameters
    ----------
    n : int
        Number of rows.
    group : (n,) array_like, optional
        Host, brick or pixel; rows of one group are not independent. Without it
        every row is a group.
    stratum : (n,) array_like, optional
        Sampling stratum, within which groups are drawn.

    Returns
    -------
    unit : (n,) `~numpy.ndarray` of int
        Group of each row.
    layer : (n_units,) `~numpy.ndarray` of int
        Stratum of each group; all 0 where some group lies in several strata,
        because then groups can only be drawn from the whole sample.
    """
    unit = np.arange(n) if group is None else codes(group)[0]
    n_units = int(unit.max()) + 1 if n else 0
    layer = np.zeros(n_units, dtype=np.int64)
    if stratum is not None and n:
        stratum = codes(stratum)[0]
        layer[unit] = stratum
        if (layer[unit] != stratum).any():
            layer[:] = 0
    return unit, layer


def shared_units(n, group, resampler, n_resamples, seed):
    """
    Agree on the groups and the draws of a measurement.

    Parameters
    ----------
    n : int
        Number of rows.
    group : (n,) array_like or None
        Rows of one group are not independent.
    resampler : `Resampler` or None
        Draws to share, which must be of the same rows.
    n_resamples, seed : int
        For a new `Resampler` where there is none to share; 0 resamples make none.

    Returns
    -------
    unit : (n,) `~numpy.ndarray` of int or None
        Group of each row, from the resampler where ``group`` is None; `None`
        where every row is a group.
    resampler : `Resampler` or None
        The one given, or a new one.

    Raises
    ------
    MeasurementError
        If the resampler is of another number of rows.
    """
    if resampler is not None and len(resampler.unit) != n:
        raise MeasurementError(f'the resampler was made for {len(resampler.unit)} rows, the sample '
                               f'has {n}; make one for the sample')
    unit = None if group is None else codes(group)[0]
    if resampler is None and n_resamples:
        resampler = Resampler(n, group=unit, n_resamples=n_resamples, seed=seed)
    if unit is None and resampler is not None and resampler.n_groups < n:
        unit = resampler.unit
    return unit, resampler


class Resampler:
    """
    Draw groups with replacement, once, for all statistics of a sample.

    Parameters
    ----------
    n : int
        Number of rows of the sample.
    group, stratum : (n,) array_like, optional
        As for `sampling_units`.
    n_resamples : int, optional
        Number of resamples.
    seed : int, optional
        Seed of the draws.
    max_units : int, optional
        More groups than this are first merged at random, within their stratum.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.resampling import Resampler
    >>> recovered = np.arange(400) < 100
    >>> draws = Resampler(400, n_resamples=4000).rates(recovered)
    >>> print(draws.shape, draws.mean().round(2), draws.std().round(3))
    (4000, 1) 0.25 0.022
    """

    def __init__(self, n, *, group=None, stratum=None, n_resamples=10000, seed=0,
                 max_units=MAX_UNITS):
        if n < 1 or n_resamples < 1:
            raise MeasurementError(f'a bootstrap needs rows and resamples; it got {n} rows and '
                                   f'{n_resamples} resamples')
        rng = np.random.default_rng([seed, 0x1e45])
        unit, layer = sampling_units(n, group=group, stratum=stratum)
        self.n_groups = len(layer)
        self.unit, self.layer = _merge(unit, layer, max_units, rng)
        self.n_units = len(self.layer)
        self.n_resamples = n_resamples
        self.counts = _draw(self.layer, n_resamples, rng)

    def subset(self, rows):
        """
        Return the same resamples for some of the rows.

        Parameters
        ----------
        rows : (n,) array_like of bool
            Rows that are kept.

        Returns
        -------
        resampler : `Resampler`
            It shares the counts with this one.
        """
        found = copy(self)
        found.unit = self.unit[np.asarray(rows)]
        return found

    def unit_sums(self, values, *, cell=None, n_cells=1):
        """
        Sum a column over the rows of each unit and cell.

        Parameters
        ----------
        values : (n,) array_like
            What to sum.
        cell : (n,) array_like of int, optional
            Cell of each row; rows with a negative cell are left out.
        n_cells : int, optional
            Number of cells.

        Returns
        -------
        sums : (n_units, n_cells) `~numpy.ndarray`
            Input of `resample`.
        """
        values = np.asarray(values, dtype=float)
        if cell is None:
            return np.bincount(self.unit, values, self.n_units)[:, None]
        cell = np.asarray(cell)
        rows = np.flatnonzero((cell >= 0) & (values != 0))
        index = self.unit[rows] * n_cells + cell[rows]
        return np.bincount(index, values[rows], self.n_units * n_cells).reshape(-1, n_cells)

    def resample(self, sums, *, first=None):
        """
        Sum over the units of every resample.

        Parameters
        ----------
        sums : (n_units, n_columns) `~numpy.ndarray`
            Sums by unit.
        first : int, optional
            Only so many of the resamples, the first ones.

        Returns
        -------
        totals : (n_resamples, n_columns) `~numpy.ndarray`
            Total of each column in each resample.
        """
        step = max(1, 4_000_000 // self.n_units)
        counts = self.counts[:first]
        blocks = [counts[i:i + step].astype(float) @ sums for i in range(0, len(counts), step)]
        return np.concatenate(blocks)

    def rates(self, success, *, weight=None, cell=None, n_cells=1):
        """
        Resample the weighted fraction of successes in each cell.

        Parameters
        ----------
        success : (n,) array_like of bool
            Outcome of each row.
        weight : (n,) array_like, optional
            Weight of each row.
        cell, n_cells : optional
            As for `unit_sums`.

        Returns
        -------
        rates : (n_resamples, n_cells) `~numpy.ndarray`
            NaN where a resample holds no row of the cell.
        """
        weight = np.ones(len(success)) if weight is None else np.asarray(weight, dtype=float)
        above = self.unit_sums(weight * success, cell=cell, n_cells=n_cells)
        below = self.unit_sums(weight, cell=cell, n_cells=n_cells)
        totals = self.resample(np.hstack([above, below]))
        with np.errstate(invalid='ignore', divide='ignore'):
            return np.clip(totals[:, :n_cells] / totals[:, n_cells:], 0, 1)


def _merge(unit, layer, max_units, rng):
    """Merge the units of each layer at random until about max_units are left."""
    if len(layer) <= max_units:
        return unit, layer
    merged, home, start = np.empty(len(layer), dtype=np.int64), [], 0
    for code in np.unique(layer):
        members = np.flatnonzero(layer == code)
        size = max(min(len(members), 16), round(max_units * len(members) / len(layer)))
        size = min(size, len(members))
        merged[rng.permutation(members)] = start + np.arange(len(members)) % size
        home.append(np.full(size, code))
        start += size
    return merged[unit], np.concatenate(home)


def _draw(layer, n_resamples, rng):
    """Count how often each unit is drawn, (n_resamples, n_units), layer by layer."""
    counts = np.zeros((n_resamples, len(layer)), dtype=np.uint8)
    for code in np.unique(layer):
        members = np.flatnonzero(layer == code)
        step = max(1, 4_000_000 // len(members))
        for i in range(0, n_resamples, step):
            rows = min(step, n_resamples - i)
            counts[i:i + rows, members] = _multinomial(rows, len(members), rng)
    return counts


def _multinomial(rows, size, rng):
    drawn = rng.integers(0, size, (rows, size), dtype=np.int32)
    drawn += (np.arange(rows, dtype=np.int32) * size)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
