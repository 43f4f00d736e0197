# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How well a finder ranks lenses above everything else.

The measurements live in `~lensfinder_audit.measure.roc` (the curve),
`~lensfinder_audit.measure.delong` (analytic errors) and
`~lensfinder_audit.measure.roc_bootstrap` (resampled errors); their public names
are here as well, beside the table that puts them together.
"""
from typing import NamedTuple

import numpy as np
from astropy.table import QTable

from lensfinder_audit.measure.delong import auc_interval, delong, delong_test, disjoint_pairs
from lensfinder_audit.measure.intervals import binomial_interval, percentile_interval
from lensfinder_audit.measure.ranked import ROUNDING, rank_sample
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.measure.roc import (auc, partial_auc, roc_curve_table,
                                          standardise_partial_auc, tpr_at_fpr)
from lensfinder_audit.measure.roc_bootstrap import roc_bootstrap
from lensfinder_audit.tables import SCHEMAS, schema_meta

__all__ = ['auc', 'auc_interval', 'delong', 'delong_test', 'partial_auc', 'ranking_table',
           'roc_bootstrap', 'roc_curve_table', 'tpr_at_fpr']

BOOTSTRAP = 'bootstrap percentile'


class _Interval(NamedTuple):
    se: float
    lo: float
    hi: float
    interval: str


def ranking_table(score, label, *, finder='finder', weight=None, group=None,
                  fpr=(1e-1, 1e-2, 1e-3, 1e-4), max_fpr=0.01, confidence=0.95,
                  n_resamples=10000, seed=0, min_negatives=5, **meta):
    """
    Measure the AUC, the partial AUC and the completeness at stated FPRs.

    Parameters
    ----------
    score : (n,) array_like
        Higher is more lens-like; no NaN.
    label : (n,) array_like of bool
        Whether a row is a positive.
    finder : str, optional
        Name of the finder.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    group : (n,) array_like, optional
        Host, brick or pixel; rows of one group are not independent.
    fpr : (n_fpr,) array_like, optional
        False-positive rates at which completeness is measured.
    max_fpr : float, optional
        Where the partial area ends.
    confidence : float, optional
        Confidence of the intervals.
    n_resamples, seed : int, optional
        Of the bootstrap; ``meta`` says how many resamples were made.
    min_negatives : int, optional
        A number that rests on fewer negatives is marked unsupported.
    **meta
        Further entries of ``meta``, such as the name of the cluster column.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``ranking``: the AUC with its analytic interval, the AUC with its
        bootstrap interval, the partial AUC (standardised), and the TPR at each
        FPR. Further columns are ``fpr``, ``se``, ``n_positives``,
        ``n_negatives``, ``n_groups``, ``n_negatives_above`` (negatives that the
        number rests on), ``tpr_least``, ``tpr_greatest``, ``supported``,
        ``state`` and ``reason``.

    Raises
    ------
    MeasurementError
        If a class is missing, a score is NaN, lengths differ or an option is
        out of range.

    Notes
    -----
    The interval of a row is named in its column ``interval``. Where every
    resample gives the same value, a percentile interval has no width and is
    replaced: a TPR of 0 or 1 by the one-sided exact binomial bound on the
    positives (groups with positives; Kish's effective number if weighted), an
    area of 1 by the bound that the AUC has from disjoint pairs, as no more can
    be missing from a part of the curve than from all of it. Any other value
    without spread has no interval, and NaN in its place.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.ranking import ranking_table
    >>> rng = np.random.default_rng(2)
    >>> label = np.arange(5000) < 400
    >>> table = ranking_table(rng.normal(3 * label), label, n_resamples=1000)
    >>> print(table[3:]['statistic', 'n_negatives_above', 'state'])
        statistic     n_negatives_above    state
    ----------------- ----------------- -----------
       TPR at FPR 0.1               460   supported
      TPR at FPR 0.01                46   supported
     TPR at FPR 0.001                 4 unsupported
    TPR at FPR 0.0001                 0 unsupported
    """
    analytic = auc_interval(score, label, weight=weight, group=group, confidence=confidence)
    draws = roc_bootstrap(score, label, weight=weight, group=group, n_resamples=n_resamples,
                          seed=seed, fpr=fpr, max_fpr=max_fpr)
    sample = rank_sample(score, label, weight=weight)
    pairs = disjoint_pairs(sample, None if group is None else codes(group)[0])
    bound = binomial_interval(pairs, pairs, method='clopper-pearson', confidence=confidence,
                              sides=1)[0]
    rows = [_row('AUC', np.nan, analytic.auc, analytic[1:], (~sample.label).sum()),
            _auc_row(analytic.auc, draws, bound, confidence, sample),
            _partial_row(score, label, weight, draws, bound, confidence)]
    rows += _tpr_rows(sample, tpr_at_fpr(score, label, draws.fpr, weight=weight), draws,
                      _independent_positives(sample, group), confidence)
    table = QTable(rows=rows)
    table['finder'] = finder
    _count(table, sample, group, min_negatives)
    return _finish(table, confidence=confidence, n_resamples=draws.n_resamples,
                   n_resamples_wanted=n_resamples, seed=seed, resampled=draws.resampled,
                   max_fpr=max_fpr, min_negatives=min_negatives,
                   weighted=weight is not None, **meta)


def _row(statistic, fpr, estimate, interval, above, least=np.nan, greatest=np.nan):
    interval = _Interval(*interval)
    return {'statistic': statistic, 'fpr': float(fpr), 'estimate': float(estimate),
            'lo': float(interval.lo), 'hi': float(interval.hi), 'interval': interval.interval,
            'se': float(interval.se), 'n_negatives_above': int(above),
            'tpr_least': float(least), 'tpr_greatest': float(greatest)}


def _auc_row(area, draws, bound, confidence, sample):
    interval = _percentile(draws.auc, confidence)
    if interval is None:
        interval = _at_the_edge(area, bound, 'clopper-pearson on disjoint pairs (one-sided)')
    return _row('AUC', np.nan, area, interval, (~sample.label).sum())


def _partial_row(score, label, weight, draws, bound, confidence):
    area = partial_auc(score, label, weight=weight, max_fpr=draws.max_fpr)
    interval = _percentile(draws.partial_auc, confidence)
    if interval is None:
        raw = max(draws.max_fpr - (1 - bound), 0)
        lo = standardise_partial_auc(raw, draws.max_fpr) if area > 1 - ROUNDING else np.nan
        hi = 1 if area > 1 - ROUNDING else np.nan
        interval = (0, lo, hi, 'from the bound of the AUC (one-sided)' if hi == 1 else 'none')
    above = tpr_at_fpr(score, label, draws.max_fpr, weight=weight)['n_negatives_above'][0]
    return _row(f'partial AUC below FPR {draws.max_fpr:g}', draws.max_fpr, area, interval, above)


def _tpr_rows(sample, points, draws, n, confidence):
    rows = []
    for point, drawn in zip(points, draws.tpr.T):
        interval = _percentile(drawn, confidence)
        if interval is None:
            bound = binomial_interval(n, n, method='clopper-pearson', confidence=confidence,
                                      sides=1)[0]
            interval = _at_the_edge(point['tpr'], bound, 'clopper-pearson (one-sided)')
        rows.append(_row(f'TPR at FPR {point["fpr"]:g}', point['fpr'], point['tpr'], interval,
                         point['n_negatives_above'], point['tpr_least'], point['tpr_greatest']))
    return rows


def _percentile(drawn, confidence):
    """Return the percentile interval, or None where the draws have no spread."""
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn) or np.ptp(drawn) < 1e-12:
        return None
    return _Interval(drawn.std(ddof=1), *percentile_interval(drawn, confidence=confidence),
                     BOOTSTRAP)


def _at_the_edge(estimate, bound, name):
    """Return the one-sided interval of an estimate of 0 or 1, else none."""
    if estimate > 1 - ROUNDING:
        return _Interval(0, bound, 1, name)
    if estimate < ROUNDING:
        return _Interval(0, 0, 1 - bound, name)
    return _Interval(0, np.nan, np.nan, 'none')


def _independent_positives(sample, group):
    if group is not None:
        return len(np.unique(codes(group)[0][sample.label]))
    weight = sample.weight[sample.label]
    return weight.sum()**2 / np.sum(weight**2)


def _count(table, sample, group, min_negatives):
    n_positives = int(sample.label.sum())
    table['n_positives'] = n_positives
    table['n_negatives'] = len(sample.label) - n_positives
    table['n_groups'] = len(sample.label) if group is None else len(codes(group)[1])
    table['supported'] = (table['n_negatives_above'] >= min_negatives) & np.isfinite(table['lo'])
    table['state'] = np.where(table['supported'], 'supported', 'unsupported')
    table['reason'] = [_reason(row, min_negatives) for row in table]


def _reason(row, min_negatives):
    above, n = row['n_negatives_above'], row['n_negatives']
    if above < min_negatives:
        allowed = '' if np.isnan(row['fpr']) else (
            f'; the FPR allows {row["fpr"] * n:.3g} of {n} rows')
        return (f'rests on {above} negative{"" if above == 1 else "s"}, fewer than '
                f'{min_negatives}{allowed}')
    return '' if row['supported'] else 'all resamples gave the same value'


def _finish(table, **meta):
    columns = list(SCHEMAS['ranking'].columns)
    table = table[columns + [name for name in table.colnames if name not in columns]]
    names = ', '.join(dict.fromkeys(table['interval'].tolist()))
    table.meta = schema_meta('ranking', interval=names, **meta)
    return table
