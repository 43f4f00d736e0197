#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time and weigh a whole audit of growing tables.

``python benchmarks/audit_scale.py`` writes Parquet tables of 45,000, 450,000 and
4,500,000 made-up objects and audits each in a fresh process, from reading to the
report: one finder, two operating points, ten axes (numbers in single and double
precision, integers, words), weights, strata, sky pixels, confuser families, a
prevalence and 10,000 resamples.

The peer, in a fresh process as well, reads the same file and measures the AUC with
`sklearn.metrics.roc_auc_score` and the fractions of all the same cells with masks
and `astropy.stats.binom_conf_interval`: no bootstrap, no calibration, no report,
and intervals that ignore weights and pixels. With a bootstrap of 10,000 resamples
it would take 10,000 times as long.
"""
import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

#: Budget of the middle size on two cores.
ROWS, SECONDS, GIGABYTES = 450_000, 30, 2

NUMBERS = ('psfsize_g', 'psfsize_r', 'psfdepth_r', 'ebv', 'mag_z')
COUNTS = ('nobs_g', 'nobs_r', 'nobs_z')
WORDS = ('type', 'region')
FPRS = (0.01, 0.001)


def write_table(path, n):
    """Write a made-up table; 94 negatives to a lens."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(n)
    label = rng.random(n) < 1 / 95
    stratum = rng.integers(0, 20, n)
    family = rng.choice(['', 'ring', 'edge-on', 'large galaxy', 'blue clumpy'], n,
                        p=(0.86, 0.02, 0.05, 0.03, 0.04))
    columns = {
        'object_id': np.arange(n) + 10**15, 'ra': rng.uniform(0, 360, n),
        'dec': rng.uniform(-18, 32, n), 'label': label,
        'healpix': rng.integers(0, max(n // 22, 500), n),
        'weight': np.where(label, 1, np.geomspace(20, 200, 20)[stratum]),
        'stratum': np.char.add('s', stratum.astype(str)),
        'tier': np.where(label, np.where(rng.random(n) < 0.1, 'A', 'B'), ''),
        'discovery_method': np.where(label, rng.choice(['spectroscopic', 'CNN'], n), ''),
        'confuser_class': np.where(label, '', family)}
    columns |= {name: rng.gamma(9, 0.15, n).astype(np.float32 if name[0] == 'p' else float)
                for name in NUMBERS}
    columns |= {name: 3 + rng.poisson(4, n) for name in COUNTS}
    columns |= {'type': rng.choice(['SER', 'DEV', 'REX', 'EXP'], n),
                'region': rng.choice(['ngc', 'sgc', 'des'], n)}
    logit = np.where(label, 2 - 2 * (columns['psfsize_r'] - 1.3), -5) + rng.normal(0, 2, n)
    columns['p_finder'] = (1 / (1 + np.exp(-logit))).astype(np.float32)
    parquet.write_table(pa.table(columns), path)


def run_audit(path):
    """Audit a file and write the result; return the seconds of both."""
    from lensfinder_audit import audit, findings

    spent, collect = [], findings.collect_findings

    def timed(*arguments, **options):
        begun = time.perf_counter()
        try:
            return collect(*arguments, **options)
        finally:
            spent.append(time.perf_counter() - begun)

    findings.collect_findings = timed
    start = time.perf_counter()
    result = audit(path, fprs=list(FPRS), by=[*NUMBERS, *COUNTS, *WORDS], prevalence=5e-4,
                   group='healpix')
    middle = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result.write(Path(folder) / 'audit')
    return {'audit': middle - start, 'write': time.perf_counter() - middle,
            'checks': sum(spent),
            'cells': sum(len(table) for table in result.tables.values())}


def run_peer(path):
    """Measure what common tools measure in a loop over cells."""
    from astropy.stats import binom_conf_interval
    from pyarrow import parquet
    from sklearn.metrics import roc_auc_score

    table = parquet.read_table(path)
    table = {name: table[name].to_numpy() for name in table.column_names}
    score, label, weight = table['p_finder'], table['label'], table['weight']
    found = [roc_auc_score(label, score, sample_weight=weight)]
    for fpr in FPRS:
        passed = score >= np.quantile(score[~label], 1 - fpr)
        for name in [*NUMBERS, *COUNTS, *WORDS, 'confuser_class']:
            for inside in cells(table[name]):
                for rows in (inside & label & (table['tier'] == 'A'),
                             inside & label & (table['tier'] == 'B'), inside & ~label):
                    if rows.any():
                        found.append(np.average(passed[rows], weights=weight[rows]))
                        binom_conf_interval(passed[rows].sum(), rows.sum(), interval='wilson')
    return {'cells': len(found)}


def cells(values):
    """Yield the rows of each class or fifth of a column."""
    if values.dtype.kind == 'O':
        values = values.astype(str)
    if values.dtype.kind == 'U':
        yield from (values == level for level in np.unique(values))
        return
    edges = np.quantile(values, np.linspace(0, 1, 6))
    yield from ((values >= low) & (values < high) for low, high in zip(edges[:-1], edges[1:]))


def child(task, path):
    """Run one task and print its wall and processor seconds and its greatest memory."""
    start = time.perf_counter()
    found = {'audit': run_audit, 'peer': run_peer}[task](path)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    drawing = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(item.ru_utime + item.ru_stime for item in (usage, drawing))
    print(json.dumps({'wall': time.perf_counter() - start, 'cpu': cpu,
                      'gigabytes': usage.ru_maxrss * 1024 / 1e9, **found}))


def measured(task, path):
    """Run a task in a fresh process."""
    done = subprocess.run([sys.executable, __file__, '--child', task, str(path)], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Print the table; return 1 where the budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--rows', type=int, nargs='+', default=[45_000, ROWS, 4_500_000])
    parser.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(*args.child)
    print(f'{"rows":>10}{"":8}{"wall s":>9}{"CPU s":>9}{"GB":>7}{"wall s per":>13}{"CPU s per":>12}'
          f'{"result":>9}\n{"":43}{"million rows":>13}{"million rows":>12}{"rows":>9}')
    with tempfile.TemporaryDirectory() as folder:
        return max([compare(Path(folder) / f'{n}.parquet', n) for n in args.rows])


def compare(path, n):
    """Print the lines of one size; return 1 where it is the middle size and over budget."""
    write_table(path, n)
    found = {task: measured(task, path) for task in ('peer', 'audit')}
    for task, at in found.items():
        print(f'{n:10,} {task:7}{at["wall"]:9.1f}{at["cpu"]:9.1f}{at["gigabytes"]:7.2f}'
              f'{at["wall"] / n * 1e6:13.1f}{at["cpu"] / n * 1e6:12.1f}{at["cells"]:9,}')
    ours, peer = found['audit'], found['peer']
    print(f'{"":11}audit {ours["audit"]:.1f} s ({ours["checks"]:.1f} of it checks), write '
          f'{ours["write"]:.1f} s; '
          f'{ours["wall"] / peer["wall"]:.1f} times the wall time and '
          f'{ours["cpu"] / peer["cpu"]:.1f} times the CPU time of the peer', flush=True)
    if n != ROWS:
        return 0
    bare = ours['wall'] - ours['checks']
    over = bare > SECONDS or ours['gigabytes'] > GIGABYTES
    print(f'{"":11}budget without the checks, which have one of their own: {SECONDS} s and '
          f'{GIGABYTES} GB: {bare:.1f} s, {"NOT MET" if over else "met"}')
    return int(over)


if __name__ == '__main__':
    sys.exit(main())
