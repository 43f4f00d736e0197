# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tests of the mock survey: the stated distributions, rows that stand alone, errors."""
import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from pyarrow import parquet

import lensfinder_audit
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.sources import _mock_draws
from lensfinder_audit.sources.mock_survey import FAMILIES, NATURAL_FRACTIONS, MockSurvey
from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
from lensfinder_audit.testing import check_source

EQUAL = dict.fromkeys(FAMILIES, 0.1)


@pytest.fixture(scope='module')
def table():
    return MockSurvey(n_galaxies=40000, seed=1)()


@pytest.fixture(scope='module')
def families():
    return MockSurvey(n_galaxies=10000, seed=2, fractions=EQUAL)()


def r_magnitude(table):
    return 22.5 - 2.5 * np.log10(table['flux_r'].to_value(u.nmgy))


def colour(table, blue, red):
    return -2.5 * np.log10((table[f'flux_{blue}'] / table[f'flux_{red}']).to_value(''))


def test_conforms():
    check_source(MockSurvey(n_galaxies=200))


def test_plugin_is_registered():
    assert load_plugin('sources', 'mock_survey') is MockSurvey


def test_every_row_is_marked_as_simulated_and_none_is_a_lens(table):
    assert table.meta['simulated'] is True
    assert set(table['discovery_method']) == {'simulated'}
    assert not table['is_lens'].any()


@pytest.mark.parametrize('band, depth', [('g', 24.7), ('r', 23.9), ('z', 23.0)])
def test_median_depth_is_the_usual_one(table, band, depth):
    found = LEGACY_DR10.depth_magnitude(table[f'psfdepth_{band}'].value).value
    assert np.median(found) == pytest.approx(depth, abs=0.12)
    assert 0.3 < found.std() < 0.7


def test_median_seeing_is_the_usual_one(table):
    assert np.median(table['psfsize_r'].to_value(u.arcsec)) == pytest.approx(1.35, abs=0.05)
    assert (np.median(table['psfsize_z']) < np.median(table['psfsize_r'])
            < np.median(table['psfsize_g']))


def test_conditions_are_those_measured_in_dr10(table, real_data):
    path = real_data / 'survey-conditions' / 'dr10_regions_psf_depth_ebv.csv'
    script = Path(lensfinder_audit.__file__).parents[1] / 'docs' / 'make_mock_conditions.py'
    quantiles, correlation = runpy.run_path(str(script))['measure'](Table.read(path))
    for name, values in quantiles.items():
        np.testing.assert_allclose(_mock_draws.MEASURED[name], values)
    np.testing.assert_allclose(_mock_draws.RANK_CORRELATION, correlation)
    regions = Table.read(path)
    for name, column in (('psfsize_r', 'median_psf_r_arcsec'), ('ebv', 'median_ebv')):
        assert np.median(table[name].value) == pytest.approx(np.median(regions[column]), rel=0.05)


def test_depth_follows_exposures_and_seeing(table):
    depth = np.log(table['psfdepth_r'].value)
    assert np.corrcoef(depth, np.log(table['nobs_r']))[0, 1] > 0.8
    assert -0.6 < np.corrcoef(depth, table['psfsize_r'].value)[0, 1] < -0.2


def test_exposures_are_enough_for_the_pool(table):
    for band, seconds in (('g', 90), ('r', 60), ('z', 100)):
        assert table[f'nobs_{band}'].min() == 3
        np.testing.assert_allclose((table[f'exptime_{band}'] / table[f'nobs_{band}']).value,
                                   seconds)


def test_a_brick_shares_its_conditions_and_no_two_bricks_a_place(table):
    assert len(set(table['brickid'])) == len(table) // 20 == len(set(table['brick']))
    seeing = table['psfsize_r'].value.reshape(-1, 20)
    assert np.median(np.ptp(seeing, axis=1)) < 0.15 < seeing.std(axis=0).min()


def test_positions_spread_over_the_declinations_of_the_pool(table):
    dec = table['dec'].to_value(u.deg)
    assert dec.min() < -17.5 and dec.max() > 31.5 and np.all((dec >= -18) & (dec <= 32))
    quarter = np.histogram(table['ra'].value, bins=[0, 90, 180, 270, 360])[0] / len(table)
    np.testing.assert_allclose(quarter, 0.25, atol=0.02)


def test_magnitudes_rise_like_galaxy_counts(table):
    m = r_magnitude(table[table['confuser_class'] == ''])
    assert 20.48 < m.max() <= 20.5
    rise = np.log10(((m > 19) & (m < 20)).sum() / ((m > 18) & (m < 19)).sum())
    assert rise == pytest.approx(0.42, abs=0.04)


