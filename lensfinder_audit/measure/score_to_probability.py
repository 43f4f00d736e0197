# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""From a score to the probability of being a lens, at a stated prevalence."""
import numpy as np
from astropy.table import QTable
from scipy.optimize import isotonic_regression
from scipy.special import logit

from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.probability import (check_prevalence, labelled_sample,
                                                  prevalence_weights, to_probability)
from lensfinder_audit.measure.rates import cell_rates
from lensfinder_audit.measure.reliability import equal_pieces, lens_fractions
from lensfinder_audit.measure.resampling import shared_units
from lensfinder_audit.tables import schema_meta

__all__ = ['score_to_probability', 'default_grid', 'isotonic_levels']

#: Blocks of score that a resample is fitted on.
MAX_BLOCKS = 512

#: Probabilities, and fractions of the lenses below, that the default grid holds.
STATED = (0.5, 0.9, 0.99, 0.999)
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def score_to_probability(score, label, *, prevalence, weight=None, group=None,
                         score_kind='probability', n_resamples=1000, confidence=0.95, seed=0,
                         grid=None, min_negatives=10, resampler=None):
    """
    Measure the probability that an object of a given score is a lens.

    Parameters
    ----------
    score : (n,) array_like
        Scores of any kind, higher is more lens-like.
    label : (n,) array_like of bool
        Whether a row is a lens.
    prevalence : float
        Fraction of lenses among the objects that the finder sees. There is no
        default: a score becomes a probability only at a stated prevalence.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    group : (n,) array_like, optional
        Host, brick or pixel; rows of one group are not independent.
    score_kind : {'probability', 'logit', 'rank'}, optional
        What the scores are; only the default grid depends on it.
    n_resamples, seed : int, optional
        Bootstrap by group; of a shared resampler the first ``n_resamples``.
    confidence : float, optional
        Confidence of the band, at each score.
    grid : (m,) array_like, optional
        Scores to calibrate, as for `default_grid` where not given.
    min_negatives : int, optional
        A score with fewer groups of non-lenses at or above it, or of lenses at
        or below it, is unsupported.
    resampler : `~lensfinder_audit.measure.resampling.Resampler`, optional
        Draws to share with other measurements of the same rows.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``score_to_probability``: one row per score, with ``score``,
        ``probability``, ``lo`` and ``hi``, the same for all objects at or above
        the score (``purity_above``, ``purity_above_lo``, ``purity_above_hi``),
        the counts ``n_positives_above``, ``n_negatives_above``,
        ``n_negative_groups_above``, ``n_positives_below`` and
        ``n_positive_groups_below``, ``supported`` and ``state``; above the
        greatest score the state is ``empty``.

    Raises
    ------
    MeasurementError
        If a score is NaN, a class is missing, or the prevalence is not between
        0 and 1.

    Notes
    -----
    The probability is the isotonic regression [1]_ of the labels on the score,
    with weights that bring the sample to the prevalence. The band is the
    bootstrap's, widened to what the counts at or above the score allow: their
    exact (Clopper-Pearson) interval, as a factor on the odds. Without a
    non-lens above, nothing bounds the probability from above, whatever the
    regression says, and the lower end is that of all objects above together.
    Towards low scores the lenses at or below the score play the same part.

    References
    ----------
    .. [1] Zadrozny & Elkan 2002, doi:10.1145/775047.775151

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.score_to_probability import score_to_probability
    >>> rng = np.random.default_rng(2)
    >>> label = np.arange(60000) < 2000
    >>> score = rng.normal(3.0 * label)  # odds of lens to rest: exp(3 score - 4.5)
    >>> table = score_to_probability(score, label, prevalence=1e-3, score_kind='rank', grid=[3, 6])
    >>> for row in table:
    ...     print(row['n_negatives_above'], row['state'], f"{row['lo']:.2f} to {row['hi']:.2f}")
    79 supported 0.05 to 0.10
    0 unsupported 0.02 to 1.00
    """
    score, label, weight = labelled_sample(score, label, weight=weight)
    check_prevalence(prevalence)
    if score_kind != 'rank':
        to_probability(score, score_kind)
    weight = prevalence_weights(label, weight=weight, prevalence=prevalence)
    grid = default_grid(score, label, weight, score_kind) if grid is None else np.sort(grid)
    unit, resampler = shared_units(len(score), group, resampler, n_resamples, seed)
    columns = _above(grid, score, label, weight, unit, confidence)
    columns |= _below(grid, score, label, weight, unit, confidence)
    columns |= _band(grid, score, label, weight, resampler, n_resamples, prevalence, confidence)
    for side in ('above', 'below'):
        _widen(columns, side)
    table = _table(grid, columns, min_negatives)
    table.meta = schema_meta('score_to_probability', prevalence=prevalence, confidence=confidence,
                             interval='isotonic bootstrap, at least Clopper-Pearson', sides=2,
                             score_kind=score_kind, seed=seed, min_negatives=min_negatives,
                             n_resamples=min(n_resamples, resampler.n_resamples))
    return table


