# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A small sample that a small network learns in a moment."""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.manifest import read_manifest, write_manifest

SIZE = 21

#: Changes to a preset that make it small.
SMALL = {'network_arguments': {'first': 8, 'widths': [8, 16], 'blocks': 1}, 'stamp_size': SIZE,
         'epochs': 2, 'effective_batch': 32, 'batch_size': 16, 'learning_rate': 0.01, 'threads': 1}


def make_sample(folder, *, n=120, flux=None, **columns):
    """Write a manifest and a store of noise, with a faint square in the lenses."""
    rng = np.random.default_rng(0)
    label = rng.random(n) < 0.3
    pixels = rng.normal(0, 0.02, (n, 3, SIZE, SIZE)).astype(np.float32)
    pixels[label, :, 7:14, 7:14] += 0.015
    pixels = pixels if flux is None else flux(pixels)
    keys = np.array([f'object-{i}' for i in range(n)])
    with CutoutWriter(folder / 'cutouts', bands='grz', shape=pixels.shape[2:],
                      pixel_scale=0.262 * u.arcsec) as writer:
        writer.add(keys, pixels)
    split = np.where(np.arange(n) < n * 2 // 3, 'train', 'val')
    table = QTable({'object_id': keys, 'label': label, 'split': split, 'weight': np.where(
        label, 1.0, 20.0), 'tier': np.where(label, np.where(np.arange(n) % 2, 'A', 'B'), '')})
    table.meta['simulated'] = True
    for name, values in columns.items():
        table[name] = values
    write_manifest(table, folder / 'manifest.parquet')
    return read_manifest(folder / 'manifest.parquet'), CutoutStore(folder / 'cutouts')
