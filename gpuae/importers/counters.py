"""Features that look as if they identified rows: nobody wants to learn a row's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.rows import row_blocks
from gpuae.words import listed

NAMES = frozenset({"id", "index", "idx", "key", "no", "nr", "number", "row", "sample", "uuid"})
ENOUGH_ROWS = 3
"""That fewer numbers follow one another says nothing."""


def counter_notes(
    x: NDArray[Any], names: Sequence[str], requested: Sequence[bool]
) -> tuple[str, ...]:
    """Say which columns of x (n, d) are features although they count rows or are named as ids are.

    Parameters
    ----------
    requested
        Whether each of them was asked for by a person, or is one that a model knows.
    """
    counting = _counting(x, np.flatnonzero(~np.array(requested, np.bool_)))
    found = [
        name
        for column, (name, own) in enumerate(zip(names, requested, strict=True))
        if not own and (_is_named_as_id(name) or column in counting)
    ]
    if not found:
        return ()
    shown = listed([*map(repr, found)])
    one = len(found) == 1
    subject = f"the column {shown} is" if one else f"the columns {shown} are"
    role = "a feature" if one else "features"
    which = "it identifies" if one else "one of them identifies"
    return (f"{subject} taken as {role}; if {which} the rows, give --id-column",)


def _counting(x: NDArray[Any], columns: NDArray[np.int64]) -> set[int]:
    """Return those columns of x (n, d) in which each number is the one before it and 1."""
    if len(x) < ENOUGH_ROWS:
        return set()
    left = columns[_follow(x[:ENOUGH_ROWS, columns])]
    last = x[:0, left]
    for _, block in row_blocks.blocks(x):
        if not len(left):
            break
        follow = _follow(np.concatenate((last, block[:, left])))
        left, last = left[follow], block[-1:, left[follow]]
    return set(left.tolist())


def _follow(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell columns (n, d) in which each number is the one before it and 1."""
    with np.errstate(invalid="ignore"):  # infinity less infinity
        return np.asarray((np.diff(numbers, axis=0) == 1).all(axis=0))


def _is_named_as_id(name: str) -> bool:
    return name.casefold() in NAMES or name.casefold().endswith(("_id", " id"))
