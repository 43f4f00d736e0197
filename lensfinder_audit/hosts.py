# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Hosts of injections: which galaxies, by stated rules, and what is wrong with them.
"""
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.crossmatch import match_positions, sky_positions
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import MeasurementError, TableError
from lensfinder_audit.expressions import fulfilled
from lensfinder_audit.manifest import cutout_keys, write_manifest
from lensfinder_audit.stamps import add_stamps
from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
from lensfinder_audit.tables import require_columns

__all__ = ['MAX_MISSING', 'host_columns', 'choose_hosts', 'hosts_from_stamps']

#: Share of missing pixels above which published samples leave a cutout out.
MAX_MISSING = 0.05

_QUALITY = ('nan_fraction', 'n_central_nan', 'zero_fraction', 'missing_bands', 'constant_bands')


def host_columns(manifest, store, *, survey=None):
    """
    Add what rules and cells are stated in: magnitudes, depths, what is missing.

    Parameters
    ----------
    manifest : (n,) `~astropy.table.QTable`
        Hosts.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Their cutouts.
    survey : `~lensfinder_audit.survey.Survey`, optional
        Its zero point; DR10 by default.

    Returns
    -------
    hosts : (n,) `~astropy.table.QTable`
        A copy with ``mag_<band>`` from ``flux_<band>``, ``depth_<band>`` (5-sigma
        magnitude) from ``psfdepth_<band>``, and what is missing in a cutout from the
        index of the store: ``nan_fraction``, ``n_central_nan``, ``zero_fraction`` (of
        the worst band), ``missing_bands`` and ``constant_bands``.
    """
    survey, hosts = survey or LEGACY_DR10, QTable(manifest, copy=True)
    for name in manifest.colnames:
        kind, _, band = name.partition('_')
        if kind == 'psfdepth' and f'depth_{band}' not in hosts.colnames:
            depth = survey.depth_magnitude(_plain(hosts[name]))
            hosts[f'depth_{band}'] = depth.value * u.mag
        if kind == 'flux' and f'mag_{band}' not in hosts.colnames:
            flux = np.where(_plain(hosts[name]) > 0, _plain(hosts[name]), np.nan)
            hosts[f'mag_{band}'] = (survey.zero_point.value - 2.5 * np.log10(flux)) * u.mag
    index = store.index()
    positions = store.locate(cutout_keys(hosts))
    for name in _QUALITY:
        if name in index.colnames and name not in hosts.colnames:
            hosts[name] = index[name][positions]
    return hosts


@u.quantity_input(radius='angle')
def choose_hosts(hosts, *, where=(), known=None, radius=11 * u.arcsec, keep_lenses=False,
                 keep_flagged=False, bands=('g', 'r', 'z')):
    """
    Choose hosts by stated rules and count what each rule leaves out.

    Parameters
    ----------
    hosts : (n,) `~astropy.table.QTable`
        As `host_columns` returns them.
    where : sequence of str, optional
        Conditions that all must hold, such as ``'psfsize_r < 1.5'``, ``'mag_r <=
        20'`` or ``'type in SER, DEV'``, as `~lensfinder_audit.expressions.fulfilled` reads
        them. A missing value fulfils none.
    known : `~astropy.table.Table`, optional
        Positions (``ra``, ``dec``) of known lenses and candidates.
    radius : `~astropy.units.Quantity`, optional
        Hosts this near to one of them are left out. The default is that of the
        published samples.
    keep_lenses : bool, optional
        Whether hosts whose ``label`` is true may stay.
    keep_flagged : bool, optional
        Whether hosts may stay that lack a band, more than `MAX_MISSING` of their
        pixels (missing, or exactly 0 in one band) or some at their center.
    bands : sequence of str, optional
        Bands that need a ``psfsize_<band>``.

    Returns
    -------
    chosen : (m,) `~astropy.table.QTable`
        The rows that are left.
    rules : `~astropy.table.QTable`
        ``rule``, ``n_removed`` and ``n_left``, in the order in which they act.

    Raises
    ------
    ConfigError
        If a condition cannot be read.
    TableError
        If a column is missing; the nearest one is named.
    MeasurementError
        If no host is left; it says what each rule left out.

    Examples
    --------
    >>> from lensfinder_audit.hosts import choose_hosts
    >>> from lensfinder_audit.testing import example_hosts
    >>> hosts, rules = choose_hosts(example_hosts(6), where=['type in SER, DEV'])
    >>> rules.pprint()
          rule       n_removed n_left
    ---------------- --------- ------
            psfsize          0      6
    type in SER, DEV         2      4
    """
    names = [f'psfsize_{band}' for band in bands]
    require_columns(hosts, names, what='the table of hosts')
    widths = np.stack([_plain(hosts[name]) for name in names])
    tests = [('psfsize', (np.isfinite(widths) & (widths > 0)).all(axis=0))]
    if 'label' in hosts.colnames and not keep_lenses:
        tests.append(('no lens by label', ~np.asarray(hosts['label']).astype(bool)))
    if known is not None:
        tests.append((f'farther than {radius} from known lenses', _far(hosts, known, radius)))
    if not keep_flagged and _QUALITY[0] in hosts.colnames:
        tests += [('no missing band', np.asarray(hosts['missing_bands']) == ''),
                  (f'at most {MAX_MISSING:.0%} missing pixels, none at the center',
                   (hosts['nan_fraction'] <= MAX_MISSING) & (hosts['n_central_nan'] == 0)),
                  (f'at most {MAX_MISSING:.0%} zeros in a band',
                   hosts['zero_fraction'] <= MAX_MISSING)]
    tests += [(' '.join(text.split()), fulfilled(hosts, text, what='the table of hosts'))
              for text in where]
    kept, rules = np.ones(len(hosts), bool), []
    for rule, good in tests:
        rules.append((rule, int((kept & ~good).sum()), int((kept & good).sum())))
        kept &= good
    if not kept.any():
        told = ', '.join(f'{rule!r} left out {n}' for rule, n, _ in rules if n)
        raise MeasurementError(f'no host of {len(hosts)} is left: {told or "there was none"}')
    return hosts[kept], QTable(rows=rules, names=['rule', 'n_removed', 'n_left'],
                               dtype=[str, int, int])


def hosts_from_stamps(files, folder, *, bands, shape, pixel_scale, columns):
    """
    Make hosts of single stamps: a manifest and a cutout store.

    Parameters
    ----------
    files : iterable of str or `~pathlib.Path`
        ``.npz`` and FITS stamps, as `~lensfinder_audit.stamps.read_stamps` reads
        them; larger ones are cut about their center.
    folder : str or `~pathlib.Path`
        Where ``hosts.parquet`` and the store ``cutouts`` are made; one that is
        there is gone on with.
    bands, shape, pixel_scale
        As for `~lensfinder_audit.cutouts.CutoutWriter`.
    columns : dict of str to object
        One value for all hosts, such as ``{'psfsize_r': 1.3 * u.arcsec}``.

    Returns
    -------
    manifest : `~astropy.table.QTable`
        One row per stamp.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Their pixels.

    Raises
    ------
    InputFileError
        If a stamp cannot be read or does not fit.
    """
    folder = Path(folder)
    if not (folder / 'hosts.parquet').exists():
        with CutoutWriter(folder / 'cutouts', bands=bands, shape=shape, pixel_scale=pixel_scale,
                          append=True) as writer:
            add_stamps(writer, files, crop=True)
        keys = CutoutStore(folder / 'cutouts').keys
        table = QTable({'object_id': keys, **{
            name: np.full(len(keys), getattr(value, 'value', value)) << value.unit
            if hasattr(value, 'unit') else np.full(len(keys), value)
            for name, value in columns.items()}})
        write_manifest(table, folder / 'hosts.parquet')
    from lensfinder_audit.manifest import read_manifest

    return read_manifest(folder / 'hosts.parquet'), CutoutStore(folder / 'cutouts')


def _far(hosts, known, radius):
    positions = sky_positions(hosts, what='the table of hosts')
    lost = ~np.isfinite(positions.ra.deg + positions.dec.deg)
    if lost.any():
        raise TableError(f'{lost.sum()} of {len(hosts)} hosts have no position, the first is row '
                         f'{np.argmax(lost)}: whether they are known lenses cannot be told')
    return ~match_positions(positions, sky_positions(known, what='the table of known lenses'),
                            radius=radius).matched


def _plain(column):
    column = column.filled(np.nan) if hasattr(column, 'filled') else column
    return np.asarray(getattr(column, 'value', column), dtype=float)