def default_grid(score, label, weight, score_kind):
    """
    Choose scores to calibrate.

    Parameters
    ----------
    score, label, weight : (n,) `~numpy.ndarray`
        The sample.
    score_kind : {'probability', 'logit', 'rank'}
        What the scores are.

    Returns
    -------
    grid : (m,) `~numpy.ndarray`
        Quantiles of the lenses, the scores of probability 0.5, 0.9, 0.99 and
        0.999 where they have one, and the greatest score if it is shared.
    """
    order = np.argsort(score[label])
    lenses, mass = score[label][order], weight[label][order]
    middle = (mass.cumsum() - mass / 2) / mass.sum()
    grid = list(lenses[np.minimum(np.searchsorted(middle, QUANTILES), len(lenses) - 1)])
    if score_kind != 'rank':
        grid += STATED if score_kind == 'probability' else list(logit(STATED))
    top = score.max()
    if (score == top).sum() > 1:
        grid.append(top)
    return np.unique(grid)


def isotonic_levels(score, label, weight):
    """
    Fit the fraction of lenses as a rising function of the score.

    Parameters
    ----------
    score : (n,) `~numpy.ndarray`
        Scores; rows of equal score are one level.
    label, weight : (n,) `~numpy.ndarray`
        Whether each row is a lens, and its weight.

    Returns
    -------
    levels, fraction : (n_levels,) `~numpy.ndarray`
        Distinct scores, rising, and the fitted fraction at each.
    """
    rows = weight > 0
    levels, level = np.unique(score[rows], return_inverse=True)
    lenses = np.bincount(level, (weight * label)[rows], len(levels))
    total = np.bincount(level, weight[rows], len(levels))
    return levels, _isotonic(lenses / total, total)


def _isotonic(fraction, weight):
    return np.clip(isotonic_regression(fraction, weights=weight).x, 0, 1)


def _at_or_below(grid, levels):
    return np.maximum(np.searchsorted(levels, grid, side='right') - 1, 0)


def _above(grid, score, label, weight, unit, confidence):
    """Count what lies at or above each score, and bound its purity exactly."""
    rows = np.flatnonzero(score >= grid[0])
    order = rows[np.argsort(score[rows])]
    columns = {'n_positives_above': [], 'n_negatives_above': [], 'n_negative_groups_above': [],
               'purity_above': [], 'purity_above_lo': [], 'purity_above_hi': []}
    means = weight[label].mean(), weight[~label].mean()
    for start in np.searchsorted(score[order], grid):
        part = order[start:]
        lens, groups = label[part], None if unit is None else unit[part]
        rest = part[~lens]
        found = _purity(lens, weight[part], means, groups, confidence)
        n_groups = len(rest) if unit is None else len(np.unique(unit[rest]))
        row = (lens.sum(), len(rest), n_groups, *found)
        for name, value in zip(columns, row, strict=True):
            columns[name].append(value)
    return {name: np.array(values) for name, values in columns.items()}


