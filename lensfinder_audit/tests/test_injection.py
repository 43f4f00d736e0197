# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Sources add their light and its noise once, and a wrong gain is noticed."""
import numpy as np
import pytest
from astropy import units as u
from numpy.testing import assert_allclose
from scipy.stats import kstest, poisson

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.injection import (GainWarning, add_sources, arc_snr, check_gain,
                                        gain_from_sky, survey_gain)
from lensfinder_audit.noise import pixel_noise, sky_noise
from lensfinder_audit.psf import GaussianPSF, MoffatPSF, psf_from_table
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
from lensfinder_audit.testing import example_flux, example_hosts

GAIN = u.electron / u.nmgy
SKY = [LEGACY_DR10.sky_per_pixel(band) for band in 'grz']
SCALE = 0.262 * u.arcsec


def sources(n=4):
    y, x = np.indices((41, 41)) - 20
    ring = np.exp(-0.5 * (np.hypot(x, y) - 8) ** 2 / 4)
    return 0.02 * ring * np.ones((n, 3, 1, 1)) * np.array([0.5, 1, 2])[:, None, None]


def test_without_shot_noise_light_is_added():
    hosts = example_flux(4, shape=(41, 41))
    out = add_sources(hosts, sources(), gain=9600 * GAIN, seeds=range(4), shot_noise=False)
    assert out.dtype == np.float32
    assert_allclose(out, hosts + sources(), rtol=1e-6)


def test_noise_is_that_of_the_added_electrons():
    flux = np.full((1, 1, 200, 200), 0.003)
    out = add_sources(np.zeros_like(flux), flux, gain=2000 * GAIN, seeds=[5])
    electrons = np.round(out.astype(float) * 2000).astype(int).ravel()
    assert_allclose(out * 2000, electrons.reshape(out.shape), atol=1e-3)
    counts = np.bincount(electrons, minlength=30)[:20]
    expected = poisson(6).pmf(np.arange(20)) * electrons.size
    assert abs(counts - expected).max() < 5 * np.sqrt(expected.max())


def test_hosts_of_bright_galaxies_bring_no_noise_again():
    hosts = np.full((1, 1, 50, 50), 100.0)
    out = add_sources(hosts, np.zeros_like(hosts), gain=100 * GAIN, seeds=[0])
    assert (out == 100).all()


def test_missing_pixels_stay_missing_and_change_nothing_else():
    hosts = example_flux(4, shape=(41, 41))
    gaps = hosts.copy()
    gaps[0, 1, 3:9] = np.nan
    settings = {'gain': 9600 * GAIN, 'seeds': range(4)}
    whole, out = (add_sources(flux, sources(), **settings) for flux in (hosts, gaps))
    assert (np.isnan(out) == np.isnan(gaps)).all()
    assert (out[~np.isnan(gaps)] == whole[~np.isnan(gaps)]).all()


def test_a_row_follows_from_its_own_seed():
    hosts, seeds = example_flux(4, shape=(41, 41)), np.uint64(2 ** 63) + np.arange(4, dtype='u8')
    gain = np.full((4, 3), 5000) * GAIN
    out = add_sources(hosts, sources(), gain=gain, seeds=seeds)
    assert (add_sources(hosts[2:3], sources(1), gain=gain[2:3], seeds=seeds[2:3]) == out[2:3]).all()
    other = add_sources(hosts, sources(), gain=gain, seeds=seeds + np.uint64(1))
    assert (other != out).any(axis=(1, 2, 3)).all()


def test_inputs_are_not_changed():
    hosts, images = example_flux(4, shape=(41, 41)), sources()
    kept = hosts.copy(), images.copy()
    add_sources(hosts, images, gain=9600 * GAIN, seeds=range(4))
    assert (hosts == kept[0]).all() and (images == kept[1]).all()


@pytest.mark.parametrize(('change', 'error', 'said'), [
    ({'gain': -1 * GAIN}, ConfigError, 'a gain is a positive number'),
    ({'gain': [1, 2] * GAIN}, TableError, r'the gain is one value, one per band or .* \(2,\)'),
    ({'seeds': [1]}, TableError, 'there are n seeds'),
    ({'images': np.full((4, 3, 41, 41), np.nan)}, TableError, 'not finite')])
def test_what_does_not_belong_together_is_named(change, error, said):
    settings = {'images': sources(), 'gain': 9600 * GAIN, 'seeds': range(4), **change}
    with pytest.raises(error, match=said):
        add_sources(np.zeros((4, 3, 41, 41)), **settings)


def test_gain_without_unit_is_refused():
    with pytest.raises(u.UnitsError):
        add_sources(np.zeros((4, 3, 41, 41)), sources(), gain=9600 * u.s, seeds=range(4))


def test_gain_of_the_survey():
    assert_allclose(survey_gain(LEGACY_DR10, 'r', [180, 360] * u.s).value, [9604, 19208], rtol=1e-3)
    assert survey_gain(LEGACY_DR10, 'grz', np.full((5, 1), 100) * u.s).shape == (5, 3)


def test_the_published_gain_of_150_is_noticed():
    hosts = example_hosts(20)
    depth = np.stack([hosts[f'psfdepth_{band}'] for band in 'grz'], axis=1)
    noise = pixel_noise(depth, psf_from_table(hosts, 'grz'))
    with pytest.warns(GainWarning) as caught:
        ratio = check_gain(150 * GAIN, noise, sky=SKY, bands='grz')
    assert len(caught) == 3 and (ratio < 1 / 5).all()
    assert 'a gain of 150 electrons per nanomaggy in band r is' in str(caught[1].message)
    assert 'times too large. Derive the gain from zero point' in str(caught[1].message)


