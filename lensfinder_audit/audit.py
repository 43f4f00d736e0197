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
from astropy.table import QTable, Table

import lensfinder_audit
from lensfinder_audit.audit_injections import assign_sets, open_sets
from lensfinder_audit.audit_inputs import described, open_all, recorded
from lensfinder_audit.config import AuditOptions, InputFile, nested_options
from lensfinder_audit.crossmatch import join_conditions, sky_positions
from lensfinder_audit.exceptions import (ConfigError, MeasurementError, TableError,
                                         did_you_mean)
from lensfinder_audit.files import read_table
from lensfinder_audit.measure.resampling import codes
from lensfinder_audit.scoretable import (ROLES, declared_score_kind, guess_finders, guess_roles,
                                         guess_score_kind, join_negatives, stack_alike,
                                         standard_sample)

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
    galleries : list of dict, optional
        Figures of stamps that go into the report, as
        ``lensfinder_audit.plotting.galleries`` makes them.
    store : `~lensfinder_audit.cutouts.CutoutStore`, optional
        Stamps of the objects, of which galleries are drawn where none are given.
    injected : tuple, optional
        Injections, the store of their images, and the finder that scored them, or `None`.
    """

    tables: dict
    findings: QTable
    sample: QTable
    summary: dict
    options: AuditOptions
    inputs: dict = field(default_factory=dict)
    galleries: list = field(default_factory=list)
    store: object = None
    injected: tuple = ()

    def worst(self):
        """Return the gravest severity among the findings, empty without any."""
        from lensfinder_audit.findings import SEVERITIES
        present = set(self.findings['severity']) if len(self.findings) else set()
        return next((word for word in SEVERITIES if word in present), '')

    def write(self, folder, *, overwrite=False, figures=True, latex=False):
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
        latex : bool, optional
            Whether the tables are also set for a paper, as ``latex/*.tex``.

        Raises
        ------
        OutputExistsError
            If the folder is there and may not be replaced.
        """
        from lensfinder_audit.output import write_audit
        write_audit(self, folder, overwrite=overwrite, figures=figures, latex=latex)


