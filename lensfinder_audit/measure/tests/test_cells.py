# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import MeasurementError, TableError
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.cells import Design, Grid, fraction_table

NOBS = Axis('nobs', edges=(1, 3, 6, np.inf), possible=(3, np.inf))
TYPE = Axis('type', classes=('SER', 'DEV', 'REX'))
ROWS = st.lists(st.tuples(st.booleans(), st.sampled_from([np.nan, 0, 2, 4, 8]),
                          st.sampled_from(['', 'SER', 'DEV', 'DUP']),
                          st.sampled_from(['A', 'B', '']), st.sampled_from([0, 1, 7.5]),
                          st.integers(0, 4)), min_size=1, max_size=40)


def make(rows):
    success, nobs, kind, tier, weight, group = zip(*rows, strict=True)
    return np.array(success), QTable({'nobs': np.array(nobs, float), 'type': list(kind),
                                      'tier': list(tier), 'weight': np.array(weight, float),
                                      'group': list(group)})


@settings(max_examples=60)
@given(ROWS, st.booleans())
def test_counts_of_a_table_add_up_to_its_sample(rows, weighted):
    success, table = make(rows)
    design = Design(weight='weight' if weighted else None, group='group', n_resamples=20)
    for by in ((), [NOBS], [TYPE], [NOBS, TYPE]):
        found = fraction_table(table, success, Grid(table, by=by, sample='tier'), design)
        for tier in set(table['tier']):
            mine = found[found['tier'] == tier]
            assert mine['n'].sum() == (table['tier'] == tier).sum()
            assert mine['n_recovered'].sum() == success[table['tier'] == tier].sum()
        held = np.isfinite(found['estimate'])
        for low, high in (('lo', 'estimate'), ('estimate', 'hi')):
            assert (found[low][held] <= found[high][held] + 1e-12).all()
        assert (found['n'][~held] == 0).all() or weighted  # weights of 0 carry no number
        assert set(found['state'][found['n'] == 0]) <= {'empty', 'impossible'}


def test_impossible_empty_and_unsupported_are_three_words():
    table = QTable({'nobs': [4.] * 30 + [8.] * 5 + [np.nan] * 2 + [0.] * 1})
    axis = Axis('nobs', edges=(1, 3, 6, 10, 20), possible=(3, 99))
    found = fraction_table(table, np.ones(38, bool), Grid(table, by=axis), Design(n_resamples=20))
    assert found['state'].tolist() == ['impossible', 'supported', 'unsupported', 'empty',
                                       'unsupported', 'unsupported']
    assert found['reason'].tolist() == ['excluded by the selection', '', 'fewer than 10 groups',
                                        'no object', 'no value', 'in no bin']
    assert found['n'].tolist() == [0, 30, 5, 0, 2, 1]
    assert_array_equal(found['supported'], found['state'] == 'supported')


def test_object_in_an_impossible_cell_is_reported():
    table = QTable({'nobs': [2.] * 30})
    found = fraction_table(table, np.ones(30, bool), Grid(table, by=NOBS), Design(n_resamples=20))
    assert found['reason'][0] == 'excluded by the selection, yet objects are there'


def test_last_axis_varies_fastest_and_units_are_carried():
    table = QTable({'seeing': [1.1, 1.4, 1.4] * u.arcsec, 'type': ['SER', 'DEV', 'SER']})
    axis = Axis('seeing', edges=(1, 1.2, 1.5), unit='arcsec')
    found = fraction_table(table, [True, True, False], Grid(table, by=[axis, TYPE]),
                           Design(n_resamples=20))
    assert found['type'].tolist() == ['SER', 'DEV', 'REX'] * 2
    assert found['n'].tolist() == [1, 0, 0, 1, 1, 0]
    assert found['seeing_min'].unit == found['seeing_max'].unit == u.arcsec


def test_order_of_rows_and_scale_of_weights_do_not_matter():
    rng = np.random.default_rng(1)
    success, order = rng.random(300) < 0.4, rng.permutation(300)
    table = QTable({'nobs': rng.integers(1, 12, 300) * 1., 'weight': rng.choice([1., 9.], 300),
                    'group': rng.integers(0, 60, 300)})
    design = Design(weight='weight', group='group', n_resamples=0)
    first = fraction_table(table, success, Grid(table, by=NOBS), design)
    other = table[order]
    other['weight'] *= 1e3
    second = fraction_table(other, success[order], Grid(other, by=NOBS), design)
    for name in ('n', 'n_groups', 'n_eff', 'estimate', 'lo', 'hi'):
        assert_allclose(second[name], first[name], err_msg=name)


def test_duplicated_rows_of_a_group_carry_no_information():
    rng = np.random.default_rng(1)
    success = rng.random(200) < 0.3
    table = QTable({'group': np.arange(200)})
    twice = table[np.tile(np.arange(200), 3)]
    design = Design(group='group', n_resamples=500)
    one = fraction_table(table, success, Grid(table), design)
    many = fraction_table(twice, np.tile(success, 3), Grid(twice), design)
    for name in ('estimate', 'n_groups', 'boot_lo', 'boot_hi'):
        assert_allclose(many[name], one[name], err_msg=name)
    assert_allclose(many['n_eff'], one['n_eff'], rtol=0.02)
    assert many['n'][0] == 600 and one['n'][0] == 200


def test_weighted_fraction_is_that_of_the_population():
    table = QTable({'weight': [1.] * 50 + [99.] * 50})
    found = fraction_table(table, np.arange(100) % 2 == 0, Grid(table),
                           Design(weight='weight', n_resamples=100))
    assert_allclose(found['estimate'], 0.5)
    assert found['n_eff'][0] < 60
    found = fraction_table(table, np.arange(100) < 50, Grid(table), Design(weight='weight'))
    assert_allclose(found['estimate'], 0.01)


def test_cell_of_weights_of_0_carries_no_number():
    table = QTable({'weight': [0.] * 20 + [1.] * 20, 'type': ['SER'] * 20 + ['DEV'] * 20})
    found = fraction_table(table, np.ones(40, bool), Grid(table, by='type'),
                           Design(weight='weight', n_resamples=100))
    assert found['state'].tolist() == ['supported', 'unsupported']
    assert found['reason'][1] == 'only weights of 0' and np.isnan(found['estimate'][1])


def test_rows_left_out_lie_in_no_cell():
    table = QTable({'type': ['SER'] * 10 + ['DEV'] * 10})
    grid = Grid(table, by='type', rows=np.arange(20) < 12)
    found = fraction_table(table, np.ones(20, bool), grid, Design(n_resamples=20))
    assert found['n'].tolist() == [2, 10]


def test_column_that_is_missing_is_named():
    table = QTable({'nobs_z': [1.]})
    with pytest.raises(TableError, match="no column 'nobs_s'. Did you mean 'nobs_z'?"):
        Grid(table, by='nobs_s')
    with pytest.raises(TableError, match="no column 'brick'"):
        Design(group='brick').columns(table)


def test_negative_weight_is_named():
    table = QTable({'weight': [1., -2.]})
    with pytest.raises(MeasurementError, match='1 of 2 rows are not, the first is row 1 with -2'):
        Design(weight='weight').columns(table)
