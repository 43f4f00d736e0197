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

from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.scoretable import guess_roles, read_labels
from lensfinder_audit.sky_index import nearest_of_others
from lensfinder_audit.splits import NSIDE, SCHEMES, SEED, expected_splits, sky_pixels
from lensfinder_audit.tables import require_columns

__all__ = ['SplitReport', 'verify_splits', 'random_overlap', 'CUTOUT_WIDTH', 'SAME_OBJECT']

#: Side of a published cutout, 101 pixels of 0.262 arcsec.
CUTOUT_WIDTH = 26.462 * u.arcsec

#: Positions nearer than this are taken to be one object.
SAME_OBJECT = 1.0 * u.arcsec


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


def verify_splits(table, *, scheme='70/15/15', seed=SEED, nside=NSIDE, key=None,
                  cutout=CUTOUT_WIDTH, what='the table'):
    """
    Check every row of a split table.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        With ``ra``, ``dec`` and ``split``; ``healpix``, ``label`` and a key are
        used where they are there.
    scheme : str, optional
        One of `~lensfinder_audit.splits.SCHEMES`.
    seed, nside : int, optional
        Of the hash and of the pixels.
    key : str, optional
        Column that names objects; guessed without it.
    cutout : `~astropy.units.Quantity`, optional
        Width of a cutout: what lies nearer is in the image of its neighbour.
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
    sample = _Sample(table, scheme, seed, nside, key, what)
    found = _Findings(sample)
    for check in (_positions, _pixels, _hash, _keys, _same_objects, _neighbours, _shared_pixels,
                  _negatives_near_lenses, _random):
        check(sample, found, u.Quantity(cutout, u.arcsec))
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


class _Sample:
    """The columns of a table, read once."""

    def __init__(self, table, scheme, seed, nside, key, what):
        require_columns(table, ['split'], what=what)
        places = sky_positions(table, what=what)
        self.ra, self.dec = places.ra.deg, places.dec.deg
        self.pixels = sky_pixels(table, nside=nside, what=what)
        self.expected = expected_splits(self.pixels, scheme=scheme, seed=seed)
        self.names = [name for name, _ in SCHEMES[scheme]]
        self.scheme, self.seed, self.nside = scheme, seed, nside
        self.split = np.char.strip(np.asarray(table['split']).astype(str))
        self.keys = _keys_of(table, key, what)
        self.written = _numbers(table['healpix'], what) if 'healpix' in table.colnames else None
        self.lens = read_labels(table['label'], what=f'{what}, label') if (
            'label' in table.colnames) else None

    def __len__(self):
        return len(self.split)


def _keys_of(table, key, what):
    key = key or guess_roles(table).get('object_id')
    if key is None:
        return None
    require_columns(table, [key], what=what)
    return np.char.strip(np.asarray(table[key]).astype(str))


def _numbers(column, what):
    values = np.asarray(getattr(column, 'value', column))
    if values.dtype.kind not in 'fiu':
        raise TableError(f"{what}, column 'healpix' must hold pixel numbers; it holds text, such "
                         f'as {str(values[0])!r}')
    return np.where(getattr(column, 'mask', False), np.nan, values.astype(float))


class _Findings:
    """Collects checks and the rows behind them."""

    def __init__(self, sample):
        self._sample, self._checks, self._rows = sample, [], []

    def add(self, check, rows, finding, *, n_checked=None, pairs=None, note=False):
        rows = np.asarray(rows, dtype=int)
        state = 'note' if note else 'failed' if len(rows) else 'ok'
        n_checked = len(self._sample) if n_checked is None else n_checked
        self._checks.append((check, state, len(rows), n_checked, finding))
        for i, row in enumerate(rows.tolist()):
            other, angle = (int(pairs.index[row]), pairs.separation[row].value) if (
                pairs is not None) else (-1, np.nan)
            self._rows.append((check, row, self._name(row), other, self._name(other), angle))

    def note(self, check, finding):
        self.add(check, [], finding, note=True)

    def _name(self, row):
        return '' if row < 0 or self._sample.keys is None else str(self._sample.keys[row])

    def checks(self):
        table = QTable(rows=self._checks, names=['check', 'state', 'n', 'n_checked', 'finding'])
        sample = self._sample
        table.meta['split'] = {'scheme': sample.scheme, 'seed': int(sample.seed),
                               'nside': int(sample.nside)}
        return table

    def rows(self):
        table = QTable(rows=self._rows or None, dtype=[str, int, str, int, str, float],
                       names=['check', 'row', 'object_id', 'other_row', 'other_id', 'separation'])
        table['separation'] = table['separation'] * u.arcsec
        return table


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
    strange = ~np.isin(sample.split, sample.names)
    found.add('split name', np.flatnonzero(strange),
              f'{strange.sum()} rows have a split that is none of {sample.names}')
    other = np.flatnonzero(~strange & (sample.split != sample.expected) & (sample.pixels >= 0))
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


def _neighbours(sample, found, cutout):
    pairs = nearest_of_others(sample.ra, sample.dec, sample.split, radius=cutout)
    rows = np.flatnonzero(pairs.matched)
    found.add('pair across splits', rows, f'{len(rows)} rows have an object of another split '
                                          f'within a cutout, {cutout:.1f}', pairs=pairs)


def _shared_pixels(sample, found, cutout):
    """Held-out objects in pixels that hold training ones, whatever the hash says."""
    known = sample.pixels >= 0
    trained = np.unique(sample.pixels[known & (sample.split == 'train')])
    for name in sorted(set(sample.split[known]) - {'train', ''}):
        held = known & (sample.split == name)
        rows = np.flatnonzero(held & np.isin(sample.pixels, trained))
        found.add(f'shared pixel, {name}', rows, n_checked=int(held.sum()), finding=(
            f'{len(rows)} of {held.sum()} {name} objects ({len(rows) / held.sum():.1%}) share an '
            f'nside-{sample.nside} pixel with training ones'))


def _negatives_near_lenses(sample, found, cutout):
    if sample.lens is None:
        found.note('negatives', 'there is no column label; negatives beside held-out lenses were '
                                'not looked for')
        return
    known, held = sample.pixels >= 0, ~np.isin(sample.split, ['train', ''])
    pixels = np.unique(sample.pixels[known & held & sample.lens])
    rows = np.flatnonzero(known & ~sample.lens & (sample.split == 'train') &
                          np.isin(sample.pixels, pixels))
    found.add('negative in held-out lens pixel', rows,
              f'{len(rows)} training negatives stand in pixels of held-out lenses',
              n_checked=int((~sample.lens).sum()))


def _random(sample, found, cutout):
    known = sample.pixels >= 0
    fraction = np.mean(sample.split[known] == 'train') if known.any() else 0.0
    share = random_overlap(sample.pixels[known], fraction)
    found.note('random split', f'a split drawn row by row, with {fraction:.1%} in train, would '
                               f'have {share:.1%} of its held-out objects in pixels of training '
                               'ones')
