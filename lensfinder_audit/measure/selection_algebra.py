# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Selection functions averaged over conditions, and compared with each other."""
from dataclasses import replace

import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.binning import cell_codes
from lensfinder_audit.measure.cell_posterior import beta_from_moments
from lensfinder_audit.measure.selection_function import SelectionFunction
from lensfinder_audit.measure.selection_marginal import marginal_model
from lensfinder_audit.measure.selection_points import (axis_values, cell_columns,
                                                       derived_column)

__all__ = ['marginalise', 'compare_selections']


def marginalise(selection, population, over, *, weight=None, min_share=0.95):
    """
    Average a selection function over a distribution of some of its axes.

    Parameters
    ----------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        Binned or smooth. A smooth one is averaged over at most 256 points that
        stand for the population, which makes its answers that much slower.
    population : (n,) `~astropy.table.Table`
        A sample of the distribution, such as the pixels of a survey, with a column for
        each axis that is averaged over.
    over : sequence of str
        Those axes.
    weight : (n,) array_like or str, optional
        Weight of each row, or a column of it, such as ``'area'``.
    min_share : float, optional
        A cell is supported if at least this share of the distribution lies in
        supported cells; ``share_supported`` and ``share_empty`` say how much does, and
        how much lies where nothing was injected. The average is over the rest.

    Returns
    -------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        Of the other axes. ``n_groups`` is the greatest of the averaged cells, which
        the average has at least.

    Raises
    ------
    MeasurementError
        If an axis is not there, or none is left.
    """
    names = [axis.name for axis in selection.axes]
    over = [selection.axis(name).name for name in over]
    axes = [axis for axis in selection.axes if axis.name in over]
    rest = [axis for axis in selection.axes if axis not in axes]
    if not axes or not rest:
        raise MeasurementError(f'one of the axes {names} must be averaged over and one be left; '
                               f'over is {over}' + ('' if rest else '; use mean()'))
    shares, smooth = _shares(axes, population, weight), None
    sizes = [axis.n_cells for axis in selection.axes]
    index = np.unravel_index(np.arange(len(selection.cells)), sizes)
    old = cell_codes([index[names.index(axis.name)] for axis in axes],
                     [axis.n_cells for axis in axes])
    new = cell_codes([index[names.index(axis.name)] for axis in rest],
                     [axis.n_cells for axis in rest])
    weights = np.zeros((int(new.max()) + 1, len(old)))
    weights[new, np.arange(len(old))] = shares[old]
    cells, posterior = _average(selection, rest, weights, min_share)
    meta = {**selection.meta, 'axes': [axis.name for axis in rest], 'min_share': min_share,
            'typical': {axis.name: selection.meta['typical'][axis.name] for axis in rest},
            'marginalised': [*selection.meta.get('marginalised', []),
                             *(axis.name for axis in axes)]}
    cells.meta = meta
    if selection.smooth is not None:
        smooth = _smooth_average(selection, axes, population, weight)
    return SelectionFunction(rest, cells, posterior, smooth=smooth, meta=meta)


def _smooth_average(selection, axes, population, weight):
    columns = [axis_values(derived_column(population, axis.name), axis) for axis in axes]
    inside = np.all([axis.code(column) >= 0 for axis, column in zip(axes, columns, strict=True)],
                    axis=0)
    if not inside.any():
        raise MeasurementError('no row of the distribution lies within the bins of '
                               f'{[axis.name for axis in axes]}; nothing was injected there')
    kept = [place for place, axis in enumerate(selection.axes) if axis not in axes]
    return marginal_model(selection.smooth, kept, [np.asarray(column)[inside]
                                                   for column in columns],
                          _weights(population, weight)[inside])