def audit(scores, *, negatives=None, conditions=(), store=None, known=None, injections=None,
          classifier=None, gate=None, frozen=None, progress=None, **options):
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
    store : `~lensfinder_audit.cutouts.CutoutStore`, str or `~pathlib.Path`, optional
        Stamps of the objects, for the checks that look at them.
    known : `~astropy.table.Table`, str, `~pathlib.Path` or sequence of them, optional
        Catalogues of known lenses and candidates, to be found among the negatives.
    injections : `~astropy.table.Table`, str, `~pathlib.Path` or dict of str to these, optional
        Injections, or the folder that ``lensfinder-audit inject`` wrote; with several
        finders by the name of the finder that scored them. The checks look at the first;
        those of images need ``--keep-images``.
    classifier : `~lensfinder_audit.interfaces.Classifier`, optional
        The finder itself, for the checks of how it answers to changed stamps, and whose
        embedding the realism gate takes.
    gate : `~astropy.table.QTable`, optional
        The realism gate, where it was measured before, by
        `~lensfinder_audit.realism_gate.gate_table`.
    frozen : `~astropy.table.Table`, str or `~pathlib.Path`, optional
        Frozen evaluation set; a sample that is no longer it is refused, and nothing of it
        may be trained on.
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
       A independent 239
    """
    options = AuditOptions.of(**options)
    tables, inputs = _read_inputs(scores, negatives, conditions)
    names = {role: str(found[0].path) for role, found in inputs.items() if len(found) == 1}
    sets = open_sets(injections)
    opened = open_all(store=store, known=known, injections=sets, classifier=classifier,
                      frozen=frozen)
    sample, kinds, notes = build_sample(tables, options, names=names)
    if frozen is not None:
        from lensfinder_audit.frozen import check_frozen
        check_frozen(sample, opened['frozen'], what='the sample')
    summary = _summary(sample, kinds, notes, tables, inputs, options)
    more = recorded(store=store, known=known, injections=injections)
    summary['inputs'] += described(more, opened, sets)
    sets = assign_sets(sets, kinds, lower_is_better=options.lower_is_better)
    opened['injections'] = sets[0].table if sets else None
    inputs |= more
    from lensfinder_audit.composition import measure_all
    from lensfinder_audit.findings import collect_findings

    measured = measure_all(sample, kinds, options, progress=progress)
    if 'conditions' in notes:
        measured['conditions'] = notes['conditions']
    if gate is not None:
        measured['realism'] = gate
    findings = collect_findings(sample, measured, summary, options,
                                trained=notes.get('trained'), **opened)
    if options.sensitivity:
        findings = _other_choices(tables, measured, findings, options, progress)
    _judge(measured, findings, summary, options)
    from lensfinder_audit.audit_extras import extra_tables
    measured |= extra_tables(sample, measured, options, sets=sets, kinds=kinds)
    files = {role: [{'file': item.path.name, 'sha256': item.sha256} for item in found]
             for role, found in inputs.items() if found}
    for table in [*measured.values(), findings]:
        if table.meta.get('cluster') == 'group':  # as the reader knows it
            table.meta['cluster_name'] = summary['group']
        table.meta |= {'inputs': files, 'survey': options.survey,
                       'package_version': lensfinder_audit.__version__}
    return AuditResult(measured, findings, sample, summary, options, inputs,
                       store=opened['store'], injected=_with_images(sets, kinds))


def _with_images(sets, kinds):
    """Return the first injections whose images were kept, else the first of all."""
    item = next((item for item in sets if item.images is not None), next(iter(sets), None))
    return (item.table, item.images, item.finder if len(kinds) > 1 else '') if item else (None,) * 3


def prepare(scores, negatives, conditions, options, *, measure):
    """
    Build the sample that a check looks at.

    Parameters
    ----------
    scores, negatives, conditions
        As for `audit`.
    options : dict
        Arguments of `~lensfinder_audit.config.AuditOptions`; without axes, the
        conditions that the survey knows are taken.
    measure : sequence of str
        Measurements to take beside the thresholds.

    Returns
    -------
    sample : `~astropy.table.QTable`
        One row per object.
    summary, notes : dict
        Counts and settings; what was left out and what matched.
    options : `~lensfinder_audit.config.AuditOptions`
        With the axes.
    measured : dict of str to `~astropy.table.QTable`
        Tables by name.
    """
    from lensfinder_audit.composition import measure_all
    from lensfinder_audit.plugins import load_plugin

    options = AuditOptions.of(**options)
    tables, inputs = _read_inputs(scores, negatives, conditions)
    names = {role: str(found[0].path) for role, found in inputs.items() if len(found) == 1}
    sample, kinds, notes = build_sample(tables, options, names=names)
    known = load_plugin('surveys', options.survey).conditions
    options.by = options.by or [name for name in known if name in sample.colnames]
    summary = _summary(sample, kinds, notes, tables, inputs, options)
    measured = measure_all(sample, kinds, options, only=measure)
    if 'conditions' in notes:
        measured['conditions'] = notes['conditions']
    return sample, summary, notes, options, measured


def _other_choices(tables, measured, findings, options, progress):
    """Audit again under other choices, and add what flips to the findings."""
    from dataclasses import asdict

    from lensfinder_audit.findings import add_findings
    from lensfinder_audit.sensitivity import sensitivity, sensitivity_findings

    table = measured['sensitivity'] = sensitivity(
        tables['scores'][0], negatives=next(iter(tables['negatives']), None),
        conditions=tables['conditions'], progress=progress,
        **{**asdict(options), 'sensitivity': False})
    return add_findings(findings, sensitivity_findings(table))


def _judge(measured, findings, summary, options):
    from lensfinder_audit.findings import Limits
    from lensfinder_audit.verdict import verdict_sentences, verdict_table

    table = verdict_table(measured, limits=Limits.of(options.limits),
                          confidence=options.confidence)
    if table is not None:
        measured['verdict'] = table
    summary['verdict'] = verdict_sentences(table, findings)


def build_sample(tables, options, *, names=None):
    """
    Join the inputs into one sample.

    Parameters
    ----------
    tables : dict of str to list of `~astropy.table.Table`
        ``'scores'``, ``'negatives'`` and ``'conditions'``.
    options : `~lensfinder_audit.config.AuditOptions`
        The options.
    names : dict of str to str, optional
        How messages call the tables of a role.

    Returns
    -------
    sample : `~astropy.table.QTable`
        One row per object.
    kinds : dict of str to str
        Score kind of each finder.
    notes : dict
        What was left out and what matched.
    """
    sample, finders = _labelled(tables, options, names or {})
    notes = {'two_files': bool(tables['negatives']),
             'n_left_out': sample.meta.pop('n_left_out', 0),
             'group': _roles(tables['scores'][0], options).get('group')}
    given = options.score_kind or declared_score_kind(tables['scores'][0])
    kinds = {name: given or guess_score_kind(sample[name], name) for name in finders}
    for name, kind in kinds.items():
        if kind == 'probability' and np.isinf(sample[name]).any():
            raise TableError(f'score {name!r} looks like a probability, but '
                             f'{np.isinf(sample[name]).sum()} '
                             'values are infinite; say what it is with --score-kind, or correct it')
    for name, kind in kinds.items() if options.lower_is_better else ():
        sample[name] = 1 - sample[name] if kind == 'probability' else -sample[name]
    if {'ra', 'dec'} <= set(sample.colnames):
        place = sky_positions(sample, what=(names or {}).get('scores', 'the score table'))
        sample['ra'], sample['dec'] = place.ra.deg * u.deg, place.dec.deg * u.deg
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
    for role, found in given.items():
        for item in found:
            if not isinstance(item, Table | str | Path):
                raise TableError(f'{role} must be an astropy table or the name of a file, not '
                                 f'{type(item).__name__}')
    tables = {role: [item if isinstance(item, Table) else read_table(item) for item in found]
              for role, found in given.items()}
    inputs = {role: [InputFile.of(item) for item in found if not isinstance(item, Table)]
              for role, found in given.items()}
    return tables, inputs


def _labelled(tables, options, names):
    kind = options.score_kind or 'rank'  # the kind that only asks for numbers
    first = tables['scores'][0]
    alone = not tables['negatives']
    roles = _roles(first, options)
    finders = options.finders or guess_finders(first, roles=roles.values())
    sample = standard_sample(first, roles=roles, finders=finders, score_kind=kind,
                             constants=options.constants, label=None if alone else True,
                             what=names.get('scores', 'the score table'))
    if alone:
        if options.negatives_columns:
            raise ConfigError('columns of the negatives are named, but no table of negatives is '
                              'given; give it with --negatives')
        return sample, list(finders)
    second = tables['negatives'][0]
    swap = options.negatives_columns
    _check_swap(swap, roles, finders)
    mapped = {name: swap.get(name, swap.get(column, column)) for name, column in finders.items()}
    negatives = standard_sample(second, roles=_negative_roles(second, roles, options),
                                finders=mapped, score_kind=kind, label=False,
                                what=names.get('negatives', 'the table of negatives'))
    return join_negatives(sample, negatives), list(finders)


def _roles(table, options):
    """Return the column of every role of the score table, given or found."""
    roles = {**guess_roles(table), **options.columns}
    if options.group and not options.group.startswith('healpix:'):
        roles['group'] = options.group
    return {role: column for role, column in roles.items() if role not in options.constants}


def _check_swap(swap, roles, finders):
    known = [*ROLES, *roles.values(), *finders, *finders.values()]
    for name in swap:
        if name not in known:
            raise ConfigError(f'--negatives-column {name}={swap[name]}: {name!r} is no role, '
                              f'finder or column of one.{did_you_mean(name, known)}')


def _negative_roles(table, roles, options):
    """Roles that were given hold for the negatives where they have the column."""
    swap = options.negatives_columns
    given = {role: column for role, column in roles.items()
             if role in options.columns or column in swap or column == options.group}
    held = {role: swap.get(column, column) for role, column in given.items()
            if column in swap or column in table.colnames}
    return held | {role: column for role, column in swap.items() if role in ROLES}


def _without_training(sample, notes):
    if 'in_training' not in sample.colnames:
        raise ConfigError('exclude_training needs a column that says which objects the finder was '
                          'trained on; name it with --in-training')
    trained = sample['in_training'] == 'yes'
    notes['n_excluded'] = int(trained.sum())
    if {'ra', 'dec'} <= set(sample.colnames):
        from lensfinder_audit.findings import SET_COLUMNS
        notes['trained'] = sample[[name for name in SET_COLUMNS if name in sample.colnames]][
            trained]
    if trained.all():
        raise MeasurementError(f'all {len(sample)} objects are in the training sample; nothing is '
                               'left to audit')
    return sample[~trained]


def _with_conditions(sample, catalogs, options):
    merged = stack_alike([_plain(catalog) for catalog in catalogs])
    for name in merged.colnames:
        if hasattr(merged[name], 'filled'):
            fill = '' if merged[name].dtype.kind in 'US' else np.nan
            column = merged[name]
            number = column if column.dtype.kind in 'USf' else column.astype(float)
            merged[name] = number.filled(fill)
    joined, match = join_conditions(sample, merged, radius=options.match_radius * u.arcsec)
    return joined, _match_table(sample, match, options.match_radius)


def _plain(catalog):
    """Return the columns that are conditions, and the position."""
    table = QTable(catalog, copy=True)
    for name in list(table.colnames):
        role = name.lower() in ROLES and name.lower() not in ('ra', 'dec')
        if table[name].ndim > 1 or role:
            table.remove_column(name)
        elif name != name.lower() in ('ra', 'dec'):
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
        words = np.asarray(sample['group'])
        words = words if words.dtype.kind in 'iu' else words.astype(str)
        alone = (words == '') | (words == 'nan') if words.dtype.kind == 'U' else False
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
    known = np.isfinite(place.ra.deg)
    pixel = healpy.ang2pix(int(nside), place.ra.deg[known], place.dec.deg[known], nest=True,
                           lonlat=True)
    found = np.full(len(sample), '', dtype='U20')
    found[known] = pixel.astype(str)
    return found


def _set_words(sample):
    for name, word in (('tier', 'not given'), ('discovery', 'unknown')):
        if name not in sample.colnames:
            sample[name] = np.full(len(sample), word)
        sample[name] = np.where(sample[name] == '', word, sample[name])


def _summary(sample, kinds, notes, tables, inputs, options):
    files = [{'path': str(item.path), 'sha256': item.sha256, 'rows': len(table), 'role': role}
             for role, found in inputs.items()
             for item, table in zip(found, tables[role], strict=False)]
    n_lenses = int(sample['label'].sum())
    simulated, example = (any(bool(table.meta.get(word)) for table in tables['scores'])
                          for word in ('simulated', 'example'))
    kind = sorted(set(kinds.values()))
    return {'title': options.title or f'Audit of {", ".join(kinds)}', 'n_objects': len(sample),
            'n_lenses': n_lenses, 'n_negatives': len(sample) - n_lenses, 'finders': list(kinds),
            'score_kinds': kinds, 'score_kind': kind[0] if len(kind) == 1 else 'several',
            'prevalence': options.prevalence, 'interval': options.interval,
            'confidence': options.confidence, 'group': _group_name(sample, notes, options),
            'weight': 'weight' if 'weight' in sample.colnames else None,
            'stratum': 'stratum' if 'stratum' in sample.colnames else None,
            'inputs': files, 'command': '', 'simulated': simulated, 'example': example,
            'limitations': _limitations(tables['scores']),
            'two_files': notes['two_files'], 'n_left_out': notes['n_left_out'],
            'n_excluded': notes.get('n_excluded', 0),
            'package_version': lensfinder_audit.__version__,
            'options': nested_options(options)}


def _limitations(tables):
    """Collect what the model cards of the finders say, each sentence once."""
    told = [table.meta.get('limitations') for table in tables]
    found = [str(text) for texts in told if isinstance(texts, list) for text in texts]
    return list(dict.fromkeys(found))


def _group_name(sample, notes, options):
    if 'group' not in sample.colnames:
        return None
    return options.group or notes['group'] or 'group'


class _CallableModule(ModuleType):
    """This module has the name of its function; whichever a user gets can be called."""

    def __call__(self, scores, **options):
        return audit(scores, **options)


sys.modules[__name__].__class__ = _CallableModule
