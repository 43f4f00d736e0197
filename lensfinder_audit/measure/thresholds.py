# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Operating points: where the line between candidate and not is drawn.

An object is selected when its score is at or above the threshold. A threshold
that was set on a sample has an uncertainty, rests on a countable number of
negatives, and may fall into a block of tied scores.
"""
from dataclasses import dataclass

import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.tables import schema_meta

__all__ = ['OperatingPoint', 'set_threshold', 'operating_points_table']


@dataclass(frozen=True)
class OperatingPoint:
    """
    How a threshold is set; exactly one of the first four is given.

    Parameters
    ----------
    threshold : float, optional
        A fixed score.
    fpr : float, optional
        Wanted false-positive rate.
    top_percent : float, optional
        Wanted fraction of the searched objects, in per cent.
    budget : float, optional
        Number of objects that can be inspected.
    search_size : float, optional
        Number of objects that a budget is taken from. The default is the
        weighted size of the sample.
    """

    threshold: float | None = None
    fpr: float | None = None
    top_percent: float | None = None
    budget: float | None = None
    search_size: float | None = None

    def __post_init__(self):
        ways = ('threshold', 'fpr', 'top_percent', 'budget')
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) != 1:
            raise MeasurementError(f'an operating point is one of {list(ways)}; given were {given}')
        value, top = getattr(self, given[0]), {'fpr': 1, 'top_percent': 100}.get(given[0], np.inf)
        if not np.isfinite(value):
            raise MeasurementError(f'{given[0]} must be a finite number; it is {value:g}')
        if self.search_size is not None and not 0 < self.search_size < np.inf:
            raise MeasurementError(f'search_size must be a positive number of objects; it is '
                                   f'{self.search_size:g}')
        if given[0] != 'threshold' and not 0 < value < top:
            raise MeasurementError(f'{given[0]} must lie between 0 and {top:g}; it is {value:g}')

    @property
    def name(self):
        """What a table calls it, such as ``'FPR = 0.001'``."""
        if self.threshold is not None:
            return f'score >= {self.threshold:g}'
        if self.fpr is not None:
            return f'FPR = {self.fpr:g}'
        if self.top_percent is not None:
            return f'top {self.top_percent:g} %'
        return f'budget {self.budget:g}' + (
            f' of {self.search_size:g}' if self.search_size is not None else '')


def set_threshold(score, label, point, *, weight=None, prevalence=None, n_eff=None,
                  confidence=0.95):
    """
    Set one threshold and say what it rests on.

    Parameters
    ----------
    score : (n,) array_like
        Higher is more lens-like.
    label : (n,) array_like of bool
        Whether an object is taken to be a lens.
    point : `OperatingPoint`
        How the threshold is set.
    weight : (n,) array_like, optional
        Weight of each row.
    prevalence : float, optional
        Fraction of lenses among the objects searched; a top percentage or a
        budget then refers to such a population, else to the sample as it is.
    n_eff : float, optional
        Effective number of rows that the quantile rests on; the default is that
        of Kish for the weights.
    confidence : float, optional
        Confidence of the threshold's interval.

    Returns
    -------
    row : dict
        ``threshold`` with ``threshold_lo`` and ``threshold_hi`` (inf where no
        score is high enough), ``n_negatives_above``, ``tied_score``, ``n_tied``,
        ``completeness_least`` and ``completeness_greatest``.

    Notes
    -----
    The threshold is the smallest score with a selected fraction of at most the
    wanted one. Its interval inverts the Clopper-Pearson interval of that
    fraction [1]_. Where the next lower score is shared by two objects or more,
    the wanted fraction cuts a tied block: completeness without and with the
    block are the least and the greatest.

    References
    ----------
    .. [1] Woodruff 1952, doi:10.1080/01621459.1952.10483443

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.thresholds import OperatingPoint, set_threshold
    >>> score = np.arange(1000) / 1000
    >>> row = set_threshold(score, score > 0.994, OperatingPoint(fpr=0.01))
    >>> print(row['threshold'], row['n_negatives_above'])
    0.986 9
    """
    score, label = np.asarray(score, dtype=float), np.asarray(label, dtype=bool)
    weight = np.ones(len(score)) if weight is None else np.asarray(weight, dtype=float)
    if point.threshold is not None:
        return _row(score, label, weight, float(point.threshold), None, (point.threshold,) * 2)
    mass, fraction = _searched(label, weight, point, prevalence)
    steps, above = _selected_fraction(score, mass)
    n_eff = mass.sum()**2 / (mass**2).sum() if n_eff is None else n_eff
    low, high = binomial_interval(fraction * n_eff, n_eff, method='clopper-pearson',
                                  confidence=confidence)
    threshold, tied = _cut(steps, above, fraction)
    ends = _cut(steps, above, high)[0], _cut(steps, above, low)[0]
    return _row(score, label, weight, threshold, tied, ends)


def operating_points_table(scores, label, points, *, weight=None, prevalence=None,
                           confidence=0.95, **meta):
    """
    Set the thresholds of several finders.

    Parameters
    ----------
    scores : dict of str to (n,) array_like
        Scores by finder.
    label : (n,) array_like of bool
        Whether an object is taken to be a lens.
    points : sequence of `OperatingPoint`
        How to set them.
    weight, prevalence, confidence : optional
        As for `set_threshold`.
    **meta
        Further entries of the table's ``meta``.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per finder and operating point.
    """
    rows = [{'finder': finder, 'operating_point': point.name,
             **set_threshold(score, label, point, weight=weight, prevalence=prevalence,
                             confidence=confidence)}
            for finder, score in scores.items() for point in points]
    table = QTable(rows=rows)
    table.meta = schema_meta('operating_points', confidence=confidence, prevalence=prevalence,
                             interval='Woodruff with Clopper-Pearson', **meta)
    return table


def _searched(label, weight, point, prevalence):
    """Return the mass of each row in the searched population and the wanted fraction."""
    if point.fpr is not None:
        return np.where(label, 0.0, weight), point.fpr
    total = weight.sum()
    if prevalence is not None:
        _check_prevalence(label, prevalence)
        weight = np.where(label, prevalence * weight / weight[label].sum(),
                          (1 - prevalence) * weight / weight[~label].sum())
    if point.top_percent is not None:
        return weight, point.top_percent / 100
    size = total if point.search_size is None else point.search_size
    if point.budget > size:
        raise MeasurementError(f'a budget of {point.budget:g} exceeds the {size:g} objects '
                               'searched')
    return weight, point.budget / size


def _check_prevalence(label, prevalence):
    if not 0 < prevalence < 1 or label.all() or not label.any():
        raise MeasurementError(f'a prevalence between 0 and 1 needs lenses and non-lenses; it is '
                               f'{prevalence:g} for {label.sum()} lenses of {len(label)} rows')


def _selected_fraction(score, mass):
    """Return the distinct scores, falling, and the mass fraction at or above each."""
    rows = np.flatnonzero(mass > 0)
    if not len(rows):
        raise MeasurementError('there is no object of positive weight to set a threshold on; a '
                               'false-positive rate needs negatives')
    steps, place = np.unique(score[rows], return_inverse=True)
    held = np.bincount(place.reshape(-1), mass[rows])[::-1]
    return steps[::-1], np.minimum(held.cumsum() / held.sum(), 1.0)


def _cut(steps, above, fraction):
    """Return the smallest score that selects no more than the fraction, and the next one."""
    count = int(np.searchsorted(above, fraction * (1 + 1e-12), side='right'))
    if count == 0:
        return np.inf, steps[0]
    if count == len(steps):
        return steps[-1], None
    return steps[count - 1], steps[count]


def _row(score, label, weight, threshold, tied, ends):
    above = score >= threshold
    block = score == tied if tied is not None else np.zeros(len(score), bool)
    n_tied = int(block.sum())
    held = weight[label].sum()
    least = weight[above & label].sum() / held if held > 0 else np.nan
    extra = weight[block & label].sum() / held if held > 0 and n_tied > 1 else 0.0
    return {'threshold': threshold, 'threshold_lo': float(ends[0]), 'threshold_hi': float(ends[1]),
            'n_selected': int(above.sum()), 'n_negatives_above': int((above & ~label).sum()),
            'tied_score': float(tied) if n_tied > 1 else np.nan,
            'n_tied': n_tied if n_tied > 1 else 0,
            'completeness_least': least, 'completeness_greatest': min(least + extra, 1.0)}
