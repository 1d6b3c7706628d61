"""Values of an HDF5 file as bytes that do not depend on how the file lays them out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5a
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.hdf5 import guard
from gpuae.storage.hdf5.chunks import Boxes

BLOCK_BYTES = 8 << 20
MAX_TEXTS = 16
"""Strings of one attribute; those of variable length may all point to one long one."""
_TEXT_BLOCK_BYTES = 256 << 20
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


def dataset_blocks(dataset: h5py.Dataset, source: str) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the values of a dataset in order as (first row, rows), some 8 MiB at a time.

    A single value is one row.
    """
    if dataset.ndim == 0:
        with guard.hdf5_errors(source):
            single = np.array(dataset[()], guard.value_type(dataset, source))
        yield 0, single.reshape(1)
        return
    step = _block_rows(dataset)
    boxes = Boxes(dataset, source)
    for start in range(0, len(dataset), step):
        yield start, boxes[start : start + step]


def _block_rows(dataset: h5py.Dataset) -> int:
    """Return how many rows to read at once: not less than a chunk, lest it be inflated again."""
    if dataset.dtype.kind == "O":
        file_bytes: int = dataset.file.id.get_filesize()
        return max(1, _TEXT_BLOCK_BYTES // file_bytes)
    row_bytes: int = max(1, dataset.dtype.itemsize * math.prod(dataset.shape[1:]))
    chunk_rows: int = dataset.chunks[0] if dataset.chunks else 1
    return max(1, BLOCK_BYTES // row_bytes, chunk_rows)


def attribute(owner: guard.Item, name: str, source: str) -> NDArray[Any]:
    """Return the values of an attribute.

    Raises
    ------
    InputError
        For what no file of gpuae's has: other types, many strings, 64 KiB and more.
    """
    what = f"{source}: the attribute {name}"
    with guard.hdf5_errors(source):
        opened = h5a.open(owner.id, name.encode())
        shape: tuple[int, ...] | None = opened.shape
        nbytes = opened.get_type().get_size() * math.prod(shape or ())
    text = type_name(guard.value_type(opened, what), what) == "text"
    if (
        shape is None
        or nbytes >= file_format.ATTRIBUTE_BYTES
        or (text and math.prod(shape) > MAX_TEXTS)
    ):
        raise InputError(f"{what} holds nothing, or more than an attribute may; remove it")
    with guard.hdf5_errors(source):
        values = np.empty(shape, opened.dtype)
        opened.read(values)
    return values
