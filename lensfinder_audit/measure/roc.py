# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Points and areas of a receiver operating characteristic (ROC) curve.

Scores tie, and finders saturate at 1. Objects with one score are never put in an
order that the finder did not give: a tie counts one half in an area, and an
operating point that falls into a tied block reports what it could be.
"""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.ranked import ROUNDING, check_rates, rank_sample

__all__ = ['auc', 'partial_auc', 'roc_curve_table', 'standardise_partial_auc', 'tpr_at_fpr']


def auc(score, label, *, weight=None):
    """
    Measure the area under the ROC curve.

    Parameters
    ----------
    score, label, weight : (n,) array_like
        As for `~lensfinder_audit.measure.ranked.rank_sample`.

    Returns
    -------
    auc : float
        Weighted fraction of (positive, negative) pairs in which the positive
        has the higher score; a tie counts one half [1]_.

    Raises
    ------
    MeasurementError
        As for `~lensfinder_audit.measure.ranked.rank_sample`.

    References
    ----------
    .. [1] Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747

    Examples
    --------
    >>> from lensfinder_audit.measure.ranking import auc
    >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    sample = rank_sample(score, label, weight=weight)
    return _area(*sample.curve(), 1.0)


def partial_auc(score, label, *, max_fpr, weight=None, standardised=True):
    """
    Measure the area under the low-FPR end of the ROC curve.

    Parameters
    ----------
    score, label, weight : (n,) array_like
        As for `~lensfinder_audit.measure.ranked.rank_sample`.
    max_fpr : float
        False-positive rate at which the area ends, in (0, 1].
    standardised : bool, optional
        Bring the area to 0.5 for a finder that guesses and 1 for a perfect one
        [1]_; otherwise it lies between 0 and ``max_fpr``.

    Returns
    -------
    area : float
        Partial area.

    Raises
    ------
    MeasurementError
        If ``max_fpr`` is not in (0, 1], or as for
        `~lensfinder_audit.measure.ranked.rank_sample`.

    References
    ----------
    .. [1] McClish 1989, doi:10.1177/0272989X8900900307

    Examples
    --------
    >>> from lensfinder_audit.measure.ranking import partial_auc
    >>> score, label = [0.1, 0.2, 0.3, 0.7, 0.6, 0.9], [0, 0, 0, 0, 1, 1]
    >>> partial_auc(score, label, max_fpr=0.25, standardised=False)
    0.125
    """
    check_rates(max_fpr, name='max_fpr', least=np.nextafter(0, 1))
    sample = rank_sample(score, label, weight=weight)
    area = _area(*sample.curve(), max_fpr)
    return standardise_partial_auc(area, max_fpr) if standardised else area


def standardise_partial_auc(area, max_fpr):
    """
    Bring a partial area to 0.5 for a finder that guesses and 1 for a perfect one.

    Parameters
    ----------
    area : array_like
        Area under the ROC curve up to ``max_fpr``.
    max_fpr : float
        False-positive rate at which it ends.

    Returns
    -------
    standardised : `~numpy.ndarray`
        (1 + (area - least) / (greatest - least)) / 2 with least = max_fpr^2 / 2
        and greatest = max_fpr (McClish 1989, doi:10.1177/0272989X8900900307).
        It falls below 0.5 for a finder that does worse than guess.
    """
    least = max_fpr**2 / 2
    return (1 + (area - least) / (max_fpr - least)) / 2


