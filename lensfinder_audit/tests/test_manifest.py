# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_array_equal

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import OutputExistsError, TableError
from lensfinder_audit.manifest import (check_cutouts, cutout_keys, cutout_problems, read_manifest,
                                       write_manifest)


@pytest.fixture
def store(tmp_path):
    flux = np.random.default_rng(0).normal(size=(3, 1, 5, 5))
    with CutoutWriter(tmp_path / 'store', bands='r', pixel_scale=0.262 * u.arcsec,
                      shape=(5, 5)) as writer:
        writer.add(['a', 'b', 'c'], flux)
    return CutoutStore(tmp_path / 'store')


def manifest(**columns):
    return QTable({'object_id': ['a', 'b', 'c'], 'label': [1, 0, 0], 'ra': [1.0, 2, 3] * u.deg,
                   'dec': [0.0, 0, 0] * u.deg, 'ebv': [0.1, 0.2, 0.3], **columns})


def test_a_manifest_keeps_units_conditions_and_provenance(tmp_path):
    table = manifest(psfsize_r=[1.1, 1.2, 1.3] * u.arcsec, split=['train', 'val', ''])
    table.meta['seed'] = 42
    write_manifest(table, tmp_path / 'm.parquet')
    found = read_manifest(tmp_path / 'm.parquet')
    assert_array_equal(found['psfsize_r'], table['psfsize_r'])
    assert (found['ebv'].unit, found['label'].dtype.kind) == (u.mag, 'b')
    assert (found.meta['schema'], found.meta['seed']) == ('manifest', 42)
    with pytest.raises(OutputExistsError, match='is there already'):
        write_manifest(table, tmp_path / 'm.parquet')


@pytest.mark.parametrize(('columns', 'words'), [
    ({'object_id': ['a', '', ' ']}, '2 of 3 object_id are empty, the first is row 1'),
    ({'object_id': ['a', 'b', 'b']}, "1 object_id occur more than once, the first is 'b'"),
    ({'split': ['train', 'val', 'tests']}, r"holds \['tests'\]; allowed are"),
    ({'dec': [0.0, 0, 91]}, 'the first is row 2 with 91'),
])
def test_what_breaks_a_manifest_is_named(tmp_path, columns, words):
    with pytest.raises(TableError, match=words):
        write_manifest(manifest(**columns), tmp_path / 'm.parquet')
    assert not (tmp_path / 'm.parquet').exists()


def test_a_table_without_keys_is_refused(tmp_path):
    (tmp_path / 'm.csv').write_text('objct_id,label\na,1\n')
    with pytest.raises(TableError, match="no column 'object_id'. Did you mean 'objct_id'?"):
        read_manifest(tmp_path / 'm.csv')


def test_the_cutout_of_an_object_may_have_another_key():
    assert_array_equal(cutout_keys(manifest(cutout=['', 'x', ''])), ['a', 'x', 'c'])
    assert_array_equal(cutout_keys(manifest()), ['a', 'b', 'c'])


def test_rows_without_their_cutout_are_named(store):
    sums = np.asarray(store.index()['sha256'])
    check_cutouts(manifest(sha256=[sums[0], '', sums[2]]), store)
    table = manifest(cutout=['', 'x', 'y'], sha256=[sums[1], '', ''])
    problems = cutout_problems(table, store)
    assert_array_equal(problems['object_id'], ['a', 'b', 'c'])
    assert 'other pixels than the manifest says' in problems['problem'][0]
    with pytest.raises(TableError, match="3 of 3 rows of the manifest do not find their cutout, "
                                         "the first is row 0, 'a': the store has other pixels"):
        check_cutouts(table, store)
    with pytest.raises(TableError, match="2 of 3 rows .* row 1, 'b': the store has no cutout 'x'"):
        check_cutouts(table[['object_id', 'cutout']], store)
