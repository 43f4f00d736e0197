# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit ensemble``: does training on different subsets find more?"""
from pathlib import Path

import click

from lensfinder_audit.exceptions import InputFileError

__all__ = ['ensemble_command']

_MARKER = 'study.yaml'


@click.command('ensemble', short_help='Train or load an ensemble and tell whether diversity helps.')
@click.argument('manifest', type=click.Path(dir_okay=False))
@click.argument('study', metavar='STUDY')
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help='Folder for tables, figures and the report.')
@click.option('--store', type=click.Path(file_okay=False), metavar='DIR',
              help='Cutout store. [cutouts, beside MANIFEST, where it is there]')
@click.option('--models', type=click.Path(file_okay=False), metavar='DIR',
              help='Where trained models are kept and found again. [DIR.models, beside the output]')
@click.option('--injections', type=click.Path(file_okay=False), metavar='DIR',
              help='Injected lenses that the models score as well: output of "inject '
                   '--keep-images". [what STUDY says]')
@click.option('--device', help='Where networks run, such as cpu or cuda. [chosen]')
@click.option('--no-figures', is_flag=True, help='Do not draw figures.')
@click.option('--overwrite', is_flag=True, help='Replace an earlier study in DIR.')
def ensemble_command(manifest, study, output, store, models, injections, device, no_figures,
                     overwrite):
    """
    Compare members that were trained on different subsets of MANIFEST with as many that
    differ in their seed alone.

    STUDY is a YAML file, or the name of one that ships: domain_split (trains everything) or
    scores (loads columns of a table). Models are trained once: after an interruption, or with
    other budgets, the same command finds those that are done. MANIFEST is a manifest, or for
    loaded scores any table with ids and labels.
    """
    from lensfinder_audit.ensemble.study import run_study, write_study
    from lensfinder_audit.ensemble.study_file import load_study
    from lensfinder_audit.files import read_table, refuse_folder, sha256

    refuse_folder(output, overwrite, _MARKER)
    wanted = load_study(study)
    if injections:
        told = wanted.injections if isinstance(wanted.injections, dict) else {}
        wanted.injections = told | {'folder': str(Path(injections).resolve())}
    table = read_table(manifest)
    inputs = [{'path': str(manifest), 'role': 'manifest', 'rows': len(table),
               'sha256': sha256(manifest)}]
    place = Path(output).resolve()
    result = run_study(wanted, table, store=_store(manifest, store), device=device, inputs=inputs,
                       folder=models or place.with_name(f'{place.name}.models'),
                       tell=lambda text: click.echo(text, err=True))
    write_study(result, output, overwrite=overwrite, figures=not no_figures)
    _tell(result)
    click.echo(Path(output) / 'report.html')


def _store(manifest, store):
    """Open the store that is named, or the one beside the manifest where there is one."""
    from lensfinder_audit.cutouts import CutoutStore

    beside = Path(manifest).parent / 'cutouts'
    if store is None and not beside.is_dir():
        return None
    if store is not None and not Path(store).is_dir():
        raise InputFileError(f'{store}: there is no such cutout store')
    return CutoutStore(store or beside)


def _tell(result):
    for sentence in result.verdict:
        click.echo(sentence)
    for item in result.findings:
        click.echo(f'{item["severity"]}: {item["finding"]}', err=True)
