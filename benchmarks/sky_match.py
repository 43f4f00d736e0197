#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time the match of a short list of lenses with a huge catalogue beside astropy.

Each way runs in a process of its own on the same positions, so that its memory can
be told: astropy's ``match_to_catalog_sky`` and ``search_around_sky``, and ``SkyIndex``.
A hundred catalogue objects stand near lenses, at the poles and across RA = 0 too. It
fails where the ways find other pairs, or where ``SkyIndex`` misses its bounds: 10 times
faster than ``match_to_catalog_sky`` and 100 MB above the catalogue::

    python benchmarks/sky_match.py
    python benchmarks/sky_match.py --rows 26700000
"""
import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord, search_around_sky

from lensfinder_audit.sky_index import SkyIndex

RADIUS = 2 * u.arcsec
WAYS = ('match_to_catalog_sky', 'search_around_sky', 'SkyIndex')


def positions(n_lenses, n_rows):
    """Return lenses and a catalogue in which some objects stand within the radius of one."""
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, n_lenses), np.degrees(np.arcsin(rng.uniform(-1, 1, n_lenses)))
    ra[:4], dec[:4] = (0.0001, 359.9999, 10, 200), (5, -7, 90, -90)
    ra_all, dec_all = rng.uniform(0, 360, n_rows), np.degrees(np.arcsin(rng.uniform(-1, 1, n_rows)))
    near = SkyCoord(ra[:100], dec[:100], unit='deg').directional_offset_by(
        rng.uniform(0, 360, 100) * u.deg, rng.uniform(0.1, 1.9, 100) * u.arcsec)
    place = rng.choice(n_rows, 100, replace=False)
    ra_all[place], dec_all[place] = near.ra.deg, near.dec.deg
    return ra, dec, ra_all, dec_all


def pairs_by_index(ra, dec, ra_all, dec_all):
    """Which catalogue rows match which lens."""
    rows, index, _ = SkyIndex(ra, dec, radius=RADIUS).nearest(ra_all, dec_all)
    return sorted(zip(index.tolist(), rows.tolist(), strict=True))


def pairs_by_match(ra, dec, ra_all, dec_all):
    """The nearest catalogue row of each lens, which is the same here."""
    lenses, catalog = SkyCoord(ra, dec, unit='deg'), SkyCoord(ra_all, dec_all, unit='deg')
    index, angle, _ = lenses.match_to_catalog_sky(catalog)
    rows = np.flatnonzero(angle <= RADIUS)
    return sorted(zip(rows.tolist(), index[rows].tolist(), strict=True))


def pairs_by_search(ra, dec, ra_all, dec_all):
    """All pairs."""
    lenses, catalog = SkyCoord(ra, dec, unit='deg'), SkyCoord(ra_all, dec_all, unit='deg')
    first, second, _, _ = search_around_sky(lenses, catalog, RADIUS)
    return sorted(zip(first.tolist(), second.tolist(), strict=True))


def one(way, n_lenses, n_rows):
    """Run one way and print its seconds, peak memory and pairs."""
    place = positions(n_lenses, n_rows)
    function = dict(zip(WAYS, (pairs_by_match, pairs_by_search, pairs_by_index),
                        strict=True))[way]
    function(*(side[:5] for side in place))  # imports
    Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
    before = memory('VmRSS')
    start, cpu = perf_counter(), process_time()
    pairs = function(*place)
    seconds = perf_counter() - start, process_time() - cpu
    print(json.dumps({'wall': seconds[0], 'cpu': seconds[1], 'above': memory('VmHWM') - before,
                      'pairs': pairs}))


def memory(word):
    """Read a line of what Linux says of this process, in MB."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) / 1024


def main():
    """Print the table; fail where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--lenses', type=int, default=5104)
    parser.add_argument('--rows', type=int, default=3_000_000)
    parser.add_argument('--one', choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return one(options.one, options.lenses, options.rows)
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, '
          f'{options.lenses:,} lenses, {options.rows:,} positions, {RADIUS}')
    print(f'{"":24}{"wall s":>10}{"CPU s":>10}{"times its CPU":>15}{"MB above":>10}')
    found = {}
    for way in WAYS:
        done = subprocess.run([sys.executable, __file__, '--one', way, '--lenses',
                               str(options.lenses), '--rows', str(options.rows)],
                              stdout=subprocess.PIPE, text=True, check=True)
        found[way] = json.loads(done.stdout)
    ours = found['SkyIndex']
    for way in WAYS:
        item = found[way]
        print(f'{way:24}{item["wall"]:10.2f}{item["cpu"]:10.2f}{item["cpu"] / ours["cpu"]:15.1f}'
              f'{item["above"]:10.0f}')
    same = all(found[way]['pairs'] == ours['pairs'] for way in WAYS)
    faster = found['match_to_catalog_sky']['cpu'] / ours['cpu']
    print(f'{len(ours["pairs"])} pairs, {"the same" if same else "NOT the same"} in all ways; '
          f'bound 10 times: {faster:.1f}; bound 100 MB: {ours["above"]:.0f}')
    return int(not same or faster < 10 or ours['above'] > 100)


if __name__ == '__main__':
    sys.exit(main())
