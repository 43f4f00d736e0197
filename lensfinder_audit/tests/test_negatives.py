# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit._pool_keys import keyed_hash, object_numbers
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import (ConfigError, InputFileError, OutputExistsError,
                                         TableError)
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.negatives import Pool, cuts_table, make_pool, plan_pool
from lensfinder_audit.row_tests import Condition
from lensfinder_audit.sample_rules import PRESETS, load_rules
from lensfinder_audit.sampling import draw_sample, wanted_numbers
from lensfinder_audit.sources.sweeps import mock_sweep, write_mock_sweeps
from lensfinder_audit.strata import Strata, derive
from lensfinder_audit.survey_files import read_piece, split_file

ENGINE = LocalEngine(workers=1)


class Shuffled(LocalEngine):
    """Sends everything through pickle and works in another order, as processes do."""

    def map_reduce(self, function, partitions, merge, *, progress=None):
        from functools import reduce

        partitions = list(partitions)
        order = np.random.default_rng(0).permutation(len(partitions))
        function = pickle.loads(pickle.dumps(function))
        found = {i: function(pickle.loads(pickle.dumps(partitions[i]))) for i in order}
        return reduce(merge, [found[i] for i in range(len(partitions))])


@pytest.fixture(scope='module')
def sweeps(tmp_path_factory):
    return write_mock_sweeps(tmp_path_factory.mktemp('sweeps'), n_files=3, n_rows=3000,
                             first=300, suffix='.parquet')


def pool_of(sources, folder, *, rules='paper4', rows=1000, **rest):
    return make_pool(plan_pool(sources, rows=rows), folder, load_rules(rules), engine=ENGINE,
                     **rest)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())
            if path.name != 'lock'}


# Rules and strata

@given(st.floats(-5, 5) | st.just(np.nan), st.integers(0, 2**13))
def test_conditions_are_what_they_say(value, bits):
    columns = {'x': np.array([value]), 'bits': np.array([bits])}
    assert Condition({'x': {'min': 1, 'below': 3}})(columns)[0] == (1 <= value < 3)
    assert Condition({'x': {'above': 1, 'max': 3}})(columns)[0] == (1 < value <= 3)
    assert Condition({'bits': {'without_bits': [1, 12]}})(columns)[0] == (
        not bits & 2 and not bits & 4096)


def test_presets_are_the_published_rules():
    rules = load_rules('paper4')
    assert rules.cuts['type'].tests == {'type': {'in': ['SER', 'DEV', 'REX']}}
    assert 'EXP' in load_rules('all').cuts['type'].tests['type']['in']
    assert (rules.negatives_per_positive, rules.confuser_fraction) == (100, 0.15)
    edge_on = rules.confusers['edge-on'][0]
    assert edge_on({'type': np.array(['EXP', 'REX']), 'ellipticity': np.array([0.5, 0.9]),
                    'shape_r': np.array([0.6, 9])}).tolist() == [True, False]
    for name in PRESETS:
        strata = Strata(load_rules(name).strata)
        impossible = strata.impossible(load_rules(name).cuts.values())
        assert [label for label, no in zip(strata.labels, impossible, strict=True) if no] == [
            label for label in strata.labels if label.startswith('nobs_z 1 to 3')]


@pytest.mark.parametrize(('text', 'words'), [
    ('cutz: {}', "unknown key 'cutz'. Did you mean 'cuts'?"),
    ('cuts: {z: {mag_z: {belwo: 20}}}', "cuts: z: mag_z: has an unknown key 'belwo'. Did you "
                                        "mean 'below'?"),
    ('cuts: {z: {mag_z: {below: x}}}', "below: must be a number; it is 'x'"),
    ('cuts: {z: {mag_z: 20}}', "must be tests such as"),
    ('strata: {nobs_z: [3, 1]}', 'must be classes, or rising edges'),
    ('sampling: {confuser_fraction: 15}', 'must lie between 0 and 1; it is 15'),
    ('confusers: {ring: {type: DEV}}', 'must be a list'),
    ('cuts: [', 'is not YAML at line 1'), ('- 1', 'holds no rules'),
    ('exclusion_radius: -1', 'between 0 and 3600 arcsec'),
    ('cuts: {m: {maskbits: {without_bits: [70]}}}', 'without_bits: must be a list')])
