"""The form of what is said about an HDF5 file; what does not have it raises errors of Python's.

KeyError, TypeError or ValueError: whoever says such a thing has read a damaged file.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

_NUMPY_TYPE = re.compile(r"[<>|=][biufcmMSUVO]\d*(\[\w{1,4}\])?")


@dataclass(frozen=True)
class Type:
    """A type of values in HDF5."""

    dtype: np.dtype[Any] | None
    """NumPy's; None for one that NumPy does not have."""
    size: int
    """Of one value in the file, in bytes."""
    stored_size: int
    """The same, but of text of any length what says where it is and how long."""
    kind: str
    """`integer`, `float`, `string` or `other`."""
    plain: bool
    """Whether the stored bytes are those of the NumPy type, with nothing to convert."""
    shown: str
    """For messages."""

    @property
    def is_text(self) -> bool:
        """Whether the values are strings."""
        return self.dtype is not None and h5py.check_string_dtype(self.dtype) is not None

    @property
    def is_text_of_any_length(self) -> bool:
        """Whether they are strings of variable length."""
        return self.is_text and self.dtype is not None and self.dtype.kind == "O"

    @classmethod
    def of(cls, said: Any) -> Type:
        """Return a type from its description."""
        dtype, shown = None, str(said["shown"])
        if said["text"] is not None:
            encoding, length = said["text"]
            dtype = h5py.string_dtype(encoding, length)
        elif said["numpy"] is not None:
            if not _NUMPY_TYPE.fullmatch(said["numpy"]):
                raise ValueError
            dtype = np.dtype(said["numpy"])
        sizes = natural(said["size"]), natural(said["stored_size"])
        return cls(dtype, *sizes, str(said["class"]), bool(said["plain"]), shown)


@dataclass(frozen=True)
class Attribute:
    """An attribute of a group or dataset."""

    type: Type
    shape: tuple[int, ...] | None
    """None where it holds nothing."""
    values: NDArray[Any] | None
    """None where there are too many, or NumPy has no such type."""


def attribute_of(said: Any, raw: bytearray) -> Attribute:
    """Return an attribute from its description and values."""
    kind = Type.of(said["type"])
    shape = None if said["shape"] is None else naturals(said["shape"])
    if shape is None or said["left_out"] or kind.dtype is None:
        return Attribute(kind, shape, None)
    return Attribute(kind, shape, received(kind.dtype, shape, said["lengths"], raw))


def received(
    dtype: np.dtype[Any], shape: tuple[int, ...], lengths: Any, raw: bytearray
) -> NDArray[Any]:
    """Return values from their bytes, of which text of any length has the given lengths."""
    if dtype.kind != "O":
        return np.frombuffer(raw, dtype).reshape(shape)
    cells = np.empty(math.prod(shape), dtype)
    start, content = 0, bytes(raw)
    for index, length in enumerate(naturals(lengths)):
        cells[index] = content[start : start + length]
        start += length
    return cells.reshape(shape)


def naturals(values: Any) -> tuple[int, ...]:
    """Return numbers from 0 on, each of which has to be one."""
    return tuple(natural(value) for value in values)


def natural(value: Any) -> int:
    """Return a number from 0 on, which it has to be."""
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise ValueError
    return value
