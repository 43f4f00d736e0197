# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Priors as YAML: the right distributions, row by row, and errors that name the nearest word."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.priors import PRIOR_NAMES, Priors, read_priors
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.testing import check_simulator, example_hosts
from lensfinder_audit.tests.recovery_study import Ring

N = 4000
SEEDS = np.arange(N, dtype=np.uint64) * np.uint64(2**40 + 1) + np.uint64(2**63)
HOSTS = QTable({'type': np.resize(['DEV', 'REX', ''], N), 'light_q': np.linspace(0.2, 1.1, N),
                'light_phi': np.linspace(0, 180, N) * u.deg})
HOSTS['light_q'][::10] = np.nan


def drawn(given, *, name='lens_q', folder='.'):
    systems = Priors({name: given}, folder=folder).draw(Ring(), HOSTS, seeds=SEEDS)
    return np.asarray(getattr(systems[name], 'value', systems[name]))


@pytest.mark.parametrize(('given', 'distribution'), [
    ({'uniform': [0.5, 0.9]}, stats.uniform(0.5, 0.4)),
    ({'normal': [0.5, 0.05]}, stats.norm(0.5, 0.05)),
    ({'truncated': [0.7, 0.2, 0.4, 1]}, stats.truncnorm(-1.5, 1.5, 0.7, 0.2)),
    ({'area': [0.3, 0.9]}, stats.powerlaw(2, 0, 0.9))])
def test_a_distribution_is_the_one_that_is_named(given, distribution):
    values = drawn(given)
    if 'area' in given:  # r^2 is uniform
        values, distribution = values ** 2, stats.uniform(0.09, 0.72)
    assert stats.kstest(values, distribution.cdf).pvalue > 1e-3


def test_a_number_is_the_same_for_all():
    assert (drawn(0.8) == 0.8).all()


def test_a_table_gives_its_values_with_their_weights(tmp_path):
    QTable({'q': [0.4, 0.6, 0.9, np.nan], 'w': [1, 0, 3, 9]}).write(tmp_path / 'q.csv')
    values = drawn({'table': 'q.csv', 'column': 'q', 'weight': 'w'}, folder=tmp_path)
    assert set(values) == {0.4, 0.9}
    assert abs((values == 0.9).mean() - 0.75) < 5 * np.sqrt(0.19 / N)
    spread = drawn({'table': 'q.csv', 'column': 'q', 'scatter': 0.01}, folder=tmp_path)
    assert len(set(spread)) == N
    with pytest.raises(TableError, match="no column 'Q'"):
        Priors({'lens_q': {'table': 'q.csv', 'column': 'Q'}}, folder=tmp_path)


def test_a_prior_can_follow_the_host():
    given = {'host': 'light_q', 'least': 0.3, 'most': 1, 'otherwise': {'uniform': [0.1, 0.2]}}
    values, lost = drawn(given), np.isnan(HOSTS['light_q'])
    assert_array_equal(values[~lost], np.clip(HOSTS['light_q'], 0.3, 1)[~lost])
    assert ((values[lost] >= 0.1) & (values[lost] <= 0.2)).all()
    kept = drawn({'host': 'light_q', 'most': 1})  # without a value the simulator's own stays
    assert_array_equal(kept[lost], Ring().draw(HOSTS, seeds=SEEDS)['lens_q'][lost])
    turned = drawn({'host': 'light_phi', 'scatter': 10}, name='source_x') - HOSTS['light_phi'].value
    assert abs(turned.std() - 10) < 0.5


def test_a_prior_can_depend_on_the_type_of_the_host():
    values = drawn({'by': 'type', 'cases': {'DEV': 0.5, 'else': {'uniform': [0.8, 0.9]}}})
    devaucouleurs = HOSTS['type'] == 'DEV'
    assert (values[devaucouleurs] == 0.5).all() and (values[~devaucouleurs] >= 0.8).all()


def test_a_row_follows_from_its_seed_and_another_prior_changes_nothing():
    priors = Priors({'lens_q': {'uniform': [0.5, 1]}, 'g_r': {'normal': [0.5, 0.1]}})
    whole = priors.draw(Ring(), HOSTS, seeds=SEEDS)
    part = priors.draw(Ring(), HOSTS[7:9], seeds=SEEDS[7:9])
    alone = Priors({'lens_q': {'uniform': [0.5, 1]}}).draw(Ring(), HOSTS, seeds=SEEDS)
    assert_array_equal(part['lens_q'], whole['lens_q'][7:9])
    assert_array_equal(alone['lens_q'], whole['lens_q'])


@pytest.mark.parametrize('name', PRIOR_NAMES)
def test_named_priors_draw_what_the_simulator_can_render(name):
    hosts = example_hosts(40)
    hosts['light_q'], hosts['light_phi'] = np.full(40, 0.7), np.full(40, 30.0) * u.deg
    systems = read_priors(name).draw(SieSersic(), hosts, seeds=SEEDS[:40])
    assert_allclose(systems['magnification'], SieSersic().magnification(systems))
    assert_allclose(systems['lensed_mag_r'].value, systems['source_mag_r'].value
                    - 2.5 * np.log10(systems['magnification']))
    assert_allclose(systems['source_flux_z'].value,
                    10 ** (0.4 * (22.5 - systems['source_mag_z'].value)))
    beta = np.hypot(systems['source_x'] - systems['lens_x'],
                    systems['source_y'] - systems['lens_y']) / systems['theta_e']
    assert (beta > 0.1 - 1e-9).all() and (beta < 0.4 + 1e-9).all()
    if name == 'host_light':
        assert abs(np.median(systems['lens_phi'].value) - 30) < 6


