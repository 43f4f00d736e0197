# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Say what the whole of DR10 costs, from rates that are measured here.

``python docs/make_survey_cost.py --measure`` measures every step on one core for some
seconds and writes ``docs/survey_rates.ecsv``; without ``--measure`` the rates of that
file are used. Either way ``docs/survey_cost_table.inc`` is written from them.
"""
import argparse
import platform
import sys
import tempfile
import warnings
from datetime import date
from pathlib import Path
from time import process_time

import numpy as np
from astropy import units as u
from astropy.table import QTable, Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / 'benchmarks'))

RATES, OUTPUT = HERE / 'survey_rates.ecsv', HERE / 'survey_cost_table.inc'

# What DR10 is: docs/survey_scale.rst says where each number is from.
SWEEP_BYTES, POOLED, CUTOUTS, SCORED, BRICKS = 900e9, 26.7e6, 450_000, 45e6, 240_000
BANDS, SIZE, SERVICE_RATE = 3, 101, 1.0

# Cores, and bytes per second from the outside, of three places.
PLACES = {'laptop, 8 cores, 100 Mbit/s': (8, 12.5e6), '64-core node, 1 Gbit/s': (64, 125e6),
          'cluster, 1,024 cores, 10 Gbit/s': (1024, 1.25e9)}


def cpu_of(function):
    """Return the CPU seconds of a call, and what it returns."""
    start = process_time()
    found = function()
    return process_time() - start, found


def measure_catalogues(folder):
    """Pool, match and sample; seconds per row."""
    from sample_engines import write_pool

    from lensfinder_audit.engines.local import LocalEngine
    from lensfinder_audit.negatives import Pool, make_pool, plan_pool
    from lensfinder_audit.sample_rules import load_rules
    from lensfinder_audit.sampling import draw_sample
    from lensfinder_audit.sources.sweeps import write_mock_sweeps

    engine, n = LocalEngine(workers=1), 300_000
    lenses = tuple(np.random.default_rng(0).uniform((0, -18), (360, 32), (5104, 2)).T)
    small, path = (write_mock_sweeps(folder / name, n_files=1, n_rows=rows, first=300)
                   for name, rows in (('small', 1000), ('sweeps', n)))
    make = lambda files, name: make_pool(plan_pool(files), folder / name,  # noqa: E731
                                         load_rules('paper4'), engine=engine, lenses=lenses)
    make(small, 'warm')
    pool_cpu, pool = cpu_of(lambda: make(path, 'pooled'))
    size = sum(pool.part(number).stat().st_size for number in pool.parts)
    yield ('pool', 'row of a sweep', n, pool_cpu, path[0].stat().st_size, 0)
    yield ('pool, written', 'galaxy of the pool', pool.report['n_pool'], 0.0, 0, size)
    (folder / 'big').mkdir()
    write_pool(folder / 'big', 2_000_000, None, None)
    draw_sample(Pool(folder / 'warm'), seed=1, engine=engine, per_stratum=5)
    sample_cpu, _ = cpu_of(lambda: draw_sample(Pool(folder / 'big' / 'pool'), seed=1,
                                               engine=engine, per_stratum=200))
    yield ('sample', 'galaxy of the pool', 2_000_000, sample_cpu, 0, 0)


def measure_bricks(folder):
    """Open a brick and cut objects from it: CPU seconds of each, and bytes of its files."""
    from brick_cutting import BANDS as bands
    from brick_cutting import SCALE, with_this_package, write_brick

    write_brick(folder, 3600)
    paths, seconds = [folder / f'{band}.fits.fz' for band in bands], {}
    for n in (3, 3, 500):
        rng = np.random.default_rng(n)
        reach = 1500 * SCALE
        ra, dec = 10.125 + rng.uniform(-reach, reach, n), rng.uniform(-reach, reach, n)
        stamps = np.zeros((n, BANDS, SIZE, SIZE), np.float32)
        seconds[n], _ = cpu_of(lambda: with_this_package(  # noqa: B023
            paths, ra, dec, SIZE, stamps))  # noqa: B023
    each = max(seconds[500] - seconds[3], 0) / 497
    size = sum(path.stat().st_size for path in paths)
    yield ('open a brick, 3 bands', 'brick', 1, max(seconds[3] - 3 * each, 0), size, 0)
    yield ('cut', 'cutout', 497, 497 * each, 0, 0)


def measure_stamps(folder, n=1500):
    """Write cutouts with checksums, read and score them with the network that ships."""
    from lensfinder_audit.classifiers.demo_network import DemoNetwork
    from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
    from lensfinder_audit.scoring import score_manifest
    from lensfinder_audit.survey import PIXEL_SCALE

    keys = np.array([f'object-{i}' for i in range(n)])
    flux = np.random.default_rng(0).normal(0, 0.01, (n, BANDS, SIZE, SIZE)).astype(np.float32)
    for dtype in ('float32', 'int16'):
        with CutoutWriter(folder / dtype, bands='grz', shape=(SIZE, SIZE), dtype=dtype,
                          pixel_scale=PIXEL_SCALE) as writer:
            writer.add(keys[:50], flux[:50])
            seconds, _ = cpu_of(lambda: writer.add(keys[50:], flux[50:]))  # noqa: B023
        size = sum(path.stat().st_size for path in (folder / dtype).iterdir() if path.is_file())
        yield (f'store, {dtype}', 'cutout', n, seconds * n / (n - 50), 0, size)
    store, table = CutoutStore(folder / 'float32'), QTable({'object_id': keys})
    score_manifest(DemoNetwork(), table[:64], store)
    seconds, _ = cpu_of(lambda: score_manifest(DemoNetwork(), table, store))
    yield ('score, network that ships', 'cutout', n, seconds, 0, 0)


def measure_manifest(n=200_000):
    """Join, split and check the key of every row."""
    from lensfinder_audit.manifest_build import build_manifest

    rng = np.random.default_rng(0)
    place = {'ra': rng.uniform(0, 360, n) * u.deg, 'dec': rng.uniform(-18, 32, n) * u.deg}
    lens = QTable({'name': ['lens'], 'ra': [10.0] * u.deg, 'dec': [40.0] * u.deg, 'tier': ['A']})
    rows = QTable({'object_id': np.arange(n).astype(str), **place, 'weight': np.ones(n)})
    seconds, _ = cpu_of(lambda: build_manifest(lens, rows))
    yield ('manifest and split', 'row', n, seconds, 0, 0)


def measure():
    """Measure all rates and write them."""
    warnings.simplefilter('ignore')
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for function in (measure_catalogues, measure_bricks, measure_stamps):
            folder = Path(name) / function.__name__
            folder.mkdir()
            (folder / 'sweeps').mkdir()
            (folder / 'small').mkdir()
            rows += list(function(folder))
    rows += list(measure_manifest())
    table = Table(rows=rows, names=['step', 'unit', 'n', 'cpu_seconds', 'bytes_read',
                                    'bytes_written'])
    table.meta = {'date': str(date.today()), 'machine': platform.machine(),
                  'python': platform.python_version(), 'processor': processor(),
                  'command': 'python docs/make_survey_cost.py --measure'}
    table.write(RATES, format='ascii.ecsv', overwrite=True)


def processor():
    """Return what Linux calls the processor, or nothing."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return ''
    return next((line.partition(':')[2].strip() for line in lines if 'model name' in line), '')


