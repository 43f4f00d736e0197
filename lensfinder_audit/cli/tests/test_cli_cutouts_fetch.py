# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import os
import re

import numpy as np
import pytest
from click.testing import CliRunner

from lensfinder_audit.cli import main
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.files import read_table
from lensfinder_audit.tests.made_up_bricks import list_objects, write_survey
from lensfinder_audit.tests.survey_server import serve


@pytest.fixture
def sky(tmp_path, monkeypatch):
    """Two bricks, a list of objects, and the folder of both as the working folder."""
    monkeypatch.chdir(tmp_path)
    ra, names = write_survey(tmp_path / 'survey', 2)
    list_objects(ra).write('objects.csv')
    return tmp_path, names


def run(*arguments, code=0):
    done = CliRunner().invoke(main, ['cutouts', 'fetch', *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def test_a_store_from_a_folder_of_coadds(sky):
    folder, names = sky
    options = ('objects.csv', '-o', 'store', '--coadds', 'survey', '--size', 21, '--workers', 1)
    plan = '10 objects in 2 bricks, 0 cutouts there already; 18 files, 0 requests; 5.29e-05 GB'
    assert plan in run(*options, '--dry-run').stdout
    assert not (folder / 'store').exists()
    done = run(*options, '--manifest', 'manifest.parquet')
    assert '10 cutouts added, 0 were there before' in done.stdout
    assert 'Warning' not in done.output
    manifest = read_table('manifest.parquet')
    store = CutoutStore('store')
    assert manifest['object_id'].tolist() == store.keys.tolist()
    assert manifest['sha256'].tolist() == store.index()['sha256'].tolist()
    assert '10 cutouts there already; 0 files' in run(*options).stdout
    done = run(*options, '--manifest', 'manifest.parquet', code=2)
    assert 'manifest.parquet is there already' in done.stderr


def test_what_is_missing_is_named_with_an_exit_code_of_its_own(sky):
    folder, names = sky
    next(folder.rglob(f'*{names[1]}-image-g*')).write_bytes(b'nothing')
    done = run('objects.csv', '-o', 'store', '--coadds', 'survey', '--size', 21, '--workers', 1,
               '--manifest', 'manifest.parquet', '--invvar', '--psf', '--dtype', 'int16', code=3)
    assert f'Missing: 5 of brick {names[1]}: ' in done.stderr
    assert 'image-g.fits.fz: is cut short or damaged' in done.stderr
    assert 'Missing: 5 objects in all, listed in missing.ecsv of the store' in done.stderr
    kept = read_table('manifest.parquet')['object_id']
    assert len(kept) == 5
    assert not np.isin(kept, read_table('store/missing.ecsv')['object_id']).any()
    assert CutoutStore('store').planes == ('flux', 'invvar', 'psf')


def test_a_store_from_a_service_that_a_file_describes(sky, monkeypatch):
    folder, names = sky
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    with serve(folder / 'survey') as (survey, address):
        (folder / 'service.yaml').write_text(
            f'url: "{address}/viewer/fits-cutout?ra={{ra}}&dec={{dec}}&size={{size}}'
            '&bands={bands}"\nrate: 500\n')
        done = run('objects.csv', '-o', 'store', '--service', 'service.yaml', '--size', 21,
                   '--workers', 1, '--contact', 'me@example.org')
        assert '10 requests; 5.29e-05 GB of disk; at least 5.6e-06 h at 500 per second' in (
            done.stdout)
        assert len(survey.seen) == 10 and survey.agents[0].endswith('(me@example.org)')
    assert len(CutoutStore('store')) == 10


def test_a_store_from_a_bucket(sky, monkeypatch):
    pytest.importorskip('s3fs')
    folder, names = sky
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    options = ('objects.csv', '--size', 21, '--workers', 1)
    with serve(folder / 'survey') as (survey, address):
        run(*options, '-o', 'store', '--coadds', 's3://bucket', '--storage', 'anon=true',
            '--storage', f'endpoint_url={address}')
        asked = [path.partition('?')[0] for path in survey.seen]
    assert sorted(set(asked)) == sorted(asked) and len(asked) == 18  # each file once
    run(*options, '-o', 'local', '--coadds', 'survey')
    keys = CutoutStore('local').keys
    assert (CutoutStore('store').get(keys) == CutoutStore('local').get(keys)).all()
    assert CutoutStore('store').index()['source'][0].startswith('s3://bucket/coadd/010/')


@pytest.mark.parametrize(('options', 'words'), [
    ((), 'give --coadds or --service, one of the two'),
    (('--coadds', 'survey', '--service', 'ls-dr10'), 'one of the two'),
    (('--coadds', 'nowhere'), 'nowhere: there is no such folder of coadds'),
    (('--service', 'ls-dr1'), "no such CutoutService; known are .* Did you mean 'ls-dr10'"),
    (('--coadds', 'survey', '--bands', 'grzz'), 'give each band once'),
    (('--coadds', 'survey', '--condition', 'seeing'), "has no map 'seeing'"),
    (('--coadds', 'survey', '--storage', 'anon'), "--storage 'anon': write it as NAME=VALUE"),
    (('--coadds', 'survey', '--layout', 'other.yaml'), "there is no file 'other.yaml'")])
def test_what_cannot_be_is_one_line(sky, options, words):
    done = run('objects.csv', '-o', 'store', '--workers', 1, *options, code=2)
    assert done.stderr.count('\n') == 1
    assert re.search(words, done.stderr)
    assert not os.path.exists('store/index.parquet')


def test_a_store_of_another_size_is_not_mixed_with_this_one(sky):
    options = ('objects.csv', '--coadds', 'survey', '--workers', 1, '-o', 'store')
    run(*options, '--size', 21)
    list_objects(np.array([10.125]), n=3, seed=1).write('objects.csv', overwrite=True)
    table = read_table('objects.csv')
    table['object_id'] = ['x', 'y', 'z']
    table.write('more.csv')
    done = run('more.csv', *options[1:], '--size', 23, code=2)
    assert 'was begun with shape [21, 21], not [23, 23]' in done.stderr
    assert '3 cutouts added' in run('more.csv', *options[1:], '--size', 21).stdout


def test_a_place_that_cannot_be_a_folder_is_named(sky):
    done = run('objects.csv', '-o', 'objects.csv/store', '--coadds', 'survey', code=2)
    assert 'objects.csv' in done.stderr and done.stderr.count('\n') == 1


@pytest.mark.skipif(os.name != 'posix' or os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_that_cannot_be_written_is_named(sky):
    folder, _ = sky
    (folder / 'closed').mkdir(mode=0o555)
    done = run('objects.csv', '-o', 'closed/store', '--coadds', 'survey', code=2)
    assert 'Permission denied' in done.stderr
