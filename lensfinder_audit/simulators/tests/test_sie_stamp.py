# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Images of galaxies are lensed as they should be, with their flux, wherever they were drawn."""
import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import ndimage
from scipy.signal import fftconvolve

from lensfinder_audit.cli import main
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.lensing import SieShear
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.psf import MoffatPSF, psf_from_table
from lensfinder_audit.recovery import read_injections
from lensfinder_audit.simulators._stamp_kernel import prepared, trace_stamp
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.simulators.sie_stamp import SieStamp
from lensfinder_audit.testing import check_simulator, example_hosts
from lensfinder_audit.tests.made_up_stamps import galaxy, write_library
from lensfinder_audit.tests.networks import write_network
from lensfinder_audit.tests.recovery_study import make_hosts

SCALE = 0.262 * u.arcsec
STAMP = {'shape': (101, 101), 'pixel_scale': SCALE}


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    return str(write_library(tmp_path_factory.mktemp('library')))


def systems_and_psf(library, n=6, **options):
    hosts = example_hosts(n)
    simulator = SieStamp(library=library, **options)
    return simulator, simulator.draw(hosts, seeds=np.arange(n)), psf_from_table(hosts, 'grz')


def bilinear(image, scale, x, y):
    """Brightness per square arcsec of an image about its center, the slow way."""
    row, column = (y / scale + (len(image) - 1) / 2, x / scale + (image.shape[1] - 1) / 2)
    i, j = (np.clip(np.floor(v).astype(int), 0, n - 2) for v, n in
            zip((row, column), image.shape, strict=True))
    up, right = row - i, column - j
    value = ((1 - up) * ((1 - right) * image[i, j] + right * image[i, j + 1])
             + up * ((1 - right) * image[i + 1, j] + right * image[i + 1, j + 1]))
    inside = (up >= 0) & (up <= 1) & (right >= 0) & (right <= 1)
    return np.where(inside, value, 0) / scale ** 2


def by_brute_force(lens, image, place, shape, pixel_scale, samples=24):
    """A fine grid of rays; the deflection of `SieShear`, which has tests of its own."""
    x0, y0, phi, scale = place[:4]
    y, x = (((np.arange(n * samples) + 0.5) / samples - n / 2) * pixel_scale for n in shape)
    x, y = SieShear.source_position(lens, *np.meshgrid(x, y))
    x, y = x - x0, y - y0
    x, y = np.cos(phi) * x + np.sin(phi) * y, np.cos(phi) * y - np.sin(phi) * x
    fine = bilinear(image, abs(scale), x * np.sign(scale), y)
    return fine.reshape(shape[0], samples, shape[1], samples).mean(axis=(1, 3)) * pixel_scale ** 2


def clean_galaxy(seed):
    image = np.pad(np.where(galaxy(seed, 60) > 1e-3, galaxy(seed, 60), 0), 4)
    return image / image.sum()


def test_conforms(library):
    check_simulator(SieStamp(library=library))


def test_conforms_on_other_pixels_and_sizes(library):
    check_simulator(SieStamp(library=library, source_re=(0.15, 0.5) * u.arcsec, redshift=None),
                    shape=(131, 151), pixel_scale=0.25 * u.arcsec)


def test_is_registered():
    assert load_plugin('simulators', 'sie_stamp') is SieStamp


@pytest.mark.parametrize(('lens', 'place'), [
    (SieShear(1.5, q=0.7, phi=0.4, gamma_1=0.05, gamma_2=-0.03, x=0.1, y=-0.05), (0.3, 0.2, 0.7)),
    (SieShear(1.0, q=0.5, phi=2.0), (0.12, -0.1, 4.0)), (SieShear(2.1, q=1.0), (0.0, 0.0, 1.0)),
    (SieShear(0.6, q=0.9, gamma_1=-0.1), (-0.2, 0.05, 0.0))])
@pytest.mark.parametrize('flip', [1, -1])
def test_the_image_is_that_of_a_fine_grid_of_rays(lens, place, flip):
    image = clean_galaxy(3)
    place = (*place, 0.03 * flip)
    exact = by_brute_force(lens, image, place, (41, 45), 0.262)
    middle = [(n - 1) / 2 for n in image.shape]
    found = trace_stamp(lens, prepared(image), (*place, *middle), shape=(41, 45),
                        pixel_scale=0.262)
    assert found.sum() == pytest.approx(exact.sum(), rel=1e-3)
    psf = MoffatPSF([[1.0]] * u.arcsec).kernels(SCALE)[0, 0]
    error = fftconvolve(found - exact, psf, mode='same')
    assert np.abs(error).max() < 2e-3 * fftconvolve(exact, psf, mode='same').max()


