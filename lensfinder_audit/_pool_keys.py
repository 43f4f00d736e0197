# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Numbers that stand for objects, and their keyed hash; see `lensfinder_audit.sampling`."""
import hashlib

import numpy as np

#: Columns that name an object, where a file has them.
KEY_COLUMNS = ('release', 'brickid', 'objid', 'object_id', 'brickname')

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9),
        np.uint64(0x94D049BB133111EB))

_BLOCK = 1 << 14  # what stays in the cache of a core while it is mixed


def object_numbers(columns):
    """
    Return a 64-bit number for each object, which depends on its key alone.

    ``release`` (16 bits), ``brickid`` and ``objid`` (24 bits each) make it where the file has
    them, so that it is unique; else it is a hash of ``object_id``; else one of the position,
    to the bit.
    """
    if all(name in columns for name in ('release', 'brickid', 'objid')):
        release, brick, number = (np.asarray(columns[name]).astype(np.uint64)
                                  for name in ('release', 'brickid', 'objid'))
        return (release << np.uint64(48)) | (brick << np.uint64(24)) | number
    if 'object_id' in columns:
        return _digests(str(key).encode() for key in columns['object_id'].tolist())
    ra, dec = (np.asarray(columns[name], dtype=float) + 0.0 for name in ('ra', 'dec'))
    return _digests(pair.tobytes() for pair in np.stack([ra, dec], axis=1))


def _digests(keys):
    found = b''.join(hashlib.blake2b(key, digest_size=8).digest() for key in keys)
    return np.frombuffer(found, np.uint64)


def object_names(columns):
    """Return the text that names each object in a sample."""
    if all(name in columns for name in ('release', 'brickid', 'objid')):
        return np.array(['{}_{}_{}'.format(*key) for key in zip(
            *(np.asarray(columns[name]).tolist() for name in ('release', 'brickid', 'objid')),
            strict=True)], dtype=str)
    if 'object_id' in columns:
        return np.asarray(columns['object_id']).astype(str)
    return np.array([f'J{ra:.6f}{dec:+.6f}' for ra, dec in zip(columns['ra'], columns['dec'],
                                                               strict=True)], dtype=str)


def keyed_hash(numbers, seed):
    """Mix numbers with a seed, one to one (the finaliser of SplitMix64, twice)."""
    numbers = np.asarray(numbers, dtype=np.uint64)
    with np.errstate(over='ignore'):
        key = _mixed(np.array([seed % 2**64], dtype=np.uint64))
        found = np.bitwise_xor(numbers, key)
        for start in range(0, found.size, _BLOCK):
            block = found[start:start + _BLOCK]
            _mixed(_mixed(block))
    return found


def _mixed(values):
    """Mix in place."""
    values += _MIX[0]
    for shift, factor in ((30, _MIX[1]), (27, _MIX[2])):
        values ^= values >> np.uint64(shift)
        values *= factor
    values ^= values >> np.uint64(31)
    return values
