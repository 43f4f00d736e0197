# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What a network file must be told beside its weights, and where that is looked for.

Arguments come before the side file, the side file before the file itself.
"""
from pathlib import Path

from astropy import units as u

from lensfinder_audit.exceptions import ConfigError, InputFileError, did_you_mean
from lensfinder_audit.interfaces import SCORE_KINDS, Normalizer
from lensfinder_audit.plugins import load_plugin

__all__ = ['DECLARATIONS', 'read_declarations', 'read_values', 'read_side_file', 'make_normalizer']

#: What can be declared of a network.
DECLARATIONS = ('bands', 'pixel_scale', 'stamp_shape', 'normalizer', 'normalizer_parameters',
                'score_kind', 'lens_class')

# Further words that a side file may hold, for its readers.
_REMARKS = ('name', 'reference', 'description')


def read_declarations(path, given, embedded):
    """Join arguments, side file and metadata of a network, and read their values."""
    sources = [embedded, read_side_file(path), given]
    found = {}
    for source in sources:
        source = {name: value for name, value in source.items() if value is not None}
        if 'normalizer' in source:  # its parameters come with it
            found.pop('normalizer_parameters', None)
        found |= source
    for name in ('bands', 'pixel_scale', 'normalizer', 'score_kind'):
        if name not in found:
            raise ConfigError(f'{path}: nothing says its {name}; give {name}=, or write it into '
                              f'{side_file(path).name} beside it')
    return read_values(found, path)


def read_values(found, path):
    """Read declarations as they are written in files."""
    return {name: _READERS.get(name, lambda value, path: value)(value, path)
            for name, value in found.items()}


def side_file(path):
    """Return the place of the side file: the name of the network with ``.yaml``."""
    return Path(path).with_suffix('.yaml')


def read_side_file(path):
    """Read the side file of a network; empty where there is none."""
    import yaml

    file = side_file(path)
    if not file.exists():
        return {}
    try:
        found = yaml.safe_load(file.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputFileError(f'{file}: is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(found, dict):
        raise InputFileError(f'{file}: holds no names with values, such as score_kind: logit')
    for name in found:
        if name not in (*DECLARATIONS, *_REMARKS):
            raise ConfigError(f'{file}: {name!r} is not known; known are {list(DECLARATIONS)}.'
                              f'{did_you_mean(name, DECLARATIONS)}')
    return {name: value for name, value in found.items() if name in DECLARATIONS}


def make_normalizer(normalizer, parameters, path):
    """Return the normaliser of a network from an object or the name of a plugin."""
    if isinstance(normalizer, Normalizer):
        if parameters:
            raise ConfigError(f'{path}: the normaliser is given as {normalizer!r}, so that it '
                              'takes no normalizer_parameters')
        return normalizer
    cls = load_plugin('normalizers', str(normalizer))
    if not isinstance(parameters or {}, dict):
        raise ConfigError(f'{path}: normalizer_parameters is {parameters!r}; give names and values')
    try:
        return cls(**(parameters or {}))
    except TypeError as error:
        raise ConfigError(f'{path}: the normaliser {normalizer!r} does not take {parameters}: '
                          f'{error}') from error


def _bands(value, path):
    if isinstance(value, str):
        value = [band.strip() for band in value.split(',')] if ',' in value else list(value)
    bands = tuple(str(band) for band in value)
    if not bands or '' in bands or len(set(bands)) < len(bands):
        raise ConfigError(f'{path}: bands is {value!r}; give each band once, such as [g, r, z]')
    return bands


def _pixel_scale(value, path):
    try:
        scale = u.Quantity(value)
        scale = scale * u.arcsec if scale.unit == u.dimensionless_unscaled else scale.to(u.arcsec)
    except (TypeError, ValueError) as error:
        raise ConfigError(f'{path}: pixel_scale is {value!r}; give arcseconds per pixel, such as '
                          '0.262') from error
    if not (scale.isscalar and scale > 0 * u.arcsec):
        raise ConfigError(f'{path}: pixel_scale is {value!r}; it must be one positive angle')
    return scale


def _stamp_shape(value, path):
    value = [value, value] if isinstance(value, int) else value
    try:
        height, width = (int(n) for n in value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f'{path}: stamp_shape is {value!r}; give height and width in pixels, '
                          'such as [101, 101]') from error
    return height, width


def _score_kind(value, path):
    if value not in SCORE_KINDS:
        raise ConfigError(f'{path}: score_kind is {value!r}; the kinds are {list(SCORE_KINDS)}.'
                          f'{did_you_mean(value, SCORE_KINDS)}')
    return value


def _lens_class(value, path):
    if value not in (0, 1):
        raise ConfigError(f'{path}: lens_class is {value!r}; give 0 or 1, the column of the lenses')
    return int(value)


_READERS = {'bands': _bands, 'pixel_scale': _pixel_scale, 'stamp_shape': _stamp_shape,
            'score_kind': _score_kind, 'lens_class': _lens_class}
