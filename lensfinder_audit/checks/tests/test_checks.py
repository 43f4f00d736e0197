# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Each check finds its fault, and says nothing where there is none."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, vstack
from scipy.special import expit

from lensfinder_audit.audit import audit
from lensfinder_audit.checks import CHECKS, find_check
from lensfinder_audit.checks.alone import run_alone
from lensfinder_audit.checks.statistics import name_interval
from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.findings import Limits
from lensfinder_audit.splits import expected_splits, sky_pixels
from lensfinder_audit.tables import check_table
from lensfinder_audit.tests.made_up import QUICK, make_table

N = 6000


def run(name, table, **options):
    findings, tables = run_alone(name, table, **{**QUICK, **options})
    return findings, tables


@pytest.fixture(scope='module')
def clean():
    return make_table(N, seed=3)


@pytest.mark.parametrize('name', CHECKS)
def test_clean_sample_passes_alone(name, clean):
    findings, _ = run(name, clean, by=['psfsize_r'], fprs=[0.02])
    assert not len(findings), findings['finding']


def test_conditions_that_give_lenses_away(clean):
    table = clean.copy()
    seeing = np.random.default_rng(0).normal(1.3, 0.1, N)
    table['psfsize_r'] = (seeing - 0.07 * table['label']) * u.arcsec
    findings, tables = run('condition-shortcuts', table)
    assert findings['severity'].tolist() == ['warning']
    assert 'by seeing alone, without an image, lenses can be told' in findings['finding'][0]
    found = tables['condition_shortcuts']
    check_table(found, 'shortcuts')
    row = found[found['features'] == 'seeing'][0]
    assert row['auc'] == pytest.approx(0.69, abs=0.03)  # two normals 0.7 apart
    assert found['features'].tolist() == ['position', 'seeing', 'exposures', 'all conditions']


def test_conditions_of_lenses_alone_are_not_known(clean):
    table = clean.copy()
    table['ebv'] = np.where(table['label'] == 1, 0.1, np.nan)
    row = run('condition-shortcuts', table)[1]['condition_shortcuts'][-2]
    assert row['features'] == 'extinction' and row['state'] == 'unsupported'


def test_leaked_lenses_are_found_although_they_were_left_out(clean):
    table = clean.copy()
    held = expected_splits(sky_pixels(table)) != 'train'
    table['in_training'] = np.where(held, 'test', 'train')
    assert not len(run('leakage', table, exclude_training=True)[0])
    lenses = np.flatnonzero((table['label'] == 1) & held)[:20]
    twins = table[lenses]
    twins['object_id'] = np.char.add('twin', np.arange(20).astype(str))
    twins['in_training'], twins['ra'] = 'train', twins['ra'] + 0.2 * u.arcsec
    findings, tables = run('leakage', vstack([table, twins]), exclude_training=True)
    assert findings['finding'][0].startswith('20 of ')
    assert tables['leakage']['n_same'].tolist() == [20, 0]


def test_known_lenses_among_the_negatives(clean):
    label = clean['label'] == 1
    catalog = clean['ra', 'dec'][np.append(np.flatnonzero(~label)[:7], np.flatnonzero(label))]
    findings, tables = run('known-lenses', clean, known=catalog)
    row = tables['known_lenses'][0]
    assert row['n_negatives_same'] == 7 and row['n_lenses_same'] == label.sum()
    assert findings['finding'][0].endswith('within 11 arcsec of a known lens or candidate')
    table = clean.copy()
    table.remove_column('discovery_method')
    said = ' '.join(run('known-lenses', table, known=catalog)[0]['finding'])
    assert 'of which it is not said how they were found, are in catalogue 1' in said


def test_hidden_lenses_are_found_and_taken_out():
    rng = np.random.default_rng(0)
    lens = rng.random(20000) < 0.05
    odds = rng.normal(np.where(lens, 8, -8), 4)
    hidden = np.flatnonzero(lens)[:40]
    label = lens.copy()
    label[hidden] = False
    table = QTable({'object_id': np.arange(20000), 'label': label, 'p_a': expit(odds - 3)})
    findings, tables = run('hidden-lenses', table)
    assert 'score with p_a as lenses do' in findings['finding'][0]
    row = tables['hidden_lenses'][0]
    assert row['lo'] < 40 / 19000 < row['hi']
    rates = tables['corrected_false_positives'][0]
    assert rates['fpr'] > rates['estimate_hidden'] > rates['most_hidden'] > 0
    assert np.isin(tables['top_negatives']['object_id'], hidden.astype(str)).mean() > 0.5


