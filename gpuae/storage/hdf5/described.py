"""The form of what is said about an HDF5 file, all of which is checked where it is taken.

A hostile file may have taken over the process that says it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

MOST_DIMENSIONS = 32
"""That HDF5 has."""
_NUMPY_TYPE = re.compile(r"[<>|=][biufcmMSUVO]\d*(\[\w{1,4}\])?")
Made = TypeVar("Made")


class FormError(Exception):
    """What is said has not the form of an answer."""


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
        sizes = natural(entry(said, "size")), natural(entry(said, "stored_size"))
        plain, shown = bool(entry(said, "plain")), str(entry(said, "shown"))
        dtype = _dtype(said)
        check(all(sizes) and (not plain or (dtype is not None and not dtype.hasobject)))
        return cls(dtype, *sizes, str(entry(said, "class")), plain, shown)


def _dtype(said: Any) -> np.dtype[Any] | None:
    name, text = entry(said, "numpy"), entry(said, "text")
    if text is not None:
        encoding, length = pair(text)
        check(encoding in ("ascii", "utf-8"))
        length = None if length is None else natural(length)
        made: np.dtype[Any] = _made(h5py.string_dtype, encoding, length)
        return made
    if name is None:
        return None
    kind = _numpy_type(name)
    fields = said.get("fields")
    return kind if fields is None else _record(fields, kind.itemsize)


def _numpy_type(name: Any) -> np.dtype[Any]:
    check(isinstance(name, str) and _NUMPY_TYPE.fullmatch(name))
    made: np.dtype[Any] = _made(np.dtype, name)
    return made


def _record(fields: Any, size: int) -> np.dtype[Any]:
    """Return the type of records of so many bytes with these fields."""
    check(isinstance(fields, list | tuple) and size)
    names, formats, places = [], [], []
    for field in fields:
        check(isinstance(field, list | tuple) and len(field) == 4)
        name, kind, shape, place = field
        check(isinstance(name, str) and natural(place) <= size)
        base, shape = _numpy_type(kind), shape_of(shape)
        check(not base.hasobject and shape is not None and base.itemsize * math.prod(shape) <= size)
        names.append(name)
        formats.append((base, shape))
        places.append(place)
    whole = {"names": names, "formats": formats, "offsets": places, "itemsize": size}
    made: np.dtype[Any] = _made(np.dtype, whole)
    return made


def _made(make: Callable[..., Made], *given: object) -> Made:
    """Return a type or an array, if NumPy has one that is so large."""
    try:
        return make(*given)
    except (TypeError, ValueError, OverflowError):
        raise FormError from None


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
    kind = Type.of(entry(said, "type"))
    shape = shape_of(entry(said, "shape"))
    if shape is None or entry(said, "left_out") or kind.dtype is None:
        return Attribute(kind, shape, None)
    return Attribute(kind, shape, received(kind.dtype, shape, entry(said, "lengths"), raw))


def received(
    dtype: np.dtype[Any], shape: tuple[int, ...], lengths: Any, raw: bytearray
) -> NDArray[Any]:
    """Return values from their bytes, of which text of any length has the given lengths."""
    count = math.prod(shape)
    if dtype.kind != "O":
        check(len(raw) == count * dtype.itemsize)
        return _made(np.ndarray, shape, dtype, raw)
    sizes = naturals(lengths)
    check(len(sizes) == count and sum(sizes) == len(raw))
    cells = _made(np.empty, shape, dtype)
    start, content, together = 0, bytes(raw), cells.reshape(-1)
    for index, size in enumerate(sizes):
        together[index] = content[start : start + size]
        start += size
    return cells


def chunk_places(said: Any, raw: bytearray, dimensions: int) -> NDArray[np.int64]:
    """Return of each chunk (m, dimensions + 3) first index, offset, size and skipped filters."""
    count, width = natural(said), dimensions + 3
    check(len(raw) == count * width * np.dtype("<i8").itemsize)
    return np.frombuffer(raw, "<i8").reshape(count, width)


def filters_of(said: Any) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return number and options of each filter."""
    check(isinstance(said, list | tuple))
    pairs = (pair(filter_) for filter_ in said)
    return tuple((natural(number), naturals(options)) for number, options in pairs)


def shape_of(said: Any) -> tuple[int, ...] | None:
    """Return a shape; None where there is none."""
    if said is None:
        return None
    shape = naturals(said)
    check(len(shape) <= MOST_DIMENSIONS)
    return shape


def names_of(said: Any) -> tuple[int, list[str | None]]:
    """Return how many names there are, and the first; None for one not UTF-8."""
    count, names = pair(said)
    check(isinstance(names, list | tuple))
    return natural(count), [name if isinstance(name, str) else None for name in names]


def entry(said: Any, name: str) -> Any:
    """Return an entry of what has names for its entries."""
    check(isinstance(said, dict) and name in said)
    return said[name]


def pair(said: Any) -> Any:
    """Return two values."""
    check(isinstance(said, list | tuple) and len(said) == 2)
    return said


def naturals(said: Any) -> tuple[int, ...]:
    """Return whole numbers from 0 on."""
    check(isinstance(said, list | tuple))
    return tuple(map(natural, said))


def natural(said: Any) -> int:
    """Return a whole number from 0 on, which HDF5 could keep."""
    check(type(said) is int and 0 <= said < 1 << 64)
    return int(said)


def check(right: object) -> None:
    """Refuse what is said where something about it is not right."""
    if not right:
        raise FormError
