"""What `gpuae.functions.elementary` compiles to: vector instructions.

In float32 they are polynomials without branches or calls, so that a loop over them
vectorises; in float64 they are the C library's. The float32 coefficients of exp, log, tanh, sin and
cos are those of S. Moshier's Cephes library (single precision). The largest errors are held by
the tests.

No function here may be compiled with LLVM's `reassoc`: it would merge the two-part constants that
carry the accuracy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from gpuae.functions.elementary import (
    cos_turn,
    exp,
    expm1,
    log,
    log1p,
    log1p_unit,
    normal_cdf,
    sin_turn,
    tanh,
)

__all__ = [
    "cos_turn",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log1p_unit",
    "normal_cdf",
    "sin_turn",
    "tanh",
]

_OPTIONS: Any = {"error_model": "numpy", "fastmath": {"contract"}}
_INLINED: Any = {**_OPTIONS, "forceinline": True}
"""For what is so long that loops would call it, and not vectorise."""

_f = np.float32
_LOG2_E = _f(1.44269504088896341)
_LN2_HIGH = _f(0.693359375)
_LN2_LOW = _f(-2.12194440e-4)
_EXP_LOWEST = _f(-87.0)
_EXP_HIGHEST = _f(88.0)
_EXP = tuple(
    map(
        _f,
        (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5),
    )
)
_LOG = tuple(
    map(
        _f,
        (
            7.0376836292e-2,
            -1.1514610310e-1,
            1.1676998740e-1,
            -1.2420140846e-1,
            1.4249322787e-1,
            -1.6668057665e-1,
            2.0000714765e-1,
            -2.4999993993e-1,
            3.3333331174e-1,
        ),
    )
)
_TANH = tuple(
    map(
        _f,
        (
            -5.70498872745e-3,
            2.06390887954e-2,
            -5.37397155531e-2,
            1.33314422036e-1,
            -3.33332819422e-1,
        ),
    )
)
_TAIL = tuple(
    map(
        _f,
        (
            -0.0354516192,
            0.114715619,
            -0.0557157747,
            -0.20333314,
            0.106783477,
            0.870841995,
            -2.10630916,
            2.40420943,
            -1.59576836,
            0.499999995,
        ),
    )
)
_SIN = tuple(map(_f, (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)))
_COS = tuple(map(_f, (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)))


def _single(x: Any) -> bool:
    return bool(x == types.float32)


@overload(exp, jit_options=_OPTIONS)
def _exp(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.exp(x)

    def single(x: Any) -> Any:
        part, power_of_two = _exp_parts(x)
        return (part + _f(1)) * power_of_two

    return single if _single(x) else double


@overload(expm1, jit_options=_OPTIONS)
def _expm1(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.expm1(x)

    def single(x: Any) -> Any:
        part, power_of_two = _exp_parts(x)
        return part * power_of_two + (power_of_two - _f(1))

    return single if _single(x) else double


@register_jitable(**_OPTIONS)
def _exp_parts(x: Any) -> Any:
    """Return eʳ − 1 and 2ⁿ of x = n·ln 2 + r with |r| ≤ ln(2)/2."""
    x = _EXP_LOWEST if x < _EXP_LOWEST else x
    x = _EXP_HIGHEST if x > _EXP_HIGHEST else x
    halves = x * _LOG2_E
    n = np.int32(halves + (_f(0.5) if halves > _f(0) else _f(-0.5)))
    r = x - _f(n) * _LN2_HIGH
    r = r - _f(n) * _LN2_LOW
    c0, c1, c2, c3, c4, c5 = _EXP
    p = ((((c0 * r + c1) * r + c2) * r + c3) * r + c4) * r + c5
    power_of_two = np.int32((n + np.int32(127)) << np.int32(23)).view(np.float32)
    return p * r * r + r, power_of_two


@overload(log, jit_options=_OPTIONS)
def _log(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.log(x)

    def single(x: Any) -> Any:
        bits = _f(x).view(np.int32)
        exponent = _f((bits >> np.int32(23)) - np.int32(126))
        mantissa = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F000000)).view(np.float32)
        small = mantissa < _f(0.707106781186547524)
        exponent = exponent - _f(1) if small else exponent
        y = mantissa + mantissa - _f(1) if small else mantissa - _f(1)
        c0, c1, c2, c3, c4, c5, c6, c7, c8 = _LOG
        p = (((c0 * y + c1) * y + c2) * y + c3) * y + c4
        p = (((p * y + c5) * y + c6) * y + c7) * y + c8
        z = y * y
        tail = p * y * z + exponent * _LN2_LOW - _f(0.5) * z
        return y + tail + exponent * _LN2_HIGH

    return single if _single(x) else double


@overload(tanh, jit_options=_OPTIONS)
def _tanh(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.tanh(x)

    def single(x: Any) -> Any:
        size = -x if x < _f(0) else x
        z = x * x
        c0, c1, c2, c3, c4 = _TANH
        near = ((((c0 * z + c1) * z + c2) * z + c3) * z + c4) * z * x + x
        far = _f(1) - _f(2) / (exp(size + size) + _f(1))
        far = -far if x < _f(0) else far
        return near if size < _f(0.625) else far

    return single if _single(x) else double


@overload(log1p_unit, jit_options=_OPTIONS)
def _log1p_unit(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.log1p(x)

    def single(x: Any) -> Any:
        # 2·artanh(s) with s = x/(2 + x) ≤ 1/3: eight terms of the series leave less than 4e-9.
        s = x / (_f(2) + x)
        z = s * s
        p = ((_f(1 / 15) * z + _f(1 / 13)) * z + _f(1 / 11)) * z + _f(1 / 9)
        p = (((p * z + _f(1 / 7)) * z + _f(1 / 5)) * z + _f(1 / 3)) * z
        return _f(2) * (s + s * p)

    return single if _single(x) else double


@overload(log1p, jit_options=_OPTIONS)
def _log1p(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.log1p(x)

    def single(x: Any) -> Any:
        # what 1 + x rounds off is put back by the slope of the logarithm there
        above = _f(1) + x
        return log(above) + (x - (above - _f(1))) / above

    return single if _single(x) else double


@overload(normal_cdf, jit_options=_INLINED)
def _normal_cdf(x: Any) -> Any:
    def double(x: Any) -> Any:
        return 0.5 * math.erfc(-math.sqrt(0.5) * x)

    def single(x: Any) -> Any:
        # Φ(−x) = e^(−x²/2)·q(x/(4 + x)), q fitted to erfcx(x/√2)/2: off by less than 1e-8 of it
        size: Any = -x if x < _f(0) else x
        size = _f(12.5) if size > _f(12.5) else size
        s = size / (_f(4) + size)
        c0, c1, c2, c3, c4, c5, c6, c7, c8, c9 = _TAIL
        p = ((((c0 * s + c1) * s + c2) * s + c3) * s + c4) * s + c5
        p = (((p * s + c6) * s + c7) * s + c8) * s + c9
        tail = p * exp(_f(-0.5) * size * size)
        return tail if x < _f(0) else _f(1) - tail

    return single if _single(x) else double


@overload(cos_turn, jit_options=_OPTIONS)
def _cos_turn(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.cos(2.0 * math.pi * x)

    def single(x: Any) -> Any:
        sine, cosine, quarter = _quarter_turn(x)
        value = sine if quarter & np.int32(1) else cosine
        return -value if (quarter + np.int32(1)) & np.int32(2) else value

    return single if _single(x) else double


@overload(sin_turn, jit_options=_OPTIONS)
def _sin_turn(x: Any) -> Any:
    def double(x: Any) -> Any:
        return math.sin(2.0 * math.pi * x)

    def single(x: Any) -> Any:
        sine, cosine, quarter = _quarter_turn(x)
        value = cosine if quarter & np.int32(1) else sine
        return -value if quarter & np.int32(2) else value

    return single if _single(x) else double


@register_jitable(**_OPTIONS)
def _quarter_turn(x: Any) -> Any:
    """Return sin t, cos t and q of 2πx = q·π/2 + t with |t| ≤ π/4."""
    quarter = np.int32(_f(4) * x + _f(0.5))
    t = (x - _f(0.25) * _f(quarter)) * _f(2.0 * math.pi)
    z = t * t
    s0, s1, s2 = _SIN
    sine = ((s0 * z + s1) * z + s2) * z * t + t
    c0, c1, c2 = _COS
    cosine = ((c0 * z + c1) * z + c2) * z * z - _f(0.5) * z + _f(1)
    return sine, cosine, quarter
