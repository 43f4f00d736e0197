# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A point source behind a singular isothermal sphere: two images, known exactly."""
from itertools import product

import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.signal import fftconvolve

from lensfinder_audit.interfaces import InjectionSimulator


class SisPoint(InjectionSimulator):
    """Lensed quasars: images at beta +- theta_E, magnified by 1 +- theta_E / beta."""

    reference = 'arXiv:astro-ph/9606001'  # Narayan & Bartelmann 1996, section 3.1

    def draw(self, hosts, *, seeds):
        chance = [np.random.default_rng(seed).random(4) for seed in seeds]  # a row, its own seed
        one, two, three, four = np.reshape(chance, (-1, 4)).T
        theta_e, part = 0.5 + 1.5 * one, 0.1 + 0.6 * two
        systems = QTable({'seed': np.asarray(seeds, np.uint64), 'theta_e': theta_e * u.arcsec,
                          'beta': part * theta_e * u.arcsec, 'angle': 2 * np.pi * three * u.rad,
                          'magnification': 2 / part})
        for band, color in {'g': 0.2, 'r': 0.0, 'z': -0.3}.items():
            systems[f'source_flux_{band}'] = 10 ** (0.4 * (1.5 - 2 * four - color)) * u.nmgy
        return systems

    def render(self, systems, *, bands, psf, shape, pixel_scale):
        flux = np.stack([systems[f'source_flux_{band}'].to_value(u.nmgy) for band in bands], axis=1)
        points = np.zeros((*flux.shape, *shape))
        ratio = (systems['theta_e'] / systems['beta']).to_value('')
        for sign in (1, -1):
            radius = ((systems['beta'] + sign * systems['theta_e']) / pixel_scale).to_value('')
            y = (shape[0] - 1) / 2 + radius * np.sin(systems['angle']).value
            x = (shape[1] - 1) / 2 + radius * np.cos(systems['angle']).value
            add_points(points, y, x, np.abs(1 + sign * ratio)[:, None] * flux)
        return fftconvolve(points, psf.kernels(pixel_scale), mode='same', axes=(2, 3))


def add_points(images, y, x, flux):
    """Share each point among the four pixels around it; leave out what lies outside."""
    for dy, dx in product((0, 1), repeat=2):
        row, column = np.floor(y).astype(int) + dy, np.floor(x).astype(int) + dx
        share = (1 - np.abs(y - row)) * (1 - np.abs(x - column))
        inside = (row >= 0) & (row < images.shape[2]) & (column >= 0) & (column < images.shape[3])
        at = np.flatnonzero(inside)
        images[at, :, row[at], column[at]] += share[at, None] * flux[at]
