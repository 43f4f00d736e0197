# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Reliability: of the objects that get a probability, which fraction are lenses."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.probability import (labelled_sample, prevalence_weights, scale_odds,
                                                  to_probability)
from lensfinder_audit.measure.rates import cell_rates
from lensfinder_audit.measure.resampling import shared_units
from lensfinder_audit.tables import schema_meta

__all__ = ['reliability_table', 'probability_bins', 'lens_fractions']

#: Bins by name.
BINS = ('positives', 'logit', 'zoom')

#: Logit and zoom bins end this far from 0 and 1; what lies beyond is one bin.
TAIL = 1e-4


def reliability_table(probability, label, *, weight=None, group=None, prevalence=None,
                      bins='positives', n_bins=15, interval='wilson', confidence=0.95,
                      n_resamples=10000, seed=0, min_groups=10, resampler=None):
    """
    Compare stated probabilities with the fraction of lenses, bin by bin.

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
    prevalence : float, optional
        Fraction of lenses to weigh the sample to. The default is the sample's.
        The probabilities are taken as stated; ``shift_prevalence`` moves them.
    bins : {'positives', 'logit', 'zoom'} or sequence of float, optional
        As for `probability_bins`.
    n_bins : int, optional
        Number of bins.
    interval : str, optional
        Name of a binomial interval, taken at the effective number of objects.
    confidence : float, optional
        Confidence of the interval.
    n_resamples, seed : int, optional
        Bootstrap by group; ``n_resamples=0`` leaves it out.
    min_groups : int, optional
        A bin with fewer groups is unsupported.
    resampler : `~lensfinder_audit.measure.resampling.Resampler`, optional
        Draws to share with other measurements of the same rows.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``reliability``: one row per bin; ``n_recovered`` counts the
        lenses and ``estimate`` is their weighted fraction. Further columns are
        ``n_negatives``, and ``boot_lo`` and ``boot_hi`` from the bootstrap.

    Raises
    ------
    MeasurementError
        If a probability is NaN or outside [0, 1], a class is missing, or there
        are no such bins.

    Notes
    -----
    A bin without non-lenses has fraction 1, and only its interval tells whether
    that rests on 3 lenses or on 300. Intervals are those of `lens_fractions`.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.reliability import reliability_table
    >>> rng = np.random.default_rng(1)
    >>> probability = rng.beta(0.2, 2, 20000)
    >>> label = rng.random(20000) < probability
    >>> table = reliability_table(probability, label, n_bins=4, n_resamples=500)
    >>> for row in table:
    ...     print(f"{row['mean_probability']:.2f}: {row['lo']:.2f} to {row['hi']:.2f}")
    0.03: 0.03 to 0.03
    0.25: 0.23 to 0.26
    0.44: 0.41 to 0.47
    0.69: 0.65 to 0.72
    """
    probability, label, weight = labelled_sample(probability, label, weight=weight)
    to_probability(probability)
    lower, upper = probability_bins(probability, label, weight=weight, bins=bins, n_bins=n_bins)
    cell = bin_codes(probability, lower, upper)
    weight = prevalence_weights(label, weight=weight, prevalence=prevalence)
    unit, resampler = shared_units(len(label), group, resampler, n_resamples or None, seed)
    columns = lens_fractions(label, cell, len(lower), weight, group=unit, interval=interval,
                             confidence=confidence)
    columns |= _bin_means(probability, label, weight, cell, len(lower))
    if resampler is not None:
        columns |= _band(resampler, label, weight, cell, len(lower), prevalence, confidence)
    table = _table(lower, upper, columns, min_groups)
    table.meta = schema_meta('reliability', interval=interval, confidence=confidence, sides=2,
                             bins=bins if isinstance(bins, str) else 'edges', seed=seed,
                             prevalence=prevalence, min_groups=min_groups,
                             n_resamples=resampler.n_resamples if resampler else 0)
    return table


