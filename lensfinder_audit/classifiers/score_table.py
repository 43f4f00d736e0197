# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A published table of scores as a finder, for objects that it knows."""
import numpy as np
from astropy import units as u

from lensfinder_audit.combine import score_columns
from lensfinder_audit.crossmatch import match_positions, sky_positions
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table, sha256
from lensfinder_audit.interfaces import SCORE_KINDS, CatalogFinder
from lensfinder_audit.scoretable import (declared_score_kind, guess_finders, guess_roles,
                                         guess_score_kind)
from lensfinder_audit.tables import require_columns

__all__ = ['ScoreTable']


class ScoreTable(CatalogFinder):
    """
    Look up the scores that a finder gave, by key or by position.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Table of scores, in any format that `~lensfinder_audit.files.read_table` reads.
    score : str, optional
        Score column; needed where several look like one.
    key : str, optional
        Column of the ids of the table, which are those of ``object_id``. Found by its
        usual names.
    match_radius : float or `~astropy.units.Quantity`, optional
        Join by position within this angle, in arcsec where it is a number. By key
        without it.
    score_kind : str, optional
        What the score is; as the table says, or guessed, without it.

    Raises
    ------
    InputFileError
        If the file cannot be read.
    TableError
        If there is no score, an id repeats, or a score is not a number.

    Examples
    --------
    ::

        finder = ScoreTable('published.csv', score='probability', match_radius=1.0)
        scores = finder(manifest)  # NaN where the table does not have the object
    """

    def __init__(self, path, *, score=None, key=None, match_radius=None, score_kind=None):
        self.path, self.score, self.key = str(path), score, key
        self.match_radius = None if match_radius is None else u.Quantity(match_radius, u.arcsec)
        if match_radius is not None and not self.match_radius > 0:
            raise ConfigError(f'match_radius is {match_radius}; it must be a positive angle')
        table = read_table(path)
        column = self._score_column(table)
        self._scores = score_columns(table, [column])[:, 0]
        self.score_kind = score_kind or declared_score_kind(table) or guess_score_kind(
            self._scores, column)
        self._check_scores(column)
        self.columns = ('object_id',) if match_radius is None else ('ra', 'dec')
        self._index = self._keys(table) if match_radius is None else sky_positions(
            table, what=self.path)

    @classmethod
    def from_checkpoint(cls, path, *, device='cpu', **options):
        """
        Read the table.

        Parameters
        ----------
        path : str or `~pathlib.Path`
            The table.
        device : str, optional
            Of no matter.
        **options
            As for the class.

        Returns
        -------
        finder : `ScoreTable`
            Ready to look up.
        """
        return cls(path, **options)

    @property
    def checksum(self):
        """SHA-256 of the file."""
        return sha256(self.path)

    def score_rows(self, objects):
        """
        Look up the scores of objects.

        Parameters
        ----------
        objects : (n,) `~astropy.table.QTable`
            With ``object_id``, or ``ra`` and ``dec``.

        Returns
        -------
        scores : (n,) `~numpy.ndarray`
            NaN where the table does not have the object.
        """
        if self.match_radius is not None:
            place = match_positions(sky_positions(objects), self._index,
                                    radius=self.match_radius).index
        else:
            keys = np.asarray(objects['object_id']).astype(str)
            place = np.array([self._index.get(key, -1) for key in keys.tolist()], dtype=int)
        return np.where(place >= 0, self._scores[place], np.nan)

    def _score_column(self, table):
        if self.score is not None:
            require_columns(table, [self.score], what=self.path)
            return self.score
        found = list(guess_finders(table, roles=guess_roles(table).values()).values())
        if len(found) != 1:
            raise TableError(f'{self.path} has {len(found)} columns that look like a score, '
                             f'{found}; name it with score=. Its columns are {table.colnames}.')
        return found[0]

    def _check_scores(self, column):
        if self.score_kind not in SCORE_KINDS:
            raise ConfigError(f'score_kind is {self.score_kind!r}; the kinds are '
                              f'{list(SCORE_KINDS)}')
        low, high = (0, 1) if self.score_kind == 'probability' else (-np.inf, np.inf)
        bad = np.isinf(self._scores) | (self._scores < low) | (self._scores > high)
        if bad.any():
            first = int(bad.argmax())
            raise TableError(f'{self.path}, score {column!r}: {bad.sum()} of {len(bad)} values are '
                             f'no {self.score_kind}, the first is row {first} with '
                             f'{self._scores[first]:g}; declare another score_kind')

    def _keys(self, table):
        name = self.key or guess_roles(table).get('object_id')
        if name is None:
            raise TableError(f'{self.path} has no column of ids; name it with key=, or join by '
                             f'position with match_radius=. Its columns are {table.colnames}.')
        require_columns(table, [name], what=self.path)
        keys = np.asarray(table[name]).astype(str).tolist()
        index = {key: row for row, key in enumerate(keys)}
        if len(index) < len(keys):
            twice = next(key for row, key in enumerate(keys) if index[key] != row)
            raise TableError(f'{self.path}, column {name!r}: {len(keys) - len(index)} ids repeat, '
                             f'the first is {twice!r}; an object has one score')
        return index
