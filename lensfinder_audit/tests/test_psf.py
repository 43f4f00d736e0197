# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Kernels have their width and light, and convolution keeps both inside the stamp."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.signal import convolve as direct_convolve

from lensfinder_audit import _convolution, _convolution_numpy
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.interfaces import PSF
from lensfinder_audit.psf import GaussianPSF, MoffatPSF, _power, convolve, psf_from_table
from lensfinder_audit.testing import example_hosts

SCALE = 0.262 * u.arcsec
BOTH = pytest.mark.parametrize('profile', [GaussianPSF, MoffatPSF])


@BOTH
def test_kernels_are_odd_centered_and_sum_to_one(profile):
    kernels = profile([[0.9, 1.3, 1.8]] * u.arcsec).kernels(SCALE)
    assert kernels.shape[-1] % 2 == 1 and kernels.shape[-1] == kernels.shape[-2]
    assert_allclose(kernels.sum(axis=(2, 3)), 1)
    middle = kernels.shape[-1] // 2
    assert (kernels.reshape(3, -1).argmax(axis=1) == middle * kernels.shape[-1] + middle).all()
    assert_allclose(kernels, kernels[..., ::-1, ::-1])
    assert_allclose(kernels, kernels.swapaxes(-1, -2))


@BOTH
def test_half_maximum_lies_at_half_the_fwhm(profile):
    kernel = profile([[2.0]] * u.arcsec).kernels(0.1 * u.arcsec)[0, 0]
    middle = len(kernel) // 2
    assert kernel[middle, middle + 10] == pytest.approx(0.5 * kernel[middle, middle])


@pytest.mark.parametrize('beta', [2.0, 2.5, 3.5, 4.765])
def test_a_moffat_kernel_leaves_little_light_out(beta):
    size = 12.0
    kernel = MoffatPSF([[size]] * u.arcsec, beta=beta).kernels(1 * u.arcsec)[0, 0]
    alpha = 0.5 * size / np.sqrt(2 ** (1 / beta) - 1)
    density = (beta - 1) / (np.pi * alpha ** 2)  # at the center, with the wings to infinity
    outside = 1 - density / kernel.max()
    assert 0 < outside < (1.3e-3 if beta > 2.6 else 0.02)


@BOTH
def test_a_kernel_follows_from_its_own_width(profile):
    psf = profile([[0.8, 1.0], [2.4, 1.9]] * u.arcsec)
    both, alone = psf.kernels(SCALE), psf[:1].kernels(SCALE)
    margin = (both.shape[-1] - alone.shape[-1]) // 2
    inner = both[:1, :, margin:-margin, margin:-margin]
    assert margin > 0
    assert_allclose(inner, alone, rtol=1e-12)


def test_rows_and_bands_are_taken():
    psf = MoffatPSF(np.arange(1, 7).reshape(2, 3) * u.arcsec, beta=3)
    assert psf[1:, [2]].fwhm == [[6]] * u.arcsec and psf[1:].beta == 3
    assert psf[:0].kernels(SCALE).shape[:2] == (0, 3)


@pytest.mark.parametrize(('fwhm', 'said'), [
    (1 * u.arcsec, 'of shape ()'), ([[1, np.nan]] * u.arcsec, 'nan arcsec in row 0, band number 1'),
    ([[1], [-2]] * u.arcsec, '-2.0 arcsec in row 1')])
def test_what_is_no_width_is_named(fwhm, said):
    with pytest.raises(ConfigError) as error:
        GaussianPSF(fwhm)
    assert said in str(error.value)


def test_a_moffat_exponent_that_spreads_the_light_is_refused():
    with pytest.raises(ConfigError, match='beta of a Moffat profile is at least 2, not 1.5'):
        MoffatPSF([[1]] * u.arcsec, beta=1.5)


def test_psf_comes_from_a_catalogue():
    hosts = example_hosts()
    psf = psf_from_table(hosts, 'zg', profile='gaussian')
    assert isinstance(psf, GaussianPSF)
    assert (psf.fwhm[:, 0] == hosts['psfsize_z']).all()
    bare = Table({'psfsize_r': [1.1, 1.2]})
    assert_allclose(psf_from_table(bare, 'r', beta=3).fwhm.to_value('arcsec'), [[1.1], [1.2]])


@pytest.mark.parametrize('values', [[1.2, np.nan, 0.0] * u.arcsec,
                                    MaskedColumn([1.2, 1.3, 0.0], mask=[False, True, False])])
