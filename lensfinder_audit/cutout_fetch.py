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
from dataclasses import dataclass, replace
from pathlib import Path

from astropy.table import QTable

from lensfinder_audit._fetch_part import FetchPart, load_part, read_summary
from lensfinder_audit.cutouts import CutoutWriter
from lensfinder_audit.exceptions import InputFileError, OutputFileError
from lensfinder_audit.fetch_plan import is_finished
from lensfinder_audit.files import write_whole
from lensfinder_audit.parts import Parts

__all__ = ['FetchResult', 'fetch_cutouts']

#: File of the store that lists the objects without a cutout, where there are any.
_MISSING = 'missing.ecsv'


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


def fetch_cutouts(plan, output, source, reader, *, engine, dtype='float32', shard_size=1024,
                  progress=None):
    """
    Fetch what a plan lists into a store.

    Parameters
    ----------
    plan : `~lensfinder_audit.fetch_plan.FetchPlan`
        From `~lensfinder_audit.fetch_plan.plan_fetch`.
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
    InputFileError
        If no brick at all could be read; it says why the first could not.
    PartitionError
        If a worker died or could not write.
    """
    output = Path(output).resolve()
    if not plan.tasks and is_finished(output):
        return _result(plan, output, [], 0)
    one_shard = min(1, shard_size / max(plan.n_objects, 1))  # written before its parts are removed
    _refuse_small_disk(output, plan.n_bytes(source) * (1 + one_shard))
    folder = output.with_name(f'.{output.name}.fetch')
    with CutoutWriter(output, bands=source.bands, pixel_scale=source.pixel_scale,
                      shape=(source.size, source.size), shard_size=shard_size, append=True,
                      dtype=dtype, planes=source.planes) as writer:
        with Parts(folder, source.identity(), suffix='.npz') as parts:
            reader = replace(reader, turns=str(parts.folder / 'turns.json'))
            (parts.folder / 'turns.json').unlink(missing_ok=True)
            todo = [task for task in plan.tasks if not _is_done(task, writer, parts)]
            failed = engine.map_reduce(FetchPart(source, reader, parts), todo, _join,
                                       progress=progress) or []
            if failed and len(failed) == len(plan.tasks) and not plan.n_there:
                raise InputFileError(f'none of {len(failed)} bricks could be read; the first: '
                                     f'{failed[0]["lost"][0][1]}')
            failed = {item['number']: item for item in failed}
            found = [failed.get(task.number) or _summary(task, parts) for task in plan.tasks]
            n_added = _assemble(found, writer, parts)
    result = _result(plan, output, found, n_added)
    shutil.rmtree(folder, ignore_errors=True)
    return result


def _refuse_small_disk(output, needed):
    """Say so before the work where the disk cannot hold the cutouts."""
    folder = next(path for path in output.parents if path.is_dir())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputFileError(f'{output}: the cutouts need {needed / 1e9:.3g} GB, and the disk has '
                              f'{free / 1e9:.3g} GB left')


def _summary(task, parts):
    return parts.load(task.number, read_summary, suffix='.json')


def _is_done(task, writer, parts):
    """Tell whether a brick is there, as a part or in the store."""
    summary = _summary(task, parts)
    return summary is not None and (parts.has(task.number)
                                    or not writer.missing(summary['keys']).any())


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
    for left in output.glob(f'.{_MISSING}.*'):  # by a kill
        shutil.rmtree(left, ignore_errors=True)
    if rows:
        write_whole(missing, output / _MISSING, overwrite=True)
    else:
        (output / _MISSING).unlink(missing_ok=True)
    return FetchResult(n_added, plan.n_there, missing)


def _join(one, two):
    return one + two
