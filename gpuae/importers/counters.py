"""Features that look as if they identified rows: nobody wants to learn a row's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    found = [
        name
        for column, (name, own) in enumerate(zip(names, requested, strict=True))
        if not own and (_is_named_as_id(name) or _counts(x[:, column]))
    ]
    if not found:
        return ()
    shown = listed([*map(repr, found)])
    one = len(found) == 1
    subject = f"the column {shown} is" if one else f"the columns {shown} are"
    role = "a feature" if one else "features"
    which = "it identifies" if one else "one of them identifies"
    return (f"{subject} taken as {role}; if {which} the rows, give --id-column",)


def _counts(column: NDArray[Any]) -> bool:
    """Whether each of some numbers (n,) is the one before it and 1."""
    few = column[:ENOUGH_ROWS]
    return len(few) == ENOUGH_ROWS and all((np.diff(part) == 1).all() for part in (few, column))


def _is_named_as_id(name: str) -> bool:
    return name.casefold() in NAMES or name.casefold().endswith(("_id", " id"))
