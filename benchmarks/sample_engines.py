#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time a stratified sample of 20 million rows beside DuckDB, Polars and Spark.

The rows are simulated: drawn from the distributions of the package, or, with ``--real``, from
the seeing, depths and reddening of DR10 regions and the z fluxes of DR10 galaxies. They
are written as the parts of a pool, and every program reads the same Parquet files in a
process of its own and returns whole rows: 256 strata x 200, then 450,000 from 9 strata.
DuckDB and Polars choose keys first and join the rest of the columns to them, the fastest of
the ways tried; each peer orders by its own hash. Checked are the numbers per stratum, and, by
a sort of the same 64-bit hash in Polars, that the rows are those of least hash.

Fails where the sample takes 2.5 times the wall time of DuckDB, needs 1 GB, all workers
together, or has other rows. With fewer than some 2 million rows the first calls of
libraries take longer than the rows::

    python benchmarks/sample_engines.py --rows 2e6
    python benchmarks/sample_engines.py --rows 2e7 --real FOLDER --ways package duckdb polars
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

WAYS = ('package', 'package, processes', 'duckdb', 'polars', 'spark')
CASES = {'256 strata x 200': (200, None), '450,000 of 9 strata': (50_000, [1, 4, 5, np.inf])}
SEED, PART, FACTOR = 7, 1_000_000, 2.5


def base_rows(n, real):
    """Draw rows of one region, with conditions and fluxes of real ones where those are given."""
    from lensfinder_audit.files import read_table
    from lensfinder_audit.sources.sweeps import mock_sweep

    rows = mock_sweep(300, n)
    if real is None:
        return rows
    rng = np.random.default_rng(SEED)
    regions = read_table(real / 'dr10_regions_psf_depth_ebv.csv')
    weight = np.asarray(regions['total_n_gal'], dtype=float)
    chosen = rng.choice(len(regions), n, p=weight / weight.sum())
    rows['PSFSIZE_R'] = regions['median_psf_r_arcsec'][chosen]
    rows['EBV'] = regions['median_ebv'][chosen]
    depth = np.asarray(regions['median_psfdepth_r'], dtype=float)[chosen]
    rows['PSFDEPTH_R'] = 25 * 10 ** (0.8 * (depth - 22.5))
    parent = read_table(real / 'dr10_lrg_parent_6826.parquet')
    column = next(name for name in parent.colnames if name.lower() == 'flux_z')
    rows['FLUX_Z'] = rng.choice(np.asarray(parent[column], dtype=float), n)
    return rows


def rules_text(rows, nobs):
    """Strata of the case, with edges such that all of them are filled."""
    keep = ('keep: [psfsize_g, psfsize_z, psfdepth_g, psfdepth_r, psfdepth_z, flux_g, flux_r, '
            'flux_z, nobs_g, nobs_r, nobs_z, maskbits, shape_r, sersic, psfsize_r, ebv]\n')
    if nobs:
        return ('cuts: {type: {type: {in: [SER, DEV, REX]}}}\n'
                f'strata: {{nobs_z: {nobs}, type: [SER, DEV, REX]}}\n'.replace('inf', '.inf')
                + keep)
    axes = {'psfsize_r': rows['PSFSIZE_R'], 'ebv': rows['EBV'], 'depth_r': 22.5 - 2.5 * np.log10(
        5 / np.sqrt(rows['PSFDEPTH_R']))}
    lines = [f'  {name}: [-.inf, ' + ', '.join(f'{edge:.6g}' for edge in np.quantile(
        values, [0.25, 0.5, 0.75])) + ', .inf]' for name, values in axes.items()]
    return '\n'.join(['strata:', '  type: [SER, DEV, REX, EXP]', *lines, keep])


