# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How a cutout store is written; see `lensfinder_audit.cutouts`.

All that is not finished lies in the folder ``.parts`` of the store: each shard
is written there, moved to its place, and then a part of the index is written
that says it is whole. What a kill leaves behind is overwritten or removed.
"""
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
from astropy import units as u

from lensfinder_audit._scratch import LOCK, hold
from lensfinder_audit.exceptions import (ConfigError, InputFileError, OutputExistsError,
                                         OutputFileError, TableError)
from lensfinder_audit.files import whole_file
from lensfinder_audit.stamps import cutout_quality

__all__ = ['FORMAT', 'HEADER', 'INDEX', 'CutoutWriter', 'as_keys', 'open_shard', 'shard_name']

FORMAT = 'lensfinder_audit cutout store'
HEADER = 'store.json'
INDEX = 'index.parquet'
_PARTS = '.parts'
_OWN = ('object_id', 'shard', 'row', 'sha256')


class CutoutWriter:
    """
    Write a cutout store; a context manager.

    Whole shards appear or none; the index comes last. After a kill, the same
    calls again go on at the first shard that was not written and give the same
    files, byte for byte.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Folder of the store.
    bands : sequence of str
        Bands in the order of the planes.
    pixel_scale : `~astropy.units.Quantity`
        Angle per pixel.
    shape : tuple of int
        Height and width in pixels.
    shard_size : int, optional
        Cutouts per shard; one shard is held in memory.
    append : bool, optional
        Whether a finished store may be added to.

    Raises
    ------
    OutputExistsError
        On entry, if the store is finished or the folder something else.
    ConfigError
        If a value is impossible, or another than the store was begun with.

    Examples
    --------
    ::

        with CutoutWriter('cutouts', bands='grz', shape=(101, 101),
                          pixel_scale=0.262 * u.arcsec) as writer:
            writer.add(keys, flux, columns={'source': urls})
    """

    def __init__(self, path, *, bands, pixel_scale, shape, shard_size=1024, append=False):
        self.path = Path(path)
        self.bands = tuple(bands)
        self.pixel_scale = u.Quantity(pixel_scale)
        self.shape = tuple(int(n) for n in shape)
        self.shard_size = int(shard_size)
        self.append = append
        if not self.bands or len(set(self.bands)) < len(self.bands):
            raise ConfigError(f'bands is {bands!r}; give each band once')
        if len(self.shape) != 2 or min(*self.shape, self.shard_size) < 1:
            raise ConfigError(f'shape {shape!r} and shard_size {shard_size!r} must be positive')
        if not (self.pixel_scale.unit.is_equivalent(u.arcsec) and self.pixel_scale > 0 * u.arcsec):
            raise ConfigError(f'pixel_scale is {pixel_scale!r}; give the angle per pixel')
        self._parts = self.path / _PARTS

    def __enter__(self):
        self._refuse()
        self._parts.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self._parts / LOCK, self.path)
        try:
            self._begin()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self._finish()
        finally:
            self._lock.close()
            self._buffer = None

    def missing(self, keys):
        """
        Tell which cutouts are not there yet, so that they need not be made again.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects.

        Returns
        -------
        missing : (n,) `~numpy.ndarray` of bool
            True where the store has none.
        """
        return np.array([key not in self._sums for key in as_keys(keys)], dtype=bool)

    def add(self, keys, flux, *, columns=None):
        """
        Add cutouts.

        Parameters
        ----------
        keys : (n,) array_like of str
            Key of each object. One that is there with the same pixels is skipped.
        flux : (n, band, y, x) array_like
            Flux in nanomaggies; NaN marks a missing pixel.
        columns : dict of str to (n,) array_like, optional
            Further columns of the index, such as ``source``; the same in each call.

        Returns
        -------
        n_added : int
            Cutouts that were not there.

        Raises
        ------
        TableError
            If the shapes do not fit, or a key is empty or there with other pixels.
        OutputFileError
            If there is no room.
        """
        keys = as_keys(keys)
        with np.errstate(over='ignore'):  # what float32 cannot hold is infinite, so missing
            flux = np.ascontiguousarray(flux, dtype='<f4')
        columns = {name: np.asarray(values) for name, values in (columns or {}).items()}
        self._check(keys, flux, columns)
        sums = np.array([hashlib.sha256(stamp).hexdigest() for stamp in flux], dtype=str)
        rows = self._fresh(keys, sums)
        n_added = len(rows)
        while len(rows):
            now, rows = np.split(rows, [self.shard_size - self._n])
            self._buffer[self._n:self._n + len(now)] = flux[now]
            quality = cutout_quality(flux[now], bands=self.bands)
            self._pieces.append({'object_id': keys[now], 'sha256': sums[now], **quality,
                                 **{name: values[now] for name, values in columns.items()}})
            self._n += len(now)
            self._sums.update(zip(keys[now].tolist(), sums[now].tolist(), strict=True))
            if self._n == self.shard_size:
                self._write_shard()
        return n_added

    def _check(self, keys, flux, columns):
        stamp = (len(self.bands), *self.shape)
        if flux.shape != (len(keys), *stamp):
            raise TableError(f'{len(keys)} keys need cutouts of shape {(len(keys), *stamp)}, bands '
                             f'{self.bands}; these have {flux.shape}')
        if (keys == '').any():
            raise TableError(f'{(keys == "").sum()} of {len(keys)} keys are empty, the first is '
                             f'that of row {np.argmax(keys == "")}')
        taken = [name for name in columns if name in (*_OWN, *cutout_quality(
            np.zeros((0, *stamp)), bands=self.bands))]
        if taken:
            raise TableError(f'the index has a column {taken[0]!r} of its own')
        for name, values in columns.items():
            if values.shape != keys.shape:
                raise TableError(f'column {name!r} has shape {values.shape} for {len(keys)} keys')
        if self._names not in (None, sorted(columns)):
            raise TableError(f'the columns are {sorted(columns)}, before they were {self._names}; '
                             'give the same in each call')
        self._names = sorted(columns)

    def _fresh(self, keys, sums):
        """Return the rows to add; refuse a key that is there with other pixels."""
        rows, seen = [], {}
        for i, (key, digest) in enumerate(zip(keys.tolist(), sums.tolist(), strict=True)):
            known = self._sums.get(key) or seen.get(key)
            if known is None:
                seen[key] = digest
                rows.append(i)
            elif known != digest:
                raise TableError(f'{self.path}: {key!r} is there already, with other pixels')
        return np.array(rows, dtype=int)

    def _refuse(self):
        if (self.path / INDEX).exists() and not self.append:
            raise OutputExistsError(f'{self.path} is a finished cutout store; choose another '
                                    'folder, or append=True adds to it')
        if self.path.exists() and not self.path.is_dir():
            raise OutputExistsError(f'{self.path} is a file; give the name of a folder')
        strange = self.path.is_dir() and any(self.path.iterdir()) and not (
            (self.path / HEADER).exists() or self._parts.exists())
        if strange:
            raise OutputExistsError(f'{self.path} holds no {HEADER}, so it is not a cutout store '
                                    'and is left alone; choose another folder')

    def _begin(self):
        self._begin_header()
        self._names, self._sums, self._pieces, self._n = None, {}, [], 0
        self._buffer = np.empty((self.shard_size, len(self.bands), *self.shape), '<f4')
        self._first = self._next = self._read_index()
        self._resume()

    def _begin_header(self):
        header = {'format': FORMAT, 'version': 1, 'bands': list(self.bands),
                  'pixel_scale': float(self.pixel_scale.to_value(u.arcsec)),
                  'shape': list(self.shape), 'shard_size': self.shard_size, 'dtype': 'float32',
                  'unit': 'nmgy', 'axes': ['cutout', 'band', 'y', 'x']}
        text = json.dumps(header, indent=1) + '\n'
        if not (self.path / HEADER).exists():
            self._put(HEADER, lambda temporary: temporary.write_text(text))
            return
        before = json.loads((self.path / HEADER).read_text())
        for name, value in header.items():
            if before.get(name) != value:
                raise ConfigError(f'{self.path} was begun with {name} {before.get(name)!r}, not '
                                  f'{value!r}; give the same, or choose another folder')

    def _read_index(self):
        """Remember what a finished store holds; return the number of its shards."""
        if not (self.path / INDEX).exists():
            return 0
        found = _read_part(self.path / INDEX)
        self._remember(found)
        return int(found['shard'].to_numpy().max(initial=-1)) + 1

    def _resume(self):
        """Take over the shards of a run that was interrupted."""
        stamp = (len(self.bands), *self.shape)
        while (part := self._part(self._next)).exists():
            try:
                found = _read_part(part)
                open_shard(self.path / shard_name(self._next), len(found), stamp)
            except InputFileError:  # a crash of the machine: it is written again
                break
            self._remember(found)
            self._next += 1

    def _remember(self, found):
        self._sums.update(zip(found['object_id'].to_pylist(), found['sha256'].to_pylist(),
                              strict=True))

    def _write_shard(self):
        import pyarrow as pa
        from pyarrow import parquet

        pieces, n = self._pieces, self._n
        columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        place = {'object_id': columns.pop('object_id'), 'shard': np.full(n, self._next, np.int32),
                 'row': np.arange(n, dtype=np.int32)}
        table = pa.table({name: pa.array(values) for name, values in (place | columns).items()})
        name = shard_name(self._next)
        self._put(name, lambda temporary: np.save(temporary, self._buffer[:n]))
        with whole_file(self._part(self._next), overwrite=True) as temporary:
            parquet.write_table(table, temporary)
        self._pieces, self._n, self._next = [], 0, self._next + 1

    def _finish(self):
        import pyarrow as pa
        from pyarrow import parquet

        if self._n:
            self._write_shard()
        before = [self.path / INDEX] if self._first else []
        found = [_read_part(path) for path in before + [
            self._part(number) for number in range(self._first, self._next)]]
        empty = pa.table({'object_id': pa.array([], pa.string()), 'shard': pa.array([], pa.int32()),
                          'row': pa.array([], pa.int32()), 'sha256': pa.array([], pa.string())})
        index = pa.concat_tables(found, promote_options='default') if found else empty
        self._put(INDEX, lambda temporary: parquet.write_table(index, temporary))
        self._lock.close()
        shutil.rmtree(self._parts)

    def _part(self, number):
        return self._parts / f'shard-{number:05d}.parquet'

    def _put(self, name, write):
        """Write a file among the parts and move it to its place."""
        with whole_file(self._parts / name, overwrite=True) as temporary:
            try:
                write(temporary)
            except OSError as error:
                raise OutputFileError(f'{self.path / name}: cannot be written: '
                                      f'{error.strerror or error}; what is whole is kept'
                                      ) from error
        os.replace(self._parts / name, self.path / name)


def shard_name(number):
    """Return the file name of a shard."""
    return f'shard-{number:05d}.npy'


def as_keys(keys):
    """Return keys as an array of text; whole numbers are names too."""
    return np.atleast_1d(np.asarray(keys)).astype(str)


def open_shard(path, n_rows, stamp):
    """Map a shard into memory after a look at its shape."""
    try:
        shard = np.load(path, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = 'is gone' if isinstance(error, FileNotFoundError) else 'is cut short or no .npy'
        raise InputFileError(f'{path}: {reason}') from error
    if shard.dtype != np.dtype('<f4') or shard.shape[1:] != stamp or len(shard) < n_rows:
        raise InputFileError(f'{path}: holds {shard.dtype} {shard.shape}, not float32 '
                             f'{(n_rows, *stamp)}')
    return np.asarray(shard)  # a view of the map without the cost of its class


def _read_part(path):
    from pyarrow import parquet

    try:
        return parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise InputFileError(f'{path}: cannot be read: {error}') from error
