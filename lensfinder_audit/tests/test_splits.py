# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import hashlib

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.sky_index import SkyIndex, nearest_of_others
from lensfinder_audit.split_check import random_overlap, verify_splits
from lensfinder_audit.splits import assign_splits, expected_splits, pixel_fractions, sky_pixels


def sample(n=400, seed=0, **columns):
    rng = np.random.default_rng(seed)
    table = QTable({'object_id': [f'o{i}' for i in range(n)], 'ra': rng.uniform(0, 360, n),
                    'dec': np.degrees(np.arcsin(rng.uniform(-0.9, 0.9, n))),
                    'label': np.arange(n) % 4 == 0, **columns})
    return assign_splits(table)


def states(report):
    return dict(zip(report.checks['check'].tolist(), report.checks['state'].tolist(), strict=True))


def finding(report, check):
    return str(report.checks['finding'][report.checks['check'] == check][0])


@given(st.integers(0, 12 * 128**2 - 1), st.integers(0, 1000))
def test_fraction_is_the_published_hash(pixel, seed):
    digest = hashlib.sha256(f'{pixel}_{seed}'.encode()).digest()
    assert pixel_fractions([pixel], seed=seed)[0] == int.from_bytes(digest[:4], 'big') / 2**32


def test_schemes_agree_and_have_their_fractions():
    pixels = np.arange(12 * 128**2)
    three, two = expected_splits(pixels), expected_splits(pixels, scheme='70/30')
    assert_array_equal(np.where(three == 'test', 'val', three), two)
    for name, fraction in (('train', 0.70), ('val', 0.15), ('test', 0.15)):
        assert np.mean(three == name) == pytest.approx(fraction, abs=0.004)


@pytest.mark.parametrize('ra, dec', [(0, 0), (359.99999, -41), (77, 90), (13, -90), (0, 89.9995)])
@pytest.mark.parametrize('radius', [2, 300])
def test_sky_index_is_astropy_everywhere(ra, dec, radius):
    rng, place = np.random.default_rng(1), SkyCoord(ra, dec, unit='deg')
    near, far = (place.directional_offset_by(rng.uniform(0, 360, n) * u.deg,
                                             rng.uniform(0, 2 * radius, n) * u.arcsec)
                 for n in (30, 200))
    found = SkyIndex(near.ra.deg, near.dec.deg, radius=radius * u.arcsec).match(
        far.ra.deg, far.dec.deg)
    index, angle, _ = far.match_to_catalog_sky(near)
    inside = angle.arcsec <= radius
    assert inside.any() and not inside.all()
    assert_array_equal(found.index, np.where(inside, index, -1))
    assert_allclose(found.separation[inside].value, angle[inside].arcsec, atol=1e-6)


def test_sky_index_passes_over_missing_positions_and_refuses_a_wild_radius():
    index = SkyIndex([np.nan, 5], [0, 5], radius=1 * u.arcsec)
    assert_array_equal(index.match([np.nan, 5, -355], [0, 5, 5]).index, [-1, 1, 1])
    with pytest.raises(ConfigError, match='between 0 and 1 degree; it is 2.0 deg'):
        SkyIndex([1], [1], radius=2 * u.deg)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_pairs_across_groups_are_those_of_a_full_comparison(seed):
    rng = np.random.default_rng(seed)
    ra, dec, group = rng.uniform(0, 0.05, 60), rng.uniform(-0.02, 0.02, 60), rng.integers(0, 3, 60)
    place = SkyCoord(ra, dec, unit='deg')
    angle = place[:, None].separation(place[None]).arcsec
    angle[group[:, None] == group] = np.inf
    found = nearest_of_others(ra, dec, group, radius=20 * u.arcsec)
    assert_array_equal(found.index, np.where(angle.min(axis=1) <= 20, angle.argmin(axis=1), -1))


def test_an_assigned_split_passes_unless_neighbours_straddle_an_edge():
    report = verify_splits(sample())
    assert report.passed, report.checks
    assert states(report)['random split'] == 'note'


