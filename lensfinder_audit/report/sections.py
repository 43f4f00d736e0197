# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The sections of a report: which tables and figures go where, and what is said above them."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.audit_ensemble import ensemble_sentence
from lensfinder_audit.plotting.items import split_quantities
from lensfinder_audit.plotting.places import axis_names, axis_words, by_rate
from lensfinder_audit.plotting.style import group_rows, values
from lensfinder_audit.report import words
from lensfinder_audit.report.columns import people_table
from lensfinder_audit.report.missed import missed_sentence, missed_table

__all__ = ['make_sections', 'summary_sentences', 'severity_words']

_TITLES = {
    'samples': ('Samples', 'What the numbers below rest on.'),
    'operating_points': (
        'Operating points', 'An object is selected when its score is at or above the threshold. '
        'The interval of a threshold says how well the sample fixes it.'),
    'completeness': (
        'Completeness', 'The recovered fraction of lenses that were found without the help of a '
        'lens finder. It holds for lenses like these, not for all lenses there are.'),
    'agreement': (
        'Agreement with an earlier finder', 'These lenses were first found by another lens '
        'finder. Their recovered fraction says how far two finders agree, and nothing of lenses '
        'that both miss. It is not completeness and must not be averaged with it.'),
    'unknown': (
        'Recovered fraction, way of discovery unknown', 'For these lenses the sample does not say '
        'how they were found. Some may come from an earlier finder, so their fraction is kept '
        'apart from completeness.'),
    'false_positives': (
        'False positives', 'The fraction of objects taken to be negatives at or above the '
        'threshold. Lenses that hide among the negatives count as false positives here. Confuser '
        'families stand in the order of their rates, the highest first.'),
    'purity': (
        'Purity', 'The fraction of lenses among selected objects, at the stated prevalence; '
        'another prevalence gives another purity.'),
    'missed': (
        'Missed lenses', 'The lenses that a finder scores lowest, with the conditions under '
        'which they were seen.'),
    'calibration': (
        'Calibration', 'What a score means as a probability. A score becomes a probability only '
        'at a prevalence.'),
    'ranking': (
        'Ranking', 'How well scores order lenses before negatives. All lenses count alike here, '
        'however they were found.'),
    'ensemble': (
        'Ensemble', 'What the finders find together, and what only one of them does. The commands '
        '"diversity" and "ensemble" measure more.'),
    'recovery': (
        'Injections beside real lenses', 'Lensed sources injected into galaxies of the sample, '
        'and the fraction that the finder recovers. It holds for sources and lenses like the '
        'injected ones; on fewer hosts than the stated minimum a cell is unsupported.'),
    'checks': ('Checks', 'What the checks measured, whether or not it made a finding.'),
    'further': ('Further tables', ''),
}

#: Tables of checks, and what stands above them.
_CHECKED = {
    'hidden_lenses': 'Negatives that score as lenses do',
    'corrected_false_positives': 'False-positive rates without hidden lenses: none, as estimated, '
                                 'and most of them taken out',
    'top_negatives': 'The highest-scoring negatives',
    'condition_shortcuts': 'How well conditions alone tell lenses from negatives',
    'image_shortcuts': 'How well simple features of the stamps tell lenses from negatives',
    'calibration_by_stratum': 'Lenses counted and expected from the scores',
    'trends': 'Tests of rates against conditions',
    'tails': 'Thresholds by a fitted tail (log odds)',
    'intervals_again': 'Intervals, computed again', 'class_balance': 'Classes by stratum',
    'known_lenses': 'Objects in catalogues of known lenses',
    'leakage': 'Objects near those that were trained on',
    'splits': 'The split, verified', 'split_pairs': 'Objects of two sets within one cutout',
    'completeness_with_label_noise': 'Completeness at the stated purity of tiers',
    'response': 'Scores of changed stamps', 'realism': 'Injections beside real lenses',
    'batch': 'Scores of the same stamps in other batches',
    'near_duplicates': 'Stamps of different names that show the same pixels',
    'transfer': 'Fits to one half of the sky, and what they predict of the other',
    'sensitivity': 'Conclusions under every choice', 'match': 'Arcs of injections and of lenses',
    'pools': 'Hosts behind every cell of the injections',
    'band_order': 'Fluxes of stamps and of the catalogue in every order of the bands'}

_FRACTIONS = {'completeness': 'completeness', 'agreement': 'agreement',
              'unknown': 'recovered fraction'}
_STEMS = {'recovery': ('recovered fraction', {'n': 'injections', 'n_groups': 'hosts'}),
          'false_positives': ('false-positive rate', {'n_recovered': 'false positives',
                                                      'n': 'negatives'}),
          'purity': ('purity', {})}
_PLACED = ('operating_points', 'conditions', 'roc', 'verdict', 'ranking', 'reliability',
           'calibration', 'score_to_probability', 'discovery_sets', 'ensemble_yields',
           'ensemble_contrasts', 'ensemble_diversity')
