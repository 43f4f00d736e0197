# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import (ConfigError, InputFileError, OutputExistsError,
                                         OutputFileError, TableError)

SCALE = 0.262 * u.arcsec


def made_up(n=10, *, bands=3, size=11, seed=0):
    flux = np.random.default_rng(seed).normal(size=(n, bands, size, size)).astype(np.float32)
    return np.array([f'object-{i}' for i in range(n)]), flux


def writer(path, *, bands='grz', size=11, shard_size=4, **options):
    return CutoutWriter(path, bands=bands, pixel_scale=SCALE, shape=(size, size),
                        shard_size=shard_size, **options)


@pytest.fixture
def store(tmp_path):
    keys, flux = made_up()
    with writer(tmp_path / 'store') as open_writer:
        open_writer.add(keys, flux, columns={'source': np.full(10, 'made up')})
    return CutoutStore(tmp_path / 'store')


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*')
            if path.is_file()}


# Reading

def test_cutouts_come_back_as_they_were(store):
    keys, flux = made_up()
    assert_array_equal(store.keys, keys)
    assert_array_equal(store.get(keys[::-1]), flux[::-1])
    assert (store.bands, store.shape, store.pixel_scale) == (('g', 'r', 'z'), (11, 11), SCALE)
    assert store.get([]).shape == (0, 3, 11, 11)


def test_missing_pixels_stay_missing_and_float64_becomes_float32(tmp_path):
    keys, flux = made_up(2)
    flux[1, 2, 3, 4] = np.nan
    large = np.where(np.arange(11) == 10, 1e300, flux.astype(float))
    with writer(tmp_path) as open_writer:
        open_writer.add([*keys, 'x', 'y'], np.concatenate([flux, large]))
    found = CutoutStore(tmp_path).get(keys)
    assert found.dtype == np.float32
    assert_array_equal(found, flux)
    assert_array_equal(CutoutStore(tmp_path).index()['nan_fraction'][2] * 11, 1)


@settings(max_examples=25)
@given(n=st.integers(0, 9), shard_size=st.integers(1, 5), cuts=st.lists(st.integers(0, 9)),
       wanted=st.lists(st.integers(0, 8)))
