# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from astropy import units as u
from astropy.table import QTable
from click.testing import CliRunner
from numpy.testing import assert_allclose

import lensfinder_audit.training
from lensfinder_audit.cli import main
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.ensemble import models
from lensfinder_audit.ensemble.study import run_study, write_study
from lensfinder_audit.ensemble.tests.made_up_study import FAST, manifest, study
from lensfinder_audit.exceptions import ConfigError, OutputExistsError, TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.interfaces import Classifier
from lensfinder_audit.measure.yields import yield_tables
from lensfinder_audit.normalizers.asinh import Asinh

SCALE = 0.262 * u.arcsec


@pytest.fixture(scope='module')
def result():
    return run_study(study(combiners=['mean', 'meta_learner', 'union', 'intersection'],
                           conditions=['psfsize_r', 'depth_r']), manifest())


def contrast(result, name, budget=200):
    table = result.tables['contrasts']
    row, = table[(table['contrast'] == name) & (table['budget'] == budget)]
    return row


def test_members_that_complement_each_other_beat_the_seed_control(result):
    row = contrast(result, 'mean of members less mean of controls')
    assert row['lo'] > 0 and row['total_lo'] > 0
    assert row['total_hi'] - row['total_lo'] > row['hi'] - row['lo']  # seeds add to it
    assert result.verdict[0].startswith('Diversity helped: the mean of 3 members found more than')


def test_yields_are_those_of_the_rows_that_are_reported_on(result):
    table = manifest()
    table = table[table['split'] == 'test']
    mean = np.mean([np.asarray(table[name]) for name in 'ABC'], axis=0)
    found = yield_tables({'mean': mean}, table['label'], [200], group=table['brick'],
                         n_resamples=200).yields[0]
    row = contrast(result, 'mean of members less mean of controls')
    assert_allclose(row['found_first'], found['found'])
    assert result.summary['n_lenses'] == table['label'].sum()


def test_what_combiners_learn_comes_from_other_rows(result):
    changed = manifest()
    fit = np.asarray(changed['split']) == 'val'
    again = result.tables['objects']
    changed['A'] = np.where(fit, 0.5, changed['A'])
    other = run_study(study(controls=0, combiners=['mean', 'meta_learner']),
                      changed).tables['objects']
    assert_allclose(again['mean of members'], other['mean of members'])
    assert not np.allclose(again['meta-learner of members'], other['meta-learner of members'])
    assert result.summary['n_fit'] == fit.sum()


def test_alike_controls_are_told_from_diverse_members(result):
    table = result.tables['diversity']
    table = table[(table['sample'] == 'lenses') & (table['statistic'] == 'rank correlation')]
    mean = {name: table['estimate'][table['ensemble'] == name].mean()
            for name in ('members', 'controls')}
    assert mean['controls'] > mean['members'] + 0.3


def test_the_area_that_members_cover_is_larger(result):
    area = result.tables['covered_area']
    row, = area[area['finder'] == 'mean of members']
    assert area.meta['reference'] == 'mean of controls'
    assert row['area'] > 0.3 and row['difference'] > 0 and row['n_cells'] == 16


def test_each_table_says_what_was_fitted_and_reported(result):
    for table in result.tables.values():
        assert table.meta['splits'] == {'train': '', 'fit': 'val', 'report': 'test'}
    assert set(result.tables) >= {'members', 'yields', 'yield_differences', 'contrasts',
                                  'diversity', 'discovery_sets', 'completeness_by_psfsize_r',
                                  'completeness_by_depth_r', 'covered_area', 'objects'}


def test_models_without_a_seed_control_are_no_evidence_of_diversity():
    found = run_study(study(controls=0), manifest(1500))
    assert 'Diversity' not in ' '.join(found.verdict)
    assert found.findings[0]['check'] == 'seed control'


def test_rows_of_one_model_can_be_left_out_and_are_refused_else():
    table = manifest()
    table['A'][np.flatnonzero(table['split'] == 'test')[:7]] = np.nan
    with pytest.raises(TableError, match='A has no score of 7 of .* rows.*missing: leave_out'):
        run_study(study(), table)
    found = run_study(study(missing='leave_out', controls=0), table)
    assert found.summary['n_left_out'] == 7 and found.findings[1]['check'] == 'rows'


def test_a_combiner_that_learns_needs_rows_of_its_own():
    with pytest.raises(ConfigError, match='meta_learner learns, and the study names no rows'):
        run_study(study(combiners=['meta_learner'], splits={}), manifest(500))


def test_ranks_have_unions_and_no_mean():
    table = manifest(900)
    table['A'] = np.argsort(np.argsort(table['A'])).astype(float)
    members = {'A': {'column': 'A', 'score_kind': 'rank'}, 'B': {'column': 'B'}}
    assert run_study(study(members=members, combiners=['union'], controls=0), table).verdict
    with pytest.raises(ConfigError, match='mean needs probabilities or logits'):
        run_study(study(members=members, controls=0), table)


