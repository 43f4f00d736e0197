# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Print the quantiles that the mock survey takes its observing conditions from.

``python docs/make_mock_conditions.py regions.csv`` reads a table of DR10 regions
with their area, median seeing and 5-sigma depth in r and median E(B-V), and
prints what ``lensfinder_audit/sources/_mock_draws.py`` holds as ``MEASURED`` and
``RANK_CORRELATION``.
"""
import sys

import numpy as np
from astropy.table import Table
from scipy.stats import spearmanr

from lensfinder_audit.sources._mock_draws import FRACTION

COLUMNS = {'psfsize_r': 'median_psf_r_arcsec', 'depth_r': 'median_psfdepth_r',
           'ebv': 'median_ebv'}


def measure(table):
    """Return quantiles weighted by area, and rank correlations, of a table of regions."""
    columns = {name: np.asarray(table[found], dtype=float) for name, found in COLUMNS.items()}
    area = np.asarray(table['total_area_deg2'], dtype=float)
    quantiles = {name: np.round(_quantiles(values, area), 3) for name, values in columns.items()}
    return quantiles, np.round(spearmanr(np.transpose(list(columns.values()))).statistic, 2)


def _quantiles(values, weight):
    order = np.argsort(values)
    below = np.cumsum(weight[order]) / weight.sum()
    return np.interp(FRACTION, below, values[order])


if __name__ == '__main__':
    for item in measure(Table.read(sys.argv[1])):
        print(item)
