# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The tables of a study: yields, contrasts, diversity, discoveries, conditions, areas."""
from dataclasses import dataclass

import numpy as np
from astropy.table import QTable, vstack

from lensfinder_audit.ensemble.combined import ensemble_name
from lensfinder_audit.ensemble.injected import measure_injected
from lensfinder_audit.measure.binning import make_axis
from lensfinder_audit.measure.cells import Design, Grid
from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.measure.contrasts import (jackknife_error, seed_interval, widen_contrasts,
                                                yield_contrasts)
from lensfinder_audit.measure.covered import covered_area
from lensfinder_audit.measure.delong import delong
from lensfinder_audit.measure.diversity import (budget_selections, discovery_sets, diversity_table,
                                                found_by)
from lensfinder_audit.measure.yields import searched_mass, yield_tables
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['Reported', 'measure_study', 'member_table', 'MAIN', 'STRATA']

#: Names of the contrasts that the words of a report are about.
MAIN = '{} of members less {} of controls'
STRATA = 'stratified less random, mean over seeds'

_MOST_SETS = 12


@dataclass
class Reported:
    """
    What is reported on: scores of models and ensembles, and who is what.

    Parameters
    ----------
    table : (m,) `~astropy.table.QTable`
        Rows that are reported on.
    scores : dict of str to (m,) `~numpy.ndarray`
        By model and ensemble.
    roles : dict of str to list of str
        Models by role.
    methods : list of str
        How ensembles are combined.
    left_out : dict of str to list of (m,) `~numpy.ndarray`
        Ensembles of controls without one of them, by method.
    group : (m,) `~numpy.ndarray` or None
        Resampled together.
    weight : (m,) `~numpy.ndarray` or None
        Of the rows.
    """

    table: QTable
    scores: dict
    roles: dict
    methods: list
    left_out: dict
    group: object = None
    weight: object = None

    @property
    def label(self):
        """Whether each row is a lens."""
        return np.asarray(self.table['label'], dtype=bool)

    def main(self):
        """Return the models and ensembles that are no arm of the stratification study."""
        arms = {*self.roles.get('stratified', ()), *self.roles.get('random', ())}
        return {name: values for name, values in self.scores.items() if name not in arms}


def measure_study(study, found, injected=None):
    """
    Make the tables of a study.

    Parameters
    ----------
    study : `~lensfinder_audit.ensemble.study_file.Study`
        Budgets, conditions, statistics.
    found : `Reported`
        What is reported on.
    injected : `~lensfinder_audit.ensemble.injected.Injected`, optional
        Injected lenses with their scores.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
        ``yields``, ``yield_differences``, ``contrasts``, ``diversity``, ``discovery_sets``,
        ``completeness_by_<condition>``, ``covered_area``, those of
        `~lensfinder_audit.ensemble.injected.measure_injected` and
        ``stratification``, where there is something to put into them, and ``objects``.
    """
    shared = {'confidence': 0.95, 'n_resamples': 2000, 'seed': 0} | {
        name: value for name, value in study.statistics.items()
        if name in ('confidence', 'n_resamples', 'seed')}
    search = {'prevalence': study.search.get('prevalence'),
              'search_size': study.search.get('size')}
    mass = searched_mass(found.label, weight=found.weight, **search)
    power = study.statistics.get('power', 0.8)
    yields = yield_tables(found.main(), found.label, study.budgets, weight=mass,
                          group=found.group, power=power, **shared)
    contrast = {'label': found.label, 'budgets': study.budgets, 'weight': mass,
                'group': found.group, 'power': power, **shared}
    picks = budget_selections(found.main(), mass, study.budgets, seed=shared['seed'])
    tables = {'yields': yields.yields, 'yield_differences': yields.differences,
              'contrasts': _contrasts(found, contrast), **_alike(found, picks, mass, shared),
              **_conditions(study, found, picks, mass, shared),
              **({} if injected is None else measure_injected(
                  study, found, injected, shared, mass=mass, reference=_reference(found))),
              'stratification': _stratification(found, contrast),
              'objects': _objects(found, picks)}
    return {name: table for name, table in tables.items() if table is not None}


