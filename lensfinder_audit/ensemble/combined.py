# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Ensembles of members and of controls: fitted on one split, applied to another."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.combine import combine_table, fit_combiner, score_columns
from lensfinder_audit.ensemble.study_file import JOINT
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.measure.yields import joint_ranks

__all__ = ['check_combiners', 'complete_rows', 'combined_scores', 'left_out_scores',
           'ensemble_name']


def ensemble_name(method, role):
    """
    Return what an ensemble is called.

    Parameters
    ----------
    method : str
        How it is combined.
    role : str
        Of its members: ``member`` or ``control``.

    Returns
    -------
    name : str
        Such as ``'mean of members'``.
    """
    return f'{method.replace("_", "-")} of {role}s'


def check_combiners(study, sample):
    """
    Raise where a combiner that learns has no rows of its own, before anything is trained.

    Parameters
    ----------
    study : `~lensfinder_audit.ensemble.study_file.Study`
        Its combiners.
    sample : `~lensfinder_audit.ensemble.sample.Sample`
        The rows.

    Raises
    ------
    ConfigError
        Naming the combiner.
    """
    for method in study.combiners:
        if method not in ('mean', *JOINT) and not sample.fit.any():
            raise ConfigError(f'{method} learns, and the study names no rows to fit it on; write '
                              '"splits: {fit: val, report: test}"')


def complete_rows(sample, scored, *, missing='refuse'):
    """
    Return the rows of each use of which every model has a score.

    Parameters
    ----------
    sample : `~lensfinder_audit.ensemble.sample.Sample`
        The rows.
    scored : `~lensfinder_audit.ensemble.models.Scored`
        The scores.
    missing : {'refuse', 'leave_out'}, optional
        What is done with rows that a model lacks.

    Returns
    -------
    fit, report : (n,) `~numpy.ndarray` of bool
        Rows.
    n_left_out : int
        Rows that are reported on without it.

    Raises
    ------
    TableError
        If models disagree in their rows and none may be left out, or none is left.
    """
    known = np.ones(len(sample.table), bool)
    used = sample.fit | sample.report
    for name, scores in scored.scores.items():
        lost = used & ~np.isfinite(scores)
        if lost.any() and missing == 'refuse':
            first = str(sample.table['object_id'][np.argmax(lost)])
            raise TableError(f'{name} has no score of {lost.sum()} of {used.sum()} rows, the first '
                             f'is {first!r}; give it all rows, or write "missing: leave_out" for '
                             'the rows that all models have')
        known &= np.isfinite(scores)
    fit, report = sample.fit & known, sample.report & known
    for rows, what in ((report, 'report'), (fit, 'fit')):
        if (what == 'report' or sample.fit.any()) and len(set(sample.label[rows])) < 2:
            raise TableError(f'the rows to {what} on that all models have lack a class: '
                             f'{sample.label[rows].sum()} lenses of {rows.sum()} rows')
    return fit, report, int((sample.report & ~known).sum())


def combined_scores(study, sample, scored, fit, report, injected=None):
    """
    Return the scores of every ensemble on the rows that are reported on.

    Parameters
    ----------
    study : `~lensfinder_audit.ensemble.study_file.Study`
        Its combiners and conditions.
    sample, scored
        Rows and scores.
    fit, report : (n,) `~numpy.ndarray` of bool
        Rows that combiners are fitted on, and that they are applied to.
    injected : `~lensfinder_audit.ensemble.injected.Injected`, optional
        Gets the scores of the models, and those of ensembles of which it has all members.

    Returns
    -------
    scores : dict of str to (m,) `~numpy.ndarray`
        By the names of `ensemble_name`.

    Raises
    ------
    ConfigError
        If a combiner needs more than the ranks that a model gives.
    """
    found = {}
    if injected is not None:
        injected.scores |= scored.injected
    for role in ('member', 'control'):
        names = scored.of(role)
        for method in study.combiners if len(names) > 1 else ():
            combine = _combiner(method, names, study, sample, scored, fit, report)
            found[ensemble_name(method, role)] = combine(scored.scores, sample.table, report)
            if injected is not None and set(names) <= set(scored.injected):
                injected.scores[ensemble_name(method, role)] = combine(
                    scored.injected, injected.table, slice(None))
    return found


def left_out_scores(study, sample, scored, fit, report):
    """
    Return the scores of each ensemble of controls without one of them, for the jackknife.

    Parameters
    ----------
    study, sample, scored, fit, report
        As for `combined_scores`.

    Returns
    -------
    scores : dict of str to list of (m,) `~numpy.ndarray`
        By method, one for each control; empty with fewer than three controls.
    """
    names = scored.of('control')
    if len(names) < 3:
        return {}
    return {method: [_combiner(method, [name for name in names if name != lost], study, sample,
                               scored, fit, report)(scored.scores, sample.table, report)
                     for lost in names] for method in study.combiners}


def _combiner(method, names, study, sample, scored, fit, report):
    """Return a function of scores by model, a table and its rows that combines them."""
    if method in JOINT:
        search = {name: scored.scores[name][report] for name in names}
        return lambda scores, table, rows: joint_ranks(
            method, search, {name: scores[name][rows] for name in names})
    if scored.kind == 'rank':
        raise ConfigError(f'{method} needs probabilities or logits, and a model gives ranks; '
                          f'combine with {list(JOINT)}')
    conditions = study.conditions if method == 'feature_weighted' else ()
    table = _table(scored.scores, sample.table, names, conditions, scored.kind)
    table['label'] = sample.label
    if sample.weight() is not None:
        table['weight'] = sample.weight()
    options = {} if method == 'mean' else {'seed': study.statistics.get('seed', 0),
                                           **study.combiner_options.get(method, {})}
    made = fit_combiner(table, method, rows=fit, conditions=conditions, **options)

    def combine(scores, rest, rows):
        known = _table(scores, rest, names, conditions, scored.kind)[rows]
        return np.asarray(combine_table(known, made, name='combined')['combined'], dtype=float)

    return combine


def _table(scores, rest, names, conditions, kind):
    """Return the scores of some models as columns, with the observing conditions."""
    table = QTable({name: scores[name] for name in names})
    for name in conditions:
        table[name] = score_columns(rest, [name])[:, 0]
    table.meta = {'finders': list(names), 'score_kind': kind}
    return table
