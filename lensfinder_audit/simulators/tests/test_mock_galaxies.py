# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tests of the mock images: flux, noise, replay, families, and real stamps beside them."""
import numpy as np
import pytest
from astropy import units as u
from numpy.testing import assert_allclose, assert_array_equal

from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.noise import annulus_mask, sky_noise
from lensfinder_audit.psf import MoffatPSF, convolve
from lensfinder_audit.simulators import mock_galaxies
from lensfinder_audit.simulators._canvas import MARGIN, Canvas
from lensfinder_audit.simulators.mock_galaxies import (MISSING_SHARE, NOISE_CORRELATION, observe,
                                                       pixel_noise, render_objects)
from lensfinder_audit.sources.mock_survey import FAMILIES, MockSurvey
from lensfinder_audit.survey import PIXEL_SCALE

BARE = {'noise': False, 'neighbours': False}
R = 1  # number of the r band


@pytest.fixture(scope='module')
def table():
    return MockSurvey(n_galaxies=24, seed=5)()


@pytest.fixture(scope='module')
def images(table):
    return render_objects(table)


def family(name, n=10, **changes):
    """Rows of one family, seen well."""
    table = MockSurvey(n_galaxies=n, seed=8, fractions={name: 1.0} if name else {})()
    for band in 'grz':
        table[f'psfsize_{band}'] = 1.1 * u.arcsec
    for column, value in changes.items():
        table[column] = np.full(n, value) if isinstance(value, str) else value
    return table


