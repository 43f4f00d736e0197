# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Injections of several finders, and of those whose low scores are the lens-like ones."""
import numpy as np
import pytest
import yaml
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose

from lensfinder_audit.audit import audit
from lensfinder_audit.audit_injections import InjectionSet, assign_sets, open_injections
from lensfinder_audit.cli.tests.running import refusal, run
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.plotting.beside import figures_together
from lensfinder_audit.tests.made_up import make_table

OPTIONS = {'fprs': [0.02], 'n_resamples': 100, 'by': ['psfsize_r']}


def make_injections(n=200, *, seed=1, **meta):
    rng = np.random.default_rng(seed)
    return QTable({'host': np.arange(n).astype(str), 'score': rng.random(n),
                   'psfsize_r': rng.uniform(1, 1.6, n) * u.arcsec}, meta=meta)


def two_finders():
    table = make_table(700)
    rng = np.random.default_rng(2)
    table['p_other'] = np.clip(np.asarray(table['p_resnet']) + rng.normal(0, 0.1, len(table)), 0, 1)
    return table


def test_every_finder_shares_its_panels_with_its_injections():
    sets = {'p_other': make_injections(seed=2), 'p_resnet': make_injections(seed=1)}
    result = audit(two_finders(), injections=sets, **OPTIONS)
    table = result.tables['recovery_by_psfsize_r']
    assert set(table['finder']) == {'p_other', 'p_resnet'}
    points = result.tables['operating_points']
    for name, injections in sets.items():
        cut = float(points['threshold'][points['finder'] == name][0])
        rows = result.tables['recovery']['finder'] == name
        assert_allclose(result.tables['recovery']['estimate'][rows],
                        np.mean(np.asarray(injections['score']) >= cut))
    figure, = figures_together(result.tables)
    titles = {panel.get_title(loc='left') for panel in figure['figure'].axes if panel.lines}
    assert titles == {'p_resnet, FPR = 0.02', 'p_other, FPR = 0.02'}
    assert 'was not measured' in figure['caption']


def test_a_finder_without_injections_has_no_panel_beside_them():
    result = audit(two_finders(), injections={'p_other': make_injections()}, **OPTIONS)
    figure, = figures_together(result.tables)
    assert [panel.get_title(loc='left') for panel in figure['figure'].axes] == [
        'p_other, FPR = 0.02']


def test_without_a_common_axis_whole_samples_stand_beside_injections():
    result = audit(two_finders(), injections={'p_other': make_injections()},
                   **OPTIONS | {'by': ['type']})
    figure, = figures_together(result.tables)
    labels = [label.get_text() for label in figure['figure'].axes[0].get_yticklabels()]
    assert labels == ['p_other, FPR = 0.02, tier A, independent', 'p_other, FPR = 0.02, injections']


def test_low_scores_turn_round_with_those_of_the_table():
    table, injections = make_table(700), make_injections()
    high = audit(table, injections=injections, **OPTIONS)
    table['p_resnet'], injections['score'] = 1 - table['p_resnet'], 1 - injections['score']
    low = audit(table, injections=injections, lower_is_better=True, **OPTIONS)
    for name in ('recovery', 'recovery_by_psfsize_r'):
        assert_allclose(low.tables[name]['estimate'], high.tables[name]['estimate'])
    assert_allclose(injections['score'], 1 - make_injections()['score'])  # left as it was


def test_logits_turn_round_by_their_sign():
    item = InjectionSet('', QTable({'host': ['a'], 'score': [2.5]}))
    turned, = assign_sets([item], {'one': 'logit'}, lower_is_better=True)
    assert turned.table['score'].tolist() == [-2.5] and turned.finder == 'one'


@pytest.mark.parametrize('finder, meta, kinds, error, message', [
    ('', {}, {'a': 'logit', 'b': 'logit'}, ConfigError,
     r"has 2: \['a', 'b'\]; say whose they are, as in --injections a=DIR"),
    ('resnt', {}, {'resnet': 'logit', 'b': 'logit'}, ConfigError, "Did you mean 'resnet'"),
    ('', {'score_kind': 'logit'}, {'a': 'probability'}, TableError,
     "injections of 'a' hold logits, and the score table probabilities"),
    ('', {'score_kind': 'probability'}, {'a': 'logit'}, TableError, 'hold probabilities')])
def test_what_does_not_suit_the_table_is_refused(finder, meta, kinds, error, message):
    item = InjectionSet(finder, make_injections(5, **meta))
    with pytest.raises(error, match=message):
        assign_sets([item], kinds)


def test_scores_outside_probabilities_are_noticed_without_a_word_on_their_kind():
    table = make_injections(5)
    table['score'] *= 9
    with pytest.raises(TableError, match='hold scores outside 0 to 1'):
        assign_sets([InjectionSet('', table)], {'a': 'probability'})


def test_the_command_names_finders_and_repeats_itself(tmp_path):
    write_whole(two_finders(), tmp_path / 'scores.ecsv')
    for number, name in enumerate(('one', 'two')):
        write_whole(make_injections(seed=number), tmp_path / name / 'injections.parquet')
    done = run('audit', tmp_path / 'scores.ecsv', '--injections', f'p_resnet={tmp_path / "one"}',
               '--injections', f'p_other={tmp_path / "two"}', '--resamples', 100, '--no-figures',
               '--fpr', 0.02, '-o', tmp_path / 'first')
    assert done.exit_code == 0, done.stderr
    told = yaml.safe_load((tmp_path / 'first' / 'audit.yaml').read_text())['inputs']['injections']
    assert [item['finder'] for item in told] == ['p_resnet', 'p_other']
    again = run('audit', '--config', tmp_path / 'first' / 'audit.yaml', '--no-figures', '-o',
                tmp_path / 'second')
    assert again.exit_code == 0, again.stderr
    first, second = (read_table(tmp_path / name / 'tables' / 'recovery.ecsv')
                     for name in ('first', 'second'))
    assert first['estimate'].tolist() == second['estimate'].tolist()
    page = (tmp_path / 'first' / 'report.html').read_text()
    assert 'injections of p_other' in page and 'Lenses at equal budgets' in page


def test_injections_of_nobody_are_refused_in_one_line(tmp_path):
    write_whole(two_finders(), tmp_path / 'scores.ecsv')
    write_whole(make_injections(), tmp_path / 'one' / 'injections.parquet')
    command = ('audit', tmp_path / 'scores.ecsv', '-o', tmp_path / 'out', '--injections')
    assert 'say whose they are' in refusal(tmp_path, *command, tmp_path / 'one')
    assert 'each needs its finder' in refusal(tmp_path, *command, tmp_path / 'one',
                                              '--injections', tmp_path / 'one')


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputFileError, match='nowhere: there is no such file or folder; give'):
        open_injections(tmp_path / 'nowhere')