def write_pool(folder, n_rows, nobs, real):
    """Pool a small region and write its rows many times over, each under a key of its own."""
    from astropy.table import Table
    from pyarrow import parquet

    from lensfinder_audit._pool_piece import _write
    from lensfinder_audit.engines.local import LocalEngine
    from lensfinder_audit.negatives import make_pool, plan_pool
    from lensfinder_audit.sample_rules import load_rules

    rows = base_rows(min(n_rows, 300_000), real)
    Table(rows).write(folder / 'rows.fits')
    (folder / 'rules.yaml').write_text(rules_text(rows, nobs))
    base = make_pool(plan_pool([folder / 'rows.fits']), folder / 'base',
                     load_rules(folder / 'rules.yaml'), engine=LocalEngine(workers=1))
    table = parquet.read_table(base.part(base.parts[0]))
    (folder / 'pool').mkdir()
    parts = []
    for number, first in enumerate(range(0, n_rows, PART)):
        n = min(PART, n_rows - first)
        _write(part_of(table, number, n), folder / 'pool' / f'part-{number:06d}.parquet')
        parts.append({'piece': f'part {number}', 'number': number, 'n': n, 'cuts': {},
                      'families': {}, 'mark': [0, 0]})
    (folder / 'pool' / 'pool.json').write_text(json.dumps(
        {**base.report, 'n_rows': n_rows, 'n_pool': n_rows, 'failed': {}, 'parts': parts}))


def part_of(table, number, n):
    """Draw rows of the base and give them keys that no other part has."""
    import pyarrow as pa

    from lensfinder_audit._pool_keys import object_numbers

    rows = table.take(pa.array(np.random.default_rng(number).integers(len(table), size=n)))
    keys = {'release': rows['release'].to_numpy(), 'objid': np.arange(n, dtype=np.int32),
            'brickid': (rows['brickid'].to_numpy() % 400 + 400 * number).astype(np.int32)}
    for name, values in {**keys, '_number': object_numbers(keys)}.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values))
    return rows


def by_package(folder, per_stratum, threads, workers=1):
    """The sample of this package, in one process as its command does without --workers."""
    from pyarrow import parquet  # noqa: F401, imports are not timed

    from lensfinder_audit.engines.local import LocalEngine
    from lensfinder_audit.negatives import Pool
    from lensfinder_audit.sampling import draw_sample

    def sample():
        with LocalEngine(workers=workers) as engine:
            return draw_sample(Pool(folder), seed=SEED, engine=engine, per_stratum=per_stratum)
    return sample, lambda found: (found.negatives['object_id'].tolist(),
                                  found.negatives['stratum'].tolist())


def by_duckdb(folder, per_stratum, threads):
    """Keys by a window over two columns, then the rows of those keys."""
    import duckdb

    link = duckdb.connect()
    link.execute(f'set threads={threads}')
    files = f"read_parquet('{folder}/part-*.parquet')"
    query = (f'with chosen as (select _number from {files} qualify row_number() over (partition by '
             f'_group order by hash(_number)) <= {per_stratum}) '
             f'select rows.* from {files} rows semi join chosen using (_number)')
    return lambda: link.sql(query).to_arrow_table(), _keys_and_groups


def by_polars(folder, per_stratum, threads):
    """Keys by the least hashes of each group, then the rows of those keys."""
    import polars as pl

    def sample():
        rows = pl.scan_parquet(f'{folder}/part-*.parquet')
        chosen = rows.group_by('_group').agg(
            pl.col('_number').bottom_k_by(pl.col('_number').hash(SEED), per_stratum)
        ).explode('_number').select('_number')
        return rows.join(chosen, on='_number', how='semi').collect(engine='streaming')
    return sample, lambda found: _keys_and_groups(found.to_arrow())


