# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import InputFileError
from lensfinder_audit.stamps import add_stamps, cutout_quality, read_stamps

FLUX = np.random.default_rng(0).normal(size=(3, 21, 25)).astype(np.float32)


def writer(path, shape=(21, 25), pixel_scale=0.262 * u.arcsec, **options):
    return CutoutWriter(path, bands='grz', pixel_scale=pixel_scale, shape=shape, **options)


def save(path, flux=FLUX, **header):
    fits.PrimaryHDU(flux, header=fits.Header(header)).writeto(path)
    return path


@pytest.mark.parametrize('array', [FLUX, np.moveaxis(FLUX, 0, 2)], ids=['first', 'last'])
def test_npz_with_bands_on_either_side(tmp_path, array):
    np.savez(tmp_path / 'a.npz', cutout=array)
    stamp, = read_stamps(tmp_path / 'a.npz')
    assert stamp.object_id == 'a'
    assert_array_equal(stamp.flux, FLUX)


def test_npz_with_a_stamp_per_name(tmp_path):
    np.savez(tmp_path / 'many.npz', x=FLUX, y=2 * FLUX, note=np.arange(3))
    assert [stamp.object_id for stamp in read_stamps(tmp_path / 'many.npz')] == ['x', 'y']


@pytest.mark.parametrize(('shape', 'words'), [
    ((2, 21, 25), r'has shape \(2, 21, 25\), not'), ((21, 25), r'has shape \(21, 25\)'),
    ((3, 21, 3), 'does not tell which axis')])
def test_shapes_that_are_no_stamp_are_named(tmp_path, shape, words):
    np.savez(tmp_path / 'a.npz', cutout=np.zeros(shape))
    with pytest.raises(InputFileError, match=words):
        read_stamps(tmp_path / 'a.npz')


@pytest.mark.parametrize(('name', 'words'), [
    ('a.npz', 'is cut short or not what its suffix says'), ('a.fits', 'is cut short or not'),
    ('a.png', 'stamps are read from .npz and FITS')])
def test_files_of_another_kind_are_named(tmp_path, name, words):
    (tmp_path / name).write_bytes(b'nothing of the kind')
    with pytest.raises(InputFileError, match=words):
        read_stamps(tmp_path / name)
    with pytest.raises(InputFileError, match='none.npz: cannot be read: No such file'):
        read_stamps(tmp_path / 'none.npz')


def test_pickled_arrays_are_not_run(tmp_path):
    np.savez(tmp_path / 'a.npz', cutout=np.array([{}], dtype=object))
    with pytest.raises(InputFileError, match='a.npz'):
        read_stamps(tmp_path / 'a.npz')


def test_fits_says_its_bands_and_scale(tmp_path):
    path = save(tmp_path / 'a.b.fits', FLUX[[2, 0, 1]], BANDS='zgr', CD1_1=-0.262 / 3600, CD2_1=0.0)
    stamp, = read_stamps(path)
    assert (stamp.object_id, stamp.bands) == ('a.b', ('z', 'g', 'r'))
    assert_allclose(stamp.pixel_scale.to_value('arcsec'), 0.262)
    with writer(tmp_path / 'store') as open_writer:
        add_stamps(open_writer, [path])
    assert_array_equal(CutoutStore(tmp_path / 'store').get(['a.b'])[0], FLUX)


def test_flags_of_missing_and_constant_bands():
    flux = np.broadcast_to(FLUX, (5, *FLUX.shape)).copy()
    flux[1, 0] = 0
    flux[2, 1], flux[2, 2] = np.nan, 3.0
    flux[3, :, 10, 12] = np.inf
    flux[4, 0, :7] = 0
    found = cutout_quality(flux, bands='grz')
    assert_array_equal(found['missing_bands'], ['', 'g', 'r', '', ''])
    assert_array_equal(found['constant_bands'], ['', '', 'z', '', ''])
    assert_array_equal(found['n_central_nan'], [0, 0, 197, 3, 0])
    assert_allclose(found['nan_fraction'], [0, 0, 1 / 3, 1 / 525, 0])
    assert_allclose(found['zero_fraction'], [0, 1, 0, 0, 1 / 3])


