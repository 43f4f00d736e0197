#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time random batches from the cutout store beside one compressed .npz per cutout.

One run writes the same cutouts, one in fifty with a bright star, as .npz files and as
stores of float32 and int16, and reads the same random batches of all, in turns; their
pages are in memory after the first. It fails where float32 is not read back bit by bit,
int16 is off by more than 1/32 of the noise or clips a star or takes more than 0.53 of the
disk, or a store is less than 30 times faster than the files. At the end it judges every
cutout of the float32 store, as ``lensfinder-audit cutouts verify`` does::

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
from lensfinder_audit.store_quality import quality_table
from lensfinder_audit.testing import example_flux


BOUND, DISK = 30, 0.53
STAR = 500.0  # nanomaggies in its brightest pixel


def made_up(n, seed):
    """Galaxies, one in fifty beside a bright star."""
    flux = example_flux(n, seed=seed)
    flux[::50, :, 20, 30] = STAR
    return flux


def write_all(folder, n):
    """Write the stores and the files; return the keys."""
    keys = np.array([f'object-{i:06d}' for i in range(n)])
    (folder / 'npz').mkdir()
    options = {'bands': 'grz', 'shape': (101, 101), 'pixel_scale': 0.262 * u.arcsec,
               'shard_size': 512}
    with (CutoutWriter(folder / 'float32', **options) as first,
          CutoutWriter(folder / 'int16', dtype='int16', **options) as second):
        for start in range(0, n, 256):
            batch = keys[start:start + 256]
            flux = made_up(len(batch), seed=start)
            first.add(batch, flux)
            second.add(batch, flux)
            for key, stamp in zip(batch, flux, strict=True):
                np.savez_compressed(folder / 'npz' / f'{key}.npz', cutout=stamp)
    return keys


def disk(folder):
    """Return the bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def read_npz(folder, keys):
    """One compressed file per cutout."""
    stamps = []
    for key in keys:
        with np.load(folder / f'{key}.npz') as found:
            stamps.append(found['cutout'])
    return np.stack(stamps)


def timed(ways, batches):
    """Return seconds by clock and of CPU of each way, and what each gave last."""
    clock, cpu, found = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0), {}
    for keys in batches:
        for name, way in ways.items():
            start = perf_counter(), process_time()
            found[name] = way(keys)
            clock[name] += perf_counter() - start[0]
            cpu[name] += process_time() - start[1]
    return clock, cpu, found


def worst_error(store, folder, keys):
    """Return the largest error in units of the noise, and whether a star was clipped."""
    index, worst, clipped = store.index(), 0.0, False
    scales = np.stack([index[f'scale_{band}'] for band in store.bands], axis=1)
    for start in range(0, len(keys), 256):
        batch = keys[start:start + 256]
        flux, found = read_npz(folder, batch), store.get(batch)
        clipped |= bool((found[flux == STAR] != STAR).any())
        noise = 16 * np.nan_to_num(scales[store.locate(batch)].astype(float), nan=np.inf)
        worst = max(worst, (np.abs(found.astype(float) - flux) / noise[..., None, None]).max())
    return worst, clipped


def main():
    """Print cutouts per second and the ratios; fail where a bound is not met."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--cutouts', type=int, default=2000)
    parser.add_argument('--batches', type=int, default=40)
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--folder', help='where to write, such as the disk to be measured')
    parser.add_argument('--write', help='file for the table of the documentation')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        return measure(Path(folder), options)


def print_table(rows, path):
    """Print the rates; write them as a table for a page where that is asked for."""
    header = ('', 'cutouts/s', 'times faster', 'by CPU time', 'CPU us/cutout')
    for row in (header, *rows):
        print(f'{row[0]:32}' + ''.join(f'{cell:>15}' for cell in row[1:]))
    if path:
        lines = ['.. Written by: python benchmarks/cutout_store.py --write '
                 'docs/cutout_store_table.inc', '', '.. list-table::', '   :header-rows: 1', '']
        for row in (header, *rows):
            lines += [f'   {"-" if i else "* -"} {cell}'.replace('   -', '     -').rstrip()
                      for i, cell in enumerate(row)]
        Path(path).write_text('\n'.join(lines) + '\n', encoding='utf-8')


def measure(folder, options):
    """Write, read and print; return 1 where a bound is not met."""
    rng = np.random.default_rng(0)
    keys = write_all(folder, options.cutouts)
    stores = {name: CutoutStore(folder / name) for name in ('float32', 'int16')}
    out = np.empty((options.size, 3, 101, 101), np.float32)
    first = '.npz per cutout'
    ways = {first: lambda wanted: read_npz(folder / 'npz', wanted),
            'store': stores['float32'].get,
            'store, array used again': lambda wanted: stores['float32'].get(wanted, out=out),
            'store, checksums compared': lambda wanted: stores['float32'].get(wanted, verify=True),
            'int16 store': stores['int16'].get,
            'int16 store, array used again': lambda wanted: stores['int16'].get(wanted, out=out)}
    batches = [rng.choice(keys, options.size) for _ in range(options.batches)]
    timed(ways, batches[:1])
    clock, cpu, found = timed(ways, batches)
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, '
          f'{options.cutouts} cutouts of 3 x 101 x 101, {options.batches} random batches of '
          f'{options.size}, pages in memory')
    n = options.batches * options.size
    rows = [(name, f'{n / clock[name]:,.0f}', f'{clock[first] / clock[name]:.1f}',
             f'{cpu[first] / cpu[name]:.1f}', f'{1e6 * cpu[name] / n:.1f}') for name in ways]
    print_table(rows, options.write)
    sizes = {name: disk(folder / name) for name in ('npz', 'float32', 'int16')}
    worst, clipped = worst_error(stores['int16'], folder / 'npz', keys)
    share = sizes['int16'] / sizes['float32']
    print('MB on disk: ' + ', '.join(f'{name} {size / 1e6:.1f}' for name, size in sizes.items()))
    start = process_time()
    quality_table(stores['float32'])
    print(f'verify: {1e6 * (process_time() - start) / len(keys):.0f} CPU us per cutout')
    same = np.array_equal(found[first], found['store'])
    times = [cpu[first] / cpu[name] for name in ('store', 'int16 store')]
    print(f'bound: float32 {times[0]:.1f} and int16 {times[1]:.1f} times faster by CPU time; int16 '
          f'{share:.3f} of the disk, error 1/{1 / worst:.4g} of the noise, stars '
          f'{"clipped" if clipped else "unclipped"}')
    return int(not same or min(times) < BOUND or clipped or worst > 1 / 32 or share > DISK)


if __name__ == '__main__':
    sys.exit(main())
