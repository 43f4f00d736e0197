# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from numpy.testing import assert_allclose

from lensfinder_audit.catalog_build import load_catalog_plan
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.positives import mark_training, match_objects, merge_catalogs
from lensfinder_audit.sources.sweeps import mock_sweep, write_mock_sweeps
from lensfinder_audit.sources.user_catalog import UserCatalog, reference_table
from lensfinder_audit.survey_files import split_file

SLACS = {'reference': 'Bolton et al. (2008) - arXiv:0805.1931', 'grade': 'confident'}
HUANG = {'reference': 'Huang et al. (2020) - arXiv:1906.00970', 'grade': 'probable'}


def listed(constants, **columns):
    return reference_table(QTable(columns), constants=constants)


# Lists

def test_sentinels_are_missing_and_counted():
    found = listed(SLACS, ra=[1., 2, 3], dec=[1., 2, 3], theta_E=[1.2, -1, 0], zd=[0.2, -99, 0],
                   zs=['0.5', '--', 'x'])
    assert_allclose(found['theta_e'].value, [1.2, np.nan, np.nan])
    assert_allclose(found['z_lens'], [0.2, np.nan, 0])
    assert_allclose(found['z_source'], [0.5, np.nan, np.nan])
    assert found.meta['missing'] == {'theta_e': 2, 'z_lens': 1}


def test_the_fuller_of_two_columns_of_one_name_is_taken_and_units_are_converted():
    found = listed(SLACS, ra=[np.nan, 2.], RA=[1., 2.], dec=[1., 2.],
                   theta_e=[1 / 60, 2 / 60] * u.arcmin)
    assert_allclose(found['ra'].value, [1, 2])
    assert_allclose(found['theta_e'].value, [1, 2])


@pytest.mark.parametrize(('constants', 'columns', 'error', 'words'), [
    ({}, {'ra': [1.], 'dec': [1.]}, ConfigError, '1 of 1 rows have no reference'),
    ({'tier': 'A'}, {'ra': [1.], 'dec': [1.]}, ConfigError, 'a tier without its reason'),
    ({'tier': 'C', 'tier_reason': 'x'}, {'ra': [1.], 'dec': [1.]}, TableError, "the tier 'C'"),
    ({'teir': 'A'}, {'ra': [1.], 'dec': [1.]}, ConfigError, "Did you mean 'tier'?"),
    (SLACS, {'ra': [1., np.nan], 'dec': [1., 2]}, TableError, '1 of 2 rows have no position'),
    (SLACS, {'alpha': [1.], 'dec': [1.]}, TableError, "has no column 'ra'"),
    (SLACS, {'ra': [1.], 'dec': [1.], 'theta_e': [1.] * u.kg}, TableError, 'must be in arcsec')])
def test_faults_of_a_list_are_named(constants, columns, error, words):
    with pytest.raises(error) as found:
        listed(constants, **columns)
    assert words in str(found.value)


def test_a_stated_tier_keeps_its_reason(tmp_path):
    (tmp_path / 'mine.cat').write_text('# name RA dec\nx 10.0 2.0\n')
    table = UserCatalog(path=tmp_path / 'mine.cat', constants={
        'tier': 'A', 'tier_reason': 'my spectrum', 'discovery_method': 'visual'})()
    assert (table['tier'][0], table['tier_reason'][0], table['evidence'][0]) == (
        'A', 'my spectrum', 'as stated')
    with pytest.raises(InputFileError, match='there is no such file'):
        UserCatalog(path=tmp_path / 'other.cat')()


# Merging

def test_one_lens_of_two_lists_is_one_row_with_the_best_evidence():
    first = listed(HUANG, name=['h1', 'h2'], ra=[359.9999, 50.], dec=[0., 5.], zlens=[0.3, 0.4])
    second = listed(SLACS, name=['s1'], ra=[0.0001], dec=[0.], theta_e=[1.1], zlens=[0.31])
    merged = merge_catalogs({'huang': first, 'slacs': second})
    assert merged['name'].tolist() == ['h1', 'h2'] and merged['n_merged'].tolist() == [2, 1]
    row = merged[0]
    assert (row['tier'], row['grade'], row['discovery_method']) == ('A', 'probable',
                                                                    'spectroscopic')
    assert row['tier_reason'].startswith('Bolton et al. 2008')
    assert row['grades'] == 'probable (huang) | confident (slacs)'
    assert (row['theta_e'], row['theta_e_list']) == (1.1 * u.arcsec, 'slacs')
    assert (row['z_lens'], row['z_lens_list']) == (0.3, 'huang')
    assert row['arc_visible'] == 'yes' and row['arc_visible_reason'].startswith('Huang')
    assert merged['tier'][1] == 'B' and merged.meta['lists']['slacs'] == {'missing': {}}


def test_merging_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 0.01, 60), rng.uniform(0, 0.01, 60)
    sizes = []
    for order in (np.arange(60), rng.permutation(60)):
        table = listed(HUANG, ra=ra[order], dec=dec[order])
        sizes.append(sorted(merge_catalogs({'a': table})['n_merged'].tolist()))
    assert sizes[0] == sizes[1] and sum(sizes[0]) == 60 and max(sizes[0]) > 1


