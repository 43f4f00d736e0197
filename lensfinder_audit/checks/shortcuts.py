# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Do conditions, without any image, tell lenses from negatives?"""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.findings import Finding
from lensfinder_audit.measure.probe import probe, spread_features
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['condition_shortcuts', 'gate_table', 'gate_findings']

#: What belongs to a family of conditions, by the beginning of the column's name.
_FAMILIES = {'seeing': ('psfsize', 'seeing'), 'depth': ('psfdepth', 'galdepth', 'depth'),
             'exposures': ('nobs', 'nexp', 'exptime'), 'extinction': ('ebv',)}

#: A class with fewer values of a family carries no number.
_LEAST = 20

#: Of more objects of a class, so many are drawn at random.
_MOST = 50_000


def condition_shortcuts(case):
    """Probe position and every family of conditions, alone and all together."""
    label = np.asarray(case.sample['label'])
    families = _families(case)
    if not families or not label.any() or label.all():
        return
    sets = dict(families)
    if len(families) > 1:
        sets['all conditions'] = {name: values for found in families.values()
                                  for name, values in found.items()}
    table = gate_table({name: _Columns(found) for name, found in sets.items()}, label,
                       group=case.group(), confidence=case.options.confidence,
                       seed=case.options.seed)
    case.tables['condition_shortcuts'] = table
    yield from gate_findings(table, case.limits, 'condition shortcuts', 'condition_shortcuts',
                             'by {} alone, without an image,',
                             'Match negatives to lenses in it, or leave it out of what is '
                             'concluded; a finder that sees it can score by it.')


class _Columns:
    """Columns that become features once rows without a value are gone."""

    def __init__(self, columns):
        self.columns = {name: np.asarray(getattr(values, 'value', values))
                        for name, values in columns.items()}
        self.known = np.all([np.isfinite(values.astype(float)) for values in
                             self.columns.values()], axis=0)

    def features(self, rows):
        return spread_features({name: values[rows] for name, values in self.columns.items()})


def _families(case):
    sample, found = case.sample, {}
    if {'ra', 'dec'} <= set(sample.colnames):
        found['position'] = {name: sample[name].to_value(u.deg) for name in ('ra', 'dec')}
    numbers = [name for name in sample.colnames if sample[name].dtype.kind in 'fiu']
    for family, stems in _FAMILIES.items():
        names = [name for name in numbers if name.lower().startswith(stems)]
        if names:
            found[family] = {name: sample[name] for name in names}
    return found


def gate_table(sets, label, *, group=None, n_permutations=0, confidence=0.95, seed=0):
    """
    Probe several sets of features for how well each tells two classes apart.

    Parameters
    ----------
    sets : dict of str to object
        With ``known``, which rows have values, and ``features(rows)``.
    label : (n,) `~numpy.ndarray` of bool
        Class of each row.
    group : (n,) array_like, optional
        Kept together in folds.
    n_permutations, confidence, seed : optional
        As for `~lensfinder_audit.measure.probe.probe`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``shortcuts``; a set that too few objects have is *not known*. Of more than
        50,000 objects of a class so many are drawn at random.
    """
    rows = []
    for name, found in sets.items():
        keep = np.asarray(found.known)
        row = {'features': name, 'n_lenses': int(label[keep].sum()),
               'n_negatives': int((~label[keep]).sum()), 'n_groups': 0, 'auc': np.nan,
               'lo': np.nan, 'hi': np.nan, 'p_value': np.nan, 'state': 'unsupported'}
        rows.append(row)
        if min(row['n_lenses'], row['n_negatives']) < _LEAST:
            continue
        keep = _thinned(keep, label, seed)
        try:
            result = probe(found.features(keep), label[keep],
                           group=None if group is None else group[keep], confidence=confidence,
                           n_permutations=n_permutations, seed=seed)
        except MeasurementError:  # all lenses in one group
            continue
        row |= {'n_groups': result.n_groups, 'auc': result.auc, 'lo': result.lo, 'hi': result.hi,
                'p_value': result.p, 'state': 'supported'}
    table = QTable(rows=rows)
    table.meta = schema_meta('shortcuts', confidence=confidence, n_permutations=n_permutations,
                             seed=seed, interval='out-of-fold delong')
    return check_table(table, 'shortcuts')


def _thinned(keep, label, seed):
    """Keep at most `_MOST` rows of either class."""
    rng, kept = np.random.default_rng([seed, 0x7419]), keep.copy()
    for side in (label, ~label):
        rows = np.flatnonzero(keep & side)
        if len(rows) > _MOST:
            kept[rng.permutation(rows)[_MOST:]] = False
    return kept


def gate_findings(table, limits, check, evidence, words, advice):
    """
    Tell which sets of features part the classes.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        As `gate_table` returns it.
    limits : `~lensfinder_audit.findings.Limits`
        Where the check begins to speak.
    check, evidence, advice : str
        Of the findings.
    words : str
        With ``{}`` for the name of the set.

    Returns
    -------
    findings : list of `~lensfinder_audit.findings.Finding`
        One for all sets that speak, the strongest first.
    """
    over = table[np.nan_to_num(np.asarray(table['lo'])) > limits.shortcut_auc]
    over = over[(np.asarray(over['p_value']) < limits.level)]
    if not len(over):
        return []
    best = over[np.argmax(over['auc'])]
    rest = [f'{row["features"]} {row["auc"]:.2f}' for row in over if
            row['features'] != best['features']]
    severity = 'severe' if best['lo'] > limits.shortcut_severe else 'warning'
    return [Finding(severity, check, f'{words.format(best["features"])} lenses can be told from '
                    f'negatives with AUC {best["auc"]:.3f} [{best["lo"]:.3f}, {best["hi"]:.3f}] '
                    'out of sample' + (f' (also {", ".join(rest)})' if rest else ''),
                    evidence, advice)]
