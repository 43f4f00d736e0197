#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time and weigh the whole suite of checks.

``python benchmarks/checks_scale.py`` audits 450,000 made-up scores, with ten axes, a
table of 110,000 injections into 20 pools of hosts and a catalogue of 5,000 known
lenses, in a fresh process, and tells what every check takes of it. The budget is two
minutes on two cores and 3 GB for all checks together, without images.

The peer, in a fresh process too, cross-validates one logistic regression of
scikit-learn on the same conditions, with the same groups in five folds, and takes its
AUC: the heart of one of the checks, without intervals, corrections or tables.
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
from audit_scale import COUNTS, FPRS, NUMBERS, WORDS, write_table

#: Budget of all checks.
SECONDS, GIGABYTES = 120, 3


def write_injections(path, n, *, n_pools=20, n_hosts=200):
    """Write a made-up table of injections; two pools have a single host."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(n)
    pool = rng.integers(0, n_pools, n)
    host = np.where(pool < 2, pool, n_hosts * pool + rng.integers(0, n_hosts, n))
    parquet.write_table(pa.table({
        'object_id': np.char.add('i', np.arange(n).astype(str)), 'arm': np.full(n, 'base'),
        'host': host.astype(str), 'cell': pool, 'score': rng.random(n) * (0.4 + 0.6 * (pool < 2)),
        'annulus_snr': rng.gamma(4, 5, n), 'problem': np.full(n, '')}), path)


def write_known(path, n=5000):
    """Write a made-up catalogue of known lenses."""
    rng = np.random.default_rng(1)
    np.savetxt(path, np.stack([rng.uniform(0, 360, n), rng.uniform(-18, 32, n)], axis=1),
               delimiter=',', header='ra,dec', comments='')


def run_checks(folder):
    """Audit the tables; return the seconds of every check."""
    from lensfinder_audit import audit
    from lensfinder_audit.checks import registry

    spent, call = {}, registry.Check.__call__

    def timed(check, case):
        begun = time.perf_counter(), time.process_time()
        try:
            return call(check, case)
        finally:
            spent[check.name] = (time.perf_counter() - begun[0], time.process_time() - begun[1])

    registry.Check.__call__ = timed
    audit(folder / 'scores.parquet', fprs=list(FPRS), by=[*NUMBERS, *COUNTS, *WORDS],
          prevalence=5e-4, group='healpix', known=folder / 'known.csv',
          injections=folder / 'injections.parquet')
    return {'checks': spent}  # wall and processor seconds, those of other threads included


def run_peer(folder):
    """Cross-validate one model on the same conditions."""
    from pyarrow import parquet
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer

    table = parquet.read_table(folder / 'scores.parquet')
    columns = np.stack([table[name].to_numpy() for name in (*NUMBERS, *COUNTS)], axis=1)
    label, group = (table[name].to_numpy() for name in ('label', 'healpix'))
    model = make_pipeline(KBinsDiscretizer(8, subsample=None, quantile_method='linear'),
                          LogisticRegression(max_iter=50))
    score = cross_val_predict(model, columns, label, groups=group, cv=GroupKFold(5),
                              method='decision_function')
    return {'checks': {}, 'auc': roc_auc_score(label, score)}


def child(task, folder):
    """Run one task and print its seconds and its greatest memory."""
    start = time.perf_counter()
    found = {'checks': run_checks, 'peer': run_peer}[task](Path(folder))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({'wall': time.perf_counter() - start, 'cpu': usage.ru_utime + usage.ru_stime,
                      'gigabytes': usage.ru_maxrss * 1024 / 1e9, **found}))


def measured(task, folder):
    """Run a task in a fresh process."""
    done = subprocess.run([sys.executable, __file__, '--child', task, str(folder)],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr or f'the {task} ended with {done.returncode}')
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Print the table; return 1 where the budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--rows', type=int, default=450_000)
    parser.add_argument('--injections', type=int, default=110_000)
    parser.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(*args.child)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_table(folder / 'scores.parquet', args.rows)
        write_injections(folder / 'injections.parquet', args.injections)
        write_known(folder / 'known.csv')
        peer, ours = (measured(task, folder) for task in ('peer', 'checks'))
    return tell(peer, ours, args.rows)


def tell(peer, ours, rows):
    """Print what every check took, and whether the budget is met."""
    for name, (wall, cpu) in sorted(ours['checks'].items(), key=lambda item: -item[1][1]):
        if cpu > 0.05:
            print(f'  {name:<24}{wall:7.1f} s {cpu:7.1f} CPU s')
    wall, cpu = (sum(item[i] for item in ours['checks'].values()) for i in (0, 1))
    print(f'{len(ours["checks"])} checks of {rows:,} scores: {wall:.1f} s, {cpu:.1f} CPU s, '
          f'{cpu / peer["cpu"]:.1f} times the CPU time of one cross-validated regression '
          f'({peer["cpu"]:.1f} s); greatest memory of the audit {ours["gigabytes"]:.2f} GB')
    over = wall > SECONDS or ours['gigabytes'] > GIGABYTES
    print(f'budget {SECONDS} s and {GIGABYTES} GB: {"NOT MET" if over else "met"}')
    return int(over)


if __name__ == '__main__':
    sys.exit(main())
