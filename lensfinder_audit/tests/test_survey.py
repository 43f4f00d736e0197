# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10


def test_survey_is_found_as_a_plugin():
    assert load_plugin('surveys', 'legacy_dr10') is LEGACY_DR10


def test_depth_of_an_inverse_variance_of_100_is_23_253():
    depth = LEGACY_DR10.depth_magnitude(100)
    assert_allclose(depth.value, 22.5 - 2.5 * np.log10(0.5), rtol=1e-12)
    assert depth.unit == u.ABmag


def test_depth_without_exposure_is_nan_and_raises_no_warning():
    depth = LEGACY_DR10.depth_magnitude([[0, -1], [np.nan, 100]])
    assert np.isnan(depth.value).tolist() == [[True, True], [True, False]]


def test_depth_at_one_sigma_is_deeper_by_the_logarithm_of_five():
    difference = LEGACY_DR10.depth_magnitude(7, n_sigma=1) - LEGACY_DR10.depth_magnitude(7)
    assert_allclose(difference.value, 2.5 * np.log10(5))


def test_gain_in_r_is_53_electrons_per_second_and_nanomaggy():
    gain = LEGACY_DR10.electrons_per_flux('r', 1 * u.s)
    assert_allclose(gain.to_value(u.electron / u.nmgy), 53.36, atol=0.05)


def test_gain_takes_any_unit_of_time():
    assert_allclose(LEGACY_DR10.electrons_per_flux('g', 3 * u.min).value,
                    LEGACY_DR10.electrons_per_flux('g', 180 * u.s).value)


def test_gain_refuses_a_time_that_is_none():
    with pytest.raises(u.UnitsError):
        LEGACY_DR10.electrons_per_flux('r', 180 * u.m)


def test_band_without_zero_point_is_named():
    with pytest.raises(ConfigError, match="no electron zero point for band 'i'"):
        LEGACY_DR10.electrons_per_flux('i', 1 * u.s)


def test_unknown_condition_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'psfsize_r'"):
        LEGACY_DR10.condition('psfsiez_r')


@pytest.mark.parametrize('name', LEGACY_DR10.conditions)
def test_condition_has_a_unit_and_rising_edges(name):
    column = LEGACY_DR10.condition(name)
    u.Unit(column.unit)
    assert column.description
    assert (np.diff(column.published_edges) > 0).all()


def test_edges_are_those_of_the_published_grid():
    psf = LEGACY_DR10.condition('psfsize_r').published_edges
    assert_allclose(np.add(psf[1:], psf[:-1]) / 2, np.arange(0.9, 1.85, 0.15))
    depth = LEGACY_DR10.condition('depth_r').published_edges
    assert_allclose(np.add(depth[1:], depth[:-1]) / 2, np.arange(22.5, 24.6, 0.5))
    theta_e = LEGACY_DR10.condition('theta_e').published_edges
    assert_allclose(np.add(theta_e[1:], theta_e[:-1]) / 2, np.arange(0.5, 3.1, 0.25))


def test_pixel_scale_and_bands_are_those_of_dr10():
    assert LEGACY_DR10.pixel_scale == 0.262 * u.arcsec
    assert LEGACY_DR10.bands == ('g', 'r', 'z')
    assert (LEGACY_DR10.mask_bits['BRIGHT'], LEGACY_DR10.mask_bits['CLUSTER']) == (1, 13)
