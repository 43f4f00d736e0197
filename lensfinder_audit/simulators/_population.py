# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What simulators of isothermal ellipsoids draw alike: lens, place and light of the source."""
import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.simulators._row_generators import row_generators

__all__ = ['LENS_COLUMNS', 'random_numbers', 'draw_lenses', 'draw_magnitudes', 'add_photometry',
           'uniform', 'check_pairs', 'theta_e_ends']

LENS_COLUMNS = {
    'seed': 'seed of the row',
    'theta_e': 'Einstein radius: the critical curve without shear encloses pi theta_e^2',
    'lens_q': 'axis ratio of the lens',
    'lens_phi': 'position angle of the lens, counter-clockwise from +x',
    'lens_x': 'center of the lens, from that of the stamp',
    'lens_y': 'center of the lens, from that of the stamp',
    'shear_1': 'external shear along x',
    'shear_2': 'external shear along the diagonal'}


def random_numbers(seeds, n_more):
    """
    Draw the numbers of each row from its own generator.

    Parameters
    ----------
    seeds : (n,) `~numpy.ndarray` of uint64
        One per row.
    n_more : int
        How many numbers a simulator needs beyond those that all of them draw alike.

    Returns
    -------
    level : (10, n) `~numpy.ndarray`
        Uniform in [0, 1).
    normal : (6, n) `~numpy.ndarray`
        Standard normal.
    more : (n_more, n) `~numpy.ndarray`
        Uniform in [0, 1), drawn after the others, which do not depend on them.
    """
    chance = [(rng.random(10), rng.standard_normal(6), rng.random(n_more))
              for rng in row_generators(seeds)]
    return tuple(np.reshape([row[k] for row in chance], (len(seeds), size)).T
                 for k, size in enumerate((10, 6, n_more)))


def draw_lenses(simulator, level, normal):
    """
    Draw the lenses, and where their sources lie.

    Parameters
    ----------
    simulator : `~lensfinder_audit.interfaces.InjectionSimulator`
        Holds the priors theta_e, lens_q, shear, offset and beta.
    level, normal : (10, n) and (6, n) `~numpy.ndarray`
        As `random_numbers` returns them.

    Returns
    -------
    values : dict of str to (n,) array
        `LENS_COLUMNS` without the seed, ``source_x`` and ``source_y``.
    """
    theta_e = uniform(np.broadcast_to(simulator.theta_e, 2, subok=True), level[0])
    distance = theta_e * np.sqrt(uniform(np.square(simulator.beta), level[1]))
    lens_x, lens_y = simulator.offset * normal[2], simulator.offset * normal[3]
    return {'theta_e': theta_e, 'lens_q': uniform(simulator.lens_q, level[2]),
            'lens_phi': 180 * level[3] * u.deg, 'lens_x': lens_x, 'lens_y': lens_y,
            'shear_1': simulator.shear * normal[0], 'shear_2': simulator.shear * normal[1],
            'source_x': lens_x + distance * np.cos(2 * np.pi * level[4]),
            'source_y': lens_y + distance * np.sin(2 * np.pi * level[4])}


def draw_magnitudes(simulator, level, normal):
    """Return the unlensed magnitudes by band, from the priors r_magnitude, g_r and r_z."""
    r = uniform(simulator.r_magnitude, level[9])
    return {'g': r + (simulator.g_r[0] + simulator.g_r[1] * normal[4]), 'r': r,
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


def uniform(ends, level):
    """Return what lies between two ends, where the level says."""
    return ends[0] + (ends[1] - ends[0]) * level


def theta_e_ends(simulator):
    """Return both ends of the prior of the Einstein radius in arcsec."""
    theta_e = u.Quantity(simulator.theta_e)
    if theta_e.shape not in ((), (2,)):
        raise ConfigError(f'theta_e is one angle or two, not {simulator.theta_e}')
    return np.broadcast_to(theta_e.to_value(u.arcsec), 2)


def check_pairs(simulator, pairs):
    """
    Raise if a prior is empty or holds what no system can have.

    Parameters
    ----------
    simulator : `~lensfinder_audit.interfaces.InjectionSimulator`
        For the words of the message.
    pairs : sequence of (str, (2,) array_like, float, float)
        Name, ends, what they lie above and what they reach at most.

    Raises
    ------
    ConfigError
        Naming the prior and what is allowed.
    """
    for name, pair, above, most in pairs:
        if len(pair) != 2 or not above < pair[0] <= pair[1] <= most:
            raise ConfigError(f'{name} is drawn between two ends, least first, within '
                              f'({max(above, 0):g}, {most:g}]; {getattr(simulator, name)} is not')
