# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The plain average, and a small network on the scores of several finders."""
import warnings

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from lensfinder_audit.combiners.contract import (Combiner, to_log_odds, to_probability,
                                                 training_sample)
from lensfinder_audit.exceptions import ConfigError, InputFileError, did_you_mean

__all__ = ['Mean', 'StackingNetwork']

INPUTS = ('probability', 'log odds')


class Mean(Combiner):
    """
    The average of probabilities, or of logits where the finders give those.

    Parameters
    ----------
    finders, score_kind, conditions, parameters, record
        As for `~lensfinder_audit.combiners.contract.Combiner`.

    Raises
    ------
    TableError
        If the scores are ranks, whose average depends on their scales.

    Examples
    --------
    >>> from lensfinder_audit.combiners.stacking import Mean
    >>> print(Mean(['a', 'b'])([[0.25, 0.75], [1.0, 0.5]]))
    [0.5  0.75]
    """

    method = 'mean'

    @property
    def gives(self):
        """Kind of the score: that of the finders."""
        return self.score_kind

    def _check(self):
        to_log_odds([], self.score_kind)

    def _combine(self, scores, conditions):
        return scores.mean(axis=1)


class StackingNetwork(Combiner):
    """
    A network with one hidden layer on the scores: k-300-1, 1,201 parameters for two.

    With two finders it is the meta-learner of [1]_, of which size and inputs are
    published; rectified units, the penalty and the optimiser are choices made here. A
    network need not rise with each score. What it gives refers to the prevalence of
    what it was fitted on, which its record states.

    Parameters
    ----------
    finders, score_kind, conditions, parameters, record
        As for `~lensfinder_audit.combiners.contract.Combiner`.

    References
    ----------
    .. [1] Inchausti et al. 2025, arXiv:2508.20087
    .. [2] Wolpert 1992, Neural Networks 5, 241

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.combiners.stacking import StackingNetwork
    >>> rng = np.random.default_rng(0)
    >>> lens = np.arange(400) < 200
    >>> scores = np.clip(rng.normal(0.3 + 0.4 * lens, 0.1, (2, 400)).T, 0, 1)
    >>> network = StackingNetwork.fit(scores, lens, finders=['a', 'b'])
    >>> print(network.n_parameters, network([[0.1, 0.1], [0.9, 0.9]]).round(1))
    1201 [0. 1.]
    """

    method = 'meta_learner'

    @classmethod
    def fit(cls, scores, label, *, finders, score_kind='probability', weight=None, prevalence=None,
            hidden=300, inputs='probability', penalty=1e-4, seed=0, max_steps=1000):
        """
        Learn from a sample that the finders were not trained on.

        Parameters
        ----------
        scores : (n, n_finders) array_like
            Scores, a column per finder.
        label : (n,) array_like of bool
            Whether a row is a lens.
        finders : sequence of str
            Names of the finders.
        score_kind : str, optional
            What they give.
        weight, prevalence : optional
            As for `~lensfinder_audit.combiners.contract.training_sample`.
        hidden : int, optional
            Units of the hidden layer.
        inputs : {'probability', 'log odds'}, optional
            What the network sees.
        penalty : float, optional
            Half of it times the squared weights is added to the mean log loss.
        seed : int, optional
            Seed of the first weights.
        max_steps : int, optional
            Steps of the optimiser; ``converged`` in the record says if they were enough.

        Returns
        -------
        network : `StackingNetwork`
            Ready to use and to save.

        Raises
        ------
        MeasurementError, TableError
            As for `~lensfinder_audit.combiners.contract.training_sample`.
        """
        if inputs not in INPUTS:
            raise ConfigError(f'inputs is {inputs!r}; it can be one of {list(INPUTS)}.'
                              f'{did_you_mean(inputs, INPUTS)}')
        if hidden < 1:
            raise ConfigError(f'hidden is {hidden}; the network has at least one unit')
        sample = training_sample(scores, label, finders=finders, score_kind=score_kind,
                                 weight=weight, prevalence=prevalence)
        values = _inputs(sample.scores, score_kind, inputs)
        options = {'hidden': hidden, 'penalty': penalty, 'seed': seed, 'max_steps': max_steps}
        network = _fit_network(values, sample, **options)
        (first, second), (bias, out) = network.coefs_, network.intercepts_
        return cls(finders, score_kind=score_kind, parameters={
            'inputs': inputs, 'hidden_weights': first, 'hidden_bias': bias,
            'weights': second[:, 0], 'bias': float(out[0])},
            record={**sample.record, **options,
                    'converged': bool(network.n_iter_ < max_steps)})

    @property
    def n_parameters(self):
        """Numbers that were fitted."""
        return sum(np.size(value) for name, value in self.parameters.items() if name != 'inputs')

    def _check(self):
        found = self.parameters
        try:
            shapes = [np.shape(found[name]) for name in ('hidden_weights', 'hidden_bias',
                                                         'weights', 'bias')]
        except KeyError as error:
            raise InputFileError(f'meta_learner: its parameter {error} is missing') from error
        hidden = shapes[1][0] if shapes[1] else 0
        if shapes != [(len(self.finders), hidden), (hidden,), (hidden,), ()] \
                or found.get('inputs') not in INPUTS:
            raise InputFileError(f'meta_learner: parameters of shapes {shapes} are no network on '
                                 f'{len(self.finders)} finders')

    def _combine(self, scores, conditions):
        found = self.parameters
        values = _inputs(scores, self.score_kind, found['inputs'])
        hidden = np.maximum(values @ found['hidden_weights'] + found['hidden_bias'], 0)
        return expit(hidden @ found['weights'] + found['bias'])


def _inputs(scores, kind, inputs):
    return to_log_odds(scores, kind) if inputs == 'log odds' else to_probability(scores, kind)


def _fit_network(values, sample, *, hidden, penalty, seed, max_steps):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    # scikit-learn divides its penalty by the number of rows
    network = MLPClassifier((hidden,), solver='lbfgs', alpha=penalty * len(values),
                            random_state=seed, max_iter=max_steps, tol=1e-5)
    plain = np.allclose(sample.weight, 1)
    with warnings.catch_warnings(), threadpool_limits(1, user_api='blas'):
        warnings.simplefilter('ignore', ConvergenceWarning)  # the record says so
        try:
            return network.fit(values, sample.label,
                               **({} if plain else {'sample_weight': sample.weight}))
        except TypeError as error:
            raise ConfigError('a network with weights or a prevalence needs scikit-learn 1.7 or '
                              'newer') from error
