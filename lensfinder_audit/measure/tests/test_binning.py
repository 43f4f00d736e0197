# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lensfinder_audit.exceptions import MeasurementError
from lensfinder_audit.measure.binning import MISSING, OUTSIDE, Axis, cell_codes, make_axis

FLOATS = st.floats(-1e6, 1e6) | st.just(np.nan) | st.sampled_from([np.inf, -np.inf])


def test_bin_holds_its_lower_edge_and_the_last_one_both():
    axis = Axis('x', edges=(0, 1, 2))
    assert_array_equal(axis.code([-0.1, 0, 0.5, 1, 2, 2.1, np.nan]),
                       [OUTSIDE, 0, 0, 1, 1, OUTSIDE, MISSING])


def test_last_bin_may_be_open():
    axis = Axis('nobs_z', edges=(1, 3, 6, np.inf))
    assert_array_equal(axis.code([0, 1, 3, 6, 500, np.inf]), [OUTSIDE, 0, 1, 2, 2, 2])
    assert axis.labels() == ['1 to 3', '3 to 6', '6 and more']


def test_classes_in_no_bin_and_empty_words_are_told_apart():
    axis = Axis('type', classes=('SER', 'DEV'))
    assert_array_equal(axis.code(['DEV', 'SER', 'REX', '']), [1, 0, OUTSIDE, MISSING])


@given(st.lists(FLOATS, min_size=1, max_size=60), st.sampled_from(['auto', 'quantile']))
def test_every_finite_value_has_a_bin_of_its_own_column(values, bins):
    values = np.array(values)
    if not np.isfinite(values).any():
        with pytest.raises(MeasurementError, match="axis 'x' holds no finite value"):
            make_axis(values, 'x', bins=bins)
        return
    code = make_axis(values, 'x', bins=bins).code(values)
    assert (code[np.isfinite(values)] >= 0).all()
    assert (code[np.isnan(values)] == MISSING).all()


def test_quantile_bins_hold_equal_counts():
    axis = make_axis(np.random.default_rng(0).normal(size=1000), 'x', bins='quantile', n_bins=4)
    assert axis.n_cells == 4
    values = np.random.default_rng(0).normal(size=1000)
    assert_array_equal(np.bincount(axis.code(values)), [250] * 4)


def test_few_whole_numbers_get_a_bin_each():
    assert make_axis([3, 4, 4, 7], 'n').edges == (3, 4, 7, 8)
    assert make_axis(np.arange(50), 'n').n_cells == 5


def test_published_edges_come_before_automatic_ones():
    assert make_axis([3., 9.], 'n', published=(1, 3, 6)).edges == (1, 3, 6)
    assert make_axis([3., 9.], 'n', published=(1, 3, 6), bins='quantile').edges[0] == 3


def test_impossible_bins_are_those_outside_the_selection():
    axis = Axis('nobs_z', edges=(1, 3, 6, 11, np.inf), possible=(3, np.inf))
    assert_array_equal(axis.impossible(), [True, False, False, False])
    assert_array_equal(Axis('nobs_z', edges=(1, 3, 6), possible=(2, 4)).impossible(), [False] * 2)
    types = make_axis(['SER', 'DEV'], 'type', possible=('SER', 'REX'))
    assert types.classes == ('DEV', 'REX', 'SER')
    assert_array_equal(types.impossible(), [True, False, False])


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 3)), min_size=1, max_size=40))
def test_cells_of_two_axes(rows):
    first, second = np.array(rows).T
    cell = cell_codes([first, second], [3, 4])
    inside = (first >= 0) & (second >= 0)
    assert_array_equal(cell[inside], first[inside] * 4 + second[inside])
    assert_array_equal(cell == MISSING, (first == MISSING) | (second == MISSING))


@pytest.mark.parametrize('values, rest, message', [
    ([1.], {'bins': [1, 1, 2]}, r"needs two or more increasing edges; \[1.0, 1.0, 2.0\] are not"),
    ([1.], {'bins': [2, 1]}, 'increasing edges'),
    ([1.], {'bins': [1]}, 'two or more'),
    ([1.], {'bins': [0, np.nan]}, 'increasing edges'),
    ([1.], {'bins': ['quantil']}, "edges or one of .* Did you mean 'quantile'"),
    ([1.], {'bins': 'quantil'}, "there are no bins 'quantil'.* Did you mean 'quantile'"),
    ([1.], {'bins': 'published'}, 'has no published bins; give its edges'),
    (['a', 'b'], {'bins': ['c']}, r"none of the classes \['c'\] occurs; the column holds \['a', "
                                  r"'b'\]"),
    (['', ''], {}, 'every one of the 2 rows is empty'),
    ([str(i) for i in range(201)], {}, 'has 201 classes, more than 200; name those that matter'),
    ([1.], {'bins': [0, 1], 'possible': [3]}, 'a range of two rising numbers, such as 3,inf'),
    ([1.], {'bins': [0, 1], 'possible': ['a', 'b']}, 'a range of two rising numbers'),
    ([1.], {'bins': [0, 1], 'possible': [2, 1]}, 'a range of two rising numbers')])
def test_errors_say_what_is_wrong(values, rest, message):
    with pytest.raises(MeasurementError, match=f"axis 'x'.*{message}"):
        make_axis(values, 'x', **rest)
