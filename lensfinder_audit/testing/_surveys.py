# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What the description of a survey promises."""
import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.survey import Survey
from lensfinder_audit.testing import _core

__all__ = ['check_survey', 'SurveyCase']


def check_survey(survey):
    """
    Check that the description of a survey is complete.

    Parameters
    ----------
    survey : `~lensfinder_audit.survey.Survey`
        The plugin.

    Raises
    ------
    ConformanceError
        If bands, pixel scale, zero points, condition columns or mask bits are
        missing or cannot be.

    Examples
    --------
    >>> from lensfinder_audit.surveys.legacy_dr10 import LEGACY_DR10
    >>> from lensfinder_audit.testing import check_survey
    >>> check_survey(LEGACY_DR10)
    """
    _core.require(SurveyCase(survey))


class SurveyCase:
    """The description of a survey."""

    def __init__(self, plugin):
        self.plugin = plugin
        self.checks = CHECKS


def is_a_survey(case):
    """It is an object, not a class."""
    if not isinstance(case.plugin, Survey):
        raise ConformanceError(f'it is {case.plugin!r}; register a lensfinder_audit.survey.Survey')


def name_and_reference_are_given(case):
    """Who made the survey, and which release."""
    for what in ('name', 'reference'):
        value = getattr(case.plugin, what)
        if not isinstance(value, str) or not value.strip():
            raise ConformanceError(f'{what} is {value!r}; give the survey and release, and its '
                                   'bibcode, DOI or arXiv number')


def bands_are_given_once(case):
    """In the order in which stacks hold them."""
    bands = case.plugin.bands
    if not isinstance(bands, tuple) or not bands or len(set(bands)) < len(bands):
        raise ConformanceError(f"bands is {bands!r}; give a tuple with each band once")


def pixel_scale_is_an_angle(case):
    """Angle per pixel, with its unit."""
    scale = case.plugin.pixel_scale
    good = isinstance(scale, u.Quantity) and scale.isscalar and scale.unit.is_equivalent('arcsec')
    if not good or not 0.001 < scale.to_value(u.arcsec) < 60:
        raise ConformanceError(f'pixel_scale is {scale!r}; give the angle per pixel, such as '
                               '0.262 * astropy.units.arcsec')


def zero_point_fits_the_flux_unit(case):
    """Unit flux has the magnitude that is told, where astropy knows the unit."""
    zero_point, unit = case.plugin.zero_point, case.plugin.flux_unit
    if getattr(zero_point, 'unit', None) != u.ABmag:
        raise ConformanceError(f'zero_point is {zero_point!r}; give AB magnitudes, such as '
                               '22.5 * astropy.units.ABmag')
    if not u.Unit(unit).is_equivalent(u.mgy):
        return
    expected = -2.5 * np.log10(u.Unit(unit).to(u.mgy))
    if abs(zero_point.value - expected) > 0.01:
        raise ConformanceError(f'zero_point is {zero_point} and flux_unit {unit}, which has '
                               f'{expected:.2f} mag(AB); change one of them')


def electron_zero_points_are_given_for_each_band(case):
    """Shot noise needs a gain in every band."""
    points, bands = case.plugin.electron_zero_points, case.plugin.bands
    missing, strange = [b for b in bands if b not in points], sorted(set(points) - set(bands))
    if missing or strange:
        raise ConformanceError(f'electron_zero_points lacks {missing} and has {strange} that are '
                               f'no bands; give one for each of {bands}')
    for band, value in points.items():
        if not 15 < float(value) < 35:
            raise ConformanceError(f'electron_zero_points[{band!r}] is {value}; it is the AB '
                                   'magnitude that gives 1 electron per second, 20 to 30 for '
                                   'telescopes of 1 to 10 m')


def gain_can_be_derived(case):
    """Electrons per flux are positive in every band."""
    for band in case.plugin.bands:
        gain = case.plugin.electrons_per_flux(band, 60 * u.s)
        if not gain.value > 0:
            raise ConformanceError(f'electrons_per_flux({band!r}) is {gain}')


def condition_columns_have_units(case):
    """Each unit can be read; published edges rise."""
    for name, column in case.plugin.conditions.items():
        try:
            u.Unit(column.unit)
        except ValueError as error:
            raise ConformanceError(f'condition {name!r}, unit {column.unit!r}: {error}') from error
        if not column.description or (np.diff(column.published_edges) <= 0).any():
            raise ConformanceError(f'condition {name!r} has description {column.description!r} and '
                                   f'edges {column.published_edges}; describe it, let edges rise')


def mask_bits_are_numbers(case):
    """Bit numbers, not masks."""
    bits = case.plugin.mask_bits
    bad = {name: bit for name, bit in bits.items() if not 0 <= bit < 64}
    if bad or len(set(bits.values())) < len(bits):
        raise ConformanceError(f'mask_bits holds {bad or bits}; give each the number of its bit, '
                               '0 to 63, once')


def can_be_sent(case):
    """It survives pickling."""
    _core.revived(case.plugin)


CHECKS = (is_a_survey, name_and_reference_are_given, bands_are_given_once, pixel_scale_is_an_angle,
          zero_point_fits_the_flux_unit, electron_zero_points_are_given_for_each_band,
          gain_can_be_derived, condition_columns_have_units, mask_bits_are_numbers, can_be_sent)