def probability_bins(probability, label, *, weight=None, bins='positives', n_bins=15):
    """
    Choose bins of probability.

    Parameters
    ----------
    probability : (n,) array_like
        In [0, 1].
    label : (n,) array_like of bool
        Whether a row is a lens.
    weight : (n,) array_like, optional
        Weight of each row.
    bins : {'positives', 'logit', 'zoom'} or sequence of float, optional
        Equal mass of lenses; equal steps of log odds from 1e-4 to 1 - 1e-4, with
        one bin below and one above; equal steps of log(1 - p) from 0.9 to
        1 - 1e-4, with one bin above; or edges.
    n_bins : int, optional
        Number of bins; with ``'positives'`` about that many, because a block of
        equal probabilities is never cut, and is a bin of its own where it holds
        half a bin's lenses or more.

    Returns
    -------
    lower, upper : (n_bins,) `~numpy.ndarray`
        Edges; a bin holds its lower edge, the last also its upper.

    Raises
    ------
    MeasurementError
        If there are no such bins.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.reliability import probability_bins
    >>> lower, upper = probability_bins([0.5], [1], bins='zoom', n_bins=4)
    >>> lower
    array([0.9   , 0.99  , 0.999 , 0.9999])
    """
    if not isinstance(bins, str):
        edges = np.asarray(bins, dtype=float)
        _check_edges(edges)
        return edges[:-1], edges[1:]
    if bins not in BINS or n_bins < 2:
        raise MeasurementError(f'there are no {n_bins} bins {bins!r}; give edges, or two or more '
                               f'of {list(BINS)}.{did_you_mean(bins, BINS)}')
    if bins == 'positives':
        lower = _equal_positives(np.asarray(probability, dtype=float), np.asarray(label, bool),
                                 weight, n_bins)
    elif bins == 'logit':
        inner = np.linspace(-1, 1, n_bins - 1) * np.log(1 / TAIL - 1)
        lower = np.append(0, 1 / (1 + np.exp(-inner)))
    else:
        lower = 1 - np.geomspace(0.1, TAIL, n_bins)
    return lower, np.append(lower[1:], 1.0)


def lens_fractions(label, cell, n_cells, weight, *, means=None, group=None, interval='wilson',
                   confidence=0.95):
    """
    Bound the weighted fraction of lenses in every cell.

    Parameters
    ----------
    label : (n,) `~numpy.ndarray` of bool
        Whether a row is a lens.
    cell : (n,) `~numpy.ndarray` of int
        Cell of each row; rows with a negative cell are left out.
    n_cells : int
        Number of cells.
    weight : (n,) `~numpy.ndarray`
        Weights; lenses and non-lenses may differ by any factor.
    means : tuple of float, optional
        Mean weight of the lenses and of the rest. The default is that of the rows.
    group : (n,) array_like, optional
        Rows of one group are not independent.
    interval, confidence : optional
        As for `~lensfinder_audit.measure.rates.cell_rates`.

    Returns
    -------
    columns : dict of str to (n_cells,) `~numpy.ndarray`
        As from `~lensfinder_audit.measure.rates.cell_rates`.

    Notes
    -----
    A lens and a non-lens of a case-control sample stand for very different
    numbers of objects. The interval is therefore taken of the fraction with
    weights that average 1 in either class, and its odds are multiplied by the
    ratio of the two average weights; ``n_eff`` is that of the sample's own mix.
    Otherwise the lower end in a bin of lenses alone would count the non-lenses
    that might be there as if they were as light as lenses.
    """
    means = means or [weight[rows].mean() for rows in (label, ~label)]
    rates = cell_rates(label, cell=cell, n_cells=n_cells, weight=weight / np.where(label, *means),
                       group=group, interval=interval, confidence=confidence)
    for name in ('estimate', 'lo', 'hi'):
        rates[name] = scale_odds(rates[name], means[0] / means[1])
    return rates


