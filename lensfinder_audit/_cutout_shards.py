# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read rows of the shards of a cutout store.

The rows of a shard of int16 are those of its ``shard`` file and, behind them, those of
its ``float32`` file, where cutouts lie that would have clipped.
"""
from itertools import pairwise

import numpy as np

from lensfinder_audit._cutout_layout import open_shard, shard_name
from lensfinder_audit._cutout_packing import coders
from lensfinder_audit.exceptions import InputFileError

__all__ = ['Shards', 'scale_names', 'shards_of']

_MOST_OPEN = 480  # each map holds a file open, and many systems allow a process 1024


def scale_names(bands):
    """Return the columns of the index with the steps of int16."""
    return [f'scale_{band}' for band in bands]


def shards_of(path, stamp, index, scales=()):
    """
    Return the shards of a store by columns of its index, a pyarrow table.

    ``scales`` names the columns with steps, in a store of int16.
    """
    steps = [index[name].to_numpy() for name in scales]
    return Shards(path, stamp, index['shard'].to_numpy(), index['row'].to_numpy(),
                  np.stack(steps, axis=1) if steps else None)


class Shards:
    """
    The shards of a store: where each cutout is, and its pixels.

    ``shard`` and ``row`` are columns of the index, ``scales`` its steps (n, band) in a
    store of int16, else `None`.
    """

    def __init__(self, path, stamp, shard, row, scales=None):
        self.path, self.stamp = path, tuple(stamp)
        self.shard, self.row, self.scales = shard, row, scales
        n_shards = shard.max(initial=-1) + 1
        self._n_rows = np.bincount(shard, minlength=n_shards)
        packed = np.zeros(len(shard), bool) if scales is None else ~np.isnan(scales[:, 0])
        self._n_packed = np.bincount(shard[packed], minlength=n_shards)
        self._decode = self._kernel = None
        self.open = {}

    def shape(self, plane='flux'):
        """Return the shape of one cutout, or of the PSF images of its bands."""
        if plane != 'psf':
            return self.stamp
        for number in np.unique(self.shard) if self._kernel is None else ():
            try:
                self._kernel = self._map('psf', number).shape[-1]
                break
            except InputFileError:
                continue
        width = self._kernel or min(len(self.shard), 1)  # where no file can be read
        return self.stamp[0], width, width

    def groups(self, positions, plane='flux'):
        """Yield the file (kind and number) and which of the positions are there, sorted."""
        kind = self._is_packed(positions) if plane == 'flux' else np.zeros(len(positions), bool)
        order = np.lexsort((self.row[positions], ~kind, self.shard[positions]))
        file = 2 * self.shard[positions[order]] + ~kind[order]
        edges = np.flatnonzero(np.diff(file, prepend=-1, append=-1))
        for start, stop in pairwise(edges):
            where = order[start:stop]
            yield self._kind(plane, kind[where[0]]), int(self.shard[positions[where[0]]]), where

    def fill(self, kind, number, positions, where, out):
        """Read the cutouts of one file into their places in a stack."""
        shard, rows = self._map(kind, number), self.file_row(kind, positions[where])
        if shard.dtype.kind == 'i':
            self._decode = self._decode or coders()[1]
            self._decode(shard, rows, self.scales[positions[where]], out, where)
        else:
            for place, row in zip(where.tolist(), rows.tolist(), strict=True):
                out[place] = shard[row]

    def file_row(self, kind, positions):
        """Return the rows of cutouts in their file."""
        rows = self.row[positions]
        return rows - self._n_packed[self.shard[positions]] if kind == 'float32' else rows

    def check(self, number, planes):
        """Open every file of a shard, to see that all are there."""
        for kind in self._kinds(number, planes):
            self._map(kind, number)
        self.forget()

    def forget(self, but=None):
        """Close the files of all shards, but those of the one given."""
        self.open = {key: shard for key, shard in self.open.items() if key[1] == but}

    def _kinds(self, number, planes):
        flux = [] if self._n_packed[number] == 0 and self.scales is not None else ['shard']
        beyond = self.scales is not None and self._n_rows[number] > self._n_packed[number]
        return [*flux, *(['float32'] if beyond else []), *planes]

    def _is_packed(self, positions):
        return (np.zeros(len(positions), bool) if self.scales is None
                else ~np.isnan(self.scales[positions, 0]))

    def _kind(self, plane, packed):
        if plane != 'flux':
            return plane
        return 'shard' if packed or self.scales is None else 'float32'

    def _map(self, kind, number):
        key = kind, int(number)
        shard = self.open.get(key)
        if shard is not None:
            return shard
        n_rows, dtype = int(self._n_rows[number]), '<f4'
        if self.scales is not None and kind in ('shard', 'float32'):
            n_packed = int(self._n_packed[number])
            n_rows = n_packed if kind == 'shard' else n_rows - n_packed
            dtype = '<i2' if kind == 'shard' else dtype
        stamp = (self.stamp[0], None, None) if kind == 'psf' else self.stamp
        shard = open_shard(self.path / shard_name(number, kind), n_rows, stamp, dtype)
        if len(self.open) >= _MOST_OPEN:
            self.open.pop(next(iter(self.open)), None)
        self.open[key] = shard
        return shard
