# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Images of real galaxies behind isothermal ellipsoids.

Positions are in arcsec from the center of the stamp, +x to the right and +y up;
position angles run counter-clockwise from +x.
"""
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.interfaces import InjectionSimulator
from lensfinder_audit.lensing import SieShear
from lensfinder_audit.psf import check_psf, convolve
from lensfinder_audit.simulators._population import add_photometry
from lensfinder_audit.simulators._stamp_draws import check_ends, draw_lens, system_columns
from lensfinder_audit.simulators._stamp_kernel import SPACING, prepared, reach, trace_stamp
from lensfinder_audit.source_stamps import cached_library
from lensfinder_audit.tables import require_columns

__all__ = ['SieStamp']

_IN_MEMORY = 1024  # images, ready for the ray trace
_WIDE = 0.25  # arcsec per pixel of the plane over which a magnification is summed


class SieStamp(InjectionSimulator):
    """
    The image of a real galaxy behind an isothermal ellipsoid with external shear.

    See :doc:`/injection/real_galaxies` for an example, and for what is done to an
    image before it is lensed.
    Of the same seed, lens, place, position angle, magnitude and colors are those
    that `~lensfinder_audit.simulators.sie_sersic.SieSersic` draws by default.

    Parameters
    ----------
    library : str or `~pathlib.Path`
        Catalogue of galaxies with their FITS files beside it, as
        `~lensfinder_audit.source_stamps.read_library` reads it.
    faintest : float, optional
        Galaxies of the library that are fainter are not used.
    candidates : int, optional
        So many galaxies, the nearest in magnitude and redshift to what is drawn,
        have the same chance.
    redshift : (2,) tuple of float or None, optional
        Ends between which the redshift of a source is drawn; None for a library
        without redshifts, and to choose by magnitude alone.
    source_re : `~astropy.units.Quantity` or None, optional
        Ends of the half-light radius that the image is scaled to. None keeps the
        size that the galaxy has on the sky.
    theta_e : `~astropy.units.Quantity`, optional
        Einstein radius: two ends, or one value for all.
    lens_q : (2,) tuple of float, optional
        Axis ratio of the lens.
    shear : float, optional
        Standard deviation of each component of the shear.
    offset : `~astropy.units.Quantity`, optional
        Standard deviation of each coordinate of the center of the lens.
    beta : (2,) tuple of float, optional
        Distance of the source from the axis in Einstein radii, uniform in area.
    r_magnitude : (2,) tuple of float, optional
        Unlensed AB magnitude in r.
    g_r, r_z : (2,) tuple of float, optional
        Mean and standard deviation of the colors, normally distributed.
    spacing : float, optional
        Greatest distance of rays in the source plane in pixels of its image, where
        that is brightest.

    Raises
    ------
    ConfigError
        If a range is empty or holds values that no system can have.

    Notes
    -----
    A galaxy has the same shape in all bands, and keeps the blur of the telescope
    that took its image. Fluxes are as observed; no extinction is applied.
    """

    reference = 'arXiv:astro-ph/0102341'
    flux_tolerance = 2e-3

    def __init__(self, *, library=None, faintest=23.5, candidates=5, redshift=(0.5, 2.5),
                 source_re=None, theta_e=(0.5, 3.0) * u.arcsec, lens_q=(0.5, 1.0), shear=0.05,
                 offset=0.05 * u.arcsec, beta=(0.1, 0.4), r_magnitude=(23.0, 26.0),
                 g_r=(1.15, 0.30), r_z=(0.85, 0.20), spacing=SPACING):
        self.library, self.faintest, self.candidates = library, faintest, candidates
        self.redshift, self.source_re, self.theta_e = redshift, source_re, theta_e
        self.lens_q, self.shear, self.offset, self.beta = lens_q, shear, offset, beta
        self.r_magnitude, self.g_r, self.r_z, self.spacing = r_magnitude, g_r, r_z, spacing
        check_ends(self)

    def draw(self, hosts, *, seeds):
        """
        Draw one system per host.

        Parameters
        ----------
        hosts : (n,) `~astropy.table.QTable`
            Only their number matters here.
        seeds : (n,) array_like of uint64
            A row depends on nothing but its seed.

        Returns
        -------
        systems : (n,) `~astropy.table.QTable`
            Parameters as described in the columns, ``source_stamp`` among them,
            ``source_mag_<band>``, ``source_flux_<band>`` and ``lensed_mag_<band>``.

        Raises
        ------
        TableError
            If there is not one seed per host.
        InputFileError
            If a file of the library is damaged or its image cannot be lensed.
        """
        seeds = np.asarray(seeds, dtype=np.uint64)
        if seeds.shape != (len(hosts),):
            raise TableError(f'draw takes one seed per host; there are {len(hosts)} hosts and '
                             f'seeds of shape {seeds.shape}')
        values, magnitudes = draw_lens(self, seeds)
        chosen = [self._choose(r, z, level) for r, z, level in
                  zip(magnitudes['r'], values['source_z'], values.pop('choice'), strict=True)]
        size = values.pop('size')
        values |= self._of_stamps(chosen, size)
        systems = QTable({'seed': seeds, **values})
        systems['magnification'] = self.magnification(systems)
        add_photometry(systems, magnitudes)
        for name, description in system_columns().items():
            systems[name].info.description = description
        systems.meta['library'] = {**self._library.table.meta} if len(systems) else {}
        return systems

    def adopt(self, systems, hosts, *, seeds):
        """
        Return the systems of another simulator with galaxies of the library as their sources.

        Parameters
        ----------
        systems, hosts, seeds
            As for `~lensfinder_audit.interfaces.InjectionSimulator.adopt`.

        Returns
        -------
        adopted : (n,) `~astropy.table.QTable`
            Lens, place and flux of the others; the galaxy is drawn, and has their
            half-light radius, where they have one.
        """
        adopted = super().adopt(systems, hosts, seeds=seeds)
        if 'source_re' in systems.colnames:
            radii = [self._library.stamp(self._library.row(str(name))).radius
                     for name in adopted['source_stamp']]
            adopted['source_scale'] = adopted['source_re'].to_value(u.arcsec) / radii
            adopted['magnification'] = self.magnification(adopted)
        return adopted

    def magnification(self, systems):
        """
        Derive the magnification of systems.

        Parameters
        ----------
        systems : (n,) `~astropy.table.QTable`
            As `draw` returns them; the column ``magnification`` is not needed.

        Returns
        -------
        magnification : (n,) `~numpy.ndarray`
            Flux of all images over that of the source, within 1e-3.
        """
        found = np.zeros(len(systems))
        for row, (lens, planes, place) in enumerate(self._systems(systems)):
            size = 2 * int(np.ceil(reach(lens, planes, place) / _WIDE)) + 1
            found[row] = trace_stamp(lens, planes, place, shape=(size, size), pixel_scale=_WIDE,
                                     spacing=self.spacing, centered=True).sum()
        return found

    def render(self, systems, *, bands, psf, shape, pixel_scale):
        """
        Render lensed sources, without host light and without noise.

        Parameters
        ----------
        systems : (n,) `~astropy.table.QTable`
            As `draw` returns them, from the same library.
        bands : sequence of str
            Bands to render; one ray trace serves all.
        psf : `~lensfinder_audit.interfaces.PSF`
            Point spread function of each row and band.
        shape : tuple of int
            Height and width in pixels.
        pixel_scale : `~astropy.units.Quantity`
            Angle per pixel.

        Returns
        -------
        images : (n, band, y, x) `~numpy.ndarray`
            float32, flux per pixel in nanomaggies.

        Raises
        ------
        TableError
            If a column is missing, a stamp is not in the library, a critical
            curve lies outside the stamp, or the PSF does not belong to the stamps.
        ConfigError
            If a system is not possible, such as an axis ratio above 1.
        """
        names = [f'source_flux_{band}' for band in bands]
        require_columns(systems, names, what='the table of systems')
        check_psf(psf, shape, pixel_scale, rows=len(systems), bands=len(bands))
        scale = pixel_scale.to_value(u.arcsec)
        traced = np.zeros((len(systems), 1, *shape))
        for row, (lens, planes, place) in enumerate(self._systems(systems)):
            _check_ring(lens, shape, scale, row)
            traced[row] = trace_stamp(lens, planes, place, shape=shape, pixel_scale=scale,
                                      spacing=self.spacing)
        flux = np.stack([u.Quantity(systems[name], u.nmgy).value for name in names], axis=1)
        images = convolve(traced, psf, pixel_scale, pixel_integrated=True)
        return (images * flux[..., None, None]).astype(np.float32)

    @property
    def _library(self):
        if self.library is None:
            raise ConfigError('sie_stamp needs images to lens: give library=CATALOGUE, a table '
                              'with the FITS stamps of galaxies beside it')
        path = Path(self.library)
        time = path.stat().st_mtime_ns if path.exists() else 0
        found = cached_library(str(path), float(self.faintest), time)
        if self.redshift is not None and 'z' not in found.table.colnames:
            raise ConfigError(f'the library {self.library} has no redshifts; give redshift=None '
                              'to choose by magnitude alone')
        return found

    @cached_property
    def _planes(self):
        return {}

    def __getstate__(self):
        """Leave what was read behind; another process reads it again."""
        return {name: value for name, value in vars(self).items() if name != '_planes'}

    def _choose(self, magnitude, redshift, level):
        z = None if self.redshift is None else redshift
        near = self._library.nearest(magnitude, z, self.candidates)
        return int(near[int(level * len(near))])

    def _of_stamps(self, chosen, size):
        """Return the columns that follow from the galaxies."""
        library = self._library if chosen else None
        stamps = [library.stamp(row) for row in chosen]
        radius = np.array([stamp.radius for stamp in stamps])
        re = radius if self.source_re is None else size
        return {'source_stamp': np.array([library.table['stamp'][row] for row in chosen], str),
                'source_re': re * u.arcsec, 'source_scale': re / radius if stamps else radius}

    def _systems(self, systems):
        """Yield lens, image and place of each row."""
        require_columns(systems, [name for name in system_columns() if name != 'magnification'],
                        what='the table of systems')
        angle = {name: systems[name].to_value(u.arcsec) for name in
                 ('theta_e', 'lens_x', 'lens_y', 'source_x', 'source_y')}
        turn = {name: systems[name].to_value(u.rad) for name in ('lens_phi', 'source_phi')}
        for row in range(len(systems)):
            lens = SieShear(float(angle['theta_e'][row]), q=float(systems['lens_q'][row]),
                            phi=float(turn['lens_phi'][row]),
                            gamma_1=float(systems['shear_1'][row]),
                            gamma_2=float(systems['shear_2'][row]),
                            x=float(angle['lens_x'][row]), y=float(angle['lens_y'][row]))
            stamp, planes = self._image(str(systems['source_stamp'][row]))
            side = stamp.pixel_scale * float(systems['source_scale'][row])
            yield lens, planes, (angle['source_x'][row], angle['source_y'][row],
                                 turn['source_phi'][row],
                                 -side if systems['source_flipped'][row] else side, *stamp.center)

    def _image(self, name):
        if name not in self._planes:
            if len(self._planes) >= _IN_MEMORY:
                self._planes.clear()
            stamp = self._library.stamp(self._library.row(name))
            self._planes[name] = stamp, prepared(stamp.image)
        return self._planes[name]


def _check_ring(lens, shape, scale, row):
    corner = 0.5 * scale * np.hypot(*shape)
    if lens.theta_e * np.sqrt(lens.q) > corner:
        raise TableError(f'row {row} has theta_e = {lens.theta_e:g} arcsec, so that its critical '
                         f'curve lies outside the stamp, whose corners are {corner:.3g} arcsec '
                         'from its center')
