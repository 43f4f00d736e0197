# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read single image stamps, judge their pixels and add them to a cutout store.

Stamps come as ``.npz`` files, with the planes on the first or the last axis, or
as FITS cubes, as the survey's cutout service gives them.
"""
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import InputFileError, LensfinderAuditError

__all__ = ['CENTRAL_RADIUS', 'Stamp', 'read_stamps', 'cutout_quality', 'add_stamps']

#: Radius in pixels within which no pixel may be missing in published samples.
CENTRAL_RADIUS = 8


@dataclass(frozen=True)
class Stamp:
    """
    One stamp and what its file says of it.

    Parameters
    ----------
    object_id : str
        Name of the object.
    flux : (band, y, x) `~numpy.ndarray`
        Flux in nanomaggies; NaN marks a missing pixel.
    bands : tuple of str, optional
        Bands of the planes, where the file names them.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel, where the file gives it.
    """

    object_id: str
    flux: np.ndarray
    bands: tuple = ()
    pixel_scale: u.Quantity | None = None


def read_stamps(path, *, n_bands=3):
    """
    Read the stamps of one file.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        ``.npz`` with one stamp under ``cutout``, or with one under the name of
        each object; or a FITS file with a cube (band, y, x).
    n_bands : int, optional
        Number of bands; it tells the axis of the bands.

    Returns
    -------
    stamps : list of `Stamp`
        In the order of the file. The object is called as ``meta_galaxy_id`` or
        the array says, or as the file.

    Raises
    ------
    InputFileError
        If the file is cut short, of another format, or holds no stamp with
        ``n_bands`` bands.
    """
    path = Path(path)
    name = path.name.lower()
    reader = _read_npz if name.endswith('.npz') else _read_fits if '.fit' in name else None
    if reader is None:
        raise InputFileError(f'{path}: stamps are read from .npz and FITS files')
    try:
        return reader(path, n_bands)
    except (LensfinderAuditError, MemoryError):
        raise
    except Exception as error:
        if getattr(error, 'errno', None):
            raise InputFileError(f'{path}: cannot be read: {error.strerror}') from error
        reason = ' '.join(str(error).split())[:200] or type(error).__name__
        raise InputFileError(f'{path}: is cut short or not what its suffix says ({reason})'
                             ) from error


def cutout_quality(flux, *, bands):
    """
    Say what is missing in stamps.

    Parameters
    ----------
    flux : (n, band, y, x) `~numpy.ndarray`
        Flux in nanomaggies; a pixel that is not finite is missing.
    bands : sequence of str
        Bands of the planes.

    Returns
    -------
    columns : dict of str to (n,) `~numpy.ndarray`
        ``nan_fraction``, missing pixels of all bands; ``n_central_nan``, missing
        pixels within `CENTRAL_RADIUS` of the center; ``zero_fraction``, exact
        zeros in the band that has most, as resampled images mark what they lack;
        ``missing_bands``, bands without any flux; ``constant_bands``, other bands
        with one value everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.stamps import cutout_quality
    >>> flux = np.random.default_rng(0).normal(size=(1, 3, 21, 21))
    >>> flux[0, 1] = np.nan
    >>> for name, values in cutout_quality(flux, bands='grz').items():
    ...     print(name, values[0].round(3) if values.dtype.kind == 'f' else values[0])
    nan_fraction 0.333
    n_central_nan 197
    zero_fraction 0.0
    missing_bands r
    constant_bands
    """
    lost = ~np.isfinite(flux)
    zero = flux == 0
    y, x = np.ogrid[:flux.shape[-2], :flux.shape[-1]]
    center = np.hypot(y - (flux.shape[-2] - 1) / 2, x - (flux.shape[-1] - 1) / 2)
    empty = (lost | zero).all(axis=(2, 3))
    first = np.where(lost, np.inf, flux).min(axis=(2, 3))
    last = np.where(lost, -np.inf, flux).max(axis=(2, 3))
    return {'nan_fraction': lost.mean(axis=(1, 2, 3)),
            'n_central_nan': lost[..., center <= CENTRAL_RADIUS].sum(axis=(1, 2)),
            'zero_fraction': zero.mean(axis=(2, 3)).max(axis=1),
            'missing_bands': _named(empty, bands),
            'constant_bands': _named(~empty & (first >= last), bands)}


def add_stamps(writer, files, *, names=None, crop=False, skip_bad=False):
    """
    Add the stamps of files to a cutout store.

    Parameters
    ----------
    writer : `~lensfinder_audit.cutouts.CutoutWriter`
        Open writer; its bands, shape and pixel scale are those of the store.
    files : iterable of str or `~pathlib.Path`
        Files that `read_stamps` reads.
    names : dict of str to str, optional
        Other names for the objects that the files name.
    crop : bool, optional
        Whether a larger stamp is cut about its center, where that is exact.
    skip_bad : bool, optional
        Whether a file that cannot be used is left out instead of raising.

    Returns
    -------
    refused : `~astropy.table.QTable`
        ``file`` and ``reason`` of what was left out.

    Raises
    ------
    InputFileError
        Without ``skip_bad``, at the first file that cannot be used.
    """
    refused = []
    for file in files:
        try:
            for stamp in read_stamps(file, n_bands=len(writer.bands)):
                name = (names or {}).get(stamp.object_id, stamp.object_id)
                writer.add([name], _fitted(stamp, writer, file, crop)[None],
                           columns={'source': [Path(file).name]})
        except InputFileError as error:
            if not skip_bad:
                raise
            refused.append((str(file), str(error)))
    return QTable(rows=refused or None, names=['file', 'reason'], dtype=[str, str])


def _read_npz(path, n_bands):
    with np.load(path, allow_pickle=False) as found:
        if 'cutout' in found:
            return [_one_npz(path, found, n_bands)]
        arrays = {name: found[name] for name in found.files if not name.startswith('meta_')}
    stamps = [Stamp(name, _bands_first(array, n_bands, f'{path}, {name!r}'))
              for name, array in arrays.items() if array.ndim == 3 and array.dtype.kind in 'fiu']
    if not stamps:
        raise InputFileError(f'{path}: has no array {"cutout"!r} and no other stamp; it holds '
                             f'{list(arrays)[:5]}')
    return stamps


def _one_npz(path, found, n_bands):
    told = {name: str(found[f'meta_{name}']) for name in ('galaxy_id', 'bands_requested')
            if f'meta_{name}' in found}
    scale = float(found['meta_pixel_scale']) * u.arcsec if 'meta_pixel_scale' in found else None
    return Stamp(told.get('galaxy_id', path.stem), _bands_first(found['cutout'], n_bands, path),
                 bands=tuple(told.get('bands_requested', '')), pixel_scale=scale)


def _read_fits(path, n_bands):
    from astropy.io import fits

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        with fits.open(path) as hdus:
            cubes = [hdu for hdu in hdus if len(getattr(hdu, 'shape', None) or ()) == 3]
            short = [str(item.message) for item in said if 'truncated' in str(item.message)]
            if short:
                raise InputFileError(f'{path}: is cut short ({short[0]})')
            if not cubes:
                raise InputFileError(f'{path}: holds no cube of the axes (band, y, x)')
            header, flux = cubes[0].header, np.array(cubes[0].data, dtype=np.float32)
    name = path.name.partition('.fit')[0]
    told = str(header.get('BANDS', '')).strip()
    if told and len(told) != len(flux):
        raise InputFileError(f'{path}: has {len(flux)} planes, and BANDS names {told!r}')
    if not told:
        flux = _bands_first(flux, n_bands, path)
    return [Stamp(name, flux, bands=tuple(told), pixel_scale=_scale_of(header))]


def _scale_of(header):
    """Angle per pixel of a header with or without a rotation; `None` where it has none."""
    column = [header[name] for name in ('CD1_1', 'CD2_1') if name in header]
    if column:
        return np.hypot(*column, *[0] * (2 - len(column))) * 3600 * u.arcsec
    return abs(header['CDELT1']) * 3600 * u.arcsec if 'CDELT1' in header else None


def _bands_first(array, n_bands, what):
    """Bring the axis of the bands to the front; say so where it cannot be told."""
    axes = [axis for axis in (0, 2) if array.ndim == 3 and array.shape[axis] == n_bands]
    if not axes or (len(axes) == 2 and array.shape[1] == n_bands):
        raise InputFileError(f'{what}: has shape {array.shape}, not (band, y, x) or (y, x, band) '
                             f'with {n_bands} bands')
    if len(axes) == 2:
        raise InputFileError(f'{what}: shape {array.shape} does not tell which axis is that of '
                             'the bands')
    return np.moveaxis(array, axes[0], 0).astype(np.float32)


def _fitted(stamp, writer, file, crop):
    """Return the planes in the order and shape of the store, or say why not."""
    flux = stamp.flux
    if stamp.bands:
        lacking = [band for band in writer.bands if band not in stamp.bands]
        if lacking:
            raise InputFileError(f'{file}: lacks band {lacking[0]!r}; it has {stamp.bands}')
        flux = flux[[stamp.bands.index(band) for band in writer.bands]]
    scale = stamp.pixel_scale
    if scale is not None and not np.isclose((scale / writer.pixel_scale).to_value(''), 1,
                                            rtol=1e-3):
        raise InputFileError(f'{file}: has {scale.to(u.arcsec):.4f} per pixel, the store '
                             f'{writer.pixel_scale.to(u.arcsec):.4f}; resample it first')
    margins = np.subtract(flux.shape[1:], writer.shape)
    if not margins.any():
        return flux
    if not crop or (margins < 0).any() or (margins % 2).any():
        advice = 'crop=True cuts it' if (margins >= 0).all() and not (margins % 2).any() else (
            'it cannot be cut to that about its center')
        raise InputFileError(f'{file}: has {flux.shape[1]} x {flux.shape[2]} pixels, the store '
                             f'{writer.shape[0]} x {writer.shape[1]}; {advice}')
    (y, x), (height, width) = margins // 2, writer.shape
    return flux[:, y:y + height, x:x + width]


def _named(flags, bands):
    """Names of the flagged bands of each row, joined by commas."""
    return np.array([','.join(band for band, flag in zip(bands, row, strict=True) if flag)
                     for row in flags], dtype=str)