def test_the_gain_of_typical_exposures_agrees_with_typical_noise():
    """5-sigma depths of 24.7, 23.9 and 23.0 at 1.3 arcsec, and 70, 50 and 100 s, three times."""
    depth = 25 / 10 ** (0.8 * (22.5 - np.array([[24.7, 23.9, 23.0]])))
    noise = pixel_noise(depth, MoffatPSF([[1.3] * 3] * u.arcsec))
    ratio = check_gain(survey_gain(LEGACY_DR10, 'grz', [210, 150, 300] * u.s), noise, sky=SKY)
    assert (ratio > 0.5).all() and (ratio < 3).all()


def test_a_gain_that_is_too_large_is_noticed():
    with pytest.warns(GainWarning, match='band number 0 is 18 times larger .* too small'):
        check_gain(1e5 * GAIN, [[0.0074]], sky=[0.297])


def test_gain_from_sky_recovers_the_gain_of_a_simulated_sky():
    electrons = np.random.default_rng(0).poisson(0.3 * 5000, (1, 301, 301))
    noise = sky_noise(electrons / 5000, r_in=10 * u.arcsec, r_out=35 * u.arcsec)
    assert_allclose(gain_from_sky(noise, 0.3).value, 5000, rtol=0.03)


def test_arc_snr_counts_the_annulus():
    image = np.zeros((2, 101, 101))
    image[:, 50, 58] = 1
    image[:, 50, 52] = 50  # within 4 pixels
    image[:, 50, 66] = 50  # 16 pixels out
    n = np.pi * (16 ** 2 - 4 ** 2)
    expected = 1 / np.sqrt(n) / np.array([0.01, 0.02])
    assert_allclose(arc_snr(image, [0.01, 0.02]), expected, rtol=0.01)
    halved = arc_snr(image[0], 0.01, r_in=4 * SCALE, r_out=16 * SCALE, pixel_scale=SCALE / 2)
    assert halved == pytest.approx(51 / 0.01 / np.sqrt(4 * n), rel=0.01)


def test_pixel_noise_of_a_gaussian_psf():
    noise = pixel_noise([[300, 0]], GaussianPSF([[1.3, 1.3]] * u.arcsec))
    sigma = 1.3 / 0.262 / np.sqrt(8 * np.log(2))
    assert noise[0, 0] == pytest.approx(np.sqrt(1 / (4 * np.pi * sigma ** 2 * 300)), rel=1e-4)
    assert np.isnan(noise[0, 1])


@pytest.mark.parametrize(('beta', 'part'), [(2.5, 0.72), (3.0, 0.77), (3.5, 0.81)])
def test_pixel_noise_of_a_moffat_psf_is_smaller(beta, part):
    width = [[1.3]] * u.arcsec
    ratio = pixel_noise([[1]], MoffatPSF(width, beta=beta)) / pixel_noise([[1]], GaussianPSF(width))
    assert ratio[0, 0] == pytest.approx(part, abs=0.012)


def test_pixel_noise_is_what_the_depth_of_a_fit_says():
    """A star is fitted in noise of that size; its flux scatters as psfdepth says."""
    psf = MoffatPSF([[1.2]] * u.arcsec)
    noise, kernel = pixel_noise([[400]], psf)[0, 0], psf.kernels(SCALE)[0, 0]
    sky = np.random.default_rng(0).normal(0, noise, (4000, *kernel.shape))
    fitted = (sky * kernel).sum(axis=(1, 2)) / (kernel ** 2).sum()
    assert fitted.std() == pytest.approx(1 / np.sqrt(400), rel=0.04)


def test_pixel_noise_needs_depths_of_the_same_shape():
    with pytest.raises(TableError, match=r'psfdepth has shape \(2, 1\) and the PSF \(1, 1\)'):
        pixel_noise([[1], [2]], GaussianPSF([[1]] * u.arcsec))


def test_injection_into_real_galaxies(real_data):
    with np.load(real_data / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as arrays:
        hosts = np.stack([arrays[name].transpose(2, 0, 1) for name in arrays.files])
    hosts = hosts.astype(np.float32)
    seeds = np.arange(len(hosts))
    simulator = SieSersic(theta_e=(1.5, 2.5) * u.arcsec, r_magnitude=(22.0, 22.5))
    systems = simulator.draw(range(len(hosts)), seeds=seeds)
    psf = MoffatPSF(np.tile([1.4, 1.3, 1.2], (len(hosts), 1)) * u.arcsec)
    images = simulator.render(systems, bands='grz', psf=psf, shape=hosts.shape[-2:],
                              pixel_scale=SCALE)
    gain = survey_gain(LEGACY_DR10, 'grz', [210, 150, 300] * u.s)
    out = add_sources(hosts, images, gain=gain, seeds=seeds)
    electrons = gain.value[:, None, None] * images
    lit = electrons > 100
    pulls = (gain.value[:, None, None] * (out.astype(float) - hosts) - electrons)[lit]
    assert kstest(pulls / np.sqrt(electrons[lit]), 'norm').statistic < 0.02
    assert (out[:, :, 50, 50] > 0.9 * hosts[:, :, 50, 50]).all()
    assert (arc_snr(images[:, 1], 0.0074) > 5).all()
