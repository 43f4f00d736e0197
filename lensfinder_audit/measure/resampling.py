# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Bootstrap of many weighted sums at once.

Every statistic that is a ratio of weighted sums over cells needs nothing of a
resample but how often each group was drawn. The counts are drawn once and kept;
all cells, thresholds and finders of an audit are then one matrix product with
the same resamples, so that differences between them are paired.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import numpy as np
from threadpoolctl import threadpool_limits

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.multinomial import STEP, hash_counter, stream_starts

__all__ = ['Resampler', 'codes', 'sampling_units', 'shared_units']

#: More units than this in all are merged at random: independent groups remain
#: independent when merged, and a standard error from 1,024 units is itself
#: known to 1/sqrt(2 * 1024) = 2.2 per cent.
MAX_UNITS = 1024

#: Counts in one block, and the number below which NumPy is done before numba
#: is imported.
_BLOCK, _COMPILE_ABOVE = 1_000_000, 5_000_000


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
    values = np.asarray(values)
    if values.dtype.kind in 'iu' and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < 4 * len(values) + 65536:  # a table of all numbers beats sorting
            return _dense_codes(values, low, high)
    if values.dtype.kind == 'U' and len(values) > 10000:
        return _word_codes(values)
    levels, code = np.unique(values, return_inverse=True)
    return code.reshape(-1), levels


def _dense_codes(values, low, high):
    wide = values if values.dtype.itemsize == 8 else values.astype(np.int64)
    least = wide.dtype.type(low)
    place = wide - least
    present = np.zeros(high - low + 1, dtype=bool)
    present[place] = True
    levels = np.flatnonzero(present).astype(wide.dtype) + least
    return (np.cumsum(present) - 1)[place], levels.astype(values.dtype)


def _word_codes(values):
    """Hash the words first, so that only the distinct ones are sorted."""
    import pyarrow as pa

    found = pa.array(values, type=pa.large_string()).dictionary_encode()
    levels = np.array(found.dictionary.to_pylist(), dtype=values.dtype)
    order = np.argsort(levels)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[found.indices.to_numpy()], levels[order]


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
        For a new `Resampler` where there is none to share; `None` makes none.

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
    if resampler is None and n_resamples is not None:
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
    (4000, 1) 0.25 0.021
    """

    def __init__(self, n, *, group=None, stratum=None, n_resamples=10000, seed=0,
                 max_units=MAX_UNITS):
        if n < 1 or n_resamples < 1:
            raise MeasurementError(f'a bootstrap needs rows and resamples; it got {n} rows and '
                                   f'{n_resamples} resamples')
        rng = np.random.default_rng([seed, 0x1e45])
        unit, layer = sampling_units(n, group=group, stratum=stratum)
        self.n_groups = len(layer)
        self.unit, self.layer = _in_order(*_merge(unit, layer, max_units, rng))
        self.n_units = len(self.layer)
        self.n_resamples = n_resamples
        self.counts = _draw(self.layer, n_resamples, seed)

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
            Sums by unit; their precision is that of the totals.
        first : int, optional
            Only so many of the resamples, the first ones.

        Returns
        -------
        totals : (n_resamples, n_columns) `~numpy.ndarray`
            Total of each column in each resample.
        """
        counts = self.counts[:first]
        totals = np.empty((len(counts), sums.shape[1]), dtype=sums.dtype)

        def fill(rows):
            np.matmul(counts[rows].astype(sums.dtype), sums, out=totals[rows])

        with threadpool_limits(1, user_api='blas'):  # threads that wait for each other cost most
            _by_blocks(fill, counts.shape)
        return totals

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
        success = np.asarray(success, dtype=bool)
        # successes and failures, so that rates of 0 and 1 are exact in any precision
        sums = [self.unit_sums(np.where(rows, weight, 0), cell=cell, n_cells=n_cells)
                for rows in (success, ~success)]
        sums = np.hstack(sums).astype(np.float32)
        totals = self.resample(sums)
        with np.errstate(invalid='ignore', divide='ignore'):
            return totals[:, :n_cells] / (totals[:, :n_cells] + totals[:, n_cells:])


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


def _in_order(unit, layer):
    """Number the units so that those of a layer stand together."""
    if (np.diff(layer) >= 0).all():
        return unit, layer
    order = np.argsort(layer, kind='stable')
    place = np.empty(len(layer), dtype=np.int64)
    place[order] = np.arange(len(layer))
    return place[unit], layer[order]


def _draw(layer, n_resamples, seed):
    """Count how often each unit is drawn, (n_resamples, n_units), layer by layer."""
    first = np.append(0, np.cumsum(np.bincount(codes(layer)[0])))
    counts = np.zeros((n_resamples, len(layer)), dtype=np.uint8)
    starts = stream_starts(seed, np.arange(n_resamples))
    draw = (_kernel() if counts.size > _COMPILE_ABOVE else None) or _draw_in_numpy
    _by_blocks(lambda rows: draw(starts[rows], first, counts[rows]), counts.shape)
    return counts


def _by_blocks(work, shape):
    """Do some work on every block of rows, on all cores."""
    step = max(1, _BLOCK // shape[1])
    blocks = [slice(i, i + step) for i in range(0, shape[0], step)]
    if len(blocks) == 1:
        work(blocks[0])
        return
    with ThreadPoolExecutor(_n_cores()) as pool:
        list(pool.map(work, blocks))


def _draw_in_numpy(starts, first, counts):
    """Half a random number of 64 bits is enough to choose one unit of a layer."""
    begin = starts[:, None]
    for low, high in zip(first[:-1], first[1:], strict=True):
        size, half = high - low, (high - low + 1) // 2
        with np.errstate(over='ignore'):
            drawn = hash_counter(begin + np.arange(1, half + 1, dtype=np.uint64) * STEP)
            begin = begin + np.uint64(half) * STEP
        drawn = np.stack([drawn >> np.uint64(32), drawn & np.uint64(2**32 - 1)], axis=-1)
        drawn = (drawn.reshape(len(counts), -1)[:, :size] * np.uint64(size)) >> np.uint64(32)
        index = drawn.astype(np.int64) + np.arange(len(counts))[:, None] * size
        found = np.bincount(index.ravel(), minlength=len(counts) * size)
        counts[:, low:high] = found.reshape(-1, size)


def _kernel():
    """Return the compiled loop, or None where numba is not installed."""
    try:
        from lensfinder_audit.measure._draw_kernel import draw_units
    except ImportError:
        return None
    return draw_units


def _n_cores():
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
