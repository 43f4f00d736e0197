# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_array_equal

from lensfinder_audit.cleaning import clean_negatives
from lensfinder_audit.cli.tests.running import QUICK, audit, refusal, run
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.frozen import (check_frozen, freeze, frozen_problems, overlap_problems,
                                     read_frozen, write_frozen)
from lensfinder_audit.manifest import read_manifest
from lensfinder_audit.manifest_build import build_manifest
from lensfinder_audit.sources.sweeps import mock_sweep, write_mock_sweeps
from lensfinder_audit.tests.made_up import make_table


def lenses(n=30):
    rng = np.random.default_rng(0)
    return QTable({'name': [f'L{i}' for i in range(n)], 'ra': rng.uniform(0, 90, n) * u.deg,
                   'dec': rng.uniform(-10, 10, n) * u.deg, 'is_lens': np.arange(n) != 3,
                   'tier': ['A'] * n, 'release': np.full(n, 9010.0),
                   'brickid': np.arange(n) + 0.0, 'objid': np.where(np.arange(n) == 5, np.nan, 7.0),
                   'match': np.where(np.arange(n) == 4, 'outside', 'matched')})


def others(n=300):
    rng = np.random.default_rng(1)
    return QTable({'object_id': [f'9012_{i}_1' for i in range(n)],
                   'ra': rng.uniform(100, 190, n) * u.deg, 'dec': rng.uniform(-10, 10, n) * u.deg,
                   'type': ['DEV'] * n, 'weight': np.full(n, 20.0),
                   'stratum': ['nobs_z 3 to 6, type DEV'] * n})


def store_of(folder, keys):
    with CutoutWriter(folder, bands='r', pixel_scale=0.262 * u.arcsec, shape=(5, 5)) as writer:
        writer.add(keys, np.random.default_rng(0).normal(size=(len(keys), 1, 5, 5)))
    return CutoutStore(folder)


def test_lenses_and_negatives_become_one_table_and_the_rest_is_listed():
    manifest, gone = build_manifest(lenses(), others())
    assert (len(manifest), manifest['label'].sum()) == (328, 28)
    assert dict(zip(gone['object_id'], gone['reason'], strict=True)) == {
        '9010_3_7': 'no lens evidence', '9010_4_7': 'not matched: outside'}
    assert manifest['object_id'][:5].tolist() == ['9010_0_7', '9010_1_7', '9010_2_7', 'L5',
                                                  '9010_6_7']
    assert set(manifest['weight'][manifest['label']]) == {1.0}
    assert manifest.meta['split']['scheme'] == '70/15/15' and set(manifest['split']) == {
        'train', 'val', 'test'}


def test_only_objects_with_pixels_are_in_it(tmp_path):
    wanted = ['9010_0_7', '9012_3_1', '9012_9_1']
    store = store_of(tmp_path / 'store', wanted)
    manifest, gone = build_manifest(lenses(), others(), store=store)
    assert manifest['object_id'].tolist() == wanted
    assert_array_equal(manifest['sha256'], store.index()['sha256'])
    assert gone['reason'].tolist().count('no cutout in the store') == 325
    assert manifest.meta['store'] == store.checksum()


def test_negatives_that_are_lenses_and_keys_that_come_twice_are_refused():
    bad = others()
    bad['ra'][3], bad['dec'][3] = lenses()['ra'][0], lenses()['dec'][0]
    with pytest.raises(TableError, match="1 of 300 negatives stand within 1 arcsec of a lens, the "
                                         "first is row 3, '9012_3_1'"):
        build_manifest(lenses(), bad)
    bad = others()
    bad['object_id'][4] = bad['object_id'][5]
    with pytest.raises(TableError, match="1 keys more than once, the first is '9012_5_1'"):
        build_manifest(lenses(), bad)
    with pytest.raises(TableError, match='neither object_id, nor release'):
        build_manifest(QTable({'ra': [1.0], 'dec': [1.0]}), others())


# Frozen sets

def test_a_frozen_set_does_not_depend_on_order_or_format(tmp_path):
    manifest, _ = build_manifest(lenses(), others())
    frozen = freeze(manifest)
    shuffled = manifest[np.random.default_rng(0).permutation(len(manifest))]
    assert freeze(shuffled).meta['digest'] == frozen.meta['digest']
    for name in ('f.ecsv', 'f.parquet'):
        write_frozen(frozen, tmp_path / name)
        assert read_frozen(tmp_path / name).meta['digest'] == frozen.meta['digest']
    with pytest.raises(ConfigError, match='which keep its digest'):
        write_frozen(frozen, tmp_path / 'f.csv')


