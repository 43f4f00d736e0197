# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Where a selection function is asked: columns of a table, keywords or the sky.

Values are brought to the unit of their axis. Magnitudes that a table holds as
fluxes are derived.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError, did_you_mean
from lensfinder_audit.measure.cells import Grid

__all__ = ['axis_values', 'cell_columns', 'derived_column', 'read_points']

#: AB magnitude of one nanomaggy.
_ZERO_POINT = 22.5

_DERIVED = {'source_mag': 'source_flux', 'lensed_mag': 'source_flux and magnification',
            'depth': 'psfdepth'}


def derived_column(table, name):
    """
    Return a column, derived from others where the table does not hold it.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Injections or lenses.
    name : str
        Column; ``source_mag_<band>`` follows from ``source_flux_<band>``,
        ``lensed_mag_<band>`` from that and ``magnification``, and ``depth_<band>``,
        the 5-sigma magnitude, from the inverse variance ``psfdepth_<band>``.

    Returns
    -------
    values : (n,) array_like or None
        `None` where the table does not hold what it follows from.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from lensfinder_audit.measure.selection_points import derived_column
    >>> derived_column(Table({'psfdepth_r': [100.0]}), 'depth_r').round(3)
    array([23.253])
    """
    if name in table.colnames:
        return table[name]
    kind, _, band = name.rpartition('_')
    if kind == 'depth' and f'psfdepth_{band}' in table.colnames:
        depth = _plain(table[f'psfdepth_{band}'])
        return _magnitude(5 / np.sqrt(np.where(depth > 0, depth, np.nan)))
    if kind not in ('source_mag', 'lensed_mag') or f'source_flux_{band}' not in table.colnames:
        return None
    flux = _plain(table[f'source_flux_{band}'])
    if kind == 'source_mag':
        return _magnitude(flux)
    if 'magnification' not in table.colnames:
        return None
    return _magnitude(flux * _plain(table['magnification']))


def axis_values(values, axis):
    """
    Bring values to the unit of an axis.

    Parameters
    ----------
    values : array_like or `~astropy.units.Quantity`
        Numbers without a unit are taken to be in that of the axis.
    axis : `~lensfinder_audit.measure.binning.Axis`
        The axis.

    Returns
    -------
    values : (n,) `~numpy.ndarray`
        Plain numbers or words.

    Raises
    ------
    MeasurementError
        If the unit cannot be converted, or words are given for numbers.
    """
    if axis.classes:
        return np.atleast_1d(np.asarray(values)).astype(str)
    unit = getattr(values, 'unit', None)
    if unit is not None and axis.unit and not _is_magnitude(unit, axis.unit):
        try:
            values = u.Quantity(values).to_value(axis.unit)
        except u.UnitsError as error:
            raise MeasurementError(f'axis {axis.name!r} is in {axis.unit}, the values given are '
                                   f'in {unit}: {error}') from None
    try:
        return np.atleast_1d(_plain(values))
    except (TypeError, ValueError):
        raise MeasurementError(f'axis {axis.name!r} holds numbers; it was given '
                               f'{np.atleast_1d(np.asarray(values)).flat[0]!r}') from None


def cell_columns(axes):
    """
    Return the columns that name the cells of some axes.

    Parameters
    ----------
    axes : sequence of `~lensfinder_audit.measure.binning.Axis`
        The axes; the last varies fastest.

    Returns
    -------
    columns : dict of str to (n_cells,) array_like
        ``<axis>_min`` and ``<axis>_max``, or the class under the name of the axis.
    """
    grid = Grid(QTable({axis.name: [] for axis in axes}), by=axes)
    return {name: values[:grid.n_inside] for name, values in grid.columns()[0].items()}


def read_points(axes, table=None, *, coords=None, conditions=None, **values):
    """
    Gather the value of every axis at every point.

    Parameters
    ----------
    axes : sequence of `~lensfinder_audit.measure.binning.Axis`
        The axes that are needed.
    table : (n,) `~astropy.table.Table`, optional
        Points; its other columns are left alone.
    coords : (n,) `~astropy.coordinates.SkyCoord`, optional
        Positions at which ``conditions`` are looked up.
    conditions : object, optional
        With a method ``at(coords)`` that returns a table, such as
        `~lensfinder_audit.condition_maps.ConditionMaps`.
    **values
        One value, or n values, by name of an axis. They take precedence over the
        table, and the table over the sky.

    Returns
    -------
    columns : list of (n,) `~numpy.ndarray`
        In the order and the unit of the axes.

    Raises
    ------
    MeasurementError
        If an axis has no value, a keyword is no axis, or the lengths differ.
    """
    names = [axis.name for axis in axes]
    for name in values:
        if name not in names:
            raise MeasurementError(f'there is no axis {name!r}; the axes are {names}.'
                                   f'{did_you_mean(name, names)}')
    sky = _sky(coords, conditions)
    found = [axis_values(_first(axis.name, values, table, sky), axis) for axis in axes]
    length = _length(names, found, table, coords)
    return [np.broadcast_to(column, length) for column in found]


def _sky(coords, conditions):
    if (coords is None) != (conditions is None):
        raise MeasurementError('positions and condition maps are given together: coords=SkyCoord, '
                               'conditions=ConditionMaps')
    return None if coords is None else conditions.at(coords)


def _first(name, values, table, sky):
    if name in values:
        return values[name]
    for place in (table, sky):
        if place is not None:
            found = derived_column(place if hasattr(place, 'colnames') else QTable(place), name)
            if found is not None:
                return found
    there = [*values, *(column for place in (table, sky) if place is not None
                        for column in place.colnames)]
    hint = f' It may be derived from {_DERIVED[name.rpartition("_")[0]]}.' if (
        name.rpartition('_')[0] in _DERIVED) else ''
    raise MeasurementError(f'the axis {name!r} has no value; there are {there}.'
                           f'{did_you_mean(name, there)}{hint}')


def _length(names, found, table, coords):
    lengths = {name: len(column) for name, column in zip(names, found, strict=True)}
    n = max([len(item) for item in (table, coords) if item is not None and np.ndim(item) != 0]
            + list(lengths.values()), default=1)
    wrong = {name: length for name, length in lengths.items() if length not in (1, n)}
    if wrong:
        raise MeasurementError(f'every axis needs one value or {n}; {wrong} have other lengths')
    return n


def _plain(values):
    values = values.filled(np.nan) if hasattr(values, 'filled') else values
    return np.asarray(getattr(values, 'value', values), dtype=float)


def _is_magnitude(unit, wanted):
    return str(unit).startswith('mag') and str(wanted).startswith('mag')


def _magnitude(flux):
    with np.errstate(divide='ignore', invalid='ignore'):
        return _ZERO_POINT - 2.5 * np.log10(flux)