def test_faults_of_a_rules_file_are_named(tmp_path, text, words):
    (tmp_path / 'rules.yaml').write_text(text)
    with pytest.raises(ConfigError, match='rules.yaml: ') as error:
        load_rules(tmp_path / 'rules.yaml')
    assert words in str(error.value)


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'paper4'?"):
        load_rules('papr4')


def test_derived_magnitudes_and_depths_are_those_of_the_survey():
    assert_allclose(derive('depth_r', {'psfdepth_r': np.array([100.0, 0])}), [23.253, np.nan],
                    atol=5e-4)
    assert_allclose(derive('dered_mag_z', {'flux_z': np.array([10.0]),
                                           'mw_transmission_z': np.array([0.1])}), 17.5)
    assert_allclose(derive('ellipticity', {'shape_e1': np.array([0.3]),
                                           'shape_e2': np.array([-0.4])}), 0.5)


# Files

def test_columns_come_in_the_units_and_names_of_the_package(tmp_path):
    QTable({'RA': [0.1] * u.rad, 'Flux_R': [2.0]}).write(tmp_path / 'a.fits')
    QTable({'RA': [0.1] * u.rad, 'Flux_R': [2e-9] * u.mgy}).write(tmp_path / 'a.parquet')
    write_whole(QTable({'ra': [np.degrees(0.1)], 'other': [2.0]}), tmp_path / 'b.csv')
    for name, names in (('a.fits', {}), ('a.parquet', {}), ('b.csv', {'flux_r': 'other'})):
        piece, = split_file(tmp_path / name)
        found, = read_piece(piece, {'ra': 'x', 'mag_r': 'x', 'objid': '?'}, names=names)
        assert_allclose(found['ra'], np.degrees(0.1))
        assert_allclose(found['mag_r'], 22.5 - 2.5 * np.log10(2))
        assert 'objid' not in found


def test_wrong_units_and_missing_columns_are_named(tmp_path):
    QTable({'ra': [1.0] * u.s}).write(tmp_path / 'a.fits')
    piece, = split_file(tmp_path / 'a.fits')
    with pytest.raises(TableError, match="column 'ra' is in 's'; it must be in deg"):
        list(read_piece(piece, {'ra': 'position'}))
    with pytest.raises(TableError, match="no column 'raa', which the rules need .cut 'x'.. Did "
                                         "you mean 'ra'?"):
        list(read_piece(piece, {'raa': "cut 'x'"}))


def test_simulated_sweeps_have_the_real_layout(real_data):
    real = Table.read(real_data / 'survey-conditions' / 'sweep-310m005-320p000.fits')
    mock = Table(mock_sweep(300, 10))
    assert mock.colnames[:96] == real.colnames
    assert [mock[name].dtype.newbyteorder('=').str[-2:] for name in real.colnames] == [
        real[name].dtype.newbyteorder('=').str[-2:] for name in real.colnames]
    assert {'PSFSIZE_R', 'SERSIC', 'SHAPE_R'} < set(mock.colnames)


# Pool

def test_the_pool_is_what_the_cuts_leave(sweeps, tmp_path):
    everything = np.concatenate([mock_sweep(300 + i, 3000) for i in range(3)])
    lens = everything[[7, 11]]
    pool = pool_of(sweeps, tmp_path / 'pool', lenses=(lens['RA'], lens['DEC']))
    keep = np.isin(everything['TYPE'], [b'SER', b'DEV', b'REX'])
    keep &= everything['FLUX_Z'] > 10
    keep &= np.min([everything[f'NOBS_{band}'] for band in 'GRZ'], axis=0) >= 3
    keep &= everything['MASKBITS'] & sum(1 << bit for bit in (1, 5, 6, 7, 11, 12, 13)) == 0
    keep[[7, 11]] = False
    found = np.concatenate([read_table(pool.part(number))['objid'] for number in pool.parts])
    assert len(found) == keep.sum() == pool.report['n_pool']
    table = cuts_table(pool)
    assert table['cut'][-2:].tolist() == ['near a known lens', 'outside the strata']
    assert table['n_fail'][-2] == 2
    assert_array_equal(table['n_before'] - table['n_removed'], table['n_left'])
    assert_array_equal(table['n_left'][:-1], table['n_before'][1:])
    assert table['n_left'][-1] == len(found)


