# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Are the bands of stamps in the order that they are said to be in?"""
from itertools import permutations

import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.tables import check_table, schema_meta

__all__ = ['band_order']

#: Fewer objects with positive fluxes than this carry no order.
_LEAST = 20


def band_order(measured, catalogued, bands):
    """
    Compare fluxes measured on stamps with catalogued ones, for every order of the bands.

    Parameters
    ----------
    measured : (n, band) array_like
        Flux in the planes of the stamps, in any one aperture.
    catalogued : (n, band) array_like
        Flux of the same objects by band.
    bands : sequence of str
        Bands of the catalogue, which are said to be those of the planes.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``band_order``: for each order of the planes the median deviation of
        magnitudes, after an offset that all bands share (the aperture), the best
        order first.

    Raises
    ------
    MeasurementError
        If fewer than 20 objects have positive fluxes.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.measure.bands import band_order
    >>> rng = np.random.default_rng(0)
    >>> flux = 10**rng.normal([0.3, 0.7, 1.0], 0.2, (100, 3))
    >>> swapped = 0.8 * flux[:, [0, 2, 1]] * rng.normal(1, 0.05, (100, 3))
    >>> print(band_order(swapped, flux, 'grz')['order'][0])
    gzr
    """
    measured, catalogued = (np.asarray(item, dtype=float) for item in (measured, catalogued))
    if measured.shape != catalogued.shape or measured.shape[1] != len(bands):
        raise MeasurementError(f'fluxes must be (n, {len(bands)}) for the bands {list(bands)}; '
                               f'they are {measured.shape} and {catalogued.shape}')
    good = ((measured > 0) & (catalogued > 0)).all(axis=1)
    if good.sum() < _LEAST:
        raise MeasurementError(f'{good.sum()} of {len(good)} objects have positive fluxes in all '
                               f'bands; an order needs {_LEAST}')
    planes, known = (-2.5 * np.log10(item[good]) for item in (measured, catalogued))
    rows = []
    for order in permutations(range(len(bands))):
        # plane i holds the band order[i]
        gap = planes - known[:, list(order)]
        rows.append({'order': ''.join(str(bands[i]) for i in order), 'n': int(good.sum()),
                     'deviation': float(np.median(np.abs(gap - np.median(gap)))),
                     'stated': list(order) == list(range(len(bands)))})
    rows.sort(key=lambda row: row['deviation'])
    table = QTable(rows=rows)
    table.meta = schema_meta('band_order', bands=list(bands))
    return check_table(table, 'band_order')
