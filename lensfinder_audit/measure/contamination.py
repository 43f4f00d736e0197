# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Lenses that hide among the negatives, as the scores show them.

Negatives are unlabelled objects: some are lenses. Where the scores of the two
classes part, the share of lenses among labelled ones rises to 1; hidden lenses
hold it below 1 however high the score.
"""
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, log_expit
from scipy.stats import chi2

from lensfinder_audit.exceptions import MeasurementError

__all__ = ['HiddenLenses', 'hidden_lenses', 'corrected_rate']

#: Steps per unit of log odds in which rows are gathered.
_STEPS = 16


class HiddenLenses(NamedTuple):
    """Fraction of the negatives that are lenses, its interval, and the test of none."""

    fraction: float
    lo: float
    hi: float
    p: float
    n_above: int
    n_negatives: int


def hidden_lenses(log_odds, label, *, confidence=0.95, least=0.02):
    """
    Estimate how many negatives are lenses like the labelled ones.

    Parameters
    ----------
    log_odds : (n,) array_like
        Log odds of the scores; infinite ones are taken at the greatest finite.
    label : (n,) array_like of bool
        Whether a row is labelled a lens.
    confidence : float, optional
        Of the interval.
    least : float, optional
        Rows below this quantile of the lenses are left out, because the shape far
        below tells nothing of the top.

    Returns
    -------
    result : `HiddenLenses`
        ``fraction`` of the negatives, its profile-likelihood interval, the one-sided
        ``p`` of none, and the number of negatives that it rests on.

    Raises
    ------
    MeasurementError
        If there are fewer than 20 lenses or no negative.

    Notes
    -----
    P(labelled | s) = c expit(a + b s) with c = L / (L + H), L labelled and H hidden
    lenses: the positive-unlabelled model of Elkan & Noto [1]_ with logistic odds, and
    the upper asymptote of Barton & Lord [2]_. It assumes that hidden lenses score as
    labelled ones do, and that nothing else does: non-lenses that no score can part
    from lenses are counted as hidden lenses. The null lies on the border, so the
    p-value is half that of chi-squared.

    References
    ----------
    .. [1] Elkan & Noto 2008, doi:10.1145/1401890.1401920
    .. [2] Barton & Lord 1981, doi:10.1002/j.2333-8504.1981.tb01255.x

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.contamination import hidden_lenses
    >>> rng = np.random.default_rng(0)
    >>> lens = np.arange(20000) < 1040
    >>> score = rng.normal(np.where(lens, 5, -11), 4)
    >>> label = lens & (np.arange(20000) >= 40)  # 40 of 19,000 negatives are lenses
    >>> found = hidden_lenses(score, label)
    >>> print(f'{found.fraction:.4f} [{found.lo:.4f}, {found.hi:.4f}]')
    0.0022 [0.0014, 0.0032]
    """
    s, label = np.asarray(log_odds, dtype=float), np.asarray(label, dtype=bool)
    n_lenses, n_negatives = int(label.sum()), int((~label).sum())
    if n_lenses < 20 or not n_negatives:
        raise MeasurementError(f'hidden lenses need 20 labelled lenses and a negative; there are '
                               f'{n_lenses} and {n_negatives}')
    finite = s[np.isfinite(s)]
    s = np.clip(s, finite.min(initial=0), finite.max(initial=0))
    keep = s >= np.quantile(s[label], least)
    model = _Plateau(s[keep], label[keep])
    top, best = model.best()
    gain = 2 * (top - model.at(1.0))
    limit = chi2.ppf(confidence, 1) / 2
    ends = [_profile_end(model, best, top - limit, side) for side in (1.0, 0.0)]
    fractions = [n_lenses * (1 - c) / c / n_negatives for c in (best, *ends)]
    return HiddenLenses(*(float(min(item, 1)) for item in fractions),
                        float(chi2.sf(max(gain, 0), 1) / 2) if gain > 1e-9 else 1.0,
                        int((~label[keep]).sum()), n_negatives)


class _Plateau:
    """Likelihood of a logistic curve under a plateau, on gathered rows."""

    def __init__(self, s, label):
        steps, place = np.unique(np.rint(s * _STEPS), return_inverse=True)
        place = place.reshape(-1)
        self.n = np.bincount(place).astype(float)
        self.k = np.bincount(place, label)
        center, scale = np.average(steps, weights=self.n), max(float(np.std(steps)), 1e-9)
        self.s = (steps - center) / scale
        self.start = np.array([0.0, 1.0])

    def _value(self, theta, c):
        log_p = np.log(c) + log_expit(theta[0] + theta[1] * self.s)
        rest = np.log1p(-np.minimum(np.exp(log_p), 1 - 1e-15))
        return float(np.sum(self.k * log_p + (self.n - self.k) * rest))

    def _step(self, theta, c):
        """Return a step of Fisher scoring."""
        share = expit(theta[0] + theta[1] * self.s)
        p = np.clip(c * share, 1e-300, 1 - 1e-15)
        slope = p * (1 - share)
        design = np.stack([np.ones(len(p)), self.s])
        score = design @ (slope * (self.k - self.n * p) / (p * (1 - p)))
        information = (design * (self.n * slope**2 / (p * (1 - p)))) @ design.T
        return np.linalg.solve(information + 1e-9 * np.eye(2), score)

    def at(self, c):
        """Return the greatest log likelihood at one height of the plateau."""
        theta = self.start.copy()
        value = self._value(theta, c)
        for _ in range(100):
            step = self._step(theta, c)
            while (found := self._value(theta + step, c)) < value and np.abs(step).max() > 1e-9:
                step = step / 2
            gain, theta, value = found - value, theta + step, max(found, value)
            if gain < 1e-7:
                break
        return value

    def best(self):
        """Return the greatest log likelihood and its height."""
        grid = 1 - np.append(0, np.geomspace(3e-4, 0.5, 9))
        values = [self.at(c) for c in grid]
        k = int(np.argmax(values))
        ends = grid[min(k + 1, len(grid) - 1)], grid[max(k - 1, 0)]
        found = minimize_scalar(lambda c: -self.at(c), bounds=ends, method='bounded',
                                options={'xatol': 1e-5})
        return max((-found.fun, found.x), (values[k], grid[k]))


def _profile_end(model, best, level, side):
    """Find where the profile falls to a level, between the best height and one side."""
    far = 1.0 if side == 1.0 else 0.02
    if best == far or model.at(far) >= level:
        return far
    return brentq(lambda c: model.at(c) - level, *sorted((best, far)), xtol=1e-4)


def corrected_rate(fpr, tpr, fraction):
    """
    Take hidden lenses out of a false-positive rate.

    Parameters
    ----------
    fpr, tpr : array_like
        Fractions of the negatives and of the lenses that are selected.
    fraction : array_like
        Fraction of the negatives that are lenses.

    Returns
    -------
    rate : `~numpy.ndarray`
        (fpr - fraction tpr) / (1 - fraction), not below 0; NaN where all are lenses.

    Examples
    --------
    >>> from lensfinder_audit.measure.contamination import corrected_rate
    >>> corrected_rate(0.003, 0.9, [0, 0.001, 0.002]).round(4)
    array([0.003 , 0.0021, 0.0012])
    """
    fpr, tpr, fraction = (np.asarray(item, dtype=float) for item in (fpr, tpr, fraction))
    left = np.where(fraction < 1, 1 - fraction, np.nan)
    return np.maximum((fpr - fraction * tpr) / left, 0)
