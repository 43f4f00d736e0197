# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import pytest
import yaml

from lensfinder_audit.ensemble.study_file import EXAMPLES, load_study
from lensfinder_audit.exceptions import ConfigError

GOOD = {'members': {'A': {'column': 'a'}, 'B': {'column': 'b'}}, 'budgets': [10]}


def load(folder, changes):
    path = folder / 'study.yaml'
    path.write_text(yaml.safe_dump(GOOD | changes))
    return load_study(path)


@pytest.mark.parametrize('name', EXAMPLES)
def test_studies_that_ship_load(name):
    assert len(load_study(name).members) == 4


def test_as_many_controls_as_members(tmp_path):
    found = load(tmp_path, {'controls': 'same', 'training': {'preset': 'resnet18'}}).models()
    assert [(item.name, item.role, item.seed) for item in found.values()] == [
        ('A', 'member', 0), ('B', 'member', 0), ('seed 1', 'control', 1), ('seed 2', 'control', 2)]


def test_stratified_and_random_networks_are_paired_by_seed(tmp_path):
    found = load(tmp_path, {'stratification': {'seeds': [7]}, 'training': {'preset': 'x'}}).models()
    pair = [found['stratified, seed 7'], found['random, seed 7']]
    assert [item.role for item in pair] == ['stratified', 'random']
    assert [item.seed for item in pair] == [7, 7]


@pytest.mark.parametrize(('changes', 'said'), [
    ({'budget': [1]}, "unknown key 'budget'. Did you mean 'budgets'"),
    ({'members': {}}, 'says nothing of its members'),
    ({'members': {'A': {'column': 'a'}}}, 'two members or more'),
    ({'members': {'A': {'colum': 'a'}, 'B': {}}}, "unknown key 'colum'. Did you mean 'column'"),
    ({'members': {'A': {'column': 'a', 'seed': 3}, 'B': {'column': 'b'}}}, "unknown key 'seed'"),
    ({'members': {'A': 'a', 'B': {}}}, 'must hold keys and values, such as'),
    ({'members': {'A': {}, 'B': {}}}, 'A is to be trained and there is no "training'),
    ({'members': {'A': {'lenses': 'none'}, 'B': {}}, 'training': {'preset': 'x'}},
     "lenses is 'none'"),
    ({'members': {'baseline': {'column': 'a'}, 'B': {'column': 'b'}},
      'baseline': {'column': 'c'}}, 'two models have one name'),
    ({'budgets': [0]}, 'different positive numbers'),
    ({'budgets': 7}, 'budgets must be a list'),
    ({'combiners': ['men']}, "no combiner 'men'.*Did you mean 'mean'"),
    ({'combiners': ['feature_weighted']}, 'feature_weighted needs conditions'),
    ({'controls': 'some'}, 'give a number, "same" or models by name'),
    ({'level': 50}, 'between 0 and 1'),
    ({'splits': {'fits': 'val'}}, "unknown key 'fits'. Did you mean 'fit'"),
    ({'statistics': {'n_resamples': 3}}, 'n_resamples 100 or more'),
    ({'statistics': {'confidence': 95}}, 'confidence must lie between 0 and 1'),
    ({'stratification': {'strata': {}}}, 'either seeds, which are trained, or pairs'),
    ({'stratification': {'pairs': {1: {'stratified': {}}}}}, 'a stratified and a random model'),
    ({'missing': 'ignore'}, 'is refuse or leave_out')])
def test_what_a_study_cannot_say_is_named(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, changes)


@pytest.mark.parametrize(('text', 'said'), [('members: [', 'is not YAML at line 1'),
                                            ('- a', 'holds no study')])
def test_a_file_that_is_no_study_is_named(tmp_path, text, said):
    (tmp_path / 'study.yaml').write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_study(tmp_path / 'study.yaml')


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'domain_split'"):
        load_study('domain_splits')
