# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Which stamp comes when, and how it is turned: functions of seed, epoch and object alone.

Neither the number of workers nor an interruption changes what a network is shown.
"""
import hashlib

import numpy as np

from lensfinder_audit.exceptions import ConfigError

__all__ = ['object_hashes', 'symmetries', 'turned', 'TrainingOrder', 'ValidationOrder']

_STREAM = 0x7261696e  # keeps the order apart from other uses of the same seed


def object_hashes(keys):
    """
    Return a number for each object, for its random choices.

    Parameters
    ----------
    keys : (n,) array_like of str
        Keys of objects.

    Returns
    -------
    hashes : (n,) `~numpy.ndarray` of uint64
        The same on every machine.
    """
    found = b''.join(hashlib.blake2b(str(key).encode(), digest_size=8).digest() for key in keys)
    return np.frombuffer(found, dtype='<u8').astype(np.uint64)


def symmetries(hashes, *, seed, epoch, flips=True, quarter_turns=True):
    """
    Choose for each stamp one of the eight symmetries of a square.

    Parameters
    ----------
    hashes : (n,) `~numpy.ndarray` of uint64
        From `object_hashes`.
    seed, epoch : int
        Of the training.
    flips, quarter_turns : bool, optional
        Which symmetries are used.

    Returns
    -------
    chosen : (n,) `~numpy.ndarray` of int
        Quarter turns, plus 4 where the stamp is mirrored first. Without quarter turns,
        half turns are used, which are two flips.

    Examples
    --------
    >>> from lensfinder_audit.training.order import object_hashes, symmetries
    >>> symmetries(object_hashes(['a', 'b', 'c']), seed=0, epoch=1)
    array([6, 0, 6])
    """
    start = np.random.SeedSequence([seed, epoch, _STREAM]).generate_state(1, np.uint64)
    mixed = hashes ^ start
    for shift, factor in ((30, 0xbf58476d1ce4e5b9), (27, 0x94d049bb133111eb)):  # splitmix64
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    chosen = (mixed >> np.uint64(61)).astype(np.int64)
    turns = chosen % 4 if quarter_turns else chosen % 2 * 2 * flips
    return turns + chosen // 4 * 4 * flips


def turned(images, chosen):
    """
    Mirror and turn stamps.

    Parameters
    ----------
    images : (n, band, y, x) `~numpy.ndarray`
        Stamps; square where any is turned by a quarter.
    chosen : (n,) `~numpy.ndarray` of int
        As `symmetries` gives it.

    Returns
    -------
    images : (n, band, y, x) `~numpy.ndarray`
        A copy.
    """
    out = np.empty_like(images)
    for number in np.unique(chosen):
        rows = chosen == number
        part = images[rows][..., ::-1] if number >= 4 else images[rows]
        out[rows] = np.rot90(part, number % 4, axes=(2, 3))
    return out


class TrainingOrder:
    """
    The batches of each epoch: a new order each time, in steps of equal size.

    What is left over of an epoch is left out of it; it is another part each time. Fewer
    stamps than ``effective_batch`` make one step.

    Parameters
    ----------
    n : int
        Stamps.
    effective_batch, batch_size : int
        Stamps to a step, and of these at a time on a device.
    seed : int
        Of the training.
    devices : int, optional
        Devices that share a step.

    Examples
    --------
    >>> from lensfinder_audit.training.order import TrainingOrder
    >>> order = TrainingOrder(10, effective_batch=4, batch_size=2, seed=0)
    >>> order.n_steps, order.accumulation, [len(batch) for batch in order.batches(0)]
    (2, 2, [2, 2, 2, 2])
    """

    def __init__(self, n, *, effective_batch, batch_size, seed, devices=1):
        if n < 1:
            raise ConfigError('there is no stamp to train on')
        self.n, self.seed, self.devices = n, seed, devices
        #: Stamps to a step.
        self.step_size = min(effective_batch, n)
        #: Passes of a device to a step.
        self.accumulation = -(-self.step_size // (batch_size * devices))
        #: Steps to an epoch.
        self.n_steps = n // self.step_size
        if self.step_size < self.accumulation * devices:
            raise ConfigError(f'a step of {self.step_size} stamps cannot be shared by {devices} '
                              'devices; use fewer')

    def batches(self, epoch, *, rank=0):
        """
        Return the batches of an epoch on a device.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        rank : int, optional
            Number of the device.

        Returns
        -------
        batches : list of (m,) `~numpy.ndarray` of int
            Rows; ``accumulation`` of them to a step, of sizes that differ by one at most.
        """
        rows = np.random.default_rng([self.seed, epoch, _STREAM]).permutation(self.n)
        found = []
        for step in range(self.n_steps):
            part = rows[step * self.step_size:(step + 1) * self.step_size]
            found += np.array_split(part, self.accumulation * self.devices)[rank::self.devices]
        return found


class ValidationOrder:
    """
    The batches of a validation, the same each time.

    Parameters
    ----------
    n : int
        Stamps.
    batch_size : int
        Stamps at a time on a device.
    devices : int, optional
        Devices that share them; each gets equally many, some stamps twice.
    """

    def __init__(self, n, *, batch_size, devices=1):
        self.n, self.batch_size, self.devices = n, batch_size, devices

    def batches(self, epoch, *, rank=0):
        """Return the batches of a device, whatever the epoch."""
        each = -(-self.n // self.devices)
        rows = np.arange(rank * each, (rank + 1) * each) % self.n
        return [rows[i:i + self.batch_size] for i in range(0, each, self.batch_size)]
