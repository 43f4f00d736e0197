# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Known lenses and candidates from the lenscat catalogue.

The catalogue is a CSV file inside the ``lenscat`` distribution. It is read from
there without importing that package, from a copy, or from a web address.
"""
import csv
import re
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
from astropy import units as u
from astropy.table import QTable, hstack
from astropy.utils.data import clear_download_cache, download_file

from lensfinder_audit.exceptions import ConfigError, InputFileError, MissingDependencyError
from lensfinder_audit.files import sha256
from lensfinder_audit.interfaces import CatalogSource
from lensfinder_audit.sources.lens_evidence import lens_evidence

__all__ = ['Lenscat', 'read_lenscat_csv']

#: Header of the catalogue.
COLUMNS = ('name', 'RA [deg]', 'DEC [deg]', 'zlens', 'type', 'grading', 'ref')

#: Where the catalogue lies inside its distribution.
INSIDE = 'lenscat/data/catalog.csv'

_OPTIONS = ("pip install 'lensfinder_audit[catalogs]', or give path= (a copy of its catalog.csv) "
            'or url= (where to download one)')

_NUMBER = re.compile(r'\d+\.?\d*|\.\d+')


class Lenscat(CatalogSource):
    """
    Read lenses and candidates from lenscat, each with a tier and its reason.

    Parameters
    ----------
    path : str or `~pathlib.Path`, optional
        A copy of the catalogue's CSV file.
    url : str, optional
        Where to download the CSV file from; it is kept in astropy's cache.
        Without either, the installed ``lenscat`` distribution is read.

    Notes
    -----
    ``grade`` is the catalogue's ``grading``. It is a grade, not a tier: the
    tier follows from the references, see `~lensfinder_audit.sources.lens_evidence`.
    Beyond the ``reference`` schema the table has ``evidence``, ``methods`` (of
    all searches that list the object), ``lens_type`` (galaxy, group or cluster)
    and ``z_lens_published``, which keeps what is not one number. Where a merged
    row repeats a name, redshift or paper, it is kept once. The catalogue holds
    no Einstein radii, so that ``theta_e`` is NaN throughout.

    Examples
    --------
    >>> from lensfinder_audit.sources.lens_catalogs import Lenscat
    >>> Lenscat(path='catalog.csv')
    Lenscat(path='catalog.csv', url=None)
    """

    reference = 'doi:10.1098/rsta.2024.0168'

    def __init__(self, *, path=None, url=None):
        if path is not None and url is not None:
            raise ConfigError('lenscat takes path= or url=, not both')
        self.path = path
        self.url = url

    def read(self):
        """
        Read the catalogue.

        Returns
        -------
        table : `~astropy.table.QTable`
            The ``reference`` schema; ``meta`` has the version of the
            distribution and the checksum of the file.

        Raises
        ------
        MissingDependencyError
            If ``lenscat`` is not installed and neither a path nor a URL given.
        InputFileError
            If the file cannot be had, is cut short or is another file.
        """
        path, version = self._locate()
        try:
            table = _reference_table(read_lenscat_csv(path))
        except InputFileError as error:
            if self.url is None:
                raise
            clear_download_cache(str(self.url))  # or the bad file stays for ever
            raise InputFileError(f'{self.url} is not the lenscat catalogue: {error}') from error
        table.meta = {'catalogue': 'lenscat', 'catalogue_version': version,
                      'catalogue_sha256': sha256(path)}
        return table

    def _locate(self):
        if self.path is not None:
            return Path(self.path), 'unknown (read from a copy)'
        if self.url is not None:
            return _download(str(self.url)), 'unknown (downloaded)'
        return _installed_catalogue()


def read_lenscat_csv(path):
    """
    Read the CSV file of the catalogue as it is.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        File with the seven columns of the catalogue.

    Returns
    -------
    columns : dict of str to list of str
        By the names of the header.

    Raises
    ------
    InputFileError
        If it cannot be read, is cut short or is another file.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
        rows = list(csv.reader(text.splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(f'{path}: cannot be read as CSV: {error}') from error
    _check_rows(path, text, rows)
    return dict(zip(COLUMNS, zip(*rows[1:], strict=True), strict=True))


def _check_rows(path, text, rows):
    if not rows or tuple(rows[0]) != COLUMNS:
        first = ','.join(rows[0])[:60] if rows else 'nothing'
        raise InputFileError(f'{path}: begins with {first!r}; the lenscat catalogue begins with '
                             f'{",".join(COLUMNS)!r}')
    for number, row in enumerate(rows, start=1):
        if len(row) != len(COLUMNS):
            raise InputFileError(f'{path}: line {number} has {len(row)} of {len(COLUMNS)} values; '
                                 'is the file cut short?')
    if len(rows) == 1 or not text.endswith('\n'):
        what = 'holds no rows' if len(rows) == 1 else f'ends in the middle of line {len(rows)}'
        raise InputFileError(f'{path}: {what}; is the file cut short?')


def _reference_table(columns):
    evidence = lens_evidence(columns['ref'], columns['grading'])
    n = len(evidence)
    published = _strings(columns['zlens'])
    table = QTable({
        'name': _strings(columns['name']),
        'ra': _degrees(columns, 'RA [deg]'), 'dec': _degrees(columns, 'DEC [deg]'),
        'grade': np.array(columns['grading']), 'in_training': np.full(n, 'unknown'),
        'confuser_class': np.full(n, ''), 'theta_e': np.full(n, np.nan) * u.arcsec,
        'z_lens': [float(z) if _NUMBER.fullmatch(z) else np.nan for z in published],
        'z_lens_published': published, 'lens_type': np.array(columns['type']),
        'reference': _strings(columns['ref'])})
    return hstack([table, QTable(evidence)], join_type='exact')


def _strings(values):
    # A merged row repeats a paper up to thirty times; numpy pads every row to the longest.
    once = {value: ' | '.join(dict.fromkeys(part.strip() for part in value.split(' | ')))
            for value in set(values)}
    return np.array([once[value] for value in values])


def _degrees(columns, name):
    try:
        return np.array(columns[name], dtype=float) * u.deg
    except ValueError:
        number, value = next((i, value) for i, value in enumerate(columns[name], start=2)
                             if not _is_number(value))
        raise InputFileError(f'line {number}: {name} is {value!r}, which is no number') from None


def _is_number(value):
    try:
        return np.isfinite(float(value))
    except ValueError:
        return False


def _installed_catalogue():
    try:
        found = distribution('lenscat')
    except PackageNotFoundError as error:
        raise MissingDependencyError(f'lenscat is not installed: {_OPTIONS}') from error
    for file in found.files or ():
        if file.as_posix() == INSIDE and file.locate().is_file():
            return Path(file.locate()), found.version
    raise MissingDependencyError(f'lenscat {found.version} is installed without its {INSIDE}: '
                                 f'{_OPTIONS}')


def _download(url):
    try:
        return Path(download_file(url, cache=True, show_progress=False))
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it is the open response
        reason = ' '.join(str(error).split())
        raise InputFileError(f'{url}: the lenscat catalogue cannot be downloaded: {reason}. '
                             f'Other ways: {_OPTIONS}') from error
