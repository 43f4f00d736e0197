# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures as files whose bytes depend on nothing but the figure."""
import pickle
import subprocess
import sys
import tempfile
import warnings
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf

from lensfinder_audit.exceptions import ConfigError
from lensfinder_audit.files import whole_file
from lensfinder_audit.plotting.style import DPI, styled

__all__ = ['figure_png', 'save_figure', 'save_figures', 'write_figure']

#: More figures than this are shared with another process.
_FEW = 8


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
    shared = figures[1::2] if len(figures) > _FEW else []
    with _another_process(shared, folder) as left_over:
        for item in figures[::2] if shared else figures:
            save_figure(item, folder)
    for item in left_over:
        save_figure(item, folder)
    for item in shared:
        item.setdefault('png', _path(item, folder, '.png').read_bytes())
    return [_path(item, folder, suffix) for item in figures for suffix in ('.png', '.pdf')]


def save_figure(item, folder):
    """Write one figure as PNG and as PDF."""
    _path(item, folder, '.png').write_bytes(figure_png(item))
    _path(item, folder, '.pdf').write_bytes(_pdf(item['figure']))


def write_figure(figure, path, *, overwrite=False):
    """
    Write one figure to a file that appears complete or not at all.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        The figure.
    path : str or `~pathlib.Path`
        Ends in ``.png`` or ``.pdf``.
    overwrite : bool, optional
        Whether a file that is there may be replaced.

    Raises
    ------
    ConfigError
        If the suffix is another.
    OutputExistsError
        If ``path`` is there and ``overwrite`` is not given.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in ('.png', '.pdf'):
        raise ConfigError(f'{path}: a figure is written as .png or .pdf')
    content = figure_png({'figure': figure})
    with whole_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content if suffix == '.png' else _pdf(figure))


def _path(item, folder, suffix):
    return folder / (item['name'] + suffix)


@contextmanager
def _another_process(figures, folder):
    """Draw figures in a process of their own meanwhile; give what it could not, at the end."""
    left_over = []
    if not figures:
        yield left_over
        return
    with tempfile.TemporaryDirectory() as scratch:
        parcel = Path(scratch) / 'figures'
        try:
            parcel.write_bytes(pickle.dumps([{key: item[key] for key in ('name', 'figure')}
                                             for item in figures]))
        except (pickle.PicklingError, AttributeError, TypeError):  # a figure with a local function
            yield left_over
            left_over += figures
            return
        with subprocess.Popen([sys.executable, '-m', 'lensfinder_audit.plotting._draw_parcel',
                               str(parcel), str(folder)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield left_over
                failed = process.wait()
            finally:
                process.kill()
    left_over += figures if failed else []


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
