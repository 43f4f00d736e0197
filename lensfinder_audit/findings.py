# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What is wrong with the sample, the finder or the audit itself.

A check looks at the sample and the tables and yields findings; a finding has a
severity, one sentence, the table that shows it and advice.
"""
from dataclasses import asdict, dataclass

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.tables import SCHEMAS, schema_meta

__all__ = ['Finding', 'Limits', 'SEVERITIES', 'collect_findings', 'severity_at_least']

#: From the gravest down.
SEVERITIES = ('severe', 'warning', 'note')


@dataclass(frozen=True)
class Finding:
    """
    One finding.

    Parameters
    ----------
    severity : {'severe', 'warning', 'note'}
        *severe*: a number does not mean what it seems to; *warning*: it rests on
        less than it seems to; *note*: a reader should know.
    check : str
        Name of the check.
    finding : str
        One sentence with the numbers.
    evidence : str
        Table and rows that show it.
    advice : str
        What to do.
    """

    severity: str
    check: str
    finding: str
    evidence: str
    advice: str


@dataclass(frozen=True)
class Limits:
    """
    Where checks begin to speak.

    Parameters
    ----------
    min_negatives_above : int, optional
        A threshold on fewer negatives is a warning.
    tied_fraction : float, optional
        A block of equal scores with more than this fraction of the lenses.
    duplicate_radius : float, optional
        Objects closer than this, in arcsec, are taken to be the same.
    population_lenses : float, optional
        Greatest fraction of lenses with which a sample can pass for a survey.
    """

    min_negatives_above: int = 10
    tied_fraction: float = 0.01
    duplicate_radius: float = 1.0
    population_lenses: float = 0.01


def severity_at_least(severity, least):
    """
    Compare severities.

    Parameters
    ----------
    severity : str
        One of `SEVERITIES`, or empty.
    least : str
        One of `SEVERITIES`, or ``'never'``.

    Returns
    -------
    reached : bool
        Whether the first is as grave as the second.
    """
    if not severity or least == 'never':
        return False
    return SEVERITIES.index(severity) <= SEVERITIES.index(least)


def collect_findings(sample, tables, summary, options, *, limits=Limits()):
    """
    Run every check.

    Parameters
    ----------
    sample : `~astropy.table.QTable`
        One row per object.
    tables : dict of str to `~astropy.table.QTable`
        Measurements by name.
    summary : dict
        Counts and settings.
    options : `~lensfinder_audit.config.AuditOptions`
        The options.
    limits : `Limits`, optional
        Where checks begin to speak.

    Returns
    -------
    findings : `~astropy.table.QTable`
        Schema ``findings``, the gravest first.
    """
    case = _Case(sample, tables, summary, options, limits)
    found = [finding for check in _CHECKS for finding in check(case)]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    names = list(SCHEMAS['findings'].columns)
    rows = [asdict(finding) for finding in found]
    table = QTable({name: np.array([row[name] for row in rows], dtype=str) for name in names})
    table.meta = schema_meta('findings', limits=asdict(limits))
    return table


@dataclass(frozen=True)
class _Case:
    sample: QTable
    tables: dict
    summary: dict
    options: object
    limits: Limits

    @property
    def lenses(self):
        return self.sample[self.sample['label']]

    def rows(self, name):
        return self.tables.get(name, ())


def _reference_selection(case):
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


def _comparison(case):
    biased = (case.lenses['discovery'] != 'independent').any() if len(case.lenses) else False
    if len(case.summary['finders']) > 1 and biased:
        yield Finding('warning', 'comparison',
                      f'{len(case.summary["finders"])} finders are measured on lenses that an '
                      'earlier finder may have chosen; a difference between them can be its '
                      'preference', 'completeness',
                      'Compare finders on a sample that neither chose.')


def _training(case):
    if 'in_training' not in case.sample.colnames:
        return
    for what, rows in (('lenses', case.sample['label']), ('negatives', ~case.sample['label'])):
        count = int((case.sample['in_training'][rows] == 'yes').sum())
        if count:
            yield Finding('severe', 'training sample',
                          f'{count} of {int(rows.sum())} {what} were in the training sample; rates '
                          'on them are better than on new objects', 'sample, in_training = yes',
                          'Leave them out with --exclude-training.')


def _tiers(case):
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


def _thresholds(case):
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


def _saturation(case):
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


def _population(case):
    relative = case.options.top_percents or case.options.budgets
    share = case.summary['n_lenses'] / case.summary['n_objects']
    if relative and case.options.prevalence is None and share > case.limits.population_lenses:
        yield Finding('severe', 'population',
                      'a top percentage or a budget was taken from a sample '
                      f'of which {share:.1%} are lenses, which no survey is', 'operating_points',
                      'State the prevalence with --prevalence.')


def _classes(case):
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


def _conditions(case):
    for row in case.rows('conditions'):
        if row['n'] and row['n_matched'] < row['n']:
            none = row['n_matched'] == 0
            yield Finding('warning' if none else 'note', 'conditions',
                          f'{row["n_matched"]} of {row["n"]} {row["objects"]} have joined '
                          'conditions'
                          + ('; nothing by these conditions is supported for them' if none else
                             f' ({row["n_ambiguous"]} matches are ambiguous)'), 'conditions',
                          'Join a catalogue that covers the sample.')


def _chosen_conditions(case):
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


def _support(case):
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


def _groups(case):
    if case.summary['group'] is None:
        yield Finding('note', 'groups', 'no group is given; every interval takes objects to be '
                      'independent', 'every table, n_groups = n',
                      'Name hosts, bricks or pixels with --group, such as healpix:64.')
    if case.summary['stratum'] and not case.summary['weight']:
        yield Finding('severe', 'weights',
                      'the sample is stratified but has no weights; rates over all strata '
                      'are those of the sampling, not of the sky', 'sample',
                      'Name the column with --weight.')


def _duplicates(case):
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


def _calibration(case):
    for row in case.rows('calibration'):
        wrong = row['statistic'] == 'calibration slope' and not row['lo'] <= 1 <= row['hi']
        if wrong and row['at'] == 'sample':
            yield Finding('warning', 'calibration', f'{row["finder"]} is miscalibrated at the '
                          f"sample's prevalence: slope {row['estimate']:.2f} [{row['lo']:.2f}, "
                          f'{row["hi"]:.2f}], not 1', 'calibration, statistic calibration slope',
                          'Read its scores as an order, or calibrate them.')


_CHECKS = (_reference_selection, _comparison, _training, _tiers, _thresholds, _saturation,
           _population, _classes, _conditions, _chosen_conditions,
           _support, _groups, _duplicates, _calibration)
