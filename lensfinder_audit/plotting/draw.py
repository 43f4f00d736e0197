# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Which figures an audit gets, and what is written under them."""
import numpy as np

from lensfinder_audit.plotting.beside import ensemble_figures, figures_together
from lensfinder_audit.plotting.calibration import (plot_reliability, plot_score_to_probability,
                                                   prevalence_words)
from lensfinder_audit.plotting.completeness import plot_completeness, plot_surface
from lensfinder_audit.plotting.items import SECTIONS, few_panels, named_tables, split_quantities
from lensfinder_audit.plotting.items import figure_item as _item
from lensfinder_audit.plotting.places import axis_names, axis_words
from lensfinder_audit.plotting.ranking import plot_roc, plot_scores
from lensfinder_audit.plotting.rows import plot_false_positives, plot_overall, plot_purity
from lensfinder_audit.plotting.store_galleries import store_galleries
from lensfinder_audit.plotting.style import group_rows, interval_words, mark_simulated, values
from lensfinder_audit.plotting.verdict import VERDICTS, plot_verdict

__all__ = ['draw_figures']

_MAX_FINDERS = 3
_FEW_NEGATIVES = 10


def draw_figures(result):
    """
    Draw the figures that the tables of an audit allow.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        What `~lensfinder_audit.audit` returns.

    Returns
    -------
    figures : list of dict
        ``name``, ``figure``, ``caption``, ``alt`` and ``section`` of each, in
        the order of a report. Their number is bounded: what is left out stands
        in the tables.
    """
    found = [*_verdict_figures(result), *_score_figures(result), *_fraction_figures(result),
             *figures_together(result.tables), *_false_positive_figures(result),
             *_purity_figures(result), *_calibration_figures(result), *_roc_figures(result),
             *ensemble_figures(result.tables), *_recovery_figures(result)]
    if result.summary.get('simulated'):
        for item in found:
            mark_simulated(item['figure'])
            item['caption'] += ' Simulated data.'
    return found + (list(result.galleries) or store_galleries(result))


def _verdict_figures(result):
    table = result.tables.get('verdict')
    if table is None or not len(table):
        return []
    counts = {word: int((table['verdict'] == word).sum()) for word in VERDICTS}
    return [_item('verdict', 'verdict', plot_verdict(table),
                  'Where each finder can be used, where not, and where nothing is known. Every '
                  'cell holds its verdict in words; bounds hold for all of them at once and stand '
                  'in the table.',
                  'Verdict on each region that was searched: ' + ', '.join(
                      f'{n} {word}' for word, n in counts.items() if n))]


def _score_figures(result):
    sample, summary = result.sample, result.summary
    found = []
    for finder in summary['finders'][:_MAX_FINDERS]:
        if finder not in sample.colnames:
            continue
        options = {'probabilities': _kind(summary, finder) == 'probability',
                   'thresholds': _thresholds(result.tables, finder),
                   'weight': summary.get('weight')}
        found.append(_item('samples', f'scores_{finder}', plot_scores(sample, finder, **options),
                           f'Scores that {finder} gives to lenses and to negatives'
                           + (', weighted.' if options['weight'] else '.'),
                           f'Histograms of the scores of {finder} for lenses and negatives'))
    finder = summary['finders'][0] if summary['finders'] else None
    if finder in sample.colnames and 'stratum' in sample.colnames:
        figure = plot_scores(sample, finder, by='stratum', **options)
        found.append(_item('samples', f'scores_by_stratum_{finder}', figure,
                           f'Scores of {finder} by stratum: median, central 68 % and 95 %.',
                           f'Ranges of the scores of {finder} in each stratum'))
    return found


def _kind(summary, finder):
    return summary.get('score_kinds', {}).get(finder, summary.get('score_kind'))


def _thresholds(tables, finder):
    points = tables.get('operating_points')
    if points is None:
        return ()
    return [value for value in values(points[points['finder'] == finder], 'threshold')
            if np.isfinite(value)]


def _fraction_figures(result):
    found = []
    for section in SECTIONS:
        for name, table in named_tables(result.tables, 'completeness'):
            part = split_quantities(table).get(section)
            if part is not None and (section != 'unknown' or not axis_names(table)):
                found.append((section, name, part))
    return [_fraction_figure(section, name, part) for section, name, part in found]


