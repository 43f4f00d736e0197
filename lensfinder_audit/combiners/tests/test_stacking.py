# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import check_grad
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from lensfinder_audit.combiners import feature_weighted, stacking
from lensfinder_audit.combiners.calibration import Platt
from lensfinder_audit.combiners.contract import training_sample
from lensfinder_audit.combiners.feature_weighted import FeatureWeighted
from lensfinder_audit.combiners.stacking import Mean, StackingNetwork
from lensfinder_audit.combiners.storage import METHODS, load_combiner, save_combiner
from lensfinder_audit.exceptions import (ConfigError, InputFileError, MeasurementError,
                                         OutputExistsError, TableError)

NAMES = ['a', 'b']


def conditional(n=6000, seed=0):
    """Two finders, each good on its own side of a seeing of 1.3 arcsec."""
    rng = np.random.default_rng(seed)
    seeing, lens = rng.uniform(0.9, 1.7, n), rng.random(n) < 0.5
    spread = np.where([seeing < 1.3, seeing >= 1.3], 1.0, 5.0).T
    return rng.normal(2 * lens[:, None] - 1.0, spread), lens, seeing[:, None]


def weighted(n=6000, seed=0, **options):
    scores, lens, seeing = conditional(n, seed)
    return FeatureWeighted.fit(scores, lens, seeing, finders=NAMES, conditions=['psfsize_r'],
                               score_kind='logit', **options)


# The mean

@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1))
def test_mean_is_that_of_its_columns_in_any_order(rows):
    found = Mean(['a', 'b', 'c'])(rows)
    assert_allclose(found, np.mean(rows, axis=1))
    assert_allclose(Mean(['c', 'b', 'a'])(np.asarray(rows)[:, ::-1]), found, atol=1e-15)


def test_mean_of_logits_is_a_logit_and_of_ranks_nothing():
    assert Mean(NAMES, score_kind='logit').gives == 'logit'
    with pytest.raises(TableError, match='ranks have no log odds'):
        Mean(NAMES, score_kind='rank')


# The network

def test_network_for_two_finders_has_1201_parameters_and_learns():
    scores, lens, _ = conditional(400)
    found = StackingNetwork.fit(expit(scores), lens, finders=NAMES, max_steps=50)
    assert found.n_parameters == 1201
    assert roc_auc_score(lens, found(expit(scores))) > roc_auc_score(lens, scores.mean(axis=1))


def test_network_gives_what_scikit_learn_gives():
    scores, lens, _ = conditional(300)
    sample = training_sample(scores, lens, finders=NAMES, score_kind='logit')
    theirs = stacking._fit_network(scores, sample, hidden=5, penalty=1e-3, seed=2, max_steps=50)
    ours = StackingNetwork.fit(scores, lens, finders=NAMES, score_kind='logit', inputs='log odds',
                               hidden=5, penalty=1e-3, seed=2, max_steps=50)
    assert_allclose(ours(scores), theirs.predict_proba(scores)[:, 1], rtol=1e-9)


def test_network_that_stops_early_says_so():
    scores, lens, _ = conditional(200)
    found = StackingNetwork.fit(scores, lens, finders=NAMES, score_kind='logit', max_steps=2)
    assert not found.record['converged']


def test_network_refuses_what_it_does_not_know():
    with pytest.raises(ConfigError, match="inputs is 'logodds'.*Did you mean 'log odds'"):
        StackingNetwork.fit([[0, 1.]], [1], finders=NAMES, inputs='logodds')
    with pytest.raises(InputFileError, match='are no network on 2 finders'):
        StackingNetwork(NAMES, parameters={'inputs': 'log odds', 'hidden_weights': np.ones((3, 4)),
                                           'hidden_bias': np.ones(4), 'weights': np.ones(4),
                                           'bias': 0.0})


# Weights that depend on conditions

@pytest.mark.parametrize('hidden', [0, 8])
def test_each_finder_counts_where_it_is_good(hidden):
    found = weighted(hidden=hidden)
    good, poor = found.finder_weights([[0.95], [1.65]])[:, 1:]
    assert good[0] > 4 * abs(good[1]) and poor[1] > 4 * abs(poor[0])


def test_conditions_beat_the_same_fit_without_them():
    scores, lens, seeing = conditional(8000, seed=1)
    with_them = weighted()(scores, seeing)
    without = LogisticRegression().fit(*conditional()[:2]).decision_function(scores)
    assert roc_auc_score(lens, with_them) > roc_auc_score(lens, without) + 0.03


