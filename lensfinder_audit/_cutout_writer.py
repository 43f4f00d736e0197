# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""How cutouts become shards; see `lensfinder_audit.cutouts`."""
import hashlib
from pathlib import Path

import numpy as np
from astropy import units as u

from lensfinder_audit._cutout_draft import Draft
from lensfinder_audit._cutout_layout import (as_keys, check_choices, make_header, plane_arrays,
                                             sum_name)
from lensfinder_audit._cutout_packing import find_scales, pack
from lensfinder_audit._cutout_shards import scale_names, shards_of
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.stamps import cutout_quality

__all__ = ['CutoutWriter']


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
    dtype : {'float32', 'int16'}, optional
        How flux is kept. int16 takes half the disk and moves a pixel by at most 1/32 of
        the noise of its cutout and band; a cutout that would clip stays float32.
    planes : sequence of str, optional
        What is kept beside the flux, as float32: ``'invvar'``, inverse variances, and
        ``'psf'``, an image of the PSF per band.

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

    def __init__(self, path, *, bands, pixel_scale, shape, shard_size=1024, append=False,
                 dtype='float32', planes=()):
        self.path = Path(path)
        self.bands = tuple(bands)
        self.pixel_scale = u.Quantity(pixel_scale)
        self.shape = tuple(int(n) for n in shape)
        self.shard_size = int(shard_size)
        self.append = append
        self.dtype = dtype
        self.planes = tuple([planes] if isinstance(planes, str) else planes)
        check_choices(self.dtype, self.planes)
        if not self.bands or len(set(self.bands)) < len(self.bands):
            raise ConfigError(f'bands is {bands!r}; give each band once')
        if len(self.shape) != 2 or min(*self.shape, self.shard_size) < 1:
            raise ConfigError(f'shape {shape!r} and shard_size {shard_size!r} must be positive')
        if not (self.pixel_scale.unit.is_equivalent(u.arcsec) and self.pixel_scale > 0 * u.arcsec):
            raise ConfigError(f'pixel_scale is {pixel_scale!r}; give the angle per pixel')
        self._stamp = (len(self.bands), *self.shape)
        self._scales = scale_names(self.bands) if self.dtype == 'int16' else []
        self._sum_names = [sum_name(name) for name in ('flux', *self.planes)]
        self._draft = Draft(self.path, make_header(
            bands=self.bands, pixel_scale=float(self.pixel_scale.to_value(u.arcsec)),
            shape=self.shape, shard_size=self.shard_size, dtype=self.dtype, planes=self.planes),
            self._scales)

    def __enter__(self):
        self._names, self._sums, self._pieces, self._n = None, {}, [], 0
        self._buffers, self._kernel = {}, None
        for found in self._draft.begin(self.append):
            self._remember(found)
            if 'psf' in self.planes and len(found):
                self._kernel = shards_of(self.path, self._stamp, found).shape('psf')[-1]
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self._write_shard()
                self._draft.finish(self._empty())
        finally:
            self._draft.close()
            self._buffers = {}

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

    def add(self, keys, flux, *, columns=None, planes=None):
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
        planes : dict of str to array_like, optional
            The planes of the store: ``invvar`` (n, band, y, x) in nanomaggies^-2 and
            ``psf`` (n, band, k, k) with odd k, the same in each call.

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
        stacks = {'flux': flux, **plane_arrays(planes, self.planes, keys, self._stamp,
                                               self._kernel)}
        own = {}
        if self._scales:
            scales = find_scales(flux)
            stacks['flux'] = pack(flux, scales)[1]
            own = dict(zip(self._scales, scales.T, strict=True))
        own = {sum_name(name): _digests(stack) for name, stack in stacks.items()} | own
        rows = self._fresh(keys, own)
        n_added = len(rows)
        while len(rows):
            now, rows = np.split(rows, [self.shard_size - self._n])
            quality = cutout_quality(flux[now], bands=self.bands)  # rounding adds exact zeros
            self._take(now, keys, stacks, {**_rows(own, now), **quality, **_rows(columns, now)})
            if self._n == self.shard_size:
                self._write_shard()
        return n_added

    def _check(self, keys, flux, columns):
        if flux.shape != (len(keys), *self._stamp):
            raise TableError(f'{len(keys)} keys need cutouts of shape {(len(keys), *self._stamp)}, '
                             f'bands {self.bands}; these have {flux.shape}')
        if (keys == '').any():
            raise TableError(f'{(keys == "").sum()} of {len(keys)} keys are empty, the first is '
                             f'that of row {np.argmax(keys == "")}')
        own = ('object_id', 'shard', 'row', *self._sum_names, *self._scales,
               *cutout_quality(np.zeros((0, *self._stamp)), bands=self.bands))
        taken = [name for name in columns if name in own]
        if taken:
            raise TableError(f'the index has a column {taken[0]!r} of its own')
        for name, values in columns.items():
            if values.shape != keys.shape:
                raise TableError(f'column {name!r} has shape {values.shape} for {len(keys)} keys')
        if self._names not in (None, sorted(columns)):
            raise TableError(f'the columns are {sorted(columns)}, before they were {self._names}; '
                             'give the same in each call')
        self._names = sorted(columns)

    def _fresh(self, keys, own):
        """Return the rows to add; refuse a key that is there with other pixels."""
        rows, seen = [], {}
        digests = [''.join(parts) for parts in zip(*(own[name] for name in self._sum_names),
                                                   strict=True)]
        for i, (key, digest) in enumerate(zip(keys.tolist(), digests, strict=True)):
            known = self._sums.get(key) or seen.get(key)
            if known is None:
                seen[key] = digest
                rows.append(i)
            elif known != digest:
                raise TableError(f'{self.path}: {key!r} is there already, with other pixels')
        return np.array(rows, dtype=int)

    def _take(self, now, keys, stacks, columns):
        """Put rows into the shard that is being filled."""
        for name, stack in stacks.items():
            if name not in self._buffers:
                self._buffers[name] = np.empty((self.shard_size, *stack.shape[1:]), '<f4')
            self._buffers[name][self._n:self._n + len(now)] = stack[now]
        self._kernel = stacks['psf'].shape[-1] if 'psf' in stacks else None
        self._pieces.append({'object_id': keys[now], **columns})
        self._n += len(now)
        self._know(keys[now].tolist(), [columns[name] for name in self._sum_names])

    def _remember(self, found):
        self._know(found['object_id'].to_pylist(), [found[name].to_pylist()
                                                    for name in self._sum_names])

    def _know(self, keys, sums):
        self._sums.update(zip(keys, map(''.join, zip(*sums, strict=True)), strict=True))

    def _write_shard(self):
        import pyarrow as pa

        if not self._n:
            return
        columns = {name: np.concatenate([piece[name] for piece in self._pieces])
                   for name in self._pieces[0]}
        order, files = self._files(columns)
        place = {'object_id': columns.pop('object_id'),
                 'shard': np.full(self._n, self._draft.number, np.int32),
                 'row': np.argsort(order).astype(np.int32)}
        table = pa.table({name: pa.array(values) for name, values in (place | columns).items()})
        self._draft.write_shard(table, files)
        self._pieces, self._n = [], 0

    def _files(self, columns):
        """Return the order of the cutouts in the shard, and what makes each of its files."""
        n = self._n
        flux = self._buffers['flux'][:n]
        order, files = np.arange(n), {'shard': lambda: flux}
        if self._scales:
            scales = np.stack([columns[name] for name in self._scales], axis=1)
            order = np.argsort(np.isnan(scales[:, 0]), kind='stable')
            packed, kept = np.split(order, [n - np.isnan(scales[:, 0]).sum()])
            packs = (lambda: pack(flux[packed], scales[packed])[0]) if len(packed) else None
            files = {'shard': packs, 'float32': (lambda: flux[kept]) if len(kept) else None}
        planes = {name: lambda name=name: self._buffers[name][:n][order] for name in self.planes}
        return order, files | planes

    def _empty(self):
        """Return the index of a store without a cutout."""
        import pyarrow as pa

        columns = {'object_id': pa.string(), 'shard': pa.int32(), 'row': pa.int32()}
        columns |= dict.fromkeys(self._sum_names, pa.string())
        columns |= dict.fromkeys(self._scales, pa.float32())
        return pa.table({name: pa.array([], kind) for name, kind in columns.items()})


def _digests(stack):
    return np.array([hashlib.sha256(item).hexdigest() for item in stack], dtype=str)


def _rows(columns, rows):
    return {name: values[rows] for name, values in columns.items()}
