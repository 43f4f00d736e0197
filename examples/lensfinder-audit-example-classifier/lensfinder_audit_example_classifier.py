# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Two finders: a blue ring about a red galaxy in pixels, and a red and bright galaxy without."""
import numpy as np
from astropy import units as u

from lensfinder_audit.interfaces import CatalogFinder, Classifier
from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.normalizers.asinh import Asinh
from lensfinder_audit.survey import PIXEL_SCALE


class RingContrast(Classifier):
    """Rank by how much bluer the ring of an Einstein radius is than what it surrounds."""

    bands = ('g', 'r', 'z')
    stamp_shape = (101, 101)
    pixel_scale = PIXEL_SCALE
    normalizer = Asinh()
    score_kind = 'rank'

    def __init__(self, *, r_in=1.0 * u.arcsec, r_out=3.0 * u.arcsec):
        self.r_in = r_in
        self.r_out = r_out

    def predict(self, images):
        blue = (images[:, 0] - images[:, 2]).astype(float)
        r_in, r_out = ((r / self.pixel_scale).to_value('') for r in (self.r_in, self.r_out))
        core = annulus_mask(self.stamp_shape, r_in=0, r_out=r_in)
        ring = annulus_mask(self.stamp_shape, r_in=r_in, r_out=r_out)
        return blue[:, ring].mean(axis=1) - blue[:, core].mean(axis=1)


class RedAndBright(CatalogFinder):
    """Rank by how red and bright a galaxy is in its catalogue, as massive ones are."""

    columns = ('flux_g', 'flux_z')
    score_kind = 'rank'

    def score_rows(self, objects):
        g, z = (np.asarray(objects[name].value, dtype=float) for name in self.columns)
        with np.errstate(invalid='ignore', divide='ignore'):
            found = np.log10(z) + 2 * np.log10(z / g)
        return np.where((g > 0) & (z > 0), found, np.nan)
