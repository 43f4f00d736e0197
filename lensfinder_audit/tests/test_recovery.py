# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from click.testing import CliRunner
from numpy.testing import assert_array_equal

from lensfinder_audit.cli import main
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import ConfigError, MeasurementError, TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.manifest import write_manifest
from lensfinder_audit.mock_sample import ARC_SNR_LIMIT, mock_sample
from lensfinder_audit.recovery import grid_values, inject, injected_images, plan_injections
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.tests.recovery_study import MeanOfAnnulus

THETA_E = {'theta_e': [0.5, 2.0] * u.arcsec}


@pytest.fixture(scope='module')
def hosts(tmp_path_factory):
    folder = tmp_path_factory.mktemp('hosts')
    table, images = mock_sample(16, seed=3, lens_share=0.0)
    with CutoutWriter(folder / 'cutouts', bands='grz', shape=(101, 101),
                      pixel_scale=0.262 * u.arcsec) as writer:
        writer.add(table['object_id'], images)
    write_manifest(table, folder / 'hosts.parquet')
    return folder, table, CutoutStore(folder / 'cutouts')


@pytest.fixture(scope='module')
def injections(hosts):
    _, table, store = hosts
    return inject(table, store, MeanOfAnnulus(), SieSersic(r_magnitude=(21.0, 22.0)), n=20,
                  grid=THETA_E, seed=5)


def test_every_host_is_used_once_before_any_is_used_again():
    plan = plan_injections(7, 17, n_cells=3, seed=1)
    for cell in range(3):
        used = np.bincount(plan['host'][plan['cell'] == cell], minlength=7)
        assert used.min() >= 2 and used.max() <= 3
    assert len(np.unique(plan['seed'])) == 51


def test_no_host_is_an_error():
    with pytest.raises(MeasurementError, match='no host to inject into'):
        plan_injections(0, 5)


def test_unknown_grid_parameter_names_the_nearest():
    with pytest.raises(ConfigError, match="no parameter 'thetae'.*Did you mean 'theta_e'"):
        grid_values(SieSersic(), {'thetae': [1.0]})


def test_injections_hold_the_grid_and_their_hosts(injections, hosts):
    assert_array_equal(np.unique(injections['theta_e'].value), [0.5, 2.0])
    assert set(injections['host']) <= set(hosts[1]['object_id'])
    assert len(injections) == 40 and injections['label'].all()
    assert injections.meta['simulated'] and injections.meta['shot_noise']
    assert np.isfinite(injections['arc_snr']).all()


def test_scores_do_not_depend_on_the_batch(injections, hosts):
    _, table, store = hosts
    again = inject(table, store, MeanOfAnnulus(), SieSersic(r_magnitude=(21.0, 22.0)), n=20,
                   grid=THETA_E, seed=5, batch_size=7)
    assert_array_equal(injections['score'], again['score'])


def test_one_injection_is_replayed_bit_for_bit(injections, hosts):
    _, table, store = hosts
    row = injections[33]
    host = table[table['object_id'] == row['host']]
    simulator = SieSersic(theta_e=2.0 * u.arcsec, r_magnitude=(21.0, 22.0))
    image, systems = injected_images(host, [row['seed']], store, simulator)
    assert systems['source_re'][0] == row['source_re']
    assert MeanOfAnnulus()(image)[0] == pytest.approx(row['score'], abs=1e-6)
    assert_array_equal(image, injected_images(host, [row['seed']], store, simulator)[0])


def test_bright_arcs_raise_the_score_of_their_host(injections, hosts):
    _, table, store = hosts
    plain = dict(zip(table['object_id'], MeanOfAnnulus()(store.get(table['object_id'])),
                     strict=True))
    raised = injections['score'] - np.array([plain[str(name)] for name in injections['host']])
    raised = raised[injections['theta_e'] > 1 * u.arcsec]
    # a host without an r band, or one that is clipped already, stays where it is
    assert (raised >= 0).all() and (raised > 0).mean() > 0.8


def test_hosts_without_psf_width_are_refused(hosts):
    _, table, store = hosts
    table = QTable(table, copy=True)
    table.remove_column('psfsize_g')
    with pytest.raises(TableError, match="no column 'psfsize_g'.*Did you mean 'psfsize_"):
        inject(table, store, MeanOfAnnulus(), SieSersic(), n=1)


def test_mock_lenses_have_arcs_that_a_person_would_see():
    table, images = mock_sample(60, seed=2, lens_share=0.6)
    lenses = table[table['label']]
    assert len(lenses) and (lenses['arc_snr'] >= ARC_SNR_LIMIT).all()
    assert (lenses['confuser_class'] == '').all() and len(images) == len(table)
    again, _ = mock_sample(30, first_row=30, seed=2, lens_share=0.6)
    later = np.isin(table['object_id'], again['object_id'])
    assert_array_equal(table['arc_snr'][later], again['arc_snr'])


def test_inject_command(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr('lensfinder_audit.cli.injection_run.load_finder',
                        lambda *ignored: MeanOfAnnulus())
    command = ['inject', 'annulus', str(hosts[0] / 'hosts.parquet'), '-o', str(tmp_path / 'out'),
               '-n', '12', '--grid', 'theta_e=0.5,2.0', '--prior', 'r_magnitude=[21, 22]',
               '--by', 'theta_e', '--threshold', '1.0']
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert 'of 24 injections in' in result.output
    table = read_table(tmp_path / 'out' / 'recovery_by_theta_e.ecsv')
    assert table['n'].sum() == 24 and table.meta['cluster'] == 'group'
    assert len(read_table(tmp_path / 'out' / 'injections.parquet')) == 24
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2 and 'is there already' in refused.output


def test_inject_command_names_a_wrong_prior(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr('lensfinder_audit.cli.injection_run.load_finder',
                        lambda *ignored: MeanOfAnnulus())
    result = CliRunner().invoke(main, [
        'inject', 'annulus', str(hosts[0] / 'hosts.parquet'), '-o', str(tmp_path / 'out'),
        '--prior', 'einstein=1', '--threshold', '1'])
    assert result.exit_code == 2 and 'theta_e' in result.output
    assert not (tmp_path / 'out').exists()
