# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Checks of the statistics: tails behind thresholds, intervals, effective sample sizes."""
import numpy as np
from astropy.table import QTable
from scipy.special import betaincinv, ndtri

from lensfinder_audit.findings import Finding
from lensfinder_audit.measure.intervals import INTERVALS, binomial_interval
from lensfinder_audit.measure.tails import tail_table

__all__ = ['tails', 'intervals', 'effective_n', 'matching_intervals', 'name_interval']


def tails(case):
    """Set a fitted tail beside every threshold that was set at a false-positive rate."""
    label, fprs = np.asarray(case.sample['label']), case.fprs()
    if not fprs or (~label).sum() <= 100 or case.weight() is not None:
        return
    scores = {}
    for finder in case.summary['finders']:
        odds = case.log_odds(finder)
        values = None if odds is None else odds[~label]
        if values is not None and len(np.unique(np.sort(values)[-50:])) > 25:
            scores[finder] = values
    if not scores:
        return
    table = tail_table(scores, fprs, confidence=case.options.confidence, seed=case.options.seed)
    case.tables['tails'] = table
    for row in table:
        if row['p_value'] < case.limits.level:
            yield Finding('note', 'tails', f'the {row["n_exceed"]} highest negatives of '
                          f'{row["finder"]} are not generalised Pareto (p = {row["p_value"]:.2g}); '
                          'a fitted threshold cannot replace the empirical one', 'tails',
                          'Look at the highest-scoring negatives; a lump is a family of its own.')
            return
        if row['n_above'] and not row['lo'] <= row['threshold'] <= row['hi']:
            yield Finding('note', 'tails', f'the threshold of {row["finder"]} at FPR '
                          f'{row["fpr"]:g} is {row["threshold"]:.4g} on log odds by its '
                          f'{row["n_above"]} negatives and {row["fitted"]:.4g} [{row["lo"]:.4g}, '
                          f'{row["hi"]:.4g}] by the fitted tail', 'tails',
                          'Quote both, or score more negatives.')


def intervals(case):
    """Compute every interval again from the estimate and the effective number beside it."""
    rows = []
    for name, table in list(case.tables.items()):
        method = table.meta.get('interval')
        if not name.startswith(('completeness', 'false_positives')):
            continue  # an interval at another prevalence is moved after it was made
        if method in INTERVALS and {'estimate', 'n_eff', 'lo', 'hi'} <= set(table.colnames):
            rows.append(_again(name, table, method))
    if not rows:
        return
    case.tables['intervals_again'] = QTable(rows=rows)
    wrong = [row for row in rows if row['n_different']]
    if wrong:
        yield Finding('severe', 'intervals', f'{sum(row["n_different"] for row in wrong)} '
                      f'intervals in {", ".join(row["table"] for row in wrong)} are not the '
                      f'{wrong[0]["interval"]} intervals that they are said to be',
                      'intervals_again', 'Do not quote them; the table was changed or is damaged.')


def _again(name, table, method):
    n = np.asarray(table['n_eff'], dtype=float)
    p = np.asarray(table['estimate'], dtype=float)
    good = np.isfinite(p) & (n > 0)
    lo, hi = binomial_interval(p[good] * n[good], n[good], method=method,
                               confidence=table.meta.get('confidence', 0.95))
    gap = np.maximum(np.abs(lo - table['lo'][good]), np.abs(hi - table['hi'][good]))
    return {'table': name, 'interval': method, 'n': int(good.sum()),
            'n_different': int((gap > 1e-6).sum()), 'largest_gap': float(gap.max(initial=0))}


def effective_n(case):
    """Compare effective sample sizes with counts."""
    for name in ('completeness', 'false_positives'):
        for row in case.rows(name):
            if row['n'] >= 100 and row['n_eff'] < case.limits.effective_share * row['n']:
                yield Finding('note', 'effective n', f'{row["n"]} objects of {name} are worth '
                              f'{row["n_eff"]:.0f} independent ones at {row["operating_point"]} of '
                              f'{row["finder"]}, because of weights and groups', name,
                              'Quote the effective number, and spread the sample over more groups.')
                return


def name_interval(k, n, lo, hi, *, confidence=0.95, digits=3):
    """
    Tell by which method a published interval was made.

    Parameters
    ----------
    k, n : int
        Successes and trials.
    lo, hi : float
        The published ends.
    confidence : float, optional
        Their confidence.
    digits : int, optional
        Decimals to which they are known.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``interval``, ``lo``, ``hi``, ``difference`` and whether it ``agrees``.

    Examples
    --------
    >>> from lensfinder_audit.checks.statistics import name_interval
    >>> table = name_interval(100, 112, 0.826, 0.940)
    >>> print(table['interval'][table['agrees']].tolist())
    ['jeffreys']
    """
    rows = []
    for method, ends in _ends(k, n, confidence).items():
        gap = max(abs(ends[0] - lo), abs(ends[1] - hi))
        rows.append({'interval': method, 'lo': float(ends[0]), 'hi': float(ends[1]),
                     'difference': float(gap), 'agrees': bool(gap <= 0.51 * 10.0**-digits)})
    return QTable(rows=rows)


def _ends(k, n, confidence):
    """Return the ends by all methods, and by the normal approximation, which no one should use."""
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    found = {method: binomial_interval(k, n, method=method, confidence=confidence)
             for method in INTERVALS}
    p = k / n
    error = ndtri((1 + confidence) / 2) * np.sqrt(p * (1 - p) / n)
    return found | {'normal (Wald)': (p - error, p + error)}


def _quantiles(k, n, confidence):
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    return betaincinv(k + 0.5, n - k + 0.5, np.array([[1 - confidence], [1 + confidence]]) / 2)


def matching_intervals(k, n, lo, hi, *, confidence=0.95):
    """
    Count how many published intervals each method makes.

    Parameters
    ----------
    k, n : (m,) array_like
        Successes and trials, of which there are some.
    lo, hi : (m,) array_like
        Published ends; they may be rounded.
    confidence : float, optional
        Their confidence.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``interval``, ``n``, ``n_agree`` (to half a unit of the last decimal of any end) and
        ``largest_gap``.
    """
    published = np.stack([np.asarray(item, dtype=float) for item in (lo, hi)])
    decimals = next((d for d in range(1, 12) if np.allclose(published.round(d), published, rtol=0,
                                                            atol=1e-13)), 12)
    rows = []
    for method, ends in _ends(k, n, confidence).items():
        gap = np.abs(np.stack(ends) - published).max(axis=0)
        if method == 'jeffreys':  # some do not set the ends of no or full counts to 0 and 1
            gap = np.minimum(gap, np.abs(_quantiles(k, n, confidence) - published).max(axis=0))
        rows.append({'interval': method, 'n': gap.size, 'n_agree': int((
            gap <= 0.51 * 10.0**-decimals).sum()), 'largest_gap': float(gap.max(initial=0))})
    return QTable(rows=rows)
