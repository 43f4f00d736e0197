#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time the cutting of all objects of one brick beside section reads with astropy.

One run writes a brick of three bands, compressed as the survey does and plain, and cuts
the same objects from it in both ways; both open each file once. It fails where a pixel
differs or the bound of 5 times is missed::

    python benchmarks/brick_cutting.py
    python benchmarks/brick_cutting.py --objects 20 200 --size 101
"""
import argparse
import platform
import sys
import tempfile
import warnings
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from lensfinder_audit.brick_images import BrickImage

BANDS = 'grz'
BOUND = 5
SCALE = 0.262 / 3600


def write_brick(folder, pixels):
    """Write noise with a few bright pixels; Rice-compressed tiles of 100 x 100, and plain."""
    rng = np.random.default_rng(0)
    middle = (pixels + 1) / 2
    header = fits.Header({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN', 'CRVAL1': 10.125,
                          'CRVAL2': 0.0, 'CRPIX1': middle, 'CRPIX2': middle, 'CD1_1': -SCALE,
                          'CD1_2': 0.0, 'CD2_1': 0.0, 'CD2_2': SCALE})
    for band in BANDS:
        image = rng.normal(0, 0.02, (pixels, pixels)).astype(np.float32)
        image.flat[rng.integers(0, image.size, 2000)] += 5
        fits.PrimaryHDU(image, header).writeto(folder / f'{band}.fits', checksum=True)
        fits.CompImageHDU(image, header, compression_type='RICE_1', tile_shape=(100, 100),
                          quantize_level=16, quantize_method=2).writeto(
                              folder / f'{band}.fits.fz', checksum=True)


def with_sections(paths, ra, dec, size, stamps):
    """Read a section of each file for each object; the files stay open."""
    for plane, path in enumerate(paths):
        with fits.open(path) as hdus:
            hdu = hdus[-1]
            x, y = WCS(hdu.header).wcs_world2pix(ra, dec, 0)
            rows, columns = (np.floor(side - (size - 1) / 2 + 0.5).astype(int) for side in (y, x))
            for stamp, row, column in zip(stamps[:, plane], rows, columns, strict=True):
                stamp[:] = hdu.section[row:row + size, column:column + size]


def with_cutout2d(paths, ra, dec, size, stamps):
    """Expand each image once and take astropy's cutouts by sky position, for its cost."""
    positions = SkyCoord(ra, dec, unit='deg')
    for plane, path in enumerate(paths):
        with fits.open(path) as hdus:
            pixels, wcs = hdus[-1].data, WCS(hdus[-1].header)
            for stamp, position in zip(stamps[:, plane], positions, strict=True):
                stamp[:] = Cutout2D(pixels, position, size, wcs=wcs).data


def with_this_package(paths, ra, dec, size, stamps):
    """As `fetch` cuts a brick."""
    for plane, path in enumerate(paths):
        with BrickImage(path) as image:
            image.cut(*image.pixels(ra, dec), (size, size), out=stamps[:, plane])


WAYS = {'astropy sections': with_sections, 'astropy Cutout2D': with_cutout2d,
        'this package': with_this_package}


def timed(paths, ra, dec, size, repeats):
    """
    Return the best CPU seconds and seconds by clock of each way, and whether they agree.

    They take turns and write to memory that each has been given before.
    """
    cpu, clock = dict.fromkeys(WAYS, np.inf), dict.fromkeys(WAYS, np.inf)
    stamps = {name: np.full((len(ra), len(paths), size, size), np.nan, np.float32)
              for name in WAYS}
    for _ in range(repeats):
        for name, way in WAYS.items():
            start = process_time(), perf_counter()
            way(paths, ra, dec, size, stamps[name])
            cpu[name] = min(cpu[name], process_time() - start[0])
            clock[name] = min(clock[name], perf_counter() - start[1])
    return cpu, clock, np.array_equal(stamps['this package'], stamps['astropy sections'])


def table(folder, suffix, n, options):
    """Print what cutting n objects took; return whether it met the bound and the pixels agree."""
    rng = np.random.default_rng(n)
    reach = (options.pixels / 2 - options.size) * SCALE
    ra, dec = 10.125 + rng.uniform(-reach, reach, n), rng.uniform(-reach, reach, n)
    paths = [folder / f'{band}{suffix}' for band in BANDS]
    cpu, clock, same = timed(paths, ra, dec, options.size, options.repeats)
    print(f'\n{n:,} objects from three {suffix} files; pixels ' + ('agree' if same else 'DIFFER'))
    print(f'{"":20}{"CPU s":>9}{"objects per CPU s":>19}{"objects per s":>15}{"times":>8}')
    first = cpu['astropy sections']
    for name in WAYS:
        print(f'{name:20}{cpu[name]:9.3f}{n / cpu[name]:19,.0f}{n / clock[name]:15,.0f}'
              f'{first / cpu[name]:8.1f}')
    times = first / cpu['this package']
    if n == max(options.objects):
        print(f'bound, {suffix}: {n:,} objects {times:.1f} times, {n / cpu["this package"]:,.0f} '
              'objects per CPU second')
    return same and (times >= BOUND or n < max(options.objects))


def main():
    """Print a table for each kind of file; fail where the bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition('\n')[0])
    parser.add_argument('--pixels', type=int, default=3600, help='side of the brick')
    parser.add_argument('--objects', type=int, nargs='+', default=[3, 100, 2000])
    parser.add_argument('--size', type=int, default=101)
    parser.add_argument('--repeats', type=int, default=2)
    parser.add_argument('--folder', help='where to write, such as the disk to be measured')
    options = parser.parse_args()
    print(f'Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}, one '
          f'process, a brick of {options.pixels} x {options.pixels} x {len(BANDS)}, stamps of '
          f'{options.size} x {options.size}, best of {options.repeats}')
    warnings.simplefilter('ignore')
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        write_brick(Path(folder), options.pixels)
        good = [table(Path(folder), suffix, n, options) for suffix in ('.fits.fz', '.fits')
                for n in options.objects]
    return 0 if all(good) else 1


if __name__ == '__main__':
    sys.exit(main())
