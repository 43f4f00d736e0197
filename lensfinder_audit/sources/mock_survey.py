# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A simulated catalogue with the conditions and the galaxies of DR10.

It lets every step of an audit run where no survey is at hand. Nothing measured
on it is a measurement of the sky; each table says so.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.interfaces import CatalogSource
from lensfinder_audit.sources._mock_draws import (EXPOSURE, EXTINCTION, N_BRICKS, Draws,
                                                  brick_conditions, brick_positions, conditions,
                                                  ordinary_galaxies)

__all__ = ['MockSurvey', 'FAMILIES', 'NATURAL_FRACTIONS', 'ROWS_PER_BRICK']

#: Share of each confuser family among the galaxies, some 6 % in all as the
#: catalogue rules for confusers select of the DR10 pool, and of four artefacts.
NATURAL_FRACTIONS = {
    'ring': 0.012, 'spiral': 0.010, 'merger': 0.008, 'edge-on': 0.015, 'blue clumpy': 0.010,
    'large galaxy': 0.005, 'star spike': 0.002, 'ghost': 0.002, 'satellite trail': 0.002,
    'bleed trail': 0.002}

#: Names of the confuser families, artefacts last.
FAMILIES = tuple(NATURAL_FRACTIONS)

#: Rows that follow each other share a brick, and with it the conditions.
ROWS_PER_BRICK = 20

# Range of r magnitude and half-light radius [arcsec], and the types, of families
# that are not drawn like ordinary galaxies; they obey the catalogue rules by
# which such confusers are found.
_LOOKS = {
    'ring': ((17.3, 20.0), (0.8, 1.6), ('DEV',)),
    'spiral': ((16.5, 19.3), (2.0, 5.0), ('SER', 'EXP')),
    'merger': ((16.8, 19.8), (1.2, 3.0), ('SER',)),
    'edge-on': ((17.0, 20.0), (1.4, 3.8), ('EXP', 'SER')),
    'blue clumpy': ((17.5, 20.2), (1.4, 3.2), ('SER', 'EXP')),
    'large galaxy': ((14.8, 17.0), (3.5, 9.0), ('SER', 'DEV', 'EXP'))}

_DESCRIPTIONS = {
    'morphology': 'early or late, what the galaxy is drawn as', 'type': 'Tractor type',
    'sersic': 'Sersic index', 'shape_r': 'half-light radius along the major axis',
    'shape_e1': 'ellipticity (1 - q) / (1 + q) times cos 2 PA',
    'shape_e2': 'ellipticity (1 - q) / (1 + q) times sin 2 PA', 'z': 'simulated redshift',
    'ebv': 'E(B-V)', 'seed': 'what all random numbers of the image of the row follow from'}


