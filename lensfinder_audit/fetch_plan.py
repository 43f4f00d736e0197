# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What is to be fetched: objects with their keys, sorted by brick."""
from dataclasses import dataclass, field, replace

import numpy as np
from astropy.table import QTable

from lensfinder_audit._fetch_part import BrickTask
from lensfinder_audit.bricks import assign_bricks
from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.manifest import cutout_keys

__all__ = ['FetchPlan', 'plan_fetch', 'objects_in_store', 'is_finished']


@dataclass(frozen=True)
class FetchPlan:
    """
    What is to be fetched, before anything is read.

    Parameters
    ----------
    tasks : list of BrickTask
        Bricks in the order of their names.
    lost : list of tuple
        ``object_id`` and reason of objects that cannot be placed.
    n_there : int, optional
        Objects that the store has already.
    """

    tasks: list
    lost: list = field(default_factory=list)
    n_there: int = 0

    @property
    def n_objects(self):
        """Objects to be fetched."""
        return sum(len(task) for task in self.tasks)

    def n_bytes(self, source):
        """
        Return the disk that is needed while and after fetching.

        Parameters
        ----------
        source : `~lensfinder_audit.coadds.CoaddSource` or \
`~lensfinder_audit.cutout_services.ServiceSource`
            Tells bands, size and planes.

        Returns
        -------
        n_bytes : int
            As float32, without the index.
        """
        plane = 4 * len(source.bands)
        stamp = plane * source.size ** 2 * (1 + ('invvar' in source.planes))
        return self.n_objects * (stamp + plane * 43 ** 2 * ('psf' in source.planes))


def plan_fetch(objects, *, bricks=None, output=None, conditions=()):
    """
    Sort objects by brick.

    Parameters
    ----------
    objects : `~astropy.table.Table`
        ``ra`` and ``dec``, and ``object_id``, or ``release``, ``brickid`` and ``objid``,
        or ``name``; ``cutout`` where the key in the store is another; ``brickname`` and
        conditions where it has them.
    bricks : `~astropy.table.Table`, optional
        List of bricks, of which the nearest is taken.
    output : str or `~pathlib.Path`, optional
        A finished store, of which the cutouts are not fetched again.
    conditions : sequence of str, optional
        Columns of conditions that are carried along, such as ``psfsize_r``.

    Returns
    -------
    plan : `FetchPlan`
        Objects of a brick are in the order of the table.

    Raises
    ------
    TableError
        If there is no key, or a key comes twice.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from lensfinder_audit.fetch_plan import plan_fetch
    >>> objects = Table({'object_id': ['a', 'b', 'c'], 'ra': [10.0, 10.3, 10.1],
    ...                  'dec': [0.0, 0.0, 0.05]})
    >>> plan_fetch(objects).tasks
    [brick 0101p000 (2 objects), brick 0103p000 (1 objects)]
    """
    if not len(objects):
        raise TableError('the table of objects has no rows; there is nothing to fetch')
    keys = _keys(objects)
    place = sky_positions(objects, what='the table of objects')
    known = np.isfinite(place.ra.deg)
    lost = [(str(key), 'has no position') for key in keys[~known]]
    there = np.zeros(len(keys), bool)
    if output is not None and is_finished(output):
        there = ~CutoutStore(output).missing(keys)
    rows = np.flatnonzero(known & ~there)
    chosen = objects[rows]
    whole = BrickTask('', keys[rows], place.ra.deg[rows], place.dec.deg[rows],
                      _conditions(chosen, conditions))
    names, codes = np.unique(assign_bricks(chosen, bricks=bricks) if len(rows) else
                             np.array([], dtype=str), return_inverse=True)
    order = np.argsort(codes, kind='stable')
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    tasks = [replace(whole[order[bounds[i]:bounds[i + 1]]], brick=str(name))
             for i, name in enumerate(names)]
    return FetchPlan(tasks, lost, int(there.sum()))


def objects_in_store(objects, store):
    """
    Return the rows of a table that have a cutout, with its checksum.

    Parameters
    ----------
    objects : `~astropy.table.Table`
        As for `plan_fetch`.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        The finished store.

    Returns
    -------
    rows : `~astropy.table.QTable`
        With ``object_id``, ``cutout`` (the key in the store) and ``sha256``.
    """
    keys = _keys(objects)
    there = ~store.missing(keys)
    rows = QTable(objects, copy=True)[there]
    if 'object_id' not in rows.colnames:
        rows['object_id'] = keys[there]
    rows['cutout'] = keys[there]
    sums = np.asarray(store.index()['sha256']).astype(str)
    rows['sha256'] = sums[store.locate(keys[there])]
    return rows


def is_finished(path):
    """
    Tell whether a folder is a finished cutout store.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Any path.

    Returns
    -------
    finished : bool
        False also where there is nothing.
    """
    try:
        CutoutStore(path)
    except OSError:
        return False
    return True


def _keys(objects):
    """Return the key of each object in the store; each comes once."""
    names = {name.lower(): name for name in reversed(objects.colnames)}
    own = [names[name] for name in ('release', 'brickid', 'objid') if name in names]
    if 'object_id' in objects.colnames:
        keys = cutout_keys(objects)
    elif len(own) == 3:
        keys = np.array(['_'.join(str(int(part)) for part in row)
                         for row in zip(*(objects[name] for name in own), strict=True)], dtype=str)
    elif 'name' in names:
        keys = np.asarray(objects[names['name']]).astype(str)
    else:
        raise TableError('the objects have neither object_id, nor release, brickid and objid, nor '
                         f'name. Their columns are {objects.colnames}.')
    found, counts = np.unique(keys, return_counts=True)
    if (counts > 1).any() or '' in found:
        first = found[counts > 1][0] if (counts > 1).any() else ''
        raise TableError(f'each object needs a key of its own; {str(first)!r} comes '
                         f'{(keys == first).sum()} times')
    return keys


def _conditions(objects, wanted):
    names = {name.lower(): name for name in reversed(objects.colnames)}
    return {name: np.asarray(getattr(objects[names[name]], 'value', objects[names[name]]), float)
            for name in wanted if name in names}
