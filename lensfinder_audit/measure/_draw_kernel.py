# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled loop of `lensfinder_audit.measure.resampling`; imported where it is used.

It gives the numbers that the NumPy path there gives.
"""
import numpy as np

from lensfinder_audit._compiled import compiled
from lensfinder_audit.measure.multinomial import MIX, STEP

MIX_1, MIX_2 = MIX
_27, _30, _31, _32 = (np.uint64(shift) for shift in (27, 30, 31, 32))
_LOW = np.uint64(2**32 - 1)


@compiled
def draw_units(starts, first, counts):
    """Count how often each unit is drawn within its layer, counts (n_resamples, n_units)."""
    one = np.uint8(1)
    for i in range(len(starts)):
        counter = starts[i]
        for layer in range(len(first) - 1):
            units = counts[i, first[layer]:first[layer + 1]]
            size = np.uint64(len(units))
            for k in range((len(units) + 1) // 2):
                counter += STEP
                z = (counter ^ (counter >> _30)) * MIX_1
                z = (z ^ (z >> _27)) * MIX_2
                z = z ^ (z >> _31)
                units[((z >> _32) * size) >> _32] += one
                if 2 * k + 1 < len(units):
                    units[((z & _LOW) * size) >> _32] += one
