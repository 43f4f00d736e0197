# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit replay``: make injections again, each alone."""
from pathlib import Path

import click

__all__ = ['open_run', 'replay_command']


@click.command('replay', short_help='Make injections of an earlier run again, each alone.')
@click.argument('folder', metavar='DIR', type=click.Path(file_okay=False, exists=True))
@click.argument('rows', nargs=-1, required=True, type=click.IntRange(0))
@click.option('-o', '--output', type=click.Path(dir_okay=False), metavar='FILE',
              help='Write the images there (.npz, by object_id).')
@click.option('--sheet', type=click.Path(dir_okay=False), metavar='FILE',
              help='Draw them as a contact sheet (PNG).')
@click.option('--overwrite', is_flag=True, help='Replace FILE.')
def replay_command(folder, rows, output, sheet, overwrite):
    """
    Make ROWS of the injections in DIR again, an output of "inject".

    The images are those that were scored, bit for bit. Hosts, finder and priors are
    read from where they were; one that changed is refused.
    """
    from lensfinder_audit.exceptions import ConfigError
    from lensfinder_audit.recovery import replay

    injections, run = open_run(folder)
    if max(rows) >= len(injections):
        raise ConfigError(f'row {max(rows)} is asked for; the injections are rows 0 to '
                          f'{len(injections) - 1}')
    images, again = replay(injections, rows, run.manifest, run.store, run.simulator,
                           classifier=run.finder, **run.options)
    names = [str(injections['object_id'][row]) for row in rows]
    for name, row in zip(names, again, strict=True):
        click.echo(f'{name}: host {row["host"]}, score {row["score"]:.6g}')
    _write(names, images, again, output, sheet, overwrite)


def open_run(folder):
    """Read the injections of a run, and build the run again; what changed is refused."""
    from lensfinder_audit.cli.injection_run import make_run, read_config
    from lensfinder_audit.exceptions import InputFileError
    from lensfinder_audit.recovery import read_injections

    folder = Path(folder)
    injections = read_injections(folder / 'injections.parquet')
    hosts, values, checksums = read_config(folder)
    run = make_run(hosts, values, folder / 'hosts')
    changed = [name for name, digest in run.inputs.items() if checksums.get(name) != digest]
    if changed:
        raise InputFileError(f'{changed[0]} is not the one that was used for {folder}: its '
                             'checksum differs')
    return injections, run


def _write(names, images, again, output, sheet, overwrite):
    import numpy as np

    from lensfinder_audit.files import whole_file

    if output:
        with whole_file(output, overwrite=overwrite) as temporary, open(temporary, 'wb') as stream:
            np.savez(stream, **dict(zip(names, images, strict=True)))
        click.echo(output)
    if sheet:
        from lensfinder_audit.plotting import contact_sheet

        titles = [f'{name[10:]} {row["score"]:.3g}' for name, row in zip(names, again, strict=True)]
        figure = contact_sheet(images, titles=titles)
        with whole_file(sheet, overwrite=overwrite) as temporary:
            figure.savefig(temporary, dpi=150)
        click.echo(sheet)
