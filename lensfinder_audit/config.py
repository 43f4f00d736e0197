# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The options of an audit, and the YAML file that repeats it."""
from dataclasses import dataclass, field, fields
from math import inf
from pathlib import Path

from lensfinder_audit.exceptions import ConfigError, InputFileError, did_you_mean
from lensfinder_audit.files import sha256
from lensfinder_audit.interfaces import SCORE_KINDS
from lensfinder_audit.measure.intervals import INTERVALS

__all__ = ['AuditOptions', 'InputFile', 'load_config', 'dump_config', 'nested_options']

_HEADER = ('# Repeats the audit: lensfinder-audit audit --config audit.yaml -o DIR\n'
           '# File names are relative to this file; a file that changed is refused.\n')


@dataclass(frozen=True)
class InputFile:
    """
    A file that an audit reads.

    Parameters
    ----------
    path : `~pathlib.Path`
        Where it is.
    sha256 : str
        Its checksum; empty for a plugin, of which the path is the name.
    finder : str, optional
        The finder that injections are of, where there are several.
    """

    path: Path
    sha256: str
    finder: str = ''

    @classmethod
    def of(cls, path, *, finder=''):
        """Take the checksum of a file, a cutout store or the injections in a folder."""
        path = Path(path)
        if (path / 'store.json').is_file():
            from lensfinder_audit.cutouts import CutoutStore
            return cls(path, CutoutStore(path).checksum(), finder)
        file = path / 'injections.parquet' if path.is_dir() else path
        if not file.is_file():
            raise InputFileError(f'{path}: there is no such file')
        return cls(path, sha256(file), finder)


@dataclass
class AuditOptions:
    """
    Everything that an audit can be told.

    Parameters
    ----------
    columns, negatives_columns : dict of str to str, optional
        Column of each role (see `lensfinder_audit.scoretable.ROLES`) in the score
        table; and, in the table of negatives, the column that takes the place of
        a role, a finder or a score column.
    constants : dict of str to str, optional
        Roles that have one value for all lenses, such as
        ``{'discovery_method': 'CNN'}``.
    finders : dict of str to str, optional
        Score column of each finder.
    score_kind : str, optional
        ``'probability'``, ``'logit'`` or ``'rank'``; ``''`` guesses it.
    lower_is_better : bool, optional
        Whether a low score is the lens-like one; scores then enter with their
        sign changed.
    match_radius : float, optional
        Greatest separation for conditions, in arcsec.
    thresholds, fprs, top_percents, budgets : list of float, optional
        Operating points. Without any: FPR 0.01 and 0.001.
    search_size : float, optional
        Number of objects that budgets are taken from.
    by : list of str, optional
        Axes; ``'a,b'`` is a surface.
    bins : dict of str to list or str, optional
        Edges, classes, ``'quantile'`` or ``'published'`` by axis.
    possible : dict of str to list, optional
        What the selection of the sample lets in, by axis: two ends of a range,
        or classes.
    prevalence : float, optional
        Fraction of lenses among the objects searched.
    interval : str, optional
        Binomial interval by name.
    confidence : float, optional
        Confidence of all intervals.
    group : str, optional
        Column resampled together, or ``healpix:NSIDE``.
    min_groups : int, optional
        A cell that rests on fewer groups is unsupported.
    n_resamples : int, optional
        Number of bootstrap resamples.
    seed : int, optional
        Seed of the bootstrap.
    survey : str, optional
        Survey plugin that knows the condition columns.
    exclude_training : bool, optional
        Leave out objects that the finder was trained on.
    limits : dict of str to float, optional
        Where checks begin to speak, as `~lensfinder_audit.findings.Limits` names them.
    purity : dict of str to list of float, optional
        Least and greatest fraction of a tier that are lenses.
    sensitivity : bool, optional
        Audit again under other choices, and list the conclusions that flip.
    title : str, optional
        Title of the report.
    """

    columns: dict = field(default_factory=dict)
    negatives_columns: dict = field(default_factory=dict)
    constants: dict = field(default_factory=dict)
    finders: dict = field(default_factory=dict)
    score_kind: str = ''
    lower_is_better: bool = False
    match_radius: float = 1.0
    thresholds: list = field(default_factory=list)
    fprs: list = field(default_factory=list)
    top_percents: list = field(default_factory=list)
    budgets: list = field(default_factory=list)
    search_size: float | None = None
    by: list = field(default_factory=list)
    bins: dict = field(default_factory=dict)
    possible: dict = field(default_factory=dict)
    prevalence: float | None = None
    interval: str = 'wilson'
    confidence: float = 0.95
    group: str | None = None
    min_groups: int = 10
    n_resamples: int = 10000
    seed: int = 0
    survey: str = 'legacy_dr10'
    exclude_training: bool = False
    limits: dict = field(default_factory=dict)
    purity: dict = field(default_factory=dict)
    sensitivity: bool = False
    title: str = ''

    def __post_init__(self):
        for item in fields(self):
            _check_type(item.name, getattr(self, item.name), item.type)
        self._check_words()
        _check_fraction('confidence', self.confidence)
        if self.prevalence is not None:
            _check_fraction('prevalence', self.prevalence)
        for name, least in (('min_groups', 1), ('n_resamples', 100), ('seed', 0)):
            if getattr(self, name) < least:
                raise ConfigError(f'{name} must be {least} or more; it is {getattr(self, name)}')
        for name in ('match_radius', 'search_size'):
            value = getattr(self, name)
            if value is not None and not 0 < value < inf:
                raise ConfigError(f'{name} must be a finite number above 0; it is {value}')

    def _check_words(self):
        for name, allowed in (('score_kind', ('', *SCORE_KINDS)), ('interval', INTERVALS)):
            value = getattr(self, name)
            if value not in allowed:
                allowed = [item for item in allowed if item]
                raise ConfigError(f'there is no {name} {value!r}; there are {allowed}.'
                                  f'{did_you_mean(value, allowed)}')
        axes = [name.strip() for item in self.by for name in item.split(',')]
        for option in ('bins', 'possible'):
            for name in getattr(self, option):
                if name not in axes:
                    raise ConfigError(f'{option} are given for {name!r}, which is no axis; axes '
                                      f'are {axes}, named with --by.{did_you_mean(name, axes)}')

    @classmethod
    def of(cls, **options):
        """Make options from keywords, naming the nearest one of an unknown keyword."""
        known = [item.name for item in fields(cls)]
        for name in options:
            if name not in known:
                raise ConfigError(f'there is no option {name!r}.{did_you_mean(name, known)} '
                                  f'Options are {known}.')
        return cls(**{name: _plain(value) for name, value in options.items()})


