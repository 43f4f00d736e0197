# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Each way to break the contract of a simulator is found, and told."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from scipy.signal import fftconvolve

from lensfinder_audit.exceptions import ConfigError, ConformanceError
from lensfinder_audit.interfaces import InjectionSimulator
from lensfinder_audit.testing import GaussianPSF, check_plugin, check_simulator, example_hosts

SETTINGS = {'shape': (41, 41)}


class Good(InjectionSimulator):
    """Two Gaussian blobs on either side of the centre."""

    flux_tolerance = 1e-3

    def __init__(self, *, faintest=24.0):
        self.faintest = faintest

    def generator(self, seed):
        return np.random.default_rng(seed)

    def draw(self, hosts, *, seeds):
        rows = [self.row(self.generator(seed)) for seed in seeds]
        systems = QTable(rows=rows or np.zeros((0, 4)), dtype=[float] * 4,
                         names=('theta', 'angle', 'ratio', 'magnitude'))
        systems['seed'] = np.asarray(seeds, np.uint64)
        systems['magnification'] = 2 + systems['theta'] * (1 + systems['ratio'])
        for band in 'grz':
            systems[f'source_flux_{band}'] = 10 ** (0.4 * (22.5 - systems['magnitude'])) * u.nmgy
        return systems

    def row(self, rng):
        return rng.uniform(1, 2), rng.uniform(0, 6), rng.uniform(0.1, 0.3), rng.uniform(21, 24)

    def render(self, systems, *, bands, psf, shape, pixel_scale):
        kernels = psf.kernels(pixel_scale)
        images = np.zeros((len(systems), len(bands), *shape))
        for i, system in enumerate(systems):
            for j, band in enumerate(bands):
                image = self.blobs(system, shape, pixel_scale.to_value(u.arcsec))
                flux = self.flux(system, band)
                images[i, j] = self.blur(flux * image, kernels[i, j])
        return images

    def flux(self, system, band):
        return float(system['magnification']) * system[f'source_flux_{band}'].value

    def blobs(self, system, shape, scale):
        y, x = (np.arange(size) * scale - (size - 1) / 2 * scale for size in shape)
        y0, x0 = (system['theta'] * f(system['angle']) for f in (np.sin, np.cos))
        image = blob(y, x, y0, x0) + system['ratio'] * blob(y, x, -y0 / 3, -x0 / 3)
        return image * scale ** 2 / (2 * np.pi * 0.09) / (1 + system['ratio'])

    def blur(self, image, kernel):
        return fftconvolve(image, kernel, mode='same')


def blob(y, x, y0, x0):
    return np.exp(-0.5 * (((y - y0) / 0.3)[:, None] ** 2 + ((x - x0) / 0.3) ** 2))


class WrapsAround(Good):
    def blur(self, image, kernel):
        spectrum = np.fft.rfft2(image) * np.fft.rfft2(self.placed(kernel, image.shape))
        return np.fft.irfft2(spectrum, image.shape)

    def placed(self, kernel, shape):
        placed = np.zeros(shape)
        middle = len(kernel) // 2
        for y, row in enumerate(kernel - 0.0):
            for x, value in enumerate(row):
                placed[(y - middle) % shape[0], (x - middle) % shape[1]] += value
        return placed


class SharedGenerator(Good):
    def draw(self, hosts, *, seeds):
        rng = np.random.default_rng(seeds[0] if len(seeds) else 0)
        self.generator = lambda seed: rng
        return super().draw(hosts, seeds=seeds)


class Unseeded(Good):
    def generator(self, seed):
        return np.random.default_rng()


class GlobalSeed(Good):
    def row(self, rng):
        np.random.seed(1)
        return super().row(rng)


class IgnoresSeeds(Good):
    def generator(self, seed):
        return np.random.default_rng(0)


class RoundsSeeds(Good):
    def draw(self, hosts, *, seeds):
        systems = super().draw(hosts, seeds=seeds)
        systems['seed'] = np.asarray(seeds, float)
        return systems


class NoUnits(Good):
    def draw(self, hosts, *, seeds):
        systems = super().draw(hosts, seeds=seeds)
        systems['source_flux_r'] = systems['source_flux_r'].value
        return systems


class NoMagnification(Good):
    def draw(self, hosts, *, seeds):
        systems = super().draw(hosts, seeds=seeds)
        systems.remove_column('magnification')
        return systems


class NegativeMagnification(Good):
    def draw(self, hosts, *, seeds):
        systems = super().draw(hosts, seeds=seeds)
        systems['magnification'] *= -1
        return systems


class ChangesHosts(Good):
    def draw(self, hosts, *, seeds):
        hosts['ra'] += 1 * u.deg
        return super().draw(hosts, seeds=seeds)


class StoresObjects(Good):
    def draw(self, hosts, *, seeds):
        systems = super().draw(hosts, seeds=seeds)
        systems['lens'] = np.array([{'theta': 1} for _ in seeds], dtype=object)
        return systems


class ImagePlane(Good):
    def flux(self, system, band):
        return system[f'source_flux_{band}'].value


class BatchPeak(Good):
    def render(self, systems, **settings):
        images = super().render(systems, **settings)
        return images * (1 + 1e-4 * len(images))


