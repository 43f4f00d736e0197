# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Checks of the finder from its scores: calibration by stratum, trends with conditions."""
import numpy as np
from astropy.table import QTable
from scipy.special import expit, logit, ndtr

from lensfinder_audit.findings import Finding
from lensfinder_audit.measure.calibration_fit import calibration_fits
from lensfinder_audit.measure.comparison import adjust_p_values
from lensfinder_audit.measure.probability import to_probability
from lensfinder_audit.measure.transfer import sky_halves, transfer_rows
from lensfinder_audit.measure.trends import trend_table, trend_test
from lensfinder_audit.tables import check_table, schema_meta
from lensfinder_audit.vocabulary import describes_lenses

__all__ = ['calibration_by_stratum', 'transfer', 'trends']

#: Bins of a number, and the fewest lenses that a bin must be expected to hold.
_BINS, _LEAST = 4, 5


def calibration_by_stratum(case):
    """Compare lenses counted and lenses expected from the scores, in every bin of an axis."""
    label = np.asarray(case.sample['label'])
    if not label.any() or label.all():
        return
    bins = _bins(case)
    rows = [row for finder in case.summary['finders'] if case.kind(finder) != 'rank'
            for row in _expected(case, finder, label, bins)]
    if not rows:
        return
    table = QTable(rows=rows)
    table['p_adjusted'] = adjust_p_values(table['p_value'])
    table.meta = {'test': 'counted less expected lenses, after a global calibration'}
    case.tables['calibration_by_stratum'] = table
    for finder in dict.fromkeys(table['finder'].tolist()):
        odd = table[(table['finder'] == finder) & (table['p_adjusted'] < case.limits.level)]
        if len(odd):
            worst = odd[np.argmin(odd['p_value'])]
            yield Finding('warning', 'calibration by stratum', f'a score of {finder} does not mean '
                          f'the same everywhere: where {worst["axis"]} is {worst["bin"]} there are '
                          f'{worst["n_lenses"]} lenses and {worst["expected"]:.0f} are expected '
                          f'({len(odd)} such bins)', 'calibration_by_stratum',
                          'Calibrate within these strata, or match the conditions of both classes.')


def _bins(case):
    """Return axis, name and rows of every bin; an axis that one class lacks has none."""
    names = [name for item in case.options.by for name in item.split(',')]
    names = [name.strip() for name in names if not describes_lenses(name.strip())]
    found = []
    for name in dict.fromkeys([*names, 'stratum']):
        if name not in case.sample.colnames:
            continue
        values = np.asarray(getattr(case.sample[name], 'value', case.sample[name]))
        if not _both(case, values):
            continue
        if values.dtype.kind in 'USO':
            words, counts = np.unique(values.astype(str), return_counts=True)
            found += [(name, str(word), values == word) for word in words[np.argsort(-counts)][:12]
                      if word]
            continue
        values = values.astype(float)
        good = np.isfinite(values)
        edges = np.unique(np.quantile(values[good], np.linspace(0, 1, _BINS + 1))) if (
            good.any()) else np.array([])
        for k, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            last = k == len(edges) - 2
            inside = (values >= low) & ((values <= high) if last else (values < high))
            found.append((name, f'{low:.4g} to {high:.4g}', inside))
    return found


def _both(case, values):
    """Whether lenses and negatives have values of an axis."""
    known = values.astype(str) != '' if values.dtype.kind in 'USO' else (
        np.isfinite(values.astype(float)))
    label = np.asarray(case.sample['label'])
    return min((known & label).sum(), (known & ~label).sum()) >= 20


def _expected(case, finder, label, bins):
    probability = to_probability(np.asarray(case.sample[finder]), case.kind(finder))
    fit = calibration_fits(probability, label, np.ones(len(label)))[0] if bins else None
    if fit is None:
        return
    odds = logit(np.clip(probability, 2**-25, 1 - 2**-25))
    expected = expit(fit.coefficients[0] + fit.coefficients[1] * odds)
    for axis, name, rows in bins:
        spread = np.sum((expected * (1 - expected))[rows])
        total = float(expected[rows].sum())
        if spread < _LEAST:
            continue
        pull = (label[rows].sum() - total) / np.sqrt(spread)
        yield {'finder': finder, 'axis': axis, 'bin': name, 'n': int(rows.sum()),
               'n_lenses': int(label[rows].sum()), 'expected': total, 'pull': float(pull),
               'p_value': float(2 * ndtr(-abs(pull)))}


