# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Make a selection function from injections, real lenses or published counts."""
import hashlib

import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.binning import Axis, make_axis
from lensfinder_audit.measure.cells import Design, Grid, fraction_table
from lensfinder_audit.measure.pooling import pool_cells
from lensfinder_audit.measure.selection_check import check_splines
from lensfinder_audit.measure.selection_function import SelectionFunction
from lensfinder_audit.measure.selection_model import fit_splines
from lensfinder_audit.measure.selection_points import derived_column
from lensfinder_audit.tables import require_columns, schema_meta

__all__ = ['measure_selection', 'selection_from_counts']

#: What a result is called by the two methods.
_INTERVALS = {(True, 'binned'): 'pooled beta posterior', (False, 'binned'): 'jeffreys',
              (True, 'smooth'): 'normal log odds', (False, 'smooth'): 'normal log odds'}


def measure_selection(table, *, threshold, by, score='score', combine='any', label='label',
                      group='host', weight=None, bins=None, method='binned', pool=True,
                      min_groups=10, confidence=0.95, seed=0):
    """
    Measure the selection function of a finder, or of several together.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        One row per injection, or per real lens.
    threshold : float or dict of str to float
        Score from which one is recovered; several by the name of the score column
        measure finders together, on the same injections.
    by : sequence of str or `~lensfinder_audit.measure.binning.Axis`
        Axes, such as ``['theta_e', 'source_mag_r', 'psfsize_r']``. See
        `~lensfinder_audit.measure.selection_points.derived_column` for magnitudes.
    score : str, optional
        Column of the score, for a single threshold.
    combine : {'any', 'all'}, optional
        With several finders: recovered by one of them (union) or by each.
    label : str, optional
        Rows where it is false are left out; without the column all are lenses. So are
        rows without a score, which ``meta['n_unscored']`` counts.
    group : str or None, optional
        Column of the host; rows of a host are not independent.
    weight : str, optional
        Column of weights, such as those that match the arc signal to noise.
    bins : dict of str to sequence, optional
        Edges or classes of axes that are given by name.
    method : {'binned', 'smooth'}, optional
        `~lensfinder_audit.measure.pooling` or
        `~lensfinder_audit.measure.selection_model`.
    pool : bool, optional
        Whether cells lean on each other. Without, the estimate is the plain fraction
        and the interval that of Jeffreys.
    min_groups : int, optional
        A cell on fewer hosts is unsupported; one without an injection is empty.
    confidence : float, optional
        Of the intervals.
    seed : int, optional
        Seed by which hosts beyond 1,024 are merged.

    Returns
    -------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        For the smooth method ``meta['calibration']`` holds the check on held-out hosts.

    Raises
    ------
    MeasurementError
        If no lens is left, an axis or method does not exist, or the table holds several
        arms of a paired design.
    TableError
        If a column is missing.

    Examples
    --------
    >>> from lensfinder_audit.measure.selection_build import measure_selection
    >>> from lensfinder_audit.measure.selection_example import example_injections
    >>> measure_selection(example_injections(), threshold=0.5, by=['theta_e', 'psfsize_r'])
    <SelectionFunction of theta_e, psfsize_r: binned, 25 of 25 cells supported>
    """
    require_columns(table, [name for name in (group, weight) if name], what='the injections')
    success, scored = _recovered(table, threshold, score, combine)
    rows = scored & _lenses(table, label)
    sample = {name: np.asarray(table[name])[rows] for name in (group, weight) if name}
    axes = _axes(table, by, bins or {}, sample, rows)
    meta = {'threshold': threshold, 'score': list(threshold) if isinstance(threshold, dict)
            else score, 'combine': combine if isinstance(threshold, dict) else None,
            'n_unscored': int(np.sum(~scored)),
            'injections': _fingerprint(table), 'simulated': table.meta.get('simulated'),
            'source': {name: table.meta[name] for name in ('simulator', 'classifier', 'score_kind',
                                                           'seed', 'n_per_cell', 'schema')
                       if name in table.meta}}
    design = Design(group=group, weight=weight, min_groups=min_groups, confidence=confidence,
                    interval='jeffreys', n_resamples=0, seed=seed)
    return _measure(QTable(sample), success[rows], axes, design, method, pool, meta)


