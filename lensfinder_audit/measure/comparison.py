# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Two or more finders on the same objects: paired tests, paired intervals, and
p-values that know how many comparisons were made.
"""
from itertools import combinations

import numpy as np
from astropy.table import QTable
from scipy.special import ndtri
from scipy.stats import false_discovery_control

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.delong import delong_test
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.paired import mcnemar
from lensfinder_audit.measure.ranking import auc
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.tables import check_table, require_columns, schema_meta

__all__ = ['adjust_p_values', 'comparison_table']

ADJUSTMENTS = ('holm', 'benjamini-hochberg')


def adjust_p_values(p, *, method='holm'):
    """
    Correct p-values for the number of tests.

    Parameters
    ----------
    p : (n,) array_like
        p-values; NaN marks a test that was not made, and does not count.
    method : {'holm', 'benjamini-hochberg'}, optional
        Holm [1]_ bounds the probability of any false alarm, whatever the tests
        have in common; Benjamini & Hochberg [2]_ bound the expected fraction of
        false alarms among those raised.

    Returns
    -------
    adjusted : (n,) `~numpy.ndarray`
        To be compared with the level of the whole family.

    Raises
    ------
    MeasurementError
        If the method is unknown or a value is outside [0, 1].

    References
    ----------
    .. [1] Holm 1979, Scandinavian Journal of Statistics 6, 65
    .. [2] Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x

    Examples
    --------
    >>> from lensfinder_audit.measure.comparison import adjust_p_values
    >>> adjust_p_values([0.01, 0.04, 0.03]).round(3)
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p, dtype=float)
    if method not in ADJUSTMENTS:
        raise MeasurementError(f'there is no correction {method!r}; there are {list(ADJUSTMENTS)}.'
                               f'{did_you_mean(method, ADJUSTMENTS)}')
    if ((p < 0) | (p > 1)).any():
        raise MeasurementError(f'a p-value lies in [0, 1]; {p[(p < 0) | (p > 1)][0]:g} does not')
    result, made = np.full(p.shape, np.nan), np.isfinite(p)
    if made.any():
        result[made] = _holm(p[made]) if method == 'holm' else false_discovery_control(p[made])
    return result


def _holm(p):
    order = np.argsort(p, kind='stable')
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty(len(p))
    result[order] = np.minimum(stepped, 1)
    return result


def comparison_table(sample, thresholds, *, group=None, weight=None, confidence=0.95,
                     n_resamples=10000, seed=0, adjustment='holm'):
    """
    Compare finders that scored the same objects.

    Parameters
    ----------
    sample : (n,) `~astropy.table.Table`
        With a boolean column ``label``, one column per finder and, where lenses
        differ in how they were found, ``discovery``.
    thresholds : dict of str to dict of str to float
        For each operating point, the threshold of each finder.
    group : str, optional
        Column of the host, brick or pixel, resampled together.
    weight : str, optional
        Column of the objects of the population that a row stands for; fractions
        are weighted, tests and areas are not.
    confidence : float, optional
        Of the intervals of the differences.
    n_resamples, seed : int, optional
        Of the paired bootstrap.
    adjustment : str, optional
        As for `adjust_p_values`, over all rows of the table.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``comparison``: each pair of finders by recovered fraction of the
        lenses of each way of discovery, by false-positive rate and by AUC.

    Raises
    ------
    MeasurementError
        If there are fewer than two finders, or no object.

    Notes
    -----
    Fractions are compared by McNemar's tests on the discordant pairs, which take
    objects for independent; their interval resamples whole groups. Thresholds
    enter as they are, without the uncertainty of having been set on a sample.
    Areas are compared by the (clustered) test of DeLong.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.comparison import comparison_table
    >>> lens = np.arange(200) < 100
    >>> table = QTable({'label': lens, 'a': lens * 1.0, 'b': lens * (np.arange(200) % 4 > 0) * 1.0})
    >>> found = comparison_table(table, {'score >= 0.5': {'a': 0.5, 'b': 0.5}}, n_resamples=200)
    >>> found['statistic', 'difference', 'n_only_a', 'n_only_b'][:1].pprint()
        statistic      difference n_only_a n_only_b
    ------------------ ---------- -------- --------
    recovered fraction       0.25       25        0
    """
    finders = list(dict.fromkeys(name for found in thresholds.values() for name in found))
    require_columns(sample, ['label', *finders, *([group] if group else []),
                             *([weight] if weight else [])])
    if len(finders) < 2 or not len(sample):
        raise MeasurementError(f'a comparison needs two finders and some objects; there are '
                               f'{len(finders)} and {len(sample)}')
    units = None if group is None else np.asarray(sample[group])
    mass = np.ones(len(sample)) if weight is None else np.asarray(sample[weight], dtype=float)
    draws = _Draws(Resampler(len(sample), group=units, n_resamples=n_resamples, seed=seed),
                   mass, confidence)
    rows = [row for pair in combinations(finders, 2)
            for row in _pair_rows(sample, pair, thresholds, units, draws)]
    table = QTable(rows=rows)
    table['p_adjusted'] = adjust_p_values(table['p_value'], method=adjustment)
    table.meta = schema_meta('comparison', confidence=confidence, cluster=group,
                             weights=weight, seed=seed,
                             n_resamples=n_resamples, adjustment=adjustment,
                             n_tests=int(np.isfinite(table['p_value']).sum()))
    return check_table(table, 'comparison')


