# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Calibration: is a stated probability right, and if not, how far is it off."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.measure.calibration_error import (ERRORS, Blocks, BlockSums, ks_error,
                                                        null_sums)
from lensfinder_audit.measure.calibration_fit import calibration_fits
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.probability import (check_prevalence, labelled_sample,
                                                  prevalence_weights, to_probability)
from lensfinder_audit.measure.resampling import shared_units
from lensfinder_audit.tables import schema_meta

__all__ = ['calibration_table']

#: Most draws from a calibrated finder; the least p-value is one in so many and one.
N_NULL = 2000

#: Bins that follow the lenses fit their chance positions where they hold few: at 2.5
#: lenses each, 30 per cent of calibrated finders had p < 0.05, at 20 or more 2 to 6.
LENSES_PER_BIN = 20

_REFLECTED = 'basic bootstrap, 0 where calibration is not rejected'
_SANDWICH = 'sandwich over groups, Student t'


def calibration_table(probability, label, *, weight=None, group=None, prevalence=None,
                      bins='positives', n_bins=15, confidence=0.95, n_resamples=10000, seed=0,
                      min_groups=10, clip=2**-25, resampler=None):
    """
    Measure how well stated probabilities are calibrated.

    Parameters
    ----------
    probability : (n,) array_like
        Probability that the finder states, in [0, 1].
    label : (n,) array_like of bool
        Whether a row is a lens.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    group : (n,) array_like, optional
        Host, brick or pixel; rows of one group are not independent.
    prevalence : float or sequence of float or None, optional
        Fractions of lenses to weigh the sample to; `None` is the sample as it
        is. The probabilities are taken as stated at each.
    bins, n_bins : optional
        Bins of the binned errors, as for
        `~lensfinder_audit.measure.reliability.probability_bins`; edges must
        span [0, 1]. Named bins are fewer where they would hold fewer than 20
        lenses (groups of lenses) on average.
    confidence : float, optional
        Confidence of the intervals.
    n_resamples, seed : int, optional
        Bootstrap by group.
    min_groups : int, optional
        The MCE leaves out bins with fewer groups.
    clip : float, optional
        Log odds and log loss take probabilities within [clip, 1 - clip]; the
        default is where a single-precision sigmoid rounds to 1.
    resampler : `~lensfinder_audit.measure.resampling.Resampler`, optional
        Draws to share with other measurements of the same rows.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``calibration``: ``statistic``, ``estimate``, ``lo``, ``hi``,
        ``interval`` (its method), ``prevalence``, ``at`` (``sample`` or
        ``stated``); for the errors also ``null`` and ``null_hi``, the mean and
        the upper quantile of a calibrated finder with the same probabilities,
        and ``p_value``; ``n_clipped`` and ``note``.

    Raises
    ------
    MeasurementError
        If a probability is NaN or outside [0, 1], a class is missing, or a
        prevalence not between 0 and 1.

    Notes
    -----
    ECE = sum_b (W_b / W) abs(mean p - weighted fraction of lenses) over bins of
    equal mass in lenses; the *ECE of positives* weighs the bins by their lenses
    instead, so that the many objects that nobody takes for a lens do not hide
    the few that are; MCE is the greatest gap of a supported bin. All errors are
    biased upwards, so they are read against their null [1]_. The null has the
    p-value's meaning at the sample's prevalence and is conservative at another.

    References
    ----------
    .. [1] Broecker & Smith 2007, doi:10.1175/WAF993.1

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.calibration import calibration_table
    >>> rng = np.random.default_rng(1)
    >>> true = rng.beta(0.2, 2, 20000)
    >>> label = rng.random(20000) < true
    >>> odds = (true / (1 - true))**2  # twice too sure of itself
    >>> table = calibration_table(odds / (1 + odds), label, n_resamples=500)
    >>> table.add_index('statistic')
    >>> slope = table.loc['calibration slope']
    >>> print(f"{slope['estimate']:.2f} ({slope['lo']:.2f} to {slope['hi']:.2f})")
    0.50 (0.48 to 0.52)
    >>> print(table.loc['ECE']['p_value'] < 0.001)
    True
    """
    sample = _Sample(probability, label, weight, clip)
    wanted = [prevalence] if prevalence is None or np.ndim(prevalence) == 0 else list(prevalence)
    for value in wanted:
        if value is not None:
            check_prevalence(value)
    unit, resampler = shared_units(len(sample.label), group, resampler, n_resamples, seed)
    sample.cut(bins, n_bins, unit)
    sums, losses = sample.draw(resampler)
    supported = sample.groups_of_bins(unit) >= min_groups
    rows = []
    for value in wanted:
        at = {'prevalence': value, 'confidence': confidence, 'unit': unit}
        found = [*_error_rows(sample, sums.at(value), supported, seed=seed, **at),
                 *_score_rows(sums, losses, value, confidence), *_fit_rows(sample, clip, **at)]
        rows += [_whole_row(row, sample, value) for row in found]
    table = QTable({name: [row[name] for row in rows] for name in rows[0]})
    table.meta = schema_meta('calibration', confidence=confidence, seed=seed, clip=clip,
                             bins=bins if isinstance(bins, str) else 'edges',
                             n_bins=sample.blocks.n_bins, n_resamples=resampler.n_resamples,
                             n_null=N_NULL, min_groups=min_groups)
    return table


