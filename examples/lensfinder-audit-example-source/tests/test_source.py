# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
from astropy import units as u
from lensfinder_audit_example_source import ThreeLenses

from lensfinder_audit.testing import check_source


def test_conforms():
    check_source(ThreeLenses())


def test_einstein_radii_are_angles():
    assert (ThreeLenses()()['theta_e'] > 1 * u.arcsec).all()
