# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What published counts of injections show by themselves.

Without the single injections, counts by cell still tell whether pools of conditions
scatter more than independent trials would.
"""
from typing import NamedTuple

import numpy as np
from astropy.table import QTable
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.pools import dispersion
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['MonotoneFit', 'fit_monotone', 'pools_against_model', 'total_intervals']


class MonotoneFit(NamedTuple):
    """Expected fraction of each pool, and the number of fitted parameters."""

    expected: np.ndarray
    n_fitted: int


def fit_monotone(n_recovered, n, axes, directions):
    """
    Fit fractions that rise or fall along each axis, additive in the log odds.

    Parameters
    ----------
    n_recovered, n : (k,) array_like
        Detections and injections of each pool.
    axes : sequence of (k,) array_like
        Place of each pool on each axis.
    directions : sequence of {1, -1}
        Whether the fraction rises or falls along it.

    Returns
    -------
    fit : `MonotoneFit`
        Of greatest binomial likelihood; the parameters are one level, and the steps
        between neighbouring values that are not 0.

    Examples
    --------
    >>> from lensfinder_audit.measure.counts import fit_monotone
    >>> fit = fit_monotone([10, 30, 20, 60], [100] * 4, [[1, 2, 3, 4]], [1])
    >>> print(fit.expected.round(2), fit.n_fitted)
    [0.1  0.25 0.25 0.6 ] 3
    """
    k, n = np.asarray(n_recovered, dtype=float), np.asarray(n, dtype=float)
    steps = [sign * (code[:, None] > np.arange(code.max())) for code, sign in zip(
        (np.unique(axis, return_inverse=True)[1].reshape(-1) for axis in axes), directions,
        strict=True)]
    design = np.hstack([np.ones((len(k), 1)), *steps])

    def loss(beta):
        odds = design @ beta
        value = np.sum(k * log_expit(odds) + (n - k) * log_expit(-odds))
        return -value / n.sum(), -design.T @ (k - n * expit(odds)) / n.sum()

    start = np.zeros(design.shape[1])
    start[0] = logit((k.sum() + 0.5) / (n.sum() + 1))
    found = minimize(loss, start, jac=True, method='L-BFGS-B',
                     bounds=[(None, None)] + [(0, None)] * (len(start) - 1),
                     options={'maxiter': 10_000, 'maxfun': 100_000, 'ftol': 1e-15, 'gtol': 1e-10})
    return MonotoneFit(expit(design @ found.x), int(1 + (found.x[1:] > 1e-7).sum()))


def pools_against_model(n_recovered, n, axes, directions):
    """
    Compare every pool with a model of the others that follows the conditions.

    Parameters
    ----------
    n_recovered, n : (k,) array_like
        Detections and injections of each pool, which must hold some.
    axes : dict of str to (k,) array_like
        Conditions of the pools.
    directions : dict of str to {1, -1}
        Whether completeness rises or falls along each of them.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``count_pools``, the largest excess first: the conditions, ``estimate``,
        ``model`` (fitted to all pools), ``without`` (what the model of the other pools
        expects here), ``excess`` detections over that, its ``pull`` in units of an error
        that includes the over-dispersion, the ``share`` of all detections, and ``best``,
        the greatest fraction that any pool under better or equal conditions reaches.
        ``meta`` has ``dispersion`` and its ``dispersion_p``.

    Raises
    ------
    MeasurementError
        If an axis has no direction, or no degree of freedom is left.
    """
    k, n = np.asarray(n_recovered, dtype=float), np.asarray(n, dtype=float)
    lost = [name for name in axes if directions.get(name) not in (1, -1)]
    if lost:
        raise MeasurementError(f'say whether completeness rises or falls along {lost[0]!r}')
    columns = [np.asarray(axes[name], dtype=float) for name in axes]
    signs = [directions[name] for name in axes]
    fit = fit_monotone(k, n, columns, signs)
    factor, p = dispersion(k, n, fit.expected, n_fitted=fit.n_fitted)
    without = np.array([fit_monotone(np.where(rows, k, 0), np.where(rows, n, 0), columns,
                                     signs).expected[i]
                        for i, rows in enumerate(~np.eye(len(k), dtype=bool))])
    error = np.sqrt(max(factor, 1) * n * without * (1 - without))
    table = QTable({**{name: np.asarray(values) for name, values in axes.items()},
                    'n': n.astype(np.int64), 'n_recovered': k.astype(np.int64), 'estimate': k / n,
                    'model': fit.expected, 'without': without, 'excess': k - n * without,
                    'pull': (k - n * without) / np.maximum(error, 1e-300),
                    'share': k / max(k.sum(), 1), 'best': _best(k / n, columns, signs)})
    table = table[np.argsort(-np.asarray(table['excess']), kind='stable')]
    table.meta = schema_meta('count_pools', dispersion=factor, dispersion_p=p,
                             n_fitted=fit.n_fitted,
                             directions={name: int(directions[name]) for name in axes})
    return check_table(table, 'count_pools')


def _best(rate, columns, signs):
    """Return the greatest fraction of another pool under conditions that are no worse."""
    place = np.stack([sign * column for column, sign in zip(columns, signs, strict=True)])
    better = (place[:, None, :] >= place[:, :, None]).all(axis=0) & ~np.eye(len(rate), dtype=bool)
    return np.where(better.any(axis=1), np.where(better, rate, -1).max(axis=1), np.nan)


def total_intervals(n_recovered, n, factor, *, method='jeffreys', confidence=0.95):
    """
    Bound the fraction of all injections, under three readings of what is independent.

    Parameters
    ----------
    n_recovered, n : (k,) array_like
        Detections and injections of each pool.
    factor : float
        Over-dispersion of the pools about a model of their conditions.
    method : str, optional
        As for `~lensfinder_audit.measure.intervals.binomial_interval`.
    confidence : float, optional
        Of the intervals.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``count_totals``, one row each for independent injections, for variances
        larger by the factor, and for whole pools as the unit, whose conditions then vary
        too.

    Examples
    --------
    >>> from lensfinder_audit.measure.counts import total_intervals
    >>> table = total_intervals([10, 30, 20, 60], [400] * 4, 4.0)
    >>> for row in table:
    ...     print('{taken_as}: {n_eff:.0f} [{lo:.3f}, {hi:.3f}]'.format(**row))
    independent injections: 1600 [0.063, 0.089]
    scatter about the model: 400 [0.052, 0.104]
    whole pools: 95 [0.034, 0.141]
    """
    k, n = np.asarray(n_recovered, dtype=float), np.asarray(n, dtype=float)
    p = k.sum() / n.sum()
    spread = np.sum((k - p * n)**2) * len(k) / max(len(k) - 1, 1)
    sizes = {'independent injections': n.sum(),
             'scatter about the model': n.sum() / max(factor, 1),
             'whole pools': min(p * (1 - p) * n.sum()**2 / max(spread, 1e-300), n.sum())}
    rows = []
    for name, n_eff in sizes.items():
        lo, hi = binomial_interval(p * n_eff, n_eff, method=method, confidence=confidence)
        rows.append({'taken_as': name, 'n': int(n.sum()), 'n_recovered': int(k.sum()),
                     'n_eff': float(n_eff), 'estimate': p, 'lo': float(lo), 'hi': float(hi)})
    table = QTable(rows=rows)
    table.meta = schema_meta('count_totals', interval=method, confidence=confidence)
    return check_table(table, 'count_totals')
