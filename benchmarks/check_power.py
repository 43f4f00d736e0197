#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Plant known faults in simulated audits, and count how often each check finds them.

One run simulates an audit of 20,000 objects with a calibrated finder, and plants one
fault; or none, and then runs the whole audit and counts any warning. Power has a
one-sided 95 % Clopper-Pearson lower bound, false alarms an upper one::

    python benchmarks/check_power.py --runs 500 --rst docs/check_power_table.inc
    python benchmarks/check_power.py --runs 20 --only hidden-lenses clean
"""
import argparse
from time import process_time

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack
from scipy.special import expit

from lensfinder_audit.audit import audit
from lensfinder_audit.checks.alone import run_alone
from lensfinder_audit.checks.injections import band_check, gain_check, host_check, realism_check
from lensfinder_audit.measure.intervals import binomial_interval

N, SHARE = 20000, 0.05
#: Standard deviation of the log odds of either class; their means lie its square apart.
WIDTH = 4.2
OPTIONS = {'fprs': [0.01, 0.002], 'n_resamples': 100}


def clean_sample(rng):
    """A calibrated finder; conditions that say nothing; bricks a degree apart."""
    lens = rng.random(N) < SHARE
    odds = rng.normal(np.where(lens, 0.5, -0.5) * WIDTH**2, WIDTH) + np.log(SHARE / (1 - SHARE))
    brick = rng.integers(0, 400, N)
    conditions = rng.normal(size=(400, 3))[brick]
    return QTable({
        'object_id': np.char.add('o', np.arange(N).astype(str)), 'label': lens,
        'ra': (2 + brick % 20 + rng.uniform(0, 0.9, N)) * u.deg,
        'dec': (-8.0 + brick // 20 + rng.uniform(0, 0.9, N)) * u.deg, 'brick': brick,
        'tier': np.where(lens, 'A', ''),
        'discovery_method': np.where(lens, 'spectroscopic', ''), 'p_finder': expit(odds),
        'psfsize_r': (1.3 + 0.1 * conditions[:, 0] + 0.03 * rng.normal(size=N)) * u.arcsec,
        'depth_r': 23.9 + 0.2 * conditions[:, 1], 'ebv': 0.05 * np.exp(0.5 * conditions[:, 2]),
        'nobs_z': 3 + rng.poisson(3, N)})


def clean(rng):
    """The whole audit of a clean sample: does it raise a warning?"""
    found = audit(clean_sample(rng), by=['psfsize_r', 'nobs_z'], **OPTIONS).findings
    return [str(row['check']) for row in found if row['severity'] != 'note']


def speaks(name, table, **options):
    """Whether one check raises a warning."""
    found, _ = run_alone(name, table, **OPTIONS, **options)
    return any(row['severity'] != 'note' for row in found)


def leaked(rng, share=0.05):
    """5 % of the lenses stand in the training sample as well, under another name."""
    table = clean_sample(rng)
    table['in_training'] = np.where(table['brick'] % 2, 'yes', 'no')
    lenses = np.flatnonzero(table['label'] & (table['in_training'] == 'no'))
    twins = table[rng.choice(lenses, round(share * len(lenses)), replace=False)]
    twins['object_id'] = np.char.add('t', twins['object_id'])
    twins['in_training'] = 'yes'
    twins['ra'] = twins['ra'] + rng.normal(0, 0.1, len(twins)) * u.arcsec
    table = vstack([table, twins]) if share else table
    return speaks('leakage', table, exclude_training=True)


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
    'shortcut by seeing': (seeing_shortcut, 'condition-shortcuts', 'AUC 0.60', {'shift': 0}),
    'miscalibration': (miscalibrated, 'calibration', 'slope 0.7', {'slope': 1}),
    'hidden lenses': (with_hidden, 'hidden-lenses', '0.2 % of the negatives', {'share': 0}),
    'swapped bands': (swapped_bands, 'band order', 'r and z', {'order': (0, 1, 2)}),
    'unrealistic arcs': (unrealistic, 'realism', 'AUC 0.75', {'shift': 0}),
    'wrong gain': (wrong_gain, 'gain', 'ten times', {'factor': 1}),
    'single-host cells': (single_hosts, 'hosts', '3 of 20 pools', {'n_single': 0}),
}


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
    names = [name for name in [*FAULTS, 'clean']
             if not options.only or name.replace(' ', '-') in options.only]
    counts, spoke, start = {name: [0, 0] for name in names}, set(), process_time()
    for first in range(0, options.runs, options.batch):
        runs = range(first, min(first + options.batch, options.runs))
        for name in names:
            found, words = count_runs(name, runs, options.seed)
            counts[name] = [a + b for a, b in zip(counts[name], found, strict=True)]
            spoke |= set(words)
        rows = [row_of(name, counts[name], runs[-1] + 1) for name in names]
        print(f'{runs[-1] + 1} runs, {process_time() - start:.0f} s', flush=True)
        if options.rst:
            write(options.rst, rows)
    for row in rows:
        print(*row, sep=' | ')
    if spoke:
        print('checks that spoke on clean audits:', ', '.join(sorted(spoke)))


def write(path, rows):
    """Write the table; an interrupted run leaves what it has."""
    with open(path, 'w', encoding='utf-8') as file:
        file.write(as_rst(rows))


if __name__ == '__main__':
    main()
