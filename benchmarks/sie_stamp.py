#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time ``sie_stamp`` beside lenstronomy's INTERPOL, on the same systems and in one run.

Each way renders the same lensed galaxies in three bands, convolved with a PSF. It prints
the CPU time per system, and the errors of the flux and of the brightest pixel, both from
lenstronomy at 16 x 16 samples per pixel in one band. It fails where the simulator is less
than 50 times faster than lenstronomy at 4 x 4, or a flux is off by more than 0.2 percent::

    python benchmarks/sie_stamp.py
    python benchmarks/sie_stamp.py --library real_galaxy_catalog.fits --systems 24

Without a library, made-up galaxies of several clumps are lensed. Needs lenstronomy. Set
OMP_NUM_THREADS=1 to keep libraries to one core.
"""
import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path
from time import process_time

for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NUMBA_NUM_THREADS'):
    os.environ.setdefault(name, '1')

import lenstronomy  # noqa: E402
import numpy as np  # noqa: E402
from astropy import units as u  # noqa: E402
from astropy.io import fits  # noqa: E402
from astropy.table import QTable, Table  # noqa: E402
from lenstronomy.SimulationAPI.sim_api import SimAPI  # noqa: E402
from lenstronomy.Util.param_util import phi_q2_ellipticity  # noqa: E402

from lensfinder_audit.psf import MoffatPSF, convolve  # noqa: E402
from lensfinder_audit.simulators._stamp_kernel import trace_stamp  # noqa: E402
from lensfinder_audit.simulators.sie_stamp import SieStamp  # noqa: E402

SCALE, SIZE = 0.262, 101
FWHM = (1.4, 1.3, 1.2)
FASTER, FLUX = 50, 2e-3


def make_library(folder, number=12):
    """Write galaxies of a disk and clumps, blurred and noisy, at 0.03 arcsec per pixel."""
    rng = np.random.default_rng(1)
    y, x = np.indices((100, 100)) - 49.5
    rows, units = [], [fits.PrimaryHDU()]
    for row in range(number):
        image = np.exp(-np.hypot(x, y / rng.uniform(0.4, 1)) / rng.uniform(5, 12))
        for _ in range(8):
            place, width = rng.normal(0, 8, 2), rng.uniform(1.5, 3)
            image += rng.uniform(0.2, 0.8) * np.exp(
                -0.5 * ((x - place[0]) ** 2 + (y - place[1]) ** 2) / width ** 2)
        units.append(fits.ImageHDU(image + rng.normal(0, 0.03, image.shape)))
        rows.append(('made_up.fits', row + 1, 0.03, rng.uniform(21, 23.4), rng.uniform(0.5, 2)))
    fits.HDUList(units).writeto(folder / 'made_up.fits')
    path = folder / 'catalog.csv'
    Table(rows=rows, names=('file', 'hdu', 'pixel_scale', 'mag', 'z')).write(path)
    return path


def interpol(lens, stamp, place):
    """Return lenstronomy's arguments for the image of a galaxy."""
    x, y, phi, scale, row, column = place
    image, (ny, nx) = stamp.image, stamp.image.shape
    if scale < 0:
        image, column, scale = image[:, ::-1], nx - 1 - column, -scale
    right, up = scale * ((nx - 1) / 2 - column), scale * ((ny - 1) / 2 - row)
    return {'image': image / scale ** 2, 'center_x': x + np.cos(phi) * right - np.sin(phi) * up,
            'center_y': y + np.sin(phi) * right + np.cos(phi) * up, 'phi_G': phi, 'scale': scale}


