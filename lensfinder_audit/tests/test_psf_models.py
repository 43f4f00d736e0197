# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Measured kernels keep their light, width and pixel; PSFEx models are read as they were made."""
import gzip

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import InputFileError, TableError
from lensfinder_audit.psf import GaussianPSF, MoffatPSF, convolve
from lensfinder_audit.psf_models import PixelPSF, kernel_fwhm
from lensfinder_audit.psfex import PSFExPSF, read_psfex

SCALE = 0.262 * u.arcsec


def gaussian(fwhm, size=31, center=(0.0, 0.0)):
    y, x = np.indices((size, size)) - size // 2
    image = np.exp(-4 * np.log(2) * ((x - center[0]) ** 2 + (y - center[1]) ** 2) / fwhm ** 2)
    return image / image.sum()


def write_model(path, basis, **changes):
    """As PSFEx writes it: the polynomial in the header."""
    column = fits.Column('PSF_MASK', f'{basis.size}E', array=basis[None].astype('f4'),
                         dim=str(basis.shape[::-1]))
    table = fits.BinTableHDU.from_columns([column])
    values = {'POLNAME1': 'X_IMAGE', 'POLNAME2': 'Y_IMAGE', 'POLGRP1': 1, 'POLGRP2': 1,
              'POLZERO1': 100.0, 'POLZERO2': 50.0, 'POLSCAL1': 200.0, 'POLSCAL2': 80.0,
              'POLDEG1': 2, 'PSF_SAMP': 1.0}
    table.header.update({**values, **changes})
    table.writeto(path)
    return path


@given(fwhm=st.floats(2.0, 9.0))
@settings(max_examples=15)
def test_the_width_of_a_gaussian(fwhm):
    assert kernel_fwhm(gaussian(fwhm)) == pytest.approx(fwhm, rel=0.01)


def test_pixel_kernels_give_what_their_profile_gives():
    profile = MoffatPSF([[1.3, 1.0], [1.1, 1.6]] * u.arcsec)
    psf = PixelPSF(profile.kernels(SCALE), SCALE)
    images = np.random.default_rng(0).random((2, 2, 41, 41))
    assert_allclose(convolve(images, psf, SCALE), convolve(images, profile, SCALE), rtol=1e-9)
    assert_allclose(psf.fwhm, profile.fwhm, rtol=0.01)
    assert_allclose(psf[1:, [0]].kernels(SCALE), psf.kernels(SCALE)[1:, [0]], rtol=1e-12)


def test_a_kernel_without_the_pixel_gets_it_once():
    """The variance of a square pixel is 1/12 in each direction."""
    bare = gaussian(4.0)[None, None]
    once = PixelPSF(bare, SCALE, includes_pixel=False).kernels(SCALE)[0, 0]
    offset = np.arange(31) - 15
    spread = [(kernel.sum(axis=0) * offset ** 2).sum() for kernel in (bare[0, 0], once)]
    assert spread[1] - spread[0] == pytest.approx(1 / 12, rel=1e-3)
    assert_allclose(PixelPSF(bare, SCALE).kernels(SCALE), bare)
    assert PixelPSF(bare, SCALE, includes_pixel=False)[:1].includes_pixel is False


def test_the_pixel_acts_once_in_an_image():
    """A point that fills one pixel, convolved as integrated light, is the kernel itself."""
    bare = gaussian(4.0)[None, None]
    image = np.zeros((1, 1, 61, 61))
    image[..., 30, 30] = 1
    for includes in (True, False):
        psf = PixelPSF(bare, SCALE, includes_pixel=includes)
        twice = convolve(image, psf, SCALE)[0, 0, 15:46, 15:46]
        assert_allclose(twice, psf.kernels(SCALE)[0, 0], atol=1e-6)
    out = convolve(image, PixelPSF(bare, SCALE, includes_pixel=False), SCALE,
                   pixel_integrated=True)[0, 0]
    assert_allclose(out[15:46, 15:46], bare[0, 0], atol=1e-5)  # the window went in and out


def test_nothing_wraps_around():
    image = np.zeros((1, 1, 41, 41))
    image[..., 0, 3] = 1
    out = convolve(image, PixelPSF(gaussian(5.0)[None, None], SCALE), SCALE)[0, 0]
    assert abs(out[20:]).max() < 1e-12


@pytest.mark.parametrize(('kernel', 'said'), [
    (np.ones((4, 5)) / 20, r'odd ky and kx.* not \(1, 1, 4, 5\)'),
    (np.full((3, 3), np.nan), 'row 0, band number 0, has 9 values that are not finite'),
    (gaussian(3) * 0.9, 'sums to 0.9, not to 1; divide it by its sum'),
    (gaussian(3, center=(4, 0)), r'has its peak at pixel \(15, 19\) of \(31, 31\), not at its')])
def test_what_is_no_kernel_is_named(kernel, said):
    with pytest.raises(TableError, match=said):
        PixelPSF(kernel[None, None], SCALE)


def test_other_pixels_and_small_stamps_are_refused():
    psf = PixelPSF(gaussian(12.0, 61)[None, None], SCALE)
    with pytest.raises(TableError, match='have pixels of 0.262 arcsec, the stamps of 0.2 arcsec'):
        psf.kernels(0.2 * u.arcsec)
    with pytest.raises(TableError, match='FWHM of 3.14 arcsec, and the stamp is 2.36 arcsec wide'):
        convolve(np.zeros((1, 1, 9, 9)), psf, SCALE)


