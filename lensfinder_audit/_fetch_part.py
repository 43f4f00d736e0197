# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Fetch the cutouts of one brick; see `lensfinder_audit.cutout_fetch`."""
import hashlib
import json
from dataclasses import dataclass, field, replace

import numpy as np

from lensfinder_audit.exceptions import InputFileError, TableError

__all__ = ['BrickTask', 'Cut', 'FetchPart', 'load_part', 'stack_columns']


@dataclass(frozen=True, repr=False)
class BrickTask:
    """The objects of one brick: their keys, places (degrees) and columns of conditions."""

    brick: str
    keys: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    conditions: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.keys)

    def __repr__(self):
        return f'brick {self.brick} ({len(self)} objects)'

    def __getitem__(self, rows):
        """Return some of the objects."""
        return replace(self, keys=self.keys[rows], ra=self.ra[rows], dec=self.dec[rows],
                       conditions={name: values[rows] for name, values in self.conditions.items()})

    @property
    def number(self):
        """Follows from the objects alone, so that others that come or go leave it as it is."""
        digest = hashlib.sha256('\n'.join([self.brick, *self.keys.tolist()]).encode())
        for values in (self.ra, self.dec, *self.conditions.values()):
            digest.update(values.tobytes())
        return int.from_bytes(digest.digest()[:6], 'big')


@dataclass(frozen=True)
class Cut:
    """
    What was cut for a task.

    ``rows`` are those of the task that have a cutout; ``flux``, ``planes`` and
    ``columns`` follow them. ``lost`` says of the other rows why.
    """

    rows: np.ndarray
    flux: np.ndarray
    planes: dict
    columns: dict
    lost: dict


class FetchPart:
    """
    Fetch one brick and keep it as a part; sent to worker processes.

    What is returned is the summary of a brick that failed, which no part has, so that
    little is sent however many bricks there are.
    """

    def __init__(self, source, reader, parts):
        self.source, self.reader, self.parts = source, reader, parts

    def __call__(self, task):
        summary = self.parts.load(task.number, read_summary, suffix='.json')
        if summary is not None and (self.parts.has(task.number) or not summary['keys']):
            return []
        try:
            cut = self.source.cut(task, self.reader)
        except (InputFileError, TableError) as error:
            return [_summary(task, [], dict.fromkeys(range(len(task)), str(error)), failed=True)]
        keys = task.keys[cut.rows]
        if len(keys):
            self.parts.save(task.number, lambda path: _write(path, keys, cut))
        summary = _summary(task, keys.tolist(), cut.lost)
        self.parts.save(task.number, lambda path: path.write_text(json.dumps(summary)),
                        suffix='.json')
        return []


def read_summary(path):
    """Read the summary of a part."""
    return json.loads(path.read_text())


def load_part(path):
    """Return keys, flux, planes and columns of a part."""
    with np.load(path, allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    planes, columns = ({name.removeprefix(start): values for name, values in arrays.items()
                        if name.startswith(start)} for start in ('plane ', 'column '))
    return arrays['keys'], arrays['flux'], planes, columns


def stack_columns(rows):
    """Turn one dictionary per object into one array per column."""
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _write(path, keys, cut):
    np.savez(path, keys=keys, flux=cut.flux,
             **{f'plane {name}': values for name, values in cut.planes.items()},
             **{f'column {name}': values for name, values in cut.columns.items()})


def _summary(task, keys, lost, *, failed=False):
    return {'number': task.number, 'brick': task.brick, 'keys': keys, 'failed': failed,
            'lost': [[str(task.keys[row]), reason] for row, reason in sorted(lost.items())]}
