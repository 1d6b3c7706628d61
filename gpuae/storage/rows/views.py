"""Rows made from other rows: some of them, some columns, missing values filled, two matrices.

Each view is a `LazyRows`, which computes its rows when they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.lazy_rows import AnyRows, LazyRows, rows_per_chunk_of
from gpuae.storage.rows.mapped_copy import mapped_copy
from gpuae.storage.rows.pages import gathered, is_in_memory, release_pages

SMALL_BYTES = 256 << 20
"""Rows up to this size are made once, rather than each time they are asked for."""

NOWHERE = -1
"""Stands for a column that a matrix has not."""


class View:
    """What all views have in common: a shape, a type, and the rows that they are made from."""

    def __init__(self, source: AnyRows, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._source = source
        self.shape: tuple[int, int] = (shape[0], shape[1])
        self.dtype = dtype
        self.rows_per_chunk = rows_per_chunk_of(source)

    def __len__(self) -> int:
        return self.shape[0]


class Columns(View):
    """Some columns of a matrix (n, d), in the order given; of shape (n, len(columns)).

    One that is `NOWHERE` is all zeros.
    """

    def __init__(self, source: AnyRows, columns: Sequence[int]) -> None:
        super().__init__(source, (len(source), len(columns)), source.dtype)
        self._columns = np.array(columns, np.intp)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return the chosen columns of some rows."""
        own = np.ascontiguousarray(read_rows(self._source, rows)[:, self._columns])
        own[:, self._columns == NOWHERE] = 0
        return own


class ChosenRows(View):
    """Some rows of an array (n, d), by their numbers; of shape (len(rows), d)."""

    def __init__(self, source: NDArray[Any], rows: NDArray[np.int64]) -> None:
        super().__init__(source, (len(rows), source.shape[1]), source.dtype)
        self._array, self._rows = source, rows

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some of them."""
        return gathered(self._array, self._rows[rows])


class Filled(View):
    """Floats (n, d) whose NaN are replaced by the value that their column has in fill (d,)."""

    def __init__(self, source: AnyRows, fill: NDArray[np.float64]) -> None:
        super().__init__(source, source.shape, source.dtype)
        self._fill = fill.astype(source.dtype)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows without NaN."""
        block = read_rows(self._source, rows)
        missing = np.isnan(block)
        return np.where(missing, self._fill, block) if missing.any() else block


class ScaledRows(View):
    """Rows (n, d) minus the mean of each, divided by its standard deviation if that is asked for.

    A row x becomes x − x̄, or (x − x̄)/√(s² + floor), s² its variance: 0 where this is 0. Missing
    values stay missing, and count for neither. Integers become float32, or float64 if float32 is
    too coarse for them.
    """

    def __init__(self, source: AnyRows, *, deviation: bool, floor: float = 0.0) -> None:
        super().__init__(source, source.shape, np.result_type(source.dtype, np.float32))
        self._deviation, self._floor = deviation, floor

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows, scaled."""
        block = read_rows(self._source, rows).astype(np.float64)
        known = ~np.isnan(block)
        counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
        alike = np.all((block == block[:, :1]) | ~known, axis=1)
        block -= block.sum(axis=1, keepdims=True, where=known) / counts
        if self._deviation:
            variance = (block**2).sum(axis=1, keepdims=True, where=known) / counts + self._floor
            block *= 1 / np.sqrt(np.where(variance > 0, variance, np.inf))
        block[alike[:, None] & known] = 0.0  # not the rounding of their mean
        return block.astype(self.dtype)


class Stacked(View):
    """The rows of `upper` (n, d) and below them those of `lower` (m, d), in a type of both."""

    def __init__(self, upper: AnyRows, lower: AnyRows) -> None:
        shape = (len(upper) + len(lower), upper.shape[1])
        super().__init__(upper, shape, np.result_type(upper.dtype, lower.dtype))
        self._lower = lower

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows of either or both."""
        start, stop, _ = rows.indices(len(self))
        border = len(self._source)
        above = read_rows(self._source, slice(min(start, border), min(stop, border)))
        below = read_rows(self._lower, slice(max(start - border, 0), max(stop - border, 0)))
        return np.concatenate([above, below], dtype=self.dtype)


def read_rows(source: AnyRows, rows: slice) -> NDArray[Any]:
    """Return some rows, of a map as a copy whose pages are no longer held."""
    block = source[rows]
    if isinstance(source, np.ndarray) and not is_in_memory(source):
        block = np.array(block)
        release_pages(source)
    return block


def load_if_cheap(view: LazyRows, *sources: AnyRows) -> Any:
    """Return the rows of a view as an array, if they are few or made from arrays in memory.

    Otherwise return the view itself.
    """
    nbytes = view.shape[0] * view.shape[1] * view.dtype.itemsize
    cheap = all(map(is_in_memory, sources)) or nbytes <= SMALL_BYTES
    return view[0 : len(view)] if cheap else view


def as_array(view: LazyRows, *sources: AnyRows) -> NDArray[Any]:
    """Return the rows of a view as an array, mapped from a temporary file where they are many."""
    with mapped_copy(load_if_cheap(view, *sources)) as rows:
        return rows  # the map outlives the file that it is of


def has_missing(source: AnyRows) -> bool:
    """Whether there are NaN among the rows (n, d)."""
    if source.dtype.kind != "f":
        return False
    return any(np.isnan(block).any() for _, block in row_blocks.blocks(source))
