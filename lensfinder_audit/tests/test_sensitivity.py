# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
from astropy.table import QTable

from lensfinder_audit.audit import audit
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.sensitivity import sensitivity, sensitivity_findings


def scores(easy=0.95, hard=0.95, n=3000, seed=0):
    """Lenses of tier A and B, of which different fractions are recovered."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) < 600
    tier = np.where(label, np.where(np.arange(n) < 300, 'A', 'B'), '')
    found = rng.random(n) < np.where(tier == 'A', easy, np.where(tier == 'B', hard, 0.004))
    return QTable({'object_id': np.char.add('o', np.arange(n).astype(str)), 'label': label,
                   'tier': tier, 'discovery_method': np.where(label, 'spectroscopic', ''),
                   'score': np.where(found, rng.uniform(0.5, 1, n), rng.uniform(0, 0.5, n)),
                   'seeing': rng.uniform(1, 1.8, n)})


def test_a_clear_case_hangs_on_no_choice():
    table = sensitivity(scores(), thresholds=[0.5], by=['seeing'],
                        bins={'seeing': [1, 1.2, 1.4, 1.6, 1.8]})
    whole = table[table['conclusion'] == 'verdict for whole sample'][0]
    assert whole['as_audited'] == 'use' and whole['n_flips'] == 0
    assert {'interval: jeffreys', 'bins: twice as wide', 'bins: quantiles', 'tiers: A only',
            'cells on 5 groups'} <= set(table.meta['choices'])
    assert not table['contradicted'].any()
    assert not [item for item in sensitivity_findings(table) if item.severity == 'warning']


def test_a_verdict_that_rests_on_one_tier_flips_with_it():
    table = sensitivity(scores(easy=0.95, hard=0.2), thresholds=[0.5])
    whole = table[table['conclusion'] == 'verdict for whole sample'][0]
    assert whole['tiers: A only'] == 'use' and whole['tiers: B only'] == 'do not use'
    assert whole['as_audited'] == 'use' and whole['contradicted']
    found = sensitivity_findings(table)
    assert found[0].severity == 'warning' and 'turn into their opposite' in found[0].finding


def test_a_threshold_within_its_own_uncertainty_is_a_choice():
    table = sensitivity(scores(), fprs=[0.01])
    names = [name for name in table.meta['choices'] if name.startswith('threshold')]
    assert names == ['threshold lo of score at FPR = 0.01', 'threshold hi of score at FPR = 0.01']
    rate = table[table['conclusion'] == 'false-positive rate of all against 0.02']
    assert rate[names[0]][0] != '-'


def test_scores_of_another_annulus_are_compared():
    other = scores(easy=0.05, hard=0.05)
    table = sensitivity(scores(), thresholds=[0.5], rescored={'annulus: other': other})
    assert table['annulus: other'][0] == 'do not use' and table['contradicted'][0]


def test_it_is_a_check_and_a_part_of_an_audit(tmp_path):
    write_whole(scores(hard=0.2), tmp_path / 'scores.ecsv')
    done = run('check', 'sensitivity', tmp_path / 'scores.ecsv', '--threshold', 0.5, '-o',
               tmp_path / 'out')
    assert done.exit_code == 1, done.stderr
    assert 'turn into their opposite with a choice' in ' '.join(done.stdout.split())
    table = read_table(tmp_path / 'out' / 'sensitivity.ecsv')
    assert {'conclusion', 'as_audited', 'tiers: B only'} <= set(table.colnames)
    result = audit(tmp_path / 'scores.ecsv', thresholds=[0.5], n_resamples=200, sensitivity=True)
    assert 'sensitivity' in result.tables and 'sensitivity' in result.findings['check']
    assert '2 tables were given' in refusal(tmp_path, 'check', 'sensitivity', 'a', 'b')


def test_no_choice_makes_a_verdict_of_candidates_that_a_finder_chose(real_data):
    folder = real_data / 'scores'
    table = sensitivity(
        folder / 'candidate_scores_storfer.csv', fprs=[0.01],
        negatives=folder / 'base_model_scores_train_val.parquet',
        constants={'discovery_method': 'CNN', 'tier': 'B'}, finders={'avg': 'our_p_avg'},
        negatives_columns={'avg': 'p_avg', 'in_training': 'split'})
    whole = table[table['conclusion'] == 'verdict for whole sample']
    assert whole['as_audited'].tolist() == ['not known'] and whole['n_flips'][0] == 0
