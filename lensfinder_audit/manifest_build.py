# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Join positives and negatives to a manifest, with splits, weights and checksums.

What is not in it is listed with the reason; with a cutout store, an object is in
it only if its pixels are in the store.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit._readers import plain
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.manifest import cutout_keys
from lensfinder_audit.scoretable import stack_alike
from lensfinder_audit.sky_index import SkyIndex
from lensfinder_audit.split_check import SAME_OBJECT
from lensfinder_audit.splits import assign_splits
from lensfinder_audit.tables import require_columns, schema_meta

__all__ = ['build_manifest']


def build_manifest(positives, negatives, *, contaminants=None, scheme='70/15/15', seed=42,
                   store=None, inputs=None, exclusion=SAME_OBJECT):
    """
    Join lenses and negatives to one table with splits, weights and checksums.

    Parameters
    ----------
    positives : `~astropy.table.Table`
        From `~lensfinder_audit.positives`: rows that are no lens or not matched to
        an object are left out.
    negatives : `~astropy.table.Table`
        From `~lensfinder_audit.sampling`.
    contaminants : `~astropy.table.Table`, optional
        From `~lensfinder_audit.contaminant_sets`: negatives that are among them get their
        class, the others become rows of weight 1; those at a lens are left out.
    scheme, seed : str and int, optional
        Of the split.
    store : `~lensfinder_audit.cutouts.CutoutStore`, optional
        Rows without a cutout are left out, the others get its checksum.
    inputs : dict of str to str, optional
        Checksums of the files, for ``meta``.
    exclusion : `~astropy.units.Quantity`, optional
        Negatives nearer than this to a lens are refused.

    Returns
    -------
    manifest : `~astropy.table.QTable`
        The ``manifest`` schema, lenses first.
    left_out : `~astropy.table.QTable`
        ``object_id`` and ``reason`` of the rows that are not in it.

    Raises
    ------
    TableError
        If a key comes twice, or a negative is a lens.
    """
    lenses, reasons = _lenses(QTable(positives, copy=True))
    others = QTable(negatives, copy=True)
    require_columns(others, ['object_id', 'ra', 'dec'], what='the table of negatives')
    others['label'] = np.zeros(len(others), dtype=bool)
    _refuse_lenses(lenses, others, exclusion)
    others, more, at_lens = _with_contaminants(lenses, others, contaminants, exclusion)
    reasons += [(key, 'contaminant at the place of a lens') for key in at_lens]
    manifest = assign_splits(plain(stack_alike([lenses, others, *more])), scheme=scheme, seed=seed,
                             what='the manifest')
    _refuse_repeats(manifest)
    if store is not None:
        manifest, lost = _with_checksums(manifest, store)
        reasons += lost
    manifest.meta = {**schema_meta('manifest', inputs=inputs, split=manifest.meta['split'],
                                   sample=_plain_meta(negatives.meta)),
                     **({} if store is None else {'store': store.checksum()})}
    return manifest, QTable(rows=reasons or None, names=['object_id', 'reason'], dtype=[str, str])


def _plain_meta(meta):
    return {name: meta[name] for name in ('rules', 'seed', 'n_pool', 'per_stratum', 'cleaned',
                                          'failed') if name in meta}


def _lenses(table):
    """Give lenses keys; those that are none, or have no object, are left out."""
    keys = _object_keys(table)
    reasons = np.full(len(table), '', dtype=object)
    if 'match' in table.colnames:
        lost = table['match'] != 'matched'
        reasons[lost] = [f'not matched: {word}' for word in table['match'][lost]]
    if 'is_lens' in table.colnames:
        reasons[~np.asarray(table['is_lens'], dtype=bool)] = 'no lens evidence'
    keep = reasons == ''
    table['object_id'] = keys
    table['label'] = np.ones(len(table), dtype=bool)
    if 'weight' not in table.colnames:
        table['weight'] = np.ones(len(table))
    gone = list(zip(keys[~keep].astype(str).tolist(), reasons[~keep].tolist(), strict=True))
    return table[keep], gone


def _object_keys(table):
    names = ('release', 'brickid', 'objid')
    if 'object_id' in table.colnames and (np.asarray(table['object_id']).astype(str) != '').all():
        return np.asarray(table['object_id']).astype(str)
    own = np.asarray(table['name']).astype(str) if 'name' in table.colnames else None
    if all(name in table.colnames for name in names):
        parts = [np.asarray(table[name], dtype=float) for name in names]
        known = np.isfinite(np.sum(parts, axis=0))
        joined = np.array(['_'.join(f'{part:.0f}' for part in key)
                           for key in zip(*parts, strict=True)])
        return np.where(known, joined, '' if own is None else own)
    if own is None:
        raise TableError('the table of lenses has neither object_id, nor release, brickid and '
                         f'objid, nor name. Its columns are {table.colnames}.')
    return own


def _with_contaminants(lenses, others, contaminants, exclusion):
    """Return the negatives with their classes, a list of more rows, and keys that are lenses."""
    if contaminants is None:
        return others, [], []
    from lensfinder_audit.contaminant_sets import mark_contaminants

    others, rest = mark_contaminants(others, contaminants)
    bad = _near_lens(lenses, rest, exclusion) | np.isin(rest['object_id'], lenses['object_id'])
    return others, [rest[~bad]], np.asarray(rest['object_id'])[bad].tolist()


def _near_lens(lenses, others, exclusion):
    places = [table[side] if hasattr(table[side], 'to_value') else table[side] * u.deg
              for table in (lenses, others) for side in ('ra', 'dec')]
    ra, dec, ra_other, dec_other = (np.asarray(u.Quantity(side).to_value(u.deg)) for side in places)
    if not len(ra):
        return np.zeros(len(others), dtype=bool)
    return SkyIndex(ra, dec, radius=exclusion).near(ra_other, dec_other)


def _refuse_lenses(lenses, others, exclusion):
    near = _near_lens(lenses, others, exclusion)
    if near.any():
        first = np.argmax(near)
        raise TableError(f'{near.sum()} of {len(others)} negatives stand within {exclusion:g} of a '
                         f'lens, the first is row {first}, {str(others["object_id"][first])!r}; '
                         'pool them with --known, or sample with --clean')


def _refuse_repeats(manifest):
    names, counts = np.unique(np.asarray(manifest['object_id']).astype(str), return_counts=True)
    if (counts > 1).any():
        raise TableError(f'the manifest would have {(counts > 1).sum()} keys more than once, the '
                         f'first is {str(names[counts > 1][0])!r}: an object that is listed twice, '
                         'or two lenses that were matched to one object')


def _with_checksums(manifest, store):
    """Keep what has pixels; also say what has not, and why."""
    keys = cutout_keys(manifest)
    problems = store.unreadable(keys)
    lost = problems != ''
    gone = zip(np.asarray(manifest['object_id'])[lost].tolist(), problems[lost].tolist(),
               strict=True)
    manifest, keys = manifest[~lost], keys[~lost]
    manifest['cutout'] = keys
    manifest['sha256'] = np.asarray(store.index()['sha256']).astype(str)[store.locate(keys)]
    return manifest, [(str(key), problem) for key, problem in gone]
