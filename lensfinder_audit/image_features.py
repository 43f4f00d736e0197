# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simple features of stamps, none of which is an arc.

What they tell of a label, a finder can learn without seeing a lens; and for a
finder without an embedding they stand in for one.
"""
import numpy as np

from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.noise import annulus_mask

__all__ = ['PARTS', 'image_features']

#: Radius of the core, and inner radius of the sky annulus as a fraction of the stamp's half.
_CORE, _SKY = 4.0, 0.65
_N_RINGS = 12


def image_features(flux, part='image'):
    """
    Measure one set of features of every stamp.

    Parameters
    ----------
    flux : (n, band, y, x) array_like
        Nanomaggies; NaN marks a missing pixel.
    part : {'core', 'radial profile', 'sky annulus', 'missing pixels', 'image'}, optional
        What is looked at: the pixels within 4 of the centre; the mean in rings; level,
        noise and percentiles of the outer annulus; how much of each band is missing or
        exactly 0, and how much of it in the middle; or all but the last, with
        concentration, flattening and the asymmetry under a half turn.

    Returns
    -------
    features : (n, d) `~numpy.ndarray`
        Fluxes are arcsinh of the signal to noise of a pixel of their band; NaN where
        a band is missing.

    Raises
    ------
    ConfigError
        If there is no such part, or the stack is not four-dimensional.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.image_features import image_features
    >>> flux = np.random.default_rng(0).normal(size=(2, 3, 41, 41))
    >>> {part: image_features(flux, part).shape[1] for part in ('core', 'missing pixels')}
    {'core': 6, 'missing pixels': 9}
    """
    flux = np.asarray(flux, dtype=np.float32)
    if flux.ndim != 4:
        raise ConfigError(f'stamps must be (n, band, y, x); they are {flux.shape}')
    if part not in PARTS:
        raise ConfigError(f'there are no features {part!r}; there are {list(PARTS)}.'
                          f'{did_you_mean(part, PARTS)}')
    if part == 'missing pixels':
        return _missing(flux)
    return np.hstack([function(flux) for function in PARTS[part]]).astype(float)


def _radius(flux):
    y, x = np.indices(flux.shape[-2:])
    return np.hypot(y - (flux.shape[-2] - 1) / 2, x - (flux.shape[-1] - 1) / 2)


def _sky(flux):
    half = min(flux.shape[-2:]) / 2
    annulus = flux[..., annulus_mask(flux.shape[-2:], r_in=_SKY * half, r_out=0.9 * half)]
    annulus[~np.isfinite(annulus)] = np.nan
    annulus[np.isnan(annulus).all(axis=-1)] = 0
    ends = _percentiles(annulus, (5, 16, 50, 84, 95))
    return ends, np.maximum((ends[3] - ends[1]) / 2, 1e-9)


def _percentiles(values, percents):
    """Return percentiles along the last axis, without what is NaN; one sort serves them all."""
    values = np.sort(values, axis=-1)  # NaN comes last
    last = values.shape[-1] - 1 - np.isnan(values).sum(axis=-1, keepdims=True)
    place = np.array(percents) / 100 * last
    low = np.floor(place).astype(int)
    below, above = (np.take_along_axis(values, item, axis=-1)
                    for item in (low, np.minimum(low + 1, last)))
    share = (place - low).astype(values.dtype)
    return np.moveaxis((1 - share) * below + share * above, -1, 0)


def _ring_means(flux, edges):
    """Return the mean flux in rings, (n, band, ring), NaN where all is missing."""
    ring = np.digitize(_radius(flux), edges) - 1
    within = ring < len(edges) - 1  # a core is a small part of a stamp
    inside = (ring[within][:, None] == np.arange(len(edges) - 1)).astype(np.float32)
    plain = flux[..., within]
    good = np.isfinite(plain)
    counts, sums = good.astype(np.float32) @ inside, np.where(good, plain, 0) @ inside
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _rings(flux, edges):
    sky, noise = _sky(flux)
    means = _ring_means(flux, edges) - sky[2][..., None]
    return np.arcsinh(means / noise[..., None]).reshape(len(flux), -1)


def _core(flux):
    return _rings(flux, [0, _CORE / 2, _CORE])


def _profile(flux):
    half = min(flux.shape[-2:]) / 2
    return _rings(flux, half * np.linspace(0, 1, _N_RINGS + 1) ** 1.5)


def _annulus(flux):
    sky, noise = _sky(flux)
    tails = (sky[[0, 4]] - sky[2]) / noise
    return np.concatenate([sky[2] / noise, np.log(noise), *tails], axis=1)


def _missing(flux):
    bad = ~np.isfinite(flux)
    near = _radius(flux) < 8
    zero = np.where(bad, False, flux == 0)
    return np.concatenate([bad.mean(axis=(2, 3)), bad[..., near].mean(axis=2),
                           zero.mean(axis=(2, 3))], axis=1)


def _shape(flux):
    """Concentration, flattening and asymmetry of every band."""
    sky, noise = _sky(flux)
    near = _radius(flux) < 0.5 * min(flux.shape[-2:]) / 2
    y, x = np.argwhere(near).T - (np.array(flux.shape[-2:]) - 1)[:, None] / 2
    light = flux[..., near] - sky[2][..., None]  # in their order, which a half turn reverses
    light[~np.isfinite(light)] = 0
    bright = np.maximum(light, 0).astype(float)
    total = np.maximum(bright.sum(axis=-1), 1e-9)
    xx, yy, xy = np.moveaxis(bright @ np.stack([x * x, y * y, x * y], axis=1), -1, 0) / total
    flat = np.hypot(xx - yy, 2 * xy) / np.maximum(xx + yy, 1e-9)
    turned = np.abs(light - light[..., ::-1]).mean(axis=-1) / noise
    return np.concatenate([np.log(xx + yy + 1), flat, np.arcsinh(turned)], axis=1)


#: What each set of features is made of.
PARTS = {'core': (_core,), 'radial profile': (_profile,), 'sky annulus': (_annulus,),
         'missing pixels': (), 'image': (_core, _profile, _annulus, _shape)}
