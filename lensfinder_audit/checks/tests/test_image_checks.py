# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from lensfinder_audit.audit import audit
from lensfinder_audit.checks.images import image_gates, response_check
from lensfinder_audit.classifiers.demo_network import DemoNetwork
from lensfinder_audit.cutouts import CutoutWriter
from lensfinder_audit.exceptions import ConfigError, MeasurementError
from lensfinder_audit.image_features import PARTS, image_features
from lensfinder_audit.response import response_table
from lensfinder_audit.testing import example_flux
from lensfinder_audit.tests.made_up import QUICK


def stamps(n=400, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.indices((41, 41)) - 20
    light = np.exp(-np.hypot(x, y) / rng.uniform(2, 4, (n, 1, 1, 1)))
    return (10 * light + rng.normal(size=(n, 3, 41, 41))).astype('float32'), rng.random(n) < 0.4


@pytest.mark.parametrize('part', PARTS)
def test_features_are_finite_and_do_not_turn_with_the_stamp(part):
    flux, _ = stamps(20)
    found = image_features(flux, part)
    assert np.isfinite(found).all() and len(found) == 20
    turned = image_features(np.rot90(flux, axes=(-2, -1)), part)
    assert turned == pytest.approx(found, abs=1e-4)


def test_flux_scale_and_sky_level_do_not_enter_core_and_profile():
    flux, _ = stamps(20)
    for part in ('core', 'radial profile'):
        assert image_features(5 * flux + 3, part) == pytest.approx(image_features(flux, part),
                                                                   abs=0.02)


def test_the_sky_is_that_of_its_percentiles_where_pixels_are_missing():
    flux, _ = stamps(20)
    flux[np.random.default_rng(2).random(flux.shape) < 0.2] = np.nan
    flux[3, 1, 2, 20] = np.inf
    sky = image_features(flux, 'sky annulus').reshape(20, 4, 3)
    radius = np.hypot(*(np.indices((41, 41)) - 20))
    ring = flux[..., (radius >= 0.65 * 20.5) & (radius < 0.9 * 20.5)]
    ring = np.where(np.isfinite(ring), ring, np.nan)
    low, left, middle, right, high = np.nanpercentile(ring, [5, 16, 50, 84, 95], axis=-1)
    noise = (right - left) / 2
    assert sky[:, 1] == pytest.approx(np.log(noise), abs=1e-5)
    for place, expected in ((0, middle), (2, low - middle), (3, high - middle)):
        assert sky[:, place] == pytest.approx(expected / noise, abs=1e-4)


def test_flattening_is_that_of_the_second_moments():
    y, x = np.indices((41, 41)) - 20
    light = np.exp(-(x**2 + (y / 0.5)**2) / (2 * 4**2)).astype('f4')  # 0.5 along y
    flat = image_features(np.tile(light, (1, 3, 1, 1)), 'image')[0, -6:-3]
    assert flat == pytest.approx(0.6, abs=0.05)  # (1 - q^2) / (1 + q^2)


def test_a_missing_band_is_told():
    flux, _ = stamps(20)
    flux[:5, 0] = np.nan
    found = image_features(flux, 'missing pixels')
    assert (found[:5, 0] == 1).all() and (found[5:] == 0).all()
    image_features(flux, 'image')  # no warning


def test_unknown_parts_are_refused():
    with pytest.raises(ConfigError, match="Did you mean 'core'?"):
        image_features(np.zeros((1, 1, 9, 9)), 'cor')
    with pytest.raises(ConfigError, match=r'must be \(n, band, y, x\)'):
        image_features(np.zeros((9, 9)))


def gates(flux, label):
    return image_gates({part: image_features(flux, part) for part in
                        ('sky annulus', 'missing pixels', 'core', 'radial profile')}, label)


def test_pure_noise_passes_every_gate():
    for seed in range(3):
        flux, label = stamps(seed=seed)
        table, found = gates(flux, label)
        assert not found and (table['lo'] < 0.55).all()


@pytest.mark.parametrize('plant, part', [
    (lambda flux, label: flux * np.where(label, 1.4, 1)[:, None, None, None], 'sky annulus'),
    (lambda flux, label: np.where((label & (np.arange(len(label)) % 2 == 0))[:, None, None, None]
                                  & (np.arange(41) < 3), np.nan, flux), 'missing pixels')])
def test_images_that_give_lenses_away(plant, part):
    flux, label = stamps()
    table, found = gates(plant(flux, label), label)
    assert found[0].severity in ('warning', 'severe') and part in found[0].finding
    assert table['p_value'][table['features'] == part] < 0.01


def test_audit_looks_at_stamps_where_there_is_a_store(tmp_path):
    flux, label = stamps(300)
    flux *= np.where(label, 1.2, 1)[:, None, None, None]
    keys = np.char.add('o', np.arange(300).astype(str))
    with CutoutWriter(tmp_path, bands='grz', shape=(41, 41), pixel_scale=0.262 * u.arcsec) as out:
        out.add(keys, flux)
    rng = np.random.default_rng(0)
    table = QTable({'object_id': keys, 'label': label, 'score': rng.random(300)})
    result = audit(table, store=tmp_path, **QUICK)
    assert 'image_shortcuts' in result.tables
    assert 'image shortcuts' in result.findings['check']


class Whimsical(DemoNetwork):
    """A finder that looks at the left half, and at its batch."""

    def predict(self, images):
        half = images[..., :40].mean(axis=(1, 2, 3)) - images[..., -40:].mean(axis=(1, 2, 3))
        return 5 * half - 0.001 * len(images)


def test_response_of_a_finder():
    flux = example_flux(n=40, shape=(101, 101))
    table, found = response_check(Whimsical(), flux)
    assert 'batch dependence' in [item.check for item in found]
    assert any('after the change "flip, left to right"' in item.finding for item in found)
    by = {row['change']: row for row in table}
    assert by['flip, top to bottom']['largest'] < 1e-3 < by['half turn']['largest']
    table = response_table(DemoNetwork(), flux)
    assert table['largest'][0] < 1e-3
    with pytest.raises(MeasurementError, match='3 stamps or more, not 2'):
        response_table(DemoNetwork(), flux[:2])
