# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A selection function that was saved gives the same answers as before."""
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from lensfinder_audit.exceptions import InputFileError, OutputExistsError
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.selection_algebra import marginalise
from lensfinder_audit.measure.selection_build import measure_selection
from lensfinder_audit.measure.selection_example import example_injections
from lensfinder_audit.selection_file import load_selection, save_selection

AXES = [Axis('theta_e', (0.5, 1.5, 2.0, np.inf), unit='arcsec', possible=(0.5, np.inf)),
        Axis('type', classes=('DEV', 'SER'))]


def injections(n=2000):
    table = example_injections(n, n_hosts=80)
    table['type'] = np.where(np.arange(n) % 3, 'SER', 'DEV')
    return table


@pytest.fixture(scope='module', params=['binned', 'smooth'])
def selection(request):
    return measure_selection(injections(), threshold=0.5, by=AXES, method=request.param)


@pytest.fixture
def path(selection, tmp_path):
    save_selection(selection, tmp_path / 'selection.npz')
    return tmp_path / 'selection.npz'


def rewrite(path, change):
    """Write a file again with another head."""
    with np.load(path) as archive:
        found = dict(archive)
    head = json.loads(str(found['head']))
    change(head)
    np.savez(path, **{**found, 'head': np.array(json.dumps(head))})


def test_every_answer_is_the_same(selection, path):
    loaded = load_selection(path)
    points = injections(500)
    points['theta_e'][::7] *= 9
    one, other = selection.query(points), loaded.query(points)
    for name in one.colnames:
        assert_array_equal(one[name], other[name])
    for item in ({}, {'unsupported': 'use'}):
        draws = [this.sample(20, np.random.default_rng(1), points, **item)
                 for this in (selection, loaded)]
        assert_array_equal(*draws)
    assert_array_equal(*[list(this.mean(points)[0]) for this in (selection, loaded)])
    assert loaded.axes == selection.axes and repr(loaded) == repr(selection)


def test_provenance_is_kept(selection, path):
    loaded = load_selection(path)
    for name in ('threshold', 'interval', 'cluster', 'injections', 'package_version'):
        assert loaded.meta[name] == selection.meta[name]
    assert loaded.cells['theta_e_min'].unit == 'arcsec'
    assert loaded.cells.meta == loaded.meta


def test_saved_again_it_holds_the_same(path, tmp_path):
    save_selection(load_selection(path), tmp_path / 'again.npz')
    with np.load(path) as one, np.load(tmp_path / 'again.npz') as other:
        assert one.files == other.files
        for name in one.files:
            assert_array_equal(one[name], other[name])


def test_an_average_can_be_saved(tmp_path):
    found = marginalise(measure_selection(injections(), threshold=0.5, by=AXES), injections(50),
                        ['type'])
    save_selection(found, tmp_path / 'average.npz')
    loaded = load_selection(tmp_path / 'average.npz')
    assert_array_equal(loaded.cells['lo'], found.cells['lo'])
    assert loaded.meta['marginalised'] == ['type']


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_named(path, share):
    data = path.read_bytes()
    path.write_bytes(data[:int(share * len(data))])
    with pytest.raises(InputFileError, match='selection.npz: .*is it cut short'):
        load_selection(path)


def test_a_changed_byte_is_noticed(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xff
    path.write_bytes(data)
    with pytest.raises(InputFileError, match='cut short'):
        load_selection(path)


def test_another_version_is_named(path):
    rewrite(path, lambda head: head.update(version=7))
    with pytest.raises(InputFileError, match='version 7 of the format.*reads version 1'):
        load_selection(path)


def test_another_archive_is_named(path, tmp_path):
    rewrite(path, lambda head: head.update(format='something'))
    with pytest.raises(InputFileError, match='not a selection function'):
        load_selection(path)
    np.savez(tmp_path / 'other.npz', x=np.ones(3))
    with pytest.raises(InputFileError, match='cannot be read as a selection function'):
        load_selection(tmp_path / 'other.npz')
    np.savez(tmp_path / 'pickled.npz', head=np.array([{}], dtype=object))
    with pytest.raises(InputFileError, match='cannot be read as a selection function'):
        load_selection(tmp_path / 'pickled.npz')
    with pytest.raises(InputFileError, match='no such file'):
        load_selection(tmp_path / 'nothing.npz')


def test_files_are_not_replaced_by_accident(selection, path):
    with pytest.raises(OutputExistsError):
        save_selection(selection, path)
    save_selection(selection, path, overwrite=True)
    with pytest.raises(InputFileError, match='saved as .npz'):
        save_selection(selection, path.with_suffix('.fits'))
