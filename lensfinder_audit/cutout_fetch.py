# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fetch the cutouts of a list of objects into a cutout store, brick by brick.

Each brick becomes one part, whole or not at all; then the parts are put into the
store in the order of the bricks. What was interrupted goes on at the first brick
that is not finished and gives the same bytes. What cannot be had is listed, with
the reason, and the rest is fetched.
"""
import shutil
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from astropy.table import QTable

from lensfinder_audit._fetch_part import BrickTask, FetchPart, load_part, read_summary
from lensfinder_audit.bricks import assign_bricks
from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import OutputFileError, TableError
from lensfinder_audit.files import write_whole
from lensfinder_audit.manifest import cutout_keys
from lensfinder_audit.parts import Parts

__all__ = ['FetchPlan', 'FetchResult', 'plan_fetch', 'fetch_cutouts', 'objects_in_store']

#: File of the store that lists the objects without a cutout, where there are any.
_MISSING = 'missing.ecsv'


@dataclass(frozen=True)
class FetchPlan:
    """
    What is to be fetched, before anything is read.

    Parameters
    ----------
    tasks : list of `~lensfinder_audit._fetch_part.BrickTask`
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


@dataclass(frozen=True)
class FetchResult:
    """
    What a run has done.

    Parameters
    ----------
    n_added, n_there : int
        Cutouts that came into the store, and that it had before.
    missing : `~astropy.table.QTable`
        ``object_id``, ``brick`` and ``reason`` of the objects without a cutout.
    """

    n_added: int
    n_there: int
    missing: QTable


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
    >>> from lensfinder_audit.cutout_fetch import plan_fetch
    >>> objects = Table({'object_id': ['a', 'b', 'c'], 'ra': [10.0, 10.3, 10.1],
    ...                  'dec': [0.0, 0.0, 0.05]})
    >>> plan_fetch(objects).tasks
    [brick 0101p000 (2 objects), brick 0103p000 (1 objects)]
    """
    keys = _keys(objects)
    place = sky_positions(objects, what='the table of objects')
    known = np.isfinite(place.ra.deg)
    lost = [(str(key), 'has no position') for key in keys[~known]]
    there = np.zeros(len(keys), bool)
    if output is not None and _is_finished(output):
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


def fetch_cutouts(plan, output, source, reader, *, engine, dtype='float32', shard_size=1024,
                  progress=None):
    """
    Fetch what a plan lists into a store.

    Parameters
    ----------
    plan : `FetchPlan`
        From `plan_fetch`.
    output : str or `~pathlib.Path`
        Folder of the store. One that is unfinished goes on; a finished one is added to.
    source : `~lensfinder_audit.coadds.CoaddSource` or \
`~lensfinder_audit.cutout_services.ServiceSource`
        Where the cutouts are from.
    reader : `~lensfinder_audit.remote.Reader`
        Reads files, politely.
    engine : `~lensfinder_audit.interfaces.Engine`
        Runs the bricks; all its workers see the folder of ``output``.
    dtype : {'float32', 'int16'}, optional
        How the store keeps the flux.
    shard_size : int, optional
        Cutouts per shard of the store.
    progress : callable, optional
        Called as ``progress(done, total)`` after each brick.

    Returns
    -------
    result : `FetchResult`
        The objects without a cutout are in its ``missing``, and in ``missing.ecsv`` of
        the store.

    Raises
    ------
    OutputFileError
        If there is not room enough.
    PartitionError
        If a worker died or could not write.
    """
    output = Path(output).resolve()
    if not plan.tasks and _is_finished(output):
        return _result(plan, output, [], 0)
    _refuse_small_disk(output, plan.n_bytes(source))
    folder = output.with_name(f'.{output.name}.fetch')
    with CutoutWriter(output, bands=source.bands, pixel_scale=source.pixel_scale,
                      shape=(source.size, source.size), shard_size=shard_size, append=True,
                      dtype=dtype, planes=source.planes) as writer:
        with Parts(folder, source.identity(), suffix='.npz') as parts:
            reader = replace(reader, turns=str(parts.folder / 'turns.json'))
            (parts.folder / 'turns.json').unlink(missing_ok=True)
            done, todo = _sort_out(plan.tasks, writer, parts)
            fresh = engine.map_reduce(FetchPart(source, reader, parts), todo, _join,
                                      progress=progress) or []
            found = done | {item['number']: item for item in fresh}
            found = [found[task.number] for task in plan.tasks]
            n_added = _assemble(found, writer, parts)
    result = _result(plan, output, found, n_added)
    shutil.rmtree(folder, ignore_errors=True)
    return result


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


def _is_finished(path):
    try:
        CutoutStore(path)
    except OSError:
        return False
    return True


def _refuse_small_disk(output, needed):
    """Say so before the work where the disk cannot hold the cutouts."""
    folder = next(path for path in output.parents if path.is_dir())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputFileError(f'{output}: the cutouts need {needed / 1e9:.3g} GB, and the disk has '
                              f'{free / 1e9:.3g} GB left')


def _sort_out(tasks, writer, parts):
    """Tell the bricks that are done, as parts or in the store, from those that are not."""
    done, todo = {}, []
    for task in tasks:
        summary = parts.load(task.number, read_summary, suffix='.json')
        if summary is not None and (parts.has(task.number)
                                    or not writer.missing(summary['keys']).any()):
            done[task.number] = summary
        else:
            todo.append(task)
    return done, todo


def _assemble(found, writer, parts):
    """Add the parts to the store; those of which all is in shards are not kept twice."""
    n_added, waiting = 0, deque()
    for summary in found:
        number = summary['number']
        if summary['keys'] and parts.has(number):
            keys, flux, planes, columns = load_part(parts.path(number))
            n_added += writer.add(keys, flux, columns=columns, planes=planes)
            waiting.append((n_added, number))
        while waiting and waiting[0][0] <= n_added // writer.shard_size * writer.shard_size:
            parts.path(waiting.popleft()[1]).unlink()
    return n_added


def _result(plan, output, found, n_added):
    rows = [(key, '', reason) for key, reason in plan.lost]
    rows += [(key, item['brick'], reason) for item in found for key, reason in item['lost']]
    missing = QTable(rows=rows or None, names=['object_id', 'brick', 'reason'],
                     dtype=[str, str, str])
    if rows:
        write_whole(missing, output / _MISSING, overwrite=True)
    else:
        (output / _MISSING).unlink(missing_ok=True)
    return FetchResult(n_added, plan.n_there, missing)


def _join(one, two):
    return one + two
