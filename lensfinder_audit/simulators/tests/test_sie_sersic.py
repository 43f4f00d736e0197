# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Systems follow their priors and seeds; images hold their flux."""
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose
from scipy.stats import kstest

from lensfinder_audit import simulators
from lensfinder_audit.exceptions import (ConfigError, ConformanceError, MissingDependencyError,
                                         TableError)
from lensfinder_audit.lensing import SieShear
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.psf import GaussianPSF, MoffatPSF, psf_from_table
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.testing import check_simulator, example_hosts

SCALE = 0.262 * u.arcsec
STAMP = {'shape': (101, 101), 'pixel_scale': SCALE}


@pytest.fixture(scope='module')
def many():
    """Draws without the magnification, which takes its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SieSersic, 'magnification', lambda self, systems: np.full(len(systems), 5.0))
        return SieSersic().draw(QTable({'z': np.zeros(2000)}), seeds=np.arange(2000))


def systems_and_psf(n=4, **options):
    hosts = example_hosts(n)
    return SieSersic(**options).draw(hosts, seeds=np.arange(n)), psf_from_table(hosts, 'grz')


def test_conforms():
    check_simulator(SieSersic())


def test_conforms_on_other_pixels():
    check_simulator(SieSersic(tolerance=3e-6), shape=(131, 151), pixel_scale=0.25 * u.arcsec)


def test_conforms_without_numba():
    check_simulator(SieSersic(backend='numpy'))


def test_conforms_with_clumps():
    check_simulator(SieSersic(clumps=(1, 4)))


def test_a_fixed_grid_does_not_keep_its_promise():
    with pytest.raises(ConformanceError, match='holds .* of magnification x source flux'):
        check_simulator(SieSersic(subpixels=4))


def test_is_registered():
    assert load_plugin('simulators', 'sie_sersic') is SieSersic


@pytest.mark.parametrize(('name', 'low', 'high'), [
    ('theta_e', 0.5, 3.0), ('lens_q', 0.5, 1), ('source_re', 0.15, 0.5), ('source_n', 0.5, 2),
    ('source_q', 0.3, 1), ('lens_phi', 0, 180), ('source_phi', 0, 180)])
def test_uniform_priors(many, name, low, high):
    values = np.asarray(getattr(many[name], 'value', many[name]))
    assert kstest(values, 'uniform', args=(low, high - low)).pvalue > 1e-3


def test_sources_are_uniform_in_area_about_the_axis(many):
    x, y = many['source_x'] - many['lens_x'], many['source_y'] - many['lens_y']
    beta = (np.hypot(x, y) / many['theta_e']).to_value('')
    assert kstest(beta ** 2, 'uniform', args=(0.01, 0.15)).pvalue > 1e-3
    angle = np.arctan2(y, x).value
    assert kstest(angle, 'uniform', args=(-np.pi, 2 * np.pi)).pvalue > 1e-3


@pytest.mark.parametrize(('name', 'deviation'), [('shear_1', 0.05), ('shear_2', 0.05),
                                                 ('lens_x', 0.05), ('lens_y', 0.05)])
def test_normal_priors(many, name, deviation):
    values = np.asarray(getattr(many[name], 'value', many[name]))
    assert kstest(values, 'norm', args=(0, deviation)).pvalue > 1e-3


def test_magnitudes_and_colors(many):
    g, r, z = (many[f'source_mag_{band}'].value for band in 'grz')
    assert kstest(r, 'uniform', args=(23, 3)).pvalue > 1e-3
    assert kstest(g - r, 'norm', args=(1.15, 0.3)).pvalue > 1e-3
    assert kstest(r - z, 'norm', args=(0.85, 0.2)).pvalue > 1e-3
    assert_allclose(many['source_flux_g'].to_value(u.nmgy), 10 ** (0.4 * (22.5 - g)))
    assert_allclose(g - many['lensed_mag_g'].value, 2.5 * np.log10(5))


def test_columns_have_units_and_descriptions():
    systems, _ = systems_and_psf()
    assert all(systems[name].info.description for name in systems.colnames)
    assert systems['theta_e'].unit == u.arcsec and systems['lens_phi'].unit == u.deg
    assert systems['source_mag_r'].unit == u.ABmag


def test_systems_survive_a_file(tmp_path):
    systems, psf = systems_and_psf()
    systems.write(tmp_path / 'systems.ecsv')
    back = QTable.read(tmp_path / 'systems.ecsv')
    images = SieSersic().render(systems, bands='grz', psf=psf, **STAMP)
    assert (SieSersic().render(back, bands='grz', psf=psf, **STAMP) == images).all()


@pytest.mark.parametrize('options', [{}, {'clumps': (0, 4)}, {'subpixels': 4}])
def test_numpy_gives_the_same_images(options):
    systems, psf = systems_and_psf(6, **options)
    images = SieSersic(**options).render(systems, bands='grz', psf=psf, **STAMP)
    plain = SieSersic(backend='numpy', **options).render(systems, bands='grz', psf=psf, **STAMP)
    assert images.dtype == plain.dtype == np.float32
    peak = images.max(axis=(2, 3), keepdims=True)
    assert (np.abs(images - plain) < 1e-5 * peak).all()
    assert_allclose(SieSersic(backend='numpy').magnification(systems), systems['magnification'],
                    rtol=3e-4)


def test_images_do_not_depend_on_the_batch():
    systems, psf = systems_and_psf(70, clumps=(0, 3))
    images = SieSersic().render(systems, bands='grz', psf=psf, **STAMP)
    some = np.random.default_rng(0).permutation(70)[:12]
    assert (SieSersic().render(systems[some], bands='grz', psf=psf[some], **STAMP)
            == images[some]).all()
    assert (SieSersic().render(systems[:1], bands='z', psf=psf[:1, 2:], **STAMP)[0]
            == images[0, 2:]).all()


def test_threads_give_the_same_images():
    systems, psf = systems_and_psf(24)
    simulator = SieSersic()
    images = simulator.render(systems, bands='grz', psf=psf, **STAMP)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(
            lambda row: simulator.render(systems[row:row + 1], bands='grz', psf=psf[row:row + 1],
                                         **STAMP)[0], [*range(24)] * 3))
    assert (np.reshape(found, (3, *images.shape)) == images).all()


def test_clumps_leave_the_rest_of_a_seed_as_it_is():
    plain, _ = systems_and_psf(40)
    some, _ = systems_and_psf(40, clumps=(0, 4))
    more, _ = systems_and_psf(40, clumps=(4, 4))
    for name in plain.colnames:
        if 'magnification' not in name and 'lensed' not in name:
            assert (plain[name] == some[name]).all()
    assert (more['clump_2_x'] == some['clump_2_x']).all()
    share = np.array([some[f'clump_{k}_share'] for k in range(1, 5)])
    count = (share > 0).sum(axis=0)
    assert set(count) == {0, 1, 2, 3, 4} and (share[:, count == 0] == 0).all()
    assert (share.sum(axis=0)[count > 0] >= 0.05).all() and (share.sum(axis=0) <= 0.3).all()
    away = np.hypot(more['clump_1_x'] - more['source_x'], more['clump_1_y'] - more['source_y'])
    assert (away <= 1.5 * more['source_re']).all()
    assert all(some[name].info.description for name in some.colnames)


def test_clumps_are_a_part_of_the_light():
    systems, psf = systems_and_psf(6, clumps=(3, 3), theta_e=1 * u.arcsec)
    images = SieSersic().render(systems, bands='grz', psf=psf, shape=(201, 201), pixel_scale=SCALE)
    expected = systems['magnification'] * systems['source_flux_r'].value
    assert_allclose(images[:, 1].sum(axis=(1, 2)), expected, rtol=1e-3)
    for k in (1, 2, 3):
        systems[f'clump_{k}_share'] = 0.0
    smooth = SieSersic().render(systems, bands='grz', psf=psf, shape=(201, 201), pixel_scale=SCALE)
    assert (np.abs(images - smooth).max(axis=(2, 3)) > 0.01 * smooth.max(axis=(2, 3))).all()


def test_too_much_light_in_clumps_is_refused():
    systems, psf = systems_and_psf(3, clumps=(2, 2))
    systems['clump_1_share'][1] = 0.98
    with pytest.raises(ConfigError, match='the clumps of row 1 hold 1.* of the flux'):
        SieSersic().render(systems, bands='grz', psf=psf, **STAMP)
    systems.remove_column('clump_2_re')
    with pytest.raises(TableError, match="no column 'clump_2_re'"):
        SieSersic().render(systems, bands='grz', psf=psf, **STAMP)


def test_a_grid_in_theta_e_keeps_the_rest():
    one, two = (SieSersic(theta_e=value * u.arcsec).draw(example_hosts(5), seeds=np.arange(5))
                for value in (1.0, 2.0))
    for name in ('lens_q', 'source_n', 'source_mag_g', 'shear_1'):
        assert (one[name] == two[name]).all()
    assert (two['theta_e'] == 2 * u.arcsec).all()
    assert_allclose((two['source_x'] - two['lens_x']).value,
                    2 * (one['source_x'] - one['lens_x']).value)


def test_image_flux_is_magnification_times_source_flux():
    systems, psf = systems_and_psf(8, theta_e=(0.5, 2.0) * u.arcsec)
    images = SieSersic().render(systems, bands='grz', psf=psf, shape=(201, 201), pixel_scale=SCALE)
    for band, name in enumerate('grz'):
        expected = systems['magnification'] * systems[f'source_flux_{name}'].value
        assert_allclose(images[:, band].sum(axis=(1, 2)), expected, rtol=1e-3)
        assert_allclose(22.5 - 2.5 * np.log10(expected), systems[f'lensed_mag_{name}'].value)


def test_image_of_an_unlensed_gaussian_has_the_width_of_source_and_psf():
    systems, _ = systems_and_psf(1)
    systems['theta_e'] = 1e-6 * u.arcsec
    for name in ('source_x', 'source_y', 'lens_x', 'lens_y'):
        systems[name] = 0 * u.arcsec
    for name, value in {'shear_1': 0.0, 'shear_2': 0.0, 'source_n': 0.5, 'source_q': 1.0}.items():
        systems[name] = value
    systems['source_re'] = 0.4 * u.arcsec
    psf = GaussianPSF([[1.2]] * u.arcsec)
    image = SieSersic().render(systems, bands='r', psf=psf, **STAMP)[0, 0].astype(float)
    sigma = np.hypot(0.4 / np.sqrt(2 * np.log(2)), 1.2 / np.sqrt(8 * np.log(2))) / 0.262
    peak = systems['source_flux_r'][0].value / (2 * np.pi * sigma ** 2)
    assert image[50, 50] == pytest.approx(peak, rel=1e-3)
    assert image[50, 55] == pytest.approx(peak * np.exp(-0.5 * (5 / sigma) ** 2), rel=2e-3)


@pytest.mark.parametrize('phi', [0, 40, 130])
def test_arcs_lie_where_the_position_angles_say(phi):
    """The images of a source on the axis lie across the major axis of the lens, the larger ones."""
    systems, _ = systems_and_psf(1, theta_e=2 * u.arcsec)
    for name in ('source_x', 'source_y', 'lens_x', 'lens_y'):
        systems[name] = 0 * u.arcsec
    systems['shear_1'] = systems['shear_2'] = 0.0
    systems['lens_q'], systems['lens_phi'] = 0.6, phi * u.deg
    image = SieSersic().render(systems, bands='r', psf=GaussianPSF([[0.7]] * u.arcsec), **STAMP)
    y, x = np.indices((101, 101)) - 50
    along = x * np.cos(np.radians(phi)) + y * np.sin(np.radians(phi))
    across = y * np.cos(np.radians(phi)) - x * np.sin(np.radians(phi))
    lens = SieShear(2.0, q=0.6)
    far, near = (np.sqrt((image[0, 0] * part ** 2).sum() / image.sum()) * 0.262
                 for part in (along, across))
    place = [abs(float(lens.deflection(*axis)[i])) for i, axis in enumerate(((1, 0), (0, 1)))]
    assert (far > near) == (place[0] > place[1])


def test_no_systems_give_no_images():
    systems, psf = systems_and_psf()
    assert SieSersic().render(systems[:0], bands='grz', psf=psf[:0], **STAMP).shape == (
        0, 3, 101, 101)


def test_parameters_are_told():
    assert SieSersic(shear=0.1).parameters()['shear'] == 0.1


@pytest.mark.parametrize(('options', 'said'), [
    ({'lens_q': (0.5, 1.5)}, r'lens_q is drawn between two ends, .* within \(0, 1\]'),
    ({'source_q': (0, 1)}, r'source_q is drawn between'),
    ({'theta_e': (3, 1) * u.arcsec}, 'theta_e is drawn between two ends, least first'),
    ({'theta_e': 0 * u.arcsec}, 'theta_e is drawn between'),
    ({'theta_e': (1, 2, 3) * u.arcsec}, 'theta_e is one angle or two'),
    ({'source_n': (0.1, 2)}, 'source_n is drawn between'),
    ({'clumps': (3, 1)}, 'clumps is drawn between'),
    ({'clumps': (0, 1.5)}, 'clumps are counted in whole numbers'),
    ({'clump_share': (0.5, 1.2)}, 'clump_share is drawn between')])
def test_impossible_priors_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        SieSersic(**options)


def test_a_ring_beyond_the_stamp_is_named():
    systems, psf = systems_and_psf()
    systems['theta_e'][1] = 40 * u.arcsec
    with pytest.raises(TableError, match='row 1 has theta_e = 40 arcsec, .* outside the stamp'):
        SieSersic().render(systems, bands='grz', psf=psf, **STAMP)


def test_impossible_systems_are_refused():
    for name, value, said in (('lens_q', 1.3, 'axis ratio of the lens'),
                              ('theta_e', -1 * u.arcsec, 'theta_e is a positive angle'),
                              ('theta_e', 0 * u.arcsec, 'theta_e is a positive angle'),
                              ('source_q', 0, 'axis ratio of the source'),
                              ('source_x', np.nan * u.arcsec, 'not finite'),
                              ('source_re', np.nan * u.arcsec, 're is a positive angle')):
        systems, psf = systems_and_psf()
        systems[name][2] = value
        with pytest.raises(ConfigError, match=f'row 2 of the systems.*{said}'):
            SieSersic().render(systems, bands='grz', psf=psf, **STAMP)


def test_missing_columns_and_seeds_are_named():
    systems, psf = systems_and_psf()
    with pytest.raises(TableError, match="no column 'source_flux_i'"):
        SieSersic().render(systems, bands='gri', psf=psf, **STAMP)
    with pytest.raises(TableError, match='one seed per host; there are 6 hosts and seeds'):
        SieSersic().draw(example_hosts(6), seeds=[1])


def test_a_psf_that_is_wider_than_the_stamp_is_named():
    systems, _ = systems_and_psf()
    psf = MoffatPSF(np.full((4, 1), 30.0) * u.arcsec)
    with pytest.raises(TableError, match='FWHM of 30 arcsec, and the stamp is 26.5 arcsec wide'):
        SieSersic().render(systems, bands='r', psf=psf, **STAMP)


def test_torch_where_there_is_none_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'lensfinder_audit.simulators._trace_torch', None)
    monkeypatch.delattr(simulators, '_trace_torch', raising=False)
    with pytest.raises(MissingDependencyError, match='needs torch, .*: pip install') as said:
        SieSersic(backend='torch')
    assert '\n' not in str(said.value)


def test_backends_and_devices_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="no backend 'torhc'; .*'torch'.*Did you mean 'torch'"):
        SieSersic(backend='torhc')
    with pytest.raises(ConfigError, match="device='cuda' needs backend='torch', not 'numpy'"):
        SieSersic(backend='numpy', device='cuda')
