# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Whether combining finders helped is told with its interval, and found where it is planted."""
import numpy as np
import pytest
from astropy.table import QTable

from lensfinder_audit.audit_ensemble import LESS, ensemble_sentence, ensemble_tables
from lensfinder_audit.config import AuditOptions
from lensfinder_audit.measure.thresholds import OperatingPoint, operating_points_table
from lensfinder_audit.plotting.beside import ensemble_figures

KINDS = {'one': 'logit', 'two': 'logit'}


def make_sample(shared, *, n_lenses=300, n=4000, weak=0.0, seed=0):
    """Draw two finders whose errors are shared, or independent of each other."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) < n_lenses
    common, own = rng.normal(size=n), rng.normal(size=(2, n))
    scores = [3 * label + shared * common + np.sqrt(1 - shared**2) * item for item in own]
    return QTable({'label': label, 'one': scores[0], 'two': scores[1] + weak * rng.normal(size=n),
                   'discovery': np.where(np.arange(n) % 2, 'independent', 'earlier finder')})


def measured(sample, kinds=KINDS, **options):
    options = AuditOptions.of(**{'n_resamples': 300, **options})
    label = np.asarray(sample['label'])
    points = operating_points_table({name: sample[name] for name in kinds}, label,
                                    (OperatingPoint(fpr=0.005),))
    return ensemble_tables(sample, points, kinds, options)


def test_finders_of_independent_errors_gain_and_the_sentence_says_so():
    tables = measured(make_sample(0.0))
    text = ensemble_sentence(tables)
    assert text.startswith('Combining the finders helped. Among the best ')
    assert 'percentage points (95 % for the 2 finders at once' in text
    assert 'Measured on 150 independently found lenses.' in text
    rows = tables['ensemble_contrasts']
    mean = rows[[str(name).startswith('mean score') for name in rows['contrast']]]
    assert (mean['lo'] > 0).all() and rows.meta['confidence'] == pytest.approx(0.975)


def test_groups_are_counted_where_objects_share_one():
    sample = make_sample(0.0)
    sample['group'] = np.arange(len(sample)) // 10
    assert 'lenses, in 30 independent groups.' in ensemble_sentence(measured(sample))


def test_finders_of_the_same_errors_gain_nothing():
    text = ensemble_sentence(measured(make_sample(1.0)))
    assert text.startswith('No gain by combining the finders was seen.')
    assert 'a difference of 0' in text


def test_a_finder_that_knows_nothing_costs_lenses():
    assert ensemble_sentence(measured(make_sample(0.0, weak=30.0))).startswith(
        'Combining the finders cost lenses.')


def test_the_budget_is_what_the_finders_select_and_shares_are_those_of_the_lenses():
    sample = make_sample(0.3)
    tables = measured(sample)
    yields = tables['ensemble_yields']
    alone = np.asarray(sample['label']) <= (np.asarray(sample['discovery']) == 'independent')
    part = sample[alone]
    budget = yields['budget'][0]
    best = np.argsort(-np.asarray(part['one']))[:int(round(budget))]
    row = yields[yields['finder'] == 'one'][0]
    assert row['found'] == pytest.approx(np.asarray(part['label'])[best].sum(), abs=1)
    assert yields.meta['lens_mass'] == 150
    assert row['completeness'] == pytest.approx(row['found'] / 150)


def test_without_independent_lenses_all_are_compared_and_that_is_said():
    sample = make_sample(0.0)
    sample['discovery'] = 'earlier finder'
    assert 'lenses, however they were found' in ensemble_sentence(measured(sample))


def test_ranks_have_no_mean():
    kinds = dict.fromkeys(KINDS, 'rank')
    names = {str(name).partition(LESS)[0]
             for name in measured(make_sample(0.0), kinds)['ensemble_contrasts']['contrast']}
    assert names == {'union', 'intersection'}


def test_one_finder_has_no_ensemble():
    assert measured(make_sample(0.0), {'one': 'logit'}) == {} and ensemble_sentence({}) == ''
    assert ensemble_figures({}) == []


def test_figures_draw_every_finder_joint_selection_and_pair():
    tables = measured(make_sample(0.3))
    yields, pairs = (item['figure'] for item in ensemble_figures(tables))
    assert [label.get_text() for label in yields.axes[0].get_yticklabels()] == [
        'one', 'two', 'mean score', 'union', 'intersection']
    assert len(yields.axes[1].get_yticklabels()) == len(tables['ensemble_contrasts'])
    assert [panel.get_title(loc='left') for panel in pairs.axes] == [
        'rank correlation', 'disagreement', "Yule's Q", 'double fault']
    assert [label.get_text() for label in pairs.axes[0].get_yticklabels()] == ['one, two']
