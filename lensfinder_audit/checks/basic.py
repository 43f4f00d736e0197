# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Checks of how the sample was chosen, and of what each number rests on."""
import numpy as np
from astropy import units as u
from scipy.special import ndtr, ndtri

from lensfinder_audit.findings import Finding
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.scoretable import means_trained

__all__ = ['reference_selection', 'comparison', 'training', 'tiers', 'thresholds', 'saturation',
           'population', 'classes', 'conditions', 'chosen_conditions', 'support', 'groups',
           'duplicates', 'calibration']

#: Fewer lenses, or negatives, fix no calibration slope; the error of one is asymptotic.
_LEAST = 10


def reference_selection(case):
    """Ask who found the lenses."""
    lenses = case.lenses
    for word in ('earlier finder', 'unknown'):
        count = int((lenses['discovery'] == word).sum())
        if not count:
            continue
        share = f'{count} of {len(lenses)} lenses'
        if word == 'earlier finder':
            alone = not (lenses['discovery'] == 'independent').any()
            yield Finding('severe' if alone else 'warning', 'reference selection',
                          f'{share} were found by an earlier finder; on them the recovered '
                          'fraction is agreement with that finder, not completeness'
                          + (', and no independently found lens is left' if alone else ''),
                          'completeness, rows with discovery = earlier finder',
                          'Add lenses that no finder selected, such as spectroscopic ones.')
        else:
            yield Finding('warning', 'reference selection',
                          f'for {share} it is unknown how they were found; their recovered '
                          'fraction may be agreement with an earlier finder',
                          'completeness, rows with discovery = unknown',
                          'Name the column with --discovery-method.')


def comparison(case):
    """Ask whether finders are compared on lenses that one may have chosen."""
    biased = (case.lenses['discovery'] != 'independent').any() if len(case.lenses) else False
    if len(case.summary['finders']) > 1 and biased:
        yield Finding('warning', 'comparison',
                      f'{len(case.summary["finders"])} finders are measured on lenses that an '
                      'earlier finder may have chosen; a difference between them can be its '
                      'preference', 'completeness',
                      'Compare finders on a sample that neither chose.')


def training(case):
    """Count objects that were trained on."""
    if 'in_training' not in case.sample.colnames:
        yield from _perhaps_trained(case)
        return
    for what, rows in (('lenses', case.sample['label']), ('negatives', ~case.sample['label'])):
        count = int((case.sample['in_training'][rows] == 'yes').sum())
        if count:
            yield Finding('severe', 'training sample',
                          f'{count} of {int(rows.sum())} {what} were in the training sample; rates '
                          'on them are better than on new objects', 'sample, in_training = yes',
                          'Leave them out with --exclude-training.')


def _perhaps_trained(case):
    if 'split' not in case.sample.colnames:
        return
    trained = means_trained(np.asarray(case.sample['split']).astype(str))
    if trained.any():
        count = f'{trained.sum()} of {len(trained)} objects'
        yield Finding('warning', 'training sample', f'{count} are in the training set of the '
                      'column split, and nothing says that the finder was not trained on it',
                      'sample, split',
                      'Name the column with --in-training split, and use --exclude-training.')


def tiers(case):
    """Ask what evidence there is for the lenses."""
    tiers = case.lenses['tier'] if len(case.lenses) else np.array([])
    if len(tiers) and (tiers == 'B').all():
        yield Finding('warning', 'tiers',
                      f'all {len(tiers)} lenses are Tier B candidates; some are not lenses, '
                      'and the purity of the tier is not in the intervals',
                      'completeness, column tier', 'Give Tier A lenses, or state the purity beside '
                      'the numbers.')
    if len(tiers) and (tiers == 'not given').any():
        count = int((tiers == 'not given').sum())
        yield Finding('note', 'tiers', f'{count} of {len(tiers)} lenses have no tier; a grade is '
                      'not one', 'completeness, column tier', 'Name the column with --tier.')


