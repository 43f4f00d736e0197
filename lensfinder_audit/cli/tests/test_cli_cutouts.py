# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A user's path: a store is verified, what is odd is looked at."""
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest
from astropy import units as u
from click.testing import CliRunner

from lensfinder_audit.cli import main
from lensfinder_audit.cutouts import CutoutWriter
from lensfinder_audit.files import read_table
from lensfinder_audit.survey import PIXEL_SCALE
from lensfinder_audit.testing import example_flux


@pytest.fixture
def store(tmp_path):
    flux = example_flux(8, shape=(41, 41))
    flux[2, :, :6], flux[3] = np.nan, flux[1]
    with CutoutWriter(tmp_path / 'cutouts', bands='grz', pixel_scale=PIXEL_SCALE, shape=(41, 41),
                      shard_size=4, dtype='int16') as writer:
        writer.add([f'object-{i}' for i in range(8)], flux, columns={'source': np.full(8, 'made')})
    return tmp_path / 'cutouts'


def run(*arguments, code=0):
    found = CliRunner().invoke(main, ['cutouts', *map(str, arguments)])
    assert found.exit_code == code, found.output
    return found.output


def test_a_good_store_is_summarised(store, tmp_path):
    words = run('verify', store, '-o', tmp_path / 'quality.ecsv', '--workers', 1)
    assert '8 cutouts of 3 bands, 41 x 41 pixels, int16; something is to be said of 2' in words
    assert '1  missing pixels' in words and '1  same pixels' in words
    table = read_table(tmp_path / 'quality.ecsv')
    assert len(table) == 8 and table['core_r'].unit == u.nmgy
    assert table['same_pixels_as'][3] == 'object-1' and table.meta['schema'] == 'cutout_quality'
    assert not list(tmp_path.glob('.quality*'))
    assert 'is there already' in run('verify', store, '-o', tmp_path / 'quality.ecsv', code=2)


def test_damage_is_named_and_the_exit_code_1(store, tmp_path):
    path = store / 'shard-00001.npy'
    path.write_bytes(path.read_bytes()[:-1] + b'\x7e')
    words = run('verify', store, '-o', tmp_path / 'quality.parquet', '--workers', 1, code=1)
    assert '1  damaged' in words and 'Damaged: object-7: does not match its checksum' in words
    assert read_table(tmp_path / 'quality.parquet')['damaged'].tolist() == [False] * 7 + [True]


def test_what_is_no_store_is_refused_before_any_work(tmp_path, store):
    assert 'is no cutout store' in run('verify', tmp_path, code=2)
    assert 'a table is written as one of' in run('verify', store, '-o', 'x.txt', code=2)
    assert 'a sheet is written as .png or .pdf' in run('show', store, '-o', 'x.gif', code=2)
    assert "has no band 'i'" in run('show', store, '-o', tmp_path / 'x.png', '--bands', 'gri',
                                    code=2)


def test_a_sheet_shows_the_cutouts_asked_for(store, tmp_path):
    out = tmp_path / 'sheet.png'
    assert '8 of 8 cutouts' in run('show', store, '-o', out)
    whole = matplotlib.image.imread(out).shape
    assert '2 of 8' in run('show', store, '-o', out, '--keys', 'object-2,object-0', '--overwrite')
    assert matplotlib.image.imread(out).shape[1] < whole[1]
    assert 'no cutout' in run('show', store, '-o', out, '--keys', 'x', '--overwrite', code=2)
    assert 'is there already' in run('show', store, '-o', out, code=2)


def test_a_sheet_follows_a_table(store, tmp_path, monkeypatch):
    from lensfinder_audit.plotting import store_sheet

    seen = []
    real = store_sheet.contact_sheet
    monkeypatch.setattr(store_sheet, 'contact_sheet', lambda *arguments, **named: seen.append(
        named) or real(*arguments, **named))
    quality, out = tmp_path / 'quality.parquet', tmp_path / 'sheet.pdf'
    run('verify', store, '-o', quality, '--workers', 1)
    run('show', store, '-o', out, '--table', quality, '--sort', '-core_r', '--caption', 'core_r',
        '--where', 'n_flags == 0 and not damaged == 1', '--n', 3)
    table = read_table(quality)
    good = table[table['flags'] == '']
    good = good[np.argsort(-good['core_r'].value, kind='stable')[:3]]
    assert seen[0]['titles'] == good['object_id'].tolist()
    assert seen[0]['second'] == [f'{value:.3g}' for value in good['core_r'].value]
    assert 'where n_flags == 0' in seen[0]['note'] and seen[0]['missing'] == 0
    assert out.read_bytes()[:4] == b'%PDF'
    keys = tmp_path / 'keys.txt'
    keys.write_text('object-6\nobject-1\n')
    run('show', store, '-o', out, '--overwrite', '--keys', keys)
    assert seen[1]['titles'] == ['object-6', 'object-1']


def test_a_random_sheet_follows_its_seed(store, tmp_path):
    names = ('a.png', 'b.png', 'c.png')
    for name, seed in zip(names, (1, 1, 2), strict=True):
        run('show', store, '-o', tmp_path / name, '--n', 3, '--seed', seed)
    first, again, other = ((tmp_path / name).read_bytes() for name in names)
    assert first == again != other


def test_columns_that_are_not_there_are_named(store, tmp_path):
    out = tmp_path / 'x.png'
    assert "Did you mean 'nan_fraction'" in run('show', store, '-o', out, '--sort', 'nan_fractoin',
                                                code=2)
    assert "no column 'score'" in run('show', store, '-o', out, '--caption', 'score', code=2)
    assert 'none of 8 rows fulfils' in run('show', store, '-o', out, '--where',
                                           'nan_fraction > 1', code=2)
    assert not out.exists()


def test_help_of_the_group_imports_no_astropy():
    code = ('import sys; from lensfinder_audit.cli import main\n'
            'try: main(["cutouts", "verify", "--help"])\n'
            'except SystemExit: print([n for n in ("astropy", "numba", "matplotlib") '
            'if n in sys.modules])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == '[]' and 'Compare every cutout' in done.stdout
