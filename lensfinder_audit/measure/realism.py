# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Are injections like real lenses, as the finder sees them?

A number alone does not say: lenses differ from negatives, injections from their
hosts, and a probe of noise is not exactly 0.5. The comparisons stand in one table.
"""
import numpy as np
from astropy.table import QTable
from scipy.stats import ks_2samp
from threadpoolctl import threadpool_limits

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.probe import probe
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.tables import check_table, require_columns, schema_meta

__all__ = ['frechet_distance', 'corrected_frechet', 'realism_table', 'match_table']

#: What is compared with what; the first is the gate, the others are its nulls.
COMPARISONS = (('lenses', 'injections'), ('lenses', 'negatives'), ('injections', 'hosts'),
               ('negatives', 'negatives'))


def frechet_distance(first, second):
    """
    Measure the squared Frechet distance of two normal distributions.

    Parameters
    ----------
    first, second : (n, d) array_like
        Features of two samples.

    Returns
    -------
    distance : float
        ``|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))`` [1]_; on finite samples of the
        same distribution it is above 0.

    References
    ----------
    .. [1] Dowson & Landau 1982, doi:10.1016/0047-259X(82)90077-X

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.realism import frechet_distance
    >>> x = np.random.default_rng(0).normal(size=(50000, 2))
    >>> print(f'{frechet_distance(x, 3 * x + [4, 0]):.1f}')  # 16 + 2 (3 - 1)^2
    24.1
    """
    first, second = (np.asarray(item, dtype=float) for item in (first, second))
    shift = first.mean(axis=0) - second.mean(axis=0)
    covariances = [np.atleast_2d(np.cov(item, rowvar=False)) for item in (first, second)]
    root = _root(covariances[0])
    cross = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = sum(np.trace(item) for item in covariances)
    return float(max(shift @ shift + trace - 2 * np.sqrt(np.maximum(cross, 0)).sum(), 0))


def _root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def corrected_frechet(first, second, *, n_draws=15, seed=0):
    """
    Extrapolate the Frechet distance to samples without end.

    Parameters
    ----------
    first, second : (n, d) array_like
        Features of two samples.
    n_draws : int, optional
        Subsamples of either, between a third of the sample and all of it.
    seed : int, optional
        Of the subsamples.

    Returns
    -------
    distance : float
        Intercept of a straight line in 1 / n [1]_; it may be a little below 0.

    References
    ----------
    .. [1] Chong & Forsyth 2020, arXiv:1911.07023

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.realism import corrected_frechet, frechet_distance
    >>> x, y = np.random.default_rng(0).normal(size=(2, 500, 20))
    >>> print(f'{frechet_distance(x, y):.2f} {corrected_frechet(x, y):.2f}')
    0.50 0.01
    """
    first, second = (np.asarray(item, dtype=float) for item in (first, second))
    rng = np.random.default_rng([seed, 0xf4ec])
    inverse, found = [], []
    for share in np.linspace(1 / 3, 1, n_draws):
        parts = [item[rng.permutation(len(item))[:max(round(share * len(item)), 2)]]
                 for item in (first, second)]
        inverse.append(np.mean([1 / len(part) for part in parts]))
        found.append(frechet_distance(*parts))
    return float(np.polyfit(inverse, found, 1)[1])


def realism_table(samples, *, n_permutations=200, confidence=0.95, seed=0, max_columns=64):
    """
    Compare injections with real lenses, with the nulls beside.

    Parameters
    ----------
    samples : dict of str to (features, group)
        ``'lenses'`` and ``'injections'``, and where there are any ``'negatives'`` and
        ``'hosts'``: an (n, d) array of features each, and the host, brick or pixel of
        every row, or None. Hosts are stamps without the injection.
    n_permutations : int, optional
        Of the p-values of the probe; the null of the distance has a quarter as many.
    confidence, seed : optional
        As for `~lensfinder_audit.measure.probe.probe`.
    max_columns : int, optional
        The distance is taken in so many leading principal components.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``realism``, one row per comparison.

    Raises
    ------
    MeasurementError
        If lenses or injections are missing, or their features differ in number.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.realism import realism_table
    >>> rng = np.random.default_rng(0)
    >>> real, fake = rng.normal(size=(2, 300, 5))
    >>> fake[:, 0] += 1
    >>> found = realism_table({'lenses': (real, None), 'injections': (fake, None)})
    >>> print(found['comparison'][0], f"{found['auc'][0]:.2f}")
    lenses or injections 0.75
    """
    samples = {name: (np.asarray(found, dtype=float), group)
               for name, (found, group) in samples.items()}
    _check(samples)
    options = {'n_permutations': n_permutations, 'confidence': confidence, 'seed': seed}
    rows = []
    with threadpool_limits(1, user_api='blas'):  # small matrices: threads only wait
        basis = _Basis([found for found, _ in samples.values()], max_columns)
        for first, second in COMPARISONS:
            if {first, second} <= set(samples):
                pair = (_halves(*samples[first], seed) if first == second else
                        (samples[first], samples[second]))
                rows.append({'comparison': f'{first} or {second}',
                             'role': 'null' if rows else 'gate',
                             **_compare(pair, basis, **options)})
    table = QTable(rows=rows)
    table.meta = schema_meta('realism', interval='out-of-fold delong', **options,
                             distance=f'Frechet, {basis.n_columns} components')
    return check_table(table, 'realism')


class _Basis:
    """Leading principal components of all samples together, in units of their spread."""

    def __init__(self, arrays, max_columns):
        every = np.concatenate([np.where(np.isfinite(item), item, 0.0) for item in arrays])
        self.mean, self.spread = every.mean(axis=0), np.maximum(every.std(axis=0), 1e-12)
        every = (every - self.mean) / self.spread
        _, vectors = np.linalg.eigh(every.T @ every)
        self.vectors = vectors[:, ::-1][:, :max_columns]
        self.n_columns = self.vectors.shape[1]

    def __call__(self, features):
        return ((np.where(np.isfinite(features), features, 0.0) - self.mean) / self.spread
                ) @ self.vectors


def _check(samples):
    for name in ('lenses', 'injections'):
        if name not in samples or len(samples[name][0]) < 10:
            raise MeasurementError(f'realism needs at least 10 {name}; it got '
                                   f'{len(samples[name][0]) if name in samples else 0}')
    sizes = {name: found.shape[1] for name, (found, _) in samples.items()}
    if len(set(sizes.values())) > 1:
        raise MeasurementError(f'all samples need the same features; their numbers are {sizes}')


def _halves(features, group, seed):
    """Split a sample at random, whole groups together."""
    unit = np.arange(len(features)) if group is None else codes(group)[0]
    first = (np.random.default_rng([seed, 0x4a1f]).permutation(unit.max() + 1) % 2 == 0)[unit]
    return [(features[side], None if group is None else unit[side]) for side in (first, ~first)]


def _compare(pair, basis, *, n_permutations, confidence, seed):
    (first, near), (second, far) = pair
    label = np.arange(len(first) + len(second)) < len(first)
    group = None
    if near is not None or far is not None:
        words = [np.array([f'{side}{k}' for k in range(len(part))]) if unit is None else
                 np.asarray(unit).astype(str)
                 for side, part, unit in (('a', first, near), ('b', second, far))]
        group = np.concatenate(words)
    features = np.concatenate([first, second])
    found = probe(features, label, group=group, n_permutations=n_permutations,
                  confidence=confidence, seed=seed)
    reduced = basis(features)
    null = _null(reduced, label, max(n_permutations // 4, 20), seed)
    return {'n_first': len(first), 'n_second': len(second), 'n_groups': found.n_groups,
            'auc': found.auc, 'lo': found.lo, 'hi': found.hi, 'p_value': found.p,
            'frechet': frechet_distance(reduced[label], reduced[~label]),
            'frechet_corrected': corrected_frechet(reduced[label], reduced[~label], seed=seed),
            'frechet_null': float(np.median(null)),
            'frechet_null_hi': float(np.quantile(null, confidence))}


def _null(features, label, n, seed):
    rng = np.random.default_rng([seed, 0x0f11])
    mixed = (rng.permutation(label) for _ in range(n))
    return [frechet_distance(features[side], features[~side]) for side in mixed]


def match_table(injections, lenses, *, on=('annulus_snr', 'annulus_color')):
    """
    Compare the distributions of arc signal to noise and colour.

    Parameters
    ----------
    injections, lenses : `~astropy.table.Table`
        With the columns ``on``, measured in the same way.
    on : sequence of str, optional
        Columns; those that a table lacks are an error.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``match``: quartiles of both, the two-sample Kolmogorov-Smirnov
        distance and its p-value, and the fraction of lenses inside the central 95 %
        of the injections.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.measure.realism import match_table
    >>> rng = np.random.default_rng(0)
    >>> made = QTable({'annulus_snr': rng.normal(40, 5, 500)})
    >>> real = QTable({'annulus_snr': rng.normal(20, 4, 300)})
    >>> print(match_table(made, real, on=['annulus_snr'])['distance'].round(2))
    [0.98]
    """
    rows = []
    for name in on:
        for what, table in (('the injections', injections), ('the lenses', lenses)):
            require_columns(table, [name], what=what)
        made, real = (_finite(table[name]) for table in (injections, lenses))
        if min(len(made), len(real)) < 2:
            raise MeasurementError(f'{name}: {len(made)} injections and {len(real)} lenses have a '
                                   'value; a comparison needs two of each')
        found = ks_2samp(made, real)
        ends = np.quantile(made, [0.025, 0.975])
        inside = float(np.mean((real >= ends[0]) & (real <= ends[1])))
        rows.append({'quantity': name, 'n_injections': len(made), 'n_lenses': len(real),
                     **{f'{what}_{word}': float(np.quantile(values, share))
                        for what, values in (('injections', made), ('lenses', real))
                        for word, share in (('q25', 0.25), ('median', 0.5), ('q75', 0.75))},
                     'distance': float(found.statistic), 'p_value': float(found.pvalue),
                     'inside': inside})
    table = QTable(rows=rows)
    table.meta = schema_meta('match', test='two-sample Kolmogorov-Smirnov')
    return check_table(table, 'match')


def _finite(column):
    values = np.asarray(getattr(column, 'value', column), dtype=float)
    return values[np.isfinite(values)]
