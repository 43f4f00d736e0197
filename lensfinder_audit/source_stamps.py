# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A library of galaxy images to lens: a catalogue, and FITS stamps beside it."""
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from astropy.table import QTable

from lensfinder_audit._fits import read_hdus
from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError, did_you_mean
from lensfinder_audit.files import TABLE_SUFFIXES, read_table, sha256
from lensfinder_audit.simulators._clean_stamp import clean_stamp, half_light_radius
from lensfinder_audit.tables import require_columns

__all__ = ['SourceStamp', 'StampLibrary', 'read_library']

#: Names, in small letters, that a column of the catalogue may have.
COLUMNS = {'stamp': ('ident', 'stamp', 'name', 'id'), 'file': ('gal_filename', 'file', 'filename'),
           'hdu': ('gal_hdu', 'hdu'), 'pixel_scale': ('pixel_scale',),
           'mag': ('mag', 'mag_auto', 'magnitude'), 'z': ('zphot', 'z', 'redshift')}

_IN_MEMORY = 1024  # stamps
_NEEDED = ('file', 'pixel_scale', 'mag')


@dataclass(frozen=True)
class SourceStamp:
    """
    The image of a galaxy, ready to be lensed.

    Parameters
    ----------
    image : (y, x) `~numpy.ndarray`
        Of unit sum, nowhere negative, zero along its edges.
    pixel_scale : float
        Arcsec per pixel.
    told : dict of str to float
        What the cleaning did, as of `~lensfinder_audit.source_stamps.StampLibrary.stamp`.
    """

    image: np.ndarray
    pixel_scale: float
    told: dict

    @cached_property
    def center(self):
        """Row and column of the centroid."""
        y, x = (np.arange(n) for n in self.image.shape)
        return float((self.image.sum(axis=1) * y).sum()), float((self.image.sum(axis=0) * x).sum())

    @cached_property
    def radius(self):
        """Half-light radius about the centroid in arcsec."""
        return half_light_radius(self.image) * self.pixel_scale


class StampLibrary:
    """
    Galaxies of a catalogue whose images are read and cleaned when they are needed.

    Parameters
    ----------
    table : (n,) `~astropy.table.QTable`
        ``stamp``, ``file``, ``hdu``, ``pixel_scale`` in arcsec, ``mag`` and, where
        known, ``z``.
    folder : str or `~pathlib.Path`
        Where the files are.
    """

    def __init__(self, table, folder):
        self.table = table
        self.folder = Path(folder)
        self._stamps = {}

    def __len__(self):
        return len(self.table)

    def stamp(self, row):
        """
        Return one galaxy.

        Parameters
        ----------
        row : int
            Of the table.

        Returns
        -------
        stamp : `SourceStamp`
            Its ``told`` holds the ``noise`` of a sky pixel, ``kept``, the flux
            after cleaning over that before, the ``signal_to_noise`` and the mean
            width ``level`` of the smoothing.

        Raises
        ------
        InputFileError
            If the file is missing, cut short, or its image cannot be lensed.
        """
        if row not in self._stamps:
            if len(self._stamps) >= _IN_MEMORY:
                self._stamps.clear()
            self._stamps[row] = self._read(self.table[row])
        return self._stamps[row]

    def row(self, name):
        """Return the row of a galaxy by its name."""
        if name not in self._rows:
            raise TableError(f'the library {self.folder} has no stamp {name!r}; systems are '
                             'rendered with the library that they were drawn from')
        return self._rows[name]

    def nearest(self, magnitude, redshift, n):
        """
        Return the galaxies nearest in magnitude and redshift.

        Parameters
        ----------
        magnitude : float
            Unlensed magnitude of the source.
        redshift : float or None
            Of the source; None leaves it out.
        n : int
            How many.

        Returns
        -------
        rows : (n,) `~numpy.ndarray`
            Nearest first, one magnitude counting as much as 0.5 in redshift.
        """
        distance = np.square(self.table['mag'] - magnitude)
        if redshift is not None:
            distance = distance + np.square((self.table['z'] - redshift) / 0.5)
        return np.argsort(distance, kind='stable')[:n]

    @cached_property
    def _rows(self):
        return {str(name): row for row, name in enumerate(self.table['stamp'])}

    def _read(self, row):
        path, hdu = self.folder / str(row['file']), int(row['hdu'])
        units = read_hdus(path, only=hdu)
        where = f'{path}, unit {hdu} (stamp {row["stamp"]})'
        image = units[0][1] if units else None
        if image is None or getattr(image, 'ndim', 0) != 2:
            raise InputFileError(f'{where}: holds no image in two dimensions')
        try:
            clean, told = clean_stamp(image)
        except TableError as error:
            raise InputFileError(f'{where}: {error}') from error
        return SourceStamp(clean, float(row['pixel_scale']), told)


