# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Purity: which fraction of what the finder selects is lenses, at a stated prevalence?"""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.cells import Design, Grid
from lensfinder_audit.measure.intervals import percentile_interval
from lensfinder_audit.measure.rates import cell_rates
from lensfinder_audit.tables import require_columns, schema_meta

__all__ = ['purity_table']


def purity_table(table, *, threshold, prevalence, by=(), score='score', label='label',
                 search_size=None, **design):
    """
    Measure the purity of the selected objects in every cell.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Lenses and negatives with scores.
    threshold : float
        Objects at or above it are selected.
    prevalence : float
        Fraction of lenses among the objects searched, over all cells. There is
        no default: it is the caller's statement.
    by : str, `~lensfinder_audit.measure.binning.Axis` or sequence of them, optional
        Axes, such as the Tractor type.
    score, label : str, optional
        Columns. A label is true for lenses.
    search_size : float, optional
        Number of objects searched; adds the expected number of selected objects
        and of lenses among them.
    **design
        Weights, groups, interval: arguments of `~lensfinder_audit.measure.cells.Design`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``purity``: one row per cell.

    Raises
    ------
    MeasurementError
        If a class is missing or the prevalence not between 0 and 1.

    Notes
    -----
    Lenses are weighted to the prevalence and negatives to the rest, so purity is
    pi T / (pi T + (1 - pi) F) with the cell's share of either. The interval is
    that of draws of T and F from their Jeffreys posteriors at the effective
    numbers of lenses and negatives [1]_, which is proper for counts of zero; the
    shares of the cells are taken as known. Without a false positive the upper
    end is 1 and the interval one-sided.

    References
    ----------
    .. [1] Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.purity import purity_table
    >>> label = np.arange(10000) < 100
    >>> score = np.where(label, np.arange(10000) < 80, np.arange(10000) > 9989)
    >>> found = purity_table(QTable({'score': score * 1., 'label': label}), threshold=0.5,
    ...                      prevalence=1e-3)
    >>> print(found['estimate'].round(3))
    [0.442]
    """
    design = Design(**design)
    require_columns(table, [score, label])
    lens = np.asarray(table[label]).astype(bool)
    _check(lens, prevalence)
    grid = Grid(table, by=by)
    selected = np.asarray(table[score], dtype=float) >= threshold
    true = _Side(table, selected, lens, grid, design, prevalence)
    false = _Side(table, selected, ~lens, grid, design, 1 - prevalence)
    result = _assemble(true, false, grid, design)
    if search_size is not None:
        result['expected_selected'] = search_size * (true.passed + false.passed)
        result['expected_lenses'] = search_size * true.passed
    result.meta = schema_meta('purity', threshold=float(threshold), score=score,
                              prevalence=prevalence, search_size=search_size,
                              axes=[axis.name for axis in grid.axes],
                              **design.meta() | {'interval': 'Jeffreys draws'})
    _, _, beyond = grid.columns()
    return result[(beyond < 0) | (result['n_true'] + result['n_false'] > 0)]


class _Side:
    """Lenses or negatives: their mass in each cell and the fraction that passes."""

    def __init__(self, table, selected, rows, grid, design, share):
        columns = design.columns(table)
        weight = np.ones(len(table)) if columns['weight'] is None else columns['weight']
        cell = np.where(rows, grid.cell, -1)
        self.found = cell_rates(selected, cell=cell, n_cells=grid.n_cells, **columns)
        mass = np.bincount(cell[rows], weight[rows], grid.n_cells)
        self.mass = share * mass / mass.sum()
        self.passed = self.mass * np.nan_to_num(self.found['estimate'])

    def draws(self, n, rng):
        """Draw the mass that passes, (n, n_cells)."""
        n_eff = self.found['n_eff']
        k = np.nan_to_num(self.found['estimate']) * n_eff
        return self.mass * rng.beta(k + 0.5, n_eff - k + 0.5, (n, len(k)))


def _assemble(true, false, grid, design):
    rng = np.random.default_rng([design.seed, 0x9a17])
    above, below = (side.draws(max(design.n_resamples, 1000), rng) for side in (true, false))
    with np.errstate(invalid='ignore', divide='ignore'):
        lo, hi = percentile_interval(above / (above + below), confidence=design.confidence)
        estimate = true.passed / (true.passed + false.passed)
    n_true, n_false = true.found['n_recovered'], false.found['n_recovered']
    state = _states(true, false, grid, design.min_groups)
    names, _, _ = grid.columns()
    return QTable({**names, 'n_true': n_true, 'n_false': n_false, 'n_lenses': true.found['n'],
                   'n_negatives': false.found['n'], 'estimate': estimate,
                   'lo': np.where(n_true > 0, lo, 0.0), 'hi': np.where(n_false > 0, hi, 1.0),
                   'sides': np.where((n_true > 0) & (n_false > 0), 2, 1),
                   'supported': state == 'supported', 'state': state})


def _states(true, false, grid, min_groups):
    _, impossible, beyond = grid.columns()
    n = true.found['n'] + false.found['n']
    groups = np.minimum(true.found['n_groups'], false.found['n_groups'])
    return np.select([impossible, beyond >= 0, n == 0, groups < min_groups],
                     ['impossible', 'unsupported', 'empty', 'unsupported'], 'supported')


def _check(lens, prevalence):
    if not 0 < prevalence < 1:
        raise MeasurementError(f'a prevalence lies between 0 and 1; it is {prevalence:g}')
    if lens.all() or not lens.any():
        raise MeasurementError(f'purity needs lenses and negatives; {lens.sum()} of {len(lens)} '
                               'rows are lenses')
