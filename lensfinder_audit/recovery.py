# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Injection and recovery: lens real or simulated galaxies, score them, count.

One row per injection says which host, which system, which seed and which score;
every completeness is an aggregate of these rows. Images are made, scored and
dropped; any row can be made again alone.
"""
import itertools
from operator import add

import numpy as np
from astropy.table import QTable, vstack

from lensfinder_audit._recovery_arms import make_arms
from lensfinder_audit._recovery_run import (assemble, keep, prepare_hosts, replay_row, run_identity,
                                            run_meta, split)
from lensfinder_audit._recovery_work import BASE, Arm, Work, light_in_annulus
from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import (ConfigError, LensfinderAuditError, MeasurementError,
                                         PartitionError)
from lensfinder_audit.files import read_table
from lensfinder_audit.injection_plan import grid_values, host_pools, plan_injections
from lensfinder_audit.manifest import check_cutouts, cutout_keys
from lensfinder_audit.parts import Parts
from lensfinder_audit.tables import check_table, require_columns, schema_meta

__all__ = ['inject', 'injected_images', 'replay', 'read_injections', 'cells_table',
           'grid_values', 'host_pools', 'plan_injections']


def inject(manifest, store, classifier, simulator, *, n, grid=None, seed=0, survey=None,
           batch_size=64, progress=None, priors=None, host_bins=None, pair=(), gain=None, psf=None,
           engine=None, parts=None, inputs=None, keep_images=None):
    """
    Inject lensed sources into hosts and score them.

    Parameters
    ----------
    manifest : (n_hosts,) `~astropy.table.QTable`
        Hosts, with ``psfsize_<band>`` and, for the arc signal to noise,
        ``psfdepth_r``; ``exptime_<band>`` gives the gain for shot noise. Column
        ``group`` names what is not independent; the host itself by default.
    store : `~lensfinder_audit.cutouts.CutoutStore`
        Their cutouts.
    classifier : `~lensfinder_audit.interfaces.Classifier`
        The finder.
    simulator : `~lensfinder_audit.interfaces.InjectionSimulator`
        What is injected.
    n : int
        Number of injections, in each cell of the grid.
    grid : dict of str to sequence, optional
        As for `~lensfinder_audit.injection_plan.grid_values`.
    seed : int, optional
        Seed of the plan; an injection depends on its own seed and its host only.
    survey : `~lensfinder_audit.survey.Survey`, optional
        Gives the gain; DR10 by default.
    batch_size : int, optional
        Injections made and scored at a time.
    progress : callable, optional
        Called with the number of injections just made.
    priors : `~lensfinder_audit.priors.Priors`, optional
        Take the place of what the simulator draws, but for parameters of the grid.
    host_bins : dict of str to sequence of float, optional
        As for `~lensfinder_audit.injection_plan.host_pools`: cells of observing
        conditions, each filled from its own hosts alone.
    pair : str, simulator, or sequence of them, optional
        Further arms with the same hosts and systems and one thing changed:
        ``'noise'`` (none, or ``'noise=150'`` electrons per nanomaggy), ``'psf'``
        (``'psf=gaussian'``, or a factor of its width), ``'clip'`` (none, or
        ``'clip=20'``), ``'simulator=NAME'`` or a simulator, which takes over
        the systems as its method ``adopt`` says.
    gain : float or str, optional
        Electrons per nanomaggy; ``'exptime'``, from zero points and exposure times;
        ``'sky'``, from the sky level and the depth; ``'none'``, no shot noise. By
        default the first of these that the hosts have columns for.
    psf : dict, optional
        Arguments of `~lensfinder_audit.psf.psf_from_table`.
    engine : `~lensfinder_audit.interfaces.Engine`, optional
        Where parts are made; this process by default. Every engine and number of
        workers gives the same rows.
    parts : str or `~pathlib.Path`, optional
        Folder for finished parts: the same call goes on there after a kill.
    inputs : dict of str to str, optional
        Checksums of inputs, to be recorded; another one starts anew.
    keep_images : str or `~pathlib.Path`, optional
        Cutout store to write the images to, by ``object_id``; needs ``parts``.

    Returns
    -------
    injections : `~astropy.table.QTable`
        Schema ``injections``, one row per injection and arm: ``object_id``,
        ``host``, ``group``, ``cell``, parameters of the system, magnitudes,
        ``arc_snr``, ``seed``, ``score``, ``label`` (true), the conditions of the host
        and what is missing in it. ``problem`` says why a row has no score.

    Warns
    -----
    GainWarning
        If the gain does not agree with the noise of the hosts' pixels.

    Raises
    ------
    TableError
        If a host has no cutout or no PSF width.
    MeasurementError
        If there is no host in any cell.
    ConformanceError
        If the simulator renders another shape.
    """
    check_cutouts(manifest, store)
    require_columns(manifest, [f'psfsize_{band}' for band in store.bands], what='the manifest')
    if keep_images is not None and parts is None:
        raise ConfigError('keep_images needs a folder for parts; give parts=')
    hosts, gained = prepare_hosts(manifest, store, survey=survey, gain=gain, priors=priors)
    simulators, pools = grid_values(simulator, grid), host_pools(hosts, host_bins)
    plan = plan_injections(len(hosts), n, seed=seed, pools=pools * len(simulators))
    cells = [made for made in simulators for _ in pools]
    arms = make_arms(pair, classifier, psf=psf, gain='none' if gain == 'none' else None)
    settings = {'priors': priors, 'fixed': tuple(grid or ()), 'arms': arms,
                'batch_size': batch_size}
    work = Work(hosts, store, classifier, cells, **settings)
    _try_some(work, plan)
    identity = run_identity(work, plan, inputs, keep_images is not None)
    with Parts(parts, identity, suffix='.parquet') as saved:
        work.parts, work.keep_images = saved, keep_images is not None
        todo = split(plan)
        table = assemble(work, todo, _map(work, todo, engine, progress))
        if keep_images is not None:
            keep(work, todo, table, keep_images)
    table.meta |= run_meta(work, identity, grid=grid, host_bins=host_bins, pools=pools, n=n,
                           seed=seed, gain=gained, inputs=inputs, manifest=manifest,
                           simulator=simulator)
    return table


def injected_images(hosts, seeds, store, simulator, *, survey=None, gain=None, psf=None,
                    priors=None, fixed=()):
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
    gain, psf, priors
        As for `inject`.
    fixed : sequence of str, optional
        Parameters that the priors leave alone.

    Returns
    -------
    images : (n, band, y, x) `~numpy.ndarray`
        Flux in nanomaggies; the same seed and host give the same image.
    systems : (n,) `~astropy.table.QTable`
        What was injected, with ``arc_snr``.
    """
    seeds = np.asarray(seeds, dtype=np.uint64)
    hosts, _ = prepare_hosts(hosts, store, survey=survey, gain=gain, priors=priors, check=False)
    arm = Arm(psf=psf or {}, gain='none' if gain == 'none' else None)
    work = Work(hosts, store, None, [simulator], priors=priors, fixed=fixed)
    systems = work.draw(hosts, seeds, simulator)
    arcs = work.arcs(arm, hosts, systems, simulator)
    images, _ = work.images(arm, hosts, store.get(cutout_keys(hosts)), arcs, seeds)
    for name, values in light_in_annulus(hosts, arcs, images, store).items():
        systems[name] = values
    return images, systems


