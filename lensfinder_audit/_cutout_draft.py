# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The files of a cutout store that is being written.

All that is not finished lies in the folder ``.parts`` of the store: each file of a
shard is written there and moved to its place, and then a part of the index is written
that says the shard is whole. What a kill leaves behind is overwritten or removed.
"""
import json
import os
import shutil

import numpy as np

from lensfinder_audit._cutout_layout import HEADER, INDEX, read_index, shard_name
from lensfinder_audit._cutout_shards import shards_of
from lensfinder_audit._scratch import LOCK, hold
from lensfinder_audit.exceptions import (ConfigError, InputFileError, OutputExistsError,
                                         OutputFileError)
from lensfinder_audit.files import whole_file

__all__ = ['Draft']

_PARTS = '.parts'


class Draft:
    """
    A store that is being written: its lock, its header, its shards and at last its index.

    ``header`` is as `lensfinder_audit._cutout_layout.make_header` makes it; ``scales``
    names the columns of the index with the steps of int16.
    """

    def __init__(self, path, header, scales):
        self.path, self._header, self._scales = path, header, scales
        self.planes = header.get('planes', [])
        self._stamp = (len(header['bands']), *header['shape'])
        self._parts = path / _PARTS
        self._lock = None

    def begin(self, append):
        """Lock the store and yield the index of all that is whole."""
        self._refuse(append)
        self._parts.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self._parts / LOCK, self.path)
        try:
            self._begin_header()
            found = read_index(self.path / INDEX) if (self.path / INDEX).exists() else None
            numbers = [] if found is None else found['shard'].to_numpy()
            self._first = self.number = int(np.max(numbers, initial=-1)) + 1
            return [*([] if found is None else [found]), *self._resume()]
        except BaseException:
            self.close()
            raise

    def close(self):
        """Let others write."""
        if self._lock is not None:
            self._lock.close()

    def write_shard(self, table, files):
        """
        Write the next shard: its files, then its part of the index.

        ``files`` maps kinds to functions that make the array; what is `None` is not
        there, and goes where an earlier try left it.
        """
        from pyarrow import parquet

        for kind, make in files.items():
            name = shard_name(self.number, kind)
            if make is None:
                (self.path / name).unlink(missing_ok=True)
            else:
                self._put(name, lambda temporary, make=make: np.save(temporary, make()))
        with whole_file(self._part(self.number), overwrite=True) as temporary:
            parquet.write_table(table, temporary)
        self.number += 1

    def finish(self, empty):
        """Write the index, which makes the store one; ``empty`` is that of no cutout."""
        import pyarrow as pa
        from pyarrow import parquet

        before = [self.path / INDEX] if self._first else []
        found = [read_index(path) for path in before + [
            self._part(number) for number in range(self._first, self.number)]]
        index = pa.concat_tables(found, promote_options='default') if found else empty
        self._remove_stray()
        self._put(INDEX, lambda temporary: parquet.write_table(index, temporary))
        self.close()
        shutil.rmtree(self._parts)

    def _remove_stray(self):
        """Remove shards behind the last, of an earlier try with more cutouts."""
        for kind in ('shard', 'float32', *self.planes):
            number = self.number
            while (stray := self.path / shard_name(number, kind)).exists():
                stray.unlink()
                number += 1

    def _refuse(self, append):
        if (self.path / INDEX).exists() and not append:
            raise OutputExistsError(f'{self.path} is a finished cutout store; choose another '
                                    'folder, or append=True adds to it')
        if self.path.exists() and not self.path.is_dir():
            raise OutputExistsError(f'{self.path} is a file; give the name of a folder')
        strange = self.path.is_dir() and any(self.path.iterdir()) and not (
            (self.path / HEADER).exists() or self._parts.exists())
        if strange:
            raise OutputExistsError(f'{self.path} holds no {HEADER}, so it is not a cutout store '
                                    'and is left alone; choose another folder')

    def _begin_header(self):
        header = self._header
        if not (self.path / HEADER).exists():
            text = json.dumps(header, indent=1) + '\n'
            self._put(HEADER, lambda temporary: temporary.write_text(text))
            return
        before = json.loads((self.path / HEADER).read_text())
        for name in dict.fromkeys([*header, *before]):
            if before.get(name) != header.get(name) and name != 'version':
                raise ConfigError(f'{self.path} was begun with {name} {before.get(name)!r}, not '
                                  f'{header.get(name)!r}; give the same, or choose another folder')

    def _resume(self):
        """Take over the shards of a run that was interrupted; yield their index."""
        while (part := self._part(self.number)).exists():
            try:
                found = read_index(part)
                shards_of(self.path, self._stamp, found, self._scales).check(self.number,
                                                                             self.planes)
            except InputFileError:  # a crash of the machine: it is written again
                return
            self.number += 1
            yield found

    def _part(self, number):
        return self._parts / f'shard-{number:05d}.parquet'

    def _put(self, name, write):
        """Write a file among the parts and move it to its place."""
        with whole_file(self._parts / name, overwrite=True) as temporary:
            try:
                write(temporary)
            except OSError as error:
                raise OutputFileError(f'{self.path / name}: cannot be written: '
                                      f'{error.strerror or f"{error} (is the disk full?)"}; '
                                      'what is whole is kept'
                                      ) from error
        os.replace(self._parts / name, self.path / name)
