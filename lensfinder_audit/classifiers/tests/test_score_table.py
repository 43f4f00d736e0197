# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_array_equal

from lensfinder_audit.classifiers.score_table import ScoreTable
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.manifest import write_manifest

N = 30


def published(n=N):
    rng = np.random.default_rng(0)
    return QTable({'name': [f'lens {i}' for i in range(n)], 'ra': rng.uniform(0, 360, n) * u.deg,
                   'dec': rng.uniform(-20, 30, n) * u.deg, 'probability': rng.random(n)})


def manifest():
    table = published()[::-1]
    return QTable({'object_id': table['name'], 'ra': table['ra'] + 0.2 * u.arcsec,
                   'dec': table['dec'], 'label': np.arange(N) % 2 == 0})


@pytest.fixture
def path(tmp_path):
    write_whole(published(), tmp_path / 'published.csv')
    return tmp_path / 'published.csv'


def test_scores_are_joined_by_key_or_position(path):
    expected = published()['probability'][::-1]
    assert_array_equal(ScoreTable(path)(manifest()), expected)
    other = manifest()
    other['object_id'] = np.arange(N).astype(str)
    assert_array_equal(ScoreTable(path, match_radius=1.0)(other), expected)
    assert np.isnan(ScoreTable(path, match_radius=0.01)(other)).all()


def test_unknown_objects_have_no_score(path):
    some = manifest()
    some['object_id'][3] = 'none'
    assert np.flatnonzero(np.isnan(ScoreTable(path)(some))).tolist() == [3]


def test_order_and_company_of_rows_do_not_matter(path):
    finder, objects = ScoreTable(path), manifest()
    rows = np.random.default_rng(1).permutation(N)[:7]
    assert_array_equal(finder(objects[rows]), finder(objects)[rows])


def test_tables_that_are_no_finder_are_explained(tmp_path, path):
    with pytest.raises(InputFileError):
        ScoreTable(tmp_path / 'none.csv')
    with pytest.raises(TableError, match="no column 'probabilty'. Did you mean 'probability'"):
        ScoreTable(path, score='probabilty')
    with pytest.raises(ConfigError, match='must be a positive angle'):
        ScoreTable(path, match_radius=0)
    with pytest.raises(TableError, match="no column 'ra'"):
        ScoreTable(path, match_radius=1)(manifest()['object_id', 'label'])
    twice = published()
    twice['name'][4], twice['p_other'] = 'lens 7', 0.5
    write_whole(twice, tmp_path / 'twice.csv')
    with pytest.raises(TableError, match=r"2 columns that look like a score, \['probability'"):
        ScoreTable(tmp_path / 'twice.csv')
    with pytest.raises(TableError, match="1 ids repeat, the first is 'lens 7'"):
        ScoreTable(tmp_path / 'twice.csv', score='probability')
    twice['logit'] = np.linspace(-3, 3, N)
    write_whole(twice, tmp_path / 'logit.csv')
    with pytest.raises(TableError, match='25 of 30 values are no probability.*row 0 with -3'):
        ScoreTable(tmp_path / 'logit.csv', score='logit', score_kind='probability')


def test_command_scores_a_manifest_without_cutouts(tmp_path, path):
    write_manifest(manifest(), tmp_path / 'manifest.parquet')
    write_whole(published()[2:], tmp_path / 'fewer.csv')
    done = run('score', 'scores', tmp_path / 'manifest.parquet', '--checkpoint',
               tmp_path / 'fewer.csv', '-o', tmp_path / 'scores.parquet')
    assert done.exit_code == 0, done.stderr
    assert '2 of 30 objects are left out, since fewer has no score' in done.stderr
    found = read_table(tmp_path / 'scores.parquet')
    assert_array_equal(found['score'], published()['probability'][:1:-1])
    assert set(found['score_kind']) == {'probability'}


def test_command_says_what_the_finder_needs(tmp_path, path):
    write_manifest(manifest(), tmp_path / 'manifest.parquet')
    assert "cannot be made with the options []" in refusal(
        tmp_path, 'score', 'scores', tmp_path / 'manifest.parquet', '-o', tmp_path / 'x.parquet')
