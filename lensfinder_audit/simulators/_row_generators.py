# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
One random generator per row, for many rows at once.

A generator is made from its seed in some twenty steps of 32-bit arithmetic
(O'Neill 2014, the PCG family; her ``seed_seq``), which take ten times as long as
drawing a row's numbers. Here they are done for all seeds together.
"""
import numpy as np

__all__ = ['row_generators']

_MASK = (1 << 128) - 1
_MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
_FIRST, _FIRST_STEP = np.uint32(0x43B0D7E5), np.uint32(0x931E8875)
_SECOND, _SECOND_STEP = np.uint32(0x8B51F9DD), np.uint32(0x58F38DED)
_LEFT, _RIGHT, _HALF = np.uint32(0xCA01F9DD), np.uint32(0x4973F715), np.uint32(16)


def row_generators(seeds):
    """
    Yield, for each seed, a generator in the state of ``numpy.random.default_rng(seed)``.

    Parameters
    ----------
    seeds : (n,) array_like of uint64
        One per row.

    Yields
    ------
    rng : `~numpy.random.Generator`
        The same object each time: take what a row needs before the next one.
    """
    bits = np.random.PCG64(0)
    state, rng = bits.state, np.random.Generator(bits)
    with np.errstate(over='ignore'):  # arithmetic is modulo 2^32
        words = _words(np.asarray(seeds, dtype=np.uint64)).tolist()
    for high, low, sequence_high, sequence_low in words:
        increment = ((sequence_high << 64 | sequence_low) << 1 | 1) & _MASK
        start = increment + (high << 64 | low)
        state['state'] = {'state': (start * _MULTIPLIER + increment) & _MASK, 'inc': increment}
        bits.state = state
        yield rng


def _words(seeds):
    """Return four 64-bit words per seed, as `numpy.random.SeedSequence` generates them."""
    pool, constant = [], _FIRST
    for i in range(4):
        word = (seeds >> np.uint64(32 * i)).astype(np.uint32) if i < 2 else np.zeros(
            len(seeds), dtype=np.uint32)
        word, constant = _hash(word, constant, _FIRST_STEP)
        pool.append(word)
    for i in range(4):
        for j in range(4):
            if i != j:
                word, constant = _hash(pool[i], constant, _FIRST_STEP)
                mixed = _LEFT * pool[j] - _RIGHT * word
                pool[j] = mixed ^ (mixed >> _HALF)
    constant, words = _SECOND, []
    for i in range(8):
        word, constant = _hash(pool[i % 4], constant, _SECOND_STEP)
        words.append(word.astype(np.uint64))
    return np.stack([words[i] | words[i + 1] << np.uint64(32) for i in (0, 2, 4, 6)], axis=1)


def _hash(word, constant, step):
    following = constant * step
    word = (word ^ constant) * following
    return word ^ (word >> _HALF), following
