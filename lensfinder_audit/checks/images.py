# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Checks that look at stamps: what simple features give away, how a finder answers to changes."""
import numpy as np

from lensfinder_audit.checks.shortcuts import gate_findings, gate_table
from lensfinder_audit.findings import Finding, Limits
from lensfinder_audit.image_features import image_features
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.near_duplicates import near_duplicates
from lensfinder_audit.response import batch_table, response_table

__all__ = ['image_shortcuts', 'image_gates', 'batch_check', 'near_copies',
           'response_check']

#: Features that hold nothing of a galaxy, and those that hold all of one but its arcs.
_BLIND, _GALAXY = ('sky annulus', 'missing pixels'), ('core', 'radial profile')

#: Stamps of each class that are looked at, at most, and in one batch.
_MOST, _BATCH = 3000, 256

#: Those of each class among which an audit looks for copies.
_COPIES = 5_000


def image_shortcuts(case):
    """Probe the stamps of a sample, where their store is given."""
    if case.store is None:
        return
    label = np.asarray(case.sample['label'])
    keys = case.keys()
    rows = _classes(case, _MOST)
    features = _read(case.store, keys[rows])
    group = case.group()
    table, found = image_gates(features, label[rows], limits=case.limits,
                               group=None if group is None else group[rows],
                               seed=case.options.seed)
    case.tables['image_shortcuts'] = table
    yield from found


def _classes(case, most):
    """Return rows of both classes, at most so many of each, drawn at random."""
    rng, label = np.random.default_rng([case.options.seed, 0x57a]), np.asarray(case.sample['label'])
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(label == side))[:most]
                                   for side in (True, False)]))


def _read(store, keys):
    parts = {name: [] for name in (*_BLIND, *_GALAXY)}
    for _, flux in store.batches(keys, _BATCH):
        for name, found in parts.items():
            found.append(image_features(flux, name))
    return {name: np.concatenate(found) for name, found in parts.items()}


class _Known:
    """Features of stamps, all of which have them."""

    def __init__(self, values):
        self.values, self.known = values, np.ones(len(values), dtype=bool)

    def features(self, rows):
        return self.values[rows]


def image_gates(features, label, *, group=None, limits=None, n_permutations=200, seed=0):
    """Probe sets of image features with a permutation null, and say which part the classes."""
    limits = limits or Limits()
    table = gate_table({name: _Known(values) for name, values in features.items()}, label,
                       group=group, n_permutations=n_permutations, seed=seed)
    names = np.asarray(table['features'])
    found = gate_findings(table[np.isin(names, _BLIND)], limits, 'image shortcuts',
                          'image_shortcuts', 'by the {}, in which there is no galaxy,',
                          'Take both classes from the same images; a finder learns this first.')
    for row in table[np.isin(names, _GALAXY)]:
        if row['lo'] > limits.galaxy_auc and row['p_value'] < limits.level:
            found.append(Finding(
                'note', 'image shortcuts', f'the {row["features"]} alone tells lenses from '
                f'negatives with AUC {row["auc"]:.3f} [{row["lo"]:.3f}, {row["hi"]:.3f}] out of '
                'sample; so much of a high score needs no arc', 'image_shortcuts',
                'Match negatives to lenses in brightness, color and profile.'))
    return table, found


def _surely(row):
    """Return the one-sided lower bound of the fraction that crosses the threshold."""
    return binomial_interval(row['crossing'] * row['n'], row['n'], method='clopper-pearson',
                             sides=1)[0]


def batch_check(classifier, flux, *, limits=None):
    """Score stamps in other batches, and say whether that changes a score."""
    table = batch_table(classifier, flux)
    return table, _batches(table, limits or Limits(), 'batch')


def _batches(table, limits, evidence):
    """Say how much scores depend on the batch, from rows that changed nothing else."""
    over = table[np.asarray(table['largest']) > limits.batch_change]
    if not len(over):
        return []
    worst = over[np.argmax(over['largest'])]
    return [Finding('severe', 'batch dependence', 'the score of a stamp depends on the batch it is '
                    f'in, by up to {worst["largest"]:.2g} ({", ".join(over["change"])})',
                    f'{evidence}, {worst["change"]}', 'Put the network into evaluation mode.')]


def response_check(classifier, flux, *, limits=None, **options):
    """Change stamps, and say to what a finder answers that it should not."""
    limits = limits or Limits()
    table, found = response_table(classifier, flux, **options), []
    found += _batches(table[np.asarray(table['change']) == 'alone'], limits, 'response')
    for row in table:
        if row['should_stay'] and _surely(row) > limits.crossing:
            found.append(Finding('warning', 'response', f'after the change "{row["change"]}" '
                                 f'{row["crossing"]:.1%} of {row["n"]} stamps change sides of the '
                                 'threshold', f'response, {row["change"]}',
                                 'Average scores over such changes, or train with them.'))
        elif not row['should_stay'] and row['rank_correlation'] > limits.color_blind:
            found.append(Finding('note', 'response', 'bands in reverse order leave the ranks as '
                                 'they are: the finder does not see color', 'response',
                                 'Check that the bands reach it.'))
    return table, found


def near_copies(case):
    """Look for stamps of the same pixels under different names."""
    if case.store is None:
        return
    rows = np.arange(len(case.sample)) if case.whole else _classes(case, _COPIES)
    pairs = near_duplicates(case.store, case.keys()[rows], least=case.limits.near_duplicate,
                            progress=_counted(case.progress, len(rows)))
    names, label = np.asarray(case.sample['object_id']).astype(str), np.asarray(
        case.sample['label'], dtype=bool)
    first, second = rows[np.asarray(pairs['first'])], rows[np.asarray(pairs['second'])]
    pairs['first_id'], pairs['second_id'] = names[first], names[second]
    pairs['first_label'], pairs['second_label'] = label[first], label[second]
    case.tables['near_duplicates'] = pairs
    if not len(pairs):
        return
    across = int((label[first] != label[second]).sum())
    apart = _apart(case, first, second)
    words = [f'{n} of them {what}' for n, what in (
        (across, 'a lens and a negative'), (apart, 'on two sides of a split')) if n]
    yield Finding('severe' if across or apart else 'warning', 'near duplicates',
                  f'{len(pairs):,} pairs of stamps, of {len(rows):,} that were looked at, show the '
                  f'same pixels{", " * bool(words)}{" and ".join(words)}', 'near_duplicates',
                  'Keep one of each pair, with the label that is right, and split after that.')


def _counted(progress, total):
    """Turn how many were just read into how many of all."""
    ends = []
    return progress and (lambda n: (ends.append(n), progress(sum(ends), total)))


def _apart(case, first, second):
    """Count pairs of which the finder was trained on one, or that a split parts."""
    for name in ('split', 'in_training'):
        if name in case.sample.colnames:
            side = np.asarray(case.sample[name]).astype(str)
            return int((side[first] != side[second]).sum())
    return 0
