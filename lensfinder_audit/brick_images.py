# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Cut stamps from an image of a brick, of which all objects are cut at once.

A compressed image is read tile by tile where few objects are asked for, and
expanded once where many are.
"""
import gzip
import io
import warnings
import zlib
from contextlib import contextmanager
from functools import cached_property

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import proj_plane_pixel_scales

from lensfinder_audit.exceptions import InputFileError, LensfinderAuditError

__all__ = ['BrickImage', 'cut_stamps']

_DAMAGE = ('truncated', 'corrupt', 'header size', 'checksum', 'datasum', 'missing')
_GZIP = b'\x1f\x8b'
_WHOLE = 150  # stamps for which expanding a compressed image is cheaper than its tiles


class BrickImage:
    """
    One image of a brick: its pixels and its place on the sky.

    Parameters
    ----------
    source : str, `~pathlib.Path` or bytes
        FITS file or what is in it; plain, ``.fz`` or ``.gz``. The first unit that
        holds an image is taken.
    name : str, optional
        What messages call it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputFileError
        If the file is cut short, damaged or holds no image; when it is asked for a
        position, if its header gives no place on the sky.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from lensfinder_audit.brick_images import BrickImage
    >>> hdu = fits.PrimaryHDU(np.arange(12.0).reshape(3, 4))
    >>> hdu.header.update({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN', 'CRPIX1': 2, 'CRPIX2': 2,
    ...                    'CRVAL1': 10, 'CRVAL2': 0, 'CDELT1': -1e-4, 'CDELT2': 1e-4})
    >>> stream = io.BytesIO()
    >>> hdu.writeto(stream)
    >>> with BrickImage(stream.getvalue()) as image:
    ...     x, y = image.pixels([9.9999], [0.0001])
    ...     print(x.round(3), y.round(3), image.cut(x, y, (1, 3)))
    [2.] [2.] [[[ 9. 10. 11.]]]
    """

    def __init__(self, source, name=None):
        self.name, self._stream = str(name if name is not None else source), None
        try:
            with self._named():
                self._stream = _open(source)
                hdus = fits.open(self._stream, checksum=True, ignore_missing_simple=False)
                self._hdu = next((hdu for hdu in hdus
                                  if len(getattr(hdu, 'shape', None) or ()) == 2), None)
            if self._hdu is None:
                raise InputFileError(f'{self.name}: holds no image')
        except BaseException:
            self.close()
            raise
        self._compressed = isinstance(self._hdu, fits.CompImageHDU)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    @property
    def shape(self):
        """Height and width in pixels."""
        return tuple(self._hdu.shape)

    @cached_property
    def _wcs(self):
        with self._named():
            found = WCS(self._hdu.header).celestial
        if not found.has_celestial:
            raise InputFileError(f'{self.name}: its header gives no place on the sky')
        return found

    @property
    def pixel_scale(self):
        """Angle per pixel as a `~astropy.units.Quantity`, the mean of both axes."""
        return np.mean(proj_plane_pixel_scales(self._wcs)) * 3600 * u.arcsec

    def pixels(self, ra, dec):
        """
        Return where positions fall.

        Parameters
        ----------
        ra, dec : (n,) array_like
            J2000, degrees.

        Returns
        -------
        x, y : (n,) `~numpy.ndarray`
            Pixels from 0; NaN on the other side of the sky.
        """
        wcs = self._wcs
        with warnings.catch_warnings(), np.errstate(invalid='ignore'):
            warnings.simplefilter('ignore')
            x, y = wcs.wcs_world2pix(np.atleast_1d(ra), np.atleast_1d(dec), 0)
            there = np.isfinite(x) & np.isfinite(y)
            back, up = wcs.wcs_pix2world(np.where(there, x, 0), np.where(there, y, 0), 0)
        # A plane has two sides: a position on the far one maps back to another.
        far = ~there | (np.abs(up - dec) > 0.1)
        far |= np.abs((back - ra + 180) % 360 - 180) * np.cos(np.radians(dec)) > 0.1
        return np.where(far, np.nan, x), np.where(far, np.nan, y)

    def cut(self, x, y, shape, *, missing=None, out=None):
        """
        Cut stamps about positions, to the nearest pixel.

        Parameters
        ----------
        x, y : (n,) array_like
            Pixels from 0.
        shape : tuple of int
            Height and width of the stamps.
        missing : float, optional
            Value by which the image marks pixels that it lacks, such as 0.
        out : (n, y, x) `~numpy.ndarray`, optional
            Where the stamps are written.

        Returns
        -------
        stamps : (n, y, x) `~numpy.ndarray`
            float32; NaN outside of the image and where it lacks pixels.

        Raises
        ------
        InputFileError
            If the pixels are damaged.
        """
        rows, columns = _corners(y, shape[0]), _corners(x, shape[1])
        with self._named():
            stamps = cut_stamps(self._pixels(len(rows)), rows, columns, shape, out=out)
        if missing is not None:
            stamps[stamps == np.float32(missing)] = np.nan
        return stamps

    def values(self, x, y):
        """
        Return the values at the nearest pixels.

        Parameters
        ----------
        x, y : (n,) array_like
            Pixels from 0.

        Returns
        -------
        values : (n,) `~numpy.ndarray`
            float32; NaN outside of the image.
        """
        return self.cut(x, y, (1, 1))[:, 0, 0]

    def _pixels(self, n):
        return self._hdu.section if self._compressed and n < _WHOLE else self._hdu.data

    @contextmanager
    def _named(self):
        """Turn whatever a damaged file raises or warns of into one error that names it."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter('always')
            warnings.simplefilter('ignore', FITSFixedWarning)
            try:
                yield
            except (LensfinderAuditError, MemoryError):
                raise
            except Exception as error:
                if isinstance(error, FileNotFoundError):
                    raise
                if getattr(error, 'errno', None):
                    raise InputFileError(f'{self.name}: cannot be read: {error.strerror}'
                                         ) from error
                raise InputFileError(f'{self.name}: is cut short or damaged ({_brief(error)})'
                                     ) from error
        harm = [text for text in (_brief(item.message) for item in said)
                if any(word in text.lower() for word in _DAMAGE)]
        if harm:
            raise InputFileError(f'{self.name}: is cut short or damaged ({harm[0]})')


