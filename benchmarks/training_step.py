#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time a training from a cutout store beside a bare loop in torch over data in memory.

Both take the same steps: the same network, layout, batches and optimizer. The bare
loop has its images normalised and in memory, and neither flips nor turns them. On a CPU the
two take turns, step by step, so that load falls on both; on a GPU one runs after the other::

    python benchmarks/training_step.py
    python benchmarks/training_step.py --networks resnet18 --device cuda --steps 100 --peak 990
    python benchmarks/training_step.py --sweep --networks shielded_resnet

``--sweep`` times the bare loop at several batch sizes and numbers of threads. Needs the extra
torch; without it the exit code is 3.
"""
import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

BOUND = 0.9  # stamps per second over those of the bare loop
HELD = 8  # stamps of the validation split
SIZE = 101


def make_sample(folder, n):
    """Write a manifest and a store of noise."""
    from astropy.table import QTable

    from lensfinder_audit.cutouts import CutoutWriter
    from lensfinder_audit.manifest import write_manifest
    from lensfinder_audit.survey import PIXEL_SCALE

    keys, rng = np.array([f'object-{i}' for i in range(n)]), np.random.default_rng(0)
    with CutoutWriter(folder / 'cutouts', bands='grz', shape=(SIZE, SIZE),
                      pixel_scale=PIXEL_SCALE) as writer:
        for start in range(0, n, 500):
            part = keys[start:start + 500]
            writer.add(part, rng.normal(0, 0.01, (len(part), 3, SIZE, SIZE)).astype(np.float32))
    write_manifest(QTable({'object_id': keys, 'label': np.arange(n) % 4 == 0, 'split': np.where(
        np.arange(n) < n - HELD, 'train', 'val')}), folder / 'manifest.parquet')


class BareLoop:
    """Steps of a network over images in memory."""

    def __init__(self, network, images, *, step, batch, device, precision):
        import torch

        self.torch, self.device, self.step, self.batch = torch, device, step, batch
        layout = {'device': device, 'memory_format': torch.channels_last}
        self.network = network.to(**layout).train()
        self.images = torch.from_numpy(images).to(**layout)
        self.label = (torch.arange(len(images), device=device) % 4 == 0).float()
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=5e-4, weight_decay=1e-4)
        self.loss = torch.nn.BCEWithLogitsLoss(reduction='sum')
        kind = {'bf16-mixed': torch.bfloat16, '16-mixed': torch.float16}.get(precision)
        self.autocast = torch.autocast(device, kind, enabled=kind is not None)
        self.scaler = torch.amp.GradScaler(device, enabled=precision == '16-mixed')
        self.at = 0

    def __call__(self):
        """Take a step."""
        self.optimizer.zero_grad()
        for _ in range(0, self.step, self.batch):
            rows = self.torch.arange(self.at, self.at + self.batch) % len(self.images)
            self.at += self.batch
            with self.autocast:
                logits = self.network(self.images[rows.to(self.device)])[:, 0]
            loss = self.loss(logits.float(), self.label[rows.to(self.device)]) / self.step
            self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.device == 'cuda':
            self.torch.cuda.synchronize()


class Turns:
    """Times the steps of a training, and lets the bare loop take one after each."""

    def __init__(self, bare):
        self.bare, self.ours, self.other, self._last = bare, [], [], None

    def __call__(self, found):
        now = self._now()
        if self._last is not None and not found['done']:
            self.ours.append(now - self._last)
            if self.bare:
                start = self._now()
                self.bare()
                self.other.append(self._now() - start)
        self._last = None if found['done'] else self._now()

    @staticmethod
    def _now():
        return np.array([perf_counter(), process_time()])


def compare(name, folder, options):
    """Print a row of the table; return the ratio of the wall times."""
    from lensfinder_audit.normalizers.raw_robust import RawRobust
    from lensfinder_audit.testing import example_flux
    from lensfinder_audit.training import load_settings, train_finder
    from lensfinder_audit.training.hardware import choose_device, choose_precision
    from lensfinder_audit.training.module import first_network

    settings = {'network': name, 'epochs': 1, 'effective_batch': options.step, 'halve_at': [],
                'batch_size': options.batch, 'threads': options.threads}
    if options.workers is not None:
        settings['workers'] = options.workers
    device = choose_device(options.device)
    precision = choose_precision('auto', device)
    told = load_settings('resnet18', settings)
    images = RawRobust()(example_flux(options.batch))
    bare = BareLoop(first_network(told, 3, seed=0), images, step=options.step,
                    batch=options.batch, device=device, precision=precision)
    bare()  # warm
    turns = Turns(bare if device == 'cpu' else None)
    with tempfile.TemporaryDirectory(dir=folder) as output:
        result = train_finder(folder / 'manifest.parquet', folder / 'cutouts', Path(output) / 'out',
                              preset='resnet18', settings=settings, device=device, progress=turns)
    while len(turns.other) < len(turns.ours):  # on a GPU
        start = turns._now()
        bare()
        turns.other.append(turns._now() - start)
    ours, other = (np.median(times, axis=0) / options.step for times in (turns.ours, turns.other))
    ratio = other / ours
    print(f'{name:18}{1 / ours[0]:13.1f}{1 / other[0]:12.1f}{ratio[0]:8.2f}{ratio[1]:9.2f}'
          f'{100 * result.waiting:10.2f} %' + share_of_peak(bare, ours[0], options), flush=True)
    return ratio[1 if device == 'cpu' else 0]


def share_of_peak(bare, seconds, options):
    """Return what part of the peak of the device is used, where that is given."""
    if not options.peak:
        return ''
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        bare()
    share = counter.get_total_flops() / options.step / seconds / (options.peak * 1e12)
    return f'{100 * share:8.2f} %'


def sweep(name, options):
    """Print stamps per second of the bare loop by batch size and threads."""
    import torch

    from lensfinder_audit.normalizers.raw_robust import RawRobust
    from lensfinder_audit.testing import example_flux
    from lensfinder_audit.training import load_settings
    from lensfinder_audit.training.module import first_network

    sizes, images = options.batches, RawRobust()(example_flux(max(options.batches)))
    print(f'\n{name}, bare loop, wall (CPU) ms per stamp\n{"threads":8}'
          + ''.join(f'{f"batch {size}":>18}' for size in sizes))
    for threads in sorted({1, options.threads}):
        torch.set_num_threads(threads)
        print(f'{threads:<8}', end='', flush=True)
        for size in sizes:
            bare = BareLoop(first_network(load_settings(options.preset_of[name]), 3, seed=0),
                            images[:size], step=size, batch=size, device='cpu',
                            precision='32-true')
            bare()
            times = []
            for _ in range(max(2, options.stamps // size)):
                start = Turns._now()
                bare()
                times.append((Turns._now() - start) / size * 1e3)
            wall, cpu = np.min(times, axis=0)
            print(f'{wall:10.2f} ({cpu:5.1f})', end='', flush=True)
        print()


def main():
    """Print the table; fail where the bound is not met."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--networks', nargs='+', default=['shielded_resnet', 'resnet18'])
    parser.add_argument('--steps', type=int, default=8)
    parser.add_argument('--step', type=int, default=128, help='stamps to a step')
    parser.add_argument('--batch', type=int, default=64, help='stamps at a time')
    parser.add_argument('--device', help='cpu or cuda; the fastest by default')
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--workers', type=int)
    parser.add_argument('--peak', type=float, help='TFLOP/s of the device')
    parser.add_argument('--sweep', action='store_true')
    parser.add_argument('--batches', type=int, nargs='+', default=[16, 32, 64, 128, 256],
                        help='batch sizes of the sweep')
    parser.add_argument('--stamps', type=int, default=512, help='stamps of each cell of the sweep')
    options = parser.parse_args()
    options.preset_of = {'shielded_resnet': 'paper4-shielded-resnet', 'resnet18': 'resnet18',
                         'efficientnetv2_s': 'paper4-efficientnetv2-s'}
    try:
        import lightning
        import torch
    except ModuleNotFoundError as error:
        print(f'{error}: nothing can be measured')
        return 3
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    print(f'Python {platform.python_version()}, torch {torch.__version__}, lightning '
          f'{lightning.__version__}, {card}, {options.threads} threads')
    if options.sweep:
        for name in options.networks:
            sweep(name, options)
        return 0
    print(f'{options.steps} steps of {options.step} stamps of 3 x {SIZE} x {SIZE}, {options.batch} '
          f'at a time, medians\n\n{"":18}{"stamps/s":>13}{"bare loop":>12}{"ratio":>8}'
          f'{"by CPU":>9}{"waiting":>12}' + f'{"of peak":>10}' * bool(options.peak))
    with tempfile.TemporaryDirectory() as folder:
        make_sample(Path(folder), (options.steps + 1) * options.step + HELD)
        found = [compare(name, Path(folder), options) for name in options.networks]
    print(f'\nbound: at least {BOUND} of the bare loop: {min(found) >= BOUND}')
    return int(min(found) < BOUND)


if __name__ == '__main__':
    sys.exit(main())
