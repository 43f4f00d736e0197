# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit inject``: injection and recovery."""
from pathlib import Path

import click

from lensfinder_audit.cli.injection_tables import make_tables, report
from lensfinder_audit.cli.options import engine_options, in_workers, read_bins

__all__ = ['inject_command']

_MARKER = 'injections.parquet'
_FILE = {'type': click.Path(dir_okay=False), 'metavar': 'FILE'}

# name, further arguments and help of each option, by what they are about
_HOSTS = (
    ('--store', {'type': click.Path(file_okay=False), 'metavar': 'DIR'},
     'Cutout store of the hosts. [cutouts, beside HOSTS]'),
    ('--stamps', {'is_flag': True}, 'HOSTS are FITS stamps; .npz files always are stamps.'),
    ('--set', {'dest': 'constants', 'multiple': True, 'metavar': 'COLUMN=VALUE'},
     'One value for all hosts, such as psfsize_r=1.3.'),
    ('--where', {'multiple': True, 'metavar': 'CONDITION'},
     'Hosts that are used, such as "psfsize_r < 1.5" or "type in SER,DEV".'),
    ('--known', _FILE, 'Positions of known lenses; hosts near them are left out.'),
    ('--known-radius', {'type': click.FloatRange(0, min_open=True), 'default': 11.0,
                        'show_default': True}, 'How near, in arcsec.'),
    ('--keep-lenses', {'is_flag': True}, 'Also inject into hosts that are labelled as lenses.'),
    ('--keep-flagged', {'is_flag': True},
     'Also inject into hosts that lack a band or many pixels.'),
    ('--host-bins', {'multiple': True, 'metavar': 'COLUMN=EDGES'},
     'Cells of conditions, each filled from its own hosts, such as psfsize_r=0.9,1.2,1.5.'))
_SYSTEMS = (
    ('--simulator', {'default': 'sie_sersic', 'show_default': True}, 'Simulator plugin.'),
    ('--priors', {'dest': 'priors_file', 'metavar': 'FILE'},
     'YAML file of priors, or "published" or "host_light".'),
    ('--prior', {'dest': 'priors', 'multiple': True, 'metavar': 'NAME=VALUE'},
     'Argument of the simulator; two ends as [0.5, 2.0], in arcsec for angles.'),
    ('--grid', {'multiple': True, 'metavar': 'NAME=A,B,...'},
     'Values of an argument of the simulator; several make all combinations.'),
    ('--number', {'short': '-n', 'type': click.IntRange(1), 'default': 500, 'show_default': True},
     'Injections, in each cell of the grid.'),
    ('--psf', {'metavar': 'PROFILE'}, 'gaussian, or moffat:BETA. [moffat:3.5]'),
    ('--gain', {}, 'exptime, sky, none or electrons per nanomaggy. [exptime, else sky]'),
    ('--pair', {'multiple': True, 'metavar': 'WHAT'},
     'Also with one thing changed: noise, psf, clip (each also WHAT=VALUE) or simulator=NAME.'),
    ('--pair-prior', {'dest': 'pair_priors', 'multiple': True, 'metavar': 'NAME=VALUE'},
     'Argument of the simulator of the pair, such as library=DIR of sie_stamp.'))
_RESULT = (
    ('--threshold', {'type': float, 'required': True}, 'Score from which one is recovered.'),
    ('--by', {'multiple': True, 'metavar': 'COLUMN[,COLUMN]'},
     'Axis of the completeness, such as theta_e,psfsize_r.'),
    ('--bins', {'multiple': True, 'metavar': 'AXIS=BINS'},
     'Edges (0.5,1,2), quantile or published. [--host-bins, where given]'),
    ('--min-groups', {'type': click.IntRange(1), 'default': 10, 'show_default': True},
     'Cells on fewer hosts are unsupported.'),
    ('--match', _FILE, 'Real lenses with annulus_snr; weights make the injections like them.'),
    ('--match-on', {'default': 'annulus_snr', 'show_default': True, 'metavar': 'COLUMN[,COLUMN]'},
     'What is matched.'),
    ('--lenses', _FILE, 'Manifest of real lenses: the realism gate goes into every table.'),
    ('--lenses-store', {'type': click.Path(file_okay=False), 'metavar': 'DIR'},
     'Their cutouts. [cutouts, beside their manifest]'),
    ('--keep-images', {'is_flag': True}, 'Keep the images, as a cutout store.'))
