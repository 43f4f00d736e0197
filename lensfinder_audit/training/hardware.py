# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What a training runs on: device, number format, and how many processes read ahead."""
import os
import platform

import torch

from lensfinder_audit.exceptions import ConfigError

__all__ = ['choose_device', 'choose_precision', 'choose_workers']

_MOST_WORKERS = 8


def choose_device(device=None):
    """
    Choose where to train.

    Parameters
    ----------
    device : str, optional
        ``cpu``, ``cuda`` or ``mps``; the fastest there is without one.

    Returns
    -------
    accelerator : str
        Of these.

    Raises
    ------
    ConfigError
        If it is not there.
    """
    there = {'cuda': torch.cuda.is_available(), 'mps': torch.backends.mps.is_available(),
             'cpu': True}
    if device is None:
        return next(name for name, found in there.items() if found)
    name = str(device)
    if name.startswith('cuda:'):
        raise ConfigError(f'device is {device!r}; give cuda, and choose the card by the '
                          'environment variable CUDA_VISIBLE_DEVICES')
    if not there.get(name):
        raise ConfigError(f'there is no device {device!r} here; there are '
                          f'{[name for name, found in there.items() if found]}')
    return name


def choose_precision(precision, device):
    """
    Choose the number format.

    On GPUs with bfloat16 it is mixed in, on other GPUs float16 is. On a CPU everything stays
    float32 unless it has instructions for bfloat16, without which it is emulated and slow.

    Parameters
    ----------
    precision : str
        ``auto``, or what is asked for.
    device : str
        From `choose_device`.

    Returns
    -------
    precision : str
        ``32-true``, ``16-mixed`` or ``bf16-mixed``.

    Raises
    ------
    ConfigError
        If the device cannot do it, or only slowly.
    """
    bf16 = {'cuda': device == 'cuda' and torch.cuda.is_bf16_supported(including_emulation=False),
            'cpu': _cpu_has_bf16()}.get(device, False)
    if precision == 'auto':
        if bf16:
            return 'bf16-mixed'
        return '16-mixed' if device == 'cuda' else '32-true'
    if precision == 'bf16-mixed' and not bf16:
        raise ConfigError(f'precision is bf16-mixed, and the {device} has no instructions for '
                          'bfloat16, so that it would be several times slower; use auto')
    if precision == '16-mixed' and device == 'cpu':
        raise ConfigError('precision is 16-mixed, which is for GPUs; use auto')
    return precision


def choose_workers(workers, device):
    """
    Choose how many processes read ahead.

    Parameters
    ----------
    workers : int or None
        What is asked for.
    device : str
        From `choose_device`.

    Returns
    -------
    workers : int
        On a CPU none: the network uses all cores, and reading is a small part of its time.
        For a GPU one per core, 8 at most.
    """
    if workers is not None:
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return 0 if device == 'cpu' else min(cores or 1, _MOST_WORKERS)


def _cpu_has_bf16():
    """Tell whether the CPU has the instructions; torch also emulates them."""
    if platform.machine().lower() in ('arm64', 'aarch64'):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    test = getattr(torch.cpu, '_is_avx512_bf16_supported', None)
    return test is not None and bool(test())