def read_library(path, *, faintest=23.5):
    """
    Read a library of galaxy images.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Catalogue, with the FITS files in the same folder; or that folder, where
        it holds one catalogue. Columns by the names that GalSim's real galaxy
        catalogues use, or plain ones: ``gal_filename`` or ``file``, ``gal_hdu`` or
        ``hdu`` (0), ``pixel_scale`` in arcsec, ``mag``, ``zphot`` or ``z``
        and ``ident``; whatever their case. A second catalogue
        beside it, ``<name>_fits.fits``, is joined row by row.
    faintest : float, optional
        Fainter galaxies are left out: their images are mostly noise.

    Returns
    -------
    library : `StampLibrary`
        In the order of the catalogue, without rows that lack a magnitude.

    Raises
    ------
    InputFileError
        If there is no catalogue, or it lacks columns.
    ConfigError
        If no galaxy is bright enough.
    """
    catalogue = _catalogue(Path(path))
    table = _standard(_joined(catalogue), catalogue)
    bright = np.isfinite(table['mag']) & (table['mag'] < faintest)
    if not bright.any():
        raise ConfigError(f'{catalogue}: none of {len(table)} galaxies is brighter than '
                          f'{faintest:g}; the brightest has {np.nanmin(table["mag"]):.2f}')
    table = table[bright]
    table.meta = {'catalogue': catalogue.name, 'sha256': sha256(catalogue)}
    return StampLibrary(table, catalogue.parent)


@lru_cache(maxsize=8)
def cached_library(path, faintest, stamp):
    """Return a library read once, anew where the time ``stamp`` of its file changes."""
    return read_library(path, faintest=faintest)


def _catalogue(path):
    if not path.is_dir():
        return path
    found = []
    for item in sorted(path.iterdir()):
        if item.name.endswith(TABLE_SUFFIXES) and 'catalog' in item.name.lower() and (
                not item.name.endswith('_fits.fits')):
            found.append(item)
    if len(found) != 1:
        names = [item.name for item in found]
        raise InputFileError(f'{path}: a library is a folder with one catalogue, a table with '
                             f'"catalog" in its name; here there are {names or "none"}. Give '
                             'the path of the catalogue itself')
    return found[0]


def _joined(catalogue):
    """Read the catalogue and the one beside it."""
    table = read_table(catalogue)
    beside = catalogue.with_name(f'{catalogue.stem}_fits.fits')
    if not beside.exists():
        return table
    more = read_table(beside)
    if len(more) != len(table):
        raise InputFileError(f'{beside}: has {len(more)} rows, {catalogue.name} has {len(table)}; '
                             'they are joined row by row')
    known = {name.lower() for name in table.colnames}
    for name in more.colnames:
        if name.lower() not in known:
            table[name] = more[name]
    return table


def _standard(table, catalogue):
    """Bring the columns to their names here."""
    by_lower = {name.lower(): name for name in table.colnames}
    found = {}
    for name, choices in COLUMNS.items():
        there = [by_lower[choice] for choice in choices if choice in by_lower]
        if there:
            found[name] = np.asarray(getattr(table[there[0]], 'value', table[there[0]]))
        elif name in _NEEDED:
            raise InputFileError(f'{catalogue}: has no column {" or ".join(choices)}; it has '
                                 f'{table.colnames[:12]}.{did_you_mean(choices[0], by_lower)}')
    n = len(table)
    found.setdefault('hdu', np.zeros(n, int))
    found['stamp'] = np.asarray(found.get('stamp', np.arange(n))).astype(str)
    if len(set(found['stamp'])) < n:
        found['stamp'] = np.char.add(np.char.add(found['stamp'], '-'), np.arange(n).astype(str))
    scale = np.asarray(found['pixel_scale'], dtype=float)
    if not (np.isfinite(scale) & (scale > 0)).all():
        bad = int(np.flatnonzero(~(np.isfinite(scale) & (scale > 0)))[0])
        raise InputFileError(f'{catalogue}: pixel_scale of row {bad} is {scale[bad]:g}, not a '
                             'positive number of arcsec')
    found['file'] = np.char.strip(np.asarray(found['file']).astype(str))
    standard = QTable(found)
    require_columns(standard, _NEEDED, what=str(catalogue))
    return standard
