# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
import yaml
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.audit_injections import open_injections
from lensfinder_audit.audit_inputs import recorded
from lensfinder_audit.cli.tests.running import refusal, run, small_table
from lensfinder_audit.config import load_config
from lensfinder_audit.cutouts import CutoutWriter
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.files import read_table, write_whole


def made_inputs(folder):
    table = small_table()
    table['object_id'] = np.char.add('o', np.arange(len(table)).astype(str))
    table['ra'], table['dec'] = np.linspace(10, 60, len(table)), np.linspace(-10, 10, len(table))
    write_whole(table, folder / 'scores.ecsv')
    write_whole(QTable({'ra': table['ra'][-3:], 'dec': table['dec'][-3:]}), folder / 'known.ecsv')
    with CutoutWriter(folder / 'store', bands='grz', shape=(21, 21),
                      pixel_scale=0.262 * u.arcsec) as out:
        rng = np.random.default_rng(0)
        out.add(table['object_id'], rng.normal(size=(len(table), 3, 21, 21)).astype('f4'))
    made = QTable({'object_id': ['a', 'b', 'c'], 'host': ['x', 'y', 'z'], 'cell': [0, 0, 0],
                   'arm': ['base', 'noise', 'base'], 'score': [0.5, 0.5, np.nan]})
    (folder / 'made').mkdir()
    write_whole(made, folder / 'made' / 'injections.parquet')


def test_whatever_was_given_is_in_the_file_that_repeats_the_audit(tmp_path):
    made_inputs(tmp_path)
    given = ['--known', tmp_path / 'known.ecsv', '--store', tmp_path / 'store', '--injections',
             tmp_path / 'made', '--resamples', 200, '--limit', 'known_radius=5', '--no-figures']
    done = run('audit', tmp_path / 'scores.ecsv', *given, '-o', tmp_path / 'first')
    assert done.exit_code == 0, done.stderr
    told = yaml.safe_load((tmp_path / 'first' / 'audit.yaml').read_text())
    assert {'scores', 'known', 'store', 'injections'} == set(told['inputs'])
    assert told['command'].split()[0] == 'lensfinder-audit'
    again = run('audit', '--config', tmp_path / 'first' / 'audit.yaml', '-o', tmp_path / 'second',
                '--no-figures')
    assert again.exit_code == 0, again.stderr
    first, second = ((tmp_path / name / 'tables' / 'known_lenses.ecsv').read_text()
                     for name in ('first', 'second'))
    assert first == second
    tables = sorted(path.name for path in (tmp_path / 'first' / 'tables').iterdir())
    assert tables == sorted(path.name for path in (tmp_path / 'second' / 'tables').iterdir())
    assert 'image_shortcuts.ecsv' in tables


def test_a_store_that_changed_is_refused(tmp_path):
    made_inputs(tmp_path)
    text = yaml.safe_dump({'inputs': {'scores': [{'file': 'scores.ecsv'}],
                                      'store': [{'file': 'store', 'sha256': '0' * 64}]}})
    (tmp_path / 'audit.yaml').write_text(text)
    with pytest.raises(ConfigError, match='store has changed: its sha256 is'):
        load_config(tmp_path / 'audit.yaml')


def test_the_finder_is_recorded_by_its_name(tmp_path):
    made_inputs(tmp_path)
    text = yaml.safe_dump({'inputs': {'scores': [{'file': 'scores.ecsv'}],
                                      'model': [{'plugin': 'demo_network'}]}})
    (tmp_path / 'audit.yaml').write_text(text)
    found, = load_config(tmp_path / 'audit.yaml')[1]['model']
    assert str(found.path) == 'demo_network' and found.sha256 == ''
    assert "no classifiers plugin is named 'demo_networ'" in refusal(
        tmp_path, 'audit', tmp_path / 'scores.ecsv', '--model', 'demo_networ', '-o', 'x')


def test_injections_are_those_of_the_base_that_have_a_score(tmp_path):
    made_inputs(tmp_path)
    table, images = open_injections(tmp_path / 'made')
    assert len(table) == 1 and images is None
    with pytest.raises(TableError, match="has no column 'host'; give the output of"):
        open_injections(read_table(tmp_path / 'known.ecsv'))


def test_tables_without_a_file_are_not_recorded(tmp_path):
    made_inputs(tmp_path)
    assert recorded(known=QTable({'ra': [1.0]})) == {}
    assert list(recorded(known=[tmp_path / 'known.ecsv'])) == ['known']
