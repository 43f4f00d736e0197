# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How alike finders are: correlation of their scores, agreement of their selections, and
which objects only some of them find.
"""
from itertools import combinations

import numpy as np
from astropy.table import QTable
from scipy.stats import rankdata

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.rates import cell_rates
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.measure.yields import select_budget
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['STATISTICS', 'diversity_table', 'discovery_sets', 'found_by', 'budget_selections',
           'threshold_selections']

# Finders whose sets can be named one by one.
_MOST = 12

#: Measures on pairs of selections: both right (11), one (10, 01), both wrong (00).
STATISTICS = ('disagreement', 'double fault', 'Q')


def diversity_table(scores, label, selections, *, weight=None, group=None, confidence=0.95,
                    n_resamples=2000, seed=0):
    """
    Measure how alike each pair of finders is.

    Parameters
    ----------
    scores : dict of str to (n,) array_like
        Scores by finder.
    label : (n,) array_like of bool
        Whether an object is a lens.
    selections : dict of str to dict of str to (n,) array_like of bool
        For each operating point, what each finder selects; from `budget_selections` or
        `threshold_selections`.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    group : (n,) array_like, optional
        Host, brick or pixel, resampled together.
    confidence : float, optional
        Of the intervals.
    n_resamples, seed : int, optional
        Of the bootstrap.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``diversity``: for lenses, negatives and all objects the correlation of
        scores and of their ranks, and at each operating point disagreement, double fault
        and Q.

    Raises
    ------
    MeasurementError
        If there are fewer than two finders, or columns differ in length.

    Notes
    -----
    With fractions N of objects on which both finders are right, one is, or none is [1]_:
    disagreement N10 + N01, double fault N00, and Yule's Q = (N11 N00 - N01 N10) / (N11 N00 +
    N01 N10), which is 1 where one finder is right wherever the other is, 0 where their
    errors are independent, and does not exist where they make none in common nor apart.
    Selections and ranks enter as they are; what is resampled are the objects.

    References
    ----------
    .. [1] Kuncheva & Whitaker 2003, doi:10.1023/A:1022859003006

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.diversity import diversity_table
    >>> lens = np.ones(8, bool)
    >>> right = {'a': [1, 1, 1, 1, 1, 0, 0, 0], 'b': [1, 1, 1, 1, 0, 1, 0, 0]}
    >>> found = diversity_table(right, lens, {'as given': right}, n_resamples=50)
    >>> for row in found[2:5]:
    ...     print(row['statistic'], round(row['estimate'], 3))
    disagreement 0.25
    double fault 0.25
    Q 0.778
    """
    label = np.asarray(label, dtype=bool)
    scores = {name: np.asarray(values, dtype=float) for name, values in scores.items()}
    selections = {point: {name: np.asarray(values, dtype=bool) for name, values in found.items()}
                  for point, found in selections.items()}
    weight = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=float)
    _check(scores, label, selections, weight)
    resampler = Resampler(len(label), group=group, n_resamples=n_resamples, seed=seed)
    rows = []
    for sample, inside in _samples(label):
        part = _Part(inside, weight[inside], resampler.subset(inside), confidence)
        for pair in combinations(scores, 2):
            head = {'finder_a': pair[0], 'finder_b': pair[1], 'sample': sample}
            rows += [head | row for row in part.correlations(*(scores[name] for name in pair))]
            for point, found in selections.items():
                right = [found[name][inside] == label[inside] for name in pair]
                rows += [head | row | {'operating_point': point} for row in part.agreement(*right)]
    table = QTable(rows=rows)
    table.meta = schema_meta('diversity', confidence=confidence, interval='bootstrap', seed=seed,
                             n_resamples=n_resamples, clustered=group is not None)
    return check_table(table, 'diversity')


def budget_selections(scores, mass, budgets, *, seed=0):
    """
    Select what each finder brings into each budget.

    Parameters
    ----------
    scores : dict of str to (n,) array_like
        Scores by finder.
    mass : (n,) array_like
        From `~lensfinder_audit.measure.yields.searched_mass`.
    budgets : sequence of float
        Objects that are inspected.
    seed : int, optional
        Order of tied objects.

    Returns
    -------
    selections : dict of str to dict of str to (n,) `~numpy.ndarray` of bool
        By operating point and finder.
    """
    return {f'best {budget:,g}': {name: select_budget(values, mass, budget, seed=seed)
                                  for name, values in scores.items()} for budget in budgets}


def threshold_selections(scores, thresholds):
    """
    Select what each finder scores at or above a threshold.

    Parameters
    ----------
    scores : dict of str to (n,) array_like
        Scores by finder.
    thresholds : dict of str to dict of str to float
        For each operating point, the threshold of each finder.

    Returns
    -------
    selections : dict of str to dict of str to (n,) `~numpy.ndarray` of bool
        By operating point and finder.
    """
    return {point: {name: np.asarray(values) >= found[name] for name, values in scores.items()}
            for point, found in thresholds.items()}


def found_by(selected):
    """
    Name the finders that select each object.

    Parameters
    ----------
    selected : dict of str to (n,) array_like of bool
        Selection of each finder.

    Returns
    -------
    names : (n,) `~numpy.ndarray` of str
        Such as ``'a + b'``; empty where no finder does.

    Examples
    --------
    >>> from lensfinder_audit.measure.diversity import found_by
    >>> print(found_by({'a': [True, False, True], 'b': [True, False, False]}).tolist())
    ['a + b', '', 'a']
    """
    if len(selected) > _MOST:
        raise MeasurementError(f'{len(selected)} finders have too many sets; compare at most '
                               f'{_MOST}')
    names = [' + '.join(name for i, name in enumerate(selected) if code >> i & 1)
             for code in range(2**len(selected))]
    code = sum((np.asarray(values).astype(int) << i for i, values in enumerate(selected.values())),
               start=0)
    return np.array(names)[code]


def discovery_sets(selections, label, *, weight=None, group=None, confidence=0.95,
                   interval='wilson'):
    """
    Count the objects that the same finders select, and what only one of them finds.

    Parameters
    ----------
    selections : dict of str to dict of str to (n,) array_like of bool
        For each operating point, what each finder selects.
    label : (n,) array_like of bool
        Whether an object is a lens.
    weight, group : (n,) array_like, optional
        As for `diversity_table`.
    confidence : float, optional
        Of the interval of the fraction.
    interval : str, optional
        Its name, as for `~lensfinder_audit.measure.intervals.binomial_interval`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``discovery_sets``: one row per set of finders that has an object, the
        fraction of all lenses in it, and lenses that none finds with an empty name.

    Raises
    ------
    MeasurementError
        If there is no lens.

    Examples
    --------
    >>> from lensfinder_audit.measure.diversity import discovery_sets
    >>> picked = {'best 2': {'a': [1, 1, 0, 0], 'b': [0, 1, 1, 0]}}
    >>> found = discovery_sets(picked, [True, True, False, True])
    >>> found['found_by', 'n', 'n_lenses'].pprint()
    found_by  n  n_lenses
    -------- --- --------
               1        1
           a   1        1
           b   1        0
       a + b   1        1
    """
    label = np.asarray(label, dtype=bool)
    if not label.any():
        raise MeasurementError(f'there is no lens to find among {len(label)} objects')
    options = {'weight': None if weight is None else np.asarray(weight, dtype=float)[label],
               'group': None if group is None else np.asarray(group)[label],
               'interval': interval, 'confidence': confidence}
    rows = [row for point, selected in selections.items()
            for row in _sets(point, selected, label, options)]
    table = QTable(rows=rows)
    table.meta = schema_meta('discovery_sets', confidence=confidence, interval=interval,
                             clustered=group is not None)
    return check_table(table, 'discovery_sets')


def _sets(point, selected, label, options):
    names = found_by(selected)
    known = sorted(set(names.tolist()), key=lambda name: (bool(name) + name.count(' + '), name))
    for name in known:
        inside = names == name
        rate = cell_rates(inside[label], **options)
        yield {'operating_point': point, 'found_by': name,
               'n_finders': bool(name) + name.count(' + '), 'n': int(inside.sum()),
               'n_lenses': int((inside & label).sum()),
               **{key: float(rate[key][0]) for key in ('estimate', 'lo', 'hi')}}


def _check(scores, label, selections, weight):
    if len(scores) < 2:
        raise MeasurementError(f'diversity is a matter of two finders or more; there are '
                               f'{list(scores)}')
    columns = {**scores, 'weight': weight} | {
        f'{point}, {name}': values for point, found in selections.items()
        for name, values in found.items()}
    for name, values in columns.items():
        if values.shape != label.shape or np.isnan(values).any():
            raise MeasurementError(f'{name!r} has shape {values.shape} for {len(label)} objects, '
                                   f'{int(np.isnan(values).sum())} of them missing')
    for point, found in selections.items():
        if set(scores) - set(found):
            raise MeasurementError(f'nothing is selected by {sorted(set(scores) - set(found))} at '
                                   f'{point!r}')


def _samples(label):
    everything = np.full(len(label), label.any() and not label.all())
    return [(name, rows) for name, rows in (('lenses', label), ('negatives', ~label),
                                            ('all', everything)) if rows.any()]


class _Part:
    """Statistics of pairs on some of the objects, with shared resamples."""

    def __init__(self, inside, weight, resampler, confidence):
        self.inside, self.weight = inside, weight
        self.resampler, self.confidence = resampler, confidence
        self.counts = {'n': int(inside.sum()), 'n_groups': len(np.unique(resampler.unit))}

    def correlations(self, first, second):
        """Yield the correlation of scores and of their ranks."""
        first, second = first[self.inside], second[self.inside]
        for name, pair in (('correlation', (first, second)),
                           ('rank correlation', (rankdata(first), rankdata(second)))):
            x, y = (self._standard(values) for values in pair)
            yield self._row(name, [x, y, x * x, y * y, x * y], _correlation)

    def agreement(self, first, second):
        """Yield the statistics of two columns that say where a finder is right."""
        counts = [first & second, first & ~second, second & ~first, ~first & ~second]
        counts = [count.astype(float) for count in counts]
        for name, function in zip(STATISTICS, (_disagreement, _double_fault, _yule), strict=True):
            yield self._row(name, counts, function)

    def _standard(self, values):
        """Center and scale, so that squares keep their digits."""
        return (values - np.average(values, weights=self.weight)) / (values.std() or 1)

    def _row(self, name, columns, function):
        terms = [self.weight * column for column in [np.ones(len(self.weight)), *columns]]
        sums = np.hstack([self.resampler.unit_sums(term) for term in terms])
        with np.errstate(invalid='ignore', divide='ignore'):
            estimate = float(function(*(np.array([term.sum()]) for term in terms))[0])
            lo, hi = percentile_interval(function(*self.resampler.resample(sums).T),
                                         confidence=self.confidence)
        return {'operating_point': '', 'statistic': name, **self.counts, 'estimate': estimate,
                'lo': float(lo), 'hi': float(hi)}


def _correlation(n, x, y, xx, yy, xy):
    spread = (n * xx - x * x) * (n * yy - y * y)
    spread = np.where(spread > 1e-12 * n**4, spread, np.nan)  # constant scores have none
    return np.clip((n * xy - x * y) / np.sqrt(spread), -1, 1)


def _disagreement(n, both, first, second, neither):
    return (first + second) / n


def _double_fault(n, both, first, second, neither):
    return neither / n


def _yule(n, both, first, second, neither):
    alike, apart = both * neither, first * second
    return (alike - apart) / (alike + apart)
