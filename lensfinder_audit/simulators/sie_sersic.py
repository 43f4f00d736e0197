# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Sersic sources behind isothermal ellipsoids.

Positions are in arcsec from the center of the stamp, +x to the right and +y up;
position angles run counter-clockwise from +x.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import ConfigError, MissingDependencyError, TableError
from lensfinder_audit.interfaces import InjectionSimulator
from lensfinder_audit.psf import check_psf, convolve
from lensfinder_audit.raytrace import (BACKENDS, check_backend, check_sampling, find_backend,
                                       magnify_systems, trace_systems)
from lensfinder_audit.simulators._population import (add_photometry, draw_lenses, draw_magnitudes,
                                                     random_numbers, uniform)
from lensfinder_audit.simulators._sersic_systems import (COLUMNS, check_priors, check_rings,
                                                         clump_columns, components)
from lensfinder_audit.tables import require_columns

__all__ = ['SieSersic']


class SieSersic(InjectionSimulator):
    """
    A Sersic source behind an isothermal ellipsoid with external shear.

    Pairs are the ends of uniform distributions. Other values than the defaults,
    which are those of a published injection audit, change the prior.

    Parameters
    ----------
    theta_e : `~astropy.units.Quantity`, optional
        Einstein radius: two ends, or one value for all, as for the cell of a
        grid; the other parameters of a seed do not depend on it.
    lens_q : (2,) tuple of float, optional
        Axis ratio of the lens.
    shear : float, optional
        Standard deviation of each component of the shear.
    offset : `~astropy.units.Quantity`, optional
        Standard deviation of each coordinate of the center of the lens.
    beta : (2,) tuple of float, optional
        Distance of the source from the axis in Einstein radii, uniform in area.
    source_re : `~astropy.units.Quantity`, optional
        Semi-major half-light radius of the source, two ends.
    source_n, source_q : (2,) tuple of float, optional
        Sersic index and axis ratio of the source.
    r_magnitude : (2,) tuple of float, optional
        Unlensed AB magnitude in r.
    g_r, r_z : (2,) tuple of float, optional
        Mean and standard deviation of the colors, normally distributed.
    clumps : (2,) tuple of int, optional
        Least and greatest number of clumps of star formation: round and
        exponential, uniform in area within 1.5 half-light ellipses. What else a
        seed gives does not depend on them.
    clump_share : (2,) tuple of float, optional
        Part of the flux of the source that all its clumps together hold.
    clump_re : `~astropy.units.Quantity`, optional
        Half-light radius of a clump, two ends.
    tolerance : float, optional
        Pixels are refined while the estimated error of a cell is larger, in
        units of the brightest pixel before the PSF; 3e-6 is the reference.
    subpixels : int, optional
        Sample each pixel at ``subpixels`` x ``subpixels`` points instead, to
        see what that costs.
    backend : str, optional
        ``'numba'`` or ``'numpy'``; by default, numba where it is installed. Or
        ``'torch'``, for GPUs.
    device : str, optional
        Where torch renders, such as ``'cuda'``.

    Raises
    ------
    ConfigError
        If a range is empty or holds values that no system can have, or there is
        no such backend or device.
    MissingDependencyError
        If torch is asked for and cannot be imported.

    Notes
    -----
    For these priors the flux of an image is within 1e-3 of magnification times
    source flux, most of it from the magnification. Fluxes are as observed; no
    extinction is applied.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.psf import psf_from_table
    >>> from lensfinder_audit.simulators.sie_sersic import SieSersic
    >>> from lensfinder_audit.testing import example_hosts
    >>> hosts, simulator = example_hosts(2), SieSersic(theta_e=1.5 * u.arcsec)
    >>> systems = simulator.draw(hosts, seeds=[1, 2])
    >>> images = simulator.render(systems, bands='grz', psf=psf_from_table(hosts, 'grz'),
    ...                           shape=(101, 101), pixel_scale=0.262 * u.arcsec)
    >>> (images.sum(axis=(2, 3))[:, 1] / systems['source_flux_r'].value).round(1)
    array([ 4.8, 11.3])
    >>> systems['magnification'].round(1)
    array([ 4.8, 11.3])
    """

    reference = 'arXiv:astro-ph/0102341'
    flux_tolerance = 1e-3

    def __init__(self, *, theta_e=(0.5, 3.0) * u.arcsec, lens_q=(0.5, 1.0), shear=0.05,
                 offset=0.05 * u.arcsec, beta=(0.1, 0.4), source_re=(0.15, 0.5) * u.arcsec,
                 source_n=(0.5, 2.0), source_q=(0.3, 1.0), r_magnitude=(23.0, 26.0),
                 g_r=(1.15, 0.30), r_z=(0.85, 0.20), clumps=(0, 0), clump_share=(0.05, 0.3),
                 clump_re=(0.02, 0.06) * u.arcsec, tolerance=1e-5, subpixels=None, backend=None,
                 device='cpu'):
        self.theta_e, self.lens_q, self.shear, self.offset = theta_e, lens_q, shear, offset
        self.beta, self.source_re, self.source_n = beta, source_re, source_n
        self.source_q, self.r_magnitude, self.g_r, self.r_z = source_q, r_magnitude, g_r, r_z
        self.clumps, self.clump_share, self.clump_re = clumps, clump_share, clump_re
        self.tolerance, self.subpixels = tolerance, subpixels
        self.backend, self.device = backend, device
        check_priors(self)
        self._check_device()

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
            Parameters as described in the columns, ``source_mag_<band>``,
            ``source_flux_<band>`` and ``lensed_mag_<band>``.

        Raises
        ------
        TableError
            If there is not one seed per host.
        """
        seeds = np.asarray(seeds, dtype=np.uint64)
        if seeds.shape != (len(hosts),):
            raise TableError(f'draw takes one seed per host; there are {len(hosts)} hosts and '
                             f'seeds of shape {seeds.shape}')
        values, magnitudes = self._parameters(seeds)
        systems = QTable({'seed': seeds, **values, 'magnification': np.ones(len(seeds))})
        systems['magnification'] = self.magnification(systems)
        add_photometry(systems, magnitudes)
        told = COLUMNS.copy()
        for number in range(1, self.clumps[1] + 1):
            told |= clump_columns(number)
        for name, description in told.items():
            systems[name].info.description = description
        return systems

    def magnification(self, systems):
        """
        Return the flux of all images over that of the source.

        Parameters
        ----------
        systems : (n,) `~astropy.table.QTable`
            As `draw` returns them, perhaps with other parameters.

        Returns
        -------
        magnification : (n,) `~numpy.ndarray`
            Of the source and its clumps, each by its share of the flux.

        Raises
        ------
        ConfigError
            If a system is not possible, such as an axis ratio above 1.
        """
        backend = find_backend(None if self.backend == 'torch' else self.backend)
        total = np.zeros(len(systems))
        for rows, share, lenses, sources in components(systems):
            total[rows] += share * magnify_systems(lenses, sources, backend=backend)
        return total

    def render(self, systems, *, bands, psf, shape, pixel_scale):
        """
        Render lensed sources, without host light and without noise.

        Parameters
        ----------
        systems : (n,) `~astropy.table.QTable`
            As `draw` returns them.
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
            If a column is missing, a critical curve lies outside the stamp, or
            the PSF does not belong to the stamps.
        ConfigError
            If a system is not possible, such as an axis ratio above 1.
        """
        names = [f'source_flux_{band}' for band in bands]
        require_columns(systems, [*COLUMNS, *names], what='the table of systems')
        check_psf(psf, shape, pixel_scale, rows=len(systems), bands=len(bands))
        scale = pixel_scale.to_value(u.arcsec)
        parts = list(components(systems))
        check_rings(systems, shape, scale)
        flux = np.stack([u.Quantity(systems[name], copy=False).to_value(u.nmgy)
                         for name in names], axis=1)
        if self.backend == 'torch':
            return self._render_in_torch(parts, flux, psf, shape, pixel_scale)
        traced = np.zeros((len(systems), *shape), dtype=np.float32)
        for rows, share, lenses, sources in parts:
            found = trace_systems(lenses, sources, shape=shape, pixel_scale=scale,
                                  tolerance=self.tolerance, subpixels=self.subpixels,
                                  backend=self.backend)
            if len(parts) == 1:
                traced = found.astype(np.float32, copy=False)
            else:
                traced[rows] += share.astype(np.float32)[:, None, None] * found
        return convolve(traced[:, None], psf, pixel_scale, pixel_integrated=True, weights=flux)

    def _render_in_torch(self, parts, flux, psf, shape, pixel_scale):
        check_sampling(self.tolerance, self.subpixels)
        torch = _torch_path()
        return torch.render(parts, flux, psf, shape=shape, pixel_scale=pixel_scale,
                            scale=pixel_scale.to_value(u.arcsec), tolerance=self.tolerance,
                            subpixels=self.subpixels, device=torch.find_device(self.device))

    def _check_device(self):
        check_backend(self.backend, (*BACKENDS, 'torch'))
        if self.backend == 'torch':
            _torch_path().find_device(self.device)
        elif self.device != 'cpu':
            raise ConfigError(f"device={self.device!r} needs backend='torch', not "
                              f'{self.backend!r}; the others render on the CPU')

    def _parameters(self, seeds):
        """Draw everything but the photometry, and the magnitudes."""
        level, normal, more = random_numbers(seeds, _extra(self.clumps[1]))
        values = draw_lenses(self, level, normal) | {
            'source_re': uniform(self.source_re, level[5]),
            'source_n': uniform(self.source_n, level[6]),
            'source_q': uniform(self.source_q, level[7]),
            'source_phi': 180 * level[8] * u.deg}
        if self.clumps[1]:
            values |= _clumps(self, values, more)
        return values, draw_magnitudes(self, level, normal)


def _torch_path():
    try:
        from lensfinder_audit.simulators import _trace_torch
    except ImportError as error:
        raise MissingDependencyError("backend='torch' needs torch, which cannot be imported: pip "
                                     "install 'lensfinder_audit[torch]', or leave backend out"
                                     ) from error
    return _trace_torch


def _extra(clumps):
    """How many, how much light together, and for each: weight, radius, angle, size."""
    return 2 + 4 * clumps if clumps else 0


def _clumps(simulator, values, level):
    """Place the clumps within the ellipse of the source."""
    least, most = simulator.clumps
    count = least + np.floor(level[0] * (most - least + 1))
    together, level = level[1], level[2:]
    weight = [np.where(k < count, 0.2 + level[4 * k], 0) for k in range(most)]
    share = uniform(simulator.clump_share, together) / np.maximum(sum(weight), 1e-9)
    cos, sin = (function(values['source_phi'].to_value(u.rad)) for function in (np.cos, np.sin))
    columns = {}
    for k in range(most):
        radius = 1.5 * values['source_re'] * np.sqrt(level[1 + 4 * k])
        angle = 2 * np.pi * level[2 + 4 * k]
        along, across = radius * np.cos(angle), radius * np.sin(angle) * values['source_q']
        columns |= {f'clump_{k + 1}_x': values['source_x'] + cos * along - sin * across,
                    f'clump_{k + 1}_y': values['source_y'] + sin * along + cos * across,
                    f'clump_{k + 1}_re': uniform(simulator.clump_re, level[3 + 4 * k]),
                    f'clump_{k + 1}_share': share * weight[k]}
    return columns
