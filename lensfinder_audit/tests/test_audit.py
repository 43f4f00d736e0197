# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal

import lensfinder_audit
from lensfinder_audit.audit import audit
from lensfinder_audit.exceptions import ConfigError, MeasurementError, TableError
from lensfinder_audit.tables import SCHEMAS, check_table
from lensfinder_audit.tests.made_up import QUICK, make_table

N = 1000


def test_package_and_module_of_one_name_can_both_be_called():
    import lensfinder_audit.audit as module
    assert module.AuditResult is lensfinder_audit.AuditResult
    result = lensfinder_audit.audit(make_table(300), **QUICK)
    assert isinstance(result, lensfinder_audit.AuditResult)


MEASURED = ('operating_points', 'completeness', 'false_positives', 'purity', 'ranking',
            'reliability', 'calibration', 'score_to_probability', 'verdict', 'tails')


def test_every_table_keeps_its_schema_and_says_what_made_it():
    result = audit(make_table(N), by=['psfsize_r', 'type', 'psfsize_r,type'], prevalence=1e-3,
                   **QUICK)
    assert {'operating_points', 'completeness', 'completeness_by_psfsize_r_and_type',
            'false_positives_by_type', 'purity', 'purity_by_type', 'ranking', 'roc', 'reliability',
            'calibration', 'score_to_probability'} <= set(result.tables)
    for name, table in result.tables.items():
        assert table.meta['package_version'] == lensfinder_audit.__version__
        if table.meta.get('schema') in SCHEMAS:
            check_table(table, table.meta['schema'])
        if table.meta.get('schema') in MEASURED:
            assert 'finder' in table.colnames, name
    check_table(result.findings, 'findings')


def test_order_of_rows_changes_no_number_but_the_bootstrap():
    table = make_table(N)
    first = audit(table, **QUICK).tables
    second = audit(table[np.random.default_rng(0).permutation(N)], **QUICK).tables
    for name in ('operating_points', 'completeness', 'false_positives', 'ranking'):
        for column in ('n', 'estimate', 'n_eff', 'threshold', 'completeness_least'):
            if column in first[name].colnames:
                assert_allclose(first[name][column], second[name][column], err_msg=name)


def test_weights_may_have_any_scale():
    table = make_table(N)
    table['weight'] = np.random.default_rng(0).choice([1., 5.], N)
    first = audit(table, prevalence=1e-3, **QUICK).tables
    table['weight'] *= 1e4
    second = audit(table, prevalence=1e-3, **QUICK).tables
    for name in ('completeness', 'false_positives', 'purity', 'ranking', 'calibration'):
        assert_allclose(first[name]['estimate'], second[name]['estimate'], err_msg=name)


def test_duplicated_rows_of_a_group_change_no_rate():
    table = make_table(N)
    twice = table[np.repeat(np.arange(N), 2)]
    twice['object_id'] = np.arange(2 * N).astype(str)
    rest = {**QUICK, 'group': 'brick'}
    first, second = audit(table, **rest).tables, audit(twice, **rest).tables
    for name in ('completeness', 'false_positives'):
        assert_allclose(first[name]['estimate'], second[name]['estimate'])
        assert_array_equal(first[name]['n_groups'], second[name]['n_groups'])
        width = [found[name]['hi'] - found[name]['lo'] for found in (first, second)]
        assert_allclose(*width, rtol=0.1)


def test_monotone_scores_keep_the_ranking_and_the_selection():
    table = make_table(N)
    first = audit(table, fprs=[0.01], n_resamples=200).tables
    table['p_resnet'] = 7 + 3 * np.asarray(table['p_resnet'])**3
    second = audit(table, fprs=[0.01], n_resamples=200, score_kind='rank').tables
    for name in ('ranking', 'completeness', 'false_positives'):
        assert_allclose(first[name]['estimate'], second[name]['estimate'])
    assert 'calibration' not in second


def test_axis_goes_by_the_name_of_the_user():
    table = make_table(N)
    table.rename_column('nobs_z', 'exposures')
    table['brick'] = table['brick'] % 3
    result = audit(table, by=['brick', 'exposures'], **QUICK)
    assert result.tables['completeness_by_brick']['brick_min'][:3].tolist() == [0, 1, 2]
    assert result.summary['group'] == 'brick'


def test_published_bins_are_those_of_the_survey():
    result = audit(make_table(N), by=['nobs_z'], possible={'nobs_z': [3, np.inf]}, **QUICK)
    cells = result.tables['completeness_by_nobs_z'][:4]
    assert cells['nobs_z_min'].tolist() == [1, 3, 6, 11]
    assert cells['state'][0] == 'impossible'


def test_tables_of_one_class_measure_what_they_can():
    table = make_table(N)
    lenses = audit(table[table['label'] == 1], n_resamples=200).tables
    assert list(lenses) == ['operating_points', 'completeness', 'intervals_again', 'verdict']
    assert lenses['operating_points']['operating_point'].tolist() == ['score >= 0.5']
    negatives = audit(table[table['label'] == 0], **QUICK).tables
    assert list(negatives) == ['operating_points', 'false_positives', 'tails', 'intervals_again',
                               'verdict']


