# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Which stamps of an audit are worth a look: contact sheets with captions."""
import numpy as np

from lensfinder_audit.manifest import cutout_keys
from lensfinder_audit.plotting.gallery import contact_sheet
from lensfinder_audit.plotting.store_sheet import sheet_bands

__all__ = ['lens_galleries', 'false_positive_gallery', 'injection_gallery', 'nearest_injections',
           'store_galleries']

_COLUMNS = 7

# What the first line above a lens says.
_SAID = ('theta_e', 'arc_snr')


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
        Recovered lenses, missed lenses and the worst false positives of the first finder
        at its first operating point, of the objects that have a stamp; lenses beside
        injections, where the images of these were kept.
    """
    store, points = getattr(result, 'store', None), result.tables.get('operating_points')
    if store is None or points is None or 'object_id' not in result.sample.colnames:
        return []
    keys = cutout_keys(result.sample)
    held = ~store.missing(keys)
    sample, keys, finder = result.sample[held], keys[held], str(points['finder'][0])
    planes = [store.bands.index(band) for band in sheet_bands(store)]
    by = list(dict.fromkeys(name.strip() for item in result.options.by for name in
                            item.split(',')))
    simulated = bool(result.summary.get('simulated'))

    def images_of(rows):
        return store.get(keys[rows])[:, planes]

    return [*lens_galleries(sample, finder, images_of, threshold=float(points['threshold'][0]),
                            simulated=simulated, conditions=by),
            *false_positive_gallery(sample, finder, images_of, simulated=simulated),
            *_beside_lenses(sample, images_of, result.injected, planes, simulated)]


def _beside_lenses(sample, images_of, injected, planes, simulated):
    """Draw lenses above the injections that are most like them, where their images were kept."""
    injections, images = injected or (None, None)
    lenses = np.flatnonzero(np.asarray(sample['label']).astype(bool))
    if images is None or not len(lenses) or 'object_id' not in injections.colnames:
        return []
    keys = np.asarray(injections['object_id']).astype(str)
    kept = np.flatnonzero(~images.missing(keys))
    if not len(kept):
        return []
    lenses = _spread(lenses, min(_COLUMNS, len(kept)))
    alike = _comparable(sample[lenses]) and _comparable(injections[kept])
    chosen = kept[nearest_injections(sample[lenses], injections[kept])] if alike else _spread(
        kept, len(lenses))
    return injection_gallery(sample[lenses], injections[chosen], images_of(lenses),
                             images.get(keys[chosen])[:, planes], simulated=simulated, alike=alike)


def _comparable(table):
    return all(name in table.colnames and (np.asarray(_plain(table[name]), dtype=float) > 0).all()
               for name in _SAID)


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
    places = [np.stack([np.log(np.asarray(_plain(table[name]), dtype=float)) for name in _SAID],
                       axis=1) for table in (lenses, injections)]
    found = []
    for place in places[0]:
        distance = ((places[1] - place) ** 2).sum(axis=1)
        distance[found] = np.inf
        found.append(int(np.nanargmin(distance)))
    return found


def lens_galleries(sample, finder, images_of, *, threshold, n=2 * _COLUMNS, simulated=False,
                   conditions=()):
    """
    Draw lenses that a finder recovers and lenses that it misses.

    Parameters
    ----------
    sample : `~astropy.table.Table`
        Objects with ``label`` and the scores of the finder.
    finder : str
        Column of the scores.
    images_of : callable
        ``images_of(rows) -> (n, band, y, x)`` flux of rows of the sample.
    threshold : float
        Lenses below it are missed.
    n : int, optional
        Stamps in a sheet, at most.
    simulated : bool, optional
        Whether the sheets say that they are simulated.
    conditions : sequence of str, optional
        Columns that stand above each missed lens in a second line; those beyond what fits,
        or not in the sample, are left out.

    Returns
    -------
    figures : list of dict
        As `~lensfinder_audit.plotting.draw_figures` returns them; a sheet without
        stamps is left out.
    """
    score = np.asarray(sample[finder], dtype=float)
    lenses = np.flatnonzero(np.asarray(sample['label']).astype(bool) & np.isfinite(score))
    lenses = lenses[np.argsort(-score[lenses], kind='stable')]
    recovered, missed = lenses[score[lenses] >= threshold], lenses[score[lenses] < threshold][::-1]
    at = f'the threshold {threshold:.4g}'
    names = [name for name in conditions if name in sample.colnames and name not in _SAID][:4]
    below = f' Below that: {", ".join(names)}.' if names else ''
    sheets = [('samples', 'lenses', _spread(recovered, n),
               f'Recovered lenses, from the highest score of {finder} to the lowest above {at}, '
               'evenly spaced in rank. Above each: score, Einstein radius, arc S/N where known.'),
              ('missed', 'missed_lenses', missed[:n],
               f'Missed lenses: the {min(n, len(missed))} lowest scores of {finder} of the '
               f'{len(missed)} below {at}. Above each: score, Einstein radius, arc S/N where '
               f'known.{below}')]
    return [_sheet(section, name, images_of(rows), [_lens_words(sample[row], finder)
                                                    for row in rows], caption, simulated,
                   second=[_conditions(sample[row], names) for row in rows]
                   if names and section == 'missed' else None)
            for section, name, rows, caption in sheets if len(rows)]


def false_positive_gallery(sample, finder, images_of, *, per_family=2, simulated=False):
    """
    Draw the negatives with the highest scores of each confuser family.

    Parameters
    ----------
    sample : `~astropy.table.Table`
        Objects with ``label``, ``confuser_class`` and the scores of the finder.
    finder : str
        Column of the scores.
    images_of : callable
        As for `lens_galleries`.
    per_family : int, optional
        Stamps of each family.
    simulated : bool, optional
        Whether the sheet says that it is simulated.

    Returns
    -------
    figures : list of dict
        One sheet, or none without negatives.
    """
    score = np.asarray(sample[finder], dtype=float)
    negatives = np.flatnonzero(~np.asarray(sample['label']).astype(bool) & np.isfinite(score))
    negatives = negatives[np.argsort(-score[negatives], kind='stable')]
    family = (np.asarray(sample['confuser_class']).astype(str)
              if 'confuser_class' in sample.colnames else np.full(len(sample), ''))
    names = sorted(set(family[negatives].tolist()), key=lambda name: (name == '', name))
    rows = [row for name in names for row in negatives[family[negatives] == name][:per_family]]
    if not rows:
        return []
    titles = [f'{family[row] or "no family"}  {score[row]:.3g}' for row in rows]
    return [_sheet('false_positives', 'worst_false_positives', images_of(np.array(rows)), titles,
                   f'The {per_family} negatives of each family with the highest scores of '
                   f'{finder}; the number is the score.', simulated)]


def injection_gallery(lenses, injections, lens_images, injected, *, simulated=False, alike=True):
    """
    Draw lenses in one row and injections like them in the next.

    Parameters
    ----------
    lenses, injections : (n,) `~astropy.table.Table`
        A lens and an injection per column of the sheet, with ``theta_e`` and
        ``arc_snr``.
    lens_images, injected : (n, band, y, x) `~numpy.ndarray`
        Their flux in nanomaggies.
    simulated : bool, optional
        Whether the sheet says that it is simulated.
    alike : bool, optional
        Whether each injection was chosen to be like the lens above it.

    Returns
    -------
    figures : list of dict
        One sheet.
    """
    below = ('below each, the injection nearest to it in Einstein radius and arc signal to noise '
             '(S/N).' if alike else 'below, injections; both evenly spaced through their tables.')
    images = np.concatenate([lens_images, injected])
    titles = [_lens_words(row) for table in (lenses, injections) for row in table]
    return [_sheet('recovery', 'injections_beside_lenses', images, titles,
                   f'Above, lenses of the sample; {below}', simulated, columns=len(lenses))]


def _spread(rows, n):
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int))]


def _lens_words(row, finder=None):
    words = [f'{row[finder]:.3g}'] if finder else []
    if 'theta_e' in row.colnames and np.isfinite(float(_plain(row['theta_e']))):
        words.append(f'{_plain(row["theta_e"]):.1f}"')
    if 'arc_snr' in row.colnames and np.isfinite(float(_plain(row['arc_snr']))):
        words.append(f'S/N {_plain(row["arc_snr"]):.0f}')
    return '  '.join(words)


def _conditions(row, names):
    values = [_plain(row[name]) for name in names]
    return ' '.join(f'{value:.3g}' if np.asarray(value).dtype.kind in 'fiu' else str(value)
                    for value in values)


def _plain(value):
    return getattr(value, 'value', value)


def _sheet(section, name, images, titles, caption, simulated, *, columns=_COLUMNS, second=None):
    figure = contact_sheet(images, titles=titles, second=second, columns=columns,
                           simulated=simulated)
    if simulated:
        caption += ' Simulated data.'
    return {'name': name, 'figure': figure, 'caption': caption, 'alt': caption.partition('.')[0],
            'section': section}
