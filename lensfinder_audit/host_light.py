# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Axis ratio and position angle of the light of hosts.

Measured with photutils from the second moments of the central galaxy, and, where
that cannot be, taken from the shape in the catalogue.
"""
import numpy as np
from astropy import units as u
from astropy.stats import mad_std
from astropy.table import QTable
from photutils.morphology import data_properties
from photutils.segmentation import detect_sources

from lensfinder_audit.exceptions import TableError
from lensfinder_audit.noise import annulus_mask
from lensfinder_audit.survey import PIXEL_SCALE

__all__ = ['measure_light', 'add_light']

_SIGMA_PER_FWHM = 1 / np.sqrt(8 * np.log(2))

# The isophote: so many times the noise, and at least this share of the peak; the
# second one where a neighbour shares the first.
_ABOVE_NOISE, _OF_PEAK = 3.0, (0.02, 0.1)

# Pixels of the least galaxy, and its greatest distance from the center.
_FEWEST, _FARTHEST = 12, 4.0

# A minor axis must be so much wider than the PSF, in variance.
_RESOLVED = 0.3


@u.quantity_input(fwhm='angle', pixel_scale='angle')
def measure_light(flux, *, fwhm, pixel_scale=PIXEL_SCALE):
    """
    Measure axis ratio and position angle of the central galaxies of stamps.

    Parameters
    ----------
    flux : (n, y, x) array_like
        One band, usually r; NaN marks a missing pixel.
    fwhm : (n,) `~astropy.units.Quantity`
        Width of the PSF as an angle.
    pixel_scale : `~astropy.units.Quantity`, optional
        Angle per pixel.

    Returns
    -------
    light : (n,) `~astropy.table.QTable`
        ``light_q`` (minor over major axis), ``light_phi`` (position angle of the
        major axis, counter-clockwise from +x) and ``light_from``: ``moments``, or
        why there are none (``missing``, ``nothing``, ``off center``,
        ``unresolved``), with NaN.

    Raises
    ------
    TableError
        If there is not one width per stamp.

    Notes
    -----
    The moments are those of the light within an isophote at three times the noise,
    or 2 percent of the peak where that is more; the variance of the PSF is
    subtracted from both axes. Noiseless exponential galaxies with half-light radii
    of 1.5 arcsec and axis ratios of 0.4, 0.6 and 0.8 come out with 0.49, 0.65 and
    0.82 under a seeing of 1.3 arcsec; position angles within 2 degrees.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy import units as u
    >>> from lensfinder_audit.host_light import measure_light
    >>> y, x = np.mgrid[-50:51, -50:51]
    >>> galaxy = np.exp(-np.hypot((x + y) / 9, (x - y) / 5))  # 45 degrees
    >>> light = measure_light(galaxy[None], fwhm=[1.3] * u.arcsec)
    >>> print(light['light_phi'].round(1), light['light_from'][0])
    [45.] deg moments
    """
    flux = np.asarray(flux, dtype=float)
    if flux.ndim != 3 or np.shape(fwhm) != (len(flux),):
        raise TableError(f'stamps of one band (n, y, x) need as many widths; here are {flux.shape} '
                         f'and {np.shape(fwhm)}')
    sigma = (fwhm / pixel_scale).to_value('') * _SIGMA_PER_FWHM
    rows = [_shape(stamp, width) for stamp, width in zip(flux, sigma, strict=True)]
    return QTable({'light_q': np.array([row[0] for row in rows], dtype=float),
                   'light_phi': np.array([row[1] for row in rows], dtype=float) * u.deg,
                   'light_from': np.array([row[2] for row in rows], dtype='U10')})


def add_light(hosts, store, *, band='r', block=256):
    """
    Add the shape of their light to hosts.

    Parameters
    ----------
    hosts : (n,) `~astropy.table.QTable`
        With ``psfsize_<band>``; ``shape_e1`` and ``shape_e2`` (ellipticity (1 - q) /
        (1 + q), east of north) take the place of what cannot be measured.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Their cutouts, north up and east to the left.
    band : str, optional
        Band to measure in; the first of the store where it has no such band.
    block : int, optional
        Cutouts in memory at a time.

    Returns
    -------
    hosts : (n,) `~astropy.table.QTable`
        A copy with the columns of `measure_light`; ``light_from`` is also
        ``catalogue``. Hosts that have ``light_q`` and ``light_phi`` keep them.
    """
    from lensfinder_audit.manifest import cutout_keys

    hosts = QTable(hosts, copy=True)
    if {'light_q', 'light_phi'} <= set(hosts.colnames):
        return hosts
    plane = store.bands.index(band) if band in store.bands else 0
    widths = u.Quantity(hosts[f'psfsize_{store.bands[plane]}'], u.arcsec)
    keys = cutout_keys(hosts)
    for start in range(0, len(hosts), block):
        rows = slice(start, start + block)
        light = measure_light(store.get(keys[rows])[:, plane], fwhm=widths[rows],
                              pixel_scale=store.pixel_scale)
        for name in light.colnames:
            if not start:
                hosts[name] = _blank(light[name], len(hosts))
            hosts[name][rows] = light[name]
    _from_catalogue(hosts)
    return hosts


def _shape(stamp, sigma):
    good = np.isfinite(stamp)
    if good.mean() < 0.5:
        return np.nan, np.nan, 'missing'
    half = min(stamp.shape) // 2
    sky = stamp[annulus_mask(stamp.shape, r_in=0.65 * half, r_out=0.95 * half) & good]
    level = np.median(sky) if sky.size else 0.0
    stamp = np.where(good, stamp - level, 0)
    noise = mad_std(sky) if sky.size else 0.0
    for share in _OF_PEAK:
        galaxy, reason = _central(stamp, noise, share)
        if galaxy is not None:
            found = _without_psf(data_properties(stamp, mask=~galaxy), sigma, stamp.shape)
            reason = found[2]
        if reason == 'moments':
            return found
    return np.nan, np.nan, reason


def _central(stamp, noise, share):
    """Return the pixels of the galaxy in the middle, or why there are none."""
    y0, x0 = (n // 2 for n in stamp.shape)
    reach = int(_FARTHEST)
    peak = stamp[y0 - reach:y0 + reach + 1, x0 - reach:x0 + reach + 1].max()
    least = max(_ABOVE_NOISE * noise, share * peak)
    if not peak > least > 0:
        return None, 'nothing'
    found = detect_sources(stamp, least, _FEWEST)
    label = 0 if found is None else _label_at(found.data, y0, x0, reach)
    return (None, 'off center') if not label else (found.data == label, '')


def _label_at(labels, y0, x0, reach):
    near = labels[y0 - reach:y0 + reach + 1, x0 - reach:x0 + reach + 1]
    return labels[y0, x0] or np.bincount(near[near > 0].ravel()).argmax() if near.any() else 0


def _without_psf(found, sigma, shape):
    center = np.hypot(*(found.centroid - (np.array(shape[::-1]) - 1) / 2))
    if center > _FARTHEST:
        return np.nan, np.nan, 'off center'
    moments = np.asarray(getattr(found.covariance, 'value', found.covariance)).reshape(2, 2)
    variance, axes = np.linalg.eigh(moments)
    minor, major = variance - sigma ** 2
    if minor < _RESOLVED * sigma ** 2:
        return np.nan, np.nan, 'unresolved'
    x, y = axes[:, 1]
    return min(np.sqrt(minor / major), 1.0), np.degrees(np.arctan2(y, x)) % 180, 'moments'


def _from_catalogue(hosts):
    lost = ~np.isfinite(hosts['light_q'])
    if not lost.any() or not {'shape_e1', 'shape_e2'} <= set(hosts.colnames):
        return
    e1, e2 = (np.asarray(hosts[name], dtype=float)[lost] for name in ('shape_e1', 'shape_e2'))
    size = np.hypot(e1, e2)
    known = np.isfinite(size) & (size < 1)
    east_of_north = np.degrees(np.arctan2(e2, e1)) / 2
    hosts['light_q'][lost] = np.where(known, (1 - size) / (1 + size), np.nan)
    hosts['light_phi'][lost] = np.where(known, (east_of_north + 90) % 180, np.nan) * u.deg
    hosts['light_from'][lost] = np.where(known, 'catalogue', hosts['light_from'][lost])


def _blank(column, n):
    blank = np.zeros(n, dtype=column.dtype)
    return blank << column.unit if getattr(column, 'unit', None) is not None else blank
