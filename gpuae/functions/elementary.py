"""Elementary functions of one number, as compiled loops call them.

Here they say what they mean; `gpuae.backends.numba_math` has what the compiler puts in their place.
"""

from __future__ import annotations

import math


def exp(x: float) -> float:
    """Return eˣ; in float32 for x within [−87, 88], beyond which it keeps the end's value."""
    return math.exp(x)


def expm1(x: float) -> float:
    """Return eˣ − 1; in float32 for x within [−87, 88], beyond which it keeps the end's value."""
    return math.expm1(x)


def log(x: float) -> float:
    """Return ln x for a normal x > 0."""
    return math.log(x)


def tanh(x: float) -> float:
    """Return tanh x."""
    return math.tanh(x)


def log1p_unit(x: float) -> float:
    """Return ln(1 + x) for x in [0, 1]."""
    return math.log1p(x)


def log1p(x: float) -> float:
    """Return ln(1 + x) for x ≥ 0."""
    return math.log1p(x)


def normal_cdf(x: float) -> float:
    """Return the normal distribution's Φ(x); in float32 it keeps its value beyond ±12.5."""
    return 0.5 * math.erfc(-math.sqrt(0.5) * x)


def cos_turn(x: float) -> float:
    """Return cos 2πx for x in [0, 1]."""
    return math.cos(2.0 * math.pi * x)


def sin_turn(x: float) -> float:
    """Return sin 2πx for x in [0, 1]."""
    return math.sin(2.0 * math.pi * x)
