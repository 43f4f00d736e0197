# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Whatever finders, families and columns are called, the page and the tables stay what they are."""
import re
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import QTable
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.plotting import figure_png, plot_false_positives
from lensfinder_audit.plotting.places import by_rate, no_false
from lensfinder_audit.report import render_report
from lensfinder_audit.report.columns import people_table
from lensfinder_audit.report.headings import between, heading, region_tex, unit_tex
from lensfinder_audit.report.latex import latex_tables
from lensfinder_audit.report.words import interval, with_interval
from lensfinder_audit.tests.test_latex import balanced
from lensfinder_audit.tests.test_report import Page
from lensfinder_audit.verdict import verdict_sentences

NASTY = ('<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '</table></html>',
         '{{ 7 }}', '{% raw %}',
         '&lt;', "';--", 'javascript:alert(1)', '\\input{x}', '$\\frac$', '\u202egnp',
         'a\nb', '\x00', '100 %', '<!--', 'é λ 星')
RESERVED = {'label', 'tier', 'discovery', 'confuser_class', 'group', 'state', 'reason', 'n', 'lo',
            'hi', 'estimate', 'upper', 'supported', 'finder', 'operating_point', 'threshold',
            'object_id', 'which', 'objects', 'rows', 'missed by', 'score', 'region', 'axis'}
NAMES = (st.sampled_from(NASTY) | st.text(min_size=1, max_size=24)).filter(
    lambda name: name not in RESERVED and not name.startswith(('n_', 'boot_', 'exact_')))
TAGS = {'html', 'head', 'meta', 'title', 'style', 'body', 'header', 'h1', 'p', 'nav', 'ul', 'li',
        'a', 'main', 'section', 'h2', 'h3', 'strong', 'span', 'div', 'table', 'thead', 'tbody',
        'tr', 'th', 'td', 'details', 'summary', 'pre', 'figure', 'figcaption', 'img'}


def made_of(finder, family, column):
    """Return what an audit would, with these names."""
    lenses = QTable({finder: np.linspace(0, 1, 40), 'place': np.linspace(1, 2, 40)})
    table = completeness_table(lenses, by='place', threshold=0.5, score=finder, n_resamples=0)
    table.rename_columns(['place_min', 'place_max'], [f'{column}_min', f'{column}_max'])
    table.meta['axes'] = [column]
    rates = QTable({'confuser_class': ['all', family], 'n': [40, 20], 'n_recovered': [2, 1],
                    'estimate': [0.05, 0.05], 'lo': [0.01, 0.0], 'hi': [0.2, 0.3],
                    'upper': [0.2, 0.3], 'state': ['supported'] * 2, 'reason': [''] * 2},
                   meta={'axes': ['confuser_class'], 'interval': 'wilson', 'confidence': 0.95})
    for part in (table, rates):
        part['finder'], part['operating_point'] = finder, 'FPR = 0.01'
    verdict = QTable({'finder': [finder], 'operating_point': ['x'], 'region': [f'{column} 1 to 2'],
                      'verdict': ['use'], 'because': [family], 'axis': [column], 'low': [1.0],
                      'high': [2.0], 'unit': [column], 'n_lenses': [3], 'n_negatives': [4],
                      'completeness_lo': [0.5], 'completeness_hi': [0.9], 'fpr_lo': [0.0],
                      'fpr_hi': [0.01]},
                     meta={'use_completeness': 0.5, 'use_fpr': 0.02, 'confidence': 0.95,
                           'n_cells': 2})
    points = QTable({'finder': [finder], 'operating_point': ['FPR = 0.01'], 'threshold': [0.5]})
    sample = QTable({'label': np.arange(80) < 40, finder: np.linspace(0, 1, 80), column: [family]
                     * 80, 'confuser_class': [family] * 80})
    summary = {'title': family, 'finders': [finder], 'n_lenses': 40, 'n_negatives': 40,
               'confidence': 0.95, 'interval': 'wilson', 'prevalence': None, 'group': column,
               'package_version': '0', 'command': column, 'verdict': verdict_sentences(verdict),
               'remarks': [family], 'inputs': [], 'simulated': False}
    return SimpleNamespace(
        tables={'operating_points': points, 'completeness_by_x': table, 'false_positives': rates,
                'verdict': verdict, column: QTable({column: [family]})}, sample=sample,
        summary=summary, options=SimpleNamespace(by=[column], __dict__={}),
        findings=QTable({name: [family] for name in ('severity', 'finding', 'advice')}))


