# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A run of injections resumes, is partitioned, paired and replayed, and says what is wrong."""
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
from astropy import units as u
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit import _recovery_run
from lensfinder_audit.cli import injection_run, main
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import (ConfigError, ConformanceError, MeasurementError,
                                         TableError)
from lensfinder_audit.files import write_whole
from lensfinder_audit.injection import GainWarning
from lensfinder_audit.injection_plan import host_pools, plan_injections
from lensfinder_audit.interfaces import Normalizer
from lensfinder_audit.parts import Parts
from lensfinder_audit.priors import Priors
from lensfinder_audit.recovery import cells_table, inject, injected_images, read_injections, replay
from lensfinder_audit.tests.recovery_study import MeanOfAnnulus, Ring, make_hosts

GRID = {'theta_e': [1.0, 2.0] * u.arcsec}
FINDER = MeanOfAnnulus(size=41)


class Stopped(Exception):
    pass


@pytest.fixture(scope='module')
def hosts(tmp_path_factory):
    return make_hosts(tmp_path_factory.mktemp('hosts'))


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(_recovery_run, 'PART_SIZE', 8)


def run(hosts, **options):
    options = {'n': 15, 'grid': GRID, 'seed': 4, 'batch_size': 5, **options}
    return inject(hosts[0], hosts[1], options.pop('finder', FINDER),
                  options.pop('simulator', Ring()), **options)


@pytest.fixture(scope='module')
def injections(hosts):
    return run(hosts)


def assert_same_table(first, second):
    assert first.colnames == second.colnames
    for name in first.colnames:
        a, b = (np.asarray(getattr(table[name], 'value', table[name])) for table in (first, second))
        assert a.dtype.kind == b.dtype.kind and a.tolist() == b.tolist() or (
            np.array_equal(a, b, equal_nan=True)), name
        assert getattr(first[name], 'unit', None) == getattr(second[name], 'unit', None)


# Resuming and partitions

def test_an_interrupted_run_gives_the_same_table(hosts, tmp_path, small_parts):
    whole, made = run(hosts), []

    def stop(n):
        made.append(n)
        if sum(made) >= 20:
            raise Stopped

    with pytest.raises(Stopped):
        run(hosts, parts=tmp_path / 'parts', progress=stop)
    kept = sorted((tmp_path / 'parts').glob('part-*.parquet'))
    before = [path.stat().st_mtime_ns for path in kept]
    seen = []
    again = run(hosts, parts=tmp_path / 'parts', progress=seen.append)
    assert len(kept) == 2 and sum(seen) == 30
    assert [path.stat().st_mtime_ns for path in kept] == before  # not made again
    assert_same_table(again, whole)


@pytest.mark.parametrize('change', [{'seed': 5}, {'batch_size': 4}, {'pair': 'noise'},
                                    {'inputs': {'manifest': 'y'}}, {'gain': 5000.0},
                                    {'priors': Priors({'g_r': 0.5})},
                                    {'simulator': Ring(theta_e=1.6 * u.arcsec)}])
def test_parts_of_another_run_are_not_used(hosts, tmp_path, change):
    settings = {'n': 4, 'grid': None, 'parts': tmp_path / 'parts'}
    run(hosts, **settings)
    finder = MeanOfAnnulus(size=41)
    run(hosts, **settings, finder=finder)
    assert finder.n_scored == 0
    found = run(hosts, **settings | change, finder=finder)
    assert finder.n_scored == len(found)


def test_a_damaged_part_is_made_again(hosts, tmp_path, injections):
    part = tmp_path / 'part-000000.parquet'
    run(hosts, parts=tmp_path)
    for damage in (b'', part.read_bytes()[:900]):
        part.write_bytes(damage)
        assert_same_table(run(hosts, parts=tmp_path), injections)


def test_worker_processes_give_the_same_rows(hosts, tmp_path, monkeypatch, injections):
    monkeypatch.setattr(_recovery_run, 'PART_SIZE', 15)  # whole batches of the cells
    seen = []
    found = run(hosts, parts=tmp_path, engine=LocalEngine(workers=2), progress=seen.append)
    assert_same_table(found, injections)
    assert sum(seen) == 30


