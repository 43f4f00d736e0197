# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The cutout store: shards that are memory-mapped, beside an index.

A store is a folder with ``store.json`` (bands, pixel scale, shape),
``shard-00000.npy`` and so on, each ``(n, band, y, x)`` in nanomaggies, float32 or
in steps of int16, and ``index.parquet``, one row per cutout: ``object_id``,
``shard``, ``row``, ``sha256`` of its pixels, where it is from and what is missing
in it. Inverse variances and PSF images have shards of their own. NumPy and any
reader of Parquet open it without this package.
"""
import hashlib
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit._cutout_layout import (HEADER, INDEX, as_keys, read_header, read_index,
                                             shard_name, sum_name)
from lensfinder_audit._cutout_shards import scale_names, shards_of
from lensfinder_audit._cutout_writer import CutoutWriter
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError, did_you_mean
from lensfinder_audit.files import read_table, sha256

__all__ = ['CutoutStore', 'CutoutWriter']

_CHUNK = 256  # cutouts that are compared with their checksums at a time


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
        self.path = Path(path)
        header = read_header(self.path)
        #: Bands in the order of the planes.
        self.bands = tuple(header['bands'])
        #: Height and width in pixels.
        self.shape = tuple(header['shape'])
        #: Angle per pixel as a `~astropy.units.Quantity`.
        self.pixel_scale = header['pixel_scale'] * u.arcsec
        #: How the flux is kept, ``'float32'`` or ``'int16'``.
        self.dtype = header.get('dtype', 'float32')
        #: What can be read: ``'flux'``, and ``'invvar'`` and ``'psf'`` where they are kept.
        self.planes = ('flux', *header.get('planes', ()))
        scales = scale_names(self.bands) if self.dtype == 'int16' else []
        found = read_index(self.path / INDEX, ['object_id', 'shard', 'row', *scales])
        #: Keys of the cutouts in the order of the store.
        self.keys = as_keys(found['object_id'].to_numpy())
        self._shards = shards_of(self.path, (len(self.bands), *self.shape), found, scales)
        self._order = np.argsort(self.keys, kind='stable')
        self._sorted = self.keys[self._order]
        self._sums = {}

    def __len__(self):
        return len(self.keys)

    def __reduce__(self):
        return type(self), (self.path.resolve(),)  # workers may run in another folder

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

    def unreadable(self, keys):
        """
        Tell why pixels cannot be had, by files alone: none of them is read.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects.

        Returns
        -------
        problems : (n,) `~numpy.ndarray` of str
            Empty where the file that should hold the pixels is there and of its size.
        """
        positions, lost = self._find(as_keys(keys))
        problems = np.where(lost, 'no cutout in the store', '').astype(object)
        shards = self._shards.shard[positions] if len(self) else np.zeros(len(positions), int)
        for number in np.unique(shards[~lost]):
            try:
                self._shards.check(number, self.planes[1:])
            except InputFileError as error:
                problems[~lost & (shards == number)] = str(error)
        return problems.astype(str)

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

    def get(self, keys, *, plane='flux', out=None, verify=False):
        """
        Read cutouts.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects, in any order.
        plane : str, optional
            One of ``planes``: ``'flux'``, ``'invvar'`` or ``'psf'``.
        out : (n, band, y, x) `~numpy.ndarray` of float32, optional
            Where to read to. An array that is used again saves a third of the time.
        verify : bool, optional
            Whether each cutout is compared with its checksum.

        Returns
        -------
        stack : (n, band, y, x) `~numpy.ndarray`
            float32; flux in nanomaggies, where NaN marks a missing pixel, inverse
            variance in nanomaggies^-2, or images of the PSF (n, band, k, k).

        Raises
        ------
        TableError
            If a key has no cutout, or ``out`` does not fit.
        ConfigError
            If the store does not hold such a plane.
        InputFileError
            If a shard is gone or cut short, or a checksum differs.
        """
        positions = self.locate(keys)
        stack = self._stack(len(positions), plane, out)
        for kind, number, where in self._shards.groups(positions, plane):
            self._shards.fill(kind, number, positions, where, stack)
        if verify:
            for position, stamp in zip(positions, stack, strict=True):
                if self._differs(position, stamp, plane):
                    raise InputFileError(self._damage(position, plane))
        return stack

    def examine(self, keys, *, plane='flux'):
        """
        Read cutouts, whatever is wrong with some of them.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects, in any order.
        plane : str, optional
            One of ``planes``.

        Returns
        -------
        stack : (n, band, y, x) `~numpy.ndarray`
            As `get` returns it; NaN where a cutout cannot be read.
        problems : (n,) `~numpy.ndarray` of str
            What is wrong with each, empty where nothing is.

        Raises
        ------
        TableError
            If a key has no cutout.
        """
        positions = self.locate(keys)
        stack = self._stack(len(positions), plane)
        problems = np.full(len(positions), '', dtype=object)
        for kind, number, where in self._shards.groups(positions, plane):
            try:
                self._shards.fill(kind, number, positions, where, stack)
            except InputFileError as error:
                stack[where], problems[where] = np.nan, str(error)
                continue
            problems[[i for i in where if self._differs(positions[i], stack[i], plane)]] = (
                'does not match its checksum')
        return stack, problems.astype(str)

    def batches(self, keys, size, *, plane='flux', verify=False):
        """
        Read cutouts batch by batch; memory holds one batch.

        Parameters
        ----------
        keys : (n,) array_like of str
            Keys of objects, in any order.
        size : int
            Greatest number of cutouts in a batch.
        plane : str, optional
            One of ``planes``.
        verify : bool, optional
            Whether each cutout is compared with its checksum.

        Yields
        ------
        keys : (m,) `~numpy.ndarray` of str
            Keys of the batch.
        stack : (m, band, y, x) `~numpy.ndarray`
            As `get` returns it.

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
            stack = self.get(batch, plane=plane, verify=verify)
            self._shards.forget(but=self._shards.shard[self.locate(batch[-1:])[0]])
            yield batch, stack

    def bad_cutouts(self):
        """
        Compare every cutout with its checksum.

        Returns
        -------
        bad : `~astropy.table.QTable`
            ``object_id``, ``shard``, ``row`` and ``problem`` of those that differ
            or cannot be read; no rows where all is well.
        """
        rows = [row for plane in self.planes for row in self._bad_rows(plane)]
        return QTable(rows=rows or None, names=['object_id', 'shard', 'row', 'problem'],
                      dtype=[str, str, int, str])

    def _bad_rows(self, plane):
        order = np.lexsort((self._shards.row, self._shards.shard))
        for start in range(0, len(self), _CHUNK):
            positions = order[start:start + _CHUNK]
            _, problems = self.examine(self.keys[positions], plane=plane)
            for kind, number, where in self._shards.groups(positions, plane):
                rows = self._shards.file_row(kind, positions)
                for i in where[problems[where] != '']:
                    yield (self.keys[positions[i]], shard_name(number, kind), int(rows[i]),
                           str(problems[i]))
            self._shards.forget()

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

    def _stack(self, n, plane, out=None):
        if plane not in self.planes:
            raise ConfigError(f'{self.path}: holds no plane {plane!r}; it has {self.planes}.'
                              f'{did_you_mean(plane, self.planes)}')
        wanted = (n, *self._shards.shape(plane))
        if out is None:
            return np.empty(wanted, np.float32)
        if out.shape != wanted or out.dtype != np.float32 or not out.flags.c_contiguous:
            raise TableError(f'out is {out.dtype} {out.shape}; it must be float32 {wanted}, '
                             'contiguous')
        return out

    def _differs(self, position, stamp, plane):
        if plane not in self._sums:
            name = sum_name(plane)
            self._sums[plane] = read_index(self.path / INDEX, [name])[name]
        return hashlib.sha256(stamp).hexdigest() != self._sums[plane][int(position)].as_py()

    def _damage(self, position, plane):
        what = 'cutout' if plane == 'flux' else plane
        [(kind, number, _)] = self._shards.groups(np.array([position]), plane)
        return (f'{self.path}: the {what} of {str(self.keys[position])!r}, '
                f'{shard_name(number, kind)} row {self._shards.file_row(kind, position)}, does not '
                'match its checksum; make the store anew')
