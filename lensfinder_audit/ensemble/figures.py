# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The figures of an ensemble study."""
import numpy as np
from matplotlib.ticker import MaxNLocator

from lensfinder_audit.ensemble.measured import STRATA
from lensfinder_audit.ensemble.words import interval_of
from lensfinder_audit.plotting.places import axis_names, axis_words
from lensfinder_audit.plotting.style import (COLOURS, GREY, MARKERS, NARROW, WIDE, add_note,
                                             mark_simulated, new_figure, plain, styled, values)

__all__ = ['study_figures']

_ROLES = {'baseline': 6, 'member': 0, 'control': 1}
_PAIRS = (('rank correlation', 'rank correlation of scores'), ('disagreement', 'disagreement'),
          ('Q', 'Q statistic'), ('double fault', 'double fault'))


def study_figures(tables, roles, *, simulated=False):
    """
    Draw the figures that the tables of a study allow.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`
        As `~lensfinder_audit.ensemble.measured.measure_study` returns them.
    roles : dict of str to list of str
        Models by role.
    simulated : bool, optional
        Whether the data are.

    Returns
    -------
    figures : list of dict
        ``name``, ``figure``, ``caption``, ``alt`` and ``section``.
    """
    budget = tables['yields']['budget'][0]
    where = f'the best {budget:,g}'
    found = [_item('yields', 'yields', plot_yields(tables['yields'], roles),
                   f'Lenses found at {where}, with 95 % intervals over the objects.'),
             _item('contrasts', 'contrasts', plot_contrasts(tables['contrasts']),
                   'Differences of lenses found. Thick: interval over the objects; thin: with the '
                   'training seeds. Ticks: what would have been seen.')]
    if 'diversity' in tables:
        found.append(_item('diversity', 'diversity', plot_alike(tables['diversity']),
                           f'Each mark is a pair of models, on the lenses; selections are '
                           f'{where}.'))
    if 'discovery_sets' in tables:
        found.append(_item('discoveries', 'discoveries', plot_sets(tables['discovery_sets']),
                           f'Left: lenses by the number of models that have them among {where}. '
                           'Right: lenses that one model alone has there.'))
    by = [table for name, table in tables.items() if name.startswith('completeness_by_')]
    if by:
        found.append(_item('conditions', 'completeness', plot_conditions(by, roles),
                           f'Fraction of the lenses that are among {where}, by condition.'))
    by = [table for name, table in tables.items() if name.startswith('injected_completeness_by_')]
    if by:
        found.append(_item('injections', 'injections', plot_conditions(by, roles, 'injected '),
                           f'Fraction of the injected lenses that score like {where}, by the lens '
                           'and by condition; hosts are resampled together.'))
    if 'stratification' in tables:
        found.append(_item('stratification', 'stratification',
                           plot_pairs(tables['stratification']),
                           'Lenses found by networks of equal seed, trained on stratified and on '
                           'random negatives.'))
    for item in found if simulated else ():
        mark_simulated(item['figure'])
        item['caption'] += ' Simulated data.'
    return found


def _item(section, name, figure, caption):
    return {'name': name, 'figure': figure, 'caption': caption, 'alt': caption,
            'section': section}


def _role_of(name, roles):
    """Return the role of a model, or of the members of an ensemble."""
    for role in _ROLES:
        if name in roles.get(role, ()) or name.endswith(f' of {role}s'):
            return role
    return 'member'


@styled
def plot_yields(table, roles):
    """Draw the yield of every model and ensemble at the first budget."""
    table = table[table['budget'] == table['budget'][0]]
    names = [str(name) for name in table['finder']]
    order = sorted(range(len(names)), key=lambda i: list(_ROLES).index(_role_of(names[i], roles)))
    figure, (panel,) = new_figure(WIDE * 0.75, 0.7 + 0.19 * len(names))
    for place, i in enumerate(order):
        role = _role_of(names[i], roles)
        number, row = _ROLES[role], table[i]
        alone = names[i] in roles.get(role, ())
        _bar(panel, -place, row['found'], row['lo'], row['hi'], COLOURS[number],
             MARKERS[number] if alone else '*')
    panel.set_yticks([-place for place in range(len(order))], [plain(names[i]) for i in order])
    panel.set_xlabel(f'lenses among the best {table["budget"][0]:,g}, of {table["n_lenses"][0]:,}')
    panel.grid(axis='x', lw=0.4, color='#E0E0E0')
    add_note(figure, 'stars: ensembles; black: one model on all data; the training seeds are not '
             'in these intervals')
    return figure