_MOST_SCORES = 25


def make_sections(result, figures):
    """
    Collect what a report shows, in its order.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        What `~lensfinder_audit.audit` returns.
    figures : list of dict
        Figures with their ``section``.

    Returns
    -------
    sections : list of dict
        ``id``, ``title``, ``intro``, ``figures`` and ``tables``; those with
        neither figure nor table are left out.
    """
    tables = {name: [] for name in _TITLES}
    tables['samples'] = [_composition(result), people_table(
        result.tables.get('conditions'), title='Observing conditions, matched by position')]
    percent = words.percent(result.summary['confidence'])
    tables['operating_points'] = [_overview(result.tables, percent), people_table(
        result.tables.get('operating_points'), title='Thresholds')]
    tables['ranking'] = [people_table(result.tables.get('ranking'), title='Ranking statistics')]
    _add_fractions(tables, result.tables)
    _add_calibration(tables['calibration'], result.tables)
    tables['ensemble'] = _together(result.tables)
    tables['missed'] = [missed_table(result)]
    more = {'ensemble': ensemble_sentence(result.tables), 'missed': missed_sentence(result)}
    for name, table in result.tables.items():
        if name in _CHECKED:
            tables['checks'].append(people_table(table, title=_CHECKED[name]))
        elif name not in _PLACED and not name.startswith(('completeness', *_STEMS)):
            tables['further'].append(people_table(table, title=name.replace('_', ' ')))
    found = [{'id': name, 'title': title, 'intro': intro, 'more': more.get(name, ''),
              'tables': [table for table in tables[name] if table],
              'figures': [item for item in figures if item['section'] == name]}
             for name, (title, intro) in _TITLES.items()]
    for section in found:
        _fold(section)
    return [section for section in found if section['tables'] or section['figures']]


def _fold(section):
    """Fold what a figure shows too, and what only few will look up."""
    for table in section['tables']:
        table['folded'] |= section['id'] in ('checks', 'further') or bool(
            section['figures'] and table['title'].startswith('By '))


def _add_fractions(tables, results):
    for name, table in results.items():
        if name.startswith('completeness'):
            for section, part in split_quantities(table).items():
                tables[section].append(people_table(
                    part, title=_by(part), estimate=_FRACTIONS[section], drop=('discovery',),
                    names={'n': 'lenses'}))
        for stem, (estimate, names) in _STEMS.items():
            if name == stem or name.startswith(f'{stem}_by_'):
                table = by_rate(table) if axis_names(table) == ['confuser_class'] else table
                tables[stem].append(people_table(table, title=_by(table), estimate=estimate,
                                                 names=names))


def _together(results):
    """Lay out what finders find together: yields, gains, pairs and sets."""
    pairs = results.get('ensemble_diversity')
    if pairs is not None:
        pairs = pairs[np.asarray(pairs['sample']).astype(str) == 'lenses']
    return [people_table(results.get('ensemble_yields'), title='Lenses at equal budgets',
                         names={'n_groups': 'groups'}),
            people_table(results.get('ensemble_contrasts'),
                         title='Joint selections less single finders'),
            people_table(pairs, title='Pairs of finders, on the lenses', drop=('sample',)),
            _common(results.get('discovery_sets'))]


def _common(table):
    """Lay out which finders select what, with a word for those that none selects."""
    if table is None:
        return None
    table = table.copy()
    table['found_by'] = [str(name) or 'none of them' for name in table['found_by']]
    return people_table(table, title='Who finds what', estimate='fraction of all lenses',
                        names={'found_by': 'selected by'}, drop=('n_finders',))


def _by(table):
    axes = [axis_words(table, name) for name in axis_names(table)]
    return f'By {words.listed(axes)}' if axes else 'Whole samples'


def _add_calibration(found, results):
    found.append(people_table(results.get('calibration'), title='Calibration statistics'))
    reliability = results.get('reliability')
    if reliability is not None:
        found.append(people_table(reliability, title='Reliability by bins of score',
                                  estimate='fraction of lenses', names={'n': 'objects',
                                                                        'n_recovered': 'lenses'}))
    table = results.get('score_to_probability')
    if table is not None and len(table):
        found.append(people_table(_every_few(table), title='Probability at a stated prevalence'))


def _every_few(table):
    """Keep evenly spaced rows of each curve; the file has them all."""
    keep = []
    for _, rows in group_rows(table, ('finder', 'prevalence')):
        step = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_SCORES)).astype(int))
        keep.append(rows[step])
    chosen = QTable({name: np.concatenate([np.asarray(getattr(part[name], 'value', part[name]))
                                           for part in keep]) for name in table.colnames})
    chosen.meta = table.meta
    return chosen


