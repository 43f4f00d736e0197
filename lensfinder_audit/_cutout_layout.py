# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The files of a cutout store: their names, the header and how a shard is opened."""
import json

import numpy as np

from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError, did_you_mean

__all__ = ['FORMAT', 'HEADER', 'INDEX', 'PLANES', 'DTYPES', 'as_keys', 'check_choices',
           'make_header', 'open_shard', 'plane_arrays', 'read_header', 'read_index', 'shard_name',
           'sum_name']

FORMAT = 'lensfinder_audit cutout store'
HEADER = 'store.json'
INDEX = 'index.parquet'
#: Stacks that a store can hold beside the flux.
PLANES = ('invvar', 'psf')
#: How the flux can be kept.
DTYPES = ('float32', 'int16')
_VERSIONS = (1, 2)


def shard_name(number, kind='shard'):
    """Return the file name of a shard; ``kind`` is shard, float32, or a plane."""
    return f'{kind}-{number:05d}.npy'


def sum_name(plane):
    """Return the column of the index with the checksums of a plane."""
    return 'sha256' if plane == 'flux' else f'sha256_{plane}'


def as_keys(keys):
    """Return keys as an array of text; whole numbers are names too."""
    return np.atleast_1d(np.asarray(keys)).astype(str)


def check_choices(dtype, planes):
    """Refuse a dtype or planes that a store cannot have."""
    if dtype not in DTYPES:
        raise ConfigError(f'dtype is {dtype!r}; flux is kept as one of {DTYPES}.'
                          f'{did_you_mean(dtype, DTYPES)}')
    strange = [name for name in planes if name not in PLANES]
    if strange or len(set(planes)) < len(planes):
        raise ConfigError(f'planes is {tuple(planes)!r}; give some of {PLANES}, each once')


def make_header(*, bands, pixel_scale, shape, shard_size, dtype, planes):
    """Return the header; without what version 1 does not know it is one of version 1."""
    header = {'format': FORMAT, 'version': 2 if planes or dtype != 'float32' else 1,
              'bands': list(bands), 'pixel_scale': pixel_scale, 'shape': list(shape),
              'shard_size': shard_size, 'dtype': dtype, 'unit': 'nmgy',
              'axes': ['cutout', 'band', 'y', 'x']}
    return header | ({'planes': list(planes)} if planes else {})


def read_header(path):
    """Read the header of a finished store."""
    try:
        header = json.loads((path / HEADER).read_text())
    except (OSError, ValueError) as error:
        raise InputFileError(f'{path}: is no cutout store; it has no readable {HEADER}') from error
    if not isinstance(header, dict) or header.get('format') != FORMAT:
        raise InputFileError(f'{path / HEADER}: is not that of a cutout store')
    if header['version'] not in _VERSIONS:
        raise InputFileError(f'{path}: is a cutout store of version {header["version"]}; this '
                             f'package reads versions {_VERSIONS}')
    if not (path / INDEX).exists():
        raise InputFileError(f'{path}: is an unfinished cutout store; run what writes it again, '
                             'and it goes on where it stopped')
    return header


def read_index(path, columns=None):
    """Read columns of an index, or of a part of one."""
    from pyarrow import parquet

    try:
        return parquet.read_table(path, columns=columns)
    except (OSError, ValueError) as error:
        raise InputFileError(f'{path}: cannot be read: {error}') from error


def open_shard(path, n_rows, stamp, dtype='<f4'):
    """Map a shard into memory after a look at its shape; `None` in ``stamp`` fits any."""
    try:
        shard = np.load(path, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = 'is gone' if isinstance(error, FileNotFoundError) else (
            'cannot be opened' if getattr(error, 'errno', None) else 'is cut short or no .npy')
        raise InputFileError(f'{path}: {reason}') from error
    fits = shard.ndim == 1 + len(stamp) and all(
        wanted in (None, found) for wanted, found in zip(stamp, shard.shape[1:], strict=True))
    if shard.dtype != np.dtype(dtype) or not fits or len(shard) < n_rows:
        raise InputFileError(f'{path}: holds {shard.dtype} {shard.shape}, not {np.dtype(dtype)} '
                             f'{(n_rows, *stamp)}')
    return np.asarray(shard)  # a view of the map without the cost of its class


def plane_arrays(given, names, keys, stamp, kernel=None):
    """
    Check the planes of some cutouts and return them as float32.

    ``stamp`` is (band, y, x); ``kernel`` the width of the PSF images so far.
    """
    given = dict(given or {})
    if set(given) != set(names):
        raise TableError(f'the store has the planes {sorted(names)}, given are {sorted(given)}; '
                         'give the same with each cutout')
    found = {}
    for name in names:
        with np.errstate(over='ignore'):
            array = np.ascontiguousarray(given[name], dtype='<f4')
        width = array.shape[-1] if name == 'psf' and array.ndim else None
        wanted = (len(keys), *stamp) if name != 'psf' else (
            len(keys), stamp[0], kernel or width, kernel or width)
        if array.shape != wanted:
            raise TableError(f'{len(keys)} keys need the plane {name} of shape {wanted}, not '
                             f'{array.shape}')
        if name == 'psf' and width % 2 == 0:
            raise TableError(f'a PSF image is centred on a pixel, so its width is odd, not {width}')
        found[name] = array
    return found
