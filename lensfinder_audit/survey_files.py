# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read columns of survey files, a piece at a time.

A piece is a range of rows of one file: a sweep, a Tractor file, Parquet or any
other table. Only the columns asked for are read, in the names and units of the
package, whatever the file calls them.
"""
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensfinder_audit.exceptions import InputFileError, TableError, did_you_mean
from lensfinder_audit.files import TABLE_SUFFIXES, read_table
from lensfinder_audit.strata import derive, derived_names, inputs_of

__all__ = ['Piece', 'find_files', 'split_file', 'read_piece', 'UNITS']

_FITS = ('.fits', '.fit', '.fits.gz', '.fits.fz')

#: Units that columns are converted to, by the beginning of their names.
UNITS = {'ra': 'deg', 'dec': 'deg', 'flux_': 'nmgy', 'psfsize_': 'arcsec', 'shape_r': 'arcsec',
         'psfdepth_': '1 / nmgy2', 'galdepth_': '1 / nmgy2', 'ebv': 'mag'}


@dataclass(frozen=True)
class Piece:
    """
    Rows of one file.

    Parameters
    ----------
    path : str
        The file.
    start, stop : int
        First row and the one after the last.
    """

    path: str
    start: int
    stop: int

    def __str__(self):
        return f'{self.path}, rows {self.start} to {self.stop - 1}'


def find_files(sources):
    """
    List the tables among files and folders.

    Parameters
    ----------
    sources : iterable of str or `~pathlib.Path`
        A folder stands for the tables in it, also in folders below.

    Returns
    -------
    files : list of `~pathlib.Path`
        Sorted within each folder, each once.

    Raises
    ------
    InputFileError
        If one is not there, or there is no table at all.
    """
    found = []
    for source in map(Path, sources):
        if not source.exists():
            raise InputFileError(f'{source}: there is no such file or folder')
        inside = sorted(path for path in source.rglob('*') if path.name.lower().endswith(
            TABLE_SUFFIXES) and path.is_file()) if source.is_dir() else [source]
        if not inside:
            raise InputFileError(f'{source}: holds no table; those end with '
                                 f'{", ".join(TABLE_SUFFIXES)}')
        found += inside
    return list(dict.fromkeys(found))


def split_file(path, *, rows=1_000_000):
    """
    Cut a file into pieces of about so many rows, without reading it.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        A table.
    rows : int, optional
        Rows of a piece.

    Returns
    -------
    pieces : list of `Piece`
        In the order of the rows.

    Raises
    ------
    InputFileError
        If the file cannot be read or is cut short.
    """
    n = _n_rows(str(path))
    edges = [*range(0, n, rows), n] if n else [0, 0]
    return [Piece(str(path), start, stop) for start, stop in zip(edges, edges[1:], strict=False)]


def _n_rows(path):
    try:
        if path.lower().endswith('.parquet'):
            from pyarrow import parquet
            return parquet.ParquetFile(path).metadata.num_rows
        if path.lower().endswith(_FITS):
            return _fits_rows(path)
        return len(read_table(path))
    except InputFileError:
        raise
    except Exception as error:
        raise InputFileError(f'{path}: cannot be read: {_brief(error)}') from error


def _fits_rows(path):
    with _fits_table(path) as hdu:
        return hdu.header['NAXIS2']


class _fits_table:  # noqa: N801, a context manager that reads like a function
    """Open the first table of a FITS file, memory-mapped; a short file is an error."""

    def __init__(self, path):
        from astropy.io import fits

        self._path = path
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter('always')
            self._hdus = fits.open(path, memmap=True)
            tables = [hdu for hdu in self._hdus if isinstance(hdu, fits.BinTableHDU)]
        short = [item for item in said if 'truncated' in str(item.message)]
        if short or not tables:
            self._hdus.close()
            raise InputFileError(f'{path}: ' + (f'is cut short ({_brief(short[0].message)})'
                                                if short else 'holds no table'))
        self._hdu = tables[0]

    def __enter__(self):
        return self._hdu

    def __exit__(self, *error):
        self._hdus.close()


def read_piece(piece, wanted, *, names=None, chunk=1 << 18):
    """
    Read columns of a piece, some rows at a time.

    Parameters
    ----------
    piece : `Piece`
        Which rows.
    wanted : dict of str to str
        What each column is for, by its name here; derived quantities may be among
        them (see `lensfinder_audit.strata`). A use that begins with ``?`` is
        optional.
    names : dict of str to str, optional
        Names in the file, where they are other ones; else any case of letters is found.
    chunk : int, optional
        Rows read at a time.

    Yields
    ------
    columns : dict of str to (n,) `~numpy.ndarray`
        Native byte order, in `UNITS`; text without padding.

    Raises
    ------
    TableError
        If a column is missing or has a wrong unit; the file and the nearest column
        are named.
    InputFileError
        If the file cannot be read.
    """
    try:
        yield from _read(piece, wanted, names or {}, chunk)
    except (InputFileError, TableError):
        raise
    except Exception as error:
        if isinstance(error, MemoryError):
            raise
        raise InputFileError(f'{piece}: cannot be read: {_brief(error)}') from error


def _read(piece, wanted, names, chunk):
    reader = (_parquet_chunks if piece.path.lower().endswith('.parquet') else
              _fits_chunks if piece.path.lower().endswith(_FITS) else _table_chunks)
    for found in reader(piece, lambda there: _plan(there, wanted, names, piece.path), chunk):
        columns = {}
        for name, values in found.items():
            columns[name] = _plain(values)
        for name in wanted:
            if name not in columns and name in derived_names() and all(
                    item in columns for item in inputs_of(name)):
                columns[name] = derive(name, columns)
        yield columns


def _plan(there, wanted, names, path):
    """Return the column of the file for each name that is read."""
    by_lower = {name.lower(): name for name in reversed(there)}
    plan = {}
    for name, use in wanted.items():
        column = _find(name, by_lower, names)
        if column is not None:
            plan[name] = column
            continue
        parts = {item: _find(item, by_lower, names) for item in inputs_of(name)}
        if parts and None not in parts.values():
            plan |= parts
        elif not use.startswith('?'):
            raise TableError(_missing(name, parts, use, there, names, path))
    return plan


def _find(name, by_lower, names):
    return by_lower.get(str(names.get(name, name)).lower(), by_lower.get(name))


def _missing(name, parts, use, there, names, path):
    asked = names.get(name, name)
    way = f' nor {", ".join(map(repr, parts))} to derive it from' if parts else ''
    return (f'{path}: has no column {asked!r}{way}, which the rules need ({use}).'
            f'{did_you_mean(asked, there)} Take it out of the rules, or name the column of the '
            f'file there, as "columns: {{{name}: NAME}}". Its columns are {list(there)[:25]}'
            f'{" ..." if len(there) > 25 else ""}.')


def _fits_chunks(piece, plan, chunk):
    with _fits_table(piece.path) as hdu:
        columns = plan(hdu.columns.names)
        scale = {name: _factor(hdu.columns[column].unit, name, piece.path)
                 for name, column in columns.items()}
        data = hdu.data
        for start in range(piece.start, piece.stop, chunk):
            rows = data[start:min(start + chunk, piece.stop)]
            yield {name: _scaled(np.array(rows[column]), scale[name])
                   for name, column in columns.items()}


def _parquet_chunks(piece, plan, chunk):
    from pyarrow import parquet

    with parquet.ParquetFile(piece.path) as file:
        columns = plan([name for name in file.schema_arrow.names])
        units = _parquet_units(file.schema_arrow.metadata or {})
        scale = {name: _factor(units.get(column), name, piece.path)
                 for name, column in columns.items()}
        position = 0
        for group in range(file.num_row_groups):
            n = file.metadata.row_group(group).num_rows
            first, last = max(piece.start - position, 0), min(piece.stop - position, n)
            position += n
            if first >= last:
                continue
            found = file.read_row_group(group, columns=list(dict.fromkeys(columns.values())))
            for start in range(first, last, chunk):
                rows = found.slice(start, min(chunk, last - start))
                yield {name: _scaled(_from_arrow(rows[column]), scale[name])
                       for name, column in columns.items()}


def _from_arrow(column):
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column.to_numpy()
    found = column.combine_chunks().fill_null('').dictionary_encode()
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    names = np.array(found.dictionary.to_pylist(), dtype=str)
    return names[found.indices.to_numpy()] if len(names) else np.zeros(0, dtype=str)


def _parquet_units(metadata):
    """Read the units that astropy writes beside the columns."""
    import yaml

    text = metadata.get(b'table_meta_yaml', b'').decode('utf-8', 'replace')
    lines = [line for line in text.splitlines() if 'unit:' in line and 'name:' in line]
    found = {}
    for line in lines:
        try:
            item = yaml.safe_load(line.lstrip('- ').replace('!astropy.units.Unit', ''))
        except yaml.YAMLError:
            continue
        unit = item.get('unit') if isinstance(item, dict) else None
        found[str(item['name'])] = unit.get('unit') if isinstance(unit, dict) else unit
    return found


def _table_chunks(piece, plan, chunk):
    table = read_table(piece.path)
    columns = plan(table.colnames)
    scale = {name: _factor(getattr(table[column], 'unit', None), name, piece.path)
             for name, column in columns.items()}
    for start in range(piece.start, piece.stop, chunk):
        rows = slice(start, min(start + chunk, piece.stop))
        yield {name: _scaled(np.asarray(getattr(table[column], 'value', table[column])[rows]),
                             scale[name]) for name, column in columns.items()}


def _factor(unit, name, path):
    """Return what a column is multiplied by; without a unit it is taken to be in ours."""
    from astropy import units as u

    wanted = next((item for start, item in UNITS.items() if name == start or (
        start.endswith('_') and name.startswith(start))), None)
    if wanted is None or unit in (None, ''):
        return 1.0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return float(u.Unit(unit).to(wanted))
    except (ValueError, u.UnitsError) as error:
        raise TableError(f'{path}: column {name!r} is in {unit!r}; it must be in {wanted} or '
                         'convert to it') from error


def _scaled(values, factor):
    return values if factor == 1 or values.dtype.kind not in 'fiu' else values * factor


def _plain(values):
    """Return native numbers, or text without padding; each distinct text is handled once."""
    if values.dtype.kind in 'SUO':
        if values.dtype.kind == 'O':
            values = np.array(['' if value is None else str(value) for value in values.tolist()],
                              dtype=str)
        names, where = np.unique(values, return_inverse=True)
        if values.dtype.kind == 'S':
            names = np.char.decode(names, 'utf-8', 'replace')
        return np.char.strip(names)[where] if len(names) else names.astype(str)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder('='))


def _brief(error):
    return ' '.join(str(error).split())[:200] or type(error).__name__
