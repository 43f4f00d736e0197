# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Temporary folders beside an output, and those that a killed process left there.

A process holds a lock in its folder for as long as it lives, so that a folder
whose lock is free is nobody's.
"""
import shutil

_LOCK = 'lock'


def hold(folder):
    """Lock a temporary folder until the stream that is returned is closed."""
    stream = open(folder / _LOCK, 'w')  # noqa: SIM115
    _lock(stream)
    return stream


def clear_abandoned(path):
    """Remove the temporary folders of ``path`` whose process was killed."""
    for folder in path.parent.glob(f'.{path.name}.*'):
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder):
    if not (folder / _LOCK).is_file() or not (folder / 'new').is_dir() or (folder / 'old').exists():
        return False  # not one of ours, or with what was there before still in it
    try:
        with open(folder / _LOCK) as stream:
            return _lock(stream)
    except OSError:
        return False


def _lock(stream):
    """Try to take the lock; tell whether it was free."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return False
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
