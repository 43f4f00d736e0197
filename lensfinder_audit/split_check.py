# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find out whether a split keeps its sets apart.

Every row is derived again from its position; nothing that the table says of
itself is believed.
"""
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit import _split_sample
from lensfinder_audit._split_sample import SplitFindings, SplitSample
from lensfinder_audit.sky_index import nearest_of_others
from lensfinder_audit.splits import NSIDE, SEED

__all__ = ['SplitReport', 'verify_splits', 'random_overlap', 'CUTOUT_WIDTH', 'SAME_OBJECT']

#: Side of a published cutout, 101 pixels of 0.262 arcsec.
CUTOUT_WIDTH = _split_sample.CUTOUT_WIDTH

#: Positions nearer than this are taken to be one object.
SAME_OBJECT = _split_sample.SAME_OBJECT


@dataclass(frozen=True)
class SplitReport:
    """
    What a verification of a split found.

    Parameters
    ----------
    checks : `~astropy.table.QTable`
        One row per check: ``check``, ``state`` (ok, failed or note), ``n`` rows
        concerned out of ``n_checked``, and ``finding`` in words.
    rows : `~astropy.table.QTable`
        The rows concerned: ``check``, ``row``, ``object_id`` and, for pairs,
        ``other_row``, ``other_id`` and ``separation``.
    """

    checks: QTable
    rows: QTable

    @property
    def passed(self):
        """Whether no check failed."""
        return not (self.checks['state'] == 'failed').any()


def verify_splits(table, *, scheme=None, seed=SEED, nside=NSIDE, key=None, cutout=CUTOUT_WIDTH,
                  derive=True, frozen=None, what='the table'):
    """
    Check every row of a split table.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With ``ra``, ``dec`` and ``split``; ``healpix``, ``label`` and a key are
        used where they are there.
    scheme : str, optional
        One of `~lensfinder_audit.splits.SCHEMES`; without it ``'70/15/15'`` where a row is
        in ``test``, else ``'70/30'``.
    seed, nside : int, optional
        Of the hash and of the pixels.
    key : str, optional
        Column that names objects; guessed without it.
    cutout : `~astropy.units.Quantity`, optional
        Width of a cutout: what lies nearer is in the image of its neighbour.
    derive : bool, optional
        Whether pixels and splits are derived again; without it only what sets of any
        names share is looked for.
    frozen : `~astropy.table.Table`, optional
        A frozen evaluation set, as `~lensfinder_audit.frozen.read_frozen` returns it:
        nothing of it may be trained on, and its splits must still be it.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    report : `SplitReport`
        Checks and rows.

    Raises
    ------
    TableError
        If a column is missing or a position not on the sky.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.split_check import verify_splits
    >>> from lensfinder_audit.splits import assign_splits
    >>> table = assign_splits(QTable({'ra': [10., 20.], 'dec': [0., 0.]}))
    >>> verify_splits(table).passed
    True
    """
    sample = SplitSample(table, scheme, seed, nside, key, what)
    found = SplitFindings(sample)
    for check in ((_positions, _pixels, _hash) if derive else (_positions,)) + (
            _keys, _same_objects, _neighbours, _training_nearby, _shared_pixels,
            _negatives_near_lenses, _random):
        check(sample, found, u.Quantity(cutout, u.arcsec))
    if frozen is not None:
        _frozen(sample, found, frozen, derive)
    return SplitReport(found.checks(), found.rows())


def random_overlap(pixels, fraction):
    """
    Expect how many held-out objects would share a pixel with training ones by chance.

    Parameters
    ----------
    pixels : (n,) array_like of int
        Pixel of each object.
    fraction : float
        Fraction of all objects that train.

    Returns
    -------
    expected : float
        Mean over objects of 1 - (1 - fraction)^(m - 1), with m objects in its
        pixel: the fraction of held-out objects in a split drawn row by row.

    Examples
    --------
    >>> from lensfinder_audit.split_check import random_overlap
    >>> round(random_overlap([7, 7, 8], 0.5), 3)
    0.333
    """
    pixels = np.asarray(pixels)
    if not len(pixels):
        return 0.0
    _, where, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    return float(np.mean(1 - (1 - fraction) ** (counts[where] - 1)))


def _positions(sample, found, cutout):
    lost = np.flatnonzero(sample.pixels < 0)
    found.add('position', lost, f'{len(lost)} rows have no position and belong to no split')


def _pixels(sample, found, cutout):
    if sample.written is None:
        found.note('pixel', 'there is no column healpix; pixels were derived from the positions')
        return
    missing = ~(sample.written >= 0)
    stale = ~missing & (sample.written != sample.pixels)
    found.add('missing pixel', np.flatnonzero(missing),
              f'{missing.sum()} rows have no pixel (NaN or negative): their split cannot have '
              'followed from it')
    found.add('stale pixel', np.flatnonzero(stale),
              f'{stale.sum()} rows have another pixel than their position gives at nside '
              f'{sample.nside}, NESTED')


def _hash(sample, found, cutout):
    none = sample.split == ''
    found.add('no split', np.flatnonzero(none), f'{none.sum()} rows are in no split')
    strange = ~np.isin(sample.split, sample.names) & ~none
    found.add('split name', np.flatnonzero(strange),
              f'{strange.sum()} rows have a split that is none of {sample.names}')
    moved = (sample.split != sample.expected) & (sample.pixels >= 0)
    other = np.flatnonzero(~strange & ~none & moved)
    found.add('hash', other, f'{len(other)} rows are not in the split that the hash of scheme '
                             f'{sample.scheme}, seed {sample.seed} gives their pixel')


def _keys(sample, found, cutout):
    if sample.keys is None:
        found.note('key', 'there is no column that names objects; repeated keys were not looked '
                          'for')
        return
    empty = np.flatnonzero(sample.keys == '')
    _, where, counts = np.unique(sample.keys, return_inverse=True, return_counts=True)
    twice = np.flatnonzero((counts[where] > 1) & (sample.keys != ''))
    found.add('empty key', empty, f'{len(empty)} rows have an empty key')
    found.add('duplicate key', twice, f'{len(twice)} rows have a key that occurs more than once')


def _same_objects(sample, found, cutout):
    """Each row is a group of its own here, so that its neighbours count whatever their split."""
    pairs = _twins(sample)
    rows = np.flatnonzero(pairs.matched)
    found.add('same object', rows, f'{len(rows)} rows stand within {SAME_OBJECT} of another row: '
                                   'one object under two keys', pairs=pairs)


def _twins(sample):
    from scipy.spatial import cKDTree

    from lensfinder_audit.crossmatch import Match
    from lensfinder_audit.sky_index import unit_vectors

    known = np.flatnonzero(np.isfinite(sample.ra) & np.isfinite(sample.dec))
    index, angle = np.full(len(sample), -1), np.full(len(sample), np.nan)
    if len(known) > 1:
        points = unit_vectors(sample.ra[known], sample.dec[known])
        bound = SAME_OBJECT.to_value(u.rad) * (1 + 1e-12)
        distance, near = cKDTree(points).query(points, k=2, distance_upper_bound=bound)
        me = np.arange(len(known))[:, None]
        other = np.where(near[:, 0] == me[:, 0], near[:, 1], near[:, 0])  # twins may swap
        hit = other < len(known)
        index[known[hit]] = known[other[hit]]
        angle[known[hit]] = np.degrees(distance.max(axis=1, where=near < len(known), initial=0)[
            hit]) * 3600
    return Match(index, angle * u.arcsec, (index >= 0).astype(int))


def _of_a_set(sample):
    """Return right ascensions, NaN where an object is in no set."""
    return np.where(sample.split == '', np.nan, sample.ra)


def _neighbours(sample, found, cutout):
    pairs = nearest_of_others(_of_a_set(sample), sample.dec, sample.split, radius=cutout)
    rows = np.flatnonzero(pairs.matched)
    found.add('pair across splits', rows, f'{len(rows)} rows have an object of another split '
                                          f'within a cutout, {cutout:.1f}', pairs=pairs)


def _training_nearby(sample, found, cutout):
    """Held-out objects that were trained on under another key, or in the cutout of one that was."""
    pairs = nearest_of_others(_of_a_set(sample), sample.dec, sample.trained, radius=cutout)
    for name, held in sample.held().items():
        near = held & pairs.matched
        same = np.flatnonzero(near & (np.nan_to_num(pairs.separation.value, nan=np.inf)
                                      <= SAME_OBJECT.value))
        found.add(f'same object as training, {name}', same, pairs=pairs, n_checked=int(held.sum()),
                  finding=f'{len(same)} of {held.sum()} {name} objects stand within {SAME_OBJECT} '
                          'of a training one')
        found.add(f'in a training cutout, {name}', np.flatnonzero(near), pairs=pairs,
                  n_checked=int(held.sum()), finding=f'{near.sum()} of {held.sum()} {name} objects '
                  f'stand within a cutout, {cutout:.1f}, of a training one')


def _shared_pixels(sample, found, cutout):
    """Held-out objects in pixels that hold training ones, whatever the hash says."""
    known = sample.pixels >= 0
    trained = np.unique(sample.pixels[known & sample.trained])
    for name, held in sample.held().items():
        held = held & known
        if not held.any():
            continue
        rows = np.flatnonzero(held & np.isin(sample.pixels, trained))
        found.add(f'shared pixel, {name}', rows, n_checked=int(held.sum()), finding=(
            f'{len(rows)} of {held.sum()} {name} objects ({len(rows) / held.sum():.1%}) share an '
            f'nside-{sample.nside} pixel with training ones'))


def _negatives_near_lenses(sample, found, cutout):
    if sample.lens is None:
        found.note('negatives', 'there is no column label; negatives beside held-out lenses were '
                                'not looked for')
        return
    known, held = sample.pixels >= 0, ~sample.trained & (sample.split != '')
    pixels = np.unique(sample.pixels[known & held & sample.lens])
    rows = np.flatnonzero(known & ~sample.lens & sample.trained & np.isin(sample.pixels, pixels))
    found.add('negative in held-out lens pixel', rows,
              f'{len(rows)} training negatives stand in pixels of held-out lenses',
              n_checked=int((~sample.lens).sum()))


def _frozen(sample, found, frozen, derive):
    """Ask whether a frozen set was trained on, and whether its splits are still it."""
    from lensfinder_audit.frozen import frozen_problems, overlap_problems

    places = QTable({'ra': sample.ra, 'dec': sample.dec})
    if sample.keys is not None:
        places['object_id'] = sample.keys
    rows = np.flatnonzero(sample.trained)
    rows = rows[overlap_problems(places[rows], frozen)]
    found.add('frozen set, trained on', rows, f'{len(rows)} of {sample.trained.sum()} training '
              'objects are in the frozen evaluation set, or within a cutout of it',
              n_checked=int(sample.trained.sum()))
    if derive and sample.keys is not None:
        table = QTable(sample.table, copy=True)
        table['object_id'] = sample.keys
        inside = np.flatnonzero(np.isin(sample.split, frozen.meta['splits']))
        problems = frozen_problems(table[inside], frozen)
        found.add('frozen set, changed', inside if problems else [], '; '.join(problems) or (
            f'{len(inside)} rows are the frozen evaluation set'), n_checked=len(frozen))


def _random(sample, found, cutout):
    known = (sample.pixels >= 0) & (sample.split != '')
    fraction = sample.trained[known].mean() if known.any() else 0.0
    share = random_overlap(sample.pixels[known], fraction)
    found.note('random split', f'a split drawn row by row, with {fraction:.1%} in train, would '
                               f'have {share:.1%} of its held-out objects in pixels of training '
                               'ones')
