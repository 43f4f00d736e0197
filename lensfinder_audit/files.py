# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Files: read any table, write outputs whole or not at all.

A file or a folder is first written under a temporary name beside its place and
then renamed, so that a full disk, Ctrl-C or a kill never leaves half of it.
"""
import errno
import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from lensfinder_audit._scratch import LOCK, clear_abandoned, hold
from lensfinder_audit.exceptions import InputFileError, OutputExistsError, OutputFileError

__all__ = ['TABLE_SUFFIXES', 'read_table', 'write_whole', 'whole_file', 'whole_folder',
           'refuse_folder', 'sha256']

#: Suffixes of the tables that `read_table` reads.
TABLE_SUFFIXES = ('.csv', '.csv.gz', '.tsv', '.tsv.gz', '.ecsv', '.fits', '.fits.gz', '.fit',
                  '.vot', '.xml', '.votable', '.parquet')

# What ends a write for want of room or of a working disk.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def read_table(path):
    """
    Read a table from CSV, TSV, ECSV, FITS, VOTable or Parquet.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The suffix tells the format.

    Returns
    -------
    table : `~astropy.table.QTable`
        Missing numbers are NaN and missing strings empty.

    Raises
    ------
    InputFileError
        If the file is not there, cut short or not what its suffix says.
    """
    from lensfinder_audit._readers import READERS, NotATable, plain

    path = Path(path)
    suffix = _suffix(path)
    if path.is_dir():
        raise InputFileError(f'{path}: is a folder, not a table')
    if suffix not in READERS:
        raise InputFileError(f'{path}: the suffix {suffix!r} is not one of a table; those are '
                             f'{", ".join(TABLE_SUFFIXES)}')
    if not path.exists():
        raise InputFileError(f'{path}: there is no such file')
    try:
        return plain(READERS[suffix](path))
    except MemoryError:
        raise
    except NotATable as error:
        raise InputFileError(f'{path}: {error}') from error
    except Exception as error:
        if getattr(error, 'errno', None):
            raise InputFileError(f'{path}: cannot be read: {error.strerror}') from error
        raise InputFileError(f'{path}: cannot be read as {suffix[1:]}: {_one_line(error)}. Is it '
                             'cut short or of another format?') from error


def sha256(path):
    """
    Return the checksum of a file.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Any file.

    Returns
    -------
    digest : str
        64 hexadecimal digits.
    """
    with open(path, 'rb') as stream:
        return hashlib.file_digest(stream, 'sha256').hexdigest()


@contextmanager
def whole_file(path, *, overwrite=False):
    """
    Give a temporary path that becomes ``path`` when the block ends well.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Where the file is to appear.
    overwrite : bool, optional
        Whether a file that is there may be replaced.

    Yields
    ------
    temporary : `~pathlib.Path`
        To be written; it has the same suffixes.

    Raises
    ------
    OutputExistsError
        If ``path`` is there and ``overwrite`` is not given.
    OutputFileError
        If there is no room, or the folder cannot be written to.
    """
    path = _place(path)
    _refuse_existing(path, overwrite)
    if path.is_dir():
        raise OutputExistsError(f'{path} is a folder; give the name of a file')
    with _beside(path) as folder:
        temporary = folder / path.name
        yield temporary
        _refuse_existing(path, overwrite)
        os.replace(temporary, path)


@contextmanager
def whole_folder(path, *, overwrite=False, marker=None):
    """
    Give a temporary folder that becomes ``path`` when the block ends well.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Where the folder is to appear.
    overwrite : bool, optional
        Whether a folder that is there may be replaced.
    marker : str, optional
        Name of a file that a folder must hold to be replaced, so that a
        mistyped path does not cost a user other work.

    Yields
    ------
    temporary : `~pathlib.Path`
        To be filled.

    Raises
    ------
    OutputExistsError
        If ``path`` is there and may not be replaced.
    OutputFileError
        If there is no room, or the folder cannot be written to.
    """
    path = _place(path)
    refuse_folder(path, overwrite, marker)
    clear_abandoned(path)
    with _beside(path) as folder, hold(folder / LOCK, path):
        temporary = folder / 'new'
        temporary.mkdir()
        yield temporary
        refuse_folder(path, overwrite, marker)
        _swap(temporary, path, folder / 'old')


def write_whole(table, path, *, overwrite=False):
    """
    Write a table to a file that appears complete or not at all.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.
    path : str or `~pathlib.Path`
        The suffix tells the format: ``.ecsv``, ``.csv``, ``.fits`` or ``.parquet``.
    overwrite : bool, optional
        Whether a file that is there may be replaced.

    Raises
    ------
    OutputExistsError
        If ``path`` is there and ``overwrite`` is not given.
    OutputFileError
        If there is no room, or the folder cannot be written to.
    InputFileError
        If the suffix is not one of these.
    """
    formats = {'.ecsv': 'ascii.ecsv', '.csv': 'ascii.csv', '.fits': 'fits', '.parquet': 'parquet'}
    suffix = _suffix(Path(path))
    if suffix not in formats:
        raise InputFileError(f'{path}: a table is written as one of {", ".join(formats)}')
    with whole_file(path, overwrite=overwrite) as temporary:
        try:
            _writable(table, suffix).write(temporary, format=formats[suffix])
        except OSError as error:
            raise _unwritten(path, error) from error


def _suffix(path):
    from lensfinder_audit._readers import READERS

    name = path.name.lower()
    double = ''.join(Path(name).suffixes[-2:])
    return double if double in READERS else Path(name).suffix


def _place(path):
    """Follow symbolic links, so that what they point to is replaced and not they."""
    return Path(os.path.realpath(path))


def _refuse_existing(path, overwrite):
    if path.exists() and not overwrite:
        raise OutputExistsError(f'{path} is there already; choose another name or give --overwrite '
                                '(overwrite=True)')


def refuse_folder(path, overwrite=False, marker=None):
    """
    Refuse an output folder, so that no work is done in vain.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Where the folder is to appear.
    overwrite : bool, optional
        Whether a folder that is there may be replaced.
    marker : str, optional
        Name of a file that a folder must hold to be replaced.

    Raises
    ------
    OutputExistsError
        If the folder is there and may not be replaced.
    """
    path = _place(path)
    _refuse_existing(path, overwrite)
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputExistsError(f'{path} is a file; give the name of a folder')
    if path.is_mount() or path == _place('.'):
        raise OutputExistsError(f'{path} is a mount or the working folder and cannot be replaced '
                                'as a whole; choose a folder inside it')
    if marker and any(path.iterdir()) and not (path / marker).is_file():
        raise OutputExistsError(f'{path} holds no {marker}, so it is not an output of this '
                                'command and is left alone; choose another folder')


@contextmanager
def _beside(path):
    """Give a temporary folder on the same file system; say what a full disk did."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent)
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        with holder as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise _unwritten(path, error) from error


def _unwritten(path, error):
    reason = os.strerror(error.errno) if error.errno else f'{_one_line(error)} (is the disk full?)'
    return OutputFileError(f'{path}: cannot be written: {reason}. What was there before is as it '
                           'was')


def _swap(new, path, old):
    """Put ``new`` in the place of ``path``; where that fails, put ``path`` back."""
    if path.exists():
        os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:
        if old.exists():
            os.rename(old, path)
        raise


def _writable(table, suffix):
    """Return a copy that the format can hold."""
    import numpy as np

    table = table.copy()
    for name in table.colnames:
        if getattr(table[name], 'dtype', np.dtype(float)).kind == 'O' and suffix != '.ecsv':
            table[name] = np.array([str(value) for value in table[name]], dtype=str)
    if suffix == '.fits' and table.meta:  # FITS cards hold neither long names nor nested values
        import json
        table.meta = {'LFAMETA': json.dumps(dict(table.meta), default=str)}
    return table


def _one_line(error):
    text = ' '.join(str(error).split())[:200] or type(error).__name__
    return ''.join(letter if letter.isprintable() else '?' for letter in text).rstrip('.')
