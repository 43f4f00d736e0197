# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Users' paths: a study file and the command, with combiners that learn and with networks."""
import numpy as np
import pytest
import yaml
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose

from lensfinder_audit.classifiers.demo_network import DemoNetwork
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.combiners.contract import to_probability
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.ensemble.study import run_study
from lensfinder_audit.ensemble.study_file import load_study
from lensfinder_audit.ensemble.tests.made_up_study import FAST
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.manifest import write_manifest
from lensfinder_audit.mock_cutouts import write_mock_survey
from lensfinder_audit.tests.networks import DECLARED, write_network

N, BUDGET = 4000, 400
WEIGHTED = {'members': {name: {'column': name, 'score_kind': 'logit'} for name in
                        ('sharp', 'broad')}, 'budgets': [BUDGET], 'statistics': FAST,
            'combiners': ['meta_learner', 'feature_weighted'], 'conditions': ['psfsize_r'],
            'combiner_options': {'meta_learner': {'hidden': 5, 'max_steps': 100},
                                 'feature_weighted': {'hidden': 4}},
            'splits': {'fit': 'val', 'report': 'test'}}


def seeing_manifest():
    """
    Return scores of two members, each of which knows something in one half of the seeing.

    In the other half the score is that of an object drawn at random, so that nothing but the
    seeing tells which of the two to believe.
    """
    rng = np.random.default_rng(0)
    lens, seeing = rng.random(N) < 0.2, rng.uniform(1.0, 1.8, N)
    table = QTable({'object_id': [f'o{i}' for i in range(N)], 'label': lens,
                    'psfsize_r': seeing * u.arcsec, 'split': np.where(rng.random(N) < 0.5, 'val',
                                                                      'test')})
    for name, good in (('sharp', seeing < 1.4), ('broad', seeing >= 1.4)):
        seen = np.where(good, lens, rng.permutation(lens))
        table[name] = rng.normal(3 * seen - 1.5)
    return table


def write_study_file(folder, told):
    path = folder / 'study.yaml'
    path.write_text(yaml.safe_dump(told))
    return path


def oracle(table):
    """Count what someone finds who believes the right member."""
    right = np.where(table['psfsize_r'] < 1.4 * u.arcsec, table['sharp'], table['broad'])
    return int(np.asarray(table['label'])[np.argsort(-right)[:BUDGET]].sum())


def found_by(yields, name):
    row, = yields[np.asarray(yields['finder']).astype(str) == name]
    return row['found']


@pytest.fixture(scope='module')
def weighted(tmp_path_factory):
    study = load_study(write_study_file(tmp_path_factory.mktemp('study'), WEIGHTED))
    return run_study(study, seeing_manifest())


def test_weights_that_follow_the_seeing_beat_weights_that_do_not(weighted):
    table = weighted.tables['yield_differences']
    row, = table[(table['finder_a'] == 'meta-learner of members')
                 & (table['finder_b'] == 'feature-weighted of members')]
    assert row['lo'] > 50  # the second less the first


def test_weights_that_follow_the_seeing_come_near_to_believing_the_right_member(weighted):
    table, yields = seeing_manifest(), weighted.tables['yields']
    best = oracle(table[table['split'] == 'test'])
    assert found_by(yields, 'feature-weighted of members') > 0.95 * best
    assert found_by(yields, 'meta-learner of members') < 0.85 * best


def test_the_command_weighs_by_conditions(weighted, tmp_path):
    seeing_manifest().write(tmp_path / 'manifest.ecsv')
    done = run('ensemble', tmp_path / 'manifest.ecsv', write_study_file(tmp_path, WEIGHTED), '-o',
               tmp_path / 'out', '--no-figures')
    assert done.exit_code == 0, done.output
    yields = read_table(tmp_path / 'out' / 'tables' / 'yields.ecsv')
    name = 'feature-weighted of members'
    assert found_by(yields, name) == found_by(weighted.tables['yields'], name)
    assert 'feature-weighted' in (tmp_path / 'out' / 'report.html').read_text()


