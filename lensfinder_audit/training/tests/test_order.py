# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.training.order import (TrainingOrder, ValidationOrder, object_hashes,
                                             symmetries, turned)


@given(n=st.integers(8, 300), effective=st.integers(8, 400), batch=st.integers(1, 64),
       devices=st.integers(1, 4), epoch=st.integers(0, 9))
def test_steps_are_of_equal_size_and_hold_no_stamp_twice(n, effective, batch, devices, epoch):
    passes = -(-min(n, effective) // (batch * devices))
    assume(min(n, effective) >= passes * devices)
    order = TrainingOrder(n, effective_batch=effective, batch_size=batch, seed=3, devices=devices)
    ranks = [order.batches(epoch, rank=rank) for rank in range(devices)]
    assert {len(found) for found in ranks} == {order.n_steps * order.accumulation}
    rows = np.concatenate([rows for found in ranks for rows in found])
    assert len(np.unique(rows)) == len(rows) == order.n_steps * min(n, effective)
    assert max(len(part) for found in ranks for part in found) <= batch
    assert n - len(rows) < order.step_size


def test_devices_share_the_steps_that_one_device_takes():
    alone = TrainingOrder(64, effective_batch=16, batch_size=4, seed=1)
    shared = TrainingOrder(64, effective_batch=16, batch_size=4, seed=1, devices=2)
    both = zip(shared.batches(2), shared.batches(2, rank=1), strict=True)
    assert_array_equal(np.concatenate(alone.batches(2)),
                       np.concatenate([part for pair in both for part in pair]))


def test_epochs_and_seeds_differ_and_repeat():
    order = TrainingOrder(50, effective_batch=10, batch_size=10, seed=1)
    assert_array_equal(order.batches(4), order.batches(4))
    assert not np.array_equal(order.batches(4), order.batches(5))
    with pytest.raises(ConfigError, match='shared by 3 devices'):
        TrainingOrder(2, effective_batch=8, batch_size=4, seed=0, devices=3)


def test_validation_covers_every_stamp_with_equal_numbers_of_batches():
    order = ValidationOrder(11, batch_size=2, devices=3)
    parts = [order.batches(0, rank=rank) for rank in range(3)]
    assert len({len(part) for part in parts}) == 1
    assert set(np.concatenate([rows for part in parts for rows in part])) == set(range(11))


def test_all_eight_symmetries_are_equally_common_and_new_each_epoch():
    hashes = object_hashes([f'object-{i}' for i in range(8000)])
    first, second = (symmetries(hashes, seed=5, epoch=epoch) for epoch in (0, 1))
    counts = np.bincount(first, minlength=8)
    assert len(counts) == 8 and ((counts - 1000) ** 2 / 1000).sum() < 24.3  # chi2, p = 1e-3
    assert abs((first == second).mean() - 1 / 8) < 0.02


@given(rows=st.lists(st.integers(0, 99), min_size=1, max_size=20))
def test_a_symmetry_depends_on_nothing_but_object_seed_and_epoch(rows):
    hashes = object_hashes(np.arange(100).astype(str))
    together = symmetries(hashes, seed=1, epoch=2)
    assert_array_equal(symmetries(hashes[rows], seed=1, epoch=2), together[rows])


def test_only_what_is_asked_for_is_used():
    hashes = object_hashes(np.arange(2000).astype(str))
    for flips, quarter, allowed in ((False, True, {0, 1, 2, 3}), (True, False, {0, 2, 4, 6}),
                                    (False, False, {0}), (True, True, set(range(8)))):
        assert set(symmetries(hashes, seed=0, epoch=0, flips=flips,
                              quarter_turns=quarter).tolist()) == allowed


def test_stamps_are_turned_as_numbers_say():
    image = np.arange(9.0).reshape(1, 1, 3, 3)
    images = np.repeat(image, 8, axis=0)
    found = turned(images, np.arange(8))
    assert_array_equal(found[0], image[0])
    assert_array_equal(found[1, 0, 0], [2, 5, 8])
    assert_array_equal(found[4, 0, 0], [2, 1, 0])
    assert len({part.tobytes() for part in found}) == 8
    assert_array_equal(images[3], image[0])  # a copy was turned