def test_a_missing_position_is_cut_and_a_wrong_one_refused(tmp_path):
    rows = Table(mock_sweep(300, 50))
    rows['RA'][3] = np.nan
    rows.write(tmp_path / 'a.fits')
    pool = pool_of([tmp_path / 'a.fits'], tmp_path / 'pool')
    assert cuts_table(pool)['n_fail'][0] == 1
    rows['DEC'][4] = 95
    rows.write(tmp_path / 'b.fits')
    with pytest.raises(TableError, match='1 positions are not on the sky, the first has .* dec 95'):
        pool_of([tmp_path / 'b.fits'], tmp_path / 'pool')


def test_text_where_numbers_belong_is_named_and_an_unknown_mask_is_no_pass(tmp_path):
    (tmp_path / 'rules.yaml').write_text('cuts: {mask: {maskbits: {without_bits: [1]}}}')
    write_whole(QTable({'ra': [1., 2, 3], 'dec': [1., 2, 3], 'maskbits': [np.nan, 2, 4]}),
                tmp_path / 'a.parquet')
    pool = pool_of([tmp_path / 'a.parquet'], tmp_path / 'pool', rules=tmp_path / 'rules.yaml')
    assert pool.report['n_pool'] == 1
    write_whole(QTable({'ra': [1.], 'dec': [1.], 'maskbits': ['x']}), tmp_path / 'b.csv')
    with pytest.raises(TableError, match="column 'maskbits' must hold numbers; it holds text, "
                                         "such as 'x'"):
        pool_of([tmp_path / 'b.csv'], tmp_path / 'other', rules=tmp_path / 'rules.yaml')


def test_a_corrupt_file_in_the_middle_is_named_and_mended_alone(tmp_path):
    files = write_mock_sweeps(tmp_path, n_files=3, n_rows=500, first=300)
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:len(whole) // 2])
    Table({'RA': [1.0], 'DEC': [2.0]}).write(tmp_path / 'lacking.parquet')
    pool = pool_of([*files, tmp_path / 'lacking.parquet'], tmp_path / 'pool')
    assert len(pool.failed) == 2
    assert 'is cut short' in pool.failed[str(files[1])]
    assert 'has no column' in next(text for name, text in pool.failed.items() if 'lacking' in name)
    before = contents(tmp_path / 'pool')
    files[1].write_bytes(whole)
    mended = pool_of(files, tmp_path / 'pool')
    fresh = pool_of(files, tmp_path / 'fresh')
    assert not mended.failed and contents(tmp_path / 'pool') == contents(tmp_path / 'fresh')
    parts = {name for name in before if name.startswith('part-')}
    assert parts < set(contents(tmp_path / 'pool')) and len(fresh.parts) == 3


def test_a_folder_of_something_else_and_a_pool_of_other_rules_are_left_alone(sweeps, tmp_path):
    (tmp_path / 'spark').mkdir()
    (tmp_path / 'spark' / 'part-00000.parquet').write_text('mine')
    with pytest.raises(OutputExistsError, match='holds something else'):
        pool_of(sweeps[:1], tmp_path / 'spark')
    assert contents(tmp_path / 'spark') == {'part-00000.parquet': b'mine'}
    pool_of(sweeps[:1], tmp_path / 'pool')
    before = contents(tmp_path / 'pool')
    with pytest.raises(OutputExistsError, match='finished pool of other rules'):
        pool_of(sweeps[:1], tmp_path / 'pool', rules='all')
    assert contents(tmp_path / 'pool') == before
    assert pool_of(sweeps[:1], tmp_path / 'pool', rules='all', overwrite=True).rules.name == 'all'


def test_an_unfinished_pool_and_one_of_nothing_are_refused(tmp_path):
    (tmp_path / 'a.fits').write_text('not FITS')
    with pytest.raises(InputFileError, match='a.fits: cannot be read'):
        pool_of([tmp_path / 'a.fits'], tmp_path / 'pool')
    assert not (tmp_path / 'pool').exists()
    with pytest.raises(InputFileError, match='is no finished pool of negatives'):
        Pool(tmp_path)


