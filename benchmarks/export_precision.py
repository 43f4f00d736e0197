#!/usr/bin/env python
# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How far ONNX Runtime, torch and exact arithmetic are apart, as a network is trained.

``lensfinder-audit export`` compares ONNX Runtime with torch, both in float32. This run tells
which of the two is nearer to the same network in float64, before training and after some
steps of it on stamps of the mock survey::

    python benchmarks/export_precision.py
    python benchmarks/export_precision.py --network efficientnetv2_s --steps 30 60 120
"""
import argparse
import copy
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from lensfinder_audit.classifiers.networks import make_network
from lensfinder_audit.classifiers.onnx import OnnxClassifier
from lensfinder_audit.classifiers.onnx_export import write_onnx
from lensfinder_audit.mock_sample import mock_sample
from lensfinder_audit.normalizers.raw_robust import RawRobust
from lensfinder_audit.testing import example_flux

BANDS, SCALE = 'grz', 0.262


def stamps(n, size):
    """Return normalised stamps of the mock survey, cut about their centers, and labels."""
    table, flux = mock_sample(n, seed=5)
    edge = (flux.shape[-1] - size) // 2
    flux = flux[..., edge:edge + size, edge:edge + size]
    return RawRobust()(flux), np.asarray(table['label'], dtype=bool)


def train(network, images, label, n_steps, *, rng, optimizer, batch=32):
    """Take some steps, with flips, as a training does."""
    network.train()
    for _ in range(n_steps):
        rows = rng.choice(len(label), batch, replace=False)
        picked = torch.from_numpy(images[rows])
        if rng.random() < 0.5:
            picked = picked.flip(3)
        optimizer.zero_grad()
        loss = binary_cross_entropy_with_logits(network(picked)[:, 0],
                                                torch.from_numpy(label[rows].astype(np.float32)))
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def logits(network, images, folder):
    """Return the logits of ONNX Runtime, of torch in float32 and of torch in float64."""
    network = network.eval()
    path = Path(folder) / 'network.onnx'
    write_onnx(network, path, images.shape[1:])
    runtime = OnnxClassifier(path, bands=BANDS, pixel_scale=SCALE, normalizer='raw_robust',
                             score_kind='logit', threads=1)
    with torch.inference_mode():
        single = network(torch.from_numpy(images))[:, 0].numpy().astype(float)
        double = copy.deepcopy(network).double()(torch.from_numpy(images.astype(float)))[:, 0]
    return {'onnx': runtime.predict(images), 'torch': single, 'exact': double.numpy()}


def line(name, found):
    """Return the greatest differences, relative to the larger of 1 and the logit, and of p."""
    exact = found['exact']
    scale = np.maximum(1, np.abs(exact))
    relative = [np.max(np.abs(found[one] - found[other]) / scale) for one, other in (
        ('onnx', 'torch'), ('onnx', 'exact'), ('torch', 'exact'))]
    p = {key: 1 / (1 + np.exp(-np.clip(value, -700, 700))) for key, value in found.items()}
    return (f'{name:28} {np.abs(exact).max():>9.3g} {np.ptp(exact):>9.3g} '
            + ' '.join(f'{value:>10.1e}' for value in relative)
            + f' {np.abs(p["onnx"] - p["torch"]).max():>10.1e}')


def main(argv=None):
    """Train a network step by step and compare at each stop."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--network', default='efficientnetv2_s')
    parser.add_argument('--size', type=int, default=63, help='stamp size in pixels')
    parser.add_argument('--rows', type=int, default=900, help='rows of the mock survey')
    parser.add_argument('--steps', type=int, nargs='+', default=[0, 10, 30, 60, 120])
    parser.add_argument('--rate', type=float, default=3.88e-4, help='learning rate')
    parser.add_argument('--threads', type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    images, label = stamps(options.rows, options.size)
    tried = RawRobust()(example_flux(6, shape=(options.size,) * 2))
    network = make_network(options.network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=1e-4)
    rng = np.random.default_rng(0)
    print(f'{platform.processor() or platform.machine()}, torch {torch.__version__}; '
          f'{options.network}, {len(label)} stamps of {options.size} pixels, {label.sum()} lenses')
    print(f'{"":28} {"|logit|":>9} {"spread":>9} {"onnx-torch":>10} {"onnx-f64":>10} '
          f'{"torch-f64":>10} {"in p":>10}')
    before, loss = 0, float('nan')
    with tempfile.TemporaryDirectory() as folder:
        for step in options.steps:
            if step > before:
                loss = train(network, images, label, step - before, rng=rng, optimizer=optimizer)
            before = step
            for name, what in (('mock survey', images[:64]), ('made-up stamps', tried)):
                print(line(f'{step} steps, {name}', logits(network, what, folder)), flush=True)
            print(f'  loss {loss:.3f}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
