# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Which rows of a table fulfil an expression, such as ``psfsize_r < 1.2 and type in SER, DEV``.

An expression is read by its own small grammar; nothing of it is ever run as code.
"""
import re

import numpy as np

from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.strata import derive, derived_names, inputs_of
from lensfinder_audit.tables import require_columns

__all__ = ['fulfilled', 'column_values']

_CONDITION = re.compile(r'\s*(\w+)\s*(<=|>=|==|!=|=|<|>|\bnot in\b|\bin\b)\s*(.*\S)\s*', re.DOTALL)
_COMPARE = {'<': np.less, '<=': np.less_equal, '>': np.greater, '>=': np.greater_equal,
            '==': np.equal, '=': np.equal, '!=': np.not_equal}

# What is quoted stays whole; "not in" is a comparison and no negation.
_TOKENS = re.compile(r"""('[^']*'|"[^"]*")|(\(|\)|\band\b|\bor\b|\bnot\b(?!\s+in\b))""")
_QUANTILE = re.compile(r'median|q(\d{1,2}(?:\.\d+)?)')

_LONGEST, _DEEPEST = 2000, 30


def fulfilled(table, expression, *, what='the table'):
    """
    Tell which rows fulfil an expression.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Any table. What follows from its columns, such as ``depth_r`` from ``psfdepth_r``
        (see `lensfinder_audit.strata.derived_names`), can be named too.
    expression : str
        Conditions ``COLUMN < VALUE`` (<, <=, >, >=, ==, !=) and ``COLUMN in A, B`` or ``not
        in``, joined by ``and``, ``or``, ``not`` and parentheses. A value can be ``median`` or
        a percentile of the rows of the table, such as ``q25``. A missing value fulfils neither a
        condition nor its opposite.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    rows : (n,) `~numpy.ndarray` of bool
        True where the expression holds.

    Raises
    ------
    ConfigError
        If it cannot be read, or compares words with numbers.
    TableError
        If a column is missing; the nearest one is named.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lensfinder_audit.expressions import fulfilled
    >>> table = QTable({'psfsize_r': [1.1, 1.4, 1.6], 'type': ['SER', 'EXP', 'DEV']})
    >>> print(fulfilled(table, 'psfsize_r <= median and not type == EXP'))
    [ True False False]
    """
    if not isinstance(expression, str) or not expression.strip():
        raise ConfigError(f'an expression on columns is a text such as "psfsize_r < 1.2 and type '
                          f'in SER, DEV"; it is {expression!r}')
    if len(expression) > _LONGEST:
        raise ConfigError(f'an expression has at most {_LONGEST} characters; this one has '
                          f'{len(expression)}')
    parser = _Parser(table, expression, what)
    rows = parser.either(0)
    if parser.rest:
        raise ConfigError(f'the expression {expression!r} cannot be read from {parser.rest[0]!r} '
                          'on')
    return rows == 1


def column_values(table, name, *, what='the table'):
    """
    Return a column, or what follows from other columns, as plain words or numbers.

    Parameters
    ----------
    table : (n,) `~astropy.table.Table`
        Any table.
    name : str
        A column, or one of `~lensfinder_audit.strata.derived_names`.
    what : str, optional
        How a message calls the table.

    Returns
    -------
    values : (n,) `~numpy.ndarray`
        str or float; NaN and empty words are missing.

    Raises
    ------
    TableError
        If there is no such column.
    """
    if name not in table.colnames and inputs_of(name):
        inputs = inputs_of(name)
        if set(inputs) <= set(table.colnames):
            return derive(name, {column: _plain(table[column]) for column in inputs})
    if name not in table.colnames and name not in derived_names():
        require_columns(table, [name], what=what)
    require_columns(table, inputs_of(name) if name not in table.colnames else [name], what=what)
    words = np.asarray(table[name]).dtype.kind in 'USO'
    return np.char.strip(np.asarray(table[name]).astype(str)) if words else _plain(table[name])


