# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Put lensed sources into the images of hosts, with the noise that they bring.

An image of a host has its own noise already. What a source adds is its light
and the Poisson noise of that light; how large this is follows from the gain, the
number of electrons that one nanomaggy of light gave.
"""
import warnings

import numpy as np
from astropy import units as u

from lensfinder_audit._shot_noise import add_with_noise
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.survey import PIXEL_SCALE

__all__ = ['GainWarning', 'add_sources', 'check_gain', 'gain_from_sky', 'survey_gain', 'arc_snr',
           'annulus_excess']

# Checks take units rather than names of physical types, which are slow to look up: these
# functions are called for every batch of a run.

_STREAM = 1  # beside the stream of the same seed that a simulator draws the system from


class GainWarning(UserWarning):
    """A gain does not agree with the noise of the pixels."""


def add_sources(hosts, images, *, gain, seeds, shot_noise=True):
    """
    Add lensed sources to hosts, with the Poisson noise of the added light.

    Parameters
    ----------
    hosts : (n, band, y, x) array_like
        Flux in nanomaggies; NaN marks a missing pixel and stays.
    images : (n, band, y, x) array_like
        Noiseless flux of the sources in nanomaggies.
    gain : `~astropy.units.Quantity`
        Electrons per nanomaggy: one, one per band (band,), or (n, band). That
        of a coadd is the gain of all its exposures together.
    seeds : (n,) array_like of uint64
        One seed per row; may be those that the systems were drawn from.
    shot_noise : bool, optional
        Whether to add noise at all.

    Returns
    -------
    injected : (n, band, y, x) `~numpy.ndarray`
        float32. A row depends on nothing but its host, its image, its gain and
        its seed.

    Raises
    ------
    TableError
        If the shapes do not belong together, or a source is not finite.
    ConfigError
        If a gain is not positive.

    Notes
    -----
    A pixel of expected flux f receives ``Poisson(gain f) / gain``. Pixels of
    coadds are resampled and their noise is correlated; this one is not.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from lensfinder_audit.injection import add_sources
    >>> hosts, images = np.zeros((1, 1, 101, 101)), np.full((1, 1, 101, 101), 0.01)
    >>> injected = add_sources(hosts, images, gain=9600 * u.electron / u.nmgy, seeds=[7])
    >>> print(f'{injected.mean():.4f} {injected.std():.4f}')  # sqrt(0.01 / 9600) = 0.0010
    0.0100 0.0010
    """
    hosts, images = np.asarray(hosts), np.asarray(images)
    seeds = np.asarray(seeds, dtype=np.uint64)
    if hosts.shape != images.shape or hosts.ndim != 4 or seeds.shape != hosts.shape[:1]:
        raise TableError('hosts and images have the same shape (n, band, y, x), and there are n '
                         f'seeds; here {hosts.shape}, {images.shape} and {seeds.shape}')
    if not np.isfinite(images).all():
        raise TableError('an image of a source has values that are not finite')
    electrons = _broadcast_gain(gain, hosts.shape[:2])
    injected = np.empty(hosts.shape, dtype=np.float32)
    for row, seed in enumerate(seeds):
        if shot_noise:
            rng = np.random.default_rng([int(seed), _STREAM])
            add_with_noise(hosts[row], images[row], electrons[row], rng, injected[row])
        else:
            injected[row] = hosts[row] + images[row]
    return injected


def survey_gain(survey, bands, exposure_time):
    """
    Derive the gain of coadds from zero points and total exposure times.

    Parameters
    ----------
    survey : `~lensfinder_audit.survey.Survey`
        With the zero points in electrons.
    bands : sequence of str
        Bands in the order in which stacks hold them.
    exposure_time : `~astropy.units.Quantity`
        Of all exposures together: one, (band,), or (n, band).

    Returns
    -------
    gain : `~astropy.units.Quantity`
        Electrons per nanomaggy, (band,) or (n, band).

    Raises
    ------
    ConfigError
        If the survey states no electron zero point for a band.

    Examples
    --------
    >>> from astropy import units as u
    >>> from lensfinder_audit.injection import survey_gain
    >>> from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
    >>> survey_gain(LEGACY_DR10, 'grz', 180 * u.s).round(-2)
    <Quantity [7900., 9600., 7100.] electron / nmgy>
    """
    rates = [survey.electrons_per_flux(band, 1 * u.s) for band in bands]
    return u.Quantity(rates) * exposure_time.to_value(u.s)


def gain_from_sky(noise, sky):
    """
    Derive the gain from the noise of sky pixels.

    Parameters
    ----------
    noise : (...) array_like
        Standard deviation of a sky pixel in nanomaggies.
    sky : (...) array_like
        Light of the sky per pixel in nanomaggies, before it was subtracted.

    Returns
    -------
    gain : (...) `~astropy.units.Quantity`
        ``sky / noise^2`` in electrons per nanomaggy: where the Poisson noise of
        the sky is all there is. Read noise makes it smaller, the smoothing of
        resampled pixels larger.

    Examples
    --------
    >>> from lensfinder_audit.injection import gain_from_sky
    >>> from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
    >>> gain_from_sky(0.0074, LEGACY_DR10.sky_per_pixel('r')).round(-2)
    <Quantity 5400. electron / nmgy>
    """
    return np.asarray(sky) / np.square(noise) * u.electron / u.nmgy


def check_gain(gain, noise, *, sky, bands=None, factor=3.0):
    """
    Compare a gain with the noise of the pixels, and warn where they disagree.

    Parameters
    ----------
    gain : `~astropy.units.Quantity`
        Electrons per nanomaggy: one, one per band (band,), or (n, band).
    noise : (n, band) array_like
        Standard deviation of a sky pixel in nanomaggies, as
        `~lensfinder_audit.noise.sky_noise` or
        `~lensfinder_audit.noise.pixel_noise` give it.
    sky : (band,) array_like
        Light of the sky per pixel in nanomaggies, as
        `~lensfinder_audit.survey.Survey.sky_per_pixel` gives it.
    bands : sequence of str, optional
        Names of the bands, for the message.
    factor : float, optional
        Disagreement that is taken for an error. Sky brightness varies by a
        factor of two from night to night and is more in moonlight.

    Returns
    -------
    ratio : (band,) `~numpy.ndarray`
        Median over the rows of the gain over that of `gain_from_sky`.

    Warns
    -----
    GainWarning
        If a ratio is larger than ``factor`` or smaller than ``1 / factor``.

    Examples
    --------
    >>> import warnings
    >>> from astropy import units as u
    >>> from lensfinder_audit.injection import GainWarning, check_gain
    >>> check_gain(9600 * u.electron / u.nmgy, [[0.0074]], sky=[0.297]).round(1)
    array([1.8])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter('ignore', GainWarning)
    ...     check_gain(150 * u.electron / u.nmgy, [[0.0074]], sky=[0.297]).round(3)
    array([0.028])
    """
    noise = np.asarray(noise, dtype=float)
    expected = gain_from_sky(noise, sky)
    gain = _broadcast_gain(gain, noise.shape)
    ratio = np.nanmedian(gain / expected.value, axis=0)
    for band in np.flatnonzero((ratio > factor) | (ratio < 1 / factor)):
        more = max(ratio[band], 1 / ratio[band])
        name = f'in band {bands[band]}' if bands is not None else f'in band number {band}'
        small = ratio[band] < 1
        warnings.warn(
            f'a gain of {np.nanmedian(gain[:, band]):.4g} electrons per nanomaggy {name} is '
            f'{more:.2g} times {"smaller" if small else "larger"} than the '
            f'{np.nanmedian(expected[:, band].value):.3g} that the noise of the pixels tells: '
            f'shot noise comes out {np.sqrt(more):.1f} times too {"large" if small else "small"}. '
            'Derive the gain from zero point and exposure time', GainWarning, stacklevel=2)
    return ratio


@u.quantity_input(r_in=u.arcsec, r_out=u.arcsec, pixel_scale=u.arcsec)
def arc_snr(images, noise, *, r_in=4 * PIXEL_SCALE, r_out=16 * PIXEL_SCALE,
            pixel_scale=PIXEL_SCALE):
    """
    Return the signal to noise of lensed light in an annulus.

    Parameters
    ----------
    images : (..., y, x) array_like
        Noiseless flux of the sources in one band, usually r, in nanomaggies.
    noise : (...) array_like
        Standard deviation of a sky pixel in nanomaggies.
    r_in, r_out : `~astropy.units.Quantity`, optional
        Inner (inclusive) and outer (exclusive) radius. The defaults are 4 and
        16 pixels of DR10.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel.

    Returns
    -------
    snr : (...) `~numpy.ndarray`
        Sum of the flux over ``sqrt(N) noise``, with N pixels in the annulus.

    Raises
    ------
    ConfigError
        If no pixel center lies in the annulus.

    Notes
    -----
    The noise is that of the sky alone, without shot noise of host or source.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.injection import arc_snr
    >>> print(f'{arc_snr(np.full((101, 101), 0.01), 0.01):.1f}')  # sqrt(N)
    27.3
    """
    images = np.asarray(images, dtype=float)
    annulus = annulus_mask(images.shape[-2:], r_in=(r_in / pixel_scale).to_value(''),
                           r_out=(r_out / pixel_scale).to_value(''))
    return images[..., annulus].sum(axis=-1) / (np.sqrt(annulus.sum()) * np.asarray(noise))


@u.quantity_input(r_in=u.arcsec, r_out=u.arcsec, pixel_scale=u.arcsec)
def annulus_excess(images, noise, *, band=0, r_in=4 * PIXEL_SCALE, r_out=16 * PIXEL_SCALE,
                   pixel_scale=PIXEL_SCALE):
    """
    Measure what stands out from a round galaxy, in real lenses and injected ones alike.

    Parameters
    ----------
    images : (n, band, y, x) array_like
        Whole images in nanomaggies, galaxy and arcs; NaN marks a missing pixel.
    noise : (n,) array_like
        Standard deviation of a sky pixel of one band.
    band : int, optional
        Plane of that band, usually r.
    r_in, r_out : `~astropy.units.Quantity`, optional
        Inner (inclusive) and outer (exclusive) radius, those of `arc_snr`.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel.

    Returns
    -------
    snr : (n,) `~numpy.ndarray`
        Sum over the annulus of the light above the median at the same radius, over
        ``sqrt(N) noise``; NaN without a pixel.
    color : (n,) `~numpy.ndarray`
        Magnitude of that light in the first band less that in ``band``; NaN where
        it is negative in one of them.

    Notes
    -----
    Neighbours and the flattening of the galaxy stand out too. It is meant for
    comparisons of samples that were measured in the same way, and is not the
    signal to noise of an arc.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.injection import annulus_excess
    >>> image = np.ones((1, 2, 101, 101))  # a round galaxy
    >>> image[0, :, 60, 50] += 2.0  # a point 10 pixels from its center
    >>> snr, color = annulus_excess(image, [0.01])
    >>> print(f'{snr[0]:.2f} {color[0]:.2f}')  # 2 / (sqrt(748) 0.01)
    7.31 0.00
    """
    images, pixel = np.asarray(images), pixel_scale.to_value(u.arcsec)
    annulus = annulus_mask(images.shape[-2:], r_in=r_in.to_value(u.arcsec) / pixel,
                           r_out=r_out.to_value(u.arcsec) / pixel)
    y, x = np.nonzero(annulus)
    ring = np.hypot(y - (images.shape[-2] - 1) / 2, x - (images.shape[-1] - 1) / 2).round()
    light = images[..., y, x].astype(float)
    good = np.isfinite(light)
    median = np.nanmedian if not good.all() else np.median
    with warnings.catch_warnings():  # a ring without a pixel adds nothing
        warnings.filterwarnings('ignore', 'All-NaN slice encountered', RuntimeWarning)
        total = sum(np.nansum(part - median(part, axis=-1, keepdims=True), axis=-1)
                    for part in (light[..., ring == radius] for radius in np.unique(ring)))
    n_good = good[:, band].sum(axis=-1)
    with np.errstate(invalid='ignore', divide='ignore'):
        snr = total[:, band] / (np.sqrt(n_good) * np.asarray(noise))
        ratio = total[:, 0] / total[:, band]
        color = np.where((total[:, 0] > 0) & (total[:, band] > 0), -2.5 * np.log10(ratio), np.nan)
    return np.where(n_good > 0, snr, np.nan), color


def _broadcast_gain(gain, shape):
    """Return the gain as a plain (n, band) array."""
    values = u.Quantity(gain, u.electron / u.nmgy).value
    if values.ndim > 2 or values.shape not in ((), shape[1:], shape):
        raise TableError(f'the gain is one value, one per band or (n, band) = {shape}, not of '
                         f'shape {values.shape}')
    if not (np.isfinite(values) & (values > 0)).all():
        raise ConfigError(f'a gain is a positive number of electrons per nanomaggy; {gain} is not')
    return np.broadcast_to(values, shape)