def _fraction_figure(section, name, table):
    names = axis_names(table)
    quantity = {'completeness': 'Completeness', 'agreement': 'Agreement with an earlier finder'
                }.get(section, 'Recovered fraction of lenses whose way of discovery is not known')
    name = name.replace('completeness', 'recovered' if section == 'unknown' else section, 1)
    bars = f' Bars are {interval_words(table.meta)}s.'
    if not names:
        return _item(section, name, plot_overall(table),
                     f'{quantity} of whole samples.{bars} Open points are unsupported.',
                     f'{quantity} by finder, operating point and sample')
    columns = ('finder', 'operating_point', 'tier', 'discovery')
    table, rest = few_panels(table, columns=columns[:2 if len(names) == 1 else 4])
    words = ' and '.join(axis_words(table, axis) for axis in names)
    if len(names) == 1:
        return _item(section, name, plot_completeness(table),
                     f'{quantity} against {words}.{bars} Open grey points are unsupported; counts '
                     f'of lenses stand below.{rest}', f'{quantity} in bins of {words}')
    return _item(section, name, plot_surface(table),
                 f'{quantity} over {words}. Hatched cells are unsupported, blank ones empty, '
                 f'crossed ones impossible; intervals are in the table.{rest}',
                 f'{quantity} in cells of {words}')


def _recovery_figures(result):
    found = []
    for name, table in named_tables(result.tables, 'recovery'):
        names = axis_names(table)
        table, rest = few_panels(table)
        words = ' and '.join(axis_words(table, axis) for axis in names)
        draw = (plot_overall, plot_completeness, plot_surface)[len(names)]
        marks = ('Hatched cells are unsupported, blank ones empty.' if len(names) == 2 else
                 f'Bars are {interval_words(table.meta)}s, hosts resampled together.')
        found.append(_item('recovery', name, draw(table),
                           f'Recovered fraction of injections{" against " * bool(words)}{words}. '
                           f'{marks}{rest}', f'Recovered fraction of injections {words}'))
    return found


def _false_positive_figures(result):
    found = []
    for name, table in named_tables(result.tables, 'false_positives'):
        names = axis_names(table)
        if len(names) > 1:
            continue
        table, rest = few_panels(table)
        words = axis_words(table, names[0]) if names else 'sample'
        order = (' The family with the highest rate stands first.' if names == ['confuser_class']
                 else '')
        found.append(_item('false_positives', name, plot_false_positives(table),
                           f'False-positive rate by {words}, with the exact interval and the '
                           'bootstrap side by side. Arrows are one-sided upper bounds of rows '
                           f'without a false positive.{order}{rest}',
                           f'False-positive rates by {words}'))
    return found


def _purity_figures(result):
    found = []
    for name, table in named_tables(result.tables, 'purity'):
        names = axis_names(table)
        if len(names) > 1:
            continue
        table, rest = few_panels(table) if names else (table, '')
        words = f' by {axis_words(table, names[0])}' if names else ''
        found.append(_item('purity', name, plot_purity(table),
                           f'Purity of what is selected{words}, at the stated prevalence of '
                           f'{table.meta.get("prevalence", "unknown")}. Bars are '
                           f'{interval_words(table.meta)}s.{rest}',
                           f'Purity{words} at the stated prevalence'))
    return found


def _calibration_figures(result):
    found = []
    reliability = result.tables.get('reliability')
    if reliability is not None and len(reliability):
        for key, table in group_rows(reliability, ('prevalence',))[:3]:
            at = prevalence_words(table)
            found.append(_item('calibration', f'reliability_{len(found) + 1}',
                               plot_reliability(table),
                               f'Reliability at {at}: all scores, and a zoom on 0.9 to 1. Bars are '
                               f'{interval_words(table.meta)}s.',
                               f'Fraction of lenses against mean score in bins, at {at}'))
    table = result.tables.get('score_to_probability')
    if table is not None and len(table):
        kinds = {_kind(result.summary, finder) for finder in result.summary['finders']}
        figure = plot_score_to_probability(table, probabilities=kinds == {'probability'})
        found.append(_item('calibration', 'score_to_probability', figure,
                           'Probability that an object with a score is a lens, at a stated '
                           'prevalence. Dotted where too few objects carry it.',
                           'Probability of a lens against score'))
    return found


def _roc_figures(result):
    table = result.tables.get('roc')
    if table is None or not len(table):
        return []
    figure = plot_roc(table, operating_points=result.tables.get('operating_points'),
                      least_fpr=_least_fpr(result))
    return [_item('ranking', 'roc', figure,
                  'Receiver operating characteristic with a logarithmic axis. In the shaded range '
                  f'a rate rests on fewer than {_FEW_NEGATIVES} negatives. All lenses count alike '
                  'here, however they were found.', 'ROC curves of the finders')]


def _least_fpr(result):
    """Return the rate that the ten highest negatives stand for, of the best-off finder."""
    label = np.asarray(result.sample['label']).astype(bool)
    weight = result.summary.get('weight')
    weight = values(result.sample, weight) if weight else np.ones(len(label))
    rates = []
    for finder in result.summary['finders']:
        score = values(result.sample, finder)
        rows = np.flatnonzero(~label & np.isfinite(score))
        if len(rows) > _FEW_NEGATIVES:
            top = rows[np.argpartition(-score[rows], _FEW_NEGATIVES)[:_FEW_NEGATIVES]]
            rates.append(weight[top].sum() / weight[rows].sum())
    return max(rates, default=None)
