# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Whatever is wrong is said in one line, with exit code 2, and nothing is written."""
import re

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn

from lensfinder_audit.cli.tests.running import QUICK, audit, refusal, small_table
from lensfinder_audit.files import write_whole

N = 600
ROW = np.arange(N)


def with_value(name, row, value):
    table = small_table()
    column = np.array(getattr(table[name], 'value', table[name]))
    column = column.astype('U20' if isinstance(value, str) else float)
    column[row] = value
    table[name] = column
    return table


def with_column(name, values):
    table = small_table()
    table.replace_column(name, values) if name in table.colnames else table.add_column(
        values, name=name)
    return table


def without(name):
    table = small_table()
    table.remove_column(name)
    return table


TABLES = {
    'repeated id': (with_value('object_id', 3, 'obj-1'),
                    r"column 'object_id': 1 ids occur more than once, the first is 'obj-1' \(2 "
                    r"times"),
    'empty id': (with_value('object_id', 3, ''), '1 of 600 ids are empty, the first is row 3'),
    'masked id': (with_column('object_id', MaskedColumn(ROW, mask=ROW == 3)),
                  '1 of 600 ids are empty, the first is row 3'),
    'no label': (without('label'), 'no label column; name it with --label, or give the negatives'),
    'no score': (without('p_resnet'), 'no column that looks like a score; name it with --score'),
    'NaN score': (with_value('p_resnet', 5, np.nan),
                  r"score 'p_resnet': 1 of 600 values are not a number.*row 5, id obj-5"),
    'masked score': (with_column('p_resnet', MaskedColumn(ROW / N, mask=ROW == 5)),
                     r'1 of 600 values are not a number.*row 5'),
    'infinite probability': (with_value('p_resnet', 5, np.inf), "looks like a probability, but 1 "),
    'text score': (with_value('p_resnet', 5, 'bad'), "no column that looks like a score"),
    'array score': (with_column('p_resnet', np.zeros((N, 3))), 'no column that looks like a score'),
    'array label': (with_column('label', np.zeros((N, 3))),
                    r"'label' holds arrays of shape \(3,\), not one value for each row"),
    'label maybe': (with_value('label', 3, 'maybe'),
                    "1 of 600 labels are neither lens nor non-lens, the first is row 3 with "
                    "'maybe'"),
    'label 2': (with_value('label', 3, 2), "row 3 with '2.0'; use 1 and 0"),
    'label missing': (with_value('label', 3, np.nan), 'the first is row 3 with'),
    'no rows': (small_table()[:0], 'has no rows'),
    'negative weight': (with_column('weight', np.where(ROW == 4, -1., 1.)),
                        r'weight: 1 of 600 values are negative or not finite \(first: row 4, value '
                        r'-1'),
    'missing weight': (with_column('weight', MaskedColumn(np.ones(N), mask=ROW == 4)),
                       r'negative or not finite \(first: row 4, value nan\)'),
    'text weight': (with_column('weight', np.full(N, 'many')),
                    "weight must hold numbers; it holds text, the first is row 0 with 'many'"),
    'zero weights': (with_column('weight', np.zeros(N)), 'lenses have weight 0'),
    'weightless negatives': (with_column('weight', small_table()['label'] * 1.),
                             r'all \d+ negatives have weight 0'),
    'dec in mag': (with_column('dec', ROW / N * u.mag), "column 'dec' must be an angle; its unit "
                                                        "is mag"),
    'ra in words': (with_column('ra', np.full(N, '12:00:00')),
                    "column 'ra' must hold degrees; it holds text, such as '12:00:00'"),
    'dec off the sky': (with_value('dec', 7, 95), 'not on the sky, the first is row 7 .* dec 95'),
    'ra off the sky': (with_value('ra', 7, 400), 'not on the sky, the first is row 7 with ra 400'),
    'split of no name': (with_column('in_training', np.full(N, 'sometimes')),
                         "in_training: 600 of 600 values .* 'sometimes'; known splits are train"),
}


