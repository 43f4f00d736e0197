# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Completeness: which fraction of known lenses does a finder recover, and where?"""
import numpy as np

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.cells import Design, Grid, fraction_table
from lensfinder_audit.tables import require_columns, schema_meta

__all__ = ['completeness_table']


def completeness_table(table, *, threshold, by=(), score='score', label='label', sample=(),
                       grid=None, resampler=None, **design):
    """
    Measure the fraction of known lenses at or above a threshold.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Objects with scores; negatives may be among them and are left out.
    threshold : float
        Objects at or above it are recovered.
    by : str, `~lensfinder_audit.measure.binning.Axis` or sequence of them, optional
        Axes; two make a surface. A bare column name gets automatic bins.
    score, label : str, optional
        Columns. A label is true for lenses; without the column all are lenses.
    sample : str or sequence of str, optional
        Columns of words, such as tier, whose levels are never pooled.
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
        Schema ``completeness``: one row per sample and cell.

    Raises
    ------
    MeasurementError
        If there is no lens, or a weight is negative.
    TableError
        If a column is missing.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.completeness import completeness_table
    >>> lenses = QTable({'score': [0.9, 0.8, 0.2, 0.7] * 25, 'nobs_z': [3, 3, 8, 8] * 25})
    >>> found = completeness_table(lenses, by='nobs_z', threshold=0.5)
    >>> found['nobs_z_min', 'n', 'estimate', 'state'].pprint()
    nobs_z_min  n  estimate   state
    ---------- --- -------- ---------
           3.0  50      1.0 supported
           8.0  50      0.5 supported
    """
    design = Design(**design)
    require_columns(table, [score])
    lenses = np.asarray(table[label]).astype(bool) if label in table.colnames else np.ones(
        len(table), bool)
    if not lenses.any():
        raise MeasurementError(f'no lens among the {len(table)} rows: completeness needs rows with '
                               f'{label} true')
    grid = grid or Grid(table, by=by, sample=sample, rows=lenses)
    recovered = np.asarray(table[score], dtype=float) >= threshold
    result = fraction_table(table, recovered, grid, design, resampler=resampler)
    result.meta = schema_meta('completeness', threshold=float(threshold), score=score,
                              axes=[axis.name for axis in grid.axes], **design.meta())
    return result
