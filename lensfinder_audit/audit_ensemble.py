# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Whether the finders of an audit find more together than the best of them alone."""
import numpy as np
from scipy.special import logit

from lensfinder_audit.measure.contrasts import yield_contrasts
from lensfinder_audit.measure.diversity import diversity_table, threshold_selections
from lensfinder_audit.measure.yields import joint_scores, searched_mass, yield_tables

__all__ = ['ensemble_tables', 'ensemble_sentence', 'LESS']

#: Between the two sides of a contrast in its name.
LESS = ' less '

_MOST_FINDERS, _MOST_BUDGETS = 6, 2
_FEW_LENSES = 10
_MOST_DRAWN = 1e8  # rows times resamples, so that a survey's table takes seconds


def ensemble_tables(sample, points, kinds, options):
    """
    Compare the finders of an audit, and what they select jointly, at equal budgets.

    Parameters
    ----------
    sample : `~astropy.table.QTable`
        Objects with ``label``, ``discovery`` and a column for each finder.
    points : `~astropy.table.QTable`
        Operating points; the budget of one is the mean number of objects that the finders
        select there.
    kinds : dict of str to str
        Score kind of each finder.
    options : `~lensfinder_audit.config.AuditOptions`
        Prevalence, search size and statistics.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
        ``ensemble_yields``, ``ensemble_contrasts``, of every joint selection less every
        finder, and ``ensemble_diversity``; nothing for one finder, for more than six, and
        without lenses and negatives.

    Notes
    -----
    Finders are compared on independently found lenses where there are ten or more, because
    a finder has a part in the others. Intervals of contrasts hold for all finders at once
    (Bonferroni), so that a joint selection that is surely above each is above the best,
    whichever that is.
    """
    finders = list(dict.fromkeys(points['finder'].astype(str).tolist()))
    rows, lenses = _rows(sample, finders)
    label = np.asarray(sample['label'], dtype=bool)[rows]
    if not 1 < len(finders) <= _MOST_FINDERS or not 0 < label.sum() < len(label):
        return {}
    scores = {name: np.asarray(sample[name], dtype=float)[rows] for name in finders}
    shared = {name: np.asarray(sample[name])[rows] if name in sample.colnames else None
              for name in ('weight', 'group')}
    cuts, budgets = _budgets(points, scores, label, shared['weight'], options)
    if not budgets:
        return {}
    shared |= {'n_resamples': int(np.clip(_MOST_DRAWN / len(label), 200, min(
        options.n_resamples, 1000))), 'seed': options.seed}
    search = {'prevalence': options.prevalence, 'search_size': options.search_size}
    joint = _joint(scores, kinds)
    wanted = {f'{one}{LESS}{name}': {one: 1.0, name: -1.0} for one in joint for name in finders}
    level = 1 - (1 - options.confidence) / len(finders)
    found = {
        'ensemble_yields': yield_tables(scores | joint, label, budgets, **shared, **search,
                                        confidence=options.confidence).yields,
        'ensemble_contrasts': yield_contrasts(scores | joint, label, budgets, wanted, **shared,
                                              **search, confidence=level),
        'ensemble_diversity': diversity_table(scores, label, threshold_selections(scores, cuts),
                                              confidence=options.confidence, **shared)}
    mass = searched_mass(label, weight=shared['weight'], **search)
    for table in found.values():
        table.meta |= {'lens_mass': float(mass[label].sum()), 'lenses': lenses,
                       'finders': finders, 'points': list(cuts),
                       'simultaneous': options.confidence}
    return found


def _rows(sample, finders):
    """Return the rows that are compared on, and which lenses these hold, in words."""
    label = np.asarray(sample['label'], dtype=bool)
    rows = np.all([np.isfinite(np.asarray(sample[name], dtype=float)) for name in finders], axis=0)
    alone = np.asarray(sample['discovery']).astype(str) == 'independent' if (
        'discovery' in sample.colnames) else np.zeros(len(sample), bool)
    if (rows & label & alone).sum() >= _FEW_LENSES:
        return rows & (~label | alone), 'independently found lenses'
    return rows, 'lenses, however they were found'


