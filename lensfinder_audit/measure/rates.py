# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Weighted, clustered, stratified fractions by cell, with named intervals.

Completeness and false-positive rate are both the fraction of a sample at or
above a threshold; this is the part that they share.
"""
import numpy as np
from scipy.special import stdtrit

from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.measure.resampling import codes, sampling_units

__all__ = ['cell_rates']

#: Standard error below which a fraction varies by nothing but rounding.
_ROUNDING = 1e-12


def cell_rates(success, *, cell=None, n_cells=1, weight=None, group=None, stratum=None,
               interval='wilson', confidence=0.95, sides=2):
    """
    Measure the fraction of successes in every cell.

    Parameters
    ----------
    success : (n,) array_like of bool
        Whether a row was recovered.
    cell : (n,) array_like of int, optional
        Cell of each row; rows with a negative cell are left out.
    n_cells : int, optional
        Number of cells.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    group : (n,) array_like, optional
        Host, brick or pixel; rows of one group are not independent.
    stratum : (n,) array_like, optional
        Sampling stratum; it lowers the variance where no group crosses strata.
    interval : str, optional
        Name of a binomial interval.
    confidence : float, optional
        Confidence of the interval.
    sides : {2, 1}, optional
        As for `~lensfinder_audit.measure.intervals.binomial_interval`.

    Returns
    -------
    columns : dict of str to (n_cells,) `~numpy.ndarray`
        ``n``, ``n_recovered``, ``n_groups``, ``n_eff``, ``estimate``, ``lo``
        and ``hi``.

    Notes
    -----
    The estimate is p = sum(w y) / sum(w). Its variance is that of the
    linearised total over groups, within strata. The effective number of trials
    is n / d with the design effect d = variance / (p (1 - p) / n), and the named
    interval is taken at that number [1]_. A design effect that rests on few
    events is itself uncertain, so with k successes or failures, whichever are
    fewer, ln d is averaged (weights k and 4) with that of Kish for the weights
    alone, n sum w^2 / (sum w)^2 [2]_. With groups d is never taken below its own
    estimate, and is raised by the squared ratio of the Student t quantiles at
    twice (sum z^2)^2 / sum z^4 degrees of freedom (at most groups - strata), z
    being the linearised total of a group, and at n - 1.
    Where no or every row is a success no variance can be estimated; then the
    number is that of Kish over groups, (sum W)^2 / sum W^2, as if each group
    were one object. With groups it is never less than that. Without weights and
    groups the number is exactly n. The weight 4 and the factor 2 were chosen by
    the simulated coverage that ``benchmarks/interval_coverage.py`` measures.

    References
    ----------
    .. [1] Korn & Graubard 1998, Survey Methodology 24, 193
    .. [2] Kish 1965, Survey Sampling (Wiley)

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.rates import cell_rates
    >>> found = cell_rates(np.arange(112) < 100, interval='jeffreys')
    >>> print(found['n'][0], found['estimate'].round(3), found['lo'].round(3))
    112 [0.893] [0.826]
    """
    success = np.asarray(success, dtype=bool)
    cell = np.zeros(len(success), dtype=np.int64) if cell is None else np.asarray(cell)
    weight = np.ones(len(success)) if weight is None else np.asarray(weight, dtype=float)
    unit, layer = sampling_units(len(success), group=group, stratum=stratum)
    keep = cell >= 0
    if not keep.all():
        success, cell, weight, unit = success[keep], cell[keep], weight[keep], unit[keep]
    sums = _Sums(success, cell, n_cells, weight, unit, layer, group is not None)
    plain = group is None and (weight == weight[:1]).all()
    n_eff = sums.n.astype(float) if plain else sums.n_eff(1 - (1 - confidence) / sides,
                                                          grouped=group is not None)
    lo, hi = binomial_interval(sums.estimate * n_eff, n_eff, method=interval,
                               confidence=confidence, sides=sides)
    return {'n': sums.n, 'n_recovered': sums.n_recovered, 'n_groups': sums.n_groups,
            'n_eff': n_eff, 'estimate': sums.estimate, 'lo': lo, 'hi': hi}


class _Sums:
    """Everything that is a sum over the rows, groups and strata of a cell."""

    def __init__(self, success, cell, n_cells, weight, unit, layer, grouped):
        self.n_cells = n_cells
        self.n = np.bincount(cell, minlength=n_cells)
        self.n_recovered = np.bincount(cell, success, n_cells).astype(np.int64)
        total = np.bincount(cell, weight, n_cells)
        with np.errstate(invalid='ignore', divide='ignore'):
            estimate = np.bincount(cell, weight * success, n_cells) / total
            self.kish_rows = self.n * np.bincount(cell, weight**2, n_cells) / total**2
        # every row recovered is exactly 1 and none exactly 0, whatever the rounding
        estimate = np.where(self.n_recovered == self.n, 1.0, np.clip(estimate, 0, 1))
        self.estimate = np.where(total > 0, estimate, np.nan)  # weights of 0 carry no number
        self._by_group(success, cell, weight, unit, layer, total, grouped)

    def _by_group(self, success, cell, weight, unit, layer, total, grouped):
        with np.errstate(invalid='ignore'):
            score = np.nan_to_num((success - self.estimate[cell]) * weight / total[cell])
        home, strata, mass = cell, layer[unit], weight
        if grouped:
            n_units = max(len(layer), 1)
            pair, levels = codes(cell * n_units + unit)  # one per (cell, group)
            home, strata = levels // n_units, layer[levels % n_units]
            score = np.bincount(pair, score, len(levels))
            mass = np.bincount(pair, weight, len(levels))
        self.n_groups = np.bincount(home, minlength=self.n_cells)
        with np.errstate(invalid='ignore', divide='ignore'):
            self.kish = total**2 / np.bincount(home, mass**2, self.n_cells)
        self._variance(score, home, strata)

    def _variance(self, score, home, strata):
        """Sum the squares about the mean of each stratum that has two groups or more."""
        n_strata = strata.max(initial=0) + 1
        block, levels = codes(home * n_strata + strata)
        size = np.bincount(block, minlength=len(levels))
        mean = np.bincount(block, score, len(levels)) / np.maximum(size, 1)
        centered = score - np.where(size > 1, mean, 0.0)[block]
        bessel = np.where(size > 1, size / np.maximum(size - 1, 1), 1.0)[block]
        self.variance = np.bincount(home, bessel * centered**2, self.n_cells)
        freedom = self.n_groups - np.bincount(levels // n_strata, minlength=self.n_cells)
        with np.errstate(invalid='ignore', divide='ignore'):
            spread = 2 * self.variance**2 / np.bincount(home, centered**4, self.n_cells)
        self.freedom = np.maximum(np.fmin(freedom, spread), 1)

    def n_eff(self, quantile, *, grouped):
        """Effective number of trials of each cell."""
        p, n, k = self.estimate, self.n, np.minimum(self.n_recovered, self.n - self.n_recovered)
        with np.errstate(invalid='ignore', divide='ignore'):
            own = self.variance * (n - 1) / (p * (1 - p))
            effect = np.exp((k * np.log(own) + 4 * np.log(self.kish_rows)) / (k + 4))
            if grouped:
                student = stdtrit(self.freedom, quantile) / stdtrit(np.maximum(n - 1, 1), quantile)
                effect = np.maximum(effect, own) * student**2
        # scores sum to at most 1 in size: what is left of them when they cancel is rounding
        mixed = (k > 0) & (self.variance > _ROUNDING**2) & (n > 1)
        n_eff = np.where(mixed, n / np.where(mixed, effect, 1), 0.0)
        # fully correlated groups are the worst there can be
        return np.where(np.isfinite(p), np.maximum(n_eff, self.kish) if grouped else
                        np.where(mixed, n_eff, self.kish), 0.0)