def test_conditions_of_bricks_are_joined(tmp_path):
    rows = mock_sweep(300, 400)
    bricks = np.unique(rows['BRICKNAME'])
    table = QTable({'brick': np.char.decode(bricks), 'seeing': 1 + np.arange(len(bricks)) / 1000})
    lacking = [name for name in rows.dtype.names if not name.startswith('PSFSIZE_R')]
    Table(rows[lacking]).write(tmp_path / 'a.fits')
    text = 'columns: {psfsize_r: seeing, brick: BRICKNAME}\nkeep: [psfsize_r]\n'
    (tmp_path / 'rules.yaml').write_text(text)
    pool = pool_of([tmp_path / 'a.fits'], tmp_path / 'pool', rules=tmp_path / 'rules.yaml',
                   join=(table, 'brick'))
    found = read_table(pool.part(pool.parts[0]))
    place = {name: i for i, name in enumerate(np.char.decode(bricks).tolist())}
    assert_allclose(found['psfsize_r'], [1 + place[name] / 1000 for name in found['brickname']])


# Sample

@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=50), st.integers(0, 2**64 - 1))
def test_the_hash_is_one_to_one(numbers, seed):
    assert len(set(keyed_hash(np.array(numbers, dtype=np.uint64), seed).tolist())) == len(numbers)


