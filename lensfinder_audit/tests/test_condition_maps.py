# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Conditions over the sky, and the completeness that follows from them."""
import healpy
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.condition_maps import (ConditionMaps, map_conditions, read_condition_maps,
                                             write_condition_maps)
from lensfinder_audit.exceptions import (InputFileError, MeasurementError, OutputExistsError,
                                         TableError)
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.selection_build import measure_selection
from lensfinder_audit.measure.selection_example import example_injections
from lensfinder_audit.measure.selection_sky import selection_map, survey_total

AXES = [Axis('theta_e', (0.5, 1.5, 3.0), unit='arcsec'),
        Axis('psfsize_r', (0.9, 1.2, 1.5, 1.8), unit='arcsec')]


def bricks(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    return QTable({'ra': rng.uniform(0, 60, n) * u.deg, 'dec': rng.uniform(-20, 20, n) * u.deg,
                   'area': np.full(n, 0.0625), 'psfsize_r': rng.uniform(0.95, 2.0, n) * u.arcsec,
                   'type': rng.choice(['north', 'south'], n, p=[0.2, 0.8])})


@pytest.fixture(scope='module')
def maps():
    return map_conditions(bricks(), 32, ['psfsize_r', 'type'], area='area')


@pytest.fixture(scope='module', params=['binned', 'smooth'])
def selection(request):
    return measure_selection(example_injections(3000, n_hosts=100), threshold=0.5, by=AXES,
                             method=request.param)


def test_area_is_kept_and_values_are_area_weighted(maps):
    table = bricks()
    assert_allclose(maps.area.value, 250)
    whole = np.average(table['psfsize_r'].value, weights=table['area'])
    assert_allclose(np.average(maps.table['psfsize_r'].value, weights=maps.table['area'].value),
                    whole)
    assert maps.table['psfsize_r'].unit == u.arcsec and set(maps.table['type']) <= {'north',
                                                                                    'south'}


def test_median_is_the_value_at_half_the_weight():
    table = QTable({'ra': [10.0] * 5, 'dec': [0.0] * 5, 'w': [1e-3, 1e-3, 1e-3, 1e-3, 1e-2],
                    'x': [5.0, 1, 2, 3, 4]})
    found = map_conditions(table, 16, ['x'], area='w', statistic='median')
    assert_array_equal(found.table['x'], [4.0])


def test_zeros_of_places_without_exposures_are_missing():
    table = QTable({'ra': [10.0, 10.0, 80.0], 'dec': [0.0, 0, 0], 'psfsize_r': [0.0, 1.2, 0],
                    'ebv': [0.0, 0.2, 0]})
    found = map_conditions(table, 16, ['psfsize_r', 'ebv']).table
    assert_array_equal(found['psfsize_r'][np.argsort(found['ra'])], [1.2, np.nan])
    assert_array_equal(found['ebv'][np.argsort(found['ra'])], [0.1, 0])
    assert_allclose(found['area'].value, healpy.nside2pixarea(16, degrees=True))


def test_positions_find_their_pixel_and_nothing_beyond(maps):
    ra, dec = healpy.pix2ang(32, maps.table['healpix'], nest=True, lonlat=True)
    found = maps.at(SkyCoord(ra * u.deg, dec * u.deg))
    assert_array_equal(found['psfsize_r'], maps.table['psfsize_r'])
    beyond = maps.at(SkyCoord([200, 210] * u.deg, [0, 80] * u.deg))
    assert np.isnan(beyond['psfsize_r']).all() and list(beyond['type']) == ['', '']
    other = SkyCoord(ra * u.deg, dec * u.deg).galactic
    assert_array_equal(maps.at(other)['type'], maps.table['type'])


def test_maps_are_written_for_anyone_and_read_back(maps, tmp_path):
    path = tmp_path / 'maps.fits'
    write_condition_maps(maps, path)
    back = read_condition_maps(path)
    for name in maps.table.colnames:
        assert_array_equal(back.table[name], maps.table[name])
    assert back.meta == maps.meta and back.nside == 32
    sky = healpy.read_map(path, field=maps.table.colnames.index('psfsize_r') - 1, nest=True)
    assert_allclose(sky[maps.table['healpix']], maps.table['psfsize_r'].value, rtol=1e-6)
    with pytest.raises(OutputExistsError):
        write_condition_maps(maps, path)


@pytest.mark.parametrize('change, match', [
    (lambda data: data[:len(data) // 2], 'maps.fits'),
    (lambda data: b'no file at all', 'maps.fits')])
def test_a_damaged_file_is_refused(maps, tmp_path, change, match):
    path = tmp_path / 'maps.fits'
    write_condition_maps(maps, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputFileError, match=match):
        read_condition_maps(path)


def test_another_table_is_not_taken_for_maps(tmp_path):
    QTable({'x': [1.0]}).write(tmp_path / 'other.fits')
    with pytest.raises(InputFileError, match='holds no condition maps'):
        read_condition_maps(tmp_path / 'other.fits')


@pytest.mark.parametrize('nside, options, match', [
    (256, {'area': 'area'}, 'would leave holes; take nside 128 or less'),
    (48, {'area': 'area'}, 'nside is a power of 2'),
    (32, {'area': 'surface'}, "no column 'surface'"),
    (32, {'density': 0}, 'density is a number'),
    (32, {'statistic': 'medan'}, "Did you mean 'median'"),
])
def test_wrong_requests_are_named(nside, options, match):
    table = bricks(50)
    if nside == 256:
        table['area'] = 0.0625
    with pytest.raises(TableError, match=match):
        map_conditions(table, nside, ['psfsize_r'], **options)


def test_a_pixel_is_one_row():
    with pytest.raises(TableError, match='1 rows repeat a pixel'):
        ConditionMaps(QTable({'healpix': [3, 3], 'area': [1.0, 1]}), 8)
    with pytest.raises(TableError, match='numbered 0 to 767'):
        ConditionMaps(QTable({'healpix': [800], 'area': [1.0]}), 8)


def test_positions_are_asked_like_a_table(maps, selection):
    coords = SkyCoord([10, 30, 200] * u.deg, [0, 5, 0] * u.deg)
    answer = selection.query(coords=coords, conditions=maps, theta_e=2 * u.arcsec)
    wanted = selection.query(maps.at(coords), theta_e=2 * u.arcsec)
    assert_array_equal(answer['completeness'], wanted['completeness'])
    assert list(answer['state'])[2] == 'unsupported' and np.isnan(answer['completeness'][2])
    with pytest.raises(MeasurementError, match='given together'):
        selection.query(coords=coords, theta_e=2)


def test_map_at_every_resolution_has_the_same_total(maps, selection):
    total = survey_total(selection, maps, theta_e=2.0)[0]
    for nside in (8, 32, 64):
        pixels = selection.to_healpix(nside, conditions=maps, theta_e=2.0)
        assert_allclose(pixels['area'].sum(), maps.area)
        if nside > 8:
            held = np.isfinite(pixels['completeness'])
            mean = np.average(pixels['completeness'][held], weights=pixels['area'][held].value)
            assert_allclose(mean, total['completeness'])
        assert (pixels['lo'][pixels['supported']] < pixels['hi'][pixels['supported']]).all()
    assert_allclose(total['effective_area'].value,
                    total['completeness'] * (1 - total['share_empty']) * 250)


def test_coarse_pixel_averages_completeness_by_area(maps, selection):
    fine = selection_map(selection, maps, theta_e=2.0)
    coarse = selection_map(selection, maps, nside=8, theta_e=2.0)
    row = coarse[5]
    inside = fine[(fine['healpix'] // 16 == row['healpix']) & np.isfinite(fine['completeness'])]
    assert_allclose(row['completeness'], np.average(inside['completeness'],
                                                    weights=inside['area'].value))
    share = fine['area'][(fine['healpix'] // 16 == row['healpix']) & fine['supported']].sum()
    assert_allclose(row['share_supported'], share / row['area'])


def test_map_names_what_it_lacks(maps, selection):
    with pytest.raises(MeasurementError, match="axis 'theta_e' has no value"):
        selection.to_healpix(32, conditions=maps)
    with pytest.raises(MeasurementError, match='nside is a power of 2, such as 32'):
        selection.to_healpix(30, conditions=maps, theta_e=2.0)


def test_real_regions_become_maps(real_data):
    folder = real_data / 'survey-conditions'
    table = QTable.read(folder / 'dr10_regions_psf_depth_ebv.csv')
    table.rename_columns(['ra_center_deg', 'dec_center_deg'], ['ra', 'dec'])
    found = map_conditions(table, 32, ['median_psf_r_arcsec', 'median_ebv'], area='total_area_deg2')
    assert_allclose(found.area.value, table['total_area_deg2'].sum())
    assert 1.2 < np.median(found.table['median_psf_r_arcsec']) < 1.5
