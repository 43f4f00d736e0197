# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The stretch is linear in the noise and logarithmic in the galaxy."""
import numpy as np
import pytest
from astropy import units as u
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.normalizers.asinh import Asinh
from lensfinder_audit.testing import check_normalizer

FLUX = np.random.default_rng(0).normal(0, 0.1, (2, 3, 16, 16))


@pytest.mark.parametrize('softening', [0.01, (0.01, 0.02, 0.05), [5, 8, 20] * u.nmgy / 1000])
def test_conforms(softening):
    check_normalizer(Asinh(softening=softening), stamp=(3, 32, 32))


def test_linear_below_and_logarithmic_above_the_softening():
    faint, bright = np.full((1, 1, 1, 1), 1e-5), np.full((1, 1, 1, 1), 1e3)
    assert_allclose(Asinh()(faint), faint / 0.01, rtol=1e-5)
    assert_allclose(Asinh()(bright), np.log(2 * bright / 0.01), rtol=1e-6)


def test_odd_and_undone_by_sinh():
    images = Asinh(softening=0.05)(FLUX)
    assert_allclose(np.sinh(images) * 0.05, FLUX, rtol=1e-5)
    assert_array_equal(Asinh(softening=0.05)(-FLUX), -images)


def test_one_softening_per_band():
    images = Asinh(softening=(0.01, 0.02, 0.04))(FLUX)
    for band, softening in enumerate((0.01, 0.02, 0.04)):
        assert_array_equal(images[:, band], Asinh(softening=softening)(FLUX)[:, band])


def test_quantity_is_converted():
    assert_array_equal(Asinh(softening=1e-11 * u.mgy)(FLUX), Asinh(softening=0.01)(FLUX))


def test_missing_pixels_become_zero_and_nothing_overflows():
    flux = np.array([np.nan, 1e38, -3e38, 0]).reshape(1, 1, 2, 2)
    images = Asinh(softening=1e-6)(flux)
    assert np.isfinite(images).all() and images[0, 0, 0, 0] == 0


@pytest.mark.parametrize('softening', [0, -1, np.nan, [[0.1]], (0.1, 0)])
def test_softening_must_be_positive(softening):
    with pytest.raises(ConfigError, match='positive flux'):
        Asinh(softening=softening)


def test_number_of_softenings_is_that_of_the_bands():
    with pytest.raises(ConfigError, match='2 softenings for 3 bands'):
        Asinh(softening=(0.1, 0.2)).normalize(FLUX)


def test_real_cutouts_stay_in_range(real_data):
    files = sorted((real_data / 'dr10-cutouts').glob('*.npz'))
    flux = np.stack([np.load(path)['cutout'].transpose(2, 0, 1) for path in files])
    images = Asinh()(flux)
    assert 1 < np.abs(images).max() < 12
