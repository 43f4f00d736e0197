# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The Hyper Suprime-Cam Subaru Strategic Program (HSC-SSP), third data release.

Survey and pixels: Aihara et al. 2022, arXiv:2108.13045. Coadds are published with
a zero point of 27; multiply them by 10**(-0.4 * (27 - 22.5)) for nanomaggies.
Electron zero points: Subaru Telescope's page of the HSC filters, "mag for 1 e-/s",
of the r2 and i2 filters where there are two.
"""
from astropy import units as u

from lensfinder_audit.survey import ConditionColumn, Survey

HSC_SSP = Survey(
    name='HSC-SSP PDR3',
    reference='arXiv:2108.13045',
    bands=('g', 'r', 'i', 'z', 'y'),
    pixel_scale=0.168 * u.arcsec,
    zero_point=22.5 * u.ABmag,
    electron_zero_points={'g': 28.8, 'r': 28.9, 'i': 28.5, 'z': 27.5, 'y': 27.2},
    conditions={f'{band}_seeing': ConditionColumn('arcsec', f'FWHM of the PSF, {band} band')
                for band in 'grizy'},
)
