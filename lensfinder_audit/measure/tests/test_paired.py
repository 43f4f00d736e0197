# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import QTable
from scipy.stats import norm

from lensfinder_audit.exceptions import MeasurementError, TableError
from lensfinder_audit.measure.paired import paired_table


def design(first, second, group=None):
    n = len(first)
    return QTable({'injection': np.tile(np.arange(n), 2), 'score': np.concatenate([first, second]),
                   'group': np.tile(np.arange(n) if group is None else group, 2),
                   'arm': np.repeat(['base', 'psf'], n)})


def test_discordant_pairs_and_their_published_p_value():
    first = np.concatenate([np.ones(27), np.zeros(6), np.ones(40), np.zeros(27)])
    second = np.concatenate([np.zeros(27), np.ones(6), np.ones(40), np.zeros(27)])
    row = paired_table(design(first, second), threshold=0.5)[0]
    assert (row['n_only_base'], row['n_only_arm'], row['n_both'], row['n_neither']) == (
        27, 6, 40, 27)
    assert row['p_value'] == pytest.approx(3.2e-4, rel=0.02) and row['difference'] == -0.21
    se = np.sqrt((27 + 6) / 1e4 - 0.21 ** 2 / 100)
    half = norm.ppf(0.975) * se
    assert row['lo'] == pytest.approx(-0.21 - half, abs=0.02)
    assert row['hi'] == pytest.approx(-0.21 + half, abs=0.02)


def test_the_order_of_rows_does_not_matter_and_lost_scores_are_counted():
    rng = np.random.default_rng(0)
    table = design(rng.random(200), rng.random(200))
    table['score'][3] = np.nan
    mixed = table[rng.permutation(400)]
    for first, second in zip(paired_table(table, threshold=0.5)[0],
                             paired_table(mixed, threshold=0.5)[0], strict=True):
        assert first == second or abs(first - second) < 0.01
    assert paired_table(table, threshold=0.5)['n_left_out'][0] == 1


def test_groups_make_the_interval_longer():
    rng = np.random.default_rng(1)
    group = np.arange(400) // 40
    change = rng.random(10)[group] < 0.3  # whole hosts change
    alone, clustered = (paired_table(design(np.ones(400), np.where(change, 0, 1), g),
                                     threshold=0.5)[0] for g in (None, group))
    assert clustered['n_groups'] == 10
    assert clustered['hi'] - clustered['lo'] > 3 * (alone['hi'] - alone['lo'])


@pytest.mark.parametrize(('change', 'error', 'said'), [
    (lambda t: t[:4], MeasurementError, "the arms are .'base'.; a paired table needs 'base' and"),
    (lambda t: t['injection', 'score', 'arm'], TableError, "no column 'group'"),
    (lambda t: QTable({**t, 'score': [np.nan] * 8}), MeasurementError, 'no pair of 4 has a score')])
def test_what_is_no_paired_design_is_named(change, error, said):
    with pytest.raises(error, match=said):
        paired_table(change(design(np.ones(4), np.zeros(4))), threshold=0.5)