@pytest.mark.parametrize(('change', 'words'), [
    (lambda table: table[1:], '1 objects are missing, the first is'),
    (lambda table: put(table, 'label', 0, ~table['label'][0]), '1 objects have another label'),
    (lambda table: put(table, 'weight', 2, 3.0), '1 objects have another weight'),
    (lambda table: put(table, 'object_id', 1, 'new'), '1 objects are not in it, the first is .new'),
])
def test_a_changed_set_is_refused_in_words(change, words):
    frozen = freeze(build_manifest(lenses(), others())[0])
    check_frozen(frozen, frozen)
    with pytest.raises(TableError, match=words):
        check_frozen(change(frozen.copy()), frozen)


def put(table, name, row, value):
    table[name] = table[name].astype(object) if table[name].dtype.kind == 'U' else table[name]
    table[name][row] = value
    return table


def test_a_frozen_file_that_was_edited_is_refused(tmp_path):
    write_frozen(freeze(build_manifest(lenses(), others())[0]), tmp_path / 'f.ecsv')
    path = tmp_path / 'f.ecsv'
    path.write_text(path.read_text().replace(' 20.0 ', ' 21.0 ', 1))
    with pytest.raises(TableError, match='was changed after it was frozen'):
        read_frozen(path)
    write_whole(others(), tmp_path / 'o.ecsv')
    with pytest.raises(TableError, match='is no frozen evaluation set'):
        read_frozen(tmp_path / 'o.ecsv')


def test_training_rows_near_a_frozen_set_are_named():
    manifest, _ = build_manifest(lenses(), others())
    frozen = freeze(manifest)
    train = manifest[manifest['split'] == 'train']
    assert not overlap_problems(train, frozen).any()
    train['ra'][0] = frozen['ra'][0] + 20 * u.arcsec / np.cos(frozen['dec'][0])
    train['dec'][0] = frozen['dec'][0]
    train['object_id'][1] = frozen['object_id'][0]
    assert np.flatnonzero(overlap_problems(train, frozen)).tolist() == [0, 1]
    assert frozen_problems(train, frozen)


def test_nothing_to_freeze_is_said():
    with pytest.raises(ConfigError, match=r"no row of the manifest is in \['tset'\]"):
        freeze(build_manifest(lenses(), others())[0], splits=['tset'])


# Cleaning

def test_cleaning_lists_what_it_removed_and_why():
    negatives = others(6)
    near = QTable({'ra': negatives['ra'][[1]] + 5 * u.arcsec, 'dec': negatives['dec'][[1]]})
    scores = QTable({'object_id': negatives['object_id'][[2, 3, 1]], 'p_old': [0.4, 0.41, 0.99]})
    kept, removed = clean_negatives(negatives, catalogs={'lenses': near}, scores=scores)
    assert removed['object_id'].tolist() == ['9012_1_1', '9012_3_1']
    assert removed['removed_because'].tolist() == ['near lenses', 'p_old above 0.4']
    assert 4.9 < removed['separation'][0].value < 5 and removed['earlier_score'][1] == 0.41
    assert kept.meta['cleaned']['near lenses'] == 1 and 'too low' in kept.meta['cleaned']['note']
    by_place = QTable({'ra': negatives['ra'][[4]], 'dec': negatives['dec'][[4]], 'score': [0.9]})
    _, removed = clean_negatives(negatives['ra', 'dec'], scores=by_place)
    assert len(removed) == 1


def test_scores_of_this_package_clean():
    scores = QTable({'object_id': ['9012_2_1', '9012_3_1'], 'classifier': ['mine'] * 2,
                     'score': [0.1, 0.8]})
    _, removed = clean_negatives(others(6), scores=scores)
    assert removed['removed_because'].tolist() == ['score above 0.4']


def test_cleaning_says_what_it_lacks():
    with pytest.raises(ConfigError, match='nothing to clean by'):
        clean_negatives(others())
    with pytest.raises(TableError, match='several score columns'):
        clean_negatives(others(), scores=QTable({'object_id': ['a'], 'p_a': [0.1], 'p_b': [0.2]}))


def test_real_artefacts_are_removed(real_data):
    artefacts = read_table(real_data / 'confusers' / 'artifact_contaminants.csv')
    negatives = others(50)
    negatives['ra'][:3] = artefacts['ra'][:3] * u.deg
    negatives['dec'][:3] = artefacts['dec'][:3] * u.deg
    kept, removed = clean_negatives(negatives, catalogs={'artefacts': artefacts})
    assert len(kept) == 47 and removed['removed_because'].tolist() == ['near artefacts'] * 3


# A user's path

