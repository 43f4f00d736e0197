# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compiled loop of `lensfinder_audit.measure.roc_bootstrap`; imported where it is used.

It does what `draw_counts` and the NumPy path there do, one resample at a time.
"""
import numpy as np

from lensfinder_audit._compiled import compiled
from lensfinder_audit.measure.multinomial import MIX, STEP

MIX_1, MIX_2 = MIX
_11, _27, _30, _31 = (np.uint64(shift) for shift in (11, 27, 30, 31))


@compiled
def _uniform(counter):
    z = (counter ^ (counter >> _30)) * MIX_1
    z = (z ^ (z >> _27)) * MIX_2
    z = z ^ (z >> _31)
    return np.float64(z >> _11) * 2.0**-53


@compiled
def _draw_units(plan, layer, counter, counts):
    """
    Draw the units of a layer for several resamples, counts (n_resamples, n_units).

    The resamples are the inner loop, so that a table is used while it is near.
    Unsigned indices spare the test for negative ones.
    """
    first, items, home, table, least, cdf_first, guide_first, guide_size, cdf, guide = plan
    for unit in range(first[layer], first[layer + 1]):
        t = table[unit]
        ends, hints = cdf[cdf_first[t]:], guide[guide_first[t]:]
        size = np.float64(guide_size[t])
        for i in range(len(counter)):
            counter[i] += STEP
            u = _uniform(counter[i])
            k = np.uint64(hints[np.uint64(u * size)])
            k += np.uint64(u >= ends[k])  # mostly the only step, and no branch
            while u >= ends[k]:
                k += np.uint64(1)
            counts[i, unit] = least[t] + np.int64(k)


@compiled
def _draw(plan, counter, counts):
    """Draw all layers; `counter` moves on."""
    first, items, home = plan[0], plan[1], plan[2]
    for layer in range(len(items) - 1):
        n = items[layer + 1] - items[layer]
        units = slice(first[layer], first[layer + 1])
        _draw_units(plan, layer, counter, counts)
        for i in range(len(counter)):
            while counts[i, units].sum() > n:
                _draw_units(plan, layer, counter[i:i + 1], counts[i:i + 1])
            for _ in range(n - counts[i, units].sum()):
                counter[i] += STEP
                counts[i, home[items[layer] + np.int64(_uniform(counter[i]) * n)]] += 1


@compiled
def _sum_runs(entries, counts, runs):
    run, side, unit, weight = entries
    runs[:] = 0
    for j in range(len(run)):
        runs[run[j], side[j]] += counts[unit[j]] * weight[j]


@compiled
def _measure(runs, fpr, rounding, out):
    """Write AUC, area up to the last FPR, and TPR at the others."""
    n_negative, n_positive = runs[:, 0].sum(), runs[:, 1].sum()
    if n_negative <= 0 or n_positive <= 0:
        out[:] = np.nan
        return
    limits = fpr * n_negative
    slack = limits[:-1] * (1 + rounding)
    furthest = max(limits[-1], slack.max())
    out[:] = 0
    false = true = area = 0.0
    for j in range(len(runs)):
        width, rise = runs[j, 0], runs[j, 1]
        area += width * (true + rise / 2)
        before, start = false, true
        false += width
        true += rise
        if before <= furthest:
            if width > 0 and before < limits[-1]:
                part = min(1.0, (limits[-1] - before) / width)
                out[1] += part * width * (start + part * rise / 2)
            for m in range(len(slack)):
                if false <= slack[m]:
                    out[2 + m] = true
    out[0] = area / (n_negative * n_positive)
    out[1] /= n_negative * n_positive
    out[2:] /= n_positive


@compiled
def resample_block(plan, entries, n_runs, fpr, rounding, starts, out):
    """Fill the rows of ``out``, one per resample; ``starts`` are their counters."""
    counter = starts.copy()
    counts = np.empty((len(starts), plan[0][-1]), dtype=np.int32)
    runs = np.empty((n_runs, 2))
    _draw(plan, counter, counts)
    for i in range(len(starts)):
        _sum_runs(entries, counts[i], runs)
        _measure(runs, fpr, rounding, out[i])