def replay(injections, rows, manifest, store, simulator, *, classifier=None, grid=None, pair=(),
           gain=None, psf=None, priors=None, survey=None):
    """
    Make rows of a table of injections again, each alone.

    Parameters
    ----------
    injections : `~astropy.table.QTable`
        As `inject` returned it.
    rows : sequence of int
        Rows of that table.
    manifest, store, simulator, grid, pair, gain, psf, priors, survey
        As `inject` was given them.
    classifier : `~lensfinder_audit.interfaces.Classifier`, optional
        Scores the images; needed for arms that change it.

    Returns
    -------
    images : (n, band, y, x) `~numpy.ndarray`
        Bit for bit those that were scored.
    again : (n,) `~astropy.table.QTable`
        The rows as they come out now; ``score`` is NaN without a classifier.

    Raises
    ------
    MeasurementError
        If a row comes out otherwise than it is recorded: another host, simulator,
        prior or version. A score may differ by 1e-6.
    """
    names = np.asarray(manifest['object_id']).astype(str)
    simulators = grid_values(simulator, grid)
    arms = {arm.name: arm for arm in make_arms(pair, classifier, psf=psf,
                                               gain='none' if gain == 'none' else None)}
    found = []
    for number in rows:
        row = injections[int(number)]
        place = np.flatnonzero(names == str(row['host']))
        if not len(place) or str(row['arm']) not in arms:
            raise MeasurementError(f'row {number} has host {str(row["host"])!r} and arm '
                                   f'{str(row["arm"])!r}, which are not among those given')
        hosts, _ = prepare_hosts(manifest[place[:1]], store, survey=survey, gain=gain,
                                 priors=priors, check=False)
        made = simulators[int(row['cell']) // int(injections.meta.get('n_pools', 1))]
        work = Work(hosts, store, classifier, {int(row['cell']): made}, priors=priors,
                    fixed=tuple(grid or ()), arms=(arms[str(row['arm'])],))
        found.append(replay_row(work, row, number))
    images, again = zip(*found, strict=True)
    return np.concatenate(images), vstack(list(again), metadata_conflicts='silent')


def read_injections(path):
    """
    Read a table of injections and check it.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        As ``lensfinder-audit inject`` writes it.

    Returns
    -------
    injections : `~astropy.table.QTable`
        Schema ``injections``.

    Raises
    ------
    InputFileError
        If the file cannot be read.
    TableError
        If a column is missing or wrong.
    """
    return check_table(read_table(path), 'injections')


def cells_table(injections, *, min_groups=10):
    """
    Say on which hosts the cells of a grid rest.

    Parameters
    ----------
    injections : `~astropy.table.QTable`
        As `inject` returned it.
    min_groups : int, optional
        Cells on fewer distinct hosts are unsupported.

    Returns
    -------
    cells : `~astropy.table.QTable`
        Schema ``injection_cells``: the value of each parameter of the grid and the
        range of each condition, hosts, injections, ``n_eff_hosts`` and the state. A
        cell that no host lies in is empty.
    """
    meta = injections.meta
    grid, bins = (meta.get(name) or {} for name in ('grid', 'host_bins'))
    pools, n_cells = meta['n_hosts_in_pool'], meta['n_cells']
    base = injections[injections['arm'] == BASE]
    sizes = [len(values) for values in grid.values()] + [len(ends) - 1 for ends in bins.values()]
    index = np.unravel_index(np.arange(n_cells), sizes) if sizes else []
    columns = {'cell': np.arange(n_cells)}
    for number, (name, values) in zip(index, [*grid.items(), *bins.items()], strict=True):
        if name in grid:
            columns[name] = np.array(values)[number]
        else:
            columns |= {f'{name}_min': np.array(values, dtype=float)[number],
                        f'{name}_max': np.array(values, dtype=float)[number + 1]}
    table = QTable({**columns, 'n_hosts': np.resize(pools, n_cells)})
    counts = [np.unique(base['host'][base['cell'] == cell], return_counts=True)[1]
              for cell in range(n_cells)]
    table['n'] = np.array([int(item.sum()) for item in counts])
    table['n_failed'] = np.bincount(base['cell'][base['problem'] != ''], minlength=n_cells)
    table['n_distinct_hosts'] = np.array([len(item) for item in counts])
    table['n_eff_hosts'] = np.array([item.sum() ** 2 / max((item ** 2).sum(), 1)
                                     for item in counts], dtype=float)
    few = table['n_distinct_hosts'] < min_groups
    none = table['n_hosts'] == 0
    table['state'] = np.where(none, 'empty', np.where(few, 'unsupported', 'supported'))
    table['reason'] = np.where(none, 'no host in these conditions', np.where(
        few, f'fewer than {min_groups} hosts', ''))
    table.meta = schema_meta('injection_cells', min_groups=min_groups)
    return check_table(table, 'injection_cells')


def _try_some(work, plan):
    """Draw some systems, so that priors that cannot be end the run before it begins."""
    rows = plan[plan['cell'] == plan['cell'][0]][:256]
    try:
        work.draw(work.hosts[rows['host']], np.asarray(rows['seed']),
                  work.cells[int(rows['cell'][0])])
    except ConfigError:
        raise
    except LensfinderAuditError:
        pass  # single rows that cannot be made are flagged


def _map(work, todo, engine, progress):
    """Make all parts; errors of this process come through as they are."""
    if engine is None:
        work.progress = progress
    done = itertools.accumulate([len(part.rows) for part in todo])
    told = itertools.pairwise([0, *done])

    def tell(*ignored):
        first, last = next(told)
        progress(last - first)

    engine, outside = engine or LocalEngine(workers=1), engine is not None
    try:
        return engine.map_reduce(work, todo, add, progress=tell if progress and outside else None)
    except PartitionError as error:
        if not outside or isinstance(error.__cause__, LensfinderAuditError):
            raise error.__cause__ from None
        raise
