#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Run every benchmark, one after the other, and write a table of what they found.

::

    python benchmarks/run_all.py --write docs/benchmarks_table.inc
    python benchmarks/run_all.py --only fpr_bootstrap install --write docs/benchmarks_table.inc

Figures are ratios to a named peer of the same run. A benchmark that fails its bound
says so in the table. What was found stands in ``measured.ecsv`` beside this script, with day and
load, and is written after each one; with ``--only`` the other rows stay as they are.
"""
import argparse
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from astropy.table import Table

HERE = Path(__file__).parent
MEASURED = HERE / 'measured.ecsv'
NAMES = ('name', 'measured', 'met', 'date', 'load', 'machine')


@dataclass(frozen=True)
class Benchmark:
    """A script, what it is compared with, its bound and where its output says what it found."""

    name: str
    peer: str
    bound: str
    pattern: str
    words: str
    arguments: tuple = ()

    @property
    def shown(self):
        """Arguments that matter to what is measured."""
        return () if '--write' in self.arguments else self.arguments


BENCHMARKS = (
    Benchmark('normalize', 'a plain NumPy loop over cutouts and bands', 'same numbers to 1e-6',
              r'^this package {3,}\S+ +(\S+) +(\S+)', '{0} times faster'),
    Benchmark('cutout_store', 'one compressed .npz per cutout',
              '30 times by CPU time; int16 half the disk, error 1/32 of the noise, stars unclipped',
              r'^bound: (.*)$', '{0}',
              ('--write', str(HERE.parent / 'docs' / 'cutout_store_table.inc'))),
    Benchmark('auc_bootstrap', 'a loop of resampled indices with scikit-learn',
              '500 times, SE within 2 %',
              r'scikit-learn loop.*?; (\d+) times .*?, (\d+) times its CPU time',
              '{0} times the wall time, {1} times the CPU time'),
    Benchmark('fpr_bootstrap', 'the faster of two naive resamplings in NumPy',
              '1,000 times', r'bound: .*\((\d+)\)', '{0} times the CPU time'),
    Benchmark('audit_scale', 'AUC and all fractions, without bootstrap and report',
              '450,000 rows in 30 s and 2 GB, without the checks',
              r'([\d,]+) audit +(\S+) +\S+ +(\S+) +(\S+) +(\S+).*\n.*\((\S+) of it checks\), write '
              r'(\S+) s; (\S+) times',
              '{0} rows: {1} s wall ({5} s of it checks, {6} s writing), {2} GB, {4} CPU s per '
              'million rows, {7} times the peer'),
    Benchmark('checks_scale', 'one cross-validated regression of scikit-learn',
              'all checks of 450,000 scores and 110,000 injections in 120 s and 3 GB; those of '
              '5,000 images, beside the network on them, in 120 s more',
              r'checks of \S+ (\S+): (\S+) s, (\S+) CPU s, (\S+) times .*audit (\S+) GB',
              '{0}: {1} s wall, {2} CPU s, {3} times the peer, {4} GB with the whole audit'),
    Benchmark('near_duplicates', 'nearest neighbours of block means, 4,000 stamps, 100 copies',
              '99 % of the copies and no other pair, less CPU time, 2 GB',
              r'^bound (?:NOT )?met: (.*)$', '{0}'),
    Benchmark('interval_coverage', 'the nominal 95 %',
              'named intervals within 1.5 points on average, at ten effective events or more',
              r'^(\w[\w, ]*): mean coverage (.*)$', '{0}: {1}',
              ('--write', str(HERE.parent / 'docs' / 'coverage_table.inc'))),
    Benchmark('sie_sersic', 'lenstronomy at 4 x 4: SimulationAPI, its best use; plain NumPy',
              '100, 8 and 15 times; 6 times and 0.5 % in flux on the same grid',
              r'^bound: (.*)$', '{0}'),
    Benchmark('sie_sersic_accuracy', 'a converged image in double precision',
              'flux within 0.3 %, brightest pixel within 0.4 %', r'^((?:1e-5|4 x 4): .*)$', '{0}',
              ('--write', str(HERE.parent / 'docs' / 'injection' / 'sie_sersic_accuracy.inc'))),
    Benchmark('sie_stamp', 'lenstronomy INTERPOL, supersampling 4, made-up galaxies',
              '50 times, flux within 0.2 %', r'^sie_stamp +\S+ +(\S+) +(\S+) +(\S+)',
              '{0} times the CPU time; flux within {1}, brightest pixel {2}'),
    Benchmark('scoring', 'torch eager, the same network and threads',
              'at least as fast; 0.9 of the bare network from a store; memory flat',
              r'^(ONNX Runtime|ONNX Runtime, the file that ships) {2,}\S+ +\S+ +(\S+)',
              '{0}: {1} times faster', ('--scored', '1024')),
    Benchmark('training_step', 'a bare loop in torch over data in memory',
              '0.9 of its stamps per second, by CPU time on a CPU',
              r'^(\w+) +\d\S* +\d\S* +(\d\.\d+) +(\d\.\d+) +(\S+) %',
              '{0}: {1} by wall time, {2} by CPU time, {3} % of the time waiting for data'),
    Benchmark('selection_function', "SciPy's linear interpolator on the same grid",
              'a million answers with intervals in 2 s of CPU time',
              r'^(query\S* .*?) {2,}(\S+) +\S+ +(\S+)', '{0}: {1} s, {2} times faster'),
    Benchmark('injection_run', 'the forward pass of a ResNet-18 alone',
              'at most 1.25 times its CPU time, less than 3 GB',
              r'^(?:whole run of.*?: (\S+ times the network)|(growth \S+ kB per injection))',
              '{0}{1}'),
    Benchmark('sky_match', "astropy's match_to_catalog_sky, 5,104 lenses, 26.7 million positions",
              'the same pairs, 10 times, 100 MB above the catalogue',
              r'^match_to_catalog_sky +\S+ +\S+ +(\S+) +(\S+)\n.*\nSkyIndex.* (\S+)$',
              '{0} times faster; {2} MB, the peer {1} MB', ('--rows', '26700000')),
    Benchmark('sample_growth', 'the whole pool in memory, sorted',
              'the same objects; time linear and memory flat from 2 to 200 files',
              r'^largest beside the one before: (.*)$', '{0}'),
    Benchmark('sample_engines', 'DuckDB, 20 million rows; Polars and Spark where installed',
              '2.5 times the wall time of DuckDB, 1 GB, the rows of least hash',
              r'^beside duckdb: (.*) \(bound 2.5\); peak (\S+) MB', '{0}; {1} MB'),
    Benchmark('engines', 'one process, 400,000 rows and 2,048 cutouts',
              'the same rows, weights and scores',
              r'^(local|Dask|Spark local\[2\]) +\S+ +(\S+) +\S+ +(\S+) +\S+ +(\S+)',
              '{0}: {1} ms per partition, {2} times (sample), {3} times (scores)'),
    Benchmark('brick_cutting', 'section reads of astropy, each file opened once',
              '2,000 objects of one brick, the same pixels, 5 times',
              r'^bound, (\S+): (.*)$', '{0}: {1}'),
    Benchmark('install', '``python -c pass`` for the start of the command',
              'installed in 120 s, no optional package; ``--help`` imports no heavy package',
              r'^(installed in .*?\)|python -c pass .*)', '{0}'),
)


def run(benchmark):
    """Run a benchmark; return a row: what it found and whether it met its bound."""
    command = [sys.executable, str(HERE / f'{benchmark.name}.py'), *benchmark.arguments]
    print('$', ' '.join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    found = re.findall(benchmark.pattern, done.stdout, re.MULTILINE)
    rows = [item if isinstance(item, tuple) else (item,) for item in found]
    text = '; '.join(dict.fromkeys(benchmark.words.format(*row) for row in rows))
    machine = (f'{len(os.sched_getaffinity(0))} cores, {platform.machine()}, '
               f'Python {platform.python_version()}')
    return (benchmark.name, text or 'failed', done.returncode == 0, str(date.today()),
            round(os.getloadavg()[1], 1), machine)


def read_measured(path=MEASURED):
    """Return the rows of earlier runs by name."""
    if not path.exists():
        return {}
    return {str(row['name']): tuple(row[name] for name in NAMES) for row in Table.read(path)}


def write_measured(rows, path=MEASURED):
    """Write the rows, in the order of the benchmarks."""
    order = [item.name for item in BENCHMARKS if item.name in rows]
    Table(rows=[rows[name] for name in order], names=NAMES).write(path, overwrite=True)


def table(rows):
    """Return the lines of the table."""
    lines = ['.. Written by: python benchmarks/run_all.py --write docs/benchmarks_table.inc', '',
             f'Machine: {"; ".join(dict.fromkeys(str(row[5]) for row in rows.values()))}. The load '
             'is that of the last five minutes, by all programs, when a script ended.', '',
             '.. list-table::', '   :header-rows: 1', '']
    cells = [('command', 'compared with', 'bound', 'measured', 'met', 'day, load')]
    for item in BENCHMARKS:
        if item.name in rows:
            _, text, met, day, load, _ = rows[item.name]
            words = ' '.join((f'{item.name}.py', *item.shown))
            cells.append((f'``python benchmarks/{words}``', item.peer, item.bound, text,
                          'yes' if met else '**no**', f'{day}, {load:.1f}'))
    for row in cells:
        lines += [f'   {"*" if i == 0 else " "} - {cell}' for i, cell in enumerate(row)]
    return '\n'.join(lines) + '\n'


def main():
    """Run them and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--only', nargs='+', choices=[item.name for item in BENCHMARKS])
    parser.add_argument('--write', help='file for the table')
    args = parser.parse_args()
    rows = read_measured()
    for item in BENCHMARKS:
        if not args.only or item.name in args.only:
            rows[item.name] = run(item)
            if args.write:
                write_measured(rows)
                Path(args.write).write_text(table(rows), encoding='utf-8')
    print(table(rows))


if __name__ == '__main__':
    main()
