# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A sample of scores and labels, checked and sorted into levels of equal score."""
from dataclasses import dataclass

import numpy as np

from lensfinder_audit.exceptions import MeasurementError

__all__ = ['RankedSample', 'check_rates', 'rank_sample']

#: Slack of a comparison of false-positive rates, against rounding of their sums.
ROUNDING = 1e-10


@dataclass(frozen=True)
class RankedSample:
    """
    Scores sorted into levels of equal score, the highest first.

    Parameters
    ----------
    scores : (n_levels,) `~numpy.ndarray`
        The distinct scores, falling.
    level : (n,) `~numpy.ndarray` of int
        Level of each row.
    label : (n,) `~numpy.ndarray` of bool
        Whether each row is a positive.
    weight : (n,) `~numpy.ndarray`
        Weight of each row.
    """

    scores: np.ndarray
    level: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    def rows(self, label):
        """Return the number of rows of one class in each level."""
        return np.bincount(self.level[self.label == label], minlength=len(self.scores))

    def sums(self, label):
        """Return the weight of one class in each level."""
        keep = self.label == label
        return np.bincount(self.level[keep], self.weight[keep], len(self.scores))

    def curve(self):
        """Return the FPR and TPR of selecting each level and all above it."""
        false, true = np.cumsum(self.sums(False)), np.cumsum(self.sums(True))
        return false / false[-1], true / true[-1]

    def corners(self):
        """
        Return where the ROC curve turns: the last level of every run.

        Neighbouring levels that hold only positives, or only negatives, are one
        straight piece of the curve.
        """
        kind = (self.rows(True) > 0).astype(int) - (self.rows(False) > 0)
        turns = (kind[1:] != kind[:-1]) | (kind[1:] == 0)
        return np.append(np.flatnonzero(turns), len(kind) - 1)


def rank_sample(score, label, *, weight=None):
    """
    Check a sample and sort it into levels of equal score.

    Parameters
    ----------
    score : (n,) array_like
        Higher is more lens-like; no NaN.
    label : (n,) array_like of bool
        Whether a row is a positive; 0 and 1 will do.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.

    Returns
    -------
    sample : `RankedSample`
        Sorted levels.

    Raises
    ------
    MeasurementError
        If the sample is empty or of one class, lengths differ, a score is NaN,
        a label neither 0 nor 1, or a weight negative or not finite.
    """
    score, label = np.asarray(score, dtype=float), np.asarray(label)
    weight = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=float)
    if not score.ndim == label.ndim == weight.ndim == 1 \
            or not len(score) == len(label) == len(weight):
        raise MeasurementError(f'score, label and weight must be columns of one length; their '
                               f'shapes are {score.shape}, {label.shape} and {weight.shape}')
    _check_values(score, label, weight)
    label = label.astype(bool)
    for name, rows in (('positives', label), ('negatives', ~label)):
        if not weight[rows].sum() > 0:
            raise MeasurementError(f'a ranking needs both classes; of {len(label)} rows '
                                   f'{rows.sum()} are {name}, of total weight '
                                   f'{weight[rows].sum():g}')
    scores, level = np.unique(-score, return_inverse=True)
    return RankedSample(-scores, level.reshape(-1), label, weight)


def check_rates(fpr, *, name='fpr', least=0.0):
    """Return false-positive rates as an array, or say which one is not a rate."""
    fpr = np.asarray(fpr, dtype=float)
    bad = ~((fpr >= least) & (fpr <= 1))
    if bad.any() or not fpr.size:
        raise MeasurementError(f'{name} must lie {"in [0" if least == 0 else "above 0 and in (0"}, '
                               f'1]; it is {fpr[bad].flat[0] if fpr.size else "empty"}')
    return fpr


def _check_values(score, label, weight):
    if not len(score):
        raise MeasurementError('a ranking needs scores; the sample is empty')
    if np.isnan(score).any():
        raise MeasurementError(f'{np.isnan(score).sum()} of {len(score)} scores are NaN, the first '
                               f'in row {np.isnan(score).argmax()}; leave them out and say so')
    if label.dtype.kind not in 'biuf' or not np.isin(label, (0, 1)).all():
        raise MeasurementError(f'a label is 0 or 1 (False or True); the column holds '
                               f'{np.unique(label)[:4].tolist()}')
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise MeasurementError(f'{bad.sum()} of {len(weight)} weights are negative or not finite, '
                               f'the first in row {bad.argmax()}')
