# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""From the score of one finder to a probability: Platt, isotonic, beta and temperature."""
import numpy as np
from scipy.special import expit, log_expit

from lensfinder_audit.combiners.contract import Combiner, to_log_odds, training_sample
from lensfinder_audit.exceptions import InputFileError, MeasurementError

__all__ = ['Platt', 'Isotonic', 'Beta', 'Temperature']


class _Calibrator(Combiner):
    """A combiner of one finder that learns from a sample."""

    @classmethod
    def fit(cls, score, label, *, finder='score', score_kind='probability', weight=None,
            prevalence=None):
        """
        Learn from a sample that the finder was not trained on.

        Parameters
        ----------
        score : (n,) array_like
            Scores.
        label : (n,) array_like of bool
            Whether a row is a lens.
        finder : str, optional
            Its name.
        score_kind : str, optional
            What the score is.
        weight : (n,) array_like, optional
            Objects of the population that a row stands for.
        prevalence : float, optional
            Fraction of lenses that the probability shall refer to; that of the
            weighted sample by default. The record says which.

        Returns
        -------
        calibrator : `~lensfinder_audit.combiners.contract.Combiner`
            Ready to use and to save.

        Raises
        ------
        MeasurementError
            If the sample has one class, or no curve rises from non-lenses to lenses.
        """
        sample = training_sample(np.asarray(score, dtype=float)[:, None], label, finders=[finder],
                                 score_kind=score_kind, weight=weight, prevalence=prevalence)
        parameters = cls._learn(sample, score_kind)
        return cls([finder], score_kind=score_kind, parameters=parameters, record=sample.record)

    def _combine(self, scores, conditions):
        return self._probability(scores[:, 0])

    def _numbers(self, names, size=()):
        """Return parameters, or say which one a file lacks."""
        found = [np.asarray(self.parameters.get(name, np.nan), dtype=float) for name in names]
        for name, value in zip(names, found, strict=True):
            if not np.isfinite(value).all() or value.ndim != len(size):
                raise InputFileError(f'{self.method}: its parameter {name!r} is missing or no '
                                     f'{"list of numbers" if size else "number"}')
        return found


class Platt(_Calibrator):
    """
    A logistic curve: p = 1 / (1 + exp(-(slope s + intercept))).

    s is the log odds of a probability, and a logit or rank as it is. The targets are
    Platt's, (n + 1) / (n + 2) and 1 / (n + 2) for n lenses and n non-lenses, so that
    separated classes have a finite curve. Another prevalence shifts the intercept by the
    logarithm of the ratio of the odds.

    Parameters
    ----------
    finders, score_kind, conditions, parameters, record
        As for `~lensfinder_audit.combiners.contract.Combiner`.

    References
    ----------
    .. [1] Platt 1999, in Advances in Large Margin Classifiers (MIT Press), 61

    Examples
    --------
    >>> from lensfinder_audit.combiners.calibration import Platt
    >>> found = Platt.fit([-1.0, 0, 1, 2], [0, 1, 0, 1], score_kind='logit')
    >>> print(found([[0.5]]).round(2))
    [0.5]
    """

    method = 'platt'

    @classmethod
    def _learn(cls, sample, kind):
        n, label = np.array([sample.record['n_negatives'], sample.record['n_lenses']]), sample.label
        target = np.where(label, (n[1] + 1) / (n[1] + 2), 1 / (n[0] + 2))
        held = np.array([sample.weight[~label].sum(), sample.weight[label].sum()])
        # with rare lenses the smoothed non-lenses would outweigh them: fit as counted, then shift
        weight = sample.weight * (n / held)[label.astype(int)]
        slope, intercept = _logistic(_plain(sample.scores, kind), target, weight)
        _check_rising(slope)
        shift = np.log(held[1] / held[0]) - np.log(n[1] / n[0])
        return {'slope': float(slope[0]), 'intercept': float(intercept + shift)}

    def _check(self):
        self._numbers(['slope', 'intercept'])

    def _probability(self, score):
        slope, intercept = self._numbers(['slope', 'intercept'])
        return expit(slope * _plain(score, self.score_kind) + intercept)


class Isotonic(_Calibrator):
    """
    The best rising step curve, joined by straight lines.

    It ties scores that the sample cannot tell apart, and ends at the lowest and highest
    score of its sample: beyond those it stays level.

    Parameters
    ----------
    finders, score_kind, conditions, parameters, record
        As for `~lensfinder_audit.combiners.contract.Combiner`.

    References
    ----------
    .. [1] Zadrozny & Elkan 2002, doi:10.1145/775047.775151

    Examples
    --------
    >>> from lensfinder_audit.combiners.calibration import Isotonic
    >>> found = Isotonic.fit([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1])
    >>> print(found([[0.0], [0.25], [0.9]]))
    [0.  0.5 1. ]
    """

    method = 'isotonic'

    @classmethod
    def _learn(cls, sample, kind):
        from sklearn.isotonic import IsotonicRegression

        rows = sample.weight > 0
        found = IsotonicRegression(y_min=0, y_max=1, out_of_bounds='clip').fit(
            sample.scores[rows, 0], sample.label[rows].astype(float), sample.weight[rows])
        return {'score': found.X_thresholds_.astype(float),
                'probability': found.y_thresholds_.astype(float)}

    def _check(self):
        score, probability = self._numbers(['score', 'probability'], (1,))
        if len(score) != len(probability) or (np.diff(score) <= 0).any() \
                or (np.diff(probability) < 0).any():
            raise InputFileError('isotonic: its steps do not rise')

    def _probability(self, score):
        return np.interp(score, *self._numbers(['score', 'probability'], (1,)))