_RUN = (
    ('--checkpoint', _FILE, 'File that the plugin MODEL is loaded from.'),
    ('--option', {'dest': 'options', 'multiple': True, 'metavar': 'NAME=VALUE'},
     'Argument of the finder.'),
    ('--seed', {'type': int, 'default': 0, 'show_default': True}, 'Seed of the injections.'),
    ('--batch-size', {'type': click.IntRange(1), 'default': 64, 'show_default': True},
     'Injections made at a time.'))
_LAST = (('--overwrite', {'is_flag': True}, 'Replace earlier injections in DIR.'),)


def _options(command):
    command = engine_options(workers=1)(_add(command, _LAST))
    return _add(command, (*_HOSTS, *_SYSTEMS, *_RESULT, *_RUN))


def _add(command, options):
    for name, rest, text in reversed(options):
        rest = dict(rest)
        names = [item for item in (rest.pop('short', None), name, rest.pop('dest', None)) if item]
        command = click.option(*names, help=text, **rest)(command)
    return command


@click.command('inject', short_help='Inject lensed sources into hosts and count what is recovered.')
@click.argument('model')
@click.argument('hosts', nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True))
@click.option('-o', '--output', required=True, type=click.Path(file_okay=False), metavar='DIR',
              help='Folder for the injections and the tables; made anew.')
@_options
@click.pass_context
def inject_command(context, model, hosts, output, overwrite, **values):
    """
    Inject lensed sources into HOSTS, score them with MODEL (an ONNX file or a
    classifier plugin), and count the recovered ones.

    HOSTS is a manifest with its cutout store, or stamps (.npz, FITS). After an
    interruption, the same command goes on where it stopped. Every host is used once
    in a cell before any is used again; the tables say on how many distinct hosts a
    cell rests. "replay" makes any row again.
    """
    import shutil

    from lensfinder_audit.cli.injection_run import CONFIG, make_run, write_config
    from lensfinder_audit.files import refuse_folder, whole_folder, write_whole

    output = Path(output).resolve()
    refuse_folder(output, overwrite, _MARKER)
    parts, values = output.with_name(f'.{output.name}.parts'), {'model': model, **values}
    run = make_run(hosts, values, _stamp_folder(parts, hosts, values['constants']))
    injections = _inject(run, values, parts)
    tables, refused = make_tables(injections, run, values)
    with whole_folder(output, overwrite=overwrite, marker=_MARKER) as folder:
        write_whole(injections, folder / _MARKER)
        write_config(folder / CONFIG, hosts, values, run)
        for name, table in tables.items():
            write_whole(table, folder / f'{name}.ecsv')
        for source, name in ((run.stamps, 'hosts'), (_images(parts, values), 'images')):
            if source is not None:
                shutil.copytree(source, folder / name)
    shutil.rmtree(parts)
    report(tables, injections, refused)
    click.echo(output)
    context.exit(1 if refused else 0)


def _inject(run, values, parts):
    import warnings

    from tqdm import tqdm

    from lensfinder_audit.injection import GainWarning
    from lensfinder_audit.recovery import grid_values, host_pools, inject

    bins = read_bins(values['host_bins'], '--host-bins')
    cells = len(grid_values(run.simulator, run.options['grid'])) * sum(
        len(pool) > 0 for pool in host_pools(run.manifest, bins))
    engine = in_workers(**{name: values[name] for name in ('engine', 'address', 'workers')})
    with tqdm(total=values['number'] * cells, unit=' injections', disable=None) as bar:
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter('always', GainWarning)
                found = inject(run.manifest, run.store, run.finder, run.simulator,
                               n=values['number'], seed=values['seed'], host_bins=bins,
                               batch_size=values['batch_size'], progress=bar.update, engine=engine,
                               parts=parts, inputs=run.inputs, keep_images=_images(parts, values),
                               **run.options)
        except KeyboardInterrupt:
            bar.close()
            click.echo('Interrupted; the same command goes on from here.', err=True)
            raise click.exceptions.Exit(130) from None
    for item in said:
        click.echo(f'Warning: {item.message}', err=True)
    found.meta['gain']['warnings'] = [str(item.message) for item in said
                                      if issubclass(item.category, GainWarning)]
    found.meta['host_rules'] = [dict(zip(run.rules.colnames, map(_plain, row), strict=True))
                                for row in run.rules]
    return found


def _plain(value):
    return value.item() if hasattr(value, 'item') else value


def _images(parts, values):
    return parts / 'images' if values['keep_images'] else None


def _stamp_folder(parts, hosts, constants):
    """Stamps of other files or conditions than before get a folder of their own."""
    from hashlib import sha256

    from lensfinder_audit.files import sha256 as checksum

    digests = ''.join(checksum(name) for name in hosts) + repr(constants)
    return parts / f'hosts-{sha256(digests.encode()).hexdigest()[:12]}'
