# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The quality of every cutout of a store: what is missing, damaged or there twice.

Cutouts are read once, some at a time; what grows with the store is the table.
"""
import hashlib
from functools import partial
from operator import add

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack
from scipy.spatial import cKDTree

from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.parts import Parts
from lensfinder_audit.sky_index import unit_vectors
from lensfinder_audit.split_check import SAME_OBJECT
from lensfinder_audit.stamps import CENTRAL_RADIUS, cutout_quality
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['FLAGS', 'MAX_MISSING', 'quality_table', 'measure_light', 'flag_counts']

#: Fraction of missing pixels above which published samples leave a cutout out; that of
#: exact zeros in one band which is worth a look.
MAX_MISSING = 0.05
#: What can be said of a cutout, in the order of the words in the column ``flags``.
FLAGS = ('damaged', 'missing band', 'constant band', 'missing pixels', 'missing at center',
         'zero pixels', 'edge of brick', 'same pixels', 'turned copy', 'same place')
_SPAN, _CHUNK = 2048, 64  # cutouts of a partition, and those in memory
_R_IN, _R_OUT = 0.65, 0.90  # of the annulus, as in raw_robust


def quality_table(store, *, engine=None, parts=None, progress=None):
    """
    Judge every cutout of a store.

    Parameters
    ----------
    store : `~lensfinder_audit.cutouts.CutoutStore`
        The store.
    engine : `~lensfinder_audit.interfaces.Engine`, optional
        Runs the partitions; one process by default.
    parts : str or `~pathlib.Path`, optional
        Folder for what a killed run has finished.
    progress : callable, optional
        Called as ``progress(done, total)`` with the number of partitions.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``cutout_quality``, in the order of the store.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
    >>> from lensfinder_audit.store_quality import quality_table
    >>> from lensfinder_audit.survey import PIXEL_SCALE
    >>> flux = np.random.default_rng(0).normal(size=(3, 3, 21, 21))
    >>> flux[1, 2], flux[2] = np.nan, flux[0, :, ::-1]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with CutoutWriter(folder, bands='grz', shape=(21, 21),
    ...                       pixel_scale=PIXEL_SCALE) as writer:
    ...         added = writer.add(['a', 'b', 'c'], flux)
    ...     table = quality_table(CutoutStore(folder))
    >>> for row in table:
    ...     print(row['object_id'], row['flags'])
    a
    b missing band, missing pixels, missing at center
    c turned copy
    """
    index = store.index()
    spans = [(number, start, min(start + _SPAN, len(store)))
             for number, start in enumerate(range(0, len(store), _SPAN))]
    identity = {'store': store.checksum(), 'files': _files_digest(store.path), 'span': _SPAN}
    with Parts(parts, identity, suffix='.parquet') as kept:
        tables = (engine or LocalEngine(workers=1)).map_reduce(
            partial(_examine_span, store=store, kept=kept), spans, add,
            progress=progress)
    table = vstack(tables, metadata_conflicts='silent') if tables else _measure(store, [])
    _add_index(table, index, store)
    _add_copies(table, np.asarray(index['sha256']).astype(str))
    _add_places(table, index)
    table['flags'], table['n_flags'] = _flags(table)
    table = check_table(table, 'cutout_quality')
    table.meta = schema_meta('cutout_quality', store=str(store.path), bands=list(store.bands),
                             checksums={'store': identity['store']})
    return table


def measure_light(flux, *, bands):
    """
    Measure the middle of stamps and their sky.

    Parameters
    ----------
    flux : (n, band, y, x) `~numpy.ndarray`
        Nanomaggies; what is not finite is missing.
    bands : sequence of str
        Bands of the planes.

    Returns
    -------
    columns : dict of str to (n,) `~astropy.units.Quantity`
        For each band ``core_<band>``, mean of the pixels within 8 of the
        center; ``annulus_<band>``, median from 0.65 to 0.90 of the half width; and
        ``noise_<band>``, 1.4826 times the median absolute deviation there. NaN where
        there is no pixel.
    """
    size = flux.shape[-2:]
    half = min(size) // 2
    core = flux[..., annulus_mask(size, r_in=0, r_out=CENTRAL_RADIUS)]
    sky = flux[..., annulus_mask(size, r_in=_R_IN * half, r_out=_R_OUT * half)]
    held = np.isfinite(core)
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = np.where(held, core, 0).sum(axis=-1, dtype=float) / held.sum(axis=-1)
    level = _medians(sky)
    noise = 1.4826 * _medians(np.abs(sky - level[..., None]))
    return {f'{name}_{band}': u.Quantity(values[:, i].astype(np.float32), u.nmgy)
            for name, values in (('core', mean), ('annulus', level), ('noise', noise))
            for i, band in enumerate(bands)}


def flag_counts(table):
    """
    Count the cutouts of each flag.

    Parameters
    ----------
    table : `~astropy.table.Table`
        As `quality_table` returns it.

    Returns
    -------
    counts : dict of str to int
        In the order of `FLAGS`, those that occur, and ``'any'``.
    """
    words = [text.split(', ') for text in np.asarray(table['flags']).tolist() if text]
    found = [word for row in words for word in row]
    return {name: found.count(name) for name in FLAGS if name in found} | {'any': len(words)}


def _medians(values):
    """Medians along the last axis, of finite values; NaN where there are none."""
    found = np.full(values.shape[:-1], np.nan)
    finite = np.isfinite(values)
    whole = finite.all(axis=-1)
    found[whole] = np.median(values[whole], axis=-1)
    for place in np.argwhere(~whole & finite.any(axis=-1)):
        place = tuple(place)
        found[place] = np.median(values[place][finite[place]])
    return found


def _files_digest(folder):
    """Tell the files of a store as they are now from those of an earlier run."""
    found = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns)
                   for path in folder.glob('*.npy'))
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _examine_span(span, store, kept):
    """Return the rows of a partition, or take them from a run that was killed."""
    number, start, stop = span
    table = kept.load(number, read_table)
    if table is None or len(table) != stop - start:
        table = _measure(store, store.keys[start:stop])
        kept.save(number, partial(write_whole, table))
    return [table]


def _measure(store, keys):
    pieces = [_measure_some(store, keys[start:start + _CHUNK])
              for start in range(0, max(len(keys), 1), _CHUNK)]
    return QTable({name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]})


def _measure_some(store, keys):
    found = {plane: store.examine(keys, plane=plane) for plane in store.planes}
    flux, problem = found['flux']
    for plane in store.planes[1:]:
        said = np.char.add(f'{plane}: ' if len(keys) else '', found[plane][1])
        problem = np.where((problem == '') & (found[plane][1] != ''), said, problem)
    bits = np.ascontiguousarray(flux).view(np.uint32).sum(axis=(2, 3), dtype=np.int64)
    values = {f'_values_{band}': bits[:, i] for i, band in enumerate(store.bands)}
    return {'object_id': keys, 'problem': problem, **cutout_quality(flux, bands=store.bands),
            **measure_light(flux, bands=store.bands), **values}


def _add_index(table, index, store):
    """Take over what the pixels do not tell."""
    if store.dtype == 'int16':  # rounding makes zeros of sky
        table['zero_fraction'] = np.asarray(index['zero_fraction'], dtype=float)
    if 'brick_edge' in index.colnames:
        table['brick_edge'] = np.asarray(index['brick_edge']).astype(bool)
    table['damaged'] = table['problem'] != ''


def _add_copies(table, sums):
    """Name the first cutout with the same pixels, in the same or another order."""
    names = [name for name in table.colnames if name.startswith('_values_')]
    values = np.stack([np.asarray(table[name]) for name in names], axis=1)
    keys = np.asarray(table['object_id']).astype(str)
    first, turned = _first(sums), _first(values)
    rows = np.arange(len(table))
    table['same_pixels_as'] = np.where(first != rows, keys[first], '')
    good = ~np.asarray(table['damaged']) & ~np.asarray(table['damaged'])[turned]
    table['turned_copy_of'] = np.where((sums[turned] != sums) & good, keys[turned], '')
    table.remove_columns(names)


def _first(values):
    """Return the first row with the same values as each."""
    if not len(values):
        return np.zeros(0, dtype=int)
    _, first, which = np.unique(values, axis=0, return_index=True, return_inverse=True)
    return first[which.reshape(-1)]


def _add_places(table, index):
    """Name a cutout about the same position, where the index has positions."""
    table['same_place_as'] = np.full(len(table), '', dtype=np.asarray(table['object_id']).dtype)
    if not {'ra', 'dec'} <= set(index.colnames):
        return
    ra, dec = (np.asarray(u.Quantity(index[name], u.deg).value) for name in ('ra', 'dec'))
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    if len(known) < 2:
        return
    tree = cKDTree(unit_vectors(ra[known], dec[known]))
    _, near = tree.query(tree.data, k=2, distance_upper_bound=SAME_OBJECT.to_value(u.rad))
    other = np.where(near[:, 0] == np.arange(len(known)), near[:, 1], near[:, 0])
    hit = other < len(known)  # the first of two that coincide may be either
    table['same_place_as'][known[hit]] = table['object_id'][known[other[hit]]]


def _flags(table):
    edge = table['brick_edge'] if 'brick_edge' in table.colnames else np.zeros(len(table), bool)
    damaged = np.asarray(table['damaged'])
    said = {'missing band': table['missing_bands'] != '',
            'constant band': table['constant_bands'] != '',
            'missing pixels': table['nan_fraction'] > MAX_MISSING,
            'missing at center': table['n_central_nan'] > 0,
            'zero pixels': table['zero_fraction'] > MAX_MISSING, 'edge of brick': edge,
            'same pixels': table['same_pixels_as'] != '',
            'turned copy': table['turned_copy_of'] != '',
            'same place': table['same_place_as'] != ''}
    columns = np.array([damaged, *(np.asarray(rows) & ~damaged for rows in said.values())])
    words = [', '.join(name for name, flag in zip(FLAGS, row, strict=True) if flag)
             for row in columns.T]
    return np.array(words, dtype=str), columns.sum(axis=0)
