# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The positives of a study: lists of lenses merged by position, each with its evidence.

A lens that several lists hold is one row. Its tier is the best that a list gives
it, with that list's reason; its grade stays as published; its radius and
redshifts are those of the first list that has them.
"""
import hashlib
import json

import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lensfinder_audit._pool_keys import KEY_COLUMNS
from lensfinder_audit._pool_piece import piece_mark, piece_number
from lensfinder_audit.exceptions import InputFileError, TableError
from lensfinder_audit.parts import Parts
from lensfinder_audit.sky_index import SkyIndex, unit_vectors
from lensfinder_audit.sources.lens_evidence import lens_evidence, lens_references
from lensfinder_audit.survey_files import UNITS, read_piece
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['merge_catalogs', 'mark_training', 'match_objects', 'MATCHED_COLUMNS']

#: Columns that a matched object hands over, where its file has them.
MATCHED_COLUMNS = (*KEY_COLUMNS, 'type', 'ebv', 'maskbits', 'sersic', 'shape_r', 'shape_e1',
                   'shape_e2', *(f'{name}_{band}' for name in (
                       'flux', 'nobs', 'psfsize', 'psfdepth', 'galdepth', 'mw_transmission')
                       for band in 'grz'))

_NUMBERS = ('theta_e', 'z_lens', 'z_source')


@u.quantity_input(radius='angle')
def merge_catalogs(tables, *, radius=2 * u.arcsec):
    """
    Merge lists of lenses by position.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`
        Lists by name, as catalogue sources read them; the first has precedence.
    radius : `~astropy.units.Quantity`, optional
        Rows nearer than this are one object, also in chains.

    Returns
    -------
    merged : `~astropy.table.QTable`
        The ``reference`` schema, with ``grades`` and ``lists`` of all rows behind an
        object, ``arc_visible_reason``, ``theta_e_list`` and so on, which say which
        list a number is from, and ``n_merged``.

    Raises
    ------
    TableError
        If there is no row at all.
    """
    rows = [(name, row) for name, table in tables.items() for row in _rows(table)]
    if not rows:
        raise TableError('none of the lists has a row')
    ra, dec = (np.array([row[side] for _, row in rows]) for side in ('ra', 'dec'))
    groups = _groups(ra, dec, radius)
    merged = [_merge([rows[i] for i in group]) for group in groups]
    table = QTable({name: [row[name] for row in merged] for name in merged[0]})
    for name, unit in (('ra', u.deg), ('dec', u.deg), ('theta_e', u.arcsec)):
        table[name] = table[name] * unit
    table = check_table(table, 'reference')
    table.meta = schema_meta('reference', lists={name: dict(item.meta) for name, item in
                                                 tables.items()},
                             merge_radius=f'{radius:g}')
    return table


def _rows(table):
    """Yield rows as plain values; a column that a list lacks is empty."""
    n = len(table)
    columns = {name: np.asarray(table[name].value if hasattr(table[name], 'unit')
                                and table[name].unit is not None else table[name]).tolist()
               for name in table.colnames}
    for name in _NUMBERS:
        columns.setdefault(name, [np.nan] * n)
    for name in ('evidence', 'methods', 'arc_visible', 'in_training', 'confuser_class'):
        columns.setdefault(name, [''] * n)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _groups(ra, dec, radius):
    """Return the rows of each object, in the order in which the objects come first."""
    points = unit_vectors(ra, dec)
    chord = 2 * np.sin(radius.to_value(u.rad) / 2)
    pairs = cKDTree(points).query_pairs(chord * (1 + 1e-12), output_type='ndarray')
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(ra), len(ra)))
    label = connected_components(graph, directed=False)[1]
    order = np.argsort(label, kind='stable')
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return sorted((group.tolist() for group in groups), key=min)


def _merge(rows):
    names, rows = zip(*rows, strict=True)
    best = min(rows, key=lambda row: row['tier'] or 'none')
    first = rows[0]
    joined = {key: _once(row[key] for row in rows) for key in ('reference', 'grade')}
    found = {'name': first['name'], 'ra': first['ra'], 'dec': first['dec'],
             'is_lens': bool(best['tier']), 'grade': first['grade'], 'grades': _once(
                 f'{row["grade"]} ({name})' for name, row in zip(names, rows, strict=True)
                 if row['grade']),
             'tier': best['tier'], 'tier_reason': best['tier_reason'],
             'evidence': best['evidence'], **_discovery(rows, best, joined['reference']),
             'in_training': _strongest((row['in_training'] for row in rows), 'unknown'),
             'confuser_class': first['confuser_class']}
    for key in _NUMBERS:
        known = [(row[key], name) for name, row in zip(names, rows, strict=True)
                 if np.isfinite(row[key])]
        found[key], found[f'{key}_list'] = known[0] if known else (np.nan, '')
    return found | {'reference': joined['reference'], 'lists': _once(names),
                    'names': _once(row['name'] for row in rows), 'n_merged': len(rows)}


def _discovery(rows, best, reference):
    """The earliest search counts, over the references of all lists."""
    if len(rows) > 1 and all(row['evidence'] != 'as stated' for row in rows):
        grade = 'confident' if any(row['grade'] == 'confident' for row in rows) else best['grade']
        again = lens_evidence([reference], [grade])[0]
        found = {name: str(again[name]) for name in ('discovery_method', 'methods', 'arc_visible')}
    else:
        found = {'discovery_method': best['discovery_method'],
                 'methods': _once(row['methods'] for row in rows),
                 'arc_visible': _strongest((row['arc_visible'] for row in rows), 'unknown')}
    return found | {'arc_visible_reason': _arc_reason(reference, found['arc_visible'])}


def _arc_reason(reference, visible):
    if visible == 'unknown':
        return 'no reference of it says'
    said = [line for line in lens_references() if line['pattern'] in reference
            and line['arc_visible'] == visible]
    return f'{said[0]["paper"]}: {said[0]["reason"]}' if said else 'as stated by its list'


def _once(words):
    parts = (part.strip() for word in words for part in str(word).split(' | '))
    return ' | '.join(dict.fromkeys(part for part in parts if part))


def _strongest(words, default):
    words = set(words)
    return next((word for word in ('yes', 'no') if word in words), default)


@u.quantity_input(radius='angle')
def mark_training(table, ra, dec, *, radius=2 * u.arcsec):
    """
    Say which lenses are in the training set of a finder.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        With ``ra`` and ``dec``; ``in_training`` is set.
    ra, dec : (m,) array_like
        The whole training set, degrees.
    radius : `~astropy.units.Quantity`, optional
        Greatest separation.

    Returns
    -------
    n : int
        How many are.
    """
    near = SkyIndex(ra, dec, radius=radius).near(table['ra'].to_value(u.deg),
                                                 table['dec'].to_value(u.deg))
    table['in_training'] = np.where(near, 'yes', 'no')
    return int(near.sum())


class _MatchPiece:
    """Find the nearest object of a piece for each lens; sent to worker processes."""

    def __init__(self, ra, dec, radius, footprint, names, parts):
        self.ra, self.dec, self.names, self.parts = ra, dec, names, parts
        self.radius, self.footprint = radius.to_value(u.rad), footprint

    def __call__(self, piece):
        """Return the best matches, and why the piece could not be read, by piece."""
        number, mark = piece_number(piece), piece_mark(piece)
        kept = self.parts.load(number, lambda path: json.loads(path.read_text()))
        if kept is not None and kept['mark'] == mark:
            return {int(i): tuple(found) for i, found in kept['best'].items()}, {}
        try:
            best = self._best(piece)
        except (InputFileError, TableError) as error:
            return {}, {str(piece): str(error)}
        self.parts.save(number, lambda path: path.write_text(
            json.dumps({'mark': mark, 'best': best})))
        return best, {}

    def _best(self, piece):
        index = SkyIndex(self.ra, self.dec, radius=self.footprint)
        wanted = {'ra': 'position', 'dec': 'position', **dict.fromkeys(MATCHED_COLUMNS, '?')}
        best = {}
        for columns in read_piece(piece, wanted, names=self.names):
            near = np.flatnonzero(index.near(columns['ra'], columns['dec']))
            if len(near):
                best = _nearer(best, self._match({name: values[near] for name, values in
                                                  columns.items()}))
        return best

    def _match(self, columns):
        points = unit_vectors(self.ra, self.dec)
        tree = cKDTree(unit_vectors(columns['ra'], columns['dec']))
        limit = self.footprint.to_value(u.rad)
        distance, place = tree.query(points, distance_upper_bound=limit)
        counts = tree.query_ball_point(points, self.radius, return_length=True)
        return {int(i): (float(distance[i]), int(counts[i]),
                         {name: values[place[i]].item() for name, values in columns.items()})
                for i in np.flatnonzero(np.isfinite(distance))}


def _nearer(one, two):
    """Keep the nearest object of each lens, and add up how many there are."""
    found = dict(one)
    for i, (distance, count, row) in two.items():
        if i in found:
            other = found[i]
            distance, row = min((distance, row), (other[0], other[2]), key=lambda item: item[0])
            count += other[1]
        found[i] = (distance, count, row)
    return found


def _both(one, two):
    return _nearer(one[0], two[0]), one[1] | two[1]


@u.quantity_input(radius='angle', footprint='angle')
def match_objects(table, pieces, *, engine, radius=1.5 * u.arcsec, footprint=60 * u.arcsec,
                  names=None, parts=None, progress=None):
    """
    Match lenses to the objects of a survey.

    Parameters
    ----------
    table : (n,) `~astropy.table.QTable`
        With ``ra`` and ``dec``.
    pieces : list of `~lensfinder_audit.survey_files.Piece`
        Of Tractor or sweep files.
    engine : `~lensfinder_audit.interfaces.Engine`
        Runs the pieces.
    radius, footprint : `~astropy.units.Quantity`, optional
        Greatest separation of a match; a lens with no object at all within the
        second lies outside the footprint of the files.
    names : dict of str to str, optional
        Names in the files, where they are other ones.
    parts : str or `~pathlib.Path`, optional
        Folder for what a killed run has finished.
    progress : callable, optional
        Called as ``progress(done, total)``.

    Returns
    -------
    matched : (n,) `~astropy.table.QTable`
        With ``match`` (matched, no object, outside), ``separation``, ``n_within`` and the
        columns of the object. ``meta['match']['failed']`` names pieces that could not be
        read, with the reason.

    Raises
    ------
    InputFileError
        If no piece could be read.
    """
    ra, dec = (table[side].to_value(u.deg) for side in ('ra', 'dec'))
    pieces, identity = list(pieces), {
        'lenses': hashlib.sha256(ra.tobytes() + dec.tobytes()).hexdigest(), 'names': names,
        'radius': str(radius), 'footprint': str(footprint)}
    with Parts(parts, identity, suffix='.json') as kept:
        work = _MatchPiece(ra, dec, radius, footprint, names or {}, kept)
        best, failed = engine.map_reduce(work, pieces, _both, progress=progress) or ({}, {})
    if failed and len(failed) == len(pieces):
        raise InputFileError(f'none of {len(pieces)} pieces could be read; the first: '
                             f'{next(iter(failed.values()))}')
    found, n = QTable(table, copy=True), len(table)
    angle = np.full(n, np.nan)
    for i, (distance, _, _) in best.items():
        angle[i] = np.degrees(2 * np.arcsin(distance / 2)) * 3600
    hit = angle <= radius.to_value(u.arcsec)
    found['match'] = np.where(hit, 'matched', np.where(np.isfinite(angle), 'no object', 'outside'))
    found['separation'] = np.where(hit, angle, np.nan) * u.arcsec
    found['n_within'] = [best[i][1] if i in best else 0 for i in range(n)]
    objects = {i: best[i][2] for i in np.flatnonzero(hit).tolist()}
    for name in MATCHED_COLUMNS:
        values = [objects.get(i, {}).get(name) for i in range(n)]
        if any(value is not None for value in values):
            found[name] = _column(name, values)
    found.meta['match'] = {'radius': f'{radius:g}', 'footprint': f'{footprint:g}', 'failed': failed}
    return found


def _column(name, values):
    if any(isinstance(value, str) for value in values):
        return np.array(['' if value is None else value for value in values], dtype=str)
    unit = next((item for start, item in UNITS.items() if name == start or (
        start.endswith('_') and name.startswith(start))), None)
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    return numbers if unit is None else u.Quantity(numbers, unit)
