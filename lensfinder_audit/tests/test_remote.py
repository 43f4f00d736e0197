# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import socket
import subprocess
import sys
import textwrap
from itertools import pairwise

import pytest

from lensfinder_audit import remote
from lensfinder_audit.exceptions import ConfigError, InputFileError, MissingDependencyError
from lensfinder_audit.remote import NotThereError, Reader, is_remote, join_place, retry_after
from lensfinder_audit.tests.survey_server import serve


@pytest.fixture
def survey(tmp_path, monkeypatch):
    """A server with one file, and an environment that reaches it."""
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    (tmp_path / 'a.bin').write_bytes(bytes(range(256)) * 40)
    with serve(tmp_path) as (survey, address):
        yield survey, f'{address}/a.bin'


@pytest.fixture
def naps(monkeypatch):
    """The seconds that a reader wanted to sleep; it does not."""
    found = []
    monkeypatch.setattr(remote, 'sleep', found.append)
    monkeypatch.setattr('lensfinder_audit._politeness.sleep', lambda seconds: None)
    return found


def whole(data):
    if data != bytes(range(256)) * 40:
        raise InputFileError('is not the file')
    return len(data)


@pytest.mark.parametrize('trouble', ['500', '503', 'page', 'cut short',
                                     'cut short without a length', '429', '429 date'])
def test_a_server_in_trouble_is_asked_again(survey, naps, trouble):
    server, url = survey
    server.trouble('a.bin', trouble)
    assert Reader(patience=2e5, contact='someone@example.org').read(url, whole) == 10240
    assert len(server.seen) == 2
    assert server.agents[0].startswith('lensfinder_audit/')
    assert server.agents[0].endswith('(someone@example.org)')
    low, high = {'429': (2, 2), '429 date': (28, 31), '503': (1e5, 1e5)}.get(trouble, (0.5, 1))
    assert low <= naps[0] <= high


def test_waits_double_up_to_a_limit(survey, naps):
    server, url = survey
    server.trouble('a.bin', 'always 500')
    with pytest.raises(InputFileError, match='a.bin: answers 500 .*, after 7 of 7 attempts'):
        Reader(attempts=7, longest_wait=8).read(url, whole)
    assert len(naps) == 6 == len(server.seen) - 1
    for i, wait in enumerate(naps):
        assert 0.5 <= wait / min(8, 2 ** i) <= 1


def test_silence_is_given_up_and_asked_again(survey, naps):
    server, url = survey
    server.trouble('a.bin', 'silence')
    assert Reader(timeout=0.3).read(url, whole) == 10240
    server.trouble('a.bin', 'silence', 'silence')
    with pytest.raises(InputFileError, match=r'no answer within 0.3 s, after 2 of 2 attempts'):
        Reader(timeout=0.3, attempts=2).read(url, whole)


def test_what_cannot_change_is_not_asked_again(survey, naps):
    server, url = survey
    with pytest.raises(NotThereError, match=r'b.bin: there is no such file \(404\)'):
        Reader().read(url.replace('a.bin', 'b.bin'), whole)
    server.trouble('a.bin', '403')
    with pytest.raises(InputFileError, match=r'a.bin: is refused \(403'):
        Reader().read(url, whole)
    assert len(server.seen) == 2 and not naps


def test_a_server_that_asks_for_too_long_a_pause_is_left_alone(survey, naps):
    server, url = survey
    server.trouble('a.bin', '503')
    with pytest.raises(InputFileError, match='after 1 of 5 attempts; it asked to wait 100000 s'):
        Reader().read(url, whole)
    assert not naps


def test_the_page_is_named_that_came_instead_of_a_file(survey, naps):
    server, url = survey
    server.trouble('a.bin', 'page')
    with pytest.raises(InputFileError, match=r'a page instead of a FITS file \(Bad gateway\)'):
        Reader(attempts=1).read(url, whole)


def test_a_server_that_is_not_there_is_named(naps, monkeypatch):
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        with pytest.raises(InputFileError, match=r'the connection failed \(.*refused'):
            Reader(attempts=2).read(f'http://127.0.0.1:{taken.getsockname()[1]}/a', whole)


def test_after_five_failures_in_a_row_nobody_asks_until_the_next_run(survey, naps, tmp_path):
    server, url = survey
    server.trouble('a.bin', 'always 500')
    reader = Reader(attempts=1, turns=str(tmp_path / 'turns.json'))
    for _ in range(5):
        with pytest.raises(InputFileError, match='answers 500'):
            reader.read(url, whole)
    with pytest.raises(InputFileError, match='not asked for, since the server failed 5 times'):
        Reader(turns=str(tmp_path / 'turns.json')).read(url, whole)
    assert len(server.seen) == 5


def test_an_answer_begins_the_count_anew(survey, naps, tmp_path):
    server, url = survey
    reader = Reader(attempts=1, turns=str(tmp_path / 'turns.json'))
    for _ in range(3):
        server.trouble('a.bin', '500', '500', '500')
        for _ in range(3):
            with pytest.raises(InputFileError):
                reader.read(url, whole)
        assert reader.read(url, whole) == 10240


