# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Deflections, magnifications and profiles agree with what is known of them."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import dblquad, quad
from scipy.special import gammainc

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.lensing import Sersic, SieShear, sersic_b

LENSES = st.builds(SieShear, theta_e=st.floats(0.3, 3), q=st.floats(0.2, 1),
                   phi=st.floats(-4, 4), gamma_1=st.floats(-0.2, 0.2),
                   gamma_2=st.floats(-0.2, 0.2), x=st.floats(-0.2, 0.2), y=st.floats(-0.2, 0.2))
PLACE = {'x': st.floats(-8, 8), 'y': st.floats(-8, 8)}


def test_an_isothermal_sphere_deflects_by_its_einstein_radius():
    x, y = np.random.default_rng(0).normal(0, 3, (2, 100))
    alpha_x, alpha_y = SieShear(1.3).deflection(x, y)
    assert_allclose(alpha_x, 1.3 * x / np.hypot(x, y), atol=1e-14)
    assert_allclose(alpha_y, 1.3 * y / np.hypot(x, y), atol=1e-14)


@pytest.mark.parametrize('less', [1e-3, 1e-6, 1e-9, 1e-12, 1.2e-16])
def test_a_nearly_round_lens_goes_over_into_a_sphere(less):
    x, y = np.random.default_rng(0).normal(0, 3, (2, 1000))
    near = SieShear(1.3, q=1 - less, phi=0.3).deflection(x, y)
    assert_allclose(near, SieShear(1.3).deflection(x, y), atol=1.3 * less + 1e-14)


def test_deflection_far_away_is_that_of_the_enclosed_mass():
    """The shape matters less with distance; the mean over a circle is theta_e here, too."""
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    for q in (0.3, 0.7):
        alpha = SieShear(1.0, q=q, phi=1).deflection(50 * np.cos(angle), 50 * np.sin(angle))
        radial = (alpha[0] * np.cos(angle) + alpha[1] * np.sin(angle)).mean()
        mass, _ = quad(lambda t, q=q: float(SieShear(1.0, q=q).convergence(np.cos(t), np.sin(t))),
                       0, 2 * np.pi)  # Gauss's theorem: mean radial deflection, at r = 1
        assert radial == pytest.approx(mass / np.pi, rel=1e-9)


@pytest.mark.parametrize('q', [1.0, 0.8, 0.5])
def test_the_critical_curve_encloses_pi_theta_e_squared(q):
    lens, angle = SieShear(1.4, q=q, phi=0.7), np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    radius = 2 * lens.convergence(np.cos(angle), np.sin(angle))  # kappa = 1/2 there
    assert 0.5 * (radius ** 2).mean() * 2 * np.pi == pytest.approx(np.pi * 1.4 ** 2)
    beyond = lens.magnification(1.001 * radius * np.cos(angle), 1.001 * radius * np.sin(angle))
    within = lens.magnification(0.999 * radius * np.cos(angle), 0.999 * radius * np.sin(angle))
    assert (beyond > 500).all() and (within < -500).all()


def test_point_images_of_a_sphere():
    lens, beta = SieShear(1.2), 0.3
    for image, mu in ((1.5, 1 + 1.2 / beta), (-0.9, 1 - 1.2 / beta)):
        assert_allclose(lens.source_position(image, 0.0), (beta, 0), atol=1e-15)
        assert lens.magnification(image, 0.0) == pytest.approx(mu)


def test_position_angle_runs_counter_clockwise():
    """The surface density falls slowest along the major axis."""
    lens = SieShear(1, q=0.5, phi=np.radians(30))
    angle = np.radians(np.arange(180))
    assert lens.convergence(np.cos(angle), np.sin(angle)).argmax() == 30


def test_shear_stretches_images_along_its_axis():
    """A round source is imaged into an ellipse along x for gamma_1 > 0."""
    lens = SieShear(1e-9, gamma_1=0.1, gamma_2=0.0)
    assert_allclose(lens.source_position(1 / 0.9, 0.0), (1, 0), atol=1e-8)
    assert_allclose(lens.source_position(0.0, 1 / 1.1), (0, 1), atol=1e-8)
    diagonal = SieShear(1e-9, gamma_2=0.1).source_position(1.0, 1.0)
    assert_allclose(diagonal, (0.9, 0.9), atol=1e-8)


@given(lens=LENSES, **PLACE)
def test_magnification_is_that_of_the_deflection(lens, x, y):
    step = 1e-5
    if np.hypot(x - lens.x, y - lens.y) < 0.1:
        return
    (xx, xy), (yx, yy) = ((np.subtract(lens.source_position(x + dx, y + dy),
                                       lens.source_position(x - dx, y - dy)) / (2 * step))
                          for dx, dy in ((step, 0), (0, step)))
    assert xy == pytest.approx(yx, abs=1e-6)
    assert 1 / lens.magnification(x, y) == pytest.approx(xx * yy - xy * yx, abs=2e-6)