@styled
def plot_contrasts(table):
    """Draw differences with the interval over objects, that with seeds, and what could be seen."""
    names = list(dict.fromkeys(str(name) for name in table['contrast']))
    budgets = np.unique(table['budget'])
    step = 0.7 / len(budgets)
    figure, (panel,) = new_figure(WIDE * 0.85, 0.8 + 0.2 * len(names) * (1 + len(budgets) / 3))
    for row in table:
        number = int(np.searchsorted(budgets, row['budget']))
        y = -names.index(str(row['contrast'])) - step * number
        lo, hi, _ = interval_of(row)
        panel.plot([lo, hi], [y, y], color=COLOURS[number], lw=0.8)
        panel.plot([row['lo'], row['hi']], [y, y], color=COLOURS[number], lw=2.4, alpha=0.6,
                   solid_capstyle='butt')
        panel.plot(row['difference'], y, MARKERS[number], color=COLOURS[number], ms=4,
                   label=f'best {row["budget"]:,g}' if y > -step * len(budgets) else None)
        panel.plot(np.array([-1, 1]) * row['smallest_detectable'], [y, y], '|', color=GREY, ms=5,
                   mew=0.8)
    panel.axvline(0, color=GREY, lw=0.6)
    middle = step * (len(budgets) - 1) / 2
    panel.set_yticks([-i - middle for i in range(len(names))],
                     [plain(name, longest=60) for name in names])
    panel.set_xlabel('difference of lenses found')
    figure.legend(loc='outside upper right', ncols=len(budgets))
    add_note(figure, 'grey ticks: smallest difference that would have been seen')
    return figure


@styled
def plot_alike(table):
    """Draw four measures of how alike pairs are, members beside controls."""
    table = table[np.asarray(table['sample']).astype(str) == 'lenses']
    point = next(str(item) for item in table['operating_point'] if item)
    groups = list(dict.fromkeys(np.asarray(table['ensemble']).astype(str)))
    figure, panels = new_figure(WIDE, 2.2, n_cols=4)
    for panel, (statistic, title) in zip(panels, _PAIRS, strict=True):
        where = '' if statistic == 'rank correlation' else point
        for number, group in enumerate(groups):
            rows = table[(np.asarray(table['ensemble']) == group)
                         & (np.asarray(table['statistic']) == statistic)
                         & (np.asarray(table['operating_point']) == where)]
            places = number + np.linspace(-0.25, 0.25, len(rows)) if len(rows) > 1 else [number]
            for x, row in zip(places, rows, strict=True):
                panel.plot([x, x], [row['lo'], row['hi']], color=COLOURS[number], lw=0.8)
                panel.plot(x, row['estimate'], MARKERS[number], color=COLOURS[number], ms=3.5)
        panel.set_xticks(range(len(groups)), groups)
        panel.set(title=title, xlim=(-0.5, len(groups) - 0.5))
    return figure


@styled
def plot_sets(table):
    """Draw how many models have a lens, and what one model alone has."""
    point = str(table['operating_point'][0])
    table = table[np.asarray(table['operating_point']).astype(str) == point]
    groups = list(dict.fromkeys(np.asarray(table['ensemble']).astype(str)))
    figure, (left, right) = new_figure(WIDE, 2.6, n_cols=2)
    alone, place = [], 0
    for number, group in enumerate(groups):
        rows = table[np.asarray(table['ensemble']).astype(str) == group]
        sizes = np.arange(int(rows['n_finders'].max()) + 1)
        counts = [int(rows['n_lenses'][rows['n_finders'] == size].sum()) for size in sizes]
        width = 0.8 / len(groups)
        left.bar(sizes + (number - (len(groups) - 1) / 2) * width, counts, width,
                 color=COLOURS[number], label=group, hatch=('', '////')[number % 2], ec='white')
        for row in rows[rows['n_finders'] == 1]:
            alone.append((place, int(row['n_lenses']), str(row['found_by']), number))
            place += 1
    for y, n, name, number in alone:
        right.barh(-y, n, color=COLOURS[number], hatch=('', '////')[number % 2], ec='white')
    right.set_yticks([-y for y, *_ in alone], [plain(name) for *_, name, _ in alone])
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(xlabel=f'models that have it among the {plain(point)}', ylabel='lenses')
    right.set(xlabel='lenses that it alone has')
    left.legend()
    return figure


