# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Named confidence intervals of a binomial fraction."""
import numpy as np
from scipy.special import betaincinv, ndtri

from lensfinder_audit.exceptions import MeasurementError, did_you_mean

__all__ = ['INTERVALS', 'binomial_interval', 'percentile_interval']


def binomial_interval(k, n, *, method='wilson', confidence=0.95, sides=2):
    """
    Bound a fraction from a count.

    Parameters
    ----------
    k, n : array_like
        Successes and trials, broadcast against each other. They need not be
        whole numbers: a weighted or clustered sample enters with its effective
        number of trials.
    method : {'wilson', 'jeffreys', 'clopper-pearson'}, optional
        Score interval [1]_, equal-tailed Beta(1/2, 1/2) posterior [2]_, or the
        exact interval [3]_, which covers at least nominally.
    confidence : float, optional
        Probability that the interval covers the fraction.
    sides : {2, 1}, optional
        Two-sided, or each end as a one-sided bound of its own.

    Returns
    -------
    lo, hi : `~numpy.ndarray`
        Ends of the interval; exactly 0 at ``k = 0`` and 1 at ``k = n``; NaN
        where ``n`` is 0.

    Raises
    ------
    MeasurementError
        If the method is unknown, the confidence not between 0 and 1, or a count
        negative or above its number of trials.

    References
    ----------
    .. [1] Wilson 1927, doi:10.1080/01621459.1927.10502953
    .. [2] Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286
    .. [3] Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> from lensfinder_audit.measure.intervals import binomial_interval
    >>> print('{:.3f} to {:.3f}'.format(*binomial_interval(100, 112, method='clopper-pearson')))
    0.820 to 0.943
    >>> print('{:.5f}'.format(binomial_interval(0, 690, method='clopper-pearson', sides=1)[1]))
    0.00433
    """
    k, n = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(n, dtype=float))
    _check(k, n, method, confidence, sides)
    tail = (1 - confidence) / sides
    with np.errstate(invalid='ignore', divide='ignore'):
        lo, hi = INTERVALS[method](k, n, tail)
    lo, hi = np.where(k <= 0, 0.0, lo), np.where(k >= n, 1.0, hi)
    return np.where(n > 0, lo, np.nan)[()], np.where(n > 0, hi, np.nan)[()]


def percentile_interval(draws, *, confidence=0.95, axis=0):
    """
    Bound a statistic by the percentiles of its draws.

    Parameters
    ----------
    draws : array_like
        Draws along ``axis``; NaN marks a draw in which the statistic did not exist.
    confidence : float, optional
        Probability between the ends.
    axis : int, optional
        Axis of the draws.

    Returns
    -------
    lo, hi : `~numpy.ndarray`
        Equal-tailed percentiles; NaN where no draw exists.

    References
    ----------
    .. [1] Efron 1979, doi:10.1214/aos/1176344552

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.intervals import percentile_interval
    >>> print('{:.1f} {:.1f}'.format(*percentile_interval(np.arange(1001.), confidence=0.9)))
    50.0 950.0
    """
    draws = np.moveaxis(np.asarray(draws, dtype=float), axis, 0)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    if not np.isnan(draws).any():
        return tuple(np.quantile(draws, ends, axis=0))
    found = ~np.isnan(draws).all(axis=0)
    result = np.full((2, *draws.shape[1:]), np.nan)
    result[:, found] = np.nanquantile(draws[:, found], ends, axis=0)
    return result[0], result[1]


def _wilson(k, n, tail):
    z = ndtri(1 - tail)
    center = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(np.maximum(k * (n - k) / n, 0) + z**2 / 4)
    return np.maximum(center - half, 0), np.minimum(center + half, 1)


def _jeffreys(k, n, tail):
    return betaincinv(k + 0.5, n - k + 0.5, tail), betaincinv(k + 0.5, n - k + 0.5, 1 - tail)


def _clopper_pearson(k, n, tail):
    lo = betaincinv(np.where(k > 0, k, np.nan), n - k + 1, tail)
    hi = betaincinv(k + 1, np.where(k < n, n - k, np.nan), 1 - tail)
    return lo, hi


#: The intervals by name: functions of (k, n, probability left in one tail).
INTERVALS = {'wilson': _wilson, 'jeffreys': _jeffreys, 'clopper-pearson': _clopper_pearson}


def _check(k, n, method, confidence, sides):
    if method not in INTERVALS:
        raise MeasurementError(f'there is no interval {method!r}; there are {list(INTERVALS)}.'
                               f'{did_you_mean(method, INTERVALS)}')
    if not 0 < confidence < 1 or sides not in (1, 2):
        raise MeasurementError(f'confidence must lie between 0 and 1 and sides be 1 or 2; they are '
                               f'{confidence} and {sides}')
    bad = (k < 0) | (k > n * (1 + 1e-9))
    if bad.any():
        raise MeasurementError(f'a count must lie between 0 and its number of trials; {bad.sum()} '
                               f'do not, the first is {k[bad].flat[0]:g} of {n[bad].flat[0]:g}')
