# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Standard error, interval and paired test of the area under the ROC curve."""
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtr, stdtrit

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.ranked import rank_sample
from lensfinder_audit.measure.resampling import codes

__all__ = ['AUCInterval', 'DeLong', 'DeLongTest', 'auc_interval', 'delong', 'delong_test']


class DeLong(NamedTuple):
    """Area under the ROC curve, its standard error and the ends of its interval."""

    auc: float
    se: float
    lo: float
    hi: float


class AUCInterval(NamedTuple):
    """The same, with the name of the interval."""

    auc: float
    se: float
    lo: float
    hi: float
    interval: str


class DeLongTest(NamedTuple):
    """Difference of two areas, its standard error and the two-sided p-value."""

    difference: float
    se: float
    p: float


def delong(score, label, *, confidence=0.95, group=None):
    """
    Measure the AUC with its standard error and interval.

    Parameters
    ----------
    score : (n,) array_like
        Higher is more lens-like; no NaN.
    label : (n,) array_like of bool
        Whether a row is a positive.
    confidence : float, optional
        Confidence of the interval.
    group : (n,) array_like, optional
        Host, brick or pixel; rows of one group are not independent.

    Returns
    -------
    result : `DeLong`
        ``auc``, ``se``, ``lo`` and ``hi``. ``se`` is NaN where a class has a
        single row or group.

    Raises
    ------
    MeasurementError
        If the confidence is not between 0 and 1, or as for
        `~lensfinder_audit.measure.ranked.rank_sample`.

    See Also
    --------
    auc_interval : The same with weights; it also names the interval.

    Notes
    -----
    The variance is that of the structural components [1]_, found by sorting
    [2]_ in O(n log n). With groups the components are summed by group, and the
    covariance of positives and negatives of one group enters [3]_. The interval
    is symmetric in logit(AUC) [4]_, with the Student t quantile at twice
    (sum z^2)^2 / sum z^4 degrees of freedom, z being what a row or a group adds to
    the linearised AUC: near AUC = 1 the standard error rests on the few positives
    with low scores. With groups there are at most one less than the smaller number
    of groups. The factor 2 was chosen by the simulated coverage that
    ``benchmarks/interval_coverage.py`` measures.

    Where the standard error vanishes or does not exist, as in a perfectly
    separated sample, it says nothing. Then m disjoint pairs of a positive and a
    negative are independent, each in order with probability AUC, and the
    interval is the exact binomial one [5]_ at m = min(positives, negatives). At
    AUC = 1 it is the one-sided bound (1 - confidence)^(1/m): no distribution
    with a smaller AUC separates so many objects perfectly more often than that.

    References
    ----------
    .. [1] DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595
    .. [2] Sun & Xu 2014, doi:10.1109/LSP.2014.2337313
    .. [3] Obuchowski 1997, doi:10.2307/2533958
    .. [4] Pepe 2003, The Statistical Evaluation of Medical Tests (Oxford)
    .. [5] Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> from lensfinder_audit.measure.ranking import delong
    >>> found = delong([0.1, 0.3, 0.5, 0.6, 0.2, 0.7, 0.8, 0.9], [0, 0, 0, 0, 1, 1, 1, 1])
    >>> print('{:.4f} +- {:.4f}, {:.2f} to {:.2f}'.format(*found))
    0.8125 +- 0.1976, 0.11 to 0.99
    >>> print('{:.0f} +- {:.0f}, {:.2f} to {:.0f}'.format(*delong([1, 2, 3, 4], [0, 0, 1, 1])))
    1 +- 0, 0.22 to 1
    """
    return DeLong(*auc_interval(score, label, confidence=confidence, group=group)[:4])


def auc_interval(score, label, *, weight=None, group=None, confidence=0.95):
    """
    Measure the AUC, its standard error and an interval that names itself.

    Parameters
    ----------
    score, label, group, confidence
        As for `delong`.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for. The variance is then
        that of the linearised weighted statistic [1]_, of which that of
        `delong` is the case of equal weights.

    Returns
    -------
    result : `AUCInterval`
        ``auc``, ``se``, ``lo``, ``hi`` and ``interval``, one of ``'delong
        (logit)'``, ``'clustered delong (logit)'``, ``'linearised (logit)'``,
        ``'clustered linearised (logit)'`` and, where the standard error says
        nothing, ``'clopper-pearson on disjoint pairs'``, one- or two-sided. For
        weighted rows its number of pairs is Kish's effective one [2]_.

    Raises
    ------
    MeasurementError
        As for `delong`.

    References
    ----------
    .. [1] Binder 1983, doi:10.2307/1402588
    .. [2] Kish 1965, Survey Sampling (Wiley)

    Examples
    --------
    >>> from lensfinder_audit.measure.ranking import auc_interval
    >>> auc_interval([1, 2, 3, 4], [0, 1, 0, 1], weight=[90, 1, 10, 1]).interval
    'linearised (logit)'
    """
    if not 0 < confidence < 1:
        raise MeasurementError(f'confidence must lie between 0 and 1, not {confidence}')
    sample = rank_sample(score, label, weight=weight)
    area, influence = _influence(sample)
    group = _groups(sample, group)
    se = _standard_error(influence, sample.label, group)
    if not se > 1e-12:
        return _by_disjoint_pairs(sample, area, se, group, confidence)
    freedom = _freedom(influence, sample.label, group)
    half = stdtrit(freedom, (1 + confidence) / 2) * se / (area * (1 - area))
    lo, hi = expit(logit(area) + half * np.array([-1, 1]))
    kind = 'delong' if weight is None else 'linearised'
    name = f'{"" if group is None else "clustered "}{kind} (logit)'
    return AUCInterval(area, se, float(lo), float(hi), name)


