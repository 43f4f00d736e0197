# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""What a classifier promises."""
import numpy as np
from astropy import units as u

from lensfinder_audit.exceptions import ConformanceError, did_you_mean
from lensfinder_audit.interfaces import SCORE_KINDS, Classifier, Normalizer
from lensfinder_audit.testing import _core
from lensfinder_audit.testing._examples import example_flux
from lensfinder_audit.testing._normalizers import NormalizerCase

__all__ = ['check_classifier', 'ClassifierCase']

_TRAINING = 'is a network left in training mode? Call its eval() once it is loaded'


def check_classifier(classifier, *, flux=None, rtol=1e-4):
    """
    Check that a classifier keeps its contract.

    Parameters
    ----------
    classifier : `~lensfinder_audit.interfaces.Classifier`
        The plugin.
    flux : (n, band, y, x) array_like, optional
        Stamps in nanomaggies to try it on, in its own bands and size; several,
        and unlike each other. Made-up galaxies by default.
    rtol : float, optional
        How far a score may vary, relative to the larger of 1 and itself. A GPU
        that rounds to 10 bits may need 1e-3.

    Raises
    ------
    ConformanceError
        If a declaration is missing, a score out of range, or if scores depend
        on chance, on the order or on the batch, as those of a network do that
        was left in training mode.

    Examples
    --------
    ::

        check_classifier(MyFinder.from_checkpoint('finder.onnx'))
    """
    _core.require(ClassifierCase(classifier, flux=flux, rtol=rtol))


class ClassifierCase:
    """A classifier and the stamps it is tried on."""

    def __init__(self, plugin, *, flux=None, rtol=1e-4):
        self.plugin = plugin
        self.checks = CHECKS
        self.rtol = rtol
        self._flux = flux

    @property
    def flux(self):
        """Stamps in the classifier's own bands and size."""
        if self._flux is None:
            self._flux = example_flux(bands=len(self.plugin.bands), shape=self.plugin.stamp_shape)
        return np.array(self._flux)

    def compare(self, first, second, message):
        """Raise if two sets of scores differ."""
        difference = _core.largest_difference(first, second)
        if difference > self.rtol * max(1, np.abs(first).max()):
            raise ConformanceError(message.format(f'{difference:.3g}'))


def is_a_classifier(case):
    """It subclasses the interface."""
    _core.require_kind(case, Classifier)


def bands_are_declared(case):
    """Bands in the order of the network's input."""
    bands = case.plugin.bands
    if isinstance(bands, str) or not bands or len(set(bands)) < len(bands):
        raise ConformanceError(f'bands is {bands!r}; give each band once, in the order of the '
                               "network's input, such as ('g', 'r', 'z')")


def stamp_shape_is_declared(case):
    """Height and width of the input."""
    shape = case.plugin.stamp_shape
    if len(shape) != 2 or not all(isinstance(n, int | np.integer) and n > 0 for n in shape):
        raise ConformanceError(f'stamp_shape is {shape!r}; give height and width in pixels, such '
                               'as (101, 101)')


def pixel_scale_is_an_angle(case):
    """Angle per pixel, with its unit."""
    scale = case.plugin.pixel_scale
    good = isinstance(scale, u.Quantity) and scale.isscalar and scale.unit.is_equivalent('arcsec')
    if not good or not scale > 0 * u.arcsec:
        raise ConformanceError(f'pixel_scale is {scale!r}; give the angle per pixel, such as '
                               '0.262 * astropy.units.arcsec')


def owns_its_normalizer(case):
    """Fluxes cannot reach it normalised in another way."""
    if not isinstance(case.plugin.normalizer, Normalizer):
        raise ConformanceError(f'normalizer is {case.plugin.normalizer!r}; give the Normalizer '
                               'that the network was trained with')


def normalizer_conforms(case):
    """Its normaliser keeps the contract of one."""
    stamp = (len(case.plugin.bands), *case.plugin.stamp_shape)
    _core.require(NormalizerCase(case.plugin.normalizer, stamp=stamp))


