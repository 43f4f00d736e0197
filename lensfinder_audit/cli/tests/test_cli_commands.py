# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``validate``, ``plan`` and ``plugins``, and what all commands share."""
import pytest

from lensfinder_audit.cli.tests.running import refusal, run, small_table
from lensfinder_audit.files import read_table, write_whole


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / 'scores.csv'
    write_whole(small_table(), path)
    return path


def test_validate_says_what_can_be_audited(scores):
    done = run('validate', scores)
    assert done.exit_code == 0, done.stderr
    assert '600 rows, 12 columns' in done.stdout
    assert 'score of p_resnet' in done.stdout
    assert 'scores are taken to be: probability' in done.stdout
    answers = done.stdout.partition('Can be audited')[2]
    lines = [line.split(maxsplit=1) for line in answers.split('\n')]
    assert {words[0] for words in lines if words} == {'yes'}


def test_validate_says_why_not(tmp_path):
    table = small_table()
    table.remove_columns(['label', 'ra', 'brick'])
    write_whole(table, tmp_path / 'scores.csv')
    said = run('validate', tmp_path / 'scores.csv').stdout
    assert 'no negatives; give them with --negatives' in said
    assert 'no group column and no positions (--group)' in said


def test_starting_configuration_runs(scores, tmp_path):
    done = run('validate', scores, '-o', tmp_path / 'audit.yaml')
    assert done.exit_code == 0, done.stderr
    assert f'Next: lensfinder-audit audit --config {tmp_path / "audit.yaml"} -o DIR' in done.stdout
    done = run('audit', '--config', tmp_path / 'audit.yaml', '-o', tmp_path / 'out', '--no-figures',
               '--resamples', '200')
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / 'out' / 'tables' / 'completeness_by_nobs_z.ecsv').is_file()


def test_starting_configuration_remembers_the_negatives(tmp_path):
    table = small_table()
    lens = table['label'] == 1
    for name, rows in (('lenses', lens), ('negatives', ~lens)):
        part = table[rows]
        part.remove_column('label')
        write_whole(part, tmp_path / f'{name}.csv')
    done = run('validate', tmp_path / 'lenses.csv', '--negatives', tmp_path / 'negatives.csv',
               '-o', tmp_path / 'audit.yaml', '--score', 'resnet=p_resnet')
    assert done.exit_code == 0, done.stderr
    done = run('audit', '--config', tmp_path / 'audit.yaml', '-o', tmp_path / 'out', '--no-figures',
               '--resamples', '200')
    assert done.exit_code == 0, done.stderr
    found = read_table(tmp_path / 'out' / 'tables' / 'false_positives.ecsv')
    assert found['finder'][0] == 'resnet' and found['n'][0] == (~lens).sum()


def test_validate_refuses(scores, tmp_path):
    (tmp_path / 'audit.yaml').write_text('mine')
    said = refusal_of(tmp_path, 'validate', scores, '-o', tmp_path / 'audit.yaml')
    assert 'is there already' in said
    assert 'there is no such file' in refusal(tmp_path, 'validate', tmp_path / 'no.csv')


def refusal_of(folder, *arguments):
    """Return the complaint of a command that prints before it complains."""
    done = run(*arguments)
    assert done.exit_code == 2 and len(done.stderr.splitlines()) == 1
    assert (folder / 'audit.yaml').read_text() == 'mine'
    return done.stderr


def test_plan_says_how_many(tmp_path):
    done = run('plan', '--completeness', '0.9', '--half-width', '0.05', '--upper', '1e-3', '-o',
               tmp_path / 'plan.ecsv')
    assert done.exit_code == 0, done.stderr
    table = read_table(tmp_path / 'plan.ecsv')
    # the rule of three: 2,995 negatives without a false positive bound a rate of 1e-3
    assert table['n_needed'][table['quantity'] != 'completeness'][0] == 2995
    assert 'completeness 0.9, half-width 0.05' in done.stdout


@pytest.mark.parametrize('options, message', [
    (('--completeness', '90'), "Invalid value for '--completeness'"),
    (('--confidence', '95'), 'confidence must lie between 0 and 1'),
    (('--fpr', '0.01', '--upper', '0.001'), '0.01')])
def test_plan_refuses(tmp_path, options, message):
    assert message in refusal(tmp_path, 'plan', *options)


def test_plugins_are_listed():
    done = run('plugins', 'list')
    assert done.exit_code == 0
    for name in ('legacy_dr10', 'raw_robust', 'local'):
        assert f'  {name} ' in done.stdout
    only = run('plugins', 'list', '--kind', 'normalizers').stdout
    assert 'asinh' in only and 'legacy_dr10' not in only


def test_plugin_is_shown():
    said = run('plugins', 'show', 'raw_robust').stdout
    assert 'raw_robust (normalizers)' in said and 'parameter' in said and 'lensfinder' in said


def test_plugin_is_checked():
    done = run('plugins', 'check', 'asinh')
    assert done.exit_code == 0 and 'asinh (normalizers): conforms' in done.stdout
    assert 'FAIL' not in done.stdout


@pytest.mark.parametrize('arguments, message', [
    (('show', 'raw_robst'), "Did you mean 'raw_robust'?"), (('check', 'nothing'), 'no plugin is '
                                                                                  'named'),
    (('list', '--kind', 'normalisers'), "Did you mean 'normalizers'?"),
    (('show', 'asinh', '--kind', 'surveys'), 'asinh')])
def test_unknown_plugin_is_named(tmp_path, arguments, message):
    assert message in refusal(tmp_path, 'plugins', *arguments)


def test_unknown_command_and_option_are_refused(tmp_path):
    assert "No such command 'audti'" in refusal(tmp_path, 'audti')
    assert "Did you mean '--threshold'?" in refusal(tmp_path, 'audit', 'x.csv', '--treshold', '1')


@pytest.mark.parametrize('command', ['audit', 'validate', 'plan', 'plugins'])
def test_every_command_has_help(command):
    done = run(command, '--help')
    assert done.exit_code == 0 and done.stdout.startswith('Usage: ')
