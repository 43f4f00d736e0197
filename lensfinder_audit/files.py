# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Files: read any table, write outputs whole or not at all.

A file or a folder is first written under a temporary name beside its place and
then renamed, so that a full disk, Ctrl-C or a kill never leaves half of it.
"""
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from lensfinder_audit.exceptions import InputFileError, OutputExistsError

__all__ = ['TABLE_SUFFIXES', 'read_table', 'write_whole', 'whole_file', 'whole_folder', 'sha256']

#: Suffixes of the tables that `read_table` reads.
TABLE_SUFFIXES = ('.csv', '.tsv', '.ecsv', '.fits', '.fits.gz', '.fit', '.vot', '.xml', '.votable',
                  '.parquet')


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
    path = Path(path)
    reader = _READERS.get(_suffix(path))
    if reader is None:
        raise InputFileError(f'{path}: the suffix {path.suffix!r} is not one of a table; those are '
                             f'{", ".join(TABLE_SUFFIXES)}')
    if not path.is_file():
        raise InputFileError(f'{path}: there is no such file')
    try:
        return _filled(reader(path))
    except MemoryError:
        raise
    except Exception as error:
        raise InputFileError(f'{path}: cannot be read as {_suffix(path)[1:]}: '
                             f'{_one_line(error)}. Is it cut short or of another format?') from error


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
    """
    path = Path(path)
    _refuse_existing(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as folder:
        temporary = Path(folder) / path.name
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
    """
    path = Path(path)
    _refuse_existing(path, overwrite)
    if path.exists() and any(path.iterdir()) and marker and not (path / marker).is_file():
        raise OutputExistsError(f'{path} holds no {marker}, so it is not an output of this '
                                'command and is left alone; choose another folder')
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as folder:
        temporary = Path(folder) / 'new'
        temporary.mkdir()
        yield temporary
        if path.exists():
            os.rename(path, Path(folder) / 'old')
        os.rename(temporary, path)


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
    InputFileError
        If the suffix is not one of these.
    """
    formats = {'.ecsv': 'ascii.ecsv', '.csv': 'ascii.csv', '.fits': 'fits', '.parquet': 'parquet'}
    if _suffix(Path(path)) not in formats:
        raise InputFileError(f'{path}: a table is written as one of {", ".join(formats)}')
    with whole_file(path, overwrite=overwrite) as temporary:
        table.write(temporary, format=formats[_suffix(Path(path))])


def _suffix(path):
    name = path.name.lower()
    double = ''.join(Path(name).suffixes[-2:])
    return double if double in _READERS else Path(name).suffix


def _refuse_existing(path, overwrite):
    if path.exists() and not overwrite:
        raise OutputExistsError(f'{path} is there already; choose another name or give --overwrite '
                                '(overwrite=True)')


def _one_line(error):
    return ' '.join(str(error).split())[:200] or type(error).__name__


def _read_delimited(path):
    from astropy.table import QTable
    from pyarrow import csv

    delimiter = '\t' if path.suffix.lower() == '.tsv' else ','
    found = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=delimiter),
                         convert_options=csv.ConvertOptions(strings_can_be_null=True))
    return QTable(_arrow_columns(found))


def _read_parquet(path):
    from astropy.table import QTable
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    if b'table_meta_yaml' in (schema.metadata or {}):  # astropy wrote it: units are inside
        return QTable.read(path, format='parquet')
    found = parquet.read_table(path)
    flat = [name for name in found.column_names if not name.startswith('__index_level_')]
    return QTable(_arrow_columns(found.select(flat)))


def _arrow_columns(found):
    return {name: _arrow_column(found[name]) for name in found.column_names}


def _arrow_column(column):
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return column.cast(pa.string()).fill_null('').to_numpy().astype(str)
    if pa.types.is_boolean(kind) and column.null_count:
        return column.cast(pa.string()).fill_null('').to_numpy().astype(str)
    return column.to_numpy()  # integers with nulls become float with NaN


def _read_fits(path):
    from astropy.table import QTable
    return QTable.read(path, format='fits', unit_parse_strict='silent', hdu=_first_table(path))


def _first_table(path):
    from astropy.io import fits

    with fits.open(path) as hdus:
        tables = [i for i, hdu in enumerate(hdus) if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    if not tables:
        raise ValueError('it holds no table')
    return tables[0]


def _read_ecsv(path):
    from astropy.table import QTable
    return QTable.read(path, format='ascii.ecsv')


def _read_votable(path):
    from astropy.table import QTable
    return QTable.read(path, format='votable')


def _filled(table):
    import numpy as np

    for name in table.colnames:
        column = table[name]
        if hasattr(column, 'filled'):
            kind = getattr(column, 'dtype', np.dtype(float)).kind
            if kind in 'iub' and np.any(column.mask):
                table[name] = column.astype(float).filled(np.nan)
            else:
                table[name] = column.filled('' if kind in 'US' else np.nan if kind == 'f' else None)
        if table[name].dtype.kind == 'S':
            table[name] = np.char.decode(np.asarray(table[name]), 'utf-8', 'replace')
    return table


_READERS = {
    '.csv': _read_delimited, '.tsv': _read_delimited, '.parquet': _read_parquet,
    '.ecsv': _read_ecsv, '.fits': _read_fits,
    '.fit': _read_fits, '.fits.gz': _read_fits,
    '.vot': _read_votable, '.xml': _read_votable,
    '.votable': _read_votable,
}
