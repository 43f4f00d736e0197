# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.contaminant_sets import mark_contaminants, merge_contaminants
from lensfinder_audit.contaminants import (hard_negatives, listed_contaminants, star_artefacts,
                                           star_mask_radius, vote_contaminants)
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.manifest_build import build_manifest
from lensfinder_audit.sources.galaxy_zoo import GalaxyZooDecals
from lensfinder_audit.sources.sweeps import write_mock_sweeps
from lensfinder_audit.testing import check_source
from lensfinder_audit.tests.test_manifest_build import lenses, others
from lensfinder_audit.vote_rules import load_vote_rules, place_by_name, vote_classes

FEATURED = 'smooth-or-featured_featured-or-disk_fraction'


def votes(**columns):
    n = len(next(iter(columns.values())))
    return QTable({'iauname': [f'J{i:02d}0000.00+000000.0' for i in range(n)], **columns})


# Votes

RULES = load_vote_rules()


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_spiral_is_what_the_file_says(featured, face_on, arms):
    table = votes(**{FEATURED: [featured], 'disk-edge-on_no_fraction': [face_on],
                     'has-spiral-arms_yes_fraction': [arms]})
    first, _, _ = vote_classes(table, RULES)
    assert (first[0] == 'spiral') == (featured >= 0.43 and face_on >= 0.715 and arms >= 0.619)


def test_the_first_class_names_a_galaxy_and_all_are_kept():
    table = votes(**{'merging_merger_fraction': [0.6, 0.5, np.nan], 'ring': [1, 1, 0]})
    first, every, unused = vote_classes(table, load_vote_rules())
    assert first.tolist() == ['merger', 'ring', ''] and every[0] == 'merger; ring'
    assert [line.partition(':')[0] for line in unused] == ['merger', 'spiral', 'spiral']


def test_columns_are_found_under_the_names_that_services_give_them():
    table = QTable({'_RAJ2000': [1.0], '_DEJ2000': [2.0], 'Merging_Merger_Fraction': [0.9]})
    found = vote_contaminants(table, load_vote_rules(), reference='x')
    assert found['confuser_class'].tolist() == ['merger'] and found['ra'][0] == 1 * u.deg


def test_few_votes_make_no_class():
    table = votes(**{'merging_merger_fraction': [1.0, 1.0],
                     'smooth-or-featured_total-votes': [4, 5]})
    assert vote_classes(table, load_vote_rules())[0].tolist() == ['', 'merger']


def test_a_users_rules_are_used(tmp_path):
    (tmp_path / 'mine.yaml').write_text('names: {bar: [bar_strong_fraction]}\n'
                                        'classes: {barred: [{bar: {min: 0.9}}]}\n')
    first = vote_classes(votes(bar_strong_fraction=[0.95, 0.5]),
                         load_vote_rules(tmp_path / 'mine.yaml'))[0]
    assert first.tolist() == ['barred', '']


@pytest.mark.parametrize(('text', 'words'), [
    ('clases: {}', "unknown key 'clases'. Did you mean 'classes'?"),
    ('least_votes: x\nclasses: {a: [{b: {min: 1}}]}', "least_votes must be a number of volunteers"),
    ('classes: {a: {b: 1}}', 'classes: a: must be a list of tests'),
    ('classes: {a: [{b: {mni: 1}}]}', "unknown key 'mni'. Did you mean 'min'?"),
    ('names: {}', 'classes must hold lists of tests'),
    ('names: [a]\nclasses: {a: [{b: {min: 1}}]}', 'names must be lists of columns')])
def test_faults_of_vote_rules_are_named(tmp_path, text, words):
    (tmp_path / 'r.yaml').write_text(text)
    with pytest.raises(ConfigError, match='r.yaml: ') as error:
        load_vote_rules(tmp_path / 'r.yaml')
    assert words in str(error.value)


def test_counts_and_other_tables_are_refused():
    with pytest.raises(TableError, match="'ring' holds 7; votes are fractions"):
        vote_classes(votes(ring=[7.0]), load_vote_rules())
    with pytest.raises(TableError, match='has none of the columns that the rules .galaxy_zoo. '):
        vote_classes(votes(flux=[7.0]), load_vote_rules())
    with pytest.raises(TableError, match='neither ra and dec, nor names such as'):
        place_by_name(QTable({'id': ['x'], 'ring': [1.0]}))


