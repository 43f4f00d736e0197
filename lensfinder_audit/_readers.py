# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""One reader per table format, and what they have in common; see `lensfinder_audit.files`."""
import gzip
import re
import warnings

import numpy as np

__all__ = ['READERS', 'NotATable', 'plain']

# Texts that stand for a missing value; NaN is one only where the rest is text.
_MISSING = ['', '#N/A', '#N/A N/A', '#NA', '<NA>', 'N/A', 'NA', 'NULL', 'None', 'n/a', 'null']
# Beyond this, neighbouring integers are one and the same float.
_EXACT = 2**53


class NotATable(ValueError):
    """What the message says; nothing needs to be guessed."""


def read_delimited(path):
    head = _opening(path)
    if head.startswith('# %ECSV'):
        return read_ecsv(path)
    n_comments = re.match(r'(#[^\n]*\n)*', head)[0].count('\n')
    delimiter = '\t' if '.tsv' in path.name.lower() else ','
    found = _read_csv(path, delimiter, n_comments)
    found = found.rename_columns([name.strip() for name in found.column_names])
    _check_header(found.column_names, delimiter)
    found = _keep_large_integers(found, lambda types: _read_csv(path, delimiter, n_comments, types))
    return _to_table(found, missing=('nan', 'NaN'))


def _opening(path):
    opener = gzip.open if path.suffix.lower() == '.gz' else open
    with opener(path, 'rb') as stream:
        head = stream.read(1 << 16)
    if b'\0' in head:
        raise NotATable('it is binary, not text')
    head = head.decode('utf-8-sig', 'replace').replace('\r\n', '\n')
    if not head.strip():
        raise NotATable('it is empty')
    if head.lstrip().startswith('<'):
        raise NotATable('it is a web page or XML, not a table of text')
    return head


def _read_csv(path, delimiter, skip_rows, types=None):
    import pyarrow as pa
    from pyarrow import csv

    def read(**careful):
        return csv.read_csv(
            path, read_options=csv.ReadOptions(skip_rows=skip_rows, use_threads=not careful),
            parse_options=csv.ParseOptions(delimiter=delimiter, **careful),
            convert_options=csv.ConvertOptions(strings_can_be_null=True, null_values=_MISSING,
                                               column_types=types))
    try:
        return read()
    except pa.ArrowInvalid:  # line breaks inside quotes; else the message now has the row
        return read(newlines_in_values=True)