@pytest.mark.parametrize('case', TABLES)
def test_table_is_refused(tmp_path, case):
    table, message = TABLES[case]
    path = tmp_path / 'scores.ecsv'
    write_whole(table, path)
    said = refusal(tmp_path, 'audit', path, '-o', tmp_path / 'out', *QUICK)
    assert re.search(message, said), said
    assert 'scores.ecsv' in said or 'looks like' in said


OPTIONS = {
    ('--id', 'objectid'): "no column 'objectid'. Did you mean 'object_id'?",
    ('--score', 'p_resnt'): "no column 'p_resnt'. Did you mean 'p_resnet'?",
    ('--score', '=p_resnet'): "--score '=p_resnet': write it as NAME=COLUMN",
    ('--score', 'label=p_resnet'): "a finder cannot be called 'label'",
    ('--score', 'nobs_z=p_resnet'): "a finder cannot be called 'nobs_z'",
    ('--by', 'psfsize_t'): "no column 'psfsize_t'. Did you mean 'psfsize_r'?",
    ('--by', 'psfsize_r,nobs_z,type'): 'an axis is one column, and a surface two',
    ('--by', 'nobs_z,nobs_z'): 'a surface two different ones',
    ('--by', ''): 'an axis is one column',
    ('--by', 'object_id'): "axis 'object_id' has 600 classes",
    ('--by', 'nobs_z', '--bins', 'nobs_z=1,1,2'): 'needs two or more increasing edges',
    ('--by', 'nobs_z', '--bins', 'nobs_z=quantil'): "Did you mean 'quantile'?",
    ('--by', 'nobs_z', '--bins', 'nobs_z=a,b'): 'holds numbers, so its bins are edges',
    ('--by', 'type', '--bins', 'type=1,2'): "none of the classes ['1', '2'] occurs; the column "
                                            "holds ['DEV', 'SER']",
    ('--by', 'brick', '--bins', 'brick=published'): "axis 'brick' has no published bins",
    ('--by', 'nobs_z', '--bins', 'nobs_s=1,2'): "which is no axis; axes are ['nobs_z']",
    ('--bins', 'nobs_z'): "--bins 'nobs_z': write it as NAME=VALUE",
    ('--by', 'nobs_z', '--possible', 'nobs_z=3'): 'a range of two rising numbers, such as 3,inf',
    ('--by', 'nobs_z', '--possible', 'nobs_z=9,3'): 'a range of two rising numbers',
    ('--by', 'nobs_z', '--possible', 'nobs_z=a,b'): 'a range of two rising numbers',
    ('--possible', 'nobs_z=3,inf'): 'which is no axis',
    ('--prevalence', '0'): 'prevalence must lie between 0 and 1; it is 0',
    ('--prevalence', '1'): 'prevalence must lie between 0 and 1; it is 1',
    ('--prevalence', 'nan'): 'prevalence must lie between 0 and 1; it is nan',
    ('--confidence', '95'): 'confidence must lie between 0 and 1; it is 95. Did you mean 0.95?',
    ('--fpr', '0'): 'fpr must lie between 0 and 1; it is 0',
    ('--fpr', '1'): 'fpr must lie between 0 and 1; it is 1',
    ('--threshold', 'nan'): 'threshold must be a finite number; it is nan',
    ('--threshold', 'high'): "Invalid value for '--threshold'",
    ('--budget', '601'): 'a budget of 601 exceeds the 600 objects searched',
    ('--budget', '100', '--search-size', '10'): 'a budget of 100 exceeds the 10 objects searched',
    ('--budget', '1', '--search-size', '0'): 'search_size must be a finite number above 0',
    ('--top-percent', '200'): 'top_percent must lie between 0 and 100; it is 200',
    ('--seed', '-3'): 'seed must be 0 or more; it is -3',
    ('--min-groups', '0'): 'min_groups must be 1 or more',
    ('--resamples', '1'): 'n_resamples must be 100 or more',
    ('--match-radius', '-1'): "Invalid value for '--match-radius'",
    ('--interval', 'wilsn'): "'wilsn' is not one of 'wilson', 'jeffreys', 'clopper-pearson'",
    ('--score-kind', 'odds'): "'odds' is not one of 'probability', 'logit', 'rank'",
    ('--group', 'brik'): "no column 'brik'. Did you mean 'brick'?",
    ('--group', 'healpix:63'): 'NSIDE must be a power of 2, such as healpix:64',
    ('--set', 'tyer=B'): "'tyer' is not a role of a column. Did you mean 'tier'?",
    ('--set', 'tier'): "--set 'tier': write it as NAME=VALUE",
    ('--set', 'ra=1'): "ra cannot be '1' for all rows; name its column",
    ('--negatives-column', 'score=p'): 'no table of negatives is given',
    ('--exclude-training',): 'name it with --in-training',
    ('--negatives', 'nowhere.csv'): 'nowhere.csv: there is no such file',
    ('--conditions', 'nowhere.csv'): 'nowhere.csv: there is no such file',
    ('--config', 'nowhere.yaml'): 'nowhere.yaml: cannot be read',
    ('--example',): 'give the table of SCORES, --example, or --config',
}


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp('good') / 'scores.csv'
    write_whole(small_table(), path)
    return path


