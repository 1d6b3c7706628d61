"""Floats that can be kept in 32 bits without losing what was written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EXACT_POWER = 22
"""Powers of ten up to this one are floats of 64 bits."""
DIGITS = (6, 7, 8, 9)
"""Any decimal of 6 digits comes back from float32; 9 digits tell all of its numbers apart."""


def survive_as_written(values: NDArray[np.float64]) -> bool:
    """Whether each value is exact in float32, or has the shortest decimal of its float32.

    So 0.1 and whatever was written from float32 in the fewest digits survive, and different values
    stay different; 2460000.6, of which float32 makes 2460000.5, does not, nor do integers and
    numbers that are rounded to others, to zero or to infinity. NaN survives.
    """
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    inexact = (narrow != values) & ~np.isnan(values)
    exact, rounded = values[inexact], narrow[inexact]
    usual = np.isfinite(rounded) & (np.abs(rounded) >= np.finfo(np.float32).tiny)
    if not usual.all() or (exact == np.rint(exact)).any():
        return False
    for digits in DIGITS:
        decimal = _nearest_decimal(rounded.astype(np.float64), digits)
        is_shortest = decimal.astype(np.float32) == rounded
        if (decimal != exact)[is_shortest].any():
            return False
        exact, rounded = exact[~is_shortest], rounded[~is_shortest]
    return True


def _nearest_decimal(values: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Return the nearest decimal of so many digits for each value; all are finite, none is zero."""
    shift = digits - 1 - np.floor(np.log10(np.abs(values))).astype(np.int64)
    power = 10.0 ** np.abs(shift)
    left, right = np.rint(values / power) * power, np.rint(values * power) / power
    decimal = np.where(shift < 0, left, right)
    for index in np.flatnonzero(np.abs(shift) > EXACT_POWER):
        decimal[index] = float(f"{values[index]:.{digits - 1}e}")
    return decimal