def test_training_sets_are_marked():
    merged = merge_catalogs({'a': listed(HUANG, ra=[1., 2.], dec=[1., 2.])})
    assert mark_training(merged, [1.0001], [1.]) == 1
    assert merged['in_training'].tolist() == ['yes', 'no']


def test_lenses_are_matched_to_objects_and_those_outside_are_listed(tmp_path):
    files = write_mock_sweeps(tmp_path, n_files=2, n_rows=2000, first=300, suffix='.parquet')
    rows = mock_sweep(301, 2000)
    lens = rows[5]
    away = mock_sweep(300, 2000)[3]
    table = merge_catalogs({'a': listed(HUANG, ra=[lens['RA'], away['RA'], 200.],
                                        dec=[lens['DEC'] + 0.5 / 3600, away['DEC'] + 20 / 3600,
                                             -60.])})
    pieces = [piece for path in files for piece in split_file(path, rows=700)]
    found = match_objects(table, pieces, engine=LocalEngine(workers=1))
    assert found['match'].tolist() == ['matched', 'no object', 'outside']
    assert_allclose(found['separation'][0].value, 0.5, atol=1e-4)
    assert (found['brickid'][0], found['objid'][0]) == (lens['BRICKID'], lens['OBJID'])
    assert_allclose(found['psfsize_r'][0].value, lens['PSFSIZE_R'], rtol=1e-6)
    assert np.isnan(found['psfsize_r'][1]) and found['n_within'].tolist() == [1, 0, 0]


# A user's path

def test_command_and_its_faults(tmp_path):
    files = write_mock_sweeps(tmp_path / 'sweeps', n_files=1, n_rows=300, first=300,
                              suffix='.parquet')
    rows = Table(mock_sweep(300, 300))['RA', 'DEC'][:4]
    rows.write(tmp_path / 'lenses.csv')
    (tmp_path / 'plan.yaml').write_text(f'''
sources: [{{file: lenses.csv, constants: {{reference: "{HUANG["reference"]}"}}}}]
training: [lenses.csv]
''')
    done = run('catalog', 'build', tmp_path / 'plan.yaml', '-o', tmp_path / 'out', '--objects',
               files[0])
    assert done.exit_code == 0, done.stderr
    assert '4 objects from 4 rows' in done.stdout and 'matched: 4' in done.stdout
    found = read_table(tmp_path / 'out' / 'positives.parquet')
    assert set(found['in_training']) == {'yes'} and found['theta_e'].unit == u.arcsec
    assert len(read_table(tmp_path / 'out' / 'unmatched.ecsv')) == 0
    (tmp_path / 'bad.yaml').write_text('sources: [{fil: x}]')
    assert 'needs either "source:"' in refusal(tmp_path, 'catalog', 'build', tmp_path / 'bad.yaml',
                                               '-o', tmp_path / 'x')


@pytest.mark.parametrize(('text', 'words'), [
    ('sources: [{file: a.csv, colums: {}}]', "unknown key 'colums'. Did you mean 'columns'?"),
    ('sources: [{file: a.csv}, {file: a.fits}]', "two sources are called 'a'"),
    ('merge_radius: 0\nsources: []', 'between 0 and 60 arcsec'),
    ('- 1', 'must hold "sources:"'), ('sources: [', 'is not YAML at line 1')])
def test_faults_of_a_plan_are_named(tmp_path, text, words):
    (tmp_path / 'plan.yaml').write_text(text)
    with pytest.raises(ConfigError) as error:
        load_catalog_plan(tmp_path / 'plan.yaml')
    assert words in str(error.value)


def test_published_candidates_and_slacs(real_data, tmp_path):
    folder = real_data / 'lens-catalogs'
    auger = 'constants: {reference: "Auger et al. (2009) - arXiv:0911.2471", grade: confident}'
    (tmp_path / 'plan.yaml').write_text(f'''
sources:
  - {{file: {folder / 'desi_candidates.csv'}, name: candidates}}
  - {{file: {folder / 'sonnenfeld_SLACS_table.cat'}, name: slacs, {auger}}}
  - {{file: {folder / 'tdcosmo_slacs_all_params.csv'}, name: tdcosmo, {auger}}}
training: [{folder / 'stein2021_training_lenses.tsv'}]
''')
    done = run('catalog', 'build', tmp_path / 'plan.yaml', '-o', tmp_path / 'out')
    assert 'tdcosmo: 3 theta_e taken as missing' in done.stdout
    table = read_table(tmp_path / 'out' / 'positives.parquet')
    candidates = table[np.char.find(table['lists'].astype(str), 'candidates') >= 0]
    grades = candidates['grade'].tolist()
    assert (len(candidates), grades.count('confident'), grades.count('probable')) == (
        5104, 435, 4669)
    slacs = table[np.char.find(table['lists'].astype(str), 'slacs') >= 0]
    assert len(slacs) == 59 and (slacs['tier'] == 'A').all()
    assert np.isfinite(slacs['theta_e']).all()
    assert (table['theta_e'][np.isfinite(table['theta_e'])] > 0).all()
    assert (table['tier_reason'] != '').all() and (table['arc_visible_reason'] != '').all()
