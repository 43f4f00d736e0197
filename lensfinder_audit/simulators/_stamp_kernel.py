# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled ray trace of an image through an isothermal ellipsoid with shear.

A pixel is sampled on a Fibonacci lattice. Seen from any direction its points do
not hide behind each other, so that a pixel which the lens squeezes into a line in
the source plane needs few. Their number follows from the area, and the length,
that the pixel covers there; neighboring pixels share the lattice.
"""
import math
from dataclasses import replace

import numpy as np
from scipy import ndimage

from lensfinder_audit.simulators._sie_kernel import lens_constants, trace_back32
from lensfinder_audit.simulators._vector_math import compiled

__all__ = ['SPACING', 'prepared', 'reach', 'trace_stamp']

#: Distance of rays in the source plane in pixels of its image, where that is brightest.
SPACING = 0.5

_BLOCK = 8  # pixels over which the brightest is known
_FAINT, _COARSEST = 0.25, 3.0  # power of the brightness, and greatest factor, of the distance
_NUMBERS = np.array([5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987])  # of points
_F = np.float32


def _lattices():
    """Points (i, i F mod N) / N about the center of a pixel, for neighbors F, N of Fibonacci's."""
    found = np.zeros((len(_NUMBERS), 2, _NUMBERS[-1]), dtype=np.float32)
    for k in range(1, len(_NUMBERS)):
        n, i = _NUMBERS[k], np.arange(_NUMBERS[k])
        found[k, :, :n] = (np.array([i, i * _NUMBERS[k - 1] % n]) + 0.5) / n - 0.5
    return found


_LATTICES = _lattices()


