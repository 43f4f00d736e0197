# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Coadded stamps from single exposures, with their noise and point spread function.

For hosts whose PSF is to be that of their own images, not a width in a catalogue.
"""
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.stats import sigma_clipped_stats
from astropy.wcs import WCS, FITSFixedWarning
from scipy import ndimage

from lensfinder_audit._fits import read_hdus
from lensfinder_audit.exceptions import InputFileError, TableError
from lensfinder_audit.files import read_table
from lensfinder_audit.psf_models import PixelPSF
from lensfinder_audit.psfex import PSFExModel, PSFExPSF, read_psfex
from lensfinder_audit.survey import PIXEL_SCALE
from lensfinder_audit.tables import require_columns

__all__ = ['Exposure', 'read_exposure', 'read_exposures', 'coadd_stamp']

_GROWN = 2  # pixels by which masks grow: as far as a cubic spline rings


@dataclass(frozen=True)
class Exposure:
    """
    One chip of one exposure in nanomaggies.

    Parameters
    ----------
    band : str
        Filter.
    flux : (y, x) `~numpy.ndarray`
        Nanomaggies per pixel, without sky.
    ivar : (y, x) `~numpy.ndarray`
        Inverse variance, 0 where a pixel is masked.
    wcs : `~astropy.wcs.WCS`
        Place on the sky.
    psf : `~lensfinder_audit.psfex.PSFExModel`
        Point spread function over the chip.
    name : str, optional
        File of the image.
    """

    band: str
    flux: np.ndarray
    ivar: np.ndarray
    wcs: WCS
    psf: PSFExModel
    name: str = ''

    def place(self, position):
        """
        Return where a position falls on the chip.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord`
            One position.

        Returns
        -------
        x, y : float
            Pixel from 0.
        pixels : (2, 2) `~numpy.ndarray`
            Pixels of the exposure per arcsec to the right (west) and up (north).
        """
        step = 1 * u.arcsec
        around = SkyCoord([position, position.directional_offset_by(270 * u.deg, step),
                           position.directional_offset_by(0 * u.deg, step)])
        x, y = self.wcs.world_to_pixel(around)
        return float(x[0]), float(y[0]), np.array([x[1:] - x[0], y[1:] - y[0]])


def read_exposure(image, weight, mask, psf, *, band, zero_point, exposure_time):
    """
    Read and calibrate one chip of one exposure.

    Parameters
    ----------
    image, weight, mask : str or `~pathlib.Path`
        FITS files: counts; their inverse variance; a value other than 0 where a
        pixel is bad. Each in the first unit that holds an image.
    psf : str or `~pathlib.Path`
        PSFEx model.
    band : str
        Filter.
    zero_point : float
        AB magnitude that gives one count per second.
    exposure_time : `~astropy.units.Quantity`
        Of the exposure.

    Returns
    -------
    exposure : `Exposure`
        ``flux = counts / 10^(0.4 (zero_point + 2.5 log10 seconds - 22.5))``, less
        the sigma-clipped median of the pixels that are not masked.

    Raises
    ------
    InputFileError
        If a file is damaged, or the images differ in shape.
    """
    counts, header = _plane(image)
    inverse, bad = _plane(weight)[0], _plane(mask)[0]
    if not counts.shape == inverse.shape == bad.shape:
        raise InputFileError(f'{image}: has {counts.shape} pixels, its weight {inverse.shape} and '
                             f'its mask {bad.shape}')
    seconds = exposure_time.to_value(u.s)
    scale = 10 ** (0.4 * (zero_point + 2.5 * np.log10(seconds) - 22.5))
    good = (bad == 0) & (inverse > 0) & np.isfinite(counts)
    if not good.any():
        raise InputFileError(f'{image}: every pixel is masked')
    sky = sigma_clipped_stats(counts[good], sigma=3)[1]
    return Exposure(band, np.where(good, (counts - sky) / scale, 0),
                    np.where(good, inverse * scale ** 2, 0), _wcs(header), read_psfex(psf),
                    Path(image).name)


def read_exposures(folder, *, ccds=None):
    """
    Read the exposures of a folder that is laid out as those of the Legacy Surveys.

    Parameters
    ----------
    folder : str or `~pathlib.Path`
        Holds, at any depth, images (``ooi`` in their names), weights (``oow``),
        masks (``ood``) and PSFEx models, which are named after the image or after
        exposure and chip.
    ccds : str or `~pathlib.Path`, optional
        Table of the chips. The default is the longest ``survey-ccds`` file there.

    Returns
    -------
    exposures : list of `Exposure`
        In the order of the table.

    Raises
    ------
    InputFileError
        If a table, an image, its weight, mask or model is not there.
    """
    folder = Path(folder)
    tables = [read_table(path) for path in ([Path(ccds)] if ccds else
                                            sorted(folder.glob('survey-ccds*')))]
    if not tables:
        raise InputFileError(f'{folder}: has no survey-ccds table')
    table = max(tables, key=len)
    require_columns(table, ['image_filename', 'filter', 'exptime', 'ccdzpt', 'expnum', 'ccdname'],
                    what='the table of chips')
    files = {path.name: path for path in folder.rglob('*.fits*')}
    return [read_exposure(*_files_of(row, files, folder), band=str(row['filter']).strip(),
                          zero_point=float(row['ccdzpt']),
                          exposure_time=float(u.Quantity(row['exptime']).value) * u.s)
            for row in table]


def coadd_stamp(exposures, position, *, bands, shape=(101, 101), pixel_scale=PIXEL_SCALE):
    """
    Coadd exposures on a stamp with North up and East to the left.

    Parameters
    ----------
    exposures : sequence of `Exposure`
        Those of other bands are left out.
    position : `~astropy.coordinates.SkyCoord`
        Center of the stamp.
    bands : sequence of str
        Bands of the stamp.
    shape : tuple of int, optional
        Height and width in pixels.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel.

    Returns
    -------
    flux : (1, band, y, x) `~numpy.ndarray`
        Nanomaggies per pixel, the mean weighted with the inverse variance; NaN
        where no exposure has a good pixel.
    ivar : (1, band, y, x) `~numpy.ndarray`
        Inverse variance of a pixel, 0 where there is none.
    psf : `~lensfinder_audit.psf_models.PixelPSF`
        One row: the mean of the models at the center, with the same weights.

    Raises
    ------
    TableError
        If no exposure of a band shows the center.

    Notes
    -----
    Images are resampled with cubic splines at the centers of the stamp's pixels
    and multiplied by the ratio of the pixel areas; weights and masks, grown by 2
    pixels, by the nearest pixel. Splines leave the noise of neighboring pixels
    correlated, and that of a pixel some 4 to 11 percent below what ivar says.
    """
    planes, kernels = [], []
    for band in bands:
        chosen = [item for item in exposures if item.band == band and _shows(item, position)]
        if not chosen:
            raise TableError(f'no exposure in band {band!r} shows {position.to_string("decimal")};'
                             f' there are exposures in '
                             f'{sorted({item.band for item in exposures})}')
        found = [_resampled(item, position, shape, pixel_scale) for item in chosen]
        ivar = sum(item[1] for item in found)
        with np.errstate(invalid='ignore'):
            planes.append((sum(item[0] * item[1] for item in found) / ivar, ivar))
        weights = [np.median(item[1][item[1] > 0]) if item[1].any() else 0 for item in found]
        kernels.append(sum(weight * item[2] for weight, item in zip(weights, found, strict=True))
                       / sum(weights))
    flux, ivar = (np.array([plane[i] for plane in planes])[None] for i in (0, 1))
    return flux, ivar, PixelPSF(_same_size(kernels)[None], pixel_scale)


def _wcs(header):
    with warnings.catch_warnings():  # of keywords in an old form, which are understood
        warnings.simplefilter('ignore', FITSFixedWarning)
        return WCS(header)


def _plane(path):
    for header, data in read_hdus(path):
        if data is not None and getattr(data, 'ndim', 0) == 2:
            return np.asarray(data, dtype=float), header
    raise InputFileError(f'{path}: holds no image in two dimensions')


def _files_of(row, files, folder):
    """Return image, weight, mask and PSFEx model of a chip."""
    image = str(row['image_filename']).strip().split('/')[-1]
    stem = image.removesuffix('.gz').removesuffix('.fits')
    wanted = [image, image.replace('_ooi_', '_oow_'), image.replace('_ooi_', '_ood_')]
    found = [files.get(name) or files.get(f'{name}.gz') for name in wanted]
    numbers = f'{int(row["expnum"]):08d}-{str(row["ccdname"]).strip()}'
    models = [path for name, path in sorted(files.items())
              if 'psfex' in str(path.relative_to(folder)) and (
                  name.replace('-psfex', '').startswith((stem, stem.replace('.', '-')))
                  or stem.startswith(name.partition('-psfex')[0]) or numbers in name)]
    missing = [name for name, path in zip(wanted, found, strict=True) if path is None]
    missing += [] if models else [f'a PSFEx model of {stem} or {numbers}']
    if missing:
        raise InputFileError(f'{folder}: {missing[0]} is in the table of chips and not there')
    return (*found, models[0])


def _shows(exposure, position):
    x, y, _ = exposure.place(position)
    ny, nx = exposure.flux.shape
    return -0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5


def _resampled(exposure, position, shape, pixel_scale):
    """Return flux, inverse variance and kernel of one exposure on the grid of the stamp."""
    grid = _grid(position, shape, pixel_scale)
    rows, columns = np.indices(shape)
    x, y = exposure.wcs.world_to_pixel(grid.pixel_to_world(columns, rows))
    center_x, center_y, pixels = exposure.place(position)
    area = abs(np.linalg.det(pixels)) * pixel_scale.to_value(u.arcsec) ** 2
    bad = ndimage.binary_dilation(exposure.ivar == 0, np.ones((3, 3)), iterations=_GROWN)
    flux = ndimage.map_coordinates(_filled(exposure), [y, x], order=3, mode='nearest') * area
    ivar = ndimage.map_coordinates(np.where(bad, 0, exposure.ivar), [y, x], order=0, cval=0)
    psf = PSFExPSF([[exposure.psf]], [[center_x]], [[center_y]], [[pixels]])
    return flux, ivar / area ** 2, psf.kernels(pixel_scale)[0, 0]


def _filled(exposure):
    """Put the nearest good pixel into bad ones; what is made of it is masked, the ringing too."""
    bad = exposure.ivar == 0
    if not bad.any():
        return exposure.flux
    nearest = ndimage.distance_transform_edt(bad, return_distances=False, return_indices=True)
    return exposure.flux[tuple(nearest)]


def _grid(position, shape, pixel_scale):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ['RA---TAN', 'DEC--TAN']
    wcs.wcs.crval = [position.ra.deg, position.dec.deg]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    wcs.wcs.cdelt = [-pixel_scale.to_value(u.deg), pixel_scale.to_value(u.deg)]
    return wcs


def _same_size(kernels):
    size = max(len(kernel) for kernel in kernels)
    padded = [np.pad(kernel, (size - len(kernel)) // 2) for kernel in kernels]
    return np.array([kernel / kernel.sum() for kernel in padded])
