"""Rows in order, one block at a time, however they are stored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.errors import InputError
from gpuae.steps import step
from gpuae.storage.rows import lost_pages
from gpuae.storage.rows.lazy_rows import AnyRows, LazyRows, rows_per_chunk_of
from gpuae.storage.rows.pages import release_free_memory, release_pages

BLOCK_BYTES = 32 << 20
HELD_BYTES = 64 << 20
"""The pages of a smaller map are kept: releasing them costs a scan a quarter of its speed."""


def blocks(
    x: AnyRows, multiple: int = 1, start: int = 0, *, made_bytes: int = 0
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the rows of x (n, d) from `start` on as (first row, block), some 32 MiB at a time.

    All blocks but the last have the same number of rows, a multiple of `multiple`. If each row
    becomes `made_bytes`, those are some 32 MiB a block. The pages of a memory map are released
    after each block, so that a scan of any length needs little memory. Lazy rows are read while
    the block before is in use.
    """
    rows = block_rows(x, multiple, made_bytes)
    if isinstance(x, np.ndarray):
        own = _mapped_blocks(x, start, rows)
    else:
        own = _blocks_ahead(x, start, rows)
    with step(len(x), "rows", start) as told:
        for first, block in own:
            yield first, block
            told.reach(first + len(block))


def block_rows(x: AnyRows, multiple: int = 1, made_bytes: int = 0) -> int:
    """Return the number of rows in all blocks of `blocks` but the last."""
    row_bytes = max(1, made_bytes, x.dtype.itemsize * math.prod(x.shape[1:]))
    rows = max(BLOCK_BYTES // row_bytes, rows_per_chunk_of(x))
    return -(-rows // multiple) * multiple


def _mapped_blocks(x: NDArray[Any], first: int, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
    for start in range(first, len(x), rows):
        yield start, x[start : start + rows]
        lost_pages.check()
        if x.nbytes > HELD_BYTES:
            release_pages(x)


def _blocks_ahead(x: LazyRows, first: int, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
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
    release_free_memory()


def at_most_a_block(rows: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> int:
    """Return a number of rows, or fewer if they take more than a block or there are not so many."""
    fitting = BLOCK_BYTES // (shape[1] * dtype.itemsize)
    return max(1, min(rows, fitting, shape[0]))


def load_if_small(rows: LazyRows, memory: int) -> AnyRows:
    """Return rows of at most `memory` bytes as an array in memory, and larger ones as they are."""
    if math.prod(rows.shape) * rows.dtype.itemsize > memory:
        return rows
    values = np.empty(rows.shape, rows.dtype)
    for start, block in blocks(rows):
        values[start : start + len(block)] = block
    return values


def check_finite(x: AnyRows, source: str, *, missing: bool = False) -> None:
    """Refuse rows with infinite values, or with NaN unless these stand for `missing` values.

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
        """Say which row is the first, and what helps."""
        row, column = self._first
        remedy = f"remove or correct {'it' if self.count == 1 else 'them'}"
        if kind == "NaN":
            remedy = "fill them, or fit with missing=mean, if they stand for missing values"
        return f"the first at row {row + 1}, column {column + 1} (counted from 1); {remedy}"
