#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time ``raw_robust`` beside the plain ways to write it.

One run prints, for both annuli, the CPU time per cutout and the largest difference
from a loop over cutouts and bands in NumPy::

    python benchmarks/normalize.py
    python benchmarks/normalize.py --stamps 500 --repeats 9
"""
import argparse
import platform
import sys
from time import process_time

import numpy as np
from astropy.stats import median_absolute_deviation, sigma_clipped_stats

from lensfinder_audit.normalizers.raw_robust import (RawRobust, RawRobustPublished,
                                                     normalize_planes_numpy)
from lensfinder_audit.testing import example_flux


def plain_loop(flux, annulus):
    """One cutout and one band at a time, as it is commonly written."""
    images = np.empty_like(flux)
    for stamp, image in zip(flux, images, strict=True):
        for band in range(len(stamp)):
            plane = np.nan_to_num(stamp[band], nan=0.0)
            sky = plane[annulus]
            middle = np.median(sky)
            spread = np.median(np.abs(sky - middle)) + 1e-8
            image[band] = np.clip((plane - middle) / spread, -10, 10)
    return images


def astropy_stack(flux, annulus):
    """Whole stack at once, with astropy's statistics."""
    flux = np.nan_to_num(flux, nan=0.0)
    sky = flux[..., annulus]
    middle = np.median(sky, axis=-1)[..., None, None]
    spread = median_absolute_deviation(sky, axis=-1)[..., None, None] + 1e-8
    return np.clip((flux - middle) / spread, -10, 10).astype(np.float32)


def astropy_clipped(flux, annulus):
    """Another estimator, for its cost alone: sigma-clipped median and deviation."""
    flux = np.nan_to_num(flux, nan=0.0)
    _, middle, spread = sigma_clipped_stats(flux[..., annulus], axis=-1)
    scaled = (flux - middle[..., None, None]) / (0.6745 * spread[..., None, None] + 1e-8)
    return np.clip(scaled, -10, 10).astype(np.float32)


def numpy_path(flux, annulus):
    """The path that is taken without numba."""
    images = np.empty_like(flux)
    normalize_planes_numpy(flux.reshape(-1, annulus.size), np.flatnonzero(annulus),
                           np.float32(10), images.reshape(-1, annulus.size))
    return images


def timed(functions, repeats):
    """Return best CPU seconds and result of each; they take turns, so load falls on all."""
    best, last = dict.fromkeys(functions, np.inf), {}
    for _ in range(repeats):
        for name, function in functions.items():
            start = process_time()
            last[name] = function()
            best[name] = min(best[name], process_time() - start)
    return best, last


def main():
    """Print one table per annulus; fail where the numbers differ."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--stamps', type=int, default=100)
    parser.add_argument('--repeats', type=int, default=5)
    options = parser.parse_args()
    flux = example_flux(options.stamps)
    flux[np.random.default_rng(1).random(flux.shape) < 0.01] = np.nan
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, '
          f'one core, CPU time, {options.stamps} stamps of 3 x 101 x 101, '
          f'best of {options.repeats}')
    return max([table(normalizer, flux, options.repeats)
                for normalizer in (RawRobust(), RawRobustPublished())])


def table(normalizer, flux, repeats):
    """Print the table of one annulus; return 1 where the numbers differ."""
    annulus = normalizer.annulus(flux.shape[-2:])
    normalizer.normalize(flux[:1])  # compile
    ways = {'plain NumPy loop': lambda: plain_loop(flux, annulus),
            'astropy, whole stack': lambda: astropy_stack(flux, annulus),
            'astropy, sigma-clipped': lambda: astropy_clipped(flux, annulus),
            'this package, NumPy path': lambda: numpy_path(flux, annulus),
            'this package': lambda: normalizer.normalize(flux)}
    seconds, images = timed(ways, repeats)
    r_in, r_out = normalizer.radii(flux.shape[-2:])
    print(f'\nannulus {r_in:g} to {r_out:g} px, {annulus.sum()} pixels')
    print(f'{"":26}{"ms per cutout":>14}{"times faster":>14}{"difference":>13}')
    first = 'plain NumPy loop'
    for name in ways:
        difference = np.abs(images[name] - images[first]).max()
        print(f'{name:26}{1e3 * seconds[name] / len(flux):14.3f}'
              f'{seconds[first] / seconds[name]:14.1f}{difference:13.1g}')
    return int(np.abs(images['this package'] - images[first]).max() > 1e-6)


if __name__ == '__main__':
    sys.exit(main())
