# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Stacking in which the weight of each finder depends on the observing conditions."""
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from lensfinder_audit.combiners.contract import Combiner, to_log_odds, training_sample
from lensfinder_audit.exceptions import ConfigError, InputFileError, MeasurementError

__all__ = ['FeatureWeighted']

_SHAPED = ('center', 'spread', 'low', 'high', 'weights', 'bias', 'score_spread')


class FeatureWeighted(Combiner):
    """
    Weigh the log odds of the finders by functions of the observing conditions.

    log odds = theta_0(x) + sum_i theta_i(x) s_i, with s_i the log odds of finder i and x the
    conditions of the object. theta is linear in x [1]_, or the output of a network with one
    hidden layer on x [2]_. A finder that is good in good seeing can then count there and not
    elsewhere. Conditions outside those of the training sample are taken for the nearest ones
    within; `outside` tells which rows that concerns.

    Parameters
    ----------
    finders, score_kind, conditions, parameters, record
        As for `~lensfinder_audit.combiners.contract.Combiner`.

    References
    ----------
    .. [1] Sill et al. 2009, arXiv:0911.0460
    .. [2] Coscrato, Inacio & Izbicki 2020, arXiv:1906.09735

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.combiners.feature_weighted import FeatureWeighted
    >>> rng = np.random.default_rng(0)
    >>> seeing, lens = rng.uniform(0.9, 1.8, 4000), np.arange(4000) < 2000
    >>> good = seeing < 1.3  # where the first finder is the better one
    >>> logits = rng.normal(2 * lens - 1, np.where([good, ~good], 1, 4)).T
    >>> found = FeatureWeighted.fit(logits, lens, seeing[:, None], finders=['a', 'b'],
    ...                             conditions=['psfsize_r'], score_kind='logit')
    >>> a, b = found.finder_weights([[0.9]])[0, 1:]
    >>> print(a > 3 * abs(b))
    True
    """

    method = 'feature_weighted'

    @classmethod
    def fit(cls, scores, label, values, *, finders, conditions, score_kind='probability',
            weight=None, prevalence=None, hidden=8, penalty=1e-3, seed=0, max_steps=1000):
        """
        Learn from a sample that the finders were not trained on.

        Parameters
        ----------
        scores : (n, n_finders) array_like
            Scores, a column per finder.
        label : (n,) array_like of bool
            Whether a row is a lens.
        values : (n, n_conditions) array_like
            Observing conditions.
        finders, conditions : sequence of str
            Names of the columns.
        score_kind : str, optional
            What the finders give.
        weight, prevalence : optional
            As for `~lensfinder_audit.combiners.contract.training_sample`.
        hidden : int, optional
            Units of the hidden layer on the conditions; 0 makes weights linear.
        penalty : float, optional
            Half of it times the squared weights is added to the mean log loss; the part that
            does not depend on conditions has none.
        seed : int, optional
            Seed of the first weights.
        max_steps : int, optional
            Steps of the optimiser; ``converged`` in the record says if they were enough.

        Returns
        -------
        combiner : `FeatureWeighted`
            Ready to use and to save.

        Raises
        ------
        MeasurementError, TableError
            As for `~lensfinder_audit.combiners.contract.training_sample`; also if a
            condition has one value.
        """
        if hidden < 0 or penalty < 0 or not len(conditions):
            raise ConfigError(f'{len(conditions)} conditions, hidden {hidden} and penalty '
                              f'{penalty:g}: at least one condition is needed and no number may '
                              'be negative')
        sample = training_sample(scores, label, finders=finders, score_kind=score_kind,
                                 weight=weight, prevalence=prevalence, conditions=values,
                                 names=conditions)
        ranges = _ranges(sample.conditions, conditions)
        odds = to_log_odds(sample.scores, score_kind)
        spread = np.maximum(odds.std(axis=0), 1e-12)
        x = (sample.conditions - ranges['center']) / ranges['spread']
        layers, converged = _minimised(x, odds / spread, sample, hidden=hidden, penalty=penalty,
                                       seed=seed, max_steps=max_steps)
        return cls(finders, score_kind=score_kind, conditions=conditions,
                   parameters={**ranges, **layers, 'score_spread': spread},
                   record={**sample.record, 'hidden': hidden, 'penalty': penalty, 'seed': seed,
                           'converged': converged})

    def finder_weights(self, conditions):
        """
        Return what the finders weigh under some conditions.

        Parameters
        ----------
        conditions : (n, n_conditions) array_like
            Observing conditions.

        Returns
        -------
        weights : (n, 1 + n_finders) `~numpy.ndarray`
            Intercept, and the factor of the log odds of each finder.
        """
        return self._theta(np.asarray(conditions, dtype=float)) / np.append(
            1, self.parameters['score_spread'])

    def outside(self, conditions):
        """
        Tell which rows lie outside the conditions of the training sample.

        Parameters
        ----------
        conditions : (n, n_conditions) array_like
            Observing conditions.

        Returns
        -------
        outside : (n,) `~numpy.ndarray` of bool
            True where any condition does.
        """
        conditions = np.asarray(conditions, dtype=float)
        return ((conditions < self.parameters['low'])
                | (conditions > self.parameters['high'])).any(axis=1)

    def _theta(self, conditions):
        found = self.parameters
        x = (np.clip(conditions, found['low'], found['high']) - found['center']) / found['spread']
        return _hidden(x, found) @ found['weights'] + found['bias']

    def _combine(self, scores, conditions):
        odds = to_log_odds(scores, self.score_kind) / self.parameters['score_spread']
        theta = self._theta(conditions)
        return expit(theta[:, 0] + (theta[:, 1:] * odds).sum(axis=1))

    def _check(self):
        missing = [name for name in _SHAPED if name not in self.parameters]
        if missing:
            raise InputFileError(f'feature_weighted: its parameter {missing[0]!r} is missing')
        k, m = len(self.finders), len(self.conditions)
        width = len(self.parameters.get('hidden_bias', ())) or m
        wanted = {**dict.fromkeys(_SHAPED[:4], (m,)), 'weights': (width, k + 1), 'bias': (k + 1,),
                  'score_spread': (k,)}
        if 'hidden_bias' in self.parameters:
            wanted['hidden_weights'] = (m, width)
        for name, shape in wanted.items():
            if np.shape(self.parameters.get(name)) != shape:
                raise InputFileError(f'feature_weighted: its parameter {name!r} has shape '
                                     f'{np.shape(self.parameters.get(name))}; {shape} is needed')


