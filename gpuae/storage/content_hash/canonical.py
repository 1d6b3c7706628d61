"""Values of an HDF5 file as bytes that do not depend on how the file lays them out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gpuae import steps
from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.hdf5.boxes import Boxes, read_box
from gpuae.storage.hdf5.nodes import Dataset, Item
from gpuae.storage.hdf5.strings import text_blocks

BLOCK_BYTES = 8 << 20
MAX_TEXTS = 16
"""Strings of one attribute: all of them may point to the same very long one."""
_NUMBERS = "biuf"
_WIDEST = 8


def type_name(dtype: np.dtype[Any], source: str) -> str:
    """Return `text`, or NumPy's name of a number's type without its byte order.

    Raises
    ------
    InputError
        For any other type: no file of gpuae's has one.
    """
    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if dtype.kind not in _NUMBERS or dtype.itemsize > _WIDEST:
        raise InputError(f"{source}: is of type {dtype}, neither text nor numbers; remove it")
    return str(dtype.newbyteorder("=").name)


def as_bytes(values: NDArray[Any]) -> bytes | memoryview:
    """Return numbers in little-endian C order; strings in UTF-8, each ended by a NUL."""
    if values.dtype.kind in _NUMBERS:
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        return little.reshape(-1).view(np.uint8).data
    return b"".join(_utf8(value) + b"\0" for value in values.reshape(-1).tolist())


def _utf8(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def dataset_blocks(dataset: Dataset) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the values of a dataset in order as (first row, rows), some 8 MiB at a time.

    A single value is one row.
    """
    if dataset.ndim == 0:
        yield 0, read_box(dataset).reshape(1)
        return
    if dataset.type.is_text_of_any_length:
        yield from text_blocks(dataset)
        return
    step = _block_rows(dataset)
    boxes = Boxes(dataset)
    with steps.step(len(dataset), "rows") as told:
        for start in range(0, len(dataset), step):
            yield start, boxes[start : start + step]
            told.reach(start + step)


def _block_rows(dataset: Dataset) -> int:
    """Return how many rows to read at once: at least a chunk, so that none is unpacked twice."""
    row_bytes = max(1, dataset.dtype.itemsize * math.prod(dataset.shape[1:]))
    chunk_rows = dataset.chunks[0] if dataset.chunks else 1
    return max(1, BLOCK_BYTES // row_bytes, chunk_rows)


def attribute(owner: Item, name: str) -> NDArray[Any]:
    """Return the values of an attribute.

    Raises
    ------
    InputError
        For other types than numbers and text, many strings, and 64 KiB or more.
    """
    what = f"{owner.where}: the attribute {name}"
    found = owner.attribute(name)
    if found is None or found.type.dtype is None:
        raise InputError(f"{what} is of a type that NumPy does not know; remove it")
    text = type_name(found.type.dtype, what) == "text"
    count = math.prod(found.shape or ())
    too_many = count * found.type.size >= file_format.ATTRIBUTE_BYTES or (
        text and count > MAX_TEXTS
    )
    if found.values is None or too_many:
        raise InputError(f"{what} holds nothing, or more than an attribute may; remove it")
    return found.values
