# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""How ``selection`` reads rows, axes, thresholds and values from the command line."""
import re

import click

from lensfinder_audit.cli.options import read_pairs
from lensfinder_audit.exceptions import ConfigError

__all__ = ['build_function', 'choose_rows', 'read_at', 'read_thresholds']


def choose_rows(table, where):
    """Keep the rows that hold the values of ``COLUMN=VALUE`` options."""
    import numpy as np

    from lensfinder_audit.tables import require_columns

    pairs = read_pairs(where, '--where')
    require_columns(table, pairs, what='TABLE')
    for name, text in pairs.items():
        column = np.asarray(table[name])
        keep = (column == _number(text, f'--where {name}') if column.dtype.kind in 'fiu'
                else np.char.lower(column.astype(str)) == text.lower())
        if not keep.any():
            there = [str(value) for value in np.unique(column)[:8]]
            raise ConfigError(f'--where {name}={text}: no row has it; {name} holds {there}')
        table = table[keep]
    return table


def read_thresholds(thresholds, score):
    """Read ``[COLUMN=]SCORE`` options: one number, or several by column."""
    found = {}
    for item in thresholds:
        name, equals, text = item.rpartition('=')
        if bool(equals) != (len(thresholds) > 1) and not (equals and name):
            raise ConfigError(f'--threshold {item!r}: with several finders write each as '
                              'COLUMN=SCORE')
        found[name.strip() or score] = _number(text, '--threshold')
    return found if len(found) > 1 or score not in found else found[score]


def read_at(options, function):
    """Read ``AXIS=VALUE`` options; a unit may follow the number."""
    from astropy import units as u

    found = {}
    for name, text in read_pairs(options, '--at').items():
        if function.axis(name).classes:
            found[name] = text
            continue
        parts = re.fullmatch(r'([-+0-9.eE]+)\s*(\D.*)?', text)
        if not parts:
            raise ConfigError(f'--at {name}={text}: the axis holds numbers, such as {name}=1.2')
        value = _number(parts[1], f'--at {name}')
        try:
            found[name] = u.Quantity(value, parts[2]) if parts[2] else value
        except (TypeError, ValueError):
            raise ConfigError(f'--at {name}={text}: there is no unit {parts[2]!r}') from None
    return found


def build_function(table, values):
    """Measure the selection function that the options of ``build`` describe."""
    from lensfinder_audit.measure.selection_build import measure_selection, selection_from_counts

    axes = _axes(table, values)
    table, group = _grouped(table, values)
    rest = {'by': axes, 'pool': not values['no_pool'], 'min_groups': values['min_groups'],
            'confidence': values['confidence'], 'group': group}
    thresholds = values['thresholds']
    if not values['counts']:
        return measure_selection(table, threshold=thresholds, score=values['score'],
                                 combine=values['combine'], weight=values['weight'],
                                 method=values['method'], **rest)
    n, comma, recovered = values['counts'].partition(',')
    if not comma or values['method'] == 'smooth' or isinstance(thresholds, dict):
        raise ConfigError('--counts takes N,RECOVERED, two columns, and makes a binned function '
                          'of one threshold')
    return selection_from_counts(table, n=n.strip(), recovered=recovered.strip(),
                                 threshold=thresholds, **rest)


def _axes(table, values):
    import numpy as np

    from lensfinder_audit.measure.binning import make_axis
    from lensfinder_audit.measure.selection_points import derived_column
    from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
    from lensfinder_audit.tables import require_columns

    found, bins = [], values['bins']
    names = [name.strip() for name in values['by'].split(',')]
    for name in names:
        column = derived_column(table, name)
        if column is None:
            require_columns(table, [name], what='TABLE')
        known = LEGACY_DR10.conditions.get(name)
        unit = str(getattr(column, 'unit', None) or getattr(known, 'unit', ''))
        found.append(make_axis(np.asarray(getattr(column, 'value', column)), name,
                               bins=bins.get(name, 'auto'), unit=unit.replace('mag(AB)', 'mag'),
                               published=getattr(known, 'published_edges', ())))
    extra = sorted(set(bins) - set(names))
    if extra:
        raise ConfigError(f'--bins names {extra}, which --by does not; it names {names}')
    return found


def _grouped(table, values):
    """Return the table and the column of its groups; counts have none unless it is given."""
    import numpy as np

    from lensfinder_audit.tables import require_columns

    if not values['group']:
        known = 'host' if 'host' in table.colnames and not values['counts'] else None
        if known is None and not values['counts']:
            click.echo('TABLE has no column host: rows count as independent (--group)', err=True)
        return table, known
    names = [name.strip() for name in values['group'].split(',')]
    require_columns(table, names, what='TABLE')
    if len(names) == 1:
        return table, names[0]
    table = table.copy()
    joint = ' x '.join(names)
    table[joint] = [' x '.join(row) for row in zip(*(np.asarray(table[name]).astype(str)
                                                     for name in names), strict=True)]
    return table, joint


def _number(text, what):
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f'{what} {text!r}: is not a number') from None
