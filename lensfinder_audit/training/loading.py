# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""From the cutout store to batches of tensors, by workers that read ahead."""
from time import perf_counter

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lensfinder_audit.exceptions import ConfigError, LensfinderAuditError, TrainingError
from lensfinder_audit.training.order import object_hashes, symmetries, turned

__all__ = ['Stamps', 'Loader']

_READ_AHEAD = 4  # batches of each worker


class Stamps(Dataset):
    """
    Normalised stamps of a store, batch by batch.

    Parameters
    ----------
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Where the cutouts are.
    rows : `~lensfinder_audit.training.rows.TrainingRows`
        Which of them, with labels and weights.
    normalizer : `~lensfinder_audit.interfaces.Normalizer`
        The normaliser.
    bands : sequence of str
        In the order of the input.
    shape : tuple of int
        Height and width of the input; larger cutouts are cut about their center.
    seed : int, optional
        Of the training.
    flips, quarter_turns : bool, optional
        Whether stamps are mirrored and turned.

    Raises
    ------
    ConfigError
        If the store lacks a band or its cutouts do not fit.
    """

    def __init__(self, store, rows, normalizer, *, bands, shape, seed=0, flips=False,
                 quarter_turns=False):
        self.store, self.rows, self.normalizer = store, rows, normalizer
        self.seed, self.flips, self.quarter_turns = seed, flips, quarter_turns
        missing = [band for band in bands if band not in store.bands]
        if missing:
            raise ConfigError(f'{store.path}: has bands {store.bands}, the training asks for '
                              f'{missing[0]!r}')
        self._bands = [store.bands.index(band) for band in bands]
        margins = np.subtract(store.shape, shape)
        if (margins < 0).any() or (margins % 2).any():
            raise ConfigError(f'{store.path}: its cutouts of {store.shape[0]} x {store.shape[1]} '
                              f'pixels cannot be cut to {shape[0]} x {shape[1]} about their '
                              'center; change stamp_size')
        if quarter_turns and shape[0] != shape[1]:
            raise ConfigError(f'cutouts of {shape[0]} x {shape[1]} pixels cannot be turned by a '
                              'quarter; set quarter_turns=false')
        (y, x), (height, width) = margins // 2, shape
        self._cut = np.s_[:, :, y:y + height, x:x + width]
        self._hashes = object_hashes(rows.keys) if flips or quarter_turns else None

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, item):
        """Return the tensors of a batch, which is given as epoch and rows."""
        epoch, chosen = item
        images = self.images(chosen)
        if self._hashes is not None:
            images = turned(images, symmetries(self._hashes[chosen], seed=self.seed, epoch=epoch,
                                               flips=self.flips,
                                               quarter_turns=self.quarter_turns))
        return {'images': torch.from_numpy(images), 'rows': torch.from_numpy(chosen),
                'label': torch.from_numpy(self.rows.label[chosen].astype(np.float32)),
                'weight': torch.from_numpy(self.rows.weight[chosen].astype(np.float32))}

    def images(self, chosen):
        """
        Read and normalise stamps.

        Parameters
        ----------
        chosen : (m,) `~numpy.ndarray` of int
            Rows.

        Returns
        -------
        images : (m, band, y, x) `~numpy.ndarray`
            float32, as the finder makes them when it scores.
        """
        flux = self.store.get(self.rows.cutouts[chosen])
        return self.normalizer(flux[:, self._bands][self._cut])


class _Order:
    """What a `~torch.utils.data.DataLoader` draws batches from."""

    def __init__(self, order):
        self.order, self.epoch = order, 0

    def __iter__(self):
        rank = torch.distributed.get_rank() if _distributed() else 0
        return iter([(self.epoch, rows) for rows in self.order.batches(self.epoch, rank=rank)])

    def __len__(self):
        return len(self.order.batches(0))


class Loader:
    """
    The batches of each epoch, with the time that was spent waiting for them.

    Parameters
    ----------
    stamps : `Stamps`
        Where they come from.
    order : `~lensfinder_audit.training.order.TrainingOrder`
        Or any other with ``batches(epoch, rank=)``.
    workers : int, optional
        Processes that read ahead; none reads in this one.
    pin : bool, optional
        Whether batches lie where a GPU fetches them fastest.
    """

    def __init__(self, stamps, order, *, workers=0, pin=False):
        self._order = _Order(order)
        more = {'multiprocessing_context': 'spawn', 'persistent_workers': True,
                'prefetch_factor': _READ_AHEAD} if workers else {}
        self._loader = DataLoader(stamps, sampler=self._order, batch_size=None,
                                  num_workers=workers, pin_memory=pin, **more)
        self._n = len(self._order)
        #: Seconds since the epoch began, and those of them that were spent waiting.
        self.elapsed, self.waited, self._start = 0.0, 0.0, 0.0

    def __len__(self):
        return self._n

    def warm_up(self):
        """Read one stamp, so that no compilation is taken for waiting."""
        self._loader.dataset.images(np.arange(1))

    def set_epoch(self, epoch):
        """Take the number of the epoch that begins."""
        self._order.epoch = epoch

    def __iter__(self):
        self._start, self.waited = perf_counter(), 0.0
        batches = iter(self._loader)
        while True:
            asked = perf_counter()
            try:
                batch = next(batches, None)
            except (LensfinderAuditError, RuntimeError) as error:
                raise _of_worker(error) from None
            self.waited += perf_counter() - asked
            if batch is None:
                return
            yield batch

    def stop_clock(self):
        """Take the time at the end of the last batch."""
        self.elapsed = perf_counter() - self._start


def _of_worker(error):
    """Bring an error of another process to its last line, without the trace of that."""
    text = str(error)
    if isinstance(error, LensfinderAuditError) and 'Original Traceback' in text:
        return type(error)(text.strip().splitlines()[-1].partition(': ')[2])
    if 'DataLoader worker' in text and 'exited unexpectedly' in text or 'killed by signal' in text:
        return TrainingError('a process that reads cutouts was killed, mostly for want of memory: '
                             'set workers to fewer, or batch_size smaller')
    return error


def _distributed():
    return torch.distributed.is_available() and torch.distributed.is_initialized()
