# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Images hold magnification times source flux, found in two independent ways."""
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder_audit import lensing, raytrace
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.lensing import Sersic, SieShear
from lensfinder_audit.raytrace import lensed_image, magnification, magnify_systems
from lensfinder_audit.simulators._system_rows import pack

STAMP = {'shape': (201, 201), 'pixel_scale': 0.262}
SYSTEMS = st.tuples(
    st.builds(SieShear, theta_e=st.floats(0.5, 3), q=st.floats(0.5, 1), phi=st.floats(0, 3.2),
              gamma_1=st.floats(-0.1, 0.1), gamma_2=st.floats(-0.1, 0.1),
              x=st.floats(-0.1, 0.1), y=st.floats(-0.1, 0.1)),
    st.builds(Sersic, re=st.floats(0.15, 0.5), n=st.floats(0.5, 2), q=st.floats(0.3, 1),
              phi=st.floats(0, 3.2), x=st.floats(-1, 1), y=st.floats(-1, 1)))


@settings(max_examples=40)
@given(system=SYSTEMS)
def test_image_flux_is_magnification_times_source_flux(system):
    assert lensed_image(*system, **STAMP).sum() == pytest.approx(magnification(*system), rel=1.5e-3)


@pytest.mark.parametrize('n', [1.0, 2.0, 4.0])
def test_a_smaller_tolerance_comes_nearer(n):
    lens, source = SieShear(1.1, q=0.7, gamma_1=0.05), Sersic(0.2, n=n, q=0.4, x=0.2, y=0.1)
    stamp = {'shape': (801, 801), 'pixel_scale': 0.262} if n == 4 else STAMP
    exact = magnification(lens, source, rays=50000)
    images = [lensed_image(lens, source, tolerance=tolerance, **stamp)
              for tolerance in (1e-3, 1e-5, 1e-8)]
    errors = [abs(image - images[2]).max() / images[2].max() for image in images[:2]]
    assert errors[1] < 2e-4 and errors[1] < 0.2 * errors[0]
    assert images[1].sum(dtype=float) == pytest.approx(exact, rel=2e-4)


@pytest.mark.parametrize('n', [0.5, 1.0, 2.0, 4.0])
def test_the_number_of_rays_is_enough(n):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        lens = SieShear(rng.uniform(0.5, 3), q=rng.uniform(0.5, 1), gamma_1=0.05)
        source = Sersic(0.1, n=n, q=0.5, phi=1, x=rng.uniform(0, 0.6), y=rng.uniform(0, 0.6))
        assert magnification(lens, source) == pytest.approx(
            magnification(lens, source, rays=2 ** 15), rel=3e-4)


@pytest.mark.parametrize('beta', [0.05, 0.3, 0.9])
def test_a_small_source_is_magnified_like_a_point(beta):
    """Both images of a sphere: 2 theta_e / beta."""
    found = magnification(SieShear(1.2), Sersic(1e-3, n=1, x=beta))
    assert found == pytest.approx(2 * 1.2 / beta, rel=1e-3)


def test_beyond_the_einstein_radius_there_is_one_image():
    found = magnification(SieShear(1.2), Sersic(1e-3, n=1, x=-2.0))
    assert found == pytest.approx(1 + 1.2 / 2.0, rel=3e-4)


def test_a_source_on_the_axis_becomes_a_ring():
    image = lensed_image(SieShear(2.0), Sersic(0.1), shape=(101, 101), pixel_scale=0.1)
    y, x = np.indices(image.shape) - 50
    radius = 0.1 * np.hypot(x, y)
    assert (radius * image).sum() / image.sum() == pytest.approx(2.0, abs=0.01)
    assert image[radius < 1].sum() < 1e-3 * image.sum()


def test_a_weak_lens_leaves_the_source_as_it_is():
    assert magnification(SieShear(1e-6), Sersic(0.3, n=2, x=3)) == pytest.approx(1, abs=1e-3)


@given(system=SYSTEMS, turn=st.floats(0, 6))
@settings(max_examples=20)
def test_magnification_does_not_depend_on_the_frame(system, turn):
    lens, source = system
    cos, sin = np.cos(turn), np.sin(turn)
    gamma = (lens.gamma_1 + 1j * lens.gamma_2) * np.exp(2j * turn)
    turned = SieShear(lens.theta_e, q=lens.q, phi=lens.phi + turn, gamma_1=gamma.real,
                      gamma_2=gamma.imag, x=cos * lens.x - sin * lens.y + 5,
                      y=sin * lens.x + cos * lens.y - 7)
    moved = Sersic(source.re, n=source.n, q=source.q, phi=source.phi + turn,
                   x=cos * source.x - sin * source.y + 5, y=sin * source.x + cos * source.y - 7)
    assert magnification(turned, moved) == pytest.approx(magnification(lens, source), rel=5e-4)


