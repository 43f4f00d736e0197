# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What a study says: whether diversity helped, how sure that is, and what it could not see."""
import numpy as np

from lensfinder_audit.ensemble.combined import ensemble_name
from lensfinder_audit.ensemble.measured import MAIN, STRATA
from lensfinder_audit.measure.diversity import STATISTICS
from lensfinder_audit.report import words

__all__ = ['verdict', 'study_findings', 'interval_of']


def interval_of(row):
    """
    Return the widest interval that a row of contrasts has.

    Parameters
    ----------
    row : `~astropy.table.Row`
        Of schema ``yield_contrasts``.

    Returns
    -------
    lo, hi : float
        With the error of the training seeds where it is known.
    with_seeds : bool
        Whether it is.
    """
    names = row.colnames
    if 'total_lo' in names and np.isfinite(row['total_lo']):
        return float(row['total_lo']), float(row['total_hi']), True
    return float(row['lo']), float(row['hi']), False


def verdict(tables, methods, roles):
    """
    Say in a paragraph whether diversity helped.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`
        As `~lensfinder_audit.ensemble.measured.measure_study` returns them.
    methods : list of str
        How ensembles are combined; the first one decides.
    roles : dict of str to list of str
        Models by role.

    Returns
    -------
    sentences : list of str
        What was seen, its uncertainty, and what could have been seen.
    """
    found = [_main(tables, methods, roles)]
    found += _spread(tables, roles) + _how_alike(tables, roles) + _area(tables, methods)
    found += _injected(tables, methods)
    if 'stratification' in tables:
        found.append(_stratified(tables['stratification']))
    return [sentence for sentence in found if sentence]


def study_findings(tables, roles, summary):
    """
    Collect what stands against the study.

    Parameters
    ----------
    tables, roles
        As for `verdict`.
    summary : dict
        ``impossible``, ``n_left_out``, ``fit`` and ``report`` of the study.

    Returns
    -------
    findings : list of dict
        ``severity``, ``check``, ``finding``, ``evidence`` and ``advice``.
    """
    found = []
    if not roles.get('control'):
        found.append(_finding(
            'warning', 'seed control', 'There is no control of models that differ in their seed '
            'alone, so that what an ensemble gains cannot be laid to the diversity of its members.',
            'members', 'Add "controls: same" to the study.'))
    elif len(roles['control']) < 3:
        found.append(_finding(
            'note', 'seed control', f'With {len(roles["control"])} controls what the training '
            'seeds add to the uncertainty is not known; intervals are those of the objects.',
            'contrasts', 'Give three controls or more.'))
    sizes = {role: len(roles.get(role, ())) for role in ('member', 'control')}
    if sizes['control'] and sizes['control'] != sizes['member']:
        found.append(_finding(
            'warning', 'seed control', f'There are {sizes["member"]} members and '
            f'{sizes["control"]} controls, and an average of more models is better by itself.',
            'members', 'Give as many controls as members.'))
    for name, why in summary['impossible'].items():
        found.append(_finding('warning', 'members', f'Member {name} is impossible: {why}.',
                              'members', 'The ensemble is that of the other members.'))
    if summary['n_left_out']:
        found.append(_finding('note', 'rows', f'{words.count(summary["n_left_out"])} rows that a '
                              'model has no score of are left out.', 'objects', ''))
    return found + _injection_findings(tables) + _power_finding(tables)