class MockSurvey(CatalogSource):
    """
    Draw a catalogue of simulated galaxies and confusers.

    Parameters
    ----------
    n_galaxies : int, optional
        Number of rows.
    first_row : int, optional
        Number of the first row; partitions of a survey are made with it.
    seed : int, optional
        Of the survey. A row depends on this and on its number only.
    fractions : dict of str to float, optional
        Share of confuser families among the rows, `NATURAL_FRACTIONS` by
        default. Families that are left out do not occur.
    early_fraction : float, optional
        Share of early types among the other galaxies.

    Raises
    ------
    ConfigError
        If a family is unknown or a number cannot be.

    Notes
    -----
    Seeing in r, depth and E(B-V) follow their quantiles and rank correlations
    over 2,693 regions of DR10, the depth shifted to the typical 5-sigma depth of
    g 24.7, r 23.9 and z 23.0 [1]_. Fluxes are as observed, with the extinction.
    ``is_lens`` is false throughout: lenses are made by injection, so that they
    and the negatives come from the same galaxies and conditions.

    References
    ----------
    .. [1] Dey et al. 2019, arXiv:1804.08657

    Examples
    --------
    >>> from lensfinder_audit.sources.mock_survey import MockSurvey
    >>> table = MockSurvey(n_galaxies=40, seed=3)()
    >>> len(table), table.meta['simulated'], table['psfsize_r'].unit
    (40, True, Unit("arcsec"))
    """

    reference = 'arXiv:1804.08657'

    def __init__(self, *, n_galaxies=10000, first_row=0, seed=42, fractions=None,
                 early_fraction=0.6):
        self.n_galaxies = n_galaxies
        self.first_row = first_row
        self.seed = seed
        self.fractions = fractions
        self.early_fraction = early_fraction
        _check_rows(n_galaxies, first_row)
        _check_fractions(self._shares, early_fraction)

    @property
    def _shares(self):
        return NATURAL_FRACTIONS if self.fractions is None else self.fractions

    def read(self):
        """
        Draw the catalogue.

        Returns
        -------
        table : (n_galaxies,) `~astropy.table.QTable`
            The ``reference`` schema and the columns of a Tractor catalogue:
            brick, type, shape, fluxes, conditions, mask bits; ``morphology``
            and ``seed`` say how the row is drawn. ``meta['simulated']`` is true.
        """
        rows = self.first_row + np.arange(self.n_galaxies)
        draws = Draws(self.seed, rows)
        galaxies = ordinary_galaxies(draws, early_fraction=self.early_fraction)
        galaxies['family'] = self._families(draws)
        _shape_families(galaxies, draws)
        table = QTable({**_names(self.seed, rows, galaxies['family']),
                        **_sky(self.seed, rows, draws), **_photometry(galaxies)})
        _redden(table)
        table['maskbits'] = _mask_bits(draws, galaxies['family'])
        table['seed'] = draws.bits('image')
        for name, text in _DESCRIPTIONS.items():
            table[name].info.description = text
        table.meta = {'simulated': True, 'catalogue': 'mock survey', 'seed': self.seed}
        return table

    def _families(self, draws):
        names = [*(name for name in FAMILIES if name in self._shares), '']
        shares = [self._shares[name] for name in names[:-1]]
        return draws.choice('family', names, [*shares, max(1 - sum(shares), 0)])


def _check_rows(n_galaxies, first_row):
    most = N_BRICKS * ROWS_PER_BRICK
    if not (n_galaxies >= 1 and first_row >= 0 and first_row + n_galaxies <= most):
        raise ConfigError(f'a mock survey has rows 0 to {most - 1}; n_galaxies={n_galaxies} from '
                          f'first_row={first_row} is not among them')


def _check_fractions(fractions, early_fraction):
    for name in fractions:
        if name not in FAMILIES:
            raise ConfigError(f'there is no confuser family {name!r}; the families are '
                              f'{list(FAMILIES)}.{did_you_mean(name, FAMILIES)}')
    if min(fractions.values(), default=0) < 0 or sum(fractions.values()) > 1 + 1e-9:
        raise ConfigError(f'fractions of families are positive and at most 1 together, not '
                          f'{fractions}')
    if not 0 <= early_fraction <= 1:
        raise ConfigError(f'early_fraction is a share between 0 and 1, not {early_fraction}')


def _names(seed, rows, family):
    n = len(rows)
    names = np.array([f'mock-{seed}-{row}' for row in rows.tolist()])
    return {'name': names, 'object_id': names, 'is_lens': np.zeros(n, dtype=bool),
            'grade': np.full(n, ''), 'tier': np.full(n, ''), 'tier_reason': np.full(n, ''),
            'discovery_method': np.full(n, 'simulated'), 'confuser_class': family,
            'in_training': np.full(n, 'unknown'), 'reference': np.full(n, 'simulated')}