def member_table(rows, found):
    """
    Return the table of models, with the AUC of each on the rows that are reported on.

    Parameters
    ----------
    rows : list of dict
        What is known of each model, from `~lensfinder_audit.ensemble.models.Scored`.
    found : `Reported`
        What is reported on.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``ensemble_members``, with DeLong intervals.
    """
    empty = dict.fromkeys(('auc', 'auc_lo', 'auc_hi'), float('nan'))
    table = []
    for row in rows:
        area = delong(found.scores[row['finder']], found.label) if row['finder'] in found.scores \
            else None
        table.append(row | (empty if area is None else {
            'auc': float(area.auc), 'auc_lo': float(area.lo), 'auc_hi': float(area.hi)}))
    table = QTable(rows=table)
    table.meta = schema_meta('ensemble_members', interval='DeLong', confidence=0.95)
    return check_table(table, 'ensemble_members')


def _contrasts(found, options):
    """Compare ensembles of members with those of controls and with one model on all data."""
    members, controls, baseline = (found.roles.get(role, []) for role in ('member', 'control',
                                                                          'baseline'))
    wanted = {}
    for method in found.methods:
        one, two = (ensemble_name(method, role) for role in ('member', 'control'))
        if two in found.scores:
            wanted[MAIN.format(*[method.replace('_', '-')] * 2)] = {one: 1.0, two: -1.0}
        for name in (one, two):
            if baseline and name in found.scores:
                wanted[f'{name} less baseline'] = {name: 1.0, baseline[0]: -1.0}
    if controls:
        wanted['a member less a control, on average'] = {
            **dict.fromkeys(members, 1 / len(members)),
            **dict.fromkeys(controls, -1 / len(controls))}
    if not wanted:
        wanted = {f'{ensemble} less {name}': {ensemble: 1.0, name: -1.0} for name in members
                  for ensemble in (ensemble_name(method, 'member') for method in found.methods)}
    table = yield_contrasts(found.scores, contrasts=wanted, **options)
    return widen_contrasts(table, _seed_errors(found, wanted, options))


def _seed_errors(found, wanted, options):
    """Return what the training seeds add to each contrast, from the controls."""
    controls = found.roles.get('control', [])
    if len(controls) < 3:
        return {}
    several = {name: _found(found.scores[name], options) for name in controls}
    single = np.std(list(several.values()), axis=0, ddof=1)
    errors = {'a member less a control, on average': single * np.sqrt(2 / len(controls))}
    for method, scores in found.left_out.items():
        ensemble = jackknife_error([_found(values, options) for values in scores])
        errors[MAIN.format(*[method.replace('_', '-')] * 2)] = ensemble * np.sqrt(2)
        for role in ('member', 'control'):
            errors[f'{ensemble_name(method, role)} less baseline'] = np.hypot(ensemble, single)
    return {name: error for name, error in errors.items() if name in wanted}


def _found(scores, options):
    """Return the yield at each budget."""
    rest = {name: options[name] for name in ('label', 'budgets', 'weight')}
    table = yield_contrasts({'one': scores}, contrasts={'one': {'one': 1.0}}, n_resamples=2, **rest)
    return np.asarray(table['difference'])


def _alike(found, picks, mass, shared):
    """Measure diversity and discoveries among the members, and among the controls."""
    alike, sets = [], []
    for role in ('member', 'control'):
        names = found.roles.get(role, [])
        if len(names) < 2:
            continue
        scores = {name: found.scores[name] for name in names}
        chosen = {point: {name: selected[name] for name in names}
                  for point, selected in picks.items()}
        alike.append(diversity_table(scores, found.label, chosen, weight=mass, group=found.group,
                                     **shared))
        if len(names) <= _MOST_SETS:
            sets.append(discovery_sets(chosen, found.label, weight=mass, group=found.group,
                                       confidence=shared['confidence']))
            sets[-1]['ensemble'] = f'{role}s'
        alike[-1]['ensemble'] = f'{role}s'
    return {'diversity': _stacked(alike), 'discovery_sets': _stacked(sets)}