def test_a_constant_band_with_missing_pixels_is_still_constant():
    flux = np.full((1, 1, 5, 5), 2.0)
    flux[0, 0, 0] = np.nan
    assert cutout_quality(flux, bands='r')['constant_bands'][0] == 'r'


@pytest.mark.parametrize(('flux', 'header', 'words'), [
    (FLUX, {'BANDS': 'gri'}, "lacks band 'z'"),
    (FLUX, {'BANDS': 'gr'}, "has 3 planes, and BANDS names 'gr'"),
    (FLUX, {'CDELT1': 0.3 / 3600}, '0.3000 arcsec per pixel, the store 0.2620'),
    (FLUX[:, :20], {}, '20 x 25 pixels, the store 21 x 25; it cannot be cut'),
    (np.zeros((3, 23, 25)), {}, '23 x 25 pixels, the store 21 x 25; crop=True cuts it'),
    (FLUX[0], {}, 'holds no cube'),
])
def test_a_stamp_that_does_not_fit_is_refused_or_left_out(tmp_path, flux, header, words):
    bad, good = save(tmp_path / 'bad.fits', flux, **header), save(tmp_path / 'good.fits')
    with writer(tmp_path / 'store') as open_writer:
        with pytest.raises(InputFileError, match=words):
            add_stamps(open_writer, [bad])
        refused = add_stamps(open_writer, [bad, good], skip_bad=True)
    assert_array_equal(refused['file'], [str(bad)])
    assert_array_equal(CutoutStore(tmp_path / 'store').keys, ['good'])


def test_larger_stamps_are_cut_about_their_center(tmp_path):
    large = np.pad(FLUX, [(0, 0), (2, 2), (4, 4)])
    with writer(tmp_path / 'store') as open_writer:
        add_stamps(open_writer, [save(tmp_path / 'a.fits', large)], crop=True, names={'a': 'b'})
    assert_array_equal(CutoutStore(tmp_path / 'store').get(['b'])[0], FLUX)


# Real stamps

def test_real_cutouts_keep_their_pixels(real_data, tmp_path):
    files = sorted((real_data / 'dr10-cutouts').glob('0*.npz'))
    with writer(tmp_path, shape=(101, 101)) as open_writer:
        assert not len(add_stamps(open_writer, files))
    store = CutoutStore(tmp_path)
    assert_array_equal(store.keys, [path.stem for path in files])
    for path, flux in zip(files, store.get(store.keys, verify=True), strict=True):
        assert_array_equal(flux, np.moveaxis(np.load(path)['cutout'], 2, 0))
    index = store.index()
    assert_array_equal(index['source'], [path.name for path in files])
    assert not index['nan_fraction'].any()
    assert not (index['missing_bands'] != '').any()


def test_real_missing_bands_are_flagged(real_data, tmp_path):
    """The same galaxy twice, once with three quarters of g and r missing."""
    folder = real_data / 'decals-galaxies'
    files = [folder / 'example_d.fits.gz', folder / 'example_bad_pix.fits.gz']
    with writer(tmp_path, shape=(424, 424), pixel_scale=0.13025 * u.arcsec) as open_writer:
        add_stamps(open_writer, files)
    good, bad = CutoutStore(tmp_path).index()['zero_fraction']
    assert good < 0.01
    assert 0.7 < bad < 0.8


def test_real_stamps_of_two_files_share_a_store(real_data, tmp_path):
    folder = real_data / 'decals-galaxies'
    with writer(tmp_path, shape=(101, 101)) as open_writer:
        add_stamps(open_writer, [folder / 'derived_101px_0p262_grz.npz'])
        add_stamps(open_writer, [folder / 'temp_small.fits'], crop=True,
                   names={'temp_small': 'cut'})
        with pytest.raises(InputFileError, match='0.1302 arcsec per pixel, the store 0.2620'):
            add_stamps(open_writer, [folder / 'example_d.fits.gz'])
    assert len(CutoutStore(tmp_path)) == 11


def test_a_real_truncated_file_is_named(real_data):
    path, = (real_data / 'decals-galaxies').glob('truncated_*')
    with pytest.raises(InputFileError, match='truncated_.* is cut short'):
        read_stamps(path)
