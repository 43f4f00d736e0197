# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np

from lensfinder_audit.config import AuditOptions
from lensfinder_audit.example import EXAMPLE_OPTIONS, example_scores, simulate_scores


def test_file_that_ships_is_what_the_simulation_makes():
    shipped, made = example_scores(), simulate_scores()
    assert shipped.colnames == made.colnames
    for name in made.colnames:
        assert shipped[name].unit == made[name].unit
        np.testing.assert_array_equal(np.asarray(shipped[name]), np.asarray(made[name]),
                                      err_msg=name)


def test_example_says_that_it_is_simulated():
    meta = example_scores().meta
    assert meta['simulated'] is True and meta['seed'] == 20261122
    assert 'no number in it is a measurement' in meta['comments']


def test_bricks_hold_one_night():
    table = example_scores()
    for brick in np.unique(table['brick'])[:50]:
        assert len(np.unique(table['nobs_z'][table['brick'] == brick])) == 1


def test_its_options_are_valid():
    AuditOptions.of(**EXAMPLE_OPTIONS)
