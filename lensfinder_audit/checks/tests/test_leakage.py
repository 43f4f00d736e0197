# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The audit's check of splits is the verification of splits."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import vstack
from numpy.testing import assert_array_equal

from lensfinder_audit.audit import audit
from lensfinder_audit.checks.alone import run_alone
from lensfinder_audit.cli.tests.running import run
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.frozen import freeze, write_frozen
from lensfinder_audit.split_check import verify_splits
from lensfinder_audit.splits import assign_splits
from lensfinder_audit.tests.made_up import QUICK, make_table

NAMES = ('n', 'n_checked', 'state')


@pytest.fixture(scope='module')
def split():
    return assign_splits(make_table(2000, seed=3))


def found(table, **options):
    findings, tables = run_alone('leakage', table, **{**QUICK, **options})
    return [str(text) for text in findings['finding']], tables


def check_equal(mine, theirs):
    assert mine['check'].tolist() == theirs['check'].tolist()
    for name in NAMES:
        assert_array_equal(mine[name], theirs[name])


def said(output):
    """Return the checks that ``split verify`` printed, with their state and words."""
    lines = [line.split(maxsplit=1) for line in output.splitlines() if ': ' in line]
    return [(state, *text.split(': ', 1)) for state, text in lines]


def test_a_split_by_the_hash_passes(split):
    words, tables = found(split)
    assert not words
    check_equal(tables['splits'], verify_splits(split).checks)


def test_rows_of_a_training_set_are_named_where_nothing_is_said_of_training(split):
    findings, _ = run_alone('training', split, **QUICK)
    count = int((split['split'] == 'train').sum())
    assert findings['finding'][0].startswith(f'{count} of 2000 objects are in the training set')
    assert not len(run_alone('training', split[split['split'] == 'test'], **QUICK)[0])


def spoiled(split):
    """Swap some sets, lose a pixel, and let lenses stand in two sets."""
    table = split.copy()
    rows = np.arange(0, len(table), 9)
    table['split'][rows] = table['split'][rows[::-1]]
    table['healpix'] = table['healpix'].astype(float)
    table['healpix'][4] = np.nan
    held = np.flatnonzero((table['split'] != 'train') & (table['label'] == 1))
    twins = {}
    for name, part in (('train', held[:6]), ('val', held[table['split'][held] == 'test'][-2:])):
        twins[name] = table[part]
        twins[name]['object_id'] = [f'{name}-{i}' for i in range(len(part))]
        twins[name]['split'] = name
        twins[name]['ra'] = twins[name]['ra'] + 0.3 * u.arcsec
    return vstack([table, *twins.values()])


def test_every_fault_has_the_numbers_of_the_verification(split, tmp_path):
    table = spoiled(split)
    write_whole(table, tmp_path / 'scores.parquet')
    report = verify_splits(table)
    words, tables = found(table)
    check_equal(tables['splits'], report.checks)
    assert_array_equal(tables['splits']['finding'], report.checks['finding'])
    text = ' '.join(words)
    for start in ('6 of ', '1 rows have no pixel', 'the split cannot be derived again'):
        assert start in text
    assert 'objects of one set that was not trained on lie within 1 arcsec of one' in text
    assert tables['leakage']['n_same'][0] == 6
    done = run('split', 'verify', tmp_path / 'scores.parquet', '-o', tmp_path / 'rows.ecsv')
    assert said(done.stdout) == [(row['state'], row['check'], row['finding'])
                                 for row in tables['splits']]
    rows = read_table(tmp_path / 'rows.ecsv')
    pairs = rows[rows['other_row'] >= 0]
    assert_array_equal(np.sort(pairs['object_id']), np.sort(tables['split_pairs']['object_id']))


def test_the_check_alone_and_in_an_audit_agree(split, tmp_path):
    table = spoiled(split)
    write_whole(table, tmp_path / 'scores.parquet')
    done = run('check', 'leakage', tmp_path / 'scores.parquet', '-o', tmp_path / 'out')
    assert done.exit_code == 1
    alone, result = read_table(tmp_path / 'out' / 'splits.ecsv'), audit(table, **QUICK)
    check_equal(result.tables['splits'], alone)
    _, tables = found(table)
    for name in ('leakage', 'split_pairs'):
        assert_array_equal(result.tables[name], tables[name])


