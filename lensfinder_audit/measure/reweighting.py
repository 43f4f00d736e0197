# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The same injections for another population, while they carry it.

An injection drawn from one distribution stands for another when it is weighted
by the ratio of the two densities. Few large weights then make the answer, and
there is a number of injections below which it is not to be used.
"""
import numpy as np
from astropy.table import QTable
from scipy.special import betaincinv

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.cell_posterior import beta_from_moments
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.tables import require_columns

__all__ = ['importance_weights', 'effective_injections', 'reweighted_completeness']

#: Farr's criterion: effective injections for each observed lens.
FARR = 4

#: Share of a population that may lie beyond the injections.
_BEYOND = 0.01


def importance_weights(table, drawn, target):
    """
    Weight injections so that they stand for another population.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Injections.
    drawn, target : dict of str to distribution
        By column: what the injections were drawn from, and the population that is
        wanted, with a method ``pdf``, such as a frozen distribution of `scipy.stats`,
        in the unit of the column. Columns are taken to be independent; those that are
        not named stay as they were drawn.

    Returns
    -------
    weights : (n,) `~numpy.ndarray`
        Product of target density over drawn density.

    Raises
    ------
    MeasurementError
        If the names differ, an injection cannot have been drawn from what is
        stated, or more than 1 percent of a target with a ``cdf`` lies beyond the
        injections.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from scipy.stats import triang, uniform
    >>> from lensfinder_audit.measure.reweighting import importance_weights
    >>> drawn = Table({'theta_e': [0.55, 1.0, 2.0, 2.95]})
    >>> importance_weights(drawn, {'theta_e': uniform(0.5, 2.5)},
    ...                    {'theta_e': triang(0, 0.5, 2.5)}).round(2)
    array([1.96, 1.6 , 0.8 , 0.04])
    """
    if not drawn or set(drawn) != set(target):
        raise MeasurementError(f'what was drawn and what is wanted must name the same columns; '
                               f'they name {sorted(drawn)} and {sorted(target)}')
    require_columns(table, drawn, what='the injections')
    weights = np.ones(len(table))
    for name, density in drawn.items():
        values = np.asarray(getattr(table[name], 'value', table[name]), dtype=float)
        below = density.pdf(values)
        if not (below > 0).all():
            row = np.flatnonzero(~(below > 0))[0]
            raise MeasurementError(f'{np.sum(~(below > 0))} injections cannot have been drawn from '
                                   f'the stated distribution of {name!r}; the first is row {row} '
                                   f'with {values[row]:g}')
        _check_reach(name, values, density, target[name])
        weights *= target[name].pdf(values) / below
    return weights


def effective_injections(weights, detected, *, group=None):
    """
    Count the detected injections that carry a weighted answer.

    Parameters
    ----------
    weights : (n,) array_like
        Weight of each injection.
    detected : (n,) array_like of bool
        Whether it was recovered.
    group : (n,) array_like, optional
        Host of each; rows of one host are not independent.

    Returns
    -------
    n_eff : float
        (sum w)^2 / sum w^2 over the detected injections [1]_.
    n_eff_hosts : float
        (sum w)^2 over the variance of that sum between hosts; the same as ``n_eff``
        without groups.

    References
    ----------
    .. [1] Farr 2019, arXiv:1904.10879

    Examples
    --------
    >>> from lensfinder_audit.measure.reweighting import effective_injections
    >>> print(*effective_injections([1, 1, 2, 5], [True, True, True, False]))
    2.6666666666666665 2.6666666666666665
    """
    heavy = np.where(np.asarray(detected, dtype=bool), np.asarray(weights, dtype=float), 0.0)
    total, square = heavy.sum(), np.square(heavy).sum()
    n_eff = total**2 / square if square > 0 else 0.0
    if group is None:
        return float(n_eff), float(n_eff)
    sums = np.bincount(codes(group)[0], heavy)
    spread = np.square(sums - sums.mean()).sum() * len(sums) / max(len(sums) - 1, 1)
    hosts = total**2 / spread if spread > 0 else n_eff if total > 0 and len(sums) > 1 else 0.0
    return float(n_eff), float(min(hosts, n_eff))


def reweighted_completeness(table, *, threshold, weights, n_obs, score='score', group='host',
                            confidence=0.95):
    """
    Measure the completeness of another population from the same injections.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Injections.
    threshold : float
        Score from which one is recovered.
    weights : (n,) array_like
        As `importance_weights` returns them.
    n_obs : float
        Number of observed lenses that the answer is for. It is the caller's.
    score : str, optional
        Column of the score.
    group : str or None, optional
        Column of the host.
    confidence : float, optional
        Of the interval.

    Returns
    -------
    table : (1,) `~astropy.table.QTable`
        ``completeness`` = sum(w y) / sum(w), ``lo``, ``hi``, ``n_eff``, ``n_eff_hosts``,
        ``n_obs``, ``n`` and ``n_recovered``. The interval is that of the beta distribution
        with the variance of the ratio over hosts.

    Raises
    ------
    MeasurementError
        If the smaller of both effective numbers is not above 4 ``n_obs`` [1]_.

    References
    ----------
    .. [1] Farr 2019, arXiv:1904.10879

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.reweighting import reweighted_completeness
    >>> from lensfinder_audit.measure.selection_example import example_injections
    >>> table = example_injections()
    >>> found = reweighted_completeness(table, threshold=0.5, weights=np.ones(len(table)), n_obs=50)
    >>> print(found['completeness'].value.round(2), found['n_eff'].value.round())
    [0.56] [11249.]
    """
    require_columns(table, [name for name in (score, group) if name], what='the injections')
    if not n_obs > 0:
        raise MeasurementError(f'n_obs is the number of observed lenses, above 0; it is {n_obs}')
    detected = np.asarray(table[score], dtype=float) >= threshold
    weights = _checked(weights, len(table))
    host = None if group is None else np.asarray(table[group])
    n_eff, hosts = effective_injections(weights, detected, group=host)
    if min(n_eff, hosts) <= FARR * n_obs:
        raise MeasurementError(
            f'too few injections carry the reweighted answer: {n_eff:.1f} effective detected '
            f'injections ({hosts:.1f} with hosts counted together) of {detected.sum()}, where '
            f'{n_obs:g} observed lenses need more than {FARR * n_obs:g} (Farr 2019); inject more '
            'where the weights are large, or ask for a population nearer to what was drawn')
    mean = (weights * detected).sum() / weights.sum()
    a, b = beta_from_moments(mean, _variance(weights, detected, mean, host))
    tail = (1 - confidence) / 2
    row = {'completeness': mean, 'lo': betaincinv(a, b, tail), 'hi': betaincinv(a, b, 1 - tail),
           'n_eff': n_eff, 'n_eff_hosts': hosts, 'n_obs': n_obs, 'n': len(table),
           'n_recovered': int(detected.sum())}
    return QTable({name: [value] for name, value in row.items()}, meta={
        'threshold': threshold, 'cluster': group, 'confidence': confidence,
        'interval': 'beta distribution, variance over hosts', 'criterion': 'arXiv:1904.10879'})


def _variance(weights, detected, mean, host):
    score = weights * (detected - mean) / weights.sum()
    sums = score if host is None else np.bincount(codes(host)[0], score)
    return np.square(sums).sum() * len(sums) / max(len(sums) - 1, 1)


def _checked(weights, n):
    weights = np.asarray(weights, dtype=float)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if len(weights) != n or bad.any() or not weights.sum() > 0:
        raise MeasurementError(f'weights must be {n} finite numbers that are not negative nor all '
                               f'0; there are {len(weights)}, {bad.sum()} of them not so')
    return weights


def _check_reach(name, values, drawn, target):
    """Refuse a target of which a part has not been injected at all."""
    if not hasattr(target, 'cdf'):
        return
    low, high = drawn.support() if hasattr(drawn, 'support') else (values.min(), values.max())
    beyond = float(target.cdf(low) + 1 - target.cdf(high))
    if beyond > _BEYOND:
        raise MeasurementError(f'{100 * beyond:.1f} % of the target of {name!r} lies beyond the '
                               f'injections, which reach from {low:g} to {high:g}; no weight makes '
                               'up for that')