def splitmix(value):
    """Steele et al. 2014, in whole numbers of any size."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


def test_the_hash_is_the_published_one_however_many_are_hashed():
    assert splitmix(0) == 0xE220A8397B1DCDAF  # its first number from seed 0
    numbers = np.random.default_rng(0).integers(2**64, size=40_000, dtype=np.uint64)
    before, found = numbers.copy(), keyed_hash(numbers, 42)
    for i in (0, 1, 16_383, 16_384, 39_999):
        assert found[i] == splitmix(splitmix(int(numbers[i]) ^ splitmix(42)))
        assert found[i] == keyed_hash(numbers[i:i + 1], 42)[0]
    assert_array_equal(numbers, before)


def test_keys_do_not_depend_on_the_rows_beside_them():
    columns = {'release': np.array([9012, 10000]), 'brickid': np.array([662174, 3]),
               'objid': np.array([20000, 0])}
    numbers = object_numbers(columns)
    assert numbers[0] == (9012 << 48) | (662174 << 24) | 20000
    text = object_numbers({'object_id': np.array(['a', 'bc'])})
    assert object_numbers({'object_id': np.array(['bc'])})[0] == text[1]
    place = object_numbers({'ra': np.array([1.0, -0.0]), 'dec': np.array([2.0, 0.0])})
    assert object_numbers({'ra': np.array([0.0]), 'dec': np.array([0.0])})[0] == place[1]


def test_any_partitioning_and_any_engine_give_the_same_sample(sweeps, tmp_path):
    rows = np.concatenate([mock_sweep(300 + i, 3000) for i in range(3)])
    shuffled = rows[np.random.default_rng(0).permutation(len(rows))]
    Table(shuffled).write(tmp_path / 'all.fits')
    samples = []
    for number, (sources, size, engine) in enumerate((
            (sweeps, 700, ENGINE), (sweeps, 10**6, Shuffled()),
            ([tmp_path / 'all.fits'], 4321, Shuffled()))):
        pool = make_pool(plan_pool(sources, rows=size), tmp_path / f'pool{number}',
                         load_rules('paper4'), engine=engine)
        sample = draw_sample(pool, seed=5, engine=engine, per_stratum=60)
        write_whole(sample.negatives, tmp_path / f'{number}.parquet')
        write_whole(sample.strata, tmp_path / f'{number}.ecsv')
        samples.append([(tmp_path / f'{number}.{kind}').read_bytes()
                        for kind in ('parquet', 'ecsv')])
    assert samples[0] == samples[1] == samples[2]


def test_a_sample_is_the_least_hashes_with_weights_that_add_up(sweeps, tmp_path):
    pool = pool_of(sweeps, tmp_path / 'pool')
    sample = draw_sample(pool, seed=5, engine=ENGINE, per_stratum=60)
    assert sample.negatives['weight'].sum() == pytest.approx(sample.strata['n_pool'][
        sample.strata['n_sampled'] > 0].sum())
    parts = [read_table(pool.part(number)) for number in pool.parts]
    group = np.concatenate([part['_group'] for part in parts])
    number = np.concatenate([part['_number'] for part in parts])
    wanted = set()
    for code, n in enumerate(sample.strata['n_sampled'].tolist()):
        mine = number[group == code]
        wanted |= set(mine[np.argsort(keyed_hash(mine, 5))[:n]].tolist())
    names = {f'{key >> 48}_{key >> 24 & 0xFFFFFF}_{key & 0xFFFFFF}' for key in wanted}
    assert set(sample.negatives['object_id'].tolist()) == names
    other = draw_sample(pool, seed=6, engine=ENGINE, per_stratum=60)
    assert set(other.negatives['object_id']) != names
    assert {'full', 'impossible'} <= set(sample.strata['state'])
    rings = np.char.find(sample.negatives['confuser_classes'].astype(str), 'ring') >= 0
    assert rings.sum() == sample.confusers['n_sampled'][0]
    assert set(sample.negatives['kind'][rings]) == {'N2'}


def test_draws_are_unbiased_over_seeds(sweeps, tmp_path):
    pool = pool_of(sweeps, tmp_path / 'pool', rows=10**6)
    flux = np.concatenate([np.asarray(read_table(pool.part(number))['flux_r'])
                           for number in pool.parts])
    means = []
    for seed in range(8):
        table = draw_sample(pool, seed=seed, engine=ENGINE, per_stratum=40).negatives
        means.append(np.average(table['flux_r'].value, weights=table['weight']))
    error = 4 * np.std(means) / 8**0.5
    assert np.mean(means) == pytest.approx(flux.mean(), abs=error)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 500)), min_size=1, max_size=5),
       st.integers(0, 20))
def test_n1_fills_up_where_n2_runs_short(available, positives):
    wanted, drawn = wanted_numbers(available, load_rules('paper4'),
                                   positives=[positives] * len(available))
    assert (wanted.sum(axis=1) == 100 * positives).all() and (drawn <= available).all()
    for (n1, n2), (want1, want2), (got1, got2) in zip(available, wanted, drawn, strict=True):
        assert got2 == min(want2, n2)
        assert got1 == min(want1 + want2 - got2, n1)


def test_an_object_that_comes_twice_counts_once(tmp_path):
    rows = mock_sweep(300, 800)
    Table(rows).write(tmp_path / 'a.fits')
    Table(rows[:400]).write(tmp_path / 'b.fits')
    pool = pool_of([tmp_path], tmp_path / 'pool')
    table = draw_sample(pool, seed=1, engine=ENGINE, per_stratum=1000).negatives
    assert len(set(table['object_id'])) == len(table)
    assert table.meta['n_repeated'] > 0


def test_numbers_must_be_asked_for_in_one_way():
    with pytest.raises(ConfigError, match='give either lenses'):
        wanted_numbers([[1, 1]], load_rules('all'))


# A user's path, and kills

def test_commands(sweeps, tmp_path):
    lenses = QTable({'ra': [1.0], 'dec': [2.0], 'nobs_z': [4], 'type': ['DEV']})
    write_whole(lenses, tmp_path / 'lenses.csv')
    done = run('negatives', 'pool', *sweeps, '-o', tmp_path / 'pool', '--known',
               tmp_path / 'lenses.csv', '--workers', 1)
    assert done.exit_code == 0, done.stderr
    assert 'exposures' in done.stdout
    done = run('negatives', 'sample', tmp_path / 'pool', '-o', tmp_path / 'out', '--positives',
               tmp_path / 'lenses.csv', '--workers', 1)
    assert done.exit_code == 0 and '1 lenses, 1 of them in the strata' in done.stdout
    table = read_table(tmp_path / 'out' / 'negatives.parquet')
    assert len(table) == 100 and (table['kind'] == 'N2').sum() == 15
    assert table['psfsize_r'].unit == u.arcsec and set(table['type']) == {'DEV'}
    assert len(read_table(tmp_path / 'out' / 'strata.ecsv')) == 24
    done = run('negatives', 'pool', tmp_path / 'lenses.csv', '-o', tmp_path / 'x', '--dry-run')
    assert done.stdout.startswith('1 pieces, 1 rows; at most ')
    assert 'no finished pool' in refusal(tmp_path, 'negatives', 'sample', tmp_path / 'out', '-o',
                                         tmp_path / 'y', '--per-stratum', 3)
    assert "unknown key 'cut'" in refusal(
        tmp_path, 'negatives', 'pool', tmp_path / 'lenses.csv', '-o', tmp_path / 'x', '--rules',
        rules_file(tmp_path))


def rules_file(folder):
    path = folder / 'rules.yaml'
    path.write_text('cut: {}\n')
    return path


_KILLED = '''
import os, sys
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.files import write_whole
from lensfinder_audit.negatives import Pool, cuts_table, make_pool, plan_pool
from lensfinder_audit.sample_rules import load_rules
from lensfinder_audit.sampling import draw_sample
import astropy.io.fits, pyarrow.parquet
import lensfinder_audit.sky_index, scipy.spatial, pyarrow, yaml
sources, out = sys.argv[1:-1], sys.argv[-1]
print('ready', flush=True)
for line in sys.stdin:  # each child is killed by the test, or ends
    child = os.fork()
    if not child:
        folder = os.path.join(out, line.strip())
        pool = make_pool(plan_pool(sources, rows=600), os.path.join(folder, 'pool'),
                         load_rules('paper4'), engine=LocalEngine(workers=1))
        sample = draw_sample(pool, seed=3, engine=LocalEngine(workers=1), per_stratum=50,
                             parts=os.path.join(folder, 'parts'))
        write_whole(sample.negatives, os.path.join(folder, 'sample.parquet'), overwrite=True)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
'''


@pytest.mark.skipif(sys.platform == 'win32', reason='needs fork and SIGKILL')
def test_a_run_that_is_killed_anywhere_ends_with_the_same_bytes(sweeps, tmp_path):
    command = [sys.executable, '-W', 'ignore', '-c', _KILLED, str(sweeps[0]), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as host:
        assert host.stdout.readline() == 'ready\n'

        def attempt(folder, kill_after=None):
            host.stdin.write(f'{folder}\n')
            host.stdin.flush()
            child = int(host.stdout.readline())
            if kill_after is not None:
                time.sleep(kill_after)
                with suppress(ProcessLookupError):  # it was faster
                    os.kill(child, signal.SIGKILL)
            return int(host.stdout.readline())

        assert attempt('whole') == 0
        start = time.monotonic()
        assert attempt('again') == 0
        took, killed = time.monotonic() - start, 0
        for seed in range(5):
            moment = random.Random(seed).uniform(0.05, 0.9) * took
            killed += attempt(f'cut{seed}', moment) == -signal.SIGKILL
            assert attempt(f'cut{seed}') == 0
            for name in ('pool', '.'):
                whole, cut = ({path.name: path.read_bytes() for path in (tmp_path / one / name)
                               .iterdir() if path.is_file()} for one in ('whole', f'cut{seed}'))
                assert whole == cut
        host.stdin.close()
    assert killed >= 1


def test_parent_sample_of_luminous_galaxies(real_data, tmp_path):
    folder = real_data / 'survey-conditions'
    (tmp_path / 'rules.yaml').write_text('''
cuts:
  type: {type: {in: [SER, DEV, REX, EXP]}}
  magnitude: {mag_z: {below: 20.0}}
  declination: {dec: {above: -18, below: 32}}
exclusion_radius: 11
strata:
  type: [SER, DEV, REX, EXP]
  psfsize_r: [0.5, 1.25, 1.4, .inf]
  depth_r: [22, 24.2, 25, .inf]
confusers:
  ring: [{type: {in: [DEV]}, flux_r: {min: 5}}]
  blue clumpy: [{g_r: {max: 0.4}, mag_r: {max: 20.5}}]
columns: {psfsize_r: median_psf_r_arcsec, depth_r: median_psfdepth_r, ebv: median_ebv}
keep: [ebv]
''')
    done = run('negatives', 'pool', folder / 'dr10_lrg_parent_6826.parquet', '-o',
               tmp_path / 'pool', '--rules', tmp_path / 'rules.yaml', '--known',
               real_data / 'lens-catalogs' / 'desi_candidates.csv', '--join',
               folder / 'dr10_regions_psf_depth_ebv.csv', '--on', 'region_id', '--workers', 1)
    assert done.exit_code == 0, done.stderr
    pool = Pool(tmp_path / 'pool')
    table = cuts_table(pool)
    assert table['n_before'][0] == 6826 and table['cut'][-2] == 'near a known lens'
    assert 0 < pool.report['n_pool'] < 6826
    sample = draw_sample(pool, seed=42, engine=ENGINE, per_stratum=20)
    assert sample.negatives['weight'].sum() == pytest.approx(pool.report['n_pool'])
    assert (sample.negatives['psfsize_r'] > 0.5 * u.arcsec).all()