def test_a_score_that_means_something_else_in_bad_seeing(clean):
    table = clean.copy()
    bad = table['psfsize_r'] > 1.3 * u.arcsec
    odds = np.log(table['p_resnet'] / (1 - table['p_resnet']))
    table['p_resnet'] = expit(odds + np.where(bad, 0.8, -0.8))
    findings, tables = run('calibration-by-stratum', table, by=['psfsize_r'])
    assert 'a score of p_resnet does not mean the same everywhere' in findings['finding'][0]
    assert set(tables['calibration_by_stratum']['axis']) == {'psfsize_r'}


def test_an_axis_that_negatives_lack_is_not_compared(clean):
    table = clean.copy()
    table['type'] = np.where(table['label'] == 1, table['type'], '')
    findings, tables = run('calibration-by-stratum', table, by=['type', 'psfsize_r'])
    assert not len(findings)
    assert set(tables['calibration_by_stratum']['axis']) == {'psfsize_r'}


def test_a_calibration_slope_needs_ten_of_either_class(clean):
    table = clean.copy()
    odds = np.log(table['p_resnet'] / (1 - table['p_resnet']))
    table['p_resnet'] = expit(odds / 0.3)
    lenses, negatives = (np.flatnonzero(table['label'] == value) for value in (1, 0))
    assert len(run('calibration', table)[0]) == 1
    few = table[np.sort(np.append(lenses[:9], negatives))]
    assert not len(run('calibration', few)[0])


def test_a_real_trend_is_told_from_none(clean):
    table = clean.copy()
    odds = np.log(table['p_resnet'] / (1 - table['p_resnet']))
    table['p_resnet'] = expit(odds - 4 * (table['psfsize_r'].value - 1.3))
    findings, tables = run('trends', table, by=['psfsize_r', 'nobs_z'])
    found = tables['trends']
    lenses = found[found['rate'] == 'recovered fraction']
    assert set(lenses['trend'][lenses['axis'] == 'psfsize_r']) == {'falls'}
    assert set(found['trend'][found['axis'] == 'nobs_z']) == {'none found'}
    assert findings['severity'].tolist() == ['note']


def test_strata_of_one_class(clean):
    table = clean.copy()
    table['stratum'] = np.where(table['label'] == 1, 'a', np.where(np.arange(N) % 2, 'a', 'b'))
    table['weight'] = np.ones(N)
    findings, _ = run('class-balance', table)
    assert '1 of 2 strata hold one class only (b)' in findings['finding'][0]


def test_stated_purity_widens_completeness(clean):
    table = clean.copy()
    table['tier'] = np.where(table['label'] == 1, 'B', '')
    findings, tables = run('label-noise', table, purity={'B': [0.7, 0.9]})
    row = tables['completeness_with_label_noise'][0]
    assert row['lo'] < row['fraction_lo'] < row['fraction_hi'] < row['hi']
    assert 'if 70% to 90% of tier B are lenses' in findings['finding'][0]


def test_reasons_of_tier_a(clean):
    table = clean.copy()
    table['tier_reason'] = np.where(np.arange(N) < 3000, 'spectrum', '')
    assert 'have no reason for it' in run('tier-evidence', table)[0]['finding'][0]


def test_interval_that_was_changed_is_found(clean):
    from lensfinder_audit.checks.statistics import intervals
    from lensfinder_audit.findings import Case

    result = audit(clean, **QUICK)
    result.tables['completeness']['hi'] += 0.01
    case = Case(result.sample, result.tables, result.summary, result.options, Limits())
    assert 'are not the wilson intervals' in next(intervals(case)).finding


@pytest.mark.parametrize('ends, method', [
    ((0.822, 0.938), 'wilson'), ((0.826, 0.940), 'jeffreys'), ((0.820, 0.943), 'clopper-pearson')])
def test_published_intervals_are_named(ends, method):
    table = name_interval(100, 112, *ends)
    assert table['interval'][table['agrees']].tolist() == [method]


def test_unknown_names_are_explained():
    with pytest.raises(ConfigError, match="Did you mean 'trends'?"):
        find_check('trend')
    with pytest.raises(ConfigError, match="no limit 'levle'. Did you mean 'level'?"):
        Limits.of({'levle': 1})


def test_limits_can_be_set(clean):
    table = clean.copy()
    seeing = np.random.default_rng(0).normal(1.3, 0.1, N)
    table['psfsize_r'] = (seeing - 0.07 * table['label']) * u.arcsec
    assert not len(run('condition-shortcuts', table, limits={'shortcut_auc': 0.9})[0])
    findings, _ = run('condition-shortcuts', table, limits={'shortcut_severe': 0.6})
    assert findings['severity'].tolist() == ['severe']
