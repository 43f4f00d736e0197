# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lensfinder_audit.ensemble.sample import Impossible, arm_rows, read_sample, training_rows
from lensfinder_audit.ensemble.study_file import Model
from lensfinder_audit.ensemble.tests.made_up_study import manifest, study
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.expressions import column_values

SPLITS = {'train': 'train', 'fit': 'val', 'report': 'test'}


def sample(table=None, **changes):
    return read_sample(manifest() if table is None else table,
                       study(**({'splits': SPLITS} | changes)))


def member(**values):
    return Model('m', 'member', 'train', values)


def test_members_are_what_was_published():
    found = sample()
    seeing = column_values(found.table, 'psfsize_r')
    depth = column_values(found.table, 'depth_r')
    half = np.median(seeing[found.train]), np.median(depth[found.train])
    good = training_rows(member(subset='A'), found)
    poor = training_rows(member(subset='B'), found)
    assert_array_equal(good, found.train & (seeing <= half[0]) & (depth >= half[1]))
    assert_array_equal(poor, found.train & (seeing > half[0]) & (depth < half[1]))
    kind = column_values(found.table, 'type')
    assert set(kind[training_rows(member(subset='C'), found)]) == {'SER', 'DEV'}
    assert set(kind[training_rows(member(subset='D'), found)]) == {'EXP', 'REX'}


def test_a_subset_of_the_negatives_keeps_all_lenses():
    found = sample()
    rows = training_rows(member(subset='nobs_z > 8', lenses='all'), found)
    assert_array_equal(rows & found.label, found.train & found.label)
    assert (np.asarray(found.table['nobs_z'])[rows & ~found.label] > 8).all()


def test_late_types_are_impossible_without_type_exp():
    table = manifest()
    table = table[np.asarray(table['type']) != 'EXP']
    with pytest.raises(Impossible, match='no type EXP.*preset "all"'):
        training_rows(member(subset='D'), sample(table))


@pytest.mark.parametrize(('values', 'error', 'said'), [
    ({'subset': 'nobs_z > 99'}, TableError, "m: no training row of .* fulfils 'nobs_z > 99'"),
    ({'subset': 'nobsz > 1'}, TableError, "no column 'nobsz'. Did you mean 'nobs_z'"),
    ({'subset': 'E'}, ConfigError, "no subset 'E'"),
    ({'fraction': 2}, ConfigError, 'fraction is 2')])
def test_a_subset_that_cannot_be_is_named(values, error, said):
    with pytest.raises(error, match=said):
        training_rows(member(**values), sample())


def test_a_subset_of_one_class_is_named():
    table = manifest()
    table['nobs_z'] = np.where(table['label'], 3, 9)
    with pytest.raises(TableError, match='nobs_z > 5: the rows to train on hold 0 lenses'):
        training_rows(member(subset='nobs_z > 5'), sample(table))


def test_a_fraction_is_drawn_by_the_seed():
    found = sample()
    part = [training_rows(Model('m', 'control', 'train', {'fraction': 0.5}, seed), found)
            for seed in (1, 1, 2)]
    assert_array_equal(part[0], part[1])
    assert (part[0] != part[2]).any()
    assert abs(part[0].sum() / found.train.sum() - 0.5) < 0.05


def test_stratified_negatives_follow_the_lenses_and_random_ones_the_pool():
    table = manifest()
    table['type'] = np.where(table['label'], 'SER', table['type'])
    settings = {'strata': {'type': ['SER', 'DEV', 'REX', 'EXP']}, 'negatives_per_positive': 0.5}
    found = sample(table)
    arms = {role: arm_rows(Model('m', role, 'train', {}, 3), found, settings)
            for role in ('stratified', 'random')}
    negatives = {role: np.asarray(found.table['type'])[rows & ~found.label]
                 for role, rows in arms.items()}
    assert set(negatives['stratified']) == {'SER'}
    assert set(negatives['random']) == {'SER', 'DEV', 'REX', 'EXP'}
    assert len(negatives['stratified']) == len(negatives['random'])
    for rows in arms.values():
        assert_array_equal(rows & found.label, found.train & found.label)


@pytest.mark.parametrize(('splits', 'error', 'said'), [
    ({'report': 'tests'}, TableError, "no row is in the split 'tests'"),
    ({'fit': 'val'}, ConfigError, "fit is 'val' and report is 'all', which share rows"),
    ({'train': 'test', 'report': 'test'}, ConfigError, 'share rows'),
    ({'assign': '70/20'}, ConfigError, "no scheme '70/20'"),
    ({'column': 'spilt', 'report': 'test'}, TableError, "Did you mean 'split'")])
def test_splits_that_cannot_be_are_named(splits, error, said):
    with pytest.raises(error, match=said):
        sample(splits=splits)


def test_a_split_without_a_class_is_named():
    table = manifest()
    table['label'] = table['label'] & (np.asarray(table['split']) != 'test')
    with pytest.raises(TableError, match='test: the rows to report on hold 0 lenses'):
        sample(table)


def test_labels_can_be_an_expression_and_columns_have_other_names():
    table = manifest()
    table['grade'] = np.where(table['label'], 'A', 'C')
    table.rename_columns(['object_id', 'ra'], ['key', 'right'])
    wanted = np.asarray(table['label'])
    table.remove_column('label')
    found = sample(table, label='grade in A', columns={'object_id': 'key', 'ra': 'right'})
    assert_array_equal(found.label, wanted)
    with pytest.raises(TableError, match='no label column; say which rows are lenses'):
        sample(table, columns={'object_id': 'key', 'ra': 'right'})