# The sections of the file; an option stands in one of them.
_SECTIONS = {
    'columns': None, 'negatives_columns': None, 'constants': None, 'finders': None,
    'scores': ('score_kind', 'lower_is_better', 'exclude_training'),
    'operating_points': ('thresholds', 'fprs', 'top_percents', 'budgets', 'search_size',
                         'prevalence'),
    'axes': ('by', 'bins', 'possible', 'survey', 'match_radius'),
    'statistics': ('interval', 'confidence', 'group', 'min_groups', 'n_resamples', 'seed'),
    'findings': ('limits', 'purity', 'sensitivity'),
    'report': ('title',),
}
_INPUTS = ('scores', 'negatives', 'conditions', 'known', 'store', 'injections', 'model',
           'checkpoint', 'frozen')
_ROLES_OF_ONE = tuple(role for role in _INPUTS if role not in ('conditions', 'known',
                                                               'injections'))


def nested_options(options):
    """
    Arrange options in the sections of the file.

    Parameters
    ----------
    options : `AuditOptions`
        Any options.

    Returns
    -------
    nested : dict
        Sections by name.
    """
    return {section: getattr(options, section) if names is None
            else {name: getattr(options, name) for name in names}
            for section, names in _SECTIONS.items()}


def dump_config(options, inputs, folder, *, example=False, command=''):
    """
    Write the YAML that repeats an audit.

    Parameters
    ----------
    options : `AuditOptions`
        The options.
    inputs : dict of str to list of `InputFile`
        Files by role, such as ``'scores'``, ``'negatives'``, ``'known'`` and ``'store'``.
    folder : str or `~pathlib.Path`
        Folder in which the file will stand.
    example : bool, optional
        Whether the scores are the example that ships with the package.
    command : str, optional
        The command line that was given, for readers; it is not read again.

    Returns
    -------
    text : str
        The file.
    """
    import os

    import yaml

    def told(item):
        if not item.sha256:
            return {'plugin': str(item.path)}
        return {'file': os.path.relpath(item.path.resolve(), Path(folder).resolve()),
                'sha256': item.sha256, **({'finder': item.finder} if item.finder else {})}

    files = {role: [told(item) for item in found] for role, found in inputs.items() if found}
    if example:
        files['example'] = True
    head = {'command': command} if command else {}
    return _HEADER + yaml.safe_dump({**head, 'inputs': files, **nested_options(options)},
                                    sort_keys=False, allow_unicode=True, default_flow_style=None)


def load_config(path, *, replaced=()):
    """
    Read the YAML of an audit.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The file.
    replaced : iterable of str, optional
        Roles of files that are not read, because others take their place.

    Returns
    -------
    options : dict
        Keywords of `AuditOptions`.
    inputs : dict of str to list of `InputFile`
        Files by role; without scores where these are the example.

    Raises
    ------
    ConfigError
        If the file cannot be read, holds an unknown key, or an input changed.
    """
    path = Path(path)
    found = _read_yaml(path)
    allowed = ['command', 'inputs', *_SECTIONS]
    _check_keys(found, allowed, path, 'the file')
    options = {}
    for section, names in _SECTIONS.items():
        values = found.get(section) or {}
        _check_keys(values, names, path, f'section {section!r}')
        if names is not None:
            options.update(values)
        elif values:
            options[section] = values
    inputs = found.get('inputs') or {}
    _check_keys(inputs, (*_INPUTS, 'example'), path, "section 'inputs'")
    if 'scores' not in replaced and not inputs.get('scores') and inputs.get('example') is not True:
        raise ConfigError(f'{path}: inputs name no scores; add "scores: [{{file: NAME}}]", or name '
                          'the table on the command line')
    return options, {role: [] if role in replaced else _input_files(inputs.get(role), path, role)
                     for role in _INPUTS}