def score_kind_is_known(case):
    """Probability, logit or rank."""
    kind = case.plugin.score_kind
    if kind not in SCORE_KINDS:
        raise ConformanceError(f'score_kind is {kind!r}; the kinds are {SCORE_KINDS}.'
                               f'{did_you_mean(kind, SCORE_KINDS)}')


def network_is_not_training(case):
    """No network among its attributes says that it is being trained."""
    attributes = getattr(case.plugin, '__dict__', {})
    found = [name for name, value in attributes.items() if getattr(value, 'training', None) is True]
    if found:
        raise ConformanceError(f'self.{found[0]}.training is True: dropout and batch normalisation '
                               f'are on; call self.{found[0]}.eval() once it is loaded')


def scores_are_one_per_stamp(case):
    """One finite score for each stamp."""
    case.plugin(case.flux)


def scores_are_in_range(case):
    """A probability lies between 0 and 1."""
    scores = case.plugin(case.flux)
    if case.plugin.score_kind == 'probability' and ((scores < 0) | (scores > 1)).any():
        raise ConformanceError(f'scores run from {scores.min():.3g} to {scores.max():.3g} and are '
                               "declared as probability; declare score_kind = 'logit' or 'rank', "
                               'or apply the sigmoid')


def same_input_gives_same_scores(case):
    """Nothing is drawn at random."""
    first = case.plugin(case.flux)
    for _ in range(3):
        case.compare(first, case.plugin(case.flux), 'two calls on the same stamps differ by up to '
                     f'{{}}, as dropout makes them; {_TRAINING}')


def order_does_not_matter(case):
    """Each score follows its stamp."""
    case.compare(case.plugin(case.flux), case.plugin(case.flux[::-1])[::-1],
                 'the stamps in reverse order differ in their scores by up to {}; predict must '
                 'keep the order and treat stamps one by one')


def scores_do_not_depend_on_the_batch(case):
    """A stamp alone scores what it scores among others."""
    together = case.plugin(case.flux)
    try:
        alone = np.concatenate([case.plugin(case.flux[i:i + 1]) for i in range(len(together))])
    except Exception as error:
        raise ConformanceError(f'a single stamp raised {type(error).__name__}: {error}; {_TRAINING}'
                               ) from error
    case.compare(together, alone, f'a stamp alone and in a batch of {len(together)} differs in '
                 f'score by up to {{}}, as batch statistics make it; {_TRAINING}')


def images_are_not_changed(case):
    """``predict`` leaves its input as it is."""
    images = case.plugin.normalizer(case.flux)
    kept = images.copy()
    case.plugin.predict(images)
    changed = int((images != kept).sum())
    if changed:
        raise ConformanceError(f'predict changed {changed} of {kept.size} pixels of its input; '
                               'work on a copy')


def missing_pixels_give_finite_scores(case):
    """A missing band is no reason for a score that is not a number."""
    flux = case.flux
    flux[:, 0] = np.nan
    flux[1:2] = np.nan
    case.plugin(flux)


def embedding_is_one_row_per_stamp(case):
    """Where there is an embedding, it is (n, d), finite and repeatable."""
    if type(case.plugin).embed is Classifier.embed:
        return
    images = case.plugin.normalizer(case.flux)
    try:
        first, second = (np.asarray(case.plugin.embed(images)) for _ in range(2))
    except NotImplementedError:  # it has embeddings for some files only
        return
    if first.ndim != 2 or len(first) != len(images) or not np.isfinite(first).all():
        raise ConformanceError(f'embed gave shape {first.shape} for {len(images)} stamps, '
                               f'{int((~np.isfinite(first)).sum())} values not finite; give (n, d)')
    case.compare(first, second, f'two embeddings of the same stamps differ by up to {{}}; '
                 f'{_TRAINING}')


CHECKS = (is_a_classifier, _core.api_version_is_known, _core.parameters_are_recorded,
          bands_are_declared, stamp_shape_is_declared, pixel_scale_is_an_angle,
          owns_its_normalizer, normalizer_conforms, score_kind_is_known, network_is_not_training,
          scores_are_one_per_stamp, scores_are_in_range, images_are_not_changed,
          same_input_gives_same_scores, order_does_not_matter, scores_do_not_depend_on_the_batch,
          missing_pixels_give_finite_scores, embedding_is_one_row_per_stamp)
