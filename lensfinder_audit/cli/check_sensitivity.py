# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``check sensitivity``: the audit again, with one choice after the other made otherwise."""
import sys

import click

from lensfinder_audit.exceptions import ConfigError

__all__ = ['run_sensitivity']


def run_sensitivity(arguments, output, overwrite, values, options):
    """Audit again under other choices, print what flips, and tell whether anything does."""
    from lensfinder_audit.cli.check_files import show
    from lensfinder_audit.files import read_table, refuse_folder
    from lensfinder_audit.findings import Limits, as_table
    from lensfinder_audit.sensitivity import sensitivity, sensitivity_findings

    if len(arguments) != 1:
        raise ConfigError(f'write it as "check sensitivity SCORES"; {len(arguments)} tables were '
                          'given')
    if output:
        refuse_folder(output, overwrite=overwrite, marker='findings.ecsv')
    scores = read_table(arguments[0])
    table = sensitivity(scores, negatives=values['negatives'],
                        conditions=list(values['conditions']),
                        rescored=_annuli(scores, values, options),
                        progress=_step if sys.stderr.isatty() else None, **options)
    limits = Limits.of(options['limits'])
    flips = table[table['n_flips'] > 0]
    question = f'Which of {len(table)} conclusions flip with {len(table.meta["choices"])} choices?'
    found = as_table(sensitivity_findings(table), limits)
    if output:
        return show(question, found, {'sensitivity': table}, output, overwrite)
    return show(question, found, {'conclusions that flip': _said(flips)}, None, overwrite)


def _said(flips):
    """Return each conclusion with the choices that flip it, in words."""
    from astropy.table import QTable

    rows = [{'conclusion': f'{row["conclusion"]} ({row["finder"]}, {row["operating_point"]})',
             'as_audited': row['as_audited'], 'flips': ', '.join(
                 f'{row[name]}: {name}' for name in flips.meta['choices']
                 if row[name] not in ('-', row['as_audited']))} for row in flips]
    return QTable(rows=rows) if rows else QTable({'conclusion': [], 'flips': []})


def _annuli(scores, values, options):
    """Score the stamps of the table with the other annulus, where finder and store are given."""
    if not (values['model'] and values['store']):
        return {}
    import numpy as np

    from lensfinder_audit.checks.material import normalizers_beside
    from lensfinder_audit.cli.finders import load_finder
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.scoretable import guess_finders, guess_roles

    classifier, store = load_finder(values['model'], None, {}, 64), CutoutStore(values['store'])
    roles = {**guess_roles(scores), **options['columns']}
    finders = options['finders'] or guess_finders(scores, roles=roles.values())
    if len(finders) != 1 or 'object_id' not in roles:
        raise ConfigError('another annulus needs one finder, named with --score, and the ids of '
                          f'the objects; the table has the finders {list(finders)}')
    keys, found = np.asarray(scores[roles['object_id']]).astype(str), {}
    for other in normalizers_beside(classifier):
        classifier.normalizer = other
        new = scores.copy()
        new[next(iter(finders.values()))] = np.concatenate(
            [classifier(flux, bands=store.bands) for _, flux in store.batches(keys, 256)])
        found[f'annulus: {type(other).__name__}'] = new
    return found


def _step(text):
    click.echo(f'\r\033[K{text} ...', nl=False, err=True)
