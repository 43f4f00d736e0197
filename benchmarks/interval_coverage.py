#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Measure by simulation how often the intervals of the package cover the truth.

``python benchmarks/interval_coverage.py`` simulates thousands of samples of every kind (plain,
weighted, stratified, clustered, weighted and clustered), takes the 95 % intervals
that the package would give and counts how often they hold the truth::

    python benchmarks/interval_coverage.py --write docs/coverage_table.inc
    python benchmarks/interval_coverage.py --runs 400

With the default of 4,000 samples the standard error of a coverage near 95 % is 0.34
points. Groups share a rate that is drawn from a beta distribution, so that ``icc`` is
the correlation of two rows of one group.
"""
import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from astropy.table import QTable
from scipy.special import expit, ndtr, ndtri

from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.calibration_fit import calibration_fits
from lensfinder_audit.measure.delong import auc_interval
from lensfinder_audit.measure.intervals import binomial_interval, percentile_interval
from lensfinder_audit.measure.purity import purity_table
from lensfinder_audit.measure.rates import cell_rates
from lensfinder_audit.measure.resampling import Resampler
from lensfinder_audit.measure.roc_bootstrap import roc_bootstrap
from lensfinder_audit.measure.thresholds import OperatingPoint, set_threshold

#: Nominal coverage, how far off is called a miss, and the least effective events.
NOMINAL, MARGIN, EVENTS = 0.95, 0.015, 10

RATES = (0.01, 0.1, 0.5, 0.9)
INTERVALS = ('wilson', 'jeffreys', 'clopper-pearson', 'bootstrap')

#: Rows of one block of simulated samples, and samples of one task.
BLOCK, PART = 1_000_000, 1000


@dataclass(frozen=True)
class Sample:
    """A kind of sample: rows, groups with their correlation, spread of the weights, strata."""

    name: str
    n: int
    groups: int = 0
    icc: float = 0.0
    spread: float = 0.0
    strata: int = 0

    def effective_events(self, rate):
        """Expected successes or failures, whichever are fewer, over the design effect."""
        effect = np.exp(self.spread**2) if self.spread else 1.0
        if self.strata:
            effect = self.strata * (shares(self.strata)**2).sum()
        if self.groups:
            effect += (self.n - 1) / self.groups * self.icc
        return self.n * min(rate, 1 - rate) / effect


def shares(n_strata):
    """Return the share of the population that each stratum stands for."""
    return np.arange(n_strata, 0, -1) / np.arange(1, n_strata + 1).sum()


SAMPLES = (
    Sample('plain', 30), Sample('plain', 100), Sample('plain', 1000),
    Sample('weighted', 100, spread=0.7), Sample('weighted', 1000, spread=0.7),
    Sample('stratified', 100, strata=4), Sample('stratified', 1000, strata=4),
    Sample('clustered', 200, 40, 0.3), Sample('clustered', 1000, 200, 0.3),
    Sample('clustered', 600, 30, 0.05), Sample('clustered', 2000, 100, 0.05),
    Sample('weighted, clustered', 200, 40, 0.3, 0.7),
    Sample('weighted, clustered', 1000, 200, 0.3, 0.7),
    Sample('weighted, clustered', 600, 30, 0.05, 0.7),
    Sample('weighted, clustered', 2000, 100, 0.05, 0.7),
)


def draw(sample, rate, runs, rng):
    """Draw samples one after the other; return the columns of `cell_rates`."""
    shape = runs, sample.n
    columns = {'cell': np.repeat(np.arange(runs), sample.n)}
    chance = np.full(shape, rate)
    if sample.groups:
        group = rng.integers(0, sample.groups, shape)
        size = (1 - sample.icc) / sample.icc
        shared = rng.beta(rate * size, (1 - rate) * size, (runs, sample.groups))
        chance = np.take_along_axis(shared, group, axis=1)
        columns['group'] = group.ravel()
    if sample.spread:
        columns['weight'] = rng.lognormal(0, sample.spread, sample.n * runs)
    if sample.strata:
        stratum = np.broadcast_to(np.arange(sample.n) % sample.strata, shape)
        share = shares(sample.strata)
        rare = min(rate, 1 - rate)
        tilt = (2 - 1.4 * rare)**np.arange(sample.strata)  # no stratum comes near certainty
        tilt *= rare / (share * tilt).sum()
        chance = (tilt if rate <= 0.5 else 1 - tilt)[stratum]
        columns |= {'stratum': stratum.ravel(), 'weight': share[stratum].ravel()}
    columns['success'] = (rng.random(shape) < chance).ravel()
    return columns


def fraction_coverage(sample, rate, runs, seed):
    """Return the coverage of the intervals of a fraction."""
    rng = np.random.default_rng([seed, 1])
    step = max(1, BLOCK // sample.n)
    found = [_fractions(sample, rate, min(step, runs - i), rng) for i in range(0, runs, step)]
    inside = np.concatenate(found, axis=1)
    return dict(zip(INTERVALS, inside.mean(axis=1), strict=True))


def _fractions(sample, rate, runs, rng):
    columns = draw(sample, rate, runs, rng)
    found = cell_rates(n_cells=runs, **columns)
    ends = [binomial_interval(found['estimate'] * found['n_eff'], found['n_eff'], method=name)
            for name in INTERVALS[:3]]
    ends.append(_bootstrap(sample, columns, runs, rng))
    return np.array([(lo <= rate) & (rate <= hi) for lo, hi in ends])


def _bootstrap(sample, columns, runs, rng, n_resamples=1000):
    """Resample all samples of a block with the same draws, as an audit does its cells."""
    unit = columns.get('group', np.tile(np.arange(sample.n), runs))
    layer = np.arange(sample.n) % sample.strata if sample.strata else None
    draws = Resampler(sample.groups or sample.n, stratum=layer, n_resamples=n_resamples,
                      seed=int(rng.integers(2**31)))
    first = draws.unit  # units are numbered layer by layer
    draws.unit = first[unit]
    rates = draws.rates(columns['success'], weight=columns.get('weight'), cell=columns['cell'],
                        n_cells=runs)
    return percentile_interval(rates)


def auc_coverage(n, groups, runs, seed, area=0.95):
    """Coverage of DeLong's interval and of the bootstrap; a tenth of the rows are positives."""
    rng, inside = np.random.default_rng([seed, 2]), []
    shift = np.sqrt(2) * ndtri(area)
    for run in range(runs):
        label, group, shared = np.arange(n) < n // 10, None, 0.0
        if groups:
            group = rng.integers(0, groups, n)
            shared = np.sqrt(0.3) * rng.normal(size=groups)[group]
        score = shift * label + shared + np.sqrt(0.7 if groups else 1) * rng.normal(size=n)
        found = auc_interval(score, label, group=group)
        draws = roc_bootstrap(score, label, group=group, n_resamples=300, seed=run, fpr=[0.1])
        ends = (found.lo, found.hi), percentile_interval(draws.auc)
        inside.append([lo <= area <= hi for lo, hi in ends])
    return dict(zip(('DeLong (logit)', 'AUC bootstrap'), np.mean(inside, axis=0), strict=True))


