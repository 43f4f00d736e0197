# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Worker processes on one machine.

Processes are started afresh (``spawn``), not forked, so that threads of the
caller, numba's and BLAS's among them, are never copied half-way.
"""
import os
import signal
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import get_context

from lensfinder_audit.exceptions import ConfigError, PartitionError
from lensfinder_audit.interfaces import Engine

__all__ = ['LocalEngine']


class LocalEngine(Engine):
    """
    Run a function over partitions in processes of this machine.

    Parameters
    ----------
    workers : int, optional
        Number of processes. The default is the number of processors that this
        process may use; 1 works in this process, which a debugger can follow.

    Raises
    ------
    ConfigError
        If ``workers`` is not a positive integer.

    Notes
    -----
    With more than one worker the function and the partitions are pickled: the
    function lives in a module, and a script that calls the engine does so under
    ``if __name__ == '__main__':``.

    Examples
    --------
    >>> from operator import add
    >>> from lensfinder_audit.engines.local import LocalEngine
    >>> LocalEngine(workers=1).map_reduce(len, ['a', 'bc', 'def'], add)
    6
    """

    def __init__(self, *, workers=None):
        if workers is not None and (not isinstance(workers, int) or workers < 1):
            raise ConfigError(f'workers is a positive number of processes or None, not {workers!r}')
        self.workers = workers

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
            If the function raises, naming the partition, or a worker dies. What
            has not begun by then is not begun.
        """
        partitions = list(partitions)
        workers = min(self.workers or _processors(), len(partitions))
        work = _in_processes if workers > 1 else _in_this_process
        reduction = _Reduction(merge, len(partitions), progress)
        with closing(work(function, partitions, workers)) as finished:
            for index, summary in finished:
                reduction.add(index, summary)
        return reduction.summary


class _Reduction:
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


def _processors():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def _in_this_process(function, partitions, workers):
    for index, partition in enumerate(partitions):
        yield index, _call(function, partition, index, len(partitions))


def _in_processes(function, partitions, workers):
    pool = ProcessPoolExecutor(workers, mp_context=get_context('spawn'), initializer=_ignore_ctrl_c)
    try:
        yield from _finished(pool, function, partitions, ahead=2 * workers)
    except BaseException:
        _stop(pool)
        raise
    pool.shutdown()


def _finished(pool, function, partitions, *, ahead):
    queue = iter(enumerate(partitions))
    running = {}
    while True:
        for index, partition in queue:
            future = pool.submit(_call, function, partition, index, len(partitions))
            running[future] = index
            if len(running) >= ahead:
                break
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            index = running.pop(future)
            yield index, _outcome(future, [partitions[i] for i in (index, *running.values())])


def _call(function, partition, index, total):
    """Run in a worker; any exception becomes one that can be sent back."""
    try:
        return function(partition)
    except Exception as error:
        raise PartitionError(f'partition {index + 1} of {total}, {partition!r}, failed: '
                             f'{type(error).__name__}: {error}') from error


def _outcome(future, partitions):
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise PartitionError(
            f'a worker process died at one of the partitions {partitions}: out of memory, killed, '
            'or the function cannot be imported (it must live in a module, and a script must call '
            "the engine under if __name__ == '__main__':)") from error


def _ignore_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and stops the pool


def _stop(pool):
    """Drop what has not begun and end what runs, instead of waiting for it."""
    processes = list((getattr(pool, '_processes', None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        while process.is_alive():  # the pool's own thread waits too, and one of the two is told
            process.join(0.1)
