# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Exact multinomial counts, fast where the same ones are drawn thousands of times.

A bootstrap draws n items with replacement. If only the number of draws that fall
into each unit of c items matters, the counts are multinomial. They are drawn as
independent Poisson numbers of mean c m / n with m = n - 2 sqrt(n), whose
distribution functions are tabulated once; given their sum they are multinomial.
What is missing to n is drawn item by item, and a sum above n is drawn anew,
which leaves the counts given their sum as they are. So the result is exact, and
it costs one table look-up per unit instead of one draw per item.

Random numbers come from a counter: those of a resample depend on nothing but
the seed and the number of the resample, whatever block or thread it is in.
"""
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, xlogy

__all__ = ['CountPlan', 'count_plan', 'draw_counts', 'hash_counter', 'stream_starts']

#: Odd step of the counter and the multipliers of its hash (Steele, Lea & Flood
#: 2014, doi:10.1145/2660193.2660195).
STEP = np.uint64(0x9E3779B97F4A7C15)
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))

#: Random numbers set aside for one resample.
STREAM = np.uint64(2**32)


@dataclass(frozen=True)
class CountPlan:
    """
    Tables from which counts are drawn.

    Parameters
    ----------
    first : (n_layers + 1,) `~numpy.ndarray` of int
        Units of layer i are ``first[i]:first[i + 1]``; each layer has a
        multinomial of its own.
    items : (n_layers + 1,) `~numpy.ndarray` of int
        Likewise, the items.
    home : (n_items,) `~numpy.ndarray` of int
        Unit of each item.
    table : (n_units,) `~numpy.ndarray` of int
        Table of each unit.
    least, cdf_first, guide_first, guide_size : (n_tables,) `~numpy.ndarray` of int
        Smallest count of a table, where its distribution function and its guide
        begin, and the length of the guide, a power of two.
    cdf : `~numpy.ndarray`
        Distribution functions, one after the other.
    guide : `~numpy.ndarray` of int
        Entry of the distribution function at which a search may begin.
    """

    first: np.ndarray
    items: np.ndarray
    home: np.ndarray
    table: np.ndarray
    least: np.ndarray
    cdf_first: np.ndarray
    guide_first: np.ndarray
    guide_size: np.ndarray
    cdf: np.ndarray
    guide: np.ndarray


def count_plan(layers):
    """
    Tabulate what `draw_counts` needs.

    Parameters
    ----------
    layers : list of (n_units,) array_like of int
        Number of items in each unit of each layer, at least 1.

    Returns
    -------
    plan : `CountPlan`
        Tables for the units of all layers, one layer after the other.
    """
    layers = [np.asarray(layer, dtype=np.int64) for layer in layers]
    tables, table = [], []
    for layer in layers:
        sizes, index = np.unique(layer, return_inverse=True)
        table.append(index.reshape(-1) + len(tables))
        tables += [_poisson_table(size * _poisson_total(layer.sum()) / layer.sum())
                   for size in sizes]
    least, cdf, guide = zip(*tables)
    units = np.concatenate(layers)
    return CountPlan(
        first=_offsets([len(layer) for layer in layers]),
        items=_offsets([layer.sum() for layer in layers]),
        home=np.repeat(np.arange(len(units), dtype=np.uint32), units),
        table=np.concatenate(table).astype(np.int32), least=np.array(least, dtype=np.int64),
        cdf_first=_offsets([len(part) for part in cdf])[:-1],
        guide_first=_offsets([len(part) for part in guide])[:-1],
        guide_size=np.array([len(part) for part in guide], dtype=np.int64),
        cdf=np.concatenate(cdf), guide=np.concatenate(guide).astype(np.uint32))


def draw_counts(plan, resamples, *, seed=0):
    """
    Draw how often each unit occurs in some resamples.

    Parameters
    ----------
    plan : `CountPlan`
        From `count_plan`.
    resamples : (n,) array_like of int
        Numbers of the resamples.
    seed : int, optional
        Seed of all resamples.

    Returns
    -------
    counts : (n, n_units) `~numpy.ndarray` of int
        In each row and layer they sum to the number of items of the layer.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.multinomial import count_plan, draw_counts
    >>> plan = count_plan([[7000, 2000, 1000]])
    >>> counts = draw_counts(plan, np.arange(2000))
    >>> print(np.unique(counts.sum(axis=1)), counts.std(axis=0).round())
    [10000] [46. 41. 30.]
    """
    counter = stream_starts(seed, resamples)
    counts = np.empty((len(counter), plan.first[-1]), dtype=np.int64)
    for layer in range(len(plan.items) - 1):
        _draw_layer(plan, layer, counter, counts)
    return counts


def stream_starts(seed, resamples):
    """Return the counters at which the random numbers of some resamples begin."""
    with np.errstate(over='ignore'):
        origin = hash_counter(np.array([seed % 2**64], dtype=np.uint64) * STEP + MIX[0])
        return origin + np.asarray(resamples, dtype=np.uint64) * (STREAM * STEP)


def _draw_layer(plan, layer, counter, counts):
    """Fill the columns of one layer and move the counters on."""
    columns = slice(plan.first[layer], plan.first[layer + 1])
    n = plan.items[layer + 1] - plan.items[layer]
    rows = np.arange(len(counter))
    while len(rows):
        uniform = _uniforms(counter, rows, columns.stop - columns.start)
        counts[rows, columns] = _from_tables(plan, plan.table[columns], uniform)
        rows = rows[counts[rows, columns].sum(axis=1) > n]
    missing = n - counts[:, columns].sum(axis=1)
    for size in np.unique(missing[missing > 0]):
        rows = np.flatnonzero(missing == size)
        item = (_uniforms(counter, rows, size) * n).astype(np.int64) + plan.items[layer]
        np.add.at(counts, (rows[:, None], plan.home[item]), 1)


def _uniforms(counter, rows, size):
    """Return (n_rows, size) numbers in [0, 1) and move the counters of the rows on."""
    with np.errstate(over='ignore'):
        steps = np.arange(1, size + 1, dtype=np.uint64) * STEP
        drawn = hash_counter(counter[rows, None] + steps)
        counter[rows] += np.uint64(size) * STEP
    return (drawn >> np.uint64(11)) * 2.0**-53


def hash_counter(z):
    """Turn counters into random numbers of 64 bits."""
    z = (z ^ (z >> np.uint64(30))) * MIX[0]
    z = (z ^ (z >> np.uint64(27))) * MIX[1]
    return z ^ (z >> np.uint64(31))


def _from_tables(plan, table, uniform):
    counts = np.empty(uniform.shape, dtype=np.int64)
    for number in np.unique(table):
        columns = table == number
        ends = np.append(plan.cdf_first, len(plan.cdf))[number:number + 2]
        cdf = plan.cdf[slice(*ends)]
        counts[:, columns] = plan.least[number] + cdf.searchsorted(uniform[:, columns], 'right')
    return counts


def _poisson_total(n):
    return max(n - 2 * np.sqrt(n), 0.0)


def _poisson_table(mean):
    """Tabulate a Poisson distribution as far as a double can tell its tails from nothing."""
    reach = 9 * np.sqrt(mean) + 20
    least = max(int(mean - reach), 0)
    k = np.arange(least, int(mean + reach) + 1)
    density = np.exp(xlogy(k, mean) - mean - gammaln(k + 1.0))
    cdf = np.cumsum(density)
    cdf /= cdf[-1]
    cdf[-1] = 1.0
    size = 1 << int(len(cdf) - 1).bit_length()  # powers of two keep u * size exact
    return least, cdf, cdf.searchsorted(np.arange(size) / size, 'right')


def _offsets(sizes):
    return np.append(0, np.cumsum(sizes)).astype(np.int64)
