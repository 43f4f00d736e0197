# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures as files whose bytes depend on nothing but the figure."""
import warnings
from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf

from lensfinder_audit.plotting.style import DPI, styled

__all__ = ['figure_png', 'save_figures']


def figure_png(item):
    """
    Return the PNG of a figure, drawn once and kept.

    Parameters
    ----------
    item : dict
        As `~lensfinder_audit.plotting.draw_figures` returns them; gains the
        key ``png``.

    Returns
    -------
    png : bytes
        At 150 dpi, without a date or the version of any library.
    """
    if 'png' not in item:
        item['png'] = _draw(FigureCanvasAgg(item['figure']).print_png, {'Software': None})
    return item['png']


def save_figures(figures, folder):
    """
    Write every figure as PNG and as PDF.

    Parameters
    ----------
    figures : list of dict
        As `~lensfinder_audit.plotting.draw_figures` returns them.
    folder : str or `~pathlib.Path`
        Made where it is missing.

    Returns
    -------
    paths : list of `~pathlib.Path`
        The files, named by the figures.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for item in figures:
        for suffix, content in (('.png', figure_png(item)), ('.pdf', _pdf(item['figure']))):
            paths.append(folder / (item['name'] + suffix))
            paths[-1].write_bytes(content)
    return paths


def _pdf(figure):
    figure.set_layout_engine('none')  # the PNG has laid it out
    nothing = dict.fromkeys(('CreationDate', 'Creator', 'Producer'))
    try:
        return _draw(FigureCanvasPdf(figure).print_pdf, nothing)
    finally:
        figure.set_dpi(DPI)  # a PDF has 72 points to the inch


@styled
def _draw(write, metadata):
    # the canvas is called itself because savefig draws everything twice
    with warnings.catch_warnings(), BytesIO() as stream:
        # a name in a script that the font lacks is drawn as boxes
        warnings.filterwarnings('ignore', message='Glyph .* missing from font')
        write(stream, metadata=metadata)
        return stream.getvalue()
