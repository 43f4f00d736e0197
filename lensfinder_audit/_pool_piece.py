# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Make one part of a pool of negatives; see `lensfinder_audit.negatives`."""
import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
from astropy import units as u

from lensfinder_audit._pool_keys import KEY_COLUMNS, object_numbers
from lensfinder_audit.exceptions import InputFileError, TableError
from lensfinder_audit.sky_index import SkyIndex
from lensfinder_audit.strata import Strata, derive, inputs_of
from lensfinder_audit.survey_files import read_piece

_OUTSIDE = 'outside the strata'
_NEAR = 'near a known lens'


class PoolPiece:
    """Make one part; sent to worker processes."""

    def __init__(self, rules, lenses, join, parts):
        self.rules, self.lenses, self.join, self.parts = rules, lenses, join, parts

    def __call__(self, piece):
        number = piece_number(piece)
        summary = self.parts.load(number, _read_json, suffix='.json')
        mark = piece_mark(piece)
        if summary is not None and summary['mark'] == mark and (
                not summary['n'] or summary['n'] == self.parts.load(number, _rows_in)):
            return [summary]
        try:
            tables, summary = _filter(piece, self.rules, self.lenses, self.join)
        except (InputFileError, TableError) as error:
            return [{'piece': str(piece), 'failed': str(error)}]
        if tables:
            import pyarrow as pa
            table = pa.concat_tables(tables).combine_chunks()
            self.parts.save(number, lambda path: _write(table, path))
        summary |= {'number': number, 'mark': mark}
        self.parts.save(number, lambda path: path.write_text(json.dumps(summary)), suffix='.json')
        return [summary]


def _write(table, path):
    """Few floats and keys come twice: codes for them would cost time and save nothing."""
    import pyarrow as pa
    from pyarrow import parquet

    coded = [item.name for item in table.schema if not pa.types.is_floating(item.type)
             and item.name not in ('_number', 'objid')]
    parquet.write_table(table, path, compression='lz4', use_dictionary=coded)


def piece_number(piece):
    """A file that comes or goes must not change the names of the parts of others."""
    return int.from_bytes(hashlib.sha256(str(piece).encode()).digest()[:6], 'big')


def piece_mark(piece):
    """Size and time stand for the bytes of a file of gigabytes."""
    try:
        found = Path(piece.path).stat()
    except OSError:
        return [0, 0]
    return [found.st_size, found.st_mtime_ns]


def _rows_in(path):
    from pyarrow import parquet
    return parquet.read_metadata(path).num_rows


def _read_json(path):
    return json.loads(path.read_text())


def _filter(piece, rules, lenses, join):
    """Return the rows of a piece that pass, and the effect of every cut."""
    wanted = dict.fromkeys(KEY_COLUMNS, '?') | rules.used_columns()
    if join is not None:
        wanted = _without(wanted, join[0].colnames) | {join[1]: 'join'}
    counts, tables, families = {}, [], dict.fromkeys(rules.confusers, 0)
    strata = Strata(rules.strata)
    for columns in read_piece(piece, wanted, names=rules.columns):
        if join is not None:
            columns |= _joined(columns, join, rules)
        _check_kinds(columns, rules, piece)
        _check_positions(columns, piece)
        keep = _cut(columns, rules, lenses, strata, counts)
        columns = {name: values[keep] for name, values in columns.items()}
        fits = _families(columns, rules)
        for name, fit in fits.items():
            families[name] += int(fit.sum())
        if keep.any():
            tables.append(_pool_rows(columns, rules, strata, fits))
    return tables, {'piece': str(piece), 'n': sum(len(table) for table in tables),
                    'cuts': counts, 'families': families}


def _without(wanted, there):
    """Leave out what a joined table has, and ask for the rest of what is derived from it."""
    left = {}
    for name, use in wanted.items():
        inputs = inputs_of(name)
        if name in there:
            continue
        if any(item in there for item in inputs):
            left.update({item: use for item in inputs if item not in there})
        else:
            left[name] = use
    return left


