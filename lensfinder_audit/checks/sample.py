# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Checks of the sample: evidence, label noise, hidden lenses, balance of strata."""
import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack
from scipy.stats import binom

from lensfinder_audit.crossmatch import match_positions, sky_positions
from lensfinder_audit.findings import Finding
from lensfinder_audit.measure.comparison import adjust_p_values
from lensfinder_audit.measure.contamination import corrected_rate, hidden_lenses
from lensfinder_audit.measure.label_noise import purity_bounds

__all__ = ['tier_evidence', 'label_noise', 'known_lenses', 'hidden', 'class_balance']


def tier_evidence(case):
    """Look for lenses of tier A without a reason."""
    if 'tier_reason' not in case.sample.colnames:
        return
    lenses = case.lenses
    reason = np.char.strip(np.asarray(lenses['tier_reason']).astype(str))
    bare = (np.asarray(lenses['tier']) == 'A') & ((reason == '') | (reason == 'nan'))
    if bare.any():
        yield Finding('warning', 'tier evidence', f'{bare.sum()} of '
                      f'{(np.asarray(lenses["tier"]) == "A").sum()} lenses of tier A have no '
                      'reason for it; a grade is not spectroscopy', 'sample, tier_reason',
                      'State the evidence of each, or call them tier B.')


def label_noise(case):
    """Widen the completeness of tiers of which a purity is stated."""
    stated, table = case.options.purity, case.rows('completeness')
    rows = []
    for row in table if stated else ():
        if row['tier'] in stated:
            ends = stated[row['tier']]
            lo, hi = purity_bounds(row['lo'], row['hi'], ends)
            rows.append({**{name: row[name] for name in ('finder', 'operating_point', 'tier',
                                                         'discovery', 'n', 'estimate')},
                         'fraction_lo': row['lo'], 'fraction_hi': row['hi'],
                         'purity_lo': ends[0], 'purity_hi': ends[1], 'lo': float(lo),
                         'hi': float(hi)})
    if rows:
        case.tables['completeness_with_label_noise'] = QTable(rows=rows, meta={
            'confidence': case.options.confidence})
        worst = min(rows, key=lambda row: row['lo'])
        yield Finding('note', 'label noise', f'if {worst["purity_lo"]:.0%} to '
                      f'{worst["purity_hi"]:.0%} of tier {worst["tier"]} are lenses, completeness '
                      f'of {worst["finder"]} at {worst["operating_point"]} lies between '
                      f'{worst["lo"]:.3f} and {worst["hi"]:.3f}', 'completeness_with_label_noise',
                      'Quote these bounds with the recovered fraction.')


def known_lenses(case):
    """Match negatives, and lenses, with catalogues of known lenses."""
    sample = case.sample
    if case.known is None or not {'ra', 'dec'} <= set(sample.colnames):
        return
    label, place = np.asarray(sample['label'], dtype=bool), sky_positions(sample)
    near, rows = np.zeros(len(sample), bool), []
    for name in dict.fromkeys(np.asarray(case.known['catalog']).tolist()):
        other = sky_positions(case.known[case.known['catalog'] == name])
        close, same = (match_positions(place, other, radius=radius * u.arcsec).matched for radius in
                       (case.limits.known_radius, case.limits.duplicate_radius))
        near |= close & ~label
        rows.append({'catalog': name, 'n': len(other),
                     'n_negatives_near': int((close & ~label).sum()),
                     'n_negatives_same': int((same & ~label).sum()),
                     'n_lenses_same': int((same & label).sum()), 'n_lenses': int(label.sum())})
    case.tables['known_lenses'] = QTable(rows=rows, meta={
        'near_arcsec': case.limits.known_radius, 'same_arcsec': case.limits.duplicate_radius})
    if near.any():
        yield Finding('severe', 'known lenses', f'{near.sum()} of {(~label).sum()} negatives lie '
                      f'within {case.limits.known_radius:g} arcsec of a known lens or candidate',
                      'known_lenses', 'Remove them from the negatives.')
    whole = max(rows, key=lambda row: row['n_lenses_same'])
    unknown = not (np.asarray(sample['discovery'])[label] != 'unknown').any()
    if unknown and label.any() and whole['n_lenses_same'] > (
            case.limits.known_share * label.sum()):
        yield Finding('warning', 'known lenses', f'{whole["n_lenses_same"]} of {label.sum()} '
                      'lenses, of which it is not said how they were found, are in '
                      f'{whole["catalog"]}', 'known_lenses',
                      'Say how that catalogue was made, with --set discovery_method=... .')


