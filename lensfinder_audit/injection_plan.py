# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Which injection goes into which host: cells of a grid, pools of hosts, seeds."""
import itertools

import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import ConfigError, MeasurementError, did_you_mean
from lensfinder_audit.interfaces import parameter_names
from lensfinder_audit.tables import require_columns

__all__ = ['grid_values', 'host_pools', 'plan_injections']


def grid_values(simulator, grid):
    """
    Make one simulator for each cell of a grid.

    Parameters
    ----------
    simulator : `~lensfinder_audit.interfaces.InjectionSimulator`
        Its other parameters are kept.
    grid : dict of str to sequence
        Values of parameters of the simulator, such as ``{'theta_e': [0.5, 1.0] *
        u.arcsec}``; several parameters make all combinations.

    Returns
    -------
    cells : list of `~lensfinder_audit.interfaces.InjectionSimulator`
        The simulator itself without a grid.

    Raises
    ------
    ConfigError
        If the simulator has no such parameter; the nearest one is named.
    """
    names = parameter_names(type(simulator))
    cells = [simulator.parameters()]
    for name, values in (grid or {}).items():
        if name not in names:
            raise ConfigError(f'{type(simulator).__name__} has no parameter {name!r}; it has '
                              f'{names}.{did_you_mean(name, names)}')
        cells = [{**cell, name: value} for cell in cells for value in values]
    return [type(simulator)(**cell) for cell in cells] if grid else [simulator]


def host_pools(hosts, bins):
    """
    Sort hosts into the cells of observing conditions.

    Parameters
    ----------
    hosts : (n,) `~astropy.table.QTable`
        With the columns of the bins.
    bins : dict of str to sequence of float
        Rising edges by column; a bin holds its lower edge, the last one also its
        upper. Several columns make all combinations.

    Returns
    -------
    pools : list of `~numpy.ndarray` of int
        Rows of the hosts of each cell, the last column varying fastest. A cell
        without a host stays empty.

    Raises
    ------
    ConfigError
        If edges do not rise.
    MeasurementError
        If no host lies in any cell; it says where they lie.

    Examples
    --------
    >>> from astropy.table import QTable, vstack
    >>> from lensfinder_audit.injection_plan import host_pools
    >>> hosts = QTable({'psfsize_r': [1.0, 1.2, 1.7]})
    >>> [pool.tolist() for pool in host_pools(hosts, {'psfsize_r': [0.9, 1.3, 1.6]})]
    [[0, 1], []]
    """
    require_columns(hosts, bins or {}, what='the table of hosts')
    codes, sizes = [], []
    for name, edges in (bins or {}).items():
        edges = np.asarray(getattr(edges, 'value', edges), dtype=float)
        if len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise ConfigError(f'the bins of {name!r} need two or more rising edges, not '
                              f'{edges.tolist()}')
        values = np.asarray(getattr(hosts[name], 'value', hosts[name]), dtype=float)
        code = np.searchsorted(edges, values, side='right') - 1
        code[values == edges[-1]] = len(edges) - 2
        code[(code >= len(edges) - 1) | ~np.isfinite(values)] = -1
        codes.append(code)
        sizes.append(len(edges) - 1)
    inside = np.all([code >= 0 for code in codes], axis=0) if codes else np.ones(len(hosts), bool)
    if not inside.any():
        told = '; '.join(f'{name} of the hosts is {np.nanmin(hosts[name]):.4g} to '
                         f'{np.nanmax(hosts[name]):.4g}' for name in bins or {} if len(hosts))
        raise MeasurementError(f'no host of {len(hosts)} lies in any cell. {told}')
    cells = itertools.product(*(range(size) for size in sizes))
    return [np.flatnonzero(np.all([code == k for code, k in zip(codes, cell, strict=True)], axis=0))
            if codes else np.arange(len(hosts)) for cell in cells]


def plan_injections(n_hosts, n, *, n_cells=1, seed=0, pools=None):
    """
    Choose a host, a cell and a seed for each injection.

    Parameters
    ----------
    n_hosts : int
        Number of hosts.
    n : int
        Number of injections in each cell.
    n_cells : int, optional
        Number of cells of the grid.
    seed : int, optional
        Seed of the plan.
    pools : list of (m,) array_like of int, optional
        Hosts of each cell; all of them by default. A cell without hosts gets no
        injection.

    Returns
    -------
    plan : `~astropy.table.QTable`
        ``injection``, ``cell``, ``host`` (row) and ``seed``. In each cell every host
        is used once before any is used again, so that no few hosts carry a cell.
        A larger ``n`` goes on with the same hosts and seeds in each cell.

    Raises
    ------
    MeasurementError
        If there is no host.
    """
    pools = [np.arange(n_hosts)] * n_cells if pools is None else pools
    if n_hosts < 1 or not any(len(pool) for pool in pools):
        raise MeasurementError('no host to inject into')
    found = {'cell': [], 'host': [], 'seed': []}
    for cell, pool in enumerate(pools):
        size = n if len(pool) else 0
        rng = np.random.default_rng([seed, cell])
        rounds = [rng.permutation(pool) for _ in range(-(-size // max(len(pool), 1)))]
        found['host'].append(np.concatenate([*rounds, np.empty(0, int)])[:size].astype(int))
        found['cell'].append(np.full(size, cell))
        found['seed'].append(np.random.default_rng([seed, cell, 1]).integers(
            2**64, size=size, dtype=np.uint64, endpoint=False))
    plan = QTable({name: np.concatenate(values) for name, values in found.items()})
    plan.add_column(np.arange(len(plan)), name='injection', index=0)
    return plan