def lenstronomy_bands(lens, stamp, place, fluxes, kernels, supersampling):
    """One ImageModel per band, as SimulationAPI is used; each tabulates the galaxy anew."""
    ellipse = dict(zip(('e1', 'e2'), phi_q2_ellipticity(lens.phi, lens.q), strict=True))
    kwargs_lens = [{'theta_E': lens.theta_e, 'center_x': lens.x, 'center_y': lens.y, **ellipse},
                   {'gamma1': lens.gamma_1, 'gamma2': lens.gamma_2, 'ra_0': lens.x,
                    'dec_0': lens.y}]
    galaxy, images = interpol(lens, stamp, place), []
    for flux, kernel in zip(fluxes, kernels, strict=True):
        api = SimAPI(SIZE, {'pixel_scale': SCALE, 'exposure_time': 1, 'magnitude_zero_point': 22.5,
                            'background_noise': 1, 'psf_type': 'PIXEL',
                            'kernel_point_source': kernel},
                     {'lens_model_list': ['SIE', 'SHEAR'], 'source_light_model_list': ['INTERPOL']})
        model = api.image_model_class({'supersampling_factor': supersampling,
                                       'supersampling_convolution': False})
        images.append(model.image(kwargs_lens, [{'amp': flux, **galaxy}], None, None))
    return np.array(images)


def package_bands(lens, planes, place, fluxes, psf):
    """One ray trace and one convolution per band; the pixel acts twice, as it does there."""
    image = trace_stamp(lens, planes, place, shape=(SIZE, SIZE), pixel_scale=SCALE)
    return convolve(image[None, None], psf, SCALE * u.arcsec)[0] * np.reshape(fluxes, (-1, 1, 1))


def measure(options, folder):
    """Return CPU times and images of each way."""
    library = options.library or make_library(Path(folder))
    simulator = SieStamp(library=library, theta_e=(0.7, 2.2) * u.arcsec, redshift=None)
    systems = simulator.draw(QTable({'row': np.arange(options.systems)}),
                             seeds=np.arange(options.systems))
    psf = MoffatPSF([FWHM] * u.arcsec)
    kernels = psf.kernels(SCALE * u.arcsec)[0]
    best = {name: np.full(len(systems), np.inf) for name in ('lenstronomy, 4 x 4', 'sie_stamp')}
    images = {name: [] for name in ('lenstronomy, 4 x 4', 'sie_stamp', 'lenstronomy, 16 x 16')}
    for row, (lens, planes, place) in enumerate(simulator._systems(systems)):
        stamp = simulator._image(systems['source_stamp'][row])[0]
        fluxes = [systems[f'source_flux_{band}'][row].value for band in 'grz']
        ways = {'lenstronomy, 4 x 4': lambda s=stamp: lenstronomy_bands(
                    lens, s, place, fluxes, kernels, 4),
                'sie_stamp': lambda p=planes: package_bands(lens, p, place, fluxes, psf)}
        for name, way in ways.items():
            for _ in range(options.repeats):
                start = process_time()
                image = way()
                best[name][row] = min(best[name][row], process_time() - start)
            images[name].append(image[-1])
        images['lenstronomy, 16 x 16'].append(
            lenstronomy_bands(lens, stamp, place, fluxes[-1:], kernels[-1:], 16)[0])
    return best, {name: np.array(stack) for name, stack in images.items()}


def main():
    """Print the table; return 1 where a bound is not held."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--library', help='catalogue of galaxies; made-up ones by default')
    parser.add_argument('--systems', type=int, default=12)
    parser.add_argument('--repeats', type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        best, images = measure(options, folder)
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, lenstronomy '
          f'{lenstronomy.__version__}, {platform.machine()}, CPU time, {options.systems} systems '
          f'of 3 x {SIZE} x {SIZE}, best of {options.repeats}\n')
    print(f'{"":24}{"ms per system":>14}{"times faster":>14}{"flux":>10}{"pixel":>10}')
    names = list(best)
    reference = images['lenstronomy, 16 x 16']
    for name in names:
        flux = np.abs(images[name].sum(axis=(1, 2)) / reference.sum(axis=(1, 2)) - 1).max()
        pixel = np.abs(images[name].max(axis=(1, 2)) / reference.max(axis=(1, 2)) - 1).max()
        print(f'{name:24}{1e3 * best[name].mean():14.1f}'
              f'{best[names[0]].mean() / best[name].mean():14.1f}{flux:10.1e}{pixel:10.1e}')
    faster = best[names[0]].mean() / best[names[1]].mean()
    met = faster >= FASTER and flux <= FLUX
    print(f'\nbounds: {FASTER} times faster ({faster:.0f}), flux within {FLUX:g} ({flux:.1e}): '
          f'{"met" if met else "NOT met"}')
    return int(not met)


if __name__ == '__main__':
    sys.exit(main())
