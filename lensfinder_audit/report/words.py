# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Numbers, written for people."""
from unicodedata import category

import numpy as np

__all__ = ['count', 'number', 'with_interval', 'interval', 'clean', 'listed', 'percent']

_SUPERSCRIPT = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')
_SPACE = '\N{NARROW NO-BREAK SPACE}'

#: Below this, a fraction and its interval share a power of ten.
_SMALL = 1e-3


def count(value):
    """
    Write a count, thousands apart by thin spaces.

    Examples
    --------
    >>> from lensfinder_audit.report.words import count
    >>> count(446893).split()
    ['446', '893']
    """
    return f'{int(value):,}'.replace(',', _SPACE)


def number(value, *, digits=4):
    """
    Write a number to some significant digits.

    Parameters
    ----------
    value : float
        NaN gives a dash.
    digits : int, optional
        Significant digits.

    Returns
    -------
    words : str
        Such as ``'0.0123'`` or ``'1.2 × 10⁻⁵'``.
    """
    if np.isnan(value):
        return '–'
    if np.isinf(value):
        return '∞' if value > 0 else '−∞'
    if value == int(value) and abs(value) < 1e15:
        return count(value).replace('-', '−')
    if 1e-4 <= abs(value) < 1e6:
        return f'{value:.{digits}g}'.replace('-', '−') if abs(value) < 1000 else count(round(value))
    mantissa, _, exponent = f'{value:.{max(digits - 2, 1)}e}'.partition('e')
    return f'{mantissa.replace("-", "−")} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}'


def percent(confidence):
    """Return a confidence in words, such as ``'95 %'``."""
    return f'{100 * confidence:g} %'


def interval(low, high):
    """
    Write an interval with as many decimals as its width deserves.

    Examples
    --------
    >>> from lensfinder_audit.report.words import interval
    >>> interval(0.8216, 0.9381)
    '[0.822, 0.938]'
    """
    if not np.isfinite(low) and not np.isfinite(high):
        return '–'
    if not (np.isfinite(low) and np.isfinite(high)):
        return f'[{number(low)}, {number(high)}]'
    if low == high:
        return number(low)
    if low > 0 and float(f'{low:.{_n_decimals(low, high)}f}') == 0 and high >= _SMALL:
        return f'[{number(low, digits=2)}, {number(high, digits=2)}]'
    scale, power = _power(max(abs(low), abs(high)))
    ends = ', '.join(_decimals(end * scale, _n_decimals(low * scale, high * scale))
                     for end in (low, high))
    return f'[{ends}]{power}'


def with_interval(estimate, low=np.nan, high=np.nan):
    """
    Write an estimate with its interval.

    Parameters
    ----------
    estimate, low, high : float
        NaN ends leave the interval out; a NaN estimate gives a dash.

    Returns
    -------
    words : str
        Small numbers share one power of ten.

    Examples
    --------
    >>> from lensfinder_audit.report.words import with_interval
    >>> with_interval(0.8929, 0.8216, 0.9381)
    '0.893 [0.822, 0.938]'
    >>> print(with_interval(7.784e-5, 5.74e-5, 1.056e-4))
    (7.8 [5.7, 10.6]) × 10⁻⁵
    """
    if np.isnan(estimate):
        return '–'
    if not (np.isfinite(estimate) and np.isfinite(low) and np.isfinite(high)):
        known = not (np.isnan(low) or np.isnan(high))
        return number(estimate) + (f' [{number(low)}, {number(high)}]' if known else '')
    if low == high == estimate:
        return number(estimate)
    if low > 0 and float(f'{low:.{_n_decimals(low, high)}f}') == 0 and high >= _SMALL:
        return '{} [{}, {}]'.format(*(number(value, digits=2) for value in (estimate, low, high)))
    scale, power = _power(abs(estimate) if estimate else max(abs(low), abs(high)),
                          largest=max(abs(low), abs(high), abs(estimate)))
    decimals = _n_decimals(low * scale, high * scale)
    words = '{} [{}, {}]'.format(*(_decimals(value * scale, decimals)
                                   for value in (estimate, low, high)))
    return f'({words}){power}' if power else words


def _power(size, *, largest=None):
    """Return the factor that brings small numbers to 1, and its power of ten in words."""
    if size == 0 or (largest or size) >= _SMALL:
        return 1.0, ''
    exponent = int(np.floor(np.log10(size)))
    return 10.0**-exponent, f' × 10{str(exponent).translate(_SUPERSCRIPT)}'


def _n_decimals(low, high):
    half = (high - low) / 2
    return int(np.clip(np.ceil(-np.log10(half)) + 1, 1, 8)) if half > 0 else 4


def _decimals(value, decimals):
    return f'{value:.{decimals}f}'.replace('-', '−')


def listed(items):
    """
    Join words as a sentence does.

    Examples
    --------
    >>> from lensfinder_audit.report.words import listed
    >>> listed(['a', 'b', 'c'])
    'a, b and c'
    """
    items = [str(item) for item in items]
    return items[0] if len(items) == 1 else ' and '.join(filter(None, [', '.join(items[:-1]),
                                                                       *items[-1:]]))


def clean(text):
    """Replace characters that no page should hold: controls, and those that turn the text."""
    text = str(text)
    if text.isprintable():
        return text
    return ''.join('\N{REPLACEMENT CHARACTER}' if category(letter) in ('Cc', 'Cf', 'Cs')
                   and letter not in '\n\t' else letter for letter in text)
