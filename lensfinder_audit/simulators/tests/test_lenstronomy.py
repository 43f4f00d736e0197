# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Models of lenstronomy by name, beside the simulators of the package."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.psf import MoffatPSF, psf_from_table
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.simulators.sie_stamp import SieStamp
from lensfinder_audit.testing import check_simulator, example_hosts
from lensfinder_audit.tests.made_up_stamps import write_library

SCALE = 0.262 * u.arcsec
STAMP = {'shape': (101, 101), 'pixel_scale': SCALE}


pytest.importorskip('lenstronomy', reason='lenstronomy is not installed')
from lenstronomy.Util.param_util import phi_q2_ellipticity  # noqa: E402

from lensfinder_audit.simulators.lenstronomy import LenstronomySimulator  # noqa: E402


def ellipticity(phi, q):
    return dict(zip(('e1', 'e2'), map(float, phi_q2_ellipticity(phi.to_value('rad'), q)),
                    strict=True))


def lens_of(row):
    """The lens of a system of the package, as lenstronomy takes it."""
    x, y = row['lens_x'].value, row['lens_y'].value
    return ({'model': 'SIE', 'theta_E': row['theta_e'].value, 'center_x': x, 'center_y': y,
             **ellipticity(row['lens_phi'], row['lens_q'])},
            {'model': 'SHEAR', 'gamma1': row['shear_1'], 'gamma2': row['shear_2'], 'ra_0': x,
             'dec_0': y})


def put_photometry(systems, row):
    for band in 'grz':
        systems[f'source_flux_{band}'] = [row[f'source_flux_{band}'].value] * u.nmgy
    return systems


def test_conforms():
    check_simulator(LenstronomySimulator(tolerance=1e-4, extent=8.0), hosts=example_hosts(3),
                    shape=(81, 81))


def test_other_models_conform():
    simulator = LenstronomySimulator(
        lens=[{'model': 'EPL', 'theta_E': 1.2, 'gamma': {'truncated': [2, 0.1, 1.8, 2.2]},
               'e1': 0.1, 'e2': [-0.1, 0.1]}],
        source=[{'model': 'GAUSSIAN', 'sigma': (0.1, 0.2), 'center_x': (-0.1, 0.1), 'amp': 3},
                {'model': 'CORE_SERSIC', 'R_sersic': 0.2, 'Rb': 0.05, 'n_sersic': 1, 'gamma': 0.5,
                 'e1': 0, 'e2': 0, 'center_y': 0.2}], extent=8.0)
    systems = simulator.draw(example_hosts(3), seeds=np.arange(3))
    assert (systems['theta_e'] == 1.2 * u.arcsec).all()
    assert ((systems['lens_0_gamma'] > 1.8) & (systems['lens_0_gamma'] < 2.2)).all()
    images = simulator.render(systems, bands='r', psf=psf_from_table(example_hosts(3), 'r'),
                              **STAMP)
    expected = systems['magnification'] * systems['source_flux_r'].value
    assert_allclose(images.sum(axis=(1, 2, 3)), expected, rtol=5e-3)


@pytest.mark.parametrize('seed', [1, 4])
def test_the_same_system_gives_the_image_of_sie_sersic(seed):
    own = SieSersic(source_n=(1.0, 1.0), theta_e=(0.7, 2.0) * u.arcsec)
    row = own.draw(QTable({'row': [0]}), seeds=[seed])
    system = row[0]
    q = system['source_q']
    simulator = LenstronomySimulator(lens=lens_of(system), source=[{
        'model': 'SERSIC_ELLIPSE', 'n_sersic': 1.0,
        'R_sersic': system['source_re'].value * np.sqrt(q),
        'center_x': system['source_x'].value, 'center_y': system['source_y'].value,
        **ellipticity(system['source_phi'], q)}])
    other = put_photometry(simulator.draw(QTable({'row': [0]}), seeds=[0]), system)
    assert other['magnification'][0] == pytest.approx(system['magnification'], rel=2e-3)
    psf = MoffatPSF([[1.3, 1.2]] * u.arcsec)
    first, second = (made.render(systems, bands='gr', psf=psf, **STAMP)[0]
                     for made, systems in ((own, row), (simulator, other)))
    assert_allclose(first, second, atol=3e-3 * second.max())
    assert first.sum() == pytest.approx(second.sum(), rel=3e-3)


