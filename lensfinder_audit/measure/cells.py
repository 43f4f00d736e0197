# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tables of fractions by sample and cell, the shape that results share.

A cell is a bin of each axis. Rows whose value is missing, or lies in no bin,
get a row of their own, so that the counts of a table add up to its sample.
"""
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.binning import MISSING, Axis, cell_codes, make_axis
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.rates import cell_rates
from lensfinder_audit.measure.resampling import Resampler, codes
from lensfinder_audit.tables import require_columns

__all__ = ['Design', 'Grid', 'fraction_table']


@dataclass(frozen=True)
class Design:
    """
    How a sample was drawn, and how uncertainty is stated.

    Parameters
    ----------
    weight : str, optional
        Column of the number of population objects that a row stands for.
    group : str, optional
        Column of the host, brick or pixel; rows of a group are not independent.
    stratum : str, optional
        Column of the sampling stratum.
    interval : str, optional
        ``'wilson'``, ``'jeffreys'`` or ``'clopper-pearson'``.
    confidence : float, optional
        Confidence of every interval.
    min_groups : int, optional
        A cell that rests on fewer groups is unsupported.
    n_resamples : int, optional
        Number of bootstrap resamples; 0 leaves the bootstrap out.
    seed : int, optional
        Seed of the bootstrap.
    """

    weight: str | None = None
    group: str | None = None
    stratum: str | None = None
    interval: str = 'wilson'
    confidence: float = 0.95
    min_groups: int = 10
    n_resamples: int = 10000
    seed: int = 0

    def columns(self, table):
        """Return the weight, group and stratum columns of a table, `None` where not set."""
        names = {'weight': self.weight, 'group': self.group, 'stratum': self.stratum}
        require_columns(table, [name for name in names.values() if name])
        found = {key: None if name is None else np.asarray(table[name])
                 for key, name in names.items()}
        if found['weight'] is not None:
            _check_weight(found['weight'], self.weight)
        return found

    def resampler(self, table):
        """Draw the resamples of a table."""
        found = self.columns(table)
        return Resampler(len(table), group=found['group'], stratum=found['stratum'],
                         n_resamples=self.n_resamples, seed=self.seed)

    def meta(self):
        """Return what a table's ``meta`` says of the design."""
        return {'interval': self.interval, 'confidence': self.confidence, 'weights': self.weight,
                'cluster': self.group, 'strata': self.stratum, 'min_groups': self.min_groups,
                'n_resamples': self.n_resamples, 'seed': self.seed}


class Grid:
    """
    The cells of a table: levels of the samples times bins of the axes.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The rows.
    by : str, `~lensfinder_audit.measure.binning.Axis` or sequence of them
        Axes; a bare column name gets automatic bins.
    sample : sequence of str, optional
        Columns of words whose combinations are never pooled.
    rows : (n,) array_like of bool, optional
        Rows that are counted; the others lie in no cell.
    """

    def __init__(self, table, *, by=(), sample=(), rows=None):
        by = [by] if isinstance(by, str | Axis) else list(by)
        sample = [sample] if isinstance(sample, str) else list(sample)
        rows = np.ones(len(table), bool) if rows is None else np.asarray(rows, bool)
        require_columns(table, [getattr(item, 'name', item) for item in by] + sample)
        self.axes = [item if isinstance(item, Axis) else make_axis(table[item], item,
                                                                   unit=str(table[item].unit or ''))
                     for item in by]
        self.samples, sample_code = _samples(table, sample, rows)
        cell = self._cell(table)
        self.n_inside = int(np.prod([axis.n_cells for axis in self.axes], dtype=int))
        # two cells more in each sample: without a value, and in no bin
        extra = np.where(cell == MISSING, self.n_inside, self.n_inside + 1)
        self.width = self.n_inside + (2 if self.axes else 0)
        self.cell = np.where(rows, sample_code * self.width + np.where(cell < 0, extra, cell), -1)
        self.n_cells = len(self.samples) * self.width

    def _cell(self, table):
        if not self.axes:
            return np.zeros(len(table), dtype=np.int64)
        return cell_codes([axis.code(table[axis.name]) for axis in self.axes],
                          [axis.n_cells for axis in self.axes])

    def columns(self):
        """Return the columns that name each cell, and whether it is impossible."""
        inside = np.arange(self.n_cells) % self.width
        place = np.arange(self.n_cells) // self.width
        found = {name: np.array([levels[name] for levels in self.samples])[place]
                 for name in (self.samples[0] if self.samples else {})}
        shape = [axis.n_cells for axis in self.axes]
        index = np.unravel_index(np.minimum(inside, self.n_inside - 1), shape) if shape else ()
        impossible = np.zeros(self.n_cells, bool)
        for axis, number in zip(self.axes, index, strict=True):
            found |= _axis_columns(axis, number, inside < self.n_inside)
            impossible |= axis.impossible()[number] & (inside < self.n_inside)
        return found, impossible, inside - self.n_inside


