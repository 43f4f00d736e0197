# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A stratified sample of a pool, the same however the pool is cut and whoever draws it.

Every object has a hash of the seed and its key. A stratum's sample is the objects
of least hash. One pass counts hashes in bins; in a second each part hands over
its rows below the bin in which the wanted number is reached, and the boundary is
settled among those.
"""
import math
from dataclasses import dataclass
from operator import add

import numpy as np
from astropy.table import QTable

from lensfinder_audit._pool_keys import KEY_COLUMNS, keyed_hash, object_names
from lensfinder_audit._sample_passes import CountPass, TakePass, boundary
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.parts import Parts
from lensfinder_audit.strata import Strata
from lensfinder_audit.tables import schema_meta

__all__ = ['Sample', 'draw_sample', 'plan_sample', 'wanted_numbers', 'count_positives']

_KINDS = ('N1', 'N2')


@dataclass(frozen=True)
class Sample:
    """
    A sample of negatives.

    Parameters
    ----------
    negatives : `~astropy.table.QTable`
        One row per object, with ``stratum``, ``kind`` (N1 or N2), ``weight``,
        ``confuser_class`` and what the rules keep.
    strata : `~astropy.table.QTable`
        One row per stratum and kind: pool, wanted, sampled, weight, state.
    confusers : `~astropy.table.QTable`
        One row per family: in the pool and in the sample.
    """

    negatives: QTable
    strata: QTable
    confusers: QTable


def count_positives(columns, strata):
    """
    Count lenses in each stratum.

    Parameters
    ----------
    columns : dict of str to (n,) `~numpy.ndarray`
        Columns of the strata.
    strata : `~lensfinder_audit.strata.Strata`
        The strata.

    Returns
    -------
    counts : (m,) `~numpy.ndarray` of int
        One per stratum; those in none are not counted.
    """
    codes = strata.codes(columns)
    return np.bincount(codes[codes >= 0], minlength=len(strata))


def wanted_numbers(available, rules, *, positives=None, per_stratum=None):
    """
    Say how many N1 and N2 to draw from each stratum.

    Parameters
    ----------
    available : (m, 2) array_like of int
        N1 and N2 in the pool, by stratum.
    rules : `~lensfinder_audit.sample_rules.SampleRules`
        Ratio and fraction of N2.
    positives : (m,) array_like of int, optional
        Lenses by stratum; negatives follow from the ratio.
    per_stratum : int, optional
        The same number in each stratum instead.

    Returns
    -------
    wanted, drawn : (m, 2) `~numpy.ndarray` of int
        What the rules ask for, and what is drawn: N1 fills up where N2 runs short.

    Raises
    ------
    ConfigError
        If neither or both of the two are given.

    Examples
    --------
    >>> from lensfinder_audit.sample_rules import load_rules
    >>> from lensfinder_audit.sampling import wanted_numbers
    >>> wanted, drawn = wanted_numbers([[5000, 100]], load_rules('paper4'), positives=[10])
    >>> wanted.tolist(), drawn.tolist()
    ([[850, 150]], [[900, 100]])
    """
    if (positives is None) == (per_stratum is None):
        raise ConfigError('give either lenses, from which the numbers follow, or the number '
                          'per stratum')
    available = np.asarray(available)
    total = (np.full(len(available), per_stratum) if positives is None else
             np.rint(np.asarray(positives) * rules.negatives_per_positive)).astype(int)
    n2 = np.rint(total * rules.confuser_fraction).astype(int)
    wanted = np.stack([total - n2, n2], axis=1)
    drawn_n2 = np.minimum(n2, available[:, 1])
    drawn_n1 = np.minimum(total - drawn_n2, available[:, 0])
    return wanted, np.stack([drawn_n1, drawn_n2], axis=1)


def draw_sample(pool, *, seed, engine, positives=None, per_stratum=None, parts=None,
                progress=None):
    """
    Draw the sample that the rules of a pool ask for.

    Parameters
    ----------
    pool : `~lensfinder_audit.negatives.Pool`
        A finished pool.
    seed : int
        Of the keyed hash.
    engine : `~lensfinder_audit.interfaces.Engine`
        Runs the parts.
    positives : (m,) array_like of int, optional
        Lenses by stratum, from `count_positives`.
    per_stratum : int, optional
        Negatives in each stratum instead.
    parts : str or `~pathlib.Path`, optional
        Folder for what a killed run has finished.
    progress : callable, optional
        Called as ``progress(done, total)``, in both passes.

    Returns
    -------
    sample : `Sample`
        In the order of stratum, kind and hash.

    Raises
    ------
    TableError
        If the pool is empty.
    """
    first = _first_pass(pool, seed, engine, positives, per_stratum, progress)
    bits, counts, available, wanted, drawn = first
    files = _files(pool)
    last = boundary(counts, drawn.ravel())
    with Parts(parts, {'seed': seed, 'last': last.tolist(), 'files': files,
                       'report': pool.report}, suffix='.parquet') as kept:
        tables = engine.map_reduce(TakePass(last, bits, seed, kept), list(enumerate(files)), add,
                                   progress=progress)
    rows, drawn, twice = _settle(tables, drawn.ravel(), seed)
    return _sample(rows, pool, Strata(pool.rules.strata), wanted, drawn.reshape(-1, 2), available,
                   twice, {'seed': seed, 'per_stratum': per_stratum}, positives)


def plan_sample(pool, *, seed, engine, positives=None, per_stratum=None, progress=None):
    """
    Say what a sample will hold, without drawing it.

    Parameters
    ----------
    pool, seed, engine, positives, per_stratum, progress
        See `draw_sample`.

    Returns
    -------
    strata : `~astropy.table.QTable`
        As `Sample.strata`; ``meta['n_bytes']`` is the disk that the rows need, about.
    """
    _, _, available, wanted, drawn = _first_pass(pool, seed, engine, positives, per_stratum,
                                                 progress)
    size = sum(pool.part(number).stat().st_size for number in pool.parts)
    table = _strata_table(pool, Strata(pool.rules.strata), wanted, drawn, available,
                          _weights(available, drawn), positives)
    table.meta['n_bytes'] = int(size * drawn.sum() / max(pool.report['n_pool'], 1))
    return table


def _files(pool):
    files = [str(pool.part(number).absolute()) for number in pool.parts]  # for workers elsewhere
    if not files:
        raise TableError(f'{pool.path}: the cuts left no object; pool.json says what each removed')
    return files


def _first_pass(pool, seed, engine, positives, per_stratum, progress):
    groups = 2 * len(Strata(pool.rules.strata))
    bits = _bits_of(groups)
    counts = engine.map_reduce(CountPass(groups, bits, seed), _files(pool), np.add,
                               progress=progress)
    available = counts.sum(axis=1).reshape(-1, 2)
    wanted, drawn = wanted_numbers(available, pool.rules, positives=positives,
                                   per_stratum=per_stratum)
    return bits, counts, available, wanted, drawn


def _bits_of(groups):
    """So many bins that a boundary bin is small and the counts stay below 8 MB."""
    return max(6, min(12, 20 - math.ceil(math.log2(max(groups, 1)))))


def _settle(tables, drawn, seed):
    """Keep the wanted number of least hash in each group; an object that came twice counts once."""
    import pyarrow as pa

    rows = pa.concat_tables(tables, promote_options='permissive')
    group, number = rows['_group'].to_numpy(), rows['_number'].to_numpy()
    order = np.lexsort((number, keyed_hash(number, seed), group))
    group, number = group[order], number[order]
    again = np.r_[False, (group[1:] == group[:-1]) & (number[1:] == number[:-1])]
    order, group = order[~again], group[~again]
    starts = np.searchsorted(group, np.arange(len(drawn)))
    rank = np.arange(len(group)) - starts[group]
    keep = rank < drawn[group]
    taken = np.bincount(group[keep], minlength=len(drawn))
    return rows.take(order[keep]), taken, int(again.sum())


def _sample(rows, pool, strata, wanted, drawn, available, twice, how, positives):
    weight = _weights(available, drawn)
    columns = {name: _array(rows[name]) for name in rows.column_names}
    group = columns.pop('_group')
    columns.pop('_number')
    table = QTable({'object_id': object_names(columns)})
    for name, values in columns.items():
        if name != 'object_id':
            table[name] = values
    table['label'] = np.zeros(len(table), dtype=bool)
    table['stratum'] = np.array(strata.labels)[group // 2]
    table['kind'] = np.array(_KINDS)[group % 2]
    table['weight'] = weight.ravel()[group]
    _set_units(table)
    table.meta = schema_meta('manifest', **how, rules=pool.rules.name, n_pool=pool.report['n_pool'],
                             n_repeated=twice, failed=pool.failed or None)
    return Sample(table, _strata_table(pool, strata, wanted, drawn, available, weight, positives),
                  _confuser_table(pool, table))


def _weights(available, drawn):
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(drawn > 0, available / drawn, np.nan)


def _array(column):
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.fill_null('').to_pylist(), dtype=str)
    return column.to_numpy()


def _set_units(table):
    from lensfinder_audit.survey_files import UNITS

    for name in table.colnames:
        unit = next((item for start, item in UNITS.items() if name == start or (
            start.endswith('_') and name.startswith(start))), None)
        if unit is not None and name not in KEY_COLUMNS:
            table[name].unit = unit


def _strata_table(pool, strata, wanted, drawn, available, weight, positives):
    impossible = strata.impossible(pool.rules.cuts.values())
    rows = []
    for i, label in enumerate(strata.labels):
        for k, kind in enumerate(_KINDS):
            state = ('impossible' if impossible[i] else 'empty' if not available[i, k] else
                     'short' if drawn[i].sum() < wanted[i].sum() or drawn[i, k] < wanted[i, k]
                     else 'full')
            rows.append((label, kind, -1 if positives is None else int(positives[i]),
                         int(available[i, k]), int(wanted[i, k] * ~impossible[i]), int(drawn[i, k]),
                         float(weight[i, k]), state))
    return QTable(rows=rows, names=['stratum', 'kind', 'n_positives', 'n_pool', 'n_wanted',
                                    'n_sampled', 'weight', 'state'])


def _confuser_table(pool, table):
    """Objects may be of several families; each is counted in all of them."""
    families = list(pool.rules.confusers)
    in_pool = [sum(part['families'][name] for part in pool.report['parts']) for name in families]
    every = [text.split('; ') for text in table['confuser_classes'].tolist()]
    in_sample = [sum(name in names for names in every) for name in families]
    n = max(pool.report['n_pool'], 1)
    return QTable({'confuser_class': np.array(families, dtype=str),
                   'n_pool': np.array(in_pool, dtype=int),
                   'fraction': np.array(in_pool, dtype=float) / n,
                   'n_sampled': np.array(in_sample, dtype=int)})
