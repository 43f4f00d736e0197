# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train a small network on the mock survey, to have a finder to audit.

    pip install 'lensfinder_audit[torch]' onnx onnxscript
    python training/train_demo_network.py sample WORK      # renders the mock survey
    python training/train_demo_network.py fit WORK MODEL.onnx

Every random number follows from the seeds below. The card beside the model says
how long it took and what came out on a sample that was not trained on.
"""
import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

SEEDS = {'train': 101, 'validation': 202}
ROWS = {'train': 30000, 'validation': 10000}
PART = 500
CROP = slice(19, 82)  # the network looks at the inner 63 pixels
CHANNELS = (24, 48, 96, 128)
EPOCHS, BATCH, RATE, DECAY = 14, 128, 2e-3, 1e-4
NEGATIVES_PER_LENS = 3


def render_part(job):
    """
    Render one part of the mock survey, normalise it and keep it as float16.

    Lenses are kept a second time as they would look without their arcs: same
    galaxy, same noise. The gates use these as their null.
    """
    from lensfinder_audit.mock_sample import mock_sample
    from lensfinder_audit.normalizers.raw_robust import RawRobust
    from lensfinder_audit.simulators.mock_galaxies import render_objects

    folder, split, first = job
    path = Path(folder) / f'{split}-{first:06d}.npz'
    if not path.exists():
        table, images = mock_sample(PART, first_row=first, seed=SEEDS[split])
        names = [name for name in table.colnames
                 if name.startswith(('psfsize', 'psfdepth', 'nobs')) or name == 'ebv']
        conditions = np.stack([np.asarray(getattr(table[name], 'value', table[name]), dtype=float)
                               for name in names], axis=1)
        unlensed = render_objects(table[np.asarray(table['label'])])
        part = path.with_suffix('.part.npz')
        np.savez(part, images=RawRobust()(images).astype(np.float16), conditions=conditions,
                 unlensed=RawRobust()(unlensed).astype(np.float16), brick=np.asarray(table['brick']),
                 label=np.asarray(table['label']), family=np.asarray(table['confuser_class']))
        part.rename(path)
    return path


def make_sample(folder):
    """Render both splits with two processes; parts that are there are kept."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    jobs = [(folder, split, first) for split, n in ROWS.items() for first in range(0, n, PART)]
    with ProcessPoolExecutor(2) as pool:
        for done, path in enumerate(pool.map(render_part, jobs), start=1):
            print(f'\r{done} of {len(jobs)} parts', end='', flush=True)
    print()


def load_split(folder, split):
    """Return the images, labels, families and conditions of a split."""
    parts = [np.load(path) for path in sorted(Path(folder).glob(f'{split}-??????.npz'))]
    return {name: np.concatenate([part[name] for part in parts])
            for name in ('images', 'unlensed', 'label', 'family', 'conditions', 'brick')}


def make_network():
    """
    Build a small network in the style of the shielded ResNet.

    Pre-activated bottleneck blocks as of Lanusse et al. 2018 (arXiv:1703.02642),
    with a 1 x 1 convolution before each stage that halves the resolution.
    """
    import torch
    from torch import nn

    class Bottleneck(nn.Module):
        def __init__(self, width):
            super().__init__()
            inner = width // 2
            self.path = nn.Sequential(
                nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, inner, 1, bias=False),
                nn.BatchNorm2d(inner), nn.ReLU(),
                nn.Conv2d(inner, inner, 3, padding=1, bias=False),
                nn.BatchNorm2d(inner), nn.ReLU(), nn.Conv2d(inner, width, 1, bias=False))

        def forward(self, x):
            return x + self.path(x)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            layers, before = [nn.Conv2d(3, CHANNELS[0], 5, stride=2, padding=2, bias=False)], None
            for width in CHANNELS:
                if before:
                    layers += [nn.Conv2d(before, width, 1, bias=False), nn.AvgPool2d(2, ceil_mode=True)]
                layers += [Bottleneck(width), Bottleneck(width)]
                before = width
            self.features = nn.Sequential(*layers, nn.BatchNorm2d(before), nn.ReLU())
            self.head = nn.Linear(before, 1)
            self.register_buffer('shift', torch.zeros(1))

        def forward(self, image):
            embedding = self.features(image[:, :, CROP, CROP]).mean(dim=(2, 3))
            return self.head(embedding)[:, 0] + self.shift, embedding

    return Network()