@pytest.mark.parametrize('options', OPTIONS, ids=' '.join)
def test_option_is_refused(good, options):
    arguments = [*QUICK, *options] if '--resamples' not in options else ['--no-figures', *options]
    said = refusal(good.parent, 'audit', good, '-o', good.parent / 'out', *arguments)
    assert OPTIONS[options] in said


@pytest.mark.parametrize('column, message', [
    (np.zeros((N, 3)), "column 'x' holds arrays and cannot be an axis"),
    (np.full(N, np.nan), "axis 'x' holds no finite value"),
    (np.full(N, np.inf), "axis 'x' holds no finite value"),
    (np.full(N, ''), "axis 'x': every one of the 600 rows is empty")])
def test_column_is_refused_as_an_axis(tmp_path, column, message):
    write_whole(with_column('x', column), tmp_path / 'scores.ecsv')
    assert message in refusal(tmp_path, 'audit', tmp_path / 'scores.ecsv', '-o', tmp_path / 'out',
                              *QUICK, '--by', 'x')


def test_axis_of_words_may_not_have_the_name_of_a_result(tmp_path):
    write_whole(with_column('state', np.full(N, 'a')), tmp_path / 'scores.ecsv')
    assert "results have a column 'state'" in refusal(
        tmp_path, 'audit', tmp_path / 'scores.ecsv', '-o', tmp_path / 'out', '--by', 'state')


def test_fpr_without_negatives_is_refused(tmp_path):
    table = small_table()[small_table()['label'] == 1]
    write_whole(table, tmp_path / 'scores.ecsv')
    assert 'needs negatives, and the sample has none' in refusal(
        tmp_path, 'audit', tmp_path / 'scores.ecsv', '-o', tmp_path / 'out', '--fpr', '0.01')


@pytest.mark.parametrize('content, message', [
    (b'id,label,score,score\n1,0,.5,.5\n', "more than one column is called 'score'"),
    (b'', 'it is empty'), (b'\0\1\2', 'it is binary, not text')])
def test_csv_is_refused(tmp_path, content, message):
    (tmp_path / 'scores.csv').write_bytes(content)
    said = refusal(tmp_path, 'audit', tmp_path / 'scores.csv', '-o', tmp_path / 'out')
    assert message in said and 'scores.csv' in said


