# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Lenses found at a fixed inspection budget, and what two finders differ by.

Someone looks at the best-ranked objects, as many as there is time for. The yield is how
many lenses are among them. Unlike completeness at a threshold it charges a finder for
its false positives, so that finders and ensembles can be compared fairly.
"""
from itertools import combinations
from typing import NamedTuple

import numpy as np
from astropy.table import QTable
from scipy.special import ndtri
from scipy.stats import rankdata

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure._ranked_yield import RankedYield
from lensfinder_audit.measure.intervals import binomial_interval, percentile_interval
from lensfinder_audit.measure.paired import mcnemar
from lensfinder_audit.measure.probability import check_prevalence
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['YieldTables', 'yield_tables', 'searched_mass', 'select_budget', 'joint_scores',
           'joint_ranks', 'check_search']


class YieldTables(NamedTuple):
    """Yields of each finder, and differences of each pair."""

    #: Schema ``yields``.
    yields: QTable
    #: Schema ``yield_differences``.
    differences: QTable


def yield_tables(scores, label, budgets, *, weight=None, group=None, prevalence=None,
                 search_size=None, confidence=0.95, power=0.8, n_resamples=2000, seed=0):
    """
    Count the lenses that finders bring into an inspection budget.

    Parameters
    ----------
    scores : dict of str to (n,) array_like
        Scores by finder; only their order matters.
    label : (n,) array_like of bool
        Whether an object is a lens.
    budgets : sequence of float
        Objects that are inspected, in the units of the search.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    group : (n,) array_like, optional
        Host, brick or pixel, resampled together.
    prevalence, search_size : float, optional
        As for `searched_mass`.
    confidence : float, optional
        Of the intervals.
    power : float, optional
        Probability with which the smallest detectable difference would have been seen.
    n_resamples, seed : int, optional
        Of the bootstrap, which all finders and budgets share, and of the order of ties.

    Returns
    -------
    tables : `YieldTables`
        ``yields`` and ``differences``.

    Raises
    ------
    MeasurementError
        If there is no lens, a score is missing or a budget exceeds the search.

    Notes
    -----
    Every resample is ranked and cut anew, at the same fraction of its objects, so that the
    uncertainty of the threshold is included; a block of tied scores that the cut divides
    counts in proportion, and ``found_least`` and ``found_greatest`` are the yields without
    and with its lenses. Where all resamples agree, the interval is the exact one of the
    fraction of the lenses, from as many trials as there are groups with lenses.

    With the standard error s of a difference, ``smallest_detectable`` is
    (z_(1 + confidence)/2 + z_power) s, and at least as many lenses as an exact McNemar test
    needs on one side to reject at that confidence.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.yields import yield_tables
    >>> lens = np.arange(1000) % 10 == 0
    >>> rng = np.random.default_rng(0)
    >>> scores = {'sharp': rng.normal(3 * lens), 'blunt': rng.normal(1.5 * lens)}
    >>> found = yield_tables(scores, lens, [50], n_resamples=200)
    >>> found.yields['finder', 'found'].pprint()
    finder found
    ------ -----
     sharp  49.0
     blunt  33.0
    """
    label = np.asarray(label, dtype=bool)
    scores = {name: np.asarray(values, dtype=float) for name, values in scores.items()}
    mass = searched_mass(label, weight=weight, prevalence=prevalence, search_size=search_size)
    check_search(scores, label, mass, budgets)
    resampler = Resampler(len(label), group=group, n_resamples=n_resamples, seed=seed)
    draws = {name: RankedYield(values, label, mass, resampler).draws(budgets)
             for name, values in scores.items()}
    sample = _Sample(scores, label, mass, resampler, confidence, power, seed)
    meta = {'confidence': confidence, 'prevalence': prevalence, 'search_size': float(mass.sum()),
            'n_resamples': n_resamples, 'seed': seed, 'clustered': group is not None}
    yields = QTable(rows=[row for name in scores for row in sample.yields(name, budgets,
                                                                          draws[name])])
    yields.meta = schema_meta('yields', **meta)
    rows = [row for pair in combinations(scores, 2) for row in sample.differences(
        pair, budgets, draws[pair[1]] - draws[pair[0]], yields)]
    differences = QTable(rows=rows) if rows else None
    if differences is not None:
        differences.meta = schema_meta('yield_differences', power=power, **meta)
        differences = check_table(differences, 'yield_differences')
    return YieldTables(check_table(yields, 'yields'), differences)


def searched_mass(label, *, weight=None, prevalence=None, search_size=None):
    """
    Return how many objects of a search each row stands for.

    Parameters
    ----------
    label : (n,) array_like of bool
        Whether an object is a lens.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for; 1 by default.
    prevalence : float, optional
        Fraction of lenses among the objects searched; that of the weighted sample by
        default.
    search_size : float, optional
        Number of objects searched; the weighted size of the sample by default.

    Returns
    -------
    mass : (n,) `~numpy.ndarray`
        Summing to the size of the search.

    Raises
    ------
    MeasurementError
        If the prevalence is none, or needs a class that is not there.

    Examples
    --------
    >>> from lensfinder_audit.measure.yields import searched_mass
    >>> print(searched_mass([1, 0, 0], prevalence=0.1, search_size=1000))
    [100. 450. 450.]
    """
    label = np.asarray(label, dtype=bool)
    mass = np.ones(len(label)) if weight is None else np.array(weight, dtype=float)
    total = mass.sum() if search_size is None else float(search_size)
    if prevalence is not None:
        check_prevalence(prevalence)
        if label.all() or not label.any():
            raise MeasurementError(f'a prevalence needs lenses and negatives; of {len(label)} rows '
                                   f'{label.sum()} are lenses')
        mass *= np.where(label, prevalence / mass[label].sum(),
                         (1 - prevalence) / mass[~label].sum())
    return mass * (total / mass.sum())


def select_budget(score, mass, budget, *, seed=0):
    """
    Select the best-ranked objects that fit into a budget.

    Parameters
    ----------
    score : (n,) array_like
        Higher is more lens-like.
    mass : (n,) array_like
        Objects of the search that a row stands for.
    budget : float
        Objects that are inspected.
    seed : int, optional
        Tied objects are taken in an order that follows from it, and that is the same for
        all finders.

    Returns
    -------
    selected : (n,) `~numpy.ndarray` of bool
        Rows that are inspected.

    Examples
    --------
    >>> from lensfinder_audit.measure.yields import select_budget
    >>> print(select_budget([0.2, 0.9, 0.5], [1, 1, 1], 2))
    [False  True  True]
    """
    score, mass = np.asarray(score, dtype=float), np.asarray(mass, dtype=float)
    order = np.lexsort([np.random.default_rng(seed).permutation(len(score)), -score])
    inside = np.cumsum(mass[order]) <= budget * (1 + 1e-9)
    selected = np.zeros(len(score), dtype=bool)
    selected[order[inside]] = True
    return selected


def joint_scores(scores):
    """
    Rank objects by the best, and by the worst, of their ranks.

    Parameters
    ----------
    scores : dict of str to (n,) array_like
        Scores by finder.

    Returns
    -------
    joint : dict of str to (n,) `~numpy.ndarray`
        ``union``: the highest rank that any finder gives, so that its best B objects are
        the union of equally long lists; ``intersection``: the lowest rank, so that they
        are what such lists share. Both are finders, and are compared at equal budgets.

    Examples
    --------
    >>> from lensfinder_audit.measure.yields import joint_scores
    >>> found = joint_scores({'a': [0.9, 0.1, 0.5], 'b': [0.1, 0.2, 0.3]})
    >>> print(found['union'], found['intersection'])
    [3. 2. 3.] [1. 1. 2.]
    """
    ranks = np.stack([rankdata(np.asarray(values, dtype=float)) for values in scores.values()])
    return {'union': ranks.max(axis=0), 'intersection': ranks.min(axis=0)}


def joint_ranks(method, search, scores):
    """
    Rank other objects among those of a search, jointly by several finders.

    Parameters
    ----------
    method : {'union', 'intersection'}
        By the best, or by the worst, of the ranks.
    search : dict of str to (n,) array_like
        Scores of the search by finder.
    scores : dict of str to (m,) array_like
        Scores of the other objects, by finder.

    Returns
    -------
    joint : (m,) `~numpy.ndarray`
        On the scale of `joint_scores` of the search: the objects of the search have there
        what they have here.

    Examples
    --------
    >>> from lensfinder_audit.measure.yields import joint_ranks
    >>> search = {'a': [0.1, 0.5, 0.9], 'b': [0.3, 0.2, 0.1]}
    >>> print(joint_ranks('union', search, {'a': [0.5, 0.95], 'b': [0.0, 0.0]}))
    [2.  3.5]
    """
    ranks = np.stack([_rank_among(search[name], scores[name]) for name in search])
    return ranks.max(axis=0) if method == 'union' else ranks.min(axis=0)


def _rank_among(search, values):
    """Return the rank that ``rankdata`` gives in the search, and one between for other scores."""
    order = np.sort(np.asarray(search, dtype=float))
    lo, hi = (np.searchsorted(order, values, side=side) for side in ('left', 'right'))
    return np.where(hi > lo, (lo + 1 + hi) / 2, lo + 0.5)


def check_search(scores, label, mass, budgets):
    """
    Raise where a search cannot be: no finder, no budget, no lens, a missing score.

    Parameters
    ----------
    scores : dict of str to (n,) `~numpy.ndarray`
        Scores by finder.
    label : (n,) `~numpy.ndarray` of bool
        Whether an object is a lens.
    mass : (n,) `~numpy.ndarray`
        From `searched_mass`.
    budgets : sequence of float
        Objects that are inspected.

    Raises
    ------
    MeasurementError
        Naming what is wrong.
    """
    if not scores or not len(budgets):
        raise MeasurementError(f'a yield needs finders and budgets; there are {list(scores)} and '
                               f'{list(budgets)}')
    for name, values in scores.items():
        if values.shape != label.shape or np.isnan(values).any():
            raise MeasurementError(f'score {name!r} has shape {values.shape} for {len(label)} '
                                   f'objects, {int(np.isnan(values).sum())} of them missing')
    if not mass[label].sum() > 0:
        raise MeasurementError(f'there is no lens to find among {len(label)} objects')
    for budget in budgets:
        if not 0 < budget <= mass.sum() * (1 + 1e-9):
            raise MeasurementError(f'a budget of {budget:g} must be above 0 and within the '
                                   f'{mass.sum():g} objects searched')


class _Sample:
    """What the rows of both tables are made of."""

    def __init__(self, scores, label, mass, resampler, confidence, power, seed):
        self.scores, self.label, self.mass, self.seed = scores, label, mass, seed
        self.resampler, self.confidence, self.power = resampler, confidence, power
        self.held = mass[label].sum()
        self.n_groups = len(np.unique(resampler.unit[label]))

    def yields(self, name, budgets, draws):
        """Yield the rows of one finder."""
        ranked = RankedYield(self.scores[name], self.label, self.mass, self.resampler)
        for budget, drawn in zip(budgets, draws.T, strict=True):
            least, found, greatest, tied = ranked.estimate(budget)
            lo, hi, interval = self._interval(found, drawn)
            yield {'finder': name, 'budget': float(budget), 'n_lenses': int(self.label.sum()),
                   'n_groups': self.n_groups, 'found': found, 'lo': lo, 'hi': hi,
                   'interval': interval, 'completeness': min(found / self.held, 1.0),
                   'purity': min(found / budget, 1.0), 'n_tied': tied, 'found_least': least,
                   'found_greatest': greatest}

    def _interval(self, found, drawn):
        if np.ptp(drawn) > 1e-9 * self.held:
            lo, hi = percentile_interval(drawn, confidence=self.confidence)
            return float(lo), float(hi), 'bootstrap'
        n = self.n_groups
        lo, hi = binomial_interval(min(found / self.held, 1.0) * n, n, method='clopper-pearson',
                                   confidence=self.confidence)
        return float(lo) * self.held, float(hi) * self.held, 'clopper-pearson'

    def differences(self, pair, budgets, draws, yields):
        """Yield the rows of a pair; the difference is the second less the first."""
        found = {(row['finder'], row['budget']): row['found'] for row in yields}
        for budget, drawn in zip(budgets, draws.T, strict=True):
            a, b = (found[name, float(budget)] for name in pair)
            first, second = (select_budget(self.scores[name], self.mass, budget, seed=self.seed)
                             & self.label for name in pair)
            alone = int((first & ~second).sum()), int((second & ~first).sum())
            lo, hi, interval = self._paired_interval(b - a, drawn)
            yield {'finder_a': pair[0], 'finder_b': pair[1], 'budget': float(budget),
                   'found_a': a, 'found_b': b, 'difference': b - a, 'lo': lo, 'hi': hi,
                   'interval': interval, 'se': float(drawn.std(ddof=1)), 'n_only_a': alone[0],
                   'n_only_b': alone[1], 'p_value': mcnemar(*alone),
                   'smallest_detectable': self._smallest(drawn)}

    def _paired_interval(self, difference, drawn):
        if np.ptp(drawn) > 1e-9 * self.held:
            lo, hi = percentile_interval(drawn, confidence=self.confidence)
            return float(lo), float(hi), 'paired bootstrap'
        _, most = binomial_interval(0, self.n_groups, method='clopper-pearson',
                                    confidence=self.confidence)
        half = float(most) * self.held
        return difference - half, difference + half, 'clopper-pearson'

    def _smallest(self, drawn):
        level = 1 - self.confidence
        fewest = int(np.ceil(np.log2(2 / level) - 1e-9))  # 2 * 0.5**k <= level
        z = ndtri(1 - level / 2) + ndtri(self.power)
        return max(float(z * drawn.std(ddof=1)), fewest * self.held / self.label.sum())
