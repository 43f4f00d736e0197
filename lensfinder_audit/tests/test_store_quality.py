# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import functools
import pickle
import tracemalloc

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.stats import mad_std
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exposures import coadd_stamp, read_exposures
from lensfinder_audit.interfaces import Engine
from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.store_quality import flag_counts, measure_light, quality_table
from lensfinder_audit.tables import check_table

SCALE = 0.262 * u.arcsec


def made_up(n=12, *, size=31, seed=0):
    flux = np.random.default_rng(seed).normal(0.1, 0.02, (n, 3, size, size)).astype(np.float32)
    return np.array([f'object-{i}' for i in range(n)]), flux


def store_of(folder, keys, flux, *, columns=None, planes=None, **options):
    with CutoutWriter(folder, bands='grz', pixel_scale=SCALE, shape=flux.shape[2:], shard_size=5,
                      planes=tuple(planes or ()), **options) as writer:
        writer.add(keys, flux, columns=columns, planes=planes)
    return CutoutStore(folder)


def harm(path, row_bytes, row):
    content = bytearray(path.read_bytes())
    content[-row_bytes * (row + 1) + 3] ^= 64
    path.write_bytes(content)


# Brightness

def test_light_is_that_of_a_known_image():
    flux = np.zeros((1, 3, 41, 41))
    y, x = np.indices((41, 41)) - 20
    flux[0, 1] = 0.25 + np.where(np.hypot(x, y) < 8, 2, 0)
    flux[0, 2] = np.nan
    flux[0, 0, 20, 20] = np.inf  # missing, so it does not count
    found = measure_light(flux, bands='grz')
    assert_allclose([found[f'core_{band}'].to_value(u.nmgy)[0] for band in 'gr'], [0, 2.25])
    assert_allclose([found[f'annulus_{band}'].value[0] for band in 'gr'], [0, 0.25])
    assert found['noise_r'] == 0 and all(np.isnan(found[f'{name}_z'][0].value) for name in (
        'core', 'annulus', 'noise'))


def test_noise_is_that_of_astropy_whatever_is_missing():
    _, flux = made_up(4)
    flux[1, 0, :9] = np.nan
    ring = annulus_mask((31, 31), r_in=0.65 * 15, r_out=0.9 * 15)
    found = measure_light(flux, bands='grz')
    for i, band in enumerate('grz'):
        assert_allclose(found[f'noise_{band}'].value, mad_std(flux[:, i][:, ring], axis=-1,
                                                              ignore_nan=True), rtol=1e-3)


# Flags

@pytest.mark.parametrize('dtype', ['float32', 'int16'])
def test_each_fault_is_flagged_and_nothing_else(tmp_path, dtype):
    keys, flux = made_up(10)
    flux[1, 2] = np.nan
    flux[2, :, :3] = np.nan
    flux[3, 0, 15, 15] = np.nan
    flux[4, 1] = 0.5
    flux[5] = flux[0]
    flux[6] = np.rot90(flux[0], axes=(1, 2))
    flux[7, 0, :4] = 0
    table = quality_table(store_of(tmp_path, keys, flux, dtype=dtype))
    flags = dict(zip(table['object_id'], table['flags'], strict=True))
    assert {key: text for key, text in flags.items() if text} == {
        'object-1': 'missing band, missing pixels, missing at center',
        'object-2': 'missing pixels', 'object-3': 'missing at center',
        'object-4': 'constant band', 'object-5': 'same pixels',
        'object-6': 'turned copy' if dtype == 'float32' else flags['object-6'],
        'object-7': 'zero pixels'}
    assert table['same_pixels_as'][5] == 'object-0'
    assert flag_counts(table)['any'] == 7 and flag_counts(table)['same pixels'] == 1
    check_table(table, 'cutout_quality')


def test_places_and_edges_come_from_the_index(tmp_path):
    keys, flux = made_up(5)
    columns = {'ra': [10, 10.0002, 359.9999, 0.0001, np.nan], 'dec': [80, 80, 0, 0, np.nan],
               'brick_edge': [False, False, True, False, False]}
    table = quality_table(store_of(tmp_path, keys, flux, columns=columns))
    assert table['same_place_as'].tolist() == ['object-1', 'object-0', 'object-3', 'object-2', '']
    assert table['flags'][2] == 'edge of brick, same place'


def test_damage_of_pixels_and_of_planes_is_told(tmp_path):
    keys, flux = made_up(7)
    planes = {'invvar': np.ones_like(flux), 'psf': np.ones((7, 3, 5, 5))}
    store = store_of(tmp_path, keys, flux, planes=planes)
    harm(tmp_path / 'shard-00001.npy', 3 * 31 * 31 * 4, 0)  # its last row
    harm(tmp_path / 'psf-00000.npy', 3 * 25 * 4, 4)
    table = quality_table(CutoutStore(store.path))
    assert_array_equal(table['object_id'][table['damaged']], ['object-0', 'object-6'])
    assert table['problem'][0] == 'psf: does not match its checksum'
    (tmp_path / 'shard-00000.npy').unlink()
    table = quality_table(CutoutStore(store.path))
    assert table['damaged'].sum() == 6 and 'is gone' in table['problem'][3]
    assert set(table['flags'][table['damaged']]) == {'damaged'}  # and no copies of each other