def steps(rates):
    """Return the steps: name, core seconds, bytes from outside, bytes written, requests."""
    each = {row['step']: row['cpu_seconds'] / row['n'] for row in rates}
    read = {row['step']: row['bytes_read'] / row['n'] for row in rates}
    written = {row['step']: row['bytes_written'] / row['n'] for row in rates}
    sweep_rows = SWEEP_BYTES / read['pool']
    some = BRICKS * (1 - np.exp(-CUTOUTS / BRICKS))  # bricks that hold an object of the sample
    opened, brick = 'open a brick, 3 bands', read['open a brick, 3 bands']
    stamp = each['cut'] + each['store, float32']
    yield ('pool: cuts on the sweeps', sweep_rows * each['pool'], SWEEP_BYTES,
           POOLED * written['pool, written'], 792)
    yield 'sample 450,000', POOLED * each['sample'], 0, CUTOUTS * written['pool, written'], 0
    yield ('450,000 cutouts from bricks', some * each[opened] + CUTOUTS * stamp,
           some * brick, CUTOUTS * written['store, float32'], BANDS * some)
    yield ('450,000 from the service instead', CUTOUTS * each['store, float32'],
           CUTOUTS * 4 * BANDS * SIZE**2, CUTOUTS * written['store, float32'], CUTOUTS)
    yield 'manifest and split', CUTOUTS * each['manifest and split'], 0, CUTOUTS * 200, 0
    yield ('45 million cut, as int16', BRICKS * each[opened] + SCORED * (
        each['cut'] + each['store, int16']), BRICKS * brick, SCORED * written['store, int16'],
        BANDS * BRICKS)
    yield ('45 million scored', SCORED * each['score, network that ships'], 0, SCORED * 40, 0)


def write_table(rates):
    """Write the page's tables."""
    titles = ['step', 'core-hours', 'read from outside', 'written', 'requests', *PLACES]
    rows = []
    for name, seconds, outside, written, requests in steps(rates):
        polite = requests / SERVICE_RATE if 'service' in name else 0
        walls = [wall(max(seconds / cores, outside / link, polite))
                 for cores, link in PLACES.values()]
        rows.append([name, f'{seconds / 3600:,.3g}', size(outside), size(written),
                     f'{requests:,.0f}' if requests else '', *walls])
    known = rates.meta
    text = ['.. Written by: python docs/make_survey_cost.py', '']
    text += list_table('Cost of DR10, and the longer of its computing and its reading', titles,
                       rows)
    text += [f'Rates, measured on {known["date"]} ({known["processor"]}, Python '
             f'{known["python"]}) by ``{known["command"]}``:', '']
    text += list_table('Rates of one core', ['step', 'CPU time', 'for a'], [
        [row['step'], span(row['cpu_seconds'] / row['n']), row['unit']] for row in rates
        if row['cpu_seconds']])
    OUTPUT.write_text('\n'.join(text), encoding='utf-8')


def list_table(title, head, rows):
    """Return the lines of a table."""
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in [head, *rows]:
        lines += [f'   {"*" if i == 0 else " "} - {cell}' for i, cell in enumerate(row)]
    return [*lines, '']


def size(n):
    """Write bytes for people."""
    for unit, scale in (('TB', 1e12), ('GB', 1e9), ('MB', 1e6)):
        if n >= scale:
            return f'{n / scale:.3g} {unit}'
    return ''


def span(seconds):
    """Write a short time for people."""
    for unit, scale in (('s', 1), ('ms', 1e-3), ('µs', 1e-6)):
        if seconds >= scale:
            return f'{seconds / scale:.3g} {unit}'
    return f'{seconds / 1e-9:.3g} ns'


def wall(seconds):
    """Write a long time for people."""
    for unit, scale in (('days', 86400), ('h', 3600), ('min', 60)):
        if seconds >= 1.5 * scale:
            return f'{seconds / scale:.2g} {unit}'
    return f'{max(seconds, 1):.0f} s'


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--measure', action='store_true', help='measure the rates anew')
    if parser.parse_args().measure:
        measure()
    write_table(Table.read(RATES))
