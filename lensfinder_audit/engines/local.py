# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Worker processes on one machine.

Processes are started afresh (``spawn``), not forked, so that threads of the
caller, numba's and BLAS's among them, are never copied half-way.
"""
import signal
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import get_context

from lensfinder_audit.engines import _shared
from lensfinder_audit.exceptions import PartitionError
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
        _shared.check_workers(workers)
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
        workers = min(self.workers or _shared.processors(), len(partitions))
        work = _in_processes if workers > 1 else _in_this_process
        reduction = _shared.Reduction(merge, len(partitions), progress)
        with closing(work(function, partitions, workers)) as finished:
            for index, summary in finished:
                reduction.add(index, summary)
        return reduction.summary


def _in_this_process(function, partitions, workers):
    for index, partition in enumerate(partitions):
        try:
            summary = function(partition)
        except Exception as error:
            raise PartitionError(_shared.failure_message(partition, index, len(partitions), error)
                                 ) from error
        yield index, summary


def _in_processes(function, partitions, workers):
    packed = _shared.pack(function)
    pool = ProcessPoolExecutor(workers, mp_context=get_context('spawn'), initializer=_begin,
                               initargs=(packed,))
    try:
        yield from _finished(pool, partitions, ahead=_shared.AHEAD * workers)
    except BaseException:
        _stop(pool)
        raise
    pool.shutdown()


def _finished(pool, partitions, *, ahead):
    queue = _shared.Queue(partitions)
    running, futures = {}, {}
    while True:
        for index, partition in queue.take(running, ahead):
            running[index] = future = pool.submit(_call, partition, index, len(partitions))
            futures[future] = index
        if not running:
            return
        for future in wait(futures, return_when=FIRST_COMPLETED).done:
            index = futures.pop(future)
            del running[index]
            yield index, _outcome(future, [partitions[i] for i in (index, *running)])


def _begin(packed):
    """Keep in a new process what all its calls need; the parent hears Ctrl-C and stops them."""
    global _packed
    _packed = packed
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _call(partition, index, total):
    return _shared.call(_packed, partition, index, total)


def _outcome(future, partitions):
    try:
        return _shared.checked(future.result())
    except BrokenProcessPool as error:
        raise PartitionError(
            f'a worker process died at one of the partitions {partitions}: out of memory, killed, '
            'or the function cannot be imported (it must live in a module, and a script must call '
            "the engine under if __name__ == '__main__':)") from error


def _stop(pool):
    """Drop what has not begun and end what runs, instead of waiting for it."""
    processes = list((getattr(pool, '_processes', None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        while process.is_alive():  # the pool's own thread waits too, and one of the two is told
            process.join(0.1)
