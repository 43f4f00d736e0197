# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What a user does with ``lensfinder-audit audit``."""
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.cli.tests.running import (QUICK, audit, contents, refusal, run, small_table,
                                                tables)
from lensfinder_audit.files import read_table, write_whole
from lensfinder_audit.tests.made_up import make_table

AXES = ('--by', 'psfsize_r', '--by', 'psfsize_r,type')


def same(first, second, *, but=()):
    """Expect the tables of two audits to hold the same numbers."""
    assert list(first) == list(second)
    for name in first:
        for column in set(first[name].colnames) - set(but):
            np.testing.assert_array_equal(np.asarray(first[name][column]),
                                          np.asarray(second[name][column]), err_msg=name)


def test_any_format_gives_the_same_numbers(tmp_path):
    found = {}
    for suffix in ('.ecsv', '.csv', '.tsv', '.fits', '.vot', '.parquet'):
        path = tmp_path / f'scores{suffix}'
        if suffix == '.vot':
            small_table().write(path, format='votable')
        elif suffix == '.tsv':
            path.write_text((tmp_path / 'scores.csv').read_text().replace(',', '\t'))
        else:
            write_whole(small_table(), path)
        done = run('audit', path, '-o', tmp_path / suffix[1:], *QUICK, '--by', 'psfsize_r')
        assert done.exit_code == 0, done.stderr
        found[suffix] = tables(tmp_path / suffix[1:])
        same(found['.ecsv'], found[suffix])
    assert 'completeness_by_psfsize_r' in found['.ecsv']


def test_output_is_whole(tmp_path):
    out = audit(tmp_path, small_table(), *AXES)
    assert {path.name for path in out.iterdir()} >= {'tables', 'objects.parquet', 'audit.yaml',
                                                     'report.html'}
    assert sorted(path.name for path in tmp_path.iterdir()) == ['out', 'scores.ecsv']
    assert len(read_table(out / 'objects.parquet')) == 600
    meta = tables(out)['completeness'].meta
    assert meta['schema'] == 'completeness' and meta['package_version'] and meta['seed'] == 0
    assert re.fullmatch('[0-9a-f]{64}', meta['inputs']['scores'][0]['sha256'])


def test_negatives_may_come_with_their_own_columns(tmp_path):
    table = small_table()
    whole = tables(audit(tmp_path, table, *AXES))
    lens = table['label'] == 1
    positives = table[lens]
    positives.remove_column('label')
    negatives = table[~lens]
    negatives.rename_columns(['object_id', 'p_resnet', 'brick'], ['row_id', 'score_7', 'tile'])
    negatives.remove_columns(['label', 'tier', 'discovery_method'])
    write_whole(negatives, tmp_path / 'negatives.fits')
    parted = tables(audit(tmp_path, positives, '--negatives', tmp_path / 'negatives.fits',
                          '--negatives-column', 'p_resnet=score_7', '--negatives-column',
                          'group=tile', *AXES, out='parted'))
    del whole['findings'], parted['findings']
    for name in whole:  # rows stand in another order, so resamples differ
        for column in ('n', 'n_recovered', 'estimate', 'lo', 'hi', 'state', 'threshold'):
            if column in whole[name].colnames and name in ('completeness', 'false_positives'):
                np.testing.assert_array_equal(whole[name][column], parted[name][column])


