# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import os
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit import scoring
from lensfinder_audit.cli import main
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import (ConfigError, InputFileError, OutputExistsError,
                                         TableError)
from lensfinder_audit.files import read_table
from lensfinder_audit.interfaces import Classifier
from lensfinder_audit.manifest import read_manifest, write_manifest
from lensfinder_audit.normalizers.asinh import Asinh
from lensfinder_audit.scoring import classifier_identity, score_manifest
from lensfinder_audit.stamps import add_stamps
from lensfinder_audit.tests.networks import DECLARED, forward, write_network

N = 40
SCALE = 0.262 * u.arcsec


class Mean(Classifier):
    """The mean of the stamp: a finder without a file."""

    bands, stamp_shape, pixel_scale, normalizer = ('g', 'r', 'z'), (21, 21), SCALE, Asinh()
    score_kind = 'logit'

    def __init__(self, *, factor=1.0):
        self.factor = factor
        self.n_scored = 0

    def predict(self, images):
        self.n_scored += len(images)
        return self.factor * images.mean(axis=(1, 2, 3))


def fill(folder, n=N, size=21):
    """Write a store and a manifest whose rows are in another order."""
    rng = np.random.default_rng(3)
    keys = np.array([f'object-{i}' for i in range(n)])
    flux = rng.normal(rng.normal(size=(n, 3, 1, 1)), 1, (n, 3, size, size)).astype(np.float32)
    with CutoutWriter(folder / 'cutouts', bands='grz', pixel_scale=SCALE, shape=(size, size),
                      shard_size=16) as writer:
        writer.add(keys, flux)
    mixed = rng.permutation(n)
    table = QTable({'object_id': keys[mixed], 'label': mixed % 3 == 0, 'cutout': keys[mixed],
                    'psfsize_r': rng.uniform(1, 2, n) * u.arcsec, 'ra': np.full(n, 10.) * u.deg,
                    'dec': mixed / 10 * u.deg})
    write_manifest(table, folder / 'manifest.parquet')
    return flux[mixed]


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    pytest.importorskip('onnx')
    folder = tmp_path_factory.mktemp('study')
    fill(folder)
    write_network(folder / 'tiny.onnx', metadata=DECLARED)
    return folder


def inputs(study):
    return read_manifest(study / 'manifest.parquet'), CutoutStore(study / 'cutouts')


def run(*arguments):
    return CliRunner().invoke(main, [str(item) for item in arguments])


# The table

def test_scores_follow_the_manifest_with_its_columns(tmp_path):
    flux = fill(tmp_path)
    manifest, store = inputs(tmp_path)
    table = score_manifest(Mean(), manifest, store, name='mean')
    assert_allclose(table['score'], Mean()(flux))
    assert table.colnames[:4] == ['object_id', 'classifier', 'score', 'score_kind']
    assert 'cutout' not in table.colnames
    assert set(table['classifier']) == {'mean'}
    assert set(table['score_kind']) == {'logit'}
    assert_array_equal(table['psfsize_r'], manifest['psfsize_r'])
    assert_array_equal(table['nan_fraction'], 0)
    assert table.meta['classifier'] == 'Mean(factor=1.0)'
    assert table.meta['checksums']['store'] == store.checksum()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), batch_size=st.integers(1, 50), n=st.integers(1, N))
def test_scores_depend_neither_on_order_nor_on_batches(study, seed, batch_size, n):
    manifest, store = inputs(study)
    whole = dict(zip(manifest['object_id'], score_manifest(Mean(), manifest, store)['score'],
                     strict=True))
    rows = np.random.default_rng(seed).permutation(N)[:n]
    found = score_manifest(Mean(), manifest[rows], store, batch_size=batch_size)
    assert_allclose(found['score'], [whole[key] for key in found['object_id']], rtol=1e-6)


def test_a_manifest_without_labels_can_be_scored(study):
    manifest, store = inputs(study)
    assert len(score_manifest(Mean(), manifest[['object_id']], store)) == N


def test_no_objects_give_an_empty_table(study):
    manifest, store = inputs(study)
    assert len(score_manifest(Mean(), manifest[:0], store)) == 0


def test_missing_cutouts_are_named_before_anything_is_scored(study):
    manifest, store = inputs(study)
    manifest['cutout'] = np.where(np.arange(N) == 5, 'gone', manifest['cutout'])
    finder = Mean()
    with pytest.raises(TableError, match="1 of 40 rows .* row 5, .* has no cutout 'gone'"):
        score_manifest(finder, manifest, store)
    assert finder.n_scored == 0


def test_a_damaged_cutout_stops_the_run(tmp_path):
    fill(tmp_path)
    path = tmp_path / 'cutouts' / 'shard-00001.npy'
    path.write_bytes(path.read_bytes()[:-1] + b'\x01')
    manifest, store = inputs(tmp_path)
    with pytest.raises(InputFileError, match="'object-31', shard-00001.npy row 15, does not match"):
        score_manifest(Mean(), manifest, store)
    score_manifest(Mean(), manifest, store, verify=False)


