#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Look for copies among many stamps, beside plain ways to do so.

``python benchmarks/near_duplicates.py`` writes a cutout store of 4,000 made-up stamps of
3 x 101 x 101 pixels, of which 100 are copies of others, moved by up to two pixels along
either axis, with noise of up to half that of the sky added. Each way runs in a process of
its own on that store, from reading to pairs::

    python benchmarks/near_duplicates.py
    python benchmarks/near_duplicates.py --objects 100000

The peers keep what is commonly kept of an image: block means of 16 x 16 after an arcsinh
stretch, searched with ``sklearn.neighbors.NearestNeighbors`` by brute force, and a
difference hash of 64 bits, searched by its Hamming distance. They only name the
nearest stamp and never say whether it is a copy; that is counted for them as found. Past
20,000 stamps they look for the copies and others, 20,000 in all, and the time of that is
scaled. It fails where copies are lost or made up, past 2 GB of memory, or where
the package takes more CPU time than the nearest neighbours.
"""
import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from astropy import units as u

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.near_duplicates import near_duplicates

#: Least recall, greatest memory in GB.
RECALL, GIGABYTES = 0.99, 2
SIZE, BATCH, QUERIES = 101, 500, 20_000


def lights(rng, n, size, radii):
    """Return images of flattened galaxies."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    q, phi, radius = (rng.uniform(*ends, (n, 1, 1)) for ends in ((0.4, 1), (0, np.pi), radii))
    along, across = x * np.cos(phi) + y * np.sin(phi), y * np.cos(phi) - x * np.sin(phi)
    return np.exp(-np.hypot(along, across / q) / radius).astype(np.float32)


def stamps(rng, n, middle, beside):
    """Return galaxies with neighbours, each stamp with noise of its own."""
    flux = rng.standard_normal((n, 3, SIZE, SIZE), dtype=np.float32)
    color = np.array([0.5, 1, 1.3], np.float32)[:, None, None]
    for stamp in flux:
        stamp += 10**rng.uniform(0.5, 2.5) * color * middle[rng.integers(len(middle))]
        for _ in range(rng.poisson(6)):
            y, x = rng.integers(0, SIZE - 21, 2)
            light = beside[rng.integers(len(beside))]
            stamp[:, y:y + 21, x:x + 21] += 10**rng.uniform(0, 2) * color * light
    return flux


def write_store(folder, n, n_copies, seed=0):
    """Write stamps, the last of them copies of the first, in an order of its own."""
    rng = np.random.default_rng(seed)
    middle, beside = lights(rng, 500, SIZE, (2, 8)), lights(rng, 500, 21, (1, 2))
    first = []
    with CutoutWriter(folder, bands='grz', shape=(SIZE, SIZE),
                      pixel_scale=0.262 * u.arcsec) as writer:
        for start in range(0, n - n_copies, BATCH):
            flux = stamps(rng, min(BATCH, n - n_copies - start), middle, beside)
            if start < n_copies:
                first.append(flux[:n_copies - start].copy())
            writer.add(names(start, len(flux)), flux)
        copies = np.concatenate(first)
        for flux in copies:
            shift = rng.integers(-2, 3, 2)
            flux[:] = np.roll(flux, shift, axis=(-2, -1))
            flux += rng.uniform(0, 0.5) * rng.standard_normal(flux.shape, dtype=np.float32)
        writer.add(names(n - n_copies, n_copies), copies)


def names(start, n):
    """Return keys."""
    return np.array([f'o{i:07d}' for i in range(start, start + n)])


def by_package(store, keys, n_copies):
    """Return the pairs that are found, and how often the search is to be counted."""
    pairs = near_duplicates(store, keys)
    return np.stack([pairs['first'], pairs['second']], axis=1), 0.0


def by_neighbors(store, keys, n_copies):
    """Return the nearest stamp of each, by block means."""
    from sklearn.neighbors import NearestNeighbors

    edges = np.linspace(0, SIZE, 17).astype(int)[:-1]

    def small(flux):
        means = np.add.reduceat(np.add.reduceat(np.arcsinh(flux), edges, 2), edges, 3)
        return means.reshape(len(flux), -1)

    kept = np.concatenate([small(flux) for _, flux in store.batches(keys, BATCH)])
    rows, start = asked(len(keys)), process_time()
    place = NearestNeighbors(n_neighbors=2, algorithm='brute').fit(kept).kneighbors(
        kept[rows], return_distance=False)
    nearest = np.where(place[:, 0] == rows, place[:, 1], place[:, 0])
    return np.stack([nearest, rows], axis=1), scaled(start, len(keys), len(rows))


