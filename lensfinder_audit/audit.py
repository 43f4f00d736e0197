# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Audit a finder from a table of its scores.

`audit` reads and joins the inputs, composes the measurements and collects the
findings; each measurement is a function of its own in `lensfinder_audit.measure`.
"""
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
from astropy import units as u
from astropy.table import QTable, Table, vstack

import lensfinder_audit
from lensfinder_audit.config import AuditOptions, InputFile, nested_options
from lensfinder_audit.crossmatch import join_conditions, sky_positions
from lensfinder_audit.exceptions import ConfigError, MeasurementError
from lensfinder_audit.files import read_table
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.scoretable import (ROLES, guess_finders, guess_roles, guess_score_kind,
                                         join_negatives, standard_sample)

__all__ = ['audit', 'AuditResult']


@dataclass
class AuditResult:
    """
    What an audit found.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`
        Measurements by name.
    findings : `~astropy.table.QTable`
        What is wrong with the sample, the finder or the audit itself.
    sample : `~astropy.table.QTable`
        One row per object, as it was measured.
    summary : dict
        Counts, inputs and settings, for reports.
    options : `~lensfinder_audit.config.AuditOptions`
        What the audit was told.
    inputs : dict of str to list of `~lensfinder_audit.config.InputFile`
        Files that were read.
    """

    tables: dict
    findings: QTable
    sample: QTable
    summary: dict
    options: AuditOptions
    inputs: dict = field(default_factory=dict)

    def worst(self):
        """Return the gravest severity among the findings, empty without any."""
        from lensfinder_audit.findings import SEVERITIES
        present = set(self.findings['severity']) if len(self.findings) else set()
        return next((word for word in SEVERITIES if word in present), '')

    def write(self, folder, *, overwrite=False, figures=True):
        """
        Write tables, figures, ``audit.yaml`` and ``report.html``.

        Parameters
        ----------
        folder : str or `~pathlib.Path`
            Appears complete or not at all.
        overwrite : bool, optional
            Whether an earlier audit there may be replaced.
        figures : bool, optional
            Whether to draw figures.

        Raises
        ------
        OutputExistsError
            If the folder is there and may not be replaced.
        """
        from lensfinder_audit.output import write_audit
        write_audit(self, folder, overwrite=overwrite, figures=figures)


def audit(scores, *, negatives=None, conditions=(), progress=None, **options):
    """
    Audit one or more finders from a table of their scores.

    Parameters
    ----------
    scores : `~astropy.table.Table`, str or `~pathlib.Path`
        One row per object, one column per finder; a table or its file.
    negatives : `~astropy.table.Table`, str or `~pathlib.Path`, optional
        The negatives, where they come as a table of their own; without a label
        column every row of ``scores`` is then a lens.
    conditions : sequence of `~astropy.table.Table`, str or `~pathlib.Path`, optional
        Catalogues from which observing conditions are joined by position.
    progress : callable, optional
        Called with a few words before each step.
    **options
        Arguments of `~lensfinder_audit.config.AuditOptions`.

    Returns
    -------
    result : `AuditResult`
        Tables, findings and the sample.

    Raises
    ------
    LensfinderAuditError
        If an input cannot be audited; the message says what is wrong with it.

    Examples
    --------
    >>> from lensfinder_audit import audit
    >>> from lensfinder_audit.example import example_scores
    >>> result = audit(example_scores(), thresholds=[0.5], by=['psfsize_r'], n_resamples=500)
    >>> print(result.tables['completeness']['tier', 'discovery', 'n'][0])
    tier  discovery   n
    ---- ----------- ---
       A independent 235
    """
    options = AuditOptions.of(**options)
    tables, inputs = _read_inputs(scores, negatives, conditions)
    sample, kinds, notes = build_sample(tables, options)
    summary = _summary(sample, kinds, notes, tables, inputs, options)
    from lensfinder_audit.composition import measure_all
    from lensfinder_audit.findings import collect_findings

    measured = measure_all(sample, kinds, options, progress=progress)
    if 'conditions' in notes:
        measured['conditions'] = notes['conditions']
    findings = collect_findings(sample, measured, summary, options)
    files = {role: [{'file': item.path.name, 'sha256': item.sha256} for item in found]
             for role, found in inputs.items() if found}
    for table in [*measured.values(), findings]:
        table.meta |= {'inputs': files, 'survey': options.survey}
    return AuditResult(measured, findings, sample, summary, options, inputs)


def build_sample(tables, options):
    """
    Join the inputs into one sample.

    Parameters
    ----------
    tables : dict of str to list of `~astropy.table.Table`
        ``'scores'``, ``'negatives'`` and ``'conditions'``.
    options : `~lensfinder_audit.config.AuditOptions`
        The options.

    Returns
    -------
    sample : `~astropy.table.QTable`
        One row per object.
    kinds : dict of str to str
        Score kind of each finder.
    notes : dict
        What was left out and what matched.
    """
    sample, finders = _labelled(tables, options)
    notes = {'two_files': bool(tables['negatives'])}
    kinds = {name: options.score_kind or guess_score_kind(sample[name], name) for name in finders}
    for name, kind in kinds.items() if options.lower_is_better else ():
        sample[name] = 1 - sample[name] if kind == 'probability' else -sample[name]
    if options.exclude_training:
        sample = _without_training(sample, notes)
    if tables['conditions']:
        sample, notes['conditions'] = _with_conditions(sample, tables['conditions'], options)
    _set_groups(sample, options)
    _set_words(sample)
    return sample, kinds, notes


def _read_inputs(scores, negatives, conditions):
    if isinstance(conditions, Table | str | Path):
        conditions = [conditions]
    given = {'scores': [scores], 'negatives': [] if negatives is None else [negatives],
             'conditions': list(conditions)}
    inputs = {role: [InputFile.of(item) for item in found if not isinstance(item, Table)]
              for role, found in given.items()}
    tables = {role: [item if isinstance(item, Table) else read_table(item) for item in found]
              for role, found in given.items()}
    return tables, inputs


def _labelled(tables, options):
    kind = options.score_kind or 'rank'  # the kind that only asks for numbers
    first = tables['scores'][0]
    alone = not tables['negatives']
    sample = standard_sample(first, roles=_roles(options), finders=options.finders,
                             score_kind=kind, constants=options.constants,
                             label=None if alone else True)
    finders = options.finders or guess_finders(first, roles=guess_roles(first).values())
    if alone:
        return sample, list(finders)
    second = tables['negatives'][0]
    swap = options.negatives_columns
    mapped = {name: swap.get(name, swap.get(column, column)) for name, column in finders.items()}
    negatives = standard_sample(second, roles=_negative_roles(second, options), finders=mapped,
                                score_kind=kind, what='the table of negatives', label=False)
    return join_negatives(sample, negatives), list(finders)


def _roles(options):
    roles = dict(options.columns)
    if options.group and not options.group.startswith('healpix:'):
        roles['group'] = options.group
    return roles


def _negative_roles(table, options):
    """Roles of the first table hold for the second where it has the column."""
    swap = options.negatives_columns
    roles = {role: swap.get(role, swap.get(column, column))
             for role, column in _roles(options).items()}
    roles = {role: column for role, column in roles.items()
             if column in table.colnames or role in swap}
    return {**roles, **{role: column for role, column in swap.items() if role in ROLES}}


def _without_training(sample, notes):
    if 'in_training' not in sample.colnames:
        raise ConfigError('exclude_training needs a column that says which objects the finder was '
                          'trained on; name it with --in-training')
    trained = sample['in_training'] == 'yes'
    notes['n_excluded'] = int(trained.sum())
    if trained.all():
        raise MeasurementError(f'all {len(sample)} objects are in the training sample; nothing is '
                               'left to audit')
    return sample[~trained]


def _with_conditions(sample, catalogs, options):
    merged = QTable(vstack([_plain(catalog) for catalog in catalogs], metadata_conflicts='silent'))
    for name in merged.colnames:
        if hasattr(merged[name], 'filled'):
            fill = '' if merged[name].dtype.kind in 'US' else np.nan
            number = merged[name] if merged[name].dtype.kind in 'USf' else merged[name].astype(float)
            merged[name] = number.filled(fill)
    joined, match = join_conditions(sample, merged, radius=options.match_radius * u.arcsec)
    return joined, _match_table(sample, match, options.match_radius)


def _plain(catalog):
    table = QTable(catalog, copy=False)
    for name in list(table.colnames):
        if table[name].ndim > 1:
            table.remove_column(name)
        elif name.lower() in ('ra', 'dec') and name != name.lower():
            table.rename_column(name, name.lower())
    return table


def _match_table(sample, match, radius):
    rows = []
    for name, rows_of in (('lenses', sample['label']), ('negatives', ~sample['label'])):
        matched = match.matched & rows_of
        separation = match.separation[matched].to_value(u.arcsec)
        rows.append({'objects': name, 'n': int(rows_of.sum()), 'n_matched': int(matched.sum()),
                     'n_ambiguous': int((match.ambiguous & rows_of).sum()),
                     'n_unmatched': int((rows_of & ~match.matched).sum()),
                     'median_separation': np.median(separation) if len(separation) else np.nan,
                     'max_separation': separation.max() if len(separation) else np.nan})
    table = QTable(rows=rows)
    table['median_separation'].unit = table['max_separation'].unit = u.arcsec
    table.meta = {'match_radius_arcsec': radius,
                  'package_version': lensfinder_audit.__version__}
    return table


def _set_groups(sample, options):
    if options.group and options.group.startswith('healpix:'):
        sample['group'] = _healpix(sample, options.group)
    if 'group' in sample.colnames:
        words = np.asarray(sample['group']).astype(str)
        alone = (words == '') | (words == 'nan')
        number, levels = codes(words)
        sample['group'] = np.where(alone, len(levels) + np.arange(len(words)), number)
    if 'stratum' in sample.colnames:
        sample['stratum_code'] = codes(sample['stratum'])[0]


def _healpix(sample, text):
    import healpy

    nside = text.partition(':')[2]
    if not nside.isdigit() or not healpy.isnsideok(int(nside), nest=True):
        raise ConfigError(f'group {text!r}: NSIDE must be a power of 2, such as healpix:64')
    place = sky_positions(sample, what='the score table')
    return healpy.ang2pix(int(nside), place.ra.deg, place.dec.deg, nest=True, lonlat=True)


def _set_words(sample):
    for name, word in (('tier', 'not given'), ('discovery', 'unknown')):
        if name not in sample.colnames:
            sample[name] = np.full(len(sample), word)
    for name, word in (('tier', 'not given'),):
        sample[name] = np.where(sample[name] == '', word, sample[name])


def _summary(sample, kinds, notes, tables, inputs, options):
    files = [{'path': str(item.path), 'sha256': item.sha256, 'rows': len(table), 'role': role}
             for role, found in inputs.items()
             for item, table in zip(found, [t for t in tables[role]], strict=False)]
    n_lenses = int(sample['label'].sum())
    simulated = any(bool(table.meta.get('simulated')) for table in tables['scores'])
    kind = sorted(set(kinds.values()))
    return {'title': options.title or f'Audit of {", ".join(kinds)}', 'n_objects': len(sample),
            'n_lenses': n_lenses, 'n_negatives': len(sample) - n_lenses, 'finders': list(kinds),
            'score_kinds': kinds, 'score_kind': kind[0] if len(kind) == 1 else 'several',
            'prevalence': options.prevalence, 'interval': options.interval,
            'confidence': options.confidence, 'group': _group_name(sample, options),
            'weight': 'weight' if 'weight' in sample.colnames else None,
            'stratum': 'stratum' if 'stratum' in sample.colnames else None,
            'inputs': files, 'command': '', 'simulated': simulated,
            'two_files': notes['two_files'], 'n_excluded': notes.get('n_excluded', 0),
            'package_version': lensfinder_audit.__version__,
            'options': nested_options(options)}


def _group_name(sample, options):
    if 'group' not in sample.colnames:
        return None
    return options.group or options.columns.get('group', 'group')


class _CallableModule(ModuleType):
    """This module has the name of its function; whichever a user gets can be called."""

    def __call__(self, scores, **options):
        return audit(scores, **options)


sys.modules[__name__].__class__ = _CallableModule