def test_commands(tmp_path):
    write_whole(lenses(), tmp_path / 'p.parquet')
    write_whole(others(), tmp_path / 'n.parquet')
    done = run('manifest', 'build', '--positives', tmp_path / 'p.parquet', '--negatives',
               tmp_path / 'n.parquet', '-o', tmp_path / 'm.parquet', '--left-out',
               tmp_path / 'gone.ecsv')
    assert done.exit_code == 0 and 'Left out: 1, no lens evidence' in done.stderr
    assert len(read_table(tmp_path / 'gone.ecsv')) == 2
    assert run('manifest', 'freeze', tmp_path / 'm.parquet', '-o',
               tmp_path / 'f.ecsv').exit_code == 0
    check = ('manifest', 'check', tmp_path / 'm.parquet', '--frozen', tmp_path / 'f.ecsv')
    assert run(*check).stdout.endswith('328 rows, no problem\n')
    table = read_manifest(tmp_path / 'm.parquet')
    table['weight'][:] = 2.0
    table['healpix'][0] += 1
    write_whole(table, tmp_path / 'm.parquet', overwrite=True)
    done = run(*check)
    assert done.exit_code == 1
    assert 'failed  split, stale pixel' in done.stdout
    assert 'failed  frozen set: ' in done.stdout and 'another weight' in done.stdout
    assert 'is no frozen' in refusal(tmp_path, *check[:-1], tmp_path / 'gone.ecsv')


def test_audit_refuses_a_frozen_set_that_changed(tmp_path):
    table = make_table(600)
    table['split'] = np.where(np.arange(600) < 500, 'test', 'train')
    rows = table[:500]
    write_frozen(freeze(table), tmp_path / 'f.ecsv')
    audit(tmp_path, rows, '--frozen', tmp_path / 'f.ecsv')
    rows['label'][7] = 1 - rows['label'][7]
    write_whole(rows, tmp_path / 'changed.ecsv')
    words = refusal(tmp_path, 'audit', tmp_path / 'changed.ecsv', '-o', tmp_path / 'bad', *QUICK,
                    '--frozen', tmp_path / 'f.ecsv')
    assert "1 objects have another label, the first is 'obj-7'" in words


def test_the_whole_chain_from_lists_to_a_frozen_set(tmp_path):
    write_mock_sweeps(tmp_path / 'sweeps', n_files=2, n_rows=2500, first=300,
                      suffix='.parquet')
    rows = mock_sweep(300, 2500)
    good = np.isin(rows['TYPE'], [b'SER', b'DEV', b'REX']) & (rows['NOBS_Z'] >= 3)
    lens = rows[good][::150]
    write_whole(QTable({'name': [f'L{i}' for i in range(len(lens) + 1)],
                        'ra': np.append(lens['RA'], 200.0), 'dec': np.append(lens['DEC'], 30.0)}),
                tmp_path / 'list.csv')
    (tmp_path / 'plan.yaml').write_text('sources: [{file: list.csv, constants: {reference: '
                                        '"Huang et al. (2020) - arXiv:1906.00970"}}]')
    sources, known, plan, cat, pool, neg, table, frozen = (tmp_path / name for name in (
        'sweeps', 'list.csv', 'plan.yaml', 'cat', 'pool', 'neg', 'm.parquet', 'f.ecsv'))
    lists = cat / 'positives.parquet'
    for step in (('catalog', 'build', plan, '-o', cat, '--objects', sources),
                 ('negatives', 'pool', sources, '-o', pool, '--known', known, '--workers', 1),
                 ('negatives', 'sample', pool, '-o', neg, '--positives', lists, '--workers', 1),
                 ('manifest', 'build', '--positives', lists, '--negatives',
                  neg / 'negatives.parquet', '-o', table),
                 ('manifest', 'freeze', table, '-o', frozen)):
        done = run(*step)
        assert done.exit_code == 0, (step, done.stderr)
    done = run('manifest', 'check', table, '--frozen', frozen)
    assert {line.partition(':')[0] for line in done.stdout.splitlines()[:-1]} <= {
        'failed  split, pair across splits'}  # the edge of a pixel may part a pair
    manifest = read_manifest(tmp_path / 'm.parquet')
    assert manifest['label'].sum() == len(lens)
    assert set(manifest['kind'][~manifest['label']]) == {'N1', 'N2'}
    assert manifest['psfsize_r'].unit == u.arcsec and np.isfinite(manifest['psfsize_r']).all()
    assert sorted(path.name for path in (tmp_path / 'neg').iterdir()) == [
        'confusers.ecsv', 'cuts.ecsv', 'negatives.parquet', 'strata.ecsv']
