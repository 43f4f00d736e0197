# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What a catalogue source promises."""
from functools import cached_property

import numpy as np

from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import CatalogSource
from lensfinder_audit.testing import _core

__all__ = ['check_source', 'SourceCase']


def check_source(source):
    """
    Check that a catalogue source keeps its contract.

    Parameters
    ----------
    source : `~lensfinder_audit.interfaces.CatalogSource`
        The plugin; it is read twice.

    Raises
    ------
    ConformanceError
        If it names no reference, its table does not follow the schema, a
        position is not on the sky, a tier has no reason or two reads differ.
    """
    _core.require(SourceCase(source))


class SourceCase:
    """A source and the table that it reads."""

    def __init__(self, plugin):
        self.plugin = plugin
        self.checks = CHECKS

    @cached_property
    def table(self):
        """The table after the house has checked it."""
        return self.plugin()

    def numbers(self, name):
        """Values of a column as plain floats, or none where there is no such column."""
        column = self.table[name] if name in self.table.colnames else []
        return np.asarray(getattr(column, 'value', column), dtype=float)


def is_a_source(case):
    """It subclasses the interface."""
    _core.require_kind(case, CatalogSource)


def reference_is_given(case):
    """Who published the catalogue."""
    reference = case.plugin.reference
    if not isinstance(reference, str) or not reference.strip():
        raise ConformanceError(f'reference is {reference!r}; give the bibcode, DOI or arXiv number '
                               'of the catalogue')


def table_follows_the_schema(case):
    """Columns, units and allowed values are those of the ``reference`` schema."""
    try:
        case.table
    except Exception as error:
        raise ConformanceError(f'{type(error).__name__}: {error}') from error


def table_has_rows(case):
    """A catalogue without an object is a file that was not found."""
    if not len(case.table):
        raise ConformanceError('read gave a table without rows')


def positions_are_on_the_sky(case):
    """Every object has a right ascension and a declination."""
    bad = ~np.isfinite(case.numbers('ra')) | ~np.isfinite(case.numbers('dec'))
    if bad.any():
        first = np.flatnonzero(bad)[0]
        raise ConformanceError(f'{int(bad.sum())} of {len(bad)} rows have no finite position, the '
                               f'first is row {first}, {case.table["name"][first]!r}; leave out '
                               'objects without a position')


def right_ascension_is_in_degrees(case):
    """Hours, read as degrees, all lie below 24."""
    ra, dec = case.numbers('ra'), case.numbers('dec')
    if len(ra) >= 50 and ra.max() <= 24 and np.ptp(dec) > 60:
        raise ConformanceError(f'all {len(ra)} right ascensions lie below 24 while declinations '
                               f'span {np.ptp(dec):.0f} degrees: these look like hours; multiply '
                               'by 15')


def missing_numbers_are_nan(case):
    """Sentinels such as -1 or 99 are not values."""
    for name in ('theta_e', 'z_lens'):
        values = case.numbers(name)
        bad = np.isinf(values) | (values < 0) | (values == 0 if name == 'theta_e' else values > 20)
        if bad.any():
            raise ConformanceError(f'{name} of {int(bad.sum())} of {len(bad)} rows cannot be, such '
                                   f'as {values[bad][0]:g}; write NaN where it is not known')


def tiers_have_reasons(case):
    """The evidence of each tier is told, object by object."""
    tier, reason = np.asarray(case.table['tier']), np.asarray(case.table['tier_reason'])
    bad = (tier != '') & (np.char.strip(reason.astype(str)) == '')
    if bad.any():
        raise ConformanceError(f'{int(bad.sum())} of {int((tier != "").sum())} objects with a tier '
                               'have no tier_reason; say what the tier rests on')


def lenses_are_no_confusers(case):
    """A lens has no confuser class."""
    if 'confuser_class' not in case.table.colnames:
        return
    bad = np.asarray(case.table['is_lens'], dtype=bool) & (case.table['confuser_class'] != '')
    if bad.any():
        raise ConformanceError(f'{int(bad.sum())} rows are lenses and have a confuser_class; leave '
                               'it empty for lenses')


def reading_again_gives_the_same(case):
    """Two reads give the same objects in the same order."""
    again, names = case.plugin(), case.table['name']
    if len(again) != len(names) or (again['name'] != names).any():
        raise ConformanceError(f'a second read gave {len(again)} rows after {len(names)}, or '
                               'another order; sort the rows')


CHECKS = (is_a_source, _core.api_version_is_known, _core.parameters_are_recorded,
          reference_is_given, table_follows_the_schema, table_has_rows, positions_are_on_the_sky,
          right_ascension_is_in_degrees, missing_numbers_are_nan, tiers_have_reasons,
          lenses_are_no_confusers, reading_again_gives_the_same)
