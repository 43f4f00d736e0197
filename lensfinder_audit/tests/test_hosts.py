# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Hosts are chosen by rules that are counted; their light is measured."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import ConfigError, InputFileError, MeasurementError, TableError
from lensfinder_audit.host_light import add_light, measure_light
from lensfinder_audit.hosts import choose_hosts, host_columns, hosts_from_stamps
from lensfinder_audit.psf import GaussianPSF, convolve
from lensfinder_audit.testing import example_flux, example_hosts
from lensfinder_audit.tests.recovery_study import SCALE, make_hosts


@pytest.fixture(scope='module')
def study(tmp_path_factory):
    return make_hosts(tmp_path_factory.mktemp('hosts'))


@pytest.mark.parametrize(('where', 'wanted'), [
    ('type in SER, DEV', lambda t: np.isin(t['type'], ['SER', 'DEV'])),
    ('type not in REX', lambda t: t['type'] != 'REX'),
    ('type == DEV', lambda t: t['type'] == 'DEV'),
    ("type != 'DEV'", lambda t: t['type'] != 'DEV'),
    ('psfsize_r<1.3', lambda t: t['psfsize_r'].value < 1.3),
    ('nobs_z >= 5', lambda t: t['nobs_z'] >= 5), ('nobs_z in 3,4', lambda t: t['nobs_z'] <= 4)])
def test_a_condition_keeps_what_it_says(where, wanted):
    hosts = example_hosts(40)
    chosen, rules = choose_hosts(hosts, where=[where])
    assert_array_equal(chosen['object_id'], hosts['object_id'][wanted(hosts)])
    assert rules['n_left'][-1] == len(chosen) and rules['n_removed'].sum() == 40 - len(chosen)


def test_rules_act_in_order_and_are_counted():
    hosts = example_hosts(30)
    hosts['label'] = np.arange(30) < 6
    hosts['psfsize_g'][5:8] = [0, np.nan, -1] * u.arcsec
    known = QTable({'ra': hosts['ra'][10:12], 'dec': hosts['dec'][10:12] + [5, 12] * u.arcsec})
    chosen, rules = choose_hosts(hosts, where=['nobs_z > 0'], known=known)
    assert rules['n_removed'].tolist() == [3, 5, 1, 0]
    assert rules['n_left'].tolist() == [27, 22, 21, 21]
    assert 'host-10' not in chosen['object_id'] and 'host-11' in chosen['object_id']
    kept, _ = choose_hosts(hosts, keep_lenses=True)
    assert len(kept) == 27


def test_missing_values_fulfil_no_condition():
    hosts = example_hosts(6)
    hosts['ebv'][2] = np.nan
    for where in ('ebv < 9', 'ebv > -9', 'ebv != 3'):
        assert 'host-2' not in choose_hosts(hosts, where=[where])[0]['object_id']


@pytest.mark.parametrize(('where', 'error', 'said'), [
    ('psfsize', ConfigError, 'cannot be read; write it as COLUMN < VALUE'),
    ('psfsiz_r < 1', TableError, "no column 'psfsiz_r'.*Did you mean 'psfsize_r'"),
    ('type < DEV', ConfigError, 'orders the words'), ('type in SERR', ConfigError,
                                                      "asks for 'SERR'.*Did you mean 'SER'"),
    ('ebv < low', ConfigError, "compares numbers with 'low'"),
    ('ebv == 1,2', ConfigError, 'compares with 2 values; use in')])
def test_a_condition_that_cannot_be_is_named(where, error, said):
    with pytest.raises(error, match=said):
        choose_hosts(example_hosts(6), where=[where])


def test_no_host_left_tells_what_left_them_out():
    with pytest.raises(MeasurementError, match="no host of 6 is left: 'psfsize_r > 9' left out 6"):
        choose_hosts(example_hosts(6), where=['psfsize_r > 9'])


def test_hosts_that_lack_pixels_are_left_out_or_flagged(tmp_path):
    hosts, flux = example_hosts(5), example_flux(5, shape=(41, 41))
    flux[4, 2, :5] = 0  # as resampled images mark what they lack
    flux[0, 1], flux[1, :, :8], flux[2, 0, 20, 20] = np.nan, np.nan, np.nan
    with CutoutWriter(tmp_path / 's', bands='grz', shape=(41, 41), pixel_scale=SCALE) as writer:
        writer.add(hosts['object_id'], flux)
    table = host_columns(hosts, CutoutStore(tmp_path / 's'))
    chosen, rules = choose_hosts(table)
    assert chosen['object_id'].tolist() == ['host-3']
    assert rules['n_removed'].tolist() == [0, 1, 2, 1]
    flagged, _ = choose_hosts(table, keep_flagged=True)
    assert flagged['missing_bands'].tolist() == ['r', '', '', '', '']
    assert flagged['n_central_nan'][2] == 1
    assert_allclose(table['mag_r'].value, 22.5 - 2.5 * np.log10(hosts['flux_r'].value))
    assert_allclose(table['depth_r'].value,
                    22.5 - 2.5 * np.log10(5 / np.sqrt(hosts['psfdepth_r'].value)))