def test_conditions_are_joined_by_position(tmp_path):
    table = small_table()
    whole = tables(audit(tmp_path, table, '--by', 'psfsize_r'))
    conditions = table['ra', 'dec', 'psfsize_r'][::-1]
    conditions['dec'] = conditions['dec'] + 0.3 * u.arcsec
    conditions.rename_columns(['ra', 'dec'], ['RA', 'DEC'])
    table.remove_column('psfsize_r')
    write_whole(conditions, tmp_path / 'conditions.csv')
    joined = tables(audit(tmp_path, table, '--conditions', tmp_path / 'conditions.csv',
                          '--by', 'psfsize_r', out='joined'))
    match = joined.pop('conditions')
    assert match['n_matched'].tolist() == match['n'].tolist()
    np.testing.assert_allclose(match['max_separation'].to_value(u.arcsec), 0.3, rtol=1e-3)
    same(whole, joined, but=('finding', 'check', 'severity', 'evidence', 'advice'))
    far = tables(audit(tmp_path, table, '--conditions', tmp_path / 'conditions.csv',
                       '--match-radius', '0.1', out='far'))
    assert far['conditions']['n_matched'].tolist() == [0, 0]
    assert 'conditions' in far['findings']['check']


def test_all_four_operating_points(tmp_path):
    found = tables(audit(tmp_path, small_table(), '--threshold', '0.5', '--fpr', '0.02',
                         '--top-percent', '1', '--budget', '50', '--search-size', '5000',
                         '--prevalence', '0.001'))
    points = found['operating_points']
    assert points['operating_point'].tolist() == ['score >= 0.5', 'FPR = 0.02', 'top 1 %',
                                                  'budget 50 of 5000']
    # 50 of 5,000 is one per cent
    assert points['threshold'][2] == points['threshold'][3]
    n = found['false_positives']['n'][0]
    assert points['n_negatives_above'][1] == int(0.02 * n)
    assert set(found['purity']['operating_point']) == set(points['operating_point'])
    assert np.isfinite(found['purity']['expected_selected']).all()


def test_bins_and_what_is_possible(tmp_path):
    found = tables(audit(tmp_path, small_table(), '--threshold', '0.5', '--by', 'nobs_z', '--by',
                         'type', '--bins', 'nobs_z=1,3,6,inf', '--possible', 'nobs_z=3,inf',
                         '--bins', 'type=SER,REX', '--possible', 'type=SER,DEV'))
    cells = found['completeness_by_nobs_z']
    assert cells['nobs_z_min'].tolist() == [1, 3, 6]
    assert cells['state'].tolist()[0] == 'impossible' and cells['n'][0] == 0
    types = found['completeness_by_type']
    assert types['type'].tolist() == ['SER', 'REX', '']
    assert types['state'].tolist() == ['supported', 'impossible', 'unsupported']
    assert types['reason'].tolist()[2] == 'in no bin'
    n_lenses = found['completeness']['n'].sum()
    assert cells['n'].sum() == types['n'].sum() == n_lenses


@pytest.mark.parametrize('kind', ['logit', 'rank'])
def test_scores_of_other_kinds_are_ordered_alike(tmp_path, kind):
    table = small_table()
    points = ('--fpr', '0.05', '--prevalence', '0.01')
    whole = tables(audit(tmp_path, table, *points))
    p = np.asarray(table['p_resnet'])
    table['p_resnet'] = np.log(p / (1 - p)) if kind == 'logit' else p.argsort().argsort() + 1
    other = tables(audit(tmp_path, table, *points, out=kind))
    for name in ('completeness', 'false_positives', 'purity'):
        same({name: whole[name]}, {name: other[name]}, but=['threshold'])
    same({'ranking': whole['ranking']}, {'ranking': other['ranking']})
    assert ('calibration' in other) == (kind == 'logit')


def test_low_scores_may_be_the_lens_like_ones(tmp_path):
    table = small_table()
    whole = tables(audit(tmp_path, table, '--threshold', '0.75', '--fpr', '0.05'))
    table['p_resnet'] = 1 - np.asarray(table['p_resnet'])
    turned = tables(audit(tmp_path, table, '--threshold', '0.25', '--fpr', '0.05',
                          '--lower-is-better', out='turned'))
    for name in ('completeness', 'ranking'):
        np.testing.assert_allclose(whole[name]['estimate'], turned[name]['estimate'])
    table['p_resnet'] = np.asarray(table['p_resnet']) * 500
    ranks = tables(audit(tmp_path, table, '--threshold', '125', '--lower-is-better', '--score-kind',
                         'rank', out='ranks'))
    assert ranks['completeness']['n_recovered'][0] == whole['completeness']['n_recovered'][0]


