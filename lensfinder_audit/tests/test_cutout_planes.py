# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Inverse variances and PSF images beside the flux; stores of other versions; locks."""
import errno
import json
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from numpy.testing import assert_array_equal
from pyarrow import parquet

from lensfinder_audit._scratch import hold
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import (ConfigError, InputFileError, OutputExistsError,
                                         TableError)

KEYS = np.array([f'object-{i}' for i in range(10)])


def made_up(n=10, k=7):
    rng = np.random.default_rng(0)
    flux = rng.normal(size=(n, 3, 11, 11)).astype(np.float32)
    flux[4, 0, 5, 5] = 1e6
    return flux, {'invvar': rng.random((n, 3, 11, 11), np.float32),
                  'psf': rng.random((n, 3, k, k), np.float32)}


def writer(path, *, planes=('invvar', 'psf'), **options):
    return CutoutWriter(path, bands='grz', pixel_scale=0.262 * u.arcsec, shape=(11, 11),
                        shard_size=4, planes=planes, **options)


@pytest.fixture(params=['float32', 'int16'])
def store(tmp_path, request):
    flux, planes = made_up()
    with writer(tmp_path / 'store', dtype=request.param) as open_writer:
        for part in (slice(0, 3), slice(3, 10)):
            open_writer.add(KEYS[part], flux[part], planes={name: stack[part] for name, stack in
                                                            planes.items()})
    return CutoutStore(tmp_path / 'store')


def test_planes_come_back_as_they_were(store):
    _, planes = made_up()
    assert store.planes == ('flux', 'invvar', 'psf')
    order = np.random.default_rng(1).permutation(10)
    for name, stack in planes.items():
        assert_array_equal(store.get(KEYS[order], plane=name, verify=True), stack[order])
        batches = [found for _, found in store.batches(KEYS, 3, plane=name)]
        assert_array_equal(np.concatenate(batches), stack)
    assert store.get([], plane='psf').shape == (0, 3, 7, 7)
    assert store.bad_cutouts()['object_id'].tolist() == []


def test_a_store_without_planes_says_what_it_has(tmp_path):
    with writer(tmp_path, planes=()) as open_writer:
        open_writer.add(KEYS, made_up()[0])
    with pytest.raises(ConfigError, match=r"no plane 'invvar'; it has \('flux',\)"):
        CutoutStore(tmp_path).get(KEYS, plane='invvar')


@pytest.mark.parametrize(('change', 'words'), [
    ({'psf': None}, r"the planes \['invvar', 'psf'\], given are \['invvar'\]"),
    ({'invvar': np.zeros((10, 3, 11, 12))}, r'invvar of shape \(10, 3, 11, 11\), not'),
    ({'psf': np.zeros((10, 3, 7, 5))}, r'psf of shape \(10, 3, 5, 5\), not'),
    ({'psf': np.zeros((10, 3, 6, 6))}, 'its width is odd, not 6')])
def test_planes_that_do_not_fit_are_named(tmp_path, change, words):
    flux, planes = made_up()
    given = {name: stack for name, stack in (planes | change).items() if stack is not None}
    with pytest.raises(TableError, match=words), writer(tmp_path) as open_writer:
        open_writer.add(KEYS, flux, planes=given)


def test_psf_images_are_of_one_width(store):
    flux, planes = made_up(k=9)
    with pytest.raises(TableError, match=r'psf of shape \(1, 3, 7, 7\), not \(1, 3, 9, 9\)'), \
            writer(store.path, dtype=store.dtype, append=True) as open_writer:
        open_writer.add(['new'], flux[:1], planes={name: item[:1] for name, item in planes.items()})


def test_other_planes_of_the_same_flux_are_refused(store):
    flux, planes = made_up()
    planes['invvar'][7] *= 2
    with writer(store.path, dtype=store.dtype, append=True) as open_writer, \
            pytest.raises(TableError, match="'object-7' is there already, with other pixels"):
        open_writer.add(KEYS, flux, planes=planes)


