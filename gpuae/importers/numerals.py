"""What a cell of text says: a number, that a value is missing, or something else."""

from __future__ import annotations

import re
from collections.abc import Collection

MISSING = frozenset({"", "na", "n/a", "nan", "null"})
"""What stands for a value that is not there, in any case."""
SWAPPED = str.maketrans(".,", ",.")
"""Makes points of decimal commas, and of points something that no number holds."""
EXACT_INTEGER = (1 << 53) - 1
"""Up to this magnitude no two integers are one float of 64 bits."""
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_LONG = 400
"""Characters of an integer that no 64 bits hold, whatever they are."""


def number(cell: str, decimal: str | None = None) -> float | None:
    """Return the number that a cell holds; None if it holds something else."""
    text = cell.translate(SWAPPED) if decimal == "," else cell
    try:
        return None if "_" in text else float(text)  # "_": Python's grouping, nobody else's
    except ValueError:
        return None


def is_number(cell: str, decimal: str | None = None) -> bool:
    """Whether a cell holds a number."""
    return number(cell, decimal) is not None


def is_missing(cell: str, others: Collection[str] = ()) -> bool:
    """Whether a cell means a missing value, in a usual way or as one of `others`."""
    return cell.casefold() in MISSING or cell in others


def is_integer(cell: str) -> bool:
    """Whether a cell holds an integer, written as one."""
    return _INTEGER.fullmatch(cell) is not None


def survives_in_float(cell: str, value: float) -> bool:
    """Whether `value` is exactly the integer that a cell holds; true for all other numbers."""
    if abs(value) <= EXACT_INTEGER or not is_integer(cell):
        return True
    return len(cell) < _LONG and int(cell) == value


def looks_like_decimal_comma(cell: str) -> bool:
    """Whether a cell would be a number if its comma were a point."""
    return _DECIMAL_COMMA.fullmatch(cell) is not None
