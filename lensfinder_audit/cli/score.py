# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit score``: from cutouts to a table of scores."""
from pathlib import Path

import click

from lensfinder_audit.cli.finders import finder_arguments, load_finder
from lensfinder_audit.cli.options import engine_options, in_workers
from lensfinder_audit.exceptions import ConfigError, OutputExistsError

__all__ = ['score_command']

_SUFFIXES = ('.parquet', '.ecsv', '.csv', '.fits')


@click.command('score', short_help='Score the cutouts of a manifest with a finder.')
@click.argument('model')
@click.argument('manifest', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(dir_okay=False), metavar='FILE',
              help='Table of scores to write (Parquet, ECSV, CSV or FITS).')
@click.option('--store', type=click.Path(file_okay=False), metavar='DIR',
              help='Cutout store. [cutouts, beside MANIFEST]')
@click.option('--name', help='Name of the finder in the table. [that of the file or plugin]')
@click.option('--checkpoint', type=click.Path(dir_okay=False), metavar='FILE',
              help='File that the plugin MODEL is loaded from.')
@click.option('--option', 'options', multiple=True, metavar='NAME=VALUE',
              help='Argument of the finder, such as adapt=crop or score_kind=logit.')
@click.option('--batch-size', type=click.IntRange(1), default=64, show_default=True,
              help='Cutouts scored at a time.')
@engine_options(workers=1)
@click.option('--no-verify', is_flag=True, help='Do not compare cutouts with their checksums.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
def score_command(model, manifest, output, store, name, checkpoint, options, batch_size, no_verify,
                  overwrite, **where):
    """
    Score the cutouts of MANIFEST with MODEL, an ONNX file or the name of a
    classifier plugin.

    After an interruption, the same command goes on where it stopped, on whatever
    engine; each worker loads MODEL once, and the scores are the same. The table
    that it writes is what "audit" reads.
    """
    import shutil

    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.files import sha256
    from lensfinder_audit.interfaces import CatalogFinder
    from lensfinder_audit.manifest import read_manifest

    output = Path(output).resolve()
    _refuse_output(output, overwrite)
    table = read_manifest(manifest)
    arguments = finder_arguments(options, model, **where)
    classifier = load_finder(model, checkpoint, arguments, batch_size, rows=True)
    name, checksums = name or Path(checkpoint or model).stem, {'manifest': sha256(manifest)}
    if isinstance(classifier, CatalogFinder):
        return _finish(_looked_up(classifier, table, name, checksums), output, overwrite)
    cutouts = CutoutStore(store or Path(manifest).parent / 'cutouts')
    parts = output.with_name(f'.{output.name}.parts')
    scores = _run(classifier, table, cutouts, name=name, batch_size=batch_size, parts=parts,
                  inputs=checksums, verify=not no_verify, engine=in_workers(**where))
    _finish(scores, output, overwrite)
    shutil.rmtree(parts)
    _warn(scores)


def _looked_up(finder, table, name, checksums):
    from lensfinder_audit.scoring import score_rows

    scores = score_rows(finder, table, name=name, inputs=checksums)
    if scores.meta['n_left_out']:
        click.echo(f'{scores.meta["n_left_out"]} of {len(table)} objects are left out, since '
                   f'{name} has no score of them', err=True)
    return scores


def _finish(scores, output, overwrite):
    from lensfinder_audit.files import write_whole

    write_whole(scores, output, overwrite=overwrite)
    click.echo(output)
    if 'label' in scores.colnames:
        click.echo(f'Next: lensfinder-audit audit {output} -o DIR')


def _refuse_output(output, overwrite):
    """Find out now what would cost the work later."""
    if output.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f'{output}: a table is written as one of {", ".join(_SUFFIXES)}')
    if output.exists() and not overwrite:
        raise OutputExistsError(f'{output} is there already; choose another name or give '
                                '--overwrite')


def _run(classifier, table, cutouts, **options):
    from tqdm import tqdm

    from lensfinder_audit.scoring import score_manifest

    with tqdm(total=len(table), unit=' cutouts', disable=None) as bar:
        try:
            return score_manifest(classifier, table, cutouts, progress=bar.update, **options)
        except KeyboardInterrupt:
            bar.close()
            click.echo('Interrupted; the same command goes on from here.', err=True)
            raise click.exceptions.Exit(130) from None


def _warn(scores):
    """Count cutouts that published samples leave out; their scores mean little."""
    bad = (scores['nan_fraction'] > 0.05) | (scores['n_central_nan'] > 0)
    bad |= scores['missing_bands'] != ''
    if bad.any():
        click.echo(f'{bad.sum()} of {len(scores)} cutouts lack a band, more than 5 % of their '
                   'pixels or some at their center (columns nan_fraction, n_central_nan, '
                   'missing_bands)', err=True)
