# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""How the scores of a finder answer to changes of a stamp that change no lens, or should."""
import numpy as np
from astropy.table import QTable
from scipy.special import logit
from scipy.stats import spearmanr

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['batch_table', 'response_table', 'CHANGES']


def _turned(k):
    return lambda flux, rng: np.rot90(flux, k, axes=(-2, -1))


def _shifted(dy, dx):
    def change(flux, rng):
        moved = np.roll(flux, (dy, dx), axis=(-2, -1))
        # the border that came round is filled from beside it
        moved[..., :dy, :] = moved[..., dy:dy + 1, :]
        moved[..., :dx] = moved[..., dx:dx + 1]
        return moved
    return change


def _holed(flux, rng):
    holes = rng.random(flux.shape[-2:]) < 0.01
    return np.where(holes, np.nan, flux)


def _swapped(flux, rng):
    return flux[:, ::-1]


#: What is done to a stamp, and whether scores should stay as they are.
CHANGES = {'quarter turn': (_turned(1), True), 'half turn': (_turned(2), True),
           'flip, left to right': (lambda flux, rng: flux[..., ::-1], True),
           'flip, top to bottom': (lambda flux, rng: flux[..., ::-1, :], True),
           'shift by 1 pixel': (_shifted(1, 1), True), 'shift by 3 pixels': (_shifted(3, 3), True),
           '1 % of the pixels missing': (_holed, True),
           'bands in reverse order': (_swapped, False)}


def response_table(classifier, flux, *, threshold=None, normalizers=(), alone=True, seed=0):
    """
    Score stamps as they are and changed.

    Parameters
    ----------
    classifier : `~lensfinder_audit.interfaces.Classifier`
        The finder.
    flux : (n, band, y, x) array_like
        Stamps in nanomaggies, in the bands of the classifier.
    threshold : float, optional
        A change that carries a score across it is counted; even odds without it.
    normalizers : sequence of `~lensfinder_audit.interfaces.Normalizer`, optional
        To be used in place of its own, such as another annulus.
    alone : bool, optional
        Whether each stamp is also scored in a batch of its own.
    seed : int, optional
        Of the missing pixels.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``response``: median and 95th percentile of the change of the score (in
        log odds for probabilities), the fraction that crosses the threshold, and the
        rank correlation with the scores as they were. ``alone`` scores each stamp in a
        batch of its own, and must change nothing.

    Raises
    ------
    MeasurementError
        If there are fewer than 3 stamps.

    Examples
    --------
    >>> from lensfinder_audit.classifiers.demo_network import DemoNetwork
    >>> from lensfinder_audit.response import response_table
    >>> from lensfinder_audit.testing import example_flux
    >>> table = response_table(DemoNetwork(), example_flux(n=8, shape=(101, 101)))
    >>> print(table['change'][0], bool(table['largest'][0] < 1e-3))
    alone True
    """
    flux = _stamps(flux)
    rng = np.random.default_rng([seed, 0x4e59])
    base = classifier(flux)
    found = {'alone': (_alone(classifier, flux), True)} if alone else {}
    for name, (change, kept) in CHANGES.items():
        found[name] = classifier(np.ascontiguousarray(change(flux.copy(), rng))), kept
    for other in normalizers:
        found[f'normalised by {type(other).__name__}'] = _normalised(classifier, flux, other), True
    return _table(classifier, base, found, threshold, seed)


def batch_table(classifier, flux, *, threshold=None):
    """
    Score stamps in other batches: each alone, in reverse order, by sevens, beside bright ones.

    Parameters
    ----------
    classifier : `~lensfinder_audit.interfaces.Classifier`
        The finder.
    flux : (n, band, y, x) array_like
        Stamps in nanomaggies, in the bands of the classifier.
    threshold : float, optional
        As for `response_table`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``response``; nothing must change.

    Raises
    ------
    MeasurementError
        If there are fewer than 3 stamps.

    Examples
    --------
    >>> from lensfinder_audit.classifiers.demo_network import DemoNetwork
    >>> from lensfinder_audit.response import batch_table
    >>> from lensfinder_audit.testing import example_flux
    >>> table = batch_table(DemoNetwork(), example_flux(n=8, shape=(101, 101)))
    >>> print(len(table), bool(max(table['largest']) < 1e-3))
    4 True
    """
    flux = _stamps(flux)
    bright = np.concatenate([flux[:(len(flux) + 1) // 2], 1000 * flux[len(flux) // 2:]])
    found = {'alone': _alone(classifier, flux), 'reverse order': classifier(flux[::-1])[::-1],
             'batches of 7': np.concatenate([classifier(flux[start:start + 7])
                                             for start in range(0, len(flux), 7)]),
             'beside bright stamps': classifier(bright)[:(len(flux) + 1) // 2]}
    return _table(classifier, classifier(flux), {name: (score, True) for name, score in
                                                 found.items()}, threshold, 0)


def _stamps(flux):
    flux = np.asarray(flux, dtype=np.float32)
    if len(flux) < 3:
        raise MeasurementError(f'a response is measured on 3 stamps or more, not {len(flux)}')
    return flux


def _alone(classifier, flux):
    return np.concatenate([classifier(flux[i:i + 1]) for i in range(min(len(flux), 50))])


def _table(classifier, base, found, threshold, seed):
    if threshold is None:
        threshold = 0.5 if classifier.score_kind == 'probability' else 0.0
    table = QTable(rows=[{'change': name, 'should_stay': kept, **_compare(
        base[:len(score)], score, classifier.score_kind, threshold)}
        for name, (score, kept) in found.items()])
    table.meta = schema_meta('response', threshold=threshold, seed=seed,
                             score_kind=classifier.score_kind)
    return check_table(table, 'response')


def _normalised(classifier, flux, other):
    own, classifier.normalizer = classifier.normalizer, other
    try:
        return classifier(flux)
    finally:
        classifier.normalizer = own


def _compare(before, after, kind, threshold):
    first, second = ((logit(np.clip(item, 1e-6, 1 - 1e-6)) if kind == 'probability' else item)
                     for item in (before, after))
    gap = np.abs(second - first)
    same = min(np.ptp(before), np.ptp(after)) == 0
    return {'n': len(before), 'median': float(np.median(gap)),
            'percentile_95': float(np.quantile(gap, 0.95)), 'largest': float(gap.max()),
            'crossing': float(np.mean((before >= threshold) != (after >= threshold))),
            'rank_correlation': np.nan if same else float(spearmanr(before, after).statistic)}
