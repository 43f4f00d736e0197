# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Completeness over the sky: maps of a selection function, and their totals."""
import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.special import betaincinv

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.cell_posterior import beta_from_moments

__all__ = ['selection_map', 'survey_total']


def selection_map(selection, conditions, *, nside=None, min_share=0.95, **values):
    """
    Map the completeness of a survey.

    Parameters
    ----------
    selection : `~lensfinder_audit.measure.selection_function.SelectionFunction`
        The selection function.
    conditions : `~lensfinder_audit.condition_maps.ConditionMaps`
        Conditions of each pixel, its area among them.
    nside : int, optional
        Resolution; the default is that of the conditions. In coarser pixels the
        completeness is averaged by area, not the conditions; finer pixels have the
        conditions of the pixel that they lie in.
    min_share : float, optional
        A coarser pixel is supported if at least this share of its area is.
    **values
        One value of each axis that the conditions do not hold, such as ``theta_e``.

    Returns
    -------
    pixels : `~astropy.table.QTable`
        ``healpix`` (NESTED), ``ra``, ``dec``, ``area``, ``completeness``, ``lo``, ``hi``,
        ``supported``, ``state`` of each pixel that the survey has; in coarser pixels
        ``share_supported``.

    Raises
    ------
    MeasurementError
        If ``nside`` is no power of 2, or an axis has no value.
    """
    nside = conditions.nside if nside is None else int(nside)
    if nside < 1 or nside & (nside - 1):
        raise MeasurementError(f'nside is a power of 2, such as {conditions.nside} of the '
                               f'conditions; it is {nside}')
    pixels = conditions.table
    if nside > conditions.nside:
        pixels = _finer(pixels, (nside // conditions.nside) ** 2)
    if nside >= conditions.nside:
        answer = selection.query(pixels, **values)
        found = {'healpix': pixels['healpix'], 'area': pixels['area'],
                 **{name: answer[name] for name in answer.colnames}}
        return _with_positions(found, nside, {**answer.meta, 'values': _words(values)})
    return _coarser(selection, pixels, (conditions.nside // nside) ** 2, nside, min_share, values)


def survey_total(selection, conditions, *, min_share=0.95, **values):
    """
    Average the completeness of a survey by area.

    Parameters
    ----------
    selection, conditions, min_share, **values
        As for `selection_map`.

    Returns
    -------
    total : (1,) `~astropy.table.QTable`
        As that of ``SelectionFunction.mean``, with ``weight`` as ``area`` and
        ``recovered`` as ``effective_area``, the area that a complete finder would need
        for as many lenses.
    """
    area = u.Quantity(conditions.table['area'], u.deg**2)
    total = selection.mean(conditions.table, weight=area.value, min_share=min_share, **values)
    total['area'] = total['weight'] * u.deg**2
    total['effective_area'] = total['recovered'] * u.deg**2
    total.remove_columns(['weight', 'recovered'])
    total.meta['values'] = _words(values)
    return total


def _finer(pixels, ratio):
    found = pixels[np.repeat(np.arange(len(pixels)), ratio)]
    found['healpix'] = found['healpix'] * ratio + np.tile(np.arange(ratio), len(pixels))
    found['area'] = found['area'] / ratio
    return found


def _coarser(selection, pixels, ratio, nside, min_share, values):
    answer = selection.query(pixels, **values)
    parents, place = np.unique(np.asarray(pixels['healpix']) // ratio, return_inverse=True)
    area = u.Quantity(pixels['area'], u.deg**2).value
    held = np.isfinite(answer['completeness'])
    n, sums = len(parents), _sums(place, len(parents))
    whole, known = sums(area), sums(area * held)
    mean, deviation = _averages(selection, pixels, values, area * held, place, n)
    a, b = beta_from_moments(mean, deviation**2)
    tail = (1 - selection.meta['confidence']) / 2
    share = sums(area * answer['supported']) / whole
    state = np.where(known == 0, 'empty', np.where(share >= min_share, 'supported', 'unsupported'))
    found = {'healpix': parents, 'area': whole * u.deg**2, 'completeness': mean,
             'lo': betaincinv(a, b, tail), 'hi': betaincinv(a, b, 1 - tail),
             'supported': state == 'supported', 'state': state, 'share_supported': share}
    return _with_positions(found, nside, {**answer.meta, 'min_share': min_share,
                                          'values': _words(values)})


def _sums(place, n):
    return lambda weight: np.bincount(place, weight, n)


def _averages(selection, pixels, values, weight, place, n):
    """Average the pixels of each parent; NaN where none has a number."""
    mean, deviation = np.full((2, n), np.nan)
    order = np.argsort(place, kind='stable')
    starts = np.searchsorted(place[order], np.arange(n + 1))
    for parent in np.flatnonzero(np.bincount(place, weight, n) > 0):
        rows = order[starts[parent]:starts[parent + 1]]
        mean[parent], deviation[parent], _ = selection.mean_moments(pixels[rows], weight[rows],
                                                                    **values)
    return mean, deviation


def _with_positions(found, nside, meta):
    import healpy  # brings matplotlib, which no other measurement needs

    ra, dec = healpy.pix2ang(nside, np.asarray(found['healpix']), nest=True, lonlat=True)
    head = {'healpix': found.pop('healpix'), 'ra': ra * u.deg, 'dec': dec * u.deg}
    return QTable({**head, **found}, meta={**meta, 'nside': nside, 'ordering': 'NESTED'})


def _words(values):
    return {name: str(value) for name, value in values.items()}