def test_objects_that_were_left_out_count_as_trained(split):
    table = spoiled(split)
    table['in_training'] = np.where(table['split'] == 'train', 'yes', 'no')
    _, whole = found(table)
    _, rest = found(table, exclude_training=True)
    for name in ('shared pixel, val', 'same object as training, test', 'pair across splits'):
        row, other = (item['splits'][item['splits']['check'] == name][0] for item in (whole, rest))
        assert (row['n'], row['n_checked']) == (other['n'], other['n_checked'])
    assert_array_equal(whole['leakage'], rest['leakage'])


def test_what_the_finder_was_trained_on_counts_before_a_split_of_another(split):
    table = split.copy()
    table['in_training'] = np.where(np.arange(len(table)) < 700, 'yes', 'unknown')
    _, tables = found(table)
    assert 'shared pixel, unknown' in tables['splits']['check']
    assert 'hash' not in tables['splits']['check']
    table['in_training'] = 'no'
    assert found(table)[1] == {}


def test_rows_of_another_table_are_in_no_set(split):
    table = split['object_id', 'ra', 'dec', 'label', 'split', 'p_resnet']
    other = make_table(300, seed=8)['object_id', 'ra', 'dec', 'label', 'p_resnet']
    other['object_id'] = np.char.add('other-', np.arange(len(other)).astype(str))
    lenses, negatives = other[other['label'] == 1], table[table['label'] == 0]
    words, tables = found(lenses, negatives=negatives)
    row = tables['splits'][tables['splits']['check'] == 'no split'][0]
    assert (row['n'], row['state']) == (len(lenses), 'failed') and not words
    chance = [report['finding'][-1] for report in (tables['splits'],
                                                   verify_splits(negatives).checks)]
    assert chance[0] == chance[1]


def test_a_frozen_set_must_not_be_trained_on_or_changed(split, tmp_path):
    write_frozen(freeze(split), tmp_path / 'frozen.ecsv')
    assert not found(split, frozen=tmp_path / 'frozen.ecsv')[0]
    table = split.copy()
    rows = np.flatnonzero(table['split'] == 'test')[:4]
    table['split'][rows] = 'train'
    words = ' '.join(found(table, frozen=tmp_path / 'frozen.ecsv')[0])
    assert 'training objects are in the frozen evaluation set, or within a cutout' in words
    assert 'no longer what it was: 4 objects are missing' in words
    write_whole(table, tmp_path / 'scores.parquet')
    done = run('split', 'verify', tmp_path / 'scores.parquet', '--frozen',
               tmp_path / 'frozen.ecsv')
    assert 'failed  frozen set, trained on: 4 of ' in done.stdout
    done = run('check', 'leakage', tmp_path / 'scores.parquet', '--frozen',
               tmp_path / 'frozen.ecsv')
    assert done.exit_code == 1 and '4 of ' in done.stdout
    with pytest.raises(TableError, match='the sample is not the frozen evaluation set'):
        audit(table, frozen=tmp_path / 'frozen.ecsv', **QUICK)


def test_published_scores_leak_as_the_verification_says(real_data, tmp_path):
    path = real_data / 'scores' / 'base_model_scores_train_val.parquet'
    printed = said(run('split', 'verify', path).stdout)
    done = run('check', 'leakage', path, '--in-training', 'split', '-o', tmp_path / 'out')
    assert done.exit_code == 1
    table = read_table(tmp_path / 'out' / 'splits.ecsv')
    assert printed == [(row['state'], row['check'], row['finding']) for row in table]
    words = ' '.join(str(text) for text in read_table(tmp_path / 'out' / 'findings.ecsv')[
        'finding'])
    assert '134 of 1168 val objects (11.5%) share an nside-128 pixel with training ones' in words
    assert 'would have 11.2% of its held-out objects in pixels of training ones' in words
    assert read_table(tmp_path / 'out' / 'leakage.ecsv')['n_in_pixel'].sum() == 134
    result = audit(path, columns={'in_training': 'split'}, exclude_training=True, **QUICK)
    row = result.tables['splits'][result.tables['splits']['check'] == 'shared pixel, val'][0]
    assert (row['n'], row['n_checked']) == (134, 1168)
