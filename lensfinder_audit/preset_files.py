# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""YAML files that people write, and the ones of the same kind that ship as presets."""
from importlib.resources import files
from pathlib import Path

from lensfinder_audit.exceptions import ConfigError, did_you_mean

__all__ = ['read_preset']


def read_preset(source, kind, presets, *, what, begins):
    """
    Read a preset or a YAML file in its place.

    Parameters
    ----------
    source : str or `~pathlib.Path`
        One of the presets, or a file.
    kind : str
        Presets are ``<kind>_<name>.yaml`` among the data of the package.
    presets : sequence of str
        Their names.
    what : str
        What the file holds, for messages, such as ``'rules'``.
    begins : str
        A key that it should have.

    Returns
    -------
    found : dict
        Values by key, not checked.
    label : str
        How messages call it: the name, or the path.
    folder : `~pathlib.Path`
        Where relative names in it begin.

    Raises
    ------
    ConfigError
        If there is no such file or preset, with the nearest name; if it cannot be read,
        is not YAML, with the place, or no mapping.

    Examples
    --------
    >>> from lensfinder_audit.preset_files import read_preset
    >>> found, label, _ = read_preset('paper4', 'negatives', ['paper4'], what='rules',
    ...                               begins='cuts')
    >>> label, found['cuts']['type']['type']
    ('paper4', {'in': ['SER', 'DEV', 'REX']})
    """
    path = Path(source)
    if str(source) in presets:
        text = (files('lensfinder_audit.data') / f'{kind}_{source}.yaml').read_text('utf-8')
        return _parse(text, str(source), what, begins), str(source), Path()
    if not path.is_file():
        raise ConfigError(f'{path}: there is no such file or preset. Presets are {list(presets)}.'
                          f'{did_you_mean(path.name, presets)}')
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path}: cannot be read: {error}') from error
    return _parse(text, str(path), what, begins), str(path), path.parent


def _parse(text, label, what, begins):
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        place = f' at line {mark.line + 1}, column {mark.column + 1}' if mark else ''
        raise ConfigError(f'{label}: is not YAML{place}: {getattr(error, "problem", error)}'
                          ) from error
    if not isinstance(found, dict):
        raise ConfigError(f'{label}: holds no {what}; it should begin with "{begins}:"')
    return found