def thresholds(case):
    """Ask how well the sample fixes each threshold."""
    least = case.limits.min_negatives_above
    for row in case.rows('operating_points'):
        what = f'{row["operating_point"]} of {row["finder"]}'
        where = f'operating_points, {row["finder"]}, {row["operating_point"]}'
        if not row['n_selected'] and not row['operating_point'].startswith('score'):
            yield Finding('severe', 'operating point',
                          f'{what} cannot be reached: even the highest score selects more', where,
                          'Use a looser operating point, or more '
                          'negatives.')
        elif row['operating_point'].startswith('FPR') and row['n_negatives_above'] < least:
            yield Finding('warning', 'operating point', f'{what} rests on '
                          f'{row["n_negatives_above"]} negatives; its threshold is known only '
                          f'between {row["threshold_lo"]:.6g} and {row["threshold_hi"]:.6g}', where,
                          'Score more negatives, or quote a looser operating point.')
        elif row['n_selected'] in (0, len(case.sample)):
            yield Finding('warning', 'operating point', f'{what} selects '
                          f'{"no object" if not row["n_selected"] else "every object"}', where,
                          'Choose a score that parts the sample.')
        if row['n_tied']:
            yield Finding('warning', 'ties', f'{what} cuts a block of {row["n_tied"]} objects tied '
                          f'at {row["tied_score"]:.6g}; completeness lies between '
                          f'{row["completeness_least"]:.3f} and {row["completeness_greatest"]:.3f}',
                          where, 'Audit scores of full precision, or logits.')


def saturation(case):
    """Look for blocks of equal scores."""
    for finder in case.summary['finders']:
        score = np.asarray(case.lenses[finder])
        if not len(score):
            continue
        values, counts = np.unique(score, return_counts=True)
        top = counts.argmax()
        if counts[top] > max(case.limits.tied_fraction * len(score), 1):
            yield Finding('warning', 'ties', f'{counts[top]} of {len(score)} lenses have the same '
                          f'score of {finder}, {values[top]:.6g}; it cannot rank them',
                          f'sample, column {finder}', 'Audit logits, which do not saturate.')


def population(case):
    """Ask whether the sample can pass for a survey."""
    relative = case.options.top_percents or case.options.budgets
    share = case.summary['n_lenses'] / case.summary['n_objects']
    if relative and case.options.prevalence is None and share > case.limits.population_lenses:
        yield Finding('severe', 'population',
                      'a top percentage or a budget was taken from a sample '
                      f'of which {share:.1%} are lenses, which no survey is', 'operating_points',
                      'State the prevalence with --prevalence.')


def classes(case):
    """Ask whether both classes are there, and from where."""
    for count, what, lost in ((case.summary['n_negatives'], 'negative',
                               'false-positive rates, purity, ranking and calibration'),
                              (case.summary['n_lenses'], 'lens', 'completeness')):
        if not count:
            yield Finding('warning', 'classes', f'the sample holds no {what}; {lost} cannot be '
                          'measured', 'sample', f'Add objects with label {int(what == "lens")}.')
    if case.summary['two_files']:
        yield Finding('note', 'classes',
                      'lenses and negatives come from two tables; any difference in how '
                      'they were selected is inside every ranking and calibration number',
                      'sample', 'Check that both passed the same cuts.')
    if case.summary['n_left_out']:
        yield Finding('note', 'classes',
                      f'{case.summary["n_left_out"]} rows were left out: lenses in the table of '
                      'negatives, or non-lenses in the table of lenses', 'sample',
                      'Give them in the other table if they are to count.')


def conditions(case):
    """Count objects whose conditions are known."""
    for row in case.rows('conditions'):
        if row['n'] and row['n_matched'] < row['n']:
            none = row['n_matched'] == 0
            yield Finding('warning' if none else 'note', 'conditions',
                          f'{row["n_matched"]} of {row["n"]} {row["objects"]} have joined '
                          'conditions'
                          + ('; nothing by these conditions is supported for them' if none else
                             f' ({row["n_ambiguous"]} matches are ambiguous)'), 'conditions',
                          'Join a catalogue that covers the sample.')


def chosen_conditions(case):
    """Lenses with a condition may have been chosen by whoever measured it."""
    told = {}  # columns that were joined together tell the same
    for name, table in case.tables.items():
        if name.startswith('completeness_by_') and '_and_' not in name:
            gaps = [gap for key in _keys(table) if (gap := _condition_gap(table, key))]
            if gaps:
                gap = max(gaps, key=lambda gap: abs(np.subtract(*(k / n for k, n in gap[2:]))))
                told.setdefault(gap, []).append((name, table.meta['axes'][0]))
    for (finder, point, have, bare), places in told.items():
        columns = ', '.join(axis for _, axis in places)
        yield Finding('warning', 'conditions',
                      f'{finder} at {point} recovers {have[0]} of {have[1]} lenses that have '
                      f'{columns} and {bare[0]} of {bare[1]} that have not; those that have it are '
                      'another kind of lens, and the dependence on it holds for them only',
                      ', '.join(name for name, _ in places),
                      'Join conditions from a catalogue that did not choose lenses.')


