# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The clients of VizieR, against a server on this machine that answers, and fails, as it does."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from urllib.parse import unquote

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import (ConfigError, InputFileError, MissingDependencyError,
                                         TableError)
from lensfinder_audit.sources.galaxy_zoo import GalaxyZooDecals
from lensfinder_audit.sources.vizier import Bells, Sl2s, Slacs, _join

needs_astroquery = pytest.mark.skipif(find_spec('astroquery') is None,
                                      reason='astroquery is not installed')

_FIELD = '<FIELD name="{}" datatype="{}"{}/>'
_TABLE = '''<TABLE ID="t{number}" name="{name}">{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA>
</TABLE>'''
_ANSWER = '''<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<DESCRIPTION>VizieR Astronomical Server</DESCRIPTION><RESOURCE ID="r1" name="{catalog}">
{tables}</RESOURCE></VOTABLE>'''


def votable(catalog, *tables):
    """Write tables the way VizieR does: one RESOURCE, a TABLE each, rows as text."""
    kinds = {'f': 'double', 'U': 'char', 'S': 'char'}
    texts = []
    for number, table in enumerate(tables):
        fields = ''.join(_FIELD.format(
            name, kinds[table[name].dtype.kind], (' arraysize="*"' if table[name].dtype.kind in 'US'
                                                  else '') + (f' unit="{table[name].unit}"'
                                                              if table[name].unit else ''))
            for name in table.colnames)
        rows = ''.join('<TR>' + ''.join(f'<TD>{"" if value != value else value}</TD>'
                                        for value in row) + '</TR>' for row in table)
        texts.append(_TABLE.format(number=number, name=f'{catalog}/table{number}', fields=fields,
                                   rows=rows))
    return _ANSWER.format(catalog=catalog, tables=''.join(texts)).encode()


SLACS_1 = Table({'SDSS': ['J002907.77-005550.5', 'J073728.45+321618.5'],
                 '_RAJ2000': [7.282375, 114.368542], '_DEJ2000': [-0.930694, 32.271806],
                 'zFG': [0.2270, 0.3223], 'zBG': [0.9313, 0.5812]})
SLACS_2 = Table({'SDSS': ['J0029-0055', 'J0737+3216'], 'bSIE': [0.96, np.nan]})
SLACS_2['bSIE'].unit = 'arcsec'


@pytest.fixture
def server():
    """Serve ``answers[catalog]``, each a list of (status, headers, body, seconds) in turn."""
    answers, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            body = self.rfile.read(int(self.headers['Content-Length'])).decode()
            catalog = next(line.partition('=')[2] for line in unquote(body).splitlines()
                           if line.startswith('-source='))
            asked.append((self.path, body))
            queue = answers[catalog]
            status, headers, body, wait = queue.pop(0) if len(queue) > 1 else queue[0]
            threading.Event().wait(wait)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header('Content-Length', str(headers.get('Length', len(body))))
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client gave up

        def log_message(self, *arguments):
            pass

    host = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=host.serve_forever, daemon=True)
    thread.start()
    yield f'http://127.0.0.1:{host.server_port}', answers, asked
    host.shutdown()
    host.server_close()
    thread.join()


def good(catalog, *tables):
    return 200, {'Content-Type': 'text/xml'}, votable(catalog, *tables), 0


def test_tables_of_a_catalogue_are_joined_by_the_digits_of_the_name():
    rows = _join([SLACS_1, SLACS_2], 'x')
    assert_allclose(rows['theta_e'], [0.96, np.nan])
    assert_allclose(rows['z_lens'], [0.2270, 0.3223])


def test_positions_come_as_text_or_in_the_name():
    found = _join([Table({'Name': ['SL2SJ021411-040502'], 'RAJ2000': ['02 14 11.2'],
                          'DEJ2000': ['-04 05 02']})], 'x')
    assert_allclose([found['ra'][0], found['dec'][0]], [33.546667, -4.083889], atol=1e-5)
    found = _join([Table({'SDSS': ['J002907.77-005550.5']})], 'x')
    assert_allclose(found['ra'], [7.282375], atol=1e-5)


def test_tables_without_names_or_positions_are_refused_with_their_columns():
    with pytest.raises(InputFileError, match=r"gives names with positions.*'flux'"):
        _join([Table({'flux': [1.0]})], 'J/X/1')


@pytest.mark.skipif(find_spec('astroquery') is not None, reason='astroquery is installed')
def test_what_to_install_is_named():
    with pytest.raises(MissingDependencyError, match=r'lensfinder_audit\[catalogs\]'):
        Bells()()


