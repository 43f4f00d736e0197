# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find rows that are alike among very many: products of matrices, block by block.

All pairs of 100,000 rows of 192 numbers are 2e12 multiplications, half a minute of one
processor; trees do not save any of them in so many dimensions.
"""
import numpy as np

__all__ = ['similar_rows', 'uncommon']

#: Pairs of a row with later ones that are kept, rows and columns of a block.
_MOST, _ROWS, _COLUMNS = 16, 1024, 16_384


def uncommon(rows):
    """
    Take out what many rows have in common, such as the flattening of galaxies, in place.

    Parameters
    ----------
    rows : (n, d) `~numpy.ndarray` of float32
        Thumbnails; those of zeros, which have no pixels, stay as they are.
    """
    if len(rows) <= 10:
        return
    empty = ~rows.any(axis=1)
    rows -= rows.mean(axis=0, dtype=float).astype(np.float32)
    if len(rows) >= 4 * rows.shape[1]:
        _take_out(rows)
    rows[empty] = 0


def _take_out(rows):
    """Take out the directions along which rows scatter far more than along most."""
    spread = np.zeros((rows.shape[1],) * 2)
    for start in range(0, len(rows), _COLUMNS):
        part = rows[start:start + _COLUMNS]
        spread += part.T @ part
    values, vectors = np.linalg.eigh(spread)
    large = vectors[:, values > 3 * np.median(values)].astype(np.float32)
    for start in range(0, len(rows), _COLUMNS):
        part = rows[start:start + _COLUMNS]
        part -= (part @ large) @ large.T


def similar_rows(rows, least):
    """
    Find pairs of rows at small angles.

    Parameters
    ----------
    rows : (n, d) `~numpy.ndarray` of float32
        They are scaled to unit length in place; rows of zeros are like none.
    least : float
        Least cosine of a pair.

    Returns
    -------
    first, second : (m,) `~numpy.ndarray` of int
        The pairs, each once, ``first < second``; of a row that is like many later ones the
        16 that are most alike.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit._copy_search import similar_rows
    >>> rows = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    >>> rows[40] = 3 * rows[7]
    >>> print(*similar_rows(rows, 0.9))
    [7] [40]
    """
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(size > 0, size, 1)
    buffer = np.empty((min(_ROWS, len(rows)), min(_COLUMNS, len(rows))), np.float32)
    found = [_of_block(rows, start, least, buffer) for start in range(0, len(rows), _ROWS)]
    first, second = (np.concatenate([item[k] for item in found]) if found else
                     np.zeros(0, int) for k in (0, 1))
    return first, second


def _of_block(rows, start, least, buffer):
    """Return pairs of some rows with later ones."""
    block, found = rows[start:start + _ROWS], []
    for column in range(start, len(rows), _COLUMNS):
        others = rows[column:column + _COLUMNS]
        cosine = buffer.ravel()[:len(block) * len(others)].reshape(len(block), len(others))
        np.matmul(block, others.T, out=cosine)
        if column == start:
            cosine[np.tril_indices(len(block), 0, len(others))] = -1  # each pair once
        i, j = _hits(cosine, least)
        found.append((i, j + column, cosine[i, j]))
    i, j, cosine = (np.concatenate(item) for item in zip(*found, strict=True))
    order = np.lexsort((j, -cosine, i))
    i, j = i[order], j[order]
    best = np.arange(len(i)) - np.searchsorted(i, i) < _MOST
    return i[best] + start, j[best]


def _hits(cosine, least):
    """Return where the cosine is large, of each row the places where it is largest."""
    n = np.count_nonzero(cosine >= least, axis=1)
    for row in np.flatnonzero(n > _MOST):  # as of stamps of one artefact
        cosine[row, np.argpartition(cosine[row], -_MOST)[:-_MOST]] = -1
    rows = np.flatnonzero(n)
    i, j = np.nonzero(cosine[rows] >= least)
    return rows[i], j
