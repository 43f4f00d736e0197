# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""FITS files that are read whole, or named with what is wrong with them."""
import warnings

from lensfinder_audit.exceptions import InputFileError

_DAMAGE = ('truncated', 'corrupt', 'header size', 'checksum', 'missing')


def read_hdus(path, *, only=None, name=None):
    """
    Return (header, data) of all units of a FITS file, or one; name what is wrong with it.

    ``path`` may be an open stream, which messages call ``name``.
    """
    from astropy.io import fits

    name = path if name is None else name
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        try:
            with fits.open(path, memmap=False, ignore_missing_simple=False) as hdus:
                chosen = hdus if only is None else [hdus[only]]
                found = [(hdu.header, hdu.data) for hdu in chosen]
        except Exception as error:
            if getattr(error, 'errno', None):
                raise InputFileError(f'{name}: cannot be read: {error.strerror}') from error
            raise InputFileError(f'{name}: is cut short or no FITS file ({_brief(error)})'
                                 ) from error
    damage = [_brief(item.message) for item in said
              if any(word in str(item.message).lower() for word in _DAMAGE)]
    if damage:
        raise InputFileError(f'{name}: is cut short or damaged ({damage[0]})')
    return found


def _brief(error):
    return ' '.join(str(error).split())[:160] or type(error).__name__
