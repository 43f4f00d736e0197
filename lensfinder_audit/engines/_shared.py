# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the engines have in common.

The function of a run goes to each worker once and is unpacked there once, with
the model that it may hold; calls after that find it in their thread. Failures
come back as `Failure`, so that no framework tries a broken partition again or
fills its log, and summaries are merged in the order of the partitions.
"""
import hashlib
import os
import pickle
import platform
import re
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from traceback import format_exc

import lensfinder_audit
from lensfinder_audit.exceptions import ConfigError, PartitionError
from lensfinder_audit.interfaces import Engine

#: Partitions in flight for each thread of the workers, so that none waits for the driver.
AHEAD = 2

_IN_THREAD = threading.local()


class Reduction:
    """Merge summaries in order, whatever order they come in."""

    def __init__(self, merge, total, progress):
        self.summary = None
        self._merge, self._total, self._progress = merge, total, progress
        self._waiting, self._merged, self._done = {}, 0, 0

    def add(self, index, summary):
        self._waiting[index] = summary
        while self._merged in self._waiting:
            found = self._waiting.pop(self._merged)
            self.summary = self._merge(self.summary, found) if self._merged else found
            self._merged += 1
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


class Queue:
    """
    Partitions that wait, their numbers before them.

    What is handed out never runs far ahead of the oldest that is not back, so that
    few summaries wait for their turn to be merged, however many partitions there are.
    """

    def __init__(self, partitions):
        self.total, self._left = len(partitions), iter(enumerate(partitions))
        self._next = next(self._left, None)

    def take(self, running, ahead):
        """Return numbers and partitions that make so many run; ``running`` holds the numbers."""
        taken, oldest = [], min(running, default=None)
        while self._next is not None and len(running) + len(taken) < ahead:
            index = self._next[0]
            if oldest is not None and index - oldest >= 16 * ahead:
                break
            oldest = index if oldest is None else oldest
            taken.append(self._next)
            self._next = next(self._left, None)
        return taken


@dataclass(frozen=True)
class Packed:
    """A function as bytes, told apart from others by its digest."""

    digest: str
    version: str
    content: bytes


@dataclass(frozen=True)
class Failure:
    """What a call that raised hands back."""

    message: str
    traceback: str = ''


class WorkerTraceback(Exception):
    """The traceback of a worker, as the cause of the error that is raised here."""

    def __str__(self):
        return f'\n"""\n{self.args[0]}"""'


def pack(function, dumps=pickle.dumps):
    """Turn a function into what is sent to workers."""
    try:
        content = dumps(function)
    except Exception as error:
        raise PartitionError(
            f'{function!r} cannot be sent to workers: {type(error).__name__}: {error}; write it '
            'in a module, and keep open files and locks out of it') from error
    return Packed(hashlib.sha256(content).hexdigest(), lensfinder_audit.__version__, content)


def unpack(packed):
    """Return the function of a run, unpacked once in each thread of a worker."""
    if getattr(_IN_THREAD, 'digest', None) != packed.digest:
        _IN_THREAD.function = _IN_THREAD.digest = None  # the last one may hold a large model
        _check_version(packed.version)
        _IN_THREAD.function = pickle.loads(packed.content)
        _IN_THREAD.digest = packed.digest
    return _IN_THREAD.function


def _check_version(version):
    here = lensfinder_audit.__version__
    if _release(version) != _release(here):  # that of a checkout changes under a running worker
        raise PartitionError(f'the worker on {platform.node()} has lensfinder_audit {here}, the '
                             f'run was begun with {version}; install the same on all')


def _release(version):
    return re.split(r'\.dev|\+', version)[0]


def call(packed, partition, index, total):
    """Run in a worker; return the summary of a partition, or a `Failure`."""
    try:
        function = unpack(packed)
    except Exception as error:
        return Failure(f'a worker on {platform.node()} cannot load the function of the run: '
                       f'{type(error).__name__}: {error}; it needs the package and the modules '
                       'that the run was begun with', format_exc())
    try:
        return function(partition)
    except Exception as error:
        return Failure(failure_message(partition, index, total, error), format_exc())


def failure_message(partition, index, total, error):
    """Name a partition and what went wrong with it."""
    return (f'partition {index + 1} of {total}, {partition!r}, failed: '
            f'{type(error).__name__}: {error}')


def checked(summary):
    """Return a summary; raise what a `Failure` tells."""
    if isinstance(summary, Failure):
        raise PartitionError(summary.message) from WorkerTraceback(summary.traceback)
    return summary


def check_workers(workers):
    """Refuse what is no number of processes."""
    if workers is not None and (not isinstance(workers, int) or workers < 1):
        raise ConfigError(f'workers is a positive number of processes or None, not {workers!r}')


def processors():
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


class _ClusterEngine(Engine):
    """
    An engine with a session that is slow to start.

    Subclasses write ``_connect``, a context manager that gives the session, and ``_run(session,
    packed, partitions)``, an iterator over numbers and summaries that can be closed;
    ``_dumps`` packs a function for their workers, ``_given`` says what an address is.
    """

    _given = 'the address'
    _stack = _open = None

    def __init__(self, *, address=None, workers=None):
        check_workers(workers)
        if address is not None and workers is not None:
            raise ConfigError(f'{self._given} {address!r} has workers of its own; give either its '
                              'address or a number of workers')
        self.address, self.workers = address, workers

    def map_reduce(self, function, partitions, merge, *, progress=None):
        """
        Apply a function to every partition and merge what it returns.

        Parameters
        ----------
        function : callable
            ``function(partition) -> summary``.
        partitions : sequence
            What each call works on.
        merge : callable
            ``merge(summary, summary) -> summary``, associative; called in this
            process, in the order of the partitions.
        progress : callable, optional
            Called as ``progress(done, total)`` after each partition.

        Returns
        -------
        summary : object
            What is left after the last merge; `None` without partitions.

        Raises
        ------
        PartitionError
            If the function raises, naming the partition, or a partition ends its
            worker more often than the framework allows.
        ConfigError
            If nothing answers at the address.
        """
        partitions = list(partitions)
        if not partitions:
            return None
        packed = pack(function, self._dumps)
        reduction = Reduction(merge, len(partitions), progress)
        with self._session() as session, closing(self._run(session, packed, partitions)) as run:
            for index, summary in run:
                reduction.add(index, summary)
        return reduction.summary

    def __enter__(self):
        self._stack = ExitStack()
        return self

    def __exit__(self, *error):
        stack, self._stack, self._open = self._stack, None, None
        stack.close()

    def __getstate__(self):
        return {**self.__dict__, '_stack': None, '_open': None}

    @contextmanager
    def _session(self):
        """Give the session: kept until the end of ``with``, else for this call alone."""
        if self._stack is None:
            with self._connect() as session:
                yield session
        else:
            if self._open is None:
                self._open = self._stack.enter_context(self._connect())
            yield self._open
