# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What ``sie_stamp`` draws: lens, place and photometry, as ``sie_sersic`` does, and a galaxy."""
import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.simulators._population import (LENS_COLUMNS, check_pairs, draw_lenses,
                                                     draw_magnitudes, random_numbers,
                                                     theta_e_ends, uniform)

__all__ = ['draw_lens', 'check_ends', 'system_columns']

_COLUMNS = {
    **LENS_COLUMNS,
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
    level, normal, more = random_numbers(seeds, 3)
    values = draw_lenses(simulator, level, normal) | {
        'source_phi': 180 * (level[8] + (more[2] >= 0.5)) * u.deg,
        'source_flipped': (2 * more[2]) % 1 >= 0.5, 'choice': more[1],
        'source_z': uniform(simulator.redshift or (np.nan, np.nan), more[0]),
        'size': uniform(np.broadcast_to(_radii(simulator), 2), level[5])}
    return values, draw_magnitudes(simulator, level, normal)


def check_ends(simulator):
    """Raise if a prior holds what no system can have."""
    pairs = [('theta_e', theta_e_ends(simulator), 0, np.inf),
             ('lens_q', simulator.lens_q, 0, 1), ('beta', simulator.beta, -1e-9, np.inf),
             ('r_magnitude', simulator.r_magnitude, -np.inf, np.inf)]
    if simulator.source_re is not None:
        pairs.append(('source_re', np.broadcast_to(_radii(simulator), 2), 0, np.inf))
    if simulator.redshift is not None:
        pairs.append(('redshift', simulator.redshift, -1e-9, np.inf))
    check_pairs(simulator, pairs)
    if simulator.candidates < 1 or not 0.1 <= simulator.spacing <= 4:
        raise ConfigError(f'candidates is at least 1 and spacing lies in [0.1, 4]; here they are '
                          f'{simulator.candidates} and {simulator.spacing}')


def _radii(simulator):
    if simulator.source_re is None:
        return np.array([np.nan, np.nan])
    return u.Quantity(simulator.source_re).to_value(u.arcsec)
