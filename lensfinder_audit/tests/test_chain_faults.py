# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Kills, full disks, folders that cannot be written to and damaged files, along the data chain."""
import errno
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from pyarrow import parquet

from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.manifest import cutout_problems, read_manifest
from lensfinder_audit.negatives import Pool
from lensfinder_audit.sources.sweeps import write_mock_sweeps
from lensfinder_audit.tests.test_manifest_build import lenses, others

POOL = ('negatives', 'pool', '--workers', 1, '--rules', 'paper4')
SEEDS = int(os.environ.get('LENSFINDER_AUDIT_KILLS', 2))  # more of them for a long test
NO_SIGKILL = pytest.mark.skipif(sys.platform == 'win32', reason='needs fork and SIGKILL')


@pytest.fixture(scope='module')
def sweeps(tmp_path_factory):
    return write_mock_sweeps(tmp_path_factory.mktemp('sweeps'), n_files=3, n_rows=1200,
                             first=300, suffix='.parquet')


def contents(folder):
    """Every file below a folder but locks; what a kill leaves is gone or is the same."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*'))
            if path.is_file() and path.name != 'lock'}


# Kills

_HOST = '''
import os, shlex, sys
import astropy.io.fits, astropy.table, pyarrow.parquet, scipy.spatial, yaml, healpy
import lensfinder_audit.cli.negatives, lensfinder_audit.cli.manifest, lensfinder_audit.sampling
import lensfinder_audit.manifest_build, lensfinder_audit.negatives, lensfinder_audit.cutouts
import lensfinder_audit.cli.catalog, lensfinder_audit.catalog_build
from lensfinder_audit.cli import main
print('ready', flush=True)
for line in sys.stdin:  # each child is killed by the test, or ends
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1), os.dup2(null, 2)
        try:
            main(shlex.split(line))
        except SystemExit as end:
            os._exit(end.code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
'''


@pytest.fixture(scope='module')
def attempt():
    """Run a command in a process that imported everything; kill it after so many seconds."""
    with subprocess.Popen([sys.executable, '-W', 'ignore', '-c', _HOST], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout.readline() == 'ready\n'

        def run_once(*command, kill_after=None):
            host.stdin.write(' '.join(map(str, command)) + '\n')
            host.stdin.flush()
            child = int(host.stdout.readline())
            if kill_after is not None:
                time.sleep(kill_after)
                with suppress(ProcessLookupError):  # it was faster
                    os.kill(child, signal.SIGKILL)
            return int(host.stdout.readline())

        yield run_once
        host.stdin.close()


def killed_at_random(attempt, command, folder, n_seeds):
    """Kill a command at random moments until it ends; every time the bytes must be the same."""
    start = time.monotonic()
    assert attempt(*command(folder / 'whole')) == 0
    took, killed = time.monotonic() - start, 0
    wanted = contents(folder / 'whole')
    for seed in range(n_seeds):
        moments, place = random.Random(seed), folder / f'cut{seed}'
        for _ in range(2):
            code = attempt(*command(place), kill_after=moments.uniform(0.05, 1) * took)
            killed += code == -signal.SIGKILL
            if code == 0:
                break
            assert not (place / 'm.parquet').exists() or read_manifest(place / 'm.parquet')
        assert code == 0 or attempt(*command(place)) in (0, 2)  # 2: it was finished, and says so
        assert {name: text for name, text in contents(place).items() if '/.' not in f'/{name}'
                } == {name: text for name, text in wanted.items() if '/.' not in f'/{name}'}
    return killed


@NO_SIGKILL
def test_a_sample_that_is_killed_ends_with_the_same_bytes(sweeps, tmp_path, attempt):
    assert attempt(*POOL, sweeps[0], '-o', tmp_path / 'pool') == 0
    killed = killed_at_random(attempt, lambda place: (
        'negatives', 'sample', tmp_path / 'pool', '-o', place / 'sample', '--per-stratum', 20),
        tmp_path / 'runs', SEEDS)
    assert killed >= 1


@NO_SIGKILL
def test_a_match_that_is_killed_ends_with_the_same_bytes(sweeps, tmp_path, attempt):
    rows = read_table(sweeps[1])[:200:10]
    write_whole(QTable({'name': [f'L{i}' for i in range(20)], 'ra': rows['RA'],
                        'dec': rows['DEC']}), tmp_path / 'list.csv')
    (tmp_path / 'plan.yaml').write_text('sources: [{file: list.csv, constants: {reference: '
                                        '"Huang et al. (2020) - arXiv:1906.00970"}}]')
    killed = killed_at_random(attempt, lambda place: (
        'catalog', 'build', tmp_path / 'plan.yaml', '-o', place / 'cat', '--objects',
        sweeps[0].parent), tmp_path / 'runs', SEEDS)
    assert killed >= 1


@NO_SIGKILL
def test_a_manifest_that_is_killed_ends_with_the_same_bytes(tmp_path, attempt):
    tables = {'positives': lenses(), 'negatives': others(900)}
    for name, table in tables.items():
        write_whole(table, tmp_path / f'{name}.parquet')
    killed = killed_at_random(attempt, lambda place: (
        'manifest', 'build', '--positives', tmp_path / 'positives.parquet', '--negatives',
        tmp_path / 'negatives.parquet', '-o', place / 'm.parquet', '--left-out',
        place / 'gone.ecsv'), tmp_path / 'runs', SEEDS)
    assert killed >= 1


# Disks and folders

@contextmanager
def full_disk(at):
    """Files cannot grow beyond so many bytes, as on a full disk; the system itself says so."""
    resource = pytest.importorskip('resource')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize('at', [40, 3000, 20_000])
def test_a_full_disk_is_named_and_the_pool_goes_on_when_there_is_room(sweeps, tmp_path, at):
    command = (*POOL, *sweeps, '-o', tmp_path / 'pool')
    with full_disk(at):
        done = run(*command)
    assert done.exit_code == 2
    assert 'File too large' in done.stderr and len(done.stderr.strip().splitlines()) <= 2
    assert run(*command).exit_code == 0
    assert run(*POOL, *sweeps, '-o', tmp_path / 'other').exit_code == 0
    assert contents(tmp_path / 'pool') == contents(tmp_path / 'other')


def test_a_full_disk_leaves_no_half_of_a_manifest_or_sample(sweeps, tmp_path):
    write_whole(lenses(), tmp_path / 'p.parquet')
    write_whole(others(), tmp_path / 'n.parquet')
    assert run(*POOL, sweeps[0], '-o', tmp_path / 'pool').exit_code == 0
    build = ('manifest', 'build', '--positives', tmp_path / 'p.parquet', '--negatives',
             tmp_path / 'n.parquet', '-o', tmp_path / 'm.parquet')
    sample = ('negatives', 'sample', tmp_path / 'pool', '-o', tmp_path / 's', '--per-stratum', 9)
    before = contents(tmp_path)
    for command in (build, sample):
        with full_disk(2000):
            done = run(*command)
        assert done.exit_code == 2 and 'File too large' in done.stderr
    assert {name: text for name, text in contents(tmp_path).items()
            if not name.startswith('.s.parts')} == before
    assert run(*build).exit_code == run(*sample).exit_code == 0


def test_a_folder_that_cannot_be_written_to_is_named(sweeps, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(arguments[0]))

    write_whole(lenses(), tmp_path / 'p.parquet')
    write_whole(others(), tmp_path / 'n.parquet')
    build = ('manifest', 'build', '--positives', tmp_path / 'p.parquet', '--negatives',
             tmp_path / 'n.parquet', '-o', tmp_path / 'm.parquet')
    monkeypatch.setattr('os.mkdir', refuse)
    for command in ((*POOL, *sweeps, '-o', tmp_path / 'pool'), build):
        done = run(*command)
        assert done.exit_code == 2 and 'Read-only file system' in done.stderr
        assert str(tmp_path) in done.stderr and len(done.stderr.strip().splitlines()) <= 2
    assert not (tmp_path / 'm.parquet').exists() and not (tmp_path / 'pool').exists()


# Damaged inputs

def test_a_damaged_row_group_is_left_out_named_and_mended_alone(sweeps, tmp_path):
    table = parquet.read_table(sweeps[0])
    path = tmp_path / 'sweep.parquet'
    parquet.write_table(table, path, row_group_size=300)
    whole = path.read_bytes()
    column = parquet.read_metadata(path).row_group(1).column(table.column_names.index('TYPE'))
    start = column.dictionary_page_offset or column.data_page_offset
    path.write_bytes(whole[:start] + bytes(60) + whole[start + 60:])
    command = (*POOL, path, '-o', tmp_path / 'pool', '--piece-rows', 300)
    done = run(*command)
    assert done.exit_code == 3
    assert f'Left out: {path}, rows 300 to 599: cannot be read: ' in done.stderr
    assert len(Pool(tmp_path / 'pool').report['parts']) == 3
    refused = refusal(tmp_path, 'negatives', 'sample', tmp_path / 'pool', '-o', tmp_path / 's',
                      '--per-stratum', 5)
    assert '1 pieces are missing' in refused and 'rows 300 to 599' in refused
    done = run('negatives', 'sample', tmp_path / 'pool', '-o', tmp_path / 's', '--per-stratum', 5,
               '--allow-incomplete')
    assert done.exit_code == 3 and 'Not in the pool: ' in done.stderr
    path.write_bytes(whole)
    assert run(*command).exit_code == 0 and not Pool(tmp_path / 'pool').failed
    assert run(*POOL, path, '-o', tmp_path / 'other', '--piece-rows', 300).exit_code == 0
    assert parts_of(tmp_path / 'pool') == parts_of(tmp_path / 'other')


def parts_of(folder):
    return {name: text for name, text in contents(folder).items() if name.endswith('.parquet')}


def test_a_damaged_part_of_a_pool_is_made_again(sweeps, tmp_path):
    command = (*POOL, *sweeps, '-o', tmp_path / 'pool')
    assert run(*command).exit_code == 0
    before, pool = contents(tmp_path / 'pool'), Pool(tmp_path / 'pool')
    part = pool.part(pool.parts[1])
    part.write_bytes(part.read_bytes()[:-100])
    words = refusal(tmp_path, 'negatives', 'sample', tmp_path / 'pool', '-o', tmp_path / 's',
                    '--per-stratum', 5)
    assert part.name in words
    assert run(*command).exit_code == 0
    assert contents(tmp_path / 'pool') == before


def test_lenses_are_matched_to_the_files_that_can_be_read(sweeps, tmp_path):
    rows = read_table(sweeps[0])[:40:10]
    write_whole(QTable({'name': [f'L{i}' for i in range(4)], 'ra': rows['RA'], 'dec': rows['DEC']}),
                tmp_path / 'list.csv')
    (tmp_path / 'plan.yaml').write_text('sources: [{file: list.csv, constants: {reference: '
                                        '"Huang et al. (2020) - arXiv:1906.00970"}}]')
    (tmp_path / 'bad.fits').write_bytes(b'SIMPLE  =')
    write_whole(QTable({'flux': [1.0]}), tmp_path / 'lacking.parquet')
    command = ('catalog', 'build', tmp_path / 'plan.yaml', '-o', tmp_path / 'cat', '--objects',
               sweeps[0], '--objects', tmp_path / 'bad.fits', '--objects',
               tmp_path / 'lacking.parquet')
    done = run(*command, '--dry-run')
    assert done.exit_code == 0 and not (tmp_path / 'cat').exists()
    assert 'to match: 2 pieces, 1,201 rows' in done.stdout
    done = run(*command)
    assert done.exit_code == 3 and 'matched: 4 ' in done.stdout
    assert len(read_table(tmp_path / 'cat' / 'left_out.ecsv')) == 2
    assert 'bad.fits: ' in done.stderr and "lacking.parquet: has no column 'ra'" in done.stderr
    assert list((tmp_path / '.cat.parts').glob('part-*.json'))  # what was read is not read again
    done = run(*command[:7], '--overwrite')
    assert done.exit_code == 0 and not (tmp_path / '.cat.parts').exists()


# Pixels

def test_a_manifest_never_names_an_object_whose_pixels_are_gone(tmp_path):
    keys = ['9010_0_7', '9010_1_7', *(f'9012_{i}_1' for i in range(6))]
    with CutoutWriter(tmp_path / 'store', bands='r', pixel_scale=0.262 * u.arcsec, shape=(5, 5),
                      shard_size=3) as writer:
        writer.add(keys, np.random.default_rng(0).normal(size=(len(keys), 1, 5, 5)))
    write_whole(lenses(), tmp_path / 'p.parquet')
    write_whole(others(), tmp_path / 'n.parquet')
    build = ('manifest', 'build', '--positives', tmp_path / 'p.parquet', '--negatives',
             tmp_path / 'n.parquet', '--store', tmp_path / 'store', '--left-out',
             tmp_path / 'gone.ecsv', '--overwrite', '-o', tmp_path / 'm.parquet')
    assert run(*build).exit_code == 0
    assert set(read_manifest(tmp_path / 'm.parquet')['object_id']) == set(keys)
    shards = sorted((tmp_path / 'store').glob('shard-*.npy'))
    shards[0].write_bytes(shards[0].read_bytes()[:-8])
    shards[2].unlink()
    store = CutoutStore(tmp_path / 'store')
    problems = cutout_problems(read_manifest(tmp_path / 'm.parquet'), store)
    assert set(problems['object_id']) == {*keys[:3], *keys[6:]}
    done = run(*build)
    assert done.exit_code == 3 and 'shard-00000.npy' in done.stderr
    assert read_manifest(tmp_path / 'm.parquet')['object_id'].tolist() == keys[3:6]
    gone = read_table(tmp_path / 'gone.ecsv')
    assert {*keys[:3], *keys[6:]} <= set(gone['object_id'])


def test_dry_runs_count_and_write_nothing(sweeps, tmp_path):
    assert run(*POOL, *sweeps, '-o', tmp_path / 'pool').exit_code == 0
    before = contents(tmp_path)
    done = run('negatives', 'sample', tmp_path / 'pool', '-o', tmp_path / 's', '--per-stratum', 9,
               '--dry-run')
    assert done.exit_code == 0 and 'would be drawn; about ' in done.stdout
    told = int(done.stdout.splitlines()[-1].partition(' ')[0])
    done = run('split', 'assign', sweeps[0], '-o', tmp_path / 'x.parquet', '--dry-run')
    assert done.exit_code == 0 and done.stdout.endswith('nothing was written\n')
    assert contents(tmp_path) == before
    assert run('negatives', 'sample', tmp_path / 'pool', '-o', tmp_path / 's', '--per-stratum',
               9).exit_code == 0
    assert len(read_table(tmp_path / 's' / 'negatives.parquet')) == told
