# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Compare stacking with the plain average, and four score columns with each other, on real scores.

``python docs/make_diversity_tables.py FOLDER`` reads ``base_model_scores_train_val.parquet`` and
``candidate_scores_storfer.csv`` in FOLDER and writes ``docs/measure/diversity_tables.inc``.
"""
import sys
from pathlib import Path

import numpy as np

from lensfinder_audit.combine import combine_table, fit_combiner, member_table
from lensfinder_audit.files import read_table
from lensfinder_audit.measure.diversity import (diversity_table, discovery_sets,
                                                threshold_selections)
from lensfinder_audit.measure.ranking import delong, delong_test
from lensfinder_audit.measure.yields import yield_tables

OUTPUT = Path(__file__).parent / 'measure' / 'diversity_tables.inc'
MEMBERS = {'resnet': 'p_resnet', 'effnet': 'p_effnet'}
CANDIDATES = {'resnet': 'our_p_resnet', 'effnet': 'our_p_effnet', 'meta': 'our_p_meta',
              'average': 'our_p_avg'}
BUDGETS = [100, 150, 186, 200, 250]
SEEDS = range(5)


def stacked(folder):
    """Fit on the training rows; return the validation rows with every combined score."""
    table = read_table(folder / 'base_model_scores_train_val.parquet')
    sample = member_table(table, finders=MEMBERS, score_kind='probability')
    train = np.asarray(sample['split']).astype(str) == 'train'
    fits = [combine_table(sample[~train], fit_combiner(
        sample, 'meta_learner', rows=train, seed=seed, max_steps=300), name='stacked')['stacked']
        for seed in SEEDS]
    found = combine_table(sample[~train], fit_combiner(sample, 'mean'), name='mean')
    found['stacked'] = fits[0]
    return table[train], found, fits


def stacking_page(folder):
    """Return the comparison of stacking and average as reStructuredText."""
    train, val, fits = stacked(folder)
    label = np.asarray(val['label']) == 1
    n_train = int((np.asarray(train['label']) == 1).sum())
    rows = []
    for name in ('resnet', 'effnet', 'mean', 'stacked', 'p_avg', 'p_meta'):
        area = delong(np.asarray(val[name], float), label)
        rows.append([_TITLES.get(name, name), f'{area.auc:.5f}', f'{area.lo:.5f} to {area.hi:.5f}'])
    text = [f'Fitted on {len(train):,} rows with {n_train} lenses, measured on {len(val):,} others '
            f'with {label.sum()}.\n', list_table('AUC on the validation rows',
                                                 ['score', 'AUC', '95 % interval'], rows)]
    rows = [_auc_row('stacked less mean', val['stacked'], val['mean'], label),
            _auc_row('published meta-learner less published average', val['p_meta'], val['p_avg'],
                     label)]
    text.append(list_table('Differences of AUC, paired', ['pair', 'difference', 'standard error',
                                                          'p (DeLong)'], rows))
    areas = [delong(np.asarray(fit, float), label).auc for fit in fits]
    text.append(f'Over {len(fits)} seeds of the network its AUC runs from {min(areas):.5f} to '
                f'{max(areas):.5f}.\n')
    found = yield_tables({'mean': val['mean'], 'stacked': val['stacked']}, label, BUDGETS)
    rows = [[f'{row["budget"]:,.0f}', f'{row["found_a"]:.4g}', f'{row["found_b"]:.4g}',
             f'{row["difference"]:+.3g}', f'{row["lo"]:+.3g} to {row["hi"]:+.3g}',
             f'{row["smallest_detectable"]:.3g}'] for row in found.differences]
    text.append(list_table('Lenses found, mean and stacking', [
        'inspected', 'mean', 'stacked', 'difference', '95 % interval', 'smallest detectable'],
        rows))
    return text


_TITLES = {'resnet': 'ResNet', 'effnet': 'EfficientNet', 'stacked': 'stacked, seed 0',
           'p_avg': 'average as published', 'p_meta': 'meta-learner as published'}


def _auc_row(title, first, second, label):
    found = delong_test(np.asarray(first, float), np.asarray(second, float), label)
    return [title, f'{found.difference:+.1e}', f'{found.se:.1e}', f'{found.p:.2g}']


def candidates_page(folder):
    """Return the diversity of four score columns on published candidates."""
    table = read_table(folder / 'candidate_scores_storfer.csv')
    scores = {name: np.asarray(table[column], float) for name, column in CANDIDATES.items()}
    good = np.isin(np.asarray(table['grade']).astype(str), ['A', 'B'])
    everything = np.ones(len(table), bool)
    picks = threshold_selections(scores, {'score >= 0.5': dict.fromkeys(scores, 0.5)})
    found = diversity_table(scores, everything, picks)
    rows = []
    for i in range(0, len(found), 5):
        block = found[i:i + 5]
        rows.append([f'{block["finder_a"][0]}, {block["finder_b"][0]}',
                     *(f'{row["estimate"]:.3f} [{row["lo"]:.3f}, {row["hi"]:.3f}]'
                       for row in block)])
    text = [f'{len(table):,} candidates, {good.sum()} of grade A or B.\n',
            list_table('All candidates', ['pair', *(str(name) for name in
                                                    found['statistic'][:5])], rows)]
    two = {name: picks['score >= 0.5'][name] for name in ('resnet', 'effnet')}
    for title, rows_of in (('of all grades', everything), ('of grade A or B', good)):
        sets = discovery_sets({'score >= 0.5': two}, rows_of)
        rows = [[str(row['found_by']) or 'none', str(row['n_lenses']),
                 f'{row["estimate"]:.3f} [{row["lo"]:.3f}, {row["hi"]:.3f}]'] for row in sets]
        text.append(list_table(f'Candidates {title} that score at least 0.5',
                               ['by', 'candidates', 'fraction'], rows))
    yields = yield_tables(scores, good, [200, 500]).differences
    rows = [[f'{row["finder_b"]} less {row["finder_a"]}', f'{row["budget"]:,.0f}',
             f'{row["found_a"]:.4g}', f'{row["found_b"]:.4g}', f'{row["difference"]:+.3g}',
             f'{row["lo"]:+.3g} to {row["hi"]:+.3g}', f'{row["smallest_detectable"]:.3g}']
            for row in yields]
    text.append(list_table('Grade A or B among the best-ranked candidates', [
        'pair', 'inspected', 'first', 'second', 'difference', '95 % interval',
        'smallest detectable'], rows))
    return text


def list_table(title, head, rows):
    """Return a list-table directive."""
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in [head, *rows]:
        lines += [f'   {mark} - {cell}' for mark, cell in zip('*' + ' ' * len(row), row)]
    return '\n'.join([*lines, ''])


def main(folder):
    """Write the page from the scores in a folder."""
    text = ['.. Written by docs/make_diversity_tables.py; not to be edited.\n',
            'Stacking against the average', '----------------------------', *stacking_page(folder),
            'Four scores of published candidates', '-----------------------------------',
            *candidates_page(folder)]
    OUTPUT.write_text('\n'.join(text), encoding='utf-8')
    print(OUTPUT)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
