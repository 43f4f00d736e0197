# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Run an ensemble study, and write it to a folder that appears complete or not at all."""
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import QTable

from lensfinder_audit.ensemble.combined import (check_combiners, combined_scores, complete_rows,
                                                left_out_scores)
from lensfinder_audit.ensemble.injected import read_injected
from lensfinder_audit.ensemble.measured import Reported, measure_study, member_table
from lensfinder_audit.ensemble.models import Bench, score_models
from lensfinder_audit.ensemble.sample import read_sample
from lensfinder_audit.ensemble.study_file import ROLES
from lensfinder_audit.ensemble.words import study_findings, verdict
from lensfinder_audit.files import whole_folder, write_whole

__all__ = ['StudyResult', 'run_study', 'write_study', 'MARKER']

#: The file by which a folder is known to be an ensemble study.
MARKER = 'study.yaml'


@dataclass
class StudyResult:
    """
    What a study gives.

    Parameters
    ----------
    tables : dict of str to `~astropy.table.QTable`
        Results by name, and ``objects``.
    verdict : list of str
        Sentences on whether diversity helped, and how sure that is.
    findings : list of dict
        What stands against the study.
    summary : dict
        Counts, splits, checksums.
    roles : dict of str to list of str
        Models by role.
    options : dict
        The study, as its file tells it.
    """

    tables: dict
    verdict: list
    findings: list
    summary: dict
    roles: dict
    options: dict = field(default_factory=dict)


def run_study(study, manifest, *, store=None, folder=None, device=None, tell=None, inputs=()):
    """
    Train or load the models of a study, combine them and measure.

    Parameters
    ----------
    study : `~lensfinder_audit.ensemble.study_file.Study`
        The study.
    manifest : `~astropy.table.QTable`
        Objects with labels and conditions; with scores where these are loaded.
    store : `~lensfinder_audit.cutouts.CutoutStore`, optional
        Cutouts, where pixels are scored or trained on.
    folder : str or `~pathlib.Path`, optional
        Where what is trained is kept; what is there already is not trained again.
    device : str, optional
        Where networks run.
    tell : callable, optional
        Called with a line of text for each model.
    inputs : sequence of dict, optional
        ``path``, ``role``, ``rows`` and ``sha256`` of the files, for the report.

    Returns
    -------
    result : `StudyResult`
        Tables and words.

    Raises
    ------
    TableError, ConfigError, MeasurementError
        If the manifest does not carry the study; before anything is trained where that can
        be known.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.ensemble.study import run_study
    >>> from lensfinder_audit.ensemble.study_file import Study
    >>> rng, lens = np.random.default_rng(0), np.arange(2000) % 10 == 0
    >>> table = QTable({'object_id': np.arange(2000).astype(str), 'label': lens})
    >>> for name in ('a', 'b', 'c', 's1', 's2', 's3'):
    ...     table[name] = 1 / (1 + np.exp(-rng.normal(2 * lens)))
    >>> study = Study(members={name: {'column': name} for name in 'abc'}, budgets=[200],
    ...               controls={name: {'column': name} for name in ('s1', 's2', 's3')},
    ...               statistics={'n_resamples': 200})
    >>> print(run_study(study, table).verdict[0].partition(':')[0])
    No gain by diversity was seen
    """
    sample = read_sample(manifest, study)
    folder = None if folder is None else Path(folder)
    check_combiners(study, sample)
    injected = read_injected(study, sample)
    scored = score_models(study, sample, Bench(store, folder, device, tell, injected))
    fit, report, n_left_out = complete_rows(sample, scored, missing=study.missing)
    if tell:
        tell('combiners and tables')
    weight = sample.weight()
    roles = {role: scored.of(role) for role in ROLES}
    found = Reported(
        sample.table[report],
        {name: values[report] for name, values in scored.scores.items()}
        | combined_scores(study, sample, scored, fit, report, injected), roles, study.combiners,
        left_out_scores(study, sample, scored, fit, report), sample.groups(report),
        None if weight is None else weight[report])
    tables = {'members': member_table(scored.rows, found), **measure_study(study, found, injected)}
    summary = _summary(study, sample, scored, fit, report, n_left_out, list(inputs))
    for table in tables.values():
        table.meta |= {'splits': sample.names, 'checksums': scored.files}
    return StudyResult(tables, verdict(tables, study.combiners, roles),
                       study_findings(tables, roles, summary), summary, roles, study.as_dict())


def write_study(result, folder, *, overwrite=False, figures=True):
    """
    Write tables, figures, study and report.

    Parameters
    ----------
    result : `StudyResult`
        The study.
    folder : str or `~pathlib.Path`
        ``tables/*.ecsv``, ``objects.parquet``, ``figures``, ``study.yaml`` and
        ``report.html`` go there.
    overwrite : bool, optional
        Whether an earlier study there may be replaced.
    figures : bool, optional
        Whether to draw figures.

    Raises
    ------
    OutputExistsError
        If the folder is there and may not be replaced.
    """
    import yaml

    from lensfinder_audit.ensemble.page import study_page

    with whole_folder(folder, overwrite=overwrite, marker=MARKER) as temporary:
        for name, table in result.tables.items():
            if name == 'objects':
                write_whole(table, temporary / 'objects.parquet')
            else:
                write_whole(table, temporary / 'tables' / f'{name}.ecsv')
        findings = QTable(rows=result.findings or None, names=None if result.findings else [
            'severity', 'check', 'finding', 'evidence', 'advice'], dtype=None if result.findings
            else [str] * 5)
        write_whole(findings, temporary / 'tables' / 'findings.ecsv')
        drawn = _figures(result, temporary) if figures else []
        text = yaml.safe_dump(result.options, sort_keys=False, allow_unicode=True)
        (temporary / MARKER).write_text(text, encoding='utf-8')
        (temporary / 'report.html').write_text(study_page(result, drawn), encoding='utf-8')


def _figures(result, folder):
    from lensfinder_audit.ensemble.figures import study_figures
    from lensfinder_audit.plotting import save_figures

    drawn = study_figures(result.tables, result.roles,
                          simulated=bool(result.summary.get('simulated')))
    save_figures(drawn, folder / 'figures')
    return drawn


def _summary(study, sample, scored, fit, report, n_left_out, inputs):
    label = np.asarray(sample.label)
    files = [{'path': '', 'role': name, 'sha256': digest} for name, digest in
             scored.files.items()]
    return {'title': study.title, 'simulated': bool(sample.table.meta.get('simulated')),
            'n_models': len(scored.scores), 'n_lenses': int(label[report].sum()),
            'n_negatives': int((~label[report]).sum()), 'n_fit': int(fit.sum()),
            'n_left_out': n_left_out, 'splits': sample.names, 'group': sample.group,
            'impossible': {row['finder']: row['reason'] for row in scored.rows
                           if row['state'] == 'impossible'},
            'inputs': [*inputs, *files]}
