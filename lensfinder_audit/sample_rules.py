# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The rules of a sample of negatives: cuts, strata, confuser families, ratios.

They are a YAML file that anyone can change. These ship with the package:
``paper4``, the published one, and ``all``, with type EXP; ``conditions`` shows strata
of seeing, depth and reddening; ``artefacts`` keeps what the masks of the others cut.
"""
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path

from lensfinder_audit.exceptions import ConfigError, did_you_mean
from lensfinder_audit.preset_files import read_preset
from lensfinder_audit.row_tests import only_keys, read_condition

__all__ = ['SampleRules', 'load_rules', 'PRESETS']

#: Names of the rules that ship with the package.
PRESETS = ('paper4', 'all', 'conditions', 'artefacts')

_SECTIONS = {'cuts': dict, 'exclusion_radius': (int, float), 'strata': dict, 'confusers': dict,
             'sampling': dict, 'columns': dict, 'keep': list}
_SAMPLING = ('negatives_per_positive', 'confuser_fraction')


@dataclass(frozen=True)
class SampleRules:
    """
    How negatives are pooled and sampled.

    Parameters
    ----------
    name : str
        Of the preset or file.
    cuts : dict of str to `~lensfinder_audit.row_tests.Condition`
        Applied in this order.
    exclusion_radius : float
        Objects nearer than this to a known lens or candidate are left out, arcsec.
    strata : dict of str to list
        Edges, lower ones inclusive, or classes, by column.
    confusers : dict of str to list of `~lensfinder_audit.row_tests.Condition`
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
    found, label, _ = read_preset(source, 'negatives', PRESETS, what='rules', begins='cuts')
    for key, value in found.items():
        if key not in _SECTIONS:
            raise ConfigError(f'{label}: has an unknown key {key!r}.'
                              f'{did_you_mean(key, _SECTIONS)} Keys are {list(_SECTIONS)}.')
        if not isinstance(value, _SECTIONS[key]) or isinstance(value, bool):
            raise ConfigError(f'{label}: {key} cannot be {value!r}')
    return _rules(found, label)


def _rules(found, label):
    sampling = found.get('sampling', {})
    only_keys(sampling, _SAMPLING, f'{label}: sampling')
    for name, value in sampling.items():
        top = 1 if name == 'confuser_fraction' else inf
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= top:
            raise ConfigError(f'{label}: sampling: {name} must lie between 0 and {top}; it is '
                              f'{value!r}')
    radius = found.get('exclusion_radius', 0.0)
    if not 0 <= radius <= 3600:
        raise ConfigError(f'{label}: exclusion_radius must lie between 0 and 3600 arcsec; it is '
                          f'{radius}')
    cuts = {name: read_condition(tests, f'{label}: cuts: {name}')
            for name, tests in found.get('cuts', {}).items()}
    confusers = {name: [read_condition(tests, f'{label}: confusers: {name}') for tests in
                        _list(rules, f'{label}: confusers: {name}')]
                 for name, rules in found.get('confusers', {}).items()}
    strata = {name: _axis(_list(values, f'{label}: strata: {name}'), f'{label}: strata: {name}')
              for name, values in found.get('strata', {}).items()}
    return SampleRules(label if label in PRESETS else Path(label).name, cuts, float(radius), strata,
                       confusers, **sampling, columns=found.get('columns', {}),
                       keep=found.get('keep', []))


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
