# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Thresholds at low false-positive rates from the tail of the negatives.

A quantile beyond which five objects lie is known to a factor of two. The
generalised Pareto distribution of what exceeds a high score uses more of them, at
the price of a shape that must be checked.
"""
import numpy as np
from astropy.table import QTable
from scipy.stats import genpareto

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['fit_tail', 'tail_table']


def fit_tail(excess):
    """
    Fit a generalised Pareto distribution by probability-weighted moments.

    Parameters
    ----------
    excess : (..., n) array_like
        How far each of n scores exceeds the level.

    Returns
    -------
    shape, scale : (...) `~numpy.ndarray`
        ``c`` and ``scale`` of `scipy.stats.genpareto`; a shape below 0 ends.

    References
    ----------
    .. [1] Hosking & Wallis 1987, doi:10.1080/00401706.1987.10488243

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import genpareto
    >>> from lensfinder_audit.measure.tails import fit_tail
    >>> drawn = genpareto.rvs(-0.2, scale=3, size=20000, random_state=np.random.default_rng(0))
    >>> print('{:.2f} {:.2f}'.format(*fit_tail(drawn)))
    -0.21 3.05
    """
    x = np.sort(np.asarray(excess, dtype=float), axis=-1)
    n = x.shape[-1]
    below = (np.arange(1, n + 1) - 0.35) / n
    mean, weighted = x.mean(axis=-1), np.mean((1 - below) * x, axis=-1)
    gap = np.maximum(mean - 2 * weighted, 1e-300)
    return 2 - mean / gap, 2 * mean * weighted / gap


def tail_table(scores, fprs, *, share=0.02, least=50, confidence=0.95, n_resamples=500, seed=0):
    """
    Set beside the empirical threshold of an FPR that of a fitted tail.

    Parameters
    ----------
    scores : dict of str to (n,) array_like
        Scores of the negatives by finder, on an open scale such as log odds.
    fprs : sequence of float
        Wanted false-positive rates.
    share : float, optional
        Fraction of the negatives that the fit uses.
    least : int, optional
        The fit never uses fewer.
    confidence, n_resamples, seed : optional
        Of the parametric bootstrap.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``tails``, one row per finder and rate. ``p_value`` is that of the
        Kolmogorov-Smirnov distance with the shape fitted; ``shape_half`` is the shape
        when half as many scores are used: a tail that is what it is fitted with keeps it.

    Raises
    ------
    MeasurementError
        If there are fewer negatives than ``least``.

    Notes
    -----
    What exceeds a high level is generalised Pareto in the limit [1]_ [2]_. The fit
    knows nothing of confusers that are rarer than one in the sample.

    References
    ----------
    .. [1] Balkema & de Haan 1974, doi:10.1214/aop/1176996548
    .. [2] Pickands 1975, doi:10.1214/aos/1176343003

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.tails import tail_table
    >>> score = np.random.default_rng(0).exponential(size=50000)
    >>> row = tail_table({'a': score}, [1e-4])[0]  # the true threshold is ln 10000 = 9.21
    >>> print(f"{row['threshold']:.1f}, {row['fitted']:.1f} [{row['lo']:.1f}, {row['hi']:.1f}]")
    9.4, 9.7 [8.9, 10.6]
    """
    rng = np.random.default_rng([seed, 0x7a11])
    rows = []
    for finder, score in scores.items():
        score = np.sort(np.asarray(score, dtype=float))
        score = score[np.isfinite(score)]
        if len(score) < least + 1:
            raise MeasurementError(f'a tail needs more than {least} finite scores of negatives; '
                                   f'{finder} has {len(score)}')
        n = max(least, round(share * len(score)))
        rows += [{'finder': finder, **row} for row in
                 _rows(score, min(n, len(score) - 1), fprs, confidence, n_resamples, rng)]
    table = QTable(rows=rows)
    table.meta = schema_meta('tails', confidence=confidence, n_resamples=n_resamples, seed=seed,
                             share=share, interval='parametric bootstrap',
                             fit='probability-weighted moments')
    return check_table(table, 'tails')


def _rows(score, n, fprs, confidence, n_resamples, rng):
    level, excess = score[-n - 1], score[-n:] - score[-n - 1]
    shape, scale = fit_tail(excess)
    draws = genpareto.rvs(shape, scale=scale, size=(n_resamples, n), random_state=rng)
    shapes, scales = fit_tail(draws)
    taken = rng.binomial(len(score), n / len(score), n_resamples) / len(score)
    distance, null = _distance(excess, shape, scale), _distance(draws, shapes, scales)
    half = score[-n // 2:] - score[-n // 2 - 1] if n > 3 else excess
    shared = {'n_exceed': n, 'level': level, 'shape': float(shape), 'scale': float(scale),
              'shape_half': float(fit_tail(half)[0]),
              'p_value': float((1 + (null >= distance).sum()) / (1 + n_resamples))}
    shared |= dict(zip(('shape_lo', 'shape_hi'), map(float, percentile_interval(
        shapes, confidence=confidence)), strict=True))
    for fpr in fprs:
        above = int(np.floor(fpr * len(score)))
        lo, hi = percentile_interval(_beyond(fpr, taken, level, shapes, scales),
                                     confidence=confidence)
        yield {'fpr': fpr, 'n_above': above,
               'threshold': float(score[-above]) if above else np.inf,
               'fitted': float(_beyond(fpr, n / len(score), level, shape, scale)),
               'lo': float(lo), 'hi': float(hi), **shared}


def _beyond(fpr, taken, level, shape, scale):
    """Score above which a fraction lies; the level itself for rates that reach below it."""
    return level + genpareto.isf(np.minimum(fpr / np.maximum(taken, 1e-12), 1), shape, scale=scale)


def _distance(excess, shape, scale):
    x = np.sort(excess, axis=-1)
    n = x.shape[-1]
    expected = genpareto.cdf(x, np.asarray(shape)[..., None], scale=np.asarray(scale)[..., None])
    steps = np.arange(n + 1) / n
    return np.maximum(np.abs(expected - steps[1:]), np.abs(expected - steps[:-1])).max(axis=-1)
