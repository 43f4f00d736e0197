# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What is measured and what was trained on, compared as ``split verify`` compares them."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.findings import Finding
from lensfinder_audit.split_check import CUTOUT_WIDTH, verify_splits

__all__ = ['leakage']

#: Checks that fail where a split cannot be derived again, which is no leak.
_UNDERIVED = ('split name', 'hash', 'stale pixel', 'position')


def leakage(case):
    """Verify the split of the sample, and say what its sets share."""
    table, derive = case.sets()
    if table is None:
        return
    report = verify_splits(table, key='object_id', derive=derive, frozen=case.frozen,
                           what='the sample')
    pairs = report.rows[report.rows['other_row'] >= 0]
    case.tables['splits'] = report.checks
    if len(pairs):
        case.tables['split_pairs'] = pairs
    shared = case.tables['leakage'] = _by_class(report, table, case.limits)
    yield from _objects(shared, case.limits)
    yield from _apart(pairs, table, case.limits)
    yield from _pixels(report.checks, case.limits)
    yield from _frozen(report.checks)
    if derive:
        yield from _underived(report.checks)


def _by_class(report, table, limits):
    """Count held-out objects of either class by what they share with training ones."""
    check, row = np.asarray(report.rows['check']), np.asarray(report.rows['row'])
    gap = report.rows['separation'].to_value('arcsec')
    cutout = np.char.startswith(check, 'in a training cutout')
    found = {'n_same': cutout & (gap <= limits.duplicate_radius), 'n_in_cutout': cutout,
             'n_in_pixel': np.char.startswith(check, 'shared pixel')}
    label, held = np.asarray(table['label'], dtype=bool), _held(table)
    rows = [{'objects': what, 'n': int((held & side).sum()),
             **{name: int(side[row[part]].sum()) for name, part in found.items()}}
            for what, side in (('lenses', label), ('negatives', ~label))]
    return QTable(rows=rows, meta={'cutout_arcsec': CUTOUT_WIDTH.value,
                                   'split': report.checks.meta['split']})


def _held(table):
    from lensfinder_audit.scoretable import means_trained

    split = np.asarray(table['split']).astype(str)
    return (split != '') & ~means_trained(split)


def _objects(shared, limits):
    for row in shared:
        if row['n_same']:
            yield Finding('severe', 'leakage', f'{row["n_same"]} of {row["n"]} {row["objects"]} '
                          'that are not marked as trained on lie within '
                          f'{limits.duplicate_radius:g} arcsec of an object that is',
                          'leakage, n_same, and split_pairs',
                          'Remove them, and split by sky position.')
        elif row['n_in_cutout'] > limits.shared_cutouts * row['n']:
            yield Finding('warning', 'leakage', f'{row["n_in_cutout"]} of {row["n"]} '
                          f'{row["objects"]} lie in the cutout of an object that was trained on',
                          'leakage, n_in_cutout, and split_pairs',
                          'Split by pixels of the sky larger than a cutout.')


def _apart(pairs, table, limits):
    """Look for objects that stand in two of the sets that were not trained on."""
    held = _held(table)
    twice = pairs[(np.asarray(pairs['check']) == 'pair across splits')
                  & (pairs['separation'].to_value('arcsec') <= limits.duplicate_radius)
                  & held[pairs['row']] & held[pairs['other_row']]]
    if len(twice):
        yield Finding('warning', 'leakage', f'{len(twice)} objects of one set that was not trained '
                      f'on lie within {limits.duplicate_radius:g} arcsec of one in another; what '
                      'was chosen on the one is not tested on the other', 'split_pairs',
                      'Keep each object in one set.')


def _pixels(checks, limits):
    chance = str(checks['finding'][checks['check'] == 'random split'][0])
    for row in checks:
        name = str(row['check'])
        if name.startswith('shared pixel') and row['n'] > limits.shared_pixels * row['n_checked']:
            yield Finding('warning', 'leakage', f'{row["finding"]}; {chance}', 'splits, leakage',
                          'Split by pixels of the sky: seeing, depth and artefacts are shared '
                          'within one, and rates on it are better than on new sky.')
        elif name == 'missing pixel' and row['n']:
            yield Finding('warning', 'leakage', str(row['finding']), 'splits, missing pixel',
                          'Assign pixels and splits again, with "split assign".')


def _frozen(checks):
    for row in checks[np.char.startswith(np.asarray(checks['check']), 'frozen set')]:
        if row['n']:
            words = 'the frozen evaluation set is no longer what it was: ' if (
                row['check'] == 'frozen set, changed') else ''
            yield Finding('severe', 'leakage', f'{words}{row["finding"]}', f'splits, '
                          f'{row["check"]}', 'Take these objects out of training, or freeze '
                          'another set.')


def _underived(checks):
    failed = checks[np.isin(checks['check'], _UNDERIVED) & (np.asarray(checks['n']) > 0)]
    if len(failed):
        yield Finding('note', 'leakage', 'the split cannot be derived again: '
                      f'{"; ".join(failed["finding"].tolist())}', 'splits',
                      'Make it with "split assign", or say how it was made.')
