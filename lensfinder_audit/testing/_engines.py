# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What an engine promises. The functions it is given are plain, so that they can be pickled."""
import time
from functools import cached_property

from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import Engine
from lensfinder_audit.testing import _core

__all__ = ['check_engine', 'EngineCase']


def check_engine(engine, *, n_partitions=7):
    """
    Check that an engine keeps its contract.

    Parameters
    ----------
    engine : `~lensfinder_audit.interfaces.Engine`
        The plugin.
    n_partitions : int, optional
        Number of partitions to try it on.

    Raises
    ------
    ConformanceError
        If a partition is left out or done twice, if summaries are merged out of
        order, if progress is not told, or if a failure is lost or does not say
        which partition it was.

    Examples
    --------
    >>> from lensfinder_audit.engines.local import LocalEngine
    >>> from lensfinder_audit.testing import check_engine
    >>> check_engine(LocalEngine(workers=1))
    """
    _core.require(EngineCase(engine, n_partitions=n_partitions))


class EngineCase:
    """An engine and the partitions it is tried on."""

    def __init__(self, plugin, *, n_partitions=7):
        self.plugin = plugin
        self.checks = CHECKS
        self.partitions = [f'partition-{i}' for i in range(n_partitions)]

    @cached_property
    def run(self):
        """Joined names of the partitions, and what progress was told meanwhile."""
        told = []
        found = self.plugin.map_reduce(name_of_slow_first, self.partitions, joined,
                                       progress=lambda *now: told.append(now))
        return found, told

    @cached_property
    def failure(self):
        """Exception of a run in which one partition fails, or what the run gave instead."""
        try:
            return self.plugin.map_reduce(fail_on_last_but_one,
                                          [f'partition-{i}' for i in range(7)], joined)
        except Exception as error:
            return error


def name_of(partition):
    """Return a summary of one partition."""
    return [partition]


def name_of_slow_first(partition):
    """The same, where the first partitions take longest."""
    time.sleep(0.1 / (1 + int(partition.rpartition('-')[2])))
    return [partition]


def joined(first, second):
    """Merge two summaries; associative, but not commutative."""
    return first + second


def fail_on_last_but_one(partition):
    """Raise on one partition."""
    if partition == 'partition-5':
        raise ValueError('the file is cut short')
    return [partition]


def refuse(first, second):
    """A merge that must not be called."""
    raise AssertionError('merge was called with one partition only')


def is_an_engine(case):
    """It subclasses the interface."""
    _core.require_kind(case, Engine)


def every_partition_is_done_once(case):
    """None is left out, none counts twice."""
    _require_each_once(case, case.run[0] or [])


def _require_each_once(case, found):
    lost = sorted(set(case.partitions) - set(found))
    double = sorted({name for name in found if found.count(name) > 1})
    if lost or double:
        raise ConformanceError(f'of {len(case.partitions)} partitions {len(lost)} were left out '
                               f'{lost[:3]} and {len(double)} done twice {double[:3]}; start the '
                               'reduction from the first summary and use each once')


def summaries_are_merged_in_order(case):
    """The order is that of the partitions, not that in which they finish."""
    found = case.run[0]
    if found != case.partitions:
        raise ConformanceError(f'summaries were merged as {found}; merge them in the order of the '
                               'partitions, also where a later one finishes first')


def progress_is_told(case):
    """After each partition, as ``progress(done, total)``."""
    told, total = case.run[1], len(case.partitions)
    if told != [(done, total) for done in range(1, total + 1)]:
        raise ConformanceError(f'progress was told {told[:4]}... for {total} partitions; call '
                               'progress(done, total) once after each, done from 1 to total')


def no_partitions_give_none(case):
    """There is nothing to merge."""
    found = case.plugin.map_reduce(name_of, [], joined)
    if found is not None:
        raise ConformanceError(f'no partitions gave {found!r}; return None')


def one_partition_is_not_merged(case):
    """Its summary is the result."""
    found = case.plugin.map_reduce(name_of, case.partitions[:1], refuse)
    if found != case.partitions[:1]:
        raise ConformanceError(f'one partition gave {found!r} instead of its summary')


def failure_names_its_partition(case):
    """An exception comes out, and says where it happened."""
    error = case.failure
    if not isinstance(error, Exception):
        raise ConformanceError(f'a function that raises gave {error!r}; let the exception out')
    text = str(error)
    lost = [part for part in ('partition-5', 'the file is cut short') if part not in text]
    if lost:
        raise ConformanceError(f'a failure in partition-5 came out as {type(error).__name__}: '
                               f'{text!r}, which does not tell {lost}; raise PartitionError '
                               'with the partition and the cause') from error


def works_again_after_a_failure(case):
    """A failure does not leave the engine in pieces."""
    if not isinstance(case.failure, Exception):
        return
    _require_each_once(case, case.plugin.map_reduce(name_of, case.partitions, joined) or [])


def parameters_can_be_sent(case):
    """It survives pickling."""
    _core.revived(case.plugin)


CHECKS = (is_an_engine, _core.api_version_is_known, _core.parameters_are_recorded,
          every_partition_is_done_once, summaries_are_merged_in_order, progress_is_told,
          no_partitions_give_none, one_partition_is_not_merged, failure_names_its_partition,
          works_again_after_a_failure, parameters_can_be_sent)
