# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np

from lensfinder_audit.cli.tests.running import refusal, run, small_table
from lensfinder_audit.files import read_table, write_whole


def test_list_names_checks_and_limits():
    done = run('check', 'list')
    assert done.exit_code == 0
    assert 'hidden-lenses' in done.stdout and 'shortcut_auc' in done.stdout


def test_published_interval_is_named():
    done = run('check', 'interval', 100, 112, 0.826, 0.940)
    assert done.stdout.splitlines()[-1] == '[0.826, 0.94] for 100 of 112 is jeffreys at 95 %'


def test_a_threshold_without_its_negatives_is_not_known():
    assert run('check', 'fpr', 1e-4).stdout.startswith('not known: how many negatives')
    assert 'rests on 5 of them' in run('check', 'fpr', 1e-4, '--n-negatives', 50000).stdout


def test_one_check_writes_its_tables_and_tells_by_its_exit_code(tmp_path):
    table = small_table()
    table['psfsize_r'] = table['psfsize_r'] * np.where(table['label'] == 1, 1.2, 1.0)
    write_whole(table, tmp_path / 'scores.ecsv')
    done = run('check', 'condition-shortcuts', tmp_path / 'scores.ecsv', '-o', tmp_path / 'out')
    assert done.exit_code == 1, done.stderr
    assert 'by seeing alone, without an image' in ' '.join(done.stdout.split())
    assert read_table(tmp_path / 'out' / 'condition_shortcuts.ecsv')['features'][1] == 'seeing'
    assert len(read_table(tmp_path / 'out' / 'findings.ecsv')) == 1
    done = run('check', 'intervals', tmp_path / 'scores.ecsv')
    assert done.exit_code == 0 and 'nothing found' in done.stdout


def test_what_cannot_be_checked_is_refused(tmp_path):
    assert "Did you mean 'tails'?" in refusal(tmp_path, 'check', 'tail', 'x.csv')
    assert 'write it as "check tails SCORES"' in refusal(tmp_path, 'check', 'tails')
    assert '3 numbers were given' in refusal(tmp_path, 'check', 'interval', 1, 2, 0.1)
    assert "'low' is no number" in refusal(tmp_path, 'check', 'tails', 'x.csv', '--limit',
                                           'level=low')


def test_injections_are_checked_from_their_tables(tmp_path):
    from astropy.table import QTable

    rng = np.random.default_rng(0)
    pool = np.repeat(np.arange(5), 200)
    host = np.where(pool == 0, 0, 1000 * pool + rng.integers(0, 60, 1000))
    table = QTable({'host': host, 'cell': pool, 'score': rng.random(1000),
                    'annulus_snr': rng.normal(30, 5, 1000)})
    for i in range(4):
        table[f'feature_{i}'] = rng.normal(size=1000)
    write_whole(table, tmp_path / 'made.ecsv')
    real = QTable({'annulus_snr': rng.normal(20, 5, 300),
                   **{f'feature_{i}': rng.normal(i == 0, 1, 300) for i in range(4)}})
    write_whole(real, tmp_path / 'real.ecsv')
    done = run('check', 'hosts', tmp_path / 'made.ecsv', '--threshold', 0.9)
    assert done.exit_code == 1 and '1 of 5 pools rest on fewer than 10 hosts' in ' '.join(
        done.stdout.split())
    done = run('check', 'match', tmp_path / 'made.ecsv', tmp_path / 'real.ecsv')
    assert 'annulus_snr of injections (median' in ' '.join(done.stdout.split())
    done = run('check', 'realism', tmp_path / 'real.ecsv', tmp_path / 'made.ecsv')
    assert 'a probe tells injections from real lenses' in ' '.join(done.stdout.split())
    assert 'needs one --threshold' in refusal(tmp_path, 'check', 'hosts', tmp_path / 'made.ecsv')
    assert '1 files were given' in refusal(tmp_path, 'check', 'match', tmp_path / 'made.ecsv')
