# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What an audit can look at beside its table of scores: stamps, catalogues, injections."""
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable, Table

from lensfinder_audit.config import InputFile
from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.scoretable import stack_alike

__all__ = ['described', 'open_all', 'open_injections', 'open_store', 'read_known', 'recorded']

#: File of the injections in the folder that "inject" or "demo" writes, and its images.
_INJECTIONS, _IMAGES = 'injections.parquet', 'images'


def open_all(*, store=None, known=None, injections=None, classifier=None, frozen=None):
    """
    Open everything that is named.

    Parameters
    ----------
    store, known, injections, classifier, frozen
        As for `~lensfinder_audit.audit.audit`.

    Returns
    -------
    opened : dict
        Fields of `~lensfinder_audit.findings.Case`.
    """
    table, images = open_injections(injections)
    return {'store': open_store(store), 'known': read_known(known), 'injections': table,
            'images': images, 'classifier': classifier, 'frozen': _frozen(frozen)}


def recorded(*, store=None, known=None, injections=None):
    """
    Take the checksums of what is named, so that an audit can be repeated with it.

    Parameters
    ----------
    store, known, injections
        As for `~lensfinder_audit.audit.audit`; tables have no file and are left out.

    Returns
    -------
    inputs : dict of str to list of `~lensfinder_audit.config.InputFile`
        Files by role.
    """
    place = getattr(store, 'path', store)
    known = [known] if isinstance(known, Table | str | Path) else list(known or ())
    given = {'known': known, 'store': [] if place is None else [place],
             'injections': [] if injections is None else [injections]}
    return {role: files for role, items in given.items()
            if (files := [InputFile.of(item) for item in items if not isinstance(item, Table)])}


def described(inputs, opened):
    """
    List what was opened, for the summary of an audit.

    Parameters
    ----------
    inputs : dict of str to list of `~lensfinder_audit.config.InputFile`
        As `recorded` returns it.
    opened : dict
        As `open_all` returns it.

    Returns
    -------
    files : list of dict
        ``path``, ``sha256``, ``rows`` and ``role``.
    """
    known = opened['known']

    def rows(role, item):
        if role == 'known':
            return int((np.asarray(known['catalog']) == item.path.name).sum())
        return len(opened[role])

    return [{'path': str(item.path), 'sha256': item.sha256, 'rows': rows(role, item), 'role': role}
            for role, found in inputs.items() for item in found]


def open_store(store):
    """
    Open a cutout store, where one is named.

    Parameters
    ----------
    store : `~lensfinder_audit.cutouts.CutoutStore`, str, `~pathlib.Path` or None
        The store or its folder.

    Returns
    -------
    store : `~lensfinder_audit.cutouts.CutoutStore` or None
        Open.
    """
    if isinstance(store, str | Path):
        from lensfinder_audit.cutouts import CutoutStore
        return CutoutStore(store)
    return store


def read_known(known):
    """
    Read catalogues of known lenses, and keep their places.

    Parameters
    ----------
    known : `~astropy.table.Table`, str, `~pathlib.Path`, a sequence of them, or None
        Catalogues with positions.

    Returns
    -------
    places : `~astropy.table.QTable` or None
        ``ra``, ``dec`` and ``catalog``, the file that each is from.
    """
    items = [known] if isinstance(known, Table | str | Path) else list(known or ())
    parts = []
    for number, item in enumerate(items):
        table = item if isinstance(item, Table) else read_table(item)
        name = f'catalogue {number + 1}' if isinstance(item, Table) else Path(item).name
        place = sky_positions(table, what=name)
        parts.append(QTable({'ra': place.ra.deg * u.deg, 'dec': place.dec.deg * u.deg,
                             'catalog': np.full(len(table), name)}))
    return stack_alike(parts) if parts else None


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
    """
    if injections is None or isinstance(injections, Table):
        return _scored(injections), None
    path = Path(injections)
    images = path / _IMAGES if path.is_dir() else None
    table = read_table(path / _INJECTIONS if path.is_dir() else path)
    return _scored(table), open_store(images) if images and images.is_dir() else None


def _frozen(item):
    from lensfinder_audit.frozen import read_frozen

    return read_frozen(item) if isinstance(item, str | Path) else item


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