@given(lens=LENSES, **PLACE)
def test_deflection_turns_with_the_lens(lens, x, y):
    turn = 0.4
    cos, sin = np.cos(turn), np.sin(turn)
    gamma = (lens.gamma_1 + 1j * lens.gamma_2) * np.exp(2j * turn)
    other = SieShear(lens.theta_e, q=lens.q, phi=lens.phi + turn, gamma_1=gamma.real,
                     gamma_2=gamma.imag, x=cos * lens.x - sin * lens.y,
                     y=sin * lens.x + cos * lens.y)
    a, b = lens.deflection(x, y)
    if np.hypot(x - lens.x, y - lens.y) > 1e-6:
        assert_allclose(other.deflection(cos * x - sin * y, sin * x + cos * y),
                        (cos * a - sin * b, sin * a + cos * b), atol=1e-9)


def test_the_center_is_finite():
    assert np.isfinite(SieShear(1.0, q=0.6).deflection(0.0, 0.0)).all()


@pytest.mark.parametrize('name', ['SIE', 'SHEAR', 'both'])
def test_deflections_equal_those_of_lenstronomy(name):
    models = pytest.importorskip('lenstronomy.LensModel.lens_model',
                                 reason='lenstronomy is not installed')
    util = pytest.importorskip('lenstronomy.Util.param_util')
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-13, 13, (2, 5000))
    for _ in range(20):
        lens = SieShear(rng.uniform(0.5, 3), q=rng.uniform(0.5, 0.99), phi=rng.uniform(0, np.pi),
                        gamma_1=rng.normal(0, 0.05), gamma_2=rng.normal(0, 0.05),
                        x=rng.normal(0, 0.05), y=rng.normal(0, 0.05))
        e1, e2 = util.phi_q2_ellipticity(lens.phi, lens.q)
        center = {'center_x': lens.x, 'center_y': lens.y}
        sie = {'theta_E': lens.theta_e, 'e1': e1, 'e2': e2, **center}
        shear = {'gamma1': lens.gamma_1, 'gamma2': lens.gamma_2, 'ra_0': lens.x, 'dec_0': lens.y}
        names, values = (['SIE', 'SHEAR'], [sie, shear])
        ours = lens.deflection(x, y)
        if name == 'SIE':
            names, values = ['SIE'], [sie]
            ours = SieShear(lens.theta_e, q=lens.q, phi=lens.phi, **{'x': lens.x, 'y': lens.y}
                            ).deflection(x, y)
        elif name == 'SHEAR':
            names, values = ['SHEAR'], [shear]
            bare = SieShear(lens.theta_e, q=lens.q, phi=lens.phi, x=lens.x, y=lens.y)
            ours = np.subtract(ours, bare.deflection(x, y))
        assert_allclose(ours, models.LensModel(names).alpha(x, y, values), atol=1e-6)


@pytest.mark.parametrize('n', [0.5, 1, 2, 4])
def test_half_the_light_lies_within_re(n):
    assert gammainc(2 * n, sersic_b(n)) == pytest.approx(0.5, rel=1e-12)


def test_b_of_a_gaussian_and_of_an_exponential():
    assert_allclose(sersic_b([0.5, 1]), [np.log(2), 1.678346990016661], rtol=1e-12)


@pytest.mark.parametrize('n', [0.5, 1.0, 1.5, 2.5, 4.0])
@pytest.mark.parametrize('q', [0.3, 1.0])
def test_the_total_flux_is_one(n, q):
    source = Sersic(0.3, n=n, q=q, phi=0.4)
    total, _ = quad(lambda r: 2 * np.pi * q * 0.3 ** 2 * r * source.brightness_at(r), 0, np.inf,
                    epsabs=1e-12, limit=400)
    assert total == pytest.approx(1, rel=1e-8)


def test_the_total_flux_on_the_sky_is_one():
    source = Sersic(0.3, n=0.8, q=0.5, phi=0.4, x=0.1, y=-0.2)
    total, _ = dblquad(lambda y, x: float(source.brightness(x, y)), -2, 2, -2, 2, epsabs=1e-5)
    assert total == pytest.approx(1, rel=1e-4)


def test_re_is_the_semi_major_axis():
    source = Sersic(0.4, n=2, q=0.5, phi=np.pi / 2)
    assert_allclose(source.radius([0, 0.2, 0.4], [0.4, 0, 0]), [1, 1, 2])


@pytest.mark.parametrize('q', [0, -0.5, 1.2, np.nan])
def test_axis_ratios_outside_0_to_1_are_refused(q):
    with pytest.raises(ConfigError, match=r'axis ratio of the lens lies in \(0, 1\]; .* does not'):
        SieShear(1, q=q)
    with pytest.raises(ConfigError, match=r'axis ratio of the source lies in \(0, 1\]'):
        Sersic(0.3, q=q)


@pytest.mark.parametrize('theta_e', [0, -1, np.nan, np.inf])
def test_einstein_radii_are_positive(theta_e):
    with pytest.raises(ConfigError, match='theta_e is a positive angle in arcsec, not'):
        SieShear(theta_e)


def test_other_impossible_values_are_named():
    with pytest.raises(ConfigError, match='re is a positive angle in arcsec, not 0'):
        Sersic(0)
    with pytest.raises(ConfigError, match='Sersic index lies in .*; 20 does not'):
        Sersic(0.3, n=20)
    with pytest.raises(ConfigError, match='a shear of .* is not below 1'):
        SieShear(1, gamma_1=1.5)
