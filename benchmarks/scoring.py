#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time scoring with ONNX Runtime beside torch, scoring from a store, and weigh its memory.

The network that ships with the package is built again in torch with other weights,
exported, and both score the same stamps with the same number of threads; then the file
that ships does. The second table scores cutouts of a store with networks of the presets, and
after every fourth batch lets the bare network take one that is normalised and in memory, first
in torch and then in ONNX Runtime. The third scores more and more cutouts from a store, each in a
process of its own, and tells the greatest memory::

    python benchmarks/scoring.py
    python benchmarks/scoring.py --stamps 512 --repeats 5 --objects 500 2000 8000
    python benchmarks/scoring.py --networks resnet18 efficientnetv2_s --scored 20000
    python benchmarks/scoring.py --sweep --networks resnet18 shielded_resnet

``--sweep`` times the bare networks at several batch sizes and numbers of threads instead.
Needs the extra torch, onnx and onnxscript for the first two tables; without them only the
third is printed, and the exit code is 3.
"""
import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

HERE = Path(__file__).parent
BATCH = 64
RATE = 0.9  # stamps per second from the store over those of the bare network
FLATNESS = 1.1  # greatest memory of the largest run over that of the second largest


def times_of(score, images, repeats, batch=BATCH):
    """Return the least wall and CPU time per stamp, in milliseconds, and the scores."""
    best = []
    for _ in range(repeats):
        wall, cpu = perf_counter(), process_time()
        found = np.concatenate([score(images[i:i + batch]) for i in range(0, len(images), batch)])
        best.append((perf_counter() - wall, process_time() - cpu))
    return 1e3 * np.min(best, axis=0) / len(images), found


def onnx_scorer(path, threads):
    """Return a function that scores a batch with ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


