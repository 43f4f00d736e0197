# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Completeness on candidates of which some are not lenses."""
import numpy as np

from lensfinder_audit.exceptions import MeasurementError

__all__ = ['purity_bounds']


def purity_bounds(lo, hi, purity, *, impostors=(0.0, 1.0)):
    """
    Widen the interval of a recovered fraction by what is unknown of its labels.

    Parameters
    ----------
    lo, hi : array_like
        Interval of the recovered fraction of the candidates.
    purity : (2,) sequence of float
        Least and greatest fraction of the candidates that are lenses.
    impostors : (2,) sequence of float, optional
        Least and greatest fraction of the others that the finder recovers. Candidates
        that a finder chose look like lenses to the next one: without knowledge, any.

    Returns
    -------
    lo, hi : `~numpy.ndarray`
        Bounds of the completeness on the lenses among them, within [0, 1].

    Raises
    ------
    MeasurementError
        If a range does not lie in order in [0, 1], or the purity may be 0.

    Notes
    -----
    f = purity c + (1 - purity) q is solved for c at the corners of the ranges; it is
    monotone in each of them. The confidence is that of (lo, hi), if the ranges hold.

    Examples
    --------
    >>> from lensfinder_audit.measure.label_noise import purity_bounds
    >>> print('{:.2f} {:.2f}'.format(*purity_bounds(0.75, 0.85, (0.6, 0.9))))
    0.58 1.00
    """
    for name, ends in (('purity', purity), ('impostors', impostors)):
        if len(ends) != 2 or not 0 <= ends[0] <= ends[1] <= 1 or (name == 'purity' and not ends[0]):
            raise MeasurementError(f'{name} must be two numbers in [0, 1], the smaller first'
                                   f'{", and above 0" if name == "purity" else ""}; it is '
                                   f'{tuple(ends)}')
    lo, hi = np.asarray(lo, dtype=float), np.asarray(hi, dtype=float)
    low = np.min([(lo - (1 - share) * impostors[1]) / share for share in purity], axis=0)
    high = np.max([(hi - (1 - share) * impostors[0]) / share for share in purity], axis=0)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)