def test_groups_may_be_pixels(tmp_path):
    found = tables(audit(tmp_path, small_table(), '--group', 'healpix:64'))
    assert 1 < found['completeness']['n_groups'][0] < found['completeness']['n'][0]
    assert found['completeness'].meta['cluster'] == 'group'
    alone = tables(audit(tmp_path, small_table(), '--group', 'object_id', out='alone'))
    assert alone['completeness']['n_groups'][0] == alone['completeness']['n'][0]


def test_training_sample_is_left_out(tmp_path):
    table = small_table()
    table['split'] = np.where(np.arange(600) < 200, 'train', 'val')
    before = tables(audit(tmp_path, table, '--in-training', 'split'))
    assert 'training sample' in before['findings']['check']
    after = tables(audit(tmp_path, table, '--in-training', 'split', '--exclude-training', out='b'))
    assert 'training sample' not in after['findings']['check']
    assert after['completeness']['n'][0] == (table['label'][200:] == 1).sum()


def test_configuration_repeats_the_audit(tmp_path, monkeypatch):
    folder = tmp_path / 'study'
    folder.mkdir()
    out = audit(folder, small_table(), *AXES, '--prevalence', '0.001', '--possible',
                'psfsize_r=0,inf', '--title', 'Größe: "a" #1')
    assert yaml.safe_load((out / 'audit.yaml').read_text())['report']['title'] == 'Größe: "a" #1'

    def repeat(config, name, *more):
        done = run('audit', '--config', config, '-o', name, '--no-figures', *more)
        assert done.exit_code == 0, done.stderr
        return {path.name: path.read_bytes() for path in (tmp_path / name / 'tables').iterdir()}

    first = {path.name: path.read_bytes() for path in (out / 'tables').iterdir()}
    monkeypatch.chdir(tmp_path)
    assert repeat('study/out/audit.yaml', 'again') == first
    assert repeat('again/audit.yaml', 'third') == first
    shutil.move(tmp_path / 'study', tmp_path / 'moved')
    os.chdir('moved')
    assert repeat('out/audit.yaml', tmp_path / 'fourth') == first
    changed = repeat('out/audit.yaml', tmp_path / 'fifth', '--seed', '1', '--by', 'type')
    assert 'completeness_by_type.ecsv' in changed
    assert 'completeness_by_psfsize_r.ecsv' not in changed
    assert changed['operating_points.ecsv'] == first['operating_points.ecsv']


def test_configuration_serves_another_table(tmp_path):
    out = audit(tmp_path, small_table(), '--by', 'type')
    write_whole(small_table()[:300], tmp_path / 'half.csv')
    (tmp_path / 'scores.ecsv').unlink()  # is not needed
    done = run('audit', tmp_path / 'half.csv', '--config', out / 'audit.yaml', '-o', tmp_path / 'b',
               '--no-figures')
    assert done.exit_code == 0, done.stderr
    assert tables(tmp_path / 'b')['false_positives']['n'][0] < 300


def test_changed_input_is_refused(tmp_path):
    out = audit(tmp_path, small_table())
    write_whole(small_table()[:300], tmp_path / 'scores.ecsv', overwrite=True)
    said = refusal(tmp_path, 'audit', '--config', out / 'audit.yaml', '-o', tmp_path / 'b')
    assert re.search(r'scores.ecsv has changed: its sha256 is \w{12}..., not \w{12}...; rest', said)


