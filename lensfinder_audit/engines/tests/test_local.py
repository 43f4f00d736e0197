# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The local engine gives the same in one process and in several, and ends cleanly."""
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from operator import add

import pytest

from lensfinder_audit.engines import _shared
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import ConfigError, PartitionError
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.testing import check_engine


class NeedsTwoArguments(Exception):
    """Cannot be pickled back from its text alone."""

    def __init__(self, path, reason):
        super().__init__(f'{path}: {reason}')


def process_of(partition):
    time.sleep(0.05)
    return {os.getpid()}


def fail_with_odd_exception(partition):
    if partition == 'brick-3':
        raise NeedsTwoArguments(partition, 'cut short')
    return [partition]


def die(partition):
    os._exit(1)


def union(first, second):
    return first | second


def ignore(done, total):
    raise KeyboardInterrupt


@pytest.mark.parametrize('workers', [1, 2])
def test_conforms(workers):
    check_engine(LocalEngine(workers=workers))


def test_is_registered():
    assert load_plugin('engines', 'local') is LocalEngine


def test_works_in_other_processes():
    found = LocalEngine(workers=2).map_reduce(process_of, range(6), union)
    assert os.getpid() not in found and 1 <= len(found) <= 2


def test_one_worker_is_this_process():
    assert LocalEngine(workers=1).map_reduce(process_of, range(2), union) == {os.getpid()}


def test_partitions_may_be_any_iterable():
    found = LocalEngine(workers=1).map_reduce(str, (i for i in range(3)), add)
    assert found == '012'


def test_exception_that_cannot_be_pickled_is_told():
    bricks = [f'brick-{i}' for i in range(5)]
    with pytest.raises(PartitionError, match="partition 4 of 5, 'brick-3', failed: Needs.*cut"):
        LocalEngine(workers=2).map_reduce(fail_with_odd_exception, bricks, add)


def test_death_of_a_worker_is_told():
    with pytest.raises(PartitionError, match=r"a worker process died at one of the partitions \["):
        LocalEngine(workers=2).map_reduce(die, ['brick-1', 'brick-2'], add)


def test_no_worker_is_left_behind_when_the_caller_stops():
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(workers=2).map_reduce(process_of, range(50), union, progress=ignore)
    left = [process.name for process in multiprocessing.active_children()]
    assert not [name for name in left if 'Dask' not in name]  # a cluster of other tests


@pytest.mark.skipif(sys.platform == 'win32', reason='Windows has no SIGINT for one process')
def test_ctrl_c_stops_long_work_at_once(tmp_path):
    (tmp_path / 'work.py').write_text(textwrap.dedent("""
        import os
        import signal
        import time
        from lensfinder_audit.engines.local import LocalEngine

        # what was begun in the background of a shell ignores Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def long(partition):
            os.write(1, b'begun\\n')  # in one piece, though two processes write
            time.sleep(600)

        if __name__ == '__main__':
            LocalEngine(workers=2).map_reduce(long, [1, 2, 3], None)
        """))
    process = subprocess.Popen([sys.executable, 'work.py'], cwd=tmp_path, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:  # closes the pipes and waits, whatever happens
        try:
            assert [process.stdout.readline() for _ in range(2)] == ['begun\n'] * 2
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert errors.rstrip().endswith('KeyboardInterrupt') and process.returncode != 0


@pytest.mark.parametrize('workers', [0, -1, 1.5, '2'])
def test_number_of_workers_must_be_positive(workers):
    with pytest.raises(ConfigError, match='positive number of processes'):
        LocalEngine(workers=workers)


def test_default_is_what_this_process_may_use(monkeypatch):
    monkeypatch.setattr(_shared.os, 'sched_getaffinity', lambda pid: {0, 3, 5}, raising=False)
    assert _shared.processors() == 3
