# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""`raw_robust` is what its definition says, compiled or not."""
import sys
from concurrent.futures import ThreadPoolExecutor

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.normalizers import raw_robust
from lensfinder_audit.normalizers.raw_robust import (RawRobust, RawRobustPublished,
                                                     normalize_planes_numpy)
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.testing import check_normalizer

BOTH = pytest.mark.parametrize('normalizer', [RawRobust(), RawRobustPublished()], ids=repr)


def plain_loop(flux, inside):
    """The definition, word by word, one cutout and one band at a time."""
    images = np.empty(flux.shape, np.float32)
    for stamp, image in zip(flux, images, strict=True):
        for band in range(len(stamp)):
            plane = np.where(np.isnan(stamp[band]), 0, stamp[band])
            sky = plane[inside]
            spread = np.median(np.abs(sky - np.median(sky)))
            image[band] = np.clip((plane - np.median(sky)) / (spread + 1e-8), -10, 10)
    return images


def sky_with_gaps(seed=0, shape=(4, 3, 101, 101)):
    rng = np.random.default_rng(seed)
    flux = rng.normal(0.01, 0.02, shape).astype(np.float32)
    flux[..., 40:60, 40:60] += 3
    flux[rng.random(shape) < 0.02] = np.nan
    return flux


@BOTH
def test_equals_the_plain_loop(normalizer):
    flux = sky_with_gaps()
    assert_allclose(normalizer(flux), plain_loop(flux, normalizer.annulus((101, 101))), atol=1e-6)


@pytest.mark.parametrize(('normalizer', 'count'), [(RawRobust(), 3036),
                                                   (RawRobustPublished(), 1960)])
def test_annulus_has_the_published_number_of_pixels(normalizer, count):
    assert normalizer.annulus((101, 101)).sum() == count


def test_annulus_of_even_stamps_lies_about_half_their_size():
    ring = RawRobust(r_in=0, r_out=1).annulus((64, 66))
    assert np.argwhere(ring).tolist() == [[32, 33]]


def test_default_radii_follow_the_smaller_side():
    assert RawRobust().radii((101, 301)) == (32.5, 45.0)
    assert RawRobustPublished().radii((64, 64)) == (20.0, 32.0)


def test_missing_pixels_become_zero_before_the_median():
    flux = np.full((1, 1, 101, 101), 5.0)
    flux[..., RawRobust().annulus((101, 101))] = np.nan  # the median is now 0, not 5
    assert (RawRobust()(flux)[0, 0, 50, 45:56] == 10).all()


@settings(max_examples=60, deadline=None)
@given(planes=hnp.arrays(np.float32, (2, 500), elements=st.floats(-1e6, 1e6, width=32)
                         | st.sampled_from([np.nan, 0, 1, 1])),
       size=st.integers(1, 500))
def test_compiled_and_plain_path_give_the_same_numbers(planes, size):
    inside = np.arange(size, dtype=np.uintp)
    compiled, plain = np.empty_like(planes), np.empty_like(planes)
    raw_robust._planes_function()(planes, inside, np.float32(10), compiled)
    normalize_planes_numpy(planes, inside, np.float32(10), plain)
    assert_array_equal(compiled, plain)


@pytest.mark.parametrize('arrange', [np.sort, lambda x: np.sort(x)[::-1], lambda x: np.round(x, 1),
                                     lambda x: np.zeros_like(x), lambda x: np.arange(len(x)) % 96])
def test_median_of_awkward_orders(arrange):
    plane = arrange(np.random.default_rng(0).normal(size=3036)).astype(np.float32)[None]
    compiled, plain = np.empty_like(plane), np.empty_like(plane)
    inside = np.arange(plane.size, dtype=np.uintp)
    raw_robust._planes_function()(plane, inside, np.float32(10), compiled)
    normalize_planes_numpy(plane, inside, np.float32(10), plain)
    assert_array_equal(compiled, plain)


def test_works_without_numba(monkeypatch):
    flux = sky_with_gaps()
    expected = RawRobust()(flux)
    monkeypatch.setitem(sys.modules, 'lensfinder_audit.normalizers._robust_kernel', None)
    monkeypatch.setattr(raw_robust, '_planes_function', raw_robust._planes_function.__wrapped__)
    assert raw_robust._planes_function() is normalize_planes_numpy
    assert_array_equal(RawRobust()(flux), expected)


def test_does_not_depend_on_scale_and_offset():
    flux = np.random.default_rng(0).normal(0, 1, (1, 3, 64, 64))
    assert_allclose(RawRobust()(7 * flux + 100), RawRobust()(flux), atol=1e-4)


def test_a_clip_of_ten_is_674_sigma():
    flux = np.random.default_rng(0).normal(0, 1, (1, 1, 301, 301))
    assert RawRobust(clip=1e3)(flux).std() == pytest.approx(10 / 6.745, rel=0.01)


@BOTH
def test_conforms(normalizer):
    check_normalizer(normalizer)


def test_both_are_registered():
    assert load_plugin('normalizers', 'raw_robust') is RawRobust
    assert load_plugin('normalizers', 'raw_robust_published') is RawRobustPublished


def test_parameters_are_told():
    assert RawRobustPublished().parameters() == {'r_in': 20.0, 'r_out': 32.0, 'clip': 10.0}


def test_stamp_too_small_for_its_annulus():
    with pytest.raises(ConfigError, match='no pixel of a 3 x 3 stamp lies between r_in=0.65'):
        RawRobust()(np.zeros((1, 1, 3, 3)))


@BOTH
def test_real_cutouts(normalizer, real_data):
    files = sorted((real_data / 'dr10-cutouts').glob('*.npz'))
    flux = np.stack([np.load(path)['cutout'].transpose(2, 0, 1) for path in files])
    images = normalizer(flux)
    assert_allclose(images, plain_loop(flux, normalizer.annulus((101, 101))), atol=1e-6)
    assert (images[:, :, 50, 50] > 5).all()  # the galaxies stand out of their sky


def test_real_galaxies(real_data):
    with np.load(real_data / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as arrays:
        flux = np.stack([arrays[name].transpose(2, 0, 1) for name in arrays.files])
    assert_allclose(RawRobust()(flux), plain_loop(flux, RawRobust().annulus((101, 101))), atol=1e-6)


def test_real_stamp_with_bands_missing(real_data):
    names = ('example_d.fits.gz', 'example_bad_pix.fits.gz')
    whole, gaps = (fits.getdata(real_data / 'decals-galaxies' / name) for name in names)
    whole_images, images = RawRobust()(whole[None]), RawRobust()(gaps[None])
    assert np.isfinite(images).all()
    assert (gaps[:2] == 0).mean() > 0.7 and (images[0, :2] == 0).mean() > 0.5
    likeness = np.corrcoef(images[0, 2].ravel(), whole_images[0, 2].ravel())[0, 1]
    assert likeness > 0.9  # z is whole in both, out of two reductions
    masked = np.where(gaps == 0, np.nan, gaps)[None]
    assert_array_equal(RawRobust()(masked), images)  # a missing pixel counts as 0


def test_threads_side_by_side_give_the_same():
    flux = sky_with_gaps()
    expected = RawRobust()(flux)
    with ThreadPoolExecutor(4) as pool:
        for images in pool.map(RawRobust(), [flux] * 12):
            assert_array_equal(images, expected)