def hidden(case):
    """Estimate how many negatives are lenses, and correct false-positive rates for them."""
    label, rows = np.asarray(case.sample['label']), []
    if label.sum() < 20 or label.all():
        return
    for finder in case.summary['finders']:
        odds = case.log_odds(finder)
        if odds is not None:
            rows.append({'finder': finder, **hidden_lenses(
                odds, label, confidence=case.options.confidence)._asdict()})
    if not rows:
        return
    adjusted = adjust_p_values([row['p'] for row in rows])
    table = QTable(rows=rows)
    table['p_adjusted'] = adjusted
    table.meta = {'confidence': case.options.confidence, 'model': 'logistic with a plateau'}
    case.tables['hidden_lenses'] = table
    _correct(case, rows)
    for row, p in zip(rows, adjusted, strict=True):
        count = row['fraction'] * row['n_negatives']
        if p < case.limits.level and count >= case.limits.least_hidden:
            yield Finding('warning', 'hidden lenses', f'about {count:.0f} of {row["n_negatives"]} '
                          f'negatives ({row["fraction"]:.2%}, {row["lo"]:.2%} to {row["hi"]:.2%}) '
                          f'score with {row["finder"]} as lenses do: lenses without a label, or '
                          'what no score parts from them', 'hidden_lenses and '
                          'corrected_false_positives', 'Look at the highest-scoring negatives '
                          '(top_negatives), and quote the corrected rate beside the measured one.')


def _correct(case, rows):
    """Tabulate corrected rates, and the negatives to look at."""
    by, found = {row['finder']: row for row in rows}, []
    points = case.rows('operating_points')
    label = np.asarray(case.sample['label'])
    weight = (np.asarray(case.sample['weight']) if 'weight' in case.sample.colnames else
              np.ones(len(label)))
    for point in points:
        if point['finder'] not in by:
            continue
        above = np.asarray(case.sample[point['finder']]) >= point['threshold']
        fpr, tpr = (np.average(above[side], weights=weight[side]) for side in (~label, label))
        row = by[point['finder']]
        rates = corrected_rate(fpr, tpr, [row['lo'], row['fraction'], row['hi']])
        found.append({'finder': point['finder'], 'operating_point': point['operating_point'],
                      'fpr': fpr, 'least_hidden': rates[0], 'estimate_hidden': rates[1],
                      'most_hidden': rates[2]})
    if found:
        case.tables['corrected_false_positives'] = QTable(rows=found)
    case.tables['top_negatives'] = _top(case, list(by))


def _top(case, finders, most=20):
    negatives = case.sample[~np.asarray(case.sample['label'])]
    names = [name for name in ('object_id', 'ra', 'dec', 'confuser_class') if
             name in negatives.colnames]
    parts = []
    for finder in finders:
        order = np.argsort(-np.asarray(negatives[finder]), kind='stable')[:most]
        part = negatives[names][order]
        part.add_column(np.full(len(order), finder), name='finder', index=0)
        part['score'] = np.asarray(negatives[finder])[order]
        parts.append(part)
    table = vstack(parts, metadata_conflicts='silent')
    table.meta = {}
    return QTable(table, copy=False)


def class_balance(case):
    """Look for strata that hold one class, although both are expected there."""
    if 'stratum_code' not in case.sample.colnames:
        return
    stratum = np.asarray(case.sample['stratum']).astype(str)
    label = np.asarray(case.sample['label'])
    if not label.any() or label.all():
        return
    levels, code = np.unique(stratum, return_inverse=True)
    lenses, every = np.bincount(code, label), np.bincount(code)
    share = label.mean()
    p = np.minimum(2 * np.minimum(binom.cdf(lenses, every, share),
                                  binom.sf(lenses - 1, every, share)), 1)
    table = QTable({'stratum': levels, 'n_lenses': lenses.astype(int),
                    'n_negatives': (every - lenses).astype(int), 'share_of_lenses': lenses / every,
                    'p_adjusted': adjust_p_values(p)})
    case.tables['class_balance'] = table
    alone = table[(table['p_adjusted'] < case.limits.level)
                  & ((table['n_lenses'] == 0) | (table['n_negatives'] == 0))]
    if len(alone):
        words = ', '.join(alone['stratum'][:5].tolist())
        yield Finding('warning', 'class balance', f'{len(alone)} of {len(table)} strata hold one '
                      f'class only ({words}); what tells them apart tells lenses apart',
                      'class_balance', 'Sample both classes in every stratum.')
    odd = table[table['p_adjusted'] < case.limits.level]
    if len(odd) > len(alone):
        low, high = odd['share_of_lenses'].min(), odd['share_of_lenses'].max()
        yield Finding('note', 'class balance', f'the share of lenses differs between strata, from '
                      f'{low:.2%} to {high:.2%}', 'class_balance', 'Rates over all strata need '
                      'weights.')
