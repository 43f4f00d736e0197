# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Injection and recovery: lens real or simulated galaxies, score them, count.

One row per injection says which host, which system, which seed and which score;
every completeness is an aggregate of these rows.
"""
import numpy as np
from astropy import units as u
from astropy.table import QTable, hstack, vstack

from lensfinder_audit.exceptions import ConfigError, MeasurementError, did_you_mean
from lensfinder_audit.injection import add_sources, arc_snr, survey_gain
from lensfinder_audit.interfaces import parameter_names
from lensfinder_audit.manifest import check_cutouts, cutout_keys
from lensfinder_audit.noise import pixel_noise
from lensfinder_audit.psf import psf_from_table
from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
from lensfinder_audit.tables import require_columns

__all__ = ['plan_injections', 'inject', 'injected_images', 'grid_values']

_HOST_COLUMNS = ('psfsize', 'psfdepth', 'nobs', 'ebv', 'type', 'brick', 'flux')


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


def plan_injections(n_hosts, n, *, n_cells=1, seed=0):
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

    Returns
    -------
    plan : `~astropy.table.QTable`
        ``cell``, ``host`` (row) and ``seed``. In each cell every host is used
        once before any is used again, so that no few hosts carry a cell.

    Raises
    ------
    MeasurementError
        If there is no host.
    """
    if n_hosts < 1:
        raise MeasurementError('no host to inject into')
    hosts = []
    for cell in range(n_cells):
        rng = np.random.default_rng([seed, cell])
        rounds = [rng.permutation(n_hosts) for _ in range(-(-n // n_hosts))]
        hosts.append(np.concatenate(rounds)[:n] if rounds else np.empty(0, int))
    total = n * n_cells
    seeds = [np.random.SeedSequence([seed, row]).generate_state(1, np.uint64)[0]
             for row in range(total)]
    return QTable({'cell': np.repeat(np.arange(n_cells), n), 'host': np.concatenate(hosts),
                   'seed': np.array(seeds, dtype=np.uint64)})


def inject(manifest, store, classifier, simulator, *, n, grid=None, seed=0, survey=None,
           batch_size=64, progress=None):
    """
    Inject lensed sources into hosts and score them.

    Parameters
    ----------
    manifest : (n_hosts,) `~astropy.table.QTable`
        Hosts, with ``psfsize_<band>`` and, for the arc signal to noise,
        ``psfdepth_r``; ``exptime_<band>`` gives the gain for shot noise.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Their cutouts.
    classifier : `~lensfinder_audit.interfaces.Classifier`
        The finder.
    simulator : `~lensfinder_audit.interfaces.InjectionSimulator`
        What is injected.
    n : int
        Number of injections, in each cell of the grid.
    grid : dict of str to sequence, optional
        As for `grid_values`.
    seed : int, optional
        Seed of the plan; an injection depends on its own seed and its host only.
    survey : `~lensfinder_audit.survey.Survey`, optional
        Gives the gain; DR10 by default.
    batch_size : int, optional
        Injections made and scored at a time.
    progress : callable, optional
        Called with the number of injections just made.

    Returns
    -------
    injections : `~astropy.table.QTable`
        One row per injection: ``object_id``, ``host``, parameters of the system,
        ``arc_snr``, ``seed``, ``score``, ``label`` (true) and the conditions of the
        host.

    Raises
    ------
    TableError
        If a host has no cutout or no PSF width.
    """
    check_cutouts(manifest, store)
    require_columns(manifest, [f'psfsize_{band}' for band in store.bands], what='the manifest')
    cells = grid_values(simulator, grid)
    plan = plan_injections(len(manifest), n, n_cells=len(cells), seed=seed)
    found = []
    for cell, made in enumerate(cells):
        rows = np.flatnonzero(plan['cell'] == cell)
        for start in range(0, len(rows), batch_size):
            part = plan[rows[start:start + batch_size]]
            found.append(_batch(manifest[part['host']], part, store, classifier, made, survey))
            if progress:
                progress(len(part))
    table = vstack(found, metadata_conflicts='silent')
    table['object_id'] = np.char.add('injection-', np.arange(len(table)).astype(str))
    table['label'] = np.ones(len(table), bool)
    table.meta = {'schema': 'injections', 'schema_version': 1, 'simulator': repr(simulator),
                  'classifier': repr(classifier), 'score_kind': classifier.score_kind,
                  'seed': seed, 'n_per_cell': n, 'n_cells': len(cells),
                  'shot_noise': f'exptime_{store.bands[0]}' in manifest.colnames,
                  'simulated': bool(manifest.meta.get('simulated'))}
    return table


def injected_images(hosts, seeds, store, simulator, *, survey=None):
    """
    Make the images of some injections.

    Parameters
    ----------
    hosts : (n,) `~astropy.table.QTable`
        Rows of the manifest.
    seeds : (n,) array_like of uint64
        Seeds of the injections.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Cutouts of the hosts.
    simulator : `~lensfinder_audit.interfaces.InjectionSimulator`
        What is injected.
    survey : `~lensfinder_audit.survey.Survey`, optional
        Gives the gain; DR10 by default.

    Returns
    -------
    images : (n, band, y, x) `~numpy.ndarray`
        Flux in nanomaggies; the same seed and host give the same image.
    systems : (n,) `~astropy.table.QTable`
        What was injected, with ``arc_snr``.
    """
    seeds = np.asarray(seeds, dtype=np.uint64)
    bands, psf = store.bands, psf_from_table(hosts, store.bands)
    systems = simulator.draw(hosts, seeds=seeds)
    arcs = simulator.render(systems, bands=bands, psf=psf, shape=store.shape,
                            pixel_scale=store.pixel_scale)
    gain = _gain(hosts, bands, survey)
    images = add_sources(store.get(cutout_keys(hosts)), arcs, seeds=seeds,
                         gain=1 * u.electron / u.nmgy if gain is None else gain,
                         shot_noise=gain is not None)
    systems['arc_snr'] = _signal_to_noise(arcs, hosts, store)
    return images, systems


def _batch(hosts, part, store, classifier, simulator, survey):
    images, systems = injected_images(hosts, part['seed'], store, simulator, survey=survey)
    systems['score'] = classifier(images, bands=store.bands, pixel_scale=store.pixel_scale)
    systems['host'] = np.asarray(hosts['object_id']).astype(str)
    kept = [name for name in hosts.colnames
            if name.split('_')[0] in _HOST_COLUMNS and name not in systems.colnames]
    return hstack([systems, hosts[kept]], metadata_conflicts='silent')


def _gain(hosts, bands, survey):
    """Return the gain from exposure times; `None` where the manifest has none."""
    if any(f'exptime_{band}' not in hosts.colnames for band in bands):
        return None
    times = np.stack([u.Quantity(hosts[f'exptime_{band}'], u.s).value for band in bands], axis=1)
    return survey_gain(survey or LEGACY_DR10, bands, times * u.s)


def _signal_to_noise(arcs, hosts, store):
    if 'r' not in store.bands or 'psfdepth_r' not in hosts.colnames:
        return np.full(len(hosts), np.nan)
    depth = u.Quantity(hosts['psfdepth_r'], u.nmgy**-2)[:, None]
    noise = pixel_noise(depth, psf_from_table(hosts, ('r',)), pixel_scale=store.pixel_scale)
    return arc_snr(arcs[:, store.bands.index('r')], noise[:, 0], pixel_scale=store.pixel_scale)