def by_spark(folder, per_stratum, threads):
    """Keys by a window over two columns, then the rows of those keys; the session is not timed."""
    from pyspark.sql import SparkSession, Window
    from pyspark.sql import functions as sf

    spark = (SparkSession.builder.master(f'local[{threads}]').config('spark.ui.enabled', 'false')
             .config('spark.driver.memory', '4g').config('spark.driver.maxResultSize', '2g')
             .config('spark.sql.shuffle.partitions', str(4 * threads)).getOrCreate())
    spark.sparkContext.setLogLevel('ERROR')
    rows = spark.read.parquet(*(str(path) for path in sorted(folder.glob('part-*.parquet'))))
    order = Window.partitionBy('_group').orderBy(sf.xxhash64('_number'))
    chosen = rows.select('_group', '_number').withColumn('_rank', sf.row_number().over(order)
                                                         ).where(f'_rank <= {per_stratum}')
    found = rows.join(sf.broadcast(chosen.select('_number')), '_number', 'left_semi')
    return found.toArrow, _keys_and_groups


def _keys_and_groups(table):
    from lensfinder_audit._pool_keys import object_names

    keys = object_names({name: table[name].to_numpy() for name in ('release', 'brickid', 'objid')})
    return keys.tolist(), table['_group'].to_pylist()


