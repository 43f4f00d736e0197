# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""``lensfinder-audit cutouts show``: a contact sheet of a store."""
from pathlib import Path

import click

__all__ = ['show_command']

_MOST = 500  # stamps in a sheet


@click.command('show', short_help='Draw a contact sheet of cutouts, in colour.')
@click.argument('store', type=click.Path(file_okay=False))
@click.option('-o', '--output', required=True, type=click.Path(dir_okay=False), metavar='FILE',
              help='Picture to write, .png or .pdf.')
@click.option('--keys', multiple=True, metavar='KEY,KEY|FILE',
              help='Cutouts to draw: keys, or a text file with one on each line.')
@click.option('--table', type=click.Path(dir_okay=False), metavar='FILE',
              help='Table with object_id, such as that of "cutouts verify", a manifest or scores; '
              'its columns can be used beside those of the index.')
@click.option('--where', default='', metavar='EXPRESSION',
              help='Only cutouts that fulfil it, such as "nan_fraction > 0.01 and core_r < 1".')
@click.option('--sort', default='', metavar='[-]COLUMN',
              help='Order, least value first; with - before it, greatest first.')
@click.option('--n', 'n', type=click.IntRange(1, _MOST), default=49, show_default=True,
              help='Cutouts, at most.')
@click.option('--seed', type=int, help='Choose them at random; else they are the first.')
@click.option('--caption', 'captions', multiple=True, metavar='COLUMN',
              help='Column of which the value is written below the key.')
@click.option('--bands', metavar='BAND,BAND,BAND',
              help='One band, or three with the bluest first. [g,r,z where they are there]')
@click.option('--columns', type=click.IntRange(1, 40), default=7, show_default=True,
              help='Stamps in a row.')
@click.option('--stretch', type=click.FloatRange(0, min_open=True), default=0.06,
              show_default=True, help='Flux per pixel in nanomaggies where colours saturate.')
@click.option('--softening', type=click.FloatRange(0, min_open=True), default=8.0,
              show_default=True, help='Q of the Lupton scale.')
@click.option('--overwrite', is_flag=True, help='Replace an existing output.')
def show_command(store, output, keys, table, where, sort, n, seed, captions, bands, columns,
                 stretch, softening, overwrite):
    """
    Draw cutouts of STORE side by side on one scale of brightness (Lupton et al. 2004);
    missing pixels are black, and the key stands above each.
    """
    from lensfinder_audit.cutouts import CutoutStore
    from lensfinder_audit.plotting.save import write_figure
    from lensfinder_audit.plotting.store_sheet import choose_rows, sheet_bands, store_sheet

    _refuse_output(output, overwrite)
    found = CutoutStore(store)
    bands = sheet_bands(found, bands.split(',') if bands and ',' in bands else bands or ())
    rows = _rows(found, _keys(keys), table)
    rows = rows[choose_rows(rows, where=where, sort=sort, n=n, seed=seed)]
    figure = store_sheet(found, rows['object_id'], second=_captions(rows, captions), bands=bands,
                         columns=columns, stretch=stretch, softening=softening,
                         note=_note(found, rows, bands, where, sort, seed))
    write_figure(figure, output, overwrite=overwrite)
    click.echo(f'{len(rows)} of {len(found):,} cutouts')
    click.echo(output)


def _refuse_output(output, overwrite):
    from lensfinder_audit.exceptions import ConfigError, OutputExistsError

    if Path(output).suffix.lower() not in ('.png', '.pdf'):
        raise ConfigError(f'{output}: a sheet is written as .png or .pdf')
    if Path(output).exists() and not overwrite:
        raise OutputExistsError(f'{output} is there already; choose another name or give '
                                '--overwrite')


def _keys(given):
    """Return the keys of all options; a file holds one on each line."""
    found = []
    for text in given:
        is_file = Path(text).is_file()
        found += Path(text).read_text(encoding='utf-8').splitlines() if is_file else text.split(',')
    return [key.strip() for key in found if key.strip()]


def _rows(store, keys, table):
    """Return the index with the columns of a table, of the keys or of all it has."""
    import numpy as np

    from lensfinder_audit.files import read_table
    from lensfinder_audit.tables import require_columns

    index = store.index()
    if table is None:
        return index[store.locate(keys)] if keys else index
    more = read_table(table)
    require_columns(more, ['object_id'], what=str(table))
    names = np.asarray(more['object_id']).astype(str)
    more = more[np.isin(names, keys)] if keys else more
    there = ~store.missing(more['object_id'])
    if not there.all():
        click.echo(f'{(~there).sum()} of {len(more)} rows of {table} have no cutout', err=True)
    more = more[there]
    place = store.locate(more['object_id'])
    for name in index.colnames:
        if name not in more.colnames:
            more[name] = index[name][place]
    return more


def _captions(rows, names):
    from lensfinder_audit.tables import require_columns

    require_columns(rows, names, what='the table')
    if not names:
        return None
    return ['  '.join(_word(rows[name][i]) for name in names) for i in range(len(rows))]


def _word(value):
    value = getattr(value, 'value', value)
    return f'{value:.3g}' if getattr(value, 'dtype', None) is not None and (
        value.dtype.kind == 'f') else str(value)


def _note(store, rows, bands, where, sort, seed):
    words = [f'{len(rows)} of {len(store):,} cutouts of {store.path.name}', ', '.join(bands)]
    words += [f'where {where}'] * bool(where) + [f'by {sort}'] * bool(sort)
    words += [f'chosen with seed {seed}'] * (seed is not None)
    return '; '.join(words) + '. Missing pixels are black.'
