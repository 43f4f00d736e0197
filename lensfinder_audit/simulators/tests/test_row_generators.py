# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Generators made together are those made one by one."""
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lensfinder_audit.simulators._row_generators import row_generators

SEEDS = [0, 1, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20).map(lambda seeds: SEEDS + seeds))
def test_numbers_are_those_of_the_default_generator(seeds):
    for seed, rng in zip(seeds, row_generators(seeds), strict=True):
        alone = np.random.default_rng(np.uint64(seed))
        assert rng.bit_generator.state == alone.bit_generator.state
        assert (rng.random(10) == alone.random(10)).all()
        assert (rng.standard_normal(6) == alone.standard_normal(6)).all()


def test_half_used_numbers_do_not_reach_the_next_row():
    found = []
    for rng in row_generators([7, 7]):
        found.append(rng.integers(0, 5, 3, dtype=np.uint32))
    assert (found[0] == found[1]).all()


def test_no_seeds_give_no_generators():
    assert not list(row_generators([]))
