# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest

from lensfinder_audit import _copies_kernel, _copies_numpy, _copy_search
from lensfinder_audit._copy_search import similar_rows, uncommon


def rows_of(n=230, seed=0):
    """Rows in few dimensions, so that many are alike."""
    rows = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    rows[5] = 0
    return rows


def brute(rows, least):
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    return set(zip(*(side.tolist() for side in np.nonzero(np.triu(unit @ unit.T, 1) >= least)),
                   strict=True))


@pytest.mark.parametrize('shape', [(7, 13), (50, 64), (1024, 16_384)])
def test_blocks_of_any_size_give_the_pairs_of_the_whole_matrix(monkeypatch, shape):
    monkeypatch.setattr(_copy_search, '_ROWS', shape[0])
    monkeypatch.setattr(_copy_search, '_COLUMNS', shape[1])
    first, second = similar_rows(rows_of(), 0.85)
    found = set(zip(first.tolist(), second.tolist(), strict=True))
    assert len(found) == len(first) > 100 and found == brute(rows_of(), 0.85)


def test_of_many_equal_rows_each_has_its_most_similar(monkeypatch):
    monkeypatch.setattr(_copy_search, '_ROWS', 16)
    monkeypatch.setattr(_copy_search, '_COLUMNS', 32)
    rows = np.ones((100, 4), np.float32)
    rows[:, 0] += 1e-3 * np.arange(100)
    first, second = similar_rows(rows, 0.5)
    counts = np.bincount(first, minlength=100)
    assert (counts == np.minimum(16, 99 - np.arange(100))).all() and (second > first).all()
    assert set(second[first == 10]) == set(range(11, 27))


def test_no_rows_have_no_pairs():
    for n in (0, 1):
        assert [len(side) for side in similar_rows(np.ones((n, 4), np.float32), 0.5)] == [0, 0]


def test_what_is_common_is_taken_out_and_the_rest_stays():
    rng = np.random.default_rng(1)
    own = rng.normal(size=(3000, 32)).astype(np.float32)
    common = np.eye(32, dtype=np.float32)[3]
    rows = own + 20 * rng.normal(size=(3000, 1)).astype(np.float32) * common + 5
    rows[7:9] = 0  # without an image, which makes them no copies of each other
    uncommon(rows)
    assert not rows[7:9].any() and rows[6].any()
    assert np.abs(rows @ common).max() < 1
    rest = np.delete(np.arange(32), 3)
    assert np.corrcoef(rows[:, rest].ravel(), own[:, rest].ravel())[0, 1] > 0.99


def planes(seed=0):
    rng = np.random.default_rng(seed)
    found = rng.normal(2, 0.5, (6, 31, 33)).astype(np.float32)
    found[0, 10:20, 10:20] += 100
    found[1, ::3] = np.nan
    found[2] = np.nan
    found[3] = 1.5
    found[4, 5] = np.inf
    return found


def test_compiled_and_plain_paths_agree():
    ring = np.flatnonzero(np.hypot(*np.indices((31, 33))) > 25).astype(np.uintp)
    flat, clip = planes().reshape(6, -1), np.float32(3)
    clean = [np.full_like(flat, 9) for _ in range(2)]
    for module, out in zip((_copies_kernel, _copies_numpy), clean, strict=True):
        module.clean_planes(flat, ring, clip, out)
    assert clean[0] == pytest.approx(clean[1], abs=1e-5)
    assert not clean[0][2:4].any() and np.abs(clean[0]).max() == 3
    stack, sums = clean[0].reshape(6, 31, 33), [np.empty((6, 4, 4), np.float32) for _ in range(2)]
    rings = np.hypot(*(np.indices((31, 33)) - 16)).astype(int) // 2
    edges = [np.linspace(0, n, 5).astype(int) for n in (31, 33)]
    for module, out in zip((_copies_kernel, _copies_numpy), sums, strict=True):
        module.block_sums(stack, rings, *edges, clip, out)
    assert sums[0] == pytest.approx(sums[1], abs=1e-3) and np.abs(sums[0]).max() > 1


@pytest.mark.parametrize('shift', [0, 1, 3])
def test_products_at_every_shift_agree(shift):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 2, 3, 9, 11)).astype(np.float32)
    first[rng.random(first.shape) < 0.2] = 0
    found, plain = (module.lag_sums(first, second, shift)
                    for module in (_copies_kernel, _copies_numpy))
    assert found == pytest.approx(plain, abs=1e-3)
    assert found[0, 0, 2 * shift, 3] == np.sum(first[0][:, shift:, :11 - shift] != 0)
