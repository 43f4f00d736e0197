# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""One finder's objects from the best to the worst, and what each resample finds of them."""
import numpy as np

__all__ = ['RankedYield']

# Objects beyond the budget that a resample may need, to begin with.
_SPARE = 2.0


class RankedYield:
    """One finder's objects from the best to the worst, in levels of equal score."""

    def __init__(self, score, label, mass, resampler):
        order = np.argsort(-score, kind='stable')
        self.starts = np.flatnonzero(np.append(True, np.diff(score[order]) != 0))
        self.ends = np.append(self.starts[1:], len(order))
        self.mass, self.lens = mass[order], (mass * label)[order]
        self.unit, self.resampler = resampler.unit[order], resampler
        self.total = mass.sum()
        self.drawn = resampler.resample(resampler.unit_sums(mass))[:, 0]

    def estimate(self, budget):
        """Return the yield without, with a share of, and with the tied block at the cut."""
        mass, lens = self._levels(np.ones((1, len(self.mass))), len(self.starts))
        above = np.append(0, np.cumsum(mass[0])), np.append(0, np.cumsum(lens[0]))
        found = float(np.interp(budget, *above))
        whole = int(np.searchsorted(above[0], budget * (1 + 1e-9), side='right')) - 1
        after = min(whole + 1, len(self.starts))
        tied = after > whole and self.ends[whole] - self.starts[whole] > 1 \
            and budget > above[0][whole] * (1 + 1e-9)
        if not tied:
            return found, found, found, 0
        return (float(above[1][whole]), found, float(above[1][after]),
                int(self.ends[whole] - self.starts[whole]))

    def draws(self, budgets):
        """Return the yield of each resample at each budget, (n_resamples, n_budgets)."""
        wanted = np.asarray(budgets, dtype=float)[None] * self.drawn[:, None] / self.total
        reach = np.cumsum(self.mass)
        n_rows = int(np.searchsorted(reach, _SPARE * max(budgets))) + 64
        while True:
            n_levels = int(np.searchsorted(self.ends, min(n_rows, len(self.mass)))) + 1
            found, short = self._draws(wanted, min(n_levels, len(self.ends)))
            if not short or n_levels >= len(self.ends):
                return found * (self.total / self.drawn)[:, None]
            n_rows *= 2

    def _draws(self, wanted, n_levels):
        n_rows = self.ends[n_levels - 1]
        found, short = np.empty(wanted.shape), False
        step = max(1, 2_000_000 // n_rows)
        for begin in range(0, len(wanted), step):
            counts = self.resampler.counts[begin:begin + step][:, self.unit[:n_rows]]
            above, held = (np.cumsum(part, axis=1) for part in self._levels(counts, n_levels))
            short |= bool((above[:, -1] < wanted[begin:begin + step].max(axis=1)).any())
            for row, (x, y) in enumerate(zip(above, held, strict=True), start=begin):
                found[row] = np.interp(wanted[row], np.append(0, x), np.append(0, y))
        return found, short

    def _levels(self, counts, n_levels):
        n_rows, starts = self.ends[n_levels - 1], self.starts[:n_levels]
        parts = counts * self.mass[:n_rows], counts * self.lens[:n_rows]
        if n_levels == n_rows:
            return parts
        return tuple(np.add.reduceat(part, starts, axis=1) for part in parts)