def test_names_give_positions():
    found = place_by_name(QTable({'id_str': ['J001655.18-002739.1', 'nothing']}))
    assert_allclose(found['ra'].value, [4.229917, np.nan], atol=1e-6)
    assert_allclose(found['dec'].value, [-0.460861, np.nan], atol=1e-6)


def test_rings_of_a_published_list(real_data):
    path = real_data / 'confusers' / 'zoobot_gzdecals_ring_470.csv'
    source = GalaxyZooDecals(path=path)
    check_source(source)
    table = source()
    assert (table['confuser_class'] == 'ring').sum() == 235
    spirals = np.char.find(table['confuser_classes'].astype(str), 'spiral') >= 0
    raw = read_table(path)
    assert spirals.sum() == ((raw[FEATURED] >= 0.43) & (raw['disk-edge-on_no_fraction'] >= 0.715)
                             & (raw['has-spiral-arms_no_fraction'] <= 0.381)).sum()


# Other sets

def test_artefacts_of_a_list_keep_their_categories(real_data):
    table = read_table(real_data / 'confusers' / 'artifact_contaminants.csv')
    found = listed_contaminants(table, reference='a list')
    words, counts = np.unique(found['confuser_class'], return_counts=True)
    assert dict(zip(words.tolist(), counts.tolist(), strict=True)) == {
        'ghost': 22, 'satellite': 5, 'spike': 50}


def test_the_mask_of_a_star_grows_with_its_light():
    stars = QTable({'ra': [10.0, 20.0, 30.0], 'dec': [0.0, 0.0, 0.0], 'g': [6.0, 12.0, 14.0]})
    step = star_mask_radius([6.0, 12.0]).to_value(u.deg)
    objects = QTable({'ra': [10 + 0.99 * step[0], 10 + 1.01 * step[0], 20 + 0.99 * step[1],
                             20 + 1.01 * step[1], 30.0001], 'dec': [0.0] * 5,
                      'object_id': list('abcde')})
    found = star_artefacts(objects, stars, magnitude='g')
    assert found['name'].tolist() == ['a', 'c'] and set(found['confuser_class']) == {'bright star'}
    assert_allclose(float(found['confuser_reason'][0].split()[0]), 0.99 * step[0] * 3600, atol=0.1)
    with pytest.raises(TableError, match="no column 'mag'"):
        star_artefacts(objects, stars, magnitude='mag')


def test_hard_negatives_are_high_scores_that_are_no_lens():
    scores = QTable({'object_id': list('abcd'), 'ra': [1., 2, 3, 4], 'dec': [0.] * 4,
                     'label': [1, 0, 0, 0], 'p_old': [0.99, 0.4, 0.41, 0.9]})
    found = hard_negatives(scores, threshold=0.4)
    assert found['name'].tolist() == ['d', 'c'] and found['earlier_score'].tolist() == [0.9, 0.41]
    assert found['confuser_reason'][0] == 'p_old 0.9 above 0.4'
    with pytest.raises(ConfigError, match='must be a number, not nan'):
        hard_negatives(scores, threshold=np.nan)


def contaminant(name, ra, word='ring', dec=0.0):
    return listed_contaminants(QTable({'name': [name], 'ra': [ra], 'dec': [dec],
                                       'category': [word]}), reference='test')


def test_an_object_of_two_sets_has_the_class_of_the_first_and_lenses_go():
    found = merge_contaminants({'one': contaminant('a', 10.0), 'two': contaminant(
        'b', 10.0 + 1 / 3600, 'spiral'), 'three': contaminant('c', 20.0, 'merger'), 'four':
        contaminant('d', 30.0)}, known=([30.002], [0.0]))
    assert found['name'].tolist() == ['a', 'c']
    assert found['contaminant_set'].tolist() == ['one', 'three']
    assert found.meta['sets']['two'] == {'n': 0, 'n_near_lens': 0, 'n_again': 1}
    assert found.meta['sets']['four']['n_near_lens'] == 1
    with pytest.raises(TableError, match='no contaminant is left'):
        merge_contaminants({'one': contaminant('d', 30.0)}, known=([30.0], [0.0]))


# Into the manifest

