# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import os
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from lensfinder_audit_example_published import EuclidNetwork, MinMax, read_plan

from lensfinder_audit.exceptions import ConfigError, InputFileError, TableError
from lensfinder_audit.testing import check_classifier, check_normalizer, example_flux

WIDTHS = {66: [(0, 50, 3), (4, 50, 3), (7, 50, 3), (10, 50, 3), (13, 40, 3), (17, 40, 3),
               (20, 40, 3), (23, 40, 3), (26, 30, 3)],
          200: [(0, 50, 5), (4, 40, 5), (8, 30, 3), (12, 20, 3), (16, 20, 3), (19, 20, 3)]}
DENSE = {66: (120, 500), 200: (720, 350)}


def shapes(size, bands):
    """The shapes of the published weights."""
    found, before = {}, bands
    for place, width, kernel in WIDTHS[size]:
        found |= {f'layer.{place}.weight': (width, before, kernel, kernel),
                  f'layer.{place}.bias': (width,)}
        before = width
    features, inner = DENSE[size]
    return found | {'fc_layer.0.weight': (inner, features), 'fc_layer.0.bias': (inner,),
                    'fc_layer.2.weight': (2, inner), 'fc_layer.2.bias': (2,)}


@pytest.fixture
def weights(tmp_path):
    torch = pytest.importorskip('torch', reason='the networks run on torch')

    def write(size, bands):
        rng = torch.Generator().manual_seed(0)
        state = {name: torch.randn(shape, generator=rng) * (np.prod(shape[1:]) or 1)**-0.5
                 for name, shape in shapes(size, bands).items()}
        torch.save(state, tmp_path / f'{size}-{bands}.pt')
        return tmp_path / f'{size}-{bands}.pt'

    return write


@pytest.mark.parametrize('size, bands', [(66, 3), (66, 4), (200, 4)])
def test_shapes_say_the_architecture(size, bands):
    n_bands, found, (kernels, dense) = read_plan(shapes(size, bands), 'x.pt')
    assert (n_bands, found) == (bands, size) and len(dense) == 2
    assert [place for place, _, pooled in kernels if pooled] == {
        66: [0, 13, 26], 200: [0, 4, 8, 12]}[size]


def test_other_weights_are_refused():
    with pytest.raises(InputFileError, match='not those of a published network'):
        read_plan({'conv1.weight': (64, 3, 7, 7)}, 'x.pt')
    wrong = shapes(66, 3) | {'fc_layer.0.weight': (500, 121)}
    with pytest.raises(InputFileError, match='121 features do not follow from stamps of 66 or 200'):
        read_plan(wrong, 'x.pt')


def test_normaliser_conforms_and_fills_the_range():
    check_normalizer(MinMax())
    images = MinMax()(example_flux(3))
    assert images.min() == 0 and images.max() == 1


@pytest.mark.parametrize('size, bands', [(66, 3), (66, 4), (200, 4)])
def test_every_network_conforms(weights, size, bands):
    check_classifier(EuclidNetwork(weights(size, bands)))


def test_stamps_of_another_survey_are_refused_until_told_how(weights):
    path, flux = weights(66, 3), example_flux(2)
    survey = {'bands': 'grz', 'pixel_scale': 0.262 * u.arcsec}
    with pytest.raises(TableError, match=r"needs bands \('J', 'Y', 'H'\)"):
        EuclidNetwork(path)(flux, **survey)
    with pytest.raises(TableError, match='of 66 x 66 pixels, these have 101 x 101; it is out'):
        EuclidNetwork(path, bands='grz')(flux, **survey)
    with pytest.raises(TableError, match='was trained at 0.3 arcsec per pixel'):
        EuclidNetwork(path, bands='grz', adapt='crop')(flux, **survey)
    told = EuclidNetwork(path, bands='grz', adapt='crop', pixel_scale=0.262)
    np.testing.assert_allclose(told(flux, **survey), told(flux[..., 17:83, 17:83]), rtol=1e-6)
    with pytest.raises(ConfigError, match='takes 4 bands'):
        EuclidNetwork(weights(66, 4), bands='grz')


@pytest.fixture
def real_data():
    pytest.importorskip('torch', reason='the networks run on torch')
    folder = Path(os.environ.get('LENSFINDER_AUDIT_REAL_DATA', 'none'))
    if not (folder / 'models').is_dir():
        pytest.skip('LENSFINDER_AUDIT_REAL_DATA names no folder with the published weights')
    return folder


def test_published_weights_load_and_score(real_data):
    folder = real_data / 'models'
    for name, size, bands in (('OU_66', 66, 4), ('OU_200', 200, 4), ('OU_JYH', 66, 3)):
        finder = EuclidNetwork(folder / f'{name}_Weights.pt')
        assert finder.stamp_shape == (size, size) and len(finder.bands) == bands
        check_classifier(finder)


def test_the_readme_tells_what_the_audit_of_real_stamps_finds(real_data, capsys):
    script = Path(__file__).parents[1] / 'audit_real_stamps.py'
    spec = spec_from_file_location('audit_real_stamps', script)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main([str(real_data)]) == 0
    told = capsys.readouterr().out
    page = script.with_name('README.rst').read_text()
    for number in re.findall(r': (-?\d[^\n]*)', told):
        assert number in page, number
    assert told.count('needs bands (') == 3 and told.count('cannot take their place') == 2
    assert len(module.real_stamps(real_data)[0]) == 12