def test_pairs_of_arms_give_the_mean_over_seeds():
    pairs = {seed: {'stratified': {'column': 'A'}, 'random': {'column': f's{seed}'}}
             for seed in (1, 2, 3)}
    table = run_study(study(stratification={'pairs': pairs}, controls=0),
                      manifest(1500)).tables['stratification']
    each = table[:-2][table[:-2]['budget'] == 200]
    mean = table[table['contrast'] == 'stratified less random, mean over seeds'][0]
    assert_allclose(mean['difference'], each['difference'].mean())
    assert mean['seeds_lo'] < mean['difference'] < mean['seeds_hi']


# Training, with a stand-in for the network

class Brightness(Classifier):
    """The mean of the stamp times a number that the training chose."""

    bands, stamp_shape, pixel_scale, normalizer = ('g', 'r', 'z'), (11, 11), SCALE, Asinh()
    score_kind = 'logit'

    def __init__(self, *, factor=1.0):
        self.factor = factor

    def predict(self, images):
        return self.factor * images.mean(axis=(1, 2, 3)) + images[:, 0, 0, 0]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A manifest with cutouts, and the trainings that are asked for."""
    table = manifest(600)
    flux = np.random.default_rng(0).normal(size=(600, 3, 11, 11)) + np.asarray(
        table['label'])[:, None, None, None]
    with CutoutWriter(tmp_path / 'cutouts', bands='grz', shape=(11, 11),
                      pixel_scale=SCALE) as writer:
        writer.add(table['object_id'], flux.astype(np.float32))
    trained = []

    def train(manifest, store, output, *, preset, seed, rows, settings, **rest):
        trained.append((seed, int(rows.sum()), settings))
        output.mkdir(parents=True, exist_ok=True)
        (output / 'best').write_text(json.dumps(1 + seed / 10))
        return SimpleNamespace(checkpoint=output / 'best')

    def load(member):
        return Brightness(factor=json.loads(Path(member['checkpoint']).read_text()))

    monkeypatch.setitem(vars(lensfinder_audit.training), 'train_finder', train)
    monkeypatch.setattr(models, 'load_member', load)
    return SimpleNamespace(table=table, trained=trained, folder=tmp_path,
                           store=CutoutStore(tmp_path / 'cutouts'))


TRAINED = {'members': {'A': {'subset': 'A'}, 'C': {'subset': 'C', 'seed': 5}}, 'baseline': {},
           'controls': 'same', 'training': {'preset': 'resnet18', 'settings': {'epochs': 1}},
           'splits': {'train': 'train', 'fit': 'val', 'report': 'test'}, 'budgets': [50]}


def run_trained(bench, **changes):
    return run_study(study(**(TRAINED | changes)), bench.table, store=bench.store,
                     folder=bench.folder / 'models')


def test_each_model_is_trained_once_and_found_again(bench):
    first = run_trained(bench)
    assert [seed for seed, *_ in bench.trained] == [0, 0, 5, 1, 2]
    assert bench.trained[0][2] == {'epochs': 1, 'train_split': 'train', 'validation_split': 'val'}
    again = run_trained(bench, budgets=[50, 100])
    assert len(bench.trained) == 5
    assert_allclose(first.tables['objects']['A'], again.tables['objects']['A'])
    run_trained(bench, training={'preset': 'resnet18', 'settings': {'epochs': 2}})
    assert len(bench.trained) == 10


def test_a_damaged_checkpoint_is_trained_again(bench):
    run_trained(bench)
    for path in (bench.folder / 'models').glob('C-*/best'):
        path.write_text('3')
    run_trained(bench)
    assert [seed for seed, *_ in bench.trained[5:]] == [5]


def test_an_impossible_member_is_told_and_has_no_control(bench):
    bench.table = bench.table[np.asarray(bench.table['type']) != 'EXP']
    members = TRAINED['members'] | {'D': {'subset': 'D'}}
    found = run_trained(bench, members=members)
    row, = found.tables['members'][found.tables['members']['finder'] == 'D']
    assert row['state'] == 'impossible' and 'no type EXP' in row['reason']
    assert found.roles['control'] == ['seed 1', 'seed 2']
    assert any('Member D is impossible' in item['finding'] for item in found.findings)
    with pytest.raises(TableError, match='D is impossible, since the manifest has no type EXP'):
        run_trained(bench, members={'A': {'subset': 'A'}, 'D': {'subset': 'D'}})


def test_an_empty_subset_is_refused_before_anything_is_trained(bench):
    with pytest.raises(TableError, match='no training row'):
        run_trained(bench, members=TRAINED['members'] | {'E': {'subset': 'nobs_z > 99'}})
    assert not bench.trained


def test_both_arms_are_trained_with_the_same_seed_on_as_many_rows(bench):
    run_trained(bench, stratification={'seeds': [11], 'strata': {'type': ['SER', 'DEV']},
                                       'negatives_per_positive': 1})
    arms = bench.trained[-2:]
    assert arms[0][:2] == arms[1][:2] and arms[0][0] == 11


def test_training_needs_cutouts_and_a_split():
    with pytest.raises(ConfigError, match='there is no cutout store; name it with --store'):
        run_study(study(**TRAINED), manifest(600))
    with pytest.raises(ConfigError, match='names no rows to train on'):
        run_study(study(**TRAINED | {'splits': {'fit': 'val', 'report': 'test'}}), manifest(600))


def test_small_networks_are_trained_for_a_study(tmp_path):
    """A user's path: the command trains, interrupted or not, and writes the report."""
    for name in ('torch', 'lightning', 'safetensors'):
        pytest.importorskip(name, reason=f'training needs {name}, which is not installed')
    table = manifest(200)
    with CutoutWriter(tmp_path / 'cutouts', bands='grz', shape=(21, 21),
                      pixel_scale=SCALE) as writer:
        writer.add(table['object_id'], np.random.default_rng(0).normal(
            size=(200, 3, 21, 21)).astype(np.float32))
    table.write(tmp_path / 'manifest.ecsv')
    told = {'training': {'preset': 'paper4-shielded-resnet', 'settings': {
        'epochs': 1, 'stamp_size': 21, 'batch_size': 16, 'effective_batch': 16, 'threads': 1,
        'network_arguments': {'first': 4, 'widths': [4, 4], 'blocks': 1}}},
        'members': {'A': {'subset': 'nobs_z > 6'}, 'B': {'subset': 'nobs_z <= 6'}},
        'splits': TRAINED['splits'], 'budgets': [30], 'statistics': FAST}
    (tmp_path / 'study.yaml').write_text(yaml.safe_dump(told))
    done = CliRunner().invoke(main, ['ensemble', str(tmp_path / 'manifest.ecsv'),
                                     str(tmp_path / 'study.yaml'), '-o', str(tmp_path / 'out'),
                                     '--no-figures', '--device', 'cpu'])
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / 'out.models').glob('*/trained.json'))) == 2
    members = read_table(tmp_path / 'out' / 'tables' / 'members.ecsv')
    assert (members['n_train_lenses'] > 0).all() and np.isfinite(members['auc']).all()


