# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""From injections and bricks to a completeness map, on the command line."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose

from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.files import read_table, sha256, write_whole
from lensfinder_audit.measure.selection_example import example_injections
from lensfinder_audit.selection_file import load_selection


@pytest.fixture
def injections(tmp_path):
    path = tmp_path / 'injections.parquet'
    write_whole(example_injections(3000, n_hosts=100), path)
    return path


@pytest.fixture
def maps(tmp_path):
    rng = np.random.default_rng(0)
    bricks = QTable({'region': np.arange(300), 'ra': rng.uniform(0, 20, 300),
                     'dec': rng.uniform(-10, 10, 300), 'area_deg2': np.full(300, 0.06)})
    regions = QTable({'region': np.arange(300), 'psf': rng.uniform(1.0, 1.9, 300)})
    write_whole(bricks, tmp_path / 'bricks.csv')
    write_whole(regions, tmp_path / 'regions.csv')
    done = run('conditions', 'map', tmp_path / 'bricks.csv', '--join', tmp_path / 'regions.csv',
               '--on', 'region', '--nside', 32, '--area', 'area_deg2', '--column', 'psfsize_r=psf',
               '-o', tmp_path / 'maps.fits')
    assert done.exit_code == 0, done.stderr
    assert '18.0 deg2, from 300 rows: psfsize_r' in done.stdout
    return tmp_path / 'maps.fits'


def build(injections, *arguments, name='selection.npz', by='theta_e,psfsize_r'):
    done = run('selection', 'build', injections, '-o', injections.parent / name, '--by', by,
               '--threshold', 0.5, *arguments)
    assert done.exit_code == 0, done.stderr
    return injections.parent / name, done.stdout


def test_a_user_builds_asks_and_maps(injections, maps, tmp_path):
    selection, said = build(injections, '--cells', tmp_path / 'cells.ecsv', '--figures',
                            tmp_path / 'figures')
    found = int((example_injections(3000, n_hosts=100)['score'] >= 0.5).sum())
    assert f'{found:,} of 3,000 recovered ({found / 3000:.4f}); cells: ' in said
    assert {path.name for path in (tmp_path / 'figures').glob('*.png')} == {
        'selection.png', 'slice_theta_e.png', 'slice_psfsize_r.png'}
    cells = read_table(tmp_path / 'cells.ecsv')
    assert cells['theta_e_min'].unit == u.arcsec and len(cells) == 77

    said = run('selection', 'query', selection, '--at', 'theta_e=2arcsec', '--at',
               'psfsize_r=1.2').stdout
    wanted = load_selection(selection).query(theta_e=2.0, psfsize_r=1.2)[0]
    assert said.splitlines()[0] == (f'{wanted["completeness"]:.4f} [{wanted["lo"]:.4f}, '
                                    f'{wanted["hi"]:.4f}] {wanted["state"]}')
    assert '95 % pooled beta posterior' in said

    done = run('selection', 'map', selection, maps, '--at', 'theta_e=2.0', '-o',
               tmp_path / 'sky.ecsv', '--figure', tmp_path / 'sky.png')
    assert done.exit_code == 0, done.stderr
    assert '18.0 deg2: completeness 0.' in done.stdout and '% of the area supported' in done.stdout
    sky = read_table(tmp_path / 'sky.ecsv')
    assert_allclose(sky['area'].sum().value, 18.0)
    assert (tmp_path / 'sky.png').read_bytes()[:4] == b'\x89PNG'


def test_a_file_says_what_it_was_made_of(injections, maps):
    found = load_selection(build(injections)[0])
    assert found.meta['inputs'][0]['sha256'] == sha256(injections)
    assert found.meta['inputs'][0]['file'] == 'injections.parquet'
    assert read_table(maps).meta['inputs'][0]['file'] == 'bricks.csv'


def test_positions_are_asked_through_the_maps(injections, maps, tmp_path):
    selection, _ = build(injections)
    points = QTable({'name': ['a', 'b'], 'ra': [5.0, 180.0], 'dec': [1.0, 1.0],
                     'theta_e': [1.5, 1.5]})
    write_whole(points, tmp_path / 'points.csv')
    done = run('selection', 'query', selection, tmp_path / 'points.csv', '--conditions', maps,
               '-o', tmp_path / 'answer.ecsv')
    assert done.exit_code == 0, done.stderr
    answer = read_table(tmp_path / 'answer.ecsv')
    assert list(answer['name']) == ['a', 'b']
    assert np.isnan(answer['completeness'][1]) and not answer['supported'][1]
    assert answer.meta['interval'] == 'pooled beta posterior'


def test_smooth_function_prints_its_check(injections):
    _, said = build(injections, '--method', 'smooth')
    assert 'on held-out hosts: slope ' in said and 'Brier skill' in said


