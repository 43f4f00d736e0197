# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Compose the measurements of an audit: every finder, operating point and axis."""
import re
from collections import Counter
from functools import cached_property

import numpy as np
from astropy.table import QTable, vstack

from lensfinder_audit.exceptions import ConfigError, MeasurementError, TableError
from lensfinder_audit.measure.binning import make_axis
from lensfinder_audit.measure.calibration import calibration_table
from lensfinder_audit.measure.cells import Design, Grid
from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.measure.false_positives import false_positive_table
from lensfinder_audit.measure.probability import to_probability
from lensfinder_audit.measure.purity import purity_table
from lensfinder_audit.measure.ranking import ranking_table
from lensfinder_audit.measure.reliability import reliability_table
from lensfinder_audit.measure.roc import roc_curve_table
from lensfinder_audit.measure.score_to_probability import score_to_probability
from lensfinder_audit.measure.thresholds import OperatingPoint, operating_points_table
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.tables import require_columns
from lensfinder_audit.vocabulary import describes_lenses, quantity_name

__all__ = ['measure_all', 'operating_points', 'check_axes', 'DEFAULT_FPRS']

#: Operating points of an audit that names none.
DEFAULT_FPRS = (0.01, 0.001)

_SAMPLE = ('tier', 'discovery')

# Columns of results that an axis of words, which keeps its name, must not have.
_RESULTS = ('finder', 'operating_point', 'threshold', 'discovery', 'quantity', 'n', 'n_recovered',
            'n_groups', 'n_eff', 'estimate', 'lo', 'hi', 'boot_lo', 'boot_hi', 'supported', 'state',
            'reason', 'exact_lo', 'exact_hi', 'upper', 'sides', 'n_true', 'n_false', 'n_lenses',
            'n_negatives')


def operating_points(options, *, negatives=True, kinds=()):
    """
    List the operating points that options ask for.

    Parameters
    ----------
    options : `~lensfinder_audit.config.AuditOptions`
        The options.
    negatives : bool, optional
        Whether the sample has negatives; without them and without any operating
        point, a score of 0.5 is taken.
    kinds : iterable of str, optional
        Score kinds of the finders; where a low score is the lens-like one, fixed
        scores turn round with them.

    Returns
    -------
    points : list of `~lensfinder_audit.measure.thresholds.OperatingPoint`
        In the order fixed score, FPR, top percentage, budget.
    """
    points = [OperatingPoint(threshold=value) for value in _fixed_scores(options, kinds)]
    points += [OperatingPoint(fpr=float(value)) for value in options.fprs]
    points += [OperatingPoint(top_percent=float(value)) for value in options.top_percents]
    points += [OperatingPoint(budget=float(value), search_size=options.search_size)
               for value in options.budgets]
    if points:
        if options.fprs and not negatives:
            raise MeasurementError('an operating point at a false-positive rate needs negatives, '
                                   'and the sample has none; give them with --negatives, or fix a '
                                   'score with --threshold')
        return points
    if not negatives:
        if set(kinds) - {'probability'}:
            raise MeasurementError('the sample has no negatives, and its scores are not all '
                                   'probabilities, so an operating point must be stated with '
                                   '--threshold or --top-percent')
        return [OperatingPoint(threshold=0.5)]
    return [OperatingPoint(fpr=value) for value in DEFAULT_FPRS]


def _fixed_scores(options, kinds):
    """Return the fixed scores as the scores enter, turned round where low is lens-like."""
    if not options.lower_is_better:
        return [float(value) for value in options.thresholds]
    tops = {1 if kind == 'probability' else 0 for kind in kinds} or {1}
    if len(tops) > 1 and options.thresholds:
        raise ConfigError('one fixed score does not suit probabilities and other scores of which '
                          'the low ones are lens-like; audit the finders one by one')
    return [max(tops) - float(value) for value in options.thresholds]


def check_axes(sample, by):
    """
    Split the axes that were asked for, and check that the columns are there.

    Parameters
    ----------
    sample : `~astropy.table.Table`
        The sample.
    by : sequence of str
        Column names; ``'a,b'`` is a surface.

    Returns
    -------
    axes : list of list of str
        One or two columns each.
    """
    axes = [[name.strip() for name in item.split(',')] for item in dict.fromkeys(by)]
    for names in axes:
        if len(names) > 2 or len(set(names)) < len(names) or '' in names:
            raise ConfigError(f'--by {",".join(names)}: an axis is one column, and a surface two '
                              'different ones')
        for name in names:
            if sample.meta.get('arrays') and name in sample.meta['arrays']:
                raise TableError(f'column {name!r} holds arrays and cannot be an axis')
        require_columns(sample, names, what='the score table')
        for name in names:
            if np.asarray(sample[name]).dtype.kind in 'USO' and name in _RESULTS:
                raise ConfigError(f'--by {name}: results have a column {name!r} of their own; '
                                  'rename that of the score table')
    twice = Counter(_table_name(names) for names in axes)
    if axes and max(twice.values()) > 1:
        raise ConfigError(f'--by: two axes would share the table {twice.most_common(1)[0][0]!r}; '
                          'rename a column')
    return axes


