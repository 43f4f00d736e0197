# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A smooth completeness, averaged over a distribution of some of its axes."""
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtri

from lensfinder_audit.exceptions import MeasurementError

__all__ = ['MarginalModel', 'marginal_model']

#: Points that stand for a distribution, a power of two.
N_POINTS = 256

_ROWS = 256  # points evaluated at a time, times N_POINTS


@dataclass(frozen=True)
class MarginalModel:
    """
    The average of a model over points of some axes, as a function of the others.

    Parameters
    ----------
    model : `~lensfinder_audit.measure.selection_model.SplineModel`
        Of all axes.
    kept : tuple of int
        Places of the axes that are left, among those of the model.
    points : tuple of (k,) `~numpy.ndarray`
        Values of the other axes, in the order of the model.
    weight : (k,) `~numpy.ndarray`
        Weight of each point; they sum to 1.
    """

    model: object
    kept: tuple
    points: tuple
    weight: np.ndarray

    def predict(self, columns, confidence=0.95):
        """
        Evaluate the average.

        Parameters
        ----------
        columns : list of (n,) array_like
            Values of each axis that is left.
        confidence : float, optional
            Probability between the ends, from a normal distribution of the log odds
            of the average, linearised.

        Returns
        -------
        estimate, lo, hi : (n,) `~numpy.ndarray`
            NaN where a value is missing.
        """
        found, z = np.empty((3, len(columns[0]))), ndtri((1 + confidence) / 2)
        for rows, basis, shape in self._blocks(columns):
            p = expit(basis @ self.model.coefficients)
            gradient = (p * (1 - p))[:, None] * basis
            mean = p.reshape(shape) @ self.weight
            gradient = np.einsum('nkp,k->np', gradient.reshape(*shape, -1), self.weight)
            half = z * np.linalg.norm(gradient @ self.model.root, axis=1) / (mean * (1 - mean))
            found[:, rows] = mean, expit(logit(mean) - half), expit(logit(mean) + half)
        return found

    def draws(self, columns, n, rng):
        """
        Draw the average, the same draw at all points.

        Parameters
        ----------
        columns : list of (n_points,) array_like
            Values of each axis that is left.
        n : int
            Number of draws.
        rng : `~numpy.random.Generator`
            Source of randomness.

        Returns
        -------
        draws : (n, n_points) `~numpy.ndarray`
            Completeness.
        """
        model, found = self.model, np.empty((n, len(columns[0])))
        moved = rng.standard_normal((n, len(model.coefficients))) @ model.root.T
        for rows, basis, shape in self._blocks(columns):
            p = expit((moved + model.coefficients) @ basis.T)
            found[:, rows] = p.reshape(n, *shape) @ self.weight
        return found

    def average(self, columns, weight):
        """
        Average over points of the axes that are left, too.

        Parameters
        ----------
        columns : list of (n,) array_like
            Values of each of them.
        weight : (n,) array_like
            Weight of each point.

        Returns
        -------
        mean, deviation : float
            The average and its standard deviation, linearised.
        """
        weight = np.asarray(weight, dtype=float) / np.sum(weight)
        mean, gradient = 0.0, np.zeros(len(self.model.coefficients))
        for rows, basis, shape in self._blocks(columns):
            p = expit(basis @ self.model.coefficients)
            each = np.outer(weight[rows], self.weight).ravel()
            mean += each @ p
            gradient += (each * p * (1 - p)) @ basis
        return float(mean), float(np.linalg.norm(gradient @ self.model.root))

    def _blocks(self, columns):
        """Yield rows, the design of each of them at each point, and (rows, points)."""
        k = len(self.points[0])
        for start in range(0, len(columns[0]), _ROWS):
            rows = slice(start, start + _ROWS)
            given = [np.repeat(np.asarray(column)[rows], k) for column in columns]
            n = len(given[0]) // k
            own, others = iter(given), (np.tile(points, n) for points in self.points)
            whole = [next(own) if place in self.kept else next(others)
                     for place in range(len(self.kept) + len(self.points))]
            yield rows, self.model.basis(whole), (n, k)


def marginal_model(smooth, kept, columns, weight):
    """
    Average a smooth model over a sample of some axes.

    Parameters
    ----------
    smooth : `~lensfinder_audit.measure.selection_model.SplineModel`
        The model.
    kept : sequence of int
        Places of the axes that are left.
    columns : list of (n,) `~numpy.ndarray`
        The sample, by axis that is averaged over, in the order of the axes.
    weight : (n,) `~numpy.ndarray`
        Weight of each row.

    Returns
    -------
    model : MarginalModel
        With the rows of the sample, or, of more than 256, about as many points:
        the sample is halved by weight along one axis after the other, and each part
        counts as its mean, or its middle class.

    Raises
    ------
    MeasurementError
        If the model is an average already.
    """
    if isinstance(smooth, MarginalModel):
        raise MeasurementError('this smooth selection function is an average already; average over '
                               'all the axes at once, so that their correlation counts')
    rows = np.flatnonzero(np.asarray(weight, dtype=float) > 0)
    weight = np.asarray(weight, dtype=float)[rows]
    weight, columns = weight / weight.sum(), [np.asarray(column)[rows] for column in columns]
    if len(rows) > N_POINTS:
        parts = _parts(columns, weight)
        columns = [np.array([_middle(column[part], weight[part]) for part in parts])
                   for column in columns]
        weight = np.array([weight[part].sum() for part in parts])
    return MarginalModel(smooth, tuple(kept), tuple(columns), weight)


def _parts(columns, weight):
    """Halve rows by weight, along one axis after the other."""
    order = [np.unique(column, return_inverse=True)[1] for column in columns]
    parts = [np.arange(len(weight))]
    for level in range(N_POINTS.bit_length() - 1):
        place = order[level % len(order)]
        parts = [half for part in parts for half in _halves(part, place, weight) if len(half)]
    return parts


def _halves(part, place, weight):
    part = part[np.argsort(place[part], kind='stable')]
    reach = np.cumsum(weight[part])
    return np.split(part, [int(np.searchsorted(reach, reach[-1] / 2)) + 1])


def _middle(values, weight):
    if values.dtype.kind == 'U':
        return values[len(values) // 2]
    return np.average(values, weights=weight)