def test_published_priors_are_those_of_the_defaults():
    own = SieSersic().draw(HOSTS, seeds=SEEDS[:N])
    named = read_priors('published').draw(SieSersic(), HOSTS, seeds=SEEDS[:N])
    for name in ('lens_q', 'lens_phi', 'shear_1', 'lens_x', 'source_re', 'source_n', 'source_q',
                 'source_mag_r', 'source_mag_g', 'source_mag_z'):
        first, second = (np.asarray(getattr(table[name], 'value', table[name]))
                         for table in (own, named))
        assert stats.ks_2samp(first, second).pvalue > 1e-3, name
        assert (first != second).any()


def test_what_follows_from_the_parameters_is_derived_again():
    priors = Priors({'theta_e': 2.0, 'lens_x': 0.05})
    before = Ring().draw(HOSTS, seeds=SEEDS)
    systems = priors.draw(Ring(), HOSTS, seeds=SEEDS)
    assert_allclose(systems['magnification'], 8 * np.asarray(systems['lens_q']))
    # the source stays at the same place in Einstein radii from the axis
    for table, theta_e in ((before, 1.5), (systems, 2.0)):
        table['beta'] = (table['source_x'] - table['lens_x']).value / theta_e
    assert_allclose(systems['beta'], before['beta'])
    assert systems['theta_e'].unit == u.arcsec


def test_parameters_of_a_grid_stay():
    systems = Priors({'theta_e': 2.0}).draw(Ring(theta_e=1 * u.arcsec), HOSTS, seeds=SEEDS,
                                            fixed=['theta_e'])
    assert (systems['theta_e'] == 1 * u.arcsec).all()


def test_a_simulator_without_magnification_takes_photometry_alone():
    class Fixed(Ring):
        def draw(self, hosts, *, seeds):
            systems = Ring.draw(Ring(), hosts, seeds=seeds)
            return systems

        def magnification(self, systems):
            raise NotImplementedError('Fixed has no method magnification(systems)')

    systems = Priors({'r_magnitude': 23.0}).draw(Fixed(), HOSTS, seeds=SEEDS)
    assert_allclose(systems['source_mag_r'].value, 23)
    assert_allclose(systems['source_mag_g'].value, 23.5)
    with pytest.raises(ConfigError, match='no method magnification.*only the photometry'):
        Priors({'lens_q': 0.5}).draw(Fixed(), HOSTS, seeds=SEEDS)


@pytest.mark.parametrize(('given', 'said'), [
    ({'lens_qq': 0.5}, "no parameter 'lens_qq'.*Did you mean 'lens_q'"),
    ({'lens_q': {'unifrom': [0, 1]}}, "exactly one of .*Did you mean 'uniform'"),
    ({'lens_q': {'uniform': [0, 1], 'normal': [0, 1]}}, 'exactly one of'),
    ({'lens_q': {'host': 'light_q', 'scater': 1}}, "'scater' does not go with 'host'.*'scatter'"),
    ({'lens_q': {'uniform': [1, 0.5]}}, 'lens_q: the ends are least and greatest'),
    ({'lens_q': {'uniform': 0.5}}, r'uniform takes \[least, greatest\], not 0.5'),
    ({'lens_q': {'normal': [0.5, -1]}}, 'a standard deviation is not negative'),
    ({'lens_q': {'truncated': [0, 0.1, 5, 6]}}, 'nothing of a normal distribution'),
    ({'lens_q': 'round'}, "lens_q is 'round'; give a number, or one of"),
    ({'lens_q': {'by': 'type'}}, 'by: type needs cases'), ({}, 'holds no parameters'),
    ({'magnification': 3}, "no parameter 'magnification'"),
    ({'lens_q': {'normal': [5, 0.1]}}, r'the prior of lens_q gives .*lies in \(0, 1\]'),
    ({'theta_e': 0}, 'the prior of theta_e gives 0, which no system has')])
def test_an_impossible_prior_is_named(given, said):
    with pytest.raises(ConfigError, match=said):
        Priors(given).draw(Ring(), HOSTS[:2], seeds=SEEDS[:2])


def test_files_that_are_no_priors_are_named(tmp_path):
    with pytest.raises(InputFileError, match="no priors of this name.*Did you mean 'published'"):
        read_priors('publishd')
    (tmp_path / 'a.yaml').write_text('lens_q: [1, ')
    with pytest.raises(InputFileError, match='a.yaml: is not YAML'):
        read_priors(tmp_path / 'a.yaml')
    (tmp_path / 'b.yaml').write_text('lens_q: {table: q.csv, column: q}')
    with pytest.raises(InputFileError, match='q.csv: there is no such file'):
        read_priors(tmp_path / 'b.yaml')


def test_the_checksum_follows_values_and_tables(tmp_path):
    def made(value):
        QTable({'q': [value]}).write(tmp_path / 'q.csv', overwrite=True)
        return Priors({'lens_q': {'table': 'q.csv', 'column': 'q'}}, folder=tmp_path).checksum

    assert made(0.4) == made(0.4) != made(0.5)
    assert Priors({'g_r': 1.0}).checksum != Priors({'g_r': 1.1}).checksum


@given(st.floats(0.1, 0.5), st.floats(0, 0.5), st.integers(0, 2**64 - 1))
def test_ends_hold_for_every_seed(low, width, seed):
    for kind in ('uniform', 'area'):
        systems = Priors({'lens_q': {kind: [low, low + width]}}).draw(Ring(), HOSTS[:1],
                                                                      seeds=[seed])
        assert low - 1e-12 <= systems['lens_q'][0] <= low + width + 1e-12


def test_a_simulator_under_priors_keeps_its_contract():
    class Published(SieSersic):
        def draw(self, hosts, *, seeds):
            return read_priors('published').draw(SieSersic(), hosts, seeds=seeds)

    check_simulator(Published())
