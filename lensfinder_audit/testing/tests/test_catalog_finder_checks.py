# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Each way to break the contract of a finder without pixels is found, and told."""
import numpy as np
import pytest
from astropy.table import QTable

from lensfinder_audit.classifiers.score_table import ScoreTable
from lensfinder_audit.cli.tests.running import run
from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import CatalogFinder
from lensfinder_audit.testing import check_catalog_finder, check_plugin, example_hosts


class Good(CatalogFinder):
    """The color of a galaxy."""

    columns = ('flux_g', 'flux_r')
    score_kind = 'rank'

    def score_rows(self, objects):
        return np.log(np.asarray(objects['flux_r'].value / objects['flux_g'].value))


class NoFinder:
    api_version = 1


class OneWord(Good):
    columns = 'flux_g'


class NoColumns(Good):
    columns = ()


class OddKind(Good):
    score_kind = 'odds'


class Forgets(Good):
    def __init__(self, power=2):
        self._power = power


class KnowsNone(Good):
    def score_rows(self, objects):
        return np.full(len(objects), np.nan)


class TooLong(Good):
    def score_rows(self, objects):
        return np.ones(len(objects) + 1)


class NoProbability(Good):
    score_kind = 'probability'


class RandomScores(Good):
    def score_rows(self, objects):
        return np.random.default_rng().random(len(objects))


class Numbered(Good):
    def score_rows(self, objects):
        return np.arange(len(objects)) * 1.0


class Ranked(Good):
    """A rank within the table, which is scored in parts."""

    def score_rows(self, objects):
        return np.argsort(np.argsort(super().score_rows(objects))) * 1.0


class Filled(Good):
    """What is missing gets the mean of the others; so do these change with it."""

    def score_rows(self, objects):
        found = super().score_rows(objects)
        return found - (np.nanmean(found) if np.isnan(found).any() else 0)


class ReadsLabel(Good):
    def score_rows(self, objects):
        return super().score_rows(objects) + (objects['label'] if 'label' in objects.colnames
                                              else 0)


class NeedsRows(Good):
    def score_rows(self, objects):
        return super().score_rows(objects) - 0 * objects['flux_g'].value.max()


class Changes(Good):
    def score_rows(self, objects):
        objects['color'] = super().score_rows(objects)
        return np.asarray(objects['color'])


class Locked(Good):
    def __init__(self):
        self.hook = lambda: None


class ReadsMore(Good):
    columns = ('flux_g', 'mass')


BROKEN = {
    NoFinder: 'NoFinder is no CatalogFinder; subclass lensfinder_audit.interfaces.CatalogFinder',
    OneWord: "columns is 'flux_g'; give each column", NoColumns: r'columns is \(\); give each',
    OddKind: "score_kind is 'odds'", Forgets: r"arguments \['power'\]",
    KnowsNone: 'none of the 8 rows that it was tried on has a score; hand it rows',
    TooLong: 'gave scores of shape', NoProbability: "declare score_kind = 'logit' or 'rank'",
    RandomScores: 'two calls on the same rows differ by up to',
    Numbered: 'reverse order differ by up to', Ranked: 'a row alone and among 8 differs by up to',
    Filled: 'where flux_g of the first row is missing the other rows differ',
    ReadsLabel: 'with a column label the same rows differ by up to 1',
    NeedsRows: 'no rows give no scores.*it raised ValueError',
    Changes: 'score_rows changed the table', Locked: 'cannot be sent to another process',
    ReadsMore: r"it reads \['mass'\], which the objects that it is tried on do not have"}


def test_a_good_finder_passes():
    check_catalog_finder(Good())
    assert all(passed for _, passed, _ in check_plugin('classifiers', Good))


@pytest.mark.parametrize('broken', BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_finder_is_found(broken):
    with pytest.raises(ConformanceError, match=f'{broken.__name__} fails.*{BROKEN[broken]}'):
        check_catalog_finder(broken())


@pytest.mark.parametrize('options', [{}, {'match_radius': 1.0}], ids=str)
def test_a_table_of_scores_conforms(tmp_path, options):
    hosts = example_hosts(8)
    table = QTable({name: hosts[name][:6] for name in ('object_id', 'ra', 'dec')})
    table['score'] = np.linspace(0.1, 0.9, 6)
    table.write(tmp_path / 'scores.ecsv')
    finder = ScoreTable(tmp_path / 'scores.ecsv', **options)
    check_catalog_finder(finder, objects=hosts)
    with pytest.raises(ConformanceError, match='none of the 8 rows'):
        check_catalog_finder(finder, objects=example_hosts(8, seed=1)[[6, 7] * 4])


def test_the_command_checks_it_as_what_it_is(monkeypatch):
    monkeypatch.setattr('lensfinder_audit.plugins.load_plugin', lambda kind, name: Ranked)
    done = run('plugins', 'check', 'scores', '--kind', 'classifiers')
    assert done.exit_code == 1 and 'FAIL  scores do not depend on other rows' in done.stdout
    assert 'ok    columns are declared' in done.stdout
