# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Cutouts from the coadds of a survey, brick by brick.

Each file of a brick is read once for all its objects. Which files there are is a
`CoaddLayout`; where they are is a folder, an ``http(s)`` address or one of fsspec.
"""
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import numpy as np
from astropy import units as u

from lensfinder_audit._fetch_part import Cut
from lensfinder_audit.brick_images import BrickImage
from lensfinder_audit.exceptions import ConfigError, InputFileError, did_you_mean
from lensfinder_audit.psf_models import moffat_kernels
from lensfinder_audit.remote import NotThereError, is_remote, join_place
from lensfinder_audit.survey import PIXEL_SCALE

__all__ = ['CoaddLayout', 'CoaddSource']

# Conditions that a table of objects has where a layout has no maps.
_ANYWHERE = ('psfsize', 'psfdepth')
_FOLDER = 'coadd/{folder}/{brick}/legacysurvey-{brick}-'


@dataclass(frozen=True)
class CoaddLayout:
    """
    Where the files of a brick are below the root of a survey.

    In each template ``{brick}`` is the name of the brick, ``{folder}`` its first three
    letters and ``{band}`` the band. The defaults are those of the Legacy Surveys DR10.

    Parameters
    ----------
    image, invvar : str, optional
        Flux in nanomaggies, and its inverse variance.
    maps : dict of str to str, optional
        Maps of conditions; each becomes a column ``<name>_<band>`` of the index, with
        the value at the object.
    pixel_scale : float, optional
        Arcsec per pixel.
    missing : float, optional
        Value of pixels without an exposure.
    """

    image: str = _FOLDER + 'image-{band}.fits.fz'
    invvar: str = _FOLDER + 'invvar-{band}.fits.fz'
    maps: dict = field(default_factory=lambda: {
        'psfsize': _FOLDER + 'psfsize-{band}.fits.fz',
        'psfdepth': _FOLDER + 'depth-{band}.fits.fz',
        'galdepth': _FOLDER + 'galdepth-{band}.fits.fz',
        'nobs': _FOLDER + 'nexp-{band}.fits.fz'})
    pixel_scale: float = PIXEL_SCALE.value
    missing: float = 0.0

    def __post_init__(self):
        for name, template in {'image': self.image, 'invvar': self.invvar, **self.maps}.items():
            try:
                template.format(brick='b', folder='f', band='r')
            except (KeyError, IndexError, ValueError, AttributeError) as error:
                raise ConfigError(f'layout, {name}: {template!r} is no template; it may hold '
                                  '{brick}, {folder} and {band}') from error


@dataclass(frozen=True)
class CoaddSource:
    """
    Cut stamps from the coadds of bricks.

    Parameters
    ----------
    root : str
        Folder or address of the survey, below which the layout begins.
    layout : `CoaddLayout`, optional
        Where the files are.
    bands : sequence of str, optional
        Bands in the order of the planes.
    size : int, optional
        Height and width of the stamps in pixels.
    planes : sequence of str, optional
        ``'invvar'`` and ``'psf'``: further planes of each stamp.
    maps : sequence of str, optional
        Conditions to be kept, as columns ``<name>_<band>`` of the index: from the map of
        the layout, or where a brick has none from the column of the same name of the
        objects.
    read_maps : bool, optional
        Whether the maps are read; without, only columns of the objects are taken.
    allow_missing_bands : bool, optional
        Whether a brick without the image of a band gives stamps with NaN there instead
        of none.

    Raises
    ------
    ConfigError
        If a map or plane is unknown or the size not positive.
    """

    root: str
    layout: CoaddLayout = CoaddLayout()
    bands: tuple = ('g', 'r', 'z')
    size: int = 101
    planes: tuple = ()
    maps: tuple = ('psfsize', 'psfdepth')
    read_maps: bool = True
    allow_missing_bands: bool = False

    def __post_init__(self):
        allowed = sorted({*self.layout.maps, *_ANYWHERE})
        unknown = [name for name in self.maps if name not in allowed]
        if unknown:
            raise ConfigError(f'the layout has no map {unknown[0]!r}; it can be one of {allowed}.'
                              f'{did_you_mean(unknown[0], allowed)}')
        if self.size < 1:
            raise ConfigError(f'size is a positive number of pixels, not {self.size}')
        if 'psf' in self.planes and 'psfsize' not in self.maps:
            raise ConfigError('PSF planes follow from psfsize; keep it among the conditions')

    @property
    def pixel_scale(self):
        """Angle per pixel as a `~astropy.units.Quantity`."""
        return self.layout.pixel_scale * u.arcsec

    def identity(self):
        """
        Return all that cutouts depend on.

        Returns
        -------
        identity : dict
            The same for the same pixels.
        """
        return {'kind': 'coadds', **asdict(self)}

    def requests(self, n_objects, n_bricks):
        """
        Return how many files are read, and how many of them over a network.

        Parameters
        ----------
        n_objects, n_bricks : int
            Numbers of objects and of bricks that they lie in.

        Returns
        -------
        n_files, n_requests : int
            At most.
        """
        maps = [name for name in self.maps if self.read_maps and name in self.layout.maps]
        kinds = 1 + ('invvar' in self.planes) + len(maps)
        n_files = n_bricks * kinds * len(self.bands)
        return n_files, n_files if is_remote(self.root) else 0

    def place(self, template, brick, band):
        """
        Return the place of a file.

        Parameters
        ----------
        template : str
            One of the layout.
        brick, band : str
            Of the file.

        Returns
        -------
        place : str
            Path or address.
        """
        return join_place(self.root, template.format(brick=brick, folder=brick[:3], band=band))

    def cut(self, task, reader):
        """
        Cut the stamps of the objects of one brick.

        Parameters
        ----------
        task : BrickTask
            Brick and objects.
        reader : `~lensfinder_audit.remote.Reader`
            Reads the files.

        Returns
        -------
        cut : Cut
            Stamps; objects outside of the brick are lost.

        Raises
        ------
        InputFileError
            If a file is missing or damaged.
        """
        shape = (self.size, self.size)
        flux = np.full((len(task), len(self.bands), *shape), np.nan, np.float32)
        x = None
        for plane, image in self._images(task, reader):
            with image:
                if x is None:
                    x, y = image.pixels(task.ra, task.dec)
                    extent = image.shape
                self._check(image, task, x, y)
                image.cut(x, y, shape, missing=self.layout.missing, out=flux[:, plane])
        spot = _Spot(x, y, extent)
        inside, whole = spot.coverage(shape)
        seen = np.isfinite(flux).any(axis=(1, 2, 3))
        rows = np.flatnonzero(inside & seen)
        lost = {int(row): f'has no pixel in brick {task.brick}' if inside[row] else
                f'lies outside of brick {task.brick}' for row in np.flatnonzero(~(inside & seen))}
        flux = flux if len(rows) == len(task) else flux[rows]
        columns = self._columns(task[rows], spot[rows], ~whole[rows], reader)
        return Cut(rows, flux, self._planes(task[rows], spot[rows], columns, reader), columns, lost)

    def _images(self, task, reader):
        """Yield the image of each band with its number; name the bands that are missing."""
        absent = []
        for plane, band in enumerate(self.bands):
            try:
                yield plane, self._open(self.layout.image, task.brick, band, reader)
            except NotThereError as error:
                absent.append(error)
        if absent and (len(absent) == len(self.bands) or not self.allow_missing_bands):
            raise absent[0]

    def _open(self, template, brick, band, reader):
        place = self.place(template, brick, band)
        return reader.read(place, lambda found: BrickImage(found, place))

    def _check(self, image, task, x, y):
        """Refuse an image of another grid: its stamps would not show the same sky."""
        scale = image.pixel_scale / self.pixel_scale
        if abs(scale - 1) > 1e-3:
            raise InputFileError(f'{image.name}: has {image.pixel_scale:.4f} per pixel, not '
                                 f'{self.pixel_scale:.4f}')
        here = image.pixels(task.ra, task.dec)
        apart = np.nanmax(np.hypot(here[0] - x, here[1] - y), initial=0)
        if apart > 0.05:
            raise InputFileError(f'{image.name}: lies {apart:.2f} pixels beside the image of the '
                                 'first band; resample it first')

    def _columns(self, task, spot, edge, reader):
        folder = self.layout.image.rpartition('/')[0]
        source = join_place(self.root, folder.format(brick=task.brick, folder=task.brick[:3],
                                                     band=''))
        columns = {'ra': task.ra, 'dec': task.dec, 'brick': np.full(len(task), task.brick),
                   'source': np.full(len(task), source), 'brick_edge': edge,
                   'offset_x': spot.offset(spot.x, self.size),
                   'offset_y': spot.offset(spot.y, self.size)}
        for name in self.maps:
            for band in self.bands:
                columns[f'{name}_{band}'] = self._map(name, band, task, spot, reader)
        return columns

    def _map(self, name, band, task, spot, reader):
        """Read a map at the objects, or take their column where the brick has none."""
        found = task.conditions.get(f'{name}_{band}', np.full(len(task), np.nan))
        found = found.astype(np.float32)
        if self.read_maps and name in self.layout.maps:
            with suppress(NotThereError), self._open(self.layout.maps[name], task.brick, band,
                                                     reader) as image:
                found = spot.checked(image).values(spot.x, spot.y)
        return found if name == 'nobs' else np.where(found > 0, found, np.float32(np.nan))

    def _planes(self, task, spot, columns, reader):
        planes = {}
        if 'invvar' in self.planes:
            planes['invvar'] = np.full((len(task), len(self.bands), self.size, self.size), np.nan,
                                       np.float32)
            for plane, band in enumerate(self.bands):
                try:
                    with self._open(self.layout.invvar, task.brick, band, reader) as image:
                        spot.checked(image).cut(spot.x, spot.y, (self.size, self.size),
                                                out=planes['invvar'][:, plane])
                except NotThereError:
                    if not self.allow_missing_bands:
                        raise
        if 'psf' in self.planes:
            widths = [columns.get(f'psfsize_{band}', np.full(len(task), np.nan))
                      for band in self.bands]
            planes['psf'] = moffat_kernels(np.stack(widths, axis=1), self.pixel_scale)
        return planes


@dataclass(frozen=True)
class _Spot:
    """Where objects are in the images of a brick (pixels from 0), and the shape of those."""

    x: np.ndarray
    y: np.ndarray
    extent: tuple

    def __getitem__(self, rows):
        return _Spot(self.x[rows], self.y[rows], self.extent)

    def checked(self, image):
        """Return an image of the same shape, which is taken to be of the same grid."""
        if image.shape != self.extent:
            raise InputFileError(f'{image.name}: has {image.shape} pixels, the image of the first '
                                 f'band has {self.extent}')
        return image

    def coverage(self, shape):
        """Tell which stamps have a pixel in the brick, and which have all of theirs."""
        inside, whole = np.ones(len(self.x), bool), np.ones(len(self.x), bool)
        for center, size, length in zip((self.y, self.x), shape, self.extent, strict=True):
            first = self.first(np.nan_to_num(center, nan=-1e9), size)
            inside &= (first > -size) & (first < length)
            whole &= (first >= 0) & (first + size <= length)
        return inside, whole

    @staticmethod
    def first(center, size):
        """Return the first pixel of stamps whose middle is nearest to the objects."""
        return np.floor(center - (size - 1) / 2 + 0.5)

    def offset(self, center, size):
        """Return how far the objects are from the middle of their stamps."""
        return (center - self.first(center, size) - (size - 1) / 2).astype(np.float32)
