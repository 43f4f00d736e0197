# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
from astropy import units as u
from astropy.table import QTable
from lensfinder_audit_example_classifier import RedAndBright, RingContrast

from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.testing import check_catalog_finder, check_classifier


def test_conforms():
    check_classifier(RingContrast())


def test_the_one_without_pixels_conforms():
    check_catalog_finder(RedAndBright())


def test_a_red_galaxy_ranks_above_a_blue_one_and_a_negative_flux_nowhere():
    rows = QTable({'flux_g': [1.0, 8.0, -1.0] * u.nmgy, 'flux_z': [10.0, 10.0, 10.0] * u.nmgy})
    red, blue, none = RedAndBright()(rows)
    assert red > blue and np.isnan(none)


def test_a_blue_ring_ranks_above_a_red_galaxy():
    flux = np.random.default_rng(0).normal(0, 0.01, (2, 3, 101, 101))
    flux[:, 2, 47:54, 47:54] += 1
    flux[1, 0, annulus_mask((101, 101), r_in=5, r_out=9)] += 0.1
    galaxy, lens = RingContrast()(flux)
    assert lens > galaxy + 0.5
