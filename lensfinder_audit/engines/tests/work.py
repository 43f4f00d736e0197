# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Functions for engines to run; workers import them from here."""
import os
import signal
import time
from pathlib import Path


class Model:
    """Says each time it is loaded in a worker, and in which."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __setstate__(self, state):
        self.__dict__ = state
        with open(self.folder / 'loads', 'a') as stream:
            stream.write(f'{os.getpid()}\n')

    def __call__(self, partition):
        time.sleep(0.02)
        return [os.getpid()]


class TellAndWait:
    """Writes which process works on a partition, and takes its time."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, partition):
        (self.folder / f'pid-{os.getpid()}').touch()
        time.sleep(0.1)
        return [partition]


class EndsItsWorker:
    """Kills the process at one partition, each time."""

    def __init__(self, last):
        self.last = last

    def __call__(self, partition):
        if partition == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return [partition]


class NeedsTwoArguments(Exception):
    """Cannot be pickled back from its text alone."""

    def __init__(self, path, reason):
        super().__init__(f'{path}: {reason}')


def fail_oddly(partition):
    """Raise what cannot be sent."""
    if partition == 'brick-3':
        raise NeedsTwoArguments(partition, 'cut short')
    return [partition]


def add(one, two):
    """Put lists one behind the other."""
    return one + two
