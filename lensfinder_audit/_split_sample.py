# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The columns that a verification of a split reads, and the rows that its checks find."""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.scoretable import guess_roles, means_trained, read_labels
from lensfinder_audit.splits import SCHEMES, expected_splits, sky_pixels
from lensfinder_audit.tables import require_columns

__all__ = ['CUTOUT_WIDTH', 'SAME_OBJECT', 'SplitSample', 'SplitFindings']

#: Side of a published cutout, 101 pixels of 0.262 arcsec.
CUTOUT_WIDTH = 26.462 * u.arcsec

#: Positions nearer than this are taken to be one object.
SAME_OBJECT = 1.0 * u.arcsec


class SplitSample:
    """The columns of a table, read once."""

    def __init__(self, table, scheme, seed, nside, key, what):
        require_columns(table, ['split'], what=what)
        places = sky_positions(table, what=what)
        self.table = table
        self.ra, self.dec = places.ra.deg, places.dec.deg
        self.pixels = sky_pixels(table, nside=nside, what=what)
        self.split = _words(table['split'])
        self.scheme = scheme or ('70/15/15' if (self.split == 'test').any() else '70/30')
        self.expected = expected_splits(self.pixels, scheme=self.scheme, seed=seed)
        self.names = [name for name, _ in SCHEMES[self.scheme]]
        self.seed, self.nside = seed, nside
        self.keys = _keys(table, key, what)
        self.written = _numbers(table['healpix'], what) if 'healpix' in table.colnames else None
        self.lens = read_labels(table['label'], what=f'{what}, label') if (
            'label' in table.colnames) else None
        self.trained = means_trained(self.split)

    def __len__(self):
        return len(self.split)

    def held(self):
        """Return the rows of every set that was not trained on, by its name."""
        return {str(name): self.split == name
                for name in np.unique(self.split[~self.trained & (self.split != '')])}


def _words(column):
    filled = column.filled('') if hasattr(column, 'filled') else column
    return np.char.strip(np.asarray(filled).astype(str))


def _keys(table, key, what):
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


class SplitFindings:
    """Collects checks and the rows behind them."""

    def __init__(self, sample):
        self._sample, self._checks, self._parts = sample, [], []

    def add(self, check, rows, finding, *, n_checked=None, pairs=None, note=False):
        """Add the rows that a check found; without any it is passed."""
        rows = np.asarray(rows, dtype=int)
        state = 'note' if note else 'failed' if len(rows) else 'ok'
        n_checked = len(self._sample) if n_checked is None else n_checked
        self._checks.append((check, state, len(rows), n_checked, finding))
        other, angle = (np.full(len(rows), -1), np.full(len(rows), np.nan)) if pairs is None else (
            pairs.index[rows], pairs.separation[rows].to_value(u.arcsec))
        self._parts.append((np.full(len(rows), check), rows, other, angle))

    def note(self, check, finding):
        """Add what is said and cannot fail."""
        self.add(check, [], finding, note=True)

    def checks(self):
        """Return the table of the checks."""
        table = QTable(rows=self._checks, names=['check', 'state', 'n', 'n_checked', 'finding'])
        sample = self._sample
        table.meta['split'] = {'scheme': sample.scheme, 'seed': int(sample.seed),
                               'nside': int(sample.nside)}
        return table

    def rows(self):
        """Return the table of the rows concerned."""
        check, row, other, angle = (np.concatenate(item)
                                    for item in zip(*self._parts, strict=True))
        return QTable({'check': check, 'row': row, 'object_id': self._names(row),
                       'other_row': other, 'other_id': self._names(other),
                       'separation': angle * u.arcsec})

    def _names(self, rows):
        if self._sample.keys is None or not len(rows):
            return np.full(len(rows), '')
        return np.where(rows < 0, '', self._sample.keys[rows])