def tpr_at_fpr(score, label, fpr, *, weight=None):
    """
    Measure the completeness at stated false-positive rates.

    The threshold is the smallest score in the sample at which the weighted FPR
    is at most ``fpr``; objects at or above it are selected.

    Parameters
    ----------
    score, label, weight : (n,) array_like
        As for `~lensfinder_audit.measure.ranked.rank_sample`.
    fpr : float or (n_fpr,) array_like
        False-positive rates, in [0, 1].

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per rate: ``fpr``, ``tpr``, ``threshold`` (infinite where not
        even the highest score will do), ``fpr_reached``, ``n_negatives_above``
        (rows that the point rests on), ``n_tied`` (rows in the mixed block
        of equal scores that the point cuts, or 0), ``tpr_least`` and
        ``tpr_greatest`` over every order of the objects in that block.

    Raises
    ------
    MeasurementError
        If a rate is outside [0, 1], or as for
        `~lensfinder_audit.measure.ranked.rank_sample`.

    Examples
    --------
    Half of the positives and two of ten negatives are saturated at 1:

    >>> import numpy as np
    >>> from lensfinder_audit.measure.ranking import tpr_at_fpr
    >>> score = np.r_[1, 1, 0.9, 0.8, 1, 1, [0.5] * 8]
    >>> point = tpr_at_fpr(score, np.arange(14) < 4, 0.1)[0]
    >>> print(point['tpr_least'], point['tpr_greatest'], point['n_tied'])
    0.0 0.5 4
    """
    wanted = np.atleast_1d(check_rates(fpr))
    sample = rank_sample(score, label, weight=weight)
    reached, tpr = (np.append(0, values) for values in sample.curve())
    # the point before the first level is the empty selection
    last = np.searchsorted(reached, wanted * (1 + ROUNDING), side='right') - 1
    after = np.minimum(last + 1, len(tpr) - 1)
    cut = tpr[after] > tpr[last]
    rows = {name: np.append(0, sample.rows(name)) for name in (False, True)}
    return QTable({
        'fpr': wanted, 'tpr': tpr[last], 'threshold': np.append(np.inf, sample.scores)[last],
        'fpr_reached': reached[last], 'n_negatives_above': np.cumsum(rows[False])[last],
        'n_tied': np.where(cut, (rows[False] + rows[True])[after], 0),
        'tpr_least': tpr[last], 'tpr_greatest': tpr[after]})


def roc_curve_table(score, label, *, weight=None, max_points=2000):
    """
    Tabulate the ROC curve.

    Points inside a straight horizontal or vertical piece are left out, which
    loses nothing. Where more than ``max_points`` are left, the half of lowest
    FPR is kept whole and the others are thinned evenly.

    Parameters
    ----------
    score, label, weight : (n,) array_like
        As for `~lensfinder_audit.measure.ranked.rank_sample`.
    max_points : int, optional
        Greatest number of rows, at least 4.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``fpr``, ``tpr`` and ``threshold`` (objects at or above it are
        selected), from (0, 0) at an infinite threshold to (1, 1).

    Raises
    ------
    MeasurementError
        If ``max_points`` is below 4, or as for
        `~lensfinder_audit.measure.ranked.rank_sample`.

    Examples
    --------
    >>> from lensfinder_audit.measure.ranking import roc_curve_table
    >>> table = roc_curve_table([0.1, 0.2, 0.3, 0.8, 0.9], [0, 0, 0, 1, 1])
    >>> print(table)
    fpr tpr threshold
    --- --- ---------
    0.0 0.0       inf
    0.0 1.0       0.8
    1.0 1.0       0.1
    """
    if max_points < 4:
        raise MeasurementError(f'a ROC curve needs max_points of at least 4, not {max_points}')
    sample = rank_sample(score, label, weight=weight)
    keep = sample.corners()
    if len(keep) >= max_points:
        head = max_points // 2
        tail = np.linspace(head, len(keep) - 1, max_points - 1 - head).round().astype(int)
        keep = keep[np.append(np.arange(head), tail)]
    fpr, tpr = sample.curve()
    return QTable({'fpr': np.append(0, fpr[keep]), 'tpr': np.append(0, tpr[keep]),
                   'threshold': np.append(np.inf, sample.scores[keep])})


def _area(fpr, tpr, max_fpr):
    """Integrate the curve from 0 to max_fpr along its straight pieces."""
    fpr, tpr = np.append(0, fpr), np.append(0, tpr)
    if max_fpr < 1:
        keep = fpr <= max_fpr
        tpr = np.append(tpr[keep], np.interp(max_fpr, fpr, tpr))
        fpr = np.append(fpr[keep], max_fpr)
    return float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1])) / 2)