class _Draws:
    """Intervals of paired differences, from shared resamples of the groups."""

    def __init__(self, resampler, mass, confidence):
        self.resampler, self.mass, self.confidence = resampler, mass, confidence

    def interval(self, difference, rows):
        """Bound the mean of a difference over some of the rows."""
        found, mass = self.resampler.subset(rows), self.mass[rows]
        sums = np.hstack([found.unit_sums(mass * difference), found.unit_sums(mass)])
        totals = found.resample(sums)
        with np.errstate(invalid='ignore'):
            lo, hi = percentile_interval(totals[:, 0] / totals[:, 1], confidence=self.confidence)
        return float(lo), float(hi)

    def n_groups(self, rows):
        """Count the groups of some of the rows."""
        return len(np.unique(self.resampler.unit[rows]))


def _pair_rows(sample, pair, thresholds, units, draws):
    label = np.asarray(sample['label'], dtype=bool)
    first, second = (np.asarray(sample[name], dtype=float) for name in pair)
    names = {'finder_a': pair[0], 'finder_b': pair[1]}
    for point, found in thresholds.items():
        if not set(pair) <= set(found):
            continue
        over = first >= found[pair[0]], second >= found[pair[1]]
        for statistic, which, rows in _sides(sample, label):
            yield {**names, 'statistic': statistic, 'sample': which, 'operating_point': point,
                   **_fractions(*over, rows, draws)}
    if label.any() and not label.all():
        yield {**names, 'statistic': 'AUC', 'sample': 'all', 'operating_point': '',
               **_areas(first, second, label, units, draws)}


def _sides(sample, label):
    words = np.asarray(sample['discovery'] if 'discovery' in sample.colnames else
                       np.full(len(sample), 'lenses')).astype(str)
    for word in np.unique(words[label]):
        yield 'recovered fraction', str(word), label & (words == word)
    if not label.all():
        yield 'false-positive rate', 'negatives', ~label


def _fractions(first, second, rows, draws):
    first, second, mass = first[rows], second[rows], draws.mass[rows]
    estimates = [np.average(found, weights=mass) for found in (first, second)]
    alone = int((first & ~second).sum()), int((second & ~first).sum())
    lo, hi = draws.interval(first.astype(float) - second, rows)
    return {'n': len(first), 'n_groups': draws.n_groups(rows), 'estimate_a': estimates[0],
            'estimate_b': estimates[1], 'difference': estimates[0] - estimates[1],
            'lo': lo, 'hi': hi, 'interval': 'paired bootstrap', 'n_only_a': alone[0],
            'n_only_b': alone[1], 'p_value': mcnemar(*alone),
            'p_mid': mcnemar(*alone, method='mid-p'), 'test': 'exact McNemar'}


def _areas(first, second, label, units, draws):
    found = delong_test(first, second, label, group=units)
    half = ndtri((1 + draws.confidence) / 2) * found.se
    return {'n': len(label), 'n_groups': draws.n_groups(np.ones(len(label), bool)),
            'estimate_a': auc(first, label), 'estimate_b': auc(second, label),
            'difference': found.difference, 'lo': found.difference - half,
            'hi': found.difference + half, 'interval': 'delong', 'n_only_a': 0, 'n_only_b': 0,
            'p_value': found.p, 'p_mid': np.nan, 'test': 'DeLong'}
