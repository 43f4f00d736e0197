#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time injection and recovery end to end beside the forward pass of the network alone.

The network has the layout of a ResNet-18 with three bands and one logit (11.2 million
parameters, random weights) and runs in ONNX Runtime on one thread. One run prints CPU
time per injection (draw, render, add with shot noise, normalise, score, record) over
that of the network on the same number of images, at 110,000 injections by what one more
costs and what it takes to begin; and how memory grows with the number of injections::

    python benchmarks/injection_run.py
    python benchmarks/injection_run.py --number 4000 --memory 1024 8192

With ``--whole`` it makes all of the 110,000 injections once, and times the network
between their batches, so that what else runs on the machine slows both alike::

    python benchmarks/injection_run.py --whole
"""
import argparse
import json
import multiprocessing
import platform
import resource
import sys
import tempfile
import warnings
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from astropy import units as u

BOUND, MEMORY_BOUND = 1.25, 3.0  # times the forward pass; GB
MANY, FEW = 110_000, 128  # injections that the bound is about, and of a short run
SCALE = 0.262
DECLARED = {'bands': ['g', 'r', 'z'], 'pixel_scale': SCALE, 'normalizer': 'raw_robust',
            'score_kind': 'logit'}
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels and first stride of each stage


class Graph:
    """Nodes and weights of a network; batch normalisation is folded into the convolutions."""

    def __init__(self):
        self.nodes, self.weights, self.rng = [], [], np.random.default_rng(0)

    def add(self, kind, inputs, **attributes):
        """Add a node; return the name of its output."""
        from onnx import helper

        name = f'{kind.lower()}-{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, *shape, scale=1.0):
        """Add random weights; return their name."""
        from onnx import numpy_helper

        values = scale * self.rng.normal(size=shape) * np.sqrt(2 / max(np.prod(shape[1:]), 1))
        name = f'weight-{len(self.weights)}'
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def conv(self, data, channels, size, stride, scale=1.0):
        """Convolve; return the name of the maps. ``channels`` are those in and out."""
        into, out = channels
        weights = [self.weight(out, into, size, size, scale=scale), self.weight(out, scale=0.01)]
        return self.add('Conv', [data, *weights], strides=[stride] * 2, pads=[size // 2] * 4)

    def block(self, data, into, out, stride):
        """A basic residual block."""
        maps = self.add('Relu', [self.conv(data, (into, out), 3, stride)])
        maps = self.conv(maps, (out, out), 3, 1, scale=0.3)
        if into != out or stride > 1:
            data = self.conv(data, (into, out), 1, stride)
        return self.add('Relu', [self.add('Add', [maps, data])])


def write_resnet18(path):
    """Write the network; return its number of parameters."""
    import onnx
    from onnx import TensorProto, helper

    graph = Graph()
    maps = graph.add('Relu', [graph.conv('images', (3, 64), 7, 2)])
    maps = graph.add('MaxPool', [maps], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    into = 64
    for out, stride in STAGES:
        maps = graph.block(graph.block(maps, into, out, stride), out, out, 1)
        into = out
    pooled = graph.add('Flatten', [graph.add('GlobalAveragePool', [maps])])
    logit = graph.add('MatMul', [pooled, graph.weight(512, 1)])
    model = helper.make_model(helper.make_graph(
        graph.nodes, 'resnet18',
        [helper.make_tensor_value_info('images', TensorProto.FLOAT, ['n', 3, 101, 101])],
        [helper.make_tensor_value_info(logit, TensorProto.FLOAT, ['n', 1])], graph.weights),
        opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    for name, value in DECLARED.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, json.dumps(value)
    onnx.save(model, path)
    return sum(int(np.prod(weight.dims)) for weight in graph.weights)


def write_hosts(folder, n):
    """Write hosts of the mock survey: a manifest and a cutout store."""
    from lensfinder_audit.cutouts import CutoutWriter
    from lensfinder_audit.manifest import write_manifest
    from lensfinder_audit.simulators.mock_galaxies import render_objects
    from lensfinder_audit.sources.mock_survey import MockSurvey

    table = MockSurvey(n_galaxies=n, seed=5)()
    with CutoutWriter(folder / 'cutouts', bands='grz', shape=(101, 101),
                      pixel_scale=SCALE * u.arcsec) as writer:
        for start in range(0, n, 256):
            rows = table[start:start + 256]
            writer.add(rows['object_id'], render_objects(rows))
    table.remove_columns(['seed'])
    write_manifest(table, folder / 'hosts.parquet')


def set_up(folder):
    """Return hosts, store, finder and simulator."""
    from lensfinder_audit.classifiers.onnx import OnnxClassifier
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.manifest import read_manifest
    from lensfinder_audit.simulators.sie_sersic import SieSersic

    warnings.simplefilter('ignore')
    finder = OnnxClassifier(folder / 'resnet18.onnx', threads=1, batch_size=64)
    return (read_manifest(folder / 'hosts.parquet'), CutoutStore(folder / 'cutouts'), finder,
            SieSersic())


def network_time(finder, store, n):
    """Return CPU and wall seconds of the network alone on n normalised images."""
    images = finder.normalizer(store.get(store.keys[:64]))
    finder.predict(images)
    start, wall = process_time(), perf_counter()
    for _ in range(0, n, 64):
        finder.predict(images)
    return process_time() - start, perf_counter() - wall


def run_time(inputs, folder, n, seed):
    """Return CPU and wall seconds of a whole run of n injections."""
    from lensfinder_audit.recovery import inject

    start, wall = process_time(), perf_counter()
    inject(*inputs, n=n, seed=seed, parts=folder / f'parts-{seed}')
    return process_time() - start, perf_counter() - wall


class BesideNetwork:
    """Called with the progress of a run: times the network alone now and then."""

    def __init__(self, finder, store, every=1024, images=64):
        self.images = finder.normalizer(store.get(store.keys[:images]))
        self.finder, self.every, self.next = finder, every, every
        self.seconds, self.n, self.done = 0.0, 0, 0

    def __call__(self, more):
        self.done += more
        if self.done < self.next:
            return
        self.next += self.every
        start = process_time()
        self.finder.predict(self.images)
        self.seconds += process_time() - start
        self.n += len(self.images)
        if self.n % 640 == 0:
            print(f'{self.done:8,} injections', flush=True)


def measure_whole(folder, n):
    """Print the CPU time of a whole run over that of the network; return both bounds' numbers."""
    from lensfinder_audit.recovery import inject

    inputs = set_up(folder)
    run_time(inputs, folder, FEW, 10 ** 9)  # compiles what is compiled
    beside = BesideNetwork(inputs[2], inputs[1])
    start, wall = process_time(), perf_counter()
    table = inject(*inputs, n=n, seed=0, parts=folder / 'parts-whole', progress=beside)
    run = (process_time() - start - beside.seconds) / n
    network = beside.seconds / beside.n
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** 2
    print(f'network alone {1e3 * network:8.2f} ms of CPU time per image, {beside.n:,} images\n'
          f'run of {len(table):,} {1e3 * run:8.2f} ms of CPU time per injection, '
          f'{run / network:.3f} times the network (bound {BOUND}); peak {peak:.2f} GB, '
          f'{perf_counter() - wall:.0f} s')
    return run / network, peak


