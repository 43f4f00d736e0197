# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pyarrow import parquet

from lensfinder_audit import files
from lensfinder_audit.exceptions import InputFileError, OutputExistsError, OutputFileError
from lensfinder_audit.files import read_table, sha256, whole_file, whole_folder, write_whole

META = {'schema': 'scores', 'schema_version': 1, 'interval': 'Clopper-Pearson, 95 %',
        'inputs': {'scores.csv': 'ab' * 32}, 'plugins': ['raw_robust 0.1'], 'note': 'é' * 100}


def example():
    table = QTable({'name': ['DESI-001', ''], 'score': [0.25, np.nan], 'n': [3, -4],
                    'label': [True, False], 'psfsize_r': [1.25, np.nan] * u.arcsec})
    table.meta = dict(META)
    return table


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


# Reading what was written

@pytest.mark.parametrize('suffix', ['.ecsv', '.csv', '.fits', '.parquet'])
def test_what_is_written_is_read(tmp_path, suffix):
    path = tmp_path / f'table{suffix}'
    write_whole(example(), path)
    found = read_table(path)
    for name in example().colnames:
        assert_array_equal(np.asarray(found[name]), np.asarray(example()[name]), err_msg=name)
        assert found[name].dtype.kind == example()[name].dtype.kind
    assert left_in(tmp_path) == [path.name]


@pytest.mark.parametrize('suffix', ['.ecsv', '.fits', '.parquet'])
def test_units_and_nested_meta_survive(tmp_path, suffix):
    path = tmp_path / f'table{suffix}'
    write_whole(example(), path)
    found = read_table(path)
    assert found['psfsize_r'].unit == u.arcsec
    assert dict(found.meta) == META


@pytest.mark.parametrize('suffix', ['.ecsv', '.csv', '.fits', '.parquet'])
def test_table_without_rows_survives(tmp_path, suffix):
    path = tmp_path / f'table{suffix}'
    write_whole(example()[:0], path)
    found = read_table(path)
    assert (len(found), found.colnames) == (0, example().colnames)


@pytest.mark.parametrize('suffix', ['.csv', '.fits', '.parquet'])
def test_text_of_object_type_is_written(tmp_path, suffix):
    path = tmp_path / f'table{suffix}'
    write_whole(QTable({'name': np.array(['a', 'longer'], object)}), path)
    assert read_table(path)['name'].tolist() == ['a', 'longer']


@given(st.lists(st.floats(width=64, allow_nan=True), min_size=1, max_size=20))
def test_numbers_survive_csv_to_the_last_digit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp('csv') / 'table.csv'
    write_whole(QTable({'x': values, 'i': np.arange(len(values))}), path)
    assert_array_equal(np.asarray(read_table(path)['x'], float), values)


def test_writing_does_not_change_the_table(tmp_path):
    table = example()
    write_whole(table, tmp_path / 'table.fits')
    assert table.meta == META


def test_unknown_suffix_is_named_before_anything_is_written(tmp_path):
    with pytest.raises(InputFileError, match='written as one of .ecsv, .csv, .fits, .parquet'):
        write_whole(example(), tmp_path / 'table.txt')
    assert left_in(tmp_path) == []


# Missing values

CSV = 'i,b,s,x\n1,true,a,0.5\n,,,\n3,false,NA,nan\n'


@pytest.mark.parametrize('kind', ['csv', 'parquet', 'pandas', 'fits', 'votable', 'ecsv'])
def test_gaps_are_nan_in_numbers_and_empty_in_text(tmp_path, kind):
    found = read_table(_with_gaps(tmp_path, kind))
    assert_array_equal(found['i'], [1, np.nan, 3])
    if kind != 'fits':  # its truth values have no gaps when astropy writes them
        assert found['b'].tolist() == ['true', '', 'false']
    assert found['s'].tolist() == ['a', '', '']
    assert_array_equal(found['x'], [0.5, np.nan, np.nan])


