# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What `lensfinder_audit._convolution_kernel` does, without numba."""
import numpy as np

__all__ = ['lit_box', 'times_mirrored', 'put']


def lit_box(image):
    """Return the rows and columns of a stamp that hold light."""
    lit = (image != 0).any(axis=0)
    if not lit.any():
        return 0, 0, 0, 0
    return *_ends(lit.any(axis=1)), *_ends(lit.any(axis=0))


def _ends(lit):
    return int(lit.argmax()), len(lit) - int(lit[::-1].argmax())


def times_mirrored(numbers, part, product):
    """Multiply rows of a spectrum by a factor that is the same for opposite frequencies."""
    half = part.shape[1]
    np.multiply(numbers[:, :half], part, out=product[:, :half])
    np.multiply(numbers[:, half:], part[:, product.shape[1] - half:0:-1], out=product[:, half:])


def put(whole, out, first_row, first_column, n_rows, n_columns):
    """Write the corner of an array where it belongs in another, zeros around it."""
    out[:] = 0
    out[:, first_row:first_row + n_rows,
        first_column:first_column + n_columns] = whole[:, :n_rows, :n_columns]
