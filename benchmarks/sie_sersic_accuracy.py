#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Measure the errors of ``sie_sersic`` by size and index of the source.

Sources of re 0.1 to 0.5 arcsec, n 0.5 to 4 and q 0.5 to 1 are rendered in one band with
a PSF of 1.2 arcsec; every other one lies on a caustic. Flux on the stamp and brightest
pixel are compared with a converged image, in double precision at a tolerance of 1e-8, and
this with lenstronomy at 16 x 16 samples per pixel for the first system of each kind. It
prints the largest error and the bias, the mean error, of adaptive refinement and of a fixed
4 x 4 grid; it fails where the flux of the former is off by more than 0.3 percent or its
brightest pixel by more than 0.4::

    python benchmarks/sie_sersic_accuracy.py
    python benchmarks/sie_sersic_accuracy.py --write docs/injection/sie_sersic_accuracy.inc

Needs lenstronomy.
"""
import argparse
import sys
from pathlib import Path

import numpy as np
from astropy import units as u
from sie_sersic import SCALE, SIZE, simulation_api

from lensfinder_audit import lensing
from lensfinder_audit.lensing import Sersic, SieShear
from lensfinder_audit.psf import MoffatPSF, convolve
from lensfinder_audit.raytrace import lensed_image

RADII, INDICES = (0.1, 0.2, 0.3, 0.5), (0.5, 1.0, 1.5, 2.5, 4.0)
WAYS = {'1e-5': {}, '3e-6': {'tolerance': 3e-6}, '4 x 4': {'subpixels': 4}}
EXACT = {'tolerance': 1e-8, 'backend': 'numpy'}
FLUX, PEAK = 3e-3, 4e-3


def draw(re, n, number):
    """Return a lens and a source; every other source lies on a caustic."""
    rng = np.random.default_rng([number, int(1000 * re), int(10 * n)])
    lens = SieShear(rng.uniform(0.5, 2.5), q=rng.uniform(0.5, 1), phi=rng.uniform(0, np.pi),
                    gamma_1=rng.normal(0, 0.05), gamma_2=rng.normal(0, 0.05),
                    x=rng.normal(0, 0.05), y=rng.normal(0, 0.05))
    beta, angle = lens.theta_e * np.sqrt(rng.uniform(0.01, 0.16)), rng.uniform(0, 2 * np.pi)
    place = lens.x + beta * np.cos(angle), lens.y + beta * np.sin(angle)
    if number % 2:
        place = caustic(lens, angle)
    return lens, Sersic(re, n=n, q=rng.uniform(0.5, 1), phi=rng.uniform(0, np.pi),
                        x=float(place[0]), y=float(place[1]))


def caustic(lens, angle):
    """Return where the tangential critical curve maps to, in one direction from the lens."""
    radius = np.linspace(0.2, 3, 20001) * lens.theta_e
    x, y = lens.x + radius * np.cos(angle), lens.y + radius * np.sin(angle)
    last = np.flatnonzero(lens.magnification(x, y) < 0)[-1]  # the parity changes there
    return lens.source_position(x[last], y[last])


def render(system, **options):
    """Return the image after the PSF, for a flux of 1."""
    image = lensed_image(*system, shape=(SIZE, SIZE), pixel_scale=SCALE, **options)
    return after_psf(image)


def after_psf(image):
    """Convolve an image that was integrated over pixels."""
    psf = MoffatPSF([[1.2]] * u.arcsec)
    return convolve(image[None, None], psf, SCALE * u.arcsec, pixel_integrated=True)[0, 0]


def compare(image, exact):
    """Return the relative errors of the flux and of the brightest pixel."""
    return image.sum(dtype=float) / exact.sum() - 1, image.max() / exact.max() - 1


def measure(re, n, systems):
    """Return errors (way, system, 2) and those of the converged image beside lenstronomy."""
    pairs = [draw(re, n, number) for number in range(systems)]
    exact = [render(pair, **EXACT) for pair in pairs]
    errors = np.array([[compare(render(pair, **options), image)
                        for pair, image in zip(pairs, exact, strict=True)]
                       for options in WAYS.values()])
    theirs = simulation_api(pairs[0], [1.0], [None], supersampling=16)[0]
    return errors, compare(exact[0], after_psf(theirs))


def table(found, systems):
    """Return the lines of the table, errors in per cent."""
    lines = ['.. Written by:',
             '   python benchmarks/sie_sersic_accuracy.py --write '
             'docs/injection/sie_sersic_accuracy.inc', '',
             f'{systems} systems per row, every other source on a caustic; theta_E 0.5 to 2.5 '
             'arcsec, q 0.5 to 1, PSF of 1.2 arcsec, pixels of 0.262 arcsec. Errors in per cent '
             'of the flux on the stamp and of the brightest pixel: the largest, and in brackets '
             'the mean with its sign, which is the bias. The last column is the difference of '
             'the converged image from lenstronomy at 16 x 16, for the first system.', '',
             '.. list-table::', '   :header-rows: 1', '']
    rows = [['Re', 'n', *(f'{way}: {what}' for way in WAYS for what in ('flux', 'peak')),
             'lenstronomy: flux, peak']]
    for (re, n), (errors, theirs) in found.items():
        cells = [f'{100 * np.abs(part).max():.3f} ({100 * part.mean():+.3f})'
                 for way in errors for part in way.T]
        rows.append([f'{re:g}"', f'{n:g}', *cells,
                     ', '.join(f'{100 * part:+.2f}' for part in theirs)])
    for row in rows:
        lines += [f'   {"*" if i == 0 else " "} - {cell}' for i, cell in enumerate(row)]
    return '\n'.join(lines) + '\n'


def main():
    """Print or write the table; fail where an error is too large."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--systems', type=int, default=12, help='systems of each kind')
    parser.add_argument('--write', help='file for the table')
    options = parser.parse_args()
    lensing.sersic_b = lambda n: 1.9992 * n - 0.3271  # lenstronomy's, so that light is the same
    found = {(re, n): measure(re, n, options.systems) for re in RADII for n in INDICES}
    errors = np.array([errors for errors, _ in found.values()])  # kind, way, system, 2
    for name, way in zip(WAYS, errors.swapaxes(0, 1), strict=True):
        worst, bias = np.abs(way).max(axis=(0, 1)), way.mean(axis=(0, 1))
        print(f'{name}: flux off by at most {100 * worst[0]:.2g} percent, {100 * bias[0]:+.1g} on '
              f'average; brightest pixel {100 * worst[1]:.2g}, {100 * bias[1]:+.1g}')
    text = table(found, options.systems)
    if options.write:
        Path(options.write).write_text(text, encoding='utf-8')
    else:
        print(text)
    worst = np.abs(errors[:, :2]).max(axis=(0, 1, 2))
    print(f'bound: flux within {100 * FLUX:g} percent, brightest pixel within {100 * PEAK:g}: '
          f'{100 * worst[0]:.2g}, {100 * worst[1]:.2g}')
    return int(worst[0] > FLUX or worst[1] > PEAK)


if __name__ == '__main__':
    sys.exit(main())