def test_any_calls_and_shards_give_the_same_cutouts(tmp_path_factory, n, shard_size, cuts, wanted):
    folder = tmp_path_factory.mktemp('store')
    keys, flux = made_up(n)
    with writer(folder, shard_size=shard_size) as open_writer:
        for start, stop in pairwise([0, *sorted(cuts), n]):
            open_writer.add(keys[start:stop], flux[start:stop])
    store = CutoutStore(folder)
    wanted = np.array([i for i in wanted if i < n], dtype=int)
    assert len(store) == n
    assert_array_equal(store.get(keys[wanted], verify=True), flux[wanted])
    assert len(list(folder.glob('shard-*.npy'))) == -(-n // shard_size)


def test_shards_can_be_read_without_this_package(store):
    assert_array_equal(np.load(store.path / 'shard-00001.npy'), made_up()[1][4:8])
    assert store.index()['source'][0] == 'made up'


def test_batches_follow_the_keys(store):
    keys = store.keys[[7, 1, 1, 9, 0]]
    found = list(store.batches(keys, 2, verify=True))
    assert [len(batch) for batch, _ in found] == [2, 2, 1]
    assert_array_equal(np.concatenate([batch for batch, _ in found]), keys)
    assert_array_equal(np.concatenate([flux for _, flux in found]), store.get(keys))
    with pytest.raises(ConfigError, match='at least one cutout, not 0'):
        next(store.batches(keys, 0))


def test_missing_keys_are_counted_and_named(store):
    keys = ['object-3', 'nobody', 'zz', 'object-30']
    assert_array_equal(store.missing(keys), [False, True, True, True])
    for call in (store.get, store.locate, lambda keys: next(store.batches(keys, 1))):
        with pytest.raises(TableError, match="3 of 4 objects have no cutout, the first is 'nobo"):
            call(keys)


def test_a_store_goes_to_other_processes(store):
    assert_array_equal(pickle.loads(pickle.dumps(store)).get(['object-5']), store.get(['object-5']))


def test_memory_does_not_grow_with_the_store(tmp_path):
    peaks = []
    for n in (64, 512):
        keys, flux = made_up(n, size=33)
        with writer(tmp_path / f'{n}', size=33, shard_size=32) as open_writer:
            open_writer.add(keys, flux)
        store = CutoutStore(tmp_path / f'{n}')
        tracemalloc.start()
        for _ in store.batches(keys, 16):
            assert len(store._shards.open) <= 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2e5  # the larger store holds 6e6 bytes more


# Damage

def test_a_changed_pixel_is_named(store):
    path = store.path / 'shard-00001.npy'
    content = bytearray(path.read_bytes())
    content[-3 * 11 * 11 * 4 - 1] ^= 1  # last byte of the row before the last
    path.write_bytes(content)
    with pytest.raises(InputFileError, match='1 of 10 cutouts are damaged, the first is '
                                             "'object-6' in shard-00001.npy, row 2"):
        store.verify()
    with pytest.raises(InputFileError, match="'object-6', shard-00001.npy row 2, does not match"):
        store.get(store.keys, verify=True)
    assert_array_equal(store.bad_cutouts()['object_id'], ['object-6'])


@pytest.mark.parametrize(('harm', 'words'), [
    (lambda path: path.unlink(), 'is gone'),
    (lambda path: path.write_bytes(path.read_bytes()[:-9]), 'is cut short'),
    (lambda path: path.write_bytes(b''), 'is cut short'),
    (lambda path: np.save(path, np.zeros((4, 3, 11, 12), np.float32)),
     r'not float32 \(4, 3, 11, 11\)'),
])
def test_a_bad_shard_is_named(store, harm, words):
    harm(store.path / 'shard-00000.npy')
    with pytest.raises(InputFileError, match=f'shard-00000.npy: .*{words}'):
        store.get(['object-1'])
    assert len(store.bad_cutouts()) == 4
    with pytest.raises(InputFileError, match='4 of 10 cutouts are damaged'):
        store.verify()
    assert len(store.get(['object-9'])) == 1


def test_a_good_store_verifies(store):
    store.verify()
    assert len(store.bad_cutouts()) == 0


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(InputFileError, match='is no cutout store; it has no readable store.json'):
        CutoutStore(tmp_path)
    (tmp_path / 'store.json').write_text('{"format": "another"}')
    with pytest.raises(InputFileError, match='is not that of a cutout store'):
        CutoutStore(tmp_path)


def test_unreadable_index_is_named(store):
    (store.path / 'index.parquet').write_bytes(b'PAR1')
    with pytest.raises(InputFileError, match=r'index.parquet: cannot be read'):
        CutoutStore(store.path)


# Writing

def test_an_interrupted_run_leaves_an_unfinished_store(tmp_path):
    keys, flux = made_up()
    with pytest.raises(RuntimeError), writer(tmp_path) as open_writer:
        open_writer.add(keys[:6], flux[:6])
        raise RuntimeError
    with pytest.raises(InputFileError, match='is an unfinished cutout store; run what writes it'):
        CutoutStore(tmp_path)
    with writer(tmp_path) as open_writer:
        assert open_writer.missing(keys).sum() == 6  # one shard of four is whole
        assert open_writer.add(keys, flux) == 6
    assert_array_equal(CutoutStore(tmp_path).get(keys, verify=True), flux)


KILLED = '''
    import sys, time
    import numpy as np
    from astropy import units as u
    from lensfinder_audit.cutouts import CutoutWriter

    flux = np.random.default_rng(0).normal(size=(40, 3, 11, 11)).astype(np.float32)
    with CutoutWriter(sys.argv[1], bands='grz', pixel_scale=0.262 * u.arcsec, shape=(11, 11),
                      shard_size=4) as writer:
        for i, stamp in enumerate(flux):
            writer.add([f'object-{i}'], stamp[None])
            print(i, flush=True)
            time.sleep(float(sys.argv[2]))
'''


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path):
    def run(folder, pause):
        return subprocess.Popen([sys.executable, '-c', textwrap.dedent(KILLED), folder, str(pause)],
                                stdout=subprocess.PIPE, text=True)

    def finish(folder):
        with run(folder, 0) as process:
            process.communicate(timeout=120)
        return process.returncode == 0

    assert finish(tmp_path / 'whole')
    for n in (2, 17):  # before the first shard, and in the middle
        with run(tmp_path / 'killed', 0.02) as process:
            for line in process.stdout:
                if int(line) >= n:
                    break
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / 'killed' / 'index.parquet').exists()
    assert len(list((tmp_path / 'killed').glob('shard-*.npy'))) == 4
    first = (tmp_path / 'killed' / 'shard-00000.npy').stat().st_mtime_ns
    time.sleep(0.01)
    assert finish(tmp_path / 'killed')
    assert contents(tmp_path / 'killed') == contents(tmp_path / 'whole')
    assert (tmp_path / 'killed' / 'shard-00000.npy').stat().st_mtime_ns == first