class _Sample:
    """A checked sample in blocks of like probability."""

    def __init__(self, probability, label, weight, clip):
        self.p, self.label, self.weight = labelled_sample(probability, label, weight=weight)
        to_probability(self.p)
        clipped = np.clip(self.p, clip, 1 - clip)
        self.n_clipped = int((clipped != self.p).sum())
        self.log_loss = -np.log(np.where(self.label, clipped, 1 - clipped))

    def cut(self, bins, n_bins, unit):
        """Cut into bins that hold enough lenses, or groups of them, each."""
        lenses = self.label.sum() if unit is None else len(np.unique(unit[self.label]))
        self.blocks = Blocks.of(self.p, self.label, self.weight, bins=bins,
                                n_bins=max(2, min(n_bins, lenses // LENSES_PER_BIN)))

    def weights_at(self, prevalence):
        return prevalence_weights(self.label, weight=self.weight, prevalence=prevalence)

    def groups_of_bins(self, unit):
        """Count the groups in each bin."""
        if unit is None:
            return np.bincount(self.blocks.bin)
        pairs = np.unique(self.blocks.bin * (unit.max() + 1) + unit)
        return np.bincount(pairs // (unit.max() + 1))

    def draw(self, resampler):
        """Return the sums and the losses of the sample, in row 0, and of every resample."""
        n_blocks, n_bins = len(self.blocks.n), self.blocks.n_bins
        off = np.abs(self.label - self.p)
        parts = [(self.weight * off, self.blocks.block, n_blocks),
                 (self.weight, self.blocks.bin, n_bins), (self.weight * off**2, 0, 1),
                 (self.weight * self.log_loss, 0, 1)]
        # lenses and the rest apart, so that any prevalence follows from the same draws
        sums = [resampler.unit_sums(values, cell=cell + count * ~self.label, n_cells=2 * count)
                for values, cell, count in parts]
        totals = np.vstack([np.hstack(sums).sum(axis=0), resampler.resample(np.hstack(sums))])
        ends = np.cumsum([n_blocks, n_blocks, n_bins, n_bins])
        *pieces, losses = np.split(totals, ends, axis=1)
        return BlockSums(*pieces), losses


def _error_rows(sample, sums, supported, *, prevalence, confidence, unit, seed):
    """Calibration errors, their reflected bootstrap and their null."""
    blocks, weight = sample.blocks, sample.weights_at(prevalence)
    draws = sums.errors(blocks, supported)
    null = null_sums(blocks, sample.label, weight, unit=unit, n_draws=N_NULL,
                     rng=np.random.default_rng([seed, 0xca1]))
    null = null.errors(blocks, supported, share=sums.lenses[0] / sums.lenses[0].sum())
    for name in ERRORS:
        found, chance = draws[name][0], null[name]
        exact = ks_error(sample.p, sample.label, weight) if name == ERRORS[-1] else found
        p_value = (1 + (chance >= found * (1 - 1e-12)).sum()) / (1 + len(chance))
        low, high = percentile_interval(draws[name][1:], confidence=confidence)
        lo = 0.0 if p_value > 1 - confidence else max(0.0, exact + found - high)
        yield {'statistic': name, 'estimate': exact, 'lo': min(lo, exact),
               'hi': max(exact, exact + found - low), 'interval': _REFLECTED,
               'null': chance.mean(), 'null_hi': np.quantile(chance, confidence),
               'p_value': p_value if np.isfinite(found) else np.nan}


def _score_rows(sums, losses, prevalence, confidence):
    """Brier score, log loss and mean bias, with their percentile bootstrap."""
    at = sums.at(prevalence)
    total = (at.lenses + at.rest).sum(axis=1)
    with np.errstate(invalid='ignore', divide='ignore'):  # a resample of one class
        rate = at.lenses.sum(axis=1) / total
        factor = at.lenses.sum(axis=1) / sums.lenses.sum(axis=1)
        brier = (factor * losses[:, 0] + losses[:, 1]) / total
        chance = np.where(rate * (1 - rate) > 0, rate * (1 - rate), np.nan)
        draws = {'Brier score': brier, 'Brier skill score': 1 - brier / chance,
                 'log loss': (factor * losses[:, 2] + losses[:, 3]) / total,
                 'mean bias': (at.over - at.short).sum(axis=1) / total}
    for name, values in draws.items():
        lo, hi = percentile_interval(values[1:], confidence=confidence)
        yield {'statistic': name, 'estimate': values[0], 'lo': lo, 'hi': hi,
               'interval': 'percentile bootstrap'}


def _fit_rows(sample, clip, *, prevalence, confidence, unit):
    """Calibration slope and intercept, and the calibration in the large."""
    joint, large, note = calibration_fits(sample.p, sample.label, sample.weights_at(prevalence),
                                          unit=unit, clip=clip)
    for name, fit, index in (('calibration slope', joint, 1), ('calibration intercept', joint, 0),
                             ('calibration in the large', large, 0)):
        ends = fit.interval(index, confidence) if fit else (np.nan, np.nan)
        yield {'statistic': name, 'estimate': fit.coefficients[index] if fit else np.nan,
               'lo': ends[0], 'hi': ends[1], 'interval': _SANDWICH, 'note': '' if fit else note}


def _whole_row(row, sample, prevalence):
    """Fill in what every row has."""
    weight = sample.weights_at(prevalence)
    at = {'prevalence': weight[sample.label].sum() / weight.sum(),
          'at': 'sample' if prevalence is None else 'stated',
          'null': np.nan, 'null_hi': np.nan, 'p_value': np.nan, 'note': ''}
    return {**row, **{name: row.get(name, value) for name, value in at.items()},
            'n_clipped': sample.n_clipped}
