"""Decimal numbers into the nearest float64, where that can be done surely with few operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.numba_compile import bare_part

SMALLEST_POWER, LARGEST_POWER = -342, 308
"""Of ten; beyond, 19 digits are zero or infinity."""
EXACT_POWER = 22
"""Powers of ten up to this one are floats of 64 bits, and so are integers up to `EXACT_DIGITS`."""
EXACT_DIGITS = np.uint64(1 << 53)
POWERS_OF_TEN = np.array([10.0**power for power in range(EXACT_POWER + 1)])
FEWEST_DIGITS, MOST_DIGITS = 6, 9
"""Any decimal of 6 digits comes back from float32; 9 digits tell all of its numbers apart."""
_BELOW_ONE = 1 - 1e-12
"""No float32 is so near to a power of ten without being it."""
_TINY, _HUGE = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)


def _leading_bits(power: int) -> int:
    """Return the first 128 bits of 5^power: rounded up where it is a fraction, else cut off."""
    if power >= 0:
        return int(5**power << 128 >> (5**power).bit_length())
    divisor = 5**-power
    return int((1 << 127 + divisor.bit_length()) // divisor + 1)


def _halves() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the upper and the lower half of the leading bits of each power of five."""
    bits = [_leading_bits(power) for power in range(SMALLEST_POWER, LARGEST_POWER + 1)]
    upper = np.array([value >> 64 for value in bits], np.uint64)
    return upper, np.array([value & ((1 << 64) - 1) for value in bits], np.uint64)


UPPER, LOWER = _halves()


@bare_part
def product(a: Any, b: Any) -> Any:
    """Return the upper and the lower 64 bits of a · b."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a_low, a_high, b_low, b_high = a & mask, a >> half, b & mask, b >> half
    low = a_low * b_low
    first = a_high * b_low + (low >> half)
    second = a_low * b_high + (first & mask)
    return a_high * b_high + (first >> half) + (second >> half), a * b


@bare_part
def leading_zeros(bits: Any) -> Any:
    """Return how many bits of a positive integer come before the first that is set."""
    zeros = 1086 - np.int64(np.float64(bits).view(np.uint64) >> np.uint64(52))
    return zeros if (bits << np.uint64(zeros)) >> np.uint64(63) else zeros + 1


@bare_part
def _leading_product(digits: Any, place: Any) -> Any:
    """Return 128 bits of a product with a power of five, of which 55 are exact."""
    upper, lower = product(digits, UPPER[place])
    if upper & np.uint64(0x1FF) == np.uint64(0x1FF):
        carried, _ = product(digits, LOWER[place])
        lower += carried
        if carried > lower:
            upper += _ONE
    return upper, lower


@bare_part
def _nearest_of_many(digits: Any, power: Any) -> Any:
    """Return the float64 nearest to digits · 10^power; NaN where that is not sure.

    Lemire, Number Parsing at a Gigabyte per Second, Software: Practice and Experience 51 (2021),
    algorithm 1, without subnormal numbers and infinity.
    """
    if power < SMALLEST_POWER or power > LARGEST_POWER:
        return np.nan
    zeros = leading_zeros(digits)
    upper, lower = _leading_product(digits << np.uint64(zeros), power - SMALLEST_POWER)
    top = upper >> np.uint64(63)
    shift = top + np.uint64(9)
    mantissa = upper >> shift
    exponent = ((217706 * power) >> 16) + 1086 + np.int64(top) - zeros
    if lower == _ALL or exponent <= 0 or exponent >= 2046:
        return np.nan
    halfway = lower <= _ONE and -5 < power < 24 and mantissa << shift == upper
    if halfway and mantissa & np.uint64(3) == _ONE:  # to the even one
        mantissa &= ~_ONE
    mantissa = (mantissa + (mantissa & _ONE)) >> _ONE
    if mantissa >> np.uint64(53):
        mantissa >>= _ONE
        exponent += 1
    fraction = mantissa & np.uint64((1 << 52) - 1)
    return np.uint64(fraction | np.uint64(exponent) << np.uint64(52)).view(np.float64)


@bare_part
def nearest(digits: Any, power: Any, more: Any) -> Any:
    """Return the float64 nearest to digits · 10^power; NaN where that is not sure.

    Parameters
    ----------
    digits
        Of at most 19 places, unsigned.
    more
        Whether other digits than zeros follow these.
    """
    if digits == 0:
        return 0.0
    if digits <= EXACT_DIGITS and -EXACT_POWER <= power <= EXACT_POWER and not more:
        exact = np.float64(digits)
        return exact / POWERS_OF_TEN[-power] if power < 0 else exact * POWERS_OF_TEN[power]
    value = _nearest_of_many(digits, power)
    if more and value != _nearest_of_many(digits + _ONE, power):
        return np.nan
    return value


@bare_part
def _short(digits: Any, power: Any) -> Any:
    """Return digits without zeros at their end, the power of ten, and how many digits these are."""
    while digits % np.uint64(10) == 0:
        digits //= np.uint64(10)
        power += 1
    count, limit = 1, np.uint64(10)
    while digits >= limit and count <= MOST_DIGITS:
        limit *= np.uint64(10)
        count += 1
    return power, count


@bare_part
def _rounded(value: Any, places: Any) -> Any:
    """Return the decimal nearest to a value that has so many places after its point."""
    if places < 0:
        return np.rint(value / POWERS_OF_TEN[-places]) * POWERS_OF_TEN[-places]
    return np.rint(value * POWERS_OF_TEN[places]) / POWERS_OF_TEN[places]


@bare_part
def survives_as_written(value: Any, digits: Any, power: Any) -> Any:
    """Whether a value is float32, or surely its shortest decimal: that of 6 to 9 digits.

    Parameters
    ----------
    value
        The float64 nearest to digits · 10^power, at least 0.
    """
    narrow = np.float64(np.float32(value))
    if narrow == value:
        return True
    power, count = _short(digits, power)
    usual = _TINY <= narrow <= _HUGE and value != np.rint(value)
    if count <= FEWEST_DIGITS or count > MOST_DIGITS or not usual:
        return usual and count <= FEWEST_DIGITS
    first = power + count - 1
    if not MOST_DIGITS - EXACT_POWER < first < EXACT_POWER:
        return False
    scaled = narrow * POWERS_OF_TEN[-first] if first < 0 else narrow / POWERS_OF_TEN[first]
    first += (scaled >= 10 * _BELOW_ONE) - (scaled < _BELOW_ONE)
    for places in range(FEWEST_DIGITS - 1 - first, MOST_DIGITS - first):
        decimal = _rounded(narrow, places)
        if np.float32(decimal) == np.float32(narrow):
            return decimal == value
    return False
