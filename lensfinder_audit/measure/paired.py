# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Paired designs: the same objects twice, with one thing changed."""
import numpy as np
from astropy.table import QTable
from scipy.stats import binom, chi2

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.tables import check_table, require_columns, schema_meta

__all__ = ['mcnemar', 'paired_table']


def mcnemar(only_first, only_second, *, method='exact'):
    """
    Test whether two outcomes of the same objects differ.

    Parameters
    ----------
    only_first, only_second : int
        Discordant pairs: objects with the first outcome alone, and with the second.
    method : {'exact', 'mid-p', 'chi-squared'}, optional
        The binomial distribution; the same with half the probability of what was
        observed, which is less conservative [1]_; or chi-squared with the
        continuity correction [2]_.

    Returns
    -------
    p : float
        Two-sided; 1 without a discordant pair. It holds for independent pairs.

    Raises
    ------
    MeasurementError
        If a count is negative, or there is no such method.

    References
    ----------
    .. [1] Fagerland, Lydersen & Laake 2013, doi:10.1186/1471-2288-13-91
    .. [2] McNemar 1947, doi:10.1007/BF02295996

    Examples
    --------
    >>> from lensfinder_audit.measure.paired import mcnemar
    >>> print(f"{mcnemar(27, 6):.2g} {mcnemar(73, 28, method='chi-squared'):.4g}")
    0.00032 1.197e-05
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    if fewer < 0:
        raise MeasurementError(f'discordant pairs are counts, not {only_first} and {only_second}')
    if method not in _METHODS:
        raise MeasurementError(f'there is no method {method!r}; there are {list(_METHODS)}.'
                               f'{did_you_mean(method, _METHODS)}')
    return float(min(_METHODS[method](int(fewer), int(n)), 1.0)) if n else 1.0


#: Two-sided p-values from the smaller of the two counts and their sum.
_METHODS = {'exact': lambda fewer, n: 2 * binom.cdf(fewer, n, 0.5),
            'mid-p': lambda fewer, n: 2 * binom.cdf(fewer, n, 0.5) - binom.pmf(fewer, n, 0.5),
            'chi-squared': lambda fewer, n: chi2.sf(max(n - 2 * fewer - 1, 0) ** 2 / n, 1)}


def paired_table(table, *, threshold, base='base', arm='arm', pair='injection', group='group',
                 score='score', confidence=0.95, n_resamples=10000, seed=0):
    """
    Compare every arm of a paired design with the first one.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One row per pair and arm.
    threshold : float
        Scores at or above it are recovered.
    base : str, optional
        The arm that the others are compared with.
    arm, pair, group, score : str, optional
        Columns: the arm, what is paired, what is resampled together, the score.
    confidence : float, optional
        Of the interval.
    n_resamples, seed : int, optional
        Of the bootstrap over groups.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``paired``, one row per other arm: pairs recovered in both, in one
        alone and in none; ``difference`` of the recovered fractions, arm less base,
        with an interval from resampled groups; exact McNemar ``p_value``, which
        takes the pairs for independent.

    Raises
    ------
    MeasurementError
        If there is no such base, no other arm, or no pair.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.paired import paired_table
    >>> arms = QTable({'injection': [0, 1, 2, 0, 1, 2], 'group': ['a', 'b', 'c'] * 2,
    ...                'arm': ['base'] * 3 + ['psf'] * 3, 'score': [1, 1, 0, 1, 0, 0.0]})
    >>> paired_table(arms, threshold=0.5)['arm', 'n_both', 'n_only_base', 'n_only_arm'].pprint()
    arm n_both n_only_base n_only_arm
    --- ------ ----------- ----------
    psf      1           1          0
    """
    require_columns(table, [arm, pair, group, score])
    arms = np.asarray(table[arm]).astype(str)
    others = [name for name in dict.fromkeys(arms.tolist()) if name != base]
    if base not in arms or not others:
        raise MeasurementError(f'the arms are {sorted(set(arms.tolist()))}; a paired table needs '
                               f'{base!r} and another one')
    options = {'threshold': threshold, 'confidence': confidence, 'n_resamples': n_resamples,
               'seed': seed}
    rows = [{'arm': name, **_compare(table[arms == base], table[arms == name], pair, group, score,
                                     **options)} for name in others]
    result = QTable(rows=rows)
    result.meta = schema_meta('paired', base=base, cluster=group, interval='bootstrap', **options)
    return check_table(result, 'paired')


def _compare(first, second, pair, group, score, *, threshold, confidence, n_resamples, seed):
    _, here, there = np.intersect1d(first[pair], second[pair], return_indices=True)
    scores = np.stack([np.asarray(first[score], float)[here],
                       np.asarray(second[score], float)[there]])
    good = np.isfinite(scores).all(axis=0)
    if not good.any():
        raise MeasurementError(f'no pair of {good.size} has a score in both arms')
    base, other = scores[:, good] >= threshold
    groups = np.asarray(first[group])[here][good]
    only_base, only_arm = int((base & ~other).sum()), int((other & ~base).sum())
    resampler = Resampler(len(groups), group=groups, n_resamples=n_resamples, seed=seed)
    sums = np.hstack([resampler.unit_sums(other.astype(float) - base),
                      resampler.unit_sums(np.ones(len(groups)))])
    totals = resampler.resample(sums)
    lo, hi = percentile_interval(totals[:, :1] / totals[:, 1:], confidence=confidence)
    return {'n_pairs': int(good.sum()), 'n_left_out': int((~good).sum()),
            'n_groups': len(np.unique(groups)), 'n_both': int((base & other).sum()),
            'n_only_base': only_base, 'n_only_arm': only_arm,
            'n_neither': int((~base & ~other).sum()),
            'difference': (only_arm - only_base) / int(good.sum()),
            'lo': float(lo[0]), 'hi': float(hi[0]), 'p_value': mcnemar(only_base, only_arm)}