def _ranges(values, names):
    spread = values.std(axis=0)
    if not (spread > 0).all():
        raise MeasurementError(f'condition {names[int(np.argmin(spread))]!r} has one value in the '
                               'training sample; no weight can depend on it')
    return {'center': values.mean(axis=0), 'spread': spread, 'low': values.min(axis=0),
            'high': values.max(axis=0)}


def _hidden(x, layers):
    if 'hidden_weights' not in layers:
        return x
    return np.tanh(x @ layers['hidden_weights'] + layers['hidden_bias'])


def _minimised(x, odds, sample, *, hidden, penalty, seed, max_steps):
    """Fit all layers at once, beginning at the average of the finders."""
    k, m = odds.shape[1], x.shape[1]
    shapes = {'weights': (hidden or m, k + 1), 'bias': (k + 1,)}
    if hidden:
        shapes |= {'hidden_weights': (m, hidden), 'hidden_bias': (hidden,)}
    start = {name: np.zeros(shape) for name, shape in shapes.items()}
    start['bias'][1:] = 1 / k
    if hidden:
        start['hidden_weights'] = np.random.default_rng(seed).normal(0, m**-0.5, (m, hidden))
    mass = sample.weight / sample.weight.sum()
    with threadpool_limits(1, user_api='blas'):  # small products, where threads only wait
        found = minimize(
            lambda flat: _loss(_layers(flat, shapes), x, odds, sample.label, mass, penalty),
            np.concatenate([value.ravel() for value in start.values()]), jac=True,
            method='L-BFGS-B', options={'maxiter': max_steps, 'ftol': 1e-12})
    return _layers(found.x, shapes), bool(found.success)


def _layers(flat, shapes):
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    return {name: part.reshape(shape) for (name, shape), part in
            zip(shapes.items(), np.split(flat, ends[:-1]), strict=True)}


def _loss(layers, x, odds, label, mass, penalty):
    """Return the penalised log loss and its gradient."""
    lit, terms = _hidden(x, layers), np.column_stack([np.ones(len(odds)), odds])
    total = ((lit @ layers['weights'] + layers['bias']) * terms).sum(axis=1)
    squares = sum((layers[name]**2).sum() for name in ('weights', 'hidden_weights')
                  if name in layers)
    loss = (mass * np.logaddexp(0, np.where(label, -total, total))).sum() + penalty / 2 * squares
    slope = terms * (mass * (expit(total) - label))[:, None]
    gradient = {'weights': lit.T @ slope + penalty * layers['weights'], 'bias': slope.sum(axis=0)}
    if 'hidden_weights' in layers:
        back = slope @ layers['weights'].T * (1 - lit**2)
        gradient |= {'hidden_weights': x.T @ back + penalty * layers['hidden_weights'],
                     'hidden_bias': back.sum(axis=0)}
    return loss, np.concatenate([gradient[name].ravel() for name in layers])
