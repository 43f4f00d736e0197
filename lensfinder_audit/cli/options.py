# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Options that commands share, and how their values are read."""
import click

from lensfinder_audit.exceptions import ConfigError

__all__ = ['column_options', 'sample_options', 'read_pairs', 'read_bins', 'read_finders',
           'read_numbers', 'given_options', 'engine_options', 'make_engine',
           'in_workers']

# option, role of the column, help
_COLUMNS = (('--id', 'object_id', 'unique name of the object'),
            ('--ra', 'ra', 'right ascension, J2000 degrees'),
            ('--dec', 'dec', 'declination, J2000 degrees'),
            ('--label', 'label', '1 for lenses, 0 for negatives'),
            ('--grade', 'grade', 'grade as published'),
            ('--tier', 'tier', 'A: spectroscopy or space-based imaging; B: candidate'),
            ('--discovery-method', 'discovery_method', 'how a lens was found'),
            ('--in-training', 'in_training', 'yes, no or the split the finder was trained on'),
            ('--confuser', 'confuser_class', 'confuser family of a negative'),
            ('--weight', 'weight', 'population objects that the row stands for'),
            ('--stratum', 'stratum', 'sampling stratum'))


def column_options(command):
    """Add an option for each role of a column, and for the scores."""
    for flag, role, text in reversed(_COLUMNS):
        command = click.option(flag, f'column_{role}', metavar='COLUMN', help=f'Column: {text}.')(
            command)
    command = click.option('--score', 'scores_of', multiple=True, metavar='[NAME=]COLUMN',
                           help='Score column, once for each finder.')(command)
    return click.option('--score-kind', type=click.Choice(['probability', 'logit', 'rank']),
                        help='What the scores are; guessed without it.')(command)


def sample_options(command):
    """Add the options that say which files make up the sample."""
    files = {'type': click.Path(dir_okay=False)}
    for option in (
            click.option('--set', 'constants', multiple=True, metavar='ROLE=VALUE',
                         help='One value for all lenses, such as discovery_method=CNN.'),
            click.option('--match-radius', type=click.FloatRange(0, min_open=True),
                         help='Greatest separation for conditions, arcsec. [1]'),
            click.option('--conditions', multiple=True, **files,
                         help='Catalogue of observing conditions, joined by position.'),
            click.option('--negatives-column', 'negatives_columns', multiple=True,
                         metavar='NAME=COLUMN',
                         help='Column of the negatives that stands for a column, role or finder.'),
            click.option('--negatives', help='Table of negatives; SCORES then holds lenses.',
                         **files)):
        command = option(command)
    return command


def engine_options(workers=None):
    """
    Add the options that say where partitions are computed.

    The command hands their values to `make_engine`.

    Parameters
    ----------
    workers : int, optional
        Processes by default; without it as many as the machine has processors.

    Returns
    -------
    decorator : callable
        Adds ``engine``, ``address`` and ``workers`` to a command.
    """
    number = {'default': workers, 'show_default': True} if workers else {}
    options = (
        click.option('--workers', type=click.IntRange(1), **number, help='Processes on this '
                     'machine' + ('; unless it is given, dask and spark start as many as '
                                  'processors.' if workers else '. [as many as processors]')),
        click.option('--address', '--engine-address', 'address', metavar='ADDRESS',
                     help='Where the engine runs: for dask the scheduler (tcp://host:8786 or its '
                     'JSON file), for spark the master (spark://host:7077, yarn, k8s://..., '
                     'local[4]). Without it workers are started here.'),
        click.option('--engine', 'engine', default='local', show_default=True,
                     metavar='local|dask|spark|NAME', help='Runs the partitions: processes of this '
                     'machine, Dask, Spark or an engine plugin. All give the same rows.'))

    def decorate(command):
        for option in options:
            command = option(command)
        return command
    return decorate


def make_engine(engine='local', address=None, workers=None):
    """
    Make the engine that `engine_options` ask for; it is closed when the command ends.

    Parameters
    ----------
    engine : str, optional
        Name of the plugin.
    address : str, optional
        Of a cluster.
    workers : int, optional
        Processes on this machine. What is only the default of a command holds for
        the local engine; others have their own.

    Returns
    -------
    engine : `~lensfinder_audit.interfaces.Engine`
        Ready for ``map_reduce``; nothing is started before that.
    """
    from lensfinder_audit.interfaces import parameter_names
    from lensfinder_audit.plugins import load_plugin

    context = click.get_current_context(silent=True)
    cls = load_plugin('engines', engine)
    given = {'address': address, 'workers': workers}
    if engine != 'local' and _is_default(context, 'workers'):
        given['workers'] = None
    given = {name: value for name, value in given.items() if value is not None}
    for name in given.keys() - parameter_names(cls):
        raise ConfigError(f'the engine {engine!r} takes no --{name}' + (
            '; give --engine dask or --engine spark with it' if engine == 'local' else ''))
    made = cls(**given)
    return context.with_resource(made) if context else made


def in_workers(engine='local', address=None, workers=1):
    """Make the engine, or return `None` where one process of this machine is asked for."""
    if engine == 'local' and address is None and workers == 1:
        return None
    return make_engine(engine, address, workers)


def _is_default(context, name):
    return context is not None and context.get_parameter_source(name).name == 'DEFAULT'


def read_pairs(values, option):
    """
    Read ``NAME=VALUE`` options.

    Parameters
    ----------
    values : sequence of str
        As given.
    option : str
        Name of the option, for messages.

    Returns
    -------
    pairs : dict of str to str
        Values by name.
    """
    pairs = {}
    for value in values:
        name, equals, rest = value.partition('=')
        if not (name and equals and rest):
            raise ConfigError(f'{option} {value!r}: write it as NAME=VALUE')
        pairs[name.strip()] = rest.strip()
    return pairs


def read_finders(values):
    """Read ``[NAME=]COLUMN`` options; without a name a finder is called by its column."""
    finders = {}
    for value in values:
        name, equals, column = value.partition('=')
        if not name or (equals and not column):
            raise ConfigError(f'--score {value!r}: write it as NAME=COLUMN or COLUMN')
        finders[name.strip()] = column.strip() or name.strip()
    return finders


def read_bins(values, option='--bins'):
    """Read ``AXIS=1,3,6,inf`` (edges), ``AXIS=SER,DEV`` (classes) or ``AXIS=quantile``."""
    bins = {}
    for name, text in read_pairs(values, option).items():
        items = [item.strip() for item in text.split(',')]
        if len(items) == 1 and items[0] in ('quantile', 'published', 'auto'):
            bins[name] = items[0]
        else:
            bins[name] = [_number(item) for item in items]
    return bins


def read_numbers(values, option):
    """Read ``NAME=VALUE`` options of which the values are numbers."""
    found = read_pairs(values, option)
    for name, text in found.items():
        if not isinstance(_number(text), float):
            raise ConfigError(f'{option} {name}={text}: {text!r} is no number')
    return {name: _number(text) for name, text in found.items()}


def given_options(values):
    """Collect the roles of columns from the parameters of a command."""
    return {name.removeprefix('column_'): value for name, value in values.items()
            if name.startswith('column_') and value}


def _number(text):
    try:
        return float(text)
    except ValueError:
        return text