def _check_header(names, delimiter):
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NotATable(f'more than one column is called {twice[0]!r}')
    if all(re.fullmatch(r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?', name) for name in names):
        raise NotATable('its first line holds numbers, not the names of the columns')
    other = [mark for mark in ',;\t|' if mark != delimiter and len(names) == 1 and mark in names[0]]
    if other:
        raise NotATable(f'its columns are parted by {other[0]!r}, not by {delimiter!r}')


def _keep_large_integers(found, read_again):
    """Keep identifiers of 64 bits, which would lose digits as floats, as text."""
    import pyarrow as pa
    from pyarrow import compute

    large = [i for i, column in enumerate(found.columns) if pa.types.is_floating(column.type)
             and np.any(np.abs(column.drop_null().to_numpy()) >= _EXACT)]
    if not large:
        return found
    names = list(found.column_names)
    text = read_again({names[i]: pa.string() for i in large})
    for i in large:
        digits = compute.match_substring_regex(text.column(i).drop_null(), r'^\s*[-+]?\d+\s*$')
        if compute.all(digits).as_py():
            found = found.set_column(i, names[i], text.column(i))
    return found


def read_parquet(path):
    from astropy.table import QTable
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    if b'table_meta_yaml' in (schema.metadata or {}):  # astropy wrote it: units are inside
        return QTable.read(path, format='parquet')
    found = parquet.read_table(path)
    return _to_table(found.select([name for name in found.column_names
                                   if not name.startswith('__index_level_')]))


def _to_table(found, missing=()):
    from astropy.table import QTable
    return QTable({name: _values(found[name], missing) for name in found.column_names})


def _values(column, missing):
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64()).to_numpy()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _rectangle(column)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return _text(column, missing)
    if column.null_count and not pa.types.is_floating(kind) and _loses(column):
        return _text(column, missing)
    return column.to_numpy()  # integers with nulls become float with NaN


def _loses(column):
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        return True
    values = column.drop_null().to_numpy()
    return len(values) and max(abs(int(values.min())), abs(int(values.max()))) >= _EXACT


def _text(column, missing):
    import pyarrow as pa
    from pyarrow import compute

    if not pa.types.is_nested(column.type):
        try:
            column = column.cast(pa.string()).fill_null('')
        except pa.ArrowInvalid as error:
            raise NotATable('a column holds text that is not UTF-8') from error
        values = compute.utf8_trim_whitespace(column).to_numpy().astype(str)
    else:
        values = np.array([str(value) for value in column.to_pylist()], dtype=str)
    if missing:
        values[np.isin(values, missing)] = ''
    return values


def _rectangle(column):
    rows = column.to_pylist()
    lengths = {len(row) if row is not None else -1 for row in rows}
    if len(lengths) == 1 and -1 not in lengths:
        return np.array(rows)
    return np.array([str(row) for row in rows], dtype=str)


def read_fits(path):
    import json

    from astropy.table import QTable

    table = QTable.read(path, format='fits', unit_parse_strict='silent', hdu=_first_table(path))
    written = table.meta.get('LFAMETA')
    if written:  # as write_whole leaves it
        table.meta = json.loads(written)
    return table


def _first_table(path):
    from astropy.io import fits

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        with fits.open(path) as hdus:
            tables = [i for i, hdu in enumerate(hdus)
                      if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    short = [str(item.message) for item in said if 'truncated' in str(item.message)]
    if short:
        raise NotATable(f'it is cut short ({short[0]})')
    if not tables:
        raise NotATable('it holds no table')
    return tables[0]


def read_ecsv(path):
    from astropy.table import QTable
    return QTable.read(path, format='ascii.ecsv')


def read_votable(path):
    from astropy.io.votable.exceptions import VOWarning
    from astropy.table import QTable

    with warnings.catch_warnings():
        warnings.simplefilter('ignore', VOWarning)
        return QTable.read(path, format='votable', table_id=0)


def plain(table):
    """Return the table without masks, bytes, foreign byte order and unread units."""
    for name in table.colnames:
        column = _unmasked(table[name])
        kind = getattr(getattr(column, 'dtype', None), 'kind', '')
        if kind == 'S':
            column = np.char.decode(np.asarray(column), 'utf-8', 'replace')
        elif kind == 'O':
            column = _object_text(column)
        elif kind and not column.dtype.isnative:
            column = column.astype(column.dtype.newbyteorder('='))
        column = _known_unit(column)
        if column is not table[name]:
            table[name] = column
    return table


def _unmasked(column):
    if not hasattr(column, 'filled') or not hasattr(column, 'dtype'):
        return column
    kind = column.dtype.kind
    if not np.any(column.mask):
        return column.unmasked if hasattr(column, 'unmasked') else column.filled()
    if kind == 'b' or (kind in 'iu' and np.max(np.abs(column.filled(0).astype(float))) >= _EXACT):
        text = np.char.lower(np.asarray(column.filled(0)).astype(str))
        return np.where(np.asarray(column.mask), '', text)
    if kind in 'iu':
        return column.astype(float).filled(np.nan)
    if kind == 'f' and hasattr(column, 'unmasked'):  # whose unit may be none that NaN can be given
        found = column.unmasked.copy()
        found.view(np.ndarray)[np.asarray(column.mask)] = np.nan
        return found
    return column.filled('' if kind in 'SU' else np.nan if kind == 'f' else None)


def _object_text(column):
    values = list(np.asarray(column).ravel())
    if not all(value is None or isinstance(value, str | bytes) for value in values):
        return column
    text = ['' if value is None else value.decode('utf-8', 'replace')
            if isinstance(value, bytes) else value for value in values]
    return np.array(text, dtype=str).reshape(np.shape(column))


def _known_unit(column):
    from astropy import units as u

    if not isinstance(getattr(column, 'unit', None), u.UnrecognizedUnit):
        return column
    for text in (column.unit.to_string(), column.unit.to_string().lower()):
        try:
            return u.Quantity(column.value, u.Unit(text), copy=False)
        except ValueError:  # no unit by this name
            continue
    return column


READERS = {
    **dict.fromkeys(('.csv', '.tsv', '.csv.gz', '.tsv.gz'), read_delimited),
    **dict.fromkeys(('.fits', '.fit', '.fits.gz'), read_fits),
    **dict.fromkeys(('.vot', '.xml', '.votable'), read_votable),
    '.ecsv': read_ecsv, '.parquet': read_parquet,
}
