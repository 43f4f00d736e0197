# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Images of galaxies made fit to be lensed: no noise pattern, no neighbor, no edge.

What is magnified shows every pixel of the source plane some ten times. Steps:
sky and noise from the border; pixels above the noise, found with photutils, of
the galaxy alone; smoothing by signal to noise; a taper to zero around it.
"""
import numpy as np
from astropy.stats import mad_std
from scipy import ndimage

from lensfinder_audit.exceptions import TableError

__all__ = ['clean_stamp', 'half_light_radius']

_BORDER = 4  # pixels along each edge that are taken for sky
_WIDTHS = (0.0, 1.0, 2.0, 4.0)  # of the smoothing, in pixels
_ENOUGH = 5.0  # signal to noise at which no more smoothing is needed
_FAINTEST = 10.0  # signal to noise of a galaxy that can be used
_TAPER = 6  # pixels over which light falls to zero outside of the galaxy


def clean_stamp(image):
    """
    Suppress noise, neighbors and edges in the image of a galaxy.

    Parameters
    ----------
    image : (y, x) array_like
        Finite flux per pixel, the galaxy at the center, at least 16 pixels wide.

    Returns
    -------
    clean : (y, x) `~numpy.ndarray`
        Padded by the taper, nowhere negative, exactly zero along its edges, and
        of unit sum.
    told : dict of str to float
        ``noise`` of a sky pixel of the border; ``kept``, the flux left over that
        of the stamp without its sky; ``signal_to_noise`` of the galaxy; ``level``,
        the mean step of the smoothing, of no, 1, 2 and 4 pixels, by light.
    """
    image = _checked(image)
    border = np.ones(image.shape, bool)
    border[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    image = image - np.median(image[border])
    noise = float(mad_std(image[border]))
    galaxy = _galaxy(image, noise)
    signal = float(image[galaxy].sum() / (noise * np.sqrt(galaxy.sum())))
    if signal < _FAINTEST:
        raise TableError(f'the image of a source has a signal to noise of {signal:.2g} over '
                         f'{galaxy.sum()} pixels; its noise would be lensed. At least '
                         f'{_FAINTEST:g} is needed: use brighter galaxies')
    level, smooth = _smoothed(image, noise, border)
    reach = ndimage.distance_transform_edt(~np.pad(galaxy, _TAPER + 2))
    taper = 0.5 * (1 + np.cos(np.pi * np.clip(reach / _TAPER, 0, 1)))
    clean = np.maximum(np.pad(smooth, _TAPER + 2, mode='edge'), 0) * taper
    told = {'noise': noise, 'kept': float(clean.sum() / image.sum()),
            'signal_to_noise': signal,
            'level': float((level * clean[_TAPER + 2:-_TAPER - 2, _TAPER + 2:-_TAPER - 2]).sum()
                           / clean.sum())}
    return clean / clean.sum(), told


def half_light_radius(image):
    """
    Return the radius about the centroid that holds half the light.

    Parameters
    ----------
    image : (y, x) `~numpy.ndarray`
        Flux per pixel, nowhere negative.

    Returns
    -------
    radius : float
        In pixels.
    """
    y, x = ndimage.center_of_mass(image)
    fine = np.repeat(np.repeat(image, 4, axis=0), 4, axis=1)
    rows, columns = ((np.arange(n) - 1.5) / 4 for n in fine.shape)
    radius = np.hypot(rows[:, None] - y, columns - x).ravel()
    order = radius.argsort()
    light = np.cumsum(fine.ravel()[order])
    return float(radius[order][np.searchsorted(light, 0.5 * light[-1])])


def _checked(image):
    image = np.asarray(image, dtype=float)
    if image.ndim != 2 or min(image.shape) < 16:
        raise TableError(f'the image of a source is a plane of at least 16 x 16 pixels, not of '
                         f'shape {image.shape}')
    if not np.isfinite(image).all():
        raise TableError(f'the image of a source has {int((~np.isfinite(image)).sum())} of '
                         f'{image.size} pixels that are not finite; leave it out or fill them')
    if np.ptp(image) == 0:
        raise TableError(f'the image of a source is {image.flat[0]:g} everywhere')
    return image


def _galaxy(image, noise):
    """Mark the pixels of the galaxy: what hangs together with its brightest part."""
    from photutils.segmentation import SegmentationImage

    smooth = ndimage.gaussian_filter(image, 1.5, mode='nearest')
    sky = noise / (2 * np.sqrt(np.pi) * 1.5)  # of the smoothed image, for independent pixels
    labels, n = ndimage.label(smooth > 3 * sky, np.ones((3, 3)))
    if not n:
        raise TableError('no light above the noise in the image of a source; its brightest pixel '
                         f'has {image.max() / noise:.2g} sigma')
    found = SegmentationImage(labels)
    y, x = (np.arange(size) - (size - 1) / 2 for size in image.shape)
    near = np.exp(-0.5 * (np.hypot(y[:, None], x) / (0.15 * min(image.shape))) ** 2)
    light = [(image * near)[labels == label].sum() for label in found.labels]
    main = labels == found.labels[int(np.argmax(light))]
    around = ndimage.binary_dilation(main, iterations=3)
    return np.isin(labels, np.setdiff1d(labels[around], 0))


def _smoothed(image, noise, border):
    """Smooth each pixel just as much as its signal to noise needs."""
    stack, enough = [], []
    for width in _WIDTHS:
        smooth = ndimage.gaussian_filter(image, width, mode='nearest') if width else image
        sky = max(noise / (2 * np.sqrt(np.pi) * width) if width else noise,
                  mad_std(smooth[border]))
        stack.append(smooth)
        enough.append(smooth > _ENOUGH * sky)
    level = np.where(np.any(enough, axis=0), np.argmax(enough, axis=0), len(_WIDTHS) - 1)
    level = ndimage.gaussian_filter(level.astype(float), 2.0, mode='nearest')  # no seams
    below = np.minimum(level.astype(int), len(_WIDTHS) - 2)
    part = level - below
    stack = np.array(stack)
    pick = np.ix_(*map(np.arange, image.shape))
    return level, (1 - part) * stack[(below, *pick)] + part * stack[(below + 1, *pick)]
