# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np

from lensfinder_audit.cli.tests.running import audit, refusal, run, small_table
from lensfinder_audit.files import read_table, write_whole


def with_second(seed=1):
    table = small_table()
    noise = np.random.default_rng(seed).normal(0, 0.2, len(table))
    table['p_other'] = np.clip(table['p_resnet'] + noise, 0, 1)
    return table


def test_two_columns_of_one_table(tmp_path):
    write_whole(with_second(), tmp_path / 'scores.ecsv')
    done = run('compare', tmp_path / 'scores.ecsv', '--fpr', 0.05, '--resamples', 200,
               '-o', tmp_path / 'out.ecsv')
    assert done.exit_code == 0, done.stderr
    assert 'p is corrected by holm' in done.stdout and 'exact McNemar' in done.stdout
    table = read_table(tmp_path / 'out.ecsv')
    assert table['statistic'].tolist() == ['recovered fraction', 'false-positive rate', 'AUC']
    assert table.meta['cluster'] == 'group'


def test_two_audits_are_joined(tmp_path):
    table = with_second()
    first = audit(tmp_path, table[:500], '--score', 'resnet=p_resnet', out='a', name='a.ecsv')
    second = audit(tmp_path, table, '--score', 'other=p_other', out='b', name='b.ecsv')
    done = run('compare', first, second, '--threshold', 0.5, '--resamples', 200)
    assert done.exit_code == 0, done.stderr
    assert '500 objects are in both tables; 0 of the first and 100 of the second' in done.stderr
    assert 'resnet' in done.stdout and 'other' in done.stdout


def test_one_finder_cannot_be_compared(tmp_path):
    write_whole(small_table(), tmp_path / 'scores.ecsv')
    assert 'a comparison needs two finders' in refusal(tmp_path, 'compare',
                                                       tmp_path / 'scores.ecsv')
