# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
from astropy import units as u
from lensfinder_audit_example_survey import HSC_SSP

from lensfinder_audit.testing import check_survey


def test_conforms():
    check_survey(HSC_SSP)


def test_an_eight_metre_mirror_collects_more_than_a_four_metre_one():
    gain = HSC_SSP.electrons_per_flux('r', 1 * u.s)
    assert 300 < gain.value < 450  # DECam: 53