def _with_gaps(folder, kind):
    columns = {'i': [1, None, 3], 'b': [True, None, False], 's': ['a', None, None],
               'x': [0.5, None, float('nan')]}
    if kind == 'csv':
        return write(folder / 'table.csv', CSV)
    if kind in ('parquet', 'pandas'):
        path = folder / 'table.parquet'
        extra = {'__index_level_0__': [5, 6, 7]} if kind == 'pandas' else {}
        parquet.write_table(pa.table({**columns, **extra}), path)
        return path
    table = Table({'i': [1, 0, 3], 'b': [True, False, False], 's': ['a', '', ''],
                   'x': [0.5, 0, np.nan]}, masked=True)
    for name in 'ibsx':
        table[name].mask[1] = True
    path = folder / {'fits': 'table.fits', 'votable': 'table.vot', 'ecsv': 'table.ecsv'}[kind]
    table.write(path, format={'votable': 'votable', 'fits': 'fits', 'ecsv': 'ascii.ecsv'}[kind])
    return path


def test_identifiers_of_64_bits_keep_every_digit(tmp_path):
    text = 'big,gap,whole\n12345678901234567890,9007199254740993,1e300\n1,,2\n'
    found = read_table(write(tmp_path / 'table.csv', text))
    assert found['big'].tolist() == ['12345678901234567890', '1']
    assert found['gap'].tolist() == ['9007199254740993', '']
    assert found['whole'].tolist() == [1e300, 2]


def test_masked_identifiers_of_64_bits_keep_every_digit(tmp_path):
    parquet.write_table(pa.table({'id': [2**53 + 1, None]}), tmp_path / 'table.parquet')
    assert read_table(tmp_path / 'table.parquet')['id'].tolist() == ['9007199254740993', '']


def test_column_without_any_value_is_text_and_one_of_nan_is_numbers(tmp_path):
    found = read_table(write(tmp_path / 'table.csv', 'a,b,c\n,nan,1\n,NaN,2\n'))
    assert found['a'].tolist() == ['', '']
    assert np.isnan(found['b']).all()


# Dialects of text

@pytest.mark.parametrize('text', [
    'name,score\na,0.5\n',
    '\ufeffname,score\r\na,0.5\r\n',
    '# made by a script, by me\n# in May\nname,score\na,0.5\n',
    ' name , score \n a , 0.5 \n',
    '"name","score"\n"a","0.5"\n',
    '# %ECSV 1.0\n# ---\n# datatype:\n# - {name: name, datatype: string}\n'
    '# - {name: score, datatype: float64}\nname score\na 0.5\n',
])
def test_dialects_of_csv_agree(tmp_path, text):
    found = read_table(write(tmp_path / 'table.csv', text))
    assert found.colnames == ['name', 'score']
    assert (found['name'][0], found['score'][0]) == ('a', 0.5)


def test_suffix_counts_in_any_case_and_packed(tmp_path):
    import gzip
    write(tmp_path / 'table.TSV', 'a\tb\n1\tx y\n')
    write(tmp_path / 'table.csv.gz', gzip.compress(b'a,b\n1,x y\n'))
    for name in ('table.TSV', 'table.csv.gz'):
        assert read_table(tmp_path / name)['b'].tolist() == ['x y']


def test_line_break_inside_quotes_is_part_of_the_text(tmp_path):
    found = read_table(write(tmp_path / 'table.csv', 'a,b\n"x\ny",1\nz,2\n'))
    assert found['a'].tolist() == ['x\ny', 'z']


def test_dates_and_times_are_text(tmp_path):
    found = read_table(write(tmp_path / 'table.csv', 'd,t\n2026-01-31,12:30:00\n,\n'))
    assert (found['d'].tolist(), found['t'].tolist()) == (['2026-01-31', ''], ['12:30:00', ''])


# Parquet of others