@given(seed=st.integers(0, 2 ** 32), spacing=st.sampled_from([0.3, 0.5]))
@settings(max_examples=20)
def test_flux_converges(seed, spacing):
    rng = np.random.default_rng(seed)
    theta_e = rng.uniform(0.5, 2.5)
    lens = SieShear(theta_e, q=rng.uniform(0.4, 1), phi=rng.uniform(0, np.pi))
    place = (*rng.normal(0, 0.3 * theta_e, 2), rng.uniform(0, 6), 0.03, 33.5, 33.5)
    coarse, fine = (trace_stamp(lens, prepared(clean_galaxy(seed % 5)), place, shape=(61, 61),
                                pixel_scale=0.262, spacing=value).sum()
                    for value in (spacing, 0.15))
    assert coarse == pytest.approx(fine, rel=2e-3)


def test_without_a_lens_the_galaxy_is_what_it_was():
    """A bilinear image, averaged over its own pixels, is smoothed by 1/8, 3/4, 1/8."""
    image = clean_galaxy(1)
    middle = [(n - 1) / 2 for n in image.shape]
    found = trace_stamp(SieShear(1e-7), prepared(image), (0.0, 0.0, 0.0, 0.03, *middle),
                        shape=image.shape, pixel_scale=0.03)
    expected = image
    for axis in (0, 1):
        expected = ndimage.correlate1d(expected, [0.125, 0.75, 0.125], axis=axis)
    assert_allclose(found, expected, atol=5e-3 * image.max())
    assert found.sum() == pytest.approx(1, rel=1e-3)


def test_images_are_linear_in_the_source():
    first, second = clean_galaxy(0), clean_galaxy(1)
    lens, place = SieShear(1.2, q=0.7), (0.2, 0.1, 0.5, 0.03, 33.5, 33.5)
    images = [trace_stamp(lens, prepared(image), place, shape=(61, 61), pixel_scale=0.262,
                          spacing=0.2) for image in (first, second, 0.5 * (first + second))]
    assert_allclose(images[2], 0.5 * (images[0] + images[1]), atol=2e-3 * images[2].max())


def test_turning_everything_turns_the_image():
    image, middle = clean_galaxy(2), (33.5, 33.5)
    one = trace_stamp(SieShear(1.3, q=0.6, phi=0.3), prepared(image), (0.3, 0.1, 0.2, 0.03,
                      *middle), shape=(61, 61), pixel_scale=0.262)
    two = trace_stamp(SieShear(1.3, q=0.6, phi=0.3 + np.pi / 2), prepared(image),
                      (-0.1, 0.3, 0.2 + np.pi / 2, 0.03, *middle), shape=(61, 61),
                      pixel_scale=0.262)
    assert_allclose(np.rot90(one, -1), two, atol=0.02 * one.max())
    assert one.sum() == pytest.approx(two.sum(), rel=1e-3)


def test_lens_place_and_photometry_are_those_of_the_sersic_simulator(library):
    """So that both can be compared on the same systems."""
    _, systems, _ = systems_and_psf(library)
    other = SieSersic().draw(example_hosts(6), seeds=np.arange(6))
    for name in ('theta_e', 'lens_q', 'lens_phi', 'lens_x', 'shear_1', 'source_x', 'source_y',
                 'source_mag_g', 'source_mag_r', 'source_mag_z'):
        assert_allclose(getattr(systems[name], 'value', systems[name]),
                        getattr(other[name], 'value', other[name]), rtol=1e-6)


def test_galaxies_follow_magnitude_and_redshift(library):
    simulator = SieStamp(library=library, candidates=2, redshift=(1.8, 1.9),
                         r_magnitude=(22.9, 23.0))
    systems = simulator.draw(QTable({'row': np.arange(60)}), seeds=np.arange(60))
    assert set(systems['source_stamp']) == {'4', '5'}
    assert set(systems['source_flipped']) == {True, False}
    assert np.ptp(systems['source_phi'].to_value('deg')) > 300
    sized = SieStamp(library=library, source_re=(0.2, 0.3) * u.arcsec)
    drawn = sized.draw(QTable({'row': np.arange(20)}), seeds=np.arange(20))
    assert ((drawn['source_re'] > 0.2 * u.arcsec) & (drawn['source_re'] < 0.3 * u.arcsec)).all()


def test_flux_is_normalised_in_the_source_plane(library):
    simulator, systems, psf = systems_and_psf(library, 8, theta_e=(0.5, 2.0) * u.arcsec)
    images = simulator.render(systems, bands='grz', psf=psf, shape=(201, 201), pixel_scale=SCALE)
    for band, name in enumerate('grz'):
        expected = systems['magnification'] * systems[f'source_flux_{name}'].value
        assert_allclose(images[:, band].sum(axis=(1, 2)), expected, rtol=5e-3)
        assert_allclose(22.5 - 2.5 * np.log10(expected), systems[f'lensed_mag_{name}'].value)


