# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What a normaliser promises."""
import numpy as np

from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import Normalizer
from lensfinder_audit.testing import _core
from lensfinder_audit.testing._examples import example_flux

__all__ = ['check_normalizer', 'NormalizerCase']


def check_normalizer(normalizer, *, stamp=(3, 101, 101)):
    """
    Check that a normaliser keeps its contract.

    Parameters
    ----------
    normalizer : `~lensfinder_audit.interfaces.Normalizer`
        The plugin.
    stamp : tuple of int, optional
        Bands, height and width of the stamps that it is tried on.

    Raises
    ------
    ConformanceError
        If it changes the shape or its input, returns anything but finite
        float32, gives different results for the same stamp, or cannot be sent
        to another process.

    Examples
    --------
    >>> from lensfinder_audit.normalizers.raw_robust import RawRobust
    >>> from lensfinder_audit.testing import check_normalizer
    >>> check_normalizer(RawRobust())
    """
    _core.require(NormalizerCase(normalizer, stamp=stamp))


class NormalizerCase:
    """A normaliser and the stamps it is tried on."""

    def __init__(self, plugin, *, stamp=(3, 101, 101)):
        self.plugin = plugin
        self.checks = CHECKS
        self.flux = example_flux(bands=stamp[0], shape=tuple(stamp[1:]))


def is_a_normalizer(case):
    """It subclasses the interface."""
    _core.require_kind(case, Normalizer)


def shape_is_kept(case):
    """What comes out has the shape of what goes in."""
    shape = np.shape(case.plugin.normalize(case.flux.copy()))
    if shape != case.flux.shape:
        raise ConformanceError(f'stamps of shape {case.flux.shape} came back as {shape}')


def images_are_float32(case):
    """float32 comes out, whatever goes in."""
    for dtype in ('=f4', '=f8'):
        found = np.asarray(case.plugin.normalize(case.flux.astype(dtype))).dtype
        if found != np.float32:
            raise ConformanceError(f'{np.dtype(dtype)} came back as {found}; end with '
                                   '.astype(numpy.float32, copy=False)')


def byte_order_does_not_matter(case):
    """Fluxes straight from a FITS file, big-endian, are read as what they are."""
    difference = _core.largest_difference(case.plugin.normalize(case.flux.astype('>f4')),
                                          case.plugin.normalize(case.flux.copy()))
    if difference > 0:
        raise ConformanceError(f'big-endian stamps, as FITS has them, change values by up to '
                               f'{difference:.3g}; begin with numpy.asarray(flux, numpy.float32)')


def images_are_finite(case):
    """Missing pixels, missing bands and flat bands give finite numbers."""
    for what, flux in _awkward(case.flux):
        images = np.asarray(case.plugin.normalize(flux.copy()))
        bad = ~np.isfinite(images)
        if bad.any():
            raise ConformanceError(f'{what} left {int(bad.sum())} values that are not finite in '
                                   f'{int(bad.any(axis=(1, 2, 3)).sum())} of {len(images)} stamps; '
                                   'fill missing pixels and guard the division')


def _awkward(flux):
    scattered, band, flat = flux.copy(), flux.copy(), flux.copy()
    scattered[np.random.default_rng(1).random(flux.shape) < 0.05] = np.nan
    band[1:3, 0] = np.nan
    flat[:, -1] = 0.25
    bright = flux.copy()
    bright[..., flux.shape[-2] // 2, flux.shape[-1] // 2] = 1e6
    return (('a stack without a missing pixel', flux), ('scattered missing pixels', scattered),
            ('a missing band', band), ('a constant band', flat), ('a saturated pixel', bright),
            ('a stack of zeros', np.zeros_like(flux)),
            ('stamps that are missing altogether', np.full_like(flux, np.nan)))


def input_is_not_changed(case):
    """The caller's array stays as it is."""
    given = dict(_awkward(case.flux))['scattered missing pixels']
    kept = given.copy()
    case.plugin.normalize(given)
    changed = int((~((given == kept) | (np.isnan(given) & np.isnan(kept)))).sum())
    if changed:
        raise ConformanceError(f'normalize changed {changed} of {kept.size} pixels of its input; '
                               'work on a copy')


def images_have_memory_of_their_own(case):
    """A later change of the images does not reach the fluxes."""
    given = case.flux.copy()
    if np.shares_memory(given, case.plugin.normalize(given)):
        raise ConformanceError('normalize returned a view of its input; return a copy')


def read_only_input_is_taken(case):
    """Stamps of a memory-mapped store, which cannot be written to."""
    given = case.flux.copy()
    given.flags.writeable = False
    case.plugin.normalize(given)


def same_input_gives_same_images(case):
    """Nothing is drawn at random, and nothing is remembered."""
    first, second = (case.plugin.normalize(case.flux.copy()) for _ in range(2))
    difference = _core.largest_difference(first, second)
    if difference > 0:
        raise ConformanceError(f'two calls on the same stamps differ by up to {difference:.3g}; '
                               'a normaliser must not be random nor keep what it has seen')


def images_do_not_depend_on_the_batch(case):
    """A stamp alone gives what it gives among others."""
    together = np.asarray(case.plugin.normalize(case.flux.copy()))
    alone = np.concatenate([case.plugin.normalize(case.flux[i:i + 1].copy())
                            for i in range(len(case.flux))])
    difference = _core.largest_difference(together, alone)
    if difference > 1e-5 * max(1, np.abs(together).max()):
        raise ConformanceError(f'a stamp alone and in a batch of {len(together)} differs by up to '
                               f'{difference:.3g}; take statistics over the axes (-2, -1) only')


def no_stamps_give_no_images(case):
    """An empty partition is no special case."""
    shape = np.shape(case.plugin.normalize(case.flux[:0].copy()))
    if shape != case.flux[:0].shape:
        raise ConformanceError(f'no stamps, {case.flux[:0].shape}, came back as {shape}')


def different_stamps_give_different_images(case):
    """The outcome still tells one galaxy from another."""
    images = np.asarray(case.plugin.normalize(case.flux.copy()))
    if (images == images[:1]).all():
        raise ConformanceError(f'{len(images)} different stamps gave the same image, with values '
                               f'from {images.min():.3g} to {images.max():.3g}')


def another_process_gets_the_same(case):
    """It survives pickling, as engines need it to."""
    images = _core.revived(case.plugin).normalize(case.flux.copy())
    if _core.largest_difference(images, case.plugin.normalize(case.flux.copy())) > 0:
        raise ConformanceError('after pickling it gives other images; keep its whole state in '
                               'attributes')


CHECKS = (is_a_normalizer, _core.api_version_is_known, _core.parameters_are_recorded,
          shape_is_kept, images_are_float32, images_are_finite, input_is_not_changed,
          images_have_memory_of_their_own, read_only_input_is_taken,
          same_input_gives_same_images, byte_order_does_not_matter,
          images_do_not_depend_on_the_batch,
          no_stamps_give_no_images, different_stamps_give_different_images,
          another_process_gets_the_same)
