# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from numpy.testing import assert_array_equal

from lensfinder_audit.exceptions import TableError
from lensfinder_audit.scoretable import (guess_finders, guess_roles, guess_score_kind,
                                         join_negatives, read_labels, stack_alike, standard_sample,
                                         training_words)


def table(**columns):
    base = {'name': ['a', 'b', 'c'], 'RA': [1., 2, 3], 'DEC': [0., 1, 2], 'is_lens': [1, 0, 1],
            'p_resnet': [0.9, 0.1, 0.5], 'nobs_z': [3, 4, 5]}
    return Table({name: values for name, values in (base | columns).items() if values is not None})


def test_usual_names_are_found():
    assert guess_roles(table(brickname=['x'] * 3, Grade=['A'] * 3)) == {
        'object_id': 'name', 'ra': 'RA', 'dec': 'DEC', 'label': 'is_lens', 'group': 'brickname',
        'grade': 'Grade'}


@pytest.mark.parametrize('name, is_score', [
    ('score', True), ('p_resnet', True), ('our_p_meta', True), ('resnet_logit', True),
    ('Probability', True), ('prob_cnn', True), ('psfsize_r', False),
    ('p', False), ('mag_r', False)])
def test_score_columns_are_found_by_their_names(name, is_score):
    assert (name in guess_finders(Table({name: [0.5]}))) == is_score


def test_columns_of_text_or_of_other_roles_are_no_scores():
    table = Table({'score': ['a'], 'p_x': [[1, 2]], 'rank': [1]})
    assert guess_finders(table, roles=['rank']) == {}


@pytest.mark.parametrize('score, name, kind', [
    ([0, 0.5, 1], 'x', 'probability'), ([0, 1], 'x', 'probability'), ([-3.1, 2.2], 'x', 'logit'),
    ([1, 2, 300], 'x', 'rank'), ([0.5], 'my_rank', 'rank'), ([0.2, 0.3], 'logit_a', 'logit'),
    ([-np.inf, 0.5, 7.5], 'x', 'logit'), ([], 'x', 'probability')])
def test_kind_of_score_is_guessed(score, name, kind):
    assert guess_score_kind(score, name) == kind


@pytest.mark.parametrize('values', [
    [1, 0, 1], [1., 0., 1.], [True, False, True], ['lens', 'nonlens', 'LENS'], ['1', '0', '1'],
    ['yes', 'no', ' yes '], ['pos', 'neg', 'pos'], np.array([1, 0, 1], object)])
def test_labels_of_any_kind_are_read(values):
    assert_array_equal(read_labels(values), [True, False, True])


@pytest.mark.parametrize('values, message', [
    (['lens', 'maybe'], "1 of 2 labels are neither lens nor non-lens, the first is row 1 with "
                        "'maybe'"),
    ([1, 2], "row 1 with '2'; use 1 and 0"), ([1., np.nan], 'row 1 with'),
    (MaskedColumn([True, True], mask=[False, True]), 'row 1 with')])
def test_other_labels_are_refused(values, message):
    with pytest.raises(TableError, match=message):
        read_labels(values)


def test_sample_has_roles_and_keeps_the_columns_of_the_user():
    sample = standard_sample(table(split=['train', 'val', 'test']),
                             roles={'in_training': 'split'}, finders={'resnet': 'p_resnet'})
    assert sample['object_id'].tolist() == ['a', 'b', 'c']
    assert_array_equal(sample['label'], [True, False, True])
    assert sample['in_training'].tolist() == ['yes', 'no', 'no']
    assert 'resnet' in sample.colnames and 'p_resnet' not in sample.colnames
    assert {'RA', 'ra', 'nobs_z', 'split'} <= set(sample.colnames)


def test_constants_hold_for_all_rows():
    sample = standard_sample(table(), constants={'discovery_method': 'CNN', 'tier': 'B'})
    assert set(sample['tier']) == {'B'} and set(sample['discovery']) == {'earlier finder'}


def test_numbers_serve_as_names():
    sample = standard_sample(table(name=[10, 11, 12], tier=[1, 1, 2]))
    assert sample['object_id'].tolist() == ['10', '11', '12'] and sample['tier'][2] == '2'


def test_rows_without_an_id_get_their_number():
    assert standard_sample(table(name=None))['object_id'].tolist() == ['0', '1', '2']


def test_finder_may_be_masked_nowhere_and_infinite_as_a_logit():
    assert standard_sample(table(p_resnet=MaskedColumn([0.1, 0.2, 0.3], mask=[False] * 3)))
    sample = standard_sample(table(p_resnet=[np.inf, -np.inf, 0]), score_kind='logit')
    assert np.isinf(sample['p_resnet']).sum() == 2


