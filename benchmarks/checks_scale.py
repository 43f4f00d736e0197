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

The checks that look at images follow, in a process of their own: an audit of 5,000 objects
with a cutout store, 1,000 injections with their images and the network that ships, and beside
it the embedding of all 5,000. They have two more minutes. Their peer is that network
alone, on the 5,000 stamps::

    python benchmarks/checks_scale.py
    python benchmarks/checks_scale.py --only images
"""
import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy import units as u
from audit_scale import COUNTS, FPRS, NUMBERS, WORDS, write_table
from near_duplicates import lights, stamps

#: Budget of all checks that need no image, and again of those that do.
SECONDS, GIGABYTES = 120, 3

#: Checks of images.
LOOK = ('image-shortcuts', 'near-duplicates', 'bands', 'response', 'batch', 'realism')

#: Injections whose images were kept.
KEPT = 1000


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


def write_images(folder, n):
    """Write a made-up sample of objects with stamps, and injections with images."""
    import pyarrow as pa
    from pyarrow import parquet

    rng, store = np.random.default_rng(n), folder / 'store'
    store.mkdir()
    keys = np.char.add('o', np.arange(n).astype(str))
    write_stamps(store / 'cutouts', keys, rng)
    flux = {f'flux_{band}': rng.lognormal(3, 1, n) for band in 'grz'}
    parquet.write_table(pa.table({
        'object_id': keys, 'label': np.arange(n) % 4 == 0, 'p_finder': rng.random(n), **flux,
        'ra': rng.uniform(0, 360, n), 'dec': rng.uniform(-18, 32, n)}), store / 'scores.parquet')
    write_injections(store / 'injections.parquet', KEPT)
    write_stamps(store / 'images', np.char.add('i', np.arange(KEPT).astype(str)), rng)


def write_stamps(folder, keys, rng):
    """Write a store of made-up stamps."""
    from lensfinder_audit.cutouts import CutoutWriter

    middle, beside = lights(rng, 200, 101, (2, 8)), lights(rng, 200, 21, (1, 2))
    with CutoutWriter(folder, bands='grz', shape=(101, 101),
                      pixel_scale=0.262 * u.arcsec) as writer:
        for start in range(0, len(keys), 500):
            part = keys[start:start + 500]
            writer.add(part, stamps(rng, len(part), middle, beside))


@contextmanager
def timed_checks():
    """Give a dictionary that gets the seconds of every check, wall and processor."""
    from lensfinder_audit.checks import registry

    spent, call = {}, registry.Check.__call__

    def timed(check, case):
        begun = time.perf_counter(), time.process_time()
        try:
            return call(check, case)
        finally:
            spent[check.name] = (time.perf_counter() - begun[0], time.process_time() - begun[1])

    registry.Check.__call__ = timed
    yield spent  # those of other threads included
    registry.Check.__call__ = call


def run_checks(folder):
    """Audit the tables; return the seconds of every check."""
    from lensfinder_audit import audit

    with timed_checks() as spent:
        audit(folder / 'scores.parquet', fprs=list(FPRS), by=[*NUMBERS, *COUNTS, *WORDS],
              prevalence=5e-4, group='healpix', known=folder / 'known.csv',
              injections=folder / 'injections.parquet')
    return {'checks': spent}


def run_images(folder):
    """Audit objects with stamps; return the seconds of the checks that look at them."""
    from lensfinder_audit import audit
    from lensfinder_audit.classifiers.demo_network import DemoNetwork
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.realism_gate import stamp_features

    place, network = folder / 'store', DemoNetwork()
    with timed_checks() as spent:
        audit(place / 'scores.parquet', fprs=[0.01], store=place / 'cutouts', injections=place,
              classifier=network)
    store, begun = CutoutStore(place / 'cutouts'), (time.perf_counter(), time.process_time())
    for _, flux in store.batches(store.keys, 256):
        stamp_features(flux, classifier=network, bands=store.bands)
    spent[f'embedding of {len(store):,}'] = (time.perf_counter() - begun[0],
                                             time.process_time() - begun[1])
    return {'checks': {name: item for name, item in spent.items()
                       if name in LOOK or name.startswith('embedding')}}


def run_network(folder):
    """Score the stamps, and nothing else."""
    from lensfinder_audit.classifiers.demo_network import DemoNetwork
    from lensfinder_audit.cutouts import CutoutStore

    store, network = CutoutStore(folder / 'store' / 'cutouts'), DemoNetwork()
    for _, flux in store.batches(store.keys, 256):
        network(flux)
    return {'checks': {}}


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
    tasks = {'checks': run_checks, 'peer': run_peer, 'images': run_images, 'network': run_network}
    found = tasks[task](Path(folder))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({'wall': time.perf_counter() - start, 'cpu': usage.ru_utime + usage.ru_stime,
                      'gigabytes': peak(), **found}))


def peak():
    """Return the greatest memory of this process, in GB."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) * 1024 / 1e9


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
    parser.add_argument('--images', type=int, default=5000, help='objects with stamps; 0: none')
    parser.add_argument('--only', choices=('tables', 'images'), help='one of the two parts')
    parser.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(*args.child)
    over = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if args.only != 'images':
            write_table(folder / 'scores.parquet', args.rows)
            write_injections(folder / 'injections.parquet', args.injections)
            write_known(folder / 'known.csv')
            over |= tell(*(measured(task, folder) for task in ('peer', 'checks')), args.rows,
                         'scores', 'one cross-validated regression')
        if args.only != 'tables' and args.images:
            write_images(folder, args.images)
            over |= tell(*(measured(task, folder) for task in ('network', 'images')), args.images,
                         'images', 'the network that ships on them')
    return over


def tell(peer, ours, rows, what, whose):
    """Print what every check took, and whether the budget is met."""
    for name, (wall, cpu) in sorted(ours['checks'].items(), key=lambda item: -item[1][1]):
        if cpu > 0.05:
            print(f'  {name:<24}{wall:7.1f} s {cpu:7.1f} CPU s')
    wall, cpu = (sum(item[i] for item in ours['checks'].values()) for i in (0, 1))
    print(f'{len(ours["checks"])} checks of {rows:,} {what}: {wall:.1f} s, {cpu:.1f} CPU s, '
          f'{cpu / peer["cpu"]:.1f} times the CPU time of {whose} '
          f'({peer["cpu"]:.1f} s); greatest memory of the audit {ours["gigabytes"]:.2f} GB')
    over = wall > SECONDS or ours['gigabytes'] > GIGABYTES
    busy = over and cpu <= SECONDS and ours['gigabytes'] <= GIGABYTES
    print(f'budget {SECONDS} s and {GIGABYTES} GB: {"NOT MET" if over else "met"}'
          + (', but by CPU time: others use the machine' if busy else ''))
    return int(over)


if __name__ == '__main__':
    sys.exit(main())
