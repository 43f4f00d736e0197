# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table

import lensfinder_audit
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.tables import SCHEMAS, check_table, require_columns, schema_meta


def reference_table(**columns):
    base = {'name': ['a', 'b'], 'ra': [0.0, 359.9], 'dec': [-90.0, 5.0], 'is_lens': [True, False],
            'grade': ['A', ''], 'tier': ['A', ''], 'tier_reason': ['SDSS spectrum', ''],
            'discovery_method': ['spectroscopy', 'visual'], 'reference': ['doi:1', 'doi:2']}
    return QTable({**base, **columns})


def scores_table(**columns):
    return QTable({'label': [1, 0, 0], 'score': [0.9, 0.2, 0.1], **columns})


@pytest.mark.parametrize('name', SCHEMAS)
def test_schema_is_complete(name):
    schema = SCHEMAS[name]
    assert (schema.name, schema.version) == (name, 1)
    for column in schema.columns.values():
        assert column.kind in ('float', 'int', 'bool', 'str')
        assert column.description
        u.Unit(column.unit)


def test_check_adds_units_and_descriptions_to_a_copy():
    table = reference_table()
    checked = check_table(table, 'reference')
    assert checked['ra'].unit == u.deg
    assert checked['ra'].info.description == 'right ascension, J2000'
    assert getattr(table['ra'], 'unit', None) is None


def test_check_is_idempotent():
    once = check_table(reference_table(theta_e=[1.2, np.nan]), 'reference')
    twice = check_table(once, 'reference')
    assert once.dtype == twice.dtype
    assert (once['ra'] == twice['ra']).all()


def test_units_are_converted():
    checked = check_table(reference_table(ra=[1, 2] * u.hourangle), 'reference')
    assert checked['ra'].to_value('deg').tolist() == pytest.approx([15, 30])


def test_further_columns_pass_untouched():
    checked = check_table(scores_table(psfsize_r=[1.1, 1.2, np.nan] * u.arcsec), 'scores')
    assert checked['psfsize_r'].unit == u.arcsec


def test_missing_column_names_the_nearest():
    table = scores_table()
    table.rename_column('label', 'lable')
    with pytest.raises(TableError, match="the scores table has no column 'label'. Did you mean "
                                         "'lable'?"):
        check_table(table, 'scores')


def test_wrong_unit_is_named():
    with pytest.raises(TableError, match="column 'ra' of the reference table must be in deg"):
        check_table(reference_table(ra=[1, 2] * u.m), 'reference')


@pytest.mark.parametrize('ra, message', [
    ([0.0, 361.0], r"'ra' .* must lie in \[0, 360\]; 1 of 2 rows do not, the first is row 1"),
    ([np.nan, 1.0], r"'ra' .* has no value in 1 of 2 rows, the first is row 0"),
    (['12:00:00', ''], r"'ra' .* must hold numbers; it holds text, such as '12:00:00'"),
])
def test_position_that_is_not_on_the_sky_is_named(ra, message):
    with pytest.raises(TableError, match=message):
        check_table(reference_table(ra=ra), 'reference')


def test_masked_position_is_missing_and_not_zero():
    table = Table(reference_table(), masked=True)
    table['dec'].mask = [False, True]
    with pytest.raises(TableError, match='has no value in 1 of 2 rows, the first is row 1'):
        check_table(table, 'reference')


def test_word_that_is_not_allowed_is_named():
    with pytest.raises(TableError, match=r"holds \['C'\]; allowed are \['A', 'B', ''\]"):
        check_table(reference_table(tier=['A', 'C']), 'reference')


@pytest.mark.parametrize('label', [
    [1, 0, 0], [1.0, 0.0, 0.0], [True, False, False], ['true', 'false', 'False'],
    np.array([1, 0, 0], 'u1'), np.array([1, 0, 0], '>f4'),
    MaskedColumn([1, 0, 0], mask=[False] * 3)])
def test_truth_values_of_any_type_become_bool(label):
    checked = check_table(scores_table(label=label), 'scores')
    assert checked['label'].dtype == bool
    assert checked['label'].tolist() == [True, False, False]


@pytest.mark.parametrize('label, message', [
    ([1, 0, 2], r"must hold 1 or 0; it also holds \[2\]"),
    ([1, -1, -1], r"must hold 1 or 0; it also holds \[-1\]"),
    ([0.5, 0, 1], r"must hold 1 or 0; it also holds \[0.5\]"),
    ([1, np.nan, 0], 'has no value in 1 of 3 rows, the first is row 1'),
    (['true', '', 'false'], 'has no value in 1 of 3 rows, the first is row 1'),
    (['lens', 'non', 'non'], "must hold true or false, or 1 or 0; row 0 has 'lens'"),
    (MaskedColumn([1, 0, 0], mask=[False, False, True]), 'no value in 1 of 3 rows, .* row 2'),
])
def test_label_that_is_neither_is_named(label, message):
    with pytest.raises(TableError, match=message):
        check_table(scores_table(label=label), 'scores')


def test_numbers_that_serve_as_names_become_text():
    checked = check_table(scores_table(object_id=[2**53 + 1, 7, 8], group=[1.0, np.nan, 12.0]),
                          'scores')
    assert checked['object_id'].tolist() == ['9007199254740993', '7', '8']
    assert checked['group'].tolist() == ['1', '', '12']


def test_column_without_any_value_fits_numbers_and_text():
    checked = check_table(reference_table(theta_e=['', ''], confuser_class=[np.nan, np.nan]),
                          'reference')
    assert np.isnan(checked['theta_e']).all() and checked['theta_e'].unit == u.arcsec
    assert checked['confuser_class'].tolist() == ['', '']


def test_counts_that_are_no_whole_numbers_are_named():
    cells = {'n': [1.0, 2.5], 'n_recovered': [1, 1], 'n_groups': [1, 1], 'n_eff': [1, 1],
             'estimate': [0.5, 1], 'lo': [0, 0], 'hi': [1, 1], 'supported': [True, True],
             'state': ['supported', 'supported']}
    with pytest.raises(TableError, match="'n' .* must hold whole numbers; row 1 has 2.5"):
        check_table(QTable(cells), 'completeness')


def test_empty_cell_may_have_no_estimate():
    cells = {'n': [0], 'n_recovered': [0], 'n_groups': [0], 'n_eff': [0.0], 'estimate': [np.nan],
             'lo': [np.nan], 'hi': [np.nan], 'supported': [False], 'state': ['empty']}
    assert len(check_table(QTable(cells), 'completeness')) == 1


def test_table_without_rows_passes():
    assert len(check_table(reference_table()[:0], 'reference')) == 0


def test_require_columns_lists_what_there_is():
    with pytest.raises(TableError, match=r"my table has no column 'x'. Its columns are \['label'"):
        require_columns(scores_table(), ['score', 'x'], what='my table')


def test_meta_names_schema_and_versions_and_leaves_none_out():
    meta = schema_meta('completeness', threshold=0.5, seed=None)
    assert meta == {'schema': 'completeness', 'schema_version': 1, 'threshold': 0.5,
                    'package_version': lensfinder_audit.__version__}
