# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Express flux in units of the sky noise."""
import numpy as np
from astropy import units as u

from lensfinder_audit.interfaces import Normalizer
from lensfinder_audit.noise import sky_noise


class SkyUnits(Normalizer):
    """Divide each band by its sky noise, measured between two angular radii."""

    def __init__(self, *, r_in=8.5 * u.arcsec, r_out=11.8 * u.arcsec):
        self.r_in = r_in
        self.r_out = r_out

    def normalize(self, flux):
        noise = sky_noise(flux, r_in=self.r_in, r_out=self.r_out)[..., None, None]
        images = flux / np.where(noise > 0, noise, 1)  # NaN and 0: a band without sky
        return np.nan_to_num(images).astype(np.float32)
