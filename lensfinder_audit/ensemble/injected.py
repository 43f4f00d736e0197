# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Injected lenses in a study: which of them the models find at the budgets of the sample."""
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import QTable, vstack

from lensfinder_audit.cutouts import CutoutStore
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.expressions import column_values
from lensfinder_audit.files import sha256
from lensfinder_audit.measure.binning import make_axis
from lensfinder_audit.measure.cells import Design, Grid
from lensfinder_audit.measure.comparison import adjust_p_values, comparison_table
from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.measure.covered import covered_area
from lensfinder_audit.measure.thresholds import OperatingPoint, operating_points_table
from lensfinder_audit.recovery import read_injections

__all__ = ['Injected', 'read_injected', 'measure_injected']

_TABLE, _IMAGES = 'injections.parquet', 'images'  # that inject --keep-images writes


@dataclass
class Injected:
    """
    Injected lenses with their stamps.

    Parameters
    ----------
    table : (m,) `~astropy.table.QTable`
        Schema ``injections``: rows of the base, without those that have a problem or a host
        that something of the study learnt from.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        The stamps, by ``object_id``.
    by : list of str
        Axes of the completeness.
    meta : dict
        Where they come from, and how many were left out.
    scores : dict of str to (m,) `~numpy.ndarray`
        By model and ensemble.
    """

    table: QTable
    store: CutoutStore
    by: list
    meta: dict
    scores: dict = field(default_factory=dict)

    @property
    def group(self):
        """What is resampled together: the host, where the run says nothing else."""
        return np.asarray(self.table['group']).astype(str)


def read_injected(study, sample):
    """
    Read the injections that a study names.

    Parameters
    ----------
    study : `~lensfinder_audit.ensemble.study_file.Study`
        ``injections``: the folder, or ``folder`` and ``by``.
    sample : `~lensfinder_audit.ensemble.sample.Sample`
        Rows of the study; injections into what is trained or fitted on are left out.

    Returns
    -------
    injected : `Injected` or None
        `None` where the study names none.

    Raises
    ------
    InputFileError
        If the folder lacks the table or the images.
    ConfigError
        If no model of the study scores pixels.
    TableError
        If no injection is left, an axis is unknown, or a stamp is missing.
    """
    told = study.injections
    if not told:
        return None
    told = {'folder': told} if isinstance(told, str) else told
    if not any(model.source in ('train', 'finder') for model in study.models().values()):
        raise ConfigError('injections are named and every model is a table of scores, which knows '
                          'nothing of injected stamps; train models, or load one with finder')
    folder = study.folder / told['folder']
    table = read_injections(_there(folder / _TABLE))
    store = CutoutStore(_there(folder / _IMAGES))
    table, meta = _usable(table, sample, folder)
    by = list(told.get('by') or [*(['theta_e'] if 'theta_e' in table.colnames else []),
                                 *study.conditions])
    for name in by:
        table[name] = table[name] if name in table.colnames else column_values(
            table, name, what=f'{folder / _TABLE}')
    lost = sorted(set(np.asarray(table['object_id']).astype(str)) - set(store.keys))
    if lost:
        raise TableError(f'{folder}: {len(lost)} of {len(table)} injections have no image, the '
                         f'first is {str(lost[0])!r}; make them with "inject --keep-images"')
    return Injected(table, store, by, meta)


def measure_injected(study, found, injected, shared, *, mass, reference):
    """
    Measure how many injected lenses each model and ensemble finds.

    Parameters
    ----------
    study : `~lensfinder_audit.ensemble.study_file.Study`
        Budgets, conditions, level.
    found : `~lensfinder_audit.ensemble.measured.Reported`
        The sample that the thresholds come from.
    injected : `Injected`
        With scores.
    shared : dict
        ``confidence``, ``n_resamples`` and ``seed``.
    mass : (n,) `~numpy.ndarray`
        Objects of the search that a row of the sample stands for.
    reference : str or None
        Finder that the others are compared with.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
        ``injection_thresholds``, ``injected_completeness``, the same by each axis,
        ``injected_differences`` and ``injected_area``, where there is something in them.
    """
    points = [OperatingPoint(budget=budget) for budget in study.budgets]
    scores = {name: found.scores[name] for name in injected.scores if name in found.main()}
    cuts = operating_points_table(scores, found.label, points, weight=mass,
                                  confidence=shared['confidence'])
    cuts['n_injections_tied'] = [int((injected.scores[str(row['finder'])]
                                      == row['tied_score']).sum()) for row in cuts]
    design = Design(group='_group', min_groups=study.statistics.get('min_groups', 10),
                    n_resamples=shared['n_resamples'], seed=shared['seed'],
                    confidence=shared['confidence'])
    table, first = _table(injected), cuts[cuts['operating_point'] == points[0].name]
    axes = [_axis(table, name, study, injected) for name in injected.by]
    tables = {'injection_thresholds': cuts, 'injected_completeness': _whole(table, first, design),
              **{f'injected_completeness_by_{axis.name}': _by(table, axis, first, design)
                 for axis in axes}}
    if reference in scores and len(scores) > 1:
        tables['injected_differences'] = _differences(table, cuts, reference, shared)
    conditions = [axis for axis in axes if axis.name in study.conditions][:2]
    if conditions:
        tables['injected_area'] = covered_area(
            table, {str(row['finder']): table[str(row['finder'])] >= row['threshold']
                    for row in first}, by=conditions, level=study.level,
            search=_plain(found.table, conditions), mass=mass, group=injected.group,
            min_groups=design.min_groups, reference=reference if reference in scores else None,
            **shared)
    unable = [name for name in found.main() if name not in scores]
    for item in tables.values():
        item.meta |= {'injections': injected.meta, 'realism': injected.meta['realism'],
                      'cannot_score_injections': unable, 'budget': study.budgets[0]}
    return tables