def bin_codes(probability, lower, upper):
    """Return the bin of each probability, -1 outside all."""
    code = np.searchsorted(lower, probability, side='right') - 1
    code[probability > upper[-1]] = -1
    return code


def equal_pieces(mass, run, parts):
    """
    Cut each run of levels into pieces of about equal mass.

    Parameters
    ----------
    mass : (n_levels,) `~numpy.ndarray`
        Mass of each level.
    run : (n_levels,) `~numpy.ndarray` of int
        Run of each level, rising from 0 without gaps.
    parts : (n_runs,) `~numpy.ndarray` of int
        Pieces wanted from each run.

    Returns
    -------
    piece : (n_levels,) `~numpy.ndarray` of int
        Rising from 0 without gaps; no piece spans two runs.
    """
    total = np.bincount(run, mass)
    middle = np.cumsum(mass) - mass / 2 - (np.cumsum(total) - total)[run]
    with np.errstate(invalid='ignore', divide='ignore'):
        share = np.clip(np.nan_to_num(middle / total[run]), 0, 1)
    inside = np.clip(np.floor(share * parts[run] + 1e-9), 0, parts[run] - 1)
    return np.append(0, ((np.diff(run) > 0) | (np.diff(inside) > 0)).cumsum())


def _equal_positives(probability, label, weight, n_bins):
    levels, level = np.unique(probability, return_inverse=True)
    mass = np.bincount(level, label * (1.0 if weight is None else weight), len(levels))
    target = mass.sum() / n_bins
    block = mass >= target / 2
    run = np.append(0, (block[1:] | block[:-1]).cumsum())
    parts = np.maximum(np.rint(np.bincount(run, mass) / target), 1)
    piece = equal_pieces(mass, run, parts)
    starts = np.append(0, np.flatnonzero(np.diff(piece)) + 1)
    return np.append(0.0, levels[starts[1:]])


def _check_edges(edges):
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all() \
            or edges[0] < 0 or edges[-1] > 1:
        raise MeasurementError('bins of probability need two or more increasing edges in [0, 1]; '
                               f'{edges.tolist()} are not')


def _bin_means(probability, label, weight, cell, n_cells):
    keep = cell >= 0
    total = np.bincount(cell[keep], weight[keep], n_cells)
    stated = np.bincount(cell[keep], (weight * probability)[keep], n_cells)
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = stated / total
    return {'mean_probability': mean,
            'n_negatives': np.bincount(cell[keep & ~label], minlength=n_cells)}


def _band(resampler, label, weight, cell, n_cells, prevalence, confidence):
    """Bootstrap the fractions; a stated prevalence holds in every resample."""
    inside = resampler.unit_sums(weight, cell=np.where(cell < 0, -1, cell + n_cells * ~label),
                                 n_cells=2 * n_cells)
    whole = resampler.unit_sums(weight, cell=(~label).astype(int), n_cells=2)
    totals = resampler.resample(np.hstack([inside, whole]))
    lenses, rest = totals[:, :n_cells], totals[:, n_cells:2 * n_cells]
    with np.errstate(invalid='ignore', divide='ignore'):
        factor = 1.0
        if prevalence is not None:
            factor = (prevalence / (1 - prevalence) * totals[:, -1] / totals[:, -2])[:, None]
        draws = factor * lenses / (factor * lenses + rest)
    lo, hi = percentile_interval(draws, confidence=confidence)
    return {'boot_lo': lo, 'boot_hi': hi}


def _table(lower, upper, columns, min_groups):
    state = np.where(columns['n'] == 0, 'empty',
                     np.where(columns['n_groups'] < min_groups, 'unsupported', 'supported'))
    order = ('mean_probability', 'n', 'n_recovered', 'n_negatives', 'n_groups', 'n_eff',
             'estimate', 'lo', 'hi', 'boot_lo', 'boot_hi')
    table = QTable({'score_min': lower, 'score_max': upper,
                    **{name: columns[name] for name in order if name in columns}})
    table['supported'], table['state'] = state == 'supported', state
    return table
