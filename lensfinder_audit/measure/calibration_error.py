# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Calibration errors of a sample, of its resamples and of a calibrated finder.

All of them follow from a few sums over blocks of like probability, so that a
resample, a prevalence or a draw from a calibrated finder is a row of those sums.
"""
from dataclasses import dataclass

import numpy as np

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.reliability import bin_codes, equal_pieces, probability_bins

__all__ = ['ERRORS', 'BlockSums', 'Blocks', 'ks_error', 'null_sums']

#: The errors that `BlockSums.errors` measures.
ERRORS = ('ECE', 'ECE of positives', 'MCE', 'KS calibration error')

#: Blocks per bin.
_PER_BIN = 6


@dataclass(frozen=True)
class Blocks:
    """
    Blocks of neighbouring probabilities, nested in bins that hold equal mass of lenses.

    Parameters
    ----------
    block, bin : (n,) `~numpy.ndarray` of int
        Block and bin of each row.
    home : (n_blocks,) `~numpy.ndarray` of int
        Bin of each block.
    n : (n_blocks,) `~numpy.ndarray` of int
        Rows of each block.
    mean : (n_blocks,) `~numpy.ndarray`
        Mean stated probability of the rows.
    """

    block: np.ndarray
    bin: np.ndarray
    home: np.ndarray
    n: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, probability, label, weight, *, bins='positives', n_bins=15):
        """Cut a sample; a block of equal probabilities stays whole."""
        lower, upper = probability_bins(probability, label, weight=weight, bins=bins, n_bins=n_bins)
        levels, level = np.unique(probability, return_inverse=True)
        code = bin_codes(levels, lower, upper)
        if (code < 0).any():
            raise MeasurementError('the bins of a calibration error must hold every row; these '
                                   f'span {lower[0]:g} to {upper[-1]:g}')
        run = np.unique(code, return_inverse=True)[1]
        mass = np.bincount(level, weight * (probability + label), len(levels))
        piece = equal_pieces(mass, run, np.full(run[-1] + 1, _PER_BIN))
        block, n = piece[level], np.bincount(piece[level])
        home = run[np.append(0, np.flatnonzero(np.diff(piece)) + 1)]
        return cls(block, run[level], home, n, np.bincount(block, probability) / n)

    @property
    def n_bins(self):
        """Number of bins that hold a row."""
        return int(self.home[-1]) + 1


@dataclass(frozen=True)
class BlockSums:
    """
    What the calibration errors follow from; the first axis runs over draws.

    Parameters
    ----------
    short : (m, n_blocks) `~numpy.ndarray`
        Sum of weight (1 - p) over the lenses of each block.
    over : (m, n_blocks) `~numpy.ndarray`
        Sum of weight p over the non-lenses of each block.
    lenses, rest : (m, n_bins) `~numpy.ndarray`
        Weight of lenses and non-lenses in each bin.
    """

    short: np.ndarray
    over: np.ndarray
    lenses: np.ndarray
    rest: np.ndarray

    def at(self, prevalence):
        """Return the sums with the lenses weighed to a stated prevalence."""
        if prevalence is None:
            return self
        odds = prevalence / (1 - prevalence)
        with np.errstate(invalid='ignore', divide='ignore'):  # a resample without lenses
            factor = (odds * self.rest.sum(axis=1) / self.lenses.sum(axis=1))[:, None]
            return BlockSums(self.short * factor, self.over, self.lenses * factor, self.rest)

    def gaps(self, home):
        """Return sum(weight (label - p)) / sum(weight) of each bin."""
        gap = np.add.reduceat(self.short - self.over, np.flatnonzero(np.diff(home, prepend=-1)),
                              axis=1)
        with np.errstate(invalid='ignore', divide='ignore'):
            return np.nan_to_num(gap / (self.lenses + self.rest))

    def errors(self, blocks, supported, share=None):
        """
        Measure the `ERRORS` of every draw.

        Parameters
        ----------
        blocks : `Blocks`
            The blocks that the sums are of.
        supported : (n_bins,) `~numpy.ndarray` of bool
            Bins that the MCE may look at.
        share : (n_bins,) `~numpy.ndarray`, optional
            Share of the lenses in each bin. The default is that of each draw.

        Returns
        -------
        errors : dict of str to (m,) `~numpy.ndarray`
            By the names in `ERRORS`.
        """
        total = self.lenses + self.rest
        gap = np.abs(self.gaps(blocks.home))
        drift = np.abs(np.cumsum(self.short - self.over, axis=1)).max(axis=1)
        with np.errstate(invalid='ignore'):  # a resample without one of the classes
            if share is None:
                share = self.lenses / self.lenses.sum(axis=1)[:, None]
            found = ((total * gap).sum(axis=1) / total.sum(axis=1), (share * gap).sum(axis=1),
                     np.where(supported, gap, 0).max(axis=1) if supported.any()
                     else np.full(len(gap), np.nan), drift / total.sum(axis=1))
        return dict(zip(ERRORS, found, strict=True))


def ks_error(probability, label, weight):
    """
    Measure the Kolmogorov-Smirnov calibration error, which needs no bins.

    Parameters
    ----------
    probability : (n,) `~numpy.ndarray`
        Stated probability.
    label : (n,) `~numpy.ndarray` of bool
        Whether a row is a lens.
    weight : (n,) `~numpy.ndarray`
        Weight of each row.

    Returns
    -------
    error : float
        Greatest absolute value, over s, of the sum of weight (label - p) over
        the rows with p <= s, divided by the total weight [1]_.

    References
    ----------
    .. [1] Gupta et al. 2021, arXiv:2006.12800

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.calibration_error import ks_error
    >>> print(round(ks_error(np.full(4, 0.9), np.array([0, 1, 0, 1], bool), np.ones(4)), 3))
    0.4
    """
    levels, level = np.unique(probability, return_inverse=True)
    gap = np.bincount(level, weight * (label - probability), len(levels))
    return float(np.abs(np.cumsum(gap)).max() / weight.sum())


def null_sums(blocks, label, weight, *, unit=None, n_draws=2000, rng):
    """
    Draw labels as if every stated probability were right.

    Parameters
    ----------
    blocks : `Blocks`
        The blocks of the sample.
    label : (n,) `~numpy.ndarray` of bool
        Labels of the sample; only for weights by class and the design effect.
    weight : (n,) `~numpy.ndarray`
        Weights at the prevalence at which the probabilities should hold.
    unit : (n,) `~numpy.ndarray` of int, optional
        Group of each row.
    n_draws : int, optional
        Number of draws.
    rng : `~numpy.random.Generator`
        Source of the draws.

    Returns
    -------
    sums : `BlockSums`
        One row per draw.

    Notes
    -----
    The lenses of a block are binomial. With mean weights a of the lenses and b
    of the non-lenses of its bin, a stated p is the fraction b p / (b p + a (1 -
    p)) of the rows. Deviations are multiplied by the root of the design effect:
    the variance of the summed residuals over groups, with their own weights,
    to that of single rows with weights a and b; never taken below 1.
    """
    a, b = _mean_weights(blocks, label, weight)
    home, p = blocks.home, blocks.mean
    odds = b[home] * p / np.maximum(b[home] * p + a[home] * (1 - p), 1e-300)
    lenses = rng.binomial(blocks.n, np.clip(odds, 0, 1), (n_draws, len(p)))
    rest = blocks.n - lenses
    scale = np.sqrt(_design_effect(blocks, label, weight, a, b, unit))
    starts = np.flatnonzero(np.diff(home, prepend=-1))
    return BlockSums(scale * a[home] * lenses * (1 - p), scale * b[home] * rest * p,
                     np.add.reduceat(a[home] * lenses, starts, axis=1),
                     np.add.reduceat(b[home] * rest, starts, axis=1))


def _mean_weights(blocks, label, weight):
    """Mean weight of either class in each bin, drawn to the overall mean by one object."""
    means = []
    for rows in (label, ~label):
        n = np.bincount(blocks.bin[rows], minlength=blocks.n_bins)
        total = np.bincount(blocks.bin[rows], weight[rows], blocks.n_bins)
        means.append((total + weight[rows].mean()) / (n + 1))
    return means


def _design_effect(blocks, label, weight, a, b, unit):
    total = np.bincount(blocks.bin, weight, blocks.n_bins)
    lenses = np.bincount(blocks.bin[label], weight[label], blocks.n_bins)
    rate = (lenses / np.maximum(total, 1e-300))[blocks.bin]
    plain = np.where(label, a[blocks.bin] * (1 - rate), b[blocks.bin] * rate)
    residual = weight * (label - rate)
    if unit is not None:
        residual = np.bincount(unit, residual)
    expected = (plain**2).sum()
    return max(1.0, (residual**2).sum() / expected) if expected > 0 else 1.0
