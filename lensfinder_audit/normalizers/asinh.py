# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Inverse hyperbolic sine stretch.

Linear near zero, where the noise is, and logarithmic where the galaxy is: the
flux scale of asinh magnitudes (Lupton, Gunn & Szalay 1999) without their zero
point. Each band is stretched on its own, so colours are not kept as the colour
images of Lupton et al. 2004 keep them.
"""
import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.interfaces import Normalizer

__all__ = ['Asinh']


class Asinh(Normalizer):
    """
    Stretch fluxes as ``asinh(flux / softening)``; missing pixels become 0.

    Parameters
    ----------
    softening : float, sequence of float or `~astropy.units.Quantity`, optional
        Flux in nanomaggies at which the stretch turns from linear to
        logarithmic, for all bands or one per band. About the noise of a pixel
        serves best [1]_; the default is near that of DR10 coadds.

    Raises
    ------
    ConfigError
        If a softening is not positive or their number is not that of the bands.

    References
    ----------
    .. [1] Lupton, Gunn & Szalay 1999, doi:10.1086/301004; for colour images
       Lupton et al. 2004, doi:10.1086/382245

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.normalizers.asinh import Asinh
    >>> flux = np.full((1, 3, 2, 2), 0.1)
    >>> Asinh(softening=(0.01, 0.1, 0.1 / np.sinh(1)))(flux)[0, :, 0, 0].round(3)
    array([2.998, 0.881, 1.   ], dtype=float32)
    """

    def __init__(self, *, softening=0.01):
        self.softening = softening
        values = self._values()
        if values.ndim > 1 or not (np.isfinite(values) & (values > 0)).all():
            raise ConfigError('softening is one positive flux in nanomaggies or one per band, '
                              f'not {softening!r}')

    def normalize(self, flux):
        """
        Stretch image stamps.

        Parameters
        ----------
        flux : (n, band, y, x) `~numpy.ndarray`
            Flux in nanomaggies; NaN marks a missing pixel.

        Returns
        -------
        images : (n, band, y, x) `~numpy.ndarray`
            float32.
        """
        softening = self._values()
        if softening.ndim and len(softening) != flux.shape[1]:
            raise ConfigError(f'{self!r} has {len(softening)} softenings for {flux.shape[1]} '
                              'bands; give one, or one per band')
        with np.errstate(over='ignore'):
            images = np.array(flux, dtype=np.float32)
            images[~np.isfinite(images)] = 0
            images /= softening.reshape(-1, 1, 1)
        greatest = np.finfo(np.float32).max
        return np.arcsinh(np.clip(images, -greatest, greatest, out=images), out=images)

    def _values(self):
        return u.Quantity(self.softening, u.nmgy).value.astype(np.float32)
