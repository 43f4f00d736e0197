# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What the checks find in published scores of four finders."""
import pytest

from lensfinder_audit.audit import audit
from lensfinder_audit.checks.alone import run_alone

NAMES = ('resnet', 'effnet', 'meta', 'avg')
QUICK = {'n_resamples': 200, 'fprs': [0.01]}


@pytest.fixture(scope='module')
def labelled(real_data):
    return real_data / 'scores' / 'base_model_scores_train_val.parquet'


@pytest.fixture(scope='module')
def candidates(real_data, labelled):
    return {'scores': real_data / 'scores' / 'candidate_scores_storfer.csv', 'negatives': labelled,
            'constants': {'discovery_method': 'CNN', 'tier': 'B'},
            'finders': {name: f'our_p_{name}' for name in NAMES},
            'negatives_columns': {**{name: f'p_{name}' for name in NAMES}, 'in_training': 'split'}}


def test_position_alone_tells_the_candidates_from_the_negatives(candidates):
    findings, tables = run_alone('condition-shortcuts', **candidates, **QUICK)
    row = tables['condition_shortcuts'][0]
    assert (row['features'], row['n_lenses'], row['n_negatives']) == ('position', 1895, 4418)
    assert row['lo'] > 0.8 and findings['severity'].tolist() == ['severe']


def test_no_lens_hides_among_the_negatives_that_scores_could_show(candidates):
    findings, tables = run_alone('hidden-lenses', **candidates, **QUICK)
    assert not len(findings)
    assert (tables['hidden_lenses']['hi'] < 0.002).all()


def test_only_tractor_types_divide_the_recovered_fractions(candidates, real_data):
    catalogs = [real_data / 'lens-catalogs' / f'stein2021_{name}_lenses.tsv'
                for name in ('new', 'training')]
    _, tables = run_alone('trends', conditions=catalogs, by=['nobs_z', 'ebv', 'tractor_type'],
                          **candidates, **QUICK)
    table = tables['trends'][tables['trends']['rate'] == 'recovered fraction']
    kinds = table['axis'] == 'tractor_type'
    assert set(table['trend'][kinds]) == {'differs'}
    assert set(table['trend'][~kinds]) == {'not tested'} and set(table['n'][~kinds]) == {283}


def test_the_labelled_lenses_are_one_catalogue(labelled, real_data):
    catalogs = real_data / 'lens-catalogs'
    known = [catalogs / f'{name}.csv' for name in ('huang2021_published_catalog',
                                                   'storfer2024_published_catalog')]
    findings, tables = run_alone('known-lenses', labelled, known=known,
                                 columns={'in_training': 'split'}, **QUICK)
    table = tables['known_lenses']
    assert table['n_lenses_same'].tolist() == [836, 1] and set(table['n_lenses']) == {836}
    assert not table['n_negatives_near'].any()
    assert '836 of 836 lenses' in findings['finding'][0]


def test_saturated_tail_of_the_meta_learner_is_no_pareto_tail(labelled):
    findings, tables = run_alone('tails', labelled, columns={'in_training': 'split'}, **QUICK)
    table = tables['tails']
    assert table['p_value'][table['finder'] == 'p_meta'] < 0.01
    assert 'p_meta are not generalised Pareto' in findings['finding'][0]


@pytest.fixture(scope='module')
def stein(real_data):
    return [real_data / 'lens-catalogs' / f'stein2021_{name}_lenses.tsv'
            for name in ('new', 'training')]


def test_most_labelled_lenses_trained_another_finder_too(labelled, candidates, stein):
    _, tables = run_alone('known-lenses', labelled, known=stein, columns={'in_training': 'split'},
                          **QUICK)
    assert tables['known_lenses']['n_lenses_same'].tolist() == [0, 582]
    _, tables = run_alone('known-lenses', known=stein, **candidates, **QUICK)
    assert tables['known_lenses']['n_lenses_same'].tolist() == [216, 67]


def test_candidates_that_another_finder_has_too_are_recovered_more_often(candidates, stein):
    findings, _ = run_alone('chosen-conditions', conditions=stein, by=['nobs_z'], n_resamples=200,
                            fprs=[0.001], **candidates)
    assert 'resnet at FPR = 0.001 recovers 264 of 283 lenses that have nobs_z and 1140 of 1612 ' \
           'that have not' in findings['finding'][0]


def test_position_tells_held_out_lenses_of_one_table_apart(labelled):
    _, tables = run_alone('condition-shortcuts', labelled, columns={'in_training': 'split'},
                          exclude_training=True, group='healpix:64', **QUICK)
    row = tables['condition_shortcuts'][0]
    assert (row['n_lenses'], row['n_negatives']) == (186, 982)
    assert row['auc'] == pytest.approx(0.757, abs=5e-4)


def test_every_check_that_scores_allow_speaks_or_is_silent(candidates, stein):
    result = audit(conditions=stein, known=stein, by=['tractor_type', 'ebv'], **candidates, **QUICK)
    measured = {'splits', 'leakage', 'known_lenses', 'hidden_lenses', 'condition_shortcuts',
                'transfer', 'trends', 'tails', 'intervals_again', 'corrected_false_positives'}
    assert measured <= set(result.tables)
    severe = result.findings['check'][result.findings['severity'] == 'severe'].tolist()
    assert severe == ['reference selection', 'training sample', 'condition shortcuts']
    none = result.tables['splits'][result.tables['splits']['check'] == 'no split'][0]
    assert none['n'] == 1895  # candidates are in no split
