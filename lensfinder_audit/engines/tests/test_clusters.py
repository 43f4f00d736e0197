# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Dask and Spark, as they are: what both promise, and what happens when a worker vanishes."""
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from lensfinder_audit.engines import _shared
from lensfinder_audit.engines.tests.work import EndsItsWorker, Model, TellAndWait, add, fail_oddly
from lensfinder_audit.exceptions import ConfigError, PartitionError
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.testing import check_engine


def test_conforms(engine):
    check_engine(engine)


def test_a_function_is_loaded_once_in_each_worker(engine, tmp_path):
    pids = engine.map_reduce(Model(tmp_path), range(20), add)
    loads = (tmp_path / 'loads').read_text().split()
    assert len(loads) == len(set(loads)) <= 2
    assert set(map(int, loads)) >= set(pids) and os.getpid() not in pids


def test_an_exception_that_cannot_be_pickled_is_told_with_its_traceback(engine):
    bricks = [f'brick-{i}' for i in range(6)]
    with pytest.raises(PartitionError, match="partition 4 of 6, 'brick-3', failed: Nee.*cut") as e:
        engine.map_reduce(fail_oddly, bricks, add)
    assert 'in fail_oddly' in str(e.value.__cause__)


def test_what_cannot_be_sent_is_told(engine, tmp_path):
    with (tmp_path / 'open').open('w') as stream:
        with pytest.raises(PartitionError, match='cannot be sent to workers: '):
            engine.map_reduce(stream.write, ['x', 'y'], add)


def test_a_worker_that_vanishes_changes_nothing(engine, tmp_path):
    killed = []

    def kill_one(done, total):
        if done == 3 and not killed:
            pid = int(next(tmp_path.glob('pid-*')).name.removeprefix('pid-'))
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    found = engine.map_reduce(TellAndWait(tmp_path), list(range(24)), add, progress=kill_one)
    assert killed and found == list(range(24))


def test_a_partition_that_ends_its_worker_each_time_is_named(engine):
    bricks = [f'brick-{i}' for i in range(5)]
    with pytest.raises(PartitionError, match="partition.* 'brick-2'"):
        engine.map_reduce(EndsItsWorker('brick-2'), bricks, add)
    assert engine.map_reduce(EndsItsWorker(''), bricks, add) == bricks  # and it works again


def test_nothing_to_do_starts_nothing():
    for name in ('dask', 'spark'):
        pytest.importorskip({'dask': 'distributed', 'spark': 'pyspark'}[name])
        engine = load_plugin('engines', name)(workers=2)
        with engine:
            assert engine.map_reduce(len, [], add) is None and engine._open is None


@pytest.mark.parametrize('name', ['dask', 'spark'])
def test_impossible_options_are_refused(name):
    pytest.importorskip({'dask': 'distributed', 'spark': 'pyspark'}[name])
    cls = load_plugin('engines', name)
    with pytest.raises(ConfigError, match='positive number of processes'):
        cls(workers=0)
    with pytest.raises(ConfigError, match='give either'):
        cls(address='spark://a:7077', workers=2)


SCRIPT = textwrap.dedent("""
    import pathlib
    import signal
    import sys
    import time
    from importlib import import_module

    # what was begun in the background of a shell ignores Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

    class Long:
        def __init__(self, folder):
            self.folder = folder

        def __call__(self, partition):
            pathlib.Path(self.folder, f'begun-{partition}').touch()
            time.sleep(600)

    if __name__ == '__main__':
        module, name, folder = sys.argv[1:]
        getattr(import_module(module), name)(workers=1).map_reduce(Long(folder), [1, 2], None)
    """)


@pytest.mark.skipif(sys.platform == 'win32', reason='Windows has no SIGINT for one process')
@pytest.mark.parametrize('name', ['dask', 'spark'])
def test_ctrl_c_in_a_terminal_stops_long_work_without_a_word_of_others(name, request, tmp_path):
    cls = type(request.getfixturevalue(f'{name}_engine'))  # skips where it is not installed
    (tmp_path / 'script.py').write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, '-W', 'error', 'script.py', cls.__module__, cls.__name__, str(tmp_path)],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True)
    with process:
        try:
            _wait_for_work(tmp_path, process)
            os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=240)
        finally:
            process.kill()
    assert errors.rstrip().endswith('KeyboardInterrupt') and output == ''
    assert errors.count('Traceback') == 1 and 'WARN' not in errors


def _wait_for_work(folder, process):
    end = time.monotonic() + 240
    while not list(folder.glob('begun-*')):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)


# What the engines share

def test_few_partitions_are_in_flight_and_few_summaries_wait():
    queue, running, order = _shared.Queue(range(10_000)), set(), []
    while True:
        running |= {index for index, _ in queue.take(running, 4)}
        if running == {0}:
            break
        assert len(running) <= 4
        order.append(max(running))
        running.remove(max(running))  # the first takes longest
    assert sorted(order) == list(range(1, 64))
    while batch := [index for index, _ in queue.take((), 7)]:
        order += batch
    assert len(order) == len(set(order)) == 9_999


def test_another_version_on_a_worker_is_told(monkeypatch):
    packed = _shared.pack(len)
    monkeypatch.setattr(_shared.lensfinder_audit, '__version__', '0.0')
    failure = _shared.call(_shared.Packed('other', packed.version, packed.content), 'a', 0, 1)
    assert 'has lensfinder_audit 0.0, the run was begun with' in failure.message