def radial_profile(image):
    """Mean in rings one pixel wide about the center."""
    y, x = np.indices(image.shape) - (np.array(image.shape) // 2)[:, None, None]
    ring = np.round(np.hypot(y, x)).astype(int).ravel()
    return np.bincount(ring, image.ravel()) / np.bincount(ring)


def axis_ratio(image):
    """Of the second moments of the light above a twentieth of the peak."""
    y, x = np.nonzero(image > image.max() / 20)
    low, high = np.linalg.eigvalsh(np.cov(x, y, aweights=image[y, x]))
    return np.sqrt(low / high)


# Light

@pytest.mark.parametrize('kind, sersic, size', [('EXP', 1.0, 0.3), ('EXP', 1.0, 1.4),
                                                ('SER', 2.5, 0.8), ('DEV', 4.0, 0.5)])
def test_image_holds_the_flux_of_the_catalogue(kind, sersic, size):
    table = family('', type=kind, sersic=sersic, shape_r=size * u.arcsec)
    found = render_objects(table, **BARE).sum(axis=(2, 3))
    for i, band in enumerate('grz'):
        assert_allclose(found[:, i], table[f'flux_{band}'].value, rtol=0.01)


@pytest.mark.parametrize('name', ['ring', 'spiral', 'merger', 'edge-on', 'blue clumpy'])
def test_confuser_holds_the_flux_of_the_catalogue(name):
    table = family(name, shape_r=1.2 * u.arcsec)
    found = render_objects(table, **BARE, shape=(161, 161)).sum(axis=(2, 3))
    expected = np.stack([table[f'flux_{band}'].value for band in 'grz'], axis=1)
    assert_allclose(found, expected, rtol=0.012)


@pytest.mark.parametrize('n, re, q', [(0.7, 1.5, 0.3), (1, 4, 0.15), (4, 2, 0.5), (6, 3, 0.9)])
def test_profile_is_that_of_fine_sampling(n, re, q):
    canvas = Canvas(1, (41, 41), 0.262)
    fine = Canvas(1, (41 * 9 + 8 * 2 * MARGIN, 41 * 9 + 8 * 2 * MARGIN), 0.262 / 9)
    coarse = canvas.sersic(re, q=q, angle=0.4, n=n)[0]
    split = fine.sersic(9 * re, q=q, angle=0.4, n=n)[0]
    split = split.reshape(61, 9, 61, 9).sum(axis=(1, 3))
    assert np.abs(coarse - split).max() < 0.01 * split.max()
    assert np.abs(coarse - split).sum() < 0.01 * split.sum()


def test_convolution_is_that_of_the_package():
    psf = MoffatPSF([[1.7, 1.3, 0.9]] * u.arcsec)
    light = np.random.default_rng(0).uniform(size=(1, 3, 51 + 2 * MARGIN, 51 + 2 * MARGIN))
    kernel = psf.kernels(PIXEL_SCALE)[0]
    inside = np.s_[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    expected = convolve(light, psf, PIXEL_SCALE, pixel_integrated=True)[0][inside]
    found = mock_galaxies._convolved(light[0].astype(np.float32), kernel)[inside]
    assert_allclose(found, expected, rtol=0.02)  # beyond the margin the one knows of no light


def test_major_axis_runs_from_north_to_east():
    angle = np.radians(30)
    table = family('', type='EXP', sersic=1.0, shape_r=2 * u.arcsec, morphology='early',
                   shape_e1=0.6 * np.cos(2 * angle), shape_e2=0.6 * np.sin(2 * angle))
    image = render_objects(table[:1], **BARE)[0, R]
    y, x = np.indices(image.shape) - 50
    xx, yy, xy = ((image * part).sum() for part in (x * x, y * y, x * y))
    towards_east = np.degrees(0.5 * np.arctan2(2 * -xy, yy - xx))  # east is at the left
    assert towards_east == pytest.approx(30, abs=1)


def test_a_wider_psf_lowers_the_peak(table):
    wide = table.copy()
    wide['psfsize_r'] = 1.8 * wide['psfsize_r']
    narrow, broad = (render_objects(t, **BARE, bands=('r',)).max(axis=(1, 2, 3))
                     for t in (table, wide))
    assert (broad < 0.9 * narrow).all()


def test_neighbours_are_as_dense_as_on_the_sky(table):
    with_them = render_objects(table, noise=False)
    without = render_objects(table, **BARE)
    assert (with_them - without).min() > -1e-3
    extra = (with_them - without)[:, R].sum(axis=(1, 2))
    assert (extra > 0.3).mean() > 0.8 and np.median(extra) < 60


# Noise

def test_noise_is_that_of_depth_and_psf(table):
    blank = observe(np.zeros((len(table), 3, 121, 121)), table)
    whole = np.isfinite(blank).all(axis=(1, 2, 3))
    ratio = blank[whole].std(axis=(2, 3)) / pixel_noise(table)[whole]
    assert_allclose(ratio.mean(axis=0), 1, atol=0.01)
    assert_allclose(ratio, 1, atol=0.04)


def test_noise_agrees_with_the_formula_for_a_gaussian(table):
    sigma_psf = table['psfsize_r'].value / 2.3548 / 0.262
    gaussian = np.sqrt(1 / (4 * np.pi * sigma_psf**2) / table['psfdepth_r'].value)
    assert_allclose(pixel_noise(table)[:, R] / gaussian, 0.81, atol=0.01)  # a Moffat, beta 3.5


def test_noise_of_neighbouring_pixels_correlates_as_stated(table):
    noise = observe(np.zeros((len(table), 3, 121, 121)), table)
    noise = (noise / pixel_noise(table)[..., None, None])[np.isfinite(noise).all(axis=(1, 2, 3))]
    assert np.mean(noise[..., 1:] * noise[..., :-1]) == pytest.approx(NOISE_CORRELATION, abs=0.01)
    assert np.mean(noise[..., 1:, :] * noise[..., :-1, :]) == pytest.approx(NOISE_CORRELATION,
                                                                            abs=0.01)
    assert abs(np.mean(noise[..., 4:] * noise[..., :-4])) < 0.01


def test_light_has_shot_noise(table):
    level, band = 5.0, 'r'
    bright = observe(np.full((len(table), 3, 81, 81), level), table) - level
    shot = np.nanvar(bright, axis=(2, 3))[:, R] - pixel_noise(table)[:, R] ** 2
    gain = 53.4 * table[f'exptime_{band}'].value  # electrons per nanomaggy
    assert_allclose(shot * gain / level, 1, atol=0.15)
    assert np.mean(shot * gain / level) == pytest.approx(1, abs=0.03)


def test_some_pixels_are_missing():
    seeds = np.arange(3000)
    masks = [mock_galaxies._missing(seed, (61, 61)) for seed in seeds]
    lacking = np.array([mask is not None for mask in masks])
    assert lacking.mean() == pytest.approx(MISSING_SHARE, abs=0.012)
    some = np.stack([mask for mask in masks if mask is not None])
    assert some.any(axis=(1, 2, 3)).all() and not some.all(axis=(1, 2, 3)).any()
    assert some.all(axis=(2, 3)).any()  # a whole band of some
    table = MockSurvey(n_galaxies=5)()
    observed = observe(np.zeros((5, 3, 61, 61)), table, seeds=seeds[lacking][:5])
    assert_array_equal(np.isnan(observed), some[:5])


def test_noiseless_images_are_whole(table):
    assert np.isfinite(render_objects(table, noise=False)).all()


# Rows stand alone

def test_images_replay_bit_for_bit(table, images):
    assert images.dtype == np.float32
    assert_array_equal(render_objects(table), images)


def test_an_image_does_not_depend_on_the_batch(table, images):
    rows = [17, 3, 4]
    assert_array_equal(render_objects(table[rows]), images[rows])


def test_a_band_does_not_depend_on_the_others(table, images):
    assert_array_equal(render_objects(table[:4], bands=('z', 'g')), images[:4, [2, 0]])
    assert_array_equal(render_objects(table, bands=('r',)), images[:, 1:2])


def test_render_and_observe_are_two_steps(table, images):
    assert_array_equal(observe(render_objects(table, noise=False), table), images)


def test_seeds_decide(table, images):
    seeds = np.array(table['seed'])[::-1]
    other = render_objects(table, seeds=seeds)
    assert not (other == images).any(axis=(1, 2, 3)).all()
    assert_array_equal(render_objects(table[:2], seeds=seeds[:2]), other[:2])


# Families

def test_ring_has_a_second_maximum():
    for image in render_objects(family('ring'), **BARE)[:, 0]:
        profile = radial_profile(image)[:25]
        # against an exponential through the core the ring stands out
        inner = profile[:6]
        assert (np.diff(np.log(profile)) > np.diff(np.log(inner)).min() / 2)[8:16].any()


def test_rings_are_bluer_than_their_cores():
    images = render_objects(family('ring'), **BARE)
    core = annulus_mask((101, 101), r_in=0, r_out=3)
    ring = annulus_mask((101, 101), r_in=10, r_out=20)
    ratio = [(images[:, 0, where].sum(axis=1) / images[:, R, where].sum(axis=1))
             for where in (ring, core)]
    assert (ratio[0] > 1.25 * ratio[1]).all()


def test_spiral_has_arms():
    """Around a circle the light of a spiral varies far more than that of an ordinary galaxy."""
    def contrast(name):
        table = family(name, shape_e1=0.0, shape_e2=0.0, shape_r=3 * u.arcsec)
        ring = annulus_mask((101, 101), r_in=14, r_out=16)
        light = render_objects(table, **BARE)[:, 0, ring]
        return np.median(light.std(axis=1) / light.mean(axis=1))
    assert contrast('spiral') > 0.2 > 2 * contrast('')


def test_merger_has_two_nuclei():
    table = family('merger', n=12)
    for band in 'grz':
        table[f'psfsize_{band}'] = 0.5 * u.arcsec
    found = 0
    for image in render_objects(table, **BARE)[:, R]:
        inside = image[1:-1, 1:-1]
        peak = np.all([inside > image[1 + j:100 + j, 1 + i:100 + i] for i in (-1, 0, 1)
                       for j in (-1, 0, 1) if i or j], axis=0)
        found += (peak & (inside > 0.1 * image.max())).sum() == 2
    assert found >= 9


def test_edge_on_galaxies_are_thin():
    table = family('edge-on', shape_e1=0.74, shape_e2=0.0, shape_r=3.5 * u.arcsec)
    for image in render_objects(table, **BARE)[:, R]:
        assert axis_ratio(image) < 0.35


def test_blue_clumpy_galaxies_are_blue_and_uneven():
    table = family('blue clumpy', shape_e1=0.0, shape_e2=0.0)
    images = render_objects(table, **BARE)
    assert (images[:, 0].sum(axis=(1, 2)) > 0.62 * images[:, R].sum(axis=(1, 2))).all()
    turned = np.abs(images - images[..., ::-1, ::-1]).sum(axis=(1, 2, 3))
    assert np.median(turned / images.sum(axis=(1, 2, 3))) > 0.2


def test_large_galaxies_fill_the_stamp():
    outer = annulus_mask((101, 101), r_in=18, r_out=30)
    images = render_objects(family('large galaxy'), **BARE)[:, R, outer]
    plain = render_objects(family(''), **BARE)[:, R, outer]
    assert np.median(images.sum(axis=1)) > 10 * np.median(plain.sum(axis=1))


def difference(name):
    """What the artefact adds: the same rows without it taken away."""
    table = family(name)
    with_it = render_objects(table, **BARE)
    table['confuser_class'] = ''
    return with_it - render_objects(table, **BARE)


def test_satellite_trail_is_a_straight_line_in_one_band():
    for image in difference('satellite trail'):
        assert (image.max(axis=(1, 2)) > 1e-3).sum() == 1
        band = image.max(axis=(1, 2)).argmax()
        y, x = np.nonzero(image[band] > image[band].max() / 2)
        low, high = np.sqrt(np.linalg.eigvalsh(np.cov(x, y)))
        assert low < 2 < 20 < high


def test_star_spikes_run_along_the_diagonals():
    for image in difference('star spike')[:, R]:
        y, x = np.nonzero(image >= 0.9 * image.max())
        star_y, star_x = y.mean() - 50, x.mean() - 50
        if max(abs(star_y), abs(star_x)) > 45:
            continue  # cut by the edge
        yy, xx = np.indices(image.shape) - 50.0
        distance, angle = np.hypot(yy - star_y, xx - star_x), np.arctan2(yy - star_y, xx - star_x)
        far = (distance > 16) & (distance < 40)
        diagonal = np.abs(np.sin(2 * angle)) > 0.995
        between = np.abs(np.sin(2 * angle)) < 0.9
        assert np.percentile(image[far & diagonal], 75) > 1.5 * np.median(image[far & between])


def test_ghost_is_a_disc_with_a_hole():
    seen = 0
    for image in difference('ghost').sum(axis=1):
        bright = image > image.max() / 2
        seen += 0.05 < bright.mean() < 0.95 and image.max() < 0.2
    assert seen == 10


def test_bleed_trail_runs_from_east_to_west():
    for image in difference('bleed trail')[:, 2]:
        rows = np.median(image, axis=1)
        assert rows.max() > 10 * np.median(rows)


def test_artefacts_do_not_change_galaxy_or_neighbours():
    table = family('satellite trail')
    plain = table.copy()
    plain['confuser_class'] = ''
    both = [render_objects(t, noise=False)[:, :, 40:61, 40:61] for t in (table, plain)]
    assert (np.isclose(*both, atol=1e-4).all(axis=(2, 3)).sum(axis=1) >= 2).all()


# Beside the sky

def test_noise_and_brightness_are_those_of_real_stamps(real_data):
    mock = MockSurvey(n_galaxies=80, seed=9, fractions={})()
    images = render_objects(mock)
    images = images[np.isfinite(images).all(axis=(1, 2, 3))]
    stamps = np.stack([np.load(path, allow_pickle=True)['cutout'].transpose(2, 0, 1)
                       for path in sorted((real_data / 'dr10-cutouts').glob('*.npz'))])
    annulus = {'r_in': 8 * u.arcsec, 'r_out': 13 * u.arcsec}
    ratio = np.median(sky_noise(images, **annulus), axis=0) / np.median(
        sky_noise(stamps, **annulus), axis=0)
    assert ((ratio > 0.4) & (ratio < 3)).all()
    core = annulus_mask((101, 101), r_in=0, r_out=4)
    real, made = (np.median(stack[..., core].sum(axis=2), axis=0) for stack in (stamps, images))
    assert ((made / real > 0.5) & (made / real < 5)).all()  # the mock ends at r = 20.5


# What cannot be

def test_unknown_band_is_named(table):
    with pytest.raises(ConfigError, match=r"no band 'i'; it has \['g', 'r', 'z'\]"):
        render_objects(table, bands=('g', 'i'))


def test_missing_column_is_named(table):
    table = table.copy()
    table.remove_column('shape_r')
    with pytest.raises(TableError, match="no column 'shape_r'"):
        render_objects(table)


def test_seeds_are_as_many_as_rows(table):
    with pytest.raises(ConfigError, match='24 rows need as many seeds'):
        render_objects(table, seeds=[1, 2])


def test_pixel_scale_is_an_angle(table):
    with pytest.raises(u.UnitsError):
        render_objects(table, pixel_scale=1 * u.s)


def test_every_family_is_drawn_in_its_own_way():
    plain = render_objects(family('', n=1), **BARE)
    for name in FAMILIES:
        table = family('', n=1, confuser_class=name)
        table['type'] = 'SER'
        assert not np.allclose(render_objects(table, **BARE), plain), name
