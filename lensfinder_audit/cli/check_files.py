# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Checks of injections and stamps, which are in files of their own."""
import textwrap

import click

from lensfinder_audit.cli.check_counts import check_counts
from lensfinder_audit.cli.check_replay import check_replay
from lensfinder_audit.exceptions import ConfigError

__all__ = ['FILE_CHECKS', 'run_on_files', 'show']

_COLORS = {'severe': 'red', 'warning': 'yellow', 'note': None}

#: Stamps that the checks of a finder and of the bands look at.
_MOST = 500


def show(question, findings, tables, output, overwrite):
    """Print what a check measured and found, write it, and tell whether it is grave."""
    from lensfinder_audit.files import whole_folder, write_whole

    click.echo(question)
    for name, table in tables.items():
        click.echo(f'\n{name}')
        click.echo('\n'.join(_short(table).pformat(max_lines=24, max_width=100)))
    for row in findings:
        click.secho(f'\n{row["severity"]}: {row["check"]}', fg=_COLORS[row['severity']])
        click.echo(textwrap.fill(f'{row["finding"]}. {row["advice"]}', 100))
    if not len(findings):
        click.echo('\nnothing found')
    if output:
        with whole_folder(output, overwrite=overwrite, marker='findings.ecsv') as folder:
            for name, table in {**tables, 'findings': findings}.items():
                write_whole(table, folder / f'{name}.ecsv')
        click.echo(output)
    return any(row['severity'] != 'note' for row in findings)


def _short(table):
    """Return a table that prints numbers with few digits, without sentences."""
    shown = table.copy()
    if {'check', 'finding'} <= set(shown.colnames):
        shown.remove_column('finding')
    for name in shown.colnames:
        if shown[name].dtype.kind == 'f':
            shown[name].info.format = '.4g'
    return shown


def run_on_files(name, arguments, output, overwrite, values):
    """Run a check of injections or stamps on its files."""
    from lensfinder_audit.files import refuse_folder
    from lensfinder_audit.findings import Limits, as_table

    question, words, run = FILE_CHECKS[name]
    if not words[0] <= len(arguments) <= words[1]:
        raise ConfigError(f'write it as "check {name} {words[2]}"; {len(arguments)} files were '
                          'given')
    if output:
        refuse_folder(output, overwrite=overwrite, marker='findings.ecsv')
    from lensfinder_audit.cli.options import read_numbers
    limits = Limits.of(read_numbers(values['limits'], '--limit'))
    tables, found = run(arguments, values, limits)
    tables = tables if isinstance(tables, dict) else {name: tables}
    return show(question, as_table(found, limits), tables, output, overwrite)


def _hosts(arguments, values, limits):
    from lensfinder_audit.checks.injections import host_check
    from lensfinder_audit.files import read_table
    from lensfinder_audit.tables import require_columns

    if len(values['thresholds']) != 1:
        raise ConfigError('the check of hosts needs one --threshold')
    table = read_table(arguments[0])
    require_columns(table, ['host', 'cell', 'score'], what=arguments[0])
    return host_check(table, threshold=values['thresholds'][0], limits=limits)


def _match(arguments, values, limits):
    from lensfinder_audit.checks.injections import match_check
    from lensfinder_audit.files import read_table

    tables = [read_table(item) for item in arguments]
    on = values['by'] or [name for name in ('annulus_snr', 'annulus_color')
                          if all(name in table.colnames for table in tables)]
    if not on:
        raise ConfigError('neither annulus_snr nor annulus_color is in both tables; name columns '
                          'with --by')
    return match_check(*tables, on=on, limits=limits)


def _realism(arguments, values, limits):
    import numpy as np

    from lensfinder_audit.checks.injections import feature_columns, realism_check
    from lensfinder_audit.files import read_table

    samples = {}
    for role, path in zip(('lenses', 'injections', 'negatives'), arguments, strict=False):
        table = read_table(path)
        group = values['group'] or 'group'
        units = np.asarray(table[group]).astype(str) if group in table.colnames else None
        samples[role] = feature_columns(table, path), units
    return realism_check(samples, limits=limits, confidence=values['confidence'])


def _bands(arguments, values, limits):
    import numpy as np

    from lensfinder_audit.checks.injections import band_check
    from lensfinder_audit.checks.material import apertures
    from lensfinder_audit.tables import require_columns

    table, store = _stamps(arguments[0], values['store'])
    names = [f'flux_{band}' for band in store.bands]
    require_columns(table, names, what=arguments[0])
    known = np.stack([np.asarray(getattr(table[name], 'value', table[name]), dtype=float)
                      for name in names], axis=1)
    return band_check(apertures(store.get(_keys(table))), known, store.bands, limits=limits)


def _response(arguments, values, limits):
    from lensfinder_audit.checks.images import response_check
    from lensfinder_audit.checks.material import normalizers_beside

    classifier, flux = _finder_and_stamps(arguments, values)
    threshold = values['thresholds'][0] if values['thresholds'] else None
    return response_check(classifier, flux, limits=limits, threshold=threshold,
                          normalizers=normalizers_beside(classifier))


def _batch(arguments, values, limits):
    from lensfinder_audit.checks.images import batch_check

    return batch_check(*_finder_and_stamps(arguments, values), limits=limits)


def _finder_and_stamps(arguments, values):
    from lensfinder_audit.cli.finders import load_finder

    model, manifest = arguments
    table, store = _stamps(manifest, values['store'])
    classifier = load_finder(model, None, {}, 64)
    flux = store.get(_keys(table))[:, [store.bands.index(band) for band in classifier.bands]]
    return classifier, flux


def _stamps(manifest, store):
    """Open a manifest and its store, and take some rows."""
    from pathlib import Path

    import numpy as np

    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.manifest import read_manifest

    table = read_manifest(manifest)
    rows = np.random.default_rng(0).permutation(len(table))[:_MOST]
    return table[np.sort(rows)], CutoutStore(store or Path(manifest).parent / 'cutouts')


def _keys(table):
    from lensfinder_audit.manifest import cutout_keys

    return cutout_keys(table)


#: Question, least and greatest number of files and how they are called, and what runs it.
FILE_CHECKS = {
    'counts': ('What do published counts of injections show?', (1, 1, 'TABLE'), check_counts),
    'hosts': ('Do a few hosts carry the injections?', (1, 1, 'INJECTIONS'), _hosts),
    'match': ('Do arcs of injections look like those of lenses?', (2, 2, 'INJECTIONS LENSES'),
              _match),
    'realism': ('Can injections be told from real lenses?',
                (2, 3, 'LENSES INJECTIONS [NEGATIVES]'), _realism),
    'bands': ('Are the bands of the stamps in their order?', (1, 1, 'MANIFEST'), _bands),
    'response': ('Does the finder answer to what changes no lens?', (2, 2, 'MODEL MANIFEST'),
                 _response),
    'replay': ('Are injections what the run would make now?', (1, 1, 'DIR'), check_replay),
    'batch': ('Does a score depend on the batch that it is made in?', (2, 2, 'MODEL MANIFEST'),
              _batch)}
