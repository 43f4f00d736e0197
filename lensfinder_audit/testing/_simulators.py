# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What an injection simulator promises."""
from functools import cached_property

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import InjectionSimulator
from lensfinder_audit.psf import GaussianPSF
from lensfinder_audit.survey import PIXEL_SCALE
from lensfinder_audit.testing import _core
from lensfinder_audit.testing._draws import DRAW_CHECKS, changed_columns, plain
from lensfinder_audit.testing._examples import example_hosts

__all__ = ['check_simulator', 'SimulatorCase']


def check_simulator(simulator, *, hosts=None, bands=('g', 'r', 'z'), shape=(101, 101),
                    pixel_scale=PIXEL_SCALE):
    """
    Check that an injection simulator keeps its contract.

    Parameters
    ----------
    simulator : `~lensfinder_audit.interfaces.InjectionSimulator`
        The plugin.
    hosts : `~astropy.table.QTable`, optional
        Hosts to draw systems for. Made-up ones by default.
    bands : sequence of str, optional
        Bands to render.
    shape : tuple of int, optional
        Height and width in pixels, odd.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel.

    Raises
    ------
    ConformanceError
        If a row depends on other rows, a seed does not replay, the flux of an
        image is not magnification times source flux within the simulator's
        ``flux_tolerance``, or light wraps around the edge of a stamp.

    Notes
    -----
    The flux is compared for sources that lie within the stamp, on a stamp of
    twice its size. Wrap-around is looked for on stamps that are cut through the
    brightest pixel of an arc: what appears on the other side of the center and
    is not there on a large stamp came around the edge.
    """
    _core.require(SimulatorCase(simulator, hosts=hosts, bands=bands, shape=shape,
                                pixel_scale=pixel_scale))


class SimulatorCase:
    """A simulator, the hosts it draws for and the stamps it renders."""

    def __init__(self, plugin, *, hosts=None, bands=('g', 'r', 'z'), shape=(101, 101),
                 pixel_scale=PIXEL_SCALE):
        self.plugin = plugin
        self.checks = CHECKS
        self.bands, self.shape, self.pixel_scale = tuple(bands), tuple(shape), pixel_scale
        self._hosts = example_hosts(bands=bands) if hosts is None else QTable(hosts)
        n = len(self._hosts)  # seeds that a float or a signed integer cannot hold
        self.seeds = np.uint64(2**63 + 12345) + np.arange(n, dtype=np.uint64) * np.uint64(2**40 + 1)
        self.psf = GaussianPSF(np.random.default_rng(0).uniform(0.9, 1.5, (n, len(bands)))
                               * u.arcsec)

    @property
    def hosts(self):
        """A copy that the plugin may not need to keep."""
        return self._hosts.copy()

    @cached_property
    def systems(self):
        """One system per host."""
        return self.plugin.draw(self.hosts, seeds=self.seeds)

    @cached_property
    def images(self):
        """All systems in all bands."""
        return self.render(self.systems)

    @cached_property
    def large_images(self):
        """The same on stamps of twice the size, in the last band."""
        return self.render(self.systems, bands=self.bands[-1:], psf=self.psf[:, -1:],
                           shape=tuple(2 * n + 1 for n in self.shape))

    def render(self, systems, **changes):
        """Render with the settings of the case, but for the changes."""
        settings = {'bands': self.bands, 'psf': self.psf, 'shape': self.shape,
                    'pixel_scale': self.pixel_scale, **changes}
        return np.asarray(self.plugin.render(systems.copy(), **settings))


def is_a_simulator(case):
    """It subclasses the interface."""
    _core.require_kind(case, InjectionSimulator)


def flux_tolerance_is_a_promise(case):
    """A tolerance that everything fits into promises nothing."""
    if not 0 < case.plugin.flux_tolerance <= 0.1:
        raise ConformanceError(f'flux_tolerance is {case.plugin.flux_tolerance!r}; state the '
                               'relative error of the rendered flux, at most 0.1')


def images_have_the_shape(case):
    """(n, band, y, x), height before width."""
    height, width = case.shape[0] // 2 | 1, case.shape[1]
    for shape in (case.shape, (height, width)):
        found = case.render(case.systems, shape=shape).shape
        expected = (len(case.systems), len(case.bands), *shape)
        if found != expected:
            raise ConformanceError(f'images have shape {found} instead of {expected}; shape is '
                                   '(height, width)')


def images_are_finite(case):
    """No pixel is missing, and none is darker than empty sky."""
    bad = ~np.isfinite(case.images)
    if bad.any():
        raise ConformanceError(f'{int(bad.sum())} of {bad.size} pixels are not finite')
    if case.images.min() < -1e-3 * case.images.max():
        raise ConformanceError(f'the darkest pixel has {case.images.min():.3g} nanomaggies; render '
                               'the lensed source alone, without noise and without sky')


