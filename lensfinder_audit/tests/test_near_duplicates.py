# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable

from lensfinder_audit.audit import audit
from lensfinder_audit.checks import images
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.files import write_whole
from lensfinder_audit.near_duplicates import near_duplicates, same_pixels, thumbnails
from lensfinder_audit.tests.made_up import QUICK


def galaxies(n=300, size=41, seed=0):
    """Bright and faint flattened galaxies, each with noise of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    q, phi, radius = (rng.uniform(*ends, (n, 1, 1)) for ends in ((0.4, 1), (0, 3.1), (2, 6)))
    along, across = (x * np.cos(phi) + y * np.sin(phi)), (y * np.cos(phi) - x * np.sin(phi))
    light = 10**rng.uniform(0, 2, (n, 1, 1)) * np.exp(-np.hypot(along, across / q) / radius)
    return (light[:, None] + rng.normal(size=(n, 3, size, size))).astype('f4')


def stored(folder, flux):
    keys = np.char.add('o', np.arange(len(flux)).astype(str))
    with CutoutWriter(folder, bands='grz', shape=flux.shape[-2:],
                      pixel_scale=0.262 * u.arcsec) as out:
        out.add(keys, flux)
    return CutoutStore(folder), keys


@pytest.mark.parametrize('size, most', [(41, 1), (64, 2), (101, 2)])
def test_moved_and_noisy_copies_are_found_and_nothing_else(tmp_path, size, most):
    flux, rng = galaxies(60, size), np.random.default_rng(1)
    shifts = rng.integers(-most, most + 1, (10, 2))
    for k, shift in enumerate(shifts):
        flux[-1 - k] = np.roll(flux[k], shift, axis=(-2, -1)) + rng.normal(0, 0.3, flux[k].shape)
    store, keys = stored(tmp_path, flux)
    pairs = near_duplicates(store, keys)
    pairs.sort('first')
    assert pairs['first'].tolist() == list(range(10))
    assert (pairs['second'] == len(flux) - 1 - pairs['first']).all()
    assert np.array_equal(np.stack([pairs['dy'], pairs['dx']], axis=1), shifts)


def test_pairs_do_not_depend_on_the_order_of_keys(tmp_path):
    flux = galaxies(60, 101)
    for k in (1, 2, 3):
        flux[-k] = np.roll(flux[0], (k - 2, 2 - k), axis=(-2, -1))
    store, keys = stored(tmp_path, flux)
    order = np.random.default_rng(0).permutation(60)
    read = []
    pairs, mixed = near_duplicates(store, keys, progress=read.append), near_duplicates(
        store, keys[order])
    assert len(pairs) == 6 and sum(read) == 60  # all pairs of four
    shifts = {(int(row['first']), int(row['second'])): (row['dy'], row['dx']) for row in pairs}
    assert shifts[0, 59] == (-1, 1) and shifts[57, 59] == (-2, 2)
    for row in mixed:
        i, j = order[row['first']], order[row['second']]
        sign, pair = (1, (i, j)) if i < j else (-1, (j, i))
        assert shifts.pop(pair) == (sign * row['dy'], sign * row['dx'])
    assert not shifts


@pytest.mark.parametrize('fraction', [0.3, 0.6])
def test_copies_are_found_where_their_patch_is_missing(tmp_path, fraction):
    flux = galaxies(60)
    flux[-1] = flux[0]
    flux[-1, :, :int(fraction * 41)] = np.nan
    store, keys = stored(tmp_path, flux)
    pairs = near_duplicates(store, keys)
    assert len(pairs) == 1 and pairs[0]['correlation'] > 0.9


def test_the_path_without_numba_finds_the_same(tmp_path, monkeypatch):
    from lensfinder_audit import _copies_numpy, near_duplicates as module

    flux = galaxies(60)
    flux[-5:] = np.roll(flux[:5], (1, -1), axis=(-2, -1))
    store, keys = stored(tmp_path, flux)
    compiled = near_duplicates(store, keys)
    monkeypatch.setattr(module, '_pixels', lambda: _copies_numpy)
    plain = near_duplicates(store, keys)
    compiled.sort('first')
    plain.sort('first')
    for name in ('first', 'second', 'dy', 'dx'):
        assert plain[name].tolist() == compiled[name].tolist()
    assert plain['correlation'] == pytest.approx(compiled['correlation'], abs=1e-3)


def test_common_shapes_are_no_copies(tmp_path):
    store, keys = stored(tmp_path, galaxies(800, 33))
    assert len(near_duplicates(store, keys)) == 0
    assert len(near_duplicates(store, keys[:1])) == len(near_duplicates(store, keys[:0])) == 0


def test_scale_and_level_do_not_enter():
    first, second = galaxies(2)
    value, dy, dx = same_pixels(first, 7 * first - 3)
    assert value == pytest.approx(1, abs=1e-3) and (dy, dx) == (0, 0)
    assert same_pixels(first, second)[0] < 0.15
    assert thumbnails(7 * first[None] - 3) == pytest.approx(thumbnails(first[None]), abs=1e-2)
    with pytest.raises(ConfigError, match='5 x 5 pixels are too small; they need 8'):
        thumbnails(np.zeros((1, 1, 5, 5)))


def test_missing_pixels_are_left_out():
    first = galaxies(1)[0]
    second = first.copy()
    second[0], second[1, :20] = np.nan, np.nan
    assert same_pixels(first, second)[0] == pytest.approx(1, abs=0.05)
    assert same_pixels(first, np.full_like(first, np.nan)) == (0.0, 0, 0)


def test_the_same_galaxy_with_missing_bands_is_found_in_real_images(real_data):
    folder = real_data / 'decals-galaxies'
    whole, bad = (fits.getdata(folder / f'example_{name}.fits.gz').astype('f4')
                  for name in ('d', 'bad_pix'))
    middle = slice(162, 263)
    bad = np.where(bad == 0, np.nan, bad)[:, middle, middle]
    found = [same_pixels(whole[:, middle, middle], bad)[0],
             same_pixels(whole[:, 60:161, 60:161], bad)[0]]
    assert found[0] > 0.6 and found[1] < 0.3  # the images were sampled twice


def test_copies_across_labels_are_severe(tmp_path, monkeypatch):
    flux, rng = galaxies(300), np.random.default_rng(0)
    flux[-3:] = np.roll(flux[:3], 1, axis=-1)
    store, keys = stored(tmp_path / 'store', flux)
    label = np.arange(300) < 100
    table = QTable({'object_id': keys, 'label': label, 'score': rng.random(300)})
    result = audit(table, store=store, **QUICK)
    found = result.findings[result.findings['check'] == 'near duplicates']
    assert found['severity'].tolist() == ['severe']
    assert found['finding'][0].startswith('3 pairs of stamps, of 300 that were looked at, show')
    assert len(result.tables['near_duplicates']) == 3
    write_whole(table, tmp_path / 'scores.ecsv')
    monkeypatch.setattr(images, '_COPIES', 60)  # of each class, in an audit; alone, all
    done = run('check', 'near-duplicates', tmp_path / 'scores.ecsv', '--store', tmp_path / 'store')
    words = ' '.join(done.stdout.split())
    assert done.exit_code == 1 and '3 pairs of stamps, of 300 that' in words
    assert 'a lens and a negative' in words
    assert 'needs --store' in refusal(tmp_path, 'check', 'near-duplicates',
                                      tmp_path / 'scores.ecsv')
