# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Does a fraction depend on a condition? Tests that call a null trend null."""
import numpy as np
from astropy.table import QTable
from scipy.stats import chi2_contingency
from scipy.stats import f as f_distribution

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.calibration_fit import fit_logistic
from lensfinder_audit.measure.comparison import adjust_p_values
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['trend_test', 'trend_table']

#: Fewer successes or failures than this carry no test.
_LEAST = 10

#: Of more successes, or failures, so many are drawn at random and weighted up.
_MOST = 40_000


def trend_test(success, values, *, weight=None, group=None):
    """
    Test whether a fraction depends on a column.

    Parameters
    ----------
    success : (n,) array_like of bool
        Outcome of each row.
    values : (n,) array_like
        Numbers, or words; rows without a value are left out.
    weight, group : (n,) array_like, optional
        Weights, and the host, brick or pixel of each row, for a trend with numbers.

    Returns
    -------
    row : dict
        ``n``, ``n_success``, ``p_value`` (NaN where there is no test), ``slope`` and its
        ``slope_se`` in log odds per standard deviation, ``trend`` (``'rises'``,
        ``'falls'``, ``'bends'`` or ``'differs'``, if it is real) and ``note``.

    Notes
    -----
    For numbers, a weighted logistic regression on the standardised value and its
    square, with a sandwich covariance over groups, and an F test of both
    coefficients. Of more than 40,000 successes or failures so many are drawn at random and
    weighted up: of a million negatives with a thousand false positives, all of these
    and every 25th of the others, at 1 % more standard error. For words, Pearson's
    chi-squared, which takes rows for independent.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.trends import trend_test
    >>> rng = np.random.default_rng(0)
    >>> seeing = rng.uniform(1, 1.8, 2000)
    >>> row = trend_test(rng.random(2000) < 1.2 - 0.5 * seeing, seeing)
    >>> print(row['trend'], row['p_value'] < 1e-6)
    falls True
    """
    success, values = np.asarray(success, dtype=bool), np.asarray(getattr(values, 'value', values))
    text = values.dtype.kind in 'USO'
    values = values.astype(str) if text else values.astype(float)
    keep = (values != '') if text else np.isfinite(values)
    row = {'n': int(keep.sum()), 'n_success': int(success[keep].sum()), 'slope': np.nan,
           'slope_se': np.nan, 'p_value': np.nan, 'trend': '', 'note': ''}
    if min(row['n_success'], row['n'] - row['n_success']) < _LEAST:
        return row | {'note': f'fewer than {_LEAST} successes or failures'}
    if len(np.unique(values[keep])) < 2:
        return row | {'note': 'one value'}
    if text:
        return row | _by_words(success[keep], values[keep])
    weight = np.ones(len(success)) if weight is None else np.asarray(weight, dtype=float)
    unit = None if group is None else codes(np.asarray(group)[keep])[0]
    rows, times = _thinned(success[keep])
    unit = unit if unit is None else codes(unit[rows])[0]
    return row | _by_numbers(success[keep][rows], values[keep][rows], weight[keep][rows] * times,
                             unit)


def _thinned(success):
    """Draw at most `_MOST` rows of either outcome; return them and how many each stands for."""
    rng = np.random.default_rng(0)
    rows, times = [], []
    for outcome in (success, ~success):
        found = np.flatnonzero(outcome)
        chosen = found if len(found) <= _MOST else np.sort(rng.choice(found, _MOST, replace=False))
        rows.append(chosen)
        times.append(np.full(len(chosen), len(found) / max(len(chosen), 1)))
    rows, times = np.concatenate(rows), np.concatenate(times)
    order = np.argsort(rows)
    return rows[order], times[order]


def _by_words(success, values):
    code = codes(values)[0]
    counts = np.stack([np.bincount(code, success), np.bincount(code, ~success)])
    return {'p_value': float(chi2_contingency(counts).pvalue), 'trend': 'differs'}


def _by_numbers(success, values, weight, unit):
    z = (values - values.mean()) / values.std()
    design = np.stack([np.ones(len(z)), z, z**2], axis=1)
    design = design[:, :2] if len(np.unique(values)) < 3 else design
    try:
        fit = fit_logistic(design, success, weight, unit=unit)
    except MeasurementError:
        return {'note': 'no fit: the fraction goes from 0 to 1 at a value'}
    beta, covariance = fit.coefficients[1:], fit.covariance[1:, 1:]
    freedom = max(fit.freedom - len(beta) + 1, 1)
    wald = beta @ np.linalg.pinv(covariance, hermitian=True) @ beta / len(beta)
    p = float(f_distribution.sf(wald * freedom / max(fit.freedom, 1), len(beta), freedom))
    error = float(np.sqrt(covariance[0, 0]))
    bends = abs(beta[0]) < 2 * error
    return {'p_value': p, 'slope': float(beta[0]), 'slope_se': error,
            'trend': 'bends' if bends else 'rises' if beta[0] > 0 else 'falls'}


def trend_table(rows, *, level=0.05, adjustment='holm'):
    """
    Put tests of trends into one family.

    Parameters
    ----------
    rows : iterable of dict
        What was tested, joined with what `trend_test` returned.
    level : float, optional
        Level of the whole family.
    adjustment : str, optional
        As for `~lensfinder_audit.measure.comparison.adjust_p_values`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``trends``: ``trend`` is ``'none found'`` where the adjusted p-value is
        above the level, and ``'not tested'`` without one.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.trends import trend_table, trend_test
    >>> rng = np.random.default_rng(0)
    >>> tests = [{'axis': 'noise', **trend_test(rng.random(500) < 0.5, rng.normal(size=500))}
    ...          for _ in range(20)]
    >>> print(*set(trend_table(tests)['trend']))
    none found
    """
    table = QTable(rows=list(rows))
    if not len(table):
        return QTable(meta=schema_meta('trends', level=level))
    table['p_adjusted'] = adjust_p_values(table['p_value'], method=adjustment)
    adjusted = np.nan_to_num(np.asarray(table['p_adjusted']), nan=2)
    words = np.where(adjusted <= level, np.asarray(table['trend']).astype('U10'), 'none found')
    table['trend'] = np.where(adjusted > 1, 'not tested', words)
    table.meta = schema_meta('trends', level=level, adjustment=adjustment,
                             n_tests=int(np.isfinite(table['p_value']).sum()))
    return check_table(table, 'trends')
