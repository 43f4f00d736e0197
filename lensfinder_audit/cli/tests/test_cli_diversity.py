# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable

from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.files import read_table, write_whole


@pytest.fixture
def scores(tmp_path):
    rng = np.random.default_rng(0)
    lens = np.arange(500) % 5 == 0
    table = QTable({'object_id': np.arange(500).astype(str), 'label': lens,
                    'brick': np.arange(500) // 5, 'p_a': 1 / (1 + np.exp(-rng.normal(2 * lens))),
                    'p_b': 1 / (1 + np.exp(-rng.normal(2 * lens)))})
    write_whole(table, tmp_path / 'scores.ecsv')
    return tmp_path / 'scores.ecsv'


def test_tables_and_words_agree(scores, tmp_path):
    done = run('diversity', scores, '--budget', 50, '--budget', 100, '-o', tmp_path / 'out',
               '--resamples', 200)
    assert done.exit_code == 0, done.stderr
    found = {path.stem: read_table(path) for path in (tmp_path / 'out').iterdir()}
    assert set(found) == {'yields', 'yield_differences', 'diversity', 'discovery_sets', 'objects'}
    assert set(found['yields']['finder']) == {'p_a', 'p_b', 'union', 'intersection'}
    row = found['yields'][0]
    assert f'p_a: {row["found"]:.4g} [' in done.stdout and row['n_groups'] == 100
    sets, objects = found['discovery_sets'], found['objects']
    alone = (objects['found_by, best 50'] == 'p_a') & objects['label']
    assert f'best 50, found by p_a alone: {alone.sum()} lenses' in done.stdout
    assert sets['n_lenses'].sum() == 200  # each budget holds every lens once


def test_bad_input_leaves_nothing_behind(scores, tmp_path):
    out = ('-o', tmp_path / 'out')
    assert 'two finders or more' in refusal(tmp_path, 'diversity', scores, '--score', 'p_a',
                                            '--budget', 10, *out)
    assert 'a budget of 501 must be above 0 and within the 500' in refusal(
        tmp_path, 'diversity', scores, '--budget', 501, *out)
    assert "no column 'brik'. Did you mean 'brick'" in refusal(
        tmp_path, 'diversity', scores, '--budget', 10, '--group', 'brik', *out)
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine.txt').write_text('keep')
    assert refusal(tmp_path, 'diversity', scores, '--budget', 10, '--overwrite', *out)
