# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures of what stands beside single finders: injections, and finders together."""
from itertools import combinations

import numpy as np

from lensfinder_audit.plotting.items import (SECTIONS, few_panels, figure_item, named_tables,
                                             split_quantities)
from lensfinder_audit.plotting.marks import draw_points
from lensfinder_audit.plotting.places import axis_names, axis_words
from lensfinder_audit.plotting.rows import plot_overall
from lensfinder_audit.plotting.style import (COLOURS, GREY, MARKERS, WIDE, add_note, interval_words,
                                             new_figure, plain, styled, values)
from lensfinder_audit.plotting.together import beside_injections, plot_together

__all__ = ['figures_together', 'ensemble_figures', 'plot_gains', 'plot_pairs']

_PAIRS = (('rank correlation', 'rank correlation'), ('disagreement', 'disagreement'),
          ('Q', "Yule's Q"), ('double fault', 'double fault'))
_ALONE, _JOINT = {'color': COLOURS[0], 'marker': MARKERS[0]}, {'color': COLOURS[1],
                                                               'marker': MARKERS[1]}


def figures_together(tables):
    """Draw real lenses and injections on one axis, for every finder that has injections."""
    found = []
    for name, recovery in named_tables(tables, 'recovery'):
        table = tables.get(name.replace('recovery', 'completeness', 1))
        names = axis_names(recovery)
        if table is None or len(names) > 1:
            continue
        parts = split_quantities(table)
        section = next(item for item in SECTIONS if item in parts)
        part = parts[section]
        part = part[np.isin(np.asarray(part['finder']), np.asarray(recovery['finder']))]
        if len(part) and (names or not found):
            found.append(_figure_together(tables, section, name, part, recovery, names))
    # whole samples are for those who have no axis in common
    return found[1:] if len(found) > 1 and '_by_' not in found[0]['name'] else found


def _figure_together(tables, section, name, part, recovery, names):
    quantity = {'completeness': 'Completeness on independently found lenses',
                'agreement': 'Agreement with an earlier finder'}.get(
                    section, 'The recovered fraction of lenses, however they were found,')
    (part, rest), against = few_panels(part), ''
    if names:
        figure, against = plot_together(part, recovery, names[0]), axis_words(part, names[0])
    else:
        figure, rest = plot_overall(beside_injections(part, recovery)), ''
    return figure_item(
        section, name.replace('recovery', 'completeness_and_recovery', 1), figure,
        f'{quantity} and the recovered fraction of injections{" against " if against else ""}'
        f'{against}. Where they differ, either the injections are not like the known lenses or the '
        f'known lenses are not like all lenses.{_gate_words(tables)}{rest}',
        f'{quantity} and recovered fraction of injections'
        + (f' in bins of {against}' if against else ''))


def _gate_words(tables):
    """Say beside the injections how well they can be told from lenses."""
    table = tables.get('realism')
    if table is None or not len(table) or not {'auc', 'lo', 'hi'} <= set(table.colnames):
        return ' Whether the injections look like lenses was not measured.'
    auc = ', '.join(f'{float(table[name][0]):.2f}' for name in ('lo', 'hi'))
    return (f' A probe tells these injections from lenses with an AUC of '
            f'{float(table["auc"][0]):.2f} [{auc}], where 0.5 is not at all.')


def ensemble_figures(tables):
    """Draw what finders find together at equal budgets, and how alike they are."""
    yields, contrasts, pairs = (tables.get(f'ensemble_{name}') for name in (
        'yields', 'contrasts', 'diversity'))
    if yields is None or contrasts is None:
        return []
    budget, size = yields['budget'][0], yields.meta['search_size']
    found = [figure_item(
        'ensemble', 'ensemble_yields', plot_gains(yields, contrasts),
        f'Fraction of the lenses among the best {budget:,g} of {size:,.0f} objects searched: '
        'single finders (circles) and what they rank jointly (squares). Right: joint less single, '
        'on the same resamples; these intervals hold for all finders at once. On '
        f'{yields.meta["lenses"]}.',
        'Lenses found by single finders and jointly at an equal budget, and differences')]
    if pairs is not None and len(pairs):
        found.append(figure_item(
            'ensemble', 'ensemble_pairs', plot_pairs(pairs),
            f'How alike each pair of finders is on {pairs.meta["lenses"]}, selections at '
            f'{pairs.meta["points"][0]}: the less their scores agree and the fewer lenses both '
            'miss (double fault), the more there is to gain.',
            'Rank correlation, disagreement, Q and double fault of each pair of finders'))
    return found


