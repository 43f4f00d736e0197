# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Scores as probabilities, and the prevalence that they hold at."""
import numpy as np
from scipy.special import expit

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.interfaces import SCORE_KINDS

__all__ = ['to_probability', 'shift_prevalence', 'scale_odds', 'prevalence_weights',
           'check_prevalence', 'labelled_sample']


def to_probability(score, score_kind='probability'):
    """
    Read scores as the probabilities that the finder states.

    Parameters
    ----------
    score : (n,) array_like
        Scores, higher is more lens-like.
    score_kind : {'probability', 'logit', 'rank'}, optional
        What the scores are.

    Returns
    -------
    probability : (n,) `~numpy.ndarray`
        In [0, 1]; logits through the logistic function.

    Raises
    ------
    MeasurementError
        If a score is NaN, a probability lies outside [0, 1], or the scores are
        ranks.

    Examples
    --------
    >>> from lensfinder_audit.measure.probability import to_probability
    >>> to_probability([-2.2, 0.0, 4.6], 'logit').round(2)
    array([0.1 , 0.5 , 0.99])
    """
    score = np.asarray(score, dtype=float)
    if score_kind not in SCORE_KINDS:
        raise MeasurementError(f'there is no score kind {score_kind!r}; there are '
                               f'{list(SCORE_KINDS)}.{did_you_mean(score_kind, SCORE_KINDS)}')
    if score_kind == 'rank':
        raise MeasurementError('a rank has no probability until it is calibrated; '
                               'score_to_probability calibrates it at a stated prevalence')
    _refuse_nan(score, 'scores')
    if score_kind == 'logit':
        return expit(score)
    bad = (score < 0) | (score > 1)
    if bad.any():
        raise MeasurementError(f'a probability lies in [0, 1]; {bad.sum()} of {score.size} scores '
                               f'do not, the first is {score[bad][0]:g}. If they are logits, say '
                               "score_kind='logit'")
    return score


def shift_prevalence(probability, from_prevalence, to_prevalence):
    """
    Move probabilities that hold at one prevalence to another.

    Parameters
    ----------
    probability : array_like
        Probability of being a lens where ``from_prevalence`` of the objects are.
    from_prevalence, to_prevalence : float
        Fraction of lenses, between 0 and 1.

    Returns
    -------
    probability : `~numpy.ndarray`
        The odds are multiplied by the ratio of the prior odds [1]_; 0 stays 0
        and 1 stays 1.

    Raises
    ------
    MeasurementError
        If a prevalence does not lie between 0 and 1.

    References
    ----------
    .. [1] Saerens, Latinne & Decaestecker 2002, doi:10.1162/089976602753284446

    Examples
    --------
    >>> from lensfinder_audit.measure.probability import shift_prevalence
    >>> print(shift_prevalence(0.99, 1 / 94, 1 / 5000).round(2))
    0.65
    """
    check_prevalence(from_prevalence)
    check_prevalence(to_prevalence)
    odds = [value / (1 - value) for value in (from_prevalence, to_prevalence)]
    return scale_odds(probability, odds[1] / odds[0])


def scale_odds(probability, factor):
    """Return the probabilities whose odds are ``factor`` times those given."""
    probability = np.asarray(probability, dtype=float)
    scaled = factor * probability
    with np.errstate(invalid='ignore'):
        return scaled / (scaled + (1 - probability))


def prevalence_weights(label, *, weight=None, prevalence=None):
    """
    Weigh a sample so that a stated fraction of it are lenses.

    Parameters
    ----------
    label : (n,) array_like of bool
        Whether a row is a lens.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    prevalence : float, optional
        Fraction of lenses. The default is that of the weighted sample.

    Returns
    -------
    weight : (n,) `~numpy.ndarray`
        Weights of the same total, changed by one factor for the lenses and one
        for the rest.

    Raises
    ------
    MeasurementError
        If the prevalence does not lie between 0 and 1, or a class is missing.

    Examples
    --------
    >>> from lensfinder_audit.measure.probability import prevalence_weights
    >>> prevalence_weights([1, 0, 0, 0], prevalence=0.01).round(2)
    array([0.04, 1.32, 1.32, 1.32])
    """
    label, weight = _labels_and_weights(label, weight)
    if prevalence is None:
        return weight
    check_prevalence(prevalence)
    total, lenses = weight.sum(), weight[label].sum()
    return weight * np.where(label, prevalence * total / lenses,
                             (1 - prevalence) * total / (total - lenses))


def check_prevalence(prevalence):
    """Raise if a prevalence does not lie between 0 and 1."""
    if not 0 < prevalence < 1:
        raise MeasurementError('a prevalence is the fraction of lenses among the objects that the '
                               f'finder sees, between 0 and 1; it is {prevalence:g}')


def labelled_sample(score, label, *, weight=None):
    """
    Check the columns that a calibration rests on.

    Parameters
    ----------
    score : (n,) array_like
        Scores or probabilities; no NaN.
    label : (n,) array_like of bool
        Whether a row is a lens; 0 and 1 will do.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.

    Returns
    -------
    score, label, weight : (n,) `~numpy.ndarray`
        As float, bool and float; weights of 1 where none were given.

    Raises
    ------
    MeasurementError
        If lengths differ, a score is NaN, a label neither 0 nor 1, a weight
        negative or not finite, or a class missing.
    """
    score = np.asarray(score, dtype=float)
    if score.ndim != 1:
        raise MeasurementError(f'scores are a column of shape (n,); theirs is {score.shape}')
    _refuse_nan(score, 'scores')
    label, weight = _labels_and_weights(label, weight, len(score))
    return score, label, weight


def _refuse_nan(score, what):
    bad = np.isnan(score)
    if bad.any():
        raise MeasurementError(f'{bad.sum()} of {bad.size} {what} are NaN, the first in row '
                               f'{bad.argmax()}; leave those rows out and say so')


def _labels_and_weights(label, weight, n=None):
    label = np.asarray(label)
    weight = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=float)
    n = len(label) if n is None else n
    if not label.shape == weight.shape == (n,):
        raise MeasurementError(f'{n} rows need {n} labels and weights; their shapes are '
                               f'{label.shape} and {weight.shape}')
    if label.dtype.kind not in 'biuf' or not ((label == 0) | (label == 1)).all():
        raise MeasurementError('a label is 0 or 1 (False or True); the column holds '
                               f'{np.unique(label)[:4].tolist()}')
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise MeasurementError(f'{bad.sum()} of {n} weights are negative or not finite, the first '
                               f'in row {bad.argmax()}')
    label = label.astype(bool)
    _both_classes(label, weight)
    return label, weight


def _both_classes(label, weight):
    for name, rows in (('lenses', label), ('non-lenses', ~label)):
        if not weight[rows].sum() > 0:
            raise MeasurementError(f'calibration needs both classes; of {len(label)} rows '
                                   f'{rows.sum()} are {name}, of total weight '
                                   f'{weight[rows].sum():g}')