def _conditions(study, found, picks, mass, shared):
    """Measure completeness at the first budget by condition, and the area that is covered."""
    if not study.conditions:
        return {}
    selected = next(iter(picks.values()))
    least = study.statistics.get('min_groups', 10)
    axes = [_axis(found.table, name, study.bins.get(name, 'quantile'), found.label)
            for name in study.conditions]
    table = QTable(found.table, copy=False)
    table['_weight'] = mass
    if found.group is not None:
        table['_group'] = found.group
    design = Design(weight='_weight', group=None if found.group is None else '_group',
                    min_groups=least, n_resamples=0, confidence=shared['confidence'])
    tables = {f'completeness_by_{axis.name}': _by(table, axis, selected, found, design)
              for axis in axes}
    tables['covered_area'] = covered_area(
        table, selected, by=axes[:2], level=study.level, mass=mass, weight=mass,
        group=found.group, min_groups=least, reference=_reference(found), **shared)
    return tables


def _axis(table, name, bins, label):
    unit = str(getattr(table[name], 'unit', '') or '')
    return make_axis(table[name][label], name, bins=bins, n_bins=4, unit=unit)


def _reference(found):
    """Return the ensemble that areas are compared with: of controls, else the baseline."""
    first = ensemble_name(found.methods[0], 'control') if found.methods else ''
    baseline = found.roles.get('baseline', [None])
    return first if first in found.scores else baseline[0] if baseline else None


def _by(table, axis, selected, found, design):
    """Stack the completeness of every finder over the bins of one condition."""
    grid = Grid(table, by=[axis], rows=found.label)
    parts = []
    for name, rows in selected.items():
        table['_found'] = np.asarray(rows, dtype=float)
        parts.append(completeness_table(table, threshold=0.5, score='_found', grid=grid,
                                        **design.__dict__))
        parts[-1]['finder'] = name
    stacked = _stacked(parts)
    stacked.meta['quantity'] = 'fraction of the lenses among the best-ranked objects'
    return stacked


def _stratification(found, options):
    """Compare stratified with random negatives, seed by seed and over all seeds."""
    arms = [found.roles.get(role, []) for role in ('stratified', 'random')]
    if not arms[0]:
        return None
    pairs = list(zip(*arms, strict=True))
    wanted = {f'{one} less {two}': {one: 1.0, two: -1.0} for one, two in pairs}
    wanted[STRATA] = {name: sign / len(pairs) for sign, names in zip((1, -1), arms, strict=True)
                      for name in names}
    table = yield_contrasts(found.scores, contrasts=wanted, **options)
    names = np.asarray(table['contrast']).astype(str)
    table['seeds_lo'] = table['seeds_hi'] = np.nan
    for budget in np.unique(table['budget']):
        here = np.asarray(table['budget']) == budget
        each = np.asarray(table['difference'][here & (names != STRATA)])
        row = np.flatnonzero(here & (names == STRATA))
        table['seeds_lo'][row], table['seeds_hi'][row] = seed_interval(
            each, confidence=options['confidence'])
    return table


def _objects(found, picks):
    """Return the objects with their scores and the members that select them."""
    keep = [name for name in ('object_id', 'ra', 'dec', 'label', 'split', 'weight')
            if name in found.table.colnames]
    objects = QTable(found.table[keep], copy=True)
    for name, values in found.scores.items():
        objects[name] = values
    members = found.roles.get('member', [])
    for point, selected in picks.items() if len(members) <= _MOST_SETS else ():
        objects[f'found_by, {point}'] = found_by({name: selected[name] for name in members})
    return objects


def _stacked(tables):
    if not tables:
        return None
    stacked = vstack(tables, metadata_conflicts='silent')
    stacked.meta = dict(tables[0].meta)
    order = [name for name in ('ensemble', 'finder') if name in stacked.colnames]
    return stacked[[*order, *(name for name in stacked.colnames if name not in order)]]
