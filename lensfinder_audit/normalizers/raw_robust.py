# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Normalisation by the median and spread of an annulus of sky.

Per stamp and band: missing pixels become 0; the median of an annulus is
subtracted; the rest is divided by the unscaled median absolute deviation (MAD)
of the annulus, plus 1e-8; values are clipped. Ten such units are 6.74 standard
deviations of Gaussian noise, because the MAD is left unscaled.

Published models were trained with an annulus of 20 to 32 pixels, which was
tuned for stamps of 64 pixels and overlaps galaxy light; it is kept under a name
of its own, `RawRobustPublished`.
"""
from functools import cache

import numpy as np

from lensfinder_audit.interfaces import Normalizer
from lensfinder_audit.noise import annulus_mask

__all__ = ['RawRobust', 'RawRobustPublished']


class RawRobust(Normalizer):
    """
    Subtract the median and divide by the MAD of an annulus.

    Parameters
    ----------
    r_in, r_out : float, optional
        Inner (inclusive) and outer (exclusive) radius in pixels, about
        ``(ny // 2, nx // 2)``. The defaults are 0.65 and 0.90 of
        ``min(ny, nx) // 2``: 32.5 and 45 pixels for stamps of 101.
    clip : float, optional
        Greatest absolute value of the outcome.

    Raises
    ------
    ConfigError
        On use, if no pixel of the stamp lies in the annulus.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.normalizers.raw_robust import RawRobust
    >>> flux = np.random.default_rng(0).normal(3, 0.02, (2, 3, 101, 101))
    >>> images = RawRobust()(flux)
    >>> print(images.dtype, f'{np.abs(np.median(images)):.1f}')
    float32 0.0
    """

    def __init__(self, *, r_in=None, r_out=None, clip=10.0):
        self.r_in = r_in
        self.r_out = r_out
        self.clip = clip

    def radii(self, shape):
        """
        Return the radii of the annulus for stamps of a shape.

        Parameters
        ----------
        shape : tuple of int
            Height and width in pixels.

        Returns
        -------
        r_in, r_out : float
            In pixels.

        Examples
        --------
        >>> from lensfinder_audit.normalizers.raw_robust import RawRobust
        >>> RawRobust().radii((101, 101))
        (32.5, 45.0)
        """
        half = min(shape) // 2
        return (0.65 * half if self.r_in is None else self.r_in,
                0.90 * half if self.r_out is None else self.r_out)

    def annulus(self, shape):
        """
        Mark the pixels that median and MAD are taken from.

        Parameters
        ----------
        shape : tuple of int
            Height and width in pixels.

        Returns
        -------
        annulus : (ny, nx) `~numpy.ndarray` of bool
            True inside.
        """
        r_in, r_out = self.radii(shape)
        return annulus_mask(shape, r_in=r_in, r_out=r_out, center=(shape[0] // 2, shape[1] // 2))

    def normalize(self, flux):
        """
        Normalise image stamps.

        Parameters
        ----------
        flux : (n, band, y, x) `~numpy.ndarray`
            Flux in nanomaggies; NaN marks a missing pixel.

        Returns
        -------
        images : (n, band, y, x) `~numpy.ndarray`
            float32, within ``clip`` of zero.
        """
        inside = np.flatnonzero(self.annulus(flux.shape[-2:])).astype(np.uintp)
        with np.errstate(over='ignore'):
            planes = np.ascontiguousarray(flux, dtype=np.float32)
        planes = planes.reshape(-1, flux.shape[-2] * flux.shape[-1])
        images = np.empty_like(planes)
        _planes_function()(planes, inside, np.float32(self.clip), images)
        return images.reshape(flux.shape)


class RawRobustPublished(RawRobust):
    """
    The same with the annulus of the published models, 20 to 32 pixels.

    Parameters
    ----------
    r_in, r_out : float, optional
        Inner (inclusive) and outer (exclusive) radius in pixels.
    clip : float, optional
        Greatest absolute value of the outcome.
    """

    def __init__(self, *, r_in=20.0, r_out=32.0, clip=10.0):
        super().__init__(r_in=r_in, r_out=r_out, clip=clip)


@cache
def _planes_function():
    try:
        from lensfinder_audit.normalizers._robust_kernel import normalize_planes
    except ImportError:
        return normalize_planes_numpy
    return normalize_planes


def normalize_planes_numpy(planes, inside, clip, out):
    """
    Do in NumPy what the compiled kernel does, with the same outcome.

    Parameters
    ----------
    planes, inside, clip, out
        As `lensfinder_audit.normalizers._robust_kernel.normalize_planes` takes them.
    """
    np.copyto(out, planes)
    out[~np.isfinite(out)] = 0
    ring = out[:, inside]
    middle = np.median(ring, axis=1, keepdims=True)
    scale = np.median(np.abs(ring - middle), axis=1, keepdims=True) + np.float32(1e-8)
    with np.errstate(over='ignore'):
        np.subtract(out, middle, out=out)
        np.divide(out, scale, out=out)
    np.clip(out, -clip, clip, out=out)
