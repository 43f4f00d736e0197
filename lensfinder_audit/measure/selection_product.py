# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Selections that act one after the other."""
import numpy as np
from astropy.table import QTable
from scipy.special import betaincinv

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.cell_posterior import beta_from_moments
from lensfinder_audit.tables import CELL_STATES

__all__ = ['SelectionProduct']


class SelectionProduct:
    """
    Selections that act one after the other, each with its own chance.

    Given the parameters of a lens, the selections must be independent: a finder and
    a spectroscopic follow-up, say. Two finders that looked at the same images are
    not; measure them together with several thresholds of
    `~lensfinder_audit.measure.selection_build.measure_selection`.

    Parameters
    ----------
    *selections : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        Two or more.

    Raises
    ------
    MeasurementError
        If there are fewer, or two of them were measured on the same injections.

    Examples
    --------
    >>> from lensfinder_audit.measure.selection_product import SelectionProduct
    >>> from lensfinder_audit.measure.selection_build import measure_selection
    >>> from lensfinder_audit.measure.selection_example import example_injections
    >>> one, other = (measure_selection(example_injections(seed=seed), threshold=0.5, by=[axis])
    ...               for seed, axis in enumerate(['theta_e', 'psfsize_r']))
    >>> answer = SelectionProduct(one, other).query(theta_e=2.8, psfsize_r=1.0)
    >>> print(answer['completeness'].value.round(2), answer['supported'].value)
    [0.59] [ True]
    """

    def __init__(self, *selections):
        if len(selections) < 2:
            raise MeasurementError(f'a product needs two selection functions or more; it has '
                                   f'{len(selections)}')
        prints = [item.meta.get('injections') for item in selections]
        if len(set(filter(None, prints))) < len([item for item in prints if item]):
            raise MeasurementError('two of the selection functions were measured on the same '
                                   'injections and are not independent; measure the finders '
                                   "together: threshold={'a': 0.5, 'b': 0.9}, combine='all' or "
                                   "'any'")
        self.selections = selections

    def query(self, table=None, *, confidence=0.95, **points):
        """
        Return the product at points.

        Parameters
        ----------
        table : (n,) `~astropy.table.Table`, optional
            As for ``SelectionFunction.query``.
        confidence : float, optional
            Of the interval: that of the beta distribution with the mean and the
            variance of the product of independent variables.
        **points
            Keywords of ``SelectionFunction.query``, of any of the selections.

        Returns
        -------
        answer : (n,) `~astropy.table.QTable`
            As that of ``SelectionFunction.query``; a point is supported if it is in all,
            and its state is the worst.
        """
        parts = self._parts(points)
        answers = [item.query(table, **part) for item, part in parts]
        n = max(len(answer) for answer in answers)
        mean, square = np.ones(n), np.ones(n)
        for item, part in parts:
            middle, deviation = item.moments(table, **part)
            mean, square = mean * middle, square * (middle**2 + deviation**2)
        lo, hi = _beta_interval(mean, np.maximum(square - mean**2, 0), confidence)
        rank = np.max(np.broadcast_arrays(*[_rank(answer['state']) for answer in answers]), axis=0)
        return QTable({'completeness': mean, 'lo': lo, 'hi': hi, 'supported': rank == 0,
                       'state': np.array(CELL_STATES)[rank]},
                      meta={'interval': 'beta distribution of the moments of the product',
                            'confidence': confidence,
                            'selections': [item.meta for item in self.selections]})

    def log_completeness(self, table=None, *, unsupported='raise', **points):
        """
        Return the sum of the logs of the selections.

        Parameters
        ----------
        table, unsupported, **points
            As for ``SelectionFunction.log_completeness``.

        Returns
        -------
        log_completeness : (n,) `~numpy.ndarray`
            Natural logarithm.
        """
        return sum(item.log_completeness(table, unsupported=unsupported, **part)
                   for item, part in self._parts(points))

    def sample(self, n, rng, table=None, **points):
        """
        Draw products.

        Parameters
        ----------
        n, rng, table, **points
            As for ``SelectionFunction.sample``, with points.

        Returns
        -------
        draws : (n, m) `~numpy.ndarray`
            Each selection has random numbers of its own.
        """
        found = 1.0
        for item, part in self._parts(points):
            found = found * item.sample(n, rng.spawn(1)[0], table, **part)
        return found

    def _parts(self, points):
        """Give each selection those of the keywords that are its axes."""
        shared = {'coords', 'conditions', 'unsupported'}
        names = {axis.name for item in self.selections for axis in item.axes}
        for name in set(points) - shared - names:
            raise MeasurementError(f'there is no axis {name!r}; the axes are {sorted(names)}.'
                                   f'{did_you_mean(name, names)}')
        return [(item, {name: value for name, value in points.items()
                        if name in shared or name in {axis.name for axis in item.axes}})
                for item in self.selections]


def _beta_interval(mean, variance, confidence):
    """Bound many values, of which few differ."""
    pairs, place = np.unique(mean + 1j * variance, return_inverse=True)
    a, b = beta_from_moments(pairs.real, pairs.imag)
    a[np.isnan(pairs.imag)] = np.nan
    tail = (1 - confidence) / 2
    place = place.reshape(-1)
    return betaincinv(a, b, tail)[place], betaincinv(a, b, 1 - tail)[place]


def _rank(state):
    """Number the states, the worst last."""
    order = np.argsort(CELL_STATES)
    return order[np.searchsorted(np.array(CELL_STATES)[order], np.asarray(state))]
