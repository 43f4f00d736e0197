# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Which conclusions hang on a choice: the audit again, with one choice made otherwise.

Bins, cuts, tiers, intervals, groups, thresholds within their own uncertainty and the
annulus of the normaliser are choices. A conclusion that flips with one of them rests
on it, and not on the sky.
"""
import numpy as np
from astropy.table import QTable, Table

from lensfinder_audit.audit import prepare
from lensfinder_audit.checks.finder import trends
from lensfinder_audit.config import AuditOptions
from lensfinder_audit.exceptions import LensfinderAuditError
from lensfinder_audit.files import read_table
from lensfinder_audit.findings import Case, Finding, Limits
from lensfinder_audit.tables import check_table, schema_meta
from lensfinder_audit.verdict import verdict_table

__all__ = ['sensitivity', 'sensitivity_findings']

#: Resamples of each audit, enough for effective sizes.
_RESAMPLES = 500

#: Words of conclusions that contradict each other.
_OPPOSITE = ({'use', 'do not use'}, {'above', 'below'}, {'rises', 'falls'})


def sensitivity(scores, *, negatives=None, conditions=(), rescored=None, progress=None, **options):
    """
    Audit again with one choice after the other made otherwise, and compare what is concluded.

    Parameters
    ----------
    scores, negatives, conditions
        As for `~lensfinder_audit.audit.audit`.
    rescored : dict of str to `~astropy.table.Table`, optional
        By the name of a choice, the same score table with other scores, such as those of
        another annulus.
    progress : callable, optional
        Called with the name of each choice.
    **options
        Arguments of `~lensfinder_audit.config.AuditOptions`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``sensitivity``: one row per conclusion, ``as_audited`` and one column per
        choice; a dash where the choice does not touch the conclusion or the audit cannot be
        made so. ``n_flips`` counts the choices that change it, ``contradicted`` says whether
        one turns it into its opposite.

    Examples
    --------
    >>> from lensfinder_audit.example import example_scores
    >>> from lensfinder_audit.sensitivity import sensitivity
    >>> table = sensitivity(example_scores(), fprs=[0.01])
    >>> print(table['conclusion', 'as_audited', 'interval: jeffreys'][0])
           conclusion        as_audited interval: jeffreys
    ------------------------ ---------- ------------------
    verdict for whole sample        use                use
    """
    read = {'negatives': _read(negatives),
            'conditions': [_read(item) for item in _list(conditions)]}
    scores = _read(scores)
    options = {**options, 'n_resamples': _RESAMPLES}
    case, notes = _audited(scores, read, options)
    base = _conclusions(case)
    found = {}
    for name, change in _choices(case, options).items():
        if progress:
            progress(name)
        found[name] = _again(scores, read, options, change)
    for name, other in (rescored or {}).items():
        found[name] = _again(other, read, options, {})
    return _table(base, found, case)


def _list(items):
    return [items] if isinstance(items, str | Table) else list(items)


def _read(item):
    return item if item is None or isinstance(item, Table) else read_table(item)


def _audited(scores, read, options, keep=None):
    """Take the measurements that conclusions rest on, of some of the rows."""
    if keep is not None:
        scores = scores[keep(scores)]
    sample, summary, notes, options, tables = prepare(
        scores, read['negatives'], read['conditions'], options,
        measure=('completeness', 'false_positives'))
    case = Case(sample, tables, summary, options, Limits.of(options.limits), notes.get('trained'))
    list(trends(case))
    return case, notes


def _again(scores, read, options, change):
    change = dict(change)
    keep, point = change.pop('keep', None), change.pop('point', None)
    try:
        case, _ = _audited(scores, read, {**options, **change}, keep)
    except LensfinderAuditError:  # nothing is left, or the choice does not fit the sample
        return {}
    return _conclusions(case, point)


def _choices(case, options):
    """Name the choices that this sample leaves open, and the options of each."""
    given, sample = AuditOptions.of(**options), case.sample
    found = {f'interval: {name}': {'interval': name}
             for name in ('wilson', 'jeffreys', 'clopper-pearson') if name != given.interval}
    found |= {f'cells on {n} groups': {'min_groups': n}
              for n in (5, 20) if n != given.min_groups}
    numbers = {name: axis for name in case.options.by if ',' not in name
               and (axis := _edges(case, name))}
    if numbers:
        wide = {name: [*edges[:-1:2], edges[-1]] for name, edges in numbers.items()}
        found['bins: twice as wide'] = {'by': case.options.by, 'bins': {**given.bins, **wide}}
        found['bins: quantiles'] = {'by': case.options.by, 'bins': {
            **given.bins, **dict.fromkeys(numbers, 'quantile')}}
    if {'ra', 'dec'} <= set(sample.colnames):
        found |= {f'groups: {name}': {'group': name} for name in ('healpix:16', 'healpix:128')
                  if name != given.group}
    return found | _samples(case, given) | _thresholds(case, given)


def _edges(case, name):
    table = case.tables.get(f'completeness_by_{name}')
    if table is None or f'{name}_min' not in table.colnames:
        return None
    ends = np.concatenate([np.asarray(getattr(table[f'{name}_{end}'], 'value',
                                              table[f'{name}_{end}']), dtype=float)
                           for end in ('min', 'max')])
    edges = np.unique(ends[~np.isnan(ends)]).tolist()
    return edges if len(edges) > 3 else None


def _samples(case, given):
    """Cuts and tier rules: other lenses, or without those that were trained on."""
    sample, found = case.sample, {}
    if 'in_training' in sample.colnames and not given.exclude_training and (
            sample['in_training'] == 'yes').any():
        found['cut: not trained on'] = {'exclude_training': True}
    names = np.asarray(sample['object_id']).astype(str)
    lenses = np.asarray(sample['label'], dtype=bool)
    for column, value, words in (('tier', 'A', 'tiers: A only'),
                                 ('tier', 'B', 'tiers: B only'),
                                 ('grade', 'A', 'tiers: grade A only')):
        if column in sample.colnames:
            chosen = np.asarray(sample[column]).astype(str) == value
            if 0 < (chosen & lenses).sum() < lenses.sum():
                found[words] = {'keep': _kept(set(names[lenses & ~chosen]), len(sample))}
    return found


def _kept(dropped, n):
    """Return a function that drops rows by their name, where the table has names."""
    def keep(table):
        from lensfinder_audit.scoretable import guess_roles

        name = guess_roles(table).get('object_id')
        if name is None:
            raise LensfinderAuditError('rows have no names')
        return ~np.isin(np.asarray(table[name]).astype(str), list(dropped))
    return keep


def _thresholds(case, given):
    """Move each threshold to the ends of its own interval."""
    found = {}
    for row in case.rows('operating_points'):
        for end in ('lo', 'hi'):
            value = float(row[f'threshold_{end}'])
            if np.isfinite(value) and value != row['threshold'] and not given.lower_is_better:
                name, point = str(row['finder']), str(row['operating_point'])
                found[f'threshold {end} of {name} at {point}'] = {
                    'thresholds': [value], 'fprs': [], 'top_percents': [], 'budgets': [],
                    'finders': {name: given.finders.get(name, name)}, 'point': point}
    return found


def _conclusions(case, point=None):
    """Say in words what an audit concludes, by finder, operating point and subject."""
    found = {}
    verdict = verdict_table(case.tables, limits=case.limits, confidence=case.options.confidence)
    for row in verdict if verdict is not None else ():
        found[_key(row, point, f'verdict for {row["region"]}')] = str(row['verdict'])
    for name, words, level in (('completeness', 'completeness', case.limits.use_completeness),
                               ('false_positives', 'false-positive rate', case.limits.use_fpr)):
        for row in case.rows(name):
            of = (f'of {row["tier"]}, {row["discovery"]}' if name == 'completeness'
                  else f'of {row["confuser_class"]}')
            found[_key(row, point, f'{words} {of} against {level:g}')] = (
                'above' if row['lo'] > level else 'below' if row['hi'] < level else 'not known')
    for row in case.rows('trends'):
        found[_key(row, point, f'{row["rate"]} with {row["axis"]}')] = str(row['trend'])
    return found


def _key(row, point, words):
    return str(row['finder']), point or str(row['operating_point']), words


def _table(base, found, case):
    rows = []
    for key, word in base.items():
        words = {name: other.get(key, '-') for name, other in found.items()}
        flips = [item for item in words.values() if item not in (word, '-')]
        rows.append({'finder': key[0], 'operating_point': key[1], 'conclusion': key[2],
                     'as_audited': word, 'n_flips': len(flips), 'contradicted': any(
                         {word, item} in _OPPOSITE for item in flips), **words})
    table = QTable(rows=rows)
    table.meta = schema_meta('sensitivity', choices=list(found), n_resamples=_RESAMPLES,
                             use_completeness=case.limits.use_completeness,
                             use_fpr=case.limits.use_fpr)
    return check_table(table, 'sensitivity')


def sensitivity_findings(table):
    """
    Say which conclusions flip.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        As `sensitivity` returns it.

    Returns
    -------
    findings : list of `~lensfinder_audit.findings.Finding`
        A warning for conclusions that turn into their opposite, a note for those that are
        gained or lost.
    """
    found = []
    for severity, rows, words in (
            ('warning', table[table['contradicted']], 'turn into their opposite'),
            ('note', table[(table['n_flips'] > 0) & ~table['contradicted']],
             'are gained or lost')):
        if len(rows):
            top = rows[np.argmax(rows['n_flips'])]
            name = next(name for name in table.meta['choices']
                        if top[name] not in ('-', top['as_audited']))
            found.append(Finding(
                severity, 'sensitivity', f'{len(rows)} of {len(table)} conclusions {words} with a '
                f'choice; the one that flips most: {top["conclusion"]} ({top["finder"]} at '
                f'{top["operating_point"]}) is "{top["as_audited"]}", and "{top[name]}" with '
                f'{name} ({top["n_flips"]} of {len(table.meta["choices"])} choices)',
                'sensitivity', 'State these conclusions with the choice, or not at all.'))
    return found