def selection_from_counts(table, *, n, recovered, by, group=None, bins=None, threshold=None,
                          **options):
    """
    Read a selection function from published counts.

    Parameters
    ----------
    table : (n_rows,) `~astropy.table.Table`
        One row per published cell.
    n, recovered : str
        Columns of the numbers of injections and of those recovered.
    by : sequence of str or `~lensfinder_audit.measure.binning.Axis`
        Axes, which may be fewer than those of the counts.
    group : str, optional
        Column that is the same wherever the injections share their hosts. Without one
        every injection counts as independent, which no published count shows: then
        intervals are the least that they can be, and ``meta['caveat']`` says so.
    bins : dict of str to sequence, optional
        As for `measure_selection`.
    threshold : float, optional
        Threshold of the counts, for ``meta``.
    **options
        ``pool``, ``min_groups``, ``confidence`` of `measure_selection`.

    Returns
    -------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        Binned.

    Raises
    ------
    MeasurementError
        If a count is negative, not whole, or above its number of injections.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from lensfinder_audit.measure.selection_build import selection_from_counts
    >>> counts = Table({'theta_e': [0.5, 1.5], 'n': [500, 500], 'k': [1, 28]})
    >>> found = selection_from_counts(counts, n='n', recovered='k', by=['theta_e'], pool=False,
    ...                               bins={'theta_e': [0, 1, 2]})
    >>> print(found.cells['estimate'].value)
    [0.002 0.056]
    """
    require_columns(table, [name for name in (n, recovered, group) if name], what='the counts')
    trials, hits = _counts(table, n, recovered)
    kept = QTable({} if group is None else {group: np.asarray(table[group])})
    axes = _axes(table, by, bins or {}, kept, np.ones(len(table), bool))
    index = np.repeat(np.arange(len(table)), trials)
    first = np.repeat(np.cumsum(trials) - trials, trials)
    success = np.arange(len(index)) - first < hits[index]
    design = Design(group=group, min_groups=options.pop('min_groups', 10), n_resamples=0,
                    confidence=options.pop('confidence', 0.95), interval='jeffreys')
    meta = {'threshold': threshold, 'score': recovered, 'source': dict(table.meta)}
    if group is None:
        meta['caveat'] = ('the counts do not say which hosts they rest on: every injection counts '
                          'as independent, and the intervals are lower bounds')
    axes = [(axis, values[index]) for axis, values in axes]
    return _measure(kept[index] if group else kept, success, axes, design, 'binned',
                    options.pop('pool', True), meta, **options)


def _measure(sample, success, axes, design, method, pool, meta):
    axes, columns = zip(*axes, strict=True)
    if not len(success):
        raise MeasurementError('no injection and no lens is left to measure a selection function')
    table = QTable({**{name: sample[name] for name in sample.colnames},
                    **{axis.name: column for axis, column in zip(axes, columns, strict=True)}})
    grid = Grid(table, by=axes)
    cells = fraction_table(table, success, grid, design)
    found, inside = cells[:grid.n_inside], np.where(grid.cell < grid.n_inside, grid.cell, -1)
    given = design.columns(table)
    pooled = pool_cells(success, inside, found, shape=tuple(axis.n_cells for axis in axes),
                        weight=given['weight'], group=given['group'], pool=pool, seed=design.seed)
    _add_posterior(found, pooled, design.confidence)
    smooth, check = _smooth(method, columns, success, given, inside, design)
    found.meta = schema_meta(
        'selection_function', axes=[axis.name for axis in axes], method=method,
        **{**design.meta(), 'interval': _INTERVALS[not np.isnan(pooled.scatter), method]},
        scatter=None if np.isnan(pooled.scatter) else pooled.scatter, calibration=check,
        typical={axis.name: _typical(column) for axis, column in zip(axes, columns, strict=True)},
        n=len(success), n_recovered=int(success.sum()), n_beyond=int(np.sum(inside < 0)), **meta)
    return SelectionFunction(axes, found, pooled.posterior, smooth=smooth, meta=found.meta)


def _add_posterior(cells, pooled, confidence):
    """Put the posterior in the place of the plain fraction, which stays as ``fraction``."""
    cells['fraction'] = cells['estimate']
    cells['target'] = np.where(cells['n'] > 0, pooled.target, np.nan)
    cells['shrinkage'] = pooled.shrinkage
    if not np.isnan(pooled.scatter):
        cells['estimate'] = pooled.posterior.mean
        lo, hi = pooled.posterior.interval(confidence)
        # the mean of a distribution that clings to 0 or 1 may lie outside
        cells['lo'], cells['hi'] = np.fmin(lo, cells['estimate']), np.fmax(hi, cells['estimate'])


