# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Flux kept as int16: its error, its size, what cannot be packed."""
import sys

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit._cutout_packing import (MISSING, decode_numpy, encode_numpy, find_scales,
                                              noise, pack)
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import ConfigError

SCALE = 0.262 * u.arcsec


def made_up(n=12, *, size=21, sigma=0.01, seed=0):
    flux = np.random.default_rng(seed).normal(0, sigma, (n, 3, size, size)).astype(np.float32)
    return np.array([f'object-{i}' for i in range(n)]), flux


def write(folder, keys, flux, *, shard_size=5, **options):
    with CutoutWriter(folder, bands='grz', pixel_scale=SCALE, shape=flux.shape[2:],
                      shard_size=shard_size, **{'dtype': 'int16'} | options) as writer:
        writer.add(keys, flux)
    return CutoutStore(folder)


def step_of(store):
    index = store.index()
    return np.stack([np.asarray(index[f'scale_{band}'], float) for band in store.bands], axis=1)


# The error

def test_noise_is_that_of_the_pixels_and_not_of_the_galaxy():
    y, x = np.indices((101, 101)) - 50
    flux = np.random.default_rng(1).normal(0, 0.02, (101, 101))
    assert_allclose(noise(flux), 0.02, rtol=0.05)
    assert_allclose(noise(flux + 5 * np.exp(-np.hypot(x, y) / 3)), 0.02, rtol=0.1)
    flux[:40] = 0  # as a band that misses the upper part
    assert_allclose(noise(flux), 0.02, rtol=0.06)
    flux[40:80] = np.nan
    assert_allclose(noise(flux), 0.02, rtol=0.08)


HUGE, TINY = float(np.float32(1e30)), float(np.float32(1e-35))
PIXELS = st.one_of(st.floats(-1, 1, width=32), st.floats(-HUGE, HUGE, width=32), st.just(np.nan),
                   st.just(0.0), st.just(np.inf), st.floats(-TINY, TINY, width=32))


@settings(max_examples=60, deadline=None)
@given(flux=arrays(np.float32, (3, 2, 5, 6), elements=PIXELS), noisy=st.booleans(),
       sigma=st.sampled_from([1e-20, 1e-3, 1.0, 1e9]))
def test_a_pixel_moves_by_at_most_a_32nd_of_the_noise(flux, noisy, sigma):
    if noisy:
        with np.errstate(over='ignore'):
            flux = (flux * sigma + np.random.default_rng(0).normal(0, sigma, flux.shape)
                    ).astype(np.float32)
    scales = find_scales(flux)
    steps, found = pack(flux, scales)
    packed = ~np.isnan(scales[:, 0])
    assert len(steps) == packed.sum()
    assert_array_equal(found[~packed], flux[~packed])
    assert_array_equal(np.isnan(found), np.isnan(flux))
    for i, band in np.argwhere(packed[:, None] & [True, True]):
        held = ~np.isnan(flux[i, band])
        error = np.abs(found[i, band][held].astype(float) - flux[i, band][held])
        assert error.max(initial=0) <= scales[i, band] / 2  # without any allowance
        if flux[i, band][held].any():
            assert 16 * scales[i, band] <= noise(flux[i, band]) * (1 + 1e-6)


@given(flux=arrays(np.float32, (2, 3, 7, 5), elements=st.one_of(
    st.floats(-3e4, 3e4, width=32), st.just(np.nan))), order=st.permutations(range(2)))
@settings(max_examples=50, deadline=None)
def test_compiled_and_plain_ways_give_the_same_bits(flux, order):
    scales = np.full((2, 3), 0.9375, np.float32)
    steps, found = pack(flux, scales)
    plain, back = np.empty_like(steps), np.empty_like(found)
    encode_numpy(flux, np.arange(2), scales, plain)
    assert_array_equal(steps, plain)
    assert_array_equal(steps == MISSING, np.isnan(flux))
    decode_numpy(plain, np.arange(2), scales, back, np.arange(2))
    assert_array_equal(back.view(np.uint32), found.view(np.uint32))


def test_works_without_numba(tmp_path, monkeypatch):
    keys, flux = made_up()
    compiled = write(tmp_path / 'a', keys, flux).get(keys)
    monkeypatch.setitem(sys.modules, 'lensfinder_audit._cutout_kernel', None)
    plain = write(tmp_path / 'b', keys, flux)
    assert_array_equal(plain.get(keys, verify=True), compiled)
    assert (tmp_path / 'a' / 'shard-00000.npy').read_bytes() == (
        tmp_path / 'b' / 'shard-00000.npy').read_bytes()


# The store

