# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Spectroscopic and space-based anchors from VizieR, with Einstein radii.

SLACS, BELLS and SL2S. Tables of a catalogue are joined by the name of the lens;
columns are found by any of their usual names, so that a renamed column is an
error that names what there is, not a wrong number.
"""
import re
import time
import warnings

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, vstack

from lensfinder_audit.exceptions import ConfigError, InputFileError, MissingDependencyError
from lensfinder_audit.interfaces import CatalogSource
from lensfinder_audit.sources.user_catalog import CATALOG_ROLES, reference_table

__all__ = ['VizierAnchors', 'Slacs', 'Bells', 'Sl2s']

_JNAME = re.compile(r'J?(\d{2})(\d{2})(\d{2}\.?\d*)?([+-])(\d{2})(\d{2})(\d{2}\.?\d*)?$')


class VizierAnchors(CatalogSource):
    """
    Read lenses from catalogues of VizieR.

    A row with an Einstein radius is graded confident, another one probable: the
    catalogues also list candidates that HST did not confirm.

    Parameters
    ----------
    server : str, optional
        Host name or address of VizieR or a mirror of it.
    timeout : float, optional
        Seconds for each request.
    retries : int, optional
        How often a request that failed is made again.
    """

    #: Catalogues, with the reference that the tier follows from.
    catalogs = {}

    def __init__(self, *, server=None, timeout=60.0, retries=2):
        if timeout <= 0 or retries < 0:
            raise ConfigError(f'timeout is positive and retries not negative; they are {timeout} '
                              f'and {retries}')
        self.server = server
        self.timeout = timeout
        self.retries = retries

    def read(self):
        """
        Ask VizieR for the catalogues.

        Returns
        -------
        table : `~astropy.table.QTable`
            The ``reference`` schema, with ``z_source``; one row per lens and catalogue.

        Raises
        ------
        MissingDependencyError
            If astroquery is not installed.
        InputFileError
            If VizieR cannot be reached, answers with an error or with other tables.
        """
        found = []
        for catalog, reference in self.catalogs.items():
            tables = self._ask(catalog)
            rows = _join(tables, catalog)
            rows['grade'] = np.where(np.isfinite(_radii(rows)), 'confident', 'probable')
            table = reference_table(rows, what=f'VizieR {catalog}',
                                    constants={'reference': reference})
            table.meta.clear()
            found.append(table)
        table = vstack(found, metadata_conflicts='silent')
        table.meta = {'catalogue': ' '.join(self.catalogs), 'server': self.server or 'VizieR'}
        return table

    def _ask(self, catalog):
        problem = ''
        for attempt in range(self.retries + 1):
            try:
                return self._answer(catalog)
            except _Refusal as error:
                problem = str(error)
                if attempt < self.retries:
                    time.sleep(min(error.wait, self.timeout))
        raise InputFileError(f'VizieR {catalog}: cannot be read after {self.retries + 1} attempts: '
                             f'{problem}. Is the network there? A copy of the table can be given '
                             'as a file')

    def _answer(self, catalog):
        """Ask once, past astroquery's cache, which keeps bad answers too."""
        vizier = self._client()
        from astroquery import cache_conf

        try:
            with cache_conf.set_temp('cache_active', False), warnings.catch_warnings():
                warnings.simplefilter('ignore')
                response = vizier.get_catalogs_async(catalog)
                _check_answer(response)
                tables = list(vizier._parse_result(response))
        except _Refusal:
            raise
        except Exception as error:  # requests, astroquery and the parser raise many kinds
            raise _Refusal(' '.join(str(error).split())[:200] or type(error).__name__) from error
        if not tables:
            raise _Refusal('the answer holds no table')
        return tables

    def _client(self):
        try:
            from astroquery.vizier import VizierClass
        except ImportError as error:
            raise MissingDependencyError('astroquery is not installed: pip install '
                                         "'lensfinder_audit[catalogs]', or give a copy of the "
                                         'table as a file') from error
        server = self.server

        class Client(VizierClass):
            """Also takes mirrors by their whole address."""

            def _server_to_url(self, return_type='votable'):
                if server is None or '://' not in server:
                    return super()._server_to_url(return_type=return_type)
                return f'{server.rstrip("/")}/viz-bin/{return_type}'

        more = {} if server is None or '://' in server else {'vizier_server': server}
        return Client(columns=['**', '_RAJ2000', '_DEJ2000'], row_limit=-1, timeout=self.timeout,
                      **more)


class _Refusal(Exception):
    """An answer that is none; ``wait`` says how long the server wants to be left alone."""

    def __init__(self, message, wait=1.0):
        super().__init__(message)
        self.wait = wait


