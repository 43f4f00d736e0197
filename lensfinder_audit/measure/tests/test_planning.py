# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from scipy.stats import binom

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.intervals import INTERVALS, binomial_interval
from lensfinder_audit.measure.planning import (design_effect, lenses_needed, negatives_for_count,
                                               negatives_needed, plan_table)


def reached(n, p, half_width, method):
    k = np.arange(n + 1)
    lo, hi = binomial_interval(k, n, method=method)
    return binom.pmf(k, n, p)[hi - lo <= 2 * half_width].sum()


@pytest.mark.parametrize('method', list(INTERVALS))
@pytest.mark.parametrize('p, half_width, assurance', [
    (0.5, 0.1, 0.5), (0.9, 0.06, 0.8), (0.05, 0.05, 0.95), (1.0, 0.05, 0.9), (0.98, 0.04, 0.5)])
def test_lenses_needed_follow_the_last_number_that_fails(p, half_width, assurance, method):
    n = lenses_needed(p, half_width, method=method, assurance=assurance)
    failing = [m for m in range(1, 2 * n + 50) if reached(m, p, half_width, method) < assurance]
    assert n == max(failing) + 1


def test_lenses_needed_is_near_the_normal_approximation():
    assert lenses_needed(0.5, 0.01) == pytest.approx(1.96**2 / 4 / 0.01**2, rel=0.01)


def test_zero_false_positives_follow_the_exact_rule():
    assert negatives_for_count(0, 1e-4) == np.ceil(np.log(0.05) / np.log(1 - 1e-4))
    assert negatives_needed(0, 1e-4, assurance=0.99) == negatives_for_count(0, 1e-4)


def test_zero_of_690_negatives_two_sided():
    assert negatives_for_count(0, 0.00534, sides=2) <= 690 < negatives_for_count(0, 0.0053, sides=2)


@pytest.mark.parametrize('method', list(INTERVALS))
@pytest.mark.parametrize('count', [0, 1, 7])
def test_bound_holds_at_the_number_and_not_below(count, method):
    n = negatives_for_count(count, 0.01, method=method)
    hi = binomial_interval(count, [n, n - 1], method=method, sides=1)[1]
    assert hi[0] <= 0.01 < hi[1]


@pytest.mark.parametrize('fpr, assurance', [(0.0, 0.5), (0.005, 0.5), (0.004, 0.9), (0.008, 0.8)])
def test_negatives_needed_hold_from_there_on(fpr, assurance):
    n = negatives_needed(fpr, 0.02, assurance=assurance)
    m = np.arange(1, 2 * n)
    starts = [negatives_for_count(c, 0.02) for c in range(2 * n // 50)]
    most = np.searchsorted(starts, m, 'right') - 1
    failing = binom.cdf(most, m, fpr) < assurance
    assert n == m[failing].max(initial=0) + 1


def test_design_effect_multiplies_the_objects_and_keeps_the_interval():
    assert design_effect(5, 0.25) == 2
    assert lenses_needed(0.9, 0.05, design_effect=2) == 2 * lenses_needed(0.9, 0.05)
    plain, grouped = (plan_table(group_size=size, correlation=0.25) for size in (1, 5))
    assert (grouped['n_needed'] == 2 * plain['n_needed']).all()
    assert np.allclose(grouped['n_eff'], plain['n_needed'])
    assert np.allclose(grouped['lo'], plain['lo']) and np.allclose(grouped['hi'], plain['hi'])
    assert (grouped['n_groups'] == np.ceil(grouped['n_needed'] / 5)).all()


def test_table_reaches_what_was_asked_for():
    table = plan_table(completeness=[0.3, 0.9], half_width=[0.1, 0.05], fpr=[0, 2e-4],
                       upper=[1e-3, 1e-4], assurance=0.9)
    assert len(table) == 4 + 3  # an FPR of 2e-4 cannot be shown to lie below 1e-4
    assert (table['assurance'] >= 0.9).all() and table.meta['assurance_wanted'] == 0.9
    assert ((table['lo'] <= table['expected']) & (table['expected'] <= table['hi'])).all()
    lenses = table[table['quantity'] == 'completeness']
    assert ((lenses['hi'] - lenses['lo']) / 2 <= lenses['wanted']).all()
    assert (table['hi'][4:] <= table['wanted'][4:]).all()


@pytest.mark.parametrize('call, message', [
    (lambda: lenses_needed(1.2, 0.1), r'completeness must lie in \[0, 1\]; it is 1.2'),
    (lambda: lenses_needed(0.5, 0), 'half_width must lie between 0 and 0.5'),
    (lambda: lenses_needed(0.5, 0.1, method='wald'), "there is no interval 'wald'"),
    (lambda: lenses_needed(0.5, 0.1, assurance=1), 'assurance must lie between 0 and 1'),
    (lambda: lenses_needed(0.5, 0.1, design_effect=0.5), 'design_effect must be at least 1'),
    (lambda: negatives_needed(1e-3, 1e-4), r'fpr must lie in \[0, upper\), with upper = 0.0001'),
    (lambda: negatives_for_count(-1, 1e-4), 'false_positives must be 0 or more'),
    (lambda: negatives_for_count(0, 1e-13), 'more than 1e.12 objects would be needed'),
    (lambda: plan_table(fpr=[1e-3], upper=[1e-4]), 'fpr must lie in'),
    (lambda: design_effect(0.5, 0), 'group_size must be at least 1'),
    (lambda: design_effect(5, 2), 'correlation must lie in'),
])
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(MeasurementError, match=message):
        call()
