# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Weighted sums of the yields of several finders, such as one ensemble less another, or the
mean over seeds of one way of training less another.
"""
import numpy as np
from astropy.table import QTable
from scipy.special import ndtri
from scipy.stats import t as student

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure._ranked_yield import RankedYield
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.measure.yields import check_search, searched_mass
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['yield_contrasts', 'jackknife_error', 'widen_contrasts', 'seed_interval']


def yield_contrasts(scores, label, budgets, contrasts, *, weight=None, group=None,
                    prevalence=None, search_size=None, confidence=0.95, power=0.8,
                    n_resamples=2000, seed=0):
    """
    Measure weighted sums of yields, with intervals in which all finders share the resamples.

    Parameters
    ----------
    scores : dict of str to (n,) array_like
        Scores by finder.
    label : (n,) array_like of bool
        Whether an object is a lens.
    budgets : sequence of float
        Objects that are inspected.
    contrasts : dict of str to dict of str to float
        For each contrast, the factor of each finder; finders that are not named have none.
    weight, group, prevalence, search_size, confidence, power, n_resamples, seed
        As for `~lensfinder_audit.measure.yields.yield_tables`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``yield_contrasts``.

    Raises
    ------
    MeasurementError
        If a contrast names a finder that is not there, or there is nothing to find.

    Notes
    -----
    ``smallest_detectable`` is (z_(1 + confidence)/2 + z_power) times the standard error of the
    resamples: what would have been seen with that power. A contrast of which no resample
    differs has an error of 0, and says so.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.contrasts import yield_contrasts
    >>> lens, rng = np.arange(1000) % 10 == 0, np.random.default_rng(0)
    >>> scores = {name: rng.normal(shift * lens) for name, shift in
    ...           (('a1', 3), ('a2', 3), ('b1', 1.5), ('b2', 1.5))}
    >>> found = yield_contrasts(scores, lens, [50], {
    ...     'a less b': {'a1': 0.5, 'a2': 0.5, 'b1': -0.5, 'b2': -0.5}}, n_resamples=200)
    >>> print(found['difference'].round(1), found['lo'][0] > 5)
    [20.5] True
    """
    label = np.asarray(label, dtype=bool)
    scores = {name: np.asarray(values, dtype=float) for name, values in scores.items()}
    mass = searched_mass(label, weight=weight, prevalence=prevalence, search_size=search_size)
    check_search(scores, label, mass, budgets)
    for name, factors in contrasts.items():
        _check_factors(name, factors, scores)
    resampler = Resampler(len(label), group=group, n_resamples=n_resamples, seed=seed)
    wanted = {finder for factors in contrasts.values() for finder in factors}
    found = {name: _yield(scores[name], label, mass, resampler, budgets) for name in wanted}
    rows = [row for name, factors in contrasts.items()
            for row in _rows(name, factors, found, budgets, confidence, power)]
    table = QTable(rows=rows)
    table.meta = schema_meta('yield_contrasts', confidence=confidence, power=power, seed=seed,
                             n_resamples=n_resamples, interval='paired bootstrap',
                             search_size=float(mass.sum()), prevalence=prevalence,
                             clustered=group is not None)
    return check_table(table, 'yield_contrasts')


def jackknife_error(values):
    """
    Return the standard error of an ensemble from what it does without each of its members.

    Parameters
    ----------
    values : (k, ...) array_like
        A statistic of the ensemble without member 1, 2, ... k.

    Returns
    -------
    error : (...) `~numpy.ndarray`
        sqrt((k - 1) / k sum (values - mean)^2) [1]_: what the choice of the members adds to
        the uncertainty, where they are drawn alike, as the seeds of one network are.

    Raises
    ------
    MeasurementError
        If there are fewer than two.

    References
    ----------
    .. [1] Efron & Stein 1981, doi:10.1214/aos/1176345462

    Examples
    --------
    >>> from lensfinder_audit.measure.contrasts import jackknife_error
    >>> print(jackknife_error([9.0, 10.0, 11.0]).round(3))
    1.155
    """
    values = np.asarray(values, dtype=float)
    k = len(values)
    if k < 2:
        raise MeasurementError(f'what the choice of members adds is seen from two of them; there '
                               f'are {k}')
    return np.sqrt((k - 1) / k * ((values - values.mean(axis=0))**2).sum(axis=0))


def widen_contrasts(table, errors):
    """
    Add the error of the training seeds to that of the objects.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        As `yield_contrasts` returns it.
    errors : dict of str to (n_budgets,) array_like
        Standard error that the seeds add to a contrast at each budget, in the order of the
        table; contrasts without one keep NaN.

    Returns
    -------
    table : `~astropy.table.QTable`
        A copy with ``se_seeds``, ``total_lo`` and ``total_hi``, the interval of a normal
        distribution with both errors, and ``smallest_detectable`` from both.
    """
    table, meta = table.copy(), table.meta
    names = np.asarray(table['contrast']).astype(str)
    extra = np.full(len(table), np.nan)
    for name, error in errors.items():
        extra[names == name] = error
    z = ndtri(0.5 + meta['confidence'] / 2)
    total = np.hypot(table['se'], extra)
    known = np.isfinite(total)
    table['se_seeds'] = extra
    table['total_lo'], table['total_hi'] = (table['difference'] + sign * z * total
                                            for sign in (-1, 1))
    table['smallest_detectable'] = np.where(known, (z + ndtri(meta['power'])) * total,
                                            table['smallest_detectable'])
    return check_table(table, 'yield_contrasts')


def seed_interval(differences, *, confidence=0.95):
    """
    Return the interval of a mean over pairs of equal seeds.

    Parameters
    ----------
    differences : (k,) array_like
        One difference for each seed.
    confidence : float, optional
        Of the interval.

    Returns
    -------
    lo, hi : float
        Of Student's t distribution with k - 1 degrees of freedom; NaN with fewer than two.

    Examples
    --------
    >>> from lensfinder_audit.measure.contrasts import seed_interval
    >>> print('{:.2f} {:.2f}'.format(*seed_interval([1.0, 2.0, 3.0])))
    -0.48 4.48
    """
    differences = np.asarray(differences, dtype=float)
    k = len(differences)
    if k < 2:
        return float('nan'), float('nan')
    half = student.ppf(0.5 + confidence / 2, k - 1) * differences.std(ddof=1) / np.sqrt(k)
    return float(differences.mean() - half), float(differences.mean() + half)


def _check_factors(name, factors, scores):
    unknown = [finder for finder in factors if finder not in scores]
    if unknown or not factors:
        raise MeasurementError(f'the contrast {name!r} names '
                               f'{repr(unknown[0]) if unknown else "no finder"}; there are '
                               f'{list(scores)}.'
                               f'{did_you_mean(unknown[0], scores) if unknown else ""}')


def _yield(score, label, mass, resampler, budgets):
    """Return the yield at each budget, and that of each resample."""
    ranked = RankedYield(score, label, mass, resampler)
    return np.array([ranked.estimate(budget)[1] for budget in budgets]), ranked.draws(budgets)


def _rows(name, factors, found, budgets, confidence, power):
    value = sum(factor * found[finder][0] for finder, factor in factors.items())
    draws = sum(factor * found[finder][1] for finder, factor in factors.items())
    sides = [sum(abs(factor) * found[finder][0] for finder, factor in factors.items()
                 if sign * factor > 0) + np.zeros(len(budgets)) for sign in (1, -1)]
    z = ndtri(0.5 + confidence / 2) + ndtri(power)
    for i, budget in enumerate(budgets):
        lo, hi = percentile_interval(draws[:, i], confidence=confidence)
        error = float(draws[:, i].std(ddof=1))
        yield {'contrast': name, 'budget': float(budget), 'found_first': float(sides[0][i]),
               'found_second': float(sides[1][i]), 'difference': float(value[i]),
               'lo': float(lo), 'hi': float(hi), 'se': error,
               'smallest_detectable': float(z * error)}