def fraction_table(table, success, grid, design, *, resampler=None):
    """
    Measure a fraction in every cell of a grid.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        The sample.
    success : (n,) array_like of bool
        Outcome of each row.
    grid : `Grid`
        The cells.
    design : `Design`
        Weights, groups, strata and the interval.
    resampler : `~lensfinder_audit.measure.resampling.Resampler`, optional
        Resamples of the same table, to be shared between tables.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per cell: sample and axis columns, ``n``, ``n_recovered``,
        ``n_groups``, ``n_eff``, ``estimate``, ``lo``, ``hi``, ``boot_lo``,
        ``boot_hi``, ``supported``, ``state`` and ``reason``.
    """
    design_columns = design.columns(table)
    found = cell_rates(success, cell=grid.cell, n_cells=grid.n_cells, interval=design.interval,
                       confidence=design.confidence, **design_columns)
    found |= _bootstrap(table, success, grid, design, design_columns['weight'], resampler)
    names, impossible, beyond = grid.columns()
    state, reason = _states(found, impossible, beyond, design.min_groups)
    result = QTable({**names, **found, 'supported': state == 'supported', 'state': state,
                     'reason': reason})
    return result[(beyond < 0) | (found['n'] > 0)]


def _bootstrap(table, success, grid, design, weight, resampler):
    if not design.n_resamples or not len(table):
        return {}
    resampler = design.resampler(table) if resampler is None else resampler
    draws = resampler.rates(success, weight=weight, cell=grid.cell, n_cells=grid.n_cells)
    lo, hi = percentile_interval(draws, confidence=design.confidence)
    return {'boot_lo': lo, 'boot_hi': hi}


def _states(found, impossible, beyond, min_groups):
    few = f'fewer than {min_groups} groups'
    choices = [(impossible & (found['n'] == 0), 'impossible', 'excluded by the selection'),
               (impossible, 'impossible', 'excluded by the selection, yet objects are there'),
               (beyond == 0, 'unsupported', 'no value'), (beyond == 1, 'unsupported', 'in no bin'),
               (found['n'] == 0, 'empty', 'no object'),
               (np.isnan(found['estimate']), 'unsupported', 'only weights of 0'),
               (found['n_groups'] < min_groups, 'unsupported', few)]
    conditions = [choice[0] for choice in choices]
    state = np.select(conditions, [choice[1] for choice in choices], 'supported')
    return state, np.select(conditions, [choice[2] for choice in choices], '')


def _samples(table, sample, rows):
    if not sample:
        return [{}], np.zeros(len(table), dtype=np.int64)
    levels = [codes(np.asarray(table[name]).astype(str)) for name in sample]
    joint = cell_codes([code for code, _ in levels], [len(found) for _, found in levels])
    present = np.unique(joint[rows])
    names = np.unravel_index(present, [len(found) for _, found in levels])
    found = [{name: str(levels[i][1][names[i][j]]) for i, name in enumerate(sample)}
             for j in range(len(present))]
    return found, np.minimum(np.searchsorted(present, joint), max(len(present) - 1, 0))


def _axis_columns(axis, number, inside):
    if axis.classes:
        return {axis.name: np.where(inside, np.array(axis.classes)[number], '')}
    edges = np.asarray(axis.edges, dtype=float)
    if axis.unit:
        unit = u.Unit(axis.unit)  # of an AB magnitude, the magnitude
        edges = u.Quantity(edges, getattr(unit, 'function_unit', unit))
    return {f'{axis.name}_min': np.where(inside, edges[number], np.nan),
            f'{axis.name}_max': np.where(inside, edges[number + 1], np.nan)}


def _check_weight(weight, name):
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise MeasurementError(f'weight column {name!r} must be finite and not negative; '
                               f'{bad.sum()} of {len(weight)} rows are not, the first is row '
                               f'{np.flatnonzero(bad)[0]} with {weight[bad][0]}')
