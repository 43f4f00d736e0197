# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The checks of injections, stamps and the finder itself, as part of an audit that has them."""
import warnings

import numpy as np

from lensfinder_audit.checks.images import batch_check, response_check
from lensfinder_audit.checks.injections import (band_check, host_check, judge_gate, match_check)
from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.findings import Finding

__all__ = ['hosts', 'match', 'gain', 'realism', 'bands', 'response', 'batch', 'apertures',
           'normalizers_beside']

#: Stamps of either kind that the gate looks at, and those that a finder scores again.
_GATE, _SCORED = 1000, 500


def hosts(case):
    """Count the hosts behind every cell of the injections."""
    points = case.rows('operating_points')
    if case.injections is None or not len(points) or 'cell' not in case.injections.colnames:
        return
    whose = case.injections.meta.get('finder') or str(points['finder'][0])
    points = points[np.asarray(points['finder']).astype(str) == whose]
    table, found = host_check(case.injections, threshold=float(points[0]['threshold']),
                              limits=case.limits, least=case.options.min_groups)
    case.tables['pools'] = table
    yield from found


def match(case):
    """Compare arcs of injections and lenses, where both tables have the numbers."""
    if case.injections is None or not len(case.lenses):
        return
    on = [name for name in ('annulus_snr', 'annulus_color', 'arc_snr')
          if name in case.injections.colnames and name in case.lenses.colnames]
    if on:
        case.tables['match'], found = match_check(case.injections, case.lenses, on=on,
                                                  limits=case.limits)
        yield from found


def gain(case):
    """Repeat what the run of injections said of its gain."""
    told = {} if case.injections is None else case.injections.meta.get('gain') or {}
    for words in (told.get('warnings') or [])[:1]:
        yield Finding('severe', 'gain', ' '.join(str(words).split()).rstrip('.'),
                      'injections, gain',
                      'Derive the gain from zero point and exposure time.')


def realism(case):
    """Compare the images of injections with those of lenses, or judge the gate that is there."""
    if 'realism' not in case.tables and case.images is not None and case.store is not None:
        samples = _gate_samples(case)
        if samples:
            from lensfinder_audit.realism_gate import gate_table

            case.tables['realism'] = gate_table(
                samples, classifier=case.classifier, bands=case.store.bands,
                confidence=case.options.confidence, seed=case.options.seed)
    if 'realism' in case.tables:
        yield from judge_gate(case.tables['realism'], case.limits)
    elif case.injections is not None:
        yield Finding('note', 'realism', 'it is not known whether the injections look like lenses: '
                      'the gate needs the stamps of the sample and the images of the injections',
                      'injections', 'Give --store, and inject with --keep-images or --lenses.')


def _gate_samples(case):
    """Return stamps and groups of lenses, injections and negatives."""
    label = np.asarray(case.sample['label'], dtype=bool)
    names = np.asarray(case.injections['object_id']).astype(str)
    kept = np.flatnonzero(~case.images.missing(names))
    rows = {'lenses': np.flatnonzero(label), 'negatives': np.flatnonzero(~label)}
    if min(len(kept), len(rows['lenses'])) < 10 or case.images.shape != case.store.shape:
        return None
    rng, found = np.random.default_rng([case.options.seed, 0x6a7e]), {}
    kept = np.sort(rng.permutation(kept)[:_GATE])
    keys = case.keys()
    for role, which in rows.items():
        if len(which) >= 10:
            found[role] = case.store.get(keys[np.sort(rng.permutation(which)[:_GATE])]), None
    found['injections'] = (case.images.get(names[kept]),
                           np.asarray(case.injections['host'])[kept].astype(str))
    return found


def bands(case):
    """Compare the planes of the stamps with catalogued fluxes."""
    if case.store is None:
        return
    names = [f'flux_{band}' for band in case.store.bands]
    if len(names) < 2 or not set(names) <= set(case.sample.colnames):
        return
    rows = case.some(_SCORED)
    known = np.stack([np.asarray(getattr(case.sample[name], 'value', case.sample[name]),
                                 dtype=float)[rows] for name in names], axis=1)
    try:
        table, found = band_check(apertures(case.store.get(case.keys()[rows])), known,
                                  case.store.bands, limits=case.limits)
    except MeasurementError:  # too few positive fluxes
        return
    case.tables['band_order'] = table
    yield from found


def apertures(flux, radius=8):
    """Sum the flux in the middle of every plane, above the median of its edge."""
    y, x = np.indices(flux.shape[-2:])
    r = np.hypot(y - (flux.shape[-2] - 1) / 2, x - (flux.shape[-1] - 1) / 2)
    with warnings.catch_warnings():  # a band that is missing whole has no sky
        warnings.filterwarnings('ignore', message='All-NaN slice')
        sky = np.nanmedian(flux[..., r > 0.65 * min(flux.shape[-2:]) / 2], axis=-1)
    return np.nansum(flux[..., r <= radius] - sky[..., None], axis=-1)


def response(case):
    """Change stamps, and see how the finder answers."""
    flux = _scored(case)
    if flux is not None:
        points = case.rows('operating_points')
        threshold = float(points[0]['threshold']) if len(points) else None
        case.tables['response'], found = response_check(
            case.classifier, flux, limits=case.limits, threshold=threshold, alone=False,
            normalizers=normalizers_beside(case.classifier))
        yield from found


def batch(case):
    """Score stamps in batches of other sizes and orders."""
    flux = _scored(case)
    if flux is not None:
        case.tables['batch'], found = batch_check(case.classifier, flux, limits=case.limits)
        yield from found


def _scored(case):
    """Return the stamps that a finder scores again, in its bands."""
    if case.classifier is None or case.store is None or len(case.sample) < 3:
        return None
    flux = case.store.get(case.keys()[case.some(_SCORED)])
    return flux[:, [case.store.bands.index(band) for band in case.classifier.bands]]


def normalizers_beside(classifier):
    """Return the robust normaliser with the annulus that the finder does not use."""
    from lensfinder_audit.normalizers.raw_robust import RawRobust, RawRobustPublished

    pair = {RawRobust: RawRobustPublished, RawRobustPublished: RawRobust}
    other = pair.get(type(classifier.normalizer))
    return [other()] if other else []