def test_hosts_without_exposure_are_counted(values):
    with pytest.raises(TableError, match='psfsize_r of 2 of 3 rows is not a positive number; the '
                                         'first is row 1 with nan'):
        psf_from_table(QTable({'psfsize_r': values}), 'r')


def test_a_missing_psfsize_is_named():
    hosts = example_hosts()
    hosts.remove_column('psfsize_z')
    with pytest.raises(TableError, match="the table of hosts has no column 'psfsize_z'"):
        psf_from_table(hosts, 'grz')


def test_an_unknown_profile_is_named():
    with pytest.raises(ConfigError, match="no PSF profile 'mofat'.*Did you mean 'moffat'"):
        psf_from_table(example_hosts(), 'r', profile='mofat')


@settings(max_examples=25)
@given(shape=st.tuples(st.integers(9, 40), st.integers(9, 40)), seed=st.integers(0, 99),
       fwhm=st.floats(0.5, 2.3))
def test_convolution_is_the_direct_sum(shape, seed, fwhm):
    images = np.random.default_rng(seed).random((1, 2, *shape))
    psf = MoffatPSF([[fwhm, 1.0]] * u.arcsec)
    found, kernels = convolve(images, psf, SCALE), psf.kernels(SCALE)
    for band in range(2):
        # 'same' follows the first argument, also where the kernel is the larger one
        whole = direct_convolve(images[0, band], kernels[0, band], method='direct')
        reach = kernels.shape[-1] // 2
        assert_allclose(found[0, band], whole[reach:-reach, reach:-reach], atol=1e-12)


@BOTH
@pytest.mark.parametrize('shape', [(101, 101), (30, 33)])
def test_light_does_not_come_in_at_the_other_edge(profile, shape):
    image = np.zeros((1, 1, *shape))
    image[..., 0, 0] = 1
    psf = profile([[1.5]] * u.arcsec)
    for pixel_integrated in (False, True):
        out = convolve(image, psf, SCALE, pixel_integrated=pixel_integrated)[0, 0]
        assert out.shape == shape and abs(out[-1]).max() < 1e-6 and abs(out[:, -1]).max() < 1e-6
        assert out[0, 0] > 0.02


def test_the_pixel_acts_once():
    """A Gaussian source, integrated over pixels, comes out with the sum of the variances."""
    from scipy.special import erf

    sigma, edges = 1.5, np.arange(-20, 21) - 0.5 + 0.3
    profile = 0.5 * np.diff(erf(edges / sigma / np.sqrt(2)))
    image = profile[:, None] * profile
    psf = GaussianPSF([[1.2]] * u.arcsec)
    width = np.hypot(sigma, 1.2 / 0.262 / np.sqrt(8 * np.log(2)))
    offset = 0.5 * (edges[1:] + edges[:-1])
    expected = np.exp(-0.5 * (offset / width) ** 2) / np.sqrt(2 * np.pi) / width
    once = convolve(image[None, None], psf, SCALE, pixel_integrated=True)[0, 0]
    twice = convolve(image[None, None], psf, SCALE)[0, 0]
    peak = (expected[:, None] * expected).max()
    assert abs(once - expected[:, None] * expected).max() < 1e-5 * peak
    assert 0.98 < twice.max() / peak < 0.995


def test_one_plane_serves_all_bands_and_rows_do_not_matter_to_each_other():
    images = np.random.default_rng(0).random((40, 1, 21, 21))
    psf = GaussianPSF(np.random.default_rng(1).uniform(0.8, 2, (40, 3)) * u.arcsec)
    out = convolve(images, psf, SCALE)
    assert out.shape == (40, 3, 21, 21)
    assert_allclose(convolve(images[35:36], psf[35:36], SCALE), out[35:36], rtol=1e-12)


def test_a_psf_wider_than_the_stamp_is_named():
    psf = GaussianPSF([[1.2, 1.2], [1.2, 9.0]] * u.arcsec)
    with pytest.raises(TableError, match='row 1, band number 1, has a FWHM of 9 arcsec, and the '
                                         'stamp is 8.12 arcsec wide'):
        convolve(np.zeros((2, 2, 31, 31)), psf, SCALE)


def test_a_psf_of_other_rows_is_refused():
    with pytest.raises(TableError, match='has 1 rows and 2 bands, the stamps have 3 and 2'):
        convolve(np.zeros((3, 2, 31, 31)), GaussianPSF([[1, 1]] * u.arcsec), SCALE)


