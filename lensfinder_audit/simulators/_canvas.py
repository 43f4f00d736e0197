# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What the mock galaxies are painted on: one stamp with a margin, and simple shapes."""
import numpy as np
from scipy.special import gamma, gammaincinv

__all__ = ['Canvas', 'MARGIN', 'deprojected', 'gaussian']

#: Pixels around a stamp, from which the PSF carries light into it.
MARGIN = 10

# Half-widths in pixels of boxes about a galaxy, and into how many a pixel is split there.
_BOXES = ((5, 4), (1, 16))
_CUSP = (0, 64)


class Canvas:
    """
    Flux of one stamp in several bands, before the PSF.

    Parameters
    ----------
    n_bands : int
        Number of planes.
    shape : tuple of int
        Height and width of the stamp in pixels.
    pixel : float
        Arcsec per pixel.

    Notes
    -----
    Positions are in pixels from the center of the stamp, x to the west and y to
    the north. Angles are counter-clockwise from x.
    """

    def __init__(self, n_bands, shape, pixel):
        self.pixel = pixel
        ny, nx = (n + 2 * MARGIN for n in shape)
        self.y = (np.arange(ny, dtype=np.float32) - (ny - 1) / 2)[:, None]
        self.x = (np.arange(nx, dtype=np.float32) - (nx - 1) / 2)[None, :]
        self.images = np.zeros((n_bands, ny, nx), dtype=np.float32)
        self.reach = max(ny, nx) / 2

    def add(self, template, flux):
        """Add a template (y, x), or one per band, times the flux of each band."""
        self.images += template * np.asarray(flux, dtype=np.float32)[:, None, None]

    def sersic(self, re, *, q=1.0, angle=0.0, n=1.0, x=0.0, y=0.0):
        """
        Return Sersic profiles of unit flux, integrated over pixels.

        ``re`` is the semi-major axis in pixels, one number per template; where
        the light is steep a pixel is split. All templates share an exponential.
        """
        re = np.atleast_1d(np.asarray(re, dtype=float))
        thin = n < 2.5 and re.max() > 3 and re.min() * q < 2.5
        split = 3 if thin else 1
        values = _mean_sersic(self.x - x, self.y - y, re, q, angle, n, split)
        for half, finer in (*_BOXES, *((_CUSP,) if n > 2 else ())):
            rows, columns = self._box(x, y, half)
            if rows.stop > rows.start and columns.stop > columns.start:
                values[:, rows, columns] = _mean_sersic(
                    self.x[:, columns] - x, self.y[rows] - y, re, q, angle, n, max(finer, split))
        return values

    def _box(self, x, y, half):
        """Return the rows and columns within ``half`` pixels of a point."""
        found = []
        for axis, center in ((self.y[:, 0], y), (self.x[0], x)):
            middle = round(float(center - axis[0]))
            found.append(slice(min(max(middle - half, 0), len(axis)),
                               min(max(middle + half + 1, 0), len(axis))))
        return tuple(found)

    def add_blob(self, x, y, sigma, flux, *, q=1.0, angle=0.0):
        """Add a small Gaussian where it lies, the rest of the stamp untouched."""
        rows, columns = self._box(x, y, int(np.ceil(4 * sigma)) + 1)
        dx, dy = self.x[:, columns] - x, self.y[rows] - y
        if dx.size and dy.size:
            along, across = deprojected(dx, dy, q, angle)
            values = np.exp(-0.5 * (along**2 + across**2) / sigma**2) / (2 * np.pi * q * sigma**2)
            flux = np.asarray(flux, dtype=np.float32)[:, None, None]
            self.images[:, rows, columns] += values * flux

    def add_small_galaxy(self, x, y, re, flux, *, q=1.0, angle=0.0):
        """Add an exponential disc of a few pixels, its flux in one patch."""
        rows, columns = self._box(x, y, int(np.ceil(4.5 * re)) + 1)
        if rows.stop == rows.start or columns.stop == columns.start:
            return
        template = _mean_sersic(self.x[:, columns] - x, self.y[rows] - y, np.array([re]), q,
                                angle, 1.0, 2 if re * q > 0.8 else 3)
        self.images[:, rows, columns] += template * np.asarray(flux, np.float32)[:, None, None]

    def add_star(self, x, y, flux):
        """Add a point, spread linearly over the four pixels around it."""
        row, column = y - self.y[0, 0], x - self.x[0, 0]
        i, j = int(np.floor(row)), int(np.floor(column))
        ny, nx = self.images.shape[1:]
        if 0 <= i < ny - 1 and 0 <= j < nx - 1:
            up, right = row - i, column - j
            weights = np.outer([1 - up, up], [1 - right, right])
            self.images[:, i:i + 2, j:j + 2] += weights * np.asarray(flux)[:, None, None]


def deprojected(dx, dy, q, angle):
    """Return coordinates along and across an ellipse, across divided by its axis ratio."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * dx + sin * dy, (cos * dy - sin * dx) / np.float32(q)


def gaussian(values, width):
    """Return a Gaussian of unit height."""
    return np.exp(-0.5 * (values / np.float32(width)) ** 2)


def _mean_sersic(dx, dy, re, q, angle, n, split):
    """Average over split x split points of each pixel; (templates, y, x)."""
    if split > 1:
        part = ((np.arange(split) + 0.5) / split - 0.5).astype(np.float32)
        dx = (dx[0][:, None] + part).reshape(1, -1)
        dy = (dy[:, 0][:, None] + part).reshape(-1, 1)
    along, across = deprojected(dx, dy, q, angle)
    power = np.log(along**2 + across**2 + np.float32(1e-12))
    power *= np.float32(0.5 / n)
    np.exp(power, out=power)  # radius in pixels to the 1/n
    b = float(gammaincinv(2 * n, 0.5))
    height = b ** (2 * n) / (2 * np.pi * n * gamma(2 * n) * q * re**2)
    values = np.stack([np.float32(peak) * np.exp(power * np.float32(-b * size ** (-1 / n)))
                       for peak, size in zip(height, re, strict=True)])
    if split > 1:
        values = sum(values[:, i::split] for i in range(split))
        values = sum(values[..., i::split] for i in range(split)) / np.float32(split**2)
    return values
