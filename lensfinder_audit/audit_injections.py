# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Injections of an audit: whose scores they carry, and how these are read."""
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import QTable, Table

from lensfinder_audit.config import InputFile
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError, did_you_mean
from lensfinder_audit.files import read_table

__all__ = ['InjectionSet', 'open_injections', 'open_sets', 'recorded_sets', 'assign_sets']

#: File of the injections in the folder that "inject" or "demo" writes, and its images.
_INJECTIONS, _IMAGES = 'injections.parquet', 'images'


@dataclass
class InjectionSet:
    """
    Injections that one finder has scored.

    Parameters
    ----------
    finder : str
        Its name; empty where nobody has said it.
    table : `~astropy.table.QTable`
        One row per injection that has a score.
    images : `~lensfinder_audit.cutouts.CutoutStore` or None
        Images by ``object_id``, where they were kept.
    """

    finder: str
    table: QTable
    images: object = None


def open_sets(injections):
    """
    Read the injections of every finder.

    Parameters
    ----------
    injections : `~astropy.table.Table`, str, `~pathlib.Path`, dict of str to these, or None
        One table, file or folder, or one for each finder by its name; sets that are open
        stay as they are.

    Returns
    -------
    sets : list of `InjectionSet`
        In the order given.
    """
    if isinstance(injections, list):
        return injections
    return [InjectionSet(name, *open_injections(item)) for name, item in _named(injections).items()]


def recorded_sets(injections):
    """
    Take the checksums of injections that have a file.

    Parameters
    ----------
    injections
        As for `open_sets`.

    Returns
    -------
    files : list of `~lensfinder_audit.config.InputFile`
        With the names of their finders.
    """
    return [InputFile.of(item, finder=name) for name, item in _named(injections).items()
            if not isinstance(item, Table)]


def _named(injections):
    if injections is None:
        return {}
    return injections if isinstance(injections, dict) else {'': injections}


def assign_sets(sets, kinds, *, lower_is_better=False):
    """
    Say which finder each set of injections is of, and read its scores as the audit does.

    Parameters
    ----------
    sets : list of `InjectionSet`
        As `open_sets` returns them.
    kinds : dict of str to str
        Score kind of each finder of the audit.
    lower_is_better : bool, optional
        Whether low scores are the lens-like ones, of the table and of the injections,
        which the same finder has scored.

    Returns
    -------
    sets : list of `InjectionSet`
        High scores are the lens-like ones, as in the sample of the audit.

    Raises
    ------
    ConfigError
        If it is not known which of several finders has scored a set, or a name is none of
        theirs.
    TableError
        If scores are of another kind than those of the finder.
    """
    found = []
    for item in sets:
        finder = _finder_of(item, list(kinds))
        _check_kind(item.table, finder, kinds[finder])
        table = item.table.copy(copy_data=False)
        table.meta['finder'] = finder
        if lower_is_better:
            score = np.asarray(table['score'], dtype=float)
            table['score'] = 1 - score if kinds[finder] == 'probability' else -score
        found.append(InjectionSet(finder, table, item.images))
    return found


def _finder_of(item, finders):
    if item.finder in finders:
        return item.finder
    if item.finder:
        raise ConfigError(f'injections are given for {item.finder!r}, which is no finder of the '
                          f'table; finders are {finders}.{did_you_mean(item.finder, finders)}')
    if len(finders) > 1:
        raise ConfigError(f'injections carry the scores of one finder, and the table has '
                          f'{len(finders)}: {finders}; say whose they are, as in --injections '
                          f'{finders[0]}=DIR, once for each finder that has some')
    return finders[0]


def _check_kind(table, finder, kind):
    score = np.asarray(table['score'], dtype=float)
    given = table.meta.get('score_kind')
    outside = len(score) and (score.min() < 0 or score.max() > 1)
    told = given if given else 'scores outside 0 to 1' if outside else kind
    if (told == 'probability') != (kind == 'probability') or (kind == 'probability' and outside):
        raise TableError(f'the injections of {finder!r} hold {_plural(told)}, and the score table '
                         f'{_plural(kind)}, so that one threshold does not suit both; score both '
                         'with the same finder, or say with --score-kind what the table holds')


def _plural(kind):
    return {'probability': 'probabilities', 'logit': 'logits', 'rank': 'ranks'}.get(kind, kind)


def open_injections(injections):
    """
    Read a table of injections, and open their images where they were kept.

    Parameters
    ----------
    injections : `~astropy.table.Table`, str, `~pathlib.Path` or None
        The table, its file, or the folder that ``lensfinder-audit inject`` wrote.

    Returns
    -------
    table : `~astropy.table.QTable` or None
        With ``host``, ``cell`` and ``score``, one row per injection that has a score.
    images : `~lensfinder_audit.cutouts.CutoutStore` or None
        By ``object_id``.

    Raises
    ------
    InputFileError
        If there is no such folder or table.
    """
    from lensfinder_audit.cutouts import CutoutStore

    if injections is None or isinstance(injections, Table):
        return _scored(injections), None
    path = Path(injections)
    if not path.exists():
        raise InputFileError(f'{path}: there is no such file or folder; give the output of '
                             '"lensfinder-audit inject"')
    images = path / _IMAGES if path.is_dir() else None
    table = read_table(path / _INJECTIONS if path.is_dir() else path)
    return _scored(table), CutoutStore(images) if images and images.is_dir() else None


def _scored(table):
    if table is None:
        return None
    missing = {'host', 'score'} - set(table.colnames)
    if missing:
        raise TableError(f'the table of injections has no column {sorted(missing)[0]!r}; give the '
                         'output of "inject"')
    table = QTable(table, copy=False)
    if 'arm' in table.colnames:
        table = table[np.asarray(table['arm']) == 'base']
    return table[np.isfinite(np.asarray(table['score'], dtype=float))]