def _injection_findings(tables):
    table = tables.get('injection_thresholds')
    if table is None:
        return []
    found, meta = [], table.meta['injections']
    if str(meta['realism']).startswith('not measured'):
        found.append(_finding('note', 'injections', 'How real the injections look was not '
                              'measured; what is said of them holds for such images.',
                              'injected_completeness',
                              'Make them with "inject --lenses MANIFEST".'))
    unable = table.meta['cannot_score_injections']
    if unable:
        found.append(_finding('note', 'injections', f'No injection is scored by '
                              f'{words.listed(unable)}, which are loaded scores or made of them.',
                              'injected_completeness', 'Load them with finder and checkpoint.'))
    if meta['n_in_learnt_hosts']:
        found.append(_finding('note', 'injections', f'{words.count(meta["n_in_learnt_hosts"])} '
                              'injections into hosts that models or combiners learnt from are left '
                              'out.', 'injected_completeness', ''))
    tied = int(np.sum(table['n_injections_tied']))
    if tied:
        found.append(_finding('warning', 'injections', f'A budget cuts a block of tied scores, and '
                              f'{words.count(tied)} injections have such a score; they count as '
                              'not found.', 'injection_thresholds',
                              'Score logits, which saturate later.'))
    return found


def _power_finding(tables):
    row = tables['contrasts'][0]
    if not row['smallest_detectable'] > 0.5 * max(row['found_first'], 1):
        return []
    return [_finding('warning', 'power', f'Nothing below a difference of '
                     f'{_lenses(row["smallest_detectable"])} lenses could have been seen at '
                     f'{_budget(row)}, of {_lenses(row["found_first"])} found.', 'contrasts',
                     'Report on more lenses.')]


def _finding(severity, check, finding, evidence, advice):
    return {'severity': severity, 'check': check, 'finding': finding, 'evidence': evidence,
            'advice': advice}


def _main(tables, methods, roles):
    row, name = tables['contrasts'][0], methods[0].replace('_', '-')
    lo, hi, seeds = interval_of(row)
    ensemble = f'the {name} of {len(roles["member"])} members'
    controlled = str(row['contrast']) == MAIN.format(name, name)
    other = (f'the {name} of {len(roles["control"])} models that differ in their seed alone'
             if controlled else str(row['contrast']).partition(' less ')[2])
    seen = ('more than' if lo > 0 else 'fewer than' if hi < 0 else
            'neither more nor fewer, as far as can be seen, than')
    head = ('Diversity helped: ' if lo > 0 else 'Diversity cost: ' if hi < 0 else
            'No gain by diversity was seen: ') if controlled else ''
    text = (f'{head}{ensemble} found {seen} {other}, {_lenses(row["found_first"])} and '
            f'{_lenses(row["found_second"])} lenses at {_budget(row)}: a difference of '
            f'{words.with_interval(float(row["difference"]), lo, hi)}'
            f'{", training seeds included" if seeds else ", of the objects alone"}. A difference '
            f'of {_lenses(row["smallest_detectable"])} would have been seen with a '
            f'probability of {100 * tables["contrasts"].meta["power"]:g} %.')
    return text[0].upper() + text[1:]


def _spread(tables, roles):
    """Say how far models that differ in their seed alone are apart."""
    names, table = roles.get('control', []), tables['yields']
    if len(names) < 2:
        return []
    rows = table[np.isin(np.asarray(table['finder']).astype(str), names)
                 & (table['budget'] == table['budget'][0])]
    return [f'Single models that differ in their seed alone found '
            f'{_lenses(rows["found"].min())} to {_lenses(rows["found"].max())} lenses at '
            f'{_budget(rows[0])}.']


def _how_alike(tables, roles):
    """Compare how alike the members are with how alike the controls are."""
    table = tables.get('diversity')
    if table is None:
        return []
    lenses, found = table[np.asarray(table['sample']) == 'lenses'], {}
    point = next(str(item) for item in lenses['operating_point'] if item)
    for ensemble in dict.fromkeys(np.asarray(lenses['ensemble']).astype(str)):
        rows = lenses[np.asarray(lenses['ensemble']) == ensemble]
        at = np.asarray(rows['operating_point']).astype(str)
        kind = np.asarray(rows['statistic']).astype(str)
        found[ensemble] = [_mean(rows['estimate'][(kind == name) & (at == where)])
                           for name, where in (('rank correlation', ''), (STATISTICS[0], point))]
    told = [f'{ensemble} {correlation:.2f} and {100 * apart:.1f} %'
            for ensemble, (correlation, apart) in found.items()]
    return ['Rank correlation of the scores of the lenses, and lenses on which two models '
            f'disagree at the {point}, on average over pairs: {words.listed(told)}.']


