# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Every finding speaks when its fault is planted, and is silent on a clean sample."""
import re

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, vstack

from lensfinder_audit.audit import audit
from lensfinder_audit.findings import severity_at_least
from lensfinder_audit.tables import check_table
from lensfinder_audit.tests.made_up import QUICK, make_table

N = 1500


def clean():
    return make_table(N)


def findings(table, **options):
    found = audit(table, **{**QUICK, **options}).findings
    return {(row['severity'], row['check']): row['finding'] for row in found}, found


def test_clean_sample_has_none():
    found, table = findings(clean(), by=['psfsize_r', 'psfsize_r,type'], prevalence=1e-3,
                            fprs=[0.02])
    assert not found
    check_table(table, 'findings')


def as_it_is(table):
    return table


def change(name, value):
    def plant(table):
        table[name] = value(table) if callable(value) else value
        return table
    return plant


def lenses(words, rest=''):
    """Give the lenses a word each, in turn, and the negatives another."""
    return lambda table: np.where(table['label'] == 1, np.resize(words, N), rest)


def stand_twice(table):
    twin = table[table['label'] == 1][:3]
    twin['object_id'] = ['x', 'y', 'z']
    return vstack([table, twin])


def stand_among_negatives(table):
    twin = table[table['label'] == 1][:2]
    twin['object_id'], twin['label'] = ['x', 'y'], 0
    return vstack([table, twin])


def remove(*names):
    def plant(table):
        table.remove_columns(names)
        return table
    return plant


def keep(label):
    return lambda table: table[table['label'] == label]


def two_finders(table):
    table['p_other'] = table['p_resnet']**2
    return change('discovery_method', lenses(['spectroscopic', 'CNN']))(table)


def saturated(table):
    return change('p_resnet', np.where(table['p_resnet'] > 0.9, 1, table['p_resnet']))(table)


