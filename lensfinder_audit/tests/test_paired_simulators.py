# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The same hosts and systems, rendered by two simulators."""
import importlib.util

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.cli import main
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.files import read_table
from lensfinder_audit.interfaces import InjectionSimulator
from lensfinder_audit.psf import psf_from_table
from lensfinder_audit.recovery import inject, replay
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.simulators.sie_stamp import SieStamp
from lensfinder_audit.testing import example_hosts
from lensfinder_audit.tests.made_up_stamps import write_library
from lensfinder_audit.tests.networks import write_network
from lensfinder_audit.tests.recovery_study import MeanOfAnnulus, make_hosts

FINDER = MeanOfAnnulus(size=41)
SMALL = {'theta_e': (0.8, 1.4) * u.arcsec}
LENS = ('theta_e', 'lens_q', 'lens_phi', 'shear_1', 'source_x', 'source_y', 'source_re',
        'source_mag_r', 'source_flux_g', 'seed')


@pytest.fixture(scope='module')
def hosts(tmp_path_factory):
    return make_hosts(tmp_path_factory.mktemp('hosts'))


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    return str(write_library(tmp_path_factory.mktemp('library')))


def test_a_galaxy_takes_the_place_of_the_profile(hosts, library):
    pair = SieStamp(library=library)
    table = inject(*hosts, FINDER, SieSersic(**SMALL), n=8, seed=3, pair=pair, gain='none')
    base, other = (table[table['arm'] == arm] for arm in ('base', 'simulator=SieStamp'))
    for name in LENS:
        assert_array_equal(np.asarray(base[name]), np.asarray(other[name]))
    assert (base['source_stamp'] == '').all() and (other['source_stamp'] != '').all()
    assert np.isnan(base['source_scale']).all() and (other['source_scale'] > 0).all()
    assert (base['magnification'] != other['magnification']).all()
    lensed = other['source_mag_r'].value - 2.5 * np.log10(other['magnification'])
    assert_allclose(other['lensed_mag_r'].value, lensed)
    assert_array_equal(other['simulator'], 'SieStamp')


def test_a_paired_row_is_replayed(hosts, library):
    options = {'pair': SieStamp(library=library), 'gain': 'none'}
    table = inject(*hosts, FINDER, SieSersic(**SMALL), n=5, seed=3, **options)
    _, again = replay(table, [7], *hosts, SieSersic(**SMALL), classifier=FINDER, **options)
    assert again['arm'][0] == 'simulator=SieStamp'
    assert_allclose(again['score'], table['score'][[7]], atol=1e-6)


def test_a_galaxy_has_the_size_of_the_profile(library):
    hosts, simulator = example_hosts(4), SieStamp(library=library)
    systems = SieSersic().draw(hosts, seeds=range(4))
    adopted = simulator.adopt(systems, hosts, seeds=range(4))
    radii = [simulator._library.stamp(simulator._library.row(name)).radius
             for name in adopted['source_stamp']]
    assert_allclose(adopted['source_scale'] * radii, systems['source_re'].to_value('arcsec'))


def test_a_profile_takes_the_place_of_the_galaxy(library):
    hosts = example_hosts(3)
    systems = SieStamp(library=library).draw(hosts, seeds=range(3))
    adopted = SieSersic().adopt(systems, hosts, seeds=range(3))
    assert_array_equal(adopted['source_x'], systems['source_x'])
    assert_array_equal(adopted['magnification'], SieSersic().magnification(adopted))


def test_strangers_are_not_paired():
    class Other(InjectionSimulator):
        def draw(self, hosts, *, seeds):
            return QTable({'seed': seeds, 'einstein_radius': np.ones(len(hosts))})

        def render(self, systems, *, bands, psf, shape, pixel_scale):
            raise NotImplementedError

    hosts = example_hosts(2)
    systems = SieSersic().draw(hosts, seeds=[1, 2])
    with pytest.raises(ConfigError, match=r"Other does not know \['theta_e', 'lens_q'"):
        Other().adopt(systems, hosts, seeds=[1, 2])


@pytest.mark.skipif(not importlib.util.find_spec('lenstronomy'), reason='needs lenstronomy')
def test_lenstronomy_renders_the_same_systems():
    from lensfinder_audit.simulators.lenstronomy import LenstronomySimulator

    hosts, simulator = example_hosts(2), SieSersic(theta_e=(0.8, 1.2) * u.arcsec,
                                                   source_n=(0.5, 1.5))
    systems, pair = simulator.draw(hosts, seeds=[5, 6]), LenstronomySimulator()
    adopted = pair.adopt(systems, hosts, seeds=[5, 6])
    made = {'bands': 'grz', 'psf': psf_from_table(hosts, 'grz'), 'shape': (41, 41),
            'pixel_scale': 0.262 * u.arcsec}
    ours, theirs = simulator.render(systems, **made), pair.render(adopted, **made)
    assert_allclose(theirs, ours, atol=4e-3 * ours.max())
    assert_allclose(adopted['magnification'], systems['magnification'], rtol=5e-3)
    with pytest.raises(ConfigError, match="here the models are.*'SIS'"):
        LenstronomySimulator(lens=[{'model': 'SIS', 'theta_E': 1.0}]).adopt(
            systems, hosts, seeds=[5, 6])


def test_the_pair_of_a_command_has_arguments(tmp_path, library):
    make_hosts(tmp_path)
    write_network(tmp_path / 'network.onnx', size=(41, 41), metadata={
        'bands': ['g', 'r', 'z'], 'pixel_scale': 0.262, 'normalizer': 'raw_robust',
        'score_kind': 'logit'})
    command = ['inject', tmp_path / 'network.onnx', tmp_path / 'hosts.parquet', '-o',
               tmp_path / 'out', '-n', 12, '--threshold', 0.5, '--pair', 'simulator=sie_stamp',
               '--pair-prior', f'library={library}', '--gain', 'none', '--prior',
               'theta_e=[0.8, 1.4]']
    result = CliRunner().invoke(main, [str(part) for part in command])
    assert not result.exit_code, result.output
    table = read_table(tmp_path / 'out' / 'injections.parquet')
    assert set(table['arm']) == {'base', 'simulator=sie_stamp'}
    result = CliRunner().invoke(main, [str(part) for part in [
        *command[:-8], '--pair', 'noise', '--pair-prior', 'library=x', '--overwrite']])
    assert result.exit_code == 2 and 'for the one --pair simulator=NAME' in result.output
