# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Over which conditions does a finder find enough: the area that a selection function covers."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.cells import Grid
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.rates import cell_rates
from lensfinder_audit.measure.resampling import Resampler, codes
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['covered_area']


def covered_area(table, selections, *, by, level, reference=None, search=None, mass=None,
                 weight=None, group=None, min_groups=10, interval='wilson', confidence=0.95,
                 n_resamples=2000, seed=0):
    """
    Measure the share of a search that lies where a finder is complete enough.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Objects with ``label`` and the columns of the axes.
    selections : dict of str to (n,) array_like of bool
        What each finder selects.
    by : sequence of str or `~lensfinder_audit.measure.binning.Axis`
        Conditions; their bins make the cells.
    level : float
        Completeness that is enough.
    reference : str, optional
        Finder that the others are compared with; none by default.
    search : `~astropy.table.Table`, optional
        Objects of the search with the columns of the axes, where they are not the rows of
        ``table``, as where lenses were injected.
    mass : array_like, optional
        Objects of the search that a row of it stands for.
    weight : (n,) array_like, optional
        Weight of each lens.
    group : (n,) array_like, optional
        Host, brick or pixel, resampled together.
    min_groups : int, optional
        A cell with fewer groups of lenses is unsupported, and covers nothing.
    interval, confidence, n_resamples, seed
        Of the cells, and of the bootstrap.

    Returns
    -------
    area : `~astropy.table.QTable`
        Schema ``covered_area``, one row per finder: the share of the search in cells that
        have support, in those of which the completeness reaches the level (``area``, with a
        bootstrap interval), and in those of which the lower end of its interval does
        (``area_sure``); the difference to the reference with its paired interval.

    Raises
    ------
    MeasurementError
        If no lens is there, or the level is no fraction.

    Notes
    -----
    Cells are as the whole sample has them in each resample. A share of cells above a level
    leans towards one half where cells are noisy: compare finders, on the same cells.
    """
    label = np.asarray(table['label'], dtype=bool)
    if not 0 < level < 1 or not label.any():
        raise MeasurementError(f'a level of {level:g} of {label.sum()} lenses cannot be covered; '
                               'give a level between 0 and 1, and lenses')
    grid = Grid(table, by=by)
    share = _shares(grid if search is None else Grid(search, by=grid.axes), mass)
    supported = _supported(grid, label, group, min_groups)
    resampler = Resampler(len(label), group=group, n_resamples=n_resamples, seed=seed)
    weight = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=float)
    sample = _Sample(grid, label, weight, share, supported, level, resampler.subset(label))
    found = {name: sample.measure(np.asarray(values, dtype=bool), interval, confidence, group)
             for name, values in selections.items()}
    base = found.get(reference)
    rows = [_row(name, item, None if name == reference else base, confidence)
            for name, item in found.items()]
    area = QTable(rows=[{**row, 'share_supported': float(share[supported].sum()),
                         'n_cells': int((share > 0).sum()),
                         'n_supported': int(supported.sum())} for row in rows])
    area.meta = schema_meta('covered_area', level=level, reference=reference,
                            axes=[axis.name for axis in grid.axes], confidence=confidence,
                            interval='bootstrap', min_groups=min_groups, seed=seed,
                            n_resamples=n_resamples, clustered=group is not None)
    return check_table(area, 'covered_area')


def _shares(grid, mass):
    """Return the share of the search in each cell."""
    mass = np.ones(len(grid.cell)) if mass is None else np.asarray(mass, dtype=float)
    inside = (grid.cell >= 0) & (grid.cell < grid.n_inside)
    return np.bincount(grid.cell[inside], mass[inside], grid.n_inside) / mass.sum()


def _supported(grid, label, group, min_groups):
    """Return whether each cell has lenses of enough groups."""
    rows = (grid.cell >= 0) & (grid.cell < grid.n_inside) & label
    unit = np.arange(len(label)) if group is None else codes(group)[0]
    pairs = np.unique(np.stack([grid.cell[rows], unit[rows]]), axis=1)
    return np.bincount(pairs[0], minlength=grid.n_inside) >= min_groups


class _Sample:
    """The lenses, their cells and the resamples that finders share."""

    def __init__(self, grid, label, weight, share, supported, level, resampler):
        self.label, self.weight, self.resampler = label, weight[label], resampler
        self.cell = np.where(grid.cell < grid.n_inside, grid.cell, -1)[label]
        self.n_cells, self.share, self.supported = grid.n_inside, share, supported
        self.level = level

    def measure(self, selected, interval, confidence, group):
        """Return the area, the sure area, and the area of each resample."""
        found = selected[self.label]
        rates = cell_rates(found, weight=self.weight, cell=self.cell, n_cells=self.n_cells,
                           group=None if group is None else np.asarray(group)[self.label],
                           interval=interval, confidence=confidence)
        draws = self.resampler.rates(found, weight=self.weight, cell=self.cell,
                                     n_cells=self.n_cells)
        return {'area': self._covered(rates['estimate']), 'sure': self._covered(rates['lo']),
                'draws': self._covered(draws)}

    def _covered(self, values):
        with np.errstate(invalid='ignore'):
            enough = (values >= self.level) & self.supported
        return enough @ self.share


def _row(name, item, base, confidence):
    lo, hi = percentile_interval(item['draws'], confidence=confidence)
    row = {'finder': name, 'area': float(item['area']), 'lo': float(lo), 'hi': float(hi),
           'area_sure': float(item['sure']), 'difference': float('nan'),
           'difference_lo': float('nan'), 'difference_hi': float('nan')}
    if base is not None:
        lo, hi = percentile_interval(item['draws'] - base['draws'], confidence=confidence)
        row |= {'difference': float(item['area'] - base['area']), 'difference_lo': float(lo),
                'difference_hi': float(hi)}
    return row