def _composition(result):
    """Count lenses by tier and way of discovery, and negatives by family."""
    sample, label = result.sample, np.asarray(result.sample['label']).astype(bool)
    names = [name for name in ('tier', 'discovery') if name in sample.colnames]
    found = [{'objects': 'lenses', 'which': _words_of(key), **_counts(rows, result.summary)}
             for key, rows in _sorted_groups(sample[label], names)]
    negatives = sample[~label]
    names = [name for name in ('confuser_class',) if name in sample.colnames]
    found += [{'objects': 'negatives', 'which': _words_of(key), **_counts(rows, result.summary)}
              for key, rows in _sorted_groups(negatives, names)]
    return people_table(QTable(rows=found), title='What the sample holds') if found else None


def _sorted_groups(table, names):
    groups = group_rows(table, names) if len(table) else []
    return sorted(groups, key=lambda item: list(item[0].values()))


def _words_of(key):
    return ', '.join(f'tier {word}' if name == 'tier' else word.replace('_', ' ')
                     for name, word in key.items() if word) or ('no family given' if key else 'all')


def _counts(rows, summary):
    found = {'rows': len(rows)}
    if summary.get('group') and 'group' in rows.colnames:
        found['groups'] = len(np.unique(np.asarray(rows['group'])))
    if summary.get('weight') in rows.colnames:
        found['sum of weights'] = float(values(rows, summary['weight']).sum())
    return found


def _overview(results, percent):
    """Gather, for each finder and operating point, the numbers of whole samples."""
    cells = {}
    whole = split_quantities(results['completeness']) if 'completeness' in results else {}
    for row in whole.get('completeness', ()):
        tier = f' of tier {row["tier"]}' if 'tier' in row.colnames and row['tier'] else ''
        cells.setdefault(_place(row), {})[f'completeness{tier}'] = _cell(row)
    for row in results.get('false_positives', ()):
        if 'confuser_class' not in row.colnames or row['confuser_class'] == 'all':
            cells.setdefault(_place(row), {})['false-positive rate'] = _cell(row)
    for row in results.get('purity', ()):
        cells.setdefault(_place(row), {})['purity'] = _cell(row)
    columns = list(dict.fromkeys(name for found in cells.values() for name in found))
    if not columns:
        return None
    rows = [[*place, *(found.get(name, '') for name in columns)] for place, found in cells.items()]
    return {'title': 'What each operating point gives', 'header': ['finder', 'operating point',
                                                                   *columns],
            'note': f'whole samples; {percent} intervals; completeness of independently found '
                    'lenses only',
            'rows': rows, 'states': [''] * len(rows), 'folded': False}


def _place(row):
    return tuple(str(row[name]) if name in row.colnames else '' for name in ('finder',
                                                                             'operating_point'))


def _cell(row):
    state = str(row['state']) if 'state' in row.colnames else 'supported'
    text = words.with_interval(*(float(row[name]) for name in ('estimate', 'lo', 'hi')))
    return text if state == 'supported' else f'{text} ({state})' if text != '–' else state


def summary_sentences(summary):
    """
    Say in a paragraph what was measured on what.

    Parameters
    ----------
    summary : dict
        ``summary`` of an audit.

    Returns
    -------
    text : str
        A few sentences.
    """
    finders = words.listed(summary['finders']) if summary['finders'] else 'No finder'
    kinds = {'probability': 'probabilities', 'logit': 'logits', 'rank': 'ranks'}
    found = [f'{finders} {"was" if len(summary["finders"]) < 2 else "were"} measured on '
             f'{words.count(summary["n_lenses"])} objects taken to be lenses and '
             f'{words.count(summary["n_negatives"])} taken to be negatives.']
    if summary.get('score_kind') in kinds:
        found.append(f'Scores are read as {kinds[summary["score_kind"]]}.')
    found.append(f'Intervals are {words.percent(summary["confidence"])} '
                 f'({str(summary["interval"]).capitalize()} for fractions) unless said otherwise.')
    if summary.get('group'):
        found.append(f'Objects that share a value of {summary["group"]} are resampled together.')
    if summary.get('weight'):
        found.append('Rows are weighted.')
    if summary.get('prevalence') is not None:
        found.append(f'The stated prevalence is {words.number(summary["prevalence"])}.')
    elif summary['n_lenses'] and summary['n_negatives']:
        found.append('No prevalence was stated, so purity is left out.')
    if summary.get('simulated'):
        found.append('The sample is simulated: its numbers say nothing of real lenses.')
    return ' '.join(found)


def severity_words(findings):
    """Return how many findings of each severity there are, such as ``'1 severe, 2 notes'``."""
    plural = {'severe': 'severe', 'warning': 'warnings', 'note': 'notes'}
    severity = np.asarray(findings['severity']).astype(str) if len(findings) else np.array([], str)
    counts = [(word, int(np.sum(severity == word))) for word in plural]
    return ', '.join(f'{n} {word if n == 1 else plural[word]}' for word, n in counts if n)
