# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What a finder that needs no pixels promises."""
import numpy as np
from astropy.table import QTable

from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import CatalogFinder
from lensfinder_audit.testing import _core
from lensfinder_audit.testing._classifiers import score_kind_is_known
from lensfinder_audit.testing._examples import example_hosts

__all__ = ['check_catalog_finder', 'CatalogFinderCase']

_EACH = 'score each row by what the row itself holds'


def check_catalog_finder(finder, *, objects=None, tolerance=1e-9):
    """
    Check that a finder without pixels keeps its contract.

    Parameters
    ----------
    finder : `~lensfinder_audit.interfaces.CatalogFinder`
        The plugin.
    objects : (n,) `~astropy.table.Table`, optional
        Rows to try it on, several and unlike each other, of which it has scores; a finder
        that looks objects up needs some that it knows. Made-up galaxies by default.
    tolerance : float, optional
        How far a score may vary, relative to the larger of 1 and itself.

    Raises
    ------
    ConformanceError
        If a declaration is missing, a score out of range, or if a score depends on the other
        rows, on their order, or on columns that the finder does not declare, such as the
        label.

    Examples
    --------
    ::

        check_catalog_finder(ScoreTable('published.csv'), objects=manifest[:20])
    """
    _core.require(CatalogFinderCase(finder, objects=objects, tolerance=tolerance))


class CatalogFinderCase:
    """A finder without pixels and the rows that it is tried on."""

    def __init__(self, plugin, *, objects=None, tolerance=1e-9):
        self.plugin = plugin
        self.checks = CHECKS
        self.tolerance = tolerance
        self._objects = objects

    @property
    def objects(self):
        """Rows with the declared columns alone."""
        table = example_hosts(8) if self._objects is None else QTable(self._objects, copy=True)
        lost = [name for name in self.plugin.columns if name not in table.colnames]
        if lost:
            raise ConformanceError(f'it reads {lost}, which the objects that it is tried on do not '
                                   'have; hand it rows that do: check_catalog_finder(finder, '
                                   'objects=table)')
        return table[list(self.plugin.columns)]

    def compare(self, first, second, message):
        """Raise if two sets of scores differ; both may lack a score."""
        difference = _core.largest_difference(np.nan_to_num(first), np.nan_to_num(second))
        apart = (np.isnan(first) != np.isnan(second)).any()
        if apart or difference > self.tolerance * max(1, np.nanmax(np.abs(first), initial=0)):
            raise ConformanceError(message.format(
                'in which rows have a score' if apart else f'by up to {difference:.3g}'))


def is_a_catalog_finder(case):
    """It subclasses the interface."""
    _core.require_kind(case, CatalogFinder)


def columns_are_declared(case):
    """The columns that it reads, so that a table without one is refused by name."""
    columns = case.plugin.columns
    if isinstance(columns, str) or not columns or len(set(columns)) < len(columns) or not all(
            isinstance(name, str) for name in columns):
        raise ConformanceError(f'columns is {columns!r}; give each column that it reads once, such '
                               "as ('flux_g', 'flux_r')")


def scores_are_one_per_row(case):
    """A number for each row, or NaN; and some numbers."""
    objects = case.objects
    scores = case.plugin(objects)
    if not np.isfinite(scores).any():
        raise ConformanceError(f'none of the {len(objects)} rows that it was tried on has a score; '
                               'hand it rows that it knows: objects=table')


def scores_are_in_range(case):
    """A probability lies between 0 and 1."""
    scores = case.plugin(case.objects)
    if case.plugin.score_kind == 'probability' and ((scores < 0) | (scores > 1)).any():
        raise ConformanceError(f'scores run from {np.nanmin(scores):.3g} to '
                               f'{np.nanmax(scores):.3g} and are declared as probability; declare '
                               "score_kind = 'logit' or 'rank'")


def same_rows_give_same_scores(case):
    """Nothing is drawn at random."""
    case.compare(case.plugin(case.objects), case.plugin(case.objects),
                 f'two calls on the same rows differ {{}}; {_EACH}')


def order_does_not_matter(case):
    """Each score follows its row."""
    objects = case.objects
    case.compare(case.plugin(objects), case.plugin(objects[::-1])[::-1],
                 f'the rows in reverse order differ {{}}; {_EACH}, in their order')


def scores_do_not_depend_on_other_rows(case):
    """A row alone scores what it scores among others, since tables are scored in parts."""
    objects = case.objects
    alone = np.concatenate([case.plugin(objects[i:i + 1]) for i in range(len(objects))])
    case.compare(case.plugin(objects), alone, f'a row alone and among {len(objects)} differs {{}}; '
                 f'{_EACH}, and leave ranks over the whole table to those who read the scores')


def scores_do_not_depend_on_other_columns(case):
    """Columns that are not declared, such as the label, are not read."""
    objects = case.objects
    known = case.plugin(objects)
    for label in (True, False):
        told = QTable(objects, copy=True)
        told['label'], told['is_lens'] = [label] * len(told), [label] * len(told)
        case.compare(known, case.plugin(told), 'with a column label the same rows differ {}; read '
                     'the columns that are declared in columns alone')


def no_rows_give_no_scores(case):
    """A table without rows is no failure."""
    case.plugin(case.objects[:0])


def missing_values_give_no_failure(case):
    """A number that is missing leaves its row without a score, or with one; the rest stays."""
    objects = case.objects
    known = case.plugin(objects)
    for name in case.plugin.columns:
        if objects[name].dtype.kind != 'f' or name in ('ra', 'dec'):  # a position is never missing
            continue
        holed = QTable(objects, copy=True)
        holed[name][0] = np.nan
        case.compare(known[1:], case.plugin(holed)[1:], f'where {name} of the first row is '
                     f'missing the other rows differ {{}}; {_EACH}')


def rows_are_not_changed(case):
    """The table that comes in stays as it is."""
    objects = case.objects
    kept = QTable(objects, copy=True)
    case.plugin(objects)
    changed = [name for name in kept.colnames if name not in objects.colnames
               or not np.array_equal(np.asarray(kept[name]), np.asarray(objects[name]))]
    if changed or objects.colnames != kept.colnames:
        raise ConformanceError(f'score_rows changed the table, {changed or objects.colnames}; work '
                               'on a copy')


def goes_to_other_processes(case):
    """Another process gets the same finder."""
    case.compare(case.plugin(case.objects), _core.revived(case.plugin)(case.objects),
                 'in another process the same rows differ {}; keep what scores depend on as '
                 'attributes')


CHECKS = (is_a_catalog_finder, _core.api_version_is_known, _core.parameters_are_recorded,
          columns_are_declared, score_kind_is_known, scores_are_one_per_row, scores_are_in_range,
          rows_are_not_changed, same_rows_give_same_scores, order_does_not_matter,
          scores_do_not_depend_on_other_rows, scores_do_not_depend_on_other_columns,
          no_rows_give_no_scores, missing_values_give_no_failure, goes_to_other_processes)
