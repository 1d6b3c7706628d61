"""The types of rows: integers and floats of up to 64 bits in native byte order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError

STORED_TYPES = frozenset(
    [f"{kind}int{bits}" for kind in ("u", "") for bits in (8, 16, 32, 64)] + ["float32", "float64"]
)
LARGEST_VALUE = 8
"""Bytes of a number."""
MOST_DIMENSIONS = 64
"""Of an array of NumPy's."""
_REPLACED_TYPES = {"bool": "float32", "float16": "float32"}


def is_stored(dtype: np.dtype[Any]) -> bool:
    """Whether values of `dtype` are numbers that are kept, in this type or in another."""
    name = dtype.newbyteorder("=").name
    return _REPLACED_TYPES.get(name, name) in STORED_TYPES


def is_possible(shape: Sequence[int]) -> bool:
    """Whether an array of NumPy's, of values of any type, can have a shape that a file declares.

    One of 0 values counts as if it had 1 along each axis where it has none, as it does for NumPy.
    """
    if len(shape) > MOST_DIMENSIONS:
        return False
    return math.prod(max(1, length) for length in shape) * LARGEST_VALUE < 1 << 63


def stored_type(dtype: np.dtype[Any], source: str) -> np.dtype[Any]:
    """Return the type in which values of `dtype` are kept: native, and one of `STORED_TYPES`.

    Raises
    ------
    InputError
        For text, complex numbers, records, and floats wider than 64 bits.
    """
    native = dtype.newbyteorder("=")
    name = _REPLACED_TYPES.get(native.name, native.name)
    if name not in STORED_TYPES:
        raise InputError(
            f"{source}: holds {_in_words(dtype)} where numbers are needed; "
            "save it as integers of up to 64 bits or as float32 or float64"
        )
    return np.dtype(name)


def _in_words(dtype: np.dtype[Any]) -> str:
    kinds = {"U": "text", "S": "text", "T": "text", "O": "text or objects", "V": "records"}
    return kinds.get(dtype.kind, f"{dtype.name} values")


def as_stored(values: NDArray[Any], source: str) -> NDArray[Any]:
    """Return `values` C-contiguous in their stored type; a copy only where one is needed."""
    target = stored_type(values.dtype, source)
    if values.dtype == target and values.flags.c_contiguous and values.flags.aligned:
        return values
    return np.array(values, dtype=target, order="C")


def survive(values: NDArray[Any], target: np.dtype[Any]) -> bool:
    """Whether integers keep their value in the type `target`."""
    if target.kind != "f" or not len(values):
        return True
    largest = 1 << (np.finfo(target).nmant + 1)
    large = values[(values > largest) | (values < -largest)] if values.dtype.itemsize > 2 else ()
    return all(int(target.type(value)) == value for value in np.unique(large).tolist())


def as_rows(values: NDArray[Any], source: str) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Return `values` as a matrix (n, d), and the shape of a row where rows are images.

    Arrays of more than two dimensions are flattened into rows; of three or four dimensions, each
    row is taken for an image.

    Raises
    ------
    InputError
        For fewer than two dimensions, no rows, no columns, or a type that is no number.
    """
    check_row_shape(values.shape, source)
    stored = as_stored(values, source)
    return stored.reshape(len(stored), -1), image_of(values.shape)


def check_row_shape(shape: tuple[int, ...], source: str) -> None:
    """Refuse a shape that is not one of rows with columns."""
    if len(shape) < 2:
        raise InputError(
            f"{source}: has {len(shape)} dimension{'s' * (len(shape) != 1)} where rows and columns "
            "are needed; reshape it to (rows, columns)"
        )
    if math.prod(shape) == 0:
        raise InputError(f"{source}: is empty, its shape is {shape}; give at least one row")


def image_of(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of one row if an array of `shape` can be a stack of images."""
    return tuple(shape[1:]) if len(shape) in (3, 4) else None
