# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Real stamps through the chain: store, normalisers, a finder, contact sheet."""
from io import BytesIO

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from click.testing import CliRunner

from lensfinder_audit.classifiers.demo_network import DemoNetwork
from lensfinder_audit.cli import main
from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.files import read_table
from lensfinder_audit.manifest import write_manifest
from lensfinder_audit.plotting import contact_sheet
from lensfinder_audit.plugins import load_plugin

SCALE = 0.262 * u.arcsec


@pytest.fixture
def stamps(real_data):
    """Four lens candidates of DR10 and ten arrays of DECaLS galaxies, (14, 3, 101, 101)."""
    files = sorted((real_data / 'dr10-cutouts').glob('*.npz'))
    found = [np.load(path, allow_pickle=True)['cutout'] for path in files]
    with np.load(real_data / 'decals-galaxies' / 'derived_101px_0p262_grz.npz') as arrays:
        found += [arrays[name] for name in arrays.files]
    return np.moveaxis(np.array(found, dtype=np.float32), -1, 1)


@pytest.mark.parametrize('name', ['raw_robust', 'raw_robust_published', 'asinh'])
def test_real_stamps_are_normalised(stamps, name):
    images = load_plugin('normalizers', name)()(stamps)
    assert images.shape == stamps.shape and np.isfinite(images).all()
    assert (np.std(images, axis=(2, 3)) > 0.1).all()  # no band is blank


def test_real_stamps_are_scored_by_the_command(stamps, tmp_path):
    keys = [f'real-{i}' for i in range(len(stamps))]
    with CutoutWriter(tmp_path / 'cutouts', bands='grz', shape=(101, 101),
                      pixel_scale=SCALE) as writer:
        writer.add(keys, stamps)
    write_manifest(QTable({'object_id': keys}), tmp_path / 'manifest.parquet')
    out = tmp_path / 'scores.parquet'
    found = CliRunner().invoke(main, ['score', 'demo_network', str(tmp_path / 'manifest.parquet'),
                                      '-o', str(out)])
    assert found.exit_code == 0, found.output
    scores = read_table(out)
    np.testing.assert_allclose(scores['score'], DemoNetwork()(CutoutStore(
        tmp_path / 'cutouts').get(keys), bands='grz', pixel_scale=SCALE), atol=1e-5)
    assert np.isfinite(scores['score']).all() and len(np.unique(scores['score'])) >= 12


def test_real_stamps_are_drawn(stamps):
    stream = BytesIO()
    contact_sheet(stamps, titles=[str(i) for i in range(len(stamps))]).savefig(stream)
    assert len(stream.getvalue()) > 20000


def test_published_checkpoints_are_refused_with_what_to_do(real_data, tmp_path, stamps):
    keys = ['a', 'b']
    with CutoutWriter(tmp_path / 'cutouts', bands='grz', shape=(101, 101),
                      pixel_scale=SCALE) as writer:
        writer.add(keys, stamps[:2])
    write_manifest(QTable({'object_id': keys}), tmp_path / 'manifest.parquet')
    for path in sorted((real_data / 'models').glob('*.pt')):
        found = CliRunner().invoke(main, ['score', str(path), str(tmp_path / 'manifest.parquet'),
                                          '-o', str(tmp_path / 'scores.parquet')])
        assert found.exit_code == 2 and path.name in found.output
        assert 'export' in found.output and not (tmp_path / 'scores.parquet').exists()