def _smooth(method, columns, success, given, inside, design):
    if method not in ('binned', 'smooth'):
        choices = ['binned', 'smooth']
        raise MeasurementError(f'there is no method {method!r}; there are {choices}.'
                               f'{did_you_mean(method, choices)}')
    if method == 'binned':
        return None, None
    rows = inside >= 0
    inputs = {name: None if values is None else values[rows]
              for name, values in given.items() if name != 'stratum'}
    columns = [column[rows] for column in columns]
    return (fit_splines(columns, success[rows], **inputs),
            check_splines(columns, success[rows], confidence=design.confidence, **inputs))


def _axes(table, by, bins, sample, rows):
    """Return each axis with the values of its column in the unit of the axis."""
    found = []
    for item in [by] if isinstance(by, str | Axis) else list(by):
        name = getattr(item, 'name', item)
        values = derived_column(table, name)
        if values is None:
            require_columns(table, [name], what='the injections')
        unit = str(getattr(values, 'unit', '') or '').replace('mag(AB)', 'mag')
        values = np.asarray(getattr(values, 'value', values))[rows]
        axis = item if isinstance(item, Axis) else make_axis(
            values, name, bins=bins.get(name, 'auto'), unit=unit)
        found.append((axis, values.astype(str) if axis.classes else values.astype(float)))
    unknown = set(bins) - {axis.name for axis, _ in found}
    if unknown or not found:
        raise MeasurementError('a selection function needs axes, and bins of its axes only; the '
                               f'axes are {[axis.name for axis, _ in found]}, and there are bins '
                               f'of {sorted(unknown)}')
    return found


def _typical(values):
    """Return the median, or the most frequent class."""
    if values.dtype.kind != 'U':
        return float(np.nanmedian(values))
    words, counts = np.unique(values, return_counts=True)
    return str(words[counts.argmax()])


def _lenses(table, label):
    arms = np.unique(np.asarray(table['arm']).astype(str)) if 'arm' in table.colnames else ()
    if len(arms) > 1:
        raise MeasurementError(f'the injections are of the arms {arms.tolist()}, which share hosts '
                               "and systems; choose the rows of one: table[table['arm'] == "
                               f'{str(arms[0])!r}]')
    if label in table.colnames:
        return np.asarray(table[label]).astype(bool)
    return np.ones(len(table), bool)


def _recovered(table, threshold, score, combine):
    """Return which rows are recovered, and which have a score at all."""
    if combine not in ('any', 'all'):
        raise MeasurementError(f"combine is 'any' or 'all'; it is {combine!r}")
    limits = threshold if isinstance(threshold, dict) else {score: threshold}
    require_columns(table, limits, what='the injections')
    scores = {name: np.asarray(table[name], dtype=float) for name in limits}
    found = [scores[name] >= value for name, value in limits.items()]
    scored = ~np.any([np.isnan(values) for values in scores.values()], axis=0)
    return np.any(found, axis=0) if combine == 'any' else np.all(found, axis=0), scored


def _counts(table, n, recovered):
    trials, hits = (np.asarray(table[name], dtype=float) for name in (n, recovered))
    bad = ~((trials >= 0) & (hits >= 0) & (hits <= trials) & (trials % 1 == 0) & (hits % 1 == 0))
    if bad.any():
        row = np.flatnonzero(bad)[0]
        raise MeasurementError(f'counts must be whole and {recovered!r} at most {n!r}; {bad.sum()} '
                               f'rows are not so, the first is row {row} with {hits[row]:g} of '
                               f'{trials[row]:g}')
    return trials.astype(int), hits.astype(int)


def _fingerprint(table):
    """Checksum of which injections these are; it does not depend on who scored them."""
    names = [name for name in ('object_id', 'host', 'seed') if name in table.colnames]
    if not names:
        return None
    found = hashlib.sha256()
    for name in names:
        found.update(np.ascontiguousarray(np.asarray(table[name]).astype(str)).tobytes())
    return found.hexdigest()