def test_stamps_become_hosts_and_go_on_where_they_stopped(tmp_path):
    flux = example_flux(3, shape=(45, 45))
    for number, stamp in enumerate(flux):
        np.savez(tmp_path / f'stamp-{number}.npz', cutout=np.moveaxis(stamp, 0, 2))
    files = sorted(tmp_path.glob('*.npz'))
    settings = {'bands': 'grz', 'shape': (41, 41), 'pixel_scale': SCALE,
                'columns': {'psfsize_r': 1.3 * u.arcsec, 'type': 'DEV'}}
    for _ in range(2):
        table, store = hosts_from_stamps(files, tmp_path / 'hosts', **settings)
    assert table['object_id'].tolist() == ['stamp-0', 'stamp-1', 'stamp-2']
    assert (table['psfsize_r'] == 1.3 * u.arcsec).all() and (table['type'] == 'DEV').all()
    assert_array_equal(store.get(['stamp-1'])[0], flux[1, :, 2:-2, 2:-2])
    files[0].write_bytes(b'')
    with pytest.raises(InputFileError, match='stamp-0.npz: is cut short'):
        hosts_from_stamps(files, tmp_path / 'more', **settings)


# Light

def gaussian(q, phi, sigma=5.0, size=61):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    along, across = x * np.cos(phi) + y * np.sin(phi), y * np.cos(phi) - x * np.sin(phi)
    return np.exp(-0.5 * (along ** 2 + (across / q) ** 2) / sigma ** 2)


@pytest.mark.parametrize('q', [0.4, 0.7, 0.9])
@pytest.mark.parametrize('phi', [10, 80, 170])
def test_shape_of_a_galaxy_comes_back_through_the_psf(q, phi):
    image = convolve(gaussian(q, np.radians(phi))[None, None], GaussianPSF([[1.3]] * u.arcsec),
                     SCALE)[0]
    light = measure_light(image, fwhm=[1.3] * u.arcsec)
    assert light['light_from'][0] == 'moments'
    assert abs(light['light_q'][0] - q) < 0.03
    assert abs((light['light_phi'][0].value - phi + 90) % 180 - 90) < 1.5


def test_a_neighbour_and_missing_pixels_hardly_matter():
    image = gaussian(0.6, 0.5)
    image[5:12, 40:48] += 3
    image[:, :6] = np.nan
    light = measure_light(image[None], fwhm=[0.3] * u.arcsec)
    assert abs(light['light_q'][0] - 0.6) < 0.03


@pytest.mark.parametrize(('image', 'reason'), [
    (np.full((61, 61), np.nan), 'missing'), (np.zeros((61, 61)), 'nothing'),
    (gaussian(0.8, 0, sigma=1.5), 'unresolved'),
    (np.roll(gaussian(0.8, 0), 12, axis=0), 'off center')])
def test_what_cannot_be_measured_says_why(image, reason):
    light = measure_light(image[None], fwhm=[1.3] * u.arcsec)
    assert light['light_from'][0] == reason and np.isnan(light['light_q'][0])


def test_hosts_carry_their_light_and_fall_back_on_the_catalogue(study):
    hosts, store = study[0].copy(), study[1]
    hosts['psfsize_r'] = 0.3 * u.arcsec  # they were drawn without seeing
    light = add_light(hosts, store)
    good = light['light_from'] == 'moments'
    assert good.sum() >= 10
    assert abs(light['light_q'][good] - hosts['true_q'][good]).max() < 0.1
    turned = (light['light_phi'].value - hosts['true_phi'] + 90) % 180 - 90
    assert np.abs(turned[good]).max() < 12
    wide = hosts.copy()
    wide['psfsize_r'] = 9 * u.arcsec  # nothing is resolved
    lost = add_light(wide, store)
    size = np.hypot(hosts['shape_e1'], hosts['shape_e2'])
    assert (lost['light_from'] == 'catalogue').all()
    assert_allclose(lost['light_q'], (1 - size) / (1 + size))
    assert_array_equal(add_light(light, store)['light_q'], light['light_q'])


def test_catalogue_angles_are_east_of_north(study):
    hosts = study[0][:2].copy()
    hosts['psfsize_r'] = 9 * u.arcsec
    hosts['shape_e1'], hosts['shape_e2'] = [0.2, 0.0], [0.0, 0.2]  # north, north-east
    assert_allclose(add_light(hosts, study[1])['light_phi'].value, [90, 135])


def test_one_width_per_stamp():
    with pytest.raises(TableError, match='need as many widths'):
        measure_light(np.zeros((2, 9, 9)), fwhm=[1.0] * u.arcsec)


def test_light_of_real_galaxies(real_data):
    with np.load(real_data / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as found:
        stamps = np.stack([np.moveaxis(found[name], 2, 0) for name in found.files
                           if found[name].ndim == 3])
    light = measure_light(stamps[:, 1], fwhm=np.full(len(stamps), 1.3) * u.arcsec)
    good = light['light_from'] == 'moments'
    assert good.sum() >= 8
    assert light['light_q'][good].min() < 0.5 < 0.8 < light['light_q'][good].max()