def test_quarter_turns_turn_the_image():
    lens = SieShear(1.3, q=0.7, phi=0.4, gamma_1=0.05, gamma_2=-0.02, x=0.1, y=0.05)
    source = Sersic(0.3, n=1, q=0.5, phi=1, x=0.3, y=0.1)
    turned = SieShear(1.3, q=0.7, phi=0.4 + np.pi / 2, gamma_1=-0.05, gamma_2=0.02, x=-0.05, y=0.1)
    moved = Sersic(0.3, n=1, q=0.5, phi=1 + np.pi / 2, x=-0.1, y=0.3)
    image = lensed_image(lens, source, **STAMP)
    # Rows run upward: counter-clockwise is from the first column axis to the row axis.
    assert_allclose(lensed_image(turned, moved, **STAMP), np.rot90(image, -1), atol=1e-4)


def test_peaked_profiles_need_no_more_pixels():
    """Sampled once per pixel, a source of 0.15 arcsec comes out far too bright."""
    weak, source = SieShear(1e-9), Sersic(0.15, n=1)
    plain = source.brightness(*(0.262 * (np.indices((101, 101))[::-1] - 50))).sum() * 0.262 ** 2
    assert plain > 1.4
    fixed = lensed_image(weak, source, shape=(101, 101), pixel_scale=0.262, subpixels=4).sum()
    assert fixed == pytest.approx(1, abs=5e-3)
    adaptive = lensed_image(weak, source, shape=(101, 101), pixel_scale=0.262).sum()
    assert adaptive == pytest.approx(1, abs=1.5e-3)


def test_stamps_of_any_shape_are_cut_from_the_same_image():
    lens, source = SieShear(1.3, q=0.7, phi=0.4), Sersic(0.3, x=0.2, y=0.1)
    large = lensed_image(lens, source, shape=(61, 81), pixel_scale=0.262)
    small = lensed_image(lens, source, shape=(11, 31), pixel_scale=0.262)
    assert_allclose(small, large[25:36, 25:56], atol=1e-12)


@pytest.mark.parametrize('subpixels', [-1, 0, 2.5])
def test_subpixels_are_a_whole_number_above_0(subpixels):
    with pytest.raises(ConfigError, match='subpixels is a whole number above 0, not'):
        lensed_image(SieShear(1), Sersic(0.3), subpixels=subpixels, **STAMP)


def lenstronomy_image(lens, source, *, supersampling):
    api = pytest.importorskip('lenstronomy.SimulationAPI.sim_api',
                              reason='lenstronomy is not installed')
    util = pytest.importorskip('lenstronomy.Util.param_util')
    sim = api.SimAPI(101, {'pixel_scale': 0.262, 'exposure_time': 1, 'magnitude_zero_point': 0,
                           'background_noise': 1, 'psf_type': 'NONE'},
                     {'lens_model_list': ['SIE', 'SHEAR'],
                      'source_light_model_list': ['SERSIC_ELLIPSE']})
    e1, e2 = util.phi_q2_ellipticity(lens.phi, lens.q)
    s1, s2 = util.phi_q2_ellipticity(source.phi, source.q)
    model = sim.image_model_class({'supersampling_factor': supersampling})
    kwargs_lens = [{'theta_E': lens.theta_e, 'e1': e1, 'e2': e2, 'center_x': lens.x,
                    'center_y': lens.y},
                   {'gamma1': lens.gamma_1, 'gamma2': lens.gamma_2, 'ra_0': lens.x,
                    'dec_0': lens.y}]
    radius = source.re * np.sqrt(source.q)  # its R_sersic is the geometric mean of the axes
    light = [{'amp': source.brightness_at(1.0), 'R_sersic': radius, 'n_sersic': source.n,
              'e1': s1, 'e2': s2, 'center_x': source.x, 'center_y': source.y}]
    return model.image(kwargs_lens, light, None, None)


