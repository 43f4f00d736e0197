# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.crossmatch import join_conditions, match_positions, sky_positions
from lensfinder_audit.exceptions import TableError


def scattered(place, rng, n=40, scale=8 * u.arcsec):
    return place.directional_offset_by(rng.uniform(0, 360, n) * u.deg, rng.uniform(0, 1, n) * scale)


@pytest.mark.parametrize('ra, dec', [(0, 0), (359.9999, -30), (120, 90), (40, -90), (0, 89.9999),
                                     (180, 12)])
def test_match_is_that_of_astropy(ra, dec):
    rng = np.random.default_rng(0)
    place = SkyCoord(ra, dec, unit='deg')
    objects, catalog = scattered(place, rng), scattered(place, rng, 25)
    found = match_positions(objects, catalog, radius=1 * u.arcsec)
    index, separation, _ = objects.match_to_catalog_sky(catalog)
    near = separation <= 1 * u.arcsec
    assert near.any() and not near.all()
    assert_array_equal(found.matched, near)
    assert_array_equal(found.index[near], index[near])
    assert_allclose(found.separation[near].to_value(u.arcsec), separation[near].arcsec, atol=1e-7)
    assert_array_equal(found.ambiguous, [(one.separation(catalog) <= 1 * u.arcsec).sum() > 1
                                         for one in objects])


@settings(max_examples=25)
@given(st.floats(0, 359.99), st.floats(-90, 90), st.floats(0.01, 3))
def test_offset_within_the_radius_matches_and_none_beyond_it(ra, dec, angle):
    place = SkyCoord([ra], [dec], unit='deg')
    moved = place.directional_offset_by(37 * u.deg, angle * u.arcsec)
    found = match_positions(moved, place, radius=1.5 * u.arcsec)
    if abs(angle - 1.5) > 1e-6:
        assert found.matched[0] == (angle < 1.5)


def test_nothing_matches_nothing():
    none, one = SkyCoord([], [], unit='deg'), SkyCoord([1], [1], unit='deg')
    assert not match_positions(one, none, radius=1 * u.arcsec).matched.any()
    assert len(match_positions(none, one, radius=1 * u.arcsec).index) == 0


def test_row_without_a_position_matches_nothing():
    place = sky_positions(Table({'ra': [1, np.nan, 3], 'dec': [1, 2, np.nan]}))
    found = match_positions(place, place, radius=1 * u.arcsec)
    assert_array_equal(found.index, [0, -1, -1])


def test_position_may_be_in_any_unit_and_case():
    table = QTable({'RA': [1, 2] * u.hourangle, 'Dec': [60, -30] * u.arcmin})
    place = sky_positions(table)
    assert_allclose(place.ra.deg, [15, 30])
    assert_allclose(place.dec.deg, [1, -0.5])
    masked = Table({'ra': MaskedColumn([1., 2.], mask=[False, True]), 'dec': [1., 2.]})
    assert_array_equal(np.isnan(sky_positions(masked).ra.deg), [False, True])


@pytest.mark.parametrize('columns, message', [
    ({'dec': [1.]}, "the table has no column 'ra'; a match by position needs ra and dec"),
    ({'ra': [1.], 'dec': [91.]}, 'not on the sky, the first is row 0 with ra 1, dec 91'),
    ({'ra': [361.], 'dec': [1.]}, 'they must be degrees'),
    ({'ra': [1.] * u.mag, 'dec': [1.]}, "column 'ra' must be an angle; its unit is mag"),
    ({'ra': ['1:2:3'], 'dec': [1.]}, "column 'ra' must hold degrees; it holds text, such as "
                                     "'1:2:3'")])
def test_position_is_refused(columns, message):
    with pytest.raises(TableError, match=message):
        sky_positions(QTable(columns))


def test_conditions_are_taken_from_the_nearest_row():
    sample = QTable({'ra': [0.00005, 10, 359.9999] * u.deg, 'dec': [0, 0, 0] * u.deg,
                     'type': list('abc')})
    catalog = QTable({'ra': [0, 0.0003, 359.99985] * u.deg, 'dec': [0, 0, 0] * u.deg,
                      'psfsize_r': [1.1, 9.9, 1.3] * u.arcsec, 'nobs_z': [3, 9, 5],
                      'flag': ['x', 'y', 'z'], 'TYPE': ['D', 'D', 'D'], 'image': np.zeros((3, 2))})
    joined, match = join_conditions(sample, catalog, radius=1.2 * u.arcsec)
    assert_array_equal(match.n_within, [3, 0, 2])
    assert_array_equal(joined['psfsize_r'].to_value(u.arcsec), [1.1, np.nan, 1.3])
    assert_array_equal(joined['nobs_z'], [3, np.nan, 5])
    assert joined['flag'].tolist() == ['x', '', 'z']
    assert joined.colnames == ['ra', 'dec', 'type', 'psfsize_r', 'nobs_z', 'flag']
    assert sample.colnames == ['ra', 'dec', 'type']


def test_empty_catalogue_gives_columns_without_values():
    sample = QTable({'ra': [1.], 'dec': [1.]})
    joined, match = join_conditions(sample, QTable({'ra': [], 'dec': [], 'ebv': []}),
                                    radius=1 * u.arcsec)
    assert np.isnan(joined['ebv']).all() and not match.matched.any()
