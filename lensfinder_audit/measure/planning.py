# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How many lenses or negatives a measurement needs, before it is made.

The interval of a sample that is not there yet depends on how many of its objects
will be recovered, which is random. A number of objects comes therefore with its
assurance: the probability that the interval turns out as short as wanted.
"""
from itertools import product

import numpy as np
from astropy.table import QTable
from scipy.stats import binom

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['design_effect', 'lenses_needed', 'negatives_for_count', 'negatives_needed',
           'plan_table']

#: No search goes past this many objects.
MOST = 10**12


def design_effect(group_size, correlation):
    """
    Return by how much groups raise the number of objects that is needed.

    Parameters
    ----------
    group_size : float
        Mean number of objects per group, at least 1; for groups of unequal size
        sum(m^2) / sum(m), the size of the group that an object sees.
    correlation : float
        Intra-class correlation of being recovered, in [0, 1].

    Returns
    -------
    effect : float
        1 + (group_size - 1) correlation (Kish 1965, Survey Sampling).

    Raises
    ------
    MeasurementError
        If a value is out of range.

    Examples
    --------
    >>> from lensfinder_audit.measure.planning import design_effect
    >>> design_effect(500, 0.1)  # injections that share 20 host pools
    50.9
    """
    _check('group_size', group_size, group_size >= 1, 'be at least 1')
    _check('correlation', correlation, 0 <= correlation <= 1, 'lie in [0, 1]')
    return 1 + (group_size - 1) * correlation


def lenses_needed(completeness, half_width, *, method='wilson', confidence=0.95,
                  design_effect=1.0, assurance=0.5):
    """
    Find how many lenses measure a completeness to a wanted precision.

    Parameters
    ----------
    completeness : float
        What the completeness is expected to be, in [0, 1].
    half_width : float
        Greatest half-width of its two-sided interval, in (0, 0.5).
    method, confidence : optional
        Name of a binomial interval and its confidence.
    design_effect : float, optional
        At least 1; from `design_effect` where lenses come in groups.
    assurance : float, optional
        Probability with which the interval is at most that wide. At 0.5 every
        other sample will disappoint; 0.8 or 0.9 is a plan.

    Returns
    -------
    n : int
        Lenses needed. Any larger number does as well.

    Raises
    ------
    MeasurementError
        If a value is out of range or the method unknown.

    Notes
    -----
    The number recovered is binomial, and the assurance is its probability where
    the interval is short enough, summed without a normal approximation. It is a
    saw-tooth in n; the number returned lies past the last tooth that falls short.

    Examples
    --------
    >>> from lensfinder_audit.measure.planning import lenses_needed
    >>> lenses_needed(0.9, 0.05), lenses_needed(0.9, 0.05, assurance=0.9)
    (141, 176)
    """
    _check_common(confidence, design_effect, assurance)
    _check('completeness', completeness, 0 <= completeness <= 1, 'lie in [0, 1]')
    _check('half_width', half_width, 0 < half_width < 0.5, 'lie between 0 and 0.5')

    def assured(n):
        return _assurance(n, completeness, half_width, method, confidence) >= assurance

    n = _first(assured, 1)
    spread = completeness * (1 - completeness)
    reach = int(min(3 / spread, 500)) + 5 if spread else 0
    failing = [m for m in range(max(n - reach, 0), n + reach) if m < 1 or not assured(m)]
    return _grow(max(failing, default=n - 1) + 1, design_effect)


def negatives_for_count(false_positives, upper, *, method='clopper-pearson', confidence=0.95,
                        sides=1, design_effect=1.0):
    """
    Find how many negatives bound an FPR below a value, given the false positives.

    Parameters
    ----------
    false_positives : int
        How many negatives are selected, 0 or more.
    upper : float
        Greatest upper bound of the false-positive rate, in (0, 1).
    method, confidence, design_effect : optional
        As for `lenses_needed`.
    sides : {1, 2}, optional
        Upper bound by itself, or the upper end of a two-sided interval.

    Returns
    -------
    n : int
        Negatives needed.

    Raises
    ------
    MeasurementError
        If a value is out of range or the method unknown.

    Notes
    -----
    For no false positive the exact bound is log(1 - confidence) / log(1 - upper),
    about 3 / upper at 95 % one-sided: the rule of three (Hanley & Lippman-Hand
    1983, doi:10.1001/jama.1983.03330370053031).

    Examples
    --------
    >>> from lensfinder_audit.measure.planning import negatives_for_count
    >>> negatives_for_count(0, 1e-4), negatives_for_count(0, 1e-4, sides=2)
    (29956, 36887)
    """
    _check_common(confidence, design_effect, 0.5)
    _check('false_positives', false_positives, false_positives >= 0, 'be 0 or more')
    _check('upper', upper, 0 < upper < 1, 'lie between 0 and 1')
    n = _first(lambda n: binomial_interval(false_positives, n, method=method, sides=sides,
                                           confidence=confidence)[1] <= upper,
               int(false_positives) + 1)
    return _grow(n, design_effect)


def negatives_needed(fpr, upper, *, method='clopper-pearson', confidence=0.95, sides=1,
                     design_effect=1.0, assurance=0.5):
    """
    Find how many negatives show that an FPR lies below a value.

    Parameters
    ----------
    fpr : float
        What the false-positive rate is expected to be, from 0 to below ``upper``.
    upper : float
        Greatest upper bound of the measured rate, in (0, 1).
    method, confidence, sides, design_effect : optional
        As for `negatives_for_count`.
    assurance : float, optional
        Probability with which the bound is at most that high.

    Returns
    -------
    n : int
        Negatives needed. Any larger number does as well.

    Raises
    ------
    MeasurementError
        If a value is out of range or the method unknown.

    Examples
    --------
    >>> from lensfinder_audit.measure.planning import negatives_needed
    >>> negatives_needed(0, 1e-4)
    29956
    """
    _check_common(confidence, design_effect, assurance)
    _check('fpr', fpr, 0 <= fpr < upper, f'lie in [0, upper), with upper = {upper}')
    options = {'method': method, 'confidence': confidence, 'sides': sides}

    def assured(count):
        # worst just before the bound allows one more false positive
        last = negatives_for_count(count + 1, upper, **options) - 1
        return binom.cdf(count, last, fpr) >= assurance

    count = _first(assured, 0)
    return _grow(negatives_for_count(count, upper, **options), design_effect)


def plan_table(*, completeness=(0.5, 0.9), half_width=(0.05,), fpr=(0.0,), upper=(1e-3, 1e-4),
               method='wilson', fpr_method='clopper-pearson', confidence=0.95, sides=1,
               group_size=1.0, correlation=0.0, assurance=0.8):
    """
    Plan the samples of an audit.

    Parameters
    ----------
    completeness, half_width : array_like of float, optional
        Every expected completeness with every half-width, as for `lenses_needed`.
    fpr, upper : array_like of float, optional
        Every expected false-positive rate with every bound above it, as for
        `negatives_needed`.
    method, fpr_method, confidence : optional
        Names of the binomial intervals, and their confidence.
    sides : {1, 2}, optional
        Of the bound of the false-positive rate.
    group_size, correlation : float, optional
        As for `design_effect`.
    assurance : float, optional
        Probability with which an interval is as short as wanted.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per question: ``quantity``, ``expected``, ``wanted`` (half-width
        or upper bound), ``n_needed``, ``n_groups``, ``n_eff`` (independent
        objects that they are worth), ``lo`` and ``hi`` of the interval to
        expect, its name in ``interval``, and ``assurance``, the probability
        that is reached.

    Raises
    ------
    MeasurementError
        If a value is out of range or a method unknown.

    Examples
    --------
    >>> from lensfinder_audit.measure.planning import plan_table
    >>> table = plan_table(completeness=[0.9], upper=[1e-4])
    >>> print(table['quantity', 'expected', 'wanted', 'n_needed'])
          quantity      expected wanted n_needed
    ------------------- -------- ------ --------
           completeness      0.9   0.05      165
    false-positive rate      0.0 0.0001    29956
    """
    effect = design_effect(group_size, correlation)
    shared = {'confidence': confidence, 'design_effect': effect, 'assurance': assurance}
    rows = []
    for p, wanted in _pairs(completeness, half_width):
        n = lenses_needed(p, wanted, method=method, **shared)
        rows.append(_row('completeness', p, wanted, n, effect, method, confidence, 2))
    for p, wanted in _pairs(fpr, upper):
        if p < wanted or np.min(fpr) >= np.max(upper):  # the latter is an error
            n = negatives_needed(p, wanted, method=fpr_method, sides=sides, **shared)
            rows.append(_row('false-positive rate', p, wanted, n, effect, fpr_method, confidence,
                             sides))
    table = QTable(rows=rows)
    table['n_groups'] = np.ceil(table['n_needed'] / group_size).astype(int)
    table.meta = schema_meta('plan', confidence=confidence, sides=sides, group_size=group_size,
                             correlation=correlation, design_effect=effect,
                             assurance_wanted=assurance)
    return check_table(table, 'plan')


def _pairs(first, second):
    return product(np.atleast_1d(first), np.atleast_1d(second))


def _row(quantity, p, wanted, n, effect, method, confidence, sides):
    n_eff = n / effect
    lo, hi = binomial_interval(n_eff * p, n_eff, method=method, confidence=confidence, sides=sides)
    whole = int(n_eff * (1 + 1e-12))
    bound = None if quantity == 'completeness' else sides
    return {'quantity': quantity, 'expected': float(p), 'wanted': float(wanted), 'n_needed': n,
            'n_groups': n, 'n_eff': n_eff, 'lo': float(lo), 'hi': float(hi),
            'interval': f'{method}, {"one" if sides == 1 else "two"}-sided',
            'assurance': _assurance(whole, p, wanted, method, confidence, bound=bound)}


def _assurance(n, p, wanted, method, confidence, *, bound=None):
    """Return the probability that the half-width, or the upper bound, is as wanted."""
    reach = 10 * np.sqrt(n * p * (1 - p)) + 20  # what lies past it has no weight
    k = np.arange(max(int(n * p - reach), 0), min(int(n * p + reach), n) + 1)
    lo, hi = binomial_interval(k, n, method=method, confidence=confidence, sides=bound or 2)
    good = ((hi - lo) / 2 if bound is None else hi) <= wanted * (1 + 1e-12)
    return float(min(binom.pmf(k, n, p)[good].sum(), 1))


def _first(condition, start):
    """Return the smallest number from start on for which a rising condition holds."""
    step = 1
    while not condition(start + step - 1):
        step *= 2
        if step > MOST:
            raise MeasurementError(f'more than {MOST:.0e} objects would be needed; ask for less')
    bad, good = start + step // 2 - 1, start + step - 1
    while good - bad > 1:
        middle = (good + bad) // 2
        bad, good = (bad, middle) if condition(middle) else (middle, good)
    return good


def _grow(n, effect):
    return int(np.ceil(n * effect * (1 - 1e-12)))


def _check(name, value, good, rule):
    if not good:
        raise MeasurementError(f'{name} must {rule}; it is {value}')


def _check_common(confidence, effect, assurance):
    _check('confidence', confidence, 0 < confidence < 1, 'lie between 0 and 1')
    _check('design_effect', effect, effect >= 1, 'be at least 1')
    _check('assurance', assurance, 0 < assurance < 1, 'lie between 0 and 1')
