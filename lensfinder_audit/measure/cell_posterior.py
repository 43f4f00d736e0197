# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What is known of the fractions of many cells at once.

Each cell has a beta distribution. Cells that rest on the same hosts move
together: a draw is one set of random numbers, one for each host, that all cells
share. Averages over cells are known with the covariance that this leaves.
"""
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtr

from lensfinder_audit.exceptions import MeasurementError

__all__ = ['CellPosterior', 'beta_from_moments']


@dataclass(frozen=True)
class CellPosterior:
    """
    Beta distributions of cells, and how they move together.

    Parameters
    ----------
    a, b : (n_cells,) `~numpy.ndarray`
        Parameters of the beta distributions; NaN where a cell has no number.
    shared : (n_hosts, n_cells) `~numpy.ndarray`
        How far the random number of a host moves a cell. Hosts may have been
        merged at random.
    own : (n_cells,) `~numpy.ndarray`
        How far a number of its own moves a cell; the squares of a column of
        ``shared`` and of this sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.cell_posterior import CellPosterior
    >>> cells = CellPosterior(np.array([20., 30]), np.array([80., 70]), np.array([[0.9, 0.9]]),
    ...                       np.sqrt([0.19, 0.19]))
    >>> draws = cells.draws(4000, np.random.default_rng(0))
    >>> print(draws.mean(axis=0).round(2), np.corrcoef(draws.T)[0, 1].round(1))
    [0.2 0.3] 0.8
    """

    a: np.ndarray
    b: np.ndarray
    shared: np.ndarray
    own: np.ndarray

    @property
    def mean(self):
        """Mean of each cell."""
        return self.a / (self.a + self.b)

    @property
    def deviation(self):
        """Standard deviation of each cell."""
        total = self.a + self.b
        return np.sqrt(self.a * self.b / (total + 1)) / total

    def interval(self, confidence=0.95):
        """
        Bound each cell by the quantiles of its distribution.

        Parameters
        ----------
        confidence : float, optional
            Probability between the ends.

        Returns
        -------
        lo, hi : (n_cells,) `~numpy.ndarray`
            NaN where a cell has no number.
        """
        tail = (1 - confidence) / 2
        return betaincinv(self.a, self.b, tail), betaincinv(self.a, self.b, 1 - tail)

    def draws(self, n, rng, *, cells=None):
        """
        Draw the fractions of cells together.

        Parameters
        ----------
        n : int
            Number of draws.
        rng : `~numpy.random.Generator`
            Source of randomness. The same state gives the same draw, whichever cells are asked for.
        cells : (k,) array_like of int, optional
            Only these.

        Returns
        -------
        draws : (n, k) `~numpy.ndarray`
            NaN where a cell has no number.
        """
        cells = np.arange(len(self.a)) if cells is None else np.asarray(cells)
        hosts = rng.standard_normal((n, len(self.shared)), dtype=np.float32)
        # made for all cells, so that those left out do not move the others
        alone = rng.standard_normal((n, len(self.a)), dtype=np.float32)[:, cells]
        place = ndtr((hosts @ self.shared[:, cells]).astype(float) + alone * self.own[cells])
        return betaincinv(self.a[cells], self.b[cells], place)

    def combine(self, weights):
        """
        Average cells.

        Parameters
        ----------
        weights : (n_new, n_cells) array_like
            Weight of each cell in each average; a row is scaled to a sum of 1. A
            cell without a number may have no weight, and a cell may have weight in
            one row only.

        Returns
        -------
        cells : `CellPosterior`
            Of the averages: mean and variance follow from those of the cells and from
            what they share, and the distribution is the beta distribution that has
            them.

        Raises
        ------
        MeasurementError
            If a cell without a number has weight.
        """
        weights = np.atleast_2d(np.asarray(weights, dtype=float))
        lost = np.isnan(self.a) & (weights > 0).any(axis=0)
        if lost.any():
            raise MeasurementError(f'{lost.sum()} of the cells to be averaged have no number, the '
                                   f'first is cell {np.flatnonzero(lost)[0]}')
        total = weights.sum(axis=1, keepdims=True)
        share = np.divide(weights, total, out=np.full(weights.shape, np.nan), where=total > 0)
        mean = share @ np.nan_to_num(self.mean)
        moved = share * np.nan_to_num(self.deviation)
        shared = np.nan_to_num(self.shared, copy=False).astype(float) @ moved.T
        own = np.sqrt(moved**2 @ np.nan_to_num(self.own)**2)
        spread = np.sqrt((shared**2).sum(axis=0) + own**2)
        with np.errstate(invalid='ignore', divide='ignore'):
            shared, own = np.nan_to_num(shared / spread), own / spread
        return CellPosterior(*beta_from_moments(mean, spread**2), shared.astype(np.float32), own)


def beta_from_moments(mean, variance):
    """
    Find the beta distribution of a mean and a variance.

    Parameters
    ----------
    mean, variance : array_like
        Moments; a variance above mean (1 - mean) / 2, which is that of a uniform
        distribution or of one with more at its ends, is taken to be that.

    Returns
    -------
    a, b : `~numpy.ndarray`
        Parameters, NaN where the mean is.

    Examples
    --------
    >>> from lensfinder_audit.measure.cell_posterior import beta_from_moments
    >>> a, b = beta_from_moments(0.2, 0.16 / 101)
    >>> print(a.round(6), b.round(6))
    20.0 80.0
    """
    mean, variance = np.asarray(mean, dtype=float), np.asarray(variance, dtype=float)
    mean = np.clip(mean, 1e-12, 1 - 1e-12)
    most = mean * (1 - mean) / 2
    total = mean * (1 - mean) / np.clip(variance, 1e-15, most) - 1
    return mean * total, (1 - mean) * total
