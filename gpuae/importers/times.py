"""Dates and times as numbers: seconds since the beginning of 1970 in UTC."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.numerals import is_missing
from gpuae.importers.options import ReadOptions


def seconds(
    cells: Sequence[str], name: str, source: str, options: ReadOptions
) -> NDArray[np.float64]:
    """Return the times (n,) in cells of text, written as ISO 8601 has it; NaN for missing ones.

    A time without a zone is in UTC, and a date is its midnight.

    Raises
    ------
    InputError
        For cells that hold none, by row.
    """
    known: dict[str, float] = {}
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        if cell not in known:
            found = _seconds(cell.strip(), options)
            if found is None:
                raise _no_time(cell, row, name, source)
            known[cell] = found
        values[row] = known[cell]
    check_there(values, name, source, options)
    return values


def _seconds(text: str, options: ReadOptions) -> float | None:
    """Return a time, NaN where it is missing; None where the text is no time."""
    if is_missing(text, options.na_values):
        return float("nan")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _no_time(cell: str, row: int, name: str, source: str) -> InputError:
    return InputError(
        f"{source}: row {row + 1}, column {name!r}: {reprlib.repr(cell)} is no date or time as ISO "
        "8601 writes them (2026-11-27, 2026-11-27T08:30:00+01:00); correct it, or leave the column "
        "out of --times"
    )


def check_there(values: NDArray[np.float64], name: str, source: str, options: ReadOptions) -> None:
    """Refuse times that are missing, unless values may be.

    Raises
    ------
    InputError
        With the first row.
    """
    missing = np.isnan(values)
    if missing.any() and not options.missing:
        raise InputError(
            f"{source}: {int(missing.sum())} times of the column {name!r} are missing, the first "
            f"in row {int(missing.argmax()) + 1}; fill or remove them, or fit with missing=mean "
            "(convert with --missing keep)"
        )