class Beta(_Calibrator):
    """
    A logistic curve in ln p and ln(1 - p): log odds = a ln p - b ln(1 - p) + c.

    It leaves a calibrated finder as it is (a = b = 1, c = 0), which `Platt` on
    probabilities cannot; on log odds `Platt` is its case a = b. A negative a or b is set
    to 0 and the rest fitted again, so that the curve never falls.

    Parameters
    ----------
    finders, score_kind, conditions, parameters, record
        As for `~lensfinder_audit.combiners.contract.Combiner`.

    References
    ----------
    .. [1] Kull, Silva Filho & Flach 2017, doi:10.1214/17-EJS1338SI

    Examples
    --------
    >>> from lensfinder_audit.combiners.calibration import Beta
    >>> same = Beta(['p'], parameters={'a': 1.0, 'b': 1.0, 'c': 0.0})
    >>> print(same([[0.25]]))
    [0.25]
    """

    method = 'beta'

    @classmethod
    def _learn(cls, sample, kind):
        terms = _beta_terms(sample.scores[:, 0], kind)
        _refuse_separated(sample)
        used = [0, 1]
        slope, intercept = _logistic(terms, sample.label, sample.weight)
        if (slope < 0).any():
            used = [int(slope.argmax())]
            slope, intercept = _logistic(terms[:, used], sample.label, sample.weight)
            _check_rising(slope)
        found = dict.fromkeys((0, 1), 0.0) | dict(zip(used, slope.tolist(), strict=True))
        return {'a': found[0], 'b': found[1], 'c': float(intercept)}

    def _check(self):
        if min(self._numbers(['a', 'b', 'c'])[:2]) < 0:
            raise InputFileError('beta: its parameters a and b may not be negative')

    def _probability(self, score):
        a, b, c = self._numbers(['a', 'b', 'c'])
        return expit(_beta_terms(score, self.score_kind) @ np.array([a, b]) + c)


class Temperature(_Calibrator):
    """
    One number: log odds are divided by a temperature.

    It cannot move the point where lenses and non-lenses are equally likely, and so
    cannot carry a finder to another prevalence.

    Parameters
    ----------
    finders, score_kind, conditions, parameters, record
        As for `~lensfinder_audit.combiners.contract.Combiner`.

    References
    ----------
    .. [1] Guo et al. 2017, arXiv:1706.04599

    Examples
    --------
    >>> from lensfinder_audit.combiners.calibration import Temperature
    >>> print(Temperature(['p'], parameters={'temperature': 2.0})([[0.9]]))
    [0.75]
    """

    method = 'temperature'

    @classmethod
    def _learn(cls, sample, kind):
        _refuse_separated(sample)
        slope, _ = _logistic(to_log_odds(sample.scores, kind), sample.label, sample.weight,
                             intercept=False)
        _check_rising(slope)
        return {'temperature': float(1 / slope[0])}

    def _check(self):
        if not self._numbers(['temperature'])[0] > 0:
            raise InputFileError('temperature: it must be above 0')

    def _probability(self, score):
        return expit(to_log_odds(score, self.score_kind) / self._numbers(['temperature'])[0])


def _plain(score, kind):
    return score if kind == 'rank' else to_log_odds(score, kind)


def _beta_terms(score, kind):
    odds = to_log_odds(score, kind)
    return np.column_stack([log_expit(odds), -log_expit(-odds)])


def _logistic(design, target, weight, *, intercept=True):
    """Fit a logistic regression to targets between 0 and 1."""
    from sklearn.linear_model import LogisticRegression

    spread = np.maximum(design.std(axis=0), 1e-300)
    rows = np.concatenate([design, design]) / spread  # each once as a lens and once as none
    mass = np.concatenate([weight * target, weight * (1 - np.asarray(target, dtype=float))])
    truth, used = np.repeat([1, 0], len(design)), mass > 0
    found = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000, solver='newton-cholesky',
                               fit_intercept=intercept).fit(rows[used], truth[used],
                                                            sample_weight=mass[used])
    return found.coef_[0] / spread, float(np.ravel(found.intercept_)[0]) if intercept else 0.0


def _check_rising(slope):
    if not (slope > 0).all():
        raise MeasurementError('lenses do not score above non-lenses in this sample, so that no '
                               'rising curve fits; is the score upside down?')


def _refuse_separated(sample):
    score = sample.scores[:, 0]
    if score[sample.label].min() >= score[~sample.label].max():
        raise MeasurementError('no non-lens scores above a lens, so that the best curve is a step; '
                               'take a larger sample, or platt, which smooths its targets')
