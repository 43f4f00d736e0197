# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Coadds keep flux, place and noise, and their PSF is that of the stars in them."""
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.stats import mad_std
from astropy.wcs import WCS
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import InputFileError, TableError
from lensfinder_audit.exposures import Exposure, coadd_stamp, read_exposures
from lensfinder_audit.injection import add_sources
from lensfinder_audit.psfex import PSFExModel
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.simulators.sie_stamp import SieStamp
from lensfinder_audit.testing import example_hosts

SCALE = 0.262 * u.arcsec
CENTER = SkyCoord(150.1, 2.2, unit='deg')
HOSTS = {'testcase_decals_grz': (28.41923, -16.43593), 'testcase4_history': (186.7493, 25.46197)}


def made_up(turn, *, place=(60.3, 70.8), width=(3.0, 5.0), band='r', noise=0.0, seed=0):
    """A chip, turned, with one star of unit flux at the center of the stamp."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ['RA---TAN', 'DEC--TAN']
    wcs.wcs.crval = [CENTER.ra.deg, CENTER.dec.deg]
    wcs.wcs.crpix = [place[0] + 1, place[1] + 1]
    cos, sin = np.cos(turn), np.sin(turn)
    wcs.wcs.cd = 0.262 / 3600 * np.array([[-cos, sin], [sin, cos]])
    model = PSFExModel(star(31, (15, 15), width)[None], (0, 0), (1, 1), 0, 1.0)
    sky = np.random.default_rng(seed).normal(0, noise or 1e-9, (140, 140))
    flux = star(140, place, width) + sky
    return Exposure(band, flux, np.full((140, 140), 1 / (noise or 1) ** 2), wcs, model)


def star(size, place, width):
    y, x = np.indices((size, size))
    image = np.exp(-4 * np.log(2) * (((x - place[0]) / width[0]) ** 2
                                     + ((y - place[1]) / width[1]) ** 2))
    return image / image.sum()


@pytest.mark.parametrize('turn', [0.0, 0.6, np.pi / 2, 2.5])
def test_the_psf_is_the_image_of_a_star(turn):
    """Whichever way the chip is turned: its long axis is that of the star on the stamp."""
    flux, ivar, psf = coadd_stamp([made_up(turn)], CENTER, bands='r', shape=(61, 61))
    kernel = psf.kernels(SCALE)[0, 0]
    margin = (61 - len(kernel)) // 2
    inner = flux[0, 0, margin:61 - margin, margin:61 - margin]
    assert flux.sum() == pytest.approx(1, rel=2e-3) and (ivar > 0).all()
    assert_allclose(inner, kernel, atol=5e-3 * kernel.max())


def test_exposures_are_weighted_by_their_depth():
    pair = [made_up(0.0, noise=0.01), made_up(1.0, noise=0.02, width=(4.0, 4.0), seed=1)]
    flux, ivar, psf = coadd_stamp(pair, CENTER, bands='r', shape=(41, 41))
    assert_allclose(ivar[0, 0, 20, 20], 1 / 0.01 ** 2 + 1 / 0.02 ** 2, rtol=1e-6)
    kernels = [coadd_stamp([one], CENTER, bands='r')[2].kernels(SCALE) for one in pair]
    assert_allclose(psf.kernels(SCALE), 0.8 * kernels[0] + 0.2 * kernels[1], atol=1e-9)
    assert 0.75 < mad_std(flux[0, 0, :10]) * np.sqrt(ivar[0, 0, 5, 5]) < 1.0


def test_masked_pixels_take_their_neighbors_along():
    one = made_up(0.0)
    ivar = one.ivar.copy()
    ivar[70, 60] = 0
    flux, weight, _ = coadd_stamp([Exposure('r', one.flux, ivar, one.wcs, one.psf)], CENTER,
                                  bands='r', shape=(21, 21))
    assert np.isnan(flux).sum() == 25 and (weight == 0).sum() == 25 and np.isnan(flux[0, 0, 10, 10])


def test_what_no_exposure_shows_is_named():
    far = CENTER.directional_offset_by(0 * u.deg, 1 * u.arcmin)
    with pytest.raises(TableError, match=r"no exposure in band 'r' shows 150.1 .* in \['r'\]"):
        coadd_stamp([made_up(0.0)], far, bands='r')
    with pytest.raises(TableError, match="no exposure in band 'g'"):
        coadd_stamp([made_up(0.0)], CENTER, bands='gr')


def test_folders_without_exposures_are_named(tmp_path):
    with pytest.raises(InputFileError, match='has no survey-ccds table'):
        read_exposures(tmp_path)
    (tmp_path / 'survey-ccds-1.csv').write_text(
        'image_filename,filter,exptime,ccdzpt,expnum,ccdname\nx/a_ooi_r.fits,r,90,25,17,S3\n')
    with pytest.raises(InputFileError, match='a_ooi_r.fits is in the table of chips and not'):
        read_exposures(tmp_path)


@pytest.fixture(scope='module')
def real(real_data):
    return {name: read_exposures(real_data / 'ccd-exposures' / name) for name in HOSTS}


@pytest.mark.parametrize('name', HOSTS)
def test_real_exposures_have_their_noise_and_agree(real, name):
    position = SkyCoord(*HOSTS[name], unit='deg')
    flux, ivar, psf = coadd_stamp(real[name], position, bands='grz', shape=(61, 61))
    for band in range(3):
        good = ivar[0, band] > 0
        assert good.mean() > 0.95
        assert 0.75 < mad_std(flux[0, band][good] * np.sqrt(ivar[0, band][good])) < 1.5
    assert ((psf.fwhm > 0.7 * u.arcsec) & (psf.fwhm < 1.4 * u.arcsec)).all()
    light = np.nansum(flux[0, :, 20:41, 20:41], axis=(1, 2))
    assert light[0] < light[1] < light[2] and light[1] > 2  # a galaxy, brighter to the red


def test_real_exposures_of_one_galaxy_have_one_flux(real):
    """Three exposures in r, of other nights, calibrated each by itself."""
    position = SkyCoord(*HOSTS['testcase4_history'], unit='deg')
    flux = [np.nansum(coadd_stamp([item], position, bands='r', shape=(31, 31))[0])
            for item in real['testcase4_history']
            if item.band == 'r' and item.place(position)[1] < item.flux.shape[0] - 20]
    assert len(flux) > 1 and np.ptp(flux) < 0.05 * np.mean(flux)


@pytest.mark.parametrize('name', HOSTS)
def test_lenses_are_injected_into_real_coadds(real, real_data, name):
    position = SkyCoord(*HOSTS[name], unit='deg')
    flux, _, psf = coadd_stamp(real[name], position, bands='grz')
    library = real_data / 'source-stamps' / 'real_galaxy_catalog_26_extension_example.fits'
    for simulator in (SieSersic(theta_e=1.5 * u.arcsec),
                      SieStamp(library=library, theta_e=1.5 * u.arcsec)):
        systems = simulator.draw(example_hosts(1), seeds=[4])
        arcs = simulator.render(systems, bands='grz', psf=psf, shape=(101, 101),
                                pixel_scale=SCALE)
        injected = add_sources(flux, arcs, gain=5000 * u.electron / u.nmgy, seeds=[4])
        added = np.nansum(injected - flux, axis=(2, 3))[0]
        good = np.isfinite(flux)
        assert_allclose(added, np.where(good, arcs, 0).sum(axis=(2, 3))[0], rtol=0.05)
        assert (np.isnan(injected) == np.isnan(flux)).all()
