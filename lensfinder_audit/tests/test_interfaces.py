# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What the house does for every plugin."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from numpy.testing import assert_array_equal

from lensfinder_audit.exceptions import ConformanceError, TableError
from lensfinder_audit.interfaces import CatalogSource, Classifier, Normalizer, Plugin
from lensfinder_audit.testing import example_flux


class Scale(Normalizer):
    def __init__(self, *, factor=2.0):
        self.factor = factor

    def normalize(self, flux):
        return (self.factor * np.nan_to_num(flux)).astype(np.float32)


class Sum(Classifier):
    bands = ('g', 'r')
    stamp_shape = (5, 7)
    pixel_scale = 0.262 * u.arcsec
    normalizer = Scale()
    score_kind = 'logit'

    def predict(self, images):
        assert images.dtype == np.float32 and images.shape[1:] == (2, 5, 7)
        return images.sum(axis=(1, 2, 3), dtype=float) + 100 * images[:, 0, 2, 3]


class Catalog(CatalogSource):
    reference = 'arXiv:1804.08657'

    def read(self):
        return QTable({'name': ['a'], 'ra': [10.0], 'dec': [-5.0] * u.deg, 'is_lens': [True],
                       'grade': ['A'], 'tier': ['B'], 'tier_reason': ['by eye'],
                       'discovery_method': ['visual'], 'reference': ['2022ApJ']}, meta={'n': 3})


def test_parameters_and_repr():
    assert Scale(factor=3).parameters() == {'factor': 3}
    assert repr(Scale()) == 'Scale(factor=2.0)'
    assert repr(Sum()) == 'Sum()'


def test_parameters_without_star_arguments():
    class Open(Plugin):
        def __init__(self, *args, path='x', **kwargs):
            self.path = path

    assert Open().parameters() == {'path': 'x'}


def test_interfaces_cannot_be_made():
    with pytest.raises(TypeError, match='abstract'):
        Normalizer()


def test_normalizer_takes_any_array_of_stamps():
    images = Scale()([[[[1, 2], [3, 4]]]])
    assert images.dtype == np.float32 and images.tolist() == [[[[2, 4], [6, 8]]]]


@pytest.mark.parametrize('flux', [np.zeros((3, 5, 5)), np.full((1, 1, 2, 2), 'a'),
                                  np.zeros((1, 1, 2, 2), complex)])
def test_what_is_no_stack_is_refused(flux):
    with pytest.raises(TableError, match=r'numeric array \(n, band, y, x\) in nanomaggies, not'):
        Scale()(flux)


@pytest.mark.parametrize(('change', 'said'), [
    (lambda x: x.astype(float), 'into float64'), (lambda x: x[..., 1:], r'\(6, 3, 9, 8\)'),
    (lambda x: x / np.float32(0), 'not finite in 6 of 6')])
def test_broken_normalizer_is_stopped(change, said):
    class Broken(Scale):
        def normalize(self, flux):
            with np.errstate(all='ignore'):
                return change(super().normalize(flux))

    with pytest.raises(ConformanceError, match=said):
        Broken()(example_flux(shape=(9, 9)))


def test_classifier_selects_and_orders_bands():
    flux = example_flux(shape=(5, 7))
    expected = Sum()(flux[:, :2])
    assert_array_equal(Sum()(flux[:, [2, 1, 0]], bands=('z', 'r', 'g')), expected)


def test_classifier_crops_about_the_center():
    flux = example_flux(bands=2, shape=(9, 11))
    assert_array_equal(Sum()(flux), Sum()(flux[..., 2:7, 2:9]))


@pytest.mark.parametrize('shape', [(3, 7), (6, 7), (5, 8)])
def test_stamp_that_cannot_be_cropped_is_refused(shape):
    with pytest.raises(TableError, match=r'takes stamps of \(5, 7\) pixels; .* cannot be cropped'):
        Sum()(example_flux(bands=2, shape=shape))


def test_missing_band_is_named():
    with pytest.raises(TableError, match=r"needs bands \('g', 'r'\); .* as \('r', 'z'\)"):
        Sum()(example_flux(bands=2, shape=(5, 7)), bands=('r', 'z'))


def test_number_of_planes_must_be_that_of_the_bands():
    with pytest.raises(TableError, match='the stack has 3 planes'):
        Sum()(example_flux(shape=(5, 7)))


def test_other_pixel_scale_is_refused():
    flux = example_flux(bands=2, shape=(5, 7))
    Sum()(flux, pixel_scale=0.262 / 3600 * u.deg)
    with pytest.raises(TableError, match='resample them first'):
        Sum()(flux, pixel_scale=0.168 * u.arcsec)


@pytest.mark.parametrize('scores', [np.zeros(5), np.zeros((6, 1)), np.full(6, np.nan)])
def test_broken_scores_are_stopped(scores):
    class Broken(Sum):
        def predict(self, images):
            return scores

    with pytest.raises(ConformanceError, match='for 6 stamps'):
        Broken()(example_flux(bands=2, shape=(5, 7)))


def test_embedding_and_checkpoint_are_optional():
    with pytest.raises(NotImplementedError, match='Sum has no embedding'):
        Sum().embed(None)
    with pytest.raises(NotImplementedError, match='Sum is not loaded from a file'):
        Sum.from_checkpoint('x')


def test_source_gets_units_and_provenance():
    table = Catalog()()
    assert table['ra'].unit == u.deg
    assert table.meta['reference'] == 'arXiv:1804.08657' and table.meta['source'] == 'Catalog()'
    assert table.meta['schema'] == 'reference' and table.meta['n'] == 3


def test_source_without_a_column_is_stopped():
    class Broken(Catalog):
        def read(self):
            table = super().read()
            table.rename_column('grade', 'grading')
            return table

    with pytest.raises(TableError, match="no column 'grade'. Did you mean 'grading'"):
        Broken()()
