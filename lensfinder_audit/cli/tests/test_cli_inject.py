# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Inject into a manifest or stamps, with rules, priors, pairs and weights; replay."""
import json

import numpy as np
import pytest
import yaml
from astropy import units as u
from astropy.table import QTable
from click.testing import CliRunner
from numpy.testing import assert_array_equal

from lensfinder_audit.cli import main
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.recovery import read_injections
from lensfinder_audit.testing import example_flux
from lensfinder_audit.tests.networks import write_network
from lensfinder_audit.tests.recovery_study import make_hosts

DECLARED = {'bands': ['g', 'r', 'z'], 'pixel_scale': 0.262, 'normalizer': 'raw_robust',
            'score_kind': 'logit'}


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp('study')
    table, _ = make_hosts(folder, size=61)
    write_network(folder / 'tiny.onnx', size=(61, 61), metadata=DECLARED)
    return folder, table


def inject(study, output, *arguments, hosts='hosts.parquet', number=6):
    return CliRunner().invoke(main, [
        'inject', str(study[0] / 'tiny.onnx'), str(study[0] / hosts), '-o', str(output), '-n',
        str(number), '--threshold', '0', '--prior', 'theta_e=[1.0, 2.0]', *arguments])


@pytest.fixture(scope='module')
def output(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp('output') / 'out'
    (study[0] / 'own.yaml').write_text('lens_q: {host: light_q, least: 0.3, most: 1}\n'
                                       'lens_phi: {host: light_phi}\nr_magnitude: 22.0\n')
    result = inject(study, folder, '--where', 'type in SER,DEV', '--priors',
                    str(study[0] / 'own.yaml'), '--pair', 'noise', '--pair', 'clip=3',
                    '--host-bins', 'psfsize_r=0.5,0.9,1.3,1.7', '--by', 'psfsize_r',
                    '--keep-images', '--min-groups', '2', number=8)
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_the_tables_say_what_the_injections_rest_on(output, study):
    folder, said = output
    injections = read_injections(folder / 'injections.parquet')
    assert len(injections) == 3 * 2 * 8  # arms, cells that have hosts
    assert 'left out by the rule "type in SER,DEV"; 8 are left' in said
    assert 'noise=off: ' in said and '1 cells are empty, 2 cells are supported' in said
    assert set(injections['type']) == {'SER', 'DEV'}
    cells = read_table(folder / 'cells.ecsv')
    assert cells['state'].tolist() == ['empty', 'supported', 'supported']
    by = read_table(folder / 'recovery_by_psfsize_r.ecsv')
    assert set(by['arm']) == {'base', 'noise=off', 'clip=3'} and by['n'].sum() == 48
    assert (by['state'][by['psfsize_r_min'].value == 0.5] == 'empty').all()
    assert by.meta['injections']['priors']['name'] == 'own.yaml'
    paired = read_table(folder / 'paired.ecsv')
    assert (paired['n_pairs'] == 16).all()
    assert injections.meta['host_rules'][-1] == {'rule': 'type in SER,DEV', 'n_removed': 4,
                                                 'n_left': 8}


def test_the_lens_follows_the_light_of_its_host(output, study):
    injections = read_injections(output[0] / 'injections.parquet')
    moments = injections['light_from'] == 'moments'
    assert moments.any()
    found = injections[moments]
    assert_array_equal(found['lens_q'], np.clip(found['light_q'], 0.3, 1))
    assert_array_equal(found['lens_phi'], found['light_phi'])
    assert np.allclose(injections['source_mag_r'].value, 22)


def test_replay_gives_the_images_that_were_scored(output, tmp_path):
    folder = output[0]
    injections = read_injections(folder / 'injections.parquet')
    kept = CutoutStore(folder / 'images')
    result = CliRunner().invoke(main, ['replay', str(folder), '2', '40', '-o',
                                       str(tmp_path / 'i.npz'), '--sheet', str(tmp_path / 's.png')])
    assert result.exit_code == 0, result.output
    names = injections['object_id'][[2, 40]].tolist()
    with np.load(tmp_path / 'i.npz') as found:
        for name in names:
            assert_array_equal(found[name], kept.get([name])[0])
    assert f'{names[1]}: host {injections["host"][40]}, score' in result.output
    assert (tmp_path / 's.png').read_bytes()[:4] == b'\x89PNG'


def test_check_replay_finds_a_record_that_was_altered(output, tmp_path):
    folder = output[0]
    assert CliRunner().invoke(main, ['check', 'replay', str(folder)]).exit_code == 0
    path = folder / 'injections.parquet'
    before, table = path.read_bytes(), read_injections(path)
    table['score'][5] += 0.01
    write_whole(table, path, overwrite=True)
    done = CliRunner().invoke(main, ['check', 'replay', str(folder)])
    path.write_bytes(before)
    assert done.exit_code == 1, done.output
    assert '1 of 48 injections come out otherwise' in ' '.join(done.output.split())


def test_replay_refuses_what_changed(output, study, tmp_path):
    folder = output[0]
    rows = CliRunner().invoke(main, ['replay', str(folder), '4000'])
    assert rows.exit_code == 2 and 'rows 0 to 47' in rows.output
    nothing = CliRunner().invoke(main, ['replay', str(tmp_path), '0'])
    assert nothing.exit_code == 2 and 'there is no such file' in nothing.output
    text = (folder / 'inject.yaml').read_text()
    found = yaml.safe_load(text)
    found['checksums']['manifest'] = 'x'
    (folder / 'inject.yaml').write_text(json.dumps(found))
    changed = CliRunner().invoke(main, ['replay', str(folder), '0'])
    (folder / 'inject.yaml').write_text(text)
    assert changed.exit_code == 2 and 'manifest is not the one that was used' in changed.output
    priors = study[0] / 'own.yaml'
    before = priors.read_text()
    priors.write_text(before.replace('22.0', '22.5'))
    other = CliRunner().invoke(main, ['replay', str(folder), '0'])
    priors.write_text(before)
    assert other.exit_code == 2 and 'row 0 comes out with source_' in other.output


def test_stamps_are_hosts(study, tmp_path):
    for number, stamp in enumerate(example_flux(3, shape=(61, 61))):
        np.savez(tmp_path / f'stamp-{number}.npz', cutout=stamp)
    widths = [item for band in 'grz' for item in ('--set', f'psfsize_{band}=1.3')]
    arguments = ['inject', str(study[0] / 'tiny.onnx'), *map(str, sorted(tmp_path.glob('*.npz'))),
                 '-o', str(tmp_path / 'out'), '-n', '3', '--threshold', '0', '--by', 'host']
    lacking = CliRunner().invoke(main, arguments)
    assert lacking.exit_code == 2 and "no column 'psfsize_g'" in lacking.output
    result = CliRunner().invoke(main, [*arguments, *widths])
    assert result.exit_code == 0, result.output
    assert 'The arcs carry no shot noise' in result.output
    assert (tmp_path / 'out' / 'hosts' / 'cutouts' / 'index.parquet').exists()
    again = CliRunner().invoke(main, ['replay', str(tmp_path / 'out'), '1'])
    assert again.exit_code == 0, again.output


def test_weights_bring_the_arcs_to_those_of_lenses(study, tmp_path):
    assert inject(study, tmp_path / 'free', number=300).exit_code == 0
    made = read_injections(tmp_path / 'free' / 'injections.parquet')['annulus_snr']
    bright = np.sort(made)[100:280]
    lenses = tmp_path / 'lenses.ecsv'
    QTable({'annulus_snr': np.random.default_rng(0).choice(bright, 40)}).write(lenses)
    few = inject(study, tmp_path / 'few', '--match', str(lenses))
    assert few.exit_code == 1 and 'No weights: ' in few.output
    assert (tmp_path / 'few' / 'injections.parquet').exists()
    enough = inject(study, tmp_path / 'many', '--match', str(lenses), number=300)
    assert enough.exit_code == 0, enough.output
    assert 'are worth' in enough.output
    matched = read_table(tmp_path / 'many' / 'recovery_matched.ecsv')
    assert matched.meta['weights'] == 'match_weight' and matched['n_eff'][0] < 300


@pytest.mark.parametrize(('arguments', 'said'), [
    (['--where', 'psfsize_r > 5'], "no host of 12 is left: 'psfsize_r > 5' left out 12"),
    (['--host-bins', 'psfsize_r=3,4'], 'no host of 12 lies in any cell'),
    (['--priors', 'publishd'], "Did you mean 'published'"),
    (['--pair', 'simulator=sie'], "no simulators plugin is named 'sie'"),
    (['--grid', 'thetae=1,2'], "no parameter 'thetae'"), (['--gain', 'much'], 'not \'much\''),
    (['--psf', 'airy'], "there is no PSF profile 'airy'"), (['--psf', 'moffat:x'], 'moffat:3.5'),
    (['--known', 'nowhere.csv'], 'nowhere.csv: there is no such file'),
    (['--by', 'seeing'], "no column 'seeing'")])
def test_what_cannot_be_is_one_line(study, tmp_path, arguments, said):
    result = inject(study, tmp_path / 'out', *arguments, number=1)
    assert result.exit_code == 2 and said in result.output, result.output
    assert result.output.count('\n') <= 3 and not (tmp_path / 'out').exists()


def test_a_gain_that_cannot_be_is_told(study, tmp_path):
    result = inject(study, tmp_path / 'out', '--gain', '150', number=1)
    assert result.exit_code == 0, result.output
    assert 'Warning: a gain of 150 electrons per nanomaggy in band g is' in result.output
    meta = read_table(tmp_path / 'out' / 'injections.parquet').meta
    assert len(meta['gain']['warnings']) == 3 and meta['gain']['ratio_to_sky']['r'] < 0.1


def test_real_galaxies_take_arcs(real_data, tmp_path):
    """Ten stamps of DECaLS, eight distinct galaxies, one without most of its g and r pixels."""
    with np.load(real_data / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as found:
        np.savez(tmp_path / 'galaxies.npz', **{name: found[name] for name in found.files})
    write_network(tmp_path / 'tiny.onnx', size=(101, 101), metadata=DECLARED)
    widths = [item for band in 'grz' for item in ('--set', f'psfsize_{band}=1.3')]
    result = CliRunner().invoke(main, [
        'inject', str(tmp_path / 'tiny.onnx'), str(tmp_path / 'galaxies.npz'), '-o',
        str(tmp_path / 'out'), '-n', '10', '--threshold', '0', '--prior', 'r_magnitude=[20, 21]',
        '--priors', 'host_light', '--set', 'psfdepth_r=330', *widths, '--keep-images'])
    assert result.exit_code == 0, result.output
    assert '1 hosts are left out by the rule "at most 5% zeros in a band"; 9' in result.output
    table = read_injections(tmp_path / 'out' / 'injections.parquet')
    assert 'example_bad_pix' not in table['host']
    store = CutoutStore(tmp_path / 'out' / 'images')
    hosts = CutoutStore(tmp_path / 'out' / 'hosts' / 'cutouts')
    added = (store.get(table['object_id']) - hosts.get(table['host'])).sum(axis=(2, 3))[:, 1]
    expected = table['magnification'] * table['source_flux_r'].to_value(u.nmgy)
    assert np.abs(added / expected - 1).max() < 0.02 and (table['arc_snr'] > 0).all()