def test_systems_survive_a_file_and_another_process(library, tmp_path):
    simulator, systems, psf = systems_and_psf(library)
    images = simulator.render(systems, bands='grz', psf=psf, **STAMP)
    systems.write(tmp_path / 'systems.ecsv')
    other = pickle.loads(pickle.dumps(simulator))
    back = QTable.read(tmp_path / 'systems.ecsv')
    assert (other.render(back, bands='grz', psf=psf, **STAMP) == images).all()
    assert systems.meta['library']['sha256'] and all(
        systems[name].info.description for name in systems.colnames)


def test_bad_systems_are_named(library):
    simulator, systems, psf = systems_and_psf(library)
    for name, value, said in (('lens_q', 1.3, 'axis ratio of the lens'),
                              ('theta_e', 0 * u.arcsec, 'theta_e is a positive angle'),
                              ('theta_e', 40 * u.arcsec, 'row 0 has theta_e = 40 .* outside'),
                              ('source_stamp', 'x', "has no stamp 'x'")):
        bad = systems.copy()
        bad[name] = value
        with pytest.raises((ConfigError, TableError), match=said):
            simulator.render(bad, bands='grz', psf=psf, **STAMP)
    with pytest.raises(TableError, match="no column 'source_flux_i'"):
        simulator.render(systems, bands='gri', psf=psf, **STAMP)
    systems.remove_column('source_stamp')
    with pytest.raises(TableError, match="no column 'source_stamp'"):
        simulator.render(systems, bands='grz', psf=psf, **STAMP)
    with pytest.raises(TableError, match='one seed per host'):
        simulator.draw(example_hosts(3), seeds=[1])


def test_bad_arguments_are_named(library, tmp_path):
    hosts, seeds = example_hosts(2), np.arange(2)
    with pytest.raises(ConfigError, match='sie_stamp needs images to lens: give library='):
        SieStamp().draw(hosts, seeds=seeds)
    path = write_library(tmp_path, columns=('file', 'hdu', 'pixel_scale', 'mag'))
    with pytest.raises(ConfigError, match='has no redshifts; give redshift=None'):
        SieStamp(library=path).draw(hosts, seeds=seeds)
    assert len(SieStamp(library=path, redshift=None).draw(hosts, seeds=seeds)) == 2
    (tmp_path / 'stamps.fits').write_bytes((tmp_path / 'stamps.fits').read_bytes()[:9000])
    with pytest.raises(InputFileError, match='stamps.fits: is cut short'):
        SieStamp(library=path, redshift=None, faintest=23.0).draw(hosts, seeds=seeds)
    for options, said in (({'theta_e': 0 * u.arcsec}, 'theta_e is drawn between'),
                          ({'lens_q': (0.5, 1.2)}, r'within \(0, 1\]'), ({'candidates': 0}, 'at l'),
                          ({'redshift': (2, 1)}, 'redshift is drawn'), ({'spacing': 9}, 'spacing'),
                          ({'source_re': (0, 1) * u.arcsec}, 'source_re is drawn')):
        with pytest.raises(ConfigError, match=said):
            SieStamp(library=library, **options)


def test_real_galaxies_are_lensed(real_data):
    path = (real_data / 'source-stamps' / 'real_galaxy_catalog_26_extension_example.fits')
    simulator = SieStamp(library=path)
    hosts = example_hosts(6)
    systems = simulator.draw(hosts, seeds=np.arange(6))
    images = simulator.render(systems, bands='grz', psf=psf_from_table(hosts, 'grz'), **STAMP)
    assert len(set(systems['source_stamp'])) > 2 and np.isfinite(images).all()
    flux = images.sum(axis=(2, 3)) / systems['magnification'][:, None]
    inside = systems['theta_e'] < 2 * u.arcsec
    assert_allclose(flux[inside, 1], systems['source_flux_r'][inside].value, rtol=5e-3)


def test_inject_from_the_command_line(library, tmp_path):
    table, _ = make_hosts(tmp_path, size=61)
    write_network(tmp_path / 'tiny.onnx', size=(61, 61), metadata={
        'bands': ['g', 'r', 'z'], 'pixel_scale': 0.262, 'normalizer': 'raw_robust',
        'score_kind': 'logit'})
    arguments = ['inject', str(tmp_path / 'tiny.onnx'), str(tmp_path / 'hosts.parquet'), '-n', '6',
                 '-o', str(tmp_path / 'out'), '--threshold', '0', '--simulator', 'sie_stamp']
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and 'sie_stamp needs images to lens' in result.output
    result = CliRunner().invoke(main, [*arguments, '--prior', f'library={library}', '--grid',
                                       'theta_e=1.0,2.0'])
    assert result.exit_code == 0, result.output
    found = read_injections(tmp_path / 'out' / 'injections.parquet')
    assert len(found) == 12 and set(found['source_stamp']) <= {*'012345'}
    assert set(found['theta_e'].value) == {1.0, 2.0} and np.isfinite(found['score']).all()