@pytest.fixture
def ring_command(monkeypatch):
    """Run ``inject`` with the ring and the finder of these tests."""
    monkeypatch.setattr(_recovery_run, 'PART_SIZE', 4)
    monkeypatch.setattr(injection_run, 'load_finder', lambda *ignored: MeanOfAnnulus(size=41))
    monkeypatch.setattr(injection_run, '_simulator', lambda values: (Ring(), {}))
    return lambda *arguments: CliRunner().invoke(main, [
        'inject', 'annulus', *arguments, '-n', '24', '--threshold', '1'])


SLOW = '''
    import sys, time
    from pathlib import Path
    from lensfinder_audit import _recovery_run
    from lensfinder_audit.cli import injection_run, main
    from lensfinder_audit.tests import recovery_study

    class Slow(recovery_study.MeanOfAnnulus):
        def predict(self, images):
            time.sleep(0.2)
            return super().predict(images)

    Slow.__module__, Slow.__qualname__ = 'lensfinder_audit.tests.recovery_study', 'MeanOfAnnulus'
    Slow.__name__ = 'MeanOfAnnulus'
    _recovery_run.PART_SIZE = 4
    injection_run.load_finder = lambda *ignored: Slow(size=41)
    injection_run._simulator = lambda values: (recovery_study.Ring(), {})
    main(['inject', 'annulus', *sys.argv[1:], '-n', '24', '--threshold', '1'])
'''


def test_a_killed_command_goes_on_to_the_same_bytes(hosts, tmp_path, monkeypatch, ring_command):
    arguments = [str(hosts[1].path.parent / 'hosts.parquet'), '-o', str(tmp_path / 'out')]
    parts = tmp_path / '.out.parts'
    with subprocess.Popen([sys.executable, '-c', textwrap.dedent(SLOW), *arguments]) as process:
        end = time.monotonic() + 100
        while len(list(parts.glob('part-*.parquet'))) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert 2 <= len(list(parts.glob('part-*.parquet'))) < 6 and not (tmp_path / 'out').exists()
    kept = (parts / 'part-000001.parquet').stat().st_mtime_ns
    seen = []
    load = Parts.load
    monkeypatch.setattr(Parts, 'load', lambda self, number, *rest, **more: (
        seen.append(self.path(number).stat().st_mtime_ns) if number == 1 and self.has(1)
        else None,
        load(self, number, *rest, **more))[1])
    assert ring_command(*arguments).exit_code == 0
    assert seen == [kept] and not parts.exists()  # it was not made again
    assert ring_command(arguments[0], '-o', str(tmp_path / 'whole')).exit_code == 0
    name = 'injections.parquet'
    assert (tmp_path / 'out' / name).read_bytes() == (tmp_path / 'whole' / name).read_bytes()


# What is recorded, and replay

def test_a_row_holds_what_made_it(injections, hosts):
    assert set(injections['host']) == set(hosts[0]['object_id'])
    for name in ('source_mag_r', 'source_flux_r', 'magnification', 'arc_snr', 'annulus_snr', 'seed',
                 'score', 'psfsize_r', 'depth_r', 'mag_r', 'nan_fraction', 'missing_bands', 'ebv'):
        assert name in injections.colnames, name
    assert (injections['problem'] == '').all() and len(set(injections['object_id'])) == 30
    meta = injections.meta
    assert meta['gain']['from'] == 'exptime' and 8000 < meta['gain']['electrons_per_nmgy']['r']
    assert meta['checksums']['store'] == hosts[1].checksum()


def test_the_table_survives_its_file(injections, tmp_path):
    write_whole(injections, tmp_path / 'injections.parquet')
    again = read_injections(tmp_path / 'injections.parquet')
    assert_same_table(again, injections)
    assert again.meta['grid'] == {'theta_e': [1.0, 2.0]}
    injections['seed', 'score'].write(tmp_path / 'cut.ecsv')
    with pytest.raises(TableError, match="the injections table has no column 'object_id'"):
        read_injections(tmp_path / 'cut.ecsv')


def test_any_row_is_replayed_bit_for_bit(hosts, tmp_path):
    pairs = {'pair': ['noise', 'psf=1.2']}
    table = run(hosts, parts=tmp_path / 'parts', keep_images=tmp_path / 'images', **pairs)
    run(hosts, parts=tmp_path / 'parts', keep_images=tmp_path / 'images', **pairs)  # adds nothing
    kept, rows = CutoutStore(tmp_path / 'images'), [3, 29, 31, 60, 89]
    images, again = replay(table, rows, *hosts, Ring(), classifier=FINDER, grid=GRID, **pairs)
    assert_array_equal(images, kept.get(table['object_id'][rows]))
    assert np.abs(again['score'] - table['score'][rows]).max() <= 1e-6
    assert len(kept) == 90


