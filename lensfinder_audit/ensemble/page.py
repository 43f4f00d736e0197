# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The page of an ensemble study, on the template of the reports of audits."""
import lensfinder_audit
from lensfinder_audit.report import words
from lensfinder_audit.report.columns import people_table
from lensfinder_audit.report.render import render_page

__all__ = ['study_page']

_SECTIONS = {
    'members': ('Models', 'What was trained or loaded, and the AUC on the rows reported on.'),
    'yields': ('Lenses found', 'How many lenses are among the best-ranked objects, as many as '
               'someone has time to inspect. Union and intersection are ranked by the best and by '
               'the worst rank of an object, and cut at the same budget as everything else.'),
    'contrasts': ('Did diversity help?', 'Members that were trained on different subsets against '
                  'as many models that differ in their seed alone, and against one model. What '
                  'both ensembles gain over one model is the gain of averaging; diversity is what '
                  'the first has beyond the second.'),
    'diversity': ('How alike the models are', 'Correlation of scores, and selections at the '
                  'budgets: read the rows of the lenses, since nearly everybody is right on nearly '
                  'all negatives.'),
    'discoveries': ('Who finds what', 'Lenses by the models that have them among the '
                    'best-ranked objects.'),
    'conditions': ('Over which conditions', 'Completeness at the first budget, and the share of '
                   'the search that lies where it reaches the stated level on enough lenses.'),
    'injections': ('Injected lenses', 'Lenses that were injected into hosts that nothing here '
                   'learnt from. One is found where its score is at or above that of the last '
                   'object within the budget of the sample. Intervals resample hosts, and take '
                   'the thresholds as they were set.'),
    'stratification': ('Stratified against random negatives', 'The same network on the same '
                       'lenses, with negatives in the proportion of the lenses of each stratum or '
                       'by chance, paired by seed.')}

_TABLES = {'members': ('members', 'Models'), 'yields': ('yields', 'Lenses found'),
           'contrasts': ('contrasts', 'Differences'), 'diversity': ('diversity', 'Pairs of models'),
           'discovery_sets': ('discoveries', 'Sets of models'),
           'covered_area': ('conditions', 'Share of the search that is covered'),
           'injected_differences': ('injections', 'Differences to the reference, on the same '
                                    'injections'),
           'injected_area': ('injections', 'Share of the search where enough injected lenses are '
                             'found'),
           'injection_thresholds': ('injections', 'Thresholds, from the budgets of the sample'),
           'stratification': ('stratification', 'Differences, paired by seed')}

_COMPLETENESS = {'completeness_by_': ('conditions', 'lenses'),
                 'injected_completeness': ('injections', 'injected lenses')}


def study_page(result, figures=()):
    """
    Write the report of a study as one HTML page.

    Parameters
    ----------
    result : `~lensfinder_audit.ensemble.study.StudyResult`
        The study.
    figures : list of dict, optional
        As `~lensfinder_audit.ensemble.figures.study_figures` returns them.

    Returns
    -------
    page : str
        HTML without scripts that loads nothing from elsewhere.
    """
    tables = {name: [] for name in _SECTIONS}
    for name, table in result.tables.items():
        if name in _TABLES:
            section, title = _TABLES[name]
            tables[section].append(people_table(table, title=title))
        for begin, (section, lenses) in _COMPLETENESS.items():
            if name.startswith(begin):
                tables[section].append(people_table(
                    table, title=name.replace('_', ' ').capitalize(), estimate='completeness',
                    names={'n': lenses, 'n_recovered': 'found'}))
    sections = [{'id': name, 'title': title, 'intro': intro,
                 'tables': [table for table in tables[name] if table],
                 'figures': [item for item in figures if item['section'] == name]}
                for name, (title, intro) in _SECTIONS.items()]
    summary = {'command': '', **result.summary, 'package_version': lensfinder_audit.__version__}
    return render_page(
        summary=summary, paragraph=_paragraph(result.summary), findings=result.findings,
        verdict={'sentences': result.verdict, 'table': None}, options=result.options,
        sections=[item for item in sections if item['tables'] or item['figures']])


def _paragraph(summary):
    splits = summary['splits']
    found = [f'{words.count(summary["n_models"])} models were compared on '
             f'{words.count(summary["n_lenses"])} lenses and '
             f'{words.count(summary["n_negatives"])} negatives (split: {splits["report"]}).']
    if summary['n_fit']:
        found.append(f'Combiners that learn were fitted on {words.count(summary["n_fit"])} other '
                     f'rows (split: {splits["fit"]}).')
    whole = f', whole groups of {summary["group"]} at a time' if summary['group'] else ''
    found.append('All intervals are paired: every resample draws the same objects for all '
                 f'models{whole}.')
    if summary.get('simulated'):
        found.append('The sample is simulated: its numbers say nothing of real lenses.')
    return ' '.join(found)