def flux_is_magnification_times_source_flux(case):
    """Where the image lies within the stamp."""
    total = case.large_images.sum(axis=(1, 2, 3))
    inside = _middle(case.large_images, case.shape).sum(axis=(1, 2, 3))
    fits = inside > (1 - 0.25 * case.plugin.flux_tolerance) * total
    if not fits.any():
        raise ConformanceError(f'no image of {len(total)} lies within {case.shape} pixels; give '
                               'the check a larger shape or other hosts')
    flux = case.systems[f'source_flux_{case.bands[-1]}'].to_value(u.nmgy)
    ratio = total / (plain(case.systems['magnification']) * flux)
    worst = np.flatnonzero(fits)[np.abs(ratio[fits] - 1).argmax()]
    if not abs(ratio[worst] - 1) <= case.plugin.flux_tolerance:
        raise ConformanceError(f'the image of row {worst} holds {ratio[worst]:.4g} of '
                               'magnification x source flux, allowed is 1 +- '
                               f'{case.plugin.flux_tolerance:g}; '
                               'normalise the source in the source plane, PSF kernels to 1')


def light_does_not_wrap_around(case):
    """An arc at one edge of a stamp does not appear at the opposite one."""
    for row, image in enumerate(case.large_images[:, 0]):
        peak = np.unravel_index(image.argmax(), image.shape)
        place = np.subtract(peak, np.array(image.shape) // 2)
        size = 2 * max(3, int(np.abs(place).max())) + 1
        small = case.render(case.systems[row:row + 1], bands=case.bands[-1:], shape=(size, size),
                            psf=case.psf[row:row + 1, -1:])[0, 0]
        y, x = np.indices(small.shape) - size // 2
        excess = (small - _middle(image, small.shape)) * (y * place[0] + x * place[1] < 0)
        if excess.max() > 0.02 * image.max():
            raise ConformanceError(f'row {row}: on a stamp of {size} x {size} pixels that cuts the '
                                   f'arc, {excess.max() / image.max():.2g} of its peak appears at '
                                   'the opposite edge; pad the Fourier transform by the kernel')


def images_do_not_depend_on_the_batch(case):
    """A system alone gives what it gives among others."""
    rows = np.arange(len(case.systems))[::-1]
    back = case.render(case.systems[rows], psf=case.psf[rows])[rows]
    alone = np.concatenate([case.render(case.systems[i:i + 1], psf=case.psf[i:i + 1])
                            for i in range(len(rows))])
    for what, images in (('in reverse order', back), ('one by one', alone)):
        _compare_images(images, case.images, f'the systems rendered {what}', 'each image follows '
                        'from its own row and its own PSF')


def bands_do_not_depend_on_each_other(case):
    """One band alone gives what it gives among others."""
    images = case.render(case.systems, bands=case.bands[-1:], psf=case.psf[:, -1:])
    _compare_images(images, case.images[:, -1:], f'band {case.bands[-1]!r} rendered alone',
                    'take bands by name and PSFs in the order of the bands')


def images_replay(case):
    """Rendered again, bit for bit the same."""
    if _core.largest_difference(case.render(case.systems), case.images) > 0:
        raise ConformanceError('the same systems rendered twice differ; draw nothing in render')


def psf_is_applied(case):
    """A wider PSF lowers the peak."""
    peak = case.images.max(axis=(2, 3))
    wide = case.render(case.systems, psf=GaussianPSF(2 * case.psf.fwhm)).max(axis=(2, 3))
    if not (wide < peak).all():
        raise ConformanceError('with a PSF twice as wide the peak is '
                               f'{float((wide / peak).max()):.3g} of what it was; convolve with '
                               'the PSF that render is given')


def systems_are_not_changed(case):
    """``render`` leaves the table as it is."""
    systems = case.systems.copy()
    case.plugin.render(systems, bands=case.bands, psf=case.psf, shape=case.shape,
                       pixel_scale=case.pixel_scale)
    changed = changed_columns(systems, case.systems)
    if changed:
        raise ConformanceError(f'render changed the columns {changed}; copy the table')


def _middle(images, shape):
    y, x = ((size - part) // 2 for size, part in zip(images.shape[-2:], shape, strict=True))
    return images[..., y:y + shape[0], x:x + shape[1]]


def _compare_images(images, expected, what, advice):
    difference = _core.largest_difference(images, expected)
    if difference > 1e-5 * np.abs(expected).max():
        raise ConformanceError(f'{what} differ by up to {difference / np.abs(expected).max():.3g} '
                               f'of the peak; {advice}')


CHECKS = (is_a_simulator, _core.api_version_is_known, _core.parameters_are_recorded,
          flux_tolerance_is_a_promise, *DRAW_CHECKS, images_have_the_shape, images_are_finite,
          images_replay, images_do_not_depend_on_the_batch, bands_do_not_depend_on_each_other,
          flux_is_magnification_times_source_flux, light_does_not_wrap_around, psf_is_applied,
          systems_are_not_changed)
