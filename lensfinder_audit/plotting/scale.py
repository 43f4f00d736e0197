# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A logit axis for probabilities that has room for exact zeros and ones."""
import numpy as np

__all__ = ['to_axis', 'score_axis', 'SATURATED']

#: Decimal logit beyond which scores are drawn at the end of the axis; half the
#: digits of a double lie within it.
SATURATED = 8.0

_FINE = {1e-4: '10⁻⁴', 1e-3: '10⁻³', 0.01: '0.01', 0.1: '0.1', 0.5: '0.5', 0.9: '0.9',
         0.99: '0.99', 0.999: '0.999', 1 - 1e-4: '1−10⁻⁴'}
_MIDDLE = {1e-4: '10⁻⁴', 0.01: '0.01', 0.5: '0.5', 0.99: '0.99', 1 - 1e-4: '1−10⁻⁴'}
_COARSE = {0: '0', 1e-6: '10⁻⁶', 1e-3: '10⁻³', 0.5: '0.5', 0.999: '0.999', 1 - 1e-6: '1−10⁻⁶',
           1: '1'}


def to_axis(score, probabilities=True):
    """
    Turn scores into places on the axis.

    Parameters
    ----------
    score : (n,) `~numpy.ndarray`
        Scores.
    probabilities : bool, optional
        Whether to take the decimal logit; scores at or beyond 0 and 1, and
        those within 1e-8 of them, lie at its ends.

    Returns
    -------
    place : (n,) `~numpy.ndarray`
        log10(p / (1 - p)) within -8 and 8, or the scores as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.plotting.scale import to_axis
    >>> to_axis(np.array([0, 0.5, 1.0]))
    array([-8.,  0.,  8.])
    """
    if not probabilities:
        return score
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.clip(np.log10(score) - np.log1p(-score) / np.log(10), -SATURATED, SATURATED)


def score_axis(panel, place, probabilities=True):
    """
    Label the x axis of a panel in scores.

    Parameters
    ----------
    panel : `~matplotlib.axes.Axes`
        Drawn in the coordinates of `to_axis`.
    place : (n,) `~numpy.ndarray`
        What the axis has to show.
    probabilities : bool, optional
        As for `to_axis`.
    """
    if not probabilities or not len(place):
        return
    low, high = min(np.min(place), -0.5), max(np.max(place), 0.5)
    labels = _FINE if high - low < 5 else _MIDDLE if max(-low, high) < 5 else _COARSE
    ticks = to_axis(np.array(list(labels), dtype=float))
    shown = (ticks >= low - 0.3) & (ticks <= high + 0.3)
    panel.set_xticks(ticks[shown], np.array(list(labels.values()))[shown])
    panel.set_xlim(low - 0.25, high + 0.25)