@styled
def plot_gains(yields, contrasts):
    """Draw yields at the first budget, and joint selections less single finders."""
    mass, joint = yields.meta['lens_mass'], [
        str(name).partition(' less ')[0] for name in contrasts['contrast']]
    yields = yields[yields['budget'] == yields['budget'][0]].copy()
    contrasts = contrasts[contrasts['budget'] == contrasts['budget'][0]].copy()
    for table, names in ((yields, ('found', 'lo', 'hi')), (contrasts, ('difference', 'lo', 'hi'))):
        for name in names:
            table[name] = values(table, name) / mass
    rows = max(len(yields), len(contrasts))
    figure, (left, right) = new_figure(WIDE, 0.75 + 0.2 * rows, n_cols=2)
    together = np.isin(yields['finder'].astype(str), joint)
    places = np.arange(len(yields), dtype=float)
    yields['estimate'], contrasts['estimate'] = yields['found'], contrasts['difference']
    for chosen, look in ((~together, _ALONE), (together, _JOINT)):
        draw_points(left, places[chosen], yields[chosen], flat=True, line=False, **look)
    _name_rows(left, yields['finder'])
    left.set_xlabel('fraction of the lenses found')
    draw_points(right, np.arange(len(contrasts), dtype=float), contrasts, flat=True, line=False,
                **_JOINT)
    right.axvline(0, color=GREY, lw=0.6)
    _name_rows(right, contrasts['contrast'])
    right.set_xlabel('difference of fractions')
    told = contrasts.meta
    add_note(figure, f'bars: {interval_words(yields.meta, name="bootstrap")}; differences: '
                     f'{100 * told["simultaneous"]:g} % paired bootstrap for all finders at once')
    return figure


@styled
def plot_pairs(table, *, most=15):
    """Draw four measures of how alike each pair of finders is, on the lenses."""
    table = table[np.asarray(table['sample']).astype(str) == 'lenses']
    point = next((str(item) for item in table['operating_point'] if item), '')
    pairs = list(combinations(table.meta['finders'], 2))
    figure, panels = new_figure(WIDE, 1.05 + 0.2 * min(len(pairs), most), n_cols=4, sharey=True)
    for panel, (statistic, title) in zip(panels, _PAIRS, strict=True):
        where = '' if statistic == 'rank correlation' else point
        rows = table[(table['statistic'] == statistic) & (table['operating_point'] == where)]
        order = [pairs.index((str(row['finder_a']), str(row['finder_b']))) for row in rows]
        rows = rows[np.argsort(order)][:most]
        draw_points(panel, np.arange(len(rows), dtype=float), rows, flat=True, line=False, **_ALONE)
        panel.set_title(title, loc='left')
        panel.margins(x=0.15)
    _name_rows(panels[0], [f'{plain(one, longest=18)}, {plain(two, longest=18)}'
                           for one, two in pairs[:most]])
    add_note(figure, f'bars: {interval_words(table.meta)}; selections at {plain(point)}'
             + (f'; {len(pairs) - most} more pairs in the table' if len(pairs) > most else ''))
    return figure


def _name_rows(panel, names):
    panel.set_yticks(np.arange(len(names)), [plain(name, longest=42) for name in names])
    panel.tick_params(axis='y', length=0)
    panel.set_ylim(len(names) - 0.4, -0.6)
