# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tests of the lenscat source: on a small CSV, on a local server, on the installed catalogue."""
import runpy
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.config import set_temp_cache

from lensfinder_audit.exceptions import ConfigError, InputFileError, MissingDependencyError
from lensfinder_audit.plugins import load_plugin
from lensfinder_audit.sources import lens_catalogs
from lensfinder_audit.sources.lens_catalogs import Lenscat
from lensfinder_audit.testing import check_source

HEADER = 'name,RA [deg],DEC [deg],zlens,type,grading,ref\n'
SMALL = HEADER + (
    'SDSSJ0044+0113,11.01208,1.22018,0.1196,galaxy,confident,'
    'Auger et al. (2009) - arXiv:0911.2471 | Huang et al. (2020) - arXiv:1906.00970\n'
    'DESI-222.4812-06.8463,222.48121,-6.8463,not measured,galaxy,probable,'
    'Huang et al. (2021) - arXiv:2005.04730\n'
    'NSCS J112508+201735,171.28242,20.29295,not measured,galaxy,probable,'
    'Lopes et al. (2004) - doi:10.1086/423038\n'
    '"A twice, B",10.5,-30.25,0.5 | 0.5,group,confident,'
    'Nobody et al. (2030) - arXiv:3001.00001\n'
    'merged | merged,12.5,-31.25,0.49 | nan,cluster,probable,'
    'Moustakas et al. (2012) - adsabs:2012hst..prop12833M | '
    'Moustakas et al. (2012) - adsabs:2012hst..prop12833M\n')
try:
    INSTALLED = version('lenscat')
except PackageNotFoundError:
    INSTALLED = None
needs_lenscat = pytest.mark.skipif(INSTALLED is None, reason='lenscat is not installed')


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / 'catalog.csv'
    path.write_text(SMALL)
    return path


@pytest.fixture(scope='module')
def installed():
    if INSTALLED is None:
        pytest.skip('lenscat is not installed')
    return Lenscat()()


