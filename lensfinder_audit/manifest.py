# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The manifest: the objects of a study, with their labels, conditions and cutouts.

One row is one object. Beside the columns of the ``manifest`` schema it holds any
observing condition, such as ``psfsize_r``. It is kept as Parquet.
"""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.tables import check_table, schema_meta, write_whole

__all__ = ['read_manifest', 'write_manifest', 'cutout_keys', 'cutout_problems', 'check_cutouts']


def read_manifest(path):
    """
    Read a manifest and check it.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Parquet, or any other table that `~lensfinder_audit.files.read_table` reads.

    Returns
    -------
    manifest : `~astropy.table.QTable`
        With the units and descriptions of the ``manifest`` schema.

    Raises
    ------
    InputFileError
        If the file cannot be read.
    TableError
        If a column is missing or wrong, or a key empty or repeated.
    """
    return _checked(read_table(path), str(path))


def write_manifest(table, path, *, overwrite=False):
    """
    Check a manifest and write it, whole or not at all.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One row per object.
    path : str or `~pathlib.Path`
        Where it is to appear; ``.parquet`` keeps units and the provenance in ``meta``.
    overwrite : bool, optional
        Whether a file that is there may be replaced.

    Raises
    ------
    TableError
        If a column is missing or wrong, or a key empty or repeated.
    OutputExistsError
        If ``path`` is there and ``overwrite`` is not given.
    """
    manifest = _checked(table, 'the manifest')
    manifest.meta = {**manifest.meta, **schema_meta('manifest')}
    write_whole(manifest, path, overwrite=overwrite)


def cutout_keys(manifest):
    """
    Return the key of each object in the cutout store.

    Parameters
    ----------
    manifest : (n,) `~astropy.table.Table`
        One row per object.

    Returns
    -------
    keys : (n,) `~numpy.ndarray` of str
        Column ``cutout``; ``object_id`` where that is empty or not there.
    """
    keys = np.asarray(manifest['object_id']).astype(str)
    if 'cutout' not in manifest.colnames:
        return keys
    given = np.asarray(manifest['cutout']).astype(str)
    return np.where(given == '', keys, given)


def cutout_problems(manifest, store):
    """
    Compare a manifest with a cutout store.

    Parameters
    ----------
    manifest : `~astropy.table.Table`
        One row per object.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        The store; its pixels are not read.

    Returns
    -------
    problems : `~astropy.table.QTable`
        ``row``, ``object_id`` and ``problem`` of the objects without a cutout, of
        those whose file is gone or cut short, and of those whose ``sha256`` is not
        that of the store.
    """
    keys = cutout_keys(manifest)
    missing, words = store.missing(keys), store.unreadable(keys)
    lost = words != ''
    problems = [(i, f'the store has no cutout {str(keys[i])!r}' if missing[i] else str(words[i]))
                for i in np.flatnonzero(lost)]
    if 'sha256' in manifest.colnames:
        wanted = np.asarray(manifest['sha256']).astype(str)
        there = np.flatnonzero(~lost & (wanted != ''))
        found = np.asarray(store.index()['sha256'])[store.locate(keys[there])]
        problems += [(i, 'the store has other pixels than the manifest says (sha256)')
                     for i in there[found != wanted[there]]]
    rows = [(int(i), str(manifest['object_id'][i]), problem) for i, problem in sorted(problems)]
    return QTable(rows=rows or None, names=['row', 'object_id', 'problem'], dtype=[int, str, str])


def check_cutouts(manifest, store):
    """
    Raise if an object of a manifest has no cutout, or another one.

    Parameters
    ----------
    manifest : `~astropy.table.Table`
        One row per object.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        The store.

    Raises
    ------
    TableError
        Naming how many rows are concerned and the first.
    """
    problems = cutout_problems(manifest, store)
    if len(problems):
        first = problems[0]
        raise TableError(f'{store.path}: {len(problems)} of {len(manifest)} rows of the manifest '
                         f'do not find their cutout, the first is row {first["row"]}, '
                         f'{str(first["object_id"])!r}: {first["problem"]}')


def _checked(table, what):
    manifest = check_table(table, 'manifest')
    keys = np.char.strip(np.asarray(manifest['object_id']).astype(str))
    if (keys == '').any():
        raise TableError(f'{what}: {(keys == "").sum()} of {len(keys)} object_id are empty, the '
                         f'first is row {np.argmax(keys == "")}')
    names, counts = np.unique(keys, return_counts=True)
    if (counts > 1).any():
        raise TableError(f'{what}: {(counts > 1).sum()} object_id occur more than once, the first '
                         f'is {str(names[counts > 1][0])!r}')
    return manifest
