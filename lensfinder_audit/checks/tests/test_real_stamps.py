# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What the checks of pixels find in real stamps, through the commands."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.checks.material import apertures
from lensfinder_audit.cli.tests.running import run
from lensfinder_audit.cutouts import CutoutWriter
from lensfinder_audit.files import read_table
from lensfinder_audit.manifest import write_manifest


@pytest.fixture(scope='module')
def folder(real_data, tmp_path_factory):
    """Four lens candidates of DR10 and ten arrays of eight DECaLS galaxies, scored."""
    path, flux = tmp_path_factory.mktemp('real'), {}
    for file in sorted((real_data / 'dr10-cutouts').glob('*.npz')):
        with np.load(file, allow_pickle=True) as found:
            flux[file.stem] = found['cutout']
    with np.load(real_data / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as found:
        flux |= {name: found[name] for name in found.files}
    images = np.moveaxis(np.array(list(flux.values()), dtype=np.float32), -1, 1)
    with CutoutWriter(path / 'cutouts', bands='grz', shape=(101, 101),
                      pixel_scale=0.262 * u.arcsec) as writer:
        writer.add(list(flux), images)
    table = QTable({'object_id': list(flux), 'label': np.arange(len(flux)) < 4})
    for band, column in zip('grz', apertures(images).T, strict=True):
        table[f'flux_{band}'] = column * u.nmgy
    write_manifest(table, path / 'manifest.parquet')
    done = run('score', 'demo_network', path / 'manifest.parquet', '-o', path / 'scores.parquet')
    assert done.exit_code == 0, done.output
    return path


def test_two_galaxies_stand_in_the_sample_twice(folder, tmp_path):
    done = run('check', 'near-duplicates', folder / 'scores.parquet', '--store',
               folder / 'cutouts', '-o', tmp_path / 'out')
    assert done.exit_code == 1, done.output
    pairs = read_table(tmp_path / 'out' / 'near_duplicates.ecsv')
    found = {frozenset(pair): value for *pair, value in
             pairs['first_id', 'second_id', 'correlation'].iterrows()}
    assert found[frozenset(('example_a', 'temp_small'))] == pytest.approx(0.90, abs=0.01)
    assert found[frozenset(('example_bad_pix', 'example_d'))] == pytest.approx(0.65, abs=0.01)
    assert len(found) == 2
    assert '2 pairs of stamps, of 14 that were looked at' in ' '.join(done.output.split())


def test_the_annulus_moves_the_demo_network_more_than_any_turn(folder, tmp_path):
    done = run('check', 'response', 'demo_network', folder / 'manifest.parquet', '-o',
               tmp_path / 'out')
    assert done.exit_code == 0, done.output
    table = read_table(tmp_path / 'out' / 'response.ecsv')
    by = {str(row['change']): row for row in table}
    other = by['normalised by RawRobustPublished']
    assert other['median'] == pytest.approx(1.83, abs=0.01)
    assert other['rank_correlation'] == pytest.approx(0.54, abs=0.01)
    turns = ('quarter turn', 'half turn', 'flip, left to right', 'flip, top to bottom')
    assert max(by[name]['median'] for name in turns) == pytest.approx(0.70, abs=0.01)
    assert by['alone']['largest'] < 1e-3


def test_scores_of_real_stamps_do_not_depend_on_the_batch(folder, tmp_path):
    done = run('check', 'batch', 'demo_network', folder / 'manifest.parquet', '-o',
               tmp_path / 'out')
    assert done.exit_code == 0 and 'nothing found' in done.output
    assert max(read_table(tmp_path / 'out' / 'batch.ecsv')['largest']) < 1e-3


def test_fourteen_stamps_are_too_few_for_image_shortcuts(folder, tmp_path):
    done = run('check', 'image-shortcuts', folder / 'scores.parquet', '--store',
               folder / 'cutouts', '-o', tmp_path / 'out')
    assert done.exit_code == 0 and 'nothing found' in done.output
    assert set(read_table(tmp_path / 'out' / 'image_shortcuts.ecsv')['state']) == {'unsupported'}


def test_fourteen_stamps_are_too_few_for_the_order_of_bands(folder):
    done = run('check', 'bands', folder / 'manifest.parquet', '--store', folder / 'cutouts')
    assert done.exit_code == 2
    assert '13 of 14 objects have positive fluxes in all bands; an order needs 20' in done.output


def test_an_audit_with_stamps_and_network_finds_the_same(folder, tmp_path):
    done = run('audit', folder / 'scores.parquet', '--store', folder / 'cutouts', '--model',
               'demo_network', '--threshold', '0.5', '--resamples', '200', '--no-figures', '-o',
               tmp_path / 'out')
    assert done.exit_code == 0, done.output
    checks = read_table(tmp_path / 'out' / 'tables' / 'findings.ecsv')['check'].tolist()
    assert 'near duplicates' in checks and 'calibration' not in checks
    assert 'batch dependence' not in checks and 'image shortcuts' not in checks