def test_replay_with_something_else_is_refused(injections, hosts):
    with pytest.raises(MeasurementError, match='row 3 comes out with source_mag_g = '):
        replay(injections, [3], *hosts, Ring(), grid=GRID, priors=Priors({'g_r': 0.2}))
    with pytest.raises(MeasurementError, match='which are not among those given'):
        replay(injections, [3], hosts[0][:0], hosts[1], Ring(), grid=GRID)


def test_more_injections_begin_with_the_same_ones():
    few, many = (plan_injections(7, n, n_cells=2, seed=3) for n in (5, 40))
    for cell in range(2):
        for name in ('host', 'seed'):
            assert_array_equal(few[name][few['cell'] == cell],
                               many[name][many['cell'] == cell][:5])


# Cells of conditions

def test_cells_are_filled_from_their_own_hosts_or_not_at_all(hosts):
    edges = [0.5, 0.9, 1.2, 1.4, 1.7, 2.5]
    table = run(hosts, host_bins={'psfsize_r': edges}, n=6)
    cells = cells_table(table, min_groups=4)
    assert cells['state'][0] == cells['state'][4] == 'empty'  # hosts have 1.0 to 1.6 arcsec
    assert (cells['n'][cells['state'] == 'empty'] == 0).all()
    assert len(cells) == 10 and cells['n'].sum() == len(table)
    for row in table:
        cell = cells[row['cell']]
        assert cell['psfsize_r_min'] <= row['psfsize_r'].value < cell['psfsize_r_max']
        assert cell['theta_e'] == row['theta_e'].value
    assert (cells['n_distinct_hosts'] <= cells['n_hosts']).all()
    few = cells['state'] == 'unsupported'
    assert_array_equal(few, (cells['n_distinct_hosts'] < 4) & (cells['n_hosts'] > 0))


def test_no_host_in_any_cell_says_where_they_are(hosts):
    with pytest.raises(MeasurementError, match='no host of 12 lies in any cell. psfsize_r of the '
                                               r'hosts is 1\.005.* to 1\.6'):
        run(hosts, host_bins={'psfsize_r': [2.0, 2.5]})


def test_edges_that_fall_are_refused(hosts):
    with pytest.raises(ConfigError, match='need two or more rising edges'):
        host_pools(hosts[0], {'ebv': [0.2, 0.1]})


# Pairs

def test_arms_share_hosts_and_systems(hosts):
    table = run(hosts, pair=['noise=150', 'clip=2', 'psf=gaussian'], n=8)
    base = table[table['arm'] == 'base']
    for arm in ('noise=150', 'clip=2', 'psf=gaussian'):
        other = table[table['arm'] == arm]
        for name in ('injection', 'host', 'seed', 'magnification', 'source_mag_r'):
            assert_array_equal(np.asarray(base[name]), np.asarray(other[name]))
    same = table['arc_snr'][table['arm'] == 'clip=2']
    assert_array_equal(same, base['arc_snr'])
    assert (table['score'][table['arm'] == 'clip=2'] <= 2).all()
    assert (table['score'][table['arm'] == 'noise=150'] != base['score']).any()
    assert (table['arc_snr'][table['arm'] == 'psf=gaussian'] == base['arc_snr']).all()  # same FWHM


def test_an_arm_alone_is_the_run_with_that_gain(hosts):
    pairs = run(hosts, pair='noise', n=6)
    alone = run(hosts, gain='none', n=6)
    assert_array_equal(pairs['score'][pairs['arm'] == 'noise=off'], alone['score'])
    assert not alone.meta['shot_noise']


@pytest.mark.parametrize(('pair', 'said'), [
    ('nois', "cannot change 'nois'.*Did you mean 'noise'"),
    ('simulator', 'needs the other one, such as simulator=lenstronomy'),
    ('psf=gauss', "needs one of .*'gaussian', 'moffat'.*or a factor of its width"),
    ('clip=-1', 'needs a positive number'), (['noise', 'noise'], 'two pairs are the same')])
def test_an_impossible_pair_is_named(hosts, pair, said):
    with pytest.raises(ConfigError, match=said):
        run(hosts, pair=pair)


