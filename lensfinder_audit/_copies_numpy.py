# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What `lensfinder_audit._copies_kernel` does, without numba."""
import numpy as np

__all__ = ['clean_planes', 'block_sums', 'lag_sums']


def clean_planes(planes, ring, clip, out):
    """Express planes in units of their noise."""
    sky = planes[:, ring]
    sky = np.where(np.isfinite(sky), sky, np.nan)
    sky[~np.isfinite(sky).any(axis=1)] = 0
    level = np.nanmedian(sky, axis=1, keepdims=True)
    noise = np.float32(1.4826) * np.nanmedian(np.abs(sky - level), axis=1, keepdims=True)
    with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
        z = (planes - level) / noise
    np.clip(np.where(np.isfinite(z), z, 0), -clip, clip, out=out)


def block_sums(planes, ring_of, rows, columns, clip, out):
    """Add up blocks of what is left of planes without bright pixels and without rings."""
    kept = np.where(np.abs(planes) < clip, planes, 0).reshape(len(planes), -1)
    member = (ring_of.ravel()[:, None] == np.arange(ring_of.max() + 1)).astype(np.float32)
    means = (kept @ member) / np.maximum((kept != 0).astype(np.float32) @ member, 1)
    kept = (kept - np.where(kept != 0, means @ member.T, 0)).reshape(planes.shape)
    out[:] = np.add.reduceat(np.add.reduceat(kept, rows[:-1], axis=-2), columns[:-1], axis=-1)


def lag_sums(first, second, shift):
    """Multiply pairs of stamps at every shift."""
    n = 2 * shift + 1
    height, width = first.shape[-2:]
    sums = np.zeros((len(first), n, n, 4))
    for i, dy in enumerate(range(-shift, shift + 1)):
        for j, dx in enumerate(range(-shift, shift + 1)):
            here = first[..., max(-dy, 0):height - max(dy, 0), max(-dx, 0):width - max(dx, 0)]
            there = second[..., max(dy, 0):height - max(-dy, 0), max(dx, 0):width - max(-dx, 0)]
            found = (here * there, here**2 * (there != 0), there**2 * (here != 0),
                     (here != 0) & (there != 0))
            sums[:, i, j] = np.stack([item.sum(axis=(1, 2, 3)) for item in found], axis=1)
    return sums
