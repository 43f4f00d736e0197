# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""False-positive rates: what fools the finder, and how often?"""
import numpy as np

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.cells import Design, Grid, fraction_table
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.tables import require_columns, schema_meta

__all__ = ['false_positive_table']


def false_positive_table(table, *, threshold, by=(), score='score', label='label', sample=(),
                         grid=None, resampler=None, **design):
    """
    Measure the fraction of negatives at or above a threshold.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Objects with scores; lenses may be among them and are left out.
    threshold : float
        Objects at or above it are false positives.
    by : str, `~lensfinder_audit.measure.binning.Axis` or sequence of them, optional
        Axes, such as the confuser family or a condition.
    score, label : str, optional
        Columns. A label is true for lenses.
    sample : str or sequence of str, optional
        Columns of words whose levels are never pooled.
    grid : `~lensfinder_audit.measure.cells.Grid`, optional
        Cells of the same table, to be shared between thresholds and finders; takes
        the place of ``by`` and ``sample``.
    resampler : `~lensfinder_audit.measure.resampling.Resampler`, optional
        Resamples of the table, to be shared between tables.
    **design
        Weights, groups, interval: arguments of `~lensfinder_audit.measure.cells.Design`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``false_positives``: one row per sample and cell, with the exact
        interval at the effective number of negatives (``exact_lo``,
        ``exact_hi``), the stratified bootstrap (``boot_lo``, ``boot_hi``) and
        the exact one-sided upper bound (``upper``) side by side.

    Raises
    ------
    MeasurementError
        If there is no negative, or a weight is negative.
    TableError
        If a column is missing.

    Notes
    -----
    A rate of zero has a bootstrap of [0, 0], which is no interval at all, and a
    one-sided bound; ``sides`` says which ends a row's interval has.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.false_positives import false_positive_table
    >>> clumpy = QTable({'score': np.zeros(690), 'label': np.zeros(690, bool)})
    >>> found = false_positive_table(clumpy, threshold=0.5)
    >>> print(found['n_recovered'][0], found['upper'].round(5), found['exact_hi'].round(5))
    0 [0.00433] [0.00533]
    """
    design = Design(**design)
    require_columns(table, [score, label])
    negatives = ~np.asarray(table[label]).astype(bool)
    if not negatives.any():
        raise MeasurementError(f'no negative among the {len(table)} rows: a false-positive rate '
                               f'needs rows with {label} false')
    grid = grid or Grid(table, by=by, sample=sample, rows=negatives)
    passed = np.asarray(table[score], dtype=float) >= threshold
    result = fraction_table(table, passed, grid, design, resampler=resampler)
    _add_exact(result, design.confidence)
    result.meta = schema_meta('false_positives', threshold=float(threshold), score=score,
                              axes=[axis.name for axis in grid.axes], **design.meta())
    return result


def _add_exact(result, confidence):
    exact = {'n': result['n_eff'], 'k': result['estimate'] * result['n_eff'],
             'method': 'clopper-pearson', 'confidence': confidence}
    exact['k'] = np.where(result['n_eff'] > 0, exact['k'], 0.0)
    result['exact_lo'], result['exact_hi'] = binomial_interval(**exact)
    result['upper'] = binomial_interval(**exact, sides=1)[1]
    one_sided = (result['n_recovered'] == 0) | (result['n_recovered'] == result['n'])
    result['sides'] = np.where(one_sided, 1, 2)