@styled
def plot_conditions(tables, roles, which=''):
    """Draw completeness by each condition: single models thin, ensembles thick."""
    tables = tables[:3]
    figure, panels = new_figure(WIDE, 2.9, n_cols=len(tables), sharey=True)
    for panel, table in zip(panels, tables, strict=True):
        name = axis_names(table)[0]
        low = values(table, f'{name}_min')
        table = table[np.isfinite(low)] if f'{name}_min' in table.colnames else table
        for finder in dict.fromkeys(np.asarray(table['finder']).astype(str)):
            rows = table[np.asarray(table['finder']).astype(str) == finder]
            _line(panel, rows, name, finder, roles)
        panel.set(xlabel=axis_words(table, name), ylim=(0, 1))
    panels[0].set_ylabel(f'fraction of the {which}lenses found')
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside upper left', ncols=3)
    add_note(figure, 'thin: single models, blue for members and orange for controls; intervals are '
             'drawn for ensembles and for the model on all data')
    return figure


def _line(panel, rows, name, finder, roles):
    role = _role_of(finder, roles)
    number, thick = _ROLES[role], finder not in roles.get(role, ()) or role == 'baseline'
    if thick and ('union' in finder or 'intersection' in finder):
        return
    if name in rows.colnames:
        x = np.arange(len(rows))
        panel.set_xticks(x, np.asarray(rows[name]).astype(str))
    else:
        x = (values(rows, f'{name}_min') + values(rows, f'{name}_max')) / 2
    estimate = values(rows, 'estimate')
    if not thick:
        panel.plot(x, estimate, color=COLOURS[number], lw=0.5, alpha=0.8)
        return
    place = {'baseline': 0, 'member': -1, 'control': 1}[role] * (2 if finder not in roles.get(
        role, ()) and 'mean' not in finder else 1)
    x = x + 0.012 * place * np.ptp(x)  # so that intervals stand beside each other
    style = '--' if 'learner' in finder or 'weighted' in finder else '-'
    panel.errorbar(x, estimate, [estimate - values(rows, 'lo'), values(rows, 'hi') - estimate],
                   color=COLOURS[number], ls=style, marker=MARKERS[number], capsize=2,
                   label=plain(finder), ms=3.5, elinewidth=0.8)


@styled
def plot_pairs(table):
    """Draw the yields of each pair of equal seed, joined."""
    names = np.asarray(table['contrast']).astype(str)
    budgets = np.unique(table['budget'])
    figure, panels = new_figure(NARROW if len(budgets) == 1 else WIDE * 0.75, 2.4,
                                n_cols=len(budgets))
    for panel, budget in zip(panels, budgets, strict=True):
        rows = table[(table['budget'] == budget) & (names != STRATA)]
        for number, row in enumerate(rows):
            panel.plot([0, 1], [row['found_second'], row['found_first']], color=COLOURS[number % 7],
                       marker=MARKERS[number % 7],
                       label=plain(str(row['contrast']).partition(' less ')[0].partition(', ')[2]))
        panel.set_xticks([0, 1], ['random', 'stratified'])
        panel.set(xlim=(-0.3, 1.3), title=f'best {budget:,g}')
    panels[0].set_ylabel('lenses found')
    panels[0].legend()
    return figure


def _bar(panel, y, value, lo, hi, color, marker):
    panel.plot([lo, hi], [y, y], color=color, lw=1)
    panel.plot(value, y, marker, color=color, ms=7 if marker == '*' else 4)
