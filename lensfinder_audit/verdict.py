# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What a finder can be used for, as far as an audit shows.

A region is for use where completeness on independently found lenses is surely
above a stated level and the false-positive rate surely below one; *surely* holds
for all regions that were searched at once.
"""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.measure.intervals import binomial_interval
from lensfinder_audit.tables import check_table, schema_meta
from lensfinder_audit.vocabulary import column_words

__all__ = ['verdict_table', 'verdict_sentences', 'region_words']

_ORDER = {'use': 0, 'do not use': 1, 'not known': 2}
_KEY = ('finder', 'operating_point', 'region')
_WHOLE = 'whole sample'
_SUPERSCRIPT = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')
_NOWHERE = {'axis': '', 'low': np.nan, 'high': np.nan, 'unit': ''}


def verdict_table(tables, *, limits, confidence=0.95):
    """
    Judge every region that an audit measured.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`
        Tables of an audit: ``completeness``, ``false_positives`` and those by axis.
    limits : `~lensfinder_audit.findings.Limits`
        With ``use_completeness`` and ``use_fpr``.
    confidence : float, optional
        Probability that all bounds hold at once.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``verdict``: the whole sample and each cell of each axis, *use* first; no
        surface, because more cells would loosen every bound. ``axis``, ``low``, ``high``
        and ``unit`` say where a region lies.

    Notes
    -----
    Bounds are the named interval of the cell at its effective number, with
    ``1 - (1 - confidence) / m`` for the m cells of both kinds that hold a number
    (Bonferroni). Cells of different axes hold the same objects, which costs power
    and no validity. Lenses that an earlier finder chose say nothing of completeness,
    so where they are all there is the region is *not known*. What only lenses have, such
    as an Einstein radius, splits no negatives: there the rate of all negatives counts.

    Examples
    --------
    >>> from lensfinder_audit import audit
    >>> from lensfinder_audit.example import example_scores
    >>> result = audit(example_scores(), fprs=[0.01], n_resamples=200)
    >>> print(result.tables['verdict']['region', 'verdict'][0])
       region    verdict
    ------------ -------
    whole sample     use
    """
    cells, places = {}, {}
    for name, table in tables.items():
        kind, _, axis = name.partition('_by_')
        surface = axis and len(table.meta.get('axes') or ()) > 1
        if kind in ('completeness', 'false_positives') and not surface:
            _collect(cells, places, table, kind, axis)
    n_cells = max(sum(len(found) for found in cells.values()), 1)
    level = 1 - (1 - confidence) / n_cells
    split = {place['axis'] for key, place in places.items() if 'false_positives' in cells[key]}
    rows = [{**dict(zip(_KEY, key, strict=True)),
             **_judge(_with_negatives(cells, key, places[key]['axis'] in split), limits, level),
             **places[key]} for key in cells]
    rows.sort(key=lambda row: _ORDER[row['verdict']])
    if not rows:
        return None
    table = QTable(rows=rows)
    table.meta = schema_meta('verdict', confidence=confidence, n_cells=n_cells,
                             axis_order=list(dict.fromkeys(
                                 place['axis'] for place in places.values())),
                             use_completeness=limits.use_completeness, use_fpr=limits.use_fpr,
                             interval='Bonferroni over the cells')
    return check_table(table, 'verdict')


def _with_negatives(cells, key, split):
    """Return the cell of a region; one of an axis that splits no negatives takes them all."""
    whole = cells.get((*key[:2], _WHOLE), {}).get('false_positives')
    return cells[key] if split or not whole else {'false_positives': whole, 'all': True,
                                                  **cells[key]}


def _collect(cells, places, table, kind, axis):
    """Put the rows of a table to those of the same region; several samples are added up."""
    for row in table:
        if kind == 'completeness' and row['discovery'] != 'independent':
            continue
        if kind == 'false_positives' and not axis and row['confuser_class'] != 'all':
            continue
        if row['reason'] in ('no value', 'in no bin') or row['state'] == 'impossible':
            continue
        region, place = _region(table, row, axis) if axis else (_WHOLE, dict(_NOWHERE))
        key = row['finder'], row['operating_point'], region
        places.setdefault(key, place)
        cells.setdefault(key, {}).setdefault(kind, []).append(
            (int(row['n']), float(np.nan_to_num(row['n_eff'])), float(row['estimate']),
             row['state'] == 'supported', table.meta.get('interval', 'wilson')))


def _region(table, row, axis):
    """Name a cell by its column and edges, and say where it lies."""
    name = axis if f'{axis}_min' in table.colnames or axis in table.colnames else str(
        table.meta['axes'][0])
    if f'{name}_min' not in table.colnames:
        return f'{name} {row[name]}', {**_NOWHERE, 'axis': name}
    unit = table[f'{name}_min'].unit
    low, high = (float(getattr(row[f'{name}_{end}'], 'value', row[f'{name}_{end}']))
                 for end in ('min', 'max'))
    words = f'above {low:g}' if np.isinf(high) else f'{low:.4g} to {high:.4g}'
    return (f'{name} {words}' + (f' {unit}' if unit else ''),
            {'axis': name, 'low': low, 'high': high, 'unit': str(unit or '')})


def _judge(found, limits, level):
    lenses, negatives = (_bounds(found.get(kind, ()), level)
                         for kind in ('completeness', 'false_positives'))
    row = {'n_lenses': lenses[0], 'n_negatives': negatives[0], 'completeness_lo': lenses[1],
           'completeness_hi': lenses[2], 'fpr_lo': negatives[1], 'fpr_hi': negatives[2]}
    bad, whose = [], ' of all negatives' if 'all' in found else ''
    if lenses[2] < limits.use_completeness:
        bad.append(f'completeness is at most {lenses[2]:.3f}')
    if negatives[1] > limits.use_fpr:
        bad.append(f'the false-positive rate{whose} is at least {_rate(negatives[1])}')
    good = lenses[1] >= limits.use_completeness and negatives[2] <= limits.use_fpr
    if bad:
        return {**row, 'verdict': 'do not use', 'because': ' and '.join(bad)}
    if good:
        return {**row, 'verdict': 'use', 'because': f'completeness is at least {lenses[1]:.3f} and '
                f'the false-positive rate{whose} at most {_rate(negatives[2])}'}
    return {**row, 'verdict': 'not known', 'because': _unknown(lenses, negatives)}


def _bounds(parts, level):
    """Join the samples of a region; without support there is no bound."""
    n, n_eff = (int(sum(part[0] for part in parts)), sum(part[1] for part in parts))
    if not n or not n_eff or not any(part[3] for part in parts):
        return n, np.nan, np.nan
    p = sum(part[2] * part[0] for part in parts if part[0]) / n
    lo, hi = binomial_interval(min(p, 1) * n_eff, n_eff, method=parts[0][4], confidence=level)
    return n, float(lo), float(hi)


def _unknown(lenses, negatives):
    if not lenses[0]:
        return 'there is no independently found lens'
    if np.isnan(lenses[1]):
        return f'{lenses[0]} independently found lenses are too few'
    if not negatives[0]:
        return f'there is no negative; completeness is {lenses[1]:.3f} to {lenses[2]:.3f}'
    if np.isnan(negatives[1]):
        return f'{negatives[0]} negatives are too few'
    return (f'completeness is {lenses[1]:.3f} to {lenses[2]:.3f} and the false-positive rate '
            f'{_rate(negatives[1])} to {_rate(negatives[2])}')


def _rate(value):
    """Write a rate to two digits, small ones with a power of ten."""
    mantissa, _, power = f'{value:.2g}'.partition('e')
    return mantissa + (f' × 10{str(int(power)).translate(_SUPERSCRIPT)}' if power else '')


def verdict_sentences(table, findings=(), *, most=4):
    """
    Say the verdict in sentences.

    Parameters
    ----------
    table : `~astropy.table.QTable` or None
        As `verdict_table` returns it.
    findings : `~astropy.table.QTable`, optional
        Findings; severe ones stand before any use.
    most : int, optional
        Regions that are named for each verdict and operating point.

    Returns
    -------
    sentences : list of str
        One per finder, operating point and verdict.

    Examples
    --------
    >>> from lensfinder_audit.verdict import verdict_sentences
    >>> verdict_sentences(None)
    ['Nothing can be said: no completeness and no false-positive rate was measured.']
    """
    if table is None:
        return ['Nothing can be said: no completeness and no false-positive rate was measured.']
    found = []
    keys = dict.fromkeys(zip(table['finder'].tolist(), table['operating_point'].tolist(),
                             strict=True))
    for finder, point in keys:
        part = table[(table['finder'] == finder) & (table['operating_point'] == point)]
        for word, opening in (('use', f'Use {finder} at {point} for'),
                              ('do not use', f'Do not use {finder} at {point} for'),
                              ('not known', f'Not known of {finder} at {point}:')):
            rows = part[part['verdict'] == word]
            if len(rows):
                found.append(f'{opening} {_regions(rows, most)}.')
    severe = [str(row['check']) for row in findings if row['severity'] == 'severe']
    if severe and (np.asarray(table['verdict']) == 'use').any():
        found.insert(0, 'Before any use, the severe findings must be answered: '
                        f'{", ".join(dict.fromkeys(severe))}.')
    return found


def _regions(rows, most):
    named = [f'{region_words(row)} ({row["because"]})' for row in rows[:most]]
    more = [f'{len(rows) - most} more in the table'] if len(rows) > most else []
    return '; '.join(named + more)


def region_words(row):
    """
    Name a region for a reader: by what its axis is, not by its column.

    Parameters
    ----------
    row : `~astropy.table.Row`
        Of schema ``verdict``.

    Returns
    -------
    words : str
        Such as ``'PSF FWHM, r 1.1 to 1.2 arcsec'``.
    """
    axis = str(row['axis']) if 'axis' in row.colnames else ''
    if not axis:
        return f'the {_WHOLE}' if row['region'] == _WHOLE else str(row['region'])
    return f'{column_words(axis)} {str(row["region"]).removeprefix(axis).strip()}'
