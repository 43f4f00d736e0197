# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
from lensfinder_audit_example_classifier import RingContrast

from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.testing import check_classifier


def test_conforms():
    check_classifier(RingContrast())


def test_a_blue_ring_ranks_above_a_red_galaxy():
    flux = np.random.default_rng(0).normal(0, 0.01, (2, 3, 101, 101))
    flux[:, 2, 47:54, 47:54] += 1
    flux[1, 0, annulus_mask((101, 101), r_in=5, r_out=9)] += 0.1
    galaxy, lens = RingContrast()(flux)
    assert lens > galaxy + 0.5
