# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from lensfinder_audit.cli.combine import METHODS as CLI_METHODS
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.combine import (combine_table, fit_combiner, join_members, mark_training,
                                      member_table)
from lensfinder_audit.combiners.storage import METHODS, load_combiner
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.measure.ranking import delong_test


def table(n=400, seed=0):
    rng = np.random.default_rng(seed)
    lens = np.arange(n) % 4 == 0
    core = rng.normal(2 * lens, 1)
    return QTable({'object_id': np.arange(n).astype(str), 'label': lens,
                   'split': np.where(np.arange(n) % 3 > 0, 'train', 'val'),
                   'ra': rng.uniform(0, 360, n) * u.deg, 'dec': rng.uniform(-10, 30, n) * u.deg,
                   'psfsize_r': rng.uniform(0.9, 1.8, n) * u.arcsec,
                   'p_a': expit(core - 1), 'p_b': expit(core + rng.normal(-1, 1, n))})


def scored(name, rows):
    """What ``lensfinder-audit score`` writes."""
    found = table()[rows]
    return QTable({'object_id': found['object_id'], 'classifier': np.full(len(found), name),
                   'score': found[f'p_{name}'], 'score_kind': np.full(len(found), 'probability'),
                   'label': found['label'], 'ra': found['ra'], 'dec': found['dec'],
                   'split': found['split']})


@pytest.fixture
def folder(tmp_path):
    write_whole(table(), tmp_path / 'scores.parquet')
    write_whole(scored('a', slice(None)), tmp_path / 'a.parquet')
    write_whole(scored('b', slice(399, 9, -1)), tmp_path / 'b.parquet')
    return tmp_path


# Tables

def test_finders_are_found_or_named():
    assert member_table(table()).meta['finders'] == ['p_a', 'p_b']
    named = member_table(table(), finders={'cnn': 'p_b'})
    assert named.meta['finders'] == ['cnn'] and 'p_b' not in named.colnames
    assert member_table(scored('a', slice(None))).meta['finders'] == ['a']


def test_tables_are_joined_by_id_in_any_order():
    first, second = (member_table(scored('a', slice(None))),
                     member_table(scored('b', slice(399, 9, -1))))
    found = join_members([first, second])
    assert found.meta['finders'] == ['a', 'b'] and found.meta['n_left_out'] == 10
    assert_array_equal(found['b'], table()['p_b'][10:])


def test_tables_are_joined_by_position_where_ids_differ():
    first, second = member_table(scored('a', slice(None))), member_table(scored('b', slice(5, 99)))
    second['object_id'] = np.char.add('other-', second['object_id'])
    second['ra'] = second['ra'] + 0.1 * u.arcsec
    with pytest.raises(TableError, match='no object is in all tables.*--match-radius'):
        join_members([first, second])
    found = join_members([first, second], radius=0.5 * u.arcsec)
    assert_array_equal(found['b'], table()['p_b'][5:99])


