# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How often all processes of a run together ask a server.

They share one small file: when the next request may go, and how many requests in a
row were given up. It is locked for as long as it takes to read and write it.
"""
import json
from contextlib import contextmanager
from pathlib import Path
from time import sleep, time

__all__ = ['Turns']


class Turns:
    """
    Turns of requests to one server, shared by processes through a file.

    Parameters
    ----------
    path : str, `~pathlib.Path` or None
        The file. Without one, only this object waits for its turn.
    rate : float or None
        Requests per second of all processes together; `None` does not wait.
    """

    def __init__(self, path=None, rate=None):
        self.path, self.rate = None if path is None else Path(path), rate
        self._own = {}

    def wait(self):
        """Sleep until it is this request's turn."""
        if self.rate is None and self.path is None:
            return
        with self._state() as state:
            turn = max(time(), state.get('next', 0))
            state['next'] = turn + (1 / self.rate if self.rate else 0)
        sleep(max(0, turn - time()))

    def hold_back(self, seconds):
        """Let nobody ask for some seconds, as a server demanded."""
        with self._state() as state:
            state['next'] = max(state.get('next', 0), time() + seconds)

    def count(self, given_up):
        """Count a request that was given up; one that was answered begins anew."""
        with self._state() as state:
            state['given_up'] = state.get('given_up', 0) + 1 if given_up else 0

    def given_up(self):
        """Return how many requests in a row were given up."""
        with self._state() as state:
            return state.get('given_up', 0)

    @contextmanager
    def _state(self):
        if self.path is None:
            yield self._own
            return
        with open(self.path, 'a+') as stream:
            _lock(stream)
            stream.seek(0)
            state = _parse(stream.read())
            yield state
            stream.seek(0)
            stream.truncate()
            stream.write(json.dumps(state))
            stream.flush()


def _lock(stream):
    try:
        import fcntl
        fcntl.flock(stream, fcntl.LOCK_EX)
    except (ImportError, OSError):  # no such locks here: some requests may come too early
        pass


def _parse(text):
    try:
        found = json.loads(text or '{}')
    except ValueError:  # a kill in the middle of a write
        return {}
    return found if isinstance(found, dict) else {}
