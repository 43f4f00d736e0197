# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Cutouts one by one from the cutout service of a survey.

A service is a few words of configuration: `CutoutService`.
"""
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from astropy import units as u

from lensfinder_audit._fetch_part import Cut, stack_columns
from lensfinder_audit._fits import read_hdus
from lensfinder_audit.exceptions import ConfigError, InputFileError, did_you_mean
from lensfinder_audit.psf_models import moffat_kernels
from lensfinder_audit.remote import NotThereError
from lensfinder_audit.survey import PIXEL_SCALE

__all__ = ['SERVICES', 'CutoutService', 'ServiceSource', 'load_config']

_VIEWER = ('https://www.legacysurvey.org/viewer/fits-cutout?ra={ra:.7f}&dec={dec:.7f}&layer=%s'
           '&pixscale={pixel_scale}&bands={bands}&size={size}')


@dataclass(frozen=True)
class CutoutService:
    """
    How a service is asked for a FITS cutout.

    Parameters
    ----------
    url : str
        Template with ``{ra}``, ``{dec}`` (degrees), ``{size}``, ``{pixel_scale}`` and
        ``{bands}``.
    bands : str, optional
        Bands that it has, one letter each.
    pixel_scale : float, optional
        Arcsec per pixel that it is asked for.
    max_size : int, optional
        The largest cutout in pixels that it gives.
    rate : float, optional
        Requests per second that are polite, of all processes together.
    invvar : str, optional
        What is added to the address for a second cube with the inverse variance.
    missing : float, optional
        Value of pixels without an exposure.
    """

    url: str
    bands: str = 'griz'
    pixel_scale: float = PIXEL_SCALE.value
    max_size: int = 512
    rate: float = 1.0
    invvar: str = '&invvar'
    missing: float = 0.0

    def __post_init__(self):
        try:
            self.address(0, 0, size=1, bands='r')
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ConfigError(f'service, url: {self.url!r} is no template; it may hold {{ra}}, '
                              '{dec}, {size}, {pixel_scale} and {bands}') from error

    def address(self, ra, dec, *, size, bands, invvar=False):
        """
        Return the address of a cutout.

        Parameters
        ----------
        ra, dec : float
            Degrees.
        size : int
            Height and width in pixels.
        bands : sequence of str
            Bands.
        invvar : bool, optional
            Whether the inverse variance is asked for as well.

        Returns
        -------
        url : str
            To be asked for.
        """
        url = self.url.format(ra=ra, dec=dec, size=size, pixel_scale=self.pixel_scale,
                              bands=''.join(bands))
        return url + self.invvar * invvar


#: Services by name: layers of the sky viewer of the Legacy Surveys.
SERVICES = {name: CutoutService(_VIEWER % name) for name in ('ls-dr10', 'ls-dr10-south')}
SERVICES['ls-dr9'] = CutoutService(_VIEWER % 'ls-dr9', bands='grz')


@dataclass(frozen=True)
class ServiceSource:
    """
    Ask a service for the cutout of each object.

    Parameters
    ----------
    service : `CutoutService`
        The service.
    bands : sequence of str, optional
        Bands in the order of the planes.
    size : int, optional
        Height and width of the stamps in pixels.
    planes : sequence of str, optional
        ``'invvar'`` and ``'psf'``: further planes of each stamp.
    maps : sequence of str, optional
        Columns ``<name>_<band>`` of the objects that the index keeps.

    Raises
    ------
    ConfigError
        If the service has no such cutouts.
    """

    service: CutoutService
    bands: tuple = ('g', 'r', 'z')
    size: int = 101
    planes: tuple = ()
    maps: tuple = ('psfsize', 'psfdepth')

    def __post_init__(self):
        lacking = [band for band in self.bands if band not in self.service.bands]
        if lacking or not 1 <= self.size <= self.service.max_size:
            raise ConfigError(f'the service gives bands {self.service.bands!r} and up to '
                              f'{self.service.max_size} pixels, not bands '
                              f'{"".join(self.bands)!r} and {self.size} pixels')
        if 'invvar' in self.planes and not self.service.invvar:
            raise ConfigError('the service gives no inverse variance')
        if 'psf' in self.planes and 'psfsize' not in self.maps:
            raise ConfigError('PSF planes follow from psfsize; keep it among the conditions')

    @property
    def pixel_scale(self):
        """Angle per pixel as a `~astropy.units.Quantity`."""
        return self.service.pixel_scale * u.arcsec

    def identity(self):
        """
        Return all that cutouts depend on.

        Returns
        -------
        identity : dict
            The same for the same pixels.
        """
        service = {name: value for name, value in asdict(self.service).items() if name != 'rate'}
        return {'kind': 'service', **asdict(self), 'service': service}

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
            One for each object.
        """
        return n_objects, n_objects

    def cut(self, task, reader):
        """
        Ask for the cutouts of the objects of one brick.

        Parameters
        ----------
        task : BrickTask
            Brick and objects.
        reader : `~lensfinder_audit.remote.Reader`
            Asks the service.

        Returns
        -------
        cut : Cut
            Stamps; objects for which the service failed, or has no pixels, are lost.
        """
        found, lost, columns = {}, {}, []
        for row, (ra, dec) in enumerate(zip(task.ra, task.dec, strict=True)):
            url = self.service.address(ra, dec, size=self.size, bands=self.bands,
                                       invvar='invvar' in self.planes)
            try:
                cubes = reader.read(url, self._parse)
            except (InputFileError, NotThereError) as error:
                lost[row] = str(error)
                continue
            if not np.isfinite(cubes[0]).any():
                lost[row] = f'the service has no pixel there ({url})'
                continue
            found[row] = cubes
            columns.append({'ra': ra, 'dec': dec, 'brick': task.brick, 'source': url,
                            'brick_edge': False, 'offset_x': np.float32(0),
                            'offset_y': np.float32(0)})
        return self._gather(task, found, lost, stack_columns(columns))

    def _gather(self, task, found, lost, columns):
        rows = np.array(sorted(found), dtype=int)
        shape = (len(rows), len(self.bands), self.size, self.size)
        cubes = {name: np.array([found[row][i] for row in rows.tolist()], np.float32).reshape(shape)
                 for i, name in enumerate(('flux', 'invvar')[:1 + ('invvar' in self.planes)])}
        nothing = np.full(len(task), np.nan)
        for name in self.maps:
            for band in self.bands:
                key = f'{name}_{band}'
                columns[key] = task.conditions.get(key, nothing)[rows].astype(np.float32)
        if 'psf' in self.planes:
            widths = np.stack([columns[f'psfsize_{band}'] for band in self.bands], axis=1)
            cubes['psf'] = moffat_kernels(widths, self.pixel_scale)
        flux = cubes.pop('flux')
        return Cut(rows, flux, cubes, columns, lost)

    def _parse(self, data):
        """Return the cubes of a reply in the order of the bands."""
        units = read_hdus(io.BytesIO(data), name='the reply')
        cubes = [(header, array) for header, array in units if array is not None
                 and array.ndim in (2, 3) and array.dtype.kind == 'f']
        wanted = 1 + ('invvar' in self.planes)
        if len(cubes) < wanted:
            raise InputFileError(f'the reply holds {len(cubes)} images, not {wanted}')
        found = [self._planes(header, array) for header, array in cubes[:wanted]]
        found[0][found[0] == np.float32(self.service.missing)] = np.nan
        return found

    def _planes(self, header, array):
        array = array if array.ndim == 3 else array[None]
        bands = str(header.get('BANDS', '')).strip() or ''.join(self.bands)
        lacking = [band for band in self.bands if band not in bands]
        shape = (len(bands), self.size, self.size)
        if lacking or array.shape != shape:
            raise InputFileError(f'the reply holds bands {bands!r} of shape {array.shape}, not '
                                 f'{"".join(self.bands)!r} of {self.size} x {self.size} pixels')
        return np.array(array[[bands.index(band) for band in self.bands]], dtype=np.float32)


def load_config(name, kind, known):
    """
    Read a layout or a service from a YAML file, or take a known one.

    Parameters
    ----------
    name : str
        Name of a known one, or a file whose keys are the arguments of ``kind``.
    kind : type
        `CutoutService` or `~lensfinder_audit.coadds.CoaddLayout`.
    known : dict of str to object
        Known ones by name.

    Returns
    -------
    config : object
        Of type ``kind``.

    Raises
    ------
    ConfigError
        If there is no such name or file, or the file holds an unknown key; the nearest
        is named.
    """
    import yaml

    if name in known:
        return known[name]
    if not Path(name).is_file():
        raise ConfigError(f'there is no file {name!r}, and no such {kind.__name__}; known are '
                          f'{sorted(known)}.{did_you_mean(name, known)}')
    try:
        values = yaml.safe_load(Path(name).read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f'{name}: is no YAML: {" ".join(str(error).split())[:200]}') from error
    allowed = [item.name for item in fields(kind)]
    strange = [key for key in values if key not in allowed] if isinstance(values, dict) else ['']
    if strange:
        raise ConfigError(f'{name}: {strange[0]!r} is no key; those are {allowed}.'
                          f'{did_you_mean(strange[0], allowed)}')
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f'{name}: {error}') from error
