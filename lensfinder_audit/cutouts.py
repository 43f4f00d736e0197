# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The cutout store: shards that are memory-mapped, beside an index.

A store is a folder with ``store.json`` (bands, pixel scale, shape),
``shard-00000.npy`` and so on, each ``(n, band, y, x)`` float32 in nanomaggies,
and ``index.parquet``, one row per cutout: ``object_id``, ``shard``, ``row``,
``sha256`` of its bytes, where it is from and what is missing in it. NumPy and
any reader of Parquet open it without this package.
"""
import hashlib
import json
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit._cutout_writer import (FORMAT, HEADER, INDEX, CutoutWriter, as_keys,
                                             open_shard, shard_name)
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.files import read_table, sha256

__all__ = ['CutoutStore', 'CutoutWriter']


class CutoutStore:
    """
    A finished cutout store.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Folder of the store.

    Raises
    ------
    InputFileError
        If the folder is no cutout store, or one that is not finished.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
    >>> flux = np.random.default_rng(0).normal(size=(5, 3, 11, 11)).astype('float32')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with CutoutWriter(folder, bands='grz', shape=(11, 11),
    ...                       pixel_scale=0.262 * u.arcsec, shard_size=2) as writer:
    ...         added = writer.add(['a', 'b', 'c', 'd', 'e'], flux)
    ...     store = CutoutStore(folder)
    ...     print(len(store), store.bands, np.array_equal(store.get(['e', 'a']), flux[[4, 0]]))
    5 ('g', 'r', 'z') True
    """

    def __init__(self, path):
        from pyarrow import parquet

        self.path = Path(path)
        header = _read_header(self.path)
        #: Bands in the order of the planes.
        self.bands = tuple(header['bands'])
        #: Height and width in pixels.
        self.shape = tuple(header['shape'])
        #: Angle per pixel as a `~astropy.units.Quantity`.
        self.pixel_scale = header['pixel_scale'] * u.arcsec
        try:
            found = parquet.read_table(self.path / INDEX, columns=['object_id', 'shard', 'row'])
        except (OSError, ValueError) as error:
            raise InputFileError(f'{self.path / INDEX}: cannot be read: {error}') from error
        #: Keys of the cutouts in the order of the store.
        self.keys = as_keys(found['object_id'].to_numpy())
        self._shard, self._row = (found[name].to_numpy() for name in ('shard', 'row'))
        self._n_rows = np.zeros(self._shard.max(initial=-1) + 1, int)
        np.maximum.at(self._n_rows, self._shard, self._row + 1)
        self._order = np.argsort(self.keys, kind='stable')
        self._sorted = self.keys[self._order]
        self._open, self._sums = {}, None

    def __len__(self):
        return len(self.keys)

    def __reduce__(self):
        return type(self), (self.path,)

    def __repr__(self):
        return f'{type(self).__name__}({str(self.path)!r})'

    def index(self):
        """
        Read the index with all its columns.

        Returns
        -------
        index : `~astropy.table.QTable`
            One row per cutout, in the order of the store.
        """
        return read_table(self.path / INDEX)

    def checksum(self):
        """
        Return a checksum of the whole store, by way of the checksums in its index.

        Returns
        -------
        digest : str
            64 hexadecimal digits.
        """
        both = sha256(self.path / HEADER) + sha256(self.path / INDEX)
        return hashlib.sha256(both.encode()).hexdigest()

    def missing(self, keys):
        """
        Tell which keys have no cutout.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects.

        Returns
        -------
        missing : (n,) `~numpy.ndarray` of bool
            True where there is none.
        """
        return self._find(as_keys(keys))[1]

    def locate(self, keys):
        """
        Return the positions of cutouts in the store.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects.

        Returns
        -------
        positions : (n,) `~numpy.ndarray` of int
            Rows of the index; reading in their order is fastest.

        Raises
        ------
        TableError
            If a key has no cutout; it names how many and the first.
        """
        keys = as_keys(keys)
        positions, lost = self._find(keys)
        if lost.any():
            raise TableError(f'{self.path}: {lost.sum()} of {len(keys)} objects have no cutout, '
                             f'the first is {str(keys[lost][0])!r}')
        return positions

    def get(self, keys, *, verify=False):
        """
        Read cutouts.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects, in any order.
        verify : bool, optional
            Whether each cutout is compared with its checksum.

        Returns
        -------
        flux : (n, band, y, x) `~numpy.ndarray`
            float32, nanomaggies; NaN marks a missing pixel.

        Raises
        ------
        TableError
            If a key has no cutout.
        InputFileError
            If a shard is gone or cut short, or a checksum differs.
        """
        positions = self.locate(keys)
        flux = np.empty((len(positions), len(self.bands), *self.shape), np.float32)
        for i in np.argsort(positions, kind='stable'):
            flux[i] = self._map(self._shard[positions[i]])[self._row[positions[i]]]
            if verify and self._differs(positions[i], flux[i]):
                raise InputFileError(self._damage(positions[i]))
        return flux

    def batches(self, keys, size, *, verify=False):
        """
        Read cutouts batch by batch; memory holds one batch.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects, in any order.
        size : int
            Greatest number of cutouts in a batch.
        verify : bool, optional
            Whether each cutout is compared with its checksum.

        Yields
        ------
        keys : (m,) `~numpy.ndarray` of str
            Keys of the batch.
        flux : (m, band, y, x) `~numpy.ndarray`
            float32, nanomaggies.

        Raises
        ------
        ConfigError
            If the size is not positive.
        TableError, InputFileError
            As `get` raises them; missing keys are found before the first batch.
        """
        if size < 1:
            raise ConfigError(f'a batch has at least one cutout, not {size}')
        keys = as_keys(keys)
        self.locate(keys)
        for start in range(0, len(keys), size):
            batch = keys[start:start + size]
            flux = self.get(batch, verify=verify)
            last = self._shard[self.locate(batch[-1:])[0]]
            self._open = {number: shard for number, shard in self._open.items() if number == last}
            yield batch, flux

    def bad_cutouts(self):
        """
        Compare every cutout with its checksum.

        Returns
        -------
        bad : `~astropy.table.QTable`
            ``object_id``, ``shard``, ``row`` and ``problem`` of those that differ
            or cannot be read; no rows where all is well.
        """
        bad = []
        for number in np.unique(self._shard):
            positions = np.flatnonzero(self._shard == number)
            try:
                shard = self._map(number)
                bad += [(i, 'does not match its checksum') for i in positions
                        if self._differs(i, shard[self._row[i]])]
            except InputFileError as error:
                bad += [(i, str(error)) for i in positions]
            self._open.pop(number, None)
        rows = [(self.keys[i], shard_name(self._shard[i]), int(self._row[i]), problem)
                for i, problem in bad]
        return QTable(rows=rows or None, names=['object_id', 'shard', 'row', 'problem'],
                      dtype=[str, str, int, str])

    def verify(self):
        """
        Raise if a cutout does not match its checksum.

        Raises
        ------
        InputFileError
            Naming how many differ, and key, shard and row of the first.
        """
        bad = self.bad_cutouts()
        if len(bad):
            first = bad[0]
            raise InputFileError(f'{self.path}: {len(bad)} of {len(self)} cutouts are damaged, the '
                                 f'first is {str(first["object_id"])!r} in {first["shard"]}, row '
                                 f'{first["row"]}: {first["problem"]}')

    def _find(self, keys):
        """Return positions, and which keys are not there."""
        if not len(self):
            return np.zeros(len(keys), int), np.ones(len(keys), bool)
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self) - 1)
        return self._order[at], self._sorted[at] != keys

    def _map(self, number):
        if number not in self._open:
            path, n_rows = self.path / shard_name(number), int(self._n_rows[number])
            self._open[number] = open_shard(path, n_rows, (len(self.bands), *self.shape))
        return self._open[number]

    def _differs(self, position, stamp):
        if self._sums is None:
            from pyarrow import parquet
            self._sums = parquet.read_table(self.path / INDEX, columns=['sha256'])['sha256']
        return hashlib.sha256(stamp).hexdigest() != self._sums[int(position)].as_py()

    def _damage(self, position):
        return (f'{self.path}: the cutout of {str(self.keys[position])!r}, '
                f'{shard_name(self._shard[position])} row {self._row[position]}, does not match '
                'its checksum; make the store anew')


def _read_header(path):
    try:
        header = json.loads((path / HEADER).read_text())
    except (OSError, ValueError) as error:
        raise InputFileError(f'{path}: is no cutout store; it has no readable {HEADER}') from error
    if not isinstance(header, dict) or header.get('format') != FORMAT:
        raise InputFileError(f'{path / HEADER}: is not that of a cutout store')
    if header['version'] != 1:
        raise InputFileError(f'{path}: is a cutout store of version {header["version"]}; this '
                             'package reads version 1')
    if not (path / INDEX).exists():
        raise InputFileError(f'{path}: is an unfinished cutout store; run what writes it again, '
                             'and it goes on where it stopped')
    return header
