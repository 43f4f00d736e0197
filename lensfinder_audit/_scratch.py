# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Locks of files, temporary folders beside an output, and those that a killed process
left there.

A process holds a lock in its folder for as long as it lives, so that a folder
whose lock is free is nobody's.
"""
import shutil

from lensfinder_audit.exceptions import OutputExistsError

__all__ = ['LOCK', 'hold', 'clear_abandoned']

#: Name of the locked file in a folder.
LOCK = 'lock'


def hold(path, what):
    """
    Lock a file until the stream that is returned is closed or the process ends.

    Where another process holds it, the error says that of ``what``.
    """
    stream = open(path, 'w')  # noqa: SIM115
    if _is_free(stream) is False:
        stream.close()
        raise OutputExistsError(f'{what} is being written by another process')
    return stream


def clear_abandoned(path):
    """Remove the temporary folders of ``path`` whose process was killed."""
    for folder in path.parent.glob(f'.{path.name}.*'):
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder):
    if not (folder / LOCK).is_file() or not (folder / 'new').is_dir() or (folder / 'old').exists():
        return False  # not one of ours, or with what was there before still in it
    try:
        with open(folder / LOCK) as stream:
            return _is_free(stream) is True
    except OSError:
        return False


def _is_free(stream):
    """Take the lock; tell whether it was free, `None` where there are no such locks."""
    try:
        import fcntl
    except ImportError:  # another system
        return None
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, as some of clusters are mounted
        return None
    return True
