# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The page is whole, safe to open anywhere, and says what the tables say."""
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from astropy.table import QTable

from lensfinder_audit.plotting import draw_figures
from lensfinder_audit.report import render_report
from lensfinder_audit.report.columns import people_table
from lensfinder_audit.report.words import count, interval, number, with_interval
from lensfinder_audit.tests.stand_in import make_result

HOSTILE = '<script>alert(1)</script>'
VOID = {'meta', 'img', 'br', 'hr', 'link', 'input'}


class Page(HTMLParser):
    """Collects tags, and fails where one is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f'</{tag}> closes nothing at {self.getpos()}'

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope='module')
def result():
    return make_result(simulated=True, n_lenses=300, n_negatives=2000)


@pytest.fixture(scope='module')
def text(result):
    figures = [item for item in draw_figures(result) if '_by_' not in item['name']]
    return render_report(result, figures)


@pytest.fixture(scope='module')
def page(text):
    return Page(text)


def test_the_page_holds_all_it_shows(text, page):
    assert page.all('img') and not {'script', 'link', 'iframe', 'object'} & {
        tag for tag, _ in page.tags}
    for _, attrs in page.tags:
        for name, value in attrs.items():
            assert not name.startswith('on')
            if name in ('src', 'href'):
                assert value.startswith(('data:image/png;base64,', '#'))
    assert 'url(' not in text and '@import' not in text


def test_every_picture_has_words_and_every_table_headers(page):
    assert all(len(image['alt']) > 10 for image in page.all('img'))
    assert all(header.get('scope') == 'col' for header in page.all('th'))
    assert len({item['id'] for _, item in page.tags if 'id' in item}) == sum(
        'id' in item for _, item in page.tags)


def test_sections_stand_in_order_and_agreement_stands_apart(text):
    order = re.findall(r'<section id="(\w+)"', text)
    assert order == ['findings', 'samples', 'operating_points', 'completeness', 'agreement',
                     'unknown', 'false_positives', 'purity', 'missed', 'calibration', 'ranking',
                     'provenance']
    assert '<section id="agreement" class="apart">' in text
    own = text.partition('<section id="completeness"')[2].partition('</section>')[0]
    assert 'earlier finder' not in re.sub(r'base64,[^"]*', '', own)


def test_findings_come_gravest_first_with_a_word_for_their_colour(text):
    assert re.findall(r'<span class="word">(\w+)', text) == ['severe', 'warning', 'note']
    assert 'Findings: 1 severe, 1 warning, 1 note' in text


def test_a_report_without_findings_claims_nothing(result):
    clean = make_result(n_lenses=60, n_negatives=300, finders=('one',))
    clean.findings = clean.findings[:0]
    assert 'does not show that there is nothing to find' in render_report(clean)


def test_hostile_words_are_escaped_everywhere():
    hostile = make_result(finders=(HOSTILE,), n_lenses=60, n_negatives=300)
    hostile.summary |= {'title': HOSTILE, 'command': f'audit "{HOSTILE}"', 'group': HOSTILE,
                        'inputs': [{'path': HOSTILE, 'sha256': HOSTILE, 'rows': 3}]}
    hostile.options = {'columns': {HOSTILE: HOSTILE}}
    hostile.findings = QTable({name: [HOSTILE + '\x00\u202e'] for name in (
        'severity', 'check', 'finding', 'evidence', 'advice')})
    hostile.tables['extra'] = QTable({HOSTILE: [HOSTILE, '"><img src=x onerror=alert(1)>']})
    hostile.tables[HOSTILE] = QTable({'a': [1]})
    hostile.sample['confuser_class'] = np.where(hostile.sample['label'], '', HOSTILE)
    text = render_report(hostile, draw_figures(hostile)[:2])
    assert '<script' not in text.lower() and '\x00' not in text and '\u202e' not in text
    assert 'x' not in [image['src'] for image in Page(text).all('img')]
    assert text.count('&lt;script&gt;') > 20


def test_states_are_written_in_words(text):
    assert 'impossible: excluded by the selection' in text
    assert 'unsupported: fewer than 10 groups' in text
    assert 'empty: no object' in text
    assert not re.search(r'\bnan\b', re.sub(r'base64,[^"]*', '', text), re.IGNORECASE)


def test_provenance_repeats_the_audit(text):
    assert 'ab' * 32 in text and 'lensfinder-audit audit scores.csv -o audit' in text
    assert 'interval: wilson' in text


def test_simulated_data_and_a_missing_prevalence_are_said(text):
    assert 'The sample is simulated' in text
    bare = make_result(n_lenses=60, n_negatives=300, finders=('one',))
    bare.summary['prevalence'] = None
    assert 'No prevalence was stated' in render_report(bare)


def test_any_table_may_be_absent():
    bare = make_result(n_lenses=60, n_negatives=300, finders=('one',))
    bare.tables = {}
    Page(render_report(bare))


def test_limitations_of_the_finder_are_printed(result):
    assert 'Limitations of the finder' not in render_report(result)
    result.summary['limitations'] = ['negatives were not cleaned', '<b>never']
    try:
        text = render_report(result)
    finally:
        del result.summary['limitations']
    assert '<li>negatives were not cleaned</li>' in text and '&lt;b&gt;never' in text


def test_limitations_are_taken_from_the_score_tables_each_once():
    from lensfinder_audit.audit import _limitations

    tables = [QTable(meta={'limitations': texts}) for texts in (['a', 'b'], ['b', 'c'], 'd', None)]
    assert _limitations(tables) == ['a', 'b', 'c']


def test_numbers_are_written_for_people():
    assert with_interval(100 / 112, 0.8221, 0.9381) == '0.893 [0.822, 0.938]'
    assert with_interval(7.8e-5, 5.7e-5, 1.06e-4) == '(7.8 [5.7, 10.6]) × 10⁻⁵'
    assert with_interval(np.nan, 0, 1) == '–' and with_interval(0.5) == '0.5'
    assert interval(0.0046, 0.0133) == '[0.0046, 0.0133]' and interval(0.4, 0.4) == '0.4'
    assert interval(0.5, np.inf) == '[0.5, ∞]'
    assert count(446893) == '446\u202f893' and number(-12.0) == '−12'
    assert number(1.5e-7) == '1.50 × 10⁻⁷'


def test_a_rate_of_zero_shows_its_bound():
    table = QTable({'n': [690], 'n_recovered': [0], 'estimate': [0.0], 'lo': [0.0], 'hi': [0.0055],
                    'upper': [0.00433], 'state': ['supported'], 'reason': ['']})
    layout = people_table(table, title='rates')
    assert '0, one-sided upper bound 0.0043' in layout['rows'][0]


def test_long_tables_are_folded_and_cut():
    layout = people_table(QTable({'a': np.arange(1000)}), title='long')
    assert layout['folded'] and len(layout['rows']) == 200
    assert layout['note'] == 'the first 200 of 1\u202f000 rows'


def test_an_audit_writes_its_page_and_figures(tmp_path):
    from lensfinder_audit.audit import audit
    from lensfinder_audit.example import example_scores

    found = audit(example_scores(), thresholds=[0.5], by=['type'], n_resamples=100)
    found.write(tmp_path / 'audit')
    text = (tmp_path / 'audit' / 'report.html').read_text(encoding='utf-8')
    drawn = {path.stem for path in (tmp_path / 'audit' / 'figures').glob('*.png')}
    assert {'completeness_by_type', 'false_positives', 'roc'} <= drawn
    assert len(Page(text).all('img')) == len(drawn)