@pytest.mark.parametrize('shape', [(40, 33), (12, 15)])
@pytest.mark.parametrize('place', [(slice(3, 9), slice(8, 12)), (slice(0, 2), slice(-3, None))])
def test_light_in_a_part_of_the_stamp_is_convolved_alike(shape, place):
    images = np.zeros((1, 2, *shape))
    images[0][:, *place] = np.random.default_rng(0).random(images[0][:, *place].shape)
    plain = MoffatPSF([[1.3, 1.0]] * u.arcsec)
    kernels = plain.kernels(SCALE)
    slanted = kernels * np.linspace(0.5, 1.5, kernels.shape[-1])[:, None]
    for psf, kernel in ((plain, kernels), (_of_kernels(plain, kernels), kernels),
                        (_of_kernels(plain, slanted), slanted)):
        found, reach = convolve(images, psf, SCALE), kernel.shape[-1] // 2
        for band in range(2):
            whole = direct_convolve(images[0, band], kernel[0, band], method='direct')
            assert_allclose(found[0, band], whole[reach:-reach, reach:-reach], atol=1e-12)
    once = [convolve(images, psf, SCALE, pixel_integrated=True)
            for psf in (plain, _of_kernels(plain, kernels))]
    assert_allclose(*once, atol=2e-5)  # the pixel is divided out at other frequencies


def _of_kernels(psf, kernels):
    """Return a PSF of the same kernels that is not known to be round."""
    class Kernels(PSF):
        fwhm = psf.fwhm

        def kernels(self, pixel_scale):
            return kernels

        def __getitem__(self, rows):
            return _of_kernels(psf[rows], kernels[rows])
    return Kernels()


def test_stamps_in_single_precision_stay_so():
    images = np.random.default_rng(0).random((3, 1, 101, 101)).astype(np.float32)
    psf = MoffatPSF(np.random.default_rng(1).uniform(0.8, 1.6, (3, 3)) * u.arcsec)
    found = convolve(images, psf, SCALE, pixel_integrated=True)
    assert found.dtype == np.float32
    exact = convolve(images.astype(float), psf, SCALE, pixel_integrated=True)
    assert abs(found - exact).max() < 2e-6 * exact.max()


@BOTH
def test_a_stamp_does_not_depend_on_the_widths_beside_it(profile):
    images = np.random.default_rng(0).random((2, 1, 61, 61)).astype(np.float32)
    psf = profile([[0.8, 1.0], [2.4, 1.9]] * u.arcsec)
    assert (convolve(images, psf, SCALE)[:1] == convolve(images[:1], psf[:1], SCALE)).all()


def test_a_dark_stamp_stays_dark():
    psf = GaussianPSF([[1.2, 1.3]] * u.arcsec)
    assert not convolve(np.zeros((1, 1, 21, 21)), psf, SCALE).any()


def test_planes_are_scaled_on_the_way():
    images = np.random.default_rng(0).random((2, 1, 31, 31))
    psf, weights = GaussianPSF(np.full((2, 3), 1.2) * u.arcsec), np.arange(6).reshape(2, 3)
    assert_allclose(convolve(images, psf, SCALE, weights=weights),
                    convolve(images, psf, SCALE) * weights[..., None, None], atol=1e-14)


@given(seed=st.integers(0, 2**32 - 1), bands=st.integers(1, 3), one=st.booleans())
@settings(max_examples=20, deadline=None)
def test_without_numba_the_numbers_are_the_same(seed, bands, one):
    rng = np.random.default_rng(seed)
    image = np.zeros((1, 1 if one else bands, 41, 37), np.float32)
    y, x = rng.integers(0, 30, 2)
    image[..., y:y + 9, x:x + 5] = rng.normal(size=image[..., y:y + 9, x:x + 5].shape)
    psf = MoffatPSF(rng.uniform(0.8, 1.6, (1, bands)) * u.arcsec)
    compiled = convolve(image, psf, 0.262 * u.arcsec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_convolution, '_glue', lambda: _convolution_numpy)
        assert np.array_equal(convolve(image, psf, 0.262 * u.arcsec), compiled)


@pytest.mark.parametrize('beta', [2.0, 2.5, 3.5, 4.7, 9.0, 12.0])
def test_powers_are_powers(beta):
    base = np.geomspace(1, 1e4, 50)
    assert_allclose(_power(base, -beta), base ** -beta, rtol=1e-13)
