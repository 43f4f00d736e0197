# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The selection function: completeness as a function that can be asked.

`~lensfinder_audit.measure.selection_build` makes one from injections or real
lenses. It answers for any number of points at once, with an interval and with
whether it is entitled to an answer.
"""
import numpy as np
from astropy.table import QTable
from scipy.special import betaincinv

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.binning import cell_codes
from lensfinder_audit.measure.cell_posterior import beta_from_moments
from lensfinder_audit.measure.selection_points import read_points

__all__ = ['SelectionFunction', 'UNSUPPORTED']

#: What may be done about points without a supported number.
UNSUPPORTED = ('raise', 'nan', 'use')

# A point that lies in no bin is beyond what was injected; one without a value is in no cell.
_BEYOND = ['empty', 'unsupported']


class SelectionFunction:
    """
    Probability that a lens is found, as a function of lens and observing conditions.

    Parameters
    ----------
    axes : sequence of `~lensfinder_audit.measure.binning.Axis`
        What it is a function of.
    cells : (n_cells,) `~astropy.table.QTable`
        Schema ``selection_function``: a row for each cell, the last axis fastest.
    posterior : `~lensfinder_audit.measure.cell_posterior.CellPosterior`
        What is known of each cell.
    smooth : `~lensfinder_audit.measure.selection_model.SplineModel`, optional
        Takes the place of the cells in every answer but that on their state.
    meta : dict
        Threshold, interval, cluster column, versions, checksums.
    """

    def __init__(self, axes, cells, posterior, *, smooth=None, meta):
        self.axes, self.cells, self.posterior = tuple(axes), cells, posterior
        self.smooth, self.meta = smooth, dict(meta)

    def __repr__(self):
        names = ', '.join(axis.name for axis in self.axes)
        supported = int(np.sum(self.cells['supported']))
        return (f'<SelectionFunction of {names}: {self.meta["method"]}, {supported} of '
                f'{len(self.cells)} cells supported>')

    def query(self, table=None, *, coords=None, conditions=None, **values):
        """
        Return the completeness at points.

        Parameters
        ----------
        table : (n,) `~astropy.table.Table`, optional
            With a column for each axis.
        coords : (n,) `~astropy.coordinates.SkyCoord`, optional
            Positions whose conditions are looked up.
        conditions : `~lensfinder_audit.condition_maps.ConditionMaps`, optional
            Where they are looked up.
        **values
            Values of axes, one or n; see
            `~lensfinder_audit.measure.selection_points.read_points`.

        Returns
        -------
        answer : (n,) `~astropy.table.QTable`
            ``completeness``, ``lo``, ``hi``, ``supported`` and ``state``. Beyond what was
            injected the state is *empty* and the completeness NaN; a point in a cell on
            few hosts has a number but is not supported.

        Raises
        ------
        MeasurementError
            If an axis has no value, or a keyword is no axis.

        Examples
        --------
        >>> from astropy import units as u
        >>> from lensfinder_audit.measure.selection_build import measure_selection
        >>> from lensfinder_audit.measure.selection_example import example_injections
        >>> found = measure_selection(example_injections(), threshold=0.5, by=['theta_e'])
        >>> answer = found.query(theta_e=[0.6, 2.8, 5.0] * u.arcsec)
        >>> print(answer['completeness'].value.round(2), answer['state'].value)
        [0.2  0.88  nan] ['supported' 'supported' 'empty']
        """
        columns = read_points(self.axes, table, coords=coords, conditions=conditions, **values)
        cell = self._cell(columns)
        if self.smooth is None:
            found = {name: _lookup(self.cells[column], cell) for name, column in (
                ('completeness', 'estimate'), ('lo', 'lo'), ('hi', 'hi'))}
        else:
            found = self._smooth_answer(columns, cell)
        found['supported'] = _lookup(self.cells['supported'], cell, [False, False])
        found['state'] = _lookup(self.cells['state'], cell, _BEYOND)
        return QTable(found, meta=self._answer_meta())

    def log_completeness(self, table=None, *, unsupported='raise', **points):
        """
        Return the log of the completeness at points, as a likelihood needs it.

        Parameters
        ----------
        table : (n,) `~astropy.table.Table`, optional
            As for `query`.
        unsupported : {'raise', 'nan', 'use'}, optional
            What to do about points without a supported number. ``'use'`` takes what an
            unsupported cell has, and NaN where there is nothing.
        **points
            Keywords of `query`.

        Returns
        -------
        log_completeness : (n,) `~numpy.ndarray`
            Natural logarithm; -inf where the completeness is 0.

        Raises
        ------
        MeasurementError
            If ``unsupported='raise'`` and there are such points; it counts them.
        """
        answer = self.query(table, **points)
        keep = _kept(answer['state'], answer['supported'], unsupported)
        with np.errstate(divide='ignore'):
            return np.log(np.where(keep, answer['completeness'], np.nan))

    def sample(self, n, rng, table=None, *, unsupported='nan', **points):
        """
        Draw selection functions from what is known of this one.

        Parameters
        ----------
        n : int
            Number of draws.
        rng : `~numpy.random.Generator`
            Source of randomness; the same state gives the same functions at any points.
        table : (m,) `~astropy.table.Table`, optional
            Points, as for `query`; without any, all cells.
        unsupported : {'raise', 'nan', 'use'}, optional
            As for `log_completeness`.
        **points
            Keywords of `query`.

        Returns
        -------
        draws : (n, m) `~numpy.ndarray`
            Completeness. A row is one function: points and cells that rest on the same
            hosts move together.
        """
        if table is None and not points:
            if self.smooth is not None:
                raise MeasurementError('a smooth selection function is drawn at points; give a '
                                       'table or keywords')
            return self.posterior.draws(n, rng)
        columns = read_points(self.axes, table, **points)
        cell = self._cell(columns)
        supported = _lookup(self.cells['supported'], cell, [False, False])
        keep = _kept(_lookup(self.cells['state'], cell, _BEYOND), supported, unsupported)
        keep &= np.isfinite(_lookup(self.cells['estimate'], cell))
        if self.smooth is not None:
            draws = self.smooth.draws([_known(column) for column in columns], n, rng)
        else:
            held, place = np.unique(np.where(keep, cell, 0), return_inverse=True)
            draws = self.posterior.draws(n, rng, cells=held)[:, place.reshape(-1)]
        return np.where(keep, draws, np.nan)

    def mean(self, table=None, *, weight=None, min_share=0.95, **points):
        """
        Average the completeness over points, such as the pixels of a survey.

        Parameters
        ----------
        table : (n,) `~astropy.table.Table`, optional
            Points, as for `query`.
        weight : (n,) array_like, optional
            Weight of each point, such as its area.
        min_share : float, optional
            The average is supported if at least this share of the weight is.
        **points
            Keywords of `query`.

        Returns
        -------
        average : (1,) `~astropy.table.QTable`
            ``completeness`` with ``lo`` and ``hi``, over the points that have a number;
            ``share_supported``, ``share_empty``, ``weight`` in all and ``recovered``,
            completeness times the weight of the points that have a number.
            The interval knows what points share.

        Raises
        ------
        MeasurementError
            If no point has a number.
        """
        cell = self._cell(read_points(self.axes, table, **points))
        weight = np.ones(len(cell)) if weight is None else np.asarray(
            getattr(weight, 'value', weight), dtype=float)
        mean, deviation, held = self.mean_moments(table, weight, **points)
        a, b = beta_from_moments(mean, deviation**2)
        tail, whole = (1 - self.meta['confidence']) / 2, weight.sum()
        supported = weight @ _lookup(self.cells['supported'], cell, [False, False]) / whole
        row = {'completeness': mean, 'lo': betaincinv(a, b, tail), 'hi': betaincinv(a, b, 1 - tail),
               'supported': supported >= min_share, 'share_supported': supported,
               'share_empty': 1 - held / whole, 'weight': whole, 'recovered': mean * held}
        return QTable({name: [value] for name, value in row.items()},
                      meta={**self._answer_meta(), 'min_share': min_share})

    def mean_moments(self, table, weight, **points):
        """
        Average the completeness over points.

        Parameters
        ----------
        table : (n,) `~astropy.table.Table` or None
            Points, as for `query`.
        weight : (n,) array_like
            Weight of each.
        **points
            Keywords of `query`.

        Returns
        -------
        mean, deviation : float
            Over the points that have a number.
        held : float
            Their weight.
        """
        columns = read_points(self.axes, table, **points)
        cell = self._cell(columns)
        held = np.isfinite(_lookup(self.cells['estimate'], cell)) & (weight > 0)
        if not held.any():
            raise MeasurementError(f'none of the {len(cell)} points lies in a cell that has a '
                                   'number')
        found = self._moments_of_mean([column[held] for column in columns], cell[held],
                                      weight[held])
        return (*found, float(weight[held].sum()))

    def moments(self, table=None, **points):
        """
        Return mean and standard deviation at points.

        Parameters
        ----------
        table : (n,) `~astropy.table.Table`, optional
            As for `query`.
        **points
            Keywords of `query`.

        Returns
        -------
        mean, deviation : (n,) `~numpy.ndarray`
            NaN where there is no number.
        """
        columns = read_points(self.axes, table, **points)
        cell = self._cell(columns)
        if self.smooth is None:
            return (_lookup(self.cells['estimate'], cell),
                    _lookup(self.posterior.deviation, cell))
        answer = self._smooth_answer(columns, cell, confidence=0.6827)
        return answer['completeness'], (answer['hi'] - answer['lo']) / 2

    def to_healpix(self, nside, *, conditions, **values):
        """
        Map the completeness over the sky.

        Parameters
        ----------
        nside, conditions, **values
            As for `~lensfinder_audit.measure.selection_sky.selection_map`.

        Returns
        -------
        pixels : `~astropy.table.QTable`
            As there.
        """
        from lensfinder_audit.measure.selection_sky import selection_map
        return selection_map(self, conditions, nside=nside, **values)

    def axis(self, name):
        """Return the axis of a name; the nearest is named where there is none."""
        names = [axis.name for axis in self.axes]
        if name not in names:
            raise MeasurementError(f'there is no axis {name!r}; the axes are {names}.'
                                   f'{did_you_mean(name, names)}')
        return self.axes[names.index(name)]

    def _cell(self, columns):
        return cell_codes([axis.code(column) for axis, column in zip(self.axes, columns,
                                                                     strict=True)],
                          [axis.n_cells for axis in self.axes])

    def _smooth_answer(self, columns, cell, confidence=None):
        held = np.isfinite(_lookup(self.cells['estimate'], cell))
        found = self.smooth.predict([_known(column) for column in columns],
                                    confidence or self.meta['confidence'])
        found[:, ~held] = np.nan
        return dict(zip(('completeness', 'lo', 'hi'), found, strict=True))

    def _moments_of_mean(self, columns, cell, weight):
        if self.smooth is not None:
            return self.smooth.average(columns, weight)
        shares = np.bincount(cell, weight, len(self.cells))
        one = self.posterior.combine(shares)
        mean = shares @ np.nan_to_num(self.cells['estimate']) / shares.sum()
        return float(mean), float(one.deviation[0])

    def _answer_meta(self):
        kept = ('method', 'threshold', 'interval', 'confidence', 'cluster', 'min_groups',
                'package_version', 'injections')
        return {name: self.meta[name] for name in kept if self.meta.get(name) is not None}


def _lookup(column, cell, beyond=(np.nan, np.nan)):
    """Take the value of each cell; what has none is -2 or -1, the places at the end."""
    return np.append(np.asarray(column), np.asarray(beyond))[cell]


def _known(column):
    """Put any number in the place of a missing one, which has no answer anyway."""
    return column if column.dtype.kind == 'U' else np.nan_to_num(column)


def _kept(state, supported, unsupported):
    if unsupported not in UNSUPPORTED:
        raise MeasurementError(f'unsupported is one of {list(UNSUPPORTED)}; it is {unsupported!r}.'
                               f'{did_you_mean(unsupported, UNSUPPORTED)}')
    if unsupported == 'raise' and not supported.all():
        words, counts = np.unique(state[~supported], return_counts=True)
        listed = ', '.join(f'{count} {word}' for word, count in zip(words, counts, strict=True))
        raise MeasurementError(f'{np.sum(~supported)} of {len(supported)} points have no supported '
                               f'number ({listed}), the first is point '
                               f'{np.flatnonzero(~supported)[0]}; leave them out of the sample, or '
                               "choose unsupported='nan' or 'use'")
    return np.ones(len(state), bool) if unsupported == 'use' else supported
