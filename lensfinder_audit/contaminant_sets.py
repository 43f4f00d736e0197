# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Join sets of contaminants, mark the negatives that are in one, add the others.

A contaminant was not drawn from the pool with a known chance: it joins a manifest as
a row that stands for itself alone.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.spatial import cKDTree

from lensfinder_audit._readers import plain
from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.scoretable import stack_alike
from lensfinder_audit.sky_index import SkyIndex, unit_vectors
from lensfinder_audit.tables import check_table

__all__ = ['merge_contaminants', 'mark_contaminants', 'SAME_OBJECT']

#: Objects of two tables nearer than this are one.
SAME_OBJECT = 1.5 * u.arcsec


def merge_contaminants(sets, *, known=None, exclusion=11 * u.arcsec, radius=SAME_OBJECT):
    """
    Join sets of contaminants, each object once, without known lenses.

    Parameters
    ----------
    sets : dict of str to `~astropy.table.QTable`
        By name; the first that holds an object names its class.
    known : tuple of array_like, optional
        ``ra`` and ``dec`` of known lenses and candidates, degrees.
    exclusion, radius : `~astropy.units.Quantity`, optional
        Nearer than this to a known lens an object is left out; nearer than this two
        are one.

    Returns
    -------
    contaminants : `~astropy.table.QTable`
        The ``reference`` schema with ``contaminant_set``; ``meta['sets']`` counts objects
        of each set, those that came again and those near known lenses.

    Raises
    ------
    TableError
        If nothing is left.
    """
    parts, counts = [], {}
    for name, table in sets.items():
        table = QTable(table, copy=True)
        table['contaminant_set'] = np.full(len(table), name)
        near = _near(table, known or ((), ()), exclusion)
        again = _repeats(table, radius)
        for part in parts:
            again |= _near(table, (part['ra'].value, part['dec'].value), radius)
        counts[name] = {'n': int((~near & ~again).sum()), 'n_near_lens': int(near.sum()),
                        'n_again': int((again & ~near).sum())}
        parts.append(table[~near & ~again])
    merged = stack_alike([part for part in parts if len(part)]) if any(map(len, parts)) else None
    if merged is None:
        raise TableError('no contaminant is left: '
                         + '; '.join(f'{name} {item}' for name, item in counts.items()))
    merged = check_table(plain(merged), 'reference')
    merged.meta = {'schema': 'reference', 'sets': counts}
    return merged


def _repeats(table, radius):
    """Rows that stand where an earlier row of the same set stands."""
    points = unit_vectors(table['ra'].to_value(u.deg), table['dec'].to_value(u.deg))
    chord = 2 * np.sin(radius.to_value(u.rad) / 2)
    pairs = cKDTree(points).query_pairs(chord, output_type='ndarray') if len(points) else []
    again = np.zeros(len(table), dtype=bool)
    again[[max(pair) for pair in pairs]] = True
    return again


def mark_contaminants(negatives, contaminants, *, radius=SAME_OBJECT):
    """
    Give negatives the class of the contaminant that they are.

    Parameters
    ----------
    negatives : `~astropy.table.Table`
        Of a sample, with ``ra`` and ``dec``.
    contaminants : `~astropy.table.QTable`
        From `merge_contaminants`.
    radius : `~astropy.units.Quantity`, optional
        Nearer than this they are the same object, and where they have the same key.

    Returns
    -------
    marked : `~astropy.table.QTable`
        The negatives; ``confuser_class`` is that of the set where there is one, of the rule
        elsewhere, and ``contaminant_set`` names the set. Weights are as they were.
    rest : `~astropy.table.QTable`
        Contaminants that are none of the negatives, as negatives of weight 1 and
        ``kind`` contaminant.
    """
    marked, there = QTable(negatives, copy=True), QTable(contaminants, copy=True)
    places = [sky_positions(table, what=what) for table, what in (
        (marked, 'the negatives'), (there, 'the contaminants'))]
    index = SkyIndex(places[1].ra.deg, places[1].dec.deg, radius=radius)
    found = index.match(places[0].ra.deg, places[0].dec.deg).index
    keys = _keys(there)
    if 'object_id' in marked.colnames:
        first = {key: i for i, key in reversed(list(enumerate(keys.tolist())))}
        found = np.where(found >= 0, found, [first.get(key, -1) for key in np.asarray(
            marked['object_id']).astype(str).tolist()])
    hit, which = found >= 0, np.maximum(found, 0)
    for name in ('confuser_class', 'confuser_classes', 'confuser_reason', 'contaminant_set'):
        if name in there.colnames:
            old = (np.asarray(marked[name]).astype(str) if name in marked.colnames
                   else np.full(len(marked), ''))
            marked[name] = np.where(hit, np.asarray(there[name]).astype(str)[which], old)
    new = np.zeros(len(there), dtype=bool)
    new[np.unique(keys, return_index=True)[1]] = True  # two may be matched to one object
    new &= ~np.isin(keys, keys[found[hit]])
    return marked, _as_negatives(there[new], keys[new])


def _as_negatives(rows, keys):
    classes = np.asarray(rows['confuser_class']).astype(str)
    found = QTable(rows, copy=True)
    found['object_id'] = keys
    found.remove_columns([name for name in (
        'name', 'is_lens', 'grade', 'tier', 'tier_reason', 'discovery_method', 'in_training',
        'arc_visible', 'theta_e', 'z_lens', 'match', 'n_within') if name in found.colnames])
    found['label'] = np.zeros(len(found), dtype=bool)
    found['kind'] = np.full(len(found), 'contaminant')
    found['stratum'] = np.char.add('contaminant: ', classes) if len(found) else classes
    found['weight'] = np.ones(len(found))
    return found


def _keys(table):
    """The key of the catalogue object where it was matched to one, else its name."""
    names = np.asarray(table['name']).astype(str)
    parts = ('release', 'brickid', 'objid')
    if not all(name in table.colnames for name in parts):
        return names
    numbers = [np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan) for name in parts]
    known = np.isfinite(np.sum(numbers, axis=0))
    joined = ['_'.join(f'{number:.0f}' for number in key) for key in zip(*numbers, strict=True)]
    return np.where(known, np.array(joined, dtype=str), names)


def _near(table, others, radius):
    if not len(others[0]) or not len(table):
        return np.zeros(len(table), dtype=bool)
    return SkyIndex(*others, radius=radius).near(table['ra'].to_value(u.deg),
                                                 table['dec'].to_value(u.deg))