def _table_name(names):
    """Name of an axis in the names of tables, which are names of files too."""
    return re.sub(r'[^\w.+-]+', '_', '_and_'.join(names)).strip('.') or 'axis'


def measure_all(sample, kinds, options, *, progress=None, only=None):
    """
    Take every measurement that a sample allows.

    Parameters
    ----------
    sample : `~astropy.table.QTable`
        As ``build_sample`` of `lensfinder_audit.audit` returns it.
    kinds : dict of str to str
        Score kind of each finder.
    options : `~lensfinder_audit.config.AuditOptions`
        The options.
    progress : callable, optional
        Called with the name of each measurement before it is taken.
    only : sequence of str, optional
        Measurements to take, such as ``'calibration'``; all without it.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
        Measurements by name; what the sample does not allow is left out.
    """
    study = _Study(sample, kinds, options)
    tables = {'operating_points': study.points_table()}
    steps = {'completeness': study.has_lenses, 'false_positives': study.has_negatives}
    steps |= dict.fromkeys(('purity', 'ranking', 'calibration'),
                           study.has_lenses and study.has_negatives)
    for name, possible in steps.items():
        if possible and (only is None or name in only):
            if progress:
                progress(f'{name.replace("_", " ")} ...')
            tables |= getattr(study, name)()
    return tables


