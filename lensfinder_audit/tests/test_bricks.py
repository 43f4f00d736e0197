# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from lensfinder_audit.bricks import assign_bricks, brick_names, brick_numbers, nearest_bricks
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.files import read_table


def test_the_survey_has_662174_bricks():
    assert brick_numbers([0, 0, 359.99], [-90, 90, -89.8]).tolist() == [1, 662174, 11]


def test_bricks_of_a_survey_file_have_its_names_and_numbers(real_data):
    folder = real_data / 'ccd-exposures'
    for path in (folder / 'testcase6', folder / 'testcase_decals_grz'):
        table = read_table(path / 'survey-bricks.fits.gz')
        names = np.asarray(table['brickname']).astype(str)
        assert brick_names(table['ra'], table['dec']).tolist() == names.tolist()
        assert brick_numbers(table['ra'], table['dec']).tolist() == table['brickid'].tolist()
        for side in ('ra1', 'ra2'):  # up to its border, and not beyond
            step = 1e-6 if side == 'ra1' else -1e-6
            assert brick_names(table[side] + step, table['dec']).tolist() == names.tolist()
            assert brick_names(table[side] - step, table['dec']).tolist() != names.tolist()


def test_galaxies_of_the_survey_lie_in_the_bricks_that_it_says(real_data):
    table = read_table(real_data / 'survey-conditions' / 'dr10_lrg_parent_6826.parquet')
    found = brick_names(table['RA'], table['DEC'])
    assert (found == np.asarray(table['BRICKNAME']).astype(str)).all()


@given(ra=st.floats(0, 360, exclude_max=True), dec=st.floats(-90, 90))
def test_a_brick_is_nowhere_wider_than_a_quarter_of_a_degree(ra, dec):
    name = str(brick_names(ra, dec)[0])
    center = int(name[5:]) / 10 * (-1 if name[4] == 'm' else 1)
    assert abs(center - dec) <= 0.125 + 0.1  # the name cuts hundredths off
    assert brick_names(ra - 360, dec)[0] == brick_names(ra + 360, dec)[0]
    if abs(dec) < 89.8:
        apart = abs((int(name[:4]) / 10 - ra + 180) % 360 - 180)
        assert apart * np.cos(np.radians(abs(dec))) <= 0.125 + 0.1


def test_the_nearest_brick_of_a_list_is_taken_also_across_0_hours():
    bricks = Table({'BRICKNAME': [b'a  ', b'b  '], 'RA': [359.9, 0.4], 'DEC': [0.0, 0.0]})
    assert nearest_bricks([0.1, 0.2, 180.0], [0, 0, 0], bricks).tolist() == ['a', 'b', 'b']


def test_the_column_is_taken_and_its_gaps_are_filled():
    table = Table({'ra': [110.2, 110.2], 'dec': [24.0, 24.0], 'BRICKNAME': ['another', '']})
    assert assign_bricks(table).tolist() == ['another', '1102p240']
    table.remove_column('BRICKNAME')
    assert assign_bricks(table).tolist() == ['1102p240'] * 2


def test_positions_off_the_sky_are_named():
    with pytest.raises(TableError, match='1 of 2 positions are not on the sky, the first is row 1'):
        brick_names([0, np.nan], [0, 0])
    with pytest.raises(TableError, match='needs rows with brickname, ra and dec; it has 0 rows'):
        nearest_bricks([0], [0], Table({'brickname': [], 'ra': [], 'dec': []}))
