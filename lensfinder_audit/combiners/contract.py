# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What every combiner has: the finders it reads, their kind of score, its numbers.

A combiner works on columns of scores and never on pixels. Each finder scores the
objects once, by its own command, with its own normaliser; every way to combine
them is then a matter of seconds, works on published tables as on injections, and
may use what pixels do not tell, such as the observing conditions. On pixels,
`lensfinder_audit.classifiers.ensemble` wraps the same objects as a finder.
"""
import numpy as np
from scipy.special import expit, logit

from lensfinder_audit.exceptions import MeasurementError, TableError, did_you_mean
from lensfinder_audit.interfaces import SCORE_KINDS

__all__ = ['Combiner', 'TrainingSample', 'to_log_odds', 'to_probability', 'training_sample']

#: Probabilities are kept so far from 0 and 1 for their log odds: there a
#: single-precision sigmoid rounds to 1.
CLIP = 2.0**-25


class Combiner:
    """
    Make one score of the scores of one or more finders.

    Subclasses write ``_combine`` and, where they learn from a sample, ``fit``.

    Parameters
    ----------
    finders : sequence of str
        Names of the finders, in the order of the columns.
    score_kind : str, optional
        What the finders give, one of `~lensfinder_audit.interfaces.SCORE_KINDS`.
    conditions : sequence of str, optional
        Observing conditions that it reads, in the order of their columns.
    parameters : dict of str to object, optional
        Numbers and arrays that it works with.
    record : dict, optional
        What it was fitted on.
    """

    #: Name of the method, under which it is saved.
    method = ''
    #: Kind of the score that it gives.
    gives = 'probability'

    def __init__(self, finders, *, score_kind='probability', conditions=(), parameters=None,
                 record=None):
        self.finders, self.conditions = tuple(finders), tuple(conditions)
        self.score_kind, self.record = _known_kind(score_kind), dict(record or {})
        self.parameters = {name: np.array(value, dtype=float) if isinstance(value, list) else value
                           for name, value in (parameters or {}).items()}
        if not self.finders or len(set(self.finders)) < len(self.finders):
            raise TableError(f'the finders of a combiner are {list(self.finders)}; name each once')
        self._check()

    def __repr__(self):
        return (f'{type(self).__name__}({list(self.finders)!r}, score_kind={self.score_kind!r}, '
                f'record={self.record!r})')

    def __call__(self, scores, conditions=None):
        """
        Combine columns of scores.

        Parameters
        ----------
        scores : (n, n_finders) array_like
            Scores, a column per finder.
        conditions : (n, n_conditions) array_like, optional
            Where the combiner has ``conditions``, a column for each.

        Returns
        -------
        combined : (n,) `~numpy.ndarray`
            Higher is more lens-like.

        Raises
        ------
        TableError
            If a column is missing, a value is not a number or no probability.
        """
        scores = check_scores(scores, self.finders, self.score_kind)
        conditions = _check_conditions(conditions, self.conditions, len(scores))
        return self._combine(scores, conditions)

    def _combine(self, scores, conditions):
        raise NotImplementedError

    def _check(self):
        """Raise where the parameters do not fit together."""


def check_scores(scores, finders, kind):
    """Return scores as an array, or say which finder gives what it may not."""
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 2 or scores.shape[1] != len(finders):
        raise TableError(f'scores have shape {scores.shape}; needed is a column for each of '
                         f'{list(finders)}')
    low, high = (0, 1) if kind == 'probability' else (-np.inf, np.inf)
    bad = ~(np.isfinite(scores) & (scores >= low) & (scores <= high))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        reason = 'are outside [0, 1] or not a number' if kind == 'probability' else (
            'are not finite')
        raise TableError(f'score {finders[column]!r}: {bad[:, column].sum()} of {len(scores)} '
                         f'values {reason}, the first is row {row} with {scores[row, column]:g}')
    return scores


def _check_conditions(values, names, n):
    if not names:
        return None
    if values is None:
        raise TableError(f'this combiner reads the conditions {list(names)}; none were given')
    values = np.asarray(values, dtype=float)
    if values.shape != (n, len(names)):
        raise TableError(f'conditions have shape {values.shape}; needed are {n} rows with a column '
                         f'for each of {list(names)}')
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise TableError(f'condition {names[column]!r}: {bad[:, column].sum()} of {n} values are '
                         f'missing or not finite, the first is row {row}; leave these objects out')
    return values


def to_log_odds(scores, kind):
    """
    Return scores as log odds.

    Parameters
    ----------
    scores : array_like
        Probabilities, or logits, which stay as they are.
    kind : str
        What they are.

    Returns
    -------
    log_odds : `~numpy.ndarray`
        Finite: probabilities of 0 and 1 are taken for 2^-25 and 1 - 2^-25.

    Raises
    ------
    TableError
        If they are ranks.

    Examples
    --------
    >>> from lensfinder_audit.combiners.contract import to_log_odds
    >>> print(to_log_odds([0.5, 1.0], 'probability').round(2))
    [ 0.   17.33]
    """
    _refuse_ranks(kind)
    scores = np.asarray(scores, dtype=float)
    return scores if kind == 'logit' else logit(np.clip(scores, CLIP, 1 - CLIP))


def to_probability(scores, kind):
    """
    Return scores as probabilities.

    Parameters
    ----------
    scores : array_like
        Logits, or probabilities, which stay as they are.
    kind : str
        What they are.

    Returns
    -------
    probability : `~numpy.ndarray`
        Between 0 and 1.

    Raises
    ------
    TableError
        If they are ranks.
    """
    _refuse_ranks(kind)
    scores = np.asarray(scores, dtype=float)
    return expit(scores) if kind == 'logit' else scores


def _refuse_ranks(kind):
    if _known_kind(kind) == 'rank':
        raise TableError('ranks have no log odds; give probabilities or logits, or make '
                         'probabilities of each finder first (platt, isotonic)')


def _known_kind(kind):
    if kind not in SCORE_KINDS:
        raise TableError(f'there is no score kind {kind!r}; there are {list(SCORE_KINDS)}.'
                         f'{did_you_mean(kind, SCORE_KINDS)}')
    return kind


class TrainingSample:
    """
    A checked sample to learn from, as `training_sample` returns it.

    Parameters
    ----------
    scores : (n, n_finders) `~numpy.ndarray`
        Scores.
    label : (n,) `~numpy.ndarray` of bool
        Whether a row is a lens.
    weight : (n,) `~numpy.ndarray`
        With a mean of 1; at a stated prevalence lenses sum to that fraction.
    conditions : (n, n_conditions) `~numpy.ndarray` or None
        Observing conditions.
    record : dict
        Counts and prevalence, for the record of the combiner.
    """

    def __init__(self, scores, label, weight, conditions, record):
        self.scores, self.label, self.weight = scores, label, weight
        self.conditions, self.record = conditions, record


def training_sample(scores, label, *, finders, score_kind='probability', weight=None,
                    prevalence=None, conditions=None, names=()):
    """
    Check what a combiner is to learn from.

    Parameters
    ----------
    scores : (n, n_finders) array_like
        Scores, a column per finder.
    label : (n,) array_like of bool
        Whether a row is a lens.
    finders : sequence of str
        Names of the finders.
    score_kind : str, optional
        What they give.
    weight : (n,) array_like, optional
        Objects of the population that a row stands for.
    prevalence : float, optional
        Fraction of lenses that probabilities shall refer to; that of the weighted
        sample by default.
    conditions : (n, n_conditions) array_like, optional
        Observing conditions.
    names : sequence of str, optional
        Names of the conditions.

    Returns
    -------
    sample : `TrainingSample`
        Ready to fit.

    Raises
    ------
    MeasurementError
        If it holds a single class, or the prevalence is none.
    TableError
        If scores, weights or conditions are not what they may be.
    """
    scores = check_scores(scores, finders, _known_kind(score_kind))
    label = np.asarray(label, dtype=bool)
    weight = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=float)
    if not len(scores) == len(label) == len(weight):
        raise TableError(f'scores, label and weight must have one length; they have {len(scores)}, '
                         f'{len(label)} and {len(weight)}')
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise TableError('a weight is negative or not finite')
    held = weight[label].sum(), weight[~label].sum()
    if not min(held) > 0:
        raise MeasurementError(f'a combiner learns from lenses and negatives; of {len(label)} rows '
                               f'{label.sum()} are lenses, of weight {held[0]:g}, and '
                               f'{(~label).sum()} negatives, of weight {held[1]:g}')
    if prevalence is not None and not 0 < prevalence < 1:
        raise MeasurementError(f'prevalence must lie between 0 and 1, not {prevalence:g}')
    share = held[0] / sum(held) if prevalence is None else prevalence
    weight = weight * np.where(label, share / held[0], (1 - share) / held[1]) * len(label)
    record = {'n_lenses': int(label.sum()), 'n_negatives': int((~label).sum()),
              'prevalence': float(share)}
    return TrainingSample(scores, label, weight, _check_conditions(conditions, names, len(label)),
                          record)