def _sky(seed, rows, draws):
    number, place = np.unique(rows // ROWS_PER_BRICK, return_inverse=True)
    index, ra, dec, width = (part[place] for part in brick_positions(seed, number))
    brick = {name: values[place] for name, values in
             brick_conditions(Draws(seed, number, kind='brick')).items()}
    tenths = np.round(np.abs(dec) * 10).astype(int)
    names = [f'{round(a * 10):04d}{"m" if d < 0 else "p"}{t:03d}'
             for a, d, t in zip(ra.tolist(), dec.tolist(), tenths.tolist(), strict=True)]
    found = {'ra': (ra + draws.uniform('ra', -0.5, 0.5) * width) * u.deg,
             'dec': (dec + draws.uniform('dec', -0.125, 0.125)) * u.deg,
             'brick': np.array(names), 'brickid': index, 'objid': rows % ROWS_PER_BRICK}
    units = {'psfsize': u.arcsec, 'psfdepth': u.nmgy ** -2, 'nobs': 1, 'ebv': u.mag}
    for name, values in conditions(draws, brick).items():
        unit = units[name.partition('_')[0]]
        found[name] = values if unit == 1 else values * unit
    for band, seconds in EXPOSURE.items():
        found[f'exptime_{band}'] = found[f'nobs_{band}'] * seconds * u.s
    return found


def _shape_families(galaxies, draws):
    """Give rows of a confuser family the magnitude, size and colour of their kind."""
    for family, (magnitude, size, types) in _LOOKS.items():
        chosen = galaxies['family'] == family
        changes = {'r': draws.uniform('family magnitude', *magnitude),
                   'shape_r': draws.uniform('family size', *size),
                   'type': draws.choice('family type', types, np.ones(len(types))),
                   **_family_shape(family, galaxies, draws)}
        for name, values in changes.items():
            galaxies[name] = np.where(chosen, values, galaxies[name])


def _family_shape(family, galaxies, draws):
    spread = {'edge-on': (0.56, 0.78), 'merger': (0.1, 0.4), 'large galaxy': (0.0, 0.45)}
    found = {'ellipticity': draws.uniform('family shape', *spread.get(family, (0.0, 0.16)))}
    if family in ('ring', 'large galaxy'):  # red hearts
        redshift = draws.uniform('family redshift', *((0.08, 0.3) if family == 'ring'
                                                      else (0.01, 0.06)))
        red = draws.normal('family colour', 0, 0.08)
        return {**found, 'redshift': redshift, 'g_r': 0.75 + 1.2 * redshift + red,
                'r_z': 0.45 + 0.8 * redshift + red, 'morphology': 'early'}
    found['sersic'] = draws.uniform('family index', 0.8, 1.5)
    found['morphology'] = 'late'
    redshift = draws.uniform('family redshift', 0.03, 0.25)
    blue = draws.normal('family colour', 0, 0.10)
    if family == 'blue clumpy':
        blue = draws.uniform('family colour', -0.50, -0.32)
    return {**found, 'redshift': redshift, 'g_r': 0.50 + 0.5 * redshift + blue,
            'r_z': 0.32 + 0.5 * redshift + blue}


def _photometry(galaxies):
    index = {'DEV': 4.0, 'EXP': 1.0, 'REX': 1.0}
    kind, e, angle = galaxies['type'], galaxies['ellipticity'], galaxies['angle']
    e = np.where(kind == 'REX', 0.0, e)
    g_r, r_z = galaxies['g_r'], galaxies['r_z']
    magnitudes = {'g': galaxies['r'] + g_r, 'r': galaxies['r'], 'z': galaxies['r'] - r_z}
    fluxes = {f'flux_{band}': 10 ** (0.4 * (22.5 - m)) * u.nmgy for band, m in magnitudes.items()}
    sersic = np.select([kind == name for name in index], list(index.values()), galaxies['sersic'])
    return {'type': kind, 'morphology': galaxies['morphology'], **fluxes,
            'shape_r': galaxies['shape_r'] * u.arcsec, 'sersic': sersic,
            'shape_e1': e * np.cos(2 * angle), 'shape_e2': e * np.sin(2 * angle),
            'z': galaxies['redshift']}


def _redden(table):
    """Redden colours at fixed r, in which the catalogue is limited as observed."""
    for band, ratio in EXTINCTION.items():
        magnitudes = (ratio - EXTINCTION['r']) * table['ebv'].to_value(u.mag)
        table[f'flux_{band}'] = table[f'flux_{band}'] * 10 ** (-0.4 * magnitudes)


def _mask_bits(draws, family):
    """Half of the stamps near a bright star are flagged so (bit 1)."""
    near = np.isin(family, ('star spike', 'bleed trail')) & (draws.uniform('mask') < 0.5)
    return np.where(near, 2, 0)
