# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""From the options of ``inject`` to a run, which ``replay`` builds again."""
from dataclasses import dataclass
from pathlib import Path

from lensfinder_audit.cli.finders import finder_arguments, load_finder, read_arguments
from lensfinder_audit.cli.options import read_bins, read_pairs
from lensfinder_audit.exceptions import ConfigError, InputFileError

__all__ = ['CONFIG', 'Run', 'make_run', 'write_config', 'read_config']

#: File of the options in the output.
CONFIG = 'inject.yaml'

_HEADER = ('# How these injections were made; lensfinder-audit replay reads it.\n')


@dataclass
class Run:
    """What `lensfinder_audit.recovery.inject` and ``replay`` take."""

    manifest: object
    store: object
    finder: object
    simulator: object
    options: dict
    inputs: dict
    rules: object
    stamps: Path | None = None


def make_run(hosts, values, folder):
    """Read hosts, finder, simulator and priors; ``folder`` takes hosts that are stamps."""
    where = {name: values[name] for name in ('engine', 'workers') if name in values}
    finder = load_finder(values['model'], values['checkpoint'], finder_arguments(
        values['options'], values['model'], **where), values['batch_size'])
    table, store, inputs, stamps = _read_hosts(hosts, values, finder, folder)
    manifest, rules = _chosen(table, store, values, inputs)
    simulator, grid = _simulator(values)
    options = {'grid': grid, 'pair': _pairs(values), 'gain': _gain(values['gain']),
               'psf': _psf(values['psf']), 'priors': _priors(values['priors_file'])}
    return Run(manifest, store, finder, simulator, options, inputs, rules, stamps)


def write_config(path, hosts, values, run):
    """Write the options and the checksums of the inputs."""
    import yaml

    absolute = {name: str(Path(values[name]).resolve()) for name in (
        'model', 'checkpoint', 'store', 'known', 'priors_file', 'lenses', 'lenses_store')
        if values.get(name) and Path(values[name]).exists()}
    told = {name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()} | absolute
    told['hosts'] = [str(Path(name).resolve()) for name in hosts]
    path.write_text(_HEADER + yaml.safe_dump({'options': told, 'checksums': run.inputs},
                                             sort_keys=True), encoding='utf-8')


def read_config(folder):
    """Read what `write_config` wrote; return hosts, options and checksums."""
    import yaml

    path = Path(folder) / CONFIG
    if not path.is_file():
        raise InputFileError(f'{folder}: holds no {CONFIG}; give the output of "inject"')
    found = yaml.safe_load(path.read_text(encoding='utf-8'))
    values = dict(found['options'])
    return values.pop('hosts'), values, found['checksums']


def _read_hosts(hosts, values, finder, folder):
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.files import sha256
    from lensfinder_audit.hosts import hosts_from_stamps
    from lensfinder_audit.manifest import read_manifest
    from lensfinder_audit.survey import PIXEL_SCALE

    if values['stamps'] or all(name.lower().endswith('.npz') for name in hosts):
        inputs = {Path(name).name: sha256(name) for name in hosts}
        scale = PIXEL_SCALE if finder.pixel_scale is None else finder.pixel_scale
        table, store = hosts_from_stamps(
            hosts, folder, bands=finder.bands, shape=finder.stamp_shape, pixel_scale=scale,
            columns=_constants(values['constants']))
        return table, store, inputs, folder
    if len(hosts) != 1:
        raise ConfigError(f'{len(hosts)} files of hosts are given; a manifest is one file, and '
                          'FITS stamps need --stamps')
    table = read_manifest(hosts[0])
    for name, value in _constants(values['constants']).items():
        table[name] = [getattr(value, 'value', value)] * len(table) * getattr(value, 'unit', 1)
    store = CutoutStore(values['store'] or Path(hosts[0]).parent / 'cutouts')
    return table, store, {'manifest': sha256(hosts[0])}, None


def _chosen(table, store, values, inputs):
    from astropy import units as u

    from lensfinder_audit.files import read_table, sha256
    from lensfinder_audit.hosts import choose_hosts, host_columns
    from lensfinder_audit.manifest import check_cutouts

    check_cutouts(table, store)
    known = read_table(values['known']) if values['known'] else None
    if values['known']:
        inputs['known'] = sha256(values['known'])
    return choose_hosts(host_columns(table, store), where=values['where'], known=known,
                        radius=values['known_radius'] * u.arcsec, bands=store.bands,
                        keep_lenses=values['keep_lenses'], keep_flagged=values['keep_flagged'])


def _constants(pairs):
    """Read ``COLUMN=VALUE``; conditions of the survey get its units."""
    from astropy import units as u

    from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10

    found = {}
    for name, text in read_pairs(pairs, '--set').items():
        try:
            value = float(text)
        except ValueError:
            value = text
        unit = getattr(LEGACY_DR10.conditions.get(name), 'unit', '')
        unit = 's' if name.startswith('exptime_') else unit
        found[name] = u.Quantity(value, unit) if unit and not isinstance(value, str) else value
    return found


def _simulator(values):
    """Make the simulator and its grid; bare numbers take the unit of the default."""
    from lensfinder_audit.plugins import load_plugin

    defaults = load_plugin('simulators', values['simulator'])().parameters()
    grid = {name: _with_unit(defaults, name, value)
            for name, value in read_bins(values['grid'], '--grid').items()}
    return _made(values['simulator'], values['priors'], '--prior'), grid


def _made(name, arguments, flag):
    """Make a simulator with the arguments of an option."""
    from lensfinder_audit.plugins import load_plugin

    cls = load_plugin('simulators', name)
    defaults = cls().parameters()
    given = {key: _with_unit(defaults, key, value)
             for key, value in read_arguments(arguments, flag).items()}
    try:
        return cls(**given)
    except TypeError as error:
        raise ConfigError(f'the simulator {name!r} takes {sorted(defaults)}; {flag}: {error}'
                          ) from error


def _with_unit(defaults, name, value):
    from astropy import units as u

    unit = getattr(defaults.get(name), 'unit', None)
    value = tuple(value) if isinstance(value, list) else value
    return value if unit is None else u.Quantity(value, unit)


def _pairs(values):
    """Return what pairs change; a simulator that has arguments is made with them."""
    pairs, given = tuple(values['pair']), values.get('pair_priors') or ()
    named = [text for text in pairs if text.startswith('simulator=')]
    if given and len(named) != 1:
        raise ConfigError('--pair-prior is for the one --pair simulator=NAME; there are '
                          f'{len(named)}')
    return tuple((text, _made(text.partition('=')[2], given, '--pair-prior'))
                 if given and text in named else text for text in pairs)


def _priors(name):
    from lensfinder_audit.priors import read_priors

    return read_priors(name) if name else None


def _gain(text):
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _psf(text):
    """Read ``gaussian``, ``moffat`` or ``moffat:BETA``."""
    if not text:
        return None
    profile, _, beta = text.partition(':')
    try:
        return {'profile': profile, **({'beta': float(beta)} if beta else {})}
    except ValueError as error:
        raise ConfigError(f'--psf {text}: write it as moffat:3.5') from error
