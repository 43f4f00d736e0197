# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Run partitions in threads of this process: for work that waits, such as downloads."""
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lensfinder_audit.exceptions import PartitionError
from lensfinder_audit.interfaces import Engine


class ThreadEngine(Engine):
    """A pool of threads."""

    def __init__(self, *, threads=8):
        self.threads = threads

    def map_reduce(self, function, partitions, merge, *, progress=None):
        result = None
        with ThreadPoolExecutor(self.threads) as pool:
            summaries = pool.map(partial(call, function), partitions)  # in their order
            for done, summary in enumerate(summaries, 1):
                result = summary if done == 1 else merge(result, summary)
                if progress is not None:
                    progress(done, len(partitions))
        return result


def call(function, partition):
    """Say which partition it was that failed."""
    try:
        return function(partition)
    except Exception as error:
        raise PartitionError(f'partition {partition!r} failed: {error}') from error
