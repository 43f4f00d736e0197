# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Faults of stamps, injections and networks, which ``check_power.py`` plants."""
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.checks.alone import run_alone
from lensfinder_audit.checks.images import batch_check
from lensfinder_audit.checks.replay import replay_check
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.interfaces import Classifier
from lensfinder_audit.normalizers.raw_robust import RawRobust
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.recovery import inject, replay
from lensfinder_audit.testing import example_hosts

#: Side of a stamp: of a survey, for copies, and of those that only need to be scored.
SCALE, SIZE, SMALL = 0.262 * u.arcsec, 61, 41


def galaxies(rng, n, size=SMALL):
    """Flattened exponential galaxies of one to a hundred times the noise of a pixel."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    q, phi, radius = (rng.uniform(*ends, (n, 1, 1)) for ends in ((0.4, 1), (0, 3.1), (2, 6)))
    along, across = x * np.cos(phi) + y * np.sin(phi), y * np.cos(phi) - x * np.sin(phi)
    light = 10**rng.uniform(0, 2, (n, 1, 1)) * np.exp(-np.hypot(along, across / q) / radius)
    return light[:, None] + rng.standard_normal((n, 3, size, size), dtype=np.float32)


def write_store(folder, keys, flux):
    """Write stamps into a store."""
    with CutoutWriter(folder, bands='grz', shape=flux.shape[-2:], pixel_scale=SCALE) as out:
        out.add(keys, flux.astype(np.float32))
    return CutoutStore(folder)


def copied(rng, share=0.02, n=100):
    """2 % of 100 lenses stand among 100 negatives, moved by a pixel, with 0.3 sigma of noise."""
    flux, keys = galaxies(rng, 2 * n, SIZE), np.char.add('o', np.arange(2 * n).astype(str))
    for k in range(round(share * n)):
        step = rng.permuted([1, 0]) * rng.choice([-1, 1])
        flux[n + k] = np.roll(flux[k], step, axis=(-2, -1)) + rng.normal(0, 0.3, flux[k].shape)
    table = QTable({'object_id': keys, 'label': np.arange(2 * n) < n, 'score': rng.random(2 * n)})
    with TemporaryDirectory() as folder:
        store = write_store(Path(folder) / 'store', keys, flux)
        found, _ = run_alone('near-duplicates', table, store=store, thresholds=[0.5])
    return any(row['severity'] != 'note' for row in found)


class Blobs(Classifier):
    """Scores the light; a share of it standardised by the batch, as in training."""

    score_kind, bands, pixel_scale = 'logit', ('g', 'r', 'z'), SCALE

    def __init__(self, *, share=0.0):
        self.share, self.stamp_shape, self.normalizer = share, (SMALL, SMALL), RawRobust()

    def predict(self, images):
        light = images[:, :, 10:31, 10:31].mean(axis=(2, 3)) @ np.float32([0.2, 0.5, 0.3])
        if len(images) < 2:
            return (1 - self.share) * light
        own = (light - light.mean()) / max(light.std(), 1e-6)
        return (1 - self.share) * light + self.share * own


def batchwise(rng, share=0.01):
    """1 % of each score is standardised by the 50 stamps of its batch."""
    return bool(batch_check(Blobs(share=share), galaxies(rng, 50).astype(np.float32))[1])


class Run:
    """200 injections into 40 hosts, with all that makes them again."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.hosts = example_hosts(40, seed=0)
        for band, seconds in (('g', 270), ('r', 180), ('z', 300)):
            self.hosts[f'exptime_{band}'] = np.full(40, seconds) * u.s
        noise = np.array([0.004, 0.007, 0.015])[:, None, None]
        self.store = write_store(folder, self.hosts['object_id'], noise * galaxies(rng, 40))
        self.simulator = load_plugin('simulators', 'sie_sersic')()
        self.table = inject(self.hosts, self.store, Blobs(), self.simulator, n=200)

    def again(self, table, row):
        """Return the score of a row, made again."""
        return replay(table, [row], self.hosts, self.store, self.simulator,
                      classifier=Blobs())[1]['score'][0]

    @cache
    def unchanged(self, row):
        """Return that of a row that was left as it is."""
        return self.again(self.table, row)


@cache
def recorded_run():
    """Inject once, into a store that stays until the end; runs differ in what is altered."""
    folder = TemporaryDirectory()
    run = Run(Path(folder.name) / 'store')
    run.folder = folder
    return run


def altered(rng, share=0.05):
    """5 % of 200 records are altered: score by 0.001, Einstein radius by 1 %, or another host."""
    run = recorded_run()
    table, rows = run.table.copy(), set(rng.permutation(200)[:round(200 * share)].tolist())
    for row in rows:
        what = rng.integers(3)
        if what == 0:
            table['score'][row] += 0.001
        elif what == 1:
            table['theta_e'][row] *= 1.01
        else:
            table['host'][row] = run.hosts['object_id'][rng.integers(40)]
    found = replay_check(table, lambda row: run.again(table, row) if row in rows else
                         run.unchanged(row), seed=int(rng.integers(2**31)))[1]
    return bool(found)