def _below(grid, score, label, weight, unit, confidence):
    """Count the lenses at or below each score, and bound the purity there from their number."""
    lenses, mass = score[label], weight[label]
    groups = None if unit is None else unit[label]
    rest = weight[~label] @ (score[~label][:, None] <= grid)
    found = [cell_rates(lenses <= value, weight=mass, group=groups, interval='clopper-pearson',
                        confidence=confidence) for value in grid]
    columns = {'n_positives_below': np.array([row['n_recovered'][0] for row in found])}
    columns['n_positive_groups_below'] = np.array([
        row['n_recovered'][0] if unit is None else len(np.unique(groups[lenses <= value]))
        for row, value in zip(found, grid, strict=True)])
    for name, end in (('', 'estimate'), ('_lo', 'lo'), ('_hi', 'hi')):
        held = mass.sum() * np.array([row[end][0] for row in found])
        columns[f'purity_below{name}'] = held / np.maximum(held + rest, 1e-300)
    return columns


def _purity(label, weight, means, group, confidence):
    if not len(label):
        return np.nan, np.nan, np.nan
    found = lens_fractions(label, np.zeros(len(label), dtype=np.int64), 1, weight, means=means,
                           group=group, interval='clopper-pearson', confidence=confidence)
    return found['estimate'][0], found['lo'][0], found['hi'][0]


def _band(grid, score, label, weight, resampler, n_resamples, prevalence, confidence):
    """Isotonic fit of the sample, and its bootstrap on blocks of score."""
    levels, fraction = isotonic_levels(score, label, weight)
    starts, block = _blocks(score, label, weight)
    n = len(starts)
    sums = resampler.unit_sums(weight, cell=block + n * ~label, n_cells=2 * n)
    totals = resampler.resample(sums, first=n_resamples)
    place = _at_or_below(grid, starts)
    odds = prevalence / (1 - prevalence)
    draws = np.array([_one_draw(row[:n], row[n:], odds, place) for row in totals])
    lo, hi = percentile_interval(draws, confidence=confidence)
    return {'probability': fraction[_at_or_below(grid, levels)], 'lo': lo, 'hi': hi}


def _one_draw(lenses, rest, odds, place):
    if not lenses.any() or not rest.any():
        return np.full(len(place), np.nan)
    lenses = lenses * (odds * rest.sum() / lenses.sum())
    total = lenses + rest
    held = np.flatnonzero(total > 0)
    fitted = _isotonic(lenses[held] / total[held], total[held])
    return fitted[_at_or_below(place, held)]


def _blocks(score, label, weight):
    """Gather the scores into at most about 512 blocks, each of one level or of like mass."""
    levels, level = np.unique(score, return_inverse=True)
    if len(levels) <= MAX_BLOCKS:
        return levels, level
    lenses = np.bincount(level, weight * label, len(levels))
    rest = np.bincount(level, weight * ~label, len(levels))
    mass = lenses / lenses.sum() + rest / rest.sum() / 4
    piece = equal_pieces(mass, np.zeros(len(levels), dtype=int), np.array([MAX_BLOCKS]))
    return levels[np.append(0, np.flatnonzero(np.diff(piece)) + 1)], piece[level]


def _widen(columns, side):
    """Let no end of the band be closer than the counts on one side of the score allow."""
    found, purity = columns['probability'], columns[f'purity_{side}']
    for name, choose in (('lo', np.fmin), ('hi', np.fmax)):
        bound = columns[f'purity_{side}_{name}']
        with np.errstate(divide='ignore', invalid='ignore'):
            factor = _odds(bound) / _odds(purity)
            shifted = factor * found / (factor * found + 1 - found)
        counted = np.where((purity > 0) & (purity < 1), shifted, bound)
        columns[name] = np.minimum(choose(choose(columns[name], counted), found), 1)


def _odds(fraction):
    return fraction / (1 - fraction)


def _table(grid, columns, min_negatives):
    few = np.fmin(columns['n_negative_groups_above'],
                  columns['n_positive_groups_below']) < min_negatives
    none = columns['n_positives_above'] + columns['n_negatives_above'] == 0
    for name in ('probability', 'lo', 'hi'):
        columns[name] = np.where(none, np.nan, columns[name])
    state = np.where(none, 'empty', np.where(few, 'unsupported', 'supported'))
    order = ('probability', 'lo', 'hi', 'n_positives_above', 'n_negatives_above',
             'n_negative_groups_above', 'n_positives_below', 'n_positive_groups_below',
             'purity_above', 'purity_above_lo', 'purity_above_hi')
    return QTable({'score': grid, **{name: columns[name] for name in order},
                   'supported': state == 'supported', 'state': state})