def _joined(columns, join, rules):
    table, column = join
    keys = np.asarray(table[column]).astype(str)
    order = np.argsort(keys)
    wanted = np.asarray(columns[column]).astype(str)
    place = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
    hit = keys[place] == wanted
    both = dict(columns)
    for name in table.colnames:
        values = np.asarray(getattr(table[name], 'value', table[name]))
        if name not in both and values.ndim == 1:
            both[name] = (np.where(hit, values[place], '') if values.dtype.kind in 'USO' else
                          np.where(hit, values[place].astype(float), np.nan))
    for name in rules.used_columns():
        if name not in both:
            both[name] = derive(name, both)
    return both


def _check_kinds(columns, rules, piece):
    for name in ('ra', 'dec', *rules.numeric_columns()):
        values = columns[name]
        if values.dtype.kind not in 'fiub':
            first = str(values[0]) if len(values) else ''
            raise TableError(f'{piece}: column {name!r} must hold numbers; it holds text, such as '
                             f'{first!r}')


def _check_positions(columns, piece):
    ra, dec = columns['ra'], columns['dec']
    with np.errstate(invalid='ignore'):
        bad = np.flatnonzero((np.abs(dec) > 90) | (np.abs(ra) > 360))
    if len(bad):
        raise TableError(f'{piece}: {len(bad)} positions are not on the sky, the first has ra '
                         f'{ra[bad[0]]:g}, dec {dec[bad[0]]:g}; they must be degrees')


def _cut(columns, rules, lenses, strata, counts):
    """Count what each cut would remove alone, and what it removes in its turn."""
    left = np.ones(len(columns['ra']), dtype=bool)
    steps = [(name, lambda rule=rule: rule(columns)) for name, rule in rules.cuts.items()]
    if rules.exclusion_radius and len(lenses[0]):
        steps.append((_NEAR, lambda: ~_index(lenses[0].tobytes(), lenses[1].tobytes(),
                                             rules.exclusion_radius).near(columns['ra'],
                                                                          columns['dec'])))
    steps.append((_OUTSIDE, lambda: strata.codes(columns) >= 0))
    for name, test in steps:
        passed = test()
        before = counts.get(name, [0, 0, 0])
        counts[name] = [before[0] + len(left), before[1] + int((~passed).sum()),
                        before[2] + int((left & ~passed).sum())]
        left &= passed
    return left


@cache
def _index(ra, dec, radius):
    return SkyIndex(np.frombuffer(ra), np.frombuffer(dec), radius=radius * u.arcsec)


def _families(columns, rules):
    return {name: np.logical_or.reduce([rule(columns) for rule in conditions])
            for name, conditions in rules.confusers.items()}


def _pool_rows(columns, rules, strata, fits):
    import pyarrow as pa

    first, every, is_n2 = _family_names(fits, len(columns['ra']))
    held = {name: columns[name] for name in rules.used_columns() if name in columns}
    held |= {name: columns[name] for name in KEY_COLUMNS if name in columns}
    held |= {'confuser_class': first, 'confuser_classes': every}
    found = {name: _arrow(values) for name, values in held.items()}
    return pa.table({'_number': pa.array(object_numbers(columns)),
                     '_group': pa.array((2 * strata.codes(columns) + is_n2).astype(np.int32)),
                     **found})


def _family_names(fits, n):
    """Name the first family of each object and all of them, each combination once."""
    code = sum((fit.astype(np.int64) << i for i, fit in enumerate(fits.values())),
               np.zeros(n, dtype=np.int64))
    codes, where = np.unique(code, return_inverse=True)
    names = [[name for i, name in enumerate(fits) if item >> i & 1] for item in codes.tolist()]
    first = np.array([found[0] if found else '' for found in names], dtype=str)
    return first[where], np.array(['; '.join(found) for found in names], dtype=str)[where], code > 0


def _arrow(values):
    import pyarrow as pa

    if values.dtype.kind not in 'US':
        return pa.array(values)
    names, where = np.unique(values, return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(where), pa.array(names.tolist(), pa.string())
                                          ).cast(pa.string())
