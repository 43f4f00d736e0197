# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Find and load plugins.

Listing reads the metadata of installed distributions and imports nothing;
loading imports the module of the one plugin that was asked for.
"""
import re
from importlib.metadata import entry_points

from lensfinder_audit.exceptions import (ConfigError, MissingDependencyError, PluginConflictError,
                                         PluginImportError, PluginNotFoundError, did_you_mean)

__all__ = ['KINDS', 'plugin_names', 'find_plugin', 'load_plugin']

#: The kinds of plugin, each with what one plugin of it does.
KINDS = {
    'surveys': 'photometric system and condition columns of an imaging survey',
    'sources': 'read a catalogue of lenses or confusers',
    'normalizers': 'bring pixel fluxes into the range that a network expects',
    'classifiers': 'give each cutout a score',
    'simulators': 'draw and render lensed images to inject',
    'engines': 'run a function over partitions',
}

# Which extra brings a module that a built-in plugin may miss.
_EXTRAS = {'torch': 'torch', 'timm': 'torch', 'lightning': 'torch', 'safetensors': 'torch',
           'astroquery': 'catalogs',
           'pyvo': 'catalogs', 'lenscat': 'catalogs', 'dask': 'dask', 'distributed': 'dask',
           'cloudpickle': 'dask', 'pyspark': 'spark', 'py4j': 'spark', 'lenstronomy': 'lenstronomy'}


def plugin_names(kind):
    """
    List the installed plugins of a kind, importing none of them.

    Parameters
    ----------
    kind : str
        One of `KINDS`.

    Returns
    -------
    names : list of str
        Sorted, each name once.

    Raises
    ------
    ConfigError
        If there is no such kind.

    Examples
    --------
    >>> from lensfinder_audit.plugins import plugin_names
    >>> 'raw_robust' in plugin_names('normalizers')
    True
    """
    return sorted({point.name for point in entry_points(group=_group(kind))})


def find_plugin(kind, name):
    """
    Find the entry point of a plugin without importing it.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Name under which the plugin is registered.

    Returns
    -------
    point : `importlib.metadata.EntryPoint`
        Its ``dist`` tells the distribution, its ``value`` the object.

    Raises
    ------
    PluginNotFoundError
        If no distribution registers the name; the nearest one is named.
    PluginConflictError
        If several distributions register it for different objects.
    """
    found = list(entry_points(group=_group(kind), name=name))
    if not found:
        names = plugin_names(kind)
        raise PluginNotFoundError(f'no {kind} plugin is named {name!r}. Installed: {names}.'
                                  f'{did_you_mean(name, names)}')
    if len({point.value for point in found}) > 1:
        owners = ' and '.join(sorted(_owner(point) for point in found))
        raise PluginConflictError(f'{kind} plugin {name!r} comes from {owners}; '
                                  'uninstall all but one of them.')
    return found[0]


def load_plugin(kind, name):
    """
    Import a plugin and return what it registers.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Name under which the plugin is registered.

    Returns
    -------
    plugin : type or object
        The plugin class; for ``'surveys'`` the `~lensfinder_audit.survey.Survey`.

    Raises
    ------
    PluginNotFoundError, PluginConflictError
        As `find_plugin` raises them.
    MissingDependencyError
        If the plugin needs a package that is not installed.
    PluginImportError
        If its module fails in any other way.

    Examples
    --------
    >>> from lensfinder_audit.plugins import load_plugin
    >>> load_plugin('surveys', 'legacy_dr10').bands
    ('g', 'r', 'z')
    """
    point = find_plugin(kind, name)
    try:
        return point.load()
    except ModuleNotFoundError as error:
        raise MissingDependencyError(_missing_message(kind, point, error)) from error
    except Exception as error:
        raise PluginImportError(f'{kind} plugin {name!r} from {_owner(point)} cannot be imported: '
                                f'{type(error).__name__}: {error}') from error


def _group(kind):
    if kind not in KINDS:
        raise ConfigError(f'there is no plugin kind {kind!r}; the kinds are {list(KINDS)}.'
                          f'{did_you_mean(kind, KINDS)}')
    return f'lensfinder_audit.{kind}'


def _owner(point):
    return f'{point.dist.name} {point.dist.version}' if point.dist else 'an unknown distribution'


def _missing_message(kind, point, error):
    top = (error.name or str(error)).partition('.')[0]
    wanted = f'lensfinder_audit[{_EXTRAS[top]}]' if top in _EXTRAS else top
    own = re.match(r'lensfinder[-_.]audit', point.dist.name if point.dist else '')
    advice = f"pip install '{wanted if own else top}'"
    return (f'{kind} plugin {point.name!r} needs {error.name!r}, which is not installed: {advice}')