# Files and the command

def test_a_study_is_written_whole_and_not_replaced(result, tmp_path):
    write_study(result, tmp_path / 'out')
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        'tables', 'figures', 'objects.parquet', 'report.html', 'study.yaml'}
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert 'Diversity helped' in page and page.count('<img') == 5 and '<script' not in page
    assert read_table(tmp_path / 'out' / 'tables' / 'contrasts.ecsv').meta['power'] == 0.8
    with pytest.raises(OutputExistsError):
        write_study(result, tmp_path / 'out', figures=False)


def test_the_command_reads_scores_of_other_files(tmp_path):
    table = manifest(800)
    table.write(tmp_path / 'manifest.ecsv')
    QTable({'object_id': table['object_id'], 'score': table['B']}).write(tmp_path / 'b.csv')
    told = {'members': {'A': {'column': 'A'}, 'B': {'scores': 'b.csv', 'score': 'score'}},
            'budgets': [100], 'splits': {'report': 'test'}, 'statistics': FAST}
    (tmp_path / 'study.yaml').write_text(yaml.safe_dump(told))
    arguments = ['ensemble', str(tmp_path / 'manifest.ecsv'), str(tmp_path / 'study.yaml'), '-o',
                 str(tmp_path / 'out'), '--no-figures']
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert 'mean of 2 members' in done.output and 'report.html' in done.output
    assert CliRunner().invoke(main, arguments).exit_code == 2  # it is there
    told['members']['C'] = {'column': 'D'}
    (tmp_path / 'study.yaml').write_text(yaml.safe_dump(told))
    done = CliRunner().invoke(main, [*arguments, '--overwrite'])
    assert done.exit_code == 2 and "no column 'D'" in done.output and 'Traceback' not in done.output


def test_four_published_columns(real_data):
    from lensfinder_audit.ensemble.study_file import load_study

    wanted = load_study('scores')
    wanted.combiners, wanted.statistics = ['mean', 'union'], FAST
    found = run_study(wanted, read_table(real_data / 'scores' / 'candidate_scores_storfer.csv'))
    assert found.summary['n_lenses'] == 444 and found.summary['n_fit'] == 539
    yields = {row['finder']: row['found'] for row in found.tables['yields'] if row['budget'] == 200}
    assert yields['mean of members'] == yields['average']  # the others are made of the same two
