# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled parts of `lensfinder_audit._convolution`, with the same numbers.

Importing this module imports numba.
"""
import numpy as np

from lensfinder_audit._compiled import compiled

__all__ = ['lit_box', 'times_mirrored', 'put']


@compiled
def lit_box(image):
    """
    Return the rows and columns of a stamp that hold light.

    Parameters
    ----------
    image : (band, y, x) `~numpy.ndarray`
        Flux per pixel.

    Returns
    -------
    first_row, last_row, first_column, last_column : int
        Each last one is the one behind; all of them 0 where no pixel has light.
    """
    bands, ny, nx = image.shape
    rows, columns = np.zeros(ny, np.bool_), np.zeros(nx, np.bool_)
    for band in range(bands):
        for row in range(ny):
            lit = False
            for column in range(nx):
                here = image[band, row, column] != 0
                columns[column] |= here
                lit |= here
            rows[row] |= lit
    first, last = _ends(rows)
    return first, last, *_ends(columns)


@compiled
def _ends(lit):
    first, last = 0, len(lit)
    while last > 0 and not lit[last - 1]:
        last -= 1
    while first < last and not lit[first]:
        first += 1
    return first, last


@compiled
def times_mirrored(numbers, part, product):
    """
    Multiply rows of a spectrum by a factor that is the same for opposite frequencies.

    Parameters
    ----------
    numbers : (1 or band, y, x) `~numpy.ndarray`
        Spectrum, real and imaginary parts beside each other.
    part : (band, half, x) `~numpy.ndarray`
        Factors of the frequencies from 0 on.
    product : (band, y, x) `~numpy.ndarray`
        Where the product is written.
    """
    bands, ny, nx = product.shape
    half = part.shape[1]
    for band in range(bands):
        source = numbers[band if len(numbers) > 1 else 0]
        for row in range(ny):
            factor = part[band, row if row < half else ny - row]
            for column in range(nx):
                product[band, row, column] = source[row, column] * factor[column]


@compiled
def put(whole, out, first_row, first_column, n_rows, n_columns):
    """Write the corner of an array where it belongs in another, zeros around it."""
    bands, ny, nx = out.shape
    for band in range(bands):
        for row in range(ny):
            if not first_row <= row < first_row + n_rows:
                out[band, row] = 0
                continue
            out[band, row, :first_column] = 0
            out[band, row, first_column + n_columns:] = 0
            for column in range(n_columns):
                out[band, row, first_column + column] = whole[band, row - first_row, column]
