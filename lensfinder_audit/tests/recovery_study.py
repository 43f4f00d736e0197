# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Hosts, a finder and a simulator for tests of injection and recovery; importable by workers."""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.interfaces import Classifier, InjectionSimulator
from lensfinder_audit.manifest import write_manifest
from lensfinder_audit.normalizers.raw_robust import RawRobust
from lensfinder_audit.testing import example_hosts

SCALE = 0.262 * u.arcsec


class MeanOfAnnulus(Classifier):
    """Scores what an arc adds: the mean of the normalised annulus of 1 to 2.6 arcsec."""

    score_kind, bands, pixel_scale = 'rank', ('g', 'r', 'z'), SCALE

    def __init__(self, *, size=101):
        self.size, self.stamp_shape, self.normalizer = size, (size, size), RawRobust()
        self.n_scored = 0

    def predict(self, images):
        self.n_scored += len(images)
        middle = (self.size - 1) / 2
        y, x = np.ogrid[:self.size, :self.size]
        radius = np.hypot(y - middle, x - middle)
        return images[:, 1][:, (radius >= 4) & (radius < 10)].mean(axis=1, dtype=float)


class Ring(InjectionSimulator):
    """A ring of Gaussian profile: quick, and wrong on request."""

    def __init__(self, *, theta_e=1.5 * u.arcsec, broken=''):
        self.theta_e, self.broken = theta_e, broken

    def draw(self, hosts, *, seeds):
        level = np.array([np.random.default_rng(int(seed)).random(3) for seed in seeds]
                         ).reshape(-1, 3).T
        systems = QTable({'seed': np.asarray(seeds, np.uint64),
                          'theta_e': np.full(len(seeds), self.theta_e.value) * u.arcsec,
                          'lens_q': 0.5 + 0.5 * level[0], 'lens_x': level[1] * 0.1 * u.arcsec,
                          'lens_y': np.zeros(len(seeds)) * u.arcsec,
                          'source_x': 0.3 * level[2] * u.arcsec,
                          'source_y': np.zeros(len(seeds)) * u.arcsec})
        systems['magnification'] = self.magnification(systems)
        for band, color in zip('grz', (0.5, 0, -0.4), strict=True):
            magnitude = 22 + 2 * level[1] + color
            systems[f'source_mag_{band}'] = u.Magnitude(magnitude, u.ABmag)
            systems[f'source_flux_{band}'] = 10 ** (0.4 * (22.5 - magnitude)) * u.nmgy
        return systems

    def magnification(self, systems):
        return 4 * systems['theta_e'].value * np.asarray(systems['lens_q'])

    def render(self, systems, *, bands, psf, shape, pixel_scale):
        y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
        radius = np.hypot(y[:, None], x) * pixel_scale.value
        ring = systems['theta_e'].value[:, None, None, None]
        width = 0.4 * psf.fwhm.value[..., None, None]
        images = np.exp(-0.5 * ((radius - ring) / width) ** 2)
        images /= images.sum(axis=(2, 3), keepdims=True)
        flux = np.stack([systems[f'source_flux_{band}'].value for band in bands], axis=1)
        images *= (flux * np.asarray(systems['magnification'])[:, None])[..., None, None]
        odd = np.asarray(systems['seed']) % np.uint64(5) == 0
        if self.broken == 'nan':
            images[odd, 1, 3, 3] = np.nan
        if self.broken == 'raises' and odd.any():
            from lensfinder_audit.exceptions import TableError
            raise TableError('an odd system')
        return images[:, :, :-1] if self.broken == 'shape' else images


def make_hosts(folder, n=12, *, size=41, seed=3):
    """Write a manifest and a cutout store of made-up galaxies with consistent noise."""
    table, rng = example_hosts(n, seed=seed), np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    q, phi = rng.uniform(0.5, 0.9, n), rng.uniform(0, np.pi, n)
    along = (x * np.cos(phi[:, None, None]) + y * np.sin(phi[:, None, None]))
    across = (y * np.cos(phi[:, None, None]) - x * np.sin(phi[:, None, None]))
    light = np.exp(-0.5 * np.hypot(along, across / q[:, None, None]) ** 2 / 5.0 ** 2)
    flux = light[:, None] * np.array([0.2, 0.5, 1])[:, None, None]
    flux = (flux + rng.normal(0, [[[0.004]], [[0.007]], [[0.015]]], flux.shape)).astype('f4')
    for band, seconds in (('g', 270), ('r', 180), ('z', 300)):
        table[f'exptime_{band}'] = np.full(n, seconds) * u.s
    table['true_q'], table['true_phi'] = q, np.degrees(phi)
    with CutoutWriter(folder / 'cutouts', bands='grz', shape=(size, size),
                      pixel_scale=SCALE) as writer:
        writer.add(table['object_id'], flux)
    write_manifest(table, folder / 'hosts.parquet')
    return table, CutoutStore(folder / 'cutouts')