def by_hash(store, keys, n_copies):
    """Return the stamp with the nearest difference hash of each."""
    down, across = (np.linspace(0, SIZE, n + 1).astype(int)[:-1] for n in (8, 9))

    def bits(flux):
        light = np.arcsinh(flux.sum(axis=1))
        means = np.add.reduceat(np.add.reduceat(light, down, 1), across, 2)
        means /= np.diff(across, append=SIZE)
        rises = np.diff(means, axis=2) > 0
        return np.packbits(rises.reshape(len(flux), 64), axis=1).view(np.uint64)[:, 0]

    kept = np.concatenate([bits(flux) for _, flux in store.batches(keys, BATCH)])
    rows, start = asked(len(keys)), process_time()
    nearest = []
    for row in rows:
        distance = np.bitwise_count(kept ^ kept[row])
        distance[row] = 255
        nearest.append(distance.argmin())
    return np.stack([nearest, rows], axis=1), scaled(start, len(keys), len(rows))


def asked(n):
    """Return rows that a peer looks for; the copies stand last."""
    return np.arange(max(n - QUERIES, 0), n)


def scaled(start, n, n_asked):
    """Return the CPU time that the rows would have taken which were not asked for."""
    return (process_time() - start) * (n / n_asked - 1)


WAYS = {'near_duplicates': by_package, 'nearest neighbours': by_neighbors,
        'difference hash': by_hash}


def one(way, folder, n_copies):
    """Run one way; print its times, memory, recall and how many pairs it made up."""
    store = CutoutStore(folder)
    n, n_copies = len(store), int(n_copies)
    if way == 'near_duplicates':
        near_duplicates(store, store.keys[:300])  # compile
    wall, cpu = perf_counter(), process_time()
    pairs, beyond = WAYS[way](store, store.keys, n_copies)
    wall, cpu = perf_counter() - wall, process_time() - cpu + beyond
    right = (pairs[:, 1] - pairs[:, 0] == n - n_copies)
    print(json.dumps({'wall': wall, 'cpu': cpu, 'recall': right.sum() / n_copies,
                      'wrong': int((~right).sum()), 'gigabytes': peak()}))


def peak():
    """Return the greatest memory of this process, in GB."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) * 1024 / 1e9


def main():
    """Print the table; return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--objects', type=int, default=4000)
    parser.add_argument('--copies', type=int, help='one in 40, at most 1,000')
    parser.add_argument('--folder', help='where the store is made, and found the next time')
    parser.add_argument('--one', nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return one(*args.one)
    n_copies = args.copies or min(args.objects // 40, 1000)
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, '
          f'{args.objects:,} stamps of 3 x {SIZE} x {SIZE}, {n_copies} copies')
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(args.folder or scratch) / f'stamps-{args.objects}-{n_copies}'
        if not folder.exists():
            write_store(folder, args.objects, n_copies)
        found = {way: measured(way, folder, n_copies) for way in WAYS}
    return tell(found)


def measured(way, folder, n_copies):
    """Run a way in a fresh process."""
    done = subprocess.run([sys.executable, __file__, '--one', way, str(folder), str(n_copies)],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def tell(found):
    """Print what each way took and found, and whether the bounds are met."""
    ours, peer = found['near_duplicates'], found['nearest neighbours']
    print(f'{"":20}{"wall s":>9}{"CPU s":>9}{"of ours":>9}{"GB":>7}{"recall":>9}')
    for way, item in found.items():
        print(f'{way:20}{item["wall"]:9.1f}{item["cpu"]:9.1f}{item["cpu"] / ours["cpu"]:9.2f}'
              f'{item["gigabytes"]:7.2f}{item["recall"]:9.3f}')
    ratio = peer['cpu'] / ours['cpu']
    met = (ours['recall'] >= RECALL and not ours['wrong'] and ours['gigabytes'] < GIGABYTES
           and ratio >= 1)
    print(f'bound {"met" if met else "NOT MET"}: recall {ours["recall"]:.3f} with '
          f'{ours["wrong"]} wrong pairs (nearest neighbours {peer["recall"]:.3f}, difference '
          f'hash {found["difference hash"]["recall"]:.3f}), {ratio:.1f} times less CPU time than '
          f'nearest neighbours, {ours["gigabytes"]:.2f} GB')
    return int(not met)


if __name__ == '__main__':
    sys.exit(main())