@pytest.mark.parametrize('columns, rest, message', [
    ({'name': ['a', 'b', 'a']}, {}, r"column 'name': 1 ids occur more than once, .* 'a' \(2 "
                                    r"times\)"),
    ({'name': ['a', ' ', 'c']}, {}, 'ids are empty, the first is row 1'),
    ({'is_lens': None}, {}, 'no label column; name it with --label'),
    ({'p_resnet': None}, {}, 'no column that looks like a score'),
    ({'p_resnet': [0.1, np.nan, 0.3]}, {}, '1 of 3 values are not a number.*row 1, id b, value '
                                           'nan'),
    ({'p_resnet': [0.1, 1.5, 0.3]}, {}, r'1 of 3 values are outside \[0, 1\].*row 1, id b'),
    ({'p_resnet': ['x', 'y', 'z']}, {'finders': {'f': 'p_resnet'}}, "must hold numbers; it holds "
                                                                    "text"),
    ({'p_resnet': np.ones((3, 2))}, {'finders': {'f': 'p_resnet'}}, r'holds arrays of shape '
                                                                    r'\(2,\)'),
    ({'weight': [1, -1, 1]}, {}, 'weight: 1 of 3 values are negative or not finite'),
    ({'weight': [1., 0, 1]}, {}, 'all 1 negatives have weight 0'),
    ({'weight': ['a', 'b', 'c']}, {}, 'weight must hold numbers'),
    ({}, {'roles': {'label': 'is_lense'}}, "no column 'is_lense'. Did you mean 'is_lens'?"),
    ({}, {'roles': {'labl': 'is_lens'}}, "'labl' is not a role of a column. Did you mean 'label'?"),
    ({}, {'finders': {'nobs_z': 'p_resnet'}}, "a finder cannot be called 'nobs_z'"),
    ({}, {'constants': {'object_id': 'x'}}, "object_id cannot be 'x' for all rows"),
    ({}, {'score_kind': 'logits'}, "no score kind 'logits'.*Did you mean 'logit'?")])
def test_table_is_refused(columns, rest, message):
    with pytest.raises(TableError, match=message):
        standard_sample(table(**columns), **rest)


def test_table_without_rows_is_refused():
    with pytest.raises(TableError, match='scores.csv has no rows'):
        standard_sample(table()[:0], what='scores.csv')


def test_splits_become_words():
    assert training_words(['Train', ' val', 'test', '1', 'no', '', 'unknown']).tolist() == [
        'yes', 'no', 'no', 'yes', 'no', 'unknown', 'unknown']
    with pytest.raises(TableError, match="the first is row 1 with 'dev'; known splits are train, "
                                         "val"):
        training_words(['train', 'dev'])


def halves(**negatives):
    lenses = standard_sample(table(is_lens=None, weight=[1., 2, 3]), label=True)
    other = table(is_lens=None, name=['x', 'y', 'z'], **negatives)
    return lenses, standard_sample(other, label=False)


def test_two_tables_become_one_sample():
    sample = join_negatives(*halves(nobs_z=None, confuser_class=['ring', '', 'none']))
    assert_array_equal(sample['label'], [True] * 3 + [False] * 3)
    assert_array_equal(sample['nobs_z'], [3, 4, 5] + [np.nan] * 3)
    assert_array_equal(sample['weight'], [1, 2, 3, 1, 1, 1])
    assert sample['confuser_class'].tolist() == ['', '', '', 'ring', '', 'none']
    assert not any(hasattr(sample[name], 'mask') for name in sample.colnames)


def test_columns_that_differ_in_type_or_unit_are_stacked():
    lenses, negatives = halves(nobs_z=['3', '4', '5'])
    lenses['seeing'], negatives['seeing'] = [1, 1, 1] * u.arcmin, [6, 6, 6] * u.arcsec
    sample = join_negatives(lenses, negatives)
    assert sample['nobs_z'].tolist() == ['3', '4', '5'] * 2
    assert_array_equal(sample['seeing'].to_value(u.arcmin), [1, 1, 1, 0.1, 0.1, 0.1])
    assert lenses['nobs_z'].dtype.kind == 'i'


def test_units_that_cannot_be_converted_are_named():
    with pytest.raises(TableError, match="column 'x' is in arcsec in one table and in mag"):
        stack_alike([QTable({'x': [1] * u.arcsec}), QTable({'x': [1] * u.mag})])


def test_object_in_both_tables_is_named():
    lenses, negatives = halves()
    negatives['object_id'] = ['x', 'b', 'z']
    with pytest.raises(TableError, match="1 ids are among the lenses and among the negatives.* "
                                         "'b'"):
        join_negatives(lenses, negatives)
