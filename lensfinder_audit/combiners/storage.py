# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Combiners as files of JSON: names, numbers and what they were fitted on.

Reading one runs no code that the file brings, as a pickle would.
"""
import json
from pathlib import Path

import numpy as np

import lensfinder_audit
from lensfinder_audit.combiners.calibration import Beta, Isotonic, Platt, Temperature
from lensfinder_audit.combiners.feature_weighted import FeatureWeighted
from lensfinder_audit.combiners.stacking import Mean, StackingNetwork
from lensfinder_audit.exceptions import (ConfigError, InputFileError, LensfinderAuditError,
                                         did_you_mean)
from lensfinder_audit.files import whole_file

__all__ = ['METHODS', 'find_method', 'save_combiner', 'load_combiner']

#: The combiners by the name of their method.
METHODS = {cls.method: cls for cls in (Mean, StackingNetwork, FeatureWeighted, Platt, Isotonic,
                                       Beta, Temperature)}

_FORMAT = 'lensfinder_audit combiner'
_VERSION = 1


def find_method(method):
    """
    Return the class of a method.

    Parameters
    ----------
    method : str
        One of `METHODS`.

    Returns
    -------
    cls : type
        The combiner.

    Raises
    ------
    ConfigError
        If there is no such method.
    """
    if method not in METHODS:
        raise ConfigError(f'there is no method {method!r} to combine scores; there are '
                          f'{list(METHODS)}.{did_you_mean(method, METHODS)}')
    return METHODS[method]


def save_combiner(combiner, path, *, overwrite=False):
    """
    Write a combiner as JSON.

    Parameters
    ----------
    combiner : `~lensfinder_audit.combiners.contract.Combiner`
        What to save.
    path : str or `~pathlib.Path`
        File to write; it appears whole or not at all.
    overwrite : bool, optional
        Whether an existing file is replaced.

    Raises
    ------
    OutputExistsError
        If the file is there and was not to be replaced.
    """
    parameters = {name: np.asarray(value).tolist() if not isinstance(value, str) else value
                  for name, value in combiner.parameters.items()}
    content = {'format': _FORMAT, 'version': _VERSION, 'method': combiner.method,
               'finders': combiner.finders, 'score_kind': combiner.score_kind,
               'conditions': combiner.conditions, 'record': combiner.record,
               'package_version': lensfinder_audit.__version__, 'parameters': parameters}
    with whole_file(path, overwrite=overwrite) as unfinished:
        Path(unfinished).write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')


def load_combiner(path):
    """
    Read a combiner.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        As `save_combiner` wrote it.

    Returns
    -------
    combiner : `~lensfinder_audit.combiners.contract.Combiner`
        It gives the same scores, to the bit.

    Raises
    ------
    InputFileError
        If it is not there, cut short, no combiner, or its numbers do not fit together.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise InputFileError(f'{path}: there is no such file') from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputFileError(f'{path}: is damaged or no combiner, which is a JSON file: '
                             f'{" ".join(str(error).split())[:200]}') from error
    if not isinstance(content, dict) or content.get('format') != _FORMAT:
        raise InputFileError(f'{path}: is no combiner; "lensfinder-audit combine --save" writes '
                             'one')
    if content.get('version') != _VERSION:
        raise InputFileError(f'{path}: has version {content.get("version")!r} of the format, this '
                             f'package reads {_VERSION}')
    return _made(content, path)


def _made(content, path):
    try:
        parameters = {name: _number(name, value)
                      for name, value in content['parameters'].items()}
        return find_method(content['method'])(
            content['finders'], score_kind=content['score_kind'],
            conditions=content['conditions'], parameters=parameters, record=content['record'])
    except (LensfinderAuditError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputFileError(f'{path}: {error}' if isinstance(error, LensfinderAuditError) else
                             f'{path}: is no whole combiner: {type(error).__name__} {error}'
                             ) from error


def _number(name, value):
    if isinstance(value, str) and name == 'inputs':
        return value
    value = np.array(value, dtype=float)
    if not np.isfinite(value).all():
        raise ValueError(f'{name} holds values that are not finite')
    return value if value.ndim else float(value)
