# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit conditions``: observing conditions over the sky."""
import click

from lensfinder_audit.exceptions import ConfigError

__all__ = ['conditions_command']

_UNITS = {'arcsec': ('psfsize',), 'mag': ('depth', 'ebv')}


@click.group('conditions', short_help='Map observing conditions over the sky.')
def conditions_command():
    """Observing conditions over the sky."""


@conditions_command.command('map')
@click.argument('table', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(dir_okay=False), metavar='FITS',
              help='File of the maps.')
@click.option('--column', 'columns', multiple=True, required=True, metavar='NAME[=COLUMN]',
              help='Condition, and the column of TABLE that holds it; once for each.')
@click.option('--nside', type=click.IntRange(1), required=True, help='HEALPix resolution.')
@click.option('--area', metavar='COLUMN', help='Area of a row in deg2, for bricks and regions.')
@click.option('--density', type=click.FloatRange(0, min_open=True),
              help='Random points per deg2, where rows have no area.')
@click.option('--statistic', type=click.Choice(['mean', 'median']), default='mean',
              show_default=True, help='Of the rows in a pixel, weighted by area.')
@click.option('--join', 'other', type=click.Path(dir_okay=False), metavar='TABLE',
              help='Second table, joined by the column of --on, that holds conditions.')
@click.option('--on', metavar='COLUMN', help='Column that both tables have.')
@click.option('--ra', default='ra', show_default=True, help='Column of right ascension, degrees.')
@click.option('--dec', default='dec', show_default=True, help='Column of declination, degrees.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
def map_command(table, output, columns, overwrite, **values):
    """
    Make HEALPix maps from TABLE: bricks or regions with their areas, or random points.

    A row counts where its position is. Nothing is filled in where there is no row.
    """
    from lensfinder_audit.condition_maps import map_conditions, write_condition_maps
    from lensfinder_audit.files import sha256

    names = _names(columns)
    found = _read(table, values)
    maps = map_conditions(_renamed(found, names, values), values['nside'], list(names),
                          area=values['area'], statistic=values['statistic'],
                          density=values['density'])
    files = [path for path in (table, values['other']) if path]
    maps.meta['inputs'] = [{'file': path.rpartition('/')[2], 'sha256': sha256(path)}
                           for path in files]
    maps.meta['columns'] = names
    write_condition_maps(maps, output, overwrite=overwrite)
    click.echo(f'{len(maps.table):,} pixels of nside {maps.nside}, {maps.area.value:,.1f} deg2, '
               f'from {len(found):,} rows: {", ".join(maps.names)}')
    if not (values['area'] or values['density']):
        click.echo('no areas were given (--area, --density): a pixel counts with its whole area')
    click.echo(output)


def _names(columns):
    names = {}
    for item in columns:
        name, equals, column = item.partition('=')
        if not name or (equals and not column):
            raise ConfigError(f'--column {item!r}: write it as NAME=COLUMN or COLUMN')
        names[name.strip()] = column.strip() or name.strip()
    return names


def _read(path, values):
    from lensfinder_audit.files import read_table

    table = read_table(path)
    if bool(values['other']) != bool(values['on']):
        raise ConfigError('--join TABLE and --on COLUMN are given together')
    return _joined(table, read_table(values['other']), values) if values['other'] else table


def _joined(table, other, values):
    from astropy.table import join

    from lensfinder_audit.tables import require_columns

    for item, what in ((table, 'TABLE'), (other, f'--join {values["other"]}')):
        require_columns(item, [values['on']], what=what)
    found = join(table, other, keys=values['on'], metadata_conflicts='silent')
    if not len(found):
        raise ConfigError(f'no row of TABLE has the {values["on"]} of a row of {values["other"]}')
    if len(found) < len(table):
        click.echo(f'{len(table) - len(found)} of {len(table)} rows have no partner in '
                   f'{values["other"]} and are left out', err=True)
    return found


def _renamed(table, names, values):
    from astropy import units as u
    from astropy.table import QTable

    from lensfinder_audit.tables import require_columns

    area = [values['area']] if values['area'] else []
    require_columns(table, [values['ra'], values['dec'], *area, *names.values()])
    found = QTable({'ra': table[values['ra']], 'dec': table[values['dec']],
                    **{name: table[name] for name in area}})
    for name, column in names.items():
        unit = next((unit for unit, stems in _UNITS.items() if name.split('_')[0] in stems), None)
        bare = getattr(table[column], 'unit', None) is None
        found[name] = u.Quantity(table[column], unit) if unit and bare else table[column]
    return found


@conditions_command.command('at')
@click.argument('conditions', type=click.Path(dir_okay=False))
@click.argument('table', type=click.Path(dir_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(dir_okay=False), metavar='FILE',
              help='TABLE with the conditions beside it.')
@click.option('--ra', default='ra', show_default=True, help='Column of right ascension, degrees.')
@click.option('--dec', default='dec', show_default=True, help='Column of declination, degrees.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
def at_command(conditions, table, output, ra, dec, overwrite):
    """
    Look the CONDITIONS, maps, up at the positions of TABLE.

    Nothing is taken from a neighbour: where the maps have no pixel, a value is missing.
    """
    import numpy as np
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    from lensfinder_audit.condition_maps import read_condition_maps
    from lensfinder_audit.files import read_table, write_whole
    from lensfinder_audit.tables import require_columns

    found, maps = QTable(read_table(table)), read_condition_maps(conditions)
    require_columns(found, [ra, dec], what=table)
    values = maps.at(SkyCoord(u.Quantity(found[ra], u.deg), u.Quantity(found[dec], u.deg)))
    for name in values.colnames:
        if name in found.colnames:
            raise ConfigError(f'{table} has a column {name!r} of its own; rename it, or the map')
        found[name] = values[name]
    write_whole(found, output, overwrite=overwrite)
    for name in values.colnames:
        column = np.asarray(values[name])
        known = column != '' if column.dtype.kind in 'US' else np.isfinite(column)
        click.echo(f'{name}: known for {known.sum():,} of {len(found):,} rows')
    click.echo(output)
