# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Dask: the workers of a scheduler, or processes of this machine under one.

Partitions of a worker that vanishes are done again by the others, as Dask has it;
one that ends its worker again and again is named.
"""
import logging
import signal
import time
import warnings
from contextlib import contextmanager
from uuid import uuid4

import cloudpickle
from distributed import Client, LocalCluster, WorkerPlugin, as_completed, default_client
from distributed.scheduler import KilledWorker

from lensfinder_audit.engines import _shared
from lensfinder_audit.exceptions import ConfigError, PartitionError

__all__ = ['DaskEngine']

_FEWEST = 16  # in flight, also where a scheduler has no workers yet


class DaskEngine(_shared._ClusterEngine):
    """
    Run a function over partitions on Dask workers.

    Parameters
    ----------
    address : str, optional
        Of a scheduler, such as ``tcp://host:8786``, or the JSON file that ``dask
        scheduler --scheduler-file`` writes. Without it, and without ``workers``, the
        client that is open in this process is used; without one, processes are
        started on this machine and stopped at the end.
    workers : int, optional
        Number of processes that are started, of one thread each. The default is the
        number of processors that this process may use.

    Raises
    ------
    ConfigError
        If ``workers`` is not a positive integer, or both are given.

    Notes
    -----
    Workers need this package, in the same version, and the same files under the same
    paths. A model is loaded once in each thread of a worker: give workers one thread
    (``--nthreads 1``). How often a partition may end its worker is Dask's setting
    ``distributed.scheduler.allowed-failures``. As a context manager the engine keeps its
    client, and the processes that it started, for the next call.

    Examples
    --------
    >>> from lensfinder_audit.engines.dask import DaskEngine
    >>> DaskEngine(address='tcp://host:8786')
    DaskEngine(address='tcp://host:8786', workers=None)

    ::

        with DaskEngine(workers=4) as engine:
            engine.map_reduce(count_rows, paths, operator.add)
    """

    _given = 'the scheduler'
    _dumps = staticmethod(cloudpickle.dumps)

    @staticmethod
    def _run(session, packed, partitions):
        return _Run(session, packed, partitions)

    @contextmanager
    def _connect(self):
        found = _open_client() if self.address is None and self.workers is None else None
        if found is not None:
            yield found  # its owner closes it
        elif self.address is not None:
            with _client_of(self.address) as client:
                yield client
        else:
            with LocalCluster(n_workers=self.workers or _shared.processors(), threads_per_worker=1,
                              dashboard_address='127.0.0.1:0',  # any port that is free
                              silence_logs=logging.CRITICAL) as cluster:
                with Client(cluster, set_as_default=False) as client:
                    client.register_plugin(_IgnoreCtrlC())
                    yield client


class _IgnoreCtrlC(WorkerPlugin):
    """In the terminal all processes hear it; this one stops the others."""

    def setup(self, worker):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _open_client():
    try:
        return default_client()
    except ValueError:
        return None


def _client_of(address):
    where = {'scheduler_file': address} if address.endswith('.json') else {'address': address}
    try:
        return Client(**where, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f'no Dask scheduler answers at {address!r} ({error}); start one with '
                          '"dask scheduler" and workers with "dask worker", or leave the address '
                          'out for processes on this machine') from error


class _Run:
    """The partitions of one call: few are with the scheduler at any time."""

    def __init__(self, client, packed, partitions):
        self._client, self._partitions = client, partitions
        self._name, self._running, self._looked = f'partition-{uuid4().hex}', {}, 0
        self._ready, self._ahead = as_completed(loop=client.loop), _FEWEST
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'Sending large graph')  # once, by intention
            # a task, not scattered data, so that it is made again when its worker vanishes
            self._packed = client.submit(_same, packed, key=f'{self._name}-function')

    def __iter__(self):
        queue = _shared.Queue(self._partitions)
        while True:
            for index, partition in queue.take(self._running, self._places()):
                future = self._client.submit(_shared.call, self._packed, partition, index,
                                             queue.total, key=f'{self._name}-{index}')
                self._running[index] = future
                self._ready.add(future)
            if not self._running:
                return
            future = next(self._ready)
            index = int(future.key.rpartition('-')[2])
            yield index, self._outcome(future)
            del self._running[index]

    def close(self):
        """Drop what has not begun."""
        self._client.cancel([*self._running.values(), self._packed])

    def _places(self):
        """Return how many may be in flight; clusters grow and shrink."""
        if time.monotonic() - self._looked > 2:
            threads = sum(self._client.nthreads().values())
            self._ahead = max(_FEWEST, _shared.AHEAD * threads)
            self._looked = time.monotonic()
        return self._ahead

    def _outcome(self, future):
        try:
            return _shared.checked(future.result())
        except KilledWorker as error:
            raise PartitionError(
                f'workers vanish again and again at {self._suspects()}: out of memory, or a crash '
                'in compiled code; the logs of the workers and of the scheduler say more'
            ) from error

    def _suspects(self):
        """Name the partitions that were with the worker each time it vanished."""
        names = [f'{self._partitions[index]!r}' for index, future in sorted(self._running.items())
                 if future.status == 'error']
        return f'{"one of the partitions" if len(names) > 1 else "partition"} {", ".join(names)}'


def _same(packed):
    return packed