def test_unknown_planes_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"planes is \('psf', 'psf'\); give some of"):
        writer(tmp_path, planes=['psf', 'psf'])
    with writer(tmp_path, planes='psf'), pytest.raises(OutputExistsError, match='another process'):
        with writer(tmp_path, planes='psf'):
            pass


@pytest.mark.parametrize(('file', 'harm', 'problem', 'keys'), [
    ('psf-00001.npy', lambda path: path.unlink(), 'is gone', KEYS[4:8]),
    ('invvar-00002.npy', lambda path: path.write_bytes(path.read_bytes()[:-1] + b'\x55'),
     'checksum', KEYS[9:]),
    ('float32-00001.npy', lambda path: path.write_bytes(b''), 'cut short', KEYS[4:5])])
def test_damage_of_any_file_is_found(tmp_path, file, harm, problem, keys):
    flux, planes = made_up()
    with writer(tmp_path, dtype='int16') as open_writer:
        open_writer.add(KEYS, flux, planes=planes)
    harm(tmp_path / file)
    store = CutoutStore(tmp_path)
    bad = store.bad_cutouts()
    assert_array_equal(np.sort(bad['object_id']), keys)
    assert set(bad['shard']) == {file} and all(problem in text for text in bad['problem'])
    assert bad['row'].tolist() == list(range(len(keys))) or file.startswith('invvar')
    plane = file.partition('-')[0].replace('float32', 'flux')
    with pytest.raises(InputFileError, match=problem):
        store.get(keys, plane=plane, verify=True)
    stack, said = store.examine(KEYS, plane=plane)
    assert_array_equal(KEYS[said != ''], keys)
    assert np.isnan(stack[said != '']).all() or problem == 'checksum'


def test_a_store_that_lost_all_of_a_plane_is_examined(store):
    for path in store.path.glob('psf-*.npy'):
        path.unlink()
    bad = CutoutStore(store.path).bad_cutouts()
    assert len(bad) == 10 and all('is gone' in text for text in bad['problem'])
    with pytest.raises(InputFileError, match='psf-00000.npy: is gone'):
        CutoutStore(store.path).get(KEYS, plane='psf')


# Interruptions

KILLED = '''
    import sys, time
    import numpy as np
    from astropy import units as u
    from lensfinder_audit.cutouts import CutoutWriter

    rng = np.random.default_rng(0)
    with CutoutWriter(sys.argv[1], bands='grz', pixel_scale=0.262 * u.arcsec, shape=(11, 11),
                      shard_size=4, dtype='int16', planes=('invvar', 'psf')) as writer:
        for i in range(40):
            flux = rng.normal(size=(1, 3, 11, 11))
            flux[0, 0, 5, 5] *= 1e7 if i % 5 == 0 else 1
            planes = {'invvar': rng.random((1, 3, 11, 11)), 'psf': rng.random((1, 3, 5, 5))}
            writer.add([f'object-{i}'], flux, planes=planes)
            print(i, flush=True)
            time.sleep(float(sys.argv[2]))
'''


def test_a_killed_run_with_planes_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    code = textwrap.dedent(KILLED)

    def finish(folder):
        monkeypatch.setattr(sys, 'argv', ['write', str(folder), '0'])
        exec(code, {})

    def contents(folder):
        return {path.name: path.read_bytes() for path in folder.rglob('*') if path.is_file()}

    finish(tmp_path / 'whole')
    with subprocess.Popen([sys.executable, '-c', code, str(tmp_path / 'killed'), '0.02'],
                          stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) >= 17:
                break
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / 'killed' / 'index.parquet').exists()
    first = (tmp_path / 'killed' / 'psf-00000.npy').stat().st_mtime_ns
    finish(tmp_path / 'killed')
    assert contents(tmp_path / 'killed') == contents(tmp_path / 'whole')
    assert (tmp_path / 'killed' / 'psf-00000.npy').stat().st_mtime_ns == first
    assert len(contents(tmp_path / 'whole')) > 30


