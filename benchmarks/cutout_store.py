#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time random batches from the cutout store beside one compressed .npz per cutout.

One run writes the same cutouts in both ways and reads the same random batches, in
turns; the pages of both are in memory after the first. It fails where a pixel
differs::

    python benchmarks/cutout_store.py
    python benchmarks/cutout_store.py --cutouts 8000 --batches 200
"""
import argparse
import platform
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from astropy import units as u

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.testing import example_flux


def write_both(folder, n):
    """Write the store and the files; return the keys."""
    keys = np.array([f'object-{i:06d}' for i in range(n)])
    (folder / 'npz').mkdir()
    with CutoutWriter(folder / 'store', bands='grz', shape=(101, 101),
                      pixel_scale=0.262 * u.arcsec, shard_size=512) as writer:
        for start in range(0, n, 256):
            batch = keys[start:start + 256]
            flux = example_flux(len(batch), seed=start)
            writer.add(batch, flux)
            for key, stamp in zip(batch, flux, strict=True):
                np.savez_compressed(folder / 'npz' / f'{key}.npz', cutout=stamp)
    return keys


def read_npz(folder, keys):
    """One compressed file per cutout."""
    stamps = []
    for key in keys:
        with np.load(folder / f'{key}.npz') as found:
            stamps.append(found['cutout'])
    return np.stack(stamps)


def timed(ways, batches):
    """Return seconds by clock and of CPU of each way, and whether all gave the same pixels."""
    clock, cpu, same = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0), True
    for keys in batches:
        found = []
        for name, way in ways.items():
            start = perf_counter(), process_time()
            found.append(way(keys))
            clock[name] += perf_counter() - start[0]
            cpu[name] += process_time() - start[1]
        same &= all(np.array_equal(found[0], other) for other in found[1:])
    return clock, cpu, same


def main():
    """Print cutouts per second and the ratio; fail where the pixels differ."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--cutouts', type=int, default=2000)
    parser.add_argument('--batches', type=int, default=40)
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--folder', help='where to write, such as the disk to be measured')
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        keys = write_both(Path(folder), options.cutouts)
        store = CutoutStore(Path(folder) / 'store')
        ways = {'.npz per cutout': lambda wanted: read_npz(Path(folder) / 'npz', wanted),
                'store': store.get,
                'store, checksums compared': lambda wanted: store.get(wanted, verify=True)}
        batches = [rng.choice(keys, options.size) for _ in range(options.batches)]
        timed(ways, batches[:1])
        clock, cpu, same = timed(ways, batches)
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, '
          f'{options.cutouts} cutouts of 3 x 101 x 101, {options.batches} random batches of '
          f'{options.size}, pages in memory')
    print(f'{"":28}{"cutouts/s":>12}{"times faster":>14}{"CPU ms/cutout":>15}')
    n, first = options.batches * options.size, clock['.npz per cutout']
    for name in ways:
        print(f'{name:28}{n / clock[name]:12.0f}{first / clock[name]:14.1f}'
              f'{1e3 * cpu[name] / n:15.3f}')
    return int(not same)


if __name__ == '__main__':
    sys.exit(main())
