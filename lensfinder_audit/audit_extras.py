# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What an audit tells beside its own measurements: recovered injections, and who finds what."""
import numpy as np
from astropy.table import vstack

from lensfinder_audit.audit_ensemble import ensemble_tables
from lensfinder_audit.measure.binning import make_axis
from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.measure.diversity import discovery_sets

__all__ = ['extra_tables', 'recovery_tables', 'injection_axes', 'common_finds']

#: Sets of more finders than this are not named one by one.
_MOST_FINDERS = 6


def extra_tables(sample, measured, options, *, sets=(), kinds=None):
    """
    Measure what an audit has beside: recovered injections, and who finds what.

    Parameters
    ----------
    sample : `~astropy.table.QTable`
        The sample of the audit.
    measured : dict of str to `~astropy.table.QTable`
        Its tables.
    options : `~lensfinder_audit.config.AuditOptions`
        What it was told.
    sets : sequence of `~lensfinder_audit.audit_injections.InjectionSet`, optional
        Injections of each finder that has some, with high scores for lenses.
    kinds : dict of str to str, optional
        Score kind of each finder; without it finders are not combined.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
        ``recovery`` and its axes, ``discovery_sets`` and those of
        `~lensfinder_audit.audit_ensemble.ensemble_tables`; what cannot be measured is left
        out.
    """
    points, found = measured['operating_points'], {}
    for item in sets:
        rows = points[np.asarray(points['finder']).astype(str) == item.finder]
        if len(item.table) and len(rows):
            made = recovery_tables(item.table, rows, axes=injection_axes(item.table, measured),
                                   n_resamples=min(options.n_resamples, 2000),
                                   realism=_told(measured), min_groups=options.min_groups)
            for name, table in made.items():
                found.setdefault(name, []).append(table)
    found = {name: _one_table(parts) for name, parts in found.items()}
    if kinds:
        found |= ensemble_tables(sample, points, kinds, options)
    together = common_finds(sample, points, confidence=options.confidence,
                            interval=options.interval)
    return found if together is None else {**found, 'discovery_sets': together}


def _one_table(parts):
    """Stack the injections of several finders; how each were made stands by their finders."""
    if len(parts) < 2:
        return parts[0]
    table = vstack(parts, metadata_conflicts='silent')
    table.meta = {**parts[0].meta, 'injections': {
        str(part['finder'][0]): part.meta['injections'] for part in parts}}
    return table


def _told(measured):
    if 'realism' not in measured:
        return None
    return 'measured: table "realism" of this audit'


def recovery_tables(injections, operating_points, *, axes, n_resamples=4000, realism=None,
                    min_groups=10):
    """
    Measure which injections are recovered at the operating points of an audit.

    Parameters
    ----------
    injections : `~astropy.table.QTable`
        As `~lensfinder_audit.recovery.inject` returns them.
    operating_points : `~astropy.table.QTable`
        Of an audit: ``finder``, ``operating_point``, ``threshold``.
    axes : sequence of sequence of `~lensfinder_audit.measure.binning.Axis`
        Axes and surfaces; an empty one is all injections together.
    n_resamples : int, optional
        Bootstrap resamples.
    realism : dict or str, optional
        As `~lensfinder_audit.realism_gate.gate_meta` returns it, for the ``meta``.
    min_groups : int, optional
        A cell on fewer hosts is unsupported.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
        Schema ``completeness``; groups are distinct hosts.
    """
    if realism is None:
        from lensfinder_audit.realism_gate import NOT_MEASURED  # it renders, which costs an import
        realism = NOT_MEASURED
    found = {}
    for by in axes:
        name = f'recovery_by_{"_and_".join(axis.name for axis in by)}' if by else 'recovery'
        parts = []
        for point in operating_points:
            part = completeness_table(injections, threshold=float(point['threshold']), by=list(by),
                                      score='score', group='host', n_resamples=n_resamples,
                                      min_groups=min_groups)
            for column in ('operating_point', 'finder'):
                part.add_column(np.full(len(part), str(point[column])), name=column, index=0)
            part['threshold'] = float(point['threshold'])
            part['quantity'] = np.full(len(part), 'recovered fraction of injections')
            parts.append(part)
        found[name] = vstack(parts, metadata_conflicts='silent')
        found[name].meta |= {'objects': 'injections', 'injections': dict(injections.meta),
                             'realism': realism}
        found[name].meta.pop('threshold')
    return found


def injection_axes(injections, tables):
    """
    List the axes of an audit along which injections can be counted, in the same bins.

    Parameters
    ----------
    injections : `~astropy.table.QTable`
        The injections.
    tables : dict of str to `~astropy.table.QTable`
        Of an audit; those by one axis are looked at.

    Returns
    -------
    axes : list of list of `~lensfinder_audit.measure.binning.Axis`
        First none, for all injections together.
    """
    found = [[]]
    for name, table in tables.items():
        axes = list(table.meta.get('axes') or ())
        if not name.startswith('completeness_by_') or len(axes) != 1:
            continue
        axis, = axes
        low = f'{axis}_min'
        if axis not in injections.colnames or low not in table.colnames:
            continue
        ends = np.concatenate([np.asarray(getattr(table[end], 'value', table[end]), dtype=float)
                               for end in (low, f'{axis}_max')])
        edges = np.unique(ends[~np.isnan(ends)])
        if len(edges) > 1:
            found.append([make_axis(injections[axis], axis, bins=list(edges),
                                    unit=str(table[low].unit or ''))])
    return found


def common_finds(sample, operating_points, *, confidence=0.95, interval='wilson'):
    """
    Count the lenses that several finders select together, and those that only one does.

    Parameters
    ----------
    sample : `~astropy.table.QTable`
        Objects with ``label`` and a column for each finder.
    operating_points : `~astropy.table.QTable`
        ``finder``, ``operating_point`` and ``threshold``.
    confidence : float, optional
        Of the interval of fractions.
    interval : str, optional
        Its name.

    Returns
    -------
    table : `~astropy.table.QTable` or None
        Schema ``discovery_sets``; `None` for one finder, for more than six, and for a
        sample without lenses.
    """
    finders = list(dict.fromkeys(operating_points['finder'].tolist()))
    label = np.asarray(sample['label']).astype(bool)
    if not 1 < len(finders) <= _MOST_FINDERS or not label.any():
        return None
    scores = {name: np.asarray(sample[name], dtype=float) for name in finders}
    picked = {}
    for point in dict.fromkeys(operating_points['operating_point'].tolist()):
        rows = operating_points[operating_points['operating_point'] == point]
        cuts = dict(zip(rows['finder'].tolist(), rows['threshold'].tolist(), strict=True))
        if set(cuts) == set(finders) and np.isfinite(list(cuts.values())).all():
            picked[point] = {name: scores[name] >= cuts[name] for name in finders}
    options = {name: np.asarray(sample[name]) if name in sample.colnames else None
               for name in ('weight', 'group')}
    return discovery_sets(picked, label, interval=interval, confidence=confidence,
                          **options) if picked else None