def test_early_types_are_red_and_three_in_five(table):
    plain = table[table['confuser_class'] == '']
    early = plain['morphology'] == 'early'
    assert early.mean() == pytest.approx(0.6, abs=0.01)
    bright = (r_magnitude(plain) < 18.5)
    assert np.median(colour(plain, 'g', 'r')[early & bright]) == pytest.approx(1.15, abs=0.1)
    assert np.median(colour(plain, 'g', 'r')[~early & bright]) == pytest.approx(0.65, abs=0.1)


def test_colours_and_sizes_are_those_of_dr10_galaxies(table, real_data):
    lrg = parquet.read_table(real_data / 'survey-conditions' / 'dr10_lrg_parent_6826.parquet',
                             columns=['TYPE', 'r_mag', 'g_mag', 'r_minus_z']).to_pydict()
    lrg = Table(lrg)
    lrg = lrg[(lrg['TYPE'] == 'DEV') & (np.abs(lrg['r_mag'] - 20.2) < 0.3)]
    mock = table[(table['type'] == 'DEV') & (np.abs(r_magnitude(table) - 20.2) < 0.3)]
    assert np.median(colour(mock, 'g', 'r')) == pytest.approx(
        np.median(lrg['g_mag'] - lrg['r_mag']), abs=0.2)
    assert np.median(colour(mock, 'r', 'z')) == pytest.approx(
        np.median(lrg['r_minus_z']), abs=0.25)


def test_types_have_their_profiles(table):
    assert set(table['sersic'][table['type'] == 'DEV']) == {4.0}
    assert set(table['sersic'][(table['type'] == 'EXP') | (table['type'] == 'REX')]) == {1.0}
    assert not table['shape_e1'][table['type'] == 'REX'].any()


def test_families_have_their_shares(table):
    found = {name: np.mean(table['confuser_class'] == name) for name in FAMILIES}
    assert found == pytest.approx(NATURAL_FRACTIONS, abs=0.002)


def test_families_obey_the_rules_that_find_them(families):
    e = np.hypot(families['shape_e1'], families['shape_e2'])
    g_r, r = colour(families, 'g', 'r'), r_magnitude(families)
    rules = {'ring': (families['type'] == 'DEV') & (families['flux_r'].value >= 5),
             'edge-on': (e >= 0.5) & (families['shape_r'].value >= 0.6),
             'large galaxy': (families['shape_r'].value >= 2) & (families['flux_r'].value >= 3)}
    for family, rule in rules.items():
        assert rule[families['confuser_class'] == family].all(), family
    clumpy = families['confuser_class'] == 'blue clumpy'
    assert np.mean(((g_r <= 0.4) & (r <= 20.5))[clumpy]) > 0.9  # extinction reddens a few


def test_artefacts_fall_on_ordinary_galaxies(families):
    for family in FAMILIES[-4:]:
        chosen = families[families['confuser_class'] == family]
        assert np.mean(chosen['morphology'] == 'early') == pytest.approx(0.6, abs=0.06)
    flagged = set(families['confuser_class'][families['maskbits'] > 0])
    assert flagged == {'star spike', 'bleed trail'}


def test_a_row_depends_on_seed_and_number_only():
    whole = MockSurvey(n_galaxies=60, seed=7, fractions=EQUAL)()
    part = MockSurvey(n_galaxies=23, first_row=31, seed=7, fractions=EQUAL)()
    for name in whole.colnames:
        np.testing.assert_array_equal(part[name], whole[name][31:54], err_msg=name)


def test_another_seed_gives_another_survey():
    one, two = (MockSurvey(n_galaxies=50, seed=seed)() for seed in (1, 2))
    assert not set(one['seed']) & set(two['seed'])
    assert not (one['flux_r'] == two['flux_r']).any()


@pytest.mark.parametrize('options, message', [
    ({'n_galaxies': 0}, 'has rows 0 to'),
    ({'first_row': -1}, 'first_row=-1 is not among them'),
    ({'fractions': {'rings': 0.1}}, "no confuser family 'rings'.*Did you mean 'ring'"),
    ({'fractions': {'ring': 0.7, 'ghost': 0.5}}, 'at most 1 together'),
    ({'fractions': {'ring': -0.1}}, 'positive'),
    ({'early_fraction': 1.5}, 'early_fraction is a share between 0 and 1'),
])
def test_impossible_surveys_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        MockSurvey(**options)