@settings(max_examples=20, deadline=None)
@given(n=st.integers(0, 9), shard_size=st.integers(1, 5), bright=st.sets(st.integers(0, 8)),
       wanted=st.lists(st.integers(0, 8)), cut=st.integers(0, 9))
def test_any_mixture_of_stars_comes_back(tmp_path_factory, n, shard_size, bright, wanted, cut):
    folder = tmp_path_factory.mktemp('store')
    keys, flux = made_up(n, size=9)
    for i in bright & set(range(n)):
        flux[i, 1, 4, 4] = 1e5
    with CutoutWriter(folder, bands='grz', pixel_scale=SCALE, shape=(9, 9), shard_size=shard_size,
                      dtype='int16') as writer:
        writer.add(keys[:cut], flux[:cut])
        writer.add(keys[cut:], flux[cut:])
    store = CutoutStore(folder)
    wanted = np.array([i for i in wanted if i < n], dtype=int)
    found = store.get(keys[wanted], verify=True)
    error = np.abs(found.astype(float) - flux[wanted])
    steps = step_of(store)[store.locate(keys[wanted])]
    assert (error <= np.nan_to_num(steps)[:, :, None, None] / 2).all()
    assert (store.index()['row'] < shard_size).all() and len(store.bad_cutouts()) == 0
    kept = sum(len(np.load(path)) for path in folder.glob('float32-*.npy'))
    assert kept == len(bright & set(range(n)))


def test_half_the_disk_and_stars_are_not_clipped(tmp_path):
    keys, flux = made_up(40, size=61)
    flux[3, :, 20, 20] = 3000  # a pixel 300,000 times the noise
    packed = write(tmp_path / 'int16', keys, flux, shard_size=64)
    write(tmp_path / 'float32', keys, flux, shard_size=64, dtype='float32')
    size = {name: sum(path.stat().st_size for path in (tmp_path / name).glob('*.npy'))
            for name in ('int16', 'float32')}
    assert size['int16'] / size['float32'] == pytest.approx((39 / 2 + 1) / 40, abs=0.001)
    assert_array_equal(packed.get(keys[3:4]), flux[3:4])


def test_what_the_page_says_reads_a_store_without_this_package(tmp_path):
    from pyarrow import parquet

    keys, flux = made_up(7)
    flux[2, 0, 3, 3], flux[4, 1] = 1e4, np.nan
    store = write(tmp_path, keys, flux)
    for row in parquet.read_table(tmp_path / 'index.parquet').to_pylist():
        packed = np.load(tmp_path / f'shard-{row["shard"]:05d}.npy')
        if row['row'] < len(packed):
            steps = packed[row['row']]
            scale = np.array([row[f'scale_{band}'] for band in 'grz'], np.float32)
            pixels = np.where(steps == -32768, np.nan, steps * scale[:, None, None])
        else:
            pixels = np.load(tmp_path / f'float32-{row["shard"]:05d}.npy')[row['row'] - len(packed)]
        assert_array_equal(pixels.astype(np.float32), store.get([row['object_id']])[0])


def test_quality_is_that_of_the_pixels_before_rounding(tmp_path):
    keys, flux = made_up()
    store = write(tmp_path, keys, flux)
    assert (store.index()['zero_fraction'] == 0).all()
    assert (store.get(keys) == 0).any()


def test_blank_bands_are_exact(tmp_path):
    keys, flux = made_up(3)
    flux[0, 1], flux[1, 2], flux[2, 0] = 0, np.nan, 7
    store = write(tmp_path, keys, flux)
    found = store.get(keys)
    assert not found[0, 1].any() and np.isnan(found[1, 2]).all()
    assert_array_equal(found[2], flux[2])  # without noise there is no step, so it stays float32
    assert_array_equal(np.isnan(step_of(store)).all(axis=1), [False, False, True])


def test_an_array_is_used_again(tmp_path):
    keys, flux = made_up()
    store = write(tmp_path, keys, flux)
    out = np.empty((12, 3, 21, 21), np.float32)
    assert store.get(keys, out=out) is out
    assert_array_equal(out, store.get(keys))


def test_a_store_of_float32_is_not_continued_as_int16(tmp_path):
    keys, flux = made_up()
    write(tmp_path, keys, flux, dtype='float32')
    with pytest.raises(ConfigError, match="was begun with dtype 'float32', not 'int16'"):
        write(tmp_path, keys, flux, append=True)


def test_an_unknown_dtype_is_named(tmp_path):
    with pytest.raises(ConfigError, match="dtype is 'int61'; .* Did you mean 'int16'"):
        write(tmp_path, *made_up(), dtype='int61')
