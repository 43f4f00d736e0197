# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Galaxies for tests: a small library on disk, and what they look like without noise."""
import numpy as np
from astropy.io import fits
from astropy.table import Table

NOISE = 0.02
SIZE = 80


def galaxy(seed=0, size=SIZE):
    """A disk with clumps, no steeper than what a telescope shows."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size)) - (size - 1) / 2
    image = np.exp(-0.5 * (x ** 2 + (y / 0.7) ** 2) / 7 ** 2)
    for place in rng.normal(0, 5, (5, 2)):
        image += rng.uniform(0.2, 0.8) * np.exp(
            -0.5 * ((x - place[0]) ** 2 + (y - place[1]) ** 2) / 2 ** 2)
    return image


def write_library(folder, n=6, *, noise=NOISE, columns=('file', 'hdu', 'pixel_scale', 'mag', 'z')):
    """Write FITS stamps and their catalogue; return the path of the catalogue."""
    rng = np.random.default_rng(5)
    units, rows = [fits.PrimaryHDU()], []
    for row in range(n):
        image = galaxy(row) + rng.normal(0, noise, (SIZE, SIZE)) + 0.3
        units.append(fits.ImageHDU(image.astype('f4')))
        rows.append(('stamps.fits', row + 1, 0.03, 21.0 + 0.4 * row, 0.4 + 0.3 * row))
    fits.HDUList(units).writeto(folder / 'stamps.fits')
    path = folder / 'catalog.csv'
    table = Table(rows=rows, names=('file', 'hdu', 'pixel_scale', 'mag', 'z'))
    table[list(columns)].write(path)
    return path