def test_conditions_may_come_from_several_catalogues_and_bring_no_roles():
    table = make_table(N)
    first = QTable({'RA': table['ra'][:600], 'DEC': table['dec'][:600], 'ebv': np.full(600, 0.1),
                    'tier': np.full(600, 'C'), 'weight': np.full(600, np.nan)})
    second = QTable({'ra': table['ra'][600:].value, 'dec': table['dec'][600:].value,
                     'flag': np.full(N - 600, 'x')})
    result = audit(table, conditions=[first, second], **QUICK)
    assert_array_equal(result.sample['ebv'], [0.1] * 600 + [np.nan] * (N - 600))
    assert result.sample['flag'].tolist() == [''] * 600 + ['x'] * (N - 600)
    assert 'C' not in result.sample['tier'] and 'weight' not in result.sample.colnames
    assert result.tables['conditions']['n_unmatched'].tolist() == [0, 0]


def test_progress_names_the_steps():
    steps = []
    audit(make_table(300), progress=steps.append, **QUICK)
    assert steps == ['completeness ...', 'false positives ...', 'purity ...', 'ranking ...',
                     'calibration ...']


@pytest.mark.parametrize('options, error, message', [
    ({'thresold': [1]}, ConfigError, "Did you mean 'thresholds'?"),
    ({'by': ['nobs']}, TableError, "no column 'nobs'. Did you mean"),
    ({'group': 'healpix:60'}, ConfigError, 'NSIDE must be a power of 2'),
    ({'budgets': [1e9]}, MeasurementError, 'exceeds the 300 objects searched'),
    ({'survey': 'legacy_dr9'}, LookupError, "Did you mean 'legacy_dr10'?"),
    ({'lower_is_better': True, 'thresholds': [.5], 'finders': {'a': 'p_resnet', 'b': 'nobs_z'}},
     ConfigError, 'audit the finders one by one')])
def test_option_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        audit(make_table(300), n_resamples=200, **options)


def test_other_things_than_tables_are_refused():
    with pytest.raises(TableError, match='scores must be an astropy table or the name of a file, '
                                         'not dict'):
        audit({'score': [1]})


def test_position_in_another_unit_is_converted():
    table = make_table(300)
    table['ra'] = table['ra'].to(u.hourangle)
    result = audit(table, **QUICK)
    assert_allclose(result.sample['ra'].to_value(u.deg), make_table(300)['ra'].value)


# The scores of four published finders

@pytest.fixture(scope='module')
def published(real_data):
    names = ('resnet', 'effnet', 'meta', 'avg')
    catalogs = real_data / 'lens-catalogs'
    return audit(
        real_data / 'scores' / 'candidate_scores_storfer.csv',
        negatives=real_data / 'scores' / 'base_model_scores_train_val.parquet',
        conditions=[catalogs / f'stein2021_{name}_lenses.tsv' for name in ('new', 'training')],
        constants={'discovery_method': 'CNN', 'tier': 'B'}, n_resamples=200, fprs=[0.01],
        finders={name: f'our_p_{name}' for name in names},
        negatives_columns={**{name: f'p_{name}' for name in names}, 'in_training': 'split'},
        by=['nobs_z', 'ebv', 'tractor_type'])


def test_published_lenses_match_conditions_and_negatives_do_not(published):
    match = published.tables['conditions']
    assert match['n'].tolist() == [1895, 4418]
    assert match['n_matched'].tolist() == [283, 0]
    assert match['max_separation'].to_value(u.arcsec)[0] < 1


def test_published_sample_supports_completeness_by_exposures_and_no_rate(published):
    assert (published.tables['completeness_by_nobs_z']['state'] == 'supported').any()
    assert (published.tables['false_positives_by_nobs_z']['state'] != 'supported').all()
    said = ' '.join(published.findings['finding'])
    assert 'false_positives_by_nobs_z' in said
    assert '283 of 1895 lenses have joined conditions' in said


def test_published_lenses_are_agreement_with_an_earlier_finder(published):
    table = published.tables['completeness']
    assert set(table['quantity']) == {'agreement with an earlier finder'}
    assert set(table['n']) == {1895}
    assert published.worst() == 'severe'
    assert ('1895 of 1895 lenses were found by an earlier finder; on them the recovered fraction '
            'is agreement with that finder, not completeness') in published.findings['finding'][0]


def test_published_scores_that_are_exactly_one_are_counted(published):
    assert '119 of 1895 lenses have the same score of effnet, 1; it cannot rank them' in set(
        published.findings['finding'])
    assert '3436 of 4418 negatives were in the training sample' in ' '.join(
        published.findings['finding'])


def test_published_finders_have_their_own_thresholds(published):
    points = published.tables['operating_points']
    assert points['finder'].tolist() == ['resnet', 'effnet', 'meta', 'avg']
    assert points['n_negatives_above'].tolist() == [44] * 4
    assert (points['threshold_lo'] < points['threshold']).all()


def test_published_report_says_agreement(published, tmp_path):
    published.write(tmp_path / 'out', figures=False)
    text = (tmp_path / 'out' / 'report.html').read_text(encoding='utf-8')
    assert 'agreement with an earlier finder' in text.lower()


def test_rows_of_the_other_class_are_left_out_with_a_note():
    table = QTable({'label': np.arange(400) < 200, 'score': np.linspace(1, 0, 400)})
    names = np.char.add('n', np.arange(50).astype(str))
    result = audit(table, negatives=QTable({'object_id': names,
                                            'label': np.arange(50) < 5,
                                            'score': np.linspace(0, 1, 50)}), n_resamples=200)
    assert result.summary['n_left_out'] == 205
    assert any('205 rows were left out' in text for text in result.findings['finding'])