def test_two_finders_and_chosen_rows(tmp_path):
    table = example_injections(2000, n_hosts=100)
    table['vit'], table['arm'] = table['score'][::-1], np.where(np.arange(2000) % 2, 'base', 'x')
    write_whole(table, tmp_path / 'injections.parquet')
    done = run('selection', 'build', tmp_path / 'injections.parquet', '-o', tmp_path / 'any.npz',
               '--by', 'theta_e', '--threshold', 'score=0.5', '--threshold', 'vit=0.9',
               '--where', 'arm=base')
    assert done.exit_code == 0, done.stderr
    found = load_selection(tmp_path / 'any.npz')
    assert found.meta['threshold'] == {'score': 0.5, 'vit': 0.9} and found.meta['n'] == 1000
    base = table[table['arm'] == 'base']
    assert found.meta['n_recovered'] == ((base['score'] >= 0.5) | (base['vit'] >= 0.9)).sum()


def test_injected_and_real_are_compared(injections, tmp_path):
    bins = ('--bins', 'theta_e=0.5,1.5,3')
    one, _ = build(injections, *bins, by='theta_e')
    write_whole(example_injections(400, n_hosts=80, seed=4), tmp_path / 'real.parquet')
    other, _ = build(tmp_path / 'real.parquet', *bins, by='theta_e', name='real.npz')
    done = run('selection', 'compare', one, other, '-o', tmp_path / 'both.ecsv', '--figure',
               tmp_path / 'both.png')
    assert done.exit_code == 0, done.stderr
    assert '2 of 2 cells are supported in both' in done.stdout
    wanted = {'injected_lo', 'real_hi', 'difference_lo', 'differs'}
    assert wanted <= set(read_table(tmp_path / 'both.ecsv').colnames)


def test_published_counts_are_built_from(real_data, tmp_path):
    table = real_data / 'injection-grid' / 'selection_function.csv'
    counts = ('--counts', 'n_injections,n_detected', '--where', 'threshold=0.3', '--where',
              'source_mag_bin=all')
    _, said = _build_counts(table, tmp_path / 'a.npz', *counts)
    assert '5,697 of 110,000 recovered (0.0518)' in said and 'lower bounds' in said
    found, said = _build_counts(table, tmp_path / 'b.npz', *counts, '--group',
                                'psf_fwhm,depth_5sig', '--no-pool')
    assert 'lower bounds' not in said
    answer = run('selection', 'query', found, '--at', 'theta_e=2.5').stdout
    assert answer.startswith('0.0833 [')


def _build_counts(table, output, *arguments):
    done = run('selection', 'build', table, '-o', output, '--by', 'theta_e', '--threshold', 0.3,
               *arguments)
    assert done.exit_code == 0, done.stderr
    return output, done.stdout


@pytest.mark.parametrize('arguments, said', [
    (['--by', 'theta_f', '--threshold', 0.5], "Did you mean 'theta_e'"),
    (['--by', 'theta_e', '--threshold', 'half'], "--threshold 'half': is not a number"),
    (['--by', 'theta_e', '--threshold', 0.5, '--where', 'host=nobody'], 'no row has it'),
    (['--by', 'theta_e', '--threshold', 0.5, '--bins', 'psf=1,2'], "--bins names ['psf']"),
    (['--by', 'theta_e', '--threshold', 0.5, '--counts', 'n'], '--counts takes N,RECOVERED'),
    (['--by', 'theta_e', '--threshold', 0.5, '--threshold', 0.6], 'write each as COLUMN=SCORE'),
])
def test_wrong_builds_are_refused(injections, arguments, said):
    found = refusal(injections.parent, 'selection', 'build', injections, '-o',
                    injections.parent / 'out.npz', *arguments)
    assert said in found


def test_wrong_questions_are_refused(injections, maps):
    selection, _ = build(injections)
    folder = injections.parent
    for at, said in (('theta=2', "Did you mean 'theta_e'"), ('theta_e=wide', 'holds numbers'),
                     ('theta_e=2parrots', "there is no unit 'parrots'"),
                     ('theta_e=2s', 'is in arcsec, the values given are in s')):
        assert said in refusal(folder, 'selection', 'query', selection, '--at', at, '--at',
                               'psfsize_r=1')
    assert "'theta_e' has no value" in refusal(folder, 'selection', 'map', selection, maps, '-o',
                                               folder / 'sky.ecsv')
    assert 'holds no condition maps' in refusal(folder, 'selection', 'map', selection, injections,
                                                '--at', 'theta_e=1', '-o', folder / 'sky.ecsv')
    assert 'there already' in refusal(folder, 'selection', 'build', injections, '-o', selection,
                                      '--by', 'theta_e', '--threshold', 0.5)
    selection.write_bytes(selection.read_bytes()[:1000])
    assert 'cut short' in refusal(folder, 'selection', 'query', selection, '--at', 'theta_e=1')


@pytest.mark.parametrize('arguments, said', [
    (['--column', 'psfsize_r=psf', '--nside', 32], "no column 'psf'"),
    (['--column', 'ra', '--nside', 32, '--join', 'x.csv'], 'are given together'),
    (['--column', 'ra', '--nside', 512, '--area', 'area_deg2'], 'would leave holes'),
    (['--column', 'psf=', '--nside', 32], 'write it as NAME=COLUMN'),
])
def test_wrong_maps_are_refused(maps, arguments, said):
    folder = maps.parent
    assert said in refusal(folder, 'conditions', 'map', folder / 'bricks.csv', '-o',
                           folder / 'other.fits', *arguments)
