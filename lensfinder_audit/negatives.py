# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The pool of negatives: what the cuts leave of a survey, one piece at a time.

Each piece of each file becomes one Parquet file of the pool, whole or not at all,
and a small summary; a run that was killed goes on at the first piece that is not
finished. The driver holds the summaries.
"""
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import QTable

from lensfinder_audit._pool_piece import PoolPiece
from lensfinder_audit.exceptions import InputFileError, OutputExistsError, TableError
from lensfinder_audit.files import whole_file
from lensfinder_audit.parts import Parts
from lensfinder_audit.row_tests import Condition
from lensfinder_audit.sample_rules import SampleRules
from lensfinder_audit.survey_files import find_files, split_file
from lensfinder_audit.tables import require_columns

__all__ = ['make_pool', 'Pool', 'PoolPlan', 'plan_pool', 'cuts_table']

_DONE = 'pool.json'


@dataclass(frozen=True)
class PoolPlan:
    """
    What a pool is made of, before anything is read.

    Parameters
    ----------
    pieces : list of `~lensfinder_audit.survey_files.Piece`
        Ranges of rows.
    unreadable : dict of str to str
        Files that cannot be opened, with the reason.
    """

    pieces: list
    unreadable: dict = field(default_factory=dict)

    @property
    def n_rows(self):
        """Rows in all."""
        return sum(piece.stop - piece.start for piece in self.pieces)


def plan_pool(sources, *, rows=1_000_000):
    """
    List the pieces of files, and the files that cannot be opened.

    Parameters
    ----------
    sources : iterable of str or `~pathlib.Path`
        Files, or folders of files.
    rows : int, optional
        Rows of a piece.

    Returns
    -------
    plan : `PoolPlan`
        Only headers were read.
    """
    pieces, unreadable = [], {}
    for path in find_files(sources):
        try:
            pieces += split_file(path.absolute(), rows=rows)  # workers may run elsewhere
        except InputFileError as error:
            unreadable[str(path)] = str(error)
    return PoolPlan(pieces, unreadable)


class Pool:
    """
    A finished pool.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        Its folder.

    Raises
    ------
    InputFileError
        If the folder is no pool, or one that is not finished.
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            found = json.loads((self.path / _DONE).read_text())
        except (OSError, ValueError) as error:
            raise InputFileError(f'{self.path}: is no finished pool of negatives (no {_DONE}); '
                                 'make or finish it with "negatives pool"') from error
        #: What was read, with the effect of every cut.
        self.report = found
        self.rules = SampleRules(**_rules_from(found['rules']))
        #: Numbers of the parts that hold rows.
        self.parts = [part['number'] for part in found['parts'] if part['n']]

    def part(self, number):
        """Return the file of a part."""
        return self.path / f'part-{number:06d}.parquet'

    @property
    def failed(self):
        """Pieces that could not be read, with the reason."""
        return self.report['failed']


def _rules_from(values):
    values = dict(values)
    values['cuts'] = {name: Condition(item['tests']) for name, item in values['cuts'].items()}
    values['confusers'] = {name: [Condition(item['tests']) for item in items]
                           for name, items in values['confusers'].items()}
    return values


def make_pool(plan, folder, rules, *, lenses=None, join=None, engine, overwrite=False,
              progress=None):
    """
    Apply the cuts of rules to files and write what is left.

    Parameters
    ----------
    plan : `PoolPlan`
        From `plan_pool`.
    folder : str or `~pathlib.Path`
        Where the pool is made; an unfinished one of the same inputs goes on.
    rules : `~lensfinder_audit.sample_rules.SampleRules`
        Cuts, exclusion radius, strata, confuser families.
    lenses : tuple of array_like, optional
        ``ra`` and ``dec`` of known lenses and candidates, degrees.
    join : `~astropy.table.Table` and str, optional
        A small table of conditions, such as one row per brick, and the column that it
        shares with the files.
    engine : `~lensfinder_audit.interfaces.Engine`
        Runs the pieces.
    overwrite : bool, optional
        Whether a finished pool of other rules or lenses may be replaced.
    progress : callable, optional
        Called as ``progress(done, total)``.

    Returns
    -------
    pool : `Pool`
        Pieces that cannot be read are in ``failed``; the others are there.

    Raises
    ------
    OutputExistsError
        If the folder holds something else, or a finished pool of other rules or
        lenses and ``overwrite`` is not given.
    TableError, InputFileError
        If no piece at all could be read; it says why the first could not.
    """
    if plan.unreadable and not plan.pieces:
        raise InputFileError(next(iter(plan.unreadable.values())))
    folder, join = Path(folder), _renamed(join, rules)
    lenses = tuple(np.asarray(side, dtype=float) for side in lenses or ((), ()))
    parts = Parts(folder, _identity(rules, lenses, join), suffix='.parquet')
    _refuse_other(folder, parts, overwrite)
    with parts:
        (folder / _DONE).unlink(missing_ok=True)
        work = PoolPiece(rules, lenses, join, parts)
        found = engine.map_reduce(work, plan.pieces, _join_lists,
                                  progress=progress) or []
        if found and all('failed' in item for item in found):
            raise TableError(f'none of {len(found)} pieces could be read; the first: '
                             f'{found[0]["failed"]}')
        report = _report(plan, rules, lenses, found)
        _remove_others(folder, {item['number'] for item in report['parts']})
        with whole_file(folder / _DONE, overwrite=True) as temporary:
            temporary.write_text(json.dumps(report, indent=1))
    return Pool(folder)


