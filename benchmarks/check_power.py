#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Plant known faults in simulated audits, and count how often each check finds them.

One run simulates an audit of 20,000 objects with a calibrated finder, and plants one
fault; or none, and then runs the whole audit and counts any warning. Power has a
one-sided 95 % Clopper-Pearson lower bound, false alarms an upper one::

    python benchmarks/check_power.py --rst docs/check_power_table.inc
    python benchmarks/check_power.py --runs 20 --only hidden-lenses clean

Rows that take long have fewer runs, and those of ``--only`` are put in the place of the same
rows of a table that is there.
"""
import argparse
from pathlib import Path
from time import process_time

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack
from power_of_images import altered, batchwise, copied
from scipy.special import expit
from scipy.stats import norm

from lensfinder_audit.audit import audit
from lensfinder_audit.checks.alone import run_alone
from lensfinder_audit.checks.injections import band_check, gain_check, host_check, realism_check
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.sensitivity import sensitivity, sensitivity_findings
from lensfinder_audit.splits import expected_splits, sky_pixels

N, SHARE = 20000, 0.05
#: Standard deviation of the log odds of either class; their means lie its square apart.
WIDTH = 4.2
OPTIONS = {'fprs': [0.01, 0.002], 'n_resamples': 100}


def clean_sample(rng, n=N, share=SHARE):
    """A calibrated finder; conditions that say nothing; bricks a degree apart."""
    lens = rng.random(n) < share
    odds = rng.normal(np.where(lens, 0.5, -0.5) * WIDTH**2, WIDTH) + np.log(share / (1 - share))
    brick = rng.integers(0, 400, n)
    conditions = rng.normal(size=(400, 3))[brick]
    return QTable({
        'object_id': np.char.add('o', np.arange(n).astype(str)), 'label': lens,
        'ra': (2 + brick % 20 + rng.uniform(0, 0.9, n)) * u.deg,
        'dec': (-8.0 + brick // 20 + rng.uniform(0, 0.9, n)) * u.deg, 'brick': brick,
        'tier': np.where(lens, 'A', ''),
        'discovery_method': np.where(lens, 'spectroscopic', ''), 'p_finder': expit(odds),
        'psfsize_r': (1.3 + 0.1 * conditions[:, 0] + 0.03 * rng.normal(size=n)) * u.arcsec,
        'depth_r': 23.9 + 0.2 * conditions[:, 1], 'ebv': 0.05 * np.exp(0.5 * conditions[:, 2]),
        'nobs_z': 3 + rng.poisson(3, n)})


def clean(rng):
    """The whole audit of a clean sample: does it raise a warning?"""
    found = audit(clean_sample(rng), by=['psfsize_r', 'nobs_z'], **OPTIONS).findings
    return [str(row['check']) for row in found if row['severity'] != 'note']


def speaks(name, table, **options):
    """Whether one check raises a warning."""
    found, _ = run_alone(name, table, **{**OPTIONS, **options})
    return any(row['severity'] != 'note' for row in found)


def leaked(rng, share=0.05):
    """5 % of the held-out lenses stand in the training sample as well, under another name."""
    table = clean_sample(rng)
    table['in_training'] = np.where(expected_splits(sky_pixels(table)) == 'train', 'yes', 'no')
    lenses = np.flatnonzero(table['label'] & (table['in_training'] == 'no'))
    twins = table[rng.choice(lenses, round(share * len(lenses)), replace=False)]
    twins['object_id'] = np.char.add('t', twins['object_id'])
    twins['in_training'] = 'yes'
    twins['ra'] = twins['ra'] + rng.normal(0, 0.1, len(twins)) * u.arcsec
    table = vstack([table, twins]) if share else table
    return speaks('leakage', table, exclude_training=True)


def split_by_rows(rng, by_rows=True):
    """The training set was drawn row by row, and not by pixels of the sky."""
    table = clean_sample(rng)
    trained = rng.random(N) < 0.7 if by_rows else expected_splits(sky_pixels(table)) == 'train'
    table['in_training'] = np.where(trained, 'yes', 'no')
    return speaks('leakage', table, exclude_training=True)


def turning_trend(rng, slope=0.33):
    """Completeness of 80 % falls to 70 % one deviation up in seeing; in the north it rises."""
    table = clean_sample(rng)
    seeing = (table['psfsize_r'] - np.mean(table['psfsize_r'])) / np.std(table['psfsize_r'])
    sign = np.where(table['dec'] > np.median(table['dec']), 1, -1)
    odds = np.log(table['p_finder'] / (1 - table['p_finder']))
    table['p_finder'] = expit(odds + slope * WIDTH * sign * seeing.value * table['label'])
    middle = 0.5 * WIDTH**2 + np.log(SHARE / (1 - SHARE)) + norm.ppf(0.2) * WIDTH
    return speaks('sky-halves', table, by=['psfsize_r', 'nobs_z'], fprs=[],
                  thresholds=[float(expit(middle))])


def flipping(rng, trained=0.95, other=0.35, n=4000):
    """Of 400 lenses half were trained on; 95 % of these and 35 % of the others are found."""
    table = clean_sample(rng, n, 0.1)
    half = rng.random(n) < 0.5
    table['in_training'] = np.where(half, 'yes', 'no')
    found = rng.random(n) < np.where(half, trained, other)
    table['p_finder'] = np.where(table['label'], np.where(found, rng.uniform(0.5, 1, n),
                                                          rng.uniform(0, 0.5, n)),
                                 table['p_finder'])
    flips = sensitivity_findings(sensitivity(table, by=['psfsize_r'], thresholds=[0.5]))
    return any(item.severity == 'warning' for item in flips)


def seeing_shortcut(rng, shift=0.3583):
    """Lenses lie in better seeing: two normals that part with AUC 0.60."""
    table = clean_sample(rng)
    spread = np.std(table['psfsize_r'].value)
    table['psfsize_r'] = table['psfsize_r'] - shift * spread * table['label'] * u.arcsec
    return speaks('condition-shortcuts', table)


def miscalibrated(rng, slope=0.7):
    """The calibration slope is 0.7."""
    table = clean_sample(rng)
    odds = np.log(table['p_finder'] / (1 - table['p_finder']))
    table['p_finder'] = expit(odds / slope)
    return speaks('calibration', table)


def with_hidden(rng, share=0.002):
    """0.2 % of the negatives are lenses."""
    table = clean_sample(rng)
    lenses = np.flatnonzero(table['label'])
    count = round(share * (N - len(lenses)))
    table['label'][rng.choice(lenses, count, replace=False)] = False
    return speaks('hidden-lenses', table)


def swapped_bands(rng, order=(0, 2, 1), n=500):
    """r and z are swapped; stamps have 10 % photometry in an aperture."""
    flux = np.stack([np.ones(n), 10**(0.4 * rng.normal(1.15, 0.3, n)), np.ones(n)], axis=1)
    flux[:, 2] = flux[:, 1] * 10**(0.4 * rng.normal(0.85, 0.2, n))
    flux *= 10**rng.normal(0.5, 0.4, (n, 1))
    measured = flux[:, list(order)] * rng.uniform(0.5, 0.9, (n, 1)) * rng.normal(1, 0.1, (n, 3))
    return bool(band_check(measured, flux, 'grz')[1])


def unrealistic(rng, shift=0.9539, n=500, d=32):
    """Embeddings in which lenses and injections part with AUC 0.75."""
    lenses, made = rng.normal(size=(2, n, d))
    made[:, 0] += shift
    samples = {'lenses': (lenses, None), 'injections': (made, None)}
    return bool(realism_check(samples, n_permutations=49, seed=int(rng.integers(2**31)))[1])


def wrong_gain(rng, factor=0.1):
    """The gain is ten times too small for the noise of the pixels, which scatters by a half."""
    sky, true = np.array([0.12, 0.30, 1.9]), 5400.0
    noise = np.sqrt(sky / true) * np.exp(rng.normal(0, 0.25, (2000, 3)))
    return bool(gain_check(factor * true * u.electron / u.nmgy, noise, sky=sky, bands='grz'))


def single_hosts(rng, n_single=3):
    """3 of 20 pools of conditions hold a single host; hosts differ in how well they hide arcs."""
    pool = np.repeat(np.arange(20), 1000)
    host = np.where(pool < n_single, pool, 100 + 60 * pool + rng.integers(0, 60, len(pool)))
    rate = expit(rng.normal(-3, 0.8, 20000))[host]
    table = QTable({'host': host, 'cell': pool, 'score': (rng.random(len(pool)) < rate) * 1.0})
    return bool(host_check(table, threshold=0.5)[1])


#: Fault: what it does, its check, its planted strength, and without the fault.
FAULTS = {
    'leaking split': (leaked, 'leakage', '5 % of the lenses', {'share': 0}),
    'split by rows': (split_by_rows, 'leakage', 'all rows', {'by_rows': False}),
    'shortcut by seeing': (seeing_shortcut, 'condition-shortcuts', 'AUC 0.60', {'shift': 0}),
    'miscalibration': (miscalibrated, 'calibration', 'slope 0.7', {'slope': 1}),
    'hidden lenses': (with_hidden, 'hidden-lenses', '0.2 % of the negatives', {'share': 0}),
    'swapped bands': (swapped_bands, 'band order', 'r and z', {'order': (0, 1, 2)}),
    'unrealistic arcs': (unrealistic, 'realism', 'AUC 0.75', {'shift': 0}),
    'wrong gain': (wrong_gain, 'gain', 'ten times', {'factor': 1}),
    'single-host cells': (single_hosts, 'hosts', '3 of 20 pools', {'n_single': 0}),
    'trend that turns': (turning_trend, 'sky-halves', '80 % to 70 % and to 88 % per deviation',
                         {'slope': 0}),
    'flip with a cut': (flipping, 'sensitivity', '65 % found, 35 % of those not trained on',
                        {'trained': 0.65, 'other': 0.65}),
    'copies of lenses': (copied, 'near-duplicates', '2 of 100, moved, 0.3 sigma of noise',
                         {'share': 0}),
    'altered records': (altered, 'replay', '5 % of 200', {'share': 0}),
    'batch dependence': (batchwise, 'batch', '1 % of the score', {'share': 0}),
}

#: Rows of which a run takes a second or more.
FEWER = {'flip with a cut': 100}


def count_runs(name, runs, seed):
    """Return how often a fault was found and a sample without it was, or which checks spoke."""
    if name == 'clean':
        found = [clean(np.random.default_rng([seed, i, 2])) for i in runs]
        return [0, sum(bool(item) for item in found)], sorted({word for item in found
                                                               for word in item})
    plant, _, _, without = FAULTS[name]
    return [sum(bool(plant(np.random.default_rng([seed, i, side]), **options)) for i in runs)
            for side, options in enumerate(({}, without))], []


def row_of(name, counts, runs):
    """Return a row of the table: found and false alarms with their bounds."""
    low, high = (float(binomial_interval(count, runs, method='clopper-pearson', sides=1)[end])
                 for end, count in enumerate(counts))
    if name == 'clean':
        return ['none (whole audit)', '', 'any warning', '', '', f'{counts[1]} of {runs}',
                f'{high:.3f}']
    _, check, strength, _ = FAULTS[name]
    return [name, strength, check, f'{counts[0]} of {runs}', f'{low:.3f}',
            f'{counts[1]} of {runs}', f'{high:.3f}']


def as_rst(rows):
    """Return the table as reStructuredText."""
    header = ['fault', 'strength', 'check', 'found', 'lower bound', 'false alarms', 'upper bound']
    lines = ['.. list-table::', '   :header-rows: 1', '']
    for row in [header, *rows]:
        lines += [f'   {"*" if i == 0 else " "} - {cell}'.rstrip() for i, cell in enumerate(row)]
    return '\n'.join([*lines, ''])


def main():
    """Run, print, and write the table for the documentation."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=500, help='simulated audits for each row')
    parser.add_argument('--batch', type=int, default=20, help='runs of each row before the next')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', nargs='*', help='faults, with "clean" for whole audits')
    parser.add_argument('--rst', help='file to write the table to, after every batch')
    options = parser.parse_args()
    before = read_rows(options.rst) if options.rst and options.only else {}
    names = [name for name in [*FAULTS, 'clean']
             if not options.only or name.replace(' ', '-') in options.only]
    counts, done = ({name: start for name in names} for start in ([0, 0], 0))
    spoke, start = set(), process_time()
    for first in range(0, options.runs, options.batch):
        for name in names:
            last = min(first + options.batch, options.runs, FEWER.get(name, options.runs))
            found, words = count_runs(name, range(first, last), options.seed)
            counts[name] = [a + b for a, b in zip(counts[name], found, strict=True)]
            done[name] = max(last, done[name])
            spoke |= set(words)
        rows = {name: row_of(name, counts[name], done[name]) for name in names}
        print(f'{max(done.values())} runs, {process_time() - start:.0f} s', flush=True)
        if options.rst:
            write(options.rst, before, rows)
    for row in rows.values():
        print(*row, sep=' | ')
    if spoke:
        print('checks that spoke on clean audits:', ', '.join(sorted(spoke)))


def read_rows(path):
    """Read the rows of an earlier table by the name of their fault."""
    text = Path(path).read_text(encoding='utf-8') if Path(path).exists() else ''
    rows = [[line.lstrip(' *-') for line in part.splitlines()]
            for part in text.split('   * - ')[2:]]
    names = {row_of('clean', [0, 0], 1)[0]: 'clean'}
    return {names.get(row[0], row[0]): row for row in rows}


def write(path, before, rows):
    """Write the table; an interrupted run leaves what it has."""
    rows = before | rows
    with open(path, 'w', encoding='utf-8') as file:
        file.write(as_rst([rows[name] for name in [*FAULTS, 'clean'] if name in rows]))


if __name__ == '__main__':
    main()