def test_an_empty_store_gives_an_empty_table(tmp_path):
    keys, flux = made_up(0)
    table = quality_table(store_of(tmp_path, keys, flux))
    assert len(table) == 0 and flag_counts(table) == {'any': 0}


# Scale

class Elsewhere(Engine):
    """Runs a copy of the function, and the last partition first."""

    def map_reduce(self, function, partitions, merge, *, progress=None):
        copy = pickle.loads(pickle.dumps(function))
        return functools.reduce(merge, [copy(item) for item in partitions[::-1]][::-1])


def test_partitions_and_engines_change_nothing(tmp_path, monkeypatch):
    keys, flux = made_up(60, size=15)
    flux[50] = flux[3]
    store = store_of(tmp_path, keys, flux)
    whole = quality_table(store)
    monkeypatch.setattr('lensfinder_audit.store_quality._SPAN', 17)
    for engine in (None, Elsewhere()):
        table = quality_table(store, engine=engine)
        assert all((table[name] == whole[name]).all() for name in whole.colnames)


def test_a_run_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    monkeypatch.setattr('lensfinder_audit.store_quality._SPAN', 10)
    keys, flux = made_up(35, size=15)
    store = store_of(tmp_path / 'store', keys, flux)
    whole = quality_table(store)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quality_table(store, parts=tmp_path / 'parts', progress=stop)
    read = []
    monkeypatch.setattr(CutoutStore, 'examine', lambda self, keys, *, plane: read.extend(keys) or (
        np.stack([flux[int(key.rpartition('-')[2])] for key in keys]), np.full(len(keys), '')))
    table = quality_table(store, parts=tmp_path / 'parts')
    assert_array_equal(read, keys[20:])
    assert all(np.array_equal(table[name], whole[name]) for name in whole.colnames)
    (store.path / 'shard-00000.npy').touch()  # what was read may be another file now
    quality_table(store, parts=tmp_path / 'parts')
    assert len(read) == 15 + 35


def test_memory_does_not_grow_with_the_pixels(tmp_path):
    peaks = []
    for n in (64, 384):
        keys, flux = made_up(n, size=41)
        store = store_of(tmp_path / f'{n}', keys, flux)
        quality_table(store)
        tracemalloc.start()
        quality_table(store)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1.5e6  # the larger store holds 6.5e6 bytes more


# Real pixels

def test_real_cutouts_are_judged(real_data, tmp_path):
    with np.load(real_data / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as arrays:
        keys = list(arrays.files)
        flux = np.moveaxis(np.array([arrays[key] for key in keys], dtype=np.float32), -1, 1)
    for file in sorted((real_data / 'dr10-cutouts').glob('*.npz')):
        keys.append(file.stem)
        flux = np.concatenate([flux, np.moveaxis(np.load(file)['cutout'], -1, 0)[None]])
    table = quality_table(store_of(tmp_path / 'float32', keys, flux))
    said = {row['object_id']: row['flags'] for row in table if row['flags']}
    assert said == {'example_bad_pix': 'zero pixels'}  # most of g and r is missing there
    packed = store_of(tmp_path / 'int16', keys, flux, dtype='int16')
    index = packed.index()
    noise = 16 * np.stack([index[f'scale_{band}'] for band in 'grz'], axis=1).astype(float)
    assert (np.abs(packed.get(keys).astype(float) - flux) <= noise[..., None, None] / 32).all()
    sky = np.stack([table[f'noise_{band}'].value for band in 'grz'], axis=1)
    dr10 = slice(10, 14)  # small galaxies, where most of a stamp is sky
    assert_allclose(noise[dr10] / sky[dr10], 1, atol=0.1)


@pytest.mark.parametrize(('folder', 'place'), [
    ('testcase6', (110.31232, 23.92069)), ('testcase_decals_grz', (28.41518, -16.42914))])
def test_real_stars_are_kept_with_their_inverse_variance_and_psf(real_data, tmp_path, folder,
                                                                 place):
    exposures = read_exposures(real_data / 'ccd-exposures' / folder)
    flux, inverse, psf = coadd_stamp(exposures, SkyCoord(*place, unit='deg'), bands='grz',
                                     shape=(61, 61))
    flux[0, :, :4] *= 1e4  # as if the star were not masked where it saturates
    planes = {'invvar': inverse, 'psf': psf.kernels(SCALE)}
    twice = np.concatenate([flux, flux])
    twice[0, :, :4] /= 1e4
    both = {name: np.concatenate([item, item]) for name, item in planes.items()}
    store = store_of(tmp_path, ['masked', 'bright'], twice, planes=both, dtype='int16')
    assert_array_equal(store.get(['bright'], verify=True)[0], flux[0].astype(np.float32))
    steps = np.array([store.index()[f'scale_{band}'][0] for band in 'grz'], dtype=float)
    error = np.abs(store.get(['masked'])[0] - twice[0].astype(np.float32).astype(float))
    assert (np.nan_to_num(error) <= steps[:, None, None] / 2).all()
    for name, item in both.items():
        assert_array_equal(store.get(['masked', 'bright'], plane=name, verify=True),
                           item.astype(np.float32))
    table = quality_table(store)
    assert not table['damaged'].any() and (table['core_r'].value[0] > 0.1)