def test_options_are_checked():
    with pytest.raises(ConfigError, match='timeout is positive'):
        Bells(timeout=0)


@needs_astroquery
def test_slacs_comes_with_radii_redshifts_and_tiers(server):
    address, answers, asked = server
    for catalog in Slacs.catalogs:
        answers[catalog] = [good(catalog, SLACS_1, SLACS_2)]
    table = Slacs(server=address)()
    assert len(table) == 4 and asked[0][0] == '/viz-bin/votable'
    assert table['theta_e'].unit == u.arcsec
    assert_allclose(table['theta_e'].value, [0.96, np.nan] * 2)
    assert table['grade'].tolist() == ['confident', 'probable'] * 2
    assert table['tier'].tolist() == ['A', 'B', 'A', '']
    assert table['tier_reason'][0].startswith('Auger et al. 2009')


@needs_astroquery
@pytest.mark.parametrize(('fault', 'words'), [
    ((429, {'Retry-After': '0'}, b'slow down', 0), '429'),
    ((500, {}, b'<html>error</html>', 0), '500'),
    ((200, {}, b'<html><body>Maintenance</body></html>', 0), 'no VOTable'),
    ((200, {}, votable('J/ApJ/744/41'), 0), 'holds no table'),
    ((200, {}, votable('J/ApJ/744/41', SLACS_1)[:700], 0), 'Failed to parse'),
    ((200, {'Length': 5000}, votable('J/ApJ/744/41', SLACS_1)[:700], 0), ''),
    ((200, {}, votable('J/ApJ/744/41', SLACS_1), 0.6), 'timed out')])
def test_a_fault_is_tried_again_and_then_named(server, monkeypatch, fault, words):
    address, answers, asked = server
    monkeypatch.setattr('lensfinder_audit.sources.vizier.time.sleep', lambda seconds: None)
    answers['J/ApJ/744/41'] = [fault, good('J/ApJ/744/41', SLACS_1, SLACS_2)]
    timeout = 0.3 if fault[3] else 20
    assert len(Bells(server=address, timeout=timeout)()) == 2
    assert len(asked) == 2
    answers['J/ApJ/744/41'] = [fault]
    with pytest.raises(InputFileError, match='cannot be read after 2 attempts') as error:
        Bells(server=address, timeout=timeout, retries=1)()
    assert words in str(error.value)


@needs_astroquery
def test_sl2s_asks_for_both_catalogues(server):
    address, answers, _ = server
    first = Table({'Name': ['SL2SJ021411-040502'], '_RAJ2000': [33.546667], '_DEJ2000': [-4.083889],
                   'REin': [1.41], 'zl': [0.609], 'zs': [1.88]})
    for catalog in Sl2s.catalogs:
        answers[catalog] = [good(catalog, first)]
    table = Sl2s(server=address)()
    assert table['tier'].tolist() == ['A', 'A'] and table['z_source'].tolist() == [1.88, 1.88]


VOTES = Table({'iauname': ['J000411.19+020924.0', 'J001655.18-002739.1'],
               '_RAJ2000': [1.046625, 4.229917], '_DEJ2000': [2.156667, -0.460861],
               'merging_merger_fraction': [0.8, 0.1],
               'smooth-or-featured_total-votes': [40.0, 40.0]})
AUTOMATIC = Table({'iauname': ['J000411.19+020924.0', 'J003937.09-032825.0'],
                   '_RAJ2000': [1.046625, 9.904542], '_DEJ2000': [2.156667, -3.473611],
                   'smooth-or-featured_featured-or-disk_fraction': [0.9, 0.9],
                   'disk-edge-on_no_fraction': [0.9, 0.9],
                   'has-spiral-arms_yes_fraction': [0.9, 0.9]})


@needs_astroquery
def test_votes_of_galaxy_zoo_are_cut_as_the_rules_say(server):
    address, answers, _ = server
    catalog = next(iter(GalaxyZooDecals.catalogs))
    answers[catalog] = [(429, {'Retry-After': '0'}, b'', 0), good(catalog, VOTES, AUTOMATIC)]
    table = GalaxyZooDecals(server=address)()
    assert dict(zip(table['name'], table['confuser_class'], strict=True)) == {
        'J000411.19+020924.0': 'merger', 'J003937.09-032825.0': 'spiral'}
    assert not table['is_lens'].any() and len(table.meta['votes'][0]['unused']) == 4
    answers[catalog] = [good(catalog, SLACS_1)]
    with pytest.raises(TableError, match='VizieR J/MNRAS/509/3966: has none of the columns'):
        GalaxyZooDecals(server=address)()
