#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time ``sie_sersic`` beside lenstronomy, on the same systems and in one run.

Each way renders the same lensed sources in three bands, convolved with a PSF. It prints
the CPU time per system and the errors of the flux and of the brightest pixel, both from
11 x 11 samples per pixel where every way does the same and from the magnification::

    python benchmarks/sie_sersic.py
    python benchmarks/sie_sersic.py --systems 50 --repeats 5

A second table tells the errors for systems of the default priors: of the magnification,
against sixteen times as many rays, and of the flux of an image that fits its stamp.

Needs lenstronomy. Set OMP_NUM_THREADS=1 to keep libraries to one core.
"""
import argparse
import platform
import sys
from time import process_time

import lenstronomy
import numpy as np
from astropy import units as u
from astropy.table import QTable
from lenstronomy.SimulationAPI.sim_api import SimAPI
from lenstronomy.Util.param_util import phi_q2_ellipticity

from lensfinder_audit import lensing, raytrace
from lensfinder_audit.psf import MoffatPSF, convolve
from lensfinder_audit.raytrace import lensed_image
from lensfinder_audit.simulators import sie_sersic

SCALE, SIZE = 0.262, 101
FWHM = (1.4, 1.3, 1.2)


def lenstronomy_bands(lens, source, fluxes, kernels, supersampling):
    """One ImageModel per band, as SimulationAPI is used."""
    ellipse = dict(zip(('e1', 'e2'), phi_q2_ellipticity(lens.phi, lens.q), strict=True))
    light = dict(zip(('e1', 'e2'), phi_q2_ellipticity(source.phi, source.q), strict=True))
    kwargs_lens = [{'theta_E': lens.theta_e, 'center_x': lens.x, 'center_y': lens.y, **ellipse},
                   {'gamma1': lens.gamma_1, 'gamma2': lens.gamma_2, 'ra_0': lens.x,
                    'dec_0': lens.y}]
    images = []
    for flux, kernel in zip(fluxes, kernels, strict=True):
        api = SimAPI(SIZE, {'pixel_scale': SCALE, 'exposure_time': 1, 'magnitude_zero_point': 22.5,
                            'background_noise': 1, 'psf_type': 'PIXEL',
                            'kernel_point_source': kernel},
                     {'lens_model_list': ['SIE', 'SHEAR'],
                      'source_light_model_list': ['SERSIC_ELLIPSE']})
        model = api.image_model_class({'supersampling_factor': supersampling,
                                       'supersampling_convolution': False})
        kwargs_source = [{'amp': flux * source.brightness_at(1.0), 'n_sersic': source.n,
                          'R_sersic': source.re * np.sqrt(source.q), 'center_x': source.x,
                          'center_y': source.y, **light}]
        images.append(model.image(kwargs_lens, kwargs_source, None, None))
    return np.array(images)


def package_bands(lens, source, fluxes, psf, **options):
    """One ray trace and one convolution per band; the pixel acts twice, as it does there."""
    image = lensed_image(lens, source, shape=(SIZE, SIZE), pixel_scale=SCALE, **options)
    return convolve(image[None, None], psf, SCALE * u.arcsec)[0] * np.reshape(fluxes, (-1, 1, 1))


def accuracy(number):
    """Print the errors for systems of the default priors."""
    systems = sie_sersic.SieSersic().draw(range(number), seeds=np.arange(number))
    errors = []
    for row, values in enumerate(sie_sersic._plain_rows(systems)):
        system = sie_sersic._lens(values), sie_sersic._source(values)
        exact = raytrace.magnification(*system, rays=2 ** 16)
        images = [lensed_image(*system, shape=(401, 401), pixel_scale=SCALE, tolerance=tolerance)
                  for tolerance in (None, 5e-6, 1e-6)]
        found = [systems['magnification'][row], *(image.sum() for image in images)]
        errors.append(np.array(found) / exact)
    worst = np.abs(np.array(errors) - 1).max(axis=0)
    print(f'{number} systems of the default priors, largest relative errors')
    for name, value in zip(('magnification', 'flux, 4 x 4 everywhere', 'flux, where steep',
                            'flux, tolerance 1e-6'), worst, strict=True):
        print(f'{name:32}{value:14.1e}')
    print()


def main():
    """Print the table; fail where the same grid does not give the same image."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--systems', type=int, default=20)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--priors', type=int, default=50, help='systems of the second table')
    options = parser.parse_args()
    accuracy(options.priors)
    for module in (lensing, raytrace):  # lenstronomy's approximation, so that light is the same
        module.sersic_b = lambda n: 1.9992 * n - 0.3271
    simulator = sie_sersic.SieSersic(theta_e=(0.5, 2.5) * u.arcsec, source_re=(0.2, 0.5) * u.arcsec,
                                     source_n=(0.5, 1.5))
    systems = simulator.draw(QTable({'row': np.arange(options.systems)}),
                             seeds=np.arange(options.systems))
    psf = MoffatPSF([FWHM] * u.arcsec)
    kernels = psf.kernels(SCALE * u.arcsec)[0]
    ways = {'lenstronomy, 4 x 4': lambda *s: lenstronomy_bands(*s, kernels, 4),
            'this package, 4 x 4 everywhere': lambda *s: package_bands(*s, psf, tolerance=None),
            'this package, where steep': lambda *s: package_bands(*s, psf),
            'lenstronomy, 11 x 11': lambda *s: lenstronomy_bands(*s, kernels, 11)}
    best = {name: np.full(len(systems), np.inf) for name in ways}
    images = {name: [None] * len(systems) for name in ways}
    for row, values in enumerate(sie_sersic._plain_rows(systems)):
        system = sie_sersic._lens(values), sie_sersic._source(values), [
            systems[f'source_flux_{band}'][row].value for band in 'grz']
        for name, way in ways.items():
            for _ in range(1 if '11' in name else options.repeats):
                start = process_time()
                images[name][row] = way(*system)
                best[name][row] = min(best[name][row], process_time() - start)
    return report(best, {name: np.array(stack) for name, stack in images.items()}, options)


def report(best, images, options):
    """Print one line per way; return 1 where equal grids differ."""
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, lenstronomy '
          f'{lenstronomy.__version__}, {platform.machine()}, CPU time, {options.systems} systems '
          f'of 3 x {SIZE} x {SIZE}, best of {options.repeats}\n')
    print(f'{"":32}{"ms per system":>14}{"times faster":>14}{"flux":>10}{"pixel":>10}')
    names = list(best)
    reference = images[names[-1]]
    for name in names:
        flux = np.abs(images[name].sum(axis=(2, 3)) / reference.sum(axis=(2, 3)) - 1).max()
        pixel = (np.abs(images[name] - reference).max(axis=(2, 3)) / reference.max(axis=(2, 3)))
        print(f'{name:32}{1e3 * best[name].mean():14.1f}'
              f'{best[names[0]].mean() / best[name].mean():14.1f}{flux:10.1e}{pixel.max():10.1e}')
    same = np.abs(images[names[1]] - images[names[0]]).max() / images[names[0]].max()
    print(f'\nlargest difference of the two on the same 4 x 4 grid: {same:.1e} of the peak')
    return int(same > 1e-3)


if __name__ == '__main__':
    sys.exit(main())