def _mean(values):
    """Scores that are all alike have no correlation."""
    known = np.asarray(values)[np.isfinite(values)]
    return known.mean() if len(known) else np.nan


def _area(tables, methods):
    table = tables.get('covered_area')
    if table is None or not table.meta.get('reference'):
        return []
    rows = table[np.asarray(table['finder']).astype(str) == ensemble_name(methods[0], 'member')]
    row, level = rows[0], 100 * table.meta['level']
    if not np.isfinite(row['difference']):
        return []
    change = _percent(row, 'difference', 'difference_lo', 'difference_hi')
    return [f'Where at least {level:g} % of the lenses are found lies {100 * row["area"]:.0f} % of '
            f'the search for the {row["finder"]}; that is a change by {change} percentage points '
            f'against the {table.meta["reference"]}.']


def _injected(tables, methods):
    """Say how many injected lenses the ensemble finds, beside its reference."""
    table, name = tables.get('injected_completeness'), ensemble_name(methods[0], 'member')
    rows = [] if table is None else table[np.asarray(table['finder']).astype(str) == name]
    if not len(rows):
        return []
    row, meta = rows[0], table.meta['injections']
    text = (f'Of {words.count(meta["n"])} injected lenses in {words.count(meta["n_hosts"])} hosts '
            f'the {name} finds {_percent(row, "estimate", "lo", "hi")} % at the scores of the best '
            f'{table.meta["budget"]:,g}')
    other = tables.get('injected_differences')
    rows = [] if other is None else other[np.asarray(other['finder_a']).astype(str) == name]
    if len(rows):
        text += (f', a difference of {_percent(rows[0], "difference", "lo", "hi")} percentage '
                 f'points from the {rows[0]["finder_b"]}')
    area = tables.get('injected_area')
    rows = [] if area is None else area[np.asarray(area['finder']).astype(str) == name]
    if len(rows) and np.isfinite(rows[0]['difference']):
        text += (f'; the area where {100 * area.meta["level"]:g} % of them are found is '
                 f'{100 * rows[0]["area"]:.0f} % of the search, a change by '
                 f'{_percent(rows[0], "difference", "difference_lo", "difference_hi")} percentage '
                 'points')
    return [f'{text}.']


def _percent(row, *names):
    return words.with_interval(*(100 * float(row[name]) for name in names))


def _stratified(table):
    rows = table[np.asarray(table['contrast']).astype(str) == STRATA]
    row = rows[0]
    k = len(table) // len(rows) - 1
    each = words.with_interval(float(row['difference']), float(row['lo']), float(row['hi']))
    seeds = (f', and [{_lenses(row["seeds_lo"])}, {_lenses(row["seeds_hi"])}] from the '
             f'scatter over {k} seeds' if np.isfinite(row['seeds_lo']) else
             ', from one seed, of which the scatter is not known')
    lo = np.nanmin([row['lo'], row['seeds_lo']])
    hi = np.nanmax([row['hi'], row['seeds_hi']])
    seen = 'more' if lo > 0 else 'fewer' if hi < 0 else 'neither more nor fewer, as far as seen,'
    return (f'Trained on stratified negatives networks found {seen} lenses than on random ones at '
            f'{_budget(row)}: a difference of {each} from the objects{seeds}.')


def _lenses(number):
    """Numbers of lenses are not whole where rows stand for several objects, or ties are cut."""
    return f'{float(number):,.4g}' if abs(number) >= 100 else f'{float(number):.1f}'


def _budget(row):
    return f'the best {float(row["budget"]):,g}'