def _check_answer(response):
    code = response.status_code
    if code != 200:
        after = response.headers.get('Retry-After', '')
        raise _Refusal(f'the server answers {code} {response.reason}',
                       float(after) if after.isdigit() else 1.0)
    if not response.content.lstrip().startswith(b'<?xml'):
        raise _Refusal(f'the server answers with something that is no VOTable: '
                       f'{response.content[:60]!r}')


class Slacs(VizierAnchors):
    """Lenses of the Sloan Lens ACS Survey, papers V and IX."""

    reference = 'doi:10.1088/0004-637X/705/2/1099'
    catalogs = {'J/ApJ/705/1099': 'Auger et al. (2009) - arXiv:0911.2471',
                'J/ApJ/682/964': 'Bolton et al. (2008) - arXiv:0805.1931'}


class Bells(VizierAnchors):
    """Lenses of the BOSS Emission-Line Lens Survey, paper I."""

    reference = 'doi:10.1088/0004-637X/744/1/41'
    catalogs = {'J/ApJ/744/41': 'Brownstein et al. (2012) - arXiv:1112.3683'}


class Sl2s(VizierAnchors):
    """Lenses of the Strong Lensing Legacy Survey, papers III and IV."""

    reference = 'doi:10.1088/0004-637X/777/2/97'
    catalogs = {'J/ApJ/777/97': 'Sonnenfeld et al. (2013) - arXiv:1307.4764',
                'J/ApJ/777/98': 'Sonnenfeld et al. (2013) - arXiv:1307.4759'}


def _join(tables, catalog):
    """Put the tables of a catalogue side by side, by the name of the lens."""
    rows, lost = {}, []
    for table in tables:
        columns = {role: _find(table, role) for role in CATALOG_ROLES}
        if columns['name'] is None:
            lost.append(list(table.colnames))
            continue
        for i in range(len(table)):
            row = rows.setdefault(_key(table[columns['name']][i]), {})
            for role, column in columns.items():
                value = None if column is None else _value(table, column, i)
                if value not in (None, '') and role not in row:
                    row[role] = value
    _place(rows)
    lens = {key: row for key, row in rows.items() if 'ra' in row and 'dec' in row}
    if not lens:
        raise InputFileError(f'VizieR {catalog}: none of {len(tables)} tables gives names with '
                             f'positions; their columns are {[t.colnames for t in tables] or lost}')
    roles = dict.fromkeys(role for row in lens.values() for role in row)
    return QTable({role: [row.get(role, '' if role in ('name', 'grade') else np.nan)
                          for row in lens.values()] for role in roles})


def _radii(rows):
    """A candidate that its paper found to be no lens has no model and no radius."""
    if 'theta_e' not in rows.colnames:
        return np.full(len(rows), np.nan)
    return np.where(rows['theta_e'] > 0, rows['theta_e'], np.nan)


def _find(table, role):
    by_lower = {name.lower(): name for name in table.colnames}
    more = {'ra': ('_ra',), 'dec': ('_de', '_dec')}.get(role, ())
    return next((by_lower[name] for name in (*CATALOG_ROLES[role], *more) if name in by_lower),
                None)


def _key(name):
    """SDSS names come with and without prefix and decimals: compare the digits that all have."""
    digits = _JNAME.search(str(name).replace(' ', ''))
    if not digits:
        return str(name).strip()
    return ''.join(digits[i] for i in (1, 2, 4, 5, 6))


def _value(table, column, i):
    value = table[column][i]
    if value is np.ma.masked or getattr(value, 'mask', False) is np.True_:
        return None
    if isinstance(value, str | bytes):
        return value.decode() if isinstance(value, bytes) else value.strip()
    unit = table[column].unit
    if unit is not None and u.Unit(unit, parse_strict='silent').is_equivalent(u.arcsec) and (
            column.lower() not in ('_raj2000', '_dej2000', 'raj2000', 'dej2000', '_ra', '_de')):
        return float((value * u.Unit(unit)).to_value(u.arcsec)) if not isinstance(
            value, u.Quantity) else float(value.to_value(u.arcsec))
    return float(value.value if isinstance(value, u.Quantity) else value)


def _place(rows):
    """Read positions that come as text, or only as the name."""
    for row in rows.values():
        if isinstance(row.get('ra'), str):
            try:
                place = SkyCoord(row['ra'], row['dec'], unit=(u.hourangle, u.deg))
            except (ValueError, KeyError):
                row.pop('ra')
                continue
            row['ra'], row['dec'] = place.ra.deg, place.dec.deg
        if 'ra' not in row and 'name' in row:
            found = _JNAME.search(str(row['name']).replace(' ', ''))
            if found and found[3] and found[7]:
                place = SkyCoord(f'{found[1]}h{found[2]}m{found[3]}s',
                                 f'{found[4]}{found[5]}d{found[6]}m{found[7]}s')
                row['ra'], row['dec'] = place.ra.deg, place.dec.deg