def peak_memory(folder, n):
    """Return the peak memory in GB of a process that makes n injections."""
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(_peak, (folder, n))


def _peak(folder, n):
    run_time(set_up(folder), folder, n, 10 ** 6 + n)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** 2


def measure_time(folder, options):
    """Print CPU times and their ratio, the median of several rounds; return it for 110,000."""
    inputs, n = set_up(folder), options.number
    run_time(inputs, folder, FEW, 10 ** 9)  # compiles what is compiled
    rounds = []
    for seed in range(options.repeats):  # the three take turns, so load falls on all
        network = network_time(inputs[2], inputs[1], n)[0] / n
        few = run_time(inputs, folder, FEW, 10 ** 8 + seed)[0]
        run = run_time(inputs, folder, n, seed)[0]
        more = (run - few) / (n - FEW)
        rounds.append((network, run / n, more, few - FEW * more))
    network, run, more, start = np.median(rounds, axis=0)
    whole = [(item[2] + item[3] / MANY) / item[0] for item in rounds]
    ratio = float(np.median(whole))
    print(f'network alone {1e3 * network:8.2f} ms of CPU time per image\n'
          f'run of {n:,}  {1e3 * run:8.2f} ms of CPU time per injection, '
          f'{run / network:.2f} times the network\n'
          f'one more      {1e3 * more:8.2f} ms, after {start:.2f} s to begin\n'
          f'whole run of {MANY:,}, from these: {ratio:.2f} times the network (bound {BOUND}; '
          f'rounds {", ".join(f"{item:.2f}" for item in whole)})')
    return ratio


def measure_memory(folder, sizes):
    """Print peak memory by number of injections; return the largest, in GB."""
    peaks = {n: peak_memory(folder, n) for n in sizes}
    for n, peak in peaks.items():
        print(f'{n:8,} injections: peak {peak:.2f} GB')
    (first, low), (last, high) = min(peaks.items()), max(peaks.items())
    if last > first:
        print(f'growth {(high - low) * 1024 ** 2 / (last - first):.2f} kB per injection, the rows '
              f'of the table: {high + (110_000 - last) * (high - low) / (last - first):.2f} GB at '
              '110,000')
    return max(peaks.values())


def main():
    """Print times and memory; fail where a bound is not met."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--number', type=int, default=1024, help='injections of a round')
    parser.add_argument('--repeats', type=int, default=3, help='rounds')
    parser.add_argument('--hosts', type=int, default=512, help='distinct hosts')
    parser.add_argument('--memory', type=int, nargs='*', default=[1024, 4096],
                        help='numbers of injections whose peak memory is measured')
    parser.add_argument('--whole', action='store_true', help=f'make all {MANY:,} injections')
    options = parser.parse_args()
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, '
          f'network on one thread, {options.number} injections, {options.hosts} hosts')
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        print(f'ResNet-18 layout, {write_resnet18(folder / "resnet18.onnx"):,} parameters')
        write_hosts(folder, options.hosts)
        if options.whole:
            ratio, peak = measure_whole(folder, MANY)
            return int(ratio > BOUND or peak > MEMORY_BOUND)
        ratio = measure_time(folder, options)
        peak = measure_memory(folder, options.memory) if options.memory else 0
    return int(ratio > BOUND or peak > MEMORY_BOUND)


if __name__ == '__main__':
    sys.exit(main())