def system(seed):
    rng = np.random.default_rng(seed)
    lens = SieShear(rng.uniform(0.5, 3), q=rng.uniform(0.5, 0.99), phi=rng.uniform(0, np.pi),
                    gamma_1=rng.normal(0, 0.05), gamma_2=rng.normal(0, 0.05),
                    x=rng.normal(0, 0.05), y=rng.normal(0, 0.05))
    return lens, Sersic(rng.uniform(0.2, 0.5), n=rng.uniform(0.5, 1.5), q=rng.uniform(0.3, 1),
                        phi=rng.uniform(0, np.pi), x=rng.uniform(-0.4, 0.4),
                        y=rng.uniform(-0.4, 0.4))


@pytest.fixture
def approximate_b(monkeypatch):
    """lenstronomy takes b = 1.9992 n - 0.3271: 0.4 % off at n = 1, 3 % at n = 0.5."""
    monkeypatch.setattr(lensing, 'sersic_b', lambda n: 1.9992 * n - 0.3271)


@pytest.mark.parametrize('seed', range(6))
def test_images_equal_those_of_lenstronomy(seed, approximate_b):
    expected = lenstronomy_image(*system(seed), supersampling=11)
    found = lensed_image(*system(seed), shape=(101, 101), pixel_scale=0.262)
    assert found.sum() == pytest.approx(expected.sum(), rel=2e-3)
    assert abs(found - expected).max() < 5e-3 * expected.max()


@pytest.mark.parametrize('seed', range(3))
def test_the_same_grid_gives_the_same_pixels_as_lenstronomy(seed, approximate_b):
    expected = lenstronomy_image(*system(seed), supersampling=4)
    found = lensed_image(*system(seed), shape=(101, 101), pixel_scale=0.262, subpixels=4)
    assert_allclose(found, expected, atol=2e-6 * expected.max())


def test_images_near_those_of_lenstronomy_as_it_is():
    lens, source = SieShear(1.4, q=0.7, phi=1, gamma_1=0.03), Sersic(0.2, n=1.5, x=0.3)
    expected = lenstronomy_image(lens, source, supersampling=11)
    found = lensed_image(lens, source, shape=(101, 101), pixel_scale=0.262)
    assert found.sum() == pytest.approx(expected.sum(), rel=5e-3)


# The compiled path and NumPy's

def rows_of(*systems):
    return pack(*(np.transpose([astuple(part) for part in parts])
                  for parts in zip(*systems, strict=True)))


@settings(max_examples=20)
@given(system=SYSTEMS)
def test_numpy_gives_the_same_image(system):
    found = lensed_image(*system, **STAMP)
    plain = lensed_image(*system, backend='numpy', **STAMP)
    assert found.dtype == np.float32 and plain.dtype == np.float64
    assert abs(found - plain).max() < 2e-5 * plain.max()


@settings(max_examples=10)
@given(system=SYSTEMS)
def test_the_reference_tolerance_is_converged(system):
    exact = lensed_image(*system, tolerance=1e-8, backend='numpy', **STAMP)
    for tolerance, error in ((1e-5, 1e-3), (3e-6, 4e-4)):
        assert abs(lensed_image(*system, tolerance=tolerance, **STAMP)
                   - exact).max() < error * exact.max()


@settings(max_examples=30)
@given(system=SYSTEMS, n=st.floats(0.5, 2))
def test_fewer_rays_are_enough(system, n):
    system = system[0], replace(system[1], n=n)
    exact = magnification(*system, rays=2 ** 13)
    assert magnify_systems(*rows_of(system))[0] == pytest.approx(exact, rel=6e-4)


def test_magnifications_without_numba_are_those_of_single_systems():
    systems = [system(seed) for seed in range(4)]
    assert_allclose(magnify_systems(*rows_of(*systems), backend='numpy'),
                    [magnification(*one) for one in systems], rtol=1e-12)


