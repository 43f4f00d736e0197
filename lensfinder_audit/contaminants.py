# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Sets of contaminants: galaxies and artefacts that are taken for lenses.

Each set is a table of the ``reference`` schema with a class and a reason for every
object: votes of volunteers, lists of artefacts, objects near bright stars, what an
earlier finder scored high. `lensfinder_audit.contaminant_sets` joins them.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.scoretable import guess_finders, guess_roles
from lensfinder_audit.sky_index import SkyIndex
from lensfinder_audit.tables import require_columns
from lensfinder_audit.vote_rules import place_by_name, vote_classes

__all__ = ['vote_contaminants', 'listed_contaminants', 'star_artefacts', 'hard_negatives',
           'star_mask_radius', 'HARD']

#: Class of what an earlier finder scored high and is no known lens.
HARD = 'hard negative'

# What a row is in another sample says nothing of it here.
_OF_SAMPLES = ('object_id', 'label', 'weight', 'stratum', 'kind', 'split', 'healpix', 'cutout',
               'sha256')


def vote_contaminants(table, rules, *, reference, what='the table of votes'):
    """
    Return the galaxies that volunteers saw as spirals, mergers or rings.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Votes, with positions or names that give them.
    rules : `~lensfinder_audit.vote_rules.VoteRules`
        Columns and cuts.
    reference : str
        Who published the votes.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    contaminants : `~astropy.table.QTable`
        The ``reference`` schema; ``meta['votes']`` counts rows, classes and rows without a
        position, and lists the lines of the rules that could not be used.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.contaminants import vote_contaminants
    >>> from lensfinder_audit.vote_rules import load_vote_rules
    >>> votes = QTable({'iauname': ['J000411.19+020924.0', 'J001655.18-002739.1'],
    ...                 'merging_merger_fraction': [0.1, 0.7]})
    >>> found = vote_contaminants(votes, load_vote_rules(), reference='doi:10.1093/mnras/stab2093')
    >>> print(found['confuser_class'][0], found['ra'][0].round(5), found['confuser_reason'][0])
    merger 4.22992 deg galaxy_zoo: merger
    """
    first, every, unused = vote_classes(table, rules, what=what)
    places = place_by_name(table, what=what)
    lost = ~np.isfinite(places['ra'].value + places['dec'].value)
    keep = (first != '') & ~lost
    found = _reference(places[keep], first[keep], every[keep], rules.name, reference)
    found.meta['votes'] = {'rules': rules.name, 'n_rows': len(table), 'n_without_position':
                           int((lost & (first != '')).sum()), 'unused': unused}
    return found


def listed_contaminants(table, *, column=None, reference, what='the list'):
    """
    Return the contaminants that a list names.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With ``ra``, ``dec`` and a column of classes.
    column : str, optional
        That column; ``confuser_class`` or ``category`` without it.
    reference : str
        Who made the list.
    what : str, optional
        How a message calls the list.

    Returns
    -------
    contaminants : `~astropy.table.QTable`
        The ``reference`` schema, with the other columns of the list that the schema does not
        name, such as keys and conditions.

    Raises
    ------
    TableError
        If there is no such column.
    """
    column = column or next((name for name in ('confuser_class', 'category')
                             if name in table.colnames), 'confuser_class')
    require_columns(table, [column], what=what)
    place = sky_positions(table, what=what)
    names = _names(table, place)
    places = QTable({'name': names, 'ra': place.ra.deg * u.deg, 'dec': place.dec.deg * u.deg})
    classes = np.char.strip(np.asarray(table[column]).astype(str))
    keep = (classes != '') & np.isfinite(places['ra'].value)
    found = _reference(places[keep], classes[keep], classes[keep], f'listed in {what}', reference)
    for name in table.colnames:
        if name.lower() not in (*found.colnames, *_OF_SAMPLES):
            found[name] = table[name][keep]
    return found


def star_mask_radius(magnitude):
    """
    Return the radius around a star within which the survey masks.

    Parameters
    ----------
    magnitude : array_like
        Gaia G or Tycho-2 V.

    Returns
    -------
    radius : `~astropy.units.Quantity`
        1630 x 1.396^(-magnitude) arcsec, the mask of medium-bright stars of the Legacy
        Surveys (``mask_radius_for_mag`` of legacypipe); half of it is that of bright ones.

    Examples
    --------
    >>> from lensfinder_audit.contaminants import star_mask_radius
    >>> print(star_mask_radius([6, 13]).round(1))
    [220.2  21.3] arcsec
    """
    return 1630 * 1.396 ** -np.asarray(magnitude, dtype=float) * u.arcsec