def _there(path):
    if not path.exists():
        raise InputFileError(f'{path.parent}: holds no {path.name}; give the output of '
                             '"lensfinder-audit inject --keep-images"')
    return path


def _usable(table, sample, folder):
    """Leave out other arms, failures, and hosts that something of the study learnt from."""
    base = table[np.asarray(table['arm']).astype(str) == 'base']
    scored = base[np.asarray(base['problem']).astype(str) == '']
    learnt = np.asarray(sample.table['object_id'])[sample.train | sample.fit].astype(str)
    seen = np.isin(np.asarray(scored['host']).astype(str), learnt)
    used = scored[~seen]
    if not len(used):
        raise TableError(f'{folder}: none of {len(base)} injections can be used: '
                         f'{len(base) - len(scored)} failed, {seen.sum()} lie in hosts that the '
                         'study trains or fits on; inject into other hosts, such as --where '
                         '"split in test"')
    meta = {'path': str(Path(folder)), 'sha256': sha256(folder / _TABLE), 'n': len(used),
            'n_hosts': len(np.unique(np.asarray(used['host']))),
            'n_failed': len(base) - len(scored), 'n_in_learnt_hosts': int(seen.sum()),
            **{name: table.meta.get(name) for name in ('simulator', 'priors', 'gain', 'seed',
                                                       'simulated')},
            'realism': table.meta.get('realism', 'not measured')}
    return used, meta


def _table(injected):
    table = QTable({'label': np.ones(len(injected.table), bool), '_group': injected.group,
                    **{name: injected.table[name] for name in injected.by}})
    for name, values in injected.scores.items():
        table[name] = values
    return table


def _axis(table, name, study, injected):
    unit = str(getattr(table[name], 'unit', '') or '')
    return make_axis(table[name], name, bins=study.bins.get(name, 'quantile'), n_bins=4, unit=unit)


def _plain(table, axes):
    return QTable({axis.name: column_values(table, axis.name) for axis in axes})


def _whole(table, cuts, design):
    """Measure completeness, and how it moves with the threshold in its interval."""
    parts = []
    for row in cuts:
        name = str(row['finder'])
        parts.append(completeness_table(table, threshold=row['threshold'], score=name,
                                        **design.__dict__))
        parts[-1]['finder'], scores = name, np.asarray(table[name])
        parts[-1]['estimate_least'] = float((scores >= row['threshold_hi']).mean())
        parts[-1]['estimate_greatest'] = float((scores >= row['threshold_lo']).mean())
    return _stacked(parts)


def _by(table, axis, cuts, design):
    grid = Grid(table, by=[axis])
    parts = []
    for row in cuts:
        parts.append(completeness_table(table, threshold=row['threshold'], grid=grid,
                                        score=str(row['finder']), **design.__dict__))
        parts[-1]['finder'] = str(row['finder'])
    return _stacked(parts)


def _differences(table, cuts, reference, shared):
    """Compare every finder with the reference, on the same injections and hosts."""
    wanted = {}
    for row in cuts:
        wanted.setdefault(str(row['operating_point']), {})[str(row['finder'])] = row['threshold']
    names = [name for name in next(iter(wanted.values())) if name != reference]
    parts = [comparison_table(table, {point: {name: found[name], reference: found[reference]}
                                      for point, found in wanted.items()}, group='_group',
                              **shared) for name in names]
    stacked = vstack(parts, metadata_conflicts='silent')
    stacked['p_adjusted'] = adjust_p_values(stacked['p_value'])
    stacked.meta = parts[0].meta | {'n_tests': len(stacked), 'cluster': 'host'}
    return stacked


def _stacked(parts):
    stacked = vstack(parts, metadata_conflicts='silent')
    stacked.meta = {**parts[0].meta, 'threshold': 'of each finder, in injection_thresholds',
                    'score': 'of each finder', 'cluster': 'host',
                    'quantity': 'fraction of the injected lenses at or above the threshold'}
    return stacked[['finder', *(name for name in stacked.colnames if name != 'finder')]]
