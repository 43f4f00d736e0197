# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Images of the galaxies of the mock survey.

`render_objects` gives stamps as a survey would: galaxy, neighbours, artefacts,
the PSF, the noise, missing pixels. For injection, render without noise, add the
arcs, and let `observe` add the noise: then lenses and negatives have it alike.
"""
from functools import cache

import numpy as np
from astropy import units as u
from scipy import fft

from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.injection import survey_gain
from lensfinder_audit.noise import pixel_noise as noise_of_depth
from lensfinder_audit.psf import psf_from_table
from lensfinder_audit.simulators._canvas import MARGIN, Canvas
from lensfinder_audit.simulators._mock_artefacts import paint_artefact
from lensfinder_audit.simulators._mock_scenes import paint_galaxy, paint_neighbours
from lensfinder_audit.survey import PIXEL_SCALE
from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
from lensfinder_audit.tables import require_columns

__all__ = ['BANDS', 'NOISE_CORRELATION', 'MISSING_SHARE', 'render_objects', 'observe',
           'pixel_noise']

#: Bands in which the mock survey has fluxes.
BANDS = LEGACY_DR10.bands

#: Correlation of the noise of pixels that share an edge. Cutouts of the survey
#: are resampled; in them it is 0.2 to 0.3.
NOISE_CORRELATION = 0.25

#: Share of stamps in which pixels are missing, as at the edges of exposures.
MISSING_SHARE = 0.03

_GALAXY_COLUMNS = ('type', 'morphology', 'confuser_class', 'shape_r', 'sersic', 'shape_e1',
                   'shape_e2', *(f'flux_{band}' for band in BANDS))
_SCENE, _NOISE, _MISSING = range(3)  # streams of random numbers of a row


@u.quantity_input(pixel_scale='angle')
def render_objects(table, *, bands=BANDS, shape=(101, 101), pixel_scale=PIXEL_SCALE, noise=True,
                   neighbours=True, seeds=None):
    """
    Render the objects of a mock survey.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Rows of `~lensfinder_audit.sources.mock_survey.MockSurvey`.
    bands : sequence of str, optional
        Bands to render, of g, r and z.
    shape : tuple of int, optional
        Height and width in pixels; north is up and east to the left.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel.
    noise : bool, optional
        Whether `observe` adds noise and takes pixels away.
    neighbours : bool, optional
        Whether other stars and galaxies are in the stamps.
    seeds : (n,) array_like of uint64, optional
        One per row; the column ``seed`` by default.

    Returns
    -------
    images : (n, band, y, x) `~numpy.ndarray`
        float32 flux in nanomaggies; NaN marks a missing pixel. The image of a
        row depends on nothing but the row and its seed.

    Raises
    ------
    TableError
        If a column is missing.
    ConfigError
        If a band is unknown or there is not one seed per row.

    Notes
    -----
    Light is integrated over pixels, which are split where it is steep, and
    convolved with a Moffat PSF of the widths ``psfsize_<band>``.

    Examples
    --------
    >>> from lensfinder_audit.simulators.mock_galaxies import render_objects
    >>> from lensfinder_audit.sources.mock_survey import MockSurvey
    >>> render_objects(MockSurvey(n_galaxies=2)()).shape
    (2, 3, 101, 101)
    """
    bands, seeds = _checked(table, bands, seeds, columns=_GALAXY_COLUMNS)
    pixel = pixel_scale.to_value(u.arcsec)
    chosen = [BANDS.index(band) for band in bands]
    psf = psf_from_table(table, BANDS)  # kernels of one size, whichever bands are asked for
    images = np.empty((len(table), len(bands), *shape), dtype=np.float32)
    inside = (..., slice(MARGIN, MARGIN + shape[0]), slice(MARGIN, MARGIN + shape[1]))
    for i, galaxy in enumerate(_galaxies(table, pixel)):
        light = _paint(galaxy, seeds[i], shape, pixel, neighbours)[chosen]
        images[i] = _convolved(light, psf[i:i + 1].kernels(pixel_scale)[0, chosen])[inside]
    if noise:
        return observe(images, table, bands=bands, pixel_scale=pixel_scale, seeds=seeds)
    return images


@u.quantity_input(pixel_scale='angle')
def observe(images, table, *, bands=BANDS, pixel_scale=PIXEL_SCALE, seeds=None):
    """
    Add the noise of the sky and of the light itself, and take pixels away.

    Parameters
    ----------
    images : (n, band, y, x) array_like
        Noiseless flux in nanomaggies.
    table : (n,) `~astropy.table.Table`
        Conditions: ``psfsize_<band>``, ``psfdepth_<band>``, ``exptime_<band>``.
    bands : sequence of str, optional
        Bands of the images.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel.
    seeds : (n,) array_like of uint64, optional
        One per row; the column ``seed`` by default.

    Returns
    -------
    observed : (n, band, y, x) `~numpy.ndarray`
        float32; in `MISSING_SHARE` of the stamps some pixels or a band are NaN.

    Raises
    ------
    TableError
        If a column is missing.
    ConfigError
        If a band is unknown or there is not one seed per row.

    Notes
    -----
    The variance of a pixel is that of `pixel_noise` plus flux over gain, with
    the gain from zero point and exposure time. Neighbouring pixels correlate
    by `NOISE_CORRELATION`, which is kept out of the depth, as surveys do: a
    matched filter that takes pixels for independent errs here as it does there.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.simulators.mock_galaxies import observe
    >>> from lensfinder_audit.sources.mock_survey import MockSurvey
    >>> table = MockSurvey(n_galaxies=2)()
    >>> bool(np.nanstd(observe(np.zeros((2, 3, 51, 51)), table)) > 0)
    True
    """
    columns = [f'{name}_{band}' for name in ('psfdepth', 'exptime') for band in BANDS]
    bands, seeds = _checked(table, bands, seeds, columns=columns)
    chosen = [BANDS.index(band) for band in bands]
    sky = pixel_noise(table, pixel_scale=pixel_scale)[:, chosen]
    seconds = u.Quantity([table[f'exptime_{band}'] for band in bands], u.s).T
    gain = survey_gain(LEGACY_DR10, bands, seconds).value
    images = np.asarray(images, dtype=np.float32)
    observed = np.empty_like(images)
    sky, gain = (part.astype(np.float32)[..., None, None] for part in (sky, gain))
    for i, seed in enumerate(seeds):
        variance = sky[i] ** 2 + np.maximum(images[i], 0) / gain[i]
        white = _correlated_noise(seed, images.shape[2:])[chosen]
        observed[i] = images[i] + np.sqrt(variance) * white
        missing = _missing(seed, images.shape[2:])
        if missing is not None:
            observed[i][missing[chosen]] = np.nan
    return observed


def pixel_noise(table, *, bands=BANDS, pixel_scale=PIXEL_SCALE):
    """
    Return the sky noise per pixel that depth and PSF imply.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Has ``psfsize_<band>`` and ``psfdepth_<band>``.
    bands : sequence of str, optional
        Bands to return.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel.

    Returns
    -------
    sigma : (n, band) `~numpy.ndarray`
        Standard deviation in nanomaggies: the square root of the sum of the
        squared PSF over ``psfdepth``, as `lensfinder_audit.noise` derives it.

    Examples
    --------
    >>> from lensfinder_audit.simulators.mock_galaxies import pixel_noise
    >>> from lensfinder_audit.sources.mock_survey import MockSurvey
    >>> pixel_noise(MockSurvey(n_galaxies=2)()).shape
    (2, 3)
    """
    depth = [u.Quantity(table[f'psfdepth_{band}'], u.nmgy**-2).value for band in bands]
    return noise_of_depth(np.stack(depth, axis=1), psf_from_table(table, bands),
                          pixel_scale=pixel_scale)


def _checked(table, bands, seeds, *, columns):
    bands = tuple(bands)
    for band in bands:
        if band not in BANDS:
            raise ConfigError(f'the mock survey has no band {band!r}; it has {list(BANDS)}.'
                              f'{did_you_mean(band, BANDS)}')
    require_columns(table, [*columns, *(['seed'] if seeds is None else [])],
                    what='the table of mock objects')
    seeds = np.asarray(table['seed'] if seeds is None else seeds, dtype=np.uint64)
    if seeds.shape != (len(table),):
        raise ConfigError(f'{len(table)} rows need as many seeds, not an array of shape '
                          f'{seeds.shape}')
    return bands, seeds


def _galaxies(table, pixel):
    """Yield what each row is painted from: lengths in pixels, angle from x."""
    e1, e2 = (np.asarray(table[name], dtype=float) for name in ('shape_e1', 'shape_e2'))
    e = np.minimum(np.hypot(e1, e2), 0.9)
    angle = 0.5 * np.arctan2(e2, e1) + np.pi / 2  # position angles run from north to east
    re = u.Quantity(table['shape_r'], u.arcsec).value / pixel
    flux = np.stack([u.Quantity(table[f'flux_{band}'], u.nmgy).value for band in BANDS], axis=1)
    words = {name: np.asarray(table[name]).astype(str)
             for name in ('type', 'morphology', 'confuser_class')}
    index = np.asarray(table['sersic'], dtype=float)
    for i in range(len(table)):
        yield {'q': (1 - e[i]) / (1 + e[i]), 'angle': angle[i], 're': re[i], 'flux': flux[i],
               'n': index[i], **{name: str(column[i]) for name, column in words.items()}}


def _random(seed, stream):
    return np.random.default_rng([int(seed), stream])


def _paint(galaxy, seed, shape, pixel, neighbours):
    canvas, rng = Canvas(len(BANDS), shape, pixel), _random(seed, _SCENE)
    around = rng.spawn(1)[0]
    paint_galaxy(canvas, galaxy, rng)
    paint_artefact(canvas, galaxy['confuser_class'], rng)
    if neighbours:
        paint_neighbours(canvas, galaxy, around)
    return canvas.images


def _convolved(light, kernel):
    """Convolve as `~lensfinder_audit.psf.convolve` does, in half of its precision and time."""
    shape, reach = light.shape[1:], kernel.shape[-1] // 2
    # What wraps around the edge of the canvas may fill its margin, no more.
    size = [fft.next_fast_len(n + max(reach - MARGIN, 0), real=True) for n in shape]
    product = fft.rfft2(light, size) * fft.rfft2(kernel.astype(np.float32), size)
    product /= _pixel_response(*size)  # the kernel has it too
    whole = fft.irfft2(product, size)
    return np.roll(whole, (-reach, -reach), axis=(1, 2))[:, :shape[0], :shape[1]]


@cache
def _pixel_response(ny, nx):
    response = np.sinc(fft.fftfreq(ny))[:, None] * np.sinc(fft.rfftfreq(nx))
    return response.astype(np.float32)


def _correlated_noise(seed, shape):
    """Return noise of unit variance in all bands, smoothed over neighbouring pixels."""
    side = (1 - np.sqrt(1 - 2 * NOISE_CORRELATION**2)) / (2 * NOISE_CORRELATION)
    weight = (np.array([side, 1, side]) / np.sqrt(1 + 2 * side**2)).astype(np.float32)
    white = _random(seed, _NOISE).standard_normal((len(BANDS), shape[0] + 2, shape[1] + 2),
                                                  dtype=np.float32)
    rows = weight[1] * white[:, 1:-1] + weight[0] * (white[:, :-2] + white[:, 2:])
    return weight[1] * rows[..., 1:-1] + weight[0] * (rows[..., :-2] + rows[..., 2:])


def _missing(seed, shape):
    """Mark the pixels, by band, that no exposure covers, if there are any."""
    rng = _random(seed, _MISSING)
    if rng.uniform() >= MISSING_SHARE:
        return None
    found = np.zeros((len(BANDS), *shape), dtype=bool)
    bands = slice(None) if rng.uniform() < 0.5 else int(rng.integers(len(BANDS)))
    y, x = np.ogrid[:shape[0], :shape[1]]
    kind = rng.choice(['edge', 'corner', 'gap', 'band'], p=[0.4, 0.25, 0.2, 0.15])
    if kind == 'band':
        found[int(rng.integers(len(BANDS)))] = True
    elif kind == 'gap':  # a few rows, as between detectors
        start = int(rng.integers(shape[0]))
        found[bands, start:start + int(rng.integers(1, 5))] = True
    else:
        turn = rng.uniform(-0.05, 0.05) if kind == 'edge' else rng.uniform(0.4, 1.2)
        line = np.cos(turn) * y + np.sin(turn) * x
        area = line < line.min() + rng.uniform(2, 25 if kind == 'edge' else 40)
        found[bands] = area[::rng.choice([-1, 1]), ::rng.choice([-1, 1])]
    return found
