# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Calibration slope and intercept: logistic regression of truth on stated log odds."""
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, stdtrit

from lensfinder_audit.exceptions import MeasurementError

__all__ = ['LogisticFit', 'fit_logistic', 'calibration_fits', 'separation']

#: Steps per unit of log odds in which the rows are gathered for a first fit.
_STEPS = 64


@dataclass(frozen=True)
class LogisticFit:
    """
    A weighted logistic regression.

    Parameters
    ----------
    coefficients : (k,) `~numpy.ndarray`
        One per column of the design.
    covariance : (k, k) `~numpy.ndarray`
        Sandwich covariance, over groups.
    freedom : float
        Degrees of freedom of its Student intervals: groups - 1.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    freedom: float

    def interval(self, index, confidence=0.95):
        """Return the Student interval of one coefficient."""
        half = stdtrit(self.freedom, (1 + confidence) / 2) * np.sqrt(self.covariance[index, index])
        return self.coefficients[index] - half, self.coefficients[index] + half


def fit_logistic(design, label, weight, *, offset=0.0, unit=None, start=None,
                 max_steps=100):
    """
    Fit log odds = offset + design @ coefficients by weighted maximum likelihood.

    Parameters
    ----------
    design : (n, k) `~numpy.ndarray`
        Columns to fit; the likelihood must have a maximum.
    label : (n,) `~numpy.ndarray` of bool
        Whether a row is a lens.
    weight : (n,) `~numpy.ndarray`
        Weight of each row; its scale does not matter.
    offset : (n,) array_like, optional
        Part of the log odds that is not fitted.
    unit : (n,) `~numpy.ndarray` of int, optional
        Group of each row, for the covariance. Without it each row is a group.
    start : (k,) array_like, optional
        Coefficients to begin with.
    max_steps : int, optional
        Newton steps; each is halved until the likelihood does not fall.

    Returns
    -------
    fit : `LogisticFit`
        Coefficients and their sandwich covariance [1]_ with the factor
        groups / (groups - 1).

    Raises
    ------
    MeasurementError
        If the fit does not converge.

    References
    ----------
    .. [1] Binder 1983, doi:10.2307/1402588

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.calibration_fit import fit_logistic
    >>> label = np.arange(100) < 20
    >>> fit = fit_logistic(np.ones((100, 1)), label, np.ones(100))
    >>> print(fit.coefficients.round(3), np.sqrt(fit.covariance).round(3))
    [-1.386] [[0.251]]
    """
    weight = weight / weight.sum()
    beta = np.zeros(design.shape[1]) if start is None else np.asarray(start, dtype=float)
    value = _log_likelihood(design @ beta + offset, label, weight)
    for _ in range(max_steps):
        expected = expit(design @ beta + offset)
        score = design * (weight * (label - expected))[:, None]
        step = np.linalg.lstsq(_information(design, expected, weight), score.sum(axis=0))[0]
        beta, value, moved = _climb(design, label, weight, offset, beta, step, value)
        if moved < 1e-10:
            return LogisticFit(beta, *_sandwich(design, label, weight, offset, beta, unit))
    raise MeasurementError(f'the logistic calibration of {len(label)} rows did not converge in '
                           f'{max_steps} steps; the last coefficients are {beta.tolist()}')


def calibration_fits(probability, label, weight, *, unit=None, clip=2**-25):
    """
    Fit calibration slope and intercept, and the intercept at slope 1.

    Parameters
    ----------
    probability : (n,) `~numpy.ndarray`
        Stated probability, clipped to [clip, 1 - clip] for its log odds.
    label : (n,) `~numpy.ndarray` of bool
        Whether a row is a lens.
    weight : (n,) `~numpy.ndarray`
        Weight of each row.
    unit : (n,) `~numpy.ndarray` of int, optional
        Group of each row.
    clip : float, optional
        The default, 2^-25, is where a single-precision sigmoid rounds to 1.

    Returns
    -------
    joint, large : `LogisticFit` or None
        log odds = a + b logit(p), with coefficients (a, b) [1]_, and
        log odds = a + logit(p), the calibration in the large; `None` where
        there is no such fit.
    note : str
        Why there is no slope, from `separation` or from a fit that did not
        converge, or an empty string.

    References
    ----------
    .. [1] Cox 1958, doi:10.1093/biomet/45.3-4.562
    """
    stated = logit(np.clip(probability, clip, 1 - clip))
    note = separation(stated, label, weight)
    large = joint = None
    try:
        large = _fit_stated(stated, label, weight, unit, slope=False)
        joint = None if note else _fit_stated(stated, label, weight, unit, slope=True)
    except MeasurementError as error:  # a handful of rows, or odds beyond all measure
        note = str(error)
    return joint, large, note


def separation(stated, label, weight):
    """Say why a logistic slope does not exist; an empty string where it does."""
    rows = weight > 0
    lenses, rest = stated[rows & label], stated[rows & ~label]
    if min(lenses.min(), rest.min()) == max(lenses.max(), rest.max()):
        return 'no slope: every probability is the same'
    if lenses.min() >= rest.max():
        return 'no slope: no non-lens scores above a lens'
    if lenses.max() <= rest.min():
        return 'no slope: no lens scores above a non-lens'
    return ''


def _fit_stated(stated, label, weight, unit, *, slope):
    """Fit first to rows gathered in steps of the log odds, then to the rows."""
    center, scale = np.average(stated, weights=weight), max(stated.std(), 1e-300)
    steps, step = np.unique(2 * np.rint(_STEPS * stated) + label, return_inverse=True)
    gathered = np.floor(steps / 2) / _STEPS, steps % 2 == 1, np.bincount(step, weight)
    start = None
    for values, truth, mass in (gathered, (stated, label, weight)):
        design = np.ones((len(values), 1 + slope))
        if slope:
            design[:, 1] = (values - center) / scale
        fit = fit_logistic(design, truth, mass, offset=0.0 if slope else values, start=start,
                           unit=unit if values is stated else None)
        start = fit.coefficients
    if not slope:
        return fit
    back = np.array([[1, -center / scale], [0, 1 / scale]])
    return LogisticFit(back @ fit.coefficients, back @ fit.covariance @ back.T, fit.freedom)


def _information(design, expected, weight):
    return (design * (weight * expected * (1 - expected))[:, None]).T @ design


def _log_likelihood(odds, label, weight):
    return -(weight * np.logaddexp(0, np.where(label, -odds, odds))).sum()


def _climb(design, label, weight, offset, beta, step, value):
    """Take a Newton step, halved until the likelihood does not fall."""
    for _ in range(60):
        trial = beta + step
        found = _log_likelihood(design @ trial + offset, label, weight)
        if found >= value - 1e-14 * abs(value):
            return trial, found, np.abs(step).max()
        step = step / 2
    return beta, value, 0.0


def _sandwich(design, label, weight, offset, beta, unit):
    expected = expit(design @ beta + offset)
    score = design * (weight * (label - expected))[:, None]
    if unit is not None:
        score = np.column_stack([np.bincount(unit, column) for column in score.T])
    n_groups = len(score) if unit is None else len(np.unique(unit))
    bread = np.linalg.pinv(_information(design, expected, weight), hermitian=True)
    factor = n_groups / max(n_groups - 1, 1)
    with np.errstate(over='ignore', invalid='ignore'):  # hardly any information
        return factor * bread @ (score.T @ score) @ bread, max(n_groups - 1, 1)
