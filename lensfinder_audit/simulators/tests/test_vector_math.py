# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Elementary functions are those of NumPy, to the stated error."""
import numpy as np
import pytest

vector = pytest.importorskip('lensfinder_audit.simulators._vector_math',
                             reason='numba is not installed')


def over(function, *values):
    """Call a compiled function on each value."""
    rows = np.transpose(values).astype(np.float32)
    return np.array([function(*row) for row in rows], dtype=float)


def test_logarithms():
    values = np.float32(np.concatenate([np.geomspace(1e-37, 1e38, 3000), np.linspace(0.5, 2, 999)]))
    exact = np.log(values.astype(float))
    assert (np.abs(over(vector.log32, values) - exact) < 3e-7 * np.maximum(1, np.abs(exact))).all()


def test_exponentials():
    values = np.float32(np.linspace(-87, 87, 5000))
    np.testing.assert_allclose(over(vector.exp32, values), np.exp(values.astype(float)), rtol=3e-7)
    assert over(vector.exp32, [-1e4]) < 1.7e-38


def test_angles():
    y, x = np.random.default_rng(0).normal(size=(2, 5000)).astype(np.float32)
    exact = np.arctan2(y.astype(float), np.abs(x.astype(float)))
    np.testing.assert_allclose(over(vector.atan32, y, np.abs(x)), exact, rtol=3e-7)
    assert vector.atan32(np.float32(0), np.float32(1)) == 0


def test_inverse_hyperbolic_tangents():
    values = np.float32(np.concatenate([np.linspace(-0.995, 0.995, 5000), [1e-12, -1e-30, 0]]))
    np.testing.assert_allclose(over(vector.atanh32, values), np.arctanh(values.astype(float)),
                               rtol=4e-7)
