# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Headings of tables for a paper: what a column is, its band and its unit, in mathematics."""
from astropy import units as u

from lensfinder_audit.report.tex import escape, number
from lensfinder_audit.vocabulary import column_words

__all__ = ['heading', 'unit_tex', 'between', 'region_tex']

_SYMBOLS = {'theta_e': '$\\theta_\\mathrm{E}$', 'arc_snr': 'Arc $S/N$', 'ebv': '$E(B-V)$',
            'nobs': '$n_\\mathrm{exp}$', 'psfsize': 'PSF FWHM', 'psfdepth': 'PSF depth',
            'galdepth': 'Galaxy depth', 'depth': '$5\\sigma$ depth',
            'source_mag': '$m_\\mathrm{source}$', 'lensed_mag': '$m_\\mathrm{lensed}$',
            'z_lens': '$z_\\mathrm{lens}$', 'type': 'Tractor type',
            'confuser_class': 'Confuser family', 'grade': 'Grade'}


def heading(name, unit=None):
    """
    Name a column, with its band and its unit in mathematics.

    Parameters
    ----------
    name : str
        Column.
    unit : `~astropy.units.Unit` or str, optional
        Its unit.

    Returns
    -------
    tex : str
        Such as ``PSF FWHM, $r$ ($\\mathrm{arcsec}$)``; a column that is not known keeps its
        name, escaped and with spaces.
    """
    stem, _, band = name.rpartition('_')
    if name in _SYMBOLS:
        words = _SYMBOLS[name]
    elif stem in _SYMBOLS and band.isalpha():
        words = f'{_SYMBOLS[stem]}, ${escape(band)}$'
    else:
        words = escape(column_words(name).capitalize() if name.islower() else column_words(name))
    unit = unit_tex(unit)
    return f'{words} ({unit})' if unit else words


def unit_tex(unit):
    """Write a unit in mathematics; one that is not known is escaped."""
    text = str(unit or '')
    if not text:
        return ''
    try:
        unit = u.Unit(text)
    except (ValueError, TypeError):
        return escape(text)
    if text in ('arcsec', 'mag', 'deg'):
        return f'$\\mathrm{{{text}}}$'
    if text == 'mag(AB)':
        return '$\\mathrm{mag_{AB}}$'
    return unit.to_string('latex_inline')


def between(low, high, unit=None):
    """Write the two ends of a bin, with a unit where it is given."""
    unit = unit_tex(unit).strip('$')
    after = f'$\\,{unit}$'.replace('$$', '$') if unit else ''
    if abs(low) == float('inf'):
        return f'below {number(high)}{after}'
    if abs(high) == float('inf'):
        return f'{number(low)} and more{after}'
    return f'{number(low)} to {number(high)}{after}'


def region_tex(row):
    """Name a region of a verdict by its axis, its two ends and its unit."""
    axis = str(row['axis']) if 'axis' in row.colnames else ''
    if not axis:
        return escape(row['region']).capitalize()
    low, high = float(row['low']), float(row['high'])
    if low == low and high == high:
        return f'{heading(axis)}: {between(low, high, row["unit"])}'
    return f'{heading(axis)}: {escape(str(row["region"]).removeprefix(axis).strip())}'