def test_parquet_types_of_others(tmp_path):
    path = tmp_path / 'table.parquet'
    parquet.write_table(pa.table({
        'dictionary': pa.array(['a', None, 'a']).dictionary_encode(),
        'large': pa.array(['x', 'y', None], pa.large_string()),
        'unsigned': pa.array([2**64 - 1, 0, 1], pa.uint64()),
        'half': pa.array(np.array([0.5, 1, 2], np.float16)),
        'fixed': pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2)),
        'ragged': pa.array([[1], [], None], pa.list_(pa.int32())),
        'binary': pa.array([b'a', b'b', None]),
        'time': pa.array([0, 1, None], pa.timestamp('s')),
    }), path)
    found = read_table(path)
    assert found['dictionary'].tolist() == ['a', '', 'a']
    assert found['large'].tolist() == ['x', 'y', '']
    assert found['unsigned'].tolist() == [2**64 - 1, 0, 1]
    assert found['half'].tolist() == [0.5, 1, 2]
    assert found['fixed'].shape == (3, 2)
    assert found['ragged'].tolist() == ['[1]', '[]', 'None']
    assert found['binary'].tolist() == ['a', 'b', '']
    assert found['time'][0].startswith('1970-01-01') and found['time'][2] == ''


# FITS

def fits_table(path, **header):
    columns = [fits.Column('ra', 'D', unit='DEGREE', array=[1.0, 2.0]),
               fits.Column('psfdepth_r', 'E', unit='1/nanomaggy^2', array=[100.0, 0.0]),
               fits.Column('hist', '3J', array=np.arange(6).reshape(2, 3)),
               fits.Column('name', '4A', array=['ab', 'c'])]
    image = fits.PrimaryHDU(np.zeros((2, 2)))
    fits.HDUList([image, fits.ImageHDU(np.ones(3)), fits.BinTableHDU.from_columns(columns)]
                 ).writeto(path)
    return path


def test_fits_units_of_surveys_are_understood(tmp_path):
    found = read_table(fits_table(tmp_path / 'table.fits'))
    assert found['ra'].unit == u.deg
    assert found['psfdepth_r'].unit == u.nmgy**-2


def test_fits_columns_have_the_byte_order_of_the_machine(tmp_path):
    found = read_table(fits_table(tmp_path / 'table.fits'))
    assert all(found[name].dtype.isnative for name in found.colnames)
    assert found['hist'].shape == (2, 3)
    assert found['name'].tolist() == ['ab', 'c']


@pytest.mark.filterwarnings('ignore::ResourceWarning')
def test_fits_cut_at_any_block_is_refused(tmp_path):
    table = QTable({'x': np.arange(3000.0), 'n': np.arange(3000)})
    table.write(tmp_path / 'whole.fits')
    content = (tmp_path / 'whole.fits').read_bytes()
    for length in (0, 100, 2880, 4000, 5760, 8000, len(content) - 2880):
        path = write(tmp_path / 'cut.fits', content[:length])
        with pytest.raises(InputFileError, match='cut.fits: .*(cut short|no table|corrupt)'):
            read_table(path)


# Files that are not what they seem

