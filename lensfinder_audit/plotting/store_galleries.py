# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The galleries of an audit that was given the stamps of its objects, finder by finder."""
import numpy as np

from lensfinder_audit.manifest import cutout_keys
from lensfinder_audit.plotting.galleries import (COLUMNS, Shown, false_positive_gallery,
                                                 injection_gallery, lens_galleries)
from lensfinder_audit.plotting.places import by_rate
from lensfinder_audit.plotting.store_sheet import sheet_bands

__all__ = ['store_galleries', 'object_galleries', 'nearest_injections', 'first_points',
           'selected_by']

#: Finders with galleries of their own; a page must remain one that can be sent.
_MOST_FINDERS = 4

# What an injection is like a lens in.
_ALIKE = ('theta_e', 'arc_snr')


def store_galleries(result):
    """
    Draw the galleries of an audit that was given the stamps of its objects.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        With a ``store``, or without one.

    Returns
    -------
    figures : list of dict
        Those of `object_galleries`; and lenses beside injections, where the images of
        these were kept.
    """
    found = object_galleries(result)
    injected = getattr(result, 'injected', ()) or ()
    if not found or len(injected) < 2 or injected[1] is None:
        return found
    sample, images_of, planes = _held(result)
    return found + _beside_lenses(sample, images_of, injected, planes,
                                  bool(result.summary.get('simulated')))


def object_galleries(result):
    """
    Draw recovered and missed lenses and the worst false positives of every finder.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        With a ``store``, or without one.

    Returns
    -------
    figures : list of dict
        Of each of the first four finders at its first operating point, of the objects
        that have a stamp; recovered lenses of the first finder alone.
    """
    points = result.tables.get('operating_points')
    if getattr(result, 'store', None) is None or points is None or (
            'object_id' not in result.sample.colnames):
        return []
    (sample, images_of, _), figures = _held(result), []
    firsts = first_points(points)
    picked = selected_by(sample, firsts)
    by = list(dict.fromkeys(name.strip() for item in result.options.by for name in
                            item.split(',')))
    for number, row in enumerate(firsts[:_MOST_FINDERS]):
        shown = Shown(str(row['finder']), float(row['threshold']), str(row['operating_point']),
                      len(firsts), bool(result.summary.get('simulated')))
        figures += lens_galleries(sample, shown, images_of, conditions=by, recovered=number == 0,
                                  by_none=picked == 0)
        figures += false_positive_gallery(
            sample, shown, images_of, families=_families(result.tables, row),
            by_all=picked == len(firsts))
    left = [str(row['finder']) for row in firsts[_MOST_FINDERS:]]
    if left and figures:
        figures[-1]['caption'] += f' Galleries of {", ".join(left)} are left out.'
    return figures


def _held(result):
    """Return the objects that have a stamp, how to read these, and which planes are drawn."""
    keys, store = cutout_keys(result.sample), result.store
    held = ~store.missing(keys)
    planes = [store.bands.index(band) for band in sheet_bands(store)]
    keys = keys[held]
    return result.sample[held], lambda rows: store.get(keys[rows])[:, planes], planes


def first_points(points):
    """Return the first operating point of every finder."""
    names = points['finder'].astype(str)
    firsts = [int(np.flatnonzero(names == name)[0]) for name in dict.fromkeys(names.tolist())]
    return [points[row] for row in firsts]


def selected_by(sample, points):
    """
    Count the finders that select each object.

    Parameters
    ----------
    sample : (n,) `~astropy.table.Table`
        With a column for each finder.
    points : sequence of `~astropy.table.Row`
        ``finder`` and ``threshold``, one for each finder.

    Returns
    -------
    n : (n,) `~numpy.ndarray` of int
        An object without a score is not selected.
    """
    found = np.zeros(len(sample), dtype=int)
    for row in points:
        found += np.nan_to_num(np.asarray(sample[str(row['finder'])], dtype=float),
                               nan=-np.inf) >= float(row['threshold'])
    return found


def _families(tables, point):
    """Return the confuser families of a finder, the one with the highest rate first."""
    table = tables.get('false_positives')
    if table is None or 'confuser_class' not in table.colnames:
        return []
    here = ((table['finder'].astype(str) == str(point['finder']))
            & (table['operating_point'].astype(str) == str(point['operating_point'])))
    return [name for name in by_rate(table[here])['confuser_class'].astype(str).tolist()
            if name not in ('all', '')]


def _beside_lenses(sample, images_of, injected, planes, simulated):
    """Draw lenses above the injections that are most like them, where their images were kept."""
    injections, images, *whose = injected
    lenses = np.flatnonzero(np.asarray(sample['label']).astype(bool))
    if not len(lenses) or 'object_id' not in injections.colnames:
        return []
    keys = np.asarray(injections['object_id']).astype(str)
    kept = np.flatnonzero(~images.missing(keys))
    if not len(kept):
        return []
    alike = _comparable(injections[kept]).sum() >= COLUMNS
    comparable = lenses[_comparable(sample[lenses])]
    alike &= len(comparable) >= min(COLUMNS, len(lenses))
    if alike:
        lenses, kept = comparable, kept[_comparable(injections[kept])]
    lenses = lenses[np.unique(np.linspace(0, len(lenses) - 1, min(COLUMNS, len(kept), len(lenses))
                                          ).astype(int))]
    chosen = kept[nearest_injections(sample[lenses], injections[kept]) if alike else np.linspace(
        0, len(kept) - 1, len(lenses)).astype(int)]
    return injection_gallery(sample[lenses], injections[chosen], images_of(lenses),
                             images.get(keys[chosen])[:, planes], simulated=simulated, alike=alike,
                             whose=whose[0] if whose else '')


def _comparable(table):
    """Return which rows have an Einstein radius and an arc signal to noise."""
    good = np.ones(len(table), dtype=bool)
    for name in _ALIKE:
        good &= (np.asarray(_plain(table[name]), dtype=float) > 0 if name in table.colnames
                 else False)
    return good


def nearest_injections(lenses, injections):
    """
    Find for each lens the injection nearest in Einstein radius and arc signal to noise.

    Parameters
    ----------
    lenses : (n,) `~astropy.table.Table`
        With ``theta_e`` and ``arc_snr``.
    injections : (m,) `~astropy.table.Table`
        With the same, and no fewer.

    Returns
    -------
    rows : list of int
        Row of the injection of each lens, each once, by the distance in logarithms.
    """
    places = [np.stack([np.log(np.asarray(_plain(table[name]), dtype=float)) for name in _ALIKE],
                       axis=1) for table in (lenses, injections)]
    found = []
    for place in places[0]:
        distance = ((places[1] - place) ** 2).sum(axis=1)
        distance[found] = np.inf
        found.append(int(np.nanargmin(distance)))
    return found


def _plain(value):
    return getattr(value, 'value', value)
