# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Which stamps of an audit are worth a look: contact sheets with captions."""
import re
from dataclasses import dataclass

import numpy as np

from lensfinder_audit.plotting.gallery import contact_sheet
from lensfinder_audit.plotting.places import axis_words

__all__ = ['Shown', 'lens_galleries', 'false_positive_gallery', 'injection_gallery', 'COLUMNS']

#: Stamps in a row.
COLUMNS = 7

# What the first line above a lens says.
_SAID = ('theta_e', 'arc_snr')


@dataclass(frozen=True)
class Shown:
    """
    Whose stamps a sheet shows.

    Parameters
    ----------
    finder : str
        Column of the scores.
    threshold : float
        Objects at or above it are selected.
    point : str, optional
        The operating point in words.
    n_finders : int, optional
        Finders of the audit; with several the sheets are shorter.
    simulated : bool, optional
        Whether the sheets say that they are simulated.
    """

    finder: str
    threshold: float
    point: str = ''
    n_finders: int = 1
    simulated: bool = False

    @property
    def most(self):
        """Stamps in a sheet, at most."""
        return 2 * COLUMNS if self.n_finders < 2 else COLUMNS

    def words(self):
        """Name the finder, its operating point and the threshold."""
        point = f' at {self.point}' if self.point else ''
        return f'{self.finder}{point} (threshold {_number(self.threshold)})'

    def all(self):
        """Name all finders together."""
        return 'both finders' if self.n_finders == 2 else f'all {self.n_finders} finders'

    def name(self, stem):
        """Name a figure; those of several finders are told apart."""
        return stem if self.n_finders < 2 else re.sub(r'[^A-Za-z0-9_.-]+', '_',
                                                      f'{stem}_{self.finder}')


def lens_galleries(sample, shown, images_of, *, conditions=(), by_none=None, recovered=True):
    """
    Draw lenses that a finder recovers and lenses that it misses.

    Parameters
    ----------
    sample : `~astropy.table.Table`
        Objects with ``label`` and the scores of the finder.
    shown : `Shown`
        The finder and its operating point.
    images_of : callable
        ``images_of(rows) -> (n, band, y, x)`` flux of rows of the sample.
    conditions : sequence of str, optional
        Columns that stand above each missed lens in a second line; those beyond what fits,
        or not in the sample, are left out.
    by_none : (n,) array_like of bool, optional
        Objects that no finder of several selects; such lenses are framed.
    recovered : bool, optional
        Whether recovered lenses are drawn, too.

    Returns
    -------
    figures : list of dict
        As `~lensfinder_audit.plotting.draw_figures` returns them; a sheet without
        stamps is left out.
    """
    score = np.asarray(sample[shown.finder], dtype=float)
    lenses = np.flatnonzero(np.asarray(sample['label']).astype(bool) & np.isfinite(score))
    lenses = lenses[np.argsort(-score[lenses], kind='stable')]
    found = score[lenses] >= shown.threshold
    spread, missed = _spread(lenses[found], shown.most), lenses[~found][::-1]
    sheets = []
    if recovered and len(spread):
        sheets.append(_sheet(
            'samples', shown.name('lenses'), images_of(spread),
            [_lens_words(sample[row], shown.finder) for row in spread],
            f'Recovered lenses of {shown.words()}, from the highest score to the lowest, evenly '
            'spaced in rank. Above each: score, Einstein radius, arc S/N where known.',
            shown.simulated))
    if len(missed):
        sheets.append(_missed_sheet(sample, shown, images_of, missed, conditions, by_none))
    return sheets


def _missed_sheet(sample, shown, images_of, missed, conditions, by_none):
    rows = missed[:shown.most]
    names = [name for name in conditions if name in sample.colnames and name not in _SAID][:4]
    heads = '; '.join(axis_words(sample, name) for name in names)
    below = f' Below that: {heads}.' if names else ''
    framed, told = None, ''
    if by_none is not None and shown.n_finders > 1:
        framed = np.asarray(by_none)[rows]
        told = (f' Framed: missed by {shown.all()} there; '
                f'{int(np.asarray(by_none)[missed].sum())} of the {len(missed)} are.')
    return _sheet('missed', shown.name('missed_lenses'), images_of(rows),
                  [_lens_words(sample[row], shown.finder) for row in rows],
                  f'Missed lenses of {shown.words()}: the {len(rows)} lowest scores of the '
                  f'{len(missed)} below the threshold. Above each: score, Einstein radius, arc S/N '
                  f'where known.{below}{told}', shown.simulated, framed=framed,
                  second=[_conditions(sample[row], names) for row in rows] if names else None)