def purity_coverage(n, rates, runs, seed, prevalence=0.01):
    """Coverage of the interval of purity; a tenth of the rows are lenses."""
    rng = np.random.default_rng([seed, 3])
    label = np.tile(np.arange(n) < n // 10, runs)
    run = np.repeat(np.arange(runs), n)
    passed = rng.random(len(label)) < np.where(label, *rates)
    table = QTable({'score': passed.astype(float), 'label': label, 'run': run})
    found = purity_table(table, threshold=0.5, prevalence=prevalence, n_resamples=1000,
                         by=Axis('run', edges=tuple(np.arange(runs + 1.0))))
    true = prevalence * rates[0], (1 - prevalence) * rates[1]
    true = true[0] / sum(true)
    return {'purity': np.mean((found['lo'] <= true) & (true <= found['hi']))}


def threshold_coverage(n, fpr, spread, runs, seed):
    """Coverage of the interval of a threshold set on normal scores."""
    rng, inside = np.random.default_rng([seed, 4]), []
    label, point, true = np.zeros(n, bool), OperatingPoint(fpr=fpr), ndtri(1 - fpr)
    for _ in range(runs):
        weight = rng.lognormal(0, spread, n) if spread else None
        row = set_threshold(rng.normal(size=n), label, point, weight=weight)
        inside.append(row['threshold_lo'] <= true <= row['threshold_hi'])
    return {'threshold': np.mean(inside)}


def slope_coverage(n, groups, spread, runs, seed, slope=0.8):
    """Coverage of the interval of the calibration slope; a fifth or so are lenses."""
    rng, inside = np.random.default_rng([seed, 5]), []
    for _ in range(runs):
        unit = rng.integers(0, groups, n) if groups else None
        odds = rng.normal(-2, 1.5, n)
        # rows of a group share a normal number: their labels are correlated at fixed odds
        shared = np.zeros(n) if unit is None else np.sqrt(0.3) * rng.normal(size=groups)[unit]
        noise = ndtr(shared + np.sqrt(0.7 if groups else 1) * rng.normal(size=n))
        weight = rng.lognormal(0, spread, n) if spread else np.ones(n)
        fit = calibration_fits(expit(odds), noise < expit(slope * odds), weight, unit=unit)[0]
        lo, hi = fit.interval(1) if fit else (-np.inf, np.inf)
        inside.append(lo <= slope <= hi)
    return {'calibration slope': np.mean(inside)}


#: Other intervals: what the table calls the sample, rows, groups, events, function, arguments.
OTHERS = (
    ('AUC 0.95, plain', 200, 0, 20, auc_coverage, (200, 0)),
    ('AUC 0.95, plain', 600, 0, 60, auc_coverage, (600, 0)),
    ('AUC 0.95, clustered', 600, 120, 60, auc_coverage, (600, 120)),
    ('purity, 5 of 900 expected to pass', 1000, 0, 5, purity_coverage, (1000, (0.8, 5 / 900))),
    ('purity, 20 of 900 expected to pass', 1000, 0, 20, purity_coverage, (1000, (0.8, 20 / 900))),
    ('purity, 90 of 900 expected to pass', 1000, 0, 90, purity_coverage, (1000, (0.5, 0.1))),
    ('threshold at FPR 0.001, plain', 2000, 0, 2, threshold_coverage, (2000, 0.001, 0)),
    ('threshold at FPR 0.01, plain', 2000, 0, 20, threshold_coverage, (2000, 0.01, 0)),
    ('threshold at FPR 0.1, plain', 2000, 0, 200, threshold_coverage, (2000, 0.1, 0)),
    ('threshold at FPR 0.01, weighted', 2000, 0, 20, threshold_coverage, (2000, 0.01, 0.7)),
    ('threshold at FPR 0.1, weighted', 2000, 0, 200, threshold_coverage, (2000, 0.1, 0.7)),
    ('calibration slope, plain', 500, 0, 100, slope_coverage, (500, 0, 0)),
    ('calibration slope, weighted', 500, 0, 100, slope_coverage, (500, 0, 0.7)),
    ('calibration slope, clustered', 500, 100, 100, slope_coverage, (500, 100, 0)),
    ('calibration slope, weighted, clustered', 500, 100, 100, slope_coverage, (500, 100, 0.7)),
)


def measure(runs):
    """Return the rows of both tables, from all cores."""
    tasks = [(fraction_coverage, sample, rate) for sample in SAMPLES for rate in RATES]
    tasks += [(function, *arguments) for *_, function, arguments in OTHERS]
    parts = [min(PART, runs - i) for i in range(0, runs, PART)]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = [[pool.submit(function, *rest, n, 1000 * number + part)
                 for part, n in enumerate(parts)] for number, (function, *rest) in enumerate(tasks)]
        found = [_mean([job.result() for job in row], parts) for row in jobs]
    n = len(SAMPLES) * len(RATES)
    return np.array([[row[name] for name in INTERVALS] for row in found[:n]]), found[n:]


def _mean(found, parts):
    return {name: np.average([part[name] for part in found], weights=parts) for name in found[0]}


def percent(coverage, *, at_least=False):
    """Write a coverage, with a star where it misses by more than the margin."""
    off = NOMINAL - coverage if at_least else abs(coverage - NOMINAL)
    return f'{100 * coverage:.1f}{"*" if off > MARGIN else ""}'


def row_cells(coverage):
    """Write the four coverages of a row; the exact interval may only miss below."""
    return [percent(value, at_least=name == 'clopper-pearson')
            for name, value in zip(INTERVALS, coverage, strict=True)]


def fraction_rows(fractions):
    """Yield the cells of the first table: every sample and rate, then the mean over rates."""
    for i, sample in enumerate(SAMPLES):
        block = fractions[i * len(RATES):(i + 1) * len(RATES)]
        groups = f'{sample.groups} ({sample.icc:g})' if sample.groups else ''
        for rate, coverage in zip(RATES, block, strict=True):
            yield [sample.name, str(sample.n), groups, f'{rate:g}',
                   f'{sample.effective_events(rate):.2g}', *row_cells(coverage)]
        yield [sample.name, str(sample.n), groups, 'mean', '', *row_cells(block.mean(axis=0))]


def supported(fractions):
    """Yield, for each kind of sample, the rows with ten effective events or more."""
    events = np.array([[sample.effective_events(rate) for rate in RATES] for sample in SAMPLES])
    names = np.repeat([sample.name for sample in SAMPLES], len(RATES))
    for name in dict.fromkeys(names):
        yield name, fractions[(names == name) & (events.ravel() >= EVENTS - 1e-9)]


def supported_rows(fractions):
    """Yield the cells of the summary: mean and range of the coverage."""
    for name, rows in supported(fractions):
        yield [name, str(len(rows)), *(f'{100 * row.mean():.1f} ({100 * row.min():.1f} to '
                                       f'{100 * row.max():.1f})' for row in rows.T)]


def other_rows(others):
    """Yield the cells of the last table."""
    for (name, n, groups, events, *_), found in zip(OTHERS, others, strict=True):
        for interval, coverage in found.items():
            exact = interval == 'threshold'
            yield [name, str(n), str(groups or ''), str(events), interval,
                   percent(coverage, at_least=exact)]


def list_table(title, heads, rows):
    """Return the lines of a table in reStructuredText."""
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in [heads, *rows]:
        lines += [f'   {"* -" if i == 0 else "  -"} {cell}'.rstrip() for i, cell in enumerate(row)]
    return [*lines, '']


def page(fractions, others, runs):
    """Return the tables as text."""
    error = 100 * np.sqrt(NOMINAL * (1 - NOMINAL) / runs)
    head = ['.. Written by:',
            '   python benchmarks/interval_coverage.py --write docs/coverage_table.inc', '',
            f'{runs:,} simulated samples per row: the standard error of a coverage near 95 % is '
            f'{error:.2f} points. A star marks a coverage off by more than 1.5 points; for exact '
            'intervals, which cover at least nominally, one that is too low by as much.', '']
    names = ['Wilson', 'Jeffreys', 'Clopper-Pearson', 'bootstrap']
    tables = (
        (f'Mean and range of coverage in per cent at {EVENTS} effective events or more',
         ['sample', 'rows', *names], supported_rows(fractions)),
        ('Coverage in per cent of the intervals of a fraction',
         ['sample', 'n', 'groups (icc)', 'rate', 'effective events', *names],
         fraction_rows(fractions)),
        ('Coverage in per cent of other intervals',
         ['of', 'n', 'groups', 'events', 'interval', 'coverage'], other_rows(others)))
    return '\n'.join(head + [line for table in tables for line in list_table(*table)])


def main():
    """Print the tables or write them; return 1 where a named interval is off on average."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--runs', type=int, default=4000, help='simulated samples per row')
    parser.add_argument('--write', help='file for the tables')
    args = parser.parse_args()
    fractions, others = measure(args.runs)
    text = page(fractions, others, args.runs)
    if args.write:
        with open(args.write, 'w', encoding='utf-8') as stream:
            stream.write(text)
    print(text)
    return max([mean_coverage(name, rows.mean(axis=0)) for name, rows in supported(fractions)])


def mean_coverage(name, means):
    """Print the mean coverages of a kind of sample; return 1 where a named interval is off."""
    words = ', '.join(f'{interval} {100 * mean:.1f}'
                      for interval, mean in zip(INTERVALS, means, strict=True))
    print(f'{name}: mean coverage {words}')
    return int(np.abs(means[:2] - NOMINAL).max() > MARGIN or means[2] < NOMINAL - MARGIN)


if __name__ == '__main__':
    sys.exit(main())
