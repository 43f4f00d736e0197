# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled part of `lensfinder_audit._cutout_packing`.

Importing this module imports numba. The kernel releases the interpreter lock and
starts no threads of its own.
"""
import numpy as np

from lensfinder_audit._compiled import compiled

__all__ = ['encode', 'decode']

_MISSING = np.int16(-32768)
_NAN = np.float32(np.nan)


@compiled
def decode(shard, rows, scales, out, places):
    """Do what `lensfinder_audit._cutout_packing.decode_numpy` does, bit by bit the same."""
    n_bands, height, width = shard.shape[1:]
    for i in range(len(rows)):
        for band in range(n_bands):
            scale = scales[i, band]
            for y in range(height):
                values, to = shard[rows[i], band, y], out[places[i], band, y]
                for x in range(width):
                    value = values[x]
                    to[x] = _NAN if value == _MISSING else np.float32(value) * scale


@compiled
def encode(flux, rows, scales, out):
    """Do what `lensfinder_audit._cutout_packing.encode_numpy` does."""
    n_bands, height, width = flux.shape[1:]
    for i in range(len(rows)):
        for band in range(n_bands):
            scale = np.float64(scales[i, band])
            for y in range(height):
                values, to = flux[rows[i], band, y], out[i, band, y]
                for x in range(width):
                    step = np.rint(np.float64(values[x]) / scale)
                    to[x] = _MISSING if np.isnan(step) else np.int16(step)
