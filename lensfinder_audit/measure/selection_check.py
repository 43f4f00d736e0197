# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Is a smooth completeness calibrated on injections into hosts that it has not seen?"""
import numpy as np

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.calibration_fit import calibration_fits
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.measure.selection_model import fit_splines

__all__ = ['check_splines']


def check_splines(columns, success, *, weight=None, group=None, n_knots=4, n_folds=5,
                  confidence=0.95):
    """
    Check the calibration of the model on hosts that it has not seen.

    Parameters
    ----------
    columns, success, weight, group, n_knots
        As for `~lensfinder_audit.measure.selection_model.fit_splines`.
    n_folds : int, optional
        Folds; the injections of a host are in one of them.
    confidence : float, optional
        Of the intervals.

    Returns
    -------
    check : dict
        ``observed`` and ``expected`` fraction of held-out injections, ``slope`` and
        ``intercept`` of the outcome on the predicted log odds with their
        intervals, 1 and 0 where the model is calibrated, ``brier_skill`` over a
        constant, the largest ``deviation`` of the observed fraction in tenths of
        the injections ordered by prediction, and ``n_folds``.
    """
    success = np.asarray(success, dtype=bool)
    weight = np.ones(len(success)) if weight is None else np.asarray(weight, dtype=float)
    unit = np.arange(len(success)) if group is None else codes(group)[0]
    n_folds = min(n_folds, int(unit.max()) + 1)
    if n_folds < 2:
        raise MeasurementError('a check on held-out injections needs two hosts or more; there is 1')
    predicted = _held_out(columns, success, weight, group, unit, n_knots, n_folds)
    joint, large, note = calibration_fits(predicted, success, weight, unit=unit)
    found = {'n_folds': n_folds, 'observed': float(np.average(success, weights=weight)),
             'expected': float(np.average(predicted, weights=weight)), 'note': note,
             'brier_skill': _skill(predicted, success, weight),
             'deviation': _deviation(predicted, success, weight)}
    for name, fit, index in (('slope', joint, 1), ('intercept', large, 0)):
        low, high = fit.interval(index, confidence) if fit else (np.nan, np.nan)
        found |= {name: float(fit.coefficients[index]) if fit else np.nan,
                  f'{name}_lo': float(low), f'{name}_hi': float(high)}
    return found


def _held_out(columns, success, weight, group, unit, n_knots, n_folds):
    from sklearn.model_selection import GroupKFold

    predicted = np.full(len(success), np.nan)
    for train, test in GroupKFold(n_folds).split(unit, groups=unit):
        model = fit_splines([column[train] for column in columns], success[train],
                            weight=weight[train], n_knots=n_knots,
                            group=None if group is None else np.asarray(group)[train])
        predicted[test] = model.predict([column[test] for column in columns])[0]
    return predicted


def _skill(predicted, success, weight):
    constant = np.average(success, weights=weight)
    error = np.average((predicted - success)**2, weights=weight)
    return float(1 - error / np.average((constant - success)**2, weights=weight))


def _deviation(predicted, success, weight):
    edges = np.quantile(predicted, np.linspace(0, 1, 11)[1:-1])
    block = np.searchsorted(edges, predicted, side='right')
    total = np.maximum(np.bincount(block, weight, 10), 1e-300)
    return float(np.abs(np.bincount(block, weight * (success - predicted), 10) / total).max())