@pytest.mark.parametrize('text, message', [
    ('columns: {ra: RA\nbins: [', 'is not YAML at line 2, column'),
    ('inputs: {scores: [{file: x.csv}]}\nstatistic: {}',
     "the file has an unknown key 'statistic'. Did you mean 'statistics'?"),
    ('inputs: {scores: [{file: x.csv}]}\nstatistics: {seeds: 1}',
     "section 'statistics' has an unknown key 'seeds'. Did you mean 'seed'?"),
    ('- a list', 'holds no sections; it should begin with "inputs:"'),
    ('', 'holds no sections'),
    ('columns: 3', "section 'columns' must hold keys and values, not 3"),
    ('axes: {by: [type]}', 'inputs name no scores'),
    ('inputs: {scores: x.csv}', 'inputs, scores: must be a list of one file'),
    ('inputs: {scores: [x.csv]}', "each entry needs 'file'"),
    ('inputs: {scores: [{file: x.csv}]}', 'x.csv: there is no such file'),
    ('inputs: {example: true}\naxes: {by: psfsize_r}', "option 'by' must be a list; it is "
                                                       "'psfsize_r'"),
    ('inputs: {example: true}\naxes: {by: [3]}', "option 'by' must hold text; it holds 3"),
    ('inputs: {example: true}\nstatistics: {seed: 1.5}', "option 'seed' must be a whole number"),
    ('inputs: {example: true}\nstatistics: {interval: wald}', "there is no interval 'wald'"),
    ('inputs: {example: true}\noperating_points: {fprs: [high]}', "must hold numbers; it holds "
                                                                  "'high'"),
    ('inputs: {example: true}\nscores: {score_kind: logits}', "Did you mean 'logit'?"),
])
def test_configuration_is_refused(tmp_path, text, message):
    (tmp_path / 'audit.yaml').write_text(text)
    said = refusal(tmp_path, 'audit', '--config', tmp_path / 'audit.yaml', '-o', tmp_path / 'out')
    assert message in said


def test_example_repeats_itself(tmp_path):
    first = run('audit', '--example', '-o', tmp_path / 'a', *QUICK)
    assert first.exit_code == 0, first.stderr
    assert 'Example audit of two simulated finders' in first.stdout
    again = run('audit', '--config', tmp_path / 'a' / 'audit.yaml', '-o', tmp_path / 'b',
                '--no-figures')
    assert again.exit_code == 0, again.stderr
    assert contents(tmp_path / 'a' / 'tables') == contents(tmp_path / 'b' / 'tables')


def test_exit_code_tells_how_grave_the_findings_are(tmp_path):
    table = make_table()
    codes = {}
    plants = {'clean': None, 'warning': 'discovery_method', 'severe': 'in_training'}
    for name, plant in plants.items():
        if plant == 'discovery_method':
            table.remove_column(plant)
        elif plant:
            table[plant] = np.full(len(table), 'yes')
        write_whole(table, tmp_path / 'scores.csv', overwrite=True)
        for level in ('severe', 'warning', 'never') if plant else ('note',):
            done = run('audit', tmp_path / 'scores.csv', '-o', tmp_path / 'out', '--overwrite',
                       *QUICK, '--fail-on', level, '--fpr', '0.01')
            codes[name, level] = done.exit_code
    assert codes['clean', 'note'] == 0
    assert [codes['warning', level] for level in ('severe', 'warning', 'never')] == [0, 1, 0]
    assert [codes['severe', level] for level in ('severe', 'warning', 'never')] == [1, 1, 0]


def test_output_is_not_replaced_without_leave(tmp_path):
    out = audit(tmp_path, small_table())
    before = contents(tmp_path)
    assert 'is there already; choose another name or give --overwrite' in refusal(
        tmp_path, 'audit', tmp_path / 'scores.ecsv', '-o', out, *QUICK)
    done = run('audit', tmp_path / 'scores.ecsv', '-o', out, *QUICK, '--overwrite', '--seed', '5')
    assert done.exit_code == 0, done.stderr
    assert list(contents(tmp_path)) == list(before) and contents(tmp_path) != before


