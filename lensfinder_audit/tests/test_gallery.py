# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tests of contact sheets: colours, missing pixels, words."""
from io import BytesIO

import numpy as np
import pytest
from astropy.table import QTable

from lensfinder_audit.cutouts import CutoutStore, CutoutWriter
from lensfinder_audit.exceptions import ConfigError, TableError
from lensfinder_audit.plotting import contact_sheet
from lensfinder_audit.plotting.gallery import colour_image
from lensfinder_audit.plotting.store_sheet import choose_rows, sheet_bands, store_sheet
from lensfinder_audit.survey import PIXEL_SCALE


@pytest.fixture
def stamps():
    return np.random.default_rng(0).normal(0.01, 0.01, (5, 3, 21, 21))


def test_blue_light_is_blue_and_red_light_red():
    image = np.zeros((3, 4, 4))
    image[0, 0], image[2, 1] = 0.5, 0.5
    colours = colour_image(image).astype(int)
    assert colours[0, 0].argmax() == 2 and colours[1, 0].argmax() == 0
    assert not colours[2:].any()


def test_missing_pixels_are_grey_and_change_no_other():
    image = np.full((3, 4, 4), 0.02)
    whole = colour_image(image)
    image[1, 2, 3] = np.nan
    colours = colour_image(image)
    assert colours[2, 3].tolist() == [128, 128, 128]
    colours[2, 3] = whole[2, 3]
    np.testing.assert_array_equal(colours, whole)


def test_missing_pixels_are_black_on_request(stamps):
    stamps[:, 1, 2, 3] = np.nan
    assert not colour_image(stamps[0], missing=0)[2, 3].any()
    figure = contact_sheet(stamps, missing=0, titles='abcde', second=['0.1'] * 5)
    assert not figure.axes[0].images[0].get_array()[2, 3].any()
    assert figure.axes[4].get_title() == 'e\n0.1'


def test_a_stamp_of_nothing_but_missing_pixels_is_drawn():
    assert (colour_image(np.full((3, 4, 4), np.nan)) == 128).all()


def test_every_stamp_has_its_panel_and_brightness_is_common(stamps):
    figure = contact_sheet(stamps, columns=2)
    drawn = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert len(drawn) == 5 and len(figure.axes) == 6
    np.testing.assert_array_equal(drawn[3], colour_image(stamps[3]))


def test_titles_are_escaped_and_cut(stamps):
    figure = contact_sheet(stamps, titles=['$\\frac$', 'x' * 99, 'a\nb', '<b>', 'ring'])
    figure.savefig(BytesIO())  # nothing is read as mathematics
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[0].startswith('\\$') and len(titles[1]) == 22 and '\n' not in titles[2]


def test_simulated_stamps_are_marked(stamps):
    words = [text.get_text() for text in contact_sheet(stamps, simulated=True, note='n').texts]
    assert 'simulated' in words and 'n' in words
    assert not contact_sheet(stamps).texts


def test_one_band_is_drawn_in_grey(stamps):
    drawn = contact_sheet(stamps[:1, :1]).axes[0].images[0].get_array()
    assert (drawn[..., 0] == drawn[..., 2]).all()


@pytest.mark.parametrize('change, options, error, message', [
    (lambda s: s[:, :2], {}, TableError, r'one or three bands, not of shape \(5, 2, 21, 21\)'),
    (lambda s: s[0], {}, TableError, 'not of shape'),
    (lambda s: s[:0], {}, ConfigError, 'of 0 stamps'),
    (lambda s: s, {'columns': 0}, ConfigError, 'in 0 columns is empty'),
    (lambda s: s, {'titles': ['a']}, TableError, '5 stamps need as many titles, not 1')])
def test_what_cannot_be_drawn_is_named(stamps, change, options, error, message):
    with pytest.raises(error, match=message):
        contact_sheet(change(stamps), **options)


@pytest.mark.parametrize(('bands', 'drawn'), [('griz', 'grz'), ('iz', 'i'), ('ugri', 'ugr')])
def test_a_sheet_of_a_store_draws_three_bands_or_one(tmp_path, bands, drawn):
    flux = np.random.default_rng(0).normal(0.02, 0.01, (2, len(bands), 21, 21))
    with CutoutWriter(tmp_path, bands=bands, pixel_scale=PIXEL_SCALE, shape=(21, 21)) as writer:
        writer.add(['a', 'b'], flux)
    store = CutoutStore(tmp_path)
    assert ''.join(sheet_bands(store)) == drawn
    figure = store_sheet(store, ['b'])
    planes = [bands.index(band) for band in drawn]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), colour_image(
        flux[1, planes].astype(np.float32), missing=0))
    with pytest.raises(ConfigError, match='of one band or of three'):
        sheet_bands(store, bands[:2])


def test_rows_are_chosen_by_expression_order_and_chance():
    table = QTable({'core_r': [3, np.nan, 1, 2], 'type': ['SER', 'DEV', 'SER', 'SER']})
    assert choose_rows(table, where='type == SER', sort='core_r').tolist() == [2, 3, 0]
    assert choose_rows(table, sort='-core_r', n=3).tolist() == [0, 3, 2]
    assert choose_rows(table, sort='-type').tolist()[-1] == 1
    assert choose_rows(table, n=2, seed=3).tolist() == choose_rows(table, n=2, seed=3).tolist()
    with pytest.raises(TableError, match='none of 4 rows fulfils'):
        choose_rows(table, where='core_r > 9')