def _read_yaml(path):
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path}: cannot be read: {error}') from error
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        place = f' at line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        reason = getattr(error, 'problem', error)
        raise ConfigError(f'{path}: is not YAML{place}: {reason}') from error
    if not isinstance(found, dict):
        raise ConfigError(f'{path}: holds no sections; it should begin with "inputs:"')
    return found


def _check_keys(values, allowed, path, what):
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: {what} must hold keys and values, not {values!r}')
    for key in values:
        if allowed is not None and key not in allowed:
            raise ConfigError(f'{path}: {what} has an unknown key {key!r}.'
                              f'{did_you_mean(key, allowed)} Keys are {list(allowed)}.')


def _input_files(items, path, role):
    items = [] if items is None else items
    if not isinstance(items, list) or (role in _ROLES_OF_ONE and len(items) > 1):
        raise ConfigError(f'{path}: inputs, {role}: must be a list of '
                          f'{"one file" if role in _ROLES_OF_ONE else "files"}, such as '
                          f'"[{{file: NAME}}]"; it is {items!r}')
    return [_input(item, path, role) for item in items]


def _input(item, path, role):
    if role == 'model' and isinstance(item, dict) and list(item) == ['plugin']:
        return InputFile(Path(str(item['plugin'])), '')
    if not isinstance(item, dict) or not isinstance(item.get('file'), str):
        raise ConfigError(f"{path}: inputs, {role}: each entry needs 'file'; it is {item!r}")
    keys = ('file', 'sha256', *(('finder',) if role == 'injections' else ()))
    _check_keys(item, keys, path, f'inputs, {role}')
    found = InputFile.of(path.parent / item['file'], finder=str(item.get('finder', '')))
    if item.get('sha256') not in (None, found.sha256):
        now, then = found.sha256[:12], str(item['sha256'])[:12]
        raise ConfigError(f'{path}: {found.path} has changed: its sha256 is {now}..., not {then}'
                          '...; restore it, or take the sha256 line out '
                          'to audit it as it is now')
    return found


def _check_fraction(name, value):
    if not 0 < value < 1:
        near = f' Did you mean {value / 100:g}?' if 1 < value < 100 else ''
        raise ConfigError(f'{name} must lie between 0 and 1; it is {value:g}.{near}')


def _plain(value):
    """Return what arrays and numbers of NumPy hold as lists and numbers of Python."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, 'tolist') else value


def _check_type(name, value, kind):
    number = int | float
    wanted = {dict: dict, list: list | tuple, str: str, bool: bool, int: int, float: number,
              float | None: number | None, str | None: str | None}[kind]
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        label = {dict: 'names and values', list: 'a list', str: 'text', bool: 'true or false',
                 int: 'a whole number', str | None: 'text'}.get(kind, 'a number')
        raise ConfigError(f'option {name!r} must be {label}; it is {value!r}')
    if kind is list:
        _check_items(name, value, str if name == 'by' else number)
    if kind is dict and name in ('limits', 'purity'):
        _check_numbers(name, value)
    elif kind is dict and name not in ('bins', 'possible'):
        _check_items(name, [*value, *value.values()], str)
    for axis, items in value.items() if name in ('bins', 'possible') else ():
        if not isinstance(items, list | tuple | str if name == 'bins' else list | tuple):
            raise ConfigError(f'option {name!r} must be a list{" or a word" * (name == "bins")} '
                              f'for {axis!r}; it is {items!r}')
        _check_items(f'{name}, {axis}', [] if isinstance(items, str) else items, number | str)


def _check_numbers(name, value):
    """Check that limits are numbers, and purities two of them."""
    for key, item in value.items():
        items = [item] if name == 'limits' else item
        if not isinstance(key, str) or not isinstance(items, list | tuple) or (
                name == 'purity' and not (len(items) == 2 and _in_order(items))):
            what = 'a number' if name == 'limits' else 'two fractions, the smaller first,'
            raise ConfigError(f'option {name!r} must hold {what} for each name; it holds '
                              f'{item!r} for {key!r}')
        _check_items(f'{name}, {key}', items, int | float)


def _in_order(items):
    numbers = all(isinstance(item, int | float) for item in items)
    return numbers and 0 < items[0] <= items[1] <= 1


def _check_items(name, items, wanted):
    for item in items:
        if not isinstance(item, wanted) or isinstance(item, bool):
            raise ConfigError(f'option {name!r} must hold '
                              f'{"text" if wanted is str else "numbers"}; '
                              f'it holds {item!r}')