def test_fits_that_is_cut_short_is_refused(tmp_path):
    write_whole(small_table(), tmp_path / 'whole.fits')
    content = (tmp_path / 'whole.fits').read_bytes()
    (tmp_path / 'whole.fits').unlink()
    (tmp_path / 'scores.fits').write_bytes(content[:len(content) // 2])
    assert 'scores.fits' in refusal(tmp_path, 'audit', tmp_path / 'scores.fits',
                                    '-o', tmp_path / 'out')


def test_real_fits_that_is_cut_short_is_refused(real_data, tmp_path):
    path = real_data / 'decals-galaxies' / 'truncated_300kB_of_example_incomplete.fits'
    said = refusal(tmp_path, 'audit', path, '-o', tmp_path / 'out')
    assert 'cut short' in said or 'holds no table' in said


@pytest.mark.parametrize('name, message', [
    ('nowhere.csv', 'there is no such file'), ('.', 'is a directory'), ('notes.txt', "'.txt'")])
def test_path_is_refused(tmp_path, name, message):
    assert message in refusal(tmp_path, 'audit', tmp_path / name, '-o', tmp_path / 'out')


def test_lenses_among_the_negatives_are_refused(tmp_path):
    table = small_table()
    write_whole(table, tmp_path / 'all.ecsv')
    write_whole(table[table['label'] == 0], tmp_path / 'negatives.ecsv')
    table['label'] = 1
    write_whole(table, tmp_path / 'lenses.ecsv')
    said = refusal(tmp_path, 'audit', tmp_path / 'lenses.ecsv', '--negatives',
                   tmp_path / 'negatives.ecsv', '-o', tmp_path / 'out')
    assert 'ids are among the lenses and among the negatives, the first is' in said


@pytest.mark.parametrize('option, message', [
    ('scor=p', "'scor' is no role, finder or column of one"),
    ('p_resnet=p_resnt', "negatives.ecsv has no column 'p_resnt'. Did you mean 'p_resnet'?")])
def test_wrong_columns_of_the_negatives_are_refused(tmp_path, option, message):
    table = small_table()
    write_whole(table[table['label'] == 1], tmp_path / 'lenses.ecsv')
    write_whole(table[table['label'] == 0], tmp_path / 'negatives.ecsv')
    said = refusal(tmp_path, 'audit', tmp_path / 'lenses.ecsv', '--negatives',
                   tmp_path / 'negatives.ecsv', '--negatives-column', option,
                   '-o', tmp_path / 'out')
    assert message in said


ODD = {
    'equal scores': with_column('p_resnet', np.full(N, 0.5)),
    'scores of one': with_column('p_resnet', np.ones(N)),
    'one group': with_column('brick', np.ones(N, int)),
    'one row': small_table()[:1],
    'two rows': small_table()[[0, int(np.flatnonzero(small_table()['label'])[0])]],
    'lenses only': small_table()[small_table()['label'] == 1],
    'negatives only': small_table()[small_table()['label'] == 0],
    'infinite logits': with_column('p_resnet', np.r_[np.full(20, np.inf), np.full(20, -np.inf),
                                                     np.linspace(-9, 9, N - 40)]),
    'unicode': with_column('Größe', ROW % 3),
    'positions missing': with_value('ra', slice(0, 50), np.nan),
    'groups missing': with_column('brick', MaskedColumn(ROW % 30, mask=ROW < 9)),
}


@pytest.mark.parametrize('case', ODD)
def test_odd_table_is_audited_without_a_warning(tmp_path, case):
    more = ['--by', 'Größe'] if case == 'unicode' else ['--prevalence', '1e-3', '--by', 'nobs_z']
    if case.endswith('only'):
        more = ['--by', 'type', '--top-percent', '1'] if 'neg' in case else ['--by', 'type']
    out = audit(tmp_path, ODD[case], *more)
    assert (out / 'audit.yaml').is_file()


@pytest.mark.parametrize('name', ['a/b c', '../evil', '..', 'n', 'lo'])
def test_name_of_an_axis_cannot_lead_out_of_the_folder(tmp_path, name):
    out = audit(tmp_path, with_column(name, ROW % 3), '--by', name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['out', 'scores.ecsv']
    assert len(list((out / 'tables').glob('completeness_by_*.ecsv'))) == 1
    assert {path.parent.name for path in out.rglob('*.ecsv')} == {'tables'}