# fault: how it is planted, with which options, and what must be said
FAULTS = {
    'agreement': (
        change('discovery_method', lenses(['CNN', 'resnet'])), {}, 'severe', 'reference selection',
        r'(\d+) of \1 lenses were found by an earlier finder; on them the recovered fraction is '
        'agreement.*no independently found lens is left'),
    'some agreement': (
        change('discovery_method', lenses(['spectroscopic', 'CNN'])), {}, 'warning',
        'reference selection', r'\d+ of \d+ lenses were found by an earlier finder'),
    'discovery unknown': (
        remove('discovery_method'), {}, 'warning', 'reference selection',
        'it is unknown how they were found'),
    'two finders': (
        two_finders, {'score_kind': 'rank'}, 'warning', 'comparison',
        '2 finders are measured on lenses that an earlier finder may have chosen'),
    'trained on': (
        change('in_training', np.where(np.arange(N) < 300, 'train', 'val')), {}, 'severe',
        'training sample', r'\d+ of \d+ negatives were in the training sample'),
    'tier B': (
        change('tier', lenses(['B'])), {}, 'warning', 'tiers', 'all .* are Tier B candidates'),
    'no tier': (
        remove('tier'), {}, 'note', 'tiers', 'have no tier; a grade is not one'),
    'too strict': (
        as_it_is, {'fprs': [1e-6]}, 'severe', 'operating point',
        'FPR = 1e-06 of p_resnet cannot be reached: even the highest score selects more'),
    'few above': (
        as_it_is, {'fprs': [0.004]}, 'warning', 'operating point',
        r'rests on [3-5] negatives; its threshold is known only between 0\.\d+ and'),
    'selects none': (
        as_it_is, {'thresholds': [1.5]}, 'warning', 'operating point',
        'score >= 1.5 of p_resnet selects no object'),
    'selects all': (
        as_it_is, {'thresholds': [-1]}, 'warning', 'operating point',
        'score >= -1 of p_resnet selects every object'),
    'ties': (
        change('p_resnet', lambda table: table['p_resnet'].round(1)), {}, 'warning', 'ties',
        r'FPR = 0.01 of p_resnet cuts a block of \d+ objects tied at 0.[78]; completeness lies'),
    'saturation': (
        saturated, {}, 'warning', 'ties',
        r'\d+ of \d+ lenses have the same score of p_resnet, 1; it cannot rank them'),
    'no population': (
        as_it_is, {'top_percents': [5]}, 'severe', 'population',
        r'from a sample of which 1\d\.\d% are lenses, which no survey is'),
    'no negatives': (
        keep(1), {'fprs': []}, 'warning', 'classes', 'holds no negative; false-positive rates'),
    'no lenses': (
        keep(0), {}, 'warning', 'classes', 'holds no lens; completeness cannot be measured'),
    'nothing supported': (
        as_it_is, {'by': ['psfsize_r'], 'bins': {'psfsize_r': [5, 6]}}, 'warning', 'support',
        'no cell is supported in 2 tables: completeness_by_psfsize_r, false_positives_by_psfs'),
    'impossible objects': (
        as_it_is, {'by': ['nobs_z'], 'possible': {'nobs_z': [6, np.inf]}}, 'severe', 'support',
        r'\d+ cells of completeness_by_nobs_z hold objects'),
    'no group': (
        remove('brick'), {}, 'note', 'groups', 'every interval takes objects to be independent'),
    'no weights': (
        change('stratum', lambda table: np.asarray(table['type'])), {}, 'severe', 'weights',
        'the sample is stratified but has no weights'),
    'hidden lenses': (
        stand_among_negatives, {}, 'severe', 'duplicates',
        '2 lenses stand among the negatives, within 1 arcsec'),
    'lenses twice': (
        stand_twice, {}, 'warning', 'duplicates', '6 lenses lie within 1 arcsec of another'),
    'miscalibrated': (
        change('p_resnet', lambda table: table['p_resnet']**3), {}, 'warning', 'calibration',
        "p_resnet is miscalibrated at the sample's prevalence: slope"),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_planted_fault_is_found(fault):
    plant, options, severity, check, message = FAULTS[fault]
    found, table = findings(plant(clean()), **options)
    said = [row['finding'] for row in table if (row['severity'], row['check']) == (severity, check)]
    assert any(re.search(message, text) for text in said), table['severity', 'check', 'finding']
    assert all(row['advice'] and row['evidence'] for row in table)


def test_findings_begin_with_the_gravest():
    _, table = findings(remove('tier', 'brick', 'discovery_method')(clean()), fprs=[1e-6])
    order = ['severe', 'warning', 'note']
    assert [order.index(word) for word in table['severity']] == sorted(
        order.index(word) for word in table['severity'])


def test_two_tables_are_a_note():
    table = clean()
    lens = table['label'] == 1
    result = audit(table[lens], negatives=table[~lens], **QUICK)
    assert result.findings['check'].tolist() == ['classes'] and result.worst() == 'note'


def test_conditions_that_miss_the_sample_are_found():
    table = clean()
    for far, severity in ((200 * u.deg, 'warning'), (0 * u.deg, 'note')):
        sky = QTable({'ra': table['ra'] + far, 'dec': table['dec'], 'ebv': np.ones(N)})
        found = audit(table, conditions=[sky[:1000]], **QUICK).findings
        assert [severity] * 2 == found['severity'][found['check'] == 'conditions'].tolist()


def test_severities_are_compared():
    assert severity_at_least('severe', 'warning') and severity_at_least('note', 'note')
    assert not severity_at_least('note', 'warning') and not severity_at_least('', 'note')
    assert not severity_at_least('severe', 'never')


def test_conditions_that_only_easy_lenses_have_are_found():
    table = clean()
    # the catalogue of conditions holds the lenses that another finder found easy
    lens = table['label'] == 1
    hard = lens & (table['p_resnet'] < np.median(table['p_resnet'][lens]))
    table['nobs_z'] = np.where(hard, np.nan, 5.0)
    found, _ = findings(table, by=['nobs_z'], fprs=[0.02])
    message = found['warning', 'conditions']
    assert re.search(r'recovers \d+ of \d+ lenses that have nobs_z and \d+ of \d+ that have not',
                     message)
    table['nobs_z'] = np.where(np.arange(len(table)) % 2, np.nan, 5.0)
    assert ('warning', 'conditions') not in findings(table, by=['nobs_z'], fprs=[0.02])[0]
