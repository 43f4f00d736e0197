# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Labelled stamps of the mock survey: lenses, ordinary galaxies and confusers.

Lenses are early-type galaxies of the same catalogue with an arc added before the
noise, and only those whose arcs a person would see: that is how real samples of
known lenses came about.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable, hstack

from lensfinder_audit.injection import arc_snr
from lensfinder_audit.psf import psf_from_table
from lensfinder_audit.simulators.mock_galaxies import observe, pixel_noise, render_objects
from lensfinder_audit.simulators.sie_sersic import SieSersic
from lensfinder_audit.sources.mock_survey import MockSurvey
from lensfinder_audit.survey import PIXEL_SCALE

__all__ = ['ARC_SNR_LIMIT', 'DEMO_FRACTIONS', 'known_lens_simulator', 'mock_sample']

#: A person sees arcs above this r-band signal to noise in the annulus of
#: 4 to 16 pixels.
ARC_SNR_LIMIT = 25.0

#: Confusers are more common than in nature, so that each family can be measured.
DEMO_FRACTIONS = {'ring': 0.03, 'spiral': 0.03, 'merger': 0.02, 'edge-on': 0.03,
                  'blue clumpy': 0.02, 'large galaxy': 0.02, 'star spike': 0.015, 'ghost': 0.015,
                  'satellite trail': 0.015}

_BANDS = ('g', 'r', 'z')
_SHAPE = (101, 101)
_LENS_STREAM = 0x1e25
_UNITS = {'theta_e': u.arcsec, 'magnification': u.one, 'source_mag_r': u.mag,
          'lensed_mag_r': u.mag}


def known_lens_simulator():
    """
    Return the simulator of the mock survey's known lenses.

    Returns
    -------
    simulator : `~lensfinder_audit.simulators.sie_sersic.SieSersic`
        Blue sources, unlensed r of 21.5 to 24.5, behind lenses of Einstein radius
        1.0 to 2.6 arcsec.
    """
    return SieSersic(theta_e=(1.0, 2.6) * u.arcsec, r_magnitude=(21.5, 24.5), g_r=(0.5, 0.3),
                     r_z=(0.4, 0.3))


def mock_sample(n, *, first_row=0, seed=0, lens_share=0.3, min_arc_snr=ARC_SNR_LIMIT):
    """
    Draw and render a part of the mock survey with lenses in it.

    Parameters
    ----------
    n : int
        Number of catalogue rows to draw; fewer are kept.
    first_row : int, optional
        Number of the first row; partitions are made with it.
    seed : int, optional
        Seed of the survey.
    lens_share : float, optional
        Share of early-type galaxies that get an arc.
    min_arc_snr : float, optional
        Lenses with fainter arcs are left out.

    Returns
    -------
    table : (m,) `~astropy.table.QTable`
        Objects with ``label``, ``confuser_class``, conditions and, for lenses,
        the parameters of the system.
    images : (m, 3, 101, 101) `~numpy.ndarray`
        float32 flux in g, r and z in nanomaggies; NaN marks a missing pixel.

    Examples
    --------
    >>> from lensfinder_audit.mock_sample import mock_sample
    >>> table, images = mock_sample(20, seed=1)
    >>> len(table) == len(images), table.meta['simulated']
    (True, True)
    """
    table = MockSurvey(n_galaxies=n, first_row=first_row, seed=seed, fractions=DEMO_FRACTIONS,
                       early_fraction=0.85)()
    images = render_objects(table, noise=False)
    early = (table['morphology'] == 'early') & (table['confuser_class'] == '')
    chosen = early & (_chance(table['seed']) < lens_share)
    systems, keep = _add_arcs(table, images, chosen, min_arc_snr)
    table = hstack([table, systems])
    table['label'] = table['is_lens'] = chosen
    table['tier'] = np.where(chosen, 'A', '')
    table['tier_reason'] = np.where(chosen, 'a simulated lens', '')
    table.meta = {'simulated': True, 'seed': seed, 'min_arc_snr': min_arc_snr}
    images = observe(images, table)
    return table[keep], images[keep]


def _chance(seeds):
    return np.array([np.random.default_rng([int(item), _LENS_STREAM]).random() for item in seeds])


def _add_arcs(table, images, chosen, min_arc_snr):
    """Add arcs to the chosen images in place; return their parameters and what is kept."""
    rows = np.flatnonzero(chosen)
    hosts, simulator = table[rows], known_lens_simulator()
    systems = simulator.draw(hosts, seeds=np.asarray(hosts['seed'], dtype=np.uint64))
    arcs = simulator.render(systems, bands=_BANDS, psf=psf_from_table(hosts, _BANDS), shape=_SHAPE,
                            pixel_scale=PIXEL_SCALE) if len(rows) else images[:0]
    images[rows] += arcs
    snr = np.full(len(table), np.nan)
    snr[rows] = arc_snr(arcs[:, 1], pixel_noise(hosts, bands=('r',))[:, 0]) if len(rows) else []
    columns = {'arc_snr': snr}
    for name in _UNITS:
        values = np.full(len(table), np.nan)
        values[rows] = getattr(systems[name], 'value', systems[name])
        columns[name] = u.Quantity(values, _UNITS[name])
    return QTable(columns), ~chosen | (snr >= min_arc_snr)
