# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Point spread functions that PSFEx measured on an exposure, at the positions of stamps.

Their kernels contain the response of the exposure's pixel, once.
"""
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy import units as u
from scipy import ndimage

from lensfinder_audit._fits import read_hdus
from lensfinder_audit.exceptions import InputFileError, TableError
from lensfinder_audit.interfaces import PSF
from lensfinder_audit.psf_models import kernel_fwhm

__all__ = ['PSFExModel', 'PSFExPSF', 'read_psfex']

_BOX = (np.arange(5) - 2) / 5  # where a wider pixel is sampled, in units of its width


@dataclass(frozen=True)
class PSFExModel:
    """
    A point spread function that varies over an exposure as a polynomial [1]_.

    Parameters
    ----------
    basis : (term, y, x) `~numpy.ndarray`
        Images that the polynomial's terms multiply: 1, x, x^2, ..., y, xy, ...,
        y^2 and so on, x fastest, up to the degree in both together.
    zero, scale : (2,) tuple of float
        ``(x - zero) / scale`` is what the polynomial is of; x counts from 1.
    degree : int
        Of the polynomial.
    sampling : float
        Pixels of the exposure per pixel of the basis.
    name : str, optional
        Where it was read from, for messages.

    References
    ----------
    .. [1] Bertin 2011, ASPC 442, 435
    """

    basis: np.ndarray
    zero: tuple
    scale: tuple
    degree: int
    sampling: float
    name: str = ''

    def image(self, x, y):
        """
        Return the point spread function at a position.

        Parameters
        ----------
        x, y : float
            Pixel of the exposure, counted from 0.

        Returns
        -------
        image : (y, x) `~numpy.ndarray`
            Image of a star with the response of the exposure's pixels, sampled in
            steps of ``sampling`` pixels, summing to 1.
        """
        along, up = ((value + 1 - zero) / scale for value, zero, scale in
                     zip((x, y), self.zero, self.scale, strict=True))
        terms = [along ** i * up ** j for j in range(self.degree + 1)
                 for i in range(self.degree + 1 - j)]
        image = np.tensordot(terms, self.basis, axes=1)
        return image / image.sum()


class PSFExPSF(PSF):
    """
    PSFEx models at the positions of stamps.

    Parameters
    ----------
    models : (n, band) sequence of sequence of `PSFExModel`
        Model of the exposure that shows the stamp in the band.
    x, y : (n, band) array_like
        Position of the stamp's center on that exposure in pixels from 0.
    pixels : (n, band, 2, 2) array_like or float
        Pixels of the exposure per arcsec of the stamp: a matrix from ``(dx, dy)``
        on the stamp to that on the exposure, which also turns and flips; or one
        number where their axes are parallel.

    Raises
    ------
    TableError
        If models, positions and matrices are not as many.

    Notes
    -----
    Kernels are taken from the model by cubic splines at the centers of the
    stamp's pixels, and divided by their sum. They contain the response of the
    exposure's pixel. Where the stamp's are larger, by a factor p, a box of
    ``sqrt(p^2 - 1)`` such pixels is averaged over, which makes up the difference
    in width; where they are smaller, the wider response stays.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.psf import GaussianPSF
    >>> from lensfinder_audit.psfex import PSFExModel, PSFExPSF
    >>> basis = GaussianPSF([[4]] * u.arcsec).kernels(1 * u.arcsec)[0]  # 4 pixels wide
    >>> model = PSFExModel(basis, zero=(0, 0), scale=(1, 1), degree=0, sampling=1.0)
    >>> PSFExPSF([[model]], [[10]], [[20]], 1 / 0.262).fwhm.round(2)
    <Quantity [[1.05]] arcsec>
    """

    def __init__(self, models, x, y, pixels):
        shape = np.shape(x)
        self._models = np.empty(shape, dtype=object)
        if len(shape) != 2 or np.shape(y) != shape or [len(row) for row in models] != (
                [shape[1]] * shape[0]):
            raise TableError('models, x and y are tables (n, band) of the same shape; x has '
                             f'{shape} and y {np.shape(y)}')
        for place in np.ndindex(shape):
            self._models[place] = models[place[0]][place[1]]
        self._x, self._y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        matrix = np.asarray(pixels, dtype=float)
        matrix = matrix * np.eye(2) if matrix.ndim == 0 else matrix
        self._pixels = np.broadcast_to(matrix, (*shape, 2, 2))

    @cached_property
    def fwhm(self):
        """(n, band) `~astropy.units.Quantity`, of a circle with the area above half maximum."""
        fine = np.sqrt(np.abs(np.linalg.det(self._pixels)))  # pixels of the exposure per arcsec
        widths = [kernel_fwhm(self._models[place].image(self._x[place], self._y[place]))
                  * self._models[place].sampling for place in np.ndindex(self._x.shape)]
        return np.reshape(widths, self._x.shape) / fine * u.arcsec

    def kernels(self, pixel_scale):
        """
        Return pixel kernels.

        Parameters
        ----------
        pixel_scale : `~astropy.units.Quantity`
            Angle per pixel.

        Returns
        -------
        kernels : (n, band, ky, kx) `~numpy.ndarray`
            Odd sizes that hold the widest, each summing to 1.
        """
        step = pixel_scale.to_value(u.arcsec)
        reach = [self._reach(place, step) for place in np.ndindex(self._x.shape)]
        size = max(reach, default=0)
        offset = np.arange(-size, size + 1)
        found = [self._one(place, step, offset) for place in np.ndindex(self._x.shape)]
        return np.reshape(found, (*self._x.shape, 2 * size + 1, 2 * size + 1))

    def __getitem__(self, rows):
        """Return the PSF of some rows, or of ``[rows, bands]``."""
        x = self._x[rows]
        return PSFExPSF(self._models[rows].reshape(x.shape), x, self._y[rows], self._pixels[rows])

    def _reach(self, place, step):
        half = min(self._models[place].basis.shape[1:]) // 2 * self._models[place].sampling
        return int(half / (step * np.linalg.norm(self._pixels[place], 2)))

    def _one(self, place, step, offset):
        model, matrix = self._models[place], self._pixels[place] * step
        image = model.image(self._x[place], self._y[place])
        wider = np.sqrt(max(abs(np.linalg.det(matrix)) - 1, 0) / abs(np.linalg.det(matrix)))
        box = wider * _BOX if wider > 0.05 else [0]
        total = 0
        for dy in box:
            for dx in box:
                x, y = np.meshgrid(offset + dx, offset + dy)
                where = (np.einsum('ij,jkl->ikl', matrix, np.array([x, y]))[::-1] / model.sampling
                         + (np.array(image.shape) // 2)[:, None, None])
                total = total + ndimage.map_coordinates(image, where, order=3)
        return total / total.sum()


def read_psfex(path):
    """
    Read a PSFEx model.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        FITS file as PSFEx writes it, or one whose keywords are the columns of a
        table with a single row.

    Returns
    -------
    model : `PSFExModel`
        Polynomial in x and y.

    Raises
    ------
    InputFileError
        If the file is cut short, holds no such model, or one that depends on
        other things than the position.
    """
    tables = [(header, data) for header, data in read_hdus(path)
              if getattr(data, 'names', None) and len(data)]
    if not tables:
        raise InputFileError(f'{path}: is no PSFEx model; it holds no table')
    header, table = tables[0]
    row = {name.lower(): table[name][0] for name in table.names}
    values = {**{name.lower(): value for name, value in header.items()}, **row}
    missing = [name for name in ('psf_mask', 'polname1', 'polname2', 'polzero1', 'polzero2',
                                 'polscal1', 'polscal2', 'poldeg1', 'psf_samp')
               if name not in values]
    if missing:
        raise InputFileError(f'{path}: is no PSFEx model in x and y; it lacks {missing}')
    return _model(values, path)


def _model(values, path):
    names = [str(values[key]).strip().upper() for key in ('polname1', 'polname2')]
    groups = [int(values.get(key, 1)) for key in ('polgrp1', 'polgrp2')]
    degree, basis = int(values['poldeg1']), np.asarray(values['psf_mask'], dtype=float)
    terms = (degree + 1) * (degree + 2) // 2
    if names != ['X_IMAGE', 'Y_IMAGE'] or groups != [1, 1] or basis.shape[:1] != (terms,):
        raise InputFileError(f'{path}: is a model in {names} with {len(basis)} terms; read here is '
                             f"one polynomial in ['X_IMAGE', 'Y_IMAGE'], of {terms} terms for its "
                             f'degree {degree}')
    if not np.isfinite(basis).all():
        raise InputFileError(f'{path}: the model has values that are not finite')
    return PSFExModel(basis, *(tuple(float(values[f'{key}{i}']) for i in (1, 2))
                               for key in ('polzero', 'polscal')), degree,
                      float(values['psf_samp']), str(path))
