# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Completeness as a smooth function: logistic regression on splines.

The model is that of scikit-learn, its uncertainty that of the hosts.
"""
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import BSpline
from scipy.special import expit, ndtri
from threadpoolctl import ThreadpoolController

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.resampling import codes

__all__ = ['SplineModel', 'fit_splines']

#: Inverse of the penalty on squared coefficients, as in scikit-learn.
_C = 10.0

#: Rows that are evaluated at a time: their basis stays in the cache of a processor.
_ROWS = 20_000


@dataclass(frozen=True)
class SplineModel:
    """
    A fitted model.

    Parameters
    ----------
    knots : tuple of (k,) `~numpy.ndarray`
        Knots of each numeric axis; an empty one for an axis of classes. Values
        beyond the ends count as the ends.
    classes : tuple of tuple of str
        Classes of each axis of words, empty for numbers.
    coefficients : (p,) `~numpy.ndarray`
        Log odds: intercept, basis functions or classes of each axis, and products
        of pairs of numeric axes.
    root : (p, p) `~numpy.ndarray`
        A square root of the covariance of the coefficients, over hosts.
    """

    knots: tuple
    classes: tuple
    coefficients: np.ndarray
    root: np.ndarray

    def predict(self, columns, confidence=0.95):
        """
        Evaluate the model.

        Parameters
        ----------
        columns : list of (n,) array_like
            Values of each axis.
        confidence : float, optional
            Probability between the ends, from a normal distribution of the log odds.

        Returns
        -------
        estimate, lo, hi : (n,) `~numpy.ndarray`
            NaN where a value is missing.
        """
        n, z = len(columns[0]), ndtri((1 + confidence) / 2)
        found = np.empty((3, n))
        with _one_thread():
            for rows in _blocks(n):
                basis = self.basis([column[rows] for column in columns])
                odds = basis @ self.coefficients
                half = z * np.sqrt(np.square(basis @ self.root).sum(axis=1))
                found[:, rows] = odds, odds - half, odds + half
        return expit(found, out=found)

    def draws(self, columns, n, rng):
        """
        Draw the function, the same draw at all points.

        Parameters
        ----------
        columns : list of (n_points,) array_like
            Values of each axis.
        n : int
            Number of draws.
        rng : `~numpy.random.Generator`
            Source of randomness.

        Returns
        -------
        draws : (n, n_points) `~numpy.ndarray`
            Completeness.
        """
        moved = rng.standard_normal((n, len(self.coefficients))) @ self.root.T + self.coefficients
        return expit(moved @ self.basis(columns).T)

    def average(self, columns, weight):
        """
        Average the model over points.

        Parameters
        ----------
        columns : list of (n,) array_like
            Values of each axis.
        weight : (n,) array_like
            Weight of each point.

        Returns
        -------
        mean, deviation : float
            The average and its standard deviation, linearised.
        """
        weight = np.asarray(weight, dtype=float) / np.sum(weight)
        mean, gradient = 0.0, np.zeros(len(self.coefficients))
        for rows in _blocks(len(weight)):
            basis = self.basis([column[rows] for column in columns])
            p = expit(basis @ self.coefficients)
            mean += weight[rows] @ p
            gradient += (weight[rows] * p * (1 - p)) @ basis
        return float(mean), float(np.linalg.norm(gradient @ self.root))

    def basis(self, columns):
        """
        Return the columns of the design.

        Parameters
        ----------
        columns : list of (n,) array_like
            Values of each axis.

        Returns
        -------
        basis : (n, p) `~numpy.ndarray`
            NaN in rows where a number is missing.
        """
        parts, scaled = [np.ones((len(columns[0]), 1))], []
        for values, knots, classes in zip(columns, self.knots, self.classes, strict=True):
            if classes:
                parts.append((np.asarray(values)[:, None] == np.array(classes)).astype(float))
                continue
            values = np.clip(np.asarray(values, dtype=float), knots[0], knots[-1])
            parts.append(_splines(values, knots))
            scaled.append(2 * (values - knots[0]) / (knots[-1] - knots[0]) - 1)
        parts += [(scaled[i] * scaled[j])[:, None]
                  for j in range(len(scaled)) for i in range(j)]
        return np.hstack(parts)


def fit_splines(columns, success, *, weight=None, group=None, n_knots=4):
    """
    Fit completeness as a smooth function.

    Parameters
    ----------
    columns : list of (n,) array_like
        Value of each axis: numbers, or words for classes.
    success : (n,) array_like of bool
        Outcome of each injection.
    weight : (n,) array_like, optional
        Weight of each.
    group : (n,) array_like, optional
        Host of each.
    n_knots : int, optional
        Knots of an axis, at quantiles of its values.

    Returns
    -------
    model : `SplineModel`
        Cubic splines of each axis and products of pairs of axes in the log odds,
        fitted by `sklearn.linear_model.LogisticRegression` with C = 10; the
        covariance is the sandwich over hosts [1]_.

    Raises
    ------
    MeasurementError
        If all outcomes are the same, or an axis has one value.

    References
    ----------
    .. [1] Binder 1983, doi:10.2307/1402588

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.special import expit
    >>> from lensfinder_audit.measure.selection_model import fit_splines
    >>> rng = np.random.default_rng(0)
    >>> theta_e = rng.uniform(0.5, 3, 20000)
    >>> model = fit_splines([theta_e], rng.random(20000) < expit(3 * theta_e - 5))
    >>> print(model.predict([np.array([1.0, 2.0])])[0].round(2), expit([-2, 1]).round(2))
    [0.12 0.75] [0.12 0.73]
    """
    success = np.asarray(success, dtype=bool)
    if success.all() or not success.any():
        raise MeasurementError(f'a smooth model needs recovered and lost injections; of '
                               f'{len(success)} {int(success.sum())} are recovered')
    weight = np.ones(len(success)) if weight is None else np.asarray(weight, dtype=float)
    weight = weight / weight.mean()
    knots, classes = zip(*[_knots(column, n_knots) for column in columns], strict=True)
    empty = SplineModel(knots, classes, np.zeros(0), np.zeros((0, 0)))
    basis = empty.basis(columns)
    with _one_thread():
        coefficients = _fit(basis, success, weight)
        root = _root(basis, success, weight, coefficients, group)
    return SplineModel(knots, classes, coefficients, root)


@cache
def _controller():
    return ThreadpoolController()  # looks through all loaded libraries, so once


def _one_thread():
    """Keep products, too small to be shared, from threads that wait for each other."""
    return _controller().limit(limits=1, user_api='blas')


def _blocks(n):
    return [slice(start, start + _ROWS) for start in range(0, n, _ROWS)]


def _knots(values, n_knots):
    values = np.asarray(values)
    if values.dtype.kind in 'US':
        return np.zeros(0), tuple(np.unique(values).tolist())
    knots = np.unique(np.quantile(values.astype(float), np.linspace(0, 1, n_knots)))
    if len(knots) < 2:
        raise MeasurementError(f'a smooth model needs an axis to vary; one of the axes is always '
                               f'{values[0]:g}')
    return knots, ()


def _splines(values, knots):
    """Cubic B-splines but the last, which the others and the intercept make up."""
    padded = np.concatenate([[knots[0]] * 3, knots, [knots[-1]] * 3])
    return BSpline(padded, np.eye(len(knots) + 2, len(knots) + 1), 3)(values)


def _fit(basis, success, weight):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_C, solver='newton-cholesky', tol=1e-8,
                               max_iter=200)
    model.fit(basis[:, 1:], success, sample_weight=weight)
    return np.concatenate([model.intercept_, model.coef_[0]])


def _root(basis, success, weight, coefficients, group):
    mean = expit(basis @ coefficients)
    score = basis * (weight * (success - mean))[:, None]
    if group is not None:
        unit = codes(group)[0]
        score = np.column_stack([np.bincount(unit, column) for column in score.T])
    penalty = np.full(len(coefficients), 1 / _C)
    penalty[0] = 0.0
    bread = basis.T @ (basis * (weight * mean * (1 - mean))[:, None]) + np.diag(penalty)
    factor = len(score) / max(len(score) - 1, 1)
    middle = np.linalg.solve(bread, score.T) * np.sqrt(factor)
    values, vectors = np.linalg.eigh(middle @ middle.T)
    return vectors * np.sqrt(np.clip(values, 0, None))