def _refuse_other(folder, parts, overwrite):
    """Parts of another plan are removed, so the folder must be ours and given up."""
    others = [path for path in folder.iterdir() if path.name != 'lock'
              and not path.name.startswith('.')] if folder.is_dir() else []
    if others and not (folder / 'plan.json').is_file():
        raise OutputExistsError(f'{folder} holds something else and no pool; choose another folder')
    if parts.is_of_another_run() and (folder / _DONE).is_file() and not overwrite:
        raise OutputExistsError(f'{folder} is a finished pool of other rules, lenses or joined '
                                'conditions; choose another folder or give --overwrite '
                                '(overwrite=True)')


def _renamed(join, rules):
    """Give the columns of a table of conditions the names of the rules."""
    if join is None:
        return None
    table, column = QTable(join[0], copy=True), join[1]
    require_columns(table, [column], what='the table of conditions')
    keys, counts = np.unique(np.asarray(table[column]).astype(str), return_counts=True)
    if not len(keys) or (counts > 1).any():
        raise TableError(f'the table of conditions must have each {column} once; it has '
                         + (f'{keys[counts > 1][0]!s} {counts.max()} times' if len(keys)
                            else 'no rows'))
    for name, theirs in rules.columns.items():
        if theirs in table.colnames and theirs != column:
            table.rename_column(theirs, name)
    return table, column


def _identity(rules, lenses, join):
    """What all parts depend on; each part also knows the size and time of its file."""
    digest = hashlib.sha256(b''.join(side.tobytes() for side in lenses))
    if join is not None:
        table, column = join
        digest.update(repr([column, *(np.asarray(table[name]).tolist()
                                      for name in table.colnames)]).encode())
    return {'rules': rules.as_dict(), 'others': digest.hexdigest()}


def _join_lists(one, two):
    return one + two


def _report(plan, rules, lenses, found):
    failed = dict(plan.unreadable)
    failed |= {item['piece']: item['failed'] for item in found if 'failed' in item}
    parts = [item for item in found if 'failed' not in item]
    return {'rules': rules.as_dict(), 'n_lenses': len(lenses[0]), 'n_rows': plan.n_rows,
            'n_pool': sum(item['n'] for item in parts), 'failed': failed, 'parts': parts}


def _remove_others(folder, numbers):
    """Remove parts of files that are no longer among the sources."""
    for path in folder.glob('part-*'):
        if int(path.stem.removeprefix('part-')) not in numbers:
            path.unlink()


def cuts_table(pool):
    """
    Return the effect of every cut of a pool.

    Parameters
    ----------
    pool : `Pool`
        A finished pool.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per cut, in its turn: rows before it, rows that would fail it alone,
        rows that it removed, rows left.
    """
    total = {}
    for part in pool.report['parts']:
        for name, counts in part['cuts'].items():
            total[name] = np.add(total.get(name, [0, 0, 0]), counts)
    rows = []
    before = int(next(iter(total.values()))[0]) if total else 0
    for name, (_, fails, removed) in total.items():
        rows.append((name, int(before), int(fails), int(removed), int(before - removed)))
        before -= removed
    return QTable(rows=rows or None, names=['cut', 'n_before', 'n_fail', 'n_removed', 'n_left'],
                  dtype=[str, int, int, int, int])
