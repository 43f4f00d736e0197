# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Checks of injections and of the stamps that they are made in."""
import warnings

import numpy as np

from lensfinder_audit.exceptions import TableError
from lensfinder_audit.findings import Finding, Limits
from lensfinder_audit.injection import GainWarning, check_gain
from lensfinder_audit.measure.bands import band_order
from lensfinder_audit.measure.pools import dispersion, pool_table
from lensfinder_audit.measure.realism import match_table, realism_table

__all__ = ['host_check', 'realism_check', 'judge_gate', 'match_check', 'gain_check', 'band_check',
           'feature_columns']


def host_check(injections, *, threshold, limits=None, pool='cell', least=10):
    """Count the hosts behind every pool, and the detections that rest on few."""
    limits = limits or Limits()
    score = np.asarray(injections['score'], dtype=float)
    good = np.isfinite(score)
    recovered = score[good] >= threshold
    table = pool_table(recovered, np.asarray(injections['host'])[good],
                       np.asarray(injections[pool])[good], least=least)
    factor, p = dispersion(table['n_recovered'], table['n']) if len(table) > 1 else (np.nan, 1.0)
    table.meta |= {'threshold': threshold, 'dispersion': factor, 'dispersion_p': p}
    few, found = table[table['state'] == 'unsupported'], []
    if len(few):
        share = float(few['share'].sum())
        single = int((few['n_hosts'] == 1).sum())
        found.append(Finding(
            'severe' if share > limits.host_share else 'warning', 'host concentration',
            f'{len(few)} of {len(table)} pools rest on fewer than {least} hosts ({single} on a '
            f'single one) and give {share:.0%} of the detections from '
            f'{float(few["share_expected"].sum()):.0%} of the injections', 'pools',
            'Resample hosts, mark these cells unsupported, and inject into more galaxies.'))
    return table, found


def realism_check(samples, *, limits=None, **options):
    """Compare injections with real lenses, with the nulls beside."""
    table = realism_table(samples, **options)
    return table, judge_gate(table, limits or Limits())


def judge_gate(table, limits):
    """Say whether injections can be told from real lenses."""
    gate, found = table[0], []
    nulls = [f'{row["comparison"]} {row["auc"]:.2f}' for row in table[1:]]
    if gate['lo'] > limits.realism_auc and gate['p_value'] < max(
            limits.level, 1.5 / (1 + table.meta['n_permutations'])):
        found.append(Finding(
            'severe' if gate['lo'] > limits.realism_severe else 'warning', 'realism',
            f'a probe tells injections from real lenses with AUC {gate["auc"]:.2f} '
            f'[{gate["lo"]:.2f}, {gate["hi"]:.2f}]'
            + (f'; beside it {", ".join(nulls)}' if nulls else ''), 'realism',
            'Take recovered fractions for those of injections like these, or weight injections by '
            'arc signal to noise and color.'))
    return found


def match_check(injections, lenses, *, on=('annulus_snr', 'annulus_color'), limits=None):
    """Compare the distributions of arc signal to noise and colour."""
    limits, found = limits or Limits(), []
    table = match_table(injections, lenses, on=on)
    for row in table:
        if row['p_value'] < limits.level and row['distance'] > limits.arc_distance:
            found.append(Finding(
                'warning', 'arc match', f'the {row["quantity"]} of injections (median '
                f'{row["injections_median"]:.3g}) is not that of lenses (median '
                f'{row["lenses_median"]:.3g}; distance {row["distance"]:.2f}); '
                f'{row["inside"]:.0%} of the lenses lie in the central 95 % of the injections',
                'match', 'Weight injections with match_weights, or draw other sources.'))
    return table, found


def gain_check(gain, noise, *, sky, bands=None):
    """Compare a gain with the noise of the pixels."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        check_gain(gain, noise, sky=sky, bands=bands)
    return [Finding('severe', 'gain', ' '.join(str(item.message).split()), 'injections, gain',
                    'Derive the gain from zero point and exposure time.')
            for item in caught if issubclass(item.category, GainWarning)][:1]


def band_check(measured, catalogued, bands, *, limits=None):
    """Compare the order of the planes with catalogued fluxes."""
    limits = limits or Limits()
    table, found = band_order(measured, catalogued, bands), []
    stated = table[table['stated']][0]
    best = table[0]
    if not best['stated'] and best['deviation'] < (
            limits.band_gain * stated['deviation']):
        found.append(Finding(
            'severe', 'band order', f'the planes of {best["n"]} stamps agree with catalogued '
            f'fluxes in the order {best["order"]} (deviation {best["deviation"]:.3f} mag) and not '
            f'in {stated["order"]} ({stated["deviation"]:.3f} mag)', 'band_order',
            'Correct the order of the bands, and score again.'))
    return table, found


def feature_columns(table, what='the table'):
    """Return the features of a table: columns named embedding_* or feature_*."""
    names = [name for name in table.colnames if name.startswith(('embedding_', 'feature_'))]
    if not names:
        raise TableError(f'{what} has no columns named embedding_* or feature_*; its columns are '
                         f'{table.colnames}')
    return np.stack([np.asarray(table[name], dtype=float) for name in names], axis=1)
