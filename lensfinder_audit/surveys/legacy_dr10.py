# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
DESI Legacy Imaging Surveys DR10, the home survey.

Values are those of Dey et al. 2019 (arXiv:1804.08657) and of the DR10 file
descriptions. The electron zero points and the brightness of the dark sky are
the nominal ones of the survey's DECam photometric calibration; the r zero point
gives 53.4 electrons per second and nanomaggy.
"""
import numpy as np
from astropy import units as u

from lensfinder_audit.survey import PIXEL_SCALE, ConditionColumn, Survey

__all__ = ['LEGACY_DR10']

# The published injection grid has its cells centred on 0.90, 1.05 ... 1.80
# arcsec, on 22.5 ... 24.5 mag and on 0.50 ... 3.00 arcsec.
_PSF_EDGES = tuple(np.round(np.arange(0.825, 1.9, 0.15), 3).tolist())
_DEPTH_EDGES = tuple(np.arange(22.25, 25.0, 0.5).tolist())
_THETA_E_EDGES = tuple(np.arange(0.375, 3.2, 0.25).tolist())
_NOBS_EDGES = (1.0, 3.0, 6.0, 11.0, np.inf)


def _per_band(name, unit, description, edges=()):
    return {f'{name}_{band}': ConditionColumn(unit, f'{description}, {band} band', edges)
            for band in 'grz'}


LEGACY_DR10 = Survey(
    name='DESI Legacy Imaging Surveys DR10',
    reference='arXiv:1804.08657',
    bands=('g', 'r', 'z'),
    pixel_scale=PIXEL_SCALE,
    zero_point=22.5 * u.ABmag,
    electron_zero_points={'g': 26.610, 'r': 26.818, 'z': 26.484},
    conditions={
        **_per_band('nobs', '', 'number of exposures at the object', _NOBS_EDGES),
        **_per_band('psfsize', 'arcsec', 'FWHM of the point spread function', _PSF_EDGES),
        **_per_band('psfdepth', '1 / nmgy2', 'inverse variance of a point source flux'),
        **_per_band('galdepth', '1 / nmgy2', 'inverse variance of a round exponential galaxy flux'),
        **_per_band('depth', 'mag(AB)', '5-sigma point source magnitude', _DEPTH_EDGES),
        'ebv': ConditionColumn('mag', 'SFD E(B-V)', (0.0, 0.02, 0.04, 0.08, 0.16, np.inf)),
        'type': ConditionColumn('', 'Tractor morphological type'),
        'theta_e': ConditionColumn('arcsec', 'Einstein radius', _THETA_E_EDGES),
    },
    sky_brightness={'g': 22.04, 'r': 20.91, 'z': 18.46},
    mask_bits={'BRIGHT': 1, 'ALLMASK_G': 5, 'ALLMASK_R': 6, 'ALLMASK_Z': 7,
               'MEDIUM': 11, 'GALAXY': 12, 'CLUSTER': 13},
    depth_convention='psfdepth and galdepth: inverse variance in 1/nanomaggy^2; '
                     '5-sigma magnitude = 22.5 - 2.5 log10(5 / sqrt(depth))',
)
