#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Ask a selection function a million times, beside what one would write without it.

One run prints the CPU time of a query, by keywords and by position on the sky, with
that of SciPy's interpolator on the same grid and of a loop over rows; then how often
the intervals hold the truth of simulated injections::

    python benchmarks/selection_function.py
    python benchmarks/selection_function.py --points 100000 --repeats 5 --surveys 0
"""
import argparse
import platform
import sys
from time import process_time

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from scipy.interpolate import RegularGridInterpolator
from scipy.special import betaincinv, expit

from lensfinder_audit.condition_maps import map_conditions
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.cells import Grid
from lensfinder_audit.measure.selection_build import measure_selection
from lensfinder_audit.measure.selection_example import example_injections
from lensfinder_audit.measure.selection_model import fit_splines

#: CPU seconds for a million points.
BOUND = 2.0

LOOP_ROWS = 20_000

AXES = (Axis('theta_e', tuple(np.arange(0.375, 3.2, 0.25)), unit='arcsec'),
        Axis('psfsize_r', tuple(np.arange(0.825, 1.9, 0.15)), unit='arcsec'),
        Axis('source_mag_r', tuple(np.arange(23, 26.5, 0.5))))
COARSE = (Axis('theta_e', (0.5, 1, 1.5, 2, 2.5, 3), unit='arcsec'),
          Axis('psfsize_r', (0.9, 1.2, 1.5, 1.8), unit='arcsec'))
ROUGH = (Axis('x', tuple(range(7))), Axis('y', tuple(range(5))))


def make_points(n):
    """Draw points on the axes, some beyond them."""
    rng = np.random.default_rng(0)
    return {axis.name: rng.uniform(axis.edges[0] - 0.05, axis.edges[-1] + 0.05, n)
            for axis in AXES}


def interpolators(selection, points):
    """Completeness and both ends with SciPy, at the middles of the cells."""
    shape = [axis.n_cells for axis in AXES]
    middles = [np.convolve(axis.edges, [0.5, 0.5], 'valid') for axis in AXES]
    where = np.column_stack(list(points.values()))
    tables = [np.asarray(selection.cells[name]).reshape(shape) for name in ('estimate', 'lo', 'hi')]

    def ask(method):
        return [RegularGridInterpolator(middles, table, method=method, bounds_error=False)(where)
                for table in tables]
    return ask


def loop(selection, points):
    """One row at a time, as it is commonly written."""
    edges = [np.asarray(axis.edges) for axis in AXES]
    shape = [axis.n_cells for axis in AXES]
    estimate, lo, hi = (np.asarray(selection.cells[name]).reshape(shape)
                        for name in ('estimate', 'lo', 'hi'))
    found = np.full((3, LOOP_ROWS), np.nan)
    for row, values in enumerate(zip(*(column[:LOOP_ROWS] for column in points.values()),
                                     strict=True)):
        place = tuple(np.searchsorted(ends, value, side='right') - 1
                      for ends, value in zip(edges, values, strict=True))
        if all(0 <= i < n for i, n in zip(place, shape, strict=True)):
            found[:, row] = estimate[place], lo[place], hi[place]
    return found


def on_the_sky(selection, n):
    """Return a query of positions through condition maps."""
    rng = np.random.default_rng(1)
    bricks = QTable({'ra': rng.uniform(0, 360, 60000), 'dec': rng.uniform(-60, 30, 60000),
                     'psfsize_r': rng.uniform(0.9, 1.8, 60000)})
    maps = map_conditions(bricks, 64, ['psfsize_r'], density=2.0)
    coords = SkyCoord(rng.uniform(0, 360, n) * u.deg, rng.uniform(-60, 30, n) * u.deg)
    return lambda: selection.query(coords=coords, conditions=maps, theta_e=1.6, source_mag_r=24.2)


def timed(functions, repeats):
    """Return the best CPU seconds and the result of each; they take turns."""
    best, last = dict.fromkeys(functions, np.inf), {}
    for _ in range(repeats):
        for name, function in functions.items():
            start = process_time()
            last[name] = function()
            best[name] = min(best[name], process_time() - start)
    return best, last


def speed(n, repeats):
    """Print the times; return whether the bound is met and the answers are right."""
    table = example_injections(110000, n_hosts=5000)
    binned, smooth = (measure_selection(table, threshold=0.5, by=AXES, method=method)
                      for method in ('binned', 'smooth'))
    points = make_points(n)
    scipy = interpolators(binned, points)
    ways = {'query, binned': lambda: binned.query(**points),
            'query, smooth': lambda: smooth.query(**points),
            'query of positions, binned': on_the_sky(binned, n),
            'SciPy, nearest': lambda: scipy('nearest'), 'SciPy, linear': lambda: scipy('linear'),
            'loop over rows': lambda: loop(binned, points)}
    seconds, found = timed(ways, repeats)
    seconds['loop over rows'] *= n / LOOP_ROWS
    print(f'\n{n:,} points, three axes, {len(binned.cells)} cells: completeness and interval')
    print(f'{"":28}{"CPU s":>9}{"times the loop":>16}{"times SciPy, linear":>21}')
    for name, value in seconds.items():
        print(f'{name:28}{value:9.2f}{seconds["loop over rows"] / value:16.1f}'
              f'{seconds["SciPy, linear"] / value:21.1f}')
    same = np.array_equal(found['loop over rows'][0], found['query, binned']['completeness'][
        :LOOP_ROWS], equal_nan=True)
    worst = max(value for name, value in seconds.items() if name.startswith('query'))
    print(f'slowest query: {worst * 1e6 / n:.2f} CPU s per million points, bound {BOUND:g}; the '
          f'loop gives {"the same" if same else "OTHER"} numbers')
    return same and worst * 1e6 / n < BOUND


def coverage(surveys):
    """Print how often intervals hold the truth, per cell and for an average."""
    large = example_injections(400000, n_hosts=400000, seed=99)
    cell = Grid(large, by=COARSE).cell
    truth = np.bincount(cell, large['truth']) / np.bincount(cell)
    print(f'\ncoverage of 95 % intervals, {surveys} simulated sets of injections each')
    print(f'{"surface":26}{"injections, hosts":22}{"pooled":>8}{"width":>8}{"plain":>8}{"width":>8}'
          f'{"naive":>8}{"average":>9}')
    for n, hosts in ((1000, 50), (4000, 100), (4000, 400), (20000, 1000)):
        report('smooth', n, hosts, [one_survey(example_injections(n, n_hosts=hosts, seed=seed),
                                               truth, COARSE) for seed in range(surveys)])
    for level, scatter in ((0, 0.5), (0, 1.5), (-3, 0.5), (-3, 1.5)):
        for n, hosts in ((1000, 100), (6000, 300)):
            report(f'level {level}, scatter {scatter}', n, hosts,
                   [one_survey(*rough_survey(n, hosts, level, scatter, seed), ROUGH)
                    for seed in range(surveys)])
    print('scatter: of cells about an additive surface, in log odds; plain: each cell for itself '
          '(Jeffreys);\nnaive: hosts in cell and target counted twice')


def smooth_coverage(surveys):
    """Print how often the intervals of smooth functions hold the truth at points."""
    points = example_injections(1000, n_hosts=1000, seed=77)
    print(f'\nsmooth, three axes, {surveys} sets each: coverage, width and error at points')
    for n, hosts in ((1000, 50), (4000, 100), (4000, 400), (20000, 1000)):
        rows = []
        for seed in range(surveys):
            table = example_injections(n, n_hosts=hosts, seed=seed)
            model = fit_splines(columns(table), table['score'] >= 0.5, group=table['host'])
            estimate, lo, hi = model.predict(columns(points))
            rows.append((inside(lo, points['truth'], hi), np.mean(hi - lo),
                         np.abs(estimate - points['truth']).mean()))
        means = ''.join(f'{value:8.3f}' for value in np.mean(rows, axis=0))
        print(f'{n:>8,}, {hosts:<12,}{means}')


def columns(table):
    """Return plain columns of the axes."""
    return [np.asarray(getattr(table[axis.name], 'value', table[axis.name])) for axis in AXES]


def report(name, n, hosts, rows):
    """Print one line of the table."""
    pooled, width, plain, wide, naive, average = np.mean(rows, axis=0)
    print(f'{name:26}{n:>8,}, {hosts:<12,}{pooled:8.3f}{width:8.3f}{plain:8.3f}{wide:8.3f}'
          f'{naive:8.3f}{average:9.3f}')


def rough_survey(n, hosts, level, scatter, seed):
    """Draw injections whose cells have log odds of their own, and the truth of each cell."""
    rng = np.random.default_rng(seed)
    odds = level + rng.normal(0, scatter, 24)
    host = np.arange(n) % hosts
    x, y = rng.uniform(0, 6, n), rng.uniform(0, 4, hosts)[host]
    ease = rng.normal(0, 0.5, hosts)[host]
    chance = expit(odds[x.astype(int) * 4 + y.astype(int)] + ease)
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    truth = expit(odds[:, None] + 0.5 * nodes) @ weights / weights.sum()
    return QTable({'x': x, 'y': y, 'host': host, 'score': (rng.random(n) < chance) * 1.0}), truth


def one_survey(table, truth, axes):
    """Return coverage and widths of one simulated set of injections."""
    pooled, plain = (measure_selection(table, threshold=0.5, by=axes, pool=pool)
                     for pool in (True, False))
    cells, held = pooled.cells, np.asarray(pooled.cells['n'] > 0)
    prior = cells['n_eff'] * cells['shrinkage'] / (1 - cells['shrinkage'])
    a = cells['n_eff'] * cells['fraction'] + prior * cells['target']
    b = cells['n_eff'] + prior - a
    found = [(cells['lo'], cells['hi']), (plain.cells['lo'], plain.cells['hi']),
             (betaincinv(a, b, 0.025), betaincinv(a, b, 0.975))]
    hits = [inside(lo[held], truth[held], hi[held]) for lo, hi in found]
    widths = [np.mean((hi - lo)[held]) for lo, hi in found]
    average = pooled.mean(middles(axes, held))[0]
    return (hits[0], widths[0], hits[1], widths[1], hits[2],
            average['lo'] <= truth[held].mean() <= average['hi'])


def middles(axes, held):
    """Return a point in each cell that holds rows."""
    ends = [np.convolve(axis.edges, [0.5, 0.5], 'valid') for axis in axes]
    grid = np.meshgrid(*ends, indexing='ij')
    return QTable({axis.name: values.ravel()[held]
                   for axis, values in zip(axes, grid, strict=True)})


def inside(lo, value, hi):
    """Return the share of values between their ends."""
    return np.mean((lo <= value) & (value <= hi))


def main():
    """Print both parts; fail where the bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--points', type=int, default=1_000_000)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--surveys', type=int, default=200, help='0 leaves coverage out')
    options = parser.parse_args()
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, CPU '
          f'time, best of {options.repeats}')
    met = speed(options.points, options.repeats)
    if options.surveys:
        coverage(options.surveys)
        smooth_coverage(options.surveys)
    return int(not met)


if __name__ == '__main__':
    sys.exit(main())
