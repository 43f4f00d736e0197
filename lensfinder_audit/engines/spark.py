# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Spark: each partition is one task of a small job.

A few jobs run at a time, so that no core waits for the last task of a job. A job
has half as many partitions as the cluster has cores, more where they are short: the
driver holds few results, and a job is not mostly its own beginning.
"""
import re
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from uuid import uuid4

from py4j.protocol import Py4JError
from pyspark import SparkContext, cloudpickle

from lensfinder_audit.engines import _shared
from lensfinder_audit.engines._spark_context import is_stopped, own_context
from lensfinder_audit.exceptions import ConfigError, PartitionError

__all__ = ['SparkEngine']

_JOBS = 4  # at a time
_SHORT, _LONG = 1, 5  # seconds of a job


class SparkEngine(_shared._ClusterEngine):
    """
    Run a function over partitions on Spark.

    Parameters
    ----------
    address : str, optional
        The master, such as ``spark://host:7077``, ``yarn``, ``k8s://https://host:443``
        or ``local[4]``. Without it, and without ``workers``, the context that is active
        in this process is used; without one, processes are started on this machine and
        stopped at the end.
    workers : int, optional
        Number of processes on this machine. The default is the number of processors
        that this process may use.

    Raises
    ------
    ConfigError
        If ``workers`` is not a positive integer, or both are given.

    Notes
    -----
    The machine that begins the run needs Java 17 or newer, else there is a
    `~lensfinder_audit.exceptions.MissingDependencyError`. How often a partition may end its
    worker is Spark's setting ``spark.task.maxFailures``. Workers need this package,
    in the same version, and the same files under the same paths; their interpreter
    is the one that ``PYSPARK_PYTHON`` names, or else this one by its path. Further
    settings are read from ``spark-defaults.conf`` in ``SPARK_CONF_DIR``, as Spark does.
    As a context manager the engine keeps its context for the next call.

    Examples
    --------
    >>> from lensfinder_audit.engines.spark import SparkEngine
    >>> SparkEngine(address='spark://host:7077')
    SparkEngine(address='spark://host:7077', workers=None)

    ::

        with SparkEngine(workers=4) as engine:
            engine.map_reduce(count_rows, paths, operator.add)
    """

    _given = 'the master'
    _dumps = staticmethod(cloudpickle.dumps)

    @staticmethod
    def _run(session, packed, partitions):
        return _Run(session, packed, partitions)

    @contextmanager
    def _connect(self):
        active = SparkContext._active_spark_context
        if active is None:
            # a worker that vanishes is not tried again by local[n] alone
            master = self.address or f'local[{self.workers or _shared.processors()}]'
            with own_context(re.sub(r'^local\[(\d+|\*)\]$', r'local[\1,4]', master)) as context:
                yield context
        elif self.address not in (None, active.master) or self.workers is not None:
            raise ConfigError(f'a Spark context with the master {active.master!r} is active in '
                              'this process; stop it, or give neither address nor workers')
        else:
            yield active  # its owner stops it


class _Run:
    """The partitions of one call, a few jobs at a time."""

    def __init__(self, context, packed, partitions):
        self._context, self._partitions = context, partitions
        self._packed, self._group = context.broadcast(packed), f'lensfinder-audit-{uuid4().hex}'
        self._threads, self._jobs, self._running = ThreadPoolExecutor(_JOBS), {}, set()
        self._stopped, self._scale = threading.Event(), 1

    def __iter__(self):
        queue = _shared.Queue(self._partitions)
        while True:
            self._fill(queue)
            if not self._jobs:
                return
            for done in wait(self._jobs, return_when=FIRST_COMPLETED).done:
                indices = self._jobs.pop(done)
                yield from zip(indices, self._outcome(done, indices), strict=True)
                self._running -= set(indices)

    def close(self):
        """Stop what runs; wait for the threads that asked for it."""
        self._stopped.set()
        for job in self._jobs:
            job.cancel()
        if self._jobs:
            with suppress(Py4JError):  # what it belongs to may have ended
                self._context.cancelJobGroup(self._group)
        self._threads.shutdown()
        with suppress(Py4JError):
            self._packed.unpersist()

    def _fill(self, queue):
        size = max(1, self._context.defaultParallelism // 2) * self._scale
        while len(self._jobs) < _JOBS:
            numbered = queue.take(self._running, len(self._running) + size)
            if not numbered:
                return
            indices = [index for index, _ in numbered]
            self._jobs[self._threads.submit(self._job, numbered)] = indices
            self._running |= set(indices)

    def _job(self, numbered):
        self._context.setJobGroup(self._group, f'partitions from {numbered[0][0] + 1}', True)
        if self._stopped.is_set():
            return []
        begun = time.monotonic()
        tasks = self._context.parallelize(numbered, len(numbered))
        found = tasks.map(_Task(self._packed, len(self._partitions))).collect()
        return found, time.monotonic() - begun

    def _outcome(self, job, indices):
        try:
            found, seconds = job.result()
        except Py4JError as error:
            if is_stopped(self._context):
                raise ConfigError(f'the Spark application ended: the master '
                                  f'{self._context.master!r} or its workers went away, or no '
                                  'worker could be had') from error
            raise PartitionError(self._message(error, indices)) from error
        if seconds < _SHORT:
            self._scale = min(2 * self._scale, 64)
        elif seconds > _LONG:
            self._scale = max(self._scale // 2, 1)
        return [_shared.checked(summary) for summary in found]

    def _message(self, error, indices):
        text = str(getattr(error, 'java_exception', None) or error)
        task = re.search(r'Task (\d+) in stage \S+ failed (\d+) times', text)
        reason = ' '.join(text.partition('Driver stacktrace')[0].split())[:300]
        if task is None:
            return f'Spark failed at one of the partitions {self._names(indices)}: {reason}'
        return (f'partition {self._names([indices[int(task[1])]])} failed {task[2]} times, each '
                'time with its worker: out of memory, or a crash in compiled code; Spark says: '
                f'{reason}')

    def _names(self, indices):
        return ', '.join(f'{self._partitions[index]!r}' for index in indices)


class _Task:
    """What runs in a worker of Spark."""

    def __init__(self, packed, total):
        self.packed, self.total = packed, total

    def __call__(self, numbered):
        index, partition = numbered
        return _shared.call(self.packed.value, partition, index, self.total)
