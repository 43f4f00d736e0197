# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest

from lensfinder_audit.audit import audit
from lensfinder_audit.exceptions import OutputExistsError
from lensfinder_audit.files import read_table
from lensfinder_audit.output import write_tables
from lensfinder_audit.tables import SCHEMAS, check_table
from lensfinder_audit.tests.made_up import QUICK, make_table


@pytest.fixture(scope='module')
def result():
    return audit(make_table(800), by=['psfsize_r', 'type'], prevalence=1e-3, **QUICK)


def test_tables_are_read_back_as_they_were(tmp_path, result):
    write_tables(result, tmp_path)
    names = {path.stem for path in (tmp_path / 'tables').iterdir()}
    assert names == {*result.tables, 'findings'}
    for name, table in {**result.tables, 'findings': result.findings}.items():
        found = read_table(tmp_path / 'tables' / f'{name}.ecsv')
        assert found.colnames == table.colnames
        if len(table) and found.meta.get('schema') in SCHEMAS:
            check_table(found, found.meta['schema'])
        for column in table.colnames:
            np.testing.assert_array_equal(np.asarray(found[column]), np.asarray(table[column]),
                                          err_msg=f'{name}, {column}')
    assert len(read_table(tmp_path / 'objects.parquet')) == 800


def test_writing_twice_gives_the_same_bytes(tmp_path, result):
    for name in ('a', 'b'):
        result.write(tmp_path / name, figures=False)
    for path in (tmp_path / 'a' / 'tables').iterdir():
        assert path.read_bytes() == (tmp_path / 'b' / 'tables' / path.name).read_bytes()


def test_folder_is_replaced_only_with_leave(tmp_path, result):
    result.write(tmp_path / 'out', figures=False)
    with pytest.raises(OutputExistsError, match='is there already'):
        result.write(tmp_path / 'out', figures=False)
    (tmp_path / 'out' / 'note.txt').write_text('mine')
    result.write(tmp_path / 'out', figures=False, overwrite=True)
    assert not (tmp_path / 'out' / 'note.txt').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['out']


def test_failure_of_the_report_leaves_nothing(tmp_path, result, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError('no report')
    monkeypatch.setattr('lensfinder_audit.output.dump_config', fail)
    with pytest.raises(RuntimeError, match='no report'):
        result.write(tmp_path / 'out', figures=False)
    assert not list(tmp_path.iterdir())