def least_hashes(folder, per_stratum):
    """Sort the same hash in Polars, whose integers wrap around: the keys of the sample."""
    import polars as pl

    from lensfinder_audit._pool_keys import _MIX, object_names

    def mixed(value):
        value = value + pl.lit(int(_MIX[0]), dtype=pl.UInt64)
        for shift, factor in ((30, _MIX[1]), (27, _MIX[2])):
            value = (value ^ (value // 2**shift)) * pl.lit(int(factor), dtype=pl.UInt64)
        return value ^ (value // 2**31)

    key = pl.select(mixed(pl.lit(SEED, dtype=pl.UInt64))).item()
    names = ('release', 'brickid', 'objid')
    rows = pl.scan_parquet(f'{folder}/part-*.parquet').select(
        '_group', *names, hashed=mixed(mixed(pl.col('_number') ^ pl.lit(key, dtype=pl.UInt64))))
    least = rows.group_by('_group').agg(pl.col(*names).bottom_k_by('hashed', per_stratum)).explode(
        *names).collect()
    return sorted(object_names({name: least[name].to_numpy() for name in names}).tolist())


class Peak:
    """The greatest memory of this process and those that it started, in MB."""

    def __enter__(self):
        self.mb, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._over.wait(0.02):
            self.mb = max(self.mb, sum(map(_resident, _family(os.getpid()))))

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()


def _family(parent):
    found, waiting = [], [parent]
    while waiting:
        found.append(waiting.pop())
        try:
            tasks = Path(f'/proc/{found[-1]}/task').iterdir()
            waiting += [int(child) for task in tasks
                        for child in (task / 'children').read_text().split()]
        except OSError:
            pass  # it ended meanwhile
    return found


def cpu_seconds():
    """Return the CPU time of this process and those that it started, Java's among them."""
    ticks = 0
    for process in _family(os.getpid()):
        try:
            words = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
        except OSError:
            continue  # it ended meanwhile, and its parent counts it
        ticks += sum(map(int, words[11:15]))
    return ticks / os.sysconf('SC_CLK_TCK')


def _resident(process):
    try:
        lines = Path(f'/proc/{process}/status').read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith('VmRSS')), 0) / 1024
    except OSError:
        return 0.0


def one(way, folder, per_stratum, threads):
    """Sample one way and print what it took."""
    warnings.simplefilter('ignore')
    if way == 'check':
        print(json.dumps({'keys': least_hashes(folder, per_stratum)}))
        return 0
    name, _, many = way.partition(',')
    make = {'package': by_package, 'duckdb': by_duckdb, 'polars': by_polars,
            'spark': by_spark}[name]
    sample, read = make(folder, per_stratum, threads, **({'workers': threads} if many else {}))
    with Peak() as peak:
        start, cpu = perf_counter(), cpu_seconds()
        found = sample()
        wall, cpu = perf_counter() - start, cpu_seconds() - cpu
        sleep(0.1)
    keys, groups = read(found)
    counts = sorted(np.unique(groups, return_counts=True)[1].tolist())
    print(json.dumps({'wall': wall, 'cpu': cpu, 'peak': peak.mb, 'counts': counts,
                      'keys': sorted(keys) if name == 'package' else None}))
    return 0


def measure(way, folder, per_stratum, options):
    """Run one way in a process of its own; `None` where its package is not installed."""
    from importlib.util import find_spec

    package = {'spark': 'pyspark', 'check': 'polars'}.get(way, way.partition(',')[0])
    if find_spec(package) is None and not way.startswith('package'):
        return None
    more = {'POLARS_MAX_THREADS': str(options.threads), 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, '-W', 'ignore', __file__, '--one', way, '--folder', str(folder),
               '--per-stratum', str(per_stratum), '--threads', str(options.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, **more})
    if done.returncode:
        print(f'{way:20} failed: {(done.stderr.strip().splitlines() or ["no message"])[-1][:80]}')
        return None
    return json.loads(done.stdout.splitlines()[-1])


def compare(name, options):
    """Measure a case in every way; return which bounds are missed."""
    per_stratum, nobs = CASES[name]
    per_stratum = max(1, round(per_stratum * min(1, options.rows / 2e7))) if nobs else per_stratum
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_pool(Path(folder), options.rows, nobs, options.real)
        pool = Path(folder) / 'pool'
        size = sum(path.stat().st_size for path in pool.iterdir())
        print(f'{name}: {options.rows:,} rows, {size / 1e9:.2f} GB, {per_stratum:,} per stratum')
        print(f'{"":20}{"wall s":>9}{"CPU s":>9}{"peak MB":>9}{"rows":>10}{"strata":>8}')
        found = {}
        for way in options.ways:
            item = measure(way, pool, per_stratum, options)
            if item:
                found[way] = item
                print(f'{way:20}{item["wall"]:9.2f}{item["cpu"]:9.2f}{item["peak"]:9.0f}'
                      f'{sum(item["counts"]):10,}{len(item["counts"]):8}', flush=True)
        check = measure('check', pool, per_stratum, options)
    return verdict(found, check)


def verdict(found, check):
    """Print ratios and what is missed."""
    ours, bad = found['package'], []
    if any(item['counts'] != ours['counts'] for item in found.values()):
        bad.append('other numbers per stratum')
    if check and any(item['keys'] != check['keys'] for item in found.values() if item['keys']):
        bad.append('other rows than the least hashes')
    if 'duckdb' in found:
        ratio = [ours[key] / found['duckdb'][key] for key in ('wall', 'cpu')]
        print(f'beside duckdb: {ratio[0]:.2f} times the wall time, {ratio[1]:.2f} times the CPU '
              f'time (bound {FACTOR}); peak {ours["peak"]:.0f} MB (bound 1000), '
              + ('the rows of least hash' if check else 'rows not checked, Polars is missing'))
        bad += ['slower than the bound'] * (ratio[0] > FACTOR)
    bad += ['more than 1 GB'] * (ours['peak'] > 1000)
    print('bounds: ' + ('; '.join(bad) or 'met'))
    return bad


def main():
    """Print the tables; fail where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--rows', type=lambda text: int(float(text)), default=20_000_000)
    parser.add_argument('--real', type=Path, help='folder of DR10 conditions and fluxes')
    parser.add_argument('--ways', nargs='+', choices=WAYS, default=WAYS)
    parser.add_argument('--case', choices=list(CASES), help='only this one')
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument('--folder', help='where to write, such as the disk to be measured')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    parser.add_argument('--per-stratum', type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return one(options.one, Path(options.folder), options.per_stratum, options.threads)
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, '
          f'{options.threads} threads, ' + ('real' if options.real else 'mock') + ' conditions')
    return int(any([compare(name, options) for name in CASES if options.case in (None, name)]))


if __name__ == '__main__':
    sys.exit(main())