def test_a_condition_that_the_manifest_lacks_is_named(tmp_path):
    told = load_study(write_study_file(tmp_path, WEIGHTED | {'conditions': ['psfsize_x']}))
    with pytest.raises(TableError, match="no column 'psfsize_x'. Did you mean 'psfsize_r'"):
        run_study(told, seeing_manifest())


# Networks that are loaded

LOADED = {'members': {'demo': {'finder': 'demo_network'}, 'tiny': {'finder': 'tiny.onnx'}},
          'baseline': {'finder': 'onnx', 'checkpoint': 'tiny.onnx', 'options': {'batch_size': 7}},
          'combiners': ['mean', 'union'], 'budgets': [8], 'conditions': ['psfsize_r'],
          'splits': {'report': 'test'}, 'statistics': FAST}


@pytest.fixture(scope='module')
def survey(tmp_path_factory):
    """A mock survey with its cutouts, a tiny network, and the study of both finders."""
    pytest.importorskip('onnx', reason='the tiny network is made with onnx')
    folder = tmp_path_factory.mktemp('survey')
    table, _ = write_mock_survey(folder, n_rows=90, seed=2, workers=1, lens_share=0.8)
    table['split'] = np.where(np.arange(len(table)) % 4 > 0, 'test', 'val')
    write_manifest(table, folder / 'manifest.parquet', overwrite=True)
    write_network(folder / 'tiny.onnx', size=(101, 101), metadata=DECLARED)
    write_study_file(folder, LOADED)
    return folder


def test_networks_are_loaded_and_score_cutouts_and_injections(survey, tmp_path):
    done = run('inject', 'demo_network', survey / 'manifest.parquet', '-n', 12, '--threshold', 0,
               '--keep-images', '-o', tmp_path / 'injections')
    assert done.exit_code == 0, done.output
    done = run('ensemble', survey / 'manifest.parquet', survey / 'study.yaml', '-o',
               tmp_path / 'out', '--injections', tmp_path / 'injections', '--no-figures')
    assert done.exit_code == 0, done.output
    assert 'injected lenses in' in done.stdout
    objects = read_table(tmp_path / 'out' / 'objects.parquet')
    store = CutoutStore(survey / 'cutouts')
    logits = DemoNetwork()(store.get(objects['object_id']))
    assert_allclose(objects['demo'], to_probability(logits, 'logit'), rtol=1e-4, atol=1e-7)
    assert_allclose(objects['tiny'], objects['baseline'], rtol=1e-5, atol=1e-7)
    assert_allclose(objects['mean of members'], (objects['demo'] + objects['tiny']) / 2)
    tables = tmp_path / 'out' / 'tables'
    members = read_table(tables / 'members.ecsv')
    assert members['source'].tolist() == ['finder onnx', 'finder demo_network',
                                          'finder tiny.onnx']
    found = read_table(tables / 'injected_completeness.ecsv')
    recorded = read_table(tmp_path / 'injections' / 'injections.parquet')
    cut, = (row['threshold'] for row in read_table(tables / 'injection_thresholds.ecsv')
            if row['finder'] == 'demo')
    row, = found[found['finder'] == 'demo']
    assert row['n_recovered'] == (to_probability(np.asarray(recorded['score']), 'logit')
                                  >= cut * (1 - 1e-9)).sum()


def test_finders_that_cannot_be_are_refused_in_a_sentence(survey, tmp_path):
    for member, said in (({'finder': 'demo_netwrk'}, "Did you mean 'demo_network'"),
                         ({'finder': 'none.onnx'}, 'none.onnx: there is no such file'),
                         ({'finder': 'onnx', 'checkpoint': 'manifest.parquet'},
                          'is damaged or no ONNX file'),
                         ({'finder': 'scores', 'checkpoint': 'manifest.parquet',
                           'options': {'score': 'ebv'}}, 'scores rows of a table and no pixels')):
        told = LOADED | {'members': LOADED['members'] | {'other': member}, 'baseline': None}
        (survey / 'bad.yaml').write_text(yaml.safe_dump(told))
        words = refusal(tmp_path, 'ensemble', survey / 'manifest.parquet', survey / 'bad.yaml',
                        '-o', tmp_path / 'out')
        assert said in words
