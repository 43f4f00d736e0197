# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import threading

from lensfinder_audit_example_engine import ThreadEngine

from lensfinder_audit.testing import check_engine


def test_conforms():
    check_engine(ThreadEngine())


def test_partitions_run_side_by_side():
    meeting = threading.Barrier(3, timeout=10)
    ThreadEngine(threads=3).map_reduce(lambda partition: meeting.wait(), range(3), max)
