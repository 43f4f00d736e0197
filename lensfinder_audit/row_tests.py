# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests on the columns of a catalogue, as files of rules state them.

Rules of negatives and of votes are made of the same tests, so that one can be
written by who knows the other.
"""
from dataclasses import dataclass
from math import inf

import numpy as np

from lensfinder_audit.exceptions import ConfigError, did_you_mean

__all__ = ['Condition', 'read_condition', 'only_keys']


def _among(values, allowed):
    """Compare each distinct text once; catalogues pad types with blanks."""
    names, where = np.unique(np.asarray(values).astype(str), return_inverse=True)
    return np.isin(np.char.strip(names), [str(item) for item in allowed])[where]


def _has_bits(values, numbers, wanted):
    """A mask that is not known has neither the bits nor lacks them."""
    known = np.isfinite(values)
    mask = np.where(known, values, 0).astype(np.int64)
    return known & (((mask & sum(1 << int(number) for number in numbers)) != 0) == wanted)


# NaN passes none of these but not_in: what is not known is not within a bound.
_TESTS = {
    'min': lambda values, bound: values >= bound, 'max': lambda values, bound: values <= bound,
    'above': lambda values, bound: values > bound, 'below': lambda values, bound: values < bound,
    'finite': lambda values, wanted: np.isfinite(values) == wanted,
    'in': _among, 'not_in': lambda values, names: ~_among(values, names),
    'with_bits': lambda values, bits: _has_bits(values, bits, True),
    'without_bits': lambda values, bits: _has_bits(values, bits, False),
}
_LISTS = {'in', 'not_in', 'with_bits', 'without_bits'}


@dataclass(frozen=True)
class Condition:
    """
    What the columns of an object must fulfil, all of it.

    Parameters
    ----------
    tests : dict of str to dict
        By column: ``min``, ``max`` (inclusive), ``above``, ``below`` (exclusive),
        ``in``, ``not_in``, ``finite``, ``with_bits`` or ``without_bits``, each with
        its value.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.row_tests import Condition
    >>> rule = Condition({'nobs_z': {'min': 3}, 'type': {'in': ['SER', 'DEV']}})
    >>> rule({'nobs_z': np.array([3, 2, 5]), 'type': np.array(['SER', 'SER', 'PSF '])})
    array([ True, False, False])
    """

    tests: dict

    def __call__(self, columns):
        """Return which objects, given as arrays by name, fulfil it."""
        passed = True
        for name, tests in self.tests.items():
            for word, bound in tests.items():
                passed = passed & _TESTS[word](columns[name], bound)
        return np.asarray(passed)

    def bounds(self, column):
        """Return the least and greatest value that a column may have, and whether either fits."""
        tests = self.tests.get(column, {})
        low, low_fits = max((tests.get('min', -inf), True), (tests.get('above', -inf), False),
                            key=lambda item: (item[0], not item[1]))
        high, high_fits = min((tests.get('max', inf), True), (tests.get('below', inf), False),
                              key=lambda item: (item[0], item[1]))
        return low, low_fits, high, high_fits

    def allows(self, column, name):
        """Return whether a class of a column can fulfil it."""
        tests = self.tests.get(column, {})
        return str(name) in {str(item) for item in tests.get('in', [name])} and str(name) not in {
            str(item) for item in tests.get('not_in', ())}


def read_condition(tests, where):
    """
    Check the tests of one condition.

    Parameters
    ----------
    tests : dict of str to dict
        As in the file.
    where : str
        File and place, for messages.

    Returns
    -------
    condition : `Condition`
        Ready to be called.

    Raises
    ------
    ConfigError
        If a test is unknown, or its value cannot be.
    """
    if not isinstance(tests, dict) or not tests:
        raise ConfigError(f'{where}: must give tests by column, such as "nobs_z: {{min: 3}}"; it '
                          f'is {tests!r}')
    for column, words in tests.items():
        if not isinstance(words, dict):
            raise ConfigError(f'{where}: {column}: must be tests such as "{{min: 3}}"; it is '
                              f'{words!r}')
        only_keys(words, _TESTS, f'{where}: {column}')
        for word, bound in words.items():
            _check_bound(word, bound, f'{where}: {column}: {word}')
    return Condition(tests)


def _check_bound(word, bound, where):
    fits = (isinstance(bound, list) and bound if word in _LISTS else isinstance(bound, bool)
            if word == 'finite' else isinstance(bound, int | float) and not isinstance(bound, bool))
    if word.endswith('bits') and fits:
        fits = all(isinstance(bit, int) and 0 <= bit < 63 for bit in bound)
    if not fits:
        wanted = ('a list' if word in _LISTS else 'true or false' if word == 'finite'
                  else 'a number')
        raise ConfigError(f'{where}: must be {wanted}; it is {bound!r}')


def only_keys(values, allowed, where):
    """
    Refuse keys that do not exist.

    Parameters
    ----------
    values : iterable of str
        Keys as given.
    allowed : iterable of str
        Those that exist.
    where : str
        File and place, for the message.

    Raises
    ------
    ConfigError
        Naming the first and the nearest that exists.
    """
    for key in values:
        if key not in allowed:
            raise ConfigError(f'{where}: has an unknown key {key!r}.{did_you_mean(key, allowed)} '
                              f'Keys are {list(allowed)}.')