def test_bad_files_and_missing_ones_do_not_speak_against_the_server(survey, naps, tmp_path):
    server, url = survey
    (tmp_path / 'bad.bin').write_bytes(b'bad')
    reader = Reader(attempts=1, turns=str(tmp_path / 'turns.json'))
    for _ in range(6):
        with pytest.raises(InputFileError, match='is not the file, after 1 of 1'):
            reader.read(url.replace('a.bin', 'bad.bin'), whole)
        with pytest.raises(NotThereError):
            reader.read(url.replace('a.bin', 'b.bin'), whole)
    assert reader.read(url, whole) == 10240


def test_a_reader_alone_keeps_to_its_rate(survey, monkeypatch):
    server, url = survey
    waits = []
    monkeypatch.setattr('lensfinder_audit._politeness.sleep', waits.append)
    reader = Reader(rate=0.01)
    for _ in range(3):
        reader.read(url, whole)
    assert waits[0] == 0 and 95 < waits[1] <= 100 and 195 < waits[2] <= 200


ASKING = '''
    import sys, time
    from lensfinder_audit._politeness import Turns
    turns = Turns(sys.argv[1], rate=40)
    print('ready', flush=True)
    sys.stdin.readline()
    for _ in range(10):
        turns.wait()
        print(time.time(), flush=True)
'''


def test_processes_share_the_rate(tmp_path):
    script = [sys.executable, '-c', textwrap.dedent(ASKING), str(tmp_path / 'turns.json')]
    both = [subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)]
    for process in both:
        process.stdout.readline()
    times = sorted(float(line) for process in both
                   for line in process.communicate('go\n', timeout=60)[0].split())
    assert len(times) == 20
    assert times[-1] - times[0] >= 19 / 40 - 0.02
    assert all(later - earlier > -1e-3 for earlier, later in pairwise(times))


@pytest.mark.parametrize(('headers', 'seconds'), [
    ({}, None), ({'Retry-After': '7'}, 7), ({'Retry-After': 'soon'}, None),
    ({'Retry-After': 'Wed, 21 Oct 2015 07:28:00 GMT', 'Date': 'Wed, 21 Oct 2015 07:27:10 GMT'}, 50),
    ({'Retry-After': 'Wed, 21 Oct 2015 07:28:00 GMT'}, 0)])
def test_retry_after_is_read_as_seconds_and_as_a_date(headers, seconds):
    assert retry_after(headers) == seconds


def test_places_below_folders_and_addresses(tmp_path):
    assert join_place('s3://bucket/dr10/', 'a/b') == 's3://bucket/dr10/a/b'
    assert join_place(tmp_path, 'a/b') == str(tmp_path / 'a' / 'b')
    assert is_remote('https://example.org') and not is_remote(tmp_path)


def test_files_of_this_machine_are_named_too(tmp_path):
    with pytest.raises(NotThereError, match='nothing: there is no such file'):
        Reader().read(tmp_path / 'nothing', lambda path: path.read_bytes())
    with pytest.raises(InputFileError, match='is a folder'):
        Reader().read(tmp_path, lambda path: path.read_bytes())


@pytest.mark.parametrize(('options', 'words'), [
    ({'attempts': 0}, 'at least one attempt'), ({'rate': 0.0}, 'rate above 0'),
    ({'timeout': 0}, 'timeout is a number of seconds above 0'),
    ({'contact': 'me\nX-Header: 1'}, 'contact is sent to servers and holds plain letters')])
def test_impossible_readers_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        Reader(**options)


# Stores of objects

def test_objects_in_memory_are_read_through_fsspec(naps):
    fsspec = pytest.importorskip('fsspec')
    fsspec.filesystem('memory').pipe('/survey/a.bin', bytes(range(256)) * 40)
    assert Reader().read('memory://survey/a.bin', whole) == 10240
    with pytest.raises(NotThereError, match='b.bin: there is no such file'):
        Reader().read('memory://survey/b.bin', whole)
    with pytest.raises(InputFileError, match='nosuch://x: Protocol not known'):
        Reader().read('nosuch://x', whole)


def test_objects_of_a_bucket_are_read_from_a_server_that_speaks_s3(survey, naps):
    pytest.importorskip('s3fs')
    server, url = survey
    server.trouble('bucket', '503')
    reader = Reader(storage={'anon': True, 'endpoint_url': url.removesuffix('/a.bin')})
    assert reader.read('s3://bucket/a.bin', whole) == 10240
    assert server.seen[-1].startswith('/bucket/a.bin')
    with pytest.raises(NotThereError, match='b.bin: there is no such file'):
        reader.read('s3://bucket/b.bin', whole)


def test_without_fsspec_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'fsspec', None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lensfinder_audit\[remote\]'"):
        Reader().read('s3://bucket/a.bin', whole)
