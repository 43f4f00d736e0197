# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Sources, engines and surveys: each break of a contract is found, and told."""
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.engines.local import LocalEngine
from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import CatalogSource, Engine
from lensfinder_audit.survey import ConditionColumn
from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
from lensfinder_audit.testing import check_engine, check_plugin, check_source, check_survey

N = 60


class GoodSource(CatalogSource):
    """A catalogue; tests replace its columns."""

    reference = '2022yCat..12345678X'
    columns = {}

    def read(self):
        rng = np.random.default_rng(0)
        table = {'name': [f'J{i}' for i in range(N)], 'ra': rng.uniform(0, 360, N) * u.deg,
                 'dec': rng.uniform(-60, 60, N) * u.deg, 'is_lens': np.ones(N, bool),
                 'grade': ['A'] * N, 'tier': ['B'] * N, 'tier_reason': ['graded by eye'] * N,
                 'discovery_method': ['visual'] * N, 'reference': ['2022ApJ'] * N}
        return QTable({**table, **self.columns})


def source(**columns):
    return type('Changed', (GoodSource,), {'columns': columns})()


def with_row(value, others, row=7):
    values = np.full(N, others)
    values[row] = value
    return values


SOURCES = {
    r'dec.* must lie in \[-90, 90\]; 1 of 60 rows do not, the first is row 7 with 95.0':
        source(dec=with_row(95.0, 10.0) * u.deg),
    "1 of 60 rows.* the first is row 7": source(
        ra=with_row(np.nan, 10.0) * u.deg),
    'these look like hours; multiply by 15': source(ra=np.linspace(0, 23.9, N) * u.deg),
    "'dec' of the reference table must be in deg": source(dec=np.zeros(N) * u.s),
    'theta_e of 1 of 60 rows cannot be, such as -1; write NaN': source(
        theta_e=with_row(-1.0, 1.0) * u.arcsec),
    'z_lens of 1 of 60 rows cannot be, such as 99': source(z_lens=with_row(99.0, 0.5)),
    '1 of 60 objects with a tier have no tier_reason': source(
        tier_reason=with_row('', 'spectroscopy')),
    'rows are lenses and have a confuser_class': source(confuser_class=['ring'] * N),
    'tier.* allowed are': source(tier=['gold'] * N),
}


class NoReference(GoodSource):
    reference = ' '


class Empty(GoodSource):
    def read(self):
        return super().read()[:0]


class NoColumn(GoodSource):
    def read(self):
        table = super().read()
        table.rename_column('is_lens', 'islens')
        return table


class Shuffled(GoodSource):
    def read(self):
        return super().read()[np.random.default_rng().permutation(N)]


SOURCES |= {'reference is .*give the bibcode': NoReference(), 'without rows': Empty(),
            "no column 'is_lens'. Did you mean 'islens'": NoColumn(),
            'a second read gave 60 rows after 60, or another order': Shuffled()}


def test_a_good_source_passes():
    check_source(GoodSource())
    check_source(source(theta_e=with_row(np.nan, 1.2) * u.arcsec))


@pytest.mark.parametrize('message', SOURCES)
def test_broken_source_is_found(message):
    with pytest.raises(ConformanceError, match=message):
        check_source(SOURCES[message])


class GoodEngine(Engine):
    """One partition after the other."""

    def map_reduce(self, function, partitions, merge, *, progress=None):
        result = None
        for done, partition in enumerate(self.order(partitions), 1):
            try:
                summary = function(partition)
            except Exception as error:
                summary = self.failed(partition, error)
            result = summary if done == 1 else merge(result, summary)
            self.tell(progress, done, len(partitions))
        return result

    def order(self, partitions):
        return partitions

    def tell(self, progress, done, total):
        if progress:
            progress(done, total)

    def failed(self, partition, error):
        raise RuntimeError(f'{partition}: {error}')


class Backwards(GoodEngine):
    def order(self, partitions):
        return partitions[::-1]


