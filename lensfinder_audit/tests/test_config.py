# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
import yaml

from lensfinder_audit.config import (AuditOptions, InputFile, dump_config, load_config,
                                     nested_options)
from lensfinder_audit.exceptions import ConfigError, InputFileError

FULL = {'columns': {'ra': 'RA'}, 'negatives_columns': {'score': 'p'}, 'constants': {'tier': 'B'},
        'finders': {'a': 'p_a'}, 'score_kind': 'logit', 'lower_is_better': True,
        'match_radius': 2.0, 'thresholds': [0.5], 'fprs': [0.01], 'top_percents': [1],
        'budgets': [100], 'search_size': 1e6, 'by': ['type', 'nobs_z,seeing'],
        'bins': {'nobs_z': [1, 3, float('inf')], 'type': ['SER'], 'seeing': 'quantile'},
        'possible': {'nobs_z': [3, float('inf')]}, 'prevalence': 1e-4, 'interval': 'jeffreys',
        'confidence': 0.9, 'group': 'healpix:64', 'min_groups': 5, 'n_resamples': 200, 'seed': 3,
        'survey': 'legacy_dr10', 'exclude_training': True, 'limits': {'level': 0.05},
        'purity': {'B': [0.5, 0.9]}, 'sensitivity': True, 'title': 'Größe: "x" # 1'}


def test_every_option_survives_the_file(tmp_path):
    (tmp_path / 'scores.csv').write_text('a')
    files = {'scores': [InputFile.of(tmp_path / 'scores.csv')]}
    options = AuditOptions.of(**FULL)
    (tmp_path / 'audit.yaml').write_text(dump_config(options, files, tmp_path), encoding='utf-8')
    found, inputs = load_config(tmp_path / 'audit.yaml')
    assert AuditOptions.of(**found) == options
    assert inputs['scores'][0].sha256 == files['scores'][0].sha256
    assert set(FULL) == set(AuditOptions.__dataclass_fields__)


def test_file_names_are_relative_to_the_file(tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'x.csv').write_text('a')
    text = dump_config(AuditOptions(), {'scores': [InputFile.of(tmp_path / 'data' / 'x.csv')]},
                       tmp_path / 'out')
    assert yaml.safe_load(text)['inputs']['scores'][0]['file'] == '../data/x.csv'


def test_arrays_and_numbers_of_numpy_are_options_too():
    options = AuditOptions.of(fprs=np.array([0.1, 0.2]), seed=np.int64(4), by=np.array(['type']),
                              bins={'type': np.array(['SER'])}, prevalence=np.float64(0.1))
    assert yaml.safe_load(dump_config(options, {}, '.'))['operating_points']['fprs'] == [0.1, 0.2]


def test_every_option_stands_in_one_section():
    nested = nested_options(AuditOptions())
    names = [name for section, values in nested.items()
             for name in (values if section in ('scores', 'operating_points', 'axes', 'statistics',
                                                'findings', 'report') else [section])]
    assert sorted(names) == sorted(AuditOptions.__dataclass_fields__)


@pytest.mark.parametrize('options, message', [
    ({'limits': {'level': 'low'}}, "option 'limits, level' must hold numbers; it holds 'low'"),
    ({'purity': {'B': [0.9, 0.5]}}, "two fractions, the smaller first, for each name; it holds "
     r"\[0.9, 0.5\] for 'B'"),
    ({'threshold': [0.5]}, "there is no option 'threshold'. Did you mean 'thresholds'?"),
    ({'by': 'type'}, "option 'by' must be a list; it is 'type'"),
    ({'by': [3]}, "option 'by' must hold text; it holds 3"),
    ({'fprs': ['a']}, "option 'fprs' must hold numbers; it holds 'a'"),
    ({'fprs': [True]}, "must hold numbers; it holds True"),
    ({'columns': {'ra': 3}}, "option 'columns' must hold text; it holds 3"),
    ({'seed': 1.5}, "option 'seed' must be a whole number"),
    ({'seed': -1}, 'seed must be 0 or more'),
    ({'confidence': 95}, 'confidence must lie between 0 and 1; it is 95. Did you mean 0.95?'),
    ({'prevalence': 0}, 'prevalence must lie between 0 and 1; it is 0'),
    ({'n_resamples': 10}, 'n_resamples must be 100 or more; it is 10'),
    ({'match_radius': 0}, 'match_radius must be a finite number above 0'),
    ({'interval': 'wilsn'}, "no interval 'wilsn'.*Did you mean 'wilson'?"),
    ({'score_kind': 'logits'}, "no score_kind 'logits'.*Did you mean 'logit'?"),
    ({'bins': {'nobs': [1, 2]}}, "bins are given for 'nobs', which is no axis"),
    ({'by': ['x'], 'bins': {'x': 3}}, "option 'bins' must be a list or a word for 'x'; it is 3"),
    ({'by': ['x'], 'possible': {'x': 'SER'}}, "option 'possible' must be a list for 'x'; it is "
                                              "'SER'"),
    ({'lower_is_better': 1}, "'lower_is_better' must be true or false; it is 1")])
def test_option_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        AuditOptions.of(**options)


def test_bad_yaml_is_placed(tmp_path):
    (tmp_path / 'audit.yaml').write_text('inputs: {}\naxes: {by: [type}\n')
    with pytest.raises(ConfigError, match='is not YAML at line 2, column 17'):
        load_config(tmp_path / 'audit.yaml')


def test_changed_file_is_refused_unless_it_is_replaced(tmp_path):
    (tmp_path / 'x.csv').write_text('a')
    text = dump_config(AuditOptions(), {'scores': [InputFile.of(tmp_path / 'x.csv')]}, tmp_path)
    (tmp_path / 'audit.yaml').write_text(text)
    (tmp_path / 'x.csv').write_text('b')
    with pytest.raises(ConfigError, match='x.csv has changed: its sha256 is .*restore it, or take'):
        load_config(tmp_path / 'audit.yaml')
    assert load_config(tmp_path / 'audit.yaml', replaced=['scores'])[1]['scores'] == []
    (tmp_path / 'x.csv').unlink()
    with pytest.raises(InputFileError, match='x.csv: there is no such file'):
        load_config(tmp_path / 'audit.yaml')


def test_unknown_key_is_named_with_the_nearest(tmp_path):
    (tmp_path / 'audit.yaml').write_text('inputs: {example: true}\nstatistics: {confidnce: 0.9}\n')
    with pytest.raises(ConfigError, match="unknown key 'confidnce'. Did you mean 'confidence'?"):
        load_config(tmp_path / 'audit.yaml')
