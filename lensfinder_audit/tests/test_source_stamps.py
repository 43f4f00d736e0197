# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Stamps lose noise, neighbors and edges and keep their galaxy; bad libraries are named."""
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose
from scipy import ndimage

from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.simulators._clean_stamp import clean_stamp, half_light_radius
from lensfinder_audit.source_stamps import read_library
from lensfinder_audit.tests.made_up_stamps import NOISE, SIZE, galaxy, write_library


def noisy(seed=0, noise=NOISE, sky=0.3):
    return galaxy(seed) + np.random.default_rng(seed + 99).normal(sky, noise, (SIZE, SIZE))


@pytest.mark.parametrize('seed', range(4))
def test_noise_is_suppressed_and_the_galaxy_kept(seed):
    truth = np.pad(galaxy(seed), 8)
    clean, told = clean_stamp(noisy(seed))
    error = clean * (clean * truth).sum() / np.square(clean).sum() - truth
    for where, most in ((truth > 5 * NOISE, 1), ((truth > NOISE) & (truth < 5 * NOISE), 0.7),
                        (truth < 0.2 * NOISE, 0.15)):
        assert np.sqrt(np.mean(error[where] ** 2)) < most * NOISE
    assert abs(error[truth > 0.7 * truth.max()].mean()) < 0.01 * truth.max()
    assert abs(told['kept'] - 1) < 0.08 and told['noise'] == pytest.approx(NOISE, rel=0.15)


def test_what_is_lensed_has_no_edge():
    clean, _ = clean_stamp(noisy())
    assert clean.shape == (SIZE + 16, SIZE + 16) and clean.sum() == pytest.approx(1)
    assert clean.min() == 0 and not clean[0].any() and not clean[:, -1].any()
    large = np.pad(galaxy(0), 0)[20:60, 20:60]  # cut through the galaxy
    cut, _ = clean_stamp(large + np.random.default_rng(1).normal(0, NOISE, large.shape))
    steps = [np.abs(np.diff(image, axis=axis)).max() / image.max()
             for image in (cut, clean) for axis in (0, 1)]
    assert max(steps[:2]) < 1.5 * max(steps[2:])  # no steeper than the galaxy itself


def test_a_neighbor_is_left_out():
    y, x = np.indices((SIZE, SIZE))
    neighbor = 3 * np.exp(-0.5 * ((x - 70) ** 2 + (y - 70) ** 2) / 2 ** 2)
    alone, with_neighbor = clean_stamp(noisy())[0], clean_stamp(noisy() + neighbor)[0]
    assert with_neighbor[72:, 72:].sum() < 1e-3
    assert np.abs(alone - with_neighbor).max() < 0.03 * alone.max()


def test_sky_and_scale_of_the_flux_do_not_matter():
    first, second = clean_stamp(noisy())[0], clean_stamp(50 * noisy() - 7)[0]
    assert_allclose(first, second, atol=1e-9)


def test_the_radius_of_a_gaussian():
    y, x = np.indices((81, 81)) - 40
    image = np.exp(-0.5 * (x ** 2 + y ** 2) / 6 ** 2)
    assert half_light_radius(image) == pytest.approx(6 * np.sqrt(2 * np.log(2)), rel=0.02)


@pytest.mark.parametrize(('image', 'said'), [
    (np.full((40, 40), np.nan), '1600 of 1600 pixels that are not finite'),
    (np.ones((40, 40)), 'is 1 everywhere'), (np.ones((9, 9)), 'at least 16 x 16 pixels'),
    (np.random.default_rng(0).normal(size=(40, 40)), 'signal to noise of .* would be lensed')])
def test_images_that_cannot_be_lensed(image, said):
    with pytest.raises(TableError, match=said):
        clean_stamp(image)


def test_a_library_is_read(tmp_path):
    path = write_library(tmp_path)
    for where in (path, tmp_path):
        library = read_library(where, faintest=22.5)
        assert len(library) == 4 and library.row('3') == 3
    stamp = library.stamp(2)
    assert stamp is library.stamp(2)
    assert_allclose(stamp.center, ndimage.center_of_mass(stamp.image), rtol=1e-6)
    assert 0.2 < stamp.radius < 0.3
    assert library.table.meta['catalogue'] == 'catalog.csv' and library.table.meta['sha256']


def test_the_nearest_in_magnitude_and_redshift(tmp_path):
    library = read_library(write_library(tmp_path))  # z = 0.4 + 0.75 (mag - 21)
    assert list(library.nearest(21.9, None, 2)) == [2, 3]
    assert list(library.nearest(21.0, 1.9, 3)) == [3, 4, 2]
    assert len(library.nearest(30.0, None, 99)) == 6


def test_bad_libraries_are_named(tmp_path):
    with pytest.raises(InputFileError, match='a folder with one catalogue.* here there are none'):
        read_library(tmp_path)
    path = write_library(tmp_path, columns=('file', 'mag'))
    with pytest.raises(InputFileError, match='no column pixel_scale; it has .*mag'):
        read_library(path)
    Table({'file': ['a'], 'pixel_scale': [0.0], 'mag': [20.0]}).write(path, overwrite=True)
    with pytest.raises(InputFileError, match='pixel_scale of row 0 is 0, not a positive'):
        read_library(path)
    Table({'file': ['a'], 'pixel_scale': [0.03], 'mag': [25.0]}).write(path, overwrite=True)
    with pytest.raises(ConfigError, match='none of 1 galaxies is brighter than 23.5; the'):
        read_library(path)
    with pytest.raises(InputFileError, match='there is no such file'):
        read_library(tmp_path / 'missing.csv')


def test_bad_files_are_named(tmp_path):
    library = read_library(write_library(tmp_path))
    stamps = tmp_path / 'stamps.fits'
    whole = stamps.read_bytes()
    stamps.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(InputFileError, match='stamps.fits: is cut short'):
        library.stamp(3)
    stamps.write_bytes(b'no FITS file at all')
    with pytest.raises(InputFileError, match='stamps.fits: is cut short or no FITS'):
        library.stamp(0)
    image = galaxy()
    image[3, 4] = np.nan
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image)]).writeto(stamps, overwrite=True)
    with pytest.raises(InputFileError, match=r'unit 1 \(stamp 0\): .* 1 of 6400 pixels that are'):
        library.stamp(0)
    stamps.unlink()
    with pytest.raises(InputFileError, match='stamps.fits: cannot be read: No such file'):
        library.stamp(1)


def test_real_stamps(real_data):
    """All that are bright enough keep their flux; what is left of noise and edge is nothing."""
    library = read_library(real_data / 'source-stamps'
                           / 'real_galaxy_catalog_26_extension_example.fits')
    assert len(library) == 12 and (library.table['z'] > 0).all()
    for row in range(len(library)):
        stamp = library.stamp(row)
        assert 0.9 < stamp.told['kept'] < 1.25 and stamp.told['signal_to_noise'] > 80
        assert 0.15 < stamp.radius < 0.8
        rough = stamp.image - ndimage.gaussian_filter(stamp.image, 1)
        edge = np.r_[stamp.image[:1].ravel(), stamp.image[:, -1:].ravel()]
        assert not edge.any() and np.abs(rough[stamp.image < 0.01 * stamp.image.max()]).mean() < (
            5e-4 * stamp.image.max())
    with pytest.raises(InputFileError, match='Give the path of the catalogue itself'):
        read_library(real_data / 'source-stamps')
