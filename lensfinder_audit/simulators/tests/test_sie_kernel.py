# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The compiled deflection is that of `SieShear`, and lenstronomy's."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder_audit.lensing import SieShear

kernel = pytest.importorskip('lensfinder_audit.simulators._sie_kernel',
                             reason='numba is not installed')

LENSES = st.builds(SieShear, theta_e=st.floats(0.3, 3), q=st.floats(0.2, 1),
                   phi=st.floats(-4, 4), gamma_1=st.floats(-0.2, 0.2),
                   gamma_2=st.floats(-0.2, 0.2), x=st.floats(-0.2, 0.2), y=st.floats(-0.2, 0.2))


@given(lens=LENSES, x=st.floats(-13, 13), y=st.floats(-13, 13))
def test_deflections_are_those_of_the_model(lens, x, y):
    expected = lens.deflection(x, y)
    found = kernel.deflect(x, y, kernel.lens_constants(lens))
    if np.hypot(x - lens.x, y - lens.y) > 1e-12:
        assert_allclose(found, expected, atol=1e-13)
    x, y = np.float32(x), np.float32(y)
    if np.hypot(x - lens.x, y - lens.y) > 1e-3:
        found = kernel.deflect(x, y, kernel.lens_constants(lens, np.float32))
        assert_allclose(found, lens.deflection(float(x), float(y)), atol=1e-3)


@pytest.fixture(scope='module')
def trace_all():
    """Vectorised as its users compile it."""
    return kernel.compiled(_trace_all)


def _trace_all(x, y, lens, out):
    for i in range(x.size):
        out[0, i], out[1, i] = kernel.trace_back32(x[i], y[i], lens)


@pytest.mark.parametrize('q', [0.3, 0.6, 0.97, 0.999, 1 - 1e-9, 1.0])
def test_vector_instructions_are_as_good(trace_all, q):
    x, y = np.random.default_rng(0).uniform(-13, 13, (2, 5000)).astype(np.float32)
    lens = SieShear(1.7, q=q, phi=0.4, gamma_1=0.05, gamma_2=-0.03, x=0.1, y=-0.05)
    found = np.empty((2, 5000), dtype=np.float32)
    trace_all(x, y, kernel.lens_constants(lens, np.float32), found)
    expected = lens.source_position(x.astype(float), y.astype(float))
    assert np.abs(found - expected).max() < 3e-6
    near = 1e-6 * np.random.default_rng(1).normal(size=(2, 100)).astype(np.float32)
    trace_all(near[0] + 0.5, near[1], kernel.lens_constants(SieShear(1, q=q, x=0.5), np.float32),
              found[:, :100])
    assert (np.hypot(*found[:, :100]) < 2).all()  # finite and no farther than the deflection


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_single_precision_is_good_to_3e_6_arcsec(dtype):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-13, 13, (2, 2000)).astype(dtype)
    for q in (0.3, 0.6, 0.999, 1 - 1e-9, 1.0):
        lens = SieShear(1.7, q=q, phi=0.4, gamma_1=0.05, gamma_2=-0.03, x=0.1, y=-0.05)
        constants = kernel.lens_constants(lens, dtype)
        found = np.array([kernel.deflect(*place, constants) for place in zip(x, y, strict=True)])
        error = np.abs(found.T - lens.deflection(x.astype(float), y.astype(float))).max()
        assert error < (3e-6 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_the_center_of_the_lens_is_not_deflected(dtype):
    lens = kernel.lens_constants(SieShear(1.7, q=0.6, x=0.5, y=-0.25, gamma_1=0.1), dtype)
    assert kernel.deflect(dtype(0.5), dtype(-0.25), lens) == (0, 0)
    assert kernel.trace_back(dtype(0.5), dtype(-0.25), lens) == (0.5, -0.25)


def test_deflections_equal_those_of_lenstronomy():
    models = pytest.importorskip('lenstronomy.LensModel.lens_model',
                                 reason='lenstronomy is not installed')
    util = pytest.importorskip('lenstronomy.Util.param_util')
    x, y = np.random.default_rng(0).uniform(-13, 13, (2, 500))
    for q in (0.5, 0.8, 0.99):
        lens = SieShear(1.3, q=q, phi=0.7, gamma_1=0.04, gamma_2=-0.06, x=0.05, y=0.02)
        e1, e2 = util.phi_q2_ellipticity(lens.phi, lens.q)
        values = [{'theta_E': 1.3, 'e1': e1, 'e2': e2, 'center_x': 0.05, 'center_y': 0.02},
                  {'gamma1': 0.04, 'gamma2': -0.06, 'ra_0': 0.05, 'dec_0': 0.02}]
        expected = models.LensModel(['SIE', 'SHEAR']).alpha(x, y, values)
        constants = kernel.lens_constants(lens)
        found = [kernel.deflect(*place, constants) for place in zip(x, y, strict=True)]
        assert_allclose(np.transpose(found), expected, atol=1e-6)
