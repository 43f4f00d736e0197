# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The same rows, weights, seeds and scores in one process, on Dask and on Spark."""
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lensfinder_audit import _recovery_run, scoring
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.files import read_table
from lensfinder_audit.manifest import read_manifest
from lensfinder_audit.negatives import make_pool, plan_pool
from lensfinder_audit.recovery import inject
from lensfinder_audit.sample_rules import load_rules
from lensfinder_audit.sampling import draw_sample
from lensfinder_audit.scoring import score_manifest
from lensfinder_audit.sources.sweeps import write_mock_sweeps
from lensfinder_audit.tests.networks import write_network
from lensfinder_audit.tests.recovery_study import MeanOfAnnulus, Ring, make_hosts

ALONE = LocalEngine(workers=1)


@pytest.fixture(scope='module')
def sweeps(tmp_path_factory):
    return write_mock_sweeps(tmp_path_factory.mktemp('sweeps'), n_files=2, n_rows=3000, first=300,
                             suffix='.parquet')


@pytest.fixture(scope='module')
def hosts(tmp_path_factory):
    folder = tmp_path_factory.mktemp('hosts')
    make_hosts(folder, n=40)
    return folder


@pytest.fixture(scope='module')
def drawn(sweeps, tmp_path_factory):
    """Sample of one process, from pieces that are a whole file."""
    return sample(sweeps, tmp_path_factory.mktemp('alone'), ALONE, 10_000)


def sample(sweeps, folder, engine, rows, seed=7, **options):
    pool = make_pool(plan_pool(sweeps, rows=rows), folder / 'pool', load_rules('paper4'),
                     engine=engine)
    return draw_sample(pool, seed=seed, engine=engine, per_stratum=60, parts=folder / 'parts',
                       **options)


def assert_same(one, two, *, but=()):
    assert one.colnames == two.colnames and len(one) == len(two)
    for name in set(one.colnames) - set(but):
        assert_array_equal(np.asarray(one[name]), np.asarray(two[name]), err_msg=name)


@pytest.mark.parametrize('rows', [10_000, 900])
def test_a_sample_has_the_same_rows_and_weights(sweeps, drawn, engine, tmp_path, rows):
    found = sample(sweeps, tmp_path, engine, rows)
    assert len(found.negatives) > 100
    for name in ('negatives', 'strata', 'confusers'):
        assert_same(getattr(found, name), getattr(drawn, name))


def test_a_sample_of_another_seed_is_another(sweeps, drawn, tmp_path):
    other = sample(sweeps, tmp_path, ALONE, 10_000, seed=8).negatives
    assert set(other['object_id']) != set(drawn.negatives['object_id'])


def test_injections_are_the_same(hosts, engine, monkeypatch):
    monkeypatch.setattr(_recovery_run, 'PART_SIZE', 16)
    manifest, store = read_manifest(hosts / 'hosts.parquet'), CutoutStore(hosts / 'cutouts')
    options = {'n': 50, 'seed': 5, 'batch_size': 8, 'pair': ('noise',)}
    finder, told = MeanOfAnnulus(size=41), []
    alone = inject(manifest, store, finder, Ring(), **options)
    found = inject(manifest, store, finder, Ring(), engine=engine, progress=told.append, **options)
    assert_same(found, alone)
    assert sum(told) == 50 and len(told) == 4


def test_scores_are_the_same_and_a_run_goes_on_on_another_engine(hosts, engine, tmp_path,
                                                                 monkeypatch):
    monkeypatch.setattr(scoring, 'PART_SIZE', 8)
    manifest, store = read_manifest(hosts / 'hosts.parquet'), CutoutStore(hosts / 'cutouts')
    finder, told = MeanOfAnnulus(size=41), []
    alone = score_manifest(finder, manifest, store, batch_size=4)
    found = score_manifest(finder, manifest, store, batch_size=4, engine=engine,
                           parts=tmp_path / 'parts', progress=told.append)
    assert_same(found, alone)
    assert told == [8] * 5
    finder.n_scored = 0
    parts = sorted((tmp_path / 'parts').glob('part-*'))
    parts[2].unlink()  # as if the run had been killed before it
    again = score_manifest(finder, manifest, store, batch_size=4, parts=tmp_path / 'parts')
    assert_same(again, alone)
    assert len(parts) == 5 and finder.n_scored == 8


def test_a_worker_that_vanishes_changes_no_sample(sweeps, drawn, dask_engine, tmp_path):
    with dask_engine._session() as client:
        victim = next(iter(client.run(os.getpid).values()))
    seen = []

    def kill(done, total):
        if not seen:
            os.kill(victim, signal.SIGKILL)
        seen.append(done)

    found = sample(sweeps, tmp_path, dask_engine, 900, progress=kill)
    assert_same(found.negatives, drawn.negatives)


# The command line

@pytest.fixture(params=['dask', 'spark'])
def where(request):
    """Options of a command for a cluster that runs; of Spark a process has one context."""
    with request.getfixturevalue(f'{request.param}_engine')._session() as session:
        address = ['--address', session.scheduler.address] if request.param == 'dask' else []
        yield ['--engine', request.param, *address]


def completed(*arguments):
    done = run(*arguments)
    assert done.exit_code == 0, done.stderr


def test_scores_of_a_command(where, hosts, tmp_path, monkeypatch):
    pytest.importorskip('onnx')
    write_network(hosts / 'tiny.onnx', size=(41, 41), metadata={
        'bands': ['g', 'r', 'z'], 'pixel_scale': 0.262, 'normalizer': 'raw_robust',
        'score_kind': 'logit'})
    monkeypatch.chdir(hosts)  # where no worker is
    completed('score', 'tiny.onnx', 'hosts.parquet', '-o', tmp_path / 'alone.ecsv')
    completed('score', 'tiny.onnx', 'hosts.parquet', '-o', tmp_path / 'found.ecsv', *where)
    assert_same(read_table(tmp_path / 'found.ecsv'), read_table(tmp_path / 'alone.ecsv'))


def test_sample_of_commands(where, sweeps, tmp_path, monkeypatch):
    monkeypatch.chdir(sweeps[0].parent)
    output = Path(os.path.relpath(tmp_path))
    for engine, options in (('cluster', where), ('alone', ['--workers', 1])):
        pool = output / f'{engine}-pool'
        completed('negatives', 'pool', sweeps[0].name, '-o', pool, *options)
        completed('negatives', 'sample', pool, '-o', output / engine, '--per-stratum', 20, *options)
    one, two = (tmp_path / name / 'negatives.parquet' for name in ('cluster', 'alone'))
    assert_same(read_table(one), read_table(two))
    assert one.read_bytes() == two.read_bytes()


def test_engines_and_options_that_do_not_fit_are_refused(hosts, tmp_path):
    def refused(*options):
        return refusal(tmp_path, 'negatives', 'pool', hosts / 'hosts.parquet', '-o',
                       tmp_path / 'pool', *options)

    assert "no engines plugin is named 'dusk'" in refused('--engine', 'dusk')
    assert "Did you mean 'dask'?" in refused('--engine', 'dusk')
    assert "'local' takes no --address; give --engine dask" in refused('--address', 'tcp://a:1')
    pytest.importorskip('distributed')
    assert 'has workers of its own' in refused('--engine', 'dask', '--address', 'tcp://a:1',
                                               '--workers', 2)