def star_artefacts(objects, stars, *, magnitude, faintest=13.0, what='the stars'):
    """
    Return objects that stand within the mask radius of a bright star.

    Parameters
    ----------
    objects : `~astropy.table.Table`
        Catalogue objects with ``ra`` and ``dec``.
    stars : `~astropy.table.Table`
        Stars with ``ra``, ``dec`` and a magnitude.
    magnitude : str
        Its column.
    faintest : float, optional
        Stars fainter than this make no artefacts.
    what : str, optional
        How a message calls the stars.

    Returns
    -------
    contaminants : `~astropy.table.QTable`
        Class ``bright star``, with the separation from the star in the reason, and the other
        columns of the objects.

    Raises
    ------
    TableError
        If the column is missing.
    """
    require_columns(stars, [magnitude], what=what)
    bright = np.asarray(stars[magnitude], dtype=float)
    sky = sky_positions(stars, what=what)
    here = sky_positions(objects, what='the objects')
    near = np.full(len(objects), np.inf)
    for low in range(int(np.floor(np.nanmin(bright, initial=faintest))), int(np.ceil(faintest))):
        some = (bright >= low) & (bright < min(low + 1, faintest))
        if some.any():
            near = np.minimum(near, _inside(here, sky[some], star_mask_radius(bright[some])))
    keep = np.isfinite(near)
    table = QTable(objects[keep], copy=True)
    table['confuser_class'] = np.full(len(table), 'bright star')
    found = listed_contaminants(table, reference=f'{what}, mask radius of the Legacy Surveys',
                                what=what)
    found['confuser_reason'] = [f'{angle:.1f} arcsec from a bright star' for angle in near[keep]]
    return found


def _inside(here, stars, radius):
    """Separation from the nearest star of a magnitude, arcsec; inf outside its radius."""
    index = SkyIndex(stars.ra.deg, stars.dec.deg, radius=radius.max())
    found = index.match(here.ra.deg, here.dec.deg)
    angle = found.separation.to_value(u.arcsec)
    hit = found.matched & (angle <= radius.to_value(u.arcsec)[np.maximum(found.index, 0)])
    return np.where(hit, angle, np.inf)


def hard_negatives(scores, *, column=None, threshold, reference='an earlier finder'):
    """
    Return what an earlier finder scored high and is not labelled a lens.

    Parameters
    ----------
    scores : `~astropy.table.Table`
        With positions and, where it has one, a label; lenses are left out.
    column : str, optional
        The score; guessed where there is only one.
    threshold : float
        Scores above this are high.
    reference : str, optional
        Which finder.

    Returns
    -------
    contaminants : `~astropy.table.QTable`
        Class ``hard negative``, with ``earlier_score``, best first.

    Raises
    ------
    ConfigError
        If the threshold is not finite, or the score cannot be guessed.
    """
    if not np.isfinite(threshold):
        raise ConfigError(f'the threshold of the earlier score must be a number, not {threshold}')
    roles = guess_roles(scores)
    column = column or _only_score(scores, roles)
    require_columns(scores, [column], what='the scores of the earlier finder')
    values = np.asarray(scores[column], dtype=float)
    high = values > threshold
    if 'label' in roles:
        high &= ~np.isin(np.asarray(scores[roles['label']]).astype(str), ['1', '1.0', 'True'])
    rows = QTable(scores[high], copy=True)[np.argsort(-values[high], kind='stable')]
    rows['confuser_class'] = np.full(len(rows), HARD)
    found = listed_contaminants(rows, reference=reference, what='the scores')
    found = found[[name for name in found.colnames if name not in guess_finders(
        scores, roles=roles.values()).values()]]
    found['earlier_score'] = np.sort(values[high])[::-1]
    found['confuser_reason'] = [f'{column} {value:.3g} above {threshold:g}'
                                for value in found['earlier_score']]
    return found


def _only_score(scores, roles):
    found = list(guess_finders(scores, roles=roles.values()).values())
    if len(found) != 1:
        raise ConfigError(f'the scores of the earlier finder have {len(found)} columns that look '
                          f'like scores, {found}; name one')
    return found[0]


def _reference(places, classes, every, why, reference):
    n = len(places)
    found = QTable(places, copy=True)
    found['is_lens'] = np.zeros(n, dtype=bool)
    for name in ('grade', 'tier', 'tier_reason', 'discovery_method'):
        found[name] = np.full(n, '')
    found['confuser_class'], found['confuser_classes'] = classes, every
    found['confuser_reason'] = np.array([f'{why}: {word}' for word in every], dtype=str)
    found['reference'] = np.full(n, reference)
    return found


def _names(table, place):
    role = guess_roles(table).get('object_id') or ('name' if 'name' in table.colnames else None)
    if role is not None:
        return np.asarray(table[role]).astype(str)
    return np.array([f'J{ra:.5f}{dec:+.5f}' for ra, dec in zip(place.ra.deg, place.dec.deg,
                                                               strict=True)], dtype=str)
