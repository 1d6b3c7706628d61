"""Which of several named arrays in a file is the rows, and which one holds their labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gpuae.errors import InputError
from gpuae.importers.roles import is_label_name, named_as_labels
from gpuae.storage.rows import row_types
from gpuae.words import listed

PREFERRED_NAMES = ("x", "X", "data")
ROOT = "the root"
"""What messages call the array that a whole store is, and which needs no name."""


class Described(Protocol):
    """What an array in a file is like."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its values."""
        ...


def chosen(path: Path, arrays: Mapping[str, Described], name: str | None) -> str:
    """Return the name of the array that is the rows.

    Parameters
    ----------
    path
        What messages call the file.
    name
        The one that a person has chosen; None where there is one matrix only, or one that is named
        x, X or data.

    Raises
    ------
    InputError
        When the choice is not clear; the message lists the arrays.
    """
    if name is not None:
        if name.strip("/") in arrays:
            return name.strip("/")
        raise InputError(f"{path}: holds no array {name!r}; {_listed(arrays)}")
    matrices = [key for key, array in arrays.items() if _is_matrix(key, array)]
    preferred = [key for key in PREFERRED_NAMES if key in matrices]
    if len(matrices) == 1 or len(preferred) == 1:
        return (preferred or matrices)[0]
    raise InputError(f"{path}: give FILE::NAME to say which array; {_listed(arrays)}")


def label_name(arrays: Mapping[str, Described], chosen: str, rows: int) -> str | None:
    """Return the name of an array that looks like one label a row."""
    others = [name for name, own in arrays.items() if name != chosen and _are_labels(own, rows)]
    return next(iter(named_as_labels(others)), None)


def _are_labels(array: Described, rows: int) -> bool:
    """Whether an array holds a number, or a text, for each row."""
    if array.dtype.kind not in "US" and not row_types.is_stored(array.dtype):
        return False
    return _is_vector(array.shape, rows)


def _is_vector(shape: tuple[int, ...], size: int) -> bool:
    """Whether an array of that shape holds `size` values in a row or a column."""
    return len(shape) in (1, 2) and max(shape) == math.prod(shape) == size


def _is_matrix(name: str, array: Described) -> bool:
    """Whether an array may be rows: one of a single column named as labels are holds labels."""
    shape = array.shape
    labels = is_label_name(name) and _is_vector(shape, math.prod(shape))
    return len(shape) >= 2 and not labels


def _listed(arrays: Mapping[str, Described]) -> str:
    if not arrays:
        return "there are no arrays in it"
    items = [f"{name or ROOT} {array.shape} {array.dtype}" for name, array in arrays.items()]
    return f"the arrays in it are {listed(items, 20, more='and more')}"
