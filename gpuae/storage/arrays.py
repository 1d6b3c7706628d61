"""Arrays as the rest of gpuae expects them: few types, native byte order, rows in order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.storage import lost_pages
from gpuae.storage.matrix import Matrix, Source
from gpuae.storage.pages import hand_back, hand_back_free_memory

BLOCK_BYTES = 32 << 20
HELD_BYTES = 64 << 20
"""A smaller map may stay: handing pages back costs a quarter of the speed of a scan."""
STORED_TYPES = frozenset(
    [f"{kind}int{bits}" for kind in ("u", "") for bits in (8, 16, 32, 64)] + ["float32", "float64"]
)
_REPLACED_TYPES = {"bool": "float32", "float16": "float32"}


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

    More than two dimensions are rows of the flattened rest; of three or four, the rest is taken
    for an image.

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
    """Return the shape of one row when an array of `shape` can be a stack of images."""
    return tuple(shape[1:]) if len(shape) in (3, 4) else None


def blocks(
    x: Source, multiple: int = 1, start: int = 0, *, made_bytes: int = 0
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the rows of x (n, d) from `start` on as (first row, block), some 32 MiB at a time.

    All blocks but the last have as many rows, a multiple of `multiple`; where `made_bytes` are made
    of each row, these are some 32 MiB. A memory map counts into the size of the process as it is
    scanned; the pages that have been yielded are handed back, so that a scan of any length stays
    small. Rows that have to be read are, while the block before is worked on.
    """
    rows = block_rows(x, multiple, made_bytes)
    if isinstance(x, np.ndarray):
        yield from _mapped_blocks(x, start, rows)
    else:
        yield from _blocks_ahead(x, start, rows)


def block_rows(x: Source, multiple: int = 1, made_bytes: int = 0) -> int:
    """Return how many rows all blocks that `blocks` yields have, but for the last."""
    row_bytes = max(1, made_bytes, x.dtype.itemsize * math.prod(x.shape[1:]))
    rows = max(1, BLOCK_BYTES // row_bytes, 1 if isinstance(x, np.ndarray) else x.unit)
    return _round_up(rows, multiple)


def _round_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _mapped_blocks(x: NDArray[Any], first: int, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
    for start in range(first, len(x), rows):
        yield start, x[start : start + rows]
        lost_pages.check()
        if x.nbytes > HELD_BYTES:
            hand_back(x)


def _blocks_ahead(x: Matrix, first: int, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
    starts = range(first, len(x), rows)
    with ThreadPoolExecutor(1, thread_name_prefix="gpuae reader") as reader:

        def ask(start: int) -> Future[NDArray[Any]]:
            return reader.submit(x.__getitem__, slice(start, start + rows))

        asked = ask(first)
        for start in starts:
            block = asked.result()
            if start + rows < len(x):
                asked = ask(start + rows)
            yield start, block
    hand_back_free_memory()


def unit_of(together: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> int:
    """Return the unit of a `Matrix` in whose file so many rows lie together: a block at most."""
    fitting = BLOCK_BYTES // (shape[1] * dtype.itemsize)
    return max(1, min(together, fitting, shape[0]))


def settled(rows: Matrix, memory: int) -> Source:
    """Return rows of at most `memory` bytes as an array in memory, and larger ones as they are."""
    if math.prod(rows.shape) * rows.dtype.itemsize > memory:
        return rows
    values = np.empty(rows.shape, rows.dtype)
    for start, block in blocks(rows):
        values[start : start + len(block)] = block
    return values


def check_finite(x: Source, source: str, *, missing: bool = False) -> None:
    """Refuse rows with NaN or infinite values, or if NaN may stand for `missing` ones the latter.

    Parameters
    ----------
    x
        Of shape (n, d); integers are always finite and are not read.
    source
        What the message calls the data.

    Raises
    ------
    InputError
        With the number of rows concerned and the first of them.
    """
    if x.dtype.kind != "f":
        return
    found = {"NaN": _Rows(), "infinite values": _Rows()}
    for start, block in blocks(x):
        if np.isfinite(block).all():
            continue
        if not missing:
            found["NaN"].add(start, np.isnan(block))
        found["infinite values"].add(start, np.isinf(block))
    for kind, rows in found.items():
        if rows.count:
            raise InputError(
                f"{source}: {rows.count} of {len(x)} rows hold {kind}, {rows.advice(kind)}"
            )


class _Rows:
    """Rows in which something was found."""

    def __init__(self) -> None:
        self.count = 0
        self._first = (0, 0)

    def add(self, start: int, where: NDArray[np.bool_]) -> None:
        """Count the rows of a block, whose first is the row `start`, that hold something (m, d)."""
        rows = np.flatnonzero(where.any(axis=1))
        if len(rows) and not self.count:
            self._first = (start + int(rows[0]), int(np.argmax(where[rows[0]])))
        self.count += len(rows)

    def advice(self, kind: str) -> str:
        """Say where the first is, and what helps."""
        row, column = self._first
        remedy = f"remove or correct {'it' if self.count == 1 else 'them'}"
        if kind == "NaN":
            remedy = "fill them, or fit with missing=mean, if they stand for missing values"
        return f"the first at row {row + 1}, column {column + 1} (counted from 1); {remedy}"