class FirstPsf(Good):
    def render(self, systems, *, psf, **settings):
        return super().render(systems, psf=psf[[0] * len(systems)], **settings)


class NoPsf(Good):
    def blur(self, image, kernel):
        return image


class Noisy(Good):
    def render(self, systems, **settings):
        images = super().render(systems, **settings)
        return images + 1e-4 * np.random.default_rng().random(images.shape)


class Transposed(Good):
    def render(self, systems, *, shape, **settings):
        return super().render(systems, shape=shape[::-1], **settings)


class Holes(Good):
    def blur(self, image, kernel):
        image = super().blur(image, kernel)
        image[0, 0] = np.nan
        return image


class SkyTaken(Good):
    def blur(self, image, kernel):
        return super().blur(image, kernel) - 0.01 * image.max()


class FixedBands(Good):
    def render(self, systems, *, bands, **settings):
        return super().render(systems, bands=bands, **settings) * [[[[1 + 0.01 * len(bands)]]]]


class ChangesSystems(Good):
    def render(self, systems, **settings):
        images = super().render(systems, **settings)
        systems['theta'] = systems['theta'] + 1e-12
        return images


class PromisesNothing(Good):
    flux_tolerance = 5.0


BREAKS = {
    WrapsAround: 'light does not wrap around.*of its peak appears at the opposite edge; pad',
    SharedGenerator: 'rows do not depend on each other.*reverse order differs in the columns',
    Unseeded: r'a second draw with the same seeds differs .* numpy.random.default_rng\(seed\)',
    GlobalSeed: "NumPy's global generator",
    IgnoresSeeds: 'other seeds gave the same systems',
    RoundsSeeds: 'column seed is float64',
    NoUnits: "'source_flux_r' has unit None; multiply it by astropy.units.nmgy",
    NoMagnification: r"draw left out the columns \['magnification'\]",
    NegativeMagnification: 'magnification of 6 of 6 systems is not a positive number, such as -',
    ChangesHosts: r"draw changed the columns \['ra'\] of the hosts",
    StoresObjects: r"the columns \['lens'\] hold objects",
    ImagePlane: 'holds 0.[0-9]+ of magnification x source flux, allowed is 1 .- 0.001',
    BatchPeak: 'one by one differ by up to 0.0005',
    FirstPsf: 'its own PSF',
    NoPsf: 'a PSF twice as wide the peak is 1 of what it was',
    Noisy: 'the same systems rendered twice differ; draw nothing in render',
    Transposed: r'images have shape \(6, 3, 41, 21\) instead of \(6, 3, 21, 41\)',
    Holes: '18 of 30258 pixels are not finite',
    SkyTaken: 'the darkest pixel has -',
    FixedBands: "band 'z' rendered alone differ",
    ChangesSystems: r"render changed the columns \['theta'\]",
    PromisesNothing: 'flux_tolerance is 5.0',
}
# What one fault also breaks comes first for some; those are asked for the check of their name.
NOT_FIRST = {FixedBands}


def test_a_good_one_passes():
    assert [r for r in check_plugin('simulators', Good, **SETTINGS) if not r.passed] == []


def test_own_hosts_and_bands():
    check_simulator(Good(), hosts=example_hosts(3, seed=4), bands=('g', 'z'), **SETTINGS)


@pytest.mark.parametrize('broken', BREAKS.keys() - NOT_FIRST, ids=lambda cls: cls.__name__)
def test_break_is_found(broken):
    with pytest.raises(ConformanceError, match=f'{broken.__name__} fails.*{BREAKS[broken]}'):
        check_simulator(broken(), **SETTINGS)


@pytest.mark.parametrize('broken', NOT_FIRST, ids=lambda cls: cls.__name__)
def test_break_is_listed(broken):
    messages = [r.message for r in check_plugin('simulators', broken, **SETTINGS)]
    assert any(BREAKS[broken] in message for message in messages)


def test_sources_that_never_fit_are_told():
    with pytest.raises(ConformanceError, match='no image of 6 lies within'):
        check_simulator(Good(), shape=(9, 9))


def test_kernels_sum_to_one_and_have_their_width():
    psf = GaussianPSF([[1.0, 2.0]] * u.arcsec)
    kernels = psf.kernels(0.1 * u.arcsec)
    assert kernels.shape[-1] % 2 and np.allclose(kernels.sum(axis=(2, 3)), 1)
    middle = kernels.shape[-1] // 2
    for band, half_width in enumerate((5, 10)):
        profile = kernels[0, band, middle] / kernels[0, band, middle, middle]
        assert profile[middle + half_width] == pytest.approx(0.5)


def test_psf_rows_and_bands_can_be_taken():
    psf = GaussianPSF(np.arange(1, 7).reshape(2, 3) * u.arcsec)
    assert psf[1:, [2]].fwhm == [[6]] * u.arcsec
    assert (psf[::-1].fwhm == [[4, 5, 6], [1, 2, 3]] * u.arcsec).all()


@pytest.mark.parametrize('fwhm', [1 * u.arcsec, [[0, 1]] * u.arcsec])
def test_psf_refuses_what_is_no_width(fwhm):
    with pytest.raises(ConfigError, match='table .n, band. of positive angles'):
        GaussianPSF(fwhm)
