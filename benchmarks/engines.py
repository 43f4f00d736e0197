#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Draw the same sample and score the same cutouts on every engine.

Local processes, a Dask cluster and Spark, of two workers each, pool and sample simulated
sweeps and score made-up cutouts with the network that ships; the peer is one process.
Rows, weights and scores must be the same. What an engine takes to start, and for a
partition that does nothing, is told apart. Sweeps are cut into other pieces on each
engine, so that the partitioning is shown not to matter as well::

    python benchmarks/engines.py
    python benchmarks/engines.py --files 4 --rows 20000 --cutouts 512 --ways local dask

Fails where a row, a weight or a score differs. What is not installed is left out, and
the exit code is then 3.
"""
import argparse
import os
import platform
import sys
import tempfile
from operator import add
from pathlib import Path
from time import perf_counter

import numpy as np

from lensfinder_audit.exceptions import MissingDependencyError

WORKERS = 2
WAYS = {'alone': ('local, 1 process', 'local', 1), 'local': ('local', 'local', WORKERS),
        'dask': ('Dask', 'dask', WORKERS), 'spark': ('Spark local[2]', 'spark', WORKERS)}


def write_inputs(folder, n_files, n_rows, n_cutouts):
    """Write sweeps, and a manifest with its cutout store."""
    from astropy import units as u

    from lensfinder_audit.cutouts import CutoutWriter
    from lensfinder_audit.manifest import write_manifest
    from lensfinder_audit.sources.sweeps import write_mock_sweeps
    from lensfinder_audit.testing import example_flux, example_hosts

    write_mock_sweeps(folder / 'sweeps', n_files=n_files, n_rows=n_rows, first=300,
                      suffix='.parquet')
    table = example_hosts(n_cutouts)['object_id', 'ra', 'dec']
    with CutoutWriter(folder / 'cutouts', bands='grz', shape=(101, 101),
                      pixel_scale=0.262 * u.arcsec) as writer:
        for start in range(0, n_cutouts, 256):
            keys = table['object_id'][start:start + 256]
            writer.add(keys, example_flux(len(keys), seed=start))
    write_manifest(table, folder / 'manifest.parquet')


def nothing(partition):
    """What a partition costs that does nothing."""
    return 1


def draw(engine, folder, out, piece_rows, per_stratum):
    """Pool the sweeps and sample the pool."""
    from lensfinder_audit.negatives import make_pool, plan_pool
    from lensfinder_audit.sample_rules import load_rules
    from lensfinder_audit.sampling import draw_sample

    pool = make_pool(plan_pool([folder / 'sweeps'], rows=piece_rows), out, load_rules('paper4'),
                     engine=engine)
    return draw_sample(pool, seed=42, engine=engine, per_stratum=per_stratum).negatives


def score(engine, folder):
    """Score the cutouts, with one thread in each worker."""
    from lensfinder_audit.classifiers.demo_network import DemoNetwork
    from lensfinder_audit.classifiers.onnx import OnnxClassifier
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.manifest import read_manifest
    from lensfinder_audit.scoring import score_manifest

    finder = OnnxClassifier(DemoNetwork().path, threads=1)
    return score_manifest(finder, read_manifest(folder / 'manifest.parquet'),
                          CutoutStore(folder / 'cutouts'), engine=engine)


def measure(name, engine, folder, options, piece_rows):
    """Return seconds of each step and what came out."""
    seconds, found = {}, {}

    def step(what, function, *arguments):
        start = perf_counter()
        found[what] = function(*arguments)
        seconds[what] = perf_counter() - start

    with engine:
        step('start', engine.map_reduce, nothing, range(WORKERS), add)
        step('nothing', engine.map_reduce, nothing, range(options.partitions), add)
        step('sample', draw, engine, folder, folder / f'pool-{name}', piece_rows,
             options.per_stratum)
        step('score', score, engine, folder)
    return seconds, found


def differences(found, first):
    """Name what is not the same as that of the peer."""
    bad = []
    for what in ('sample', 'score'):
        one, two = found[what], first[what]
        same = one.colnames == two.colnames and len(one) == len(two) and all(
            np.array_equal(np.asarray(one[name]), np.asarray(two[name])) for name in one.colnames)
        bad += [] if same else [what]
    return bad


def engines(ways):
    """Yield the engines that are installed, and the reason for those that are not."""
    from lensfinder_audit.plugins import load_plugin

    for way in ways:
        title, plugin, workers = WAYS[way]
        try:
            yield way, title, load_plugin('engines', plugin)(workers=workers)
        except MissingDependencyError as error:
            print(f'{title} is left out: {error}')


def main():
    """Print one table; return 1 where results differ, 3 where an engine was left out."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--files', type=int, default=8, help='simulated sweeps')
    parser.add_argument('--rows', type=int, default=50_000, help='rows of each')
    parser.add_argument('--per-stratum', type=int, default=500)
    parser.add_argument('--cutouts', type=int, default=2048)
    parser.add_argument('--partitions', type=int, default=400, help='that do nothing')
    parser.add_argument('--ways', nargs='+', choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    from lensfinder_audit import scoring

    scoring.PART_SIZE = max(options.cutouts // 8, 64)  # so that a small run has parts too
    ways = list(dict.fromkeys(['alone', *options.ways]))
    with tempfile.TemporaryDirectory() as name:
        write_inputs(Path(name), options.files, options.rows, options.cutouts)
        found = {title: measure(way, engine, Path(name), options, options.rows // (number + 1) + 1)
                 for number, (way, title, engine) in enumerate(engines(ways))}
    print(f'Python {platform.python_version()}, {platform.machine()}, '
          f'{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; wall seconds; '
          f'{options.files} x {options.rows:,} rows, {options.cutouts:,} cutouts\n')
    different = table(found, options)
    return 1 if different else 3 if len(found) < len(ways) else 0


def table(found, options):
    """Print what the engines took; return whether any result differs."""
    print(f'{"":18}{"start s":>9}{"ms per partition":>18}{"sample s":>10}{"x peer":>8}'
          f'{"score s":>9}{"x peer":>8}  results')
    peer, results = next(iter(found.values()))
    different = False
    for title, (seconds, mine) in found.items():
        bad = differences(mine, results)
        different |= bool(bad)
        print(f'{title:18}{seconds["start"]:9.1f}'
              f'{1e3 * seconds["nothing"] / options.partitions:18.2f}{seconds["sample"]:10.1f}'
              f'{seconds["sample"] / peer["sample"]:8.2f}{seconds["score"]:9.1f}'
              f'{seconds["score"] / peer["score"]:8.2f}  '
              f'{"other " + ", ".join(bad) if bad else "the same"}')
    n, m = (len(results[what]) for what in ('sample', 'score'))
    print(f'\n{n:,} sampled rows with their weights and {m:,} scores '
          f'{"differ" if different else "are the same"} on {len(found)} engines')
    return different


if __name__ == '__main__':
    sys.exit(main())