def _joint(scores, kinds):
    """Return the joint scores of the finders; a mean only of scores that have a scale."""
    joint, held = joint_scores(scores), {kinds[name] for name in scores}
    if held == {'probability', 'logit'}:
        joint = {'mean of log odds': np.mean([
            logit(np.clip(values, 1e-12, 1 - 2**-25)) if kinds[name] == 'probability' else values
            for name, values in scores.items()], axis=0), **joint}
    elif 'rank' not in held:
        joint = {'mean score': np.mean(list(scores.values()), axis=0), **joint}
    return {name if name not in scores else f'{name} of finders': values
            for name, values in joint.items()}


def _budgets(points, scores, label, weight, options):
    """Return the thresholds of each operating point, and the budgets that they amount to."""
    mass = searched_mass(label, weight=weight, prevalence=options.prevalence,
                         search_size=options.search_size)
    cuts, budgets = {}, []
    for point in dict.fromkeys(points['operating_point'].astype(str).tolist()):
        rows = points[points['operating_point'].astype(str) == point]
        found = dict(zip(rows['finder'].astype(str).tolist(), rows['threshold'].tolist(),
                         strict=True))
        if set(found) != set(scores) or not np.isfinite(list(found.values())).all():
            continue
        picked = [mass[scores[name] >= found[name]].sum() for name in scores]
        budget = float(f'{np.mean(picked):.3g}')
        if 0 < budget <= mass.sum() and budget not in budgets and len(budgets) < _MOST_BUDGETS:
            cuts[point] = found
            budgets.append(budget)
    return cuts, budgets


def ensemble_sentence(tables):
    """
    Say whether combining the finders helped.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`
        With those of `ensemble_tables`, or without.

    Returns
    -------
    text : str
        With the interval and what could have been seen; empty without tables.
    """
    from lensfinder_audit.report.words import count, with_interval  # it draws, which costs time

    contrasts, yields = (tables.get(f'ensemble_{name}') for name in ('contrasts', 'yields'))
    if contrasts is None or yields is None:
        return ''
    told, budget = contrasts.meta, float(contrasts['budget'][0])
    joint = str(contrasts['contrast'][0]).partition(LESS)[0]
    rows = contrasts[(contrasts['budget'] == budget) & np.char.startswith(
        contrasts['contrast'].astype(str), joint + LESS)]
    best = rows[int(np.argmax(rows['found_second']))]
    name = str(best['contrast']).partition(LESS)[2]
    share = {key: 100 * float(best[key]) / told['lens_mass'] for key in (
        'found_first', 'found_second', 'difference', 'lo', 'hi', 'smallest_detectable')}
    return (f'{_head(rows)} Among the best {_objects(budget)} of {_objects(told["search_size"])} '
            f'objects searched, as many as the finders select on average at {told["points"][0]}, '
            f'the {joint} of {len(rows)} finders has {share["found_first"]:.1f} % of the lenses '
            f'and {name}, which has most of them alone, {share["found_second"]:.1f} %: a '
            f'difference of {with_interval(share["difference"], share["lo"], share["hi"])} '
            f'percentage points ({100 * told["simultaneous"]:g} % for the {len(rows)} finders at '
            f'once, paired bootstrap). A difference of {share["smallest_detectable"]:.2g} would '
            f'have been seen with a probability of {100 * told["power"]:g} %. Measured on '
            f'{count(int(yields["n_lenses"][0]))} {told["lenses"]}{_groups(yields)}.')


def _groups(yields):
    from lensfinder_audit.report.words import count

    if not yields.meta['clustered']:
        return ''
    return f', in {count(int(yields["n_groups"][0]))} independent groups'


def _head(rows):
    if (rows['lo'] > 0).all():
        return 'Combining the finders helped.'
    if (rows['hi'] < 0).any():
        return 'Combining the finders cost lenses.'
    return 'No gain by combining the finders was seen.'


def _objects(number):
    """Numbers of objects are not whole where rows stand for several."""
    from lensfinder_audit.report.words import count

    number = float(number)
    return count(round(number)) if number >= 100 or number == round(number) else f'{number:.3g}'
