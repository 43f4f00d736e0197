# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lensfinder_audit.audit import audit
from lensfinder_audit.cli.tests.running import run
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.realism_gate import gate_meta, gate_table, lens_gate, sampled_images
from lensfinder_audit.recovery import inject, read_injections
from lensfinder_audit.scoring import score_manifest
from lensfinder_audit.tests.made_up import QUICK
from lensfinder_audit.tests.networks import write_network
from lensfinder_audit.tests.recovery_study import MeanOfAnnulus, Ring, make_hosts

DECLARED = {'bands': ['g', 'r', 'z'], 'pixel_scale': 0.262, 'normalizer': 'raw_robust',
            'score_kind': 'logit'}


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp('gate')
    table, store = make_hosts(folder, n=40)
    injections = inject(table, store, MeanOfAnnulus(size=41), Ring(), n=60, seed=1,
                        grid={'theta_e': Ring().theta_e * np.array([0.7, 1.3])}, parts=folder / 'p',
                        keep_images=folder / 'kept')
    return folder, table, store, injections


def test_images_are_made_again_bit_for_bit(study):
    folder, table, store, injections = study
    rows, images = sampled_images(injections, table, store, Ring(), most=25,
                                  grid={'theta_e': Ring().theta_e * np.array([0.7, 1.3])})
    assert len(set(rows)) == 25
    assert_array_equal(images, CutoutStore(folder / 'kept').get(injections['object_id'][rows]))


def stamps(n=100, arc=0.0, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:41, :41] - 20
    light = 5 * np.exp(-np.hypot(x, y) / 3) + arc * np.exp(-0.5 * (np.hypot(x, y) - 8)**2)
    return (light + rng.normal(size=(n, 3, 41, 41))).astype('f4'), None


def test_gate_is_open_for_the_same_arcs_and_shut_for_others():
    same = gate_table({'lenses': stamps(arc=2), 'injections': stamps(arc=2, seed=1),
                       'negatives': stamps(seed=2)})
    assert same['lo'][0] < 0.55 and same['lo'][1] > 0.9
    assert same.meta['features'] == 'image features'
    meta = gate_meta(gate_table({'lenses': stamps(arc=2), 'injections': stamps(arc=1, seed=1)}))
    assert meta['lo'] > 0.8 and meta['n_injections'] == 100 and meta['nulls'] == {}


def test_stamps_of_another_shape_are_refused(study, tmp_path):
    _, table, store, injections = study
    other, lens_store = make_hosts(tmp_path, n=12, size=61)
    with pytest.raises(TableError, match='a gate needs the same'):
        lens_gate(injections, table, store, Ring(), other, lens_store)


@pytest.fixture(scope='module')
def injected(study, tmp_path_factory):
    """An output of "inject" with the gate, and the manifest of lenses that it was given."""
    folder = tmp_path_factory.mktemp('injected')
    make_hosts(folder / 'lenses', n=30, seed=9)
    write_network(folder / 'tiny.onnx', size=(41, 41), metadata=DECLARED)
    done = run('inject', folder / 'tiny.onnx', study[0] / 'hosts.parquet', '-n', 40, '--threshold',
               0, '--lenses', folder / 'lenses' / 'hosts.parquet', '--keep-images', '-o',
               folder / 'out')
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_every_table_of_a_run_carries_the_gate(study, injected):
    folder, said = injected
    assert 'lenses or injections: a probe tells them apart with AUC' in said
    meta = read_table(folder / 'out' / 'recovery.ecsv').meta['realism']
    assert meta['n_lenses'] == 30 and meta['n_injections'] == 40
    assert set(meta['nulls']) == {'lenses or negatives', 'injections or hosts',
                                  'negatives or negatives'}
    assert meta['arcs']['quantity'] == 'annulus_snr'
    assert read_injections(folder / 'out' / 'injections.parquet').meta['realism'] == meta
    done = run('inject', folder / 'tiny.onnx', study[0] / 'hosts.parquet', '-n', 20, '--threshold',
               0, '-o', folder / 'bare')
    assert 'realism is not measured: no real lenses were given (--lenses)' in done.output
    assert str(read_table(folder / 'bare' / 'recovery.ecsv').meta['realism']).startswith(
        'not measured')


def test_sampled_injections_are_replayed(injected, tmp_path):
    folder, _ = injected
    done = run('check', 'replay', folder / 'out')
    assert done.exit_code == 0 and 'nothing found' in done.stdout, done.output
    made = read_injections(folder / 'out' / 'injections.parquet')
    made['score'] += 0.1
    write_whole(made, folder / 'out' / 'injections.parquet', overwrite=True)
    done = run('check', 'replay', folder / 'out')
    made['score'] -= 0.1
    write_whole(made, folder / 'out' / 'injections.parquet', overwrite=True)
    assert done.exit_code == 1
    n = min(int(np.sum(made['problem'] == '')), 100)
    assert f'{n} of {n} injections come out otherwise than they are recorded' in ' '.join(
        done.stdout.split())


def test_an_audit_looks_at_injections_finder_and_stamps(study, injected, tmp_path):
    folder, _ = injected
    _, table, store, _ = study
    manifest = table.copy()
    manifest['label'] = np.arange(len(table)) < 20
    finder = MeanOfAnnulus(size=41)
    scores = score_manifest(finder, manifest, store, name='annulus')
    for band in 'grz':
        scores[f'flux_{band}'] = np.linspace(1, 2, len(scores))
    result = audit(scores, store=store, injections=folder / 'out', classifier=finder,
                   **{**QUICK, 'thresholds': [0.0], 'n_resamples': 100})
    assert {'pools', 'realism', 'response', 'batch', 'near_duplicates'} <= set(result.tables)
    assert 'host concentration' in result.findings['check'] or (
        result.tables['pools']['n_eff_hosts'] >= 10).all()
    bare = audit(scores, injections=folder / 'out', **{**QUICK, 'thresholds': [0.0]})
    assert any('not known whether the injections look like lenses' in words
               for words in bare.findings['finding'])
