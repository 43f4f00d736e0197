# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Take contaminants out of negatives, and list what was taken.

Known lenses and objects that another catalogue names are found by position; likely
unknown lenses by the score of an earlier finder. The second makes any later
false-positive rate look better than it is, and the table says so.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.scoretable import guess_finders, guess_roles
from lensfinder_audit.sky_index import SkyIndex
from lensfinder_audit.tables import require_columns

__all__ = ['clean_negatives', 'EARLIER_SCORE', 'CLEAN_RADIUS']

#: Published score of an earlier finder above which negatives were removed
#: (Inchausti et al. 2025, arXiv:2508.20087).
EARLIER_SCORE = 0.4

#: The published exclusion radius.
CLEAN_RADIUS = 11.0 * u.arcsec


@u.quantity_input(radius='angle')
def clean_negatives(negatives, *, catalogs=None, radius=CLEAN_RADIUS, scores=None,
                    score_column=None, threshold=EARLIER_SCORE):
    """
    Remove contaminants from negatives.

    Parameters
    ----------
    negatives : (n,) `~astropy.table.QTable`
        With ``ra`` and ``dec``, and a key where scores are joined by it.
    catalogs : dict of str to `~astropy.table.Table`, optional
        Contaminants and lenses by name, with ``ra`` and ``dec``.
    radius : `~astropy.units.Quantity`, optional
        Negatives nearer than this to one of them go.
    scores : `~astropy.table.Table`, optional
        Scores of an earlier finder, joined by key, or by position (1 arcsec) where
        either table has no key.
    score_column : str, optional
        Its score; guessed where there is only one.
    threshold : float, optional
        Negatives with a higher score go; those without a score stay.

    Returns
    -------
    kept, removed : `~astropy.table.QTable`
        The rows that stay, their weights as they were; and those that went, with
        ``removed_because``, ``separation`` and ``earlier_score``. ``meta['cleaned']`` of the
        first says how many went for what.

    Raises
    ------
    ConfigError
        If there is nothing to clean by, or the threshold is not finite.
    TableError
        If a column is missing.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.cleaning import clean_negatives
    >>> negatives = QTable({'object_id': ['a', 'b', 'c'], 'ra': [1., 2., 3.], 'dec': [0., 0., 0.]})
    >>> kept, removed = clean_negatives(
    ...     negatives, catalogs={'stars': QTable({'ra': [2.001], 'dec': [0.]})},
    ...     scores=QTable({'object_id': ['c'], 'p_old': [0.9]}))
    >>> print(kept['object_id'].tolist(), removed['removed_because'].tolist())
    ['a'] ['near stars', 'p_old above 0.4']
    """
    if not catalogs and scores is None:
        raise ConfigError('there is nothing to clean by: give catalogues, or scores of an earlier '
                          'finder')
    n = len(negatives)
    why, separation = np.full(n, '', dtype=object), np.full(n, np.nan)
    earlier = np.full(n, np.nan)
    for name, catalog in (catalogs or {}).items():
        angle = _separations(negatives, catalog, radius, name)
        near = np.isfinite(angle) & (why == '')
        why[near], separation[near] = f'near {name}', angle[near]
    if scores is not None:
        column = score_column or _guess(scores)
        require_columns(scores, [column], what='the scores of the earlier finder')
        earlier = _join_scores(negatives, scores, column)
        if not np.isfinite(threshold):
            raise ConfigError('the threshold of the earlier score must be a number, not '
                              f'{threshold}')
        why[(earlier > threshold) & (why == '')] = f'{column} above {threshold:g}'
    gone = why != ''
    removed = QTable(negatives[gone], copy=True)
    removed['removed_because'] = why[gone].astype(str)
    removed['separation'] = separation[gone] * u.arcsec
    removed['earlier_score'] = earlier[gone]
    kept = QTable(negatives[~gone], copy=True)
    kept.meta = {**negatives.meta, 'cleaned': _summary(why[gone], scores is not None)}
    return kept, removed


def _separations(negatives, catalog, radius, name):
    here = sky_positions(negatives, what='the negatives')
    there = sky_positions(catalog, what=name)
    index = SkyIndex(there.ra.deg, there.dec.deg, radius=radius)
    return index.match(here.ra.deg, here.dec.deg).separation.to_value(u.arcsec)


def _guess(scores):
    found = list(guess_finders(scores, roles=guess_roles(scores).values()).values())
    if len(found) != 1:
        raise TableError('the scores of the earlier finder have '
                         + (f'several score columns, {found}' if found else
                            f'no column that looks like a score; the columns are {scores.colnames}')
                         + '; name it')
    return found[0]


def _join_scores(negatives, scores, column):
    values = np.asarray(scores[column], dtype=float)
    keys = [guess_roles(table).get('object_id') for table in (negatives, scores)]
    if None not in keys:
        by_key = dict(zip(np.asarray(scores[keys[1]]).astype(str).tolist(), values.tolist(),
                          strict=True))
        return np.array([by_key.get(key, np.nan) for key in
                         np.asarray(negatives[keys[0]]).astype(str).tolist()], dtype=float)
    there = sky_positions(scores, what='the scores of the earlier finder')
    here = sky_positions(negatives, what='the negatives')
    found = SkyIndex(there.ra.deg, there.dec.deg, radius=1 * u.arcsec).match(here.ra.deg,
                                                                             here.dec.deg)
    return np.where(found.matched, values[np.maximum(found.index, 0)], np.nan)


def _summary(why, by_score):
    words, counts = np.unique(why.astype(str), return_counts=True)
    found = dict(zip(words.tolist(), counts.tolist(), strict=True))
    if by_score:
        found['note'] = ('negatives that an earlier finder scored high were removed: a '
                         'false-positive rate on the rest is too low for finders alike')
    return found
