# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.expressions import fulfilled

TABLE = QTable({'psfsize_r': [1.0, 1.2, np.nan, 1.6] * u.arcsec, 'nobs_z': [3, 4, 5, 6],
                'type': ['SER ', 'DEV', 'EXP', ''], 'psfdepth_r': [100.0, 1e4, 1.0, 0.0]})


@pytest.mark.parametrize(('expression', 'rows'), [
    ('psfsize_r < 1.3', [1, 1, 0, 0]),
    ('not psfsize_r < 1.3', [0, 0, 0, 1]),
    ('psfsize_r < 1.3 or nobs_z > 5', [1, 1, 0, 1]),
    ('nobs_z > 3 and nobs_z < 6 or type == SER', [1, 1, 1, 0]),
    ('nobs_z > 3 and (nobs_z < 6 or type == SER)', [0, 1, 1, 0]),
    ('type not in SER, DEV', [0, 0, 1, 0]),
    ('not (type in SER, DEV)', [0, 0, 1, 0]),
    ('not (type in SER, DEV and nobs_z == 3)', [0, 1, 1, 1]),
    ('type in "SER", \'EXP\'', [1, 0, 1, 0]),
    ('nobs_z <= median', [1, 1, 0, 0]),
    ('nobs_z > q75', [0, 0, 0, 1]),
    ('depth_r > 23', [1, 1, 0, 0])])  # psfdepth 100 is a depth of 23.253
def test_an_expression_selects_what_it_says(expression, rows):
    assert_array_equal(fulfilled(TABLE, expression), np.array(rows, bool))


@pytest.mark.parametrize(('expression', 'error', 'said'), [
    ('psfsizer < 1', TableError, "no column 'psfsizer'. Did you mean 'psfsize_r'"),
    ('mag_r < 20', TableError, "no column 'flux_r'"),
    ('type < SER', ConfigError, "orders the words of 'type'"),
    ('type == SRE', ConfigError, "asks for 'SRE'; the column holds .*Did you mean 'SER'"),
    ('nobs_z > many', ConfigError, "compares numbers with 'many'"),
    ('nobs_z == 3, 4', ConfigError, 'compares with 2 values; use in'),
    ('(nobs_z > 3', ConfigError, 'lacks a closing parenthesis'),
    ('nobs_z > 3)', ConfigError, "cannot be read from '\\)' on"),
    ('nobs_z > 3 and', ConfigError, 'lacks a condition at the end'),
    ('and nobs_z > 3', ConfigError, "lacks a condition before 'and'"),
    ('nobs_z', ConfigError, 'write it as COLUMN < VALUE'),
    ("__import__('os').getcwd()", ConfigError, 'cannot be read'),
    ('(' * 40 + 'nobs_z > 3' + ')' * 40, ConfigError, 'nests at most 30'),
    ('nobs_z > 3 ' * 300, ConfigError, 'at most 2000 characters'),
    ('', ConfigError, 'is a text such as'), (7, ConfigError, 'is a text such as')])
def test_an_expression_that_cannot_be_is_named(expression, error, said):
    with pytest.raises(error, match=said):
        fulfilled(TABLE, expression)


@given(st.integers(2, 7), st.integers(2, 7))
def test_de_morgan(low, high):
    one, two = f'nobs_z > {low}', f'psfsize_r < 1.{high}'
    assert_array_equal(fulfilled(TABLE, f'not ({one} and {two})'),
                       fulfilled(TABLE, f'not {one} or not {two}'))


@given(st.text(max_size=60))
def test_any_text_is_rows_or_a_clear_error(text):
    try:
        assert fulfilled(TABLE, text).shape == (4,)
    except (ConfigError, TableError) as error:
        assert len(str(error)) > 10
