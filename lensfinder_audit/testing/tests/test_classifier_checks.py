# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Each way to break the contract of a classifier is found, and told."""
import numpy as np
import pytest
from astropy import units as u

from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import Classifier
from lensfinder_audit.normalizers.asinh import Asinh
from lensfinder_audit.testing import check_classifier, check_plugin, example_flux


class Good(Classifier):
    """Four features, one linear layer, one sigmoid."""

    bands = ('g', 'r', 'z')
    stamp_shape = (21, 21)
    pixel_scale = 0.262 * u.arcsec
    normalizer = Asinh()
    weights = np.array([0.3, -0.4, 0.2, 0.1])

    def embed(self, images):
        mean = images.mean(axis=(2, 3), dtype=float)
        return np.column_stack([mean, images.std(axis=(1, 2, 3), dtype=float)])

    def hidden(self, images):
        return self.embed(images)

    def predict(self, images):
        return 1 / (1 + np.exp(-self.hidden(images) @ self.weights))


class Dropout(Good):
    """In training mode: drops half of the features."""

    def hidden(self, images):
        keep = np.random.default_rng().random((len(images), 4)) < 0.5
        return 2 * keep * self.embed(images)


class BatchNorm(Good):
    """In training mode: uses the mean and variance of the batch."""

    def hidden(self, images):
        features = self.embed(images)
        return (features - features.mean(axis=0)) / np.sqrt(features.var(axis=0) + 1e-5)


class StrictBatchNorm(BatchNorm):
    """As PyTorch's: a batch of one cannot be normalised in training mode."""

    def hidden(self, images):
        if len(images) == 1:
            raise ValueError('Expected more than 1 value per channel when training')
        return super().hidden(images)


class Network:
    training = True


class SaysTraining(Good):
    def __init__(self):
        self.network = Network()


class Logits(Good):
    def predict(self, images):
        return 30 * self.hidden(images) @ self.weights


class Sorting(Good):
    def predict(self, images):
        return np.sort(super().predict(images))


class TwoClasses(Good):
    def predict(self, images):
        scores = super().predict(images)
        return np.column_stack([1 - scores, scores])


class NotANumber(Good):
    def predict(self, images):
        return np.where(images[:, 0, 0, 0] == 0, np.nan, super().predict(images))


class Writing(Good):
    def predict(self, images):
        images -= images.mean()
        return super().predict(images)


class NoBands(Good):
    bands = ()


class BandString(Good):
    bands = 'grz'


class NoShape(Good):
    stamp_shape = (21,)


class PlainScale(Good):
    pixel_scale = 0.262


class ScaleInSeconds(Good):
    pixel_scale = 0.262 * u.s


class NoNormalizer(Good):
    normalizer = None


class BadNormalizer(Good):
    class normalizer(Asinh):
        def normalize(self, flux):
            return super().normalize(flux).astype(float)

    normalizer = normalizer()


class Misspelt(Good):
    score_kind = 'probabilty'


class BadEmbedding(Good):
    def hidden(self, images):
        return Good.embed(self, images)

    def embed(self, images):
        return images


BREAKS = {
    Dropout: 'two calls on the same stamps differ .* dropout .* eval',
    BatchNorm: 'alone and in a batch of 6 differs in score .* batch statistics .* training mode',
    StrictBatchNorm: 'a single stamp raised ValueError: Expected more .* training mode',
    SaysTraining: r'self.network.training is True.*call self.network.eval\(\)',
    Logits: "scores run from [-0-9.]+ to .* declare score_kind = 'logit'",
    Sorting: 'reverse order differ',
    TwoClasses: r'scores of shape \(6, 2\) for 6 stamps',
    NotANumber: 'missing pixels give finite scores.*6 not finite',
    Writing: 'predict changed 7938 of 7938 pixels',
    NoBands: r'bands is \(\)',
    BandString: "bands is 'grz'",
    NoShape: r'stamp_shape is \(21,\)',
    PlainScale: r'pixel_scale is 0.262; give the angle',
    ScaleInSeconds: 'pixel_scale is <Quantity 0.262 s>',
    NoNormalizer: 'normalizer is None; give the Normalizer',
    BadNormalizer: "normalizer conforms.*'images are float32'",
    Misspelt: "Did you mean 'probability'",
    BadEmbedding: r'embed gave shape \(6, 3, 21, 21\)',
}


def test_a_good_one_passes():
    check_classifier(Good())


def test_logits_and_ranks_have_no_range():
    class Declared(Logits):
        score_kind = 'logit'

    check_classifier(Declared())


@pytest.mark.parametrize('broken', BREAKS, ids=lambda cls: cls.__name__)
def test_break_is_found(broken):
    with pytest.raises(ConformanceError, match=f'{broken.__name__} fails.*{BREAKS[broken]}'):
        check_classifier(broken())


def test_own_stamps_can_be_given():
    flux = example_flux(4, shape=(21, 21), seed=5)
    with pytest.raises(ConformanceError, match='in a batch of 4'):
        check_classifier(BatchNorm(), flux=flux)


def test_every_finding_of_a_network_in_training_mode():
    failed = [r.name for r in check_plugin('classifiers', StrictBatchNorm) if not r.passed]
    assert failed == ['scores do not depend on the batch']