def test_linear_weights_are_logistic_regression_on_products():
    scores, lens, seeing = conditional(2000)
    found = weighted(2000, hidden=0, penalty=0)
    x = (seeing - seeing.mean()) / seeing.std()
    design = np.column_stack([scores, x, x * scores])
    theirs = LogisticRegression(C=1e10, tol=1e-10, solver='newton-cholesky').fit(design, lens)
    assert_allclose(found(scores, seeing), theirs.predict_proba(design)[:, 1], atol=1e-3)


@pytest.mark.parametrize('hidden', [0, 3])
def test_gradient_is_that_of_the_loss(hidden):
    rng = np.random.default_rng(0)
    x, odds, lens = rng.normal(size=(50, 2)), rng.normal(size=(50, 2)), rng.random(50) < 0.5
    shapes = {'weights': (hidden or 2, 3), 'bias': (3,)}
    if hidden:
        shapes |= {'hidden_weights': (2, hidden), 'hidden_bias': (hidden,)}
    start = rng.normal(size=sum(np.prod(shape) for shape in shapes.values()))

    def loss(flat):
        layers = feature_weighted._layers(flat, shapes)
        return feature_weighted._loss(layers, x, odds, lens, np.full(50, 0.02), 0.1)

    assert check_grad(lambda flat: loss(flat)[0], lambda flat: loss(flat)[1], start) < 1e-6


def test_conditions_outside_the_sample_are_held_and_told():
    found = weighted(1000)
    edge, low, high = found.parameters['low'][0], [[0.2]], [[9.0]]
    assert found.outside([[0.2], [1.2], [9.0]]).tolist() == [True, False, True]
    assert_allclose(found.finder_weights(low), found.finder_weights([[edge]]))
    assert np.isfinite(found([[1, 1.0]], high)).all()


def test_conditions_are_checked():
    found = weighted(500)
    with pytest.raises(TableError, match=r"reads the conditions \['psfsize_r'\]; none were given"):
        found([[0.1, 0.2]])
    with pytest.raises(TableError, match="condition 'psfsize_r': 1 of 2 values are missing"):
        found([[0, 0.], [0, 0.]], [[1.0], [np.nan]])
    with pytest.raises(MeasurementError, match="condition 'x' has one value"):
        FeatureWeighted.fit([[0.1, 0.2], [0.3, 0.4]], [0, 1], [[1.0], [1.0]], finders=NAMES,
                            conditions=['x'])


# Files

def every_combiner():
    scores, lens, _ = conditional(200)
    return [Mean(NAMES), weighted(300), weighted(300, hidden=0),
            Platt.fit(scores[:, 0], lens, score_kind='logit'),
            StackingNetwork.fit(expit(scores), lens, finders=NAMES, hidden=4)]


def test_saved_combiners_give_the_same_scores_to_the_bit(tmp_path):
    rng = np.random.default_rng(5)
    for combiner in every_combiner():
        save_combiner(combiner, tmp_path / 'combiner.json', overwrite=True)
        again = load_combiner(tmp_path / 'combiner.json')
        scores = rng.random((50, len(combiner.finders)))
        conditions = rng.uniform(0.5, 2, (50, 1)) if combiner.conditions else None
        assert_array_equal(again(scores, conditions), combiner(scores, conditions))
        assert again.record == combiner.record and again.method in METHODS
    with pytest.raises(OutputExistsError):
        save_combiner(combiner, tmp_path / 'combiner.json')


@settings(max_examples=40)
@given(st.data())
def test_a_file_cut_short_or_changed_is_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('cut') / 'combiner.json'
    save_combiner(weighted(200, max_steps=5), path)
    text = path.read_text()
    if data.draw(st.booleans()):
        path.write_text(text[:data.draw(st.integers(0, len(text) - 3))])
    else:
        content = json.loads(text)
        name = data.draw(st.sampled_from(sorted(content)))
        content[name] = data.draw(st.sampled_from([None, [], 'x', 3, {'weights': 'NaN'}]))
        if name in ('record', 'package_version') or content == json.loads(text):
            return
        path.write_text(json.dumps(content))
    with pytest.raises(InputFileError, match='combiner.json'):
        load_combiner(path)


def test_files_that_are_no_combiner_are_named(tmp_path):
    for text, words in (('{"format": 1}', 'is no combiner'), ('\x80\x04pickle', 'is damaged')):
        (tmp_path / 'x.json').write_text(text)
        with pytest.raises(InputFileError, match=words):
            load_combiner(tmp_path / 'x.json')
    with pytest.raises(InputFileError, match='no such file'):
        load_combiner(tmp_path / 'none.json')
