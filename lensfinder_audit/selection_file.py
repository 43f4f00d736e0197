# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A selection function as one file.

The file is a NumPy archive without pickled objects: arrays at full precision, and
one text that holds axes, provenance and the version of the format.
"""
import json
import zipfile
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import InputFileError
from lensfinder_audit.files import whole_file
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.cell_posterior import CellPosterior
from lensfinder_audit.measure.selection_function import SelectionFunction
from lensfinder_audit.measure.selection_marginal import MarginalModel
from lensfinder_audit.measure.selection_model import SplineModel

__all__ = ['save_selection', 'load_selection', 'FORMAT_VERSION']

#: Raised when a file written before can no longer be read as it was meant.
FORMAT_VERSION = 1

_FORMAT = 'lensfinder_audit selection function'


def save_selection(selection, path, *, overwrite=False):
    """
    Save a selection function.

    Parameters
    ----------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        The selection function.
    path : str or `~pathlib.Path`
        Ends in ``.npz``; appears complete or not at all.
    overwrite : bool, optional
        Whether a file that is there may be replaced.

    Raises
    ------
    InputFileError
        If the name does not end in ``.npz``.
    OutputExistsError
        If the file is there and ``overwrite`` is not given.
    """
    if not str(path).lower().endswith('.npz'):
        raise InputFileError(f'{path}: a selection function is saved as .npz')
    head = {'format': _FORMAT, 'version': FORMAT_VERSION, 'meta': selection.meta,
            'axes': [{'name': axis.name, 'edges': list(axis.edges), 'unit': axis.unit,
                      'classes': list(axis.classes), 'possible': list(axis.possible)}
                     for axis in selection.axes],
            'units': {name: str(selection.cells[name].unit) for name in selection.cells.colnames
                      if getattr(selection.cells[name], 'unit', None) is not None},
            'columns': selection.cells.colnames}
    arrays = {f'cells.{name}': np.asarray(getattr(column, 'value', column))
              for name, column in selection.cells.items()}
    posterior = selection.posterior
    arrays |= {f'posterior.{name}': getattr(posterior, name)
               for name in ('a', 'b', 'shared', 'own')}
    if selection.smooth is not None:
        model = selection.smooth
        if isinstance(model, MarginalModel):
            head['kept'] = list(model.kept)
            arrays['smooth.weight'] = model.weight
            arrays |= {f'smooth.points.{number}': points
                       for number, points in enumerate(model.points)}
            model = model.model
        head['classes'] = [list(classes) for classes in model.classes]
        arrays |= {f'smooth.knots.{number}': knots for number, knots in enumerate(model.knots)}
        arrays |= {'smooth.coefficients': model.coefficients, 'smooth.root': model.root}
    arrays['head'] = np.array(json.dumps(head, default=_plain))
    with whole_file(path, overwrite=overwrite) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def load_selection(path):
    """
    Load a selection function; it gives the same answers as the one that was saved.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        As `save_selection` leaves it.

    Returns
    -------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        The selection function.

    Raises
    ------
    InputFileError
        If there is no such file, it is cut short, it is something else, or its
        format is of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise InputFileError(f'{path}: there is no such file')
    try:
        with open(path, 'rb') as stream, np.load(stream, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
        head = json.loads(str(found.pop('head')))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, KeyError, EOFError, OSError,
            TypeError, AttributeError) as error:
        raise InputFileError(f'{path}: cannot be read as a selection function '
                             f'({type(error).__name__}); is it cut short or of another '
                             'format?') from error
    _check_head(path, head)
    axes = [Axis(item['name'], tuple(item['edges']), tuple(item['classes']), item['unit'],
                 tuple(item['possible'])) for item in head['axes']]
    cells = QTable({name: _with_unit(found[f'cells.{name}'], head['units'].get(name))
                    for name in head['columns']}, meta=head['meta'])
    posterior = CellPosterior(*(found[f'posterior.{name}'] for name in ('a', 'b', 'shared', 'own')))
    return SelectionFunction(axes, cells, posterior, smooth=_smooth(head, found),
                             meta=head['meta'])


def _check_head(path, head):
    if not isinstance(head, dict) or head.get('format') != _FORMAT:
        raise InputFileError(f'{path}: is not a selection function of this package')
    if head.get('version') != FORMAT_VERSION:
        maker = head.get('meta', {}).get('package_version', 'unknown')
        raise InputFileError(f'{path}: has version {head.get("version")} of the format, written by '
                             f'package version {maker}; this package reads version '
                             f'{FORMAT_VERSION}. Measure it again, or use that version')


def _smooth(head, found):
    if 'classes' not in head:
        return None
    classes = tuple(tuple(item) for item in head['classes'])
    knots = tuple(found[f'smooth.knots.{number}'] for number in range(len(classes)))
    model = SplineModel(knots, classes, found['smooth.coefficients'], found['smooth.root'])
    if 'kept' not in head:
        return model
    return MarginalModel(model, tuple(head['kept']), tuple(
        found[f'smooth.points.{number}'] for number in range(len(classes) - len(head['kept']))),
        found['smooth.weight'])


def _with_unit(values, unit):
    return u.Quantity(values, unit) if unit else values


def _plain(value):
    """Turn what a table's meta may hold into what JSON can."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)