def cut_stamps(image, rows, columns, shape, *, out=None):
    """
    Copy stamps out of an image.

    Parameters
    ----------
    image : (y, x) `~numpy.ndarray`
        Or anything with a shape that is sliced like one.
    rows, columns : (n,) array_like of int
        First row and first column of each stamp; they may lie outside.
    shape : tuple of int
        Height and width of the stamps.
    out : (n, y, x) `~numpy.ndarray`, optional
        Where the stamps are written.

    Returns
    -------
    stamps : (n, y, x) `~numpy.ndarray`
        float32, or ``out``; NaN outside of the image.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.brick_images import cut_stamps
    >>> cut_stamps(np.arange(6.0).reshape(2, 3), [0, 1], [1, -1], (1, 2))
    array([[[ 1.,  2.]],
           [[nan,  3.]]], dtype=float32)
    """
    height, width = shape
    n_rows, n_columns = image.shape
    stamps = np.empty((len(rows), height, width), np.float32) if out is None else out
    for stamp, row, column in zip(stamps, np.asarray(rows).tolist(), np.asarray(columns).tolist(),
                                  strict=True):
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + height, n_rows), min(column + width, n_columns)
        if bottom - top < height or right - left < width:
            stamp[:] = np.nan
            if bottom <= top or right <= left:
                continue
        stamp[top - row:bottom - row, left - column:right - column] = image[top:bottom, left:right]
    return stamps


def _corners(centers, size):
    """Return the first pixels of stamps whose middle is nearest to the centers."""
    first = np.asarray(centers, dtype=float) - (size - 1) / 2 + 0.5
    far = -10 * size  # outside of any image
    return np.floor(np.where(np.isfinite(first), np.clip(first, far, 1e9), far)).astype(int)


def _open(source):
    """Return a stream that is not compressed as a whole; astropy maps files into memory."""
    if not isinstance(source, bytes):
        stream = open(source, 'rb')  # noqa: SIM115
        if stream.read(2) != _GZIP:
            stream.seek(0)
            return stream
        with stream:
            source = _GZIP + stream.read()
    try:
        return io.BytesIO(gzip.decompress(source) if source[:2] == _GZIP else source)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(str(error)) from error


def _brief(error):
    return ' '.join(str(error).split())[:160] or type(error).__name__