@given(finder=NAMES, family=NAMES, column=NAMES)
@example(*NASTY[:3])
@example(*NASTY[8:11])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_names_are_words_on_the_page_and_in_the_tables(finder, family, column):
    if len({finder, family, column, f'{column}_min'}) < 4:
        return
    result = made_of(finder, family, column)
    result.options = {'by': [column]}
    page = Page(render_report(result))
    assert {tag for tag, _ in page.tags} <= TAGS
    for _, attrs in page.tags:
        assert not any(name.startswith('on') for name in attrs)
        assert attrs.get('href', '#').startswith('#') and 'src' not in attrs
    shown = ''.join(''.join(page.words).split())
    for name in (finder, family):
        if name.isprintable() and name.isascii():
            assert ''.join(name.split()) in shown
    for text in latex_tables(result).values():
        assert balanced(text)


@pytest.mark.parametrize('name', NASTY[::6])
def test_names_are_drawn_as_words(name):
    result = made_of('finder', name, 'column')
    figure = plot_false_positives(result.tables['false_positives'])
    assert figure_png({'figure': figure})[:4] == b'\x89PNG'


def test_families_stand_by_rate_all_first_and_none_last():
    table = QTable({'confuser_class': ['', 'a', 'b', 'all', 'c', 'd'], 'estimate': [
        0.9, 0.0, 0.3, 0.1, 0.0, 0.5], 'upper': [1, 0.1, 0.5, 0.2, 0.3, 0.7]})
    assert by_rate(table)['confuser_class'].tolist() == ['all', 'd', 'b', 'c', 'a', '']
    assert by_rate(table['estimate', 'upper'])['estimate'].tolist() == table['estimate'].tolist()


def test_purity_without_a_negative_is_a_bound():
    table = QTable({'n_true': [94, 94, 0], 'n_false': [0, 12, 0], 'estimate': [1.0, 0.04, np.nan],
                    'lo': [0.014, 0.02, np.nan], 'hi': [1.0, 0.08, np.nan]})
    assert no_false(table).tolist() == [True, False, False]
    cells = [row[-1] for row in people_table(table, title='purity')['rows']]
    assert cells[0] == '0.014 or more, no negative selected' and cells[1].startswith('0.04')


def test_intervals_find_the_column_that_they_are_of():
    table = QTable({'comparison': ['a', 'b'], 'auc': [0.9, 0.6], 'lo': [0.8, 0.5],
                    'hi': [0.95, 0.7], 'slope': [1.0, 2.0], 'slope_lo': [0.9, 1.5],
                    'slope_hi': [1.1, 2.5]})
    layout = people_table(table, title='x')
    assert layout['header'] == ['comparison', 'AUC', 'slope']
    assert layout['rows'][0][1] == '0.900 [0.800, 0.950]'
    assert layout['rows'][0][2] == '1.00 [0.90, 1.10]'


def test_a_bootstrap_of_equal_objects_is_left_out():
    table = QTable({'n': [9, 9], 'boot_lo': [0.0, 0.1], 'boot_hi': [0.0, 0.3]})
    assert [row[-1] for row in people_table(table, title='x')['rows']] == ['', '[0.10, 0.30]']


def test_a_lower_end_above_zero_is_not_written_as_zero():
    assert with_interval(0.0008, 2.4e-5, 0.0156) == '0.0008 [2.4 × 10⁻⁵, 0.016]'
    assert interval(2.4e-5, 0.0156) == '[2.4 × 10⁻⁵, 0.016]'
    assert with_interval(0.0, 0.0, 0.0156).startswith('0.0')


def test_headings_have_bands_and_units_in_mathematics():
    assert heading('psfsize_r', 'arcsec') == 'PSF FWHM, $r$ ($\\mathrm{arcsec}$)'
    assert heading('theta_e') == '$\\theta_\\mathrm{E}$' and unit_tex('mag(AB)') == (
        '$\\mathrm{mag_{AB}}$')
    assert heading('my_column & co') == 'My column \\& co' and unit_tex('a_b') == 'a\\_b'
    assert between(1.1, 1.2, 'arcsec') == '$1.1$ to $1.2$$\\,\\mathrm{arcsec}$'
    assert between(11, np.inf) == '$11$ and more'
    row = QTable({'axis': ['type'], 'region': ['type DEV'], 'low': [np.nan], 'high': [np.nan],
                  'unit': ['']})[0]
    assert region_tex(row) == 'Tractor type: DEV'
    assert not re.search('_', re.sub(r'\\_|_\\mathrm|_\{', '', heading('some_long_name')))
