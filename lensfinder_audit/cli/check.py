# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit check``: one check alone."""
import textwrap

import click

from lensfinder_audit.cli.check_counts import count_options, print_interval, print_rate
from lensfinder_audit.cli.check_files import FILE_CHECKS, run_on_files, show
from lensfinder_audit.cli.check_sensitivity import run_sensitivity
from lensfinder_audit.cli.options import (column_options, given_options, read_bins, read_finders,
                                          read_numbers, read_pairs, sample_options)
from lensfinder_audit.cli.progress import ProgressBar
from lensfinder_audit.exceptions import ConfigError

__all__ = ['check_command']


@click.command('check', short_help='Run one check alone; "check list" names them.')
@click.argument('name')
@click.argument('arguments', nargs=-1)
@column_options
@sample_options
@click.option('--exclude-training', is_flag=True, help='Leave out objects that were trained on.')
@click.option('--threshold', 'thresholds', multiple=True, type=float,
              help='Operating point: fixed score.')
@click.option('--fpr', 'fprs', multiple=True, type=float,
              help='Operating point: false-positive rate. [0.01 and 0.001]')
@click.option('--by', multiple=True, metavar='COLUMN', help='Axis.')
@click.option('--bins', multiple=True, metavar='AXIS=BINS', help='As for "audit".')
@click.option('--group', metavar='COLUMN', help='Resampled together: a column, or healpix:NSIDE.')
@click.option('--purity', 'purities', multiple=True, metavar='TIER=LOW,HIGH',
              help='Least and greatest fraction of a tier that are lenses.')
@click.option('--limit', 'limits', multiple=True, metavar='NAME=VALUE',
              help='Where a check begins to speak; "check list" names them.')
@click.option('--confidence', type=float, default=0.95, show_default=True,
              help='Of intervals.')
@click.option('--known', multiple=True, type=click.Path(dir_okay=False), metavar='FILE',
              help='Catalogue of known lenses, for "known-lenses".')
@click.option('--frozen', type=click.Path(dir_okay=False), metavar='FILE',
              help='Frozen evaluation set, for "leakage".')
@click.option('--store', type=click.Path(file_okay=False), metavar='DIR',
              help='Cutout store, for the checks that look at stamps.')
@count_options
@click.option('--injections', type=click.Path(), metavar='DIR',
              help='Output of "inject", for the checks that look at injections.')
@click.option('--model', metavar='MODEL',
              help='The finder, for the checks that score stamps.')
@click.option('-o', '--output', type=click.Path(file_okay=False), metavar='DIR',
              help='Folder for the tables of the check; made anew.')
@click.option('--overwrite', is_flag=True, help='Replace DIR.')
@click.pass_context
def check_command(ctx, name, arguments, output, overwrite, **values):
    """
    Run the check NAME on a table of scores, the only one of ARGUMENTS, or on files:
    "hosts INJECTIONS --threshold T", "match INJECTIONS LENSES", "realism LENSES
    INJECTIONS [NEGATIVES]" (tables with columns embedding_* or feature_*), "bands
    MANIFEST", "replay DIR" (an output of "inject"), "response MODEL MANIFEST" and "batch
    MODEL MANIFEST" (with --store).

    "check near-duplicates SCORES --store DIR" looks for copies among all stamps, an
    audit among 5,000 of each class.

    "check counts TABLE --counts N,RECOVERED" looks at the published counts of injections:
    intervals, pools that stand out of what --rises and --falls say, empty and hidden
    cells, and what the table cannot show.

    "check sensitivity SCORES" audits again with other bins, cuts, tiers, groups, intervals
    and thresholds, with --model and --store with another annulus too, and lists the
    conclusions that flip.

    "check list" names all checks and limits. "check interval K N LOW HIGH" says by
    which method a published interval was made. "check fpr RATE --n-negatives N" says
    how many negatives a threshold at that rate rests on. Exit code 1: the check found
    something.
    """
    if name == 'list':
        _list()
    elif name == 'interval':
        print_interval(arguments, values['confidence'])
    elif name == 'fpr':
        print_rate(arguments, values['n_negatives'], values['confidence'])
    elif name == 'sensitivity':
        ctx.exit(int(run_sensitivity(arguments, output, overwrite, values, _options(values))))
    elif name in FILE_CHECKS and not _of_sample(name, arguments, values):
        ctx.exit(int(run_on_files(name, arguments, output, overwrite, values)))
    else:
        ctx.exit(int(_run(name, arguments, output, overwrite, values)))


def _of_sample(name, arguments, values):
    """Whether a check that can be run on files is to look at a sample and what is beside it."""
    from lensfinder_audit.checks import CHECKS

    return name in CHECKS and len(arguments) == 1 and bool(values['injections'] or values['model'])


def _list():
    from dataclasses import fields

    from lensfinder_audit.checks import CHECKS
    from lensfinder_audit.findings import Limits

    for about in dict.fromkeys(check.about for check in CHECKS.values()):
        click.secho(about.capitalize(), bold=True)
        for check in CHECKS.values():
            if check.about == about:
                click.echo(textwrap.fill(check.question, 100, initial_indent=f'  {check.name:<24}',
                                         subsequent_indent=' ' * 26))
    click.secho('Choices', bold=True)
    click.echo(f'  {"sensitivity":<24}Which conclusions flip with a choice?')
    click.secho('On files of their own', bold=True)
    for name, (question, words, _) in FILE_CHECKS.items():
        click.echo(f'  {f"{name} {words[2]}":<46}{question}')
    click.secho('Limits', bold=True)
    for item in fields(Limits):
        click.echo(f'  {item.name:<24}{item.default:g}')


def _run(name, arguments, output, overwrite, values):
    """Run one check, print what it found, and tell whether it found anything grave."""
    from lensfinder_audit.checks import find_check
    from lensfinder_audit.checks.alone import run_alone
    from lensfinder_audit.files import refuse_folder

    check = find_check(name)
    lacking = [f'--{word}' for word in check.needs if not values[word]]
    if len(arguments) == 1 and lacking:
        raise ConfigError(f'check {name} needs {" and ".join(lacking)}')
    if len(arguments) != 1:
        raise ConfigError(f'write it as "check {name} SCORES"; {len(arguments)} tables were given')
    if output:
        refuse_folder(output, overwrite=overwrite, marker='findings.ecsv')
    with ProgressBar('stamps') as bar:
        findings, tables = run_alone(name, arguments[0], negatives=values['negatives'],
                                     conditions=list(values['conditions']), store=values['store'],
                                     known=values['known'], injections=values['injections'],
                                     classifier=_finder(values['model']), frozen=values['frozen'],
                                     progress=bar, **_options(values))
    return show(check.question, findings, tables, output, overwrite)


def _finder(model):
    from lensfinder_audit.cli.finders import load_finder

    return load_finder(model, None, {}, 64) if model else None


def _options(values):
    found = {name: list(values[name]) for name in ('thresholds', 'fprs', 'by') if values[name]}
    found |= {'columns': given_options(values), 'finders': read_finders(values['scores_of']),
              'constants': read_pairs(values['constants'], '--set'),
              'negatives_columns': read_pairs(values['negatives_columns'], '--negatives-column'),
              'bins': read_bins(values['bins']), 'purity': read_bins(values['purities'],
                                                                     '--purity'),
              'limits': read_numbers(values['limits'], '--limit'),
              'exclude_training': values['exclude_training'], 'confidence': values['confidence']}
    found |= {name: values[name] for name in ('score_kind', 'match_radius', 'group')
              if values[name] is not None}
    return found