class _Study:
    """A sample with its design, thresholds and shared resamples."""

    def __init__(self, sample, kinds, options):
        self.sample, self.kinds, self.options = sample, kinds, options
        self.axes = check_axes(sample, options.by)
        self.label = np.asarray(sample['label'])
        self.has_lenses, self.has_negatives = bool(self.label.any()), bool((~self.label).any())
        self.design = {
            'weight': 'weight' if 'weight' in sample.colnames else None,
            'group': 'group' if 'group' in sample.colnames else None,
            'stratum': 'stratum_code' if 'stratum_code' in sample.colnames else None,
            'interval': options.interval, 'confidence': options.confidence,
            'min_groups': options.min_groups, 'n_resamples': options.n_resamples,
            'seed': options.seed}
        self.weight, self.group = (None if self.design[name] is None
                                   else np.asarray(sample[self.design[name]])
                                   for name in ('weight', 'group'))
        self.survey = load_plugin('surveys', options.survey)

    @cached_property
    def resampler(self):
        return Design(**self.design).resampler(self.sample)

    @cached_property
    def points(self):
        return operating_points(self.options, negatives=self.has_negatives,
                                kinds=self.kinds.values())

    def points_table(self):
        scores = {name: np.asarray(self.sample[name]) for name in self.kinds}
        self.thresholds = operating_points_table(
            scores, self.label, self.points, weight=self.weight,
            prevalence=self.options.prevalence, confidence=self.options.confidence)
        return self.thresholds

    def axis(self, name):
        """Make one axis, from the values of the lenses where there are any."""
        condition = self.survey.conditions.get(name)
        values = self.sample[name]
        held = values[self.label] if self.has_lenses else values
        if np.asarray(values).dtype.kind not in 'USO' and not np.isfinite(
                np.asarray(held, dtype=float)).any():
            held = values
        elif np.asarray(values).dtype.kind in 'USO':
            held = values
        return make_axis(held, name, bins=self.options.bins.get(name, 'auto'),
                         published=condition.published_edges if condition else (),
                         unit=str(getattr(values, 'unit', '') or (condition.unit if condition
                                                                  else '')),
                         possible=self.options.possible.get(name, ()))

    @cached_property
    def sides(self):
        """Lenses (True) and negatives (False), with their resamples."""
        return {side: (self.sample[self.label == side],
                       self.resampler.subset(self.label == side)) for side in (True, False)}

    def grids(self, side, sample=()):
        """Yield the name and the grid of every axis and surface, over one side."""
        table = self.sides[side][0]
        for names in self.axes if side else self._axes_of_all():
            by = [self.axis(name) for name in names]
            yield _table_name(names), Grid(table, by=by, sample=sample)

    def _axes_of_all(self):
        """Leave out the axes on which no negative can have a place, such as Einstein radius."""
        negatives = self.sample[~self.label]
        return [names for names in self.axes
                if not any(describes_lenses(name) and _nowhere(negatives[name]) for name in names)]

    def at_points(self, measure, side, **grid):
        """Run a measurement at every threshold and stack the tables."""
        table, resampler = self.sides[side]
        return self._each(lambda finder, threshold: measure(
            table, threshold=threshold, score=finder, resampler=resampler, **grid, **self.design))

    def _each(self, run):
        found = []
        for row in self.thresholds:
            part = run(row['finder'], float(row['threshold']))
            part.add_columns([np.full(len(part), row['finder']),
                              np.full(len(part), row['operating_point']),
                              np.full(len(part), row['threshold'])],
                             names=['finder', 'operating_point', 'threshold'], indexes=[0, 0, 0])
            found.append(part)
        return _stack(found)

    def completeness(self):
        grids = {'completeness': Grid(self.sides[True][0], sample=_SAMPLE)}
        grids |= {f'completeness_by_{name}': grid for name, grid in self.grids(True, _SAMPLE)}
        tables = {name: self.at_points(completeness_table, True, grid=grid)
                  for name, grid in grids.items()}
        for table in tables.values():
            table.add_column(quantity_name(table['discovery']), name='quantity',
                             index=table.colnames.index('discovery') + 1)
        return tables

    def false_positives(self):
        negatives = self.sides[False][0]
        found = [self.at_points(false_positive_table, False, grid=Grid(negatives))]
        found[0].add_column(np.full(len(found[0]), 'all'), name='confuser_class', index=3)
        if 'confuser_class' in negatives.colnames and (negatives['confuser_class'] != '').any():
            grid = Grid(negatives, by=['confuser_class'])
            found.append(self.at_points(false_positive_table, False, grid=grid))
        tables = {'false_positives': _stack(found)}
        for name, grid in self.grids(False):
            tables[f'false_positives_by_{name}'] = self.at_points(false_positive_table, False,
                                                                  grid=grid)
        return tables

    def purity(self):
        prevalence = self.options.prevalence
        if prevalence is None:
            return {}
        grids = {'purity': ()} | {f'purity_by_{_table_name(names)}': [self.axis(names[0])]
                                  for names in self._axes_of_all() if len(names) == 1}
        return {name: self._each(lambda finder, threshold, by=by: purity_table(
            self.sample, threshold=threshold, prevalence=prevalence, by=by, score=finder,
            search_size=self.options.search_size, **self.design)) for name, by in grids.items()}

    def ranking(self):
        rest = {'weight': self.weight, 'group': self.group}
        ranks = [ranking_table(np.asarray(self.sample[name]), self.label, finder=name,
                               confidence=self.options.confidence, seed=self.options.seed,
                               n_resamples=self.options.n_resamples, **rest)
                 for name in self.kinds]
        curves = [_named(roc_curve_table(np.asarray(self.sample[name]), self.label,
                                         weight=self.weight), name) for name in self.kinds]
        return {'ranking': _stack(ranks), 'roc': _stack(curves)}

    def calibration(self):
        finders = [name for name, kind in self.kinds.items() if kind != 'rank']
        parts = {'reliability': [], 'calibration': [], 'score_to_probability': []}
        for name in finders:
            self._calibrate(name, parts)
        if self.options.prevalence is not None:
            parts['score_to_probability'] = [self._probabilities(name) for name in self.kinds]
        return {name: _stack(found) for name, found in parts.items() if found}

    def _calibrate(self, name, parts):
        probability = to_probability(np.asarray(self.sample[name]), self.kinds[name])
        rest = {'weight': self.weight, 'group': self.group, 'confidence': self.options.confidence,
                'seed': self.options.seed, 'resampler': self.resampler}
        stated = [None] if self.options.prevalence is None else [None, self.options.prevalence]
        for prevalence in stated:
            parts['calibration'].append(_named(calibration_table(
                probability, self.label, prevalence=prevalence, **rest), name))
            for bins in ('positives', 'zoom'):
                table = reliability_table(probability, self.label, bins=bins, prevalence=prevalence,
                                          interval=self.options.interval,
                                          min_groups=self.options.min_groups, **rest)
                table['bins'] = np.full(len(table), bins)
                table['prevalence'] = np.full(len(table), np.nan if prevalence is None
                                              else prevalence)
                parts['reliability'].append(_named(table, name))

    def _probabilities(self, name):
        table = score_to_probability(
            np.asarray(self.sample[name]), self.label, prevalence=self.options.prevalence,
            weight=self.weight, group=self.group, confidence=self.options.confidence,
            score_kind=self.kinds[name], seed=self.options.seed,
            n_resamples=min(self.options.n_resamples, 1000))  # each is an isotonic fit
        table['prevalence'] = np.full(len(table), self.options.prevalence)
        return _named(table, name)


def _named(table, finder):
    if 'finder' not in table.colnames:
        table.add_column(np.full(len(table), finder), name='finder', index=0)
    return table


def _stack(tables):
    """Stack tables of one schema; entries of meta that differ become lists."""
    if not tables:
        raise ConfigError('nothing to stack')
    meta = {key: value if all(table.meta.get(key) == value for table in tables)
            else [table.meta.get(key) for table in tables] for key, value in tables[0].meta.items()}
    stacked = vstack(tables, metadata_conflicts='silent')
    for name in stacked.colnames:
        column = stacked[name]
        if hasattr(column, 'filled'):
            stacked[name] = column.filled('' if column.dtype.kind in 'US' else np.nan)
    stacked.meta = meta
    return QTable(stacked, copy=False)


def _nowhere(values):
    """Whether no row has a value."""
    values = np.asarray(values)
    return bool((values == '').all() if values.dtype.kind in 'US' else
                np.isnan(values).all() if values.dtype.kind == 'f' else not len(values))
