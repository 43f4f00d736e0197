# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import gzip
import io

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.brick_images import BrickImage, cut_stamps
from lensfinder_audit.exceptions import InputFileError
from lensfinder_audit.tests.made_up_bricks import PIXELS, pattern, wcs_header, write_image


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """The same image plain, compressed by tiles and as a whole."""
    folder = tmp_path_factory.mktemp('bricks')
    header = wcs_header(10.125, 0)
    fits.PrimaryHDU(pattern(0), header).writeto(folder / 'a.fits', checksum=True)
    write_image(folder / 'a.fits.fz', pattern(0), header)
    (folder / 'a.fits.gz').write_bytes(gzip.compress((folder / 'a.fits').read_bytes()))
    return folder


@pytest.mark.parametrize('name', ['a.fits', 'a.fits.fz', 'a.fits.gz'])
@pytest.mark.parametrize('n', [3, 200])  # tile by tile, and expanded once
def test_stamps_are_those_of_astropy_in_every_format(files, name, n):
    rng = np.random.default_rng(n)
    ra, dec = 10.125 + rng.uniform(-6e-3, 6e-3, n), rng.uniform(-6e-3, 6e-3, n)
    with BrickImage(files / name) as image:
        x, y = image.pixels(ra, dec)
        found = image.cut(x, y, (21, 15))
        assert image.shape == (PIXELS, PIXELS)
        assert_allclose(image.pixel_scale.to_value(u.arcsec), 0.262, rtol=1e-9)
    for i, position in enumerate(SkyCoord(ra, dec, unit='deg')[:30]):
        wanted = Cutout2D(pattern(0), position, (21, 15), wcs=WCS(wcs_header(10.125, 0)),
                          mode='partial', fill_value=np.nan).data
        assert_array_equal(found[i], wanted)


@settings(max_examples=40)
@given(row=st.integers(-9, 12), column=st.integers(-9, 12), height=st.integers(1, 6),
       width=st.integers(1, 6))
def test_stamps_across_the_edge_are_those_of_a_padded_image(row, column, height, width):
    image = np.arange(63.0).reshape(7, 9)
    padded = np.pad(image, 20, constant_values=np.nan)
    wanted = padded[row + 20:row + 20 + height, column + 20:column + 20 + width]
    assert_array_equal(cut_stamps(image, [row], [column], (height, width))[0], wanted)


@pytest.mark.parametrize('size', [4, 5])
def test_the_middle_of_a_stamp_is_nearest_to_the_object(files, size):
    with BrickImage(files / 'a.fits') as image:
        found = image.cut([20.4, 20.6], [30.1, 30.9], (size, size))
    x = (found[:, 0] % 1000).mean(axis=1)
    y = (found[:, :, 0] - 1e6).mean(axis=1) // 1000
    assert (np.abs(x - [20.4, 20.6]) <= 0.5).all()
    assert (np.abs(y - [30.1, 30.9]) <= 1).all()


def test_missing_pixels_and_objects_elsewhere_are_nan(files):
    with BrickImage(files / 'a.fits') as image:
        assert np.isnan(image.cut([3], [0], (1, 1), missing=1e6 + 3)).all()
        far = image.pixels([190.125, 10.125, 100], [0, 80, 0])
        assert np.isnan(image.cut(*far, (3, 3))).all()
        assert_array_equal(image.values([3, -1, np.nan], [5, 5, 5]), [1005003, np.nan, np.nan])


def harmed(path, harm):
    content = bytearray(path.read_bytes())
    harm(content)
    return bytes(content)


@pytest.mark.parametrize('name', ['a.fits', 'a.fits.fz', 'a.fits.gz'])
def test_a_file_that_is_cut_short_is_named(files, name):
    content = (files / name).read_bytes()
    for part in (0.0001, 0.4, 0.9):
        with pytest.raises(InputFileError, match='brick b: is cut short or damaged'):
            with BrickImage(content[:int(part * len(content))], 'brick b') as image:
                image.cut(np.full(200, 80.0), np.full(200, 150.0), (9, 9))


def test_a_changed_byte_is_found_by_the_checksum_of_the_survey(files):
    def harm(content):
        content[-4000] ^= 1

    with pytest.raises(InputFileError, match='is cut short or damaged .*(Checksum|Datasum)'):
        BrickImage(harmed(files / 'a.fits.fz', harm))


def test_what_is_no_image_of_the_sky_is_named(tmp_path):
    def written(hdu):
        stream = io.BytesIO()
        hdu.writeto(stream)
        return stream.getvalue()

    with pytest.raises(InputFileError, match='b: holds no image'):
        BrickImage(written(fits.PrimaryHDU()), 'b')
    with pytest.raises(InputFileError, match='b: its header gives no place on the sky'):
        BrickImage(written(fits.PrimaryHDU(np.zeros((3, 3)))), 'b').pixels([1], [1])
    with pytest.raises(InputFileError, match='b: is cut short or damaged'):
        BrickImage(b'<html>', 'b')
    with pytest.raises(FileNotFoundError):
        BrickImage(tmp_path / 'nothing.fits')


# Real pixels

def test_stamps_of_a_real_map_of_3600_pixels_are_those_of_astropy(real_data):
    path = (real_data / 'survey-conditions' / 'brick_2444p120_dr2'
            / 'decals-2444p120-depth-r.fits.gz')
    with fits.open(path) as hdus:
        pixels, wcs = hdus[0].data, WCS(hdus[0].header)
    rng = np.random.default_rng(0)
    ra, dec = wcs.wcs.crval[:, None] + rng.uniform(-0.12, 0.12, (2, 20))
    with BrickImage(path) as image:
        x, y = image.pixels(ra, dec)
        found, values = image.cut(x, y, (101, 101)), image.values(x, y)
        assert_allclose(image.pixel_scale.to_value(u.arcsec), 0.262, rtol=1e-6)
    assert (values > 10).sum() > 15 and (values >= 0).all()
    for i, position in enumerate(np.transpose(wcs.wcs_world2pix(ra, dec, 0))):
        wanted = Cutout2D(pixels, position, 101, mode='partial', fill_value=np.nan).data
        assert_array_equal(found[i], wanted)
        assert found[i, 50, 50] == values[i]


def test_stamps_of_real_exposures_are_those_of_astropy(real_data):
    paths = sorted((real_data / 'ccd-exposures').rglob('*ooi*ls9*.fits*'))
    paths = [path for path in paths if not path.name.endswith(('psfex.fits.gz',
                                                               'splinesky.fits.gz'))]
    assert len(paths) > 10
    for path in paths:
        with fits.open(path) as hdus:
            hdu = next(hdu for hdu in hdus if len(hdu.shape or ()) == 2)
            pixels, header = hdu.data, hdu.header
        with BrickImage(path) as image:
            middle = np.array(pixels.shape) / 2 + 0.2
            found = image.cut([middle[1]], [middle[0]], (51, 51))[0]
            ra, dec = WCS(header).wcs_pix2world(middle[1], middle[0], 0)
            assert_allclose(np.ravel(image.pixels(ra, dec)), middle[::-1], atol=1e-5)
        first = np.floor(middle + 0.5).astype(int) - 25
        assert_array_equal(found, pixels[first[0]:first[0] + 51, first[1]:first[1] + 51])
