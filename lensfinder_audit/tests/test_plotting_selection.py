# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Figures of selection functions show what carries a number and what does not."""
import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from matplotlib.patches import Rectangle

from lensfinder_audit.condition_maps import map_conditions
from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.binning import Axis
from lensfinder_audit.measure.selection_algebra import compare_selections
from lensfinder_audit.measure.selection_build import measure_selection
from lensfinder_audit.measure.selection_example import example_injections
from lensfinder_audit.plotting import figure_png
from lensfinder_audit.plotting.selection import (plot_comparison, plot_selection_slices,
                                                 plot_selection_surface, selection_figures)
from lensfinder_audit.plotting.selection_sky import plot_selection_map

THETA_E = Axis('theta_e', (0.5, 1.0, 2.0, 3.0), unit='arcsec')
PSF = Axis('psfsize_r', (0.75, 0.9, 1.2, 1.5, 1.8), unit='arcsec')


def texts(figure):
    return ' '.join(text.get_text() for text in figure.findobj(
        lambda item: hasattr(item, 'get_text')))


@pytest.fixture(scope='module', params=['binned', 'smooth'])
def selection(request):
    table = example_injections(2000, n_hosts=60)
    few = table['psfsize_r'].value > 1.5
    few &= ~np.isin(table['host'], np.unique(table['host'][few])[:3])
    return measure_selection(table[~few], threshold=0.5, by=[THETA_E, PSF], method=request.param)


def test_unsupported_cells_are_hatched_and_empty_ones_blank(selection):
    figure = plot_selection_surface(selection, 'theta_e', 'psfsize_r')
    boxes = [box for box in figure.axes[0].patches if isinstance(box, Rectangle)]
    hatched = [box for box in boxes if box.get_hatch() == '////']
    assert {box.get_y() for box in hatched} == {1.5} and len(hatched) == 3
    white = [box for box in boxes if box.get_facecolor() == (1, 1, 1, 1)]
    assert {box.get_y() for box in white} == {0.75} and len(white) == 3
    said = texts(figure)
    assert 'unsupported' in said and 'empty' in said and 'simulated' in said
    assert f'95 % {selection.meta["interval"]} interval' in said


def test_slices_have_bands_where_they_are_supported(selection):
    figure = plot_selection_slices(selection, 'theta_e', by=('psfsize_r', [1.0, 1.7]))
    solid = [line for line in figure.axes[0].lines if line.get_linestyle() == '-']
    drawn = [np.isfinite(line.get_ydata()).any() for line in solid]
    assert drawn == [True, False]
    assert 'unsupported' in texts(figure)


def test_slices_need_every_other_axis(selection):
    with pytest.raises(MeasurementError, match="'psfsize_r' has no value"):
        plot_selection_slices(selection, 'theta_e')
    with pytest.raises(MeasurementError, match="Did you mean 'theta_e'"):
        plot_selection_surface(selection, 'theta', 'psfsize_r')


def test_sky_map_tells_three_kinds_of_pixels(selection):
    rng = np.random.default_rng(0)
    table = QTable({'ra': rng.uniform(0, 90, 900), 'dec': rng.uniform(-40, 40, 900),
                    'psfsize_r': rng.choice([1.0, 1.7, 2.5], 900) * u.arcsec})
    maps = map_conditions(table, 16, ['psfsize_r'], density=1.0)
    maps.table['psfsize_r'] = rng.choice([1.0, 1.7, 2.5], len(maps.table)) * u.arcsec
    figure = plot_selection_map(selection.to_healpix(16, conditions=maps, theta_e=1.5 * u.arcsec))
    said = texts(figure)
    assert 'unsupported' in said and 'nothing injected' in said
    assert 'theta e = 1.5 arcsec; nside 16' in said


def test_comparison_draws_both(selection):
    one = [measure_selection(example_injections(600, n_hosts=60, seed=seed), threshold=0.5,
                             by=[THETA_E]) for seed in (0, 1)]
    said = texts(plot_comparison(compare_selections(*one)))
    assert 'injected' in said and 'real' in said and 'Einstein radius [arcsec]' in said
    with pytest.raises(MeasurementError, match='along one axis'):
        plot_comparison(compare_selections(selection, selection))


def test_figures_of_any_function_are_the_same_bytes(selection):
    found = [selection_figures(selection) for _ in range(2)]
    assert [item['name'] for item in found[0]] == ['selection', 'slice_theta_e', 'slice_psfsize_r']
    assert [figure_png(item) for item in found[0][:1]] == [figure_png(item)
                                                           for item in found[1][:1]]
    words = measure_selection(_with_types(), threshold=0.5, by=['type', THETA_E])
    assert [item['name'] for item in selection_figures(words)] == ['selection', 'slice_theta_e']
    with pytest.raises(MeasurementError, match='holds classes and has no slice'):
        plot_selection_slices(words, 'type', theta_e=1.0)


def _with_types():
    table = example_injections(400, n_hosts=40)
    table['type'] = np.where(np.arange(400) % 2, 'SER', 'DEV')
    return table
