#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time and memory of ``negatives pool`` and ``negatives sample`` as a survey grows.

Simulated sweeps of one size are pooled and sampled, 2, 20 and 200 of them, each in a
process of its own with one worker. CPU time of a row and peak memory should not
grow with their number. The peer of the sample reads the whole pool into memory and
sorts it, with NumPy; it must give the same objects. Fails where a row costs 1.5 times
more in the largest run than in the one before, where memory grows by more than a quarter
beyond the sample itself, or where the objects differ::

    python benchmarks/sample_growth.py
    python benchmarks/sample_growth.py --numbers 2 20 --rows 100000 --suffix .fits
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

KEPT = ('RELEASE', 'BRICKID', 'OBJID', 'BRICKNAME', 'TYPE', 'RA', 'DEC', 'EBV', 'SERSIC',
        'SHAPE_R', 'SHAPE_E1', 'SHAPE_E2', 'MASKBITS', *(f'{name}_{band}' for name in (
            'FLUX', 'NOBS', 'PSFSIZE', 'PSFDEPTH') for band in 'GRZ'))


def write_sweeps(folder, n_files, n_rows, suffix):
    """Draw one region and write it many times, each time with other bricks and positions."""
    from astropy.table import Table

    from lensfinder_audit.sources.sweeps import mock_sweep

    rows = mock_sweep(300, n_rows)
    if suffix == '.parquet':
        rows = rows[list(KEPT)]
    for number in range(n_files):
        new = rows.copy()
        new['BRICKID'] = rows['BRICKID'] % 400 + 400 * number
        new['RA'] = (rows['RA'] + 5 * number) % 360
        table = Table(new)
        if suffix == '.parquet':
            table.convert_bytestring_to_unicode()
        table.write(folder / f'sweep-{number:03d}{suffix}')


def memory(word):
    """Read a line of what Linux says of this process, in MB."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) / 1024


def timed(function):
    """Return what a function returns, with CPU and wall seconds and the peak of memory."""
    Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
    start, cpu = perf_counter(), process_time()
    found = function()
    return found, {'wall': perf_counter() - start, 'cpu': process_time() - cpu,
                   'peak': memory('VmHWM')}


def one(folder, number, per_stratum, peer):
    """Pool and sample the first files; print what it took."""
    from lensfinder_audit.engines.local import LocalEngine
    from lensfinder_audit.negatives import Pool, make_pool, plan_pool
    from lensfinder_audit.sample_rules import load_rules
    from lensfinder_audit.sampling import draw_sample

    engine, files = LocalEngine(workers=1), sorted(folder.glob('sweep-*'))
    make = lambda n, out: make_pool(plan_pool(files[:n]), folder / out,  # noqa: E731
                                    load_rules('all'), engine=engine)
    if peer:
        sort_all(Pool(folder / 'warm'), 5)  # imports
        keys, cost = timed(lambda: sort_all(Pool(folder / f'pool{number}'), per_stratum))
        print(json.dumps({'sample': cost, 'keys': keys}))
        return
    draw_sample(make(1, 'warm'), seed=1, engine=engine, per_stratum=5)  # imports
    pool, cost = timed(lambda: make(number, f'pool{number}'))
    sample, sampling = timed(lambda: draw_sample(pool, seed=1, engine=engine,
                                                 per_stratum=per_stratum))
    print(json.dumps({'n': plan_pool(files[:number]).n_rows, 'n_pool': pool.report['n_pool'],
                      'pool': cost, 'sample': sampling,
                      'keys': sorted(sample.negatives['object_id'].tolist())}))


def sort_all(pool, per_stratum):
    """The peer: all rows in memory, one sort, the first of each group."""
    import pyarrow as pa
    from pyarrow import parquet

    from lensfinder_audit._pool_keys import keyed_hash, object_names
    from lensfinder_audit.sampling import wanted_numbers
    from lensfinder_audit.strata import Strata

    table = pa.concat_tables([parquet.read_table(pool.part(number)) for number in pool.parts])
    group, number = table['_group'].to_numpy(), table['_number'].to_numpy()
    counts = np.bincount(group, minlength=2 * len(Strata(pool.rules.strata)))
    drawn = wanted_numbers(counts.reshape(-1, 2), pool.rules, per_stratum=per_stratum)[1].ravel()
    order = np.lexsort((keyed_hash(number, 1), group))
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[group[order]]
    rows = table.take(order[rank < drawn[group[order]]])
    return sorted(object_names({name: rows[name].to_numpy() for name in
                                ('release', 'brickid', 'objid')}).tolist())


def main():
    """Print the table; fail where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--numbers', type=int, nargs='+', default=[2, 20, 200])
    parser.add_argument('--rows', type=int, default=50_000, help='rows of a file')
    parser.add_argument('--per-stratum', type=int, default=2000)
    parser.add_argument('--suffix', choices=['.parquet', '.fits'], default='.parquet')
    parser.add_argument('--folder', help='where to write, such as the disk to be measured')
    parser.add_argument('--one', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--peer', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return one(Path(options.folder), options.one, options.per_stratum, options.peer)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_sweeps(Path(folder), max(options.numbers), options.rows, options.suffix)
        return table(options, folder)


def run(options, folder, number, *more):
    """Run this script for one number of files."""
    command = [sys.executable, __file__, '--folder', folder, '--one', str(number),
               '--per-stratum', str(options.per_stratum), *more]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def table(options, folder):
    """Measure every size and print it."""
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, one '
          f'worker, files of {options.rows:,} rows ({options.suffix}), {options.per_stratum:,} per '
          'stratum; CPU time')
    print(f'{"files":>6}{"rows":>12}{"pool us/row":>13}{"pool MB":>9}{"pooled":>11}'
          f'{"sample us/row":>15}{"sample MB":>11}{"sort us/row":>13}{"sort MB":>9}')
    found, bad = [], []
    for number in options.numbers:
        item, peer = run(options, folder, number), run(options, folder, number, '--peer')
        found.append(item)
        each = [1e6 * item['pool']['cpu'] / item['n'], 1e6 * item['sample']['cpu'] / item['n_pool'],
                1e6 * peer['sample']['cpu'] / item['n_pool']]
        item['each'] = each
        print(f'{number:6}{item["n"]:12,}{each[0]:13.2f}{item["pool"]["peak"]:9.0f}'
              f'{item["n_pool"]:11,}{each[1]:15.2f}{item["sample"]["peak"]:11.0f}'
              f'{each[2]:13.2f}{peer["sample"]["peak"]:9.0f}')
        bad += ['other objects than by sorting'] * (item['keys'] != peer['keys'])
    if len(found) > 1:
        last, before = found[-1], found[-2]
        growth = [last['each'][i] / before['each'][i] for i in (0, 1)]
        memory_growth = [last[step]['peak'] / before[step]['peak'] for step in ('pool', 'sample')]
        print(f'largest beside the one before: {growth[0]:.2f} and {growth[1]:.2f} times the CPU '
              f'time of a row, {memory_growth[0]:.2f} and {memory_growth[1]:.2f} times the memory')
        bad += ['time is not linear'] * (max(growth) > 1.5)
        bad += ['memory is not flat'] * (max(memory_growth) > 1.25)
    print('bounds: ' + ('; '.join(dict.fromkeys(bad)) or 'met'))
    return int(bool(bad))


if __name__ == '__main__':
    sys.exit(main())