def test_terms_of_a_psfex_polynomial(tmp_path):
    """1, x, x^2, y, xy, y^2 of the position, which counts from 1."""
    basis = np.zeros((6, 5, 5))
    basis[:, 2, 2] = [1, 0.3, 0.05, 0.02, 0.1, 0.7]
    basis[:, 2, 3] = [1, 0, 0, 0, 0, 0]
    image = read_psfex(write_model(tmp_path / 'a.psf', basis)).image(149, 89)
    x, y = (150 - 100) / 200, (90 - 50) / 80
    first = 1 + 0.3 * x + 0.05 * x ** 2 + 0.02 * y + 0.1 * x * y + 0.7 * y ** 2
    assert image[2, 2] / image[2, 3] == pytest.approx(first)


def test_a_model_is_resampled_turned_and_flipped(tmp_path):
    basis = np.zeros((6, 41, 41))
    basis[0] = gaussian(4.0, 41) + 0.3 * gaussian(4.0, 41, center=(5, 0))
    model = read_psfex(write_model(tmp_path / 'a.psf', basis))
    fine = PSFExPSF([[model]], [[3]], [[4]], 1 / 0.262).kernels(0.131 * u.arcsec)[0, 0]
    middle = len(fine) // 2
    assert fine[middle, middle + 10] / fine[middle, middle] == pytest.approx(
        basis[0][20, 25] / basis[0][20, 20], rel=1e-3)
    quarter = np.array([[[[0, 1], [-1, 0]]]]) / 0.262  # +y of the stamp is +x of the exposure
    turned = PSFExPSF([[model]], [[3]], [[4]], quarter).kernels(SCALE)[0, 0]
    assert_allclose(turned, basis[0].T / basis[0].sum(), atol=1e-6)


def test_larger_pixels_widen_the_kernel_by_the_difference(tmp_path):
    basis = np.zeros((6, 41, 41))
    basis[0] = gaussian(6.0, 41)
    model = read_psfex(write_model(tmp_path / 'a.psf', basis))
    kernel = PSFExPSF([[model]], [[0]], [[0]], 1.0).kernels(2 * u.arcsec)[0, 0]
    offset = np.arange(len(kernel)) - len(kernel) // 2
    variance = (kernel.sum(axis=0) * offset ** 2).sum() * 4  # in pixels of the exposure
    assert variance == pytest.approx(6 ** 2 / 8 / np.log(2) + (4 - 1) / 12, rel=2e-2)


def test_bad_models_are_named(tmp_path):
    basis = np.zeros((6, 5, 5))
    whole = write_model(tmp_path / 'a.psf', basis).read_bytes()
    (tmp_path / 'cut.psf').write_bytes(whole[:len(whole) // 2])
    with pytest.raises(InputFileError, match='cut.psf: .*cut short'):
        read_psfex(tmp_path / 'cut.psf')
    with pytest.raises(InputFileError, match=r"in \['X_IMAGE', 'MAG'\] with 6 terms"):
        read_psfex(write_model(tmp_path / 'b.psf', basis, POLNAME2='MAG'))
    with pytest.raises(InputFileError, match='10 terms for its degree 3'):
        read_psfex(write_model(tmp_path / 'c.psf', basis, POLDEG1=3))
    Table({'a': [1]}).write(tmp_path / 'd.fits')
    with pytest.raises(InputFileError, match="d.fits: is no PSFEx model.* lacks .*'psf_mask'"):
        read_psfex(tmp_path / 'd.fits')
    with pytest.raises(TableError, match=r'tables \(n, band\) of the same shape'):
        PSFExPSF([[1]], [[1, 2]], [[1, 2]], 1.0)


@pytest.mark.parametrize('folder', ['testcase4_history', 'testcase6'])
def test_models_of_real_exposures_have_the_published_norm(real_data, folder):
    """survey-ccds tells sqrt(sum PSF^2) at the middle of the chip, and the FWHM of its stars."""
    root = real_data / 'ccd-exposures' / folder
    files = {path.name.partition('_oo')[0]: path for path in root.rglob('*psfex.fits.gz')}
    table = max((Table.read(path) for path in root.glob('survey-ccds-*')), key=len)
    for row in table:
        model = read_psfex(files[row['image_filename'].strip().split('/')[-1].partition('_oo')[0]])
        psf = PSFExPSF([[model]], [[row['width'] / 2]], [[row['height'] / 2]], 1 / 0.262)
        kernel = psf.kernels(SCALE)
        assert np.sqrt(np.square(kernel).sum()) == pytest.approx(row['psfnorm'], rel=1e-4)
        assert 0.85 < psf.fwhm[0, 0].value / (row['fwhm'] * 0.262) < 1.05


def test_a_real_psf_lies_between_the_profiles(real_data):
    path = next((real_data / 'ccd-exposures').rglob('*180128_083845*psfex.fits.gz'))
    with gzip.open(path) as stream:
        assert stream.read(6) == b'SIMPLE'
    psf = PSFExPSF([[read_psfex(path)]], [[125]], [[125]], 1 / 0.262)
    norm = [np.square(item.kernels(SCALE)).sum() for item in
            (GaussianPSF(psf.fwhm), psf, MoffatPSF(psf.fwhm, beta=2.5))]
    assert norm[0] > norm[1] > norm[2]
