# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What an audit can look at beside its table of scores: stamps, catalogues, injections."""
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable, Table

from lensfinder_audit.audit_injections import open_sets, recorded_sets
from lensfinder_audit.config import InputFile
from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.files import read_table
from lensfinder_audit.scoretable import stack_alike

__all__ = ['described', 'open_all', 'open_store', 'read_known', 'recorded']


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
        Fields of `~lensfinder_audit.findings.Case`; of several sets of injections the
        first one is looked at.
    """
    sets = open_sets(injections)
    table, images = (sets[0].table, sets[0].images) if sets else (None, None)
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
    given = {'known': known, 'store': [] if place is None else [place]}
    files = {role: [InputFile.of(item) for item in items if not isinstance(item, Table)]
             for role, items in given.items()}
    files['injections'] = recorded_sets(injections)
    return {role: found for role, found in files.items() if found}


def described(inputs, opened, sets=()):
    """
    List what was opened, for the summary of an audit.

    Parameters
    ----------
    inputs : dict of str to list of `~lensfinder_audit.config.InputFile`
        As `recorded` returns it.
    opened : dict
        As `open_all` returns it.
    sets : sequence of `~lensfinder_audit.audit_injections.InjectionSet`, optional
        Injections of each finder.

    Returns
    -------
    files : list of dict
        ``path``, ``sha256``, ``rows`` and ``role``.
    """
    known = opened['known']

    def rows(role, item):
        if role == 'known':
            return int((np.asarray(known['catalog']) == item.path.name).sum())
        if role == 'injections':
            return sum(len(one.table) for one in sets if one.finder == item.finder)
        return len(opened[role])

    return [{'path': str(item.path), 'sha256': item.sha256, 'rows': rows(role, item),
             'role': f'{role} of {item.finder}' if item.finder else role}
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


def _frozen(frozen):
    """Read a frozen evaluation set, where it is named by its file."""
    if isinstance(frozen, str | Path):
        from lensfinder_audit.frozen import read_frozen
        return read_frozen(frozen)
    return frozen