def test_each_fault_is_found_with_its_rows():
    table = sample()
    table['healpix'] = table['healpix'].astype(float)
    table['healpix'][3] = np.nan
    table['healpix'][5] += 1
    table['object_id'][7] = 'o6'
    table['ra'][9] = table['ra'][8] + 1e-5
    table['dec'][9] = table['dec'][8]
    table['split'][11] = 'valid'
    report = verify_splits(table)
    rows = {check: report.rows['row'][report.rows['check'] == check].tolist()
            for check in set(report.rows['check'])}
    assert rows['missing pixel'] == [3] and rows['duplicate key'] == [6, 7]
    assert 5 in rows['stale pixel'] and rows['same object'] == [8, 9]
    assert rows['split name'] == [11]
    pair = report.rows[report.rows['check'] == 'same object'][0]
    assert (pair['other_id'], pair['separation'] < 0.04 * u.arcsec) == ('o9', True)


def test_neighbours_in_two_splits_are_a_pair_and_negatives_of_a_lens_pixel_are_named():
    table = sample(40)
    two = QTable({'object_id': ['a', 'b'], 'ra': [50., 50.005], 'dec': [1., 1.],
                  'label': [True, False]})
    two = assign_splits(two)
    two['split'] = ['val', 'train']
    found = verify_splits(assign_like(table, two))
    assert states(found)['pair across splits'] == 'failed'
    named = found.rows[found.rows['check'] == 'negative in held-out lens pixel']
    assert named['object_id'].tolist() == ['b']
    assert finding(found, 'shared pixel, val').startswith('1 of ')


def assign_like(*tables):
    from astropy.table import vstack
    return vstack(list(tables), metadata_conflicts='silent')


def test_a_random_split_overlaps_as_expected():
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 400, 3000)
    shares = []
    for _ in range(40):
        train = rng.random(3000) < 0.7
        shares.append(np.isin(pixels[~train], pixels[train]).mean())
    assert np.mean(shares) == pytest.approx(random_overlap(pixels, 0.7), abs=0.002)
    assert random_overlap([], 0.7) == 0


def test_what_cannot_be_split_is_refused():
    with pytest.raises(TableError, match='1 of 2 rows have no position, the first is row 1'):
        assign_splits(QTable({'ra': [1., np.nan], 'dec': [1., 2.]}))
    with pytest.raises(ConfigError, match="no split scheme '70/20'"):
        expected_splits([1], scheme='70/20')
    with pytest.raises(ConfigError, match='a power of two'):
        sky_pixels(QTable({'ra': [1.], 'dec': [1.]}), nside=100)
    with pytest.raises(TableError, match="no column 'split'. Did you mean 'splt'?"):
        verify_splits(QTable({'ra': [1.], 'dec': [1.], 'splt': ['train']}))


def test_commands(tmp_path):
    table = sample(60)['object_id', 'ra', 'dec', 'label']
    write_whole(table, tmp_path / 'in.csv')
    done = run('split', 'assign', tmp_path / 'in.csv', '-o', tmp_path / 'out.parquet')
    assert done.exit_code == 0 and done.stdout.startswith('train ')
    out = read_table(tmp_path / 'out.parquet')
    assert out.meta['split']['seed'] == 42
    assert run('split', 'verify', tmp_path / 'out.parquet').exit_code == 0
    done = run('split', 'verify', tmp_path / 'out.parquet', '--seed', 7, '-o',
               tmp_path / 'bad.ecsv')
    assert done.exit_code == 1 and 'failed  hash: ' in done.stdout
    assert len(read_table(tmp_path / 'bad.ecsv')) > 5
    assert 'no column' in refusal(tmp_path, 'split', 'verify', tmp_path / 'in.csv')


def test_published_scores_share_pixels_between_training_and_validation(real_data):
    table = read_table(real_data / 'scores' / 'base_model_scores_train_val.parquet')
    report = verify_splits(table, scheme='70/30')
    assert finding(report, 'shared pixel, val').startswith('134 of 1168 val objects (11.5%)')
    assert states(report)['hash'] == 'failed'
    assert '77.8% in train' in finding(report, 'random split')
