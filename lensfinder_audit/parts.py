# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Finished parts of a long run, in a folder, so that it goes on after a kill.

A part is there whole or not at all. The folder also says what the parts are of:
those of another run are never used.
"""
import json
import shutil
from pathlib import Path

from lensfinder_audit._scratch import LOCK, hold
from lensfinder_audit.exceptions import LensfinderAuditError, OutputExistsError
from lensfinder_audit.files import whole_file

__all__ = ['Parts']


class Parts:
    """
    The parts of one run; a context manager that keeps other processes away.

    It can be sent to worker processes, which write parts of their own numbers.

    Parameters
    ----------
    folder : str, `~pathlib.Path` or None
        Where the parts are; made where it is not there. Without one, nothing is
        kept.
    identity : dict
        Everything that the parts depend on. Parts of another identity go.
    suffix : str, optional
        Of the files of the parts.

    Raises
    ------
    OutputExistsError
        On entry, if the folder is a file or another process works there.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from lensfinder_audit.parts import Parts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Parts(folder, {'seed': 1}) as parts:
    ...         parts.save(0, lambda path: np.save(path, [1, 2]))
    ...     with Parts(folder, {'seed': 1}) as parts:
    ...         print(parts.load(0, np.load), parts.load(1, np.load))
    ...     with Parts(folder, {'seed': 2}) as parts:
    ...         print(parts.load(0, np.load))
    [1 2] None
    None
    """

    def __init__(self, folder, identity, *, suffix='.npy'):
        self.folder = None if folder is None else Path(folder).resolve()
        self.suffix = suffix
        self._identity = json.dumps(identity, indent=1, sort_keys=True, default=str)
        self._lock = None

    def __enter__(self):
        if self.folder is None:
            return self
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputExistsError(f'{self.folder} is a file; give the name of a folder')
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self.folder / LOCK, self.folder)
        try:
            self._begin()
        except BaseException:  # the disk may be full
            self.__exit__()
            raise
        return self

    def _begin(self):
        for path in self.folder.glob('.part-*'):  # left by a kill
            shutil.rmtree(path, ignore_errors=True)
        plan = self.folder / 'plan.json'
        if not plan.exists() or plan.read_text() != self._identity:
            self._clear()
            with whole_file(plan, overwrite=True) as temporary:
                temporary.write_text(self._identity)

    def __exit__(self, *error):
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __getstate__(self):
        return {**self.__dict__, '_lock': None}

    def is_of_another_run(self):
        """Return whether the folder holds a plan, and it is another one."""
        plan = None if self.folder is None else self.folder / 'plan.json'
        return plan is not None and plan.exists() and plan.read_text() != self._identity

    def has(self, number, *, suffix=None):
        """Return whether a part is there."""
        return self.folder is not None and self.path(number, suffix=suffix).exists()

    def load(self, number, read, *, suffix=None):
        """
        Read a part.

        Parameters
        ----------
        number : int
            Of the part.
        read : callable
            ``read(path)`` gives the part, or raises where it is damaged.
        suffix : str, optional
            Of the file, where it is another than that of the parts.

        Returns
        -------
        part : object
            `None` where it is not there, or damaged by a crash of the machine.
        """
        if not self.has(number, suffix=suffix):
            return None
        try:
            return read(self.path(number, suffix=suffix))
        except (OSError, ValueError, EOFError, LensfinderAuditError):
            return None

    def save(self, number, write, *, suffix=None):
        """
        Write a part, whole or not at all.

        Parameters
        ----------
        number : int
            Of the part.
        write : callable
            ``write(path)`` writes it.
        suffix : str, optional
            Of the file, where it is another than that of the parts.
        """
        if self.folder is not None:
            with whole_file(self.path(number, suffix=suffix), overwrite=True) as temporary:
                write(temporary)

    def path(self, number, *, suffix=None):
        """Return the file of a part."""
        return self.folder / f'part-{number:06d}{suffix or self.suffix}'

    def _clear(self):
        """Remove the parts of other inputs; what else is in the folder is not ours."""
        for path in self.folder.glob('part-*'):
            path.unlink()