def against_torch(n, repeats, threads):
    """Print the first table; return whether ONNX Runtime is at least as fast, with equal scores."""
    sys.path.insert(0, str(HERE.parent / 'training'))
    import torch
    from train_demo_network import make_network

    from lensfinder_audit.classifiers.demo_network import DemoNetwork

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = make_network().eval()
    images = np.random.default_rng(0).normal(0, 2, (n, 3, 101, 101)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore', DeprecationWarning)
        path = Path(folder) / 'network.onnx'
        torch.onnx.export(network, (torch.from_numpy(images[:4]),), str(path), dynamo=False,
                          input_names=['image'], dynamic_axes={'image': {0: 'n'}})
        with torch.inference_mode():
            ways = {'torch eager': lambda batch: network(torch.from_numpy(batch))[0].numpy(),
                    'ONNX Runtime': onnx_scorer(path, threads),
                    'ONNX Runtime, the file that ships': onnx_scorer(DemoNetwork().path, threads)}
            found = {name: times_of(way, images, repeats) for name, way in ways.items()}
    print(f'Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}, '
          f'{threads} threads, {n} stamps in batches of {BATCH}, best of {repeats}\n')
    print(f'{"":36}{"ms per stamp":>13}{"CPU ms":>10}{"times faster":>14}')
    first = found['torch eager'][0]
    for name, ((wall, cpu), _) in found.items():
        print(f'{name:36}{wall:13.2f}{cpu:10.2f}{first[0] / wall:14.2f}')
    difference = np.abs(found['ONNX Runtime'][1] - found['torch eager'][1]).max()
    print(f'\nlargest difference of the scores: {difference:.1e}')
    return found['ONNX Runtime'][0][0] <= first[0] and difference < 1e-4


class Turns:
    """Times the batches of a scoring, and lets others take one after some of them."""

    def __init__(self, others, every):
        self.others, self.every, self.last = others, every, None
        self.times = {name: [] for name in ('from the store', *others)}

    def __call__(self, n):
        """Take the time of the batch that was scored."""
        now = self.now()
        if self.last is not None:  # the first one holds what is done once
            self.times['from the store'].append(now - self.last)
        if len(self.times['from the store']) % self.every == 1 % self.every:
            for name, other in self.others.items():
                start = self.now()
                other(n)
                self.times[name].append(self.now() - start)
        self.last = self.now()

    @staticmethod
    def now():
        """Return wall and CPU time."""
        return np.array([perf_counter(), process_time()])


def make_finder(name, folder):
    """Write a network with weights as they come as a checkpoint and as ONNX; return both."""
    import torch

    from lensfinder_audit.classifiers.networks import make_network
    from lensfinder_audit.classifiers.onnx_export import export_onnx
    from lensfinder_audit.classifiers.torch_checkpoint import TorchCheckpoint, save_checkpoint
    from lensfinder_audit.normalizers.raw_robust import RawRobust
    from lensfinder_audit.testing import example_flux

    torch.manual_seed(0)
    flux = example_flux(32)
    flux[16:] = np.random.default_rng(0).normal(0, 0.05, flux[16:].shape)
    network = make_network(name).train()
    for layer in network.modules():  # as training leaves it: activations stay in their range
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        network(torch.from_numpy(RawRobust()(flux)))
    card = {'network': name, 'bands': ['g', 'r', 'z'], 'stamp_shape': [101, 101],
            'pixel_scale': 0.262, 'normalizer': 'raw_robust', 'score_kind': 'logit',
            'limitations': ['it was never trained'], 'class_balance': {},
            'training_manifest_sha256': 'none', 'seeds': {'weights': 0}}
    path = save_checkpoint(network.eval(), folder / f'{name}.safetensors', card)
    finder = TorchCheckpoint(path, batch_size=BATCH)
    # without training the deep ones amplify rounding; here only the speed counts
    export_onnx(finder, folder / f'{name}.onnx', tolerance=float('inf'))
    return finder, folder / f'{name}.onnx'


def rate(name, folder, n, threads, every):
    """Print two rows of the second table; return the lesser ratio."""
    import torch

    from lensfinder_audit.classifiers.onnx import OnnxClassifier
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.manifest import read_manifest
    from lensfinder_audit.scoring import score_manifest

    torch.set_num_threads(threads)
    finder, exported = make_finder(name, folder)
    images = np.random.default_rng(0).normal(0, 2, (BATCH, 3, 101, 101)).astype(np.float32)
    manifest = read_manifest(folder / 'manifest.parquet')[:n]
    store = CutoutStore(folder / 'cutouts')
    runtime, found = onnx_scorer(exported, threads), {}
    for way, scorer, bare in (('torch eager', finder, finder.predict),
                              ('ONNX Runtime', OnnxClassifier(exported, threads=threads), runtime)):
        bare(images)  # warm
        turns = Turns({'bare': lambda m, bare=bare: bare(images[:m])}, every)
        score_manifest(scorer, manifest, store, batch_size=BATCH, progress=turns)
        # a batch of the manifest that is not full is left out
        whole = n // BATCH - 1
        found[way] = {key: np.median(times[:whole if key != 'bare' else -(-whole // every)],
                                     axis=0) / BATCH for key, times in turns.times.items()}
    for way, times in found.items():
        ours, bare = times['from the store'], times['bare']
        print(f'{name:18}{way:14}{1e3 * ours[0]:10.2f}{1e3 * bare[0]:10.2f}'
              f'{bare[0] / ours[0]:8.2f}{bare[1] / ours[1]:9.2f}'
              f'{found["torch eager"]["bare"][1] / bare[1]:14.2f}', flush=True)
    return min(times['bare'][1] / times['from the store'][1] for times in found.values())


def rates(names, n, threads, every):
    """Print the second table; return whether every ratio is at the bound."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        make_store(Path(folder), n)
        print(f'\n{n:,} cutouts from a store, batches of {BATCH}, {threads} threads, medians\n'
              f'{"":32}{"ms":>10}{"bare ms":>10}{"ratio":>8}{"by CPU":>9}{"against torch":>14}')
        return min(rate(name, Path(folder), n, threads, every) for name in names) >= RATE


def sweep(names, sizes, counts, repeats):
    """Print wall and CPU time per stamp by network, runtime, number of threads and batch size."""
    import torch

    images = np.random.default_rng(0).normal(0, 2, (max(sizes), 3, 101, 101)).astype(np.float32)
    print('wall (CPU) ms per stamp, the least of '
          f'{repeats}\n{"":32}{"threads":>8}' + ''.join(f'{f"batch {n}":>18}' for n in sizes))
    for name in names:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter('ignore')
            finder, exported = make_finder(name, Path(folder))
            for way in ('torch eager', 'ONNX Runtime'):
                for threads in counts:
                    torch.set_num_threads(threads)
                    score = (finder.predict if way == 'torch eager'
                             else onnx_scorer(exported, threads))
                    print(f'{name:18}{way:14}{threads:8}', end='', flush=True)
                    for size in sizes:
                        score(images[:size])  # warm
                        wall, cpu = times_of(score, images[:size], repeats, size)[0]
                        print(f'{wall:10.2f} ({cpu:5.1f})', end='', flush=True)
                    print()


def memory_of(n, folder):
    """Score n cutouts of the store in a process of its own; return the greatest memory in MB."""
    done = subprocess.run([sys.executable, __file__, '--child', str(n), str(folder)],
                          capture_output=True, text=True, check=True)
    return float(done.stdout)


def child(n, folder):
    """Score the first n cutouts and print the greatest resident memory."""
    from lensfinder_audit.classifiers.demo_network import DemoNetwork
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.manifest import read_manifest
    from lensfinder_audit.scoring import score_manifest

    manifest = read_manifest(Path(folder) / 'manifest.parquet')[:n]
    score_manifest(DemoNetwork(), manifest, CutoutStore(Path(folder) / 'cutouts'))
    print(greatest_memory())


def greatest_memory():
    """Return the greatest resident memory of this program in MB, without that of its parent."""
    with suppress(OSError):  # elsewhere than on Linux
        for line in Path('/proc/self/status').read_text().splitlines():
            if line.startswith('VmHWM'):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_store(folder, n):
    """Write a store of noise."""
    from astropy.table import QTable

    from lensfinder_audit.cutouts import CutoutWriter
    from lensfinder_audit.manifest import write_manifest
    from lensfinder_audit.survey import PIXEL_SCALE

    keys = np.array([f'object-{i}' for i in range(n)])
    rng = np.random.default_rng(0)
    with CutoutWriter(folder / 'cutouts', bands='grz', shape=(101, 101),
                      pixel_scale=PIXEL_SCALE) as writer:
        for start in range(0, n, 500):
            part = keys[start:start + 500]
            writer.add(part, rng.normal(0, 0.01, (len(part), 3, 101, 101)).astype(np.float32))
    write_manifest(QTable({'object_id': keys}), folder / 'manifest.parquet')


def memory(counts):
    """Print the second table; return whether memory is flat."""
    with tempfile.TemporaryDirectory() as folder:
        make_store(Path(folder), max(counts))
        found = [memory_of(n, folder) for n in counts]
    print(f'\n{"cutouts scored":>16}{"greatest memory":>18}')
    for n, megabytes in zip(counts, found, strict=True):
        print(f'{n:16,}{megabytes:15.0f} MB')
    return len(found) < 2 or found[-1] < FLATNESS * found[-2]


def main():
    """Print the tables; fail where a bound is not met."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--stamps', type=int, default=512)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--objects', type=int, nargs='+', default=[500, 2000, 8000])
    parser.add_argument('--networks', nargs='*', default=['shielded_resnet', 'resnet18',
                                                          'efficientnetv2_s'])
    parser.add_argument('--scored', type=int, default=20000, help='cutouts of the second table')
    parser.add_argument('--every', type=int, default=4,
                        help='the bare network takes a batch after so many of the second table')
    parser.add_argument('--sweep', action='store_true')
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 16, 32, 64, 128],
                        help='batch sizes of the sweep')
    parser.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(int(given.child[0]), given.child[1])
        return 0
    if given.sweep:
        sweep(given.networks, given.batches, sorted({1, given.threads}), given.repeats)
        return 0
    try:
        fast = against_torch(given.stamps, given.repeats, given.threads)
        near = not given.networks or rates(
            given.networks, given.scored, given.threads, given.every)
    except ModuleNotFoundError as error:
        print(f'{error}: the comparison with torch is left out')
        fast = near = None
    flat = memory(given.objects)
    print(f'\nbounds: at least as fast as torch eager: {"not measured" if fast is None else fast}; '
          f'from the store at least {RATE} of the bare network: '
          f'{"not measured" if near is None else near}; memory flat: {flat}')
    return 3 if fast is None else int(not (fast and near and flat))


if __name__ == '__main__':
    sys.exit(main())
