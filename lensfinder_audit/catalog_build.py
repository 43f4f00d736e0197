# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Build the positives of a study as a YAML file says.

The file lists sources, catalogue plugins and tables of one's own, in the order of
their precedence, and training sets whose members are to be marked.
"""
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.crossmatch import sky_positions
from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.files import read_table
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.positives import mark_training, merge_catalogs
from lensfinder_audit.sources.user_catalog import UserCatalog

__all__ = ['build_catalog', 'load_catalog_plan', 'tier_counts']

_KEYS = ('merge_radius', 'sources', 'training')
_SOURCE_KEYS = ('source', 'file', 'name', 'columns', 'constants', 'options')


def load_catalog_plan(path):
    """
    Read the YAML file of a catalogue.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        With ``sources``, each with ``source`` (a plugin, and its ``options``) or
        ``file`` (and ``columns``, ``constants``), and optionally ``name``;
        ``merge_radius`` in arcsec; ``training``, tables of training sets.

    Returns
    -------
    plan : dict
        Checked; names of files are relative to the file.

    Raises
    ------
    ConfigError
        If it cannot be read or has an unknown key.
    """
    import yaml

    path = Path(path)
    try:
        found = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path}: cannot be read: {error}') from error
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        place = f' at line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise ConfigError(f'{path}: is not YAML{place}: {getattr(error, "problem", error)}'
                          ) from error
    if not isinstance(found, dict) or not isinstance(found.get('sources'), list):
        raise ConfigError(f'{path}: must hold "sources:", a list of catalogues')
    _only(found, _KEYS, str(path))
    radius = found.get('merge_radius', 2.0)
    if not isinstance(radius, int | float) or isinstance(radius, bool) or not 0 < radius <= 60:
        raise ConfigError(f'{path}: merge_radius must lie between 0 and 60 arcsec; it is '
                          f'{radius!r}')
    sources = [_source(item, f'{path}: sources, entry {i + 1}', path.parent)
               for i, item in enumerate(found['sources'])]
    names = [item['name'] for item in sources]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f'{path}: two sources are called {twice[0]!r}; give each its "name:"')
    return {'merge_radius': float(radius), 'sources': sources,
            'training': [path.parent / name for name in found.get('training') or []]}


def _source(item, where, folder):
    if not isinstance(item, dict) or ('source' in item) == ('file' in item):
        raise ConfigError(f'{where}: needs either "source:", a plugin, or "file:"; it is {item!r}')
    _only(item, _SOURCE_KEYS, where)
    for key in ('columns', 'constants', 'options'):
        if not isinstance(item.get(key, {}), dict):
            raise ConfigError(f'{where}: {key} must be names and values; it is {item[key]!r}')
    if 'source' in item:
        options = dict(item.get('options', {}))
        if 'path' in options:
            options['path'] = folder / options['path']
        return {'name': str(item.get('name', item['source'])), 'plugin': item['source'],
                'options': options}
    path = folder / item['file']
    return {'name': str(item.get('name', path.stem)), 'plugin': None,
            'options': {'path': path, 'columns': item.get('columns'),
                        'constants': item.get('constants')}}


def _only(values, allowed, where):
    for key in values:
        if key not in allowed:
            raise ConfigError(f'{where}: has an unknown key {key!r}.{did_you_mean(key, allowed)} '
                              f'Keys are {list(allowed)}.')


def build_catalog(plan):
    """
    Read and merge the sources of a plan.

    Parameters
    ----------
    plan : dict
        From `load_catalog_plan`.

    Returns
    -------
    table : `~astropy.table.QTable`
        See `~lensfinder_audit.positives.merge_catalogs`.
    """
    tables = {}
    for item in plan['sources']:
        kind = UserCatalog if item['plugin'] is None else load_plugin('sources', item['plugin'])
        try:
            source = kind(**item['options'])
        except TypeError as error:
            raise ConfigError(f'source {item["name"]}: {error}') from error
        tables[item['name']] = source()
    merged = merge_catalogs(tables, radius=plan['merge_radius'] * u.arcsec)
    if plan['training']:
        places = [sky_positions(read_table(path), what=str(path)) for path in plan['training']]
        ra, dec = (np.concatenate([getattr(place, side).deg for place in places])
                   for side in ('ra', 'dec'))
        merged.meta['n_in_training'] = mark_training(merged, ra, dec)
        merged.meta['training'] = [path.name for path in plan['training']]
    return merged


def tier_counts(table):
    """
    Count objects by tier, grade and the paper behind the tier.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of the ``reference`` schema.

    Returns
    -------
    counts : `~astropy.table.QTable`
        ``tier``, ``grade``, ``behind`` (what comes before the colon of the reason) and
        ``n``, most first within a tier.
    """
    behind = [reason.partition(':')[0] for reason in np.asarray(table['tier_reason']).tolist()]
    keys = list(zip(table['tier'].tolist(), table['grade'].tolist(), behind, strict=True))
    rows = sorted(((*key, keys.count(key)) for key in set(keys)),
                  key=lambda row: (row[0] or 'none', -row[3], row[1:3]))
    return QTable(rows=rows or None, names=['tier', 'grade', 'behind', 'n'],
                  dtype=[str, str, str, int])
