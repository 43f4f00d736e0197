# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit export``: a torch checkpoint as an ONNX file."""
import click

__all__ = ['export_command']


@click.command('export', short_help='Write a torch checkpoint as an ONNX file and check it.')
@click.argument('checkpoint', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(dir_okay=False), metavar='FILE',
              help='ONNX file to write.')
@click.option('--tolerance', type=click.FloatRange(0, min_open=True), default=1e-5,
              show_default=True, help='Greatest difference of a score, relative to the larger of '
                                      '1 and itself.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
def export_command(checkpoint, output, tolerance, overwrite):
    """
    Write CHECKPOINT, weights with a model card beside them, as an ONNX file.

    The file says itself which bands, pixel scale and normaliser it needs. It appears only if
    ONNX Runtime gives the scores that torch gives.
    """
    from lensfinder_audit.exceptions import ConfigError
    from lensfinder_audit.plugins import load_plugin

    if not output.lower().endswith('.onnx'):
        raise ConfigError(f'{output}: an ONNX file ends in .onnx')
    finder = load_plugin('classifiers', 'torch_checkpoint')(checkpoint)
    from lensfinder_audit.classifiers.onnx_export import export_onnx

    difference = export_onnx(finder, output, tolerance=tolerance, overwrite=overwrite)
    click.echo(f'scores of ONNX Runtime differ from those of torch by at most {difference:.1e}')
    click.echo(output)