def delong_test(score_a, score_b, label, *, group=None):
    """
    Compare the AUC of two finders on the same objects.

    Parameters
    ----------
    score_a, score_b : (n,) array_like
        Scores of the two finders; their scales need not agree.
    label : (n,) array_like of bool
        Whether a row is a positive.
    group : (n,) array_like, optional
        Host, brick or pixel; rows of one group are not independent.

    Returns
    -------
    result : `DeLongTest`
        ``difference`` (a minus b), ``se`` and two-sided ``p`` from the normal
        distribution. Where the standard error vanishes, p is 1 for equal
        areas and otherwise NaN, as the test does not exist.

    Raises
    ------
    MeasurementError
        As for `~lensfinder_audit.measure.ranked.rank_sample`.

    Notes
    -----
    The test of DeLong, DeLong & Clarke-Pearson (1988, doi:10.2307/2531595), with
    groups in the manner of Obuchowski (1997, doi:10.2307/2533958). Compare two
    finders on a sample that neither chose.

    Examples
    --------
    >>> from lensfinder_audit.measure.ranking import delong_test
    >>> label = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> found = delong_test([1, 2, 3, 5, 4, 6, 7, 8], [1, 4, 6, 2, 5, 3, 7, 8], label)
    >>> print('{:.4f} +- {:.4f}, p = {:.2f}'.format(*found))
    0.1250 +- 0.2041, p = 0.54
    """
    first, second = rank_sample(score_a, label), rank_sample(score_b, label)
    (area_a, influence_a), (area_b, influence_b) = _influence(first), _influence(second)
    group = _groups(first, group)
    se = _standard_error(influence_a - influence_b, first.label, group)
    difference = area_a - area_b
    if not se > 1e-12:
        return DeLongTest(difference, se, 1.0 if abs(difference) < 1e-12 else np.nan)
    return DeLongTest(difference, se, float(2 * ndtr(-abs(difference) / se)))


def _influence(sample):
    """Return the AUC and what each row adds to its linearised sampling error."""
    negatives, positives = sample.sums(False), sample.sums(True)
    below = negatives.sum() - np.cumsum(negatives) + negatives / 2
    above = np.cumsum(positives) - positives / 2
    area = float(np.sum(negatives * above) / (negatives.sum() * positives.sum()))
    component = np.where(sample.label, (below / negatives.sum())[sample.level],
                         (above / positives.sum())[sample.level])
    total = np.where(sample.label, positives.sum(), negatives.sum())
    return area, sample.weight / total * (component - area)


def _standard_error(influence, label, group):
    if group is None:
        n = np.array([(~label).sum(), label.sum()])
        squares = np.array([np.sum(influence[label == side]**2) for side in (False, True)])
        return _root(np.sum(squares * _bessel(n)))
    n_negative, n_positive, n_groups = _group_counts(label, group)
    sums = [np.bincount(group, influence * (label == side)) for side in (False, True)]
    return _root(np.sum(sums[0]**2) * _bessel(n_negative) + np.sum(sums[1]**2) * _bessel(n_positive)
                 + 2 * np.sum(sums[0] * sums[1]) * _bessel(n_groups))


def _freedom(influence, label, group):
    """Degrees of freedom of the standard error, few where few positives or groups carry it."""
    least = np.inf
    if group is not None:
        influence, least = (np.bincount(group, influence),
                            _group_counts(label, group)[:2].min() - 1)
    spread = np.sum(influence**2)**2 / np.maximum(np.sum(influence**4), 1e-300)
    return max(min(2 * spread, least), 1)


def _bessel(n):
    with np.errstate(divide='ignore'):
        return np.where(np.asarray(n) > 1, n / np.subtract(n, 1.0), np.nan)


def _root(variance):
    # the covariance of few groups can outweigh both variances
    return float(np.sqrt(np.maximum(variance, 0)))


def _groups(sample, group):
    if group is None:
        return None
    group = codes(group)[0]
    if len(group) != len(sample.label):
        raise MeasurementError(f'group must have one entry per score; it has {len(group)} for '
                               f'{len(sample.label)}')
    return group


def _group_counts(label, group):
    """Count the groups with negatives, with positives, and all."""
    return np.array([len(np.unique(group[~label])), len(np.unique(group[label])),
                     len(np.unique(group))])


def disjoint_pairs(sample, group=None):
    """Return how many pairs of a positive and a negative share no row and no group."""
    if group is not None:
        n_negative, n_positive, n_groups = _group_counts(sample.label, group)
        return float(min(n_negative, n_positive, max(n_groups // 2, 1)))
    sizes = [sample.weight[sample.label == side] for side in (False, True)]
    return min(float(w.sum()**2 / np.sum(w**2)) for w in sizes)


def _by_disjoint_pairs(sample, area, se, group, confidence):
    m = disjoint_pairs(sample, group)
    sides = 1 if min(area, 1 - area) < 1e-12 else 2
    area = float(np.round(area)) if sides == 1 else area
    lo, hi = binomial_interval(m * area, m, method='clopper-pearson', confidence=confidence,
                               sides=sides)
    name = f'clopper-pearson on disjoint pairs ({"one" if sides == 1 else "two"}-sided)'
    return AUCInterval(area, se, float(lo), float(hi), name)