def test_what_a_longer_try_left_is_removed(tmp_path):
    flux, planes = made_up()
    with pytest.raises(RuntimeError), writer(tmp_path, dtype='int16') as open_writer:
        open_writer.add(KEYS, flux, planes=planes)
        raise RuntimeError
    for part in (tmp_path / '.parts').glob('shard-*.parquet'):
        part.unlink()  # as if the kill had come before they were written
    with writer(tmp_path, dtype='int16') as open_writer:
        open_writer.add(KEYS[:3], flux[:3], planes={name: item[:3] for name, item in
                                                    planes.items()})
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {'store.json', 'index.parquet', 'shard-00000.npy', 'invvar-00000.npy',
                     'psf-00000.npy'}


# Versions and locks

def test_a_store_of_version_1_is_read_and_added_to(tmp_path):
    """Its header and index hold nothing but what version 1 knows."""
    import hashlib

    flux, _ = made_up()
    np.save(tmp_path / 'shard-00000.npy', flux[:4])
    header = {'format': 'lensfinder_audit cutout store', 'version': 1, 'bands': ['g', 'r', 'z'],
              'pixel_scale': 0.262, 'shape': [11, 11], 'shard_size': 4, 'dtype': 'float32',
              'unit': 'nmgy', 'axes': ['cutout', 'band', 'y', 'x']}
    (tmp_path / 'store.json').write_text(json.dumps(header, indent=1) + '\n')
    sums = [hashlib.sha256(stamp).hexdigest() for stamp in flux[:4]]
    index = {'object_id': KEYS[:4].tolist(), 'shard': pa.array([0] * 4, 'int32'),
             'row': pa.array(range(4), 'int32'), 'sha256': sums}
    parquet.write_table(pa.table(index), tmp_path / 'index.parquet')
    assert_array_equal(CutoutStore(tmp_path).get(KEYS[:4][::-1], verify=True), flux[:4][::-1])
    with writer(tmp_path, planes=(), append=True) as open_writer:
        assert open_writer.add(KEYS, flux) == 6
    assert_array_equal(CutoutStore(tmp_path).get(KEYS, verify=True), flux)
    assert json.loads((tmp_path / 'store.json').read_text()) == header


def test_a_store_of_a_later_version_is_refused(store):
    header = json.loads((store.path / 'store.json').read_text()) | {'version': 3}
    (store.path / 'store.json').write_text(json.dumps(header))
    with pytest.raises(InputFileError, match=r'of version 3; this package reads versions \(1, 2\)'):
        CutoutStore(store.path)


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    fcntl = pytest.importorskip('fcntl')

    def fail(*args):
        raise OSError(errno.ENOLCK, 'No locks available')

    with hold(tmp_path / 'lock', 'x'), pytest.raises(OutputExistsError, match='x is being written'):
        hold(tmp_path / 'lock', 'x')
    monkeypatch.setattr(fcntl, 'flock', fail)
    with writer(tmp_path / 'store', planes=()) as open_writer:
        open_writer.add(KEYS, made_up()[0])
    assert len(CutoutStore(tmp_path / 'store')) == 10


def test_more_shards_than_a_process_can_hold_open(tmp_path, monkeypatch):
    monkeypatch.setattr('lensfinder_audit._cutout_shards._MOST_OPEN', 2)
    flux, planes = made_up()
    with writer(tmp_path) as open_writer:
        open_writer.add(KEYS, flux, planes=planes)
    store = CutoutStore(tmp_path)
    for plane in ('flux', 'psf', 'invvar'):
        assert_array_equal(store.get(KEYS, plane=plane), ({'flux': flux} | planes)[plane])
        assert len(store._shards.open) <= 2