@pytest.fixture
def serve(tmp_path):
    """Give a function that serves one answer to everything, and counts the requests."""
    servers = []

    def start(body=b'', status=200, length=None):
        class Handler(BaseHTTPRequestHandler):
            asked = 0

            def do_GET(self):
                type(self).asked += 1
                self.send_response(status)
                self.send_header('Content-Length', str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        servers.append((server, thread))
        return f'http://127.0.0.1:{server.server_port}/catalog.csv', Handler

    with set_temp_cache(tmp_path):
        yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def test_rows_follow_the_reference_schema(catalogue):
    table = Lenscat(path=catalogue)()
    assert list(table['tier']) == ['A', 'B', '', 'B', 'B']
    assert list(table['is_lens']) == [True, True, False, True, True]
    assert list(table['grade'])[:2] == ['confident', 'probable']
    assert table['ra'].unit == u.deg and table['ra'][1].value == 222.48121
    assert list(table['lens_type'])[-2:] == ['group', 'cluster']
    assert set(table['in_training']) == {'unknown'} and set(table['confuser_class']) == {''}
    assert table['theta_e'].unit == u.arcsec and np.isnan(table['theta_e'].value).all()


def test_conforms(catalogue):
    check_source(Lenscat(path=catalogue))


def test_redshift_is_kept_as_published_where_it_is_not_one_number(catalogue):
    table = Lenscat(path=catalogue)()
    np.testing.assert_array_equal(table['z_lens'], [0.1196, np.nan, np.nan, 0.5, np.nan])
    assert list(table['z_lens_published'])[1:] == ['not measured', 'not measured', '0.5',
                                                   '0.49 | nan']


def test_merged_rows_name_each_paper_once(catalogue):
    row = Lenscat(path=catalogue)()[-1]
    assert row['name'] == 'merged'
    assert row['reference'] == 'Moustakas et al. (2012) - adsabs:2012hst..prop12833M'


def test_meta_holds_version_and_checksum(catalogue):
    meta = Lenscat(path=catalogue)().meta
    assert meta['catalogue_sha256'] == lens_catalogs.sha256(catalogue)
    assert meta['catalogue_version'] == 'unknown (read from a copy)'
    assert meta['schema'] == 'reference' and 'catalog.csv' in meta['source']


def test_plugin_is_registered():
    assert load_plugin('sources', 'lenscat') is Lenscat


def test_path_and_url_exclude_each_other():
    with pytest.raises(ConfigError, match='path= or url=, not both'):
        Lenscat(path='a.csv', url='http://127.0.0.1/b.csv')


def test_missing_distribution_names_every_way_out(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(lens_catalogs, 'distribution', absent)
    with pytest.raises(MissingDependencyError) as caught:
        Lenscat()()
    text = str(caught.value)
    assert '\n' not in text and "pip install 'lensfinder_audit[catalogs]'" in text
    assert 'path=' in text and 'url=' in text


def test_distribution_without_its_file_is_named(monkeypatch):
    class Bare:
        version = '9.9'
        files = None

    monkeypatch.setattr(lens_catalogs, 'distribution', lambda name: Bare)
    with pytest.raises(MissingDependencyError, match='lenscat 9.9 is installed without'):
        Lenscat()()


@pytest.mark.parametrize('text, message', [
    ('<!DOCTYPE html><html></html>\n', "begins with '<!DOCTYPE html>"),
    ('', "begins with 'nothing'"),
    ('name,ra,dec\n1,2,3\n', 'the lenscat catalogue begins with'),
    (HEADER, 'holds no rows; is the file cut short'),
    (SMALL[:-1], 'ends in the middle of line 6'),
    (SMALL[:SMALL.index(',galaxy')] + '\n', 'line 2 has 4 of 7 values'),
    (SMALL.replace('"A twice', '"A" twice'), 'cannot be read as CSV'),
    (SMALL.replace('222.48121', '14h49m'), "line 3: RA .deg. is '14h49m', which is no number"),
    ('\ufeff' + SMALL, 'begins with'),
])
def test_other_files_are_refused_in_words(tmp_path, text, message):
    path = tmp_path / 'catalog.csv'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(InputFileError, match=message):
        Lenscat(path=path)()


def test_absent_and_binary_files_are_refused(tmp_path):
    with pytest.raises(InputFileError, match='no-such.csv: cannot be read as CSV'):
        Lenscat(path=tmp_path / 'no-such.csv')()
    (tmp_path / 'binary.csv').write_bytes(b'\xff\xfe\x00\x81')
    with pytest.raises(InputFileError, match='binary.csv: cannot be read as CSV'):
        Lenscat(path=tmp_path / 'binary.csv')()


def test_position_off_the_sky_is_refused(catalogue):
    catalogue.write_text(SMALL.replace('222.48121', '422.48121'))
    with pytest.raises(ValueError, match="'ra' of the reference table must lie in"):
        Lenscat(path=catalogue)()


def test_download_is_read_and_kept(serve, catalogue):
    url, handler = serve(SMALL.encode())
    first, second = Lenscat(url=url)(), Lenscat(url=url)()
    assert handler.asked == 1
    assert first.meta['catalogue_sha256'] == lens_catalogs.sha256(catalogue)
    assert list(first['name']) == list(second['name'])


@pytest.mark.parametrize('status, reason', [(404, 'Not Found'), (500, 'Internal Server Error')])
def test_refused_download_names_the_other_ways(serve, status, reason):
    url, _ = serve(b'gone', status=status)
    with pytest.raises(InputFileError, match=f'cannot be downloaded: .*{reason}.*path='):
        Lenscat(url=url)()


def test_download_cut_by_the_connection_is_not_kept(serve):
    url, handler = serve(SMALL.encode()[:200], length=len(SMALL))
    for asked in (1, 2):
        with pytest.raises(InputFileError, match='cannot be downloaded'):
            Lenscat(url=url)()
        assert handler.asked == asked


@pytest.mark.parametrize('body', [b'<html>log in</html>\n', SMALL.encode()[:-30]])
def test_download_of_another_file_is_not_kept(serve, body):
    url, handler = serve(body)
    for asked in (1, 2):
        with pytest.raises(InputFileError, match='is not the lenscat catalogue'):
            Lenscat(url=url)()
        assert handler.asked == asked


def test_no_server_and_no_url(serve, tmp_path):
    with pytest.raises(InputFileError, match='cannot be downloaded'):
        Lenscat(url='http://127.0.0.1:9/catalog.csv')()
    with pytest.raises(InputFileError, match='cannot be downloaded'):
        Lenscat(url='no address')()


@needs_lenscat
def test_lenscat_is_never_imported():
    code = ('import sys\nfrom lensfinder_audit.sources.lens_catalogs import Lenscat\n'
            "Lenscat()()\nassert 'lenscat' not in sys.modules, 'imported'")
    subprocess.run([sys.executable, '-W', 'error', '-c', code], check=True)


def test_installed_catalogue_classifies_nearly_every_row(installed):
    assert len(installed) > 30000 and installed.meta['catalogue_version'] == INSTALLED
    assert np.mean(installed['evidence'] != 'not classified') > 0.95
    assert all(installed['tier_reason'])
    assert (installed['is_lens'] == (installed['tier'] != '')).all()


def test_no_catalogue_of_clusters_is_taken_for_lenses(installed):
    reference = np.array(installed['reference'])
    alone = np.isin(reference, ['Lopes et al. (2004) - doi:10.1086/423038',
                                'Gonzalez et al. (2001) - arXiv:astro-ph/0106055',
                                'Gioia et al. (1990) - doi:10.1086/191426'])
    assert alone.sum() > 11000 and not installed['is_lens'][alone].any()


def test_grade_is_not_the_tier(installed):
    confident = installed['grade'] == 'confident'
    assert (installed['tier'][confident] == 'B').sum() > (installed['tier'][confident] == 'A').sum()


@pytest.mark.skipif(INSTALLED != '1.1.3', reason='the counts are those of lenscat 1.1.3')
def test_counts_of_version_1_1_3(installed):
    assert len(installed) == 32838
    assert Counter(installed['grade']) == {'probable': 30529, 'confident': 2309}
    named = np.char.find(np.array(installed['name']), 'DESI-') >= 0
    assert Counter(installed['grade'][named]) == {'probable': 4669, 'confident': 435}
    assert Counter(installed['tier']) == {'B': 17451, '': 14710, 'A': 677}
    assert Counter(installed['tier'][named]) == {'B': 5062, 'A': 42}


@pytest.mark.skipif(INSTALLED != '1.1.3', reason='the counts are those of lenscat 1.1.3')
def test_counts_of_the_docs_page_are_these(installed):
    docs = Path(lens_catalogs.__file__).parents[2] / 'docs'
    if not (docs / 'make_lenscat_counts.py').is_file():
        pytest.skip('no docs beside the package')
    page = runpy.run_path(str(docs / 'make_lenscat_counts.py'))['counts_page'](installed)
    assert page == (docs / 'sources' / 'lenscat_counts.inc').read_text(encoding='utf-8')


def test_reading_takes_about_a_second(installed):
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        Lenscat().read()
        taken.append(time.perf_counter() - start)
    assert min(taken) < 5  # about one on an idle core


def test_subset_of_desi_candidates_reads_alike(real_data, tmp_path, installed):
    source = real_data / 'lens-catalogs' / 'desi_candidates.csv'
    rows = source.read_text(encoding='utf-8').splitlines(keepends=True)
    copy = tmp_path / 'catalog.csv'
    copy.write_text(HEADER + ''.join(rows[1:]), encoding='utf-8')
    table = Lenscat(path=copy)()
    assert Counter(table['grade']) == {'probable': 4669, 'confident': 435}
    assert set(table['reference']) <= set(installed['reference'])
    assert Counter(table['tier']) == {'B': 5062, 'A': 42}
