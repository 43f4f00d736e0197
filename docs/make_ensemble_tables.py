# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Run two ensemble studies and write their tables for the documentation.

``python docs/make_ensemble_tables.py mock WORK`` renders a mock survey in WORK, trains the networks
of ``docs/ensemble_mock.yaml`` (15, ten minutes of one core each at the most; what is trained is
found again), injects lenses and writes ``docs/ensemble_mock.inc`` and figures. ``python
docs/make_ensemble_tables.py scores FOLDER WORK`` reads ``candidate_scores_storfer.csv`` in FOLDER
and writes ``docs/ensemble_scores.inc``.
"""
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from astropy import units as u

from lensfinder_audit.classifiers.demo_network import DemoNetwork
from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.ensemble.study import run_study, write_study
from lensfinder_audit.ensemble.study_file import load_study
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.measure.diversity import STATISTICS
from lensfinder_audit.mock_cutouts import write_mock_survey
from lensfinder_audit.mock_sample import known_lens_simulator
from lensfinder_audit.recovery import inject
from lensfinder_audit.report import words
from lensfinder_audit.splits import pixel_fractions, sky_pixels

DOCS = Path(__file__).parent
FIGURES = ('contrasts', 'diversity', 'discoveries', 'completeness')
N_ROWS, SEED, TRAIN, VAL = 16000, 11, 0.45, 0.58
THETA_E, N_INJECTIONS = (0.75, 1.0, 1.5, 2.0, 2.5), 300  # so many at each


def mock_study(work):
    """Render, train, measure; return the result."""
    survey = work / 'survey'
    if not (survey / 'manifest.parquet').exists():
        write_mock_survey(survey, n_rows=N_ROWS, seed=SEED, workers=1)
    table = read_table(survey / 'manifest.parquet')
    table['healpix'] = sky_pixels(table)
    fraction = pixel_fractions(table['healpix'])
    table['split'] = np.where(fraction < TRAIN, 'train', np.where(fraction < VAL, 'val', 'test'))
    write_whole(table, work / 'manifest.parquet', overwrite=True)
    study, store = load_study(DOCS / 'ensemble_mock.yaml'), CutoutStore(survey / 'cutouts')
    study.injections = {'folder': str(injected(table, store, work)),
                        'by': ['arc_snr', *study.conditions]}
    begin = time.process_time()
    result = run_study(study, table, store=store, folder=work / 'models', device='cpu',
                       tell=lambda text: print(text, flush=True))
    print(f'{time.process_time() - begin:.0f} s of processor time', flush=True)
    write_study(result, work / 'study', overwrite=True)
    return result


def injected(table, store, work):
    """Inject into early-type galaxies that nothing of the study learns from; return the folder."""
    folder = work / 'injections'
    if not (folder / 'injections.parquet').exists():
        chosen = ((table['split'] == 'test') & (table['morphology'] == 'early')
                  & ~np.asarray(table['label'], dtype=bool) & (table['confuser_class'] == ''))
        folder.mkdir(exist_ok=True)
        found = inject(table[chosen], store, DemoNetwork(), known_lens_simulator(),
                       n=N_INJECTIONS, seed=SEED,
                       grid={'theta_e': THETA_E * u.arcsec}, parts=work / 'injection-parts',
                       keep_images=folder / 'images')
        write_whole(found, folder / 'injections.parquet')
    return folder


def scores_study(folder, work):
    """Measure four published score columns; return the result."""
    table = read_table(folder / 'candidate_scores_storfer.csv')
    result = run_study(load_study('scores'), table)
    write_study(result, work / 'scores-study', overwrite=True)
    return result


def page(result, head):
    """Return the tables of a study as reStructuredText."""
    tables = result.tables
    found = ['.. Written by docs/make_ensemble_tables.py; not to be edited.\n', head,
             *(f'{sentence}\n' for sentence in result.verdict), _members(tables['members']),
             _yields(tables['yields']), _contrasts(tables['contrasts'], 'Differences'),
             _alike(tables['diversity'])]
    if 'covered_area' in tables:
        found.append(_area(tables['covered_area']))
    if 'injected_completeness' in tables:
        found.append(_injected(tables))
    if 'stratification' in tables:
        found.append(_contrasts(tables['stratification'],
                                'Stratified against random negatives, paired by seed'))
    found.append(_alone(tables['discovery_sets']))
    return '\n'.join(found)


def _members(table):
    rows = [[row['finder'], row['role'], _count(row['n_train_lenses']),
             _count(row['n_train_negatives']), _value(row, 'auc', 'auc_lo', 'auc_hi')]
            for row in table]
    return _list_table('Models, with the AUC on the rows that are reported on', [
        'model', 'role', 'lenses trained on', 'negatives trained on', 'AUC'], rows)


def _yields(table):
    budgets = np.unique(table['budget'])
    names = list(dict.fromkeys(str(name) for name in table['finder']))
    rows = [[name, *(_value(row, 'found') for row in table[np.asarray(table['finder']) == name])]
            for name in names]
    return _list_table(f'Lenses found, of {table["n_lenses"][0]:,}',
                       ['finder', *(f'best {budget:,.0f}' for budget in budgets)], rows)


def _contrasts(table, title):
    seeds = 'total_lo' in table.colnames
    rows = []
    for row in table:
        cells = [row['contrast'], f'{row["budget"]:,.0f}', _value(row, 'difference')]
        if seeds:
            cells.append(f'[{row["total_lo"]:.1f}, {row["total_hi"]:.1f}]'
                         if np.isfinite(row['total_lo']) else 'not known')
        elif 'seeds_lo' in table.colnames:
            cells.append(f'[{row["seeds_lo"]:.1f}, {row["seeds_hi"]:.1f}]'
                         if np.isfinite(row['seeds_lo']) else '')
        rows.append([*cells, f'{row["smallest_detectable"]:.1f}'])
    return _list_table(title, ['contrast', 'inspected', 'difference [objects]',
                               'with seeds' if seeds else 'from the seeds', 'would have been seen'],
                       rows)


def _alike(table):
    table = table[np.asarray(table['sample']) == 'lenses']
    point = next(str(item) for item in table['operating_point'] if item)
    rows = []
    for key in dict.fromkeys(zip(*(np.asarray(table[name]).astype(str).tolist() for name in (
            'ensemble', 'finder_a', 'finder_b')), strict=True)):
        block = [row for row in table if (row['ensemble'], row['finder_a'], row['finder_b']) == key]
        cells = {(str(row['statistic']), str(row['operating_point'])): row for row in block}
        rows.append([key[0], f'{key[1]}, {key[2]}', _value(cells['rank correlation', '']),
                     *(_value(cells[name, point]) for name in STATISTICS)])
    return _list_table(f'Pairs of models on the lenses, at the {point}',
                       ['ensemble', 'pair', 'rank correlation', *STATISTICS], rows)


def _area(table):
    rows = [[row['finder'], _value(row, 'area'), f'{row["area_sure"]:.2f}',
             _value(row, 'difference', 'difference_lo', 'difference_hi')] for row in table]
    return _list_table(
        f'Share of the search where completeness is at least {table.meta["level"]:g}',
        ['finder', 'share', 'with its lower end', f'less {table.meta.get("reference")}'], rows)


def _injected(tables):
    """Injected lenses that are found: all, and by arc signal to noise."""
    whole, parts = tables['injected_completeness'], tables['injected_completeness_by_arc_snr']
    axis = [np.unique(parts[f'arc_snr_{end}']) for end in ('min', 'max')]
    rows = [[row['finder'], _value(row), *(_value(cell) for cell in parts[
        np.asarray(parts['finder']) == row['finder']])] for row in whole]
    return _list_table(
        f'Fraction of {whole["n"][0]:,} injected lenses above the threshold of the first budget',
        ['finder', 'all', *(f'arc S/N {low:.0f} to {high:.0f}'
                            for low, high in zip(*axis, strict=True))], rows)


def _alone(table):
    table = table[(np.asarray(table['n_finders']) == 1)]
    rows = [[row['ensemble'], row['operating_point'], row['found_by'], str(row['n_lenses']),
             str(row['n'])] for row in table]
    return _list_table('What one model alone selects', ['ensemble', 'inspected', 'model', 'lenses',
                                                        'objects'], rows)


def _value(row, value='estimate', lo='lo', hi='hi'):
    return words.with_interval(*(float(row[name]) for name in (value, lo, hi)))


def _count(number):
    return '' if number < 0 else f'{number:,}'


def _list_table(title, head, rows):
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in [head, *rows]:
        lines += [f'   {mark} - {cell}' for mark, cell in zip('*' + ' ' * len(row), row,
                                                              strict=False)]
    return '\n'.join([*lines, ''])


def _mock_head(result):
    summary = result.summary
    return (f'{summary["n_lenses"]:,} simulated lenses and {summary["n_negatives"]:,} negatives '
            f'are reported on; combiners were fitted on {summary["n_fit"]:,} rows of other '
            'patches of the sky.\n')


def main(kind, *folders):
    """Write the tables of one of the two studies."""
    folders = [Path(folder) for folder in folders]
    result = mock_study(*folders) if kind == 'mock' else scores_study(*folders)
    output = DOCS / f'ensemble_{kind}.inc'
    output.write_text(page(result, _mock_head(result) if kind == 'mock' else (
        f'{result.summary["n_lenses"]} candidates of grade A or B and '
        f'{result.summary["n_negatives"]} of grade C are reported on.\n')), encoding='utf-8')
    for name in FIGURES if kind == 'mock' else ():
        shutil.copy(folders[-1] / 'study' / 'figures' / f'{name}.png',
                    DOCS / '_static' / f'ensemble_{name}.png')
    print(output)


if __name__ == '__main__':
    main(*sys.argv[1:])
