# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
from lensfinder_audit_example_normalizer import SkyUnits

from lensfinder_audit.testing import check_normalizer


def test_conforms():
    check_normalizer(SkyUnits())


def test_sky_has_unit_noise():
    flux = np.random.default_rng(0).normal(0, 0.02, (2, 3, 101, 101))
    assert abs(SkyUnits()(flux).std() - 1) < 0.05