def false_positive_gallery(sample, shown, images_of, *, families=(), by_all=None, per_family=2):
    """
    Draw the negatives with the highest scores of each confuser family.

    Parameters
    ----------
    sample : `~astropy.table.Table`
        Objects with ``label``, ``confuser_class`` and the scores of the finder.
    shown : `Shown`
        The finder and its operating point.
    images_of : callable
        As for `lens_galleries`.
    families : sequence of str, optional
        Families, the one with the highest rate first; others follow by their highest score.
    by_all : (n,) array_like of bool, optional
        Objects that every finder of several selects; such negatives are framed.
    per_family : int, optional
        Stamps of each family, where the sheet has room.

    Returns
    -------
    figures : list of dict
        One sheet, or none without negatives.
    """
    score = np.asarray(sample[shown.finder], dtype=float)
    negatives = np.flatnonzero(~np.asarray(sample['label']).astype(bool) & np.isfinite(score))
    negatives = negatives[np.argsort(-score[negatives], kind='stable')]
    family = (np.asarray(sample['confuser_class']).astype(str)
              if 'confuser_class' in sample.colnames else np.full(len(sample), ''))
    there = list(dict.fromkeys(family[negatives].tolist()))
    names = sorted(there, key=lambda name: (name == '', list(families).index(name)
                                            if name in families else len(families)))
    room = 3 * COLUMNS if shown.n_finders < 2 else 2 * COLUMNS
    each = max(1, min(per_family, room // max(len(names), 1)))
    rows = [row for name in names[:room] for row in negatives[family[negatives] == name][:each]]
    if not rows:
        return []
    many = f'{each} negatives' if each > 1 else 'negative'
    caption = (f'Of each confuser family, the {many} that {shown.words()} scores highest'
               f'{_order_words(names, families)}. Above each: family; score, and whether it lies '
               'below the threshold.')
    if len(names) > room:
        caption += f' {len(names) - room} more families are left out.'
    framed = None if by_all is None or shown.n_finders < 2 else np.asarray(by_all)[rows]
    if framed is not None:
        caption += f' Framed: selected by {shown.all()} there.'
    return [_sheet('false_positives', shown.name('worst_false_positives'),
                   images_of(np.array(rows)), [family[row] or 'no family' for row in rows], caption,
                   shown.simulated, framed=framed,
                   second=[_number(score[row]) + ', below' * bool(score[row] < shown.threshold)
                           for row in rows])]


def _order_words(names, families):
    known = len([name for name in names if name in families]) > 1
    return ', the family with the highest rate first' if known else ''


def injection_gallery(lenses, injections, lens_images, injected, *, simulated=False, alike=True,
                      whose=''):
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
    whose : str, optional
        Finder that the injections were made for, where there are several.

    Returns
    -------
    figures : list of dict
        One sheet.
    """
    below = ('below each, the injection nearest to it in Einstein radius and arc signal to noise '
             '(S/N)' if alike else 'below, injections, both evenly spaced through their tables; '
             'they are not chosen to be alike, because Einstein radius and arc signal to noise '
             'are not known of both')
    images = np.concatenate([lens_images, injected])
    titles = [f'{kind} {_lens_words(row)}'.strip() for kind, table in (
        ('lens', lenses), ('injected', injections)) for row in table]
    made = f' The injections are those of {whose}.' if whose else ''
    return [_sheet('recovery', 'injections_beside_lenses', images, titles,
                   f'Above, lenses of the sample; {below}. All on one scale of brightness.{made}',
                   simulated, columns=len(lenses))]


def _spread(rows, n):
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int))]


def _lens_words(row, finder=None):
    words = [_number(row[finder])] if finder else []
    if 'theta_e' in row.colnames and np.isfinite(float(_plain(row['theta_e']))):
        words.append(f'{_plain(row["theta_e"]):.1f}"')
    if 'arc_snr' in row.colnames and np.isfinite(float(_plain(row['arc_snr']))):
        words.append(f'S/N {_plain(row["arc_snr"]):.0f}')
    return '  '.join(words)


def _number(value):
    return f'{float(_plain(value)):.3g}'.replace('-', '−')


def _conditions(row, names):
    values = [_plain(row[name]) for name in names]
    return '; '.join(f'{value:.3g}' if np.asarray(value).dtype.kind in 'fiu' else str(value)
                     for value in values)


def _plain(value):
    return getattr(value, 'value', value)


def _sheet(section, name, images, titles, caption, simulated, *, columns=COLUMNS, second=None,
           framed=None):
    figure = contact_sheet(images, titles=titles, second=second, columns=columns, framed=framed,
                           simulated=simulated)
    if simulated:
        caption += ' Simulated data.'
    return {'name': name, 'figure': figure, 'caption': caption, 'section': section,
            'alt': re.split(r'[.:] ', caption)[0]}
