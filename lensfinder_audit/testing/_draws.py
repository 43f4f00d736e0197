# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What ``draw`` of an injection simulator promises."""
import numpy as np
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.exceptions import ConformanceError

__all__ = ['DRAW_CHECKS', 'changed_columns', 'plain']


def one_system_is_drawn_per_host(case):
    """In the order of the hosts."""
    if not isinstance(case.systems, QTable) or len(case.systems) != len(case.seeds):
        raise ConformanceError(f'draw gave {type(case.systems).__name__} with {len(case.systems)} '
                               f'rows for {len(case.seeds)} hosts; give a QTable, one row per host')


def systems_have_their_columns(case):
    """Seed, magnification and unlensed fluxes with their unit."""
    fluxes = [f'source_flux_{band}' for band in case.bands]
    found = case.systems.colnames
    lost = [name for name in ('seed', 'magnification', *fluxes) if name not in found]
    if lost:
        raise ConformanceError(f'draw left out the columns {lost}; it gave {found}')
    for name in fluxes:
        unit = getattr(case.systems[name], 'unit', None)
        if unit is None or not unit.is_equivalent(u.nmgy):
            raise ConformanceError(f'column {name!r} has unit {unit}; multiply it by '
                                   'astropy.units.nmgy')


def systems_are_possible(case):
    """Magnifications and fluxes are positive numbers."""
    for name in ('magnification', *(f'source_flux_{band}' for band in case.bands)):
        values = plain(case.systems[name])
        bad = ~(np.isfinite(values) & (values > 0))
        if bad.any():
            raise ConformanceError(f'{name} of {int(bad.sum())} of {len(bad)} systems is not a '
                                   f'positive number, such as {values[bad][0]:g}')


def seeds_are_kept(case):
    """All 64 bits of them."""
    found = np.asarray(case.systems['seed'])
    if found.dtype != np.uint64 or (found != case.seeds).any():
        raise ConformanceError(f'column seed is {found.dtype} and begins with {found[:1]} where '
                               f'{case.seeds[:1]} was given; keep the seeds as they come, uint64')


def seeds_replay(case):
    """The same hosts and seeds give the same systems, bit for bit."""
    _compare_systems(case.plugin.draw(case.hosts, seeds=case.seeds), case.systems,
                     'a second draw with the same seeds', 'seed a generator of its own for each '
                     'row, numpy.random.default_rng(seed)')


def rows_do_not_depend_on_each_other(case):
    """A host drawn alone, or in another order, gets the same system."""
    advice = 'draw each row from its own seed, not from a generator that all rows share'
    back = case.plugin.draw(case.hosts[::-1], seeds=case.seeds[::-1])
    _compare_systems(back[::-1], case.systems, 'a draw in reverse order', advice)
    alone = case.plugin.draw(case.hosts[2:3], seeds=case.seeds[2:3])
    _compare_systems(alone, case.systems[2:3], 'a host drawn alone', advice)


def other_seeds_give_other_systems(case):
    """The seed matters."""
    other = case.plugin.draw(case.hosts, seeds=case.seeds + np.uint64(7))
    if not changed_columns(other, case.systems, but=('seed',)):
        raise ConformanceError('other seeds gave the same systems; draw from the seeds')


def nothing_is_seeded_globally(case):
    """NumPy's global generator is left alone."""
    kept = np.random.get_state()
    np.random.seed(20060101)  # a state that the plugin itself does not leave behind
    before = np.random.get_state()
    try:
        case.plugin.draw(case.hosts, seeds=case.seeds)
        after = np.random.get_state()
    finally:
        np.random.set_state(kept)
    if before[2] != after[2] or (before[1] != after[1]).any():
        raise ConformanceError("draw used or seeded NumPy's global generator; use "
                               'numpy.random.default_rng(seed) for each row')


def hosts_are_not_changed(case):
    """The caller's table stays as it is."""
    hosts = case.hosts
    case.plugin.draw(hosts, seeds=case.seeds)
    changed = changed_columns(hosts, case.hosts)
    if changed:
        raise ConformanceError(f'draw changed the columns {changed} of the hosts; copy the table')


def no_hosts_give_no_systems(case):
    """An empty partition is no special case."""
    n = len(case.plugin.draw(case.hosts[:0], seeds=case.seeds[:0]))
    if n:
        raise ConformanceError(f'no hosts gave {n} systems')


def systems_can_be_written(case):
    """A table of plain columns, so that an injection can be replayed from a file."""
    bad = [name for name in case.systems.colnames
           if getattr(case.systems[name], 'dtype', np.dtype(object)).kind not in 'biufUS']
    if bad:
        raise ConformanceError(f'the columns {bad} hold objects; store numbers or strings, so that '
                               'the table can be written')


def plain(column):
    return np.asarray(getattr(column, 'value', column), dtype=float)


def changed_columns(table, kept, *, but=()):
    names = dict.fromkeys([*table.colnames, *kept.colnames])
    return [name for name in names if name not in but and not _same_column(table, kept, name)]


def _same_column(table, kept, name):
    if name not in table.colnames or name not in kept.colnames:
        return False
    first, second = (np.asarray(getattr(t[name], 'value', t[name])) for t in (table, kept))
    return np.array_equal(first, second, equal_nan=first.dtype.kind == 'f')


def _compare_systems(systems, expected, what, advice):
    changed = changed_columns(systems, expected)
    if changed:
        raise ConformanceError(f'{what} differs in the columns {changed}; {advice}')


DRAW_CHECKS = (one_system_is_drawn_per_host, systems_have_their_columns, systems_are_possible,
               seeds_are_kept, seeds_replay, rows_do_not_depend_on_each_other,
               other_seeds_give_other_systems, nothing_is_seeded_globally, hosts_are_not_changed,
               no_hosts_give_no_systems, systems_can_be_written)
