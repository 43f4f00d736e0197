# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time three ways to bootstrap the AUC of a large sample.

``python benchmarks/auc_bootstrap.py`` draws one sample of 447,000 negatives and
4,788 positives with ties and a block saturated at 1, and bootstraps it

- in a loop that resamples indices and calls `sklearn.metrics.roc_auc_score`,
- in a loop that resamples counts and sums over scores sorted once (NumPy),
- with `lensfinder_audit.measure.ranking.roc_bootstrap`.

The loops are timed on a few resamples and scaled up; the last one is run whole,
with its sorting and tables, after one call that compiles it. The CPU time is the
fairer figure on a machine that others use as well.
"""
import argparse
import sys
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from lensfinder_audit.measure.ranking import auc, delong, roc_bootstrap


#: Bounds: times the processor time of the scikit-learn loop, and relative error of
#: the standard error beside DeLong's.
LEAST_RATIO, MOST_ERROR = 500, 0.02


def make_sample(n_positive, n_negative, shift, rng):
    """Draw scores in float32 with the highest ones saturated at 1."""
    label = np.arange(n_positive + n_negative) < n_positive
    score = 1 / (1 + np.exp(-3 * rng.normal(shift * (label - 1))))
    score = score.astype(np.float32).astype(float)
    score[score >= np.quantile(score[~label], 0.9995)] = 1
    return score, label


def sklearn_loop(score, label, n, rng):
    """Resample the rows of each class and sort them every time."""
    rows = [np.flatnonzero(label), np.flatnonzero(~label)]
    drawn = (np.concatenate([rng.choice(r, len(r)) for r in rows]) for _ in range(n))
    return np.array([roc_auc_score(label[i], score[i]) for i in drawn])


def numpy_loop(score, label, n, rng):
    """Sort once; resample how often every row is drawn."""
    scores, level = np.unique(score, return_inverse=True)
    areas = []
    for _ in range(n):
        negative, positive = (
            np.bincount(rng.choice(level[label == side], (label == side).sum()),
                        minlength=len(scores)) for side in (False, True))
        below = np.cumsum(negative) - negative / 2
        areas.append(np.sum(positive * below) / (negative.sum() * positive.sum()))
    return np.array(areas)


def seconds(function, *args, **options):
    """Return the wall and processor seconds that a call took, and its result."""
    start = np.array([time.perf_counter(), time.process_time()])
    result = function(*args, **options)
    return np.array([time.perf_counter(), time.process_time()]) - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--positives', type=int, default=4788)
    parser.add_argument('--negatives', type=int, default=447_000)
    parser.add_argument('--resamples', type=int, default=10_000)
    parser.add_argument('--timed', type=int, default=5, help='resamples of the loops')
    parser.add_argument('--shift', type=float, nargs='+', default=[1.2, 3.0],
                        help='distance of the classes in standard deviations')
    args = parser.parse_args()
    met = [compare(args, shift) for shift in args.shift]
    return int(not all(met))


def compare(args, shift):
    rng = np.random.default_rng(0)
    score, label = make_sample(args.positives, args.negatives, shift, rng)
    exact = delong(score, label)
    print(f'{args.positives:,} positives, {args.negatives:,} negatives, {np.sum(score == 1):,} '
          f'saturated; AUC {exact.auc:.5f} +- {exact.se:.6f} (DeLong)')
    assert abs(auc(score, label) - roc_auc_score(label, score)) < 1e-12
    roc_bootstrap(score, label, n_resamples=args.resamples)  # compiles
    ours, draws = min((seconds(roc_bootstrap, score, label, n_resamples=args.resamples, seed=i)
                       for i in range(3)), key=lambda pair: pair[0][0])
    print(f'  {"":18s} {"wall s":>9s} {"CPU s":>9s}')
    ratios = {}
    for name, loop in (('scikit-learn loop', sklearn_loop), ('NumPy loop', numpy_loop)):
        spent = seconds(loop, score, label, args.timed, rng)[0] / args.timed * args.resamples
        wall, cpu = spent / ours
        print(f'  {name:18s} {spent[0]:9.1f} {spent[1]:9.1f}  scaled from {args.timed} resamples; '
              f'{wall:.0f} times the wall time of roc_bootstrap, {cpu:.0f} times its CPU time')
        ratios[name] = cpu
    print(f'  {"roc_bootstrap":18s} {ours[0]:9.2f} {ours[1]:9.2f}  {draws.n_resamples:,} resamples '
          f'of {draws.n_units:,} counts; SE / DeLong = {draws.auc.std() / exact.se:.4f}')
    # times are processor times, so that other users of the machine do not matter
    return (ratios['scikit-learn loop'] >= LEAST_RATIO
            and abs(draws.auc.std() / exact.se - 1) <= MOST_ERROR)


if __name__ == '__main__':
    sys.exit(main())