def fit(folder, model_path):
    """Train, put the log odds of the sampling right, measure and export."""
    import torch

    start = time.time()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    train, held = load_split(folder, 'train'), load_split(folder, 'validation')
    network = make_network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    lenses, others = np.flatnonzero(train['label']), np.flatnonzero(~train['label'])
    per_epoch = len(lenses) * (1 + NEGATIVES_PER_LENS)
    steps = EPOCHS * (per_epoch // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    loss_of = torch.nn.BCEWithLogitsLoss()
    for epoch in range(EPOCHS):
        network.train()
        drawn = rng.choice(others, NEGATIVES_PER_LENS * len(lenses), replace=False)
        rows = rng.permutation(np.concatenate([lenses, drawn]))
        total = 0.0
        for i in range(per_epoch // BATCH):
            chosen = rows[i * BATCH:(i + 1) * BATCH]
            images = torch.from_numpy(turned(train['images'][chosen], rng).astype(np.float32))
            label = torch.from_numpy(train['label'][chosen].astype(np.float32))
            optimizer.zero_grad()
            loss = loss_of(network(images)[0], label)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f'epoch {epoch + 1}: loss {total / (per_epoch // BATCH):.4f}, '
              f'{time.time() - start:.0f} s', flush=True)
    network.eval()
    # the sample had fewer negatives for each lens than the survey has
    network.shift += float(np.log(NEGATIVES_PER_LENS * len(lenses) / len(others)))
    measured = measure(network, held)
    card = make_card(measured, train, held, network, time.time() - start)
    export(network, model_path, card)
    print(json.dumps(measured, indent=1))


def turned(images, rng):
    """Flip and turn each stamp at random."""
    out = np.empty_like(images)
    for i, (turns, flip) in enumerate(zip(rng.integers(0, 4, len(images)),
                                          rng.integers(0, 2, len(images)), strict=True)):
        image = images[i, :, :, ::-1] if flip else images[i]
        out[i] = np.rot90(image, turns, axes=(1, 2))
    return out


def scores_of(network, images):
    """Return the logits of normalised images."""
    import torch

    with torch.no_grad():
        return np.concatenate([network(torch.from_numpy(images[i:i + 256].astype(np.float32)))[0]
                               for i in range(0, len(images), 256)])


def measure(network, held):
    """Measure ranking and the shortcut gates on the validation split."""
    from lensfinder_audit.measure.ranking import auc, tpr_at_fpr

    logit = scores_of(network, held['images'])
    rates = {f'TPR at FPR {fpr:g}': round(float(tpr_at_fpr(logit, held['label'], fpr)['tpr'][0]), 4)
             for fpr in (1e-2, 1e-3)}
    return {'AUC': round(float(auc(logit, held['label'])), 4), **rates,
            'n_lenses': int(held['label'].sum()), 'n_negatives': int((~held['label']).sum()),
            'gates (AUC)': gates(held)}


def gates(held):
    """
    Separate lenses from negatives by what a finder should not live on.

    Logistic regressions, cross-validated over 5 folds that share no brick: on the
    core, on the sky annulus and on the observing conditions. Beside each stand the
    same lenses without their arcs, and labels given to negatives at random.
    """
    y, x = np.ogrid[:101, :101]
    radius = np.hypot(y - 50, x - 50)
    parts = {'core': radius < 0.8 / 0.262, 'annulus': (radius >= 32.5) & (radius < 45)}
    rng = np.random.default_rng(0)
    lenses, negatives = np.flatnonzero(held['label']), np.flatnonzero(~held['label'])
    random = rng.permutation(len(negatives)) < len(lenses)
    brick = np.concatenate([held['brick'][lenses], held['brick'][negatives]])
    label = np.arange(len(brick)) < len(lenses)
    found = {}
    for name, inside in parts.items():
        plain, with_arcs, without = (images[:, :, inside].reshape(len(images), -1).astype(np.float32)
                                     for images in (held['images'][negatives],
                                                    held['images'][lenses], held['unlensed']))
        found |= {f'{name}: lenses': area(np.concatenate([with_arcs, plain]), label, brick),
                  f'{name}: the same galaxies without arcs':
                      area(np.concatenate([without, plain]), label, brick),
                  f'{name}: labels at random': area(plain, random, held['brick'][negatives])}
    conditions = held['conditions']
    found['conditions: lenses'] = area(conditions[np.concatenate([lenses, negatives])], label, brick)
    found['conditions: labels at random'] = area(conditions[negatives], random,
                                                 held['brick'][negatives])
    return found


def area(features, label, groups):
    """Return the cross-validated AUC of a logistic regression."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    steps = [StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)]
    if features.shape[1] > 200:  # of an annulus of 9,108 pixels
        steps.insert(0, PCA(200, svd_solver='randomized', random_state=0))
    found = cross_val_predict(make_pipeline(*steps), features, label, groups=groups,
                              cv=GroupKFold(5), method='decision_function')
    return round(float(roc_auc_score(label, found)), 3)


def make_card(measured, train, held, network, seconds):
    """Say what the network is, how it was made and what it cannot do."""
    return {
        'bands': ['g', 'r', 'z'], 'stamp_shape': [101, 101], 'pixel_scale': 0.262,
        'normalizer': 'raw_robust', 'score_kind': 'logit', 'simulated': True,
        'parameters': sum(item.numel() for item in network.parameters()),
        'architecture': 'pre-activated bottlenecks with 1 x 1 shields, inner 63 pixels, widths '
                        + ', '.join(map(str, CHANNELS)),
        'command': 'python training/train_demo_network.py sample WORK && '
                   'python training/train_demo_network.py fit WORK MODEL.onnx',
        'seeds': SEEDS, 'n_train_lenses': int(train['label'].sum()),
        'n_train_negatives': int((~train['label']).sum()), 'epochs': EPOCHS,
        'training_seconds': round(seconds), 'validation': measured,
        'limitations': [
            'trained and validated on the mock survey alone; it has never seen the sky',
            'known lenses of the mock survey have arcs that a person would see; fainter ones were '
            'not trained on',
            'negatives were not cleaned, and need no cleaning: the mock survey has no hidden lens',
            'probabilities refer to the share of lenses in its own training sample, about one in eight']}


def export(network, path, card):
    """Write the ONNX file with its metadata, and check it against torch."""
    import onnx
    import onnxruntime
    import torch

    example = torch.randn(4, 3, 101, 101, generator=torch.Generator().manual_seed(1))
    torch.onnx.export(network, (example,), str(path), input_names=['image'],
                      output_names=['logit', 'embedding'], dynamo=False,
                      dynamic_axes={'image': {0: 'n'}, 'logit': {0: 'n'}, 'embedding': {0: 'n'}})
    model = onnx.load(str(path))
    for key, value in card.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(str(path))
    with torch.no_grad():
        difference = np.abs(session.run(None, {'image': example.numpy()})[0]
                            - network(example)[0].numpy()).max()
    assert difference < 1e-4, difference
    Path(path).with_suffix('.json').write_text(json.dumps(card, indent=1) + '\n')


def main():
    global EPOCHS
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--small', action='store_true',
                        help='a few parts and one epoch, to try the script')
    parser.add_argument('step', choices=('sample', 'fit'))
    parser.add_argument('folder')
    parser.add_argument('model', nargs='?')
    given = parser.parse_args()
    if given.small:
        EPOCHS = 1
        ROWS.update(train=2 * PART, validation=PART)
    if given.step == 'sample':
        make_sample(given.folder)
    else:
        fit(given.folder, Path(given.model))


if __name__ == '__main__':
    main()