def prepared(image):
    """
    Tabulate an image for the ray trace.

    Parameters
    ----------
    image : (y, x) array_like
        Of unit sum, zero along its edges.

    Returns
    -------
    image : (y, x) `~numpy.ndarray`
        float32; between its pixels the brightness is bilinear.
    coarser : (by, bx) `~numpy.ndarray`
        What the distance of rays may be multiplied with, for each block of pixels
        and one row of them around; infinite where no light is in or beside it.
    """
    image = np.asarray(image, dtype=np.float64)
    ny, nx = image.shape
    blocks = np.zeros((-(-ny // _BLOCK) * _BLOCK, -(-nx // _BLOCK) * _BLOCK))
    blocks[:ny, :nx] = image / image.max()
    blocks = blocks.reshape(len(blocks) // _BLOCK, _BLOCK, -1, _BLOCK).max(axis=(1, 3))
    coarser = np.clip(ndimage.maximum_filter(np.pad(blocks, 1), 3), 0, 1)
    with np.errstate(divide='ignore'):
        coarser = np.minimum(coarser ** -_FAINT, _COARSEST) * np.where(coarser > 0, 1, np.inf)
    return np.ascontiguousarray(image, dtype=np.float32), coarser


def trace_stamp(lens, planes, place, *, shape, pixel_scale, spacing=SPACING, centered=False):
    """
    Integrate the lensed light of an image over the pixels of a stamp.

    Parameters
    ----------
    lens : `~lensfinder_audit.lensing.SieShear`
        The lens; the center of the stamp is at (0, 0).
    planes : tuple of `~numpy.ndarray`
        As `prepared` returns them.
    place : tuple of float
        Source position x and y in arcsec, position angle in radians, arcsec per
        pixel of the image (negative where it is flipped), row and column of the
        centroid in the image.
    shape : tuple of int
        Height and width in pixels.
    pixel_scale : float
        Arcsec per pixel.
    spacing : float, optional
        Distance of rays in the source plane in pixels of the image.
    centered : bool, optional
        Whether the center of the stamp is that of the lens.

    Returns
    -------
    image : (y, x) `~numpy.ndarray`
        Flux per pixel in units of the unlensed flux of the source.
    """
    x, y, phi, scale, row, column = place
    if centered:
        x, y, lens = x - lens.x, y - lens.y, replace(lens, x=0.0, y=0.0)
        place = (x, y, *place[2:])
    cos, sin = math.cos(phi) / abs(scale), math.sin(phi) / abs(scale)
    flip = math.copysign(1.0, scale)
    # Row and column in the image of a place in the source plane, each a + b x + c y.
    frame = (row + sin * x - cos * y, -sin, cos,
             column - flip * (cos * x + sin * y), flip * cos, flip * sin)
    return _trace(lens_constants(lens, np.float32), float(lens.theta_e), *planes,
                  tuple(np.float32(value) for value in frame), reach(lens, planes, place),
                  int(shape[0]), int(shape[1]), float(pixel_scale), pixel_scale / abs(scale),
                  float(spacing), _NUMBERS, _LATTICES)


def reach(lens, planes, place):
    """
    Return the distance from the lens within which all images lie.

    Parameters
    ----------
    lens, planes, place
        As for `trace_stamp`.

    Returns
    -------
    reach : float
        In arcsec.
    """
    flattening = max(math.sqrt(1 - lens.q ** 2), 1e-6)
    deflection = lens.theta_e * math.sqrt(lens.q) / flattening * math.atanh(flattening)
    half_diagonal = 0.75 * math.hypot(*planes[0].shape) * abs(place[3])
    source = math.hypot(place[0] - lens.x, place[1] - lens.y) + half_diagonal
    return (source + deflection) / (1 - lens.shear)


@compiled
def _meet(x, y, side, points, n, lens, frame, rows, columns):
    """Where the rays of a pixel meet the image; without branches, to be vectorised."""
    row, row_x, row_y, column, column_x, column_y = frame
    for i in range(n):
        beta_x, beta_y = trace_back32(x + side * points[0, i], y + side * points[1, i], lens)
        rows[i] = row + row_x * beta_x + row_y * beta_y
        columns[i] = column + column_x * beta_x + column_y * beta_y


@compiled
def _footprint(x, y, lens, theta_e, side):
    """Length and area of a pixel in the source plane, at most, in those of the pixel."""
    center_x, center_y, cos, sin, q, _, _, gamma_1, gamma_2 = lens
    x, y = x - center_x, y - center_y
    square = x * x + y * y
    near = 0.7072 * side
    if square <= near * near:
        return 1e6, 1e6
    along, across = cos * x + sin * y, cos * y - sin * x
    radius = math.sqrt(square)
    kappa = 0.5 * theta_e / math.sqrt(q * along * along + across * across / q)
    xx = 1 - gamma_1 - 2 * kappa * y * y / square
    yy = 1 + gamma_1 - 2 * kappa * x * x / square
    xy = -gamma_2 + 2 * kappa * x * y / square
    half = 0.5 * math.sqrt((xx - yy) ** 2 + 4 * xy * xy)  # of the difference of eigenvalues
    change = 2 * kappa * near / (radius - near)  # of the tangential one across the pixel
    return (math.fabs(0.5 * (xx + yy)) + half + change,
            math.fabs(xx * yy - xy * xy) + change)


@compiled
def _mean(image, rows, columns, n):
    """Mean brightness where rays meet the image, whose edges are dark."""
    last_row, last_column = _F(image.shape[0] - 2), _F(image.shape[1] - 2)
    total = 0.0
    for k in range(n):
        row = min(max(rows[k], _F(0)), last_row)
        column = min(max(columns[k], _F(0)), last_column)
        i, j = int(row), int(column)
        up, right = row - _F(i), column - _F(j)
        low = image[i, j] + right * (image[i, j + 1] - image[i, j])
        high = image[i + 1, j] + right * (image[i + 1, j + 1] - image[i + 1, j])
        total += low + up * (high - low)
    return total / n


@compiled
def _factor(row, column, reach, coarser):
    """Factor of the distance of rays about a place on the image; 0 where there is no light."""
    height, width = (coarser.shape[0] - 2) * _BLOCK, (coarser.shape[1] - 2) * _BLOCK
    if reach > _BLOCK:
        near = -reach < row < height + reach and -reach < column < width + reach
        return 1.0 if near else 0.0
    i, j = int(math.floor((row + 0.5) / _BLOCK)) + 1, int(math.floor((column + 0.5) / _BLOCK)) + 1
    if i < 0 or j < 0 or i >= coarser.shape[0] or j >= coarser.shape[1]:
        return 0.0
    return coarser[i, j] if coarser[i, j] < math.inf else 0.0


@compiled
def _trace(lens, theta_e, image, coarser, frame, reach, height, width, side, pixels, spacing,
           numbers, lattices):
    out = np.zeros((height, width))
    rows, columns = np.empty(numbers[-1], _F), np.empty(numbers[-1], _F)
    for i in range(height):
        y = (i - 0.5 * (height - 1)) * side
        for j in range(width):
            x = (j - 0.5 * (width - 1)) * side
            if (x - lens[0]) ** 2 + (y - lens[1]) ** 2 > reach * reach:
                continue
            length, area = _footprint(x, y, lens, theta_e, side)
            _meet(_F(x), _F(y), _F(0), lattices[0], 1, lens, frame, rows, columns)
            factor = _factor(rows[0], columns[0], 0.7072 * length * pixels, coarser)
            if factor == 0:
                continue
            fineness = pixels / (spacing * factor)
            wanted = max(area * fineness ** 2, 1.5 * length * fineness)
            k = 1
            while k < len(numbers) - 1 and numbers[k] < wanted:
                k += 1
            _meet(_F(x), _F(y), _F(side), lattices[k], numbers[k], lens, frame, rows, columns)
            out[i, j] = _mean(image, rows, columns, numbers[k]) * pixels ** 2
    return out
