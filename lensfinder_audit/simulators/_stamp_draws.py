# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What ``sie_stamp`` draws: lens, place and photometry, as ``sie_sersic`` does, and a galaxy."""
import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConfigError

__all__ = ['draw_lens', 'add_photometry', 'check_ends', 'system_columns']

_COLUMNS = {
    'seed': 'seed of the row',
    'theta_e': 'Einstein radius: the critical curve without shear encloses pi theta_e^2',
    'lens_q': 'axis ratio of the lens',
    'lens_phi': 'position angle of the lens, counter-clockwise from +x',
    'lens_x': 'center of the lens, from that of the stamp',
    'lens_y': 'center of the lens, from that of the stamp',
    'shear_1': 'external shear along x',
    'shear_2': 'external shear along the diagonal',
    'source_x': 'unlensed centroid of the source, from the center of the stamp',
    'source_y': 'unlensed centroid of the source, from the center of the stamp',
    'source_phi': 'angle by which the image of the source is turned, counter-clockwise',
    'source_flipped': 'whether the image of the source is mirrored, left to right, before that',
    'source_stamp': 'name of the galaxy in the library',
    'source_z': 'redshift that the galaxy was chosen for',
    'source_re': 'radius about the centroid of the source that holds half its light',
    'source_scale': 'size of the source over that of the galaxy on the sky',
    'magnification': 'flux of all images over that of the source'}


def system_columns():
    """Return the columns of a system and what they hold."""
    return dict(_COLUMNS)


def draw_lens(simulator, seeds):
    """
    Draw all but the galaxy, each row from its own generator.

    Parameters
    ----------
    simulator : `~lensfinder_audit.simulators.sie_stamp.SieStamp`
        Holds the priors.
    seeds : (n,) `~numpy.ndarray` of uint64
        One per row.

    Returns
    -------
    values : dict of str to (n,) array
        Columns, and ``choice`` in [0, 1) and ``size`` in arcsec for the galaxy.
    magnitudes : dict of str to (n,) `~numpy.ndarray`
        Unlensed, by band.
    """
    chance = [_chance(seed) for seed in seeds]
    level = np.reshape([row[0] for row in chance], (-1, 10)).T
    normal = np.reshape([row[1] for row in chance], (-1, 6)).T
    more = np.reshape([row[2] for row in chance], (-1, 3)).T
    theta_e = _uniform(np.broadcast_to(simulator.theta_e, 2, subok=True), level[0])
    distance = theta_e * np.sqrt(_uniform(np.square(simulator.beta), level[1]))
    lens_x, lens_y = simulator.offset * normal[2], simulator.offset * normal[3]
    values = {'theta_e': theta_e, 'lens_q': _uniform(simulator.lens_q, level[2]),
              'lens_phi': 180 * level[3] * u.deg, 'lens_x': lens_x, 'lens_y': lens_y,
              'shear_1': simulator.shear * normal[0], 'shear_2': simulator.shear * normal[1],
              'source_x': lens_x + distance * np.cos(2 * np.pi * level[4]),
              'source_y': lens_y + distance * np.sin(2 * np.pi * level[4]),
              'source_phi': 180 * (level[8] + (more[2] >= 0.5)) * u.deg,
              'source_flipped': (2 * more[2]) % 1 >= 0.5, 'choice': more[1],
              'source_z': _uniform(simulator.redshift or (np.nan, np.nan), more[0]),
              'size': _uniform(np.broadcast_to(_radii(simulator), 2), level[5])}
    r = _uniform(simulator.r_magnitude, level[9])
    return values, {'g': r + (simulator.g_r[0] + simulator.g_r[1] * normal[4]), 'r': r,
                    'z': r - (simulator.r_z[0] + simulator.r_z[1] * normal[5])}


def add_photometry(systems, magnitudes):
    """Add the magnitudes and fluxes of sources, and the magnitudes of their images."""
    for band, values in magnitudes.items():
        lensed = values - 2.5 * np.log10(systems['magnification'])
        for name, column, what in (
                (f'source_mag_{band}', u.Magnitude(values, u.ABmag), 'unlensed magnitude'),
                (f'source_flux_{band}', 10 ** (0.4 * (22.5 - values)) * u.nmgy, 'unlensed flux'),
                (f'lensed_mag_{band}', u.Magnitude(lensed, u.ABmag), 'magnitude of all images')):
            systems[name] = column
            systems[name].info.description = f'{what} in {band}'


def check_ends(simulator):
    """Raise if a prior holds what no system can have."""
    theta_e = u.Quantity(simulator.theta_e)
    if theta_e.shape not in ((), (2,)):
        raise ConfigError(f'theta_e is one angle or two, not {simulator.theta_e}')
    pairs = [('theta_e', np.broadcast_to(theta_e.to_value(u.arcsec), 2), 0, np.inf),
             ('lens_q', simulator.lens_q, 0, 1), ('beta', simulator.beta, -1e-9, np.inf),
             ('r_magnitude', simulator.r_magnitude, -np.inf, np.inf)]
    if simulator.source_re is not None:
        pairs.append(('source_re', np.broadcast_to(_radii(simulator), 2), 0, np.inf))
    if simulator.redshift is not None:
        pairs.append(('redshift', simulator.redshift, -1e-9, np.inf))
    for name, pair, above, most in pairs:
        if len(pair) != 2 or not above < pair[0] <= pair[1] <= most:
            raise ConfigError(f'{name} is drawn between two ends, least first, within '
                              f'({max(above, 0):g}, {most:g}]; {getattr(simulator, name)} is not')
    if simulator.candidates < 1 or not 0.1 <= simulator.spacing <= 4:
        raise ConfigError(f'candidates is at least 1 and spacing lies in [0.1, 4]; here they are '
                          f'{simulator.candidates} and {simulator.spacing}')


def _radii(simulator):
    if simulator.source_re is None:
        return np.array([np.nan, np.nan])
    return u.Quantity(simulator.source_re).to_value(u.arcsec)


def _chance(seed):
    """The random numbers of a row, the first those of ``sie_sersic``."""
    rng = np.random.default_rng(seed)
    return rng.random(10), rng.standard_normal(6), rng.random(3)


def _uniform(ends, level):
    return ends[0] + (ends[1] - ends[0]) * level