def test_negatives_get_the_class_and_the_rest_becomes_rows_of_weight_one():
    negatives = others(20)
    negatives['confuser_class'] = ['edge-on'] * 20
    place = negatives['ra'][3].value, negatives['dec'][3].value
    table = merge_contaminants({'one': contaminant('a', place[0], dec=place[1]), 'two':
                                contaminant('b', 200.0, 'spike')})
    marked, rest = mark_contaminants(negatives, table)
    assert marked['confuser_class'][2:5].tolist() == ['edge-on', 'ring', 'edge-on']
    assert marked['contaminant_set'][2:5].tolist() == ['', 'one', '']
    assert rest['object_id'].tolist() == ['b'] and rest['weight'].tolist() == [1.0]
    lens = lenses()
    at_lens = contaminant('c', lens['ra'][0].value, dec=lens['dec'][0].value)
    manifest, gone = build_manifest(lens, negatives, contaminants=merge_contaminants(
        {'one': table, 'two': at_lens}))
    rows = manifest[manifest['kind'] == 'contaminant']
    assert rows['object_id'].tolist() == ['b'] and rows['stratum'][0] == 'contaminant: spike'
    assert not rows['label'].any() and rows['split'][0] in ('train', 'val', 'test')
    assert gone['object_id'].tolist()[-1] == 'c' and 'place of a lens' in gone['reason'][-1]
    assert manifest['weight'][~manifest['label']].sum() == 20 * 20 + 1


def test_contaminants_of_one_catalogue_object_are_one_row():
    table = merge_contaminants({'one': contaminant('a', 10.0), 'two': contaminant(
        'b', 10.0 + 2 / 3600), 'three': contaminant('c', 150.0, 'spiral')})
    for name, values in (('release', [9010, 9010, 9012]), ('brickid', [5, 5, 7]),
                         ('objid', [1, 1, 1])):
        table[name] = np.array(values, dtype=float)
    marked, rest = mark_contaminants(others(20), table)
    assert rest['object_id'].tolist() == ['9010_5_1']
    assert marked['confuser_class'][7] == 'spiral'  # its key, though not its place


def test_commands(tmp_path):
    paths = write_mock_sweeps(tmp_path / 'sweeps', n_files=1, n_rows=1500, first=300,
                              suffix='.parquet')
    done = run('negatives', 'pool', *paths, '-o', tmp_path / 'pool', '--rules', 'artefacts',
               '--workers', 1)
    assert done.exit_code == 0, done.stderr
    done = run('negatives', 'sample', tmp_path / 'pool', '-o', tmp_path / 'bad', '--per-stratum',
               30, '--workers', 1)
    assert done.exit_code == 0, done.stderr
    masked = read_table(tmp_path / 'bad' / 'negatives.parquet')
    write_whole(votes(ring=[1.0, 0.0]), tmp_path / 'votes.csv')
    args = ('negatives', 'contaminants', '-o', tmp_path / 'c.parquet')
    done = run(*args, '--votes', tmp_path / 'votes.csv', '--listed',
               tmp_path / 'bad' / 'negatives.parquet', '--match', tmp_path / 'sweeps')
    assert done.exit_code == 0, done.stderr
    assert 'Votes, left out: spiral: no column for featured' in done.stderr
    table = read_table(tmp_path / 'c.parquet')
    assert len(table) == len(masked) + 1 and set(table['contaminant_set']) == {
        'votes', 'negatives'}
    assert {'bright star', 'masked pixels', 'ring'} <= set(table['confuser_class'])
    assert (table['match'][1:] == 'matched').all()
    write_whole(lenses(), tmp_path / 'p.parquet')
    write_whole(others(), tmp_path / 'n.parquet')
    build = ('manifest', 'build', '--positives', tmp_path / 'p.parquet', '--negatives',
             tmp_path / 'n.parquet', '--contaminants', tmp_path / 'c.parquet', '-o',
             tmp_path / 'm.parquet')
    done = run(*build, '--dry-run')
    assert done.exit_code == 0 and not (tmp_path / 'm.parquet').exists(), done.stderr
    assert done.stdout.endswith('nothing was written\n')
    assert run(*build).exit_code == 0
    manifest = read_table(tmp_path / 'm.parquet')
    rows = manifest[manifest['kind'] == 'contaminant']
    assert set(rows['object_id'][1:]) == set(masked['object_id'])
    assert np.isfinite(rows['psfsize_r'][1:]).all()
    assert 'give at least one of --votes' in refusal(tmp_path, *args[:-1], tmp_path / 'd.ecsv')
    assert '--objects and --stars are given together' in refusal(
        tmp_path, *args[:-1], tmp_path / 'd.ecsv', '--stars', tmp_path / 'votes.csv')
