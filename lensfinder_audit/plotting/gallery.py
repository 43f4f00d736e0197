# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Contact sheets of image stamps in colour."""
import numpy as np
from astropy.visualization import make_lupton_rgb
from matplotlib.patches import Rectangle

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.plotting.style import (COLOURS, GREY, WIDE, add_note, mark_simulated,
                                             new_figure, plain, styled)

__all__ = ['contact_sheet', 'colour_image']

#: What a flux is multiplied by in blue, green and red, for stamps in g, r and z.
GRZ_SCALES = (1.7, 1.0, 0.6)

#: Grey of pixels without a value, of 255.
GREY_LEVEL = 128
_INCH = 1.0  # of a stamp, where the sheet is narrower than a page


@styled
def contact_sheet(images, *, titles=None, second=None, columns=7, scales=GRZ_SCALES, stretch=0.06,
                  softening=8.0, missing=GREY_LEVEL, note='', simulated=False, framed=None):
    """
    Draw image stamps side by side, all on one scale of brightness.

    Parameters
    ----------
    images : (n, 3, y, x) array_like
        Flux in nanomaggies, bluest band first; NaN marks a missing pixel. One
        band, (n, 1, y, x), is drawn in shades of grey.
    titles : (n,) sequence of str, optional
        A line above each stamp.
    second : (n,) sequence of str, optional
        A second line, below that.
    columns : int, optional
        Stamps in a row.
    scales : sequence of float, optional
        Factors of the bands in blue, green and red.
    stretch : float, optional
        Flux in nanomaggies per pixel at which the scale turns from linear to
        logarithmic.
    softening : float, optional
        The Q of the scale.
    missing : int, optional
        Grey of missing pixels, from 0, black, to 255.
    note : str, optional
        A line below the sheet.
    simulated : bool, optional
        Whether the sheet says that its stamps are simulated.
    framed : (n,) sequence of bool, optional
        Stamps with a frame; what it means is for the caption to say.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The first row of pixels of a stamp is at its lower edge.

    Raises
    ------
    TableError
        If the stamps are not in one or three bands, or the titles not as many.
    ConfigError
        If there is no stamp, or less than one column.
    """
    images = np.asarray(images)
    _check(images, titles, columns)
    columns = min(columns, len(images))
    width = min(WIDE, max(columns * _INCH, 2.2))
    words = _words(titles, second)
    height = width / columns * (1.02 + 0.12 * (words is not None) + 0.1 * (second is not None))
    n_rows = -(-len(images) // columns)
    figure, axes = new_figure(width, n_rows * height + 0.25, n_rows=n_rows, n_cols=columns)
    figure.get_layout_engine().set(h_pad=0.06, w_pad=0.01, hspace=0, wspace=0)
    for panel in axes:
        panel.set_axis_off()
    for number, (panel, image) in enumerate(zip(axes, images, strict=False)):
        colours = colour_image(image, scales=scales, stretch=stretch, softening=softening,
                               missing=missing)
        panel.imshow(colours, origin='lower', interpolation='nearest')
        if framed is not None and framed[number]:
            panel.add_patch(Rectangle((0, 0), 1, 1, transform=panel.transAxes, fill=False, lw=3,
                                      edgecolor=COLOURS[4]))
        if words is not None:
            panel.set_title(words[number], fontsize=_font_size(words, width / columns), color=GREY,
                            pad=2)
    if note:
        add_note(figure, plain(note, longest=400))
    if simulated:
        mark_simulated(figure)
    return figure


def colour_image(image, *, scales=GRZ_SCALES, stretch=0.06, softening=8.0, missing=GREY_LEVEL):
    """
    Turn a stamp in three bands into colours.

    Parameters
    ----------
    image : (band, y, x) array_like
        Flux in nanomaggies in one or three bands, bluest first.
    scales : sequence of float, optional
        Factors of the bands in blue, green and red.
    stretch : float, optional
        Flux per pixel at which the scale turns from linear to logarithmic.
    softening : float, optional
        The Q of the scale.
    missing : int, optional
        Grey of missing pixels, from 0, black, to 255.

    Returns
    -------
    colours : (y, x, 3) `~numpy.ndarray` of uint8
        Red, green and blue after Lupton et al. 2004 (arXiv:astro-ph/0312483);
        ``missing`` where a band has no value; a band that is missing whole counts as dark.
    """
    image = np.asarray(image, dtype=float)
    held = np.isfinite(image).any(axis=(1, 2))  # a band that is missing whole hides no other
    lost = ~np.isfinite(image[held]).all(axis=0) | ~held.any()
    bands = np.where(lost, 0.0, np.where(held[:, None, None], image, 0.0))
    blue, green, red = bands * np.reshape(scales, (3, 1, 1)) if len(bands) == 3 else [bands[0]] * 3
    with np.errstate(invalid='ignore', divide='ignore'):  # of pixels that are exactly black
        colours = make_lupton_rgb(red, green, blue, stretch=stretch, Q=softening)
    colours[lost] = missing
    return colours


def _words(titles, second):
    """Return what stands above each stamp, or `None`."""
    if titles is None:
        return None
    lines = [titles] if second is None else [titles, second]
    return ['\n'.join(plain(word, longest=22) for word in row) for row in zip(*lines, strict=True)]


def _font_size(words, width):
    """Let the longest line end above its stamp; a letter is about 0.6 as wide as high."""
    longest = max(len(line) for text in words for line in text.split('\n'))
    return min(6.0, max(2.0, 72 * width / (0.62 * max(longest, 1))))


def _check(images, titles, columns):
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise TableError('a contact sheet is drawn of stamps (n, band, y, x) in one or three '
                         f'bands, not of shape {images.shape}')
    if not len(images) or columns < 1:
        raise ConfigError(f'a contact sheet of {len(images)} stamps in {columns} columns is empty')
    if titles is not None and len(titles) != len(images):
        raise TableError(f'{len(images)} stamps need as many titles, not {len(titles)}')