def test_folder_that_is_no_audit_is_never_replaced(tmp_path):
    write_whole(small_table(), tmp_path / 'scores.csv')
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis' / 'chapter.tex').write_text('years of work')
    assert 'holds no audit.yaml, so it is not an output of this command' in refusal(
        tmp_path, 'audit', tmp_path / 'scores.csv', '-o', tmp_path / 'thesis', '--overwrite')


def test_folder_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(*_, **__):  # as for a user who is not root
        raise PermissionError(13, os.strerror(13))
    write_whole(small_table(), tmp_path / 'scores.csv')
    monkeypatch.setattr('lensfinder_audit.files.tempfile.TemporaryDirectory', refuse)
    said = refusal(tmp_path, 'audit', tmp_path / 'scores.csv', '-o', tmp_path / 'out', *QUICK)
    assert 'out: cannot be written: Permission denied' in said


def test_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    from lensfinder_audit import output
    out = audit(tmp_path, small_table())

    def full(*_, **__):
        raise OSError(28, os.strerror(28))
    monkeypatch.setattr(output, 'write_whole', full)
    said = refusal(tmp_path, 'audit', tmp_path / 'scores.ecsv', '-o', out, *QUICK, '--overwrite')
    assert 'cannot be written: No space left on device. What was there before is as it was' in said


@pytest.mark.parametrize('place', ['lensfinder_audit.composition._Study.ranking',
                                   'lensfinder_audit.output.dump_config'])
def test_interrupt_leaves_nothing(tmp_path, monkeypatch, place):
    def interrupt(*_, **__):
        raise KeyboardInterrupt
    write_whole(small_table(), tmp_path / 'scores.csv')
    monkeypatch.setattr(place, interrupt)
    assert refusal(tmp_path, 'audit', tmp_path / 'scores.csv', '-o', tmp_path / 'out', *QUICK,
                   code=130) == 'Interrupted; nothing was written.'


KILLED = """
import os, signal, sys
from lensfinder_audit import output
output.dump_config = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
from lensfinder_audit.cli import main
main(sys.argv[1:])
"""


def test_killed_run_leaves_the_old_output_whole(tmp_path):
    out = audit(tmp_path, small_table())
    before = contents(out)
    arguments = ['audit', str(tmp_path / 'scores.ecsv'), '-o', str(out), *QUICK, '--overwrite']
    done = subprocess.run([sys.executable, '-c', KILLED, *arguments], timeout=120, check=False)
    assert done.returncode == -9
    assert contents(out) == before
    left = [path.name for path in tmp_path.iterdir() if path.name not in ('out', 'scores.ecsv')]
    assert len(left) == 1 and left[0].startswith('.out.')
    assert run(*arguments).exit_code == 0


def test_command_runs_as_installed(tmp_path):
    write_whole(small_table(), tmp_path / 'scores.csv')
    command = [sys.executable, '-W', 'error', '-c', 'from lensfinder_audit.cli import main; main()',
               'audit', 'scores.csv', '-o', 'out', *QUICK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120,
                          check=False)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'Recovered lenses (95 % wilson)' in done.stdout
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120,
                           check=False)
    assert again.returncode == 2 and len(again.stderr.splitlines()) == 1


def test_table_in_memory_is_left_as_it_was(tmp_path):
    from lensfinder_audit import audit as measure
    table = small_table()
    conditions = QTable({'RA': [3.] * u.deg, 'DEC': [4.] * u.deg, 'ebv': [1.]})
    before = table.copy(), conditions.copy()
    result = measure(table, conditions=conditions, n_resamples=200, by=np.array(['nobs_z']),
                     bins={'nobs_z': np.array([3, 6, 9])}, fprs=[np.float64(0.1)], seed=np.int64(3))
    result.write(tmp_path / 'out', figures=False)
    assert table.colnames == before[0].colnames and conditions.colnames == before[1].colnames
    assert (table == before[0]).all()
    said = refusal(tmp_path, 'audit', '--config', tmp_path / 'out' / 'audit.yaml', '-o', 'b')
    assert 'inputs name no scores' in said