def test_memory_does_not_grow_with_the_number_of_cutouts(tmp_path):
    peaks = []
    for n in (64, 512):
        (tmp_path / f'{n}').mkdir()
        fill(tmp_path / f'{n}', n=n)
        manifest, store = inputs(tmp_path / f'{n}')
        tracemalloc.start()
        score_manifest(Mean(), manifest, store, batch_size=16)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 5e5  # the pixels of the larger one are 2.4e6 bytes more


# Resuming

class Stopped(Exception):
    """What interrupts a run."""


def stop_after(n):
    done = [0]

    def progress(n_more):
        done[0] += n_more
        if done[0] >= n:
            raise Stopped
    return progress


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(scoring, 'PART_SIZE', 8)


def test_an_interrupted_run_goes_on(study, tmp_path, small_parts):
    manifest, store = inputs(study)
    with pytest.raises(Stopped):
        score_manifest(Mean(), manifest, store, batch_size=4, parts=tmp_path / 'parts',
                       progress=stop_after(20))
    finder, seen = Mean(), []
    table = score_manifest(finder, manifest, store, batch_size=4, parts=tmp_path / 'parts',
                           progress=seen.append)
    assert (finder.n_scored, sum(seen)) == (24, 40)  # two parts of eight were whole
    assert_array_equal(table['score'], score_manifest(Mean(), manifest, store)['score'])


@pytest.mark.parametrize('change', ['classifier', 'manifest', 'batch_size', 'inputs', 'damage'])
def test_parts_of_another_run_are_not_used(study, tmp_path, small_parts, change):
    manifest, store = inputs(study)
    options = {'batch_size': 4, 'parts': tmp_path / 'parts', 'inputs': {'manifest': 'x'}}
    score_manifest(Mean(), manifest, store, **options)
    finder = Mean(factor=2.0 if change == 'classifier' else 1.0)
    manifest = manifest[::-1] if change == 'manifest' else manifest
    options |= {'batch_size': {'batch_size': 8}, 'inputs': {'inputs': {'manifest': 'y'}}}.get(
        change, {})
    if change == 'damage':
        for path in (tmp_path / 'parts').glob('*.npy'):
            path.write_bytes(b'')
    score_manifest(finder, manifest, store, **options)
    assert finder.n_scored == N
    again = Mean(factor=finder.factor)
    score_manifest(again, manifest, store, **options)
    assert again.n_scored == 0


def test_two_runs_do_not_share_parts(study, tmp_path):
    pytest.importorskip('fcntl')
    manifest, store = inputs(study)

    def second(n):
        score_manifest(Mean(), manifest, store, parts=tmp_path / 'parts')

    with pytest.raises(OutputExistsError, match='is being written by another process'):
        score_manifest(Mean(), manifest, store, parts=tmp_path / 'parts', progress=second)


def test_a_classifier_is_told_by_its_file_and_parameters(study, tmp_path):
    from lensfinder_audit.classifiers.onnx import OnnxClassifier

    assert classifier_identity(Mean()) != classifier_identity(Mean(factor=2.0))
    before = classifier_identity(OnnxClassifier(study / 'tiny.onnx'))
    assert len(before['checksum']) == 64
    other = write_network(tmp_path / 'tiny.onnx', metadata=DECLARED, sigmoid=True)
    assert classifier_identity(OnnxClassifier(other))['checksum'] != before['checksum']


def test_a_batch_holds_something(study):
    with pytest.raises(ConfigError, match='at least one cutout, not 0'):
        score_manifest(Mean(), *inputs(study), batch_size=0)


# The command

SLOW = '''
    import sys, time
    from lensfinder_audit import scoring
    from lensfinder_audit.classifiers.onnx import OnnxClassifier
    from lensfinder_audit.cli import main

    scoring.PART_SIZE, predict, pause = 4, OnnxClassifier.predict, float(sys.argv[1])
    OnnxClassifier.predict = lambda self, images: (time.sleep(pause), predict(self, images))[1]
    main(['score', *sys.argv[2:]])
'''