def test_the_same_galaxy_gives_the_image_of_sie_stamp(tmp_path):
    own = SieStamp(library=write_library(tmp_path), theta_e=1.4 * u.arcsec)
    row = own.draw(QTable({'row': [0]}), seeds=[3])
    psf = MoffatPSF([[1.3]] * u.arcsec)
    images = own.render(row, bands='r', psf=psf, **STAMP)
    for k, (_, _, place) in enumerate(own._systems(row)):
        stamp, _ = own._image(row['source_stamp'][k])
        x, y, phi, scale, middle_y, middle_x = place
        image = stamp.image if scale > 0 else stamp.image[:, ::-1]
        middle_x = middle_x if scale > 0 else image.shape[1] - 1 - middle_x
        scale = abs(scale)
        right, up = scale * ((np.array(image.shape[::-1]) - 1) / 2 - (middle_x, middle_y))
        simulator = LenstronomySimulator(lens=lens_of(row[k]), source=[{
            'model': 'INTERPOL', 'image': image, 'scale': scale, 'phi_G': float(phi),
            'center_x': float(x + np.cos(phi) * right - np.sin(phi) * up),
            'center_y': float(y + np.sin(phi) * right + np.cos(phi) * up)}])
        other = put_photometry(simulator.draw(QTable({'row': [0]}), seeds=[0]), row[k])
        found = simulator.render(other, bands='r', psf=psf[k:k + 1], **STAMP)[0, 0]
        assert images[k, 0].sum() == pytest.approx(found.sum(), rel=2e-3)
        assert_allclose(images[k, 0], found, atol=4e-3 * found.max())


def test_light_of_the_lens_is_added():
    simulator = LenstronomySimulator(
        lens_light=[{'model': 'SERSIC', 'R_sersic': 1.0, 'n_sersic': 2.0}],
        lens_magnitudes={'r': 20.0, 'g': 21.0}, source=[{'model': 'GAUSSIAN', 'sigma': 0.2}],
        lens=[{'model': 'SIS', 'theta_E': 1.0}])
    systems = simulator.draw(example_hosts(1), seeds=[0])
    psf = psf_from_table(example_hosts(1), 'gr')
    total = simulator.render(systems, bands='gr', psf=psf, **STAMP)[0].sum(axis=(1, 2))
    for k, band in enumerate('gr'):
        lensed = systems['magnification'][0] * systems[f'source_flux_{band}'][0].value
        lens = 10 ** (0.4 * (22.5 - simulator.lens_magnitudes[band]))
        assert total[k] == pytest.approx(lensed + lens, rel=0.02)  # wings leave the stamp
    with pytest.raises(ConfigError, match=r"needs lens_magnitudes in \['z'\]"):
        simulator.render(systems, bands='z', psf=psf[:, :1], **STAMP)


@pytest.mark.parametrize(('options', 'said'), [
    ({'lens': [{'model': 'SIEE'}]}, "no lens model 'SIEE'. Did you mean 'SIE'"),
    ({'source': [{'model': 'SERSIK'}]}, "no light model 'SERSIK'. Did you mean 'SERSIC'"),
    ({'lens': [{'model': 'SIS', 'theta_e': 1}]}, "SIS has no parameter 'theta_e'; .*theta_E"),
    ({'lens': [{'model': 'SIS'}]}, r"SIS needs a value or a prior for \['theta_E'\]"),
    ({'lens': [{'model': 'SIS', 'theta_E': (2, 1)}]}, 'theta_e: the ends are least and greatest'),
    ({'source': []}, 'at least one lens and one source')])
def test_bad_arguments_are_named(options, said):
    with pytest.raises(ConfigError, match=said):
        LenstronomySimulator(**options)


def test_missing_columns_are_named():
    simulator = LenstronomySimulator(lens=[{'model': 'SIS', 'theta_E': 1.0}],
                                     source=[{'model': 'GAUSSIAN', 'sigma': 0.2}])
    systems = simulator.draw(example_hosts(1), seeds=[0])
    psf = psf_from_table(example_hosts(1), 'r')
    with pytest.raises(TableError, match="no column 'source_flux_i'"):
        simulator.render(systems, bands='i', psf=psf, **STAMP)
    systems.remove_column('theta_e')
    with pytest.raises(TableError, match="no column 'theta_e'"):
        simulator.render(systems, bands='r', psf=psf, **STAMP)
    with pytest.raises(TableError, match='one seed per host'):
        simulator.draw(example_hosts(2), seeds=[0])
