# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Look for a blue ring about a red galaxy."""
from astropy import units as u

from lensfinder_audit.interfaces import Classifier
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
