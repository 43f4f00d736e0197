# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Elementary functions in single precision that compile to vector instructions.

The mathematical library is called for one number at a time, so that a loop with
a logarithm in it is not vectorised. These have neither calls nor branches. The
polynomials are minimax fits of the relative error over the stated range; each
function is within 3e-7 of the true value, relative to it (`log32` to 1 where
the logarithm is smaller). Importing this module imports numba.
"""
import math

import numpy as np
from numba import njit

from lensfinder_audit import _compiled

__all__ = ['compiled', 'inlined', 'log32', 'exp32', 'atan32', 'atanh32']

# Products and sums are not contracted: which ones are depends on what was put into what, so a run
# that compiles would differ by a rounding from one that reads the cache.
_OPTIONS = {'error_model': 'numpy', 'fastmath': {'nsz'}}
_F, _I = np.float32, np.int32
_LOG_2, _LOG_2_HIGH, _LOG_2_LOW = _F(0.6931471805599453), _F(0.693359375), _F(2.12194440e-4)
_LOG_2_INVERSE = _F(1.4426950408889634)
_ROUNDING = _F(1.5 * 2 ** 23)  # added and taken away, it leaves the nearest whole number
_HALF_PI = _F(0.5 * math.pi)
_BIAS, _MANTISSA, _ROOT_HALF = _I(127), _I(23), _I(0x3f3504f3)  # layout of a float32


def compiled(function):
    """Compile a function as all of this package are, without contraction."""
    return _compiled.compiled(function, **_OPTIONS)


def inlined(function):
    """Put a function into its callers: a loop over a call with many values is not vectorised."""
    return njit(inline='always', **_OPTIONS)(function)


@compiled
def log32(x):
    """Return the natural logarithm of a positive, normal number."""
    bits = _F(x).view(np.int32)
    power = (bits - _ROOT_HALF) >> _MANTISSA
    mantissa = _I(bits - (power << _MANTISSA)).view(np.float32)  # from sqrt(1/2) to sqrt(2)
    t = (mantissa - _F(1)) / (mantissa + _F(1))
    s = t * t
    series = _F(3.333340797e-01) + s * (_F(1.998739752e-01) + s * _F(1.496282511e-01))
    return _F(2) * t * (_F(1) + s * series) + _F(power) * _LOG_2


@compiled
def exp32(x):
    """Return the exponential of a number below 88; below -87 it is that of -87."""
    x = max(x, _F(-87))
    power = (x * _LOG_2_INVERSE + _ROUNDING) - _ROUNDING
    r = x - power * _LOG_2_HIGH + power * _LOG_2_LOW
    series = _F(4.166822566e-02) + r * (_F(8.374816254e-03) + r * _F(1.383684258e-03))
    series = _F(4.999999208e-01) + r * (_F(1.666642016e-01) + r * series)
    scale = _I((_I(power) + _BIAS) << _MANTISSA).view(np.float32)
    return (_F(1) + r * (_F(1) + r * series)) * scale


@compiled
def atan32(y, x):
    """Return the angle of (x, y) from the x axis, for x > 0."""
    size = abs(y)
    steep = size > x
    t = (x if steep else size) / (size if steep else x)
    s = t * t
    p = _F(4.269134252e-02) + s * (_F(-1.606850959e-02) + s * _F(2.849857520e-03))
    p = _F(-1.420364357e-01) + s * (_F(1.064092894e-01) + s * (_F(-7.504281368e-02) + s * p))
    p = _F(-3.333307335e-01) + s * (_F(1.999261936e-01) + s * p)
    p = t * (_F(9.999999848e-01) + s * p)
    return math.copysign(_HALF_PI - p if steep else p, y)


@compiled
def atanh32(x):
    """Return the inverse hyperbolic tangent of a number within (-1, 1)."""
    s = x * x
    p = _F(1.437004907e-01) + s * (_F(1.014011928e-01) + s * _F(1.401974956e-01))
    p = x * (_F(1) + s * (_F(3.333337887e-01) + s * (_F(1.999674597e-01) + s * p)))
    return p if s < _F(0.16) else _F(0.5) * log32((_F(1) + x) / (_F(1) - x))