def start(study, output, pause):
    code = textwrap.dedent(SLOW)
    return subprocess.Popen([sys.executable, '-c', code, str(pause), study / 'tiny.onnx',
                             study / 'manifest.parquet', '-o', output, '--batch-size', '4'],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_a_killed_run_goes_on_to_the_same_bytes(study, tmp_path):
    whole, killed = tmp_path / 'a' / 's.parquet', tmp_path / 'b' / 's.parquet'
    with start(study, whole, 0) as process:
        assert process.wait(120) == 0, process.stdout.read()
    parts = killed.with_name('.s.parquet.parts')
    with start(study, killed, 0.1) as process:
        end = time.monotonic() + 100
        while len(list(parts.glob('part-*.npy'))) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert os.listdir(killed.parent) == [parts.name]
    assert 3 <= len(list(parts.glob('part-*.npy'))) < 10
    with start(study, killed, 0) as process:
        assert process.wait(120) == 0, process.stdout.read()
    assert killed.read_bytes() == whole.read_bytes()
    assert os.listdir(killed.parent) == ['s.parquet']


def test_the_command_scores_and_audit_reads_it(study, tmp_path):
    output = tmp_path / 'scores.parquet'
    done = run('score', study / 'tiny.onnx', study / 'manifest.parquet', '-o', output)
    assert done.exit_code == 0, done.output
    assert f'lensfinder-audit audit {output} -o DIR' in done.output
    table = read_table(output)
    manifest, store = inputs(study)
    wanted, _ = forward(Asinh(softening=0.05)(store.get(manifest['cutout'])))
    assert_allclose(table['score'], wanted[:, 0], rtol=1e-4, atol=1e-5)
    assert table.meta['checksums']['manifest']
    done = run('audit', output, '-o', tmp_path / 'audit', '--no-figures', '--resamples', 100,
               '--fpr', 0.1)
    assert done.exit_code == 0, done.output
    found = read_table(tmp_path / 'audit' / 'tables' / 'operating_points.ecsv')
    assert set(found['finder']) == {'tiny'} and 'scores are logit' in done.output
    done = run('validate', output)
    assert 'scores are taken to be: logit' in done.output and 'score of tiny' in done.output


def test_the_command_takes_plugins_and_options(study, tmp_path):
    done = run('score', 'onnx', study / 'manifest.parquet', '-o', tmp_path / 's.ecsv',
               '--checkpoint', study / 'tiny.onnx', '--option', 'score_kind=rank',
               '--option', 'bands=[r, g, z]', '--store', study / 'cutouts', '--name', 'mine')
    assert done.exit_code == 0, done.output
    table = read_table(tmp_path / 's.ecsv')
    assert (table['classifier'][0], table['score_kind'][0]) == ('mine', 'rank')


@pytest.mark.parametrize(('model', 'more', 'words'), [
    ('tiny.onnx', ['--store', 'none'], 'is no cutout store'),
    ('none.onnx', [], 'none.onnx: there is no such file'),
    ('manifest.parquet', [], 'is no ONNX file by its suffix'),
    ('tiny.onnx', ['--option', 'score_knd=logit'], "cannot be made with the options"),
    ('tiny.onnx', ['--option', 'score_kind=logits'], "Did you mean 'logit'?"),
    ('tiny.onnx', ['--option', 'adapt=pad'], 'is not offered'),
    ('tiny.onnx', ['-o', 's.txt'], 'a table is written as one of .parquet'),
    ('tiny.onnx', ['-o', 'manifest.parquet'], 'is there already'),
])
def test_bad_input_is_one_line(study, monkeypatch, model, more, words):
    monkeypatch.chdir(study)
    done = run('score', model, 'manifest.parquet', '-o', 's.parquet', *more)
    assert done.exit_code == 2
    assert words in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (study / 's.parquet').exists()


def test_an_unknown_plugin_lists_what_there_is(study, tmp_path):
    done = run('score', 'onx', study / 'manifest.parquet', '-o', tmp_path / 's.parquet')
    assert done.exit_code == 2
    assert "Did you mean 'onnx'?" in done.output


def test_stamps_of_another_size_are_refused_or_cut(study, tmp_path):
    (tmp_path / 'large').mkdir()
    fill(tmp_path / 'large', size=25)
    call = ('score', study / 'tiny.onnx', tmp_path / 'large' / 'manifest.parquet', '-o',
            tmp_path / 's.parquet')
    done = run(*call)
    assert done.exit_code == 2
    assert "adapt='crop'" in done.output
    done = run(*call, '--option', 'adapt=crop')
    assert done.exit_code == 0, done.output


def test_real_cutouts_are_scored(real_data, tmp_path):
    pytest.importorskip('onnx')
    files = sorted((real_data / 'dr10-cutouts').glob('0*.npz'))
    with CutoutWriter(tmp_path / 'cutouts', bands='grz', pixel_scale=SCALE,
                      shape=(101, 101)) as writer:
        add_stamps(writer, files)
        broken = np.load(files[0])['cutout'].transpose(2, 0, 1).copy()
        broken[1] = np.nan
        writer.add(['broken'], broken[None], columns={'source': ['made here']})
    keys = [path.stem for path in files] + ['broken']
    write_manifest(QTable({'object_id': keys, 'label': [1, 1, 1, 0]}), tmp_path / 'm.parquet')
    write_network(tmp_path / 'tiny.onnx', size=(101, 101), metadata=DECLARED)
    done = run('score', tmp_path / 'tiny.onnx', tmp_path / 'm.parquet', '-o',
               tmp_path / 's.parquet')
    assert done.exit_code == 0, done.output
    assert '1 of 4 cutouts lack a band' in done.output
    table = read_table(tmp_path / 's.parquet')
    assert np.isfinite(table['score']).all()
    assert_array_equal(table['missing_bands'], ['', '', '', 'r'])
