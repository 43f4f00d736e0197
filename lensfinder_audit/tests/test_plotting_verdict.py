# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The figure of the verdict says what its table says, and injections share an axis with lenses."""
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import QTable
from matplotlib.colors import to_rgb

from lensfinder_audit.findings import Limits
from lensfinder_audit.plotting import draw_figures, plot_together, plot_verdict
from lensfinder_audit.plotting.items import split_quantities
from lensfinder_audit.plotting.verdict import VERDICTS
from lensfinder_audit.report import render_report
from lensfinder_audit.tests.stand_in import make_result
from lensfinder_audit.verdict import verdict_table


@pytest.fixture(scope='module')
def result():
    found = make_result(n_lenses=400, n_negatives=3000, finders=('one',))
    found.tables['verdict'] = verdict_table(found.tables, limits=Limits(use_completeness=0.3))
    return found


def reduced(result, *names):
    """Keep some tables of a result, so that little is drawn."""
    return SimpleNamespace(
        tables={name: result.tables[name] for name in names}, sample=result.sample,
        summary={**result.summary, 'finders': [], 'verdict': ['Use one for everything.']},
        options={}, findings=result.findings, galleries=())


def texts(figure):
    return [text.get_text() for panel in figure.axes for text in panel.texts]


def test_every_region_has_a_cell_with_its_verdict_in_words(result):
    table = result.tables['verdict']
    words = texts(plot_verdict(table))
    for verdict in VERDICTS:
        assert sum(word.endswith(f'\n{verdict}') for word in words) == (
            table['verdict'] == verdict).sum()
    assert {'whole sample', 'PSF FWHM, r [arcsec]', 'Tractor type'} <= set(words)


def test_cells_stand_in_the_order_of_their_axis(result):
    words = [word.partition('\n')[0] for word in texts(plot_verdict(result.tables['verdict']))]
    places = [words.index(name) for name in ('0.9 to 1.1', '1.1 to 1.3', '1.3 to 1.5')]
    assert places == sorted(places)


def test_fills_and_hatches_remain_apart_in_grey():
    grey = [0.299 * red + 0.587 * green + 0.114 * blue
            for red, green, blue in (to_rgb(fill) for fill, _ in VERDICTS.values())]
    assert np.diff(np.sort(grey)).min() > 0.2
    assert len({hatch for _, hatch in VERDICTS.values()}) == len(VERDICTS)


def test_the_figure_stands_between_sentences_and_table(result):
    study = reduced(result, 'verdict')
    text = render_report(study, draw_figures(study))
    own = text.partition('<section id="verdict">')[2].partition('</section>')[0]
    assert 0 < own.index('Use one for') < own.index('<figure') < own.index('<table>')
    assert 'alt="Verdict on each region that was searched: ' in own
    assert '<th scope="col">axis' not in own


def test_without_a_verdict_there_is_no_figure(result):
    assert not draw_figures(reduced(result))
    assert [item['section'] for item in draw_figures(reduced(result, 'verdict'))] == ['verdict']


def test_what_only_lenses_have_is_judged_with_all_negatives(result):
    tables = {name: table for name, table in result.tables.items()
              if name != 'false_positives_by_psfsize_r'}
    table = verdict_table(tables, limits=Limits(use_completeness=0.05, use_fpr=0.05))
    rows = table[(table['axis'] == 'psfsize_r') & (table['n_lenses'] > 20)]
    whole = table[table['axis'] == '']
    assert set(rows['fpr_hi'][rows['n_negatives'] > 0]) <= set(whole['fpr_hi'])
    assert any('rate of all negatives at most' in word for word in rows['because'])


def test_lenses_and_injections_share_an_axis_with_other_bins(result):
    table = result.tables['completeness_by_psfsize_r']
    real = split_quantities(table)['completeness']
    injected = QTable({name: real[name][:3] for name in (
        'finder', 'operating_point', 'psfsize_r_min', 'psfsize_r_max', 'n', 'estimate', 'lo',
        'hi', 'state')}, meta={**real.meta, 'axes': ['psfsize_r']})
    injected['psfsize_r_max'][-1] *= np.inf
    figure = plot_together(real, injected, 'psfsize_r')
    assert figure.axes[0].get_xlabel() == 'PSF FWHM, r [arcsec]'
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert 'injections' in labels and 'lenses, tier A, independent' in labels
    study = reduced(result, 'completeness_by_psfsize_r')
    study.tables['recovery_by_psfsize_r'] = injected
    names = [item['name'] for item in draw_figures(study) if item['section'] == 'completeness']
    assert 'completeness_and_recovery_by_psfsize_r' in names