@pytest.mark.parametrize('backend', ['numba', 'numpy'])
@pytest.mark.parametrize('n', [0.5, 1.0, 4.0])
def test_sources_on_a_caustic_have_finite_images(backend, n):
    """On the fold, on a cusp, on the cut, and behind the center of the lens."""
    lens = SieShear(1.3, q=0.7, phi=0.4, gamma_1=0.05, x=0.03)
    angle = np.radians([10, 23, 60, 130])
    radius = 2 * lens.convergence(lens.x + np.cos(angle), np.sin(angle))
    folds = np.transpose(SieShear(1.3, q=0.7, phi=0.4, x=0.03).source_position(
        lens.x + radius * np.cos(angle), radius * np.sin(angle)))
    cut = -np.transpose(lens.deflection(lens.x + 1e-9 * np.cos(angle), 1e-9 * np.sin(angle)))
    for x, y in [*folds, *(cut + [lens.x, 0]), (lens.x, 0.0), (0.0, 0.0)]:
        source = Sersic(0.1, n=n, q=0.6, x=x, y=y)
        image = lensed_image(lens, source, backend=backend, **STAMP)
        expected = magnification(lens, source)
        assert np.isfinite(image).all() and (image >= 0).all()
        rel = {0.5: 2e-4, 1.0: 3e-4, 4.0: 2e-2}[n]  # the rest of n = 4 lies beyond the stamp
        assert image.sum(dtype=float) == pytest.approx(expected, rel=rel)


def test_a_source_on_the_center_of_a_pixel_behind_the_center_of_the_lens():
    """Nothing divides by a distance of 0."""
    for offset in (0.0, 0.131, 0.262):
        lens = SieShear(1.0, q=0.8, x=offset)
        for n in (0.5, 4.0):
            image = lensed_image(lens, Sersic(0.3, n=n, x=offset), **STAMP)
            assert np.isfinite(image).all() and image.max() > 0


@pytest.mark.parametrize('backend', ['numba', 'numpy'])
def test_whole_pixels_move_the_image(backend):
    lens, source = system(3)
    shift = {'x': 5 * 0.262, 'y': -3 * 0.262}
    moved = [replace(part, x=part.x + shift['x'], y=part.y + shift['y'])
             for part in (lens, source)]
    image = lensed_image(lens, source, backend=backend, **STAMP)
    found = lensed_image(*moved, backend=backend, **STAMP)
    assert_allclose(found[:-3, 5:], image[3:, :-5], atol=3e-5 * image.max())


@settings(max_examples=15)
@given(system=SYSTEMS, turn=st.floats(0, 6))
def test_the_flux_does_not_change_when_all_is_turned(system, turn):
    lens, source = system
    gamma = (lens.gamma_1 + 1j * lens.gamma_2) * np.exp(2j * turn)
    place = [(part.x + 1j * part.y) * np.exp(1j * turn) for part in system]
    turned = (replace(lens, phi=lens.phi + turn, gamma_1=gamma.real, gamma_2=gamma.imag,
                      x=place[0].real, y=place[0].imag),
              replace(source, phi=source.phi + turn, x=place[1].real, y=place[1].imag))
    assert lensed_image(*turned, **STAMP).sum(dtype=float) == pytest.approx(
        lensed_image(*system, **STAMP).sum(dtype=float), rel=3e-4)


def test_a_fixed_grid_is_the_mean_of_its_samples():
    lens, source = system(1)
    axis = (np.arange(201) - 100) * 0.262
    expected = source.brightness(*lens.source_position(*np.meshgrid(axis, axis))) * 0.262 ** 2
    for backend, error in (('numba', 1e-5), ('numpy', 1e-12)):
        found = lensed_image(lens, source, subpixels=1, backend=backend, **STAMP)
        assert_allclose(found, expected, atol=error * expected.max())


def test_a_lens_without_light_in_the_stamp_gives_an_empty_image():
    lens, source = SieShear(0.5), Sersic(0.1, n=0.5, x=200.0)
    for backend in ('numba', 'numpy'):
        assert lensed_image(lens, source, backend=backend, **STAMP).max() < 1e-30


@pytest.mark.parametrize('tolerance', [0, -1, 1, np.nan])
def test_a_tolerance_is_a_fraction(tolerance):
    with pytest.raises(ConfigError, match='the tolerance is a fraction of the brightest pixel'):
        lensed_image(*system(0), tolerance=tolerance, **STAMP)


def test_an_unknown_backend_is_named(monkeypatch):
    with pytest.raises(ConfigError, match="no backend 'numbas'.*Did you mean 'numba'"):
        lensed_image(*system(0), backend='numbas', **STAMP)
    monkeypatch.setattr(raytrace, '_trace_kernel', lambda: None)
    with pytest.raises(ConfigError, match="'pip install numba' or take backend='numpy'"):
        lensed_image(*system(0), backend='numba', **STAMP)
    assert lensed_image(*system(0), **STAMP).dtype == np.float64
