# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures are made of any result, say what they draw, and never move a byte."""
import numpy as np
import pytest
from astropy.table import QTable
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.completeness import completeness_table
from lensfinder_audit.measure.false_positives import false_positive_table
from lensfinder_audit.plotting import (draw_figures, figure_png, plot_completeness,
                                       plot_false_positives, plot_roc, plot_scores, plot_surface,
                                       save_figures)
from lensfinder_audit.plotting.items import split_quantities
from lensfinder_audit.plotting.places import cell_places, cell_words
from lensfinder_audit.plotting.scale import to_axis
from lensfinder_audit.tests.stand_in import make_result, make_sample

HOSTILE = '<script>alert(1)</script> $\\frac{1}$ _^& 深'


@pytest.fixture(scope='module')
def result():
    return make_result(simulated=True, n_lenses=300, n_negatives=2000)


@pytest.fixture(scope='module')
def figures(result):
    return draw_figures(result)


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda item: hasattr(item, 'get_text'))]


def test_every_figure_has_its_words_and_a_section(figures):
    assert {item['section'] for item in figures} == {
        'samples', 'completeness', 'agreement', 'unknown', 'false_positives', 'purity',
        'calibration', 'ranking'}
    assert len({item['name'] for item in figures}) == len(figures) <= 30
    for item in figures:
        assert isinstance(item['figure'], Figure)
        assert item['caption'].endswith('.') and len(item['alt']) > 10


def test_simulated_data_are_marked_on_every_figure_and_only_then(figures):
    assert all('simulated' in texts(item['figure']) for item in figures)
    real = make_result(simulated=False, finders=('one',), n_lenses=100, n_negatives=500)
    assert not any('simulated' in texts(item['figure']) for item in draw_figures(real))


def test_completeness_and_agreement_never_share_a_figure(result):
    parts = split_quantities(result.tables['completeness_by_type'])
    assert {name: set(part['quantity']) for name, part in parts.items()} == {
        'completeness': {'completeness'}, 'agreement': {'agreement with an earlier finder'},
        'unknown': {'recovered fraction (way of discovery unknown)'}}


def test_the_same_result_gives_the_same_bytes(tmp_path, result):
    for folder in ('a', 'b'):
        few = [item for item in draw_figures(result) if item['section'] in ('ranking', 'purity')]
        save_figures(few, tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / 'a').iterdir())
    assert {name[-4:] for name in names} == {'.png', '.pdf'} and len(names) == 2 * len(few)
    for name in names:
        assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()


def test_a_style_of_the_user_does_not_change_the_figure(result):
    import matplotlib

    plain = figure_png({'figure': plot_roc(result.tables['roc'])})
    with matplotlib.rc_context({'font.size': 20, 'lines.linewidth': 9, 'savefig.dpi': 30}):
        assert figure_png({'figure': plot_roc(result.tables['roc'])}) == plain


def test_hostile_names_are_drawn_as_words():
    sample = make_sample(100, 500, finders=(HOSTILE,))
    table = completeness_table(sample, score=HOSTILE, by='type', threshold=0.5, n_resamples=0)
    table['finder'], table['operating_point'] = HOSTILE, '$x$ $'
    for figure in (plot_completeness(table), plot_scores(sample, HOSTILE)):
        assert figure_png({'figure': figure}).startswith(b'\x89PNG')


def test_a_figure_says_which_interval_it_draws():
    lenses = QTable({'score': np.linspace(0, 1, 50), 'psf': np.linspace(1, 2, 50)})
    table = completeness_table(lenses, by='psf', threshold=0.3, n_resamples=0, confidence=0.9,
                               interval='jeffreys')
    assert any('90 % Jeffreys interval' in text for text in texts(plot_completeness(table)))


def test_a_table_with_the_wrong_number_of_axes_is_sent_to_the_right_function(result):
    with pytest.raises(MeasurementError, match='use plot_surface'):
        plot_completeness(result.tables['completeness_by_psfsize_r_and_nobs_z'])
    with pytest.raises(MeasurementError, match='use plot_completeness'):
        plot_surface(result.tables['completeness_by_type'])


def test_unsupported_impossible_and_missing_cells_stand_apart(result):
    table = result.tables['completeness_by_psfsize_r']
    places = cell_places(table, 'psfsize_r')
    assert_allclose(places.left[:5], [0.9, 1.1, 1.3, 1.5, 1.7])
    assert places.labels[-1] == 'no\nvalue' and places.left[-1] > 2.1
    assert 'no value' in cell_words(table, 'psfsize_r')
    words = texts(plot_completeness(table))
    assert {'unsupported', 'impossible', '×'} <= set(words)


def test_an_open_last_bin_is_drawn_with_finite_ends():
    axis = Axis('nobs_z', edges=(1, 3, 11, np.inf))
    table = completeness_table(QTable({'score': np.ones(40), 'nobs_z': np.arange(40) + 1}), by=axis,
                               threshold=0.5, n_resamples=0)
    assert np.isfinite(cell_places(table, 'nobs_z').right).all()
    assert cell_words(table, 'nobs_z') == ['1 to 3', '3 to 11', '11 and more']


def test_a_rate_of_zero_is_an_upper_bound():
    clumpy = QTable({'score': np.zeros(690), 'label': np.zeros(690, bool)})
    figure = plot_false_positives(false_positive_table(clumpy, threshold=0.5, n_resamples=100))
    drawn = np.concatenate([line.get_xdata() for line in figure.axes[0].lines])
    assert_allclose(np.max(drawn), 0.00433, atol=1e-5)
    assert 'none seen: one-sided upper bound' in texts(figure)


def test_saturated_scores_lie_at_the_ends_of_the_axis():
    assert_allclose(to_axis(np.array([0, 1e-12, 0.5, 0.999, 1])), [-8, -8, 0, 2.9996, 8], atol=1e-3)
    sample = QTable({'p': [0.0] * 7 + [1.0, 1.0, np.nan], 'label': [False] * 7 + [True] * 3})
    note = ' '.join(texts(plot_scores(sample, 'p')))
    assert 'exactly 0: 7' in note and 'exactly 1: 2' in note and '1 without a score' in note


def test_a_large_sample_is_binned_not_scattered():
    sample = make_sample(1000, 100_000, finders=('p',))
    for by in ('label', 'stratum'):
        panel = plot_scores(sample, 'p', by=by).axes[0]
        assert sum(len(line.get_xdata()) for line in panel.lines) < 200


def test_any_table_may_be_absent_or_empty(result):
    bare = make_result(finders=('one',), n_lenses=100, n_negatives=500)
    bare.tables = {}
    assert {item['section'] for item in draw_figures(bare)} == {'samples'}
    bare.tables = {name: table[:0] for name, table in result.tables.items()}
    draw_figures(bare)


def test_many_finders_and_operating_points_stay_bounded():
    many = make_result(finders=tuple(f'finder {i}' for i in range(6)), n_lenses=60,
                       n_negatives=300)
    found = draw_figures(many)
    assert len(found) <= 32
    assert any('other operating points are in the table' in item['caption'] for item in found)