class _Parser:
    """
    ``or`` binds least, then ``and``, then ``not``, then parentheses.

    Truth has three values, 0, 1/2 for unknown, and 1: ``and`` is the least of two, ``or``
    the greatest, and ``not`` what is left to 1 (Kleene 1938).
    """

    def __init__(self, table, text, what):
        self.table, self.text, self.what = table, text, what
        self.rest = list(_split(text))

    def either(self, depth):
        """Return the rows of one or more parts joined by ``or``."""
        rows = self.both(depth)
        while self._take('or'):
            rows = np.maximum(rows, self.both(depth))
        return rows

    def both(self, depth):
        """Return the rows of one or more parts joined by ``and``."""
        rows = self.one(depth)
        while self._take('and'):
            rows = np.minimum(rows, self.one(depth))
        return rows

    def one(self, depth):
        """Return the rows of a condition, its opposite, or what stands in parentheses."""
        if depth > _DEEPEST:
            raise ConfigError(f'an expression nests at most {_DEEPEST} parts in each other')
        if self._take('not'):
            return 1 - self.one(depth + 1)
        if self._take('('):
            rows = self.either(depth + 1)
            if not self._take(')'):
                raise ConfigError(f'the expression {self.text!r} lacks a closing parenthesis')
            return rows
        if not self.rest or self.rest[0] in ('and', 'or', ')'):
            where = f'before {self.rest[0]!r}' if self.rest else 'at the end'
            raise ConfigError(f'the expression {self.text!r} lacks a condition {where}')
        return _condition(self.table, self.rest.pop(0), self.what)

    def _take(self, word):
        if self.rest and self.rest[0] == word:
            self.rest.pop(0)
            return True
        return False


def _split(text):
    """Yield conditions and the words and parentheses between them."""
    begin = 0
    for token in _TOKENS.finditer(text):
        if token.group(2):
            if text[begin:token.start()].strip():
                yield text[begin:token.start()].strip()
            yield token.group(2)
            begin = token.end()
    if text[begin:].strip():
        yield text[begin:].strip()


def _condition(table, text, what):
    """Return 1 where a condition holds, 0 where it does not, 1/2 where the value is missing."""
    found = _CONDITION.fullmatch(text)
    if not found:
        raise ConfigError(f'the condition {text!r} cannot be read; write it as COLUMN < VALUE, '
                          'with <, <=, >, >=, ==, != or in')
    name, sign, given = found.groups()
    values = column_values(table, name, what=what)
    words = values.dtype.kind == 'U'
    wanted = [item.strip().strip('\'"') for item in given.split(',')]
    if words and sign not in ('==', '=', '!=', 'in', 'not in'):
        raise ConfigError(f'the condition {text!r} orders the words of {name!r}; use == or in')
    if words:
        _check_words(text, wanted, values)
    else:
        wanted = [_number(item, text, values) for item in wanted]
    if sign in ('in', 'not in'):
        return _truth(np.isin(values, wanted, invert=sign == 'not in'), values)
    if len(wanted) != 1:
        raise ConfigError(f'the condition {text!r} compares with {len(wanted)} values; use in')
    return _truth(_COMPARE[sign](values, wanted[0]), values)


def _truth(rows, values):
    known = values != '' if values.dtype.kind == 'U' else np.isfinite(values)
    return np.where(known, rows, 0.5)


def _check_words(text, wanted, values):
    levels = sorted(set(values.tolist()) - {''})
    for word in wanted:
        if word not in levels and len(levels) <= 20:
            raise ConfigError(f'the condition {text!r} asks for {word!r}; the column holds '
                              f'{levels}.{did_you_mean(word, levels)}')


def _number(word, text, values):
    quantile = _QUANTILE.fullmatch(word)
    if quantile:
        known = values[np.isfinite(values)]
        return np.percentile(known, float(quantile.group(1) or 50)) if len(known) else np.nan
    try:
        return float(word)
    except ValueError as error:
        raise ConfigError(f'the condition {text!r} compares numbers with {word!r}') from error


def _plain(column):
    column = column.filled(np.nan) if hasattr(column, 'filled') else column
    return np.asarray(getattr(column, 'value', column), dtype=float)