class LosesLast(GoodEngine):
    def order(self, partitions):
        return partitions[:-1] if len(partitions) > 1 else partitions


class FirstTwice(GoodEngine):
    def order(self, partitions):
        return [*partitions[:1], *partitions] if len(partitions) > 1 else partitions


class Silent(GoodEngine):
    def tell(self, progress, done, total):
        pass


class Swallows(GoodEngine):
    def failed(self, partition, error):
        return []


class Nameless(GoodEngine):
    def failed(self, partition, error):
        raise error


class EmptyList(GoodEngine):
    def map_reduce(self, function, partitions, merge, *, progress=None):
        return super().map_reduce(function, partitions, merge, progress=progress) or []


class MergesOne(GoodEngine):
    def map_reduce(self, function, partitions, merge, *, progress=None):
        found = super().map_reduce(function, partitions, merge, progress=progress)
        return found and merge([], found)


class BreaksDown(GoodEngine):
    def failed(self, partition, error):
        self.order = lambda partitions: []
        super().failed(partition, error)


class Locked(GoodEngine):
    def __init__(self):
        self.hook = lambda: None


ENGINES = {
    Backwards: r"merged as \['partition-6'", LosesLast: r"1 were left out \['partition-6'\]",
    FirstTwice: r"1 done twice \['partition-0'\]", Silent: r'progress was told \[\]',
    Swallows: 'a function that raises gave', Nameless: r"does not tell \['partition-5'\]",
    EmptyList: r'no partitions gave \[\]; return None', MergesOne: 'merge was called with one',
    BreaksDown: 'works again after a failure.*7 were left out', Locked: 'sent to another process'}


def test_good_engines_pass():
    check_engine(GoodEngine())
    check_engine(LocalEngine(workers=1), n_partitions=3)


@pytest.mark.parametrize('broken', ENGINES, ids=lambda cls: cls.__name__)
def test_broken_engine_is_found(broken):
    with pytest.raises(ConformanceError, match=f'{broken.__name__} fails.*{ENGINES[broken]}'):
        check_engine(broken())


ZERO_POINTS = LEGACY_DR10.electron_zero_points
SURVEYS = {
    r"electron_zero_points lacks \['z'\]": {'electron_zero_points': {'g': 26.6, 'r': 26.8}},
    r"has \['Y'\] that are no bands": {'electron_zero_points': {**ZERO_POINTS, 'Y': 25.0}},
    r"electron_zero_points\['g'\] is 0.5": {'electron_zero_points': {**ZERO_POINTS, 'g': 0.5}},
    'pixel_scale is 0.262; give': {'pixel_scale': 0.262},
    'pixel_scale is <Quantity 0.262 deg>': {'pixel_scale': 0.262 * u.deg},
    'bands is .+ give a tuple with each band once': {'bands': ('g', 'g')},
    'zero_point is 22.5; give AB': {'zero_point': 22.5},
    r'flux_unit nmgy, which has 22.50 mag\(AB\)': {'zero_point': 27.0 * u.ABmag},
    'reference is ..; give': {'reference': ''},
    "condition 'seeing', unit 'arcsecs2nd'": {'conditions': {
        'seeing': ConditionColumn('arcsecs2nd', 'seeing')}},
    'let edges rise': {'conditions': {'seeing': ConditionColumn('arcsec', 'seeing', (2, 1))}},
    'number of its bit': {'mask_bits': {'BRIGHT': 128}},
}


def test_home_survey_passes():
    assert all(passed for _, passed, _ in check_plugin('surveys', LEGACY_DR10))


@pytest.mark.parametrize('message', SURVEYS)
def test_broken_survey_is_found(message):
    with pytest.raises(ConformanceError, match=message):
        check_survey(replace(LEGACY_DR10, **SURVEYS[message]))


def test_class_is_no_survey():
    with pytest.raises(ConformanceError, match='register a lensfinder_audit.survey.Survey'):
        check_survey(dict)
