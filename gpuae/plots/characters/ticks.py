"""Round numbers along an axis, and how they are written."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

STEPS = (1, 2, 5, 10)


def ticks(low: float, high: float, most: int, *, whole: bool) -> tuple[list[float], list[str]]:
    """Return at most so many round numbers from `low` to `high`, and their words."""
    step = _step((high - low) / max(most - 1, 1))
    if whole:
        step = max(step, 1.0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    places = [number * step for number in range(first, last + 1)]
    return places, [worded(place, step) for place in places]


def decades(low: float, high: float, most: int) -> tuple[list[float], list[str]]:
    """Return powers of ten, and their logarithms, between two logarithms; others if they are few.

    The places are logarithms to base 10.
    """
    apart = max(1, math.ceil((high - low) / max(most - 1, 1)))
    factors = (1,) if high - low >= 2 else (1, 2, 5) if high - low > 1 else range(1, 10)
    powers = range(math.floor(low), math.ceil(high) + 1)
    exact = [(factor, power) for power in powers if power % apart == 0 for factor in factors]
    places = [(math.log10(factor) + power, factor, power) for factor, power in exact]
    inside = [own for own in places if low - 1e-9 <= own[0] <= high + 1e-9]
    return [own[0] for own in inside], [_short(factor * 10.0**power) for _, factor, power in inside]


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e7 else f"{value:g}"


def worded(value: float, step: float) -> str:
    """Write a number with the digits that tell it from those a step away."""
    if value and (abs(value) >= 1e7 or step < 1e-5):
        return f"{value:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value + 0.0:,.{digits}f}"


def spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the lowest and the highest value, which are made to differ."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    return low, high


def _step(least: float) -> float:
    size = 10.0 ** math.floor(math.log10(least))
    return next(own * size for own in STEPS if own * size >= least * (1 - 1e-9))