def _keys(table):
    names = ('finder', 'operating_point', 'tier', 'discovery')
    return dict.fromkeys(zip(*(table[name].tolist() for name in names), strict=True))


def _condition_gap(table, key):
    """Return counts with and without a value where their intervals are apart."""
    rows = np.all([table[name] == value for name, value in zip(
        ('finder', 'operating_point', 'tier', 'discovery'), key, strict=True)], axis=0)
    bare = rows & (table['reason'] == 'no value')
    counts = [(int(table['n_recovered'][part].sum()), int(table['n'][part].sum()))
              for part in (rows & ~bare, bare)]
    if not all(n for _, n in counts):
        return None
    (lo, hi), (low, high) = (binomial_interval(*count) for count in counts)
    return (*key[:2], *counts) if lo > high or hi < low else None


def support(case):
    """Look for cells that hold too little, or what they cannot."""
    bare = []
    for name, table in case.tables.items():
        if '_by_' not in name or 'state' not in table.colnames:
            continue
        states = np.asarray(table['state'])
        if (states != 'supported').all():
            bare.append(name)
        wrong = int(((states == 'impossible') & (_objects(table) > 0)).sum())
        if wrong:
            yield Finding('severe', 'support', f'{wrong} cells of {name} hold objects although the '
                          'selection was said to exclude them', name, 'Correct --possible, or the '
                          'sample.')
    if bare:
        yield Finding('warning', 'support', f'no cell is supported in {len(bare)} tables: '
                      f'{", ".join(bare)}', ', '.join(bare),
                      'Use wider bins, or a sample that has these columns.')


def _objects(table):
    if 'n' in table.colnames:
        return np.asarray(table['n'])
    return np.asarray(table['n_lenses'] + table['n_negatives'])


def groups(case):
    """Ask whether groups, strata and weights are given."""
    if case.summary['group'] is None:
        yield Finding('note', 'groups', 'no group is given; every interval takes objects to be '
                      'independent', 'every table, n_groups = n',
                      'Name hosts, bricks or pixels with --group, such as healpix:64.')
    if case.summary['stratum'] and not case.summary['weight']:
        yield Finding('severe', 'weights',
                      'the sample is stratified but has no weights; rates over all strata '
                      'are those of the sampling, not of the sky', 'sample',
                      'Name the column with --weight.')


def duplicates(case):
    """Look for objects that stand in the sample twice."""
    from lensfinder_audit.crossmatch import match_positions, sky_positions

    sample = case.sample
    if not {'ra', 'dec'} <= set(sample.colnames) or not case.summary['n_lenses']:
        return
    place, lens = sky_positions(sample), np.asarray(sample['label'])
    radius = case.limits.duplicate_radius * u.arcsec
    hidden = int(match_positions(place[lens], place[~lens], radius=radius).matched.sum())
    twice = int((match_positions(place[lens], place[lens], radius=radius).n_within > 1).sum())
    if hidden:
        yield Finding('severe', 'duplicates', f'{hidden} lenses stand among the negatives, within '
                      f'{case.limits.duplicate_radius:g} arcsec', 'sample, ra and dec',
                      'Remove them from the negatives.')
    if twice:
        yield Finding('warning', 'duplicates', f'{twice} lenses lie within '
                      f'{case.limits.duplicate_radius:g} arcsec of another and may count twice',
                      'sample, ra and dec', 'Keep one row of each.')


def calibration(case):
    """Test the calibration slope, where either class has enough objects to fix one."""
    if min(case.summary['n_lenses'], case.summary['n_negatives']) < _LEAST:
        return
    for row in case.rows('calibration'):
        if row['statistic'] != 'calibration slope' or row['at'] != 'sample':
            continue
        error = (row['hi'] - row['lo']) / 2 / ndtri((1 + case.options.confidence) / 2)
        if error > 0 and 2 * ndtr(-abs(row['estimate'] - 1) / error) < case.limits.level:
            yield Finding('warning', 'calibration', f'{row["finder"]} is miscalibrated at the '
                          f"sample's prevalence: slope {row['estimate']:.2f} [{row['lo']:.2f}, "
                          f'{row["hi"]:.2f}], not 1', 'calibration, statistic calibration slope',
                          'Read its scores as an order, or calibrate them.')
