# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How well simple features tell two classes apart, measured out of sample.

A probe that is fitted and measured on the same objects separates pure noise. This
one is fitted on some groups and measured on the others; its point, its interval
and its null come from the same out-of-fold scores.
"""
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.delong import auc_interval
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.resampling import codes

__all__ = ['Probe', 'probe', 'spread_features']


class Probe(NamedTuple):
    """Area under the out-of-fold ROC curve, its interval and its p-value against 0.5."""

    auc: float
    se: float
    lo: float
    hi: float
    p: float
    n_positive: int
    n_negative: int
    n_groups: int
    n_folds: int


def probe(features, label, *, group=None, n_folds=5, n_permutations=0, confidence=0.95, seed=0):
    """
    Tell two classes apart by a ridge discriminant, cross-validated by group.

    Parameters
    ----------
    features : (n, d) array_like
        Missing values are NaN; that they are missing is a feature too.
    label : (n,) array_like of bool
        Class of each row.
    group : (n,) array_like, optional
        Host, brick or pixel; a group is in one fold only.
    n_folds : int, optional
        Folds; fewer where a class has fewer groups.
    n_permutations : int, optional
        Relabelled fits for the p-value; 0 takes the normal distribution.
    confidence : float, optional
        Of the interval.
    seed : int, optional
        Of folds and permutations.

    Returns
    -------
    result : `Probe`
        ``auc`` is the mean of the areas within folds, weighted by their pairs;
        ``se``, ``lo`` and ``hi`` are of that mean; ``p`` is one-sided.

    Raises
    ------
    MeasurementError
        If a class has fewer than two groups, or lengths differ.

    Notes
    -----
    The direction is (S + g I)^-1 X^T (y - mean y) for standardised columns X with
    covariance S, the ridge g being d / (d + n), at least 0.01. The standard error is
    that of DeLong, with groups, in each fold. The fits of the folds share rows, which
    it does not know: with many features for few rows it is too small, so where there
    are permutations it is at least the scatter of theirs. Permutations exchange the labels of
    groups where each group has one label, those within groups where every group has
    both, and otherwise those of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.probe import probe
    >>> rng = np.random.default_rng(0)
    >>> label = np.arange(2000) < 600
    >>> noise = rng.normal(size=(2000, 20))
    >>> shifted = noise + 0.3 * label[:, None] * (np.arange(20) == 3)
    >>> print(f'{probe(noise, label).auc:.2f} {probe(shifted, label).auc:.2f}')
    0.49 0.57
    """
    label = np.asarray(label, dtype=bool)
    design = _design(features)
    unit = np.arange(len(label)) if group is None else codes(group)[0]
    if not len(design) == len(label) == len(unit):
        raise MeasurementError(f'features, label and group must have as many rows; they have '
                               f'{len(design)}, {len(label)} and {len(unit)}')
    rng = np.random.default_rng([seed, 0x9b0be])
    fold, n_folds = _folds(unit, label, n_folds, rng)
    columns = label[:, None]
    if n_permutations:
        columns = np.hstack([columns, _relabelled(label, unit, n_permutations, rng)])
    with threadpool_limits(1, user_api='blas'):  # small matrices: threads only wait
        scores = _out_of_fold(design, columns.astype(float), fold, n_folds)
    areas, weights, errors = [], [], []
    for k in range(n_folds):
        rows = fold == k
        area, pairs = _areas(scores[rows], columns[rows])
        areas.append(area)
        weights.append(pairs)
        errors.append(auc_interval(scores[rows, 0], label[rows],
                                   group=None if group is None else unit[rows]).se)
    weights = np.array(weights) / np.maximum(np.sum(weights, axis=0), 1)
    pooled = np.sum(weights * np.array(areas), axis=0)
    se = float(np.sqrt(np.sum((weights[:, 0] * np.array(errors))**2)))
    if n_permutations > 1 and se > 1e-12:
        se = max(se, float(np.std(pooled[1:], ddof=1)))
    return _finish(pooled, se, label, unit, n_folds, confidence)


def _finish(pooled, se, label, unit, n_folds, confidence):
    area = float(pooled[0])
    n_groups = [len(np.unique(unit[label == side])) for side in (True, False)]
    if se > 1e-12 and 0 < area < 1:
        half = ndtri((1 + confidence) / 2) * se / (area * (1 - area))
        lo, hi = expit(logit(area) + half * np.array([-1, 1]))
        p = float(ndtr((0.5 - area) / se))
    else:  # every fold in perfect order: the exact bound of as many disjoint pairs
        lo, hi = binomial_interval(min(n_groups) * area, min(n_groups), method='clopper-pearson',
                                   confidence=confidence, sides=1)
        p = float(0.5**min(n_groups)) if area > 0.5 else 1.0
    if len(pooled) > 1:
        p = float((1 + np.sum(pooled[1:] >= area - 1e-12)) / len(pooled))
    return Probe(area, se, float(lo), float(hi), p, int(label.sum()), int((~label).sum()),
                 len(np.unique(unit)), n_folds)


def spread_features(columns, *, n_bins=8):
    """
    Turn columns into indicators, so that a linear probe follows any dependence.

    Parameters
    ----------
    columns : dict of str to (n,) array_like
        Numbers, which are cut at their quantiles, or words.
    n_bins : int, optional
        Bins of a number; the commonest words of a column of words.

    Returns
    -------
    features : (n, d) `~numpy.ndarray`
        0 and 1; missing numbers have a column of their own.

    Examples
    --------
    >>> from lensfinder_audit.measure.probe import spread_features
    >>> spread_features({'type': ['SER', 'DEV', 'SER'], 'ebv': [0.1, 0.2, float('nan')]}, n_bins=2)
    array([[0., 1., 1., 0., 0.],
           [1., 0., 0., 1., 0.],
           [0., 1., 0., 0., 1.]])
    """
    found = []
    for values in columns.values():
        values = np.asarray(getattr(values, 'value', values))
        if values.dtype.kind in 'USO':
            code, levels = codes(values.astype(str))
            common = np.argsort(-np.bincount(code), kind='stable')[:n_bins]
            found += [code == level for level in np.sort(common)]
            continue
        values = values.astype(float)
        good = np.isfinite(values)
        edges = np.unique(np.quantile(values[good], np.linspace(0, 1, n_bins + 1))) if (
            good.any()) else np.zeros(2)
        place = np.where(good, np.searchsorted(edges[1:-1], values, side='right'), -1)
        found += [place == k for k in range(max(len(edges) - 1, 1))]
        if not good.all():
            found.append(~good)
    return np.stack(found, axis=1).astype(float)


def _design(features):
    """Standardise columns; a missing value is the mean, and an indicator beside it."""
    features = np.asarray(features, dtype=float)
    features = features[:, None] if features.ndim == 1 else features
    missing = ~np.isfinite(features)
    if missing.any():
        part = missing.any(axis=0)
        filled = np.where(missing, np.nan, features)
        mean = np.nansum(filled, axis=0) / np.maximum((~missing).sum(axis=0), 1)
        features = np.hstack([np.where(missing, mean, features), missing[:, part]])
    spread = features.std(axis=0)
    keep = spread > 1e-12 * np.maximum(np.abs(features).max(axis=0, initial=0), 1e-300)
    if not keep.any():
        return np.zeros((len(features), 1))
    return (features[:, keep] - features[:, keep].mean(axis=0)) / spread[keep]


def _folds(unit, label, n_folds, rng):
    """Deal groups to folds, those with a positive first, so that every fold has some."""
    positive = np.bincount(unit, label) > 0
    negative = np.bincount(unit, ~label) > 0
    n_folds = int(min(n_folds, positive.sum(), negative.sum()))
    if n_folds < 2:
        raise MeasurementError(f'a probe needs two groups of each class; it has {positive.sum()} '
                               f'and {negative.sum()}')
    home = np.empty(len(positive), dtype=np.int64)
    start = 0
    for members in (positive & negative, positive & ~negative, ~positive):
        which = rng.permutation(np.flatnonzero(members))
        home[which] = (start + np.arange(len(which))) % n_folds
        start += len(which)
    return home[unit], n_folds


def _relabelled(label, unit, n, rng):
    share = np.bincount(unit, label) / np.bincount(unit)
    if len(share) == len(label) or ((share > 0) & (share < 1)).any() and not (
            (share > 0) & (share < 1)).all():
        return np.stack([rng.permutation(label) for _ in range(n)], axis=1)
    if (share > 0).all():  # pairs and the like: exchange within groups
        return np.stack([_within(label, unit, rng) for _ in range(n)], axis=1)
    return np.stack([rng.permutation(share > 0)[unit] for _ in range(n)], axis=1)


def _within(label, unit, rng):
    found, order = np.empty(len(label), dtype=bool), np.lexsort((rng.random(len(label)), unit))
    found[np.argsort(unit, kind='stable')] = label[order]
    return found


def _out_of_fold(design, columns, fold, n_folds):
    scores = np.empty(columns.shape)
    for k in range(n_folds):
        train, test = design[fold != k], design[fold == k]
        centered = columns[fold != k] - columns[fold != k].mean(axis=0)
        n, d = train.shape
        spread = train.T @ train / n + max(d / (d + n), 0.01) * np.eye(d)
        scores[fold == k] = test @ np.linalg.solve(spread, train.T @ centered / n)
    return scores


def _areas(scores, columns):
    """Return the AUC of every column, and its number of pairs."""
    scores = scores.round(12)
    ranks = rankdata(scores, axis=0)
    positives = columns.sum(axis=0)
    pairs = positives * (len(columns) - positives)
    total = np.sum(ranks * columns, axis=0) - positives * (positives + 1) / 2
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.where(pairs > 0, total / np.maximum(pairs, 1), 0.5), pairs
