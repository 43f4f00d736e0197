# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
from astropy import units as u
from lensfinder_audit_example_simulator import SisPoint

from lensfinder_audit.testing import GaussianPSF, check_simulator, example_hosts


def test_conforms():
    check_simulator(SisPoint())


def test_images_lie_two_einstein_radii_apart():
    systems = SisPoint().draw(example_hosts(1), seeds=[5])
    systems['angle'] = 0 * u.rad
    image = SisPoint().render(systems, bands='r', psf=GaussianPSF([[0.9]] * u.arcsec),
                              shape=(101, 101), pixel_scale=0.1 * u.arcsec)[0, 0, 50]
    bright, faint = 50 + image[50:].argmax(), image[:50].argmax()
    assert abs((bright - faint) * 0.1 - 2 * systems['theta_e'][0].value) < 0.11
    assert np.isclose(image[bright] / image[faint],
                      (1 + systems['beta'] / systems['theta_e'])
                      / (1 - systems['beta'] / systems['theta_e']), rtol=0.1)
