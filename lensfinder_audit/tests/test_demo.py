# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tests of the demo: one small run through the command, and what it leaves behind."""
import json

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from click.testing import CliRunner

from lensfinder_audit.classifiers.demo_network import DemoNetwork, model_card
from lensfinder_audit.cli import main
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.audit_extras import recovery_tables
from lensfinder_audit.files import read_table
from lensfinder_audit.mock_cutouts import write_mock_survey
from lensfinder_audit.mock_sample import ARC_SNR_LIMIT
from lensfinder_audit.testing import check_classifier


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demo') / 'out'
    found = CliRunner().invoke(main, ['demo', '-o', str(folder), '--rows', '1000', '--injections',
                                      '20', '--keep-cutouts'])
    assert found.exit_code == 0, found.output
    return folder, found.output


def test_everything_is_marked_simulated(demo):
    folder, _ = demo
    for path in folder.glob('tables/recovery*.ecsv'):
        assert QTable.read(path).meta['injections']['simulated']
    for name in ('scores.parquet', 'injections.parquet', 'survey/manifest.parquet'):
        assert read_table(folder / name).meta['simulated']
    assert 'Simulated data' in (folder / 'report.html').read_text()


def test_report_holds_galleries_recovery_and_what_it_cannot_show(demo):
    folder, output = demo
    page = (folder / 'report.html').read_text()
    for name in ('lenses', 'missed_lenses', 'worst_false_positives', 'injections_beside_lenses',
                 'recovery_by_theta_e_and_psfsize_r', 'completeness_by_theta_e', 'roc'):
        assert (folder / 'figures' / f'{name}.png').stat().st_size > 5000
        assert (folder / 'figures' / f'{name}.pdf').exists()
    assert 'Injections beside real lenses' in page and 'What this cannot show' in page
    assert 'What this cannot show' in output and 'by arc S/N' in output


def test_known_lenses_are_bright_and_injections_reach_far_below(demo):
    folder, _ = demo
    lenses, injections = (read_table(folder / name) for name in ('scores.parquet',
                                                                 'injections.parquet'))
    assert lenses['arc_snr'][lenses['label']].min() >= ARC_SNR_LIMIT
    assert (injections['arc_snr'] < ARC_SNR_LIMIT / 5).mean() > 0.2
    assert set(np.unique(injections['theta_e'].to_value(u.arcsec)).round(2)) == {
        0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3}


def test_audit_of_the_demo_repeats_with_its_own_yaml(demo, tmp_path):
    folder, _ = demo
    found = CliRunner().invoke(main, ['audit', '--config', str(folder / 'audit.yaml'), '-o',
                                      str(tmp_path / 'again'), '--no-figures'])
    assert found.exit_code == 0, found.output
    first, again = (QTable.read(place / 'tables/completeness_by_theta_e.ecsv')
                    for place in (folder, tmp_path / 'again'))
    assert (first['n_recovered'] == again['n_recovered']).all()


def test_kept_cutouts_give_the_same_scores_again(demo, tmp_path):
    folder, _ = demo
    manifest = str(folder / 'survey/manifest.parquet')
    found = CliRunner().invoke(main, ['score', 'demo_network', manifest, '-o',
                                      str(tmp_path / 'scores.parquet')])
    assert found.exit_code == 0, found.output
    np.testing.assert_allclose(read_table(tmp_path / 'scores.parquet')['score'],
                               read_table(folder / 'scores.parquet')['score'], atol=1e-5)


def test_no_axis_of_lenses_is_asked_of_negatives(demo):
    names = {path.stem for path in (demo[0] / 'tables').iterdir()}
    assert 'completeness_by_theta_e' in names and 'false_positives_by_psfsize_r' in names
    assert not any('theta_e' in name and name.startswith(('false_positives', 'purity'))
                   for name in names)


def test_seed_of_the_training_and_a_folder_that_is_there_are_refused(tmp_path):
    found = CliRunner().invoke(main, ['demo', '-o', str(tmp_path / 'new'), '--seed', '101'])
    assert found.exit_code == 2 and 'another seed than 101' in found.output
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'notes.txt').write_text('keep')
    found = CliRunner().invoke(main, ['demo', '-o', str(tmp_path / 'mine'), '--overwrite'])
    assert found.exit_code == 2 and (tmp_path / 'mine' / 'notes.txt').read_text() == 'keep'


def test_survey_does_not_depend_on_the_number_of_processes(tmp_path):
    sums = []
    for workers in (1, 2):
        manifest, store = write_mock_survey(tmp_path / str(workers), n_rows=220, seed=4,
                                            workers=workers)
        assert isinstance(store, CutoutStore)
        sums.append(store.index()['sha256'].tolist() + manifest['object_id'].tolist())
    assert sums[0] == sums[1]


def test_demo_network_conforms():
    check_classifier(DemoNetwork())


def test_network_is_worth_auditing_and_lives_on_no_shortcut():
    validation = model_card()['validation']
    assert validation['AUC'] > 0.97
    assert {'TPR at FPR 0.01', 'TPR at FPR 0.001'} <= set(validation)
    for name, area in validation['gates (AUC)'].items():
        assert area <= 0.75, name


def test_card_is_in_the_file_too():
    import onnxruntime

    session = onnxruntime.InferenceSession(DemoNetwork().path)
    inside = session.get_modelmeta().custom_metadata_map
    assert json.loads(inside['limitations']) == model_card()['limitations']


def test_recovery_rests_on_distinct_hosts():
    rng = np.random.default_rng(0)
    injections = QTable({'score': rng.normal(size=400), 'host': np.repeat(['a', 'b'], 200),
                         'theta_e': rng.uniform(0.5, 3, 400) * u.arcsec})
    points = QTable({'finder': ['f'], 'operating_point': ['score >= 0'], 'threshold': [0.0]})
    table = recovery_tables(injections, points, axes=[()], n_resamples=100)['recovery']
    assert table['n_groups'][0] == 2 and not table['supported'][0]