def test_a_clip_needs_a_normaliser_that_clips(hosts):
    class Plain(Normalizer):
        def normalize(self, flux):
            return flux.astype(np.float32)

    finder = MeanOfAnnulus(size=41)
    finder.normalizer = Plain()
    with pytest.raises(ConfigError, match='needs a normaliser with a parameter clip'):
        run(hosts, finder=finder, pair='clip')


# Gain

def test_a_wrong_gain_is_told_with_numbers(hosts):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always', GainWarning)
        table = run(hosts, gain=150, n=2)
    assert re.search(r'a gain of 150 electrons per nanomaggy in band r is \d+ times smaller',
                     ' '.join(str(item.message) for item in said))
    assert table.meta['gain']['ratio_to_sky']['r'] < 0.05
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert 0.4 < run(hosts, n=2).meta['gain']['ratio_to_sky']['r'] < 3


def test_without_exposure_times_the_gain_is_that_of_sky_and_depth(hosts):
    manifest = hosts[0].copy()
    manifest.remove_columns([f'exptime_{band}' for band in 'grz'])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', GainWarning)  # depths of the hosts are made up
        table = run((manifest, hosts[1]), n=2)
    assert table.meta['gain']['from'] == 'sky' and table.meta['shot_noise']
    with pytest.raises(ConfigError, match="one of .*'exptime'.*not 'exposure'"):
        run(hosts, gain='exposure')


# What simulators can do wrong

def test_rows_that_are_not_finite_are_flagged(hosts):
    table = run(hosts, simulator=Ring(broken='nan'))
    bad = np.asarray(table['seed']) % np.uint64(5) == 0
    assert 0 < bad.sum() < len(table)
    assert_array_equal(np.isnan(table['score']), bad)
    assert (table['problem'][bad] == 'the simulator gave pixels that are not finite').all()
    good = run(hosts)
    assert_array_equal(table['score'][~bad], good['score'][~bad])
    assert cells_table(table)['n_failed'].sum() == bad.sum()


def test_rows_that_cannot_be_made_are_flagged(hosts):
    table, good = run(hosts, simulator=Ring(broken='raises')), run(hosts)
    bad = np.asarray(table['seed']) % np.uint64(5) == 0
    assert 0 < bad.sum() < len(table)
    assert_array_equal(table['problem'] == 'an odd system', bad)
    assert_array_equal(np.asarray(table['seed']), np.asarray(good['seed']))
    assert_array_equal(table['host'], good['host'])
    assert_array_equal(table['psfsize_r'], good['psfsize_r'])
    assert_allclose(table['score'][~bad], good['score'][~bad], rtol=0, atol=1e-6)
    assert np.isnan(table['magnification'][bad]).all()


def test_priors_that_no_system_has_end_the_run_before_it_begins(hosts):
    wide = Priors({'lens_q': {'normal': [0.8, 0.1]}})
    with pytest.raises(ConfigError, match='the prior of lens_q gives 1'):
        run(hosts, priors=wide, grid=None, n=100)


def test_a_wrong_shape_is_an_error(hosts):
    with pytest.raises(ConformanceError, match=r'rendered an array of shape \(5, 3, 40, 41\)'):
        run(hosts, simulator=Ring(broken='shape'))


def test_hosts_without_a_width_are_named_before_the_work(hosts):
    manifest = hosts[0].copy()
    manifest['psfsize_r'][3] = np.nan
    with pytest.raises(TableError, match='psfsize_r of 1 of 12 rows is not a positive number; the '
                                         'first is row 3'):
        run((manifest, hosts[1]))


def test_images_of_some_rows_follow_host_and_seed(injections, hosts):
    rows = np.flatnonzero(injections['theta_e'] == 2 * u.arcsec)[:4]
    order = [hosts[0]['object_id'].tolist().index(name) for name in injections['host'][rows]]
    images, systems = injected_images(hosts[0][order], injections['seed'][rows], hosts[1],
                                      Ring(theta_e=2 * u.arcsec))
    assert_allclose(FINDER(images), injections['score'][rows], rtol=0, atol=1e-6)
    assert_allclose(systems['arc_snr'], injections['arc_snr'][rows], rtol=1e-9)


def test_parts_are_left_in_no_folder_of_the_caller(hosts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(hosts, n=2)
    assert os.listdir() == []
    with pytest.raises(ConfigError, match='keep_images needs a folder for parts'):
        run(hosts, keep_images=tmp_path / 'images')
