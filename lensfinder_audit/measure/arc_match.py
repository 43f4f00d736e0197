# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Weights that make injections look like real lenses in arc signal to noise and colour."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.binning import cell_codes
from lensfinder_audit.tables import require_columns

__all__ = ['match_weights']


def match_weights(injections, lenses, *, on=('annulus_snr',), n_cells=10, min_eff=100.0,
                  max_lost=0.1):
    """
    Weight injections so that they are distributed as a set of real lenses.

    Parameters
    ----------
    injections : (n,) `~astropy.table.Table`
        With the columns ``on``.
    lenses : (m,) `~astropy.table.Table`
        Real lenses with the same columns, measured in the same way.
    on : str or sequence of str, optional
        One or more columns, such as ``('annulus_snr', 'annulus_color')``.
    n_cells : int, optional
        About how many cells there are: quantiles of the lenses, equally many along
        each column.
    min_eff : float, optional
        Least effective sample size. A likelihood of N lenses needs 4 N [1]_.
    max_lost : float, optional
        Greatest share of the lenses that may lie where no injection does.

    Returns
    -------
    weights : (n,) `~numpy.ndarray`
        With mean 1; 0 for injections unlike any lens, or without a value.
    cells : `~astropy.table.QTable`
        ``<column>_min``, ``<column>_max``, ``n_lenses``, ``n_injections`` and
        ``weight`` of each cell. ``meta`` has ``n_eff`` (the square of the sum of the
        weights over the sum of their squares), ``n_lenses`` and ``n_lost``.

    Raises
    ------
    MeasurementError
        If too little is left, with the numbers.

    Notes
    -----
    Within a cell the two distributions may still differ, and what is not among the
    columns is not matched at all.

    References
    ----------
    .. [1] Farr 2019, arXiv:1904.10879

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.arc_match import match_weights
    >>> rng = np.random.default_rng(0)
    >>> made = QTable({'annulus_snr': rng.uniform(0, 40, 5000)})
    >>> real = QTable({'annulus_snr': rng.normal(20, 4, 300)})
    >>> weights, cells = match_weights(made, real)
    >>> print(f"{np.average(made['annulus_snr'], weights=weights):.0f} {cells.meta['n_eff']:.0f}")
    20 1848
    """
    on = [on] if isinstance(on, str) else list(on)
    for what, table in (('the injections', injections), ('the lenses', lenses)):
        require_columns(table, on, what=what)
    made, real = (np.stack([_plain(table[name]) for name in on]) for table in (injections, lenses))
    real = real[:, np.isfinite(real).all(axis=0)]
    if real.shape[1] < 2:
        raise MeasurementError(f'{real.shape[1]} of {len(lenses)} lenses have a value of {on}; '
                               'nothing can be matched to them')
    edges = [_edges(values, max(round(n_cells ** (1 / len(on))), 1)) for values in real]
    n_made, n_real = (_counts(values, edges) for values in (made, real))
    weight = np.divide(n_real, n_made, out=np.zeros(len(n_made)), where=n_made > 0)
    weight *= len(injections) / max((weight * n_made).sum(), 1e-300)
    code = _codes(made, edges)
    weights = np.where(code >= 0, weight[code], 0)
    lost = int(n_real[n_made == 0].sum())
    n_eff = weights.sum() ** 2 / max((weights ** 2).sum(), 1e-300)
    told = {'on': on, 'n_eff': float(n_eff), 'n_lenses': real.shape[1], 'n_lost': lost,
            'n_lenses_without_value': len(lenses) - real.shape[1],
            'n_injections': int((weights > 0).sum()), 'min_eff': float(min_eff)}
    _refuse(told, max_lost)
    return weights, _table(on, edges, n_real, n_made, weight, told)


def _refuse(told, max_lost):
    n, lost = told['n_lenses'], told['n_lost']
    if lost > max_lost * n:
        raise MeasurementError(f'{lost} of {n} lenses lie where there is no injection in '
                               f'{told["on"]}; inject there, or take other lenses')
    if not told['n_eff'] >= told['min_eff']:
        raise MeasurementError(
            f'the weights of {told["n_injections"]} injections that are like the {n} lenses in '
            f'{told["on"]} are worth {told["n_eff"]:.0f} equal ones, fewer than '
            f'{told["min_eff"]:g}; inject more systems like them')


def _edges(values, n_bins):
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)))
    return edges if len(edges) > 1 else np.array([edges[0], np.nextafter(edges[0], np.inf)])


def _codes(values, edges):
    codes = []
    for row, ends in zip(values, edges, strict=True):
        code = np.searchsorted(ends, row, side='right') - 1
        code[row == ends[-1]] = len(ends) - 2
        code[(code < 0) | (code >= len(ends) - 1) | ~np.isfinite(row)] = -1
        codes.append(code)
    return cell_codes(codes, [len(ends) - 1 for ends in edges])


def _counts(values, edges):
    code, size = _codes(values, edges), int(np.prod([len(ends) - 1 for ends in edges]))
    return np.bincount(code[code >= 0], minlength=size)


def _table(on, edges, n_real, n_made, weight, told):
    sizes = [len(ends) - 1 for ends in edges]
    index = np.unravel_index(np.arange(len(weight)), sizes)
    columns = {}
    for name, ends, number in zip(on, edges, index, strict=True):
        columns |= {f'{name}_min': ends[number], f'{name}_max': ends[number + 1]}
    return QTable({**columns, 'n_lenses': n_real, 'n_injections': n_made, 'weight': weight},
                  meta=told)


def _plain(column):
    return np.asarray(getattr(column, 'value', column), dtype=float)