def test_joins_that_would_mix_things_up_are_refused():
    first = member_table(scored('a', slice(None)))
    with pytest.raises(TableError, match="two finders are called 'a'"):
        join_members([first, first])
    twice = member_table(scored('b', np.arange(400) // 2))
    with pytest.raises(TableError, match="200 ids occur more than once.*'0'"):
        join_members([first, twice])
    other = member_table(scored('b', slice(None)), score_kind='rank')
    with pytest.raises(TableError, match=r"of the kinds \['probability', 'rank'\]"):
        join_members([first, other])


def test_scores_of_two_kinds_in_one_table_are_told():
    mixed = table()
    mixed['logit_c'] = np.linspace(-9, 9, 400)
    with pytest.raises(TableError, match=r"kinds \['logit', 'probability'\]"):
        member_table(mixed)


@pytest.mark.parametrize('method, options', [
    ('mean', {}), ('meta_learner', {'hidden': 5}),
    ('feature_weighted', {'conditions': ['psfsize_r'], 'hidden': 0}),
    ('platt', {'finders': ['p_a']}), ('isotonic', {'finders': ['p_a']}),
    ('beta', {'finders': ['p_a']}), ('temperature', {'finders': ['p_a']})])
def test_every_method_combines_a_table(method, options):
    sample = member_table(table())
    made = fit_combiner(sample, method, rows=sample['split'] == 'train', **options)
    found = combine_table(sample, made, name='p_new')
    assert ((found['p_new'] >= 0) & (found['p_new'] <= 1)).all()
    assert found.meta['score_kind'] == 'probability' and method in METHODS
    assert 'p_new' not in sample.colnames


def test_only_the_given_rows_are_learnt_from():
    sample = member_table(table())
    rows = np.asarray(sample['split'] == 'train')
    first = fit_combiner(sample, 'beta', rows=rows, finders=['p_a'])
    sample['p_a'][~rows] = 0.5
    again = fit_combiner(sample, 'beta', rows=rows, finders=['p_a'])
    assert again.parameters == first.parameters
    assert first.record['n_lenses'] == (rows & table()['label']).sum()


def test_weights_of_the_table_are_used():
    sample = member_table(table())
    sample['weight'] = np.where(sample['label'], 1.0, 30.0)
    made = fit_combiner(sample, 'platt', finders=['p_a'])
    assert_allclose(made.record['prevalence'], 100 / (100 + 300 * 30))


def test_rows_that_were_learnt_from_are_marked():
    sample = table(6)
    mark_training(sample, np.arange(6) < 2)
    assert sample['in_training'].tolist() == ['yes', 'yes', 'no', 'no', 'no', 'no']
    sample['in_training'] = ['unknown'] * 6
    mark_training(sample, np.arange(6) < 1)
    assert sample['in_training'].tolist() == ['yes'] + ['unknown'] * 5


def test_wrong_use_of_a_method_is_explained():
    sample = member_table(table())
    with pytest.raises(ConfigError, match=r"platt makes a probability of one finder.*'p_a', 'p_b'"):
        fit_combiner(sample, 'platt')
    with pytest.raises(ConfigError, match='feature_weighted needs the conditions'):
        fit_combiner(sample, 'feature_weighted')
    with pytest.raises(ConfigError, match="no method 'stack'"):
        fit_combiner(sample, 'stack')
    with pytest.raises(ConfigError, match='hiden'):
        fit_combiner(sample, 'meta_learner', hiden=3)
    with pytest.raises(TableError, match='made for scores of the kind logit'):
        made = fit_combiner(member_table(table(), score_kind='logit'), 'mean')
        combine_table(sample, made, name='p_new')


# The command

def test_command_knows_every_method():
    assert set(CLI_METHODS) == set(METHODS)


def test_mean_of_two_score_tables(folder):
    done = run('combine', folder / 'a.parquet', folder / 'b.parquet', '--method', 'mean', '-o',
               folder / 'out.parquet')
    assert done.exit_code == 0, done.stderr
    assert 'mean of a, b for 390 objects' in done.stdout and '10 objects' in done.stderr
    found = read_table(folder / 'out.parquet')
    assert_allclose(found['p_mean'], (table()['p_a'] + table()['p_b'])[10:] / 2)
    assert 'in_training' not in found.colnames


def test_fit_save_and_use_again(folder):
    done = run('combine', folder / 'scores.parquet', '--method', 'meta_learner', '--fit',
               'split=train', '--option', 'hidden=4', '--save', folder / 'meta.json', '-o',
               folder / 'one.parquet')
    assert done.exit_code == 0, done.stderr
    assert 'fitted on 66 lenses' in done.stdout and '24.8 % lenses' in done.stdout
    one = read_table(folder / 'one.parquet')
    assert_array_equal(one['in_training'] == 'yes', one['split'] == 'train')
    done = run('combine', folder / 'scores.parquet', '--combiner', folder / 'meta.json', '-o',
               folder / 'two.csv', '--name', 'p_again')
    assert done.exit_code == 0, done.stderr
    assert_allclose(read_table(folder / 'two.csv')['p_again'], one['p_meta_learner'], rtol=1e-12)
    assert load_combiner(folder / 'meta.json').finders == ('p_a', 'p_b')
    done = run('audit', folder / 'one.parquet', '-o', folder / 'audit', '--score',
               'p_meta_learner', '--resamples', '100', '--no-figures')
    assert done.exit_code == 0, done.stderr


def test_weights_by_condition_tell_objects_outside(folder):
    arguments = ('combine', folder / 'scores.parquet', '--method', 'feature_weighted',
                 '--condition', 'psfsize_r', '--fit', 'split=train', '-o', folder / 'out.parquet')
    done = run(*arguments)
    assert done.exit_code == 0, done.stderr
    found = read_table(folder / 'out.parquet')
    if found['p_feature_weighted_outside'].any():
        assert 'outside the conditions of the fit' in done.stderr


def test_refusals_leave_nothing_behind(folder):
    out = ('-o', folder / 'out.parquet')
    scores = folder / 'scores.parquet'
    assert 'either --method or --combiner' in refusal(folder, 'combine', scores, *out)
    platt = ('combine', scores, '--method', 'platt', '--score', 'p_a')
    assert 'say which with --fit COLUMN=VALUE' in refusal(folder, *platt, *out)
    assert "'split' holds ['train', 'val']" in refusal(folder, *platt, '--fit', 'split=tran', *out)
    assert "no column 'spilt'. Did you mean 'split'" in refusal(
        folder, *platt, '--fit', 'spilt=train', *out)
    assert "none of the columns ['p_c']" in refusal(
        folder, 'combine', scores, '--method', 'mean', '--score', 'p_c', *out)
    assert 'is there already' in refusal(
        folder, 'combine', scores, '--method', 'mean', '-o', folder / 'a.parquet')
    assert 'is damaged or no combiner' in refusal(
        folder, 'combine', scores, '--combiner', folder / 'a.parquet', *out)


# Real scores

def test_stacking_on_published_scores_is_no_better_than_the_average(real_data):
    """The published average is found again, and stacking differs by less than its error."""
    published = read_table(real_data / 'scores' / 'base_model_scores_train_val.parquet')
    sample = member_table(published, finders={'resnet': 'p_resnet', 'effnet': 'p_effnet'})
    train = np.asarray(sample['split']).astype(str) == 'train'
    mean = combine_table(sample, fit_combiner(sample, 'mean'), name='mean')['mean']
    assert_allclose(mean, published['p_avg'], atol=1e-6)
    made = fit_combiner(sample, 'meta_learner', rows=train, hidden=20, max_steps=150)
    stacked = combine_table(sample, made, name='stacked')['stacked']
    found = delong_test(stacked[~train], mean[~train], np.asarray(sample['label'])[~train] == 1)
    assert abs(found.difference) <= 3 * found.se + 1e-4
