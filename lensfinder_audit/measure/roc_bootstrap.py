# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Bootstrap of the ROC curve of a large sample.

Sorted by score, a sample of half a million negatives and a few thousand positives
is a few thousand runs of one class and blocks of ties. Within a run the order of
the objects is of no consequence, so a resample needs only how often each run was
drawn: counts that are multinomial, with no approximation made.
"""
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass

import numpy as np

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.multinomial import count_plan, draw_counts, stream_starts
from lensfinder_audit.measure.ranked import ROUNDING, check_rates, rank_sample
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.measure.roc import standardise_partial_auc

__all__ = ['RocBootstrap', 'roc_bootstrap']

#: Counts drawn and summed in one call, about five seconds on one core. A sample
#: that would need more gets fewer resamples, and never less than this many.
MAX_DRAWS = 1_000_000_000
MIN_RESAMPLES = 200

#: Resamples that the compiled loop makes side by side.
BLOCK = 16

#: Below this many counts NumPy is done before numba is imported.
COMPILE_ABOVE = 5_000_000


@dataclass(frozen=True)
class RocBootstrap:
    """
    Statistics of resampled ROC curves; NaN where a resample lacks a class.

    Parameters
    ----------
    auc : (n_resamples,) `~numpy.ndarray`
        Area under the curve.
    tpr : (n_resamples, n_fpr) `~numpy.ndarray`
        True-positive rate at each of ``fpr``.
    partial_auc, partial_auc_raw : (n_resamples,) `~numpy.ndarray`
        Area up to ``max_fpr``, standardised (0.5 for a guess, 1 for perfect)
        and as it is.
    fpr : (n_fpr,) `~numpy.ndarray`
        False-positive rates.
    max_fpr : float
        Where the partial area ends.
    n_resamples, seed : int
        Number of resamples made, and their seed.
    n_units, n_runs : int
        Counts drawn per resample, and straight pieces of the curve.
    resampled : str
        ``'rows of each class'`` or ``'groups'``.
    """

    auc: np.ndarray
    tpr: np.ndarray
    partial_auc: np.ndarray
    partial_auc_raw: np.ndarray
    fpr: np.ndarray
    max_fpr: float
    n_resamples: int
    seed: int
    n_units: int
    n_runs: int
    resampled: str


def roc_bootstrap(score, label, *, weight=None, group=None, n_resamples=10000, seed=0,
                  fpr=(1e-1, 1e-2, 1e-3, 1e-4), max_fpr=0.01):
    """
    Bootstrap the AUC, the partial AUC and the completeness at stated FPRs.

    Parameters
    ----------
    score : (n,) array_like
        Higher is more lens-like; no NaN.
    label : (n,) array_like of bool
        Whether a row is a positive.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    group : (n,) array_like, optional
        Host, brick or pixel. Groups are then drawn with all their rows, from
        both classes at once; otherwise rows, from each class by itself.
    n_resamples : int, optional
        Number of resamples wanted.
    seed : int, optional
        Seed; the result depends on nothing else, neither on the number of
        threads nor on whether numba is there.
    fpr : (n_fpr,) array_like, optional
        False-positive rates, in [0, 1].
    max_fpr : float, optional
        Where the partial area ends, in (0, 1].

    Returns
    -------
    draws : `RocBootstrap`
        One value of each statistic per resample [1]_.

    Raises
    ------
    MeasurementError
        If a rate or ``n_resamples`` is out of range, or as for
        `~lensfinder_audit.measure.ranked.rank_sample`.

    Notes
    -----
    A resample costs one count for each pair of run and distinct weight, or for
    each group and each of its runs. With weights that all differ, or a group
    per row, that is one per row; then fewer resamples than wanted are made
    where they would be more than ``MAX_DRAWS`` counts, and ``n_resamples`` of the
    result says how many. Memory does not grow with their number. The threshold
    is drawn anew with every resample, so its own uncertainty is in the draws.

    References
    ----------
    .. [1] Efron 1979, doi:10.1214/aos/1176344552

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.ranking import delong, roc_bootstrap
    >>> rng = np.random.default_rng(1)
    >>> label = np.arange(2000) < 200
    >>> score = rng.normal(1.5 * label)
    >>> draws = roc_bootstrap(score, label, n_resamples=2000, fpr=[0.1])
    >>> print(draws.tpr.shape, round(draws.auc.std() / delong(score, label).se, 1))
    (2000, 1) 1.0
    """
    if n_resamples < 1:
        raise MeasurementError(f'n_resamples must be at least 1, not {n_resamples}')
    fpr = np.atleast_1d(check_rates(fpr))
    check_rates(max_fpr, name='max_fpr', least=np.nextafter(0, 1))
    sample = rank_sample(score, label, weight=weight)
    run = np.searchsorted(sample.corners(), sample.level)
    plan, entries = _by_class(sample, run) if group is None else _by_group(sample, run, group)
    n_units, n_runs = int(plan.first[-1]), int(run.max()) + 1
    cost = n_units + len(entries[0])
    n_resamples = int(min(n_resamples, max(MAX_DRAWS // cost, MIN_RESAMPLES)))
    draw = _compiled if cost * n_resamples > COMPILE_ABOVE and _kernels() else _in_numpy
    drawn = draw(plan, entries, n_runs, np.append(fpr, max_fpr), n_resamples, seed)
    return RocBootstrap(drawn[:, 0], drawn[:, 2:], standardise_partial_auc(drawn[:, 1], max_fpr),
                        drawn[:, 1], fpr, float(max_fpr), n_resamples, seed, n_units, n_runs,
                        'rows of each class' if group is None else 'groups')


def _by_class(sample, run):
    """Units are the rows of one class, run and weight; each class is a layer."""
    layers, entries = [], []
    for side in (False, True):
        rows = sample.label == side
        weights, kind = np.unique(sample.weight[rows], return_inverse=True)
        cell, size = np.unique(run[rows] * len(weights) + kind.reshape(-1), return_counts=True)
        entries.append((cell // len(weights), np.full(len(cell), int(side)),
                        np.arange(len(cell)) + sum(map(len, layers)), weights[cell % len(weights)]))
        layers.append(size)
    return count_plan(layers), _entries(*(np.concatenate(column) for column in zip(*entries)))


def _by_group(sample, run, group):
    """Units are groups; an entry is what a group adds to a class of a run."""
    group, levels = codes(group)
    if len(group) != len(run):
        raise MeasurementError(f'group must have one entry per score; it has {len(group)} for '
                               f'{len(run)}')
    key, index = np.unique((run * 2 + sample.label) * len(levels) + group, return_inverse=True)
    weight = np.bincount(index.reshape(-1), sample.weight)
    side = key // len(levels)
    return count_plan([np.ones(len(levels), dtype=np.int64)]), _entries(
        side // 2, side % 2, key % len(levels), weight)


def _entries(run, side, unit, weight):
    return (run.astype(np.int32), side.astype(np.int8), unit.astype(np.int32),
            weight.astype(float))


def _kernels():
    """Return the compiled kernels, or None where numba is not installed."""
    try:
        from lensfinder_audit.measure import _roc_kernels
    except ImportError:
        return None
    return _roc_kernels


def _compiled(plan, entries, n_runs, fpr, n_resamples, seed):
    out = np.empty((n_resamples, len(fpr) + 1))
    starts = stream_starts(seed, np.arange(n_resamples))
    plan, kernel = astuple(plan), _kernels().resample_block

    def fill(part):
        kernel(plan, entries, n_runs, fpr, ROUNDING, starts[part], out[part])

    step = BLOCK
    with ThreadPoolExecutor(_n_cores()) as pool:
        list(pool.map(fill, [slice(i, i + step) for i in range(0, n_resamples, step)]))
    return out


def _n_cores():
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_numpy(plan, entries, n_runs, fpr, n_resamples, seed):
    step = max(1, 1_000_000 // (len(entries[0]) + int(plan.first[-1])))
    blocks = [np.arange(i, min(i + step, n_resamples)) for i in range(0, n_resamples, step)]
    return np.concatenate([
        _measure(_sum_runs(draw_counts(plan, block, seed=seed), entries, n_runs), fpr)
        for block in blocks])


def _sum_runs(counts, entries, n_runs):
    """Return the weight of both classes in the runs of each resample, (n, 2, n_runs)."""
    run, side, unit, weight = entries
    index = np.arange(len(counts))[:, None] * (2 * n_runs) + (side.astype(np.int64) * n_runs + run)
    sums = np.bincount(index.ravel(), (counts[:, unit] * weight).ravel(),
                       len(counts) * 2 * n_runs)
    return sums.reshape(len(counts), 2, n_runs)


def _measure(runs, fpr):
    """Return AUC, area up to the last FPR, and TPR at the others, for each resample."""
    width, rise = runs[:, 0], runs[:, 1]
    false, true = np.cumsum(width, axis=1), np.cumsum(rise, axis=1)
    n_negative, n_positive = false[:, -1:].copy(), true[:, -1:].copy()
    with np.errstate(invalid='ignore', divide='ignore'):
        part = np.clip((fpr[-1] * n_negative - false + width) / width, 0, 1)
        part = np.where(width > 0, part, 0)
        areas = [np.sum(share * width * (true - rise + share * rise / 2), axis=1)
                 for share in (1.0, part)]
        out = np.stack(areas, axis=1) / (n_negative * n_positive)
        tpr = [np.max(np.where(false <= rate * n_negative * (1 + ROUNDING), true, 0), axis=1)
               for rate in fpr[:-1]]
        out = np.hstack([out, np.stack(tpr, axis=1) / n_positive])
    out[((n_negative <= 0) | (n_positive <= 0))[:, 0]] = np.nan
    return out