def trends(case):
    """Test every rate against every axis, and name those that depend on one."""
    label, axes = np.asarray(case.sample['label']), _axes(case)
    points = case.rows('operating_points')
    if not axes or not len(points):
        return
    weight, group = case.weight(), case.group()
    rows = []
    for point in points:
        above = np.asarray(case.sample[point['finder']]) >= point['threshold']
        for side, word in ((label, 'recovered fraction'), (~label, 'false-positive rate')):
            for axis in axes:
                if side is not label and describes_lenses(axis):
                    continue
                rows.append({'finder': point['finder'], 'operating_point': point['operating_point'],
                             'rate': word, 'axis': axis, **trend_test(
                                 above[side], case.sample[axis][side],
                                 weight=None if weight is None else weight[side],
                                 group=None if group is None else group[side])})
    table = trend_table(rows, level=case.limits.level)
    case.tables['trends'] = table
    real = table[~np.isin(table['trend'], ['none found', 'not tested'])]
    if len(real):
        best = real[np.argmin(real['p_value'])]
        yield Finding('note', 'trends', f'{len(real)} of {np.isfinite(table["p_value"]).sum()} '
                      f'tests find a rate that depends on a condition; the clearest: the '
                      f'{best["rate"]} of {best["finder"]} at {best["operating_point"]} '
                      f'{best["trend"]} with {best["axis"]} (p = {best["p_adjusted"]:.2g}, '
                      'corrected)', 'trends', 'Quote rates by these conditions, not one number.')


def _axes(case):
    names = [name.strip() for item in case.options.by for name in item.split(',')]
    return [name for name in dict.fromkeys(names) if name in case.sample.colnames]


def transfer(case):
    """Predict the rates of one half of the sky from conditions, by a fit to the other half."""
    sample, label = case.sample, np.asarray(case.sample['label'])
    points = case.rows('operating_points')
    axes = [name for name in _axes(case) if sample[name].dtype.kind in 'fiu'
            and not describes_lenses(name)]
    if not axes or not len(points) or not {'ra', 'dec'} <= set(sample.colnames):
        return
    rows = []
    for side, word in ((label, 'recovered fraction'), (~label, 'false-positive rate')):
        part = sample[side]
        if not len(part):
            continue
        halves = sky_halves(part['ra'].to_value('deg'), part['dec'].to_value('deg'))
        rest = {name: None if found is None else found[side]
                for name, found in (('weight', case.weight()), ('group', case.group()))}
        for point in points:
            above = np.asarray(part[point['finder']]) >= point['threshold']
            rows += [{'finder': point['finder'], 'operating_point': point['operating_point'],
                      'rate': word, **row} for row in transfer_rows(
                          above, {name: part[name] for name in axes}, halves, **rest)]
    if not rows:
        return
    table = QTable(rows=rows)
    table['p_adjusted'] = np.nan
    table['p_adjusted'][::2] = adjust_p_values(table['p_value'][::2])  # both directions, one test
    table['p_adjusted'][1::2] = table['p_adjusted'][::2]
    table.meta = schema_meta('transfer', axes=axes, level=case.limits.transfer_level)
    case.tables['transfer'] = check_table(table, 'transfer')
    yield from _lost(table, axes, case.limits)


def _lost(table, axes, limits):
    """Name what one half of the sky says otherwise than the other."""
    apart = table[np.nan_to_num(np.asarray(table['p_adjusted']), nan=1.0)
                  < limits.transfer_level]
    if not len(apart):
        return
    worst = apart[np.argmax(apart['deviance'] - apart['own'])]
    worse = worst['deviance'] > worst['constant'] - (1 - limits.transfer) * (
        worst['constant'] - worst['own'])
    yield Finding('warning' if worse else 'note', 'sky halves', f'the {worst["rate"]} of '
                  f'{worst["finder"]} at {worst["operating_point"]} depends on {", ".join(axes)} '
                  f'otherwise in the {worst["fitted_on"]} than in the {worst["predicted"]} (p = '
                  f'{worst["p_adjusted"]:.2g}, corrected); the fit of the one predicts the other '
                  f'with a deviance of {worst["deviance"]:.4f} per object, where a constant has '
                  f'{worst["constant"]:.4f} and its own fit {worst["own"]:.4f}', 'transfer',
                  'Quote rates by region, or find the condition that is missing.')
