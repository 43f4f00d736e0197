# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The rules of a sample of negatives: cuts, strata, confuser families, ratios.

They are a YAML file that anyone can change. Two sets ship with the package:
``paper4``, the published one, and ``all``, with type EXP; ``conditions`` shows strata
of seeing, depth and reddening.
"""
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from math import inf
from pathlib import Path

import numpy as np

from lensfinder_audit.exceptions import ConfigError, did_you_mean

__all__ = ['SampleRules', 'Condition', 'load_rules', 'PRESETS']

#: Names of the rules that ship with the package.
PRESETS = ('paper4', 'all', 'conditions')

_FOLDER = 'lensfinder_audit.data'
_SECTIONS = {'cuts': dict, 'exclusion_radius': (int, float), 'strata': dict, 'confusers': dict,
             'sampling': dict, 'columns': dict, 'keep': list}
_SAMPLING = ('negatives_per_positive', 'confuser_fraction')


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
    >>> from lensfinder_audit.sample_rules import Condition
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


@dataclass(frozen=True)
class SampleRules:
    """
    How negatives are pooled and sampled.

    Parameters
    ----------
    name : str
        Of the preset or file.
    cuts : dict of str to `Condition`
        Applied in this order.
    exclusion_radius : float
        Objects nearer than this to a known lens or candidate are left out, arcsec.
    strata : dict of str to list
        Edges, lower ones inclusive, or classes, by column.
    confusers : dict of str to list of `Condition`
        An object is of a family that one of its conditions fits (N2); an object of
        none is N1.
    negatives_per_positive, confuser_fraction : float
        Negatives in a stratum, and the N2 among them.
    columns : dict of str to str, optional
        Names in the files, where they are other ones.
    keep : list of str, optional
        Further columns to carry into the sample.
    """

    name: str
    cuts: dict
    exclusion_radius: float
    strata: dict
    confusers: dict
    negatives_per_positive: float = 100.0
    confuser_fraction: float = 0.15
    columns: dict = field(default_factory=dict)
    keep: list = field(default_factory=list)

    def used_columns(self):
        """
        Return the columns that the rules look at, with what for.

        Returns
        -------
        columns : dict of str to str
            Use by column.
        """
        used = {'ra': 'position', 'dec': 'position'}
        for name, rule in self.cuts.items():
            used.update({column: f'cut {name!r}' for column in rule.tests if column not in used})
        for family, rules in self.confusers.items():
            for rule in rules:
                used.update({column: f'confuser family {family!r}' for column in rule.tests
                             if column not in used})
        used.update({column: 'strata' for column in self.strata if column not in used})
        return used | {column: 'keep' for column in self.keep if column not in used}

    def numeric_columns(self):
        """Return the columns that are compared with numbers."""
        conditions = [*self.cuts.values(), *(rule for rules in self.confusers.values()
                                             for rule in rules)]
        found = [name for rule in conditions for name, tests in rule.tests.items()
                 if set(tests) - {'in', 'not_in'}]
        found += [name for name, values in self.strata.items() if not isinstance(values[0], str)]
        return list(dict.fromkeys(found))

    def as_dict(self):
        """Return the rules as plain values, to compare and to record."""
        return asdict(self)


def load_rules(source):
    """
    Read rules from a preset or a YAML file.

    Parameters
    ----------
    source : str or `~pathlib.Path`
        One of `PRESETS`, or a file.

    Returns
    -------
    rules : `SampleRules`
        Checked.

    Raises
    ------
    ConfigError
        If the file cannot be read, has an unknown key or a value that cannot be.

    Examples
    --------
    >>> from lensfinder_audit.sample_rules import load_rules
    >>> rules = load_rules('paper4')
    >>> rules.exclusion_radius, rules.cuts['type'].tests
    (11.0, {'type': {'in': ['SER', 'DEV', 'REX']}})
    """
    path = Path(source)
    if str(source) in PRESETS:
        text, label = (files(_FOLDER) / f'negatives_{source}.yaml').read_text(), str(source)
    else:
        text, label = _read(path), str(path)
    found = _parse(text, label)
    for key, value in found.items():
        if key not in _SECTIONS:
            raise ConfigError(f'{label}: has an unknown key {key!r}.'
                              f'{did_you_mean(key, _SECTIONS)} Keys are {list(_SECTIONS)}.')
        if not isinstance(value, _SECTIONS[key]) or isinstance(value, bool):
            raise ConfigError(f'{label}: {key} cannot be {value!r}')
    return _rules(found, label)


def _read(path):
    if not path.is_file():
        raise ConfigError(f'{path}: there is no such file or preset. Presets are {list(PRESETS)}.'
                          f'{did_you_mean(path.name, PRESETS)}')
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path}: cannot be read: {error}') from error


def _parse(text, label):
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        place = f' at line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise ConfigError(f'{label}: is not YAML{place}: {getattr(error, "problem", error)}'
                          ) from error
    if not isinstance(found, dict):
        raise ConfigError(f'{label}: holds no rules; it should begin with "cuts:"')
    return found


def _rules(found, label):
    sampling = found.get('sampling', {})
    _only(sampling, _SAMPLING, f'{label}: sampling')
    for name, value in sampling.items():
        top = 1 if name == 'confuser_fraction' else inf
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= top:
            raise ConfigError(f'{label}: sampling: {name} must lie between 0 and {top}; it is '
                              f'{value!r}')
    radius = found.get('exclusion_radius', 0.0)
    if not 0 <= radius <= 3600:
        raise ConfigError(f'{label}: exclusion_radius must lie between 0 and 3600 arcsec; it is '
                          f'{radius}')
    cuts = {name: _condition(tests, f'{label}: cuts: {name}')
            for name, tests in found.get('cuts', {}).items()}
    confusers = {name: [_condition(tests, f'{label}: confusers: {name}') for tests in
                        _list(rules, f'{label}: confusers: {name}')]
                 for name, rules in found.get('confusers', {}).items()}
    strata = {name: _axis(_list(values, f'{label}: strata: {name}'), f'{label}: strata: {name}')
              for name, values in found.get('strata', {}).items()}
    return SampleRules(label if label in PRESETS else Path(label).name, cuts, float(radius), strata,
                       confusers, **sampling, columns=found.get('columns', {}),
                       keep=found.get('keep', []))


def _condition(tests, where):
    if not isinstance(tests, dict) or not tests:
        raise ConfigError(f'{where}: must give tests by column, such as "nobs_z: {{min: 3}}"; it '
                          f'is {tests!r}')
    for column, words in tests.items():
        if not isinstance(words, dict):
            raise ConfigError(f'{where}: {column}: must be tests such as "{{min: 3}}"; it is '
                              f'{words!r}')
        _only(words, _TESTS, f'{where}: {column}')
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


def _axis(values, where):
    if all(isinstance(value, str) for value in values):
        if len(set(values)) == len(values):
            return values
        raise ConfigError(f'{where}: names a class twice: {values}')
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool)
                  for value in values)
    if not numeric or len(values) < 2 or any(b <= a for a, b in zip(values, values[1:],
                                                                    strict=False)):
        raise ConfigError(f'{where}: must be classes, or rising edges (.inf is allowed); it is '
                          f'{values}')
    return [float(value) for value in values]


def _list(values, where):
    if not isinstance(values, list) or not values:
        raise ConfigError(f'{where}: must be a list; it is {values!r}')
    return values


def _only(values, allowed, where):
    for key in values:
        if key not in allowed:
            raise ConfigError(f'{where}: has an unknown key {key!r}.{did_you_mean(key, allowed)} '
                              f'Keys are {list(allowed)}.')
