# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Systems of ``sie_sersic``: their columns, and from them the rows that are traced."""
import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.lensing import Sersic, SieShear
from lensfinder_audit.simulators import _system_rows
from lensfinder_audit.simulators._population import LENS_COLUMNS, check_pairs, theta_e_ends
from lensfinder_audit.tables import require_columns

__all__ = ['COLUMNS', 'clump_columns', 'components', 'check_rings', 'check_priors']

COLUMNS = {
    **LENS_COLUMNS,
    'source_x': 'unlensed center of the source, from that of the stamp',
    'source_y': 'unlensed center of the source, from that of the stamp',
    'source_re': 'semi-major axis of the ellipse that holds half the light',
    'source_n': 'Sersic index',
    'source_q': 'axis ratio of the source',
    'source_phi': 'position angle of the source, counter-clockwise from +x',
    'magnification': 'flux of all images over that of the source'}
_LENS = ('theta_e', 'lens_q', 'lens_phi', 'shear_1', 'shear_2', 'lens_x', 'lens_y')
_SOURCE = ('source_re', 'source_n', 'source_q', 'source_phi', 'source_x', 'source_y')
_UNITS = {'lens_phi': u.rad, 'source_phi': u.rad,
          **dict.fromkeys(('theta_e', 'lens_x', 'lens_y', 'source_x', 'source_y', 'source_re'),
                          u.arcsec)}
_CLUMP = {'x': 'unlensed center, from that of the stamp',
          'y': 'unlensed center, from that of the stamp', 're': 'half-light radius',
          'share': 'part of the flux of the source'}


def clump_columns(number):
    """Return the columns of clump ``number`` and what they hold."""
    return {f'clump_{number}_{name}': f'{text}, of clump {number}'
            for name, text in _CLUMP.items()}


def components(systems):
    """
    Return what is traced: the smooth source and its clumps.

    Parameters
    ----------
    systems : (n,) `~astropy.table.QTable`
        As `SieSersic.draw` returns them.

    Yields
    ------
    rows : (m,) `~numpy.ndarray` of int
        Rows of the table that have the component.
    share : (m,) `~numpy.ndarray`
        Its part of the flux of the source.
    lenses, sources : (m, 9) and (m, 11) `~numpy.ndarray`
        As `lensfinder_audit.simulators._system_rows.pack` returns them.

    Raises
    ------
    TableError
        If a column is missing.
    ConfigError
        If a system is not possible; its row is named.
    """
    require_columns(systems, COLUMNS, what='the table of systems')
    lens = np.array([_plain(systems, name) for name in _LENS]).reshape(len(_LENS), -1)
    source = np.array([_plain(systems, name) for name in _SOURCE]).reshape(len(_SOURCE), -1)
    clumps = [_clump(systems, number) for number in _clump_numbers(systems)]
    smooth = 1 - sum((share for share, _ in clumps), np.zeros(len(systems)))
    if not (smooth >= 0).all():
        row = np.argmin(smooth)
        raise ConfigError(f'the clumps of row {row} hold {1 - smooth[row]:g} of the flux of their '
                          'source; at most all of it')
    for share, fields in [(smooth, source), *clumps]:
        rows = np.arange(len(systems)) if fields is source else np.flatnonzero(share)
        _check(lens[:, rows], fields[:, rows], rows)
        yield rows, share[rows], *_system_rows.pack(lens[:, rows], fields[:, rows])


def _clump_numbers(systems):
    numbers = [name.split('_')[1] for name in systems.colnames
               if name.startswith('clump_') and name.endswith('_share')]
    for number in numbers:
        require_columns(systems, clump_columns(number), what='the table of systems')
    return numbers


def _clump(systems, number):
    """Return the share of the flux of a round, exponential clump and its fields."""
    x, y, re = (u.Quantity(systems[f'clump_{number}_{name}']).to_value(u.arcsec)
                for name in ('x', 'y', 're'))
    share = np.array(systems[f'clump_{number}_share'], dtype=float)
    return share, np.stack([re, np.ones(len(re)), np.ones(len(re)), np.zeros(len(re)), x, y])


def _plain(systems, name):
    column = systems[name]
    unit = _UNITS.get(name)
    return np.array(column if unit is None else column.to_value(unit), dtype=float)


def _check(lens, source, rows):
    """Find the first impossible system; its own class says what is wrong with it."""
    theta_e, lens_q, _, gamma_1, gamma_2 = lens[:5]
    re, n, q = source[:3]
    good = (np.isfinite(lens).all(axis=0) & np.isfinite(source).all(axis=0) & (theta_e > 0)
            & (lens_q > 0) & (lens_q <= 1) & (np.hypot(gamma_1, gamma_2) < 1) & (re > 0)
            & (n >= 0.2) & (n <= 10) & (q > 0) & (q <= 1))
    if good.all():
        return
    bad = np.argmin(good)
    try:
        SieShear(*lens[:, bad])
        Sersic(*source[:, bad])
    except ConfigError as error:
        raise ConfigError(f'row {rows[bad]} of the systems: {error}') from error
    raise ConfigError(f'row {rows[bad]} of the systems holds a position or an angle that is not '
                      f'finite: lens {lens[:, bad]}, source {source[:, bad]}')


def check_rings(systems, shape, scale):
    """Raise where a critical curve lies outside the stamp."""
    corner = 0.5 * scale * np.hypot(*shape)
    theta_e = _plain(systems, 'theta_e')
    outside = np.flatnonzero(theta_e * np.sqrt(_plain(systems, 'lens_q')) > corner)
    if len(outside):
        row = outside[0]
        raise TableError(f'row {row} has theta_e = {theta_e[row]:g} arcsec, so that its critical '
                         f'curve lies outside the stamp, whose corners are {corner:.3g} arcsec '
                         'from its center')


def check_priors(simulator):
    """Raise if a prior of `SieSersic` is empty or holds values that no system can have."""
    radii = u.Quantity(simulator.source_re).to_value(u.arcsec)
    check_pairs(simulator, (
        ('theta_e', theta_e_ends(simulator), 0, np.inf), ('source_re', radii, 0, np.inf),
        ('lens_q', simulator.lens_q, 0, 1), ('source_q', simulator.source_q, 0, 1),
        ('source_n', simulator.source_n, 0.2, 10), ('beta', simulator.beta, -1e-9, np.inf),
        ('clumps', simulator.clumps, -1, 100), ('clump_share', simulator.clump_share, 0, 1),
        ('clump_re', u.Quantity(simulator.clump_re).to_value(u.arcsec), 0, np.inf),
        ('r_magnitude', simulator.r_magnitude, -np.inf, np.inf)))
    if not all(isinstance(number, int | np.integer) for number in simulator.clumps):
        raise ConfigError(f'clumps are counted in whole numbers; {simulator.clumps} are not')
