# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Each way to break the contract of a normaliser is found, and told."""
import numpy as np
import pytest

from lensfinder_audit.exceptions import ConformanceError
from lensfinder_audit.interfaces import API_VERSION, Normalizer
from lensfinder_audit.testing import check_normalizer, check_plugin

STAMP = (3, 33, 33)


class Good(Normalizer):
    """Square root stretch, which keeps every promise."""

    def __init__(self, *, floor=0.0):
        self.floor = floor

    def normalize(self, flux):
        flux = np.nan_to_num(np.asarray(flux, np.float32))
        return np.sqrt(np.maximum(flux, self.floor))


class Float64(Good):
    def normalize(self, flux):
        return super().normalize(flux).astype(float)


class KeepsDouble(Good):
    def normalize(self, flux):
        return np.sqrt(np.maximum(np.nan_to_num(flux), 0))


class Mutating(Good):
    def normalize(self, flux):
        np.nan_to_num(flux, copy=False)
        return super().normalize(flux)


class View(Good):
    def normalize(self, flux):
        return flux if np.isfinite(flux).all() and flux.dtype == 'f4' else super().normalize(flux)


class Leaking(Good):
    def normalize(self, flux):
        return np.asarray(flux, np.float32)[:] * 1


class DividesByZero(Good):
    def normalize(self, flux):
        images = super().normalize(flux)
        with np.errstate(invalid='ignore'):
            return images / images.std(axis=(2, 3), keepdims=True)


class Flattening(Good):
    def normalize(self, flux):
        return super().normalize(flux).reshape(len(flux), -1)


class OverTheBatch(Good):
    def normalize(self, flux):
        images = super().normalize(flux)
        return images / np.float32(images.max(initial=1))


class Random(Good):
    def normalize(self, flux):
        images = super().normalize(flux)
        return images + np.random.default_rng().normal(size=images.shape).astype(np.float32)


class Unpicklable(Good):
    def __init__(self):
        self.floor = 0.0
        self.stretch = lambda x: x


class Forgetful(Good):
    def __init__(self, *, floor=0.0, clip=10.0):
        self.floor = floor


class Blind(Good):
    def normalize(self, flux):
        return np.zeros(flux.shape, np.float32)


class RawBytes(Good):
    def normalize(self, flux):
        plain = np.ascontiguousarray(flux)
        if plain.dtype.itemsize == 4:
            plain = plain.view('=f4')
        with np.errstate(all='ignore'):
            return super().normalize(plain)


class NotEmpty(Good):
    def normalize(self, flux):
        return np.stack([super(NotEmpty, self).normalize(stamp) for stamp in flux])


class Foreign:
    normalize = Good.normalize


class FromTheFuture(Good):
    api_version = API_VERSION + 1


class FromThePast(Good):
    api_version = 0


BREAKS = {
    Float64: 'came back as float64; end with .astype',
    KeepsDouble: 'float64 came back as float64',
    Mutating: 'changed [0-9]+ of 19602 pixels of its input; work on a copy',
    View: 'a view of its input; return a copy',
    Leaking: 'scattered missing pixels left [0-9]+ values that are not finite in 6 of 6 stamps',
    DividesByZero: 'a missing band left .* guard the division',
    Flattening: r'stamps of shape \(6, 3, 33, 33\) came back as \(6, 3267\)',
    OverTheBatch: r'a batch of 6 differs by up to .* over the axes \(-2, -1\) only',
    Random: 'two calls on the same stamps differ',
    Unpicklable: 'cannot be sent to another process: .*lambda',
    Forgetful: r"\['clip'\] of __init__ are not attributes.*write self.clip = clip",
    Blind: '6 different stamps gave the same image, with values from 0 to 0',
    RawBytes: 'big-endian stamps, as FITS has them, change values',
    NotEmpty: 'no stamps give no images.*need at least one array',
    Foreign: 'subclass lensfinder_audit.interfaces.Normalizer',
    FromTheFuture: 'api_version is 2, this package has 1; upgrade lensfinder_audit',
    FromThePast: 'api_version is 0, this package has 1; upgrade the plugin',
}


def test_a_good_one_passes():
    check_normalizer(Good(), stamp=STAMP)


@pytest.mark.parametrize('broken', BREAKS, ids=lambda cls: cls.__name__)
def test_break_is_found(broken):
    with pytest.raises(ConformanceError, match=f'^{broken.__name__} fails.*{BREAKS[broken]}'):
        check_normalizer(broken(), stamp=STAMP)


def test_all_breaks_are_listed():
    class TwoFaults(Float64, FromTheFuture):
        pass

    found = check_plugin('normalizers', TwoFaults, stamp=STAMP)
    failed = [result.name for result in found if not result.passed]
    assert failed[:2] == ['api version is known', 'images are float32']
    assert len(found) == 15 and sum(result.passed for result in found) > 9
    assert all(bool(result.message) != result.passed for result in found)


def test_an_exception_is_a_failure_with_its_text():
    class Raising(Good):
        def normalize(self, flux):
            raise KeyError('softening')

    assert "it raised KeyError: 'softening'" in {r.message for r in check_plugin(
        'normalizers', Raising(), stamp=STAMP)}


def test_a_plugin_that_cannot_be_made_is_one_failure():
    class Demanding(Good):
        def __init__(self, path):
            self.path = path

    (found,) = check_plugin('normalizers', Demanding)
    assert not found.passed and found.name == 'can be made without arguments'
    assert 'missing 1 required positional argument' in found.message


def test_unknown_kind():
    with pytest.raises(ValueError, match="Did you mean 'normalizers'"):
        check_plugin('normalisers', Good)