@pytest.mark.parametrize('name, content, message', [
    ('a.csv', '', 'it is empty'),
    ('a.csv', ' \n\n', 'it is empty'),
    ('a.csv', '<!DOCTYPE html>\n<html><body>Not found</body></html>\n', 'a web page or XML'),
    ('a.tsv', '\n <html>', 'a web page or XML'),
    ('a.csv', b'\x89PNG\r\n\x1a\n\0\0', 'it is binary, not text'),
    ('a.csv', 'a,b\n1,2\n3\n', 'Row #3: Expected 2 columns, got 1'),
    ('a.csv', 'a,a\n1,2\n', "more than one column is called 'a'"),
    ('a.csv', '0.5,1\n0.7,0\n', 'its first line holds numbers'),
    ('a.csv', 'a;b\n1;2\n', "its columns are parted by ';', not by ','"),
    ('a.csv', 'a,b\ncaf\xe9,1\n'.encode('latin-1'), 'not UTF-8'),
    ('a.fits', '<html></html>', 'cannot be read as fits'),
    ('a.fits', '', 'cannot be read as fits'),
    ('a.parquet', 'PAR1', 'cannot be read as parquet'),
    ('a.parquet', '', 'cannot be read as parquet'),
    ('a.vot', '<html></html>', 'cannot be read as vot'),
    ('a.ecsv', 'a,b\n1,2\n', 'cannot be read as ecsv'),
    ('a.csv.gz', 'a,b\n1,2\n', 'cannot be read as csv.gz'),
    ('a.txt', 'a b\n', "the suffix '.txt' is not one of a table; those are .csv"),
    ('a', 'a,b\n', "the suffix '' is not one of a table"),
])
def test_file_that_is_no_table_is_refused_in_one_line(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(InputFileError) as caught:
        read_table(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_parquet_cut_short_is_refused(tmp_path):
    write_whole(example(), tmp_path / 'whole.parquet')
    content = (tmp_path / 'whole.parquet').read_bytes()
    path = write(tmp_path / 'cut.parquet', content[:len(content) // 2])
    with pytest.raises(InputFileError, match='cut short'):
        read_table(path)


def test_votable_cut_short_is_refused(tmp_path):
    example().write(tmp_path / 'whole.vot', format='votable')
    content = (tmp_path / 'whole.vot').read_bytes()
    path = write(tmp_path / 'cut.vot', content[:len(content) // 2])
    with pytest.raises(InputFileError, match='cut short'):
        read_table(path)


def test_folder_and_absent_file_are_told_apart(tmp_path):
    (tmp_path / 'folder.csv').mkdir()
    with pytest.raises(InputFileError, match='is a folder'):
        read_table(tmp_path / 'folder.csv')
    with pytest.raises(InputFileError, match='there is no such file'):
        read_table(str(tmp_path / 'absent.csv'))


def test_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = write(tmp_path / 'a.csv', 'a\n1\n')

    def refuse(path):
        raise PermissionError(errno.EACCES, 'Permission denied', str(path))
    monkeypatch.setattr('lensfinder_audit._readers.READERS', {'.csv': refuse})
    with pytest.raises(InputFileError, match='cannot be read: Permission denied$'):
        read_table(path)


def test_checksum_is_sha256(tmp_path):
    path = write(tmp_path / 'a', 'abc')
    assert sha256(path).startswith('ba7816bf8f01cfea414140de5dae2223')


# Real files

@pytest.mark.parametrize('name, rows', [
    ('scores/base_model_scores_train_val.parquet', 5254),
    ('scores/candidate_scores_storfer.csv', 1895),
    ('lens-catalogs/stein2021_new_lenses.tsv', 1192),
    ('confusers/rc3limited.fits', 3053),
    ('survey-conditions/survey-bricks-dr6.fits.gz', 1),
    ('survey-conditions/sweep-310m005-320p000.fits', 6),
])
def test_real_tables_are_read(real_data, name, rows):
    table = read_table(real_data / name)
    assert len(table) == rows
    assert all(table[name].dtype.isnative for name in table.colnames)


@pytest.mark.filterwarnings('ignore::ResourceWarning')
def test_real_fits_file_that_is_cut_short_says_so(real_data):
    with pytest.raises(InputFileError, match='it is cut short .*300000'):
        read_table(real_data / 'decals-galaxies/truncated_300kB_of_example_incomplete.fits')


# Whole or not at all

@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_interrupted_file_leaves_what_was_there(tmp_path, error):
    path = write(tmp_path / 'out.csv', 'old')
    with pytest.raises(error):
        with whole_file(path, overwrite=True) as temporary:
            write(temporary, 'half')
            raise error
    assert path.read_text() == 'old'
    assert left_in(tmp_path) == ['out.csv']


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_interrupted_folder_leaves_what_was_there(tmp_path, error):
    old = tmp_path / 'out'
    old.mkdir()
    write(old / 'a', 'old')
    with pytest.raises(error):
        with whole_folder(old, overwrite=True) as temporary:
            write(temporary / 'a', 'half')
            raise error
    assert (old / 'a').read_text() == 'old'
    assert left_in(tmp_path) == ['out']


def test_folder_is_put_back_where_the_last_step_fails(tmp_path, monkeypatch):
    old = tmp_path / 'out'
    old.mkdir()
    write(old / 'a', 'old')
    rename = os.rename

    def interrupted(source, target):
        if Path(source).name == 'new':
            raise KeyboardInterrupt
        rename(source, target)
    monkeypatch.setattr(files.os, 'rename', interrupted)
    with pytest.raises(KeyboardInterrupt):
        with whole_folder(old, overwrite=True) as temporary:
            write(temporary / 'a', 'new')
    assert (old / 'a').read_text() == 'old'
    assert left_in(tmp_path) == ['out']


@pytest.mark.parametrize('kind', ['file', 'folder'])
def test_full_disk_says_so_and_leaves_what_was_there(tmp_path, kind):
    path = tmp_path / 'out'
    context = whole_file if kind == 'file' else whole_folder
    with pytest.raises(OutputFileError, match='out: cannot be written: No space left on device'):
        with context(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert left_in(tmp_path) == []


@pytest.mark.parametrize('suffix', ['.ecsv', '.csv', '.fits', '.parquet'])
def test_disk_that_fills_while_a_table_is_written(tmp_path, suffix):
    """A limit on the size of files stands in for the full disk."""
    script = f"""
import resource, signal
import numpy as np
from astropy.table import QTable
from lensfinder_audit.exceptions import OutputFileError
from lensfinder_audit.files import write_whole
table = QTable({{'x': np.random.default_rng(0).random(50_000)}})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    write_whole(table, {str(tmp_path / 'out')!r} + {suffix!r}, overwrite=True)
except OutputFileError as error:
    print(error)
"""
    pytest.importorskip('resource', reason='limits on files are a matter of Unix')
    path = write(tmp_path / f'out{suffix}', 'old')
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert 'cannot be written: ' in done.stdout, done.stderr
    assert 'File too large' in done.stdout or 'is the disk full?' in done.stdout
    assert path.read_text() == 'old'
    assert left_in(tmp_path) == [path.name]


@pytest.mark.parametrize('kind', ['file', 'folder'])
def test_killed_process_leaves_what_was_there(tmp_path, kind):
    path = tmp_path / 'out'
    if kind == 'folder':
        path.mkdir()
    old = write(path if kind == 'file' else path / 'a', 'old')
    script = f"""
import sys, time
from lensfinder_audit.files import whole_{kind}
with whole_{kind}({str(path)!r}, overwrite=True) as temporary:
    target = temporary if {kind!r} == 'file' else temporary / 'a'
    target.write_text('half')
    print('ready', flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'ready\n'
        process.send_signal(signal.SIGKILL)
    assert old.read_text() == 'old'
    with (whole_file if kind == 'file' else whole_folder)(path, overwrite=True) as temporary:
        write(temporary if kind == 'file' else temporary / 'a', 'new')
    assert old.read_text() == 'new'


def test_what_is_there_is_replaced_only_on_request(tmp_path):
    path = write(tmp_path / 'out.csv', 'old')
    with pytest.raises(OutputExistsError, match='is there already; choose another name'):
        with whole_file(path):
            pytest.fail('the block must not be entered')
    with whole_file(path, overwrite=True) as temporary:
        write(temporary, 'new')
    assert path.read_text() == 'new'


@pytest.mark.parametrize('kind', ['file', 'folder'])
def test_what_appears_in_the_meantime_is_not_replaced(tmp_path, kind):
    path = tmp_path / 'out'
    with pytest.raises(OutputExistsError):
        with (whole_file if kind == 'file' else whole_folder)(path):
            write(path, 'theirs')
    assert path.read_text() == 'theirs'
    assert left_in(tmp_path) == ['out']


def test_folder_without_the_marker_is_left_alone(tmp_path):
    home = tmp_path / 'home'
    home.mkdir()
    write(home / 'thesis.tex', 'years of work')
    with pytest.raises(OutputExistsError, match='holds no audit.json'):
        with whole_folder(home, overwrite=True, marker='audit.json'):
            pytest.fail('the block must not be entered')
    assert left_in(home) == ['thesis.tex']


@pytest.mark.parametrize('holds', [[], ['audit.json', 'old.csv']])
def test_empty_folder_and_one_with_the_marker_are_replaced(tmp_path, holds):
    path = tmp_path / 'out'
    path.mkdir()
    for name in holds:
        write(path / name, '')
    with whole_folder(path, overwrite=True, marker='audit.json') as temporary:
        write(temporary / 'audit.json', 'new')
    assert left_in(path) == ['audit.json']
    assert left_in(tmp_path) == ['out']


def test_file_and_folder_do_not_take_each_others_place(tmp_path):
    write(tmp_path / 'file', 'old')
    (tmp_path / 'folder').mkdir()
    with pytest.raises(OutputExistsError, match='file is a file; give the name of a folder'):
        with whole_folder(tmp_path / 'file', overwrite=True):
            pass
    with pytest.raises(OutputExistsError, match='folder is a folder; give the name of a file'):
        with whole_file(tmp_path / 'folder', overwrite=True):
            pass


def test_working_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputExistsError, match='choose a folder inside it'):
        with whole_folder('.', overwrite=True):
            pass


def test_parents_are_made(tmp_path):
    with whole_folder(tmp_path / 'a' / 'b') as temporary:
        write(temporary / 'c', '')
    assert left_in(tmp_path / 'a') == ['b']


def test_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    target = write(tmp_path / 'target.csv', 'old')
    link = tmp_path / 'link.csv'
    link.symlink_to(target)
    with whole_file(link, overwrite=True) as temporary:
        write(temporary, 'new')
    assert link.is_symlink()
    assert target.read_text() == 'new'


def test_place_that_cannot_be_written_is_named(tmp_path):
    write(tmp_path / 'file', '')
    with pytest.raises(OutputFileError, match=r'file/out.csv: cannot be written: '):
        with whole_file(tmp_path / 'file' / 'out.csv'):
            pass


def test_folder_that_is_read_only_is_named(tmp_path, monkeypatch):
    def refuse(**kwargs):
        raise PermissionError(errno.EACCES, 'Permission denied', '/hidden')
    monkeypatch.setattr(files.tempfile, 'TemporaryDirectory', refuse)
    with pytest.raises(OutputFileError, match='out.csv: cannot be written: Permission denied'):
        with whole_file(tmp_path / 'out.csv'):
            pass


def test_error_of_the_block_that_is_no_full_disk_comes_through(tmp_path):
    with pytest.raises(FileNotFoundError):
        with whole_file(tmp_path / 'out.csv'):
            open(tmp_path / 'absent')


def test_outputs_may_be_read_by_others(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(example(), tmp_path / 'out.csv')
        with whole_folder(tmp_path / 'out') as temporary:
            write(temporary / 'a', '')
    finally:
        os.umask(before)
    assert (tmp_path / 'out.csv').stat().st_mode & 0o777 == 0o644
    assert (tmp_path / 'out').stat().st_mode & 0o777 == 0o755


def test_a_million_rows_of_csv_are_read_in_seconds(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / 'scores.csv'
    rows = '\n'.join(f'{i},{score:.6f},{i % 94 == 0:d}' for i, score in
                     enumerate(rng.random(1_000_000)))
    write(path, f'object_id,score,label\n{rows}\n')
    begin = time.perf_counter()
    assert len(read_table(path)) == 1_000_000
    assert time.perf_counter() - begin < 20


def test_votable_with_units_and_without_gaps_is_read(tmp_path):
    QTable({'ra': [1., 2.] * u.deg, 'n': [1, 2]}).write(tmp_path / 'table.vot', format='votable')
    found = read_table(tmp_path / 'table.vot')
    assert found['ra'].unit == u.deg and not hasattr(found['ra'], 'mask')
    assert found['ra'].value.tolist() == [1, 2]


def test_what_a_kill_left_behind_goes_with_the_next_run_and_nothing_else(tmp_path):
    script = textwrap.dedent("""
        import os, sys
        from lensfinder_audit.files import whole_folder
        with whole_folder(sys.argv[1]) as folder:
            (folder / 'half').write_text('x' * 1000)
            print('begun', flush=True)
            sys.stdin.read()
        """)
    begun = [subprocess.Popen([sys.executable, '-c', script, str(tmp_path / 'out')], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    dead, alive = begun
    assert [process.stdout.readline() for process in begun] == ['begun\n'] * 2
    dead.kill()
    dead.communicate()
    (tmp_path / '.out.notes').mkdir()
    assert len(list(tmp_path.glob('.out.*/new'))) == 2
    with whole_folder(tmp_path / 'out') as folder:
        (folder / 'whole').write_text('y')
        held = [path for path in tmp_path.glob('.out.*/new/half')]
        assert len(held) == 1  # of the process that lives
    alive.kill()
    alive.communicate()
    assert (tmp_path / 'out' / 'whole').exists() and (tmp_path / '.out.notes').is_dir()
