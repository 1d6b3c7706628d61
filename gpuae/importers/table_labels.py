"""Labels and row ids out of the cells of a table of text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.importers.numerals import is_number
from gpuae.storage.files import limits


def row_ids(texts: list[str], source: str) -> NDArray[Any] | None:
    """Return the index that pandas writes as an unnamed first column; None where it is none.

    Consecutive integers are an index, and so is text (dates, names of samples), which cannot be a
    feature. Any other numbers are a feature without a name.
    """
    cells = [cell.strip() for cell in texts]
    if not all(map(is_number, cells)):
        return labels(cells, source) if any(cells) else None
    values = np.array(cells, np.float64)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        counts = (np.diff(values) == 1).all() and (values == np.rint(values)).all()
    return labels(cells, source) if counts else None


def labels(texts: list[str], source: str) -> NDArray[Any]:
    """Return labels or ids as they are written: as text, unless every one survives as a number.

    They are int64 where each is written as Python writes that integer (not 007, nor 1.0), and else
    float64 where each is written as Python writes that number and different ones stay different.
    """
    cells = [cell.strip() for cell in texts]
    limits.check_text(max(map(len, cells), default=0), len(cells), source)
    for read in (_integers, _floats):
        values = read(cells)
        if values is not None:
            return values
    return np.array(cells)


def numbers(texts: list[str], source: str, decimal: str | None = None) -> NDArray[np.float64]:
    """Return weights as the numbers that are written.

    Raises
    ------
    InputError
        For cells that are empty or no number, with the row of the first.
    """
    cells = [cell.strip().replace(decimal or ".", ".") for cell in texts]
    for row, cell in enumerate(cells, 1):
        if not is_number(cell):
            shown = repr(texts[row - 1][:40]) if cell else "missing"
            raise InputError(f"{source}: the weight of row {row} is {shown}; give a number")
    return np.array(cells, np.float64)


def _integers(cells: list[str]) -> NDArray[np.int64] | None:
    """Return integers that are written as the cells are; None where they are not."""
    try:
        values = np.array([int(cell) for cell in cells], np.int64)
    except (ValueError, OverflowError):
        return None
    return values if [str(value) for value in values.tolist()] == cells else None


def _floats(cells: list[str]) -> NDArray[np.float64] | None:
    """Return finite numbers that are written as the cells are; None where they are not."""
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    written = all(
        math.isfinite(value) and cell in (repr(value), f"{value:.0f}")
        for cell, value in zip(cells, values, strict=True)
    )
    distinct = len(set(values)) == len(set(cells))
    return np.array(values) if written and distinct else None
