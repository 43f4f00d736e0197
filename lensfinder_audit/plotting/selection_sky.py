# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The completeness of a survey over the sky."""
import healpy
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from lensfinder_audit.plotting.style import GREY, WIDE, add_note, new_figure, styled, values

__all__ = ['plot_selection_map']

_STEP = 0.5  # degrees between points of the map


@styled
def plot_selection_map(pixels, *, top=None):
    """
    Draw the completeness over the sky.

    Parameters
    ----------
    pixels : `~astropy.table.Table`
        As ``SelectionFunction.to_healpix`` returns it.
    top : float, optional
        Upper end of the colours; the greatest completeness by default.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Mollweide projection, east to the left; unsupported pixels in pale grey,
        those where nothing was injected in dark grey, the rest of the sky white.
    """
    figure, (flat,) = new_figure(WIDE, 3.7)
    panel = figure.add_subplot(flat.get_subplotspec(), projection='mollweide')
    flat.remove()
    shown, code = _raster(pixels)
    top = top or float(np.nanmax(values(pixels, 'completeness'), initial=0.0)) or 1.0
    lon, lat = _grid_edges()
    colours = panel.pcolormesh(lon, lat, np.where(code == 1, shown, np.nan), cmap='viridis',
                               vmin=0, vmax=top, rasterized=True)
    for number, colour in ((2, '#D8D8D8'), (3, '#8A8A8A')):
        if (code == number).any():
            panel.pcolormesh(lon, lat, np.where(code == number, 1.0, np.nan), vmin=0, vmax=1,
                             cmap=ListedColormap([colour]), rasterized=True)
    panel.grid(lw=0.3, color=GREY, alpha=0.5)
    panel.set_xticks(np.radians([-120, -60, 0, 60, 120]), ['120°', '60°', '0°', '300°', '240°'])
    panel.set_yticks(np.radians([-60, -30, 0, 30, 60]))
    for label in panel.get_xticklabels():
        label.set_bbox({'facecolor': 'white', 'alpha': 0.75, 'edgecolor': 'none', 'pad': 0.8})
        label.set_zorder(5)
    figure.colorbar(colours, ax=panel, label='completeness', orientation='horizontal', aspect=40,
                    shrink=0.6, pad=0.04)
    _map_legend(figure, code)
    words = [f'{name.replace("_", " ")} = {value}'
             for name, value in pixels.meta.get('values', {}).items()]
    add_note(figure, '; '.join([*words, f'nside {pixels.meta["nside"]}; right ascension grows to '
                                'the left; intervals in the table']))
    return figure


def _grid_edges():
    return (np.radians(np.arange(-180, 180 + _STEP / 2, _STEP)),
            np.radians(np.arange(-90, 90 + _STEP / 2, _STEP)))


def _raster(pixels):
    """Look the sky up point by point: 0 no survey, 1 supported, 2 unsupported, 3 no number."""
    nside = int(pixels.meta['nside'])
    lon, lat = (np.degrees((edges[1:] + edges[:-1]) / 2) for edges in _grid_edges())
    lon, lat = np.meshgrid(-lon, lat)  # east to the left
    place = np.full(healpy.nside2npix(nside), -1)
    place[np.asarray(pixels['healpix'])] = np.arange(len(pixels))
    row = place[healpy.ang2pix(nside, lon % 360, lat, nest=True, lonlat=True)]
    value = values(pixels, 'completeness')
    kind = np.where(np.isnan(value), 3, np.where(np.asarray(pixels['supported']), 1, 2))
    return np.append(value, np.nan)[row], np.append(kind, 0)[row]


def _map_legend(figure, code):
    handles = [Patch(facecolor=colour, edgecolor=GREY, lw=0.4, label=label)
               for number, colour, label in ((2, '#D8D8D8', 'unsupported'),
                                             (3, '#8A8A8A', 'empty: nothing injected there'))
               if (code == number).any()]
    if handles:
        figure.legend(handles=handles, loc='outside upper left', ncols=2)
