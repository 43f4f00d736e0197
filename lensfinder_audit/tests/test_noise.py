# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Sky noise does not see the galaxy, and an annulus has the pixels it should."""
import numpy as np
import pytest
from astropy import units as u
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.noise import annulus_mask, sky_noise

ANNULUS = {'r_in': 5 * u.arcsec, 'r_out': 13 * u.arcsec}


def test_bright_lens_and_missing_pixels_do_not_move_the_noise():
    flux = np.random.default_rng(0).normal(3, 0.5, (101, 101))
    flux[45:56, 45:56] = 1e4
    flux[:5] = np.nan
    assert_allclose(sky_noise(flux, **ANNULUS), 0.5, rtol=0.05)


def test_leading_axes_are_kept():
    flux = np.random.default_rng(0).normal(0, [[[[0.1]], [[0.2]]]], (3, 2, 64, 64))
    assert_allclose(sky_noise(flux, **ANNULUS), np.tile([0.1, 0.2], (3, 1)), rtol=0.1)


def test_a_missing_band_has_no_noise():
    flux = np.random.default_rng(0).normal(0, 1, (2, 64, 64))
    flux[1] = np.nan
    assert np.isnan(sky_noise(flux, **ANNULUS)).tolist() == [False, True]


def test_empty_annulus_is_named():
    with pytest.raises(ConfigError, match='no pixel of a 9 x 9 stamp lies between r_in=19'):
        sky_noise(np.zeros((9, 9)), **ANNULUS)


def test_radius_without_unit_is_refused():
    with pytest.raises(TypeError, match='r_in'):
        sky_noise(np.zeros((9, 9)), r_in=1, r_out=2 * u.arcsec)


@pytest.mark.parametrize(('r_in', 'r_out', 'count'), [(20, 32, 1960), (32.5, 45, 3036)])
def test_published_counts_of_the_annuli(r_in, r_out, count):
    assert annulus_mask((101, 101), r_in=r_in, r_out=r_out).sum() == count


def test_inner_radius_is_inclusive_and_outer_exclusive():
    ring = annulus_mask((11, 11), r_in=3, r_out=5, center=(5, 5))
    assert ring[5, 8] and not ring[5, 10] and not ring[8, 9]
