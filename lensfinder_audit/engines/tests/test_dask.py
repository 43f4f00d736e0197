# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import json
import socket
import subprocess
import sys

import pytest

from lensfinder_audit.engines.tests.work import add
from lensfinder_audit.exceptions import ConfigError

distributed = pytest.importorskip('distributed', reason='Dask is not installed')
dask_engine_module = pytest.importorskip('lensfinder_audit.engines.dask')
DaskEngine = dask_engine_module.DaskEngine


def scheduler_of(engine):
    with engine._session() as client:
        return client.scheduler.address


def test_a_scheduler_is_reached_by_its_address_and_by_its_file(dask_engine, tmp_path):
    address = scheduler_of(dask_engine)
    (tmp_path / 'scheduler.json').write_text(json.dumps({'address': address}))
    for place in (address, str(tmp_path / 'scheduler.json')):
        assert DaskEngine(address=place).map_reduce(str, range(3), add) == '012'


def test_the_open_client_of_the_process_is_used_and_left_open(dask_engine):
    with distributed.Client(scheduler_of(dask_engine)) as client:
        assert DaskEngine().map_reduce(str, range(3), add) == '012'
        assert client.status == 'running'


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = f'tcp://127.0.0.1:{free.getsockname()[1]}'
        import dask
        with dask.config.set({'distributed.comm.timeouts.connect': '1s'}):
            with pytest.raises(ConfigError, match='no Dask scheduler answers at .*dask worker'):
                DaskEngine(address=address).map_reduce(str, range(3), add)


def test_missing_dask_says_what_to_install():
    code = ('import sys; sys.modules["distributed"] = None\n'
            'from lensfinder_audit.plugins import load_plugin\n'
            'load_plugin("engines", "dask")')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert "pip install 'lensfinder_audit[dask]'" in done.stderr.splitlines()[-1]
