# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy.table import Table

from lensfinder_audit.audit import audit
from lensfinder_audit.example import example_scores
from lensfinder_audit.tests.made_up import make_table
from lensfinder_audit.validation import list_measurements, propose_options


def possible(table, **rest):
    found = list_measurements(table, propose_options(table), **rest)
    return dict(zip(found['measurement'].tolist(), found['possible'].tolist(), strict=True)), found


def test_example_can_be_audited_in_every_way():
    found, _ = possible(example_scores())
    assert all(found.values())


def test_proposed_options_audit_the_table():
    table = make_table(500)
    options = propose_options(table)
    assert options.finders == {'p_resnet': 'p_resnet'} and options.score_kind == 'probability'
    assert options.by == ['psfsize_r', 'nobs_z', 'type']
    assert options.columns['group'] == 'brick'
    options.n_resamples = 200
    result = audit(table, **vars(options))
    assert 'completeness_by_nobs_z' in result.tables


@pytest.mark.parametrize('names, lost, reason', [
    (['discovery_method'], 'completeness apart from agreement with an earlier finder',
     'no column says how the lenses were found'),
    (['confuser_class'], 'false-positive rate by confuser family', 'no column of confuser '
                                                                   'families'),
    (['psfsize_r', 'nobs_z', 'type'], 'completeness by observing condition', 'no condition column'),
    (['ra', 'brick'], 'intervals with clusters resampled', 'no group column and no positions'),
    (['ra'], 'conditions joined by position', 'no ra and dec')])
def test_what_is_missing_is_named(names, lost, reason):
    table = make_table(200)
    table.remove_columns(names)
    found, rows = possible(table)
    assert not found[lost]
    assert reason in rows['reason'][rows['measurement'] == lost][0]
    assert found['completeness'] and found['ranking: AUC, TPR at low FPR']


def test_lenses_alone_have_completeness_only():
    table = make_table(400)
    table = table[table['label'] == 1]
    for columns in (table.colnames, [name for name in table.colnames if name != 'label']):
        found, _ = possible(table[columns])
        assert found['completeness']
        assert not found['false-positive rate'] and not found['calibration']
    with_negatives, _ = possible(table, negatives=True)
    assert with_negatives['false-positive rate']


def test_table_that_cannot_be_read_says_why():
    table = make_table(100)
    table['p_resnet'][4] = np.nan
    found, rows = possible(table)
    assert not any(found[name] for name in ('completeness', 'false-positive rate', 'calibration'))
    assert '1 of 100 values are not a number' in rows['reason'][0]
    found, rows = possible(Table({'name': ['a'], 'mag': [1.]}))
    assert 'no column that looks like a score' in rows['reason'][0]


def test_logits_have_a_calibration_and_ranks_have_none():
    table = make_table(300)
    table['p_resnet'] = np.log(table['p_resnet'] / (1 - table['p_resnet']))
    assert possible(table)[0]['calibration']
    table['p_resnet'] = np.arange(300) + 1
    found, rows = possible(table)
    assert not found['calibration']
    assert 'scores are rank' in rows['reason'][rows['measurement'] == 'calibration'][0]