def test_a_shard_that_a_crash_cut_short_is_written_again(tmp_path):
    keys, flux = made_up()
    with pytest.raises(RuntimeError), writer(tmp_path) as open_writer:
        open_writer.add(keys, flux)
        raise RuntimeError
    (tmp_path / 'shard-00000.npy').write_bytes(b'')
    with writer(tmp_path) as open_writer:
        assert open_writer.add(keys, flux) == 10
    assert_array_equal(CutoutStore(tmp_path).get(keys, verify=True), flux)


def test_a_finished_store_is_only_added_to_on_request(store):
    keys, flux = made_up(3, seed=1)
    with pytest.raises(OutputExistsError, match='finished cutout store; .*append=True'), writer(
            store.path):
        pass
    with writer(store.path, append=True) as open_writer:
        assert open_writer.add(['a', 'b', 'c'], flux, columns={'source': np.full(3, 'x')}) == 3
        assert open_writer.add(*made_up(), columns={'source': np.full(10, 'x')}) == 0
        assert len(CutoutStore(store.path)) == 10  # readers see the old store until the end
    both = CutoutStore(store.path)
    assert len(both) == 13
    assert_array_equal(both.get(['b', 'object-9'], verify=True), [flux[1], made_up()[1][9]])


def test_a_key_stands_for_one_cutout(tmp_path):
    keys, flux = made_up(2)
    with writer(tmp_path) as open_writer:
        assert open_writer.add([*keys, keys[0]], flux[[0, 1, 0]]) == 2
        with pytest.raises(TableError, match="'object-1' is there already, with other pixels"):
            open_writer.add(keys, flux[[0, 0]])
    assert len(CutoutStore(tmp_path)) == 2


@pytest.mark.parametrize(('keys', 'shape', 'columns', 'words'), [
    (['a'], (1, 2, 11, 11), {}, r'shape \(1, 3, 11, 11\), bands'),
    (['a', 'b'], (1, 3, 11, 11), {}, '2 keys need cutouts'),
    (['a', ''], (2, 3, 11, 11), {}, '1 of 2 keys are empty, the first is that of row 1'),
    (['a'], (1, 3, 11, 11), {'sha256': ['x']}, "a column 'sha256' of its own"),
    (['a'], (1, 3, 11, 11), {'nan_fraction': [0]}, "a column 'nan_fraction' of its own"),
    (['a'], (1, 3, 11, 11), {'source': ['x', 'y']}, r"column 'source' has shape \(2,\)"),
])
def test_bad_input_is_named_and_nothing_of_it_written(tmp_path, keys, shape, columns, words):
    with writer(tmp_path) as open_writer:
        with pytest.raises(TableError, match=words):
            open_writer.add(keys, np.zeros(shape), columns=columns)
    assert len(CutoutStore(tmp_path)) == 0


@pytest.mark.parametrize(('change', 'words'), [
    ({'bands': 'ggr'}, 'give each band once'), ({'shape': (11,)}, 'must be positive'),
    ({'shard_size': 0}, 'must be positive'), ({'pixel_scale': 0.262}, 'the angle per pixel')])
def test_impossible_stores_are_refused(tmp_path, change, words):
    options = {'bands': 'grz', 'pixel_scale': SCALE, 'shape': (11, 11)}
    with pytest.raises(ConfigError, match=words):
        CutoutWriter(tmp_path, **options | change)


def test_a_store_is_not_continued_with_other_bands(store):
    with pytest.raises(ConfigError, match=r"was begun with bands \['g', 'r', 'z'\], not \['r"):
        with writer(store.path, bands='rgz', append=True):
            pass


def test_two_writers_do_not_mix(tmp_path):
    pytest.importorskip('fcntl')
    with writer(tmp_path), pytest.raises(OutputExistsError, match='written by another process'):
        with writer(tmp_path):
            pass


def test_a_folder_with_other_work_is_left_alone(tmp_path):
    (tmp_path / 'thesis.tex').write_text('x')
    with pytest.raises(OutputExistsError, match='holds no store.json'), writer(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_columns_must_not_change_between_calls(tmp_path):
    keys, flux = made_up(2)
    with writer(tmp_path) as open_writer:
        open_writer.add(keys[:1], flux[:1], columns={'source': ['x']})
        with pytest.raises(TableError, match='give the same in each call'):
            open_writer.add(keys[1:], flux[1:])


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, 'No space left on device')

    keys, flux = made_up()
    with pytest.raises(OutputFileError, match='shard-00001.npy: cannot be written: No space left'):
        with writer(tmp_path) as open_writer:
            open_writer.add(keys[:4], flux[:4])
            monkeypatch.setattr(np, 'save', fail)
            open_writer.add(keys, flux)
    assert [path.name for path in tmp_path.glob('*.npy')] == ['shard-00000.npy']
