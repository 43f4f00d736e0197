# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest

from lensfinder_audit.audit import audit
from lensfinder_audit.findings import Limits
from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.tables import check_table
from lensfinder_audit.tests.made_up import make_table
from lensfinder_audit.verdict import verdict_sentences, verdict_table

QUICK = {'fprs': [0.02], 'n_resamples': 200, 'by': ['psfsize_r', 'psfsize_r,nobs_z']}


@pytest.fixture(scope='module')
def result():
    return audit(make_table(6000), limits={'use_fpr': 0.05, 'use_completeness': 0.3}, **QUICK)


def test_regions_are_the_sample_and_the_cells_of_each_axis(result):
    table = result.tables['verdict']
    check_table(table, 'verdict')
    assert 'whole sample' in table['region'].tolist()
    assert all('psfsize_r' in name for name in table['region'] if name != 'whole sample')
    assert not any(',' in name for name in table['region'])  # no surface


def test_bounds_hold_for_all_cells_at_once(result):
    table = result.tables['verdict']
    row = table[table['region'] == 'whole sample'][0]
    cell = result.tables['completeness'][0]
    level = 1 - 0.05 / table.meta['n_cells']
    lo, hi = binomial_interval(cell['estimate'] * cell['n_eff'], cell['n_eff'], confidence=level)
    assert (row['completeness_lo'], row['completeness_hi']) == pytest.approx((lo, hi))
    assert lo < cell['lo'] and hi > cell['hi']


def test_levels_decide(result):
    def words(**limits):
        return verdict_table(result.tables, limits=Limits(**limits))['verdict'].tolist()
    assert set(words(use_completeness=0.01, use_fpr=0.9)) == {'use', 'not known'}
    assert 'use' not in words(use_completeness=0.999, use_fpr=0.9)
    assert words(use_completeness=0.999, use_fpr=0.9)[0] == 'do not use'
    assert 'not known' in words(use_completeness=0.45, use_fpr=0.03)


def test_lenses_of_an_earlier_finder_say_nothing():
    table = make_table(3000)
    table['discovery_method'] = np.where(table['label'] == 1, 'CNN', '')
    found = audit(table, **QUICK)
    assert set(found.tables['verdict']['verdict']) <= {'not known', 'do not use'}
    assert 'there is no independently found lens' in ' '.join(found.summary['verdict'])


def test_sentences_name_the_numbers_and_what_stands_before_them(result):
    table = result.tables['verdict']
    text = verdict_sentences(table)
    assert text[0].startswith('Use p_resnet at FPR = 0.02 for the whole sample (completeness is ')
    severe = [{'severity': 'severe', 'check': 'leakage'}]
    assert verdict_sentences(table, severe)[0] == (
        'Before any use, the severe findings must be answered: leakage.')


def test_report_begins_with_the_verdict(result, tmp_path):
    result.write(tmp_path / 'out', figures=False)
    text = (tmp_path / 'out' / 'report.html').read_text(encoding='utf-8')
    assert 0 < text.index('<h2>Verdict</h2>') < text.index('<h2>Findings')
    assert 'Use p_resnet at FPR = 0.02 for the whole sample' in text