def compare_selections(injected, real):
    """
    Compare injected and real lenses on the same axes.

    Parameters
    ----------
    injected, real : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        With the same axes and bins.

    Returns
    -------
    table : (n_cells,) `~astropy.table.QTable`
        The cells, with ``estimate``, ``lo``, ``hi``, ``n`` and ``state`` of each, called
        ``injected_...`` and ``real_...``; ``difference``, injected less real, with
        ``difference_lo`` and ``difference_hi`` [1]_; ``supported`` where both are, and
        ``differs`` where the interval of a supported difference leaves out 0.

    Raises
    ------
    MeasurementError
        If axes or bins differ.

    References
    ----------
    .. [1] Zou & Donner 2008, doi:10.1002/sim.3095
    """
    if injected.axes != real.axes:
        raise MeasurementError('to be compared, selection functions need the same axes and bins; '
                               f'they have {[_axis_words(axis) for axis in injected.axes]} and '
                               f'{[_axis_words(axis) for axis in real.axes]}')
    found = cell_columns(injected.axes)
    for word, item in (('injected', injected), ('real', real)):
        found |= {f'{word}_{name}': item.cells[name] for name in ('estimate', 'lo', 'hi', 'n',
                                                                  'n_groups', 'state')}
    p, q = (np.asarray(found[f'{word}_estimate']) for word in ('injected', 'real'))
    down = np.hypot(p - found['injected_lo'], found['real_hi'] - q)
    up = np.hypot(found['injected_hi'] - p, q - found['real_lo'])
    supported = np.asarray(injected.cells['supported'] & real.cells['supported'])
    found |= {'difference': p - q, 'difference_lo': p - q - down, 'difference_hi': p - q + up,
              'supported': supported,
              'differs': supported & ((p - q - down > 0) | (p - q + up < 0))}
    return QTable(found, meta={
        'axes': [axis.name for axis in injected.axes], 'confidence': injected.meta['confidence'],
        'interval': 'variance estimates recovered', 'injected': injected.meta, 'real': real.meta})


def _shares(axes, population, weight):
    """Return the share of a distribution in each cell, in the last place that beyond all."""
    columns = []
    for axis in axes:
        values = derived_column(population, axis.name)
        if values is None:
            raise MeasurementError(f'the distribution has no column {axis.name!r}; it has '
                                   f'{population.colnames}'
                                   f'{did_you_mean(axis.name, population.colnames)}')
        columns.append(axis.code(axis_values(values, axis)))
    sizes = [axis.n_cells for axis in axes]
    cell, n = cell_codes(columns, sizes), int(np.prod(sizes))
    total = np.bincount(np.where(cell < 0, n, cell), _weights(population, weight), n + 1)
    return total / total.sum()


def _weights(population, weight):
    weight = population[weight] if isinstance(weight, str) else weight
    return np.ones(len(population)) if weight is None else np.asarray(
        getattr(weight, 'value', weight), dtype=float)


def _average(selection, axes, weights, min_share):
    old = selection.cells
    known = np.isfinite(np.asarray(old['estimate']))
    held = weights * known
    share = (weights * np.asarray(old['supported'])).sum(axis=1)
    posterior = selection.posterior.combine(held)
    with np.errstate(invalid='ignore', divide='ignore'):
        estimate, fraction = (held @ np.nan_to_num(old[name]) / held.sum(axis=1)
                              for name in ('estimate', 'fraction'))
    posterior = replace(posterior, **dict(zip('ab', beta_from_moments(
        estimate, posterior.deviation**2), strict=True)))
    lo, hi = posterior.interval(selection.meta['confidence'])
    state = np.where(held.sum(axis=1) == 0, 'empty',
                     np.where(share >= min_share, 'supported', 'unsupported'))
    used = held > 0
    cells = QTable(cell_columns(axes))
    for name in ('n', 'n_recovered'):
        cells[name] = used @ np.asarray(old[name])
    cells['n_groups'] = (used * np.asarray(old['n_groups'])).max(axis=1)
    cells['n_eff'] = np.nan_to_num(posterior.a + posterior.b)
    cells['estimate'], cells['lo'], cells['hi'] = estimate, lo, hi
    cells['supported'], cells['state'] = state == 'supported', state
    cells['fraction'], cells['share_supported'] = fraction, share
    cells['share_empty'] = 1 - held.sum(axis=1)
    return cells, posterior


def _axis_words(axis):
    return f'{axis.name}: {", ".join(axis.labels())}'
